/*
 * tls_context_alpn.c - which protocol is spoken inside (RFC 7301).
 */
#include "net/tls_context_private.h"

#include <string.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"

int tc__tls_parse_alpn(tc__arena_t *arena, tc_bytes_t *out, const char *text) {
    if (!text)
        return 0;
    char *wire = tc__arena_alloc(arena,
                                 strlen(text) + 1); /* each name has one byte before it, which its separator had */
    if (!wire)
        return tc__fail(TC_ENOMEM, "out of memory for TLS options");
    size_t len = 0;
    tc_bytes_t name;
    for (const char *rest = text; tc__next_word(&rest, &name); len += 1 + name.len) {
        if (name.len > 255)
            return tc__misuse(TC_EINVAL, "alpn: the name of a protocol has at most 255 bytes");
        wire[len] = (char)(unsigned char)name.len;
        memcpy(wire + len + 1, name.data, name.len);
    }
    if (len == 0)
        return tc__misuse(TC_EINVAL, "alpn: names no protocol");
    *out = tc_bytes(wire, len);
    return 0;
}

/* The best of ours that the client offers. It is refused if there is none: what it would send was not asked for. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
                       unsigned offered_len, void *arg) {
    (void)arg;
    const tc__tls_connection_t *connection = tc__tls_connection(ssl);
    const tc_tls_context_t *tls = connection->chosen ? connection->chosen : connection->tls;
    tc_bytes_t ours = tls->alpn.len > 0 ? tls->alpn : connection->default_alpn;
    unsigned char *found;
    if (ours.len == 0)
        return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto(&found, out_len, (const unsigned char *)ours.data, (unsigned)ours.len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

void tc__tls_set_alpn_callback(SSL_CTX *ctx) {
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
}

int tc__tls_set_default_alpn(SSL *ssl, tc_bytes_t wire) {
    tc__tls_connection_t *connection = tc__tls_connection(ssl);
    connection->default_alpn = wire;
    if (SSL_is_server(ssl) || connection->tls->role != TC__TLS_CLIENT || connection->tls->alpn.len > 0)
        return 0;
    if (SSL_set_alpn_protos(ssl, (const unsigned char *)wire.data, (unsigned)wire.len) != 0)
        return tc__tls_take_error("alpn");
    return 0;
}
