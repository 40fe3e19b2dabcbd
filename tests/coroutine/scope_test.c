/* scope_test.c - children that use their parent's locals, a parent that waits for them, and a time for them all. */
#include "async/async_test.h"

#include <tornadoc/coroutine.h>
#include <tornadoc/locks.h>

#include "coroutine/sanitizers_internal.h"

static tc_ioloop_t *loop;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    return err;
}

static int drop_loop(void **state) {
    return loop ? free_loop(state) : nothing_is_left(state);
}
#define TEST_SCOPE(test) cmocka_unit_test_setup_teardown(test, make_loop, drop_loop)

static int add_later(void *sum) {
    int err = tc_await(tc_sleep(NULL, 10), NULL);
    *(int *)sum += err == 0 ? 1 : 100;
    return err;
}

static int fail_sooner(void *arg) {
    (void)arg;
    int err = tc_await(tc_sleep(NULL, 5), NULL);
    return err < 0 ? err : TC_EPROTO;
}

static void run(tc_coroutine_fn fn, void *arg, int status) {
    tc_future_t *task = tc_spawn(loop, fn, arg);
    tc__ioloop_advance(loop, 100);
    assert_int_equal(tc_future_status(task), status);
    tc_future_unref(task);
}

static tc_scope_t *opened;

static int three_children(void *arg) {
    int sum = 0;
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    for (int i = 0; i < 3; i++)
        tc_scope_spawn(scope, add_later, &sum);
    int err = tc_scope_close(scope);
    note("%d", sum);
    return err;
}

static void close_waits_for_all_children(void **state) {
    (void)state;
    run(three_children, NULL, 0);
    assert_string_equal(noted(), "3");
}

static int no_children(void *arg) {
    (void)arg;
    return tc_scope_close(tc_scope_open());
}

static void a_scope_without_children_closes_at_once(void **state) {
    (void)state;
    run(no_children, NULL, 0);
}

static int one_fails(void *arg) {
    int sum = 0;
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, add_later, &sum);
    tc_scope_spawn(scope, fail_sooner, NULL);
    int err = tc_scope_close(scope);
    note("%d", sum);
    return err;
}

static void the_first_failure_cancels_the_others_and_is_what_close_returns(void **state) {
    (void)state;
    run(one_fails, NULL, TC_EPROTO);
    assert_string_equal(noted(), "100");
}

static void a_cancel_of_the_parent_reaches_its_children_and_is_waited_for(void **state) {
    (void)state;
    tc_future_t *task = tc_spawn(loop, three_children, NULL);
    tc__ioloop_advance(loop, 5);
    tc_future_cancel(task);
    tc__ioloop_advance(loop, 0);
    assert_int_equal(tc_future_status(task), TC_ECANCELED);
    assert_string_equal(noted(), "300");
    tc_future_unref(task);
}

static int cancelled_by_hand(void *arg) {
    int sum = 0;
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, add_later, &sum);
    tc_await(tc_moment(NULL), NULL) ? note("?") : note("moment");
    tc_scope_cancel(scope);
    int err = tc_scope_close(scope);
    note("%d", sum);
    return err;
}

static void a_scope_may_be_cancelled_by_its_parent(void **state) {
    (void)state;
    run(cancelled_by_hand, NULL, 0);
    assert_string_equal(noted(), "moment 100");
}

/* ---- What a cancelled scope does to the awaits of its parent ---- */

static const char *in_short(int err) {
    return err == 0              ? "ok"
           : err == TC_ECANCELED ? "cancelled"
           : err == TC_ETIMEDOUT ? "late"
           : err == TC_EPROTO    ? "failed"
                                 : "?";
}

static void note_await(tc_future_t *future) {
    note("%s", in_short(tc_await(future, NULL)));
}

static int awaits_inside(void *child) {
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, (tc_coroutine_fn)(uintptr_t)child, scope);
    note_await(tc_sleep(NULL, 60000));
    note("%d", tc_cancelled());
    note_await(tc_moment(NULL));
    int err = tc_scope_close(scope);
    note("%s", in_short(err));
    note("%d", tc_cancelled());
    note_await(tc_sleep(NULL, 10));
    return err;
}

static void a_child_that_fails_ends_its_parent_s_await_until_the_close(void **state) {
    (void)state;
    run(awaits_inside, (void *)(uintptr_t)fail_sooner, TC_EPROTO);
    assert_string_equal(noted(), "cancelled 1 cancelled failed 0 ok");
}

