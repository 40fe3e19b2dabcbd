/* test_response_test.c - bodies that are sent piece by piece, and responses that are read so: uploads, downloads, and
 * streams, with their pressure, deadlines and ends. */
#include <tornadoc/sse.h>

#include "web/web_test.h"

static tc_deferred_t *token;

static int notes_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    note(TC_FMT, TC_ARG(chunk));
    return 0;
}

static int says_trailer(tc_request_t *req) {
    const tc_header_field_t *trailers;
    size_t count = tc_trailers(req, &trailers);
    return count ? tc_writef(req, "thanks, " TC_FMT, TC_ARG(trailers[0].value)) : tc_write(req, "thanks");
}

static void notes_close(tc_request_t *req) {
    (void)req;
    note("left");
}

static int holds_chunk(tc_request_t *req, tc_bytes_t chunk) {
    note("%zu", chunk.len);
    token = tc_defer(req);
    return token ? TC_DETACH : TC_ENOMEM;
}

static int goes_on(tc_request_t *req, void *arg) {
    (void)req, (void)arg;
    return 0;
}

static void let_go(void) {
    tc_deferred_t *held = token;
    assert_int_equal(tc_deferred_post(held, goes_on, NULL), 0);
    tc_deferred_unref(held);
    tc_test_client_advance(client, 0);
}

static int refuses(tc_request_t *req) {
    return tc_http_error(req, 403, NULL);
}

static int next(tc_request_t *req, tc_future_t *slept, void *n) {
    TC_TRY(tc_future_status(slept));
    tc_writef(req, "%d", (int)(uintptr_t)n);
    if ((uintptr_t)n == 3) {
        tc_set_trailer(req, "X-Sum", "6");
        return 0;
    }
    TC_TRY(tc_flush(req));
    return tc_then(req, tc_sleep(NULL, 1000), next, (void *)((uintptr_t)n + 1));
}

static int ticks(tc_request_t *req) {
    tc_set_header(req, "X-A", "b");
    tc_early_hints(req, "</a.css>");
    tc_early_hints(req, "</b.css>");
    return tc_then(req, tc_sleep(NULL, 1000), next, (void *)1);
}

static char large[300000];

static int drained(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    note("drained:%d", tc_future_status(future));
    return tc_write(req, "end");
}

static int downloads(tc_request_t *req) {
    tc_write_borrowed(req, tc_bytes(large, sizeof large));
    TC_TRY(tc_flush(req));
    note(tc_writable(req) ? "writable" : "full");
    return tc_then(req, tc_drained(req), drained, NULL);
}

static tc_sse_t *stream;

static int listens(tc_request_t *req) {
    TC_TRY(tc_sse_begin(&stream, req, NULL));
    tc_sse_ref(stream);
    return tc_then(req, tc_sse_ended(stream), NULL, NULL);
}

static void build(void) {
    memset(large, 'x', sizeof large);
    route("/upload", HANDLER(.post = says_trailer, .body = TC_BODY_STREAM, .data_received = notes_chunk,
                             .on_connection_close = notes_close));
    route("/hold", HANDLER(.post = says_trailer, .body = TC_BODY_STREAM, .data_received = holds_chunk));
    route("/refuse", HANDLER(.admit = refuses, .post = says_trailer));
    route("/tick", HANDLER(.get = ticks));
    route("/download", HANDLER(.get = downloads));
    route("/events", HANDLER(.get = listens));
    serve();
}

#define STREAM(...) FETCH(.stream = true, __VA_ARGS__)

static void send_text(int id, const char *text) {
    assert_int_equal(tc_test_client_send(client, id, tc_str(text)), 0);
}

static void finish(int id) {
    assert_int_equal(tc_test_client_finish(client, id, NULL), 0);
}

/* ---- Bodies ---- */

