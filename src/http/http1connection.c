/*
 * http1connection.c - one HTTP/1.x connection: its life, its phases and its deadlines. (Tornado: http1connection)
 *
 *   IDLE --[a byte]--> HEAD --[the head is complete]--> BODY --[the request is]--> REPLY --[the answer is]--> FLUSH
 *    ^                                                    |         answered early, or not to be kept: CLOSING, LINGER
 *    '--------------------- [all output is with the system, keep-alive] ------------------------------------'
 *
 * Requests are answered one at a time, in order: while an answer is not with the system, nothing more is parsed and,
 * with bytes left over, the socket is not read. That one rule bounds the memory of a client that pipelines and never
 * reads: what is left over is at most what one read took, `max_pipelined_size`.
 *
 * An idle connection is this struct and its stream: the parser and everything else of a request live in that request's
 * arena. Deadlines are a field that the timer looks at when it fires, so a request in steady state touches no timer.
 *
 * While output is pending, the deadline is the next look at how far the client is behind with it, in every state but
 * HEAD; `watching` says so.
 *
 * Ways to end. DETACHED: a handler took the stream, for another protocol, with what the client sent ahead; the
 * connection stays behind it until it is closed, so that it is counted, and cut with its server. CLOSING: the client
 * had its answer and asked for no more. LINGER: it may still be sending, for there is more of its request, or it was we
 * who made this answer the last, and a close would reset the connection under it (RFC 9112 section 9.6); so we send
 * FIN, throw away what comes, within bounds, and close then.
 */
#include "http/http1connection_internal.h"

#include <assert.h>
#include <string.h>

#include "http/http1_private.h"
#include "net/tls_transport_internal.h"
#include "util/alloc_internal.h"
#include "util/log_internal.h"

enum {
    LINGER_BYTES = 256 * 1024,
    LINGER_MS = 2000,
    LINGER_DRAINING_MS = 500, /* enough for the client's FIN to come back */
    FREE_STEPS = 2,           /* of the parser; those behind them in one turn of the loop share … */
    TURN_US = 200             /* … that much time, then other connections get theirs; in a long turn, none */
};

/* ---- Deadlines ---- */

static bool output_pending(const tc__http1connection_t *connection) {
    return tc_iostream_writing(connection->stream);
}

void tc__http1_set_deadline(tc__http1connection_t *connection, uint64_t delay_ms) {
    tc_ioloop_t *loop = tc__http1_loop(connection);
    if (delay_ms == TC_FOREVER) {
        connection->deadline = TC_FOREVER;
        return;
    }
    uint64_t now = tc__ioloop_now(loop);
    connection->deadline = delay_ms < TC_FOREVER - now ? now + delay_ms : TC_FOREVER - 1;
    if (!tc__timer_active(&connection->timer) || connection->timer.when_ms > connection->deadline)
        tc__timer_start(loop, &connection->timer, connection->deadline);
}

/* The deadline in that time, unless it is sooner. */
static void hurry(tc__http1connection_t *connection, uint64_t delay_ms) {
    if (connection->deadline > tc__ioloop_now(tc__http1_loop(connection)) + delay_ms)
        tc__http1_set_deadline(connection, delay_ms);
}

/* A look is a system call: output that is pending for a moment only is spared the first. */
static uint64_t first_look_ms(const tc__http1connection_t *connection) {
    uint64_t timeout = connection->params->write_timeout_ms;
    return timeout == TC_FOREVER ? TC_FOREVER : timeout / 64;
}

static uint64_t next_look_ms(const tc__http1connection_t *connection) {
    uint64_t timeout = connection->params->write_timeout_ms;
    return timeout == TC_FOREVER ? TC_FOREVER : timeout - timeout / 64;
}

static void begin_watching(tc__http1connection_t *connection) {
    if (connection->watching)
        return;
    connection->watching = true;
    connection->unacked = 0;
    tc__http1_set_deadline(connection, first_look_ms(connection));
}

void tc__http1_watch_output(tc__http1connection_t *connection) {
    if (output_pending(connection))
        begin_watching(connection);
}

/*
 * The client has to take one byte per millisecond from one look to the next. What it took is what it acknowledged: the
 * system's buffer may hide for minutes whether it reads.
 */
