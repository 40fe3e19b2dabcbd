/*
 * future_gather.c - many futures as one. (Tornado: gen.multi, gen.moment)
 *
 * The gathering future is one piece of memory with a waiter per child; it settles when the last of them has completed,
 * however they ended, so that nothing of what was started goes on unseen.
 *
 * If a child is pinned (work on another thread, that uses memory of whoever awaits it), so is the gathering: a cancel
 * then lets go of the others, takes back work that is still queued, and waits for what runs.
 */
#include "async/future_private.h"
#include "async/ioloop_private.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

struct tc_results {
    size_t count;
    tc_future_t *futures[]; /* referenced: each keeps its result until it is taken */
};

typedef struct {
    tc__waiter_t waiter;
    struct gather *gather;
} child_t;

typedef struct gather {
    tc_future_t future;
    tc_results_t *results; /* NULL once they were given away */
    size_t pending;
    size_t pinned;  /* of those that pend */
    bool missing;   /* one of them was NULL */
    bool cancelled; /* only the pinned ones are waited for */
    child_t children[];
} gather_t;

/* ---- Results ---- */

size_t tc_results_count(const tc_results_t *results) {
    return results ? results->count : 0;
}

void *tc_results_get(const tc_results_t *results, size_t index) {
    return index < tc_results_count(results) ? tc_future_result(results->futures[index]) : NULL;
}

void *tc_results_take(tc_results_t *results, size_t index) {
    return index < tc_results_count(results) ? tc_future_take(results->futures[index]) : NULL;
}

void tc_results_free(void *data) {
    tc_results_t *results = data;
    if (!results)
        return;
    tc__futures_unref(results->futures, results->count);
    tc__free(results);
}

/* ---- Gathering ---- */

/* What its children were granted goes with the results. */
static void on_granted(tc_future_t *future, bool received) {
    const tc_results_t *results = future->result;
    for (size_t i = 0; received && i < results->count; i++)
        tc__future_receive(results->futures[i]);
}

static void on_settled(tc_future_t *future) {
    gather_t *gather = tc__container_of(future, gather_t, future);
    tc_results_t *results = gather->results;
    gather->results = NULL;
    if (!results)
        return;
    for (size_t i = 0; i < results->count; i++)
        tc__waiter_cancel(&gather->children[i].waiter);
    tc_results_free(results);
}

/* The first in the list says how it ends; those behind it are told of in the log, for nobody else will. */
static void end(gather_t *gather) {
    tc_results_t *results = gather->results;
    const tc_future_t *first = NULL;
    for (size_t i = 0; i < results->count; i++) {
        const tc_future_t *child = results->futures[i];
        if (!child || child->state == TC_DONE)
            continue;
        if (first || gather->missing)
            tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, NULL, "one of several futures failed too: %s",
                    tc_future_message(child));
        else
            first = child;
    }
    if (gather->missing) {
        tc_future_set_error(&gather->future, TC_ENOMEM,
                            "one of several futures is NULL: its operation could not start");
    } else if (first) {
        tc_future_set_error(&gather->future, tc_future_status(first), tc_future_message(first));
    } else {
        gather->results = NULL;
        gather->future.granted = on_granted;
        tc_future_set_result(&gather->future, results, tc_results_free);
    }
}

