/* test_request_test.c - what a test client's requests say: URLs, forms and files, JSON, where they come from,
 * redirects.
 */
#include "web/web_test.h"

static int echo(tc_request_t *req) {
    const char *type = tc_header(req, "Content-Type");
    return tc_writef(req, "%s %s " TC_FMT, tc_method(req), type ? type : "-", TC_ARG(tc_body(req)));
}

static int tells_where(tc_request_t *req) {
    return tc_writef(req, "%s %s %s%s%s from %s%s", tc_protocol(req), tc_host(req), tc_path(req),
                     *tc_query(req) ? "?" : "", tc_query(req), tc_remote_ip(req), tc_tls_info(req) ? ", TLS" : "");
}

static int tells_form(tc_request_t *req) {
    const tc_http_file_t *const *files;
    size_t count = tc_get_files(req, "file", &files);
    tc_writef(req, "a=%s", tc_get_body_argument(req, "a", "(none)"));
    for (size_t i = 0; i < count; i++)
        tc_writef(req, " %s (%s): " TC_FMT, tc_http_file_raw_name(files[i]), tc_http_file_content_type(files[i]),
                  TC_ARG(tc_http_file_body(files[i])));
    return 0;
}

static int leads(tc_request_t *req) {
    tc_set_status(req, atoi(tc_get_argument(req, "by", "302")));
    return tc_set_header(req, "Location", tc_get_argument(req, "to", ""));
}

static int counts_down(tc_request_t *req) {
    int n = (int)tc_path_int(req, "n");
    return n > 0 ? tc_redirect(req, tc_sprintf(req, "%d", n - 1), 302) : tc_write(req, "there");
}

static void build(void) {
    route("/echo", HANDLER(.any = echo));
    route("/form", HANDLER(.post = tells_form));
    route("/lead", HANDLER(.any = leads));
    route("/down/{n:int}", HANDLER(.get = counts_down));
    route("/{rest:*}", HANDLER(.get = tells_where));
}

/* ---- Where to ---- */

static void a_url_says_scheme_and_host(void **state) {
    (void)state;
    build();
    assert_ask("/p?q", "200 http localhost /p?q from 127.0.0.1");
    assert_ask("https://app.example.com:8443/p?q", "200 https app.example.com:8443 /p?q from 127.0.0.1");
    assert_ask("http://app.example.com", "200 http app.example.com / from 127.0.0.1");
    assert_ask("http://app.example.com?q", "200 http app.example.com /?q from 127.0.0.1");
    assert_string_equal(ask_with("https://a/", FETCH(.headers = HEADERS("Host", "b"))), "200 https b / from 127.0.0.1");
    const tc_http_response_t *response = tc_test_client_fetch(client, "https://a.example?q", NULL);
    assert_string_equal(tc_http_response_url(response), "https://a.example/?q");
    assert_null(tc_http_response_url(NULL));
}

static void a_client_has_an_origin(void **state) {
    (void)state;
    build();
    serve_as(&(tc_test_client_options_t){ .origin = "https://app.example.com" });
    assert_ask("/p", "200 https app.example.com /p from 127.0.0.1");
    assert_ask("http://localhost/p", "200 http localhost /p from 127.0.0.1");
    assert_int_equal(tc_test_client_set_cookie(client, "__Host-a=1; Secure; Path=/"), 0);
}

static void use_tls(const char *hosts, bool trusted) {
    tc_tls_context_t *theirs, *ours;
    assert_int_equal(tc_tls_context_self_signed(&theirs, hosts), 0);
    assert_int_equal(tc_tls_context_new_client(&ours, &(tc_tls_options_t){ .insecure_skip_verify = trusted }), 0);
    serve_as(&(tc_test_client_options_t){ .server = &(tc_httpserver_options_t){ .tls = theirs }, .tls = ours });
    tc_tls_context_unref(theirs);
    tc_tls_context_unref(ours);
}

static void a_client_with_tls_shakes_hands(void **state) {
    (void)state;
    build();
    use_tls("localhost", true);
    assert_ask("https://localhost/p", "200 https localhost /p from 127.0.0.1, TLS");
    assert_ask("https://localhost:8443/p", "200 https localhost:8443 /p from 127.0.0.1, TLS");
    assert_string_equal(ask_with("https://localhost/echo", FETCH(.json = "{}")), "200 POST application/json {}");
    assert_int_equal(tc_http_response_status(tc_test_client_fetch(client, "http://localhost/p", NULL)), 400);
    assert_log("the client does not speak TLS");
}

