/* task_test.c - coroutines that await: results, failures, cancelling, the executor, the loop's end. */
#include "async/async_test.h"

#include <tornadoc/coroutine.h>
#include <tornadoc/locks.h>

static tc_ioloop_t *loop;
static tc_future_t *pending;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    pending = err == 0 ? tc_future_new(loop) : NULL;
    return pending ? 0 : -1;
}

static int drop_loop(void **state) {
    tc_future_unref(pending);
    return loop ? free_loop(state) : nothing_is_left(state);
}
#define TEST_TASK(test) cmocka_unit_test_setup_teardown(test, make_loop, drop_loop)

static void turn(void) {
    tc__ioloop_advance(loop, 0);
}

static void end_loop(void) {
    tc_ioloop_free(loop);
    loop = NULL;
}

/* Start fn(arg) and let it go as far as it comes. */
static tc_future_t *start(tc_coroutine_fn fn, void *arg) {
    tc_future_t *task = tc_spawn(loop, fn, arg);
    assert_non_null(task);
    turn();
    return task;
}

static void assert_ended(tc_future_t *task, int status) {
    assert_int_equal(tc_future_status(task), status);
    tc_future_unref(task);
}

/* ---- Running ---- */

static int say_hello(void *name) {
    note("hello %s", (char *)name);
    return 0;
}

static void a_spawned_coroutine_runs_from_the_next_turn_on(void **state) {
    (void)state;
    tc_future_t *task = tc_spawn(loop, say_hello, "world");
    assert_string_equal(noted(), "");
    assert_int_equal(tc_future_status(task), TC_EAGAIN);
    turn();
    assert_string_equal(noted(), "hello world");
    assert_ended(task, 0);
}

static void a_coroutine_whose_future_is_dropped_runs_all_the_same(void **state) {
    (void)state;
    tc_future_unref(tc_spawn(loop, say_hello, "world"));
    turn();
    assert_string_equal(noted(), "hello world");
}

static int fail_with(void *err) {
    return *(int *)err;
}

static void what_it_returns_is_its_future_s_status(void **state) {
    int err = TC_EPROTO;
    (void)state;
    assert_ended(start(fail_with, &err), TC_EPROTO);
}

static void the_failure_of_one_that_nobody_looks_at_is_logged(void **state) {
    int err = TC_EPROTO;
    (void)state;
    tc_future_unref(tc_spawn(loop, fail_with, &err));
    turn();
    assert_logged("a future failed and nobody looked");
}

static void a_positive_number_is_no_status(void **state) {
    int err = 404;
    (void)state;
    assert_ended(start(fail_with, &err), TC_EINVAL);
    assert_logged("404 is no error code");
}

static int give_result(void *text) {
    note("%d", tc_coroutine_set_result("first", note_it));
    return tc_coroutine_set_result(text, note_it);
}

static void a_coroutine_may_have_a_result(void **state) {
    (void)state;
    tc_future_t *task = start(give_result, "second");
    assert_string_equal(noted(), "0 first");
    assert_string_equal(tc_future_result(task), "second");
    tc_future_unref(task);
    assert_string_equal(noted(), "second");
}

static int give_result_and_fail(void *text) {
    tc_coroutine_set_result(text, note_it);
    return TC_EPROTO;
}

static void the_result_of_one_that_fails_is_freed(void **state) {
    (void)state;
    assert_ended(start(give_result_and_fail, "result"), TC_EPROTO);
    assert_string_equal(noted(), "result");
}

static int leave_notes(void *arg) {
    tc_on_exit(note_it, "one");
    tc_on_exit(note_it, "two");
    note("body");
    return arg ? 0 : tc_await(tc_sleep(NULL, 10), NULL);
}

static void on_exit_runs_behind_the_body_last_first(void **state) {
    (void)state;
    assert_ended(start(leave_notes, ""), 0);
    assert_string_equal(noted(), "body two one");
    tc_future_t *task = start(leave_notes, NULL);
    assert_string_equal(noted(), "body");
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "two one");
    assert_ended(task, 0);
}

/* ---- Awaiting ---- */

static int await_text(void *future) {
    const char *text;
    int err = tc_await(future, &text);
    note("%d:%s:%s", err, text ? text : "-", err ? tc_error_detail() : "");
    return err;
}