static int cancel_sooner(void *scope) {
    TC_TRY(tc_await(tc_sleep(NULL, 5), NULL));
    tc_scope_cancel(scope);
    return 0;
}

static void a_scope_that_is_cancelled_by_a_child_ends_its_parent_s_await(void **state) {
    (void)state;
    run(awaits_inside, (void *)(uintptr_t)cancel_sooner, 0);
    assert_string_equal(noted(), "cancelled 1 cancelled ok 0 ok");
}

static int fail_and_set(void *event) {
    TC_TRY(tc_await(tc_sleep(NULL, 5), NULL));
    tc_event_set(event);
    return TC_EPROTO;
}

static int awaits_event(void *event) {
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, fail_and_set, event);
    note_await(tc_event_wait(event, TC_FOREVER));
    note_await(tc_moment(NULL));
    return tc_scope_close(scope);
}

static void a_result_of_the_same_turn_wins_over_a_child_s_failure(void **state) {
    (void)state;
    tc_event_t *event = tc_event_new();
    run(awaits_event, event, TC_EPROTO);
    assert_string_equal(noted(), "ok cancelled");
    tc_event_free(event);
}

static int awaits_shielded(void *arg) {
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, fail_sooner, NULL);
    tc_shield(true);
    note_await(tc_sleep(NULL, 10));
    tc_shield(false);
    note_await(tc_sleep(NULL, 10));
    return tc_scope_close(scope);
}

static void behind_a_shield_a_child_s_failure_ends_no_await(void **state) {
    (void)state;
    run(awaits_shielded, NULL, TC_EPROTO);
    assert_string_equal(noted(), "ok cancelled");
}

static int two_scopes(void *inner_fails) {
    int sum = 0;
    tc_scope_t *outer = tc_scope_open(), *inner = tc_scope_open();
    tc_scope_spawn(inner_fails ? inner : outer, fail_sooner, NULL);
    tc_scope_spawn(inner_fails ? outer : inner, add_later, &sum);
    note("%s", in_short(tc_scope_close(inner)));
    note_await(tc_sleep(NULL, 20));
    int err = tc_scope_close(outer);
    note("%s", in_short(err));
    note("%d", sum);
    note_await(tc_sleep(NULL, 10));
    return 0;
}

static void an_outer_scope_that_fails_cancels_the_inner_one(void **state) {
    (void)state;
    run(two_scopes, NULL, 0);
    assert_string_equal(noted(), "cancelled cancelled failed 100 ok");
}

static void an_inner_scope_that_fails_leaves_the_outer_one_alone(void **state) {
    (void)state;
    run(two_scopes, "", 0);
    assert_string_equal(noted(), "failed ok ok 1 ok");
}

static void a_cancel_of_the_parent_is_not_over_with_the_close(void **state) {
    (void)state;
    tc_future_t *task = tc_spawn(loop, awaits_inside, (void *)(uintptr_t)fail_sooner);
    tc__ioloop_advance(loop, 1);
    tc_future_cancel(task);
    tc__ioloop_advance(loop, 0);
    assert_int_equal(tc_future_status(task), TC_ECANCELED);
    assert_string_equal(noted(), "cancelled 1 cancelled cancelled 1 cancelled");
    tc_future_unref(task);
}

/* ---- A time for all of it ---- */

static int in_time(void *ms) {
    tc_scope_t *scope = tc_scope_open();
    int err = tc_scope_set_timeout(scope, *(uint64_t *)ms);
    if (err == 0)
        note_await(tc_sleep(NULL, 10));
    err = tc_scope_close(scope);
    note("%s", in_short(err));
    note_await(tc_sleep(NULL, 10));
    return err;
}

static void a_scope_may_have_a_time_after_which_awaits_are_cancelled(void **state) {
    uint64_t soon = 9, later = 11;
    (void)state;
    run(in_time, &soon, TC_ETIMEDOUT);
    assert_string_equal(noted(), "cancelled late ok");
    run(in_time, &later, 0);
    assert_string_equal(noted(), "ok ok ok");
}

static int children_in_time(void *ms) {
    int sum = 0;
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, add_later, &sum);
    tc_scope_spawn(scope, three_children, NULL);
    int err = tc_scope_set_timeout(scope, *(uint64_t *)ms);
    int failed = tc_scope_close(scope);
    note("%d", sum);
    return err < 0 ? err : failed;
}

