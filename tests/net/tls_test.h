/* tls_test.h - handshakes in memory: two SSL objects, and what each of them makes of it. */
#ifndef TC_TESTS_NET_TLS_TEST_H
#define TC_TESTS_NET_TLS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "net/tls_context_internal.h"
#include "support/certificates.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct {
    SSL *server, *client;
    int server_result, client_result; /* 1: done; else SSL_do_handshake's */
    char server_reason[TC__TLS_REASON], client_reason[TC__TLS_REASON];
} tls_pair_t;

/* OpenSSL's words for a reason of its library for TLS; they change with its versions. */
static inline const char *tls_words(int reason) {
    return ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason));
}

static inline void tls_connect(tls_pair_t *pair) {
    BIO *server_side, *client_side;
    assert_int_equal(BIO_new_bio_pair(&server_side, 0, &client_side, 0), 1);
    SSL_set_bio(pair->server, server_side, server_side);
    SSL_set_bio(pair->client, client_side, client_side);
}

/* One step; false once the side is done, one way or the other. */
static inline bool tls_step(SSL *ssl, int *result, char *reason) {
    if (*result == 1 || reason[0])
        return false;
    *result = SSL_do_handshake(ssl);
    int error = SSL_get_error(ssl, *result);
    if (*result != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        tc__tls_reason(reason, TC__TLS_REASON, ssl);
    return *result == 1 || !reason[0];
}

/* True if both sides are content, and the client has read the server's tickets. */
static inline bool tls_shake_hands(tls_pair_t *pair) {
    for (int i = 0; i < 20; i++) {
        bool client = tls_step(pair->client, &pair->client_result, pair->client_reason);
        bool server = tls_step(pair->server, &pair->server_result, pair->server_reason);
        if (!client && !server)
            break;
    }
    if (pair->client_result == 1) {
        char byte;
        int n = SSL_read(pair->client, &byte, 1); /* tickets, or an alert */
        if (n <= 0 && SSL_get_error(pair->client, n) == SSL_ERROR_SSL)
            tc__tls_reason(pair->client_reason, TC__TLS_REASON, pair->client);
    }
    assert_int_equal(ERR_peek_error(), 0);
    return pair->client_result == 1 && pair->server_result == 1 && !pair->client_reason[0];
}

static inline tls_pair_t tls_pair_new(tc_tls_context_t *server, tc_tls_context_t *client, const char *hostname) {
    tls_pair_t pair = { 0 };
    assert_int_equal(tc__tls_ssl_new(&pair.server, server, true, NULL), 0);
    assert_int_equal(tc__tls_ssl_new(&pair.client, client, false, hostname), 0);
    tls_connect(&pair);
    return pair;
}

static inline void tls_pair_free(tls_pair_t *pair) {
    SSL_free(pair->server);
    SSL_free(pair->client);
    *pair = (tls_pair_t){ 0 };
}

#endif
