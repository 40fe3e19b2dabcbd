/* application_test.c - routes and their failures, what handlers inherit, hosts, options, the log of an application. */
#include <signal.h>

#include "web/web_test.h"

#include "net/netutil_internal.h"

static int hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static int says_arg(tc_request_t *req) {
    return tc_writef(req, "%s on %s", (const char *)tc_arg(req), tc_route(req) ? tc_route(req) : "(none)");
}

static void *text(const char *literal) {
    return (void *)(uintptr_t)literal;
}

/* ---- Failures of registration ---- */

static int add_bad_pattern(void) {
    return tc_application_add(app, "/a/{b", HANDLER(.get = hello), NULL);
}

static int add_relative(void) {
    return tc_application_add(app, "a", HANDLER(.get = hello), NULL);
}

static int add_twice(void) {
    tc_application_add(app, "/a/{b}", HANDLER(.get = hello), NULL);
    return tc_application_add(app, "/a/{c}", HANDLER(.get = hello), NULL);
}

static int add_without_method(void) {
    return tc_application_add(app, "/a", HANDLER(.prepare = hello), NULL);
}

static int add_reserved(void) {
    return tc_application_add(app, "/a", HANDLER(.get = hello, .reserved = { 0, 1 }), NULL);
}

static int add_null_handler(void) {
    return tc_application_add(app, "/a", NULL, NULL);
}

static int add_null_pattern(void) {
    return tc_application_add(app, NULL, HANDLER(.get = hello), NULL);
}

static int add_bad_regex(void) {
    return tc_application_add_regex(app, "/(", HANDLER(.get = hello), NULL);
}

static int add_null_regex(void) {
    return tc_application_add_regex(app, NULL, HANDLER(.get = hello), NULL);
}

static int add_stream_without_data(void) {
    return tc_application_add(app, "/a", HANDLER(.put = hello, .body = TC_BODY_STREAM), NULL);
}

static int take(tc_request_t *req, tc_bytes_t chunk) {
    (void)req, (void)chunk;
    return 0;
}

static int add_data_without_stream(void) {
    return tc_application_add(app, "/a", HANDLER(.put = hello, .data_received = take), NULL);
}

static int see_part(tc_request_t *req, tc_http_file_t *part) {
    (void)req, (void)part;
    return 0;
}

static int add_parts_without_form(void) {
    return tc_application_add(app, "/a", HANDLER(.put = hello, .part_end = see_part), NULL);
}

static int add_unknown_flag(void) {
    return tc_application_add(app, "/a", HANDLER(.get = hello, .flags = 1u << 30), NULL);
}

static int add_unknown_body(void) {
    return tc_application_add(app, "/a", HANDLER(.get = hello, .body = (tc_body_mode_t)7), NULL);
}

static int add_to_a_bad_host(void) {
    tc_router_t *router = tc_application_host(app, "example.com:80");
    assert_null(router);
    assert_int_equal(tc_router_add(router, "/a", HANDLER(.get = hello), NULL), TC_ENOMEM);
    return tc_application_error(app);
}

static int add_to_a_null_host(void) {
    tc_application_host(app, NULL);
    return tc_application_error(app);
}

static int group_without_prefix(void) {
    assert_null(tc_application_group(app, NULL, NULL));
    return tc_application_error(app);
}

static int group_with_reserved(void) {
    assert_null(tc_application_group(app, "/g", HANDLER(.reserved = { 1 })));
    return tc_application_error(app);
}

static int groups_too_deep(void) {
    tc_router_t *router = tc_application_group(app, "/g", HANDLER(.prepare = hello));
    for (int i = 0; i < 10 && router; i++)
        router = tc_router_group(router, "/g", HANDLER(.prepare = hello));
    assert_null(router);
    return tc_application_error(app);
}

static int default_without_method(void) {
    return tc_application_set_default(app, HANDLER(.prepare = hello), NULL);
}

static int default_null(void) {
    return tc_application_set_default(app, NULL, NULL);
}

static int own_without_free(void) {
    return tc_application_own(app, text("x"), NULL);
}

