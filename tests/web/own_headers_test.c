/* own_headers_test.c - request ids, Strict-Transport-Security, and what pages of other origins may read. */
#include <tornadoc/auth.h>

#include "util/file_calls_internal.h"
#include "web/web_test.h"

static int greets(tc_request_t *req) {
    return tc_write(req, "hello");
}

static int refuses(tc_request_t *req) {
    return tc_http_error(req, 409, "no");
}

/* A field of the answer, "" for none. */
static const char *field(const char *name, const char *path, const tc_fetch_options_t *options) {
    const char *value = tc_http_response_header(tc_test_client_fetch(serve(), path, options), name);
    return value ? value : "";
}

/* ---- Request ids ---- */

static int shows_id(tc_request_t *req) {
    return tc_write(req, tc_request_id(req));
}

static bool is_hex(const char *text) {
    return strspn(text, "0123456789abcdef") == 32 && text[32] == '\0';
}

static void use_ids(bool trust) {
    use_options(&(tc_application_options_t){ .request_ids = true, .trust_request_ids = trust });
    route("/", HANDLER(.get = shows_id));
    route("/refuses", HANDLER(.get = refuses));
    serve();
}

static void each_answer_has_an_id_of_its_own(void **state) {
    (void)state;
    use_ids(false);
    char first[100];
    snprintf(first, sizeof first, "%s", field("X-Request-Id", "/", NULL));
    assert_true(is_hex(first));
    const tc_http_response_t *response = tc_test_client_fetch(client, "/", NULL);
    assert_string_equal(tc_http_response_header(response, "X-Request-Id"), tc_http_response_body(response).data);
    assert_string_not_equal(tc_http_response_header(response, "X-Request-Id"), first);
    assert_true(is_hex(field("X-Request-Id", "/nowhere", NULL)));
}

static void lines_of_the_log_begin_with_it(void **state) {
    (void)state;
    use_ids(false);
    char line[200];
    snprintf(line, sizeof line, "W general: [%s] 409 GET /refuses (127.0.0.1): no",
             field("X-Request-Id", "/refuses", NULL));
    assert_log(line);
}

static void without_the_option_it_is_made_when_asked_for(void **state) {
    (void)state;
    route("/", HANDLER(.get = shows_id));
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/",
                                                              FETCH(.headers = HEADERS("X-Request-Id", "given")));
    assert_true(is_hex(tc_http_response_body(response).data));
    assert_null(tc_http_response_header(response, "X-Request-Id"));
    assert_string_equal(tc_request_id(NULL), "");
}

static void a_clients_id_is_not_taken(void **state) {
    (void)state;
    use_ids(false);
    assert_true(is_hex(field("X-Request-Id", "/", FETCH(.headers = HEADERS("X-Request-Id", "given")))));
}

static void a_proxys_id_is_if_it_is_trusted_and_well_formed(void **state) {
    (void)state;
    use_ids(true);
    assert_string_equal(field("X-Request-Id", "/", FETCH(.headers = HEADERS("X-Request-Id", "Root=1-67:a/b+c@d_e."))),
                        "Root=1-67:a/b+c@d_e.");
    char longest[130];
    memset(longest, 'a', 129);
    longest[128] = '\0';
    assert_string_equal(field("X-Request-Id", "/", FETCH(.headers = HEADERS("X-Request-Id", longest))), longest);
    longest[128] = 'a';
    longest[129] = '\0';
    const char *const bad[] = { "", "a b", "a\"b", "a\\b", "<a>", "a,b", "\xc3\xab", longest };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_true(is_hex(field("X-Request-Id", "/", FETCH(.headers = HEADERS("X-Request-Id", bad[i])))));
    assert_true(
        is_hex(field("X-Request-Id", "/", FETCH(.headers = HEADERS("X-Request-Id", "a", "X-Request-Id", "b")))));
    assert_true(is_hex(field("X-Request-Id", "/", NULL)));
}

static int no_random(void *data, size_t len) {
    (void)data, (void)len;
    return -EIO;
}

static void without_random_bytes_there_is_no_id_and_all_goes_on(void **state) {
    (void)state;
    use_ids(false);
    int (*real)(void *, size_t) = tc__file_sys.random;
    tc__file_sys.random = no_random;
    assert_string_equal(field("X-Request-Id", "/", NULL), "");
    assert_string_equal(ask("/"), "200 ");
    assert_string_equal(ask("/refuses"), "409 <html><title>409: Conflict</title><body>409: no</body></html>");
    tc__file_sys.random = real;
    assert_log("W general: 409 GET /refuses (127.0.0.1): no");
}

