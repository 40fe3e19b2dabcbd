/* timeout_test.c - add_callback, call_later, call_at, remove_timeout. */
#include "async/async_test.h"

static tc_ioloop_t *loop;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    return err;
}
#define TEST_TIMEOUT(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)

/* ---- Callbacks ---- */

static void add_another(void *user_data) {
    note_it(user_data);
    tc_ioloop_add_callback(loop, note_it, "inner");
}

static void callbacks_run_later_in_the_order_of_the_calls(void **state) {
    (void)state;
    assert_int_equal(tc_ioloop_add_callback(loop, note_it, "a"), 0);
    assert_int_equal(tc_ioloop_add_callback(loop, add_another, "b"), 0);
    assert_int_equal(tc_ioloop_add_callback(loop, note_it, "c"), 0);
    assert_string_equal(noted(), "");
    tc__ioloop_advance(loop, 0);
    assert_string_equal(noted(), "a b c inner");
}

static void a_callback_needs_a_function(void **state) {
    (void)state;
    assert_int_equal(tc_ioloop_add_callback(loop, NULL, NULL), TC_EINVAL);
    assert_logged("cb is NULL");
    assert_true(tc_ioloop_call_later(loop, 1, NULL, NULL) == 0);
    assert_logged("without a callback");
}

/* ---- Timeouts ---- */

static void timeouts_run_once_at_their_time_in_order(void **state) {
    (void)state;
    assert_int_not_equal(tc_ioloop_call_later(loop, 20, note_it, "20"), 0);
    assert_int_not_equal(tc_ioloop_call_at(loop, tc_ioloop_time(loop) + 10, note_it, "10"), 0);
    assert_int_not_equal(tc_ioloop_call_later(loop, 0, note_it, "0"), 0);
    assert_int_not_equal(tc_ioloop_call_at(loop, 5, note_it, "past"), 0);
    assert_string_equal(noted(), "");
    tc__ioloop_advance(loop, 0);
    assert_string_equal(noted(), "0 past");
    tc__ioloop_advance(loop, 15);
    assert_string_equal(noted(), "10");
    tc__ioloop_advance(loop, 1000);
    assert_string_equal(noted(), "20");
}

static void a_timeout_for_ever_never_runs(void **state) {
    (void)state;
    tc_timeout_t timeout = tc_ioloop_call_later(loop, TC_FOREVER, note_it, "never");
    assert_true(timeout != 0);
    tc__ioloop_advance(loop, UINT64_C(1) << 38);
    assert_string_equal(noted(), "");
    assert_true(tc_ioloop_remove_timeout(loop, timeout));
}

static void a_timeout_that_is_removed_does_not_run(void **state) {
    (void)state;
    tc_timeout_t timeout = tc_ioloop_call_later(loop, 5, note_it, "never");
    assert_true(tc_ioloop_remove_timeout(loop, timeout));
    assert_false(tc_ioloop_remove_timeout(loop, timeout));
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "");
}

static tc_timeout_t to_remove;

static void remove_it(void *user_data) {
    note("%s %d", (char *)user_data, tc_ioloop_remove_timeout(loop, to_remove));
}

static void a_timeout_removes_another_of_the_same_time(void **state) {
    (void)state;
    tc_ioloop_call_later(loop, 5, remove_it, "first");
    to_remove = tc_ioloop_call_later(loop, 5, note_it, "never");
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "first 1");
}

static void a_timeout_that_removes_itself_finds_that_it_ran(void **state) {
    (void)state;
    to_remove = tc_ioloop_call_later(loop, 5, remove_it, "self");
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "self 0");
}

static void an_old_id_does_not_touch_the_timeout_that_follows_it(void **state) {
    (void)state;
    tc_timeout_t old = tc_ioloop_call_later(loop, 5, note_it, "old");
    tc__ioloop_advance(loop, 5);
    tc_timeout_t removed = tc_ioloop_call_later(loop, 5, note_it, "removed");
    assert_true(removed != old);
    assert_true(tc_ioloop_remove_timeout(loop, removed));
    tc_timeout_t new = tc_ioloop_call_later(loop, 5, note_it, "new");
    assert_true(new != old &&new != removed);
    assert_false(tc_ioloop_remove_timeout(loop, old));
    assert_false(tc_ioloop_remove_timeout(loop, removed));
    tc__ioloop_advance(loop, 5);
    assert_string_equal(noted(), "old new");
}

static void ids_that_never_were_are_harmless(void **state) {
    (void)state;
    static const tc_timeout_t ids[] = { 0, 1, 77, 1 << 24, (1 << 24) | 1, UINT64_MAX, UINT64_MAX << 24, 0xffffff };
    tc_timeout_t timeout = tc_ioloop_call_later(loop, 5, note_it, "ran");
    for (size_t i = 0; i < COUNT(ids); i++)
        if (ids[i] != timeout)
            assert_false(tc_ioloop_remove_timeout(loop, ids[i]));
    tc__ioloop_advance(loop, 5);
    assert_string_equal(noted(), "ran");
}

