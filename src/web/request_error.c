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

const char *tc__request_failure_text(const tc_request_t *req, int err, char out[TC__FAILURE_SIZE]) {
    bool kept = err == req->kept_error && req->kept_detail;
    const char *meaning = tc_strerror(err), *words = kept ? req->kept_detail : tc__failure_words(err);
    bool known = strcmp(meaning, "unknown error") != 0;
    size_t len = (size_t)snprintf(out, TC__FAILURE_SIZE, known ? "%s" : "%s %d", meaning, err);
    if (*words != '\0' && strcmp(words, meaning) != 0)
        snprintf(out + len, TC__FAILURE_SIZE - len, ": %s", words);
    return out;
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

void tc__request_forget_error(tc_request_t *req) {
    req->kept_error = 0;
    req->kept_detail = NULL;
}

static void reset_answer(tc_request_t *req, int status) {
    const tc__header_t *allow = tc__headers_first(&req->headers, TC__HEADER_ALLOW);
    tc__header_t kept = allow ? *allow : (tc__header_t){ 0 };
    tc__request_drop_output(req);
    tc__headers_t old = req->headers;
    tc__headers_init(&req->headers);
    if (req->trailers)
        tc__headers_init(req->trailers);
    tc__request_forget_error(req);
    req->status = status;
    tc__request_default_headers(req);
    if (req->kept_error != 0) { /* the page goes out without them, rather than not at all */
        char text[TC__FAILURE_SIZE];
        tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req, "%s %s: set_default_headers failed: %s", req->in->method,
                req->in->uri, tc__request_failure_text(req, req->kept_error, text));
        tc__request_forget_error(req);
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
    char text[TC__FAILURE_SIZE];
    tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req, "%s %s: write_error failed: %s%s", req->in->method, req->in->uri,
            err < 0 ? tc__request_failure_text(req, err, text)
                    : "it returned an outcome that is neither 0 nor negative",
            req->headers_sent ? "; headers were sent, so the connection is cut" : "");
    if (!req->headers_sent)
        reset_answer(req, status);
    return false;
}

/* false: there is no memory for it. */
static bool write_debug_page(tc_request_t *req, int status) {
    if (tc__request_debug_page(req, status) == 0)
        return true;
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
    if (!written && !req->headers_sent && req->app->debug)
        written = write_debug_page(req, status);
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

/* An outcome that is no page and no success. */
static const char *bad_outcome_text(const tc_request_t *req, int outcome, char out[TC__FAILURE_SIZE]) {
    char text[TC__FAILURE_SIZE];
    if (outcome == TC_DETACH)
        return "the handler returned TC_DETACH, but holds no token and waits for no future";
    if (outcome > 0)
        snprintf(out, TC__FAILURE_SIZE,
                 "the handler returned %d, which is no outcome (0, TC_DETACH, 400 to 599, or negative)", outcome);
    else
        snprintf(out, TC__FAILURE_SIZE, "the handler failed: %.600s", tc__request_failure_text(req, outcome, text));
    return out;
}

/* Tornado logs an HTTPError that carries a message. Peers can provoke it, so its rate is limited. */
static void log_http_error(const tc_request_t *req, int status, const char *why) {
    if (why && req->error_status == status)
        tc__log_limited(&tc__http_error_limit, TC__LOG_GENERAL, TC_LOG_WARNING, req, "%d %s %s (%s): %s", status,
                        req->in->method, req->in->uri, tc_remote_ip(req), why);
}

void tc__request_refuse(tc_request_t *req, int status, const char *why) {
    if (req->finished)
        return;
    req->error_message = why;
    req->error_status = status;
    log_http_error(req, status, why);
    tc__request_send_error(req, status);
}

/* The log knows more of it than the client. */
static int refuse_for_overload(tc_request_t *req) {
    char text[TC__FAILURE_SIZE];
    int status = tc_http_error(req, 503, tc_strerror(TC_EOVERLOAD));
    log_http_error(req, status, tc__request_failure_text(req, TC_EOVERLOAD, text));
    return status;
}

void tc__request_fail(tc_request_t *req, int outcome) {
    if (req->finished)
        return;
    if (outcome == TC_EOVERLOAD)
        outcome = refuse_for_overload(req);
    else if (is_status(outcome))
        log_http_error(req, outcome, req->error_message);
    if (is_status(outcome)) {
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
    char text[TC__FAILURE_SIZE];
    const char *why = bad_outcome_text(req, outcome, text);
    tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req, "%s %s (%s): %s%s", req->in->method, req->in->uri,
            tc_remote_ip(req), why, req->headers_sent ? "; headers were sent, so the connection is cut" : "");
    req->error_message = req->app->debug ? tc_strdup(req, why) : NULL;
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
