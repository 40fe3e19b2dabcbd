/*
 * http1connection_internal.h - one HTTP/1.x connection of a server, as the server sees it. (Tornado: http1connection)
 */
#ifndef TC_HTTP_HTTP1CONNECTION_INTERNAL_H
#define TC_HTTP_HTTP1CONNECTION_INTERNAL_H

#include "http/exchange_internal.h"
#include "net/cidr_internal.h"

typedef struct tc__http1connection tc__http1connection_t;

/* What all connections of a server share: options with their defaults filled in, and who takes the requests. */
typedef struct {
    size_t max_request_line, max_header_size, max_header_count, max_body_size, max_trailer_size, max_pipelined_size,
        output_mark;
    uint64_t idle_timeout_ms, header_timeout_ms, body_timeout_ms, write_timeout_ms;
    uint64_t max_requests; /* of a connection */
    bool no_keep_alive;
    tc__outputs_t *outputs;     /* what is queued for all of them */
    const tc__cidrs_t *proxies; /* whose connections begin with a PROXY header, all of them; NULL: none does */
    const tc__cidrs_t *trusted; /* the proxies that are believed; NULL: none */
    unsigned trusted_fields;    /* TC_TRUST_…: in which fields */
    tc_tls_context_t *tls;      /* connections speak TLS; NULL: they do not */
    uint64_t handshake_timeout_ms;
    bool draining;          /* every answer from now on is a connection's last */
    tc_bytes_t server_name; /* of the Server field; empty: none */
    const tc__server_delegate_t *delegate;
    void *delegate_self;
    void (*on_connection_close)(tc__list_t *node,
                                void *user_data); /* the connection is gone; its list node was removed */
    void (*on_orphan)(void *user_data);           /* before that: a request is under way, and may outlive it … */
    void (*on_orphan_gone)(void *user_data);      /* … until now */
    void *user_data;
} tc__http1_params_t;

/* Take the stream and put the connection into `connections`. On failure the stream is closed. `params` outlives it. */
int tc__http1connection_new(tc__http1connection_t **out, tc_iostream_t *stream, const tc__http1_params_t *params,
                            const tc__address_t *peer, tc__list_t *connections);

/* New params, perhaps where old ones were: what the loop keeps ready for those is made anew. */
void tc__http1_forget_params(tc_ioloop_t *loop);

/* Before it starts: its requests are of https, though this stream speaks no TLS, for somebody in front of it does. */
void tc__http1connection_set_https(tc__http1connection_t *connection);

/* Read the first bytes now. The connection may be gone after this. */
void tc__http1connection_start(tc__http1connection_t *connection);

tc__http1connection_t *tc__http1connection_from_node(tc__list_t *node);

/* The params say `draining` now: tell the delegate that is at work, close it if it is idle, soon if it only waits for
 * the client's FIN. It may be gone after this. */
void tc__http1connection_drain(tc__http1connection_t *connection);

/* Cut it. It is gone after this, unless one of its callbacks is on the stack. */
void tc__http1connection_abort(tc__http1connection_t *connection);

#endif
