/* scope_test.c - children that use their parent's locals, and a parent that waits for them. */
#include "async/async_test.h"

#include <tornadoc/coroutine.h>

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

static void without_memory_close_says_so(void **state) {
    (void)state;
    for (long nth = 1; nth <= 4; nth++) {
        run(fails_to_grow, &nth, TC_ENOMEM);
        atomic_store(&logged.count, 0);
    }
}

static void outside_a_coroutine_there_is_no_scope(void **state) {
    (void)state;
    assert_null(tc_scope_open());
    assert_logged("tc_scope_open outside a coroutine");
    assert_int_equal(tc_scope_spawn(NULL, add_later, NULL), TC_EINVAL);
    atomic_store(&logged.count, 0);
    assert_int_equal(tc_scope_close(NULL), TC_ENOMEM);
    tc_scope_cancel(NULL);
}

static tc_scope_t *opened;

static int opens_and_closes(void *sum) {
    opened = tc_scope_open();
    tc_scope_spawn(opened, add_later, sum);
    int err = tc_await(tc_sleep(NULL, 5), NULL);
    return err < 0 ? err : tc_scope_close(opened);
}

static void a_close_that_cannot_wait_leaves_the_scope_as_it_is(void **state) {
    (void)state;
    int sum = 0;
    tc_future_t *task = tc_spawn(loop, opens_and_closes, &sum);
    tc__ioloop_advance(loop, 1);
    assert_int_equal(tc_scope_close(opened), TC_ENOTCORO);
    assert_logged("tc_await outside a coroutine");
    tc__ioloop_advance(loop, 100);
    assert_int_equal(tc_future_status(task), 0);
    assert_int_equal(sum, 1);
    tc_future_unref(task);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_SCOPE(close_waits_for_all_children),
        TEST_SCOPE(a_scope_without_children_closes_at_once),
        TEST_SCOPE(the_first_failure_cancels_the_others_and_is_what_close_returns),
        TEST_SCOPE(a_cancel_of_the_parent_reaches_its_children_and_is_waited_for),
        TEST_SCOPE(a_scope_may_be_cancelled_by_its_parent),
        TEST_SCOPE(children_may_start_siblings),
        TEST_SCOPE(scopes_nest),
        TEST_SCOPE(the_loop_s_end_ends_the_children_before_the_parent),
        TEST_SCOPE(without_memory_close_says_so),
        TEST_SCOPE(outside_a_coroutine_there_is_no_scope),
        TEST_SCOPE(a_close_that_cannot_wait_leaves_the_scope_as_it_is),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
