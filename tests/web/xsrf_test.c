/* xsrf_test.c - what comes from our pages gets through, what others forge does not; whatever the body is. */
#include "web/web_test.h"

#include "util/file_calls_internal.h"

/* A token of 16 bytes 00 to 0f, under two masks. */
#define TOKEN "2|00000000|000102030405060708090a0b0c0d0e0f|1300000000"
#define MASKED "2|ffffffff|fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0|1300000001"
#define OTHER "2|00000000|000102030405060708090a0b0c0d0e00|1300000000"
#define COOKIE "Cookie", "_xsrf=" TOKEN

static int shows_form(tc_request_t *req) {
    return tc_writef(req, "<form>%s</form>", tc_xsrf_form_html(req));
}

static int shows_token(tc_request_t *req) {
    return tc_write(req, tc_xsrf_token(req));
}

static int shows_token_twice(tc_request_t *req) {
    tc_writef(req, "%s ", tc_xsrf_token(req));
    return tc_write(req, tc_xsrf_token(req));
}

static int changes(tc_request_t *req) {
    note("changed ");
    return tc_write(req, "changed");
}

static int prepares(tc_request_t *req) {
    (void)req;
    note("prepared ");
    return 0;
}

static int admits(tc_request_t *req) {
    (void)req;
    note("admitted ");
    return 0;
}

static int receives(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    note("received %zu ", chunk.len);
    return 0;
}

static int begins_part(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    note("part %s ", tc_http_file_field(part));
    return 0;
}

static void use_xsrf(const tc_application_options_t *options) {
    use_options(options);
    route("/form", HANDLER(.get = shows_form, .any = changes));
    route("/token", HANDLER(.get = shows_token));
    route("/twice", HANDLER(.get = shows_token_twice));
    route("/change", HANDLER(.any = changes, .prepare = prepares, .admit = admits));
    route("/stream", HANDLER(.post = changes, .admit = admits, .body = TC_BODY_STREAM, .data_received = receives));
    route("/upload", HANDLER(.post = changes, .body = TC_BODY_FORM));
    route("/parts", HANDLER(.post = changes, .body = TC_BODY_FORM, .part_begin = begins_part));
    route("/spool", HANDLER(.post = changes, .body = TC_BODY_SPOOL));
    route("/none", HANDLER(.delete_ = changes, .body = TC_BODY_REFUSE));
    route("/api", HANDLER(.post = changes, .flags = TC_NO_XSRF));
    serve();
}

static const tc_application_options_t with_xsrf = { .xsrf_cookies = true };

/* The status; what was refused is in the log, in these words. */
static int status_of(const char *path, const tc_fetch_options_t *options) {
    return tc_http_response_status(tc_test_client_fetch(client, path, options));
}

#define assert_refused(path, options, words)             \
    do {                                                 \
        assert_int_equal(status_of(path, options), 403); \
        assert_log(words);                               \
        assert_null(strstr(noted(), "changed"));         \
    } while (0)

#define assert_changed(path, options)                    \
    do {                                                 \
        assert_int_equal(status_of(path, options), 200); \
        assert_non_null(strstr(noted(), "changed"));     \
    } while (0)

#define POST(text, ...) FETCH(.body = tc_str(text), .headers = HEADERS(__VA_ARGS__))

/* ---- Making tokens ---- */

static void the_cookie_is_set_with_the_first_token(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    const tc_http_response_t *response = tc_test_client_fetch(client, "/token", NULL);
    const char *cookie = tc_http_response_header(response, "Set-Cookie");
    assert_non_null(cookie);
    assert_memory_equal(cookie, "_xsrf=2|", 8);
    assert_non_null(strstr(cookie, "; Path=/; SameSite=Lax"));
    assert_null(strstr(cookie, "Max-Age"));
    assert_int_equal(strcspn(cookie + 6, ";"), tc_http_response_body(response).len);
}

