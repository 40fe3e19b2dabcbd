/*
 * failing_test.c - each allocation and each system call on the way of requests fails, once or from then on: from the
 * start of a server over requests of every kind to its end. Nothing crashes, nothing leaks, no answer looks complete
 * that is not, and as soon as nothing fails any more the next request is answered.
 *
 * The same over TLS, with WIRE_TLS=1.2 or 1.3 in the environment: then each allocation of OpenSSL fails too.
 */
#include "async/async_test.h"

#include <errno.h>
#include <sys/socket.h>

#include <openssl/crypto.h>
#include <tornadoc/web.h>

#include "async/ioloop_private.h"
#include "net/netutil_internal.h"
#include "support/wire.h"

enum { MOST = 4000, PATIENCE = 3, MOST_PATIENCE = 2000 };

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

static const char last_request[] = "GET /stream HTTP/1.0\r\n\r\n"; /* its answer ends with the connection */

static tc_tls_context_t *tls; /* NULL: in the clear */
static bool for_good;         /* what fails goes on to fail */
static bool in_vain;          /* nothing can be sent, and nothing says that it never will */

static void stop_failing(void);

static tc_httpserver_t *start(tc_ioloop_t *loop) {
    tc_application_t *app = wire_application();
    tc_httpserver_t *server = NULL;
    int err = tc_httpserver_new(&server, loop, app, &(tc_httpserver_options_t){ .tls = tls });
    tc_application_free(app);
    if (err == 0)
        err = tc_httpserver_listen(server, "127.0.0.1", 0);
    if (err == 0)
        return server;
    tc_httpserver_free(server);
    return NULL;
}

/* ---- What comes back ---- */

static char *good[2]; /* what answers the requests, and the last one, if nothing fails */
static size_t good_len[2];

/* The next answer that is no interim one; NULL: none that is complete. */
static const char *next_answer(wire_answers_t *answers, const char **at, const char *end, bool eof) {
    for (const char *answer = *at; answer && answer < end; answer = *at) {
        *at = wire_parse_one(answers, answer, end, eof, false);
        if (*at && answer[9] != '1')
            return answer;
    }
    return NULL;
}

/* What is complete is the answer to that request, or says that the server failed. */
static void expect_truth(const wire_client_t *client, int which) {
    wire_answers_t answers = { 0 }, good_answers = { 0 };
    const char *at = client->in, *end = at + client->in_len, *answer;
    const char *good_at = good[which], *good_end = good_at + good_len[which];
    if (client->in_len == good_len[which] && memcmp(at, good_at, client->in_len) == 0)
        return;
    while ((answer = next_answer(&answers, &at, end, client->eof)) != NULL) {
        const char *good_answer = next_answer(&good_answers, &good_at, good_end, true);
        if (!good_answer)
            fail_msg("one answer too many:\n%.300s", answer);
        size_t len = (size_t)(at - answer), wanted = (size_t)(good_at - good_answer);
        if (answer[9] != '5' && (len != wanted || memcmp(answer, good_answer, len) != 0))
            fail_msg("not\n%.300s\nbut:\n%.300s", good_answer, answer);
    }
    if (answers.fault)
        fail_msg("%s:\n%.300s", answers.fault, client->in);
}

/* So many rounds brought nothing: go on? A client is given up where it is left in the system's queue, or where nothing
 * can be sent to it. */
static bool goes_on(const wire_client_t *client, const tc_httpserver_t *server, int idle) {
    if (client->eof || client->reset)
        return false;
    if (idle < PATIENCE)
        return true;
    bool left = in_vain || tc_httpserver_connections(server) == 0;
    if (!left && idle == MOST_PATIENCE)
        fail_msg("the server neither answers nor closes; the client got:\n%.300s", client->in);
    return !left;
}

/* @return false: given up */
static bool send_all(wire_client_t *client, tc_ioloop_t *loop, const tc_httpserver_t *server, tc_bytes_t bytes) {
    for (int idle = 0; bytes.len > 0 && !client->refused && goes_on(client, server, idle);) {
        size_t n = wire_send_some(client, loop, bytes.data, bytes.len);
        if (n == 0)
            wire_wait_at_most(client, loop, 2);
        idle = n > 0 ? 0 : idle + 1;
        bytes = tc_bytes(bytes.data + n, bytes.len - n);
    }
    return bytes.len == 0 || client->refused;
}

/* The first time, nothing fails. @return whether all of it came */
static bool keep_or_compare(wire_client_t *client, int which) {
    wire_mask_dates(client->in, client->in_len);
    if (good[which]) {
        expect_truth(client, which);
        return client->in_len >= good_len[which];
    }
    assert_true(client->eof);
    good[which] = client->in;
    good_len[which] = client->in_len;
    client->in = NULL;
    return true;
}

