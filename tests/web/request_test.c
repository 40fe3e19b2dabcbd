/* request_test.c - the life of a request: the order of its callbacks, what their outcomes mean, and how it ends. */
#include "web/web_test.h"

/* ---- A handler whose every step does what the test says ---- */

enum { INITIALIZE, ADMIT, PREPARE, DATA, METHOD, STEPS };
static const char *const step_names[] = { "initialize", "admit", "prepare", "data", "method" };

static int (*plan[STEPS])(tc_request_t *req);

static int run_step(tc_request_t *req, int step) {
    note("%s", step_names[step]);
    return plan[step] ? plan[step](req) : 0;
}

static int on_initialize(tc_request_t *req) {
    return run_step(req, INITIALIZE);
}

static int on_admit(tc_request_t *req) {
    return run_step(req, ADMIT);
}

static int on_prepare(tc_request_t *req) {
    return run_step(req, PREPARE);
}

static int on_data(tc_request_t *req, tc_bytes_t chunk) {
    note("[%.*s]", (int)chunk.len, chunk.data);
    return run_step(req, DATA);
}

static int on_method(tc_request_t *req) {
    return run_step(req, METHOD);
}

static void on_end(tc_request_t *req, int err) {
    (void)req;
    note("finish(%d)", err);
}

static void on_left(tc_request_t *req) {
    note(tc_closed(req) ? "left" : "left, but not closed");
}

static const tc_request_handler_t planned = {
    .initialize = on_initialize,
    .admit = on_admit,
    .prepare = on_prepare,
    .any = on_method,
    .on_finish = on_end,
    .on_connection_close = on_left,
};

static void route_planned(void) {
    tc_request_handler_t handler = planned;
    memset(plan, 0, sizeof(plan));
    route("/", &handler);
    handler.body = TC_BODY_STREAM;
    handler.data_received = on_data;
    route("/stream", &handler);
}

/* ---- What a step may do ---- */

#define RETURNS(name, value)             \
    static int name(tc_request_t *req) { \
        (void)req;                       \
        return value;                    \
    }
RETURNS(returns_400, 400)
RETURNS(returns_404, 404)
RETURNS(returns_599, 599)
RETURNS(returns_eio, -EIO)
RETURNS(returns_1, 1)
RETURNS(returns_200, 200)
RETURNS(returns_399, 399)
RETURNS(returns_600, 600)
RETURNS(detaches_in_vain, TC_DETACH)

static int finishes(tc_request_t *req) {
    tc_write(req, "done");
    return tc_finish(req);
}

static int finishes_and_fails(tc_request_t *req) {
    finishes(req);
    return -EIO;
}

static int redirects(tc_request_t *req) {
    return tc_redirect(req, "/elsewhere", 0);
}

static int sends_error(tc_request_t *req) {
    return tc_send_error(req, 418);
}

static int writes(tc_request_t *req) {
    return tc_write(req, "+");
}

static int writes_and_detaches(tc_request_t *req) {
    tc_write(req, "+");
    return tc_then(req, tc_sleep(NULL, 10), NULL, NULL);
}

static int later_zero(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future;
    (void)arg;
    note("later");
    return tc_write(req, "-");
}

static int waits(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10), later_zero, NULL);
}

static int later_404(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)req;
    (void)future;
    (void)arg;
    return 404;
}

static int waits_for_404(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10), later_404, NULL);
}

static tc_future_t *failed_future(void) {
    tc_future_t *future = tc_future_new(NULL);
    tc_future_set_error(future, -EIO, "broken");
    return future;
}

static int waits_for_failure(tc_request_t *req) {
    return tc_then(req, failed_future(), NULL, NULL);
}

static int keeps_an_error(tc_request_t *req) {
    tc_write(req, "lost");
    tc_set_header(req, "bad name", "x");
    tc_set_status(req, 201);
    return 0;
}

static int flushes_and_fails(tc_request_t *req) {
    tc_write(req, "half");
    tc_flush(req);
    return -EIO;
}

static int flushes_and_refuses(tc_request_t *req) {
    tc_write(req, "half");
    tc_flush(req);
    return 404;
}

/* ---- Order ---- */

static void a_request_goes_through_its_steps_in_order(void **state) {
    (void)state;
    route_planned();
    assert_ask("/", "200 ");
    assert_string_equal(noted(), "initialize admit prepare method finish(0)");
    assert_string_equal(ask_with("/", FETCH(.body = tc_str("a=b"))), "200 ");
    assert_string_equal(noted(), "initialize admit prepare method finish(0)");
}

