/*
 * own_headers.c - fields that the application's options put on all answers, error pages too: X-Request-Id,
 * Strict-Transport-Security, and those of CORS (the Fetch standard, section 3.2), with the answers to preflights.
 *
 * Only endpoints that are marked come here: those of an application with one of the options, or with .cors.
 */
#include <tornadoc/auth.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/file_calls_internal.h"
#include "web/request_internal.h"

/* ---- Request ids ---- */

static bool is_id(const char *text) {
    enum { MAX_ID = 128 };
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:=+/@";
    size_t len = strspn(text, letters);
    return len > 0 && len <= MAX_ID && text[len] == '\0';
}

static const char *given_id(const tc_request_t *req) {
    const tc__headers_t *headers = &req->in->headers;
    const tc__header_t *field = tc__headers_find(headers, tc_str("X-Request-Id"), NULL);
    bool one = field && !tc__headers_find(headers, tc_str("X-Request-Id"), field);
    return one && is_id(field->value) ? field->value : NULL;
}

static const char *make_id(tc_request_t *req) {
    unsigned char random[16];
    char *text = tc_alloc(req, 2 * sizeof random + 1);
    if (!text || tc__file_sys.random(random, sizeof random) < 0)
        return "";
    for (size_t i = 0; i < sizeof random; i++)
        sprintf(text + 2 * i, "%02x", random[i]);
    return text;
}

const char *tc_request_id(tc_request_t *req) {
    if (!req)
        return "";
    if (!req->id && req->app->security.trust_request_ids)
        req->id = given_id(req);
    if (!req->id)
        req->id = make_id(req);
    return req->id;
}

/* ---- Other origins ---- */

static const char *origin_of(const tc_request_t *req) {
    const tc__header_t *origin = tc__headers_first(&req->in->headers, TC__HEADER_ORIGIN);
    return origin && !tc__headers_repeated(&req->in->headers, TC__HEADER_ORIGIN) ? origin->value : NULL;
}

static bool all_origins(const tc_cors_options_t *cors) {
    return strcmp(cors->origins[0], "*") == 0;
}

bool tc__request_origin_is_listed(const tc_request_t *req) {
    const tc_cors_options_t *cors = req->endpoint->handler.cors;
    const char *origin = origin_of(req);
    if (!cors || !origin || all_origins(cors))
        return false;
    for (size_t i = 0; cors->origins[i]; i++)
        if (tc__bytes_equal_nocase(tc_str(cors->origins[i]), tc_str(origin)))
            return true;
    return false;
}

static bool origin_is_allowed(const tc_request_t *req) {
    return (origin_of(req) && all_origins(req->endpoint->handler.cors)) || tc__request_origin_is_listed(req);
}

/* What all answers say, whoever asks: caches must not mix up those for several origins. */
static void allow_origin(tc_request_t *req) {
    const tc_cors_options_t *cors = req->endpoint->handler.cors;
    if (!all_origins(cors))
        tc_add_header(req, "Vary", "Origin");
    if (!origin_is_allowed(req))
        return;
    tc_set_header(req, "Access-Control-Allow-Origin", all_origins(cors) ? "*" : origin_of(req));
    if (cors->credentials)
        tc_set_header(req, "Access-Control-Allow-Credentials", "true");
    if (cors->expose_headers && !tc__request_is_preflight(req))
        tc_set_header(req, "Access-Control-Expose-Headers", cors->expose_headers);
}

bool tc__request_is_preflight(const tc_request_t *req) {
    return req->in->method_id == TC__METHOD_OPTIONS && tc__headers_has(&req->in->headers, TC__HEADER_ORIGIN) &&
           tc__headers_find(&req->in->headers, tc_str("Access-Control-Request-Method"), NULL);
}

int tc__request_answer_preflight(tc_request_t *req) {
    enum { DEFAULT_AGE_S = 600 };
    const tc_cors_options_t *cors = req->endpoint->handler.cors;
    char age[24];
    if (!origin_is_allowed(req))
        return tc_http_errorf(req, 403, "the origin %s is not allowed", origin_of(req) ? origin_of(req) : "(several)");
    snprintf(age, sizeof age, "%" PRIu64, cors->max_age_ms ? cors->max_age_ms / 1000 : DEFAULT_AGE_S);
    tc_set_header(req, "Access-Control-Allow-Methods", cors->methods ? cors->methods : req->endpoint->allow);
    if (cors->headers)
        tc_set_header(req, "Access-Control-Allow-Headers", cors->headers);
    tc_set_header(req, "Access-Control-Max-Age", age);
    tc_set_status(req, 204);
    return tc_finish(req);
}

/* ---- All of them ---- */

void tc__request_own_headers(tc_request_t *req) {
    const tc__security_t *security = &req->app->security;
    if (security->request_ids && *tc_request_id(req))
        tc_set_header(req, "X-Request-Id", tc_request_id(req));
    if (security->transport_security && req->in->is_tls)
        tc_set_header(req, "Strict-Transport-Security", security->transport_security);
    if (req->endpoint->handler.cors)
        allow_origin(req);
}
