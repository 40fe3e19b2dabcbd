/* request_cookies_test.c - cookies that go out, each attribute of theirs, and those that are signed. */
#include "web/web_test.h"

#include "util/date_internal.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OLD_SECRET "an old secret that was in use before"

static const tc_application_options_t with_secret = { .cookie_secret = SECRET };

/* ---- A route that sets a cookie as a test says ---- */

static struct {
    const char *name, *value;
    const tc_cookie_options_t *options;
    int (*set)(tc_request_t *req, const char *name, const char *value, const tc_cookie_options_t *options);
    int result;
} wanted;

static int sets(tc_request_t *req) {
    wanted.result = wanted.set(req, wanted.name, wanted.value, wanted.options);
    return tc_write(req, "set");
}

static int clears(tc_request_t *req, const char *name, const char *value, const tc_cookie_options_t *options) {
    (void)value;
    return tc_clear_cookie(req, name, options);
}

static const char *field_of(const char *path, const tc_fetch_options_t *options, const char *name) {
    const char *value = tc_http_response_header(tc_test_client_fetch(serve(), path, options), name);
    return value ? value : "";
}

/* The Set-Cookie field. */
static const char *set_by(int (*set)(tc_request_t *, const char *, const char *, const tc_cookie_options_t *),
                          const char *name, const char *value, const tc_cookie_options_t *options) {
    if (!client) {
        use_options(&with_secret);
        route("/", HANDLER(.get = sets));
    }
    wanted.name = name;
    wanted.value = value;
    wanted.options = options;
    wanted.set = set;
    wanted.result = 0;
    return field_of("/", NULL, "Set-Cookie");
}

static const char *set(const char *name, const char *value, const tc_cookie_options_t *options) {
    return set_by(tc_set_cookie, name, value, options);
}

#define OPTIONS(...) (&(tc_cookie_options_t){ __VA_ARGS__ })

/* ---- Names and values ---- */

static void a_cookie_is_its_hosts_and_for_all_paths(void **state) {
    (void)state;
    assert_string_equal(set("a", "b", NULL), "a=b; Path=/");
    assert_string_equal(set("a", "", NULL), "a=; Path=/");
    assert_string_equal(set("A-1_x.", "2|1:0|==/+!", NULL), "A-1_x.=2|1:0|==/+!; Path=/");
}

static int shows(tc_request_t *req) {
    return tc_write(req, tc_get_cookie(req, "a", "-"));
}

static void what_is_no_text_for_a_cookie_is_quoted_and_comes_back(void **state) {
    (void)state;
    static const struct {
        const char *value, *quoted;
    } values[] = {
        { "a;b", "a=\"a\\073b\"; Path=/" },   { "a,b", "a=\"a\\054b\"; Path=/" },
        { "\"\\", "a=\"\\\"\\\\\"; Path=/" }, { "Zo\xc3\xab", "a=\"Zo\\303\\253\"; Path=/" },
        { "\xff", "a=\"\\377\"; Path=/" },
    };
    use_options(&with_secret);
    route("/", HANDLER(.get = sets));
    route("/shows", HANDLER(.get = shows));
    for (size_t i = 0; i < COUNT(values); i++) {
        char cookie[100], answer[100];
        serve();
        assert_string_equal(set("a", values[i].value, NULL), values[i].quoted);
        snprintf(cookie, sizeof cookie, "%.*s", (int)(strstr(values[i].quoted, "; ") - values[i].quoted),
                 values[i].quoted);
        snprintf(answer, sizeof answer, "200 %s", values[i].value);
        assert_string_equal(ask_with("/shows", FETCH(.headers = HEADERS("Cookie", cookie))), answer);
    }
}

