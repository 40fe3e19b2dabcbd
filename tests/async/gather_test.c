/* gather_test.c - several futures at once: all of them, one after the other, and a moment. */
#include "async/async_test.h"

#include "async/future_internal.h"

static tc_ioloop_t *loop;
static tc_future_t *futures[3];

static int make_futures(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    for (int i = 0; i < 3 && err == 0; i++)
        if (!(futures[i] = tc_future_new(loop)))
            err = -1;
    return err;
}

static int drop_futures(void **state) {
    for (int i = 0; i < 3; i++)
        tc_future_unref(futures[i]);
    return free_loop(state);
}
#define TEST_FUTURES(test) cmocka_unit_test_setup_teardown(test, make_futures, drop_futures)

static void turn(void) {
    tc__ioloop_advance(loop, 0);
}

/* Of its own references, so that the test may go on using the futures. */
static tc_future_t *gather_all(void) {
    tc_future_t *stolen[3];
    for (int i = 0; i < 3; i++)
        stolen[i] = tc_future_ref(futures[i]);
    return tc_gather(stolen, 3);
}

/* ---- All of them ---- */

static void futures_that_pend_on_another_loop_are_refused(void **state) {
    (void)state;
    tc_ioloop_t *second;
    assert_int_equal(tc__ioloop_new_virtual(&second), 0);
    tc_future_t *foreign = tc_future_new(second);
    tc_future_t *all = tc_gather((tc_future_t *[]){ tc_future_ref(futures[0]), tc_future_ref(foreign) }, 2);
    assert_int_equal(tc_future_status(all), TC_EINVAL);
    assert_logged("of several loops");
    tc_future_unref(all);
    assert_null(tc_wait_iterator_new((tc_future_t *[]){ tc_future_ref(foreign) }, 1));
    assert_logged("of another loop");
    tc_future_set_result(foreign, "x", NULL);
    all = tc_gather((tc_future_t *[]){ tc_future_ref(futures[0]), foreign }, 2);
    tc_future_set_result(futures[0], "y", NULL);
    turn();
    assert_int_equal(tc_future_status(all), 0);
    tc_future_unref(all);
    tc_ioloop_free(second);
}

static void ten_thousand_are_gathered(void **state) {
    static tc_future_t *many[10000];
    (void)state;
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = tc_sleep(loop, i % 100);
    tc_future_t *all = tc_gather(many, COUNT(many));
    tc__ioloop_advance(loop, 99);
    assert_int_equal(tc_future_status(all), 0);
    tc_future_unref(all);
}

static void gathered_results_stand_in_the_order_of_the_list(void **state) {
    (void)state;
    tc_future_t *all = gather_all();
    tc_future_set_result(futures[2], "c", NULL);
    tc_future_set_result(futures[0], "a", NULL);
    turn();
    assert_int_equal(tc_future_status(all), TC_EAGAIN);
    tc_future_set_result(futures[1], "b", NULL);
    turn();
    assert_int_equal(tc_future_status(all), 0);
    tc_results_t *results = tc_future_take(all);
    assert_int_equal(tc_results_count(results), 3);
    assert_string_equal(tc_results_get(results, 0), "a");
    assert_string_equal(tc_results_take(results, 1), "b");
    assert_null(tc_results_take(results, 1));
    assert_string_equal(tc_results_get(results, 2), "c");
    assert_null(tc_results_get(results, 3));
    tc_results_free(results);
    tc_future_unref(all);
}

static void results_that_nobody_takes_are_freed(void **state) {
    (void)state;
    tc_future_t *all = gather_all();
    for (int i = 0; i < 3; i++) {
        tc_future_set_result(futures[i], (char *[]){ "a", "b", "c" }[i], note_it);
        tc_future_unref(futures[i]);
        futures[i] = NULL;
    }
    turn();
    assert_string_equal(noted(), "");
    tc_future_unref(all);
    assert_string_equal(noted(), "a b c");
}

static void what_is_done_already_is_gathered_at_once(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++)
        tc_future_set_result(futures[i], "x", NULL);
    tc_future_t *all = gather_all();
    assert_int_equal(tc_future_status(all), 0);
    tc_future_unref(all);
    all = tc_gather(NULL, 0);
    assert_int_equal(tc_future_status(all), 0);
    assert_int_equal(tc_results_count(tc_future_result(all)), 0);
    tc_future_unref(all);
}

static void a_failure_is_told_when_all_are_complete(void **state) {
    (void)state;
    tc_future_t *all = gather_all();
    tc_future_set_error(futures[1], TC_EPROTO, "the second");
    turn();
    assert_int_equal(tc_future_status(all), TC_EAGAIN);
    tc_future_set_result(futures[0], "a", NULL);
    tc_future_set_result(futures[2], "c", NULL);
    turn();
    assert_int_equal(tc_future_status(all), TC_EPROTO);
    assert_string_equal(tc_future_message(all), "the second");
    tc_future_unref(all);
}

