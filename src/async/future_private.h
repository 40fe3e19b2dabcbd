/* future_private.h - a future's inside, for the files that build their own kind of it on top. */
#ifndef TC_ASYNC_FUTURE_PRIVATE_H
#define TC_ASYNC_FUTURE_PRIVATE_H

#include "async/future_internal.h"

struct tc_future {
    unsigned refs;
    tc_future_state_t state;
    int err;     /* why it failed; 0 */
    bool looked; /* somebody saw how it ended */
    /* For those who wait for others: somebody awaits it, so mark those too. */
    void (*on_await)(tc_future_t *future);
    bool pinned;        /* its producer uses memory of whoever awaits it: the await lasts until it is complete */
    bool awaited;       /* by a coroutine or a request, now or before */
    tc_ioloop_t *loop;  /* NULL: that was freed, and the future is complete */
    tc__list_t node;    /* in the loop's list of futures */
    tc__list_t waiters; /* of tc__waiter_t, while it pends */
    void *result;
    tc_free_fn free_result;
    char *message;       /* NULL: tc_strerror(err) */
    tc_future_t *source; /* referenced: whose result and message this one shows as its own; or NULL */
    tc_future_cb cancel;
    void *cancel_data;
    /* For those who build on it: lets go of what the producer holds. Called once, when the future completes, by
     * whomever, or is freed before. */
    void (*settled)(tc_future_t *future);
    /* For what comes with a result and would be lost with it (a permit, an item): called once, when somebody outside of
     * this folder has received the future, done, or when it is freed and nobody has. */
    void (*granted)(tc_future_t *future, bool received);
};

/* A pending future at the start of `size` zeroed bytes. */
tc_future_t *tc__future_alloc(tc_ioloop_t *loop, size_t size);

/* Does one of them pend on another loop? Then nobody of this one can wait for it. NULL ones do not. */
bool tc__futures_pend_elsewhere(const tc_ioloop_t *loop, tc_future_t *const *futures, size_t count);
void tc__futures_unref(tc_future_t *const *futures, size_t count);

/* Complete it with the outcome of `source`, whose reference is taken. */
void tc__future_follow(tc_future_t *future, tc_future_t *source);

#endif