static void an_await_stops_until_the_future_is_done(void **state) {
    (void)state;
    tc_future_t *task = start(await_text, tc_future_ref(pending));
    assert_string_equal(noted(), "");
    tc_future_set_result(pending, "text", NULL);
    assert_string_equal(noted(), "");
    turn();
    assert_string_equal(noted(), "0:text:");
    assert_ended(task, 0);
}

static void an_await_of_what_is_done_does_not_stop(void **state) {
    (void)state;
    tc_future_set_result(pending, "text", NULL);
    tc_future_t *task = tc_spawn(loop, await_text, tc_future_ref(pending));
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "0:text:");
    assert_ended(task, 0);
}

static void an_await_of_what_fails_returns_the_failure_and_its_words(void **state) {
    (void)state;
    tc_future_t *task = start(await_text, tc_future_ref(pending));
    tc_future_set_error(pending, TC_EPROTO, "no such thing");
    turn();
    assert_string_equal(noted(), "-1026:-:no such thing");
    assert_ended(task, TC_EPROTO);
}

static void an_await_of_nothing_is_out_of_memory(void **state) {
    (void)state;
    assert_ended(start(await_text, NULL), TC_ENOMEM);
    assert_string_equal(noted(), "-12:-:the future is NULL: its operation could not start");
}

static int await_and_drop(void *future) {
    return tc_await(future, NULL);
}

static void a_result_that_nobody_wants_is_freed(void **state) {
    (void)state;
    tc_future_t *future = tc_future_new(loop), *task = start(await_and_drop, future);
    tc_future_set_result(future, "result", note_it);
    turn();
    assert_string_equal(noted(), "result");
    assert_ended(task, 0);
}

static int wait_and_look(void *future) {
    int err = tc_wait(future);
    note("%d:%s", err, (char *)tc_future_result(future));
    return err;
}

static void a_wait_leaves_the_future_and_its_result(void **state) {
    (void)state;
    tc_future_t *task = start(wait_and_look, pending);
    tc_future_set_result(pending, "result", note_it);
    turn();
    assert_string_equal(noted(), "0:result");
    assert_ended(task, 0);
    tc_future_unref(pending);
    pending = NULL;
    assert_string_equal(noted(), "result");
}

static void outside_a_coroutine_there_is_no_awaiting(void **state) {
    (void)state;
    assert_int_equal(tc_await(tc_future_ref(pending), NULL), TC_ENOTCORO);
    assert_logged("tc_await outside a coroutine");
    assert_false(tc_in_coroutine());
    assert_false(tc_cancelled());
}

static int await_thrice(void *name) {
    for (int i = 1; i <= 3; i++) {
        TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
        note("%s%d", (char *)name, i);
    }
    return 0;
}

static void coroutines_take_turns(void **state) {
    (void)state;
    tc_future_t *a = start(await_thrice, "a"), *b = start(await_thrice, "b");
    tc__ioloop_advance(loop, 30);
    assert_string_equal(noted(), "a1 b1 a2 b2 a3 b3");
    assert_ended(a, 0);
    assert_ended(b, 0);
}

static int spawn_inside(void *name) {
    tc_future_t *child = tc_spawn(NULL, await_thrice, name);
    note("spawned");
    int err = tc_await(child, NULL);
    note("joined");
    return err;
}

static void a_coroutine_awaits_another(void **state) {
    (void)state;
    tc_future_t *task = start(spawn_inside, "c");
    tc__ioloop_advance(loop, 30);
    assert_string_equal(noted(), "spawned c1 c2 c3 joined");
    assert_ended(task, 0);
}

static int await_with_timeout(void *future) {
    return tc_await(tc_with_timeout(future, 50), NULL);
}

static void an_await_with_a_timeout_ends_by_it(void **state) {
    (void)state;
    tc_future_t *task = start(await_with_timeout, tc_future_ref(pending));
    tc__ioloop_advance(loop, 49);
    assert_int_equal(tc_future_status(task), TC_EAGAIN);
    tc__ioloop_advance(loop, 1);
    assert_ended(task, TC_ETIMEDOUT);
    assert_int_equal(tc_future_status(pending), TC_EAGAIN);
}