static void a_token_belongs_to_the_cookie_and_never_looks_the_same(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    char first[8192], again[8192];
    snprintf(first, sizeof first, "%s", ask_with("/token", FETCH(.headers = HEADERS(COOKIE))));
    snprintf(again, sizeof again, "%s", ask_with("/token", FETCH(.headers = HEADERS(COOKIE))));
    assert_string_not_equal(first, again);
    assert_changed("/change", FETCH(.method = "POST", .headers = HEADERS(COOKIE, "X-XSRFToken", first + 4)));
    assert_changed("/change", FETCH(.method = "POST", .headers = HEADERS(COOKIE, "X-XSRFToken", again + 4)));
    const tc_http_response_t *response = tc_test_client_fetch(client, "/token", FETCH(.headers = HEADERS(COOKIE)));
    assert_null(tc_http_response_header(response, "Set-Cookie"));
}

static void one_answer_shows_one_token(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    const char *answer = ask("/twice");
    const char *second = strrchr(answer, ' ') + 1;
    assert_memory_equal(answer + 4, second, strlen(second));
}

static void a_form_carries_it_in_a_hidden_field(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    const tc_http_response_t *response = tc_test_client_fetch(client, "/form", NULL);
    char html[300], cookie[200], body[200];
    snprintf(html, sizeof html, "%s", tc_http_response_body(response).data);
    snprintf(cookie, sizeof cookie, "%s", tc_http_response_header(response, "Set-Cookie"));
    *strchr(cookie, ';') = '\0';
    char *value = strstr(html, "<form><input type=\"hidden\" name=\"_xsrf\" value=\"");
    assert_ptr_equal(value, html);
    value = strstr(html, "value=\"") + 7;
    assert_string_equal(strchr(value, '"'), "\"/></form>");
    *strchr(value, '"') = '\0';
    snprintf(body, sizeof body, "a=b&_xsrf=%s", value);
    assert_changed("/form", FETCH(.body = tc_str(body), .headers = HEADERS("Cookie", cookie)));
}

static void without_the_option_nothing_is_checked(void **state) {
    (void)state;
    use_xsrf(NULL);
    assert_changed("/change", FETCH(.method = "POST"));
    assert_changed("/change", FETCH(.method = "POST", .headers = HEADERS("Sec-Fetch-Site", "cross-site")));
}

static char user[] = "Zoe";

static void *always_zoe(tc_request_t *req) {
    (void)req;
    return user;
}

static void the_cookie_is_as_the_options_say(void **state) {
    (void)state;
    use_xsrf(&(tc_application_options_t){
        .xsrf_cookies = true,
        .xsrf_cookie_name = "__Host-xsrf",
        .xsrf_cookie_options = &(tc_cookie_options_t){ .httponly = true, .samesite = TC_SAMESITE_STRICT } });
    const char *cookie = tc_http_response_header(tc_test_client_fetch(client, "/token", NULL), "Set-Cookie");
    assert_non_null(cookie);
    assert_memory_equal(cookie, "__Host-xsrf=2|", 14);
    assert_non_null(strstr(cookie, "; HttpOnly; Path=/; SameSite=Strict; Secure"));
    assert_changed("/change", POST("_xsrf=" MASKED, "Cookie", "__Host-xsrf=" TOKEN));
    assert_refused("/change", POST("_xsrf=" MASKED, COOKIE), "cookie is missing");
}

static void the_cookie_of_a_user_lives_30_days(void **state) {
    (void)state;
    use_xsrf(&(tc_application_options_t){ .xsrf_cookies = true, .base = HANDLER(.get_current_user = always_zoe) });
    const char *cookie = tc_http_response_header(tc_test_client_fetch(client, "/token", NULL), "Set-Cookie");
    assert_non_null(strstr(cookie, "; Max-Age=2592000; Path=/"));
}

static void options_of_the_cookie_are_checked_when_the_application_is_made(void **state) {
    (void)state;
    const tc_application_options_t bad[] = {
        { .xsrf_cookies = true, .xsrf_cookie_name = "a b" },
        { .xsrf_cookies = true, .xsrf_cookie_options = &(tc_cookie_options_t){ .path = ";" } },
        { .xsrf_cookies = true,
          .xsrf_cookie_name = "__Host-x",
          .xsrf_cookie_options = &(tc_cookie_options_t){ .domain = "example.com" } },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        use_options(&bad[i]);
        assert_int_equal(tc_application_error(app), TC_EINVAL);
        forget_log();
    }
}

