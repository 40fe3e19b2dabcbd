/* signed_value_test.c - what create_signed_value of Python's Tornado writes is read, and written, to the byte; whatever
 * differs by a bit is not. */
#include "util/util_test.h"

#include <openssl/crypto.h>

#include "web/signed_value_internal.h"

static const int64_t NOW = 1300000000, DAY = 86400;
#define SECRET "It's a secret to everybody"
#define KEYS(...) ((const tc_signing_key_t[]){ __VA_ARGS__, { 0, NULL } })
#define SIGNED "2|1:0|10:1300000000|3:key|8:dmFsdWU=|3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152"

static const tc_signing_key_t rotated[] = { { 0, "ajklasdf0ojaisdf" }, { 1, "aslkjasaolwkjsdf" }, { 0, NULL } };
static char out[4096];

static int decode_at(int64_t now, const char *text) {
    return tc_decode_signed_value(out, sizeof out, KEYS({ 0, SECRET }), "key", tc_str(text), 0, now);
}

static int decode(const char *text) {
    return decode_at(NOW, text);
}

static const char *sign(const tc_signing_key_t *key, const char *name, tc_bytes_t value, int64_t seconds) {
    static char text[4096];
    assert_in_range(tc_create_signed_value(text, sizeof text, key, name, value, seconds), 1, sizeof text - 1);
    return text;
}

/* ---- Known answers ---- */

static void the_values_that_tornado_writes_are_written(void **state) {
    (void)state;
    tc_signing_key_t key = { 0, SECRET };
    assert_string_equal(sign(&key, "key", tc_str("value"), NOW), SIGNED);
    assert_string_equal(sign(&key, "key", TEXT("\xe9"), NOW),
                        "2|1:0|10:1300000000|3:key|4:6Q==|"
                        "5c017ea04a1b8435854c208b0e45aab24455874a6ab487a0ba6bf88e27abf207");
    assert_string_equal(sign(&key, "key", tc_str(""), NOW),
                        "2|1:0|10:1300000000|3:key|0:|"
                        "6e95660506257587586edb4dbac28ab1c44d8163a37af507ec5c99232c6d4a87");
    assert_string_equal(sign(&rotated[1], "key", tc_str("value"), NOW),
                        "2|1:1|10:1300000000|3:key|8:dmFsdWU=|"
                        "df37e8800ccd18603ab77297b99df872de42561f1ebd2512c600c7b19ca1760c");
}

static void the_values_that_tornado_writes_are_read(void **state) {
    (void)state;
    assert_int_equal(decode(SIGNED), 5);
    assert_string_equal(out, "value");
}

static void any_bytes_come_back(void **state) {
    (void)state;
    tc_signing_key_t key = { 0, SECRET };
    char value[300];
    for (size_t len = 0; len < sizeof value; len++) {
        for (size_t i = 0; i < len; i++)
            value[i] = (char)(i + len);
        assert_int_equal(decode(sign(&key, "key", tc_bytes(value, len), NOW)), len);
        assert_memory_equal(out, value, len);
    }
}

static void a_value_may_look_like_the_format(void **state) {
    (void)state;
    const char *text = sign(&(tc_signing_key_t){ 0, SECRET }, "a|3:b", tc_str("2|1:0|"), NOW);
    assert_int_equal(tc_decode_signed_value(out, sizeof out, KEYS({ 0, SECRET }), "a|3:b", tc_str(text), 0, NOW), 6);
    assert_string_equal(out, "2|1:0|");
}

/* ---- Keys ---- */

static void keys_are_told_apart_by_their_version(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *text = sign(&rotated[i], "key", tc_str("value"), NOW);
        assert_int_equal(tc_decode_signed_value(out, sizeof out, rotated, "key", tc_str(text), 0, NOW), 5);
        assert_int_equal(tc_get_signature_key_version(tc_str(text)), i);
    }
    assert_int_equal(tc_get_signature_key_version(tc_str("value")), -1);
}

