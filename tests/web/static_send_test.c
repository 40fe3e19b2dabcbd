/*
 * static_send_test.c - large files over real sockets: by the system, in rounds, never past a client that does not read,
 * and with nothing of the file system on the loop's thread. Over TLS, too, where they are read from the page cache.
 */
#include "net/netutil_internal.h"
#include <openssl/ssl.h>

#include "support/certificates.h"
#include "support/wire.h"
#include "web/static_test.h"

enum { LARGE = 3 * 1000 * 1000 };
static char large[LARGE];

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static wire_client_t wire;
static tc__sys_t real_sockets;

static int begin_sending(void **state) {
    alarm(600);
    real_sockets = tc__sys;
    return begin_static(state) < 0 ? -1 : tc_ioloop_new(&loop);
}

static void stop_server(void) {
    if (wire.fd > 0)
        wire_disconnect(&wire);
    memset(&wire, 0, sizeof wire);
    tc_httpserver_free(server);
    tc_ioloop_free(loop);
    server = NULL;
    loop = NULL;
}

static int end_sending(void **state) {
    stop_server();
    tc__sys = real_sockets;
    alarm(0);
    return end_static(state);
}

#define SEND_TEST(test) cmocka_unit_test_setup_teardown(test, begin_sending, end_sending)

/* ---- TLS ---- */

static certificate_t certificate;
static tc_tls_context_t *tls; /* NULL: in the clear */

static int begin_tls(void **state) {
    certificate_make(&certificate, NULL, &(certificate_spec_t){ .names = "localhost 127.0.0.1" });
    tc_tls_options_t options = { .certificate = { .cert = tc_str(certificate.cert_pem),
                                                  .key = tc_str(certificate.key_pem) } };
    if (begin_sending(state) < 0 || tc_tls_context_new_server(&tls, &options) < 0)
        return -1;
    wire_use_tls(TLS1_3_VERSION);
    return 0;
}

static int end_tls(void **state) {
    stop_server();
    tc_tls_context_unref(tls);
    tls = NULL;
    wire_use_tls(0);
    certificate_free(&certificate);
    return end_sending(state);
}

#define TLS_TEST(test) \
    { #test "_over_TLS", test, begin_tls, end_tls, NULL }

static void make_large(void) {
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)('!' + i % 89);
    make_bytes("large.bin", tc_bytes(large, LARGE));
}

