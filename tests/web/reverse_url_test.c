/* reverse_url_test.c - names of routes, and the URLs that are made of them: whoever asks for one gets to the route. */
#include "web/web_test.h"

static int says_route(tc_request_t *req) {
    return tc_writef(req, "%s %s", tc_route(req), tc_path_arg(req, "id") ? tc_path_arg(req, "id") : "-");
}

static void name(const char *pattern, const char *name) {
    route(pattern, HANDLER(.get = says_route, .name = name));
}

/* "/users/7", or the code and the reason. */
#define url_of(...) url_text(tc_application_reverse_url(app, room, sizeof(room), __VA_ARGS__, NULL))
static char room[256];

static const char *url_text(int len) {
    static char text[512];
    if (len >= 0)
        return room;
    snprintf(text, sizeof(text), "%d %s", len, tc_error_detail());
    return text;
}

static void a_route_is_found_by_its_name(void **state) {
    (void)state;
    name("/", "home");
    name("/users/{id:int}/files/{path:*}", "file");
    assert_string_equal(url_of("home"), "/");
    assert_string_equal(url_of("file", "id", "42", "path", "a b/c"), "/users/42/files/a%20b/c");
    assert_string_equal(url_of("file", "path", "", "id", "-1"), "/users/-1/files/");
}

static void the_url_of_an_expression_has_its_groups(void **state) {
    (void)state;
    assert_int_equal(tc_application_add_regex(app, "/(?<year>\\d{4})-(?<id>\\d\\d)",
                                              HANDLER(.get = says_route, .name = "day"), NULL),
                     0);
    assert_int_equal(tc_application_add_regex(app, "/(\\d+)/x", HANDLER(.get = says_route, .name = "x"), NULL), 0);
    assert_int_equal(tc_application_add_regex(app, "/y?", HANDLER(.get = says_route, .name = "y"), NULL), 0);
    assert_string_equal(url_of("day", "id", "01", "year", "2024"), "/2024-01");
    assert_string_equal(url_of("x", "1", "7"), "/7/x");
    assert_string_equal(url_of("y"), "-22 \"/y?\": there is no way back: more than literal text and plain groups");
}

static void the_url_of_a_host_s_route_is_a_path(void **state) {
    (void)state;
    tc_router_t *router = tc_application_host(app, "*.example.com");
    assert_int_equal(tc_router_add(router, "/shop/{id}", HANDLER(.get = says_route, .name = "shop"), NULL), 0);
    assert_string_equal(url_of("shop", "id", "a/b"), "/shop/a%2Fb");
}

static void the_prefix_of_a_group_is_in_the_url(void **state) {
    (void)state;
    tc_router_t *group = tc_application_group(app, "/of/{owner}", NULL);
    assert_int_equal(tc_router_add(group, "/{id}", HANDLER(.get = says_route, .name = "thing"), NULL), 0);
    assert_string_equal(url_of("thing", "id", "1", "owner", "ada"), "/of/ada/1");
}

static void a_bug_of_the_program_is_told_and_logged(void **state) {
    (void)state;
    name("/users/{id:int}", "user");
    assert_string_equal(url_of("usr"), "-2 no route is named \"usr\"");
    assert_log("E general: no route is named \"usr\"");
    assert_string_equal(url_of("/users/{id:int}", "id", "1"), "-2 no route is named \"/users/{id:int}\"");
    assert_log("no route is named");
    assert_string_equal(url_of("user"), "-22 the URL of \"user\": /users/{id:int} wants a value for \"id\"");
    assert_log("wants a value");
    assert_string_equal(url_of("user", "id", "1", "no", "2"), "-22 the URL of \"user\": /users/{id:int} has no \"no\"");
    assert_log("has no \"no\"");
    assert_string_equal(url_of("user", "id"), "-22 the URL of \"user\": the value of \"id\" is NULL");
    assert_log("is NULL");
    assert_int_equal(tc_application_reverse_url(NULL, room, sizeof(room), "user", NULL), TC_EINVAL);
    assert_log("the application is NULL");
    assert_int_equal(tc_application_reverse_url(app, room, sizeof(room), NULL, NULL), TC_EINVAL);
    assert_log("the name is NULL");
    assert_int_equal(tc_application_reverse_url(app, NULL, 1, "user", NULL), TC_EINVAL);
    assert_log("the place for the URL is NULL");
    assert_null(tc_reverse_url(NULL, "user", NULL));
    assert_log("the request is NULL");
}

