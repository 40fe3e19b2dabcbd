/*
 * headers.c - header fields, in order, repeated ones kept. (Tornado: HTTPHeaders)
 *
 * A flat array, since a message has a dozen fields: what is not known by id is found by a scan that compares lengths
 * first. Every walk visits each field once, however often a name is repeated: joining and removing collect first and
 * move afterwards.
 *
 * A name's id comes from a table indexed by length and first letter, which leaves one candidate (two in one case), and
 * one comparison of words. `first` is kept by append and rebuilt by whatever moves fields.
 */
#include "http/headers_internal.h"

#include <stdint.h>
#include <string.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"

enum { FIRST_CAPACITY = 16, LONGEST_KNOWN = 17 };

static const char known_names[TC__HEADER_COUNT][24] = {
    [TC__HEADER_ACCEPT] = "accept",
    [TC__HEADER_ACCEPT_ENCODING] = "accept-encoding",
    [TC__HEADER_ACCEPT_LANGUAGE] = "accept-language",
    [TC__HEADER_ALLOW] = "allow",
    [TC__HEADER_AUTHORIZATION] = "authorization",
    [TC__HEADER_CACHE_CONTROL] = "cache-control",
    [TC__HEADER_CONNECTION] = "connection",
    [TC__HEADER_CONTENT_ENCODING] = "content-encoding",
    [TC__HEADER_CONTENT_LENGTH] = "content-length",
    [TC__HEADER_CONTENT_TYPE] = "content-type",
    [TC__HEADER_COOKIE] = "cookie",
    [TC__HEADER_DATE] = "date",
    [TC__HEADER_ETAG] = "etag",
    [TC__HEADER_EXPECT] = "expect",
    [TC__HEADER_FORWARDED] = "forwarded",
    [TC__HEADER_HOST] = "host",
    [TC__HEADER_IF_MODIFIED_SINCE] = "if-modified-since",
    [TC__HEADER_IF_NONE_MATCH] = "if-none-match",
    [TC__HEADER_KEEP_ALIVE] = "keep-alive",
    [TC__HEADER_LOCATION] = "location",
    [TC__HEADER_ORIGIN] = "origin",
    [TC__HEADER_PROXY_CONNECTION] = "proxy-connection",
    [TC__HEADER_RANGE] = "range",
    [TC__HEADER_REFERER] = "referer",
    [TC__HEADER_SERVER] = "server",
    [TC__HEADER_SET_COOKIE] = "set-cookie",
    [TC__HEADER_TE] = "te",
    [TC__HEADER_TRAILER] = "trailer",
    [TC__HEADER_TRANSFER_ENCODING] = "transfer-encoding",
    [TC__HEADER_UPGRADE] = "upgrade",
    [TC__HEADER_USER_AGENT] = "user-agent",
    [TC__HEADER_VARY] = "vary",
    [TC__HEADER_X_FORWARDED_FOR] = "x-forwarded-for",
    [TC__HEADER_X_FORWARDED_PROTO] = "x-forwarded-proto",
    [TC__HEADER_X_REAL_IP] = "x-real-ip",
};

/* The low five bits of a letter are the same in both cases. */
#define LETTER(c) ((c)&31)