static void a_streamed_body_comes_between_prepare_and_method(void **state) {
    (void)state;
    route_planned();
    assert_string_equal(ask_with("/stream", FETCH(.body = tc_str("abc"))), "200 ");
    assert_string_equal(noted(), "initialize admit prepare [abc] data method finish(0)");
    assert_ask("/stream", "200 ");
    assert_string_equal(noted(), "initialize admit prepare method finish(0)");
}

static void admit_runs_before_the_body_and_prepare_after_it(void **state) {
    (void)state;
    raw_t raw;
    route_planned();
    raw_open(&raw, NULL);
    raw_send(&raw, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(noted(), "initialize admit");
    assert_string_equal(raw_text(&raw), "HTTP/1.1 100 Continue\r\n\r\n");
    raw_send(&raw, "ab");
    assert_string_equal(noted(), "");
    raw_send(&raw, "cd");
    assert_string_equal(noted(), "prepare method finish(0)");
    raw_close(&raw);
}

static void a_detached_admit_holds_back_the_100(void **state) {
    (void)state;
    raw_t raw;
    route_planned();
    plan[ADMIT] = waits;
    raw_open(&raw, NULL);
    raw_send(&raw, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(noted(), "initialize admit");
    assert_string_equal(raw_text(&raw), "");
    tc__ioloop_advance(raw.loop, 10);
    assert_string_equal(noted(), "later");
    assert_string_equal(raw_text(&raw), "HTTP/1.1 100 Continue\r\n\r\n");
    raw_send(&raw, "ab");
    assert_string_equal(noted(), "prepare method finish(0)");
    raw_close(&raw);
}

static void a_refusal_in_admit_goes_out_without_a_100(void **state) {
    (void)state;
    raw_t raw;
    route_planned();
    plan[ADMIT] = returns_404;
    raw_open(&raw, NULL);
    raw_send(&raw, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_string_equal(noted(), "initialize admit finish(0)");
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 404 ", 13), 0);
    assert_non_null(strstr(raw_text(&raw), "Connection: close\r\n"));
    raw_close(&raw);
}

static void the_pieces_of_a_stream_wait_for_each_other(void **state) {
    (void)state;
    raw_t raw;
    route_planned();
    plan[PREPARE] = waits;
    plan[DATA] = waits;
    raw_open(&raw, NULL);
    raw_send(&raw, "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    assert_string_equal(noted(), "initialize admit prepare");
    tc__ioloop_advance(raw.loop, 10);
    assert_string_equal(noted(), "later [ab] data");
    raw_send(&raw, "cde");
    assert_string_equal(noted(), "");
    tc__ioloop_advance(raw.loop, 10);
    assert_string_equal(noted(), "later [cde] data");
    tc__ioloop_advance(raw.loop, 10);
    assert_string_equal(noted(), "later method finish(0)");
    assert_non_null(strstr(raw_text(&raw), "\r\n\r\n---"));
    raw_close(&raw);
}

/* ---- Outcomes ---- */

static const struct {
    const char *why;
    int (*act)(tc_request_t *req);
    const char *answer; /* at any step but, if it is not NULL, … */
    const char *log;    /* NULL: nothing */
} outcomes[] = {
    { "a status is its page", returns_404, "404", NULL },
    { "the least", returns_400, "400", NULL },
    { "the largest", returns_599, "599", NULL },
    { "a failure is a 500", returns_eio, "500", "E application: " },
    { "no outcome: 1", returns_1, "500", "returned 1, which is no outcome" },
    { "no outcome: 200", returns_200, "500", "returned 200, which is no outcome" },
    { "no outcome: 399", returns_399, "500", "returned 399, which is no outcome" },
    { "no outcome: 600", returns_600, "500", "returned 600, which is no outcome" },
    { "nobody holds it", detaches_in_vain, "500", "holds no token and waits for no future" },
    { "finished", finishes, "200 done", NULL },
    { "finished, so that the return is too late", finishes_and_fails, "200 done", NULL },
    { "redirected", redirects, "302", NULL },
    { "an error page by hand", sends_error, "418", NULL },
    { "a status, later", waits_for_404, "404", NULL },
    { "a failure, later", waits_for_failure, "500", "E application: " },
    { "a verb failed", keeps_an_error, "500", "header name \"bad name\"" },
    { "after headers a failure cuts", flushes_and_fails, "cut", "the connection is cut" },
    { "after headers a status cuts", flushes_and_refuses, "cut", "the connection is cut" },
};

static void each_outcome_means_the_same_at_each_step(void **state) {
    (void)state;
    route_planned();
    for (int step = 0; step < STEPS; step++)
        for (size_t i = 0; i < COUNT(outcomes); i++) {
            memset(plan, 0, sizeof(plan));
            plan[step] = outcomes[i].act;
            const char *path = step == DATA || i % 2 ? "/stream" : "/";
            const char *text = ask_with(path, FETCH(.method = "PUT", .body = tc_str("x")));
            if (strncmp(text, outcomes[i].answer, strlen(outcomes[i].answer)) != 0)
                fail_msg("%s, %s: %s", step_names[step], outcomes[i].why, text);
            if (outcomes[i].log)
                assert_log(outcomes[i].log);
            assert_string_equal(take_line(), "");
            const char *last = strrchr(noted(), ' ');
            bool cut = strcmp(outcomes[i].answer, "cut") == 0;
            assert_non_null(last);
            assert_string_equal(last, cut ? " finish(-1025)" : " finish(0)");
        }
}

static void an_outcome_other_than_0_ends_the_chain(void **state) {
    (void)state;
    static const char *const so_far[] = {
        "initialize finish(0)",
        "initialize admit finish(0)",
        "initialize admit prepare finish(0)",
        "initialize admit prepare [x] data finish(0)",
        "initialize admit prepare [x] data method finish(0)",
    };
    int (*const acts[])(tc_request_t *) = { returns_404, finishes, redirects, sends_error };
    route_planned();
    for (int step = 0; step < STEPS; step++)
        for (size_t i = 0; i < COUNT(acts); i++) {
            memset(plan, 0, sizeof(plan));
            plan[step] = acts[i];
            ask_with("/stream", FETCH(.method = "PUT", .body = tc_str("x")));
            assert_string_equal(noted(), so_far[step]);
        }
}

static void a_write_does_not_end_the_chain(void **state) {
    (void)state;
    route_planned();
    for (int step = 0; step < STEPS; step++)
        plan[step] = writes;
    assert_string_equal(ask_with("/stream", FETCH(.method = "PUT", .body = tc_str("x"))), "200 +++++");
    for (int step = 0; step < STEPS; step++)
        plan[step] = writes_and_detaches;
    assert_string_equal(ask_with("/stream", FETCH(.method = "PUT", .body = tc_str("x"))), "200 +++++");
    for (int step = 0; step < STEPS; step++)
        plan[step] = waits;
    assert_string_equal(ask_with("/stream", FETCH(.method = "PUT", .body = tc_str("x"))), "200 -----");
    assert_string_equal(ask_with("/", FETCH(.method = "PUT", .body = tc_str("x"))), "200 ----");
    noted();
}

/* ---- Verbs at the wrong time ---- */

static int verb_after_finish;

static int uses_verbs_after_finish(tc_request_t *req) {
    tc_write(req, "good");
    tc_finish(req);
    switch (verb_after_finish) {
    case 0:
        note("%d", tc_write(req, "x"));
        break;
    case 1:
        note("%d", tc_writef(req, "%d", 1));
        break;
    case 2:
        note("%d", tc_write_bytes(req, tc_str("x")));
        break;
    case 3:
        note("%d", tc_finish(req));
        break;
    case 4:
        note("%d", tc_flush(req));
        break;
    case 5:
        note("%d", tc_set_status(req, 404));
        break;
    case 6:
        note("%d", tc_set_header(req, "A", "b"));
        break;
    case 7:
        note("%d", tc_add_header(req, "A", "b"));
        break;
    case 8:
        note("%d", tc_clear_header(req, "A"));
        break;
    case 9:
        note("%d", tc_redirect(req, "/", 0));
        break;
    case 10:
        note("%d", tc_send_error(req, 404));
        break;
    case 11:
        note("%d", tc_write_owned(req, tc_str("x"), note_it, (void *)(uintptr_t) "freed"));
        break;
    case 12:
        note("%d", tc_write_json(req, tc_json_new(req)));
        break;
    }
    return 0;
}

static void a_verb_after_the_finish_is_an_error_and_a_line_in_the_log(void **state) {
    (void)state;
    char wanted[32];
    route("/", HANDLER(.get = uses_verbs_after_finish));
    snprintf(wanted, sizeof(wanted), "%d", TC_EALREADY);
    for (verb_after_finish = 0; verb_after_finish <= 11; verb_after_finish++) {
        assert_ask("/", "200 good");
        assert_log(" after the answer was finished");
        assert_string_equal(take_line(), "");
        const char *text = noted();
        assert_non_null(strstr(text, wanted));
        assert_int_equal(verb_after_finish == 11, strstr(text, "freed") != NULL);
    }
}

static int uses_verbs_after_flush(tc_request_t *req) {
    tc_write(req, "good");
    tc_flush(req);
    switch (verb_after_finish) {
    case 0:
        note("%d", tc_set_status(req, 404));
        break;
    case 1:
        note("%d", tc_set_header(req, "A", "b"));
        break;
    case 2:
        note("%d", tc_add_header(req, "A", "b"));
        break;
    case 3:
        note("%d", tc_clear_header(req, "A"));
        break;
    case 4:
        note("%d", tc_redirect(req, "/", 0));
        break;
    }
    tc_write(req, " still");
    return 0;
}

static void a_header_after_the_flush_is_an_error_and_the_answer_goes_on(void **state) {
    (void)state;
    char wanted[32];
    route("/", HANDLER(.get = uses_verbs_after_flush));
    snprintf(wanted, sizeof(wanted), "%d", TC_EBUSY);
    for (verb_after_finish = 0; verb_after_finish <= 4; verb_after_finish++) {
        assert_ask("/", "200 good still");
        assert_log(" after its headers were sent");
        assert_string_equal(take_line(), "");
        assert_string_equal(noted(), wanted);
    }
}

static int sends_error_after_flush(tc_request_t *req) {
    tc_write(req, "half");
    tc_flush(req);
    return tc_send_error(req, 404);
}

static void send_error_after_the_flush_cuts(void **state) {
    (void)state;
    route("/", HANDLER(.get = sends_error_after_flush));
    assert_ask("/", "cut");
    assert_log("the connection is cut");
    assert_non_null(strstr(tc_error_detail(), "cut"));
}

/* ---- The end ---- */

static void a_client_that_leaves_is_told_once(void **state) {
    (void)state;
    route_planned();
    plan[METHOD] = waits;
    int id = start("/", NULL);
    noted();
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), "left");
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), "");
    tc_test_client_advance(client, 10);
    assert_string_equal(noted(), "later finish(-1025)");
}

