/* basic_auth_test.c - names and passwords in the Authorization field, and the answer that asks for them. */
#include <tornadoc/auth.h>

#include "util/base64_internal.h"
#include "web/web_test.h"

static const char *realm = "Staff";

static int staff_only(tc_request_t *req) {
    return tc_require_basic_auth(req, realm, "zoe", "s:cret");
}

static int greets(tc_request_t *req) {
    return tc_write(req, "hello");
}

static int shows(tc_request_t *req) {
    const char *user = "-", *password = "-";
    bool came = tc_get_basic_auth(req, &user, &password);
    return tc_writef(req, "%d %s %s", came, user, password);
}

static const char *basic(const char *scheme, const char *plain) {
    static char text[400];
    size_t len = strlen(scheme);
    memcpy(text, scheme, len);
    *tc__base64_encode(text + len, tc_str(plain)) = '\0';
    return text;
}

static const char *ask_as(const char *path, const char *authorization) {
    return ask_with(path, FETCH(.headers = HEADERS("Authorization", authorization)));
}

static void who_knows_both_gets_through(void **state) {
    (void)state;
    route("/", HANDLER(.get = greets, .admit = staff_only));
    assert_string_equal(ask_as("/", basic("Basic ", "zoe:s:cret")), "200 hello");
    assert_string_equal(ask_as("/", basic("basic  ", "zoe:s:cret")), "200 hello");
}

static void everybody_else_is_asked_for_them(void **state) {
    (void)state;
    route("/", HANDLER(.get = greets, .post = greets, .admit = staff_only));
    const char *const wrong[] = { "zoe:",       "zoe:s", "zoe:s:cre", "zoe:s:cret2", "zo:s:cret", ":s:cret",
                                  "Zoe:s:cret", ":",     "",          "zoe" };
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_string_equal(ask_as("/", basic("Basic ", wrong[i])),
                            "401 <html><title>401: Unauthorized</title><body>401: Unauthorized</body></html>");
    const tc_http_response_t *response = tc_test_client_fetch(client, "/", FETCH(.method = "POST"));
    assert_int_equal(tc_http_response_status(response), 401);
    assert_string_equal(tc_http_response_header(response, "WWW-Authenticate"),
                        "Basic realm=\"Staff\", charset=\"UTF-8\"");
}

static void the_realm_is_quoted(void **state) {
    (void)state;
    realm = "\"Staff\\\", Zo\xc3\xab";
    route("/", HANDLER(.get = greets, .admit = staff_only));
    assert_string_equal(tc_http_response_header(tc_test_client_fetch(serve(), "/", NULL), "WWW-Authenticate"),
                        "Basic realm=\"\\\"Staff\\\\\\\", Zo\xc3\xab\", charset=\"UTF-8\"");
    realm = "Staff";
}

static void a_realm_with_control_bytes_is_a_failure(void **state) {
    (void)state;
    const char *const bad[] = { "Staff\r\nX: y", "\x7f", "\xff", NULL };
    route("/", HANDLER(.get = greets, .admit = staff_only));
    for (size_t i = 0; i < COUNT(bad); i++) {
        realm = bad[i];
        assert_int_equal(tc_http_response_status(tc_test_client_fetch(serve(), "/", NULL)), 500);
        forget_log();
    }
    realm = "Staff";
}

static void what_came_is_told_apart_at_the_first_colon(void **state) {
    (void)state;
    route("/", HANDLER(.get = shows));
    assert_string_equal(ask_as("/", basic("Basic ", "zoe:s:cret")), "200 1 zoe s:cret");
    assert_string_equal(ask_as("/", basic("Basic ", ":")), "200 1  ");
    assert_string_equal(ask_as("/", basic("BASIC ", "Zo\xc3\xab:\xc3\xab")), "200 1 Zo\xc3\xab \xc3\xab");
}

static void what_is_not_well_formed_never_came(void **state) {
    (void)state;
    route("/", HANDLER(.get = shows));
    assert_string_equal(ask("/"), "200 0 - -");
    const char *const bad[] = { "",
                                "Basic",
                                "Basic ",
                                "Basic =",
                                "Basic em9l",
                                "Basic em9lOnM",
                                "Basic em9lOnM=x",
                                "Bearer em9lOnM=",
                                "Basicem9lOnM=",
                                "Basic em9l OnM=" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_string_equal(ask_as("/", bad[i]), "200 0 - -");
    assert_string_equal(ask_as("/", basic("Basic ", "zoe:\n")), "200 0 - -");
    assert_string_equal(ask_as("/", basic("Basic ", "zoe:\xff")), "200 0 - -");
    assert_string_equal(
        ask_with("/", FETCH(.headers = HEADERS("Authorization", "Basic em9lOnM=", "Authorization", "Basic em9lOnM="))),
        "200 0 - -");
}

static void secrets_are_compared_whole(void **state) {
    (void)state;
    assert_true(tc_secret_equal("", ""));
    assert_true(tc_secret_equal("secret", "secret"));
    assert_false(tc_secret_equal("secret", "secreT"));
    assert_false(tc_secret_equal("secret", "secret2"));
    assert_false(tc_secret_equal("secret", ""));
    assert_false(tc_secret_equal("secret", NULL));
    assert_false(tc_secret_equal(NULL, NULL));
}

static int misuses(tc_request_t *req) {
    return tc_require_basic_auth(req, "Staff", NULL, "x");
}

static void misuse_is_told(void **state) {
    (void)state;
    const char *user, *password;
    route("/", HANDLER(.get = misuses));
    assert_int_equal(tc_http_response_status(tc_test_client_fetch(serve(), "/", NULL)), 500);
    assert_false(tc_get_basic_auth(NULL, &user, &password));
    assert_int_equal(tc_challenge_basic_auth(NULL, "Staff"), TC_EINVAL);
    assert_int_equal(tc_require_basic_auth(NULL, "Staff", "a", "b"), TC_EINVAL);
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(who_knows_both_gets_through),
        WEB_TEST(everybody_else_is_asked_for_them),
        WEB_TEST(the_realm_is_quoted),
        WEB_TEST(a_realm_with_control_bytes_is_a_failure),
        WEB_TEST(what_came_is_told_apart_at_the_first_colon),
        WEB_TEST(what_is_not_well_formed_never_came),
        WEB_TEST(secrets_are_compared_whole),
        WEB_TEST(misuse_is_told),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
