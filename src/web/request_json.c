/*
 * request_json.c - JSON in and out, by yyjson in the request's arena. (Tornado: write(dict), json_decode)
 *
 * yyjson leaves out what it could not allocate and writes the rest as if nothing had happened. The arena remembers that
 * an allocation failed, and tc_write_json then fails instead of sending half a document.
 */
#include "web/request_internal.h"

#include <string.h>
#include <yyjson.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/unconst_internal.h"

/* ---- yyjson's memory ---- */

static void *json_malloc(void *ctx, size_t size) {
    return tc__arena_alloc(ctx, size);
}

static void *json_realloc(void *ctx, void *data, size_t old_size, size_t size) {
    return tc__arena_realloc(ctx, data, old_size, size);
}

static void json_free(void *ctx, void *data) {
    (void)ctx;
    (void)data;
}

static yyjson_alc allocator_of(tc__arena_t *arena) {
    return (yyjson_alc){ json_malloc, json_realloc, json_free, arena };
}

/* ---- In ---- */

/* A tree takes many times the memory of its text: it counts among the bodies, unless it is small. */
typedef struct {
    tc_request_t *req;
    int outcome; /* of the last allocation that was counted */
} reading_t;

enum { MOST_UNCOUNTED = 4096 };

static bool may_have(reading_t *reading, size_t more) {
    reading->outcome = more > MOST_UNCOUNTED ? tc__body_charge(reading->req, more) : 0;
    return reading->outcome == 0;
}

static void *counted_malloc(void *ctx, size_t size) {
    reading_t *reading = ctx;
    return may_have(reading, size) ? tc__arena_alloc(tc__request_arena(reading->req), size) : NULL;
}

static void *counted_realloc(void *ctx, void *data, size_t old_size, size_t size) {
    reading_t *reading = ctx;
    bool granted = may_have(reading, size > old_size ? size - old_size : 0);
    return granted ? tc__arena_realloc(tc__request_arena(reading->req), data, old_size, size) : NULL;
}

/* "application/json" or "application/…+json", whatever the parameters. */
static bool is_json(tc_bytes_t type) {
    const char *end = memchr(type.data, ';', type.len);
    type = tc__bytes_trim(tc_bytes(type.data, end ? (size_t)(end - type.data) : type.len));
    if (tc__bytes_equal(type, tc_str("application/json")) || tc__bytes_equal_nocase(type, tc_str("application/json")))
        return true; /* the first is what nearly all say, and quick */
    tc_bytes_t suffix = tc_str("+json"), prefix = tc_str("application/");
    return type.len > prefix.len + suffix.len && tc__bytes_equal_nocase(tc_bytes(type.data, prefix.len), prefix) &&
           tc__bytes_equal_nocase(tc_bytes(type.data + type.len - suffix.len, suffix.len), suffix);
}

int tc_read_json(tc_request_t *req, yyjson_val **root) {
    if (!req || !root)
        return tc__misuse(TC_EINVAL, "tc_read_json: the request or the place for the result is NULL");
    tc_bytes_t type;
    if (tc__request_content_type(req, &type) < 0)
        return tc_http_error(req, 400, tc_error_detail());
    if (!is_json(type))
        return tc_http_error(req, 415, "the body must be application/json");
    tc_bytes_t body = tc_body(req);
    if (body.len > req->app->max_json) /* before a byte of it becomes a tree */
        return tc_http_error(req, 413, "the JSON is larger than the limit");
    reading_t reading = { .req = req }; /* ends with this call: the document is never freed by itself */
    yyjson_alc allocator = { counted_malloc, counted_realloc, json_free, &reading };
    yyjson_read_err err;
    yyjson_doc *doc = yyjson_read_opts(tc__unconst(body.data), body.len, YYJSON_READ_NOFLAG, &allocator, &err);
    if (!doc && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return reading.outcome ? reading.outcome : TC_ENOMEM;
    if (!doc)
        return tc_http_errorf(req, 400, "invalid JSON: %s at byte %zu", err.msg, err.pos);
    *root = yyjson_doc_get_root(doc);
    return 0;
}

/* ---- Out ---- */

yyjson_mut_doc *tc_json_new(tc_request_t *req) {
    if (!req) {
        tc__misuse(TC_EINVAL, "tc_json_new: the request is NULL");
        return NULL;
    }
    yyjson_alc allocator = allocator_of(tc__request_arena(req));
    yyjson_mut_doc *doc = yyjson_mut_doc_new(&allocator);
    if (!doc)
        tc__request_keep_error(req, TC_ENOMEM);
    return doc;
}

/* The text goes with the request, but counts as its memory. */
static void keep(void *arena) {
    (void)arena;
}

/* Many times as fast as memmem. */
static const char *find_end_tag(const char *at, const char *end) {
    while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        if (end - at > 1 && at[1] == '/')
            return at;
        at++;
    }
    return NULL;
}

