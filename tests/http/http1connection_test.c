/*
 * http1connection_test.c - what becomes of a connection in time, and when its client leaves: deadlines, lingering, half
 * closes, resets, on a clock that the test moves and on streams in memory. (What the bytes mean: tests/wire.)
 */
#include "async/async_test.h"

#include <errno.h>

#include <tornadoc/web.h>

#include "http/httpserver_internal.h"
#include "net/iostream_struct_internal.h"
#include "web/request_internal.h"

#define HEAD "Host: a\r\n\r\n"

/* ---- The client's end ---- */

typedef struct {
    tc_iostream_t *stream, *server_end; /* NULL: closed; the server's may be gone already */
    char in[65536];                     /* what came, NUL behind it */
    size_t len, total;
    bool eof, closed;
    int err;
} peer_t;

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream;
    peer_t *peer = self;
    size_t room = sizeof(peer->in) - 1 - peer->len, len = bytes.len < room ? bytes.len : room;
    memcpy(peer->in + peer->len, bytes.data, len);
    peer->len += len;
    peer->total += bytes.len;
    return bytes.len;
}

static void on_hangup(tc_iostream_t *stream, void *self) {
    (void)stream, (void)self;
}

static void on_eof(tc_iostream_t *stream, void *self) {
    (void)stream;
    ((peer_t *)self)->eof = true;
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    peer_t *peer = self;
    peer->stream = NULL;
    peer->closed = true;
    peer->err = err;
}

static const tc__stream_sink_t sink = { on_data, on_hangup, on_eof, on_hangup, on_closed };

/* ---- The server ---- */

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static peer_t peers[8];
static int peer_count;
static tc_deferred_t *token;

static void let_pass(uint64_t ms) {
    tc__ioloop_advance(loop, ms);
}

static peer_t *connect_peer(void) {
    peer_t *peer = &peers[peer_count++];
    tc__address_t address = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    memset(peer, 0, sizeof(*peer));
    assert_int_equal(tc_iostream_pair(&peer->stream, &peer->server_end, loop, NULL), 0);
    tc__iostream_set_sink(peer->stream, &sink, peer);
    tc__iostream_resume(peer->stream);
    tc__httpserver_add_stream(server, peer->server_end, &address);
    let_pass(0);
    return peer;
}

static void say_bytes(peer_t *peer, const char *bytes, size_t len) {
    if (peer->stream)
        tc_iostream_write(peer->stream, tc_bytes(bytes, len), NULL, NULL);
    let_pass(0);
}

static void say(peer_t *peer, const char *text) {
    say_bytes(peer, text, strlen(text));
}

static const char *heard(peer_t *peer) {
    peer->in[peer->len] = '\0';
    return peer->in;
}

#define assert_heard(peer, text) assert_non_null(strstr(heard(peer), text))

/* A paused client takes so many bytes, and no more. */
static void take(peer_t *peer, size_t len) {
    char bytes[16384];
    while (len > 0) {
        assert_non_null(peer->stream);
        ssize_t n = tc__memory_transport.recv(peer->stream, bytes, len < sizeof(bytes) ? len : sizeof(bytes));
        assert_true(n > 0);
        len -= (size_t)n;
        peer->total += (size_t)n;
    }
    let_pass(0);
}

static void leave(peer_t *peer) {
    if (peer->stream)
        tc__iostream_abort(peer->stream);
    let_pass(0);
}

static int start_server(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    peer_count = 0;
    token = NULL;
    return err;
}

static void serve(const tc_request_handler_t *handler, const tc_httpserver_options_t *options) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", handler, NULL);
    assert_int_equal(tc_httpserver_new(&server, loop, app, options), 0);
    tc_application_free(app);
}

static int stop_server(void **state) {
    for (int i = 0; i < peer_count; i++)
        leave(&peers[i]);
    tc_httpserver_free(server);
    server = NULL;
    let_pass(0);
    return free_loop(state);
}

#define TEST_SERVER(test) cmocka_unit_test_setup_teardown(test, start_server, stop_server)

/* ---- Handlers that note ---- */

static void note_close(tc_request_t *req) {
    (void)req;
    note("left");
}

static void note_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish:%s", err == 0 ? "sent" : err == TC_ETIMEDOUT ? "late" : err == TC_ECLOSED ? "cut" : tc_strerror(err));
}

static int hello(tc_request_t *req) {
    note("hello");
    return tc_write(req, "hello");
}

static int wait_for_token(tc_request_t *req) {
    note("wait");
    token = tc_defer(req);
    return TC_DETACH;
}

static int answer_late(tc_request_t *req, void *arg) {
    (void)arg;
    return tc_write(req, "late");
}

static int go_on(tc_request_t *req, void *arg) {
    (void)req, (void)arg;
    return 0;
}

static void release_token(tc_deferred_fn fn) {
    tc_deferred_t *it = token;
    token = NULL;
    assert_int_equal(tc_deferred_post(it, fn, NULL), 0);
    tc_deferred_unref(it);
    let_pass(0);
}

static int wait_with_chunk(tc_request_t *req, tc_bytes_t chunk) {
    note("chunk:%d", (int)chunk.len);
    token = tc_defer(req);
    return TC_DETACH;
}

static int a_lot(tc_request_t *req) {
    static char text[1024 * 1024];
    memset(text, 'x', sizeof(text));
    return tc_write_borrowed(req, tc_bytes(text, sizeof(text)));
}

#define NOTED .on_connection_close = note_close, .on_finish = note_finish

