/*
 * reverse_url.c - from the name of a route to its URL. (Tornado: reverse_url, ReversibleRouter)
 *
 * Names stand in a table of the application, each once. A URL is written by the route that has the name, behind those
 * by which the application is mounted in others; the values that the caller gives are for all of them together, by
 * name, and each must find its place. What is written leads back: to that route, with those values.
 */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include <tornadoc/web.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "web/request_internal.h"

enum { MAX_PAIRS = 64 };

/* ---- Names ---- */

int tc__application_name_route(tc_application_t *app, const char *name, const tc__route_t *route) {
    if (!name)
        return 0;
    return tc__route_table_add(&app->names, tc_str(name), (void *)route) == 0
               ? 0
               : tc__fail(TC_ENOMEM, "%s: out of memory", route->pattern);
}

static const tc__route_t *route_named(const tc_application_t *app, const char *name) {
    return tc__route_table_get(&app->names, tc_str(name), tc__route_hash(tc_str(name)));
}

int tc__application_check_name(const tc_application_t *app, const char *name, const char *pattern) {
    const tc__route_t *holder = name ? route_named(app, name) : NULL;
    if (!holder)
        return 0;
    return tc__misuse(TC_EALREADY, "%s: the name \"%s\" is that of %s already", pattern, name, holder->pattern);
}

/* ---- What the caller gives ---- */

typedef struct {
    const char *names[MAX_PAIRS], *values[MAX_PAIRS];
    bool used[MAX_PAIRS];
    size_t count;
} pairs_t;

static int read_pairs(pairs_t *pairs, const char *name, va_list args) {
    const char *param;
    pairs->count = 0;
    while ((param = va_arg(args, const char *))) {
        if (pairs->count == MAX_PAIRS)
            return tc__misuse(TC_EINVAL, "the URL of \"%s\": more than %d values; is NULL behind the last?", name,
                              MAX_PAIRS);
        const char *value = va_arg(args, const char *);
        if (!value)
            return tc__misuse(TC_EINVAL, "the URL of \"%s\": the value of \"%s\" is NULL", name, param);
        pairs->names[pairs->count] = param;
        pairs->values[pairs->count] = value;
        pairs->used[pairs->count++] = false;
    }
    return 0;
}

static const char *take_value(pairs_t *pairs, const char *param) {
    const char *value = NULL;
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->names[i], param) == 0) {
            value = pairs->values[i];
            pairs->used[i] = true;
        }
    return value;
}

static int check_all_used(const pairs_t *pairs, const char *name, const tc__route_t *route) {
    for (size_t i = 0; i < pairs->count; i++)
        if (!pairs->used[i])
            return tc__misuse(TC_EINVAL, "the URL of \"%s\": %s has no \"%s\"", name, route->pattern, pairs->names[i]);
    return 0;
}

/* ---- Writing ---- */

static int take_values(const tc__route_t *route, pairs_t *pairs, const char *name, const char **values) {
    const tc__endpoint_t *endpoint = route->endpoint;
    size_t count = route->param_count;
    if (endpoint->mounted) /* what follows writes itself */
        values[--count] = "";
    for (size_t i = 0; i < count; i++) {
        values[i] = take_value(pairs, route->params[i].name);
        if (!values[i])
            return tc__misuse(TC_EINVAL, "the URL of \"%s\": %s wants a value for \"%s\"", name, route->pattern,
                              route->params[i].name);
    }
    return 0;
}

/* How long it may become, with every value as long as the longest. */
static size_t room_for(const tc_application_t *app, const tc__route_t *route, const pairs_t *pairs) {
    size_t room = 1, longest = 0;
    for (size_t i = 0; i < pairs->count; i++)
        if (strlen(pairs->values[i]) > longest)
            longest = strlen(pairs->values[i]);
    for (; route; route = app->place, app = app->parent)
        room += strlen(route->pattern) + route->param_count * 3 * longest;
    return room;
}

static int write_url(const tc_application_t *app, const tc__route_t *route, pairs_t *pairs, const char *name,
                     char *out) {
    const char *values[TC__MAX_CAPTURES];
    int len = 0;
    if (app->parent) { /* "/prefix/", with the slash that begins what follows */
        len = write_url(app->parent, app->place, pairs, name, out) - 1;
        if (len < 0)
            return len + 1;
    }
    TC_TRY(take_values(route, pairs, name, values));
    int own_len = tc__route_reverse(route, values, out + len);
    return own_len < 0 ? own_len : len + own_len;
}

/* In the application, or in those around it. */
static const tc__route_t *look_for(const tc_application_t **app, const char *name) {
    const tc__route_t *route = route_named(*app, name);
    while (!route && (*app)->parent) {
        *app = (*app)->parent;
        route = route_named(*app, name);
    }
    return route;
}

/* In memory of the heap. */
static int reverse(const tc_application_t *app, char **out, const char *name, va_list args) {
    pairs_t pairs;
    assert(name);
    const tc__route_t *route = look_for(&app, name);
    if (!route)
        return tc__misuse(TC_ENOENT, "no route is named \"%s\"", name);
    int err = read_pairs(&pairs, name, args);
    if (err < 0)
        return err;
    char *url = tc__malloc(room_for(app, route, &pairs));
    if (!url)
        return tc__fail(TC_ENOMEM, "the URL of \"%s\": out of memory", name);
    int len = write_url(app, route, &pairs, name, url);
    err = len < 0 ? len : check_all_used(&pairs, name, route);
    if (err < 0) {
        tc__free(url);
        return err;
    }
    *out = url;
    return len;
}

/* ---- The public face ---- */

int tc_application_reverse_url(const tc_application_t *app, char *out, size_t size, const char *name, ...) {
    char *url;
    if (!app || !name || (!out && size > 0))
        return tc__misuse(TC_EINVAL, "tc_application_reverse_url: %s is NULL",
                          !app    ? "the application"
                          : !name ? "the name"
                                  : "the place for the URL");
    va_list args;
    va_start(args, name);
    int len = reverse(app, &url, name, args);
    va_end(args);
    if (size > 0)
        out[0] = '\0';
    if (len < 0)
        return len;
    if ((size_t)len < size)
        memcpy(out, url, (size_t)len + 1);
    tc__free(url);
    return len;
}

const char *tc_reverse_url(tc_request_t *req, const char *name, ...) {
    char *url;
    if (!req || !name) {
        tc__misuse(TC_EINVAL, "tc_reverse_url: the %s is NULL", req ? "name" : "request");
        return NULL;
    }
    va_list args;
    va_start(args, name);
    int len = reverse(req->app, &url, name, args);
    va_end(args);
    if (len < 0)
        return NULL;
    const char *copy = tc__arena_strndup(tc__request_arena(req), url, (size_t)len);
    tc__free(url);
    if (!copy)
        tc__fail(TC_ENOMEM, "the URL of \"%s\": out of memory", name);
    return copy;
}
