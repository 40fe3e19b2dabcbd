/* mount_test.c - applications within applications: whose request it is, and what it sees of those around. */
#include <tornadoc/access_log.h>
#include <tornadoc/auth.h>
#include <tornadoc/static.h>

#include "web/web_test.h"

static int says_route(tc_request_t *req) {
    return tc_writef(req, "%s at %s", tc_route(req), tc_path(req));
}

static tc_application_t *inner;

static void inner_route(const char *pattern, const tc_request_handler_t *handler) {
    assert_int_equal(tc_application_add(inner, pattern, handler, NULL), 0);
}

/* As "/shop". */
static void mount_with(const tc_application_options_t *options) {
    inner = tc_application_new(options);
    assert_int_equal(tc_application_mount(app, "/shop", inner), 0);
}

static void a_mounted_application_has_all_paths_below_its_prefix(void **state) {
    (void)state;
    mount_with(NULL);
    inner_route("/", HANDLER(.get = says_route));
    inner_route("/items", HANDLER(.get = says_route));
    inner_route("/a/{x:*}", HANDLER(.get = says_route));
    route("/other", HANDLER(.get = says_route));
    assert_ask("/shop/", "200 /shop/ at /shop/");
    assert_ask("/shop/items?q=1", "200 /shop/items at /shop/items");
    assert_ask("/shop/a/b/c", "200 /shop/a/{x:*} at /shop/a/b/c");
    assert_ask("/other", "200 /other at /other");
    assert_ask("/shop", page(404, "Not Found", NULL));
    assert_ask("/items", page(404, "Not Found", NULL));
    assert_ask("/shop//items", page(404, "Not Found", NULL));
    forget_log();
}

static int says_arguments(tc_request_t *req) {
    return tc_writef(req, "%s %s %d %s", tc_route(req), tc_path_arg(req, "tenant"), (int)tc_path_int(req, "id"),
                     tc_path_arg(req, "none") ? "?" : "-");
}

static void what_the_prefix_captures_is_an_argument(void **state) {
    (void)state;
    tc_router_t *group = tc_application_group(app, "/of/{tenant}", NULL);
    inner = tc_application_new(NULL);
    assert_int_equal(tc_router_mount(group, "/{id:int}", inner), 0);
    inner_route("/show", HANDLER(.get = says_arguments));
    inner_route("/show/{tenant}", HANDLER(.get = says_arguments));
    assert_ask("/of/a%20b/7/show", "200 /of/{tenant}/{id:int}/show a b 7 -");
    assert_ask("/of/outer/7/show/inner", "200 /of/{tenant}/{id:int}/show/{tenant} inner 7 -");
    assert_ask("/of/x/y/show", page(404, "Not Found", NULL));
    assert_ask("/of/%FF/7/show", page(400, "Bad Request", "a path argument is not UTF-8 text"));
    forget_log();
}

static void an_expression_takes_what_follows_the_prefix(void **state) {
    (void)state;
    mount_with(NULL);
    assert_int_equal(tc_application_add_regex(inner, "/([0-9]+)", HANDLER(.get = says_route), NULL), 0);
    assert_ask("/shop/42", "200 /shop/([0-9]+) at /shop/42");
}

static int refuses(tc_request_t *req) {
    (void)req;
    return 403;
}

static int our_page(tc_request_t *req, int status) {
    return tc_writef(req, "inner %d", status);
}

static int says_default(tc_request_t *req) {
    return tc_writef(req, "default %s", tc_route(req) ? "?" : "-");
}

static void it_has_its_own_bases_and_error_pages_and_nothing_of_those_around(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .base = HANDLER(.admit = refuses) });
    mount_with(&(tc_application_options_t){ .base = HANDLER(.write_error = our_page) });
    inner_route("/", HANDLER(.get = says_route));
    route("/", HANDLER(.get = says_route));
    assert_ask("/shop/", "200 /shop/ at /shop/");
    assert_ask("/", page(403, "Forbidden", NULL));
    assert_ask("/shop/none", "404 inner 404");
    assert_string_equal(ask_by("POST", "/shop/"), "405 inner 405");
    forget_log();
}

