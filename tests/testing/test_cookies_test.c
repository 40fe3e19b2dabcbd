/* test_cookies_test.c - the cookies of a test client: which it keeps, where it sends them, when it forgets them. */
#include <tornadoc/escape.h>
#include <tornadoc/httputil.h>

#include "web/web_test.h"

/* Sets what its query says, one cookie each. */
static int sets(tc_request_t *req) {
    const char *const *values;
    size_t count = tc_get_arguments(req, "c", &values);
    for (size_t i = 0; i < count; i++)
        TC_TRY(tc_add_header(req, "Set-Cookie", values[i]));
    return tc_write(req, "set");
}

static int echoes(tc_request_t *req) {
    const char *cookies = tc_header(req, "Cookie");
    return tc_write(req, cookies ? cookies : "(none)");
}

static void build(void) {
    route("/set", HANDLER(.get = sets));
    route("/a/b/set", HANDLER(.get = sets));
    route("/{rest:*}", HANDLER(.get = echoes));
    serve();
}

/* Let the server at `url` set a cookie. */
static void set_at(const char *url, const char *cookie) {
    char escaped[512], path[600];
    tc_url_escape(escaped, sizeof escaped, tc_str(cookie));
    snprintf(path, sizeof path, "%s?c=%s", url, escaped);
    assert_string_equal(ask(path), "200 set");
}

static const char *sent_to(const char *url) {
    return ask(url) + strlen("200 ");
}

static void cookies_are_kept_and_sent_again(void **state) {
    (void)state;
    build();
    assert_string_equal(sent_to("/"), "(none)");
    assert_null(tc_test_client_cookie(client, "a"));
    assert_ask("/set?c=a%3D1&c=b%3D%22x+y%22;+HttpOnly", "200 set");
    assert_string_equal(sent_to("/"), "a=1; b=\"x y\"");
    assert_string_equal(tc_test_client_cookie(client, "a"), "1");
    assert_string_equal(tc_test_client_cookie(client, "b"), "\"x y\"");
    assert_null(tc_test_client_cookie(client, "A"));
    set_at("/set", "a=2");
    assert_string_equal(sent_to("/"), "a=2; b=\"x y\"");
    set_at("/set", "a=; Max-Age=0");
    assert_string_equal(sent_to("/"), "b=\"x y\"");
    tc_test_client_clear_cookies(client);
    assert_string_equal(sent_to("/"), "(none)");
}

static void a_request_may_do_without_or_bring_its_own(void **state) {
    (void)state;
    build();
    set_at("/set", "a=1");
    assert_string_equal(ask_with("/", FETCH(.no_cookies = true)), "200 (none)");
    assert_string_equal(ask_with("/", FETCH(.headers = HEADERS("cookie", "b=2"))), "200 b=2");
    ask_with("/set?c=c%3D3", FETCH(.no_cookies = true));
    assert_string_equal(sent_to("/"), "a=1");
}

