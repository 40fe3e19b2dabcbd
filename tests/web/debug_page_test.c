/* debug_page_test.c - error pages of applications with `debug`, and what those of others leave out. */
#include "web/each_allocation.h"

#include <tornadoc/escape.h>

#include "util/error_internal.h"

#define BROWSER "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

/* What is logged is the subject of failure_words_test.c. */
static int end_quietly(void **state) {
    forget_log();
    return end_web(state);
}

#define PAGE_TEST(test) cmocka_unit_test_setup_teardown(test, begin_web, end_quietly)

static void use_debug(void) {
    use_options(&(tc_application_options_t){ .debug = true });
}

static void assert_contains(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part) {
    if (strstr(text, part))
        fail_msg("\"%s\" is in:\n%s", part, text);
}

/* "500 the page", with these header fields and, if it is not NULL, a form. */
static const char *page_for(const char *path, const char *const *headers, const char *form) {
    return ask_with(path, FETCH(.headers = headers, .body = form ? tc_str(form) : tc_bytes(NULL, 0)));
}

static int fails(tc_request_t *req) {
    (void)req;
    return tc__fail(-EIO, "data/users.db: the disk <is> full");
}

static int refuses(tc_request_t *req) {
    return tc_http_error(req, 403, "not you & not here");
}

static int has_no_such_thing(tc_request_t *req) {
    (void)req;
    return 404;
}

static int returns_nonsense(tc_request_t *req) {
    (void)req;
    return 200;
}

static int answers(tc_request_t *req) {
    return tc_write(req, "fine");
}

/* ---- What it shows ---- */

static void it_shows_cause_route_and_request(void **state) {
    (void)state;
    use_debug();
    route("/users/{id:int}", HANDLER(.any = fails, .name = "user"));
    const char *text = page_for("/users/7?page=2", HEADERS("X-One", "1", "X-Two", "2"), "colour=red");
    assert_string_equal(text, "500 500: Internal Server Error\n"
                              "the handler failed: i/o error: data/users.db: the disk <is> full\n"
                              "\n"
                              "Request\n"
                              "  Request: POST /users/7?… HTTP/1.1\n"
                              "  Route: /users/{id:int}\n"
                              "  Handler: user\n"
                              "  Client: 127.0.0.1\n"
                              "\n"
                              "Header fields\n"
                              "  X-One: 1\n"
                              "  X-Two: 2\n"
                              "  Host: localhost\n"
                              "  Content-Type: application/x-www-form-urlencoded\n"
                              "  Content-Length: 10\n"
                              "\n"
                              "Arguments of the query\n"
                              "  page: 2\n"
                              "\n"
                              "Arguments of the body\n"
                              "  colour: red\n"
                              "\n"
                              "Shown because the application's debug is on.\n");
}

static void it_is_html_for_who_asks_for_that(void **state) {
    (void)state;
    use_debug();
    route("/", HANDLER(.get = fails));
    const char *text = page_for("/?a=b", HEADERS("Accept", BROWSER), NULL);
    assert_contains(text, "500 <!DOCTYPE html>\n");
    assert_contains(text, "<h1>500: Internal Server Error</h1>\n<p id=\"cause\">the handler failed: i/o error: "
                          "data/users.db: the disk &lt;is&gt; full</p>\n");
    assert_contains(text, "<tr><th>Request<td>GET /?… HTTP/1.1\n");
    assert_contains(text, "<tr><th>a<td>b\n");
    assert_contains(page_for("/", HEADERS("Accept", "application/json", "Accept", "TEXT/HTML;q=0.1"), NULL), "<h1>");
    assert_lacks(page_for("/", HEADERS("Accept", "*/*"), NULL), "<h1>");
    assert_lacks(page_for("/", HEADERS("Accept", "application/json, text/htm"), NULL), "<h1>");
}

static void no_script_runs_in_it_and_nobody_keeps_it(void **state) {
    (void)state;
    static const char *const fields[] = { "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'",
                                          "Cache-Control",           "no-store",
                                          "X-Content-Type-Options",  "nosniff" };
    const char *const accepts[] = { BROWSER, "*/*" };
    const char *const types[] = { "text/html; charset=UTF-8", "text/plain; charset=UTF-8" };
    use_debug();
    route("/", HANDLER(.get = fails));
    for (size_t i = 0; i < COUNT(accepts); i++) {
        const tc_http_response_t *answer = tc_test_client_fetch(serve(), "/",
                                                                FETCH(.headers = HEADERS("Accept", accepts[i])));
        for (size_t j = 0; j < COUNT(fields); j += 2)
            assert_string_equal(tc_http_response_header(answer, fields[j]), fields[j + 1]);
        assert_string_equal(tc_http_response_header(answer, "Content-Type"), types[i]);
    }
}

