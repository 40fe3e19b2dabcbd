/*
 * route_pattern.c - the language of route patterns. (Tornado: routing.PathMatches, with types in place of expressions)
 *
 * A pattern is checked once, byte by byte, so that whatever is wrong is told with its column; after that it is walked
 * without a doubt, by the tree that stores it and by the reversal that writes URLs.
 */
#include "web/route_pattern_internal.h"

#include <string.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

/* ---- Walking -------------------------------------------------------------------------------------------------- */

static tc_bytes_t span(const char *from, const char *to) {
    return tc_bytes(from, (size_t)(to - from));
}

static bool is(tc_bytes_t text, const char *word) {
    return tc__bytes_equal(text, tc_str(word));
}

static void read_param(tc_bytes_t inside, tc__pattern_segment_t *out) {
    const char *end = inside.data + inside.len;
    const char *colon = memchr(inside.data, ':', inside.len);
    out->literal = false;
    out->text = span(inside.data, colon ? colon : end);
    out->type = !colon ? TC__PARAM_SEGMENT : is(span(colon + 1, end), "*") ? TC__PARAM_TAIL : TC__PARAM_INT;
}

bool tc__pattern_next(const char **cursor, tc__pattern_segment_t *out) {
    if (**cursor == '\0')
        return false;
    const char *start = *cursor + 1; /* behind the "/" */
    const char *end = start + strcspn(start, "/");
    *cursor = end;
    if (*start == '{')
        read_param(span(start + 1, end - 1), out);
    else
        *out = (tc__pattern_segment_t){ .literal = true, .text = span(start, end) };
    return true;
}

bool tc__pattern_is_int(tc_bytes_t segment) {
    int64_t value;
    return tc__parse_int64(segment, &value) == 0;
}

/* ---- Checking ------------------------------------------------------------------------------------------------- */

static int bad(const char *pattern, const char *at, const char *what) {
    return tc__fail(TC_EPATTERN, "\"%s\", column %zu: %s", pattern, (size_t)(at - pattern) + 1, what);
}

static int check_literal(const char *pattern, const char *start, const char *end) {
    for (const char *p = start; p < end; p++) {
        if (*p == '{')
            return bad(pattern, p, "a parameter is a whole segment, as in \"/{name}/\"");
        if (*p == '}')
            return bad(pattern, p, "\"}\" without \"{\"");
        if (*p == '?' || *p == '#')
            return bad(pattern, p, "a path has no query and no fragment; write \"%3F\" or \"%23\" for the character");
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return bad(pattern, p, "white space and control bytes stand in a path as %XX only");
    }
    return 0;
}