static void of_several_failures_the_first_in_the_list_is_told_the_others_are_logged(void **state) {
    (void)state;
    tc_future_t *all = gather_all();
    tc_future_set_error(futures[2], TC_ETIMEDOUT, "the third");
    tc_future_set_error(futures[1], TC_EPROTO, "the second");
    tc_future_set_result(futures[0], "a", NULL);
    turn();
    assert_int_equal(tc_future_status(all), TC_EPROTO);
    assert_logged("one of several futures failed too: the third");
    tc_future_unref(all);
}

static void a_future_that_is_null_counts_as_failed(void **state) {
    (void)state;
    tc_future_t *all = tc_gather((tc_future_t *[]){ tc_future_ref(futures[0]), NULL }, 2);
    assert_int_equal(tc_future_status(all), TC_EAGAIN);
    tc_future_set_result(futures[0], "a", NULL);
    turn();
    assert_int_equal(tc_future_status(all), TC_ENOMEM);
    tc_future_unref(all);
}

static void to_cancel_a_gathering_leaves_the_futures_alone(void **state) {
    (void)state;
    tc_future_t *all = gather_all();
    tc_future_cancel(all);
    assert_int_equal(tc_future_status(all), TC_ECANCELED);
    assert_int_equal(tc_future_status(futures[0]), TC_EAGAIN);
    tc_future_set_result(futures[0], "a", NULL);
    turn();
    tc_future_unref(all);
}

static void a_gathering_may_be_dropped_before_its_end(void **state) {
    (void)state;
    tc_future_unref(gather_all());
    tc_future_set_result(futures[0], "a", NULL);
    turn();
}

static void without_memory_nothing_is_gathered_and_nothing_lost(void **state) {
    (void)state;
    for (long nth = 1; nth <= 2; nth++) {
        fail_allocation(nth, false);
        assert_null(gather_all());
        allow_allocations();
    }
    fail_allocation(1, false);
    assert_null(tc_wait_iterator_new((tc_future_t *[]){ tc_future_ref(futures[0]) }, 1));
    assert_null(tc_wait_iterator_next(NULL));
    assert_true(tc_wait_iterator_done(NULL));
    assert_int_equal(tc_wait_iterator_index(NULL), SIZE_MAX);
    tc_wait_iterator_free(NULL);
    tc_results_free(NULL);
    assert_int_equal(tc_results_count(NULL), 0);
}

/* ---- One after the other ---- */

static tc_wait_iterator_t *iterate(void) {
    tc_future_t *stolen[3];
    for (int i = 0; i < 3; i++)
        stolen[i] = tc_future_ref(futures[i]);
    return tc_wait_iterator_new(stolen, 3);
}

static void assert_next(tc_wait_iterator_t *it, size_t index, int status, const char *result) {
    tc_future_t *next = tc_wait_iterator_next(it);
    turn();
    assert_int_equal(tc_future_status(next), status);
    assert_int_equal(tc_wait_iterator_index(it), index);
    if (result)
        assert_string_equal(tc_future_result(next), result);
    tc_future_unref(next);
}

static void they_come_in_the_order_in_which_they_complete(void **state) {
    (void)state;
    tc_wait_iterator_t *it = iterate();
    tc_future_set_result(futures[1], "b", NULL);
    turn();
    tc_future_set_error(futures[2], TC_EPROTO, NULL);
    turn();
    assert_next(it, 1, 0, "b");
    assert_next(it, 2, TC_EPROTO, NULL);
    assert_false(tc_wait_iterator_done(it));
    tc_future_t *next = tc_wait_iterator_next(it);
    turn();
    assert_int_equal(tc_future_status(next), TC_EAGAIN);
    tc_future_set_result(futures[0], "a", NULL);
    turn();
    assert_string_equal(tc_future_result(next), "a");
    assert_int_equal(tc_wait_iterator_index(it), 0);
    assert_true(tc_wait_iterator_done(it));
    tc_future_unref(next);
    tc_wait_iterator_free(it);
}

static void a_next_that_was_dropped_takes_nothing_with_it(void **state) {
    (void)state;
    tc_wait_iterator_t *it = iterate();
    tc_future_unref(tc_wait_iterator_next(it));
    tc_future_t *next = tc_wait_iterator_next(it);
    tc_future_cancel(next);
    tc_future_unref(next);
    tc_future_set_result(futures[1], "b", NULL);
    turn();
    assert_next(it, 1, 0, "b");
    tc_wait_iterator_free(it);
}

static void an_answer_that_nobody_received_is_given_again(void **state) {
    (void)state;
    tc_wait_iterator_t *it = iterate();
    tc_future_t *dropped = tc_wait_iterator_next(it);
    tc_future_set_error(futures[1], TC_EPROTO, NULL);
    turn();
    tc_future_set_result(futures[2], "c", NULL);
    turn();
    tc_future_unref(dropped);
    assert_next(it, 1, TC_EPROTO, NULL);
    dropped = tc_wait_iterator_next(it);
    tc_future_t *next = tc_wait_iterator_next(it);
    tc_future_unref(dropped); /* while the next one waits: that gets it */
    assert_string_equal(tc_future_result(next), "c");
    assert_int_equal(tc_wait_iterator_index(it), 2);
    tc_future_unref(next);
    tc_wait_iterator_free(it);
}

