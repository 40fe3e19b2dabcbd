/* request_input_test.c - what came in, as handlers ask for it: arguments, cookies, headers, the path, JSON, bodies. */
#include <yyjson.h>

#include "web/web_test.h"

static int (*look)(tc_request_t *req);

static int looks(tc_request_t *req) {
    return look(req);
}

/* Answers of the handler to requests of any kind on "/". */
static void look_with(int (*fn)(tc_request_t *req)) {
    look = fn;
    if (app)
        route("/", HANDLER(.any = looks));
}

static const char *form(const char *path, const char *body) {
    return ask_with(path, FETCH(.body = tc_str(body)));
}

/* ---- Arguments ---- */

static int says_a(tc_request_t *req) {
    return tc_writef(req, "(%s)", tc_get_argument(req, "a", "none"));
}

static const struct {
    const char *why, *path, *body, *answer;
} arguments[] = {
    { "none", "/", NULL, "200 (none)" },
    { "of the query", "/?a=1", NULL, "200 (1)" },
    { "the last wins", "/?a=1&a=2", NULL, "200 (2)" },
    { "the body's goes before the query's", "/?a=1", "a=2&b=3", "200 (2)" },
    { "the last of the body", "/?a=1", "a=2&a=3", "200 (3)" },
    { "the query's if the body has none", "/?a=1", "b=2", "200 (1)" },
    { "blank", "/?a=", NULL, "200 ()" },
    { "without a value", "/?a", NULL, "200 ()" },
    { "decoded", "/?a=%41+b%2Bc", NULL, "200 (A b+c)" },
    { "decoded name", "/?%61=x", NULL, "200 (x)" },
    { "stripped", "/?a=%20%09x%20y%0a", NULL, "200 (x y)" },
    { "control bytes are spaces", "/?a=x%00y%01z%1f.", NULL, "200 (x y z .)" },
    { "control bytes at the ends are stripped", "/?a=%01x%00", NULL, "200 (x)" },
    { "a bad escape stays", "/?a=%zz%4", NULL, "200 (%zz%4)" },
    { "UTF-8", "/?a=%c3%a4", NULL, "200 (\xc3\xa4)" },
    { "not UTF-8", "/?a=%ff", NULL, "400" },
    { "not UTF-8, but another is asked for", "/?b=%ff", NULL, "200 (none)" },
    { "not UTF-8 in the body", "/?a=1", "a=%c3", "400" },
    { "encoded surrogate", "/?a=%ed%a0%80", NULL, "400" },
    { "semicolons do not separate", "/?a=1;b=2", NULL, "200 (1;b=2)" },
    { "empty pairs", "/?&&a=1&&", NULL, "200 (1)" },
};

static void arguments_are_tornados(void **state) {
    (void)state;
    look_with(says_a);
    for (size_t i = 0; i < COUNT(arguments); i++) {
        const char *answer = arguments[i].body ? form(arguments[i].path, arguments[i].body) : ask(arguments[i].path);
        if (strncmp(answer, arguments[i].answer, strlen(arguments[i].answer)) != 0)
            fail_msg("%s: %s", arguments[i].why, answer);
        forget_log();
    }
}

static int says_sources(tc_request_t *req) {
    return tc_writef(req, "%s %s", tc_get_query_argument(req, "a", "-"), tc_get_body_argument(req, "a", "-"));
}

static void query_and_body_are_asked_apart(void **state) {
    (void)state;
    look_with(says_sources);
    assert_string_equal(form("/?a=q", "a=b"), "200 q b");
    assert_string_equal(form("/", "a=b"), "200 - b");
    assert_ask("/?a=q", "200 q -");
}

static void only_a_form_has_arguments(void **state) {
    (void)state;
    static const struct {
        const char *type;
        bool form;
    } types[] = {
        { "application/x-www-form-urlencoded", true },
        { "APPLICATION/X-WWW-Form-URLencoded", true },
        { "application/x-www-form-urlencoded; charset=UTF-8", true },
        { "application/x-www-form-urlencoded ;charset=UTF-8", true },
        { "application/x-www-form-urlencodedx", false },
        { "x-www-form-urlencoded", false },
        { "text/plain", false },
        { "application/json", false },
        { "", false },
    };
    look_with(says_a);
    for (size_t i = 0; i < COUNT(types); i++)
        assert_string_equal(ask_with("/", FETCH(.body = tc_str("a=1"), .content_type = types[i].type)),
                            types[i].form ? "200 (1)" : "200 (none)");
}

