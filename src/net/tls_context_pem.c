/*
 * tls_context_pem.c - certificates and keys as text.
 *
 * Files are read whole and at once, in bounded size; OpenSSL sees memory only. So a failure of the system has the
 * system's code, and one of the contents the file's name.
 */
#include "net/tls_context_private.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/file_calls_internal.h"
#include "util/unconst_internal.h"

enum { MAX_FILE_SIZE = 16 * 1024 * 1024 }; /* a system's bundle of authorities has 220 KB */

int tc__tls_text_init(tc__tls_text_t *text, const char *file, tc_bytes_t memory, const char *what) {
    *text = (tc__tls_text_t){ .name = file ? file : what, .text = memory };
    if (!file)
        return 0;
    int err = tc__file_read(file, MAX_FILE_SIZE, &text->text);
    if (err == TC_ETOOBIG)
        return tc__fail(err, "%s: larger than %d MiB", file, MAX_FILE_SIZE / (1024 * 1024));
    if (err < 0)
        return tc__fail(err, "%s: %s", file, err == TC_EINVAL ? "not a regular file" : tc_strerror(err));
    text->owned = tc__unconst(text->text.data);
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

static int unreadable(const tc__tls_text_t *text, const char *what) {
    char reason[TC__TLS_REASON];
    int err = tc__tls_reason(reason, sizeof reason, NULL);
    return tc__fail(err, "%s: %s (%s)", text->name, err == TC_ENOMEM ? "not read" : what, reason);
}

typedef struct {
    tc_tls_password_cb cb;
    void *user_data;
    bool asked, given;
} password_t;

/* There must be one of ours: OpenSSL's own asks at the terminal. */
static int on_password(char *out, int size, int writing, void *user_data) {
    (void)writing;
    password_t *password = user_data;
    password->asked = true;
    int len = password->cb ? password->cb(out, (size_t)size, password->user_data) : -1;
    password->given = len >= 0 && len <= size;
    return password->given ? len : -1;
}

int tc__tls_read_certificates(STACK_OF(X509) * *out, const tc__tls_text_t *text) {
    BIO *bio = NULL;
    password_t none = { 0 };
    STACK_OF(X509) *found = sk_X509_new_null();
    int err = found ? open_bio(&bio, text) : tc__tls_take_error(text->name);
    while (err == 0) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, on_password, &none);
        if (!certificate)
            break;
        if (sk_X509_push(found, certificate) <= 0) {
            X509_free(certificate);
            err = tc__tls_take_error(text->name);
        }
    }
    if (err == 0 && !at_end())
        err = unreadable(text, "no certificate that can be read");
    if (err == 0 && sk_X509_num(found) == 0)
        err = tc__fail(TC_ETLS, "%s: no certificate in it", text->name);
    BIO_free(bio);
    if (err == 0)
        *out = found;
    else
        sk_X509_pop_free(found, X509_free);
    return err;
}

static int no_key(const tc__tls_text_t *text, const password_t *password) {
    static const char mark[] = "PRIVATE KEY-----"; /* of all kinds of them */
    if (!password->asked && !memmem(text->text.data, text->text.len, mark, sizeof mark - 1)) {
        ERR_clear_error();
        return tc__fail(TC_ETLS, "%s: no private key in it", text->name);
    }
    if (!password->asked)
        return unreadable(text, "no key that can be read");
    if (password->given)
        return unreadable(text, "the key is encrypted, with another password");
    ERR_clear_error();
    return tc__fail(TC_ETLS, "%s: the key is encrypted, and %s", text->name,
                    password->cb ? "password_cb gave no password" : "there is no password_cb");
}

int tc__tls_read_key(EVP_PKEY **out, const tc__tls_text_t *text, tc_tls_password_cb cb, void *user_data) {
    BIO *bio;
    password_t password = { .cb = cb, .user_data = user_data };
    TC_TRY(open_bio(&bio, text));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_password, &password);
    BIO_free(bio);
    if (!key)
        return no_key(text, &password);
    ERR_clear_error();
    *out = key;
    return 0;
}
