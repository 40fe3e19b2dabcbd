/*
 * tls_context_certificate.c - a certificate, its chain and its key: read, and checked to fit.
 */
#include "net/tls_context_private.h"

#include <openssl/err.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/unconst_internal.h"

/* ---- Reading ---- */

/* A server with a certificate whose time is over, or has not come, is refused by every client: better not to begin. */
static int check_time(const X509 *leaf, const char *name) {
    if (X509_cmp_current_time(X509_get0_notBefore(leaf)) >= 0) /* 0: unreadable */
        return tc__fail(TC_ETLS, "%s: the certificate is not valid yet", name);
    if (X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0)
        return tc__fail(TC_ETLS, "%s: the certificate has expired", name);
    return 0;
}

static int check_key(const tc__tls_loaded_t *loaded, const char *key_name, const char *cert_name) {
    if (X509_check_private_key(sk_X509_value(loaded->certificates, 0), loaded->key) == 1)
        return 0;
    ERR_clear_error();
    return tc__fail(TC_ETLS, "%s: not the key of %s", key_name, cert_name);
}

static int load_texts(tc__tls_loaded_t *out, const tc__tls_text_t *cert, const tc__tls_text_t *key,
                      const tc_tls_certificate_t *certificate) {
    TC_TRY(tc__tls_read_certificates(&out->certificates, cert));
    TC_TRY(tc__tls_read_key(&out->key, key, certificate->password_cb, certificate->password_data));
    return check_key(out, key->name, cert->name);
}

int tc__tls_load(tc__tls_loaded_t *out, const tc_tls_certificate_t *certificate, bool check_dates) {
    tc__tls_loaded_t loaded = { 0 };
    tc__tls_text_t cert, key = { 0 };
    bool key_apart = certificate->key_file || certificate->key.len > 0;
    int err = tc__tls_text_init(&cert, certificate->cert_file, certificate->cert, "the certificate");
    if (err == 0 && key_apart)
        err = tc__tls_text_init(&key, certificate->key_file, certificate->key, "the key");
    if (err == 0)
        err = load_texts(&loaded, &cert, key_apart ? &key : &cert, certificate);
    if (err == 0 && check_dates)
        err = check_time(sk_X509_value(loaded.certificates, 0), cert.name);
    tc__tls_text_deinit(&cert);
    tc__tls_text_deinit(&key);
    if (err == 0)
        *out = loaded;
    else
        tc__tls_loaded_deinit(&loaded);
    return err;
}

void tc__tls_loaded_deinit(tc__tls_loaded_t *loaded) {
    sk_X509_pop_free(loaded->certificates, X509_free);
    EVP_PKEY_free(loaded->key);
    *loaded = (tc__tls_loaded_t){ 0 };
}

/* ---- What the program gave ---- */

enum { MAX_ALSO = 3 }; /* there are no more kinds of keys */

bool tc__tls_has_certificate(const tc_tls_certificate_t *certificate) {
    return certificate->cert_file || certificate->cert.len > 0;
}

int tc__tls_check_certificate(const tc_tls_certificate_t *certificate) {
    if (!tc__tls_has_certificate(certificate) &&
        (certificate->key_file || certificate->key.len > 0 || certificate->also))
        return tc__misuse(TC_EINVAL, "a key without its certificate");
    int count = 0;
    for (; certificate; certificate = certificate->also) {
        if (!tc__all_zero(certificate->reserved, sizeof certificate->reserved))
            return tc__misuse(TC_EINVAL, "tc_tls_certificate_t: reserved must be zero");
        if (count++ > MAX_ALSO)
            return tc__misuse(TC_EINVAL, "tc_tls_certificate_t: more certificates than there are kinds of keys");
    }
    return 0;
}

static int copy_one(tc__arena_t *arena, tc_tls_certificate_t *certificate) {
    TC_TRY(tc__tls_copy_text(arena, &certificate->cert_file));
    TC_TRY(tc__tls_copy_text(arena, &certificate->key_file));
    TC_TRY(tc__tls_copy_text(arena, &certificate->ocsp_file));
    TC_TRY(tc__tls_copy_bytes(arena, &certificate->cert));
    return tc__tls_copy_bytes(arena, &certificate->key);
}

int tc__tls_copy_certificate(tc__arena_t *arena, tc_tls_certificate_t *certificate) {
    tc_tls_certificate_t *copy = certificate;
    TC_TRY(copy_one(arena, copy));
    while (copy->also) {
        tc_tls_certificate_t *also = tc__arena_alloc(arena, sizeof *also);
        if (!also)
            return tc__fail(TC_ENOMEM, "out of memory for TLS options");
        *also = *copy->also;
        TC_TRY(copy_one(arena, also));
        copy->also = also;
        copy = also;
    }
    return 0;
}

static void erase(tc_bytes_t bytes) {
    if (bytes.len > 0)
        OPENSSL_cleanse(tc__unconst(bytes.data), bytes.len);
}

void tc__tls_erase_certificate(const tc_tls_certificate_t *copy) {
    for (; copy; copy = copy->also) {
        erase(copy->cert); /* which may hold the key, too */
        erase(copy->key);
    }
}
