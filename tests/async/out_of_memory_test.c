/*
 * out_of_memory_test.c - each allocation in turn fails, once or from then on. What is asked for then fails with a code
 * or works; nothing crashes, nothing leaks, every argument is freed once, and the loop goes on.
 */
#include "async/async_test.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_ALLOCATIONS = 200 };

static int wrong;        /* counted, since the scenarios must clean up to the end */
static atomic_int owned; /* arguments and results given away and not yet freed */

static void give_back(void *data) {
    (void)data;
    atomic_fetch_sub(&owned, 1);
}

static void expect(bool right) {
    wrong += !right;
}

/* ---- Scenarios; each is run until it needs no allocation that is made to fail ---- */

static void nothing(void *user_data) {
    (void)user_data;
}

static void on_done(tc_future_t *future, void *count) {
    expect(tc_future_state(future) != TC_PENDING);
    ++*(int *)count;
}

static void on_event(tc_ioloop_t *loop, int fd, unsigned events, void *user_data) {
    (void)loop, (void)fd, (void)events, (void)user_data;
}

static void on_signal(tc_ioloop_t *loop, int signum, void *user_data) {
    (void)loop, (void)signum, (void)user_data;
}

static int on_period(tc_periodic_callback_t *periodic, void *user_data) {
    (void)periodic, (void)user_data;
    return 0;
}

static int work(void *arg, void **out) {
    *out = arg;
    return 0;
}

static void use_callbacks(tc_ioloop_t *loop) {
    int err = tc_ioloop_add_callback(loop, nothing, NULL);
    expect(err == 0 || (err == TC_ENOMEM && tc_error_detail()[0]));
    for (int i = 0; i < 100; i++)
        tc_ioloop_remove_timeout(loop, tc_ioloop_call_later(loop, 1000, nothing, NULL));
    for (int i = 0; i < 100; i++)
        tc_ioloop_call_later(loop, (uint64_t)i, nothing, NULL);
}

static void use_handlers(tc_ioloop_t *loop) {
    int pair[2];
    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    for (int i = 0; i < 2; i++) {
        int err = tc_ioloop_add_handler(loop, pair[i], TC_WRITE, on_event, NULL);
        expect(err == 0 || err == TC_ENOMEM);
    }
    int err = tc_ioloop_set_signal_callback(loop, SIGUSR1, on_signal, NULL);
    expect(err == 0 || err == TC_ENOMEM);
    tc__ioloop_turn(loop, false);
    for (int i = 0; i < 2; i++) {
        tc_ioloop_remove_handler(loop, pair[i]);
        close(pair[i]);
    }
}

static void use_periodics(tc_ioloop_t *loop) {
    tc_periodic_callback_t *periodic = NULL;
    int err = tc_periodic_callback_new(&periodic, loop, 10, 0.1, on_period, NULL);
    expect(err == (periodic ? 0 : TC_ENOMEM));
    if (periodic)
        tc_periodic_callback_start(periodic);
    tc__ioloop_advance(loop, 100);
    tc_periodic_callback_free(periodic);
}

static void use_futures(tc_ioloop_t *loop) {
    tc_future_t *future = tc_future_new(loop), *failed = tc_future_new(loop);
    tc_future_t *outer = tc_with_timeout(tc_future_ref(future), 10), *sleep = tc_sleep(loop, 5);
    int calls = 0, waiting = 0;
    tc_future_t *all[] = { future, failed, outer, sleep };
    for (size_t i = 0; i < COUNT(all); i++)
        waiting += tc_future_on_done(all[i], on_done, &calls) == 0;
    atomic_fetch_add(&owned, 1);
    tc_future_set_result(future, "result", give_back);
    tc_future_set_error(failed, TC_EPROTO, "words");
    expect(tc_future_status(failed) == (failed ? TC_EPROTO : TC_ENOMEM));
    expect(tc_future_message(failed)[0] != '\0'); /* the words, or those of the code */
    tc__ioloop_advance(loop, 20);
    expect(calls == waiting);
    for (size_t i = 0; i < COUNT(all); i++)
        tc_future_unref(all[i]);
    expect(atomic_load(&owned) == 0);
}

static void use_executors(tc_ioloop_t *loop) {
    tc_executor_t *executor = NULL;
    int err = tc_executor_new(&executor, 2);
    expect(err == (executor ? 0 : TC_ENOMEM));
    tc_future_t *futures[4];
    atomic_fetch_add(&owned, 4);
    for (int i = 0; i < 4; i++)
        futures[i] = tc_run_in_executor(i < 2 ? executor : NULL, work, NULL, give_back);
    for (int i = 0; i < 4; i++) {
        while (tc_future_state(futures[i]) == TC_PENDING)
            tc__ioloop_turn(loop, true);
        expect(tc_future_status(futures[i]) == (futures[i] ? 0 : TC_ENOMEM));
        tc_future_unref(futures[i]);
    }
    tc_executor_free(executor);
}

static void leave_all_under_way(tc_ioloop_t *loop) {
    static int calls;
    tc_future_t *sleep = tc_sleep(loop, 1000);
    int err = tc_future_on_done(sleep, on_done, &calls);
    expect(err == 0 || err == TC_ENOMEM);
    tc_future_unref(sleep);
    atomic_fetch_add(&owned, 1);
    tc_future_unref(tc_with_timeout(tc_run_in_executor(NULL, work, NULL, give_back), 1000));
    tc_ioloop_add_callback(loop, nothing, NULL);
    tc_ioloop_call_later(loop, 1000, nothing, NULL);
}

static void (*const scenarios[])(tc_ioloop_t *loop) = {
    use_callbacks, use_handlers, use_periodics, use_futures, use_executors, leave_all_under_way,
};

static bool run(void (*scenario)(tc_ioloop_t *loop), long nth, bool for_good) {
    tc_ioloop_t *loop = NULL;
    fail_allocation(nth, for_good);
    int err = tc__ioloop_new_virtual(&loop);
    expect(err == (loop ? 0 : TC_ENOMEM));
    if (loop)
        scenario(loop);
    bool failed = atomic_load(&memory.calls) >= nth;
    if (loop) {
        allow_allocations();
        int calls = 0; /* the loop goes on */
        tc_future_t *future = tc_sleep(loop, 0);
        expect(tc_future_on_done(future, on_done, &calls) == 0);
        tc__ioloop_advance(loop, 1);
        expect(calls == 1);
        tc_future_unref(future);
    }
    tc_ioloop_free(loop);
    expect(atomic_load(&owned) == 0 && atomic_load(&memory.live) == 0);
    return failed;
}

static void any_allocation_may_fail(void **state) {
    (void)state;
    tc_set_log_level(TC_LOG_SILENT);
    for (size_t i = 0; i < COUNT(scenarios); i++)
        for (int for_good = 0; for_good < 2; for_good++)
            for (long nth = 1; run(scenarios[i], nth, for_good); nth++) {
                if (wrong)
                    fail_msg("scenario %zu, allocation %ld, for good: %d", i, nth, for_good);
                assert_in_range(nth, 1, MOST_ALLOCATIONS);
            }
    assert_int_equal(wrong, 0);
    tc_set_log_level(TC_LOG_WARNING);
}

int main(void) {
    const struct CMUnitTest tests[] = { TEST(any_allocation_may_fail) };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