static int says_all_a(tc_request_t *req) {
    const char *const *values;
    size_t count = tc_get_arguments(req, "a", &values);
    tc_writef(req, "%zu:", count);
    for (size_t i = 0; i < count; i++)
        tc_writef(req, " %s", values[i]);
    return 0;
}

static void all_arguments_of_a_name_are_in_order_the_querys_first(void **state) {
    (void)state;
    look_with(says_all_a);
    assert_string_equal(form("/?a=1&b=x&a=2", "a=3&c=y&a=4"), "200 4: 1 2 3 4");
    assert_ask("/?b=1", "200 0:");
    assert_ask("/", "200 0:");
    assert_int_equal(strncmp(ask("/?a=1&a=%ff"), "400 ", 4), 0);
    forget_log();
}

static int says_all_a_apart(tc_request_t *req) {
    const char *const *values;
    size_t count = tc_get_query_arguments(req, "a", &values);
    for (size_t i = 0; i < count; i++)
        tc_writef(req, "%s ", values[i]);
    tc_write(req, "|");
    count = tc_get_body_arguments(req, "a", &values);
    for (size_t i = 0; i < count; i++)
        tc_writef(req, " %s", values[i]);
    return 0;
}

static void lists_of_query_and_body_are_asked_apart(void **state) {
    (void)state;
    look_with(says_all_a_apart);
    assert_string_equal(form("/?a=1&b=x&a=2", "a=3&c=y&a=4"), "200 1 2 | 3 4");
    assert_ask("/?a=1", "200 1 |");
    assert_string_equal(form("/", "a=1"), "200 | 1");
    assert_int_equal(strncmp(form("/?a=1", "a=%ff"), "400 ", 4), 0);
    forget_log();
}

static int wants_a(tc_request_t *req) {
    const char *a = "untouched";
    int err = tc_require_argument(req, "a", &a);
    note("%s", a);
    TC_TRY(err);
    return tc_write(req, a);
}

static void a_missing_argument_is_a_400(void **state) {
    (void)state;
    look_with(wants_a);
    assert_ask("/?a=x", "200 x");
    assert_ask("/?a=", "200 ");
    noted();
    assert_string_equal(ask("/?b=x"), page(400, "Bad Request", "missing argument a"));
    assert_string_equal(noted(), "untouched");
    assert_log("W general: 400 GET /?b=x (127.0.0.1): missing argument a");
    assert_string_equal(ask("/?a=%ff"), page(400, "Bad Request", "an argument is not UTF-8 text"));
    assert_log("not UTF-8");
    noted();
}

static void too_many_arguments_are_a_400(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .max_arguments = 3 });
    look_with(says_a);
    assert_ask("/?a=1&b&c", "200 (1)");
    assert_string_equal(ask("/?a=1&b&c&d"), page(400, "Bad Request", "too many arguments"));
    assert_log("too many arguments");
    assert_string_equal(form("/", "a=1&b&c&d"), page(400, "Bad Request", "too many arguments"));
    assert_log("too many arguments");
}

static void a_thousand_arguments_are_not_too_many(void **state) {
    (void)state;
    char path[4096] = "/?a=1";
    look_with(says_a);
    for (int i = 0; i < 999; i++)
        strcat(path, "&b");
    assert_ask(path, "200 (1)");
    strcat(path, "&b");
    assert_int_equal(strncmp(ask(path), "400 ", 4), 0);
    assert_log("W general: 400 GET /?a=1&b");
}

/* ---- Cookies, headers, the request line ---- */

static int says_cookies(tc_request_t *req) {
    return tc_writef(req, "%s %s %s", tc_get_cookie(req, "a", "-"), tc_get_cookie(req, "b", "-"),
                     tc_get_cookie(req, "A", "-"));
}

static void cookies_come_by_name(void **state) {
    (void)state;
    look_with(says_cookies);
    assert_ask("/", "200 - - -");
    assert_string_equal(ask_with("/", FETCH(.headers = HEADERS("Cookie", "a=1; b=\"x\\073y\""))), "200 1 x;y -");
    assert_string_equal(ask_with("/", FETCH(.headers = HEADERS("Cookie", "a=1", "cookie", "b=2"))), "200 1 2 -");
    assert_string_equal(ask_with("/", FETCH(.headers = HEADERS("Cookie", "a=1; a=2; ; =; x"))), "200 2 - -");
}