static void a_bad_value_is_told_and_not_logged(void **state) {
    (void)state;
    name("/users/{id:int}", "user");
    assert_string_equal(url_of("user", "id", "x"), "-22 \"/users/{id:int}\": \"id\" is a number, which \"x\" is not");
}

static void the_text_is_counted_as_snprintf_does(void **state) {
    (void)state;
    name("/{id}", "a");
    char text[4] = "old";
    assert_int_equal(tc_application_reverse_url(app, NULL, 0, "a", "id", "xy", NULL), 3);
    assert_int_equal(tc_application_reverse_url(app, text, 3, "a", "id", "xy", NULL), 3);
    assert_string_equal(text, "");
    assert_int_equal(tc_application_reverse_url(app, text, 4, "a", "id", "xy", NULL), 3);
    assert_string_equal(text, "/xy");
    assert_int_equal(tc_application_reverse_url(app, text, 4, "a", "id", "", NULL), TC_EINVAL);
    assert_string_equal(text, "");
}

static void a_name_is_given_once(void **state) {
    (void)state;
    name("/a", "x");
    assert_int_equal(tc_application_add(app, "/b", HANDLER(.get = says_route, .name = "x"), NULL), TC_EALREADY);
    assert_string_equal(tc_error_detail(), "/b: the name \"x\" is that of /a already");
    assert_log("/b: the name \"x\" is that of /a already");
    assert_int_equal(tc_application_error(app), TC_EALREADY);
    assert_string_equal(url_of("x"), "/a");
}

static int reverses(tc_request_t *req) {
    const char *url = tc_reverse_url(req, "user", "id", tc_get_argument(req, "id", ""), NULL);
    return tc_write(req, url ? url : tc_error_detail());
}

static void a_handler_asks_for_urls(void **state) {
    (void)state;
    name("/users/{id}", "user");
    route("/url", HANDLER(.get = reverses));
    assert_ask("/url?id=a%20b", "200 /users/a%20b");
    assert_ask("/url", "200 \"/users/{id}\": the value of \"id\" is empty");
    assert_ask("/users/a%20b", "200 /users/{id} a b");
}

static int redirects(tc_request_t *req) {
    return tc_redirect(req, tc_reverse_url(req, "nobody", NULL), 0);
}

static void a_redirect_to_no_url_is_a_failure(void **state) {
    (void)state;
    route("/", HANDLER(.get = redirects));
    assert_ask("/", page(500, "Internal Server Error", NULL));
    assert_log("no route is named \"nobody\"");
    forget_log();
}

/* ---- There and back ---- */

static uint64_t seed = 88172645463325252u;

static unsigned dice(unsigned sides) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % sides);
}

static const char *random_value(char *out) {
    static const char *const pieces[] = { "a",   "Z",  "0", "/",    "//", ".",   "..",       "%",
                                          "%2F", "\\", "?", "#",    " ",  "+",   "\xc3\xa9", "\xe2\x82\xac",
                                          "&",   "=",  ";", "{id}", "~",  "\x01" };
    *out = '\0';
    for (unsigned n = dice(6); n > 0; n--)
        strcat(out, pieces[dice(sizeof pieces / sizeof pieces[0])]);
    return out;
}

static char got_id[64], got_rest[64];

