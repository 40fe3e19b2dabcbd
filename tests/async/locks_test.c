/* locks_test.c - conditions, events, semaphores, locks: first come, first served, and timeouts. */
#include "async/async_test.h"

#include <tornadoc/locks.h>

static tc_ioloop_t *loop;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    return err;
}
#define TEST_LOCK(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)

static void turn(uint64_t ms) {
    tc__ioloop_advance(loop, ms);
}

static void note_outcome(tc_future_t *future, void *name) {
    note("%s:%d", (char *)name, tc_future_status(future));
}

/* Note when it is complete, and drop it then. */
static void watch(tc_future_t *future, const char *name) {
    assert_int_equal(tc_future_on_done(future, note_outcome, (void *)name), 0);
    tc_future_unref(future);
}

static int status_of(tc_future_t *future) {
    int status = tc_future_status(future);
    tc_future_unref(future);
    return status;
}

/* ---- Condition ---- */

static void a_condition_wakes_as_many_as_it_is_told_in_the_order_in_which_they_came(void **state) {
    (void)state;
    tc_condition_t *condition = tc_condition_new();
    for (int i = 0; i < 4; i++)
        watch(tc_condition_wait(condition, TC_FOREVER), (char *[]){ "a", "b", "c", "d" }[i]);
    tc_condition_notify(condition, 1);
    turn(0);
    assert_string_equal(noted(), "a:0");
    tc_condition_notify(condition, 2);
    turn(0);
    assert_string_equal(noted(), "b:0 c:0");
    tc_condition_notify_all(condition);
    turn(0);
    assert_string_equal(noted(), "d:0");
    tc_condition_notify(condition, 5); /* nobody waits: nothing is remembered */
    watch(tc_condition_wait(condition, 10), "e");
    turn(10);
    assert_string_equal(noted(), "e:-110");
    tc_condition_free(condition);
}

static void those_whose_time_is_up_are_not_counted_among_the_woken(void **state) {
    (void)state;
    tc_condition_t *condition = tc_condition_new();
    watch(tc_condition_wait(condition, 10), "a");
    watch(tc_condition_wait(condition, TC_FOREVER), "b");
    turn(10);
    tc_condition_notify(condition, 1);
    turn(0);
    assert_string_equal(noted(), "a:-110 b:0");
    tc_condition_free(condition);
}

static void a_wait_without_time_fails_at_once(void **state) {
    (void)state;
    tc_condition_t *condition = tc_condition_new();
    assert_int_equal(status_of(tc_condition_wait(condition, 0)), TC_ETIMEDOUT);
    tc_condition_free(condition);
}

static void one_who_waits_may_be_cancelled_or_dropped(void **state) {
    (void)state;
    tc_condition_t *condition = tc_condition_new();
    tc_future_unref(tc_condition_wait(condition, TC_FOREVER));
    tc_future_unref(tc_condition_wait(condition, 10));
    tc_future_t *cancelled = tc_condition_wait(condition, 10);
    watch(tc_condition_wait(condition, TC_FOREVER), "c");
    tc_future_cancel(cancelled);
    assert_int_equal(status_of(cancelled), TC_ECANCELED);
    tc_condition_notify(condition, 1);
    turn(20);
    assert_string_equal(noted(), "c:0");
    tc_condition_free(condition);
}

static void what_is_freed_cancels_those_who_wait(void **state) {
    (void)state;
    tc_condition_t *condition = tc_condition_new();
    tc_event_t *event = tc_event_new();
    tc_semaphore_t *semaphore = tc_semaphore_new(0);
    tc_lock_t *lock = tc_lock_new();
    watch(tc_condition_wait(condition, TC_FOREVER), "a");
    watch(tc_event_wait(event, 10), "b");
    watch(tc_semaphore_acquire(semaphore, TC_FOREVER), "c");
    assert_int_equal(status_of(tc_lock_acquire(lock, 0)), 0);
    watch(tc_lock_acquire(lock, 10), "d");
    tc_condition_free(condition);
    tc_event_free(event);
    tc_semaphore_free(semaphore);
    tc_lock_free(lock);
    turn(0);
    assert_string_equal(noted(), "a:-125 b:-125 c:-125 d:-125");
}

/* ---- Event ---- */

static void an_event_wakes_all_and_lets_all_pass_until_it_is_cleared(void **state) {
    (void)state;
    tc_event_t *event = tc_event_new();
    assert_false(tc_event_is_set(event));
    watch(tc_event_wait(event, TC_FOREVER), "a");
    watch(tc_event_wait(event, 10), "b");
    tc_event_set(event);
    assert_true(tc_event_is_set(event));
    tc_event_set(event);
    turn(0);
    assert_string_equal(noted(), "a:0 b:0");
    assert_int_equal(status_of(tc_event_wait(event, 0)), 0);
    tc_event_clear(event);
    watch(tc_event_wait(event, 10), "c");
    turn(10);
    assert_string_equal(noted(), "c:-110");
    tc_event_free(event);
}

