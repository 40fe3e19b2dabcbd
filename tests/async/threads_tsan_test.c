/* threads_tsan_test.c - what any thread may call, called from several at once. */
#include "async/async_test.h"

#include <sched.h>
#include <uv.h>

enum { THREADS = 4, CALLS = 2000 };

typedef struct {
    tc_ioloop_t *loop;
    tc__mailbox_t *box;
    int first; /* number of this thread's first call */
    int accepted;
} thread_arg_t;

static uv_thread_t threads[THREADS];
static thread_arg_t args[THREADS];

static void run_threads(tc_ioloop_t *loop, uv_thread_cb body) {
    for (int i = 0; i < THREADS; i++) {
        args[i] = (thread_arg_t){ .loop = loop, .box = tc__mailbox_ref(loop->mailbox), .first = i * CALLS };
        assert_int_equal(uv_thread_create(&threads[i], body, &args[i]), 0);
    }
}

static int join_threads(void) {
    int accepted = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(uv_thread_join(&threads[i]), 0);
        tc__mailbox_unref(args[i].box);
        accepted += args[i].accepted;
    }
    return accepted;
}

/* ---- tc_ioloop_add_callback ---- */

static int numbers[THREADS * CALLS]; /* the callback of number n gets &numbers[n] */
static int seen[THREADS], total, out_of_order, wrong_thread;
static tc_ioloop_t *receiver;

static void receive(void *number) {
    int n = (int)((int *)number - numbers);
    out_of_order += n % CALLS < seen[n / CALLS];
    seen[n / CALLS] = n % CALLS;
    wrong_thread += tc_ioloop_current() != receiver;
    if (++total == THREADS * CALLS)
        tc_ioloop_stop(receiver);
}

static void add_callbacks(void *user_data) {
    thread_arg_t *arg = user_data;
    for (int i = 0; i < CALLS; i++)
        arg->accepted += tc_ioloop_add_callback(arg->loop, receive, &numbers[arg->first + i]) == 0;
}

static void start_over(tc_ioloop_t *loop) {
    memset(seen, 0, sizeof(seen));
    total = out_of_order = wrong_thread = 0;
    receiver = loop;
}

static void callbacks_of_four_threads_all_run_each_thread_s_in_order(void **state) {
    start_over(*state);
    run_threads(*state, add_callbacks);
    assert_int_equal(tc_ioloop_start(*state), 0);
    assert_int_equal(join_threads(), THREADS * CALLS);
    assert_int_equal(total, THREADS * CALLS);
    assert_int_equal(out_of_order, 0);
    assert_int_equal(wrong_thread, 0);
}

static void callbacks_added_before_the_loop_runs_wait_for_it(void **state) {
    start_over(*state);
    run_threads(*state, add_callbacks);
    assert_int_equal(join_threads(), THREADS * CALLS);
    assert_int_equal(total, 0);
    assert_int_equal(tc_ioloop_start(*state), 0);
    assert_int_equal(total, THREADS * CALLS);
}

static void the_loop_s_own_calls_fall_in_line(void **state) {
    start_over(*state);
    run_threads(*state, add_callbacks);
    while (total < THREADS * CALLS) {
        tc_ioloop_add_callback(*state, note_it, "own");
        tc__ioloop_turn(*state, true);
    }
    join_threads();
    assert_int_equal(out_of_order, 0);
    assert_string_not_equal(noted(), "");
}

/* ---- tc_ioloop_stop ---- */

static void stop_it(void *loop) {
    tc_ioloop_stop(loop);
}

static void another_thread_stops_the_loop(void **state) {
    for (int i = 0; i < 100; i++) {
        uv_thread_t thread;
        assert_int_equal(uv_thread_create(&thread, stop_it, *state), 0);
        assert_int_equal(tc_ioloop_start(*state), 0);
        assert_int_equal(uv_thread_join(&thread), 0);
    }
}

/* ---- A loop made here and run there ---- */

static void run_it(void *loop) {
    note("%d", tc_ioloop_start(loop));
    note("%d", tc_ioloop_current() == loop);
}

