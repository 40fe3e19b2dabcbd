/* output_transform_test.c - what stands around answers: who comes when, what it sees and changes, what it is spared. */
#include "web/each_allocation.h"

/* ---- Transforms ---- */

/* Text in capitals; who it was that wrote them is told. */
static int shout(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush) {
    (void)data;
    for (size_t i = 0; i < bytes.len; i++)
        tc_writef(req, "%c", bytes.data[i] >= 'a' && bytes.data[i] <= 'z' ? bytes.data[i] - 32 : bytes.data[i]);
    return flush == TC_OUTPUT_FINISH ? tc_write(req, "!") : 0;
}

static int bracket_begin(tc_request_t *req, void *data, int64_t size) {
    int *pieces = data;
    note("%d", *pieces);
    note("%d", (int)size);
    return tc_set_header(req, "X-Bracketed", "yes");
}

static int bracket(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush) {
    int *pieces = data;
    if ((*pieces)++ == 0)
        tc_write(req, "(");
    tc_write_bytes(req, bytes);
    return flush == TC_OUTPUT_FINISH ? tc_write(req, ")") : 0;
}

static int name_route(tc_request_t *req, void *data, int64_t size) {
    assert_null(data);
    (void)size;
    return tc_set_header(req, "X-Route", tc_route(req) ? tc_route(req) : "none");
}

static const tc_output_transform_t shouts = { .name = "shouts", .chunk = shout };
static const tc_output_transform_t brackets = {
    .name = "brackets", .data_size = sizeof(int), .begin = bracket_begin, .chunk = bracket
};
static const tc_output_transform_t names = { .name = "names", .begin = name_route };

/* ---- Handlers ---- */

static int whole(tc_request_t *req) {
    return tc_write(req, "hello");
}

static int in_pieces(tc_request_t *req) {
    char *given = strdup("-two");
    tc_write(req, "one");
    tc_write_owned(req, tc_str(given), free, given);
    tc_flush(req);
    tc_flush(req);
    tc_write_borrowed(req, tc_str("-three"));
    tc_flush(req);
    return 0;
}

static int missing(tc_request_t *req) {
    return tc_http_error(req, 404, "nothing");
}

static int with_status(tc_request_t *req) {
    tc_set_status(req, (int)tc_path_int(req, "status"));
    return tc_get_status(req) == 204 ? 0 : tc_write(req, "hello");
}

/* ---- The order ---- */

static void the_handlers_own_comes_first_and_the_applications_last(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .base = HANDLER(.transform = &brackets) });
    tc_router_t *group = tc_application_group(app, "/group", HANDLER(.transform = &shouts));
    tc_router_add(group, "/own", HANDLER(.get = whole, .transform = &brackets), NULL);
    tc_router_add(group, "/none", HANDLER(.get = whole), NULL);
    route("/outside", HANDLER(.get = whole));
    assert_ask("/group/own", "200 ((HELLO)!)");
    assert_ask("/group/none", "200 (HELLO!)");
    assert_ask("/outside", "200 (hello)");
    assert_ask("/nowhere", "404 (<html><title>404: Not Found</title><body>404: Not Found</body></html>)");
    assert_string_equal(header("/outside", NULL, "X-Bracketed"), "yes");
    noted();
}

static void the_struct_is_copied(void **state) {
    (void)state;
    char name[] = "mine";
    tc_output_transform_t mine = { .name = name, .chunk = shout };
    route("/", HANDLER(.get = whole, .transform = &mine));
    memset(name, 'x', sizeof(name) - 1);
    memset(&mine, 0xff, sizeof(mine));
    assert_ask("/", "200 HELLO!");
}

static void what_is_no_transform_is_a_misuse(void **state) {
    (void)state;
    tc_output_transform_t none = { .name = "none" }, reserved = { .chunk = shout, .reserved = { 1 } };
    assert_int_equal(tc_application_add(app, "/a", HANDLER(.get = whole, .transform = &none), NULL), TC_EINVAL);
    assert_int_equal(tc_application_add(app, "/b", HANDLER(.get = whole, .transform = &reserved), NULL), TC_EINVAL);
    assert_null(tc_application_group(app, "/c", HANDLER(.transform = &none)));
    forget_log();
}

/* ---- What begin sees ---- */