static const struct {
    int (*call)(void);
    int err;
    const char *words;
    bool logged;
} failures[] = {
    { add_bad_pattern, TC_EPATTERN, "/a/{b", false },
    { add_relative, TC_EPATTERN, "a", false },
    { add_twice, TC_EALREADY, "/a/{", false },
    { add_without_method, TC_EINVAL, "/a: the handler has no method; set .get, .post", true },
    { add_reserved, TC_EINVAL, "/a: `reserved` of the handler must be zero", true },
    { add_null_handler, TC_EINVAL, "/a: the handler is NULL", true },
    { add_null_pattern, TC_EINVAL, "pattern is NULL", true },
    { add_bad_regex, TC_EPATTERN, "/(", false },
    { add_null_regex, TC_EINVAL, "pattern is NULL", true },
    { add_stream_without_data, TC_EINVAL, "/a: TC_BODY_STREAM needs .data_received", true },
    { add_data_without_stream, TC_EINVAL, "/a: .data_received is called with TC_BODY_STREAM only", true },
    { add_parts_without_form, TC_EINVAL, "are called with TC_BODY_FORM only", true },
    { add_unknown_flag, TC_EINVAL, "/a: the handler's flags 0x40000000", true },
    { add_unknown_body, TC_EINVAL, "/a: the handler's .body", true },
    { add_to_a_bad_host, TC_EPATTERN, "example.com:80", false },
    { add_to_a_null_host, TC_EINVAL, "the host is NULL", true },
    { group_without_prefix, TC_EINVAL, "prefix is NULL", true },
    { group_with_reserved, TC_EINVAL, "/g: `reserved` of the handler must be zero", true },
    { groups_too_deep, TC_EINVAL, "groups nest at most 7 deep", true },
    { default_without_method, TC_EINVAL, "the default handler: the handler has no method", true },
    { default_null, TC_EINVAL, "the default handler: the handler is NULL", true },
    { own_without_free, TC_EINVAL, "tc_application_own: free_data is NULL", true },
};

static void a_failure_is_kept_and_told_by_run_listen_and_the_test_client(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++) {
        use_options(NULL);
        assert_int_equal(tc_application_error(app), 0);
        int err = failures[i].call();
        if (err != failures[i].err || !strstr(tc_error_detail(), failures[i].words))
            if (!(failures[i].call == add_to_a_bad_host && err == TC_EPATTERN))
                fail_msg("%s: %d %s", failures[i].words, err, tc_error_detail());
        if (failures[i].logged)
            assert_log(failures[i].words);
        assert_int_equal(tc_application_error(app), failures[i].err);
        /* a later success or failure changes nothing */
        assert_int_equal(tc_application_add(app, "/fine", HANDLER(.get = hello), NULL), 0);
        assert_int_equal(tc_application_add(app, "{", HANDLER(.get = hello), NULL), TC_EPATTERN);
        assert_int_equal(tc_application_error(app), failures[i].err);

        tc_ioloop_t *loop;
        tc_httpserver_t *server = NULL;
        assert_int_equal(tc_ioloop_new(&loop), 0);
        assert_int_equal(tc_httpserver_new(&server, loop, app, NULL), failures[i].err);
        assert_non_null(strstr(tc_error_detail(), failures[i].words));
        assert_null(server);
        tc_ioloop_free(loop);
        if (i % 2) {
            assert_int_equal(tc_application_run(app, &(tc_run_options_t){ .port = TC_ANY_PORT }), failures[i].err);
            assert_log("E general: tc_application_run: ");
        } else {
            assert_null(tc_test_client_new(app));
            assert_non_null(strstr(tc_error_detail(), failures[i].words));
            assert_log("E general: tc_test_client_new: ");
        }
        app = NULL;
        assert_string_equal(take_line(), "");
    }
}

static void bad_options_are_kept_too(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .reserved = { 1 } });
    assert_int_equal(tc_application_error(app), TC_EINVAL);
    assert_log("tc_application_options_t: `reserved` must be zero");
    use_options(&(tc_application_options_t){ .base = HANDLER(.reserved = { 1 }) });
    assert_int_equal(tc_application_error(app), TC_EINVAL);
    assert_log("base: `reserved` of the handler must be zero");
}

