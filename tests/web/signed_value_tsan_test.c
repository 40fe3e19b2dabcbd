/* signed_value_tsan_test.c - any number of threads sign, open and compare at once. */
#include <pthread.h>
#include <stdatomic.h>

#include <tornadoc/auth.h>

#include "util/util_test.h"

enum { THREADS = 8, ROUNDS = 200 };

static const tc_signing_key_t keys[] = { { 0, "a secret of the test" }, { 1, "another" }, { 0, NULL } };
static atomic_int wrong;

static bool goes_round(int i) {
    char value[20], text[300], out[300];
    int len = snprintf(value, sizeof value, "value %d", i);
    const tc_signing_key_t *key = &keys[i % 2];
    int text_len = tc_create_signed_value(text, sizeof text, key, "name", tc_str(value), 1300000000 + i);
    if (text_len < 0 || tc_get_signature_key_version(tc_str(text)) != key->version)
        return false;
    if (tc_decode_signed_value(out, sizeof out, keys, "name", tc_str(text), 0, 1300000000 + i) != len)
        return false;
    text[text_len - 1] ^= 1;
    return tc_secret_equal(out, value) &&
           tc_decode_signed_value(out, sizeof out, keys, "name", tc_str(text), 0, 1300000000 + i) == TC_EINVAL;
}

static void *work(void *number) {
    for (int i = 0; i < ROUNDS; i++)
        if (!goes_round(i + *(int *)number))
            atomic_fetch_add(&wrong, 1);
    return NULL;
}

static void threads_sign_and_open_at_once(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(threads_sign_and_open_at_once) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
