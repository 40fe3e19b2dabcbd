/*
 * tls_context.c - a TLS context: what connections are made from, shared by servers, clients and threads.
 *
 * A context is its options and certificates, copied, and the sites that were made from them: one SSL_CTX of OpenSSL for
 * each certificate, which is never changed once it is made. A change - another certificate, or all of them read again -
 * makes another set of sites and puts it in the place of the old one, which lives on in its connections; if anything
 * fails on the way, the old one stays. The lock of that place is held for moments only.
 *
 * An SSL holds its context: OpenSSL calls back with the SSL, and finds the context by it.
 */
#include "net/tls_context_private.h"

#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <tornadoc/interop.h>

#include "net/cidr_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"

/* ---- Life ---- */

static int init_locks(tc_tls_context_t *tls) {
    int err = uv_mutex_init(&tls->now_lock);
    if (err < 0)
        return err;
    err = uv_mutex_init(&tls->change_lock);
    if (err < 0)
        uv_mutex_destroy(&tls->now_lock);
    return err;
}

/* A context without sites. */
static int alloc_context(tc_tls_context_t **out, tc__tls_role_t role) {
    tc_tls_context_t *tls = tc__calloc(1, sizeof *tls);
    int err = tls ? init_locks(tls) : TC_ENOMEM;
    if (err < 0) {
        tc__free(tls);
        return tc__fail(err, "TLS context: %s", tc_strerror(err));
    }
    atomic_init(&tls->refs, 1);
    tls->role = role;
    tls->key_log = -1;
    tc__arena_init(&tls->memory, NULL);
    *out = tls;
    return 0;
}

static int take_options(tc_tls_context_t *tls, const tc_tls_options_t *options) {
    tc_tls_options_t copy = *options;
    TC_TRY(tc__tls_copy_options(&tls->memory, &copy));
    tls->options = copy;
    TC_TRY(tc__tls_parse_alpn(&tls->memory, &tls->alpn, options->alpn));
    tls->options.alpn = NULL;
    tls->options.certificate = (tc_tls_certificate_t){ 0 };
    TC_TRY(tc__tls_copy_certificate(&tls->memory, &copy.certificate));
    tls->first.certificate = copy.certificate; /* ours from here on, to be erased */
    if (copy.insecure_key_log_file) {
        tls->key_log = tc__tls_key_log_open(copy.insecure_key_log_file);
        if (tls->key_log < 0)
            return tls->key_log;
    }
    return 0;
}

/* Make sites from all sources. */
static int build(tc_tls_context_t *tls, tc__tls_sites_t **out) {
    size_t count = 0;
    for (const tc__tls_source_t *source = &tls->first; source; source = source->next)
        count++;
    tc__tls_sites_t *sites = NULL;
    TC_TRY(tc__tls_sites_new(&sites, NULL, count));
    int err = 0;
    for (const tc__tls_source_t *source = &tls->first; source && err == 0; source = source->next) {
        tc__tls_site_t *site = NULL;
        err = tc__tls_site_new(&site, tls, source, sites->count ? sites->sites[0] : NULL);
        if (err == 0)
            err = tc__tls_sites_push(sites, site);
        tc__tls_site_unref(site);
    }
    if (err == 0)
        *out = sites;
    else
        tc__tls_sites_unref(sites);
    return err;
}

static int new_context(tc_tls_context_t **out, const tc_tls_options_t *options, tc__tls_role_t role) {
    TC_TRY(tc__tls_check_options(options, role));
    tc_tls_context_t *tls = NULL;
    TC_TRY(alloc_context(&tls, role));
    int err = take_options(tls, options);
    if (err == 0 && role == TC__TLS_SERVER)
        err = tc__tls_tickets_init(&tls->tickets, tc__tls_session_lifetime_ms(options));
    if (err == 0)
        err = build(tls, &tls->now);
    if (err == 0)
        *out = tls;
    else
        tc_tls_context_unref(tls);
    return err;
}

