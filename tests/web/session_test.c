/* session_test.c - what is kept in a signed cookie comes back with the browser, and nothing else does. */
#include <tornadoc/auth.h>

#include "web/web_test.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static int remembers(tc_request_t *req) { /* ?name=&value= */
    int err = tc_session_set(req, tc_get_argument(req, "name", NULL), tc_get_argument(req, "value", NULL));
    return err < 0 ? err : tc_write(req, "kept");
}

static int recalls(tc_request_t *req) {
    const char *value = tc_session_get(req, tc_get_argument(req, "name", ""));
    return tc_write(req, value ? value : "nothing");
}

static int keeps_two(tc_request_t *req) {
    tc_session_set(req, "a", "1");
    tc_session_set(req, "b", "2");
    tc_session_set(req, "a", "3");
    return tc_writef(req, "%s %s", tc_session_get(req, "a"), tc_session_get(req, "b"));
}

static int forgets(tc_request_t *req) {
    tc_session_clear(req);
    return tc_write(req, tc_session_get(req, "a") ? "still there" : "forgotten");
}

static int forgets_and_begins_anew(tc_request_t *req) {
    tc_session_clear(req);
    tc_session_set(req, "c", "4");
    return tc_write(req, "anew");
}

static const tc_application_options_t with_secret = { .cookie_secret = SECRET };

static void use_sessions(const tc_application_options_t *options) {
    use_options(options);
    route("/set", HANDLER(.get = remembers));
    route("/get", HANDLER(.get = recalls));
    route("/two", HANDLER(.get = keeps_two));
    route("/clear", HANDLER(.get = forgets));
    route("/anew", HANDLER(.get = forgets_and_begins_anew));
    serve_as(&(tc_test_client_options_t){ .origin = "https://localhost" });
}

static const char *set_cookie(const char *path) {
    const char *set = tc_http_response_header(tc_test_client_fetch(client, path, NULL), "Set-Cookie");
    return set ? set : "";
}

static void what_is_kept_comes_back(void **state) {
    (void)state;
    use_sessions(&with_secret);
    assert_ask("/get?name=user", "200 nothing");
    assert_ask("/set?name=user&value=Zo%C3%AB+%26+%3B%3D%25", "200 kept");
    assert_ask("/set?name=theme&value=dark", "200 kept");
    assert_ask("/get?name=user", "200 Zo\xc3\xab & ;=%");
    assert_ask("/get?name=theme", "200 dark");
    assert_ask("/set?name=user", "200 kept");
    assert_ask("/get?name=user", "200 nothing");
    assert_ask("/get?name=theme", "200 dark");
}

static void changes_are_seen_at_once_and_make_one_cookie(void **state) {
    (void)state;
    use_sessions(&with_secret);
    assert_ask("/two", "200 3 2");
    assert_ask("/get?name=a", "200 3");
    assert_null(strstr(set_cookie("/two"), ", session="));
}

static void a_session_is_hidden_from_scripts_and_lives_30_days(void **state) {
    (void)state;
    use_sessions(&with_secret);
    const char *set = set_cookie("/two");
    assert_memory_equal(set, "session=2|1:0|", 14);
    assert_non_null(strstr(set, "; HttpOnly; Max-Age=2592000; Path=/; SameSite=Lax"));
    assert_string_equal(set_cookie("/get?name=a"), ""); /* only a change sets it */
}

static void its_cookie_is_as_the_options_say(void **state) {
    (void)state;
    use_sessions(&(tc_application_options_t){
        .cookie_secret = SECRET,
        .session_cookie_name = "__Host-s",
        .session_cookie_options = &(tc_cookie_options_t){ .max_age_ms = 60000, .samesite = TC_SAMESITE_STRICT } });
    const char *set = set_cookie("/two");
    assert_memory_equal(set, "__Host-s=2|", 11);
    assert_non_null(strstr(set, "; Max-Age=60; Path=/; SameSite=Strict; Secure"));
    ask("/two");
    assert_ask("/get?name=a", "200 3");
    char kept[200];
    snprintf(kept, sizeof kept, "__Host-s=%s", tc_test_client_cookie(client, "__Host-s"));
    tc_test_client_advance(client, 120000); /* whatever the browser thinks */
    assert_string_equal(ask_with("/get?name=a", FETCH(.headers = HEADERS("Cookie", kept))), "200 nothing");
}