/* ---- Checking them ---- */

static void safe_methods_need_no_token(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    const char *const methods[] = { "GET", "HEAD", "OPTIONS" };
    for (size_t i = 0; i < COUNT(methods); i++)
        assert_changed("/change", FETCH(.method = methods[i], .headers = HEADERS("Sec-Fetch-Site", "cross-site")));
}

static void all_other_methods_need_one(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    const char *const methods[] = { "POST", "PUT", "DELETE", "PATCH", "TRACE" };
    for (size_t i = 0; i < COUNT(methods); i++) {
        assert_refused("/change", FETCH(.method = methods[i], .headers = HEADERS(COOKIE)),
                       "no XSRF token: the argument _xsrf is missing from X-XSRFToken and the query");
        assert_changed("/change", FETCH(.method = methods[i], .headers = HEADERS(COOKIE, "X-XSRFToken", MASKED)));
    }
}

static void a_token_comes_as_an_argument_or_a_field(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    assert_changed("/change", POST("_xsrf=" MASKED, COOKIE));
    assert_changed("/change", POST("a=b&_xsrf=" TOKEN, COOKIE));
    assert_changed("/change?_xsrf=" MASKED, POST("a=b", COOKIE));
    assert_changed("/change", POST("a=b", COOKIE, "X-XSRFToken", MASKED));
    assert_changed("/change", POST("a=b", COOKIE, "X-CSRFToken", MASKED));
    assert_changed("/change", FETCH(.body = tc_str("{}"), .content_type = "application/json",
                                    .headers = HEADERS(COOKIE, "X-XSRFToken", MASKED)));
    assert_changed("/change",
                   FETCH(.body = tc_str("--b\r\nContent-Disposition: form-data; name=_xsrf\r\n\r\n" MASKED "\r\n--b--"),
                         .content_type = "multipart/form-data; boundary=b", .headers = HEADERS(COOKIE)));
}

static void a_field_goes_before_an_argument(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    assert_refused("/change", POST("_xsrf=" MASKED, COOKIE, "X-XSRFToken", OTHER), "does not match");
    assert_refused("/change?_xsrf=" OTHER, POST("_xsrf=" MASKED, COOKIE), "does not match");
}

static void what_does_not_match_is_refused_before_anything_runs(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    assert_refused("/change", POST("_xsrf=" OTHER, COOKIE),
                   "403 POST /change (127.0.0.1): the XSRF cookie does not "
                   "match the argument");
    assert_int_equal(status_of("/change", POST("a=b", COOKIE, "X-XSRFToken", OTHER)), 403);
    assert_log("does not match");
    assert_string_equal(noted(), "");
    assert_int_equal(status_of("/change", POST("a=b", COOKIE)), 403);
    assert_log("no XSRF token: the argument _xsrf is missing");
    assert_string_equal(noted(), "admitted "); /* the token might have been in the body; prepare never ran */
    assert_int_equal(status_of("/change", POST("_xsrf=" MASKED, "X-A", "b")), 403);
    assert_log("the XSRF cookie is missing");
    assert_string_equal(noted(), "");
}