int tc_tls_context_new(tc_tls_context_t **out, const char *cert_file, const char *key_file) {
    if (!out || !cert_file)
        return tc__misuse(TC_EINVAL, "tc_tls_context_new: %s is NULL", out ? "cert_file" : "out");
    tc_tls_options_t options = { .certificate = { .cert_file = cert_file, .key_file = key_file } };
    return new_context(out, &options, TC__TLS_SERVER);
}

int tc_tls_context_new_server(tc_tls_context_t **out, const tc_tls_options_t *options) {
    if (!out || !options)
        return tc__misuse(TC_EINVAL, "tc_tls_context_new_server: %s is NULL", out ? "options" : "out");
    return new_context(out, options, TC__TLS_SERVER);
}

int tc_tls_context_new_client(tc_tls_context_t **out, const tc_tls_options_t *options) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_tls_context_new_client: out is NULL");
    return new_context(out, options ? options : &(tc_tls_options_t){ 0 }, TC__TLS_CLIENT);
}

/* A site around an SSL_CTX that was not made here. */
static int adopt(tc_tls_context_t *tls, SSL_CTX *ssl_ctx) {
    tc__tls_site_t *site = tc__calloc(1, sizeof *site);
    if (!site)
        return tc__fail(TC_ENOMEM, "out of memory for a TLS context");
    atomic_init(&site->refs, 1);
    SSL_CTX_up_ref(ssl_ctx);
    site->ctx = ssl_ctx;
    int err = tc__tls_sites_new(&tls->now, NULL, 1);
    if (err == 0)
        err = tc__tls_sites_push(tls->now, site);
    tc__tls_site_unref(site);
    return err;
}

int tc_tls_context_adopt(tc_tls_context_t **out, SSL_CTX *ssl_ctx) {
    if (!out || !ssl_ctx)
        return tc__misuse(TC_EINVAL, "tc_tls_context_adopt: %s is NULL", out ? "ssl_ctx" : "out");
    tc_tls_context_t *tls = NULL;
    TC_TRY(alloc_context(&tls, TC__TLS_ADOPTED));
    int err = adopt(tls, ssl_ctx);
    if (err == 0)
        *out = tls;
    else
        tc_tls_context_unref(tls);
    return err;
}

