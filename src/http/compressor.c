/*
 * compressor.c - gzip by zlib, br by Brotli's encoder where the build has it.
 *
 * zlib takes all its memory at once, and gives it back only at the end: a text costs no allocation. Brotli takes it as
 * the text comes, has no way to begin anew but to be made anew, and, as distributions build it, ends the process where
 * memory is short: so it is left by a jump then, and what it had is freed here, block by block.
 *
 * Of a text that is whole only one is under way on a loop at a time, so it gets a large window. Those that take their
 * time may be thousands: theirs is of 8 KiB for gzip, which costs little, for what is flushed is mostly short.
 */
#include "http/compressor_internal.h"

#include <limits.h>
#define ZLIB_CONST
#include <zlib.h>
#ifdef TC__BROTLI
#include <brotli/encode.h>
#include <setjmp.h>
#endif

#include "util/alloc_internal.h"
#include "util/error_internal.h"

enum { GZIP = 16 /* added to the bits of the window: gzip's frame, not zlib's */ };

struct tc__coder {
    tc__list_t blocks; /* all its memory */
    z_stream zlib;
#ifdef TC__BROTLI
    BrotliEncoderState *brotli;
    jmp_buf *out_of_memory; /* where to go then, while Brotli runs */
#endif
};

/* ---- Memory, counted ---- */

typedef struct {
    _Alignas(16) tc__list_t node;
    size_t size;
} block_t;

static void *allocate(tc__compressor_t *compressor, size_t size) {
    block_t *block = size < SIZE_MAX - sizeof *block ? tc__malloc(sizeof *block + size) : NULL;
    if (!block)
        return NULL;
    block->size = sizeof *block + size;
    *compressor->held += block->size;
    tc__list_init(&block->node);
    tc__list_push(&compressor->coder->blocks, &block->node);
    return block + 1;
}

static void release(void *opaque, void *data) {
    tc__compressor_t *compressor = opaque;
    if (!data)
        return;
    block_t *block = (block_t *)data - 1;
    *compressor->held -= block->size;
    tc__list_remove(&block->node);
    tc__free(block);
}

/* Neither library has anything else to give back. */
static void release_all(tc__compressor_t *compressor) {
    tc__list_t *blocks = &compressor->coder->blocks;
    while (!tc__list_empty(blocks))
        release(compressor, tc__container_of(blocks->next, block_t, node) + 1);
}

/* ---- gzip ---- */

static void *zlib_allocate(void *compressor, unsigned count, unsigned size) {
    return allocate(compressor, (size_t)count * size);
}

static int gzip_begin(tc__compressor_t *compressor) {
    bool streams = compressor->kind.streams;
    z_stream *zlib = &compressor->coder->zlib;
    *zlib = (z_stream){ .zalloc = zlib_allocate, .zfree = release, .opaque = compressor };
    int window = (streams ? 13 : MAX_WBITS) + GZIP, memory = streams ? 6 : 8;
    int result = deflateInit2(zlib, compressor->kind.level, Z_DEFLATED, window, memory, Z_DEFAULT_STRATEGY);
    return result == Z_OK ? 0 : TC_ENOMEM;
}

/* It fails of nothing but a lack of room, for it gets no wrong arguments; then it has written nothing. */
static ssize_t gzip_feed(tc__compressor_t *compressor, tc_bytes_t *text, tc__compress_t what, char *out, size_t room) {
    static const int flush[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH };
    z_stream *zlib = &compressor->coder->zlib;
    unsigned len = text->len < INT_MAX ? (unsigned)text->len : INT_MAX;
    zlib->next_in = (const unsigned char *)text->data;
    zlib->avail_in = len;
    zlib->next_out = (unsigned char *)out;
    zlib->avail_out = (unsigned)(room < INT_MAX ? room : INT_MAX);
    deflate(zlib, len == text->len ? flush[what] : Z_NO_FLUSH);
    size_t taken = len - zlib->avail_in;
    *text = tc_bytes(text->data + taken, text->len - taken);
    return (char *)zlib->next_out - out;
}

/* ---- br ---- */

#ifdef TC__BROTLI
/* A quality of 4 takes four times the memory of this one for a text of a megabyte, and a larger window grows memory
 * faster than text shrinks. */
enum { QUALITY = 5, WINDOW = 16 };

