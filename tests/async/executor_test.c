/* executor_test.c - blocking work on threads of its own; every argument is freed exactly once. */
#include "async/async_test.h"

#include <sys/resource.h>

#include <uv.h>

#include "async/future_internal.h"
#include "async/ioloop_private.h"

/* ---- Work ---- */

static uv_sem_t started, go_on; /* a job that waits, so that others queue behind it */

static int return_arg(void *arg, void **out) {
    *out = arg;
    return 0;
}

static int fail_with(void *arg, void **out) {
    (void)out;
    return *(int *)arg;
}

static int block(void *arg, void **out) {
    uv_sem_post(&started);
    uv_sem_wait(&go_on);
    *out = arg;
    return 0;
}

static atomic_int freed;

static void count_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&freed, 1);
}

static int make_semaphores(void **state) {
    atomic_store(&freed, 0);
    if (uv_sem_init(&started, 0) != 0 || uv_sem_init(&go_on, 0) != 0)
        return -1;
    return with_loop(state);
}

static int destroy_semaphores(void **state) {
    int err = free_loop(state);
    uv_sem_destroy(&started);
    uv_sem_destroy(&go_on);
    return err;
}
#define TEST_EXECUTOR(test) cmocka_unit_test_setup_teardown(test, make_semaphores, destroy_semaphores)

static void stop_when_done(tc_future_t *future, void *loop) {
    (void)future;
    tc_ioloop_stop(loop);
}

/* Run the loop until the future is complete, and check how. */
static void assert_ends(tc_ioloop_t *loop, tc_future_t *future, int status) {
    assert_int_equal(tc_future_on_done(future, stop_when_done, loop), 0);
    assert_int_equal(tc_ioloop_start(loop), 0);
    assert_int_equal(tc_future_status(future), status);
}

/* ---- Results ---- */

static void work_runs_on_another_thread_and_brings_its_result(void **state) {
    tc_future_t *future = tc_run_in_executor(NULL, return_arg, "result", count_free);
    assert_int_equal(tc_future_state(future), TC_PENDING);
    assert_ends(*state, future, 0);
    assert_string_equal(tc_future_take(future), "result");
    assert_int_equal(atomic_load(&freed), 1);
    tc_future_unref(future);
}

static void the_status_of_the_work_is_that_of_the_future(void **state) {
    static const struct {
        int returned, status;
    } codes[] = { { 0, 0 }, { TC_ETIMEDOUT, TC_ETIMEDOUT }, { TC_ECANCELED, TC_ECANCELED }, { 404, TC_EINVAL } };
    for (size_t i = 0; i < COUNT(codes); i++) {
        int code = codes[i].returned;
        tc_future_t *future = tc_run_in_executor(NULL, fail_with, &code, NULL);
        assert_ends(*state, future, codes[i].status);
        tc_future_unref(future);
    }
}

static void many_jobs_all_end(void **state) {
    enum { JOBS = 2000 };
    static tc_future_t *futures[JOBS];
    static int codes[JOBS];
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 3), 0);
    for (int i = 0; i < JOBS; i++)
        futures[i] = tc_run_in_executor(executor, return_arg, &codes[i], count_free);
    for (int i = 0; i < JOBS; i++) {
        if (tc_future_state(futures[i]) == TC_PENDING)
            assert_ends(*state, futures[i], 0);
        assert_ptr_equal(tc_future_result(futures[i]), &codes[i]);
        tc_future_unref(futures[i]);
    }
    assert_int_equal(atomic_load(&freed), JOBS);
    tc_executor_free(executor);
}

static void jobs_of_one_thread_run_in_their_order(void **state) {
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 1), 0);
    tc_future_t *first = tc_run_in_executor(executor, block, "first", NULL);
    tc_future_t *second = tc_run_in_executor(executor, return_arg, "second", NULL);
    uv_sem_wait(&started);
    tc__ioloop_turn(*state, false);
    assert_int_equal(tc_future_state(second), TC_PENDING);
    uv_sem_post(&go_on);
    assert_ends(*state, second, 0);
    assert_int_equal(tc_future_state(first), TC_DONE);
    tc_future_unref(first), tc_future_unref(second);
    tc_executor_free(executor);
}

