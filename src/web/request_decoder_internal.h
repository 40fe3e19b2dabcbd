/*
 * request_decoder_internal.h - a body's content coding taken off while it arrives. (Tornado: _GzipMessageDelegate)
 */
#ifndef TC_WEB_REQUEST_DECODER_INTERNAL_H
#define TC_WEB_REQUEST_DECODER_INTERNAL_H

#include <tornadoc/web.h>

#include "async/ioloop_internal.h"
#include "util/gzip_decompressor_internal.h"

typedef struct {
    tc_request_t *req;
    tc__gzip_decompressor_t *gzip;
    tc_bytes_t input;      /* not decoded yet */
    bool full;             /* the last piece was: there may be more without input */
    uint64_t len, limit;   /* of all that was decoded, and may be */
    size_t len_this_turn;  /* of it, in this turn of the loop */
    uint64_t ns_this_turn; /* spent on it */
    tc__soon_t next_turn;
} tc__decoder_t;

/* Does the body come with a coding that the handler wants taken off? 0: *out is the decoder, or NULL; 415 for a coding
 * that is none of ours; TC_ENOMEM. The limit of the body is settled. */
int tc__decoder_new(tc__decoder_t **out, tc_request_t *req);
void tc__decoder_free(tc__decoder_t *decoder); /* NULL is fine */

static inline bool tc__decoder_pending(const tc__decoder_t *decoder) {
    return decoder->input.len > 0 || decoder->full;
}
/* The next piece, borrowed until the next call; it may be empty. 0; TC_ENOMEM; 400 for what is not in the format, 413
 * beyond the limit of a body: with these the request is answered. */
int tc__decoder_next(tc__decoder_t *decoder, tc_bytes_t *piece);
/* Has it done enough for this turn of the loop? Then it goes on in the next: tc__request_continue. */
bool tc__decoder_yields(tc__decoder_t *decoder);
/* All input was decoded. 0; 400: it is cut short, which is the answer */
int tc__decoder_end(tc__decoder_t *decoder);

#endif
