/*
 * wait_iterator.c - futures in the order in which they complete. (Tornado: gen.WaitIterator)
 *
 * Those that have completed wait in a queue, in that order; `next` is answered from it at once, or by the first that
 * comes. A `next` that is dropped before it is answered takes nothing with it, nor does one that was answered and that
 * nobody has received: the next one brings what it missed.
 */
#include "async/future_private.h"
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
    tc__list_t node;              /* in `granted` */
    item_t *item;                 /* the answer */
} next_t;

struct tc_wait_iterator {
    tc_future_t life;     /* never given out: the loop knows it, and is gone from it when it is freed */
    tc__list_t completed; /* of item_t */
    tc__list_t granted;   /* of next_t: answered, and nobody has received them yet */
    next_t *next;         /* given out, and pending */
    size_t count, given, index;
    item_t items[];
};

static void on_granted(tc_future_t *future, bool received);

static void give(tc_wait_iterator_t *it, item_t *item, next_t *next) {
    tc_future_t *future = item->future;
    item->future = NULL;
    next->item = item;
    next->future.granted = on_granted;
    tc__list_push(&it->granted, &next->node);
    it->given++;
    it->index = (size_t)(item - it->items);
    if (future)
        tc__future_follow(&next->future, future);
    else
        tc_future_set_error(&next->future, TC_ENOMEM, "the future is NULL: its operation could not start");
}

static void on_granted(tc_future_t *future, bool received) {
    next_t *next = tc__container_of(future, next_t, future);
    tc_wait_iterator_t *it = next->iterator;
    tc__list_remove(&next->node);
    if (received)
        return;
    future->looked = true; /* the next one tells */
    next->item->future = tc_future_ref(future->source);
    it->given--;
    if (it->next)
        give(it, next->item, it->next);
    else
        tc__list_push(it->completed.next, &next->item->node); /* it was the first */
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
    size_t size = sizeof(tc_wait_iterator_t) + count * sizeof(item_t);
    tc_future_t *life = loop && !is_misuse ? tc__future_alloc(loop, size) : NULL;
    if (is_misuse)
        tc__misuse(TC_EINVAL, "tc_wait_iterator_new: a future is of another loop");
    if (!life) {
        tc__futures_unref(futures, count);
        return NULL;
    }
    tc_wait_iterator_t *it = tc__container_of(life, tc_wait_iterator_t, life);
    it->index = SIZE_MAX;
    tc__list_init(&it->completed);
    tc__list_init(&it->granted);
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

static void on_await(tc_future_t *future) {
    const tc_wait_iterator_t *it = tc__container_of(future, next_t, future)->iterator;
    for (size_t i = 0; it && i < it->count; i++)
        if (it->items[i].future)
            tc__future_await(it->items[i].future);
}

/* NULL: out of memory, or the loop is gone. */
static next_t *new_next(tc_wait_iterator_t *it) {
    if (!it->life.loop) {
        tc__fail(TC_ECLOSED, "the iterator's loop was freed");
        return NULL;
    }
    tc_future_t *future = tc__future_alloc(it->life.loop, sizeof(next_t));
    if (!future)
        return NULL;
    next_t *next = tc__container_of(future, next_t, future);
    next->iterator = it;
    tc__list_init(&next->node);
    future->settled = on_next_settled;
    future->on_await = on_await;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    return next;
}

tc_future_t *tc_wait_iterator_next(tc_wait_iterator_t *it) {
    if (!it)
        return NULL;
    if (it->next || tc_wait_iterator_done(it)) {
        tc__misuse(TC_EALREADY, "tc_wait_iterator_next: %s",
                   it->next ? "the one before still pends" : "all were given out");
        return NULL;
    }
    next_t *next = new_next(it);
    if (!next)
        return NULL;
    it->next = next;
    if (!tc__list_empty(&it->completed)) {
        item_t *item = tc__container_of(it->completed.next, item_t, node);
        tc__list_remove(&item->node);
        give(it, item, next);
    }
    return &next->future;
}

void tc_wait_iterator_free(tc_wait_iterator_t *it) {
    if (!it)
        return;
    if (it->next) {
        next_t *next = it->next;
        next->iterator = NULL;
        tc_future_set_error(&next->future, TC_ECANCELED, NULL);
    }
    while (!tc__list_empty(&it->granted)) {
        next_t *next = tc__container_of(it->granted.next, next_t, node);
        next->future.granted = NULL;
        tc__list_remove(&next->node);
    }
    for (size_t i = 0; i < it->count; i++) {
        tc__waiter_cancel(&it->items[i].waiter);
        tc_future_unref(it->items[i].future);
    }
    tc_future_unref(&it->life);
}
