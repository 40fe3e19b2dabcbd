/*
 * socket_transport.c - a stream on a non-blocking socket, driven by uv_poll_t.
 *
 * The descriptor is ours and so are recv and sendmsg; libuv says when. It is told of the descriptor when there is first
 * something to wait for: a connection whose request stands ready when it is accepted, and whose answer fits the socket,
 * comes and goes without libuv (uv_poll_init alone is three system calls).
 *
 *   TC__STREAM_HANGUP   UV_DISCONNECT: FIN, also while nothing is read
 *   TC__STREAM_FAILED   an error ends the watching (libuv stops the handle); asked for alone, when FIN is old news and
 *                       nobody reads, it is watched as UV_PRIORITIZED, since a handle without any interest sees no
 * reset
 *
 * TCP_NODELAY is set before the second send, or by the listening socket already.
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "net/netutil_internal.h"

static void apply_nodelay(tc_iostream_t *stream) {
    if (stream->nodelay_done)
        return;
    stream->nodelay_done = true;
    if (!stream->nodelay_off)
        tc__set_nodelay(stream->fd, true); /* a unix socket says no, and needs none */
}

static ssize_t socket_recv(tc_iostream_t *stream, void *buffer, size_t len) {
    return tc__recv(stream->fd, buffer, len);
}

static ssize_t socket_sendv(tc_iostream_t *stream, const struct iovec *iov, int count) {
    if (stream->sent)
        apply_nodelay(stream);
    stream->sent = true;
    return tc__sendv(stream->fd, iov, count);
}

static ssize_t socket_send_file(tc_iostream_t *stream, int file, uint64_t offset, size_t len) {
    if (stream->sent)
        apply_nodelay(stream);
    stream->sent = true;
    return tc__send_file(stream->fd, file, offset, len);
}

static size_t socket_in_flight(tc_iostream_t *stream) {
    int len = tc__in_flight(stream->fd);
    return len > 0 ? (size_t)len : 0;
}

static int socket_shutdown(tc_iostream_t *stream) {
    return tc__sys.shutdown(stream->fd, SHUT_WR) < 0 ? -errno : 0;
}

/* ---- Watching ---- */

static void on_poll(uv_poll_t *poll, int status, int uv_events) {
    tc_iostream_t *stream = tc__container_of(poll, tc_iostream_t, t.poll);
    unsigned events = 0;
    if (status < 0) {
        stream->watched = 0; /* libuv has stopped the handle */
        events = TC__STREAM_FAILED;
    }
    if (uv_events & UV_READABLE)
        events |= TC__STREAM_READABLE;
    if (uv_events & UV_WRITABLE)
        events |= TC__STREAM_WRITABLE;
    if (uv_events & UV_DISCONNECT)
        events |= TC__STREAM_HANGUP;
    if (uv_events & UV_PRIORITIZED) { /* an error; or both sides have ended, or urgent data: of no interest */
        int err = tc__socket_error(stream->fd);
        if (err < 0)
            stream->error = err;
        uv_poll_stop(poll);
        stream->watched = 0;
        stream->deaf = true;
        if (err < 0)
            events = TC__STREAM_FAILED;
    }
    tc__iostream_on_events(stream, events);
}

static int socket_watch(tc_iostream_t *stream, unsigned events) {
    if (!stream->polled) {
        int err = uv_poll_init(stream->loop->uv, &stream->t.poll, stream->fd);
        if (err < 0)
            return err;
        stream->polled = true;
    }
    int uv_events = 0;
    if (events & TC__STREAM_READABLE)
        uv_events |= UV_READABLE;
    if (events & TC__STREAM_WRITABLE)
        uv_events |= UV_WRITABLE;
    if (events & TC__STREAM_HANGUP)
        uv_events |= UV_DISCONNECT;
    if (events & TC__STREAM_FAILED)
        uv_events |= UV_PRIORITIZED;
    if (uv_events == 0)
        return uv_poll_stop(&stream->t.poll);
    return uv_poll_start(&stream->t.poll, uv_events, on_poll);
}

static void on_poll_closed(uv_handle_t *handle) {
    tc__iostream_released(tc__container_of((uv_poll_t *)handle, tc_iostream_t, t.poll));
}

static void socket_close(tc_iostream_t *stream) {
    if (stream->polled)
        uv_close((uv_handle_t *)&stream->t.poll, on_poll_closed);
    close(stream->fd); /* after uv_close, which takes it out of epoll */
    stream->fd = -1;
    if (!stream->polled)
        tc__iostream_released(stream);
}

static void socket_abort(tc_iostream_t *stream) {
    struct linger linger = { .l_onoff = 1, .l_linger = 0 }; /* close sends RST, and forgets what is unsent */
    tc__sys.setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

const tc__transport_t tc__socket_transport = {
    .recv = socket_recv,
    .sendv = socket_sendv,
    .send_file = socket_send_file,
    .in_flight = socket_in_flight,
    .shutdown = socket_shutdown,
    .watch = socket_watch,
    .close = socket_close,
    .abort = socket_abort,
};

tc_iostream_t *tc__socket_stream(tc_ioloop_t *loop, const tc_iostream_options_t *options) {
    return tc__iostream_alloc(loop, &tc__socket_transport, options);
}
