/* periodic_callback_test.c - on schedule, never twice at once. (Tornado: TestPeriodicCallbackMath and others) */
#include "async/async_test.h"

static tc_ioloop_t *loop;
static tc_periodic_callback_t *periodic;
static uint64_t start_ms, busy_ms;
static int outcome;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    start_ms = tc_ioloop_time(loop);
    busy_ms = 0;
    outcome = 0;
    return err;
}
#define TEST_PERIODIC(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)

static int note_time(tc_periodic_callback_t *self, void *user_data) {
    (void)self, (void)user_data;
    note("%d", (int)(tc_ioloop_time(loop) - start_ms));
    loop->virtual_now += busy_ms; /* the call takes that long */
    return outcome;
}

static void start(uint64_t period_ms, double jitter, tc_periodic_cb cb) {
    assert_int_equal(tc_periodic_callback_new(&periodic, loop, period_ms, jitter, cb, NULL), 0);
    assert_false(tc_periodic_callback_is_running(periodic));
    tc_periodic_callback_start(periodic);
    assert_true(tc_periodic_callback_is_running(periodic));
}

static void it_runs_every_period_from_one_period_after_the_start(void **state) {
    (void)state;
    start(10, 0, note_time);
    tc__ioloop_advance(loop, 9);
    assert_string_equal(noted(), "");
    tc__ioloop_advance(loop, 26);
    assert_string_equal(noted(), "10 20 30");
    tc_periodic_callback_free(periodic);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "");
}

static void it_stops_and_starts_again(void **state) {
    (void)state;
    start(10, 0, note_time);
    tc__ioloop_advance(loop, 15);
    tc_periodic_callback_stop(periodic);
    tc_periodic_callback_stop(periodic);
    assert_false(tc_periodic_callback_is_running(periodic));
    tc__ioloop_advance(loop, 18);
    tc_periodic_callback_start(periodic);
    tc_periodic_callback_start(periodic);
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "10 43");
    tc_periodic_callback_free(periodic);
}

static void time_spent_in_the_call_does_not_shift_the_schedule(void **state) {
    (void)state;
    busy_ms = 3;
    start(10, 0, note_time);
    tc__ioloop_advance(loop, 35);
    assert_string_equal(noted(), "10 20 30");
    tc_periodic_callback_free(periodic);
}

static void periods_that_were_missed_are_skipped(void **state) {
    (void)state;
    busy_ms = 25;
    start(10, 0, note_time);
    tc__ioloop_advance(loop, 60);
    assert_string_equal(noted(), "10 40");
    busy_ms = 10; /* ends when the next is due: that one is skipped too */
    tc__ioloop_advance(loop, 30);
    assert_string_equal(noted(), "70 90");
    tc_periodic_callback_free(periodic);
}

static void jitter_varies_each_period_by_its_half_either_way(void **state) {
    (void)state;
    start(1000, 0.5, note_time);
    uint64_t last = 0;
    bool shorter = false, longer = false;
    for (int i = 0; i < 200; i++) {
        while (journal.len == 0)
            tc__ioloop_advance(loop, 1);
        uint64_t now = strtoull(noted(), NULL, 10);
        assert_in_range(now - last, 750, 1250);
        shorter = shorter || now - last < 850;
        longer = longer || now - last > 1150;
        last = now;
    }
    assert_true(shorter && longer);
    tc_periodic_callback_free(periodic);
}

static void full_jitter_on_a_tiny_period_still_moves_on(void **state) {
    (void)state;
    start(1, 1, note_time);
    tc__ioloop_advance(loop, 100);
    assert_true(strlen(noted()) > 50);
    tc_periodic_callback_free(periodic);
}

static void a_run_that_goes_on_is_not_overlapped(void **state) {
    (void)state;
    outcome = TC_DETACH;
    start(10, 0, note_time);
    tc__ioloop_advance(loop, 45);
    assert_string_equal(noted(), "10");
    tc_periodic_callback_done(periodic);
    tc_periodic_callback_done(periodic);
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "50");
    tc_periodic_callback_free(periodic);
}

static int done_at_once(tc_periodic_callback_t *self, void *user_data) {
    note_time(self, user_data);
    tc_periodic_callback_done(self);
    return TC_DETACH;
}

static void done_may_come_before_the_return(void **state) {
    (void)state;
    start(10, 0, done_at_once);
    tc__ioloop_advance(loop, 25);
    assert_string_equal(noted(), "10 20");
    tc_periodic_callback_free(periodic);
}

