/* route_tree_internal.h - all patterns of one host rule, and the best of them for a path. */
#ifndef TC_WEB_ROUTE_TREE_INTERNAL_H
#define TC_WEB_ROUTE_TREE_INTERNAL_H

#include <tornadoc/util.h>

#include "web/route_table_internal.h"
#include "web/router_internal.h"

typedef struct tc__route_node tc__route_node_t;

typedef struct {
    tc__route_table_t fixed; /* patterns without parameters, by their whole text */
    tc__route_node_t *root;  /* patterns with parameters, segment by segment; NULL: there are none */
} tc__route_tree_t;

void tc__route_tree_init(tc__route_tree_t *tree);
void tc__route_tree_deinit(tc__route_tree_t *tree); /* the routes are the caller's */

/* Borrows the route, whose pattern was checked. 0; TC_EALREADY: one of the same shape is there; TC_ENOMEM. */
int tc__route_tree_add(tc__route_tree_t *tree, tc__route_t *route);

/* A route that takes every path that the pattern takes; NULL: there is none. */
const tc__route_t *tc__route_tree_covers(const tc__route_tree_t *tree, const char *pattern);

/* The best route and in `out` its captures; NULL: there is none, and the captures may hold anything. */
tc__route_t *tc__route_tree_match(const tc__route_tree_t *tree, tc_bytes_t path, tc__match_t *out);

#endif
