/*
 * tls_context_certificate.c - a certificate, its chain and its key: read, checked, and given to OpenSSL.
 */
#include "net/tls_context_private.h"

#include <openssl/err.h>

#include "util/error_internal.h"

/* A server with a certificate whose time is over, or has not come, refuses every client: better not to begin. */
static int check_dates(const X509 *leaf, const char *name) {
    if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        return tc__fail(TC_ETLS, "%s: the certificate is not valid yet", name);
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
        return tc__fail(TC_ETLS, "%s: the certificate has expired", name);
    return 0;
}

static int check_key(const X509 *leaf, const EVP_PKEY *key, const char *key_name, const char *cert_name) {
    if (X509_check_private_key(leaf, key) == 1)
        return 0;
    ERR_clear_error();
    return tc__fail(TC_ETLS, "%s: not the key of the certificate in %s", key_name, cert_name);
}

static int use(SSL_CTX *ctx, STACK_OF(X509) * certificates, EVP_PKEY *key, const char *name) {
    X509 *leaf = sk_X509_shift(certificates);
    int done = SSL_CTX_use_cert_and_key(ctx, leaf, key, certificates, 1);
    X509_free(leaf);
    return done == 1 ? 0 : tc__tls_take_error(name);
}

int tc__tls_use_certificate(SSL_CTX *ctx, const tc_tls_certificate_t *certificate, bool server) {
    STACK_OF(X509) *certificates = NULL;
    EVP_PKEY *key = NULL;
    tc__tls_text_t cert_text, key_text = { 0 };
    bool key_apart = certificate->key_file || certificate->key.len > 0;
    const char *key_file = certificate->key_file ? certificate->key_file : certificate->cert_file;

    int err = tc__tls_text_init(&cert_text, certificate->cert_file, certificate->cert, "the certificate");
    if (err == 0 && key_apart)
        err = tc__tls_text_init(&key_text, certificate->key_file, certificate->key, "the key");
    if (err == 0)
        err = tc__tls_read_certificates(&certificates, &cert_text);
    if (err == 0)
        err = tc__tls_read_key(&key, key_apart ? &key_text : &cert_text);
    if (err == 0)
        err = check_key(sk_X509_value(certificates, 0), key, key_file ? key_file : "the key", cert_text.name);
    if (err == 0 && server)
        err = check_dates(sk_X509_value(certificates, 0), cert_text.name);
    if (err == 0)
        err = use(ctx, certificates, key, cert_text.name);

    sk_X509_pop_free(certificates, X509_free);
    EVP_PKEY_free(key);
    tc__tls_text_deinit(&cert_text);
    tc__tls_text_deinit(&key_text);
    return err;
}