static void each_kind_of_error_tells_its_cause(void **state) {
    (void)state;
    use_debug();
    route("/message", HANDLER(.get = refuses));
    route("/status", HANDLER(.get = has_no_such_thing));
    route("/nonsense", HANDLER(.get = returns_nonsense));
    route("/small", HANDLER(.post = answers, .max_body_size = 4));
    assert_contains(ask("/message"), "403 403: Forbidden\nnot you & not here\n\nRequest\n");
    assert_contains(ask("/status"), "404 404: Not Found\n\nRequest\n");
    assert_contains(ask("/status"), "Route: /status\n");
    assert_contains(ask("/nowhere"),
                    "404 404: Not Found\n\nRequest\n  Request: GET /nowhere HTTP/1.1\n  Route: none\n");
    assert_contains(ask("/nonsense"), "\nthe handler returned 200, which is no outcome");
    assert_contains(ask_by("POST", "/message"), "405 405: Method Not Allowed\n");
    assert_contains(ask_with("/small", FETCH(.body = tc_str("a=large"))), "\nthe body is larger than the limit\n");
}

static void what_the_answer_must_say_stays(void **state) {
    (void)state;
    use_debug();
    route("/", HANDLER(.get = answers));
    assert_string_equal(header("/", FETCH(.method = "PUT"), "Allow"), "GET, HEAD, OPTIONS");
}

static void head_gets_the_head_of_it(void **state) {
    (void)state;
    use_debug();
    route("/", HANDLER(.get = fails));
    const tc_http_response_t *answer = tc_test_client_fetch(serve(), "/", FETCH(.method = "HEAD"));
    assert_int_equal(tc_http_response_status(answer), 500);
    assert_int_equal(tc_http_response_body(answer).len, 0);
    assert_string_equal(tc_http_response_header(answer, "Content-Type"), "text/plain; charset=UTF-8");
}

static void the_id_of_the_request_is_shown_where_it_is_in_the_log(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .debug = true, .request_ids = true, .trust_request_ids = true });
    route("/", HANDLER(.get = fails));
    assert_contains(page_for("/", HEADERS("X-Request-Id", "abc-123"), NULL), "  Request id: abc-123\n");
}

static void files_of_a_form_are_listed(void **state) {
    (void)state;
    use_debug();
    route("/", HANDLER(.post = fails));
    const char *text = ask_with(
        "/", FETCH(.content_type = "multipart/form-data; boundary=b",
                   .body = tc_str("--b\r\nContent-Disposition: form-data; name=portrait; filename=\"../me.png\"\r\n\r\n"
                                  "bytes of the picture\r\n--b\r\nContent-Disposition: form-data; name=title\r\n\r\n"
                                  "Holidays\r\n--b--\r\n")));
    assert_contains(text, "Arguments of the body\n  title: Holidays\n\nFiles\n  portrait: me.png\n");
    assert_lacks(text, "bytes of the picture");
}

/* ---- What it hides ---- */

static void secrets_are_hidden(void **state) {
    (void)state;
    use_debug();
    route("/", HANDLER(.any = fails));
    const char *text = page_for(
        "/?token=hunter2&page=2&api_key=hunter2",
        HEADERS("Cookie", "user=hunter2", "Authorization", "Bearer hunter2", "Proxy-Authorization", "Basic hunter2",
                "X-XSRFToken", "hunter2", "X-Csrf-Token", "hunter2", "X-API-Key", "hunter2", "X-Session-Id", "hunter2",
                "Referer", "http://localhost/reset?t=hunter2", "User-Agent", "a browser", "X-Original-URI",
                "/?token=hunter2", "X-Rewrite-Url", "/?token=hunter2", "Cf-Access-Jwt-Assertion", "hunter2"),
        "password=hunter2&new_Password=hunter2&pass=hunter2&_xsrf=hunter2&user_pwd=hunter2&"
        "client_secret=hunter2&n=Zoe");
    assert_lacks(text, "hunter2");
    assert_contains(text, "  Cookie: (hidden)\n  Authorization: (hidden)\n  Proxy-Authorization: (hidden)\n");
    assert_contains(text, "  Referer: http://localhost/reset\n  User-Agent: a browser\n  X-Original-URI: /\n");
    assert_contains(text, "  token: (hidden)\n  page: 2\n  api_key: (hidden)\n");
    assert_contains(text, "  password: (hidden)\n");
    assert_contains(text, "  n: Zoe\n");
}

