/* signal_test.c - signals arrive as callbacks of the loop. */
#include "async/async_test.h"

#include <signal.h>

static void note_signal(tc_ioloop_t *loop, int signum, void *user_data) {
    note("%s%s", (char *)user_data, signum == SIGUSR1 ? "1" : signum == SIGUSR2 ? "2" : "?");
    tc_ioloop_stop(loop);
}

static void deliver(tc_ioloop_t *loop, int signum) {
    assert_int_equal(raise(signum), 0);
    assert_int_equal(tc_ioloop_start(loop), 0);
}

static void a_signal_calls_its_callback_on_the_loop(void **state) {
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR1, note_signal, "a"), 0);
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR2, note_signal, "b"), 0);
    deliver(*state, SIGUSR1);
    deliver(*state, SIGUSR2);
    deliver(*state, SIGUSR1);
    assert_string_equal(noted(), "a1 b2 a1");
}

static void a_callback_takes_the_place_of_the_one_before(void **state) {
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR1, note_signal, "old"), 0);
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR1, note_signal, "new"), 0);
    deliver(*state, SIGUSR1);
    assert_string_equal(noted(), "new1");
}

static void a_signal_that_is_no_longer_watched_is_the_system_s_again(void **state) {
    struct sigaction action;
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR1, note_signal, "never"), 0);
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR1, NULL, NULL), 0);
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR1, NULL, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_DFL);
}

static void forget_self(tc_ioloop_t *loop, int signum, void *user_data) {
    note_signal(loop, signum, user_data);
    tc_ioloop_set_signal_callback(loop, signum, NULL, NULL);
}

static void a_callback_removes_itself(void **state) {
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR1, forget_self, "once"), 0);
    deliver(*state, SIGUSR1);
    assert_string_equal(noted(), "once1");
}

static void each_loop_gets_the_signal(void **state) {
    tc_ioloop_t *other;
    assert_int_equal(tc_ioloop_new(&other), 0);
    assert_int_equal(tc_ioloop_set_signal_callback(*state, SIGUSR1, note_signal, "first"), 0);
    assert_int_equal(tc_ioloop_set_signal_callback(other, SIGUSR1, note_signal, "second"), 0);
    deliver(*state, SIGUSR1);
    assert_int_equal(tc_ioloop_start(other), 0);
    assert_string_equal(noted(), "first1 second1");
    tc_ioloop_free(other);
}

static void some_signals_cannot_be_watched(void **state) {
    static const int signals[] = { SIGKILL, SIGSTOP, 0, -1, 1000 };
    for (size_t i = 0; i < COUNT(signals); i++) {
        assert_int_equal(tc_ioloop_set_signal_callback(*state, signals[i], note_signal, ""), TC_EINVAL);
        assert_non_null(strstr(tc_error_detail(), "cannot be watched"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_LOOP(a_signal_calls_its_callback_on_the_loop),
        TEST_LOOP(a_callback_takes_the_place_of_the_one_before),
        TEST_LOOP(a_signal_that_is_no_longer_watched_is_the_system_s_again),
        TEST_LOOP(a_callback_removes_itself),
        TEST_LOOP(each_loop_gets_the_signal),
        TEST_LOOP(some_signals_cannot_be_watched),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
