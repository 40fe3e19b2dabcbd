/* later_test.c - outcomes that come later: futures, the executor, tokens, and who is gone by then. */
#include "web/web_test.h"

#include <tornadoc/locks.h>

static void on_end(tc_request_t *req, int err) {
    (void)req;
    note("finish(%s)", err == TC_ECLOSED ? "closed" : err == TC_ECANCELED ? "cancelled" : err ? tc_strerror(err) : "0");
}

static int (*act)(tc_request_t *req);

static int acts(tc_request_t *req) {
    return act(req);
}

static void act_with(int (*fn)(tc_request_t *req)) {
    act = fn;
    if (app)
        route("/", HANDLER(.get = acts, .on_finish = on_end, .data_size = 64));
}

/* ---- Futures ---- */

static int says_status(tc_request_t *req, tc_future_t *future, void *arg) {
    note("%s", tc_future_status(future) == 0 ? "done" : tc_future_message(future));
    return tc_write(req, arg ? arg : "-");
}

static int sleeps(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 1000), says_status, (void *)(uintptr_t) "slept");
}

static void a_sleep_is_as_long_as_it_says(void **state) {
    (void)state;
    act_with(sleeps);
    int id = start("/", NULL);
    tc_test_client_advance(client, 999);
    assert_string_equal(answered(id), "");
    tc_test_client_advance(client, 1);
    assert_string_equal(answered(id), "200 slept");
    assert_string_equal(noted(), "done finish(0)");
}

static int waits_bare(tc_request_t *req) {
    tc_write(req, "so far");
    return tc_then(req, tc_sleep(NULL, 1), NULL, NULL);
}

static int waits_bare_for_failure(tc_request_t *req) {
    tc_future_t *future = tc_future_new(NULL);
    tc_future_set_error(future, -ENOENT, "no such thing");
    return tc_then(req, future, NULL, NULL);
}

static void without_a_function_the_status_is_the_outcome(void **state) {
    (void)state;
    act_with(waits_bare);
    assert_ask("/", "200 so far");
    act = waits_bare_for_failure;
    assert_int_equal(strncmp(ask("/"), "500 ", 4), 0);
    assert_log("E application: GET / (127.0.0.1): the handler failed: no such file or directory: no such thing");
    noted();
}

static int hands_the_status_on(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)req, (void)arg;
    return tc_future_status(future);
}

static int waits_for_failure(tc_request_t *req) {
    tc_future_t *future = tc_future_new(NULL);
    tc_future_set_error(future, TC_EPROTO, "the database spoke in tongues");
    return tc_then(req, future, hands_the_status_on, NULL);
}

static void the_words_of_a_failed_future_are_logged(void **state) {
    (void)state;
    act_with(waits_for_failure);
    assert_int_equal(strncmp(ask("/"), "500 ", 4), 0);
    assert_log("protocol broken by the peer: the database spoke in tongues");
    noted();
}

static int waits_for_null(tc_request_t *req) {
    int err = tc_then(req, NULL, says_status, NULL);
    note("%s: %s", tc_strerror(err), tc_error_detail());
    return err;
}

static void a_null_future_is_a_failure(void **state) {
    (void)state;
    act_with(waits_for_null);
    assert_int_equal(strncmp(ask("/"), "500 ", 4), 0);
    assert_log("the handler failed: not enough memory");
    assert_non_null(strstr(noted(), "not enough memory: tc_then: the future is NULL"));
}

static int counts_down(tc_request_t *req, tc_future_t *future, void *arg) {
    int *left = tc_data(req);
    TC_TRY(tc_future_status(future));
    tc_writef(req, "%d", *left);
    return --*left > 0 ? tc_then(req, tc_sleep(NULL, 10), counts_down, arg) : 0;
}

static int begins_countdown(tc_request_t *req) {
    *(int *)tc_data(req) = 5;
    return tc_then(req, tc_sleep(NULL, 10), counts_down, NULL);
}

static void a_function_may_wait_again(void **state) {
    (void)state;
    act_with(begins_countdown);
    int id = start("/", NULL);
    tc_test_client_advance(client, 49);
    assert_string_equal(answered(id), "");
    tc_test_client_advance(client, 1);
    assert_string_equal(answered(id), "200 54321");
    noted();
}

static int looks_at_nothing(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    return tc_write(req, "locked");
}

static tc_lock_t *lock;

static int locks(tc_request_t *req) {
    return tc_then(req, tc_lock_acquire(lock, TC_FOREVER), looks_at_nothing, NULL);
}

