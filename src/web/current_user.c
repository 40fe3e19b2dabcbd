/*
 * current_user.c - who asks, and the way to the login. (Tornado: current_user, get_current_user, authenticated)
 *
 * Where TC_LOGIN_REQUIRED sends people, it says where they wanted to go; and where they come back from the login, that
 * is believed only as far as it is a path of this host. "//host", "/\host" and what browsers make of tabs are none.
 */
#include "web/request_internal.h"

#include <string.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"

void *tc_current_user(tc_request_t *req) {
    if (!req)
        return NULL;
    if (!req->user_known) {
        void *(*find)(tc_request_t *) = req->endpoint->handler.get_current_user;
        void *user = find ? find(req) : NULL;
        if (!req->user_known) /* it may have set it by itself */
            tc_set_current_user(req, user);
    }
    return req->user;
}

void tc_set_current_user(tc_request_t *req, void *user) {
    if (!req)
        return;
    req->user = user;
    req->user_known = true;
}

/* ---- To the login ---- */

/* What was asked for, as a path that begins with one slash. */
static const char *own_path(tc_request_t *req) {
    const char *path = tc_path(req), *query = tc_query(req);
    while (path[0] == '/' && (path[1] == '/' || path[1] == '\\'))
        path++;
    if (path[0] == '\\')
        path++;
    return tc_sprintf(req, "%s%s%s%s", path[0] == '/' ? "" : "/", path, *query ? "?" : "", query);
}

/* Of a login on another host the way back is a whole URL. */
static const char *way_back(tc_request_t *req, const char *login_url) {
    const char *path = own_path(req);
    if (!path || !strstr(login_url, "://"))
        return path;
    return tc_sprintf(req, "%s://%s%s", tc_protocol(req), tc_host(req), path);
}

static int go_to_login(tc_request_t *req, const char *login_url) {
    if (strchr(login_url, '?')) /* it has arguments of its own */
        return tc_redirect(req, login_url, 302);
    const char *next = way_back(req, login_url);
    const char *url = next ? tc_sprintf(req, "%s?next=%s", login_url, tc_url_escape_alloc(req, next)) : NULL;
    return url ? tc_redirect(req, url, 302) : TC_ENOMEM;
}

int tc__require_login(tc_request_t *req) {
    const char *login_url = req->app->security.login_url;
    bool may_go = req->in->method_id == TC__METHOD_GET || req->in->method_id == TC__METHOD_HEAD;
    if (tc_current_user(req))
        return 0;
    if (req->kept_error != 0)
        return req->kept_error;
    return may_go && login_url ? go_to_login(req, login_url) : tc_http_error(req, 403, "nobody is logged in");
}

/* ---- And back ---- */

static bool is_own_path(const char *url) {
    if (url[0] != '/' || url[1] == '/')
        return false;
    for (; *url; url++)
        if ((unsigned char)*url <= 0x20 || *url == 0x7f || *url == '\\')
            return false;
    return true;
}

const char *tc_get_next_url(const tc_request_t *req, const char *fallback) {
    const char *next = tc_get_argument(req, "next", NULL);
    return next && is_own_path(next) ? next : fallback;
}