/* ---- Semaphore and lock ---- */

static void a_permit_goes_to_the_first_who_waits(void **state) {
    (void)state;
    tc_semaphore_t *semaphore = tc_semaphore_new(2);
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), 0);
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), 0);
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), TC_ETIMEDOUT);
    watch(tc_semaphore_acquire(semaphore, TC_FOREVER), "a");
    watch(tc_semaphore_acquire(semaphore, 10), "b");
    watch(tc_semaphore_acquire(semaphore, TC_FOREVER), "c");
    assert_int_equal(tc_semaphore_release(semaphore), 0);
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), TC_ETIMEDOUT); /* it is a's already */
    turn(10);
    assert_int_equal(tc_semaphore_release(semaphore), 0);
    turn(0);
    assert_string_equal(noted(), "a:0 b:-110 c:0");
    for (int i = 0; i < 5; i++)
        assert_int_equal(tc_semaphore_release(semaphore), 0);
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), 0);
    tc_semaphore_free(semaphore);
}

static void a_bounded_semaphore_is_not_released_more_often_than_acquired(void **state) {
    (void)state;
    tc_semaphore_t *semaphore = tc_bounded_semaphore_new(1);
    assert_int_equal(tc_semaphore_release(semaphore), TC_EINVAL);
    assert_logged("released more often than acquired");
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), 0);
    assert_int_equal(tc_semaphore_release(semaphore), 0);
    tc_semaphore_free(semaphore);
}

static void a_lock_is_for_one_at_a_time(void **state) {
    (void)state;
    tc_lock_t *lock = tc_lock_new();
    assert_int_equal(tc_lock_release(lock), TC_EINVAL);
    assert_logged("it is not locked");
    watch(tc_lock_acquire(lock, TC_FOREVER), "a");
    watch(tc_lock_acquire(lock, TC_FOREVER), "b");
    turn(0);
    assert_string_equal(noted(), "a:0");
    assert_int_equal(tc_lock_release(lock), 0);
    turn(0);
    assert_string_equal(noted(), "b:0");
    assert_int_equal(tc_lock_release(lock), 0);
    tc_lock_free(lock);
}

/* ---- What is granted and does not arrive ---- */

static void a_permit_whose_future_is_dropped_unseen_goes_to_the_next(void **state) {
    (void)state;
    tc_lock_t *lock = tc_lock_new();
    assert_int_equal(status_of(tc_lock_acquire(lock, 0)), 0);
    tc_future_t *first = tc_lock_acquire(lock, TC_FOREVER);
    watch(tc_lock_acquire(lock, TC_FOREVER), "next");
    assert_int_equal(tc_lock_release(lock), 0);
    turn(0);
    assert_string_equal(noted(), "");
    tc_future_unref(first);
    turn(0);
    assert_string_equal(noted(), "next:0");
    assert_int_equal(tc_lock_release(lock), 0);
    tc_future_unref(tc_lock_acquire(lock, 0)); /* which nobody looked at */
    assert_int_equal(tc_lock_release(lock), TC_EINVAL);
    assert_logged("it is not locked");
    tc_lock_free(lock);
}

static void a_permit_that_was_seen_stays(void **state) {
    (void)state;
    tc_semaphore_t *semaphore = tc_semaphore_new(4);
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), 0);
    tc_future_t *taken = tc_semaphore_acquire(semaphore, 0);
    tc_future_take(taken);
    tc_future_unref(taken);
    watch(tc_semaphore_acquire(semaphore, 0), "called");
    turn(0);
    assert_string_equal(noted(), "called:0");
    assert_int_equal(status_of(tc_with_timeout(tc_semaphore_acquire(semaphore, 0), 10)), 0);
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), TC_ETIMEDOUT);
    tc_semaphore_free(semaphore);
}

static tc_future_t *acquire_both(tc_semaphore_t *a, tc_semaphore_t *b) {
    tc_future_t *both[] = { tc_semaphore_acquire(a, 5), tc_semaphore_acquire(b, 5) };
    return tc_gather(both, 2);
}

static void of_several_acquired_at_once_all_are_had_or_none(void **state) {
    (void)state;
    tc_semaphore_t *free_one = tc_bounded_semaphore_new(1), *taken_one = tc_semaphore_new(0);
    tc_future_t *both = acquire_both(free_one, taken_one);
    assert_int_equal(status_of(tc_semaphore_acquire(free_one, 0)), TC_ETIMEDOUT);
    turn(5);
    assert_int_equal(status_of(both), TC_ETIMEDOUT);
    both = acquire_both(free_one, taken_one);
    assert_int_equal(tc_semaphore_release(taken_one), 0);
    turn(0);
    assert_int_equal(status_of(both), 0); /* seen, and the results dropped */
    assert_int_equal(status_of(tc_semaphore_acquire(free_one, 0)), TC_ETIMEDOUT);
    assert_int_equal(status_of(tc_semaphore_acquire(taken_one, 0)), TC_ETIMEDOUT);
    assert_int_equal(tc_semaphore_release(free_one), 0);
    assert_int_equal(tc_semaphore_release(taken_one), 0);
    both = acquire_both(free_one, taken_one);
    tc_future_unref(both); /* unseen */
    assert_int_equal(status_of(tc_semaphore_acquire(free_one, 0)), 0);
    assert_int_equal(status_of(tc_semaphore_acquire(taken_one, 0)), 0);
    tc_semaphore_free(free_one);
    tc_semaphore_free(taken_one);
}

