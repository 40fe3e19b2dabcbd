/*
 * memory_transport.c - two streams, each the other's peer, in memory: for tests, which choose when it blocks and fails.
 *
 * What one end sends stands in the other's `in` until it is received; `window` bytes fit. Events are level-triggered,
 * as those of a socket: an end's `soon` is queued when something may have become ready, reports what is, and queues
 * itself again while that is still so.
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>
#include <errno.h>

#include "net/tls_transport_internal.h"
#include "util/error_internal.h"

enum { DEFAULT_WINDOW = 65536 };

static size_t room(const tc__memory_end_t *end) {
    size_t used = tc__buffer_len(&end->in);
    return used < end->window ? end->window - used : 0;
}

static unsigned ready_events(const tc__memory_end_t *end) {
    unsigned events = 0;
    if (tc__buffer_len(&end->in) > 0 || end->fin || end->fail_recv)
        events |= TC__STREAM_READABLE;
    if (!end->peer || end->fail_send || room(&end->peer->t.memory) > 0)
        events |= TC__STREAM_WRITABLE;
    if (end->fin && !end->hangup_told)
        events |= TC__STREAM_HANGUP;
    return events & end->watched;
}

/* Is there something to report? */
static void consider(tc_iostream_t *stream) {
    tc__memory_end_t *end = &stream->t.memory;
    if (!stream->closed && end->watched && (end->reset || ready_events(end)))
        tc__soon_call(stream->loop, &end->soon);
}

static void report(tc__soon_t *soon) {
    tc__memory_end_t *end = tc__container_of(soon, tc__memory_end_t, soon);
    tc_iostream_t *stream = tc__container_of(end, tc_iostream_t, t.memory);
    if (stream->closed || !end->watched)
        return;
    unsigned events = ready_events(end);
    if (end->reset) {
        end->watched = 0;
        stream->watched = 0;
        events = TC__STREAM_FAILED;
    }
    if (events & TC__STREAM_HANGUP)
        end->hangup_told = true;
    tc_iostream_ref(stream);
    if (events)
        tc__iostream_on_events(stream, events);
    consider(stream);
    tc_iostream_unref(stream);
}

static int take_failure(int *err) {
    int taken = *err;
    *err = 0;
    return taken;
}

static ssize_t memory_recv(tc_iostream_t *stream, void *buffer, size_t len) {
    tc__memory_end_t *end = &stream->t.memory;
    if (end->fail_recv)
        return take_failure(&end->fail_recv);
    size_t n = tc__buffer_len(&end->in);
    if (n == 0)
        return end->reset ? -ECONNRESET : end->fin ? 0 : -EAGAIN;
    if (n > len)
        n = len;
    memcpy(buffer, end->in.data + end->in.start, n);
    tc__buffer_consume(&end->in, n);
    if (end->peer)
        consider(end->peer);
    return (ssize_t)n;
}

static ssize_t memory_sendv(tc_iostream_t *stream, const struct iovec *iov, int count) {
    tc__memory_end_t *end = &stream->t.memory;
    if (end->fail_send)
        return take_failure(&end->fail_send);
    if (end->reset)
        return -ECONNRESET;
    if (!end->peer || end->shut)
        return -EPIPE;
    tc__memory_end_t *other = &end->peer->t.memory;
    size_t sent = 0;
    for (int i = 0; i < count; i++) {
        size_t n = iov[i].iov_len < room(other) ? iov[i].iov_len : room(other);
        if (n == 0)
            continue;
        int err = tc__buffer_append(&other->in, iov[i].iov_base, n);
        if (err < 0) {
            if (sent > 0)
                break;
            return err;
        }
        sent += n;
        if (n < iov[i].iov_len)
            break;
    }
    if (sent == 0)
        return -EAGAIN;
    consider(end->peer);
    return (ssize_t)sent;
}

static size_t memory_in_flight(tc_iostream_t *stream) {
    const tc__memory_end_t *end = &stream->t.memory;
    return end->peer ? tc__buffer_len(&end->peer->t.memory.in) : 0;
}