static void threads_are_added_while_all_are_busy(void **state) {
    tc_executor_t *executor;
    tc_future_t *futures[3];
    assert_int_equal(tc_executor_new(&executor, 3), 0);
    for (int i = 0; i < 3; i++)
        futures[i] = tc_run_in_executor(executor, block, NULL, NULL);
    for (int i = 0; i < 3; i++)
        uv_sem_wait(&started); /* all three at once, or this hangs */
    for (int i = 0; i < 3; i++)
        uv_sem_post(&go_on);
    for (int i = 0; i < 3; i++) {
        if (tc_future_state(futures[i]) == TC_PENDING)
            assert_ends(*state, futures[i], 0);
        tc_future_unref(futures[i]);
    }
    tc_executor_free(executor);
}

static void a_future_that_nobody_keeps_does_not_stop_the_work(void **state) {
    (void)state;
    tc_future_unref(tc_run_in_executor(NULL, block, NULL, count_free));
    uv_sem_wait(&started);
    uv_sem_post(&go_on);
    while (atomic_load(&freed) == 0)
        tc__ioloop_turn(*state, true);
}

/* For work that blocks, and has one thing that is freed: not before it ends. */
static void assert_ends_after_its_timeout(tc_ioloop_t *loop, tc_future_t *work) {
    tc_future_t *future = tc_with_timeout(work, 1);
    uv_sem_wait(&started);
    assert_ends(loop, future, TC_ETIMEDOUT);
    assert_int_equal(atomic_load(&freed), 0);
    uv_sem_post(&go_on);
    while (atomic_load(&freed) == 0)
        tc__ioloop_turn(loop, true);
    tc_future_unref(future);
}

static void a_timeout_around_work_comes_early_and_the_argument_lives_on(void **state) {
    assert_ends_after_its_timeout(*state, tc_run_in_executor(NULL, block, "arg", count_free));
}

static void a_result_that_comes_too_late_for_a_timeout_is_freed(void **state) {
    assert_ends_after_its_timeout(*state, tc_run_in_executor_with(NULL, block, "result", NULL, count_free));
}

static void a_result_that_is_taken_is_not_freed(void **state) {
    tc_future_t *future = tc_run_in_executor_with(NULL, return_arg, "result", NULL, count_free);
    assert_ends(*state, future, 0);
    assert_string_equal(tc_future_take(future), "result");
    tc_future_unref(future);
    assert_int_equal(atomic_load(&freed), 0);
}

static int make_and_fail(void *arg, void **out) {
    *out = arg;
    return TC_ETIMEDOUT;
}

static void a_result_of_work_that_fails_is_freed(void **state) {
    tc_future_t *future = tc_run_in_executor_with(NULL, make_and_fail, "result", NULL, count_free);
    assert_ends(*state, future, TC_ETIMEDOUT);
    assert_int_equal(atomic_load(&freed), 1);
    tc_future_unref(future);
}

static void on_the_virtual_clock_results_still_come(void **state) {
    tc_future_t *future = tc_run_in_executor(NULL, return_arg, "result", NULL);
    uint64_t before = tc_ioloop_time(*state);
    while (tc_future_state(future) == TC_PENDING)
        assert_true(tc__ioloop_turn(*state, true) || tc_future_state(future) != TC_PENDING);
    assert_string_equal(tc_future_result(future), "result");
    assert_true(tc_ioloop_time(*state) == before);
    tc_future_unref(future);
}

/* ---- Cancelling ---- */

static void a_queued_job_is_taken_back(void **state) {
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 1), 0);
    tc_future_t *first = tc_run_in_executor(executor, block, NULL, NULL);
    tc_future_t *second = tc_run_in_executor_with(executor, return_arg, "never", count_free, count_free);
    uv_sem_wait(&started);
    tc_future_cancel(second);
    assert_int_equal(tc_future_state(second), TC_CANCELLED);
    assert_int_equal(tc_future_status(second), TC_ECANCELED);
    assert_int_equal(atomic_load(&freed), 1);
    uv_sem_post(&go_on);
    assert_ends(*state, first, 0);
    tc_future_unref(first), tc_future_unref(second);
    tc_executor_free(executor);
}

static void a_job_that_runs_goes_on(void **state) {
    tc_future_t *future = tc_run_in_executor(NULL, block, "result", count_free);
    uv_sem_wait(&started);
    tc_future_cancel(future);
    assert_int_equal(tc_future_state(future), TC_PENDING);
    assert_int_equal(atomic_load(&freed), 0);
    uv_sem_post(&go_on);
    assert_ends(*state, future, 0);
    assert_string_equal(tc_future_result(future), "result");
    tc_future_unref(future);
}

