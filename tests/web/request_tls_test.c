/* request_tls_test.c - what handlers learn of the TLS below, over real sockets, with OpenSSL's own client. */
#include "async/async_test.h"

#include <openssl/ssl.h>

#include <tornadoc/web.h>

#include "http/httpserver_internal.h"
#include "support/certificates.h"
#include "support/wire.h"
#include "web/request_internal.h"

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static tc_tls_context_t *tls;
static certificate_t ca, server_certificate, client_certificate, foreign_certificate;
static wire_client_t client;
static char lines[1024];

static void on_log(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    size_t len = strlen(lines);
    snprintf(lines + len, sizeof lines - len, "%s\n", record->message);
}

/* ---- The handlers ---- */

static int tell_tls(tc_request_t *req) {
    const tc_tls_info_t *info = tc_tls_info(req);
    if (!info)
        return tc_write(req, "in the clear");
    if (tc_tls_info(req) != info)
        return tc_write(req, "asking twice is answered twice");
    return tc_writef(req, "%s, %s, %s, \"%s\", %s", info->version, info->cipher,
                     info->server_name ? info->server_name : "no name", info->alpn,
                     info->session_reused ? "again" : "anew");
}

static int tell_certificate(tc_request_t *req) {
    const tc_peer_certificate_t *certificate = tc_client_certificate(req);
    if (!certificate)
        return tc_write(req, "nobody");
    if (tc_client_certificate(req) != certificate)
        return tc_write(req, "asking twice is answered twice");
    return tc_writef(req, "%s %s %s %zu", certificate->verified ? "verified" : "unverified", certificate->subject,
                     certificate->names[0], strlen(certificate->sha256));
}

static struct {
    int outcomes[64]; /* of each allocation that failed: whether there was an answer */
    int count;
} starved;

static int ask_while_memory_fails(tc_request_t *req) {
    for (long nth = 1; nth < 64; nth++) {
        fail_allocation(nth, false);
        const tc_peer_certificate_t *certificate = tc_client_certificate(req);
        bool reached = atomic_load(&memory.calls) >= nth;
        allow_allocations();
        starved.outcomes[starved.count++] = certificate != NULL;
        if (!reached || certificate)
            break;
    }
    return 0;
}

static int ask_without_memory(tc_request_t *req) {
    fail_allocation(1, true);
    while (tc_alloc(req, 16))
        continue;
    starved.outcomes[starved.count++] = tc_tls_info(req) != NULL;
    starved.outcomes[starved.count++] = tc_client_certificate(req) != NULL;
    allow_allocations();
    return 0;
}

static tc_deferred_t *held;
static bool told_before, told_after;

static int hold(tc_request_t *req) {
    told_before = tc_tls_info(req) != NULL;
    held = tc_defer(req);
    return held ? TC_DETACH : TC_ENOMEM;
}

static int ask_too_late(tc_request_t *req, void *arg) {
    (void)arg;
    const tc_tls_info_t *info = tc_tls_info(req);
    told_after = info && strcmp(info->version, "TLSv1.3") == 0 && !tc_client_certificate(req);
    return 0;
}

/* ---- The server ---- */

static int make_certificates(void **state) {
    (void)state;
    certificate_make(&ca, NULL, &(certificate_spec_t){ .names = "Test CA", .ca = true });
    certificate_make(&server_certificate, &ca, &(certificate_spec_t){ .names = "localhost" });
    certificate_make(&client_certificate, &ca, &(certificate_spec_t){ .names = "ada.example", .client = true });
    certificate_make(&foreign_certificate, NULL, &(certificate_spec_t){ .names = "eve.example", .client = true });
    return watch_everything(state);
}

static int drop_certificates(void **state) {
    (void)state;
    certificate_free(&ca);
    certificate_free(&server_certificate);
    certificate_free(&client_certificate);
    certificate_free(&foreign_certificate);
    wire_use_tls(0);
    return 0;
}

static int begin(void **state) {
    int err = with_loop(state);
    lines[0] = '\0';
    starved.count = 0;
    wire_use_tls(TLS1_3_VERSION);
    tc_set_log_callback(on_log, NULL);
    return err;
}

static tc_application_t *make_application(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/tls", &(tc_request_handler_t){ .get = tell_tls }, NULL);
    tc_application_add(app, "/certificate", &(tc_request_handler_t){ .get = tell_certificate }, NULL);
    tc_application_add(app, "/failing", &(tc_request_handler_t){ .get = ask_while_memory_fails }, NULL);
    tc_application_add(app, "/starving", &(tc_request_handler_t){ .get = ask_without_memory }, NULL);
    tc_application_add(app, "/hold", &(tc_request_handler_t){ .get = hold }, NULL);
    return app;
}