static void too_many_cookies_are_a_400(void **state) {
    (void)state;
    char cookie[2048] = "a=1";
    look_with(says_cookies);
    for (int i = 0; i < 200; i++)
        strcat(cookie, "; b=2");
    assert_int_equal(strncmp(ask_with("/", FETCH(.headers = HEADERS("Cookie", cookie))), "400 ", 4), 0);
    assert_log("too many cookies");
}

static int says_headers(tc_request_t *req) {
    const char *one = tc_header(req, "x-one"), *none = tc_header(req, "X-None");
    const tc_header_field_t *fields;
    size_t count = tc_headers(req, &fields);
    tc_writef(req, "%s %s:", one ? one : "-", none ? none : "-");
    for (size_t i = 0; i < count; i++)
        tc_writef(req, " " TC_FMT "=" TC_FMT, TC_ARG(fields[i].name), TC_ARG(fields[i].value));
    return 0;
}

static void headers_are_joined_and_listed_as_received(void **state) {
    (void)state;
    look_with(says_headers);
    assert_string_equal(ask_with("/", FETCH(.headers = HEADERS("X-ONE", "1", "B", "", "x-One", "2", "Host", "h"))),
                        "200 1, 2 -: X-ONE=1 B= x-One=2 Host=h");
    assert_string_equal(ask_with("/", FETCH(.headers = HEADERS("X-One", "  1\t"))), "200 1 -: X-One=1 Host=localhost");
}

static int says_trailers(tc_request_t *req) {
    const tc_header_field_t *fields;
    size_t count = tc_trailers(req, &fields);
    tc_writef(req, "%zu", count);
    for (size_t i = 0; i < count; i++)
        tc_writef(req, " " TC_FMT "=" TC_FMT, TC_ARG(fields[i].name), TC_ARG(fields[i].value));
    return tc_writef(req, count || !fields ? " %s;" : "?;", tc_header(req, "X-Sum") ? "merged" : "apart");
}

static int says_trailers_of_a_piece(tc_request_t *req, tc_bytes_t chunk) {
    (void)chunk;
    return says_trailers(req);
}

static void trailers_are_there_once_the_body_is(void **state) {
    (void)state;
    route("/", HANDLER(.admit = says_trailers, .prepare = says_trailers, .post = says_trailers));
    route("/streamed", HANDLER(.body = TC_BODY_STREAM, .prepare = says_trailers, .post = says_trailers,
                               .data_received = says_trailers_of_a_piece));
    const tc_fetch_options_t *with_trailers = FETCH(.body = tc_str(
                                                        "1\r\nx\r\n0\r\nX-Sum: 1\r\nCookie: a=b\r\nB:\r\n\r\n"),
                                                    .headers = HEADERS("Transfer-Encoding", "chunked"));
    assert_string_equal(ask_with("/", with_trailers), "200 0 apart;2 X-Sum=1 B= apart;2 X-Sum=1 B= apart;");
    assert_string_equal(ask_with("/streamed", with_trailers), "200 0 apart;0 apart;2 X-Sum=1 B= apart;");
}

static int says_line(tc_request_t *req) {
    return tc_writef(req, "%s|%s|%s|%s|%s|%s|%s|%s", tc_method(req), tc_path(req), tc_query(req), tc_uri(req),
                     tc_http_version(req), tc_host(req), tc_protocol(req), tc_remote_ip(req));
}

static void the_request_line_is_at_hand(void **state) {
    (void)state;
    look = says_line;
    tc_application_add(app, "/{x:*}", HANDLER(.any = looks), NULL);
    assert_ask("/a%20b?c=%20d?e", "200 GET|/a%20b|c=%20d?e|/a%20b?c=%20d?e|HTTP/1.1|localhost|http|127.0.0.1");
    assert_ask("/?", "200 GET|/||/?|HTTP/1.1|localhost|http|127.0.0.1");
    assert_ask("/", "200 GET|/||/|HTTP/1.1|localhost|http|127.0.0.1");
    assert_string_equal(ask_with("/", FETCH(.method = "DELETE", .headers = HEADERS("Host", "h:1"))),
                        "200 DELETE|/||/|HTTP/1.1|h:1|http|127.0.0.1");
}

