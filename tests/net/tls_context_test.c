/*
 * tls_context_test.c - what contexts are made from, and what they ask of the other side.
 */
#include "net/tls_test.h"

#include <sys/stat.h>

#include <tornadoc/interop.h>

#define BYTES(text) \
    { text, strlen(text) }

static certificate_t ca, other_ca, server_cert, client_cert;
static const char *ca_file, *cert_file, *key_file;

static int make_certificates(void **state) {
    (void)state;
    certificate_make(&ca, NULL, &(certificate_spec_t){ .names = "Test CA", .ca = true });
    certificate_make(&other_ca, NULL, &(certificate_spec_t){ .names = "Other CA", .ca = true });
    certificate_make(&server_cert, &ca, &(certificate_spec_t){ .names = "example.com *.example.com 127.0.0.1 ::1" });
    certificate_make(&client_cert, &ca, &(certificate_spec_t){ .names = "client", .client = true });
    ca_file = certificates_file("ca.pem", ca.cert_pem, NULL);
    cert_file = certificates_file("server.pem", server_cert.cert_pem, NULL);
    key_file = certificates_file("server.key", server_cert.key_pem, NULL);
    return 0;
}

static int free_certificates(void **state) {
    (void)state;
    certificate_free(&ca);
    certificate_free(&other_ca);
    certificate_free(&server_cert);
    certificate_free(&client_cert);
    certificates_remove_folder();
    return 0;
}

static tc_tls_context_t *new_server(const tc_tls_options_t *options) {
    tc_tls_options_t all = options ? *options : (tc_tls_options_t){ 0 };
    all.certificate.cert_file = cert_file;
    all.certificate.key_file = key_file;
    tc_tls_context_t *tls = NULL;
    assert_int_equal(tc_tls_context_new_server(&tls, &all), 0);
    return tls;
}

static tc_tls_context_t *new_client(const tc_tls_options_t *options) {
    tc_tls_options_t all = options ? *options : (tc_tls_options_t){ .ca_file = ca_file };
    tc_tls_context_t *tls = NULL;
    assert_int_equal(tc_tls_context_new_client(&tls, &all), 0);
    return tls;
}

/* A handshake of two contexts, which go with it. */
static tls_pair_t shake(tc_tls_context_t *server, tc_tls_context_t *client, const char *hostname) {
    tls_pair_t pair = tls_pair_new(server, client, hostname);
    tls_shake_hands(&pair);
    tc_tls_context_unref(server);
    tc_tls_context_unref(client);
    return pair;
}

/* ---- Host names ---- */

static const struct {
    const char *why, *host, *reason;
} hosts[] = {
    { "a name of the certificate", "example.com", "" },
    { "in any case of letters", "EXAMPLE.com", "" },
    { "a dot at the end is no part of it", "example.com.", "" },
    { "a label for the star", "www.example.com", "" },
    { "one label, not two", "a.b.example.com", "certificate verify failed (hostname mismatch)" },
    { "another name", "example.org", "certificate verify failed (hostname mismatch)" },
    { "an address of the certificate", "127.0.0.1", "" },
    { "of IPv6", "::1", "" },
    { "another address", "127.0.0.2", "certificate verify failed (IP address mismatch)" },
};

static void a_client_checks_the_host_name(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(hosts); i++) {
        tls_pair_t pair = shake(new_server(NULL), new_client(NULL), hosts[i].host);
        if (strcmp(pair.client_reason, hosts[i].reason) != 0)
            fail_msg("%s (%s): %s", hosts[i].why, hosts[i].host, pair.client_reason);
        tls_pair_free(&pair);
    }
}

static void a_client_that_skips_verification_needs_no_host_name(void **state) {
    (void)state;
    tls_pair_t pair = shake(new_server(NULL), new_client(&(tc_tls_options_t){ .insecure_skip_verify = true }), NULL);
    assert_int_equal(pair.client_result, 1);
    tls_pair_free(&pair);
}