static void what_is_no_token_is_none(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    const char *const bad[] = {
        "",
        "x",
        "xoxo",
        "2|",
        "000102030405060708090a0b0c0d0e0f", /* version 1 */
        "2|00000000|000102030405060708090a0b0c0d0e0f",
        "2|00000000|000102030405060708090a0b0c0d0e0f|",
        "2|00000000|000102030405060708090a0b0c0d0e0f|x",
        "2|00000000|000102030405060708090a0b0c0d0e|1300000000",
        "2|00000000|000102030405060708090a0b0c0d0e0f00|1300000000",
        "2|0000000g|000102030405060708090a0b0c0d0e0f|1300000000",
        "2|00000000|000102030405060708090a0b0c0d0e0g|1300000000",
        "2|00000000000102030405060708090a0b0c0d0e0f||1300000000",
        "1|00000000|000102030405060708090a0b0c0d0e0f|1300000000",
        "3|00000000|000102030405060708090a0b0c0d0e0f|1300000000",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char cookie[100];
        snprintf(cookie, sizeof cookie, "_xsrf=%s", bad[i]);
        assert_refused("/change", POST("a=b", COOKIE, "X-XSRFToken", bad[i]), "is no token");
        assert_refused("/change", POST("a=b", "Cookie", cookie, "X-XSRFToken", bad[i]), "or holds no token");
        const char *set = tc_http_response_header(
            tc_test_client_fetch(client, "/token", FETCH(.headers = HEADERS("Cookie", cookie))), "Set-Cookie");
        assert_non_null(set); /* a new one */
    }
}

static void a_form_that_is_none_is_a_400_as_ever(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    assert_int_equal(
        status_of("/change", FETCH(.body = tc_str("--b\r\nContent-Dis"),
                                   .content_type = "multipart/form-data; boundary=b", .headers = HEADERS(COOKIE))),
        400);
    forget_log();
    noted();
}

static void routes_may_do_without(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    assert_changed("/api", POST("a=b", "Sec-Fetch-Site", "cross-site"));
}

static void what_is_no_route_is_a_404(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    assert_int_equal(status_of("/nowhere", POST("a=b", "X-A", "b")), 404);
    assert_int_equal(status_of("/token", POST("a=b", "X-A", "b")), 405);
}

/* ---- Bodies that come piece by piece ---- */

static void a_stream_needs_it_in_the_head(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    assert_int_equal(status_of("/stream", POST("_xsrf=" MASKED, COOKIE)), 403);
    assert_log("the argument _xsrf is missing from X-XSRFToken and the query");
    assert_string_equal(noted(), "");
    assert_changed("/stream", POST("body", COOKIE, "X-XSRFToken", MASKED));
    assert_changed("/stream?_xsrf=" MASKED, POST("body", COOKIE));
}

#define MULTIPART(text, ...) \
    FETCH(.body = tc_str(text), .content_type = "multipart/form-data; boundary=b", .headers = HEADERS(__VA_ARGS__))
#define FILE_THEN_TOKEN                                                         \
    "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\ntext\r\n" \
    "--b\r\nContent-Disposition: form-data; name=_xsrf\r\n\r\n" MASKED "\r\n--b--"

static void a_large_form_may_carry_it_if_nobody_looks_in_between(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    assert_changed("/upload", MULTIPART(FILE_THEN_TOKEN, COOKIE));
    assert_refused("/upload", MULTIPART("--b\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--b--", COOKIE),
                   "no XSRF token");
    assert_int_equal(status_of("/parts", MULTIPART(FILE_THEN_TOKEN, COOKIE)), 403);
    assert_log("the argument _xsrf is missing from X-XSRFToken and the query");
    assert_string_equal(noted(), "");
    assert_changed("/parts", MULTIPART(FILE_THEN_TOKEN, COOKIE, "X-XSRFToken", MASKED));
}

static void a_body_in_a_file_needs_it_in_the_head_a_small_one_does_not(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    static char large[100000];
    memset(large, 'a', sizeof large - 1);
    memcpy(large, "_xsrf=" MASKED "&b=", strlen("_xsrf=" MASKED "&b="));
    assert_changed("/spool", POST("_xsrf=" MASKED, COOKIE));
    assert_refused("/spool", POST(large, COOKIE), "no XSRF token");
    assert_changed("/spool", POST(large, COOKIE, "X-XSRFToken", MASKED));
    assert_refused("/none", FETCH(.method = "DELETE", .headers = HEADERS(COOKIE)), "no XSRF token");
    assert_changed("/none", FETCH(.method = "DELETE", .headers = HEADERS(COOKIE, "X-XSRFToken", MASKED)));
}

/* ---- What the browser says ---- */