static const struct {
    const char *at, *cookie, *to, *sent;
} paths_and_hosts[] = {
    { "/a/b/set", "a=1", "/a/b/c", "a=1" },
    { "/a/b/set", "a=1", "/a/b", "a=1" },
    { "/a/b/set", "a=1", "/a/bc", "(none)" },
    { "/a/b/set", "a=1", "/a", "(none)" },
    { "/a/b/set", "a=1; Path=/a", "/a?x", "a=1" },
    { "/a/b/set", "a=1; Path=/a/", "/a", "(none)" },
    { "/a/b/set", "a=1; path = / ", "/", "a=1" },
    { "/a/b/set", "a=1; Path=a", "/", "(none)" },
    { "/set", "a=1; Path=/x; Path=/", "/", "a=1" },
    { "http://a.example/set", "a=1", "http://a.example/", "a=1" },
    { "http://a.example/set", "a=1", "http://A.Example:8080/", "a=1" },
    { "http://a.example/set", "a=1", "http://b.a.example/", "(none)" },
    { "http://a.example/set", "a=1", "/", "(none)" },
    { "http://b.a.example/set", "a=1; Domain=a.example", "http://a.example/", "a=1" },
    { "http://b.a.example/set", "a=1; Domain=.A.example", "http://c.a.example/", "a=1" },
    { "http://b.a.example/set", "a=1; Domain=a.example", "http://xa.example/", "(none)" },
    { "http://b.a.example/set", "a=1; Domain=example", "http://b.a.example/", "(none)" },
    { "http://b.a.example/set", "a=1; Domain=evil.example", "http://evil.example/", "(none)" },
    { "http://a.example/set", "a=1; Domain=b.a.example", "http://b.a.example/", "(none)" },
    { "http://a.example/set", "a=1; Domain=", "http://a.example/", "a=1" },
    { "/set", "a=1; Domain=localhost", "/", "a=1" },
    { "http://127.0.0.1/set", "a=1", "http://127.0.0.1/", "a=1" },
    { "http://127.0.0.1/set", "a=1; Domain=0.0.1", "http://127.0.0.1/", "(none)" },
    { "http://[::1]:80/set", "a=1", "http://[::1]/", "a=1" },
    { "/set", "a=1; Secure", "/", "(none)" },
    { "https://localhost/set", "a=1; Secure", "/", "(none)" },
    { "https://localhost/set", "a=1; secure=yes", "https://localhost/", "a=1" },
    { "https://localhost/set", "a=1", "/", "a=1" },
    { "https://localhost/set", "__Host-a=1; Secure; Path=/", "https://localhost/", "__Host-a=1" },
    { "https://localhost/set", "__Host-a=1; Secure", "https://localhost/", "(none)" },
    { "https://localhost/set", "__host-a=1; Secure; Path=/; Domain=localhost", "https://localhost/", "(none)" },
    { "https://localhost/set", "__Host-a=1; Path=/", "https://localhost/", "(none)" },
    { "https://localhost/set", "__Secure-a=1; Secure", "https://localhost/", "__Secure-a=1" },
    { "https://localhost/set", "__Secure-a=1", "https://localhost/", "(none)" },
    { "/set", "a", "/", "(none)" },
    { "/set", "=a", "/", "(none)" },
    { "/set", "", "/", "(none)" },
    { "/set", "; a=1", "/", "(none)" },
    { "/set", " a = 1 = 2 ;;; x", "/", "a=1 = 2" },
    { "/set", "a=", "/", "a=" },
};

static void cookies_go_where_they_belong(void **state) {
    (void)state;
    build();
    for (size_t i = 0; i < COUNT(paths_and_hosts); i++) {
        tc_test_client_clear_cookies(client);
        set_at(paths_and_hosts[i].at, paths_and_hosts[i].cookie);
        const char *sent = sent_to(paths_and_hosts[i].to);
        if (strcmp(sent, paths_and_hosts[i].sent) != 0)
            fail_msg("%s at %s: \"%s\" was sent to %s", paths_and_hosts[i].cookie, paths_and_hosts[i].at, sent,
                     paths_and_hosts[i].to);
    }
}

static void long_paths_come_first_then_old_cookies(void **state) {
    (void)state;
    build();
    set_at("/set", "a=1");
    set_at("/a/b/set", "b=2");
    set_at("/set", "c=3");
    set_at("/set", "d=4; Path=/a");
    set_at("/set", "a=5");
    assert_string_equal(sent_to("/a/b/c"), "b=2; d=4; a=5; c=3");
    set_at("/a/b/set", "a=6");
    assert_string_equal(sent_to("/a/b/c"), "b=2; a=6; d=4; a=5; c=3");
    assert_string_equal(tc_test_client_cookie(client, "a"), "6");
}

static const struct {
    const char *attributes;
    int64_t lives_s; /* 0: it is not kept */
} ages[] = {
    { "Max-Age=60", 60 },
    { "Max-Age=60; Max-Age=5", 5 },
    { "Max-Age=60; Expires=Sun, 06 Nov 1994 08:49:37 GMT", 60 },
    { "Expires=Sun, 06 Nov 1994 08:49:37 GMT", 0 },
    { "Expires=Sun, 06 Nov 9994 08:49:37 GMT", 400 * 86400 },
    { "Max-Age=0", 0 },
    { "Max-Age=-1", 0 },
    { "Max-Age=-99999999999999999999", 0 },
    { "Max-Age=99999999999999999999", 400 * 86400 },
    { "Max-Age=1e3", INT64_MAX },
    { "Max-Age=", INT64_MAX },
    { "Expires=tomorrow", INT64_MAX },
    { "", INT64_MAX },
};

static void cookies_age_on_the_clients_clock(void **state) {
    (void)state;
    char text[200];
    build();
    for (size_t i = 0; i < COUNT(ages); i++) {
        snprintf(text, sizeof text, "a=1; %s", ages[i].attributes);
        tc_test_client_clear_cookies(client);
        set_at("/set", text);
        uint64_t lives_ms = ages[i].lives_s == INT64_MAX ? 800 * (uint64_t)86400000 : (uint64_t)ages[i].lives_s * 1000;
        if (lives_ms > 0) {
            tc_test_client_advance(client, lives_ms - 1);
            if (!tc_test_client_cookie(client, "a"))
                fail_msg("%s: gone", text);
            assert_string_equal(sent_to("/"), "a=1");
        }
        tc_test_client_advance(client, 1);
        if ((tc_test_client_cookie(client, "a") != NULL) != (ages[i].lives_s == INT64_MAX))
            fail_msg("%s: kept, or not kept", text);
        assert_string_equal(sent_to("/"), ages[i].lives_s == INT64_MAX ? "a=1" : "(none)");
    }
}