static void what_is_awaited_may_be_of_another_loop_only_if_it_is_done(void **state) {
    tc_ioloop_t *second;
    (void)state;
    assert_int_equal(tc__ioloop_new_virtual(&second), 0);
    tc_future_t *foreign = tc_future_new(second);
    assert_ended(start(await_and_drop, tc_future_ref(foreign)), TC_EINVAL);
    assert_logged("another loop");
    tc_future_set_result(foreign, "x", NULL);
    assert_ended(start(await_and_drop, foreign), 0);
    tc_ioloop_free(second);
}

/* ---- Cancelling ---- */

static void note_cancel(tc_future_t *future, void *name) {
    (void)future;
    note("cancel %s", (char *)name);
}

static int await_twice(void *future) {
    note("%d", tc_await(future, NULL));
    note("%d", tc_await(tc_sleep(NULL, 10), NULL));
    return tc_cancelled() ? TC_ECANCELED : 0;
}

static void a_cancel_ends_the_await_and_all_later_ones(void **state) {
    (void)state;
    tc_future_t *task = start(await_twice, tc_future_ref(pending));
    tc_future_cancel(task);
    turn();
    assert_string_equal(noted(), "-125 -125");
    assert_ended(task, TC_ECANCELED);
}

static void a_cancel_before_the_start_lets_it_run_into_its_first_await(void **state) {
    (void)state;
    tc_future_t *task = tc_spawn(loop, await_twice, tc_future_ref(pending));
    tc_future_cancel(task);
    turn();
    assert_string_equal(noted(), "-125 -125");
    assert_ended(task, TC_ECANCELED);
}

static void what_only_the_cancelled_awaits_is_cancelled_too(void **state) {
    (void)state;
    tc_future_t *future = tc_future_new(loop);
    tc_future_set_cancel_callback(future, note_cancel, "inner");
    tc_future_t *task = start(await_and_drop, future);
    tc_future_cancel(task);
    turn();
    assert_string_equal(noted(), "cancel inner");
    assert_ended(task, TC_ECANCELED);
}

static void what_others_hold_is_not_cancelled(void **state) {
    (void)state;
    tc_future_set_cancel_callback(pending, note_cancel, "inner");
    tc_future_t *task = start(await_and_drop, tc_future_ref(pending));
    tc_future_cancel(task);
    turn();
    assert_string_equal(noted(), "");
    assert_ended(task, TC_ECANCELED);
}

static void a_result_of_the_same_turn_wins_over_the_cancel(void **state) {
    (void)state;
    tc_future_t *task = start(await_twice, tc_future_ref(pending));
    tc_future_set_result(pending, "permit", NULL);
    tc_future_cancel(task);
    turn();
    assert_string_equal(noted(), "0 -125");
    assert_ended(task, TC_ECANCELED);
}

static void a_result_that_comes_after_the_cancel_is_too_late(void **state) {
    (void)state;
    tc_future_t *task = start(await_twice, tc_future_ref(pending));
    tc_future_cancel(task);
    tc_future_set_result(pending, "permit", NULL);
    turn();
    assert_string_equal(noted(), "-125 -125");
    assert_ended(task, TC_ECANCELED);
}

static int await_lock(void *lock) {
    note("%d", tc_await(tc_lock_acquire(lock, TC_FOREVER), NULL));
    return tc_lock_release(lock);
}

static void a_permit_that_comes_after_the_cancel_is_not_lost(void **state) {
    (void)state;
    tc_lock_t *lock = tc_lock_new();
    assert_ended(tc_lock_acquire(lock, TC_FOREVER), 0);
    tc_future_t *task = start(await_lock, lock);
    tc_future_cancel(task);
    tc_lock_release(lock);
    turn();
    assert_string_equal(noted(), "0");
    assert_ended(task, 0);
    assert_ended(tc_lock_acquire(lock, 0), 0);
    tc_lock_free(lock);
}

static int clean_up_shielded(void *future) {
    int err = tc_await(future, NULL);
    bool before = tc_shield(true);
    note("%d %d", before, tc_await(tc_sleep(NULL, 10), NULL));
    note("%d", tc_shield(false));
    note("%d", tc_await(tc_sleep(NULL, 10), NULL));
    return err;
}