static void a_null_application_is_out_of_memory_everywhere(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    tc_httpserver_t *server = NULL;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_application_add(NULL, "/", HANDLER(.get = hello), NULL), TC_ENOMEM);
    assert_int_equal(tc_application_add_regex(NULL, "/", HANDLER(.get = hello), NULL), TC_ENOMEM);
    assert_int_equal(tc_application_set_default(NULL, HANDLER(.get = hello), NULL), TC_ENOMEM);
    assert_int_equal(tc_application_error(NULL), TC_ENOMEM);
    assert_int_equal(tc_application_own(NULL, text("freed"), note_it), TC_ENOMEM);
    assert_string_equal(noted(), "freed");
    assert_null(tc_application_host(NULL, "x"));
    assert_null(tc_application_group(NULL, "/x", NULL));
    assert_null(tc_router_group(NULL, "/x", NULL));
    assert_int_equal(tc_router_add(NULL, "/", HANDLER(.get = hello), NULL), TC_ENOMEM);
    assert_int_equal(tc_router_add_regex(NULL, "/", HANDLER(.get = hello), NULL), TC_ENOMEM);
    assert_int_equal(tc_httpserver_new(&server, loop, NULL, NULL), TC_ENOMEM);
    assert_non_null(strstr(tc_error_detail(), "the application is NULL"));
    assert_null(tc_test_client_new(NULL));
    assert_non_null(strstr(tc_error_detail(), "the application is NULL"));
    assert_log("tc_test_client_new: the application is NULL");
    assert_int_equal(tc_application_run(NULL, NULL), TC_ENOMEM);
    assert_log("tc_application_run: ");
    tc_application_free(NULL);
    tc_ioloop_free(loop);
}

static void a_server_needs_a_place_and_sane_options(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    tc_httpserver_t *server = NULL;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_httpserver_new(NULL, loop, app, NULL), TC_EINVAL);
    assert_log("the place for the server is NULL");
    assert_int_equal(tc_httpserver_new(&server, loop, app, &(tc_httpserver_options_t){ .reserved = { 1 } }), TC_EINVAL);
    assert_log("`reserved` must be zero");
    tc_ioloop_free(loop);
    assert_int_equal(tc_httpserver_new(&server, NULL, app, NULL), TC_EINVAL);
    assert_log("no loop on this thread");
    assert_null(server);
}

static void routes_are_frozen_once_it_listens(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    tc_httpserver_t *server;
    tc_router_t *group = tc_application_group(app, "/g", NULL);
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_httpserver_new(&server, loop, app, NULL), 0);
    assert_int_equal(tc_application_add(app, "/a", HANDLER(.get = hello), NULL), TC_EBUSY);
    assert_log("/a: routes cannot change once the application listens");
    assert_int_equal(tc_router_add(group, "/a", HANDLER(.get = hello), NULL), TC_EBUSY);
    assert_log("/g/a: routes cannot change");
    assert_int_equal(tc_application_set_default(app, HANDLER(.get = hello), NULL), TC_EBUSY);
    assert_log("routes cannot change");
    assert_null(tc_application_group(app, "/h", NULL));
    assert_log("/h: routes cannot change");
    assert_null(tc_application_host(app, "h"));
    assert_log("routes cannot change");
    assert_int_equal(tc_application_error(app), 0); /* what came too late has spoilt nothing */
    tc_httpserver_free(server);
    tc_ioloop_free(loop);
}

static void a_prefix_begins_with_a_slash_and_does_not_end_with_one(void **state) {
    (void)state;
    static const char *const bad[] = { "admin", "/admin/", "/" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_null(tc_application_group(app, bad[i], NULL));
        assert_log("a group's prefix begins with \"/\" and does not end with one");
    }
    assert_int_equal(tc_application_error(app), TC_EPATTERN);
    assert_non_null(tc_application_group(app, "", NULL)); /* a base without a prefix */
}

/* ---- References ---- */

static void what_it_owns_is_freed_with_it_the_last_first(void **state) {
    (void)state;
    assert_int_equal(tc_application_own(app, text("first"), note_it), 0);
    assert_int_equal(tc_application_own(app, text("second"), note_it), 0);
    tc_application_free(app);
    app = NULL;
    assert_string_equal(noted(), "second first");
}

static void servers_hold_the_application(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = hello));
    tc_application_own(app, text("gone"), note_it);
    raw_open(&raw, NULL);
    tc_application_free(app);
    app = NULL;
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(raw_text(&raw), "hello"));
    assert_string_equal(noted(), "");
    raw_close(&raw);
    assert_string_equal(noted(), "gone");
}

