/* request_body_test.c - what becomes of a body: modes that stop within a chunk, and the end of it all. */
#include "web/web_test.h"

/* ---- A mode that takes two bytes, waits, and takes more; set in prepare, before the first byte ---- */

static int wait_ms(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10), NULL, NULL);
}

static int take_two(tc_request_t *req, tc_bytes_t *rest) {
    size_t len = rest->len < 2 ? rest->len : 2;
    note("[%.*s]", (int)len, rest->data);
    *rest = tc_bytes(rest->data + len, rest->len - len);
    return len > 0 ? wait_ms(req) : 0;
}

static int take_half(tc_request_t *req, tc_bytes_t *rest) {
    size_t len = (rest->len + 1) / 2;
    *rest = tc_bytes(rest->data + len, rest->len - len);
    return len > 0 ? wait_ms(req) : 0;
}

static int take_two_fail_at_x(tc_request_t *req, tc_bytes_t *rest) {
    bool bad = rest->len > 0 && rest->data[0] == 'x';
    return bad ? tc_http_error(req, 400, "an x") : take_two(req, rest);
}

static int note_end(tc_request_t *req) {
    (void)req;
    note("end");
    return 0;
}

static int wait_at_end(tc_request_t *req) {
    note("end");
    return wait_ms(req);
}

static int fail_at_end(tc_request_t *req) {
    return tc_http_error(req, 400, "cut short");
}

static const tc__body_mode_t twos = { .take = take_two, .end = note_end, .streams = true };
static const tc__body_mode_t lent_twos = { .take = take_two, .end = note_end, .lends = true, .streams = true };
static const tc__body_mode_t twos_without_x = { .take = take_two_fail_at_x, .end = note_end, .streams = true };
static const tc__body_mode_t slow_end = { .take = take_two, .end = wait_at_end, .streams = true };
static const tc__body_mode_t bad_end = { .take = take_half, .end = fail_at_end, .streams = true };

static int set_mode(tc_request_t *req) {
    req->body.mode = tc_arg(req);
    return 0;
}

static int answer(tc_request_t *req) {
    note("method");
    return tc_write(req, "done");
}

static int never(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    (void)chunk;
    return -EIO;
}

static void note_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish(%d)", err);
}

static void route_mode(const char *pattern, const tc__body_mode_t *mode) {
    tc_application_add(app, pattern,
                       HANDLER(.body = TC_BODY_STREAM, .data_received = never, .prepare = set_mode, .put = answer,
                               .on_finish = note_finish),
                       (void *)(uintptr_t)mode);
}

#define HEAD(path) "PUT " path " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"

static void a_mode_may_stop_within_a_chunk(void **state) {
    (void)state;
    const char *const heads[] = { HEAD("/"), HEAD("/lent") };
    route_mode("/", &twos);
    route_mode("/lent", &lent_twos);
    for (size_t i = 0; i < COUNT(heads); i++) {
        raw_t raw;
        raw_open(&raw, NULL);
        assert_int_equal(tc_iostream_write(raw.stream, tc_str(heads[i]), NULL, NULL), 0);
        raw_send(&raw, "abcde");
        assert_string_equal(noted(), "[ab]");
        raw_send(&raw, "PUT / HTTP/1.1\r\n"); /* what follows waits, and overwrites nothing */
        tc__ioloop_advance(raw.loop, 10);
        assert_string_equal(noted(), "[cd]");
        tc__ioloop_advance(raw.loop, 10);
        assert_string_equal(noted(), "[e]");
        assert_string_equal(raw_text(&raw), "");
        tc__ioloop_advance(raw.loop, 10);
        assert_string_equal(noted(), "[] end method finish(0)");
        assert_non_null(strstr(raw_text(&raw), "\r\n\r\ndone"));
        raw_close(&raw);
    }
}

static void the_next_chunk_waits_for_what_is_left_of_the_last(void **state) {
    (void)state;
    route_mode("/", &twos);
    int id = start("/", FETCH(.method = "PUT", .stream = true, .body = tc_str("abc")));
    tc_test_client_send(client, id, tc_str("de"));
    tc_test_client_finish(client, id, NULL);
    assert_string_equal(noted(), "[ab]");
    tc_test_client_advance(client, 10);
    assert_string_equal(noted(), "[c]");
    tc_test_client_advance(client, 10);
    assert_string_equal(noted(), "[] [de]");
    tc_test_client_advance(client, 10);
    assert_string_equal(noted(), "[] end method finish(0)");
    assert_string_equal(answered(id), "200 done");
}

static void a_status_within_a_chunk_ends_the_request(void **state) {
    (void)state;
    route_mode("/", &twos_without_x);
    assert_int_equal(atoi(ask_with("/", FETCH(.method = "PUT", .body = tc_str("abxcd")))), 400);
    assert_string_equal(noted(), "[ab] finish(0)");
    assert_log("an x");
}

static void a_client_that_leaves_ends_what_is_pending(void **state) {
    (void)state;
    raw_t raw;
    route_mode("/", &twos);
    raw_open(&raw, NULL);
    raw_send(&raw, HEAD("/") "abcde");
    tc__iostream_abort(raw.stream);
    tc__ioloop_advance(raw.loop, 100);
    assert_string_equal(noted(), "[ab] finish(-1025)");
    raw_close(&raw);
}

static void the_end_of_a_body_has_an_outcome(void **state) {
    (void)state;
    route_mode("/slow", &slow_end);
    route_mode("/bad", &bad_end);
    assert_string_equal(ask_with("/slow", FETCH(.method = "PUT", .body = tc_str("ab"))), "200 done");
    assert_string_equal(noted(), "[ab] [] end method finish(0)");
    assert_string_equal(ask_with("/slow", FETCH(.method = "PUT")), "200 done"); /* a body without a byte has one, too */
    assert_string_equal(noted(), "end method finish(0)");
    assert_int_equal(atoi(ask_with("/bad", FETCH(.method = "PUT", .body = tc_str("ab")))), 400);
    assert_string_equal(noted(), "finish(0)");
    assert_log("cut short");
}

static char large[5000];

/* What is left is copied; without memory for that the request fails, and what it waits for is forgotten. */
static void without_memory_for_what_is_left_the_request_fails(void **state) {
    (void)state;
    bool complete = false;
    stop_serving();
    for (long nth = 1; !complete; nth++) {
        app = tc_application_new(NULL);
        route_mode("/", &bad_end);
        serve();
        fail_allocation(nth, false);
        int status = atoi(ask_with("/", FETCH(.method = "PUT", .body = tc_bytes(large, sizeof(large)))));
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        if (status != 400 && status != 500 && status != 503 && status != 0)
            fail_msg("allocation %ld: %d", nth, status);
        stop_serving();
        assert_int_equal(atomic_load(&memory.live), 0);
        noted();
        forget_log();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_mode_may_stop_within_a_chunk),           WEB_TEST(the_next_chunk_waits_for_what_is_left_of_the_last),
        WEB_TEST(a_status_within_a_chunk_ends_the_request), WEB_TEST(a_client_that_leaves_ends_what_is_pending),
        WEB_TEST(the_end_of_a_body_has_an_outcome),         WEB_TEST(without_memory_for_what_is_left_the_request_fails),
    };
    return cmocka_run_group_tests_name("request body", tests, watch_web, NULL);
}