static void behind_a_shield_awaits_wait(void **state) {
    (void)state;
    tc_future_t *task = start(clean_up_shielded, tc_future_ref(pending));
    tc_future_cancel(task);
    turn();
    assert_string_equal(noted(), "");
    tc__ioloop_advance(loop, 10);
    assert_string_equal(noted(), "0 0 1 -125");
    assert_ended(task, TC_ECANCELED);
}

static int shield_and_await(void *future) {
    tc_shield(true);
    return tc_await(future, NULL);
}

static void a_cancel_does_not_reach_an_await_behind_a_shield(void **state) {
    (void)state;
    tc_future_t *task = start(shield_and_await, tc_future_ref(pending));
    tc_future_cancel(task);
    turn();
    assert_int_equal(tc_future_status(task), TC_EAGAIN);
    tc_future_set_result(pending, NULL, NULL);
    turn();
    assert_ended(task, 0);
}

static int iterate(void *arg) {
    tc_future_t *future = tc_future_ref(arg);
    tc_wait_iterator_t *it = tc_wait_iterator_new(&future, 1);
    note("%d", tc_await(tc_wait_iterator_next(it), NULL));
    tc_shield(true);
    note("%d", tc_await(tc_wait_iterator_next(it), NULL));
    tc_wait_iterator_free(it);
    return 0;
}

static void a_failure_that_meets_a_cancel_is_brought_by_an_iterator_s_next(void **state) {
    (void)state;
    tc_future_t *task = start(iterate, pending);
    tc_future_set_error(pending, TC_EPROTO, NULL);
    tc_future_cancel(task);
    turn();
    assert_string_equal(noted(), "-125 -1026");
    assert_ended(task, 0);
}

/* ---- The executor ---- */

static atomic_bool worker_may_end, worker_runs;

static int slow_work(void *arg, void **out) {
    atomic_store(&worker_runs, true);
    while (!atomic_load(&worker_may_end))
        uv_sleep(1);
    *(int *)arg = 42;
    *out = arg;
    return 0;
}

static int use_a_local(void *arg) {
    int local = 0, *result = NULL;
    (void)arg;
    int err = tc_await(tc_run_in_executor(NULL, slow_work, &local, NULL), &result);
    note("%d %d", err, local);
    return tc_cancelled() ? TC_ECANCELED : err;
}

static void turn_until(const atomic_bool *flag) {
    while (!atomic_load(flag))
        tc__ioloop_turn(loop, false);
}

/* Start fn and let it go as far as its work runs. */
static tc_future_t *start_work(tc_coroutine_fn fn, void *arg) {
    atomic_store(&worker_may_end, false);
    atomic_store(&worker_runs, false);
    tc_future_t *task = start(fn, arg);
    turn_until(&worker_runs);
    return task;
}

static void end_work(const tc_future_t *task) {
    atomic_store(&worker_may_end, true);
    while (tc_future_state(task) == TC_PENDING)
        tc__ioloop_turn(loop, true);
}

/* What was to end it did not, so far. */
static void assert_waits_for_its_work(tc_future_t *task, const char *note, int status) {
    assert_string_equal(noted(), "");
    end_work(task);
    assert_string_equal(noted(), note);
    assert_ended(task, status);
}

static void cancelled_work_that_runs_is_waited_for(void **state) {
    (void)state;
    tc_future_t *task = start_work(use_a_local, NULL);
    tc_future_cancel(task);
    turn();
    assert_waits_for_its_work(task, "0 42", TC_ECANCELED);
}

static int gather_with_locals(void *arg) {
    int a = 0;
    (void)arg;
    tc_future_t *both[] = { tc_run_in_executor(NULL, slow_work, &a, NULL), tc_sleep(NULL, 60000) };
    int err = tc_await(tc_gather(both, 2), NULL);
    note("%d %d", err, a);
    return err;
}

static void gathered_work_that_runs_is_waited_for_and_nothing_else(void **state) {
    (void)state;
    tc_future_t *task = start_work(gather_with_locals, NULL);
    tc_future_cancel(task);
    turn();
    assert_waits_for_its_work(task, "-125 42", TC_ECANCELED);
}

static int use_a_local_in_time(void *arg) {
    tc_scope_t *scope = tc_scope_open();
    int err = tc_scope_set_timeout(scope, 5);
    if (err == 0)
        err = use_a_local(arg);
    int failed = tc_scope_close(scope);
    return err == TC_ECANCELED ? failed : err;
}

