/*
 * tls_context_names.c - host names to certificates (SNI, RFC 6066 section 3).
 *
 * The name is taken from the client's hello before OpenSSL has looked at anything else of it: version and session are
 * not decided yet, so another context can have others. A session that began under one context is then not resumed under
 * another that demands more (CVE-2025-23419).
 *
 * After a HelloRetryRequest the client sends its hello again, with the same name (RFC 8446 section 4.1.2). Whoever
 * changes it is refused: the context was chosen by the first name, and the program would hear of the second.
 */
#include "net/tls_context_private.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/hash_internal.h"

/* ---- Names ---- */

enum { MAX_HOST = 253, MAX_LABEL = 63 }; /* RFC 1035 section 2.3.4 */

/* Letters, digits, "-", and "_", which some have. */
static bool is_label(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return len > 0 && len <= MAX_LABEL;
}

bool tc__tls_host_normal(char *out, tc_bytes_t host) {
    if (host.len > 1 && host.data[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || host.len > MAX_HOST)
        return false;
    for (size_t i = 0; i < host.len; i++)
        out[i] = tc__lower(host.data[i]);
    out[host.len] = '\0';
    for (const char *label = out;;) {
        size_t len = strcspn(label, ".");
        if (!is_label(label, len))
            return false;
        if (label[len] == '\0')
            return label + len == out + host.len; /* no NUL within */
        label += len + 1;
    }
}

bool tc__tls_pattern_normal(char *out, tc_bytes_t pattern) {
    if (!tc__bytes_starts_with(pattern, tc_str("*.")))
        return tc__tls_host_normal(out, pattern);
    if (pattern.len > MAX_HOST || !tc__tls_host_normal(out + 2, tc_bytes(pattern.data + 2, pattern.len - 2)))
        return false;
    out[0] = '*';
    out[1] = '.';
    return true;
}

/* Put a name behind those that `*names` has. */
static int append(char **names, const char *name) {
    size_t len = *names ? strlen(*names) : 0, more = strlen(name);
    char *longer = tc__realloc(*names, len + more + 2);
    if (!longer)
        return tc__fail(TC_ENOMEM, "out of memory for host names");
    if (len > 0)
        longer[len++] = ' ';
    memcpy(longer + len, name, more + 1);
    *names = longer;
    return 0;
}

int tc__tls_names_told(char **out, const char *hosts) {
    char name[TC__TLS_HOST_SIZE];
    tc_bytes_t word;
    for (const char *rest = hosts; tc__next_word(&rest, &word);) {
        if (!tc__tls_pattern_normal(name, word))
            return tc__fail(TC_EINVAL, "\"%.*s\" is no host name (\"*.\" may stand before one)",
                            word.len > 64 ? 64 : (int)word.len, word.data);
        TC_TRY(append(out, name));
    }
    return *out ? 0 : tc__fail(TC_EINVAL, "there is no host name");
}

int tc__tls_names_of(char **out, const X509 *leaf) {
    char name[TC__TLS_HOST_SIZE];
    int critical, err = 0;
    GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
    if (!all && critical != -1) /* there are some */
        return tc__tls_take_error("the certificate's names");
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && err == 0; i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
        if (type == GEN_DNS &&
            tc__tls_pattern_normal(name, tc_bytes(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value))))
            err = append(out, name);
    }
    GENERAL_NAMES_free(all);
    return err;
}

/* ---- Sites by name ---- */

int tc__tls_sites_new(tc__tls_sites_t **out, const tc__tls_sites_t *old, size_t more) {
    size_t count = (old ? old->count : 0) + more;
    tc__tls_sites_t *sites = tc__calloc(1, sizeof *sites + count * sizeof sites->sites[0]);
    if (!sites)
        return tc__fail(TC_ENOMEM, "out of memory for a TLS context");
    atomic_init(&sites->refs, 1);
    tc__map_init(&sites->names);
    for (size_t i = 0; old && i < old->count; i++) {
        int err = tc__tls_sites_push(sites, old->sites[i]);
        if (err < 0) {
            tc__tls_sites_unref(sites);
            return err;
        }
    }
    *out = sites;
    return 0;
}

/* May the site have a name that belongs to `other`? What is told goes before what a certificate brings along. */
static int contend(const tc__tls_site_t *site, const tc__tls_site_t *other, tc_bytes_t name, bool *wins) {
    *wins = !other || (site->told && !other->told);
    if (other && site->told && other->told && other != site)
        return tc__fail(TC_EEXIST, "%.*s: there is a certificate for it", (int)name.len, name.data);
    return 0;
}

static int take_names(tc__tls_sites_t *sites, tc__tls_site_t *site) {
    tc_bytes_t name;
    bool wins;
    for (const char *rest = site->names ? site->names : ""; tc__next_word(&rest, &name);) {
        TC_TRY(contend(site, tc__map_get(&sites->names, name), name, &wins));
        if (wins && tc__map_set(&sites->names, name, site, NULL) < 0)
            return tc__fail(TC_ENOMEM, "out of memory for host names");
    }
    return 0;
}

int tc__tls_sites_push(tc__tls_sites_t *sites, tc__tls_site_t *site) {
    sites->sites[sites->count++] = tc__tls_site_ref(site);
    return take_names(sites, site);
}

tc__tls_sites_t *tc__tls_sites_ref(tc__tls_sites_t *sites) {
    atomic_fetch_add_explicit(&sites->refs, 1, memory_order_relaxed);
    return sites;
}

