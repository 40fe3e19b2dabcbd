/*
 * certificates.c - certificates for tests.
 */
#include "support/certificates.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static void need(bool done, const char *what) {
    if (done)
        return;
    fprintf(stderr, "certificates: %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

/* ---- Certificates ---- */

static void add_extension(X509 *x509, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    need(extension && X509_add_ext(x509, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static bool is_address(const char *name) {
    return strchr(name, ':') || strspn(name, "0123456789.") == strlen(name);
}

static void add_names(X509 *x509, const certificate_spec_t *spec) {
    char list[1024], value[2048] = "", *rest = list;
    snprintf(list, sizeof list, "%s", spec->names);
    for (char *name = strtok_r(list, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        if (value[0] == '\0')
            X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8, (const unsigned char *)name,
                                       -1, -1, 0);
        size_t len = strlen(value);
        snprintf(value + len, sizeof value - len, "%s%s:%s", len ? "," : "", is_address(name) ? "IP" : "DNS", name);
    }
    if (!spec->ca && !spec->no_names)
        add_extension(x509, x509, NID_subject_alt_name, value);
}

static void set_dates(X509 *x509, const certificate_spec_t *spec) {
    bool usual = spec->begins == 0 && spec->ends == 0;
    X509_time_adj_ex(X509_getm_notBefore(x509), usual ? -1 : spec->begins, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(x509), usual ? 10 : spec->ends, 0, NULL);
}

static void set_serial(X509 *x509) {
    uint64_t serial;
    need(RAND_bytes((unsigned char *)&serial, sizeof serial) == 1, "random bytes");
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial >> 1);
}

static char *pem_of(BIO *bio) {
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = calloc(1, (size_t)len + 1);
    need(text != NULL, "memory");
    memcpy(text, data, (size_t)len);
    BIO_free(bio);
    return text;
}

void certificate_make(certificate_t *out, const certificate_t *issuer, const certificate_spec_t *spec) {
    EVP_PKEY *key = spec->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    need(key && x509, "a key");
    X509_set_version(x509, X509_VERSION_3);
    set_serial(x509);
    set_dates(x509, spec);
    X509_set_pubkey(x509, key);
    add_names(x509, spec);
    X509 *signer = issuer ? issuer->x509 : x509;
    X509_set_issuer_name(x509, X509_get_subject_name(signer));
    add_extension(x509, signer, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(x509, signer, NID_subject_key_identifier, "hash");
    if (spec->ca)
        add_extension(x509, signer, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
    else
        add_extension(x509, signer, NID_ext_key_usage, spec->client ? "clientAuth" : "serverAuth");
    need(X509_sign(x509, issuer ? issuer->key : key, EVP_sha256()) > 0, "a signature");

    BIO *cert_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());
    need(PEM_write_bio_X509(cert_pem, x509) && PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL),
         "PEM");
    *out = (certificate_t){ x509, key, pem_of(cert_pem), pem_of(key_pem) };
}

void certificate_free(certificate_t *certificate) {
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    free(certificate->cert_pem);
    free(certificate->key_pem);
    *certificate = (certificate_t){ 0 };
}

char *certificate_encrypted_key(const certificate_t *certificate, const char *password) {
    BIO *bio = BIO_new(BIO_s_mem());
    need(PEM_write_bio_PKCS8PrivateKey(bio, certificate->key, EVP_aes_128_cbc(), password, (int)strlen(password), NULL,
                                       NULL),
         "an encrypted key");
    return pem_of(bio);
}

/* ---- Files ---- */

static char folder[64];

const char *certificates_folder(void) {
    if (!folder[0]) {
        strcpy(folder, "/tmp/tornadoc-certificates-XXXXXX");
        need(mkdtemp(folder) != NULL, folder);
    }
    return folder;
}

void certificates_remove_folder(void) {
    DIR *dir = folder[0] ? opendir(folder) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(folder);
    folder[0] = '\0';
}

static const char *path_of(const char *name) {
    static struct path {
        struct path *next;
        char text[128];
    } * paths;
    struct path *path = calloc(1, sizeof *path);
    need(path != NULL, "memory");
    path->next = paths;
    paths = path;
    snprintf(path->text, sizeof path->text, "%s/%s", certificates_folder(), name);
    return path->text;
}

/* Under another name first, so that who reads it meanwhile sees the old or the new one. */
const char *certificates_file(const char *name, ...) {
    const char *path = path_of(name);
    char fresh[160];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    need(file != NULL, fresh);
    va_list args;
    va_start(args, name);
    for (const char *text; (text = va_arg(args, const char *)) != NULL;)
        need(fputs(text, file) >= 0, path);
    va_end(args);
    need(fclose(file) == 0 && rename(fresh, path) == 0, path);
    return path;
}
