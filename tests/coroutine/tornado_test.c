/*
 * tornado_test.c - what Tornado's own tests demand of ioloop, gen, locks and queues, of coroutines that use them.
 *
 * The name of each test in Tornado stands before it. The rest of its tests for these modules is met elsewhere:
 *
 *   Tornado                                            here
 *   ioloop  test_add_callback_*, test_add_timeout_*,   async/ioloop, async/timeout, async/handler
 *           test_remove_*, test_call_at_*, test_current
 *           PeriodicCallbackMath                       async/periodic_callback
 *           TestIOLoopFutures                          async/executor, async/future
 *   gen     WithTimeoutTest                            async/future
 *           test_multi, test_multi_delayed             async/gather
 *           RunnerGCTest, contextvars                  none: there is neither a collector nor a context
 *   locks   test_notify_n, test_notify_all,            async/locks
 *           test_release_unacquired, test_multi_release
 *           test_context_manager_*                     none: C has no `with`; tc_on_exit releases
 *   queues  test_order, test_maxsize, test_full,       async/queues
 *           *_nowait, test_task_done_underflow
 *           test_async_for, test_float_maxsize         none: C has neither
 */
#include "async/async_test.h"

#include <tornadoc/coroutine.h>
#include <tornadoc/locks.h>
#include <tornadoc/queues.h>

static tc_ioloop_t *loop;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    return err;
}

static int make_real_loop(void **state) {
    int err = with_loop(state);
    loop = *state;
    return err;
}
#define TEST_VIRTUALLY(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)
#define TEST_FOR_REAL(test) cmocka_unit_test_setup_teardown(test, make_real_loop, free_loop)

/* Run fn(arg) as far as it comes in 100 ms. @return its status */
static int run(tc_coroutine_fn fn, void *arg) {
    tc_future_t *task = tc_spawn(loop, fn, arg);
    tc__ioloop_advance(loop, 100);
    int status = tc_future_status(task);
    tc_future_unref(task);
    return status;
}

static void drop(tc_coroutine_fn fn, void *arg) { /* spawn_callback */
    tc_future_unref(tc_spawn(loop, fn, arg));
}

static int sleep_ms(uint64_t ms) {
    return tc_await(tc_sleep(NULL, ms), NULL);
}

/* ---- ioloop ---- */

static int fail_at_once(void *arg) {
    (void)arg;
    return TC_EPROTO;
}

static int fail_later(void *arg) {
    (void)arg;
    TC_TRY(sleep_ms(1));
    return TC_EPROTO;
}

static int wait_for_ever(void *arg) {
    (void)arg;
    return sleep_ms(TC_FOREVER);
}

static int wait_a_little(void *arg) {
    (void)arg;
    return sleep_ms(1);
}

/* TestIOLoopRunSync: test_sync_exception, test_async_exception, test_timeout, test_native_coroutine */
static void run_sync_tells_how_it_ended(void **state) {
    (void)state;
    assert_int_equal(tc_run_sync(loop, fail_at_once, NULL, TC_FOREVER), TC_EPROTO);
    assert_int_equal(tc_run_sync(loop, fail_later, NULL, TC_FOREVER), TC_EPROTO);
    assert_int_equal(tc_run_sync(loop, wait_a_little, NULL, 60000), 0);
    assert_int_equal(tc_run_sync(loop, wait_for_ever, NULL, 5), TC_ETIMEDOUT);
    assert_int_equal(tc_run_sync(loop, wait_a_little, NULL, TC_FOREVER), 0); /* and the loop is as good as new */
}

static int note_current(void *arg) {
    (void)arg;
    note("%d", tc_ioloop_current() == loop);
    TC_TRY(sleep_ms(1));
    note("%d", tc_ioloop_current() == loop);
    return 0;
}

/* TestIOLoopRunSync: test_current */
static void the_loop_of_a_coroutine_is_current(void **state) {
    (void)state;
    assert_int_equal(tc_run_sync(loop, note_current, NULL, TC_FOREVER), 0);
    assert_string_equal(noted(), "1 1");
}

/* TestIOLoop: test_spawn_callback, test_exception_logging_native_coro */
static void the_failure_of_one_that_was_let_go_is_logged_and_the_loop_goes_on(void **state) {
    (void)state;
    drop(fail_at_once, NULL);
    tc__ioloop_advance(loop, 0);
    assert_logged("a future failed and nobody looked");
    drop(fail_later, NULL);
    tc__ioloop_advance(loop, 1);
    assert_logged("a future failed and nobody looked");
    assert_int_equal(run(wait_a_little, NULL), 0);
}

