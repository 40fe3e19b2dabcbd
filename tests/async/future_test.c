/* future_test.c - results that come later: completion, waiting, cancelling, the loop's end. */
#include "async/async_test.h"

#include "async/future_internal.h"

static tc_ioloop_t *loop;
static tc_future_t *future;

static int make_future(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    future = err == 0 ? tc_future_new(loop) : NULL;
    return future ? 0 : -1;
}

static int free_future(void **state) {
    tc_future_unref(future);
    return free_loop(state);
}
#define TEST_FUTURE(test) cmocka_unit_test_setup_teardown(test, make_future, free_future)

static void note_outcome(tc_future_t *of, void *user_data) {
    const char *result = tc_future_result(of);
    note("%s:%d:%s", (char *)user_data, tc_future_status(of), result ? result : "-");
}

static void wait_for(tc_future_t *of, const char *name) {
    assert_int_equal(tc_future_on_done(of, note_outcome, (void *)name), 0);
}

static void assert_state(const tc_future_t *of, tc_future_state_t state, int status, const char *message) {
    assert_int_equal(tc_future_state(of), state);
    assert_int_equal(tc_future_status(of), status);
    assert_string_equal(tc_future_message(of), message);
}

/* ---- Completion ---- */

static void a_new_future_pends(void **state) {
    (void)state;
    assert_state(future, TC_PENDING, TC_EAGAIN, "");
    assert_null(tc_future_result(future));
    assert_null(tc_future_take(future));
    assert_ptr_equal(tc__future_loop(future), loop);
}

static void a_result_is_owned_by_the_future(void **state) {
    (void)state;
    tc_future_set_result(future, "value", note_it);
    assert_state(future, TC_DONE, 0, "");
    assert_string_equal(tc_future_result(future), "value");
    assert_string_equal(noted(), "");
    tc_future_unref(future);
    future = NULL;
    assert_string_equal(noted(), "value");
}

static void a_result_that_was_taken_is_the_taker_s(void **state) {
    (void)state;
    tc_future_set_result(future, "value", note_it);
    assert_string_equal(tc_future_take(future), "value");
    assert_null(tc_future_take(future));
    assert_null(tc_future_result(future));
    assert_state(future, TC_DONE, 0, "");
    tc_future_unref(future);
    future = NULL;
    assert_string_equal(noted(), "");
}

static void done_needs_no_result(void **state) {
    (void)state;
    tc_future_set_result(future, NULL, note_it);
    assert_state(future, TC_DONE, 0, "");
    assert_null(tc_future_result(future));
    tc_future_unref(future);
    future = NULL;
    assert_string_equal(noted(), "");
}

static const struct {
    int err;
    const char *message;
    tc_future_state_t state;
    const char *words;
} failures[] = {
    { TC_EPROTO, "the upstream spoke nonsense", TC_FAILED, "the upstream spoke nonsense" },
    { TC_ETIMEDOUT, NULL, TC_FAILED, "timed out" },
    { TC_EPROTO, "", TC_FAILED, "" },
    { TC_ECANCELED, NULL, TC_CANCELLED, "operation canceled" },
    { TC_ECANCELED, "no longer wanted", TC_CANCELLED, "no longer wanted" },
};

static void a_failure_has_a_code_and_words(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(failures); i++) {
        tc_future_t *failed = tc_future_new(loop);
        tc_future_set_error(failed, failures[i].err, failures[i].message);
        assert_state(failed, failures[i].state, failures[i].err, failures[i].words);
        assert_null(tc_future_result(failed));
        tc_future_unref(failed);
    }
}

static void an_error_that_is_none_is_a_failure_all_the_same(void **state) {
    (void)state;
    tc_future_set_error(future, 404, NULL);
    assert_logged("404 is no error code");
    assert_int_equal(tc_future_status(future), TC_EINVAL);
}

static void a_failed_future_never_looks_as_if_it_pended(void **state) {
    (void)state;
    tc_future_set_error(future, TC_EAGAIN, NULL);
    assert_logged("the status of one that pends");
    assert_int_equal(tc_future_status(future), TC_EINVAL);
}

static void the_second_completion_is_ignored_and_frees_its_result(void **state) {
    (void)state;
    tc_future_set_result(future, "first", NULL);
    tc_future_set_result(future, "second", note_it);
    tc_future_set_error(future, TC_EPROTO, "third");
    assert_string_equal(noted(), "second");
    assert_state(future, TC_DONE, 0, "");
    assert_string_equal(tc_future_result(future), "first");
}