static void a_client_trusts_only_whom_it_was_told_to(void **state) {
    (void)state;
    tls_pair_t pair = shake(new_server(NULL), new_client(&(tc_tls_options_t){ .ca = BYTES(other_ca.cert_pem) }),
                            "example.com");
    assert_string_equal(pair.client_reason, "certificate verify failed (unable to get local issuer certificate)");
    assert_string_equal(pair.server_reason, "tlsv1 alert unknown ca");
    tls_pair_free(&pair);
}

/* ---- Whom to trust ---- */

static void a_server_asks_for_a_certificate_if_it_is_told_to(void **state) {
    (void)state;
    tc_tls_certificate_t certificate = { .cert = BYTES(client_cert.cert_pem), .key = BYTES(client_cert.key_pem) };
    static const struct {
        tc_tls_client_cert_t asked;
        bool has_one;
        const char *server_reason;
    } cases[] = {
        { TC_TLS_CLIENT_CERT_NONE, true, "" },
        { TC_TLS_CLIENT_CERT_OPTIONAL, false, "" },
        { TC_TLS_CLIENT_CERT_OPTIONAL, true, "" },
        { TC_TLS_CLIENT_CERT_REQUIRED, true, "" },
        { TC_TLS_CLIENT_CERT_REQUIRED, false, "peer did not return a certificate" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_tls_options_t client = { .ca_file = ca_file };
        if (cases[i].has_one)
            client.certificate = certificate;
        tls_pair_t pair = shake(new_server(&(tc_tls_options_t){ .client_cert = cases[i].asked, .ca_file = ca_file }),
                                new_client(&client), "example.com");
        assert_string_equal(pair.server_reason, cases[i].server_reason);
        X509 *seen = SSL_get1_peer_certificate(pair.server);
        assert_int_equal(seen != NULL, cases[i].has_one && cases[i].asked != TC_TLS_CLIENT_CERT_NONE);
        X509_free(seen);
        tls_pair_free(&pair);
    }
}

static void a_client_certificate_must_come_from_an_authority_of_the_server(void **state) {
    (void)state;
    certificate_t foreign;
    certificate_make(&foreign, &other_ca, &(certificate_spec_t){ .names = "client", .client = true });
    tc_tls_certificate_t certificate = { .cert = BYTES(foreign.cert_pem), .key = BYTES(foreign.key_pem) };
    tc_tls_options_t server = { .client_cert = TC_TLS_CLIENT_CERT_OPTIONAL, .ca = BYTES(ca.cert_pem) };
    tls_pair_t pair = shake(new_server(&server),
                            new_client(&(tc_tls_options_t){ .ca_file = ca_file, .certificate = certificate }),
                            "example.com");
    assert_string_equal(pair.server_reason, "certificate verify failed (unable to get local issuer certificate)");
    assert_string_equal(pair.client_reason, "tlsv1 alert unknown ca");
    tls_pair_free(&pair);
    certificate_free(&foreign);
}

static void a_clients_certificate_is_no_servers(void **state) {
    (void)state;
    tc_tls_context_t *server = NULL;
    tc_tls_options_t options = { .certificate = { .cert = BYTES(client_cert.cert_pem),
                                                  .key = BYTES(client_cert.key_pem) } };
    assert_int_equal(tc_tls_context_new_server(&server, &options), 0);
    tls_pair_t pair = shake(server, new_client(NULL), "example.com");
    assert_int_equal(SSL_get_verify_result(pair.client), X509_V_ERR_INVALID_PURPOSE);
    tls_pair_free(&pair);
}

static void an_authority_in_the_middle_can_be_trusted_alone(void **state) {
    (void)state;
    certificate_t middle, leaf;
    certificate_make(&middle, &ca, &(certificate_spec_t){ .names = "Middle CA", .ca = true });
    certificate_make(&leaf, &middle, &(certificate_spec_t){ .names = "example.com" });
    const char *chain = certificates_file("chain.pem", leaf.key_pem, leaf.cert_pem, middle.cert_pem, NULL);
    const char *trusted[] = { ca.cert_pem, middle.cert_pem };
    for (size_t i = 0; i < COUNT(trusted); i++) {
        tc_tls_context_t *server = NULL;
        assert_int_equal(tc_tls_context_new(&server, chain, NULL), 0);
        tls_pair_t pair = shake(server, new_client(&(tc_tls_options_t){ .ca = BYTES(trusted[i]) }), "example.com");
        assert_string_equal(pair.client_reason, "");
        assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(pair.client)), 2);
        tls_pair_free(&pair);
    }
    certificate_free(&middle);
    certificate_free(&leaf);
}