/* ---- Strict-Transport-Security ---- */

static int is_in_conflict(tc_request_t *req) {
    return tc_http_error(req, 409, NULL); /* the fields are set again for the page */
}

static void https_is_said_to_be_all_there_is_over_https(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .strict_transport_security = "max-age=63072000; includeSubDomains" });
    route("/", HANDLER(.get = is_in_conflict));
    assert_string_equal(field("Strict-Transport-Security", "/", NULL), "");
    assert_string_equal(field("Strict-Transport-Security", "https://localhost/", NULL),
                        "max-age=63072000; includeSubDomains");
}

static void what_is_no_such_field_is_refused(void **state) {
    (void)state;
    const char *const bad[] = { "", "includeSubDomains", "max-age=1\r\nX: y", "63072000" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        use_options(&(tc_application_options_t){ .strict_transport_security = bad[i] });
        assert_int_equal(tc_application_error(app), TC_EINVAL);
        forget_log();
    }
}

/* ---- CORS ---- */

#define ORIGINS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define APP "https://app.example.com"

static const tc_cors_options_t app_only = { .origins = ORIGINS(APP, "http://localhost:5173"), .credentials = true };

static void use_cors(const tc_cors_options_t *cors) {
    use_options(NULL);
    route("/", HANDLER(.get = greets, .post = greets, .cors = cors));
    route("/error", HANDLER(.get = refuses, .cors = cors));
    route("/closed", HANDLER(.get = greets));
    serve();
}

static const tc_http_response_t *from(const char *origin, const char *path) {
    return tc_test_client_fetch(client, path, FETCH(.headers = HEADERS("Origin", origin)));
}

static const char *get(const tc_http_response_t *response, const char *name) {
    const char *value = tc_http_response_header(response, name);
    return value ? value : "";
}

static void pages_of_listed_origins_may_read_answers(void **state) {
    (void)state;
    use_cors(&app_only);
    const tc_http_response_t *response = from(APP, "/");
    assert_string_equal(get(response, "Access-Control-Allow-Origin"), APP);
    assert_string_equal(get(response, "Access-Control-Allow-Credentials"), "true");
    assert_string_equal(get(response, "Vary"), "Origin");
    response = from("http://localhost:5173", "/");
    assert_string_equal(get(response, "Access-Control-Allow-Origin"), "http://localhost:5173");
}

static void pages_of_others_may_not(void **state) {
    (void)state;
    use_cors(&app_only);
    const char *const others[] = { "https://evil.example",
                                   "http://app.example.com",
                                   APP ":8443",
                                   APP ".evil.example",
                                   "https://sub.app.example.com",
                                   "null",
                                   "",
                                   APP "/",
                                   "*" };
    for (size_t i = 0; i < COUNT(others); i++) {
        const tc_http_response_t *response = from(others[i], "/");
        assert_int_equal(tc_http_response_status(response), 200);
        assert_string_equal(get(response, "Access-Control-Allow-Origin"), "");
        assert_string_equal(get(response, "Access-Control-Allow-Credentials"), "");
        assert_string_equal(get(response, "Vary"), "Origin");
    }
    assert_string_equal(field("Vary", "/", NULL), "Origin"); /* caches keep what any page gets */
    assert_string_equal(
        field("Access-Control-Allow-Origin", "/", FETCH(.headers = HEADERS("Origin", APP, "Origin", APP))), "");
}

static void routes_without_it_say_nothing(void **state) {
    (void)state;
    use_cors(&app_only);
    assert_string_equal(get(from(APP, "/closed"), "Access-Control-Allow-Origin"), "");
    assert_string_equal(get(from(APP, "/closed"), "Vary"), "");
}

static void error_pages_may_be_read_too(void **state) {
    (void)state;
    use_cors(&app_only);
    const tc_http_response_t *response = from(APP, "/error");
    assert_int_equal(tc_http_response_status(response), 409);
    assert_string_equal(get(response, "Access-Control-Allow-Origin"), APP);
    assert_string_equal(get(response, "Vary"), "Origin");
    forget_log();
}

static void all_origins_are_a_star_and_never_with_credentials(void **state) {
    (void)state;
    use_cors(&(tc_cors_options_t){ .origins = ORIGINS("*"), .expose_headers = "X-Total" });
    const tc_http_response_t *response = from("https://any.example", "/");
    assert_string_equal(get(response, "Access-Control-Allow-Origin"), "*");
    assert_string_equal(get(response, "Access-Control-Expose-Headers"), "X-Total");
    assert_string_equal(get(response, "Access-Control-Allow-Credentials"), "");
    assert_string_equal(get(response, "Vary"), "");
    assert_string_equal(field("Access-Control-Allow-Origin", "/", NULL), "");
}

