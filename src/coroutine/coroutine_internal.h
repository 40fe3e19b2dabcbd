/*
 * coroutine_internal.h - a function that can stop in the middle: a stack of its own, entered and left by a switch.
 *
 * Asymmetric: a coroutine is resumed by its loop's stack, and goes back there when it suspends or ends. What it waits
 * for, and who wakes it, is task.c's.
 */
#ifndef TC_COROUTINE_COROUTINE_INTERNAL_H
#define TC_COROUTINE_COROUTINE_INTERNAL_H

#include <tornadoc/coroutine.h>

#include "async/ioloop_internal.h"
#include "coroutine/sanitizers_internal.h"
#include "coroutine/stack_pool_internal.h"
#include "coroutine/switch_internal.h"

/* What a loop has of them. Made with its first coroutine, or with its options. */
typedef struct tc__coroutines {
    tc_ioloop_t *loop;
    tc__stack_pool_t pool;
    tc__list_t tasks; /* task.c: all that have not ended */
    size_t keep;
    uint64_t trim_after_ms;
    tc__timer_t trim;
} tc__coroutines_t;

/* A place to switch to. */
typedef struct {
    tc__context_t context;
    tc__fiber_t fiber;
} tc__place_t;

typedef struct tc__coroutine {
    tc__place_t here;
    tc__place_t *resumer; /* on the stack of who resumed it; NULL: it has not begun */
    tc__coroutines_t *home;
    tc__stack_t *stack;
    void (*fn)(struct tc__coroutine *coroutine);
    bool ended;
} tc__coroutine_t;

/* For the struct above and what stands around it. Small, for the first frames are to find room in the same page. */
enum { TC__COROUTINE_CONTROL_SIZE = sizeof(tc__coroutine_t) + 256 };

/* NULL: out of memory. */
tc__coroutines_t *tc__coroutines_of(tc_ioloop_t *loop);

/* One that has not begun, at the start of `size` zeroed bytes on its own stack, at most TC__COROUTINE_CONTROL_SIZE.
 * NULL: no stack; tc_error_detail() says why. */
tc__coroutine_t *tc__coroutine_new(tc_ioloop_t *loop, size_t size, void (*fn)(tc__coroutine_t *coroutine));
/* It has ended or never begun. */
void tc__coroutine_free(tc__coroutine_t *coroutine);

/* On the loop's stack: run it until it suspends or ends. @return whether it has ended */
bool tc__coroutine_resume(tc__coroutine_t *coroutine);
/* On its own stack: until somebody resumes it. */
void tc__coroutine_suspend(tc__coroutine_t *coroutine);
/* The one that runs on this thread, or NULL. */
tc__coroutine_t *tc__coroutine_current(void);

/* overflow.c: this thread is going to run coroutines. */
int tc__overflow_begin_thread(void);

#endif
