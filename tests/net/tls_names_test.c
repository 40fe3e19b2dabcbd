/*
 * tls_names_test.c - which certificate a client meets, by the name that it asks for.
 */
#include "net/tls_test.h"

#include <stdlib.h>

static certificate_t ca, first, exact, wild, told, rsa, client_cert;
static tc_tls_context_t *client;

static tc_tls_certificate_t memory(const certificate_t *certificate) {
    return (tc_tls_certificate_t){ .cert = tc_str(certificate->cert_pem), .key = tc_str(certificate->key_pem) };
}

static int make_certificates(void **state) {
    (void)state;
    certificate_make(&ca, NULL, &(certificate_spec_t){ .names = "Test CA", .ca = true });
    certificate_make(&first, &ca, &(certificate_spec_t){ .names = "first.org www.both.org 192.0.2.1" });
    certificate_make(&exact, &ca, &(certificate_spec_t){ .names = "www.example.com www.both.org" });
    certificate_make(&wild, &ca, &(certificate_spec_t){ .names = "*.example.com *.Deep.Example.com example.com" });
    certificate_make(&told, &ca, &(certificate_spec_t){ .names = "told.net" });
    certificate_make(&rsa, &ca, &(certificate_spec_t){ .names = "first.org", .rsa = true });
    certificate_make(&client_cert, &ca, &(certificate_spec_t){ .names = "client", .client = true });
    tc_tls_options_t options = { .insecure_skip_verify = true, .certificate = memory(&client_cert) };
    return tc_tls_context_new_client(&client, &options);
}

static int free_certificates(void **state) {
    (void)state;
    certificate_t *all[] = { &ca, &first, &exact, &wild, &told, &rsa, &client_cert };
    for (size_t i = 0; i < COUNT(all); i++)
        certificate_free(all[i]);
    tc_tls_context_unref(client);
    return 0;
}

static tc_tls_context_t *new_server(tc_tls_options_t options) {
    tc_tls_context_t *tls = NULL;
    if (!options.certificate.cert.len)
        options.certificate = memory(&first);
    assert_int_equal(tc_tls_context_new_server(&tls, &options), 0);
    return tls;
}

static int add(tc_tls_context_t *tls, const char *hosts, const certificate_t *certificate) {
    tc_tls_certificate_t given = memory(certificate);
    return tc_tls_context_add(tls, hosts, &given);
}

static tls_pair_t shake(tc_tls_context_t *server, const char *name) {
    tls_pair_t pair = tls_pair_new(server, client, name);
    tls_shake_hands(&pair);
    return pair;
}

/* The first name of the certificate that the client meets; "" if there is no handshake. */
static const char *met(tc_tls_context_t *server, const char *name) {
    static char text[64];
    tls_pair_t pair = shake(server, name);
    X509 *certificate = SSL_get1_peer_certificate(pair.client);
    text[0] = '\0';
    if (certificate && pair.server_result == 1)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
    X509_free(certificate);
    tls_pair_free(&pair);
    return text;
}

static const struct {
    const char *why, *name, *wanted;
} names[] = {
    { "its own name", "first.org", "first.org" },
    { "another name: the first certificate", "nobody.net", "first.org" },
    { "no name: the first certificate", NULL, "first.org" },
    { "an address is no name", "192.0.2.7", "first.org" },
    { "a name before a pattern", "www.example.com", "www.example.com" },
    { "in any case of letters", "WWW.Example.COM", "www.example.com" },
    { "a pattern", "ftp.example.com", "*.example.com" },
    { "for one label", "a.b.example.com", "first.org" },
    { "and not for none", "example.com", "*.example.com" },
    { "a second pattern, not written in small letters", "x.deep.example.com", "*.example.com" },
    { "a certificate that came first keeps its names", "www.both.org", "first.org" },
    { "a name that the certificate does not know", "other.name", "told.net" },
    { "a pattern that it does not know", "x.other.name", "told.net" },
    { "names that are told: the certificate's own do not count", "told.net", "first.org" },
};

static void the_name_chooses_the_certificate(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server((tc_tls_options_t){ 0 });
    assert_int_equal(add(server, NULL, &exact), 0);
    assert_int_equal(add(server, NULL, &wild), 0);
    assert_int_equal(add(server, "other.name, *.Other.Name.", &told), 0);
    for (int reloads = 0; reloads < 2; reloads++) {
        for (size_t i = 0; i < COUNT(names); i++) {
            const char *got = met(server, names[i].name);
            if (strcmp(got, names[i].wanted) != 0)
                fail_msg("%s (%s): %s", names[i].why, names[i].name, got);
        }
        assert_int_equal(tc_tls_context_reload(server), 0);
    }
    tc_tls_context_unref(server);
}