static void a_session_that_was_changed_is_none(void **state) {
    (void)state;
    use_sessions(&with_secret);
    ask("/two");
    char changed[200];
    snprintf(changed, sizeof changed, "session=%s", tc_test_client_cookie(client, "session"));
    changed[strlen(changed) - 1] ^= 1;
    assert_int_equal(tc_test_client_set_cookie(client, changed), 0);
    assert_ask("/get?name=a", "200 nothing");
}

static void logging_out_forgets_all_of_it(void **state) {
    (void)state;
    use_sessions(&with_secret);
    ask("/two");
    assert_non_null(
        strstr(set_cookie("/clear"), "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=0; "));
    assert_ask("/clear", "200 forgotten");
    assert_null(tc_test_client_cookie(client, "session"));
    assert_ask("/get?name=a", "200 nothing");
    ask("/two");
    assert_ask("/anew", "200 anew");
    assert_ask("/get?name=a", "200 nothing");
    assert_ask("/get?name=c", "200 4");
}

static int fills(tc_request_t *req) { /* ?n= */
    int n = atoi(tc_get_argument(req, "n", "0"));
    return tc_session_set(req, "fill", tc_sprintf(req, "%0*d", n, 0));
}

static void more_than_a_cookie_holds_is_said_so(void **state) {
    (void)state;
    use_options(&with_secret);
    route("/fill", HANDLER(.get = fills));
    route("/get", HANDLER(.get = recalls));
    serve();
    assert_ask("/fill?n=2950", "200 ");
    assert_null(strstr(ask("/fill?n=3100"), "200"));
    assert_log("the handler failed: beyond a limit: the cookie session has ");
    assert_int_equal(strlen(ask("/get?name=fill")), 4 + 2950); /* what was there stays */
}

static void a_session_needs_a_secret(void **state) {
    (void)state;
    use_sessions(NULL);
    const char *const paths[] = { "/set?name=a&value=b", "/get?name=a", "/two", "/clear" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_int_equal(tc_http_response_status(tc_test_client_fetch(client, paths[i], NULL)), 500);
        assert_log("sessions need the application's cookie_secret");
        forget_log();
    }
}

static int is_late(tc_request_t *req) {
    tc_flush(req);
    int late = tc_session_set(req, "a", "b") == TC_EBUSY;
    late += tc_session_clear(req) == TC_EBUSY;
    return tc_writef(req, "%d", late);
}

static void misuse_is_told(void **state) {
    (void)state;
    use_options(&with_secret);
    route("/", HANDLER(.get = is_late));
    route("/set", HANDLER(.get = remembers));
    assert_string_equal(ask("/"), "200 2");
    assert_int_equal(tc_http_response_status(tc_test_client_fetch(client, "/set", NULL)), 500);
    assert_int_equal(tc_session_set(NULL, "a", "b"), TC_EINVAL);
    assert_int_equal(tc_session_clear(NULL), TC_EINVAL);
    assert_null(tc_session_get(NULL, "a"));
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(what_is_kept_comes_back),
        WEB_TEST(changes_are_seen_at_once_and_make_one_cookie),
        WEB_TEST(a_session_is_hidden_from_scripts_and_lives_30_days),
        WEB_TEST(its_cookie_is_as_the_options_say),
        WEB_TEST(a_session_that_was_changed_is_none),
        WEB_TEST(logging_out_forgets_all_of_it),
        WEB_TEST(more_than_a_cookie_holds_is_said_so),
        WEB_TEST(a_session_needs_a_secret),
        WEB_TEST(misuse_is_told),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