static void so_are_the_children_while_close_waits_for_them(void **state) {
    uint64_t soon = 5, later = 50;
    (void)state;
    run(children_in_time, &soon, TC_ETIMEDOUT);
    assert_string_equal(noted(), "300 100");
    run(children_in_time, &later, 0);
    assert_string_equal(noted(), "3 1");
}

static int changes_its_time(void *arg) {
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    for (int i = 0; i < 3; i++) {
        note("%d", tc_scope_set_timeout(scope, 15));
        note_await(tc_sleep(NULL, 10));
    }
    note("%d", tc_scope_set_timeout(scope, TC_FOREVER));
    note_await(tc_sleep(NULL, 20));
    return tc_scope_close(scope);
}

static void its_time_may_be_changed_and_taken_back(void **state) {
    (void)state;
    run(changes_its_time, NULL, 0);
    assert_string_equal(noted(), "0 ok 0 ok 0 ok 0 ok");
}

static int fails_before_its_time(void *arg) {
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, fail_sooner, NULL);
    int err = tc_scope_set_timeout(scope, 10);
    tc_shield(true);
    note_await(tc_sleep(NULL, 20));
    tc_shield(false);
    int failed = tc_scope_close(scope);
    note("%s", tc_error_detail());
    return err < 0 ? err : failed;
}

static void what_fails_before_the_time_is_up_is_what_close_returns(void **state) {
    char detail[100];
    (void)state;
    run(fails_before_its_time, NULL, TC_EPROTO);
    snprintf(detail, sizeof detail, "ok a child of the scope failed: %s", tc_strerror(TC_EPROTO));
    assert_string_equal(noted(), detail);
}

static void a_scope_that_could_not_be_made_has_no_time(void **state) {
    (void)state;
    assert_int_equal(tc_scope_set_timeout(NULL, 10), TC_ENOMEM);
}

/* ---- Scopes that nobody closes ---- */

static int a_sum; /* not a local of who has returned */

static int returns_without_closing(void *status) {
    tc_on_exit(note_it, "exit");
    tc_scope_spawn(tc_scope_open(), add_later, &a_sum);
    note_await(tc_sleep(NULL, 1));
    return *(int *)status;
}

static void a_scope_that_its_parent_leaves_open_is_cancelled_and_waited_for(void **state) {
    int statuses[] = { 0, TC_ETIMEDOUT };
    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        a_sum = 0;
        run(returns_without_closing, &statuses[i], statuses[i]);
        assert_logged("returned without tc_scope_close");
        assert_string_equal(noted(), "ok exit");
        assert_int_equal(a_sum, 100);
    }
}

static int leaves_two_open(void *arg) {
    (void)arg;
    tc_scope_spawn(tc_scope_open(), fail_sooner, NULL);
    tc_scope_spawn(tc_scope_open(), add_later, &a_sum);
    note_await(tc_sleep(NULL, 60000));
    return 0;
}

static void what_had_failed_in_a_scope_left_open_is_not_lost(void **state) {
    (void)state;
    a_sum = 0;
    run(leaves_two_open, NULL, TC_EPROTO);
    assert_int_equal(atomic_exchange(&logged.count, 0), 2);
    assert_string_equal(noted(), "cancelled");
    assert_int_equal(a_sum, 100);
}

static void open_and_forget(void *arg) {
    (void)arg;
    tc_scope_spawn(tc_scope_open(), add_later, &a_sum);
}

static int forgets_at_exit(void *arg) {
    (void)arg;
    return tc_on_exit(open_and_forget, NULL);
}

static void so_is_one_that_was_opened_on_the_way_out(void **state) {
    (void)state;
    a_sum = 0;
    run(forgets_at_exit, NULL, 0);
    assert_logged("returned without tc_scope_close");
    assert_int_equal(a_sum, 100);
}

static void a_scope_left_open_is_waited_for_by_the_loop_s_end_too(void **state) {
    int status = 0;
    (void)state;
    a_sum = 0;
    tc_future_t *task = tc_spawn(loop, returns_without_closing, &status);
    tc__ioloop_advance(loop, 0);
    tc_ioloop_free(loop);
    loop = NULL;
    assert_logged("returned without tc_scope_close");
    assert_string_equal(noted(), "cancelled exit");
    assert_int_equal(a_sum, 100);
    assert_int_equal(tc_future_status(task), 0);
    tc_future_unref(task);
}

#if !defined(TC__ASAN) /* which says what is wrong with it */
static int leaves_a_local_behind(void *arg) {
    volatile int locals[64] = { 0 };
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    for (int i = 0; i < 64; i++)
        tc_scope_spawn(scope, add_later, (void *)(uintptr_t)&locals[i]);
    note_await(tc_sleep(NULL, 1));
    return 0;
}