static void check_output(tc__http1connection_t *connection) {
    size_t unacked = tc__iostream_unacked(connection->stream);
    uint64_t wait = next_look_ms(connection);
    if (!connection->watching)
        begin_watching(connection);
    else if (connection->unacked > 0 && connection->unacked < unacked + wait) {
        tc__http1_cut(connection);
        return;
    }
    connection->unacked = unacked;
    tc__http1_set_deadline(connection, wait);
}

void tc__http1_enter(tc__http1connection_t *connection, tc__http1_state_t state) {
    const tc__http1_params_t *params = connection->params;
    connection->state = (uint8_t)state;
    switch (state) {
    case TC__HTTP1_IDLE:
        tc__http1_set_deadline(connection, params->idle_timeout_ms);
        break;
    case TC__HTTP1_HEAD:
        tc__http1_set_deadline(connection, params->header_timeout_ms);
        break;
    case TC__HTTP1_BODY:
        tc__http1_set_deadline(connection, params->body_timeout_ms);
        break;
    case TC__HTTP1_LINGER:
        if (output_pending(connection)) { /* that goes before */
            begin_watching(connection);
        } else {
            connection->unacked = LINGER_BYTES;
            tc__http1_set_deadline(connection, params->draining ? LINGER_DRAINING_MS : LINGER_MS);
        }
        break;
    case TC__HTTP1_FLUSH:
    case TC__HTTP1_CLOSING: /* what is corked may be pending soon */
        begin_watching(connection);
        break;
    default:
        if (!connection->watching)
            connection->deadline = TC_FOREVER; /* the handler's time is its own */
        break;
    }
}

static void on_deadline(tc__http1connection_t *connection) {
    switch (connection->state) {
    case TC__HTTP1_HEAD:
        tc__http1_refuse(connection, 408, "the request head was not complete in time");
        return;
    case TC__HTTP1_BODY:
        if (connection->message->waiting) { /* it is we who do not read */
            tc__http1_set_deadline(connection, connection->params->body_timeout_ms);
        } else {
            tc__http1_refuse_rest(connection, 408, "the body did not come in time");
        }
        return;
    case TC__HTTP1_REPLY: /* the handler's time is its own */
        return;
    default: /* idle, lingering, or not worth waiting for */
        tc_iostream_close(connection->stream);
    }
}

static void on_timer(tc__timer_t *timer) {
    tc__http1connection_t *connection = tc__container_of(timer, tc__http1connection_t, timer);
    tc_ioloop_t *loop = tc__http1_loop(connection);
    if (connection->deadline == TC_FOREVER)
        return;
    if (connection->deadline > tc__ioloop_now(loop)) {
        tc__timer_start(loop, timer, connection->deadline);
        return;
    }
    tc__http1_hold(connection);
    if (output_pending(connection) && connection->state != TC__HTTP1_HEAD)
        check_output(connection);
    else
        on_deadline(connection);
    tc__http1_release(connection);
}

/* ---- The end of an exchange, the end of a connection ---- */

void tc__http1_hold(tc__http1connection_t *connection) {
    connection->holds++;
}

void tc__http1_release(tc__http1connection_t *connection) {
    if (--connection->holds == 0 && connection->state == TC__HTTP1_CLOSED)
        tc__free(connection);
}

/* Nothing more will come, and nothing is left: what waits for input waits in vain. */
static void check_eof(tc__http1connection_t *connection, bool bytes_left) {
    bool wants_input = connection->state == TC__HTTP1_IDLE || connection->state == TC__HTTP1_HEAD ||
                       (connection->state == TC__HTTP1_BODY && !connection->message->waiting);
    if (connection->eof && wants_input && !bytes_left)
        tc__iostream_close_when_written(connection->stream);
}

void tc__http1_cut(tc__http1connection_t *connection) {
    if (connection->state == TC__HTTP1_DETACHED) {
        tc__iostream_doom(connection->stream, TC_ECANCELED);
        return;
    }
    if (connection->state != TC__HTTP1_CLOSED)
        connection->state = TC__HTTP1_CLOSING;
    tc__iostream_abort(connection->stream);
}

