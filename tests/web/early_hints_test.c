/* early_hints_test.c - tc_early_hints: what it takes, when, and what becomes of it without memory or a client. */
#include <errno.h>

#include "net/iostream_struct_internal.h"
#include "web/web_test.h"

static const char *link_value;

static int hints(tc_request_t *req) {
    note("%d", tc_early_hints(req, link_value) == TC_EINVAL);
    return tc_write(req, "answered");
}

static void no_hint_can_inject_anything(void **state) {
    (void)state;
    static const char *const bad[] = { NULL, "", "</a.css>\r\nX: y", "</a.css>\n", "</a.css>\r", "\x01", "\x7f" };
    route("/", HANDLER(.get = hints));
    for (size_t i = 0; i < COUNT(bad); i++) {
        link_value = bad[i];
        assert_string_equal(ask("/"), page(500, "Internal Server Error", NULL));
        assert_log("E general: tc_early_hints: ");
        assert_log("the handler failed: invalid argument: tc_early_hints: ");
        assert_string_equal(noted(), "1");
    }
}

static void hints_are_told_apart_from_the_answer(void **state) {
    (void)state;
    link_value = "</a.css>; rel=preload";
    route("/", HANDLER(.get = hints));
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
    assert_string_equal(answer_text(response), "200 answered");
    assert_null(tc_http_response_header(response, "Link"));
    assert_string_equal(header("/", FETCH(.method = "HEAD"), "Content-Length"), "8");
    assert_string_equal(noted(), "0 0");
}

static int hints_after_flush(tc_request_t *req) {
    tc_flush(req);
    note("%d", tc_early_hints(req, "</a.css>") == TC_EBUSY);
    return tc_write(req, "answered");
}

static void hints_after_the_headers_are_an_error_and_the_answer_goes_on(void **state) {
    (void)state;
    route("/", HANDLER(.get = hints_after_flush));
    assert_ask("/", "200 answered");
    assert_log("tc_early_hints after its headers were sent");
    assert_string_equal(noted(), "1");
}

static int hint_for(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    int err = tc_early_hints(req, "</a.css>");
    note("%d %d", err, tc_closed(req));
    return tc_write(req, "answered");
}

static int hints_later(tc_request_t *req) {
    note("%d", tc_early_hints(req, "</a.css>"));
    return tc_then(req, tc_sleep(tc_loop(req), 10), hint_for, NULL);
}

static void on_end(tc_request_t *req, int err) {
    (void)req;
    note("finish(%s)", err == TC_ECLOSED ? "closed" : err ? "?" : "0");
}

static void hints_are_sent_before_the_answer_is_made(void **state) {
    (void)state;
    route("/", HANDLER(.get = hints_later, .on_finish = on_end));
    int id = start("/", NULL);
    assert_int_equal(tc_http_response_status(tc_test_client_interim(client, id, 0)), 103);
    assert_string_equal(tc_http_response_header(tc_test_client_interim(client, id, 0), "Link"), "</a.css>");
    assert_null(tc_test_client_partial(client, id));
    tc_test_client_advance(client, 10);
    assert_string_equal(answered(id), "200 answered");
    assert_string_equal(noted(), "0 0 0 finish(0)");
}

static void hints_for_a_client_that_left_fail_silently(void **state) {
    (void)state;
    char wanted[64];
    route("/", HANDLER(.get = hints_later, .on_finish = on_end));
    int id = start("/", NULL);
    tc_test_client_disconnect(client, id);
    tc_test_client_advance(client, 10);
    snprintf(wanted, sizeof(wanted), "0 %d 1 finish(closed)", TC_ECLOSED);
    assert_string_equal(noted(), wanted);
}

static void a_hint_that_cannot_be_sent_ends_the_connection(void **state) {
    (void)state;
    char wanted[64];
    raw_t raw;
    route("/", HANDLER(.get = hints_later, .on_finish = on_end));
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tc__memory_fail_send(raw.stream->t.memory.peer, EPIPE);
    tc__ioloop_advance(raw.loop, 10);
    assert_null(raw.stream);
    snprintf(wanted, sizeof(wanted), "0 %d 1 finish(closed)", TC_ECLOSED);
    assert_string_equal(noted(), wanted);
    raw_close(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(no_hint_can_inject_anything),
        WEB_TEST(hints_are_told_apart_from_the_answer),
        WEB_TEST(hints_after_the_headers_are_an_error_and_the_answer_goes_on),
        WEB_TEST(hints_are_sent_before_the_answer_is_made),
        WEB_TEST(hints_for_a_client_that_left_fail_silently),
        WEB_TEST(a_hint_that_cannot_be_sent_ends_the_connection),
    };
    return cmocka_run_group_tests_name("early_hints", tests, watch_web, NULL);
}