static void other_bodies_are_not_shown(void **state) {
    (void)state;
    use_debug();
    route("/", HANDLER(.post = fails));
    assert_lacks(ask_with("/", FETCH(.content_type = "application/json", .body = tc_str("{\"pin\": \"hunter2\"}"))),
                 "hunter2");
}

/* ---- What clients send ---- */

#define HOSTILE "<script>alert(1)</script>\"'&"
#define ESCAPED "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;"

static int echoes_query(tc_request_t *req) {
    return tc_http_error(req, 400, tc_get_argument(req, "q", ""));
}

static void hostile_text_is_escaped_wherever_it_stands(void **state) {
    (void)state;
    use_debug();
    route("/{path:*}", HANDLER(.any = echoes_query, .name = HOSTILE));
    const char *const places[] = { "<p id=\"cause\">" ESCAPED, "<th>Handler<td>" ESCAPED, "<th>X-H<td>" ESCAPED,
                                   "<th>" ESCAPED "<td>a", "<th>b<td>" ESCAPED };
    const char *text = ask_with(
        "/a'%22b%3Cscript%3E?q=%3Cscript%3Ealert(1)%3C/script%3E%22'%26",
        FETCH(.headers = HEADERS("Accept", BROWSER, "X-H", HOSTILE),
              .body = tc_str(
                  "%3Cscript%3Ealert(1)%3C/script%3E%22%27%26=a&b=%3Cscript%3Ealert(1)%3C/script%3E%22%27%26")));
    for (size_t i = 0; i < COUNT(places); i++)
        assert_contains(text, places[i]);
    assert_contains(text, "POST /a&#x27;%22b%3Cscript%3E?… HTTP/1.1");
    assert_lacks(text, "<script");
}

static void bytes_that_are_no_text_are_shown_as_their_codes(void **state) {
    (void)state;
    use_debug();
    route("/", HANDLER(.any = fails));
    const char *const accepts[] = { BROWSER, "*/*" };
    for (size_t i = 0; i < COUNT(accepts); i++) {
        const char *text = ask_with("/?z=%1b%5b31m&%00=%ff",
                                    FETCH(.headers = HEADERS("Accept", accepts[i], "X-H", "a\xff\xc3z"),
                                          .body = tc_str("u=%e2%80%a8&n=a%00b%0d%0aSet-Cookie:%20x")));
        assert_true(tc_utf8_valid(tc_str(text)));
        assert_contains(text, "a\\xff\\xc3z");
        assert_contains(text, "\\x00");
        assert_lacks(text, "\x1b");
        assert_lacks(text, "\nSet-Cookie");
    }
}

static void it_is_bounded_whatever_comes(void **state) {
    (void)state;
    enum { FIELDS = 900 };
    static char form[FIELDS * 120];
    static char value[8000];
    size_t len = 0;
    for (int i = 0; i < FIELDS; i++)
        len += (size_t)sprintf(form + len, "%s%050d%%22=%060d", i ? "&" : "", i, i);
    memset(value, '\'', sizeof value - 1);
    use_debug();
    route("/", HANDLER(.any = fails));
    const tc_http_response_t *answer = tc_test_client_fetch(
        serve(), "/", FETCH(.headers = HEADERS("Accept", BROWSER, "X-Long", value), .body = tc_bytes(form, len)));
    tc_bytes_t body = tc_http_response_body(answer);
    assert_true(body.len < 40000);
    assert_contains(body.data, "<tr><td>and 836 more\n");
    assert_contains(body.data, "&#x27;…\n");
}

static void a_long_text_is_not_cut_within_a_character(void **state) {
    (void)state;
    char value[400] = "";
    for (int i = 0; i < 99; i++)
        strcat(value, "€");
    use_debug();
    route("/", HANDLER(.any = fails));
    const char *text = page_for("/", HEADERS("X-Long", value), NULL);
    assert_contains(text, "€€…\n");
    assert_lacks(text, "\\x");
}

static void arguments_that_cannot_be_parsed_are_left_out(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .debug = true, .max_arguments = 1 });
    route("/", HANDLER(.any = fails));
    assert_contains(page_for("/?a=1&b=2", HEADERS("X-One", "1"), "c=3&d=4"), "500 500: Internal Server Error\n");
}

/* ---- Who else makes pages ---- */

