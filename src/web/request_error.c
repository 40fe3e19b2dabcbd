/*
 * request_error.c - error pages and failures. (Tornado: send_error, write_error, log_exception)
 *
 * Until the headers are out an error replaces all that was written; after that nothing can be put right any more, and
 * the connection is cut, so that what was sent never looks like the whole.
 */
#include "web/request_internal.h"

#include <stdio.h>
#include <string.h>

#include <tornadoc/httputil.h>

#include "util/error_internal.h"
#include "util/log_internal.h"

static bool is_status(int status) {
    return status >= 400 && status <= 599;
}

/* ---- The page ---- */

static int write_default_page(tc_request_t *req, int status) {
    const char *message = req->error_message;
    if (!message)
        return tc_writef(req, "<html><title>%d: %s</title><body>%d: %s</body></html>", status, req->reason, status,
                         req->reason);
    return tc_writef(req, "<html><title>%d: %s</title><body>%d: %s</body></html>", status, req->reason, status,
                     tc_xhtml_escape_alloc(req, message));
}

/* What a 401 must say, RFC 9110 section 15.5.2. */
static void keep_challenges(tc_request_t *req, const tc__headers_t *old) {
    const tc__header_t *field = NULL;
    while ((field = tc__headers_find(old, tc_str("WWW-Authenticate"), field)))
        tc__headers_append(&req->headers, tc__request_arena(req), tc_bytes(field->name, field->name_len),
                           tc_bytes(field->value, field->value_len));
}

static void reset_answer(tc_request_t *req, int status) {
    const tc__header_t *allow = tc__headers_first(&req->headers, TC__HEADER_ALLOW);
    tc__header_t kept = allow ? *allow : (tc__header_t){ 0 };
    tc__request_drop_output(req);
    tc__headers_t old = req->headers;
    tc__headers_init(&req->headers);
    if (req->trailers)
        tc__headers_init(req->trailers);
    req->kept_error = 0;
    req->status = status;
    tc__request_default_headers(req);
    if (req->kept_error != 0) { /* the page goes out without them, rather than not at all */
        tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req, "%s %s: set_default_headers failed: %s", req->in->method,
                req->in->uri, tc_strerror(req->kept_error));
        req->kept_error = 0;
    }
    if (tc__headers_has(&old, TC__HEADER_SET_COOKIE))
        tc__request_keep_cookies(req, &old);
    if (status == 401)
        keep_challenges(req, &old);
    if (allow && status == 405)
        tc__headers_append(&req->headers, tc__request_arena(req), tc_bytes(kept.name, kept.name_len),
                           tc_bytes(kept.value, kept.value_len));
    else if (status == 405 && req->endpoint->allow[0] != '\0' && !tc__headers_has(&req->headers, TC__HEADER_ALLOW))
        tc_set_header(req, "Allow", req->endpoint->allow);
    if (status == 415 && req->body.coding_refused)
        tc_set_header(req, "Accept-Encoding", "gzip");
    req->reason = tc_http_reason(status);
}

/* The handler's own page; false: it has none, or it failed. */
static bool write_own_page(tc_request_t *req, int status) {
    if (!req->endpoint->handler.write_error)
        return false;
    int err = req->endpoint->handler.write_error(req, status);
    if (err == 0)
        err = req->kept_error;
    if (err == 0 || req->finished)
        return true;
    tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req, "%s %s: write_error failed: %s%s", req->in->method, req->in->uri,
            err < 0 ? tc_strerror(err) : "it returned an outcome that is neither 0 nor negative",
            req->headers_sent ? "; headers were sent, so the connection is cut" : "");
    if (!req->headers_sent)
        reset_answer(req, status);
    return false;
}

void tc__request_send_error(tc_request_t *req, int status) {
    if (req->headers_sent || !req->exchange) {
        tc__request_abort(req);
        return;
    }
    req->failing = true;
    if (req->error_status != status)
        req->error_message = NULL; /* it was meant for another page */
    reset_answer(req, status);
    bool written = write_own_page(req, status);
    if (!written && !req->headers_sent)
        written = write_default_page(req, status) == 0;
    req->reason = NULL;
    if (written && !req->finished)
        tc_finish(req);
    if (!req->finished)
        tc__request_abort(req);
}

tc__log_limit_t tc__http_error_limit;

/* It is too late for a page. What comes behind an answer that has begun may be the client's doing, so its rate is
 * limited. */
