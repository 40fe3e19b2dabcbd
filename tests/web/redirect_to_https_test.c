/* redirect_to_https_test.c - from http to https: the same host, path and query, by a method that stays. */
#include "web/web_test.h"

static int port;

static int to_https(tc_request_t *req) {
    return tc_redirect_to_https(req, port);
}

static int says_hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static int begin(void **state) {
    port = 0;
    return begin_web(state);
}

#define HTTPS_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end_web)

static void redirect_all(void) {
    assert_int_equal(tc_application_set_default(app, HANDLER(.any = to_https), NULL), 0);
}

/* "308 https://…" */
static const char *way(const char *method, const char *path, const char *host) {
    static char text[512];
    const tc_http_response_t *response = tc_test_client_fetch(
        serve(), path, FETCH(.method = method, .headers = HEADERS("Host", host)));
    const char *location = tc_http_response_header(response, "Location");
    snprintf(text, sizeof text, "%d %s", tc_http_response_status(response), location ? location : "(none)");
    return text;
}

static void host_path_and_query_stay(void **state) {
    (void)state;
    static const struct {
        const char *path, *host, *url;
    } cases[] = {
        { "/", "example.com", "https://example.com/" },
        { "/a/b%20c?d=e&f=%26", "example.com", "https://example.com/a/b%20c?d=e&f=%26" },
        { "/?", "example.com", "https://example.com/?" },
        { "/", "EXAMPLE.com:8080", "https://EXAMPLE.com/" },
        { "/", "example.com:", "https://example.com/" },
        { "/", "192.0.2.1:80", "https://192.0.2.1/" },
        { "/x", "[2001:db8::1]:8080", "https://[2001:db8::1]/x" },
        { "/x", "[2001:db8::1]", "https://[2001:db8::1]/x" },
    };
    redirect_all();
    for (size_t i = 0; i < COUNT(cases); i++) {
        char wanted[256];
        snprintf(wanted, sizeof wanted, "308 %s", cases[i].url);
        assert_string_equal(way("GET", cases[i].path, cases[i].host), wanted);
    }
}

static void no_path_leads_to_another_host(void **state) {
    (void)state;
    static const char *const paths[] = { "//evil.example/", "/\\evil.example", "/@evil.example", "/.evil.example" };
    redirect_all();
    for (size_t i = 0; i < COUNT(paths); i++) {
        const char *found = way("GET", paths[i], "example.com"), *wanted = "308 https://example.com/";
        assert_memory_equal(found, wanted, strlen(wanted));
    }
}

static void the_port_of_https_is_told_unless_it_is_443(void **state) {
    (void)state;
    redirect_all();
    port = 8443;
    assert_string_equal(way("GET", "/", "example.com:8080"), "308 https://example.com:8443/");
    assert_string_equal(way("GET", "/", "[::1]:8080"), "308 https://[::1]:8443/");
    port = 443;
    assert_string_equal(way("GET", "/", "example.com"), "308 https://example.com/");
}

static void what_is_no_port_is_refused(void **state) {
    (void)state;
    redirect_all();
    static const int bad[] = { -1, 65536 };
    for (size_t i = 0; i < COUNT(bad); i++) {
        port = bad[i];
        assert_string_equal(way("GET", "/", "example.com"), "500 (none)");
        assert_log("tc_redirect_to_https: ");
        assert_log("the handler failed");
    }
}

static void every_method_is_sent_there_and_stays(void **state) {
    (void)state;
    redirect_all();
    static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "REPORT" };
    for (size_t i = 0; i < COUNT(methods); i++)
        assert_string_equal(way(methods[i], "/x", "example.com"), "308 https://example.com/x");
}

static void from_admit_the_body_is_not_waited_for(void **state) {
    (void)state;
    route("/", HANDLER(.admit = to_https, .post = says_hello));
    int id = start("/", FETCH(.stream = true, .headers = HEADERS("Content-Length", "1000", "Expect", "100-continue")));
    assert_int_equal(tc_http_response_status(tc_test_client_response(client, id)), 308);
    assert_null(tc_test_client_interim(client, id, 0));
}