static void listen_and_connect(void) {
    assert_int_equal(tc_httpserver_new(&server, loop, app, &(tc_httpserver_options_t){ .tls = tls }), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    wire_connect(&wire, tc_httpserver_port(server));
}

static void send_request(const char *text) {
    wire_send(&wire, loop, text, strlen(text));
}

/* At least so many bytes have come, or the end has. */
static void wait_for(size_t len) {
    while (wire.in_len < len && !wire.eof && !wire.reset)
        assert_true(wire_wait(&wire, loop));
}

/* The whole file, as the last of what came. */
static void wait_for_the_file(size_t before) {
    wait_for(before + LARGE + 1);
    const char *head = wire.in + before, *end = strstr(head, "\r\n\r\n");
    assert_non_null(end);
    wait_for((size_t)(end + 4 - wire.in) + LARGE);
    end = strstr(wire.in + before, "\r\n\r\n"); /* it may have moved */
    assert_int_equal(wire.in + wire.in_len - end - 4, LARGE);
    assert_memory_equal(end + 4, large, LARGE);
}

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* ---- Which calls are made, and where ---- */

static atomic_size_t sent, read_ahead;
static atomic_int on_loop;
static pthread_t loop_thread;

static void look_where(void) {
    if (pthread_equal(pthread_self(), loop_thread))
        atomic_fetch_add(&on_loop, 1);
}
static ssize_t counted_sendfile(int fd, int file, uint64_t offset, size_t len) {
    ssize_t n = real_sockets.sendfile(fd, file, offset, len);
    atomic_fetch_add(&sent, n > 0 ? (size_t)n : 0);
    return n;
}
static int open_somewhere(const char *path, int flags, mode_t mode) {
    look_where();
    return real_calls.open(path, flags, mode);
}
static int open_beneath_somewhere(int dir, const char *path, int flags) {
    look_where();
    return real_calls.open_beneath(dir, path, flags);
}
static int openat_somewhere(int dir, const char *path, int flags) {
    look_where();
    return real_calls.openat(dir, path, flags);
}
static int fstat_somewhere(int fd, struct stat *out) {
    look_where();
    return real_calls.fstat(fd, out);
}
static ssize_t pread_somewhere(int fd, void *out, size_t len, uint64_t at) {
    if (!tls) /* else it comes from the page cache */
        look_where();
    atomic_fetch_add(&read_ahead, len);
    return real_calls.pread(fd, out, len, at);
}
static ssize_t not_in_memory(int fd, void *out, size_t len, uint64_t at) {
    (void)fd, (void)out, (void)len, (void)at;
    errno = EAGAIN;
    return -1;
}

static void watch_calls(void) {
    loop_thread = pthread_self();
    atomic_store(&sent, 0);
    atomic_store(&read_ahead, 0);
    atomic_store(&on_loop, 0);
    tc__sys.sendfile = counted_sendfile;
    tc__file_sys.open = open_somewhere;
    tc__file_sys.open_beneath = open_beneath_somewhere;
    tc__file_sys.openat = openat_somewhere;
    tc__file_sys.fstat = fstat_somewhere;
    tc__file_sys.pread = pread_somewhere;
}

/* ---- Tests ---- */

static void a_large_file_is_sent_by_the_system(void **state) {
    (void)state;
    make_large();
    watch_calls();
    serve_folder();
    listen_and_connect();
    send_request(REQUEST("/s/large.bin"));
    wait_for_the_file(0);
    assert_int_equal(atomic_load(&sent), LARGE);
}

static void several_large_answers_follow_one_another(void **state) {
    (void)state;
    make_large();
    serve_folder();
    listen_and_connect();
    send_request(REQUEST("/s/large.bin")
                     REQUEST("/s/none") "GET /s/large.bin HTTP/1.1\r\nHost: x\r\nRange: bytes=1000000-\r\n\r\n"
                                        "HEAD /s/large.bin HTTP/1.1\r\nHost: x\r\n\r\n"
                                        "GET /s/large.bin HTTP/1.0\r\n\r\n");
    while (!wire.eof && !wire.reset)
        assert_true(wire_wait(&wire, loop));
    wire_answers_t answers;
    wire_parse(&answers, wire.in, wire.in_len, true, "200 404 206 200h 200");
    assert_null(answers.fault);
    assert_string_equal(answers.statuses, "200 404 206 200h 200");
    assert_memory_equal(wire.in + wire.in_len - LARGE, large, LARGE);
}

static void nothing_of_the_file_system_happens_on_the_loop(void **state) {
    (void)state;
    make_large();
    make("a.txt", "hello");
    make("a.txt.gz", "gzip");
    make_folder("sub");
    make("sub/x", "x");
    watch_calls();
    serve_with(OPTIONS(.precompressed = true, .listing = true, .recheck_ms = 1));
    listen_and_connect();
    send_request(REQUEST("/s/a.txt") REQUEST("/s/sub") REQUEST("/s/sub/") REQUEST("/s/none") REQUEST("/s/large.bin?v=1")
                     REQUEST("/s/a.txt") "GET /s/large.bin HTTP/1.0\r\n\r\n");
    while (!wire.eof && !wire.reset)
        assert_true(wire_wait(&wire, loop));
    assert_memory_equal(wire.in + wire.in_len - LARGE, large, LARGE);
    assert_int_equal(atomic_load(&on_loop), 0);
}

static void what_is_not_in_memory_is_read_by_a_thread_first(void **state) {
    (void)state;
    make_large();
    watch_calls();
    tc__file_sys.pread_nowait = not_in_memory;
    serve_folder();
    listen_and_connect();
    send_request(REQUEST("/s/large.bin"));
    wait_for_the_file(0);
    assert_true(atomic_load(&read_ahead) >= LARGE);
    assert_int_equal(atomic_load(&on_loop), 0);
}

static tc_request_t *held; /* the request that is being answered */
static int hold(tc_request_t *req, const char *name, void *user_data) {
    (void)name, (void)user_data;
    held = req;
    return 0;
}

/* As a socket whose peer does not read. */
static size_t most_taken;
static ssize_t full_after_a_while(int fd, int file, uint64_t offset, size_t len) {
    if (atomic_load(&sent) >= most_taken) {
        errno = EAGAIN;
        return -1;
    }
    return counted_sendfile(fd, file, offset, len);
}

static void a_client_that_does_not_read_holds_a_round_at_most(void **state) {
    (void)state;
    make_large();
    serve_with(OPTIONS(.set_extra_headers = hold));
    atomic_store(&sent, 0);
    tc__sys.sendfile = full_after_a_while;
    most_taken = 700 * 1000;
    listen_and_connect();
    send_request(REQUEST("/s/large.bin"));
    wait_for(700 * 1000);
    for (int i = 0; i < 100; i++) /* nothing moves any more */
        wire_turn(&wire, loop);
    assert_in_range(held->exchange->vtable->queued(held->exchange), 1, 512 * 1024);
    most_taken = SIZE_MAX;
    wait_for_the_file(0); /* it reads at last */
}

static void a_client_that_leaves_ends_it(void **state) {
    (void)state;
    make_large();
    serve_with(OPTIONS(.recheck_ms = 1));
    listen_and_connect();
    for (int i = 0; i < 20; i++) {
        send_request(REQUEST("/s/large.bin"));
        for (int turns = 0; turns < i; turns++) {
            tc__ioloop_turn(loop, false);
            usleep(200);
        }
        wire_disconnect(&wire);
        memset(&wire, 0, sizeof wire);
        wire_connect(&wire, tc_httpserver_port(server));
    }
    send_request(REQUEST("/s/large.bin"));
    wait_for_the_file(0);
}

static void a_server_may_end_in_the_middle(void **state) {
    (void)state;
    make_large();
    serve_folder();
    listen_and_connect();
    send_request(REQUEST("/s/large.bin"));
    for (int i = 0; i < 5; i++)
        tc__ioloop_turn(loop, false);
    stop_server();
}

static void a_file_that_shrinks_cuts_the_connection(void **state) {
    (void)state;
    make_large();
    serve_folder();
    listen_and_connect();
    send_request("HEAD /s/large.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    while (wire.in_len == 0)
        assert_true(wire_wait(&wire, loop));
    assert_int_equal(truncate(path_of("large.bin"), LARGE / 2), 0);
    send_request(REQUEST("/s/large.bin"));
    while (!wire.eof && !wire.reset)
        assert_true(wire_wait(&wire, loop));
    assert_true(wire.reset);
    forget_log();
}

static void a_file_that_is_replaced_is_sent_as_it_was(void **state) {
    (void)state;
    make_large();
    serve_folder();
    listen_and_connect();
    send_request(REQUEST("/s/large.bin"));
    while (wire.in_len == 0)
        assert_true(wire_wait(&wire, loop));
    make("new", "another");
    assert_int_equal(rename(path_of("new"), path_of("large.bin")), 0);
    wait_for_the_file(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SEND_TEST(a_large_file_is_sent_by_the_system),
        SEND_TEST(several_large_answers_follow_one_another),
        SEND_TEST(nothing_of_the_file_system_happens_on_the_loop),
        SEND_TEST(what_is_not_in_memory_is_read_by_a_thread_first),
        SEND_TEST(a_client_that_does_not_read_holds_a_round_at_most),
        SEND_TEST(a_client_that_leaves_ends_it),
        SEND_TEST(a_server_may_end_in_the_middle),
        SEND_TEST(a_file_that_shrinks_cuts_the_connection),
        SEND_TEST(a_file_that_is_replaced_is_sent_as_it_was),
        TLS_TEST(several_large_answers_follow_one_another),
        TLS_TEST(nothing_of_the_file_system_happens_on_the_loop),
        TLS_TEST(what_is_not_in_memory_is_read_by_a_thread_first),
        TLS_TEST(a_client_that_leaves_ends_it),
        TLS_TEST(a_server_may_end_in_the_middle),
        TLS_TEST(a_file_that_shrinks_cuts_the_connection),
        TLS_TEST(a_file_that_is_replaced_is_sent_as_it_was),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
