/* redirect_handler_test.c - routes that lead elsewhere: where to, with what of the request, and never to another host.
 */
#include "web/web_test.h"

static void add(const char *pattern, const char *url, int status) {
    assert_int_equal(tc_application_add_redirect(app, pattern, url, status), 0);
}

static const char *leads_to(const char *path) {
    return header(path, NULL, "Location");
}

static int changes(tc_request_t *req) {
    return tc_write(req, "changed");
}

static void a_redirect_is_permanent_unless_it_says_otherwise(void **state) {
    (void)state;
    add("/a", "/b", 0);
    add("/c", "https://example.com/", 302);
    assert_ask("/a", "301 ");
    assert_string_equal(leads_to("/a"), "/b");
    assert_ask("/c", "302 ");
    assert_string_equal(leads_to("/c"), "https://example.com/");
    assert_string_equal(ask_by("HEAD", "/a"), "301 ");
    assert_string_equal(ask_by("POST", "/a"), page(405, "Method Not Allowed", NULL));
}

static void a_redirect_that_keeps_the_method_is_for_all_of_them(void **state) {
    (void)state;
    add("/a", "/b", 308);
    add("/c", "/d", 307);
    assert_string_equal(ask_by("POST", "/a"), "308 ");
    assert_string_equal(ask_by("DELETE", "/c"), "307 ");
    assert_ask("/c", "307 ");
}

/* It changes nothing, and where it leads the request is asked for its token, if that route wants one. */
static void a_redirect_asks_for_no_xsrf_token(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .xsrf_cookies = true });
    add("/old/{rest:*}", "/{rest}", 308);
    route("/form", HANDLER(.post = changes));
    route("/api", HANDLER(.post = changes, .flags = TC_NO_XSRF));
    assert_string_equal(ask_by("POST", "/old/form"), "308 ");
    assert_string_equal(ask_by("POST", "/old/api"), "308 ");
    assert_string_equal(ask_by("POST", "/form"),
                        page(403, "Forbidden", "the XSRF cookie is missing, or holds no token"));
    assert_string_equal(ask_by("POST", "/api"), "200 changed");
    forget_log();
}

static void captures_take_their_place_undecoded(void **state) {
    (void)state;
    add("/users/{id:int}/{what}", "/people/{id}?show={what}&id={id}", 0);
    add("/old/{rest:*}", "https://example.com/new/{rest}", 0);
    assert_string_equal(leads_to("/users/7/a%2Fb%20c"), "/people/7?show=a%2Fb%20c&id=7");
    assert_string_equal(leads_to("/old/x/y%3F"), "https://example.com/new/x/y%3F");
    assert_string_equal(leads_to("/old/"), "https://example.com/new/");
}

static void the_query_goes_along(void **state) {
    (void)state;
    add("/a", "/b", 0);
    add("/c", "/d?x=1", 0);
    assert_string_equal(leads_to("/a?q=%26&r"), "/b?q=%26&r");
    assert_string_equal(leads_to("/c?q=1"), "/d?x=1&q=1");
    assert_string_equal(leads_to("/c?"), "/d?x=1");
}

static void no_request_chooses_the_host(void **state) {
    (void)state;
    add("/old/{rest:*}", "/{rest}", 0);
    add("/x/{rest:*}", "https://example.com/{rest}", 0);
    assert_string_equal(leads_to("/old/a"), "/a");
    assert_string_equal(leads_to("/old//evil.example"), "/evil.example");
    assert_string_equal(leads_to("/old///evil.example"), "/evil.example");
    assert_string_equal(leads_to("/old/\\evil.example"), "/evil.example");
    assert_string_equal(leads_to("/old/%5cevil.example"), "/%5cevil.example");
    assert_string_equal(leads_to("/old/%2fevil.example"), "/%2fevil.example");
    assert_string_equal(leads_to("/x/@evil.example"), "https://example.com/@evil.example");
}

static void what_cannot_be_a_redirect_is_said_at_once(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *url;
        int status, err;
    } rows[] = {
        { "/a", "relative", 0, TC_EINVAL },
        { "/a", "", 0, TC_EINVAL },
        { "/a", "//example.com/", 0, TC_EINVAL },
        { "/a", "/\\example.com/", 0, TC_EINVAL },
        { "/a", "://example.com/", 0, TC_EINVAL },
        { "/{a}", "https://{a}.example.com/", 0, TC_EINVAL },
        { "/{a}", "https://example.com{a}", 0, TC_EINVAL },
        { "/{a}", "{a}://example.com/", 0, TC_EINVAL },
        { "/{a}", "{a}", 0, TC_EINVAL },
        { "/{a}", "/x/{b}", 0, TC_EPATTERN },
        { "/{ab}", "/x/{a}", 0, TC_EPATTERN },
        { "/{a}", "/x/{a", 0, TC_EPATTERN },
        { "/a", "/b", 200, TC_EINVAL },
        { "/a", "/b", 304, TC_EINVAL },
        { NULL, "/b", 0, TC_EINVAL },
        { "/a", NULL, 0, TC_EINVAL },
        { "a{", "/b", 0, TC_EPATTERN },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (tc_application_add_redirect(app, rows[i].pattern, rows[i].url, rows[i].status) != rows[i].err)
            fail_msg("%s to %s: %s", rows[i].pattern, rows[i].url, tc_error_detail());
    assert_int_equal(tc_application_add_redirect(NULL, "/a", "/b", 0), TC_ENOMEM);
    assert_int_equal(tc_application_error(app), TC_EINVAL);
    forget_log();
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    bool complete = false;
    for (long nth = 1; !complete; nth++) {
        tc_application_t *application = tc_application_new(NULL);
        fail_allocation(nth, false);
        int err = tc_application_add_redirect(application, "/a/{b}", "/c/{b}", 0);
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        assert_int_equal(err, complete ? 0 : TC_ENOMEM);
        tc_application_free(application);
    }
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_redirect_is_permanent_unless_it_says_otherwise),
        WEB_TEST(a_redirect_that_keeps_the_method_is_for_all_of_them),
        WEB_TEST(a_redirect_asks_for_no_xsrf_token),
        WEB_TEST(captures_take_their_place_undecoded),
        WEB_TEST(the_query_goes_along),
        WEB_TEST(no_request_chooses_the_host),
        WEB_TEST(what_cannot_be_a_redirect_is_said_at_once),
        WEB_TEST(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