static const tc_http_response_t *preflight(const char *origin, const char *path) {
    return tc_test_client_fetch(
        client, path,
        FETCH(.method = "OPTIONS", .headers = HEADERS("Origin", origin, "Access-Control-Request-Method", "PUT")));
}

static void a_preflight_is_answered_by_itself(void **state) {
    (void)state;
    use_cors(&app_only);
    const tc_http_response_t *response = preflight(APP, "/");
    assert_int_equal(tc_http_response_status(response), 204);
    assert_string_equal(get(response, "Access-Control-Allow-Origin"), APP);
    assert_string_equal(get(response, "Access-Control-Allow-Credentials"), "true");
    assert_string_equal(get(response, "Access-Control-Allow-Methods"), "GET, HEAD, POST, OPTIONS");
    assert_string_equal(get(response, "Access-Control-Allow-Headers"), "");
    assert_string_equal(get(response, "Access-Control-Max-Age"), "600");
    assert_string_equal(get(response, "Vary"), "Origin");
}

static void a_preflight_tells_what_the_options_say(void **state) {
    (void)state;
    use_cors(&(tc_cors_options_t){ .origins = ORIGINS(APP),
                                   .methods = "GET, PUT",
                                   .headers = "X-A, X-B",
                                   .expose_headers = "X-C",
                                   .max_age_ms = 5000 });
    const tc_http_response_t *response = preflight(APP, "/");
    assert_string_equal(get(response, "Access-Control-Allow-Methods"), "GET, PUT");
    assert_string_equal(get(response, "Access-Control-Allow-Headers"), "X-A, X-B");
    assert_string_equal(get(response, "Access-Control-Max-Age"), "5");
    assert_string_equal(get(response, "Access-Control-Expose-Headers"), "");
}

static int own_options(tc_request_t *req) {
    return tc_write(req, "own");
}

static void a_preflight_from_elsewhere_is_a_403(void **state) {
    (void)state;
    use_cors(&app_only);
    const tc_http_response_t *response = preflight("https://evil.example", "/");
    assert_int_equal(tc_http_response_status(response), 403);
    assert_string_equal(get(response, "Access-Control-Allow-Origin"), "");
    assert_string_equal(get(response, "Access-Control-Allow-Methods"), "");
    assert_log("403 OPTIONS / (127.0.0.1): the origin https://evil.example is not allowed");
}

static void options_that_are_no_preflight_are_the_handlers(void **state) {
    (void)state;
    use_options(NULL);
    route("/", HANDLER(.get = greets, .options = own_options, .cors = &app_only));
    assert_string_equal(ask_by("OPTIONS", "/"), "200 own");
    assert_int_equal(tc_http_response_status(preflight(APP, "/")), 204);
}

static int login_needed(tc_request_t *req) {
    return tc_http_error(req, 403, "log in");
}

static void a_group_has_it_for_all_its_routes(void **state) {
    (void)state;
    {
        char origin[] = APP; /* all is copied */
        const char *origins[] = { origin, NULL };
        tc_cors_options_t cors = { .origins = origins };
        use_options(NULL);
        tc_router_t *api = tc_application_group(app, "/api", HANDLER(.cors = &cors, .admit = login_needed));
        memset(origin, 'x', sizeof origin - 1);
        origins[0] = NULL;
        memset(&cors, 0xff, sizeof cors);
        tc_router_add(api, "/items", HANDLER(.get = greets), NULL);
        tc_router_add(api, "/public", HANDLER(.get = greets, .cors = &(tc_cors_options_t){ .origins = ORIGINS("*") }),
                      NULL);
    }
    serve();
    assert_string_equal(get(from(APP, "/api/items"), "Access-Control-Allow-Origin"), APP);
    assert_string_equal(get(from(APP, "/api/public"), "Access-Control-Allow-Origin"), "*");
    assert_int_equal(tc_http_response_status(preflight(APP, "/api/items")), 204); /* nobody is logged in yet */
    forget_log();
}

static void an_applications_404_may_be_read_too(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .base = HANDLER(.cors = &app_only) });
    route("/", HANDLER(.get = greets));
    serve();
    assert_string_equal(get(from(APP, "/nowhere"), "Access-Control-Allow-Origin"), APP);
    assert_string_equal(get(from(APP, "/"), "Access-Control-Allow-Origin"), APP);
}