static void a_client_that_leaves_its_body_unfinished_is_the_end(void **state) {
    (void)state;
    for (int streamed = 0; streamed < 2; streamed++) {
        raw_t raw;
        if (streamed)
            begin_web(NULL);
        route_planned();
        raw_open(&raw, NULL);
        raw_send(&raw, streamed ? "PUT /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"
                                : "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
        noted();
        tc_iostream_close(raw.stream);
        raw_turn(&raw);
        assert_string_equal(noted(), "left finish(-1025)");
        raw_close(&raw);
        tc_application_free(app);
        app = NULL;
    }
}

static void half_a_close_still_gets_its_answer(void **state) {
    (void)state;
    raw_t raw;
    route_planned();
    plan[METHOD] = waits;
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tc_iostream_shutdown(raw.stream);
    raw_turn(&raw);
    assert_string_equal(noted(), "initialize admit prepare method left");
    tc__ioloop_advance(raw.loop, 10);
    assert_string_equal(noted(), "later finish(0)");
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 200 OK\r\n", 17), 0);
    raw_close(&raw);
}

static void note_outcome(tc_request_t *req, int err) {
    (void)req;
    note("finish(%s)", err == TC_ECLOSED     ? "closed"
                       : err == TC_ETIMEDOUT ? "timed out"
                       : err == TC_ECANCELED ? "cancelled"
                       : err                 ? "?"
                                             : "0");
}

static int later_status(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)req;
    (void)arg;
    note("%s", tc_future_status(future) == TC_ECANCELED ? "cancelled" : "?");
    return tc_future_status(future);
}