static void work_that_runs_is_waited_for_though_the_time_of_its_scope_is_up(void **state) {
    (void)state;
    tc_future_t *task = start_work(use_a_local_in_time, NULL);
    tc__ioloop_advance(loop, 50);
    assert_waits_for_its_work(task, "0 42", TC_ETIMEDOUT);
}

static int quick_work(void *arg, void **out) {
    (void)out;
    *(int *)arg = 42;
    return 0;
}

typedef struct {
    tc_executor_t *executor;
    int local;
} on_executor_t;

static int await_on(void *arg) {
    on_executor_t *on = arg;
    return tc_await(tc_run_in_executor(on->executor, quick_work, &on->local, NULL), NULL);
}

static int block(void *arg, void **out) {
    (void)arg, (void)out;
    atomic_store(&worker_runs, true);
    while (!atomic_load(&worker_may_end))
        uv_sleep(1);
    return 0;
}

static void cancelled_work_that_is_queued_is_taken_back_at_once(void **state) {
    on_executor_t on = { NULL, 0 };
    (void)state;
    atomic_store(&worker_may_end, false);
    atomic_store(&worker_runs, false);
    assert_int_equal(tc_executor_new(&on.executor, 1), 0);
    tc_future_t *first = tc_run_in_executor(on.executor, block, NULL, NULL);
    turn_until(&worker_runs);
    tc_future_t *task = start(await_on, &on);
    tc_future_cancel(task);
    turn();
    assert_ended(task, TC_ECANCELED);
    assert_int_equal(on.local, 0);
    end_work(first);
    tc_future_unref(first);
    tc_executor_free(on.executor);
}

/* ---- The loop's end ---- */

static void a_loop_s_end_cancels_its_coroutines(void **state) {
    (void)state;
    tc_future_t *task = start(await_twice, tc_future_ref(pending));
    end_loop();
    assert_string_equal(noted(), "-125 -125");
    assert_ended(task, TC_ECANCELED);
}

static void no_shield_holds_up_a_loop_s_end(void **state) {
    (void)state;
    tc_future_t *task = start(shield_and_await, tc_future_ref(pending)),
                *another = start(clean_up_shielded, tc_future_ref(pending));
    end_loop();
    assert_string_equal(noted(), "0 -125 1 -125");
    assert_ended(task, TC_ECANCELED);
    assert_ended(another, TC_ECANCELED);
}

static int let_work_end_when_cancelled(void *arg) {
    int err = tc_await(arg, NULL);
    atomic_store(&worker_may_end, true);
    return err;
}

/* So it is at work until the loop's end has taken its last mail. */
static void assert_the_loop_s_end_waits_for(tc_future_t *task) {
    tc_future_t *other = start(let_work_end_when_cancelled, tc_future_ref(pending));
    end_loop();
    assert_string_equal(noted(), "-125 42");
    assert_ended(task, TC_ECANCELED);
    assert_ended(other, TC_ECANCELED);
}

static void a_loop_s_end_waits_for_work_that_uses_a_coroutine_s_stack(void **state) {
    (void)state;
    assert_the_loop_s_end_waits_for(start_work(use_a_local, NULL));
}

static void so_it_does_if_that_is_gathered(void **state) {
    (void)state;
    assert_the_loop_s_end_waits_for(start_work(gather_with_locals, NULL));
}

static void one_that_has_not_begun_runs_at_the_loop_s_end(void **state) {
    (void)state;
    tc_future_t *task = tc_spawn(loop, await_twice, tc_future_ref(pending));
    end_loop();
    assert_string_equal(noted(), "-125 -125");
    assert_ended(task, TC_ECANCELED);
}

/* ---- Running one to its end ---- */

static int make_real_loop(void **state) {
    int err = with_loop(state);
    loop = *state;
    pending = err == 0 ? tc_future_new(loop) : NULL;
    return pending ? 0 : -1;
}
#define TEST_REAL(test) cmocka_unit_test_setup_teardown(test, make_real_loop, drop_loop)

static int sleep_a_little(void *ms) {
    return tc_await(tc_sleep(NULL, *(uint64_t *)ms), NULL);
}

