/*
 * stack_pool.c - the stacks of a loop's coroutines.
 *
 *   slab:  | guard | stack 0 | guard | stack 1 | … | guard | stack 63 |        one mapping, no memory until touched
 *   stack: low | …                           <- grows down | tc__stack_t | control |
 *
 * A stack is large (256 KiB) because that costs address space only; what is in memory is what was touched. Below each
 * lies a guard that is larger than any frame of a compiler that probes, so that an overflow faults and does not reach
 * the neighbour. Where the kernel has guard markers (MADV_GUARD_INSTALL) a slab stays one mapping, however many guards;
 * else each is protected, which takes two mappings per stack of those that a process may have.
 *
 * Free stacks are used again last in, first out, so that the warm ones are. A trim gives the others back: slabs of
 * which no stack is used whole, of the rest all pages but the top ones.
 */
#include "coroutine/stack_pool_internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coroutine/sanitizers_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/poison_internal.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_STACK
#define MAP_STACK 0
#endif
#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#if defined(__linux__) && !defined(MADV_GUARD_INSTALL)
#define MADV_GUARD_INSTALL 102
#endif

struct tc__stack_slab {
    tc__list_t node;
    char *memory;
    unsigned used_once; /* stacks [0, used_once) have been handed out */
    unsigned live;
};

tc__stack_sys_t tc__stack_sys = { mmap, munmap, mprotect, madvise, sigaction };

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t round_up(size_t size, size_t unit) {
    return (size + unit - 1) / unit * unit;
}

void tc__stack_pool_init(tc__stack_pool_t *pool, size_t stack_size, size_t guard_size, size_t control_size,
                         size_t max) {
    size_t page = page_size();
    tc__list_init(&pool->slabs);
    tc__list_init(&pool->free);
    pool->stack_size = round_up(stack_size, page);
    pool->guard_size = round_up(guard_size, page);
    pool->control_size = round_up(sizeof(tc__stack_t) + control_size, 64);
    pool->live = pool->free_count = 0;
    pool->max = max;
}

static size_t stride(const tc__stack_pool_t *pool) {
    return pool->guard_size + pool->stack_size;
}

/* ---- Slabs ---- */

static tc__stack_slab_t *new_slab(tc__stack_pool_t *pool) {
    size_t size = stride(pool) * TC__STACKS_PER_SLAB;
    tc__stack_slab_t *slab = tc__calloc(1, sizeof *slab);
    if (!slab)
        return NULL;
    void *memory = tc__stack_sys.mmap(NULL, size, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        tc__free(slab);
        return NULL;
    }
#ifdef MADV_NOHUGEPAGE
    tc__stack_sys.madvise(memory, size, MADV_NOHUGEPAGE); /* one touched page must not become two megabytes */
#endif
    slab->memory = memory;
    tc__list_push(&pool->slabs, &slab->node);
    return slab;
}

static tc__stack_t *stack_at(const tc__stack_pool_t *pool, const tc__stack_slab_t *slab, size_t index) {
    char *end = slab->memory + (index + 1) * stride(pool);
    return (tc__stack_t *)(void *)(end - pool->control_size);
}

static int install_guard(char *at, size_t size) {
#ifdef MADV_GUARD_INSTALL
    if (tc__stack_sys.madvise(at, size, MADV_GUARD_INSTALL) == 0)
        return 0;
#endif
    return tc__stack_sys.mprotect(at, size, PROT_NONE);
}

/* The next stack of a slab that was not handed out yet. */
static tc__stack_t *first_use(tc__stack_pool_t *pool, tc__stack_slab_t *slab) {
    char *guard = slab->memory + slab->used_once * stride(pool);
    if (install_guard(guard, pool->guard_size) != 0)
        return NULL;
    tc__stack_t *stack = stack_at(pool, slab, slab->used_once++);
    tc__list_init(&stack->node);
    stack->slab = slab;
    stack->low = guard + pool->guard_size;
    stack->size = (size_t)((char *)stack - stack->low);
    stack->valgrind_id = tc__valgrind_register(stack->low, stack);
    return stack;
}