tc_tls_context_t *tc_tls_context_ref(tc_tls_context_t *tls) {
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void tc_tls_context_unref(tc_tls_context_t *tls) {
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
        return;
    tc__tls_sites_unref(tls->now);
    for (const tc__tls_source_t *source = &tls->first; source; source = source->next)
        tc__tls_erase_certificate(&source->certificate);
    tc__tls_tickets_deinit(&tls->tickets);
    if (tls->key_log >= 0)
        close(tls->key_log);
    tc__arena_deinit(&tls->memory);
    uv_mutex_destroy(&tls->now_lock);
    uv_mutex_destroy(&tls->change_lock);
    tc__free(tls);
}

/* ---- What it stands for now ---- */

tc__tls_sites_t *tc__tls_sites_now(tc_tls_context_t *tls) {
    uv_mutex_lock(&tls->now_lock);
    tc__tls_sites_t *sites = tc__tls_sites_ref(tls->now);
    uv_mutex_unlock(&tls->now_lock);
    return sites;
}

static void put_sites(tc_tls_context_t *tls, tc__tls_sites_t *sites) {
    uv_mutex_lock(&tls->now_lock);
    tc__tls_sites_t *old = tls->now;
    tls->now = sites;
    uv_mutex_unlock(&tls->now_lock);
    tc__tls_sites_unref(old);
}

int tc_tls_context_reload(tc_tls_context_t *tls) {
    if (!tls || tls->role == TC__TLS_ADOPTED)
        return tc__misuse(TC_EINVAL, "tc_tls_context_reload: %s", tls ? "an adopted SSL_CTX is the program's" : "NULL");
    tc__tls_sites_t *sites = NULL;
    uv_mutex_lock(&tls->change_lock);
    int err = build(tls, &sites);
    if (err == 0)
        put_sites(tls, sites);
    uv_mutex_unlock(&tls->change_lock);
    return err;
}

/* The same sites and one more. */
static int build_with(tc_tls_context_t *tls, const tc__tls_source_t *source, tc__tls_sites_t **out) {
    tc__tls_sites_t *sites = NULL;
    tc__tls_site_t *site = NULL;
    TC_TRY(tc__tls_sites_new(&sites, tls->now, 1));
    int err = tc__tls_site_new(&site, tls, source, sites->sites[0]);
    if (err == 0 && !site->names)
        err = tc__fail(TC_EINVAL, "%s: names no host",
                       source->certificate.cert_file ? source->certificate.cert_file : "the certificate");
    if (err == 0)
        err = tc__tls_sites_push(sites, site);
    tc__tls_site_unref(site);
    if (err == 0)
        *out = sites;
    else
        tc__tls_sites_unref(sites);
    return err;
}

static int copy_source(tc_tls_context_t *tls, tc__tls_source_t **out, const char *hosts,
                       const tc_tls_certificate_t *certificate) {
    tc__tls_source_t *source = tc__arena_calloc(&tls->memory, sizeof *source);
    if (!source)
        return tc__fail(TC_ENOMEM, "out of memory for a TLS certificate");
    source->hosts = hosts;
    source->certificate = *certificate;
    TC_TRY(tc__tls_copy_text(&tls->memory, &source->hosts));
    TC_TRY(tc__tls_copy_certificate(&tls->memory, &source->certificate));
    *out = source;
    return 0;
}

static int add(tc_tls_context_t *tls, const char *hosts, const tc_tls_certificate_t *certificate) {
    tc__tls_source_t *source = NULL, *last = &tls->first;
    tc__tls_sites_t *sites = NULL;
    while (last->next)
        last = last->next;
    TC_TRY(copy_source(tls, &source, hosts, certificate));
    int err = build_with(tls, source, &sites);
    if (err < 0) {
        tc__tls_erase_certificate(&source->certificate);
        return err;
    }
    last->next = source;
    put_sites(tls, sites);
    return 0;
}

int tc_tls_context_add(tc_tls_context_t *tls, const char *hosts, const tc_tls_certificate_t *certificate) {
    if (!tls || !certificate || tls->role != TC__TLS_SERVER)
        return tc__misuse(TC_EINVAL, "tc_tls_context_add: %s",
                          !tls           ? "tls is NULL"
                          : !certificate ? "certificate is NULL"
                                         : "not a context that was made for a server");
    if (!tc__tls_has_certificate(certificate))
        return tc__misuse(TC_EINVAL, "tc_tls_context_add: there is no certificate");
    TC_TRY(tc__tls_check_certificate(certificate));
    uv_mutex_lock(&tls->change_lock);
    int err = add(tls, hosts, certificate);
    tls->memory.failed = false; /* the next one may have more luck */
    uv_mutex_unlock(&tls->change_lock);
    return err;
}

/* ---- Connections ---- */

static void free_connection(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number, void *pointer) {
    (void)parent, (void)all, (void)index, (void)number, (void)pointer;
    tc__tls_connection_t *connection = data;
    if (!connection)
        return;
    tc_tls_context_unref(connection->chosen);
    tc_tls_context_unref(connection->tls);
    tc__free(connection);
}

/* Of two threads that ask for the first time, one gets a number that is never used. */
int tc__tls_ex_index(atomic_int *known, int class_index, CRYPTO_EX_free *free_fn) {
    int index = atomic_load(known), none = -1;
    if (index >= 0)
        return index;
    index = CRYPTO_get_ex_new_index(class_index, 0, NULL, NULL, NULL, free_fn);
    if (index >= 0 && !atomic_compare_exchange_strong(known, &none, index))
        index = none;
    return index;
}

static int connection_index(void) {
    static atomic_int known = -1;
    return tc__tls_ex_index(&known, CRYPTO_EX_INDEX_SSL, free_connection);
}

tc__tls_connection_t *tc__tls_connection(const SSL *ssl) {
    return SSL_get_ex_data(ssl, connection_index());
}

/* OpenSSL has not always words for it. */
static int out_of_memory(void) {
    ERR_clear_error();
    return tc__fail(TC_ENOMEM, "out of memory for a TLS connection");
}

static int attach(SSL *ssl, tc_tls_context_t *tls) {
    tc__tls_connection_t *connection = tc__calloc(1, sizeof *connection);
    int index = connection_index();
    if (!connection || index < 0 || SSL_set_ex_data(ssl, index, connection) != 1) {
        tc__free(connection);
        return out_of_memory();
    }
    connection->tls = tc_tls_context_ref(tls);
    return 0;
}

static void log_key(const SSL *ssl, const char *line) {
    const tc__tls_connection_t *connection = tc__tls_connection(ssl);
    tc__tls_key_log_write((connection->chosen ? connection->chosen : connection->tls)->key_log, line);
}

void tc__tls_set_callbacks(SSL_CTX *ctx, const tc_tls_context_t *tls) {
    if (tls->role == TC__TLS_SERVER) {
        tc__tls_set_name_callbacks(ctx);
        tc__tls_set_alpn_callback(ctx);
        tc__tls_set_ticket_callback(ctx);
        tc__tls_set_staple_callback(ctx);
    }
    if (tls->key_log >= 0)
        SSL_CTX_set_keylog_callback(ctx, log_key);
}

static int expect_address(SSL *ssl, const tc__address_t *address) {
    size_t size = address->family == AF_INET ? 4 : 16;
    return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), address->bytes, size) == 1 ? 0 : out_of_memory();
}

