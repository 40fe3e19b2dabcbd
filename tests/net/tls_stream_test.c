/*
 * tls_stream_test.c - streams that speak TLS: in memory, where the test says how much passes and when it fails, and
 * over sockets.
 */
#include "net/net_test.h"

#include <openssl/err.h>

#include <tornadoc/interop.h>
#include <tornadoc/tcpclient.h>

#include "net/tls_transport_internal.h"
#include "support/certificates.h"
#include "util/util_test.h"

/* ---- Both sides ---- */

static certificate_t ca, server_certificate;
static tc_tls_context_t *server_tls, *client_tls;

static int make_contexts(void **state) {
    (void)state;
    certificate_make(&ca, NULL, &(certificate_spec_t){ .names = "Test CA", .ca = true });
    certificate_make(&server_certificate, &ca, &(certificate_spec_t){ .names = "example.com 127.0.0.1" });
    tc_tls_options_t server = { .certificate.cert = tc_str(server_certificate.cert_pem),
                                .certificate.key = tc_str(server_certificate.key_pem) };
    tc_tls_options_t client = { .ca = tc_str(ca.cert_pem) };
    return tc_tls_context_new_server(&server_tls, &server) < 0 || tc_tls_context_new_client(&client_tls, &client) < 0;
}

static int free_contexts(void **state) {
    (void)state;
    tc_tls_context_unref(server_tls);
    tc_tls_context_unref(client_tls);
    certificate_free(&ca);
    certificate_free(&server_certificate);
    return 0;
}

static const tc_iostream_tls_options_t *server_options(void) {
    static tc_iostream_tls_options_t options;
    options = (tc_iostream_tls_options_t){ .tls = server_tls, .server_side = true };
    return &options;
}

static const tc_iostream_tls_options_t *client_options(void) {
    static tc_iostream_tls_options_t options;
    options = (tc_iostream_tls_options_t){ .tls = client_tls, .server_hostname = "example.com" };
    return &options;
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
static int version = TLS1_3_VERSION; /* of pairs that are made */

static tc_iostream_t *server, *client; /* of the pair under test */

/* Both begin; nothing has happened yet. */
static void start_pair(transport_t transport, const tc_iostream_options_t *options) {
    tc_iostream_t *pair[2];
    stream_pair(transport, pair, options);
    server = pair[0];
    client = pair[1];
    assert_int_equal(tc_iostream_start_tls(server, server_options(), NULL, NULL), 0);
    assert_int_equal(tc_iostream_start_tls(client, client_options(), NULL, NULL), 0);
    SSL_set_max_proto_version(client->tls->ssl, version);
    SSL_set_min_proto_version(client->tls->ssl, version);
}

static bool is_open(const tc_iostream_t *stream) {
    return stream->tls->state == TC__TLS_OPEN;
}

static void open_pair(transport_t transport) {
    start_pair(transport, NULL);
    until(is_open(server) && is_open(client));
    settle();
}

static void close_pair(void) {
    tc_iostream_close(server);
    tc_iostream_close(client);
    settle();
    assert_int_equal(ERR_peek_error(), 0);
}

#define for_each_version() \
    for (size_t version_index = 0; version_index < 2 && (version = versions[version_index]); version_index++)

/* ---- What is above does not notice ---- */

static void a_line_goes_both_ways(void **state) {
    (void)state;
    for_each_version() {
        for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
            seen_t asked = { 0 }, answered = { 0 };
            start_pair(transport, NULL);
            assert_int_equal(tc_iostream_write(client, tc_str("hello\n"), NULL, NULL), 0);
            assert_int_equal(tc_iostream_read_until(server, tc_str("\n"), 0, on_read, &asked), 0);
            assert_int_equal(tc_iostream_read_until(client, tc_str("\n"), 0, on_read, &answered), 0);
            until(asked.calls);
            assert_read(&asked, "hello\n");
            assert_int_equal(tc_iostream_write(server, tc_str("good day\n"), NULL, NULL), 0);
            until(answered.calls);
            assert_read(&answered, "good day\n");
            close_pair();
        }
    }
}

/* ---- Much ---- */

enum { MUCH = 10 * 1024 * 1024 };

static char pattern_at(size_t i) {
    return (char)(i * 31 + i / 4093);
}

typedef struct {
    size_t len;
    bool wrong, ended;
    int err;
} taken_t;

static size_t take_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    taken_t *taken = self;
    (void)stream;
    for (size_t i = 0; i < bytes.len; i++)
        taken->wrong |= bytes.data[i] != pattern_at(taken->len + i);
    taken->len += bytes.len;
    return bytes.len;
}

static void take_nothing(tc_iostream_t *stream, void *self) {
    (void)stream, (void)self;
}

static void take_end(tc_iostream_t *stream, void *self) {
    (void)stream;
    ((taken_t *)self)->ended = true;
}

static void take_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    ((taken_t *)self)->err = err;
}

static const tc__stream_sink_t take_sink = { take_data, take_nothing, take_end, take_nothing, take_closed };

/* `len` bytes each way at once, in writes of `piece`. */
static void exchange(size_t len, size_t piece) {
    static taken_t taken[2]; /* told of the close, too */
    tc_iostream_t *streams[2] = { server, client };
    memset(taken, 0, sizeof(taken));
    char *data = malloc(piece);
    for (int i = 0; i < 2; i++) {
        tc__iostream_set_sink(streams[i], &take_sink, &taken[i]);
        tc__iostream_resume(streams[i]);
    }
    for (size_t at = 0; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        for (size_t i = 0; i < n; i++)
            data[i] = pattern_at(at + i);
        for (int i = 0; i < 2; i++)
            assert_int_equal(tc_iostream_write(streams[i], tc_bytes(data, n), NULL, NULL), 0);
    }
    free(data);
    until(taken[0].len >= len && taken[1].len >= len);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(taken[i].len, len);
        assert_false(taken[i].wrong);
        assert_int_equal(tc_iostream_write_queue_size(streams[i]), 0);
        assert_false(tc__tls_pending(streams[i]));
    }
}