static void authorities_in_a_folder_are_found_by_their_hash(void **state) {
    (void)state;
    char name[32];
    snprintf(name, sizeof name, "%08lx.0", X509_subject_name_hash(ca.x509));
    certificates_file(name, ca.cert_pem, NULL);
    tls_pair_t pair = shake(new_server(NULL), new_client(&(tc_tls_options_t){ .ca_dir = certificates_folder() }),
                            "example.com");
    assert_string_equal(pair.client_reason, "");
    tls_pair_free(&pair);
}

static void a_role_is_kept(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server(NULL), *client = new_client(NULL);
    SSL *ssl = NULL;
    assert_int_equal(tc__tls_ssl_new(&ssl, server, false, "example.com"), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "a TLS context made for a server is no client's");
    assert_int_equal(tc__tls_ssl_new(&ssl, client, true, NULL), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "a TLS context made for clients serves none");
    assert_int_equal(tc__tls_ssl_new(&ssl, client, false, NULL), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "a TLS client verifies whom it meets, and needs a host name for that");
    assert_int_equal(tc__tls_ssl_new(&ssl, client, false, ""), TC_EINVAL);
    assert_null(ssl);
    tc_tls_context_unref(server);
    tc_tls_context_unref(client);
}

/* ---- Versions, ciphers, protocols ---- */

static void versions_are_1_2_and_1_3(void **state) {
    (void)state;
    static const struct {
        tc_tls_version_t min, max;
        int wanted;
    } cases[] = {
        { 0, 0, TLS1_3_VERSION },
        { 0, TC_TLS_1_2, TLS1_2_VERSION },
        { TC_TLS_1_3, 0, TLS1_3_VERSION },
        { TC_TLS_1_2, TC_TLS_1_2, TLS1_2_VERSION },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tls_pair_t pair = shake(
            new_server(&(tc_tls_options_t){ .min_version = cases[i].min, .max_version = cases[i].max }),
            new_client(NULL), "example.com");
        assert_int_equal(pair.server_result, 1);
        assert_int_equal(SSL_version(pair.client), cases[i].wanted);
        tls_pair_free(&pair);
    }
}

static void an_older_version_is_refused(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server(NULL), *client = new_client(NULL);
    tls_pair_t pair = tls_pair_new(server, client, "example.com");
    SSL_set_security_level(pair.client, 0);
    SSL_set_min_proto_version(pair.client, TLS1_VERSION);
    SSL_set_max_proto_version(pair.client, TLS1_1_VERSION);
    assert_false(tls_shake_hands(&pair));
    assert_string_equal(pair.server_reason, "unsupported protocol");
    assert_string_equal(pair.client_reason, "tlsv1 alert protocol version");
    tls_pair_free(&pair);
    tc_tls_context_unref(server);
    tc_tls_context_unref(client);
}

