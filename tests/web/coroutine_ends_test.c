/*
 * coroutine_ends_test.c - every way to end, at each of three awaits, over real sockets. (The clock is the test's.)
 *
 * Each row says how a request ends, and what is noted from then on, while it stands at its first, second or third
 * await. In any row on_finish runs once; and no memory is left. Then the same rows again, with each allocation failing
 * in turn from the end on. And all of it for a handler that awaits in a scope, with a child and a time.
 */
#include <sys/socket.h>
#include <unistd.h>

#include <tornadoc/coroutine.h>

#include "async/future_private.h"
#include "support/wire.h"
#include "web/web_test.h"

enum { AWAITS = 3, PATIENCE_MS = 5000, TIMEOUT_MS = 50 };

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static wire_client_t wire;
static tc_future_t *gates[AWAITS]; /* what is awaited */
static int starts, finishes;
static tc_request_fn handler;

/* ---- The handler ---- */

static const char *name_of(int err) {
    return err == 0              ? "ok"
           : err == TC_ECLOSED   ? "ECLOSED"
           : err == TC_ECANCELED ? "ECANCELED"
           : err == TC_ETIMEDOUT ? "ETIMEDOUT"
           : err == TC_EPROTO    ? "EPROTO"
                                 : tc_strerror(err);
}

static int await_thrice(tc_request_t *req) {
    starts++;
    for (int i = 0; i < AWAITS; i++) {
        int err = tc_await(tc_future_ref(gates[i]), NULL);
        note("%d:%s", i + 1, name_of(err));
        TC_TRY(err);
    }
    return tc_write(req, "thrice");
}

static int wait_for_the_last(void *arg) {
    (void)arg;
    return tc_await(tc_future_ref(gates[AWAITS - 1]), NULL);
}

/* The same in a scope that has a time, beside a child. */
static int await_thrice_in_a_scope(tc_request_t *req) {
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, wait_for_the_last, NULL);
    int err = tc_scope_set_timeout(scope, 10 * TIMEOUT_MS);
    if (err == 0)
        err = await_thrice(req);
    else
        starts++;
    if (err < 0)
        tc_scope_cancel(scope);
    int failed = tc_scope_close(scope);
    return failed < 0 ? failed : err;
}

static int hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static void note_left(tc_request_t *req) {
    (void)req;
    note("left");
}

static void note_finish(tc_request_t *req, int err) {
    (void)req;
    finishes++;
    note("finish:%s", name_of(err));
}

/* ---- A server and a request that stands at its await ---- */

static void turn(void) {
    for (int i = 0; i < 10; i++)
        wire_turn(&wire, loop);
}

