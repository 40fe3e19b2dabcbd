/*
 * failing_test.c - each allocation, and each system call of ours, fails in turn, once or from then on, while a server
 * listens, accepts, reads, writes and closes. Nothing crashes, nothing leaks, every callback comes once, every owned
 * piece is freed once; and when the trouble is over the next client is served.
 */
#include "net/failing_calls.h"

enum { LARGE = 300 * 1024, MOST_FAILURES = 400, PATIENCE = 200 };

/* ---- System calls that fail on demand ---- */

static int sys_socket(int domain, int type, int protocol) {
    return troubled(0, EMFILE) ? -1 : real.socket(domain, type, protocol);
}
static int sys_bind(int fd, const struct sockaddr *address, socklen_t len) {
    return troubled(1, EADDRINUSE) ? -1 : real.bind(fd, address, len);
}
static int sys_listen(int fd, int backlog) {
    return troubled(2, EADDRINUSE) ? -1 : real.listen(fd, backlog);
}
static int sys_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    return troubled(3, EMFILE) ? -1 : real.accept4(fd, address, len, flags);
}
static ssize_t sys_recv(int fd, void *buffer, size_t len, int flags) {
    return troubled(4, ECONNRESET) ? -1 : troubled(5, EAGAIN) ? -1 : real.recv(fd, buffer, len, flags);
}
static ssize_t sys_sendmsg(int fd, const struct msghdr *message, int flags) {
    return troubled(6, EPIPE) ? -1 : troubled(7, EAGAIN) ? -1 : real.sendmsg(fd, message, flags);
}
static int sys_shutdown(int fd, int how) {
    return troubled(8, ENOTCONN) ? -1 : real.shutdown(fd, how);
}
static int sys_setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
    return troubled(9, ENOBUFS) ? -1 : real.setsockopt(fd, level, name, value, len);
}
static int sys_getsockname(int fd, struct sockaddr *address, socklen_t *len) {
    return troubled(10, ENOBUFS) ? -1 : real.getsockname(fd, address, len);
}
static int sys_getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
    return troubled(11, ENOBUFS) ? -1 : real.getsockopt(fd, level, name, value, len);
}
enum { TROUBLES = 12 };

static bool
may_fail_silently(int which) { /* EAGAIN is no failure; options are wishes; a listener is checked if it can be */
    return which == 5 || which == 7 || which == 9 || which == 11;
}

/* ---- The scenario: a line comes, the line and much more goes back ---- */

typedef struct {
    tc_iostream_t *stream;
    int reads, writes, closes; /* owed; counted down */
    tc_future_t *future;
} session_t;

static session_t sessions[8];
static int session_count, owned;

static void free_owned(void *data) {
    owned--;
    free(data);
}

static void give_up(session_t *session) {
    tc_iostream_t *stream = session->stream;
    session->stream = NULL;
    tc_iostream_close(stream);
}

static void on_sent(tc_iostream_t *stream, int err, void *user_data) {
    session_t *session = user_data;
    (void)err, (void)stream;
    session->writes--;
    if (session->stream && session->writes == 0 && err == 0) {
        tc_iostream_shutdown(stream);
        session->future = tc_iostream_read_until_close_future(stream);
    }
}

static void on_line(tc_iostream_t *stream, int err, tc_bytes_t line, void *user_data) {
    session_t *session = user_data;
    session->reads--;
    if (err < 0) {
        give_up(session);
        return;
    }
    session->writes++;
    if (tc_iostream_write(stream, line, on_sent, session) < 0)
        session->writes--;
    char *large = calloc(1, LARGE);
    owned++;
    session->writes++;
    if (tc_iostream_write_owned(stream, tc_bytes(large, LARGE), free_owned, large, on_sent, session) < 0) {
        session->writes--;
        give_up(session);
    }
}

static void on_end(tc_iostream_t *stream, int err, void *user_data) {
    session_t *session = user_data;
    (void)stream, (void)err;
    session->closes--;
    if (session->stream)
        give_up(session);
}

static void on_client(tc_tcpserver_t *server, tc_iostream_t *stream, const char *peer_text, void *user_data) {
    (void)server, (void)peer_text, (void)user_data;
    session_t *session = &sessions[session_count++];
    *session = (session_t){ .stream = stream, .closes = 1 };
    tc_iostream_set_close_callback(stream, on_end, session);
    session->reads++;
    if (tc_iostream_read_until(stream, tc_str("\n"), 100, on_line, session) < 0) {
        session->reads--;
        give_up(session);
    }
}

