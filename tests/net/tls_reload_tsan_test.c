/*
 * tls_reload_tsan_test.c - certificates that are renewed while clients connect on other threads.
 */
#include "net/tls_test.h"

#include <stdatomic.h>

#include <uv.h>

static certificate_t certificates[2], named;
static const char *cert_file, *key_file;
static tc_tls_context_t *server, *client;

static int make_certificates(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++)
        certificate_make(&certificates[i], NULL, &(certificate_spec_t){ .names = "example.com" });
    certificate_make(&named, NULL, &(certificate_spec_t){ .names = "named.org" });
    cert_file = certificates_file("server.pem", certificates[0].cert_pem, NULL);
    key_file = certificates_file("server.key", certificates[0].key_pem, NULL);
    return tc_tls_context_new_client(&client, &(tc_tls_options_t){ .insecure_skip_verify = true });
}

static int free_certificates(void **state) {
    (void)state;
    certificate_free(&certificates[0]);
    certificate_free(&certificates[1]);
    certificate_free(&named);
    tc_tls_context_unref(client);
    certificates_remove_folder();
    return 0;
}

/* The number of the certificate; 2: the named one; -1: none of them. */
static int number_of(SSL *ssl) {
    X509 *all[] = { certificates[0].x509, certificates[1].x509, named.x509 }, *met = SSL_get1_peer_certificate(ssl);
    int number = -1;
    for (int i = 0; i < 3; i++) {
        if (met && X509_cmp(met, all[i]) == 0)
            number = i;
    }
    X509_free(met);
    return number;
}

static int meet(const char *name) {
    tls_pair_t pair = tls_pair_new(server, client, name);
    int number = tls_shake_hands(&pair) ? number_of(pair.client) : -1;
    tls_pair_free(&pair);
    return number;
}

/* ---- Alone ---- */

static void a_reload_brings_new_certificates_to_new_connections(void **state) {
    (void)state;
    assert_int_equal(tc_tls_context_new(&server, cert_file, key_file), 0);
    tls_pair_t begun = tls_pair_new(server, client, "example.com"),
               greeted = tls_pair_new(server, client, "example.com");
    tls_step(greeted.client, &greeted.client_result, greeted.client_reason);
    tls_step(greeted.server, &greeted.server_result, greeted.server_reason);
    certificates_file("server.pem", certificates[1].cert_pem, NULL);
    certificates_file("server.key", certificates[1].key_pem, NULL);
    assert_int_equal(meet("example.com"), 0);
    assert_int_equal(tc_tls_context_reload(server), 0);
    assert_int_equal(meet("example.com"), 1);
    assert_true(tls_shake_hands(&greeted));
    assert_int_equal(number_of(greeted.client), 0); /* the handshake was under way */
    assert_true(tls_shake_hands(&begun));
    assert_int_equal(number_of(begun.client), 1);
    tls_pair_free(&begun);
    tls_pair_free(&greeted);
    tc_tls_context_unref(server);
}

static void a_reload_of_a_bad_file_changes_nothing(void **state) {
    (void)state;
    char detail[256];
    cert_file = certificates_file("server.pem", certificates[1].cert_pem, NULL);
    key_file = certificates_file("server.key", certificates[1].key_pem, NULL);
    const char *other_file = certificates_file("named.pem", named.cert_pem, named.key_pem, NULL);
    assert_int_equal(tc_tls_context_new(&server, cert_file, key_file), 0);
    assert_int_equal(tc_tls_context_add(server, NULL, &(tc_tls_certificate_t){ .cert_file = other_file }), 0);
    certificates_file("server.pem", certificates[0].cert_pem, NULL); /* and the key is the old one's */
    snprintf(detail, sizeof detail, "%s: not the key of %s", key_file, cert_file);
    assert_int_equal(tc_tls_context_reload(server), TC_ETLS);
    assert_string_equal(tc_error_detail(), detail);
    assert_int_equal(meet("example.com"), 1);

    certificates_file("server.key", certificates[0].key_pem, NULL);
    certificates_file("named.pem", "nothing", NULL); /* the last of all files */
    assert_int_equal(tc_tls_context_reload(server), TC_ETLS);
    assert_int_equal(meet("example.com"), 1);
    assert_int_equal(meet("named.org"), 2);
    tc_tls_context_unref(server);
}

/* ---- While clients connect ---- */

enum { CLIENTS = 3, HANDSHAKES = 30 };
static atomic_int at_work, lost;

static void connect_often(void *arg) {
    (void)arg;
    for (int i = 0; i < HANDSHAKES; i++) {
        tc_tls_context_t *held = tc_tls_context_ref(server);
        int number = meet(i % 3 ? "example.com" : "named.org");
        if (number < 0 || (number == 2) != (i % 3 == 0))
            atomic_fetch_add(&lost, 1);
        tc_tls_context_unref(held);
    }
    atomic_fetch_sub(&at_work, 1);
}

static int chosen(tc_tls_context_t *tls, const char *host, tc_tls_context_t **out, void *user_data) {
    (void)host, (void)user_data;
    *out = tc_tls_context_ref(tls);
    return 0;
}

static void change_once(int round) {
    const certificate_t *next = &certificates[round % 2];
    char host[32], keys[TC_TLS_TICKET_KEY_SIZE] = { (char)round };
    cert_file = certificates_file("server.pem", next->cert_pem, next->key_pem, NULL);
    assert_int_equal(tc_tls_context_reload(server), 0);
    assert_int_equal(tc_tls_context_set_ticket_keys(server, tc_bytes(keys, sizeof keys)), 0);
    snprintf(host, sizeof host, "host%d.org", round);
    if (round < 5)
        assert_int_equal(tc_tls_context_add(server, host, &(tc_tls_certificate_t){ .cert_file = cert_file }), 0);
    certificates_file("server.pem", "broken", NULL);
    assert_int_equal(tc_tls_context_reload(server), TC_ETLS);
}

static void no_handshake_is_lost_to_reloads(void **state) {
    (void)state;
    const char *both = certificates_file("server.pem", certificates[0].cert_pem, certificates[0].key_pem, NULL);
    const char *other_file = certificates_file("named.pem", named.cert_pem, named.key_pem, NULL);
    tc_tls_options_t options = { .certificate = { .cert_file = both }, .choose_cb = chosen };
    assert_int_equal(tc_tls_context_new_server(&server, &options), 0);
    assert_int_equal(tc_tls_context_add(server, NULL, &(tc_tls_certificate_t){ .cert_file = other_file }), 0);
    uv_thread_t threads[CLIENTS];
    atomic_store(&at_work, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(uv_thread_create(&threads[i], connect_often, NULL), 0);
    for (int round = 0; round == 0 || atomic_load(&at_work) > 0; round++)
        change_once(round);
    for (int i = 0; i < CLIENTS; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(atomic_load(&lost), 0);
    tc_tls_context_unref(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_brings_new_certificates_to_new_connections),
        cmocka_unit_test(a_reload_of_a_bad_file_changes_nothing),
        cmocka_unit_test(no_handshake_is_lost_to_reloads),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
