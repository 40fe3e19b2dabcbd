/*
 * compress_response.c - answers that are compressed, for clients that take that. (Tornado: GZipContentEncoding)
 *
 * The last of the output transforms: it may be left out of any answer, and so it is where memory is short. What takes
 * part keeps a compressor from its beginning to its end: a whole body for no longer than it takes to go through it, a
 * stream as long as it lives. Each loop keeps some that are idle, and counts what all of its own take; beyond the limit
 * answers go out as they are.
 *
 * The coding is chosen by the weights that the client gives. Among equals a whole body is sent as br, which is smaller,
 * a stream as gzip, whose memory is.
 */
#include <string.h>

#include "http/compressor_internal.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "web/content_type_internal.h"
#include "web/output_transform_internal.h"

enum { MIN_SIZE = 1024, MAX_IDLE = 8 };

typedef struct {
    size_t refs;     /* the loop's, and one for each compressor that is in use */
    size_t held;     /* bytes of all compressors */
    tc__list_t idle; /* newest first */
    size_t idle_count;
} keeper_t;

typedef struct {
    keeper_t *keeper;
    tc__compressor_t *compressor; /* NULL: it was given back */
} state_t;

/* ---- Compressors of a loop ---- */

static tc__compressor_t *by_node(tc__list_t *node) {
    return tc__container_of(node, tc__compressor_t, node);
}

static tc__compressor_t *take_out(keeper_t *keeper, tc__compressor_t *compressor) {
    tc__list_remove(&compressor->node);
    keeper->idle_count--;
    return compressor;
}

static void free_idle(keeper_t *keeper) {
    while (!tc__list_empty(&keeper->idle))
        tc__compressor_free(take_out(keeper, by_node(keeper->idle.next)));
}

static void unref_keeper(void *data) {
    keeper_t *keeper = data;
    if (--keeper->refs > 0)
        return;
    free_idle(keeper);
    tc__free(keeper);
}

static keeper_t *keeper_of(tc_ioloop_t *loop) {
    keeper_t *keeper = tc__ioloop_local(loop, TC__LOCAL_COMPRESSORS);
    if (!keeper && (keeper = tc__calloc(1, sizeof *keeper))) {
        keeper->refs = 1;
        tc__list_init(&keeper->idle);
        tc__ioloop_set_local(loop, TC__LOCAL_COMPRESSORS, keeper, unref_keeper);
    }
    return keeper;
}

static bool same_kind(const tc__compressor_kind_t *a, const tc__compressor_kind_t *b) {
    return a->coding == b->coding && a->streams == b->streams && a->level == b->level;
}

static tc__compressor_t *find_idle(keeper_t *keeper, const tc__compressor_kind_t *kind) {
    for (tc__list_t *node = keeper->idle.next; node != &keeper->idle; node = node->next)
        if (same_kind(&by_node(node)->kind, kind))
            return take_out(keeper, by_node(node));
    return NULL;
}

/* NULL: there is no memory for it, or it would be too much. */
static tc__compressor_t *acquire(keeper_t *keeper, const tc__compressor_kind_t *kind, size_t limit) {
    tc__compressor_t *compressor = find_idle(keeper, kind);
    if (compressor) {
        if (tc__compressor_reset(compressor) == 0)
            return compressor;
        tc__compressor_free(compressor);
    }
    size_t size = tc__compressor_size(kind);
    if (keeper->held + size > limit)
        free_idle(keeper);
    return keeper->held + size > limit ? NULL : tc__compressor_new(kind, &keeper->held);
}

/* One of br is of no use a second time. */
static void give_back(void *data) {
    state_t *state = data;
    keeper_t *keeper = state->keeper;
    tc__compressor_t *compressor = state->compressor;
    if (!compressor)
        return;
    state->compressor = NULL;
    if (compressor->kind.coding == TC__CODING_BR || keeper->idle_count == MAX_IDLE) {
        tc__compressor_free(compressor);
    } else {
        tc__list_push(keeper->idle.next, &compressor->node);
        keeper->idle_count++;
    }
    unref_keeper(keeper);
}

static int begin_coding(tc_request_t *req, state_t *state, tc__coding_t coding) {
    const tc_application_t *app = req->app;
    tc__compressor_kind_t kind = { coding, !tc__request_is_whole(req), app->compress_level };
    keeper_t *keeper = keeper_of(req->in->loop);
    tc__compressor_t *compressor = keeper ? acquire(keeper, &kind, app->max_compress_memory) : NULL;
    if (!compressor)
        return TC_PASS;
    *state = (state_t){ keeper, compressor };
    keeper->refs++;
    return tc_on_cleanup(req, give_back, state);
}

/* ---- Headers ---- */

/* Is it of a type that shrinks, and may it be changed (RFC 9110 section 7.7)? */
static bool may_be_compressed(const tc_request_t *req) {
    const tc__headers_t *headers = &req->headers;
    const tc__header_t *type = tc__headers_first(headers, TC__HEADER_CONTENT_TYPE);
    bool shrinks = req->default_type || (type && tc__is_compressible(tc_bytes(type->value, type->value_len)));
    return shrinks && !tc__headers_has(headers, TC__HEADER_CONTENT_ENCODING) &&
           !tc__headers_list_has(headers, TC__HEADER_CACHE_CONTROL, "no-transform");
}

