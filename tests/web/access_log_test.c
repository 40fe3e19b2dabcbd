/* access_log_test.c - what the log has of a request: the callback's struct, the lines, and foreign text in each field.
 */
#include <fcntl.h>
#include <unistd.h>
#include <yyjson.h>

#include <tornadoc/access_log.h>

#include "web/web_test.h"

static int greets(tc_request_t *req) {
    return tc_write(req, "hello");
}

static int fails(tc_request_t *req) {
    return tc_send_error(req, 404);
}

/* ---- The callback ---- */

static const char *or_dash(const char *text) {
    return text ? text : "-";
}

static void notes_access(const tc_access_t *a, void *user_data) {
    note("%s%s %s %s %s", (const char *)user_data, a->method, a->uri, a->http_version, a->protocol);
    note("host:%s ip:%s", a->host, a->remote_ip);
    note("agent:%s referer:%s id:%s", or_dash(a->user_agent), or_dash(a->referer), or_dash(a->request_id));
    note("%d err:%d size:%d %s", a->status, a->err, (int)a->body_size,
         a->duration_ns > 0 && a->duration_ns < 60000000000 && llabs((long long)time(NULL) - a->time) < 60 ? "now"
                                                                                                           : "");
}

static void hear_all(void) {
    assert_int_equal(tc_application_set_log_request(app, notes_access, "*"), 0);
}

static void the_callback_gets_what_the_request_was_whatever_the_level(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .log_level = TC_LOG_SILENT });
    route("/a", HANDLER(.get = greets));
    hear_all();
    ask_with("/a?b=c", FETCH(.headers = HEADERS("User-Agent", "ua", "Referer", "there", "Host", "x")));
    assert_string_equal(noted(), "*GET /a?b=c HTTP/1.1 http host:x ip:127.0.0.1 agent:ua referer:there id:- "
                                 "200 err:0 size:5 now");
    ask("/nowhere");
    assert_non_null(strstr(noted(), "404 err:0 size:"));
}

static void the_request_id_is_there_once_it_is_known(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .request_ids = true, .trust_request_ids = true });
    route("/", HANDLER(.get = greets));
    hear_all();
    ask_with("/", FETCH(.headers = HEADERS("X-Request-Id", "abc")));
    assert_non_null(strstr(noted(), "id:abc"));
}

static int shows_start(tc_request_t *req) {
    return tc_writef(req, "%d", req->start_ns != 0);
}

static void without_anybody_who_listens_no_time_is_taken(void **state) {
    (void)state;
    route("/", HANDLER(.get = shows_start));
    assert_ask("/", "200 0");
    stop_serving();
    app = tc_application_new(NULL);
    route("/", HANDLER(.get = shows_start));
    hear_all();
    assert_ask("/", "200 1");
    assert_non_null(strstr(noted(), "size:1 now"));
}

static int flushes(tc_request_t *req) {
    tc_write(req, "one ");
    tc_flush(req);
    return tc_write(req, "two");
}

static int has_none(tc_request_t *req) {
    return tc_set_status(req, 204);
}

static void the_size_is_that_of_the_body_that_went_out(void **state) {
    (void)state;
    route("/flushes", HANDLER(.get = flushes));
    route("/none", HANDLER(.get = has_none));
    hear_all();
    ask("/flushes");
    assert_non_null(strstr(noted(), "200 err:0 size:7 now"));
    ask("/none");
    assert_non_null(strstr(noted(), "204 err:0 size:0 now"));
    ask_by("HEAD", "/flushes");
    assert_non_null(strstr(noted(), "200 err:0 size:0 now"));
}

static int streams_on(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 1000), NULL, NULL);
}

static void an_answer_that_was_cut_has_its_error(void **state) {
    (void)state;
    route("/", HANDLER(.get = streams_on, .timeout_ms = 10));
    hear_all();
    start("/", NULL);
    tc_test_client_advance(client, 2000);
    assert_log("no outcome after 10 ms");
    char wanted[40];
    snprintf(wanted, sizeof wanted, "503 err:%d", TC_ETIMEDOUT);
    assert_non_null(strstr(noted(), wanted));
}

/* ---- The default ---- */

static void only_slow_ones(const tc_access_t *access, void *user_data) {
    if (strcmp(access->uri, user_data) != 0)
        tc_log_access(access, NULL);
}

static void a_callback_may_leave_some_out_and_pass_the_others_on(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .log_level = TC_LOG_INFO });
    route("/", HANDLER(.get = greets));
    route("/health", HANDLER(.get = greets));
    route("/fails", HANDLER(.get = fails));
    assert_int_equal(tc_application_set_log_request(app, only_slow_ones, "/health"), 0);
    ask("/health");
    ask("/?a");
    ask("/fails");
    assert_log("I access: 200 GET /?a (127.0.0.1) ");
    assert_log("W access: 404 GET /fails (127.0.0.1) ");
}

