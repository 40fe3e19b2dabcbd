/*
 * tls_context_self_signed.c - a certificate made on the spot, so that HTTPS can be tried before there is one.
 *
 * Key and certificate go the way of all others, as PEM in memory.
 */
#include "net/tls_context_private.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "net/cidr_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

enum { DAYS = 30, SERIAL_SIZE = 16 };
static const char always[] = "localhost, 127.0.0.1, ::1";

/* ---- Its names ---- */

static bool push_name(GENERAL_NAMES *names, int type, int kind, const void *data, size_t len) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(kind);
    if (!name || !value || ASN1_STRING_set(value, data, (int)len) != 1) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(name);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static int add_names(GENERAL_NAMES *names, const char *list) {
    char host[TC__TLS_HOST_SIZE];
    tc__address_t address;
    tc_bytes_t word;
    while (tc__next_word(&list, &word)) {
        bool done;
        if (tc__address_parse(word, &address) == 0)
            done = push_name(names, GEN_IPADD, V_ASN1_OCTET_STRING, address.bytes, address.family == AF_INET ? 4 : 16);
        else if (tc__tls_pattern_normal(host, word))
            done = push_name(names, GEN_DNS, V_ASN1_IA5STRING, host, strlen(host));
        else
            return tc__fail(TC_EINVAL, "\"%.*s\" is no host name", word.len > 64 ? 64 : (int)word.len, word.data);
        if (!done)
            return tc__tls_take_error("certificate");
    }
    return 0;
}

static int set_names(X509 *x509, const char *hosts) {
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    if (!names)
        return tc__tls_take_error("certificate");
    int err = hosts ? add_names(names, hosts) : 0;
    if (err == 0)
        err = add_names(names, always);
    if (err == 0 && X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, 0) != 1)
        err = tc__tls_take_error("certificate");
    GENERAL_NAMES_free(names);
    return err;
}

/* ---- The rest of it ---- */

static bool add_extension(X509 *x509, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, x509, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool done = extension && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done;
}

static bool set_serial(X509 *x509) {
    unsigned char random[SERIAL_SIZE];
    if (RAND_bytes(random, sizeof random) != 1)
        return false;
    random[0] = (unsigned char)((random[0] & 0x3f) | 0x40); /* positive, and as long as it looks (RFC 5280 4.1.2.2) */
    BIGNUM *number = BN_bin2bn(random, sizeof random, NULL);
    bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
    BN_free(number);
    return done;
}

/* Who has it in his list of authorities trusts this server, and nobody else by it: CA:FALSE. */
static bool set_fields(X509 *x509, EVP_PKEY *key) {
    static const unsigned char subject[] = "tornadoc development certificate";
    X509_NAME *name = X509_get_subject_name(x509);
    return X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
           X509_gmtime_adj(X509_getm_notBefore(x509), -3600) && /* for clocks that are late */
           X509_time_adj_ex(X509_getm_notAfter(x509), DAYS, 0, NULL) && X509_set_pubkey(x509, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, subject, -1, -1, 0) == 1 &&
           X509_set_issuer_name(x509, name) == 1 && add_extension(x509, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x509, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x509, NID_ext_key_usage, "serverAuth");
}

static int make(X509 *x509, EVP_PKEY *key, const char *hosts) {
    if (!x509 || !key || !set_fields(x509, key))
        return tc__tls_take_error("certificate");
    TC_TRY(set_names(x509, hosts));
    return X509_sign(x509, key, EVP_sha256()) > 0 ? 0 : tc__tls_take_error("certificate");
}

/* ---- A context of it ---- */

static tc_bytes_t bytes_of(BIO *bio) {
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    return tc_bytes(data, (size_t)len);
}

static int new_context(tc_tls_context_t **out, X509 *x509, EVP_PKEY *key) {
    BIO *cert = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
    int err = cert && secret && PEM_write_bio_X509(cert, x509) == 1 &&
                      PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1
                  ? 0
                  : tc__tls_take_error("certificate");
    if (err == 0) {
        tc_tls_options_t options = { .certificate = { .cert = bytes_of(cert), .key = bytes_of(secret) } };
        err = tc_tls_context_new_server(out, &options);
    }
    BIO_free(cert);
    BIO_free(secret);
    return err;
}

int tc_tls_context_self_signed(tc_tls_context_t **out, const char *hosts) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_tls_context_self_signed: out is NULL");
    ERR_clear_error();
    X509 *x509 = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    int err = make(x509, key, hosts);
    if (err == 0)
        err = new_context(out, x509, key);
    X509_free(x509);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return err;
}