static void what_a_function_was_called_with_is_its_own(void **state) {
    (void)state;
    lock = tc_lock_new();
    act_with(locks);
    assert_string_equal(ask("/"), "200 locked");
    noted();
    assert_int_equal(tc_lock_release(lock), 0); /* so it was not given back */
    tc_lock_free(lock);
}

static int one_of_two(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future;
    int *left = tc_data(req);
    tc_write(req, arg);
    return --*left > 0 ? TC_DETACH : 0;
}

static int waits_for_two(tc_request_t *req) {
    *(int *)tc_data(req) = 2;
    int err = tc_then(req, tc_sleep(NULL, 20), one_of_two, (void *)(uintptr_t) "late");
    return err == TC_DETACH ? tc_then(req, tc_sleep(NULL, 10), one_of_two, (void *)(uintptr_t) "soon") : err;
}

static void several_can_be_waited_for(void **state) {
    (void)state;
    act_with(waits_for_two);
    assert_ask("/", "200 soonlate");
    noted();
}

static int answers_before(tc_request_t *req) {
    int err = tc_then(req, tc_sleep(NULL, 1000), says_status, NULL);
    tc_write(req, "early");
    tc_finish(req);
    return err;
}

static void a_finished_request_lives_until_its_last_future(void **state) {
    (void)state;
    act_with(answers_before);
    int id = start("/", NULL);
    assert_string_equal(answered(id), "200 early");
    assert_string_equal(noted(), "");
    tc_test_client_advance(client, 1000);
    assert_string_equal(noted(), "done finish(0)");
    assert_log("tc_write after the answer was finished");
}

static void futures_are_told_of_clients_that_left(void **state) {
    (void)state;
    act_with(sleeps);
    int id = start("/", NULL);
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), "");
    tc_test_client_advance(client, 1000);
    assert_string_equal(noted(), "done finish(closed)");
}

static tc_ioloop_t *other_loop;

static int waits_for_another_loop(tc_request_t *req) {
    return tc_then(req, tc_sleep(other_loop, 1), says_status, NULL);
}

static void a_future_of_another_loop_is_refused(void **state) {
    (void)state;
    act_with(waits_for_another_loop);
    assert_int_equal(tc_ioloop_new(&other_loop), 0);
    assert_int_equal(strncmp(ask("/"), "500 ", 4), 0);
    assert_log("tc_then: the future is of another loop");
    assert_log("the handler failed");
    noted();
    stop_serving();
    tc_ioloop_free(other_loop);
}

/* ---- The executor ---- */

static int work(void *arg, void **out) {
    *out = arg;
    return arg ? 0 : -EDOM;
}

static int says_work(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    TC_TRY(tc_future_status(future));
    return tc_write(req, tc_future_result(future));
}

static int works(tc_request_t *req) {
    return tc_then(req, tc_run_in_executor(NULL, work, (void *)(uintptr_t) "worked", NULL), says_work, NULL);
}

static int works_in_vain(tc_request_t *req) {
    return tc_then(req, tc_run_in_executor(NULL, work, NULL, NULL), says_work, NULL);
}

static void work_is_done_on_another_thread(void **state) {
    (void)state;
    act_with(works);
    assert_ask("/", "200 worked");
    act = works_in_vain;
    assert_int_equal(strncmp(ask("/"), "500 ", 4), 0);
    assert_log("the handler failed");
    noted();
}

static int has_no_time(tc_request_t *req) {
    tc_future_t *future = tc_future_new(NULL);
    tc_future_set_error(future, TC_EOVERLOAD, "too many jobs wait for a thread");
    return tc_then(req, future, says_work, NULL);
}

static void too_much_work_is_a_503(void **state) {
    (void)state;
    act_with(has_no_time);
    assert_string_equal(ask("/"), page(503, "Service Unavailable", "too much to do already"));
    assert_log("W general: 503 GET / (127.0.0.1): too much to do already: too many jobs wait for a thread");
    noted();
}

static atomic_bool worker_runs, worker_may_end;

static int read_slowly(void *text, void **out) {
    atomic_store(&worker_runs, true);
    while (!atomic_load(&worker_may_end))
        uv_sleep(1);
    *out = NULL;
    return strcmp(text, "the request's own") == 0 ? 0 : -EIO;
}

static int works_with_its_memory(tc_request_t *req) {
    return tc_then(req, tc_run_in_executor(NULL, read_slowly, tc_strdup(req, "the request's own"), NULL), says_work,
                   NULL);
}

static void free_iterator(void *it) {
    tc_wait_iterator_free(it);
}

