/* test_client_test.c - requests in memory, on a clock of their own: the client that programs test themselves with. */
#include "web/web_test.h"

static int hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static int answer(tc_request_t *req, tc_future_t *slept, void *arg) {
    (void)slept;
    return tc_write(req, arg);
}

static int slow(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 1000), answer, (void *)(uintptr_t) "later");
}

static int day(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 23 * 3600 * 1000), answer, (void *)(uintptr_t) "next day");
}

static int echo(tc_request_t *req) {
    const char *type = tc_header(req, "Content-Type"), *host = tc_host(req);
    return tc_writef(req, "%s %s %s " TC_FMT, tc_method(req), host, type ? type : "-", TC_ARG(tc_body(req)));
}

static int streams(tc_request_t *req) {
    for (int i = 0; i < 3; i++) {
        tc_writef(req, "%d,", i);
        TC_TRY(tc_flush(req));
    }
    return 0;
}

static int headers(tc_request_t *req) {
    tc_add_header(req, "X-A", "1");
    tc_add_header(req, "x-a", "2");
    tc_set_header(req, "X-Empty", "");
    return tc_write_bytes(req, tc_bytes("a\0b", 3));
}

static int cuts(tc_request_t *req) {
    tc_write(req, "half");
    tc_flush(req);
    return -EIO;
}

static tc_deferred_t *token;

static int keeps(tc_request_t *req) {
    token = tc_defer(req);
    return token ? TC_DETACH : TC_ENOMEM;
}

static void left(tc_request_t *req) {
    (void)req;
    note("left");
}

static void build(void) {
    route("/", HANDLER(.get = hello));
    route("/slow", HANDLER(.get = slow, .on_connection_close = left));
    route("/day", HANDLER(.get = day));
    route("/echo", HANDLER(.any = echo));
    route("/stream", HANDLER(.get = streams));
    route("/headers", HANDLER(.get = headers));
    route("/cut", HANDLER(.get = cuts));
    route("/keep", HANDLER(.get = keeps));
    serve();
}

static void a_fetch_is_answered(void **state) {
    (void)state;
    build();
    const tc_http_response_t *response = tc_test_client_fetch(client, "/", NULL);
    assert_int_equal(tc_http_response_status(response), 200);
    assert_string_equal(tc_http_response_body(response).data, "hello");
    assert_int_equal(tc_http_response_body(response).len, 5);
}

static void time_passes_when_it_is_told_to(void **state) {
    (void)state;
    build();
    uint64_t before = tc_ioloop_time(tc_test_client_loop(client));
    int id = tc_test_client_start(client, "/slow", NULL);
    assert_true(id > 0);
    assert_int_equal(tc_test_client_advance(client, 999), 0);
    assert_null(tc_test_client_response(client, id));
    assert_int_equal(tc_test_client_advance(client, 1), 0);
    assert_int_equal(tc_http_response_status(tc_test_client_response(client, id)), 200);
    assert_int_equal(tc_ioloop_time(tc_test_client_loop(client)) - before, 1000);
}

static void a_fetch_lets_time_pass(void **state) {
    (void)state;
    build();
    assert_ask("/slow", "200 later");
    assert_ask("/day", "200 next day");
}

static void requests_run_side_by_side(void **state) {
    (void)state;
    int ids[50];
    build();
    for (int i = 0; i < 50; i++) {
        ids[i] = tc_test_client_start(client, i % 2 ? "/slow" : "/", NULL);
        assert_true(ids[i] > 0 && (i == 0 || ids[i] != ids[i - 1]));
    }
    assert_ask("/", "200 hello");
    for (int i = 0; i < 50; i++)
        assert_string_equal(answered(ids[i]), i % 2 ? "" : "200 hello");
    tc_test_client_advance(client, 1000);
    for (int i = 0; i < 50; i++)
        assert_string_equal(answered(ids[i]), i % 2 ? "200 later" : "200 hello");
}

