/*
 * route_fuzz.c - lines of patterns, expressions after "~", and last a path.
 *
 * The tree finds what a search finds that tries each pattern by itself, and the best of those by their segments, from
 * the left: literal, int, segment, tail. A pattern with its captures filled in is the path. An expression gives the
 * same answer when nothing can be read off its front ("\A", which it starts at anyway, hides it). And a URL that is
 * made of a route leads back.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <tornadoc/log.h>

#include "util/bytes_internal.h"
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

static int hex_value(char c) {
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static bool decodes_to(tc_bytes_t code, const char *value) {
    size_t i = 0;
    for (; i < code.len && *value; value++) {
        const bool escaped = code.data[i] == '%';
        const int byte = escaped ? hex_value(code.data[i + 1]) * 16 + hex_value(code.data[i + 2]) : code.data[i];
        if ((char)byte != *value)
            return false;
        i += escaped ? 3 : 1;
    }
    return i == code.len && *value == '\0';
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

/* A URL that is made of values leads back to a route, to that one unless an earlier expression takes it, with them. */
static void check_reverse(const tc__routes_t *routes, const tc__route_t *route, tc_bytes_t path) {
    char text[64], *url;
    const char *values[TC__MAX_CAPTURES];
    const size_t len = path.len < sizeof(text) ? path.len : sizeof(text) - 1;
    memcpy(text, path.len > 0 ? path.data : "", len);
    text[len] = '\0';
    for (size_t i = 0; i < route->param_count; i++) /* ends of the path: they are as good as any */
        values[i] = route->params[i].type == TC__PARAM_INT ? "-7" : text + (i < strlen(text) ? i : strlen(text));
    url = malloc(tc__route_room(route, values));
    require(url != NULL);
    if (tc__route_reverse(route, values, url) > 0) {
        require(url[0] == '/' && url[1] != '/');
        tc__match_t found;
        gave_up = false;
        tc__routes_match(routes, tc_str("host"), tc_str(url), &found);
        require(gave_up || found.route);
        for (size_t i = 0; found.route == route && i < route->param_count; i++)
            require(decodes_to(found.captures[i], values[i]));
    }
    free(url);
}

static tc__routes_t *new_routes(tc__host_rule_t **rule) {
    tc__routes_t *routes;
    int err;
    require(tc__routes_new(&routes) == 0);
    *rule = tc__routes_host(routes, NULL, &err);
    require(*rule != NULL);
    return routes;
}

/* ---- The search that tries each ---- */

/* Does the pattern take the path? Its segments' kinds in `ranks`, a NUL behind them: the smaller text is the better. */
static bool takes(const char *pattern, tc_bytes_t path, char *ranks) {
    tc__pattern_segment_t segment;
    const char *at = path.data, *end = path.data + path.len;
    while (tc__pattern_next(&pattern, &segment)) {
        if (at == end || *at++ != '/')
            return false;
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const bool is_tail = !segment.literal && segment.type == TC__PARAM_TAIL;
        tc_bytes_t part = tc_bytes(at, (size_t)((slash && !is_tail ? slash : end) - at));
        const bool fits = segment.literal                 ? tc__bytes_equal(part, segment.text)
                          : is_tail                       ? true
                          : segment.type == TC__PARAM_INT ? tc__pattern_is_int(part)
                                                          : part.len > 0;
        if (!fits)
            return false;
        *ranks++ = segment.literal ? 'a' : is_tail ? 'd' : segment.type == TC__PARAM_INT ? 'b' : 'c';
        at = part.data + part.len;
    }
    *ranks = '\0';
    return at == end;
}

typedef struct {
    const tc__routes_t *routes;
    tc_bytes_t path;
    const tc__route_t *best;
    char ranks[TC__MAX_SEGMENTS + 1];
} search_t;

static void try_route(const tc__route_t *route, void *user_data) {
    search_t *search = user_data;
    char ranks[TC__MAX_SEGMENTS + 1] = "";
    if (!takes(route->pattern, search->path, ranks) || (search->best && strcmp(ranks, search->ranks) > 0))
        return;
    search->best = route;
    memcpy(search->ranks, ranks, sizeof(ranks));
}

static void check_all_reverse(const tc__route_t *route, void *user_data) {
    const search_t *search = user_data;
    check_reverse(search->routes, route, search->path);
}

static void try_patterns(char *const *lines, size_t count, tc_bytes_t path) {
    tc__host_rule_t *rule;
    tc__routes_t *routes = new_routes(&rule);
    for (size_t i = 0; i < count; i++) {
        if (lines[i][0] != '~')
            (void)tc__host_rule_add(rule, lines[i], NULL);
    }
    tc__match_t found;
    search_t search = { .path = path, .routes = routes };
    tc__routes_match(routes, tc_str("host"), path, &found);
    tc__routes_each(routes, try_route, &search);
    require(found.route == search.best);
    if (found.route)
        check_pattern_match(&found, path);
    tc__routes_each(routes, check_all_reverse, &search);
    tc__routes_free(routes, NULL);
}

static bool regex_takes(const char *regex, tc_bytes_t path) {
    tc__host_rule_t *rule;
    tc__routes_t *routes = new_routes(&rule);
    tc__match_t found = { NULL, { { NULL, 0 } } };
    if (tc__host_rule_add_regex(rule, regex, NULL) == 0)
        tc__routes_match(routes, tc_str("host"), path, &found);
    if (found.route)
        check_reverse(routes, found.route, path);
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