static void a_certificate_that_the_client_does_not_trust_ends_the_request(void **state) {
    (void)state;
    build();
    use_tls("localhost", false);
    assert_null(tc_test_client_fetch(client, "https://localhost/p", NULL));
    assert_string_equal(tc_error_detail(), "/p: the connection was cut");
    assert_log("TLS handshake");
}

static void a_server_with_options_is_tested_as_such(void **state) {
    (void)state;
    build();
    serve_as(&(tc_test_client_options_t){
        .server = &(tc_httpserver_options_t){ .xheaders = true, .max_request_line = 100 } });
    assert_string_equal(
        ask_with("/p", FETCH(.headers = HEADERS("X-Forwarded-For", "2001:db8::1", "X-Forwarded-Proto", "https"))),
        "200 https localhost /p from 2001:db8::1");
    char path[200] = "/";
    memset(path + 1, 'x', sizeof path - 2);
    assert_int_equal(tc_http_response_status(tc_test_client_fetch(client, path, NULL)), 414);
    assert_log("414 ");
}

static void options_that_make_no_client_are_refused(void **state) {
    (void)state;
    static const tc_httpserver_options_t proxied = { .proxy_protocol = true }, odd = { .reserved = { 1 } };
    static const struct {
        tc_test_client_options_t options;
        const char *log;
    } bad[] = {
        { { .reserved = { 1 } }, "`reserved` must be zero" },       { { .origin = "" }, "the origin is none" },
        { { .origin = "localhost" }, "the origin is none" },        { { .origin = "https://" }, "the origin is none" },
        { { .origin = "https://a/b" }, "the origin is none" },      { { .origin = "https://a\r\nX: y" }, "is none" },
        { { .server = &proxied }, "a server with proxy_protocol" }, { { .server = &odd }, "tc_httpserver_options_t" },
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_null(tc_test_client_new_with(tc_application_new(NULL), &bad[i].options));
        assert_log(bad[i].log);
        assert_log("tc_test_client_new: ");
    }
}

static void a_request_comes_from_an_address(void **state) {
    (void)state;
    build();
    assert_string_equal(ask_with("/", FETCH(.remote_ip = "192.0.2.7")), "200 http localhost / from 192.0.2.7");
    assert_string_equal(ask_with("/", FETCH(.remote_ip = "2001:db8::7")), "200 http localhost / from 2001:db8::7");
}

/* ---- What ---- */

static void json_has_its_type(void **state) {
    (void)state;
    build();
    assert_string_equal(ask_with("/echo", FETCH(.json = "{\"a\":1}")), "200 POST application/json {\"a\":1}");
    assert_string_equal(ask_with("/echo", FETCH(.json = "1", .method = "PUT", .content_type = "a/b+json")),
                        "200 PUT a/b+json 1");
}

static void forms_are_encoded(void **state) {
    (void)state;
    build();
    assert_string_equal(ask_with("/echo", FETCH(.form = HEADERS("a", "1 2&3", "b=", "\xc3\xa4"))),
                        "200 POST application/x-www-form-urlencoded a=1+2%263&b%3D=%C3%A4");
    assert_string_equal(ask_with("/form", FETCH(.form = HEADERS("a", "1 2&3"))), "200 a=1 2&3");
    assert_string_equal(ask_with("/echo", FETCH(.form = HEADERS(NULL))), "200 POST application/x-www-form-urlencoded ");
}

#define FILES(...) ((const tc_test_file_t[]){ __VA_ARGS__, { NULL, NULL, NULL, { NULL, 0 } } })

static void files_go_by_multipart(void **state) {
    (void)state;
    build();
    const tc_test_file_t text = { "file", "a.txt", "text/plain", { "one\r\ntwo", 8 } };
    const tc_test_file_t odd = { "file", "q\"uo\r\nte", NULL, { "", 0 } };
    assert_string_equal(ask_with("/form", FETCH(.files = FILES(text, odd), .form = HEADERS("a", "b c"))),
                        "200 a=b c a.txt (text/plain): one\r\ntwo q\"uo\r\nte (application/octet-stream): ");
    assert_string_equal(ask_with("/echo", FETCH(.files = FILES(text))),
                        "200 POST multipart/form-data; boundary=tornadoc --tornadoc\r\nContent-Disposition: "
                        "form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\none\r\ntwo\r\n"
                        "--tornadoc--\r\n");
    assert_string_equal(ask_with("/form", FETCH(.files = FILES({ NULL, NULL, NULL, { NULL, 0 } }))), "200 a=(none)");
}

