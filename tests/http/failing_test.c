/*
 * failing_test.c - each allocation and each system call on the way of requests fails, once or from then on: from the
 * start of a server over requests of every kind to its end. Nothing crashes, nothing leaks, and as soon as nothing
 * fails any more the next request is answered.
 */
#include "async/async_test.h"

#include <errno.h>
#include <sys/socket.h>

#include <tornadoc/web.h>

#include "net/netutil_internal.h"
#include "support/wire.h"

enum { MOST = 2000 };

#define HOST "Host: a\r\n\r\n"

/* In one piece, then in small ones; small and large, in and out. */
static const char most_requests[] = "GET /large_header HTTP/1.1\r\n" HOST "GET / HTTP/1.1\r\n" HOST
                                    "GET /tell/x?a=b HTTP/1.1\r\nX-Test: 1\r\nX-Test: 2\r\n" HOST
                                    "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HOST "hello"
                                    "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST
                                    "5\r\nhello\r\n0\r\n\r\n"
                                    "POST /streamed HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" HOST
                                    "hello"
                                    "POST /hints_in_data HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" HOST
                                    "hello"
                                    "GET /trailers_around_a_flush HTTP/1.1\r\n" HOST
                                    "GET /with_trailers HTTP/1.1\r\n" HOST "GET /stream HTTP/1.1\r\n" HOST
                                    "GET /nowhere HTTP/1.1\r\n" HOST "GET /late HTTP/1.1\r\n" HOST
                                    "GET /large HTTP/1.1\r\n" HOST
                                    "POST /forbidden_later HTTP/1.1\r\nContent-Length: 5\r\n" HOST "hello"
                                    "GET  / HTTP/1.1\r\n" HOST;

static char requests[16384]; /* a head and trailers larger than a block of the pool, then those */
static size_t requests_len;

static void write_requests(void) {
    requests_len = (size_t)snprintf(requests, sizeof(requests),
                                    "GET /tell HTTP/1.1\r\nX-Test: %05000d\r\n" HOST
                                    "POST /trailers_later HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST
                                    "1\r\nx\r\n0\r\nX-Sum: %05000d\r\nX: 1\r\n\r\n"
                                    "%s",
                                    1, 2, most_requests);
    assert_true(requests_len < sizeof(requests));
}

static void stop_failing(void);

static tc_httpserver_t *start(tc_ioloop_t *loop) {
    tc_application_t *app = wire_application();
    tc_httpserver_t *server = NULL;
    int err = tc_httpserver_new(&server, loop, app, NULL);
    tc_application_free(app);
    if (err == 0)
        err = tc_httpserver_listen(server, "127.0.0.1", 0);
    if (err == 0)
        return server;
    tc_httpserver_free(server);
    return NULL;
}

static void ask(tc_ioloop_t *loop, int port, size_t step) {
    wire_client_t client;
    size_t len = requests_len;
    wire_connect(&client, port);
    for (size_t at = 0; at < len; at += step)
        wire_send(&client, loop, requests + at, at + step < len ? step : len - at);
    for (int i = 0; i < 20 && !client.eof && !client.reset; i++)
        wire_wait_at_most(&client, loop, 2); /* the last request is refused, so the end comes, unless that failed */
    wire_disconnect(&client);
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(loop, false);
}

static void expect_answer(tc_ioloop_t *loop, int port) {
    static const char probe[] = "GET /probe HTTP/1.1\r\n" HOST;
    wire_client_t client;
    wire_connect(&client, port);
    wire_send(&client, loop, probe, sizeof(probe) - 1);
    wire_until(&client, loop, client.eof || client.reset || strstr(client.in, "\r\n\r\nprobe"));
    if (!strstr(client.in, "\r\n\r\nprobe"))
        fail_msg("not answered, after: %s\n%s", logged.last, client.in);
    wire_disconnect(&client);
}

/* What fails was chosen before. */
static void live_through(size_t step) {
    tc_ioloop_t *loop = NULL;
    if (tc_ioloop_new(&loop) < 0) {
        stop_failing();
        return;
    }
    tc_httpserver_t *server = start(loop);
    if (server) {
        int port = tc_httpserver_port(server);
        if (port > 0)
            ask(loop, port, step);
        stop_failing();
        port = tc_httpserver_port(server);
        expect_answer(loop, port);
    }
    stop_failing();
    tc_httpserver_free(server);
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(loop, false);
    tc_ioloop_free(loop);
    atomic_store(&logged.count, 0);
    if (atomic_load(&memory.live) != 0)
        fail_msg("%ld blocks were not freed", atomic_load(&memory.live));
}

/* ---- Memory ---- */

static long calls_of_run;

static void stop_failing_memory(void) {
    if (atomic_load(&memory.fail_until) != 0)
        calls_of_run = atomic_load(&memory.calls);
    allow_allocations();
}