static void begin_is_told_the_size_of_a_whole_body(void **state) {
    (void)state;
    route("/", HANDLER(.get = whole, .transform = &brackets));
    assert_ask("/", "200 (hello)");
    assert_string_equal(noted(), "0 5");
}

static int announces(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "5");
    tc_write(req, "he");
    tc_flush(req);
    return tc_write(req, "llo");
}

static void begin_is_told_an_announced_size_or_that_there_is_none(void **state) {
    (void)state;
    route("/announced", HANDLER(.get = announces, .transform = &brackets));
    route("/pieces", HANDLER(.get = in_pieces, .transform = &brackets));
    tc_router_t *group = tc_application_group(app, "/two", HANDLER(.transform = &brackets));
    tc_router_add(group, "/announced", HANDLER(.get = announces, .transform = &brackets), NULL);
    tc_router_add(group, "/whole", HANDLER(.get = whole, .transform = &brackets), NULL);
    assert_ask("/announced", "200 (hello)");
    assert_string_equal(noted(), "0 5");
    assert_ask("/pieces", "200 (one-two-three)");
    assert_string_equal(noted(), "0 -1");
    assert_ask("/two/announced", "200 ((hello))");
    assert_string_equal(noted(), "0 5 0 -1");
    assert_ask("/two/whole", "200 ((hello))");
    assert_string_equal(noted(), "0 5 0 7");
}

static int sees(tc_request_t *req, void *data, int64_t size) {
    (void)data;
    (void)size;
    const char *type = tc_response_header(req, "content-type"), *two = tc_response_header(req, "X-Two");
    note("%s", type ? type : "-");
    note("%s", two ? two : "-");
    note("%d", tc_get_status(req));
    tc_set_status(req, 203);
    return TC_PASS;
}

static int says_two(tc_request_t *req) {
    tc_add_header(req, "X-Two", "1");
    tc_add_header(req, "X-Two", "2");
    tc_set_header(req, "Content-Type", "text/plain");
    return tc_write(req, "hello");
}

static void begin_sees_status_and_headers_and_may_change_them(void **state) {
    (void)state;
    tc_output_transform_t looks = { .name = "looks", .begin = sees, .chunk = shout };
    route("/", HANDLER(.get = whole, .transform = &looks));
    route("/two", HANDLER(.get = says_two, .transform = &looks));
    assert_ask("/", "203 hello");
    assert_string_equal(noted(), "text/html; charset=UTF-8 - 200");
    assert_ask("/two", "203 hello");
    assert_string_equal(noted(), "text/plain 1, 2 200");
    assert_null(tc_response_header(NULL, "X"));
}

static void one_without_chunk_leaves_the_body_and_its_length(void **state) {
    (void)state;
    route("/", HANDLER(.get = whole, .transform = &names));
    route("/announced", HANDLER(.get = announces, .transform = &names));
    assert_ask("/", "200 hello");
    assert_string_equal(header("/", NULL, "X-Route"), "/");
    assert_ask("/announced", "200 hello");
    assert_string_equal(header("/announced", NULL, "Content-Length"), "5");
}

/* ---- Lengths ---- */

static void the_length_is_that_of_what_is_sent(void **state) {
    (void)state;
    route("/", HANDLER(.get = whole, .transform = &shouts));
    route("/pieces", HANDLER(.get = in_pieces, .transform = &shouts));
    route("/announced", HANDLER(.get = announces, .transform = &shouts));
    assert_string_equal(header("/", NULL, "Content-Length"), "6");
    assert_ask("/pieces", "200 ONE-TWO-THREE!");
    assert_string_equal(header("/pieces", NULL, "Transfer-Encoding"), "chunked");
    assert_ask("/announced", "200 HELLO!");
    assert_string_equal(header("/announced", NULL, "Content-Length"), "(none)");
}

static void the_end_of_a_1_0_connection_is_the_end_of_a_body(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = announces, .transform = &shouts));
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_non_null(strstr(raw_text(&raw), "Connection: close\r\n\r\nHELLO!"));
    assert_null(strstr(raw_text(&raw), "Content-Length"));
    assert_true(raw.eof);
    raw_close(&raw);
}

static int promises_more(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "9");
    tc_write(req, "he");
    if (!tc_get_query_argument(req, "whole", NULL))
        tc_flush(req);
    return tc_write(req, "llo");
}