static void ciphers_and_groups_can_be_chosen(void **state) {
    (void)state;
    tls_pair_t pair = shake(new_server(&(tc_tls_options_t){ .max_version = TC_TLS_1_2,
                                                            .ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305",
                                                            .groups = "P-384" }),
                            new_client(NULL), "example.com");
    assert_string_equal(SSL_get_cipher_name(pair.client), "ECDHE-ECDSA-CHACHA20-POLY1305");
    tls_pair_free(&pair);
    pair = shake(new_server(&(tc_tls_options_t){ .ciphersuites = "TLS_AES_128_GCM_SHA256", .groups = "P-384" }),
                 new_client(NULL), "example.com");
    assert_string_equal(SSL_get_cipher_name(pair.client), "TLS_AES_128_GCM_SHA256");
    assert_int_equal(SSL_get_negotiated_group(pair.client), NID_secp384r1);
    tls_pair_free(&pair);
}

static void a_server_does_not_encrypt_without_authenticating(void **state) {
    (void)state;
    tls_pair_t pair = shake(new_server(NULL),
                            new_client(&(tc_tls_options_t){ .ca_file = ca_file,
                                                            .max_version = TC_TLS_1_2,
                                                            .ciphers = "ECDHE-ECDSA-AES128-SHA256:AES128-SHA" }),
                            "example.com");
    assert_string_equal(pair.server_reason, "no shared cipher");
    tls_pair_free(&pair);
}

static void finite_fields_are_no_groups_of_a_server(void **state) {
    (void)state;
    tls_pair_t pair = shake(new_server(NULL),
                            new_client(&(tc_tls_options_t){ .ca_file = ca_file, .groups = "ffdhe8192:ffdhe2048" }),
                            "example.com");
    assert_string_equal(pair.server_reason, "no suitable key share");
    tls_pair_free(&pair);
}

static void nobody_renegotiates(void **state) {
    (void)state;
    tls_pair_t pair = shake(new_server(&(tc_tls_options_t){ .max_version = TC_TLS_1_2 }), new_client(NULL),
                            "example.com");
    assert_int_equal(SSL_renegotiate(pair.server), 0);
    SSL_clear_options(pair.client, SSL_OP_NO_RENEGOTIATION);
    assert_int_equal(SSL_renegotiate(pair.client), 1);
    char byte;
    for (int i = 0; i < 5; i++) {
        SSL_do_handshake(pair.client);
        assert_true(SSL_read(pair.server, &byte, 1) <= 0);
    }
    assert_int_equal(SSL_num_renegotiations(pair.server), 0);
    ERR_clear_error();
    tls_pair_free(&pair);
}

static const struct {
    const char *why, *server, *server_default, *client, *chosen, *server_reason;
} alpns[] = {
    { "the server's preference counts", "h2, http/1.1", NULL, "http/1.1 h2", "h2", "" },
    { "of what both speak", "h2 http/1.1", NULL, "spdy/3 http/1.1", "http/1.1", "" },
    { "a client that offers nothing is fine", "h2", NULL, NULL, "", "" },
    { "one that offers something else is not", "h2", NULL, "http/1.1", "", "no application protocol" },
    { "the layer above has a default", NULL, "\x08http/1.1", "h2 http/1.1", "http/1.1", "" },
    { "which options replace", "h2", "\x08http/1.1", "h2 http/1.1", "h2", "" },
    { "without either nothing is chosen", NULL, NULL, "h2", "", "" },
};

static void protocols_are_negotiated(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(alpns); i++) {
        tc_tls_context_t *server = new_server(&(tc_tls_options_t){ .alpn = alpns[i].server });
        tc_tls_context_t *client = new_client(&(tc_tls_options_t){ .ca_file = ca_file, .alpn = alpns[i].client });
        tls_pair_t pair = tls_pair_new(server, client, "example.com");
        if (alpns[i].server_default)
            assert_int_equal(tc__tls_set_default_alpn(pair.server, tc_str(alpns[i].server_default)), 0);
        tls_shake_hands(&pair);
        const unsigned char *chosen;
        unsigned len;
        SSL_get0_alpn_selected(pair.server, &chosen, &len);
        if (strcmp(pair.server_reason, alpns[i].server_reason) != 0 || len != strlen(alpns[i].chosen) ||
            (len > 0 && memcmp(chosen, alpns[i].chosen, len) != 0))
            fail_msg("%s: %.*s, %s", alpns[i].why, (int)len, (const char *)chosen, pair.server_reason);
        tls_pair_free(&pair);
        tc_tls_context_unref(server);
        tc_tls_context_unref(client);
    }
}

