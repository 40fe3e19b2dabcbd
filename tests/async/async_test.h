/*
 * async_test.h - cmocka, a loop per test, an allocator that counts and fails on demand, and two records: the journal,
 * in which callbacks note what happened (they must not assert: cmocka fails by longjmp), and the log.
 */
#ifndef ASYNC_TEST_H
#define ASYNC_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tornadoc/future.h>
#include <tornadoc/ioloop.h>
#include <tornadoc/log.h>

#include "async/ioloop_internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- The journal ---- */

static struct {
    char text[8192];
    size_t len;
} journal;

/* Words with a blank between them. */
TC_PRINTF(1, 2) static inline void note(const char *fmt, ...) {
    size_t room = sizeof(journal.text) - journal.len;
    va_list args;
    va_start(args, fmt);
    if (room > 64) {
        if (journal.len > 0)
            journal.text[journal.len++] = ' ';
        int len = vsnprintf(journal.text + journal.len, 60, fmt, args);
        journal.len += len > 59 ? 59 : (size_t)len;
    }
    va_end(args);
}

static inline void note_it(void *text) { /* a tc_ioloop_cb and a tc_free_fn */
    note("%s", (const char *)text);
}

/* What was noted since the last call. */
static inline const char *noted(void) {
    static char text[sizeof(journal.text)];
    memcpy(text, journal.text, journal.len);
    text[journal.len] = '\0';
    journal.len = 0;
    return text;
}

/* ---- The log ---- */

static struct {
    atomic_int count;
    char last[2048];
} logged;

static inline void keep_log(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    if (atomic_fetch_add(&logged.count, 1) == 0)
        snprintf(logged.last, sizeof(logged.last), "%s: %s", record->logger, record->message);
}

/* That one line, and no more, was logged since the last call. */
#define assert_logged(part)                              \
    do {                                                 \
        assert_int_equal(atomic_load(&logged.count), 1); \
        assert_non_null(strstr(logged.last, part));      \
        atomic_store(&logged.count, 0);                  \
    } while (0)

/* ---- Memory ---- */

static struct {
    atomic_long live; /* blocks that are out */
    atomic_long calls;
    atomic_long fail_from, fail_until; /* calls from the one up to before the other fail */
} memory;

static inline bool fails_now(void) {
    long call = atomic_fetch_add(&memory.calls, 1) + 1;
    return call >= atomic_load(&memory.fail_from) && call < atomic_load(&memory.fail_until);
}

static inline void *counting_malloc(size_t size) {
    void *data = fails_now() ? NULL : malloc(size);
    atomic_fetch_add(&memory.live, data != NULL);
    return data;
}

static inline void *counting_calloc(size_t count, size_t size) {
    void *data = fails_now() ? NULL : calloc(count, size);
    atomic_fetch_add(&memory.live, data != NULL);
    return data;
}

static inline void *counting_realloc(void *old, size_t size) {
    void *data = fails_now() ? NULL : realloc(old, size);
    atomic_fetch_add(&memory.live, data != NULL && old == NULL);
    return data;
}

static inline void counting_free(void *data) {
    atomic_fetch_sub(&memory.live, data != NULL);
    free(data);
}

static inline void allow_allocations(void) {
    atomic_store(&memory.calls, 0);
    atomic_store(&memory.fail_from, 0);
    atomic_store(&memory.fail_until, 0);
}

/* Let the call `nth` (from 1) fail, and the later ones too if `for_good`. */
static inline void fail_allocation(long nth, bool for_good) {
    allow_allocations();
    atomic_store(&memory.fail_from, nth);
    atomic_store(&memory.fail_until, for_good ? __LONG_MAX__ : nth + 1);
}

/* ---- A loop per test ---- */

static inline int watch_everything(void **state) { /* of the group */
    (void)state;
    tc_set_log_callback(keep_log, NULL);
    return tc_set_allocator(&(tc_allocator_t){ counting_malloc, counting_calloc, counting_realloc, counting_free });
}

static inline int nothing_is_left(void **state) {
    (void)state;
    int failed = 0;
    if (atomic_exchange(&logged.count, 0) != 0) {
        print_error("unexpected in the log: %s\n", logged.last);
        failed = -1;
    }
    if (atomic_load(&memory.live) != 0) {
        print_error("%ld blocks were not freed\n", atomic_exchange(&memory.live, 0));
        failed = -1;
    }
    if (tc_ioloop_current() != NULL) {
        print_error("this thread still has a loop\n");
        failed = -1;
    }
    journal.len = 0;
    allow_allocations();
    return failed;
}

static inline int with_loop(void **state) {
    tc_ioloop_t *loop;
    int err = tc_ioloop_new(&loop);
    if (err == 0)
        *state = loop;
    return err;
}

static inline int with_virtual_loop(void **state) {
    tc_ioloop_t *loop;
    int err = tc__ioloop_new_virtual(&loop);
    if (err == 0)
        *state = loop;
    return err;
}

static inline int free_loop(void **state) {
    tc_ioloop_free(*state);
    return nothing_is_left(state);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, NULL, nothing_is_left)
#define TEST_LOOP(test) cmocka_unit_test_setup_teardown(test, with_loop, free_loop)
#define TEST_VIRTUAL(test) cmocka_unit_test_setup_teardown(test, with_virtual_loop, free_loop)

static inline void stop_loop(void *loop) { /* a tc_ioloop_cb */
    tc_ioloop_stop(loop);
}

#endif