static tc__stack_slab_t *last_slab(const tc__stack_pool_t *pool) {
    return tc__container_of(pool->slabs.prev, tc__stack_slab_t, node);
}

static tc__stack_t *new_stack(tc__stack_pool_t *pool) {
    bool fresh = tc__list_empty(&pool->slabs) || last_slab(pool)->used_once == TC__STACKS_PER_SLAB;
    tc__stack_slab_t *slab = fresh ? new_slab(pool) : last_slab(pool);
    tc__stack_t *stack = slab ? first_use(pool, slab) : NULL;
    if (!stack)
        tc__fail(TC_ENOMEM, "no memory for the stack of a coroutine (%zu are in use): %s", pool->live, strerror(errno));
    return stack;
}

/* ---- Getting and putting ---- */

tc__stack_t *tc__stack_get(tc__stack_pool_t *pool) {
    tc__stack_t *stack = NULL;
    if (pool->live >= pool->max) {
        tc__fail(TC_ENOMEM, "the limit of %zu coroutines is reached", pool->max);
        return NULL;
    }
    if (!tc__list_empty(&pool->free)) {
        stack = tc__container_of(pool->free.next, tc__stack_t, node);
        tc__list_remove(&stack->node);
        pool->free_count--;
        tc__unpoison(stack->low, stack->size);
    } else if (!(stack = new_stack(pool))) {
        return NULL;
    }
    stack->slab->live++;
    pool->live++;
    stack->dirty = true;
    tc__lsan_register(stack->low, stack->size + pool->control_size);
    return stack;
}

void tc__stack_put(tc__stack_pool_t *pool, tc__stack_t *stack) {
    tc__lsan_unregister(stack->low, stack->size + pool->control_size);
    tc__poison(stack->low, stack->size);          /* a pointer into a coroutine that has ended is found */
    tc__list_push(pool->free.next, &stack->node); /* before the first: the next to be taken */
    stack->slab->live--;
    pool->live--;
    pool->free_count++;
}

/* ---- Giving back ---- */

static void free_slab(tc__stack_pool_t *pool, tc__stack_slab_t *slab) {
    for (unsigned i = 0; i < slab->used_once; i++) {
        tc__stack_t *stack = stack_at(pool, slab, i);
        tc__valgrind_deregister(stack->valgrind_id);
        tc__unpoison(stack->low, stack->size);
        tc__list_remove(&stack->node);
        pool->free_count--;
    }
    tc__list_remove(&slab->node);
    tc__stack_sys.munmap(slab->memory, stride(pool) * TC__STACKS_PER_SLAB);
    tc__free(slab);
}

void tc__stack_pool_deinit(tc__stack_pool_t *pool) {
    while (!tc__list_empty(&pool->slabs))
        free_slab(pool, tc__container_of(pool->slabs.next, tc__stack_slab_t, node));
}

static void free_unused_slabs(tc__stack_pool_t *pool, size_t keep) {
    for (tc__list_t *node = pool->slabs.prev, *before; node != &pool->slabs; node = before) {
        tc__stack_slab_t *slab = tc__container_of(node, tc__stack_slab_t, node);
        before = node->prev;
        if (slab->live == 0 && pool->free_count >= keep + slab->used_once)
            free_slab(pool, slab);
    }
}

static void drop_pages(tc__stack_t *stack) {
    size_t page = page_size();
    char *top_page = (char *)stack - (uintptr_t)stack % page;
    tc__stack_sys.madvise(stack->low, (size_t)(top_page - stack->low), MADV_DONTNEED);
    stack->dirty = false;
}

void tc__stack_pool_trim(tc__stack_pool_t *pool, size_t keep) {
    free_unused_slabs(pool, keep);
    for (tc__list_t *node = pool->free.next; node != &pool->free; node = node->next) {
        tc__stack_t *stack = tc__container_of(node, tc__stack_t, node);
        if (keep > 0)
            keep--;
        else if (stack->dirty)
            drop_pages(stack);
    }
}
