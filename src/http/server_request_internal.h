/*
 * server_request_internal.h - a request whose head is complete. (Tornado: HTTPServerRequest)
 *
 * It stands at the start of its own arena, with the head copied behind it, so that a request is one block of the loop's
 * pool. Whoever has it frees it; the connection makes it and gives it to the application with headers_received.
 */
#ifndef TC_HTTP_SERVER_REQUEST_INTERNAL_H
#define TC_HTTP_SERVER_REQUEST_INTERNAL_H

#include "async/ioloop_internal.h"
#include "http/headers_internal.h"
#include "http/url_internal.h"
#include "net/tcpserver_internal.h"
#include "util/arena_internal.h"

#define TC__LENGTH_UNKNOWN UINT64_MAX

typedef enum { /* the methods that handlers know; everything else is TC__METHOD_OTHER */
               TC__METHOD_GET,
               TC__METHOD_HEAD,
               TC__METHOD_POST,
               TC__METHOD_PUT,
               TC__METHOD_DELETE,
               TC__METHOD_PATCH,
               TC__METHOD_OPTIONS,
               TC__METHOD_OTHER
} tc__method_t;

typedef struct tc__server_request {
    tc__arena_t arena;
    tc_ioloop_t *loop;
    const char *method; /* "GET" */
    tc__method_t method_id;
    uint8_t http_minor; /* 1: HTTP/1.1 */
    bool is_tls;
    const char *uri;      /* as sent */
    tc__target_t target;  /* pieces of uri; path and query are never NULL-terminated apart from the query */
    tc_bytes_t host;      /* Host or the absolute form's authority, as sent; may be empty */
    tc_bytes_t host_name; /* without the port */
    tc__headers_t headers;
    tc__header_t *trailers; /* once the body is complete; those that a handler may have */
    size_t trailer_count;
    tc__address_t remote;
    uint64_t content_length; /* TC__LENGTH_UNKNOWN: chunked; 0: no body */
    uint64_t start_ms;       /* when the head was complete, on the loop's clock */
} tc__server_request_t;

/* With its arena in a block of the loop's pool. NULL: out of memory. */
tc__server_request_t *tc__server_request_new(tc_ioloop_t *loop);
void tc__server_request_free(tc__server_request_t *request); /* NULL is fine */

#endif
