/* misuse_test.c - bad arguments to every function of a request: a code and words, never a crash. */
#include <yyjson.h>

#include "web/web_test.h"

/* ---- Without a request ---- */

static void verbs_refuse_a_null_request(void **state) {
    (void)state;
    const char *text = "untouched";
    yyjson_val *root = NULL;
    int results[] = {
        tc_write(NULL, "x"),
        tc_write(NULL, NULL),
        tc_writef(NULL, "%d", 1),
        tc_write_bytes(NULL, tc_str("x")),
        tc_write_bytes(NULL, tc_bytes(NULL, 1)),
        tc_write_borrowed(NULL, tc_str("x")),
        tc_write_owned(NULL, tc_str("x"), note_it, (void *)(uintptr_t) "freed"),
        tc_write_json(NULL, NULL),
        tc_set_status(NULL, 200),
        tc_set_header(NULL, "A", "b"),
        tc_add_header(NULL, "A", "b"),
        tc_clear_header(NULL, "A"),
        tc_set_trailer(NULL, "A", "b"),
        tc_early_hints(NULL, "</a.css>"),
        tc_redirect(NULL, "/", 0),
        tc_http_error(NULL, 404, "x"),
        tc_http_errorf(NULL, 404, "%s", "x"),
        tc_send_error(NULL, 404),
        tc_flush(NULL),
        tc_finish(NULL),
        tc_require_argument(NULL, "a", &text),
        tc_read_json(NULL, &root),
        tc_on_cleanup(NULL, note_it, (void *)(uintptr_t) "cleaned"),
        tc_set_max_body_size(NULL, 1),
        tc_then(NULL, NULL, NULL, NULL),
    };
    for (size_t i = 0; i < COUNT(results); i++) {
        assert_int_equal(results[i], TC_EINVAL);
        assert_log("E general: tc_");
    }
    assert_string_equal(take_line(), "");
    assert_string_equal(noted(), "freed cleaned");
    assert_string_equal(text, "untouched");
    assert_null(tc_json_new(NULL));
    assert_log("tc_json_new: the request is NULL");
    assert_null(tc_defer(NULL));
    assert_log("tc_defer: the request is NULL");
}

static void getters_have_nothing_to_say_of_a_null_request(void **state) {
    (void)state;
    const tc_header_field_t *fields;
    const char *const *values;
    assert_string_equal(tc_method(NULL), "");
    assert_string_equal(tc_path(NULL), "");
    assert_string_equal(tc_query(NULL), "");
    assert_string_equal(tc_uri(NULL), "");
    assert_string_equal(tc_host(NULL), "");
    assert_string_equal(tc_remote_ip(NULL), "");
    assert_non_null(tc_http_version(NULL));
    assert_string_equal(tc_protocol(NULL), "http");
    assert_null(tc_route(NULL));
    assert_null(tc_header(NULL, "a"));
    assert_int_equal(tc_headers(NULL, &fields), 0);
    assert_int_equal(tc_trailers(NULL, &fields), 0);
    assert_null(tc_path_arg(NULL, "a"));
    assert_int_equal(tc_path_int(NULL, "a"), 0);
    assert_string_equal(tc_get_argument(NULL, "a", "fallback"), "fallback");
    assert_string_equal(tc_get_query_argument(NULL, "a", "fallback"), "fallback");
    assert_string_equal(tc_get_body_argument(NULL, "a", "fallback"), "fallback");
    assert_int_equal(tc_get_arguments(NULL, "a", &values), 0);
    assert_string_equal(tc_get_cookie(NULL, "a", "fallback"), "fallback");
    assert_int_equal(tc_body(NULL).len, 0);
    assert_string_equal(tc_body(NULL).data, "");
    assert_null(tc_arg(NULL));
    assert_null(tc_data(NULL));
    assert_null(tc_loop(NULL));
    assert_true(tc_closed(NULL));
    assert_int_equal(tc_request_time_ms(NULL), 0);
    assert_null(tc_request_application(NULL));
    assert_null(tc_alloc(NULL, 1));
    assert_null(tc_strdup(NULL, "x"));
    assert_null(tc_sprintf(NULL, "%d", 1));
    assert_int_equal(tc_get_status(NULL), 0);
    assert_null(tc_error_message(NULL));
    assert_false(tc_writable(NULL));
    assert_null(tc_drained(NULL));
}

/* ---- With one ---- */

static const char *no_text; /* NULL, but the compiler does not know */

static int null_text(tc_request_t *req) {
    return tc_write(req, NULL);
}

static int null_format(tc_request_t *req) {
    return tc_writef(req, no_text, 1);
}

static int null_bytes(tc_request_t *req) {
    return tc_write_bytes(req, tc_bytes(NULL, 1));
}

static int null_borrowed(tc_request_t *req) {
    return tc_write_borrowed(req, tc_bytes(NULL, 1));
}

