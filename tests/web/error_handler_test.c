/* error_handler_test.c - routes that are errors, and tables of routes. */
#include "web/web_test.h"

/* ---- Routes that are errors ---- */

static int hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static void an_error_route_answers_every_method_by_its_page(void **state) {
    (void)state;
    assert_int_equal(tc_application_add_error(app, "/gone/{rest:*}", 410), 0);
    route("/gone/not", HANDLER(.get = hello));
    assert_ask("/gone/x", page(410, "Gone", NULL));
    assert_string_equal(ask_by("POST", "/gone/x"), page(410, "Gone", NULL));
    assert_string_equal(ask_by("OPTIONS", "/gone/x"), page(410, "Gone", NULL));
    assert_string_equal(ask_by("HEAD", "/gone/x"), "410 ");
    assert_ask("/gone/not", "200 hello");
    forget_log();
}

static int own_page(tc_request_t *req, int status) {
    return tc_writef(req, "our %d", status);
}

static int refuses(tc_request_t *req) {
    return tc_header(req, "X-Key") ? 0 : 403;
}

static void it_has_the_page_and_the_admit_of_its_group(void **state) {
    (void)state;
    tc_router_t *group = tc_application_group(app, "/api", HANDLER(.admit = refuses, .write_error = own_page));
    assert_int_equal(tc_router_add_error(group, "/{rest:*}", 404), 0);
    assert_ask("/api/x", "403 our 403");
    assert_string_equal(ask_with("/api/x", FETCH(.headers = HEADERS("X-Key", "1"))), "404 our 404");
    forget_log();
}

static void it_asks_for_no_xsrf_token(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .xsrf_cookies = true });
    assert_int_equal(tc_application_add_error(app, "/gone", 404), 0);
    route("/there", HANDLER(.post = hello));
    assert_string_equal(ask_by("POST", "/gone"), page(404, "Not Found", NULL));
    assert_int_equal(tc_http_response_status(tc_test_client_fetch(client, "/there", FETCH(.method = "POST"))), 403);
    forget_log();
}

static void it_answers_before_the_body(void **state) {
    (void)state;
    raw_t raw;
    assert_int_equal(tc_application_add_error(app, "/gone", 410), 0);
    raw_open(&raw, NULL);
    raw_send(&raw, "POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 410 Gone\r\n", 19), 0);
    raw_close(&raw);
    forget_log();
}

static void only_errors_are_errors(void **state) {
    (void)state;
    static const int bad[] = { 0, 200, 302, 399, 600, -1 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(tc_application_add_error(app, "/a", bad[i]), TC_EINVAL);
        assert_log("/a: the status of an error is 400 to 599");
    }
    assert_int_equal(tc_application_add_error(app, NULL, 404), TC_EINVAL);
    assert_log("a route's pattern is NULL");
    assert_int_equal(tc_application_add_error(NULL, "/a", 404), TC_ENOMEM);
    assert_int_equal(tc_router_add_error(NULL, "/a", 200), TC_ENOMEM);
    assert_int_equal(tc_application_error(app), TC_EINVAL);
}

/* ---- Tables ---- */

static int says_route(tc_request_t *req) {
    return tc_writef(req, "%s%s", tc_route(req), tc_arg(req) ? (const char *)tc_arg(req) : "");
}

static const tc_request_handler_t route_handler = { .get = says_route, .name = "by itself" };

static void a_table_adds_all_its_rows(void **state) {
    (void)state;
    static const tc_url_spec_t urls[] = {
        { .pattern = "/a", .handler = &route_handler },
        { .pattern = "/b/{x}", .handler = &route_handler, .arg = " with b", .name = "b" },
        { .regex = "/c([0-9]+)", .handler = &route_handler, .name = "c" },
        { .handler = &route_handler, .name = "the end" },
        { .pattern = "/d", .handler = &route_handler },
    };
    assert_int_equal(tc_application_add_handlers(app, urls), 0);
    char url[16];
    assert_int_equal(tc_application_reverse_url(app, url, sizeof(url), "by itself", NULL), 2);
    assert_int_equal(tc_application_reverse_url(app, url, sizeof(url), "b", "x", "1", NULL), 4);
    assert_int_equal(tc_application_reverse_url(app, url, sizeof(url), "c", "1", "1", NULL), 3);
    assert_ask("/a", "200 /a");
    assert_ask("/b/1", "200 /b/{x} with b");
    assert_ask("/c7", "200 /c([0-9]+)");
    assert_ask("/d", page(404, "Not Found", NULL));
    forget_log();
}

static void a_table_may_be_a_group_s(void **state) {
    (void)state;
    static const tc_url_spec_t urls[] = { { .pattern = "/a", .handler = &route_handler }, { 0 } };
    assert_int_equal(tc_router_add_handlers(tc_application_group(app, "/g", NULL), urls), 0);
    assert_ask("/g/a", "200 /g/a");
}

static void a_table_ends_at_its_first_bad_row(void **state) {
    (void)state;
    static const tc_url_spec_t bad_pattern[] = { { .pattern = "/a", .handler = &route_handler },
                                                 { .pattern = "/{", .handler = &route_handler, .name = "x" },
                                                 { .pattern = "/c", .handler = &route_handler, .name = "y" },
                                                 { 0 } };
    static const tc_url_spec_t two_texts[] = { { .pattern = "/d", .regex = "/d", .handler = &route_handler }, { 0 } };
    static const tc_url_spec_t no_handler[] = { { .regex = "/e" }, { 0 } };
    assert_int_equal(tc_application_add_handlers(app, bad_pattern), TC_EPATTERN);
    assert_int_equal(tc_application_error(app), TC_EPATTERN);
    assert_int_equal(tc_application_reverse_url(app, NULL, 0, "y", NULL), TC_ENOENT);
    assert_log("no route is named \"y\"");
    assert_int_equal(tc_application_add_handlers(app, two_texts), TC_EINVAL);
    assert_log("/d: a row has a pattern or a regex, not both");
    assert_int_equal(tc_application_add_handlers(app, no_handler), TC_EINVAL);
    assert_log("/e: the handler is NULL");
    assert_int_equal(tc_application_add_handlers(app, NULL), TC_EINVAL);
    assert_log("the table is NULL");
    assert_int_equal(tc_application_add_handlers(NULL, no_handler), TC_ENOMEM);
    assert_int_equal(tc_router_add_handlers(NULL, no_handler), TC_ENOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(an_error_route_answers_every_method_by_its_page),
        WEB_TEST(it_has_the_page_and_the_admit_of_its_group),
        WEB_TEST(it_asks_for_no_xsrf_token),
        WEB_TEST(it_answers_before_the_body),
        WEB_TEST(only_errors_are_errors),
        WEB_TEST(a_table_adds_all_its_rows),
        WEB_TEST(a_table_may_be_a_group_s),
        WEB_TEST(a_table_ends_at_its_first_bad_row),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