static void no_attribute_can_be_smuggled_in(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
        tc_cookie_options_t options;
    } bad[] = {
        { "", "b", { 0 } },
        { "a b", "b", { 0 } },
        { "a;b", "b", { 0 } },
        { "a=b", "b", { 0 } },
        { "a:b", "b", { 0 } },
        { "a\r\nX", "b", { 0 } },
        { "\xc3\xab", "b", { 0 } },
        { "Path", "b", { 0 } },
        { "expires", "b", { 0 } },
        { NULL, "b", { 0 } },
        { "a", NULL, { 0 } },
        { "a", "b c", { 0 } },
        { "a", "b\r\nX: y", { 0 } },
        { "a", "b\t", { 0 } },
        { "a", "b\x7f", { 0 } },
        { "a", "b", { .path = "x" } },
        { "a", "b", { .path = "" } },
        { "a", "b", { .path = "/x; Domain=evil.example" } },
        { "a", "b", { .path = "/x\r\nX: y" } },
        { "a", "b", { .path = "/\xc3\xab" } },
        { "a", "b", { .path = "/\x7f" } },
        { "a", "b", { .domain = "" } },
        { "a", "b", { .domain = "example.com; Path=/x" } },
        { "a", "b", { .domain = "example.com\n" } },
        { "a", "b", { .domain = "example.com:80" } },
        { "a", "b", { .samesite = (tc_samesite_t)4 } },
        { "a", "b", { .reserved = { 1 } } },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_string_equal(set(bad[i].name, bad[i].value, &bad[i].options), "");
        if (wanted.result != TC_EINVAL)
            fail_msg("accepted: %zu", i);
        forget_log();
    }
}

static void more_than_browsers_keep_is_said_so(void **state) {
    (void)state;
    char value[4097];
    memset(value, 'x', sizeof value);
    value[4095] = '\0';
    assert_int_equal(strlen(set("a", value, NULL)), 4097 + strlen("; Path=/"));
    value[4095] = 'x';
    value[4096] = '\0';
    assert_string_equal(set("a", value, NULL), "");
    assert_int_equal(wanted.result, TC_ETOOBIG);
    assert_log(
        "the handler failed: beyond a limit: the cookie a has 4097 bytes with its value: browsers keep no more than "
        "4096");
    value[1100] = '\0';
    memset(value, ';', 1100); /* quoted it is four times as long */
    assert_string_equal(set("a", value, NULL), "");
    assert_int_equal(wanted.result, TC_ETOOBIG);
    forget_log();
}

/* ---- Attributes ---- */

static void attributes_stand_in_tornados_order(void **state) {
    (void)state;
    assert_string_equal(set("a", "b",
                            OPTIONS(.domain = "example.com", .path = "/x", .secure = true, .httponly = true,
                                    .partitioned = true, .samesite = TC_SAMESITE_NONE)),
                        "a=b; Domain=example.com; HttpOnly; Partitioned; Path=/x; SameSite=None; Secure");
    assert_string_equal(set("a", "b", OPTIONS(.samesite = TC_SAMESITE_LAX)), "a=b; Path=/; SameSite=Lax");
    assert_string_equal(set("a", "b", OPTIONS(.samesite = TC_SAMESITE_STRICT)), "a=b; Path=/; SameSite=Strict");
}

/* The end of its life, by both attributes: seconds from now. */
static long life_of(const char *field) {
    int64_t expires;
    const char *date = strstr(field, "; Expires="), *age = strstr(field, "; Max-Age=");
    assert_non_null(date);
    assert_non_null(age);
    assert_int_equal(tc__date_parse(date + 10, TC__DATE_LEN, 0, &expires), 0);
    long seconds = strtol(age + 10, NULL, 10);
    if (seconds != 0)
        assert_in_range(expires - time(NULL), seconds + 1000 - 60, seconds + 1000 + 60); /* a virtual clock's start */
    else
        assert_int_equal(expires, 0);
    return seconds;
}

static void a_cookie_ends_with_the_browser_unless_it_has_an_age(void **state) {
    (void)state;
    assert_null(strstr(set("a", "b", NULL), "Max-Age"));
    assert_int_equal(life_of(set("a", "b", OPTIONS(.max_age_ms = 60000))), 60);
    assert_int_equal(life_of(set("a", "b", OPTIONS(.max_age_ms = 1))), 1);
    assert_int_equal(life_of(set("a", "b", OPTIONS(.max_age_ms = TC_FOREVER))), 400 * 86400);
    assert_int_equal(life_of(set("a", "b", OPTIONS(.max_age_ms = (uint64_t)500 * 86400000))), 400 * 86400);
    assert_null(strstr(set("a", "b", OPTIONS(.max_age_ms = 60000, .session = true)), "Max-Age"));
}

