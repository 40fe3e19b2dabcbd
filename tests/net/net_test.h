/*
 * net_test.h - what the tests of streams and servers share: a loop that is turned until something is true, pairs of
 * streams on every transport, a raw peer on a blocking socket, and a log that is counted.
 */
#ifndef TC_TESTS_NET_TEST_H
#define TC_TESTS_NET_TEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <tornadoc/log.h>
#include <tornadoc/tcpserver.h>

#include "async/ioloop_internal.h"
#include "net/iostream_struct_internal.h"
#include "net/netutil_internal.h"
#include "net/tcpserver_internal.h"
#ifdef NET_TEST_TLS
#include "net/tls_transport_internal.h"
#include "support/certificates.h"
#endif

/* ---- The loop: a test that waits in vain is ended by the alarm ---- */

enum { TEST_SECONDS = 600 }; /* for what hangs, not for what is slow */

static tc_ioloop_t *loop;

#define until(condition)                 \
    do {                                 \
        while (!(condition))             \
            tc__ioloop_turn(loop, true); \
    } while (0)

/* Whatever is ready now has run. */
static inline void settle(void) {
    for (int i = 0; i < 8; i++)
        tc__ioloop_turn(loop, false);
}

/* ---- The log: what was logged, and that nothing was which a test does not expect ---- */

static int log_lines;
static char last_line[512];

static inline void count_line(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    log_lines++;
    snprintf(last_line, sizeof(last_line), "%s", record->message);
}

static inline int setup(void **state) {
    (void)state;
    alarm(TEST_SECONDS);
    log_lines = 0;
    last_line[0] = '\0';
    return tc_ioloop_new(&loop);
}

static inline int teardown(void **state) {
    (void)state;
    tc_ioloop_free(loop);
    loop = NULL;
    alarm(0);
    if (log_lines > 0)
        print_error("unexpected in the log: %s\n", last_line);
    return log_lines > 0 ? -1 : 0;
}

static inline void expect_logged(int lines) {
    assert_int_equal(log_lines, lines);
    log_lines = 0;
}

/* ---- Pairs ---- */

typedef enum { MEMORY, UNIX_SOCKET, TCP_SOCKET, TRANSPORTS } transport_t;
static const char *const transport_names[] = { "memory", "unix", "tcp" };

static inline void tcp_pair(int fds[2]) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[0], (struct sockaddr *)&address, len), 0);
    fds[1] = accept(listener, NULL, NULL);
    assert_true(fds[1] >= 0);
    close(listener);
}

static inline void socket_pair(transport_t transport, int fds[2]) {
    if (transport == TCP_SOCKET)
        tcp_pair(fds);
    else
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
}

#ifdef NET_TEST_TLS /* the same tests again, over TLS */
static inline void speak_tls(tc_iostream_t *pair[2]) {
    static tc_tls_context_t *server, *client;
    if (!server) {
        static certificate_t own;
        certificate_make(&own, NULL, &(certificate_spec_t){ .names = "test" });
        assert_int_equal(
            tc_tls_context_new_server(&server, &(tc_tls_options_t){ .certificate.cert = tc_str(own.cert_pem),
                                                                    .certificate.key = tc_str(own.key_pem) }),
            0);
        assert_int_equal(tc_tls_context_new_client(&client, &(tc_tls_options_t){ .insecure_skip_verify = true }), 0);
    }
    assert_int_equal(
        tc_iostream_start_tls(pair[0], &(tc_iostream_tls_options_t){ .tls = server, .server_side = true }, NULL, NULL),
        0);
    assert_int_equal(tc_iostream_start_tls(pair[1], &(tc_iostream_tls_options_t){ .tls = client }, NULL, NULL), 0);
    until(pair[0]->tls->state == TC__TLS_OPEN && pair[1]->tls->state == TC__TLS_OPEN);
    settle();
}
#else
static inline void speak_tls(tc_iostream_t *pair[2]) {
    (void)pair;
}
#endif

static inline void stream_pair(transport_t transport, tc_iostream_t *pair[2], const tc_iostream_options_t *options) {
    if (transport == MEMORY) {
        assert_int_equal(tc_iostream_pair(&pair[0], &pair[1], loop, options), 0);
        speak_tls(pair);
        return;
    }
    int fds[2];
    socket_pair(transport, fds);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tc_iostream_new(&pair[i], loop, fds[i], options), 0);
    speak_tls(pair);
}

/* A stream, and a blocking socket at its other end. */
static inline tc_iostream_t *stream_and_peer(transport_t transport, int *peer, const tc_iostream_options_t *options) {
    int fds[2];
    tc_iostream_t *stream = NULL;
    socket_pair(transport, fds);
    assert_int_equal(tc_iostream_new(&stream, loop, fds[0], options), 0);
    *peer = fds[1];
    return stream;
}

static inline void peer_send(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        text += n;
        len -= (size_t)n;
    }
}

static inline void set_buffer(int fd, int name, int size) {
    assert_int_equal(setsockopt(fd, SOL_SOCKET, name, &size, sizeof(size)), 0);
}

static inline void reset_on_close(int fd) {
    struct linger linger = { 1, 0 };
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(fd);
}

/* ---- What callbacks saw ---- */

typedef struct {
    int calls;
    int err;
    char *data; /* the last read's, NUL behind it */
    size_t len;
    int order; /* of the last call, among all */
} seen_t;

static int order_now;

static inline void see(seen_t *seen, int err, tc_bytes_t data) {
    seen->calls++;
    seen->err = err;
    seen->order = ++order_now;
    free(seen->data);
    seen->data = malloc(data.len + 1);
    if (data.len > 0)
        memcpy(seen->data, data.data, data.len);
    seen->data[data.len] = '\0';
    seen->len = data.len;
}

static inline void on_read(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    (void)stream;
    see(user_data, err, data);
}

static inline void on_written(tc_iostream_t *stream, int err, void *user_data) {
    (void)stream;
    see(user_data, err, tc_str(""));
}

static inline void on_closed(tc_iostream_t *stream, int err, void *user_data) {
    (void)stream;
    see(user_data, err, tc_str(""));
}

static inline void forget(seen_t *seen) {
    free(seen->data);
    memset(seen, 0, sizeof(*seen));
}

static inline void assert_read(seen_t *seen, const char *text) {
    assert_int_equal(seen->err, 0);
    assert_string_equal(seen->data, text);
    forget(seen);
}

#endif