static void what_it_has_no_route_for_goes_to_its_own_default(void **state) {
    (void)state;
    mount_with(NULL);
    assert_int_equal(tc_application_set_default(inner, HANDLER(.get = says_default), NULL), 0);
    assert_int_equal(tc_application_set_default(app, HANDLER(.get = says_route), NULL), 0);
    route("/{all:*}", HANDLER(.get = says_route));
    assert_ask("/shop/none", "200 default -");
    assert_ask("/shop", "200 /{all:*} at /shop");
}

static void routes_of_the_outer_one_go_before_as_in_any_tree(void **state) {
    (void)state;
    mount_with(NULL);
    inner_route("/{x}", HANDLER(.get = says_route));
    route("/shop/admin", HANDLER(.get = says_route));
    route("/shop/{id:int}", HANDLER(.get = says_route));
    assert_ask("/shop/admin", "200 /shop/admin at /shop/admin");
    assert_ask("/shop/7", "200 /shop/{id:int} at /shop/7");
    assert_ask("/shop/x", "200 /shop/{x} at /shop/x");
}

static void applications_nest(void **state) {
    (void)state;
    tc_application_t *middle = tc_application_new(NULL);
    inner = tc_application_new(NULL);
    assert_int_equal(tc_application_mount(middle, "/{tenant}", inner), 0);
    assert_int_equal(tc_application_mount(app, "/a", middle), 0);
    inner_route("/{id:int}", HANDLER(.get = says_arguments, .name = "deep"));
    assert_ask("/a/b/7", "200 /a/{tenant}/{id:int} b 7 -");
}

static int reverses(tc_request_t *req) {
    const char *own = tc_reverse_url(req, "item", "id", "a/b", NULL);
    const char *outer = tc_reverse_url(req, "home", NULL);
    return tc_writef(req, "%s %s", own ? own : "-", outer ? outer : "-");
}

static void urls_of_its_routes_have_the_prefix(void **state) {
    (void)state;
    char url[64];
    mount_with(NULL);
    inner_route("/items/{id}", HANDLER(.get = reverses, .name = "item"));
    route("/", HANDLER(.get = says_route, .name = "home"));
    route("/x", HANDLER(.get = reverses));
    assert_int_equal(tc_application_reverse_url(inner, url, sizeof(url), "item", "id", "1", NULL), 13);
    assert_string_equal(url, "/shop/items/1");
    assert_ask("/shop/items/x", "200 /shop/items/a%2Fb /");
    assert_ask("/x", "200 - /");
    assert_log("no route is named \"item\"");
}

static void a_url_takes_the_values_of_the_prefix_too(void **state) {
    (void)state;
    char url[64];
    inner = tc_application_new(NULL);
    tc_application_t *root = tc_application_new(NULL);
    assert_int_equal(tc_application_mount(app, "/of/{tenant}", inner), 0);
    assert_int_equal(tc_application_mount(inner, "", root), 0);
    assert_int_equal(tc_application_add(root, "/{id:*}", HANDLER(.get = says_arguments, .name = "x"), NULL), 0);
    int len = tc_application_reverse_url(root, url, sizeof(url), "x", "id", "7", "tenant", "a b", NULL);
    assert_int_equal(len, strlen("/of/a%20b/7"));
    assert_string_equal(url, "/of/a%20b/7");
    assert_int_equal(tc_application_reverse_url(root, url, sizeof(url), "x", "id", "7", NULL), TC_EINVAL);
    assert_log("/of/{tenant}/{_path_:*} wants a value for \"tenant\"");
    assert_int_equal(tc_application_reverse_url(root, url, sizeof(url), "x", "id", "7", "tenant", "..", NULL),
                     TC_EINVAL);
    assert_ask("/of/a%20b/7", "200 /of/{tenant}/{id:*} a b 7 -");
}

static void a_host_s_paths_may_all_be_an_application_s(void **state) {
    (void)state;
    inner = tc_application_new(NULL);
    assert_int_equal(tc_router_mount(tc_application_host(app, "shop.example"), "", inner), 0);
    inner_route("/", HANDLER(.get = says_route));
    route("/", HANDLER(.get = says_default));
    assert_string_equal(ask_with("/", FETCH(.headers = HEADERS("Host", "shop.example"))), "200 / at /");
    assert_ask("/", "200 default ?");
}

static int says_application(tc_request_t *req) {
    return tc_writef(req, "%d", tc_request_application(req) == tc_arg(req));
}

