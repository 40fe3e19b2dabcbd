/*
 * coroutine.c - stacks and switches put together, and what a loop has of them.
 *
 * A coroutine's control block stands in the top bytes of its own stack, so that one that is suspended is one page of
 * memory. Free stacks are trimmed by a timer, never while a request waits.
 */
#include "coroutine/coroutine_internal.h"

#include <string.h>

#include "async/ioloop_private.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

enum { STACK_SIZE = 256 * 1024, LEAST_STACK_SIZE = 16 * 1024, GUARD_SIZE = 64 * 1024, MAX = 10000, KEEP = 64 };
enum { TRIM_AFTER_MS = 5000 };

static _Thread_local tc__coroutine_t *current;

tc__coroutine_t *tc__coroutine_current(void) {
    return current;
}

/* ---- A loop's ---- */

static void on_trim(tc__timer_t *timer) {
    tc__coroutines_t *home = tc__container_of(timer, tc__coroutines_t, trim);
    tc__stack_pool_trim(&home->pool, home->keep);
}

static tc__coroutines_t *make(tc_ioloop_t *loop, const tc_coroutine_options_t *o) {
    tc__coroutines_t *home = tc__calloc(1, sizeof *home);
    if (!home) {
        tc__fail(TC_ENOMEM, "out of memory for coroutines");
        return NULL;
    }
    home->loop = loop;
    home->keep = o->keep ? o->keep : KEEP;
    home->trim_after_ms = o->trim_after_ms ? o->trim_after_ms : TRIM_AFTER_MS;
    tc__list_init(&home->tasks);
    tc__timer_init(&home->trim, on_trim);
    tc__stack_pool_init(&home->pool, o->stack_size ? o->stack_size : STACK_SIZE,
                        o->guard_size ? o->guard_size : GUARD_SIZE, TC__COROUTINE_CONTROL_SIZE,
                        o->max_coroutines ? o->max_coroutines : MAX);
    loop->p->coroutines = home;
    return home;
}

tc__coroutines_t *tc__coroutines_of(tc_ioloop_t *loop) {
    static const tc_coroutine_options_t defaults;
    return loop->p->coroutines ? loop->p->coroutines : make(loop, &defaults);
}

int tc_ioloop_set_coroutine_options(tc_ioloop_t *loop, const tc_coroutine_options_t *options) {
    loop = tc__ioloop_or_current(loop);
    if (!loop || !options)
        return tc__misuse(TC_EINVAL, "tc_ioloop_set_coroutine_options: the loop or the options are NULL");
    if (!tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_coroutine_options_t: `reserved` must be zero");
    if (options->stack_size != 0 && options->stack_size < LEAST_STACK_SIZE)
        return tc__misuse(TC_EINVAL, "a stack of less than %d bytes holds no handler", LEAST_STACK_SIZE);
    if (options->stack_size > UINT32_MAX || options->guard_size > UINT32_MAX)
        return tc__misuse(TC_EINVAL, "a stack or a guard of more than 4 GiB");
    if (loop->p->coroutines)
        return tc__misuse(TC_EBUSY, "tc_ioloop_set_coroutine_options: this loop has coroutines already");
    return make(loop, options) ? 0 : TC_ENOMEM;
}

void tc__coroutines_loop_closed(tc_ioloop_t *loop) {
    tc__coroutines_t *home = loop->p->coroutines;
    loop->p->coroutines = NULL;
    if (!home)
        return;
    if (home->pool.live > 0) { /* their stacks stay, for somebody may still point there */
        tc__log(TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "%zu coroutines had not ended when their loop was freed",
                home->pool.live);
        return;
    }
    tc__stack_pool_deinit(&home->pool);
    tc__free(home);
}

/* ---- One ---- */

/* Where each begins. */
static void run(void *value) {
    tc__coroutine_t *coroutine = value;
    tc__fiber_arrived(&coroutine->here.fiber, &coroutine->resumer->fiber);
    coroutine->fn(coroutine);
    coroutine->ended = true;
    tc__fiber_leave(&coroutine->here.fiber, &coroutine->resumer->fiber, true);
    tc__context_switch(&coroutine->here.context, &coroutine->resumer->context, NULL);
}

tc__coroutine_t *tc__coroutine_new(tc_ioloop_t *loop, size_t size, void (*fn)(tc__coroutine_t *coroutine)) {
    tc__coroutines_t *home = tc__coroutines_of(loop);
    if (home && home->pool.free_count == 0)
        tc__overflow_begin_thread(); /* without it an overflow ends the process in silence */
    tc__stack_t *stack = home ? tc__stack_get(&home->pool) : NULL;
    if (!stack)
        return NULL;
    tc__coroutine_t *coroutine = tc__stack_control(stack);
    memset(coroutine, 0, size);
    coroutine->home = home;
    coroutine->stack = stack;
    coroutine->fn = fn;
    tc__fiber_init(&coroutine->here.fiber, stack->low, stack->size);
    tc__context_init(&coroutine->here.context, stack->low, stack->size, run);
    return coroutine;
}

void tc__coroutine_free(tc__coroutine_t *coroutine) {
    tc__coroutines_t *home = coroutine->home;
    tc__fiber_deinit(&coroutine->here.fiber);
    tc__stack_put(&home->pool, coroutine->stack);
    if (home->pool.free_count > home->keep && !tc__timer_active(&home->trim))
        tc__timer_start(home->loop, &home->trim, tc__time_add(tc__ioloop_now(home->loop), home->trim_after_ms));
}

bool tc__coroutine_resume(tc__coroutine_t *coroutine) {
    tc__place_t here; /* not the loop's: a coroutine may turn the loop itself, and others run inside it */
    tc__coroutine_t *before = current;
    current = coroutine;
    coroutine->resumer = &here;
    tc__fiber_is_here(&here.fiber);
    tc__fiber_leave(&here.fiber, &coroutine->here.fiber, false);
    tc__context_switch(&here.context, &coroutine->here.context, coroutine);
    tc__fiber_arrived(&here.fiber, NULL);
    current = before;
    return coroutine->ended;
}

void tc__coroutine_suspend(tc__coroutine_t *coroutine) {
    tc__fiber_leave(&coroutine->here.fiber, &coroutine->resumer->fiber, false);
    tc__context_switch(&coroutine->here.context, &coroutine->resumer->context, NULL);
    tc__fiber_arrived(&coroutine->here.fiber, &coroutine->resumer->fiber);
}
