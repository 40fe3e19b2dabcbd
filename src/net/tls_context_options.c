/*
 * tls_context_options.c - options to OpenSSL's SSL_CTX. (Tornado: ssl_options_to_context)
 *
 * A session may be resumed only where as much is demanded of a client as where it began: what is demanded is digested
 * into the session id context, which OpenSSL compares (CVE-2025-23419 is nginx without that).
 */
#include "net/tls_context_private.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"

/* For TLS 1.2: forward secrecy and authenticated encryption only, as Mozilla's "intermediate" without its slow ones. */
static const char server_ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                     "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                     "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/* The first list that this OpenSSL knows. No finite fields: with those a client makes a server work for nothing
 * (CVE-2002-20001). */
static const char *const server_groups[] = { "X25519MLKEM768:X25519:P-256:P-384", "X25519:P-256:P-384", "P-256:P-384" };

enum {
    MAX_CHAIN = 10,
    DEFAULT_CACHE_SIZE = 1024,
    MAX_CACHE_SIZE = 1000 * 1000,
};
static const uint64_t default_lifetime_ms = 2 * 3600 * 1000;
static const uint64_t min_lifetime_ms = 60 * 1000, max_lifetime_ms = (uint64_t)7 * 86400 * 1000; /* RFC 8446 4.6.1 */

/* ---- What fits together ---- */

static bool has_ca(const tc_tls_options_t *options) {
    return options->ca_file || options->ca_dir || options->ca.len > 0;
}

static int check_server(const tc_tls_options_t *options) {
    if (!tc__tls_has_certificate(&options->certificate))
        return tc__misuse(TC_EINVAL, "a TLS server needs a certificate");
    if (options->insecure_skip_verify)
        return tc__misuse(TC_EINVAL, "insecure_skip_verify is for clients");
    if (options->client_cert != TC_TLS_CLIENT_CERT_NONE && !has_ca(options))
        return tc__misuse(TC_EINVAL, "client_cert: by whose certificates? ca_file, ca_dir or ca says so");
    return 0;
}

static int check_client(const tc_tls_options_t *options) {
    if (options->client_cert != TC_TLS_CLIENT_CERT_NONE || options->choose_cb)
        return tc__misuse(TC_EINVAL, "client_cert and choose_cb are for servers");
    if (options->no_session_tickets || options->no_session_cache || options->session_cache_size ||
        options->session_lifetime_ms)
        return tc__misuse(TC_EINVAL, "sessions are for servers to keep");
    return 0;
}

static int check_versions(const tc_tls_options_t *options) {
    if ((unsigned)options->min_version > TC_TLS_1_3 || (unsigned)options->max_version > TC_TLS_1_3)
        return tc__misuse(TC_EINVAL, "min_version, max_version: no such version of TLS");
    if (options->max_version != TC_TLS_VERSION_DEFAULT && options->min_version > options->max_version)
        return tc__misuse(TC_EINVAL, "min_version is above max_version");
    return 0;
}

static int check_sessions(const tc_tls_options_t *options) {
    uint64_t lifetime_ms = options->session_lifetime_ms;
    if (lifetime_ms && (lifetime_ms < min_lifetime_ms || lifetime_ms > max_lifetime_ms))
        return tc__misuse(TC_EINVAL, "session_lifetime_ms: a session lives a minute to seven days");
    if (options->session_cache_size > MAX_CACHE_SIZE)
        return tc__misuse(TC_EINVAL, "session_cache_size: at most a million");
    return 0;
}

