/*
 * http1_response.c - what goes out on an HTTP/1.x connection. (Tornado: http1connection, the writing half)
 *
 * A head is built in place in the stream's cork, from ready pieces: no formatting, no copy. Its framing is decided once
 * (RFC 9112 section 6.3): no body for HEAD, 204 and 304; Content-Length if the whole body is at hand or a header
 * announces it, unless trailers are to follow; chunks for HTTP/1.1; else the end of the connection. What a handler
 * announces is counted: a body that would break its own Content-Length never looks like a valid message.
 */
#include "http/http1_private.h"

#include <stdio.h>
#include <string.h>

#include <tornadoc/httputil.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

enum { MAX_SKIPPED_BODY = 64 * 1024, MAX_WHOLE = 4096, NO_METHOD = -1 };

static tc__http1connection_t *of(const tc__exchange_t *exchange) {
    return tc__container_of(exchange, tc__http1connection_t, exchange);
}

static char *put(char *out, const char *data, size_t len) {
    memcpy(out, data, len);
    return out + len;
}
#define PUT(out, text) put(out, text, sizeof text - 1)

static void release(const tc__segment_t *body, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (body[i].free_fn)
            body[i].free_fn(body[i].owner);
}

static size_t total_len(const tc__segment_t *body, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += body[i].bytes.len;
    return len;
}

/* ---- The head ---- */

static char *put_status_line(char *out, int status, const char *reason) {
    if (!reason)
        reason = tc_http_reason(status);
    out = PUT(out, "HTTP/1.1 ");
    out = tc__format_uint64(out, (uint64_t)status);
    *out++ = ' ';
    out = put(out, reason, strlen(reason));
    return PUT(out, "\r\n");
}

static char *put_server(char *out, tc_bytes_t server) {
    if (server.len == 0)
        return out;
    out = PUT(out, "Server: ");
    out = put(out, server.data, server.len);
    return PUT(out, "\r\n");
}

static char *put_date(char *out, tc_ioloop_t *loop) {
    out = PUT(out, "Date: ");
    out = put(out, tc__ioloop_date(loop), TC__DATE_LEN);
    return PUT(out, "\r\n");
}

/* The first lines of nearly every answer, made once a second. */
static char *put_usual_prefix(char *out, tc__http1connection_t *connection) {
    tc_ioloop_t *loop = tc__http1_loop(connection);
    tc__http1_local_t *local = tc__ioloop_local(loop, TC__LOCAL_HTTP);
    tc__ioloop_date(loop);
    if (local->prefix_second != loop->date.seconds || local->prefix_params != connection->params) {
        char *end = put_status_line(local->prefix, 200, NULL);
        end = put_server(end, connection->params->server_name);
        end = put_date(end, loop);
        local->prefix_len = (size_t)(end - local->prefix);
        local->prefix_second = loop->date.seconds;
        local->prefix_params = connection->params;
    }
    return put(out, local->prefix, local->prefix_len);
}

/* The status line, Server and Date, unless the handler has set its own. */
static char *put_prefix(char *out, tc__http1connection_t *connection, const tc__response_head_t *head) {
    bool own_server = head->headers && tc__headers_has(head->headers, TC__HEADER_SERVER);
    bool own_date = head->headers && tc__headers_has(head->headers, TC__HEADER_DATE);
    if (head->status == 200 && !head->reason && !own_server && !own_date)
        return put_usual_prefix(out, connection);
    out = put_status_line(out, head->status, head->reason);
    if (!own_server)
        out = put_server(out, connection->params->server_name);
    return own_date ? out : put_date(out, tc__http1_loop(connection));
}

static char *put_field(char *out, const tc__header_t *field) {
    out = put(out, field->name, field->name_len);
    out = PUT(out, ": ");
    out = put(out, field->value, field->value_len);
    return PUT(out, "\r\n");
}

static char *put_content_length(char *out, uint64_t len) {
    out = PUT(out, "Content-Length: ");
    out = tc__format_uint64(out, len);
    return PUT(out, "\r\n");
}

