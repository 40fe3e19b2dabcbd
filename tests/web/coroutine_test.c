/* coroutine_test.c - handlers that await: outcomes, and every way to end at each of three awaits. */
#include "web/web_test.h"

#include <tornadoc/coroutine.h>

static void note_end(tc_request_t *req, int err) {
    (void)req;
    note("finish(%d)", err);
}

static void note_left(tc_request_t *req) {
    (void)req;
    note("left");
}

/* Three awaits, and a note behind each. */
static int await_thrice(tc_request_t *req) {
    for (int i = 1; i <= 3; i++) {
        int err = tc_await(tc_sleep(NULL, 10), NULL);
        note("%d:%d", i, err);
        TC_TRY(err);
    }
    return tc_write(req, "thrice");
}

static void route_thrice(uint32_t flags, uint64_t timeout_ms) {
    route("/", HANDLER(.flags = TC_COROUTINE | flags, .timeout_ms = timeout_ms, .get = await_thrice,
                       .on_finish = note_end, .on_connection_close = note_left));
}

/* ---- Outcomes ---- */

static int hello(tc_request_t *req) {
    return tc_write(req, tc_in_coroutine() ? "hello" : "no coroutine");
}

static void a_handler_that_never_waits_answers_at_once(void **state) {
    (void)state;
    route("/", HANDLER(.flags = TC_COROUTINE, .get = hello));
    assert_string_equal(ask("/"), "200 hello");
}

static void a_handler_awaits_and_answers(void **state) {
    (void)state;
    route_thrice(0, 0);
    int id = tc_test_client_start(serve(), "/", NULL);
    tc_test_client_advance(client, 29);
    assert_string_equal(answered(id), "");
    tc_test_client_advance(client, 1);
    assert_string_equal(answered(id), "200 thrice");
    assert_string_equal(noted(), "1:0 2:0 3:0 finish(0)");
}

static void without_the_flag_there_is_nothing_to_await_in(void **state) {
    (void)state;
    route("/", HANDLER(.get = await_thrice));
    assert_string_equal(ask("/"), "500 <html><title>500: Internal Server Error</title><body>500: Internal Server "
                                  "Error</body></html>");
    assert_string_equal(noted(), "1:-1030");
    assert_log("tc_await outside a coroutine");
    assert_log("the handler failed");
}

static int fails_after_a_while(tc_request_t *req) {
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return tc_http_error(req, 404, "no such thing");
}

static int fails_too_late(tc_request_t *req) {
    tc_write(req, "part");
    tc_flush(req);
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return -EIO;
}

static void its_return_is_its_outcome(void **state) {
    (void)state;
    route("/404", HANDLER(.flags = TC_COROUTINE, .get = fails_after_a_while));
    route("/late", HANDLER(.flags = TC_COROUTINE, .get = fails_too_late, .on_finish = note_end));
    assert_non_null(strstr(ask("/404"), "404 "));
    assert_log("no such thing");
    assert_string_equal(ask("/late"), "cut");
    assert_log("headers were sent, so the connection is cut");
    assert_string_equal(noted(), "finish(-1025)");
}

static int admit(tc_request_t *req) {
    (void)req;
    note("admit:%d", tc_await(tc_sleep(NULL, 10), NULL));
    return 0;
}

static int prepare(tc_request_t *req) {
    (void)req;
    note("prepare:%d", tc_await(tc_sleep(NULL, 10), NULL));
    return 0;
}

static int take(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    int err = tc_await(tc_sleep(NULL, 10), NULL);
    note("[%.*s]:%d", (int)chunk.len, chunk.data, err);
    return err;
}

static int refuse(tc_request_t *req) {
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return tc_http_error(req, 403, NULL);
}

static void every_step_may_await(void **state) {
    (void)state;
    route("/", HANDLER(.flags = TC_COROUTINE, .admit = admit, .prepare = prepare, .body = TC_BODY_STREAM,
                       .data_received = take, .post = await_thrice));
    route("/refused", HANDLER(.flags = TC_COROUTINE, .prepare = refuse, .get = hello));
    assert_string_equal(ask_with("/", FETCH(.body = tc_str("abc"))), "200 thrice");
    assert_string_equal(noted(), "admit:0 prepare:0 [abc]:0 1:0 2:0 3:0");
    assert_non_null(strstr(ask("/refused"), "403 "));
}