static void ten_megabytes_go_both_ways_at_once(void **state) {
    (void)state;
    for_each_version() {
        for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
            start_pair(transport, NULL);
            exchange(MUCH, 1000003);
            close_pair();
        }
    }
}

static void a_transport_that_takes_a_byte_at_a_time_will_do(void **state) {
    (void)state;
    for_each_version() {
        for (size_t window = 1; window <= 5; window += 4) {
            start_pair(MEMORY, NULL);
            tc__memory_set_window(server, window);
            tc__memory_set_window(client, window);
            exchange(3000, 7);
            close_pair();
        }
    }
}

/* ---- Records ---- */

static int records;

static void count_records(int written, int tls_version, int type, const void *data, size_t len, SSL *ssl, void *arg) {
    (void)tls_version, (void)len, (void)ssl, (void)arg;
    records += written && type == SSL3_RT_HEADER && *(const uint8_t *)data == SSL3_RT_APPLICATION_DATA;
}

static void many_small_writes_become_few_records(void **state) {
    (void)state;
    for_each_version() {
        seen_t seen = { 0 };
        open_pair(MEMORY);
        records = 0;
        SSL_set_msg_callback(server->tls->ssl, count_records);
        tc__iostream_cork(server);
        for (int i = 0; i < 300; i++)
            assert_int_equal(tc_iostream_write(server, tc_str("0123456789"), NULL, NULL), 0);
        tc__iostream_uncork(server);
        assert_int_equal(records, 1);

        static char large[100000];
        tc__segment_t segments[] = { { tc_str("head"), NULL, NULL },
                                     { tc_str("more"), NULL, NULL },
                                     { tc_bytes(large, 40000), NULL, NULL } };
        assert_int_equal(tc__iostream_sendv(server, segments, 3), 0);
        assert_int_equal(tc_iostream_read_bytes(client, 43008, false, on_read, &seen), 0);
        until(seen.calls);
        assert_int_equal(seen.err, 0);
        assert_int_equal(records, 4);
        forget(&seen);
        close_pair();
    }
}

static void what_openssl_holds_comes_without_another_event(void **state) {
    (void)state;
    for_each_version() {
        static char got[3000];
        seen_t seen = { 0 };
        char text[3001];
        open_pair(MEMORY);
        for (int i = 0; i < 3000; i++)
            text[i] = (char)('a' + i % 26);
        assert_int_equal(tc_iostream_write(client, tc_bytes(text, 2000), NULL, NULL), 0);
        assert_int_equal(tc_iostream_write(client, tc_bytes(text + 2000, 1000), NULL, NULL), 0);
        for (int i = 0; i < 3000; i += 50) {
            assert_int_equal(tc_iostream_read_into(server, got + i, 50, false, on_read, &seen), 0);
            until(seen.calls);
            forget(&seen);
        }
        assert_memory_equal(got, text, 3000);
        assert_false(server->more);
        close_pair();
    }
}

static void input_that_stands_in_the_shared_buffer_makes_room_for_other_streams(void **state) {
    (void)state;
    seen_t seen = { 0 };
    char first[10], rest[90], text[101];
    memset(text, 'x', 100);
    open_pair(MEMORY);
    tc_iostream_t *server1 = server, *client1 = client;
    for (int i = 0; i < 10; i++)
        assert_int_equal(tc_iostream_write(client1, tc_bytes(text, 10), NULL, NULL), 0);
    assert_int_equal(tc_iostream_read_into(server1, first, 10, false, on_read, &seen), 0);
    until(seen.calls);
    forget(&seen);
    assert_true(server1->more);
    open_pair(MEMORY); /* another pair */
    assert_true(tc__buffer_len(&server1->tls->kept) > 0);
    close_pair();
    assert_int_equal(tc_iostream_read_into(server1, rest, 90, false, on_read, &seen), 0);
    until(seen.calls);
    assert_int_equal(seen.len, 90);
    forget(&seen);
    assert_null(server1->tls->kept.data);
    server = server1;
    client = client1;
    close_pair();
}

