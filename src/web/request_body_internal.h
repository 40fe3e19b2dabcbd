/*
 * request_body_internal.h - what becomes of a request's body: the way from the connection to a mode. request.c leads it
 * along, request_body.c tells how.
 */
#ifndef TC_WEB_REQUEST_BODY_INTERNAL_H
#define TC_WEB_REQUEST_BODY_INTERNAL_H

#include <tornadoc/web.h>

#include "web/body_holders_internal.h"
#include "web/request_decoder_internal.h"

/* What a body's bytes go to. Both functions return an outcome, as a handler's callbacks do. */
typedef struct {
    /*
     * Take bytes off the front of *rest: all of them, unless the outcome is not 0. After TC_DETACH, when the outcome is
     * in, it is called again with what is left, be that nothing.
     *
     * The bytes are borrowed until the return; if the mode `lends` them, until the outcome is in.
     */
    int (*take)(tc_request_t *req, tc_bytes_t *rest);
    int (*end)(tc_request_t *req); /* all was taken; also of a body without a byte. Once; NULL: nothing is left to do */
    bool lends;
    bool streams; /* prepare runs before the first byte, the method after the last; else both after the last */
} tc__body_mode_t;

/* Bytes that are kept: small ones in the request's arena, others on the heap, counted. A NUL behind them. */
typedef struct {
    char *data; /* NULL: never used */
    size_t len, capacity;
    bool on_heap;
} tc__body_store_t;

typedef struct {
    const tc__body_mode_t *mode; /* from tc__body_begin on */
    tc__decoder_t *decoder;      /* NULL: the mode gets what the connection gives */
    tc_bytes_t piece;        /* what the mode has not taken yet; borrowed from the connection or the decoder, or kept */
    tc__body_store_t kept;   /* what the connection lent */
    tc__body_store_t whole;  /* of a mode that buffers: tc_body */
    tc__holder_t *in_memory; /* holds those of both that are on the heap, and what else is charged; NULL: never any */
    tc__holder_t *in_files;  /* likewise; only with the other */
    bool paused;             /* the mode said TC_DETACH */
    bool coding_refused;     /* by a 415 */
    void *state;             /* the mode's own */
} tc__body_t;

extern const tc__body_mode_t tc__body_buffer, tc__body_spool;      /* request_spool.c */
extern const tc__body_mode_t tc__body_form, tc__body_form_lending; /* request_parts.c; the latter for part_received */

/* After admit: what the handler wants of the body. The outcome: a status refuses it. */
int tc__body_begin(tc_request_t *req);
/* The connection's chunk, borrowed until the call in which it comes returns: give the mode what it takes at once; its
 * outcome. Nothing must be pending. */
int tc__body_receive(tc_request_t *req, tc_bytes_t chunk);
/* That call is about to return: keep what is pending. 0 or TC_ENOMEM, or 503 for too much of all bodies. */
int tc__body_keep(tc_request_t *req);
/* Is there more for the mode to take, or to do, before the connection may give more? */
static inline bool tc__body_pending(const tc__body_t *body) {
    return body->paused || body->piece.len > 0 || (body->decoder && tc__decoder_pending(body->decoder));
}
/* Something is pending: does it wait for the next turn of the loop, in which tc__request_continue is called? */
static inline bool tc__body_yields(const tc__body_t *body) {
    return body->decoder && !body->paused && body->piece.len == 0 && tc__decoder_yields(body->decoder);
}
/* The last outcome was 0, and more is pending: go on; the outcome of that. */
int tc__body_go_on(tc_request_t *req);
/* The connection has given all, and nothing is pending: the outcome of the whole. */
int tc__body_end(tc_request_t *req);
void tc__body_free(tc_request_t *req);

/* How much the mode will be given, at most; TC__LENGTH_UNKNOWN: only the end will tell. */
uint64_t tc__body_announced(const tc_request_t *req);
/* Append to a store; `announced`: how long it will be at most, or TC__LENGTH_UNKNOWN. 0, TC_ENOMEM, or 503. */
int tc__body_store(tc_request_t *req, tc__body_store_t *store, tc_bytes_t bytes, uint64_t announced);

void tc__body_drop(tc_request_t *req, tc__body_store_t *store); /* what it holds is not needed any more */

/* May what it holds be given up for others: is it the client who is waited for? */
void tc__body_set_arriving(tc__body_t *body, bool arriving);
static inline void tc__body_arrived(tc__body_t *body) {
    if (body->in_memory)
        tc__body_set_arriving(body, false);
}

/* Count memory of other kinds as that of a body, until it is discharged or the request ends. 0, TC_ENOMEM, or 503. */
int tc__body_charge(tc_request_t *req, size_t size);
void tc__body_discharge(tc_request_t *req, size_t size);
/* Count bytes in its files, until the request ends. 0, TC_ENOMEM, or 507. */
int tc__body_charge_files(tc_request_t *req, size_t size);

#endif