static void a_body_goes_in_pieces(void **state) {
    (void)state;
    build();
    int id = start("/upload", STREAM(.body = tc_str("one")));
    assert_string_equal(noted(), "one");
    send_text(id, "two");
    assert_string_equal(noted(), "two");
    send_text(id, "");
    assert_string_equal(noted(), "");
    assert_string_equal(answered(id), "");
    finish(id);
    assert_string_equal(answered(id), "200 thanks");
}

static void its_end_may_bring_trailers(void **state) {
    (void)state;
    build();
    int id = start("/upload", STREAM(.method = "POST"));
    static const char *const odd[] = { "X-Sum", NULL };
    assert_int_equal(tc_test_client_finish(client, id, odd), TC_EINVAL);
    assert_log("trailer X-Sum has no value");
    assert_int_equal(tc_test_client_finish(client, id, HEADERS("X-Sum", "6")), 0);
    assert_string_equal(answered(id), "200 thanks, 6");
}

static void a_length_may_be_announced_instead(void **state) {
    (void)state;
    build();
    int id = start("/upload", STREAM(.headers = HEADERS("Content-Length", "6")));
    send_text(id, "abc");
    assert_int_equal(tc_test_client_finish(client, id, HEADERS("X-Sum", "6")), TC_EINVAL);
    assert_log("has no trailers");
    assert_string_equal(answered(id), "");
    send_text(id, "def");
    assert_string_equal(answered(id), "200 thanks");
    assert_string_equal(noted(), "abc def");
}

static void a_slow_upload_meets_its_deadline(void **state) {
    (void)state;
    build();
    int id = start("/upload", STREAM(.body = tc_str("one")));
    tc_test_client_advance(client, 29000);
    assert_string_equal(answered(id), "");
    tc_test_client_advance(client, 31000);
    assert_int_equal(tc_http_response_status(tc_test_client_response(client, id)), 408);
    assert_log("408 ");
    assert_int_equal(tc_test_client_send(client, id, tc_str("x")), TC_ECLOSED);
    assert_int_equal(tc_test_client_finish(client, id, NULL), TC_ECLOSED);
    noted();
}

static void a_client_may_leave_in_the_middle(void **state) {
    (void)state;
    build();
    int id = start("/upload", STREAM(.body = tc_str("one")));
    assert_false(tc_test_client_cut(client, id));
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), "one left");
    assert_true(tc_test_client_cut(client, id));
    assert_int_equal(tc_test_client_send(client, id, tc_str("x")), TC_ECLOSED);
}

static void a_server_that_wants_no_more_leaves_it_unread(void **state) {
    (void)state;
    build();
    int id = start("/hold", STREAM(.body = tc_str("one")));
    assert_string_equal(noted(), "3");
    assert_int_equal(tc_test_client_send(client, id, tc_bytes(large, sizeof large)), 0);
    size_t unread = tc_test_client_unread(client, id);
    assert_true(unread >= sizeof large - 65536 && unread < sizeof large + 100);
    while (tc_test_client_unread(client, id) > 0)
        let_go();
    assert_string_not_equal(noted(), "");
    finish(id);
    while (!tc_test_client_response(client, id))
        let_go();
    assert_string_equal(answered(id), "200 thanks");
    noted();
}

static void an_answer_may_come_before_the_body(void **state) {
    (void)state;
    build();
    int id = start("/refuse", STREAM(.headers = HEADERS("Expect", "100-continue")));
    assert_int_equal(tc_http_response_status(tc_test_client_response(client, id)), 403);
    assert_null(tc_test_client_interim(client, id, 0));
    assert_int_equal(tc_test_client_send(client, id, tc_str("x")), TC_ECLOSED);
    id = start("/upload", STREAM(.headers = HEADERS("Expect", "100-continue")));
    assert_int_equal(tc_http_response_status(tc_test_client_interim(client, id, 0)), 100);
    finish(id);
    assert_string_equal(answered(id), "200 thanks");
}