static void a_cookie_that_is_cleared_is_over_and_keeps_its_place(void **state) {
    (void)state;
    assert_int_equal(life_of(set_by(clears, "a", NULL, NULL)), 0);
    const char *field = set_by(clears, "__Host-a", NULL, NULL);
    assert_string_equal(field, "__Host-a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; Secure");
    field = set_by(clears, "a", NULL, OPTIONS(.domain = "example.com", .path = "/x"));
    assert_string_equal(field, "a=; Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/x");
}

static void what_a_names_prefix_promises_is_kept(void **state) {
    (void)state;
    assert_string_equal(set("__Host-a", "b", NULL), "__Host-a=b; Path=/; Secure");
    assert_string_equal(set("__Secure-a", "b", OPTIONS(.domain = "example.com", .path = "/x")),
                        "__Secure-a=b; Domain=example.com; Path=/x; Secure");
    static const struct {
        const char *name;
        tc_cookie_options_t options;
    } broken[] = {
        { "__Host-a", { .domain = "example.com" } },
        { "__Host-a", { .path = "/x" } },
        { "__host-a", { .path = "/x" } },
        { "__Host-a", { .insecure = true } },
        { "__Secure-a", { .insecure = true } },
        { "a", { .insecure = true, .partitioned = true } },
        { "a", { .insecure = true, .secure = true } },
        { "a", { .insecure = true, .samesite = TC_SAMESITE_NONE } },
    };
    for (size_t i = 0; i < COUNT(broken); i++) {
        assert_string_equal(set(broken[i].name, "b", &broken[i].options), "");
        assert_int_equal(wanted.result, TC_EINVAL);
        forget_log();
    }
}

static void over_https_a_cookie_is_for_https(void **state) {
    (void)state;
    use_options(&with_secret);
    route("/", HANDLER(.get = sets));
    serve_as(&(tc_test_client_options_t){ .origin = "https://localhost" });
    assert_string_equal(set("a", "b", NULL), "a=b; Path=/; Secure");
    assert_string_equal(set("a", "b", OPTIONS(.insecure = true)), "a=b; Path=/");
}

/* ---- Several ---- */

static int sets_several(tc_request_t *req) {
    tc_set_cookie(req, "a", "1", NULL);
    tc_set_cookie(req, "ab", "2", NULL);
    tc_add_header(req, "Set-Cookie", "by=hand");
    tc_set_cookie(req, "a", "3", OPTIONS(.path = "/x"));
    tc_clear_cookie(req, "ab", NULL);
    return tc_write(req, "several");
}

static void the_last_of_a_name_counts(void **state) {
    (void)state;
    route("/", HANDLER(.get = sets_several));
    assert_string_equal(field_of("/", NULL, "Set-Cookie"),
                        "a=3; Path=/x, ab=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/, by=hand");
}

static int sets_by_default(tc_request_t *req) {
    return tc_set_cookie(req, "d", "default", NULL);
}

static int forgets_and_refuses(tc_request_t *req) {
    tc_set_cookie(req, "d", "own", NULL);
    tc_clear_cookie(req, "a", NULL);
    return tc_http_error(req, 403, "log in again");
}

static void an_error_page_keeps_the_cookies(void **state) {
    (void)state;
    route("/", HANDLER(.get = forgets_and_refuses, .set_default_headers = sets_by_default));
    assert_string_equal(field_of("/", NULL, "Set-Cookie"),
                        "d=default; Path=/, a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/");
    assert_log("403 GET /");
}

static int sets_too_late(tc_request_t *req) {
    tc_flush(req);
    int late = tc_set_cookie(req, "a", "b", NULL) == TC_EBUSY;
    late += tc_set_signed_cookie(req, "a", "b", NULL) == TC_EBUSY;
    late += tc_clear_cookie(req, "a", NULL) == TC_EBUSY;
    return tc_writef(req, "%d", late);
}

