/*
 * tls_context_failing_test.c - each allocation, of ours and of OpenSSL, fails in turn, once or from then on, while
 * contexts are made, added to, reloaded, and chosen by name. What then fails says so and changes nothing; what then
 * works is complete; the thread's queue of OpenSSL's errors is left empty. That nothing leaks is told by the sanitizer.
 */
#include "net/tls_test.h"

#include <openssl/x509v3.h>
#include <tornadoc/interop.h>

#include "net/failing.h"

static certificate_t ca, middle, first, named, added;
static const char *chain_file, *key_file, *ca_file, *named_file, *added_file;
static tc_tls_context_t *server, *client;
static SSL_CTX *adopted;
static char large_key[64 * 1024]; /* an allocation of its own */

/* ---- With memory again: is all there? ---- */

static bool misses_what_openssl_left_out(const tls_pair_t *pair) {
    static const char *const reasons[] = { "no suitable signature algorithm", "no shared cipher",
                                           "no suitable key share", "no ciphers available", "decode error" };
    for (size_t i = 0; i < COUNT(reasons); i++) {
        if (strcmp(pair->server_reason, reasons[i]) == 0 || strcmp(pair->client_reason, reasons[i]) == 0)
            return true;
    }
    return false;
}

/* Does a client meet that certificate, with its chain? NULL: whatever it is, if it names `name`. */
static bool meets_by(tc_tls_context_t *tls, tc_tls_context_t *by, const char *name, const certificate_t *wanted) {
    tls_pair_t pair = tls_pair_new(tls, by, name);
    X509 *met = tls_shake_hands(&pair) ? SSL_get1_peer_certificate(pair.client) : NULL;
    bool same = met && (wanted ? X509_cmp(met, wanted->x509) == 0 : X509_check_host(met, name, 0, 0, NULL) == 1);
    same = same && sk_X509_num(SSL_get_peer_cert_chain(pair.client)) == (wanted == &first ? 2 : 1);
    same = same || misses_what_openssl_left_out(&pair);
    X509_free(met);
    tls_pair_free(&pair);
    return same;
}

static bool meets(tc_tls_context_t *tls, const char *name, const certificate_t *wanted) {
    return meets_by(tls, client, name, wanted);
}

static long allocations;

static void calm(void) {
    allocations = memory.calls;
    allow_allocations();
}

/* ---- Scenarios: each gives back what came of the attempt ---- */

static int choose_none(tc_tls_context_t *tls, const char *host, tc_tls_context_t **chosen, void *user_data) {
    (void)tls, (void)host, (void)chosen, (void)user_data;
    return 0;
}

static int make_server(void) {
    tc_tls_context_t *tls = NULL;
    tc_tls_options_t options = { .certificate = { .cert_file = chain_file, .key = tc_str(large_key) },
                                 .client_cert = TC_TLS_CLIENT_CERT_OPTIONAL,
                                 .ca_file = ca_file,
                                 .ca = tc_str(middle.cert_pem),
                                 .ca_dir = "/",
                                 .ciphersuites = "TLS_AES_128_GCM_SHA256",
                                 .groups = "P-256",
                                 .alpn = "h2, http/1.1" };
    int err = tc_tls_context_new_server(&tls, &options);
    calm();
    expect((err == 0) == (tls != NULL));
    expect(!tls || meets(tls, "first.org", &first));
    tc_tls_context_unref(tls);
    return err;
}

static int make_client(void) {
    tc_tls_context_t *tls = NULL;
    tc_tls_options_t options = { .ca_file = ca_file, .alpn = "http/1.1" };
    int err = tc_tls_context_new_client(&tls, &options);
    calm();
    expect((err == 0) == (tls != NULL));
    expect(!tls || meets_by(server, tls, "first.org", &first));
    tc_tls_context_unref(tls);
    return err;
}

static int make_self_signed(void) {
    tc_tls_context_t *tls = NULL;
    int err = tc_tls_context_self_signed(&tls, "dev.example.com 192.0.2.1");
    calm();
    expect((err == 0) == (tls != NULL));
    expect(!tls || (meets(tls, "dev.example.com", NULL) && meets(tls, "localhost", NULL)));
    tc_tls_context_unref(tls);
    return err;
}

static int adopt(void) {
    tc_tls_context_t *tls = NULL;
    int err = tc_tls_context_adopt(&tls, adopted);
    calm();
    expect((err == 0) == (tls != NULL));
    tc_tls_context_unref(tls);
    return err;
}

static int reload(void) {
    int err = tc_tls_context_reload(server);
    calm();
    expect(meets(server, "first.org", &first) && meets(server, "x.named.org", &named));
    return err;
}

static int add(void) {
    tc_tls_context_t *tls = NULL;
    long nth = memory.fail_from, until = memory.fail_until;
    allow_allocations();
    expect(tc_tls_context_new(&tls, chain_file, key_file) == 0);
    tc_tls_certificate_t certificate = { .cert_file = added_file, .key = tc_str(added.key_pem) };
    fail_allocation(nth, until > nth + 1);
    int err = tc_tls_context_add(tls, NULL, &certificate);
    calm();
    expect(meets(tls, "added.org", err == 0 ? &added : &first));
    if (err < 0)
        expect(tc_tls_context_add(tls, NULL, &certificate) == 0 && meets(tls, "added.org", &added));
    tc_tls_context_unref(tls);
    return err;
}

