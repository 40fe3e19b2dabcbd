/*
 * request_body.c - what becomes of a request's body.
 *
 *     connection --chunk--> [decoder] --piece--> mode: buffered, streamed, spooled, read as a form
 *
 * The connection lends a chunk for the time of a call. The mode takes bytes off its front, and may stop before the end
 * until an outcome is in (TC_DETACH). What it has not taken is pending: request.c judges the outcome of each step, as
 * it judges any other, and asks for the next one while something is pending. Only then may the connection give more. So
 * what is left of a chunk when the connection's call returns, and is copied then, is never more than one read of it.
 *
 * A decoder stands between the two if the handler wants the body without its content coding. Of one chunk it makes any
 * number of pieces, each of which is taken before the next is made.
 */
#include "web/request_internal.h"

#include <string.h>

#include "util/alloc_internal.h"

/* ---- What all bodies together may take ---- */

static int charge(tc_request_t *req, tc__holder_t **holder, tc__holders_t *holders, size_t size) {
    if (size == 0)
        return 0;
    if (!*holder && !(*holder = tc__holder_new(holders, req)))
        return TC_ENOMEM;
    return tc__holder_take(*holder, size);
}

int tc__body_charge(tc_request_t *req, size_t size) {
    return charge(req, &req->body.in_memory, &req->app->buffered, size);
}

void tc__body_discharge(tc_request_t *req, size_t size) {
    if (size > 0)
        tc__holder_give_back(req->body.in_memory, size);
}

int tc__body_charge_files(tc_request_t *req, size_t size) {
    return charge(req, &req->body.in_files, &req->app->spooled, size);
}

void tc__body_set_arriving(tc__body_t *body, bool arriving) {
    if (body->in_memory)
        tc__holder_set_arriving(body->in_memory, arriving);
    if (body->in_files)
        tc__holder_set_arriving(body->in_files, arriving);
}

static void note_progress(tc__body_t *body, size_t len) {
    if (body->in_memory)
        tc__holder_progress(body->in_memory, len);
    if (body->in_files)
        tc__holder_progress(body->in_files, len);
}

/* ---- Stores ---- */

enum { SMALL = 2048 }; /* goes with the request's own memory, and does not count */

static size_t capacity_for(const tc__body_store_t *store, size_t len, uint64_t announced) {
    size_t capacity = store->capacity * 2;
    if (capacity < len + 1)
        capacity = len + 1;
    if (announced != TC__LENGTH_UNKNOWN && (capacity > announced + 1 || announced < 64 * 1024))
        return (size_t)announced + 1; /* which was checked against the limit */
    return capacity < 4096 ? 4096 : capacity;
}

static int grow(tc_request_t *req, tc__body_store_t *store, size_t capacity) {
    bool small = capacity <= SMALL && !store->on_heap;
    size_t more = small ? 0 : capacity - (store->on_heap ? store->capacity : 0);
    TC_TRY(tc__body_charge(req, more));
    char *data = small ? tc__arena_alloc(tc__request_arena(req), capacity)
                       : tc__realloc(store->on_heap ? store->data : NULL, capacity);
    if (!data) {
        tc__body_discharge(req, more);
        return TC_ENOMEM;
    }
    if (store->len > 0 && !store->on_heap)
        memcpy(data, store->data, store->len);
    store->data = data;
    store->capacity = capacity;
    store->on_heap = !small;
    return 0;
}

int tc__body_store(tc_request_t *req, tc__body_store_t *store, tc_bytes_t bytes, uint64_t announced) {
    size_t len = store->len + bytes.len;
    if (len + 1 > store->capacity)
        TC_TRY(grow(req, store, capacity_for(store, len, announced)));
    memcpy(store->data + store->len, bytes.data, bytes.len);
    store->len = len;
    store->data[len] = '\0';
    return 0;
}

uint64_t tc__body_announced(const tc_request_t *req) {
    return req->body.decoder ? TC__LENGTH_UNKNOWN : req->in->content_length;
}

/* ---- Modes ---- */

static int take_whole(tc_request_t *req, tc_bytes_t *rest) {
    tc_bytes_t bytes = *rest;
    *rest = tc_bytes(NULL, 0);
    return tc__body_store(req, &req->body.whole, bytes, tc__body_announced(req));
}

static int call_data_received(tc_request_t *req, const tc__call_t *call) {
    return req->endpoint->handler.data_received(req, call->bytes);
}

static int give_to_handler(tc_request_t *req, tc_bytes_t *rest) {
    tc_bytes_t chunk = *rest;
    *rest = tc_bytes(NULL, 0);
    return chunk.len > 0 ? tc__request_make(req, &(tc__call_t){ .run = call_data_received, .bytes = chunk }) : 0;
}