static int slow_run(void *periodic) {
    note("begin");
    int err = sleep_ms(25);
    note("end");
    tc_periodic_callback_done(periodic);
    return err;
}

static int spawn_slow_run(tc_periodic_callback_t *periodic, void *user_data) {
    (void)user_data;
    drop(slow_run, periodic);
    return TC_DETACH;
}

/* TestPeriodicCallbackMath: test_overrun; TestPeriodicCallback: test_periodic_coro */
static void periodic_coroutines_do_not_overlap(void **state) {
    (void)state;
    tc_periodic_callback_t *periodic;
    assert_int_equal(tc_periodic_callback_new(&periodic, loop, 10, 0, spawn_slow_run, NULL), 0);
    tc_periodic_callback_start(periodic);
    tc__ioloop_advance(loop, 30);
    assert_string_equal(noted(), "begin");
    tc__ioloop_advance(loop, 70);
    assert_string_equal(noted(),
                        "end begin end begin end begin"); /* from 10 to 35, from 40 to 65, from 70 to 95, from 100 */
    tc_periodic_callback_stop(periodic);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "end");
    tc_periodic_callback_free(periodic);
}

/* ---- gen ---- */

static int moments(void *name) {
    for (int i = 0; i < 3; i++) {
        note("%s%d", (char *)name, i);
        TC_TRY(tc_await(tc_moment(NULL), NULL));
    }
    return 0;
}

/* GenCoroutineTest: test_moment */
static void a_moment_lets_the_others_go_first(void **state) {
    (void)state;
    drop(moments, "a");
    assert_int_equal(run(moments, "b"), 0);
    assert_string_equal(noted(), "a0 b0 a1 b1 a2 b2");
}

static int gather_nothing(void *arg) {
    tc_results_t *results;
    (void)arg;
    TC_TRY(tc_await(tc_gather(NULL, 0), &results));
    TC_TRY(tc_on_exit(tc_results_free, results));
    note("%zu", tc_results_count(results));
    return 0;
}

/* GenBasicTest: test_multi_empty */
static void nothing_is_gathered_at_once(void **state) {
    (void)state;
    assert_int_equal(run(gather_nothing, NULL), 0);
    assert_string_equal(noted(), "0");
}

static int gather_failures(void *arg) {
    (void)arg;
    tc_future_t *futures[] = { tc_spawn(NULL, wait_a_little, NULL), tc_spawn(NULL, fail_later, NULL),
                               tc_spawn(NULL, fail_at_once, NULL) };
    int err = tc_await(tc_gather(futures, 3), NULL);
    note("%d", err == TC_EPROTO);
    return sleep_ms(1); /* and life goes on */
}

/* GenBasicTest: test_multi_exceptions */
static void of_failures_that_are_gathered_one_is_returned_the_others_are_logged(void **state) {
    (void)state;
    assert_int_equal(run(gather_failures, NULL), 0);
    assert_string_equal(noted(), "1");
    assert_logged("one of several futures failed too");
}

static int set_a_result(void *text) {
    TC_TRY(sleep_ms(*(char *)text == 'f' ? 1 : 2));
    return tc_coroutine_set_result(text, NULL);
}

static int iterate(void *arg) {
    (void)arg;
    char *result;
    tc_future_t *futures[] = { tc_spawn(NULL, set_a_result, "second"), tc_spawn(NULL, set_a_result, "first"),
                               tc_spawn(NULL, fail_at_once, NULL) };
    tc_wait_iterator_t *it = tc_wait_iterator_new(futures, 3);
    while (!tc_wait_iterator_done(it)) {
        int err = tc_await(tc_wait_iterator_next(it), &result);
        note("%zu:%s", tc_wait_iterator_index(it), err < 0 ? tc_error_detail() : result);
    }
    tc_wait_iterator_free(it);
    return 0;
}

/* WaitIteratorTest: test_iterator, test_already_done */
static void an_iterator_brings_them_as_they_complete_failures_too(void **state) {
    (void)state;
    char wanted[200];
    assert_int_equal(run(iterate, NULL), 0);
    snprintf(wanted, sizeof wanted, "2:%s 1:first 0:second", tc_strerror(TC_EPROTO));
    assert_string_equal(noted(), wanted);
}

static int iterate_over_nothing(void *arg) {
    (void)arg;
    tc_wait_iterator_t *it = tc_wait_iterator_new(NULL, 0);
    note("%d", tc_wait_iterator_done(it));
    tc_wait_iterator_free(it);
    return 0;
}

