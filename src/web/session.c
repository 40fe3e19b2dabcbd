/*
 * session.c - some texts by name, in one signed cookie.
 *
 * In the cookie they are a query, "user=zoe&theme=dark", signed as a whole. It is read when first asked for, and set
 * anew with each change; of several changes in one answer the last cookie counts.
 */
#include <tornadoc/auth.h>

#include <string.h>

#include <tornadoc/escape.h>
#include <tornadoc/httputil.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "web/request_internal.h"

typedef struct item {
    struct item *next;
    const char *name, *value;
} item_t;

typedef struct tc__session {
    item_t *items;
} tc__session_t;

/* ---- Reading ---- */

/* `name` and `value` live as long as the request. */
static int add_item(tc_request_t *req, item_t **items, const char *name, const char *value) {
    item_t *item = tc_alloc(req, sizeof *item);
    if (!item)
        return TC_ENOMEM;
    *item = (item_t){ *items, name, value };
    *items = item;
    return 0;
}

static int copy_item(tc_request_t *req, item_t **items, const char *name, const char *value) {
    const char *name_copy = tc_strdup(req, name), *value_copy = tc_strdup(req, value);
    return name_copy && value_copy ? add_item(req, items, name_copy, value_copy) : TC_ENOMEM;
}

typedef struct {
    tc_request_t *req;
    item_t *items;
} reading_t;

static int keep_pair(tc_bytes_t name, tc_bytes_t value, void *user_data) {
    reading_t *reading = user_data;
    return copy_item(reading->req, &reading->items, name.data, value.data);
}

static const char *cookie_of(const tc_request_t *req) {
    const tc__security_t *security = &req->app->security;
    return tc_get_signed_cookie(req, security->session_name, security->session_cookie.max_age_ms);
}

static int check_secret(const tc_request_t *req) {
    return req->app->security.key ? 0 : tc__misuse(TC_EINVAL, "sessions need the application's cookie_secret");
}

static int begin_with(tc_request_t *req, item_t *items) {
    req->session = tc_alloc(req, sizeof *req->session);
    if (!req->session)
        return TC_ENOMEM;
    req->session->items = items;
    return 0;
}

/* All of it or nothing: what is set next would take the place of what could not be read. */
static int load(tc_request_t *req) {
    reading_t reading = { req, NULL };
    if (req->session)
        return 0;
    TC_TRY(check_secret(req));
    const char *text = cookie_of(req);
    if (req->kept_error != 0)
        return req->kept_error;
    if (text)
        TC_TRY(tc_query_parse(tc_str(text), keep_pair, &reading));
    return begin_with(req, reading.items);
}

const char *tc_session_get(tc_request_t *req, const char *name) {
    if (!req || !name || tc__request_keep_error(req, load(req)) != 0)
        return NULL;
    for (const item_t *item = req->session->items; item; item = item->next)
        if (strcmp(item->name, name) == 0)
            return item->value;
    return NULL;
}

/* ---- Writing ---- */

static size_t put_escaped(char *out, size_t size, const char *text) {
    return tc_url_escape(out, size, tc_str(text));
}

/* All items as a query; NULL: out of memory. */
static char *write_query(tc_request_t *req, const item_t *items) {
    size_t size = 1;
    for (const item_t *item = items; item; item = item->next)
        size += put_escaped(NULL, 0, item->name) + put_escaped(NULL, 0, item->value) + 2;
    char *text = tc_alloc(req, size), *at = text;
    if (!text)
        return NULL;
    *at = '\0';
    for (const item_t *item = items; item; item = item->next) {
        at += put_escaped(at, (size_t)(text + size - at), item->name);
        *at++ = '=';
        at += put_escaped(at, (size_t)(text + size - at), item->value);
        if (item->next)
            *at++ = '&';
    }
    *at = '\0';
    return text;
}

static int store(tc_request_t *req, item_t *items) {
    const tc__security_t *security = &req->app->security;
    char *text = write_query(req, items);
    if (!text)
        return TC_ENOMEM;
    TC_TRY(tc_set_signed_cookie(req, security->session_name, text, &security->session_cookie));
    req->session->items = items;
    return 0;
}

/* The items without that name, in a list of its own. */
static int others(tc_request_t *req, const char *name, item_t **out) {
    *out = NULL;
    for (const item_t *item = req->session->items; item; item = item->next)
        if (strcmp(item->name, name) != 0)
            TC_TRY(add_item(req, out, item->name, item->value));
    return 0;
}

static int change(tc_request_t *req, const char *name, const char *value) {
    item_t *items;
    TC_TRY(tc__request_check_open(req, "tc_session_set"));
    TC_TRY(load(req));
    TC_TRY(others(req, name, &items));
    if (value)
        TC_TRY(copy_item(req, &items, name, value));
    return store(req, items);
}

int tc_session_set(tc_request_t *req, const char *name, const char *value) {
    if (!req || !name)
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_session_set: the request or the name is NULL"));
    int err = change(req, name, value);
    return err == TC_EBUSY ? err : tc__request_keep_error(req, err);
}

static int forget(tc_request_t *req) {
    const tc__security_t *security = &req->app->security;
    TC_TRY(check_secret(req));
    TC_TRY(begin_with(req, NULL));
    return tc_clear_cookie(req, security->session_name, &security->session_cookie);
}

int tc_session_clear(tc_request_t *req) {
    TC_TRY(tc__request_check_open(req, "tc_session_clear"));
    return tc__request_keep_error(req, forget(req));
}
