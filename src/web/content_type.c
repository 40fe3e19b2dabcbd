/*
 * content_type.c - the media type of a file, by the last extension of its name.
 *
 * A table of our own: what a server says of its files does not depend on the machine that it runs on. Text is UTF-8;
 * JSON is that by definition and has no charset (RFC 8259 section 11), XML says so itself where it has a type of its
 * own.
 */
#include "web/content_type_internal.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes_internal.h"

typedef struct {
    char extension[12];
    const char *type;
} row_t;

/* Sorted. */
static const row_t table[] = {
    { "7z", "application/x-7z-compressed" },
    { "aac", "audio/aac" },
    { "ai", "application/postscript" },
    { "apk", "application/vnd.android.package-archive" },
    { "apng", "image/apng" },
    { "atom", "application/atom+xml" },
    { "avi", "video/x-msvideo" },
    { "avif", "image/avif" },
    { "bmp", "image/bmp" },
    { "bz2", "application/x-bzip2" },
    { "c", "text/plain; charset=UTF-8" },
    { "cjs", "text/javascript; charset=UTF-8" },
    { "conf", "text/plain; charset=UTF-8" },
    { "css", "text/css; charset=UTF-8" },
    { "csv", "text/csv; charset=UTF-8" },
    { "doc", "application/msword" },
    { "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
    { "eps", "application/postscript" },
    { "epub", "application/epub+zip" },
    { "flac", "audio/flac" },
    { "geojson", "application/geo+json" },
    { "gif", "image/gif" },
    { "gz", "application/gzip" },
    { "h", "text/plain; charset=UTF-8" },
    { "heic", "image/heic" },
    { "htm", "text/html; charset=UTF-8" },
    { "html", "text/html; charset=UTF-8" },
    { "ico", "image/vnd.microsoft.icon" },
    { "ics", "text/calendar; charset=UTF-8" },
    { "ini", "text/plain; charset=UTF-8" },
    { "jar", "application/java-archive" },
    { "jpe", "image/jpeg" },
    { "jpeg", "image/jpeg" },
    { "jpg", "image/jpeg" },
    { "js", "text/javascript; charset=UTF-8" },
    { "json", "application/json" },
    { "jsonld", "application/ld+json" },
    { "jxl", "image/jxl" },
    { "log", "text/plain; charset=UTF-8" },
    { "m3u8", "application/vnd.apple.mpegurl" },
    { "m4a", "audio/mp4" },
    { "m4v", "video/mp4" },
    { "map", "application/json" },
    { "markdown", "text/markdown; charset=UTF-8" },
    { "md", "text/markdown; charset=UTF-8" },
    { "mid", "audio/midi" },
    { "midi", "audio/midi" },
    { "mjs", "text/javascript; charset=UTF-8" },
    { "mkv", "video/x-matroska" },
    { "mov", "video/quicktime" },
    { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },
    { "mpd", "application/dash+xml" },
    { "mpeg", "video/mpeg" },
    { "mpg", "video/mpeg" },
    { "odp", "application/vnd.oasis.opendocument.presentation" },
    { "ods", "application/vnd.oasis.opendocument.spreadsheet" },
    { "odt", "application/vnd.oasis.opendocument.text" },
    { "oga", "audio/ogg" },
    { "ogg", "audio/ogg" },
    { "ogv", "video/ogg" },
    { "opus", "audio/ogg" },
    { "otf", "font/otf" },
    { "pdf", "application/pdf" },
    { "png", "image/png" },
    { "ppt", "application/vnd.ms-powerpoint" },
    { "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
    { "ps", "application/postscript" },
    { "rar", "application/vnd.rar" },
    { "rss", "application/rss+xml" },
    { "rtf", "application/rtf" },
    { "sh", "application/x-sh" },
    { "shtml", "text/html; charset=UTF-8" },
    { "sql", "application/sql" },
    { "svg", "image/svg+xml" },
    { "tar", "application/x-tar" },
    { "text", "text/plain; charset=UTF-8" },
    { "tgz", "application/gzip" },
    { "tif", "image/tiff" },
    { "tiff", "image/tiff" },
    { "toml", "application/toml" },
    { "ts", "video/mp2t" },
    { "tsv", "text/tab-separated-values; charset=UTF-8" },
    { "ttc", "font/collection" },
    { "ttf", "font/ttf" },
    { "txt", "text/plain; charset=UTF-8" },
    { "vcf", "text/vcard; charset=UTF-8" },
    { "vtt", "text/vtt; charset=UTF-8" },
    { "wasm", "application/wasm" },
    { "wav", "audio/wav" },
    { "weba", "audio/webm" },
    { "webm", "video/webm" },
    { "webmanifest", "application/manifest+json" },
    { "webp", "image/webp" },
    { "woff", "font/woff" },
    { "woff2", "font/woff2" },
    { "xht", "application/xhtml+xml" },
    { "xhtml", "application/xhtml+xml" },
    { "xls", "application/vnd.ms-excel" },
    { "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
    { "xml", "text/xml; charset=UTF-8" },
    { "xsl", "text/xml; charset=UTF-8" },
    { "xz", "application/x-xz" },
    { "yaml", "application/yaml" },
    { "yml", "application/yaml" },
    { "zip", "application/zip" },
    { "zst", "application/zstd" },
};

enum { LONGEST = sizeof(((row_t *)0)->extension) - 1 };

static int by_extension(const void *key, const void *row) {
    return strcmp(key, ((const row_t *)row)->extension);
}

const char *tc__content_type(const char *name) {
    char key[LONGEST + 1];
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strrchr(base, '.');
    size_t len = dot && dot > base ? strlen(dot + 1) : 0;
    const row_t *row = NULL;
    if (len > 0 && len <= LONGEST) {
        for (size_t i = 0; i <= len; i++)
            key[i] = tc__lower(dot[1 + i]);
        row = bsearch(key, table, sizeof table / sizeof table[0], sizeof table[0], by_extension);
    }
    return row ? row->type : "application/octet-stream";
}

/* ---- Those that shrink ---- */

static bool ends_with(tc_bytes_t text, tc_bytes_t end) {
    return text.len > end.len && tc__bytes_equal_nocase(tc_bytes(text.data + text.len - end.len, end.len), end);
}

bool tc__is_compressible(tc_bytes_t type) {
    static const char *const types[] = {
        "application/graphql",
        "application/javascript",
        "application/json",
        "application/jsonl",
        "application/rtf",
        "application/toml",
        "application/wasm",
        "application/x-javascript",
        "application/x-ndjson",
        "application/x-sh",
        "application/xml",
        "application/yaml",
        "application/x-yaml",
        "application/vnd.ms-fontobject",
        "font/collection",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/vnd.microsoft.icon",
        "image/x-icon",
    };
    const char *parameters = memchr(type.data, ';', type.len);
    if (parameters)
        type.len = (size_t)(parameters - type.data);
    type = tc__bytes_trim(type);
    if (type.len > 5 && tc__bytes_equal_nocase(tc_bytes(type.data, 5), tc_str("text/")))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (tc__bytes_equal_nocase(type, tc_str(types[i])))
            return true;
    return ends_with(type, tc_str("+json")) || ends_with(type, tc_str("+xml")) || ends_with(type, tc_str("+yaml"));
}