static void keys_are_updated_under_way(void **state) {
    (void)state;
    version = TLS1_3_VERSION;
    open_pair(MEMORY);
    assert_int_equal(SSL_key_update(client->tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    exchange(100000, 5000);
    assert_int_equal(SSL_key_update(server->tls->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    close_pair();
}

/* ---- The end ---- */

static void who_shuts_down_is_heard_to_have_ended_and_can_still_read(void **state) {
    (void)state;
    for_each_version() {
        for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
            seen_t all = { 0 }, answer = { 0 };
            open_pair(transport);
            assert_int_equal(tc_iostream_read_until_close(server, on_read, &all), 0);
            assert_int_equal(tc_iostream_read_until(client, tc_str("\n"), 0, on_read, &answer), 0);
            assert_int_equal(tc_iostream_write(client, tc_str("question"), NULL, NULL), 0);
            assert_int_equal(tc_iostream_shutdown(client), 0);
            assert_int_equal(tc_iostream_write(server, tc_str("answer\n"), NULL, NULL), 0);
            until(all.calls && answer.calls);
            assert_read(&all, "question");
            assert_read(&answer, "answer\n");
            close_pair();
        }
    }
}

static void shutdown_waits_for_the_handshake(void **state) {
    (void)state;
    seen_t all = { 0 };
    start_pair(MEMORY, NULL);
    assert_int_equal(tc_iostream_write(client, tc_str("all"), NULL, NULL), 0);
    assert_int_equal(tc_iostream_shutdown(client), 0);
    assert_int_equal(tc_iostream_shutdown(server), 0);
    assert_int_equal(tc_iostream_read_until_close(server, on_read, &all), 0);
    until(all.calls);
    assert_read(&all, "all");
    close_pair();
}

static void closing_says_so_to_the_peer(void **state) {
    (void)state;
    for_each_version() {
        seen_t all = { 0 };
        open_pair(MEMORY);
        assert_int_equal(tc_iostream_read_until_close(client, on_read, &all), 0);
        assert_int_equal(tc_iostream_write(server, tc_str("all"), NULL, NULL), 0);
        tc_iostream_close(server);
        until(all.calls);
        assert_read(&all, "all");
        tc_iostream_close(client);
        settle();
    }
}

static void a_connection_that_ends_without_close_notify_may_have_been_cut(void **state) {
    (void)state;
    for_each_version() {
        for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
            seen_t all = { 0 };
            open_pair(transport);
            assert_int_equal(tc_iostream_read_until_close(client, on_read, &all), 0);
            assert_int_equal(tc_iostream_write(server, tc_str("half of"), NULL, NULL), 0);
            assert_int_equal(server->tls->lower->shutdown(server), 0);
            until(all.calls);
            assert_int_equal(all.err, TC_ETLS);
            assert_string_equal(all.data, "half of");
            assert_non_null(strstr(tc_error_detail(), "close_notify"));
            forget(&all);
            close_pair();
        }
    }
}

static void who_knows_the_length_ends_as_without_tls(void **state) {
    (void)state;
    seen_t line = { 0 }, closed = { 0 };
    open_pair(MEMORY);
    tc_iostream_set_close_callback(client, on_closed, &closed);
    assert_int_equal(tc_iostream_read_until(client, tc_str("\n"), 0, on_read, &line), 0);
    assert_int_equal(server->tls->lower->shutdown(server), 0);
    until(closed.calls);
    assert_int_equal(line.err, TC_ECLOSED);
    assert_int_equal(closed.err, 0);
    forget(&line);
    forget(&closed);
    close_pair();
}

static void closing_with_output_left_is_no_clean_end(void **state) {
    (void)state;
    static char large[300000];
    seen_t all = { 0 };
    open_pair(MEMORY);
    assert_int_equal(tc_iostream_write(server, tc_bytes(large, sizeof(large)), NULL, NULL), 0);
    tc_iostream_close(server);
    assert_int_equal(tc_iostream_read_until_close(client, on_read, &all), 0);
    until(all.calls);
    assert_int_equal(all.err, TC_ETLS);
    forget(&all);
    tc_iostream_close(client);
    settle();
}

static void the_last_write_is_told_when_the_system_has_all_of_it(void **state) {
    (void)state;
    seen_t written = { 0 }, read = { 0 };
    open_pair(MEMORY);
    tc__memory_set_window(server, 10);
    assert_int_equal(tc_iostream_write(server, tc_str("some bytes"), on_written, &written), 0);
    settle();
    assert_int_equal(written.calls, 0);
    assert_true(tc_iostream_writing(server));
    assert_int_equal(tc_iostream_write_queue_size(server), 1);
    tc__iostream_close_when_written(server);
    settle();
    assert_false(tc_iostream_closed(server));
    assert_int_equal(tc_iostream_read_until_close(client, on_read, &read), 0);
    until(read.calls);
    assert_int_equal(written.calls, 1);
    assert_read(&read, "some bytes");
    forget(&written);
    close_pair();
}

/* ---- Handshakes that fail ---- */

typedef struct {
    int calls, err;
    char detail[512];
} outcome_t;

static void on_handshake(tc_iostream_t *stream, int err, void *user_data) {
    outcome_t *outcome = user_data;
    (void)stream;
    outcome->calls++;
    outcome->err = err;
    snprintf(outcome->detail, sizeof(outcome->detail), "%s", err < 0 ? tc_error_detail() : "");
}

/* What both sides make of it, with a client's options. */
static void shake(transport_t transport, const tc_iostream_tls_options_t *options, outcome_t outcomes[2]) {
    tc_iostream_t *pair[2];
    memset(outcomes, 0, 2 * sizeof(*outcomes));
    stream_pair(transport, pair, NULL);
    server = pair[0];
    client = pair[1];
    assert_int_equal(tc_iostream_start_tls(server, server_options(), on_handshake, &outcomes[0]), 0);
    assert_int_equal(tc_iostream_start_tls(client, options, on_handshake, &outcomes[1]), 0);
    SSL_set_max_proto_version(client->tls->ssl, version);
    until(outcomes[0].calls && outcomes[1].calls);
    settle();
    assert_int_equal(outcomes[0].calls, 1);
    assert_int_equal(outcomes[1].calls, 1);
}

/* One line, unless there were more than one may see in a second. */
static void expect_failure_logged(const char *words) {
    assert_true(log_lines <= 1);
    if (log_lines > 0)
        assert_non_null(strstr(last_line, words));
    log_lines = 0;
}

static void both_sides_are_told_when_the_handshake_is_done(void **state) {
    (void)state;
    for_each_version() {
        for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
            outcome_t outcomes[2];
            shake(transport, client_options(), outcomes);
            assert_int_equal(outcomes[0].err, 0);
            assert_int_equal(outcomes[1].err, 0);
            close_pair();
        }
    }
}

static void a_client_that_is_not_convinced_closes_and_both_know_why(void **state) {
    (void)state;
    for_each_version() {
        outcome_t outcomes[2];
        tc_iostream_tls_options_t options = *client_options();
        options.server_hostname = "example.org";
        shake(MEMORY, &options, outcomes);
        assert_int_equal(outcomes[1].err, TC_ETLS);
        assert_string_equal(outcomes[1].detail, "TLS handshake: certificate verify failed (hostname mismatch)");
        assert_int_equal(tc_iostream_error(client), TC_ETLS);
        assert_true(tc_iostream_closed(server));
        assert_int_equal(tc_iostream_error(server), TC_ETLS);
        assert_int_equal(outcomes[0].err, TC_ETLS);
        assert_non_null(strstr(outcomes[0].detail, "bad certificate"));
        expect_failure_logged("TLS handshake: sslv3 alert bad certificate"); /* the server's */
        close_pair();
    }
}

static void a_callback_is_told_too_when_the_stream_is_closed_instead(void **state) {
    (void)state;
    outcome_t outcome = { 0 };
    start_pair(MEMORY, NULL);
    tc_iostream_close(client);
    assert_int_equal(tc_iostream_wait_for_handshake(server, on_handshake, &outcome), 0);
    until(outcome.calls);
    assert_int_equal(outcome.err, TC_ETLS);
    assert_string_equal(outcome.detail, "TLS handshake: the peer closed the connection");
    tc_iostream_close(server);
    start_pair(MEMORY, NULL);
    assert_int_equal(tc_iostream_wait_for_handshake(server, on_handshake, &outcome), 0);
    tc_iostream_close(server);
    until(outcome.calls == 2);
    assert_int_equal(outcome.err, TC_ECLOSED);
    tc_iostream_close(client);
    settle();
}

/* A server with TLS, and a client that writes what it likes. */
static tc_iostream_t *start_server(transport_t transport, const char *plain_answer, uint64_t timeout_ms) {
    tc_iostream_t *pair[2];
    stream_pair(transport, pair, NULL);
    server = pair[0];
    client = pair[1];
    assert_int_equal(tc__tls_start(server, &(tc__tls_params_t){ .context = server_tls,
                                                                .server = true,
                                                                .handshake_timeout_ms = timeout_ms,
                                                                .plain_answer = plain_answer }),
                     0);
    return client;
}

static void what_is_no_tls_is_refused(void **state) {
    (void)state;
    static const char *const openings[] = { "\1\2\3\4\5\6\7\10", "\26\3\1\377\377\1\1\1\1", "\25\3\1\377\2\2\2",
                                            "\200\56\1\3\1\0\25" };
    for (size_t i = 0; i < COUNT(openings); i++) {
        seen_t closed = { 0 };
        start_server(MEMORY, NULL, 0);
        tc_iostream_set_close_callback(server, on_closed, &closed);
        assert_int_equal(tc_iostream_write(client, tc_str(openings[i]), NULL, NULL), 0);
        tc_iostream_shutdown(client);
        until(closed.calls);
        assert_int_equal(closed.err, TC_ETLS);
        forget(&closed);
        expect_failure_logged("TLS handshake: ");
        close_pair();
    }
}

static void a_client_without_tls_gets_an_answer_that_it_understands(void **state) {
    (void)state;
    static const char *const requests[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "D", "helo" };
    for (size_t i = 0; i < COUNT(requests); i++) {
        for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
            seen_t answer = { 0 }, closed = { 0 };
            start_server(transport, "use https\n", 0);
            tc_iostream_set_close_callback(server, on_closed, &closed);
            assert_int_equal(tc_iostream_write(client, tc_str(requests[i]), NULL, NULL), 0);
            assert_int_equal(tc_iostream_read_until(client, tc_str("\n"), 0, on_read, &answer), 0);
            until(answer.calls);
            assert_read(&answer, "use https\n");
            assert_int_equal(tc_iostream_write(client, tc_str("more of the request"), NULL, NULL), 0);
            settle();
            assert_int_equal(closed.calls, 0);
            tc_iostream_close(client);
            until(closed.calls);
            assert_int_equal(closed.err, TC_ETLS);
            forget(&closed);
            tc_iostream_close(server);
            settle();
            expect_failure_logged("does not speak TLS");
        }
    }
}

