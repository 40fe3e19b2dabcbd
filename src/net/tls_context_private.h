/* tls_context_private.h - what the files of the TLS context share. */
#ifndef TC_NET_TLS_CONTEXT_PRIVATE_H
#define TC_NET_TLS_CONTEXT_PRIVATE_H

#include "net/tls_context_internal.h"

#include <openssl/x509.h>

/* ---- tls_context_pem.c: what stands in files ---- */

/* A text that was read, or that the program gave: `name` is the file's, or says what it is; `owned` is freed. */
typedef struct {
    const char *name;
    tc_bytes_t text;
    void *owned;
} tc__tls_text_t;

/* Read `file`, or else take `memory`, which is lent; an empty text if there is neither. */
int tc__tls_text_init(tc__tls_text_t *text, const char *file, tc_bytes_t memory, const char *what);
void tc__tls_text_deinit(tc__tls_text_t *text); /* erases what was read: it may be a key */

/* All certificates of a text, in their order; none is an error. */
int tc__tls_read_certificates(STACK_OF(X509) * *out, const tc__tls_text_t *text);
int tc__tls_read_key(EVP_PKEY **out, const tc__tls_text_t *text);

/* ---- tls_context_certificate.c ---- */

/* Read a certificate with its chain and its key, check that they fit, and give them to `ctx`. */
int tc__tls_use_certificate(SSL_CTX *ctx, const tc_tls_certificate_t *certificate, bool server);

/* ---- tls_context_options.c ---- */

int tc__tls_check_options(const tc_tls_options_t *options, bool server);

/* Another SSL_CTX as the options have it: their files are read again. */
int tc__tls_ssl_ctx_new(SSL_CTX **out, const tc_tls_options_t *options, bool server);

#endif