/* The candidate for a length and a first letter; 0 is TC__HEADER_OTHER. */
static const uint8_t candidates[LONGEST_KNOWN + 1][32] = {
    [2][LETTER('t')] = TC__HEADER_TE,
    [4][LETTER('d')] = TC__HEADER_DATE,
    [4][LETTER('e')] = TC__HEADER_ETAG,
    [4][LETTER('h')] = TC__HEADER_HOST,
    [4][LETTER('v')] = TC__HEADER_VARY,
    [5][LETTER('a')] = TC__HEADER_ALLOW,
    [5][LETTER('r')] = TC__HEADER_RANGE,
    [6][LETTER('a')] = TC__HEADER_ACCEPT,
    [6][LETTER('c')] = TC__HEADER_COOKIE,
    [6][LETTER('e')] = TC__HEADER_EXPECT,
    [6][LETTER('o')] = TC__HEADER_ORIGIN,
    [6][LETTER('s')] = TC__HEADER_SERVER,
    [7][LETTER('r')] = TC__HEADER_REFERER,
    [7][LETTER('t')] = TC__HEADER_TRAILER,
    [7][LETTER('u')] = TC__HEADER_UPGRADE,
    [8][LETTER('l')] = TC__HEADER_LOCATION,
    [9][LETTER('f')] = TC__HEADER_FORWARDED,
    [9][LETTER('x')] = TC__HEADER_X_REAL_IP,
    [10][LETTER('c')] = TC__HEADER_CONNECTION,
    [10][LETTER('k')] = TC__HEADER_KEEP_ALIVE,
    [10][LETTER('s')] = TC__HEADER_SET_COOKIE,
    [10][LETTER('u')] = TC__HEADER_USER_AGENT,
    [12][LETTER('c')] = TC__HEADER_CONTENT_TYPE,
    [13][LETTER('a')] = TC__HEADER_AUTHORIZATION,
    [13][LETTER('c')] = TC__HEADER_CACHE_CONTROL,
    [13][LETTER('i')] = TC__HEADER_IF_NONE_MATCH,
    [14][LETTER('c')] = TC__HEADER_CONTENT_LENGTH,
    [15][LETTER('a')] = TC__HEADER_ACCEPT_ENCODING, /* and ACCEPT_LANGUAGE: told apart below */
    [15][LETTER('x')] = TC__HEADER_X_FORWARDED_FOR,
    [16][LETTER('c')] = TC__HEADER_CONTENT_ENCODING,
    [16][LETTER('p')] = TC__HEADER_PROXY_CONNECTION,
    [17][LETTER('i')] = TC__HEADER_IF_MODIFIED_SINCE,
    [17][LETTER('t')] = TC__HEADER_TRANSFER_ENCODING,
    [17][LETTER('x')] = TC__HEADER_X_FORWARDED_PROTO,
};

/* The lower-case bit is set only where `want` has a letter (0x40 is set there, and not in "-"), so that no control byte
 * passes for a "-". */
static inline bool same_word(uint64_t got, uint64_t want) {
    return (got | (want >> 1 & 0x2020202020202020)) == want;
}

