/*
 * cookie.c - the Cookie header field, as browsers and Tornado read it. (Tornado: parse_cookie)
 *
 * ";" splits even inside quotes, because browsers split there: two readers that disagree on where a cookie ends are how
 * XSRF tokens were once forged. Inside surrounding quotes "\073" and "\x" are undone, in one pass; outside they stay.
 *
 * Names that no Set-Cookie could have set, and names of attributes ("path", "expires"), are dropped as Python's
 * SimpleCookie drops them. Counted before any memory is taken; the values share one block.
 */
#include "http/cookie_internal.h"

#include <string.h>

#include "http/headers_internal.h"
#include "util/bytes_internal.h"

/* The next piece before a ";", trimmed; false: none left. */
static bool next_chunk(tc_bytes_t *rest, tc_bytes_t *chunk) {
    if (rest->len == 0)
        return false;
    const char *semicolon = memchr(rest->data, ';', rest->len);
    size_t len = semicolon ? (size_t)(semicolon - rest->data) : rest->len;
    size_t used = semicolon ? len + 1 : len;
    *chunk = tc__bytes_trim(tc_bytes(rest->data, len));
    *rest = tc_bytes(rest->data + used, rest->len - used);
    return true;
}

static bool is_attribute(tc_bytes_t name) {
    static const tc_bytes_t attributes[] = {
        { "expires", 7 }, { "path", 4 },    { "comment", 7 },  { "domain", 6 },   { "max-age", 7 },
        { "secure", 6 },  { "version", 7 }, { "httponly", 8 }, { "samesite", 8 },
    };
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (attributes[i].len == name.len && tc__bytes_equal_nocase(attributes[i], name))
            return true;
    }
    return false;
}

/* A token; Python allows ":" as well. */
bool tc__is_cookie_name(tc_bytes_t name) {
    size_t start = 0;
    for (size_t i = 0; i <= name.len; i++) {
        if (i < name.len && name.data[i] != ':')
            continue;
        if (i > start && !tc__is_token(tc_bytes(name.data + start, i - start)))
            return false;
        start = i + 1;
    }
    return name.len > 0 && !is_attribute(name);
}

/* The next cookie with a good name, undecoded; false: none left. */
static bool next_cookie(tc_bytes_t *rest, tc_bytes_t *name, tc_bytes_t *value) {
    tc_bytes_t chunk;
    while (next_chunk(rest, &chunk)) {
        const char *equals = chunk.len ? memchr(chunk.data, '=', chunk.len) : NULL;
        if (equals == NULL)
            continue; /* a value without a name */
        size_t len = (size_t)(equals - chunk.data);
        *name = tc__bytes_trim(tc_bytes(chunk.data, len));
        *value = tc__bytes_trim(tc_bytes(equals + 1, chunk.len - len - 1));
        if (tc__is_cookie_name(*name))
            return true;
    }
    return false;
}

/* Three digits at `p`, at most \377. */
static bool is_octal(const char *p, const char *end) {
    return end - p >= 3 && p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

/* Write `value` without its quotes and escapes; returns the length. */
static size_t unquote(char *out, tc_bytes_t value) {
    if (value.len < 2 || value.data[0] != '"' || value.data[value.len - 1] != '"') {
        memcpy(out, value.data, value.len);
        return value.len;
    }
    char *to = out;
    const char *p = value.data + 1, *end = value.data + value.len - 1;
    while (p < end) {
        if (*p == '\\' && is_octal(p + 1, end)) {
            *to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 4;
            continue;
        }
        if (*p == '\\' && p + 1 < end)
            p++;
        *to++ = *p++;
    }
    return (size_t)(to - out);
}

static char *copy_cookie(tc__cookie_t *cookie, char *out, tc_bytes_t name, tc_bytes_t value) {
    memcpy(out, name.data, name.len);
    out[name.len] = '\0';
    cookie->name = tc_bytes(out, name.len);
    out += name.len + 1;

    size_t len = unquote(out, value);
    out[len] = '\0';
    cookie->value = tc_bytes(out, len);
    return out + len + 1;
}

int tc__cookies_parse(tc__cookies_t *cookies, tc__arena_t *arena, tc_bytes_t text, size_t max_count) {
    tc_bytes_t rest = text, name, value;
    size_t count = 0, text_len = 0;
    for (; next_cookie(&rest, &name, &value); count++)
        text_len += name.len + value.len + 2;
    if (count > max_count)
        return TC_ETOOBIG;

    tc__cookies_t parsed = { NULL, count };
    if (count > 0) {
        parsed.items = tc__arena_alloc(arena, count * sizeof *parsed.items);
        char *out = parsed.items ? tc__arena_alloc(arena, text_len) : NULL;
        if (out == NULL)
            return TC_ENOMEM;
        rest = text;
        for (size_t i = 0; next_cookie(&rest, &name, &value); i++)
            out = copy_cookie(&parsed.items[i], out, name, value);
    }
    *cookies = parsed;
    return 0;
}

const tc__cookie_t *tc__cookies_last(const tc__cookies_t *cookies, tc_bytes_t name) {
    for (size_t i = cookies->count; i-- > 0;) {
        if (tc__bytes_equal(cookies->items[i].name, name))
            return &cookies->items[i];
    }
    return NULL;
}
