/* date_test.c - HTTP dates: the system's calendar is the judge of ours. */
#include "util_test.h"

#include <time.h>

#include "util/date_internal.h"

#define NOW 1767225600 /* 2026-01-01 00:00:00 */
#define YEAR_0 (-62167219200)
#define YEAR_9999_END 253402300799

static void dates_are_written_as_imf_fixdate(void **state) {
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        { 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" },
        { 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
        { -1, "Wed, 31 Dec 1969 23:59:59 GMT" },
        { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 2147483648, "Tue, 19 Jan 2038 03:14:08 GMT" },
        { 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
        { YEAR_9999_END, "Fri, 31 Dec 9999 23:59:59 GMT" },
        { YEAR_0, "Sat, 01 Jan 0000 00:00:00 GMT" },
        { YEAR_9999_END + 1, "Fri, 31 Dec 9999 23:59:59 GMT" }, /* cut to what four digits hold */
        { YEAR_0 - 1, "Sat, 01 Jan 0000 00:00:00 GMT" },
        { INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT" },
        { INT64_MIN, "Sat, 01 Jan 0000 00:00:00 GMT" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[TC__DATE_LEN + 1];
        tc__date_format(text, cases[i].seconds);
        assert_string_equal(text, cases[i].text);
    }
}

static void every_week_of_ten_thousand_years_agrees_with_the_system(void **state) {
    (void)state;
    for (int64_t seconds = YEAR_0; seconds <= YEAR_9999_END; seconds += 604800 + 86400 + 3661) {
        char ours[TC__DATE_LEN + 1], theirs[80];
        struct tm tm;
        time_t t = (time_t)seconds;
        assert_non_null(gmtime_r(&t, &tm));
        strftime(theirs, sizeof(theirs), "%a, %d %b ", &tm);
        snprintf(theirs + 12, sizeof(theirs) - 12, "%04d %02d:%02d:%02d GMT", tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                 tm.tm_sec);
        tc__date_format(ours, seconds);
        assert_string_equal(ours, theirs);
        int64_t parsed = 0;
        assert_int_equal(tc__date_parse(ours, TC__DATE_LEN, NOW, &parsed), 0);
        assert_true(parsed == seconds);
    }
}

static void dates_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 }, /* the three of RFC 9110 */
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Sun Nov 16 08:49:37 1994", 784975777 },
        { "Sun Nov 06 08:49:37 1994", 784111777 },      /* a zero for the space */
        { "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 }, /* a wrong day, but a day */
        { "Wednesday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
        { "Thu, 29 Feb 2024 00:00:00 GMT", 1709164800 },
        { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 }, /* a leap second is the next one */
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Sat, 01 Jan 0000 00:00:00 GMT", YEAR_0 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", YEAR_9999_END },
        { "Sat Jan  1 00:00:00 0000", YEAR_0 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_bytes_t text = on_heap(tc_str(cases[i].text));
        int64_t seconds = 1;
        assert_int_equal(tc__date_parse(text.data, text.len, NOW, &seconds), 0);
        assert_true(seconds == cases[i].seconds);
        off_heap(text);
    }
}

static void what_is_no_date_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "0",
        "now",
        "784111777",
        "1994-11-06T08:49:37Z",
        "06 Nov 1994 08:49:37 GMT",
        "Sun",
        "Sun,",
        "Sunday",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 ",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:4a:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "SUN, 06 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 November 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Dec 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT",
        "Mon, 29 Feb 2100 00:00:00 GMT",
        "Mon, 30 Feb 2000 00:00:00 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 1994 23:59:61 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday 06-Nov-94 08:49:37 GMT",
        "Sundax, 06-Nov-94 08:49:37 GMT",
        "Sunday, 29-Feb-23 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov   6 08:49:37 1994",
        "Sun Nov  0 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov 31 08:49:37 1994",
        "Sun Feb 29 08:49:37 1994",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_bytes_t text = on_heap(tc_str(cases[i]));
        int64_t seconds = 4711;
        if (tc__date_parse(text.data, text.len, NOW, &seconds) != TC_EINVAL)
            fail_msg("'%s' was taken for a date", cases[i]);
        assert_int_equal(seconds, 4711);
        off_heap(text);
    }
}

static void a_date_cut_off_or_with_one_wrong_byte_is_refused(void **state) {
    (void)state;
    static const char *const dates[] = { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                         "Sun Nov  6 08:49:37 1994" };
    for (size_t i = 0; i < COUNT(dates); i++) {
        size_t len = strlen(dates[i]);
        int64_t seconds;
        for (size_t cut = 0; cut < len; cut++) {
            tc_bytes_t text = on_heap(tc_bytes(dates[i], cut));
            assert_int_equal(tc__date_parse(text.data, cut, NOW, &seconds), TC_EINVAL);
            off_heap(text);
        }
        for (size_t at = 0; at < len; at++) {
            tc_bytes_t text = on_heap(tc_bytes(dates[i], len));
            ((char *)text.data)[at] = '\0';
            assert_int_equal(tc__date_parse(text.data, len, NOW, &seconds), TC_EINVAL);
            off_heap(text);
        }
    }
}

/* RFC 9110: what seems more than 50 years ahead is the most recent year in the past with these digits. */
static void two_digits_of_a_year_are_near_now(void **state) {
    (void)state;
    static const struct {
        const char *now, *text, *meant; /* IMF-fixdate, RFC 850, IMF-fixdate */
    } cases[] = {
        { "Thu, 01 Jan 2026 00:00:00 GMT", "Sunday, 01-Jan-26 00:00:00 GMT", "Thu, 01 Jan 2026 00:00:00 GMT" },
        { "Thu, 01 Jan 2026 00:00:00 GMT", "Sunday, 31-Dec-75 00:00:00 GMT", "Tue, 31 Dec 2075 00:00:00 GMT" },
        { "Thu, 01 Jan 2026 00:00:00 GMT", "Sunday, 01-Jan-76 00:00:00 GMT", "Wed, 01 Jan 2076 00:00:00 GMT" },
        { "Thu, 01 Jan 2026 00:00:00 GMT", "Sunday, 01-Jan-76 00:00:01 GMT", "Thu, 01 Jan 1976 00:00:01 GMT" },
        { "Thu, 01 Jan 2026 00:00:00 GMT", "Sunday, 31-Dec-99 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT" },
        { "Thu, 01 Jan 2026 00:00:00 GMT", "Sunday, 29-Feb-00 00:00:00 GMT", "Tue, 29 Feb 2000 00:00:00 GMT" },
        { "Thu, 31 Dec 2099 00:00:00 GMT", "Sunday, 01-Jan-01 00:00:00 GMT", "Sat, 01 Jan 2101 00:00:00 GMT" },
        { "Thu, 01 Jan 1970 00:00:00 GMT", "Sunday, 01-Jan-20 00:00:00 GMT", "Wed, 01 Jan 2020 00:00:00 GMT" },
        { "Thu, 01 Jan 1970 00:00:00 GMT", "Sunday, 02-Jan-20 00:00:00 GMT", "Fri, 02 Jan 1920 00:00:00 GMT" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t now, seconds;
        char text[TC__DATE_LEN + 1];
        assert_int_equal(tc__date_parse(cases[i].now, TC__DATE_LEN, 0, &now), 0);
        assert_int_equal(tc__date_parse(cases[i].text, strlen(cases[i].text), now, &seconds), 0);
        tc__date_format(text, seconds);
        assert_string_equal(text, cases[i].meant);
    }
}

static void any_now_gives_a_year_of_four_digits_or_an_error(void **state) {
    (void)state;
    static const int64_t nows[] = { INT64_MIN, YEAR_0, 0, YEAR_9999_END, INT64_MAX };
    for (size_t i = 0; i < COUNT(nows); i++) {
        for (int year = 0; year < 100; year++) {
            char text[40];
            int len = snprintf(text, sizeof(text), "Monday, 28-Feb-%02d 00:00:00 GMT", year);
            int64_t seconds = 0;
            int err = tc__date_parse(text, (size_t)len, nows[i], &seconds);
            assert_true(err == TC_EINVAL || (err == 0 && seconds >= YEAR_0 && seconds <= YEAR_9999_END));
        }
    }
}

static void the_cache_holds_the_current_second(void **state) {
    (void)state;
    tc__date_cache_t cache = { 0 };
    int64_t seconds, before = (int64_t)time(NULL);
    const char *text = tc__date_now(&cache);
    int64_t now = (int64_t)time(NULL);
    assert_int_equal(strlen(text), TC__DATE_LEN);
    assert_int_equal(tc__date_parse(text, TC__DATE_LEN, now, &seconds), 0);
    assert_true(seconds == cache.seconds && seconds >= before && seconds <= now);

    cache.seconds = 12345; /* another second: made anew */
    memset(cache.text, 'x', TC__DATE_LEN);
    assert_int_equal(tc__date_now(&cache)[3], ',');

    do { /* the same second: as it is */
        cache.seconds = (int64_t)time(NULL);
        memset(cache.text, 'x', TC__DATE_LEN);
        text = tc__date_now(&cache);
    } while (cache.seconds != (int64_t)time(NULL));
    assert_int_equal(text[0], 'x');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_written_as_imf_fixdate),
        cmocka_unit_test(every_week_of_ten_thousand_years_agrees_with_the_system),
        cmocka_unit_test(dates_are_read),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(a_date_cut_off_or_with_one_wrong_byte_is_refused),
        cmocka_unit_test(two_digits_of_a_year_are_near_now),
        cmocka_unit_test(any_now_gives_a_year_of_four_digits_or_an_error),
        cmocka_unit_test(the_cache_holds_the_current_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