void tc__http1_close(tc__http1connection_t *connection, bool linger) {
    if (connection->state == TC__HTTP1_CLOSED)
        return;
    if (!linger) {
        tc__http1_enter(connection, TC__HTTP1_CLOSING);
        if (!connection->feeding) /* else it is not known yet whether bytes are left over: end_feeding */
            tc__iostream_close_when_written(connection->stream);
        return;
    }
    tc_iostream_shutdown(connection->stream);
    tc__http1_enter(connection, TC__HTTP1_LINGER);
    if (connection->eof)
        tc__iostream_close_when_written(connection->stream);
    else if (!connection->feeding)
        tc__iostream_resume(connection->stream);
}

/* Take the exchange from its delegate; `message` must not be used after this. */
static void end_exchange(tc__http1connection_t *connection, int err) {
    const tc__message_delegate_t *delegate = connection->exchange.delegate;
    tc__http1_message_t *message = connection->message;
    connection->message = NULL;
    connection->exchange.delegate = NULL;
    if (delegate)
        delegate->on_close(connection->exchange.self, err);
    else if (message)
        tc__server_request_free(message->request);
}

/* The answer is with the system. */
static void next_request(tc__http1connection_t *connection) {
    bool persist = connection->message->persist;
    bool more_may_come = !connection->message->complete || connection->message->keep_alive;
    tc__http1_hold(connection);
    end_exchange(connection, 0);
    if (connection->state >= TC__HTTP1_CLOSING) { /* cut by what was told */
        tc__http1_release(connection);
        return;
    }
    if (!persist || connection->params->draining) {
        tc__http1_close(connection, more_may_come || tc__iostream_kept(connection->stream) > 0);
    } else {
        tc__http1_enter(connection, TC__HTTP1_IDLE);
        if (!connection->feeding) {
            tc__iostream_resume(connection->stream);
            check_eof(connection, tc__iostream_kept(connection->stream) > 0);
        }
    }
    tc__http1_release(connection);
}

void tc__http1_answered(tc__http1connection_t *connection) {
    tc__http1_message_t *message = connection->message;
    if (connection->state >= TC__HTTP1_CLOSING) /* cut: what was answered is lost */
        return;
    if (message->events & TC__EVENT_END) /* it was, before the delegate wanted to know */
        message->complete = true;
    if (message->persist && !message->complete) { /* answered early: read over the rest, then go on */
        message->waiting = false;
        tc__http1_watch_output(connection);
        if (!connection->feeding)
            tc__http1_continue(connection);
    } else if (output_pending(connection))
        tc__http1_enter(connection, TC__HTTP1_FLUSH);
    else
        next_request(connection);
}

static void on_detached_closed(void *self) {
    tc__http1connection_t *connection = self;
    tc__iostream_count_output(connection->stream, NULL);
    connection->state = TC__HTTP1_CLOSED;
    tc__list_remove(&connection->node);
    if (connection->params->on_connection_close)
        connection->params->on_connection_close(&connection->node, connection->params->user_data);
    if (connection->holds == 0)
        tc__free(connection);
}

void tc__http1_let_go(tc__http1connection_t *connection) {
    tc__http1_hold(connection);
    tc__timer_stop(tc__http1_loop(connection), &connection->timer);
    connection->state = TC__HTTP1_DETACHED;
    connection->detached = true;
    tc__iostream_release(connection->stream, on_detached_closed, connection);
    end_exchange(connection, 0);
    tc__http1_release(connection);
}

/* ---- What the stream tells ---- */

static bool can_parse(const tc__http1connection_t *connection) {
    switch (connection->state) {
    case TC__HTTP1_IDLE:
        return !output_pending(connection);
    case TC__HTTP1_HEAD:
        return true;
    case TC__HTTP1_BODY:
        return connection->message && !connection->message->waiting;
    default:
        return false;
    }
}

/* Something of a body was given, and the parser may have the end of the request in hand without another byte. */
static bool owes_event(const tc__http1connection_t *connection) {
    return connection->state == TC__HTTP1_BODY && connection->message->chunk.data;
}