static int iterates_over_work_with_its_memory(tc_request_t *req) {
    tc_future_t *future = tc_run_in_executor(NULL, read_slowly, tc_strdup(req, "the request's own"), NULL);
    tc_wait_iterator_t *it = tc_wait_iterator_new(&future, 1);
    TC_TRY(tc_on_cleanup(req, free_iterator, it));
    return tc_then(req, tc_wait_iterator_next(it), says_work, NULL);
}

static void let_worker_end(void *arg) {
    (void)arg;
    uv_sleep(20); /* so that the loop's end mostly finds it at work */
    atomic_store(&worker_may_end, true);
}

static void assert_the_loop_s_end_waits(int (*fn)(tc_request_t *req)) {
    uv_thread_t thread;
    atomic_store(&worker_runs, false);
    atomic_store(&worker_may_end, false);
    act_with(fn);
    tc_test_client_start(serve(), "/", NULL);
    while (!atomic_load(&worker_runs))
        uv_sleep(1);
    assert_int_equal(uv_thread_create(&thread, let_worker_end, NULL), 0);
    tc_test_client_free(client);
    client = NULL;
    assert_true(atomic_load(&worker_may_end));
    uv_thread_join(&thread);
    forget_log();
    noted();
}

static void the_loop_s_end_waits_for_work_with_a_request_s_memory(void **state) {
    (void)state;
    assert_the_loop_s_end_waits(works_with_its_memory);
}

static void so_it_does_if_an_iterator_brings_it(void **state) {
    (void)state;
    assert_the_loop_s_end_waits(iterates_over_work_with_its_memory);
}

/* ---- Tokens ---- */

static tc_deferred_t *token;

static int keeps_a_token(tc_request_t *req) {
    token = tc_defer(req);
    return token ? TC_DETACH : TC_ENOMEM;
}

static int posted(tc_request_t *req, void *arg) {
    note("posted");
    return arg ? tc_write(req, arg) : TC_DETACH;
}

static int posted_status(tc_request_t *req, void *arg) {
    (void)req;
    return (int)(intptr_t)arg;
}

static int post(const char *text) {
    return tc_deferred_post(token, posted, (void *)(uintptr_t)text);
}

static void a_post_brings_the_outcome(void **state) {
    (void)state;
    act_with(keeps_a_token);
    int id = start("/", NULL);
    assert_int_equal(post("here"), 0);
    tc_test_client_advance(client, 0);
    assert_string_equal(answered(id), "200 here");
    assert_string_equal(noted(), "posted");
    assert_int_equal(post("again"), TC_EALREADY);
    tc_deferred_unref(token);
    tc_test_client_advance(client, 0);
    assert_string_equal(noted(), "finish(0)");
}

static void a_post_may_bring_more_later(void **state) {
    (void)state;
    act_with(keeps_a_token);
    int id = start("/", NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(post(NULL), 0);
    tc_test_client_advance(client, 0);
    assert_string_equal(answered(id), "");
    assert_string_equal(noted(), "posted posted posted");
    assert_int_equal(post("last"), 0);
    assert_int_equal(post("ignored"), 0); /* accepted, so it runs, but the outcome is in by then */
    tc_deferred_unref(token);
    tc_test_client_advance(client, 0);
    assert_string_equal(answered(id), "200 last");
    assert_string_equal(noted(), "posted posted finish(0)");
    assert_log("tc_write after the answer was finished");
}

static void what_a_post_returns_is_an_outcome(void **state) {
    (void)state;
    static const struct {
        int outcome;
        const char *answer, *log;
    } outcomes[] = {
        { 0, "200 ", NULL },
        { 404, "404 ", NULL },
        { -EIO, "500 ", "the handler failed" },
        { 1, "500 ", "returned 1, which is no outcome" },
    };
    act_with(keeps_a_token);
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        int id = start("/", NULL);
        assert_int_equal(tc_deferred_post(token, posted_status, (void *)(intptr_t)outcomes[i].outcome), 0);
        tc_deferred_unref(token);
        tc_test_client_advance(client, 0);
        assert_int_equal(strncmp(answered(id), outcomes[i].answer, 4), 0);
        if (outcomes[i].log)
            assert_log(outcomes[i].log);
    }
    noted();
}

static void the_last_reference_without_an_outcome_is_a_500(void **state) {
    (void)state;
    act_with(keeps_a_token);
    int id = start("/", NULL);
    assert_ptr_equal(tc_deferred_ref(token), token);
    tc_deferred_unref(token);
    tc_test_client_advance(client, 1000);
    assert_string_equal(answered(id), "");
    tc_deferred_unref(token);
    tc_test_client_advance(client, 0);
    assert_int_equal(strncmp(answered(id), "500 ", 4), 0);
    assert_log("E application: GET / (127.0.0.1): the handler returned TC_DETACH, but holds no token");
    assert_string_equal(noted(), "finish(0)");
}

