/*
 * tls_peer_certificate.c - what a handshake agreed on, and the certificate of the other side, in words.
 * (Tornado: HTTPServerRequest.get_ssl_certificate)
 *
 * A certificate's texts stand in an arena of its own, so it outlives the stream.
 */
#include "net/tls_transport_internal.h"

#include <stdio.h>

#include <arpa/inet.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <tornadoc/interop.h>

#include "util/arena_internal.h"
#include "util/error_internal.h"

/* ---- The agreement ---- */

/* NULL: there is none. */
static const SSL *agreed(const tc_iostream_t *stream) {
    return stream && stream->tls && stream->tls->state == TC__TLS_OPEN ? stream->tls->ssl : NULL;
}

const char *tc_iostream_tls_version(const tc_iostream_t *stream) {
    const SSL *ssl = agreed(stream);
    return ssl ? SSL_get_version(ssl) : NULL;
}

const char *tc_iostream_tls_cipher(const tc_iostream_t *stream) {
    const SSL *ssl = agreed(stream);
    return ssl ? SSL_get_cipher_name(ssl) : NULL;
}

const char *tc_iostream_tls_server_name(const tc_iostream_t *stream) {
    const SSL *ssl = agreed(stream);
    return ssl ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL;
}

tc_bytes_t tc_iostream_tls_alpn(const tc_iostream_t *stream) {
    const SSL *ssl = agreed(stream);
    const unsigned char *name = NULL;
    unsigned len = 0;
    if (ssl)
        SSL_get0_alpn_selected(ssl, &name, &len);
    return len > 0 ? tc_bytes(name, len) : tc_bytes("", 0);
}

bool tc_iostream_tls_session_reused(const tc_iostream_t *stream) {
    const SSL *ssl = agreed(stream);
    return ssl && SSL_session_reused(ssl);
}

/* ---- The SSL itself ---- */

SSL *tc_iostream_ssl(const tc_iostream_t *stream) {
    return stream && stream->tls && !stream->closed ? stream->tls->ssl : NULL;
}

tc_iostream_t *tc_iostream_from_ssl(const SSL *ssl) {
    const struct tc__tls_loop *shared = BIO_get_data(SSL_get_rbio(ssl));
    tc_iostream_t *stream = shared ? shared->current : NULL;
    return stream && stream->tls->ssl == ssl ? stream : NULL;
}

void tc_iostream_continue_handshake(tc_iostream_t *stream) {
    if (!stream || !stream->tls || !stream->tls->waits)
        return;
    stream->tls->waits = false;
    stream->tls->goes_on = true;
    tc__iostream_soon(stream);
}

/* ---- The certificate ---- */

typedef struct {
    tc_peer_certificate_t certificate; /* first: it is what users hold */
    tc__arena_t arena;
} holder_t;

static const char *hex(tc__arena_t *arena, const unsigned char *bytes, size_t len) {
    char *text = tc__arena_alloc(arena, 2 * len + 1);
    if (!text)
        return NULL;
    text[0] = '\0';
    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return text;
}

/* "CN=client,O=Example" (RFC 2253), control bytes escaped. */
static const char *name_text(tc__arena_t *arena, const X509_NAME *name) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL, *text = NULL;
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
        long len = BIO_get_mem_data(bio, &data);
        text = tc__arena_strndup(arena, len > 0 ? data : "", len > 0 ? (size_t)len : 0);
    }
    BIO_free(bio);
    return text;
}

static const char *serial_text(tc__arena_t *arena, const X509 *x509) {
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    return hex(arena, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
}

static const char *address_text(tc__arena_t *arena, const ASN1_OCTET_STRING *octets) {
    char text[INET6_ADDRSTRLEN] = "";
    int len = ASN1_STRING_length(octets);
    if (len != 4 && len != 16)
        return "";
    inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), text, sizeof(text));
    return tc__arena_sprintf(arena, "IP:%s", text);
}