static int promises_less(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "3");
    tc_write(req, "he");
    tc_flush(req);
    tc_write(req, "llo");
    tc_flush(req);
    return 0;
}

static void a_body_that_is_not_what_its_length_says_is_no_clean_end(void **state) {
    (void)state;
    route("/more", HANDLER(.get = promises_more, .transform = &shouts));
    route("/less", HANDLER(.get = promises_less, .transform = &shouts));
    assert_ask("/more", "cut");
    assert_log("E general: GET /more: the handler's Content-Length is 9, its body has 5 bytes");
    forget_log();
    assert_ask("/more?whole", page(500, "Internal Server Error", NULL));
    forget_log();
    assert_ask("/less", "cut");
    assert_log("the handler's Content-Length is 3, its body has 5 bytes");
    forget_log();
}

/* ---- HEAD, and what passes none ---- */

static int head_alone(tc_request_t *req) {
    return tc_set_header(req, "Content-Length", "5");
}

static void a_head_gets_the_headers_of_a_get(void **state) {
    (void)state;
    route("/", HANDLER(.get = whole, .transform = &brackets));
    route("/pieces", HANDLER(.get = in_pieces, .transform = &brackets));
    route("/own", HANDLER(.get = whole, .head = head_alone, .transform = &brackets));
    const tc_fetch_options_t *head = FETCH(.method = "HEAD");
    assert_string_equal(ask_with("/", head), "200 ");
    assert_string_equal(header("/", head, "Content-Length"), "7");
    assert_string_equal(ask_with("/pieces", head), "200 ");
    assert_string_equal(header("/pieces", head, "Content-Length"), "(none)");
    assert_string_equal(ask_with("/own", head), "200 ");
    assert_string_equal(header("/own", head, "Content-Length"), "(none)");
    assert_string_equal(header("/own", head, "X-Bracketed"), "yes");
    noted();
}

static void an_answer_without_a_body_has_none_to_pass(void **state) {
    (void)state;
    route("/{status:int}", HANDLER(.get = with_status, .transform = &brackets));
    assert_ask("/204", "204 ");
    assert_string_equal(header("/204", NULL, "X-Bracketed"), "(none)");
    assert_ask("/201", "201 (hello)");
    assert_ask("/206", "206 hello");
    assert_string_equal(header("/206", NULL, "X-Bracketed"), "yes");
    assert_string_equal(header("/304", NULL, "X-Bracketed"), "yes");
    assert_log("W application: GET /304: a 304 has no body; what was written is dropped");
    noted();
}

/* ---- Trailers, error pages ---- */

static int sum(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush) {
    size_t *total = data;
    *total += bytes.len;
    tc_write_bytes(req, bytes);
    if (flush != TC_OUTPUT_FINISH)
        return 0;
    const char *text = tc_sprintf(req, "%zu", *total);
    return tc_closed(req) ? 0 : tc_set_trailer(req, "X-Sum", text);
}

static void a_transform_may_set_a_trailer(void **state) {
    (void)state;
    tc_output_transform_t sums = { .name = "sums", .data_size = sizeof(size_t), .chunk = sum };
    route("/", HANDLER(.get = in_pieces, .transform = &sums));
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
    assert_string_equal(answer_text(response), "200 one-two-three");
    assert_string_equal(tc_http_response_trailer(response, "X-Sum"), "13");
}

static void error_pages_pass_through(void **state) {
    (void)state;
    route("/", HANDLER(.get = missing, .transform = &shouts));
    assert_ask("/", "404 <HTML><TITLE>404: NOT FOUND</TITLE><BODY>404: NOTHING</BODY></HTML>!");
    assert_log("404 GET /");
}

/* ---- Failures ---- */

static int no_beginning(tc_request_t *req, void *data, int64_t size) {
    (void)req;
    (void)data;
    (void)size;
    return TC_EPROTO;
}

static int no_more(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush) {
    (void)data;
    if (flush == TC_OUTPUT_FINISH)
        return TC_EPROTO;
    return tc_write_bytes(req, bytes);
}

static int bad_verb(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush) {
    (void)data;
    (void)bytes;
    (void)flush;
    tc_write(req, NULL);
    return 0;
}