static void the_options_make_the_request(void **state) {
    (void)state;
    build();
    assert_ask("/echo", "200 GET localhost - ");
    assert_string_equal(ask_with("/echo", FETCH(.body = tc_str("a=b"))),
                        "200 POST localhost application/x-www-form-urlencoded a=b");
    assert_string_equal(ask_with("/echo", FETCH(.body = tc_bytes("", 0))),
                        "200 POST localhost application/x-www-form-urlencoded ");
    assert_string_equal(ask_with("/echo", FETCH(.method = "PUT", .body = tc_str("{}"), .content_type = "a/b")),
                        "200 PUT localhost a/b {}");
    assert_string_equal(ask_with("/echo", FETCH(.body = tc_str("x"), .headers = HEADERS("content-type", "c/d"))),
                        "200 POST localhost c/d x");
    assert_string_equal(ask_with("/echo", FETCH(.headers = HEADERS("Host", "example.com"))), "200 GET example.com - ");
    assert_string_equal(ask_with("/echo", FETCH(.method = "DELETE")), "200 DELETE localhost - ");
    assert_string_equal(ask_with("/echo", FETCH(.body = tc_str("1\r\nx\r\n0\r\n\r\n"),
                                                .headers = HEADERS("Transfer-Encoding", "chunked"))),
                        "200 POST localhost application/x-www-form-urlencoded x");
}

static void a_body_is_copied(void **state) {
    (void)state;
    build();
    size_t len = 1000000;
    char *body = malloc(len);
    memset(body, 'b', len);
    int id = tc_test_client_start(client, "/echo", FETCH(.body = tc_bytes(body, len)));
    memset(body, 'x', len);
    free(body);
    tc_test_client_advance(client, 0);
    tc_bytes_t got = tc_http_response_body(tc_test_client_response(client, id));
    assert_true(got.len > len);
    assert_int_equal(got.data[got.len - 1], 'b');
}

static void chunks_and_heads_are_read_as_clients_do(void **state) {
    (void)state;
    build();
    assert_ask("/stream", "200 0,1,2,");
    assert_string_equal(ask_by("HEAD", "/stream"), "200 ");
    const tc_http_response_t *response = tc_test_client_fetch(client, "/", FETCH(.method = "HEAD"));
    assert_string_equal(tc_http_response_header(response, "content-length"), "5");
    assert_int_equal(tc_http_response_body(response).len, 0);
    assert_string_equal(tc_http_response_body(response).data, "");
    assert_string_equal(ask_with("/echo", FETCH(.body = tc_str("x"), .headers = HEADERS("Expect", "100-continue"))),
                        "200 POST localhost application/x-www-form-urlencoded x");
}

static void responses_live_as_long_as_the_client(void **state) {
    (void)state;
    build();
    const tc_http_response_t *first = tc_test_client_fetch(client, "/headers", NULL);
    for (int i = 0; i < 20; i++)
        assert_ask("/", "200 hello");
    assert_string_equal(tc_http_response_header(first, "X-A"), "1, 2");
    assert_string_equal(tc_http_response_header(first, "x-empty"), "");
    assert_null(tc_http_response_header(first, "X-None"));
    assert_int_equal(tc_http_response_body(first).len, 3);
    assert_memory_equal(tc_http_response_body(first).data, "a\0b", 4);
}

static void a_cut_answer_is_no_response(void **state) {
    (void)state;
    build();
    assert_null(tc_test_client_fetch(client, "/cut", NULL));
    assert_string_equal(tc_error_detail(), "/cut: the connection was cut");
    assert_log("the connection is cut");
    int id = tc_test_client_start(client, "/cut", NULL);
    assert_null(tc_test_client_response(client, id));
    forget_log();
}

static void who_leaves_gets_no_answer(void **state) {
    (void)state;
    build();
    int id = tc_test_client_start(client, "/slow", NULL);
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), "left");
    tc_test_client_disconnect(client, id);
    tc_test_client_disconnect(client, 12345);
    tc_test_client_advance(client, 1000);
    assert_null(tc_test_client_response(client, id));
    assert_string_equal(noted(), "");
}

static void a_client_complains_of_what_has_no_outcome(void **state) {
    (void)state;
    build();
    start("/keep", NULL);
    start("/slow?x", NULL);
    assert_ask("/", "200 hello");
    stop_serving();
    assert_log("W general: the test client is freed, but request 2 (/slow?x) has no outcome");
    assert_log("W general: the test client is freed, but request 1 (/keep) has no outcome");
    tc_deferred_unref(token);
    assert_string_equal(noted(), "left");
}

