/*
 * output_transform.c - what stands around the answers of handlers. (Tornado: OutputTransform)
 *
 * With it the chain is whole: what goes in passes the application's base first, what comes out passes it last.
 *
 *     admit, prepare      application's base --> groups' bases --> handler
 *                                                                     |  tc_write …
 *     transforms          application's base <-- groups' bases <-- handler's own
 *       (begin, chunk)            '--> compress_response --> the exchange
 *
 * Nothing is done until headers are about to go out. Then each transform in turn is asked by `begin` whether it takes
 * part; if so the output is taken away from the request piece by piece, and what `chunk` writes takes its place. Two
 * lists of segments change places for that, so an answer of any length needs no more.
 *
 * A transform that fails fails the answer. Two are left out instead, as long as no header is out, and the answer is
 * then as it was before them: compress_response, which nobody needs, and any that stands around the page of an error.
 */
#include "web/output_transform_internal.h"

#include <string.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

enum { UNKNOWN = -1, FIRST_SEGMENTS = 8 };

typedef struct {
    const tc_output_transform_t *of;
    void *data;
    bool begun;
    bool feeds; /* it is given the body */
} stage_t;

struct tc__transforms {
    bool running;      /* one of its callbacks is on the stack */
    bool whole;        /* nothing was flushed before the end */
    bool begun;        /* the headers have passed all stages */
    int64_t announced; /* the handler's own Content-Length, or UNKNOWN */
    int64_t taken;     /* bytes that the handler wrote, of those that were flushed */
    tc__segment_t *spare_segments;
    uint32_t spare_capacity;
    tc__headers_t headers; /* as they were before the stage that begins */
    bool default_type;
    int status;
    size_t count;
    stage_t stages[];
};

bool tc__request_is_whole(const tc_request_t *req) {
    return req->transforms->whole;
}

/* ---- Beginning ---- */

static int make_transforms(tc_request_t *req) {
    size_t count = 0;
    while (req->endpoint->transforms[count])
        count++;
    tc__arena_t *arena = tc__request_arena(req);
    tc__transforms_t *all = tc__arena_calloc(arena, sizeof *all + count * sizeof all->stages[0]);
    if (!all)
        return TC_ENOMEM;
    all->spare_segments = tc__arena_alloc(arena, FIRST_SEGMENTS * sizeof *all->spare_segments);
    if (!all->spare_segments)
        return TC_ENOMEM;
    all->spare_capacity = FIRST_SEGMENTS;
    all->count = count;
    for (size_t i = 0; i < count; i++)
        all->stages[i].of = req->endpoint->transforms[i];
    req->transforms = all;
    return 0;
}

/* The Content-Length that the handler has set; the connection says what is wrong with one that is no number. */
static int64_t announced_length(const tc_request_t *req) {
    const tc__header_t *field = tc__headers_first(&req->headers, TC__HEADER_CONTENT_LENGTH);
    uint64_t len;
    if (!field || tc__parse_uint64(tc_bytes(field->value, field->value_len), &len) < 0 || len > INT64_MAX)
        return UNKNOWN;
    return (int64_t)len;
}

/* ---- Leaving one out ---- */

static bool may_be_left_out(const tc_request_t *req, const stage_t *stage) {
    return !req->headers_sent && !req->finished && (req->failing || stage->of == &tc__compress_response);
}

static int save_headers(tc_request_t *req, tc__transforms_t *all) {
    size_t size = req->headers.count * sizeof(tc__header_t);
    tc__header_t *items = tc__arena_alloc(tc__request_arena(req), size);
    if (!items)
        return TC_ENOMEM;
    if (size > 0)
        memcpy(items, req->headers.items, size);
    all->headers = req->headers;
    all->headers.items = items;
    all->headers.capacity = req->headers.count;
    all->default_type = req->default_type;
    all->status = req->status;
    return 0;
}