static int defers_twice(tc_request_t *req) {
    token = tc_defer(req);
    tc_deferred_t *again = tc_defer(req);
    note("%s", again == token ? "one token" : "two tokens");
    tc_deferred_unref(again);
    return TC_DETACH;
}

static int drops_and_defers(tc_request_t *req) {
    tc_deferred_unref(tc_defer(req));
    token = tc_defer(req);
    return token ? TC_DETACH : TC_ENOMEM;
}

static void a_request_may_be_deferred_again(void **state) {
    (void)state;
    act_with(defers_twice);
    for (int i = 0; i < 2; i++) {
        act = i ? drops_and_defers : defers_twice;
        int id = start("/", NULL);
        tc_test_client_advance(client, 0);
        assert_string_equal(answered(id), "");
        assert_int_equal(post("here"), 0);
        tc_deferred_unref(token);
        tc_test_client_advance(client, 0);
        assert_string_equal(answered(id), "200 here");
    }
    noted();
}

static int drops_a_token_and_waits(tc_request_t *req) {
    tc_deferred_unref(tc_defer(req));
    return tc_then(req, tc_sleep(NULL, 10), says_status, (void *)(uintptr_t) "then");
}

static void a_future_holds_when_the_token_is_gone(void **state) {
    (void)state;
    act_with(drops_a_token_and_waits);
    assert_ask("/", "200 then");
    noted();
}

static int drops_a_token_and_returns(tc_request_t *req) {
    tc_deferred_unref(tc_defer(req));
    return TC_DETACH;
}

static void a_token_dropped_before_the_return_is_a_500_too(void **state) {
    (void)state;
    act_with(drops_a_token_and_returns);
    assert_int_equal(strncmp(ask("/"), "500 ", 4), 0);
    assert_log("holds no token");
    noted();
}

static int defers_but_answers(tc_request_t *req) {
    token = tc_defer(req);
    return tc_write(req, "answered");
}

static void a_token_outlives_the_answer(void **state) {
    (void)state;
    act_with(defers_but_answers);
    assert_ask("/", "200 answered");
    assert_string_equal(noted(), "");
    assert_int_equal(post("more"), TC_EALREADY);
    assert_true(tc_deferred_closed(token)); /* too late for an answer, whoever gave it */
    tc_deferred_unref(token);
    tc_test_client_advance(client, 0);
    assert_string_equal(noted(), "finish(0)");
}

static void a_token_knows_that_its_client_left(void **state) {
    (void)state;
    act_with(keeps_a_token);
    int id = start("/", NULL);
    assert_false(tc_deferred_closed(token));
    tc_test_client_disconnect(client, id);
    assert_true(tc_deferred_closed(token));
    assert_int_equal(post("for nobody"), 0); /* it runs all the same */
    tc_test_client_advance(client, 0);
    assert_string_equal(noted(), "posted");
    assert_int_equal(post("for nobody"), TC_EALREADY);
    tc_deferred_unref(token);
    tc_test_client_advance(client, 0);
    assert_string_equal(noted(), "finish(closed)");
}

static void forgets_its_token(tc_request_t *req) {
    (void)req;
    note("left");
    tc_deferred_unref(token);
}

static void a_token_dropped_when_the_client_leaves_ends_quietly(void **state) {
    (void)state;
    route("/", HANDLER(.get = keeps_a_token, .on_connection_close = forgets_its_token, .on_finish = on_end));
    int id = start("/", NULL);
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), "left finish(closed)");
}

static void a_token_survives_server_and_loop(void **state) {
    (void)state;
    raw_t raw;
    act_with(keeps_a_token);
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tc_httpserver_free(raw.server);
    raw_turn(&raw);
    assert_string_equal(noted(), "");
    assert_int_equal(post(NULL), 0);
    raw_turn(&raw);
    assert_string_equal(noted(), "posted");
    tc_deferred_ref(token);
    assert_int_equal(post("runs at the loop's end"), 0);
    tc_ioloop_free(raw.loop);
    assert_string_equal(noted(), "posted finish(closed)");
    assert_true(tc_deferred_closed(token));
    assert_int_equal(post("too late"), TC_EALREADY);
    tc_deferred_unref(token);
    tc_deferred_unref(token);
    free(raw.text);
}