static void on_child(tc__waiter_t *waiter, tc_future_t *child) {
    gather_t *gather = tc__container_of(waiter, child_t, waiter)->gather;
    gather->pending--;
    gather->pinned -= child->pinned;
    if (gather->cancelled && gather->pinned == 0)
        tc_future_set_error(&gather->future, TC_ECANCELED, NULL);
    else if (gather->pending == 0)
        end(gather);
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

static bool all_complete(const tc_results_t *results) {
    for (size_t i = 0; i < results->count; i++)
        if (results->futures[i] && results->futures[i]->state == TC_PENDING)
            return false;
    return true;
}

/* As if the waiters had run. */
static void end_early(gather_t *gather) {
    for (size_t i = 0; i < gather->results->count; i++)
        tc__waiter_cancel(&gather->children[i].waiter);
    end(gather);
}

static void on_gather_cancel(tc_future_t *future, void *user_data) {
    gather_t *gather = tc__container_of(future, gather_t, future);
    if (all_complete(gather->results)) {
        end_early(gather);
        return;
    }
    if (gather->pinned == 0) {
        on_cancel(future, user_data);
        return;
    }
    gather->cancelled = true;
    for (size_t i = 0; i < gather->results->count; i++) {
        tc_future_t *child = gather->results->futures[i];
        if (child && child->pinned)
            tc_future_cancel(child); /* its waiter tells, later */
    }
}

static void on_await(tc_future_t *future) {
    const tc_results_t *results = tc__container_of(future, gather_t, future)->results;
    for (size_t i = 0; results && i < results->count; i++)
        if (results->futures[i])
            tc__future_await(results->futures[i]);
}

static tc_ioloop_t *loop_of(tc_future_t *const *futures, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (futures[i] && futures[i]->loop)
            return futures[i]->loop;
    return tc__ioloop_or_current(NULL);
}

static gather_t *new_gather(tc_ioloop_t *loop, size_t count) {
    tc_results_t *results = tc__malloc(sizeof *results + count * sizeof(tc_future_t *));
    tc_future_t *future = results ? tc__future_alloc(loop, sizeof(gather_t) + count * sizeof(child_t)) : NULL;
    if (!future) {
        tc__free(results);
        return NULL;
    }
    gather_t *gather = tc__container_of(future, gather_t, future);
    results->count = 0;
    gather->results = results;
    future->settled = on_settled;
    future->on_await = on_await;
    tc_future_set_cancel_callback(future, on_gather_cancel, NULL);
    return gather;
}

static void add(gather_t *gather, tc_future_t *child) {
    size_t index = gather->results->count++;
    gather->results->futures[index] = child;
    child_t *slot = &gather->children[index];
    slot->gather = gather;
    tc__waiter_init(&slot->waiter, on_child);
    if (!child) {
        gather->missing = true;
    } else if (child->state == TC_PENDING) {
        gather->pending++;
        gather->pinned += child->pinned;
        gather->future.pinned = gather->future.pinned || child->pinned;
        tc__future_wait(child, &slot->waiter);
    } else {
        child->looked = true;
    }
}

static tc_future_t *of_several_loops(tc_ioloop_t *loop) {
    int err = tc__misuse(TC_EINVAL, "tc_gather: the futures are of several loops");
    return tc__future_failed(loop, err, tc_error_detail());
}

tc_future_t *tc_gather(tc_future_t *const *futures, size_t count) {
    tc_ioloop_t *loop = loop_of(futures, count);
    bool is_misuse = loop && tc__futures_pend_elsewhere(loop, futures, count);
    gather_t *gather = loop && !is_misuse ? new_gather(loop, count) : NULL;
    if (!gather) {
        tc__futures_unref(futures, count);
        return is_misuse ? of_several_loops(loop) : NULL;
    }
    for (size_t i = 0; i < count; i++)
        add(gather, futures[i]);
    if (gather->pending == 0)
        end(gather);
    return &gather->future;
}

/* ---- A moment ---- */

typedef struct {
    tc_future_t future;
    tc__soon_t soon;
} moment_t;

static void on_moment(tc__soon_t *soon) {
    tc_future_set_result(&tc__container_of(soon, moment_t, soon)->future, NULL, NULL);
}

static void on_moment_settled(tc_future_t *future) {
    tc__soon_cancel(&tc__container_of(future, moment_t, future)->soon);
}

tc_future_t *tc_moment(tc_ioloop_t *loop) {
    loop = tc__ioloop_or_current(loop);
    tc_future_t *future = loop ? tc__future_alloc(loop, sizeof(moment_t)) : NULL;
    if (!future)
        return NULL;
    moment_t *moment = tc__container_of(future, moment_t, future);
    tc__soon_init(&moment->soon, on_moment);
    future->settled = on_moment_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    tc__soon_call(loop, &moment->soon);
    return future;
}