static void leave_out(tc_request_t *req, tc__transforms_t *all, stage_t *stage, int err) {
    char text[TC__FAILURE_SIZE];
    if (stage->of != &tc__compress_response)
        tc__log(TC__LOG_APPLICATION, TC_LOG_WARNING, req, "%s %s: the page of an error goes without %s: %s",
                req->in->method, req->in->uri, stage->of->name, tc__request_failure_text(req, err, text));
    if (all->headers.items) {
        req->headers = all->headers;
        req->default_type = all->default_type;
        req->status = all->status;
    }
    tc__request_forget_error(req);
    stage->begun = true;
    stage->feeds = false;
}

/* ---- One stage ---- */

/* Words for the log; never NULL. */
static const char *explain(tc_request_t *req, const stage_t *stage, int err) {
    const char *said = tc__failure_words(err);
    const char *words = tc_sprintf(req, "output transform %s%s%s", stage->of->name, *said ? ": " : "", said);
    return words ? words : "";
}

/* What a callback has returned, and what its verbs have kept. */
static int judge(tc_request_t *req, const stage_t *stage, int err) {
    if (err > 0)
        err = tc__misuse(TC_EINVAL, "the output transform %s returned %d, which is neither 0 nor negative",
                         stage->of->name, err);
    if (req->finished && err == 0)
        err = TC_ECLOSED; /* cut, by a callback that should not have */
    return err == 0 ? req->kept_error : err;
}

static int begin(tc_request_t *req, stage_t *stage, int64_t size) {
    int err = 0;
    stage->begun = true;
    if (stage->of->data_size > 0 && !(stage->data = tc__arena_calloc(tc__request_arena(req), stage->of->data_size)))
        return TC_ENOMEM;
    if (stage->of->begin)
        err = stage->of->begin(req, stage->data, size);
    stage->feeds = err != TC_PASS && stage->of->chunk && req->status != 206 && req->status != 304;
    return judge(req, stage, err == TC_PASS ? 0 : err);
}

static void swap_segments(tc_request_t *req, tc__transforms_t *all) {
    tc__segment_t *segments = req->segments;
    uint32_t capacity = req->segment_capacity;
    req->segments = all->spare_segments;
    req->segment_capacity = all->spare_capacity;
    req->open_block = NULL;
    all->spare_segments = segments;
    all->spare_capacity = capacity;
}

static int feed_pieces(tc_request_t *req, const stage_t *stage, const tc__segment_t *input, uint32_t count,
                       tc_output_flush_t flush) {
    int err = 0;
    if (count == 0)
        err = judge(req, stage, stage->of->chunk(req, stage->data, tc_bytes("", 0), flush));
    for (uint32_t i = 0; i < count && err == 0; i++) {
        tc_output_flush_t then = i + 1 < count ? TC_OUTPUT_MORE : flush;
        err = judge(req, stage, stage->of->chunk(req, stage->data, input[i].bytes, then));
    }
    return err;
}

/* What was the output becomes the input. After a failure it is the output again. */
static int feed(tc_request_t *req, tc__transforms_t *all, const stage_t *stage, tc_output_flush_t flush) {
    uint32_t count = req->segment_count;
    if (count == 0 && flush == TC_OUTPUT_FLUSH)
        return 0;
    swap_segments(req, all);
    req->segment_count = 0;
    int err = feed_pieces(req, stage, all->spare_segments, count, flush);
    if (err == 0) {
        tc__segments_release(all->spare_segments, count);
    } else {
        tc__request_drop_output(req);
        swap_segments(req, all);
        req->segment_count = count;
    }
    return err;
}

/* Is the body given to those that want it? A HEAD needs its length alone, where that is what a GET would get. */
static bool body_passes(const tc_request_t *req, const tc__transforms_t *all) {
    if (req->in->method_id != TC__METHOD_HEAD)
        return true;
    return all->whole && (all->announced == UNKNOWN || all->announced == all->taken);
}