static const tc_request_handler_t simple = { .get = hello, .post = hello, NOTED };
static const tc_request_handler_t waiting = { .get = wait_for_token, .post = wait_for_token, NOTED };
static const tc_request_handler_t lavish = { .get = a_lot, .post = a_lot, NOTED };

/* ---- Deadlines ---- */

static void an_idle_connection_is_closed_after_75_seconds(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    assert_string_equal(noted(), "hello finish:sent");
    let_pass(74999);
    assert_false(peer->eof);
    size_t before = peer->len;
    let_pass(1);
    assert_true(peer->eof);
    assert_int_equal(peer->len, before);
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void each_request_gives_an_idle_connection_its_time_anew(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    for (int i = 0; i < 4; i++) {
        say(peer, "GET / HTTP/1.1\r\n" HEAD);
        let_pass(74999);
        assert_false(peer->eof);
    }
    let_pass(1);
    assert_true(peer->eof);
    noted();
}

static void a_client_that_never_speaks_is_closed_after_20_seconds(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    let_pass(19999);
    assert_false(peer->eof);
    let_pass(1);
    assert_true(peer->eof);
    assert_int_equal(peer->len, 0);
}

static void a_head_has_20_seconds_however_its_bytes_come(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\nX-Test: ");
    for (int i = 0; i < 19; i++) {
        let_pass(1000);
        say(peer, "x");
    }
    let_pass(999);
    assert_int_equal(peer->len, 0);
    let_pass(1);
    assert_heard(peer, "HTTP/1.1 408 Request Timeout\r\n");
    assert_heard(peer, "\r\nConnection: close\r\n");
    assert_true(peer->eof);
    assert_logged("408");
}

static void the_time_of_a_second_head_begins_with_its_first_byte(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    let_pass(60000);
    say(peer, "G");
    peer->len = 0;
    let_pass(19999);
    assert_int_equal(peer->len, 0);
    let_pass(1);
    assert_heard(peer, "HTTP/1.1 408 ");
    assert_logged("408");
    noted();
}

static void a_body_that_is_silent_for_30_seconds_is_refused(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD "h");
    let_pass(29999);
    say(peer, "e");
    let_pass(29999);
    assert_int_equal(peer->len, 0);
    let_pass(1);
    assert_heard(peer, "HTTP/1.1 408 ");
    assert_heard(peer, "\r\nConnection: close\r\n");
    assert_true(peer->eof);
    assert_string_equal(noted(), "finish:sent");
    assert_logged("408");
}

static void chunk_lines_are_no_bytes_of_a_body(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD "5;x=");
    for (int i = 0; i < 29; i++) {
        let_pass(1000);
        say(peer, "x");
    }
    assert_int_equal(peer->len, 0);
    let_pass(1000);
    assert_heard(peer, "HTTP/1.1 408 ");
    assert_logged("408");
    noted();
}

static const tc_request_handler_t streaming = {
    .body = TC_BODY_STREAM, .data_received = wait_with_chunk, .post = hello, NOTED
};

static void a_body_that_comes_a_byte_at_a_time_is_refused(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 100000\r\n" HEAD);
    for (int i = 0; i < 29; i++) {
        say(peer, "x");
        let_pass(1000);
    }
    assert_int_equal(peer->len, 0);
    let_pass(1000);
    say(peer, "x");
    assert_heard(peer, "HTTP/1.1 408 ");
    assert_string_equal(noted(), "finish:sent");
    assert_logged("408");
}

static void a_body_that_comes_slowly_is_not_refused(void **state) {
    static char piece[1025];
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    memset(piece, 'x', sizeof(piece) - 1);
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 204800\r\n" HEAD);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(peer->len, 0);
        let_pass(1000);
        say(peer, piece);
    }
    assert_heard(peer, "HTTP/1.1 200 OK\r\n");
    noted();
}

static int answer_at_once(tc_request_t *req) {
    a_lot(req);
    return tc_flush(req);
}

static int drop_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)req, (void)chunk;
    return 0;
}

static void a_client_that_sends_on_but_takes_nothing_is_cut(void **state) {
    static char piece[2001];
    (void)state;
    serve(
        &(tc_request_handler_t){
            .body = TC_BODY_STREAM, .prepare = answer_at_once, .data_received = drop_chunk, .post = hello, NOTED },
        NULL);
    peer_t *peer = connect_peer();
    tc__memory_set_window(peer->server_end, 1000);
    tc__iostream_pause(peer->stream);
    memset(piece, 'x', sizeof(piece) - 1);
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n" HEAD);
    for (int i = 0; i < 60 && tc_httpserver_connections(server) > 0; i++) {
        let_pass(1000);
        say(peer, piece);
    }
    assert_int_equal(tc_httpserver_connections(server), 0);
    noted();
}