static void run_sync_runs_the_loop_until_the_coroutine_has_ended(void **state) {
    uint64_t ms = 5;
    int err = TC_EPROTO;
    (void)state;
    assert_int_equal(tc_run_sync(loop, sleep_a_little, &ms, TC_FOREVER), 0);
    assert_int_equal(tc_run_sync(loop, fail_with, &err, TC_FOREVER), TC_EPROTO);
}

static void run_sync_cancels_it_when_the_time_is_up(void **state) {
    uint64_t ms = TC_FOREVER;
    (void)state;
    assert_int_equal(tc_run_sync(loop, sleep_a_little, &ms, 5), TC_ETIMEDOUT);
}

static int stop_and_await(void *arg) {
    tc_ioloop_stop(NULL);
    return tc_await(tc_future_ref(arg), NULL);
}

static void run_sync_ends_when_the_loop_is_stopped(void **state) {
    (void)state;
    assert_int_equal(tc_run_sync(loop, stop_and_await, pending, TC_FOREVER), TC_ECANCELED);
    uint64_t ms = 1;
    assert_int_equal(tc_run_sync(loop, sleep_a_little, &ms, TC_FOREVER), 0);
}

static int await_kept(void *future) {
    return tc_wait(future);
}

static int run_inside(void *arg) {
    return tc_run_sync(NULL, fail_with, arg, TC_FOREVER);
}

static void run_sync_is_not_for_a_loop_that_runs(void **state) {
    int err = 0;
    (void)state;
    assert_int_equal(tc_run_sync(loop, run_inside, &err, TC_FOREVER), TC_EBUSY);
    assert_logged("the loop runs already");
}

static int runs_another(void *other) {
    int err = 0;
    TC_TRY(tc_await(tc_moment(NULL), NULL));
    TC_TRY(tc_run_sync(other, run_inside, &err, TC_FOREVER) == TC_EBUSY ? 0 : TC_EPROTO);
    uint64_t ms = 1;
    TC_TRY(tc_run_sync(other, sleep_a_little, &ms, TC_FOREVER));
    return tc_await(tc_sleep(NULL, 1), NULL); /* its own again */
}

static void run_sync_may_run_another_loop_meanwhile(void **state) {
    tc_ioloop_t *other;
    (void)state;
    assert_int_equal(tc_ioloop_new(&other), 0);
    assert_int_equal(tc_run_sync(loop, runs_another, other, TC_FOREVER), 0);
    assert_logged("the loop runs already");
    tc_ioloop_free(other);
}

static void await_in_a_callback(void *status) {
    *(int *)status = tc_await(tc_future_ref(pending), NULL);
}

static int runs_another_with_callbacks(void *other) {
    int status = 0;
    uint64_t ms = 5;
    TC_TRY(tc_ioloop_add_callback(other, await_in_a_callback, &status));
    TC_TRY(tc_run_sync(other, sleep_a_little, &ms, TC_FOREVER));
    return status;
}

static void callbacks_of_a_loop_that_a_coroutine_runs_cannot_await(void **state) {
    tc_ioloop_t *other;
    (void)state;
    assert_int_equal(tc_ioloop_new(&other), 0);
    assert_int_equal(tc_run_sync(loop, runs_another_with_callbacks, other, 1000), TC_ENOTCORO);
    assert_logged("a callback of another loop");
    tc_ioloop_free(other);
}

static void run_sync_needs_a_function(void **state) {
    (void)state;
    assert_int_equal(tc_run_sync(loop, NULL, NULL, TC_FOREVER), TC_EINVAL);
    assert_logged("fn is NULL");
}

static int awaits_on_a_thread(void *status, void **out) {
    (void)out;
    *(int *)status = tc_await(tc_sleep(NULL, 1), NULL); /* NULL: a thread has no loop */
    return tc_in_coroutine() || tc_spawn(NULL, fail_with, status) ? TC_EPROTO : 0;
}

static int awaits_who_awaits_on_a_thread(void *status) {
    return tc_await(tc_run_in_executor(NULL, awaits_on_a_thread, status, NULL), NULL);
}

static void a_thread_of_the_executor_is_no_place_to_await(void **state) {
    int status = 0;
    (void)state;
    assert_int_equal(tc_run_sync(loop, awaits_who_awaits_on_a_thread, &status, TC_FOREVER), 0);
    assert_int_equal(status, TC_ENOMEM);
    assert_int_equal(atomic_exchange(&logged.count, 0), 2);
    assert_non_null(strstr(logged.last, "no loop on this thread"));
}