static void several_applications_live_in_one_process_and_on_several_servers(void **state) {
    (void)state;
    tc_application_t *other = tc_application_new(NULL);
    raw_t one, two, three;
    tc_application_add(app, "/", HANDLER(.get = says_arg), text("first"));
    tc_application_add(other, "/", HANDLER(.get = says_arg), text("second"));
    raw_open(&one, NULL);
    raw_open(&two, NULL);
    tc_application_free(app);
    app = other;
    raw_open(&three, NULL);
    raw_send(&one, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_send(&two, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_send(&three, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(raw_text(&one), "first on /"));
    assert_non_null(strstr(raw_text(&two), "first on /"));
    assert_non_null(strstr(raw_text(&three), "second on /"));
    raw_close(&three);
    raw_close(&two);
    raw_close(&one);
}

/* ---- Routes ---- */

static void the_handler_is_copied(void **state) {
    (void)state;
    char pattern[] = "/a", name[] = "name";
    tc_request_handler_t handler = { .name = name, .get = hello };
    route(pattern, &handler);
    memset(&handler, 0xff, sizeof(handler));
    memset(pattern, 'x', 2);
    memset(name, 'x', 4);
    assert_ask("/a", "200 hello");
}

static void each_route_has_an_argument_of_its_own(void **state) {
    (void)state;
    const tc_request_handler_t handler = { .get = says_arg };
    assert_int_equal(tc_application_add(app, "/a", &handler, text("one")), 0);
    assert_int_equal(tc_application_add(app, "/b", &handler, text("another")), 0);
    assert_ask("/a", "200 one on /a");
    assert_ask("/b", "200 another on /b");
}

static void host_rules_go_in_order_and_before_the_routes_of_all_hosts(void **state) {
    (void)state;
    static const struct {
        const char *host, *path, *answer;
    } asked[] = {
        { "example.com", "/", "200 exact on /" },
        { "EXAMPLE.com:8080", "/", "200 exact on /" },
        { "www.example.com", "/", "200 wild on /" },
        { "other.org", "/", "200 any on /" },
        { "example.com", "/any", "200 any on /any" },
        { "example.com", "/g/x", "200 grouped on /g/{x}" },
        { "other.org", "/g/x", "404" },
    };
    tc_application_add(app, "/", HANDLER(.get = says_arg), text("any"));
    tc_application_add(app, "/any", HANDLER(.get = says_arg), text("any"));
    tc_router_t *host = tc_application_host(app, "example.com");
    tc_router_add(host, "/", HANDLER(.get = says_arg), text("exact"));
    tc_router_add(tc_router_group(host, "/g", NULL), "/{x}", HANDLER(.get = says_arg), text("grouped"));
    tc_router_add(tc_application_host(app, "*.example.com"), "/", HANDLER(.get = says_arg), text("wild"));
    assert_int_equal(tc_application_error(app), 0);
    for (size_t i = 0; i < COUNT(asked); i++) {
        const char *answer = ask_with(asked[i].path, FETCH(.headers = HEADERS("Host", asked[i].host)));
        assert_int_equal(strncmp(answer, asked[i].answer, strlen(asked[i].answer)), 0);
    }
}

static void the_default_handler_takes_what_no_route_does(void **state) {
    (void)state;
    route("/", HANDLER(.get = hello));
    tc_application_set_default(app, HANDLER(.get = says_arg), text("replaced"));
    tc_application_set_default(app, HANDLER(.get = says_arg), text("default"));
    assert_ask("/", "200 hello");
    assert_ask("/nowhere", "200 default on (none)");
    assert_int_equal(strncmp(ask_by("POST", "/nowhere"), "405 ", 4), 0);
}

static void regexes_come_after_the_patterns(void **state) {
    (void)state;
    tc_application_add_regex(app, "/(\\d+)", HANDLER(.get = says_arg), text("regex"));
    tc_router_add_regex(tc_application_group(app, "/g", NULL), "/(?<a>.)", HANDLER(.get = says_arg), text("group"));
    tc_application_add_regex(app, "/.*", HANDLER(.get = says_arg), text("rest"));
    tc_application_add(app, "/1", HANDLER(.get = says_arg), text("pattern"));
    assert_ask("/1", "200 pattern on /1");
    assert_ask("/2", "200 regex on /(\\d+)");
    assert_ask("/x", "200 rest on /.*");
}

/* ---- Inheritance ---- */

#define STEP(name, word)                 \
    static int name(tc_request_t *req) { \
        (void)req;                       \
        note(word);                      \
        return 0;                        \
    }
STEP(app_initialize, "init:app")
STEP(app_admit, "admit:app")
STEP(app_prepare, "prepare:app")
STEP(outer_admit, "admit:outer")
STEP(outer_prepare, "prepare:outer")
STEP(inner_admit, "admit:inner")
STEP(inner_prepare, "prepare:inner")
STEP(own_initialize, "init:own")
STEP(own_admit, "admit:own")
STEP(own_prepare, "prepare:own")
STEP(own_get, "get:own")
STEP(app_get, "get:app")
STEP(app_head, "head:app")
STEP(app_post, "post:app")
STEP(app_put, "put:app")
STEP(app_delete, "delete:app")
STEP(app_patch, "patch:app")
STEP(app_options, "options:app")
STEP(app_any, "any:app")
STEP(app_defaults, "defaults:app")

static int app_data(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    note("data:app(%.*s)", (int)chunk.len, chunk.data);
    return 0;
}

static void app_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish:app(%d)", err);
}

static void outer_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish:outer(%d)", err);
}

