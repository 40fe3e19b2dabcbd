/*
 * future_timers.c - futures with a timer inside: tc_sleep, tc_with_timeout. (Tornado: gen.sleep, gen.with_timeout)
 *
 * Timer and future are one piece of memory, so a sleep whose last reference goes takes its timer with it.
 *
 * tc_with_timeout waits for the inner future with a reference of its own. If the time is up first, it lets go of it and
 * no more: the inner future goes on if its producer has a reference, a late failure is logged by whoever frees it, a
 * late value freed with it.
 *
 * An outcome of the inner future that is there already wins, over the time and over a cancel, though the waiter has not
 * run yet: a line that was read, or an item of a queue, would be lost.
 */
#include "async/future_private.h"
#include "async/ioloop_private.h"

typedef struct {
    tc_future_t future;
    tc__timer_t timer;
    tc__waiter_t waiter; /* on the inner future; tc_sleep has none */
} timed_future_t;

static void on_settled(tc_future_t *future) {
    timed_future_t *timed = tc__container_of(future, timed_future_t, future);
    tc__timer_stop(future->loop, &timed->timer);
    tc__waiter_cancel(&timed->waiter);
    tc__ioloop_release(future->loop);
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

static timed_future_t *start(tc_ioloop_t *loop, uint64_t ms, void (*on_time)(tc__timer_t *timer)) {
    tc_future_t *future = tc__future_alloc(loop, sizeof(timed_future_t));
    if (!future)
        return NULL;
    timed_future_t *timed = tc__container_of(future, timed_future_t, future);
    tc__timer_init(&timed->timer, on_time);
    tc__waiter_init(&timed->waiter, NULL);
    future->settled = on_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    tc__ioloop_hold(loop);
    if (ms != TC_FOREVER)
        tc__timer_start(loop, &timed->timer, tc__ioloop_in(loop, ms));
    return timed;
}

static void on_slept(tc__timer_t *timer) {
    tc_future_set_result(&tc__container_of(timer, timed_future_t, timer)->future, NULL, NULL);
}

tc_future_t *tc_sleep(tc_ioloop_t *loop, uint64_t ms) {
    loop = tc__ioloop_or_current(loop);
    timed_future_t *timed = loop ? start(loop, ms, on_slept) : NULL;
    return timed ? &timed->future : NULL;
}

static void follow_or_fail(timed_future_t *timed, int err) {
    tc_future_t *inner = timed->waiter.future;
    if (inner && inner->state != TC_PENDING)
        tc__future_follow(&timed->future, tc_future_ref(inner));
    else
        tc_future_set_error(&timed->future, err, NULL);
}

static void on_too_late(tc__timer_t *timer) {
    follow_or_fail(tc__container_of(timer, timed_future_t, timer), TC_ETIMEDOUT);
}

static void on_timed_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    timed_future_t *timed = tc__container_of(future, timed_future_t, future);
    tc_future_t *inner = timed->waiter.future;
    if (inner && inner->refs == 1 && inner->state == TC_PENDING) /* nobody else has it */
        tc_future_cancel(inner);
    if (future->state == TC_PENDING)
        follow_or_fail(timed, TC_ECANCELED);
}

static void on_inner(tc__waiter_t *waiter, tc_future_t *inner) {
    tc__future_follow(&tc__container_of(waiter, timed_future_t, waiter)->future, tc_future_ref(inner));
}

static void on_await(tc_future_t *future) {
    timed_future_t *timed = tc__container_of(future, timed_future_t, future);
    if (timed->waiter.future)
        tc__future_await(timed->waiter.future);
}

tc_future_t *tc_with_timeout(tc_future_t *future, uint64_t ms) {
    if (!future || future->state != TC_PENDING)
        return future; /* its outcome is known: it is its own answer */
    timed_future_t *timed = start(future->loop, ms, on_too_late);
    if (timed) {
        timed->waiter.fn = on_inner;
        timed->future.on_await = on_await;
        tc_future_set_cancel_callback(&timed->future, on_timed_cancel, NULL);
        tc__future_wait(future, &timed->waiter);
    }
    tc_future_unref(future);
    return timed ? &timed->future : NULL;
}
