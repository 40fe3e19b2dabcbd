/*
 * last_answer_test.c - a connection whose end is the server's idea: the client may have asked for more meanwhile, so it
 * gets FIN and some time to end as well. On a clock that the test moves, and on streams in memory.
 */
#include "net/iostream_struct_internal.h"
#include "web/web_test.h"

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define GET_AND_CLOSE "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static tc_deferred_t *token;

static int hello(tc_request_t *req) {
    note("asked");
    return tc_write(req, "hello");
}

static int closes(tc_request_t *req) {
    tc_set_header(req, "Connection", "close");
    return hello(req);
}

static int waits(tc_request_t *req) {
    token = tc_defer(req);
    return TC_DETACH;
}

static int answers(tc_request_t *req, void *arg) {
    (void)arg;
    return hello(req);
}

static void let_pass(raw_t *raw, uint64_t ms) {
    tc__ioloop_advance(raw->loop, ms);
}

static size_t connections(const raw_t *raw) {
    return tc_httpserver_connections(raw->server);
}

static void assert_told_to_close(raw_t *raw) {
    assert_non_null(strstr(raw_text(raw), "\r\nConnection: close\r\n"));
    assert_true(raw->eof);
}

/* It has its answer, and FIN behind it; the connection is still there. */
static void ask_for_the_last(raw_t *raw, const tc_httpserver_options_t *options) {
    raw_open(raw, options);
    raw_send(raw, GET);
    assert_told_to_close(raw);
    assert_int_equal(connections(raw), 1);
    assert_non_null(raw->stream);
}

static void who_asks_to_close_is_closed_at_once(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = hello));
    raw_open(&raw, &(tc_httpserver_options_t){ .max_requests_per_connection = 1 });
    raw_send(&raw, GET_AND_CLOSE);
    assert_told_to_close(&raw);
    assert_int_equal(connections(&raw), 0);
    assert_string_equal(noted(), "asked");
    raw_close(&raw);
}

static void who_does_not_has_time_to_end(void **state) {
    (void)state;
    static const tc_httpserver_options_t options[] = { { .no_keep_alive = true },
                                                       { .max_requests_per_connection = 1 } };
    raw_t raw;
    route("/", HANDLER(.get = hello));
    for (size_t i = 0; i < COUNT(options); i++) {
        ask_for_the_last(&raw, &options[i]);
        raw_send(&raw, GET); /* sent before it knew: not answered, and nothing is cut */
        assert_int_equal(connections(&raw), 1);
        tc_iostream_shutdown(raw.stream);
        raw_turn(&raw);
        assert_int_equal(connections(&raw), 0);
        assert_false(raw.cut);
        assert_string_equal(noted(), "asked");
        raw_close(&raw);
    }
}

static void so_has_who_hears_it_from_a_handler(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = closes));
    ask_for_the_last(&raw, NULL);
    let_pass(&raw, 1999);
    assert_int_equal(connections(&raw), 1);
    let_pass(&raw, 1);
    assert_int_equal(connections(&raw), 0);
    assert_string_equal(noted(), "asked");
    raw_close(&raw);
}

static void what_is_thrown_away_is_bounded(void **state) {
    (void)state;
    raw_t raw;
    char *much = calloc(1, 256 * 1024 + 1);
    assert_non_null(much);
    memset(much, 'x', 256 * 1024);
    route("/", HANDLER(.get = closes));
    ask_for_the_last(&raw, NULL);
    tc_iostream_write(raw.stream, tc_bytes(much, 256 * 1024 - 1), NULL, NULL);
    let_pass(&raw, 0);
    assert_int_equal(connections(&raw), 1);
    tc_iostream_write(raw.stream, tc_bytes(much, 1), NULL, NULL);
    let_pass(&raw, 0);
    assert_int_equal(connections(&raw), 0);
    assert_string_equal(noted(), "asked");
    free(much);
    raw_close(&raw);
}

static int drained;

static void on_drained(tc_httpserver_t *server, int err, void *user_data) {
    (void)server, (void)user_data;
    assert_int_equal(err, 0);
    drained++;
}

static void drain(raw_t *raw) {
    drained = 0;
    assert_int_equal(tc_httpserver_drain(raw->server, 60000, on_drained, NULL), 0);
    raw_turn(raw);
}

static void finish_waiting(raw_t *raw) {
    assert_int_equal(tc_deferred_post(token, answers, NULL), 0);
    tc_deferred_unref(token);
    raw_turn(raw);
    assert_told_to_close(raw);
}