static void a_client_offers_what_the_layer_above_speaks(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server(&(tc_tls_options_t){ .alpn = "h2 http/1.1" }), *client = new_client(NULL);
    tls_pair_t pair = tls_pair_new(server, client, "example.com");
    assert_int_equal(tc__tls_set_default_alpn(pair.client, tc_str("\x08http/1.1")), 0);
    assert_true(tls_shake_hands(&pair));
    const unsigned char *chosen;
    unsigned len;
    SSL_get0_alpn_selected(pair.client, &chosen, &len);
    assert_int_equal(len, 8);
    tls_pair_free(&pair);
    tc_tls_context_unref(server);
    tc_tls_context_unref(client);
}

/* ---- Adopted ---- */

static void an_adopted_context_is_used_as_it_is(void **state) {
    (void)state;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(ctx, server_cert.x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, server_cert.key), 1);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    tc_tls_context_t *tls = NULL;
    assert_int_equal(tc_tls_context_adopt(&tls, ctx), 0);
    SSL_CTX_free(ctx);
    assert_int_equal(tc_tls_context_reload(tls), TC_EINVAL);
    tls_pair_t pair = shake(tls, new_client(NULL), "example.com");
    assert_string_equal(pair.client_reason, "");
    assert_int_equal(SSL_version(pair.client), TLS1_2_VERSION);
    tls_pair_free(&pair);
    assert_int_equal(tc_tls_context_adopt(&tls, NULL), TC_EINVAL);
}

/* ---- Keys of connections ---- */

static void keys_are_logged_for_debugging(void **state) {
    (void)state;
    char path[160], text[4096] = "";
    snprintf(path, sizeof path, "%s/keys", certificates_folder());
    tls_pair_t pair = shake(new_server(&(tc_tls_options_t){ .insecure_key_log_file = path }), new_client(NULL),
                            "example.com");
    tls_pair_free(&pair);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    FILE *file = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(text, "CLIENT_HANDSHAKE_TRAFFIC_SECRET "));
    assert_int_equal(text[strlen(text) - 1], '\n');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_checks_the_host_name),
        cmocka_unit_test(a_client_that_skips_verification_needs_no_host_name),
        cmocka_unit_test(a_client_trusts_only_whom_it_was_told_to),
        cmocka_unit_test(a_server_asks_for_a_certificate_if_it_is_told_to),
        cmocka_unit_test(a_client_certificate_must_come_from_an_authority_of_the_server),
        cmocka_unit_test(a_clients_certificate_is_no_servers),
        cmocka_unit_test(an_authority_in_the_middle_can_be_trusted_alone),
        cmocka_unit_test(authorities_in_a_folder_are_found_by_their_hash),
        cmocka_unit_test(a_role_is_kept),
        cmocka_unit_test(versions_are_1_2_and_1_3),
        cmocka_unit_test(an_older_version_is_refused),
        cmocka_unit_test(ciphers_and_groups_can_be_chosen),
        cmocka_unit_test(a_server_does_not_encrypt_without_authenticating),
        cmocka_unit_test(finite_fields_are_no_groups_of_a_server),
        cmocka_unit_test(nobody_renegotiates),
        cmocka_unit_test(protocols_are_negotiated),
        cmocka_unit_test(a_client_offers_what_the_layer_above_speaks),
        cmocka_unit_test(an_adopted_context_is_used_as_it_is),
        cmocka_unit_test(keys_are_logged_for_debugging),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
