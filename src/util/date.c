/*
 * date.c - HTTP dates by arithmetic: no gmtime, no locale.
 *
 * Days are counted in eras of 400 years that begin on 1 March, so that the leap day is the last of its year and the
 * months' lengths follow one formula (Howard Hinnant, "chrono-compatible low-level date algorithms").
 */
#include "util/date_internal.h"

#include <string.h>
#include <time.h>

#include <tornadoc/util.h>

#define FIRST_SECOND (-62167219200) /* 0000-01-01 00:00:00 */
#define LAST_SECOND 253402300799    /* 9999-12-31 23:59:59 */

enum { DAY = 86400 };

typedef struct {
    int year, month, day; /* month 1 to 12 */
    int hour, minute, second;
} civil_t;

static const char day_names[7][10] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
static const char month_names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* ---- Arithmetic ----------------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

static int64_t days_from_civil(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static civil_t civil_from_seconds(int64_t seconds) {
    int64_t days = floor_div(seconds, DAY);
    int rest = (int)(seconds - days * DAY);
    days += 719468; /* since 0000-03-01 */
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = (int)(day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
    int shifted_month = (5 * day_of_year + 2) / 153; /* 0: March */

    civil_t civil = { .hour = rest / 3600, .minute = rest / 60 % 60, .second = rest % 60 };
    civil.day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    civil.month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    civil.year = (int)(year_of_era + era * 400) + (civil.month <= 2);
    return civil;
}

static int64_t seconds_from_civil(const civil_t *civil) {
    int second_of_day = civil->hour * 3600 + civil->minute * 60 + civil->second;
    return days_from_civil(civil->year, civil->month, civil->day) * DAY + second_of_day;
}

static int days_in_month(int year, int month) {
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* ---- Formatting ----------------------------------------------------------------------------------------------- */

static char *put_two(char *out, int value) {
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

static char *put_text(char *out, const char *text, size_t len) {
    memcpy(out, text, len);
    return out + len;
}

void tc__date_format(char out[TC__DATE_LEN + 1], int64_t seconds) {
    if (seconds < FIRST_SECOND)
        seconds = FIRST_SECOND;
    if (seconds > LAST_SECOND)
        seconds = LAST_SECOND;
    civil_t civil = civil_from_seconds(seconds);
    int64_t weekday = (floor_div(seconds, DAY) + 4) % 7; /* 1970-01-01 was a Thursday */
    if (weekday < 0)
        weekday += 7;

    out = put_text(out, day_names[weekday], 3);
    out = put_text(out, ", ", 2);
    out = put_two(out, civil.day);
    *out++ = ' ';
    out = put_text(out, month_names[civil.month - 1], 3);
    *out++ = ' ';
    out = put_two(out, civil.year / 100);
    out = put_two(out, civil.year % 100);
    *out++ = ' ';
    out = put_two(out, civil.hour);
    *out++ = ':';
    out = put_two(out, civil.minute);
    *out++ = ':';
    out = put_two(out, civil.second);
    put_text(out, " GMT", 5);
}

const char *tc__date_now(tc__date_cache_t *cache) {
    int64_t now = (int64_t)time(NULL);
    if (cache->seconds != now || cache->text[0] == '\0') {
        cache->seconds = now;
        tc__date_format(cache->text, now);
    }
    return cache->text;
}

/* ---- Parsing -------------------------------------------------------------------------------------------------- */

/* What is left of the text. Each step takes its part or turns `failed` on, after which the steps do nothing. */
typedef struct {
    const char *at, *end;
    bool failed;
} scan_t;

static void expect(scan_t *scan, const char *text) {
    size_t len = strlen(text);
    if (scan->failed || (size_t)(scan->end - scan->at) < len || memcmp(scan->at, text, len) != 0) {
        scan->failed = true;
        return;
    }
    scan->at += len;
}

static int scan_digits(scan_t *scan, int count) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (scan->failed || scan->at == scan->end || *scan->at < '0' || *scan->at > '9') {
            scan->failed = true;
            return 0;
        }
        value = value * 10 + (*scan->at++ - '0');
    }
    return value;
}

static int scan_month(scan_t *scan) {
    for (int i = 0; !scan->failed && scan->end - scan->at >= 3 && i < 12; i++) {
        if (memcmp(scan->at, month_names[i], 3) == 0) {
            scan->at += 3;
            return i + 1;
        }
    }
    scan->failed = true;
    return 1;
}

static void scan_time(scan_t *scan, civil_t *civil) {
    civil->hour = scan_digits(scan, 2);
    expect(scan, ":");
    civil->minute = scan_digits(scan, 2);
    expect(scan, ":");
    civil->second = scan_digits(scan, 2);
}

/* "06 Nov 1994 08:49:37 GMT" */
static civil_t scan_imf_fixdate(scan_t *scan) {
    civil_t civil = { 0 };
    civil.day = scan_digits(scan, 2);
    expect(scan, " ");
    civil.month = scan_month(scan);
    expect(scan, " ");
    civil.year = scan_digits(scan, 4);
    expect(scan, " ");
    scan_time(scan, &civil);
    expect(scan, " GMT");
    return civil;
}

/* The last year that ends in these digits and in which the date is not more than 50 years ahead. */
static int full_year(civil_t civil, int64_t now) {
    civil_t horizon = civil_from_seconds(now);
    int century = horizon.year / 100;
    horizon.year += 50;
    int two_digits = civil.year;
    civil.year = (century + 1) * 100 + two_digits;
    while (seconds_from_civil(&civil) > seconds_from_civil(&horizon))
        civil.year -= 100;
    return civil.year;
}

/* "06-Nov-94 08:49:37 GMT" */
static civil_t scan_rfc850(scan_t *scan, int64_t now) {
    civil_t civil = { 0 };
    civil.day = scan_digits(scan, 2);
    expect(scan, "-");
    civil.month = scan_month(scan);
    expect(scan, "-");
    civil.year = scan_digits(scan, 2);
    expect(scan, " ");
    scan_time(scan, &civil);
    expect(scan, " GMT");
    civil.year = full_year(civil, now);
    return civil;
}

/* "Nov  6 08:49:37 1994" */
static civil_t scan_asctime(scan_t *scan) {
    civil_t civil = { 0 };
    civil.month = scan_month(scan);
    expect(scan, " ");
    bool one_digit = scan->at < scan->end && *scan->at == ' ';
    if (one_digit)
        expect(scan, " ");
    civil.day = scan_digits(scan, one_digit ? 1 : 2);
    expect(scan, " ");
    scan_time(scan, &civil);
    expect(scan, " ");
    civil.year = scan_digits(scan, 4);
    return civil;
}

/* The format shows in the day's name and what follows it. */
static civil_t scan_date(scan_t *scan, int64_t now) {
    for (int i = 0; i < 7; i++) {
        size_t left = (size_t)(scan->end - scan->at), len = strlen(day_names[i]);
        if (left <= len || memcmp(scan->at, day_names[i], 3) != 0)
            continue;
        if (memcmp(scan->at, day_names[i], len) == 0) {
            scan->at += len;
            expect(scan, ", ");
            return scan_rfc850(scan, now);
        }
        scan->at += 3;
        if (*scan->at == ' ') {
            scan->at++;
            return scan_asctime(scan);
        }
        expect(scan, ", ");
        return scan_imf_fixdate(scan);
    }
    scan->failed = true;
    return (civil_t){ .month = 1 };
}

static bool in_range(const civil_t *civil) {
    if (civil->year < 0 || civil->year > 9999 || civil->day < 1 ||
        civil->day > days_in_month(civil->year, civil->month))
        return false;
    if (civil->hour > 23 || civil->minute > 59)
        return false;
    bool leap_second = civil->second == 60 && civil->hour == 23 && civil->minute == 59;
    return civil->second <= 59 || leap_second;
}

int tc__date_parse(const char *text, size_t len, int64_t now, int64_t *seconds) {
    if (now < FIRST_SECOND)
        now = FIRST_SECOND;
    if (now > LAST_SECOND)
        now = LAST_SECOND;
    scan_t scan = { text, text + len, len == 0 };
    if (scan.failed)
        return TC_EINVAL;
    civil_t civil = scan_date(&scan, now);
    if (scan.failed || scan.at != scan.end || !in_range(&civil))
        return TC_EINVAL;
    *seconds = seconds_from_civil(&civil);
    return 0;
}
