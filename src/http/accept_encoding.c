/*
 * accept_encoding.c - the Accept-Encoding field. (Tornado looks for "gzip" anywhere in it.)
 */
#include "http/accept_encoding_internal.h"

#include "http/headers_internal.h"
#include "util/bytes_internal.h"

enum { LEAST = 1, MOST = 1000, UNSAID = UINT16_MAX };

const char *const tc__coding_names[TC__CODING_COUNT] = { "identity", "br", "zstd", "gzip" };

/* Up to the next `mark`, trimmed, and off the front of *rest. */
static tc_bytes_t take(tc_bytes_t *rest, char mark) {
    size_t len = 0;
    while (len < rest->len && rest->data[len] != mark)
        len++;
    tc_bytes_t part = tc__bytes_trim(tc_bytes(rest->data, len));
    len += len < rest->len;
    *rest = tc_bytes(rest->data + len, rest->len - len);
    return part;
}

/* "0.123" in thousandths; -1: it is no weight. */
static int parse_weight(tc_bytes_t text) {
    if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.len > 1 && text.data[1] != '.'))
        return -1;
    int weight = text.data[0] == '1' ? MOST : 0, unit = 100;
    for (size_t i = 2; i < text.len; i++, unit /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        weight += unit * (text.data[i] - '0');
    }
    return weight > MOST ? -1 : weight;
}

/* Of ";q=0.5", and whatever else a member carries behind its name. -1: it is none. */
static int weight_of(tc_bytes_t parameters) {
    int weight = MOST;
    while (parameters.len > 0) {
        tc_bytes_t value = take(&parameters, ';');
        tc_bytes_t name = take(&value, '=');
        if (name.len != 1 || tc__lower(name.data[0]) != 'q')
            continue;
        weight = parse_weight(value);
        if (weight < 0)
            return -1;
    }
    return weight;
}

static void set(uint16_t weights[TC__CODING_COUNT], tc_bytes_t name, int weight) {
    if (tc__bytes_equal_nocase(name, tc_str("x-gzip")))
        name = tc_str("gzip"); /* RFC 9110 section 8.4.1.3 */
    for (int i = 0; i < TC__CODING_COUNT; i++)
        if (tc__bytes_equal_nocase(name, tc_str(tc__coding_names[i])))
            weights[i] = (uint16_t)weight;
}

void tc__accept_encoding_parse(tc_bytes_t field, uint16_t weights[TC__CODING_COUNT]) {
    int others = 0;
    bool star = false;
    for (int i = 0; i < TC__CODING_COUNT; i++)
        weights[i] = UNSAID;
    while (field.len > 0) {
        tc_bytes_t parameters = take(&field, ',');
        tc_bytes_t name = take(&parameters, ';');
        int weight = weight_of(parameters);
        if (weight < 0 || !tc__is_token(name))
            continue;
        if (name.len == 1 && name.data[0] == '*') {
            others = weight;
            star = true;
        } else {
            set(weights, name, weight);
        }
    }
    for (int i = 0; i < TC__CODING_COUNT; i++)
        if (weights[i] == UNSAID)
            weights[i] = (uint16_t)(i == TC__CODING_IDENTITY && !star ? LEAST : others);
}