static void children_that_write_to_locals_of_who_left_them_do_no_harm(void **state) {
    (void)state;
    run(leaves_a_local_behind, NULL, 0);
    assert_logged("returned without tc_scope_close");
    assert_string_equal(noted(), "ok");
}
#endif

/* ---- Siblings, and the loop's end ---- */

static int spawn_sibling(void *scope) {
    static int sum;
    return tc_scope_spawn(scope, add_later, &sum);
}

static int grows(void *arg) {
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, spawn_sibling, scope);
    return tc_scope_close(scope);
}

static void children_may_start_siblings(void **state) {
    (void)state;
    run(grows, NULL, 0);
}

static int outer(void *arg) {
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, three_children, arg);
    tc_scope_spawn(scope, one_fails, arg);
    return tc_scope_close(scope);
}

static void scopes_nest(void **state) {
    (void)state;
    run(outer, NULL, TC_EPROTO);
    assert_string_equal(noted(), "100 300");
}

static void the_loop_s_end_ends_the_children_before_the_parent(void **state) {
    (void)state;
    tc_future_t *task = tc_spawn(loop, three_children, NULL);
    tc__ioloop_advance(loop, 5);
    tc_ioloop_free(loop);
    loop = NULL;
    assert_string_equal(noted(), "300");
    assert_int_equal(tc_future_status(task), TC_ECANCELED);
    tc_future_unref(task);
}

static int fails_to_grow(void *nth) {
    int sum = 0;
    fail_allocation(*(long *)nth, false);
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, add_later, &sum);
    tc_scope_spawn(scope, add_later, &sum);
    allow_allocations();
    return tc_scope_close(scope);
}

/* Two for the scope, two for each child. */
static void without_memory_close_says_so(void **state) {
    (void)state;
    for (long nth = 1; nth <= 4; nth++) {
        run(fails_to_grow, &nth, TC_ENOMEM);
        assert_int_equal(atomic_load(&logged.count), 0);
    }
}

static void outside_a_coroutine_there_is_no_scope(void **state) {
    (void)state;
    assert_null(tc_scope_open());
    assert_logged("tc_scope_open outside a coroutine");
    assert_int_equal(tc_scope_spawn(NULL, add_later, NULL), TC_ENOMEM);
    assert_int_equal(tc_scope_spawn(NULL, NULL, NULL), TC_EINVAL);
    assert_logged("fn is NULL");
    assert_int_equal(tc_scope_close(NULL), TC_ENOMEM);
    tc_scope_cancel(NULL);
}

static int opens_and_closes(void *sum) {
    opened = tc_scope_open();
    tc_scope_spawn(opened, add_later, sum);
    int err = tc_await(tc_sleep(NULL, 5), NULL);
    return err < 0 ? err : tc_scope_close(opened);
}

static int closes_what_is_another_s(void *arg) {
    (void)arg;
    return tc_scope_close(opened);
}

static void only_who_opened_a_scope_closes_it(void **state) {
    (void)state;
    int sum = 0;
    tc_future_t *task = tc_spawn(loop, opens_and_closes, &sum);
    tc__ioloop_advance(loop, 0);
    assert_int_equal(tc_scope_close(opened), TC_ENOTCORO);
    assert_logged("closed by the coroutine that opened it");
    run(closes_what_is_another_s, NULL, TC_ENOTCORO);
    assert_logged("closed by the coroutine that opened it");
    tc__ioloop_advance(loop, 100);
    assert_int_equal(tc_future_status(task), 0);
    assert_int_equal(sum, 1);
    tc_future_unref(task);
}

/* ---- Between the last child's end and the parent's going on ---- */

static int ends_at_once(void *arg) {
    (void)arg;
    return 0;
}

static int wants_another_child(void *sum) {
    note("%d", tc_scope_spawn(opened, add_later, sum));
    return 0;
}

static int closes_what_others_know(void *sum) {
    opened = tc_scope_open();
    tc_scope_spawn(opened, ends_at_once, NULL);
    tc_future_unref(tc_spawn(loop, wants_another_child, sum)); /* runs right behind the child */
    int err = tc_scope_close(opened);
    note("%d", err);
    return tc_await(tc_sleep(NULL, 50), NULL);
}

