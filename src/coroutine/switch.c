/*
 * switch.c - a new stack's first frame, and the switch by ucontext where there is none of our own.
 *
 * What a first frame holds is what tc__switch takes from every stack (switch.S): registers of no meaning, but for the
 * one in which tc__entry finds the function to call.
 */
#include "coroutine/switch_internal.h"

#include <stdint.h>
#include <string.h>

#ifndef TC__UCONTEXT

void *tc__switch(void **save_sp, void *load_sp, void *value);
void tc__entry(void);

void tc__context_init(tc__context_t *context, void *stack, size_t size, void (*fn)(void *value)) {
    uintptr_t *top = (uintptr_t *)(void *)((char *)stack + size);
#if defined(__x86_64__)
    uintptr_t *frame = top - 8;
    memset(frame, 0, 8 * sizeof *frame);
    frame[0] = 0x037f00001f80; /* x87 control word and MXCSR, as the ABI wants them of a new thread */
    frame[5] = (uintptr_t)fn;  /* rbx */
    frame[7] = (uintptr_t)tc__entry;
#else
    uintptr_t *frame = top - 22;
    memset(frame, 0, 22 * sizeof *frame);
    frame[0] = (uintptr_t)fn;         /* x19 */
    frame[11] = (uintptr_t)tc__entry; /* x30 */
#endif
    context->sp = frame;
}

void *tc__context_switch(tc__context_t *from, tc__context_t *to, void *value) {
    return tc__switch(&from->sp, to->sp, value);
}

#else

/* makecontext passes ints. */
static void enter(unsigned high, unsigned low) {
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    tc__context_t *context = (tc__context_t *)((uintptr_t)high << 16 << 16 | low);
    context->fn(context->value);
}

void tc__context_init(tc__context_t *context, void *stack, size_t size, void (*fn)(void *value)) {
    memset(context, 0, sizeof *context);
    getcontext(&context->ucontext);
    context->ucontext.uc_stack.ss_sp = stack;
    context->ucontext.uc_stack.ss_size = size;
    context->fn = fn;
    uintptr_t self = (uintptr_t)context;
    makecontext(&context->ucontext, (void (*)(void))enter, 2, (unsigned)(self >> 16 >> 16), (unsigned)self);
}

void *tc__context_switch(tc__context_t *from, tc__context_t *to, void *value) {
    to->value = value;
    swapcontext(&from->ucontext, &to->ucontext);
    return from->value;
}

#endif
