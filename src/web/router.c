/*
 * router.c - from host and path to a route. (Tornado: routing)
 *
 * The host rules stand in a list, in the order they were added, the rule for all hosts apart from it and behind it. A
 * request asks each rule that applies to its host until one has a route for its path:
 *
 *   rule --> table of patterns without parameters --> tree of patterns with parameters --> regular expressions, in
 * order
 *
 * All of it is written while the program registers its routes and only read afterwards, by any number of threads. The
 * routes themselves belong to a list in order of registration; the rules borrow them.
 */
#include "web/router_internal.h"

#include <assert.h>
#include <string.h>

#include <tornadoc/escape.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/list_internal.h"
#include "web/host_rule_internal.h"
#include "web/route_pattern_internal.h"

struct tc__routes {
    tc__host_rule_t *rules; /* of certain hosts */
    tc__host_rule_t *rest;  /* of all hosts; NULL: there is none */
    tc__route_entry_t *entries, **entries_end;
    tc__regex_scope_t *regexes; /* NULL before the first regular expression */
};

/* ---- Entries --------------------------------------------------------------------------------------------------- */

static void free_entry(tc__route_entry_t *entry) {
    if (!entry)
        return;
    tc__regex_free(entry->regex);
    tc__params_free(entry->route.params, entry->route.param_count);
    tc__free(entry->route.pattern);
    tc__free(entry);
}

static tc__route_entry_t *new_entry(const char *text, void *endpoint) {
    tc__route_entry_t *entry = tc__calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->route.endpoint = endpoint;
    entry->route.pattern = tc__strndup(text, strlen(text));
    if (!entry->route.pattern) {
        tc__free(entry);
        return NULL;
    }
    return entry;
}

/* Give the entry to its rule and list, or free it. */
static int register_entry(tc__host_rule_t *rule, tc__route_entry_t *entry) {
    int err = tc__host_rule_take(rule, entry);
    if (err < 0) {
        free_entry(entry);
        return err;
    }
    entry->rule = rule;
    *rule->routes->entries_end = entry;
    rule->routes->entries_end = &entry->next;
    return 0;
}

/* ---- Building -------------------------------------------------------------------------------------------------- */

int tc__routes_new(tc__routes_t **out) {
    tc__routes_t *routes = tc__calloc(1, sizeof(*routes));
    if (!routes)
        return TC_ENOMEM;
    routes->entries_end = &routes->entries;
    *out = routes;
    return 0;
}

static void free_rules(tc__host_rule_t *rule) {
    while (rule) {
        tc__host_rule_t *next = rule->next;
        tc__host_rule_free(rule);
        rule = next;
    }
}

void tc__routes_free(tc__routes_t *routes, tc_free_fn free_endpoint) {
    if (!routes)
        return;
    free_rules(routes->rules);
    free_rules(routes->rest);
    for (tc__route_entry_t *entry = routes->entries, *next; entry; entry = next) {
        next = entry->next;
        if (free_endpoint && entry->route.endpoint)
            free_endpoint(entry->route.endpoint);
        free_entry(entry);
    }
    tc__regex_scope_free(routes->regexes);
    tc__free(routes);
}

tc__host_rule_t *tc__routes_host(tc__routes_t *routes, const char *host_pattern, int *err) {
    const char *host = host_pattern ? host_pattern : "*";
    const bool all = strcmp(host, "*") == 0;
    tc__host_rule_t **place = all ? &routes->rest : &routes->rules;
    while (*place && !tc__host_rule_is(*place, host))
        place = &(*place)->next;
    if (!*place)
        *place = tc__host_rule_new(routes, host, err);
    return *place;
}

int tc__host_rule_add(tc__host_rule_t *rule, const char *pattern, void *endpoint) {
    assert(rule);
    tc__param_t *params;
    size_t count;
    TC_TRY(tc__pattern_params(pattern, &params, &count));
    tc__route_entry_t *entry = new_entry(pattern, endpoint);
    if (!entry) {
        tc__params_free(params, count);
        return TC_ENOMEM;
    }
    entry->route.params = params;
    entry->route.param_count = count;
    return register_entry(rule, entry);
}

