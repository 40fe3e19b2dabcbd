/*
 * tornadoc.h - Tornado for C: an embeddable, asynchronous HTTP server library.
 *
 *     static int hello(tc_request_t *req) {
 *         return tc_write(req, "Hello, world");
 *     }
 *
 *     int main(void) {
 *         tc_application_t *app = tc_application_new(NULL);
 *         tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello }, NULL);
 *         return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
 *     }
 *
 * This header is all a program needs. The parts, in the order to read them:
 */
#ifndef TORNADOC_H
#define TORNADOC_H

#include <tornadoc/web.h>        /* applications, routes, request handlers */
#include <tornadoc/auth.h>       /* sessions, basic authentication, pages of other origins */
#include <tornadoc/static.h>     /* files of a folder */
#include <tornadoc/sse.h>        /* streams of events for pages */
#include <tornadoc/httpserver.h> /* a server on a loop of your own */
#include <tornadoc/httputil.h>   /* URLs, queries, header values, dates */
#include <tornadoc/escape.h>     /* text for HTML and URLs */
#include <tornadoc/log.h>        /* where messages go */
#include <tornadoc/access_log.h> /* a line for each request */
#include <tornadoc/future.h>     /* results that come later; the executor */
#include <tornadoc/coroutine.h>  /* await: straight-line code that waits */
#include <tornadoc/locks.h>      /* conditions, events, semaphores, locks between coroutines */
#include <tornadoc/queues.h>     /* queues between them */
#include <tornadoc/ioloop.h>     /* the loop: callbacks, timeouts, descriptors, signals */
#include <tornadoc/interop.h>    /* the uv_loop_t that a program has already */
#include <tornadoc/netutil.h>    /* listening sockets, names and addresses */
#include <tornadoc/iostream.h>   /* a byte stream on a socket */
#include <tornadoc/tcpserver.h>  /* a server of streams */
#include <tornadoc/tls.h>        /* TLS contexts: certificates, keys, whom to trust */
#include <tornadoc/tcpclient.h>  /* streams to servers */
#include <tornadoc/testing.h>    /* the whole stack in memory, on a clock of its own */
#include <tornadoc/util.h>       /* bytes, errors, the allocator */

#endif