/* ---- Waiting ---- */

static void those_who_wait_are_told_by_the_loop_in_their_order(void **state) {
    (void)state;
    wait_for(future, "a");
    wait_for(future, "b");
    tc_future_set_result(future, "value", NULL);
    wait_for(future, "c");
    assert_string_equal(noted(), "");
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "a:0:value b:0:value c:0:value");
}

static void futures_that_complete_together_tell_in_the_order_of_completion(void **state) {
    (void)state;
    tc_future_t *other = tc_future_new(loop);
    wait_for(future, "first");
    wait_for(other, "second");
    tc_future_set_result(other, NULL, NULL);
    tc_future_set_result(future, NULL, NULL);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "second:0:- first:0:-");
    tc_future_unref(other);
}

static void a_future_lives_until_those_who_wait_were_told(void **state) {
    (void)state;
    wait_for(future, "a");
    tc_future_set_result(future, "value", note_it);
    tc_future_unref(future);
    future = NULL;
    assert_string_equal(noted(), "");
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "a:0:value value");
}

static void complete_in_callback(tc_future_t *of, void *user_data) {
    note_outcome(of, user_data);
    wait_for(of, "again");
}

static void waiting_again_in_the_callback_is_told_later(void **state) {
    (void)state;
    assert_int_equal(tc_future_on_done(future, complete_in_callback, "once"), 0);
    tc_future_set_result(future, NULL, NULL);
    tc__ioloop_advance(loop, 0);
    assert_string_equal(noted(), "once:0:- again:0:-");
}

typedef struct {
    tc__waiter_t waiter;
    const char *name;
} named_waiter_t;

static void note_waiter(tc__waiter_t *waiter, tc_future_t *of) {
    note("%s:%d:%d", tc__container_of(waiter, named_waiter_t, waiter)->name, tc_future_status(of),
         tc__waiter_waiting(waiter));
}

static void an_embedded_waiter_can_be_taken_back_before_and_after_completion(void **state) {
    (void)state;
    named_waiter_t a = { .name = "a" }, b = { .name = "b" }, c = { .name = "c" };
    tc__waiter_init(&a.waiter, note_waiter);
    tc__waiter_init(&b.waiter, note_waiter);
    tc__waiter_init(&c.waiter, note_waiter);
    tc__waiter_cancel(&a.waiter); /* does not wait: harmless */
    tc__future_wait(future, &a.waiter);
    tc__future_wait(future, &b.waiter);
    tc__future_wait(future, &c.waiter);
    assert_true(tc__waiter_waiting(&a.waiter));
    tc__waiter_cancel(&a.waiter);
    assert_false(tc__waiter_waiting(&a.waiter));
    tc_future_set_result(future, NULL, NULL);
    tc__waiter_cancel(&b.waiter);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "c:0:0");
}

static void a_waiter_keeps_the_future_alive(void **state) {
    (void)state;
    named_waiter_t a = { .name = "a" };
    tc__waiter_init(&a.waiter, note_waiter);
    tc_future_set_result(future, "value", note_it);
    tc__future_wait(future, &a.waiter);
    tc_future_unref(future);
    future = NULL;
    assert_string_equal(noted(), "");
    tc__waiter_cancel(&a.waiter);
    assert_string_equal(noted(), "value");
}

/* ---- Failures that nobody saw ---- */

static void look_at_nothing(tc_future_t *of) {
    (void)of;
}
static void look_at_state(tc_future_t *of) {
    tc_future_state(of);
}
static void look_at_status(tc_future_t *of) {
    tc_future_status(of);
}
static void look_at_message(tc_future_t *of) {
    tc_future_message(of);
}
static void look_at_result(tc_future_t *of) {
    tc_future_result(of);
}
static void ignore(tc_future_t *of, void *user_data) {
    (void)of, (void)user_data;
}
static void look_by_waiting(tc_future_t *of) {
    assert_int_equal(tc_future_on_done(of, ignore, NULL), 0);
    tc__ioloop_advance(loop, 0);
}

static const struct {
    void (*look)(tc_future_t *of);
    bool seen;
} looks[] = {
    { look_at_nothing, false }, { look_at_result, false }, { look_at_state, true },
    { look_at_status, true },   { look_at_message, true }, { look_by_waiting, true },
};