static void options_are_checked_when_registered(void **state) {
    (void)state;
    const tc_cors_options_t bad[] = {
        { 0 },
        { .origins = (const char *const[]){ NULL } },
        { .origins = ORIGINS("*"), .credentials = true },
        { .origins = ORIGINS("*", APP) },
        { .origins = ORIGINS(APP, "*") },
        { .origins = ORIGINS("null") },
        { .origins = ORIGINS("app.example.com") },
        { .origins = ORIGINS(APP "/") },
        { .origins = ORIGINS(APP "?a") },
        { .origins = ORIGINS("https://x@app.example.com") },
        { .origins = ORIGINS("") },
        { .origins = ORIGINS(APP), .methods = "GET\r\n" },
        { .origins = ORIGINS(APP), .headers = "X-A\n" },
        { .origins = ORIGINS(APP), .expose_headers = "\x01" },
        { .origins = ORIGINS(APP), .reserved = { 1 } },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        use_options(NULL);
        if (tc_application_add(app, "/", HANDLER(.get = greets, .cors = &bad[i]), NULL) != TC_EINVAL)
            fail_msg("accepted: %zu", i);
        use_options(NULL);
        assert_null(tc_application_group(app, "/x", HANDLER(.cors = &bad[i])));
        use_options(&(tc_application_options_t){ .base = HANDLER(.cors = &bad[i]) });
        assert_int_equal(tc_application_error(app), TC_EINVAL);
        forget_log();
    }
}

/* ---- With XSRF tokens ---- */

#define TOKEN "2|00000000|000102030405060708090a0b0c0d0e0f|1300000000"

static int post_status(const char *origin, const char *site, const char *token) {
    return tc_http_response_status(tc_test_client_fetch(
        client, "/",
        FETCH(.method = "POST", .headers = HEADERS("Cookie", "_xsrf=" TOKEN, "Origin", origin, "Sec-Fetch-Site", site,
                                                   "X-XSRFToken", token))));
}

static void a_listed_origin_may_change_things_with_its_token(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .xsrf_cookies = true });
    route("/", HANDLER(.post = greets, .cors = &app_only));
    serve();
    assert_int_equal(post_status(APP, "cross-site", TOKEN), 200);
    assert_int_equal(post_status(APP, "cross-site", "2|x"), 403);
    assert_int_equal(post_status("https://evil.example", "cross-site", TOKEN), 403);
    forget_log();
}

static void a_star_trusts_nobody_to_change_things(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .xsrf_cookies = true });
    route("/", HANDLER(.post = greets, .cors = &(tc_cors_options_t){ .origins = ORIGINS("*") }));
    serve();
    assert_int_equal(post_status(APP, "cross-site", TOKEN), 403);
    assert_int_equal(post_status("*", "cross-site", TOKEN), 403);
    assert_int_equal(post_status(APP, "same-origin", TOKEN), 200);
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(each_answer_has_an_id_of_its_own),
        WEB_TEST(lines_of_the_log_begin_with_it),
        WEB_TEST(without_the_option_it_is_made_when_asked_for),
        WEB_TEST(a_clients_id_is_not_taken),
        WEB_TEST(a_proxys_id_is_if_it_is_trusted_and_well_formed),
        WEB_TEST(without_random_bytes_there_is_no_id_and_all_goes_on),
        WEB_TEST(https_is_said_to_be_all_there_is_over_https),
        WEB_TEST(what_is_no_such_field_is_refused),
        WEB_TEST(pages_of_listed_origins_may_read_answers),
        WEB_TEST(pages_of_others_may_not),
        WEB_TEST(routes_without_it_say_nothing),
        WEB_TEST(error_pages_may_be_read_too),
        WEB_TEST(all_origins_are_a_star_and_never_with_credentials),
        WEB_TEST(a_preflight_is_answered_by_itself),
        WEB_TEST(a_preflight_tells_what_the_options_say),
        WEB_TEST(a_preflight_from_elsewhere_is_a_403),
        WEB_TEST(options_that_are_no_preflight_are_the_handlers),
        WEB_TEST(a_group_has_it_for_all_its_routes),
        WEB_TEST(an_applications_404_may_be_read_too),
        WEB_TEST(options_are_checked_when_registered),
        WEB_TEST(a_listed_origin_may_change_things_with_its_token),
        WEB_TEST(a_star_trusts_nobody_to_change_things),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