/* The connection's own fields are never the handler's. */
static bool is_hop_by_hop(uint8_t id) {
    return id == TC__HEADER_CONNECTION || id == TC__HEADER_TRANSFER_ENCODING || id == TC__HEADER_KEEP_ALIVE;
}

static char *put_fields(char *out, const tc__http1_message_t *message, const tc__headers_t *headers, int status) {
    for (size_t i = 0; i < headers->count; i++) {
        const tc__header_t *field = &headers->items[i];
        bool no_length = message->chunked || status == 204 || status == 101;
        if (is_hop_by_hop(field->id) || (field->id == TC__HEADER_CONTENT_LENGTH && no_length))
            continue;
        out = put_field(out, field);
    }
    return out;
}

static bool has_trailers(const tc__http1_message_t *message) {
    return message->reply_trailers && message->reply_trailers->count > 0;
}

/* What is known of the trailers by now (RFC 9110 section 6.6.2), unless the handler has told it itself. */
static char *put_trailer_names(char *out, const tc__headers_t *trailers) {
    out = PUT(out, "Trailer: ");
    for (size_t i = 0; i < trailers->count; i++) {
        if (i > 0)
            out = PUT(out, ", ");
        out = put(out, trailers->items[i].name, trailers->items[i].name_len);
    }
    return PUT(out, "\r\n");
}

static size_t fields_bound(const tc__headers_t *headers) {
    size_t bound = 0;
    for (size_t i = 0; i < headers->count; i++)
        bound += (size_t)headers->items[i].name_len + headers->items[i].value_len + 4;
    return bound;
}

static size_t head_bound(const tc__http1connection_t *connection, const tc__response_head_t *head) {
    size_t bound = 256 + connection->params->server_name.len + head->content_type.len;
    if (head->reason)
        bound += strlen(head->reason);
    return bound + fields_bound(head->headers);
}

static char *put_head(char *out, tc__http1connection_t *connection, const tc__response_head_t *head, bool with_length,
                      uint64_t body_len) {
    const tc__http1_message_t *message = connection->message;
    out = put_prefix(out, connection, head);
    if (head->content_type.len > 0) {
        out = PUT(out, "Content-Type: ");
        out = put(out, head->content_type.data, head->content_type.len);
        out = PUT(out, "\r\n");
    }
    out = put_fields(out, message, head->headers, head->status);
    if (with_length)
        out = put_content_length(out, body_len);
    if (message->chunked) {
        out = PUT(out, "Transfer-Encoding: chunked\r\n");
        if (has_trailers(message) && !tc__headers_has(head->headers, TC__HEADER_TRAILER))
            out = put_trailer_names(out, message->reply_trailers);
    }
    if (!message->persist)
        out = head->status == 101 ? PUT(out, "Connection: Upgrade\r\n") : PUT(out, "Connection: close\r\n");
    else if (message->request->http_minor == 0)
        out = PUT(out, "Connection: keep-alive\r\n");
    return PUT(out, "\r\n");
}

static int why_no_room(const tc__http1connection_t *connection) {
    return tc_iostream_closed(connection->stream) ? TC_ECLOSED : TC_ENOMEM;
}

/* A small answer is built in one piece, head and body. Takes the segments on success. */
static int send_whole(tc__http1connection_t *connection, const tc__response_head_t *head, const tc__segment_t *body,
                      size_t count, size_t len, bool with_length) {
    size_t bound = head_bound(connection, head);
    if (len > MAX_WHOLE || bound > TC__CORK_ROOM - MAX_WHOLE)
        return TC_EAGAIN;
    char *room = tc__iostream_reserve(connection->stream, bound + len);
    if (!room)
        return why_no_room(connection);
    char *out = put_head(room, connection, head, with_length, len);
    for (size_t i = 0; i < count; i++)
        out = put(out, body[i].bytes.data, body[i].bytes.len);
    tc__iostream_commit(connection->stream, (size_t)(out - room));
    release(body, count);
    return 0;
}