static void a_key_that_was_retired_opens_nothing(void **state) {
    (void)state;
    const char *text = sign(&rotated[0], "key", tc_str("value"), NOW);
    assert_int_equal(tc_decode_signed_value(out, sizeof out, rotated + 1, "key", tc_str(text), 0, NOW), TC_EINVAL);
    assert_non_null(strstr(tc_error_detail(), "version 0"));
    assert_int_equal(tc_decode_signed_value(out, sizeof out, KEYS({ 0, NULL }), "key", tc_str(text), 0, NOW),
                     TC_EINVAL);
}

static void the_key_of_another_version_is_not_tried(void **state) {
    (void)state;
    const char *text = sign(&(tc_signing_key_t){ 1, SECRET }, "key", tc_str("value"), NOW);
    assert_int_equal(decode(text), TC_EINVAL);
}

/* ---- Time ---- */

static void a_value_is_good_for_31_days_unless_said_otherwise(void **state) {
    (void)state;
    assert_int_equal(decode_at(NOW + 31 * DAY, SIGNED), 5);
    assert_int_equal(decode_at(NOW + 31 * DAY + 1, SIGNED), TC_ETIMEDOUT);
    tc_bytes_t text = tc_str(SIGNED);
    const tc_signing_key_t *keys = KEYS({ 0, SECRET });
    assert_int_equal(tc_decode_signed_value(out, sizeof out, keys, "key", text, 60000, NOW + 60), 5);
    assert_int_equal(tc_decode_signed_value(out, sizeof out, keys, "key", text, 60000, NOW + 61), TC_ETIMEDOUT);
    assert_int_equal(tc_decode_signed_value(out, sizeof out, keys, "key", text, TC_FOREVER, INT64_MAX), 5);
}

static void a_value_from_the_future_is_refused_but_for_clocks_that_differ(void **state) {
    (void)state;
    assert_int_equal(decode_at(NOW - 300, SIGNED), 5);
    assert_int_equal(decode_at(NOW - 301, SIGNED), TC_ETIMEDOUT);
    assert_int_equal(decode_at(0, SIGNED), TC_ETIMEDOUT);
    assert_non_null(strstr(tc_error_detail(), "future"));
}

/* ---- Forgeries ---- */

static void another_name_is_refused(void **state) {
    (void)state;
    const char *const names[] = { "", "ke", "keys", "Key", "value" };
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(tc_decode_signed_value(out, sizeof out, KEYS({ 0, SECRET }), names[i], tc_str(SIGNED), 0, NOW),
                         TC_EINVAL);
}

static void each_bit_counts(void **state) {
    (void)state;
    for (size_t i = 0; i < strlen(SIGNED) * 8; i++) {
        char text[] = SIGNED;
        text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
        int len = tc_decode_signed_value(out, sizeof out, KEYS({ 0, SECRET }), "key", tc_bytes(text, sizeof text - 1),
                                         0, NOW);
        assert_true(len < 0);
    }
}

static void no_part_of_a_value_is_one(void **state) {
    (void)state;
    for (size_t len = 0; len < strlen(SIGNED); len++) {
        char *part = malloc(len);
        memcpy(part, SIGNED, len);
        assert_true(tc_decode_signed_value(out, sizeof out, KEYS({ 0, SECRET }), "key", tc_bytes(part, len), 0, NOW) <
                    0);
        free(part);
    }
    assert_int_equal(decode(SIGNED "0"), TC_EINVAL);
    assert_int_equal(decode(SIGNED " "), TC_EINVAL);
}

/* Names and values whose boundary could be read in two ways. */
static void version_1_of_the_format_is_refused(void **state) {
    (void)state;
    assert_int_equal(decode("dmFsdWU=|1300000000|31c934969f53e48164c50768b40cbd7e2daaaa4f"), TC_EINVAL);
    assert_int_equal(decode("1|1:0|10:1300000000|3:key|8:dmFsdWU=|"
                            "3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152"),
                     TC_EINVAL);
    assert_int_equal(decode("3|1:0|10:1300000000|3:key|8:dmFsdWU=|"
                            "3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152"),
                     TC_EINVAL);
}