/* ---- The executor's end ---- */

static void free_executor(void *executor) {
    tc_executor_free(executor);
}

static void freeing_an_executor_takes_back_what_is_queued_and_waits_for_what_runs(void **state) {
    tc_executor_t *executor;
    uv_thread_t freeing;
    assert_int_equal(tc_executor_new(&executor, 1), 0);
    tc_future_t *runs = tc_run_in_executor_with(executor, block, "result", count_free, count_free);
    tc_future_t *queued = tc_run_in_executor_with(executor, return_arg, "never", count_free, count_free);
    uv_sem_wait(&started);
    assert_int_equal(uv_thread_create(&freeing, free_executor, executor), 0);
    assert_ends(*state, queued, TC_ECANCELED);
    assert_int_equal(tc_future_state(runs), TC_PENDING);
    assert_int_equal(atomic_load(&freed), 1);
    tc_future_t *too_late = tc_run_in_executor_with(executor, return_arg, "never", count_free, count_free);
    assert_int_equal(tc_future_status(too_late), TC_ECLOSED);
    assert_string_equal(tc_future_message(too_late), "the executor is being freed: no work any more");
    assert_int_equal(atomic_load(&freed), 2);
    uv_sem_post(&go_on);
    assert_int_equal(uv_thread_join(&freeing), 0);
    assert_ends(*state, runs, 0);
    assert_int_equal(atomic_load(&freed), 3);
    tc_future_unref(runs), tc_future_unref(queued), tc_future_unref(too_late);
    assert_int_equal(atomic_load(&freed), 4); /* and the result */
}

static void an_executor_that_never_ran_is_freed(void **state) {
    (void)state;
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 1000000), 0);
    tc_executor_free(executor);
    tc_executor_free(NULL);
}

static int free_own_executor(void *arg, void **out) {
    (void)out;
    tc_executor_free(arg);
    return 0;
}

static void a_thread_cannot_free_its_own_executor(void **state) {
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 1), 0);
    tc_future_t *future = tc_run_in_executor(executor, free_own_executor, executor, NULL);
    assert_ends(*state, future, 0);
    assert_logged("cannot wait for itself");
    tc_future_unref(future);
    tc_executor_free(executor);
}

/* ---- The loop's end ---- */

static void with_the_loop_jobs_are_taken_back_and_what_runs_finishes_later(void **state) {
    (void)state;
    tc_executor_t *executor;
    tc_ioloop_t *loop = *state;
    assert_int_equal(tc_executor_new(&executor, 1), 0);
    tc_future_t *runs = tc_run_in_executor(executor, block, NULL, count_free);
    tc_future_t *queued = tc_run_in_executor(executor, return_arg, NULL, count_free);
    uv_sem_wait(&started);
    tc_ioloop_free(loop);
    *state = NULL;
    assert_int_equal(tc_future_status(runs), TC_ECANCELED);
    assert_int_equal(tc_future_status(queued), TC_ECANCELED);
    assert_int_equal(atomic_load(&freed), 1);
    tc_future_unref(runs), tc_future_unref(queued);
    uv_sem_post(&go_on);
    tc_executor_free(executor); /* waits for it */
    assert_int_equal(atomic_load(&freed), 2);
}

static void a_result_that_comes_after_the_loop_is_freed_by_its_thread(void **state) {
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 1), 0);
    tc_future_unref(tc_run_in_executor_with(executor, block, "result", NULL, count_free));
    uv_sem_wait(&started);
    tc_ioloop_free(*state);
    *state = NULL;
    assert_int_equal(atomic_load(&freed), 0);
    uv_sem_post(&go_on);
    tc_executor_free(executor); /* waits for it */
    assert_int_equal(atomic_load(&freed), 1);
}

/* What is put on the ready queue before a loop ends runs behind its last delivery of mail, and before it sees to jobs.
 */
static void let_go_on(tc__soon_t *soon) {
    (void)soon;
    uv_sem_post(&go_on);
}

