/*
 * tornadoc/tls.h - TLS contexts: certificates, keys, and how much is asked of the other side. (Tornado: ssl_options)
 *
 *     tc_tls_context_t *tls;
 *     TC_TRY(tc_tls_context_new(&tls, "cert.pem", "key.pem"));
 *
 * A context belongs to no loop: servers, clients and streams on any thread hold references to it. What it does by
 * default is what is safe today: TLS 1.2 and 1.3, ciphers that authenticate what they encrypt, keys of the moment, no
 * renegotiation, no compression; a client checks certificate and host name.
 *
 * Whatever fails says so in tc_error_detail(), by file and reason: "certs/a.pem: no such file or directory".
 */
#ifndef TORNADOC_TLS_H
#define TORNADOC_TLS_H

#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_tls_context tc_tls_context_t;

/* ---- What a context is made from ------------------------------------------------------------------------------ */

/** A certificate and its key, as PEM, each from a file or from memory. */
typedef struct {
    const char *cert_file; /**< the certificate, then those that lead from it towards a root */
    const char *key_file;  /**< its private key; NULL: cert_file holds it too */
    tc_bytes_t cert, key;  /**< the same from memory, copied, where no file is named */
    uintptr_t reserved[8]; /**< must be zero */
} tc_tls_certificate_t;

/** What a server asks of its clients. */
typedef enum {
    TC_TLS_CLIENT_CERT_NONE,     /**< no certificate */
    TC_TLS_CLIENT_CERT_OPTIONAL, /**< one that is valid, or none */
    TC_TLS_CLIENT_CERT_REQUIRED  /**< a valid one */
} tc_tls_client_cert_t;

/** All zero means the defaults. What is pointed at is copied. */
typedef struct {
    tc_tls_certificate_t certificate; /**< a server has one; a client may */

    const char *ca_file; /**< PEM: whose certificates the other side's must lead to. Several sources add up; without
                              one a client trusts whom the system trusts */
    const char *ca_dir;  /**< a folder of such files, named by hash, as c_rehash makes it */
    tc_bytes_t ca;       /**< the same from memory */

    tc_tls_client_cert_t client_cert; /**< of servers; asking for one takes a CA */
    bool insecure_skip_verify;        /**< of clients: take any certificate from anyone */
    uintptr_t reserved[16];           /**< must be zero */
} tc_tls_options_t;

/* ---- Life ----------------------------------------------------------------------------------------------------- */

/**
 * A server's context: a certificate with its chain, and its key.
 *
 * @param key_file NULL: cert_file holds the key too
 * @return 0; TC_ENOENT and other codes of the system for files; TC_ETLS for what is in them: no certificate, a key of
 *         another one, a certificate that has expired …
 */
TC_EXTERN int tc_tls_context_new(tc_tls_context_t **out, const char *cert_file, const char *key_file) TC_MUST_CHECK;

/** The same with all options. @return as tc_tls_context_new; TC_EINVAL for options that do not fit */
TC_EXTERN int tc_tls_context_new_server(tc_tls_context_t **out, const tc_tls_options_t *options) TC_MUST_CHECK;

/** A client's context; NULL options are fine. */
TC_EXTERN int tc_tls_context_new_client(tc_tls_context_t **out, const tc_tls_options_t *options) TC_MUST_CHECK;

TC_ANY_THREAD tc_tls_context_t *tc_tls_context_ref(tc_tls_context_t *tls);
/** Give a reference back; the last one frees the context. Connections hold their own. NULL is fine. */
TC_ANY_THREAD void tc_tls_context_unref(tc_tls_context_t *tls);

#ifdef __cplusplus
}
#endif
#endif
