/*
 * alloc.c - the one door to the allocator.
 *
 * Blocks of one allocator must not go back to another, so the choice is frozen by the first block taken. The way there
 * is a flag, a load and an indirect call. A size of 0 is asked for as 1: what the C library leaves open (NULL or not,
 * realloc that frees) would look like a failure to callers.
 */
#include "util/alloc_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "util/error_internal.h"

static tc_allocator_t allocator = { malloc, calloc, realloc, free };
static atomic_bool in_use;

static inline void mark_in_use(void) {
    if (!atomic_load_explicit(&in_use, memory_order_relaxed))
        atomic_store_explicit(&in_use, true, memory_order_relaxed);
}

void *tc__malloc(size_t size) {
    mark_in_use();
    return allocator.malloc_fn(size ? size : 1);
}

void *tc__calloc(size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) /* not every replacement checks */
        return NULL;
    mark_in_use();
    return count != 0 && size != 0 ? allocator.calloc_fn(count, size) : allocator.calloc_fn(1, 1);
}

void *tc__realloc(void *data, size_t size) {
    mark_in_use();
    return allocator.realloc_fn(data, size ? size : 1);
}

void tc__free(void *data) {
    if (data)
        allocator.free_fn(data);
}

char *tc__strndup(const char *text, size_t len) {
    if (len == SIZE_MAX)
        return NULL;
    char *copy = tc__malloc(len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

int tc_set_allocator(const tc_allocator_t *chosen) {
    if (!chosen || !chosen->malloc_fn || !chosen->calloc_fn || !chosen->realloc_fn || !chosen->free_fn)
        return tc__misuse(TC_EINVAL, "tc_set_allocator: all four functions must be given");
    if (atomic_load_explicit(&in_use, memory_order_relaxed))
        return tc__misuse(TC_EBUSY, "tc_set_allocator: memory is in use; call it before anything else of the library");
    allocator = *chosen;
    return 0;
}
