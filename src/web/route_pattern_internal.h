/*
 * route_pattern_internal.h - the language of route patterns: "/users/{id:int}/files/{path:*}".
 *
 * A pattern starts with "/" and is a list of segments, each a literal (compared as bytes, may be empty) or, whole, one
 * parameter: {name}, {name:int} or, last, {name:*}. Names are C identifiers, each once.
 */
#ifndef TC_WEB_ROUTE_PATTERN_INTERNAL_H
#define TC_WEB_ROUTE_PATTERN_INTERNAL_H

#include <tornadoc/util.h>

#include "web/router_internal.h"

enum { TC__MAX_SEGMENTS = 64 };

typedef struct {
    bool literal;
    tc__param_type_t type; /* of a parameter */
    tc_bytes_t text;       /* the literal, or the parameter's name; borrowed from the pattern */
} tc__pattern_segment_t;

/* Check a pattern and make its params. 0; TC_EPATTERN with a detail; TC_ENOMEM. */
int tc__pattern_params(const char *pattern, tc__param_t **params, size_t *count);
void tc__params_free(tc__param_t *params, size_t count); /* NULL is fine */

/* Walk over the segments of a pattern that was checked; *cursor starts at the pattern. false: no more. */
bool tc__pattern_next(const char **cursor, tc__pattern_segment_t *out);

/* Whether a whole segment of a path can be the value of a {x:int}: "-"? digits, and it fits int64_t. */
bool tc__pattern_is_int(tc_bytes_t segment);

/* Text that grows as snprintf's does: counted in full, written as far as there is room. */
typedef struct {
    char *out;
    size_t size, len;
} tc__url_writer_t;

void tc__url_put(tc__url_writer_t *writer, tc_bytes_t text);
void tc__url_put_encoded(tc__url_writer_t *writer, tc_bytes_t value, bool keep_slash);
size_t tc__url_end(tc__url_writer_t *writer); /* puts the NUL; the length */

/* See tc__route_reverse; `count` is right. */
size_t tc__pattern_reverse(const tc__route_t *route, const char *const *values, char *out, size_t size);

#endif
