/*
 * iostream_events.c - what happens on the transport, told to the consumer: bytes, FIN, room for output, failure.
 *
 * Reading: the loop has one buffer for all streams, and a readable event means one recv into it (the events are
 * level-triggered, the rest is reported again). The bytes are given on from there; only what is left is copied.
 *
 * Interest is changed lazily, since that costs system calls: `paused` is a flag, and reading is given up only when an
 * event arrives that nobody wants. So a request answered before the next one comes costs none.
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>
#include <errno.h>

#include "net/netutil_internal.h"
#include "net/tls_transport_internal.h"

enum {
    HANGUP_ROUNDS = 4,  /* recvs of one event, if FIN stands behind the bytes */
    FAILED_ROUNDS = 256 /* … and if nothing will report them again */
};

/* ---- Calling the sink ---- */

static void enter(tc_iostream_t *stream) {
    stream->calls++;
    tc__iostream_cork(stream);
}

static void leave(tc_iostream_t *stream) {
    stream->calls--;
    tc__iostream_uncork(stream);
}

static bool has_kept(const tc_iostream_t *stream) {
    return tc__buffer_len(&stream->in) > 0;
}

/* Bytes from the loop's buffer, to a sink that has none kept. */
static void give(tc_iostream_t *stream, tc_bytes_t bytes) {
    tc__net_t *net = tc__iostream_net(stream);
    net->reading = true;
    enter(stream);
    size_t used = stream->sink->data(stream, stream->self, bytes);
    assert(used <= bytes.len);
    if (used < bytes.len && tc__iostream_open(stream)) {
        if (tc__buffer_append(&stream->in, bytes.data + used, bytes.len - used) < 0)
            tc__iostream_doom(stream, TC_ENOMEM);
        else if (!stream->paused) /* resumed inside the call */
            tc__iostream_soon(stream);
    }
    if (stream->loop) /* else it was freed by the sink, and `net` with it */
        net->reading = false;
    leave(stream);
}

/* What the sink left before. Closing frees it later than this call returns. */
static void give_kept(tc_iostream_t *stream) {
    tc_bytes_t bytes = tc__buffer_bytes(&stream->in);
    enter(stream);
    size_t used = stream->sink->data(stream, stream->self, bytes);
    assert(used <= bytes.len);
    if (tc__iostream_open(stream)) {
        tc__buffer_consume(&stream->in, used);
        if (!has_kept(stream))
            tc__buffer_deinit(&stream->in);
        else if (!stream->paused)
            tc__iostream_soon(stream);
    }
    leave(stream);
}

static void tell_hangup(tc_iostream_t *stream) {
    stream->hangup = true;
    if (stream->hangup_told || !tc__iostream_open(stream))
        return;
    stream->hangup_told = true;
    if (!stream->sink) {
        tc__read_hangup(stream);
        return;
    }
    enter(stream);
    stream->sink->hangup(stream, stream->self);
    leave(stream);
}

static void tell_eof(tc_iostream_t *stream) {
    stream->eof = true;
    tell_hangup(stream);
    if (stream->eof_told || !tc__iostream_open(stream))
        return;
    stream->eof_told = true;
    if (!stream->sink) {
        tc__read_eof(stream);
        return;
    }
    enter(stream);
    stream->sink->eof(stream, stream->self);
    leave(stream);
}

/* ---- Interest ---- */

static bool wants_bytes(const tc_iostream_t *stream) {
    return tc__iostream_open(stream) && !stream->paused && !stream->eof;
}

static unsigned wanted_events(const tc_iostream_t *stream) {
    unsigned events = 0;
    if (!stream->paused && !stream->eof)
        events |= TC__STREAM_READABLE;
    if (stream->want_write)
        events |= TC__STREAM_WRITABLE;
    if (stream->odd)
        events = tc__tls_interest(stream, events);
    if (stream->odd && stream->tls->state != TC__TLS_OPEN)
        return events; /* FIN is noticed by reading: it could be told to nobody */
    if (!stream->hangup)
        events |= TC__STREAM_HANGUP;
    else if (events == 0 && !stream->deaf)
        events |= TC__STREAM_FAILED;
    return events;
}

/* `unwanted` was reported and not dealt with: it would be reported again for ever. */
static void update_interest(tc_iostream_t *stream, unsigned unwanted) {
    const uint8_t usual = TC__STREAM_READABLE | TC__STREAM_HANGUP;
    if (unwanted == 0 && stream->watched == usual && !stream->paused && !stream->want_write && !stream->hangup &&
        !stream->odd)
        return; /* nearly always: the request was answered */
    if (stream->more && wants_bytes(stream))
        tc__iostream_soon(stream);
    unsigned wanted = wanted_events(stream);
    if (!(wanted & ~stream->watched) && !(unwanted & stream->watched & ~wanted))
        return;
    int err = stream->transport->watch(stream, wanted);
    if (err < 0)
        tc__iostream_doom(stream, err);
    else
        stream->watched = (uint8_t)wanted;
}

