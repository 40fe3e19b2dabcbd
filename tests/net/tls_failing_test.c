/*
 * tls_failing_test.c - each allocation, of ours and of OpenSSL, and each recv and send below TLS fails in turn, once or
 * from then on, while two streams shake hands, talk and end. Nothing crashes, every callback comes once, OpenSSL's
 * queue of errors stays empty; and nothing leaks, which the sanitizer tells at the end, since OpenSSL keeps some
 * things.
 */
#include "net/net_test.h"

#include <limits.h>

#include <openssl/err.h>

#include "net/failing.h"
#include "net/tls_transport_internal.h"
#include "support/certificates.h"

enum { LARGE = 100 * 1024, PATIENCE = 60 };

/* ---- A transport that fails on demand ---- */

static struct {
    int calls, fail_at, err;
    bool recv, for_good;
} trouble;

static bool troubled(bool recv) {
    if (trouble.fail_at == 0 || trouble.recv != recv)
        return false;
    int call = ++trouble.calls;
    return call == trouble.fail_at || (trouble.for_good && call > trouble.fail_at);
}

static ssize_t trouble_recv(tc_iostream_t *stream, void *buffer, size_t len) {
    return troubled(true) ? trouble.err : tc__memory_transport.recv(stream, buffer, len);
}

static ssize_t trouble_sendv(tc_iostream_t *stream, const struct iovec *iov, int count) {
    return troubled(false) ? trouble.err : tc__memory_transport.sendv(stream, iov, count);
}

/* ---- The scenario ---- */

static certificate_t ca, server_certificate;
static tc_tls_context_t *server_tls, *client_tls;
static tc__transport_t transport;

typedef struct {
    int owed; /* callbacks */
    int failed;
    size_t len;
} side_t;

static void on_open(tc_iostream_t *stream, int err, void *user_data) {
    side_t *side = user_data;
    (void)stream;
    side->owed--;
    side->failed += err < 0;
}

static void on_all(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    on_open(stream, err, user_data);
    ((side_t *)user_data)->len += data.len;
}

static int start_side(tc_iostream_t *stream, side_t *side, bool server) {
    static char large[LARGE];
    tc_iostream_tls_options_t options = { .tls = server ? server_tls : client_tls,
                                          .server_side = server,
                                          .server_hostname = "example.com" };
    stream->transport = &transport;
    int err = tc_iostream_start_tls(stream, &options, on_open, side);
    expect(err == 0 || err == TC_ENOMEM);
    if (err < 0)
        return err;
    side->owed++;
    TC_TRY(tc_iostream_write(stream, tc_bytes(large, LARGE), on_open, side));
    side->owed++;
    TC_TRY(tc_iostream_read_until_close(stream, on_all, side));
    side->owed++;
    return tc_iostream_shutdown(stream);
}

static void calm(void) {
    allow_allocations();
    memset(&trouble, 0, sizeof(trouble));
}

/* @return whether all went well */
static bool talk(void) {
    tc_iostream_t *pair[2];
    side_t sides[2] = { { 0 }, { 0 } };
    if (tc_iostream_pair(&pair[0], &pair[1], loop, NULL) < 0)
        return false;
    bool fine = true;
    for (int i = 0; i < 2 && fine; i++)
        fine = start_side(pair[i], &sides[i], i == 0) == 0;
    for (int i = 0; i < PATIENCE && fine && (sides[0].owed || sides[1].owed); i++)
        settle();
    for (int i = 0; i < 2; i++)
        tc_iostream_close(pair[i]);
    settle();
    for (int i = 0; i < 2; i++) {
        expect(sides[i].owed == 0);
        fine = fine && sides[i].failed == 0 && sides[i].len == LARGE;
    }
    expect(ERR_peek_error() == 0);
    return fine;
}

static long allocations; /* of the last try */

/* In a loop of its own. @return whether all went well at the first try */
static bool scenario(void) {
    if (tc_ioloop_new(&loop) < 0)
        return false;
    bool fine = talk();
    allocations = memory.calls;
    calm();
    expect(talk()); /* whatever it was: the next ones are served */
    tc_ioloop_free(loop);
    loop = NULL;
    log_lines = 0;
    return fine;
}

static void without_trouble_all_goes_well(void **state) {
    (void)state;
    assert_true(scenario());
    assert_int_equal(wrong, 0);
}

static void each_allocation_fails_in_turn(void **state) {
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++) {
        long nth = 0;
        do {
            nth += 1 + nth / 60;
            allocations = LONG_MAX; /* without a loop none are counted */
            fail_allocation(nth, for_good);
            scenario();
            assert_int_equal(wrong, 0);
        } while (allocations >= nth);
        assert_true(nth > 300);
    }
}