static int no_outcome(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush) {
    (void)req;
    (void)data;
    (void)bytes;
    (void)flush;
    return 404;
}

static void a_failure_before_the_headers_is_a_500(void **state) {
    (void)state;
    tc_output_transform_t first = { .name = "first", .begin = no_beginning, .chunk = shout };
    tc_output_transform_t second = { .name = "second", .chunk = no_more }, third = { .chunk = bad_verb },
                          fourth = { .name = "fourth", .chunk = no_outcome };
    route("/first", HANDLER(.get = whole, .transform = &first));
    route("/first/pieces", HANDLER(.get = in_pieces, .transform = &first));
    route("/second", HANDLER(.get = whole, .transform = &second));
    route("/third", HANDLER(.get = whole, .transform = &third));
    route("/fourth", HANDLER(.get = whole, .transform = &fourth));
    assert_ask("/first", page(500, "Internal Server Error", NULL));
    assert_log("the handler failed: protocol broken by the peer: output transform first");
    assert_ask("/first/pieces", page(500, "Internal Server Error", NULL));
    assert_log("the handler failed: protocol broken by the peer: output transform first");
    assert_ask("/second", page(500, "Internal Server Error", NULL));
    assert_log("output transform second");
    assert_ask("/third", page(500, "Internal Server Error", NULL));
    forget_log();
    assert_ask("/fourth", page(500, "Internal Server Error", NULL));
    assert_log("the output transform fourth returned 404, which is neither 0 nor negative");
    forget_log();
}

static void a_failure_behind_the_headers_cuts_the_connection(void **state) {
    (void)state;
    tc_output_transform_t fails = { .name = "fails", .chunk = no_more };
    route("/", HANDLER(.get = in_pieces, .transform = &fails));
    assert_ask("/", "cut");
    assert_log("output transform fails");
    forget_log();
}

static void the_page_of_an_error_goes_without_one_that_fails(void **state) {
    (void)state;
    tc_output_transform_t fails = { .name = "fails", .begin = no_beginning, .chunk = shout };
    tc_output_transform_t fails_later = { .name = "later", .chunk = no_more };
    use_options(&(tc_application_options_t){ .base = HANDLER(.transform = &shouts) });
    route("/", HANDLER(.get = missing, .transform = &fails));
    route("/later", HANDLER(.get = missing, .transform = &fails_later));
    assert_ask("/", "404 <HTML><TITLE>404: NOT FOUND</TITLE><BODY>404: NOTHING</BODY></HTML>!");
    assert_log("404 GET /");
    assert_log("W application: GET /: the page of an error goes without fails: ");
    assert_ask("/later", "404 <HTML><TITLE>404: NOT FOUND</TITLE><BODY>404: NOTHING</BODY></HTML>!");
    assert_log("404 GET /later");
    assert_log("W application: GET /later: the page of an error goes without later: ");
}

static int verb;

static int misbehaves(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush) {
    (void)data;
    (void)bytes;
    (void)flush;
    switch (verb) {
    case 0:
        return tc_flush(req);
    case 1:
        tc_flush(req);
        return 0;
    case 2:
        return tc_finish(req);
    case 3:
        return tc_send_error(req, 404);
    default:
        return tc_redirect(req, "/", 0);
    }
}

static void one_that_flushes_or_finishes_harms_nobody(void **state) {
    (void)state;
    tc_output_transform_t bad = { .name = "bad", .chunk = misbehaves };
    route("/", HANDLER(.get = whole, .transform = &bad));
    route("/pieces", HANDLER(.get = in_pieces, .transform = &bad));
    route("/good", HANDLER(.get = whole));
    for (verb = 0; verb < 5; verb++) {
        assert_string_not_equal(ask("/"), "200 hello");
        assert_log("GET /: an output transform flushes or finishes");
        forget_log();
        assert_int_not_equal(atoi(ask("/pieces")), 200);
        forget_log();
        assert_ask("/good", "200 hello");
    }
}

/* ---- Others around it ---- */

static int in_coroutine(tc_request_t *req) {
    tc_write(req, "one");
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    TC_TRY(tc_flush(req));
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return tc_write(req, "-two");
}

static void coroutines_and_methods_that_need_nothing_else_pass_through_as_well(void **state) {
    (void)state;
    if (!tornadoc_has("coroutines"))
        skip();
    route("/", HANDLER(.get = in_coroutine, .transform = &shouts, .flags = TC_COROUTINE));
    assert_ask("/", "200 ONE-TWO!");
}