/* A client sends a line in two pieces and reads to the end. @return how many bytes came back */
static size_t ask(int port, bool patient) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    static char got[65536];
    size_t total = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    expect(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    send(fd, "hel", 3, MSG_NOSIGNAL);
    settle();
    send(fd, "lo\n", 3, MSG_NOSIGNAL);
    for (int i = 0; patient || i < PATIENCE; i++) {
        ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
        if (n > 0)
            total += (size_t)n;
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        tc__ioloop_turn(loop, false);
    }
    close(fd);
    settle();
    return total;
}

static void end_sessions(void) {
    for (int i = 0; i < session_count; i++) {
        if (sessions[i].stream)
            give_up(&sessions[i]);
    }
    settle();
    for (int i = 0; i < session_count; i++) {
        expect(sessions[i].reads == 0);
        expect(sessions[i].writes == 0);
        expect(sessions[i].closes == 0);
        expect(!sessions[i].future || tc_future_state(sessions[i].future) != TC_PENDING);
        tc_future_status(sessions[i].future);
        tc_future_unref(sessions[i].future);
    }
    session_count = 0;
}

/* Both ways of two streams in memory. */
static void talk_in_memory(void) {
    tc_iostream_t *a, *b;
    if (tc_iostream_pair(&a, &b, loop, &(tc_iostream_options_t){ .max_write_buffer_size = 1000000 }) < 0)
        return;
    tc_future_t *line = tc_iostream_read_until_future(b, tc_str("\n"), 0);
    char *large = malloc(200000);
    memset(large, 'x', 200000);
    tc_iostream_write(a, tc_bytes(large, 200000), NULL, NULL);
    tc_future_t *sent = tc_iostream_write_future(a, tc_str("\n"));
    free(large);
    settle();
    tc_future_status(line), tc_future_status(sent);
    if (tc_future_status(line) == 0)
        expect(tc_iostream_bytes(tc_future_result(line)).len == 200001);
    tc_iostream_close(a);
    tc_iostream_close(b);
    settle();
    expect(!line || tc_future_state(line) != TC_PENDING);
    expect(!sent || tc_future_state(sent) != TC_PENDING);
    tc_future_status(line), tc_future_status(sent);
    tc_future_unref(line);
    tc_future_unref(sent);
}

/* Two sinks: one leaves bytes, both are corked, both have more to send than the other takes. */
typedef struct {
    int closes;
    bool leave;
} taker_t;

static size_t take(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    taker_t *taker = self;
    expect(taker->closes == 0);
    if (!taker->leave)
        return bytes.len;
    taker->leave = false;
    tc__iostream_pause(stream);
    return bytes.len / 2;
}

static void nothing(tc_iostream_t *stream, void *self) {
    (void)stream, (void)self;
}

static void taker_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream, (void)err;
    ((taker_t *)self)->closes++;
}

static const tc__stream_sink_t taker_sink = { take, nothing, nothing, nothing, taker_closed };

static void send_pieces(tc_iostream_t *stream, const char *large) {
    for (int i = 0; i < 3; i++) {
        char *room = tc__iostream_reserve(stream, 5000);
        if (room) {
            memset(room, 'h', 5000);
            tc__iostream_commit(stream, 5000);
        }
        char *held = malloc(20000);
        memset(held, 'x', 20000);
        owned++;
        tc__segment_t pieces[] = { { tc_bytes(large, 3000), NULL, NULL },
                                   { tc_bytes(held, 20000), free_owned, held },
                                   { tc_bytes(large, 70000), NULL, NULL } };
        int err = tc__iostream_sendv(stream, pieces, 3);
        expect(err == 0 || err == TC_ENOMEM || err == TC_ECLOSED);
    }
}

