/* security_out_of_memory_test.c - each allocation fails in turn, once and from then on, with cookies, users, tokens,
 * sessions and other origins: never is a check passed for want of memory. */
#include <tornadoc/auth.h>

#include "web/each_allocation.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define TOKEN "2|00000000|000102030405060708090a0b0c0d0e0f|1300000000"
#define APP "https://app.example.com"

static const tc_cors_options_t cors = { .origins = (const char *const[]){ APP, NULL },
                                        .credentials = true,
                                        .methods = "GET",
                                        .headers = "X-A",
                                        .expose_headers = "X-B" };

static int sets_cookies(tc_request_t *req) {
    tc_set_cookie(req, "a", "quoted;", &(tc_cookie_options_t){ .domain = "example.com", .max_age_ms = 1000 });
    tc_set_cookie(req, "a", "again", NULL);
    tc_clear_cookie(req, "b", NULL);
    tc_set_signed_cookie(req, "c", "signed", NULL);
    return tc_write(req, "set");
}

static int sets_and_fails(tc_request_t *req) {
    sets_cookies(req);
    return tc_http_error(req, 404, "none");
}

static void *user_of(tc_request_t *req) {
    return (void *)(uintptr_t)tc_get_signed_cookie(req, "user", TC_FOREVER);
}

static int greets(tc_request_t *req) {
    note("reached ");
    return tc_writef(req, "hello %s", (const char *)tc_current_user(req));
}

static int reaches(tc_request_t *req) {
    note("reached ");
    return tc_write(req, "reached");
}

static int shows_form(tc_request_t *req) {
    return tc_writef(req, "%s %s", tc_xsrf_form_html(req), tc_request_id(req));
}

static int uses_session(tc_request_t *req) {
    const char *a = tc_session_get(req, "a");
    tc_session_set(req, "a", "1");
    tc_session_set(req, "b", "2");
    tc_session_set(req, "a", NULL);
    return tc_write(req, a ? a : "-");
}

static int leaves_session(tc_request_t *req) {
    tc_session_clear(req);
    return tc_write(req, "left");
}

static int staff_only(tc_request_t *req) {
    return tc_require_basic_auth(req, "Staff", "zoe", "secret");
}

static int goes_on(tc_request_t *req) {
    return tc_redirect(req, tc_get_next_url(req, "/"), 303);
}

static void make_app(void) {
    const tc_signing_key_t keys[] = { { 0, SECRET }, { 3, SECRET SECRET }, { 0, NULL } };
    app = tc_application_new(&(tc_application_options_t){
        .base = HANDLER(.get_current_user = user_of, .cors = &cors),
        .cookie_secrets = keys,
        .login_url = "/login",
        .xsrf_cookies = true,
        .xsrf_cookie_options = &(tc_cookie_options_t){ .domain = "example.com", .path = "/" },
        .request_ids = true,
        .strict_transport_security = "max-age=1",
    });
    tc_application_add(app, "/cookies", HANDLER(.get = sets_cookies), NULL);
    tc_application_add(app, "/fails", HANDLER(.get = sets_and_fails), NULL);
    tc_application_add(app, "/user", HANDLER(.get = greets, .post = greets, .flags = TC_LOGIN_REQUIRED), NULL);
    tc_application_add(app, "/form", HANDLER(.get = shows_form, .post = reaches), NULL);
    tc_application_add(app, "/session", HANDLER(.get = uses_session), NULL);
    tc_application_add(app, "/leave", HANDLER(.get = leaves_session), NULL);
    tc_application_add(app, "/next", HANDLER(.get = goes_on), NULL);
    tc_router_t *group = tc_application_group(app, "/staff", HANDLER(.admit = staff_only, .cors = &cors));
    tc_router_add(group, "/", HANDLER(.get = reaches, .cors = &cors), NULL);
}

/* ---- Requests ---- */

static char signed_user[200];

/* "name=2|1:0|…" */
static void sign_cookie(char *out, size_t size, const char *name, const char *value) {
    const tc_signing_key_t key = { 0, SECRET };
    size_t len = (size_t)snprintf(out, size, "%s=", name);
    int signed_len = tc_create_signed_value(out + len, size - len, &key, name, tc_str(value), (int64_t)time(NULL));
    assert_in_range(signed_len, 1, size - len - 1);
}

