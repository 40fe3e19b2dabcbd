/*
 * queues.c - queues between producers and consumers. (Tornado: queues)
 *
 * One array holds the items: a ring for first in, first out, a stack, or a heap whose entries remember when they came.
 * A getter waits only while there are no items, a putter only while there is no room; room for a waiting putter's item
 * is made when it begins to wait, so that handing over cannot fail.
 */
#include <tornadoc/queues.h>

#include <string.h>

#include "async/wait_list_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"

typedef struct {
    void *item;
    uint64_t number; /* of the put: equal ones leave a heap as they came */
} entry_t;

typedef enum { FIFO, LIFO, PRIORITY } kind_t;

struct tc_queue {
    kind_t kind;
    int (*compare)(const void *a, const void *b);
    tc_free_fn free_item;
    size_t max_size, count, capacity;
    size_t first; /* of a ring */
    entry_t *entries;
    uint64_t puts;
    size_t unfinished;
    tc__list_t getters, putters, joiners;
};

/* ---- The array ---- */

static entry_t *at(const tc_queue_t *queue, size_t index) {
    return &queue->entries[(queue->first + index) % queue->capacity];
}

/* Room for one more than there are, and for those of the putters that wait. */
static int make_room(tc_queue_t *queue) {
    size_t wanted = queue->count + 1;
    if (wanted <= queue->capacity)
        return 0;
    size_t capacity = queue->capacity ? 2 * queue->capacity : 8;
    entry_t *entries = tc__malloc(capacity * sizeof *entries);
    if (!entries)
        return tc__fail(TC_ENOMEM, "out of memory for a queue");
    for (size_t i = 0; i < queue->count; i++)
        entries[i] = *at(queue, i);
    tc__free(queue->entries);
    queue->entries = entries;
    queue->capacity = capacity;
    queue->first = 0;
    return 0;
}

static bool before(const tc_queue_t *queue, const entry_t *a, const entry_t *b) {
    int order = queue->compare(a->item, b->item);
    return order < 0 || (order == 0 && a->number < b->number);
}

static void swap(entry_t *a, entry_t *b) {
    entry_t c = *a;
    *a = *b;
    *b = c;
}

static void sift_up(tc_queue_t *queue, size_t index) {
    entry_t *heap = queue->entries;
    for (size_t parent; index > 0 && before(queue, &heap[index], &heap[parent = (index - 1) / 2]); index = parent)
        swap(&heap[index], &heap[parent]);
}

static void sift_down(tc_queue_t *queue, size_t index) {
    entry_t *heap = queue->entries;
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= queue->count)
            return;
        if (child + 1 < queue->count && before(queue, &heap[child + 1], &heap[child]))
            child++;
        if (!before(queue, &heap[child], &heap[index]))
            return;
        swap(&heap[index], &heap[child]);
        index = child;
    }
}

/* There is room. */
static void push(tc_queue_t *queue, void *item) {
    *at(queue, queue->count) = (entry_t){ item, queue->puts++ };
    queue->count++;
    queue->unfinished++;
    if (queue->kind == PRIORITY)
        sift_up(queue, queue->count - 1);
}

/* There is an item. */
static void *pop(tc_queue_t *queue) {
    void *item;
    queue->count--;
    switch (queue->kind) {
    case LIFO:
        return at(queue, queue->count)->item;
    case PRIORITY:
        item = queue->entries[0].item;
        queue->entries[0] = queue->entries[queue->count];
        sift_down(queue, 0);
        return item;
    default:
        item = at(queue, 0)->item;
        queue->first = (queue->first + 1) % queue->capacity;
        return item;
    }
}

/* ---- Life ---- */

static tc_queue_t *new_queue(kind_t kind, size_t max_size, tc_free_fn free_item) {
    tc_queue_t *queue = tc__calloc(1, sizeof *queue);
    if (!queue) {
        tc__fail(TC_ENOMEM, "out of memory for a queue");
        return NULL;
    }
    queue->kind = kind;
    queue->max_size = max_size;
    queue->free_item = free_item;
    tc__list_init(&queue->getters);
    tc__list_init(&queue->putters);
    tc__list_init(&queue->joiners);
    return queue;
}

tc_queue_t *tc_queue_new(size_t max_size, tc_free_fn free_item) {
    return new_queue(FIFO, max_size, free_item);
}

tc_queue_t *tc_lifo_queue_new(size_t max_size, tc_free_fn free_item) {
    return new_queue(LIFO, max_size, free_item);
}

