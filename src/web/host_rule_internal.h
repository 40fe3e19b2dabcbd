/* host_rule_internal.h - the routes of one host pattern. */
#ifndef TC_WEB_HOST_RULE_INTERNAL_H
#define TC_WEB_HOST_RULE_INTERNAL_H

#include <tornadoc/util.h>

#include "web/route_regex_internal.h"
#include "web/route_tree_internal.h"
#include "web/router_internal.h"

/* A route with what the router alone needs to know of it. */
typedef struct tc__route_entry {
    tc__route_t route;             /* first: a tc__route_t of ours is one of these */
    tc__regex_t *regex;            /* NULL: a pattern */
    struct tc__host_rule *rule;    /* whose it is */
    struct tc__route_entry *next;  /* in order of registration, over all rules */
    struct tc__route_entry *later; /* the next regex of the rule */
} tc__route_entry_t;

struct tc__host_rule {
    tc__routes_t *routes;  /* whose it is */
    tc__host_rule_t *next; /* in order of being added */
    char *host;            /* as it was given, but lower case */
    tc_bytes_t suffix;     /* of "*.example.com" ".example.com"; else empty */
    tc__route_tree_t tree;
    tc__route_entry_t *regexes, **regexes_end;
};

/* NULL, with the reason in *err. `host_pattern` is not NULL; "*" is all. */
tc__host_rule_t *tc__host_rule_new(tc__routes_t *routes, const char *host_pattern, int *err);
void tc__host_rule_free(tc__host_rule_t *rule); /* the entries are the router's */

bool tc__host_rule_is(const tc__host_rule_t *rule, const char *host_pattern); /* is it this pattern's? */
bool tc__host_rule_applies(const tc__host_rule_t *rule, tc_bytes_t host);     /* to a request for this host? */

/* 0; TC_EALREADY, TC_ENOMEM: then the entry is still the caller's. */
int tc__host_rule_take(tc__host_rule_t *rule, tc__route_entry_t *entry);

/* route_shadow.c: 0; TC_EALREADY, in words, for an entry that nothing can reach; TC_ENOMEM. `rest`: the rule of all
 * hosts, which is not among the others. */
int tc__route_entries_check(const tc__route_entry_t *entries, const tc__host_rule_t *rules,
                            const tc__host_rule_t *rest);

/* The route and in `out` its captures; NULL: there is none. */
const tc__route_t *tc__host_rule_match(const tc__host_rule_t *rule, tc_bytes_t path, tc__match_t *out);

#endif