static int sleeps(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10000), later_status, NULL);
}

static void cancel_on_close_cancels_what_is_waited_for(void **state) {
    (void)state;
    route("/", HANDLER(.get = sleeps, .flags = TC_CANCEL_ON_CLOSE, .on_finish = note_outcome,
                       .on_connection_close = on_left));
    int id = start("/", NULL);
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), "left cancelled finish(closed)");
}

static void a_timeout_is_a_503(void **state) {
    (void)state;
    route("/", HANDLER(.get = sleeps, .timeout_ms = 500, .on_finish = note_outcome));
    int id = start("/", NULL);
    tc_test_client_advance(client, 499);
    assert_string_equal(answered(id), "");
    tc_test_client_advance(client, 1);
    assert_string_equal(answered(id), page(503, "Service Unavailable", NULL));
    assert_string_equal(noted(), "cancelled finish(timed out)");
    assert_log("W application: GET / (127.0.0.1): no outcome after 500 ms");
}

static int later_writes(tc_request_t *req, void *arg) {
    (void)arg;
    note("%d", tc_write(req, "too late"));
    return 0;
}

static tc_deferred_t *kept_token;

static int keeps_a_token(tc_request_t *req) {
    kept_token = tc_defer(req);
    return kept_token ? TC_DETACH : TC_ENOMEM;
}

