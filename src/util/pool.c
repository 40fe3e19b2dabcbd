/*
 * pool.c - a free list of blocks.
 *
 * Under AddressSanitizer a free block is poisoned but for its first word, the link: what is poisoned is no root of
 * LeakSanitizer, and the rest of the list must be found.
 */
#include "util/pool_internal.h"

#include "util/alloc_internal.h"
#include "util/poison_internal.h"

void tc__pool_init(tc__pool_t *pool, unsigned keep) {
    pool->free_blocks = NULL;
    pool->count = 0;
    pool->keep = keep;
}

static void *take(tc__pool_t *pool) {
    void *block = pool->free_blocks;
    tc__unpoison(block, TC__BLOCK_SIZE);
    pool->free_blocks = *(void **)block;
    pool->count--;
    return block;
}

void tc__pool_deinit(tc__pool_t *pool) {
    while (pool->free_blocks)
        tc__free(take(pool));
}

void *tc__pool_get(tc__pool_t *pool) {
    return pool->free_blocks ? take(pool) : tc__malloc(TC__BLOCK_SIZE);
}

void tc__pool_put(tc__pool_t *pool, void *block) {
    tc__unpoison(block, TC__BLOCK_SIZE);
    if (pool->count >= pool->keep) {
        tc__free(block);
        return;
    }
    *(void **)block = pool->free_blocks;
    pool->free_blocks = block;
    pool->count++;
    tc__poison((char *)block + sizeof(void *), TC__BLOCK_SIZE - sizeof(void *));
}
