/*
 * pool_internal.h - blocks of 4 KiB from a free list, one list per loop.
 *
 * Requests, their heads and their output are built in such blocks, so that a request in steady state takes nothing
 * from the allocator. Beyond `keep` free blocks, blocks go back to the allocator.
 */
#ifndef TC_UTIL_POOL_INTERNAL_H
#define TC_UTIL_POOL_INTERNAL_H

#include <stddef.h>

enum { TC__BLOCK_SIZE = 4096 };

typedef struct tc__pool {
    void *free_blocks; /* linked through their first word */
    unsigned count, keep;
} tc__pool_t;

void tc__pool_init(tc__pool_t *pool, unsigned keep);
void tc__pool_deinit(tc__pool_t *pool); /* blocks that are still out may go to tc__free later */
void *tc__pool_get(tc__pool_t *pool);   /* TC__BLOCK_SIZE bytes, not zeroed; NULL: out of memory */
void tc__pool_put(tc__pool_t *pool, void *block);

#endif
