/* utf8_test.c - UTF-8, strictly: every code point, every pair of bytes, every border. */
#include "util_test.h"

#include <tornadoc/escape.h>

#include "util/utf8_internal.h"

static size_t encode(uint32_t c, unsigned char out[4]) {
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (unsigned char)(0x80 | (c & 0x3f));
    out[0] = (unsigned char)(first[len] | c);
    return len;
}

static bool valid(const void *data, size_t len) {
    tc_bytes_t text = on_heap(tc_bytes(data, len));
    bool is_valid = tc_utf8_valid(text);
    off_heap(text);
    return is_valid;
}

static void every_code_point_but_surrogates_is_well_formed(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x200000; c++) {
        unsigned char bytes[4];
        size_t len = encode(c, bytes);
        bool good = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        assert_int_equal(tc__utf8_sequence((char *)bytes, len), good ? len : 0);
        assert_int_equal(tc_utf8_valid(tc_bytes(bytes, len)), good);
    }
}

static void what_is_cut_off_is_not(void **state) {
    (void)state;
    static const uint32_t points[] = { 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff };
    for (size_t i = 0; i < COUNT(points); i++) {
        unsigned char bytes[4];
        size_t len = encode(points[i], bytes);
        for (size_t cut = 1; cut < len; cut++) {
            tc_bytes_t part = on_heap(tc_bytes(bytes, cut));
            assert_int_equal(tc__utf8_sequence(part.data, cut), 0);
            assert_false(tc_utf8_valid(part));
            off_heap(part);
        }
    }
}

/* By the definition: one byte less and the same shape encodes a smaller code point. */
static void overlong_forms_are_refused(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x10000; c++) {
        unsigned char two[] = { (unsigned char)(0xc0 | c >> 6), (unsigned char)(0x80 | (c & 0x3f)) };
        unsigned char three[] = { (unsigned char)(0xe0 | c >> 12), (unsigned char)(0x80 | (c >> 6 & 0x3f)), two[1] };
        unsigned char four[] = { 0xf0, (unsigned char)(0x80 | c >> 12), three[1], two[1] };
        if (c < 0x80)
            assert_false(tc_utf8_valid(tc_bytes(two, 2)));
        if (c < 0x800)
            assert_false(tc_utf8_valid(tc_bytes(three, 3)));
        assert_false(tc_utf8_valid(tc_bytes(four, 4)));
    }
}

static void each_byte_after_the_first_must_continue(void **state) {
    (void)state;
    static const char *const texts[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        size_t len = strlen(texts[i]);
        for (size_t at = 1; at < len; at++) {
            for (int c = 0; c < 256; c++) {
                char bytes[5];
                memcpy(bytes, texts[i], len + 1);
                bytes[at] = (char)c;
                bool second_may = i == 0 || at != 1 || (i == 1 ? c >= 0x80 : c >= 0x90);
                assert_int_equal(valid(bytes, len), c >= 0x80 && c < 0xc0 && second_may);
            }
        }
    }
}

static void two_bytes_are_a_sequence_or_two_ascii_characters(void **state) {
    (void)state;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            unsigned char bytes[] = { (unsigned char)a, (unsigned char)b };
            bool pair = a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
            assert_int_equal(tc_utf8_valid(tc_bytes(bytes, 2)), pair || (a < 0x80 && b < 0x80));
        }
    }
}

/* Wherever it stands between the steps of 16 bytes. */
static void one_bad_byte_spoils_text_at_any_place(void **state) {
    (void)state;
    for (size_t len = 0; len < 70; len++) {
        char text[72];
        memset(text, 'a', sizeof(text));
        assert_true(valid(text, len));
        for (size_t at = 0; at < len; at++) {
            text[at] = '\x80';
            assert_false(valid(text, len));
            text[at] = '\xff';
            assert_false(valid(text, len));
            text[at] = '\xc3';
            text[at + 1] = '\xa4';
            assert_int_equal(valid(text, len), at + 1 < len);
            text[at] = text[at + 1] = 'a';
        }
    }
}

static void no_text_and_nul_are_well_formed(void **state) {
    (void)state;
    assert_true(tc_utf8_valid(tc_str(NULL)));
    assert_true(tc_utf8_valid(tc_str("")));
    assert_true(tc_utf8_valid(TEXT("a\0b")));
    assert_true(tc_utf8_valid(tc_str("Gr\xc3\xbc\xc3\x9f"
                                     "e, \xe2\x82\xac 5 \xf0\x9f\x98\x80!")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_but_surrogates_is_well_formed),
        cmocka_unit_test(what_is_cut_off_is_not),
        cmocka_unit_test(overlong_forms_are_refused),
        cmocka_unit_test(each_byte_after_the_first_must_continue),
        cmocka_unit_test(two_bytes_are_a_sequence_or_two_ascii_characters),
        cmocka_unit_test(one_bad_byte_spoils_text_at_any_place),
        cmocka_unit_test(no_text_and_nul_are_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