/* "": of no interest, or with a NUL inside, which would let it seem to be another. NULL: out of memory. */
static const char *alternative_text(tc__arena_t *arena, const GENERAL_NAME *name) {
    const char *kind = name->type == GEN_DNS     ? "DNS:"
                       : name->type == GEN_EMAIL ? "email:"
                       : name->type == GEN_URI   ? "URI:"
                                                 : NULL;
    if (name->type == GEN_IPADD)
        return address_text(arena, name->d.iPAddress);
    if (!kind)
        return "";
    const char *data = (const char *)ASN1_STRING_get0_data(name->d.ia5);
    size_t len = (size_t)ASN1_STRING_length(name->d.ia5);
    if (memchr(data, '\0', len))
        return "";
    return tc__arena_sprintf(arena, "%s%.*s", kind, (int)len, data);
}

static int take_names(tc_peer_certificate_t *out, tc__arena_t *arena, const X509 *x509) {
    int found = -1;
    GENERAL_NAMES *all = X509_get_ext_d2i(x509, NID_subject_alt_name, &found, NULL);
    if (!all && found != -1)
        return tc__tls_take_error("alternative names of a certificate");
    int count = all ? sk_GENERAL_NAME_num(all) : 0;
    const char **names = tc__arena_alloc(arena, ((size_t)count + 1) * sizeof(*names));
    size_t kept = 0;
    for (int i = 0; i < count && names && !arena->failed; i++) {
        names[kept] = alternative_text(arena, sk_GENERAL_NAME_value(all, i));
        if (names[kept] && names[kept][0])
            kept++;
    }
    GENERAL_NAMES_free(all);
    out->names = names;
    out->name_count = kept;
    return arena->failed ? TC_ENOMEM : 0;
}

static int64_t seconds_of(const ASN1_TIME *time) {
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool known = epoch && ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    return known ? (int64_t)days * 86400 + seconds : 0;
}

static int take_bytes(tc_peer_certificate_t *out, tc__arena_t *arena, X509 *x509) {
    unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
    unsigned digest_len = 0;
    int len = i2d_X509(x509, &der);
    char *copy = len > 0 ? tc__arena_strndup(arena, (char *)der, (size_t)len) : NULL;
    OPENSSL_free(der);
    if (!copy || !X509_digest(x509, EVP_sha256(), digest, &digest_len))
        return TC_ENOMEM;
    out->der = tc_bytes(copy, (size_t)len);
    out->sha256 = hex(arena, digest, digest_len);
    return 0;
}

static int fill(tc_peer_certificate_t *out, tc__arena_t *arena, X509 *x509) {
    TC_TRY(take_names(out, arena, x509));
    TC_TRY(take_bytes(out, arena, x509));
    out->subject = name_text(arena, X509_get_subject_name(x509));
    out->issuer = name_text(arena, X509_get_issuer_name(x509));
    out->serial_number = serial_text(arena, x509);
    out->not_before = seconds_of(X509_get0_notBefore(x509));
    out->not_after = seconds_of(X509_get0_notAfter(x509));
    return out->subject && out->issuer && out->serial_number && out->sha256 ? 0 : TC_ENOMEM;
}

int tc_iostream_peer_certificate(const tc_iostream_t *stream, tc_peer_certificate_t **out) {
    const SSL *ssl = agreed(stream);
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_iostream_peer_certificate: out is NULL");
    if (!ssl)
        return tc__fail(TC_EINVAL, "tc_iostream_peer_certificate: there was no handshake");
    X509 *x509 = SSL_get1_peer_certificate(ssl);
    if (!x509)
        return tc__fail(TC_ENOENT, "the other side has sent no certificate");
    holder_t *holder = tc__calloc(1, sizeof(*holder));
    int err = TC_ENOMEM;
    if (holder) {
        tc__arena_init(&holder->arena, NULL);
        holder->certificate.verified = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
                                       SSL_get_verify_result(ssl) == X509_V_OK;
        err = fill(&holder->certificate, &holder->arena, x509);
    }
    X509_free(x509);
    ERR_clear_error();
    if (err < 0) {
        tc_peer_certificate_free(holder ? &holder->certificate : NULL);
        return err == TC_ENOMEM ? tc__fail(err, "out of memory for a certificate") : err;
    }
    *out = &holder->certificate;
    return 0;
}

void tc_peer_certificate_free(tc_peer_certificate_t *certificate) {
    if (!certificate)
        return;
    holder_t *holder = tc__container_of(certificate, holder_t, certificate);
    tc__arena_deinit(&holder->arena);
    tc__free(holder);
}