static int send_head(tc__http1connection_t *connection, const tc__response_head_t *head, bool with_length,
                     uint64_t body_len) {
    size_t bound = head_bound(connection, head);
    if (has_trailers(connection->message)) /* their names */
        bound += fields_bound(connection->message->reply_trailers);
    if (bound <= TC__CORK_ROOM) {
        char *room = tc__iostream_reserve(connection->stream, bound);
        if (!room)
            return why_no_room(connection);
        tc__iostream_commit(connection->stream,
                            (size_t)(put_head(room, connection, head, with_length, body_len) - room));
        return 0;
    }
    char *text = tc__malloc(bound);
    if (!text)
        return TC_ENOMEM;
    size_t len = (size_t)(put_head(text, connection, head, with_length, body_len) - text);
    tc__segment_t segment = { tc_bytes(text, len), tc__free, text };
    return tc__iostream_sendv(connection->stream, &segment, 1);
}

/* ---- Framing ---- */

/* An early answer: is what is left of the request worth reading for the sake of the connection? */
static bool rest_is_small(const tc__http1_message_t *message) {
    return message->request->content_length != TC__LENGTH_UNKNOWN && !message->expects_continue &&
           message->request->content_length - message->body_len <= MAX_SKIPPED_BODY;
}

static bool may_persist(const tc__http1connection_t *connection, const tc__response_head_t *head) {
    const tc__http1_message_t *message = connection->message;
    const tc__http1_params_t *params = connection->params;
    bool says_close = tc__headers_has(head->headers, TC__HEADER_CONNECTION) &&
                      tc__headers_list_has(head->headers, TC__HEADER_CONNECTION, "close");
    return message->keep_alive && (message->complete || rest_is_small(message)) && !params->no_keep_alive &&
           !params->draining && !says_close && connection->requests < params->max_requests;
}

/* The Content-Length that the handler set: 0, or TC_EINVAL for several, or one that is no number. */
static int announced_length(const tc__headers_t *headers, uint64_t *out) {
    const tc__header_t *field = tc__headers_first(headers, TC__HEADER_CONTENT_LENGTH);
    *out = TC__LENGTH_UNKNOWN;
    if (!field)
        return 0;
    int err = tc__parse_uint64(tc_bytes(field->value, field->value_len), out);
    bool repeated = tc__headers_repeated(headers, TC__HEADER_CONTENT_LENGTH);
    return err < 0 || repeated || *out == TC__LENGTH_UNKNOWN ? TC_EINVAL : 0;
}