void tc__iostream_watch(tc_iostream_t *stream) {
    if (!stream->in_events && tc__iostream_open(stream))
        update_interest(stream, 0);
}

/* ---- Events ---- */

/* The peer may take the end of the connection for the end of what was sent to it: it shall be no clean one. */
static void lose(tc_iostream_t *stream, int err) {
    if (tc__iostream_open(stream))
        stream->transport->abort(stream);
    tc__iostream_fail(stream, err);
}

/* One recv, given on. Returns what it returned; -EAGAIN also where nothing can be taken now. */
static ssize_t receive(tc_iostream_t *stream) {
    tc__net_t *net = tc__iostream_net(stream);
    if (net->reading)
        return -EAGAIN;
    char *into = net->in;
    size_t room = stream->read_size;
    if (!stream->sink) {
        room = tc__read_room(stream, net->in, &into);
        if (room == 0)
            return -EAGAIN;
    }
    ssize_t n = stream->transport->recv(stream, into, room);
    if (n == 0)
        tell_eof(stream);
    else if (n > 0 && stream->sink)
        give(stream, tc_bytes(into, (size_t)n));
    else if (n > 0)
        tc__read_arrived(stream, tc_bytes(into, (size_t)n));
    else if (n != -EAGAIN)
        lose(stream, (int)n);
    return n;
}

static void on_readable(tc_iostream_t *stream, bool fin_behind) {
    if (stream->sink && has_kept(stream)) {
        give_kept(stream);
        return;
    }
    for (int round = 0; wants_bytes(stream); round++) {
        ssize_t n = receive(stream);
        if (n <= 0 || !fin_behind || round == HANGUP_ROUNDS || (stream->sink && has_kept(stream)))
            return;
    }
}

static void on_writable(tc_iostream_t *stream) {
    if (!stream->want_write)
        return;
    tc__queue_flush(stream);
    if (stream->queue || !tc__iostream_open(stream))
        return;
    if (stream->sink) {
        enter(stream);
        stream->sink->drained(stream, stream->self);
        leave(stream);
    }
}

/* What came before the reset can still be had by those who read; then the error is theirs. */
static void on_failed(tc_iostream_t *stream) {
    int err = stream->error;
    for (int round = 0; wants_bytes(stream) && round < FAILED_ROUNDS; round++) {
        if (stream->sink && has_kept(stream))
            give_kept(stream);
        else if (receive(stream) <= 0)
            break;
    }
    if (!tc__iostream_open(stream))
        return;
    if (err == 0 && stream->fd >= 0)
        err = tc__socket_error(stream->fd);
    lose(stream, err ? err : -ECONNRESET);
}

void tc__iostream_on_events(tc_iostream_t *stream, unsigned events) {
    if (!tc__iostream_open(stream))
        return;
    tc_iostream_ref(stream);
    stream->in_events = true;
    unsigned left = stream->tls ? tc__tls_on_events(stream, events) : events;
    if (left & TC__STREAM_FAILED && tc__iostream_open(stream))
        on_failed(stream);
    if (left & TC__STREAM_WRITABLE && tc__iostream_open(stream))
        on_writable(stream);
    if (left & TC__STREAM_READABLE && wants_bytes(stream)) {
        on_readable(stream, left & TC__STREAM_HANGUP);
        if (!stream->eof)
            events &= ~(unsigned)TC__STREAM_READABLE; /* something was taken: perhaps that was all there is */
    }
    if (left & TC__STREAM_HANGUP && tc__iostream_open(stream))
        tell_hangup(stream);
    stream->in_events = false;
    if (tc__iostream_open(stream))
        update_interest(stream, events);
    tc_iostream_unref(stream);
}

void tc__iostream_give_kept(tc_iostream_t *stream) {
    if (!stream->sink)
        tc__read_kept(stream);
    else if (!stream->paused && has_kept(stream))
        give_kept(stream);
}

/* ---- What the protocols ask for ---- */

void tc__iostream_pause(tc_iostream_t *stream) {
    if (stream->sink)
        stream->paused = true;
}

void tc__iostream_resume(tc_iostream_t *stream) {
    if (!stream->sink || !stream->paused || !tc__iostream_open(stream))
        return;
    stream->paused = false;
    if (has_kept(stream) || (stream->watched == 0 && !stream->in_events))
        tc__iostream_soon(stream); /* new ones too: first_read may follow, and make watching needless */
    else
        tc__iostream_watch(stream);
}

void tc__iostream_first_read(tc_iostream_t *stream) {
    if (!stream->sink || !tc__iostream_open(stream))
        return;
    tc_iostream_ref(stream);
    stream->paused = false;
    stream->in_events = true;
    receive(stream);
    stream->in_events = false;
    tc__iostream_watch(stream);
    tc_iostream_unref(stream);
}