static void a_boundary_occurs_in_nothing_that_it_parts(void **state) {
    (void)state;
    build();
    const tc_test_file_t file = { "file", "f", NULL, { "--tornadoc-0", 12 } };
    assert_string_equal(ask_with("/form", FETCH(.files = FILES(file), .form = HEADERS("a", "x--tornadoc--"))),
                        "200 a=x--tornadoc-- f (application/octet-stream): --tornadoc-0");
}

static void what_cannot_be_sent_is_refused(void **state) {
    (void)state;
    static const char *const odd[] = { "a", NULL };
    static const tc_test_file_t unnamed[] = { { "f", NULL, NULL, { "x", 1 } }, { NULL, NULL, NULL, { NULL, 0 } } },
                                absent[] = { { "f", "f", NULL, { NULL, 1 } }, { NULL, NULL, NULL, { NULL, 0 } } },
                                typed[] = { { "f", "f", "a\nb", { "", 0 } }, { NULL, NULL, NULL, { NULL, 0 } } };
    static const struct {
        tc_fetch_options_t options;
        const char *log;
    } bad[] = {
        { { .json = "1", .body = { "1", 1 } }, "more than one of body" },
        { { .json = "1", .form = odd }, "more than one of body" },
        { { .json = "1", .files = unnamed }, "more than one of body" },
        { { .form = odd }, "field a has no value" },
        { { .files = unnamed }, "has no filename" },
        { { .files = absent }, "or its body is NULL" },
        { { .files = typed }, "a control byte in content_type" },
        { { .remote_ip = "localhost" }, "remote_ip is no address" },
        { { .stream = true }, "`.stream` is for tc_test_client_start" },
    };
    build();
    serve();
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_null(tc_test_client_fetch(client, "/", &bad[i].options));
        assert_log(bad[i].log);
    }
}

/* ---- Redirects ---- */

static const char *url_after(const char *path, int max_redirects) {
    return tc_http_response_url(tc_test_client_fetch(serve(), path, FETCH(.max_redirects = max_redirects)));
}

static void redirects_are_followed_for_those_who_ask(void **state) {
    (void)state;
    build();
    serve();
    assert_string_equal(url_after("/down/3", 0), "http://localhost/down/3");
    assert_string_equal(url_after("/down/3", 2), "http://localhost/down/1");
    assert_string_equal(url_after("/down/3", 9), "http://localhost/down/0");
    assert_string_equal(ask_with("/down/3", FETCH(.max_redirects = 3)), "200 there");
    assert_string_equal(url_after("/lead?by=304&to=/x", 9), "http://localhost/lead?by=304&to=/x");
    assert_string_equal(url_after("/nowhere", 9), "http://localhost/nowhere");
}

static const struct {
    const char *location, *url;
} locations[] = {
    { "/x?y", "http://localhost/x?y" },
    { "https://a.example/x%23", "https://a.example/x" },
    { "http://a.example", "http://a.example/" },
    { "//a.example/x", "http://a.example/x" },
    { "x/y", "http://localhost/x/y" },
    { "%3fz%231", "http://localhost/lead?z" },
    { "", "http://localhost/lead?to=" },
    { "../../x", "http://localhost/x" },
    { "/a/./b/../c/..", "http://localhost/a/" },
    { "/a/b/.", "http://localhost/a/b/" },
    { "/a/...?/../b", "http://localhost/a/...?/../b" },
    { "/..", "http://localhost/" },
};

static void locations_are_relative_to_what_was_asked(void **state) {
    (void)state;
    char path[200];
    build();
    for (size_t i = 0; i < COUNT(locations); i++) {
        snprintf(path, sizeof path, "/lead?to=%s", locations[i].location);
        const char *url = url_after(path, 1);
        if (strcmp(url ? url : "", locations[i].url) != 0)
            fail_msg("%s leads to %s", locations[i].location, url);
    }
}