static size_t discard(tc__http1connection_t *connection, size_t len) {
    if (connection->state != TC__HTTP1_LINGER)
        return len;
    if (output_pending(connection)) {
        tc__iostream_pause(connection->stream);
        return 0;
    }
    if (len >= connection->unacked)
        tc_iostream_close(connection->stream);
    else
        connection->unacked -= len;
    return len;
}

/* Requests and chunks arrive by the thousand in one read, and each may keep a handler busy. */
static bool turn_is_over(const tc__http1connection_t *connection, uint64_t *since) {
    const tc_ioloop_t *loop = tc__http1_loop(connection);
    if (loop->is_virtual)
        return false;
    uint64_t now = uv_hrtime();
    if (*since == 0)
        *since = now;
    return now - *since > (uint64_t)TURN_US * 1000 || tc__ioloop_is_late(loop);
}

static const char *feed(tc__http1connection_t *connection, const char *at, const char *end) {
    uint64_t since = 0;
    connection->feeding = true;
    for (int step = 0; (at < end || owes_event(connection)) && can_parse(connection); step++) {
        if (step >= FREE_STEPS && at < end && turn_is_over(connection, &since))
            break; /* the stream keeps the rest, and gives it in the next turn */
        at = tc__http1_parse(connection, at, end);
    }
    connection->feeding = false;
    return at;
}

/* Bytes that the last request left over mean that a close would reset the connection under its answer: linger. */
static void end_feeding(tc__http1connection_t *connection, bool bytes_left) {
    if (connection->state == TC__HTTP1_CLOSING && !tc_iostream_closed(connection->stream))
        tc__http1_close(connection, bytes_left);
}

void tc__http1_continue(tc__http1connection_t *connection) {
    tc__http1_hold(connection);
    feed(connection, "", "");
    end_feeding(connection, tc__iostream_kept(connection->stream) > 0);
    if (can_parse(connection) || connection->state == TC__HTTP1_LINGER) {
        tc__iostream_resume(connection->stream);
        check_eof(connection, tc__iostream_kept(connection->stream) > 0);
    }
    tc__http1_release(connection);
}

/* ---- TLS ---- */

void tc__http1connection_set_https(tc__http1connection_t *connection) {
    connection->is_tls = true;
}

/* For whoever says http where it is https. */
#define PLAIN_PAGE "This server speaks HTTPS here: the URL begins with https://\n"
static const char plain_answer[] = "HTTP/1.1 400 Bad Request\r\n"
                                   "Content-Type: text/plain; charset=UTF-8\r\n"
                                   "Content-Length: 60\r\n"
                                   "Connection: close\r\n"
                                   "\r\n" PLAIN_PAGE;
static_assert(sizeof PLAIN_PAGE - 1 == 60, "Content-Length");

/* @param received behind the PROXY header, if there was one: those bytes are TLS */
static int start_tls(tc__http1connection_t *connection, tc_bytes_t received) {
    connection->is_tls = true;
    return tc__tls_start(connection->stream,
                         &(tc__tls_params_t){ .context = connection->params->tls,
                                              .server = true,
                                              .handshake_timeout_ms = connection->params->handshake_timeout_ms,
                                              .peer = &connection->peer,
                                              .received = received,
                                              .plain_answer = plain_answer,
                                              .alpn = tc_str("\x08http/1.1") });
}

/* A connection that cannot even begin to speak TLS: out of memory, most of all. */
static void log_no_tls(void) {
    static tc__log_limit_t limit;
    tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, NULL, "a connection was closed: %s", tc_error_detail());
}

/* ---- Bytes that come in ---- */

/* The PROXY header before all else; how many bytes it used. Whoever is not trusted with one, or sends none, is cut. */
static size_t read_proxy_header(tc__http1connection_t *connection, tc_bytes_t bytes) {
    static tc__log_limit_t limit;
    char peer[INET6_ADDRSTRLEN + 16];
    tc__proxy_header_t header;
    size_t used = 0;
    bool trusted = tc__cidrs_contain(connection->params->proxies, &connection->peer);
    int err = trusted ? tc__proxy_parser_feed(connection->proxy, bytes, &used, &header) : TC_EPROTO;
    if (err == TC_EAGAIN)
        return bytes.len;
    if (err == 0 && header.kind == TC__PROXY_ADDRESSES)
        connection->peer = header.source;
    tc__free(connection->proxy);
    connection->proxy = NULL;
    if (err == 0)
        return used;
    tc__address_format(&connection->peer, peer, sizeof peer);
    tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, NULL, "%s: %s", peer,
                    trusted ? "no PROXY header that we know"
                            : "sends PROXY headers, or none, but is not trusted with any");
    tc__http1_cut(connection);
    return bytes.len;
}

