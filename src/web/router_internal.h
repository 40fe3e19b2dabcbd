/*
 * router_internal.h - from host and path to a route. (Tornado: routing)
 *
 * All patterns of a host rule stand in one radix tree by segments: literal before typed before untyped before tail,
 * with backtracking; then that rule's regular expressions, in order. Host rules are tried in the order they were added,
 * those without a host last. Patterns match the undecoded path; captures are decoded by whoever wants them.
 */
#ifndef TC_WEB_ROUTER_INTERNAL_H
#define TC_WEB_ROUTER_INTERNAL_H

#include <tornadoc/util.h>

enum { TC__MAX_CAPTURES = 16 };

typedef enum {
    TC__PARAM_SEGMENT, /* {x}: one segment, not empty */
    TC__PARAM_INT,     /* {x:int}: an optional "-" and digits that fit int64_t */
    TC__PARAM_TAIL,    /* {x:*}: the rest, may be empty and hold "/"; last */
    TC__PARAM_GROUP    /* a group of a regular expression; data NULL: it took no part */
} tc__param_type_t;

typedef struct {
    char *name; /* of an unnamed regex group its number, from "1" */
    tc__param_type_t type;
} tc__param_t;

typedef struct tc__route {
    char *pattern;       /* as it was registered, prefix included; of a regex the regex */
    tc__param_t *params; /* in order */
    size_t param_count;
    void *endpoint; /* the web layer's; the router does not look at it */
} tc__route_t;

typedef struct {
    const tc__route_t *route;              /* NULL: none matched */
    tc_bytes_t captures[TC__MAX_CAPTURES]; /* parallel to route->params, undecoded, borrowed from the path */
} tc__match_t;

typedef struct tc__routes tc__routes_t; /* all host rules; read-only once it is in use */
typedef struct tc__host_rule tc__host_rule_t;

int tc__routes_new(tc__routes_t **out);
void tc__routes_free(tc__routes_t *routes, tc_free_fn free_endpoint); /* NULL is fine */

/* The rule for a host pattern, made if it is new: "example.com", "*.example.com" (one or more labels), NULL or "*":
 * all. Compared without case; holds for every port. NULL and tc__fail's detail: TC_EPATTERN (a port is one) or
 * TC_ENOMEM in *err. */
tc__host_rule_t *tc__routes_host(tc__routes_t *routes, const char *host_pattern, int *err);

/* 0; TC_EPATTERN with a detail that says what is wrong where ("/a/{b", column 4: "}" is missing); TC_EALREADY for a
 * pattern of the same shape; TC_ENOMEM. On failure the endpoint stays the caller's. */
int tc__host_rule_add(tc__host_rule_t *rule, const char *pattern, void *endpoint);
/* A PCRE2 expression, anchored at both ends, compiled with JIT where it works; groups all named or all unnamed. The
 * same codes; TC_EALREADY for the same text. */
int tc__host_rule_add_regex(tc__host_rule_t *rule, const char *regex, void *endpoint);

/* Once all routes are there: 0; TC_EALREADY, in words and logged, for one that no request can reach; TC_ENOMEM. */
int tc__routes_check(const tc__routes_t *routes);

/* `host` lower or upper case, without port, may be empty. Any thread, once the routes are frozen; each thread at work
 * has regex match data of its own, bounded (match limit: a pattern that explodes is no match, and logged once). Takes
 * no memory where JIT works, once a thread has its match data; and waits for another thread's if there is none for its
 * own. */
void tc__routes_match(const tc__routes_t *routes, tc_bytes_t host, tc_bytes_t path, tc__match_t *out);

/* The URL of a route: values in order of its params, none of them NULL, percent-encoded (a tail keeps "/", and so does
 * a group that takes it). Who asks for that URL gets to the route, with these values. `out` has tc__route_room for it.
 * The length; TC_EINVAL, in words: a regex that is not literal outside its groups, a value that its param does not
 * take, or that no client would send as it is. */
int tc__route_reverse(const tc__route_t *route, const char *const *values, char *out);
size_t tc__route_room(const tc__route_t *route, const char *const *values); /* with a NUL */

/* The route that was registered last; NULL: none was. */
const tc__route_t *tc__routes_last(const tc__routes_t *routes);

/* Walk over all routes, in order of registration. */
void tc__routes_each(const tc__routes_t *routes, void (*fn)(const tc__route_t *route, void *user_data),
                     void *user_data);

#endif
