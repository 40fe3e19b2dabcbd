/* route_shadow_test.c - routes that no request can reach: which they are, and which are not. */
#include "web/web_test.h"

#include "web/routes_fixture.h"

/* Of hosts with a route each, "host/path", in order; a "~" is an expression. */
static const struct {
    const char *why, *routes, *hidden, *by; /* NULL: all can be reached */
} cases[] = {
    { "an expression behind a pattern of its path", "~/a /a", "/a", "/a" },
    { "behind a parameter", "~/a /{x}", "/a", "/{x}" },
    { "behind a number", "~/7 /{x:int}", "/7", "/{x:int}" },
    { "behind the rest of its path", "~/files/(\\d+) /files/{p:*}", "/files/(\\d+)", "/files/{p:*}" },
    { "behind the rest of all paths", "/{p:*} ~/(\\d+)-(\\d+)", "/(\\d+)-(\\d+)", "/{p:*}" },
    { "behind an expression for everything", "~/(.*) ~/a(b|c)", "/a(b|c)", "/(.*)" },
    { "with anchors", "~^/.*$ ~/a(b|c)", "/a(b|c)", "^/.*$" },
    { "a host behind the pattern of its name", "*.a.b/x www.a.b/x", "/x", "/x" },
    { "a pattern of names behind a wider one", "*.b/x *.a.b/x", "/x", "/x" },
    { "a literal behind a parameter", "*.a.b/{x} www.a.b/y", "/y", "/{x}" },
    { "a parameter behind the rest", "*.a.b/f/{p:*} www.a.b/f/{x}/{y:int}", "/f/{x}/{y:int}", "/f/{p:*}" },
    { "a number behind a parameter", "*.a.b/{x}/z www.a.b/{y:int}/z", "/{y:int}/z", "/{x}/z" },
    { "a pattern behind an expression of a wider host", "~*.a.b/.* www.a.b/y", "/y", "/.*" },

    { "an expression that takes more than the pattern", "~/a+ /a", NULL, NULL },
    { "one beside the rest of another path", "~/file/(\\d+) /files/{p:*}", NULL, NULL },
    { "one that needs no slash", "~.*\\.txt /{x}", NULL, NULL },
    { "two expressions", "~/(\\d+) ~/(\\w+)", NULL, NULL },
    { "one that might be anything", "~/a|/b /a", NULL, NULL },
    { "braces in it", "~/\\{x\\} /{x}/y", NULL, NULL },
    { "one before an expression for everything", "~/a(b|c) ~/(.*) /x", NULL, NULL },
    { "a host before the pattern of its name", "www.a.b/x *.a.b/x", NULL, NULL },
    { "another host", "*.a.b/x a.b/x www.a.c/x", NULL, NULL },
    { "all hosts come last", "/x www.a.b/x", NULL, NULL },
    { "and are behind no name", "*.a.b/{p:*} /x", NULL, NULL },
    { "a parameter behind a number", "*.a.b/{x:int} www.a.b/{y}", NULL, NULL },
    { "the rest behind a parameter", "*.a.b/{x} www.a.b/{p:*}", NULL, NULL },
    { "an empty segment behind a parameter", "*.a.b/{x} www.a.b/", NULL, NULL },
    { "all kinds in one tree", "/a /{x:int} /{x} /{p:*}", NULL, NULL },
};

static void add_case(tc__routes_t *routes, char *one) {
    const bool is_regex = one[0] == '~';
    char host[32] = "", *path = one + is_regex, *slash = strchr(path, '/');
    if (slash && slash != path && *path != '^' && *path != '.') {
        snprintf(host, sizeof(host), "%.*s", (int)(slash - path), path);
        path = slash;
    }
    tc__host_rule_t *rule = host_rule(routes, *host ? host : NULL);
    assert_int_equal(is_regex ? tc__host_rule_add_regex(rule, path, NULL) : tc__host_rule_add(rule, path, NULL), 0);
}

static void finds_routes_that_nothing_can_reach(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tc__routes_t *routes = new_routes();
        char text[256], wanted[256];
        snprintf(text, sizeof(text), "%s", cases[i].routes);
        for (char *rest = NULL, *one = strtok_r(text, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
            add_case(routes, one);
        int err = tc__routes_check(routes);
        if (err != (cases[i].hidden ? TC_EALREADY : 0))
            fail_msg("%s: %s: %d %s", cases[i].why, cases[i].routes, err, tc_error_detail());
        if (cases[i].hidden) {
            snprintf(wanted, sizeof(wanted),
                     "\"%s\" can never be reached: \"%s\" goes before it, and takes all its paths", cases[i].hidden,
                     cases[i].by);
            assert_string_equal(tc_error_detail(), wanted);
        }
        tc__routes_free(routes, NULL);
    }
    forget_log();
}

static int hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static void an_application_with_such_a_route_does_not_listen(void **state) {
    (void)state;
    assert_int_equal(tc_application_add_regex(app, "/news/([0-9]+)", HANDLER(.get = hello), NULL), 0);
    route("/news/{rest:*}", HANDLER(.get = hello));
    assert_null(tc_test_client_new(app));
    assert_string_equal(tc_error_detail(),
                        "\"/news/([0-9]+)\" can never be reached: \"/news/{rest:*}\" goes before it, "
                        "and takes all its paths");
    assert_log("\"/news/([0-9]+)\" can never be reached");
    assert_log("tc_test_client_new: \"/news/([0-9]+)\" can never be reached");
    app = NULL;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("~/a/(b) ~/c/(d) /a/{x}/y");
    bool complete = false;
    for (long nth = 1; !complete; nth++) {
        fail_allocation(nth, false);
        int err = tc__routes_check(routes);
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        assert_int_equal(err, complete ? 0 : TC_ENOMEM);
    }
    tc__routes_free(routes, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(finds_routes_that_nothing_can_reach),
        WEB_TEST(an_application_with_such_a_route_does_not_listen),
        WEB_TEST(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