static void null_is_the_default_again(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .log_level = TC_LOG_INFO });
    route("/", HANDLER(.get = greets));
    hear_all();
    assert_int_equal(tc_application_set_log_request(app, NULL, NULL), 0);
    ask("/");
    assert_log("I access: 200 GET / (127.0.0.1) ");
    assert_string_equal(noted(), "");
}

/* ---- Lines ---- */

static const tc_access_t ordinary = {
    .method = "GET",
    .uri = "/a?b=c",
    .http_version = "HTTP/1.1",
    .protocol = "https",
    .host = "example.com",
    .remote_ip = "192.0.2.1",
    .user_agent = "curl/8.0",
    .referer = "https://example.com/",
    .request_id = "id-1",
    .status = 200,
    .body_size = 12,
    .duration_ns = 349000,
    .time = 784111777,
};

static const char *line_of(tc_access_format_t format, const tc_access_t *access) {
    static char line[TC_ACCESS_LINE_SIZE];
    size_t len = tc_access_format(line, sizeof line, format, access);
    assert_true(len < sizeof line);
    assert_int_equal(strlen(line), len);
    return line;
}

static void each_format_is_what_its_readers_know(void **state) {
    (void)state;
    assert_string_equal(line_of(TC_ACCESS_TORNADO, &ordinary), "200 GET /a?b=c (192.0.2.1) 0.35ms");
    assert_string_equal(line_of(TC_ACCESS_COMMON, &ordinary),
                        "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.1\" 200 12");
    assert_string_equal(line_of(TC_ACCESS_COMBINED, &ordinary),
                        "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.1\" 200 12 "
                        "\"https://example.com/\" \"curl/8.0\"");
    assert_string_equal(
        line_of(TC_ACCESS_JSON, &ordinary),
        "{\"time\":\"1994-11-06T08:49:37Z\",\"remote_ip\":\"192.0.2.1\",\"method\":\"GET\",\"uri\":\"/a?b=c\","
        "\"http_version\":\"HTTP/1.1\",\"protocol\":\"https\",\"host\":\"example.com\",\"status\":200,"
        "\"body_size\":12,\"duration_ns\":349000,\"user_agent\":\"curl/8.0\",\"referer\":\"https://example.com/\","
        "\"request_id\":\"id-1\",\"error\":null}");
}

static void what_there_is_not_is_a_dash_or_null(void **state) {
    (void)state;
    tc_access_t access = ordinary;
    access.remote_ip = access.host = "";
    access.user_agent = access.referer = access.request_id = NULL;
    access.body_size = 0;
    access.err = TC_ECLOSED;
    assert_string_equal(line_of(TC_ACCESS_COMBINED, &access),
                        "- - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.1\" 200 - \"-\" \"-\"");
    const char *json = line_of(TC_ACCESS_JSON, &access);
    assert_non_null(strstr(json, "\"user_agent\":null,\"referer\":null,\"request_id\":null,\"error\":\""));
}

static void a_buffer_that_is_too_small_holds_the_beginning_and_the_length_is_told(void **state) {
    (void)state;
    char small[8];
    assert_int_equal(tc_access_format(small, sizeof small, TC_ACCESS_TORNADO, &ordinary), 33);
    assert_string_equal(small, "200 GET");
    assert_int_equal(tc_access_format(NULL, 0, TC_ACCESS_TORNADO, &ordinary), 33);
    assert_int_equal(tc_access_format(small, sizeof small, (tc_access_format_t)9, &ordinary), 0);
    assert_string_equal(small, "");
}

/* ---- Foreign text ---- */

static const struct {
    const char *text, *log, *quoted, *json;
} hostile[] = {
    { "a\nb\rc", "a\\x0ab\\x0dc", "a\\x0Ab\\x0Dc", "a\\u000ab\\u000dc" },
    { "\" 200 0 \"-\" \"", "\" 200 0 \"-\" \"", "\\x22 200 0 \\x22-\\x22 \\x22", "\\\" 200 0 \\\"-\\\" \\\"" },
    { "\\x22 \\", "\\x5cx22 \\x5c", "\\x5Cx22 \\x5C", "\\\\x22 \\\\" },
    { "\x1b[31m\x7f\t", "\\x1b[31m\\x7f\\x09", "\\x1B[31m\\x7F\\x09", "\\u001b[31m\\u007f\\u0009" },
    { "z\xc3\xbc\xf0\x9f\x99\x82", "z\xc3\xbc\xf0\x9f\x99\x82", "z\\xC3\\xBC\\xF0\\x9F\\x99\\x82",
      "z\xc3\xbc\xf0\x9f\x99\x82" },
    { "\xff\xc3(\xed\xa0\x80", "\\xff\\xc3(\\xed\\xa0\\x80", "\\xFF\\xC3(\\xED\\xA0\\x80",
      "\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd" },
    { "\xc2\x9b"
      "31m",
      "\\xc2\\x9b31m", "\\xC2\\x9B31m", "\\u009b31m" },
};