static int keeps_arguments(tc_request_t *req) {
    snprintf(got_id, sizeof(got_id), "%s", tc_path_arg(req, "id"));
    snprintf(got_rest, sizeof(got_rest), "%s", tc_path_arg(req, "rest"));
    return tc_write(req, tc_route(req));
}

static void who_asks_for_a_url_gets_to_its_route_with_its_values(void **state) {
    (void)state;
    static const char *const names[] = { "plain", "tail", "regex", "greedy" };
    route("/p/{id}/{rest}/end", HANDLER(.get = keeps_arguments, .name = "plain"));
    route("/t/{id}/{rest:*}", HANDLER(.get = keeps_arguments, .name = "tail"));
    tc_application_add_regex(app, "/r/(?<id>[^/]*)-(?<rest>.*)", HANDLER(.get = keeps_arguments, .name = "regex"),
                             NULL);
    tc_application_add_regex(app, "/(?<id>.*)/(?<rest>.*)", HANDLER(.get = keeps_arguments, .name = "greedy"), NULL);
    tc_application_t *application = app;
    int made = 0;
    serve();
    for (int i = 0; i < 4000; i++) {
        char id[64], rest[64];
        int len = tc_application_reverse_url(application, room, sizeof(room), names[dice(4)], "id", random_value(id),
                                             "rest", random_value(rest), NULL);
        if (len < 0)
            continue;
        made++;
        if (strncmp(ask(room), "200 ", 4) != 0 || strcmp(got_id, id) != 0 || strcmp(got_rest, rest) != 0)
            fail_msg("\"%s\" and \"%s\" by %s: \"%s\" and \"%s\"", id, rest, room, got_id, got_rest);
    }
    assert_true(made > 1000);
}

/* ---- Memory ---- */

static void each_allocation_may_fail(void **state) {
    (void)state;
    name("/users/{id}", "user");
    bool complete = false;
    for (long nth = 1; !complete; nth++) {
        fail_allocation(nth, false);
        int len = tc_application_reverse_url(app, room, sizeof(room), "user", "id", "7", NULL);
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        assert_int_equal(len, complete ? 8 : TC_ENOMEM);
    }
    complete = false;
    for (long nth = 1; !complete; nth++) {
        tc_application_t *application = tc_application_new(NULL);
        fail_allocation(nth, false);
        int err = tc_application_add(application, "/a/{b}", HANDLER(.get = says_route, .name = "a"), NULL);
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        assert_int_equal(err, complete ? 0 : TC_ENOMEM);
        tc_application_free(application);
    }
    forget_log();
}

static int asks_without_memory(tc_request_t *req) {
    char value[20000];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    fail_allocation(2, false); /* the first is for the URL, this one is the request's own */
    const char *url = tc_reverse_url(req, "user", "id", value, NULL);
    allow_allocations();
    note("%s", url ? url : tc_error_detail());
    return 0;
}

static void a_request_without_memory_for_a_url_is_told_so(void **state) {
    (void)state;
    name("/users/{id}", "user");
    route("/", HANDLER(.get = asks_without_memory));
    ask("/");
    assert_string_equal(noted(), "the URL of \"user\": out of memory");
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_route_is_found_by_its_name),
        WEB_TEST(the_url_of_an_expression_has_its_groups),
        WEB_TEST(the_url_of_a_host_s_route_is_a_path),
        WEB_TEST(the_prefix_of_a_group_is_in_the_url),
        WEB_TEST(a_bug_of_the_program_is_told_and_logged),
        WEB_TEST(a_bad_value_is_told_and_not_logged),
        WEB_TEST(the_text_is_counted_as_snprintf_does),
        WEB_TEST(a_name_is_given_once),
        WEB_TEST(a_handler_asks_for_urls),
        WEB_TEST(a_redirect_to_no_url_is_a_failure),
        WEB_TEST(who_asks_for_a_url_gets_to_its_route_with_its_values),
        WEB_TEST(each_allocation_may_fail),
        WEB_TEST(a_request_without_memory_for_a_url_is_told_so),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