static void time_in_which_we_do_not_read_does_not_count(void **state) {
    (void)state;
    serve(&streaming, NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 2\r\n" HEAD "a");
    assert_string_equal(noted(), "chunk:1");
    let_pass(59999); /* the handler's, not the client's */
    release_token(go_on);
    let_pass(29999);
    assert_int_equal(peer->len, 0);
    say(peer, "b");
    assert_string_equal(noted(), "chunk:1");
    let_pass(1000000);
    release_token(go_on);
    assert_string_equal(noted(), "hello finish:sent");
    assert_heard(peer, "HTTP/1.1 200 OK\r\n");
}

static void a_handler_may_take_its_time(void **state) {
    (void)state;
    serve(&waiting, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    let_pass(10 * 3600 * 1000);
    assert_int_equal(peer->len, 0);
    release_token(answer_late);
    assert_heard(peer, "\r\n\r\nlate");
    assert_string_equal(noted(), "wait finish:sent");
}

static void a_handler_with_a_timeout_is_answered_for_by_503(void **state) {
    (void)state;
    tc_request_handler_t handler = waiting;
    handler.timeout_ms = 5000;
    serve(&handler, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    let_pass(4999);
    assert_int_equal(peer->len, 0);
    let_pass(1);
    assert_heard(peer, "HTTP/1.1 503 ");
    assert_logged("5000 ms");
    assert_string_equal(noted(), "wait");
    tc_deferred_unref(token);
    let_pass(0);
    assert_string_equal(noted(), "finish:late");
    say(peer, "GET / HTTP/1.1\r\n" HEAD); /* the connection is not to blame */
    assert_string_equal(noted(), "wait");
    release_token(answer_late);
    assert_heard(peer, "\r\n\r\nlate");
    noted();
}

static int forbid(tc_request_t *req) {
    return tc_http_error(req, 403, NULL);
}

static void no_byte_prolongs_what_a_phase_may_take(void **state) {
    static const tc_request_handler_t refuses = { .admit = forbid, .post = hello, NOTED };
    static const struct {
        const char *why, *begin, *drip; /* a byte of it now and then, again and again */
        const tc_request_handler_t *handler;
        bool proxied;
        uint64_t ms, every_ms; /* the time it has; 0: every second */
    } cases[] = {
        { "it says nothing", "", "", &simple, .ms = 20000 },
        { "it sends empty lines", "", "\r\n", &simple, .ms = 20000, .every_ms = 5000 },
        { "it says nothing to a server behind proxies", "", "", &simple, .proxied = true, .ms = 20000 },
        { "it sends a PROXY header, version 1", "PROXY TCP4 ", "192.0.2.1 192.0.2.2 1234 80", &simple, .proxied = true,
          .ms = 20000 },
        { "it sends a PROXY header, version 2", "\r\n\r\n", "", &simple, .proxied = true, .ms = 20000 },
        { "it sends a PROXY header and nothing more", "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n", "", &simple,
          .proxied = true, .ms = 20000 },
        { "it sends a head", "GET / HTTP/1.1\r\nX: ", "x", &simple, .ms = 20000 },
        { "it sends a head behind a PROXY header", "PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nX: ", "x", &simple,
          .proxied = true, .ms = 20000 },
        { "it sends no second request", "GET / HTTP/1.1\r\n" HEAD, "", &simple, .ms = 75000 },
        { "it sends empty lines after a request", "GET / HTTP/1.1\r\n" HEAD, "\r\n", &simple, .ms = 75000,
          .every_ms = 10000 },
        { "it sends no body", "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD, "", &simple, .ms = 30000 },
        { "it sends no body after 100 Continue",
          "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" HEAD, "", &simple, .ms = 30000 },
        { "it sends a chunk line", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD "5;x=", "x", &simple,
          .ms = 30000 },
        { "it sends trailers", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD "0\r\nX: ", "x", &simple,
          .ms = 30000 },
        { "it sends what is not read any more", "POST / HTTP/1.1\r\nContent-Length: 1000\r\n" HEAD, "x", &refuses,
          .ms = 30000 },
    };
    (void)state;
    tc_set_log_level(TC_LOG_SILENT); /* else the limit on such lines is used up, in real time, for later tests */
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t every_ms = cases[i].every_ms ? cases[i].every_ms : 1000, passed = 0;
        size_t len = strlen(cases[i].drip), sent = 0;
        serve(cases[i].handler, &(tc_httpserver_options_t){ .proxy_protocol = cases[i].proxied });
        peer_t *peer = connect_peer();
        say(peer, cases[i].begin);
        for (; passed + every_ms < cases[i].ms; passed += every_ms) {
            let_pass(every_ms);
            if (len > 0)
                say_bytes(peer, cases[i].drip + sent++ % len, 1);
        }
        let_pass(cases[i].ms - passed - 1);
        if (peer->eof || peer->closed)
            fail_msg("closed too early: %s\n%s", cases[i].why, heard(peer));
        let_pass(1);
        if (!peer->eof)
            fail_msg("not closed: %s\n%s", cases[i].why, heard(peer));
        noted();
        leave(peer);
        peer_count = 0;
        tc_httpserver_free(server);
        server = NULL;
    }
    tc_set_log_level(TC_LOG_WARNING);
}

/* ---- Clients that take their answers slowly ---- */

/* The system takes `window` bytes for a client that takes none by itself. */
static peer_t *connect_slow_peer(size_t window) {
    peer_t *peer = connect_peer();
    tc__memory_set_window(peer->server_end, window);
    tc__iostream_pause(peer->stream);
    return peer;
}

static void a_client_that_takes_nothing_for_60_seconds_is_cut(void **state) {
    (void)state;
    serve(&lavish, NULL);
    peer_t *peer = connect_slow_peer(1000);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    let_pass(59999);
    assert_string_equal(noted(), "");
    let_pass(1);
    assert_string_equal(noted(), "finish:cut");
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void a_client_that_takes_a_byte_now_and_then_is_cut(void **state) {
    (void)state;
    serve(&lavish, NULL);
    peer_t *peer = connect_slow_peer(1000);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    for (int i = 0; i < 59; i++) {
        let_pass(1000);
        take(peer, 1);
    }
    assert_string_equal(noted(), "");
    let_pass(1000);
    assert_string_equal(noted(), "finish:cut");
}

static void a_client_that_takes_a_byte_per_millisecond_is_not_cut(void **state) {
    (void)state;
    serve(&lavish, NULL);
    peer_t *peer = connect_slow_peer(5000);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    for (int i = 0; i < 500; i++) {
        let_pass(1000);
        take(peer, 1024);
    }
    assert_string_equal(noted(), "");
    tc__iostream_resume(peer->stream);
    let_pass(0);
    assert_string_equal(noted(), "finish:sent");
}

static void a_client_that_was_quick_and_becomes_slow_is_cut(void **state) {
    (void)state;
    serve(&lavish, NULL);
    peer_t *peer = connect_slow_peer(5000);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    for (int i = 0; i < 60; i++) {
        let_pass(1000);
        take(peer, 5000);
    }
    for (int i = 0; i < 59; i++) {
        let_pass(1000);
        take(peer, 900);
    }
    assert_string_equal(noted(), "");
    let_pass(1000);
    assert_string_equal(noted(), "finish:cut");
}

/* A kernel may want a third of its buffer free before it takes more. */
static void what_a_client_takes_out_of_the_systems_buffer_counts(void **state) {
    size_t window = 900000;
    (void)state;
    serve(&lavish, NULL);
    peer_t *peer = connect_slow_peer(window);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    size_t queued = tc__iostream_queued(peer->server_end);
    for (int i = 0; i < 400; i++) {
        let_pass(1000);
        tc__memory_set_window(peer->server_end, window -= 2048);
        take(peer, 2048);
    }
    assert_int_equal(tc__iostream_queued(peer->server_end), queued);
    assert_string_equal(noted(), "");
    let_pass(120000);
    assert_string_equal(noted(), "finish:cut");
}

static size_t drip_len;

/* Writes for ever, whether or not the client keeps up. */
static int drip(tc_request_t *req, tc_future_t *future, void *arg) {
    static const char text[10000];
    (void)future, (void)arg;
    tc_write_bytes(req, tc_bytes(text, drip_len));
    TC_TRY(tc_flush(req));
    return tc_then(req, tc_sleep(tc_loop(req), 1000), drip, NULL);
}

static int begin_dripping(tc_request_t *req) {
    return drip(req, NULL, NULL);
}

static const tc_request_handler_t dripping = { .get = begin_dripping, NOTED };

static void a_client_that_keeps_up_with_events_is_never_cut(void **state) {
    (void)state;
    drip_len = 10;
    serve(&dripping, NULL);
    peer_t *peer = connect_slow_peer(500);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    for (int i = 0; i < 200; i++) { /* it sleeps for half a minute, in which some of its events wait, then takes all */
        let_pass(30000);
        take(peer, 10 * 15);
        take(peer, 20 * 15);
    }
    assert_string_equal(noted(), "");
}

static void a_client_behind_a_faster_handler_is_not_cut(void **state) {
    (void)state;
    drip_len = 10000;
    serve(&dripping, NULL);
    peer_t *peer = connect_slow_peer(5000);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    for (int i = 0; i < 600; i++) {
        let_pass(1000);
        take(peer, 2048);
    }
    assert_string_equal(noted(), "");
}

static void a_client_far_behind_a_faster_handler_is_cut(void **state) {
    (void)state;
    drip_len = 10000;
    serve(&dripping, NULL);
    peer_t *peer = connect_slow_peer(5000);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    for (int i = 0; i < 59; i++) {
        let_pass(1000);
        take(peer, 512);
    }
    assert_string_equal(noted(), "");
    let_pass(1000);
    assert_string_equal(noted(), "left finish:cut");
}

static int a_lot_later(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    return a_lot(req);
}

static int hint_later(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    TC_TRY(tc_early_hints(req, "</style.css>; rel=preload"));
    return tc_then(req, tc_sleep(tc_loop(req), 5000), a_lot_later, NULL);
}

static int begin_hinting(tc_request_t *req) {
    return tc_then(req, tc_sleep(tc_loop(req), 1000), hint_later, NULL);
}

static void what_is_behind_hints_that_wait_is_no_debt_of_the_client(void **state) {
    (void)state;
    serve(&(tc_request_handler_t){ .get = begin_hinting, NOTED }, NULL);
    peer_t *peer = connect_slow_peer(10);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    let_pass(6000);
    tc__memory_set_window(peer->server_end, 5000);
    for (int i = 0; i < 300; i++) {
        let_pass(1000);
        take(peer, 2048);
    }
    assert_string_equal(noted(), "");
}

static void without_a_write_timeout_nobody_is_cut(void **state) {
    (void)state;
    serve(&lavish, &(tc_httpserver_options_t){ .write_timeout_ms = TC_FOREVER });
    peer_t *peer = connect_slow_peer(1000);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    let_pass(24 * 3600 * 1000);
    assert_string_equal(noted(), "");
    tc__memory_set_window(peer->server_end, 2000000);
    tc__iostream_resume(peer->stream);
    let_pass(0);
    assert_string_equal(noted(), "finish:sent");
}

static int answer_and_wait(tc_request_t *req) {
    answer_at_once(req);
    return wait_for_token(req);
}

static int answer_and_finish(tc_request_t *req) {
    a_lot(req);
    return tc_finish(req);
}

static void a_client_that_takes_nothing_is_cut_in_every_state(void **state) {
    static const tc_request_handler_t waits = { .get = answer_and_wait, NOTED },
                                      reads_on = { .body = TC_BODY_STREAM,
                                                   .prepare = answer_at_once,
                                                   .data_received = drop_chunk,
                                                   .post = wait_for_token,
                                                   NOTED },
                                      answers_early = { .admit = answer_and_finish, .post = hello, NOTED };
    static const struct {
        const char *why;
        const tc_request_handler_t *handler;
        const char *text;
        uint64_t after_ms;
    } cases[] = {
        { "all is written", &lavish, "GET / HTTP/1.1\r\n" HEAD, 60000 },
        { "it is its last answer", &lavish, "GET / HTTP/1.1\r\nConnection: close\r\n" HEAD, 60000 },
        { "the handler has more to say", &waits, "GET / HTTP/1.1\r\n" HEAD, 60000 },
        { "its body is not complete", &reads_on, "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD "hel", 60000 },
        { "its body is complete", &reads_on, "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD "hello", 60000 },
        { "the rest of its body is skipped", &answers_early, "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD "hel",
          60000 },
        { "the rest of its body is not wanted", &answers_early,
          "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n" HEAD "hel", 60000 },
        /* small answers, of which nobody knows until the cork is drawn that the system does not take them */
        { "its last answer is small", &simple, "GET / HTTP/1.1\r\nConnection: close\r\n" HEAD, 60000 },
        { "it is refused", &simple, "GET  / HTTP/1.1\r\n" HEAD, 2000 + 59063 },
        { "it seems idle", &simple, "GET / HTTP/1.1\r\n" HEAD, 75000 + 59063 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        serve(cases[i].handler, NULL);
        peer_t *peer = connect_slow_peer(10);
        say(peer, cases[i].text);
        let_pass(cases[i].after_ms - 1);
        if (tc_httpserver_connections(server) != 1)
            fail_msg("cut too early: %s", cases[i].why);
        let_pass(1);
        if (tc_httpserver_connections(server) != 0)
            fail_msg("not cut: %s", cases[i].why);
        if (token)
            release_token(go_on);
        assert_non_null(strstr(noted(), "finish:") ? "" : strstr(cases[i].text, "  "));
        leave(peer);
        peer_count = 0;
        tc_httpserver_free(server);
        server = NULL;
    }
    assert_logged("400");
}

/* ---- Memory ---- */

enum { STREAMED = 3000000, STREAMED_PIECE = 10000, STREAMED_MARK = 100000 };

static size_t streamed, most_queued;

static int stream_on(tc_request_t *req, tc_future_t *drained, void *arg) {
    static const char piece[STREAMED_PIECE];
    if (drained)
        TC_TRY(tc_future_status(drained));
    while (streamed < STREAMED) {
        streamed += sizeof(piece);
        tc_write_borrowed(req, tc_bytes(piece, sizeof(piece)));
        TC_TRY(tc_flush(req));
        size_t queued = tc__iostream_queued(peers[0].server_end);
        most_queued = queued > most_queued ? queued : most_queued;
        if (!tc_writable(req))
            return tc_then(req, tc_drained(req), stream_on, arg);
    }
    return 0;
}

static int begin_streaming(tc_request_t *req) {
    return stream_on(req, NULL, NULL);
}

static void what_is_streamed_to_a_slow_client_is_queued_up_to_the_mark(void **state) {
    (void)state;
    streamed = most_queued = 0;
    serve(&(tc_request_handler_t){ .get = begin_streaming, NOTED },
          &(tc_httpserver_options_t){ .output_mark = STREAMED_MARK });
    peer_t *peer = connect_slow_peer(5000);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    while (peer->total < STREAMED) {
        size_t before = peer->total;
        let_pass(1000);
        take(peer, 5000);
        assert_int_equal(peer->total, before + 5000);
    }
    assert_int_equal(streamed, STREAMED);
    assert_true(most_queued > STREAMED_MARK);
    assert_true(most_queued <= STREAMED_MARK + STREAMED_PIECE + 1000);
    tc__iostream_resume(peer->stream);
    let_pass(0);
    assert_string_equal(noted(), "finish:sent");
}

static size_t body_seen;

static int take_chunk_and_wait(tc_request_t *req, tc_bytes_t chunk) {
    body_seen += chunk.len;
    token = tc_defer(req);
    return TC_DETACH;
}

static void a_body_is_not_read_while_its_handler_is_busy(void **state) {
    enum { BODY = 1000000, WINDOW = 20000 };
    static const char body[BODY];
    (void)state;
    body_seen = 0;
    serve(&(tc_request_handler_t){ .body = TC_BODY_STREAM, .data_received = take_chunk_and_wait, .post = hello, NOTED },
          NULL);
    peer_t *peer = connect_peer();
    tc__memory_set_window(peer->stream, WINDOW);
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n" HEAD);
    say_bytes(peer, body, sizeof(body));
    while (body_seen < BODY) {
        let_pass(100000);
        assert_int_equal(peer->len, 0);
        size_t with_the_handler = body_seen, in_the_system = tc__iostream_unacked(peer->stream);
        assert_true(in_the_system >= BODY - with_the_handler - WINDOW); /* what was read but not given */
        release_token(go_on);
    }
    release_token(go_on);
    assert_string_equal(noted(), "hello finish:sent");
}

/* ---- Lingering ---- */

static const tc_request_handler_t forbidden = { .admit = forbid, .post = hello, .get = hello };

static void a_client_that_goes_on_sending_is_closed_after_two_seconds(void **state) {
    (void)state;
    serve(&forbidden, NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n" HEAD "x");
    assert_heard(peer, "HTTP/1.1 403 ");
    assert_true(peer->eof);
    assert_int_equal(tc_httpserver_connections(server), 1);
    let_pass(1999);
    say(peer, "x");
    assert_int_equal(tc_httpserver_connections(server), 1);
    let_pass(1);
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void a_body_that_was_to_be_read_over_has_its_time_too(void **state) {
    (void)state;
    serve(&forbidden, NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD "hel");
    assert_heard(peer, "HTTP/1.1 403 ");
    assert_null(strstr(heard(peer), "Connection: close")); /* for the sake of two bytes nobody closes */
    let_pass(29999);
    assert_false(peer->eof);
    let_pass(1);
    assert_true(peer->eof);
    let_pass(2000);
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void a_client_that_sends_too_much_is_closed_at_once(void **state) {
    static char bytes[32 * 1024];
    (void)state;
    serve(&forbidden, NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 100000000\r\n" HEAD);
    for (int i = 0; i < 7; i++)
        say_bytes(peer, bytes, sizeof(bytes));
    assert_int_equal(tc_httpserver_connections(server), 1);
    say_bytes(peer, bytes, sizeof(bytes));
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void a_client_that_ends_is_closed_at_once(void **state) {
    (void)state;
    serve(&forbidden, NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nContent-Length: 1000000\r\n" HEAD);
    assert_true(peer->eof);
    tc_iostream_shutdown(peer->stream);
    let_pass(0);
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void an_answer_is_not_cut_short_by_lingering(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer = connect_peer();
    tc__memory_set_window(peer->server_end, 10);
    tc__iostream_pause(peer->stream);
    say(peer, "GET  / HTTP/1.1\r\n" HEAD); /* refused; the answer is more than fits */
    let_pass(30000);
    tc__memory_set_window(peer->server_end, 10000);
    tc__iostream_resume(peer->stream);
    let_pass(0);
    assert_heard(peer, "400: Bad Request</body></html>");
    assert_true(peer->eof);
    let_pass(2000);
    assert_int_equal(tc_httpserver_connections(server), 0);
    assert_logged("400");
}

/* ---- Clients that leave ---- */

static void an_answer_is_delivered_to_a_client_that_has_ended(void **state) {
    (void)state;
    serve(&waiting, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    tc_iostream_shutdown(peer->stream);
    let_pass(0);
    assert_string_equal(noted(), "wait left");
    let_pass(1000);
    release_token(answer_late);
    assert_heard(peer, "\r\n\r\nlate");
    assert_string_equal(noted(), "finish:sent");
    assert_true(peer->eof);
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void all_that_a_client_asked_before_its_end_is_answered(void **state) {
    (void)state;
    serve(&waiting, NULL);
    peer_t *peer = connect_peer();
    tc_iostream_write(peer->stream, tc_str("GET / HTTP/1.1\r\n" HEAD "GET / HTTP/1.1\r\n" HEAD "GET /"), NULL, NULL);
    tc_iostream_shutdown(peer->stream);
    let_pass(0);
    assert_string_equal(noted(), "wait left");
    release_token(answer_late);
    assert_string_equal(noted(), "wait left finish:sent");
    release_token(answer_late);
    assert_string_equal(noted(), "finish:sent");
    assert_true(peer->eof);
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void a_client_that_ends_while_it_is_admitted_is_told_of(void **state) {
    (void)state;
    serve(&(tc_request_handler_t){ .admit = wait_for_token, .get = hello, NOTED }, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    tc_iostream_shutdown(peer->stream);
    let_pass(0);
    assert_string_equal(noted(), "wait left");
    release_token(go_on);
    assert_string_equal(noted(), "hello finish:sent");
    assert_heard(peer, "\r\n\r\nhello");
}

static void a_client_that_ends_within_its_request_gets_no_answer(void **state) {
    static const char *const parts[] = { "GET /", "GET / HTTP/1.1\r\nHost: a\r\n",
                                         "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD "hel",
                                         "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD
                                         "5\r\nhello\r\n0\r\n" };
    (void)state;
    serve(&simple, NULL);
    for (size_t i = 0; i < COUNT(parts); i++) {
        peer_t *peer = connect_peer();
        say(peer, parts[i]);
        tc_iostream_shutdown(peer->stream);
        let_pass(0);
        assert_int_equal(peer->len, 0);
        assert_int_equal(tc_httpserver_connections(server), 0);
        assert_string_equal(noted(), i < 2 ? "" : "left finish:cut");
    }
}

static void a_reset_ends_a_connection_in_every_state(void **state) {
    static const struct {
        const char *text, *notes;
    } cases[] = {
        { "", "" },
        { "GET / HTTP/1.1\r\nHo", "" },
        { "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD, "left finish:cut" },
        { "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HEAD "hel", "left finish:cut" },
        { "GET / HTTP/1.1\r\n" HEAD, "wait left" },
        { "GET / HTTP/1.1\r\n" HEAD "GET / HTTP/1.1\r\n" HEAD "GET /", "wait left" },
        { "GET  / HTTP/1.1\r\n" HEAD, "" },
    };
    (void)state;
    serve(&waiting, NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        peer_t *peer = connect_peer();
        say(peer, cases[i].text);
        leave(peer);
        assert_string_equal(noted(), cases[i].notes);
        assert_int_equal(tc_httpserver_connections(server), 0);
        if (token)
            release_token(answer_late);
        if (strstr(cases[i].notes, "wait"))
            assert_string_equal(noted(), "finish:cut");
        assert_string_equal(noted(), "");
    }
    assert_logged("400");
}

static void a_reset_while_an_answer_is_queued_is_told(void **state) {
    (void)state;
    serve(&lavish, NULL);
    peer_t *peer = connect_peer();
    tc__memory_set_window(peer->server_end, 1000);
    tc__iostream_pause(peer->stream);
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    assert_string_equal(noted(), "");
    leave(peer);
    const char *notes = noted();
    assert_non_null(strstr(notes, "finish:cut"));
    assert_int_equal(tc_httpserver_connections(server), 0);
}

static void a_send_that_fails_ends_the_connection(void **state) {
    (void)state;
    serve(&waiting, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    tc__memory_fail_send(peer->server_end, EPIPE);
    release_token(answer_late);
    let_pass(0);
    assert_non_null(strstr(noted(), "finish:cut"));
    assert_int_equal(tc_httpserver_connections(server), 0);
}

/* ---- Handlers that fail midway ---- */

static int flush_and_wait(tc_request_t *req) {
    const char *length = tc_header(req, "X-Length");
    if (length)
        tc_set_header(req, "Content-Length", length);
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    return wait_for_token(req);
}

static int fail_now(tc_request_t *req, void *arg) {
    (void)req, (void)arg;
    return TC_EINVAL;
}

static void a_handler_that_fails_midway_resets_its_connection(void **state) {
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\n" HEAD,                                           /* in chunks */
        "GET / HTTP/1.1\r\nX-Length: 4\r\n" HEAD, "GET / HTTP/1.0\r\n" HEAD, /* to the end of the connection */
    };
    (void)state;
    serve(&(tc_request_handler_t){ .get = flush_and_wait, .timeout_ms = 5000, NOTED }, NULL);
    for (size_t i = 0; i < 2 * COUNT(texts); i++) {
        bool late = i % 2; /* it fails, or its time is over */
        memset(&tc__http_error_limit, 0, sizeof tc__http_error_limit);
        peer_t *peer = connect_peer();
        say(peer, texts[i / 2]);
        assert_heard(peer, "one");
        size_t len = peer->len;
        if (late) {
            let_pass(5000);
            tc_deferred_unref(token);
            let_pass(0);
        } else {
            release_token(fail_now);
        }
        assert_string_equal(noted(), late ? "wait finish:late" : "wait finish:cut");
        assert_true(peer->closed);
        assert_int_equal(peer->err, UV_ECONNRESET);
        assert_false(peer->eof);
        assert_int_equal(peer->len, len);
        assert_int_equal(atomic_exchange(&logged.count, 0), late ? 2 : 1); /* why, and that it is cut */
    }
}

/* ---- The server's end inside its own callbacks ---- */

static void free_server(tc_request_t *req, int err) {
    (void)req, (void)err;
    note("finish");
    tc_httpserver_free(server);
    server = NULL;
}

static void a_server_freed_in_on_finish_handles_nothing_more(void **state) {
    (void)state;
    serve(&(tc_request_handler_t){ .get = hello, .on_finish = free_server }, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD "GET / HTTP/1.1\r\n" HEAD);
    assert_string_equal(noted(), "hello finish");
}

static int free_server_in_handler(tc_request_t *req) {
    note("get");
    tc_httpserver_free(server);
    server = NULL;
    return tc_write(req, "hello");
}

static void a_server_freed_in_a_handler_handles_nothing_more(void **state) {
    (void)state;
    serve(&(tc_request_handler_t){ .get = free_server_in_handler }, NULL);
    peer_t *peer = connect_peer(), *other = connect_peer();
    say(other, "GET /");
    say(peer, "GET / HTTP/1.1\r\n" HEAD "GET / HTTP/1.1\r\n" HEAD);
    assert_string_equal(noted(), "get");
    assert_int_equal(other->len, 0);
}

static int free_server_after_answer(tc_request_t *req) {
    a_lot(req);
    tc_finish(req);
    return free_server_in_handler(req);
}

static void an_answer_dropped_with_its_server_was_not_sent(void **state) {
    (void)state;
    serve(&(tc_request_handler_t){ .admit = free_server_after_answer, .get = hello, NOTED }, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    assert_string_equal(noted(), "get finish:cut");
    assert_logged("after the answer was finished");
}

static int free_server_with_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)req, (void)chunk;
    note("chunk");
    tc_httpserver_free(server);
    server = NULL;
    return 0;
}

static void a_server_freed_with_a_chunk_handles_nothing_more(void **state) {
    (void)state;
    serve(&(tc_request_handler_t){ .body = TC_BODY_STREAM, .data_received = free_server_with_chunk, .post = hello },
          NULL);
    peer_t *peer = connect_peer();
    say(peer, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HEAD "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    assert_string_equal(noted(), "chunk");
}

static int hello_or_half(tc_request_t *req) {
    if (!tc_get_argument(req, "half", NULL))
        return hello(req);
    tc_write(req, "half");
    TC_TRY(tc_flush(req));
    return TC_EINVAL;
}

static void an_answer_is_with_its_client_though_the_next_is_cut(void **state) {
    (void)state;
    serve(&(tc_request_handler_t){ .get = hello_or_half, NOTED }, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD "GET /?half=1 HTTP/1.1\r\n" HEAD);
    assert_string_equal(noted(), "hello finish:sent finish:cut");
    assert_heard(peer, "\r\n\r\nhello");
    assert_true(peer->closed && peer->err < 0);
    assert_logged("the connection is cut");
}

static int half_then_wait(tc_request_t *req) {
    tc_write(req, "half");
    TC_TRY(tc_flush(req));
    token = tc_defer(req);
    return TC_DETACH;
}

static void an_answer_that_a_failed_send_cuts_short_does_not_look_whole(void **state) {
    (void)state;
    serve(&(tc_request_handler_t){ .get = half_then_wait, NOTED }, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.0\r\n\r\n"); /* its body ends with the connection */
    assert_heard(peer, "\r\n\r\nhalf");
    tc__memory_fail_send(peer->server_end, ENOBUFS);
    release_token(answer_late);
    assert_true(peer->closed && peer->err < 0 && !peer->eof);
    assert_string_equal(noted(), "finish:cut");
}

static void a_server_freed_while_handlers_wait_leaves_them_their_requests(void **state) {
    (void)state;
    serve(&waiting, NULL);
    peer_t *peer = connect_peer();
    say(peer, "GET / HTTP/1.1\r\n" HEAD);
    tc_httpserver_free(server);
    server = NULL;
    let_pass(0);
    assert_string_equal(noted(), "wait left");
    release_token(answer_late);
    assert_string_equal(noted(), "finish:cut");
}

/* ---- No memory ---- */

static void what_is_refused_before_its_method_is_known_gets_no_body(void **state) {
    (void)state;
    serve(&simple, NULL);
    peer_t *peer;
    long nth = 1;
    do { /* what the client's end needs may fail first */
        peer = connect_peer();
        fail_allocation(nth++, false);
        say(peer, "HEAD / HTTP/1.1\r\n" HEAD);
        allow_allocations();
    } while (!strstr(heard(peer), "HTTP/1.1 503 ") && peer_count < (int)COUNT(peers));
    assert_heard(peer, "HTTP/1.1 503 ");
    assert_string_equal(strstr(heard(peer), "\r\n\r\n"), "\r\n\r\n");
    assert_true(peer->eof);
    atomic_store(&logged.count, 0); /* unless there were others this second */
    noted();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_SERVER(an_idle_connection_is_closed_after_75_seconds),
        TEST_SERVER(each_request_gives_an_idle_connection_its_time_anew),
        TEST_SERVER(a_client_that_never_speaks_is_closed_after_20_seconds),
        TEST_SERVER(a_head_has_20_seconds_however_its_bytes_come),
        TEST_SERVER(the_time_of_a_second_head_begins_with_its_first_byte),
        TEST_SERVER(a_body_that_is_silent_for_30_seconds_is_refused),
        TEST_SERVER(chunk_lines_are_no_bytes_of_a_body),
        TEST_SERVER(a_body_that_comes_a_byte_at_a_time_is_refused),
        TEST_SERVER(a_body_that_comes_slowly_is_not_refused),
        TEST_SERVER(a_client_that_sends_on_but_takes_nothing_is_cut),
        TEST_SERVER(time_in_which_we_do_not_read_does_not_count),
        TEST_SERVER(no_byte_prolongs_what_a_phase_may_take),
        TEST_SERVER(a_handler_may_take_its_time),
        TEST_SERVER(a_handler_with_a_timeout_is_answered_for_by_503),
        TEST_SERVER(a_client_that_takes_nothing_for_60_seconds_is_cut),
        TEST_SERVER(a_client_that_takes_a_byte_now_and_then_is_cut),
        TEST_SERVER(a_client_that_takes_a_byte_per_millisecond_is_not_cut),
        TEST_SERVER(a_client_that_was_quick_and_becomes_slow_is_cut),
        TEST_SERVER(what_a_client_takes_out_of_the_systems_buffer_counts),
        TEST_SERVER(a_client_that_keeps_up_with_events_is_never_cut),
        TEST_SERVER(a_client_behind_a_faster_handler_is_not_cut),
        TEST_SERVER(a_client_far_behind_a_faster_handler_is_cut),
        TEST_SERVER(what_is_behind_hints_that_wait_is_no_debt_of_the_client),
        TEST_SERVER(without_a_write_timeout_nobody_is_cut),
        TEST_SERVER(a_client_that_takes_nothing_is_cut_in_every_state),
        TEST_SERVER(what_is_streamed_to_a_slow_client_is_queued_up_to_the_mark),
        TEST_SERVER(a_body_is_not_read_while_its_handler_is_busy),
        TEST_SERVER(a_client_that_goes_on_sending_is_closed_after_two_seconds),
        TEST_SERVER(a_body_that_was_to_be_read_over_has_its_time_too),
        TEST_SERVER(a_client_that_sends_too_much_is_closed_at_once),
        TEST_SERVER(a_client_that_ends_is_closed_at_once),
        TEST_SERVER(an_answer_is_not_cut_short_by_lingering),
        TEST_SERVER(an_answer_is_delivered_to_a_client_that_has_ended),
        TEST_SERVER(all_that_a_client_asked_before_its_end_is_answered),
        TEST_SERVER(a_client_that_ends_while_it_is_admitted_is_told_of),
        TEST_SERVER(a_client_that_ends_within_its_request_gets_no_answer),
        TEST_SERVER(a_reset_ends_a_connection_in_every_state),
        TEST_SERVER(a_reset_while_an_answer_is_queued_is_told),
        TEST_SERVER(a_send_that_fails_ends_the_connection),
        TEST_SERVER(a_handler_that_fails_midway_resets_its_connection),
        TEST_SERVER(a_server_freed_in_on_finish_handles_nothing_more),
        TEST_SERVER(a_server_freed_in_a_handler_handles_nothing_more),
        TEST_SERVER(an_answer_dropped_with_its_server_was_not_sent),
        TEST_SERVER(a_server_freed_with_a_chunk_handles_nothing_more),
        TEST_SERVER(an_answer_is_with_its_client_though_the_next_is_cut),
        TEST_SERVER(an_answer_that_a_failed_send_cuts_short_does_not_look_whole),
        TEST_SERVER(a_server_freed_while_handlers_wait_leaves_them_their_requests),
        TEST_SERVER(what_is_refused_before_its_method_is_known_gets_no_body),
    };
    return cmocka_run_group_tests_name("http1connection", tests, watch_everything, NULL);
}
