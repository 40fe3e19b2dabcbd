/* cookie_internal.h - the Cookie header field (Tornado: parse_cookie): split on ";", first "=", trimmed, quoted values
 * unquoted in linear time; of equal names the last one counts. */
#ifndef TC_HTTP_COOKIE_INTERNAL_H
#define TC_HTTP_COOKIE_INTERNAL_H

#include <tornadoc/util.h>

#include "util/arena_internal.h"

typedef struct {
    tc_bytes_t name, value; /* NUL behind each */
} tc__cookie_t;

typedef struct {
    tc__cookie_t *items;
    size_t count;
} tc__cookies_t;

/* `text` is the joined field value ("; " between several fields). Those whose names are no tokens (":" is allowed) or
 * name an attribute ("path", "expires", …) are dropped. 0; TC_ETOOBIG beyond max_count (before anything is kept);
 * TC_ENOMEM. */
int tc__cookies_parse(tc__cookies_t *cookies, tc__arena_t *arena, tc_bytes_t text, size_t max_count);
/* Is it one that is not dropped? */
bool tc__is_cookie_name(tc_bytes_t name);
const tc__cookie_t *tc__cookies_last(const tc__cookies_t *cookies, tc_bytes_t name);

#endif