int tc__host_rule_add_regex(tc__host_rule_t *rule, const char *regex, void *endpoint) {
    assert(rule);
    if (!regex)
        return tc__fail(TC_EPATTERN, "a route needs a regular expression, and got NULL");
    if (!rule->routes->regexes)
        TC_TRY(tc__regex_scope_new(&rule->routes->regexes));
    tc__route_entry_t *entry = new_entry(regex, endpoint);
    if (!entry)
        return TC_ENOMEM;
    int err = tc__regex_new(&entry->regex, rule->routes->regexes, regex, &entry->route.params,
                            &entry->route.param_count);
    if (err < 0) {
        free_entry(entry);
        return err;
    }
    return register_entry(rule, entry);
}

int tc__routes_check(const tc__routes_t *routes) {
    return tc__route_entries_check(routes->entries, routes->rules, routes->rest);
}

/* ---- Use ------------------------------------------------------------------------------------------------------- */

static const tc__route_t *match_rules(const tc__host_rule_t *rule, tc_bytes_t host, tc_bytes_t path, tc__match_t *out) {
    for (; rule; rule = rule->next) {
        const tc__route_t *route = tc__host_rule_applies(rule, host) ? tc__host_rule_match(rule, path, out) : NULL;
        if (route)
            return route;
    }
    return NULL;
}

void tc__routes_match(const tc__routes_t *routes, tc_bytes_t host, tc_bytes_t path, tc__match_t *out) {
    const tc__route_t *route = routes->rules ? match_rules(routes->rules, host, path, out) : NULL;
    if (!route && routes->rest)
        route = tc__host_rule_match(routes->rest, path, out);
    out->route = route;
}

size_t tc__route_room(const tc__route_t *route, const char *const *values) {
    size_t room = strlen(route->pattern) + 1;
    for (size_t i = 0; i < route->param_count; i++)
        room += 3 * strlen(values[i]);
    return room;
}

/* Browsers take dot segments out of a path, encoded or not (RFC 3986 section 5.2.4), and what begins with "//" is a
 * host. */
static int check_url(const tc__route_t *route, const char *url) {
    if (url[0] != '/')
        return tc__fail(TC_EINVAL, "\"%s\": %s does not begin with \"/\"", route->pattern, url);
    if (url[1] == '/')
        return tc__fail(TC_EINVAL, "\"%s\": %s would lead to another host", route->pattern, url);
    for (const char *slash = url; slash; slash = strchr(slash + 1, '/')) {
        const size_t dots = strspn(slash + 1, ".");
        if ((dots == 1 || dots == 2) && (slash[1 + dots] == '/' || slash[1 + dots] == '\0'))
            return tc__fail(TC_EINVAL, "\"%s\": browsers would take \".\" and \"..\" out of %s", route->pattern, url);
    }
    return 0;
}

int tc__route_reverse(const tc__route_t *route, const char *const *values, char *out) {
    for (size_t i = 0; i < route->param_count; i++) {
        if (!tc_utf8_valid(tc_str(values[i])))
            return tc__fail(TC_EINVAL, "\"%s\": the value of \"%s\" is not UTF-8 text", route->pattern,
                            route->params[i].name);
    }
    const tc__route_entry_t *entry = tc__container_of(route, const tc__route_entry_t, route);
    int len = entry->regex ? tc__regex_reverse(entry->regex, values, route->param_count, out)
                           : tc__pattern_reverse(route, values, out);
    int err = len < 0 ? len : check_url(route, out);
    return err < 0 ? err : len;
}

const tc__route_t *tc__routes_last(const tc__routes_t *routes) {
    if (!routes->entries)
        return NULL;
    return &tc__container_of(routes->entries_end, tc__route_entry_t, next)->route;
}

void tc__routes_each(const tc__routes_t *routes, void (*fn)(const tc__route_t *route, void *user_data),
                     void *user_data) {
    for (const tc__route_entry_t *entry = routes->entries; entry; entry = entry->next)
        fn(&entry->route, user_data);
}