static void what_is_told_goes_before_what_certificates_bring_along(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server((tc_tls_options_t){ 0 });
    assert_int_equal(add(server, "first.org", &told), 0);
    assert_int_equal(add(server, NULL, &exact), 0);
    assert_string_equal(met(server, "first.org"), "told.net");
    assert_int_equal(add(server, "new.org first.org", &wild), TC_EEXIST);
    assert_string_equal(tc_error_detail(), "first.org: there is a certificate for it");
    assert_string_equal(met(server, "new.org"), "first.org"); /* all or nothing */
    assert_int_equal(tc_tls_context_reload(server), 0);
    assert_string_equal(met(server, "first.org"), "told.net");
    tc_tls_context_unref(server);
}

static const struct {
    const char *hosts, *words;
} bad_hosts[] = {
    { "", "there is no host name" },
    { " , ", "there is no host name" },
    { "*", "\"*\" is no host name (\"*.\" may stand before one)" },
    { "*.", "\"*.\" is no host name (\"*.\" may stand before one)" },
    { "a.*.org", "\"a.*.org\" is no host name (\"*.\" may stand before one)" },
    { "f*.org", "\"f*.org\" is no host name (\"*.\" may stand before one)" },
    { "a..org", "\"a..org\" is no host name (\"*.\" may stand before one)" },
    { ".org", "\".org\" is no host name (\"*.\" may stand before one)" },
    { "good.org b\xc3\xbc.org", "\"b\xc3\xbc.org\" is no host name (\"*.\" may stand before one)" },
    { "a:80", "\"a:80\" is no host name (\"*.\" may stand before one)" },
    { "a23456789012345678901234567890123456789012345678901234567890abcd.org",
      "\"a23456789012345678901234567890123456789012345678901234567890abcd\" is no host name (\"*.\" may stand before "
      "one)" },
};

static void what_is_no_host_name_is_refused(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server((tc_tls_options_t){ 0 });
    for (size_t i = 0; i < COUNT(bad_hosts); i++) {
        assert_int_equal(add(server, bad_hosts[i].hosts, &told), TC_EINVAL);
        assert_string_equal(tc_error_detail(), bad_hosts[i].words);
    }
    char *long_name = calloc(1, 300);
    for (int i = 0; i < 254; i++)
        long_name[i] = i % 2 ? '.' : 'a';
    assert_int_equal(add(server, long_name, &told), 0); /* 253 letters, and the dot at the end */
    long_name[254] = 'a';
    assert_int_equal(add(server, long_name, &told), TC_EINVAL);
    free(long_name);

    assert_int_equal(add(server, NULL, &client_cert), 0);
    certificate_t nameless;
    certificate_make(&nameless, &ca, &(certificate_spec_t){ .names = "subject.org", .no_names = true });
    assert_int_equal(add(server, NULL, &nameless), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "the certificate: names no host");
    certificate_free(&nameless);

    tc_tls_certificate_t none = { 0 };
    assert_int_equal(tc_tls_context_add(server, "a.org", &none), TC_EINVAL);
    assert_int_equal(tc_tls_context_add(server, "a.org", NULL), TC_EINVAL);
    assert_int_equal(add(client, "a.org", &told), TC_EINVAL);
    assert_int_equal(add(NULL, "a.org", &told), TC_EINVAL);
    tc_tls_context_unref(server);
}

/* ---- Two kinds of keys ---- */

static int key_met(tc_tls_context_t *server, const char *signatures) {
    tls_pair_t pair = tls_pair_new(server, client, "first.org");
    assert_int_equal(SSL_set1_sigalgs_list(pair.client, signatures), 1);
    assert_true(tls_shake_hands(&pair));
    X509 *certificate = SSL_get1_peer_certificate(pair.client);
    int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
    X509_free(certificate);
    tls_pair_free(&pair);
    return kind;
}

static void a_name_may_have_keys_of_two_kinds(void **state) {
    (void)state;
    tc_tls_certificate_t also = memory(&rsa), both = memory(&first);
    both.also = &also;
    tc_tls_context_t *server = new_server((tc_tls_options_t){ .certificate = both });
    for (int reloads = 0; reloads < 2; reloads++) {
        assert_int_equal(key_met(server, "ECDSA+SHA256:RSA-PSS+SHA256"), EVP_PKEY_EC);
        assert_int_equal(key_met(server, "RSA-PSS+SHA256"), EVP_PKEY_RSA);
        assert_int_equal(tc_tls_context_reload(server), 0);
    }
    tc_tls_context_unref(server);
}