int tc__tls_check_options(const tc_tls_options_t *options, tc__tls_role_t role) {
    if (!tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_tls_options_t: reserved must be zero");
    if ((unsigned)options->client_cert > TC_TLS_CLIENT_CERT_REQUIRED)
        return tc__misuse(TC_EINVAL, "client_cert: %d is none of its values", (int)options->client_cert);
    TC_TRY(tc__tls_check_certificate(&options->certificate));
    TC_TRY(check_versions(options));
    TC_TRY(check_sessions(options));
    return role == TC__TLS_SERVER ? check_server(options) : check_client(options);
}

/* ---- Copying ---- */

int tc__tls_copy_text(tc__arena_t *arena, const char **text) {
    if (*text)
        *text = tc__arena_strndup(arena, *text, strlen(*text));
    return arena->failed ? tc__fail(TC_ENOMEM, "out of memory for TLS options") : 0;
}

int tc__tls_copy_bytes(tc__arena_t *arena, tc_bytes_t *bytes) {
    if (bytes->len > INT_MAX)
        return tc__misuse(TC_EINVAL, "certificates, keys and authorities: too large");
    if (bytes->len > 0)
        bytes->data = tc__arena_strndup(arena, bytes->data, bytes->len);
    return arena->failed ? tc__fail(TC_ENOMEM, "out of memory for TLS options") : 0;
}

int tc__tls_copy_options(tc__arena_t *arena, tc_tls_options_t *options) {
    const char **texts[] = { &options->ca_file,      &options->ca_dir, &options->ciphers,
                             &options->ciphersuites, &options->groups, &options->insecure_key_log_file };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        TC_TRY(tc__tls_copy_text(arena, texts[i]));
    return tc__tls_copy_bytes(arena, &options->ca);
}

/* ---- Versions, ciphers, groups ---- */

static int bad_option(const char *name, const char *value) {
    char reason[TC__TLS_REASON];
    int err = tc__tls_reason(reason, sizeof reason, NULL);
    return tc__fail(err == TC_ENOMEM ? err : TC_EINVAL, "%s \"%s\" (%s)", name, value, reason);
}

static int set_default_groups(SSL_CTX *ctx) {
    for (size_t i = 0; i < sizeof server_groups / sizeof *server_groups; i++) {
        if (SSL_CTX_set1_groups_list(ctx, server_groups[i]) == 1) {
            ERR_clear_error();
            return 0;
        }
    }
    return tc__tls_take_error("groups");
}

static int set_ciphers(SSL_CTX *ctx, const tc_tls_options_t *options, bool server) {
    if (options->ciphers && SSL_CTX_set_cipher_list(ctx, options->ciphers) != 1)
        return bad_option("ciphers", options->ciphers);
    if (options->ciphersuites && SSL_CTX_set_ciphersuites(ctx, options->ciphersuites) != 1)
        return bad_option("ciphersuites", options->ciphersuites);
    if (options->groups && SSL_CTX_set1_groups_list(ctx, options->groups) != 1)
        return bad_option("groups", options->groups);
    if (server && !options->ciphers && SSL_CTX_set_cipher_list(ctx, server_ciphers) != 1)
        return tc__tls_take_error("ciphers");
    return server && !options->groups ? set_default_groups(ctx) : 0;
}

static int set_protocol(SSL_CTX *ctx, const tc_tls_options_t *options, bool server) {
    int min = options->min_version == TC_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    int max = options->max_version == TC_TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    if (SSL_CTX_set_min_proto_version(ctx, min) != 1 || SSL_CTX_set_max_proto_version(ctx, max) != 1)
        return tc__tls_take_error("versions");
    return set_ciphers(ctx, options, server);
}

/* ---- Sessions ---- */

uint64_t tc__tls_session_lifetime_ms(const tc_tls_options_t *options) {
    return options->session_lifetime_ms ? options->session_lifetime_ms : default_lifetime_ms;
}

static void set_sessions(SSL_CTX *ctx, const tc_tls_options_t *options) {
    SSL_CTX_set_timeout(ctx, (long)(tc__tls_session_lifetime_ms(options) / 1000));
    SSL_CTX_sess_set_cache_size(ctx, options->session_cache_size ? (long)options->session_cache_size
                                                                 : (long)DEFAULT_CACHE_SIZE);
    SSL_CTX_set_session_cache_mode(ctx, options->no_session_cache ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_SERVER);
    if (options->no_session_tickets)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    if (options->no_session_tickets && options->no_session_cache)
        SSL_CTX_set_num_tickets(ctx, 0); /* TLS 1.3 would send some that nobody keeps */
}

/* ---- Whom to trust ---- */

typedef struct {
    SSL_CTX *ctx;
    const tc_tls_options_t *options;
    bool server;
    EVP_MD_CTX *demands; /* becomes the session id context */
} builder_t;

static int digest(builder_t *builder, const void *data, size_t len) {
    uint64_t size = len; /* so that no two lists of texts are the same */
    if (EVP_DigestUpdate(builder->demands, &size, sizeof size) != 1 ||
        EVP_DigestUpdate(builder->demands, data, len) != 1)
        return tc__tls_take_error("TLS");
    return 0;
}

/* To trust them, and for a server to name them to its clients. */
static int trust(builder_t *builder, const STACK_OF(X509) * authorities, const char *name) {
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        X509 *authority = sk_X509_value(authorities, i);
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(builder->ctx), authority) != 1 ||
            (builder->server && SSL_CTX_add_client_CA(builder->ctx, authority) != 1))
            return tc__tls_take_error(name);
    }
    return 0;
}

