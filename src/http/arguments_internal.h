/*
 * arguments_internal.h - names and values of a query or of a form. (Tornado: parse_qs_bytes and what get_argument makes
 * of the values)
 *
 * "&" separates; blank values are kept; a name without "=" has the value ""; bad percent sequences stay as they are.
 */
#ifndef TC_HTTP_ARGUMENTS_INTERNAL_H
#define TC_HTTP_ARGUMENTS_INTERNAL_H

#include <tornadoc/util.h>

#include "util/arena_internal.h"

typedef struct {
    tc_bytes_t name;  /* decoded, NUL behind it */
    tc_bytes_t value; /* decoded, control bytes made spaces and stripped as by get_argument; NUL behind it */
    bool valid;       /* value and name are UTF-8; if not, the value is not stripped */
} tc__argument_t;

typedef struct {
    tc__argument_t *items; /* in the arena, in order */
    size_t count, capacity;
} tc__arguments_t;

/* Append what `text` holds. 0; TC_ETOOBIG beyond `max_count` in all (checked before anything is kept); TC_ENOMEM. On
 * failure `arguments` is as it was. */
int tc__arguments_parse(tc__arguments_t *arguments, tc__arena_t *arena, tc_bytes_t text, size_t max_count);

/* Append a field of a form that is not urlencoded: both are copied, and the value is treated like the others. `name` is
 * UTF-8. 0; TC_ETOOBIG beyond `max_count` in all; TC_ENOMEM. On failure `arguments` is as it was. */
int tc__arguments_add(tc__arguments_t *arguments, tc__arena_t *arena, tc_bytes_t name, tc_bytes_t value,
                      size_t max_count);

/* The last with that name, or NULL. */
const tc__argument_t *tc__arguments_last(const tc__arguments_t *arguments, tc_bytes_t name);

#endif
