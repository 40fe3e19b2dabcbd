/*
 * redirect_handler.c - routes that lead elsewhere. (Tornado: RedirectHandler)
 *
 * The url is a template of pieces: literal text, and captures of the route's pattern. Captures go in undecoded, as they
 * came, and only behind the authority, which is checked when the route is registered: so no request chooses the host.
 * What begins with one slash still does when the captures are in it, for a second one, or a backslash, would be a host
 * (CVE-2023-28370).
 */
#include <stdio.h>
#include <string.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "web/request_internal.h"

typedef struct {
    int status;
    bool is_local; /* a path of this host */
    char url[];
} redirect_t;

/* ---- The request ---- */

/* The value of "name}…", NULL if there is none; *name moves behind it. */
static const tc_bytes_t *capture(const tc_request_t *req, const char **name) {
    size_t len = strcspn(*name, "}");
    const tc_bytes_t *found = NULL;
    for (size_t i = 0; i < req->route->param_count; i++)
        if (tc__bytes_equal(tc_str(req->route->params[i].name), tc_bytes(*name, len)))
            found = &req->captures[i];
    *name += len + 1;
    return found;
}

static size_t room_for(const tc_request_t *req, const redirect_t *redirect) {
    size_t room = strlen(redirect->url) + req->in->target.query.len + 2, count = 0;
    for (const char *c = redirect->url; *c; c++)
        count += *c == '{';
    return room + count * req->in->target.path.len;
}

static char *put(char *out, tc_bytes_t text) {
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    return out + text.len;
}

static char *fill_in(const tc_request_t *req, const redirect_t *redirect, char *out) {
    for (const char *at = redirect->url; *at;) {
        size_t len = strcspn(at, "{");
        out = put(out, tc_bytes(at, len));
        at += len;
        if (*at++ == '\0')
            break;
        const tc_bytes_t *value = capture(req, &at);
        if (value)
            out = put(out, *value);
    }
    return out;
}

/* The request's query goes along. */
static char *put_query(const tc_request_t *req, const redirect_t *redirect, char *out) {
    tc_bytes_t query = req->in->target.query;
    if (query.len == 0)
        return out;
    *out++ = strchr(redirect->url, '?') ? '&' : '?';
    return put(out, query);
}

static int answer(tc_request_t *req) {
    const redirect_t *redirect = tc_arg(req);
    char *url = tc_alloc(req, room_for(req, redirect));
    if (!url)
        return TC_ENOMEM;
    *put_query(req, redirect, fill_in(req, redirect, url)) = '\0';
    while (redirect->is_local && (url[1] == '/' || url[1] == '\\'))
        *++url = '/';
    return tc_redirect(req, url, redirect->status);
}

/* ---- Registering ---- */

/* Behind scheme and host; NULL: it is neither a path nor has both. */
static const char *path_of(const char *url) {
    const char *authority = strstr(url, "://");
    if (url[0] == '/' && url[1] != '/' && url[1] != '\\')
        return url;
    if (!authority || authority == url || strcspn(url, "/?#{") < (size_t)(authority - url))
        return NULL;
    return authority + 3 + strcspn(authority + 3, "/?#{");
}

/* Is there "{name}" or "{name:…}" in the pattern? */
static bool has_param(const char *pattern, const char *name, size_t len) {
    for (const char *at = strchr(pattern, '{'); at; at = strchr(at + 1, '{'))
        if (strncmp(at + 1, name, len) == 0 && (at[1 + len] == '}' || at[1 + len] == ':'))
            return true;
    return false;
}

static int check_url(const char *pattern, const char *url) {
    const char *path = path_of(url), *brace = strchr(url, '{');
    if (!path)
        return tc__misuse(TC_EINVAL, "%s: a redirect leads to \"/a/path\" or to \"scheme://host/path\", not to %s",
                          pattern, url);
    if (brace && (*path == '{' || *path == '\0'))
        return tc__misuse(TC_EINVAL, "%s: what a request says cannot be part of the host: %s", pattern, url);
    for (; brace; brace = strchr(brace + 1, '{')) {
        size_t len = strcspn(brace + 1, "}");
        if (brace[1 + len] == '\0' || !has_param(pattern, brace + 1, len))
            return tc__misuse(TC_EPATTERN, "%s: %s has a parameter that the pattern has not", pattern, url);
    }
    return 0;
}

static int check(const char *pattern, const char *url, int status) {
    if (!pattern || !url)
        return tc__misuse(TC_EINVAL, "a redirect's %s is NULL", pattern ? "url" : "pattern");
    if (status != 0 && status != 301 && status != 302 && status != 303 && status != 307 && status != 308)
        return tc__misuse(TC_EINVAL, "%s: the status of a redirect is 301, 302, 303, 307 or 308, not %d", pattern,
                          status);
    return check_url(pattern, url);
}

static redirect_t *new_redirect(const char *url, int status) {
    size_t len = strlen(url);
    redirect_t *redirect = tc__malloc(sizeof *redirect + len + 1);
    if (!redirect)
        return NULL;
    redirect->status = status ? status : 301;
    redirect->is_local = url[0] == '/';
    memcpy(redirect->url, url, len + 1);
    return redirect;
}

/* Nothing is changed here, so no XSRF token is asked for: that is for the route where it leads. */
int tc_router_add_redirect(tc_router_t *router, const char *pattern, const char *url, int status) {
    const bool keeps_method = status == 307 || status == 308;
    const tc_request_handler_t handler = { .get = keeps_method ? NULL : answer,
                                           .any = keeps_method ? answer : NULL,
                                           .flags = TC_NO_XSRF };
    tc_application_t *app = tc__router_application(router);
    if (!app)
        return tc__fail(TC_ENOMEM, "the application or group is NULL: it could not be made");
    int err = check(pattern, url, status);
    if (err < 0)
        return tc__application_keep_error(app, err);
    redirect_t *redirect = new_redirect(url, status);
    if (!redirect)
        return tc__application_keep_error(app, tc__fail(TC_ENOMEM, "%s: out of memory", pattern));
    TC_TRY(tc_application_own(app, redirect, tc__free));
    return tc_router_add(router, pattern, &handler, redirect);
}

int tc_application_add_redirect(tc_application_t *app, const char *pattern, const char *url, int status) {
    return tc_router_add_redirect(tc__application_router(app), pattern, url, status);
}
