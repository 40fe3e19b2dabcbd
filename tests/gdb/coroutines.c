/* coroutines.c - a program for a debugger: one coroutine waits within two calls, another stops it. */
#include <stdlib.h>

#include <tornadoc/coroutine.h>

/* Not to be inlined, nor to be left by a jump: the debugger is to see them. */
#ifdef __clang__
#define OWN_FRAME __attribute__((noinline))
#else
#define OWN_FRAME __attribute__((noinline, noclone))
#endif

static volatile int calls;

OWN_FRAME static int waits_here(tc_future_t *future) {
    int err = tc_wait(future);
    calls++;
    return err;
}

OWN_FRAME static int waits(void *future) {
    int err = waits_here(future);
    calls++;
    return err;
}

OWN_FRAME static void stops_here(tc_future_t *future) {
    calls++;
    tc_future_set_result(future, NULL, NULL);
    calls++;
}

OWN_FRAME static int stops(void *future) {
    stops_here(future);
    calls++;
    return 0;
}

static int both(void *arg) {
    tc_future_t *future = tc_future_new(NULL);
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    tc_scope_spawn(scope, waits, future);
    tc_scope_spawn(scope, stops, future);
    int err = tc_scope_close(scope);
    tc_future_unref(future);
    return err;
}

int main(void) {
    tc_ioloop_t *loop;
    if (tc_ioloop_new(&loop) < 0)
        return 1;
    int err = tc_run_sync(loop, both, NULL, TC_FOREVER);
    tc_ioloop_free(loop);
    return err == 0 ? 0 : 1;
}