/* The header came in the clear; what follows is TLS. */
static size_t go_on_with_tls(tc__http1connection_t *connection, tc_bytes_t received, size_t used) {
    if (start_tls(connection, received) < 0) {
        log_no_tls();
        tc__http1_cut(connection);
    }
    return used;
}

/* How many bytes were used. */
static size_t take_data(tc__http1connection_t *connection, tc_bytes_t bytes) {
    if (connection->proxy) {
        size_t used = read_proxy_header(connection, bytes);
        tc_bytes_t rest = tc_bytes(bytes.data + used, bytes.len - used);
        if (connection->proxy || connection->state >= TC__HTTP1_CLOSING)
            return bytes.len;
        if (connection->params->tls)
            return go_on_with_tls(connection, rest, bytes.len);
        return rest.len > 0 ? used + take_data(connection, rest) : used;
    }
    if (connection->state >= TC__HTTP1_CLOSING)
        return discard(connection, bytes.len);
    const char *end = bytes.data + bytes.len, *at = feed(connection, bytes.data, end);
    end_feeding(connection, at < end);
    if (connection->detached) /* what is left is the new owner's */
        return (size_t)(at - bytes.data);
    if (connection->state >= TC__HTTP1_CLOSING)
        return at == end ? bytes.len : discard(connection, (size_t)(end - at)) + (size_t)(at - bytes.data);
    if (connection->state == TC__HTTP1_IDLE && connection->message)
        tc__http1_enter(connection, TC__HTTP1_HEAD); /* part of a head: from here its deadline runs */
    else if ((connection->state != TC__HTTP1_IDLE || at < end) && !can_parse(connection))
        tc__iostream_pause(connection->stream);
    if (connection->eof)
        check_eof(connection, at < end);
    return (size_t)(at - bytes.data);
}

/* A handler may free the loop that the program runs, and the connection with it. */
static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream;
    tc__http1connection_t *connection = self;
    tc__http1_hold(connection);
    size_t used = take_data(connection, bytes);
    tc__http1_release(connection);
    return used;
}

/* Who has the whole request is told. Else what is missing may stand before the FIN, unread. */
static void on_hangup(tc_iostream_t *stream, void *self) {
    (void)stream;
    tc__http1connection_t *connection = self;
    tc__http1_message_t *message = connection->message;
    connection->hangup = true;
    if (!connection->exchange.delegate || message->answered || connection->told_hangup)
        return;
    if (message->complete || (message->events & TC__EVENT_END) ||
        message->body_len == message->request->content_length) {
        connection->told_hangup = true;
        connection->exchange.delegate->client_left(connection->exchange.self);
    }
}

/* Nothing more comes. What is complete is still answered; what is not never will be. */
static void on_eof(tc_iostream_t *stream, void *self) {
    tc__http1connection_t *connection = self;
    connection->eof = true;
    if (connection->state == TC__HTTP1_LINGER)
        tc__iostream_close_when_written(stream);
    else
        check_eof(connection, tc__iostream_kept(stream) > 0);
}

