/*
 * failing_calls.h - system calls that fail in turn, once or from then on, as allocations do.
 *
 * A test puts calls of its own into tc__sys, which ask troubled() before they do what `real` does.
 */
#ifndef TC_TESTS_NET_FAILING_CALLS_H
#define TC_TESTS_NET_FAILING_CALLS_H

#include "net/failing.h"
#include "net/net_test.h"

static struct {
    int calls, fail_at;
    bool for_good;
    int which; /* of the test's table; -1: none fails */
} trouble = { .which = -1 };
static tc__sys_t real;

static inline bool troubled(int which, int err) {
    if (trouble.which != which)
        return false;
    int call = ++trouble.calls;
    if (call != trouble.fail_at && !(trouble.for_good && call > trouble.fail_at))
        return false;
    errno = err;
    return true;
}

/* Let the call `nth` (from 1) fail, and the later ones too if `for_good`. */
static inline void fail_call(int nth, bool for_good, int which) {
    trouble.calls = 0;
    trouble.fail_at = nth;
    trouble.for_good = for_good;
    trouble.which = which;
}

/* Nothing fails from now on. */
static inline void calm(void) {
    allow_allocations();
    trouble.which = -1;
}

static inline int setup_alarm(void **state) {
    (void)state;
    alarm(TEST_SECONDS);
    wrong = 0;
    return 0;
}

static inline int teardown_alarm(void **state) {
    (void)state;
    alarm(0);
    calm();
    return 0;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup_alarm, teardown_alarm)

#endif
