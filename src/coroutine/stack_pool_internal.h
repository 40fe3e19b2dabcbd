/*
 * stack_pool_internal.h - the stacks of a loop's coroutines: made in slabs, guarded, used again.
 */
#ifndef TC_COROUTINE_STACK_POOL_INTERNAL_H
#define TC_COROUTINE_STACK_POOL_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/list_internal.h"

enum { TC__STACKS_PER_SLAB = 64 };

typedef struct tc__stack_slab tc__stack_slab_t;

/* Stands in the top bytes of its stack, with `control_size` bytes of whoever uses it behind it, so that a suspended
 * coroutine needs one page in all. */
typedef struct {
    tc__list_t node; /* among the free ones */
    tc__stack_slab_t *slab;
    char *low;   /* of the bytes to run on … */
    size_t size; /* … below this struct; a multiple of 16 */
    unsigned valgrind_id;
    bool dirty; /* more of it than the top page may be in memory */
} tc__stack_t;

typedef struct {
    tc__list_t slabs;
    tc__list_t free; /* of tc__stack_t; the last one used comes first */
    size_t stack_size, guard_size, control_size;
    size_t live, free_count, max;
} tc__stack_pool_t;

/* Sizes are rounded up to pages. Takes nothing yet. */
void tc__stack_pool_init(tc__stack_pool_t *pool, size_t stack_size, size_t guard_size, size_t control_size, size_t max);
void tc__stack_pool_deinit(tc__stack_pool_t *pool); /* no stack is in use any more */

/* NULL: `max` are in use, or the system has no memory for more; tc_error_detail() says which. */
tc__stack_t *tc__stack_get(tc__stack_pool_t *pool);
void tc__stack_put(tc__stack_pool_t *pool, tc__stack_t *stack);

static inline void *tc__stack_control(tc__stack_t *stack) {
    return stack + 1;
}

/* Give the memory of free stacks back to the system, but for `keep` that stay warm: slabs that nobody uses whole, of
 * others all but the top pages. */
void tc__stack_pool_trim(tc__stack_pool_t *pool, size_t keep);

/* Does `address` lie in the guard below this stack? For the handler of a fault. */
static inline bool tc__stack_guards(const tc__stack_pool_t *pool, const tc__stack_t *stack, uintptr_t address) {
    uintptr_t low = (uintptr_t)stack->low;
    return address < low && low - address <= pool->guard_size;
}

/* What is asked of the system. Tests make it fail. */
typedef struct {
    void *(*mmap)(void *address, size_t len, int prot, int flags, int fd, off_t offset);
    int (*munmap)(void *address, size_t len);
    int (*mprotect)(void *address, size_t len, int prot);
    int (*madvise)(void *address, size_t len, int advice);
    int (*sigaction)(int signum, const struct sigaction *action, struct sigaction *before);
} tc__stack_sys_t;
extern tc__stack_sys_t tc__stack_sys;

#endif
