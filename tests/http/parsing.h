/*
 * parsing.h - what the tests of parsers share: text without slack, an arena at hand, memory that runs out.
 *
 * Texts stand in blocks of exactly their length, without a NUL, so that AddressSanitizer sees a parser that reads on.
 */
#ifndef TC_TESTS_PARSING_H
#define TC_TESTS_PARSING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <tornadoc/util.h>

#include "util/arena_internal.h"

/* A literal's bytes, NULs included, as an initialiser. */
#define BYTES(literal) \
    { literal, sizeof(literal) - 1 }

static inline tc_bytes_t exact(tc_bytes_t text) {
    char *copy = malloc(text.len ? text.len : 1);
    if (copy == NULL)
        abort();
    if (text.len)
        memcpy(copy, text.data, text.len);
    return tc_bytes(copy, text.len);
}

static inline void drop(tc_bytes_t text) {
    free((void *)(uintptr_t)text.data);
}

static inline bool same(tc_bytes_t a, tc_bytes_t b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Fail with the row's reason: the tables of these tests say why each row is there. */
#define expect_row(why, condition)               \
    do {                                         \
        if (!(condition))                        \
            fail_msg("%s: %s", why, #condition); \
    } while (0)

static inline void expect_bytes(const char *why, tc_bytes_t got, tc_bytes_t want) {
    if (!same(got, want))
        fail_msg("%s: got \"" TC_FMT "\", want \"" TC_FMT "\"", why, TC_ARG(got), TC_ARG(want));
}

/* The same, and there is a NUL behind it. */
static inline void expect_text(const char *why, tc_bytes_t got, tc_bytes_t want) {
    expect_bytes(why, got, want);
    expect_row(why, got.data[got.len] == '\0');
}

/* ---- Memory that runs out: allocation number fail_at fails, and with fail_on all behind it --------------------------
 */

static size_t allocations, fail_at;
static bool fail_on;

static inline bool runs_out(void) {
    allocations++;
    return fail_at != 0 && (allocations == fail_at || (fail_on && allocations > fail_at));
}
static inline void *failing_malloc(size_t size) {
    return runs_out() ? NULL : malloc(size);
}
static inline void *failing_calloc(size_t count, size_t size) {
    return runs_out() ? NULL : calloc(count, size);
}
static inline void *failing_realloc(void *data, size_t size) {
    return runs_out() ? NULL : realloc(data, size);
}

/* Before the first call of the library. */
static inline void use_failing_allocator(void) {
    const tc_allocator_t allocator = { failing_malloc, failing_calloc, failing_realloc, free };
    if (tc_set_allocator(&allocator) < 0)
        abort();
}

/* Run `attempt` with allocation 1, 2, 3 … failing, once and from then on, until it goes through. It gets a fresh arena
 * and returns 0 or TC_ENOMEM, and asserts for itself that nothing half done is left. */
static inline void with_each_allocation_failing(int (*attempt)(tc__arena_t *arena)) {
    for (int on = 0; on <= 1; on++) {
        int err = TC_ENOMEM;
        for (size_t n = 1; err != 0; n++) {
            tc__arena_t arena;
            tc__arena_init(&arena, NULL);
            allocations = 0;
            fail_at = n;
            fail_on = on;
            err = attempt(&arena);
            bool reached = allocations >= n;
            fail_at = 0;
            assert_true(err == 0 || err == TC_ENOMEM);
            assert_true(reached || err == 0);
            tc__arena_deinit(&arena);
        }
    }
}

#endif
