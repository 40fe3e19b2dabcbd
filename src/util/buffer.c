/*
 * buffer.c - bytes in at the end, out at the front.
 *
 *   data: | consumed | start ... end | free | capacity
 *
 * When the free room is too small, the content moves to the front if at least as much was consumed as has to move, and
 * the memory is doubled otherwise: either way each byte is copied a constant number of times on average. For this the
 * capacity may reach twice the limit (and no more).
 */
#include "util/buffer_internal.h"

#include <assert.h>

#include "util/alloc_internal.h"

enum { SMALLEST = 256 };

void tc__buffer_init(tc__buffer_t *buffer, size_t limit) {
    *buffer = (tc__buffer_t){ .limit = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX };
}

void tc__buffer_deinit(tc__buffer_t *buffer) {
    tc__free(buffer->data);
    tc__buffer_init(buffer, buffer->limit);
}

static void move_to_front(tc__buffer_t *buffer) {
    uint32_t used = buffer->end - buffer->start;
    memmove(buffer->data, buffer->data + buffer->start, used);
    buffer->start = 0;
    buffer->end = used;
}

static uint32_t next_capacity(const tc__buffer_t *buffer, uint64_t needed) {
    uint64_t most = 2 * (uint64_t)buffer->limit;
    uint64_t capacity = 2 * (uint64_t)buffer->capacity;
    if (capacity < SMALLEST)
        capacity = SMALLEST;
    if (capacity > most)
        capacity = most;
    if (capacity < needed)
        capacity = needed;
    return capacity < UINT32_MAX ? (uint32_t)capacity : UINT32_MAX;
}

static int grow(tc__buffer_t *buffer, uint64_t needed) {
    uint32_t used = buffer->end - buffer->start;
    uint32_t capacity = next_capacity(buffer, needed);
    char *data = buffer->start ? tc__malloc(capacity) : tc__realloc(buffer->data, capacity);
    if (!data)
        return TC_ENOMEM;
    if (buffer->start) { /* copy what is left only */
        memcpy(data, buffer->data + buffer->start, used);
        tc__free(buffer->data);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    buffer->start = 0;
    buffer->end = used;
    return 0;
}

int tc__buffer_reserve(tc__buffer_t *buffer, size_t len) {
    uint32_t used = buffer->end - buffer->start;
    if (len > buffer->limit - used)
        return TC_ETOOBIG;
    if (len <= buffer->capacity - buffer->end)
        return 0;

    bool fits = len <= buffer->capacity - used;
    bool cannot_grow = buffer->capacity == UINT32_MAX;
    if (fits && (buffer->start >= used || cannot_grow)) {
        move_to_front(buffer);
        return 0;
    }
    return grow(buffer, (uint64_t)used + len);
}

int tc__buffer_append(tc__buffer_t *buffer, const void *data, size_t len) {
    int err = tc__buffer_reserve(buffer, len);
    if (err < 0 || len == 0)
        return err;
    memcpy(buffer->data + buffer->end, data, len);
    buffer->end += (uint32_t)len;
    return 0;
}

int tc__buffer_prepend(tc__buffer_t *buffer, const void *data, size_t len) {
    uint32_t used = buffer->end - buffer->start;
    if (len == 0)
        return 0;
    if (len > buffer->limit - used)
        return TC_ETOOBIG;
    if (len <= buffer->start) {
        buffer->start -= (uint32_t)len;
    } else {
        TC_TRY(tc__buffer_reserve(buffer, len));
        memmove(buffer->data + buffer->start + len, buffer->data + buffer->start, used);
        buffer->end += (uint32_t)len;
    }
    memcpy(buffer->data + buffer->start, data, len);
    return 0;
}

void tc__buffer_consume(tc__buffer_t *buffer, size_t len) {
    assert(len <= tc__buffer_len(buffer));
    buffer->start += (uint32_t)len;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}
