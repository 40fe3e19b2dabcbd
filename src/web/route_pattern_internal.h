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

/* Pieces of a URL, put where there is room; they return the place behind. */
char *tc__url_put(char *out, tc_bytes_t text);
char *tc__url_put_encoded(char *out, tc_bytes_t value, bool keep_slash);

/* See tc__route_reverse. */
int tc__pattern_reverse(const tc__route_t *route, const char *const *values, char *out);

#endif
