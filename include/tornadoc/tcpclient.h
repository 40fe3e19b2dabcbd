/*
 * tornadoc/tcpclient.h - connecting by name. (Tornado: tcpclient)
 *
 *     tc_iostream_t *stream;
 *     TC_TRY(tc_await(tc_tcpclient_connect(NULL, "example.com", 80, NULL), &stream));
 */
#ifndef TORNADOC_TCPCLIENT_H
#define TORNADOC_TCPCLIENT_H

#include <tornadoc/iostream.h>
#include <tornadoc/netutil.h>

#ifdef __cplusplus
extern "C" {
#endif

/** All zero, or NULL, means the defaults. What is pointed at need live during the call only. */
typedef struct {
    tc_family_t family;           /**< of the addresses that are tried; default: both */
    const char *source_ip;        /**< numeric; addresses of its family alone are tried; NULL: the system chooses */
    int source_port;              /**< 0: any */
    uint64_t timeout_ms;          /**< for all of it, the lookup too; default 20,000; TC_FOREVER: none */
    tc_resolver_t *resolver;      /**< NULL: the system's names */
    tc_iostream_options_t stream; /**< for the stream */
    tc_tls_context_t *tls;        /**< a client's: speak TLS, and be connected once that is agreed; else NULL */
    const char *server_hostname;  /**< with TLS: whom the certificate must name; NULL: the host */
    uintptr_t reserved[4];        /**< must be zero */
} tc_tcpclient_options_t;

/**
 * Connect to a host, by name or numeric address, and port (1 to 65535).
 *
 * The addresses of a name are tried one after the other, those of the first one's family first. If there is no
 * connection after 300 ms, or when the first attempt has failed, those of the other family are tried at the same time
 * (Happy Eyeballs, RFC 8305). The first connection wins, the others are closed.
 *
 * The future's result is the stream: to be taken, and closed some time; one that nobody takes is closed with the
 * future. It fails with TC_ETIMEDOUT, with the resolver's failure, or, when all addresses were tried, with the last
 * attempt's; tc_future_message() names host and port. To cancel it, or to drop it, ends all attempts.
 */
TC_EXTERN tc_future_t *tc_tcpclient_connect(tc_ioloop_t *loop, const char *host, int port,
                                            const tc_tcpclient_options_t *options);

#ifdef __cplusplus
}
#endif
#endif