static void what_comes_after_a_timeout_is_ignored(void **state) {
    (void)state;
    char wanted[32];
    route("/", HANDLER(.get = keeps_a_token, .timeout_ms = 500, .on_finish = note_outcome));
    int id = start("/", NULL);
    assert_int_equal(tc_deferred_post(kept_token, later_writes, NULL), 0);
    tc_test_client_advance(client, 0); /* an outcome that came in time */
    assert_string_equal(answered(id), "200 too late");
    tc_deferred_unref(kept_token);
    tc_test_client_advance(client, 600);
    assert_string_equal(noted(), "0 finish(0)");

    id = start("/", NULL);
    tc_test_client_advance(client, 500);
    assert_string_equal(answered(id), page(503, "Service Unavailable", NULL));
    assert_log("no outcome after 500 ms");
    snprintf(wanted, sizeof(wanted), "%d", TC_EALREADY);
    assert_int_equal(tc_deferred_post(kept_token, later_writes, NULL), TC_EALREADY);
    assert_string_equal(noted(), "");
    tc_deferred_unref(kept_token);
    tc_test_client_advance(client, 0);
    assert_string_equal(noted(), "finish(timed out)");
}

static void a_timeout_after_the_client_left_ends_quietly(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = keeps_a_token, .timeout_ms = 500, .on_finish = note_outcome));
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tc__iostream_abort(raw.stream);
    raw_turn(&raw);
    tc__ioloop_advance(raw.loop, 500);
    tc_deferred_unref(kept_token);
    raw_turn(&raw);
    assert_string_equal(noted(), "finish(closed)");
    raw_close(&raw);
}

static void the_longest_timeout_never_comes(void **state) {
    (void)state;
    route("/", HANDLER(.get = waits, .timeout_ms = TC_FOREVER - 1));
    assert_ask("/", "200 -");
    noted();
}

static void the_loops_end_ends_what_is_detached(void **state) {
    (void)state;
    raw_t raw;
    route("/sleep", HANDLER(.get = sleeps, .on_finish = note_outcome));
    route("/token", HANDLER(.get = keeps_a_token, .on_finish = note_outcome));
    raw_open(&raw, NULL);
    raw_send(&raw, "GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_connect(&raw);
    raw_send(&raw, "GET /token HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(noted(), "");
    tc_ioloop_free(raw.loop); /* before its server, even */
    assert_string_equal(noted(), "cancelled finish(cancelled) finish(cancelled)");
    assert_true(tc_deferred_closed(kept_token));
    tc_deferred_unref(kept_token);
    tc_httpserver_free(raw.server);
    free(raw.text);
}

static void the_servers_end_cuts_but_the_outcome_is_awaited(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = waits, .on_finish = note_outcome));
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tc_httpserver_free(raw.server);
    raw.server = NULL;
    raw_turn(&raw);
    assert_string_equal(noted(), "");
    tc__ioloop_advance(raw.loop, 10);
    assert_string_equal(noted(), "later finish(closed)");
    raw_close(&raw);
}

static int registers_cleanups(tc_request_t *req) {
    tc_on_cleanup(req, note_it, (void *)(uintptr_t) "first");
    tc_on_cleanup(req, note_it, (void *)(uintptr_t) "second");
    return 0;
}

static void cleanups_run_after_on_finish_the_last_first(void **state) {
    (void)state;
    route("/", HANDLER(.get = registers_cleanups, .on_finish = note_outcome));
    assert_ask("/", "200 ");
    assert_string_equal(noted(), "finish(0) second first");
}

static void too_late(tc_request_t *req, int err) {
    (void)err;
    tc_future_t *future = tc_sleep(NULL, 0);
    note("%s", tc_then(req, future, NULL, NULL) == TC_DETACH ? "?" : "refused");
    note("%s", tc_defer(req) ? "?" : "refused");
    tc_write(req, "late");
}