static void the_absolute_form_says_the_host(void **state) {
    (void)state;
    raw_t raw;
    look_with(says_line);
    raw_open(&raw, NULL);
    raw_send(&raw, "GET http://other:81/?y HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(raw_text(&raw), "\r\n\r\nGET|/|y|http://other:81/?y|HTTP/1.1|other:81|http|127.0.0.1"));
    raw_send(&raw, "GET http://other HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(raw_text(&raw), "\r\n\r\nGET|/||http://other|HTTP/1.1|other|http|127.0.0.1"));
    raw_close(&raw);
}

static void a_1_0_client_needs_no_host(void **state) {
    (void)state;
    raw_t raw;
    look_with(says_line);
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(raw_text(&raw), "\r\n\r\nGET|/||/|HTTP/1.0||http|127.0.0.1"));
    raw_close(&raw);
}

/* ---- The path ---- */

static int says_path_args(tc_request_t *req) {
    const char *x = tc_path_arg(req, "x"), *y = tc_path_arg(req, "y"), *one = tc_path_arg(req, "1");
    return tc_writef(req, "%s %s %s %lld", x ? x : "-", y ? y : "-", one ? one : "-", (long long)tc_path_int(req, "x"));
}

static void what_the_path_captures_is_decoded(void **state) {
    (void)state;
    look = says_path_args;
    route("/i/{x:int}", HANDLER(.get = looks));
    route("/s/{x}/{y:*}", HANDLER(.get = looks));
    tc_application_add_regex(app, "/r/(a)?(.*)", HANDLER(.get = looks), NULL);
    tc_application_add_regex(app, "/n/(?<x>.)", HANDLER(.get = looks), NULL);
    assert_ask("/i/42", "200 42 - - 42");
    assert_ask("/i/-42", "200 -42 - - -42");
    assert_ask("/i/9223372036854775807", "200 9223372036854775807 - - 9223372036854775807");
    assert_ask("/s/a%2Fb/c/d%20e", "200 a/b c/d e - 0");
    assert_ask("/s/a+b/", "200 a+b  - 0");
    assert_ask("/s/7/", "200 7  - 7");
    assert_ask("/r/ab", "200 - - a 0");
    assert_ask("/r/b", "200 - - - 0");
    assert_ask("/n/x", "200 x - - 0");
    assert_int_equal(strncmp(ask("/i/9223372036854775808"), "404 ", 4), 0);
}

static void a_path_that_is_no_text_is_a_400(void **state) {
    (void)state;
    look = says_path_args;
    route("/s/{x}", HANDLER(.get = looks, .initialize = looks));
    assert_string_equal(ask("/s/%ff"), page(400, "Bad Request", "a path argument is not UTF-8 text"));
    assert_log("a path argument is not UTF-8 text");
    assert_int_equal(strncmp(ask("/s/a%00b"), "400 ", 4), 0);
    assert_log("a path argument is not UTF-8 text");
}

/* ---- JSON ---- */

static int echoes_json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, root));
    return tc_write_json(req, doc);
}

static const char *json(const char *body) {
    return ask_with("/", FETCH(.body = tc_str(body), .content_type = "application/json"));
}

static void json_goes_in_and_out(void **state) {
    (void)state;
    look_with(echoes_json);
    assert_string_equal(json("{\"a\": [1, {\"b\": null}, \"\\u00e4\", 1.5, true]}"),
                        "200 {\"a\":[1,{\"b\":null},\"\xc3\xa4\",1.5,true]}");
    assert_string_equal(json("1"), "200 1");
    assert_string_equal(json("\"</script></\""), "200 \"<\\/script><\\/\"");
    assert_string_equal(header("/", FETCH(.body = tc_str("1"), .content_type = "application/json"), "Content-Type"),
                        "application/json; charset=UTF-8");
}

static int shows_json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, root));
    const char *text = tc_json_encode(req, doc);
    return tc_writef(req, "<script>x = %s</script>", text ? text : "");
}

static void json_is_text_that_may_stand_in_a_page(void **state) {
    (void)state;
    look_with(shows_json);
    assert_string_equal(json("[1]"), "200 <script>x = [1]</script>");
    assert_string_equal(json("\"</script></\""), "200 <script>x = \"<\\/script><\\/\"</script>");
}

static int encodes_nothing(tc_request_t *req) {
    note(tc_json_encode(req, NULL) ? "text" : "NULL");
    return 0;
}

static void json_that_could_not_be_made_is_a_500(void **state) {
    (void)state;
    look_with(encodes_nothing);
    assert_int_equal(strncmp(ask("/"), "500 ", 4), 0);
    assert_string_equal(noted(), "NULL");
    assert_null(tc_json_encode(NULL, NULL));
    forget_log();
}

