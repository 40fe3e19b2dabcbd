/*
 * tls_context_options.c - options to OpenSSL's SSL_CTX. (Tornado: ssl_options_to_context)
 */
#include "net/tls_context_private.h"

#include <openssl/err.h>

#include "util/error_internal.h"

/* For TLS 1.2: forward secrecy and authenticated encryption only, as Mozilla's "intermediate" without its slow ones. */
static const char server_ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                     "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                     "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/* The first list that this OpenSSL knows. No finite fields: with those a client makes a server work for nothing. */
static const char *const server_groups[] = { "X25519MLKEM768:X25519:P-256:P-384", "X25519:P-256:P-384", "P-256:P-384" };

enum { MAX_CHAIN = 10 };

/* ---- What fits together ---- */

static bool has_certificate(const tc_tls_options_t *options) {
    return options->certificate.cert_file || options->certificate.cert.len > 0;
}

static bool has_ca(const tc_tls_options_t *options) {
    return options->ca_file || options->ca_dir || options->ca.len > 0;
}

static int check_role(const tc_tls_options_t *options, bool server) {
    if (server && !has_certificate(options))
        return tc__misuse(TC_EINVAL, "tc_tls_context_new_server: a server needs a certificate");
    if (server && options->insecure_skip_verify)
        return tc__misuse(TC_EINVAL, "tc_tls_context_new_server: insecure_skip_verify is for clients");
    if (!server && options->client_cert != TC_TLS_CLIENT_CERT_NONE)
        return tc__misuse(TC_EINVAL, "tc_tls_context_new_client: client_cert is for servers");
    return 0;
}

int tc__tls_check_options(const tc_tls_options_t *options, bool server) {
    if (!tc__all_zero(options->reserved, sizeof options->reserved) ||
        !tc__all_zero(options->certificate.reserved, sizeof options->certificate.reserved))
        return tc__misuse(TC_EINVAL, "tc_tls_options_t: reserved must be zero");
    TC_TRY(check_role(options, server));
    if ((unsigned)options->client_cert > TC_TLS_CLIENT_CERT_REQUIRED)
        return tc__misuse(TC_EINVAL, "client_cert: %d is none of its values", (int)options->client_cert);
    if (options->client_cert != TC_TLS_CLIENT_CERT_NONE && !has_ca(options))
        return tc__misuse(TC_EINVAL, "client_cert: by whose certificates? ca_file, ca_dir or ca says so");
    return 0;
}

/* ---- Whom to trust ---- */

/* To trust them, and for a server to name them to its clients. */
static int trust(SSL_CTX *ctx, const STACK_OF(X509) * authorities, const char *name, bool server) {
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        X509 *authority = sk_X509_value(authorities, i);
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority) != 1 ||
            (server && SSL_CTX_add_client_CA(ctx, authority) != 1))
            return tc__tls_take_error(name);
    }
    return 0;
}

static int trust_text(SSL_CTX *ctx, const char *file, tc_bytes_t memory, bool server) {
    STACK_OF(X509) *authorities = NULL;
    tc__tls_text_t text;
    int err = tc__tls_text_init(&text, file, memory, "the CA");
    if (err == 0)
        err = tc__tls_read_certificates(&authorities, &text);
    if (err == 0)
        err = trust(ctx, authorities, text.name, server);
    sk_X509_pop_free(authorities, X509_free);
    tc__tls_text_deinit(&text);
    return err;
}

static int set_authorities(SSL_CTX *ctx, const tc_tls_options_t *options, bool server) {
    if (options->ca_file)
        TC_TRY(trust_text(ctx, options->ca_file, tc_bytes(NULL, 0), server));
    if (options->ca.len > 0)
        TC_TRY(trust_text(ctx, NULL, options->ca, server));
    if (options->ca_dir && SSL_CTX_load_verify_dir(ctx, options->ca_dir) != 1)
        return tc__tls_take_error(options->ca_dir);
    if (!server && !has_ca(options) && SSL_CTX_set_default_verify_paths(ctx) != 1)
        return tc__tls_take_error("the system's CAs");
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN); /* what is named is trusted */
    return 0;
}

static int verify_mode(const tc_tls_options_t *options, bool server) {
    if (!server)
        return options->insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    switch (options->client_cert) {
    case TC_TLS_CLIENT_CERT_OPTIONAL:
        return SSL_VERIFY_PEER;
    case TC_TLS_CLIENT_CERT_REQUIRED:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    default:
        return SSL_VERIFY_NONE;
    }
}

/* ---- Versions, ciphers, groups ---- */

static int set_groups(SSL_CTX *ctx) {
    for (size_t i = 0; i < sizeof server_groups / sizeof *server_groups; i++) {
        if (SSL_CTX_set1_groups_list(ctx, server_groups[i]) == 1) {
            ERR_clear_error();
            return 0;
        }
    }
    return tc__tls_take_error("groups");
}

static int set_protocol(SSL_CTX *ctx, bool server) {
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1)
        return tc__tls_take_error("versions");
    if (server && SSL_CTX_set_cipher_list(ctx, server_ciphers) != 1)
        return tc__tls_take_error("ciphers");
    return server ? set_groups(ctx) : 0;
}

/* ---- All of it ---- */

int tc__tls_ssl_ctx_new(SSL_CTX **out, const tc_tls_options_t *options, bool server) {
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (!ctx)
        return tc__tls_take_error("TLS");
    int err = set_protocol(ctx, server);
    if (err == 0 && has_certificate(options))
        err = tc__tls_use_certificate(ctx, &options->certificate, server);
    if (err == 0)
        err = set_authorities(ctx, options, server);
    if (err < 0) {
        SSL_CTX_free(ctx);
        return err;
    }
    SSL_CTX_set_verify(ctx, verify_mode(options, server), NULL);
    SSL_CTX_set_verify_depth(ctx, MAX_CHAIN);
    ERR_clear_error();
    *out = ctx;
    return 0;
}
