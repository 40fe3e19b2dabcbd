/*
 * iostream.c - a byte stream on a transport: its life, from the first reference to the last. (Tornado: iostream)
 *
 * A stream has one consumer: a sink (a protocol of this library), or single read operations (iostream_read.c). Events
 * come to it by iostream_events.c, output goes by iostream_write.c. This file makes streams and brings them to their
 * end.
 *
 *   open --[tc__iostream_doom: a send failed, memory ran out]--> doomed --[ready queue]--> closed
 *   open --[tc__iostream_end: closed by us, reset, refused interest]---------------------> closed
 *   closed --[finish: pending reads and writes told, then the close callback, or the sink's `closed`]--> finished
 *
 * The descriptor is gone once a stream is closed; the memory goes with the last reference: tc_iostream_new's (given
 * back by tc_iostream_close; for a sink, by its `closed`), the transport's and, while it is queued, the ready queue's.
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "net/netutil_internal.h"
#include "net/tls_transport_internal.h"
#include "util/error_internal.h"

enum { DEFAULT_MAX_BUFFER = 100 * 1024 * 1024, DEFAULT_MAX_WRITE_BUFFER = 64 * 1024 * 1024 };

static void run_soon(tc__soon_t *soon);

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
    stream->read_size = TC__READ_SIZE;
    stream->fd = -1;
    stream->refs = 2;
    stream->paused = true;
    return stream;
}

static void destroy(tc_iostream_t *stream) {
    tc__list_remove(&stream->node);
    tc__buffer_deinit(&stream->in);
    if (stream->tls)
        tc__tls_free(stream);
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
    if (stream->ops && stream->ops->closed) {
        void (*closed)(void *data) = stream->ops->closed;
        stream->ops->closed = NULL;
        closed(stream->ops->closed_data);
    }
    if (!stream->close_cb || stream->close_told)
        return;
    stream->close_told = true;
    stream->close_cb(stream, stream->error, stream->close_data);
}

/* Tell everybody who has not been told. May be called again: a closed stream's buffer can still be read. */
static void finish(tc_iostream_t *stream) {
    tc_iostream_ref(stream);
    if (stream->tls)
        tc__tls_tell(stream);
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
    if (stream->tls)
        tc__tls_tell(stream);
    if (tc__iostream_open(stream))
        tc__iostream_give_kept(stream);
    if (stream->tls && tc__iostream_open(stream))
        tc__tls_look_after(stream);
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
    tc__net_t *net = tc__iostream_net(stream);
    if (stream->tls && err == 0)
        tc__tls_say_end(stream); /* unless something of what was written is lost */
    stream->closed = true;
    stream->paused = true;
    stream->watched = 0;
    stream->error = err;
    tc__queue_drop(stream, err);
    bool had_descriptor = stream->fd >= 0;
    stream->transport->close(stream);
    if (had_descriptor && !tc__list_empty(&net->starving))
        tc__soon_call(net->loop, &net->room);
}

/* What was to be sent is lost, so the peer must not see a clean end. */
void tc__iostream_doom(tc_iostream_t *stream, int err) {
    if (!tc__iostream_open(stream))
        return;
    stream->transport->abort(stream);
    stream->doomed = true;
    stream->error = err;
    tc__queue_drop(stream, err);
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

/* What is corked counts as sent: perhaps it is an answer before the one that is cut. */
void tc__iostream_abort(tc_iostream_t *stream) {
    if (!stream || stream->closed)
        return;
    if (tc__iostream_open(stream) && !stream->queue && tc__iostream_queued(stream) > 0)
        tc__queue_send_cork(stream);
    stream->transport->abort(stream);
    tc_iostream_close(stream);
}

/* ---- The loop's part ---- */

/* The loop goes: its streams are closed and everybody is told. Who holds a stream still may, but it is dead. */
static void orphan(tc_iostream_t *stream) {
    assert(stream->loop);
    tc_iostream_ref(stream);
    if (!stream->closed)
        tc__iostream_end(stream, stream->doomed ? stream->error : TC_ECANCELED);
    finish(stream);
    if (!tc__list_empty(&stream->soon.node)) { /* a read that a callback began in vain */
        tc__soon_cancel(&stream->soon);
        finish(stream);
        tc_iostream_unref(stream);
    }
    if (!tc__list_empty(&stream->soon.node)) { /* and another */
        tc__soon_cancel(&stream->soon);
        tc__read_cancel(stream);
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
    tc__tls_loop_free(net->tls);
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

int tc__iostream_prepare_release(tc_iostream_t *stream) {
    return tc__iostream_ops(stream) ? 0 : tc__fail(TC_ENOMEM, "out of memory for a stream");
}

void tc__iostream_release(tc_iostream_t *stream, void (*closed)(void *data), void *data) {
    stream->sink = NULL;
    stream->close_data = NULL;
    stream->paused = true;
    stream->ops->closed = closed;
    stream->ops->closed_data = data;
}

void tc__iostream_set_read_size(tc_iostream_t *stream, size_t size) {
    stream->read_size = size < TC__READ_SIZE ? (uint32_t)size : TC__READ_SIZE;
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
        return tc__fail(-errno, "tc_iostream_new: descriptor %d: %s", fd, tc_strerror(-errno));
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
    if (!stream || stream->sink)
        return;
    stream->close_cb = cb;
    stream->close_data = user_data;
    if (!cb)
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
