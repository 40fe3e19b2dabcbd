/*
 * sanitizers_internal.h - what AddressSanitizer, LeakSanitizer, ThreadSanitizer and valgrind have to be told of stacks
 * that are switched. Without them all of it is nothing.
 */
#ifndef TC_COROUTINE_SANITIZERS_INTERNAL_H
#define TC_COROUTINE_SANITIZERS_INTERNAL_H

#include <stddef.h>

#include "util/poison_internal.h"

#if defined(__SANITIZE_THREAD__)
#define TC__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TC__TSAN 1
#endif
#endif

#ifdef TC__ASAN
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef TC__TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* ---- Memory that only suspended coroutines point to is not lost ---- */

static inline void tc__lsan_register(const void *low, size_t size) {
#ifdef TC__ASAN
    __lsan_register_root_region(low, size);
#else
    (void)low, (void)size;
#endif
}

static inline void tc__lsan_unregister(const void *low, size_t size) {
#ifdef TC__ASAN
    __lsan_unregister_root_region(low, size);
#else
    (void)low, (void)size;
#endif
}

static inline unsigned tc__valgrind_register(const void *low, const void *high) {
#ifdef VALGRIND_STACK_REGISTER
    return VALGRIND_STACK_REGISTER(low, high);
#else
    (void)low, (void)high;
    return 0;
#endif
}

static inline void tc__valgrind_deregister(unsigned id) {
#ifdef VALGRIND_STACK_DEREGISTER
    VALGRIND_STACK_DEREGISTER(id);
#else
    (void)id;
#endif
}

/* ---- Switching: one fiber per stack, the loop's own among them ---- */

typedef struct {
#ifdef TC__ASAN
    void *fake_stack;   /* of its frames, while it is left */
    const void *bottom; /* of its stack */
    size_t size;
#endif
#ifdef TC__TSAN
    void *tsan;
#endif
    char unused;
} tc__fiber_t;

static inline void tc__fiber_init(tc__fiber_t *fiber, const void *stack, size_t size) {
    (void)fiber, (void)stack, (void)size;
#ifdef TC__ASAN
    fiber->fake_stack = NULL;
    fiber->bottom = stack;
    fiber->size = size;
#endif
#ifdef TC__TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
}

/* Of one that has ended; called on another's stack. */
static inline void tc__fiber_deinit(tc__fiber_t *fiber) {
    (void)fiber;
#ifdef TC__TSAN
    __tsan_destroy_fiber(fiber->tsan);
#endif
}

/* The loop's, about to start or resume a coroutine: whatever thread and stack it runs on. */
static inline void tc__fiber_is_here(tc__fiber_t *fiber) {
    (void)fiber;
#ifdef TC__TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
}

/* Right before the switch. `from_ends`: it is never switched to again. */
static inline void tc__fiber_leave(tc__fiber_t *from, tc__fiber_t *to, int from_ends) {
    (void)from, (void)to, (void)from_ends;
#ifdef TC__ASAN
    __sanitizer_start_switch_fiber(from_ends ? NULL : &from->fake_stack, to->bottom, to->size);
#endif
#ifdef TC__TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* Right behind it, on the stack that was entered; `from` is whom it came from. */
static inline void tc__fiber_arrived(tc__fiber_t *here, tc__fiber_t *from) {
    (void)here, (void)from;
#ifdef TC__ASAN
    __sanitizer_finish_switch_fiber(here->fake_stack, from ? &from->bottom : NULL, from ? &from->size : NULL);
#endif
}

#endif
