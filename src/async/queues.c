/*
 * queues.c - queues between producers and consumers. (Tornado: queues)
 *
 * One array holds the items: a ring for first in, first out, a stack, or a heap whose entries remember when they came.
 * A getter waits only while there are no items, a putter only while there is no room. An item whose getter's future is
 * freed before anybody has received it goes back to where it was: so the array always has room for those that are on
 * their way, and for one more, that of a waiting putter, which goes in before one is taken out.
 */
#include <tornadoc/queues.h>

#include <assert.h>
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
    tc__wait_list_t getters, putters, joiners;
};

/* ---- The array ---- */

static entry_t *at(const tc_queue_t *queue, size_t index) {
    assert(queue->capacity > 0);
    return &queue->entries[(queue->first + index) % queue->capacity];
}

/* Room for one more, and for that of a putter. */
static int make_room(tc_queue_t *queue) {
    size_t wanted = queue->count + queue->getters.granted_count + 2;
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
static void add(tc_queue_t *queue, entry_t entry) {
    *at(queue, queue->count) = entry;
    queue->count++;
    if (queue->kind == PRIORITY)
        sift_up(queue, queue->count - 1);
}

static void push(tc_queue_t *queue, void *item) {
    add(queue, (entry_t){ item, queue->puts++ });
    queue->unfinished++;
}

/* There is an item. */
static entry_t pop(tc_queue_t *queue) {
    entry_t entry;
    queue->count--;
    switch (queue->kind) {
    case LIFO:
        return *at(queue, queue->count);
    case PRIORITY:
        entry = queue->entries[0];
        queue->entries[0] = queue->entries[queue->count];
        sift_down(queue, 0);
        return entry;
    default:
        entry = *at(queue, 0);
        queue->first = (queue->first + 1) % queue->capacity;
        return entry;
    }
}

/* To where it stood: several may come back, in any order. */
static void push_back(tc_queue_t *queue, entry_t entry) {
    if (queue->kind == FIFO) {
        queue->first = (queue->first + queue->capacity - 1) % queue->capacity;
        queue->count++;
        *at(queue, 0) = entry;
        for (size_t i = 0; i + 1 < queue->count && at(queue, i)->number > at(queue, i + 1)->number; i++)
            swap(at(queue, i), at(queue, i + 1));
        return;
    }
    add(queue, entry);
    for (size_t i = queue->count - 1; queue->kind == LIFO && i > 0 && at(queue, i)->number < at(queue, i - 1)->number;
         i--)
        swap(at(queue, i), at(queue, i - 1));
}

/* ---- Handing over ---- */

static void hand(tc_queue_t *queue, tc__wait_t *getter, entry_t entry) {
    getter->number = entry.number;
    tc__wait_grant(getter, entry.item, queue->free_item);
}

/* A getter's future was freed, and nobody had seen the item. */
static void take_back(tc__wait_list_t *getters, tc__wait_t *wait) {
    tc_queue_t *queue = tc__container_of(getters, tc_queue_t, getters);
    tc__wait_t *next = tc__wait_first(getters);
    entry_t entry = { tc_future_take(&wait->future), wait->number };
    if (next)
        hand(queue, next, entry);
    else
        push_back(queue, entry);
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
    tc__wait_list_init(&queue->getters, take_back);
    tc__wait_list_init(&queue->putters, NULL);
    tc__wait_list_init(&queue->joiners, NULL);
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
    tc__wait_list_deinit(&queue->getters);
    tc__wait_list_deinit(&queue->putters);
    tc__wait_list_deinit(&queue->joiners);
    while (queue->count > 0) {
        void *item = pop(queue).item;
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
        hand(queue, getter, pop(queue));
    return 0;
}

/* There is an item. A waiting putter's goes in before one is taken out, as if it had come in time. */
static entry_t get_now(tc_queue_t *queue) {
    tc__wait_t *putter = tc__wait_first(&queue->putters);
    if (putter) {
        push(queue, putter->item);
        tc__wait_grant(putter, NULL, NULL);
    }
    return pop(queue);
}

int tc_queue_put_nowait(tc_queue_t *queue, void *item) {
    return queue ? put_now(queue, item) : TC_ENOMEM;
}

int tc_queue_get_nowait(tc_queue_t *queue, void *out) {
    int err = !queue ? TC_ENOMEM : queue->count == 0 ? TC_EAGAIN : 0;
    void *item = err == 0 ? get_now(queue).item : NULL;
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
        tc__wait_t *putter = tc__wait(&queue->putters, timeout_ms);
        if (putter)
            putter->item = item;
        return tc__wait_future(putter);
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
    if (queue->count == 0)
        return tc__wait_future(tc__wait(&queue->getters, timeout_ms));
    tc__wait_t *getter = make_room(queue) == 0 ? tc__wait_not(&queue->getters) : NULL;
    if (getter)
        hand(queue, getter, get_now(queue));
    return tc__wait_future(getter);
}

/* ---- Being done ---- */

int tc_queue_task_done(tc_queue_t *queue) {
    if (!queue)
        return TC_ENOMEM;
    if (queue->unfinished == 0)
        return tc__misuse(TC_EINVAL, "tc_queue_task_done: called more often than there were items");
    if (--queue->unfinished == 0)
        for (tc__wait_t *joiner; (joiner = tc__wait_first(&queue->joiners)) != NULL;)
            tc__wait_grant(joiner, NULL, NULL);
    return 0;
}

tc_future_t *tc_queue_join(tc_queue_t *queue, uint64_t timeout_ms) {
    if (!queue)
        return NULL;
    if (queue->unfinished > 0)
        return tc__wait_future(tc__wait(&queue->joiners, timeout_ms));
    tc__wait_t *joiner = tc__wait_not(&queue->joiners);
    if (joiner)
        tc__wait_grant(joiner, NULL, NULL);
    return tc__wait_future(joiner);
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