static void a_cookie_after_the_headers_is_too_late(void **state) {
    (void)state;
    route("/", HANDLER(.get = sets_too_late));
    assert_string_equal(ask("/"), "200 3");
    assert_log("tc_set_cookie after its headers were sent");
    assert_log("tc_set_signed_cookie after its headers were sent");
    assert_log("tc_clear_cookie after its headers were sent");
}

/* ---- Signed ---- */

static uint64_t max_age;

static int shows_signed(tc_request_t *req) {
    const char *value = tc_get_signed_cookie(req, "user", max_age);
    return tc_write(req, value ? value : "nobody");
}

/* The cookie as a browser sends it, without its attributes. */
static const char *signed_cookie(const char *value, const tc_cookie_options_t *options) {
    static char cookie[5000];
    snprintf(cookie, sizeof cookie, "%s", set_by(tc_set_signed_cookie, "user", value, options));
    char *end = strstr(cookie, "; ");
    assert_non_null(end);
    *end = '\0';
    return cookie;
}

static const char *whose(const char *cookie) {
    return ask_with("/whose", FETCH(.headers = HEADERS("Cookie", cookie)));
}

static void use_signed(const tc_application_options_t *options) {
    use_options(options);
    route("/", HANDLER(.get = sets));
    route("/whose", HANDLER(.get = shows_signed));
    max_age = 0;
    serve();
}

static void a_signed_cookie_comes_back(void **state) {
    (void)state;
    use_signed(&with_secret);
    const char *const values[] = { "Zoe", "", "with spaces; and \"more\",\r\n", "Zo\xc3\xab" };
    for (size_t i = 0; i < COUNT(values); i++) {
        char answer[100];
        snprintf(answer, sizeof answer, "200 %s", values[i]);
        assert_string_equal(whose(signed_cookie(values[i], NULL)), answer);
    }
    assert_string_equal(ask_with("/whose", FETCH(.no_cookies = true)), "200 nobody");
}

static void a_signed_cookie_is_readable_and_lives_30_days(void **state) {
    (void)state;
    const char *field = set_by(tc_set_signed_cookie, "user", "value", NULL);
    assert_non_null(strstr(field, "user=2|1:0|10:"));
    assert_non_null(strstr(field, "|4:user|8:dmFsdWU=|"));
    assert_int_equal(life_of(field), 30 * 86400);
    assert_null(strstr(set_by(tc_set_signed_cookie, "user", "value", OPTIONS(.session = true)), "Max-Age"));
}

static void a_signed_cookie_that_was_changed_is_nobodys(void **state) {
    (void)state;
    use_signed(&with_secret);
    char cookie[5000];
    snprintf(cookie, sizeof cookie, "%s", signed_cookie("Zoe", NULL));
    assert_string_equal(whose(cookie), "200 Zoe");
    cookie[strlen(cookie) - 1] ^= 1;
    assert_string_equal(whose(cookie), "200 nobody");
    assert_string_equal(whose("user=Zoe"), "200 nobody");
    snprintf(cookie, sizeof cookie, "%s", set_by(tc_set_signed_cookie, "uses", "Zoe", NULL));
    *strstr(cookie, "; ") = '\0';
    cookie[3] = 'r'; /* the value of another cookie */
    assert_string_equal(whose(cookie), "200 nobody");
}

static void a_signed_cookie_ends_after_31_days_or_as_asked(void **state) {
    (void)state;
    use_signed(&with_secret);
    char cookie[5000];
    snprintf(cookie, sizeof cookie, "%s", signed_cookie("Zoe", NULL));
    tc_test_client_advance(client, (uint64_t)31 * 86400000 - 60000);
    assert_string_equal(whose(cookie), "200 Zoe");
    max_age = 86400000;
    assert_string_equal(whose(cookie), "200 nobody");
    max_age = 0;
    tc_test_client_advance(client, 120000);
    assert_string_equal(whose(cookie), "200 nobody");
    max_age = TC_FOREVER;
    assert_string_equal(whose(cookie), "200 Zoe");
}

