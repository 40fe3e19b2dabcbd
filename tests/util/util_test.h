/* util_test.h - cmocka with what it needs, an allocator that fails on demand, and bytes that end where they end. */
#ifndef UTIL_TEST_H
#define UTIL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <tornadoc/util.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT(literal) tc_bytes(literal, sizeof(literal) - 1) /* NULs in the middle count */

/* ---- An allocator that counts, and fails when told ---- */

static struct {
    long live;       /* blocks that are out */
    long calls;      /* since the last allow_allocations() */
    long fail_from;  /* that call and... */
    long fail_until; /* ...those before this one fail; both 0: none */
} memory;

static inline bool fails_now(void) {
    memory.calls++;
    return memory.calls >= memory.fail_from && memory.calls < memory.fail_until;
}

static inline void *failing_malloc(size_t size) {
    void *data = fails_now() ? NULL : malloc(size);
    memory.live += data != NULL;
    return data;
}

static inline void *failing_calloc(size_t count, size_t size) {
    void *data = fails_now() ? NULL : calloc(count, size);
    memory.live += data != NULL;
    return data;
}

static inline void *failing_realloc(void *old, size_t size) {
    void *data = fails_now() ? NULL : realloc(old, size);
    memory.live += data != NULL && old == NULL;
    return data;
}

static inline void failing_free(void *data) {
    memory.live -= data != NULL;
    free(data);
}

static inline int use_failing_allocator(void) {
    return tc_set_allocator(&(tc_allocator_t){ failing_malloc, failing_calloc, failing_realloc, failing_free });
}

static inline void allow_allocations(void) {
    memory.calls = memory.fail_from = memory.fail_until = 0;
}

/* Let call `nth` (from 1) fail, and the later ones too if `for_good`. */
static inline void fail_allocation(long nth, bool for_good) {
    memory.calls = 0;
    memory.fail_from = nth;
    memory.fail_until = for_good ? __LONG_MAX__ : nth + 1;
}

/* ---- Bytes on the heap, so that the sanitizer sees a read beyond their end ---- */

static inline tc_bytes_t on_heap(tc_bytes_t bytes) {
    char *copy = malloc(bytes.len ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len)
        memcpy(copy, bytes.data, bytes.len);
    return tc_bytes(copy, bytes.len);
}

static inline void off_heap(tc_bytes_t bytes) {
    free((void *)bytes.data);
}

#endif