static int trust_text(builder_t *builder, const char *file, tc_bytes_t memory) {
    STACK_OF(X509) *authorities = NULL;
    tc__tls_text_t text;
    int err = tc__tls_text_init(&text, file, memory, "the CA");
    if (err == 0)
        err = tc__tls_read_certificates(&authorities, &text);
    if (err == 0)
        err = trust(builder, authorities, text.name);
    if (err == 0)
        err = digest(builder, text.text.data, text.text.len);
    sk_X509_pop_free(authorities, X509_free);
    tc__tls_text_deinit(&text);
    return err;
}

static int set_authorities(builder_t *builder) {
    const tc_tls_options_t *options = builder->options;
    if (options->ca_file)
        TC_TRY(trust_text(builder, options->ca_file, tc_bytes(NULL, 0)));
    if (options->ca.len > 0)
        TC_TRY(trust_text(builder, NULL, options->ca));
    if (options->ca_dir) {
        if (SSL_CTX_load_verify_dir(builder->ctx, options->ca_dir) != 1)
            return tc__tls_take_error(options->ca_dir);
        TC_TRY(digest(builder, options->ca_dir, strlen(options->ca_dir)));
    }
    if (!builder->server && !has_ca(options) && SSL_CTX_set_default_verify_paths(builder->ctx) != 1)
        return tc__tls_take_error("the system's CAs");
    X509_STORE_set_flags(SSL_CTX_get_cert_store(builder->ctx), X509_V_FLAG_PARTIAL_CHAIN); /* who is named is trusted */
    return 0;
}

static int verify_mode(const tc_tls_options_t *options, bool server) {
    if (!server)
        return options->insecure_skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
    switch (options->client_cert) {
    case TC_TLS_CLIENT_CERT_OPTIONAL:
        return SSL_VERIFY_PEER;
    case TC_TLS_CLIENT_CERT_REQUIRED:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    default:
        return SSL_VERIFY_NONE;
    }
}

/* Read whom to trust, and keep a digest of that and of how much is asked. */
static int set_demands(builder_t *builder, unsigned char id[TC__TLS_SESSION_ID_CONTEXT]) {
    int mode = verify_mode(builder->options, builder->server);
    SSL_CTX_set_verify(builder->ctx, mode, NULL);
    builder->demands = EVP_MD_CTX_new();
    int err = builder->demands && EVP_DigestInit_ex(builder->demands, EVP_sha256(), NULL) == 1
                  ? digest(builder, &mode, sizeof mode)
                  : tc__tls_take_error("TLS");
    if (err == 0)
        err = set_authorities(builder);
    if (err == 0 && EVP_DigestFinal_ex(builder->demands, id, NULL) != 1)
        err = tc__tls_take_error("TLS");
    EVP_MD_CTX_free(builder->demands);
    return err;
}

/* The same from another site of the context. */
static int share_demands(SSL_CTX *ctx, const tc__tls_site_t *base, unsigned char id[TC__TLS_SESSION_ID_CONTEXT]) {
    STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(base->ctx);
    STACK_OF(X509_NAME) *copy = names ? SSL_dup_CA_list(names) : NULL;
    if (names && !copy)
        return tc__tls_take_error("TLS");
    SSL_CTX_set_client_CA_list(ctx, copy);
    SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(base->ctx));
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(base->ctx), NULL);
    memcpy(id, base->session_id_context, TC__TLS_SESSION_ID_CONTEXT);
    return 0;
}

/* ---- Sites ---- */

