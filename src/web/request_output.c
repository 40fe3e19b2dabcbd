/*
 * request_output.c - what handlers write. (Tornado: write, flush, finish, set_status, set_header, redirect)
 *
 * Output is a list of segments: text that was copied goes into blocks of the loop's pool, large texts into memory of
 * their own, what is lent or given stays where it is. A flush hands the list to the exchange, with the ownership of
 * each segment, so that a long answer never gathers in the request. Nothing is copied twice, but small pieces into the
 * stream's cork.
 */
#include "web/request_internal.h"

#include <stdio.h>
#include <string.h>

#include "http/trailer_fields_internal.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "web/sse_internal.h"

struct tc__outblock {
    tc__pool_t *pool; /* NULL: from the allocator */
    size_t used, capacity;
    char data[];
};

enum { FIRST_BLOCK = 1024 };

#define TEXT_HTML tc_bytes("text/html; charset=UTF-8", 24)

/* ---- Segments ---- */

static void nothing_to_free(void *owner) {
    (void)owner;
}

static void free_outblock(void *owner) {
    tc__outblock_t *block = owner;
    if (block->pool)
        tc__pool_put(block->pool, block);
    else
        tc__free(block);
}

/* The first block is the arena's: most answers need no other. Its bytes need no freeing: what the stream cannot send at
 * once it copies. */
static tc__outblock_t *new_first_block(tc_request_t *req) {
    tc__outblock_t *block = tc__arena_alloc(tc__request_arena(req), FIRST_BLOCK);
    if (block) {
        block->pool = NULL;
        block->used = 0;
        block->capacity = FIRST_BLOCK - sizeof *block;
    }
    req->used_first_block = true;
    return block;
}

static tc__outblock_t *new_outblock(tc_request_t *req, size_t len) {
    const size_t in_pool = TC__BLOCK_SIZE - sizeof(tc__outblock_t);
    tc__pool_t *pool = len <= in_pool ? &req->in->loop->pool : NULL;
    if (!pool && len > SIZE_MAX - sizeof(tc__outblock_t))
        return NULL;
    tc__outblock_t *block = pool ? tc__pool_get(pool) : tc__malloc(sizeof *block + len);
    if (block) {
        block->pool = pool;
        block->used = 0;
        block->capacity = pool ? in_pool : len;
    }
    return block;
}

void tc__segments_release(const tc__segment_t *segments, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (segments[i].free_fn)
            segments[i].free_fn(segments[i].owner);
}

/* Takes the segment also on failure. */
static int add_segment(tc_request_t *req, tc_bytes_t bytes, tc_free_fn free_fn, void *owner) {
    tc__segment_t segment = { bytes, free_fn, owner };
    if (req->segment_count == req->segment_capacity) {
        uint32_t capacity = 2 * req->segment_capacity;
        tc__segment_t *segments = tc__arena_realloc(tc__request_arena(req), req->segments,
                                                    req->segment_capacity * sizeof *segments,
                                                    capacity * sizeof *segments);
        if (!segments) {
            tc__segments_release(&segment, 1);
            return TC_ENOMEM;
        }
        req->segments = segments;
        req->segment_capacity = capacity;
    }
    req->segments[req->segment_count++] = segment;
    req->open_block = NULL;
    return 0;
}

/* Room for `len` more bytes of copied text, at the end of the output. */
static char *room_for(tc_request_t *req, size_t len) {
    tc__outblock_t *block = req->open_block;
    if (block && len <= block->capacity - block->used)
        return block->data + block->used;
    bool first = !req->used_first_block && len <= FIRST_BLOCK - sizeof *block;
    block = first ? new_first_block(req) : new_outblock(req, len);
    if (!block || add_segment(req, tc_bytes(block->data, 0), first ? NULL : free_outblock, block) < 0)
        return NULL;
    req->open_block = block;
    return block->data;
}

static void commit(tc_request_t *req, size_t len) {
    req->open_block->used += len;
    req->segments[req->segment_count - 1].bytes.len += len;
}

char *tc__request_output_room(tc_request_t *req, size_t *len) {
    enum { SOME = 256 };
    char *room = room_for(req, SOME);
    *len = room ? req->open_block->capacity - req->open_block->used : 0;
    return room;
}

