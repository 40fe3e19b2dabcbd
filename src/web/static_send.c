/*
 * static_send.c - the body of a static answer: a whole file, a range of it, or several (multipart/byteranges, RFC 9110
 * section 14.6).
 *
 * What is in memory is lent to the answer. What has a descriptor goes in rounds of half a megabyte: a round is queued,
 * and the next one when all of it is with the system, so a client that does not read holds nothing but its place.
 * Before a piece is queued it must be in the page cache, or a thread of files reads it there: then the loop that sends
 * it waits for no disk.
 *
 *   send_more --[not in the cache]--> a thread reads it --[on_warm]--> send_more
 *       |-------[a round is queued]--> the stream drains --[on_sent]--> send_more
 *       '-------[all is queued]--> 0, the end of the answer
 */
#include "web/static_private.h"

#include <stdio.h>
#include <string.h>

#include "async/future_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/file_calls_internal.h"
#include "util/hash_internal.h"

enum {
    ROUND = 512 * 1024, /* much more than one burst, so that what waits for its end is told */
    READ_SIZE = 64 * 1024
};

typedef struct {
    tc_bytes_t text;     /* that goes before */
    uint64_t first, len; /* of the file, still to go */
} part_t;

typedef struct {
    tc__static_file_t *file;
    const tc__static_variant_t *variant;
    part_t *parts;
    int count, index;
    size_t queued; /* in this round */
} sending_t;

/* ---- Reading ahead ---- */

typedef struct {
    tc__static_file_t *file; /* counted */
    int fd;
    uint64_t at;
    size_t len;
} warming_t;

static void free_warming(void *arg) {
    warming_t *warming = arg;
    tc__static_file_unref(warming->file);
    tc__free(warming);
}

/* Whether the file ends early is found out by whoever sends it. */
static int warm(void *arg, void **out) {
    (void)out;
    const warming_t *warming = arg;
    char *buffer = tc__malloc(READ_SIZE);
    ssize_t n = buffer ? 0 : TC_ENOMEM;
    for (size_t done = 0; n >= 0 && done < warming->len; done += READ_SIZE) {
        n = tc__file_pread(warming->fd, buffer, READ_SIZE, warming->at + done);
        if (n < READ_SIZE)
            break;
    }
    tc__free(buffer);
    return n < 0 ? (int)n : 0;
}

static tc_future_t *start_warming(tc_request_t *req, const sending_t *sending, uint64_t at, size_t len) {
    warming_t *warming = tc__malloc(sizeof *warming);
    if (!warming)
        return NULL;
    *warming = (warming_t){ tc__static_file_ref(sending->file), sending->variant->fd, at, len };
    return tc__run_file_work(req->in->loop, warm, warming, free_warming);
}

/* ---- Sending ---- */

static int send_more(tc_request_t *req, sending_t *sending, bool warmed);

static int on_sent(tc_request_t *req, tc_future_t *future, void *arg) {
    sending_t *sending = arg;
    TC_TRY(tc_future_status(future));
    sending->queued = 0;
    return send_more(req, sending, false);
}

/* Perhaps all of this round has gone meanwhile. */
static int on_warm(tc_request_t *req, tc_future_t *future, void *arg) {
    sending_t *sending = arg;
    TC_TRY(tc_future_status(future));
    if (tc_closed(req))
        return TC_ECLOSED;
    sending->queued = 0;
    return send_more(req, sending, true);
}

static int send_piece(tc_request_t *req, sending_t *sending, part_t *part, size_t len) {
    tc__file_piece_t piece = { sending->variant->fd, part->first, len, tc__static_file_unref,
                               tc__static_file_ref(sending->file) };
    TC_TRY(tc__request_send_file(req, &piece));
    part->first += len;
    part->len -= len;
    sending->queued += len;
    return 0;
}

static int send_text(tc_request_t *req, part_t *part) {
    tc_bytes_t text = part->text;
    part->text.len = 0;
    if (text.len == 0)
        return 0;
    TC_TRY(tc_write_borrowed(req, text));
    return tc_flush(req);
}

static int send_more(tc_request_t *req, sending_t *sending, bool warmed) {
    while (sending->index < sending->count) {
        part_t *part = &sending->parts[sending->index];
        TC_TRY(send_text(req, part));
        if (part->len == 0) {
            sending->index++;
            continue;
        }
        size_t room = ROUND - sending->queued, len = part->len < room ? (size_t)part->len : room;
        if (!warmed && !tc__file_in_memory(sending->variant->fd, part->first, len))
            return tc_then(req, start_warming(req, sending, part->first, len), on_warm, sending);
        warmed = false;
        TC_TRY(send_piece(req, sending, part, len));
        if (sending->queued == ROUND)
            return tc_then(req, tc__request_sent(req), on_sent, sending);
    }
    return 0;
}