static void on_drained(tc_iostream_t *stream, void *self) {
    tc__http1connection_t *connection = self;
    connection->watching = false;
    connection->unacked = 0;
    if (connection->state == TC__HTTP1_FLUSH)
        next_request(connection);
    else if (connection->state == TC__HTTP1_IDLE)
        tc__iostream_resume(stream); /* a pipelined answer had to wait for the socket */
    else if (connection->state == TC__HTTP1_LINGER) {
        tc__http1_enter(connection, TC__HTTP1_LINGER); /* now its time begins */
        tc__iostream_resume(stream);
    } else if (connection->exchange.delegate) {
        tc__http1_set_deadline(connection,
                               connection->state == TC__HTTP1_REPLY ? TC_FOREVER : connection->params->body_timeout_ms);
        connection->exchange.delegate->drained(connection->exchange.self);
    }
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)err;
    tc__http1connection_t *connection = self;
    tc_ioloop_t *loop = tc__iostream_loop(stream);
    connection->state = TC__HTTP1_CLOSED;
    tc__free(connection->proxy);
    tc__timer_stop(loop, &connection->timer);
    if (connection->exchange.delegate && connection->params->on_orphan) {
        connection->params->on_orphan(connection->params->user_data);
        tc__arena_on_cleanup(&connection->message->request->arena, connection->params->on_orphan_gone,
                             connection->params->user_data); /* without memory for it, it counts as gone */
    }
    end_exchange(connection, TC_ECLOSED);
    tc__list_remove(&connection->node);
    if (connection->params->on_connection_close)
        connection->params->on_connection_close(&connection->node, connection->params->user_data);
    if (connection->holds == 0)
        tc__free(connection);
}

static const tc__stream_sink_t sink = {
    .data = on_data,
    .hangup = on_hangup,
    .eof = on_eof,
    .drained = on_drained,
    .closed = on_closed,
};

/* ---- Life ---- */

tc__http1_local_t *tc__http1_local(tc_ioloop_t *loop) {
    tc__http1_local_t *local = tc__ioloop_local(loop, TC__LOCAL_HTTP);
    if (!local && (local = tc__calloc(1, sizeof *local))) {
        tc__http1_init_parser(&local->fresh_parser);
        tc__ioloop_set_local(loop, TC__LOCAL_HTTP, local, tc__free);
    }
    return local;
}

void tc__http1_forget_params(tc_ioloop_t *loop) {
    tc__http1_local_t *local = tc__ioloop_local(loop, TC__LOCAL_HTTP);
    if (local)
        local->prefix_params = NULL;
}

int tc__http1connection_new(tc__http1connection_t **out, tc_iostream_t *stream, const tc__http1_params_t *params,
                            const tc__address_t *peer, tc__list_t *connections) {
    tc__http1connection_t *connection = tc__http1_local(tc__iostream_loop(stream)) ? tc__calloc(1, sizeof *connection)
                                                                                   : NULL;
    if (connection && params->proxies && !(connection->proxy = tc__malloc(sizeof *connection->proxy))) {
        tc__free(connection);
        connection = NULL;
    }
    if (!connection) {
        tc_iostream_close(stream);
        return TC_ENOMEM;
    }
    int err = 0;
    connection->exchange.vtable = &tc__http1_vtable;
    connection->stream = stream;
    connection->params = params;
    connection->peer = *peer;
    if (connection->proxy)
        tc__proxy_parser_init(connection->proxy, 0);
    else if (params->tls)
        err = start_tls(connection, tc_bytes(NULL, 0));
    if (err < 0) {
        log_no_tls();
        tc__free(connection);
        tc_iostream_close(stream);
        return err;
    }
    tc__timer_init(&connection->timer, on_timer);
    tc__list_push(connections, &connection->node);
    tc__iostream_set_sink(stream, &sink, connection);
    tc__iostream_set_read_size(stream, params->max_pipelined_size);
    tc__iostream_count_output(stream, params->outputs);
    *out = connection;
    return 0;
}

void tc__http1connection_start(tc__http1connection_t *connection) {
    tc__http1_set_deadline(connection, connection->params->header_timeout_ms);
    tc__iostream_first_read(connection->stream);
}

tc__http1connection_t *tc__http1connection_from_node(tc__list_t *node) {
    return tc__container_of(node, tc__http1connection_t, node);
}

void tc__http1connection_drain(tc__http1connection_t *connection) {
    if (connection->state == TC__HTTP1_IDLE) /* it may have asked ahead, while an answer waits for the socket */
        tc__http1_close(connection, output_pending(connection) || tc__iostream_kept(connection->stream) > 0);
    else if (connection->state == TC__HTTP1_LINGER && !output_pending(connection))
        hurry(connection, LINGER_DRAINING_MS);
    else if (connection->exchange.delegate && !connection->message->answered)
        connection->exchange.delegate->going_away(connection->exchange.self);
}

void tc__http1connection_abort(tc__http1connection_t *connection) {
    tc__http1_cut(connection);
}
