/* certificates.h - certificates made on the spot: authorities, servers, clients, and such as nobody should accept. What
 * fails here ends the test program. */
#ifndef TC_TESTS_SUPPORT_CERTIFICATES_H
#define TC_TESTS_SUPPORT_CERTIFICATES_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

typedef struct {
    const char *names; /* "example.com *.example.com 127.0.0.1"; the first is the subject's name, too */
    bool ca, client;   /* else a server's */
    bool rsa;          /* else P-256 */
    bool no_names;     /* a subject only */
    int begins, ends;  /* in days from now; both 0: from yesterday on, for ten days */
} certificate_spec_t;

typedef struct {
    X509 *x509;
    EVP_PKEY *key;
    char *cert_pem, *key_pem;
} certificate_t;

/* Signed by `issuer`; NULL: by itself. */
void certificate_make(certificate_t *out, const certificate_t *issuer, const certificate_spec_t *spec);
void certificate_free(certificate_t *certificate);

/* The key as PEM behind a password; to be freed. */
char *certificate_encrypted_key(const certificate_t *certificate, const char *password);

/* A folder in the system's one for such things, gone with all its files after certificates_remove_folder. */
const char *certificates_folder(void);
void certificates_remove_folder(void);

/* Write a file into the folder; several texts, up to a NULL, one behind the other. Its path lives as long as the
 * program. */
const char *certificates_file(const char *name, ...) __attribute__((sentinel));

#endif
