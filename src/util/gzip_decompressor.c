/*
 * gzip_decompressor.c - gzip inflated piece by piece. (Tornado: GzipDecompressor)
 *
 * A gzip file is a series of members, inflated one behind the other (RFC 1952 section 2.2). So behind a member nothing
 * may stand but the next one: what is none, a single byte of junk, is an error. No byte at all is no member, and fine.
 *
 * A block of eleven bytes may hold a code and no text: 64 KiB of those are as much work as megabytes of others, though
 * nothing comes out. So zlib is given little at a time, and the clock is looked at in between.
 */
#include "util/gzip_decompressor_internal.h"

#include <uv.h>
#include <zlib.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/unconst_internal.h"

struct tc__gzip_decompressor {
    z_stream zlib;
    int err;        /* why it has ended, or 0 */
    bool in_member; /* some of a member was taken, not all */
    bool in_piece;  /* time was up before the piece was whole */
    unsigned char out[TC__GZIP_PIECE];
};

enum {
    GZIP_ONLY = 16, /* added to the bits of the window: no zlib header, no guessing */
    MOST_AT_ONCE = 1024
};

static void *allocate(void *opaque, unsigned count, unsigned size) {
    (void)opaque;
    return tc__malloc((size_t)count * size);
}

static void release(void *opaque, void *data) {
    (void)opaque;
    tc__free(data);
}

tc__gzip_decompressor_t *tc__gzip_decompressor_new(void) {
    tc__gzip_decompressor_t *inflater = tc__malloc(sizeof *inflater);
    if (!inflater)
        return NULL;
    inflater->zlib = (z_stream){ .zalloc = allocate, .zfree = release };
    inflater->err = 0;
    inflater->in_member = false;
    inflater->in_piece = false;
    if (inflateInit2(&inflater->zlib, MAX_WBITS + GZIP_ONLY) == Z_OK)
        return inflater;
    tc__free(inflater);
    return NULL;
}

void tc__gzip_decompressor_free(tc__gzip_decompressor_t *inflater) {
    if (inflater)
        inflateEnd(&inflater->zlib);
    tc__free(inflater);
}

static int fail(tc__gzip_decompressor_t *inflater, int result) {
    const char *why = inflater->zlib.msg;
    if (result == Z_MEM_ERROR)
        inflater->err = TC_ENOMEM;
    else
        inflater->err = tc__fail(TC_EPROTO, "the gzip data is broken: %s", why ? why : "not in the format");
    return inflater->err;
}

/* One call of zlib: it takes what it is given, fills the output, or comes to the end of a member. */
static int inflate_some(tc__gzip_decompressor_t *inflater, tc_bytes_t *rest) {
    z_stream *zlib = &inflater->zlib;
    size_t len = rest->len < MOST_AT_ONCE ? rest->len : MOST_AT_ONCE;
    zlib->next_in = tc__unconst(rest->data);
    zlib->avail_in = (unsigned)len;
    int result = inflate(zlib, Z_NO_FLUSH);
    size_t taken = len - zlib->avail_in;
    *rest = tc_bytes(rest->data + taken, rest->len - taken);
    if (taken > 0)
        inflater->in_member = true;
    if (result == Z_STREAM_END) {
        inflater->in_member = false;
        result = inflateReset(zlib);
    }
    return result == Z_OK || result == Z_BUF_ERROR ? 0 : fail(inflater, result); /* the latter: nothing was to do */
}

int tc__gzip_decompressor_feed_until(tc__gzip_decompressor_t *inflater, tc_bytes_t *rest, tc_bytes_t *out,
                                     uint64_t until_ns) {
    z_stream *zlib = &inflater->zlib;
    if (inflater->err < 0)
        return inflater->err;
    if (!inflater->in_piece) {
        zlib->next_out = inflater->out;
        zlib->avail_out = sizeof inflater->out;
    }
    do {
        TC_TRY(inflate_some(inflater, rest));
        inflater->in_piece = rest->len > 0 && zlib->avail_out > 0;
    } while (inflater->in_piece && (until_ns == UINT64_MAX || uv_hrtime() < until_ns));
    *out = tc_bytes(inflater->out, inflater->in_piece ? 0 : sizeof inflater->out - zlib->avail_out);
    return 0;
}

int tc__gzip_decompressor_feed(tc__gzip_decompressor_t *inflater, tc_bytes_t *rest, tc_bytes_t *out) {
    return tc__gzip_decompressor_feed_until(inflater, rest, out, UINT64_MAX);
}

int tc__gzip_decompressor_finish(tc__gzip_decompressor_t *inflater) {
    if (inflater->err == 0 && inflater->in_member)
        inflater->err = tc__fail(TC_EPROTO, "the gzip data is cut short");
    return inflater->err;
}