static void on_finish_can_hold_nothing(void **state) {
    (void)state;
    route("/", HANDLER(.get = writes, .on_finish = too_late));
    assert_ask("/", "200 +");
    assert_string_equal(noted(), "refused refused");
    assert_log("tc_write after the answer was finished");
}

static int fills_data(tc_request_t *req) {
    char *data = tc_data(req), zero[300] = { 0 };
    int err = tc_writef(req, "%s", memcmp(data, zero, sizeof(zero)) == 0 ? "zero" : "dirty");
    memset(data, 0xaa, sizeof(zero));
    return err;
}

static int has_no_data(tc_request_t *req) {
    return tc_write(req, tc_data(req) ? "some" : "none");
}

static void the_data_of_each_request_is_zeroed(void **state) {
    (void)state;
    route("/", HANDLER(.get = fills_data, .data_size = 300));
    route("/none", HANDLER(.get = has_no_data));
    for (int i = 0; i < 3; i++)
        assert_ask("/", "200 zero");
    assert_ask("/none", "200 none");
}

/* ---- Methods ---- */

static int says_method(tc_request_t *req) {
    return tc_writef(req, "%s", tc_method(req));
}

static int says_own_head(tc_request_t *req) {
    tc_set_header(req, "X-Head", "own");
    return 0;
}

static void head_is_answered_from_get(void **state) {
    (void)state;
    route("/", HANDLER(.get = says_method));
    route("/own", HANDLER(.get = says_method, .head = says_own_head));
    route("/post", HANDLER(.post = says_method));
    assert_string_equal(ask_by("HEAD", "/"), "200 ");
    assert_string_equal(header("/", FETCH(.method = "HEAD"), "Content-Length"), "4");
    assert_string_equal(header("/own", FETCH(.method = "HEAD"), "X-Head"), "own");
    assert_string_equal(ask_by("HEAD", "/post"), "405 ");
}

static void options_answers_by_itself_unless_overridden(void **state) {
    (void)state;
    route("/", HANDLER(.get = says_method, .put = says_method, .options = NULL));
    route("/own", HANDLER(.options = says_method));
    route("/any", HANDLER(.any = says_method));
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", FETCH(.method = "OPTIONS"));
    assert_string_equal(answer_text(response), "204 ");
    assert_string_equal(tc_http_response_header(response, "Allow"), "GET, HEAD, PUT, OPTIONS");
    assert_null(tc_http_response_header(response, "Content-Type"));
    assert_string_equal(ask_by("OPTIONS", "/own"), "200 OPTIONS");
    assert_string_equal(ask_by("OPTIONS", "/any"), "200 OPTIONS");
}

static int returns_405(tc_request_t *req) {
    (void)req;
    return 405;
}

static void a_405_says_what_is_allowed(void **state) {
    (void)state;
    static const struct {
        const char *method, *path, *allow;
    } asked[] = {
        { "POST", "/", "GET, HEAD, OPTIONS" },     { "DELETE", "/", "GET, HEAD, OPTIONS" },
        { "PROPFIND", "/", "GET, HEAD, OPTIONS" }, { "GET", "/rest", "POST, PUT, DELETE, PATCH, OPTIONS" },
        { "GET", "/head", "HEAD, OPTIONS" },       { "GET", "/by_hand", "GET, HEAD, OPTIONS" },
    };
    route("/", HANDLER(.get = says_method));
    route("/rest", HANDLER(.post = says_method, .put = says_method, .delete_ = says_method, .patch = says_method));
    route("/head", HANDLER(.head = says_method));
    route("/by_hand", HANDLER(.get = returns_405));
    for (size_t i = 0; i < COUNT(asked); i++) {
        const tc_http_response_t *response = tc_test_client_fetch(serve(), asked[i].path,
                                                                  FETCH(.method = asked[i].method));
        assert_string_equal(answer_text(response), page(405, "Method Not Allowed", NULL));
        assert_string_equal(tc_http_response_header(response, "Allow"), asked[i].allow);
    }
}

static void any_takes_every_method_without_a_callback(void **state) {
    (void)state;
    route("/", HANDLER(.any = says_method, .post = says_own_head));
    assert_ask("/", "200 GET");
    assert_string_equal(ask_by("DELETE", "/"), "200 DELETE");
    assert_string_equal(ask_by("PROPFIND", "/"), "200 PROPFIND");
    assert_string_equal(header("/", FETCH(.method = "POST"), "X-Head"), "own");
}