static void a_request_is_of_the_mounted_application(void **state) {
    (void)state;
    mount_with(NULL);
    tc_application_add(inner, "/mine", HANDLER(.get = says_application), inner);
    assert_ask("/shop/mine", "200 1");
}

static int signs(tc_request_t *req) {
    const char *value = tc_get_signed_cookie(req, "user", 0);
    tc_set_signed_cookie(req, "user", "ada", NULL);
    return tc_write(req, value ? value : "-");
}

static void each_has_its_own_secret(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .cookie_secret = "0123456789abcdef0123456789abcdef" });
    mount_with(&(tc_application_options_t){ .cookie_secret = "fedcba9876543210fedcba9876543210" });
    inner_route("/sign", HANDLER(.get = signs));
    route("/sign", HANDLER(.get = signs));
    char cookie[256];
    snprintf(cookie, sizeof(cookie), "%s", header("/shop/sign", NULL, "Set-Cookie"));
    *strchr(cookie, ';') = '\0';
    assert_string_equal(ask_with("/shop/sign", FETCH(.headers = HEADERS("Cookie", cookie))), "200 ada");
    assert_string_equal(ask_with("/sign", FETCH(.headers = HEADERS("Cookie", cookie))), "200 -");
}

static int fails(tc_request_t *req) {
    (void)req;
    return TC_EPROTO;
}

static int inner_lines;

static void count_line(const tc_log_record_t *record, void *user_data) {
    (void)record;
    (void)user_data;
    inner_lines++;
}

static void each_has_its_own_log(void **state) {
    (void)state;
    inner_lines = 0;
    mount_with(&(tc_application_options_t){ .log = count_line, .debug = true });
    inner_route("/fail", HANDLER(.get = fails));
    route("/fail", HANDLER(.get = fails));
    ask("/shop/fail");
    assert_int_equal(inner_lines, 2); /* the failure, and the access */
    assert_string_equal(take_line(), "");
    ask("/fail");
    assert_log("E application: GET /fail");
    assert_int_equal(inner_lines, 2);
    forget_log();
}

static int says_static_url(tc_request_t *req) {
    const char *url = tc_static_url(req, tc_get_argument(req, "of", ""));
    return tc_writef(req, "%.15s", url ? url : "-");
}

static void urls_of_its_files_have_the_prefix(void **state) {
    (void)state;
    mount_with(NULL);
    assert_int_equal(tc_application_add_static(inner, "/static/", "."), 0);
    inner_route("/url", HANDLER(.get = says_static_url));
    assert_ask("/shop/url?of=none.css", "200 /shop/static/no");
    assert_ask("/shop/url?of=/shop/static/none", "200 /shop/static/no");
    assert_ask("/shop/url?of=/static/none", "200 /shop/static/no");
}

static void the_prefix_of_a_file_s_url_ends_at_a_slash(void **state) {
    (void)state;
    inner = tc_application_new(NULL);
    assert_int_equal(tc_application_mount(app, "/s", inner), 0);
    assert_int_equal(tc_application_add_static(inner, "/static/", "."), 0);
    inner_route("/url", HANDLER(.get = says_static_url));
    assert_ask("/s/url?of=/static/none.css", "200 /s/static/none.");
    assert_ask("/s/url?of=/s/static/none.css", "200 /s/static/none.");
}

static int says_whole_static_url(tc_request_t *req) {
    const char *url = tc_static_url(req, tc_get_argument(req, "of", "a.js"));
    return tc_write(req, url ? url : "-");
}

/* They stand in pages, and who follows a link to a page chooses its prefix. */
static void what_the_prefix_captures_is_escaped_in_urls_of_files(void **state) {
    (void)state;
    tc_application_t *between = tc_application_new(NULL);
    assert_int_equal(tc_application_mount(app, "/{tenant}", between), 0);
    inner = tc_application_new(NULL);
    assert_int_equal(tc_application_mount(between, "/{id:int}", inner), 0);
    assert_int_equal(tc_application_add_static(inner, "/static/", "."), 0);
    inner_route("/url", HANDLER(.get = says_whole_static_url));
    assert_ask("/a%20b/7/url", "200 /a%20b/7/static/a.js");
    assert_ask("/a'onerror='alert(1)/7/url", "200 /a%27onerror%3D%27alert%281%29/7/static/a.js");
    assert_ask("/\\evil.example/7/url", "200 /%5Cevil.example/7/static/a.js");
    assert_ask("/a&b/7/url?of=/a%2526b/7/static/a.js", "200 /a%26b/7/static/a.js");
    assert_ask("/%2e%2E/7/url", "200 -");
}

