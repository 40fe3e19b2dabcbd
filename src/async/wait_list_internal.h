/*
 * wait_list_internal.h - those who wait for the same thing, first come, first served, each with a timeout.
 */
#ifndef TC_ASYNC_WAIT_LIST_INTERNAL_H
#define TC_ASYNC_WAIT_LIST_INTERNAL_H

#include "async/future_private.h"

struct tc__wait;

typedef struct tc__wait_list {
    tc__list_t waiting; /* of tc__wait_t */
    tc__list_t granted; /* of tc__wait_t: done, and nobody has received them yet */
    size_t granted_count;
    /* One of these was freed: what it was granted is there again. NULL: there is nothing to give back. */
    void (*give_back)(struct tc__wait_list *list, struct tc__wait *wait);
} tc__wait_list_t;

/* One who waits: the future that was given out. It leaves the list when it is complete, or dropped. */
typedef struct tc__wait {
    tc_future_t future;
    tc__list_t node;
    tc__timer_t timer;
    tc__wait_list_t *list;
    void *item; /* this and the number are of whoever keeps the list */
    uint64_t number;
} tc__wait_t;

void tc__wait_list_init(tc__wait_list_t *list, void (*give_back)(tc__wait_list_t *list, tc__wait_t *wait));
/* Those who wait fail with TC_ECANCELED; what was granted, and not received, goes with its future. */
void tc__wait_list_deinit(tc__wait_list_t *list);

/* At the end of the list; for timeout_ms 0 it has failed already. NULL: out of memory, or no loop. */
tc__wait_t *tc__wait(tc__wait_list_t *list, uint64_t timeout_ms);
/* For one who need not wait: to be granted at once. */
tc__wait_t *tc__wait_not(tc__wait_list_t *list);
/* The first who waits, or NULL. */
tc__wait_t *tc__wait_first(const tc__wait_list_t *list);
/* Complete it: it waits no longer. */
void tc__wait_grant(tc__wait_t *wait, void *result, tc_free_fn free_result);

static inline tc_future_t *tc__wait_future(tc__wait_t *wait) {
    return wait ? &wait->future : NULL;
}

#endif
