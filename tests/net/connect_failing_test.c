/*
 * connect_failing_test.c - each allocation, and each system call, fails in turn, once or from then on, while a name is
 * resolved, connected to and accepted; the same while the loop is freed, or the future dropped or cancelled, at each
 * turn. Nothing leaks, neither memory nor descriptors; and each future is complete in the end.
 */
#include <tornadoc/tcpclient.h>

#include "net/failing_calls.h"

enum { MOST_FAILURES = 200, PATIENCE = 3000 };

/* ---- System calls that fail on demand ---- */

static int sys_socket(int domain, int type, int protocol) {
    return troubled(0, EMFILE) ? -1 : real.socket(domain, type, protocol);
}
static int sys_bind(int fd, const struct sockaddr *address, socklen_t len) {
    return troubled(1, EADDRINUSE) ? -1 : real.bind(fd, address, len);
}
static int sys_connect(int fd, const struct sockaddr *address, socklen_t len) {
    return troubled(2, ENETUNREACH) ? -1 : real.connect(fd, address, len);
}
static int sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
    return troubled(3, ENOBUFS) ? -1 : real.getsockopt(fd, level, name, value, len);
}
static int sys_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    return troubled(4, EMFILE) ? -1 : real.accept4(fd, address, len, flags);
}
static int sys_getaddrinfo(uv_loop_t *uv, uv_getaddrinfo_t *request, uv_getaddrinfo_cb cb, const char *host,
                           const char *service, const struct addrinfo *hints) {
    struct addrinfo numeric = *hints;
    (void)host;
    numeric.ai_flags |= AI_NUMERICHOST;
    return troubled(5, 0) ? UV_ENOMEM : real.getaddrinfo(uv, request, cb, "127.0.0.1", service, &numeric);
}
enum { TROUBLES = 6 };

/* ---- The scenario: two connections, by name and by address, are awaited on both sides ---- */

typedef struct {
    tc_future_t *clients[3], *accepts[3];
} meeting_t;

static bool is_over(const meeting_t *meeting) {
    for (int i = 0; i < 3; i++)
        if (tc_future_state(meeting->clients[i]) == TC_PENDING)
            return false;
    return true;
}

static void begin(meeting_t *meeting, tc_tcpserver_t *server) {
    static const char *const hosts[] = { "two.example", "looked-up.example" };
    tc_resolver_t *resolver = NULL;
    int port = tc_tcpserver_port(server);
    if (tc_resolver_new(&resolver) == 0) {
        int err = tc_resolver_override(resolver, hosts[0], 0, "127.0.0.2", 0);
        if (err == 0)
            err = tc_resolver_override(resolver, hosts[0], 0, "127.0.0.1", 0);
        expect(err == 0 || err == TC_ENOMEM);
    }
    for (int i = 0; i < 3; i++)
        meeting->accepts[i] = tc_tcpserver_accept(server);
    tc_tcpclient_options_t options = { .resolver = resolver, .source_ip = "127.0.0.1", .timeout_ms = 5000 };
    for (int i = 0; i < 2; i++)
        meeting->clients[i] = tc_tcpclient_connect(loop, hosts[i], port, &options);
    meeting->clients[2] = tc_iostream_connect_future(loop, "127.0.0.1", port, NULL);
    tc_resolver_free(resolver);
}

static bool end(meeting_t *meeting) {
    bool fine = true;
    for (int i = 0; i < 3; i++) {
        fine = fine && tc_future_status(meeting->clients[i]) == 0 && tc_future_status(meeting->accepts[i]) == 0;
        expect(tc_future_state(meeting->clients[i]) != TC_PENDING);
        expect(tc_future_state(meeting->accepts[i]) != TC_PENDING);
        tc_future_status(meeting->accepts[i]);
        tc_future_unref(meeting->clients[i]);
        tc_future_unref(meeting->accepts[i]);
    }
    return fine;
}

static int count_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* The loop and the server are there before the trouble begins. @return whether all went well */
static bool meet(void (*make_trouble)(int nth, bool for_good, int which), int nth, bool for_good, int which) {
    tc_tcpserver_t *server = NULL;
    meeting_t meeting = { { NULL }, { NULL } };
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_tcpserver_new(&server, loop, NULL, NULL, NULL), 0);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    make_trouble(nth, for_good, which);
    begin(&meeting, server);
    for (int i = 0; i < PATIENCE && !is_over(&meeting); i++)
        tc__ioloop_turn(loop, true);
    for (int i = 0; i < 20; i++)
        tc__ioloop_turn(loop, false);
    calm();
    tc_tcpserver_free(server);
    bool fine = end(&meeting);
    tc_ioloop_free(loop);
    loop = NULL;
    log_lines = 0;
    return fine;
}