static void bad_json_is_a_400_in_words(void **state) {
    (void)state;
    static const char *const bad[] = { "", "{", "{\"a\":}", "nul", "[1,]", "1 2", "'a'", "\"\xff\"", "\"\\ud800\"" };
    look_with(echoes_json);
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *answer = json(bad[i]);
        assert_int_equal(strncmp(answer, "400 ", 4), 0);
        assert_non_null(strstr(answer, "invalid JSON: "));
        forget_log();
    }
    assert_non_null(strstr(json("[1,}"), " at byte 3"));
    forget_log();
}

static void json_nests_deeply_without_harm(void **state) {
    (void)state;
    enum { DEPTH = 200000 };
    char *body = malloc(2 * DEPTH + 1);
    memset(body, '[', DEPTH);
    memset(body + DEPTH, ']', DEPTH);
    body[2 * DEPTH] = '\0';
    look_with(echoes_json);
    json(body);
    memset(body, '[', 2 * DEPTH);
    assert_int_equal(strncmp(json(body), "400 ", 4), 0);
    forget_log();
    free(body);
}

static int counts_json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    return tc_writef(req, "%zu", yyjson_get_len(root));
}

static void json_beyond_its_limit_is_a_413(void **state) {
    (void)state;
    enum { MOST = 2 * 1024 * 1024 };
    char *body = malloc(MOST + 2);
    memset(body, ' ', MOST + 1);
    body[0] = '1';
    body[MOST] = '\0';
    look_with(echoes_json);
    assert_string_equal(json(body), "200 1");
    body[MOST] = ' ';
    body[MOST + 1] = '\0';
    assert_string_equal(json(body), page(413, "Content Too Large", "the JSON is larger than the limit"));
    assert_log("413 POST /");
    free(body);
    stop_serving();
    app = tc_application_new(&(tc_application_options_t){ .max_json_size = 3 });
    look_with(echoes_json);
    assert_string_equal(json("[1]"), "200 [1]");
    assert_int_equal(atoi(json("[10]")), 413);
    assert_log("413 POST /");
}

static void trees_count_among_all_bodies(void **state) {
    (void)state;
    enum { LEN = 30000 };
    static char body[LEN + 1];
    for (int i = 0; i < LEN; i += 3)
        memcpy(body + i, "[],", 4);
    body[0] = '[';
    body[1] = '1';
    strcpy(body + LEN - 3, "[]]");
    tc_application_free(app);
    app = tc_application_new(&(tc_application_options_t){ .max_buffered_size = 200000 });
    look_with(counts_json);
    assert_string_equal(json(body), page(503, "Service Unavailable", "too many bodies are in memory"));
    assert_log("503 POST /");
    stop_serving();
    app = tc_application_new(&(tc_application_options_t){ .max_buffered_size = 1000000 });
    look_with(counts_json);
    for (int i = 0; i < 10; i++) /* and are given back */
        assert_string_equal(json(body), "200 10000");
}

static void what_does_not_say_that_it_is_json_is_a_415(void **state) {
    (void)state;
    static const struct {
        const char *type;
        int status;
    } types[] = {
        { "application/json", 200 },
        { "Application/JSON ; charset=utf-8", 200 },
        { "application/problem+json", 200 },
        { "application/vnd.api+JSON;x=y", 200 },
        { "text/json", 415 },
        { "application/jsonx", 415 },
        { "application/+json", 415 },
        { "application/x-www-form-urlencoded", 415 },
        { "text/x+json", 415 },
        { "", 415 },
    };
    look_with(echoes_json);
    for (size_t i = 0; i < COUNT(types); i++) {
        const char *answer = ask_with("/", FETCH(.body = tc_str("1"), .content_type = types[i].type));
        if (atoi(answer) != types[i].status)
            fail_msg("%s: %s", types[i].type, answer);
        forget_log();
    }
    assert_int_equal(strncmp(ask("/"), "415 ", 4), 0);
    forget_log();
}

static int sets_type_and_writes_json(tc_request_t *req) {
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, yyjson_mut_str(doc, "x"));
    if (tc_get_argument(req, "cleared", NULL))
        tc_clear_header(req, "Content-Type");
    else
        tc_set_header(req, "content-type", "application/problem+json");
    tc_write_json(req, doc);
    if (tc_get_argument(req, "flush", NULL))
        tc_flush(req);
    return tc_write_json(req, doc);
}

