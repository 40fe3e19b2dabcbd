/*
 * arena_internal.h - memory that is freed as a whole: a request's.
 *
 * Bump allocation in blocks of the loop's pool; what is larger than a quarter of a block has a block of its own from
 * the allocator. The pool must outlive the arena, or be NULL (then all comes from the allocator).
 */
#ifndef TC_UTIL_ARENA_INTERNAL_H
#define TC_UTIL_ARENA_INTERNAL_H

#include <stdarg.h>
#include <stdbool.h>

#include <tornadoc/util.h>

#include "util/poison_internal.h"
#include "util/pool_internal.h"

typedef struct tc__arena {
    tc__pool_t *pool;
    void *blocks;    /* pool blocks, newest first, linked through their last word */
    void *large;     /* blocks of the allocator, newest first, linked through their first word */
    void *cleanups;  /* last registered first */
    char *cur, *end; /* free room of the newest block; aligned to 16 between allocations */
    bool failed;     /* an allocation failed some time */
} tc__arena_t;

void tc__arena_init(tc__arena_t *arena, tc__pool_t *pool);

/* Start with a block that the caller got from the pool and of which it uses the first `used` bytes itself: an object
 * and its arena in one block. The block is the arena's from now on. */
void tc__arena_init_in(tc__arena_t *arena, tc__pool_t *pool, void *block, size_t used);

/* Run the cleanups, last first, then free all. The arena may stand inside its own first block. */
void tc__arena_deinit(tc__arena_t *arena);

/* Run the cleanups now (once). */
void tc__arena_run_cleanups(tc__arena_t *arena);

/* 16-byte aligned (as the allocator's blocks are), not zeroed; NULL: out of memory, and `failed` is set. A size of 0 is
 * fine. */
static inline size_t tc__arena_round(size_t size) {
    return (size + TC__REDZONE + 15) & ~(size_t)15;
}
void *tc__arena_slow_alloc(tc__arena_t *arena, size_t size);
static inline void *tc__arena_alloc(tc__arena_t *arena, size_t size) {
    size_t rounded = tc__arena_round(size);
    if (rounded >= size && rounded <= (size_t)(arena->end - arena->cur) && rounded != 0) {
        void *data = arena->cur;
        arena->cur += rounded;
        tc__unpoison(data, size);
        return data;
    }
    return tc__arena_slow_alloc(arena, size);
}
void *tc__arena_calloc(tc__arena_t *arena, size_t size);

/* Grow what was allocated last in place where possible, else move it; NULL `data` is allocated. On failure `data` stays
 * as it is. */
void *tc__arena_realloc(tc__arena_t *arena, void *data, size_t old_size, size_t new_size);

char *tc__arena_strndup(tc__arena_t *arena, const char *text, size_t len); /* `len` bytes and a NUL */
char *tc__arena_vsprintf(tc__arena_t *arena, const char *fmt, va_list args) TC_PRINTF(2, 0);
char *tc__arena_sprintf(tc__arena_t *arena, const char *fmt, ...) TC_PRINTF(2, 3);

/* Call fn(data) at deinit. On failure TC_ENOMEM, and fn was called at once. */
int tc__arena_on_cleanup(tc__arena_t *arena, tc_free_fn fn, void *data);

#endif