/* Two SSLs and their handshake, with a name and a protocol. */
static int shake_hands(void) {
    tls_pair_t pair = { 0 };
    int err = tc__tls_ssl_new(&pair.server, server, true, NULL);
    err = err < 0 ? err : tc__tls_ssl_new(&pair.client, client, false, "x.named.org");
    expect(err == 0 || err == TC_ENOMEM);
    BIO *server_side = NULL, *client_side = NULL;
    bool done = false;
    if (err == 0 && tc__tls_set_default_alpn(pair.server, tc_str("\x08http/1.1")) == 0 &&
        tc__tls_set_default_alpn(pair.client, tc_str("\x08http/1.1")) == 0 &&
        BIO_new_bio_pair(&server_side, 0, &client_side, 0) == 1) {
        SSL_set_bio(pair.server, server_side, server_side);
        SSL_set_bio(pair.client, client_side, client_side);
        done = tls_shake_hands(&pair);
    }
    ERR_clear_error(); /* BIO_new_bio_pair is not ours */
    calm();
    if (done)
        expect(strcmp(SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name), "x.named.org") == 0);
    tls_pair_free(&pair);
    return done ? 0 : TC_ENOMEM;
}

static const struct {
    const char *name;
    int (*attempt)(void);
    long at_least; /* allocations, so that the test is known to do something */
} scenarios[] = {
    { "make a server's context", make_server, 500 },
    { "make a client's", make_client, 100 },
    { "make one for development", make_self_signed, 300 },
    { "adopt one", adopt, 3 },
    { "reload", reload, 500 },
    { "add", add, 100 },
    { "shake hands", shake_hands, 300 },
};

static void run(size_t i, bool for_good) {
    long nth = 0;
    int err;
    do {
        nth += 1 + nth / 25;
        fail_allocation(nth, for_good);
        err = scenarios[i].attempt();
        bool told = err == 0 || (err < 0 && tc_error_detail()[0]);
        if (wrong || !told || ERR_peek_error())
            fail_msg("%s, allocation %ld%s: %d, %d wrong, queue %lx, %s", scenarios[i].name, nth,
                     for_good ? " and all after it" : "", err, wrong, ERR_peek_error(), tc_error_detail());
    } while (allocations >= nth);
    assert_int_equal(err, 0); /* what was given is as it was */
    assert_true(nth > scenarios[i].at_least);
}

static void a_context_is_whole_or_not_at_all(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(scenarios); i++) {
        run(i, false);
        run(i, true);
    }
}

/* ---- Around it ---- */

static int prepare(void **state) {
    (void)state;
    certificate_make(&ca, NULL, &(certificate_spec_t){ .names = "Test CA", .ca = true });
    certificate_make(&middle, &ca, &(certificate_spec_t){ .names = "Middle CA", .ca = true });
    certificate_make(&first, &middle, &(certificate_spec_t){ .names = "first.org" });
    certificate_make(&named, &ca, &(certificate_spec_t){ .names = "named.org *.named.org" });
    certificate_make(&added, &ca, &(certificate_spec_t){ .names = "added.org" });
    chain_file = certificates_file("first.pem", first.cert_pem, middle.cert_pem, NULL);
    key_file = certificates_file("first.key", first.key_pem, NULL);
    ca_file = certificates_file("ca.pem", ca.cert_pem, NULL);
    named_file = certificates_file("named.pem", named.cert_pem, named.key_pem, NULL);
    added_file = certificates_file("added.pem", added.cert_pem, NULL);
    tc_tls_options_t options = { .certificate = { .cert_file = chain_file, .key_file = key_file },
                                 .choose_cb = choose_none };
    assert_int_equal(tc_tls_context_new_server(&server, &options), 0);
    assert_int_equal(tc_tls_context_add(server, NULL, &(tc_tls_certificate_t){ .cert_file = named_file }), 0);
    assert_int_equal(tc_tls_context_new_client(&client, &(tc_tls_options_t){ .insecure_skip_verify = true }), 0);
    memset(large_key, '\n', sizeof large_key);
    strcpy(large_key + sizeof large_key - strlen(first.key_pem) - 1, first.key_pem);
    adopted = SSL_CTX_new(TLS_method());
    for (size_t i = 0; i < COUNT(scenarios); i++) /* what OpenSSL makes once and keeps is made */
        assert_int_equal(scenarios[i].attempt(), 0);
    return 0;
}

static int clean_up(void **state) {
    (void)state;
    certificate_t *all[] = { &ca, &middle, &first, &named, &added };
    for (size_t i = 0; i < COUNT(all); i++)
        certificate_free(all[i]);
    tc_tls_context_unref(server);
    tc_tls_context_unref(client);
    SSL_CTX_free(adopted);
    certificates_remove_folder();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_context_is_whole_or_not_at_all) };
    if (!use_failing_memory_with_openssl())
        return 1;
    return cmocka_run_group_tests_name("tls context, failing", tests, prepare, clean_up);
}
