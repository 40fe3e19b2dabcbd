/*
 * tls_context_staple.c - what the authority says of a certificate today, sent along with it. (OCSP stapling, RFC 6066
 * section 8)
 *
 * The response is the program's to fetch, and to bring by a reload. It is checked to be about the certificate and to be
 * good news; its signature is for clients to check. Once it is out of date it is not sent any more.
 *
 * Responses belong to the SSL_CTX that has their certificates, and live as long as it does.
 */
#include "net/tls_context_private.h"

#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/unconst_internal.h"

typedef struct staple {
    struct staple *next;
    X509 *certificate;
    ASN1_GENERALIZEDTIME *until; /* NULL: it does not say */
    size_t len;
    unsigned char response[];
} staple_t;

enum { CLOCK_SKEW_S = 300 };

static void free_staple(staple_t *staple) {
    X509_free(staple->certificate);
    ASN1_GENERALIZEDTIME_free(staple->until);
    tc__free(staple);
}

/* ---- Those of an SSL_CTX ---- */

static void free_staples(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number, void *pointer) {
    (void)parent, (void)all, (void)index, (void)number, (void)pointer;
    for (staple_t *staple = data, *next; staple; staple = next) {
        next = staple->next;
        free_staple(staple);
    }
}

static int staples_index(void) {
    static atomic_int known = -1;
    return tc__tls_ex_index(&known, CRYPTO_EX_INDEX_SSL_CTX, free_staples);
}

/* ---- Reading ---- */

static int refuse(const char *file, const char *why) {
    ERR_clear_error();
    return tc__fail(TC_ETLS, "%s: the OCSP response %s", file, why);
}

static OCSP_SINGLERESP *find(OCSP_BASICRESP *basic, const X509 *leaf) {
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        ASN1_INTEGER *serial;
        OCSP_id_get0_info(NULL, NULL, NULL, &serial, tc__unconst(OCSP_SINGLERESP_get0_id(single)));
        if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) == 0)
            return single;
    }
    return NULL;
}

static int check_single(OCSP_SINGLERESP *single, const char *file, ASN1_GENERALIZEDTIME **until) {
    ASN1_GENERALIZEDTIME *this_update, *next_update;
    int status = OCSP_single_get0_status(single, NULL, NULL, &this_update, &next_update);
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return refuse(file, status == V_OCSP_CERTSTATUS_REVOKED ? "says that the certificate is revoked"
                                                                : "does not know the certificate");
    if (OCSP_check_validity(this_update, next_update, CLOCK_SKEW_S, -1) != 1)
        return refuse(file, "is out of date");
    if (next_update && !(*until = ASN1_STRING_dup(next_update)))
        return tc__tls_take_error(file);
    return 0;
}

static int check(const tc__tls_text_t *text, const X509 *leaf, ASN1_GENERALIZEDTIME **until) {
    const unsigned char *in = (const unsigned char *)text->text.data;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &in, (long)text->text.len);
    OCSP_BASICRESP *basic = response ? OCSP_response_get1_basic(response) : NULL;
    OCSP_SINGLERESP *single = basic ? find(basic, leaf) : NULL;
    int err;
    if (!response)
        err = refuse(text->name, "cannot be read");
    else if (!basic)
        err = refuse(text->name, "is a refusal");
    else if (!single)
        err = refuse(text->name, "is about another certificate");
    else
        err = check_single(single, text->name, until);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return err;
}

static int keep(SSL_CTX *ctx, const tc__tls_text_t *text, X509 *leaf, ASN1_GENERALIZEDTIME *until) {
    int index = staples_index();
    staple_t *staple = index >= 0 ? tc__malloc(sizeof *staple + text->text.len) : NULL;
    if (!staple)
        return tc__fail(TC_ENOMEM, "out of memory for an OCSP response");
    *staple = (staple_t){ .next = SSL_CTX_get_ex_data(ctx, index), .len = text->text.len };
    memcpy(staple->response, text->text.data, text->text.len);
    if (SSL_CTX_set_ex_data(ctx, index, staple) != 1) {
        tc__free(staple);
        return tc__tls_take_error(text->name);
    }
    X509_up_ref(leaf);
    staple->certificate = leaf;
    staple->until = until;
    return 0;
}

int tc__tls_staple(SSL_CTX *ctx, const char *file, X509 *leaf) {
    tc__tls_text_t text;
    ASN1_GENERALIZEDTIME *until = NULL;
    TC_TRY(tc__tls_text_init(&text, file, tc_bytes(NULL, 0), NULL));
    int err = check(&text, leaf, &until);
    if (err == 0)
        err = keep(ctx, &text, leaf, until);
    if (err < 0)
        ASN1_GENERALIZEDTIME_free(until);
    tc__tls_text_deinit(&text);
    return err;
}

/* ---- Sending ---- */

static bool is_current(const staple_t *staple) {
    return !staple->until || X509_cmp_current_time(staple->until) > 0;
}

/* The client asks; OpenSSL has chosen the certificate. */
static int on_status(SSL *ssl, void *arg) {
    (void)arg;
    const staple_t *staple = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), staples_index());
    while (staple && staple->certificate != SSL_get_certificate(ssl))
        staple = staple->next;
    if (!staple || !is_current(staple))
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(staple->response, staple->len);
    if (!copy || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len) != 1) {
        OPENSSL_free(copy);
        ERR_clear_error();
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK;
}

void tc__tls_set_staple_callback(SSL_CTX *ctx) {
    SSL_CTX_set_tlsext_status_cb(ctx, on_status);
}