static int calls;

static void count_call(void *user_data) {
    (void)user_data;
    calls++;
}

static void there_may_be_many_and_their_records_are_used_again(void **state) {
    (void)state;
    static tc_timeout_t timeouts[10000];
    calls = 0;
    for (size_t i = 0; i < COUNT(timeouts); i++)
        timeouts[i] = tc_ioloop_call_later(loop, i % 1000, count_call, NULL);
    for (size_t i = 0; i < COUNT(timeouts); i += 2)
        assert_true(tc_ioloop_remove_timeout(loop, timeouts[i]));
    tc__ioloop_advance(loop, 1000);
    assert_int_equal(calls, COUNT(timeouts) / 2);
    long blocks = atomic_load(&memory.live);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(timeouts); i++)
            assert_true(tc_ioloop_call_later(loop, 1, count_call, NULL) != 0);
        tc__ioloop_advance(loop, 1);
    }
    assert_int_equal(atomic_load(&memory.live), blocks);
    assert_int_equal(calls, COUNT(timeouts) / 2 + 3 * COUNT(timeouts));
}

static void start_again(void *user_data) {
    if (++calls < 5)
        tc_ioloop_call_later(loop, 10, start_again, user_data);
}

static void a_timeout_starts_the_next(void **state) {
    (void)state;
    calls = 0;
    tc_ioloop_call_later(loop, 10, start_again, NULL);
    tc__ioloop_advance(loop, 49);
    assert_int_equal(calls, 4);
    tc__ioloop_advance(loop, 1);
    assert_int_equal(calls, 5);
}

static void timeouts_are_dropped_with_the_loop(void **state) {
    (void)state;
    tc_ioloop_call_later(loop, 0, note_it, "never"); /* free_loop sees that nothing leaks */
    tc_ioloop_call_later(loop, 10, note_it, "never");
}

/* ---- On the real clock ---- */

static void note_and_stop(void *user_data) {
    note_it(user_data);
    tc_ioloop_stop(tc_ioloop_current());
}

static void timeouts_on_the_real_clock_are_never_early(void **state) {
    uint64_t before = uv_hrtime() / 1000000;
    tc_ioloop_call_later(*state, 10, note_it, "10"); /* in this order, for time passes between the calls too */
    tc_ioloop_call_later(*state, 20, note_it, "20");
    tc_ioloop_call_later(*state, 30, note_and_stop, "30");
    assert_int_equal(tc_ioloop_start(*state), 0);
    assert_string_equal(noted(), "10 20 30");
    assert_true(uv_hrtime() / 1000000 - before >= 29); /* both are cut to whole milliseconds */
}

static void time_that_passed_between_turns_does_not_shorten_a_timeout(void **state) {
    uint64_t first = tc_ioloop_time(*state), begin = uv_hrtime();
    while (uv_hrtime() - begin < 5000000)
        ;
    assert_true(tc_ioloop_time(*state) >= first + 4);
    tc_timeout_t timeout = tc_ioloop_call_later(*state, 1000, note_it, "");
    assert_true(((tc_ioloop_t *)*state)->wheel.count == 1);
    assert_true(tc__timer_wheel_next(&((tc_ioloop_t *)*state)->wheel) <= tc_ioloop_time(*state) + 1000);
    assert_true(tc_ioloop_remove_timeout(*state, timeout));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_TIMEOUT(callbacks_run_later_in_the_order_of_the_calls),
        TEST_TIMEOUT(a_callback_needs_a_function),
        TEST_TIMEOUT(timeouts_run_once_at_their_time_in_order),
        TEST_TIMEOUT(a_timeout_for_ever_never_runs),
        TEST_TIMEOUT(a_timeout_that_is_removed_does_not_run),
        TEST_TIMEOUT(a_timeout_removes_another_of_the_same_time),
        TEST_TIMEOUT(a_timeout_that_removes_itself_finds_that_it_ran),
        TEST_TIMEOUT(an_old_id_does_not_touch_the_timeout_that_follows_it),
        TEST_TIMEOUT(ids_that_never_were_are_harmless),
        TEST_TIMEOUT(there_may_be_many_and_their_records_are_used_again),
        TEST_TIMEOUT(a_timeout_starts_the_next),
        TEST_TIMEOUT(timeouts_are_dropped_with_the_loop),
        TEST_LOOP(timeouts_on_the_real_clock_are_never_early),
        TEST_LOOP(time_that_passed_between_turns_does_not_shorten_a_timeout),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
