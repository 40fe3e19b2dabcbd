/* slash_test.c - one URL for each page: TC_ADDSLASH and TC_REMOVESLASH. */
#include "web/web_test.h"

static int page_of(tc_request_t *req) {
    return tc_writef(req, "%s %s", tc_method(req), tc_path(req));
}

static void add_page(const char *pattern, uint32_t flags) {
    route(pattern, HANDLER(.get = page_of, .post = page_of, .flags = flags));
}

static const char *leads_to(const char *path) {
    return header(path, NULL, "Location");
}

static void what_lacks_its_slash_leads_to_what_has_it(void **state) {
    (void)state;
    add_page("/a/", TC_ADDSLASH);
    add_page("/users/{id}", TC_ADDSLASH);
    assert_ask("/a/", "200 GET /a/");
    assert_ask("/a", "301 ");
    assert_string_equal(leads_to("/a"), "/a/");
    assert_ask("/users/7/", "200 GET /users/7/");
    assert_string_equal(leads_to("/users/7"), "/users/7/");
}

static void what_has_a_slash_too_many_leads_to_what_has_none(void **state) {
    (void)state;
    add_page("/a", TC_REMOVESLASH);
    add_page("/users/{id}/", TC_REMOVESLASH);
    assert_ask("/a", "200 GET /a");
    assert_ask("/a/", "301 ");
    assert_string_equal(leads_to("/a/"), "/a");
    assert_string_equal(leads_to("/users/7/"), "/users/7");
    assert_ask("/a//", page(404, "Not Found", NULL));
}

static void the_query_is_kept(void **state) {
    (void)state;
    add_page("/a/", TC_ADDSLASH);
    add_page("/b", TC_REMOVESLASH);
    assert_string_equal(leads_to("/a?x=1&y=%2F"), "/a/?x=1&y=%2F");
    assert_string_equal(leads_to("/b/?"), "/b?");
}

static void methods_other_than_get_and_head_are_not_led(void **state) {
    (void)state;
    add_page("/a/", TC_ADDSLASH);
    assert_string_equal(ask_by("POST", "/a/"), "200 POST /a/");
    assert_string_equal(ask_by("POST", "/a"), page(404, "Not Found", NULL));
    assert_string_equal(ask_by("HEAD", "/a"), "301 ");
    assert_string_equal(ask_by("PUT", "/a"), page(405, "Method Not Allowed", NULL));
}

static void the_root_stays_as_it_is(void **state) {
    (void)state;
    add_page("/", TC_REMOVESLASH);
    assert_ask("/", "200 GET /");
}

static void a_group_may_ask_for_it_but_files_keep_their_slashes(void **state) {
    (void)state;
    const tc_request_handler_t base = { .flags = TC_REMOVESLASH };
    tc_router_t *group = tc_application_group(app, "/g", &base);
    assert_int_equal(tc_router_add(group, "/a", HANDLER(.get = page_of), NULL), 0);
    assert_int_equal(tc_router_add(group, "/files/{path:*}", HANDLER(.get = page_of), NULL), 0);
    assert_string_equal(leads_to("/g/a/"), "/g/a");
    assert_ask("/g/files/a/", "200 GET /g/files/a/");
}

static void the_handlers_own_word_goes_before_its_bases(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .base = HANDLER(.flags = TC_ADDSLASH) });
    tc_router_t *group = tc_application_group(app, "/g", HANDLER(.flags = TC_REMOVESLASH));
    assert_int_equal(tc_router_add(group, "/a", HANDLER(.get = page_of), NULL), 0);
    assert_int_equal(tc_router_add(group, "/b", HANDLER(.get = page_of, .flags = TC_ADDSLASH), NULL), 0);
    route("/c", HANDLER(.get = page_of));
    assert_string_equal(leads_to("/g/a/"), "/g/a");
    assert_ask("/g/a", "200 GET /g/a");
    assert_string_equal(leads_to("/g/b"), "/g/b/");
    assert_ask("/g/b/", "200 GET /g/b/");
    assert_string_equal(leads_to("/c"), "/c/");
}

