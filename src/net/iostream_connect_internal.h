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

void tc__iostream_drop(void *stream); /* tc_iostream_close, as a tc_free_fn */

#endif