static void own_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish:own(%d)", err);
}

static int app_error(tc_request_t *req, int status) {
    return tc_writef(req, "app's page %d", status);
}

static int outer_error(tc_request_t *req, int status) {
    return tc_writef(req, "outer's page %d", status);
}

static int fails(tc_request_t *req) {
    (void)req;
    return 418;
}

static void bases_run_first_and_finish_last(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .base = HANDLER(.initialize = app_initialize, .admit = app_admit,
                                                             .prepare = app_prepare, .on_finish = app_finish) });
    tc_router_t *outer = tc_application_group(
        app, "/outer", HANDLER(.admit = outer_admit, .prepare = outer_prepare, .on_finish = outer_finish));
    tc_router_t *inner = tc_router_group(outer, "/inner", HANDLER(.admit = inner_admit, .prepare = inner_prepare));
    tc_router_add(inner, "/own",
                  HANDLER(.initialize = own_initialize, .admit = own_admit, .prepare = own_prepare, .get = own_get,
                          .on_finish = own_finish),
                  NULL);
    tc_router_add(inner, "/bare", HANDLER(.get = own_get), NULL);
    tc_router_add(tc_router_group(outer, "/plain", NULL), "/bare", HANDLER(.get = own_get), NULL);
    route("/bare", HANDLER(.get = own_get));
    assert_ask("/outer/inner/own", "200 ");
    assert_string_equal(noted(), "init:own admit:app admit:outer admit:inner admit:own prepare:app prepare:outer "
                                 "prepare:inner prepare:own get:own finish:own(0) finish:outer(0) finish:app(0)");
    assert_ask("/outer/inner/bare", "200 ");
    assert_string_equal(noted(),
                        "init:app admit:app admit:outer admit:inner prepare:app prepare:outer prepare:inner get:own "
                        "finish:outer(0) finish:app(0)");
    assert_ask("/outer/plain/bare", "200 ");
    assert_string_equal(noted(), "init:app admit:app admit:outer prepare:app prepare:outer get:own finish:outer(0) "
                                 "finish:app(0)");
    assert_ask("/bare", "200 ");
    assert_string_equal(noted(), "init:app admit:app prepare:app get:own finish:app(0)");
}

static void a_base_that_refuses_is_the_last_to_run(void **state) {
    (void)state;
    tc_router_t *outer = tc_application_group(app, "/a", HANDLER(.admit = fails, .on_finish = outer_finish));
    tc_router_add(outer, "/b", HANDLER(.get = own_get, .admit = own_admit, .on_finish = own_finish), NULL);
    assert_int_equal(strncmp(ask("/a/b"), "418 ", 4), 0);
    assert_string_equal(noted(), "finish:own(0) finish:outer(0)");
}

static void every_callback_is_inherited(void **state) {
    (void)state;
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND" };
    static const char *const said[] = { "get:app",    "head:app",  "post:app",    "put:app",
                                        "delete:app", "patch:app", "options:app", "any:app" };
    use_options(&(tc_application_options_t){ .base = HANDLER(.get = app_get, .head = app_head, .post = app_post,
                                                             .put = app_put, .delete_ = app_delete, .patch = app_patch,
                                                             .options = app_options, .any = app_any) });
    route("/", HANDLER(0));
    route("/own", HANDLER(.get = own_get));
    for (size_t i = 0; i < COUNT(methods); i++) {
        ask_by(methods[i], "/");
        assert_string_equal(noted(), said[i]);
    }
    assert_ask("/own", "200 ");
    assert_string_equal(noted(), "get:own");
}