/* The certificate must name the host in its list of names: its subject is no longer looked at, and "*" stands for a
 * whole label (RFC 9525 sections 2 and 6.3). */
static int expect_host(SSL *ssl, const char *hostname) {
    char name[256];
    size_t len = strlen(hostname);
    tc__address_t address;
    if (tc__address_parse_with_zone(tc_str(hostname), &address) == 0)
        return expect_address(ssl, &address);
    if (len > 1 && hostname[len - 1] == '.')
        len--;
    if (len == 0 || len >= sizeof name)
        return tc__fail(TC_EINVAL, "\"%.64s\" is no host name", hostname);
    memcpy(name, hostname, len);
    name[len] = '\0';
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, name) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1)
        return out_of_memory();
    return 0;
}

static int set_up(SSL *ssl, tc_tls_context_t *tls, bool server, const char *hostname) {
    TC_TRY(attach(ssl, tls));
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (server) {
        SSL_set_accept_state(ssl);
        return 0;
    }
    SSL_set_connect_state(ssl);
    if (hostname)
        return expect_host(ssl, hostname);
    if (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
        return tc__misuse(TC_EINVAL, "a TLS client verifies whom it meets, and needs a host name for that");
    return 0;
}

int tc__tls_check_role(const tc_tls_context_t *tls, bool server) {
    if (tls->role == (server ? TC__TLS_CLIENT : TC__TLS_SERVER))
        return tc__misuse(TC_EINVAL, "a TLS context made for %s",
                          server ? "clients serves none" : "a server is no client's");
    return 0;
}

int tc__tls_ssl_new(SSL **out, tc_tls_context_t *tls, bool server, const char *hostname) {
    ERR_clear_error();
    TC_TRY(tc__tls_check_role(tls, server));
    tc__tls_sites_t *sites = tc__tls_sites_now(tls);
    SSL *ssl = SSL_new(sites->sites[0]->ctx);
    tc__tls_sites_unref(sites);
    int err = ssl ? set_up(ssl, tls, server, hostname) : tc__tls_take_error("TLS");
    if (err == 0)
        *out = ssl;
    else
        SSL_free(ssl);
    return err;
}
