/* iostream_connect_internal.h - one attempt to connect a socket, embedded in whoever makes it. */
#ifndef TC_NET_IOSTREAM_CONNECT_INTERNAL_H
#define TC_NET_IOSTREAM_CONNECT_INTERNAL_H

#include "net/tcpserver_internal.h"

enum { TC__CONNECT_TIMEOUT_MS = 20000 }; /* unless the options say otherwise */

typedef struct tc__connect {
    tc_iostream_t *stream; /* that is being connected; NULL: none */
    /* From the loop, once: with the connected stream, which is the callee's, or NULL and why not, for which
     * tc_error_detail() has words. May free the attempt, and may start it anew. */
    void (*done)(struct tc__connect *connect, int err, tc_iostream_t *stream);
} tc__connect_t;

void tc__connect_init(tc__connect_t *connect, void (*done)(tc__connect_t *connect, int err, tc_iostream_t *stream));
/* `from` may be NULL; a family of 0 means any address, its port then counts. 0: `done` follows; else it does not, and
 * tc_error_detail() has words. */
int tc__connect_start(tc__connect_t *connect, tc_ioloop_t *loop, const struct sockaddr *to, socklen_t len,
                      const tc__address_t *from, const tc_iostream_options_t *options);
void tc__connect_cancel(tc__connect_t *connect); /* harmless if it is not under way */

/* `ip` may be NULL. 0; TC_EINVAL with a detail. */
int tc__source_parse(tc__address_t *out, const char *ip, int port);

/* Start a timer that ends an attempt: 0 is the default, for TC_FOREVER there is none. */
void tc__connect_deadline(tc_ioloop_t *loop, tc__timer_t *timer, uint64_t timeout_ms);

/* The way from a connection to a future's result: at once, or by a handshake of TLS. */
typedef struct tc__secure {
    tc_tls_context_t *tls;                        /* referenced; NULL: no TLS */
    char *hostname;                               /* owned */
    tc_iostream_t *stream;                        /* that shakes hands; NULL: none */
    tc_future_t *future;                          /* that gets it */
    void (*failed)(tc_future_t *future, int err); /* has words in tc_error_detail() */
} tc__secure_t;

/* `hostname` is copied. 0; TC_ENOMEM with a detail */
int tc__secure_init(tc__secure_t *secure, tc_future_t *future, tc_tls_context_t *tls, const char *hostname,
                    void (*failed)(tc_future_t *future, int err));
void tc__secure_start(tc__secure_t *secure, tc_iostream_t *stream); /* taken: it ends in the future, or is closed */
void tc__secure_end(tc__secure_t *secure);                          /* the future is settled; harmless if repeated */

void tc__iostream_drop(void *stream); /* tc_iostream_close, as a tc_free_fn */

#endif