static void a_failure_that_nobody_saw_is_logged_in_the_end(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(looks); i++) {
        tc_future_t *failed = tc_future_new(loop);
        look_at_state(failed); /* before it failed: does not count */
        tc_future_set_error(failed, TC_EPROTO, "unseen trouble");
        looks[i].look(failed);
        tc_future_unref(failed);
        if (!looks[i].seen)
            assert_logged("unseen trouble");
    }
}

static void cancelled_futures_and_results_are_not_logged(void **state) {
    (void)state;
    tc_future_t *cancelled = tc_future_new(loop);
    tc_future_set_error(cancelled, TC_ECANCELED, NULL);
    tc_future_unref(cancelled);
    tc_future_set_result(future, NULL, NULL);
}

/* ---- No future ---- */

static void no_future_is_a_failed_one(void **state) {
    (void)state;
    assert_state(NULL, TC_FAILED, TC_ENOMEM, "not enough memory");
    assert_null(tc_future_result(NULL));
    assert_null(tc_future_take(NULL));
    assert_null(tc_future_ref(NULL));
    assert_int_equal(tc_future_on_done(NULL, note_outcome, ""), TC_ENOMEM);
    assert_null(tc_with_timeout(NULL, 10));
    tc_future_cancel(NULL);
    tc_future_unref(NULL);
    tc_future_set_error(NULL, TC_EPROTO, NULL);
    tc_future_set_cancel_callback(NULL, note_outcome, NULL);
    tc_future_set_result(NULL, "value", note_it);
    assert_string_equal(noted(), "value");
}

static void waiting_needs_a_callback(void **state) {
    (void)state;
    assert_int_equal(tc_future_on_done(future, NULL, NULL), TC_EINVAL);
    assert_logged("cb is NULL");
}

/* ---- Cancelling ---- */

static void note_cancel(tc_future_t *of, void *user_data) {
    (void)of;
    note("%s", (char *)user_data);
}

static void cancel_it(tc_future_t *of, void *user_data) {
    note_cancel(of, user_data);
    tc_future_set_error(of, TC_ECANCELED, NULL);
}

static void cancelling_asks_the_producer_once(void **state) {
    (void)state;
    tc_future_set_cancel_callback(future, note_cancel, "old");
    tc_future_set_cancel_callback(future, note_cancel, "asked");
    tc_future_cancel(future);
    tc_future_cancel(future);
    assert_string_equal(noted(), "asked");
    assert_int_equal(tc_future_state(future), TC_PENDING); /* it decided to go on */
    tc_future_set_result(future, "value", NULL);
    assert_string_equal(tc_future_result(future), "value");
}

static void a_producer_that_agrees_cancels_the_future(void **state) {
    (void)state;
    wait_for(future, "waiter");
    tc_future_set_cancel_callback(future, cancel_it, "asked");
    tc_future_cancel(future);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "asked waiter:-125:-");
    assert_int_equal(tc_future_state(future), TC_CANCELLED);
}

static void what_is_done_cannot_be_cancelled(void **state) {
    (void)state;
    tc_future_set_cancel_callback(future, cancel_it, "asked");
    tc_future_set_result(future, NULL, NULL);
    tc_future_set_cancel_callback(future, cancel_it, "asked");
    tc_future_cancel(future);
    assert_string_equal(noted(), "");
}

static void without_a_producer_that_listens_a_future_goes_on(void **state) {
    (void)state;
    tc_future_cancel(future);
    assert_int_equal(tc_future_state(future), TC_PENDING);
}

/* ---- tc_sleep ---- */

static void a_sleep_is_done_after_its_time(void **state) {
    (void)state;
    tc_future_t *sleep = tc_sleep(loop, 50);
    wait_for(sleep, "slept");
    tc__ioloop_advance(loop, 49);
    assert_string_equal(noted(), "");
    tc__ioloop_advance(loop, 1);
    assert_string_equal(noted(), "slept:0:-");
    tc_future_unref(sleep);
}

static void a_sleep_can_be_cancelled(void **state) {
    (void)state;
    tc_future_t *sleep = tc_sleep(NULL, 50);
    wait_for(sleep, "cancelled");
    tc_future_cancel(sleep);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "cancelled:-125:-");
    tc_future_unref(sleep);
    assert_int_equal(loop->wheel.count, 0);
}