static void pipelined_answers_keep_their_state_apart(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = whole, .transform = &brackets));
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    char *first = strstr(raw_text(&raw), "\r\n\r\n(hello)HTTP/1.1 200 OK\r\n");
    assert_non_null(first);
    assert_non_null(strstr(first, "Content-Length: 7\r\n\r\n(hello)"));
    assert_string_equal(noted(), "0 5 0 5");
    raw_close(&raw);
}

/* An answer of any length takes no more memory of the request. */
static int long_stream(tc_request_t *req) {
    for (int i = 0; i < 20000; i++) {
        tc_write(req, "x");
        tc_write_borrowed(req, tc_str("y"));
        TC_TRY(tc_flush(req));
    }
    note("%d", req->in->arena.large == NULL);
    note("%d", (int)req->segment_capacity);
    return 0;
}

static void a_stream_of_any_length_needs_no_more_memory(void **state) {
    (void)state;
    route("/", HANDLER(.get = long_stream, .transform = &shouts));
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
    assert_int_equal(tc_http_response_body(response).len, 40001);
    const char *told = noted();
    assert_true(strcmp(told, "1 8") == 0 || strcmp(told, "1 4") == 0);
}

/* ---- Memory ---- */

static void make_app(void) {
    app = tc_application_new(&(tc_application_options_t){ .base = HANDLER(.transform = &shouts) });
    tc_application_add(app, "/whole", HANDLER(.get = whole, .transform = &brackets), NULL);
    tc_application_add(app, "/pieces", HANDLER(.get = in_pieces, .transform = &brackets), NULL);
    tc_application_add(app, "/error", HANDLER(.get = missing, .transform = &brackets), NULL);
}

static const struct {
    const char *path;
    int status;
} requests[] = { { "/whole", 200 }, { "/pieces", 200 }, { "/error", 404 }, { "/nowhere", 404 } };

/* What comes as a 200 is whole, and has passed all. */
static int request(size_t i) {
    const tc_http_response_t *response = tc_test_client_fetch(client, requests[i].path, NULL);
    int status = tc_http_response_status(response);
    const char *told = answer_text(response);
    noted();
    if (status == 200 && strcmp(told, "200 (HELLO)!") != 0 && strcmp(told, "200 (ONE-TWO-THREE)!") != 0)
        return -1;
    return status;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    stop_serving();
    for (size_t i = 0; i < COUNT(requests); i++)
        fail_each_allocation(
            &(tried_request_t){ make_app, request, i, "GET", requests[i].path, requests[i].status, NULL, 2000 });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(the_handlers_own_comes_first_and_the_applications_last),
        WEB_TEST(the_struct_is_copied),
        WEB_TEST(what_is_no_transform_is_a_misuse),
        WEB_TEST(begin_is_told_the_size_of_a_whole_body),
        WEB_TEST(begin_is_told_an_announced_size_or_that_there_is_none),
        WEB_TEST(begin_sees_status_and_headers_and_may_change_them),
        WEB_TEST(one_without_chunk_leaves_the_body_and_its_length),
        WEB_TEST(the_length_is_that_of_what_is_sent),
        WEB_TEST(the_end_of_a_1_0_connection_is_the_end_of_a_body),
        WEB_TEST(a_body_that_is_not_what_its_length_says_is_no_clean_end),
        WEB_TEST(a_head_gets_the_headers_of_a_get),
        WEB_TEST(an_answer_without_a_body_has_none_to_pass),
        WEB_TEST(a_transform_may_set_a_trailer),
        WEB_TEST(error_pages_pass_through),
        WEB_TEST(a_failure_before_the_headers_is_a_500),
        WEB_TEST(a_failure_behind_the_headers_cuts_the_connection),
        WEB_TEST(the_page_of_an_error_goes_without_one_that_fails),
        WEB_TEST(one_that_flushes_or_finishes_harms_nobody),
        WEB_TEST(coroutines_and_methods_that_need_nothing_else_pass_through_as_well),
        WEB_TEST(pipelined_answers_keep_their_state_apart),
        WEB_TEST(a_stream_of_any_length_needs_no_more_memory),
        WEB_TEST(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