#define SENT_WITH(...) POST("_xsrf=" MASKED, COOKIE, __VA_ARGS__)

static void pages_of_other_sites_are_refused_with_a_token_too(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    const char *const sites[] = { "cross-site", "same-site", "Same-Origin", "", "same-origin, none" };
    for (size_t i = 0; i < COUNT(sites); i++)
        assert_refused("/change", SENT_WITH("Sec-Fetch-Site", sites[i]), "a page of another site (no Origin)");
    assert_changed("/change", SENT_WITH("Sec-Fetch-Site", "same-origin"));
    assert_changed("/change", SENT_WITH("Sec-Fetch-Site", "none"));
}

static void sec_fetch_site_goes_before_origin(void **state) {
    (void)state;
    use_xsrf(&with_xsrf); /* behind a proxy that names another Host */
    assert_changed("/change", SENT_WITH("Sec-Fetch-Site", "same-origin", "Origin", "https://example.com"));
    assert_refused("/change", SENT_WITH("Sec-Fetch-Site", "cross-site", "Origin", "http://localhost"),
                   "a page of another site (http://localhost)");
}

static void an_origin_is_our_own_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *host, *origin;
        bool own;
    } cases[] = {
        { "example.com", "http://example.com", true },
        { "example.com", "https://example.com", true }, /* a proxy takes the TLS off */
        { "Example.COM", "https://example.com", true },
        { "example.com:8888", "http://example.com:8888", true },
        { "example.com:80", "http://example.com", true },
        { "example.com:443", "https://example.com", true },
        { "[::1]:8888", "http://[::1]:8888", true },
        { "example.com:443", "http://example.com", false },
        { "example.com", "http://example.com:8888", false },
        { "example.com:8888", "http://example.com", false },
        { "example.com", "https://evil.example", false },
        { "example.com", "https://example.com.evil.example", false },
        { "example.com", "https://sub.example.com", false },
        { "example.com", "https://x@example.com", false },
        { "example.com", "https://example.com/", false },
        { "example.com", "https://example.com https://example.com", false },
        { "example.com", "file://example.com", false },
        { "example.com", "example.com", false },
        { "example.com", "null", false },
        { "example.com", "", false },
    };
    use_xsrf(&with_xsrf);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const tc_fetch_options_t *options = SENT_WITH("Host", cases[i].host, "Origin", cases[i].origin);
        int status = status_of("/change", options);
        if (status != (cases[i].own ? 200 : 403))
            fail_msg("%s from %s: %d", cases[i].host, cases[i].origin, status);
        noted();
    }
    assert_int_equal(status_of("/change", SENT_WITH("Origin", "http://localhost", "Origin", "http://localhost")), 403);
    forget_log();
}

/* ---- Checking by hand ---- */

static int checks(tc_request_t *req) {
    TC_TRY(tc_check_xsrf_cookie(req));
    TC_TRY(tc_check_xsrf_cookie(req));
    return changes(req);
}

static void a_handler_may_check_by_itself(void **state) {
    (void)state;
    route("/", HANDLER(.post = checks));
    serve();
    assert_changed("/", POST("_xsrf=" MASKED, COOKIE));
    assert_changed("/", POST("a=b", COOKIE, "X-CSRFToken", MASKED));
    assert_refused("/", POST("_xsrf=" OTHER, COOKIE), "does not match");
    assert_refused("/", POST("a=b", COOKIE), "no XSRF token");
    assert_refused("/", POST("_xsrf=" MASKED, "X-A", "b"), "cookie is missing");
    assert_int_equal(tc_check_xsrf_cookie(NULL), TC_EINVAL);
    assert_string_equal(tc_xsrf_token(NULL), "");
    assert_string_equal(tc_xsrf_form_html(NULL), "");
    forget_log();
}