static void who_is_woken_in_vain_wakes_another(void **state) {
    (void)state;
    tc_condition_t *condition = tc_condition_new();
    tc_future_t *first = tc_condition_wait(condition, TC_FOREVER);
    watch(tc_condition_wait(condition, TC_FOREVER), "b");
    tc_condition_notify(condition, 1);
    tc_future_unref(first);
    turn(0);
    assert_string_equal(noted(), "b:0");
    tc_condition_free(condition);
}

static void what_is_on_its_way_outlives_where_it_came_from(void **state) {
    (void)state;
    tc_semaphore_t *semaphore = tc_semaphore_new(1);
    tc_condition_t *condition = tc_condition_new();
    tc_future_t *permit = tc_semaphore_acquire(semaphore, 0), *wake_up = tc_condition_wait(condition, 10);
    tc_condition_notify_all(condition);
    tc_semaphore_free(semaphore);
    tc_condition_free(condition);
    tc_future_unref(permit);
    assert_int_equal(status_of(wake_up), 0);
}

/* ---- Failures ---- */

static void without_memory_nothing_waits_and_no_permit_is_lost(void **state) {
    (void)state;
    tc_semaphore_t *semaphore = tc_semaphore_new(1);
    fail_allocation(1, true);
    assert_null(tc_condition_new());
    assert_null(tc_event_new());
    assert_null(tc_semaphore_new(1));
    assert_null(tc_lock_new());
    assert_null(tc_semaphore_acquire(semaphore, TC_FOREVER));
    allow_allocations();
    assert_int_equal(status_of(tc_semaphore_acquire(semaphore, 0)), 0);
    fail_allocation(1, true);
    assert_null(tc_semaphore_acquire(semaphore, TC_FOREVER));
    allow_allocations();
    tc_semaphore_free(semaphore);
}

static void what_could_not_be_made_can_be_used(void **state) {
    (void)state;
    assert_null(tc_condition_wait(NULL, 0));
    assert_null(tc_event_wait(NULL, 0));
    assert_null(tc_semaphore_acquire(NULL, 0));
    assert_null(tc_lock_acquire(NULL, 0));
    tc_condition_notify_all(NULL);
    tc_event_set(NULL);
    tc_event_clear(NULL);
    assert_false(tc_event_is_set(NULL));
    assert_int_equal(tc_semaphore_release(NULL), TC_ENOMEM);
    assert_int_equal(tc_lock_release(NULL), TC_ENOMEM);
    tc_condition_free(NULL);
    tc_event_free(NULL);
    tc_semaphore_free(NULL);
    tc_lock_free(NULL);
}

static void they_may_outlive_the_loop(void **state) {
    tc_ioloop_t *second;
    (void)state;
    tc_event_t *event = tc_event_new();
    assert_int_equal(tc__ioloop_new_virtual(&second), 0);
    tc_future_t *future = tc_event_wait(event, 10);
    tc_ioloop_free(second);
    tc_event_set(event);
    turn(0);
    assert_int_equal(status_of(future), 0); /* of the first loop, which this thread had before */
    tc_event_free(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_LOCK(a_condition_wakes_as_many_as_it_is_told_in_the_order_in_which_they_came),
        TEST_LOCK(those_whose_time_is_up_are_not_counted_among_the_woken),
        TEST_LOCK(a_wait_without_time_fails_at_once),
        TEST_LOCK(one_who_waits_may_be_cancelled_or_dropped),
        TEST_LOCK(what_is_freed_cancels_those_who_wait),
        TEST_LOCK(an_event_wakes_all_and_lets_all_pass_until_it_is_cleared),
        TEST_LOCK(a_permit_goes_to_the_first_who_waits),
        TEST_LOCK(a_bounded_semaphore_is_not_released_more_often_than_acquired),
        TEST_LOCK(a_lock_is_for_one_at_a_time),
        TEST_LOCK(a_permit_whose_future_is_dropped_unseen_goes_to_the_next),
        TEST_LOCK(a_permit_that_was_seen_stays),
        TEST_LOCK(of_several_acquired_at_once_all_are_had_or_none),
        TEST_LOCK(who_is_woken_in_vain_wakes_another),
        TEST_LOCK(what_is_on_its_way_outlives_where_it_came_from),
        TEST_LOCK(without_memory_nothing_waits_and_no_permit_is_lost),
        TEST_LOCK(what_could_not_be_made_can_be_used),
        TEST_LOCK(they_may_outlive_the_loop),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