static void no_trouble(int nth, bool for_good, int which) {
    (void)nth, (void)for_good, (void)which;
}

static void trouble_with_memory(int nth, bool for_good, int which) {
    (void)which;
    fail_allocation(nth, for_good);
}

static void check_nothing_is_left(long memory_before, int descriptors_before, const char *what, int nth) {
    if (wrong || memory.live != memory_before || count_descriptors() != descriptors_before)
        fail_msg("%s %d: %d wrong, %ld blocks and %d descriptors left", what, nth, wrong, memory.live - memory_before,
                 count_descriptors() - descriptors_before);
}

static void without_trouble_all_are_connected(void **state) {
    (void)state;
    assert_true(meet(no_trouble, 0, false, 0)); /* libuv opens some descriptors once */
    long before = memory.live;
    int descriptors = count_descriptors();
    assert_true(meet(no_trouble, 0, false, 0));
    check_nothing_is_left(before, descriptors, "round", 0);
}

static void each_allocation_fails_in_turn(void **state) {
    (void)state;
    long before = memory.live;
    int descriptors = count_descriptors();
    for (int for_good = 0; for_good < 2; for_good++) {
        int nth = 1;
        for (int fine_in_a_row = 0; nth < MOST_FAILURES && fine_in_a_row < 8; nth++) {
            fine_in_a_row = meet(trouble_with_memory, nth, for_good, 0) ? fine_in_a_row + 1 : 0;
            check_nothing_is_left(before, descriptors, "allocation", nth);
        }
        assert_in_range(nth, 15, MOST_FAILURES - 1);
    }
}

static void each_system_call_fails_in_turn(void **state) {
    (void)state;
    long before = memory.live;
    int descriptors = count_descriptors();
    for (int which = 0; which < TROUBLES; which++) {
        for (int nth = 1; nth < 8; nth++) {
            for (int for_good = 0; for_good < 2; for_good++) {
                meet(fail_call, nth, for_good, which);
                check_nothing_is_left(before, descriptors, "call", which * 100 + nth);
            }
        }
    }
}

/* ---- Ends, at each turn ---- */

typedef enum { DROP, CANCEL, FREE_THE_LOOP, STOP_THE_SERVER, ENDS } end_t;

static void meet_until(int turns, end_t how) {
    tc_tcpserver_t *server = NULL;
    meeting_t meeting = { { NULL }, { NULL } };
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_tcpserver_new(&server, loop, NULL, NULL, NULL), 0);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    begin(&meeting, server);
    for (int i = 0; i < turns; i++)
        tc__ioloop_turn(loop, false);
    if (how == STOP_THE_SERVER)
        tc_tcpserver_stop(server);
    if (how == FREE_THE_LOOP)
        tc_ioloop_free(loop);
    for (int i = 0; i < 3; i++) {
        if (how == CANCEL) {
            tc_future_cancel(meeting.clients[i]);
            tc_future_cancel(meeting.accepts[i]);
        }
        if (how == DROP || how == STOP_THE_SERVER) {
            tc_future_unref(meeting.clients[i]);
            meeting.clients[i] = NULL;
        }
        if (how == DROP) {
            tc_future_unref(meeting.accepts[i]);
            meeting.accepts[i] = NULL;
        }
    }
    end(&meeting);
    tc_tcpserver_free(server);
    if (how != FREE_THE_LOOP)
        tc_ioloop_free(loop);
    loop = NULL;
}

static void it_may_end_at_each_turn(void **state) {
    (void)state;
    long before = memory.live;
    int descriptors = count_descriptors();
    for (int turns = 0; turns < 12; turns++) {
        for (int how = 0; how < ENDS; how++) {
            meet_until(turns, (end_t)how);
            expect(log_lines == 0);
            check_nothing_is_left(before, descriptors, "turns", turns * 10 + how);
        }
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(without_trouble_all_are_connected),
        T(each_allocation_fails_in_turn),
        T(each_system_call_fails_in_turn),
        T(it_may_end_at_each_turn),
    };
    if (use_failing_allocator() < 0)
        return 1;
    tc_set_log_callback(count_line, NULL);
    real = tc__sys;
    tc__sys.socket = sys_socket;
    tc__sys.bind = sys_bind;
    tc__sys.connect = sys_connect;
    tc__sys.getsockopt = sys_getsockopt;
    tc__sys.accept4 = sys_accept4;
    tc__sys.getaddrinfo = sys_getaddrinfo;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
