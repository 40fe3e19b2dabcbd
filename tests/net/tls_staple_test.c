/*
 * tls_staple_test.c - OCSP responses that are sent along, and certificates that are made on the spot.
 */
#include "net/tls_test.h"

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static certificate_t ca, leaf, other;

static int make_certificates(void **state) {
    (void)state;
    certificate_make(&ca, NULL, &(certificate_spec_t){ .names = "Test CA", .ca = true });
    certificate_make(&leaf, &ca, &(certificate_spec_t){ .names = "example.com" });
    certificate_make(&other, &ca, &(certificate_spec_t){ .names = "example.com", .rsa = true });
    return 0;
}

static int free_certificates(void **state) {
    (void)state;
    certificate_free(&ca);
    certificate_free(&leaf);
    certificate_free(&other);
    certificates_remove_folder();
    return 0;
}

/* ---- OCSP ---- */

static const char *write_der(const char *name, const unsigned char *der, int len) {
    const char *path = certificates_file(name, "", NULL);
    FILE *file = fopen(path, "w");
    assert_int_equal(fwrite(der, 1, (size_t)len, file), len);
    assert_int_equal(fclose(file), 0);
    return path;
}

static const char *write_response(const char *name, OCSP_RESPONSE *response) {
    unsigned char *der = NULL;
    int len = i2d_OCSP_RESPONSE(response, &der);
    assert_true(len > 0);
    const char *path = write_der(name, der, len);
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    return path;
}

/* What the authority says: from `begins` to `ends` seconds from now. */
static const char *write_status(const char *name, const certificate_t *certificate, int status, long begins,
                                long ends) {
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), certificate->x509, ca.x509);
    ASN1_TIME *from = X509_gmtime_adj(NULL, begins), *until = ends ? X509_gmtime_adj(NULL, ends) : NULL;
    ASN1_TIME *revoked = status == V_OCSP_CERTSTATUS_REVOKED ? X509_gmtime_adj(NULL, begins) : NULL;
    assert_non_null(OCSP_basic_add1_status(basic, id, status, 0, revoked, from, until));
    assert_int_equal(OCSP_basic_sign(basic, ca.x509, ca.key, EVP_sha256(), NULL, 0), 1);
    const char *path = write_response(name, OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic));
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    ASN1_TIME_free(revoked);
    return path;
}

static tc_tls_certificate_t memory(const certificate_t *certificate, const char *ocsp_file) {
    return (tc_tls_certificate_t){ .cert = tc_str(certificate->cert_pem),
                                   .key = tc_str(certificate->key_pem),
                                   .ocsp_file = ocsp_file };
}

/* The length of what a client is told; -1: nothing. */
static long stapled(tc_tls_context_t *server, bool asks, const char *signatures) {
    tc_tls_context_t *client = NULL;
    assert_int_equal(tc_tls_context_new_client(&client, &(tc_tls_options_t){ .ca = tc_str(ca.cert_pem) }), 0);
    tls_pair_t pair = tls_pair_new(server, client, "example.com");
    if (asks)
        SSL_set_tlsext_status_type(pair.client, TLSEXT_STATUSTYPE_ocsp);
    if (signatures)
        SSL_set1_sigalgs_list(pair.client, signatures);
    assert_true(tls_shake_hands(&pair));
    unsigned char *response;
    long len = SSL_get_tlsext_status_ocsp_resp(pair.client, &response);
    tls_pair_free(&pair);
    tc_tls_context_unref(client);
    return len;
}

static long size_of(const char *path) {
    FILE *file = fopen(path, "r");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fclose(file);
    return size;
}

