/*
 * tls_context.c - a TLS context: what connections are made from, shared by servers, clients and threads.
 *
 * An SSL_CTX is never changed once connections are made from it.
 */
#include "net/tls_context_private.h"

#include <stdatomic.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "net/cidr_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"

struct tc_tls_context {
    atomic_uint refs;
    bool server;
    SSL_CTX *ctx;
};

/* ---- Life ---- */

static int new_context(tc_tls_context_t **out, const tc_tls_options_t *options, bool server) {
    TC_TRY(tc__tls_check_options(options, server));
    tc_tls_context_t *tls = tc__calloc(1, sizeof *tls);
    if (!tls)
        return tc__fail(TC_ENOMEM, "out of memory for a TLS context");
    atomic_init(&tls->refs, 1);
    tls->server = server;
    int err = tc__tls_ssl_ctx_new(&tls->ctx, options, server);
    if (err < 0) {
        tc_tls_context_unref(tls);
        return err;
    }
    *out = tls;
    return 0;
}

int tc_tls_context_new(tc_tls_context_t **out, const char *cert_file, const char *key_file) {
    if (!out || !cert_file)
        return tc__misuse(TC_EINVAL, "tc_tls_context_new: %s is NULL", out ? "cert_file" : "out");
    return new_context(out, &(tc_tls_options_t){ .certificate = { .cert_file = cert_file, .key_file = key_file } },
                       true);
}

int tc_tls_context_new_server(tc_tls_context_t **out, const tc_tls_options_t *options) {
    if (!out || !options)
        return tc__misuse(TC_EINVAL, "tc_tls_context_new_server: %s",
                          out ? "a server needs a certificate" : "out is NULL");
    return new_context(out, options, true);
}

int tc_tls_context_new_client(tc_tls_context_t **out, const tc_tls_options_t *options) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_tls_context_new_client: out is NULL");
    return new_context(out, options ? options : &(tc_tls_options_t){ 0 }, false);
}

tc_tls_context_t *tc_tls_context_ref(tc_tls_context_t *tls) {
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void tc_tls_context_unref(tc_tls_context_t *tls) {
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(tls->ctx);
    tc__free(tls);
}

/* ---- Connections ---- */

/* The certificate must name the host in its list of names: its subject is no longer looked at, and "*" stands for a
 * whole label (RFC 9525 sections 6.3 and 2). */
static int expect_host(SSL *ssl, const char *hostname) {
    char name[256];
    size_t len = strlen(hostname);
    tc__address_t address;
    if (tc__address_parse_with_zone(tc_str(hostname), &address) == 0) {
        size_t size = address.family == AF_INET ? 4 : 16;
        return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), address.bytes, size) == 1 ? 0
                                                                                        : tc__tls_take_error(hostname);
    }
    if (len > 1 && hostname[len - 1] == '.')
        len--;
    if (len == 0 || len >= sizeof name)
        return tc__fail(TC_EINVAL, "\"%.64s\" is no host name", hostname);
    memcpy(name, hostname, len);
    name[len] = '\0';
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, name) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1)
        return tc__tls_take_error(name);
    return 0;
}

static int set_up_client(SSL *ssl, const char *hostname) {
    SSL_set_connect_state(ssl);
    if (hostname)
        return expect_host(ssl, hostname);
    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
        return tc__misuse(TC_EINVAL,
                          "whom does a TLS client connect to? Its certificate is verified against a host name");
    return 0;
}

SSL *tc__tls_ssl_new(tc_tls_context_t *tls, bool server, const char *hostname) {
    ERR_clear_error();
    if (server != tls->server) {
        tc__misuse(TC_EINVAL, "a TLS context of a %s for a %s", tls->server ? "server" : "client",
                   server ? "server" : "client");
        return NULL;
    }
    SSL *ssl = SSL_new(tls->ctx);
    if (!ssl) {
        tc__tls_take_error("TLS");
        return NULL;
    }
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (server)
        SSL_set_accept_state(ssl);
    else if (set_up_client(ssl, hostname) < 0) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}
