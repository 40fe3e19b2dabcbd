/*
 * host_rule.c - the routes of one host pattern. (Tornado: routing.HostMatches, with a name in place of an expression)
 *
 * A rule holds its patterns in a tree and its regular expressions in a list, which is asked after the tree.
 */
#include "web/host_rule_internal.h"

#include <string.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

static int bad(const char *host, const char *at, const char *what) {
    return tc__fail(TC_EPATTERN, "host \"%s\", column %zu: %s", host, (size_t)(at - host) + 1, what);
}

static bool is_name_byte(char c) {
    return (tc__lower(c) >= 'a' && tc__lower(c) <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._", c));
}

/* "[::1]": what stands between the brackets is compared, not understood. */
static int check_ipv6(const char *host) {
    const size_t inside = strspn(host + 1, "0123456789abcdefABCDEF:.");
    if (inside == 0 || host[1 + inside] != ']')
        return bad(host, host + 1 + inside, "an IPv6 address stands in \"[\" and \"]\"");
    if (host[2 + inside] != '\0')
        return bad(host, host + 2 + inside, "a host rule has no port: it holds for all of them");
    return 0;
}

static int check_name_byte(const char *host, const char *at) {
    if (*at == '*')
        return bad(host, at, "\"*\" stands alone or as \"*.\" in front of a name");
    if (*at == ':')
        return bad(host, at, "a host rule has no port (and an IPv6 address stands in \"[\" and \"]\")");
    if ((unsigned char)*at >= 0x80)
        return bad(host, at, "names beyond ASCII are written as \"xn--...\"");
    return bad(host, at, "not a character of a host name");
}

static int check_host(const char *host) {
    if (strcmp(host, "*") == 0)
        return 0;
    if (*host == '[')
        return check_ipv6(host);
    const char *name = strncmp(host, "*.", 2) == 0 ? host + 2 : host;
    if (*name == '\0')
        return bad(host, name, "a name is missing; \"*\" is all hosts");
    for (const char *p = name; *p; p++) {
        if (!is_name_byte(*p))
            return check_name_byte(host, p);
    }
    return 0;
}

tc__host_rule_t *tc__host_rule_new(tc__routes_t *routes, const char *host_pattern, int *err) {
    *err = check_host(host_pattern);
    if (*err < 0)
        return NULL;
    tc__host_rule_t *rule = tc__calloc(1, sizeof(*rule));
    char *host = tc__strndup(host_pattern, strlen(host_pattern));
    if (!rule || !host) {
        tc__free(rule);
        tc__free(host);
        *err = TC_ENOMEM;
        return NULL;
    }
    for (char *p = host; *p; p++)
        *p = tc__lower(*p);
    rule->routes = routes;
    rule->host = host;
    rule->suffix = tc_str(host[0] == '*' ? host + 1 : NULL); /* of "*" empty as well */
    rule->regexes_end = &rule->regexes;
    tc__route_tree_init(&rule->tree);
    return rule;
}

void tc__host_rule_free(tc__host_rule_t *rule) {
    if (!rule)
        return;
    tc__route_tree_deinit(&rule->tree);
    tc__free(rule->host);
    tc__free(rule);
}

bool tc__host_rule_is(const tc__host_rule_t *rule, const char *host_pattern) {
    return tc__bytes_equal_nocase(tc_str(rule->host), tc_str(host_pattern));
}

bool tc__host_rule_applies(const tc__host_rule_t *rule, tc_bytes_t host) {
    if (rule->host[0] != '*')
        return tc__bytes_equal_nocase(tc_str(rule->host), host);
    if (rule->suffix.len == 0)
        return true;
    if (host.len <= rule->suffix.len) /* there must be a label before it */
        return false;
    const size_t skipped = host.len - rule->suffix.len;
    return tc__bytes_equal_nocase(rule->suffix, tc_bytes(host.data + skipped, rule->suffix.len));
}

static int take_regex(tc__host_rule_t *rule, tc__route_entry_t *entry) {
    for (const tc__route_entry_t *e = rule->regexes; e; e = e->later) {
        if (strcmp(e->route.pattern, entry->route.pattern) == 0)
            return tc__fail(TC_EALREADY, "\"%s\": this expression is there already", entry->route.pattern);
    }
    *rule->regexes_end = entry;
    rule->regexes_end = &entry->later;
    return 0;
}

int tc__host_rule_take(tc__host_rule_t *rule, tc__route_entry_t *entry) {
    return entry->regex ? take_regex(rule, entry) : tc__route_tree_add(&rule->tree, &entry->route);
}

static const tc__route_t *match_regexes(const tc__route_entry_t *entry, tc_bytes_t path, tc__match_t *out) {
    while (entry && !tc__regex_match(entry->regex, path, out->captures))
        entry = entry->later;
    return entry ? &entry->route : NULL;
}

const tc__route_t *tc__host_rule_match(const tc__host_rule_t *rule, tc_bytes_t path, tc__match_t *out) {
    const tc__route_t *route = tc__route_tree_match(&rule->tree, path, out);
    return route ? route : match_regexes(rule->regexes, path, out);
}