static void talk_between_sinks(void) {
    static char large[70000];
    taker_t takers[2] = { { .leave = true }, { .leave = true } };
    tc_iostream_t *pair[2];
    if (tc_iostream_pair(&pair[0], &pair[1], loop, NULL) < 0)
        return;
    for (int i = 0; i < 2; i++)
        tc__iostream_set_sink(tc_iostream_ref(pair[i]), &taker_sink, &takers[i]);
    for (int i = 0; i < 2; i++)
        tc__iostream_cork(pair[i]);
    for (int i = 0; i < 2; i++)
        send_pieces(pair[i], large);
    for (int i = 0; i < 2; i++)
        tc__iostream_uncork(pair[i]);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++)
            tc__iostream_resume(pair[i]);
        settle();
    }
    for (int i = 0; i < 2; i++) {
        expect(takers[i].closes > 0 || tc__iostream_queued(pair[i]) == 0 || takers[!i].closes > 0);
        if (takers[i].closes == 0)
            tc_iostream_close(pair[i]);
    }
    settle();
    for (int i = 0; i < 2; i++) {
        expect(takers[i].closes == 1);
        tc_iostream_unref(pair[i]);
    }
    settle();
}

/* @return whether all went well at the first try */
static bool scenario(bool in_loop_too) {
    bool fine = false;
    owned = session_count = 0;
    if (!in_loop_too && tc_ioloop_new(&loop) < 0)
        return false;
    tc_tcpserver_t *server = NULL;
    int err = tc_tcpserver_new(&server, loop, NULL, on_client, NULL);
    if (err == 0)
        err = tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT);
    if (err == 0) {
        trouble.calls = trouble.which == 10 ? -100000 : trouble.calls; /* not for tc_tcpserver_port */
        int port = tc_tcpserver_port(server);
        fine = ask(port, false) == LARGE + 6;
        talk_in_memory();
        talk_between_sinks();
        calm();
        expect(ask(port, true) == LARGE + 6); /* whatever it was: the next client is served */
    }
    calm();
    end_sessions();
    tc_tcpserver_free(server);
    tc_ioloop_free(loop);
    loop = NULL;
    expect(owned == 0);
    return fine;
}

static void without_trouble_all_goes_well(void **state) {
    (void)state;
    long before = memory.live;
    assert_true(scenario(false));
    assert_int_equal(wrong, 0);
    assert_int_equal(memory.live, before);
}

static void each_allocation_fails_in_turn(void **state) {
    (void)state;
    long before = memory.live;
    for (int for_good = 0; for_good < 2; for_good++) {
        int nth = 1, fine_in_a_row = 0;
        for (; nth < MOST_FAILURES && fine_in_a_row < 3; nth++) {
            assert_int_equal(tc_ioloop_new(&loop), 0);
            fail_allocation(nth, for_good);
            fine_in_a_row = scenario(true) ? fine_in_a_row + 1 : 0;
            log_lines = 0;
            if (wrong || memory.live != before)
                fail_msg("allocation %d%s: %d wrong, %ld blocks left", nth, for_good ? " and later" : "", wrong,
                         memory.live - before);
        }
        assert_in_range(nth, 10, MOST_FAILURES - 1);
    }
}

static void each_system_call_fails_in_turn(void **state) {
    (void)state;
    long before = memory.live;
    for (int which = 0; which < TROUBLES; which++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            int nth = 1;
            for (bool fine = false; !fine && nth < MOST_FAILURES; nth++) {
                fail_call(nth, for_good, which);
                assert_int_equal(tc_ioloop_new(&loop), 0);
                fine = scenario(true) && !(may_fail_silently(which) && nth < 20);
                log_lines = 0;
                if (wrong || memory.live != before)
                    fail_msg("call %d of %d%s: %d wrong, %ld blocks left", nth, which, for_good ? " and later" : "",
                             wrong, memory.live - before);
            }
            assert_in_range(nth, 2, MOST_FAILURES - 1);
        }
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(without_trouble_all_goes_well),
        T(each_allocation_fails_in_turn),
        T(each_system_call_fails_in_turn),
    };
    if (use_failing_allocator() < 0)
        return 1;
    tc_set_log_callback(count_line, NULL);
    real = tc__sys;
    tc__sys = (tc__sys_t){
        .socket = sys_socket,
        .bind = sys_bind,
        .listen = sys_listen,
        .accept4 = sys_accept4,
        .recv = sys_recv,
        .sendmsg = sys_sendmsg,
        .shutdown = sys_shutdown,
        .setsockopt = sys_setsockopt,
        .getsockname = sys_getsockname,
        .getsockopt = sys_getsockopt,
        .in_flight = real.in_flight,
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
