/* inflate.h - what was compressed for a client, as the client reads it. */
#ifndef TC_TESTS_SUPPORT_INFLATE_H
#define TC_TESTS_SUPPORT_INFLATE_H

#include <stdbool.h>
#include <string.h>
#include <zlib.h>
#ifdef TC__BROTLI
#include <brotli/decode.h>
#endif

#include <tornadoc/util.h>

/* As much as comes out of it, at most `room`; *whole: it is complete, and nothing stands behind it. -1: it is broken.
 */
static inline long inflate_gzip(tc_bytes_t in, char *out, size_t room, bool *whole) {
    z_stream zlib = { .next_in = (unsigned char *)(uintptr_t)in.data,
                      .avail_in = (unsigned)in.len,
                      .next_out = (unsigned char *)out,
                      .avail_out = (unsigned)room };
    if (inflateInit2(&zlib, MAX_WBITS + 16) != Z_OK)
        return -1;
    int result = inflate(&zlib, Z_SYNC_FLUSH);
    *whole = result == Z_STREAM_END && zlib.avail_in == 0;
    long len = (long)(room - zlib.avail_out);
    inflateEnd(&zlib);
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? len : -1;
}

/* The same of br; -1 also where the build has none. */
static inline long inflate_br(tc_bytes_t in, char *out, size_t room, bool *whole) {
#ifdef TC__BROTLI
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const unsigned char *from = (const unsigned char *)in.data;
    unsigned char *to = (unsigned char *)out;
    size_t left = in.len, space = room;
    BrotliDecoderResult result = BrotliDecoderDecompressStream(state, &left, &from, &space, &to, NULL);
    *whole = result == BROTLI_DECODER_RESULT_SUCCESS && left == 0;
    BrotliDecoderDestroyInstance(state);
    return result == BROTLI_DECODER_RESULT_ERROR ? -1 : (long)(room - space);
#else
    (void)in, (void)out, (void)room;
    *whole = false;
    return -1;
#endif
}

#endif