/* WaitIteratorTest: test_empty_iterator */
static void an_iterator_over_nothing_is_done(void **state) {
    (void)state;
    assert_int_equal(run(iterate_over_nothing, NULL), 0);
    assert_string_equal(noted(), "1");
}

static int await_in_vain(void *future) {
    int err = tc_await(tc_with_timeout(tc_future_ref(future), 10), NULL);
    note("%d", err == TC_ETIMEDOUT);
    return 0;
}

/* WithTimeoutTest: test_timeout, of a future that goes on */
static void a_timeout_leaves_the_future_as_it_is(void **state) {
    (void)state;
    tc_future_t *future = tc_future_new(loop);
    assert_int_equal(run(await_in_vain, future), 0);
    assert_string_equal(noted(), "1");
    assert_int_equal(tc_future_state(future), TC_PENDING);
    tc_future_unref(future);
}

/* ---- locks ---- */

static tc_condition_t *condition;

static int wait_and_notify(void *name) {
    TC_TRY(tc_await(tc_condition_wait(condition, TC_FOREVER), NULL));
    note("%s", (char *)name);
    tc_condition_notify(condition, 1);
    return 0;
}

/* ConditionTest: test_nested_notify */
static void who_is_notified_may_notify(void **state) {
    (void)state;
    condition = tc_condition_new();
    drop(wait_and_notify, "a");
    drop(wait_and_notify, "b");
    drop(wait_and_notify, "c");
    tc__ioloop_advance(loop, 0);
    tc_condition_notify(condition, 1);
    assert_string_equal(noted(), ""); /* nobody runs inside the notify */
    tc__ioloop_advance(loop, 0);
    assert_string_equal(noted(), "a b c");
    tc_condition_free(condition);
}

static int wait_with_timeout(void *ms) {
    int err = tc_await(tc_condition_wait(condition, *(uint64_t *)ms), NULL);
    note("%s", err == 0 ? "notified" : err == TC_ETIMEDOUT ? "late" : "?");
    return 0;
}

/* ConditionTest: test_wait_timeout, test_wait_timeout_preempted */
static void a_condition_is_in_time_or_late(void **state) {
    uint64_t ms = 10;
    (void)state;
    condition = tc_condition_new();
    drop(wait_with_timeout, &ms);
    tc__ioloop_advance(loop, 9);
    tc_condition_notify(condition, 1);
    tc__ioloop_advance(loop, 20); /* the timeout does not come as well */
    assert_string_equal(noted(), "notified");
    drop(wait_with_timeout, &ms);
    tc__ioloop_advance(loop, 10);
    tc_condition_notify(condition, 1); /* wakes nobody, nor who comes later */
    drop(wait_with_timeout, &ms);
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "late late");
    tc_condition_free(condition);
}

/* ConditionTest, SemaphoreTest, QueueGetTest: test_garbage_collection, test_get_clears_timed_out_getters. Waiters whose
 * time is up are in no list: memory does not grow. */
static void those_whose_time_was_up_leave_nothing_behind(void **state) {
    (void)state;
    condition = tc_condition_new();
    tc_semaphore_t *semaphore = tc_semaphore_new(0);
    tc_queue_t *queue = tc_queue_new(1, NULL);
    assert_int_equal(tc_queue_put_nowait(queue, ""), 0);
    long before = atomic_load(&memory.live);
    for (int i = 0; i < 200; i++) {
        tc_future_unref(tc_with_timeout(tc_condition_wait(condition, 5), TC_FOREVER));
        tc_future_t *futures[] = { tc_condition_wait(condition, 5), tc_semaphore_acquire(semaphore, 5),
                                   tc_queue_put(queue, "", 5), tc_queue_join(queue, 5) };
        tc__ioloop_advance(loop, 5);
        for (size_t k = 0; k < COUNT(futures); k++) {
            assert_int_equal(tc_future_status(futures[k]), TC_ETIMEDOUT);
            tc_future_unref(futures[k]);
        }
    }
    assert_int_equal(atomic_load(&memory.live), before);
    tc_condition_free(condition);
    tc_semaphore_free(semaphore);
    tc_queue_free(queue);
}

static tc_semaphore_t *semaphore;
static int inside, most_inside;

static void leave(void *arg) {
    (void)arg;
    inside--;
    tc_semaphore_release(semaphore);
}

static int enter(void *arg) {
    (void)arg;
    TC_TRY(tc_await(tc_semaphore_acquire(semaphore, TC_FOREVER), NULL));
    TC_TRY(tc_on_exit(leave, NULL));
    most_inside = ++inside > most_inside ? inside : most_inside;
    return sleep_ms(1);
}