void tc__tls_sites_unref(tc__tls_sites_t *sites) {
    if (!sites || atomic_fetch_sub_explicit(&sites->refs, 1, memory_order_acq_rel) != 1)
        return;
    tc__map_deinit(&sites->names, NULL);
    for (size_t i = 0; i < sites->count; i++)
        tc__tls_site_unref(sites->sites[i]);
    tc__free(sites);
}

static tc__tls_site_t *find(const tc__tls_sites_t *sites, const char *name) {
    char pattern[TC__TLS_HOST_SIZE + 1];
    tc__tls_site_t *site = tc__map_get(&sites->names, tc_str(name));
    const char *dot = strchr(name, '.');
    if (!site && dot) {
        const tc_bytes_t parent = tc_str(dot);
        pattern[0] = '*';
        memcpy(pattern + 1, parent.data, parent.len);
        site = tc__map_get(&sites->names, tc_bytes(pattern, parent.len + 1));
    }
    return site ? site : sites->sites[0];
}

/* ---- The hello ---- */

/* The name that a client tells, "" if none. False: what it tells is no name. What cannot be read at all is OpenSSL's to
 * refuse. */
static bool told_name(SSL *ssl, char *out) {
    const unsigned char *data;
    size_t len;
    out[0] = '\0';
    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len))
        return true;
    enum { BEFORE_NAME = 5 }; /* length of the list; type of the name, 0; its length */
    if (len < BEFORE_NAME || data[2] != TLSEXT_NAMETYPE_host_name)
        return true;
    size_t name_len = (size_t)data[3] << 8 | data[4];
    if (name_len > len - BEFORE_NAME)
        return true;
    return tc__tls_host_normal(out, tc_bytes(data + BEFORE_NAME, name_len));
}

static uint64_t hash_of(const char *name) {
    return tc__hash(tc_str(name));
}

static int refuse(int *alert, int why, int reason) {
    ERR_raise(ERR_LIB_SSL, reason);
    *alert = why;
    return SSL_CLIENT_HELLO_ERROR;
}

/* What SSL_set_SSL_CTX leaves as the first context had it. */
static void demand_as(SSL *ssl, SSL_CTX *ctx, uint64_t first_options) {
    uint64_t options = SSL_CTX_get_options(ctx);
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), SSL_CTX_get_verify_callback(ctx));
    SSL_set_verify_depth(ssl, SSL_CTX_get_verify_depth(ctx));
    SSL_clear_options(ssl, first_options & ~options);
    SSL_set_options(ssl, options);
    SSL_set_min_proto_version(ssl, (int)SSL_CTX_get_min_proto_version(ctx));
    SSL_set_max_proto_version(ssl, (int)SSL_CTX_get_max_proto_version(ctx));
}

static bool use_site(SSL *ssl, tc_tls_context_t *tls, const char *name) {
    tc__tls_sites_t *sites = tc__tls_sites_now(tls);
    SSL_CTX *ctx = find(sites, name)->ctx;
    uint64_t first_options = SSL_CTX_get_options(SSL_get_SSL_CTX(ssl));
    bool done = ctx == SSL_get_SSL_CTX(ssl) || SSL_set_SSL_CTX(ssl, ctx) == ctx;
    if (done && tls != tc__tls_connection(ssl)->tls)
        demand_as(ssl, ctx, first_options);
    tc__tls_sites_unref(sites);
    return done;
}

/* Ask the program for a context. */
static bool choose(tc__tls_connection_t *connection, const char *name) {
    tc_tls_context_t *tls = connection->tls, *chosen = NULL;
    if (!tls->options.choose_cb)
        return true;
    int err = tls->options.choose_cb(tls, name, &chosen, tls->options.choose_data);
    if (err == 0 && chosen && chosen->role == TC__TLS_CLIENT)
        err = tc__misuse(TC_EINVAL, "choose_cb: a context made for clients serves none");
    if (err == 0)
        connection->chosen = chosen;
    else
        tc_tls_context_unref(chosen);
    return err == 0;
}

static int on_hello(SSL *ssl, int *alert, void *arg) {
    (void)arg;
    tc__tls_connection_t *connection = tc__tls_connection(ssl);
    char name[TC__TLS_HOST_SIZE];
    if (connection->greeted) /* and now again, which on_name looks at */
        return SSL_CLIENT_HELLO_SUCCESS;
    if (!told_name(ssl, name) || !choose(connection, name))
        return refuse(alert, SSL_AD_UNRECOGNIZED_NAME, SSL_R_TLSV1_UNRECOGNIZED_NAME);
    if (!use_site(ssl, connection->chosen ? connection->chosen : connection->tls, name))
        return refuse(alert, SSL_AD_INTERNAL_ERROR, ERR_R_MALLOC_FAILURE);
    connection->greeted = true;
    connection->name_hash = hash_of(name);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* OpenSSL has read the name, too: tell the client that it was used. */
static int on_name(SSL *ssl, int *alert, void *arg) {
    (void)arg;
    const tc__tls_connection_t *connection = tc__tls_connection(ssl);
    const char *told = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char name[TC__TLS_HOST_SIZE] = "";
    if (SSL_version(ssl) >= TLS1_3_VERSION &&
        ((told && !tc__tls_host_normal(name, tc_str(told))) || hash_of(name) != connection->name_hash)) {
        *alert = SSL_AD_ILLEGAL_PARAMETER;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return told ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

void tc__tls_set_name_callbacks(SSL_CTX *ctx) {
    SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
}