static void keys_are_rotated(void **state) {
    (void)state;
    char old[5000], newer[5000];
    const tc_signing_key_t both[] = { { 0, OLD_SECRET }, { 1, SECRET }, { 0, NULL } };
    use_signed(&(tc_application_options_t){ .cookie_secret = OLD_SECRET });
    snprintf(old, sizeof old, "%s", signed_cookie("old", NULL));
    stop_serving();
    use_signed(&(tc_application_options_t){ .cookie_secrets = both, .key_version = 1 });
    assert_string_equal(whose(old), "200 old");
    snprintf(newer, sizeof newer, "%s", signed_cookie("new", NULL));
    assert_non_null(strstr(newer, "=2|1:1|"));
    stop_serving();
    use_signed(&(tc_application_options_t){ .cookie_secrets = both + 1, .key_version = 1 });
    assert_string_equal(whose(newer), "200 new");
    assert_string_equal(whose(old), "200 nobody");
}

static void without_a_secret_nothing_is_signed(void **state) {
    (void)state;
    use_signed(NULL);
    wanted.name = "user";
    wanted.value = "Zoe";
    wanted.options = NULL;
    wanted.set = tc_set_signed_cookie;
    assert_string_equal(field_of("/", NULL, "Set-Cookie"), "");
    assert_log("signed cookies need the application's cookie_secret");
    assert_log("the handler failed");
    assert_int_equal(tc_http_response_status(
                         tc_test_client_fetch(client, "/whose", FETCH(.headers = HEADERS("Cookie", "user=Zoe")))),
                     500);
    assert_log("signed cookies need");
    assert_log("the handler failed");
}

static void secrets_are_checked_when_the_application_is_made(void **state) {
    (void)state;
#define KEYS(...) ((const tc_signing_key_t[]){ __VA_ARGS__, { 0, NULL } })
    const tc_application_options_t bad[] = {
        { .cookie_secret = "too short" },
        { .cookie_secret = "" },
        { .cookie_secret = SECRET, .key_version = 1 },
        { .cookie_secret = SECRET, .cookie_secrets = KEYS({ 0, SECRET }) },
        { .cookie_secrets = KEYS({ 0, SECRET }), .key_version = 1 },
        { .cookie_secrets = KEYS({ 0, SECRET }, { 0, OLD_SECRET }) },
        { .cookie_secrets = KEYS({ -1, SECRET }), .key_version = -1 },
        { .cookie_secrets = KEYS({ 0, SECRET }, { 1, "short" }) },
        { .cookie_secrets = (const tc_signing_key_t[]){ { 0, NULL } } },
        { .key_version = 1 },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        use_options(&bad[i]);
        assert_int_equal(tc_application_error(app), TC_EINVAL);
        forget_log();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_cookie_is_its_hosts_and_for_all_paths),
        WEB_TEST(what_is_no_text_for_a_cookie_is_quoted_and_comes_back),
        WEB_TEST(no_attribute_can_be_smuggled_in),
        WEB_TEST(more_than_browsers_keep_is_said_so),
        WEB_TEST(attributes_stand_in_tornados_order),
        WEB_TEST(a_cookie_ends_with_the_browser_unless_it_has_an_age),
        WEB_TEST(a_cookie_that_is_cleared_is_over_and_keeps_its_place),
        WEB_TEST(what_a_names_prefix_promises_is_kept),
        WEB_TEST(over_https_a_cookie_is_for_https),
        WEB_TEST(the_last_of_a_name_counts),
        WEB_TEST(an_error_page_keeps_the_cookies),
        WEB_TEST(a_cookie_after_the_headers_is_too_late),
        WEB_TEST(a_signed_cookie_comes_back),
        WEB_TEST(a_signed_cookie_is_readable_and_lives_30_days),
        WEB_TEST(a_signed_cookie_that_was_changed_is_nobodys),
        WEB_TEST(a_signed_cookie_ends_after_31_days_or_as_asked),
        WEB_TEST(keys_are_rotated),
        WEB_TEST(without_a_secret_nothing_is_signed),
        WEB_TEST(secrets_are_checked_when_the_application_is_made),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