static void a_sleep_that_nobody_waits_for_takes_its_timer_with_it(void **state) {
    (void)state;
    tc_future_t *sleep = tc_sleep(loop, 50);
    assert_int_equal(loop->wheel.count, 1);
    assert_true(tc__ioloop_turn(loop, false)); /* something to wait for */
    tc_future_unref(sleep);
    assert_int_equal(loop->wheel.count, 0);
    assert_false(tc__ioloop_turn(loop, false));
}

static void a_sleep_completed_by_somebody_else_is_over(void **state) {
    (void)state;
    tc_future_t *sleep = tc_sleep(loop, 50);
    tc_future_set_result(sleep, "woken", NULL);
    assert_int_equal(loop->wheel.count, 0);
    tc_future_unref(sleep);
}

/* ---- tc_with_timeout ---- */

static void in_time_the_outcome_is_the_inner_one_s(void **state) {
    (void)state;
    tc_future_t *outer = tc_with_timeout(tc_future_ref(future), 50);
    wait_for(outer, "outer");
    tc_future_set_result(future, "value", note_it);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "outer:0:value");
    assert_int_equal(loop->wheel.count, 0);
    assert_string_equal(tc_future_take(outer), "value");
    assert_null(tc_future_result(outer));
    tc_future_unref(outer);
    tc_future_unref(future);
    future = NULL;
    assert_string_equal(noted(), "");
}

static void in_time_the_failure_is_the_inner_one_s_words_included(void **state) {
    (void)state;
    tc_future_t *outer = tc_with_timeout(future, 50);
    tc_future_set_error(future, TC_EPROTO, "inner words");
    future = NULL; /* stolen; the producer's reference is the test's */
    tc__ioloop_advance(loop, 0);
    assert_state(outer, TC_FAILED, TC_EPROTO, "inner words");
    tc_future_unref(outer);
}

static void a_failure_that_nobody_saw_is_logged_once_not_twice(void **state) {
    (void)state;
    tc_future_t *outer = tc_with_timeout(tc_future_ref(future), 50);
    tc_future_set_error(future, TC_EPROTO, "inner words");
    tc__ioloop_advance(loop, 0);
    tc_future_unref(outer);
    assert_logged("inner words");
}

static void an_inner_future_that_is_complete_is_its_own_answer(void **state) {
    (void)state;
    tc_future_set_result(future, "value", NULL);
    assert_ptr_equal(tc_with_timeout(tc_future_ref(future), 50), future);
    tc_future_unref(future);
}

static void too_late_is_a_timeout_and_the_inner_one_goes_on(void **state) {
    (void)state;
    tc_future_set_cancel_callback(future, note_cancel, "cancelled");
    tc_future_t *outer = tc_with_timeout(tc_future_ref(future), 50);
    wait_for(outer, "outer");
    tc__ioloop_advance(loop, 50);
    assert_string_equal(noted(), "outer:-110:-");
    assert_int_equal(tc_future_state(future), TC_PENDING);
    tc_future_set_result(future, "late value", note_it);
    tc_future_unref(future);
    future = NULL;
    assert_string_equal(noted(), "late value"); /* freed, though the outer one lives */
    tc_future_unref(outer);
}

static void a_late_failure_is_logged(void **state) {
    (void)state;
    tc_future_t *outer = tc_with_timeout(tc_future_ref(future), 50);
    tc__ioloop_advance(loop, 50);
    assert_int_equal(tc_future_status(outer), TC_ETIMEDOUT);
    tc_future_unref(outer);
    tc_future_set_error(future, TC_EPROTO, "late trouble");
    tc_future_unref(future);
    future = NULL;
    assert_logged("late trouble");
}

static void complete_inner(void *user_data) {
    tc_future_set_result(user_data, "just in time", NULL);
}

static void a_result_of_the_same_turn_wins_over_the_timeout(void **state) {
    (void)state;
    tc_ioloop_call_later(loop, 50, complete_inner, future);
    tc_future_t *outer = tc_with_timeout(tc_future_ref(future), 50);
    wait_for(outer, "outer");
    tc__ioloop_advance(loop, 50);
    assert_string_equal(noted(), "outer:0:just in time");
    tc_future_unref(outer);
}

static void cancelling_the_outer_one_drops_the_interest(void **state) {
    (void)state;
    tc_future_set_cancel_callback(future, note_cancel, "cancelled");
    tc_future_t *outer = tc_with_timeout(tc_future_ref(future), 50);
    tc_future_cancel(outer);
    assert_int_equal(tc_future_state(outer), TC_CANCELLED);
    assert_int_equal(loop->wheel.count, 0);
    tc_future_set_result(future, NULL, NULL);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "");
    tc_future_unref(outer);
}

