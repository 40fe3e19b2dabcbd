/*
 * buffer_internal.h - a growing buffer of bytes with a limit: append at the end, consume at the front.
 *
 * No memory while it was never used or after it was reset. Offsets are 32 bit, so that the struct is small; the limit
 * is at most 4 GiB less one.
 */
#ifndef TC_UTIL_BUFFER_INTERNAL_H
#define TC_UTIL_BUFFER_INTERNAL_H

#include <assert.h>

#include <tornadoc/util.h>

typedef struct tc__buffer {
    char *data;
    uint32_t start, end; /* what is in it: data[start, end) */
    uint32_t capacity;
    uint32_t limit; /* most bytes held */
} tc__buffer_t;

void tc__buffer_init(tc__buffer_t *buffer, size_t limit); /* a larger limit is cut to what fits */
void tc__buffer_deinit(tc__buffer_t *buffer);             /* frees the memory; may be used again */

static inline size_t tc__buffer_len(const tc__buffer_t *buffer) {
    return buffer->end - buffer->start;
}
static inline tc_bytes_t tc__buffer_bytes(const tc__buffer_t *buffer) {
    assert(buffer->data || tc__buffer_len(buffer) == 0);
    return tc_bytes(buffer->data ? buffer->data + buffer->start : NULL, buffer->end - buffer->start);
}

/* 0; TC_ETOOBIG beyond the limit, TC_ENOMEM: then nothing was appended. `data` must not lie in the buffer. */
int tc__buffer_append(tc__buffer_t *buffer, const void *data, size_t len);

/* The same in front of what is in it: for bytes that were taken off and come back. */
int tc__buffer_prepend(tc__buffer_t *buffer, const void *data, size_t len);

/* Room for `len` more bytes, contiguous, at data + end; the caller then adds to `end`. The same errors. */
int tc__buffer_reserve(tc__buffer_t *buffer, size_t len);

/* Take `len` bytes off the front (len <= what is in it). An empty buffer starts over; its memory stays. */
void tc__buffer_consume(tc__buffer_t *buffer, size_t len);

#endif
