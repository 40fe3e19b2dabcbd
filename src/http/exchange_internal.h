/*
 * exchange_internal.h - the two seams between a connection and an application. (Tornado: HTTPServerConnectionDelegate,
 * HTTPMessageDelegate, HTTPConnection)
 *
 * The connection knows bytes and their protocol, the application knows routes. Towards the application a connection is
 * a tc__exchange_t: one request, and the answer to it, behind a vtable. Towards the connection an application is a
 * delegate. Neither learns more of the other, so that another protocol can stand beside HTTP/1, and a test on either
 * side.
 *
 *     start_request → headers_received → data_received* → finish     what comes in
 *                     respond → write*                               what goes out; may begin before the input ends
 *     on_close                                                       always, once, last
 */
#ifndef TC_HTTP_EXCHANGE_INTERNAL_H
#define TC_HTTP_EXCHANGE_INTERNAL_H

#include <tornadoc/future.h>

#include "http/headers_internal.h"
#include "http/server_request_internal.h"
#include "net/iostream_internal.h"

typedef struct tc__exchange tc__exchange_t;

/* The application's side. Every call may answer, finish or abort the exchange. */
typedef struct {
    /*
     * The head is in; `request` belongs to the delegate from now on. 0: go on with the body. TC_DETACH: not yet; wait
     * for tc__exchange_resume. Before the body is read, and before 100 Continue is sent, its length is checked against
     * the limit (set_max_body_size).
     */
    int (*headers_received)(void *self, tc__server_request_t *request);
    /* A piece of the body, borrowed until the return. 0, or TC_DETACH: no more until tc__exchange_resume. */
    int (*data_received)(void *self, tc_bytes_t chunk);
    /* The request is complete. */
    void (*finish)(void *self);
    /* The connection refuses the rest of a request that it has begun to give (413, 408, 400 …): answer with that page.
     */
    void (*refuse)(void *self, int status, const char *why);
    /* The peer sent FIN; the answer may still be delivered. At most once. */
    void (*client_left)(void *self);
    /* The server drains. At most once, while the answer is not complete. */
    void (*going_away)(void *self);
    /* Output is below the mark again, after tc__exchange_queued was above it. */
    void (*drained)(void *self);
    /* The exchange is over and must not be used any more. 0: the answer is with the system; TC_ECLOSED, TC_ETIMEDOUT …:
     * it is not, or not wholly. */
    void (*on_close)(void *self, int err);
} tc__message_delegate_t;

/* The head of an answer. */
typedef struct {
    int status;
    const char *reason;           /* NULL: the usual one */
    tc_bytes_t content_type;      /* of a Content-Type that is not among the headers; empty: none */
    const tc__headers_t *headers; /* without Connection and Transfer-Encoding, which are the connection's */
} tc__response_head_t;

/* The connection's side. 0, or a negative code: then the answer cannot be delivered and on_close follows or has run. */
typedef struct {
    /* The head and the first of the body. `last`: all of it, and Content-Length is set from it unless a header has it.
     */
    int (*respond)(tc__exchange_t *exchange, const tc__response_head_t *head, const tc__segment_t *body, size_t count,
                   bool last);
    /* Before respond, any number of times: 103 with a Link field (RFC 8297). 0 also to clients that know no 1xx. */
    int (*early_hints)(tc__exchange_t *exchange, tc_bytes_t link);
    /* The fields behind the body, sent as they are at the end, where the protocol and the framing allow any. They live
     * as long as the exchange. */
    void (*set_trailers)(tc__exchange_t *exchange, const tc__headers_t *trailers);
    int (*write)(tc__exchange_t *exchange, const tc__segment_t *body, size_t count, bool last);
    /* A piece of a file as the next of a body whose Content-Length was announced (tc__iostream_send_file). */
    int (*write_file)(tc__exchange_t *exchange, const tc__file_piece_t *piece, bool last);
    /*
     * Give the stream away, once the request is complete and before an answer has begun, behind this head if it is not
     * NULL: a 101. The exchange is over with it, and on_close has run. TC_EALREADY, TC_EBUSY: not now; TC_ECLOSED;
     * TC_ENOMEM.
     */
    int (*detach)(tc__exchange_t *exchange, const tc__response_head_t *head, tc_iostream_t **out);
    /* Cut the connection so that the client cannot take what it has for the whole. */
    void (*abort)(tc__exchange_t *exchange);
    /* What headers_received or data_received left with TC_DETACH is done. */
    void (*resume)(tc__exchange_t *exchange);
    void (*set_max_body_size)(tc__exchange_t *exchange, size_t size);
    bool (*is_going_away)(const tc__exchange_t *exchange); /* does the server drain? */
    uint64_t (*max_body_size)(const tc__exchange_t *exchange);
    size_t (*queued)(const tc__exchange_t *exchange); /* bytes of output that the system refuses to take for now */
    size_t (*output_mark)(const tc__exchange_t *exchange);
    const tc_iostream_t *(*tls_stream)(const tc__exchange_t *exchange); /* whose TLS is below; NULL: in the clear */
} tc__exchange_vtable_t;

struct tc__exchange {
    const tc__exchange_vtable_t *vtable;
    const tc__message_delegate_t *delegate; /* NULL: no exchange is under way */
    void *self;                             /* the delegate's */
};

/* Who gives a delegate for each request of a connection. */
typedef struct {
    /* Sets exchange->delegate and ->self. TC_ENOMEM: the connection answers 503 by itself. */
    int (*start_request)(void *self, tc__exchange_t *exchange, tc__server_request_t *request);
} tc__server_delegate_t;

#endif
