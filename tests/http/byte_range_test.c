/* byte_range_test.c - the Range field as a table: what is heard of it, and what is not. */
#include "http/byte_range_internal.h"
#include "util/util_test.h"

static const char *ranges_of(const char *field, uint64_t size) {
    static char text[400];
    tc__byte_range_t ranges[TC__MAX_RANGES];
    tc_bytes_t bytes = on_heap(tc_str(field));
    int count = tc__byte_ranges_parse(bytes, size, ranges);
    off_heap(bytes);
    text[0] = '\0';
    for (int i = 0; i < count; i++)
        sprintf(text + strlen(text), "%s%llu+%llu", i > 0 ? " " : "", (unsigned long long)ranges[i].first,
                (unsigned long long)ranges[i].len);
    return count < 0 ? "416" : count == 0 ? "whole" : text;
}

typedef struct {
    const char *field, *wanted;
} row_t;

static void check(const row_t *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(ranges_of(rows[i].field, 26), rows[i].wanted) != 0)
            fail_msg("%s: %s, not %s", rows[i].field, ranges_of(rows[i].field, 26), rows[i].wanted);
}

static void one_range_is_cut_to_what_there_is(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "bytes=0-9", "0+10" },
        { "bytes=1-100000", "1+25" },
        { "bytes=22-", "22+4" },
        { "bytes=-4", "22+4" },
        { "bytes=0-0", "0+1" },
        { "bytes=0-", "0+26" },
        { "bytes=25-25", "25+1" },
        { "bytes=-1000000", "0+26" },
        { "BYTES=0-1", "0+2" },
        { "bytes= 3-4 ", "3+2" },
        { "bytes=,,3-4,", "3+2" },
        { "bytes=1-18446744073709551615", "1+25" },
        { "bytes=1-99999999999999999999999", "1+25" },
        { "bytes=-99999999999999999999999", "0+26" },
        { "bytes=007-008", "7+2" },
    };
    check(rows, COUNT(rows));
}

static void ranges_beyond_the_end_cannot_be_satisfied(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "bytes=26-", "416" },      { "bytes=26-30", "416" },
        { "bytes=-0", "416" },       { "bytes=99999999999999999999999-", "416" },
        { "bytes=30-40,-0", "416" }, { "bytes=30-40,3-4", "3+2" },
    };
    check(rows, COUNT(rows));
}

static void what_breaks_the_syntax_is_not_heard(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "", "whole" },
        { "lines=0-1", "whole" },
        { "asdf", "whole" },
        { "bytes", "whole" },
        { "bytes=", "whole" },
        { "bytes=-", "whole" },
        { "bytes=--1", "whole" },
        { "bytes=5", "whole" },
        { "bytes=10-3", "whole" },
        { "bytes=+1-+2", "whole" },
        { "bytes=1_0-", "whole" },
        { "bytes=0x1-2", "whole" },
        { "bytes=1 - 2", "whole" },
        { "bytes =1-2", "whole" },
        { "bytes=1-2-3", "whole" },
        { "bytes=0-1,x", "whole" },
        { "bytes=0-1;2-3", "whole" },
        { "bytes=\xd9\xa1-2", "whole" },
    };
    check(rows, COUNT(rows));
}

static void several_ranges_keep_their_order(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "bytes=0-1,4-5", "0+2 4+2" },
        { "bytes=20-21 , 0-1,\t10-11", "20+2 0+2 10+2" },
        { "bytes=-1,0-0", "25+1 0+1" },
    };
    check(rows, COUNT(rows));
}

static void ranges_that_overlap_or_touch_become_one(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "bytes=0-4,2-9", "0+10" },
        { "bytes=0-4,5-9", "0+10" },
        { "bytes=5-9,20-21,0-4", "0+10 20+2" },
        { "bytes=0-1,4-5,20-21,2-3", "0+6 20+2" },
        { "bytes=0-1,10-11,20-21,0-", "0+26" },
        { "bytes=0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0", "0+1" },
        { "bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-", "0+26" },
    };
    check(rows, COUNT(rows));
}

static void a_field_with_too_many_ranges_is_not_heard(void **state) {
    (void)state;
    char field[4000] = "bytes=0-0";
    for (int i = 1; i < TC__MAX_RANGES; i++)
        sprintf(field + strlen(field), ",%d-%d", 3 * i, 3 * i);
    assert_string_not_equal(ranges_of(field, 1000), "whole");
    strcat(field, ",999-");
    assert_string_equal(ranges_of(field, 1000), "whole");
    for (int i = 0; i < 500; i++)
        strcat(field, ",5-0");
    assert_string_equal(ranges_of(field, 1000), "whole");
}

static void an_empty_representation_has_no_ranges(void **state) {
    (void)state;
    assert_string_equal(ranges_of("bytes=0-", 0), "whole");
    assert_string_equal(ranges_of("bytes=-5", 0), "whole");
}

static void the_largest_representation_has_its_last_byte(void **state) {
    (void)state;
    assert_string_equal(ranges_of("bytes=0-", UINT64_MAX), "0+18446744073709551615");
    assert_string_equal(ranges_of("bytes=-1", UINT64_MAX), "18446744073709551614+1");
    assert_string_equal(ranges_of("bytes=0-5,-1", UINT64_MAX), "0+6 18446744073709551614+1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range_is_cut_to_what_there_is),
        cmocka_unit_test(ranges_beyond_the_end_cannot_be_satisfied),
        cmocka_unit_test(what_breaks_the_syntax_is_not_heard),
        cmocka_unit_test(several_ranges_keep_their_order),
        cmocka_unit_test(ranges_that_overlap_or_touch_become_one),
        cmocka_unit_test(a_field_with_too_many_ranges_is_not_heard),
        cmocka_unit_test(an_empty_representation_has_no_ranges),
        cmocka_unit_test(the_largest_representation_has_its_last_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
