/* route_regex_internal.h - routes that are regular expressions. */
#ifndef TC_WEB_ROUTE_REGEX_INTERNAL_H
#define TC_WEB_ROUTE_REGEX_INTERNAL_H

#include <tornadoc/util.h>

#include "web/router_internal.h"

typedef struct tc__regex tc__regex_t;
typedef struct tc__regex_scope tc__regex_scope_t; /* what expressions share: allocator, match data; outlives them */

int tc__regex_scope_new(tc__regex_scope_t **out); /* 0; TC_ENOMEM */
void tc__regex_scope_free(tc__regex_scope_t *scope);

/* Compile, and name the groups. 0; TC_EPATTERN with a detail; TC_ENOMEM. */
int tc__regex_new(tc__regex_t **out, tc__regex_scope_t *scope, const char *text, tc__param_t **params, size_t *count);
void tc__regex_free(tc__regex_t *regex);

/* Any thread. On false the captures may hold anything. */
bool tc__regex_match(tc__regex_t *regex, tc_bytes_t path, tc_bytes_t *captures);

/* A pattern that takes all paths of the expression, as far as is known of them: "/a/b" or "/a/{_:*}"; to be freed;
 * NULL: nothing is known. 0; TC_ENOMEM */
int tc__regex_paths(const tc__regex_t *regex, char **out);

/* See tc__route_reverse. */
int tc__regex_reverse(tc__regex_t *regex, const char *const *values, size_t count, char *out);

#endif