/* ---- Loops inside coroutines ---- */

static int turns_the_loop(void *arg) {
    note("in");
    tc_future_unref(tc_spawn(loop, say_hello, "inside"));
    tc_future_unref(tc_spawn(loop, await_kept, pending)); /* and one that stops inside */
    tc__ioloop_advance(loop, 0);
    note("out");
    return tc_await(tc_sleep(NULL, *(uint64_t *)arg), NULL);
}

static void others_may_run_inside_one_that_turns_the_loop(void **state) {
    uint64_t ms = 5;
    (void)state;
    tc_future_t *task = start(turns_the_loop, &ms);
    assert_string_equal(noted(), "in hello inside out");
    tc__ioloop_advance(loop, 5);
    assert_ended(task, 0);
    tc_future_set_result(pending, NULL, NULL);
    turn();
}

static int frees_its_loop(void *its_loop) {
    tc_ioloop_free(its_loop);
    return tc_await(tc_moment(NULL), NULL);
}

static void a_coroutine_cannot_free_its_loop(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *adopted;
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(tc_ioloop_from_uv(&adopted, &uv), 0);
    tc_future_t *task = tc_spawn(adopted, frees_its_loop, adopted);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_logged("called by one of its coroutines");
    assert_ended(task, 0);
    tc_ioloop_free(adopted);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&uv), 0);
}

/* ---- Many, and limits ---- */

enum { MANY = 40000 };

static void forty_thousand_wait_at_once(void **state) {
    static tc_future_t *tasks[MANY];
    (void)state;
    tc_coroutine_options_t options = { .max_coroutines = MANY };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    size_t count = 4000; /* whose shadow costs more than the stacks */
#else
    size_t count = MANY;
#endif
    assert_int_equal(tc_ioloop_set_coroutine_options(loop, &options), 0);
    for (size_t i = 0; i < count; i++) {
        tasks[i] = tc_spawn(loop, await_kept, pending);
        assert_non_null(tasks[i]);
    }
    turn();
    tc_future_set_result(pending, NULL, NULL);
    turn();
    for (size_t i = 0; i < count; i++)
        assert_ended(tasks[i], 0);
}

static void beyond_the_limit_none_is_spawned(void **state) {
    (void)state;
    tc_coroutine_options_t options = { .max_coroutines = 2, .stack_size = 64 * 1024 };
    assert_int_equal(tc_ioloop_set_coroutine_options(loop, &options), 0);
    tc_future_t *a = start(await_kept, pending), *b = start(await_kept, pending);
    assert_null(tc_spawn(loop, await_kept, pending));
    assert_string_equal(tc_error_detail(), "the limit of 2 coroutines is reached");
    tc_future_set_result(pending, NULL, NULL);
    turn();
    assert_ended(a, 0);
    assert_ended(b, 0);
    assert_ended(start(await_kept, pending), 0);
}

static void options_are_checked(void **state) {
    (void)state;
    assert_int_equal(tc_ioloop_set_coroutine_options(loop, &(tc_coroutine_options_t){ .stack_size = 100 }), TC_EINVAL);
    atomic_store(&logged.count, 0);
    assert_int_equal(tc_ioloop_set_coroutine_options(loop, &(tc_coroutine_options_t){ .reserved = { 1 } }), TC_EINVAL);
    atomic_store(&logged.count, 0);
    assert_int_equal(tc_ioloop_set_coroutine_options(loop, NULL), TC_EINVAL);
    atomic_store(&logged.count, 0);
    assert_ended(start(say_hello, "x"), 0);
    noted();
    assert_int_equal(tc_ioloop_set_coroutine_options(loop, &(tc_coroutine_options_t){ .keep = 1 }), TC_EBUSY);
    atomic_store(&logged.count, 0);
}