static void a_drain_waits_for_the_clients_end(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = waits));
    raw_open(&raw, NULL);
    raw_send(&raw, GET);
    drain(&raw);
    finish_waiting(&raw);
    assert_int_equal(drained, 0);
    tc_iostream_shutdown(raw.stream);
    raw_turn(&raw);
    assert_int_equal(drained, 1);
    assert_string_equal(noted(), "asked");
    raw_close(&raw);
}

static void but_not_for_long(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = waits));
    raw_open(&raw, NULL);
    raw_send(&raw, GET);
    drain(&raw);
    finish_waiting(&raw);
    let_pass(&raw, 499);
    assert_int_equal(drained, 0);
    let_pass(&raw, 1);
    assert_int_equal(drained, 1);
    assert_string_equal(noted(), "asked");
    raw_close(&raw);
}

static void a_drain_cuts_short_the_time_that_was_given_before(void **state) {
    (void)state;
    static const struct { uint64_t before, then; } times[] = { { 0, 500 }, { 1000, 500 }, { 1800, 200 } };
    raw_t raw;
    route("/", HANDLER(.get = closes));
    for (size_t i = 0; i < COUNT(times); i++) {
        ask_for_the_last(&raw, NULL);
        let_pass(&raw, times[i].before);
        drain(&raw);
        let_pass(&raw, times[i].then - 1);
        assert_int_equal(drained, 0);
        let_pass(&raw, 1);
        assert_int_equal(drained, 1);
        assert_string_equal(noted(), "asked");
        raw_close(&raw);
    }
}

static void who_has_asked_ahead_has_that_time_too(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = hello));
    raw_open(&raw, NULL);
    tc_iostream_t *server_end = raw.stream->t.memory.peer;
    tc__memory_set_window(server_end, 10);
    tc__iostream_pause(raw.stream);
    raw_send(&raw, GET);
    raw_send(&raw, GET); /* it waits until the first answer is with the system */
    drain(&raw);
    tc__memory_set_window(server_end, 10000);
    tc__iostream_resume(raw.stream);
    raw_turn(&raw);
    assert_true(raw.eof);
    assert_int_equal(connections(&raw), 1);
    tc_iostream_shutdown(raw.stream);
    raw_turn(&raw);
    assert_int_equal(drained, 1);
    assert_string_equal(noted(), "asked");
    raw_close(&raw);
}

static void whoever_is_idle_when_a_drain_begins_is_closed_at_once(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = hello));
    raw_open(&raw, NULL);
    raw_send(&raw, GET);
    drain(&raw);
    assert_int_equal(drained, 1);
    assert_true(raw.eof);
    assert_string_equal(noted(), "asked");
    raw_close(&raw);
}

/* The end of a body is in the parser's hand while the handler deals with the last of it, and the socket is not read. */
static int dealt_with_later(tc_request_t *req, tc_bytes_t chunk) {
    (void)chunk;
    return waits(req);
}

static int done(tc_request_t *req, void *arg) {
    (void)req, (void)arg;
    return 0;
}

static void what_came_while_the_body_was_dealt_with_is_thrown_away(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.body = TC_BODY_STREAM, .data_received = dealt_with_later, .post = closes));
    raw_open(&raw, NULL);
    raw_send(&raw, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi" GET);
    raw_send(&raw, GET);
    assert_int_equal(tc_deferred_post(token, done, NULL), 0);
    tc_deferred_unref(token);
    raw_turn(&raw);
    assert_told_to_close(&raw);
    raw_send(&raw, GET);
    tc_iostream_shutdown(raw.stream);
    raw_turn(&raw);
    assert_int_equal(connections(&raw), 0);
    assert_string_equal(noted(), "asked");
    raw_close(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(who_asks_to_close_is_closed_at_once),
        WEB_TEST(who_does_not_has_time_to_end),
        WEB_TEST(so_has_who_hears_it_from_a_handler),
        WEB_TEST(what_is_thrown_away_is_bounded),
        WEB_TEST(a_drain_waits_for_the_clients_end),
        WEB_TEST(but_not_for_long),
        WEB_TEST(a_drain_cuts_short_the_time_that_was_given_before),
        WEB_TEST(who_has_asked_ahead_has_that_time_too),
        WEB_TEST(whoever_is_idle_when_a_drain_begins_is_closed_at_once),
        WEB_TEST(what_came_while_the_body_was_dealt_with_is_thrown_away),
    };
    return cmocka_run_group_tests_name("last_answer", tests, watch_web, NULL);
}
