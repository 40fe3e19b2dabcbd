/* tls_context_private.h - what the files of the TLS context share. */
#ifndef TC_NET_TLS_CONTEXT_PRIVATE_H
#define TC_NET_TLS_CONTEXT_PRIVATE_H

#include "net/tls_context_internal.h"

#include <stdatomic.h>

#include <openssl/x509.h>
#include <uv.h>

#include "util/arena_internal.h"

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
int tc__tls_read_key(EVP_PKEY **out, const tc__tls_text_t *text, tc_tls_password_cb cb, void *user_data);

/* ---- tls_context_certificate.c: what one certificate stands for ---- */

/* A certificate with what is read from beside it. */
typedef struct {
    STACK_OF(X509) * certificates; /* the first is whose key it is */
    EVP_PKEY *key;
} tc__tls_loaded_t;

/* Read it, and check that all fits. */
int tc__tls_load(tc__tls_loaded_t *out, const tc_tls_certificate_t *certificate, bool check_dates);
void tc__tls_loaded_deinit(tc__tls_loaded_t *loaded);

bool tc__tls_has_certificate(const tc_tls_certificate_t *certificate);

/* Copy what it points at; the rest stays as it is. */
int tc__tls_copy_certificate(tc__arena_t *arena, tc_tls_certificate_t *certificate);
void tc__tls_erase_certificate(tc_tls_certificate_t *copy); /* a key in memory is */

/* ---- tls_context_options.c: options to OpenSSL's SSL_CTX ---- */

enum { TC__TLS_SESSION_ID_CONTEXT = 32 };

/* An SSL_CTX that is never changed once it is made. */
typedef struct {
    atomic_uint refs;
    SSL_CTX *ctx;
    unsigned char session_id_context[TC__TLS_SESSION_ID_CONTEXT]; /* what it demands of clients: sessions are no way
                                                                     around it */
} tc__tls_site_t;

typedef enum { TC__TLS_SERVER, TC__TLS_CLIENT, TC__TLS_ADOPTED } tc__tls_role_t;

/* Replace what is pointed at by a copy. */
int tc__tls_copy_text(tc__arena_t *arena, const char **text);
int tc__tls_copy_bytes(tc__arena_t *arena, tc_bytes_t *bytes);

int tc__tls_check_options(const tc_tls_options_t *options, tc__tls_role_t role);
int tc__tls_copy_options(tc__arena_t *arena, tc_tls_options_t *options);

/* Another site as the context's options have it, with that certificate: files are read again. With a `base`, a site of
 * the same options, what both have in common is shared. */
int tc__tls_site_new(tc__tls_site_t **out, tc_tls_context_t *tls, const tc_tls_certificate_t *certificate,
                     const tc__tls_site_t *base);
tc__tls_site_t *tc__tls_site_ref(tc__tls_site_t *site);
void tc__tls_site_unref(tc__tls_site_t *site); /* NULL is fine */

/* ---- tls_context.c ---- */

struct tc_tls_context {
    atomic_uint refs;
    tc__tls_role_t role;

    uv_mutex_t now_lock; /* guards `site`, for moments */
    tc__tls_site_t *site;

    uv_mutex_t change_lock; /* one reload at a time */

    tc__arena_t memory; /* of what the options point at */
    tc_tls_options_t options;
    tc_bytes_t alpn; /* as the protocol has it; empty: none is told */
    int key_log;     /* descriptor, or -1 */
};

/* What an SSL is to its context; freed with the SSL. */
typedef struct {
    tc_tls_context_t *tls;
    tc_bytes_t default_alpn; /* for a context that says nothing of it */
} tc__tls_connection_t;

tc__tls_connection_t *tc__tls_connection(const SSL *ssl);

/* The callbacks of OpenSSL, for a context's every SSL_CTX. */
void tc__tls_set_callbacks(SSL_CTX *ctx, const tc_tls_context_t *tls);

/* ---- tls_context_alpn.c ---- */

/* "h2, http/1.1" as the protocol has it. */
int tc__tls_parse_alpn(tc__arena_t *arena, tc_bytes_t *out, const char *text);
void tc__tls_set_alpn_callback(SSL_CTX *ctx);

/* ---- tls_context_key_log.c ---- */

int tc__tls_key_log_open(const char *file); /* a descriptor, or a failure with its words */
void tc__tls_key_log_write(int fd, const char *line);

#endif