static const size_t foreign[] = { offsetof(tc_access_t, method),       offsetof(tc_access_t, uri),
                                  offsetof(tc_access_t, http_version), offsetof(tc_access_t, protocol),
                                  offsetof(tc_access_t, host),         offsetof(tc_access_t, remote_ip),
                                  offsetof(tc_access_t, user_agent),   offsetof(tc_access_t, referer),
                                  offsetof(tc_access_t, request_id) };

static tc_access_t with_field(size_t offset, const char *text) {
    tc_access_t access = ordinary;
    memcpy((char *)&access + offset, &text, sizeof text);
    return access;
}

static int count_of(const char *text, char c) {
    int count = 0;
    for (; *text; text++)
        count += *text == c;
    return count;
}

static bool is_printable(const char *line) {
    for (; *line; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            return false;
    return true;
}

static void foreign_text_in_any_field_ends_neither_field_nor_line(void **state) {
    (void)state;
    for (size_t f = 0; f < COUNT(foreign); f++)
        for (size_t h = 0; h < COUNT(hostile); h++) {
            tc_access_t access = with_field(foreign[f], hostile[h].text);
            for (int format = TC_ACCESS_TORNADO; format <= TC_ACCESS_JSON; format++)
                assert_true(is_printable(line_of((tc_access_format_t)format, &access)));
            assert_int_equal(count_of(line_of(TC_ACCESS_COMMON, &access), '"'), 2);
            const char *line = line_of(TC_ACCESS_COMBINED, &access);
            assert_int_equal(count_of(line, '"'), 6);
            bool in_combined = foreign[f] != offsetof(tc_access_t, protocol) &&
                               foreign[f] != offsetof(tc_access_t, host) &&
                               foreign[f] != offsetof(tc_access_t, request_id);
            assert_true(!in_combined || strstr(line, hostile[h].quoted));
            line = line_of(TC_ACCESS_JSON, &access);
            assert_non_null(strstr(line, hostile[h].json));
            yyjson_doc *doc = yyjson_read(line, strlen(line), 0);
            assert_non_null(doc);
            assert_int_equal(yyjson_obj_size(yyjson_doc_get_root(doc)), 14);
            yyjson_doc_free(doc);
        }
}

static void tornados_line_escapes_as_the_rest_of_the_log(void **state) {
    (void)state;
    for (size_t h = 0; h < COUNT(hostile); h++) {
        tc_access_t access = with_field(offsetof(tc_access_t, uri), hostile[h].text);
        char wanted[200];
        snprintf(wanted, sizeof wanted, "200 GET %s (192.0.2.1) 0.35ms", hostile[h].log);
        assert_string_equal(line_of(TC_ACCESS_TORNADO, &access), wanted);
    }
}

static void long_texts_are_cut_and_lines_stay_whole(void **state) {
    (void)state;
    static char text[100000];
    tc_access_t access = ordinary;
    static const char fill[] = { 'x', '"', '\n', '\xff' };
    for (size_t i = 0; i < COUNT(fill); i++) {
        const char *long_text = memset(text, fill[i], sizeof text - 1);
        for (size_t f = 0; f < COUNT(foreign); f++)
            memcpy((char *)&access + foreign[f], &long_text, sizeof long_text);
        for (int format = TC_ACCESS_TORNADO; format <= TC_ACCESS_JSON; format++)
            assert_non_null(strstr(line_of((tc_access_format_t)format, &access), "..."));
        assert_int_equal(count_of(line_of(TC_ACCESS_COMBINED, &access), '"'), 6);
        const char *line = line_of(TC_ACCESS_JSON, &access);
        yyjson_doc *doc = yyjson_read(line, strlen(line), 0);
        assert_non_null(doc);
        yyjson_doc_free(doc);
    }
}

/* ---- A file ---- */

static char from_pipe[70000];

static const char *read_pipe(int fd) {
    ssize_t len = read(fd, from_pipe, sizeof from_pipe - 1);
    from_pipe[len > 0 ? len : 0] = '\0';
    return from_pipe;
}

static void each_request_is_a_line_of_the_file(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    route("/", HANDLER(.get = greets));
    assert_int_equal(tc_application_set_access_log(app, TC_ACCESS_COMBINED, ends[1]), 0);
    ask_with("/?\"<", FETCH(.headers = HEADERS("User-Agent", "evil\" \\\tone", "Referer", "\xff")));
    ask("/nowhere");
    const char *text = read_pipe(ends[0]);
    assert_int_equal(count_of(text, '\n'), 2);
    assert_non_null(strstr(text, "127.0.0.1 - - ["));
    assert_non_null(strstr(text, " +0000] \"GET /?\\x22< HTTP/1.1\" 200 5 \"\\xFF\" "
                                 "\"evil\\x22 \\x5C\\x09one\"\n"));
    assert_non_null(strstr(text, "\"GET /nowhere HTTP/1.1\" 404 "));
    close(ends[0]);
    close(ends[1]);
}

static void a_line_that_the_file_does_not_take_is_lost_and_nothing_else(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], from_pipe, sizeof from_pipe) > 0)
        ;
    route("/", HANDLER(.get = greets));
    assert_int_equal(tc_application_set_access_log(app, TC_ACCESS_JSON, ends[1]), 0);
    assert_ask("/", "200 hello");
    close(ends[0]);
    close(ends[1]);
    assert_ask("/", "200 hello"); /* nor is a descriptor that is closed */
}