void tc__request_output_commit(tc_request_t *req, size_t len) {
    commit(req, len);
}

size_t tc__request_output_len(const tc_request_t *req) {
    size_t len = 0;
    for (uint32_t i = 0; i < req->segment_count; i++)
        len += req->segments[i].bytes.len;
    return len;
}

void tc__request_output_init(tc_request_t *req) {
    tc__headers_use(&req->headers, req->first_headers, sizeof req->first_headers / sizeof req->first_headers[0]);
    req->segments = req->first_segments;
    req->segment_capacity = sizeof req->first_segments / sizeof req->first_segments[0];
}

void tc__request_drop_output(tc_request_t *req) {
    tc__segments_release(req->segments, req->segment_count);
    req->segment_count = 0;
    req->open_block = NULL;
}

/* ---- Headers ---- */

void tc__request_default_headers(tc_request_t *req) {
    req->default_type = true;
    if (req->endpoint->marked)
        tc__request_own_headers(req);
    if (req->endpoint->handler.set_default_headers) {
        int outcome = req->endpoint->handler.set_default_headers(req);
        tc__request_keep_error(req, outcome);
        if (req->kept_error == 0)
            req->kept_error = outcome;
    }
}

/* Being late does the answer no harm, so it is not kept as a failure. */
int tc__request_check_open(tc_request_t *req, const char *verb) {
    TC_TRY(tc__request_check_writable(req, verb));
    if (!req->headers_sent)
        return 0;
    tc__log(TC__LOG_APPLICATION, TC_LOG_WARNING, req, "%s %s: %s after its headers were sent", req->in->method,
            req->in->uri, verb);
    return tc__fail(TC_EBUSY, "%s: the headers were sent", verb);
}

int tc_set_status(tc_request_t *req, int status) {
    TC_TRY(tc__request_check_open(req, "tc_set_status"));
    if (status < 200 || status > 599)
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_set_status: %d is not from 200 to 599", status));
    req->status = status;
    req->reason = NULL;
    return 0;
}

int tc_get_status(const tc_request_t *req) {
    return req ? req->status : 0;
}

/* The handler has its own idea of the Content-Type. */
static void note_name(tc_request_t *req, const char *name) {
    if (req->default_type && name && tc__header_id(name, strlen(name)) == TC__HEADER_CONTENT_TYPE)
        req->default_type = false;
}

int tc_set_header(tc_request_t *req, const char *name, const char *value) {
    TC_TRY(tc__request_check_open(req, "tc_set_header"));
    note_name(req, name);
    return tc__request_keep_error(req, tc__headers_set(&req->headers, tc__request_arena(req), name, value));
}

int tc_add_header(tc_request_t *req, const char *name, const char *value) {
    TC_TRY(tc__request_check_open(req, "tc_add_header"));
    note_name(req, name);
    return tc__request_keep_error(req, tc__headers_add(&req->headers, tc__request_arena(req), name, value));
}

int tc_clear_header(tc_request_t *req, const char *name) {
    TC_TRY(tc__request_check_open(req, "tc_clear_header"));
    if (!name)
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_clear_header: the name is NULL"));
    note_name(req, name);
    tc__headers_remove(&req->headers, tc_str(name));
    return 0;
}

const char *tc_response_header(const tc_request_t *req, const char *name) {
    if (!req || !name)
        return NULL;
    if (req->default_type && tc__header_id(name, strlen(name)) == TC__HEADER_CONTENT_TYPE)
        return TEXT_HTML.data;
    const tc__header_t *first = tc__headers_find(&req->headers, tc_str(name), NULL);
    if (!first || !tc__headers_find(&req->headers, tc_str(name), first))
        return first ? first->value : NULL;
    tc_bytes_t joined = tc__headers_join(&req->headers, tc__request_arena(req), tc_str(name), ", ");
    return joined.data;
}

/* ---- Trailers ---- */

static int add_trailer(tc_request_t *req, const char *name, const char *value) {
    if (!req->trailers) {
        req->trailers = tc__arena_calloc(tc__request_arena(req), sizeof *req->trailers);
        if (!req->trailers)
            return TC_ENOMEM;
        if (req->exchange)
            req->exchange->vtable->set_trailers(req->exchange, req->trailers);
    }
    return tc__headers_set(req->trailers, tc__request_arena(req), name, value);
}

