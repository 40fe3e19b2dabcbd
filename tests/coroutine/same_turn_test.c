/*
 * same_turn_test.c - a grant that meets a cancel or a timeout in the same turn: what was granted has one owner then.
 *
 * Each thing that can be waited for is asked for in each way, and granted in each order with what ends the wait. Either
 * the coroutine has it then, or it is to be had by the next.
 */
#include "async/async_test.h"

#include <tornadoc/coroutine.h>
#include <tornadoc/locks.h>
#include <tornadoc/queues.h>

enum { TIME_MS = 10 };

static tc_ioloop_t *loop;
static tc_future_t *never;
static const struct thing *thing;
static const struct way *way;
static int status;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    never = err == 0 ? tc_future_new(loop) : NULL;
    return never ? 0 : -1;
}

static int drop_loop(void **state) {
    tc_future_unref(never);
    return free_loop(state);
}
#define TEST_TURN(test) cmocka_unit_test_setup_teardown(test, make_loop, drop_loop)

static int status_of(tc_future_t *future) {
    int its = tc_future_status(future);
    tc_future_unref(future);
    return its;
}

/* ---- Things that can be waited for ---- */

typedef struct thing {
    void (*begin)(void); /* one has to wait for it … */
    tc_future_t *(*ask)(uint64_t timeout_ms);
    void (*grant)(void); /* … until this is called */
    bool (*has_one_owner)(bool got_it);
    void (*end)(void);
    bool is_put; /* nothing is given back: a put is done, or is not */
} thing_t;

static tc_lock_t *lock;

static void begin_lock(void) {
    lock = tc_lock_new();
    assert_int_equal(status_of(tc_lock_acquire(lock, 0)), 0);
}

static tc_future_t *ask_lock(uint64_t timeout_ms) {
    return tc_lock_acquire(lock, timeout_ms);
}

static void grant_lock(void) {
    tc_lock_release(lock);
}

static bool lock_has_one_owner(bool got_it) {
    bool is_free = status_of(tc_lock_acquire(lock, 0)) == 0;
    return got_it != is_free && tc_lock_release(lock) == 0;
}

static void end_lock(void) {
    tc_lock_free(lock);
}

static tc_semaphore_t *semaphore;

static void begin_semaphore(void) {
    semaphore = tc_semaphore_new(0);
}

static tc_future_t *ask_semaphore(uint64_t timeout_ms) {
    return tc_semaphore_acquire(semaphore, timeout_ms);
}

static void grant_semaphore(void) {
    tc_semaphore_release(semaphore);
}

static bool semaphore_has_one_owner(bool got_it) {
    int permits = got_it;
    while (status_of(tc_semaphore_acquire(semaphore, 0)) == 0)
        permits++;
    return permits == 1;
}

static void end_semaphore(void) {
    tc_semaphore_free(semaphore);
}

static tc_queue_t *queue;

static void begin_get(void) {
    queue = tc_queue_new(1, note_it);
}

static tc_future_t *ask_get(uint64_t timeout_ms) {
    return tc_queue_get(queue, timeout_ms);
}

static void grant_get(void) {
    if (tc_queue_put_nowait(queue, "freed") < 0)
        note("full");
}

static bool item_has_one_owner(bool got_it) { /* who got it did not want it: so it was freed */
    return strcmp(noted(), got_it ? "freed" : "") == 0 && tc_queue_size(queue) == !got_it;
}

static void end_queue(void) {
    tc_queue_free(queue);
    noted();
}

static void begin_put(void) {
    queue = tc_queue_new(1, NULL);
    assert_int_equal(tc_queue_put_nowait(queue, "old"), 0);
}

static tc_future_t *ask_put(uint64_t timeout_ms) {
    return tc_queue_put(queue, "new", timeout_ms);
}

static void grant_put(void) {
    char *item;
    if (tc_queue_get_nowait(queue, &item) < 0 || strcmp(item, "old") != 0)
        note("what?");
}

static bool put_item_has_one_owner(bool put_it) {
    return *noted() == '\0' && tc_queue_size(queue) == put_it;
}

static tc_condition_t *condition;
static tc_future_t *second;

static void begin_condition(void) {
    condition = tc_condition_new();
}