static void a_post_after_the_loops_end_is_refused(void **state) {
    (void)state;
    raw_t raw;
    act_with(keeps_a_token);
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tc_httpserver_free(raw.server);
    tc_ioloop_free(raw.loop);
    assert_string_equal(noted(), "finish(closed)");
    assert_int_equal(post("too late"), TC_ECLOSED);
    tc_deferred_unref(token);
    free(raw.text);
}

static tc_deferred_t *first_token;

static void drops_the_other_token(tc_request_t *req, int err) {
    (void)req;
    note("%s", tc_strerror(err));
    tc_deferred_unref(token == first_token ? NULL : token);
    token = first_token;
}

/* The mailbox refuses already, and the other request still knows its token. */
static void tokens_may_be_dropped_while_the_loop_ends(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = keeps_a_token, .on_finish = drops_the_other_token));
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    first_token = token;
    raw_connect(&raw);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tc_ioloop_free(raw.loop);
    tc_deferred_unref(first_token);
    tc_httpserver_free(raw.server);
    free(raw.text);
    noted();
}

static int sleeps_again(tc_request_t *req, tc_future_t *future, void *arg) {
    note("%s", tc_future_status(future) == 0 ? "again" : tc_future_message(future));
    return tc_then(req, tc_sleep(NULL, 1000), sleeps_again, arg);
}

static int sleeps_for_ever(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 1000), sleeps_again, NULL);
}

static void who_waits_without_end_is_ended_with_the_loop(void **state) {
    (void)state;
    act_with(sleeps_for_ever);
    start("/", NULL);
    tc_test_client_advance(client, 3000);
    assert_string_equal(noted(), "again again again");
    stop_serving();
    assert_string_equal(noted(), "operation canceled finish(closed)");
    assert_log("the test client is freed, but request 1 (/) has no outcome");
}

static void token_functions_take_null(void **state) {
    (void)state;
    assert_null(tc_defer(NULL));
    assert_log("tc_defer: the request is NULL");
    assert_null(tc_deferred_ref(NULL));
    tc_deferred_unref(NULL);
    assert_true(tc_deferred_closed(NULL));
    assert_int_equal(tc_deferred_post(NULL, posted, NULL), TC_EINVAL);
    assert_log("tc_deferred_post: the token or the function is NULL");
    act_with(keeps_a_token);
    start("/", NULL);
    assert_int_equal(tc_deferred_post(token, NULL, NULL), TC_EINVAL);
    assert_log("tc_deferred_post: the token or the function is NULL");
    assert_int_equal(post("end"), 0);
    tc_deferred_unref(token);
    tc_test_client_advance(client, 0);
    noted();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_sleep_is_as_long_as_it_says),
        WEB_TEST(without_a_function_the_status_is_the_outcome),
        WEB_TEST(the_words_of_a_failed_future_are_logged),
        WEB_TEST(a_null_future_is_a_failure),
        WEB_TEST(a_function_may_wait_again),
        WEB_TEST(what_a_function_was_called_with_is_its_own),
        WEB_TEST(several_can_be_waited_for),
        WEB_TEST(a_finished_request_lives_until_its_last_future),
        WEB_TEST(futures_are_told_of_clients_that_left),
        WEB_TEST(a_future_of_another_loop_is_refused),
        WEB_TEST(work_is_done_on_another_thread),
        WEB_TEST(too_much_work_is_a_503),
        WEB_TEST(the_loop_s_end_waits_for_work_with_a_request_s_memory),
        WEB_TEST(so_it_does_if_an_iterator_brings_it),
        WEB_TEST(a_post_brings_the_outcome),
        WEB_TEST(a_post_may_bring_more_later),
        WEB_TEST(what_a_post_returns_is_an_outcome),
        WEB_TEST(the_last_reference_without_an_outcome_is_a_500),
        WEB_TEST(a_request_may_be_deferred_again),
        WEB_TEST(a_future_holds_when_the_token_is_gone),
        WEB_TEST(a_token_dropped_before_the_return_is_a_500_too),
        WEB_TEST(a_token_outlives_the_answer),
        WEB_TEST(a_token_knows_that_its_client_left),
        WEB_TEST(a_token_dropped_when_the_client_leaves_ends_quietly),
        WEB_TEST(a_token_survives_server_and_loop),
        WEB_TEST(a_post_after_the_loops_end_is_refused),
        WEB_TEST(tokens_may_be_dropped_while_the_loop_ends),
        WEB_TEST(who_waits_without_end_is_ended_with_the_loop),
        WEB_TEST(token_functions_take_null),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
