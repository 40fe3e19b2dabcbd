/* routes_fixture.h - what the router's tests share: routes from a list, and a match as text. */
#ifndef TEST_ROUTES_FIXTURE_H
#define TEST_ROUTES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "web/router_internal.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline tc__routes_t *new_routes(void) {
    tc__routes_t *routes = NULL;
    assert_int_equal(tc__routes_new(&routes), 0);
    return routes;
}

static inline tc__host_rule_t *host_rule(tc__routes_t *routes, const char *host) {
    int err = 0;
    tc__host_rule_t *rule = tc__routes_host(routes, host, &err);
    assert_non_null(rule);
    assert_int_equal(err, 0);
    return rule;
}

/* A pattern, or after "~" a regular expression. */
static inline int add(tc__host_rule_t *rule, const char *text) {
    return *text == '~' ? tc__host_rule_add_regex(rule, text + 1, NULL) : tc__host_rule_add(rule, text, NULL);
}

static inline void must_add(tc__host_rule_t *rule, const char *text) {
    int err = add(rule, text);
    if (err != 0)
        fail_msg("%s: %d: %s", text, err, tc_error_detail());
}

/* For all hosts; the list is separated by spaces. */
static inline tc__routes_t *routes_of(const char *list) {
    tc__routes_t *routes = new_routes();
    tc__host_rule_t *rule = host_rule(routes, NULL);
    char text[4096];
    snprintf(text, sizeof(text), "%s", list);
    for (char *rest = NULL, *one = strtok_r(text, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
        must_add(rule, one);
    return routes;
}

/* "/users/{id} id=7", "-" for none; a group that took no part is "NULL". Valid until the next call. */
static inline const char *match(const tc__routes_t *routes, const char *host, const char *path) {
    static char text[16384];
    tc__match_t found;
    tc__routes_match(routes, tc_str(host), tc_str(path), &found);
    if (!found.route)
        return "-";
    int len = snprintf(text, sizeof(text), "%s", found.route->pattern);
    for (size_t i = 0; i < found.route->param_count; i++) {
        tc_bytes_t value = found.captures[i].data ? found.captures[i] : tc_str("NULL");
        len += snprintf(text + len, sizeof(text) - (size_t)len, " %s=" TC_FMT, found.route->params[i].name,
                        TC_ARG(value));
    }
    return text;
}

static inline void keep_route(const tc__route_t *route, void *user_data) {
    *(const tc__route_t **)user_data = route;
}

/* The route that was registered last. */
static inline const tc__route_t *last_route(const tc__routes_t *routes) {
    const tc__route_t *route = NULL;
    tc__routes_each(routes, keep_route, &route);
    return route;
}

#endif
