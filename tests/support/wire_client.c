/*
 * wire_client.c - the client of wire.h, in the clear or over TLS.
 *
 * Over TLS each piece that is sent is a record of its own; the end of the server's side is its close_notify, and FIN
 * without one is no better than a reset. Hands are shaken while the loop turns, as everything else is done.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "async/ioloop_internal.h"
#include "support/wire.h"

enum { PATIENCE_MS = 30000 };

static SSL_CTX *tls; /* NULL: in the clear */

void wire_use_tls(int version) {
    SSL_CTX_free(tls);
    tls = NULL;
    if (version == 0)
        return;
    tls = SSL_CTX_new(TLS_client_method());
    assert_non_null(tls);
    assert_true(SSL_CTX_set_min_proto_version(tls, version) && SSL_CTX_set_max_proto_version(tls, version));
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void begin_tls(wire_client_t *client) {
    assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
    client->ssl = SSL_new(tls);
    assert_non_null(client->ssl);
    assert_int_equal(SSL_set_fd(client->ssl, client->fd), 1);
    SSL_set_connect_state(client->ssl);
}

void wire_connect(wire_client_t *client, int port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memset(client, 0, sizeof(*client));
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client->fd >= 0);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    if (tls)
        begin_tls(client);
}

void wire_disconnect(wire_client_t *client) {
    struct linger linger = { 1, 0 };
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    SSL_free(client->ssl);
    client->ssl = NULL;
    close(client->fd);
    free(client->in);
    client->in = NULL;
}

/* What recv returns, and -EAGAIN; -EPROTO where the server's end is not a clean one. */
static ssize_t read_some(wire_client_t *client, char *into, size_t room) {
    if (!client->ssl) {
        ssize_t n = recv(client->fd, into, room, MSG_DONTWAIT);
        return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
    }
    ERR_clear_error();
    void (*before)(int) = signal(SIGPIPE, SIG_IGN); /* OpenSSL's own sockets raise it; the server's must not */
    int n = SSL_read(client->ssl, into, (int)room);
    signal(SIGPIPE, before);
    if (n > 0)
        return n;
    int why = SSL_get_error(client->ssl, n);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -EPROTO;
}

static void receive(wire_client_t *client) {
    while (!client->eof && !client->reset) {
        if (client->in_capacity < client->in_len + 65536 + 1) {
            client->in_capacity = client->in_capacity * 2 + 65536 + 1;
            client->in = realloc(client->in, client->in_capacity);
            assert_non_null(client->in);
        }
        ssize_t n = read_some(client, client->in + client->in_len, 65536);
        if (n == -EAGAIN)
            break;
        client->eof = n == 0;
        client->reset = n < 0;
        client->in_len += n > 0 ? (size_t)n : 0;
    }
    client->in[client->in_len] = '\0';
}

void wire_turn(wire_client_t *client, tc_ioloop_t *loop) {
    for (int i = 0; i < 3; i++)
        tc__ioloop_turn(loop, false);
    if (!client->eof && !client->reset)
        receive(client);
}

bool wire_wait_at_most(wire_client_t *client, tc_ioloop_t *loop, int ms) {
    size_t before = client->in_len;
    bool ended = client->eof || client->reset;
    wire_turn(client, loop);
    if (client->in_len > before || client->eof || client->reset)
        return !ended || client->in_len > before;
    struct pollfd fds[] = { { .fd = client->fd, .events = POLLIN },
                            { .fd = uv_backend_fd(loop->uv), .events = POLLIN } };
    int timeout = uv_backend_timeout(loop->uv);
    if (timeout < 0 || timeout > ms)
        timeout = ms;
    int ready = poll(fds, 2, timeout);
    wire_turn(client, loop);
    return ready > 0 || timeout < ms;
}

bool wire_wait(wire_client_t *client, tc_ioloop_t *loop) {
    return wire_wait_at_most(client, loop, PATIENCE_MS);
}

/* How much was taken, 0: nothing for now, -1: nothing ever more. */
static ssize_t write_some(wire_client_t *client, const char *data, size_t len) {
    if (!client->ssl) {
        ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        return n < 0 && errno == EAGAIN ? 0 : n;
    }
    ERR_clear_error();
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    int n = SSL_write(client->ssl, data, (int)len);
    signal(SIGPIPE, before);
    if (n > 0)
        return n;
    int why = SSL_get_error(client->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

size_t wire_send_some(wire_client_t *client, tc_ioloop_t *loop, const char *data, size_t len) {
    ssize_t n = write_some(client, data, len);
    client->refused = n < 0;
    wire_turn(client, loop);
    return n > 0 ? (size_t)n : 0;
}

void wire_send(wire_client_t *client, tc_ioloop_t *loop, const char *data, size_t len) {
    while (len > 0 && !client->refused && !client->eof && !client->reset) {
        size_t n = wire_send_some(client, loop, data, len);
        data += n;
        len -= n;
    }
}