static void in_an_application_that_is_mounted_its_root_stays_as_well(void **state) {
    (void)state;
    const tc_request_handler_t base = { .flags = TC_REMOVESLASH };
    tc_application_t *shop = tc_application_new(&(tc_application_options_t){ .base = &base });
    assert_int_equal(tc_application_add(shop, "/", HANDLER(.get = page_of), NULL), 0);
    assert_int_equal(tc_application_add(shop, "/a", HANDLER(.get = page_of), NULL), 0);
    assert_int_equal(tc_application_mount(app, "/shop", shop), 0);
    assert_ask("/shop/", "200 GET /shop/");
    assert_ask("/shop/a", "200 GET /shop/a");
    assert_string_equal(leads_to("/shop/a/"), "/shop/a");
}

static void of_a_regular_expression_the_path_is_looked_at(void **state) {
    (void)state;
    const tc_request_handler_t handler = { .get = page_of, .flags = TC_REMOVESLASH };
    assert_int_equal(tc_application_add_regex(app, "/r/.*", &handler, NULL), 0);
    assert_ask("/r/a", "200 GET /r/a");
    assert_string_equal(leads_to("/r/a///"), "/r/a");
}

/* CVE-2023-28370 */
static void no_path_leads_to_another_host(void **state) {
    (void)state;
    static const char *const paths[] = { "//evil.example/", "///evil.example/", "/\\evil.example/",
                                         "/\\/evil.example/" };
    const tc_request_handler_t handler = { .get = page_of, .flags = TC_REMOVESLASH };
    assert_int_equal(tc_application_add_regex(app, ".*", &handler, NULL), 0);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const tc_http_response_t *response = tc_test_client_fetch(serve(), paths[i], NULL);
        const char *location = tc_http_response_header(response, "Location");
        if (tc_http_response_status(response) != 400) /* it is no path at all */
            assert_string_equal(location ? location : "(none)", "/evil.example");
    }
}

static int refuses(tc_request_t *req) {
    return tc_http_error(req, 403, NULL);
}

static void it_comes_before_anything_of_the_handler(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .xsrf_cookies = true });
    route("/a/", HANDLER(.get = page_of, .post = page_of, .admit = refuses, .flags = TC_ADDSLASH | TC_LOGIN_REQUIRED));
    assert_ask("/a", "301 ");
    assert_string_equal(ask_by("POST", "/a"), page(404, "Not Found", NULL));
    assert_ask("/a/", page(403, "Forbidden", NULL));
}

static void mistakes_are_told_when_registered(void **state) {
    (void)state;
    assert_int_equal(
        tc_application_add(app, "/a", HANDLER(.get = page_of, .flags = TC_ADDSLASH | TC_REMOVESLASH), NULL), TC_EINVAL);
    route("/b", HANDLER(.get = page_of));
    assert_int_equal(tc_application_add(app, "/b/", HANDLER(.get = page_of, .flags = TC_ADDSLASH), NULL), TC_EALREADY);
    forget_log();
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    int err = TC_ENOMEM;
    for (long nth = 1; err != 0; nth++) {
        tc_application_free(app);
        app = tc_application_new(NULL);
        fail_allocation(nth, false);
        err = tc_application_add(app, "/a/", HANDLER(.get = page_of, .name = "a", .flags = TC_ADDSLASH), NULL);
        allow_allocations();
        assert_true(err == 0 || err == TC_ENOMEM);
        assert_int_equal(tc_application_error(app), err);
        assert_true(nth < 50);
    }
    assert_string_equal(leads_to("/a"), "/a/");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(what_lacks_its_slash_leads_to_what_has_it),
        WEB_TEST(what_has_a_slash_too_many_leads_to_what_has_none),
        WEB_TEST(the_query_is_kept),
        WEB_TEST(methods_other_than_get_and_head_are_not_led),
        WEB_TEST(the_root_stays_as_it_is),
        WEB_TEST(a_group_may_ask_for_it_but_files_keep_their_slashes),
        WEB_TEST(the_handlers_own_word_goes_before_its_bases),
        WEB_TEST(in_an_application_that_is_mounted_its_root_stays_as_well),
        WEB_TEST(of_a_regular_expression_the_path_is_looked_at),
        WEB_TEST(no_path_leads_to_another_host),
        WEB_TEST(it_comes_before_anything_of_the_handler),
        WEB_TEST(mistakes_are_told_when_registered),
        WEB_TEST(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