static void two_keys_of_one_kind_are_refused(void **state) {
    (void)state;
    tc_tls_context_t *server = NULL;
    tc_tls_certificate_t also = memory(&exact);
    tc_tls_options_t options = { .certificate = memory(&first) };
    options.certificate.also = &also;
    assert_int_equal(tc_tls_context_new_server(&server, &options), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "the certificate: its key is of the same kind as that of the one before");
    also.also = &also;
    assert_int_equal(tc_tls_context_new_server(&server, &options), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "tc_tls_certificate_t: more certificates than there are kinds of keys");
}

/* ---- A callback ---- */

typedef struct {
    tc_tls_context_t *context; /* to be chosen */
    int outcome, calls;
    char host[64];
} choice_t;

static int choose(tc_tls_context_t *tls, const char *host, tc_tls_context_t **chosen, void *user_data) {
    choice_t *choice = user_data;
    (void)tls;
    choice->calls++;
    snprintf(choice->host, sizeof choice->host, "%s", host);
    *chosen = choice->context ? tc_tls_context_ref(choice->context) : NULL;
    return choice->outcome;
}

static void a_callback_chooses_a_context(void **state) {
    (void)state;
    choice_t choice = { 0 };
    tc_tls_context_t *server = new_server((tc_tls_options_t){ .choose_cb = choose, .choose_data = &choice });
    tc_tls_context_t *other = new_server((tc_tls_options_t){ .certificate = memory(&wild) });
    assert_int_equal(add(server, NULL, &exact), 0);
    assert_int_equal(add(other, NULL, &told), 0);
    assert_string_equal(met(server, "WWW.example.com"), "www.example.com"); /* it chose none */
    assert_string_equal(choice.host, "www.example.com");
    choice.context = other;
    assert_string_equal(met(server, "www.example.com"), "*.example.com");
    assert_string_equal(met(server, "told.net"), "told.net");
    assert_string_equal(met(server, NULL), "*.example.com");
    assert_string_equal(choice.host, "");
    tc_tls_context_unref(server);
    tc_tls_context_unref(other);
}

static void a_callback_that_fails_refuses_the_client(void **state) {
    (void)state;
    static const int outcomes[] = { TC_ENOENT, TC_ENOMEM, -1, 1, 404 };
    choice_t choice = { 0 };
    tc_tls_context_t *server = new_server((tc_tls_options_t){ .choose_cb = choose, .choose_data = &choice });
    choice.context = server; /* given away for nothing */
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        choice.outcome = outcomes[i];
        tls_pair_t pair = shake(server, "www.example.com");
        assert_string_equal(pair.server_reason, tls_words(SSL_R_TLSV1_UNRECOGNIZED_NAME));
        assert_string_equal(pair.client_reason, tls_words(SSL_R_TLSV1_UNRECOGNIZED_NAME));
        tls_pair_free(&pair);
    }
    choice = (choice_t){ .context = client };
    assert_string_equal(met(server, "www.example.com"), "");
    tc_tls_context_unref(server);
}

static void a_chosen_context_demands_what_it_wants(void **state) {
    (void)state;
    choice_t choice = { 0 };
    tc_tls_context_t *server = new_server(
        (tc_tls_options_t){ .choose_cb = choose, .choose_data = &choice, .alpn = "h2" });
    choice.context = new_server((tc_tls_options_t){ .client_cert = TC_TLS_CLIENT_CERT_REQUIRED,
                                                    .ca = tc_str(ca.cert_pem),
                                                    .max_version = TC_TLS_1_2,
                                                    .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
                                                    .alpn = "http/1.1" });
    tls_pair_t pair = tls_pair_new(server, client, "first.org");
    SSL_set_alpn_protos(pair.client, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    assert_true(tls_shake_hands(&pair));
    const unsigned char *protocol;
    unsigned len;
    SSL_get0_alpn_selected(pair.server, &protocol, &len);
    assert_int_equal(len, 8);
    assert_int_equal(SSL_version(pair.server), TLS1_2_VERSION);
    assert_string_equal(SSL_get_cipher_name(pair.server), "ECDHE-ECDSA-AES256-GCM-SHA384");
    X509 *seen = SSL_get1_peer_certificate(pair.server);
    assert_non_null(seen);
    X509_free(seen);
    tls_pair_free(&pair);

    tc_tls_context_t *nobody = NULL;
    assert_int_equal(tc_tls_context_new_client(&nobody, &(tc_tls_options_t){ .insecure_skip_verify = true }), 0);
    pair = tls_pair_new(server, nobody, "first.org");
    assert_false(tls_shake_hands(&pair));
    assert_string_equal(pair.server_reason, "peer did not return a certificate");
    tls_pair_free(&pair);
    tc_tls_context_unref(nobody);
    tc_tls_context_unref(choice.context);
    tc_tls_context_unref(server);
}

/* A session that began where nothing is asked of clients, brought to a name where a certificate is. */
static void a_session_is_no_way_around_a_certificate(void **state) {
    (void)state;
    tc_tls_context_t *nobody = NULL;
    assert_int_equal(tc_tls_context_new_client(&nobody, &(tc_tls_options_t){ .insecure_skip_verify = true }), 0);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        choice_t choice = { 0 };
        tc_tls_context_t *server = new_server((tc_tls_options_t){ .choose_cb = choose, .choose_data = &choice });
        tls_pair_t pair = tls_pair_new(server, nobody, "first.org");
        SSL_set_max_proto_version(pair.client, version);
        assert_true(tls_shake_hands(&pair));
        SSL_SESSION *session = SSL_get1_session(pair.client), *same = SSL_SESSION_dup(session);
        SSL_shutdown(pair.client);
        tls_pair_free(&pair);

        choice.context = new_server(
            (tc_tls_options_t){ .client_cert = TC_TLS_CLIENT_CERT_REQUIRED, .ca = tc_str(ca.cert_pem) });
        pair = tls_pair_new(server, nobody, "first.org");
        SSL_set_max_proto_version(pair.client, version);
        SSL_set_session(pair.client, same); /* which the failure makes useless */
        assert_false(tls_shake_hands(&pair));
        assert_string_equal(pair.server_reason, "peer did not return a certificate");
        tls_pair_free(&pair);

        tc_tls_context_unref(choice.context);
        choice.context = NULL;
        pair = tls_pair_new(server, nobody, "first.org");
        SSL_set_max_proto_version(pair.client, version);
        SSL_set_session(pair.client, session);
        assert_true(tls_shake_hands(&pair));
        assert_int_equal(SSL_session_reused(pair.server), 1);
        SSL_SESSION_free(session);
        SSL_SESSION_free(same);
        tls_pair_free(&pair);
        tc_tls_context_unref(server);
    }
    tc_tls_context_unref(nobody);
}