static void a_scope_whose_children_have_ended_takes_no_more(void **state) {
    (void)state;
    int sum = 0;
    run(closes_what_others_know, &sum, 0);
    assert_string_equal(noted(), "-1025 0");
    assert_logged("the scope is being closed");
    assert_int_equal(sum, 0);
}

static int cancels_it(void *arg) {
    (void)arg;
    tc_scope_cancel(opened);
    return 0;
}

static int ends_its_time(void *arg) {
    (void)arg;
    return tc_scope_set_timeout(opened, 0);
}

static int waits_a_moment(void *arg) {
    (void)arg;
    return tc_await(tc_moment(NULL), NULL);
}

/* In one of two turns the timers come between the child and the parent. */
static int closes_what_another_ends(void *another) {
    for (int i = 0; i < 4; i++) {
        opened = tc_scope_open();
        tc_scope_spawn(opened, ends_at_once, NULL);
        tc_future_unref(tc_spawn(NULL, (tc_coroutine_fn)(uintptr_t)another, NULL)); /* runs right behind the child */
        note("%s", in_short(tc_scope_close(opened)));
        if (i == 1)
            waits_a_moment(NULL);
    }
    return 0;
}

static void a_scope_whose_children_have_ended_well_cannot_be_cancelled(void **state) {
    (void)state;
    run(closes_what_another_ends, (void *)(uintptr_t)cancels_it, 0);
    assert_string_equal(noted(), "ok ok ok ok");
}

static void a_scope_whose_children_have_ended_in_time_is_in_time(void **state) {
    tc_ioloop_t *real;
    (void)state;
    assert_int_equal(tc_ioloop_new(&real), 0);
    assert_int_equal(tc_run_sync(real, closes_what_another_ends, (void *)(uintptr_t)ends_its_time, TC_FOREVER), 0);
    tc_ioloop_free(real);
    assert_string_equal(noted(), "ok ok ok ok");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_SCOPE(close_waits_for_all_children),
        TEST_SCOPE(a_scope_without_children_closes_at_once),
        TEST_SCOPE(the_first_failure_cancels_the_others_and_is_what_close_returns),
        TEST_SCOPE(a_cancel_of_the_parent_reaches_its_children_and_is_waited_for),
        TEST_SCOPE(a_scope_may_be_cancelled_by_its_parent),
        TEST_SCOPE(a_child_that_fails_ends_its_parent_s_await_until_the_close),
        TEST_SCOPE(a_scope_that_is_cancelled_by_a_child_ends_its_parent_s_await),
        TEST_SCOPE(a_result_of_the_same_turn_wins_over_a_child_s_failure),
        TEST_SCOPE(behind_a_shield_a_child_s_failure_ends_no_await),
        TEST_SCOPE(an_outer_scope_that_fails_cancels_the_inner_one),
        TEST_SCOPE(an_inner_scope_that_fails_leaves_the_outer_one_alone),
        TEST_SCOPE(a_cancel_of_the_parent_is_not_over_with_the_close),
        TEST_SCOPE(a_scope_may_have_a_time_after_which_awaits_are_cancelled),
        TEST_SCOPE(so_are_the_children_while_close_waits_for_them),
        TEST_SCOPE(its_time_may_be_changed_and_taken_back),
        TEST_SCOPE(what_fails_before_the_time_is_up_is_what_close_returns),
        TEST_SCOPE(a_scope_that_could_not_be_made_has_no_time),
        TEST_SCOPE(a_scope_that_its_parent_leaves_open_is_cancelled_and_waited_for),
        TEST_SCOPE(what_had_failed_in_a_scope_left_open_is_not_lost),
        TEST_SCOPE(so_is_one_that_was_opened_on_the_way_out),
        TEST_SCOPE(a_scope_left_open_is_waited_for_by_the_loop_s_end_too),
#if !defined(TC__ASAN)
        TEST_SCOPE(children_that_write_to_locals_of_who_left_them_do_no_harm),
#endif
        TEST_SCOPE(children_may_start_siblings),
        TEST_SCOPE(scopes_nest),
        TEST_SCOPE(the_loop_s_end_ends_the_children_before_the_parent),
        TEST_SCOPE(without_memory_close_says_so),
        TEST_SCOPE(outside_a_coroutine_there_is_no_scope),
        TEST_SCOPE(only_who_opened_a_scope_closes_it),
        TEST_SCOPE(a_scope_whose_children_have_ended_takes_no_more),
        TEST_SCOPE(a_scope_whose_children_have_ended_well_cannot_be_cancelled),
        TEST_SCOPE(a_scope_whose_children_have_ended_in_time_is_in_time),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
