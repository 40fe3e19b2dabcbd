/*
 * https_test.c - what a server does that speaks TLS, beside what the wire suite says over TLS (tests/wire, *_tls).
 */
#include "async/async_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include <tornadoc/web.h>

#include "support/certificates.h"
#include "support/wire.h"

#define HOST "Host: localhost\r\n\r\n"

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static certificate_t certificate;
static tc_tls_context_t *tls;
static char lines[1024];

static void on_log(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    size_t len = strlen(lines);
    snprintf(lines + len, sizeof lines - len, "%s\n", record->message);
}

/* ---- The server ---- */

static int make_context(void **state) {
    (void)state;
    certificate_make(&certificate, NULL, &(certificate_spec_t){ .names = "localhost 127.0.0.1" });
    tc_tls_options_t options = { .certificate = { .cert = tc_str(certificate.cert_pem),
                                                  .key = tc_str(certificate.key_pem) } };
    return tc_tls_context_new_server(&tls, &options);
}

static int drop_context(void **state) {
    (void)state;
    tc_tls_context_unref(tls);
    certificate_free(&certificate);
    wire_use_tls(0);
    return 0;
}

static int start(void **state) {
    int err = with_loop(state);
    lines[0] = '\0';
    wire_use_tls(0);
    tc_set_log_callback(on_log, NULL);
    return err;
}