static int says_data_size(tc_request_t *req) {
    memset(tc_data(req), 1, 100); /* the sanitizer knows how much there is */
    return 0;
}

static void the_rest_is_inherited_as_well(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){
        .base = HANDLER(.body = TC_BODY_STREAM, .data_received = app_data, .set_default_headers = app_defaults,
                        .write_error = app_error, .data_size = 100, .max_body_size = 3, .put = own_get) });
    route("/", HANDLER(.get = says_data_size));
    route("/small", HANDLER(.get = says_data_size, .data_size = 1));
    route("/error", HANDLER(.get = fails));
    tc_router_t *outer = tc_application_group(app, "/outer", HANDLER(.write_error = outer_error, .max_body_size = 5));
    tc_router_add(outer, "/error", HANDLER(.get = fails), NULL);
    assert_ask("/", "200 ");
    assert_ask("/small", "200 ");
    assert_string_equal(noted(), "defaults:app defaults:app");
    assert_string_equal(ask_with("/", FETCH(.method = "PUT", .body = tc_str("abc"))), "200 ");
    assert_string_equal(noted(), "defaults:app data:app(abc) get:own");
    assert_string_equal(ask_with("/", FETCH(.method = "PUT", .body = tc_str("abcd"))), "413 app's page 413");
    assert_log("413 PUT / ");
    assert_string_equal(ask_with("/outer/error", FETCH(.method = "PUT", .body = tc_str("abcd"))), "200 ");
    assert_ask("/error", "418 app's page 418");
    assert_ask("/outer/error", "418 outer's page 418");
    assert_ask("/nowhere", "404 app's page 404");
    noted();
}

static void a_flag_of_the_base_holds_for_all(void **state) {
    (void)state;
    tc_router_t *outer = tc_application_group(app, "/a", HANDLER(.flags = TC_CANCEL_ON_CLOSE, .timeout_ms = 100));
    assert_int_equal(tc_router_add(outer, "/b", HANDLER(.get = hello), NULL), 0);
    serve();
    assert_ask("/a/b", "200 hello");
}

static void groups_nest_seven_deep(void **state) {
    (void)state;
    tc_router_t *router = tc_application_group(app, "/g", HANDLER(.admit = outer_admit));
    for (int i = 0; i < 6; i++)
        router = tc_router_group(router, "/g", HANDLER(.admit = inner_admit, .on_finish = outer_finish));
    router = tc_router_group(router, "/n", NULL); /* without a base they nest without end */
    assert_int_equal(
        tc_router_add(router, "/x", HANDLER(.get = own_get, .admit = own_admit, .on_finish = own_finish), NULL), 0);
    assert_ask("/g/g/g/g/g/g/g/n/x", "200 ");
    assert_string_equal(noted(), "admit:outer admit:inner admit:inner admit:inner admit:inner admit:inner admit:inner "
                                 "admit:own get:own finish:own(0) finish:outer(0) finish:outer(0) finish:outer(0) "
                                 "finish:outer(0) finish:outer(0) finish:outer(0)");
}

/* ---- The log of an application ---- */

static int logs(tc_request_t *req) {
    tc_logf(req, TC_LOG_DEBUG, "debugging %s", tc_path(req));
    tc_logf(req, TC_LOG_INFO, "informing\n%s", tc_path(req));
    tc_logf(req, TC_LOG_WARNING, "warning");
    tc_logf(NULL, TC_LOG_WARNING, "of the process");
    return tc_write(req, "logged");
}

static void own_log(const tc_log_record_t *record, void *user_data) {
    note("[%s|%c|%s|%s]", (const char *)user_data, "?DIWE"[record->level], record -> logger + 8,
         record -> request ? tc_path(record->request) : "-");
}

static void without_options_the_level_is_the_processs(void **state) {
    (void)state;
    route("/", HANDLER(.get = logs));
    assert_ask("/", "200 logged");
    assert_log("W application: warning");
    assert_log("W application: of the process");
    assert_string_equal(take_line(), "");
    tc_set_log_level(TC_LOG_INFO);
    assert_ask("/", "200 logged");
    tc_set_log_level(TC_LOG_WARNING);
    assert_log("I application: informing\\x0a/");
    assert_log("W application: warning");
    assert_log("W application: of the process");
    assert_log("I access: 200 GET / (127.0.0.1) ");
}