static void what_is_no_request_is_refused(void **state) {
    (void)state;
    static const char *const odd[] = { "X-A", NULL }, *const bad_name[] = { "X:", "a", NULL },
                             *const bad_value[] = { "X", "a\r\nb", NULL };
    static const struct {
        const char *path;
        tc_fetch_options_t options;
        const char *log;
    } bad[] = {
        { NULL, { 0 }, "a path without spaces" },
        { "", { 0 }, "a path without spaces" },
        { "/a b", { 0 }, "a path without spaces" },
        { "/a\r\nX: y", { 0 }, "a path without spaces" },
        { "/", { .method = "GET /" }, "the method is no token" },
        { "/", { .method = "" }, "the method is no token" },
        { "/", { .reserved = { 1 } }, "`reserved` must be zero" },
        { "/", { .headers = odd }, "header X-A has no value" },
        { "/", { .headers = bad_name }, "header X:: not a name" },
        { "/", { .headers = bad_value }, "header X: not a name" },
        { "/", { .content_type = "a\nb", .body = { "x", 1 } }, "content_type" },
        { "/", { .body = { NULL, 1 } }, "the body is NULL" },
    };
    build();
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(tc_test_client_start(client, bad[i].path, &bad[i].options), TC_EINVAL);
        assert_log(bad[i].log);
        assert_null(tc_test_client_fetch(client, bad[i].path, &bad[i].options));
        assert_log(bad[i].log);
        assert_non_null(strstr(tc_error_detail(), bad[i].log));
    }
    assert_ask("/", "200 hello");
}

static void every_function_takes_null(void **state) {
    (void)state;
    assert_int_equal(tc_test_client_start(NULL, "/", NULL), TC_EINVAL);
    assert_log("tc_test_client_start: the test client is NULL");
    assert_int_equal(tc_test_client_advance(NULL, 1), TC_EINVAL);
    assert_log("tc_test_client_advance: the test client is NULL");
    assert_null(tc_test_client_fetch(NULL, "/", NULL));
    assert_log("the test client is NULL");
    assert_null(tc_test_client_response(NULL, 1));
    tc_test_client_disconnect(NULL, 1);
    assert_null(tc_test_client_loop(NULL));
    tc_test_client_free(NULL);
    assert_int_equal(tc_http_response_status(NULL), 0);
    assert_null(tc_http_response_header(NULL, "a"));
    assert_int_equal(tc_http_response_body(NULL).len, 0);
    assert_string_equal(tc_http_response_body(NULL).data, "");
    build();
    assert_null(tc_http_response_header(tc_test_client_fetch(client, "/", NULL), NULL));
}

static void two_clients_have_two_clocks(void **state) {
    (void)state;
    tc_application_t *other = tc_application_new(NULL);
    tc_application_add(other, "/slow", HANDLER(.get = slow), NULL);
    tc_test_client_t *second = tc_test_client_new(other);
    build();
    int one = start("/slow", NULL), two = tc_test_client_start(second, "/slow", NULL);
    tc_test_client_advance(second, 1000);
    assert_string_equal(answered(one), "");
    assert_string_equal(answer_text(tc_test_client_response(second, two)), "200 later");
    tc_test_client_advance(client, 1000);
    assert_string_equal(answered(one), "200 later");
    tc_test_client_free(second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_fetch_is_answered),
        WEB_TEST(time_passes_when_it_is_told_to),
        WEB_TEST(a_fetch_lets_time_pass),
        WEB_TEST(requests_run_side_by_side),
        WEB_TEST(the_options_make_the_request),
        WEB_TEST(a_body_is_copied),
        WEB_TEST(chunks_and_heads_are_read_as_clients_do),
        WEB_TEST(responses_live_as_long_as_the_client),
        WEB_TEST(a_cut_answer_is_no_response),
        WEB_TEST(who_leaves_gets_no_answer),
        WEB_TEST(a_client_complains_of_what_has_no_outcome),
        WEB_TEST(what_is_no_request_is_refused),
        WEB_TEST(every_function_takes_null),
        WEB_TEST(two_clients_have_two_clocks),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
