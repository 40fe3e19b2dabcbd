/*
 * xsrf.c - tokens against requests that others forge. (Tornado: xsrf_token, xsrf_form_html, check_xsrf_cookie)
 *
 *     2|a1b2c3d4|a1b2c3d4...|1300000000        version, mask, 16 random bytes under the mask, when it was made
 *
 * The cookie holds the token, and a page of ours can say it; a page of others can send the cookie, but not read it.
 * Each answer shows the token under another mask, so that nobody can guess it from how well answers compress (BREACH,
 * CVE-2014-9720). No field exempts a request.
 *
 * A token in a field or the query is checked before the body is read, and so is whether there is a cookie at all, and
 * what the browser says of the page; a token in a form when that is there, before prepare.
 */
#include "web/request_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/file_calls_internal.h"
#include "web/origin_internal.h"

enum {
    TOKEN_LEN = 16,
    MASK_LEN = 4,
    HEAD_LEN = 2 + 2 * MASK_LEN + 1 + 2 * TOKEN_LEN + 1, /* up to the time */
    LOGGED_IN_DAYS = 30
};

typedef struct tc__xsrf {
    unsigned char token[TOKEN_LEN];
    const char *masked; /* what this answer shows; NULL: not asked for */
    bool known;         /* `token` is the cookie's, or will be */
    bool checked;       /* the request has shown it */
} tc__xsrf_t;

/* ---- The text ---- */