static void dropping_the_outer_one_drops_the_interest_too(void **state) {
    (void)state;
    tc_future_unref(tc_with_timeout(tc_future_ref(future), 50));
    assert_int_equal(loop->wheel.count, 0);
    assert_int_equal(tc_future_state(future), TC_PENDING);
}

static void a_result_that_is_there_wins_over_a_cancel(void **state) {
    (void)state;
    tc_future_t *outer = tc_with_timeout(tc_with_timeout(tc_future_ref(future), 60), 50);
    tc_future_set_result(future, "just in time", NULL); /* nobody was told yet */
    tc_future_cancel(outer);
    assert_int_equal(tc_future_state(outer), TC_DONE);
    assert_string_equal(tc_future_result(outer), "just in time");
    tc_future_unref(outer);
}

static void cancelling_asks_the_inner_one_to_stop_if_nobody_else_has_it(void **state) {
    (void)state;
    tc_future_t *inner = tc_future_new(loop);
    tc_future_set_cancel_callback(inner, note_cancel, "cancelled");
    tc_future_t *outer = tc_with_timeout(tc_with_timeout(inner, 60), 50);
    tc_future_cancel(outer);
    assert_int_equal(tc_future_state(outer), TC_CANCELLED);
    assert_string_equal(noted(), "cancelled");
    tc_future_unref(outer);
}

static void a_timeout_for_ever_just_waits(void **state) {
    (void)state;
    tc_future_t *outer = tc_with_timeout(tc_future_ref(future), TC_FOREVER);
    wait_for(outer, "outer");
    tc__ioloop_advance(loop, UINT64_C(1) << 40);
    tc_future_set_result(future, "at last", NULL);
    tc__ioloop_advance(loop, 0);
    assert_string_equal(noted(), "outer:0:at last");
    tc_future_unref(outer);
}

static void timeouts_around_timeouts_pass_the_result_through(void **state) {
    (void)state;
    tc_future_t *outer = tc_with_timeout(tc_with_timeout(tc_with_timeout(tc_future_ref(future), 50), 60), 70);
    tc_future_set_result(future, "deep", note_it);
    tc__ioloop_advance(loop, 0);
    assert_string_equal(tc_future_result(outer), "deep");
    tc_future_unref(future);
    future = NULL;
    assert_string_equal(noted(), "");
    tc_future_unref(outer);
    assert_string_equal(noted(), "deep");
}

/* ---- The loop's end ---- */

static void wait_once_more(tc_future_t *of, void *user_data) {
    note_outcome(of, user_data);
    note("%d", tc_future_on_done(of, note_outcome, "never") == TC_ECLOSED);
    note("%d", tc_sleep(tc__future_loop(of), 1) == NULL);
}

static void with_the_loop_pending_futures_are_cancelled_and_those_who_wait_are_told(void **state) {
    (void)state;
    tc_ioloop_t *other;
    assert_int_equal(tc_ioloop_new(&other), 0);
    tc_future_t *pending = tc_future_new(other), *outer = tc_with_timeout(tc_future_ref(pending), 50);
    tc_future_t *sleep = tc_sleep(other, 10), *done = tc_future_new(other);
    tc_future_set_cancel_callback(pending, note_cancel, "never");
    tc_future_set_result(done, "done", note_it);
    assert_int_equal(tc_future_on_done(pending, wait_once_more, "pending"), 0);
    wait_for(outer, "outer");
    wait_for(sleep, "sleep");
    tc_ioloop_free(other);
    assert_string_equal(noted(), "pending:-125:- 1 1 outer:-125:- sleep:-125:-");

    assert_int_equal(tc_future_on_done(pending, note_outcome, "never"), TC_ECLOSED);
    assert_int_equal(tc_future_on_done(done, note_outcome, "never"), TC_ECLOSED);
    assert_ptr_equal(tc_with_timeout(done, 10), done);
    assert_null(tc__future_loop(pending));
    tc_future_set_result(pending, "late", note_it);
    assert_string_equal(noted(), "late");
    tc_future_unref(pending), tc_future_unref(outer), tc_future_unref(sleep), tc_future_unref(done);
    assert_string_equal(noted(), "done");
}