static int not_used(const tc_tls_certificate_t *certificate) {
    const char *name = certificate->cert_file ? certificate->cert_file : "the certificate";
    if (ERR_GET_REASON(ERR_peek_error()) != SSL_R_NOT_REPLACING_CERTIFICATE)
        return tc__tls_take_error(name);
    ERR_clear_error();
    return tc__fail(TC_EINVAL, "%s: its key is of the same kind as that of the one before", name);
}

static int use_certificate(SSL_CTX *ctx, const tc_tls_certificate_t *certificate, bool check_dates) {
    tc__tls_loaded_t loaded;
    TC_TRY(tc__tls_load(&loaded, certificate, check_dates));
    X509 *leaf = sk_X509_shift(loaded.certificates);
    int err = 0;
    if (SSL_CTX_use_cert_and_key(ctx, leaf, loaded.key, loaded.certificates, 0) != 1)
        err = not_used(certificate);
    if (err == 0 && certificate->ocsp_file)
        err = tc__tls_staple(ctx, certificate->ocsp_file, leaf);
    X509_free(leaf);
    tc__tls_loaded_deinit(&loaded);
    return err;
}

static int use_certificates(tc__tls_site_t *site, const tc_tls_context_t *tls, const tc__tls_source_t *source) {
    bool server = tls->role == TC__TLS_SERVER;
    const tc_tls_certificate_t *certificate = &source->certificate;
    if (!tc__tls_has_certificate(certificate))
        return 0;
    TC_TRY(use_certificate(site->ctx, certificate, server && !tls->options.allow_expired));
    site->told = source->hosts != NULL;
    if (server)
        TC_TRY(site->told ? tc__tls_names_told(&site->names, source->hosts)
                          : tc__tls_names_of(&site->names, SSL_CTX_get0_certificate(site->ctx)));
    while ((certificate = certificate->also) != NULL)
        TC_TRY(use_certificate(site->ctx, certificate, server && !tls->options.allow_expired));
    return 0;
}

static int set_up(tc__tls_site_t *site, const tc_tls_context_t *tls, const tc__tls_source_t *source,
                  const tc__tls_site_t *base) {
    const tc_tls_options_t *options = &tls->options;
    bool server = tls->role == TC__TLS_SERVER;
    TC_TRY(set_protocol(site->ctx, options, server));
    TC_TRY(use_certificates(site, tls, source));
    if (base)
        TC_TRY(share_demands(site->ctx, base, site->session_id_context));
    else
        TC_TRY(set_demands(&(builder_t){ .ctx = site->ctx, .options = options, .server = server },
                           site->session_id_context));
    SSL_CTX_set_verify_depth(site->ctx, MAX_CHAIN);
    if (server)
        set_sessions(site->ctx, options);
    if (SSL_CTX_set_session_id_context(site->ctx, site->session_id_context, TC__TLS_SESSION_ID_CONTEXT) != 1)
        return tc__tls_take_error("TLS");
    if (!server && tls->alpn.len > 0 &&
        SSL_CTX_set_alpn_protos(site->ctx, (const unsigned char *)tls->alpn.data, (unsigned)tls->alpn.len) != 0)
        return tc__tls_take_error("alpn");
    tc__tls_set_callbacks(site->ctx, tls);
    return 0;
}

int tc__tls_site_new(tc__tls_site_t **out, const tc_tls_context_t *tls, const tc__tls_source_t *source,
                     const tc__tls_site_t *base) {
    ERR_clear_error();
    tc__tls_site_t *site = tc__calloc(1, sizeof *site);
    if (!site)
        return tc__fail(TC_ENOMEM, "out of memory for a TLS context");
    atomic_init(&site->refs, 1);
    site->ctx = SSL_CTX_new(TLS_method());
    int err = site->ctx ? set_up(site, tls, source, base) : tc__tls_take_error("TLS");
    if (err == 0)
        *out = site;
    else
        tc__tls_site_unref(site);
    ERR_clear_error();
    return err;
}

tc__tls_site_t *tc__tls_site_ref(tc__tls_site_t *site) {
    atomic_fetch_add_explicit(&site->refs, 1, memory_order_relaxed);
    return site;
}

void tc__tls_site_unref(tc__tls_site_t *site) {
    if (!site || atomic_fetch_sub_explicit(&site->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(site->ctx);
    tc__free(site->names);
    tc__free(site);
}