/* ---- Error pages ---- */

static void what_no_route_takes_is_a_404(void **state) {
    (void)state;
    route("/", HANDLER(.get = says_method));
    assert_string_equal(ask("/nowhere"), page(404, "Not Found", NULL));
    assert_string_equal(header("/nowhere", NULL, "Content-Type"), "text/html; charset=UTF-8");
    assert_string_equal(ask_by("HEAD", "/nowhere"), "404 ");
    assert_string_equal(ask_by("OPTIONS", "/nowhere"), page(404, "Not Found", NULL));
}

static int errs_in_words(tc_request_t *req) {
    tc_set_header(req, "X-Lost", "1");
    tc_write(req, "lost");
    return tc_http_errorf(req, 403, "no %s & no\n%s", "<entry>", "exit");
}

static void a_message_is_shown_escaped_and_logged(void **state) {
    (void)state;
    route("/{x}", HANDLER(.get = errs_in_words));
    assert_string_equal(ask("/%0a"), page(403, "Forbidden", "no &lt;entry&gt; &amp; no\nexit"));
    assert_log("W general: 403 GET /%0a (127.0.0.1): no <entry> & no\\x0aexit");
    assert_string_equal(header("/x", NULL, "X-Lost"), "(none)");
    forget_log();
}

static int err_then_fail(tc_request_t *req) {
    if (tc_http_error(req, 404, "a secret of another outcome") != 404)
        note("?");
    return -EIO;
}

static void a_message_belongs_to_its_status(void **state) {
    (void)state;
    route("/", HANDLER(.get = err_then_fail));
    assert_string_equal(ask("/"), page(500, "Internal Server Error", NULL));
    assert_log("E application: GET / (127.0.0.1): the handler failed: i/o error");
}

static int own_page(tc_request_t *req, int status) {
    const char *message = tc_error_message(req);
    tc_set_header(req, "X-Page", "own");
    return tc_writef(req, "own %d %s", status, message ? message : "-");
}

static int failing_page(tc_request_t *req, int status) {
    tc_set_header(req, "X-Page", "failing");
    tc_writef(req, "never seen %d", status);
    return -EIO;
}

static int page_that_returns_a_status(tc_request_t *req, int status) {
    tc_write(req, "never seen");
    return status;
}

static int page_with_a_bad_verb(tc_request_t *req, int status) {
    (void)status;
    tc_write(req, "never seen");
    tc_set_header(req, "A", "b\r\nSet-Cookie: c");
    return tc_finish(req);
}

static int page_that_errs(tc_request_t *req, int status) {
    tc_write(req, "never seen");
    return tc_send_error(req, status);
}

static int page_that_flushes_and_fails(tc_request_t *req, int status) {
    (void)status;
    tc_write(req, "half");
    tc_flush(req);
    return -EIO;
}

static int page_that_finishes(tc_request_t *req, int status) {
    tc_writef(req, "finished %d", status);
    return tc_finish(req);
}

static int refuse_404(tc_request_t *req) {
    tc_write(req, "lost");
    return tc_http_error(req, 404, "gone");
}

static void write_error_makes_the_page(void **state) {
    (void)state;
    route("/", HANDLER(.get = refuse_404, .write_error = own_page));
    route("/bare", HANDLER(.get = returns_404, .write_error = own_page));
    route("/finishes", HANDLER(.get = returns_404, .write_error = page_that_finishes));
    assert_ask("/", "404 own 404 gone");
    assert_log("W general: 404 GET / (127.0.0.1): gone");
    assert_ask("/bare", "404 own 404 -");
    assert_string_equal(header("/bare", NULL, "X-Page"), "own");
    assert_ask("/finishes", "404 finished 404");
}

static void a_write_error_that_fails_leaves_the_default_page(void **state) {
    (void)state;
    static int (*const pages[])(tc_request_t * req, int status) = { failing_page, page_that_returns_a_status,
                                                                    page_with_a_bad_verb, page_that_errs };
    for (size_t i = 0; i < COUNT(pages); i++) {
        char pattern[16];
        snprintf(pattern, sizeof(pattern), "/%zu", i);
        route(pattern, HANDLER(.get = returns_404, .write_error = pages[i]));
    }
    for (size_t i = 0; i < COUNT(pages); i++) {
        char path[16];
        snprintf(path, sizeof(path), "/%zu", i);
        const tc_http_response_t *response = tc_test_client_fetch(serve(), path, NULL);
        assert_string_equal(answer_text(response), page(404, "Not Found", NULL));
        assert_null(tc_http_response_header(response, "X-Page"));
        assert_log("write_error failed");
        forget_log();
    }
}