static int begins(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    note("begin %s:%d", tc_http_file_field(part), tc_await(tc_sleep(NULL, 10), NULL));
    return tc_part_set_sink(part, TC_PART_CALLBACK);
}

static int receives(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk) {
    (void)req, (void)part;
    int err = tc_await(tc_sleep(NULL, 10), NULL);
    note("[%.*s]:%d", (int)chunk.len, chunk.data, err);
    return err;
}

static int ends(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    note("end %s:%d", tc_http_file_field(part), tc_await(tc_sleep(NULL, 10), NULL));
    return 0;
}

static void the_parts_of_a_form_may_await(void **state) {
    (void)state;
    route("/", HANDLER(.flags = TC_COROUTINE, .body = TC_BODY_FORM, .part_begin = begins, .part_received = receives,
                       .part_end = ends, .post = hello));
    const char *body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n"
                       "--x\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\ntwo\r\n--x--\r\n";
    assert_string_equal(ask_with("/", FETCH(.body = tc_str(body), .content_type = "multipart/form-data; boundary=x")),
                        "200 hello");
    assert_string_equal(noted(), "begin a:0 [one]:0 end a:0 begin b:0 [two]:0 end b:0");
}

static int note_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    char text[8] = { 0 };
    memcpy(text, chunk.data, chunk.len < sizeof text ? chunk.len : sizeof text - 1);
    note("<%s", text);
    int err = tc_await(tc_sleep(NULL, 10), NULL);
    note("%s>", text);
    return err;
}

static void a_chunk_is_dealt_with_before_the_next_is_given_out(void **state) {
    (void)state;
    route("/", HANDLER(.flags = TC_COROUTINE, .body = TC_BODY_STREAM, .data_received = note_chunk, .post = hello));
    int id = start("/", FETCH(.stream = true, .body = tc_str("ab")));
    tc_test_client_send(client, id, tc_str("cd"));
    assert_string_equal(noted(), "<ab");
    tc_test_client_advance(client, 10);
    assert_string_equal(noted(), "ab> <cd");
    tc_test_client_advance(client, 10);
    tc_test_client_send(client, id, tc_str("ef"));
    assert_string_equal(noted(), "cd> <ef");
    tc_test_client_finish(client, id, NULL);
    tc_test_client_advance(client, 10);
    assert_string_equal(noted(), "ef>");
    assert_non_null(strstr(answered(id), "hello"));
}

static int prepare_finishes(tc_request_t *req) {
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    tc_write(req, "prepared");
    return tc_finish(req);
}

static void what_prepare_finishes_needs_no_method(void **state) {
    (void)state;
    route("/", HANDLER(.flags = TC_COROUTINE, .prepare = prepare_finishes, .get = await_thrice, .on_finish = note_end));
    assert_string_equal(ask("/"), "200 prepared");
    assert_string_equal(noted(), "finish(0)");
}

static int write_later(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    int err = tc_future_status(future);
    return err < 0 ? err : tc_write(req, "later");
}

static int leaves_it_to_a_then(tc_request_t *req) {
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return tc_then(req, tc_sleep(NULL, 10), write_later, NULL);
}

static int leaves_it_to_nobody(tc_request_t *req) {
    (void)req;
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return TC_DETACH;
}

static void it_may_leave_its_outcome_to_somebody_but_not_to_nobody(void **state) {
    (void)state;
    route("/then", HANDLER(.flags = TC_COROUTINE, .get = leaves_it_to_a_then));
    route("/nobody", HANDLER(.flags = TC_COROUTINE, .get = leaves_it_to_nobody));
    assert_string_equal(ask("/then"), "200 later");
    assert_non_null(strstr(ask("/nobody"), "500 "));
    assert_log("returned TC_DETACH, but holds no token");
}

static int finishes_early(tc_request_t *req) {
    tc_write(req, "early");
    tc_finish(req);
    note("%d", tc_await(tc_sleep(NULL, 10), NULL));
    return -EIO;
}

