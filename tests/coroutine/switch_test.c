/* switch_test.c - from one stack to another: what a call preserves is preserved. */
#include <fenv.h>

#include "async/async_test.h"
#include "coroutine/switch_internal.h"
#include "util/poison_internal.h"

enum { SIZE = 128 * 1024 };

static tc__context_t home, other;
static char *stack;

static int make_stack(void **state) {
    (void)state;
    stack = aligned_alloc(16, SIZE);
    return stack ? 0 : -1;
}

static int free_stack(void **state) {
    (void)state;
    free(stack);
    return 0;
}
#define TEST_SWITCH(test) cmocka_unit_test_setup_teardown(test, make_stack, free_stack)

static void begin(void (*fn)(void *value)) {
    tc__unpoison(stack, SIZE); /* of what ran there before, and never returned */
    tc__context_init(&other, stack, SIZE, fn);
}

static void *go(void *value) {
    return tc__context_switch(&home, &other, value);
}

static void *back(void *value) {
    return tc__context_switch(&other, &home, value);
}

static void count_up(void *value) {
    for (;;)
        value = back((void *)((uintptr_t)value + 1));
}

static void values_pass_both_ways(void **state) {
    (void)state;
    begin(count_up);
    assert_ptr_equal(go((void *)1), (void *)2);
    assert_ptr_equal(go((void *)7), (void *)8);
    for (uintptr_t i = 0; i < 100000; i++)
        assert_ptr_equal(go((void *)i), (void *)(i + 1));
}

static void tell_address(void *value) { /* of the frame: locals may stand elsewhere, if a sanitizer likes */
    (void)value;
    for (;;)
        back(__builtin_frame_address(0));
}

static void the_function_runs_on_its_own_stack(void **state) {
    (void)state;
    begin(tell_address);
    char *frame = go(NULL);
    assert_true(frame > stack + SIZE - 4096 && frame < stack + SIZE);
}

/* Spills of SSE registers fault if a frame is not aligned. */
static void check_alignment(void *value) {
    (void)value;
    for (;;) {
        volatile struct { _Alignas(16) char bytes[16]; } aligned;
        back((void *)((uintptr_t)&aligned % 16));
    }
}

static void frames_are_aligned(void **state) {
    (void)state;
    begin(check_alignment);
    assert_ptr_equal(go(NULL), NULL);
    begin(check_alignment);
    assert_ptr_equal(go(NULL), NULL);
}

/* Many values at once, so that the compiler has to keep some in registers that calls preserve. */
static long churn(long seed, void *(*away)(void *value)) {
    long a1 = seed + 1, a2 = seed + 2, a3 = seed + 3, a4 = seed + 4, a5 = seed + 5, a6 = seed + 6, a7 = seed + 7;
    double x = (double)seed / 3, y = (double)seed / 7;
    for (int i = 0; i < 100; i++) {
        away(NULL);
        a1 += i, a2 ^= i, a3 -= i, a4 += 2L * i, a5 ^= 3L * i, a6 -= i, a7 += i;
        x += y;
    }
    return a1 + a2 * 3 + a3 * 5 + a4 * 7 + a5 * 11 + a6 * 13 + a7 * 17 + (long)(x * 1000);
}

static long churned;

static void churn_there(void *value) {
    churned = churn((long)(uintptr_t)value, back);
    for (;;)
        back(NULL);
}

static void *nowhere(void *value) {
    return value;
}

static void registers_are_each_stack_s_own(void **state) {
    (void)state;
    begin(churn_there);
    go((void *)1000);
    long here = churn(77, go);
    assert_int_equal(here, churn(77, nowhere));
    assert_int_equal(churned, churn(1000, nowhere));
}

static void round_up_there(void *value) {
    (void)value;
    fesetround(FE_UPWARD);
    for (;;)
        back((void *)(uintptr_t)fegetround());
}

static void rounding_is_each_stack_s_own(void **state) {
    (void)state;
#ifdef TC__UCONTEXT
    skip(); /* the C library's to decide */
#endif
    fesetround(FE_DOWNWARD);
    begin(round_up_there);
    assert_int_equal((uintptr_t)go(NULL), FE_UPWARD);
    assert_int_equal(fegetround(), FE_DOWNWARD);
    fesetround(FE_TONEAREST);
    assert_int_equal((uintptr_t)go(NULL), FE_UPWARD);
    assert_int_equal(fegetround(), FE_TONEAREST);
}

static void tell_rounding(void *value) {
    (void)value;
    for (;;)
        back((void *)(uintptr_t)fegetround());
}

static void a_new_stack_begins_with_the_usual_rounding(void **state) {
    (void)state;
#ifdef TC__UCONTEXT
    skip();
#endif
    fesetround(FE_UPWARD);
    begin(tell_rounding);
    int there = (int)(uintptr_t)go(NULL);
    fesetround(FE_TONEAREST);
    assert_int_equal(there, FE_TONEAREST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_SWITCH(values_pass_both_ways),        TEST_SWITCH(the_function_runs_on_its_own_stack),
        TEST_SWITCH(frames_are_aligned),           TEST_SWITCH(registers_are_each_stack_s_own),
        TEST_SWITCH(rounding_is_each_stack_s_own), TEST_SWITCH(a_new_stack_begins_with_the_usual_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