static inline uint64_t load64(const char *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint32_t load32(const char *p) {
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint16_t load16(const char *p) {
    uint16_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* The last word overlaps the one before, so that no length needs single bytes. len >= 2. */
static inline bool same_name(const char *name, const char *want, size_t len) {
    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            if (!same_word(load64(name + i), load64(want + i)))
                return false;
        }
        return same_word(load64(name + len - 8), load64(want + len - 8));
    }
    if (len >= 4)
        return same_word(load32(name), load32(want)) && same_word(load32(name + len - 4), load32(want + len - 4));
    return same_word(load16(name), load16(want)) && same_word(load16(name + len - 2), load16(want + len - 2));
}

/* Inline, since append runs for each header of each request: it saves it a call and the registers around it. */
static inline tc__header_id_t find_id(const char *name, size_t len) {
    if (len < 2 || len > LONGEST_KNOWN)
        return TC__HEADER_OTHER;
    unsigned id = candidates[len][LETTER((unsigned char)name[0])];
    if (id == TC__HEADER_OTHER)
        return TC__HEADER_OTHER;
    if (id == TC__HEADER_ACCEPT_ENCODING && LETTER(name[7]) == LETTER('l'))
        id = TC__HEADER_ACCEPT_LANGUAGE;
    return same_name(name, known_names[id], len) ? (tc__header_id_t)id : TC__HEADER_OTHER;
}

tc__header_id_t tc__header_id(const char *name, size_t len) {
    return find_id(name, len);
}

void tc__headers_init(tc__headers_t *headers) {
    memset(headers, 0, sizeof *headers);
}

static bool grow(tc__headers_t *headers, tc__arena_t *arena) {
    size_t old = headers->capacity;
    size_t capacity = old ? old * 2 : FIRST_CAPACITY;
    if (capacity > UINT16_MAX)
        capacity = UINT16_MAX;
    if (capacity == old) {
        arena->failed = true;
        return false;
    }
    tc__header_t *items = old ? tc__arena_realloc(arena, headers->items, old * sizeof *items, capacity * sizeof *items)
                              : tc__arena_alloc(arena, capacity * sizeof *items);
    if (items == NULL)
        return false;
    headers->items = items;
    headers->capacity = (uint16_t)capacity;
    return true;
}

static inline tc__header_t *append(tc__headers_t *headers, tc_bytes_t name, tc_bytes_t value) {
    tc__header_t *header = &headers->items[headers->count++];
    header->name = name.data;
    header->value = value.data;
    header->value_len = (uint32_t)value.len;
    header->name_len = (uint16_t)name.len;
    header->id = (uint8_t)find_id(name.data, name.len);
    if (headers->first[header->id] == 0)
        headers->first[header->id] = headers->count;
    else
        headers->repeated |= UINT64_C(1) << header->id;
    return header;
}

/* What seldom happens, out of the way of what always does. */
static __attribute__((noinline)) tc__header_t *append_slowly(tc__headers_t *headers, tc__arena_t *arena,
                                                             tc_bytes_t name, tc_bytes_t value) {
    if (name.len > UINT16_MAX || value.len > UINT32_MAX) {
        arena->failed = true;
        return NULL;
    }
    if (headers->count == headers->capacity && !grow(headers, arena))
        return NULL;
    return append(headers, name, value);
}

tc__header_t *tc__headers_append(tc__headers_t *headers, tc__arena_t *arena, tc_bytes_t name, tc_bytes_t value) {
    if (headers->count == headers->capacity || (name.len | value.len) > UINT16_MAX)
        return append_slowly(headers, arena, name, value);
    return append(headers, name, value);
}

static bool has_name(const tc__header_t *header, tc__header_id_t id, tc_bytes_t name) {
    if (header->id != id)
        return false;
    return id != TC__HEADER_OTHER ||
           (header->name_len == name.len && tc__bytes_equal_nocase(tc_bytes(header->name, name.len), name));
}

/* The first at index `from` or later. No field of an id stands before first[id]. */
static const tc__header_t *next_named(const tc__headers_t *headers, tc__header_id_t id, tc_bytes_t name, size_t from) {
    size_t first = headers->first[id];
    if (first == 0)
        return NULL;
    for (size_t i = from > first - 1 ? from : first - 1; i < headers->count; i++) {
        if (has_name(&headers->items[i], id, name))
            return &headers->items[i];
    }
    return NULL;
}

const tc__header_t *tc__headers_find(const tc__headers_t *headers, tc_bytes_t name, const tc__header_t *after) {
    size_t from = after ? (size_t)(after - headers->items) + 1 : 0;
    return next_named(headers, tc__header_id(name.data, name.len), name, from);
}

static char *put(char *end, const char *data, size_t len) {
    if (len != 0)
        memcpy(end, data, len);
    return end + len;
}

tc_bytes_t tc__headers_join(const tc__headers_t *headers, tc__arena_t *arena, tc_bytes_t name, const char *separator) {
    const tc__header_t *first = tc__headers_find(headers, name, NULL);
    if (first == NULL)
        return tc_bytes(NULL, 0);

    size_t separator_len = strlen(separator), count = 0, len = 0;
    for (const tc__header_t *h = first; h != NULL; h = tc__headers_find(headers, name, h)) {
        len += h->value_len + separator_len;
        count++;
    }
    if (count == 1)
        return tc_bytes(first->value, first->value_len);

    char *text = tc__arena_alloc(arena, len + 1), *end = text;
    if (text == NULL)
        return tc_bytes(NULL, 0);
    for (const tc__header_t *h = first; h != NULL; h = tc__headers_find(headers, name, h)) {
        if (h != first)
            end = put(end, separator, separator_len);
        end = put(end, h->value, h->value_len);
    }
    *end = '\0';
    return tc_bytes(text, (size_t)(end - text));
}

/* Drop those of that name at index `from` or later, in one pass. */
static void remove_named(tc__headers_t *headers, tc_bytes_t name, size_t from) {
    tc__header_id_t id = tc__header_id(name.data, name.len);
    if (next_named(headers, id, name, from) == NULL)
        return;

    uint16_t kept = 0;
    memset(headers->first, 0, sizeof headers->first);
    headers->repeated = 0;
    for (uint16_t i = 0; i < headers->count; i++) {
        if (i >= from && has_name(&headers->items[i], id, name))
            continue;
        headers->items[kept++] = headers->items[i];
        uint8_t kept_id = headers->items[kept - 1].id;
        if (headers->first[kept_id] == 0)
            headers->first[kept_id] = kept;
        else
            headers->repeated |= UINT64_C(1) << kept_id;
    }
    headers->count = kept;
}

void tc__headers_remove(tc__headers_t *headers, tc_bytes_t name) {
    remove_named(headers, name, 0);
}

static int check_field(tc_bytes_t name, const char *value) {
    if (!tc__is_token(name))
        return tc__fail(TC_EINVAL, "header name \"%.*s\": only letters, digits and !#$%%&'*+-.^_`|~ may stand there",
                        name.len > 64 ? 64 : (int)name.len, name.data ? name.data : "");
    if (name.len > UINT16_MAX)
        return tc__fail(TC_EINVAL, "header name: longer than %d bytes", UINT16_MAX);
    if (value == NULL)
        return tc__fail(TC_EINVAL, "header %.64s: the value is NULL", name.data);
    if (!tc__is_field_value(tc_str(value)))
        return tc__fail(TC_EINVAL, "header %.64s: the value holds a control byte, such as a line end", name.data);
    return 0;
}

/* A new field at the end, both parts copied; the value is trimmed already. */
static int append_copy(tc__headers_t *headers, tc__arena_t *arena, tc_bytes_t name, tc_bytes_t value) {
    char *own_name = tc__arena_strndup(arena, name.data, name.len);
    char *own_value = own_name ? tc__arena_strndup(arena, value.data, value.len) : NULL;
    if (own_value == NULL)
        return TC_ENOMEM;
    return tc__headers_append(headers, arena, tc_bytes(own_name, name.len), tc_bytes(own_value, value.len)) ? 0
                                                                                                            : TC_ENOMEM;
}

int tc__headers_add(tc__headers_t *headers, tc__arena_t *arena, const char *name, const char *value) {
    int err = check_field(tc_str(name), value);
    if (err < 0)
        return err;
    return append_copy(headers, arena, tc_str(name), tc__bytes_trim(tc_str(value)));
}

/* In place of the first of that name, as Tornado's dictionary keeps the place. */
int tc__headers_set(tc__headers_t *headers, tc__arena_t *arena, const char *name, const char *value) {
    int err = check_field(tc_str(name), value);
    if (err < 0)
        return err;

    tc_bytes_t trimmed = tc__bytes_trim(tc_str(value));
    const tc__header_t *found = tc__headers_find(headers, tc_str(name), NULL);
    if (found == NULL)
        return append_copy(headers, arena, tc_str(name), trimmed);

    char *own_value = tc__arena_strndup(arena, trimmed.data, trimmed.len);
    if (own_value == NULL)
        return TC_ENOMEM;
    size_t index = (size_t)(found - headers->items);
    headers->items[index].value = own_value;
    headers->items[index].value_len = (uint32_t)trimmed.len;
    remove_named(headers, tc_str(name), index + 1);
    return 0;
}

/* One bit per ASCII character: digits, letters and !#$%&'*+-.^_`|~ */
static bool is_token_char(unsigned char c) {
    static const uint32_t bits[4] = { 0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff };
    return c < 128 && (bits[c >> 5] >> (c & 31) & 1) != 0;
}

bool tc__is_token(tc_bytes_t text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!is_token_char((unsigned char)text.data[i]))
            return false;
    }
    return text.len > 0;
}

bool tc__is_field_value(tc_bytes_t text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool list_has(tc_bytes_t list, tc_bytes_t token) {
    while (list.len > 0) {
        const char *comma = memchr(list.data, ',', list.len);
        size_t len = comma ? (size_t)(comma - list.data) : list.len;
        if (tc__bytes_equal_nocase(tc__bytes_trim(tc_bytes(list.data, len)), token))
            return true;
        size_t used = comma ? len + 1 : len;
        list = tc_bytes(list.data + used, list.len - used);
    }
    return false;
}

bool tc__headers_list_has(const tc__headers_t *headers, tc__header_id_t id, const char *token) {
    for (size_t i = headers->first[id] ? headers->first[id] - 1u : headers->count; i < headers->count; i++) {
        const tc__header_t *header = &headers->items[i];
        if (header->id == id && list_has(tc_bytes(header->value, header->value_len), tc_str(token)))
            return true;
    }
    return false;
}