/* The handler's mistake, with its request and in words. */
TC_PRINTF(2, 3) static int misuse(const tc__http1_message_t *message, const char *fmt, ...) {
    char words[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    return tc__misuse(TC_EINVAL, "%s %s: the handler's answer is cut: %s", message->request->method,
                      message->request->uri, words);
}

/* Decide how the body is framed. *with_length: the field is ours to write. */
static int frame(tc__http1connection_t *connection, const tc__response_head_t *head, uint64_t body_len, bool last,
                 bool *with_length) {
    tc__http1_message_t *message = connection->message;
    uint64_t announced;
    if (announced_length(head->headers, &announced) < 0)
        return misuse(message, "its Content-Length is not one number");
    bool bodiless_status = head->status == 204 || head->status == 304;
    message->bodiless = bodiless_status || message->request->method_id == TC__METHOD_HEAD;
    message->persist = may_persist(connection, head);
    bool before_trailers = has_trailers(message) && announced == TC__LENGTH_UNKNOWN && !message->bodiless &&
                           message->request->http_minor > 0; /* else they are not sent */
    *with_length = last && announced == TC__LENGTH_UNKNOWN && !bodiless_status && !before_trailers;
    if (message->bodiless)
        return 0;
    if (last && announced != TC__LENGTH_UNKNOWN && announced != body_len)
        return misuse(message, "its Content-Length is %llu, its body has %llu bytes", (unsigned long long)announced,
                      (unsigned long long)body_len);
    message->length_left = last && !before_trailers ? body_len : announced;
    if (message->length_left != TC__LENGTH_UNKNOWN)
        return 0;
    if (message->request->http_minor > 0)
        message->chunked = true;
    else
        message->persist = false; /* the end of the body is the end of the connection */
    return 0;
}

/* ---- The body ---- */

static int send_chunk(tc_iostream_t *stream, const tc__segment_t *body, size_t count, size_t len) {
    char line[24];
    int line_len = snprintf(line, sizeof line, "%zx\r\n", len);
    tc__segment_t before = { tc_bytes(line, (size_t)line_len), NULL, NULL };
    tc__segment_t after = { tc_bytes("\r\n", 2), NULL, NULL };
    int err = tc__iostream_sendv(stream, &before, 1);
    if (err < 0) {
        release(body, count);
        return err;
    }
    err = tc__iostream_sendv(stream, body, count);
    return err < 0 ? err : tc__iostream_sendv(stream, &after, 1);
}

static int send_last_chunk(tc__http1connection_t *connection) {
    const tc__http1_message_t *message = connection->message;
    if (!has_trailers(message)) {
        tc__segment_t end = { tc_bytes("0\r\n\r\n", 5), NULL, NULL };
        return tc__iostream_sendv(connection->stream, &end, 1);
    }
    char *text = tc__malloc(5 + fields_bound(message->reply_trailers));
    if (!text)
        return TC_ENOMEM;
    char *out = PUT(text, "0\r\n");
    for (size_t i = 0; i < message->reply_trailers->count; i++)
        out = put_field(out, &message->reply_trailers->items[i]);
    out = PUT(out, "\r\n");
    tc__segment_t end = { tc_bytes(text, (size_t)(out - text)), tc__free, text };
    return tc__iostream_sendv(connection->stream, &end, 1);
}

/* Takes the segments in every case. */
static int send_body(tc__http1connection_t *connection, const tc__segment_t *body, size_t count, size_t len,
                     bool last) {
    tc__http1_message_t *message = connection->message;
    if (message->bodiless || len == 0) {
        release(body, count);
    } else if (message->chunked) {
        TC_TRY(send_chunk(connection->stream, body, count, len));
    } else {
        if (message->length_left != TC__LENGTH_UNKNOWN && len > message->length_left) {
            release(body, count);
            return misuse(message, "it wrote %llu bytes more than its Content-Length",
                          (unsigned long long)(len - message->length_left));
        }
        if (message->length_left != TC__LENGTH_UNKNOWN)
            message->length_left -= len;
        TC_TRY(tc__iostream_sendv(connection->stream, body, count));
    }
    if (!last || message->bodiless)
        return 0;
    if (message->chunked)
        return send_last_chunk(connection);
    if (message->length_left != 0 && message->length_left != TC__LENGTH_UNKNOWN)
        return misuse(message, "it wrote %llu bytes less than its Content-Length",
                      (unsigned long long)message->length_left);
    return 0;
}

/* Takes the segments in every case. */
static int send_in_parts(tc__http1connection_t *connection, const tc__response_head_t *head, const tc__segment_t *body,
                         size_t count, size_t len, bool with_length, bool last) {
    int err = send_head(connection, head, with_length, len);
    if (err < 0) {
        release(body, count);
        return err;
    }
    return send_body(connection, body, count, len, last);
}

/* @return what is queued, if the client's progress is measured by it */
static size_t begin_output(tc__http1connection_t *connection) {
    tc__iostream_cork(connection->stream);
    return connection->unacked > 0 ? tc__iostream_queued(connection->stream) : 0;
}

/* After output: the exchange goes on, is answered, or is lost. */
static int settle(tc__http1connection_t *connection, size_t before, int err, bool last) {
    if (before > 0) { /* what is added is not what the client did not take */
        size_t after = tc__iostream_queued(connection->stream);
        connection->unacked += after > before ? after - before : 0;
    }
    tc__iostream_uncork(connection->stream);
    if (err == 0 && tc_iostream_closed(connection->stream))
        err = TC_ECLOSED; /* the send failed: this answer is with nobody */
    if (err < 0) {
        tc__http1_cut(connection);
        return err;
    }
    if (last) {
        connection->message->answered = true;
        tc__http1_answered(connection);
    } else {
        tc__http1_watch_output(connection);
    }
    return 0;
}

/* ---- The vtable ---- */

static int respond(tc__exchange_t *exchange, const tc__response_head_t *head, const tc__segment_t *body, size_t count,
                   bool last) {
    tc__http1connection_t *connection = of(exchange);
    tc__http1_message_t *message = connection->message;
    size_t len = total_len(body, count);
    bool with_length = false;
    if (!message || message->responded) {
        release(body, count);
        return TC_EALREADY;
    }
    message->responded = true;
    connection->requests++;
    size_t before = begin_output(connection);
    int err = frame(connection, head, len, last, &with_length);
    if (err == 0 && last && !message->bodiless && !message->chunked)
        err = send_whole(connection, head, body, count, len, with_length);
    else if (err == 0)
        err = TC_EAGAIN;
    if (err == TC_EAGAIN)
        err = send_in_parts(connection, head, body, count, len, with_length, last);
    else if (err < 0)
        release(body, count);
    return settle(connection, before, err, last);
}

static int early_hints(tc__exchange_t *exchange, tc_bytes_t link) {
    tc__http1connection_t *connection = of(exchange);
    if (!connection->message || connection->message->responded)
        return TC_EALREADY;
    if (connection->message->request->http_minor == 0)
        return 0;
    const tc__segment_t segments[] = {
        { tc_str("HTTP/1.1 103 Early Hints\r\nLink: "), NULL, NULL },
        { link, NULL, NULL },
        { tc_str("\r\n\r\n"), NULL, NULL },
    };
    size_t before = begin_output(connection);
    return settle(connection, before, tc__iostream_sendv(connection->stream, segments, 3), false);
}

static void set_trailers(tc__exchange_t *exchange, const tc__headers_t *trailers) {
    tc__http1_message_t *message = of(exchange)->message;
    if (message)
        message->reply_trailers = trailers;
}

static int write_more(tc__exchange_t *exchange, const tc__segment_t *body, size_t count, bool last) {
    tc__http1connection_t *connection = of(exchange);
    tc__http1_message_t *message = connection->message;
    if (!message || !message->responded || message->answered) {
        release(body, count);
        return TC_EALREADY;
    }
    size_t before = begin_output(connection);
    int err = send_body(connection, body, count, total_len(body, count), last);
    return settle(connection, before, err, last);
}

/* Takes the piece in every case. */
static int send_piece(tc__http1connection_t *connection, const tc__file_piece_t *piece, bool last) {
    tc__http1_message_t *message = connection->message;
    bool counted = message->length_left != TC__LENGTH_UNKNOWN && !message->chunked;
    if (message->bodiless || !counted || piece->len > message->length_left) {
        if (piece->free_fn)
            piece->free_fn(piece->owner);
        return message->bodiless ? 0 : misuse(message, "a file is more than what its Content-Length leaves");
    }
    message->length_left -= piece->len;
    TC_TRY(tc__iostream_send_file(connection->stream, piece));
    return last ? send_body(connection, NULL, 0, 0, true) : 0;
}

static int write_file(tc__exchange_t *exchange, const tc__file_piece_t *piece, bool last) {
    tc__http1connection_t *connection = of(exchange);
    tc__http1_message_t *message = connection->message;
    if (!message || !message->responded || message->answered) {
        if (piece->free_fn)
            piece->free_fn(piece->owner);
        return TC_EALREADY;
    }
    size_t before = begin_output(connection);
    return settle(connection, before, send_piece(connection, piece, last), last);
}

/* RFC 9110 section 15.2.2. */
static int send_switch(tc__http1connection_t *connection, const tc__response_head_t *head) {
    tc__http1_message_t *message = connection->message;
    message->responded = true;
    message->persist = false;
    tc__iostream_cork(connection->stream);
    int err = send_head(connection, head, false, 0);
    tc__iostream_uncork(connection->stream);
    if (err == 0 && tc_iostream_closed(connection->stream))
        err = TC_ECLOSED;
    if (err < 0)
        tc__http1_cut(connection);
    return err;
}

static int detach(tc__exchange_t *exchange, const tc__response_head_t *head, tc_iostream_t **out) {
    tc__http1connection_t *connection = of(exchange);
    if (!connection->message || connection->message->responded)
        return TC_EALREADY;
    if (!connection->message->complete)
        return TC_EBUSY;
    if (tc_iostream_closed(connection->stream))
        return TC_ECLOSED;
    TC_TRY(tc__iostream_prepare_release(connection->stream));
    if (head)
        TC_TRY(send_switch(connection, head));
    *out = connection->stream;
    tc__http1_let_go(connection);
    return 0;
}

static void abort_exchange(tc__exchange_t *exchange) {
    tc__http1_cut(of(exchange));
}

static void set_max_body_size(tc__exchange_t *exchange, size_t size) {
    tc__http1_message_t *message = of(exchange)->message;
    if (message)
        message->body_limit = size;
}

static uint64_t max_body_size(const tc__exchange_t *exchange) {
    const tc__http1_message_t *message = of(exchange)->message;
    return message ? message->body_limit : 0;
}

/* While the system takes what comes, nothing is: corked bytes go out when the caller returns, and nobody would tell. */
static size_t queued(const tc__exchange_t *exchange) {
    const tc_iostream_t *stream = of(exchange)->stream;
    return tc_iostream_writing(stream) ? tc__iostream_queued(stream) : 0;
}

static bool is_going_away(const tc__exchange_t *exchange) {
    return of(exchange)->params->draining;
}

static size_t output_mark(const tc__exchange_t *exchange) {
    return of(exchange)->params->output_mark;
}

static const tc_iostream_t *tls_stream(const tc__exchange_t *exchange) {
    return of(exchange)->is_tls ? of(exchange)->stream : NULL;
}

const tc__exchange_vtable_t tc__http1_vtable = {
    .respond = respond,
    .early_hints = early_hints,
    .set_trailers = set_trailers,
    .write = write_more,
    .write_file = write_file,
    .detach = detach,
    .abort = abort_exchange,
    .resume = tc__http1_resume,
    .set_max_body_size = set_max_body_size,
    .max_body_size = max_body_size,
    .is_going_away = is_going_away,
    .queued = queued,
    .output_mark = output_mark,
    .tls_stream = tls_stream,
};

/* ---- Answers of the connection's own ---- */

int tc__http1_send_continue(tc__http1connection_t *connection) {
    tc__segment_t line = { tc_str("HTTP/1.1 100 Continue\r\n\r\n"), NULL, NULL };
    return tc__iostream_sendv(connection->stream, &line, 1);
}

/* Behind an answer to HEAD its client takes no page (RFC 9110 section 9.3.2): there is none at all if no message has
 * begun, for then nobody knows the method. */
static char *put_refusal(char *out, tc__http1connection_t *connection, int status, int method) {
    char page[256] = "";
    const char *reason = tc_http_reason(status);
    int len = 0;
    if (method != NO_METHOD)
        len = snprintf(page, sizeof page, "<html><title>%d: %s</title><body>%d: %s</body></html>", status, reason,
                       status, reason);
    out = put_prefix(out, connection, &(tc__response_head_t){ .status = status });
    out = PUT(out, "Content-Type: text/html; charset=UTF-8\r\n");
    out = put_content_length(out, (uint64_t)len);
    out = PUT(out, "Connection: close\r\n\r\n");
    return method != HTTP_HEAD ? put(out, page, (size_t)len) : out;
}

void tc__http1_refuse(tc__http1connection_t *connection, int status, const char *why) {
    static tc__log_limit_t limit;
    char peer[INET6_ADDRSTRLEN + 16];
    tc__address_format(&connection->peer, peer, sizeof peer);
    tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, NULL, "%d %s (%s): %s", status, tc_http_reason(status),
                    peer, why);
    tc__http1_message_t *message = connection->message;
    int method = message ? message->parser.method : NO_METHOD;
    connection->message = NULL;
    if (message)
        tc__server_request_free(message->request); /* and the message with it */
    tc__iostream_cork(connection->stream);
    char *room = tc__iostream_reserve(connection->stream, 1024 + connection->params->server_name.len);
    if (room)
        tc__iostream_commit(connection->stream, (size_t)(put_refusal(room, connection, status, method) - room));
    tc__iostream_uncork(connection->stream);
    tc__http1_close(connection, true);
}
