/*
 * wait_iterator.c - futures in the order in which they complete. (Tornado: gen.WaitIterator)
 *
 * Those that have completed wait in a queue, in that order; `next` is answered from it at once, or by the first that
 * comes. A `next` that is dropped before it is answered takes nothing with it: the next one brings what it missed.
 */
#include "async/future_private.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"

typedef struct {
    tc__waiter_t waiter;
    tc__list_t node;     /* in `completed` */
    tc_future_t *future; /* referenced until it is given out; NULL: it was, or never was one */
    tc_wait_iterator_t *iterator;
} item_t;

typedef struct {
    tc_future_t future;
    tc_wait_iterator_t *iterator; /* NULL: that was freed */
} next_t;

struct tc_wait_iterator {
    tc_ioloop_t *loop;
    tc__list_t completed;
    next_t *next; /* given out, and pending */
    size_t count, given, index;
    item_t items[];
};

static void give(tc_wait_iterator_t *it, item_t *item, next_t *next) {
    tc_future_t *future = item->future;
    item->future = NULL;
    it->given++;
    it->index = (size_t)(item - it->items);
    if (future)
        tc__future_follow(&next->future, future);
    else
        tc_future_set_error(&next->future, TC_ENOMEM, "the future is NULL: its operation could not start");
}

static void on_completed(tc__waiter_t *waiter, tc_future_t *future) {
    (void)future;
    item_t *item = tc__container_of(waiter, item_t, waiter);
    tc_wait_iterator_t *it = item->iterator;
    if (it->next)
        give(it, item, it->next);
    else
        tc__list_push(&it->completed, &item->node);
}

static void add(tc_wait_iterator_t *it, tc_future_t *future) {
    item_t *item = &it->items[it->count++];
    item->iterator = it;
    item->future = future;
    tc__list_init(&item->node);
    tc__waiter_init(&item->waiter, on_completed);
    if (future && future->state == TC_PENDING)
        tc__future_wait(future, &item->waiter);
    else
        tc__list_push(&it->completed, &item->node);
}

tc_wait_iterator_t *tc_wait_iterator_new(tc_future_t *const *futures, size_t count) {
    tc_ioloop_t *loop = tc__ioloop_or_current(NULL);
    bool is_misuse = loop && tc__futures_pend_elsewhere(loop, futures, count);
    tc_wait_iterator_t *it = loop && !is_misuse ? tc__calloc(1, sizeof *it + count * sizeof(item_t)) : NULL;
    if (is_misuse)
        tc__misuse(TC_EINVAL, "tc_wait_iterator_new: a future is of another loop");
    if (!it) {
        tc__futures_unref(futures, count);
        return NULL;
    }
    it->loop = loop;
    it->index = SIZE_MAX;
    tc__list_init(&it->completed);
    for (size_t i = 0; i < count; i++)
        add(it, futures[i]);
    return it;
}

bool tc_wait_iterator_done(const tc_wait_iterator_t *it) {
    return !it || it->given == it->count;
}

size_t tc_wait_iterator_index(const tc_wait_iterator_t *it) {
    return it ? it->index : SIZE_MAX;
}

static void on_next_settled(tc_future_t *future) {
    next_t *next = tc__container_of(future, next_t, future);
    if (next->iterator && next->iterator->next == next)
        next->iterator->next = NULL;
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

tc_future_t *tc_wait_iterator_next(tc_wait_iterator_t *it) {
    if (!it)
        return NULL;
    if (it->next || tc_wait_iterator_done(it)) {
        tc__misuse(TC_EALREADY, "tc_wait_iterator_next: %s",
                   it->next ? "the one before still pends" : "all were given out");
        return NULL;
    }
    tc_future_t *future = tc__future_alloc(it->loop, sizeof(next_t));
    if (!future)
        return NULL;
    next_t *next = tc__container_of(future, next_t, future);
    next->iterator = it;
    future->settled = on_next_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    it->next = next;
    if (!tc__list_empty(&it->completed)) {
        item_t *item = tc__container_of(it->completed.next, item_t, node);
        tc__list_remove(&item->node);
        give(it, item, next);
    }
    return future;
}

void tc_wait_iterator_free(tc_wait_iterator_t *it) {
    if (!it)
        return;
    if (it->next) {
        next_t *next = it->next;
        next->iterator = NULL;
        tc_future_set_error(&next->future, TC_ECANCELED, NULL);
    }
    for (size_t i = 0; i < it->count; i++) {
        tc__waiter_cancel(&it->items[i].waiter);
        tc_future_unref(it->items[i].future);
    }
    tc__free(it);
}