/* The application is the server's from now on. */
static void serve_application(void *state, tc_application_t *app, tc_httpserver_options_t options) {
    loop = state;
    options.tls = tls;
    assert_int_equal(tc_httpserver_new(&server, loop, app, &options), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", 0), 0);
    tc_application_free(app);
}

static void serve(void *state, tc_httpserver_options_t options) {
    serve_application(state, wire_application(), options);
}

static int stop(void **state) {
    tc_httpserver_free(server);
    server = NULL;
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(*state, false);
    return free_loop(state);
}

/* Send, in the clear, what is not TLS; read to the end. */
static void say_in_the_clear(wire_client_t *client, const char *text, size_t len) {
    wire_connect(client, tc_httpserver_port(server));
    wire_send(client, loop, text, len);
    wire_until(client, loop, client->eof || client->reset);
}

/* ---- Who speaks plain HTTP ---- */

static void who_speaks_plain_http_is_told_so(void **state) {
    wire_client_t client;
    wire_answers_t answers;
    serve(*state, (tc_httpserver_options_t){ 0 });
    say_in_the_clear(&client, "GET / HTTP/1.1\r\n" HOST, strlen("GET / HTTP/1.1\r\n" HOST));
    wire_parse(&answers, client.in, client.in_len, client.eof, NULL);
    assert_true(client.eof);
    assert_string_equal(answers.statuses, "400");
    assert_true(answers.says_close);
    assert_non_null(strstr(client.in, "https://"));
    assert_non_null(strstr(lines, "127.0.0.1: TLS handshake: "));
    wire_disconnect(&client);
}

static void bytes_that_are_no_protocol_are_not_answered(void **state) {
    wire_client_t client;
    serve(*state, (tc_httpserver_options_t){ 0 });
    say_in_the_clear(&client, "\x16\x03\x01\0\5tales", 10);
    assert_null(strstr(client.in, "HTTP"));
    assert_int_equal(tc_httpserver_connections(server), 0);
    wire_disconnect(&client);
}

/* ---- Who speaks TLS ---- */

static const char *ask(wire_client_t *client, const char *request) {
    wire_send(client, loop, request, strlen(request));
    wire_until(client, loop, (client->in && strstr(client->in, "\r\n\r\n")) || client->eof || client->reset);
    return strstr(client->in, "\r\n\r\n");
}

static void a_request_that_came_by_tls_is_https(void **state) {
    wire_client_t client;
    serve(*state, (tc_httpserver_options_t){ 0 });
    wire_use_tls(TLS1_3_VERSION);
    wire_connect(&client, tc_httpserver_port(server));
    assert_string_equal(ask(&client, "GET /client HTTP/1.1\r\n" HOST), "\r\n\r\nclient=127.0.0.1 https");
    wire_disconnect(&client);
}

static void a_trusted_proxy_may_say_that_it_was_not(void **state) {
    wire_client_t client;
    serve(*state, (tc_httpserver_options_t){ .xheaders = true });
    wire_use_tls(TLS1_3_VERSION);
    wire_connect(&client, tc_httpserver_port(server));
    assert_string_equal(ask(&client, "GET /client HTTP/1.1\r\nX-Forwarded-Proto: http\r\n" HOST),
                        "\r\n\r\nclient=127.0.0.1 http");
    wire_disconnect(&client);
    wire_connect(&client, tc_httpserver_port(server));
    assert_string_equal(ask(&client, "GET /client HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\n" HOST),
                        "\r\n\r\nclient=192.0.2.1 https");
    wire_disconnect(&client);
}

static int sets_cookies(tc_request_t *req) {
    tc_set_cookie(req, "a", "b", NULL);
    tc_set_cookie(req, "c", "d", &(tc_cookie_options_t){ .insecure = true });
    return tc_write(req, "set");
}

/* What is for https only is decided by what the connection is, or by what a proxy says of the one before it. */
static void over_tls_cookies_are_secure_and_https_is_all_there_is(void **state) {
    wire_client_t client;
    tc_application_t *app = tc_application_new(
        &(tc_application_options_t){ .strict_transport_security = "max-age=63072000" });
    assert_int_equal(tc_application_add(app, "/", &(tc_request_handler_t){ .get = sets_cookies }, NULL), 0);
    serve_application(*state, app, (tc_httpserver_options_t){ .xheaders = true });
    wire_use_tls(TLS1_3_VERSION);
    wire_connect(&client, tc_httpserver_port(server));
    assert_string_equal(ask(&client, "GET / HTTP/1.1\r\n" HOST), "\r\n\r\nset");
    assert_non_null(strstr(client.in, "\r\nSet-Cookie: a=b; Path=/; Secure\r\n"));
    assert_non_null(strstr(client.in, "\r\nSet-Cookie: c=d; Path=/\r\n"));
    assert_non_null(strstr(client.in, "\r\nStrict-Transport-Security: max-age=63072000\r\n"));
    wire_disconnect(&client);
    wire_connect(&client, tc_httpserver_port(server));
    assert_non_null(ask(&client, "GET / HTTP/1.1\r\nX-Forwarded-Proto: http\r\n" HOST));
    assert_non_null(strstr(client.in, "\r\nSet-Cookie: a=b; Path=/\r\n"));
    assert_null(strstr(client.in, "Strict-Transport-Security"));
    wire_disconnect(&client);
}

static void the_proxy_header_comes_before_tls(void **state) {
    static const char line[] = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
    serve(*state, (tc_httpserver_options_t){ .proxy_protocol = true });
    wire_use_tls(TLS1_3_VERSION);
    for (int apart = 0; apart < 2; apart++) { /* else the same read brings the first bytes of TLS */
        wire_client_t client;
        wire_connect(&client, tc_httpserver_port(server));
        assert_int_equal(send(client.fd, line, sizeof line - 1, MSG_NOSIGNAL), sizeof line - 1);
        for (int turn = 0; apart && turn < 5; turn++)
            tc__ioloop_turn(loop, false);
        assert_string_equal(ask(&client, "GET /client HTTP/1.1\r\n" HOST), "\r\n\r\nclient=192.0.2.1 https");
        wire_disconnect(&client);
    }
}

static void tls_without_the_proxy_header_is_cut(void **state) {
    wire_client_t client;
    serve(*state, (tc_httpserver_options_t){ .proxy_protocol = true });
    wire_use_tls(TLS1_3_VERSION);
    wire_connect(&client, tc_httpserver_port(server));
    wire_until(&client, loop, client.eof || client.reset);
    assert_true(client.reset);
    wire_disconnect(&client);
}

static void the_protocol_inside_is_http_1_1(void **state) {
    const unsigned char *chosen;
    unsigned len;
    wire_client_t client;
    serve(*state, (tc_httpserver_options_t){ 0 });
    wire_use_tls(TLS1_3_VERSION);
    wire_connect(&client, tc_httpserver_port(server));
    assert_int_equal(SSL_set_alpn_protos(client.ssl, (const unsigned char *)"\2h2\10http/1.1", 12), 0);
    assert_non_null(ask(&client, "GET / HTTP/1.1\r\n" HOST));
    SSL_get0_alpn_selected(client.ssl, &chosen, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    wire_disconnect(&client);
}

static void a_client_that_knows_another_protocol_only_is_refused(void **state) {
    wire_client_t client;
    serve(*state, (tc_httpserver_options_t){ 0 });
    wire_use_tls(TLS1_3_VERSION);
    wire_connect(&client, tc_httpserver_port(server));
    assert_int_equal(SSL_set_alpn_protos(client.ssl, (const unsigned char *)"\2h2", 3), 0);
    wire_until(&client, loop, client.eof || client.reset);
    assert_true(client.reset);
    wire_disconnect(&client);
}

static void a_drain_ends_a_connection_by_close_notify(void **state) {
    wire_client_t client;
    serve(*state, (tc_httpserver_options_t){ 0 });
    wire_use_tls(TLS1_3_VERSION);
    wire_connect(&client, tc_httpserver_port(server));
    assert_non_null(ask(&client, "GET / HTTP/1.1\r\n" HOST));
    assert_int_equal(tc_httpserver_drain(server, 1000, NULL, NULL), 0);
    wire_until(&client, loop, client.eof || client.reset);
    assert_true(client.eof);
    wire_disconnect(&client);
}

/* ---- When the loop is busy ---- */

/* Takes longer than what makes a turn of the loop a long one. */
static void keep_busy(tc_ioloop_t *busy, int fd, unsigned events, void *user_data) {
    (void)busy, (void)fd, (void)events, (void)user_data;
    for (uint64_t began = uv_hrtime(); uv_hrtime() - began < 12 * 1000 * 1000;)
        continue;
}

static void hands_are_shaken_though_every_turn_of_the_loop_is_long(void **state) {
    wire_client_t client;
    int ends[2];
    serve(*state, (tc_httpserver_options_t){ 0 });
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(tc_ioloop_add_handler(loop, ends[0], TC_READ, keep_busy, NULL), 0);
    tc__ioloop_turn(loop, false); /* it is watched before the connection is, and so comes first in each turn */
    wire_use_tls(TLS1_3_VERSION);
    wire_connect(&client, tc_httpserver_port(server));
    static const char request[] = "GET / HTTP/1.1\r\n" HOST;
    for (int i = 0; i < 50 && SSL_write(client.ssl, request, (int)sizeof request - 1) <= 0; i++)
        wire_turn(&client, loop);
    for (int i = 0; i < 20 && !(client.in && strstr(client.in, "hello")); i++)
        wire_turn(&client, loop);
    assert_true(client.in && strstr(client.in, "\r\n\r\nhello"));
    wire_disconnect(&client);
    tc_ioloop_remove_handler(loop, ends[0]);
    close(ends[0]);
    close(ends[1]);
}

/* ---- Who says nothing ---- */

static void a_handshake_that_does_not_end_is_ended(void **state) {
    wire_client_t client;
    serve(*state, (tc_httpserver_options_t){ .handshake_timeout_ms = 30 });
    wire_connect(&client, tc_httpserver_port(server));
    wire_send(&client, loop, "\x16\x03\x01", 3);
    wire_until(&client, loop, client.eof || client.reset);
    assert_int_equal(tc_httpserver_connections(server), 0);
    assert_non_null(strstr(lines, "127.0.0.1: TLS handshake: not done in time"));
    wire_disconnect(&client);
}

/* ---- Options ---- */

static void a_context_of_clients_is_refused(void **state) {
    tc_tls_context_t *client;
    tc_application_t *app = wire_application();
    tc_httpserver_t *none = NULL;
    assert_int_equal(tc_tls_context_new_client(&client, NULL), 0);
    assert_int_equal(tc_httpserver_new(&none, *state, app, &(tc_httpserver_options_t){ .tls = client }), TC_EINVAL);
    assert_non_null(strstr(tc_error_detail(), "a TLS context made for clients"));
    tc_tls_context_unref(client);
    tc_application_free(app);
}

static void a_handshake_timeout_without_tls_is_refused(void **state) {
    tc_application_t *app = wire_application();
    tc_httpserver_t *none = NULL;
    assert_int_equal(tc_httpserver_new(&none, *state, app, &(tc_httpserver_options_t){ .handshake_timeout_ms = 1 }),
                     TC_EINVAL);
    tc_application_free(app);
}

static void run_refuses_two_contexts_and_a_reload_of_none(void **state) {
    (void)state;
    tc_tls_context_t *other;
    tc_tls_options_t options = { .certificate = { .cert = tc_str(certificate.cert_pem),
                                                  .key = tc_str(certificate.key_pem) } };
    assert_int_equal(tc_tls_context_new_server(&other, &options), 0);
    tc_httpserver_options_t of_server = { .tls = other };
    assert_int_equal(tc_application_run(wire_application(), &(tc_run_options_t){ .tls = tls, .server = &of_server }),
                     TC_EINVAL);
    assert_int_equal(tc_application_run(wire_application(), &(tc_run_options_t){ .reload_tls = true }), TC_EINVAL);
    tc_tls_context_unref(other);
}

static void run_redirects_to_https_only_from_a_port(void **state) {
    (void)state;
    static const char *const addresses[] = { "unix:/nowhere/at/all", "fd:3", "systemd" };
    assert_int_equal(tc_application_run(wire_application(), &(tc_run_options_t){ .redirect_port = TC_ANY_PORT }),
                     TC_EINVAL);
    assert_non_null(strstr(tc_error_detail(), "redirect_port"));
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        const tc_run_options_t options = { .address = addresses[i], .tls = tls, .redirect_port = TC_ANY_PORT };
        assert_int_equal(tc_application_run(wire_application(), &options), TC_EINVAL);
        assert_non_null(strstr(tc_error_detail(), "redirect_port"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_speaks_plain_http_is_told_so, start, stop),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_protocol_are_not_answered, start, stop),
        cmocka_unit_test_setup_teardown(a_request_that_came_by_tls_is_https, start, stop),
        cmocka_unit_test_setup_teardown(a_trusted_proxy_may_say_that_it_was_not, start, stop),
        cmocka_unit_test_setup_teardown(over_tls_cookies_are_secure_and_https_is_all_there_is, start, stop),
        cmocka_unit_test_setup_teardown(the_proxy_header_comes_before_tls, start, stop),
        cmocka_unit_test_setup_teardown(tls_without_the_proxy_header_is_cut, start, stop),
        cmocka_unit_test_setup_teardown(the_protocol_inside_is_http_1_1, start, stop),
        cmocka_unit_test_setup_teardown(a_client_that_knows_another_protocol_only_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(a_drain_ends_a_connection_by_close_notify, start, stop),
        cmocka_unit_test_setup_teardown(hands_are_shaken_though_every_turn_of_the_loop_is_long, start, stop),
        cmocka_unit_test_setup_teardown(a_handshake_that_does_not_end_is_ended, start, stop),
        cmocka_unit_test_setup_teardown(a_context_of_clients_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(a_handshake_timeout_without_tls_is_refused, start, stop),
        cmocka_unit_test(run_refuses_two_contexts_and_a_reload_of_none),
        cmocka_unit_test(run_redirects_to_https_only_from_a_port),
    };
    return cmocka_run_group_tests(tests, make_context, drop_context);
}