static void requests_by_https_go_on(void **state) {
    (void)state;
    route("/", HANDLER(.admit = to_https, .get = says_hello));
    assert_ask("https://example.com/", "200 hello");
    assert_string_equal(way("GET", "/", "example.com"), "308 https://example.com/");
}

static void ordinary_routes_beside_it_answer_in_the_clear(void **state) {
    (void)state;
    redirect_all();
    route("/.well-known/acme-challenge/{token}", HANDLER(.get = says_hello));
    assert_ask("/.well-known/acme-challenge/x", "200 hello");
    assert_string_equal(way("GET", "/.well-known/acme", "example.com"), "308 https://example.com/.well-known/acme");
}

static void hosts_may_be_a_list(void **state) {
    (void)state;
    tc_router_t *host = tc_application_host(app, "example.com");
    assert_int_equal(tc_router_add(host, "/{path:*}", HANDLER(.any = to_https), NULL), 0);
    assert_string_equal(way("GET", "/x", "example.com"), "308 https://example.com/x");
    assert_string_equal(way("GET", "/x", "evil.example"), "404 (none)");
}

static void without_a_host_there_is_no_way(void **state) {
    (void)state;
    raw_t raw;
    redirect_all();
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(raw_text(&raw), "HTTP/1.1 400 "));
    raw_close(&raw);
    assert_log("400 GET /");
}

static void an_absolute_target_is_another_host_only_if_the_client_said_so(void **state) {
    (void)state;
    raw_t raw;
    redirect_all();
    raw_open(&raw, NULL);
    raw_send(&raw, "GET http://other.example:8080/x?y HTTP/1.1\r\nHost: example.com\r\n\r\n");
    assert_non_null(strstr(raw_text(&raw), "\r\nLocation: https://other.example/x?y\r\n"));
    raw_close(&raw);
}

static void without_a_request_it_is_refused(void **state) {
    (void)state;
    assert_int_equal(tc_redirect_to_https(NULL, 0), TC_EINVAL);
    forget_log();
}

/* ---- tc_application_run ---- */

static int no_further(tc_ioloop_t *loop, void *arg) {
    (void)loop;
    *(bool *)arg = true;
    return TC_ECANCELED;
}

/* All that comes before it serves. */
static int run(tc_tls_context_t *tls, bool *reached) {
    *reached = false;
    tc_application_t *application = tc_application_new(NULL);
    tc_application_add(application, "/", HANDLER(.get = says_hello), NULL);
    return tc_application_run(application, &(tc_run_options_t){ .address = "127.0.0.1",
                                                                .port = TC_ANY_PORT,
                                                                .redirect_port = TC_ANY_PORT,
                                                                .tls = tls,
                                                                .on_worker_start = no_further,
                                                                .arg = reached });
}

static void a_port_that_redirects_is_there_before_it_serves_or_nothing_is(void **state) {
    (void)state;
    tc_tls_context_t *tls;
    bool reached = false;
    assert_int_equal(tc_tls_context_self_signed(&tls, NULL), 0);
    for (long nth = 1; !reached; nth++) {
        fail_allocation(nth, true);
        int err = run(tls, &reached);
        bool failed = atomic_load(&memory.calls) >= nth;
        allow_allocations();
        forget_log();
        assert_int_equal(err, failed ? TC_ENOMEM : TC_ECANCELED);
        assert_true(nth < 1000);
    }
    tc_tls_context_unref(tls);
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HTTPS_TEST(host_path_and_query_stay),
        HTTPS_TEST(no_path_leads_to_another_host),
        HTTPS_TEST(the_port_of_https_is_told_unless_it_is_443),
        HTTPS_TEST(what_is_no_port_is_refused),
        HTTPS_TEST(every_method_is_sent_there_and_stays),
        HTTPS_TEST(from_admit_the_body_is_not_waited_for),
        HTTPS_TEST(requests_by_https_go_on),
        HTTPS_TEST(ordinary_routes_beside_it_answer_in_the_clear),
        HTTPS_TEST(hosts_may_be_a_list),
        HTTPS_TEST(without_a_host_there_is_no_way),
        HTTPS_TEST(an_absolute_target_is_another_host_only_if_the_client_said_so),
        HTTPS_TEST(without_a_request_it_is_refused),
        HTTPS_TEST(a_port_that_redirects_is_there_before_it_serves_or_nothing_is),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
