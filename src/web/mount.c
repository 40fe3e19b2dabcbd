/*
 * mount.c - applications within applications. (Tornado: a Router, or an Application, as the target of a Rule)
 *
 * To the outer application a mounted one is a route that takes the rest of the path: "/shop/{_path_:*}". A request that
 * it takes is matched once more, by the routes of the mounted application and against what is left of its path; from
 * there on it is a request of that application alone, with its bases, its settings and its default handler. Nothing
 * leads back, so what it has no route for is its own 404.
 *
 * An application is mounted once, so that its routes have one URL, and owned by the outer one, which is what a request
 * holds on to.
 */
#include <stdio.h>
#include <string.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "web/request_internal.h"

#define REST "/{_path_:*}"

/* ---- Registering ---- */

static bool is_within(const tc_application_t *app, const tc_application_t *outer) {
    while (app && app != outer)
        app = app->parent;
    return app != NULL;
}

static int check(const tc_application_t *outer, const char *prefix, tc_application_t *app) {
    if (!app)
        return tc__fail(TC_ENOMEM, "the application to be mounted is NULL: out of memory when it was made");
    if (!prefix)
        return tc__misuse(TC_EINVAL, "the prefix of a mounted application is NULL");
    const size_t len = strlen(prefix);
    if (len > 0 && (prefix[0] != '/' || prefix[len - 1] == '/'))
        return tc__misuse(TC_EPATTERN, "%s: a prefix begins with \"/\" and does not end with one", prefix);
    if (atomic_load(&outer->frozen))
        return tc__misuse(TC_EBUSY, "%s: routes cannot change once the application listens", prefix);
    if (atomic_load(&app->frozen))
        return tc__misuse(TC_EBUSY, "%s: an application that listens by itself cannot be mounted", prefix);
    return 0;
}

static int add_route(tc_router_t *router, const char *prefix, tc_application_t *app) {
    tc__endpoint_t *endpoint = tc__calloc(1, sizeof *endpoint);
    const char *group = tc__router_prefix(router);
    const size_t size = strlen(group) + strlen(prefix) + sizeof REST;
    char *pattern = tc__malloc(size);
    int err = endpoint && pattern ? 0 : tc__fail(TC_ENOMEM, "%s: out of memory", prefix);
    if (err == 0) {
        snprintf(pattern, size, "%s%s" REST, group, prefix);
        endpoint->mounted = app;
        err = tc__host_rule_add(tc__router_host(router), pattern, endpoint);
    }
    if (err < 0)
        tc__free(endpoint);
    tc__free(pattern);
    return err;
}

int tc_router_mount(tc_router_t *router, const char *prefix, tc_application_t *app) {
    tc_application_t *outer = tc__router_application(router);
    if (app && (app->parent || is_within(outer, app))) /* whose it is already: it is not to be freed */
        return tc__application_keep_error(outer,
                                          tc__misuse(TC_EALREADY, "%s: the application is %s", prefix ? prefix : "NULL",
                                                     app->parent ? "mounted already" : "the outer one itself"));
    int err = outer ? check(outer, prefix, app)
                    : tc__fail(TC_ENOMEM, "the application or group is NULL: it could not be made");
    if (err == 0)
        err = add_route(router, prefix, app);
    if (err < 0) {
        tc__application_keep_error(outer, err);
        tc_application_free(app);
        return err;
    }
    app->parent = outer;
    app->place = tc__routes_last(outer->routes);
    app->next_mounted = outer->mounted;
    outer->mounted = app;
    return 0;
}

int tc_application_mount(tc_application_t *app, const char *prefix, tc_application_t *mounted) {
    return tc_router_mount(tc__application_router(app), prefix, mounted);
}

void tc__application_free_mounted(tc_application_t *app) {
    while (app->mounted) {
        tc_application_t *mounted = app->mounted;
        app->mounted = mounted->next_mounted;
        mounted->parent = NULL; /* somebody else may hold it */
        tc_application_free(mounted);
    }
}

/* ---- A request's way ---- */

/* Keep what the prefix captured: all but the rest of the path. */
static tc__passage_t *new_passage(tc_request_t *req, const tc__match_t *match) {
    const size_t count = match->route->param_count - 1;
    tc__passage_t *passage = tc__arena_alloc(tc__request_arena(req), sizeof *passage + count * sizeof(tc_bytes_t));
    if (!passage)
        return NULL;
    *passage = (tc__passage_t){ .outer = req->passage, .route = match->route, .param_count = count };
    memcpy(passage->captures, match->captures, count * sizeof(tc_bytes_t));
    return passage;
}

const tc__endpoint_t *tc__request_pass(tc_request_t *req, const tc__endpoint_t *endpoint, tc__match_t *match) {
    while (endpoint->mounted) {
        tc__passage_t *passage = new_passage(req, match);
        if (!passage)
            return NULL;
        const tc_bytes_t rest = match->captures[passage->param_count];
        const tc_bytes_t path = tc_bytes(rest.data - 1, rest.len + 1); /* with the slash before it */
        passage->prefix = tc_bytes(req->in->target.path.data, (size_t)(path.data - req->in->target.path.data));
        req->passage = passage;
        req->app = endpoint->mounted;
        tc__routes_match(req->app->routes, req->in->host_name, path, match);
        if (!match->route)
            return req->app->not_found;
        endpoint = match->route->endpoint;
    }
    return endpoint;
}

/* The prefixes of the patterns on the way, outermost first. */
static char *put_prefixes(const tc__passage_t *passage, char *out) {
    if (!passage)
        return out;
    out = put_prefixes(passage->outer, out);
    const tc_bytes_t pattern = tc_str(passage->route->pattern);
    const size_t len = pattern.len - (sizeof REST - 1);
    memcpy(out, pattern.data, len);
    return out + len;
}

const char *tc__request_whole_route(tc_request_t *req) {
    if (req->passage->route_text)
        return req->passage->route_text;
    const size_t own_size = strlen(req->route->pattern) + 1;
    size_t room = own_size;
    for (const tc__passage_t *passage = req->passage; passage; passage = passage->outer)
        room += strlen(passage->route->pattern);
    char *text = tc__arena_alloc(tc__request_arena(req), room);
    if (!text)
        return req->route->pattern;
    memcpy(put_prefixes(req->passage, text), req->route->pattern, own_size);
    req->passage->route_text = text;
    return text;
}