static void serve(void *state, tc_tls_client_cert_t wanted) {
    loop = state;
    tc_tls_options_t options = { .certificate = { .cert = tc_str(server_certificate.cert_pem),
                                                  .key = tc_str(server_certificate.key_pem) },
                                 .client_cert = wanted };
    if (wanted != TC_TLS_CLIENT_CERT_NONE)
        options.ca = tc_str(ca.cert_pem);
    assert_int_equal(tc_tls_context_new_server(&tls, &options), 0);
    tc_application_t *app = make_application();
    assert_int_equal(tc_httpserver_new(&server, loop, app, &(tc_httpserver_options_t){ .tls = tls }), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", 0), 0);
    tc_application_free(app);
}

static int end(void **state) {
    wire_disconnect(&client);
    tc_httpserver_free(server);
    server = NULL;
    tc_tls_context_unref(tls);
    tls = NULL;
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(*state, false);
    return free_loop(state);
}

/* ---- The client ---- */

static void join(void) {
    wire_connect(&client, tc_httpserver_port(server));
}

static void show(const certificate_t *certificate) {
    assert_int_equal(SSL_use_certificate(client.ssl, certificate->x509), 1);
    assert_int_equal(SSL_use_PrivateKey(client.ssl, certificate->key), 1);
}

/* Leave, and come back with the session. */
static void join_again(void) {
    SSL_SESSION *session = SSL_get1_session(client.ssl);
    SSL_set_shutdown(client.ssl, SSL_SENT_SHUTDOWN); /* OpenSSL forgets sessions of connections that were cut */
    wire_disconnect(&client);
    join();
    assert_int_equal(SSL_set_session(client.ssl, session), 1);
    SSL_SESSION_free(session);
}

/* The body of an answer; NULL: the connection ended. */
static const char *ask(const char *request) {
    client.in_len = 0;
    wire_send(&client, loop, request, strlen(request));
    wire_until(&client, loop, (client.in_len > 0 && strstr(client.in, "\r\n\r\n")) || client.eof || client.reset);
    const char *body = client.in_len > 0 ? strstr(client.in, "\r\n\r\n") : NULL;
    return body ? body + 4 : NULL;
}

/* ---- What was agreed on ---- */

static void a_request_in_the_clear_knows_of_no_tls(void **state) {
    loop = *state;
    wire_use_tls(0);
    tc_application_t *app = make_application();
    assert_int_equal(tc_httpserver_new(&server, loop, app, NULL), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", 0), 0);
    tc_application_free(app);
    join();
    assert_string_equal(ask(REQUEST("/tls")), "in the clear");
    assert_string_equal(ask(REQUEST("/certificate")), "nobody");
}

static void no_request_knows_nothing(void **state) {
    (void)state;
    loop = *state;
    client = (wire_client_t){ .fd = -1 };
    assert_null(tc_tls_info(NULL));
    assert_null(tc_client_certificate(NULL));
}

static void version_and_cipher_are_told(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_NONE);
    join();
    assert_string_equal(ask(REQUEST("/tls")), "TLSv1.3, TLS_AES_256_GCM_SHA384, no name, \"\", anew");
    wire_disconnect(&client);
    wire_use_tls(TLS1_2_VERSION);
    join();
    assert_int_equal(SSL_set_cipher_list(client.ssl, "ECDHE-ECDSA-AES128-GCM-SHA256"), 1);
    assert_string_equal(ask(REQUEST("/tls")), "TLSv1.2, ECDHE-ECDSA-AES128-GCM-SHA256, no name, \"\", anew");
}

static void the_name_and_the_protocol_asked_for_are_told(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_NONE);
    join();
    SSL_set_tlsext_host_name(client.ssl, "ada.example");
    assert_int_equal(SSL_set_alpn_protos(client.ssl, (const unsigned char *)"\10http/1.1", 9), 0);
    assert_string_equal(ask(REQUEST("/tls")), "TLSv1.3, TLS_AES_256_GCM_SHA384, ada.example, \"http/1.1\", anew");
    assert_string_equal(ask(REQUEST("/tls")), /* the next request of the connection */
                        "TLSv1.3, TLS_AES_256_GCM_SHA384, ada.example, \"http/1.1\", anew");
}