static void a_result_for_which_the_loop_s_end_waits_is_freed(void **state) {
    tc_executor_t *executor;
    tc__soon_t at_end;
    assert_int_equal(tc_executor_new(&executor, 1), 0);
    tc_future_t *future = tc_run_in_executor_with(executor, block, "result", count_free, count_free);
    tc__future_await(future);
    uv_sem_wait(&started);
    tc__soon_init(&at_end, let_go_on);
    tc__soon_call(*state, &at_end);
    tc_ioloop_free(*state);
    *state = NULL;
    assert_int_equal(tc_future_status(future), TC_ECANCELED);
    tc_future_unref(future);
    tc_executor_free(executor);
    assert_int_equal(atomic_load(&freed), 2);
}

typedef struct {
    tc__soon_t at_end;
    tc_executor_t *executor;
} freeing_t;

static void free_at_end(tc__soon_t *soon) {
    tc_executor_free(tc__container_of(soon, freeing_t, at_end)->executor);
}

static int run_until_there_is_mail(void *mailbox, void **out) {
    (void)out;
    uv_sem_post(&started);
    while (tc__mailbox_empty(mailbox))
        uv_sleep(1);
    return 0;
}

static void the_loop_s_end_does_not_wait_for_what_an_executor_s_end_took_back(void **state) {
    freeing_t freeing;
    tc_ioloop_t *loop = *state;
    assert_int_equal(tc_executor_new(&freeing.executor, 1), 0);
    tc_future_t *runs = tc_run_in_executor(freeing.executor, run_until_there_is_mail, loop->mailbox, NULL);
    tc_future_t *queued = tc_run_in_executor_with(freeing.executor, return_arg, "never", count_free, count_free);
    tc__future_await(queued);
    uv_sem_wait(&started);
    tc__soon_init(&freeing.at_end, free_at_end);
    tc__soon_call(loop, &freeing.at_end);
    tc_ioloop_free(loop);
    *state = NULL;
    assert_int_equal(tc_future_status(queued), TC_ECANCELED);
    assert_int_equal(tc_future_status(runs), TC_ECANCELED);
    assert_int_equal(atomic_load(&freed), 1);
    tc_future_unref(runs), tc_future_unref(queued);
}

static void a_result_that_arrived_before_the_end_counts(void **state) {
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 1), 0);
    tc_future_t *future = tc_run_in_executor(executor, return_arg, "result", count_free);
    tc_future_unref(tc_run_in_executor(executor, block, NULL, NULL));
    uv_sem_wait(&started); /* so the first is over */
    tc_ioloop_free(*state);
    *state = NULL;
    assert_int_equal(tc_future_status(future), 0);
    assert_int_equal(atomic_load(&freed), 1);
    tc_future_unref(future);
    uv_sem_post(&go_on);
    tc_executor_free(executor);
}

static void the_default_executor_ends_with_the_last_loop_that_used_it(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    atomic_store(&freed, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tc_ioloop_new(&loop), 0);
        tc_future_unref(tc_run_in_executor(NULL, return_arg, NULL, count_free));
        tc_ioloop_free(loop); /* nothing_is_left sees whether it all went */
    }
    assert_int_equal(atomic_load(&freed), 3);
}

/* ---- Mistakes ---- */

static void work_that_cannot_be_queued_has_its_argument_freed_at_once(void **state) {
    (void)state;
    assert_null(tc_run_in_executor(NULL, NULL, NULL, count_free));
    assert_logged("fn is NULL");
    assert_int_equal(atomic_load(&freed), 1);
    tc_ioloop_free(*state);
    *state = NULL;
    assert_null(tc_run_in_executor(NULL, return_arg, NULL, count_free));
    assert_logged("no loop on this thread");
    assert_int_equal(atomic_load(&freed), 2);
}

/* No thread has a stack as large as the address space. */
static rlim_t set_stack_size(rlim_t size) {
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = size;
    return setrlimit(RLIMIT_STACK, &limit) == 0 ? before : 0;
}

static void without_any_thread_the_future_fails_and_with_one_it_is_enough(void **state) {
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 2), 0);
    rlim_t size = set_stack_size((rlim_t)1 << 47);
    if (size == 0) {
        tc_executor_free(executor);
        skip();
    }
    tc_future_t *failed = tc_run_in_executor(executor, return_arg, NULL, count_free);
    set_stack_size(size);
    assert_int_equal(tc_future_status(failed), TC_ENOMEM);
    assert_string_equal(tc_future_message(failed), "no thread could be started");
    assert_int_equal(atomic_load(&freed), 1);

    tc_future_t *first = tc_run_in_executor(executor, block, NULL, NULL);
    uv_sem_wait(&started);
    set_stack_size((rlim_t)1 << 47);
    tc_future_t *second = tc_run_in_executor(executor, return_arg, NULL, NULL);
    set_stack_size(size);
    assert_int_equal(tc_future_state(second), TC_PENDING);
    uv_sem_post(&go_on);
    assert_ends(*state, second, 0);
    tc_future_unref(failed), tc_future_unref(first), tc_future_unref(second);
    tc_executor_free(executor);
}