static void an_answer_outlives_its_iterator(void **state) {
    (void)state;
    tc_wait_iterator_t *it = iterate();
    tc_future_set_result(futures[1], "b", NULL);
    turn();
    tc_future_t *seen = tc_wait_iterator_next(it);
    tc_wait_iterator_free(it);
    assert_string_equal(tc_future_result(seen), "b");
    tc_future_unref(seen);
}

static void an_iterator_that_outlives_its_loop_brings_nothing_any_more(void **state) {
    (void)state;
    assert_int_equal(tc__ioloop_new_virtual(&loop), 0);
    tc_future_t *pending = tc_future_new(loop);
    tc_wait_iterator_t *it = tc_wait_iterator_new(&pending, 1);
    tc_ioloop_free(loop);
    assert_null(tc_wait_iterator_next(it));
    assert_string_equal(tc_error_detail(), "the iterator's loop was freed");
    assert_false(tc_wait_iterator_done(it));
    tc_wait_iterator_free(it);
}

static void there_is_one_next_at_a_time_and_none_behind_the_last(void **state) {
    (void)state;
    tc_wait_iterator_t *it = tc_wait_iterator_new((tc_future_t *[]){ tc_future_ref(futures[0]), NULL }, 2);
    assert_next(it, 1, TC_ENOMEM, NULL);
    tc_future_t *next = tc_wait_iterator_next(it);
    assert_null(tc_wait_iterator_next(it));
    assert_logged("still pends");
    tc_future_set_result(futures[0], "a", NULL);
    turn();
    assert_string_equal(tc_future_result(next), "a");
    tc_future_unref(next);
    assert_null(tc_wait_iterator_next(it));
    assert_logged("all were given out");
    tc_wait_iterator_free(it);
}

static void a_next_that_pends_when_its_iterator_goes_is_cancelled(void **state) {
    (void)state;
    tc_wait_iterator_t *it = iterate();
    tc_future_t *next = tc_wait_iterator_next(it);
    tc_wait_iterator_free(it);
    assert_int_equal(tc_future_status(next), TC_ECANCELED);
    tc_future_unref(next);
    assert_int_equal(tc_future_status(futures[0]), TC_EAGAIN);
}

/* ---- A moment ---- */

static void note_moment(tc_future_t *future, void *user_data) {
    (void)future, (void)user_data;
    note("moment");
}

static void a_moment_comes_after_what_was_queued_before_it(void **state) {
    (void)state;
    tc_ioloop_add_callback(loop, note_it, "before");
    tc_future_t *moment = tc_moment(loop);
    assert_int_equal(tc_future_on_done(moment, note_moment, NULL), 0);
    tc_future_unref(moment);
    turn();
    assert_string_equal(noted(), "before moment");
    tc_future_unref(tc_moment(loop)); /* dropped */
    turn();
    moment = tc_moment(loop);
    tc_future_cancel(moment);
    assert_int_equal(tc_future_status(moment), TC_ECANCELED);
    tc_future_unref(moment);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_FUTURES(gathered_results_stand_in_the_order_of_the_list),
        TEST_FUTURES(results_that_nobody_takes_are_freed),
        TEST_FUTURES(what_is_done_already_is_gathered_at_once),
        TEST_FUTURES(a_failure_is_told_when_all_are_complete),
        TEST_FUTURES(of_several_failures_the_first_in_the_list_is_told_the_others_are_logged),
        TEST_FUTURES(a_future_that_is_null_counts_as_failed),
        TEST_FUTURES(futures_that_pend_on_another_loop_are_refused),
        TEST_FUTURES(ten_thousand_are_gathered),
        TEST_FUTURES(to_cancel_a_gathering_leaves_the_futures_alone),
        TEST_FUTURES(a_gathering_may_be_dropped_before_its_end),
        TEST_FUTURES(without_memory_nothing_is_gathered_and_nothing_lost),
        TEST_FUTURES(they_come_in_the_order_in_which_they_complete),
        TEST_FUTURES(a_next_that_was_dropped_takes_nothing_with_it),
        TEST_FUTURES(an_answer_that_nobody_received_is_given_again),
        TEST_FUTURES(an_answer_outlives_its_iterator),
        TEST(an_iterator_that_outlives_its_loop_brings_nothing_any_more),
        TEST_FUTURES(there_is_one_next_at_a_time_and_none_behind_the_last),
        TEST_FUTURES(a_next_that_pends_when_its_iterator_goes_is_cancelled),
        TEST_FUTURES(a_moment_comes_after_what_was_queued_before_it),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
