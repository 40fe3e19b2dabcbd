/*
 * tls_context_internal.h - what a stream needs of a TLS context: an SSL for a connection, and OpenSSL's failures in
 * words.
 *
 * Each function leaves the thread's queue of OpenSSL's errors empty.
 */
#ifndef TC_NET_TLS_CONTEXT_INTERNAL_H
#define TC_NET_TLS_CONTEXT_INTERNAL_H

#include <openssl/ssl.h>

#include <tornadoc/tls.h>

/*
 * A connection's SSL, on whatever the context stands for at this moment: a reload does not touch it. It is in the
 * accepting or the connecting state, writes in part and from buffers that may move, and has no BIO yet. It holds the
 * context until SSL_free.
 *
 * @param server   false: a client
 * @param hostname of the client: whom the certificate must name, a name (then sent as SNI, without a dot at its end) or
 *                 a numeric address. NULL only where nothing is verified. Not looked at for servers
 * @return 0; TC_EINVAL: a role or a name that does not fit; TC_ENOMEM; TC_ETLS. tc_error_detail() has it in words
 */
int tc__tls_ssl_new(SSL **out, tc_tls_context_t *tls, bool server, const char *hostname);

/* 0; TC_EINVAL: it is the other side's. */
int tc__tls_check_role(const tc_tls_context_t *tls, bool server);

/* The protocols to offer, or to accept, if the context's options say nothing of that: names with their lengths before
 * them, "\x08http/1.1", which must outlive `ssl`. 0; TC_ENOMEM. */
int tc__tls_set_default_alpn(SSL *ssl, tc_bytes_t wire);

enum { TC__TLS_REASON = 160 }; /* room for any reason */

/*
 * Why OpenSSL failed just now, in words for one line of a log; empties its queue. The words are OpenSSL's own, nothing
 * of what a peer sent. `ssl`, which may be NULL, tells what is wrong with a certificate.
 *
 * @return TC_ETLS, or TC_ENOMEM
 */
int tc__tls_reason(char *out, size_t size, const SSL *ssl);

/* The same to tc_error_detail(), as "<what>: <reason>". */
int tc__tls_take_error(const char *what);
int tc__tls_take_ssl_error(const SSL *ssl, const char *what);

#endif