int tc_set_trailer(tc_request_t *req, const char *name, const char *value) {
    TC_TRY(tc__request_check_writable(req, "tc_set_trailer"));
    if (name && tc__trailer_kind(tc_str(name)) != TC__TRAILER_FINE)
        return tc__request_keep_error(req,
                                      tc__misuse(TC_EINVAL, "tc_set_trailer: %.64s may not stand behind a body", name));
    int err = add_trailer(req, name, value);
    if (err == TC_EINVAL)
        tc__misuse(err, "tc_set_trailer: %s", tc_error_detail());
    return tc__request_keep_error(req, err);
}

/* ---- Writing ---- */

int tc__request_check_writable(tc_request_t *req, const char *verb) {
    if (!req)
        return tc__misuse(TC_EINVAL, "%s: the request is NULL", verb);
    if (!req->finished)
        return 0;
    if (req->end_err < 0)
        return tc__fail(TC_ECLOSED, "%s: the client is gone", verb); /* or the time is up; nothing the handler did */
    tc__log(TC__LOG_APPLICATION, TC_LOG_WARNING, req, "%s %s: %s after the answer was finished", req->in->method,
            req->in->uri, verb);
    return tc__fail(TC_EALREADY, "%s: the answer was finished", verb);
}

/* The bytes that a caller gives. */
static int check_bytes(tc_request_t *req, const char *verb, tc_bytes_t bytes) {
    TC_TRY(tc__request_check_writable(req, verb));
    if (!bytes.data && bytes.len > 0)
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "%s: the bytes are NULL, but have a length", verb));
    return 0;
}

int tc_write_bytes(tc_request_t *req, tc_bytes_t bytes) {
    if (!req || req->finished || !bytes.data)
        TC_TRY(check_bytes(req, "tc_write", bytes));
    if (bytes.len == 0)
        return 0;
    char *room = room_for(req, bytes.len);
    if (!room)
        return tc__request_keep_error(req, TC_ENOMEM);
    memcpy(room, bytes.data, bytes.len);
    commit(req, bytes.len);
    return 0;
}

int tc_write(tc_request_t *req, const char *text) {
    if (!text) {
        TC_TRY(tc__request_check_writable(req, "tc_write"));
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_write: the text is NULL"));
    }
    return tc_write_bytes(req, tc_bytes(text, strlen(text)));
}