static void a_write_error_that_fails_after_its_flush_cuts(void **state) {
    (void)state;
    route("/", HANDLER(.get = returns_404, .write_error = page_that_flushes_and_fails));
    assert_ask("/", "cut");
    assert_log("write_error failed");
}

static int default_headers(tc_request_t *req) {
    note("defaults");
    return tc_set_header(req, "X-Frame-Options", "DENY");
}

static void default_headers_are_set_again_for_an_error_page(void **state) {
    (void)state;
    route("/", HANDLER(.get = says_own_head, .set_default_headers = default_headers));
    route("/error", HANDLER(.get = errs_in_words, .set_default_headers = default_headers));
    assert_string_equal(header("/", NULL, "X-Frame-Options"), "DENY");
    assert_string_equal(noted(), "defaults");
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/error", NULL);
    assert_string_equal(tc_http_response_header(response, "X-Frame-Options"), "DENY");
    assert_null(tc_http_response_header(response, "X-Lost"));
    assert_string_equal(noted(), "defaults defaults");
    forget_log();
}

static int bad_default_headers(tc_request_t *req) {
    return tc_set_header(req, "bad name", "x");
}

static void default_headers_that_fail_are_a_500(void **state) {
    (void)state;
    route("/", HANDLER(.get = says_method, .set_default_headers = bad_default_headers));
    assert_string_equal(ask("/"), page(500, "Internal Server Error", NULL));
    assert_log("the handler failed: invalid argument: header name \"bad name\"");
    assert_log("set_default_headers failed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_request_goes_through_its_steps_in_order),
        WEB_TEST(a_streamed_body_comes_between_prepare_and_method),
        WEB_TEST(admit_runs_before_the_body_and_prepare_after_it),
        WEB_TEST(a_detached_admit_holds_back_the_100),
        WEB_TEST(a_refusal_in_admit_goes_out_without_a_100),
        WEB_TEST(the_pieces_of_a_stream_wait_for_each_other),
        WEB_TEST(each_outcome_means_the_same_at_each_step),
        WEB_TEST(an_outcome_other_than_0_ends_the_chain),
        WEB_TEST(a_write_does_not_end_the_chain),
        WEB_TEST(a_verb_after_the_finish_is_an_error_and_a_line_in_the_log),
        WEB_TEST(a_header_after_the_flush_is_an_error_and_the_answer_goes_on),
        WEB_TEST(send_error_after_the_flush_cuts),
        WEB_TEST(a_client_that_leaves_is_told_once),
        WEB_TEST(a_client_that_leaves_its_body_unfinished_is_the_end),
        WEB_TEST(half_a_close_still_gets_its_answer),
        WEB_TEST(cancel_on_close_cancels_what_is_waited_for),
        WEB_TEST(a_timeout_is_a_503),
        WEB_TEST(what_comes_after_a_timeout_is_ignored),
        WEB_TEST(a_timeout_after_the_client_left_ends_quietly),
        WEB_TEST(the_longest_timeout_never_comes),
        WEB_TEST(the_loops_end_ends_what_is_detached),
        WEB_TEST(the_servers_end_cuts_but_the_outcome_is_awaited),
        WEB_TEST(cleanups_run_after_on_finish_the_last_first),
        WEB_TEST(on_finish_can_hold_nothing),
        WEB_TEST(the_data_of_each_request_is_zeroed),
        WEB_TEST(head_is_answered_from_get),
        WEB_TEST(options_answers_by_itself_unless_overridden),
        WEB_TEST(a_405_says_what_is_allowed),
        WEB_TEST(any_takes_every_method_without_a_callback),
        WEB_TEST(what_no_route_takes_is_a_404),
        WEB_TEST(a_message_is_shown_escaped_and_logged),
        WEB_TEST(a_message_belongs_to_its_status),
        WEB_TEST(write_error_makes_the_page),
        WEB_TEST(a_write_error_that_fails_leaves_the_default_page),
        WEB_TEST(a_write_error_that_fails_after_its_flush_cuts),
        WEB_TEST(default_headers_are_set_again_for_an_error_page),
        WEB_TEST(default_headers_that_fail_are_a_500),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
