/* conditional_test.c - conditions of requests, one by one, in their order, and against what is no condition. */
#include "http/conditional_internal.h"
#include "util/date_internal.h"
#include "util/util_test.h"

enum { NOON = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */
#define AT "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static tc__arena_t arena;
static tc__headers_t request;

static void ask(const char *const *fields) {
    tc__headers_init(&request);
    for (; fields && *fields; fields += 2)
        tc__headers_append(&request, &arena, tc_str(fields[0]), tc_str(fields[1]));
}

#define ASK(...) ask((const char *const[]){ __VA_ARGS__, NULL })

static int get(const char *etag, int64_t modified) {
    return tc__check_conditions(&request, true, &(tc__validators_t){ tc_str(etag), modified, false });
}

static int post(const char *etag, int64_t modified) {
    return tc__check_conditions(&request, false, &(tc__validators_t){ tc_str(etag), modified, false });
}

static void a_list_of_tags_is_searched(void **state) {
    (void)state;
    static const struct {
        const char *list, *etag;
        bool weakly, strongly;
    } rows[] = {
        { "\"a\"", "\"a\"", true, true },
        { "\"b\", \"a\"", "\"a\"", true, true },
        { ",,\"b\",\t\"a\",", "\"a\"", true, true },
        { "W/\"a\"", "\"a\"", true, false },
        { "\"a\"", "W/\"a\"", true, false },
        { "W/\"a\"", "W/\"a\"", true, false },
        { "w/\"a\"", "\"a\"", false, false },
        { "\"A\"", "\"a\"", false, false },
        { "a", "\"a\"", false, false },
        { "\"a", "\"a\"", false, false },
        { "\"a\"b", "\"a\"", false, false },
        { "\"a\"b, \"a\"", "\"a\"", true, true },
        { "b\"a\"", "\"a\"", false, false },
        { "junk \"x\", \"a\"", "\"a\"", true, true },
        { "\"b,\"a\"", "\"a\"", false, false },
        { "\"a,b\", \"c\"", "\"a,b\"", true, true },
        { "\"a,b\", \"c\"", "\"c\"", true, true },
        { "\"\"", "\"\"", true, true },
        { "\"\xc3\xa4\"", "\"\xc3\xa4\"", true, true },
        { "\"a\"", "", false, false },
        { "", "\"a\"", false, false },
        { "W/", "W/\"a\"", false, false },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        tc_bytes_t list = on_heap(tc_str(rows[i].list));
        if (tc__etag_in_list(list, tc_str(rows[i].etag), false) != rows[i].weakly ||
            tc__etag_in_list(list, tc_str(rows[i].etag), true) != rows[i].strongly)
            fail_msg("%s in %s", rows[i].etag, rows[i].list);
        off_heap(list);
    }
}

static void without_conditions_nothing_fails(void **state) {
    (void)state;
    ask(NULL);
    assert_int_equal(get("\"a\"", NOON), 0);
    assert_int_equal(post("", TC__NO_DATE), 0);
}

static void if_none_match_is_304_for_reading_and_412_for_writing(void **state) {
    (void)state;
    ASK("If-None-Match", "\"b\"", "if-none-match", "W/\"a\"");
    assert_int_equal(get("\"a\"", NOON), 304);
    assert_int_equal(post("\"a\"", NOON), 412);
    assert_int_equal(get("\"c\"", NOON), 0);
    assert_int_equal(get("", NOON), 0);
    ASK("If-None-Match", "*");
    assert_int_equal(get("\"c\"", NOON), 304);
    assert_int_equal(get("", NOON), 304);
    assert_int_equal(post("", NOON), 412);
    ASK("If-None-Match", "\"x\", *");
    assert_int_equal(get("\"c\"", NOON), 0);
}

static void if_match_compares_strongly(void **state) {
    (void)state;
    ASK("If-Match", "\"a\", W/\"b\"");
    assert_int_equal(get("\"a\"", NOON), 0);
    assert_int_equal(post("\"a\"", NOON), 0);
    assert_int_equal(get("W/\"b\"", NOON), 412);
    assert_int_equal(post("\"c\"", NOON), 412);
    assert_int_equal(get("", NOON), 412);
    ASK("If-Match", "*");
    assert_int_equal(get("", NOON), 0);
}

static void if_modified_since_is_for_reading(void **state) {
    (void)state;
    static const struct {
        const char *date;
        int status;
    } rows[] = { { AT, 304 },   { AFTER, 304 }, { BEFORE, 0 },
                 { "junk", 0 }, { "", 0 },      { "Sunday, 06-Nov-94 08:49:37 GMT", 304 } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        ASK("If-Modified-Since", rows[i].date);
        assert_int_equal(get("\"a\"", NOON), rows[i].status);
        assert_int_equal(post("\"a\"", NOON), 0);
        assert_int_equal(get("\"a\"", TC__NO_DATE), 0);
    }
    ASK("If-Modified-Since", AT, "If-Modified-Since", AT);
    assert_int_equal(get("\"a\"", NOON), 0);
    ASK("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_int_equal(get("\"a\"", -5), 304);
}