static int setup_virtual(void **state) {
    int err = setup(state);
    tc_ioloop_free(loop);
    return err < 0 ? err : tc__ioloop_new_virtual(&loop);
}

static void a_handshake_has_so_long_and_no_byte_gives_it_more(void **state) {
    (void)state;
    static const struct { uint64_t timeout_ms, allowed_ms; } cases[] = { { 0, 10000 }, { 300, 300 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        start_server(MEMORY, NULL, cases[i].timeout_ms);
        for (uint64_t ms = 0; ms < cases[i].allowed_ms - 100; ms += 100) {
            static const char record[100] = { 22, 3, 1, 63, 0 }; /* a long one */
            assert_int_equal(tc_iostream_write(client, tc_bytes(&record[ms / 100], 1), NULL, NULL), 0);
            tc__ioloop_advance(loop, 100);
        }
        tc__ioloop_advance(loop, 99);
        assert_false(tc_iostream_closed(server));
        tc__ioloop_advance(loop, 1);
        assert_true(tc_iostream_closed(server));
        assert_int_equal(tc_iostream_error(server), TC_ETIMEDOUT);
        expect_failure_logged("not done in time");
        tc_iostream_close(server);
        tc_iostream_close(client);
        tc__ioloop_advance(loop, 1);
    }
}

static void who_was_turned_away_has_two_seconds_to_leave(void **state) {
    (void)state;
    start_server(MEMORY, "use https\n", 0);
    tc_iostream_write(client, tc_str("GET"), NULL, NULL);
    tc__ioloop_advance(loop, 1999);
    assert_false(tc_iostream_closed(server));
    tc__ioloop_advance(loop, 1);
    assert_true(tc_iostream_closed(server));
    expect_failure_logged("does not speak TLS");
    tc_iostream_close(server);
    tc_iostream_close(client);
    tc__ioloop_advance(loop, 1);
}

static void once_open_no_deadline_is_left(void **state) {
    (void)state;
    start_pair(MEMORY, NULL);
    tc__ioloop_advance(loop, 60000);
    assert_true(is_open(server) && is_open(client));
    assert_false(tc_iostream_closed(server));
    tc_iostream_close(server);
    tc_iostream_close(client);
    tc__ioloop_advance(loop, 1);
}

/* ---- start_tls ---- */

static void plain_lines_come_first_and_then_tls(void **state) {
    (void)state;
    for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
        tc_iostream_t *pair[2];
        seen_t line = { 0 };
        stream_pair(transport, pair, NULL);
        server = pair[0];
        client = pair[1];
        assert_int_equal(tc_iostream_write(client, tc_str("STARTTLS\n"), NULL, NULL), 0);
        assert_int_equal(tc_iostream_read_until(server, tc_str("\n"), 0, on_read, &line), 0);
        until(line.calls);
        assert_read(&line, "STARTTLS\n");
        assert_int_equal(tc_iostream_write(server, tc_str("ready\n"), NULL, NULL), 0);
        tc_future_t *done = tc_iostream_start_tls_future(server, server_options());
        assert_int_equal(tc_iostream_read_until(client, tc_str("\n"), 0, on_read, &line), 0);
        until(line.calls);
        assert_read(&line, "ready\n");
        tc_future_t *client_done = tc_iostream_start_tls_future(client, client_options());
        until(tc_future_state(done) != TC_PENDING && tc_future_state(client_done) != TC_PENDING);
        assert_int_equal(tc_future_status(done), 0);
        assert_int_equal(tc_future_status(client_done), 0);
        tc_future_unref(done);
        tc_future_unref(client_done);
        exchange(1000, 100);
        close_pair();
    }
}