static void it_may_go_on_after_its_answer(void **state) {
    (void)state;
    route("/", HANDLER(.flags = TC_COROUTINE, .get = finishes_early, .on_finish = note_end));
    assert_string_equal(ask("/"), "200 early");
    tc_test_client_advance(client, 10);
    assert_string_equal(noted(), "0 finish(0)");
}

static int holds_a_local(tc_request_t *req) {
    char local[64];
    snprintf(local, sizeof local, "local of %s", tc_path(req));
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return tc_write(req, local);
}

static void requests_have_stacks_of_their_own(void **state) {
    (void)state;
    route("/{x}", HANDLER(.flags = TC_COROUTINE, .get = holds_a_local));
    int a = tc_test_client_start(serve(), "/a", NULL), b = tc_test_client_start(serve(), "/b", NULL);
    tc_test_client_advance(client, 10);
    assert_string_equal(answered(a), "200 local of /a");
    assert_string_equal(answered(b), "200 local of /b");
}

static void beyond_the_limit_of_coroutines_requests_get_503(void **state) {
    (void)state;
    route_thrice(0, 0);
    serve();
    assert_int_equal(
        tc_ioloop_set_coroutine_options(tc_test_client_loop(client), &(tc_coroutine_options_t){ .max_coroutines = 1 }),
        0);
    int first = tc_test_client_start(client, "/", NULL), second = tc_test_client_start(client, "/", NULL);
    tc_test_client_advance(client, 30);
    assert_string_equal(answered(first), "200 thrice");
    assert_non_null(strstr(answered(second), "503 "));
    assert_log("no more coroutines");
    noted();
}

/* ---- Handlers with children ---- */

static int fails_soon(void *arg) {
    (void)arg;
    TC_TRY(tc_await(tc_sleep(NULL, 5), NULL));
    return TC_EPROTO;
}

static int waits_long(void *arg) {
    (void)arg;
    int err = tc_await(tc_sleep(NULL, 60000), NULL);
    note("child:%d", err);
    return err;
}

static int asks_two(tc_request_t *req) {
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, fails_soon, NULL);
    tc_scope_spawn(scope, waits_long, NULL);
    int err = tc_await(tc_sleep(NULL, 60000), NULL), failed = tc_scope_close(scope);
    note("%d:%d", err, failed);
    return failed == TC_EPROTO ? tc_http_error(req, 502, NULL) : failed;
}

static void a_child_that_fails_ends_what_its_handler_awaits(void **state) {
    (void)state;
    route("/", HANDLER(.flags = TC_COROUTINE, .get = asks_two, .on_finish = note_end));
    assert_non_null(strstr(ask("/"), "502 "));
    assert_string_equal(noted(), "child:-125 -125:-1026 finish(0)");
}

static int forgets_its_child(tc_request_t *req) {
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, waits_long, NULL);
    TC_TRY(tc_await(tc_sleep(NULL, 60000), NULL)); /* away, if the client leaves */
    int err = tc_scope_close(scope);
    return err < 0 ? err : tc_write(req, "never");
}

static void a_handler_that_leaves_a_scope_open_ends_with_its_children(void **state) {
    (void)state;
    route("/", HANDLER(.flags = TC_COROUTINE | TC_CANCEL_ON_CLOSE, .get = forgets_its_child, .on_finish = note_end));
    int id = tc_test_client_start(serve(), "/", NULL);
    tc_test_client_advance(client, 5);
    tc_test_client_disconnect(client, id);
    tc_test_client_advance(client, 0);
    assert_log("returned without tc_scope_close");
    assert_string_equal(noted(), "child:-125 finish(-1025)");
}

/* ---- Each way to end, at each of three awaits ---- */

static const char *const up_to[] = { "", "1:0", "1:0 2:0" };

/* What is noted up to the await `at`, and then what follows. */
static void assert_noted_then(int at, const char *rest) {
    char wanted[200];
    snprintf(wanted, sizeof wanted, "%s%s%s", up_to[at], at ? " " : "", rest);
    assert_string_equal(noted(), wanted);
}

static int start_up_to(int at) {
    int id = tc_test_client_start(serve(), "/", NULL);
    tc_test_client_advance(client, (uint64_t)at * 10 + 5);
    return id;
}

