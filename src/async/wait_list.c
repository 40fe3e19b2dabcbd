/*
 * wait_list.c - waiters in a list: what conditions, semaphores and queues have in common. (Tornado: locks'
 * _TimeoutGarbageCollector, which this needs none of: a waiter that is complete is in no list)
 *
 * What is granted is on its way until somebody receives it: whoever waited may be cancelled in the same turn, alone or
 * within tc_gather, and drop the future unseen. Then it is given back. (asyncio's locks and queues do the same)
 */
#include "async/wait_list_internal.h"

#include "async/ioloop_private.h"

void tc__wait_list_init(tc__wait_list_t *list, void (*give_back)(tc__wait_list_t *list, tc__wait_t *wait)) {
    tc__list_init(&list->waiting);
    tc__list_init(&list->granted);
    list->granted_count = 0;
    list->give_back = give_back;
}

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

tc__wait_t *tc__wait_not(tc__wait_list_t *list) {
    tc_ioloop_t *loop = tc__ioloop_or_current(NULL);
    tc_future_t *future = loop ? tc__future_alloc(loop, sizeof(tc__wait_t)) : NULL;
    if (!future)
        return NULL;
    tc__wait_t *wait = tc__container_of(future, tc__wait_t, future);
    tc__list_init(&wait->node);
    tc__timer_init(&wait->timer, on_time);
    wait->list = list;
    future->settled = on_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    return wait;
}

tc__wait_t *tc__wait(tc__wait_list_t *list, uint64_t timeout_ms) {
    tc__wait_t *wait = tc__wait_not(list);
    if (!wait)
        return NULL;
    tc_ioloop_t *loop = wait->future.loop;
    tc__list_push(&list->waiting, &wait->node);
    if (timeout_ms == 0) {
        tc_future_set_error(&wait->future, TC_ETIMEDOUT, NULL);
    } else if (timeout_ms != TC_FOREVER) {
        tc__ioloop_hold(loop);
        tc__timer_start(loop, &wait->timer, tc__ioloop_in(loop, timeout_ms));
    }
    return wait;
}

static tc__wait_t *first(const tc__list_t *list) {
    return tc__list_empty(list) ? NULL : tc__container_of(list->next, tc__wait_t, node);
}

tc__wait_t *tc__wait_first(const tc__wait_list_t *list) {
    return first(&list->waiting);
}

static void leave_granted(tc__wait_t *wait) {
    tc__list_remove(&wait->node);
    wait->list->granted_count--;
}

static void on_granted(tc_future_t *future, bool received) {
    tc__wait_t *wait = tc__container_of(future, tc__wait_t, future);
    leave_granted(wait);
    if (!received)
        wait->list->give_back(wait->list, wait);
}

void tc__wait_grant(tc__wait_t *wait, void *result, tc_free_fn free_result) {
    tc__wait_list_t *list = wait->list;
    tc_future_set_result(&wait->future, result, free_result);
    if (!list->give_back)
        return;
    wait->future.granted = on_granted;
    tc__list_push(&list->granted, &wait->node);
    list->granted_count++;
}

void tc__wait_list_deinit(tc__wait_list_t *list) {
    for (tc__wait_t *wait; (wait = first(&list->waiting)) != NULL;)
        tc_future_set_error(&wait->future, TC_ECANCELED, NULL);
    for (tc__wait_t *wait; (wait = first(&list->granted)) != NULL;) {
        wait->future.granted = NULL;
        leave_granted(wait);
    }
}
