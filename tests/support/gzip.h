/* gzip.h - gzip as a client sends it. */
#ifndef TC_TESTS_SUPPORT_GZIP_H
#define TC_TESTS_SUPPORT_GZIP_H

#include <stdlib.h>
#include <zlib.h>

#include <tornadoc/util.h>

/* One member; to be freed. */
static inline tc_bytes_t gzip_member(tc_bytes_t text, int level, int strategy) {
    z_stream zlib = { 0 };
    deflateInit2(&zlib, level, Z_DEFLATED, MAX_WBITS + 16, 8, strategy);
    size_t room = deflateBound(&zlib, text.len) + 32;
    unsigned char *out = malloc(room);
    zlib.next_in = (unsigned char *)(uintptr_t)text.data;
    zlib.avail_in = (unsigned)text.len;
    zlib.next_out = out;
    zlib.avail_out = (unsigned)room;
    int result = deflate(&zlib, Z_FINISH);
    size_t len = room - zlib.avail_out;
    deflateEnd(&zlib);
    if (result != Z_STREAM_END)
        abort();
    return tc_bytes(out, len);
}

static inline tc_bytes_t gzip_of(tc_bytes_t text) {
    return gzip_member(text, Z_DEFAULT_COMPRESSION, Z_DEFAULT_STRATEGY);
}

static inline void gzip_free(tc_bytes_t member) {
    free((void *)(uintptr_t)member.data);
}

#endif