static void an_application_has_a_level_of_its_own(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .log_level = TC_LOG_DEBUG });
    route("/", HANDLER(.get = logs));
    assert_ask("/", "200 logged");
    assert_log("D application: debugging /");
    assert_log("I application: informing");
    assert_log("W application: warning");
    assert_log("W application: of the process");
    assert_log("I access: 200 GET / (127.0.0.1) ");
    stop_serving();

    use_options(&(tc_application_options_t){ .log_level = TC_LOG_SILENT });
    route("/", HANDLER(.get = logs));
    route("/fails", HANDLER(.get = fails));
    assert_ask("/", "200 logged");
    assert_int_equal(strncmp(ask("/fails"), "418", 3), 0);
    assert_log("W application: of the process");
}

static void an_application_has_a_callback_of_its_own(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .log = own_log, .log_data = text("own"), .log_level = TC_LOG_INFO });
    route("/a", HANDLER(.get = logs));
    assert_ask("/a", "200 logged");
    assert_string_equal(noted(), "[own|I|application|/a] [own|W|application|/a] [own|I|access|/a]");
    assert_log("W application: of the process");
}

static void its_callback_hears_when_the_processs_is_null(void **state) {
    (void)state;
    tc_set_log_callback(NULL, NULL);
    use_options(&(tc_application_options_t){ .log = own_log, .log_data = text("own") });
    route("/a", HANDLER(.get = logs));
    assert_ask("/a", "200 logged");
    assert_string_equal(noted(), "[own|W|application|/a]");
    tc_set_log_callback(keep_line, NULL);
}