static int memory_shutdown(tc_iostream_t *stream) {
    tc__memory_end_t *end = &stream->t.memory;
    end->shut = true;
    if (end->peer) {
        end->peer->t.memory.fin = true;
        consider(end->peer);
    }
    return 0;
}

static int memory_watch(tc_iostream_t *stream, unsigned events) {
    stream->t.memory.watched = (uint8_t)(events | TC__STREAM_FAILED);
    consider(stream);
    return 0;
}

static void part(tc_iostream_t *stream) {
    tc__memory_end_t *end = &stream->t.memory;
    if (!end->peer)
        return;
    end->peer->t.memory.peer = NULL;
    end->peer->t.memory.fin = true;
    consider(end->peer);
    end->peer = NULL;
}

static void memory_close(tc_iostream_t *stream) {
    part(stream);
    tc__soon_cancel(&stream->t.memory.soon);
    tc__buffer_deinit(&stream->t.memory.in);
    tc__iostream_released(stream);
}

static void memory_abort(tc_iostream_t *stream) {
    if (stream->t.memory.peer)
        stream->t.memory.peer->t.memory.reset = true;
}

const tc__transport_t tc__memory_transport = {
    .recv = memory_recv,
    .sendv = memory_sendv,
    .in_flight = memory_in_flight,
    .shutdown = memory_shutdown,
    .watch = memory_watch,
    .close = memory_close,
    .abort = memory_abort,
};

static tc_iostream_t *new_end(tc_ioloop_t *loop, const tc_iostream_options_t *options) {
    tc_iostream_t *stream = tc__iostream_alloc(loop, &tc__memory_transport, options);
    if (!stream)
        return NULL;
    tc__memory_end_t *end = &stream->t.memory;
    memset(end, 0, sizeof(*end));
    tc__buffer_init(&end->in, SIZE_MAX);
    tc__soon_init(&end->soon, report);
    end->window = DEFAULT_WINDOW;
    return stream;
}

int tc_iostream_pair(tc_iostream_t **out_a, tc_iostream_t **out_b, tc_ioloop_t *loop,
                     const tc_iostream_options_t *options) {
    if (!out_a || !out_b)
        return tc__misuse(TC_EINVAL, "tc_iostream_pair: out is NULL");
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    TC_TRY(tc__iostream_check_options(options));
    tc_iostream_t *a = new_end(loop, options), *b = new_end(loop, options);
    if (!a || !b) {
        tc__iostream_discard(a);
        tc__iostream_discard(b);
        return tc__fail(TC_ENOMEM, "out of memory for a pair of streams");
    }
    a->t.memory.peer = b;
    b->t.memory.peer = a;
    *out_a = a;
    *out_b = b;
    return 0;
}

/* For assertions only. */
static inline bool is_in_memory(const tc_iostream_t *stream) {
    const tc__transport_t *transport = stream->tls ? stream->tls->lower : stream->transport;
    return transport->watch == memory_watch; /* a test may have put its own in front of others */
}

void tc__memory_set_receive_window(tc_iostream_t *stream, size_t bytes) {
    assert(is_in_memory(stream));
    stream->t.memory.window = bytes;
    if (stream->t.memory.peer)
        consider(stream->t.memory.peer);
}

void tc__memory_set_window(tc_iostream_t *stream, size_t bytes) {
    assert(is_in_memory(stream));
    if (stream->t.memory.peer)
        tc__memory_set_receive_window(stream->t.memory.peer, bytes); /* it is the peer that keeps them */
}

void tc__memory_fail_send(tc_iostream_t *stream, int err) {
    assert(is_in_memory(stream));
    stream->t.memory.fail_send = err > 0 ? -err : err;
    consider(stream);
}

void tc__memory_fail_recv(tc_iostream_t *stream, int err) {
    assert(is_in_memory(stream));
    stream->t.memory.fail_recv = err > 0 ? -err : err;
    consider(stream);
}
