/*
 * tls_sessions_test.c - sessions that are resumed: by tickets, whose keys change, and from the server's memory.
 */
#include "net/tls_test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "net/tls_context_private.h"

static certificate_t certificate;
static tc_tls_context_t *client;
static uint64_t now_ms;

enum { LIFETIME_MS = 60 * 1000 };

static int make_certificates(void **state) {
    (void)state;
    certificate_make(&certificate, NULL, &(certificate_spec_t){ .names = "example.com" });
    return tc_tls_context_new_client(&client, &(tc_tls_options_t){ .insecure_skip_verify = true });
}

static int free_certificates(void **state) {
    (void)state;
    certificate_free(&certificate);
    tc_tls_context_unref(client);
    return 0;
}

static uint64_t test_clock(void) {
    return now_ms;
}

static tc_tls_context_t *new_server(tc_tls_options_t options) {
    tc_tls_context_t *tls = NULL;
    options.certificate.cert = tc_str(certificate.cert_pem);
    options.certificate.key = tc_str(certificate.key_pem);
    options.session_lifetime_ms = LIFETIME_MS;
    assert_int_equal(tc_tls_context_new_server(&tls, &options), 0);
    tls->tickets.now_ms = test_clock;
    tls->tickets.since_ms = now_ms;
    return tls;
}

/* A handshake, with a session of one before or without (NULL); the session that comes of it is the caller's. */
static bool shake(tc_tls_context_t *server, int version, SSL_SESSION *session, SSL_SESSION **out) {
    tls_pair_t pair = tls_pair_new(server, client, "example.com");
    SSL_set_max_proto_version(pair.client, version);
    if (session)
        assert_int_equal(SSL_set_session(pair.client, session), 1);
    assert_true(tls_shake_hands(&pair));
    bool reused = SSL_session_reused(pair.server);
    assert_int_equal(reused, SSL_session_reused(pair.client));
    assert_string_equal(SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name), "example.com");
    if (out)
        *out = SSL_get1_session(pair.client);
    SSL_shutdown(pair.client);
    SSL_shutdown(pair.server);
    SSL_shutdown(pair.client);
    tls_pair_free(&pair);
    return reused;
}

static SSL_SESSION *new_session(tc_tls_context_t *server, int version) {
    SSL_SESSION *session;
    assert_false(shake(server, version, NULL, &session));
    return session;
}

#define FOR_EACH_VERSION(version) for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)

static void a_session_is_resumed_by_its_ticket(void **state) {
    (void)state;
    FOR_EACH_VERSION(version) {
        tc_tls_context_t *server = new_server((tc_tls_options_t){ .no_session_cache = true });
        SSL_SESSION *session = new_session(server, version), *next;
        assert_true(SSL_SESSION_has_ticket(session));
        assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(session), LIFETIME_MS / 1000);
        assert_true(shake(server, version, session, &next));
        assert_true(shake(server, version, next, NULL));
        SSL_SESSION_free(session);
        SSL_SESSION_free(next);
        tc_tls_context_unref(server);
    }
}

static void a_ticket_outlives_a_reload(void **state) {
    (void)state;
    FOR_EACH_VERSION(version) {
        tc_tls_context_t *server = new_server((tc_tls_options_t){ .no_session_cache = true });
        SSL_SESSION *session = new_session(server, version);
        assert_int_equal(tc_tls_context_reload(server), 0);
        assert_true(shake(server, version, session, NULL));
        SSL_SESSION_free(session);
        tc_tls_context_unref(server);
    }
}

static const struct {
    const char *why;
    uint64_t made_ms, used_ms;
    bool reused;
} ages[] = {
    { "at once", 0, 0, true },
    { "made when a key begins, used when a lifetime is over", 0, LIFETIME_MS, true },
    { "made when a key ends, used when a lifetime is over", LIFETIME_MS / 2 - 1, LIFETIME_MS * 3 / 2 - 1, true },
    { "when its key is forgotten", LIFETIME_MS / 2 - 1, LIFETIME_MS * 3 / 2, false },
    { "days later", 0, 1000 * LIFETIME_MS, false },
};