static tc_future_t *ask_condition(uint64_t timeout_ms) {
    tc_future_t *first = tc_condition_wait(condition, timeout_ms);
    second = tc_condition_wait(condition, TC_FOREVER);
    return first;
}

static void grant_condition(void) {
    tc_condition_notify(condition, 1);
}

static bool one_was_woken(bool got_it) {
    return got_it != (tc_future_state(second) == TC_DONE);
}

static void end_condition(void) {
    tc_condition_free(condition);
    tc_future_unref(second);
}

static const thing_t a_lock = { begin_lock, ask_lock, grant_lock, lock_has_one_owner, end_lock, false };
static const thing_t a_semaphore = { begin_semaphore,         ask_semaphore, grant_semaphore,
                                     semaphore_has_one_owner, end_semaphore, false };
static const thing_t a_get = { begin_get, ask_get, grant_get, item_has_one_owner, end_queue, false };
static const thing_t a_put = { begin_put, ask_put, grant_put, put_item_has_one_owner, end_queue, true };
static const thing_t a_condition = { begin_condition, ask_condition, grant_condition,
                                     one_was_woken,   end_condition, false };

/* ---- Ways to wait ---- */

typedef struct way {
    const char *name;
    int (*wait)(void);
    bool of_several; /* of which one never comes */
} way_t;

static int wait_alone(void) {
    return tc_await(thing->ask(TC_FOREVER), NULL);
}

static int wait_in_time(void) {
    return tc_await(thing->ask(TIME_MS), NULL);
}

static int wait_with_timeout(void) {
    return tc_await(tc_with_timeout(thing->ask(TC_FOREVER), TIME_MS), NULL);
}

static int wait_with_timeouts(void) {
    return tc_await(tc_with_timeout(tc_with_timeout(thing->ask(TC_FOREVER), TIME_MS), TIME_MS), NULL);
}

static int gather_one(void) {
    return tc_await(tc_gather((tc_future_t *[]){ thing->ask(TC_FOREVER) }, 1), NULL);
}

static int gather_two(void) {
    return tc_await(tc_gather((tc_future_t *[]){ thing->ask(TC_FOREVER), tc_future_ref(never) }, 2), NULL);
}

static int gather_two_in_time(void) {
    tc_future_t *both[] = { tc_future_ref(never), thing->ask(TC_FOREVER) };
    return tc_await(tc_with_timeout(tc_gather(both, 2), TIME_MS), NULL);
}

static int iterate(void) {
    tc_future_t *both[] = { tc_future_ref(never), thing->ask(TC_FOREVER) };
    tc_wait_iterator_t *it = tc_wait_iterator_new(both, 2);
    int err = tc_await(tc_wait_iterator_next(it), NULL);
    tc_wait_iterator_free(it);
    return err;
}

static int wait_in_a_scope(void) {
    tc_scope_t *scope = tc_scope_open();
    int err = tc_scope_set_timeout(scope, TIME_MS);
    if (err == 0)
        err = tc_await(thing->ask(TC_FOREVER), NULL);
    int failed = tc_scope_close(scope);
    return err == 0 ? 0 : failed;
}

static const way_t ways[] = {
    { "alone", wait_alone, false },
    { "with a timeout of its own", wait_in_time, false },
    { "with a timeout", wait_with_timeout, false },
    { "with two timeouts", wait_with_timeouts, false },
    { "gathered alone", gather_one, false },
    { "gathered with another", gather_two, true },
    { "gathered with another and a timeout", gather_two_in_time, true },
    { "by an iterator", iterate, true },
    { "in a scope with a timeout", wait_in_a_scope, false },
};

/* ---- What meets in a turn ---- */

static int wait_for_it(void *arg) {
    (void)arg;
    return status = way->wait();
}

static void grant_it(void *arg) {
    (void)arg;
    thing->grant();
}

static void cancel_it(void *task) {
    tc_future_cancel(task);
}

static void at(uint64_t ms, tc_ioloop_cb first, tc_ioloop_cb then, tc_future_t *task) {
    tc_ioloop_call_later(loop, ms, first, task);
    tc_ioloop_call_later(loop, ms, then, task);
    tc__ioloop_advance(loop, 2 * TIME_MS);
}

static void granted_then_cancelled(tc_future_t *task) {
    thing->grant();
    cancel_it(task);
}

