/*
 * tornadoc/interop.h - the program's own libuv loop and SSL_CTX. The one public header that names foreign types.
 */
#ifndef TORNADOC_INTEROP_H
#define TORNADOC_INTEROP_H

#include <tornadoc/ioloop.h>
#include <tornadoc/iostream.h>
#include <tornadoc/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s; /* uv_loop_t of <uv.h> */

/**
 * Serve from a loop that the program runs itself. It is never run, stopped or closed by us. Call it on the thread that
 * runs `uv`, and tc_ioloop_free before the program closes it.
 *
 * @return 0; TC_EINVAL for NULL; TC_ENOMEM or libuv's error
 */
TC_EXTERN int tc_ioloop_from_uv(tc_ioloop_t **out, struct uv_loop_s *uv) TC_MUST_CHECK;

/** The uv_loop_t below, for the program's own handles. They must be closed before an own loop is freed. */
TC_EXTERN struct uv_loop_s *tc_ioloop_uv(tc_ioloop_t *loop);

struct ssl_ctx_st; /* SSL_CTX of <openssl/ssl.h> */

/**
 * A TLS context around the program's own SSL_CTX, for servers and clients alike. A reference is taken; it is used as it
 * is, so all that it checks, and that it checks at all, is the program's: for a client that verifies, set
 * SSL_VERIFY_PEER and whom to trust (the host name is then checked). It cannot be reloaded or added to.
 *
 * @return 0; TC_EINVAL for NULL; TC_ENOMEM
 */
TC_EXTERN int tc_tls_context_adopt(tc_tls_context_t **out, struct ssl_ctx_st *ssl_ctx) TC_MUST_CHECK;

struct ssl_st; /* SSL */

/**
 * The SSL of a stream: to be asked, and for settings of its own before the handshake. Reading, writing and closing are
 * the stream's. NULL without TLS, and after the stream was closed.
 */
TC_EXTERN struct ssl_st *tc_iostream_ssl(const tc_iostream_t *stream);

/** In a callback of OpenSSL's: the stream whose SSL it is called for. NULL if that is none. */
TC_EXTERN tc_iostream_t *tc_iostream_from_ssl(const struct ssl_st *ssl);

/**
 * Go on with a handshake that a callback of the program's own SSL_CTX has put off (for a certificate that has to be
 * fetched, say: SSL_ERROR_WANT_X509_LOOKUP and its kin). Its deadline has gone on. Harmless where nothing waits.
 */
TC_EXTERN void tc_iostream_continue_handshake(tc_iostream_t *stream);

#ifdef __cplusplus
}
#endif
#endif