static const struct {
    const char *path, *method, *body, *cookie, *field, *value;
    int status;
    bool reaches;
} requests[] = {
    { "/cookies", "GET", NULL, "", "X-A", "", 200, false },
    { "/fails", "GET", NULL, "", "Origin", APP, 404, false },
    { "/user", "GET", NULL, signed_user, "X-A", "", 200, true },
    { "/user?a=b", "GET", NULL, "", "X-A", "", 302, false },
    { "/user", "POST", "_xsrf=" TOKEN, "_xsrf=" TOKEN, "X-A", "", 403, false },
    { "/user", "GET", NULL, "user=2|1:0|10:1300000000|4:user|4:WmrD|", "X-A", "", 302, false },
    { "/form", "GET", NULL, "", "X-A", "", 200, false },
    { "/form", "POST", "_xsrf=" TOKEN, "_xsrf=" TOKEN, "X-A", "", 200, true },
    { "/form", "POST", "_xsrf=" TOKEN, "", "X-A", "", 403, false },
    { "/form", "POST", "a=b", "_xsrf=" TOKEN, "X-XSRFToken", TOKEN, 200, true },
    { "/form", "POST", "a=b", "_xsrf=" TOKEN, "Sec-Fetch-Site", "cross-site", 403, false },
    { "/form", "POST", "a=b", "_xsrf=" TOKEN, "X-CSRFToken", "2|x", 403, false },
    { "/session", "GET", NULL, "", "X-A", "", 200, false },
    { "/leave", "GET", NULL, "", "X-A", "", 200, false },
    { "/staff/", "GET", NULL, "", "Authorization", "Basic em9lOnNlY3JldA==", 200, true },
    { "/staff/", "GET", NULL, "", "Authorization", "Basic em9lOnM=", 401, false },
    { "/staff/", "OPTIONS", NULL, "", "Access-Control-Request-Method", "GET", 204, false },
    { "/next?next=/x", "GET", NULL, "", "X-A", "", 303, false },
    { "/nowhere", "GET", NULL, "", "Origin", APP, 404, false },
};

static int request(size_t i) {
    tc_fetch_options_t options = {
        .method = requests[i].method,
        .headers = HEADERS("Cookie", requests[i].cookie, requests[i].field, requests[i].value,
                           strcmp(requests[i].method, "OPTIONS") == 0 ? "Origin" : NULL, APP),
        .body = tc_str(requests[i].body),
    };
    return tc_http_response_status(tc_test_client_fetch(client, requests[i].path, &options));
}

static void each_allocation_of_a_request_may_fail(void **state) {
    (void)state;
    stop_serving();
    sign_cookie(signed_user, sizeof signed_user, "user", "Zoe");
    for (size_t i = 0; i < COUNT(requests); i++)
        fail_each_allocation(&(tried_request_t){ make_app, request, i, requests[i].method, requests[i].path,
                                                 requests[i].status, requests[i].reaches ? NULL : "reached", 500 });
}

/* ---- Sessions ---- */

/* "x=9", or with what the handler adds to it; "": no session was set. */
static const char *session_set_by(const tc_http_response_t *response) {
    static char text[4096];
    const tc_signing_key_t keys[] = { { 0, SECRET }, { 0, NULL } };
    const char *set = response ? tc_http_response_header(response, "Set-Cookie") : NULL;
    if (!set)
        return "";
    tc_bytes_t value = tc_bytes(set + strlen("session="), strcspn(set, ";") - strlen("session="));
    int64_t tomorrow = (int64_t)time(NULL) + 86400; /* the client's clock is ahead */
    assert_true(tc_decode_signed_value(text, sizeof text, keys, "session", value, TC_FOREVER, tomorrow) >= 0);
    return text;
}

static bool keeps_session(const char *cookie, long nth, bool for_good) {
    const tc_fetch_options_t options = { .headers = HEADERS("Cookie", cookie) };
    make_app();
    serve();
    fail_allocation(nth, for_good);
    const tc_http_response_t *response = tc_test_client_fetch(client, "/session", &options);
    bool complete = atomic_load(&memory.calls) < nth;
    allow_allocations();
    const char *session = session_set_by(response);
    if (*session ? !strstr(session, "x=9") : complete)
        fail_msg("allocation %ld: the session became \"%s\"", nth, session);
    stop_serving();
    forget_log();
    return complete;
}

/* Not by the page of the failure either, which keeps the cookies that were set before it. It is so large that a
 * request's first block of memory does not hold it. */
static void a_session_that_could_not_be_read_is_not_overwritten(void **state) {
    (void)state;
    char value[2500] = "x=9", cookie[4096];
    stop_serving();
    memset(value + strlen(value), '9', sizeof value - strlen(value) - 1);
    sign_cookie(cookie, sizeof cookie, "session", value);
    for (int for_good = 0; for_good < 2; for_good++)
        for (long nth = 1; !keeps_session(cookie, nth, for_good); nth++)
            assert_true(nth < 500);
}

static void each_allocation_of_an_application_may_fail(void **state) {
    (void)state;
    stop_serving();
    for (int for_good = 0; for_good < 2; for_good++) {
        bool complete = false;
        for (long nth = 1; !complete; nth++) {
            fail_allocation(nth, for_good);
            make_app();
            complete = atomic_load(&memory.calls) < nth;
            allow_allocations();
            int err = tc_application_error(app);
            assert_int_equal(err, complete ? 0 : TC_ENOMEM);
            tc_application_free(app);
            app = NULL;
            assert_true(nth < 500);
        }
    }
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(each_allocation_of_an_application_may_fail),
        WEB_TEST(each_allocation_of_a_request_may_fail),
        WEB_TEST(a_session_that_could_not_be_read_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