static void tls_begins_only_where_nothing_is_under_way(void **state) {
    (void)state;
    tc_iostream_t *pair[2];
    seen_t line = { 0 };
    stream_pair(MEMORY, pair, NULL);
    assert_int_equal(tc_iostream_start_tls(NULL, server_options(), NULL, NULL), TC_EINVAL);
    assert_int_equal(tc_iostream_start_tls(pair[0], NULL, NULL, NULL), TC_EINVAL);
    assert_int_equal(tc_iostream_start_tls(pair[0], &(tc_iostream_tls_options_t){ .server_side = true }, NULL, NULL),
                     TC_EINVAL);
    assert_int_equal(tc_iostream_wait_for_handshake(pair[0], on_handshake, NULL), TC_EINVAL);
    expect_logged(4);

    assert_int_equal(tc_iostream_read_until(pair[0], tc_str("\n"), 0, on_read, &line), 0);
    assert_int_equal(tc_iostream_start_tls(pair[0], server_options(), NULL, NULL), TC_EBUSY);
    assert_int_equal(tc_iostream_write(pair[1], tc_str("STARTTLS\nsmuggled"), NULL, NULL), 0);
    until(line.calls);
    forget(&line);
    assert_int_equal(tc_iostream_start_tls(pair[0], server_options(), NULL, NULL), TC_EBUSY);
    assert_non_null(strstr(tc_error_detail(), "before TLS"));

    tc__memory_set_window(pair[1], 0);
    assert_int_equal(tc_iostream_write(pair[1], tc_str("x"), NULL, NULL), 0);
    assert_int_equal(tc_iostream_start_tls(pair[1], client_options(), NULL, NULL), TC_EBUSY);
    tc_iostream_close(pair[0]);
    assert_int_equal(tc_iostream_start_tls(pair[0], server_options(), NULL, NULL), TC_ECLOSED);
    tc_iostream_close(pair[1]);
    settle();

    start_pair(MEMORY, NULL);
    assert_int_equal(tc_iostream_start_tls(client, client_options(), NULL, NULL), TC_EALREADY);
    close_pair();
}

static void a_wait_for_the_handshake_can_be_cancelled(void **state) {
    (void)state;
    start_pair(MEMORY, NULL);
    tc_future_t *future = tc_iostream_wait_for_handshake_future(server);
    tc_future_t *second = tc_iostream_wait_for_handshake_future(server);
    assert_int_equal(tc_future_status(second), TC_EBUSY);
    tc_future_cancel(future);
    assert_int_equal(tc_future_status(future), TC_ECANCELED);
    tc_future_unref(future);
    tc_future_unref(second);
    future = tc_iostream_wait_for_handshake_future(server);
    until(tc_future_state(future) != TC_PENDING);
    assert_int_equal(tc_future_status(future), 0);
    tc_future_unref(future);
    close_pair();
}

/* ---- Fairness, and peers that keep us busy ---- */

static void an_end_is_noticed_while_nobody_reads(void **state) {
    (void)state;
    for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
        seen_t closed = { 0 };
        open_pair(transport);
        tc_iostream_set_close_callback(server, on_closed, &closed);
        tc_iostream_close(client);
        until(closed.calls);
        assert_int_equal(closed.err, 0);
        forget(&closed);
        tc_iostream_close(server);
        settle();
    }
}

static void a_reset_is_told_as_one(void **state) {
    (void)state;
    for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
        seen_t read = { 0 }, closed = { 0 };
        if (transport == UNIX_SOCKET)
            continue;
        open_pair(transport);
        tc_iostream_set_close_callback(server, on_closed, &closed);
        assert_int_equal(tc_iostream_read_until(server, tc_str("\n"), 0, on_read, &read), 0);
        tc__iostream_abort(client);
        until(closed.calls);
        assert_int_equal(read.err, -ECONNRESET);
        assert_int_equal(closed.err, -ECONNRESET);
        forget(&read);
        forget(&closed);
        tc_iostream_close(server);
        settle();
    }
}

static int key_updates;

static void count_key_updates(int written, int tls_version, int type, const void *data, size_t len, SSL *ssl,
                              void *arg) {
    (void)tls_version, (void)ssl, (void)arg;
    key_updates += !written && type == SSL3_RT_HANDSHAKE && len > 0 && *(const uint8_t *)data == SSL3_MT_KEY_UPDATE;
}