static void a_session_that_is_taken_up_again_is_told(void **state) {
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    serve(*state, TC_TLS_CLIENT_CERT_NONE);
    for (size_t i = 0; i < COUNT(versions); i++) {
        wire_use_tls(versions[i]);
        join();
        assert_non_null(strstr(ask(REQUEST("/tls")), "anew"));
        join_again();
        assert_non_null(strstr(ask(REQUEST("/tls")), "again"));
        wire_disconnect(&client);
    }
}

/* ---- Certificates of clients ---- */

static void a_certificate_that_is_required_is_told(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_REQUIRED);
    join();
    show(&client_certificate);
    assert_string_equal(ask(REQUEST("/certificate")), "verified CN=ada.example DNS:ada.example 64");
}

static void without_the_required_certificate_there_is_no_request(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_REQUIRED);
    join();
    assert_null(ask(REQUEST("/certificate")));
    assert_non_null(strstr(lines, "127.0.0.1: TLS handshake: "));
}

static void who_shows_none_where_it_is_optional_is_nobody(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_OPTIONAL);
    join();
    assert_string_equal(ask(REQUEST("/certificate")), "nobody");
    wire_disconnect(&client);
    join();
    show(&client_certificate);
    assert_string_equal(ask(REQUEST("/certificate")), "verified CN=ada.example DNS:ada.example 64");
}

static void who_shows_a_foreign_one_is_refused_though_it_is_optional(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_OPTIONAL);
    join();
    show(&foreign_certificate);
    assert_null(ask(REQUEST("/certificate")));
    assert_non_null(strstr(lines, "127.0.0.1: TLS handshake: "));
}

static void a_session_that_is_taken_up_again_keeps_its_certificate(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_REQUIRED);
    join();
    show(&client_certificate);
    assert_non_null(ask(REQUEST("/certificate")));
    join_again();
    assert_string_equal(ask(REQUEST("/certificate")), "verified CN=ada.example DNS:ada.example 64");
    assert_non_null(strstr(ask(REQUEST("/tls")), "again"));
}

/* ---- Late, and without memory ---- */

static void what_was_asked_for_stays_when_the_client_leaves(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_OPTIONAL);
    join();
    show(&client_certificate);
    wire_send(&client, loop, REQUEST("/hold"), strlen(REQUEST("/hold")));
    wire_until(&client, loop, held);
    wire_disconnect(&client);
    while (!tc_deferred_closed(held))
        tc__ioloop_turn(loop, true);
    assert_int_equal(tc_deferred_post(held, ask_too_late, NULL), 0);
    tc_deferred_unref(held);
    held = NULL;
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(loop, false);
    assert_true(told_before);
    assert_true(told_after);
}

static void a_certificate_for_which_there_is_no_memory_is_a_failure(void **state) {
    serve(*state, TC_TLS_CLIENT_CERT_REQUIRED);
    join();
    show(&client_certificate);
    assert_non_null(strstr(ask(REQUEST("/failing")), "Internal Server Error"));
    assert_true(starved.count > 1);
    for (int i = 0; i < starved.count; i++)
        assert_int_equal(starved.outcomes[i], i == starved.count - 1);
    starved.count = 0;
    assert_non_null(strstr(ask(REQUEST("/starving")), "Internal Server Error"));
    assert_int_equal(starved.outcomes[0] + starved.outcomes[1], 0);
    assert_string_equal(ask(REQUEST("/certificate")), "verified CN=ada.example DNS:ada.example 64");
}

#define TLS_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TLS_TEST(a_request_in_the_clear_knows_of_no_tls),
        TLS_TEST(no_request_knows_nothing),
        TLS_TEST(version_and_cipher_are_told),
        TLS_TEST(the_name_and_the_protocol_asked_for_are_told),
        TLS_TEST(a_session_that_is_taken_up_again_is_told),
        TLS_TEST(a_certificate_that_is_required_is_told),
        TLS_TEST(without_the_required_certificate_there_is_no_request),
        TLS_TEST(who_shows_none_where_it_is_optional_is_nobody),
        TLS_TEST(who_shows_a_foreign_one_is_refused_though_it_is_optional),
        TLS_TEST(a_session_that_is_taken_up_again_keeps_its_certificate),
        TLS_TEST(what_was_asked_for_stays_when_the_client_leaves),
        TLS_TEST(a_certificate_for_which_there_is_no_memory_is_a_failure),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