static bool is_letter(char c) {
    return c == '_' || (tc__lower(c) >= 'a' && tc__lower(c) <= 'z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static int check_name(const char *pattern, const char *start, const char *end) {
    if (start == end)
        return bad(pattern, start, "a parameter needs a name");
    for (const char *p = start; p < end; p++) {
        if (!is_letter(*p) && (p == start || !is_digit(*p)))
            return bad(pattern, p, "a name is letters, digits and \"_\", and no digit first");
    }
    return 0;
}

static int check_type(const char *pattern, const char *start, const char *close) {
    if (!is(span(start, close), "int") && !is(span(start, close), "*"))
        return bad(pattern, start, "a type is \"int\" or \"*\"");
    if (*start == '*' && close[1] != '\0')
        return bad(pattern, start, "the rest of the path can only stand last");
    return 0;
}

/* A segment that starts with "{". */
static int check_param(const char *pattern, const char *start, const char *end) {
    const char *close = memchr(start, '}', (size_t)(end - start));
    if (!close)
        return bad(pattern, start, "\"}\" is missing");
    if (close + 1 != end)
        return bad(pattern, close + 1, "a parameter is a whole segment, as in \"/{name}/\"");

    const char *colon = memchr(start, ':', (size_t)(close - start));
    TC_TRY(check_name(pattern, start + 1, colon ? colon : close));
    return colon ? check_type(pattern, colon + 1, close) : 0;
}

/* Is the name one of an earlier parameter? */
static bool is_taken(const char *pattern, tc_bytes_t name) {
    tc__pattern_segment_t segment;
    while (tc__pattern_next(&pattern, &segment) && segment.text.data != name.data) {
        if (!segment.literal && tc__bytes_equal(segment.text, name))
            return true;
    }
    return false;
}

static int check_next(const char *pattern, const char **cursor, size_t *params) {
    const char *start = *cursor + 1;
    const char *end = start + strcspn(start, "/");
    if (*start != '{') {
        *cursor = end;
        return check_literal(pattern, start, end);
    }
    TC_TRY(check_param(pattern, start, end));
    tc__pattern_segment_t segment;
    if (tc__pattern_next(cursor, &segment) && is_taken(pattern, segment.text))
        return bad(pattern, segment.text.data, "a second parameter of that name");
    if (++*params > TC__MAX_CAPTURES)
        return bad(pattern, start, "too many parameters (at most 16)");
    return 0;
}
_Static_assert(TC__MAX_CAPTURES == 16 && TC__MAX_SEGMENTS == 64, "the messages say so");

static int check_pattern(const char *pattern, size_t *params) {
    if (!pattern)
        return tc__fail(TC_EPATTERN, "a route needs a pattern, and got NULL");
    if (*pattern != '/')
        return bad(pattern, pattern, "a pattern starts with \"/\"");
    const char *cursor = pattern;
    for (size_t segments = 0; *cursor != '\0'; segments++) {
        if (segments == TC__MAX_SEGMENTS)
            return bad(pattern, cursor, "too many segments (at most 64)");
        TC_TRY(check_next(pattern, &cursor, params));
    }
    return 0;
}

void tc__params_free(tc__param_t *params, size_t count) {
    if (!params)
        return;
    for (size_t i = 0; i < count; i++)
        tc__free(params[i].name);
    tc__free(params);
}

int tc__pattern_params(const char *pattern, tc__param_t **params, size_t *count) {
    size_t checked = 0;
    TC_TRY(check_pattern(pattern, &checked));
    tc__param_t *made = tc__calloc(checked + 1, sizeof(*made)); /* never of size 0 */
    if (!made)
        return TC_ENOMEM;

    size_t n = 0;
    tc__pattern_segment_t segment;
    while (tc__pattern_next(&pattern, &segment)) {
        if (segment.literal)
            continue;
        made[n].type = segment.type;
        made[n].name = tc__strndup(segment.text.data, segment.text.len);
        if (!made[n++].name) {
            tc__params_free(made, n);
            return TC_ENOMEM;
        }
    }
    *params = made;
    *count = n;
    return 0;
}

/* ---- Reversing ------------------------------------------------------------------------------------------------ */

char *tc__url_put(char *out, tc_bytes_t text) {
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    return out + text.len;
}

/* RFC 3986 section 2.3. */
static bool is_unreserved(char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '~';
}

char *tc__url_put_encoded(char *out, tc_bytes_t value, bool keep_slash) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        if (is_unreserved((char)c) || (keep_slash && c == '/')) {
            *out++ = (char)c;
        } else {
            *out++ = '%';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        }
    }
    return out;
}

/* Would the URL lead back to the route with this value? */
static int check_value(const tc__route_t *route, const tc__param_t *param, const char *value) {
    if (param->type == TC__PARAM_INT && !tc__pattern_is_int(tc_str(value)))
        return tc__fail(TC_EINVAL, "\"%s\": \"%s\" is a number, which \"%s\" is not", route->pattern, param->name,
                        value);
    if (param->type == TC__PARAM_SEGMENT && *value == '\0')
        return tc__fail(TC_EINVAL, "\"%s\": the value of \"%s\" is empty", route->pattern, param->name);
    return 0;
}

/* The slash that a tail begins with, right behind the first, would make a host of what follows. */
static char *put_tail(char *out, tc_bytes_t value, bool is_first) {
    const bool encode_one = is_first && value.len > 0 && value.data[0] == '/';
    if (encode_one) {
        out = tc__url_put(out, tc_str("%2F"));
        value = tc_bytes(value.data + 1, value.len - 1);
    }
    return tc__url_put_encoded(out, value, true);
}

int tc__pattern_reverse(const tc__route_t *route, const char *const *values, char *out) {
    for (size_t i = 0; i < route->param_count; i++)
        TC_TRY(check_value(route, &route->params[i], values[i]));
    char *end = out;
    const char *cursor = route->pattern;
    tc__pattern_segment_t segment;
    while (tc__pattern_next(&cursor, &segment)) {
        *end++ = '/';
        if (segment.literal)
            end = tc__url_put(end, segment.text);
        else if (segment.type == TC__PARAM_TAIL)
            end = put_tail(end, tc_str(*values++), end == out + 1);
        else
            end = tc__url_put_encoded(end, tc_str(*values++), false);
    }
    *end = '\0';
    return (int)(end - out);
}