static void a_loop_may_run_on_another_thread_than_it_was_made_on(void **state) {
    uv_thread_t thread;
    start_over(*state);
    assert_int_equal(uv_thread_create(&thread, run_it, *state), 0);
    for (int i = 0; i < THREADS * CALLS; i++)
        assert_int_equal(tc_ioloop_add_callback(*state, receive, &numbers[i]), 0);
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_int_equal(total, THREADS * CALLS);
    assert_string_equal(noted(), "0 1");
}

/* ---- The mailbox against the loop's end ---- */

typedef struct {
    struct tc__mail mail;
} letter_t;

static int received;

static void receive_letter(struct tc__mail *mail, tc_ioloop_t *loop) {
    (void)loop;
    received++;
    free(tc__container_of(mail, letter_t, mail));
}

static void post_until_closed(void *user_data) {
    thread_arg_t *arg = user_data;
    for (;;) {
        letter_t *letter = calloc(1, sizeof(*letter));
        letter->mail.fn = receive_letter;
        if (tc__mailbox_post(arg->box, &letter->mail) != 0) {
            free(letter);
            return;
        }
        arg->accepted++;
        sched_yield(); /* the mutex is not fair: four that never pause can keep the loop from it for minutes */
    }
}

static void mail_is_either_delivered_once_or_refused_when_the_loop_is_freed_meanwhile(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        tc_ioloop_t *loop;
        assert_int_equal(tc_ioloop_new(&loop), 0);
        received = 0;
        run_threads(loop, post_until_closed);
        for (int turn = 0; turn <= round; turn++)
            tc__ioloop_turn(loop, true);
        tc_ioloop_free(loop);
        assert_int_equal(join_threads(), received);
    }
}

/* ---- The executor ---- */

static int add_one(void *arg, void **out) {
    ++*(int *)arg;
    *out = arg;
    return 0;
}

static void use_executor(void *user_data) {
    thread_arg_t *arg = user_data;
    tc_ioloop_t *loop;
    if (tc_ioloop_new(&loop) != 0)
        return;
    for (int i = 0; i < 200; i++) {
        tc_future_t *future = tc_run_in_executor(NULL, add_one, &numbers[arg->first + i], NULL);
        if (i % 3 == 0)
            tc_future_cancel(future);
        while (tc_future_state(future) == TC_PENDING)
            tc__ioloop_turn(loop, true);
        arg->accepted += tc_future_status(future) == (numbers[arg->first + i] == 1 ? 0 : TC_ECANCELED);
        tc_future_unref(future);
    }
    tc_future_unref(tc_run_in_executor(NULL, add_one, &numbers[arg->first + 200], NULL)); /* under way at the end */
    tc_ioloop_free(loop);
}

static void loops_of_four_threads_share_the_default_executor(void **state) {
    memset(numbers, 0, sizeof(numbers));
    run_threads(*state, use_executor);
    assert_int_equal(join_threads(), THREADS * 200);
}

static void touch(void *arg) {
    ++*(int *)arg;
}

static void loops_that_end_while_work_is_queued_and_runs_leave_nothing(void **state) {
    (void)state;
    tc_executor_t *executor;
    assert_int_equal(tc_executor_new(&executor, 2), 0);
    memset(numbers, 0, sizeof(numbers));
    for (int round = 0; round < 50; round++) {
        tc_ioloop_t *loop;
        assert_int_equal(tc_ioloop_new(&loop), 0);
        for (int i = 0; i < 20; i++)
            tc_future_unref(tc_run_in_executor(executor, add_one, &numbers[2 * (round * 20 + i)], touch));
        tc__ioloop_turn(loop, false);
        tc_ioloop_free(loop);
    }
    tc_executor_free(executor);
    for (int i = 0; i < 50 * 20; i++) /* once by free_arg, and by the work if it ran */
        assert_in_range(numbers[2 * i], 1, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_LOOP(callbacks_of_four_threads_all_run_each_thread_s_in_order),
        TEST_LOOP(callbacks_added_before_the_loop_runs_wait_for_it),
        TEST_LOOP(the_loop_s_own_calls_fall_in_line),
        TEST_LOOP(another_thread_stops_the_loop),
        TEST_LOOP(a_loop_may_run_on_another_thread_than_it_was_made_on),
        TEST(mail_is_either_delivered_once_or_refused_when_the_loop_is_freed_meanwhile),
        TEST_LOOP(loops_of_four_threads_share_the_default_executor),
        TEST(loops_that_end_while_work_is_queued_and_runs_leave_nothing),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