static void records_without_data_have_a_share_of_each_turn_and_an_end(void **state) {
    (void)state;
    seen_t read = { 0 };
    version = TLS1_3_VERSION;
    open_pair(MEMORY);
    assert_int_equal(tc_iostream_read_until(server, tc_str("\n"), 0, on_read, &read), 0);
    SSL_set_msg_callback(server->tls->ssl, count_key_updates);
    key_updates = 0;
    int most = 0;
    tc__memory_set_window(client, 1 << 20);
    for (int i = 0; i < 10000 && !read.calls; i++) {
        int sent = 0; /* as many as come in one event */
        while (tc_iostream_write_queue_size(client) == 0 && sent++ < 1000) {
            tc__tls_turn_t turn = tc__tls_enter(client);
            SSL_key_update(client->tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
            SSL_do_handshake(client->tls->ssl);
            if (tc__tls_leave(client, turn) < 0)
                break;
        }
        int before = key_updates;
        tc__ioloop_turn(loop, false);
        most = key_updates - before > most ? key_updates - before : most;
    }
    assert_int_equal(read.err, TC_ETLS);
    assert_true(key_updates < 6000);
    assert_true(most > 0 && most <= 3 * 700); /* a turn of the loop looks at the ready queue up to three times */
    forget(&read);
    close_pair();
}

static void who_asks_for_renegotiation_is_told_no(void **state) {
    (void)state;
    version = TLS1_2_VERSION;
    open_pair(MEMORY);
    SSL_renegotiate(client->tls->ssl);
    tc__tls_turn_t turn = tc__tls_enter(client);
    SSL_do_handshake(client->tls->ssl);
    tc__tls_leave(client, turn);
    settle();
    seen_t read = { 0 };
    assert_int_equal(tc_iostream_read_until(server, tc_str("\n"), 0, on_read, &read), 0);
    settle();
    assert_int_equal(SSL_num_renegotiations(server->tls->ssl), 0);
    assert_int_equal(read.calls, 0);
    tc_iostream_close(client);
    until(read.calls);
    forget(&read);
    tc_iostream_close(server);
    settle();
}

static void a_session_is_taken_up_again(void **state) {
    (void)state;
    for_each_version() {
        open_pair(MEMORY);
        seen_t line = { 0 };
        assert_int_equal(tc_iostream_read_until(client, tc_str("\n"), 0, on_read, &line), 0);
        assert_int_equal(tc_iostream_write(server, tc_str("\n"), NULL, NULL), 0);
        until(line.calls); /* and the ticket in front of it */
        forget(&line);
        SSL_SESSION *session = SSL_get1_session(client->tls->ssl);
        assert_false(SSL_session_reused(server->tls->ssl));
        close_pair();
        start_pair(MEMORY, NULL);
        SSL_set_session(client->tls->ssl, session);
        until(is_open(server) && is_open(client));
        assert_true(SSL_session_reused(server->tls->ssl));
        assert_true(SSL_session_reused(client->tls->ssl));
        SSL_SESSION_free(session);
        close_pair();
    }
}

/* ---- Servers and clients ---- */

typedef struct {
    tc_iostream_t *stream;
    int calls;
} accepted_t;

static void on_accept(tc_tcpserver_t *tcpserver, tc_iostream_t *stream, const char *peer, void *user_data) {
    accepted_t *accepted = user_data;
    (void)tcpserver, (void)peer;
    accepted->calls++;
    tc_iostream_close(accepted->stream);
    accepted->stream = stream;
}

static tc_tcpserver_t *listen_tls(accepted_t *accepted) {
    tc_tcpserver_t *tcpserver = NULL;
    tc_tcpserver_options_t options = { .tls = server_tls };
    assert_int_equal(tc_tcpserver_new(&tcpserver, loop, &options, on_accept, accepted), 0);
    assert_int_equal(tc_tcpserver_listen(tcpserver, "127.0.0.1", TC_ANY_PORT), 0);
    return tcpserver;
}

static void talk(tc_iostream_t *ours, tc_iostream_t *theirs) {
    seen_t line = { 0 };
    assert_int_equal(tc_iostream_write(ours, tc_str("hello\n"), NULL, NULL), 0);
    assert_int_equal(tc_iostream_read_until(theirs, tc_str("\n"), 0, on_read, &line), 0);
    until(line.calls);
    assert_read(&line, "hello\n");
}

static void a_server_gives_out_streams_before_the_handshake_is_over(void **state) {
    (void)state;
    accepted_t accepted = { 0 };
    tc_tcpserver_t *tcpserver = listen_tls(&accepted);
    tc_iostream_connect_options_t options = { .tls = client_tls };
    tc_future_t *future = tc_iostream_connect_future(loop, "127.0.0.1", tc_tcpserver_port(tcpserver),
                                                     &options); /* it names that, too */
    until(accepted.calls);
    assert_false(is_open(accepted.stream));
    until(tc_future_state(future) != TC_PENDING);
    assert_int_equal(tc_future_status(future), 0);
    tc_iostream_t *stream = tc_future_take(future);
    assert_true(is_open(stream));
    talk(stream, accepted.stream);
    talk(accepted.stream, stream);
    tc_iostream_close(stream);
    tc_iostream_close(accepted.stream);
    tc_future_unref(future);
    tc_tcpserver_free(tcpserver);
    settle();
}

static void a_client_connects_by_name_and_checks_it(void **state) {
    (void)state;
    static const struct {
        const char *host, *server_hostname, *reason;
    } cases[] = { { "127.0.0.1", NULL, NULL },
                  { "localhost", "example.com", NULL },
                  { "localhost", NULL, "certificate verify failed (hostname mismatch)" } };
    accepted_t accepted = { 0 };
    tc_tcpserver_t *tcpserver = listen_tls(&accepted);
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc_tcpclient_options_t options = { .tls = client_tls, .server_hostname = cases[i].server_hostname };
        tc_future_t *future = tc_tcpclient_connect(loop, cases[i].host, tc_tcpserver_port(tcpserver), &options);
        until(tc_future_state(future) != TC_PENDING);
        if (cases[i].reason) {
            assert_int_equal(tc_future_status(future), TC_ETLS);
            assert_non_null(strstr(tc_future_message(future), cases[i].reason));
            until(tc_iostream_closed(accepted.stream));
            expect_failure_logged("127.0.0.1: TLS handshake: ");
        } else {
            assert_int_equal(tc_future_status(future), 0);
            tc_iostream_t *stream = tc_future_take(future);
            talk(stream, accepted.stream);
            tc_iostream_close(stream);
        }
        tc_future_unref(future);
    }
    tc_iostream_close(accepted.stream);
    tc_tcpserver_free(tcpserver);
    settle();
}