/* Formatted where it stays: into the open block if it fits there, measured first if it does not. */
static int write_formatted(tc_request_t *req, const char *fmt, va_list args) {
    tc__outblock_t *block = req->open_block;
    size_t room = block ? block->capacity - block->used : 0;
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(room ? block->data + block->used : NULL, room, fmt, args);
    if (len < 0) {
        va_end(again);
        return tc__misuse(TC_EINVAL, "tc_writef: the format failed");
    }
    if ((size_t)len >= room) {
        char *out = room_for(req, (size_t)len + 1); /* vsnprintf writes a NUL as well */
        if (!out) {
            va_end(again);
            return TC_ENOMEM;
        }
        vsnprintf(out, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    commit(req, (size_t)len);
    return 0;
}

int tc_writef(tc_request_t *req, const char *fmt, ...) {
    TC_TRY(tc__request_check_writable(req, "tc_writef"));
    if (!fmt)
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_writef: the format is NULL"));
    va_list args;
    va_start(args, fmt);
    int err = write_formatted(req, fmt, args);
    va_end(args);
    return tc__request_keep_error(req, err);
}

int tc_write_owned(tc_request_t *req, tc_bytes_t bytes, tc_free_fn free_owner, void *owner) {
    int err = check_bytes(req, "tc_write_owned", bytes);
    tc_free_fn free_fn = free_owner ? free_owner : nothing_to_free;
    if (err < 0 || bytes.len == 0) {
        free_fn(owner);
        return err;
    }
    return tc__request_keep_error(req, add_segment(req, bytes, free_fn, owner));
}

int tc_write_borrowed(tc_request_t *req, tc_bytes_t bytes) {
    return tc_write_owned(req, bytes, nothing_to_free, NULL);
}

/* ---- Sending ---- */

static bool has_body(int status) {
    return status != 204 && status != 205 && status != 304;
}

/* A 204, 205 or 304 has no body, and nothing that describes one. The 205 alone says so, by a length of 0. */
static void strip_body(tc_request_t *req) {
    if (req->segment_count > 0)
        tc__log(TC__LOG_APPLICATION, TC_LOG_WARNING, req, "%s %s: a %d has no body; what was written is dropped",
                req->in->method, req->in->uri, req->status);
    tc__request_drop_output(req);
    req->default_type = false;
    tc__headers_remove(&req->headers, tc_str("Content-Type"));
    tc__headers_remove(&req->headers, tc_str("Content-Encoding"));
    tc__headers_remove(&req->headers, tc_str("Content-Language"));
    if (req->status == 205)
        tc__headers_remove(&req->headers, tc_str("Content-Length"));
}

int tc__request_send_output(tc_request_t *req, bool last) {
    if (!req->exchange) {
        tc__request_drop_output(req); /* who writes on for nobody gathers nothing */
        return tc__fail(TC_ECLOSED, "the client is gone");
    }
    if (!has_body(req->status))
        strip_body(req);
    if (req->start_ns != 0)
        req->body_written += tc__request_output_len(req);
    size_t count = req->segment_count;
    req->segment_count = 0; /* they belong to the exchange now */
    req->open_block = NULL;
    if (req->headers_sent) {
        if (last && req->sse)
            tc__sse_over(req->sse);
        return req->exchange->vtable->write(req->exchange, req->segments, count, last);
    }
    req->headers_sent = true;
    tc__response_head_t head = { req->status, req->reason, tc_bytes(NULL, 0), &req->headers };
    if (req->default_type)
        head.content_type = TEXT_HTML;
    return req->exchange->vtable->respond(req->exchange, &head, req->segments, count, last);
}

/* The news that the client is gone may come only after the handler has returned this. */
static int note_gone(tc_request_t *req, int err) {
    if (err == TC_ECLOSED) {
        req->client_left = true;
        tc__request_tell_token(req);
    }
    return err;
}

int tc_early_hints(tc_request_t *req, const char *link) {
    TC_TRY(tc__request_check_open(req, "tc_early_hints"));
    if (!link || tc__bytes_trim(tc_str(link)).len == 0 || !tc__is_field_value(tc_str(link)))
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_early_hints: the value of a Link field is wanted, "
                                                                 "without control bytes"));
    if (!req->exchange)
        return tc__request_keep_error(req, tc__fail(TC_ECLOSED, "the client is gone"));
    tc__request_enter(req);
    int err = req->exchange->vtable->early_hints(req->exchange, tc__bytes_trim(tc_str(link)));
    note_gone(req, tc__request_keep_error(req, err));
    tc__request_leave(req);
    return err;
}

int tc_flush(tc_request_t *req) {
    TC_TRY(tc__request_check_writable(req, "tc_flush"));
    tc__request_enter(req);
    int err = req->kept_error;
    if (err == 0 && req->endpoint->transforms[0])
        err = tc__request_keep_error(req, tc__request_transform(req, false));
    if (err == 0)
        err = tc__request_keep_error(req, tc__request_send_output(req, false));
    note_gone(req, err);
    tc__request_leave(req);
    return err;
}

int tc_finish(tc_request_t *req) {
    if (!req)
        return tc__misuse(TC_EINVAL, "tc_finish: the request is NULL");
    if (req->finished)
        return tc__request_check_writable(req, "tc_finish");
    tc__request_enter(req);
    int err = req->kept_error;
    if (err == 0 && (req->endpoint->handler.flags & TC_ETAG))
        err = tc__request_end_with_etag(req);
    if (err == 0 && req->endpoint->transforms[0])
        err = tc__request_transform(req, true);
    if (err == 0 || !req->exchange) {
        tc__request_set_finished(req);
        err = tc__request_send_output(req, true);
        if (err == TC_ETOOBIG ||
            err == TC_ENOMEM) /* other failures are the client's, or logged where they were found */
            tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, req,
                    "%s %s: the answer cannot be sent, the connection is cut: %s", req->in->method, req->in->uri,
                    tc_strerror(err));
    } else if (!req->failing) { /* else it is an error page, and whoever makes it sees to that */
        tc__request_fail(req, err);
    }
    tc__request_leave(req);
    return err < 0 ? err : 0;
}

