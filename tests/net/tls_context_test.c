/*
 * tls_context_test.c - what contexts are made from, and what they ask of the other side.
 */
#include "net/tls_test.h"

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
    tls_pair_t pair = shake(new_server(NULL),
                            new_client(&(tc_tls_options_t){ .ca = { other_ca.cert_pem, strlen(other_ca.cert_pem) } }),
                            "example.com");
    assert_string_equal(pair.client_reason, "certificate verify failed (unable to get local issuer certificate)");
    assert_string_equal(pair.server_reason, "tlsv1 alert unknown ca");
    tls_pair_free(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_checks_the_host_name),
        cmocka_unit_test(a_client_that_skips_verification_needs_no_host_name),
        cmocka_unit_test(a_client_trusts_only_whom_it_was_told_to),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
