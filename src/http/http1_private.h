/*
 * http1_private.h - the inside of a connection, shared by http1connection.c (life, phases, deadlines), http1_request.c
 * (what comes in), http1_chunks.c (how a body is framed) and http1_response.c (what goes out).
 */
#ifndef TC_HTTP_HTTP1_PRIVATE_H
#define TC_HTTP_HTTP1_PRIVATE_H

#include <llhttp.h>

#include "http/http1connection_internal.h"
#include "net/proxy_protocol_internal.h"

typedef enum {
    TC__HTTP1_IDLE,    /* nothing of a next request is here */
    TC__HTTP1_HEAD,    /* part of a head is */
    TC__HTTP1_BODY,    /* an exchange is under way, its request is not complete */
    TC__HTTP1_REPLY,   /* the request is complete, its answer is not */
    TC__HTTP1_FLUSH,   /* the answer is complete, but the system has not taken all of it */
    TC__HTTP1_CLOSING, /* closed as soon as the output is with the system */
    TC__HTTP1_LINGER,  /* FIN is sent (or will be); what comes in is thrown away, so that the client reads our answer */
    TC__HTTP1_DETACHED, /* the stream is somebody else's; counted here until it is closed */
    TC__HTTP1_CLOSED
} tc__http1_state_t;

/* What the parser stopped for. */
enum { TC__EVENT_HEAD = 1u << 0, TC__EVENT_BODY = 1u << 1, TC__EVENT_END = 1u << 2 };

/* Bytes that come in pieces and are taken apart as a whole, in the request's arena. */
typedef struct {
    char *data; /* NULL: none */
    uint32_t len, capacity;
} tc__gathered_t;

/* One request being read and answered. It lives in the request's own arena, so that an idle connection has none. */
typedef struct {
    llhttp_t parser;               /* a copy of the loop's fresh one */
    tc__server_request_t *request; /* owned until the delegate has it */
    tc__http1connection_t *connection;

    /* the head */
    tc__gathered_t head;
    unsigned events; /* TC__EVENT_… since they were last handled */

    /* the body */
    tc_bytes_t chunk;
    uint64_t body_limit, body_len;
    uint64_t framing_len;   /* spent of the budget for chunk extensions and trailers */
    uint64_t line_len;      /* raw bytes since the last chunk line, data aside */
    uint64_t extension_len; /* bytes so far of the name or value of a chunk extension */
    tc__gathered_t trailers;
    uint64_t rate_since, rate_from; /* when its rate was looked at, and body_len then; our own pauses are taken out */
    uint64_t waiting_since;
    bool extension_quoted;            /* that value is a quoted string */
    bool chunk_line_done, last_chunk; /* a chunk line is behind the parser; it is the last one's */
    bool head_done, complete, expects_continue, keep_alive;
    bool waiting; /* the delegate said TC_DETACH: nothing is given to it before it resumes */

    /* the answer */
    bool responded, answered, chunked, bodiless, persist;
    const tc__headers_t *reply_trailers; /* NULL: none were set */
    uint64_t length_left;                /* of the announced Content-Length; TC__LENGTH_UNKNOWN: none was */

    tc__header_t first_fields[16]; /* of the request's table; last, for it is not zeroed */
} tc__http1_message_t;

struct tc__http1connection {
    tc__exchange_t exchange;
    tc_iostream_t *stream;
    const tc__http1_params_t *params;
    tc__http1_message_t *message; /* NULL: idle, or closing */
    tc__proxy_parser_t *proxy;    /* while the PROXY header is awaited; else NULL */
    tc__list_t node;
    tc__timer_t timer; /* armed for `deadline` or sooner; looked at when it fires, so that moving it costs nothing */
    uint64_t deadline; /* TC_FOREVER: none */
    size_t unacked; /* output that the client had not taken at the last look, and what was added since; 0: no look yet.
                       Lingering: bytes still accepted */
    tc__address_t peer;
    uint8_t state;
    uint8_t holds;            /* frames on the stack that still need it, whatever their callees do */
    uint8_t skipped;          /* empty lines' bytes before a request … */
    bool after_cr : 1;        /* … of which the last is CR */
    bool feeding : 1;         /* bytes are being parsed, further up the stack */
    bool hangup : 1, eof : 1; /* FIN was noticed; all before it was given to us */
    bool told_hangup : 1;     /* the delegate knows */
    bool is_tls : 1;
    bool detached : 1; /* and was, once it is closed */
    bool watching : 1; /* output is pending, and `deadline` the next look at it */
    uint32_t requests; /* that were answered */
};