static int send_piece(tc_request_t *req, const tc__file_piece_t *piece) {
    req->body_written += piece->len;
    return req->exchange->vtable->write_file(req->exchange, piece, false);
}

int tc__request_send_file(tc_request_t *req, const tc__file_piece_t *piece) {
    tc__request_enter(req);
    int err = req->kept_error;
    if (err == 0 && !req->exchange)
        err = TC_ECLOSED;
    if (err == 0)
        err = send_piece(req, piece);
    else
        piece->free_fn(piece->owner);
    note_gone(req, tc__request_keep_error(req, err));
    tc__request_leave(req);
    return err;
}

bool tc_writable(const tc_request_t *req) {
    return req && req->exchange &&
           req->exchange->vtable->queued(req->exchange) <= req->exchange->vtable->output_mark(req->exchange);
}

/* ---- Pressure ---- */

void tc__request_wake_drained(tc_request_t *req, int err) {
    while (req->drained) {
        tc__drained_waiter_t *waiter = req->drained;
        req->drained = waiter->next;
        if (err < 0)
            tc_future_set_error(waiter->future, err, NULL);
        else
            tc_future_set_result(waiter->future, NULL, NULL);
        tc_future_unref(waiter->future);
        tc__free(waiter);
    }
}

static tc_future_t *completed(tc_future_t *future, int err) {
    if (err < 0)
        tc_future_set_error(future, err, NULL);
    else
        tc_future_set_result(future, NULL, NULL);
    return future;
}

tc_future_t *tc__request_sent(tc_request_t *req) {
    tc_future_t *future = tc_future_new(req->in->loop);
    if (!future)
        return NULL;
    if (!req->exchange)
        return completed(future, TC_ECLOSED);
    tc__drained_waiter_t *waiter = tc__malloc(sizeof *waiter);
    if (!waiter)
        return completed(future, TC_ENOMEM);
    waiter->next = req->drained;
    waiter->future = tc_future_ref(future);
    req->drained = waiter;
    return future;
}

tc_future_t *tc_drained(tc_request_t *req) {
    if (req && tc_writable(req)) {
        tc_future_t *future = tc_future_new(req->in->loop);
        return future ? completed(future, 0) : NULL;
    }
    return req ? tc__request_sent(req) : NULL;
}

/* ---- Redirects ---- */

static bool may_stand_in_url(unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' && c != '{' &&
           c != '|' && c != '}';
}

/* Location takes a URI reference: what may not stand in one is percent-encoded, "%" is taken to be encoded already. */
static char *encode_location(tc_request_t *req, const char *url) {
    static const char hex[] = "0123456789ABCDEF";
    char *out = tc_alloc(req, 3 * strlen(url) + 1), *at = out;
    if (!out)
        return NULL;
    for (const unsigned char *c = (const unsigned char *)url; *c; c++) {
        if (may_stand_in_url(*c)) {
            *at++ = (char)*c;
        } else {
            *at++ = '%';
            *at++ = hex[*c >> 4];
            *at++ = hex[*c & 15];
        }
    }
    *at = '\0';
    return out;
}

int tc_redirect(tc_request_t *req, const char *url, int status) {
    TC_TRY(tc__request_check_open(req, "tc_redirect"));
    if (!url || (status != 0 && (status < 300 || status > 399)))
        return tc__request_keep_error(req,
                                      tc__misuse(TC_EINVAL, "tc_redirect: a url and a status from 300 to 399 (or 0) "
                                                            "are wanted"));
    char *location = encode_location(req, url);
    if (!location)
        return tc__request_keep_error(req, TC_ENOMEM);
    TC_TRY(tc_set_status(req, status ? status : 302));
    TC_TRY(tc_set_header(req, "Location", location));
    tc__request_drop_output(req);
    return tc_finish(req);
}
