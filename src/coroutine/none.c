/*
 * none.c - a build without coroutines: everything is there, and says that it is not.
 */
#include "async/ioloop_private.h"
#include "coroutine/coroutine_internal.h"
#include "util/error_internal.h"

static int not_here(void) {
    return tc__fail(TC_ENOTSUP, "this build has no coroutines");
}

tc__coroutines_t *tc__coroutines_of(tc_ioloop_t *loop) {
    (void)loop;
    not_here();
    return NULL;
}

int tc_ioloop_set_coroutine_options(tc_ioloop_t *loop, const tc_coroutine_options_t *options) {
    (void)loop, (void)options;
    return not_here();
}

int tc_coroutine_install_overflow_handler(void) {
    return not_here();
}

void tc__coroutines_loop_closed(tc_ioloop_t *loop) {
    (void)loop;
}

tc__coroutine_t *tc__coroutine_new(tc_ioloop_t *loop, size_t size, void (*fn)(tc__coroutine_t *coroutine)) {
    (void)loop, (void)size, (void)fn;
    not_here();
    return NULL;
}

void tc__coroutine_free(tc__coroutine_t *coroutine) {
    (void)coroutine;
}

bool tc__coroutine_resume(tc__coroutine_t *coroutine) {
    (void)coroutine;
    return true;
}

void tc__coroutine_suspend(tc__coroutine_t *coroutine) {
    (void)coroutine;
}

tc__coroutine_t *tc__coroutine_current(void) {
    return NULL;
}
