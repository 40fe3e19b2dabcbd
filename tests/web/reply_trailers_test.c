/* reply_trailers_test.c - tc_set_trailer: what it takes, until when, and what a client reads behind the body. */
#include "web/web_test.h"

static const char *name, *value;

static int sets_trailer(tc_request_t *req) {
    note("%d", tc_set_trailer(req, name, value) == TC_EINVAL);
    return tc_write(req, "answered");
}

static void no_trailer_can_inject_anything(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
    } bad[] = {
        { NULL, "a" },
        { "", "a" },
        { "X Y", "a" },
        { "X:", "a" },
        { "X\r\nY", "a" },
        { "X", NULL },
        { "X", "a\r\nb" },
        { "X", "a\nb" },
        { "X", "\x01" },
        { "X", "\x7f" },
        { "Content-Length", "1" },
        { "transfer-encoding", "chunked" },
        { "Host", "a" },
        { "CONNECTION", "close" },
        { "Trailer", "X" },
        { "Set-Cookie", "a=b" },
        { "Content-Type", "text/plain" },
        { "Content-Encoding", "gzip" },
        { "Content-Range", "bytes 0-1/2" },
        { "Cache-Control", "no-store" },
        { "WWW-Authenticate", "Basic" },
        { "Location", "/" },
        { "Date", "now" },
        { "Access-Control-Allow-Origin", "*" },
        { "Sec-WebSocket-Accept", "x" },
    };
    route("/", HANDLER(.get = sets_trailer));
    for (size_t i = 0; i < COUNT(bad); i++) {
        name = bad[i].name;
        value = bad[i].value;
        assert_string_equal(ask("/"), page(500, "Internal Server Error", NULL));
        assert_log("E general: tc_set_trailer: ");
        assert_log("the handler failed: invalid argument: tc_set_trailer: ");
        assert_string_equal(noted(), "1");
        forget_log();
    }
}

static const char *trailer(const tc_http_response_t *response, const char *of) {
    const char *text = tc_http_response_trailer(response, of);
    return text ? text : "(none)";
}

static void the_test_client_tells_trailers_from_headers(void **state) {
    (void)state;
    name = "X-Sum";
    value = " 1\t";
    route("/", HANDLER(.get = sets_trailer));
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
    assert_string_equal(answer_text(response), "200 answered");
    assert_string_equal(trailer(response, "x-sum"), "1");
    assert_null(tc_http_response_header(response, "X-Sum"));
    assert_string_equal(trailer(response, "Trailer"), "(none)");
    assert_string_equal(tc_http_response_header(response, "Trailer"), "X-Sum");
    assert_null(tc_http_response_trailer(response, NULL));
    assert_null(tc_http_response_trailer(NULL, "X-Sum"));
    assert_string_equal(noted(), "0");
}

/* A stream that is copied back piece by piece, each dealt with later, with a sum behind it. */
typedef struct {
    size_t pieces;
    unsigned sum;
} copy_t;

static int copy_later(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    copy_t *copy = tc_data(req);
    tc_set_trailer(req, "X-Pieces", tc_sprintf(req, "%zu", ++copy->pieces));
    return tc_flush(req);
}

static int copy_piece(tc_request_t *req, tc_bytes_t chunk) {
    copy_t *copy = tc_data(req);
    for (size_t i = 0; i < chunk.len; i++)
        copy->sum += (unsigned char)chunk.data[i];
    tc_write_bytes(req, chunk);
    return tc_then(req, tc_sleep(tc_loop(req), 1), copy_later, NULL);
}

static int copied(tc_request_t *req) {
    copy_t *copy = tc_data(req);
    const tc_header_field_t *fields;
    size_t count = tc_trailers(req, &fields);
    return tc_set_trailer(req, "X-Sum", tc_sprintf(req, "%u of %s", copy->sum, count ? fields[0].value.data : "?"));
}

static void a_stream_that_is_dealt_with_later_has_trailers_on_both_ends(void **state) {
    (void)state;
    route("/",
          HANDLER(.body = TC_BODY_STREAM, .data_size = sizeof(copy_t), .data_received = copy_piece, .post = copied));
    const tc_http_response_t *response = tc_test_client_fetch(
        serve(), "/",
        FETCH(.body = tc_str("1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\nX-Sum: 394\r\n\r\n"),
              .headers = HEADERS("Transfer-Encoding", "chunked")));
    assert_string_equal(answer_text(response), "200 abcd");
    assert_string_equal(trailer(response, "X-Pieces"), "3");
    assert_string_equal(trailer(response, "X-Sum"), "394 of 394");
    assert_string_equal(tc_http_response_header(response, "Trailer"), "X-Pieces"); /* all that was known by then */
}

static int sets_trailer_after_the_end(tc_request_t *req) {
    tc_finish(req);
    note("%d", tc_set_trailer(req, "X", "y") == TC_EALREADY);
    return 0;
}

static void a_trailer_after_the_end_is_an_error(void **state) {
    (void)state;
    route("/", HANDLER(.get = sets_trailer_after_the_end));
    assert_ask("/", "200 ");
    assert_log("tc_set_trailer after the answer was finished");
    assert_string_equal(noted(), "1");
}

static int page_with_trailer(tc_request_t *req, int status) {
    tc_set_trailer(req, "X-Page", "1");
    return tc_writef(req, "page %d", status);
}

static int fails_with_trailer(tc_request_t *req) {
    tc_set_trailer(req, "X-Sum", "1");
    return 404;
}

static void a_page_of_ones_own_may_have_trailers(void **state) {
    (void)state;
    route("/", HANDLER(.get = fails_with_trailer, .write_error = page_with_trailer));
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
    assert_string_equal(answer_text(response), "404 page 404");
    assert_string_equal(trailer(response, "X-Page"), "1");
    assert_string_equal(trailer(response, "X-Sum"), "(none)");
}

static int sets_trailer_too_late(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    note("%d", tc_set_trailer(req, "X", "y"));
    return 0;
}

static int sleeps(tc_request_t *req) {
    return tc_then(req, tc_sleep(tc_loop(req), 10), sets_trailer_too_late, NULL);
}

static void a_trailer_for_a_client_that_left_harms_nothing(void **state) {
    (void)state;
    route("/", HANDLER(.get = sleeps));
    int id = start("/", NULL);
    tc_test_client_disconnect(client, id);
    tc_test_client_advance(client, 10);
    assert_string_equal(noted(), "0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(no_trailer_can_inject_anything),
        WEB_TEST(the_test_client_tells_trailers_from_headers),
        WEB_TEST(a_stream_that_is_dealt_with_later_has_trailers_on_both_ends),
        WEB_TEST(a_trailer_after_the_end_is_an_error),
        WEB_TEST(a_page_of_ones_own_may_have_trailers),
        WEB_TEST(a_trailer_for_a_client_that_left_harms_nothing),
    };
    return cmocka_run_group_tests_name("reply_trailers", tests, watch_web, NULL);
}