/* SemaphoreContextManagerTest: test_context_manager, test_context_manager_exception */
static void no_more_are_inside_than_there_are_permits(void **state) {
    (void)state;
    semaphore = tc_bounded_semaphore_new(3);
    for (int i = 0; i < 20; i++)
        drop(enter, NULL);
    tc_future_t *cancelled = tc_spawn(loop, enter, NULL);
    tc_future_cancel(cancelled);
    tc__ioloop_advance(loop, 100);
    assert_int_equal(tc_future_status(cancelled), TC_ECANCELED);
    tc_future_unref(cancelled);
    assert_int_equal(inside, 0);
    assert_int_equal(most_inside, 3);
    assert_int_equal(tc_semaphore_release(semaphore), TC_EINVAL); /* all permits are back */
    assert_logged("released more often than acquired");
    tc_semaphore_free(semaphore);
}

static tc_lock_t *lock;

static int hold(void *name) {
    TC_TRY(tc_await(tc_lock_acquire(lock, TC_FOREVER), NULL));
    note("%s", (char *)name);
    int err = sleep_ms(1);
    note("/%s", (char *)name);
    tc_lock_release(lock);
    return err;
}

static int hold_in_time(void *ms) {
    note("%d", tc_await(tc_lock_acquire(lock, *(uint64_t *)ms), NULL) == TC_ETIMEDOUT);
    return 0;
}

/* LockTests: test_acquire_fifo, test_acquire_timeout */
static void a_lock_is_given_first_come_first_served(void **state) {
    uint64_t none = 0;
    (void)state;
    lock = tc_lock_new();
    drop(hold, "a");
    drop(hold, "b");
    drop(hold, "c");
    drop(hold_in_time, &none);
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "a 1 /a b /b c /c");
    tc_lock_free(lock);
}

/* One who was granted the permit and is cancelled in the same turn has it: what it acquired, it releases. */
static void a_permit_is_not_lost_to_a_cancel_of_the_same_turn(void **state) {
    (void)state;
    semaphore = tc_bounded_semaphore_new(1);
    tc_future_t *first = tc_semaphore_acquire(semaphore, TC_FOREVER);
    assert_int_equal(tc_future_status(first), 0);
    tc_future_t *second = tc_spawn(loop, enter, NULL);
    tc__ioloop_advance(loop, 0);
    assert_int_equal(tc_semaphore_release(semaphore), 0);
    tc_future_cancel(second);
    tc__ioloop_advance(loop, 10);
    assert_int_equal(tc_future_status(second), TC_ECANCELED);
    assert_int_equal(tc_semaphore_release(semaphore), TC_EINVAL);
    assert_logged("released more often than acquired");
    tc_future_unref(first);
    tc_future_unref(second);
    tc_semaphore_free(semaphore);
}

/* ---- queues ---- */

static tc_queue_t *queue;
static int items[10];

static int produce(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        items[i] = i;
        TC_TRY(tc_await(tc_queue_put(queue, &items[i], TC_FOREVER), NULL));
        note("+%d", i);
    }
    return 0;
}

static int consume(void *arg) {
    (void)arg;
    for (;;) {
        int *item;
        TC_TRY(tc_await(tc_queue_get(queue, TC_FOREVER), &item));
        note("-%d", *item);
        TC_TRY(sleep_ms(1));
        tc_queue_task_done(queue);
    }
}

static int join(void *ms) {
    int err = tc_await(tc_queue_join(queue, *(uint64_t *)ms), NULL);
    note("%s", err == 0 ? "joined" : err == TC_ETIMEDOUT ? "late" : "?");
    return 0;
}

/* ProducerConsumerTest: test_producer_consumer */
static void a_producer_is_held_back_by_its_consumer(void **state) {
    uint64_t for_ever = TC_FOREVER;
    (void)state;
    queue = tc_queue_new(3, NULL);
    tc_future_t *consumer = tc_spawn(loop, consume, NULL);
    drop(produce, NULL);
    tc__ioloop_advance(loop, 0);
    assert_string_equal(noted(), "+0 +1 +2 +3 -0"); /* the first was handed over, so three have room */
    drop(join, &for_ever);
    tc__ioloop_advance(loop, 20);
    assert_string_equal(noted(), "-1 +4 -2 +5 -3 +6 -4 +7 -5 +8 -6 +9 -7 -8 -9 joined");
    tc_future_cancel(consumer);
    tc__ioloop_advance(loop, 0);
    assert_int_equal(tc_future_status(consumer), TC_ECANCELED);
    tc_future_unref(consumer);
    tc_queue_free(queue);
}