static int remembers(tc_request_t *req) {
    char date[40], text[80];
    tc_format_timestamp(date, sizeof date, tc__request_now(req) + 3600);
    snprintf(text, sizeof text, "a=1; Expires=%s", date);
    return tc_add_header(req, "Set-Cookie", text);
}

static void a_date_is_one_of_the_time_that_handlers_see(void **state) {
    (void)state;
    route("/remember", HANDLER(.get = remembers));
    build();
    tc_test_client_advance(client, (uint64_t)100 * 86400 * 1000);
    ask("/remember");
    assert_string_equal(tc_test_client_cookie(client, "a"), "1");
    tc_test_client_advance(client, 3500 * 1000);
    assert_non_null(tc_test_client_cookie(client, "a"));
    tc_test_client_advance(client, 101 * 1000);
    assert_null(tc_test_client_cookie(client, "a"));
}

static void a_test_may_set_them_itself(void **state) {
    (void)state;
    build();
    assert_int_equal(tc_test_client_set_cookie(client, "theme=dark"), 0);
    assert_int_equal(tc_test_client_set_cookie(client, "a=1; Path=/a"), 0);
    assert_string_equal(sent_to("/"), "theme=dark");
    assert_string_equal(sent_to("/a"), "a=1; theme=dark");
    assert_int_equal(tc_test_client_set_cookie(client, "theme=; Max-Age=0"), 0);
    assert_string_equal(sent_to("/"), "(none)");
    assert_int_equal(tc_test_client_set_cookie(client, "a=1; Secure"), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "a cookie was not kept: Secure is for https");
    assert_int_equal(tc_test_client_set_cookie(client, "a=1; Domain=example.com"), TC_EINVAL);
    assert_int_equal(tc_test_client_set_cookie(client, "theme"), TC_EINVAL);
    static const char *const bad[] = { NULL, "a=1\r\nX: y" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(tc_test_client_set_cookie(client, bad[i]), TC_EINVAL);
        assert_log("tc_test_client_set_cookie: ");
    }
    assert_int_equal(tc_test_client_set_cookie(NULL, "a=1"), TC_EINVAL);
    assert_log("tc_test_client_set_cookie: ");
    tc_test_client_clear_cookies(NULL);
    assert_null(tc_test_client_cookie(NULL, "a"));
    assert_null(tc_test_client_cookie(client, NULL));
}

static void no_more_than_a_hundred_of_4_kib_are_kept(void **state) {
    (void)state;
    char text[5000];
    build();
    for (int i = 0; i < 102; i++) {
        snprintf(text, sizeof text, "c%d=x", i);
        assert_int_equal(tc_test_client_set_cookie(client, text), 0);
        assert_int_equal(tc_test_client_set_cookie(client, "first=x"), 0); /* set last, so kept */
    }
    assert_null(tc_test_client_cookie(client, "c2"));
    assert_non_null(tc_test_client_cookie(client, "c3"));
    assert_non_null(tc_test_client_cookie(client, "first"));
    memset(text, 'x', sizeof text);
    text[1] = '=';
    text[4097] = '\0';
    assert_int_equal(tc_test_client_set_cookie(client, text), 0);
    text[4097] = 'x';
    text[4098] = '\0';
    assert_int_equal(tc_test_client_set_cookie(client, text), TC_EINVAL);
    memcpy(text, "y=1; Path=/", 11);
    assert_int_equal(tc_test_client_set_cookie(client, text), 0); /* a path that is too long is none */
    assert_non_null(strstr(sent_to("/"), "y=1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(cookies_are_kept_and_sent_again),  WEB_TEST(a_request_may_do_without_or_bring_its_own),
        WEB_TEST(cookies_go_where_they_belong),     WEB_TEST(long_paths_come_first_then_old_cookies),
        WEB_TEST(cookies_age_on_the_clients_clock), WEB_TEST(a_date_is_one_of_the_time_that_handlers_see),
        WEB_TEST(a_test_may_set_them_itself),       WEB_TEST(no_more_than_a_hundred_of_4_kib_are_kept),
    };
    return cmocka_run_group_tests_name("test_cookies", tests, watch_web, NULL);
}