static int null_owned(tc_request_t *req) {
    return tc_write_owned(req, tc_bytes(NULL, 1), note_it, (void *)(uintptr_t) "freed");
}

static int null_clear(tc_request_t *req) {
    return tc_clear_header(req, NULL);
}

static int null_redirect(tc_request_t *req) {
    return tc_redirect(req, NULL, 0);
}

static int bad_error(tc_request_t *req) {
    return tc_http_error(req, 200, "x");
}

static int bad_errorf(tc_request_t *req) {
    return tc_http_errorf(req, 600, "%s", "x");
}

static int null_errorf(tc_request_t *req) {
    return tc_http_errorf(req, 404, no_text, 1);
}

static int bad_send_error(tc_request_t *req) {
    return tc_send_error(req, 399);
}

static int null_require(tc_request_t *req) {
    return tc_require_argument(req, NULL, NULL);
}

static int null_json(tc_request_t *req) {
    return tc_read_json(req, NULL);
}

static int null_cleanup(tc_request_t *req) {
    return tc_on_cleanup(req, NULL, NULL);
}

static int null_future(tc_request_t *req) {
    return tc_then(req, NULL, NULL, NULL);
}

static int null_document(tc_request_t *req) {
    return tc_write_json(req, NULL);
}

static const struct {
    const char *path;
    tc_request_fn call;
    int status;
    const char *log;
} calls[] = {
    { "/text", null_text, 500, "tc_write: the text is NULL" },
    { "/format", null_format, 500, "tc_writef: the format is NULL" },
    { "/bytes", null_bytes, 500, "tc_write: the bytes are NULL, but have a length" },
    { "/borrowed", null_borrowed, 500, "the bytes are NULL, but have a length" },
    { "/owned", null_owned, 500, "tc_write_owned: the bytes are NULL, but have a length" },
    { "/clear", null_clear, 500, "tc_clear_header: the name is NULL" },
    { "/redirect", null_redirect, 500, "tc_redirect: a url and a status" },
    { "/error", bad_error, 500, "tc_http_error: a status from 400 to 599 is wanted, not 200" },
    { "/errorf", bad_errorf, 500, "a status from 400 to 599 is wanted, not 600" },
    { "/null_errorf", null_errorf, 404, NULL },
    { "/send_error", bad_send_error, 500, "tc_send_error: a status from 400 to 599 is wanted, not 399" },
    { "/require", null_require, 500, "tc_require_argument: the request, the name or the place" },
    { "/json", null_json, 500, "tc_read_json: the request or the place" },
    { "/cleanup", null_cleanup, 500, "tc_on_cleanup: the request or the function is NULL" },
    { "/future", null_future, 500, "the handler failed: not enough memory" },
    { "/document", null_document, 500, "the handler failed: not enough memory" },
};

static void a_bad_argument_is_a_500_and_says_what_to_do(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(calls); i++)
        route(calls[i].path, HANDLER(.get = calls[i].call));
    for (size_t i = 0; i < COUNT(calls); i++) {
        int status = tc_http_response_status(tc_test_client_fetch(serve(), calls[i].path, NULL));
        if (status != calls[i].status)
            fail_msg("%s: %d", calls[i].path, status);
        if (calls[i].log)
            assert_log(calls[i].log);
        forget_log();
    }
    assert_string_equal(noted(), "freed");
}

static int asks_for_null(tc_request_t *req) {
    const char *const *values;
    const tc_header_field_t *fields;
    note("%d", tc_header(req, NULL) == NULL && tc_header(req, "") == NULL);
    note("%zu", tc_headers(req, NULL) + tc_trailers(req, NULL) + tc_get_arguments(req, NULL, &values) +
                    tc_get_arguments(req, "a", NULL));
    note("%d", tc_path_arg(req, NULL) == NULL && tc_path_int(req, NULL) == 0);
    note("%s%s%s", tc_get_argument(req, NULL, "a"), tc_get_query_argument(req, NULL, "b"),
         tc_get_body_argument(req, NULL, "c"));
    note("%s", tc_get_cookie(req, NULL, "d"));
    note("%d", tc_get_argument(req, "none", NULL) == NULL);
    note("%d", tc_strdup(req, NULL) == NULL && tc_sprintf(req, no_text, 1) == NULL);
    note("%d", tc_alloc(req, 0) != NULL && tc_alloc(req, SIZE_MAX) == NULL);
    note("%d", tc_headers(req, &fields) == 1);
    return 0;
}

static void getters_take_null_for_nothing(void **state) {
    (void)state;
    route("/", HANDLER(.get = asks_for_null));
    assert_ask("/?=x&", "200 ");
    assert_string_equal(noted(), "1 0 1 abc d 1 1 1 1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(verbs_refuse_a_null_request),
        WEB_TEST(getters_have_nothing_to_say_of_a_null_request),
        WEB_TEST(a_bad_argument_is_a_500_and_says_what_to_do),
        WEB_TEST(getters_take_null_for_nothing),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
