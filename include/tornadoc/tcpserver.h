/*
 * tornadoc/tcpserver.h - a server of streams. (Tornado: tcpserver)
 */
#ifndef TORNADOC_TCPSERVER_H
#define TORNADOC_TCPSERVER_H

#include <tornadoc/iostream.h>
#include <tornadoc/netutil.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_tcpserver tc_tcpserver_t;

/** A connection came in. The stream is the callback's: it must be closed some time. `peer` is numeric, "" on unix
 *  sockets, and borrowed until the callback returns; tc_iostream_peer keeps it. */
typedef void (*tc_tcpserver_cb)(tc_tcpserver_t *server, tc_iostream_t *stream, const char *peer, void *user_data);

typedef struct {
    tc_iostream_options_t stream; /**< for each connection */
    tc_bind_options_t bind;       /**< for tc_tcpserver_listen */
    /** A server's: connections speak TLS; referenced. Their handshake need not be over when they are given out: reads
     *  and writes wait for it (see tc_iostream_wait_for_handshake). One that fails closes the stream and is logged. */
    tc_tls_context_t *tls;
    uint64_t handshake_timeout_ms; /**< default 10,000; TC_FOREVER */
    uintptr_t reserved[4];         /**< must be zero */
} tc_tcpserver_options_t;

/** @param cb called for each connection; NULL: tc_tcpserver_accept takes them */
TC_EXTERN int tc_tcpserver_new(tc_tcpserver_t **out, tc_ioloop_t *loop, const tc_tcpserver_options_t *options,
                               tc_tcpserver_cb cb, void *user_data) TC_MUST_CHECK;

/**
 * The next connection, for a server that was made without a callback: the future's result is the stream, to be closed
 * some time; one that is not taken is closed with the future. tc_iostream_peer says who it is. While nobody waits,
 * connections stay in the queue of the system, and so they do when one who waits gives up. Several may wait: first
 * come, first served.
 *
 * Fails with TC_ECLOSED if the server does not listen, or is stopped; TC_ECANCELED: the loop was freed.
 */
TC_EXTERN tc_future_t *tc_tcpserver_accept(tc_tcpserver_t *server);

/** Bind (see tc_bind_sockets) and accept from the next turn on. May be called for several addresses. */
TC_EXTERN int tc_tcpserver_listen(tc_tcpserver_t *server, const char *address, int port) TC_MUST_CHECK;

/** Accept on a listening socket that exists: taken, also on failure. */
TC_EXTERN int tc_tcpserver_add_socket(tc_tcpserver_t *server, int fd) TC_MUST_CHECK;

/** The port of the first socket; 0 without one. */
TC_EXTERN int tc_tcpserver_port(const tc_tcpserver_t *server);

/**
 * Accept no more, close the sockets; connections go on. Idempotent.
 *
 * (While the process is out of descriptors the server pauses by itself, leaves the clients in the queue of the system,
 * says so once, and goes on when there is room.)
 */
TC_EXTERN void tc_tcpserver_stop(tc_tcpserver_t *server);

/** Stop, and free. NULL is fine. */
TC_EXTERN void tc_tcpserver_free(tc_tcpserver_t *server);

#ifdef __cplusplus
}
#endif
#endif
