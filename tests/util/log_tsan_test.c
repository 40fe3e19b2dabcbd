/* log_tsan_test.c - what any thread may call of util, called by several at once. Asserts on the main thread only. */
#include "util_test.h"

#include <stdatomic.h>

#include <uv.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/hash_internal.h"
#include "util/log_internal.h"

enum { THREADS = 4, ROUNDS = 2000 };

static void run_in_threads(void (*fn)(void *), void *arg) {
    uv_thread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], fn, arg), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
}

/* ---- The limiter loses nothing and lets no more through than it may ---- */

static tc__log_limit_t limit;
static atomic_ulong passed, told;

static void take_from_limit(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t suppressed;
        if (tc__log_limit_take(&limit, i / 200, &suppressed)) {
            atomic_fetch_add(&passed, 1);
            atomic_fetch_add(&told, suppressed);
        }
    }
}

static void the_limit_is_shared_by_all_threads(void **state) {
    (void)state;
    run_in_threads(take_from_limit, NULL);
    assert_true(passed >= TC__LOG_BURST && passed <= TC__LOG_BURST * (ROUNDS / 200));
    uint64_t suppressed;
    assert_true(tc__log_limit_take(&limit, 1000000, &suppressed));
    assert_int_equal(passed + told + suppressed, THREADS * ROUNDS);
}

/* ---- Callback and user_data are seen as a pair ---- */

static atomic_int torn_pairs, records;
static char data_of_a, data_of_b;

static void callback_a(const tc_log_record_t *record, void *user_data) {
    torn_pairs += user_data != &data_of_a || strcmp(record->message, "text \\x0a") != 0;
    records++;
}

static void callback_b(const tc_log_record_t *record, void *user_data) {
    torn_pairs += user_data != &data_of_b || strcmp(record->message, "text \\x0a") != 0;
    records++;
}

static void log_a_lot(void *unused) {
    (void)unused;
    static tc__log_limit_t own_limit;
    for (int i = 0; i < ROUNDS; i++) {
        tc_logf(NULL, TC_LOG_ERROR, "%s", "text \n\n");
        tc__log_limited(&own_limit, TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "%s", "text \n\n");
    }
}

static void change_the_callback(void *stop) {
    while (!atomic_load((atomic_bool *)stop)) {
        tc_set_log_callback(callback_a, &data_of_a);
        tc_set_log_callback(callback_b, &data_of_b);
        tc_set_log_level(TC_LOG_WARNING);
    }
}

static void the_callback_may_change_while_threads_log(void **state) {
    (void)state;
    atomic_bool stop = false;
    uv_thread_t changer;
    tc_set_log_callback(callback_a, &data_of_a);
    assert_int_equal(uv_thread_create(&changer, change_the_callback, &stop), 0);
    run_in_threads(log_a_lot, NULL);
    atomic_store(&stop, true);
    uv_thread_join(&changer);
    assert_int_equal(torn_pairs, 0);
    assert_true(records > THREADS * ROUNDS);
}

/* ---- The rest ---- */

static atomic_int mistakes;

static void use_the_rest(void *unused) {
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        char *text = tc__strndup("text", 4);
        mistakes += !text || tc__hash(tc_str(text)) != tc__hash(tc_str("text"));
        tc__free(text);
        mistakes += tc__fail(-i, "%d", i) != -i || atoi(tc_error_detail()) != i;
        mistakes += strcmp(tc_strerror(TC_ECLOSED), "closed") != 0;
    }
}

static void errors_memory_and_hash_belong_to_all_threads(void **state) {
    (void)state;
    run_in_threads(use_the_rest, NULL);
    assert_int_equal(mistakes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_shared_by_all_threads),
        cmocka_unit_test(the_callback_may_change_while_threads_log),
        cmocka_unit_test(errors_memory_and_hash_belong_to_all_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
