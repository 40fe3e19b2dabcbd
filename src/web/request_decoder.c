/*
 * request_decoder.c - a body's content coding taken off while it arrives, for handlers that ask for it by
 * TC_DECOMPRESS. (Tornado: decompress_request)
 *
 * Few bytes may inflate to a thousand times as many. So it is what comes out that is held against the limit of a body,
 * piece by piece before anybody has it; the connection counts what comes in. And as the limit may be a large one, no
 * more than a bounded part of it is inflated in one turn of the loop, which others wait for; nor is more time taken,
 * whatever comes out in it.
 */
#include "web/request_internal.h"

#include <string.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"

/* In a turn of the loop, or once others have made it a long one. */
enum { MOST_PER_TURN = 256 * 1024, LATE_PER_TURN = 16 * 1024, NS_PER_TURN = 200000, LATE_NS_PER_TURN = 40000 };

/* ---- Which coding ---- */

/* The next element of a list, empty ones left out (RFC 9110 section 5.6.1); false: there is none. */
static bool next_element(tc_bytes_t *list, tc_bytes_t *element) {
    while (list->len > 0) {
        const char *comma = memchr(list->data, ',', list->len);
        size_t len = comma ? (size_t)(comma - list->data) : list->len, used = comma ? len + 1 : len;
        tc_bytes_t text = tc__bytes_trim(tc_bytes(list->data, len));
        *list = tc_bytes(list->data + used, list->len - used);
        if (text.len > 0) {
            *element = text;
            return true;
        }
    }
    return false;
}

/* 0: *gzip says whether it is that, or nothing; 415; TC_ENOMEM */
static int find_coding(tc_request_t *req, bool *gzip) {
    const tc__headers_t *headers = &req->in->headers;
    tc_bytes_t coding = tc_str("identity"), other;
    if (!tc__headers_has(headers, TC__HEADER_CONTENT_ENCODING))
        return 0;
    tc_bytes_t list = tc__headers_join(headers, tc__request_arena(req), tc_str("Content-Encoding"), ", ");
    if (!list.data)
        return TC_ENOMEM;
    next_element(&list, &coding);
    bool several = next_element(&list, &other);
    *gzip = tc__bytes_equal_nocase(coding, tc_str("gzip")) || tc__bytes_equal_nocase(coding, tc_str("x-gzip"));
    if (!several && (*gzip || tc__bytes_equal_nocase(coding, tc_str("identity"))))
        return 0;
    req->body.coding_refused = true; /* the answer says which one would not be (RFC 9110 section 15.5.16) */
    return tc_http_error(req, 415, "the body may be compressed by gzip only");
}

/* ---- Life ---- */

static void on_next_turn(tc__soon_t *soon) {
    tc__request_continue(tc__container_of(soon, tc__decoder_t, next_turn)->req);
}

int tc__decoder_new(tc__decoder_t **out, tc_request_t *req) {
    bool gzip = false;
    *out = NULL;
    if (!(req->endpoint->handler.flags & TC_DECOMPRESS) || req->in->content_length == 0)
        return 0;
    TC_TRY(find_coding(req, &gzip));
    if (!gzip)
        return 0;
    tc__decoder_t *decoder = tc__arena_calloc(tc__request_arena(req), sizeof *decoder);
    if (!decoder || !(decoder->gzip = tc__gzip_decompressor_new()))
        return TC_ENOMEM;
    decoder->req = req;
    decoder->limit = req->exchange->vtable->max_body_size(req->exchange);
    tc__soon_init(&decoder->next_turn, on_next_turn);
    *out = decoder;
    return 0;
}

void tc__decoder_free(tc__decoder_t *decoder) {
    if (!decoder)
        return;
    tc__soon_cancel(&decoder->next_turn);
    tc__gzip_decompressor_free(decoder->gzip);
}

/* ---- Decoding ---- */

/* No error of the handler's, also if its answer has begun and is cut. */
static int refuse(tc__decoder_t *decoder, int status, const char *why) {
    tc__request_refuse(decoder->req, status, tc_strdup(decoder->req, why));
    return status;
}

static int check(tc__decoder_t *decoder, int err) {
    return err == TC_EPROTO ? refuse(decoder, 400, tc_error_detail()) : err;
}

static uint64_t ns_per_turn(bool late) {
    return late ? LATE_NS_PER_TURN : NS_PER_TURN;
}

/* As tc__gzip_decompressor_feed, with what is left of the turn's time. */
static int inflate_in_time(tc__decoder_t *decoder, tc_bytes_t *piece) {
    uint64_t most = ns_per_turn(tc__ioloop_is_late(decoder->req->in->loop)), began = uv_hrtime();
    uint64_t left = most > decoder->ns_this_turn ? most - decoder->ns_this_turn : 0;
    int err = tc__gzip_decompressor_feed_until(decoder->gzip, &decoder->input, piece, began + left);
    decoder->ns_this_turn += uv_hrtime() - began;
    return err;
}

int tc__decoder_next(tc__decoder_t *decoder, tc_bytes_t *piece) {
    TC_TRY(check(decoder, inflate_in_time(decoder, piece)));
    decoder->full = piece->len == TC__GZIP_PIECE;
    decoder->len += piece->len;
    decoder->len_this_turn += piece->len;
    if (decoder->len > decoder->limit)
        return refuse(decoder, 413, "the body, decompressed, is larger than the limit");
    return 0;
}

bool tc__decoder_yields(tc__decoder_t *decoder) {
    bool late = tc__ioloop_is_late(decoder->req->in->loop);
    if (decoder->len_this_turn < (late ? LATE_PER_TURN : MOST_PER_TURN) && decoder->ns_this_turn < ns_per_turn(late))
        return false;
    decoder->len_this_turn = 0;
    decoder->ns_this_turn = 0;
    tc__soon_call(decoder->req->in->loop, &decoder->next_turn);
    return true;
}

int tc__decoder_end(tc__decoder_t *decoder) {
    return check(decoder, tc__gzip_decompressor_finish(decoder->gzip));
}
