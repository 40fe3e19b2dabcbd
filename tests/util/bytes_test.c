/* bytes_test.c - comparing, trimming, numbers. */
#include "util_test.h"

#include "util/bytes_internal.h"

static void equal_means_every_byte(void **state) {
    (void)state;
    static const struct {
        tc_bytes_t a, b;
        bool equal, nocase;
    } cases[] = {
        { { "", 0 }, { NULL, 0 }, true, true },       { { "a", 1 }, { "a", 1 }, true, true },
        { { "a", 1 }, { "A", 1 }, false, true },      { { "Host", 4 }, { "hOST", 4 }, false, true },
        { { "ab", 2 }, { "a", 1 }, false, false },    { { "a\0b", 3 }, { "a\0c", 3 }, false, false },
        { { "a\0b", 3 }, { "a\0b", 3 }, true, true }, { { "[", 1 }, { "{", 1 }, false, false },
        { { "@", 1 }, { "`", 1 }, false, false },     { { "\xc4", 1 }, { "\xe4", 1 }, false, false },
        { { "", 0 }, { "a", 1 }, false, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(tc__bytes_equal(cases[i].a, cases[i].b), cases[i].equal);
        assert_int_equal(tc__bytes_equal(cases[i].b, cases[i].a), cases[i].equal);
        assert_int_equal(tc__bytes_equal_secret(cases[i].a, cases[i].b), cases[i].equal);
        assert_int_equal(tc__bytes_equal_nocase(cases[i].a, cases[i].b), cases[i].nocase);
        assert_int_equal(tc__bytes_equal_nocase(cases[i].b, cases[i].a), cases[i].nocase);
    }
}

static void a_secret_differs_by_any_bit(void **state) {
    (void)state;
    char a[32] = "0123456789abcdef0123456789abcde", b[32];
    for (size_t bit = 0; bit < sizeof(a) * 8; bit++) {
        memcpy(b, a, sizeof(a));
        b[bit / 8] = (char)(b[bit / 8] ^ 1 << bit % 8);
        assert_false(tc__bytes_equal_secret(tc_bytes(a, sizeof(a)), tc_bytes(b, sizeof(b))));
    }
}

static void lower_changes_the_26_letters_only(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++)
        assert_int_equal((unsigned char)tc__lower((char)c), c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static void starts_with_compares_the_prefix(void **state) {
    (void)state;
    assert_true(tc__bytes_starts_with(tc_str("abc"), tc_str("ab")));
    assert_true(tc__bytes_starts_with(tc_str("abc"), tc_str("abc")));
    assert_true(tc__bytes_starts_with(tc_str("abc"), tc_str("")));
    assert_true(tc__bytes_starts_with(tc_str(NULL), tc_str(NULL)));
    assert_false(tc__bytes_starts_with(tc_str("abc"), tc_str("abcd")));
    assert_false(tc__bytes_starts_with(tc_str("abc"), tc_str("b")));
    assert_false(tc__bytes_starts_with(tc_str(NULL), tc_str("a")));
}

static void trim_takes_space_and_tab_off_both_ends(void **state) {
    (void)state;
    static const struct {
        const char *text, *trimmed;
    } cases[] = {
        { "", "" },
        { " ", "" },
        { " \t \t", "" },
        { "a", "a" },
        { " \ta b\t ", "a b" },
        { "\na\r", "\na\r" },
        { "\xa0z\x0b", "\xa0z\x0b" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_bytes_t text = on_heap(tc_str(cases[i].text));
        assert_true(tc__bytes_equal(tc__bytes_trim(text), tc_str(cases[i].trimmed)));
        off_heap(text);
    }
    assert_int_equal(tc__bytes_trim(tc_str(NULL)).len, 0);
}

static void unsigned_numbers_are_digits_that_fit(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int err;
        uint64_t value;
    } cases[] = {
        { "0", 0, 0 },
        { "7", 0, 7 },
        { "0012", 0, 12 },
        { "18446744073709551615", 0, UINT64_MAX },
        { "000000000000000000000000018446744073709551615", 0, UINT64_MAX },
        { "18446744073709551616", TC_EOVERFLOW, 0 },
        { "18446744073709551620", TC_EOVERFLOW, 0 },
        { "99999999999999999999", TC_EOVERFLOW, 0 },
        { "100000000000000000000000", TC_EOVERFLOW, 0 },
        { "100000000000000000000000x", TC_EINVAL, 0 },
        { "", TC_EINVAL, 0 },
        { "+1", TC_EINVAL, 0 },
        { "-1", TC_EINVAL, 0 },
        { " 1", TC_EINVAL, 0 },
        { "1 ", TC_EINVAL, 0 },
        { "0x10", TC_EINVAL, 0 },
        { "1/", TC_EINVAL, 0 },
        { "1:", TC_EINVAL, 0 },
        { "1\xb2", TC_EINVAL, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_bytes_t text = on_heap(tc_str(cases[i].text));
        uint64_t value = 4711;
        assert_int_equal(tc__parse_uint64(text, &value), cases[i].err);
        assert_true(value == (cases[i].err ? 4711 : cases[i].value));
        off_heap(text);
    }
}

static void signed_numbers_may_have_a_minus(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int err;
        int64_t value;
    } cases[] = {
        { "0", 0, 0 },
        { "-0", 0, 0 },
        { "-1", 0, -1 },
        { "42", 0, 42 },
        { "9223372036854775807", 0, INT64_MAX },
        { "-9223372036854775807", 0, -INT64_MAX },
        { "-9223372036854775808", 0, INT64_MIN },
        { "9223372036854775808", TC_EOVERFLOW, 0 },
        { "-9223372036854775809", TC_EOVERFLOW, 0 },
        { "18446744073709551615", TC_EOVERFLOW, 0 },
        { "-18446744073709551616", TC_EOVERFLOW, 0 },
        { "", TC_EINVAL, 0 },
        { "-", TC_EINVAL, 0 },
        { "--1", TC_EINVAL, 0 },
        { "+1", TC_EINVAL, 0 },
        { "- 1", TC_EINVAL, 0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_bytes_t text = on_heap(tc_str(cases[i].text));
        int64_t value = 4711;
        assert_int_equal(tc__parse_int64(text, &value), cases[i].err);
        assert_true(value == (cases[i].err ? 4711 : cases[i].value));
        off_heap(text);
    }
}

static void numbers_are_written_as_printf_does(void **state) {
    (void)state;
    uint64_t value = 1;
    for (int i = 0; i < 64; i++, value *= 2) {
        for (uint64_t near = value - 1; near != value + 2; near++) {
            char expected[24], written[24] = "";
            int len = snprintf(expected, sizeof(expected), "%llu", (unsigned long long)near);
            assert_ptr_equal(tc__format_uint64(written, near), written + len);
            assert_string_equal(written, expected);
        }
    }
    char written[21] = "";
    assert_ptr_equal(tc__format_uint64(written, UINT64_MAX), written + 20);
    assert_string_equal(written, "18446744073709551615");
}

static void hex_digits_have_values(void **state) {
    (void)state;
    static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    for (int c = 0; c < 256; c++) {
        const char *found = c ? strchr(digits, c) : NULL;
        if (!found && c)
            found = strchr(upper, c) ? digits + (strchr(upper, c) - upper) : NULL;
        assert_int_equal(tc__hex_digit((char)c), found ? found - digits : -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_means_every_byte),
        cmocka_unit_test(a_secret_differs_by_any_bit),
        cmocka_unit_test(lower_changes_the_26_letters_only),
        cmocka_unit_test(starts_with_compares_the_prefix),
        cmocka_unit_test(trim_takes_space_and_tab_off_both_ends),
        cmocka_unit_test(unsigned_numbers_are_digits_that_fit),
        cmocka_unit_test(signed_numbers_may_have_a_minus),
        cmocka_unit_test(numbers_are_written_as_printf_does),
        cmocka_unit_test(hex_digits_have_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
