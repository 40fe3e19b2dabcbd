/*
 * gzip_fuzz.c - gzip in pieces of arbitrary size: what comes out is what zlib makes of the whole, member by member, in
 * pieces that are bounded; and what zlib refuses is refused.
 *
 * The first byte chooses the pieces; the input behind it is taken as it is, and as text that is compressed before.
 */
#include <string.h>
#include <zlib.h>

#include "fuzz/fuzzing.h"
#include "support/gzip.h"
#include "util/gzip_decompressor_internal.h"

enum { MOST = 1 << 20 }; /* of output that is compared */

static unsigned char whole[MOST], pieces[MOST];

/* All of it at once; -1: it is none, or more than MOST. */
static long inflate_whole(tc_bytes_t input) {
    z_stream zlib = { .next_in = (unsigned char *)(uintptr_t)input.data,
                      .avail_in = (unsigned)input.len,
                      .next_out = whole,
                      .avail_out = MOST };
    int result = Z_STREAM_END;
    MUST(inflateInit2(&zlib, MAX_WBITS + 16) == Z_OK);
    while (zlib.avail_in > 0 && result == Z_STREAM_END) {
        inflateReset(&zlib);
        result = inflate(&zlib, Z_FINISH);
    }
    inflateEnd(&zlib);
    return result == Z_STREAM_END ? (long)(MOST - zlib.avail_out) : -1;
}

/* Feed a piece until all of it is taken and nothing more comes out; false: it was refused. `len` stays below MOST. */
static bool feed(tc__gzip_decompressor_t *inflater, tc_bytes_t piece, size_t *len) {
    char *copy = malloc(piece.len + 1); /* so that a read beyond it is seen */
    tc_bytes_t rest = tc_bytes(memcpy(copy, piece.data, piece.len), piece.len), out;
    bool good;
    do {
        good = tc__gzip_decompressor_feed(inflater, &rest, &out) == 0;
        if (!good)
            break;
        MUST(out.len <= TC__GZIP_PIECE);
        MUST(rest.len == 0 || out.len == TC__GZIP_PIECE);
        MUST(rest.len <= piece.len && rest.data + rest.len == copy + piece.len);
        good = *len + out.len <= MOST;
        if (good)
            memcpy(pieces + *len, out.data, out.len);
        *len += out.len;
    } while (good && out.len == TC__GZIP_PIECE);
    free(copy);
    return good;
}

static long inflate_pieces(tc_bytes_t input, unsigned seed) {
    tc__gzip_decompressor_t *inflater = tc__gzip_decompressor_new();
    size_t len = 0, at = 0;
    bool good = true;
    MUST(inflater != NULL);
    while (good && at < input.len) {
        size_t piece = 1 + (seed >> 24) % (seed % 3 == 0 ? 3 : 200);
        if (piece > input.len - at)
            piece = input.len - at;
        good = feed(inflater, tc_bytes(input.data + at, piece), &len);
        at += piece;
        seed = seed * 1664525 + 1013904223;
    }
    good = good && tc__gzip_decompressor_finish(inflater) == 0;
    tc__gzip_decompressor_free(inflater);
    return good ? (long)len : -1;
}

static long compare(tc_bytes_t input, unsigned seed) {
    long expected = inflate_whole(input), len = inflate_pieces(input, seed);
    MUST(len == expected);
    MUST(len <= 0 || memcmp(whole, pieces, (size_t)len) == 0);
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    unsigned seed = data[0] * 2654435761u;
    tc_bytes_t input = tc_bytes(data + 1, size - 1);
    compare(input, seed);
    tc_bytes_t packed = gzip_member(input, data[0] % 10, data[0] / 10 % 4);
    MUST(compare(packed, seed) == (long)input.len);
    MUST(input.len == 0 || memcmp(pieces, input.data, input.len) == 0);
    gzip_free(packed);
    return 0;
}