static int pass_stage(tc_request_t *req, tc__transforms_t *all, stage_t *stage, int64_t size, tc_output_flush_t flush) {
    if (req->sends_file && stage->of->chunk)
        return 0;
    bool dispensable = may_be_left_out(req, stage);
    int err = dispensable && !stage->begun ? save_headers(req, all) : 0;
    if (err == 0 && !stage->begun)
        err = begin(req, stage, size);
    if (err == 0 && stage->feeds && body_passes(req, all))
        err = feed(req, all, stage, flush);
    if (err < 0 && dispensable && !req->finished) {
        leave_out(req, all, stage, err);
        return 0;
    }
    if (err < 0 && req->kept_error == 0)
        tc__request_explain(req, err, explain(req, stage, err));
    return err;
}

/* ---- All of them ---- */

static bool any_feeds(const tc__transforms_t *all) {
    for (size_t i = 0; i < all->count; i++)
        if (all->stages[i].feeds)
            return true;
    return false;
}

static int pass(tc_request_t *req, tc__transforms_t *all, bool last) {
    int64_t len = (int64_t)tc__request_output_len(req);
    if (!all->begun) {
        all->whole = last;
        all->announced = announced_length(req);
    }
    all->taken += len;
    int64_t size = all->announced == UNKNOWN && all->whole ? len : all->announced;
    for (size_t i = 0; i < all->count; i++) {
        stage_t *stage = &all->stages[i];
        TC_TRY(pass_stage(req, all, stage, size, last ? TC_OUTPUT_FINISH : TC_OUTPUT_FLUSH));
        if (stage->feeds)
            size = all->whole && body_passes(req, all) ? (int64_t)tc__request_output_len(req) : UNKNOWN;
    }
    all->begun = true;
    return 0;
}

/* The exchange cannot do it any more: to it the length has changed. */
static int check_length(const tc_request_t *req, const tc__transforms_t *all, bool last) {
    bool wrong = last ? all->taken != all->announced : all->taken > all->announced;
    if (all->announced == UNKNOWN || req->in->method_id == TC__METHOD_HEAD || !wrong)
        return 0;
    return tc__misuse(TC_EINVAL, "%s %s: the handler's Content-Length is %lld, its body has %lld bytes",
                      req->in->method, req->in->uri, (long long)all->announced, (long long)all->taken);
}

static int transform(tc_request_t *req, tc__transforms_t *all, bool last) {
    TC_TRY(pass(req, all, last));
    if (!any_feeds(all))
        return 0;
    TC_TRY(check_length(req, all, last));
    if (req->headers_sent)
        return 0;
    tc__headers_remove(&req->headers, tc_str("Content-Length"));
    if (last && !body_passes(req, all))
        return tc__request_send_output(req, false); /* whoever sends all of it would count it */
    return 0;
}

static bool passes_none(int status) {
    return status == 204 || status == 205;
}

int tc__request_transform(tc_request_t *req, bool last) {
    tc__transforms_t *all = req->transforms;
    if (all && all->running)
        return tc__misuse(TC_EBUSY, "%s %s: an output transform flushes or finishes", req->in->method, req->in->uri);
    if (!req->exchange || req->untransformed || passes_none(req->status))
        return 0;
    int err = all ? 0 : make_transforms(req);
    if (err == 0) {
        all = req->transforms;
        all->running = true;
        err = transform(req, all, last);
        all->running = false;
    }
    if (err < 0)
        req->untransformed = true; /* the page of this failure goes without */
    return err;
}

/* ---- Registering ---- */

int tc__transform_copy(tc__arena_t *arena, const tc_output_transform_t **transform) {
    const tc_output_transform_t *of = *transform;
    if (!of)
        return 0;
    if (!of->begin && !of->chunk)
        return tc__misuse(TC_EINVAL, "an output transform has neither .begin nor .chunk");
    if (!tc__all_zero(of->reserved, sizeof of->reserved))
        return tc__misuse(TC_EINVAL, "tc_output_transform_t: `reserved` must be zero");
    const char *name = of->name ? of->name : "(no name)";
    tc_output_transform_t *copy = tc__arena_alloc(arena, sizeof *copy);
    if (copy) {
        *copy = *of;
        copy->name = tc__arena_strndup(arena, name, strlen(name));
    }
    if (!copy || !copy->name)
        return tc__fail(TC_ENOMEM, "an output transform: out of memory");
    *transform = copy;
    return 0;
}
