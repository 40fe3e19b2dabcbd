/*
 * tls_context_pem.c - certificates and keys as text.
 *
 * Files are read whole and at once, in bounded size; OpenSSL sees memory only. So a failure of the system has the
 * system's code, and one of the contents the file's name.
 */
#include "net/tls_context_private.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/file_calls_internal.h"

enum { MAX_FILE_SIZE = 16 * 1024 * 1024 }; /* a system's bundle of authorities has 220 KB */

int tc__tls_text_init(tc__tls_text_t *text, const char *file, tc_bytes_t memory, const char *what) {
    *text = (tc__tls_text_t){ .name = file ? file : what, .text = memory };
    if (!file)
        return 0;
    int err = tc__file_read(file, MAX_FILE_SIZE, &text->text);
    if (err == TC_ETOOBIG)
        return tc__fail(err, "%s: larger than %d MiB", file, MAX_FILE_SIZE / (1024 * 1024));
    if (err < 0)
        return tc__fail(err, "%s: %s", file, tc_strerror(err));
    text->owned = (void *)(uintptr_t)text->text.data;
    return 0;
}

void tc__tls_text_deinit(tc__tls_text_t *text) {
    if (text->owned) {
        OPENSSL_cleanse(text->owned, text->text.len);
        tc__free(text->owned);
    }
    *text = (tc__tls_text_t){ 0 };
}

static int open_bio(BIO **out, const tc__tls_text_t *text) {
    *out = BIO_new_mem_buf(text->text.len ? text->text.data : "", (int)text->text.len);
    return *out ? 0 : tc__tls_take_error(text->name);
}

/* Was the text's end what ended the reading? Takes the error if so. */
static bool at_end(void) {
    unsigned long err = ERR_peek_last_error();
    if (ERR_GET_LIB(err) != ERR_LIB_PEM || ERR_GET_REASON(err) != PEM_R_NO_START_LINE)
        return false;
    ERR_clear_error();
    return true;
}

int tc__tls_read_certificates(STACK_OF(X509) * *out, const tc__tls_text_t *text) {
    BIO *bio = NULL;
    STACK_OF(X509) *found = sk_X509_new_null();
    int err = found ? open_bio(&bio, text) : tc__tls_take_error(text->name);
    while (err == 0) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!certificate)
            break;
        if (sk_X509_push(found, certificate) <= 0) {
            X509_free(certificate);
            err = tc__tls_take_error(text->name);
        }
    }
    if (err == 0 && !at_end())
        err = tc__tls_take_error(text->name);
    if (err == 0 && sk_X509_num(found) == 0)
        err = tc__fail(TC_ETLS, "%s: no certificate in it", text->name);
    BIO_free(bio);
    if (err == 0)
        *out = found;
    else
        sk_X509_pop_free(found, X509_free);
    return err;
}

/* Without one OpenSSL would ask for a password at the terminal. */
static int no_password(char *out, int size, int writing, void *user_data) {
    (void)out, (void)size, (void)writing, (void)user_data;
    return -1;
}

int tc__tls_read_key(EVP_PKEY **out, const tc__tls_text_t *text) {
    BIO *bio;
    TC_TRY(open_bio(&bio, text));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (!key && at_end())
        return tc__fail(TC_ETLS, "%s: no private key in it", text->name);
    if (!key)
        return tc__tls_take_error(text->name);
    *out = key;
    return 0;
}
