/*
 * iostream.c - a byte stream on a transport: its life, its events, its sink. (Tornado: iostream)
 *
 * A stream has one consumer: a sink (a protocol of this library), or single read operations (iostream_read.c). Output
 * is iostream_write.c's. This file brings the transport's events to them, and a closed stream to its end.
 *
 *   open --[tc__iostream_doom: a send failed, memory ran out]--> doomed --[ready queue]--> closed
 *   open --[tc__iostream_end: closed by us, reset, refused interest]---------------------> closed
 *   closed --[finish: pending reads and writes told, then the close callback, or the sink's `closed`]--> finished
 *
 * The descriptor is gone once a stream is closed; the memory goes with the last reference: tc_iostream_new's (given
 * back by tc_iostream_close; for a sink, by its `closed`), the transport's and, while it is queued, the ready queue's.
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
#include <unistd.h>

#include "net/netutil_internal.h"
#include "util/error_internal.h"

enum {
    DEFAULT_MAX_BUFFER = 100 * 1024 * 1024,
    DEFAULT_MAX_WRITE_BUFFER = 64 * 1024 * 1024,
    HANGUP_ROUNDS = 4,  /* recvs of one event, if FIN stands behind the bytes */
    FAILED_ROUNDS = 256 /* … and if nothing will report them again */
};

static void run_soon(tc__soon_t *soon);

static tc__net_t *net_of(const tc_iostream_t *stream) {
    return tc__ioloop_local(stream->loop, TC__LOCAL_NET);
}

/* ---- Memory ---- */

int tc__iostream_check_options(const tc_iostream_options_t *options) {
    if (options && !tc__all_zero(options->reserved, sizeof(options->reserved)))
        return tc__misuse(TC_EINVAL, "tc_iostream_options_t: reserved is not zero (is the struct initialised?)");
    return 0;
}

tc_iostream_t *tc__iostream_alloc(tc_ioloop_t *loop, const tc__transport_t *transport,
                                  const tc_iostream_options_t *options) {
    tc__net_t *net = tc__net(loop);
    tc_iostream_t *stream = net ? tc__malloc(sizeof(*stream)) : NULL;
    if (!stream)
        return NULL;
    memset((char *)stream + sizeof(stream->t), 0, sizeof(*stream) - sizeof(stream->t));
    stream->transport = transport;
    stream->loop = loop;
    tc__list_push(&net->streams, &stream->node);
    tc__soon_init(&stream->soon, run_soon);
    tc__buffer_init(&stream->in,
                    options && options->max_buffer_size ? options->max_buffer_size : (size_t)DEFAULT_MAX_BUFFER);
    stream->max_queued = options && options->max_write_buffer_size ? options->max_write_buffer_size
                                                                   : (size_t)DEFAULT_MAX_WRITE_BUFFER;
    stream->fd = -1;
    stream->refs = 2;
    stream->paused = true;
    return stream;
}

static void destroy(tc_iostream_t *stream) {
    tc__list_remove(&stream->node);
    tc__buffer_deinit(&stream->in);
    tc__free(stream->ops);
    tc__free(stream);
}

void tc__iostream_discard(tc_iostream_t *stream) {
    if (stream)
        destroy(stream);
}

tc_iostream_t *tc_iostream_ref(tc_iostream_t *stream) {
    if (stream)
        stream->refs++;
    return stream;
}

void tc_iostream_unref(tc_iostream_t *stream) {
    if (!stream)
        return;
    assert(stream->refs > 0);
    if (--stream->refs == 0)
        destroy(stream);
}

void tc__iostream_released(tc_iostream_t *stream) {
    tc_iostream_unref(stream);
}

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
    tc__net_t *net = net_of(stream);
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

static unsigned wanted_events(const tc_iostream_t *stream) {
    unsigned events = 0;
    if (!stream->paused && !stream->eof)
        events |= TC__STREAM_READABLE;
    if (stream->want_write)
        events |= TC__STREAM_WRITABLE;
    if (!stream->hangup)
        events |= TC__STREAM_HANGUP;
    else if (events == 0 && !stream->deaf)
        events |= TC__STREAM_FAILED;
    return events;
}