static void *brotli_allocate(void *opaque, size_t size) {
    tc__compressor_t *compressor = opaque;
    void *data = allocate(compressor, size);
    if (!data)
        longjmp(*compressor->coder->out_of_memory, 1);
    return data;
}

static int make_brotli(tc__compressor_t *compressor) {
    BrotliEncoderState *brotli = BrotliEncoderCreateInstance(brotli_allocate, release, compressor);
    compressor->coder->brotli = brotli;
    if (!brotli)
        return TC_ENOMEM;
    BrotliEncoderSetParameter(brotli, BROTLI_PARAM_QUALITY, QUALITY);
    BrotliEncoderSetParameter(brotli, BROTLI_PARAM_LGWIN, WINDOW);
    return 0;
}

static int brotli_begin(tc__compressor_t *compressor) {
    jmp_buf out_of_memory;
    compressor->coder->out_of_memory = &out_of_memory;
    return setjmp(out_of_memory) == 0 ? make_brotli(compressor) : TC_ENOMEM;
}

/* In one call it writes a block at most. */
static ssize_t run_brotli(BrotliEncoderState *brotli, tc_bytes_t *text, BrotliEncoderOperation operation, char *out,
                          size_t room) {
    const unsigned char *in = (const unsigned char *)text->data;
    unsigned char *next = (unsigned char *)out;
    size_t len = text->len, left = room;
    do {
        if (!BrotliEncoderCompressStream(brotli, operation, &len, &in, &left, &next, NULL))
            return TC_ENOMEM;
    } while (left > 0 && (len > 0 || BrotliEncoderHasMoreOutput(brotli)));
    *text = tc_bytes((const char *)in, len);
    return (ssize_t)(room - left);
}

static ssize_t brotli_feed(tc__compressor_t *compressor, tc_bytes_t *text, tc__compress_t what, char *out,
                           size_t room) {
    static const BrotliEncoderOperation operations[] = { BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH,
                                                         BROTLI_OPERATION_FINISH };
    jmp_buf out_of_memory;
    compressor->coder->out_of_memory = &out_of_memory;
    if (setjmp(out_of_memory) != 0)
        return TC_ENOMEM;
    return run_brotli(compressor->coder->brotli, text, operations[what], out, room);
}
#endif

/* ---- Either ---- */

bool tc__compressor_knows(tc__coding_t coding) {
#ifdef TC__BROTLI
    if (coding == TC__CODING_BR)
        return true;
#endif
    return coding == TC__CODING_GZIP;
}

size_t tc__compressor_size(const tc__compressor_kind_t *kind) {
    enum { KIB = 1024 };
    if (kind->coding == TC__CODING_BR)
        return (size_t)2048 * KIB;
    return (size_t)(kind->streams ? 72 : 264) * KIB;
}

static int begin(tc__compressor_t *compressor) {
#ifdef TC__BROTLI
    if (compressor->kind.coding == TC__CODING_BR)
        return brotli_begin(compressor);
#endif
    return gzip_begin(compressor);
}

tc__compressor_t *tc__compressor_new(const tc__compressor_kind_t *kind, size_t *held) {
    tc__compressor_t *compressor = tc__calloc(1, sizeof *compressor + sizeof *compressor->coder);
    if (!compressor)
        return NULL;
    tc__list_init(&compressor->node);
    compressor->kind = *kind;
    compressor->held = held;
    compressor->coder = (struct tc__coder *)(compressor + 1);
    tc__list_init(&compressor->coder->blocks);
    if (begin(compressor) == 0)
        return compressor;
    tc__compressor_free(compressor);
    return NULL;
}

void tc__compressor_free(tc__compressor_t *compressor) {
    if (compressor)
        release_all(compressor);
    tc__free(compressor);
}

int tc__compressor_reset(tc__compressor_t *compressor) {
    if (compressor->kind.coding == TC__CODING_GZIP)
        return deflateReset(&compressor->coder->zlib) == Z_OK ? 0 : TC_ENOMEM;
    release_all(compressor);
    return begin(compressor);
}

ssize_t tc__compressor_feed(tc__compressor_t *compressor, tc_bytes_t *text, tc__compress_t what, char *out,
                            size_t room) {
#ifdef TC__BROTLI
    if (compressor->kind.coding == TC__CODING_BR)
        return brotli_feed(compressor, text, what, out, room);
#endif
    return gzip_feed(compressor, text, what, out, room);
}