/* ---- What is to be sent ---- */

static int set_content_length(tc_request_t *req, uint64_t len) {
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)len);
    return tc_set_header(req, "Content-Length", text);
}

static const char *content_range(tc_request_t *req, const tc__byte_range_t *range, uint64_t size) {
    return tc_sprintf(req, "bytes %llu-%llu/%llu", (unsigned long long)range->first,
                      (unsigned long long)(range->first + range->len - 1), (unsigned long long)size);
}

static const char *type_of(const tc_request_t *req) {
    const tc__header_t *field = tc__headers_first(&req->headers, TC__HEADER_CONTENT_TYPE);
    return field ? field->value : "application/octet-stream";
}

/* Nobody who writes files can know it, so it does not stand in them. */
static const char *new_boundary(tc_request_t *req) {
    static _Atomic uint64_t counter;
    uint64_t seed[2] = { atomic_fetch_add(&counter, 1), uv_hrtime() };
    return tc_sprintf(req, "%016llx", (unsigned long long)tc__hash(tc_bytes(seed, sizeof seed)));
}

/* Each range with its own head, and a part without a range at the end. */
static part_t *multipart(tc_request_t *req, const tc__static_variant_t *variant, const tc__byte_range_t *ranges,
                         int count) {
    const char *boundary = new_boundary(req), *type = type_of(req);
    part_t *parts = tc_alloc(req, ((size_t)count + 1) * sizeof *parts);
    const char *whole_type = boundary ? tc_sprintf(req, "multipart/byteranges; boundary=%s", boundary) : NULL;
    if (!parts || !whole_type)
        return NULL;
    for (int i = 0; i <= count; i++) {
        const char *range = i < count ? content_range(req, &ranges[i], variant->size) : NULL;
        char *text = range ? tc_sprintf(req, "%s--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n",
                                        i > 0 ? "\r\n" : "", boundary, type, range)
                           : tc_sprintf(req, "\r\n--%s--\r\n", boundary);
        if (!text || (i < count && !range))
            return NULL;
        parts[i] = (part_t){ .text = tc_str(text) };
        if (i < count) {
            parts[i].first = ranges[i].first;
            parts[i].len = ranges[i].len;
        }
    }
    return tc_set_header(req, "Content-Type", whole_type) == 0 ? parts : NULL;
}

static part_t *single(tc_request_t *req, uint64_t first, uint64_t len) {
    part_t *part = tc_alloc(req, sizeof *part);
    if (part)
        *part = (part_t){ .first = first, .len = len };
    return part;
}

static int write_from_memory(tc_request_t *req, const tc__static_variant_t *variant, const part_t *parts, int count) {
    for (int i = 0; i < count; i++) {
        TC_TRY(tc_write_borrowed(req, parts[i].text));
        TC_TRY(tc_write_borrowed(req, tc_bytes(variant->content + parts[i].first, (size_t)parts[i].len)));
    }
    return 0;
}

static int send_parts(tc_request_t *req, tc__static_file_t *file, const tc__static_variant_t *variant, part_t *parts,
                      int count) {
    uint64_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].text.len + parts[i].len;
    if (variant->content)
        return write_from_memory(req, variant, parts, count);
    tc__request_sends_file(req);
    TC_TRY(set_content_length(req, len));
    sending_t *sending = tc_alloc(req, sizeof *sending);
    if (!sending)
        return TC_ENOMEM;
    if (req->in->method_id == TC__METHOD_HEAD)
        return 0;
    *sending = (sending_t){ file, variant, parts, count, 0, 0 };
    TC_TRY(tc_flush(req));
    return send_more(req, sending, false);
}

int tc__static_send(tc_request_t *req, tc__static_file_t *file, const tc__static_variant_t *variant,
                    const tc__byte_range_t *ranges, int count) {
    if (count == 0 && variant->content) /* nearly always */
        return tc_write_borrowed(req, tc_bytes(variant->content, (size_t)variant->size));
    if (count > 0)
        TC_TRY(tc_set_status(req, 206));
    if (count > 1) {
        part_t *parts = multipart(req, variant, ranges, count);
        return parts ? send_parts(req, file, variant, parts, count + 1) : TC_ENOMEM;
    }
    const char *range = count > 0 ? content_range(req, ranges, variant->size) : NULL;
    if (count > 0 && !range)
        return TC_ENOMEM;
    if (range)
        TC_TRY(tc_set_header(req, "Content-Range", range));
    part_t *part = single(req, count > 0 ? ranges->first : 0, count > 0 ? ranges->len : variant->size);
    return part ? send_parts(req, file, variant, part, 1) : TC_ENOMEM;
}
