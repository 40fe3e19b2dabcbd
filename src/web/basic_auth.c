/*
 * basic_auth.c - name and password in the Authorization field. (RFC 7617)
 *
 * Both are compared, also where the first is wrong already, and by their digests: how long it takes tells neither which
 * of them was wrong nor how much of it was right.
 */
#include <tornadoc/auth.h>

#include <string.h>

#include <openssl/evp.h>
#include <tornadoc/escape.h>

#include "util/base64_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "web/request_internal.h"

/* ---- Comparing ---- */

static bool digest(unsigned char out[EVP_MAX_MD_SIZE], const char *text) {
    return EVP_Digest(text, strlen(text), out, NULL, EVP_sha256(), NULL) == 1;
}

bool tc_secret_equal(const char *a, const char *b) {
    unsigned char digest_a[EVP_MAX_MD_SIZE], digest_b[EVP_MAX_MD_SIZE];
    enum { SHA256_LEN = 32 };
    if (!a || !b || !digest(digest_a, a) || !digest(digest_b, b))
        return false;
    return tc__bytes_equal_secret(tc_bytes(digest_a, SHA256_LEN), tc_bytes(digest_b, SHA256_LEN));
}

/* ---- What came ---- */

/* "Basic  dXNlcjpwYXNz" without the scheme; empty: it is another, or there are several fields. */
static tc_bytes_t credentials(const tc_request_t *req) {
    const tc__header_t *field = tc__headers_first(&req->in->headers, TC__HEADER_AUTHORIZATION);
    if (!field || tc__headers_repeated(&req->in->headers, TC__HEADER_AUTHORIZATION) || field->value_len < 6 ||
        !tc__bytes_equal_nocase(tc_bytes(field->value, 6), tc_str("Basic ")))
        return tc_bytes("", 0);
    return tc__bytes_trim(tc_bytes(field->value + 6, field->value_len - 6));
}

/* RFC 7617 section 2: no control bytes in either. */
static bool is_text(tc_bytes_t text) {
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    return tc_utf8_valid(text);
}

bool tc_get_basic_auth(tc_request_t *req, const char **user, const char **password) {
    tc_bytes_t encoded = req ? credentials(req) : tc_bytes("", 0);
    size_t len;
    if (encoded.len == 0 || !user || !password)
        return false;
    char *text = tc_alloc(req, encoded.len + 1);
    if (!text) {
        tc__request_keep_error(req, TC_ENOMEM);
        return false;
    }
    if (!tc__base64_decode(text, &len, encoded) || !is_text(tc_bytes(text, len)))
        return false;
    text[len] = '\0';
    char *colon = strchr(text, ':');
    if (!colon)
        return false;
    *colon = '\0';
    *user = text;
    *password = colon + 1;
    return true;
}

/* ---- Asking for it ---- */

/* A quoted-string of RFC 9110 section 5.6.4. */
static char *put_quoted(char *at, const char *text) {
    *at++ = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        *at++ = *text;
    }
    *at++ = '"';
    return at;
}

static int challenge(tc_request_t *req, const char *realm) {
    static const char before[] = "Basic realm=", after[] = ", charset=\"UTF-8\"";
    char *text = tc_alloc(req, sizeof before + 2 * strlen(realm) + 2 + sizeof after), *at = text;
    if (!text)
        return TC_ENOMEM;
    memcpy(at, before, sizeof before - 1);
    at = put_quoted(at + sizeof before - 1, realm);
    memcpy(at, after, sizeof after);
    return tc_set_header(req, "WWW-Authenticate", text);
}

int tc_challenge_basic_auth(tc_request_t *req, const char *realm) {
    if (!req || !realm || !is_text(tc_str(realm)))
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_challenge_basic_auth: a realm is a UTF-8 text "
                                                                 "without control bytes"));
    TC_TRY(challenge(req, realm));
    return 401;
}

int tc_require_basic_auth(tc_request_t *req, const char *realm, const char *user, const char *password) {
    const char *their_user = "", *their_password = "";
    if (!req || !user || !password)
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_require_basic_auth: user or password is NULL"));
    bool came = tc_get_basic_auth(req, &their_user, &their_password);
    bool user_fits = tc_secret_equal(user, their_user), password_fits = tc_secret_equal(password, their_password);
    if (came & user_fits & password_fits)
        return 0;
    return req->kept_error != 0 ? req->kept_error : tc_challenge_basic_auth(req, realm);
}
