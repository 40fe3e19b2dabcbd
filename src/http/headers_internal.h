/*
 * headers_internal.h - header fields: in order, names compared without case, repeated ones kept. (Tornado: HTTPHeaders)
 *
 * One table for both directions. Fields point at memory of the request's arena (or at constants); the table owns none.
 * The names that the library itself asks for have ids, found while parsing, so that looking them up costs nothing.
 */
#ifndef TC_HTTP_HEADERS_INTERNAL_H
#define TC_HTTP_HEADERS_INTERNAL_H

#include <tornadoc/util.h>

#include "util/arena_internal.h"

typedef enum {
    TC__HEADER_OTHER,
    TC__HEADER_ACCEPT,
    TC__HEADER_ACCEPT_ENCODING,
    TC__HEADER_ACCEPT_LANGUAGE,
    TC__HEADER_ALLOW,
    TC__HEADER_AUTHORIZATION,
    TC__HEADER_CACHE_CONTROL,
    TC__HEADER_CONNECTION,
    TC__HEADER_CONTENT_ENCODING,
    TC__HEADER_CONTENT_LENGTH,
    TC__HEADER_CONTENT_TYPE,
    TC__HEADER_COOKIE,
    TC__HEADER_DATE,
    TC__HEADER_ETAG,
    TC__HEADER_EXPECT,
    TC__HEADER_FORWARDED,
    TC__HEADER_HOST,
    TC__HEADER_IF_MODIFIED_SINCE,
    TC__HEADER_IF_NONE_MATCH,
    TC__HEADER_KEEP_ALIVE,
    TC__HEADER_LOCATION,
    TC__HEADER_ORIGIN,
    TC__HEADER_PROXY_CONNECTION,
    TC__HEADER_RANGE,
    TC__HEADER_REFERER,
    TC__HEADER_SERVER,
    TC__HEADER_SET_COOKIE,
    TC__HEADER_TE,
    TC__HEADER_TRAILER,
    TC__HEADER_TRANSFER_ENCODING,
    TC__HEADER_UPGRADE,
    TC__HEADER_USER_AGENT,
    TC__HEADER_VARY,
    TC__HEADER_X_FORWARDED_FOR,
    TC__HEADER_X_FORWARDED_PROTO,
    TC__HEADER_X_REAL_IP,
    TC__HEADER_COUNT
} tc__header_id_t;

/* By length and first letter, then one comparison. */
tc__header_id_t tc__header_id(const char *name, size_t len);

typedef struct {
    const char *name, *value; /* received ones are NUL-terminated once the head is complete; values are trimmed */
    uint32_t value_len;
    uint16_t name_len;
    uint8_t id; /* tc__header_id_t */
} tc__header_t;

typedef struct {
    tc__header_t *items; /* [0, count), in the arena */
    uint16_t count, capacity;
    uint64_t repeated;                /* a bit per id that occurs more than once */
    uint16_t first[TC__HEADER_COUNT]; /* index + 1 of the first with that id, 0: none */
} tc__headers_t;

void tc__headers_init(tc__headers_t *headers);
/* The same for one that is all zero, with room for the first fields; beyond it the table moves to the arena. */
static inline void tc__headers_use(tc__headers_t *headers, tc__header_t *items, size_t capacity) {
    headers->items = items;
    headers->capacity = (uint16_t)capacity;
}

/* At the end; nothing is copied or checked. NULL: out of memory, or more than fits (65,535 fields, or bytes of a name):
 * then the arena has failed. */
tc__header_t *tc__headers_append(tc__headers_t *headers, tc__arena_t *arena, tc_bytes_t name, tc_bytes_t value);

static inline bool tc__headers_has(const tc__headers_t *headers, tc__header_id_t id) {
    return headers->first[id] != 0;
}
/* Is there more than one of that id? */
static inline bool tc__headers_repeated(const tc__headers_t *headers, tc__header_id_t id) {
    return (headers->repeated >> id & 1) != 0;
}
/* The first of that id, or NULL. */
static inline const tc__header_t *tc__headers_first(const tc__headers_t *headers, tc__header_id_t id) {
    return headers->first[id] ? &headers->items[headers->first[id] - 1] : NULL;
}
/* The next with the same name after `header` (NULL: the first of all), or NULL. */
const tc__header_t *tc__headers_find(const tc__headers_t *headers, tc_bytes_t name, const tc__header_t *after);

/* All values of a name, joined with `separator` (", "; for Cookie "; "), in the arena unless there is one only.
 * NULL data: no such field, or out of memory (then the arena has failed). Linear. */
tc_bytes_t tc__headers_join(const tc__headers_t *headers, tc__arena_t *arena, tc_bytes_t name, const char *separator);

/* The response side. Both are copied to the arena. TC_EINVAL (and a detail) unless the name is a token and the value is
 * without CR, LF, NUL and other control bytes but tab; TC_ENOMEM. White space around a value is cut off. `set` takes
 * the place of the first of that name and removes the others. */
int tc__headers_set(tc__headers_t *headers, tc__arena_t *arena, const char *name, const char *value);
int tc__headers_add(tc__headers_t *headers, tc__arena_t *arena, const char *name, const char *value);
void tc__headers_remove(tc__headers_t *headers, tc_bytes_t name);

bool tc__is_token(tc_bytes_t text);       /* RFC 9110 section 5.6.2; not empty */
bool tc__is_field_value(tc_bytes_t text); /* RFC 9110 section 5.5: VCHAR, obs-text, space, tab; may be empty */

/* Does a list of tokens ("close, TE", in any number of fields) hold `token`? Without case, linear. */
bool tc__headers_list_has(const tc__headers_t *headers, tc__header_id_t id, const char *token);

#endif