static int own_page(tc_request_t *req, int status) {
    return tc_writef(req, "own %d: %s", status, tc_error_message(req));
}

static int own_page_fails(tc_request_t *req, int status) {
    (void)status;
    tc_set_header(req, "Content-Type", "text/own");
    tc_write(req, "half a page");
    return -EIO;
}

static void own_pages_come_first(void **state) {
    (void)state;
    use_debug();
    route("/own", HANDLER(.get = fails, .write_error = own_page));
    route("/fails", HANDLER(.get = fails, .write_error = own_page_fails));
    assert_string_equal(ask("/own"), "500 own 500: the handler failed: i/o error: data/users.db: the disk <is> full");
    assert_contains(ask("/fails"), "500 500: Internal Server Error\nthe handler failed");
    assert_lacks(ask("/fails"), "half a page");
}

static void production_shows_nothing_of_it(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ 0 });
    route("/fails/{id}", HANDLER(.any = fails, .name = "user"));
    route("/nonsense", HANDLER(.get = returns_nonsense));
    const char *const *headers = HEADERS("Accept", BROWSER, "X-H", "x");
    assert_string_equal(page_for("/fails/7?a=b", headers, "c=d"), page(500, "Internal Server Error", NULL));
    assert_string_equal(page_for("/nonsense", headers, NULL), page(500, "Internal Server Error", NULL));
    assert_string_equal(page_for("/nowhere", headers, NULL), page(404, "Not Found", NULL));
    assert_string_equal(page_for("/nonsense", headers, "c=d"), page(405, "Method Not Allowed", NULL));
    assert_string_equal(ask_by("HEAD", "/fails/7"), "500 ");
}

static void own_pages_of_production_are_not_told_of_failures(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ 0 });
    route("/", HANDLER(.get = fails, .write_error = own_page));
    assert_string_equal(ask("/"), "500 own 500: (null)");
}

/* ---- Without memory ---- */

static void make_debug_app(void) {
    use_debug();
    route("/{x}", HANDLER(.any = fails, .name = "fails"));
}

static int ask_for_page(size_t i) {
    (void)i;
    const char *text = page_for("/x?a=1&b=2", HEADERS("Accept", BROWSER, "Cookie", "a=b", "X-One", "1"), "c=3&d=4");
    bool whole = strstr(text, "debug is on.</p>\n"), plain = strstr(text, "<body>500: ");
    if (strncmp(text, "500", 3) == 0 && whole == plain)
        fail_msg("half a page: %s", text);
    note("%s", plain ? "plain" : whole ? "whole" : "none");
    return strncmp(text, "cut", 3) == 0 ? 0 : atoi(text);
}

static void without_memory_for_it_the_page_is_the_plain_one(void **state) {
    (void)state;
    fail_each_allocation(&(tried_request_t){
        .make_app = make_debug_app, .ask = ask_for_page, .method = "POST", .path = "/x", .status = 500, .most = 500 });
    make_debug_app();
    serve();
    bool plain = false;
    for (long nth = 1; nth < 20 && !plain; nth++) {
        noted();
        fail_allocation(nth, false);
        ask_for_page(0);
        allow_allocations();
        plain = strstr(noted(), "plain");
    }
    assert_true(plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PAGE_TEST(it_shows_cause_route_and_request),
        PAGE_TEST(it_is_html_for_who_asks_for_that),
        PAGE_TEST(no_script_runs_in_it_and_nobody_keeps_it),
        PAGE_TEST(each_kind_of_error_tells_its_cause),
        PAGE_TEST(what_the_answer_must_say_stays),
        PAGE_TEST(head_gets_the_head_of_it),
        PAGE_TEST(the_id_of_the_request_is_shown_where_it_is_in_the_log),
        PAGE_TEST(files_of_a_form_are_listed),
        PAGE_TEST(secrets_are_hidden),
        PAGE_TEST(other_bodies_are_not_shown),
        PAGE_TEST(hostile_text_is_escaped_wherever_it_stands),
        PAGE_TEST(bytes_that_are_no_text_are_shown_as_their_codes),
        PAGE_TEST(it_is_bounded_whatever_comes),
        PAGE_TEST(a_long_text_is_not_cut_within_a_character),
        PAGE_TEST(arguments_that_cannot_be_parsed_are_left_out),
        PAGE_TEST(own_pages_come_first),
        PAGE_TEST(production_shows_nothing_of_it),
        PAGE_TEST(own_pages_of_production_are_not_told_of_failures),
        PAGE_TEST(without_memory_for_it_the_page_is_the_plain_one),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
