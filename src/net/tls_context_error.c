/*
 * tls_context_error.c - OpenSSL's errors in words.
 *
 * Its queue holds several for one failure, the first of them nearest to the cause. Only its fixed texts are taken, not
 * the data that come with some: those may hold what a peer sent.
 */
#include "net/tls_context_internal.h"

#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "util/error_internal.h"

static bool is_verify_failure(unsigned long code) {
    return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

static void put_words(char *out, size_t size, unsigned long code, const SSL *ssl) {
    const char *reason = ERR_reason_error_string(code);
    if (code == 0)
        snprintf(out, size, "no reason given");
    else if (ERR_SYSTEM_ERROR(code))
        snprintf(out, size, "%s", tc_strerror(-ERR_GET_REASON(code)));
    else if (ssl && is_verify_failure(code))
        snprintf(out, size, "%s (%s)", reason ? reason : "certificate verify failed",
                 X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
    else if (reason)
        snprintf(out, size, "%s", reason);
    else
        snprintf(out, size, "error %lx", code);
}

int tc__tls_reason(char *out, size_t size, const SSL *ssl) {
    unsigned long first = ERR_peek_error(), code;
    bool out_of_memory = false;
    while ((code = ERR_get_error()) != 0)
        out_of_memory = out_of_memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    if (out_of_memory)
        snprintf(out, size, "out of memory");
    else
        put_words(out, size, first, ssl);
    return out_of_memory ? TC_ENOMEM : TC_ETLS;
}

int tc__tls_take_ssl_error(const SSL *ssl, const char *what) {
    char reason[TC__TLS_REASON];
    int err = tc__tls_reason(reason, sizeof reason, ssl);
    return tc__fail(err, "%s: %s", what, reason);
}

int tc__tls_take_error(const char *what) {
    return tc__tls_take_ssl_error(NULL, what);
}
