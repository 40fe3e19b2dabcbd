/*
 * future.c - results that come later. (Tornado: concurrent.Future, asyncio.Future)
 *
 *   PENDING --[tc_future_set_result]--> DONE
 *       |-----[tc_future_set_error]---> FAILED or, for TC_ECANCELED, CANCELLED
 *
 * Once and for all: whoever comes second is ignored. Completion runs no code of the user: it puts the waiters on the
 * loop's ready queue, in the order in which they came. Each waiter holds a reference until it ran.
 *
 * Futures are of their loop's thread, so the count is a plain one. The loop knows all its futures: when it is freed,
 * those that pend are cancelled, their waiters run, and references that are left do no harm.
 *
 * A failure that nobody saw is a bug that hides: it is logged when the future is freed. Seeing is: a waiter ran, or
 * state, status or message were read after the failure.
 *
 * A permit or an item that nobody received would be lost: it goes back when the future is freed. Receiving is: user's
 * code was called with the future, or awaited it, or looked at it, or at one that shows its outcome.
 */
#include "async/future_private.h"

#include "async/ioloop_private.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

/* ---- Life ---- */

tc_future_t *tc__future_alloc(tc_ioloop_t *loop, size_t size) {
    if (loop->p->dead) {
        tc__fail(TC_ECLOSED, "the loop is being freed: no futures any more");
        return NULL;
    }
    tc_future_t *future = tc__calloc(1, size);
    if (!future) {
        tc__fail(TC_ENOMEM, "out of memory for a future");
        return NULL;
    }
    future->refs = 1;
    future->state = TC_PENDING;
    future->loop = loop;
    tc__list_init(&future->waiters);
    tc__list_push(&loop->p->futures, &future->node);
    return future;
}

tc_future_t *tc_future_new(tc_ioloop_t *loop) {
    loop = tc__ioloop_or_current(loop);
    return loop ? tc__future_alloc(loop, sizeof(tc_future_t)) : NULL;
}

tc_future_t *tc_future_ref(tc_future_t *future) {
    if (future)
        future->refs++;
    return future;
}

static void log_unseen(const tc_future_t *future) {
    if (future->state == TC_FAILED && !future->looked)
        tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, NULL, "a future failed and nobody looked: %s",
                tc_future_message(future));
}

static void settle(tc_future_t *future) {
    void (*settled)(tc_future_t *) = future->settled;
    future->settled = NULL;
    if (settled)
        settled(future);
}

static void tell_granted(tc_future_t *future, bool received) {
    void (*granted)(tc_future_t *, bool) = future->granted;
    future->granted = NULL;
    if (granted)
        granted(future, received);
}

void tc__future_receive(tc_future_t *future) {
    for (; future; future = future->source)
        tell_granted(future, true);
}

static void destroy(tc_future_t *future) {
    settle(future);
    tell_granted(future, false);
    log_unseen(future);
    tc__list_remove(&future->node);
    if (future->result && future->free_result)
        future->free_result(future->result);
    tc_future_unref(future->source);
    tc__free(future->message);
    tc__free(future);
}

void tc_future_unref(tc_future_t *future) {
    if (!future)
        return;
    if (future->refs == 1)
        destroy(future);
    else
        future->refs--;
}

void tc__future_let_go(tc_future_t *future) {
    future->looked = future->looked || future->refs == 1;
    tc_future_unref(future);
}

void tc__futures_unref(tc_future_t *const *futures, size_t count) {
    for (size_t i = 0; i < count; i++)
        tc_future_unref(futures[i]);
}

tc_ioloop_t *tc__future_loop(const tc_future_t *future) {
    return future->loop;
}

bool tc__futures_pend_elsewhere(const tc_ioloop_t *loop, tc_future_t *const *futures, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (futures[i] && futures[i]->state == TC_PENDING && futures[i]->loop != loop)
            return true;
    return false;
}

/* ---- Waiters ---- */

static void run_waiter(tc__soon_t *soon) {
    tc__waiter_t *waiter = tc__container_of(soon, tc__waiter_t, soon);
    tc_future_t *future = waiter->future;
    waiter->future = NULL;
    future->looked = true;
    waiter->fn(waiter, future); /* may free the waiter */
    tc_future_unref(future);
}

void tc__waiter_init(tc__waiter_t *waiter, void (*fn)(tc__waiter_t *waiter, tc_future_t *future)) {
    tc__soon_init(&waiter->soon, run_waiter);
    tc__list_init(&waiter->node);
    waiter->future = NULL;
    waiter->fn = fn;
}

void tc__future_wait(tc_future_t *future, tc__waiter_t *waiter) {
    tc__waiter_cancel(waiter);
    if (!future->loop || future->loop->p->dead)
        return; /* nobody runs it any more */
    waiter->future = tc_future_ref(future);
    if (future->state == TC_PENDING)
        tc__list_push(&future->waiters, &waiter->node);
    else
        tc__soon_call(future->loop, &waiter->soon);
}

void tc__future_await(tc_future_t *future) {
    future->awaited = true;
    if (future->on_await)
        future->on_await(future);
}

void tc__waiter_cancel(tc__waiter_t *waiter) {
    tc_future_t *future = waiter->future;
    waiter->future = NULL;
    tc__soon_cancel(&waiter->soon);
    tc__list_remove(&waiter->node);
    tc_future_unref(future);
}

typedef struct {
    tc__waiter_t waiter;
    tc_future_cb cb;
    void *user_data;
} on_done_t;