static void a_response_is_sent_to_clients_that_ask(void **state) {
    (void)state;
    const char *path = write_status("good.ocsp", &leaf, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
    tc_tls_context_t *server = NULL;
    tc_tls_options_t options = { .certificate = memory(&leaf, path) };
    assert_int_equal(tc_tls_context_new_server(&server, &options), 0);
    assert_int_equal(stapled(server, true, NULL), size_of(path));
    assert_int_equal(stapled(server, false, NULL), -1);
    tc_tls_context_unref(server);
}

static void each_certificate_of_a_name_has_its_own(void **state) {
    (void)state;
    const char *path = write_status("rsa.ocsp", &other, V_OCSP_CERTSTATUS_GOOD, -60, 0);
    tc_tls_context_t *server = NULL;
    tc_tls_certificate_t also = memory(&other, path);
    tc_tls_options_t options = { .certificate = memory(&leaf, NULL) };
    options.certificate.also = &also;
    assert_int_equal(tc_tls_context_new_server(&server, &options), 0);
    assert_int_equal(stapled(server, true, NULL), -1);
    assert_int_equal(stapled(server, true, "RSA-PSS+SHA256"), size_of(path));
    tc_tls_context_unref(server);
}

static void a_reload_brings_the_next_response(void **state) {
    (void)state;
    const char *path = write_status("next.ocsp", &leaf, V_OCSP_CERTSTATUS_GOOD, -60, 3600);
    tc_tls_context_t *server = NULL;
    tc_tls_options_t options = { .certificate = memory(&leaf, path) };
    assert_int_equal(tc_tls_context_new_server(&server, &options), 0);
    long before = stapled(server, true, NULL);
    write_status("next.ocsp", &leaf, V_OCSP_CERTSTATUS_GOOD, -60, 0); /* shorter */
    assert_int_equal(tc_tls_context_reload(server), 0);
    assert_int_equal(stapled(server, true, NULL), size_of(path));
    assert_int_not_equal(size_of(path), before);
    write_status("next.ocsp", &leaf, V_OCSP_CERTSTATUS_REVOKED, -60, 3600);
    assert_int_equal(tc_tls_context_reload(server), TC_ETLS);
    assert_int_not_equal(stapled(server, true, NULL), -1);
    tc_tls_context_unref(server);
}

static void a_response_that_does_not_help_is_refused(void **state) {
    (void)state;
    const struct {
        const char *path, *words;
    } cases[] = {
        { write_status("revoked", &leaf, V_OCSP_CERTSTATUS_REVOKED, -60, 3600),
          "says that the certificate is revoked" },
        { write_status("unknown", &leaf, V_OCSP_CERTSTATUS_UNKNOWN, -60, 3600), "does not know the certificate" },
        { write_status("old", &leaf, V_OCSP_CERTSTATUS_GOOD, -7200, -3600), "is out of date" },
        { write_status("early", &leaf, V_OCSP_CERTSTATUS_GOOD, 3600, 7200), "is out of date" },
        { write_status("other", &other, V_OCSP_CERTSTATUS_GOOD, -60, 3600), "is about another certificate" },
        { write_response("later", OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL)), "is a refusal" },
        { certificates_file("garbage", "garbage", NULL), "cannot be read" },
        { certificates_file("empty", "", NULL), "cannot be read" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_tls_context_t *server = NULL;
        tc_tls_options_t options = { .certificate = memory(&leaf, cases[i].path) };
        char words[256];
        snprintf(words, sizeof words, "%s: the OCSP response %s", cases[i].path, cases[i].words);
        assert_int_equal(tc_tls_context_new_server(&server, &options), TC_ETLS);
        assert_string_equal(tc_error_detail(), words);
        assert_int_equal(ERR_peek_error(), 0);
    }
    tc_tls_context_t *server = NULL;
    tc_tls_options_t options = { .certificate = memory(&leaf, "none/at/all") };
    assert_int_equal(tc_tls_context_new_server(&server, &options), TC_ENOENT);
}

/* ---- Made on the spot ---- */

static X509 *met(tc_tls_context_t *server) {
    tc_tls_context_t *client = NULL;
    assert_int_equal(tc_tls_context_new_client(&client, &(tc_tls_options_t){ .insecure_skip_verify = true }), 0);
    tls_pair_t pair = tls_pair_new(server, client, "localhost");
    assert_true(tls_shake_hands(&pair));
    X509 *certificate = SSL_get1_peer_certificate(pair.client);
    tls_pair_free(&pair);
    tc_tls_context_unref(client);
    return certificate;
}

static void a_certificate_for_development_names_its_hosts_and_this_machine(void **state) {
    (void)state;
    tc_tls_context_t *server = NULL;
    assert_int_equal(tc_tls_context_self_signed(&server, "Dev.example.com, *.dev.example.com 192.0.2.1 2001:db8::1"),
                     0);
    assert_int_equal(tc_tls_context_reload(server), 0);
    X509 *certificate = met(server);
    static const char *const names[] = { "dev.example.com", "x.dev.example.com", "localhost" };
    static const char *const addresses[] = { "192.0.2.1", "2001:db8::1", "127.0.0.1", "::1" };
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(X509_check_host(certificate, names[i], 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL), 1);
    for (size_t i = 0; i < COUNT(addresses); i++)
        assert_int_equal(X509_check_ip_asc(certificate, addresses[i], 0), 1);
    assert_int_equal(X509_check_host(certificate, "example.com", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ca(certificate), 0);
    int days, seconds;
    assert_int_equal(ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)), 1);
    assert_in_range(days, 29, 30);
    X509_free(certificate);
    tc_tls_context_unref(server);
}

static void a_client_that_has_it_trusts_it(void **state) {
    (void)state;
    tc_tls_context_t *server = NULL, *client = NULL;
    assert_int_equal(tc_tls_context_self_signed(&server, NULL), 0);
    X509 *certificate = met(server);
    BIO *pem = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_X509(pem, certificate);
    size_t len = (size_t)BIO_get_mem_data(pem, &text);
    assert_int_equal(tc_tls_context_new_client(&client, &(tc_tls_options_t){ .ca = tc_bytes(text, len) }), 0);
    BIO_free(pem);
    X509_free(certificate);
    tls_pair_t pair = tls_pair_new(server, client, "127.0.0.1");
    assert_true(tls_shake_hands(&pair));
    tls_pair_free(&pair);
    tc_tls_context_unref(server);
    tc_tls_context_unref(client);
}

static void names_for_development_are_checked(void **state) {
    (void)state;
    tc_tls_context_t *server = NULL;
    assert_int_equal(tc_tls_context_self_signed(&server, "good.org, no name!"), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "\"name!\" is no host name");
    assert_int_equal(tc_tls_context_self_signed(NULL, NULL), TC_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_is_sent_to_clients_that_ask),
        cmocka_unit_test(each_certificate_of_a_name_has_its_own),
        cmocka_unit_test(a_reload_brings_the_next_response),
        cmocka_unit_test(a_response_that_does_not_help_is_refused),
        cmocka_unit_test(a_certificate_for_development_names_its_hosts_and_this_machine),
        cmocka_unit_test(a_client_that_has_it_trusts_it),
        cmocka_unit_test(names_for_development_are_checked),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