/* ---- Names that change, names that are none ---- */

static void the_program_hears_a_name_once_though_the_client_tells_it_twice(void **state) {
    (void)state;
    choice_t choice = { 0 };
    tc_tls_context_t *server = new_server(
        (tc_tls_options_t){ .choose_cb = choose, .choose_data = &choice, .groups = "P-384" });
    tls_pair_t pair = tls_pair_new(server, client, "first.org");
    SSL_set1_groups_list(pair.client, "X25519:P-384"); /* so that the server asks for another hello */
    assert_true(tls_shake_hands(&pair));
    assert_int_equal(choice.calls, 1);
    assert_string_equal(SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name), "first.org");
    tls_pair_free(&pair);
    tc_tls_context_unref(server);
}

static void a_client_that_changes_its_name_is_refused(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server((tc_tls_options_t){ .groups = "P-384" });
    tls_pair_t pair = tls_pair_new(server, client, "first.org");
    SSL_set1_groups_list(pair.client, "X25519:P-384");
    tls_step(pair.client, &pair.client_result, pair.client_reason);
    tls_step(pair.server, &pair.server_result, pair.server_reason);
    SSL_set_tlsext_host_name(pair.client, "other.org");
    assert_false(tls_shake_hands(&pair));
    assert_string_equal(pair.client_reason, tls_words(SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER));
    tls_pair_free(&pair);
    tc_tls_context_unref(server);
}

static void a_client_with_a_name_that_is_none_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = { "a b", "a..b", "b\xc3\xbc.org", "a/b", "[::1]", "a\n.org" };
    tc_tls_context_t *server = new_server((tc_tls_options_t){ 0 });
    for (size_t i = 0; i < COUNT(bad); i++) {
        tls_pair_t pair = tls_pair_new(server, client, NULL);
        SSL_set_tlsext_host_name(pair.client, bad[i]);
        assert_false(tls_shake_hands(&pair));
        assert_string_equal(pair.client_reason, tls_words(SSL_R_TLSV1_UNRECOGNIZED_NAME));
        tls_pair_free(&pair);
    }
    tc_tls_context_unref(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_chooses_the_certificate),
        cmocka_unit_test(what_is_told_goes_before_what_certificates_bring_along),
        cmocka_unit_test(what_is_no_host_name_is_refused),
        cmocka_unit_test(a_name_may_have_keys_of_two_kinds),
        cmocka_unit_test(two_keys_of_one_kind_are_refused),
        cmocka_unit_test(a_callback_chooses_a_context),
        cmocka_unit_test(a_callback_that_fails_refuses_the_client),
        cmocka_unit_test(a_chosen_context_demands_what_it_wants),
        cmocka_unit_test(a_session_is_no_way_around_a_certificate),
        cmocka_unit_test(the_program_hears_a_name_once_though_the_client_tells_it_twice),
        cmocka_unit_test(a_client_that_changes_its_name_is_refused),
        cmocka_unit_test(a_client_with_a_name_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