static bool exchange(tc_ioloop_t *loop, tc_httpserver_t *server, int port, tc_bytes_t bytes, size_t step, int which) {
    wire_client_t client;
    wire_connect(&client, port);
    bool sent = true;
    for (size_t at = 0; sent && at < bytes.len; at += step)
        sent = send_all(&client, loop, server,
                        tc_bytes(bytes.data + at, at + step < bytes.len ? step : bytes.len - at));
    for (int idle = 0; sent && goes_on(&client, server, idle);) {
        size_t before = client.in_len;
        wire_wait_at_most(&client, loop, 2);
        idle = client.in_len > before ? 0 : idle + 1;
    }
    bool all = keep_or_compare(&client, which);
    wire_disconnect(&client);
    return all;
}

static void ask(tc_ioloop_t *loop, tc_httpserver_t *server, int port, size_t step) {
    bool all = exchange(loop, server, port, tc_bytes(requests, requests_len), step, 0);
    if (all || !for_good)
        exchange(loop, server, port, tc_str(last_request), step, 1);
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
            ask(loop, server, port, step);
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

static void fail_each_allocation(bool each_for_good, size_t step) {
    for_good = each_for_good;
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

/* Over TLS each piece is a record. */
static size_t small_step(void) {
    return tls ? 97 : 7;
}

static void each_allocation_fails_once_while_bytes_come_in_pieces(void **state) {
    (void)state;
    fail_each_allocation(false, small_step());
}

static void each_allocation_fails_from_then_on_while_bytes_come_in_pieces(void **state) {
    (void)state;
    fail_each_allocation(true, small_step());
}

/* ---- System calls, and what OpenSSL allocates ---- */

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

static const char crypto_id;

/* The client's do not fail. */
static bool crypto_fails(void) {
    return tc__ioloop_inside() && call_fails(&crypto_id);
}

static void *crypto_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return crypto_fails() ? NULL : malloc(size);
}

static void *crypto_realloc(void *data, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return crypto_fails() ? NULL : realloc(data, size);
}

static void crypto_free(void *data, const char *file, int line) {
    (void)file, (void)line;
    free(data);
}

static void stop_failing(void) {
    fault.which = NULL;
    stop_failing_memory();
}

/* The first ones, and the more rarely of the others the more there are. */
static long next_crypto_call(long nth) {
    return nth + 1 + nth / 25;
}

static long next_call(long nth) {
    return nth + 1;
}

static void fail_each_call(const char *name, const void *which, int err, long (*next)(long nth)) {
    for (int i = 0; i < 2; i++) {
        fault.calls = 0;
        for (long nth = 1; nth == 1 || fault.calls >= fault.from; nth = next(nth)) {
            if (nth >= MOST)
                fail_msg("more than %d calls of %s", MOST, name);
            for_good = i == 1;
            in_vain = for_good && err == EAGAIN;
            fault.which = which;
            fault.err = err;
            fault.calls = 0;
            fault.from = nth;
            fault.until = for_good ? __LONG_MAX__ : nth + 1;
            live_through(for_good && which != &crypto_id ? 97 : sizeof(requests));
        }
        print_message("%ld calls of %s, which failed with %s\n", fault.calls, name, strerror(err));
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
            fail_each_call(calls[i].name, calls[i].which, calls[i].errs[j], next_call);
    tc__sys = real_sys;
    in_vain = false;
}

static void each_allocation_of_openssl_fails_once_and_from_then_on(void **state) {
    (void)state;
    if (!tls)
        skip();
    fail_each_call("OpenSSL's malloc", &crypto_id, ENOMEM, next_crypto_call);
    assert_true(fault.calls > 200);
}

static int prepare(void **state) {
    watch_everything(state);
    int err = wire_use_tls_of_environment(&tls);
    write_requests();
    atomic_store(&memory.live, 0); /* the context stays */
    if (err == 0)
        live_through(sizeof(requests)); /* nothing fails: those are the good answers, and what OpenSSL keeps is made */
    return err;
}

static int clean_up(void **state) {
    (void)state;
    tc_tls_context_unref(tls);
    wire_use_tls(0);
    free(good[0]);
    free(good[1]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_allocation_fails_once),
        TEST(each_allocation_fails_from_then_on),
        TEST(each_allocation_fails_once_while_bytes_come_in_pieces),
        TEST(each_allocation_fails_from_then_on_while_bytes_come_in_pieces),
        TEST(each_system_call_fails_once_and_from_then_on),
        TEST(each_allocation_of_openssl_fails_once_and_from_then_on),
    };
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1; /* first of all calls */
    return cmocka_run_group_tests_name("failing", tests, prepare, clean_up);
}