static void each_recv_and_send_fails_in_turn(void **state) {
    (void)state;
    static const int errors[] = { -ECONNRESET, -EPIPE, -EAGAIN };
    for (int recv = 0; recv < 2; recv++) {
        for (size_t e = 0; e < COUNT(errors); e++) {
            for (int nth = 1; nth < 200; nth++) {
                trouble.recv = recv;
                trouble.err = errors[e];
                trouble.fail_at = nth;
                bool fine = scenario();
                assert_int_equal(wrong, 0);
                if (fine && errors[e] != -EAGAIN)
                    break;
                assert_true(nth < 199 || errors[e] == -EAGAIN);
            }
        }
    }
}

static void a_flight_that_waits_and_then_fails_ends_the_handshake(void **state) {
    (void)state;
    static const int errors[] = { -EPIPE, -EPERM };
    for (size_t e = 0; e < COUNT(errors); e++) {
        tc_iostream_t *pair[2];
        side_t side = { 0 };
        assert_int_equal(tc_ioloop_new(&loop), 0);
        assert_int_equal(tc_iostream_pair(&pair[0], &pair[1], loop, NULL), 0);
        trouble.fail_at = 1;
        trouble.for_good = true;
        trouble.err = -EAGAIN;
        assert_int_equal(start_side(pair[1], &side, false), 0);
        settle();
        assert_true(tc__tls_pending(pair[1]));
        trouble.err = errors[e];
        settle();
        assert_true(tc_iostream_closed(pair[1]));
        assert_int_equal(tc_iostream_error(pair[1]), errors[e]);
        assert_int_equal(side.owed, 0);
        assert_int_equal(side.failed, 3);
        calm();
        for (int i = 0; i < 2; i++)
            tc_iostream_close(pair[i]);
        settle();
        tc_ioloop_free(loop);
    }
}

static void a_certificate_is_read_whole_or_not_at_all(void **state) {
    (void)state;
    tc_iostream_t *pair[2];
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_iostream_pair(&pair[0], &pair[1], loop, NULL), 0);
    for (int i = 0; i < 2; i++) {
        tc_iostream_tls_options_t options = { .tls = i == 0 ? server_tls : client_tls,
                                              .server_side = i == 0,
                                              .server_hostname = "example.com" };
        assert_int_equal(tc_iostream_start_tls(pair[i], &options, NULL, NULL), 0);
    }
    settle();
    int failures = 0;
    for (long nth = 1;; nth++) {
        tc_peer_certificate_t *certificate = NULL;
        fail_allocation(nth, false);
        int err = tc_iostream_peer_certificate(pair[1], &certificate);
        bool reached = memory.calls >= nth;
        allow_allocations();
        assert_int_equal(ERR_peek_error(), 0);
        assert_true(err == 0 || (err == TC_ENOMEM && !certificate));
        failures += err < 0;
        if (err == 0) {
            assert_string_equal(certificate->subject, "CN=example.com");
            assert_int_equal(certificate->name_count, 1);
        }
        tc_peer_certificate_free(certificate);
        if (!reached)
            break;
    }
    assert_true(failures > 5);
    for (int i = 0; i < 2; i++)
        tc_iostream_close(pair[i]);
    settle();
    tc_ioloop_free(loop);
}

static int prepare(void **state) {
    (void)state;
    transport = tc__memory_transport;
    transport.recv = trouble_recv;
    transport.sendv = trouble_sendv;
    certificate_make(&ca, NULL, &(certificate_spec_t){ .names = "Test CA", .ca = true });
    certificate_make(&server_certificate, &ca, &(certificate_spec_t){ .names = "example.com" });
    tc_tls_options_t server = { .certificate.cert = tc_str(server_certificate.cert_pem),
                                .certificate.key = tc_str(server_certificate.key_pem) };
    tc_tls_options_t client = { .ca = tc_str(ca.cert_pem) };
    int err = tc_tls_context_new_server(&server_tls, &server);
    err = err < 0 ? err : tc_tls_context_new_client(&client_tls, &client);
    scenario(); /* what OpenSSL makes once and keeps is made */
    return err;
}

static int clean_up(void **state) {
    (void)state;
    tc_tls_context_unref(server_tls);
    tc_tls_context_unref(client_tls);
    certificate_free(&ca);
    certificate_free(&server_certificate);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_trouble_all_goes_well),
        cmocka_unit_test(each_allocation_fails_in_turn),
        cmocka_unit_test(each_recv_and_send_fails_in_turn),
        cmocka_unit_test(a_flight_that_waits_and_then_fails_ends_the_handshake),
        cmocka_unit_test(a_certificate_is_read_whole_or_not_at_all),
    };
    if (!use_failing_memory_with_openssl())
        return 1;
    tc_set_log_callback(count_line, NULL);
    alarm(TEST_SECONDS);
    return cmocka_run_group_tests_name("tls, failing", tests, prepare, clean_up);
}