static void only_open_bodies_are_sent_more_of(void **state) {
    (void)state;
    build();
    int whole = start("/upload", FETCH(.body = tc_str("x"))), id = start("/upload", STREAM(.method = NULL));
    finish(id);
    const int ids[] = { whole, id, 12345, -1 };
    for (size_t i = 0; i < COUNT(ids); i++) {
        assert_int_equal(tc_test_client_send(client, ids[i], tc_str("x")), TC_EINVAL);
        assert_log("tc_test_client_send: no request with `.stream`");
        assert_int_equal(tc_test_client_finish(client, ids[i], NULL), TC_EINVAL);
        assert_log("tc_test_client_finish: no request with `.stream`");
    }
    assert_int_equal(tc_test_client_unread(client, 12345), 0);
    noted();
}

/* ---- Responses ---- */

static void a_response_is_read_while_it_is_made(void **state) {
    (void)state;
    build();
    int id = start("/tick", NULL);
    assert_null(tc_test_client_partial(client, id));
    assert_string_equal(tc_http_response_header(tc_test_client_interim(client, id, 0), "Link"), "</a.css>");
    assert_string_equal(tc_http_response_header(tc_test_client_interim(client, id, 1), "Link"), "</b.css>");
    assert_int_equal(tc_http_response_status(tc_test_client_interim(client, id, 1)), 103);
    assert_true(tc_http_response_complete(tc_test_client_interim(client, id, 1)));
    assert_null(tc_test_client_interim(client, id, 2));
    assert_string_equal(tc_test_client_read(client, id).data, "");

    tc_test_client_advance(client, 1000);
    const tc_http_response_t *response = tc_test_client_partial(client, id);
    assert_int_equal(tc_http_response_status(response), 200);
    assert_string_equal(tc_http_response_header(response, "X-A"), "b");
    assert_null(tc_http_response_header(response, "Link"));
    assert_string_equal(tc_http_response_body(response).data, "1");
    assert_string_equal(tc_test_client_read(client, id).data, "1");
    assert_string_equal(tc_test_client_read(client, id).data, "");
    assert_false(tc_http_response_complete(response));
    assert_null(tc_test_client_response(client, id));

    tc_test_client_advance(client, 1000);
    assert_string_equal(tc_test_client_read(client, id).data, "2");
    assert_ptr_equal(tc_test_client_wait(client, id), response);
    assert_string_equal(tc_test_client_read(client, id).data, "3");
    assert_string_equal(tc_http_response_body(response).data, "123");
    assert_true(tc_http_response_complete(response));
    assert_string_equal(tc_http_response_trailer(response, "X-Sum"), "6");
}

static void events_come_one_by_one(void **state) {
    (void)state;
    build();
    int id = start("/events", NULL);
    assert_string_equal(tc_http_response_header(tc_test_client_partial(client, id), "Content-Type"),
                        "text/event-stream");
    tc_sse_send(stream, &(tc_sse_event_t){ .data = tc_str("one") });
    tc_test_client_advance(client, 0);
    assert_string_equal(tc_test_client_read(client, id).data, "data: one\n\n");
    tc_test_client_advance(client, 15000);
    assert_string_equal(tc_test_client_read(client, id).data, ":\n\n");
    tc_test_client_disconnect(client, id);
    assert_int_equal(tc_sse_send(stream, &(tc_sse_event_t){ .data = tc_str("two") }), TC_ECLOSED);
    tc_sse_unref(stream);
}