static void a_connection_is_given_up_in_the_middle_of_the_handshake(void **state) {
    (void)state;
    accepted_t accepted = { 0 };
    tc_tcpserver_t *tcpserver = listen_tls(&accepted);
    for (int how = 0; how < 2; how++) {
        tc_tcpclient_options_t options = { .tls = client_tls };
        tc_future_t *future = tc_tcpclient_connect(loop, "127.0.0.1", tc_tcpserver_port(tcpserver), &options);
        until(accepted.calls > how);
        if (how == 0) {
            tc_future_cancel(future);
            assert_int_equal(tc_future_status(future), TC_ECANCELED);
        }
        tc_future_unref(future);
        until(tc_iostream_closed(accepted.stream) || is_open(accepted.stream));
        log_lines = 0;
    }
    tc_iostream_close(accepted.stream);
    tc_tcpserver_free(tcpserver);
    settle();
    log_lines = 0;
}

/* ---- What was agreed on ---- */

static void what_the_handshake_agreed_on_can_be_read(void **state) {
    (void)state;
    static const char *const names[] = { "TLSv1.2", "TLSv1.3" };
    for_each_version() {
        start_pair(MEMORY, NULL);
        assert_null(tc_iostream_tls_version(server));
        until(is_open(server) && is_open(client));
        assert_string_equal(tc_iostream_tls_version(server), names[version_index]);
        assert_string_equal(tc_iostream_tls_version(client), names[version_index]);
        assert_string_equal(tc_iostream_tls_cipher(server), tc_iostream_tls_cipher(client));
        assert_string_equal(tc_iostream_tls_server_name(server), "example.com");
        assert_int_equal(tc_iostream_tls_alpn(server).len, 0);
        assert_false(tc_iostream_tls_session_reused(server));
        close_pair();
    }
}

static void the_peers_certificate_can_be_read(void **state) {
    (void)state;
    tc_peer_certificate_t *certificate = NULL;
    start_pair(MEMORY, NULL);
    assert_int_equal(tc_iostream_peer_certificate(client, &certificate), TC_EINVAL);
    until(is_open(server) && is_open(client));
    assert_int_equal(tc_iostream_peer_certificate(server, &certificate), TC_ENOENT);
    assert_int_equal(tc_iostream_peer_certificate(client, &certificate), 0);
    close_pair();
    assert_true(certificate->verified);
    assert_string_equal(certificate->subject, "CN=example.com");
    assert_string_equal(certificate->issuer, "CN=Test");
    assert_int_equal(certificate->name_count, 2);
    assert_string_equal(certificate->names[0], "DNS:example.com");
    assert_string_equal(certificate->names[1], "IP:127.0.0.1");
    assert_int_equal(strlen(certificate->sha256), 64);
    assert_true(certificate->not_before < time(NULL) && time(NULL) < certificate->not_after);
    assert_true(certificate->not_after - certificate->not_before < 20 * 86400);
    const unsigned char *der = (const unsigned char *)certificate->der.data;
    X509 *same = d2i_X509(NULL, &der, (long)certificate->der.len);
    assert_int_equal(X509_cmp(same, server_certificate.x509), 0);
    X509_free(same);
    tc_peer_certificate_free(certificate);
    tc_peer_certificate_free(NULL);
}

/* ---- The program's own SSL_CTX ---- */

/* With a server of that certificate callback; the client begins too. */
static tc_tls_context_t *start_with_callback(transport_t transport, int (*cb)(SSL *, void *)) {
    tc_iostream_t *pair[2];
    tc_tls_context_t *tls = NULL;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_cert_cb(ctx, cb, NULL);
    assert_int_equal(tc_tls_context_adopt(&tls, ctx), 0);
    SSL_CTX_free(ctx);
    stream_pair(transport, pair, NULL);
    server = pair[0];
    client = pair[1];
    tc_iostream_tls_options_t options = { .tls = tls, .server_side = true };
    assert_int_equal(tc_iostream_start_tls(server, &options, NULL, NULL), 0);
    assert_int_equal(tc_iostream_start_tls(client, client_options(), NULL, NULL), 0);
    SSL_set_max_proto_version(tc_iostream_ssl(client), version);
    return tls;
}

static struct {
    int calls;
    bool known;
    tc_iostream_t *stream;
} fetching;

static int fetch_certificate(SSL *ssl, void *arg) {
    (void)arg;
    fetching.calls++;
    fetching.stream = tc_iostream_from_ssl(ssl);
    if (!fetching.known)
        return -1;
    return SSL_use_certificate(ssl, server_certificate.x509) && SSL_use_PrivateKey(ssl, server_certificate.key);
}

static void a_callback_of_openssl_may_put_the_handshake_off(void **state) {
    (void)state;
    for_each_version() {
        memset(&fetching, 0, sizeof(fetching));
        tc_tls_context_t *tls = start_with_callback(TCP_SOCKET, fetch_certificate);
        until(fetching.calls == 1);
        settle();
        assert_int_equal(fetching.calls, 1);
        assert_ptr_equal(fetching.stream, server);
        if (version == TLS1_3_VERSION) { /* something comes that is to be ignored, and is not looked at yet */
            static char record[] = { 20, 3, 3, 0, 1, 1 };
            assert_int_equal(client->tls->lower->sendv(client, &(struct iovec){ record, sizeof(record) }, 1), 6);
            until(server->watched == 0);
            assert_int_equal(fetching.calls, 1);
        }
        fetching.known = true;
        tc_iostream_continue_handshake(server);
        until(is_open(server) && is_open(client));
        assert_int_equal(fetching.calls, 2);
        tc_iostream_continue_handshake(server);
        talk(client, server);
        close_pair();
        tc_tls_context_unref(tls);
    }
}