static void log_cut(const tc_request_t *req, int status) {
    if (req->headers_sent && !req->client_left)
        tc__log_limited(&tc__http_error_limit, TC__LOG_APPLICATION, TC_LOG_ERROR, req,
                        "%s %s (%s): a %d after headers were sent: the connection is cut", req->in->method,
                        req->in->uri, tc_remote_ip(req), status);
}

int tc_send_error(tc_request_t *req, int status) {
    if (!req || !is_status(status))
        return tc__misuse(TC_EINVAL, "tc_send_error: a status from 400 to 599 is wanted, not %d", status);
    TC_TRY(tc__request_check_writable(req, "tc_send_error"));
    if (req->failing)
        return tc__fail(TC_EBUSY, "tc_send_error: an error page is being made already");
    tc__request_enter(req);
    log_cut(req, status);
    tc__request_send_error(req, status);
    tc__request_leave(req);
    return 0;
}

/* ---- Outcomes ---- */

static void log_failure(const tc_request_t *req, int outcome) {
    bool detailed = outcome == req->kept_error && req->kept_detail;
    if (outcome == TC_DETACH)
        tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req,
                "%s %s: the handler returned TC_DETACH, but holds no token and waits for no future; answered by 500",
                req->in->method, req->in->uri);
    else if (outcome > 0)
        tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req,
                "%s %s: the handler returned %d, which is no outcome (0, TC_DETACH, 400 to 599, or negative)",
                req->in->method, req->in->uri, outcome);
    else
        tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req, "%s %s (%s): the handler failed: %s%s%s%s", req->in->method,
                req->in->uri, tc_remote_ip(req), tc_strerror(outcome), detailed ? ": " : "",
                detailed ? req->kept_detail : "",
                req->headers_sent ? "; headers were sent, so the connection is cut" : "");
}

/* Tornado logs an HTTPError that carries a message. Peers can provoke it, so its rate is limited. */
static void log_http_error(const tc_request_t *req, int status) {
    if (req->error_message && req->error_status == status)
        tc__log_limited(&tc__http_error_limit, TC__LOG_GENERAL, TC_LOG_WARNING, req, "%d %s %s (%s): %s", status,
                        req->in->method, req->in->uri, tc_remote_ip(req), req->error_message);
}

void tc__request_refuse(tc_request_t *req, int status, const char *why) {
    if (req->finished)
        return;
    req->error_message = why;
    req->error_status = status;
    log_http_error(req, status);
    tc__request_send_error(req, status);
}

void tc__request_fail(tc_request_t *req, int outcome) {
    if (req->finished)
        return;
    if (outcome == TC_EOVERLOAD)
        outcome = tc_http_error(req, 503, tc_strerror(outcome));
    if (is_status(outcome)) {
        log_http_error(req, outcome);
        log_cut(req, outcome);
        tc__request_send_error(req, outcome);
        return;
    }
    /* Who waited for a client that left has nothing more to say, or let go. */
    bool quiet = req->client_left && (outcome == TC_ECLOSED || outcome == TC_ECANCELED || outcome == TC_DETACH);
    if (quiet) {
        tc__request_abort(req);
        return;
    }
    log_failure(req, outcome);
    req->error_message = req->app->debug && outcome < 0 ? tc_strerror(outcome) : NULL;
    req->error_status = 500;
    tc__request_send_error(req, 500);
}

int tc_http_error(tc_request_t *req, int status, const char *message) {
    if (!req)
        return tc__misuse(TC_EINVAL, "tc_http_error: the request is NULL");
    if (!is_status(status))
        return tc__misuse(TC_EINVAL, "tc_http_error: a status from 400 to 599 is wanted, not %d", status);
    req->error_message = message ? tc_strdup(req, message) : NULL;
    req->error_status = status;
    return status;
}

int tc_http_errorf(tc_request_t *req, int status, const char *fmt, ...) {
    if (!req)
        return tc__misuse(TC_EINVAL, "tc_http_errorf: the request is NULL");
    if (!fmt)
        return tc_http_error(req, status, NULL);
    va_list args;
    va_start(args, fmt);
    const char *message = tc__arena_vsprintf(tc__request_arena(req), fmt, args);
    va_end(args);
    return tc_http_error(req, status, message);
}

const char *tc_error_message(const tc_request_t *req) {
    return req ? req->error_message : NULL;
}
