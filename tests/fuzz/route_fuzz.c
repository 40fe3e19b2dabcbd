/*
 * route_fuzz.c - lines of patterns, expressions after "~", and last a path.
 *
 * Whatever matches must be right: a pattern with its captures filled in is the path; and an expression gives the same
 * answer when nothing can be read off its front ("\A", which it starts at anyway, hides it).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <tornadoc/log.h>

#include "web/route_pattern_internal.h"
#include "web/router_internal.h"

enum { MAX_LINES = 32, MAX_REGEX = 48 };

static bool gave_up; /* a match went over its limit, and was logged */

static void note_giving_up(const tc_log_record_t *record, void *user_data) {
    (void)record;
    (void)user_data;
    gave_up = true;
}

static void require(bool truth) {
    if (!truth)
        abort();
}

static void check_pattern_match(const tc__match_t *found, tc_bytes_t path) {
    const char *cursor = found->route->pattern;
    const tc_bytes_t *capture = found->captures;
    tc__pattern_segment_t segment;
    while (tc__pattern_next(&cursor, &segment)) {
        tc_bytes_t part = segment.literal ? segment.text : *capture++;
        require(path.len > part.len && path.data[0] == '/' && memcmp(path.data + 1, part.data, part.len) == 0);
        path = tc_bytes(path.data + 1 + part.len, path.len - 1 - part.len);
    }
    require(path.len == 0);
    require(capture == found->captures + found->route->param_count);
}

static void check_reverse(const tc__match_t *found) {
    const char *values[TC__MAX_CAPTURES];
    char url[64];
    for (size_t i = 0; i < found->route->param_count; i++)
        values[i] = "7/x";
    tc__route_reverse(found->route, values, found->route->param_count, url, sizeof(url));
}

static tc__routes_t *new_routes(tc__host_rule_t **rule) {
    tc__routes_t *routes;
    int err;
    require(tc__routes_new(&routes) == 0);
    *rule = tc__routes_host(routes, NULL, &err);
    require(*rule != NULL);
    return routes;
}

static void try_patterns(char *const *lines, size_t count, tc_bytes_t path) {
    tc__host_rule_t *rule;
    tc__routes_t *routes = new_routes(&rule);
    for (size_t i = 0; i < count; i++) {
        if (lines[i][0] != '~')
            (void)tc__host_rule_add(rule, lines[i], NULL);
    }
    tc__match_t found;
    tc__routes_match(routes, tc_str("host"), path, &found);
    if (found.route) {
        check_pattern_match(&found, path);
        check_reverse(&found);
    }
    tc__routes_free(routes, NULL);
}

static bool regex_takes(const char *regex, tc_bytes_t path) {
    tc__host_rule_t *rule;
    tc__routes_t *routes = new_routes(&rule);
    tc__match_t found = { NULL, { { NULL, 0 } } };
    if (tc__host_rule_add_regex(rule, regex, NULL) == 0)
        tc__routes_match(routes, tc_str("host"), path, &found);
    if (found.route)
        check_reverse(&found);
    for (size_t i = 0; found.route && i < found.route->param_count; i++) {
        const tc_bytes_t *part = &found.captures[i];
        if (path.len == 0) /* a path without bytes may be NULL: what it holds stands somewhere else */
            require(part->len == 0);
        else
            require(!part->data || (part->data >= path.data && part->data + part->len <= path.data + path.len));
    }
    tc__routes_free(routes, NULL);
    return found.route != NULL;
}

/* Does it mean the same behind "\A"? A verb that must stand in front does not. */
static bool can_be_hidden(const char *regex) {
    return strlen(regex) <= MAX_REGEX && !strstr(regex, "(*");
}

static void try_regex(const char *regex, tc_bytes_t path) {
    char hidden[MAX_REGEX + 8];
    if (!can_be_hidden(regex))
        return;
    snprintf(hidden, sizeof(hidden), "\\A%s", regex);
    gave_up = false;
    const bool plainly = regex_takes(regex, path), anyhow = regex_takes(hidden, path);
    require(plainly == anyhow || gave_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tc_set_log_callback(note_giving_up, NULL);
    char *text = malloc(size + 1), *lines[MAX_LINES], *next = text;
    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';

    size_t count = 0;
    for (char *end; count < MAX_LINES && (end = strchr(next, '\n')); next = end + 1) {
        *end = '\0';
        lines[count++] = next;
    }
    tc_bytes_t path = tc_bytes(next, (size_t)(text + size - next)); /* may hold NUL */
    try_patterns(lines, count, path);
    for (size_t i = 0; i < count; i++) {
        if (lines[i][0] == '~')
            try_regex(lines[i] + 1, path);
    }
    free(text);
    return 0;
}