/* "</" as "<\/", so that the text may stand in a page's script element. It occurs in strings only. */
static int write_safely(tc_request_t *req, tc_bytes_t text) {
    const char *at = text.data, *end = text.data + text.len, *found;
    while ((found = find_end_tag(at, end)) != NULL) {
        TC_TRY(tc_write_bytes(req, tc_bytes(at, (size_t)(found - at) + 1)));
        TC_TRY(tc_write_bytes(req, tc_bytes("\\", 1)));
        at = found + 1;
    }
    return at == text.data ? tc_write_owned(req, text, keep, tc__request_arena(req))
                           : tc_write_bytes(req, tc_bytes(at, (size_t)(end - at)));
}

static int put_type(tc_request_t *req) {
    static const char name[] = "Content-Type", type[] = "application/json; charset=UTF-8";
    req->default_type = false;
    bool put = tc__headers_append(&req->headers, tc__request_arena(req), tc_bytes(name, sizeof name - 1),
                                  tc_bytes(type, sizeof type - 1));
    return put ? 0 : tc__request_keep_error(req, TC_ENOMEM);
}

/* In the arena, as yyjson writes it. A failure is kept. */
static int make_text(tc_request_t *req, const yyjson_mut_doc *doc, const char *verb, tc_bytes_t *out) {
    tc__arena_t *arena = tc__request_arena(req);
    *out = tc_bytes("", 0);
    if (!doc || arena->failed)
        return tc__request_keep_error(req, tc__fail(TC_ENOMEM, "%s: out of memory for the document", verb));
    yyjson_alc allocator = allocator_of(arena);
    yyjson_write_err err;
    size_t len;
    char *text = yyjson_mut_write_opts(doc, YYJSON_WRITE_NOFLAG, &allocator, &len, &err);
    if (!text)
        return tc__request_keep_error(
            req, err.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION
                     ? TC_ENOMEM
                     : tc__misuse(TC_EJSON, "%s: the document cannot be written: %s", verb, err.msg));
    *out = tc_bytes(text, len);
    return 0;
}

int tc_write_json(tc_request_t *req, const yyjson_mut_doc *doc) {
    tc_bytes_t text;
    TC_TRY(tc__request_check_writable(req, "tc_write_json"));
    TC_TRY(make_text(req, doc, "tc_write_json", &text));
    if (!req->headers_sent && (req->default_type || !tc__headers_has(&req->headers, TC__HEADER_CONTENT_TYPE)))
        TC_TRY(put_type(req));
    return write_safely(req, text);
}

const char *tc_json_encode(tc_request_t *req, const yyjson_mut_doc *doc) {
    tc_bytes_t text;
    size_t count = 0;
    if (!req) {
        tc__misuse(TC_EINVAL, "tc_json_encode: the request is NULL");
        return NULL;
    }
    if (make_text(req, doc, "tc_json_encode", &text) < 0)
        return NULL;
    for (const char *at = text.data; (at = strstr(at, "</")) != NULL; at++)
        count++;
    if (count == 0)
        return text.data;
    char *safe = tc_alloc(req, text.len + count + 1), *out = safe;
    if (!safe) {
        tc__request_keep_error(req, TC_ENOMEM);
        return NULL;
    }
    for (const char *at = text.data; *at; at++) {
        *out++ = *at;
        if (at[0] == '<' && at[1] == '/')
            *out++ = '\\';
    }
    *out = '\0';
    return safe;
}