/* QueueJoinTest: test_join_timeout, test_task_done_delay */
static void a_join_may_be_late(void **state) {
    uint64_t soon = 5, later = 50;
    (void)state;
    queue = tc_queue_new(0, NULL);
    assert_int_equal(tc_queue_put_nowait(queue, ""), 0);
    drop(join, &soon);
    drop(join, &later);
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "late");
    void *item;
    assert_int_equal(tc_queue_get_nowait(queue, &item), 0);
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), ""); /* got is not dealt with */
    assert_int_equal(tc_queue_task_done(queue), 0);
    tc__ioloop_advance(loop, 0);
    assert_string_equal(noted(), "joined");
    tc_queue_free(queue);
}

static int get_in_time(void *ms) {
    char *item;
    int err = tc_await(tc_queue_get(queue, *(uint64_t *)ms), &item);
    note("%s", err == 0 ? item : err == TC_ETIMEDOUT ? "late" : "?");
    return 0;
}

/* QueueGetTest: test_get_timeout, test_get_timeout_preempted; QueuePutTest: test_put_clears_timed_out_getters */
static void an_item_goes_to_a_getter_that_still_waits(void **state) {
    uint64_t soon = 5, later = 50;
    (void)state;
    queue = tc_queue_new(0, NULL);
    drop(get_in_time, &soon);
    drop(get_in_time, &later);
    tc__ioloop_advance(loop, 5);
    assert_string_equal(noted(), "late");
    assert_int_equal(tc_queue_put_nowait(queue, "item"), 0);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "item");
    tc_queue_free(queue);
}

static int put_in_time(void *item) {
    int err = tc_await(tc_queue_put(queue, item, *(char *)item == 's' ? 5 : 50), NULL);
    note("%s:%s", (char *)item, err == 0 ? "put" : err == TC_ETIMEDOUT ? "late" : "?");
    return 0;
}

/* QueuePutTest: test_put_timeout, test_put_timeout_preempted; QueueGetTest: test_get_clears_timed_out_putters */
static void room_goes_to_a_putter_that_still_waits(void **state) {
    (void)state;
    queue = tc_queue_new(1, NULL);
    assert_int_equal(tc_queue_put_nowait(queue, "there"), 0);
    drop(put_in_time, "soon");
    drop(put_in_time, "later");
    tc__ioloop_advance(loop, 5);
    assert_string_equal(noted(), "soon:late");
    char *item;
    assert_int_equal(tc_queue_get_nowait(queue, &item), 0);
    assert_string_equal(item, "there");
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "later:put");
    assert_int_equal(tc_queue_get_nowait(queue, &item), 0);
    assert_string_equal(item, "later");
    tc_queue_free(queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_FOR_REAL(run_sync_tells_how_it_ended),
        TEST_FOR_REAL(the_loop_of_a_coroutine_is_current),
        TEST_VIRTUALLY(the_failure_of_one_that_was_let_go_is_logged_and_the_loop_goes_on),
        TEST_VIRTUALLY(periodic_coroutines_do_not_overlap),
        TEST_VIRTUALLY(a_moment_lets_the_others_go_first),
        TEST_VIRTUALLY(nothing_is_gathered_at_once),
        TEST_VIRTUALLY(of_failures_that_are_gathered_one_is_returned_the_others_are_logged),
        TEST_VIRTUALLY(an_iterator_brings_them_as_they_complete_failures_too),
        TEST_VIRTUALLY(an_iterator_over_nothing_is_done),
        TEST_VIRTUALLY(a_timeout_leaves_the_future_as_it_is),
        TEST_VIRTUALLY(who_is_notified_may_notify),
        TEST_VIRTUALLY(a_condition_is_in_time_or_late),
        TEST_VIRTUALLY(those_whose_time_was_up_leave_nothing_behind),
        TEST_VIRTUALLY(no_more_are_inside_than_there_are_permits),
        TEST_VIRTUALLY(a_lock_is_given_first_come_first_served),
        TEST_VIRTUALLY(a_permit_is_not_lost_to_a_cancel_of_the_same_turn),
        TEST_VIRTUALLY(a_producer_is_held_back_by_its_consumer),
        TEST_VIRTUALLY(a_join_may_be_late),
        TEST_VIRTUALLY(an_item_goes_to_a_getter_that_still_waits),
        TEST_VIRTUALLY(room_goes_to_a_putter_that_still_waits),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