static void a_type_that_is_set_stays(void **state) {
    (void)state;
    look_with(sets_type_and_writes_json);
    assert_string_equal(header("/", NULL, "Content-Type"), "application/problem+json");
    assert_string_equal(header("/?cleared", NULL, "Content-Type"), "application/json; charset=UTF-8");
    assert_ask("/?flush&cleared", "200 \"x\"\"x\"");
}

static int flushes_before_json(tc_request_t *req) {
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, yyjson_mut_int(doc, 1));
    tc_flush(req);
    return tc_write_json(req, doc);
}

static void json_after_the_flush_is_written_as_it_is(void **state) {
    (void)state;
    look_with(flushes_before_json);
    assert_ask("/", "200 1");
}

static int writes_bad_json(tc_request_t *req) {
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, tc_get_argument(req, "text", NULL) ? yyjson_mut_str(doc, "\xff\xfe") : NULL);
    tc_write_json(req, doc);
    return 0;
}

static void a_document_that_cannot_be_written_is_a_500(void **state) {
    (void)state;
    look_with(writes_bad_json);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(strncmp(ask(i ? "/?text" : "/"), "500 ", 4), 0);
        assert_log("tc_write_json: the document cannot be written");
        assert_log("the handler failed");
    }
}

/* ---- Bodies ---- */

static int says_body(tc_request_t *req) {
    tc_bytes_t body = tc_body(req);
    return tc_writef(req, "%zu %s %s", body.len, body.len < 100 ? body.data : "…", body.data[body.len] ? "?" : "ends");
}

static void the_body_has_a_nul_behind_it(void **state) {
    (void)state;
    look_with(says_body);
    assert_ask("/", "200 0  ends");
    assert_string_equal(form("/", "abc"), "200 3 abc ends");
    char *large = malloc(300001);
    memset(large, 'x', 300000);
    large[300000] = '\0';
    for (size_t len = 1; len <= 300000; len = len * 3 + 1) {
        char wanted[64];
        snprintf(wanted, sizeof(wanted), "200 %zu ", len);
        const char *answer = ask_with("/", FETCH(.body = tc_bytes(large + 300000 - len, len)));
        assert_int_equal(strncmp(answer, wanted, strlen(wanted)), 0);
        assert_non_null(strstr(answer, " ends"));
    }
    free(large);
}