/* What the connections of a loop share. */
typedef struct {
    llhttp_t fresh_parser; /* copied for each request: cheaper than to initialise one */
    char host[80];         /* the last Host that was found good */
    size_t host_len, host_name_len;
    char prefix[400]; /* "HTTP/1.1 200 OK", Server and Date, as they are this second … */
    size_t prefix_len;
    int64_t prefix_second;
    const tc__http1_params_t *prefix_params; /* … for the connections of one server */
} tc__http1_local_t;
/* Made with a loop's first connection. NULL: out of memory. */
tc__http1_local_t *tc__http1_local(tc_ioloop_t *loop);

static inline tc_ioloop_t *tc__http1_loop(const tc__http1connection_t *connection) {
    return tc__iostream_loop(connection->stream);
}

/* ---- http1_request.c ---- */
void tc__http1_init_parser(llhttp_t *parser);
/* Parse some of [at, end), handle what it brought; returns how far it came. */
const char *tc__http1_parse(tc__http1connection_t *connection, const char *at, const char *end);
/* The delegate goes on after TC_DETACH. */
void tc__http1_resume(tc__exchange_t *exchange);
/* The request breaks a rule or a limit after its delegate has it. */
void tc__http1_refuse_rest(tc__http1connection_t *connection, int status, const char *why);

int tc__http1_on_message_complete(llhttp_t *parser); /* for its settings */
/* Append; 0 or TC_ENOMEM. */
int tc__http1_gather(tc__http1_message_t *message, tc__gathered_t *text, const char *at, size_t len);
/* "name: value CRLF" from `at` until the empty line. Names and values are NUL-terminated in place: there stood ":" and
 * the end of the value. 0, or the status that refuses them. */
int tc__http1_read_fields(tc__http1_message_t *message, tc__headers_t *fields, char *at, const char *end);

/* ---- http1_chunks.c ---- */
extern const llhttp_settings_t tc__http1_body_settings;
/* After each step of the parser over a body, [at, stop): 0, or the status that refuses its framing. */
int tc__http1_take_framing(tc__http1_message_t *message, const char *at, const char *stop);

/* ---- http1_response.c ---- */
extern const tc__exchange_vtable_t tc__http1_vtable;
/* Answer with an error page of the connection's own, no delegate involved; then close. `why` is logged. */
void tc__http1_refuse(tc__http1connection_t *connection, int status, const char *why);
int tc__http1_send_continue(tc__http1connection_t *connection);

/* ---- http1connection.c ---- */
/* Around calls that may end the connection, outside of the stream's own callbacks. */
void tc__http1_hold(tc__http1connection_t *connection);
void tc__http1_release(tc__http1connection_t *connection);
/* Parse on, after a pause that was the delegate's. */
void tc__http1_continue(tc__http1connection_t *connection);
/* The last byte of the answer is queued. */
void tc__http1_answered(tc__http1connection_t *connection);
/* Cut it: nothing more is parsed or told, and the client cannot take what it has for the whole. */
void tc__http1_cut(tc__http1connection_t *connection);
/* The stream belongs to somebody else from now on, its message is over. */
void tc__http1_let_go(tc__http1connection_t *connection);
/* Close after what is queued; `linger`: the client may still be sending. */
void tc__http1_close(tc__http1connection_t *connection, bool linger);
/* Set the state and the deadline that goes with it. */
void tc__http1_enter(tc__http1connection_t *connection, tc__http1_state_t state);
void tc__http1_set_deadline(tc__http1connection_t *connection, uint64_t delay_ms);
/* Watch that the client takes the output, if some is pending. */
void tc__http1_watch_output(tc__http1connection_t *connection);

#endif