static void the_cookie_is_the_same_where_nothing_is_checked(void **state) {
    (void)state;
    route("/", HANDLER(.get = shows_token));
    const char *cookie = tc_http_response_header(tc_test_client_fetch(serve(), "/", NULL), "Set-Cookie");
    assert_non_null(cookie);
    assert_non_null(strstr(cookie, "; Path=/; SameSite=Lax"));
    stop_serving();
    use_options(&(tc_application_options_t){ .xsrf_cookie_name = "__Host-xsrf" });
    route("/", HANDLER(.get = shows_token, .post = checks));
    cookie = tc_http_response_header(tc_test_client_fetch(serve(), "/", NULL), "Set-Cookie");
    assert_non_null(cookie);
    assert_memory_equal(cookie, "__Host-xsrf=2|", 14);
    assert_changed("/", POST("_xsrf=" MASKED, "Cookie", "__Host-xsrf=" TOKEN));
    assert_refused("/", POST("_xsrf=" MASKED, COOKIE), "cookie is missing");
}

/* ---- What can fail ---- */

static int random_calls, failing_call;

static int fails_at_times(void *data, size_t len) {
    memset(data, ++random_calls, len);
    return random_calls == failing_call ? -EIO : 0;
}

static void without_random_bytes_there_is_no_token(void **state) {
    (void)state;
    use_xsrf(&with_xsrf);
    int (*real)(void *, size_t) = tc__file_sys.random;
    tc__file_sys.random = fails_at_times;
    for (failing_call = 1; failing_call <= 3; failing_call++) {
        random_calls = 0;
        const tc_http_response_t *response = tc_test_client_fetch(client, "/form", NULL);
        assert_int_equal(tc_http_response_status(response), 500);
        assert_log("the handler failed");
    }
    tc__file_sys.random = real;
}

static int flushes_first(tc_request_t *req) {
    tc_write(req, "begun");
    tc_flush(req);
    return tc_write(req, tc_xsrf_token(req));
}

static void a_new_token_after_the_headers_is_a_failure(void **state) {
    (void)state;
    use_options(&with_xsrf);
    route("/", HANDLER(.get = flushes_first));
    serve();
    assert_string_equal(ask("/"), "cut");
    assert_log("tc_set_cookie after its headers were sent");
    assert_log("the handler failed");
    assert_int_equal(status_of("/", FETCH(.headers = HEADERS(COOKIE))), 200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(the_cookie_is_set_with_the_first_token),
        WEB_TEST(a_token_belongs_to_the_cookie_and_never_looks_the_same),
        WEB_TEST(one_answer_shows_one_token),
        WEB_TEST(a_form_carries_it_in_a_hidden_field),
        WEB_TEST(without_the_option_nothing_is_checked),
        WEB_TEST(the_cookie_is_as_the_options_say),
        WEB_TEST(the_cookie_of_a_user_lives_30_days),
        WEB_TEST(options_of_the_cookie_are_checked_when_the_application_is_made),
        WEB_TEST(safe_methods_need_no_token),
        WEB_TEST(all_other_methods_need_one),
        WEB_TEST(a_token_comes_as_an_argument_or_a_field),
        WEB_TEST(a_field_goes_before_an_argument),
        WEB_TEST(what_does_not_match_is_refused_before_anything_runs),
        WEB_TEST(what_is_no_token_is_none),
        WEB_TEST(a_form_that_is_none_is_a_400_as_ever),
        WEB_TEST(routes_may_do_without),
        WEB_TEST(what_is_no_route_is_a_404),
        WEB_TEST(a_stream_needs_it_in_the_head),
        WEB_TEST(a_large_form_may_carry_it_if_nobody_looks_in_between),
        WEB_TEST(a_body_in_a_file_needs_it_in_the_head_a_small_one_does_not),
        WEB_TEST(pages_of_other_sites_are_refused_with_a_token_too),
        WEB_TEST(sec_fetch_site_goes_before_origin),
        WEB_TEST(an_origin_is_our_own_or_refused),
        WEB_TEST(a_handler_may_check_by_itself),
        WEB_TEST(the_cookie_is_the_same_where_nothing_is_checked),
        WEB_TEST(without_random_bytes_there_is_no_token),
        WEB_TEST(a_new_token_after_the_headers_is_a_failure),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