static void callbacks_owed_by_done_futures_run_before_the_loop_goes(void **state) {
    (void)state;
    tc_ioloop_t *other;
    assert_int_equal(tc_ioloop_new(&other), 0);
    tc_future_t *done = tc_future_new(other);
    tc_future_set_result(done, "value", NULL);
    wait_for(done, "owed");
    tc_future_unref(done);
    tc_ioloop_free(other);
    assert_string_equal(noted(), "owed:0:value");
}

static void drop_it(tc_future_t *of, void *user_data) {
    (void)of;
    tc_future_unref(user_data);
}

static void the_last_reference_may_go_in_a_callback_of_the_loop_s_end(void **state) {
    (void)state;
    tc_ioloop_t *other;
    assert_int_equal(tc_ioloop_new(&other), 0);
    tc_future_t *pending = tc_future_new(other), *sleep = tc_sleep(other, 10);
    assert_int_equal(tc_future_on_done(pending, drop_it, pending), 0);
    assert_int_equal(tc_future_on_done(sleep, drop_it, sleep), 0);
    tc_ioloop_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_FUTURE(a_new_future_pends),
        TEST_FUTURE(a_result_is_owned_by_the_future),
        TEST_FUTURE(a_result_that_was_taken_is_the_taker_s),
        TEST_FUTURE(done_needs_no_result),
        TEST_FUTURE(a_failure_has_a_code_and_words),
        TEST_FUTURE(an_error_that_is_none_is_a_failure_all_the_same),
        TEST_FUTURE(a_failed_future_never_looks_as_if_it_pended),
        TEST_FUTURE(the_second_completion_is_ignored_and_frees_its_result),
        TEST_FUTURE(those_who_wait_are_told_by_the_loop_in_their_order),
        TEST_FUTURE(futures_that_complete_together_tell_in_the_order_of_completion),
        TEST_FUTURE(a_future_lives_until_those_who_wait_were_told),
        TEST_FUTURE(waiting_again_in_the_callback_is_told_later),
        TEST_FUTURE(an_embedded_waiter_can_be_taken_back_before_and_after_completion),
        TEST_FUTURE(a_waiter_keeps_the_future_alive),
        TEST_FUTURE(a_failure_that_nobody_saw_is_logged_in_the_end),
        TEST_FUTURE(cancelled_futures_and_results_are_not_logged),
        TEST_FUTURE(no_future_is_a_failed_one),
        TEST_FUTURE(waiting_needs_a_callback),
        TEST_FUTURE(cancelling_asks_the_producer_once),
        TEST_FUTURE(a_producer_that_agrees_cancels_the_future),
        TEST_FUTURE(what_is_done_cannot_be_cancelled),
        TEST_FUTURE(without_a_producer_that_listens_a_future_goes_on),
        TEST_FUTURE(a_sleep_is_done_after_its_time),
        TEST_FUTURE(a_sleep_can_be_cancelled),
        TEST_FUTURE(a_sleep_that_nobody_waits_for_takes_its_timer_with_it),
        TEST_FUTURE(a_sleep_completed_by_somebody_else_is_over),
        TEST_FUTURE(in_time_the_outcome_is_the_inner_one_s),
        TEST_FUTURE(in_time_the_failure_is_the_inner_one_s_words_included),
        TEST_FUTURE(a_failure_that_nobody_saw_is_logged_once_not_twice),
        TEST_FUTURE(an_inner_future_that_is_complete_is_its_own_answer),
        TEST_FUTURE(too_late_is_a_timeout_and_the_inner_one_goes_on),
        TEST_FUTURE(a_late_failure_is_logged),
        TEST_FUTURE(a_result_of_the_same_turn_wins_over_the_timeout),
        TEST_FUTURE(cancelling_the_outer_one_drops_the_interest),
        TEST_FUTURE(dropping_the_outer_one_drops_the_interest_too),
        TEST_FUTURE(a_result_that_is_there_wins_over_a_cancel),
        TEST_FUTURE(cancelling_asks_the_inner_one_to_stop_if_nobody_else_has_it),
        TEST_FUTURE(a_timeout_for_ever_just_waits),
        TEST_FUTURE(timeouts_around_timeouts_pass_the_result_through),
        TEST_FUTURE(with_the_loop_pending_futures_are_cancelled_and_those_who_wait_are_told),
        TEST_FUTURE(callbacks_owed_by_done_futures_run_before_the_loop_goes),
        TEST_FUTURE(the_last_reference_may_go_in_a_callback_of_the_loop_s_end),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