static bool parse_hex(unsigned char *out, size_t len, const char *text) {
    for (size_t i = 0; i < len; i++) {
        int high = tc__hex_digit(text[2 * i]), low = high < 0 ? -1 : tc__hex_digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static void mask_bytes(unsigned char *bytes, const unsigned char *mask) {
    for (size_t i = 0; i < TOKEN_LEN; i++)
        bytes[i] ^= mask[i % MASK_LEN];
}

static bool parse_token(unsigned char token[TOKEN_LEN], const char *text) {
    unsigned char mask[MASK_LEN];
    uint64_t time;
    const char *masked = text + 2 + 2 * MASK_LEN + 1;
    if (strnlen(text, HEAD_LEN) < HEAD_LEN || memcmp(text, "2|", 2) != 0 || masked[-1] != '|' ||
        text[HEAD_LEN - 1] != '|')
        return false;
    if (!parse_hex(mask, MASK_LEN, text + 2) || !parse_hex(token, TOKEN_LEN, masked) ||
        tc__parse_uint64(tc_str(text + HEAD_LEN), &time) < 0)
        return false;
    mask_bytes(token, mask);
    return true;
}

static char *put_hex(char *at, const unsigned char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        at += sprintf(at, "%02x", bytes[i]);
    return at;
}

/* Under a new mask; NULL: no memory, or no random bytes. */
static const char *show_token(tc_request_t *req, const unsigned char token[TOKEN_LEN]) {
    unsigned char mask[MASK_LEN], masked[TOKEN_LEN];
    char *out = tc_alloc(req, HEAD_LEN + 24), *at = out;
    if (!out || tc__file_sys.random(mask, sizeof mask) < 0)
        return NULL;
    memcpy(masked, token, TOKEN_LEN);
    mask_bytes(masked, mask);
    *at++ = '2';
    *at++ = '|';
    at = put_hex(at, mask, MASK_LEN);
    *at++ = '|';
    at = put_hex(at, masked, TOKEN_LEN);
    sprintf(at, "|%" PRId64, tc__request_now(req));
    return out;
}

/* ---- The cookie ---- */

/* The request's, with the token of its cookie, if there is one. */
static tc__xsrf_t *state_of(tc_request_t *req) {
    if (!req->xsrf) {
        const char *cookie = tc_get_cookie(req, req->app->security.xsrf_name, "");
        tc__xsrf_t *xsrf = tc__arena_calloc(tc__request_arena(req), sizeof *xsrf);
        if (!xsrf)
            return NULL;
        xsrf->known = parse_token(xsrf->token, cookie);
        req->xsrf = xsrf;
    }
    return req->xsrf;
}

static int set_token_cookie(tc_request_t *req, const char *text) {
    tc_cookie_options_t options = req->app->security.xsrf_cookie;
    if (options.max_age_ms == 0 && !options.session && tc_current_user(req))
        options.max_age_ms = (uint64_t)LOGGED_IN_DAYS * 86400 * 1000;
    return tc_set_cookie(req, req->app->security.xsrf_name, text, &options);
}

static int make_token(tc_request_t *req, tc__xsrf_t *xsrf) {
    TC_TRY(tc__file_sys.random(xsrf->token, TOKEN_LEN));
    const char *text = show_token(req, xsrf->token);
    if (!text)
        return TC_ENOMEM;
    TC_TRY(set_token_cookie(req, text));
    xsrf->known = true;
    return 0;
}

static int find_masked(tc_request_t *req, const char **out) {
    tc__xsrf_t *xsrf = state_of(req);
    if (!xsrf)
        return TC_ENOMEM;
    if (!xsrf->known)
        TC_TRY(make_token(req, xsrf));
    if (!xsrf->masked && !(xsrf->masked = show_token(req, xsrf->token)))
        return TC_ENOMEM;
    *out = xsrf->masked;
    return 0;
}

const char *tc_xsrf_token(tc_request_t *req) {
    const char *masked = "";
    if (req)
        tc__request_keep_error(req, find_masked(req, &masked));
    return masked;
}

const char *tc_xsrf_form_html(tc_request_t *req) {
    const char *token = tc_xsrf_token(req);
    char *html = *token ? tc_sprintf(req, "<input type=\"hidden\" name=\"_xsrf\" value=\"%s\"/>", token) : NULL;
    if (*token && !html)
        tc__request_keep_error(req, TC_ENOMEM);
    return html ? html : "";
}

/* ---- The check ---- */

static bool is_safe(const tc_request_t *req) {
    tc__method_t method = req->in->method_id;
    return method == TC__METHOD_GET || method == TC__METHOD_HEAD || method == TC__METHOD_OPTIONS;
}

/* The token that is there without the body, or NULL. */
static const char *early_token(const tc_request_t *req) {
    const char *token = tc_header(req, "X-XSRFToken");
    if (!token)
        token = tc_header(req, "X-CSRFToken");
    return token ? token : tc_get_query_argument(req, "_xsrf", NULL);
}

static int check_token(tc_request_t *req, tc__xsrf_t *xsrf, const char *text) {
    unsigned char token[TOKEN_LEN];
    if (!parse_token(token, text))
        return tc_http_error(req, 403, "the argument _xsrf, or X-XSRFToken, is no token");
    if (!tc__bytes_equal_secret(tc_bytes(token, TOKEN_LEN), tc_bytes(xsrf->token, TOKEN_LEN)))
        return tc_http_error(req, 403, "the XSRF cookie does not match the argument");
    xsrf->checked = true;
    return 0;
}

/* What can be told before there is a body; *xsrf is NULL on failure. */
static int check_head(tc_request_t *req, tc__xsrf_t **xsrf) {
    *xsrf = state_of(req);
    if (!*xsrf)
        return TC_ENOMEM;
    if (req->kept_error != 0)
        return req->kept_error;
    if (tc__is_cross_site(req->in) && !tc__request_origin_is_listed(req))
        return tc_http_errorf(req, 403, "the request comes from a page of another site (%s)",
                              tc_header(req, "Origin") ? tc_header(req, "Origin") : "no Origin");
    return (*xsrf)->known ? 0 : tc_http_error(req, 403, "the XSRF cookie is missing, or holds no token");
}

static int missing(tc_request_t *req, const char *where) {
    return req->kept_error != 0 ? req->kept_error
                                : tc_http_errorf(req, 403, "no XSRF token: the argument _xsrf is missing%s", where);
}

/* Will the token of a form be there before a handler sees anything of it? */
static bool body_may_tell(const tc_request_t *req) {
    const tc_request_handler_t *handler = &req->endpoint->handler;
    if (handler->body == TC_BODY_FORM)
        return !handler->part_begin && !handler->part_received && !handler->part_end;
    return handler->body == TC_BODY_BUFFER || handler->body == TC_BODY_SPOOL;
}

int tc__xsrf_admit(tc_request_t *req) {
    tc__xsrf_t *xsrf;
    if (is_safe(req))
        return 0;
    TC_TRY(check_head(req, &xsrf));
    const char *token = early_token(req);
    if (token)
        return check_token(req, xsrf, token);
    if (body_may_tell(req) && req->in->content_length != 0)
        return 0;
    return missing(req, " from X-XSRFToken and the query");
}

int tc__xsrf_prepare(tc_request_t *req) {
    if (is_safe(req) || req->xsrf->checked)
        return 0;
    const char *token = tc_get_body_argument(req, "_xsrf", NULL);
    return token ? check_token(req, req->xsrf, token) : missing(req, "");
}

int tc_check_xsrf_cookie(tc_request_t *req) {
    tc__xsrf_t *xsrf;
    if (!req)
        return tc__misuse(TC_EINVAL, "tc_check_xsrf_cookie: the request is NULL");
    TC_TRY(check_head(req, &xsrf));
    if (xsrf->checked)
        return 0;
    const char *token = early_token(req);
    if (!token)
        token = tc_get_body_argument(req, "_xsrf", NULL);
    return token ? check_token(req, xsrf, token) : missing(req, "");
}