static void fail_each_allocation(bool for_good, size_t step) {
    for (long nth = 1; nth < MOST; nth++) {
        calls_of_run = 0;
        fail_allocation(nth, for_good);
        live_through(step);
        if (calls_of_run < nth) {
            assert_true(nth > 20);
            print_message("%ld allocations failed in turn\n", nth - 1);
            return;
        }
    }
    fail_msg("more than %d allocations", MOST);
}

static void each_allocation_fails_once(void **state) {
    (void)state;
    fail_each_allocation(false, sizeof(requests));
}

static void each_allocation_fails_from_then_on(void **state) {
    (void)state;
    fail_each_allocation(true, sizeof(requests));
}

static void each_allocation_fails_once_while_bytes_come_in_pieces(void **state) {
    (void)state;
    fail_each_allocation(false, 7);
}

static void each_allocation_fails_from_then_on_while_bytes_come_in_pieces(void **state) {
    (void)state;
    fail_each_allocation(true, 7);
}

/* ---- System calls ---- */

static tc__sys_t real_sys;

static struct {
    const void *which; /* of the functions below */
    int err;
    long calls, from, until;
} fault;

static bool call_fails(const void *which) {
    if (which != fault.which)
        return false;
    fault.calls++;
    if (fault.calls < fault.from || fault.calls >= fault.until)
        return false;
    errno = fault.err;
    return true;
}

#define FAILING(type, name, parameters, arguments)                    \
    static const char name##_id;                                      \
    static type failing_##name parameters {                           \
        return call_fails(&name##_id) ? -1 : real_sys.name arguments; \
    }

FAILING(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
FAILING(int, bind, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))
FAILING(int, listen, (int fd, int backlog), (fd, backlog))
FAILING(int, accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags), (fd, address, len, flags))
FAILING(ssize_t, recv, (int fd, void *buffer, size_t len, int flags), (fd, buffer, len, flags))
FAILING(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
FAILING(int, shutdown, (int fd, int how), (fd, how))
FAILING(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len), (fd, level, name, value, len))
FAILING(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))
FAILING(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len), (fd, level, name, value, len))

static void stop_failing(void) {
    fault.which = NULL;
    stop_failing_memory();
}

static void fail_each_call(const char *name, const void *which, int err) {
    for (int for_good = 0; for_good < 2; for_good++)
        for (long nth = 1; nth < MOST; nth++) {
            fault.which = which;
            fault.err = err;
            fault.calls = 0;
            fault.from = nth;
            fault.until = for_good ? __LONG_MAX__ : nth + 1;
            live_through(for_good ? 97 : sizeof(requests));
            if (fault.calls < nth) {
                print_message("%ld calls of %s failed in turn with %s\n", nth - 1, name, strerror(err));
                break;
            }
        }
}

static void each_system_call_fails_once_and_from_then_on(void **state) {
    static const struct {
        const char *name;
        const void *which;
        int errs[3];
    } calls[] = {
        { "socket", &socket_id, { EMFILE } },
        { "bind", &bind_id, { EADDRINUSE } },
        { "listen", &listen_id, { EADDRINUSE } },
        { "accept4", &accept4_id, { EMFILE, ECONNABORTED, ENOMEM } },
        { "recv", &recv_id, { ECONNRESET, ENOMEM } },
        { "sendmsg", &sendmsg_id, { EPIPE, ENOBUFS, EAGAIN } },
        { "shutdown", &shutdown_id, { ENOTCONN } },
        { "setsockopt", &setsockopt_id, { EINVAL } },
        { "getsockname", &getsockname_id, { ENOBUFS } },
        { "getsockopt", &getsockopt_id, { ENOBUFS } },
    };
    (void)state;
    real_sys = tc__sys;
    tc__sys = (tc__sys_t){ .socket = failing_socket,
                           .bind = failing_bind,
                           .listen = failing_listen,
                           .accept4 = failing_accept4,
                           .recv = failing_recv,
                           .sendmsg = failing_sendmsg,
                           .shutdown = failing_shutdown,
                           .setsockopt = failing_setsockopt,
                           .getsockname = failing_getsockname,
                           .getsockopt = failing_getsockopt,
                           .in_flight = real_sys.in_flight };
    for (size_t i = 0; i < COUNT(calls); i++)
        for (int j = 0; j < 3 && calls[i].errs[j]; j++)

            fail_each_call(calls[i].name, calls[i].which, calls[i].errs[j]);
    tc__sys = real_sys;
}

int main(void) {
    write_requests();
    const struct CMUnitTest tests[] = {
        TEST(each_allocation_fails_once),
        TEST(each_allocation_fails_from_then_on),
        TEST(each_allocation_fails_once_while_bytes_come_in_pieces),
        TEST(each_allocation_fails_from_then_on_while_bytes_come_in_pieces),
        TEST(each_system_call_fails_once_and_from_then_on),
    };
    return cmocka_run_group_tests_name("failing", tests, watch_everything, NULL);
}