static void a_body_in_many_pieces_is_whole(void **state) {
    (void)state;
    raw_t raw;
    look_with(says_body);
    raw_open(&raw, NULL);
    raw_send(&raw, "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 5000; i++)
        raw_send(&raw, "3\r\nabc\r\n");
    raw_send(&raw, "0\r\n\r\n");
    assert_non_null(strstr(raw_text(&raw), "15000 … ends"));
    raw_close(&raw);
}

static int sets_limit(tc_request_t *req) {
    const char *limit = tc_get_query_argument(req, "limit", NULL);
    return limit ? tc_set_max_body_size(req, (size_t)atol(limit)) : 0;
}

static int sets_limit_too_late(tc_request_t *req) {
    note("%d", tc_set_max_body_size(req, 1) == TC_EINVAL);
    return 0;
}

static int on_data(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    note("%zu", chunk.len);
    return 0;
}

static void limits_of_a_body_are_413(void **state) {
    (void)state;
    static const struct {
        const char *path;
        int most;
    } limits[] = {
        { "/route", 5 }, { "/refuse", 0 }, { "/admit?limit=7", 7 }, { "/init?limit=6", 6 }, { "/stream", 4 }
    };
    route("/route", HANDLER(.put = says_body, .max_body_size = 5));
    route("/refuse", HANDLER(.put = says_body, .body = TC_BODY_REFUSE));
    route("/admit", HANDLER(.put = says_body, .admit = sets_limit, .max_body_size = 2));
    route("/init", HANDLER(.put = says_body, .initialize = sets_limit));
    route("/stream", HANDLER(.put = says_body, .body = TC_BODY_STREAM, .data_received = on_data, .max_body_size = 4));
    for (size_t i = 0; i < COUNT(limits); i++)
        for (int chunked = 0; chunked < 2; chunked++)
            for (int len = limits[i].most; len <= limits[i].most + 1; len++) {
                char body[64], *at = body;
                if (chunked && len > 0)
                    at += sprintf(at, "%x\r\n", (unsigned)len);
                at += sprintf(at, "%.*s", len, "xxxxxxxxxxxxxxxx");
                if (chunked)
                    sprintf(at, len > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
                const char *answer = ask_with(
                    limits[i].path, FETCH(.method = "PUT", .body = tc_str(body),
                                          .headers = chunked ? HEADERS("Transfer-Encoding", "chunked") : NULL));
                int wanted = len > limits[i].most ? 413 : 200;
                if (atoi(answer) != wanted)
                    fail_msg("%s, %s, %d bytes: %s", limits[i].path, chunked ? "chunked" : "counted", len, answer);
                forget_log();
            }
    noted();
}

static tc_deferred_t *holding;

static int holds_its_body(tc_request_t *req) {
    holding = tc_defer(req);
    return TC_DETACH;
}

static void all_bodies_together_have_a_limit(void **state) {
    (void)state;
    char body[20000];
    memset(body, 'x', sizeof(body));
    tc_application_free(app);
    app = tc_application_new(&(tc_application_options_t){ .max_buffered_size = 30000 });
    route("/hold", HANDLER(.put = holds_its_body));
    route("/", HANDLER(.put = says_body));
    int id = start("/hold", FETCH(.method = "PUT", .body = tc_bytes(body, sizeof(body))));
    assert_int_equal(atoi(ask_with("/", FETCH(.method = "PUT", .body = tc_bytes(body, sizeof(body))))), 503);
    assert_log("too many bodies are in memory");
    assert_int_equal(atoi(ask_with("/", FETCH(.method = "PUT", .body = tc_bytes(body, 9000)))), 200);
    tc_deferred_unref(holding);
    tc_test_client_advance(client, 0);
    assert_int_equal(atoi(answered(id)), 500);
    forget_log();
    assert_int_equal(atoi(ask_with("/", FETCH(.method = "PUT", .body = tc_bytes(body, sizeof(body))))), 200);
    noted();
}

static int opens_files(tc_request_t *req) {
    (void)req;
    note("prepared");
    return 0;
}

static void a_stream_that_announces_too_much_is_not_prepared_for(void **state) {
    (void)state;
    route("/", HANDLER(.put = says_body, .prepare = opens_files, .body = TC_BODY_STREAM, .data_received = on_data,
                       .max_body_size = 4));
    assert_int_equal(atoi(ask_with("/", FETCH(.method = "PUT", .body = tc_str("12345")))), 413);
    assert_log("413");
    assert_null(strstr(noted(), "prepared"));
}

static void a_limit_comes_before_the_body_or_not_at_all(void **state) {
    (void)state;
    route("/", HANDLER(.put = says_body, .prepare = sets_limit_too_late));
    assert_string_equal(ask_with("/", FETCH(.method = "PUT", .body = tc_str("abc"))), "200 3 abc ends");
    assert_string_equal(noted(), "1");
    assert_log("tc_set_max_body_size: only from initialize and admit");
}

static void the_servers_limit_is_the_default(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.put = says_body));
    raw_open(&raw, &(tc_httpserver_options_t){ .max_body_size = 3 });
    raw_send(&raw, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 413 ", 13), 0);
    assert_log("413 PUT /");
    raw_close(&raw);
}

/* ---- Streams ---- */

typedef struct {
    tc_bytes_t chunk;
    size_t total;
    unsigned sum;
} upload_t;

static int store(void *arg, void **out) { /* on a worker thread */
    upload_t *upload = arg;
    *out = NULL;
    for (size_t i = 0; i < upload->chunk.len; i++)
        upload->sum = upload->sum * 31 + (unsigned char)upload->chunk.data[i];
    upload->total += upload->chunk.len;
    return 0;
}

static int store_chunk(tc_request_t *req, tc_bytes_t chunk) {
    upload_t *upload = tc_data(req);
    upload->chunk = chunk;
    return tc_then(req, tc_run_in_executor(NULL, store, upload, NULL), NULL, NULL);
}

static int says_stored(tc_request_t *req) {
    upload_t *upload = tc_data(req);
    tc_set_status(req, 201);
    return tc_writef(req, "%zu %u [%zu]", upload->total, upload->sum, tc_body(req).len);
}

static void a_large_upload_is_stored_piece_by_piece(void **state) {
    (void)state;
    enum { SIZE = 4 * 1024 * 1024, PIECE = 32768 };
    raw_t raw;
    unsigned sum = 0;
    char *piece = malloc(PIECE), wanted[64];
    route("/", HANDLER(.put = says_stored, .body = TC_BODY_STREAM, .data_received = store_chunk,
                       .data_size = sizeof(upload_t), .max_body_size = TC_UNLIMITED));
    raw_open(&raw, NULL);
    raw_send(&raw, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n");
    for (size_t sent = 0; sent < SIZE; sent += PIECE) {
        for (size_t i = 0; i < PIECE; i++) {
            piece[i] = (char)((sent + i) * 2654435761u >> 13);
            sum = sum * 31 + (unsigned char)piece[i];
        }
        assert_int_equal(tc_iostream_write(raw.stream, tc_bytes(piece, PIECE), NULL, NULL), 0);
        raw_turn(&raw);
        while (tc__ioloop_has_jobs(raw.loop)) {
            tc__ioloop_turn(raw.loop, true);
            raw_turn(&raw);
        }
    }
    snprintf(wanted, sizeof(wanted), "\r\n\r\n%d %u [0]", SIZE, sum);
    assert_non_null(strstr(raw_text(&raw), "HTTP/1.1 201 Created\r\n"));
    assert_non_null(strstr(raw_text(&raw), wanted));
    raw_close(&raw);
    free(piece);
}

static size_t stalled_bytes;

static int stalls(tc_request_t *req, tc_bytes_t chunk) {
    stalled_bytes += chunk.len;
    return tc_then(req, tc_sleep(NULL, 1000), NULL, NULL);
}

static void a_stream_that_waits_reads_no_further(void **state) {
    (void)state;
    raw_t raw;
    char *piece = calloc(1, 65536);
    stalled_bytes = 0;
    route("/", HANDLER(.put = says_body, .body = TC_BODY_STREAM, .data_received = stalls));
    raw_open(&raw, NULL);
    raw_send(&raw, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n");
    for (int i = 0; i < 64; i++) {
        assert_int_equal(tc_iostream_write(raw.stream, tc_bytes(piece, 65536), NULL, NULL), 0);
        raw_turn(&raw);
    }
    assert_true(stalled_bytes <= 65536);
    assert_true(tc__iostream_queued(raw.stream) >= 60 * 65536); /* it waits at the client */
    tc__ioloop_advance(raw.loop, 3000);
    assert_true(stalled_bytes > 65536 && stalled_bytes <= 5 * 65536);
    raw_close(&raw);
    free(piece);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(arguments_are_tornados),
        WEB_TEST(query_and_body_are_asked_apart),
        WEB_TEST(only_a_form_has_arguments),
        WEB_TEST(all_arguments_of_a_name_are_in_order_the_querys_first),
        WEB_TEST(lists_of_query_and_body_are_asked_apart),
        WEB_TEST(a_missing_argument_is_a_400),
        WEB_TEST(too_many_arguments_are_a_400),
        WEB_TEST(a_thousand_arguments_are_not_too_many),
        WEB_TEST(cookies_come_by_name),
        WEB_TEST(too_many_cookies_are_a_400),
        WEB_TEST(headers_are_joined_and_listed_as_received),
        WEB_TEST(trailers_are_there_once_the_body_is),
        WEB_TEST(the_request_line_is_at_hand),
        WEB_TEST(the_absolute_form_says_the_host),
        WEB_TEST(a_1_0_client_needs_no_host),
        WEB_TEST(what_the_path_captures_is_decoded),
        WEB_TEST(a_path_that_is_no_text_is_a_400),
        WEB_TEST(json_goes_in_and_out),
        WEB_TEST(json_is_text_that_may_stand_in_a_page),
        WEB_TEST(json_that_could_not_be_made_is_a_500),
        WEB_TEST(bad_json_is_a_400_in_words),
        WEB_TEST(json_nests_deeply_without_harm),
        WEB_TEST(json_beyond_its_limit_is_a_413),
        WEB_TEST(trees_count_among_all_bodies),
        WEB_TEST(what_does_not_say_that_it_is_json_is_a_415),
        WEB_TEST(a_type_that_is_set_stays),
        WEB_TEST(json_after_the_flush_is_written_as_it_is),
        WEB_TEST(a_document_that_cannot_be_written_is_a_500),
        WEB_TEST(the_body_has_a_nul_behind_it),
        WEB_TEST(a_body_in_many_pieces_is_whole),
        WEB_TEST(limits_of_a_body_are_413),
        WEB_TEST(all_bodies_together_have_a_limit),
        WEB_TEST(a_stream_that_announces_too_much_is_not_prepared_for),
        WEB_TEST(a_limit_comes_before_the_body_or_not_at_all),
        WEB_TEST(the_servers_limit_is_the_default),
        WEB_TEST(a_large_upload_is_stored_piece_by_piece),
        WEB_TEST(a_stream_that_waits_reads_no_further),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