tc_queue_t *tc_priority_queue_new(size_t max_size, int (*compare)(const void *a, const void *b), tc_free_fn free_item) {
    if (!compare) {
        tc__misuse(TC_EINVAL, "tc_priority_queue_new: compare is NULL");
        return NULL;
    }
    tc_queue_t *queue = new_queue(PRIORITY, max_size, free_item);
    if (queue)
        queue->compare = compare;
    return queue;
}

void tc_queue_free(tc_queue_t *queue) {
    if (!queue)
        return;
    tc__wait_cancel_all(&queue->getters);
    tc__wait_cancel_all(&queue->putters);
    tc__wait_cancel_all(&queue->joiners);
    while (queue->count > 0) {
        void *item = pop(queue);
        if (queue->free_item)
            queue->free_item(item);
    }
    tc__free(queue->entries);
    tc__free(queue);
}

/* ---- Putting and getting ---- */

/* Takes the item unless the queue is full. */
static int put_now(tc_queue_t *queue, void *item) {
    if (tc_queue_full(queue))
        return TC_EAGAIN;
    TC_TRY(make_room(queue));
    push(queue, item);
    tc__wait_t *getter = tc__wait_first(&queue->getters);
    if (getter)
        tc_future_set_result(&getter->future, pop(queue), queue->free_item);
    return 0;
}

/* A waiting putter's item goes in before one is taken out, as if it had come in time. */
static int get_now(tc_queue_t *queue, void **out) {
    if (queue->count == 0)
        return TC_EAGAIN;
    tc__wait_t *putter = tc__wait_first(&queue->putters);
    if (putter) {
        push(queue, putter->item);
        tc_future_set_result(&putter->future, NULL, NULL);
    }
    *out = pop(queue);
    return 0;
}

int tc_queue_put_nowait(tc_queue_t *queue, void *item) {
    return queue ? put_now(queue, item) : TC_ENOMEM;
}

int tc_queue_get_nowait(tc_queue_t *queue, void *out) {
    void *item = NULL;
    int err = queue ? get_now(queue, &item) : TC_ENOMEM;
    if (out)
        memcpy(out, &item, sizeof item);
    else if (item && queue->free_item)
        queue->free_item(item);
    return err;
}

tc_future_t *tc_queue_put(tc_queue_t *queue, void *item, uint64_t timeout_ms) {
    if (!queue)
        return NULL;
    if (tc_queue_full(queue)) {
        tc__wait_t *putter = make_room(queue) == 0 ? tc__wait(&queue->putters, timeout_ms) : NULL;
        if (putter)
            putter->item = item;
        return putter ? &putter->future : NULL;
    }
    tc_future_t *future = tc_future_new(NULL);
    if (!future)
        return NULL;
    int err = put_now(queue, item);
    if (err < 0)
        tc_future_set_error(future, err, NULL);
    else
        tc_future_set_result(future, NULL, NULL);
    return future;
}

tc_future_t *tc_queue_get(tc_queue_t *queue, uint64_t timeout_ms) {
    if (!queue)
        return NULL;
    if (queue->count == 0) {
        tc__wait_t *getter = tc__wait(&queue->getters, timeout_ms);
        return getter ? &getter->future : NULL;
    }
    tc_future_t *future = tc_future_new(NULL);
    void *item;
    if (future && get_now(queue, &item) == 0)
        tc_future_set_result(future, item, queue->free_item);
    return future;
}

/* ---- Being done ---- */

int tc_queue_task_done(tc_queue_t *queue) {
    if (!queue)
        return TC_ENOMEM;
    if (queue->unfinished == 0)
        return tc__misuse(TC_EINVAL, "tc_queue_task_done: called more often than there were items");
    if (--queue->unfinished == 0)
        for (tc__wait_t *joiner; (joiner = tc__wait_first(&queue->joiners)) != NULL;)
            tc_future_set_result(&joiner->future, NULL, NULL);
    return 0;
}

tc_future_t *tc_queue_join(tc_queue_t *queue, uint64_t timeout_ms) {
    if (!queue)
        return NULL;
    if (queue->unfinished == 0)
        return tc__wait_not();
    tc__wait_t *joiner = tc__wait(&queue->joiners, timeout_ms);
    return joiner ? &joiner->future : NULL;
}

/* ---- Looking at it ---- */

size_t tc_queue_size(const tc_queue_t *queue) {
    return queue ? queue->count : 0;
}

size_t tc_queue_max_size(const tc_queue_t *queue) {
    return queue ? queue->max_size : 0;
}

bool tc_queue_empty(const tc_queue_t *queue) {
    return tc_queue_size(queue) == 0;
}

bool tc_queue_full(const tc_queue_t *queue) {
    return queue && queue->max_size > 0 && queue->count >= queue->max_size;
}
