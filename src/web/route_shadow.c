/*
 * route_shadow.c - routes that no request can reach, for another one goes before and takes all their paths. (Tornado
 * serves such a table without a word)
 *
 * Within the tree nothing can hide a pattern but one of the same shape, which is refused when it is added. What is left
 * is what stands in order: expressions behind the tree, and behind an expression that takes everything; and host rules,
 * of which one may hold for all hosts of a later one. Of an expression the text is known that its paths begin with.
 */
#include <string.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "web/host_rule_internal.h"

/* Does the first rule hold for each host that the second one holds for? */
static bool holds_for(const tc__host_rule_t *first, const tc__host_rule_t *second) {
    if (first == second)
        return true;
    if (second->host[0] != '*')
        return tc__host_rule_applies(first, tc_str(second->host));
    const tc_bytes_t end = first->suffix, all = second->suffix; /* of "*.a.example", behind "*.example" */
    return end.len > 0 && all.len > end.len && tc__bytes_equal(tc_bytes(all.data + all.len - end.len, end.len), end);
}

static bool takes_everything(const char *regex) {
    static const char *const texts[] = { ".*", "(.*)", "/.*", "/(.*)" };
    regex += regex[0] == '^';
    size_t len = strlen(regex);
    len -= len > 0 && regex[len - 1] == '$';
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (tc__bytes_equal(tc_bytes(regex, len), tc_str(texts[i])))
            return true;
    return false;
}

/* An expression of the rule that takes everything and goes before the entry. */
static const tc__route_t *greedy_before(const tc__host_rule_t *rule, const tc__route_entry_t *entry) {
    if (rule == entry->rule && !entry->regex) /* the tree goes first */
        return NULL;
    for (const tc__route_entry_t *e = rule->regexes; e && e != entry; e = e->later)
        if (takes_everything(e->route.pattern))
            return &e->route;
    return NULL;
}

/* `paths`: a pattern of all that the entry takes, or of more. */
static const tc__route_t *route_before(const tc__host_rule_t *rules, const tc__route_entry_t *entry,
                                       const char *paths) {
    const tc__route_t *found = NULL;
    for (const tc__host_rule_t *rule = rules; rule && !found; rule = rule->next) {
        if (holds_for(rule, entry->rule)) {
            if (paths && (rule != entry->rule || entry->regex))
                found = tc__route_tree_covers(&rule->tree, paths);
            if (!found)
                found = greedy_before(rule, entry);
        }
        if (rule == entry->rule)
            break;
    }
    return found;
}

static int check_entry(const tc__host_rule_t *rules, const tc__route_entry_t *entry) {
    char *paths = NULL;
    if (entry->regex)
        TC_TRY(tc__regex_paths(entry->regex, &paths));
    const tc__route_t *before = route_before(rules, entry, entry->regex ? paths : entry->route.pattern);
    tc__free(paths);
    if (!before)
        return 0;
    return tc__misuse(TC_EALREADY, "\"%s\" can never be reached: \"%s\" goes before it, and takes all its paths",
                      entry->route.pattern, before->pattern);
}

int tc__route_entries_check(const tc__route_entry_t *entries, const tc__host_rule_t *rules,
                            const tc__host_rule_t *rest) {
    for (; entries; entries = entries->next)
        TC_TRY(check_entry(entries->rule == rest ? rest : rules, entries));
    return 0;
}
