/*
 * arena.c - bump allocation, freed as a whole.
 *
 *   block:  | object and arena, if init_in | allocations ... | cur -> free room -> end | link |
 *   large:  | link (16 bytes) | one allocation |
 *
 * The link of a block stands at its end, because the front of the first one may belong to the object that holds the
 * arena. For the same reason deinit takes all it needs out of the arena before the first block goes back.
 *
 * Under AddressSanitizer the free room is poisoned, and so are some bytes behind each allocation.
 */
#include "util/arena_internal.h"

#include <stdio.h>

#include "util/alloc_internal.h"

enum { LARGE_HEADER = 16, ROOM_IN_BLOCK = TC__BLOCK_SIZE - 16 };

typedef struct cleanup {
    struct cleanup *next;
    tc_free_fn fn;
    void *data;
} cleanup_t;

/* ---- Blocks --------------------------------------------------------------------------------------------------- */

static void **block_link(void *block) {
    return (void **)(void *)((char *)block + TC__BLOCK_SIZE - sizeof(void *));
}

static void add_block(tc__arena_t *arena, void *block, size_t used) {
    *block_link(block) = arena->blocks;
    arena->blocks = block;
    arena->cur = (char *)block + ((used + 15) & ~(size_t)15);
    arena->end = (char *)block_link(block);
    if (arena->cur > arena->end) /* the object reaches to the link: no room */
        arena->cur = arena->end;
    tc__poison(arena->cur, (size_t)(arena->end - arena->cur));
}

static void free_block(tc__pool_t *pool, void *block) {
    if (pool) {
        tc__pool_put(pool, block);
        return;
    }
    tc__unpoison(block, TC__BLOCK_SIZE);
    tc__free(block);
}

void tc__arena_init(tc__arena_t *arena, tc__pool_t *pool) {
    *arena = (tc__arena_t){ .pool = pool };
}

void tc__arena_init_in(tc__arena_t *arena, tc__pool_t *pool, void *block, size_t used) {
    tc__arena_init(arena, pool);
    add_block(arena, block, used);
}

void tc__arena_deinit(tc__arena_t *arena) {
    tc__arena_run_cleanups(arena);
    tc__arena_t last = *arena;
    tc__arena_init(arena, last.pool);

    while (last.large) {
        void *large = last.large;
        last.large = *(void **)large;
        tc__free(large);
    }
    while (last.blocks) {
        void *block = last.blocks;
        last.blocks = *block_link(block);
        free_block(last.pool, block);
    }
}

/* ---- Allocation ----------------------------------------------------------------------------------------------- */

static void *fail(tc__arena_t *arena) {
    arena->failed = true;
    return NULL;
}

static void *alloc_large(tc__arena_t *arena, size_t size) {
    if (size > SIZE_MAX - LARGE_HEADER)
        return fail(arena);
    char *large = tc__malloc(LARGE_HEADER + size);
    if (!large)
        return fail(arena);
    *(void **)(void *)large = arena->large;
    arena->large = large;
    return large + LARGE_HEADER;
}

/* For what leaves less room in the block than the newest has: that stays the newest. */
static void *alloc_alone(tc__arena_t *arena, void *block, size_t size) {
    *block_link(block) = *block_link(arena->blocks);
    *block_link(arena->blocks) = block;
    tc__poison((char *)block + size, ROOM_IN_BLOCK - size);
    return block;
}

void *tc__arena_slow_alloc(tc__arena_t *arena, size_t size) {
    if (size == 0)
        return tc__arena_alloc(arena, 1);
    if (size > ROOM_IN_BLOCK - TC__REDZONE)
        return alloc_large(arena, size);
    void *block = arena->pool ? tc__pool_get(arena->pool) : tc__malloc(TC__BLOCK_SIZE);
    if (!block)
        return fail(arena);
    if (ROOM_IN_BLOCK - tc__arena_round(size) < (size_t)(arena->end - arena->cur))
        return alloc_alone(arena, block, size);
    add_block(arena, block, 0);
    return tc__arena_alloc(arena, size);
}

void *tc__arena_calloc(tc__arena_t *arena, size_t size) {
    void *data = tc__arena_alloc(arena, size);
    if (data && size)
        memset(data, 0, size);
    return data;
}

/* Was `data` allocated last, and is there room behind it? Then it grows where it is. */
static bool grow_in_block(tc__arena_t *arena, char *data, size_t old_size, size_t new_size) {
    size_t old_rounded = tc__arena_round(old_size);
    size_t new_rounded = tc__arena_round(new_size);
    if (data + old_rounded != arena->cur || new_rounded < new_size)
        return false;
    if (new_rounded > (size_t)(arena->end - data))
        return false;
    tc__unpoison(data, new_size);
    arena->cur = data + new_rounded;
    return true;
}

static void *grow_newest_large(tc__arena_t *arena, size_t new_size) {
    if (new_size > SIZE_MAX - LARGE_HEADER)
        return fail(arena);
    char *large = tc__realloc(arena->large, LARGE_HEADER + new_size);
    if (!large)
        return fail(arena);
    arena->large = large;
    return large + LARGE_HEADER;
}

void *tc__arena_realloc(tc__arena_t *arena, void *data, size_t old_size, size_t new_size) {
    if (!data)
        return tc__arena_alloc(arena, new_size);
    if (new_size <= old_size || grow_in_block(arena, data, old_size, new_size))
        return data;
    if (arena->large && (char *)arena->large + LARGE_HEADER == (char *)data)
        return grow_newest_large(arena, new_size);

    void *moved = tc__arena_alloc(arena, new_size);
    if (moved)
        memcpy(moved, data, old_size);
    return moved;
}

/* ---- Text ----------------------------------------------------------------------------------------------------- */

char *tc__arena_strndup(tc__arena_t *arena, const char *text, size_t len) {
    if (len == SIZE_MAX)
        return fail(arena);
    char *copy = tc__arena_alloc(arena, len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *tc__arena_vsprintf(tc__arena_t *arena, const char *fmt, va_list args) {
    char small[256]; /* what fits is formatted once */
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(small, sizeof(small), fmt, args);
    char *text = NULL;
    if (len < 0) {
        fail(arena);
    } else if ((size_t)len < sizeof(small)) {
        text = tc__arena_strndup(arena, small, (size_t)len);
    } else {
        text = tc__arena_alloc(arena, (size_t)len + 1);
        if (text)
            vsnprintf(text, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    return text;
}

char *tc__arena_sprintf(tc__arena_t *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    char *text = tc__arena_vsprintf(arena, fmt, args);
    va_end(args);
    return text;
}

/* ---- Cleanups ------------------------------------------------------------------------------------------------- */

int tc__arena_on_cleanup(tc__arena_t *arena, tc_free_fn fn, void *data) {
    cleanup_t *cleanup = tc__arena_alloc(arena, sizeof(*cleanup));
    if (!cleanup) {
        fn(data);
        return TC_ENOMEM;
    }
    *cleanup = (cleanup_t){ arena->cleanups, fn, data };
    arena->cleanups = cleanup;
    return 0;
}

void tc__arena_run_cleanups(tc__arena_t *arena) {
    while (arena->cleanups) { /* a cleanup may register another */
        cleanup_t *cleanup = arena->cleanups;
        arena->cleanups = cleanup->next;
        cleanup->fn(cleanup->data);
    }
}
