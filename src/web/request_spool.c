/*
 * request_spool.c - bodies that go to files, and what all spool files of requests have in common.
 *
 *   in memory --[more than 64 KiB, or announced to be]--> in a file, written whenever there is enough, then the last
 *
 * A request waits for its writes as for any future, by tc_then: so it lives as long as they do, and its socket is not
 * read meanwhile. What a write needs is counted among the bodies in memory.
 */
#include "web/request_internal.h"

#include "util/error_internal.h"
#include "util/log_internal.h"

enum { MAX_IN_MEMORY = 64 << 10 };

/* ---- Spool files of requests ---- */

static void free_spool(void *file) {
    tc__spool_file_free(file);
}

tc__spool_file_t *tc__request_new_spool(tc_request_t *req) {
    tc__spool_file_t *file = tc__spool_file_new(req->in->loop, req->app->spool_dir);
    return file && tc_on_cleanup(req, free_spool, file) == 0 ? file : NULL;
}

int tc__request_spool(tc_request_t *req, tc__spool_file_t *file, tc_bytes_t bytes) {
    TC_TRY(tc__body_charge_files(req, bytes.len));
    return tc__spool_file_append(file, bytes);
}

/* The path is the program's own, the failure the system's: the client gets a status, the log the rest. */
int tc__request_spool_failed(tc_request_t *req, const tc_future_t *future) {
    static tc__log_limit_t limit;
    int err = tc_future_status(future);
    int status = tc__spool_file_no_room(err) ? 507 : err == -EMFILE || err == -ENFILE ? 503 : 0;
    if (status == 0)
        return err; /* tc_then hands its words on */
    tc__log_limited(&limit, TC__LOG_APPLICATION, TC_LOG_ERROR, req, "%s %s (%s): %d: %s", req->in->method, req->in->uri,
                    tc_remote_ip(req), status, tc_future_message(future));
    return tc_http_error(req, status, NULL);
}

tc_future_t *tc__request_keep(tc_request_t *req, tc__spool_file_t **spool, tc_bytes_t bytes, const char *path,
                              unsigned flags) {
    if (flags & ~(unsigned)TC_KEEP_SYNC)
        return tc__future_failed(req->in->loop, TC_EINVAL, "flags that are not known to this library");
    if (!*spool) { /* a copy is made, for the write may outlive the request */
        if (tc__body_charge(req, bytes.len) != 0)
            return tc__future_failed(req->in->loop, TC_ENOMEM, "too many bodies are in memory");
        tc__spool_file_t *file = tc__request_new_spool(req);
        if (!file || tc__spool_file_append(file, bytes) < 0)
            return NULL;
        *spool = file;
    }
    return tc__spool_file_keep(*spool, path, flags & TC_KEEP_SYNC);
}

/* ---- Bodies ---- */

static tc__spool_file_t *spool_of(const tc_request_t *req) {
    return req->body.state;
}

static int on_flushed(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    return tc_future_status(future) < 0 ? tc__request_spool_failed(req, future) : 0;
}

static int on_complete(tc_request_t *req, tc_future_t *future, void *arg) {
    tc__body_discharge(req, TC__SPOOL_CHARGE);
    return on_flushed(req, future, arg);
}

/* What is in memory goes first. */
static int begin_file(tc_request_t *req) {
    TC_TRY(tc__body_charge(req, TC__SPOOL_CHARGE));
    tc__spool_file_t *file = tc__request_new_spool(req);
    if (!file)
        return TC_ENOMEM;
    TC_TRY(tc__request_spool(req, file, tc_body(req)));
    tc__body_drop(req, &req->body.whole);
    req->body.whole = (tc__body_store_t){ 0 };
    req->body.state = file;
    return 0;
}

static int take(tc_request_t *req, tc_bytes_t *rest) {
    tc_bytes_t bytes = *rest;
    uint64_t announced = tc__body_announced(req);
    *rest = tc_bytes(NULL, 0);
    if (!spool_of(req)) {
        bool large = announced != TC__LENGTH_UNKNOWN && announced > MAX_IN_MEMORY;
        if (!large && bytes.len <= MAX_IN_MEMORY - req->body.whole.len)
            return tc__body_store(req, &req->body.whole, bytes, announced);
        TC_TRY(begin_file(req));
    }
    TC_TRY(tc__request_spool(req, spool_of(req), bytes));
    if (!tc__spool_file_full(spool_of(req)))
        return 0;
    return tc_then(req, tc__spool_file_flush(spool_of(req), TC__SPOOL_MORE), on_flushed, NULL);
}

static int end(tc_request_t *req) {
    if (!spool_of(req))
        return 0;
    return tc_then(req, tc__spool_file_flush(spool_of(req), TC__SPOOL_LAST), on_complete, NULL);
}

const tc__body_mode_t tc__body_spool = { .take = take, .end = end };

/* Is the body one that tc_body and its like speak of? */
static bool is_stored(const tc_request_t *req) {
    const tc__body_mode_t *mode = req->body.mode;
    return mode == &tc__body_spool || mode == &tc__body_buffer;
}

uint64_t tc_body_size(const tc_request_t *req) {
    if (!req || !is_stored(req))
        return 0;
    return spool_of(req) ? tc__spool_file_size(spool_of(req)) : req->body.whole.len;
}

int tc_body_file(const tc_request_t *req) {
    bool spooled = req && req->body.mode == &tc__body_spool && spool_of(req) && req->input_complete;
    return spooled ? tc__spool_file_fd(spool_of(req)) : -1;
}

tc_future_t *tc_keep_body(tc_request_t *req, const char *path, unsigned flags) {
    if (!req || !path) {
        tc__fail(req ? TC_ENOMEM : TC_EINVAL, "tc_keep_body: the %s is NULL", req ? "path" : "request");
        return NULL;
    }
    if (!is_stored(req) || !req->input_complete)
        return tc__future_failed(req->in->loop, TC_EINVAL,
                                 "tc_keep_body: the body is not whole, or neither buffered nor spooled");
    tc__spool_file_t *file = spool_of(req);
    tc_future_t *future = tc__request_keep(req, &file, tc_body(req), path, flags);
    req->body.state = file;
    return future;
}