static void cancelled_then_granted(tc_future_t *task) {
    cancel_it(task);
    thing->grant();
}

static void granted_a_callback_before_the_cancel(tc_future_t *task) {
    at(1, grant_it, cancel_it, task);
}

static void cancelled_a_callback_before_the_grant(tc_future_t *task) {
    at(1, cancel_it, grant_it, task);
}

static void granted_when_the_time_is_up(tc_future_t *task) {
    tc_ioloop_call_later(loop, TIME_MS, grant_it, task);
    tc__ioloop_advance(loop, 2 * TIME_MS);
}

static void granted_and_cancelled_when_the_time_is_up(tc_future_t *task) {
    at(TIME_MS, grant_it, cancel_it, task);
}

static void cancelled_and_granted_when_the_time_is_up(tc_future_t *task) {
    at(TIME_MS, cancel_it, grant_it, task);
}

static const struct {
    const char *name;
    void (*happen)(tc_future_t *task);
} meetings[] = {
    { "granted, then cancelled", granted_then_cancelled },
    { "cancelled, then granted", cancelled_then_granted },
    { "granted a callback before the cancel", granted_a_callback_before_the_cancel },
    { "cancelled a callback before the grant", cancelled_a_callback_before_the_grant },
    { "granted when the time is up", granted_when_the_time_is_up },
    { "granted and cancelled when the time is up", granted_and_cancelled_when_the_time_is_up },
    { "cancelled and granted when the time is up", cancelled_and_granted_when_the_time_is_up },
};

/* `early`: what happens when the time is up was asked for before the wait began, so it comes before its timeout. */
static void meet(size_t meeting, bool early) {
    thing->begin();
    status = TC_EAGAIN;
    if (early)
        tc_ioloop_call_later(loop, TIME_MS, grant_it, NULL);
    tc_future_t *task = tc_spawn(loop, wait_for_it, NULL);
    tc__ioloop_advance(loop, 0);
    if (early)
        tc__ioloop_advance(loop, 2 * TIME_MS);
    else
        meetings[meeting].happen(task);
    tc__ioloop_advance(loop, 2 * TIME_MS);
    tc_future_cancel(task); /* if one of several waits for the other still */
    tc__ioloop_advance(loop, 0);
    bool has_ended = status != TC_EAGAIN, ok = has_ended && thing->has_one_owner(status == 0);
    if (!ok)
        print_error("%s, %s: %s (%d)\n", way->name,
                    early ? "granted right before the time is up" : meetings[meeting].name,
                    has_ended ? "it has no owner, or two" : "it waits for ever", status);
    tc_future_status(task);
    tc_future_unref(task);
    thing->end();
    assert_true(ok);
}

static void meet_in_all_ways(const thing_t *the_thing) {
    thing = the_thing;
    for (size_t i = 0; i < COUNT(ways); i++) {
        way = &ways[i];
        if (thing->is_put && way->of_several)
            continue;
        for (size_t meeting = 0; meeting < COUNT(meetings); meeting++)
            meet(meeting, false);
        meet(0, true);
    }
}

static void a_lock_has_one_owner_whatever_meets_in_a_turn(void **state) {
    (void)state;
    meet_in_all_ways(&a_lock);
}

static void a_permit_has_one_owner_whatever_meets_in_a_turn(void **state) {
    (void)state;
    meet_in_all_ways(&a_semaphore);
}

static void an_item_that_is_got_has_one_owner_whatever_meets_in_a_turn(void **state) {
    (void)state;
    meet_in_all_ways(&a_get);
}

static void an_item_is_put_if_the_await_says_so_whatever_meets_in_a_turn(void **state) {
    (void)state;
    meet_in_all_ways(&a_put);
}

static void a_notification_wakes_one_whatever_meets_in_a_turn(void **state) {
    (void)state;
    meet_in_all_ways(&a_condition);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_TURN(a_lock_has_one_owner_whatever_meets_in_a_turn),
        TEST_TURN(a_permit_has_one_owner_whatever_meets_in_a_turn),
        TEST_TURN(an_item_that_is_got_has_one_owner_whatever_meets_in_a_turn),
        TEST_TURN(an_item_is_put_if_the_await_says_so_whatever_meets_in_a_turn),
        TEST_TURN(a_notification_wakes_one_whatever_meets_in_a_turn),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
