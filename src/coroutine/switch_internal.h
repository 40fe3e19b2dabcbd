/*
 * switch_internal.h - from one stack to another and back: the machine's part of a coroutine.
 *
 * A context is where a stack was left. Switching saves what a call preserves (callee-saved registers, the floating
 * point's rounding and mask) on the stack that is left, and takes it from the stack that is entered. Signal masks stay:
 * no system call is made, except with ucontext, the way for machines that switch.S does not know.
 */
#ifndef TC_COROUTINE_SWITCH_INTERNAL_H
#define TC_COROUTINE_SWITCH_INTERNAL_H

#include <stddef.h>

#if !defined(TC__UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define TC__UCONTEXT 1
#endif

#if defined(__has_feature)
#if __has_feature(safe_stack) || __has_feature(shadow_call_stack)
#error "coroutines switch one stack; a second one per thread would stay behind: build with -DTORNADOC_COROUTINES=OFF"
#endif
#endif

#ifdef TC__UCONTEXT
#include <ucontext.h>
typedef struct {
    ucontext_t ucontext;
    void *value;
    void (*fn)(void *value);
} tc__context_t;
#else
typedef struct {
    void *sp;
} tc__context_t;
#endif

/* So that the first switch to it runs fn(value of that switch) on the stack of `size` bytes at `stack`; fn must not
 * return. `size` is a multiple of 16. */
void tc__context_init(tc__context_t *context, void *stack, size_t size, void (*fn)(void *value));

/* Leave for `to`. Returns, when somebody switches back, the value that they give. */
void *tc__context_switch(tc__context_t *from, tc__context_t *to, void *value);

#endif