static void run_on_done(tc__waiter_t *waiter, tc_future_t *future) {
    on_done_t done = *tc__container_of(waiter, on_done_t, waiter);
    tc__free(tc__container_of(waiter, on_done_t, waiter));
    tc__future_receive(future);
    done.cb(future, done.user_data);
}

int tc_future_on_done(tc_future_t *future, tc_future_cb cb, void *user_data) {
    if (!future)
        return tc__fail(TC_ENOMEM, "the future is NULL: its operation could not start");
    if (!cb)
        return tc__misuse(TC_EINVAL, "tc_future_on_done: cb is NULL");
    if (!future->loop || future->loop->p->dead)
        return tc__fail(TC_ECLOSED, "the future's loop was freed");
    on_done_t *done = tc__malloc(sizeof(*done));
    if (!done)
        return tc__fail(TC_ENOMEM, "out of memory to wait for a future");
    tc__waiter_init(&done->waiter, run_on_done);
    done->cb = cb;
    done->user_data = user_data;
    tc__future_wait(future, &done->waiter);
    return 0;
}

/* ---- Completion ---- */

static void complete(tc_future_t *future, tc_future_state_t state, int err) {
    tc_future_ref(future); /* the producer may hold the last one */
    future->state = state;
    future->err = err;
    future->cancel = NULL;
    settle(future);
    while (!tc__list_empty(&future->waiters)) {
        tc__waiter_t *waiter = tc__container_of(future->waiters.next, tc__waiter_t, node);
        tc__list_remove(&waiter->node);
        tc__soon_call(future->loop, &waiter->soon);
    }
    tc_future_unref(future);
}

void tc_future_set_result(tc_future_t *future, void *result, tc_free_fn free_result) {
    if (!future || future->state != TC_PENDING) {
        if (result && free_result)
            free_result(result);
        return;
    }
    future->result = result;
    future->free_result = free_result;
    complete(future, TC_DONE, 0);
}

void tc_future_set_error(tc_future_t *future, int err, const char *message) {
    if (!future || future->state != TC_PENDING)
        return;
    if (err >= 0 || err == TC_EAGAIN)
        err = tc__misuse(TC_EINVAL,
                         "tc_future_set_error: %d is no error code of a future: they are negative, and %d is "
                         "the status of one that pends",
                         err, TC_EAGAIN);
    if (message)
        future->message = tc__strndup(message, strlen(message)); /* without memory the code has to do */
    complete(future, err == TC_ECANCELED ? TC_CANCELLED : TC_FAILED, err);
}

tc_future_t *tc__future_failed(tc_ioloop_t *loop, int err, const char *message) {
    tc_future_t *future = tc_future_new(loop);
    tc_future_set_error(future, err, message);
    return future;
}

void tc__future_follow(tc_future_t *future, tc_future_t *source) {
    source->looked = true;
    future->source = source;
    complete(future, source->state, source->err);
}

void tc_future_set_cancel_callback(tc_future_t *future, tc_future_cb cb, void *user_data) {
    if (!future || future->state != TC_PENDING)
        return;
    future->cancel = cb;
    future->cancel_data = user_data;
}

void tc_future_cancel(tc_future_t *future) {
    if (!future || !future->cancel)
        return;
    tc_future_cb cancel = future->cancel;
    future->cancel = NULL;
    tc_future_ref(future);
    cancel(future, future->cancel_data);
    tc_future_unref(future);
}

/* ---- Looking at it ---- */

static void look(const tc_future_t *seen) {
    tc_future_t *future = (tc_future_t *)seen;
    if (future->state == TC_PENDING)
        return;
    future->looked = true;
    tc__future_receive(future);
}

tc_future_state_t tc_future_state(const tc_future_t *future) {
    if (!future)
        return TC_FAILED;
    look(future);
    return future->state;
}

int tc_future_status(const tc_future_t *future) {
    if (!future)
        return TC_ENOMEM;
    look(future);
    return future->state == TC_PENDING ? TC_EAGAIN : future->err;
}

const char *tc_future_message(const tc_future_t *future) {
    int err = tc_future_status(future);
    if (err == 0 || (future && future->state == TC_PENDING))
        return "";
    while (future && future->source)
        future = future->source;
    return future && future->message ? future->message : tc_strerror(err);
}

void *tc_future_result(const tc_future_t *future) {
    tc__future_receive((tc_future_t *)future);
    while (future && future->source)
        future = future->source;
    return future ? future->result : NULL;
}

void *tc_future_take(tc_future_t *future) {
    tc__future_receive(future);
    while (future && future->source)
        future = future->source;
    if (!future)
        return NULL;
    void *result = future->result;
    future->result = NULL;
    return result;
}

/* ---- The loop's end ---- */

/* From a list of its own: to complete one future may free others. */
void tc__futures_fail_all(tc_ioloop_t *loop) {
    tc__list_t all;
    tc__list_take(&all, &loop->p->futures);
    while (!tc__list_empty(&all)) {
        tc_future_t *future = tc__container_of(all.next, tc_future_t, node);
        tc__list_remove(&future->node);
        tc__list_push(&loop->p->futures, &future->node);
        tc_future_set_error(future, TC_ECANCELED, NULL);
    }
}

void tc__futures_detach_all(tc_ioloop_t *loop) {
    while (!tc__list_empty(&loop->p->futures)) {
        tc_future_t *future = tc__container_of(loop->p->futures.next, tc_future_t, node);
        tc__list_remove(&future->node);
        future->loop = NULL;
    }
}