/* `unwanted` was reported and not dealt with: it would be reported again for ever. */
static void update_interest(tc_iostream_t *stream, unsigned unwanted) {
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

/* One recv, given on. Returns what it returned; -EAGAIN also where nothing can be taken now. */
static ssize_t receive(tc_iostream_t *stream) {
    tc__net_t *net = net_of(stream);
    if (net->reading)
        return -EAGAIN;
    char *into = net->in;
    size_t room = TC__READ_SIZE;
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
        tc__iostream_fail(stream, (int)n);
    return n;
}

static bool wants_bytes(const tc_iostream_t *stream) {
    return tc__iostream_open(stream) && !stream->paused && !stream->eof;
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
    tc__write_flush(stream);
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
    tc__iostream_fail(stream, err ? err : -ECONNRESET);
}

void tc__iostream_on_events(tc_iostream_t *stream, unsigned events) {
    if (!tc__iostream_open(stream))
        return;
    tc_iostream_ref(stream);
    stream->in_events = true;
    if (events & TC__STREAM_FAILED)
        on_failed(stream);
    if (events & TC__STREAM_WRITABLE && tc__iostream_open(stream))
        on_writable(stream);
    if (events & TC__STREAM_READABLE && wants_bytes(stream)) {
        on_readable(stream, events & TC__STREAM_HANGUP);
        if (!stream->eof)
            events &= ~(unsigned)TC__STREAM_READABLE; /* something was taken: perhaps that was all there is */
    }
    if (events & TC__STREAM_HANGUP && tc__iostream_open(stream))
        tell_hangup(stream);
    stream->in_events = false;
    if (tc__iostream_open(stream))
        update_interest(stream, events);
    tc_iostream_unref(stream);
}

/* ---- The ready queue ---- */

void tc__iostream_soon(tc_iostream_t *stream) {
    if (!stream->loop || !tc__list_empty(&stream->soon.node))
        return;
    tc_iostream_ref(stream);
    tc__soon_call(stream->loop, &stream->soon);
}

static void finish_single(tc_iostream_t *stream) {
    tc__read_fail(stream, stream->error);
    tc__write_tell(stream);
    stream->finished = true;
    if (!stream->close_cb || stream->close_told)
        return;
    stream->close_told = true;
    stream->close_cb(stream, stream->error, stream->close_data);
}

/* Tell everybody who has not been told. May be called again: a closed stream's buffer can still be read. */
static void finish(tc_iostream_t *stream) {
    tc_iostream_ref(stream);
    if (!stream->sink) {
        finish_single(stream);
    } else if (!stream->finished) {
        stream->finished = true;
        stream->released = true;
        tc__buffer_deinit(&stream->in);
        stream->sink->closed(stream, stream->self, stream->error);
    }
    if (stream->released && !stream->dropped) {
        stream->dropped = true;
        tc_iostream_unref(stream);
    }
    tc_iostream_unref(stream);
}

static void look_after(tc_iostream_t *stream) {
    tc__write_tell(stream);
    if (tc__iostream_open(stream) && stream->sink && !stream->paused && has_kept(stream))
        give_kept(stream);
    else if (tc__iostream_open(stream) && !stream->sink)
        tc__read_kept(stream);
    tc__iostream_watch(stream);
}

static void run_soon(tc__soon_t *soon) {
    tc_iostream_t *stream = tc__container_of(soon, tc_iostream_t, soon);
    if (stream->doomed && !stream->closed)
        tc__iostream_end(stream, stream->error);
    if (stream->closed)
        finish(stream);
    else
        look_after(stream);
    tc_iostream_unref(stream);
}

/* ---- Closing ---- */

void tc__iostream_end(tc_iostream_t *stream, int err) {
    assert(!stream->closed);
    tc__net_t *net = net_of(stream);
    stream->closed = true;
    stream->paused = true;
    stream->watched = 0;
    stream->error = err;
    tc__write_drop(stream, err);
    bool had_descriptor = stream->fd >= 0;
    stream->transport->close(stream);
    if (had_descriptor && !tc__list_empty(&net->starving))
        tc__soon_call(net->loop, &net->room);
}

void tc__iostream_doom(tc_iostream_t *stream, int err) {
    if (!tc__iostream_open(stream))
        return;
    stream->doomed = true;
    stream->error = err;
    tc__write_drop(stream, err);
    tc__iostream_soon(stream);
}

void tc__iostream_fail(tc_iostream_t *stream, int err) {
    if (!tc__iostream_open(stream))
        return;
    tc_iostream_ref(stream);
    tc__iostream_end(stream, err);
    if (stream->sink && stream->calls == 0)
        finish(stream);
    else
        tc__iostream_soon(stream);
    tc_iostream_unref(stream);
}

void tc_iostream_close(tc_iostream_t *stream) {
    if (!stream || stream->released)
        return;
    stream->released = true;
    if (!stream->loop) { /* freed before the stream: all were told */
        stream->dropped = true;
        tc_iostream_unref(stream);
        return;
    }
    if (!stream->closed)
        tc__iostream_end(stream, stream->error);
    tc__iostream_soon(stream);
}

void tc__iostream_abort(tc_iostream_t *stream) {
    if (stream && !stream->closed)
        stream->transport->abort(stream);
    tc_iostream_close(stream);
}

/* ---- The loop's part ---- */

/* The loop goes: its streams are closed and everybody is told. Who holds a stream still may, but it is dead. */
static void orphan(tc_iostream_t *stream) {
    tc_iostream_ref(stream);
    if (!stream->closed)
        tc__iostream_end(stream, stream->doomed ? stream->error : TC_ECANCELED);
    finish(stream);
    if (!tc__list_empty(&stream->soon.node)) { /* a read that a callback began in vain */
        tc__soon_cancel(&stream->soon);
        finish(stream);
        tc_iostream_unref(stream);
    }
    if (!tc__list_empty(&stream->soon.node)) {
        tc__soon_cancel(&stream->soon);
        tc_iostream_unref(stream);
    }
    stream->loop = NULL;
    tc__list_remove(&stream->node);
    tc_iostream_unref(stream);
}

static void free_net(void *data) {
    tc__net_t *net = data;
    if (net->drop_servers)
        net->drop_servers(net);
    while (!tc__list_empty(&net->streams))
        orphan(tc__container_of(net->streams.next, tc_iostream_t, node));
    tc__soon_cancel(&net->room);
    tc__free(net);
}

static void on_room(tc__soon_t *soon) {
    tc__net_t *net = tc__container_of(soon, tc__net_t, room);
    if (net->on_room)
        net->on_room(net);
}

tc__net_t *tc__net(tc_ioloop_t *loop) {
    tc__net_t *net = tc__ioloop_local(loop, TC__LOCAL_NET);
    if (net)
        return net;
    net = tc__malloc(sizeof(*net));
    if (!net)
        return NULL;
    memset(net, 0, offsetof(tc__net_t, in)); /* the buffers become real when they are used */
    net->loop = loop;
    tc__list_init(&net->streams);
    tc__list_init(&net->servers);
    tc__list_init(&net->starving);
    tc__soon_init(&net->room, on_room);
    tc__ioloop_set_local(loop, TC__LOCAL_NET, net, free_net);
    return net;
}

/* ---- The protocols' face ---- */

void tc__iostream_set_sink(tc_iostream_t *stream, const tc__stream_sink_t *sink, void *self) {
    assert(stream->watched == 0 || stream->paused);
    stream->sink = sink;
    stream->self = self;
}

void tc__iostream_pause(tc_iostream_t *stream) {
    if (stream->sink)
        stream->paused = true;
}

void tc__iostream_resume(tc_iostream_t *stream) {
    if (!stream->sink || !stream->paused || !tc__iostream_open(stream))
        return;
    stream->paused = false;
    if (has_kept(stream) || stream->watched == 0)
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

size_t tc__iostream_kept(const tc_iostream_t *stream) {
    return tc__buffer_len(&stream->in);
}

tc_ioloop_t *tc__iostream_loop(const tc_iostream_t *stream) {
    return stream->loop;
}

int tc__iostream_fd(const tc_iostream_t *stream) {
    return stream->fd;
}

/* ---- The public face ---- */

int tc_iostream_new(tc_iostream_t **out, tc_ioloop_t *loop, int fd, const tc_iostream_options_t *options) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_iostream_new: out is NULL");
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    TC_TRY(tc__iostream_check_options(options));
    int type = 0;
    socklen_t len = sizeof(type);
    if (tc__sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return tc__fail(-errno, "tc_iostream_new: descriptor %d: %s", fd, strerror(errno));
    if (type != SOCK_STREAM)
        return tc__fail(TC_EINVAL, "tc_iostream_new: descriptor %d is not a stream socket", fd);
    int err = tc__set_nonblocking(fd);
    if (err < 0)
        return tc__fail(err, "tc_iostream_new: descriptor %d: %s", fd, tc_strerror(err));
    tc_iostream_t *stream = tc__socket_stream(loop, options);
    if (!stream)
        return tc__fail(TC_ENOMEM, "out of memory for a stream");
    tc__socket_attach(stream, fd, false);
    *out = stream;
    return 0;
}

bool tc_iostream_closed(const tc_iostream_t *stream) {
    return !stream || !tc__iostream_open(stream);
}

int tc_iostream_error(const tc_iostream_t *stream) {
    return stream ? stream->error : 0;
}

void tc_iostream_set_close_callback(tc_iostream_t *stream, tc_iostream_close_cb cb, void *user_data) {
    if (!stream)
        return;
    stream->close_cb = cb;
    stream->close_data = user_data;
    if (!cb || stream->sink)
        return;
    if (stream->hangup)
        tc__read_hangup(stream);
    tc__iostream_soon(stream); /* watch for the peer's end; or it is closed already */
}

int tc_iostream_set_nodelay(tc_iostream_t *stream, bool on) {
    if (!stream)
        return tc__misuse(TC_EINVAL, "tc_iostream_set_nodelay: stream is NULL");
    if (!tc__iostream_open(stream))
        return TC_ECLOSED;
    stream->nodelay_off = !on;
    stream->nodelay_done = true;
    if (stream->fd >= 0)
        tc__set_nodelay(stream->fd, on); /* a unix socket says no, and needs none */
    return 0;
}
