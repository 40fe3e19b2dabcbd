/*
 * byte_range.c - the Range field. (Tornado: _parse_request_range, for several ranges too)
 *
 * Ranges that overlap or touch become one, in the place of the first of them, so that no answer is longer than the
 * whole but for what stands between its parts; a field with more than TC__MAX_RANGES of them is not heard (RFC 9110
 * section 14.2, CVE-2011-3192). Numbers beyond 64 bits are beyond every end (CVE-2017-7529).
 *
 * A field that breaks the syntax anywhere, and one of another unit, is not heard either; nor is any for an empty
 * representation, for some clients send one with every request.
 */
#include "http/byte_range_internal.h"

#include <stdbool.h>

#include "util/bytes_internal.h"

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Digits off the front; false: there are none. What is too large is the largest. */
static bool take_number(tc_bytes_t *text, uint64_t *out) {
    size_t len = 0;
    uint64_t value = 0;
    while (len < text->len && is_digit(text->data[len])) {
        unsigned digit = (unsigned)(text->data[len++] - '0');
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : 10 * value + digit;
    }
    *text = tc_bytes(text->data + len, text->len - len);
    *out = value;
    return len > 0;
}

static bool take_dash(tc_bytes_t *text) {
    if (text->len == 0 || text->data[0] != '-')
        return false;
    *text = tc_bytes(text->data + 1, text->len - 1);
    return true;
}

/* One range-spec; false: it is none. out->len is 0 if it lies beyond the end. */
static bool parse_spec(tc_bytes_t spec, uint64_t size, tc__byte_range_t *out) {
    uint64_t first, last;
    if (take_dash(&spec)) { /* the last so many */
        if (!take_number(&spec, &last) || spec.len > 0)
            return false;
        out->len = last < size ? last : size;
        out->first = size - out->len;
        return true;
    }
    if (!take_number(&spec, &first) || !take_dash(&spec))
        return false;
    if (!take_number(&spec, &last))
        last = UINT64_MAX;
    if (spec.len > 0 || last < first)
        return false;
    out->first = first;
    out->len = first >= size ? 0 : last >= size ? size - first : last - first + 1;
    return true;
}

static bool touch(const tc__byte_range_t *a, const tc__byte_range_t *b) {
    return a->first <= b->first + b->len && b->first <= a->first + a->len;
}

static void join(tc__byte_range_t *into, const tc__byte_range_t *other) {
    uint64_t end = into->first + into->len, other_end = other->first + other->len;
    into->first = other->first < into->first ? other->first : into->first;
    into->len = (other_end > end ? other_end : end) - into->first;
}

/* Add one; it and those that it touches take the place of the first. */
static int add(tc__byte_range_t *ranges, int count, tc__byte_range_t range) {
    int place = count;
    for (int i = count - 1; i >= 0; i--) {
        if (!touch(&ranges[i], &range))
            continue;
        join(&range, &ranges[i]);
        if (place < count) { /* a later one that is in `range` already */
            for (int j = place; j < count - 1; j++)
                ranges[j] = ranges[j + 1];
            count--;
        }
        place = i;
    }
    ranges[place] = range;
    return place == count ? count + 1 : count;
}

/* The next member of the list, trimmed; false: none is left. Empty ones are passed over. */
static bool next_spec(tc_bytes_t *list, tc_bytes_t *spec) {
    while (list->len > 0) {
        size_t len = 0;
        while (len < list->len && list->data[len] != ',')
            len++;
        *spec = tc__bytes_trim(tc_bytes(list->data, len));
        len += len < list->len;
        *list = tc_bytes(list->data + len, list->len - len);
        if (spec->len > 0)
            return true;
    }
    return false;
}

int tc__byte_ranges_parse(tc_bytes_t field, uint64_t size, tc__byte_range_t out[TC__MAX_RANGES]) {
    const tc_bytes_t unit = tc_str("bytes=");
    if (size == 0 || field.len < unit.len || !tc__bytes_equal_nocase(tc_bytes(field.data, unit.len), unit))
        return 0;
    tc_bytes_t list = tc_bytes(field.data + unit.len, field.len - unit.len), spec;
    int specs = 0, count = 0;
    while (next_spec(&list, &spec)) {
        tc__byte_range_t range;
        if (++specs > TC__MAX_RANGES || !parse_spec(spec, size, &range))
            return 0;
        if (range.len > 0)
            count = add(out, count, range);
    }
    return specs == 0 ? 0 : count == 0 ? TC__RANGE_NOT_SATISFIABLE : count;
}