/* Signed with the key, and not by a writer of this format. */
static void a_value_that_is_no_strict_base64_is_refused(void **state) {
    (void)state;
    assert_int_equal(decode("2|1:0|10:1300000000|3:key|4:!!!!|"
                            "2ca5686c3515ca64a9763df96339e13f7aa66a95b73305e39f995e67c5c7cdf5"),
                     TC_EINVAL);
    assert_non_null(strstr(tc_error_detail(), "base64"));
    assert_int_equal(decode("2|1:0|10:1300000000|3:key|4:Zh==|"
                            "2d1372bc69cef1b03146f138c0878784860f0442c8c2ad17405b6b33497990c8"),
                     TC_EINVAL);
    assert_non_null(strstr(tc_error_detail(), "base64"));
}

#define SIG "3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152"

static void what_is_not_the_format_is_refused(void **state) {
    (void)state;
    const char *const texts[] = {
        "",
        "|",
        "2",
        "2|",
        "2|1:0",
        "2|:|:|:|:|",
        "2|1:0|10:1300000000|3:key|8:dmFsdWU=" SIG,
        "2|01:0|10:1300000000|3:key|8:dmFsdWU=|" SIG,
        "2|+1:0|10:1300000000|3:key|8:dmFsdWU=|" SIG,
        "2|-1:0|10:1300000000|3:key|8:dmFsdWU=|" SIG,
        "2| 1:0|10:1300000000|3:key|8:dmFsdWU=|" SIG,
        "2|1:a|10:1300000000|3:key|8:dmFsdWU=|" SIG,
        "2|2:-1|10:1300000000|3:key|8:dmFsdWU=|" SIG,
        "2|2:00|10:1300000000|3:key|8:dmFsdWU=|" SIG,
        "2|10:4294967296|10:1300000000|3:key|8:dmFsdWU=|" SIG,
        "2|1:0|11:01300000000|3:key|8:dmFsdWU=|" SIG,
        "2|1:0|20:18446744073709551616|3:key|8:dmFsdWU=|" SIG,
        "2|1:0|19:9223372036854775808|3:key|8:dmFsdWU=|" SIG,
        "2|1:0|10:1300000000|18446744073709551615:key|8:dmFsdWU=|" SIG,
        "2|1:0|10:1300000000|18446744073709551616:key|8:dmFsdWU=|" SIG,
        "2|1:0|10:1300000000|100:key|8:dmFsdWU=|" SIG,
        "2|1:0|10:1300000000|3:key|73:dmFsdWU=|" SIG,
        "2|1:0|10:1300000000|3:key|72:dmFsdWU=|" SIG,
        "2|1:0|10:1300000000|3:key|8:dmFsdWU=||" SIG,
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        char *exact = malloc(strlen(texts[i]) + 1); /* so that a byte beyond is seen */
        memcpy(exact, texts[i], strlen(texts[i]) + 1);
        if (tc_decode_signed_value(out, sizeof out, KEYS({ 0, SECRET }), "key", tc_str(exact), 0, NOW) >= 0)
            fail_msg("accepted: %s", exact);
        free(exact);
    }
}

/* ---- Use and misuse ---- */

static void a_text_that_does_not_fit_is_measured_and_not_begun(void **state) {
    (void)state;
    char small[20] = "unchanged";
    tc_signing_key_t key = { 0, SECRET };
    int len = (int)strlen(SIGNED);
    assert_int_equal(tc_create_signed_value(NULL, 0, &key, "key", tc_str("value"), NOW), len);
    assert_int_equal(tc_create_signed_value(small, sizeof small, &key, "key", tc_str("value"), NOW), len);
    assert_string_equal(small, "");
    char *exact = malloc((size_t)len + 1);
    assert_int_equal(tc_create_signed_value(exact, (size_t)len, &key, "key", tc_str("value"), NOW), len);
    assert_string_equal(exact, "");
    assert_int_equal(tc_create_signed_value(exact, (size_t)len + 1, &key, "key", tc_str("value"), NOW), len);
    assert_string_equal(exact, SIGNED);
    free(exact);
    assert_int_equal(tc_decode_signed_value(small, sizeof small, rotated, "key", tc_str(SIGNED), 0, NOW), TC_ETOOBIG);
}