static void if_unmodified_since_fails_for_what_is_newer(void **state) {
    (void)state;
    ASK("If-Unmodified-Since", BEFORE);
    assert_int_equal(get("\"a\"", NOON), 412);
    assert_int_equal(post("\"a\"", NOON), 412);
    assert_int_equal(get("\"a\"", TC__NO_DATE), 0);
    ASK("If-Unmodified-Since", AT);
    assert_int_equal(get("\"a\"", NOON), 0);
    ASK("If-Unmodified-Since", "junk");
    assert_int_equal(get("\"a\"", NOON), 0);
}

static void tags_go_before_dates(void **state) {
    (void)state;
    ASK("If-None-Match", "\"b\"", "If-Modified-Since", AT);
    assert_int_equal(get("\"a\"", NOON), 0);
    ASK("If-None-Match", "junk", "If-Modified-Since", AT);
    assert_int_equal(get("\"a\"", NOON), 0);
    ASK("If-Match", "\"a\"", "If-Unmodified-Since", BEFORE);
    assert_int_equal(get("\"a\"", NOON), 0);
    ASK("If-Match", "\"b\"", "If-None-Match", "\"a\"");
    assert_int_equal(get("\"a\"", NOON), 412);
    ASK("If-Match", "\"a\"", "If-None-Match", "\"a\"");
    assert_int_equal(get("\"a\"", NOON), 304);
    ASK("If-Unmodified-Since", AT, "If-Modified-Since", AT);
    assert_int_equal(get("\"a\"", NOON), 304);
}

static bool range_holds(const char *condition, const char *etag, bool date_is_weak) {
    ASK("If-Range", condition);
    return tc__if_range_holds(&request, &(tc__validators_t){ tc_str(etag), NOON, date_is_weak });
}

static void if_range_wants_the_very_representation(void **state) {
    (void)state;
    ask(NULL);
    assert_true(tc__if_range_holds(&request, &(tc__validators_t){ tc_str("\"a\""), NOON, false }));
    assert_true(range_holds("\"a\"", "\"a\"", false));
    assert_false(range_holds("\"b\"", "\"a\"", false));
    assert_false(range_holds("W/\"a\"", "\"a\"", false));
    assert_false(range_holds("\"a\"", "W/\"a\"", false));
    assert_false(range_holds("\"b\", \"a\"", "\"a\"", false));
    assert_true(range_holds(AT, "\"a\"", false));
    assert_false(range_holds(AT, "\"a\"", true));
    assert_false(range_holds(AFTER, "\"a\"", false));
    assert_false(range_holds(BEFORE, "\"a\"", false));
    assert_false(range_holds("junk", "\"a\"", false));
    assert_false(range_holds("", "\"a\"", false));
    ASK("If-Range", "junk");
    assert_false(tc__if_range_holds(&request, &(tc__validators_t){ tc_str(""), TC__NO_DATE, false }));
}

static void a_tag_is_quoted(void **state) {
    (void)state;
    static const char *const good[] = { "\"\"", "W/\"x\"", "\"!#\xff\"" };
    static const char *const bad[] = { "",       "\"a b\"", "a",  "\"",  "\"a",      "a\"",
                                       "\"a\"b", "w/\"a\"", "W/", "W/a", "\"a\nb\"", "\"a\x7f\"" };
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(tc__is_etag(tc_str(good[i])));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(tc__is_etag(tc_str(bad[i])));
}

static int setup(void **state) {
    (void)state;
    tc__arena_init(&arena, NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    tc__arena_deinit(&arena);
    return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_list_of_tags_is_searched),
        TEST(without_conditions_nothing_fails),
        TEST(if_none_match_is_304_for_reading_and_412_for_writing),
        TEST(if_match_compares_strongly),
        TEST(if_modified_since_is_for_reading),
        TEST(if_unmodified_since_fails_for_what_is_newer),
        TEST(tags_go_before_dates),
        TEST(if_range_wants_the_very_representation),
        TEST(a_tag_is_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
