/*
 * arguments.c - names and values of a query or of a form. (Tornado: parse_qs_bytes, get_argument)
 *
 * The pairs are counted before any memory is taken, so that a body of a million "&a" costs a scan and nothing else.
 * Then one array of pairs and one block of text take everything: decoded bytes are never more than encoded ones, and
 * each pair needs two NULs at most.
 *
 * White space is what Python's str.strip() takes off, since forms carry what was pasted into them: U+00A0, U+2028,
 * U+3000 and their like, besides ASCII's.
 */
#include "http/arguments_internal.h"

#include <stdint.h>
#include <string.h>

#include <tornadoc/escape.h>

#include "http/url_internal.h"
#include "util/bytes_internal.h"
#include "util/utf8_internal.h"

static size_t count_pairs(tc_bytes_t text) {
    tc_bytes_t name, value;
    size_t count = 0;
    while (tc__query_next(&text, &name, &value))
        count++;
    return count;
}

static void blank_controls(char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 && !(c >= 0x09 && c <= 0x0d))
            text[i] = ' ';
    }
}

/* The length of the white space that the text starts with, or ends with; 0: none. */
static size_t space_at_start(tc_bytes_t text) {
    if (text.len == 0)
        return 0;
    char c = text.data[0];
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    for (size_t len = 2; len <= 3 && len <= text.len && (c & 0x80); len++) {
        if (tc__utf8_is_space(text.data, len))
            return len;
    }
    return 0;
}

static size_t space_at_end(tc_bytes_t text) {
    if (text.len == 0)
        return 0;
    char c = text.data[text.len - 1];
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return 1;
    for (size_t len = 2; len <= 3 && len <= text.len && (c & 0x80); len++) {
        if (tc__utf8_is_space(text.data + text.len - len, len))
            return len;
    }
    return 0;
}

/* In valid UTF-8 no white space ends inside another character, so the ends can be cut byte by byte. */
static tc_bytes_t strip(tc_bytes_t text) {
    for (size_t len; (len = space_at_start(text)) > 0;)
        text = tc_bytes(text.data + len, text.len - len);
    for (size_t len; (len = space_at_end(text)) > 0;)
        text.len -= len;
    return text;
}

/* The value stands at `text`, with room for a NUL. What is not text is not stripped. */
static void take_value(tc__argument_t *argument, char *text, size_t len) {
    argument->value = tc_bytes(text, len);
    argument->valid = tc_utf8_valid(argument->value) && tc_utf8_valid(argument->name);
    blank_controls(text, len);
    if (argument->valid)
        argument->value = strip(argument->value);
    text[argument->value.data - text + (ptrdiff_t)argument->value.len] = '\0';
}

/* Decode to `out`, which has room; returns the end of what was written. */
static char *decode_pair(tc__argument_t *argument, char *out, tc_bytes_t name, tc_bytes_t value) {
    argument->name = tc_bytes(out, tc_url_unescape(out, name.len + 1, name));
    out += argument->name.len + 1;

    size_t len = tc_url_unescape(out, value.len + 1, value);
    take_value(argument, out, len);
    return out + len + 1;
}

int tc__arguments_parse(tc__arguments_t *arguments, tc__arena_t *arena, tc_bytes_t text, size_t max_count) {
    size_t old = arguments->count, added = count_pairs(text);
    if (added == 0)
        return 0;
    if (old > max_count || added > max_count - old)
        return TC_ETOOBIG;

    tc__argument_t *items = tc__arena_alloc(arena, (old + added) * sizeof *items);
    char *out = items ? tc__arena_alloc(arena, text.len + 2 * added) : NULL;
    if (out == NULL)
        return TC_ENOMEM;
    if (old > 0)
        memcpy(items, arguments->items, old * sizeof *items);

    tc_bytes_t name, value;
    for (size_t i = old; tc__query_next(&text, &name, &value); i++)
        out = decode_pair(&items[i], out, name, value);
    arguments->items = items;
    arguments->count = arguments->capacity = old + added;
    return 0;
}

static int reserve_one(tc__arguments_t *arguments, tc__arena_t *arena) {
    if (arguments->count < arguments->capacity)
        return 0;
    size_t size = sizeof *arguments->items, capacity = 2 * arguments->capacity + 4;
    tc__argument_t *items = tc__arena_realloc(arena, arguments->items, arguments->capacity * size, capacity * size);
    if (items == NULL)
        return TC_ENOMEM;
    arguments->items = items;
    arguments->capacity = capacity;
    return 0;
}

int tc__arguments_add(tc__arguments_t *arguments, tc__arena_t *arena, tc_bytes_t name, tc_bytes_t value,
                      size_t max_count) {
    if (arguments->count >= max_count)
        return TC_ETOOBIG;
    TC_TRY(reserve_one(arguments, arena));
    char *name_copy = tc__arena_strndup(arena, name.data, name.len);
    char *value_copy = name_copy ? tc__arena_strndup(arena, value.data, value.len) : NULL;
    if (value_copy == NULL)
        return TC_ENOMEM;
    tc__argument_t *argument = &arguments->items[arguments->count++];
    argument->name = tc_bytes(name_copy, name.len);
    take_value(argument, value_copy, value.len);
    return 0;
}

const tc__argument_t *tc__arguments_last(const tc__arguments_t *arguments, tc_bytes_t name) {
    for (size_t i = arguments->count; i-- > 0;) {
        if (tc__bytes_equal(arguments->items[i].name, name))
            return &arguments->items[i];
    }
    return NULL;
}