static void arguments_are_checked(void **state) {
    (void)state;
    tc_signing_key_t key = { 0, SECRET }, none = { 0, NULL }, negative = { -1, SECRET };
    tc_set_log_callback(NULL, NULL);
    assert_int_equal(tc_create_signed_value(out, sizeof out, NULL, "key", tc_str(""), NOW), TC_EINVAL);
    assert_int_equal(tc_create_signed_value(out, sizeof out, &none, "key", tc_str(""), NOW), TC_EINVAL);
    assert_int_equal(tc_create_signed_value(out, sizeof out, &negative, "key", tc_str(""), NOW), TC_EINVAL);
    assert_int_equal(tc_create_signed_value(out, sizeof out, &key, NULL, tc_str(""), NOW), TC_EINVAL);
    assert_int_equal(tc_create_signed_value(NULL, 1, &key, "key", tc_str(""), NOW), TC_EINVAL);
    assert_int_equal(tc_create_signed_value(out, sizeof out, &key, "key", tc_str(""), -1), TC_EINVAL);
    assert_int_equal(tc_create_signed_value(out, sizeof out, &key, "key", tc_bytes("", (size_t)1 << 30), NOW),
                     TC_EINVAL);
    assert_int_equal(tc_decode_signed_value(out, sizeof out, NULL, "key", tc_str(SIGNED), 0, NOW), TC_EINVAL);
    assert_int_equal(tc_decode_signed_value(out, sizeof out, rotated, NULL, tc_str(SIGNED), 0, NOW), TC_EINVAL);
    assert_int_equal(tc_decode_signed_value(NULL, 0, rotated, "key", tc_str(SIGNED), 0, NOW), TC_EINVAL);
    tc_set_log_callback(tc_log_to_stderr, NULL);
}

/* ---- OpenSSL's memory ---- */

static int allocations_left = -1; /* -1: without end */

static bool none_left(void) {
    return allocations_left >= 0 && allocations_left-- == 0 ? (allocations_left = 0, true) : false;
}

static void *ssl_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return none_left() ? NULL : malloc(size);
}

static void *ssl_realloc(void *old, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return none_left() ? NULL : realloc(old, size);
}

static void ssl_free(void *data, const char *file, int line) {
    (void)file, (void)line;
    free(data);
}

static void each_of_openssls_allocations_fails_in_turn(void **state) {
    (void)state;
    tc_signing_key_t key = { 0, SECRET };
    sign(&key, "key", tc_str("value"), NOW); /* what it keeps for good is made */
    int failed = 0, err;
    do {
        allocations_left = failed++;
        err = tc_create_signed_value(out, sizeof out, &key, "key", tc_str("value"), NOW);
        allocations_left = -1;
        assert_true(err == TC_ENOMEM || err == (int)strlen(SIGNED));
    } while (err < 0);
    for (failed = 0; err != 5;) {
        allocations_left = failed++;
        err = decode(SIGNED);
        allocations_left = -1;
        assert_true(err == TC_ENOMEM || err == 5);
    }
    assert_in_range(failed, 2, 1000);
}

int main(void) {
    CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_values_that_tornado_writes_are_written),
        cmocka_unit_test(the_values_that_tornado_writes_are_read),
        cmocka_unit_test(any_bytes_come_back),
        cmocka_unit_test(a_value_may_look_like_the_format),
        cmocka_unit_test(keys_are_told_apart_by_their_version),
        cmocka_unit_test(a_key_that_was_retired_opens_nothing),
        cmocka_unit_test(the_key_of_another_version_is_not_tried),
        cmocka_unit_test(a_value_is_good_for_31_days_unless_said_otherwise),
        cmocka_unit_test(a_value_from_the_future_is_refused_but_for_clocks_that_differ),
        cmocka_unit_test(another_name_is_refused),
        cmocka_unit_test(each_bit_counts),
        cmocka_unit_test(no_part_of_a_value_is_one),
        cmocka_unit_test(version_1_of_the_format_is_refused),
        cmocka_unit_test(a_value_that_is_no_strict_base64_is_refused),
        cmocka_unit_test(what_is_not_the_format_is_refused),
        cmocka_unit_test(a_text_that_does_not_fit_is_measured_and_not_begun),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(each_of_openssls_allocations_fails_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