static void who_takes_no_more_leaves_it_in_the_server(void **state) {
    (void)state;
    build();
    tc_test_client_free(client);
    client = NULL;
    app = tc_application_new(NULL);
    route("/download", HANDLER(.get = downloads));
    serve_as(&(tc_test_client_options_t){ .server = &(tc_httpserver_options_t){ .output_mark = 1000 } });
    int id = start("/download", FETCH(.receive_window = 1));
    assert_null(tc_test_client_partial(client, id));
    assert_string_equal(noted(), "full");
    tc_test_client_receive(client, id, 999);
    size_t before = tc_http_response_body(tc_test_client_partial(client, id)).len;
    assert_true(before > 500 && before < 1000);
    tc_test_client_receive(client, id, 5000);
    assert_int_equal(tc_http_response_body(tc_test_client_partial(client, id)).len, before + 5000);
    tc_test_client_advance(client, 30000);
    assert_int_equal(tc_http_response_body(tc_test_client_partial(client, id)).len, before + 5000);
    assert_string_equal(noted(), "");
    tc_test_client_receive(client, id, sizeof large);
    assert_string_equal(noted(), "drained:0");
    assert_int_equal(tc_http_response_body(tc_test_client_response(client, id)).len, sizeof large + 3);
    tc_test_client_receive(client, id, TC_UNLIMITED);
    tc_test_client_receive(client, 12345, 1);
    tc_test_client_receive(NULL, 1, 1);
}

static void who_reads_too_slowly_is_cut(void **state) {
    (void)state;
    build();
    int id = start("/download", FETCH(.receive_window = 2000));
    tc_test_client_advance(client, 59000);
    assert_false(tc_test_client_cut(client, id));
    tc_test_client_advance(client, 70000);
    assert_true(tc_test_client_cut(client, id));
    assert_null(tc_test_client_wait(client, id));
    assert_string_equal(tc_error_detail(), "/download: the connection was cut");
    assert_non_null(tc_test_client_partial(client, id));
    noted();
    forget_log();
}

static void notes_work(void *arg) {
    (void)arg;
    note("done");
}

static int works(void *arg, void **out) {
    (void)arg, (void)out;
    return 0;
}

static int starts_work(tc_request_t *req) {
    tc_future_unref(tc_run_in_executor(NULL, works, req, notes_work));
    return tc_then(req, tc_sleep(NULL, 1000), NULL, NULL);
}

static void work_on_executors_may_be_waited_for(void **state) {
    (void)state;
    route("/work", HANDLER(.get = starts_work));
    int id = start("/work", NULL);
    tc_test_client_settle(client);
    assert_string_equal(noted(), "done");
    assert_string_equal(answered(id), "");
    tc_test_client_advance(client, 1000);
    assert_string_equal(answered(id), "200 ");
}

static void every_function_takes_null(void **state) {
    (void)state;
    tc_test_client_settle(NULL);
    assert_null(tc_test_client_partial(NULL, 1));
    assert_null(tc_test_client_interim(NULL, 1, 0));
    assert_string_equal(tc_test_client_read(NULL, 1).data, "");
    assert_false(tc_test_client_cut(NULL, 1));
    assert_int_equal(tc_test_client_unread(NULL, 1), 0);
    assert_false(tc_http_response_complete(NULL));
    assert_int_equal(tc_test_client_send(NULL, 1, tc_str("x")), TC_EINVAL);
    assert_log("tc_test_client_send");
    assert_int_equal(tc_test_client_finish(NULL, 1, NULL), TC_EINVAL);
    assert_log("tc_test_client_finish");
    assert_null(tc_test_client_wait(NULL, 1));
    assert_log("tc_test_client_wait: no such request");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_body_goes_in_pieces),
        WEB_TEST(its_end_may_bring_trailers),
        WEB_TEST(a_length_may_be_announced_instead),
        WEB_TEST(a_slow_upload_meets_its_deadline),
        WEB_TEST(a_client_may_leave_in_the_middle),
        WEB_TEST(a_server_that_wants_no_more_leaves_it_unread),
        WEB_TEST(an_answer_may_come_before_the_body),
        WEB_TEST(only_open_bodies_are_sent_more_of),
        WEB_TEST(a_response_is_read_while_it_is_made),
        WEB_TEST(events_come_one_by_one),
        WEB_TEST(who_takes_no_more_leaves_it_in_the_server),
        WEB_TEST(who_reads_too_slowly_is_cut),
        WEB_TEST(work_on_executors_may_be_waited_for),
        WEB_TEST(every_function_takes_null),
    };
    return cmocka_run_group_tests_name("test_response", tests, watch_web, NULL);
}
