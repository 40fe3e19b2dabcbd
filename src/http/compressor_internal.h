/*
 * compressor_internal.h - content codings put on, piece by piece: gzip by zlib, br by Brotli's encoder. No I/O.
 *
 * A compressor may be used for one text after the other. What comes out goes into memory of the caller's, as much as
 * fits there, so that text of any length needs no more than that.
 */
#ifndef TC_HTTP_COMPRESSOR_INTERNAL_H
#define TC_HTTP_COMPRESSOR_INTERNAL_H

#include <sys/types.h>

#include "http/accept_encoding_internal.h"
#include "util/list_internal.h"

typedef struct {
    tc__coding_t coding;
    bool streams; /* a text that takes its time: little memory, with a smaller window */
    int level;    /* of gzip: 1 to 9 */
} tc__compressor_kind_t;

typedef struct tc__compressor {
    tc__list_t node; /* its keeper's */
    tc__compressor_kind_t kind;
    size_t *held; /* bytes that it and others take, counted by each allocation */
    struct tc__coder *coder;
} tc__compressor_t;

typedef enum { TC__COMPRESS_MORE, TC__COMPRESS_FLUSH, TC__COMPRESS_FINISH } tc__compress_t;

/* Is the coding built in? br may be missing; zstd and identity are. */
bool tc__compressor_knows(tc__coding_t coding);

/* About what one takes when it is made, in bytes. */
size_t tc__compressor_size(const tc__compressor_kind_t *kind);

/* *held lives as long as the compressor. NULL: out of memory. */
tc__compressor_t *tc__compressor_new(const tc__compressor_kind_t *kind, size_t *held);
void tc__compressor_free(tc__compressor_t *compressor); /* NULL is fine */

/* A new text begins, whatever became of the last. 0, or TC_ENOMEM: it is of no use any more. */
int tc__compressor_reset(tc__compressor_t *compressor);

/*
 * Take bytes off the front of *text, and write to `out`. A full `room` (64 bytes at least) means that there may be
 * more, to be asked for with the same `what` and the rest of *text; else all of *text is taken, and all that FLUSH or
 * FINISH asks for is out.
 *
 * The bytes written; TC_ENOMEM: it is of no use any more.
 */
ssize_t tc__compressor_feed(tc__compressor_t *compressor, tc_bytes_t *text, tc__compress_t what, char *out,
                            size_t room);

#endif
