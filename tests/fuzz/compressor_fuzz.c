/*
 * compressor_fuzz.c - texts compressed in arbitrary pieces, with flushes between, into memory of arbitrary size: what
 * was flushed can be read at once, and in the end the text is what it was.
 *
 * The first two bytes choose the coding, the pieces and the flushes; the rest is the text, some of it repeated.
 */
#include <string.h>
#include <zlib.h>
#ifdef TC__BROTLI
#include <brotli/decode.h>
#endif

#include "fuzz/fuzzing.h"
#include "http/compressor_internal.h"

enum { MOST = 1 << 18, ROOM = 5000 };

static char text[MOST], back[MOST + 1];
static size_t back_len;
static bool ended;

/* ---- A client that reads what comes, as it comes ---- */

static z_stream zlib;
#ifdef TC__BROTLI
static BrotliDecoderState *brotli;
#endif

static void read_gzip(const char *in, size_t len) {
    zlib.next_in = (unsigned char *)(uintptr_t)in;
    zlib.avail_in = (unsigned)len;
    zlib.next_out = (unsigned char *)back + back_len;
    zlib.avail_out = (unsigned)(sizeof back - back_len);
    int result = inflate(&zlib, Z_SYNC_FLUSH);
    MUST(result == Z_OK || result == Z_STREAM_END || (result == Z_BUF_ERROR && len == 0));
    MUST(zlib.avail_in == 0);
    ended = result == Z_STREAM_END;
    back_len = sizeof back - zlib.avail_out;
}

static void read_br(const char *in, size_t len) {
#ifdef TC__BROTLI
    const unsigned char *from = (const unsigned char *)in;
    unsigned char *to = (unsigned char *)back + back_len;
    size_t space = sizeof back - back_len;
    BrotliDecoderResult result = BrotliDecoderDecompressStream(brotli, &len, &from, &space, &to, NULL);
    MUST(result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT || result == BROTLI_DECODER_RESULT_SUCCESS);
    MUST(len == 0);
    ended = result == BROTLI_DECODER_RESULT_SUCCESS;
    back_len = sizeof back - space;
#else
    (void)in, (void)len;
#endif
}

/* ---- The server ---- */

static void feed(tc__compressor_t *compressor, tc_bytes_t piece, tc__compress_t what, size_t room) {
    char *out = malloc(room); /* so that a write beyond it is seen */
    ssize_t len;
    MUST(out != NULL);
    do {
        size_t before = piece.len;
        len = tc__compressor_feed(compressor, &piece, what, out, room);
        MUST(len >= 0 && (size_t)len <= room && piece.len <= before);
        MUST(!ended || len == 0);
        if (len > 0 && compressor->kind.coding == TC__CODING_GZIP)
            read_gzip(out, (size_t)len);
        else if (len > 0)
            read_br(out, (size_t)len);
    } while ((size_t)len == room);
    MUST(piece.len == 0);
    free(out);
}

static unsigned next(unsigned *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void send_all(tc__compressor_t *compressor, size_t len, unsigned seed) {
    static const size_t sizes[] = { 2, 50, 3000, 100000 };
    size_t at = 0;
    while (at < len) {
        size_t piece = next(&seed) % sizes[next(&seed) % 4];
        if (piece > len - at)
            piece = len - at;
        tc__compress_t what = next(&seed) % 8 == 0 ? TC__COMPRESS_FLUSH : TC__COMPRESS_MORE;
        feed(compressor, tc_bytes(text + at, piece), what, 64 + next(&seed) % ROOM);
        at += piece;
        if (what == TC__COMPRESS_FLUSH)
            MUST(back_len == at && memcmp(back, text, at) == 0);
    }
    feed(compressor, tc_bytes("", 0), TC__COMPRESS_FINISH, 64 + next(&seed) % ROOM);
    MUST(ended && back_len == len && memcmp(back, text, len) == 0);
}

static void begin_reading(void) {
    back_len = 0;
    ended = false;
    zlib = (z_stream){ 0 };
    MUST(inflateInit2(&zlib, MAX_WBITS + 16) == Z_OK);
#ifdef TC__BROTLI
    brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    MUST(brotli != NULL);
#endif
}

static void end_reading(void) {
    inflateEnd(&zlib);
#ifdef TC__BROTLI
    BrotliDecoderDestroyInstance(brotli);
#endif
}

/* The input, and some of it again, so that a small one is a large text. */
static size_t make_text(const uint8_t *data, size_t size, unsigned times) {
    size_t len = size < MOST ? size : MOST;
    memcpy(text, data, len);
    for (unsigned i = 0; i < times && len > 0; i++) {
        size_t from = i * 7919u % len, more = len - from < MOST - len ? len - from : MOST - len;
        memcpy(text + len, text + from, more); /* from + more is len at most */
        len += more;
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    size_t held = 0, len = make_text(data + 2, size - 2, data[1] % 12);
    tc__compressor_kind_t kind = { data[0] & 1 ? TC__CODING_BR : TC__CODING_GZIP, (data[0] & 2) != 0,
                                   1 + data[0] / 4 % 9 };
    if (!tc__compressor_knows(kind.coding))
        return 0;
    tc__compressor_t *compressor = tc__compressor_new(&kind, &held);
    MUST(compressor != NULL);
    for (unsigned round = 0; round < 2; round++) { /* the second time it is used again */
        begin_reading();
        send_all(compressor, len, data[1] * 2654435761u + round);
        end_reading();
        MUST(tc__compressor_reset(compressor) == 0);
    }
    tc__compressor_free(compressor);
    MUST(held == 0);
    return 0;
}