const tc__body_mode_t tc__body_buffer = { .take = take_whole };
static const tc__body_mode_t stream = { .take = give_to_handler, .lends = true, .streams = true };

static const tc__body_mode_t *mode_for(const tc_request_handler_t *handler) {
    switch (handler->body) {
    case TC_BODY_STREAM:
        return &stream;
    case TC_BODY_SPOOL:
        return &tc__body_spool;
    case TC_BODY_FORM:
        return handler->part_received ? &tc__body_form_lending : &tc__body_form;
    default:
        return &tc__body_buffer;
    }
}

static bool announces_too_much(const tc_request_t *req) {
    uint64_t len = req->in->content_length;
    return len != TC__LENGTH_UNKNOWN && len > req->exchange->vtable->max_body_size(req->exchange);
}

static int begin_decoder(tc_request_t *req) {
    tc__decoder_t *decoder;
    TC_TRY(tc__decoder_new(&decoder, req));
    int outcome = decoder ? tc__body_charge(req, TC__GZIP_MEMORY) : 0;
    if (outcome != 0)
        tc__decoder_free(decoder);
    else
        req->body.decoder = decoder;
    return outcome;
}

int tc__body_begin(tc_request_t *req) {
    req->body.mode = mode_for(&req->endpoint->handler);
    if (!req->exchange) /* closed by what admit did */
        return 0;
    if (req->body.mode->streams && announces_too_much(req))
        return tc_http_error(req, 413, "the body is larger than the limit"); /* before prepare opens files for it */
    return begin_decoder(req);
}

/* ---- The way there ---- */

/* What the connection lent, less what was taken of it: the decoder's input, or the mode's. */
static tc_bytes_t *lent(tc__body_t *body) {
    return body->decoder ? &body->decoder->input : &body->piece;
}

/* The mode lends on what it is given: a decoder's piece lives long enough, a chunk does not. */
static bool lends_chunks(const tc__body_t *body) {
    return body->mode->lends && !body->decoder;
}

static int keep(tc_request_t *req) {
    tc_bytes_t *bytes = lent(&req->body);
    tc__body_store_t *kept = &req->body.kept;
    kept->len = 0;
    TC_TRY(tc__body_store(req, kept, *bytes, req->in->content_length));
    *bytes = tc_bytes(kept->data, kept->len);
    return 0;
}

int tc__body_receive(tc_request_t *req, tc_bytes_t chunk) {
    note_progress(&req->body, chunk.len);
    *lent(&req->body) = chunk;
    if (lends_chunks(&req->body))
        TC_TRY(keep(req));
    return tc__body_go_on(req);
}

int tc__body_keep(tc_request_t *req) {
    bool kept = lends_chunks(&req->body) || lent(&req->body)->len == 0;
    return kept ? 0 : keep(req);
}

int tc__body_go_on(tc_request_t *req) {
    tc__body_t *body = &req->body;
    if (body->decoder && !body->paused && body->piece.len == 0) {
        TC_TRY(tc__decoder_next(body->decoder, &body->piece));
        if (body->piece.len == 0)
            return 0;
    }
    int outcome = body->mode->take(req, &body->piece);
    body->paused = outcome == TC_DETACH;
    tc__body_set_arriving(body, !body->paused && !req->input_complete && !req->finished);
    return outcome;
}

/* ---- The end ---- */

void tc__body_drop(tc_request_t *req, tc__body_store_t *store) {
    if (!store->on_heap)
        return;
    tc__body_discharge(req, store->capacity);
    tc__free(store->data);
    *store = (tc__body_store_t){ 0 };
}

static void drop_decoder(tc_request_t *req) {
    if (!req->body.decoder)
        return;
    tc__body_discharge(req, TC__GZIP_MEMORY);
    tc__decoder_free(req->body.decoder);
    req->body.decoder = NULL;
}

int tc__body_end(tc_request_t *req) {
    tc__body_t *body = &req->body;
    if (body->decoder)
        TC_TRY(tc__decoder_end(body->decoder));
    drop_decoder(req);
    tc__body_drop(req, &body->kept);
    return body->mode->end ? body->mode->end(req) : 0;
}

void tc__body_free(tc_request_t *req) {
    drop_decoder(req);
    tc__body_drop(req, &req->body.kept);
    tc__body_drop(req, &req->body.whole);
    tc__holder_free(req->body.in_memory);
    tc__holder_free(req->body.in_files);
}