static void the_keys_of_tickets_change_with_time(void **state) {
    (void)state;
    FOR_EACH_VERSION(version) {
        for (size_t i = 0; i < COUNT(ages); i++) {
            now_ms = 5000;
            tc_tls_context_t *server = new_server((tc_tls_options_t){ .no_session_cache = true });
            now_ms = 5000 + ages[i].made_ms;
            SSL_SESSION *session = new_session(server, version);
            now_ms = 5000 + ages[i].used_ms;
            if (shake(server, version, session, NULL) != ages[i].reused)
                fail_msg("%s", ages[i].why);
            SSL_SESSION_free(session);
            tc_tls_context_unref(server);
        }
    }
}

static void a_ticket_of_an_old_key_is_renewed(void **state) {
    (void)state;
    FOR_EACH_VERSION(version) {
        tc_tls_context_t *server = new_server((tc_tls_options_t){ .no_session_cache = true });
        SSL_SESSION *session = new_session(server, version), *next;
        now_ms += LIFETIME_MS;
        assert_true(shake(server, version, session, &next));
        now_ms += LIFETIME_MS;
        assert_true(shake(server, version, next, NULL));
        SSL_SESSION_free(session);
        SSL_SESSION_free(next);
        tc_tls_context_unref(server);
    }
}

static void an_old_key_cannot_be_found_in_a_later_secret(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server((tc_tls_options_t){ 0 });
    tc__tls_tickets_t before = server->tickets;
    now_ms += 2 * LIFETIME_MS;
    SSL_SESSION_free(new_session(server, TLS1_3_VERSION));
    assert_memory_not_equal(server->tickets.secret, before.secret, sizeof before.secret);
    for (size_t i = 0; i < server->tickets.count; i++)
        assert_memory_not_equal(&server->tickets.keys[i], &before.keys[0], sizeof before.keys[0]);
    assert_int_equal(server->tickets.count, TC__TLS_TICKET_STEPS);
    tc_tls_context_unref(server);
}

static void processes_open_each_others_tickets(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server((tc_tls_options_t){ .no_session_cache = true });
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    now_ms += 3 * LIFETIME_MS; /* in both */
    if (child == 0) {
        unsigned char der[8192], *end = der;
        SSL_SESSION *session = new_session(server, TLS1_3_VERSION);
        int len = i2d_SSL_SESSION(session, NULL);
        if (len < (int)sizeof der)
            i2d_SSL_SESSION(session, &end);
        _exit(write(channel[1], der, (size_t)(end - der)) == len ? 0 : 1);
    }
    unsigned char der[8192];
    const unsigned char *in = der;
    ssize_t len = read(channel[0], der, sizeof der);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &in, len);
    assert_non_null(session);
    assert_true(shake(server, TLS1_3_VERSION, session, NULL));
    SSL_SESSION_free(session);
    close(channel[0]);
    close(channel[1]);
    tc_tls_context_unref(server);
}

/* ---- Keys of the program ---- */

static void servers_with_the_same_keys_open_each_others_tickets(void **state) {
    (void)state;
    char keys[2 * TC_TLS_TICKET_KEY_SIZE];
    memset(keys, 'a', TC_TLS_TICKET_KEY_SIZE);
    memset(keys + TC_TLS_TICKET_KEY_SIZE, 'b', TC_TLS_TICKET_KEY_SIZE);
    FOR_EACH_VERSION(version) {
        tc_tls_context_t *one = new_server((tc_tls_options_t){ 0 }), *other = new_server((tc_tls_options_t){ 0 });
        assert_int_equal(tc_tls_context_set_ticket_keys(one, tc_bytes(keys, TC_TLS_TICKET_KEY_SIZE)), 0);
        SSL_SESSION *session = new_session(one, version);
        assert_false(shake(other, version, session, NULL));
        assert_int_equal(tc_tls_context_set_ticket_keys(other, tc_bytes(keys, sizeof keys)), 0);
        now_ms += 3 * LIFETIME_MS; /* they do not change by themselves */
        assert_true(shake(other, version, session, NULL));
        assert_int_equal(
            tc_tls_context_set_ticket_keys(other, tc_bytes(keys + TC_TLS_TICKET_KEY_SIZE, TC_TLS_TICKET_KEY_SIZE)), 0);
        assert_false(shake(other, version, session, NULL));
        SSL_SESSION_free(session);
        tc_tls_context_unref(one);
        tc_tls_context_unref(other);
    }
}