/* Caches must know that there are several of it, whichever this one is (RFC 9110 section 12.5.5). */
static int add_vary(tc_request_t *req) {
    static const char name[] = "Vary", field[] = "Accept-Encoding";
    tc__headers_t *headers = &req->headers;
    tc__arena_t *arena = tc__request_arena(req);
    if (tc__headers_list_has(headers, TC__HEADER_VARY, field) || tc__headers_list_has(headers, TC__HEADER_VARY, "*"))
        return 0;
    if (!tc__headers_has(headers, TC__HEADER_VARY))
        return tc__headers_append(headers, arena, tc_str(name), tc_str(field)) ? 0 : TC_ENOMEM;
    tc_bytes_t old = tc__headers_join(headers, arena, tc_str(name), ", ");
    const char *value = old.data ? tc_sprintf(req, TC_FMT ", %s", TC_ARG(old), field) : NULL;
    return value ? tc__headers_set(headers, arena, name, value) : TC_ENOMEM;
}

/* The ETag as that of the compressed answer, which is another sequence of bytes (RFC 9110 section 8.8.3). NULL: there
 * is none that would have to change; or out of memory, with an error. */
static int weak_etag(tc_request_t *req, const char **out) {
    const tc__header_t *etag = tc__headers_first(&req->headers, TC__HEADER_ETAG);
    *out = NULL;
    if (!etag || etag->value_len == 0 || etag->value[0] != '"')
        return 0;
    *out = tc_sprintf(req, "W/" TC_FMT, TC_ARG(tc_bytes(etag->value, etag->value_len)));
    return *out ? 0 : TC_ENOMEM;
}

/* What the client has is the answer under the name that it got it with. */
static int name_as_client_does(tc_request_t *req) {
    const char *weak, *has = tc_header(req, "If-None-Match");
    TC_TRY(weak_etag(req, &weak));
    if (!weak || !has || !strstr(has, weak))
        return 0;
    return tc__headers_set(&req->headers, tc__request_arena(req), "ETag", weak);
}

static int set_headers(tc_request_t *req, tc__coding_t coding) {
    tc__headers_t *headers = &req->headers;
    tc__arena_t *arena = tc__request_arena(req);
    const char *weak;
    TC_TRY(weak_etag(req, &weak));
    if (weak)
        TC_TRY(tc__headers_set(headers, arena, "ETag", weak));
    tc__headers_remove(headers, tc_str("Accept-Ranges")); /* those are of the other sequence of bytes */
    tc_bytes_t name = tc_str("Content-Encoding"), value = tc_str(tc__coding_names[coding]);
    return tc__headers_append(headers, arena, name, value) ? 0 : TC_ENOMEM;
}

static tc__coding_t choose_coding(const tc_request_t *req) {
    static const tc__coding_t whole[] = { TC__CODING_BR, TC__CODING_GZIP };
    static const tc__coding_t streamed[] = { TC__CODING_GZIP, TC__CODING_BR };
    const tc__coding_t *codings = tc__request_is_whole(req) ? whole : streamed;
    uint16_t weights[TC__CODING_COUNT];
    tc__coding_t best = TC__CODING_IDENTITY;
    tc__accept_encoding_parse(tc_str(tc_header(req, "Accept-Encoding")), weights);
    for (int i = 0; i < 2; i++) {
        uint16_t weight = tc__compressor_knows(codings[i]) ? weights[codings[i]] : 0;
        bool before = best == TC__CODING_IDENTITY ? weight >= weights[best] : weight > weights[best];
        if (weight > 0 && before)
            best = codings[i];
    }
    return best;
}

/* ---- The transform ---- */

static int begin(tc_request_t *req, void *data, int64_t size) {
    if (!may_be_compressed(req))
        return TC_PASS;
    TC_TRY(add_vary(req));
    if (req->status == 304)
        TC_TRY(name_as_client_does(req));
    if (req->status == 304 || req->status == 206 || (size >= 0 && size < MIN_SIZE))
        return TC_PASS;
    tc__coding_t coding = choose_coding(req);
    if (coding == TC__CODING_IDENTITY)
        return TC_PASS;
    TC_TRY(begin_coding(req, data, coding));
    return set_headers(req, coding);
}

/* Into the output's own blocks, so that nothing is copied. */
static int chunk(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush) {
    static const tc__compress_t what[] = { TC__COMPRESS_MORE, TC__COMPRESS_FLUSH, TC__COMPRESS_FINISH };
    state_t *state = data;
    size_t room;
    ssize_t len;
    do {
        char *out = tc__request_output_room(req, &room);
        if (!out)
            return TC_ENOMEM;
        len = tc__compressor_feed(state->compressor, &bytes, what[flush], out, room);
        if (len < 0)
            return TC_ENOMEM;
        tc__request_output_commit(req, (size_t)len);
    } while ((size_t)len == room);
    if (flush == TC_OUTPUT_FINISH)
        give_back(state);
    return 0;
}

const tc_output_transform_t tc__compress_response = {
    .name = "compress_response",
    .data_size = sizeof(state_t),
    .begin = begin,
    .chunk = chunk,
};