/* By each status that has an answer in the table: 301, 302, 303, 307, 308. */
static void assert_led(const char *method, const char *const answers[5]) {
    static const int statuses[5] = { 301, 302, 303, 307, 308 };
    char path[100];
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "/lead?to=/echo&by=%d", statuses[i]);
        assert_string_equal(
            ask_with(path, FETCH(.method = method, .body = tc_str("x"), .content_type = "a/b", .max_redirects = 1)),
            answers[i]);
    }
}

static void a_post_becomes_a_get_unless_the_status_forbids_it(void **state) {
    (void)state;
    build();
    serve();
    const char *const answers[] = { "200 GET - ", "200 GET - ", "200 GET - ", "200 POST a/b x", "200 POST a/b x" };
    assert_led("POST", answers);
    assert_led(NULL, answers);
}

static void other_methods_become_a_get_by_a_303_alone(void **state) {
    (void)state;
    build();
    serve();
    assert_led("PUT", (const char *const[]){ "200 PUT a/b x", "200 PUT a/b x", "200 GET - ", "200 PUT a/b x",
                                             "200 PUT a/b x" });
    assert_string_equal(ask_with("/lead?to=/echo&by=303", FETCH(.method = "HEAD", .max_redirects = 1)), "200 ");
}

static void headers_of_a_body_go_with_it(void **state) {
    (void)state;
    build();
    serve();
    assert_string_equal(
        ask_with("/lead?to=/echo&by=303", FETCH(.body = tc_str("x"), .max_redirects = 1,
                                                .headers = HEADERS("Content-Type", "a/b", "Content-Length", "1"))),
        "200 GET - ");
    assert_string_equal(
        ask_with("/lead?to=/echo&by=307", FETCH(.body = tc_str("x"), .max_redirects = 1,
                                                .headers = HEADERS("Content-Type", "a/b", "Content-Length", "1"))),
        "200 POST a/b x");
}

static int tells_x(tc_request_t *req) {
    const char *value = tc_header(req, "X-A");
    return tc_write(req, value ? value : "-");
}

static void headers_stay_with_their_origin(void **state) {
    (void)state;
    route("/x", HANDLER(.get = tells_x));
    build();
    serve();
    assert_string_equal(
        ask_with("/lead?to=http://LOCALHOST/x", FETCH(.max_redirects = 1, .headers = HEADERS("X-A", "b"))), "200 b");
    assert_string_equal(
        ask_with("/lead?to=https://localhost/x", FETCH(.max_redirects = 1, .headers = HEADERS("X-A", "b"))), "200 -");
    assert_string_equal(
        ask_with("/lead?to=http://a.example/x", FETCH(.max_redirects = 1, .headers = HEADERS("X-A", "b"))), "200 -");
}

static void a_redirect_to_what_is_no_path_leads_nowhere(void **state) {
    (void)state;
    build();
    serve();
    assert_null(tc_test_client_fetch(client, "/lead?to=/a+b", FETCH(.max_redirects = 1)));
    assert_log("a path without spaces");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_url_says_scheme_and_host),
        WEB_TEST(a_client_has_an_origin),
        WEB_TEST(a_client_with_tls_shakes_hands),
        WEB_TEST(a_certificate_that_the_client_does_not_trust_ends_the_request),
        WEB_TEST(a_server_with_options_is_tested_as_such),
        WEB_TEST(options_that_make_no_client_are_refused),
        WEB_TEST(a_request_comes_from_an_address),
        WEB_TEST(json_has_its_type),
        WEB_TEST(forms_are_encoded),
        WEB_TEST(files_go_by_multipart),
        WEB_TEST(a_boundary_occurs_in_nothing_that_it_parts),
        WEB_TEST(what_cannot_be_sent_is_refused),
        WEB_TEST(redirects_are_followed_for_those_who_ask),
        WEB_TEST(locations_are_relative_to_what_was_asked),
        WEB_TEST(a_post_becomes_a_get_unless_the_status_forbids_it),
        WEB_TEST(other_methods_become_a_get_by_a_303_alone),
        WEB_TEST(headers_of_a_body_go_with_it),
        WEB_TEST(headers_stay_with_their_origin),
        WEB_TEST(a_redirect_to_what_is_no_path_leads_nowhere),
    };
    return cmocka_run_group_tests_name("test_request", tests, watch_web, NULL);
}