static tc_deferred_t *token;
static char seen[64];

static int detaches(tc_request_t *req) {
    token = tc_defer(req);
    return TC_DETACH;
}

static void notes_the_route(tc_request_t *req, int err) {
    snprintf(seen, sizeof(seen), "%s %d", tc_route(req), err);
}

static void a_request_keeps_the_applications_on_its_way(void **state) {
    (void)state;
    raw_t raw;
    mount_with(NULL);
    inner_route("/late/{x}", HANDLER(.get = detaches, .on_finish = notes_the_route));
    raw_open(&raw, NULL);
    raw_send(&raw, "GET /shop/late/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    tc_application_free(app);
    app = NULL;
    tc_httpserver_free(raw.server);
    raw.server = NULL;
    raw_turn(&raw);
    tc_deferred_unref(token); /* the last who holds it, after server and program */
    raw_turn(&raw);
    assert_string_equal(seen, "/shop/late/{x} -1025");
    raw_close(&raw);
    forget_log();
}

static void what_it_could_not_do_is_told_when_the_outer_one_is_to_listen(void **state) {
    (void)state;
    mount_with(NULL);
    assert_int_equal(tc_application_add(inner, "/{", HANDLER(.get = says_route), NULL), TC_EPATTERN);
    assert_int_equal(tc_application_error(app), 0);
    assert_null(tc_test_client_new(app));
    assert_string_equal(tc_error_detail(), "mounted as /shop/{_path_:*}: \"/{\", column 2: \"}\" is missing");
    assert_log("tc_test_client_new: mounted as /shop/");
    app = NULL;
}

static void routes_may_be_added_until_the_outer_one_listens(void **state) {
    (void)state;
    mount_with(NULL);
    inner_route("/a", HANDLER(.get = says_route));
    serve();
    assert_int_equal(tc_application_add(inner, "/b", HANDLER(.get = says_route), NULL), TC_EBUSY);
    assert_log("routes cannot change");
}

static void what_cannot_be_mounted_is_refused_and_freed(void **state) {
    (void)state;
    assert_int_equal(tc_application_mount(app, "shop", tc_application_new(NULL)), TC_EPATTERN);
    assert_log("a prefix begins with");
    assert_int_equal(tc_application_mount(app, "/shop/", tc_application_new(NULL)), TC_EPATTERN);
    assert_log("a prefix begins with");
    assert_int_equal(tc_application_mount(app, NULL, tc_application_new(NULL)), TC_EINVAL);
    assert_log("is NULL");
    assert_int_equal(tc_application_mount(app, "/{a:*}", tc_application_new(NULL)), TC_EPATTERN);
    assert_int_equal(tc_application_mount(app, "/shop", NULL), TC_ENOMEM);
    assert_int_equal(tc_application_mount(NULL, "/shop", tc_application_new(NULL)), TC_ENOMEM);
    assert_int_equal(tc_router_mount(NULL, NULL, NULL), TC_ENOMEM);
    assert_int_equal(tc_application_error(app), TC_EPATTERN);
    route("/taken/{x:*}", HANDLER(.get = says_route));
    assert_int_equal(tc_application_mount(app, "/taken", tc_application_new(NULL)), TC_EALREADY);
    assert_string_equal(tc_error_detail(),
                        "\"/taken/{_path_:*}\": \"/taken/{x:*}\" is there already and takes the same "
                        "paths");
}

static void an_application_is_mounted_once_and_not_in_itself(void **state) {
    (void)state;
    tc_application_t *other = tc_application_new(NULL);
    mount_with(NULL);
    assert_int_equal(tc_application_mount(other, "/again", inner), TC_EALREADY);
    assert_log("/again: the application is mounted already");
    assert_int_equal(tc_application_mount(app, "/self", app), TC_EALREADY);
    assert_log("/self: the application is the outer one itself");
    assert_int_equal(tc_application_mount(inner, "/around", app), TC_EALREADY);
    assert_log("/around: the application is the outer one itself");
    tc_application_free(other);
}

static void a_group_that_could_not_be_made_takes_only_what_is_nobodys(void **state) {
    (void)state;
    mount_with(NULL);
    inner_route("/", HANDLER(.get = says_route));
    assert_int_equal(tc_router_mount(NULL, "/again", inner), TC_EALREADY);
    assert_log("/again: the application is mounted already");
    assert_int_equal(tc_router_mount(NULL, "/a", tc_application_new(NULL)), TC_ENOMEM);
    assert_ask("/shop/", "200 /shop/ at /shop/");
}

static void nothing_is_mounted_where_it_listens(void **state) {
    (void)state;
    tc_application_t *application = app, *other = tc_application_new(NULL);
    serve();
    assert_int_equal(tc_application_mount(application, "/a", other), TC_EBUSY);
    assert_log("/a: routes cannot change once the application listens");
    other = tc_application_new(NULL);
    tc_httpserver_t *server;
    assert_int_equal(tc_httpserver_new(&server, tc_test_client_loop(client), other, NULL), 0);
    app = tc_application_new(NULL);
    assert_int_equal(tc_application_mount(app, "/a", other), TC_EBUSY);
    assert_log("/a: an application that listens by itself cannot be mounted");
    tc_httpserver_free(server);
}

/* ---- Memory ---- */

static void each_allocation_may_fail(void **state) {
    (void)state;
    bool complete = false;
    for (long nth = 1; !complete; nth++) {
        tc_application_t *outer = tc_application_new(NULL);
        inner = tc_application_new(NULL);
        fail_allocation(nth, false);
        int err = tc_application_mount(outer, "/{a}", inner);
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        assert_int_equal(err, complete ? 0 : TC_ENOMEM);
        tc_application_free(outer);
    }
}

static void a_request_without_memory_for_its_way_is_refused(void **state) {
    (void)state;
    inner = tc_application_new(NULL);
    assert_int_equal(tc_application_mount(app, "/{tenant}", inner), 0);
    inner_route("/{id}", HANDLER(.get = says_arguments));
    serve();
    ask("/a/1");
    for (long nth = 1; nth < 40; nth++) {
        int id = start("/a/1", NULL);
        fail_allocation(nth, false);
        tc_test_client_advance(client, 0);
        allow_allocations();
        tc_test_client_advance(client, 0);
        const char *text = answered(id);
        if (strcmp(text, "200 /{tenant}/{id} a 1 -") != 0 && strncmp(text, "50", 2) != 0 && *text != '\0')
            fail_msg("allocation %ld: %s", nth, text);
        tc_test_client_disconnect(client, id);
    }
    assert_ask("/a/1", "200 /{tenant}/{id} a 1 -");
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_mounted_application_has_all_paths_below_its_prefix),
        WEB_TEST(what_the_prefix_captures_is_an_argument),
        WEB_TEST(an_expression_takes_what_follows_the_prefix),
        WEB_TEST(it_has_its_own_bases_and_error_pages_and_nothing_of_those_around),
        WEB_TEST(what_it_has_no_route_for_goes_to_its_own_default),
        WEB_TEST(routes_of_the_outer_one_go_before_as_in_any_tree),
        WEB_TEST(applications_nest),
        WEB_TEST(urls_of_its_routes_have_the_prefix),
        WEB_TEST(a_url_takes_the_values_of_the_prefix_too),
        WEB_TEST(a_host_s_paths_may_all_be_an_application_s),
        WEB_TEST(a_request_is_of_the_mounted_application),
        WEB_TEST(each_has_its_own_secret),
        WEB_TEST(each_has_its_own_log),
        WEB_TEST(urls_of_its_files_have_the_prefix),
        WEB_TEST(the_prefix_of_a_file_s_url_ends_at_a_slash),
        WEB_TEST(what_the_prefix_captures_is_escaped_in_urls_of_files),
        WEB_TEST(a_request_keeps_the_applications_on_its_way),
        WEB_TEST(what_it_could_not_do_is_told_when_the_outer_one_is_to_listen),
        WEB_TEST(routes_may_be_added_until_the_outer_one_listens),
        WEB_TEST(what_cannot_be_mounted_is_refused_and_freed),
        WEB_TEST(an_application_is_mounted_once_and_not_in_itself),
        WEB_TEST(a_group_that_could_not_be_made_takes_only_what_is_nobodys),
        WEB_TEST(nothing_is_mounted_where_it_listens),
        WEB_TEST(each_allocation_may_fail),
        WEB_TEST(a_request_without_memory_for_its_way_is_refused),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
