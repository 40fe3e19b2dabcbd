/*
 * http1_chunks.c - a body's own framing: chunk lines, extensions and trailers. (Tornado: _read_chunked_body)
 *
 * llhttp judges every byte of it; here is counted what of a body is not data, and trailers are gathered. Extensions and
 * trailers have one budget per body, for both are read for nothing if nobody wants them. A chunk line within
 * FREE_PER_LINE is not counted: else many small chunks could not be told from an attack. What it leaves of that is
 * lost, so that no number of chunks saves up room for a trailer.
 *
 * The parser stops behind the line of the last chunk, so that what follows is known to be the trailer section. That is
 * gathered like a head and taken apart by the same pass once it is complete; a body without trailers gathers nothing.
 * A chunk larger than what is left of the body's limit is refused by its line, whether or not its bytes ever come.
 */
#include "http/http1_private.h"

#include <string.h>

#include "http/trailer_fields_internal.h"

enum { FREE_PER_LINE = 12 }; /* bytes of a chunk line, with the line end of the chunk before */

/* ---- Parser callbacks: they only take notes ---- */

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    tc__http1_message_t *message = parser->data;
    if (len == 0) /* the parser was only asked whether this is the end */
        return 0;
    message->chunk = tc_bytes(at, len);
    message->events |= TC__EVENT_BODY;
    return HPE_PAUSED;
}

static int on_chunk_header(llhttp_t *parser) {
    tc__http1_message_t *message = parser->data;
    message->chunk_line_done = true;
    message->last_chunk = parser->content_length == 0;
    if (message->last_chunk)
        return HPE_PAUSED;
    return parser->content_length > message->body_limit - message->body_len ? -1 : 0;
}

/* llhttp passes names and values that are empty, quotes inside a token, and DEL inside quotes (RFC 9112 section 7.1.1).
 */
static int on_extension_name(llhttp_t *parser, const char *at, size_t len) {
    tc__http1_message_t *message = parser->data;
    (void)at;
    message->extension_len += len;
    return 0;
}

static int on_extension_value(llhttp_t *parser, const char *at, size_t len) {
    tc__http1_message_t *message = parser->data;
    if (message->extension_len == 0 && len > 0)
        message->extension_quoted = *at == '"';
    message->extension_len += len;
    bool bad = memchr(at, 0x7f, len) || (!message->extension_quoted && memchr(at, '"', len));
    return bad ? HPE_USER : 0;
}

static int on_extension_end(llhttp_t *parser) {
    tc__http1_message_t *message = parser->data;
    uint64_t len = message->extension_len;
    message->extension_len = 0;
    return len > 0 ? 0 : HPE_USER;
}

const llhttp_settings_t tc__http1_body_settings = {
    .on_body = on_body,
    .on_chunk_extension_name = on_extension_name,
    .on_chunk_extension_name_complete = on_extension_end,
    .on_chunk_extension_value = on_extension_value,
    .on_chunk_extension_value_complete = on_extension_end,
    .on_chunk_header = on_chunk_header,
    .on_message_complete = tc__http1_on_message_complete,
};

/* ---- Trailers ---- */

/* The gathered section, well formed by llhttp's word: keep what may be given, in place. 0, or the status that refuses
 * it. */
static int read_trailers(tc__http1_message_t *message) {
    tc__server_request_t *request = message->request;
    tc__headers_t fields;
    tc__headers_init(&fields);
    int status = tc__http1_read_fields(message, &fields, message->trailers.data,
                                       message->trailers.data + message->trailers.len);
    if (status != 0)
        return status;
    request->trailers = fields.items;
    for (size_t i = 0; i < fields.count; i++) {
        tc__trailer_kind_t kind = tc__trailer_kind(tc_bytes(fields.items[i].name, fields.items[i].name_len));
        if (kind == TC__TRAILER_FRAMES)
            return 400;
        if (kind == TC__TRAILER_FINE)
            request->trailers[request->trailer_count++] = fields.items[i];
    }
    return 0;
}

/* A name never begins with a line end: a section that does is empty. */
static int take_trailers(tc__http1_message_t *message, const char *at, size_t len) {
    bool empty = message->trailers.len == 0 && (len == 0 || *at == '\r' || *at == '\n');
    if (empty)
        return 0;
    if (tc__http1_gather(message, &message->trailers, at, len) < 0)
        return 503;
    return message->events & TC__EVENT_END ? read_trailers(message) : 0;
}

/* ---- The budget ---- */

static bool is_over_budget(tc__http1_message_t *message, size_t len) {
    message->line_len += len;
    uint64_t spent = message->line_len > FREE_PER_LINE ? message->line_len - FREE_PER_LINE : 0;
    if (message->framing_len + spent > message->connection->params->max_trailer_size)
        return true;
    if (message->chunk_line_done) {
        message->framing_len += spent;
        message->line_len = 0;
    }
    return false;
}

int tc__http1_take_framing(tc__http1_message_t *message, const char *at, const char *stop) {
    size_t len = (size_t)(stop - at) - message->chunk.len;
    if (is_over_budget(message, len))
        return 431;
    bool in_trailers = message->last_chunk && !message->chunk_line_done;
    message->chunk_line_done = false;
    return in_trailers ? take_trailers(message, at, len) : 0;
}
