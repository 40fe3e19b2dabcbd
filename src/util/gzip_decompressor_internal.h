/*
 * gzip_decompressor_internal.h - gzip (RFC 1952) inflated piece by piece, by zlib. (Tornado: GzipDecompressor)
 *
 * Fed with pieces of any size; what comes out comes in pieces of a bounded one, whatever the input may inflate to.
 */
#ifndef TC_UTIL_GZIP_DECOMPRESSOR_INTERNAL_H
#define TC_UTIL_GZIP_DECOMPRESSOR_INTERNAL_H

#include <stdint.h>

#include <tornadoc/util.h>

typedef struct tc__gzip_decompressor tc__gzip_decompressor_t;

enum {
    TC__GZIP_PIECE = 16 * 1024, /* most bytes that come out at once */
    TC__GZIP_MEMORY = 64 * 1024 /* about what one takes, zlib's window and tables included */
};

tc__gzip_decompressor_t *tc__gzip_decompressor_new(void);           /* NULL: out of memory */
void tc__gzip_decompressor_free(tc__gzip_decompressor_t *inflater); /* NULL is fine */

/*
 * Take bytes off the front of *rest, and lend in *out what they inflate to, until the next call. A full piece
 * (TC__GZIP_PIECE) means that there may be more, also if *rest is empty; else all of *rest is taken.
 *
 * 0; TC_EPROTO for what is no gzip, TC_ENOMEM: these come again from every later call. tc_error_detail() has the words.
 */
int tc__gzip_decompressor_feed(tc__gzip_decompressor_t *inflater, tc_bytes_t *rest, tc_bytes_t *out);

/* The same, until that time (uv_hrtime), or a little later: input may be much work and hold no text. When it is up,
 * *rest is not empty, *out is, and the piece goes on with the next call. */
int tc__gzip_decompressor_feed_until(tc__gzip_decompressor_t *inflater, tc_bytes_t *rest, tc_bytes_t *out,
                                     uint64_t until_ns);

/* The input has ended, all of it was fed. 0; TC_EPROTO: it is cut short; the failure of before. */
int tc__gzip_decompressor_finish(tc__gzip_decompressor_t *inflater);

#endif