static void more_jobs_than_may_wait_fail_at_once(void **state) {
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 2), 0);
    tc_executor_set_max_queued(executor, 1);
    tc_future_t *jobs[5];
    for (int i = 0; i < 4; i++) /* two that run, one that waits, one too many */
        jobs[i] = tc_run_in_executor(executor, block, NULL, count_free);
    assert_int_equal(tc_future_status(jobs[3]), TC_EOVERLOAD);
    assert_string_equal(tc_future_message(jobs[3]), "too many jobs wait for a thread");
    assert_int_equal(atomic_load(&freed), 1);
    tc_future_cancel(jobs[2]); /* has it no thread, it makes room */
    assert_int_equal(tc_future_state(jobs[2]), TC_CANCELLED);
    jobs[4] = tc_run_in_executor(executor, block, NULL, NULL);
    for (int i = 0; i < 3; i++)
        uv_sem_post(&go_on);
    assert_ends(*state, jobs[4], 0);
    tc_executor_set_max_queued(executor, 0);
    tc_future_t *more = tc_run_in_executor(executor, return_arg, NULL, NULL);
    assert_ends(*state, more, 0);
    tc_future_unref(more);
    for (int i = 0; i < 5; i++)
        tc_future_unref(jobs[i]);
    tc_executor_free(executor);
    tc_executor_set_max_queued(NULL, 1);
    assert_logged("the executor is NULL");
}

static void an_executor_needs_threads(void **state) {
    (void)state;
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 0), TC_EINVAL);
    assert_logged("no threads");
    assert_int_equal(tc_executor_new(NULL, 1), TC_EINVAL);
    assert_logged("out is NULL");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_EXECUTOR(work_runs_on_another_thread_and_brings_its_result),
        TEST_EXECUTOR(the_status_of_the_work_is_that_of_the_future),
        TEST_EXECUTOR(many_jobs_all_end),
        TEST_EXECUTOR(jobs_of_one_thread_run_in_their_order),
        TEST_EXECUTOR(threads_are_added_while_all_are_busy),
        TEST_EXECUTOR(a_future_that_nobody_keeps_does_not_stop_the_work),
        TEST_EXECUTOR(a_timeout_around_work_comes_early_and_the_argument_lives_on),
        TEST_VIRTUAL(on_the_virtual_clock_results_still_come),
        TEST_EXECUTOR(a_queued_job_is_taken_back),
        TEST_EXECUTOR(a_job_that_runs_goes_on),
        TEST_EXECUTOR(freeing_an_executor_takes_back_what_is_queued_and_waits_for_what_runs),
        TEST_EXECUTOR(an_executor_that_never_ran_is_freed),
        TEST_EXECUTOR(a_thread_cannot_free_its_own_executor),
        TEST_EXECUTOR(with_the_loop_jobs_are_taken_back_and_what_runs_finishes_later),
        TEST_EXECUTOR(a_result_that_arrived_before_the_end_counts),
        TEST_EXECUTOR(a_result_for_which_the_loop_s_end_waits_is_freed),
        TEST_EXECUTOR(the_loop_s_end_does_not_wait_for_what_an_executor_s_end_took_back),
        TEST_EXECUTOR(a_result_that_comes_after_the_loop_is_freed_by_its_thread),
        TEST_EXECUTOR(a_result_that_comes_too_late_for_a_timeout_is_freed),
        TEST_EXECUTOR(a_result_that_is_taken_is_not_freed),
        TEST_EXECUTOR(a_result_of_work_that_fails_is_freed),
        TEST(the_default_executor_ends_with_the_last_loop_that_used_it),
        TEST_EXECUTOR(work_that_cannot_be_queued_has_its_argument_freed_at_once),
        TEST_EXECUTOR(without_any_thread_the_future_fails_and_with_one_it_is_enough),
        TEST_EXECUTOR(more_jobs_than_may_wait_fail_at_once),
        TEST_EXECUTOR(an_executor_needs_threads),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
