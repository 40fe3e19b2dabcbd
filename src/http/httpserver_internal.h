/* httpserver_internal.h - a server for any delegate; tc_httpserver_new is this with an application. */
#ifndef TC_HTTP_HTTPSERVER_INTERNAL_H
#define TC_HTTP_HTTPSERVER_INTERNAL_H

#include <tornadoc/httpserver.h>

#include "http/exchange_internal.h"

/* `free_self(self)` is called when the server and its last connection are gone; on failure it is not. */
int tc__httpserver_new(tc_httpserver_t **out, tc_ioloop_t *loop, const tc_httpserver_options_t *options,
                       const tc__server_delegate_t *delegate, void *self, tc_free_fn free_self);

/* Serve a stream that did not come from a listening socket: the test client's. Taken, also on failure. */
int tc__httpserver_add_stream(tc_httpserver_t *server, tc_iostream_t *stream, const tc__address_t *peer);

/* The same for one whose TLS was ended before it came here: its requests are of https. */
int tc__httpserver_add_https_stream(tc_httpserver_t *server, tc_iostream_t *stream, const tc__address_t *peer);

#endif
