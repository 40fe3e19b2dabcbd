/*
 * wait_list.c - waiters in a list: what conditions, semaphores and queues have in common. (Tornado: locks'
 * _TimeoutGarbageCollector, which this needs none of: a waiter that is complete is in no list)
 */
#include "async/wait_list_internal.h"

#include "async/ioloop_private.h"

static void on_settled(tc_future_t *future) {
    tc__wait_t *wait = tc__container_of(future, tc__wait_t, future);
    tc__list_remove(&wait->node);
    if (tc__timer_active(&wait->timer)) {
        tc__timer_stop(future->loop, &wait->timer);
        tc__ioloop_release(future->loop);
    }
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

static void on_time(tc__timer_t *timer) {
    tc__wait_t *wait = tc__container_of(timer, tc__wait_t, timer);
    tc__ioloop_release(wait->future.loop);
    tc_future_set_error(&wait->future, TC_ETIMEDOUT, NULL);
}

tc__wait_t *tc__wait(tc__list_t *list, uint64_t timeout_ms) {
    tc_ioloop_t *loop = tc__ioloop_or_current(NULL);
    tc_future_t *future = loop ? tc__future_alloc(loop, sizeof(tc__wait_t)) : NULL;
    if (!future)
        return NULL;
    tc__wait_t *wait = tc__container_of(future, tc__wait_t, future);
    tc__timer_init(&wait->timer, on_time);
    tc__list_push(list, &wait->node);
    future->settled = on_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    if (timeout_ms == 0) {
        tc_future_set_error(future, TC_ETIMEDOUT, NULL);
    } else if (timeout_ms != TC_FOREVER) {
        tc__ioloop_hold(loop);
        tc__timer_start(loop, &wait->timer, tc__ioloop_in(loop, timeout_ms));
    }
    return wait;
}

tc_future_t *tc__wait_not(void) {
    tc_future_t *future = tc_future_new(NULL);
    tc_future_set_result(future, NULL, NULL);
    return future;
}

tc__wait_t *tc__wait_first(const tc__list_t *list) {
    return tc__list_empty(list) ? NULL : tc__container_of(list->next, tc__wait_t, node);
}

void tc__wait_cancel_all(tc__list_t *list) {
    for (tc__wait_t *wait; (wait = tc__wait_first(list)) != NULL;)
        tc_future_set_error(&wait->future, TC_ECANCELED, NULL);
}
