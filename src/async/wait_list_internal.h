/*
 * wait_list_internal.h - those who wait for the same thing, first come, first served, each with a timeout.
 */
#ifndef TC_ASYNC_WAIT_LIST_INTERNAL_H
#define TC_ASYNC_WAIT_LIST_INTERNAL_H

#include "async/future_private.h"

/* One who waits: the future that was given out. It leaves the list when it is complete, or dropped. */
typedef struct {
    tc_future_t future;
    tc__list_t node;
    tc__timer_t timer;
    void *item; /* of whoever keeps the list */
} tc__wait_t;

/* At the end of `list`; for timeout_ms 0 it has failed already. NULL: out of memory, or no loop. */
tc__wait_t *tc__wait(tc__list_t *list, uint64_t timeout_ms);
/* A future that is done. */
tc_future_t *tc__wait_not(void);
/* The first of the list, or NULL. Complete its future, and it is gone from there. */
tc__wait_t *tc__wait_first(const tc__list_t *list);
/* They fail with TC_ECANCELED. */
void tc__wait_cancel_all(tc__list_t *list);

#endif