/* The same keys on servers that demand different things. */
static void a_ticket_is_no_way_around_a_certificate(void **state) {
    (void)state;
    char keys[TC_TLS_TICKET_KEY_SIZE] = "the same everywhere";
    FOR_EACH_VERSION(version) {
        tc_tls_context_t *open = new_server((tc_tls_options_t){ 0 });
        tc_tls_context_t *strict = new_server(
            (tc_tls_options_t){ .client_cert = TC_TLS_CLIENT_CERT_OPTIONAL, .ca = tc_str(certificate.cert_pem) });
        assert_int_equal(tc_tls_context_set_ticket_keys(open, tc_bytes(keys, sizeof keys)), 0);
        assert_int_equal(tc_tls_context_set_ticket_keys(strict, tc_bytes(keys, sizeof keys)), 0);
        SSL_SESSION *session = new_session(open, version);
        assert_false(shake(strict, version, session, NULL));
        SSL_SESSION_free(session);
        tc_tls_context_unref(open);
        tc_tls_context_unref(strict);
    }
}

static void keys_have_80_bytes_each(void **state) {
    (void)state;
    static const char keys[9 * TC_TLS_TICKET_KEY_SIZE];
    tc_tls_context_t *server = new_server((tc_tls_options_t){ 0 });
    static const size_t bad[] = { 0, 1, 79, 81, 9 * 80 };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(tc_tls_context_set_ticket_keys(server, tc_bytes(keys, bad[i])), TC_EINVAL);
    assert_int_equal(tc_tls_context_set_ticket_keys(server, tc_bytes(keys, 8 * 80)), 0);
    assert_int_equal(tc_tls_context_set_ticket_keys(client, tc_bytes(keys, 80)), TC_EINVAL);
    assert_int_equal(tc_tls_context_set_ticket_keys(NULL, tc_bytes(keys, 80)), TC_EINVAL);
    tc_tls_context_unref(server);
}

/* ---- Without tickets ---- */

static void without_tickets_the_server_remembers(void **state) {
    (void)state;
    FOR_EACH_VERSION(version) {
        tc_tls_context_t *server = new_server((tc_tls_options_t){ .no_session_tickets = true });
        SSL_SESSION *session = new_session(server, version);
        assert_true(shake(server, version, session, NULL));
        SSL_SESSION_free(session);
        tc_tls_context_unref(server);
    }
}

static void what_the_server_remembers_is_bounded(void **state) {
    (void)state;
    tc_tls_context_t *server = new_server((tc_tls_options_t){ .no_session_tickets = true, .session_cache_size = 3 });
    SSL_SESSION *oldest = new_session(server, TLS1_2_VERSION);
    for (int i = 0; i < 5; i++)
        SSL_SESSION_free(new_session(server, TLS1_2_VERSION));
    assert_in_range(SSL_CTX_sess_number(server->now->sites[0]->ctx), 2, 3);
    assert_false(shake(server, TLS1_2_VERSION, oldest, NULL));
    SSL_SESSION_free(oldest);
    tc_tls_context_unref(server);
}

static void without_tickets_and_memory_nothing_is_resumed(void **state) {
    (void)state;
    FOR_EACH_VERSION(version) {
        tc_tls_context_t *server = new_server(
            (tc_tls_options_t){ .no_session_tickets = true, .no_session_cache = true });
        SSL_SESSION *session = new_session(server, version);
        assert_false(SSL_SESSION_has_ticket(session));
        assert_false(shake(server, version, session, NULL));
        SSL_SESSION_free(session);
        tc_tls_context_unref(server);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_resumed_by_its_ticket),
        cmocka_unit_test(a_ticket_outlives_a_reload),
        cmocka_unit_test(the_keys_of_tickets_change_with_time),
        cmocka_unit_test(a_ticket_of_an_old_key_is_renewed),
        cmocka_unit_test(an_old_key_cannot_be_found_in_a_later_secret),
        cmocka_unit_test(processes_open_each_others_tickets),
        cmocka_unit_test(servers_with_the_same_keys_open_each_others_tickets),
        cmocka_unit_test(a_ticket_is_no_way_around_a_certificate),
        cmocka_unit_test(keys_have_80_bytes_each),
        cmocka_unit_test(without_tickets_the_server_remembers),
        cmocka_unit_test(what_the_server_remembers_is_bounded),
        cmocka_unit_test(without_tickets_and_memory_nothing_is_resumed),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