static void begin_round(uint32_t flags) {
    app = tc_application_new(NULL);
    route("/", HANDLER(.flags = TC_COROUTINE | flags, .timeout_ms = TIMEOUT_MS, .get = handler,
                       .on_finish = note_finish, .on_connection_close = note_left));
    route("/hello", HANDLER(.get = hello));
    assert_int_equal(tc__ioloop_new_virtual(&loop), 0);
    assert_int_equal(tc_httpserver_new(&server, loop, app, NULL), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    for (int i = 0; i < AWAITS; i++)
        gates[i] = tc_future_new(loop);
    starts = finishes = 0;
}

static void ask_and_open_gates_before(int at) {
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (int i = 0; i < at; i++)
        tc_future_set_result(gates[i], NULL, NULL);
    wire_connect(&wire, tc_httpserver_port(server));
    wire_send(&wire, loop, request, sizeof request - 1);
}

static void stand_at(int at) {
    static const char *const up_to[] = { "", "1:ok", "1:ok 2:ok" };
    ask_and_open_gates_before(at);
    unsigned refs = handler == await_thrice || at < AWAITS - 1 ? 3
                                                               : 5; /* ours, the waiter's, the handler's; a child's */
    while (tc_httpserver_connections(server) == 0 || gates[at]->refs < refs)
        assert_true(wire_wait(&wire, loop));
    assert_string_equal(noted(), up_to[at]);
}

static void end_round(void) {
    wire_disconnect(&wire);
    tc_httpserver_free(server);
    server = NULL;
    if (loop)
        tc_ioloop_free(loop);
    loop = NULL;
    for (int i = 0; i < AWAITS; i++) {
        if (gates[i]->refs != 1)
            fail_msg("somebody still has await %d", i + 1);
        tc_future_unref(gates[i]);
    }
    tc_application_free(app);
    app = NULL;
}

/* ---- The ways ---- */

static void open_gates(int at) {
    for (int i = at; i < AWAITS; i++)
        tc_future_set_result(gates[i], NULL, NULL);
}

static void all_is_well(int at) {
    open_gates(at);
}

static void it_ends_its_side(int at) {
    (void)at;
    shutdown(wire.fd, SHUT_WR);
    turn();
}

static void it_resets(int at) {
    struct linger linger = { 1, 0 };
    (void)at;
    setsockopt(wire.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(wire.fd);
    wire.fd = -1;
    wire.eof = true;
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(loop, false);
}

static void it_ends_and_the_handler_goes_on(int at) {
    it_ends_its_side(at);
    open_gates(at);
}

static void it_resets_and_the_handler_goes_on(int at) {
    it_resets(at);
    open_gates(at);
}

static void time_passes(int at) {
    (void)at;
    tc__ioloop_advance(loop, TIMEOUT_MS);
}

static void the_await_fails(int at) {
    tc_future_set_error(gates[at], TC_EPROTO, NULL);
}

static void the_await_is_cancelled(int at) {
    tc_future_set_error(gates[at], TC_ECANCELED, NULL);
}

static void drain(void) {
    while (tc_httpserver_drain(server, 10, NULL, NULL) == TC_ENOMEM)
        ;
}

static void a_drain_waits(int at) {
    drain();
    tc__ioloop_advance(loop, 5);
    open_gates(at);
}

static void a_drain_cuts(int at) {
    (void)at;
    drain();
    tc__ioloop_advance(loop, 20);
}

static void a_drain_cuts_and_the_handler_goes_on(int at) {
    a_drain_cuts(at);
    open_gates(at);
}

static void the_server_is_freed(int at) {
    (void)at;
    tc_httpserver_free(server);
    server = NULL;
    tc__ioloop_turn(loop, false);
}

static void the_server_is_freed_and_the_handler_goes_on(int at) {
    the_server_is_freed(at);
    open_gates(at);
}

static void server_and_loop_are_freed(int at) {
    the_server_is_freed(at);
    tc_ioloop_free(loop);
    loop = NULL;
}

static const struct {
    const char *why;
    void (*end)(int at);
    uint32_t flags;
    const char *noted;  /* "N" stands for the await it is at; "…" for the later ones, which go well */
    const char *answer; /* the first line begins so; "" for none */
} ways[] = {
    { "all is well", all_is_well, 0, "N:ok … finish:ok", "HTTP/1.1 200" },
    { "the client ends its side", it_ends_and_the_handler_goes_on, 0, "left N:ok … finish:ok", "HTTP/1.1 200" },
    { "the client resets", it_resets_and_the_handler_goes_on, 0, "left N:ok … finish:ECLOSED", "" },
    { "the client ends, and that cancels", it_ends_its_side, TC_CANCEL_ON_CLOSE, "left N:ECANCELED finish:ECLOSED",
      "" },
    { "the client resets, and that cancels", it_resets, TC_CANCEL_ON_CLOSE, "left N:ECANCELED finish:ECLOSED", "" },
    { "the time is up", time_passes, 0, "N:ECANCELED finish:ETIMEDOUT", "HTTP/1.1 503" },
    { "the await fails", the_await_fails, 0, "N:EPROTO finish:ok", "HTTP/1.1 500" },
    { "the await is cancelled", the_await_is_cancelled, 0, "N:ECANCELED finish:ok", "HTTP/1.1 500" },
    { "the server drains, with time", a_drain_waits, 0, "N:ok … finish:ok", "HTTP/1.1 200" },
    { "the server drains, and cuts", a_drain_cuts_and_the_handler_goes_on, 0, "left N:ok … finish:ECLOSED", "" },
    { "the server drains, cuts, and that cancels", a_drain_cuts, TC_CANCEL_ON_CLOSE, "left N:ECANCELED finish:ECLOSED",
      "" },
    { "the server is freed", the_server_is_freed_and_the_handler_goes_on, 0, "left N:ok … finish:ECLOSED", "" },
    { "the server is freed, and that cancels", the_server_is_freed, TC_CANCEL_ON_CLOSE,
      "left N:ECANCELED finish:ECLOSED", "" },
    { "server and loop are freed", server_and_loop_are_freed, 0, "left N:ECANCELED finish:ECLOSED", "" },
};

static const char *expected(const char *pattern, int at) {
    static char text[300];
    size_t len = 0;
    for (; *pattern && len < 200; pattern++) {
        if (*pattern == 'N' && pattern[1] == ':') {
            len += (size_t)snprintf(text + len, 8, "%d", at + 1);
        } else if (strncmp(pattern, "… ", strlen("… ")) == 0) {
            for (int i = at + 1; i < AWAITS; i++)
                len += (size_t)snprintf(text + len, 8, "%d:ok ", i + 1);
            pattern += strlen("… ") - 1;
        } else {
            text[len++] = *pattern;
        }
    }
    text[len] = '\0';
    return text;
}

/* Until it has ended, the answer came, and the client was told. */
static void settle(void) {
    for (int i = 0; loop && i < PATIENCE_MS && finishes < starts; i++)
        wire_wait_at_most(&wire, loop, 1);
    if (loop && wire.fd >= 0)
        turn();
}

static void a_request_ends_once_and_is_told_why(void **state) {
    (void)state;
    for (size_t way = 0; way < COUNT(ways); way++)
        for (int at = 0; at < AWAITS; at++) {
            const char *why = ways[way].why;
            begin_round(ways[way].flags);
            stand_at(at);
            ways[way].end(at);
            settle();
            const char *text = noted(), *answer = ways[way].answer;
            if (strcmp(text, expected(ways[way].noted, at)) != 0)
                fail_msg("%s, at await %d: `%s`, not `%s`", why, at + 1, text, expected(ways[way].noted, at));
            if (*answer ? wire.in_len == 0 || strncmp(wire.in, answer, strlen(answer)) != 0 : wire.in_len > 0)
                fail_msg("%s, at await %d: answered `%.20s`, not `%s`", why, at + 1, wire.in_len ? wire.in : "",
                         answer);
            if (finishes != 1)
                fail_msg("%s, at await %d: %d finishes", why, at + 1, finishes);
            end_round();
            forget_log(); /* what is said of timeouts and of failures is others' test */
        }
}

/* The server goes on to serve, whatever could not be done for one. */
static void assert_serves(const char *why) {
    static const char request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    wire_client_t other;
    wire_connect(&other, tc_httpserver_port(server));
    tc__ioloop_advance(loop, 10000); /* without memory for a connection the server waits a little */
    wire_send(&other, loop, request, sizeof request - 1);
    wire_until(&other, loop, other.in_len > 0 || other.eof);
    if (other.in_len == 0 || memcmp(other.in, "HTTP/1.1 200", 12) != 0)
        fail_msg("%s: then another was not served", why);
    wire_disconnect(&other);
}

static void assert_ended(size_t way, int at, long nth) {
    if (finishes > 1 || finishes < starts)
        fail_msg("%s, at await %d, allocation %ld failed: %d finishes", ways[way].why, at + 1, nth, finishes);
    if (server && ways[way].end != a_drain_waits && ways[way].end != a_drain_cuts &&
        ways[way].end != a_drain_cuts_and_the_handler_goes_on)
        assert_serves(ways[way].why);
    noted();
    end_round();
    forget_log();
}

static void without_memory_for_its_end_it_ends_once_all_the_same(void **state) {
    (void)state;
    for (size_t way = 0; way < COUNT(ways); way++)
        for (int at = 0; at < AWAITS; at++)
            for (long nth = 1, failed = true; failed; nth++) {
                begin_round(ways[way].flags);
                stand_at(at);
                fail_allocation(nth, false);
                ways[way].end(at);
                settle();
                failed = atomic_load(&memory.calls) >= nth;
                allow_allocations();
                assert_ended(way, at, nth);
            }
}

/* It may come to its await, or be refused before. */
static void without_memory_from_the_start_it_ends_once_at_most(void **state) {
    (void)state;
    for (size_t way = 0; way < COUNT(ways); way++)
        for (int at = 0; at < AWAITS; at++)
            for (long nth = 1, failed = true; failed; nth++) {
                begin_round(ways[way].flags);
                fail_allocation(nth, false);
                ask_and_open_gates_before(at);
                turn();
                ways[way].end(at);
                settle();
                failed = atomic_load(&memory.calls) >= nth;
                allow_allocations();
                assert_ended(way, at, nth);
            }
}

static int begin_ends(void **state) {
    alarm(600);
    begin_web(state);
    tc_application_free(app);
    app = NULL;
    return 0;
}

static int begin_plainly(void **state) {
    handler = await_thrice;
    return begin_ends(state);
}

static int begin_in_a_scope(void **state) {
    handler = await_thrice_in_a_scope;
    return begin_ends(state);
}
#define TEST_PLAINLY(test) cmocka_unit_test_setup_teardown(test, begin_plainly, end_web)
#define TEST_IN_A_SCOPE(test) \
    { #test "_in_a_scope_too", test, begin_in_a_scope, end_web, NULL }

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_PLAINLY(a_request_ends_once_and_is_told_why),
        TEST_PLAINLY(without_memory_for_its_end_it_ends_once_all_the_same),
        TEST_PLAINLY(without_memory_from_the_start_it_ends_once_at_most),
        TEST_IN_A_SCOPE(a_request_ends_once_and_is_told_why),
        TEST_IN_A_SCOPE(without_memory_for_its_end_it_ends_once_all_the_same),
        TEST_IN_A_SCOPE(without_memory_from_the_start_it_ends_once_at_most),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