static void next_await(void) { /* for the next round: an application and a client of its own */
    stop_serving();
    app = tc_application_new(NULL);
}

static void a_client_that_leaves_does_not_end_the_handler(void **state) {
    (void)state;
    for (int at = 0; at < 3; at++) {
        route_thrice(0, 0);
        int id = start_up_to(at);
        tc_test_client_disconnect(client, id);
        tc_test_client_advance(client, 30);
        assert_noted_then(at, (char *[]){ "left 1:0 2:0 3:0 finish(-1025)", "left 2:0 3:0 finish(-1025)",
                                          "left 3:0 finish(-1025)" }[at]);
        next_await();
    }
}

static void with_cancel_on_close_it_does_and_quietly(void **state) {
    (void)state;
    for (int at = 0; at < 3; at++) {
        route_thrice(TC_CANCEL_ON_CLOSE, 0);
        int id = start_up_to(at);
        tc_test_client_disconnect(client, id);
        tc_test_client_advance(client, 0);
        assert_noted_then(at, (char *[]){ "left 1:-125 finish(-1025)", "left 2:-125 finish(-1025)",
                                          "left 3:-125 finish(-1025)" }[at]);
        next_await();
    }
}

static void a_timeout_answers_and_cancels(void **state) {
    (void)state;
    for (int at = 0; at < 3; at++) {
        route_thrice(0, (uint64_t)at * 10 + 7);
        int id = start_up_to(at);
        tc_test_client_advance(client, 5);
        assert_non_null(strstr(answered(id), "503 "));
        assert_log("no outcome after");
        assert_noted_then(at, (char *[]){ "1:-125 finish(-110)", "2:-125 finish(-110)", "3:-125 finish(-110)" }[at]);
        next_await();
    }
}

static void the_loop_s_end_cancels(void **state) {
    (void)state;
    for (int at = 0; at < 3; at++) {
        route_thrice(0, 0);
        start_up_to(at);
        tc_test_client_free(client);
        client = NULL;
        while (*take_line()) /* the client complains of a request without an outcome */
            ;
        char *text = (char *)noted();
        assert_non_null(strstr(text, (char *[]){ "1:-125", "2:-125", "3:-125" }[at]));
        char *finish = strstr(text, "finish(");
        assert_non_null(finish);
        assert_null(strstr(finish + 1, "finish("));
        next_await();
    }
}

static void each_allocation_may_fail_at_each_await(void **state) {
    (void)state;
    for (int at = 0; at < 3; at++)
        for (long nth = 1; nth <= 3; nth++) {
            route_thrice(0, 0);
            int id = start_up_to(at);
            fail_allocation(nth, true);
            tc_test_client_advance(client, 30);
            allow_allocations();
            tc_test_client_advance(client, 0);
            const char *text = noted();
            assert_non_null(strstr(text, "finish("));
            (void)id;
            forget_log();
            next_await();
            forget_log();
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_handler_that_never_waits_answers_at_once),
        WEB_TEST(a_handler_awaits_and_answers),
        WEB_TEST(without_the_flag_there_is_nothing_to_await_in),
        WEB_TEST(its_return_is_its_outcome),
        WEB_TEST(every_step_may_await),
        WEB_TEST(the_parts_of_a_form_may_await),
        WEB_TEST(a_chunk_is_dealt_with_before_the_next_is_given_out),
        WEB_TEST(what_prepare_finishes_needs_no_method),
        WEB_TEST(it_may_leave_its_outcome_to_somebody_but_not_to_nobody),
        WEB_TEST(it_may_go_on_after_its_answer),
        WEB_TEST(requests_have_stacks_of_their_own),
        WEB_TEST(beyond_the_limit_of_coroutines_requests_get_503),
        WEB_TEST(a_child_that_fails_ends_what_its_handler_awaits),
        WEB_TEST(a_handler_that_leaves_a_scope_open_ends_with_its_children),
        WEB_TEST(a_client_that_leaves_does_not_end_the_handler),
        WEB_TEST(with_cancel_on_close_it_does_and_quietly),
        WEB_TEST(a_timeout_answers_and_cancels),
        WEB_TEST(the_loop_s_end_cancels),
        WEB_TEST(each_allocation_may_fail_at_each_await),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