/* ---- Misuse, and no memory ---- */

static void misuse_is_told_in_words(void **state) {
    (void)state;
    assert_int_equal(tc_application_set_access_log(app, TC_ACCESS_JSON, -1), TC_EINVAL);
    assert_log("no descriptor -1");
    assert_int_equal(tc_application_error(app), TC_EINVAL);
    use_options(NULL);
    assert_int_equal(tc_application_set_access_log(app, (tc_access_format_t)4, 1), TC_EINVAL);
    assert_log("no format 4");
    assert_int_equal(tc_application_set_access_log(NULL, TC_ACCESS_JSON, 1), TC_ENOMEM);
    assert_int_equal(tc_application_set_log_request(NULL, notes_access, NULL), TC_ENOMEM);
    use_options(NULL);
    tc_application_t *listening = app;
    serve();
    assert_int_equal(tc_application_set_log_request(listening, notes_access, NULL), TC_EBUSY);
    assert_log("cannot change once the application listens");
}

static void counts(const tc_access_t *access, void *user_data) {
    ++*(int *)user_data;
    line_of(TC_ACCESS_JSON, access);
}

static void each_allocation_of_a_request_may_fail_and_it_is_told_once(void **state) {
    (void)state;
    stop_serving();
    bool complete = false;
    for (long nth = 1; !complete; nth++) {
        int count = 0;
        app = tc_application_new(NULL);
        route("/", HANDLER(.get = greets));
        assert_int_equal(tc_application_set_log_request(app, counts, &count), 0);
        serve();
        fail_allocation(nth, true);
        const tc_http_response_t *response = tc_test_client_fetch(
            client, "/",
            FETCH(.headers = HEADERS("User-Agent", "a", "User-Agent", "b", "Referer", "c", "Referer", "d")));
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        tc_test_client_advance(client, 1000);
        assert_in_range(count, tc_http_response_status(response) == 200 ? 1 : 0, 1);
        stop_serving();
        assert_int_equal(atomic_load(&memory.live), 0);
        assert_true(nth < 500);
        forget_log();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(the_callback_gets_what_the_request_was_whatever_the_level),
        WEB_TEST(the_request_id_is_there_once_it_is_known),
        WEB_TEST(without_anybody_who_listens_no_time_is_taken),
        WEB_TEST(the_size_is_that_of_the_body_that_went_out),
        WEB_TEST(an_answer_that_was_cut_has_its_error),
        WEB_TEST(a_callback_may_leave_some_out_and_pass_the_others_on),
        WEB_TEST(null_is_the_default_again),
        WEB_TEST(each_format_is_what_its_readers_know),
        WEB_TEST(what_there_is_not_is_a_dash_or_null),
        WEB_TEST(a_buffer_that_is_too_small_holds_the_beginning_and_the_length_is_told),
        WEB_TEST(foreign_text_in_any_field_ends_neither_field_nor_line),
        WEB_TEST(tornados_line_escapes_as_the_rest_of_the_log),
        WEB_TEST(long_texts_are_cut_and_lines_stay_whole),
        WEB_TEST(each_request_is_a_line_of_the_file),
        WEB_TEST(a_line_that_the_file_does_not_take_is_lost_and_nothing_else),
        WEB_TEST(misuse_is_told_in_words),
        WEB_TEST(each_allocation_of_a_request_may_fail_and_it_is_told_once),
    };
    return cmocka_run_group_tests_name("access_log", tests, watch_web, NULL);
}