static void two_applications_log_apart(void **state) {
    (void)state;
    raw_t one, two;
    use_options(&(tc_application_options_t){ .log = own_log, .log_data = text("one"), .log_level = TC_LOG_ERROR });
    route("/", HANDLER(.get = logs));
    raw_open(&one, NULL);
    tc_application_free(app);
    app = tc_application_new(&(tc_application_options_t){ .log = own_log, .log_data = text("two") });
    route("/", HANDLER(.get = logs));
    raw_open(&two, NULL);
    raw_send(&one, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_send(&two, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(noted(), "[two|W|application|/]");
    forget_log();
    raw_close(&one);
    raw_close(&two);
}

static int says_status(tc_request_t *req) {
    int status = (int)tc_path_int(req, "status");
    return status >= 400 ? status : tc_set_status(req, status);
}

static bool ends_in_milliseconds(const char *line) {
    const char *at = strrchr(line, ' ');
    size_t digits = at ? strspn(at + 1, "0123456789") : 0;
    return digits > 0 && at[1 + digits] == '.' && strspn(at + 2 + digits, "0123456789") == 2 &&
           strcmp(at + 4 + digits, "ms") == 0;
}

static void access_lines_are_tornados(void **state) {
    (void)state;
    static const struct {
        const char *method, *path, *line;
    } asked[] = {
        { "GET", "/200?q=%0a", "I access: 200 GET /200?q=%0a (127.0.0.1) " },
        { "HEAD", "/204", "I access: 204 HEAD /204 (127.0.0.1) " },
        { "GET", "/304", "I access: 304 GET /304 (127.0.0.1) " },
        { "GET", "/404", "W access: 404 GET /404 (127.0.0.1) " },
        { "GET", "/nowhere", "W access: 404 GET /nowhere (127.0.0.1) " },
        { "POST", "/200", "W access: 405 POST /200 (127.0.0.1) " },
        { "GET", "/503", "E access: 503 GET /503 (127.0.0.1) " },
    };
    use_options(&(tc_application_options_t){ .debug = true });
    route("/{status:int}", HANDLER(.get = says_status));
    for (size_t i = 0; i < COUNT(asked); i++) {
        ask_by(asked[i].method, asked[i].path);
        const char *line = take_line();
        if (strncmp(line, asked[i].line, strlen(asked[i].line)) != 0 || !ends_in_milliseconds(line))
            fail_msg("%s", line);
        assert_string_equal(take_line(), "");
    }
}

/* ---- A program of one application ---- */

static int ask_and_stop(tc_ioloop_t *loop, void *arg) {
    (void)loop;
    note("start:%s", (const char *)arg);
    return raise(SIGTERM);
}

static void stopped(tc_ioloop_t *loop, void *arg) {
    (void)loop;
    note("stop:%s", (const char *)arg);
}

static void a_run_ends_cleanly_at_a_signal(void **state) {
    (void)state;
    route("/", HANDLER(.get = hello));
    int err = tc_application_run(app, &(tc_run_options_t){ .port = TC_ANY_PORT,
                                                           .address = "127.0.0.1",
                                                           .on_worker_start = ask_and_stop,
                                                           .on_worker_stop = stopped,
                                                           .arg = text("arg") });
    app = NULL;
    assert_int_equal(err, 0);
    assert_string_equal(noted(), "start:arg stop:arg");
}

static int (*real_listen)(int fd, int backlog);

static int listen_and_be_told_to_end(int fd, int backlog) {
    int err = real_listen(fd, backlog);
    raise(SIGTERM);
    return err;
}

static void a_signal_that_comes_with_the_first_connection_ends_it_cleanly(void **state) {
    (void)state;
    route("/", HANDLER(.get = hello));
    real_listen = tc__sys.listen;
    tc__sys.listen = listen_and_be_told_to_end;
    int err = tc_application_run(app, &(tc_run_options_t){ .port = TC_ANY_PORT, .address = "127.0.0.1" });
    tc__sys.listen = real_listen;
    app = NULL;
    assert_int_equal(err, 0);
}

static int refuses_to_start(tc_ioloop_t *loop, void *arg) {
    (void)loop;
    (void)arg;
    return -EPERM;
}

static void a_run_says_why_it_cannot_start(void **state) {
    (void)state;
    route("/", HANDLER(.get = hello));
    assert_int_equal(tc_application_run(app, &(tc_run_options_t){ .reserved = { 1 } }), TC_EINVAL);
    assert_log("tc_run_options_t: `reserved` must be zero");
    assert_log("E general: tc_application_run: ");
    app = tc_application_new(NULL);
    assert_true(tc_application_run(app, &(tc_run_options_t){ .address = "no.such.host.invalid" }) < 0);
    assert_log("E general: tc_application_run: ");
    app = tc_application_new(NULL);
    assert_int_equal(
        tc_application_run(
            app, &(tc_run_options_t){ .port = TC_ANY_PORT, .no_signals = true, .on_worker_start = refuses_to_start }),
        -EPERM);
    assert_log("on_worker_start failed");
    app = NULL;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_failure_is_kept_and_told_by_run_listen_and_the_test_client),
        WEB_TEST(bad_options_are_kept_too),
        WEB_TEST(a_null_application_is_out_of_memory_everywhere),
        WEB_TEST(a_server_needs_a_place_and_sane_options),
        WEB_TEST(routes_are_frozen_once_it_listens),
        WEB_TEST(a_prefix_begins_with_a_slash_and_does_not_end_with_one),
        WEB_TEST(what_it_owns_is_freed_with_it_the_last_first),
        WEB_TEST(servers_hold_the_application),
        WEB_TEST(several_applications_live_in_one_process_and_on_several_servers),
        WEB_TEST(the_handler_is_copied),
        WEB_TEST(each_route_has_an_argument_of_its_own),
        WEB_TEST(host_rules_go_in_order_and_before_the_routes_of_all_hosts),
        WEB_TEST(the_default_handler_takes_what_no_route_does),
        WEB_TEST(regexes_come_after_the_patterns),
        WEB_TEST(bases_run_first_and_finish_last),
        WEB_TEST(a_base_that_refuses_is_the_last_to_run),
        WEB_TEST(every_callback_is_inherited),
        WEB_TEST(the_rest_is_inherited_as_well),
        WEB_TEST(a_flag_of_the_base_holds_for_all),
        WEB_TEST(groups_nest_seven_deep),
        WEB_TEST(without_options_the_level_is_the_processs),
        WEB_TEST(an_application_has_a_level_of_its_own),
        WEB_TEST(an_application_has_a_callback_of_its_own),
        WEB_TEST(its_callback_hears_when_the_processs_is_null),
        WEB_TEST(two_applications_log_apart),
        WEB_TEST(access_lines_are_tornados),
        WEB_TEST(a_run_ends_cleanly_at_a_signal),
        WEB_TEST(a_signal_that_comes_with_the_first_connection_ends_it_cleanly),
        WEB_TEST(a_run_says_why_it_cannot_start),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