static int await_everything(void *future) {
    tc_on_exit(note_it, "exit");
    TC_TRY(tc_await(tc_with_timeout(tc_future_ref(future), 5), NULL));
    return tc_await(tc_sleep(NULL, 5), NULL);
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++)
        for (long nth = 1; nth <= 12; nth++) {
            fail_allocation(nth, for_good);
            tc_future_t *task = tc_spawn(loop, await_everything, pending);
            turn();
            tc__ioloop_advance(loop, 10);
            allow_allocations();
            int status = task ? tc_future_status(task) : TC_ENOMEM;
            assert_true(status == TC_ENOMEM || status == TC_ETIMEDOUT);
            assert_string_equal(noted(), task ? "exit" : "");
            tc_future_unref(task);
        }
    atomic_store(&logged.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_TASK(a_spawned_coroutine_runs_from_the_next_turn_on),
        TEST_TASK(a_coroutine_whose_future_is_dropped_runs_all_the_same),
        TEST_TASK(what_it_returns_is_its_future_s_status),
        TEST_TASK(the_failure_of_one_that_nobody_looks_at_is_logged),
        TEST_TASK(a_positive_number_is_no_status),
        TEST_TASK(a_coroutine_may_have_a_result),
        TEST_TASK(the_result_of_one_that_fails_is_freed),
        TEST_TASK(on_exit_runs_behind_the_body_last_first),
        TEST_TASK(an_await_stops_until_the_future_is_done),
        TEST_TASK(an_await_of_what_is_done_does_not_stop),
        TEST_TASK(an_await_of_what_fails_returns_the_failure_and_its_words),
        TEST_TASK(an_await_of_nothing_is_out_of_memory),
        TEST_TASK(a_result_that_nobody_wants_is_freed),
        TEST_TASK(a_wait_leaves_the_future_and_its_result),
        TEST_TASK(outside_a_coroutine_there_is_no_awaiting),
        TEST_TASK(coroutines_take_turns),
        TEST_TASK(a_coroutine_awaits_another),
        TEST_TASK(an_await_with_a_timeout_ends_by_it),
        TEST_TASK(what_is_awaited_may_be_of_another_loop_only_if_it_is_done),
        TEST_TASK(a_cancel_ends_the_await_and_all_later_ones),
        TEST_TASK(a_cancel_before_the_start_lets_it_run_into_its_first_await),
        TEST_TASK(what_only_the_cancelled_awaits_is_cancelled_too),
        TEST_TASK(what_others_hold_is_not_cancelled),
        TEST_TASK(a_result_of_the_same_turn_wins_over_the_cancel),
        TEST_TASK(a_result_that_comes_after_the_cancel_is_too_late),
        TEST_TASK(a_permit_that_comes_after_the_cancel_is_not_lost),
        TEST_TASK(behind_a_shield_awaits_wait),
        TEST_TASK(a_cancel_does_not_reach_an_await_behind_a_shield),
        TEST_TASK(a_failure_that_meets_a_cancel_is_brought_by_an_iterator_s_next),
        TEST_TASK(cancelled_work_that_runs_is_waited_for),
        TEST_TASK(cancelled_work_that_is_queued_is_taken_back_at_once),
        TEST_TASK(gathered_work_that_runs_is_waited_for_and_nothing_else),
        TEST_TASK(work_that_runs_is_waited_for_though_the_time_of_its_scope_is_up),
        TEST_TASK(a_loop_s_end_cancels_its_coroutines),
        TEST_TASK(no_shield_holds_up_a_loop_s_end),
        TEST_TASK(a_loop_s_end_waits_for_work_that_uses_a_coroutine_s_stack),
        TEST_TASK(so_it_does_if_that_is_gathered),
        TEST_TASK(one_that_has_not_begun_runs_at_the_loop_s_end),
        TEST_REAL(run_sync_runs_the_loop_until_the_coroutine_has_ended),
        TEST_REAL(run_sync_cancels_it_when_the_time_is_up),
        TEST_REAL(run_sync_ends_when_the_loop_is_stopped),
        TEST_REAL(run_sync_is_not_for_a_loop_that_runs),
        TEST_REAL(run_sync_may_run_another_loop_meanwhile),
        TEST_REAL(callbacks_of_a_loop_that_a_coroutine_runs_cannot_await),
        TEST_REAL(run_sync_needs_a_function),
        TEST_REAL(a_thread_of_the_executor_is_no_place_to_await),
        TEST_TASK(others_may_run_inside_one_that_turns_the_loop),
        TEST_REAL(a_coroutine_cannot_free_its_loop),
        TEST_TASK(forty_thousand_wait_at_once),
        TEST_TASK(beyond_the_limit_none_is_spawned),
        TEST_TASK(options_are_checked),
        TEST_TASK(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