static int close_its_stream(SSL *ssl, void *arg) {
    (void)arg;
    tc_iostream_close(tc_iostream_from_ssl(ssl));
    return 1;
}

static void a_callback_of_openssl_may_close_its_stream(void **state) {
    (void)state;
    for_each_version() {
        tc_tls_context_t *tls = start_with_callback(MEMORY, close_its_stream);
        tc_iostream_ref(server);
        until(tc_iostream_closed(client));
        assert_true(tc_iostream_closed(server));
        assert_null(tc_iostream_ssl(server));
        tc_iostream_unref(server);
        tc_iostream_close(client);
        tc_tls_context_unref(tls);
        settle();
    }
}

static void fin_in_the_handshake_is_noticed_by_reading_alone(void **state) {
    (void)state;
    start_server(TCP_SOCKET, NULL, 0);
    settle();
    assert_int_equal(server->watched, TC__STREAM_READABLE);
    tc_iostream_close(client);
    until(tc_iostream_closed(server)); /* nothing was said, so nothing is logged */
    tc_iostream_close(server);
    settle();
}

/* OpenSSL's own client, in a process of its own: sends a line, prints what comes. */
static void s_client_talks_to_a_server(void **state) {
    (void)state;
    static const char *const options[] = { "-tls1_2", "-tls1_3" };
    if (system("command -v openssl >/dev/null") != 0)
        skip();
    for (size_t i = 0; i < COUNT(options); i++) {
        accepted_t accepted = { 0 };
        tc_tcpserver_t *tcpserver = listen_tls(&accepted);
        char command[300], printed[4096] = "";
        snprintf(command, sizeof(command), "echo hello | openssl s_client -quiet %s -connect 127.0.0.1:%d 2>&1",
                 options[i], tc_tcpserver_port(tcpserver));
        FILE *client_process = popen(command, "r");
        assert_non_null(client_process);
        seen_t line = { 0 };
        until(accepted.calls);
        assert_int_equal(tc_iostream_read_until(accepted.stream, tc_str("\n"), 0, on_read, &line), 0);
        until(line.calls);
        assert_read(&line, "hello\n");
        assert_int_equal(tc_iostream_write(accepted.stream, tc_str("good day\n"), NULL, NULL), 0);
        tc__iostream_close_when_written(accepted.stream);
        settle();
        size_t n = fread(printed, 1, sizeof(printed) - 1, client_process);
        printed[n] = '\0';
        pclose(client_process);
        assert_non_null(strstr(printed, "good day\n"));
        tc_iostream_close(accepted.stream);
        tc_tcpserver_free(tcpserver);
        settle();
    }
}

int main(void) {
    tc_set_log_callback(count_line, NULL);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define VIRTUAL(name) cmocka_unit_test_setup_teardown(name, setup_virtual, teardown)
        TEST(a_line_goes_both_ways),
        TEST(ten_megabytes_go_both_ways_at_once),
        TEST(a_transport_that_takes_a_byte_at_a_time_will_do),
        TEST(many_small_writes_become_few_records),
        TEST(what_openssl_holds_comes_without_another_event),
        TEST(input_that_stands_in_the_shared_buffer_makes_room_for_other_streams),
        TEST(keys_are_updated_under_way),
        TEST(who_shuts_down_is_heard_to_have_ended_and_can_still_read),
        TEST(shutdown_waits_for_the_handshake),
        TEST(closing_says_so_to_the_peer),
        TEST(a_connection_that_ends_without_close_notify_may_have_been_cut),
        TEST(who_knows_the_length_ends_as_without_tls),
        TEST(closing_with_output_left_is_no_clean_end),
        TEST(the_last_write_is_told_when_the_system_has_all_of_it),
        TEST(both_sides_are_told_when_the_handshake_is_done),
        TEST(a_client_that_is_not_convinced_closes_and_both_know_why),
        TEST(a_callback_is_told_too_when_the_stream_is_closed_instead),
        TEST(what_is_no_tls_is_refused),
        TEST(a_client_without_tls_gets_an_answer_that_it_understands),
        VIRTUAL(a_handshake_has_so_long_and_no_byte_gives_it_more),
        VIRTUAL(who_was_turned_away_has_two_seconds_to_leave),
        VIRTUAL(once_open_no_deadline_is_left),
        TEST(plain_lines_come_first_and_then_tls),
        TEST(tls_begins_only_where_nothing_is_under_way),
        TEST(a_wait_for_the_handshake_can_be_cancelled),
        TEST(an_end_is_noticed_while_nobody_reads),
        TEST(a_reset_is_told_as_one),
        TEST(records_without_data_have_a_share_of_each_turn_and_an_end),
        TEST(who_asks_for_renegotiation_is_told_no),
        TEST(a_session_is_taken_up_again),
        TEST(a_server_gives_out_streams_before_the_handshake_is_over),
        TEST(a_client_connects_by_name_and_checks_it),
        TEST(a_connection_is_given_up_in_the_middle_of_the_handshake),
        TEST(what_the_handshake_agreed_on_can_be_read),
        TEST(the_peers_certificate_can_be_read),
        TEST(a_callback_of_openssl_may_put_the_handshake_off),
        TEST(a_callback_of_openssl_may_close_its_stream),
        TEST(fin_in_the_handshake_is_noticed_by_reading_alone),
        TEST(s_client_talks_to_a_server),
    };
    return cmocka_run_group_tests_name("tls streams", tests, make_contexts, free_contexts);
}