static void a_run_that_goes_on_over_stop_and_start_is_not_overlapped(void **state) {
    (void)state;
    outcome = TC_DETACH;
    start(10, 0, note_time);
    tc__ioloop_advance(loop, 15);
    tc_periodic_callback_stop(periodic);
    tc_periodic_callback_start(periodic);
    tc__ioloop_advance(loop, 30);
    assert_string_equal(noted(), "10");
    tc_periodic_callback_done(periodic);
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "55"); /* of the schedule that began at 15 */
    tc_periodic_callback_stop(periodic);
    tc_periodic_callback_done(periodic);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "");
    tc_periodic_callback_free(periodic);
}

static int stop_self(tc_periodic_callback_t *self, void *user_data) {
    note_time(self, user_data);
    tc_periodic_callback_stop(self);
    return 0;
}

static int restart_self(tc_periodic_callback_t *self, void *user_data) {
    stop_self(self, user_data);
    tc_periodic_callback_start(self);
    return 0;
}

static int free_self(tc_periodic_callback_t *self, void *user_data) {
    note_time(self, user_data);
    tc_periodic_callback_free(self);
    return 0;
}

static void its_own_call_may_stop_restart_or_free_it(void **state) {
    (void)state;
    start(10, 0, stop_self);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "10");
    tc_periodic_callback_free(periodic);
    start(10, 0, restart_self);
    tc__ioloop_advance(loop, 25);
    assert_string_equal(noted(), "110 120");
    tc_periodic_callback_free(periodic);
    start(10, 0, free_self);
    tc__ioloop_advance(loop, 100);
    assert_string_equal(noted(), "135");
}

static void a_failure_is_logged_and_it_goes_on(void **state) {
    (void)state;
    outcome = TC_ETIMEDOUT;
    start(10, 0, note_time);
    tc__ioloop_advance(loop, 10);
    assert_logged("periodic callback failed");
    outcome = 404;
    tc__ioloop_advance(loop, 10);
    assert_logged("returned 404");
    outcome = 0;
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "10 20 30");
    tc_periodic_callback_free(periodic);
}

static void bad_arguments_are_told(void **state) {
    (void)state;
    assert_int_equal(tc_periodic_callback_new(&periodic, loop, 0, 0, note_time, NULL), TC_EINVAL);
    assert_logged("at least 1 ms");
    static const double jitters[] = { -0.1, 1.1, 0.0 / 0.0 };
    for (size_t i = 0; i < COUNT(jitters); i++) {
        assert_int_equal(tc_periodic_callback_new(&periodic, loop, 10, jitters[i], note_time, NULL), TC_EINVAL);
        assert_logged("from 0 to 1");
    }
    assert_int_equal(tc_periodic_callback_new(&periodic, loop, 10, 0, NULL, NULL), TC_EINVAL);
    assert_logged("cb is NULL");
    assert_int_equal(tc_periodic_callback_new(NULL, loop, 10, 0, note_time, NULL), TC_EINVAL);
    assert_logged("out is NULL");
    tc_periodic_callback_start(NULL);
    assert_logged("NULL");
    tc_periodic_callback_stop(NULL);
    tc_periodic_callback_done(NULL);
    tc_periodic_callback_free(NULL);
    assert_false(tc_periodic_callback_is_running(NULL));
}

static void it_stops_with_its_loop(void **state) {
    (void)state;
    tc_ioloop_t *other;
    assert_int_equal(tc__ioloop_new_virtual(&other), 0);
    assert_int_equal(tc_periodic_callback_new(&periodic, other, 10, 0, note_time, NULL), 0);
    tc_periodic_callback_start(periodic);
    tc_ioloop_free(other);
    assert_false(tc_periodic_callback_is_running(periodic));
    tc_periodic_callback_start(periodic);
    assert_logged("loop was freed");
    tc_periodic_callback_free(periodic);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_PERIODIC(it_runs_every_period_from_one_period_after_the_start),
        TEST_PERIODIC(it_stops_and_starts_again),
        TEST_PERIODIC(time_spent_in_the_call_does_not_shift_the_schedule),
        TEST_PERIODIC(periods_that_were_missed_are_skipped),
        TEST_PERIODIC(jitter_varies_each_period_by_its_half_either_way),
        TEST_PERIODIC(full_jitter_on_a_tiny_period_still_moves_on),
        TEST_PERIODIC(a_run_that_goes_on_is_not_overlapped),
        TEST_PERIODIC(done_may_come_before_the_return),
        TEST_PERIODIC(a_run_that_goes_on_over_stop_and_start_is_not_overlapped),
        TEST_PERIODIC(its_own_call_may_stop_restart_or_free_it),
        TEST_PERIODIC(a_failure_is_logged_and_it_goes_on),
        TEST_PERIODIC(bad_arguments_are_told),
        TEST_PERIODIC(it_stops_with_its_loop),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
