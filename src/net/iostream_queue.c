/*
 * iostream_queue.c - output: sent at once where the transport takes it, corked into one send, queued otherwise.
 *
 * In order, what was written and not sent yet stands in the loop's cork buffer (while the stream is corked, owns that
 * buffer and has no queue) or in the queue (a list of chunks); never in both. A queue exists
 *
 *   - when the transport said EAGAIN, or one turn's budget was used up: `want_write` is set, until the writable event
 *     has sent it all
 *   - while corked, if the cork buffer belongs to another stream: the outermost uncork sends it
 *
 * Segments with a free function are referenced, others copied; each free function is called exactly once, also when the
 * bytes are given up. A failed send, or a lack of memory in the middle of a message, dooms the stream: what the peer
 * has got is never followed by anything but the end.
 *
 * A write that wants to be told has a mark in the queue, behind its bytes: iostream_write.c.
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>
#include <errno.h>

#include "net/tls_transport_internal.h"
#include "util/unconst_internal.h"

static void release(const tc__segment_t *segment) {
    if (segment->free_fn)
        segment->free_fn(segment->owner);
}

static void release_from(const tc__segment_t *segments, size_t i, size_t count) {
    for (; i < count; i++)
        release(&segments[i]);
}

static size_t total_len(const tc__segment_t *segments, size_t count) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += segments[i].bytes.len;
    return len;
}

/* ---- Chunks ---- */

/* Behind all other streams of which nothing was sent. */
static void wait_in_line(tc_iostream_t *stream) {
    if (stream->outputs && stream->queue)
        tc__outputs_wait(stream->outputs, stream->queue);
}

void tc__queue_push(tc_iostream_t *stream, tc__chunk_t *chunk) {
    chunk->next = NULL;
    chunk->stream = stream;
    tc__list_init(&chunk->waiting);
    if (stream->outputs)
        tc__outputs_add(stream->outputs, chunk);
    if (stream->queue_tail) {
        stream->queue_tail->next = chunk;
    } else {
        stream->queue = chunk;
        wait_in_line(stream);
    }
    stream->queue_tail = chunk;
    stream->queued += chunk->len;
}

static tc__chunk_t *pop(tc_iostream_t *stream) {
    tc__chunk_t *chunk = stream->queue;
    stream->queue = chunk->next;
    tc__list_remove(&chunk->waiting);
    if (!stream->queue)
        stream->queue_tail = NULL;
    wait_in_line(stream);
    return chunk;
}

void tc__queue_free_chunk(tc_iostream_t *stream, tc__chunk_t *chunk) {
    if (stream->outputs)
        tc__outputs_remove(stream->outputs, chunk);
    switch (chunk->kind) {
    case TC__CHUNK_BLOCK:
        tc__pool_put(&stream->loop->pool, chunk);
        break;
    case TC__CHUNK_HELD:
        if (chunk->u.held.free_fn)
            chunk->u.held.free_fn(chunk->u.held.owner);
        tc__free(chunk);
        break;
    case TC__CHUNK_FILE:
        if (chunk->u.file.free_fn)
            chunk->u.file.free_fn(chunk->u.file.owner);
        tc__free(chunk);
        break;
    default:
        tc__free(chunk);
    }
}

/* A chunk with room for `len` bytes, not yet in the queue. */
tc__chunk_t *tc__queue_new_copy(tc_iostream_t *stream, size_t len) {
    bool fits = len <= TC__BLOCK_SIZE - sizeof(tc__chunk_t);
    if (len > SIZE_MAX - sizeof(tc__chunk_t))
        return NULL;
    tc__chunk_t *chunk = fits ? tc__pool_get(&stream->loop->pool) : tc__malloc(sizeof(*chunk) + len);
    if (!chunk)
        return NULL;
    chunk->kind = fits ? TC__CHUNK_BLOCK : TC__CHUNK_HEAP;
    chunk->data = (char *)(chunk + 1);
    chunk->len = 0;
    chunk->u.limit = fits ? (char *)chunk + TC__BLOCK_SIZE : (char *)(chunk + 1) + len;
    return chunk;
}

static bool is_copy(const tc__chunk_t *chunk) {
    return chunk->kind == TC__CHUNK_BLOCK || chunk->kind == TC__CHUNK_HEAP;
}

static size_t room_in(const tc__chunk_t *chunk) {
    return (size_t)(chunk->u.limit - (chunk->data + chunk->len));
}

/* Room of `len` bytes in the queue's last chunk; NULL: out of memory. */
static char *queue_reserve(tc_iostream_t *stream, size_t len) {
    tc__chunk_t *tail = stream->queue_tail;
    if (!tail || !is_copy(tail) || room_in(tail) < len) {
        tail = tc__queue_new_copy(stream, len);
        if (!tail)
            return NULL;
        tc__queue_push(stream, tail);
    }
    return tc__unconst(tail->data + tail->len);
}

static void queue_commit(tc_iostream_t *stream, size_t len) {
    stream->queue_tail->len += len;
    stream->queued += len;
}

static int queue_copy(tc_iostream_t *stream, const char *data, size_t len) {
    tc__chunk_t *tail = stream->queue_tail;
    size_t first = tail && is_copy(tail) ? room_in(tail) : 0;
    if (first > len)
        first = len;
    tc__chunk_t *more = NULL;
    if (first < len) { /* before the first part is taken: all or nothing */
        more = tc__queue_new_copy(stream, len - first);
        if (!more)
            return TC_ENOMEM;
    }
    if (first > 0) {
        memcpy(tc__unconst(tail->data + tail->len), data, first);
        queue_commit(stream, first);
    }
    if (more) {
        tc__queue_push(stream, more);
        memcpy((char *)(more + 1), data + first, len - first);
        queue_commit(stream, len - first);
    }
    return 0;
}

/* The segment from `offset` on. On failure it was released. */
static int queue_segment(tc_iostream_t *stream, const tc__segment_t *segment, size_t offset) {
    size_t len = segment->bytes.len - offset;
    const char *data = len > 0 ? segment->bytes.data + offset : NULL;
    int err = 0;
    if (len == 0 || !segment->free_fn || len <= TC__CORK_COPY / 16) { /* less than what a reference takes */
        if (len > 0)
            err = queue_copy(stream, data, len);
        release(segment);
        return err;
    }
    tc__chunk_t *chunk = tc__malloc(sizeof(*chunk));
    if (!chunk) {
        release(segment);
        return TC_ENOMEM;
    }
    chunk->kind = TC__CHUNK_HELD;
    chunk->data = data;
    chunk->len = len;
    chunk->u.held.free_fn = segment->free_fn;
    chunk->u.held.owner = segment->owner;
    chunk->u.held.memory = segment->owner ? segment->bytes.len : 0;
    tc__queue_push(stream, chunk);
    return 0;
}

/* All of them, the first from `offset` on; on failure all were released. */
static int queue_segments(tc_iostream_t *stream, const tc__segment_t *segments, size_t count, size_t offset) {
    for (size_t i = 0; i < count; i++) {
        int err = queue_segment(stream, &segments[i], offset);
        offset = 0;
        if (err < 0) {
            release_from(segments, i + 1, count);
            return err;
        }
    }
    return 0;
}

/* ---- Sending ---- */

/* So many bytes of the queue are sent. */
void tc__queue_sent(tc_iostream_t *stream, size_t n) {
    stream->queued -= n;
    if (n > 0)
        wait_in_line(stream);
    while (stream->queue) {
        tc__chunk_t *chunk = stream->queue;
        if (chunk->kind == TC__CHUNK_MARK) {
            tc__write_mark_done(stream, pop(stream), 0);
            continue;
        }
        if (chunk->len > n) {
            if (chunk->kind == TC__CHUNK_FILE)
                chunk->u.file.offset += n;
            else
                chunk->data += n;
            chunk->len -= n;
            return;
        }
        n -= chunk->len;
        chunk = pop(stream);
        tc__queue_free_chunk(stream, chunk);
    }
    assert(n == 0 || !tc__iostream_open(stream)); /* closed by a free function */
}

static void add_iov(struct iovec *iov, int *count, size_t *budget, const char *data, size_t len) {
    if (len > *budget)
        len = *budget;
    if (len == 0)
        return;
    iov[*count].iov_base = tc__unconst(data);
    iov[*count].iov_len = len;
    ++*count;
    *budget -= len;
}

void tc__queue_shut(tc_iostream_t *stream) {
    if (!stream->want_shutdown || stream->shut || stream->queue || !tc__iostream_open(stream))
        return;
    stream->shut = true;
    int err = stream->transport->shutdown(stream);
    if (err < 0)
        tc__iostream_doom(stream, err);
}

static void end_if_sent(tc_iostream_t *stream) {
    if (!stream->end_when_sent || stream->corks > 0 || stream->queue || !tc__iostream_open(stream))
        return;
    if (stream->tls && !tc__tls_say_end(stream)) { /* that has to be sent too */
        stream->want_write = true;
        tc__iostream_watch(stream);
        return;
    }
    tc__iostream_end(stream, 0);
    tc__iostream_soon(stream);
}

void tc__iostream_close_when_written(tc_iostream_t *stream) {
    stream->end_when_sent = true;
    end_if_sent(stream);
}

/* What a stream with so many bytes may send in this turn of the loop. */
static size_t send_budget(const tc_iostream_t *stream, size_t len) {
    return len > TC__SEND_LATE && tc__ioloop_is_late(stream->loop) ? TC__SEND_LATE : TC__SEND_BUDGET;
}

/* A burst of the file at the queue's front. @return whether the turn may go on: its bytes stand there in memory now */
static bool send_file(tc_iostream_t *stream) {
    size_t sent = 0;
    int err = tc__file_send(stream, &sent);
    if (err < 0 && err != -EAGAIN) {
        tc__iostream_doom(stream, err);
        return false;
    }
    tc__queue_sent(stream, sent);
    if (err == 0 && sent == 0)
        return true;
    stream->want_write = stream->queue != NULL;
    return false;
}

/* One turn's worth of the queue. */
static void send_queue(tc_iostream_t *stream) {
    size_t budget = send_budget(stream, stream->queued);
    stream->want_write = false;
    while (stream->queue && tc__iostream_open(stream)) {
        if (stream->queue->kind == TC__CHUNK_FILE) {
            if (send_file(stream))
                continue;
            return;
        }
        struct iovec iov[TC__SEND_SEGMENTS];
        size_t left = budget;
        int count = 0;
        for (tc__chunk_t *chunk = stream->queue; chunk && count < TC__SEND_SEGMENTS && left > 0; chunk = chunk->next) {
            if (chunk->kind == TC__CHUNK_FILE)
                break;
            if (chunk->kind != TC__CHUNK_MARK)
                add_iov(iov, &count, &left, chunk->data, chunk->len);
        }
        size_t asked = budget - left;
        ssize_t n = count > 0 ? stream->transport->sendv(stream, iov, count) : 0;
        if (n < 0 && n != -EAGAIN) {
            tc__iostream_doom(stream, (int)n);
            return;
        }
        if (n >= 0)
            tc__queue_sent(stream, (size_t)n);
        if (n < 0 || (size_t)n < asked || left == 0) {
            stream->want_write = stream->queue != NULL;
            return;
        }
        budget = left;
    }
}

void tc__queue_flush(tc_iostream_t *stream) {
    send_queue(stream);
    tc__queue_shut(stream);
    end_if_sent(stream);
}

static bool owns_cork(const tc_iostream_t *stream, const tc__net_t *net) {
    return net->corked == stream;
}

/* As many as there is room and budget for, the first from `offset` on. */
static void add_segments(struct iovec *iov, int *n_iov, size_t *budget, const tc__segment_t *segments, size_t count,
                         size_t offset) {
    for (size_t i = 0; i < count && *n_iov<TC__SEND_SEGMENTS && * budget> 0; i++) {
        size_t skip = i == 0 ? offset : 0;
        if (segments[i].bytes.len > skip)
            add_iov(iov, n_iov, budget, segments[i].bytes.data + skip, segments[i].bytes.len - skip);
    }
}

/*
 * Send the corked bytes, if this stream's stand there, and the segments after them; queue what does not go.
 * There is no queue before, perhaps one after. On failure the stream is doomed and all segments were released.
 */
static int send_now(tc_iostream_t *stream, const tc__segment_t *segments, size_t count) {
    tc__net_t *net = tc__iostream_net(stream);
    size_t corked = owns_cork(stream, net) ? net->cork_len : 0, i = 0, offset = 0;
    size_t budget = send_budget(stream, corked + total_len(segments, count));
    assert(!stream->queue);
    for (;;) {
        struct iovec iov[TC__SEND_SEGMENTS];
        size_t left = budget;
        int n_iov = 0;
        add_iov(iov, &n_iov, &left, net->cork, corked);
        if (i < count) /* there may be none: NULL */
            add_segments(iov, &n_iov, &left, segments + i, count - i, offset);
        size_t asked = budget - left;
        ssize_t n = n_iov > 0 ? stream->transport->sendv(stream, iov, n_iov) : 0;
        if (n < 0 && n != -EAGAIN) {
            tc__iostream_doom(stream, (int)n);
            release_from(segments, i, count);
            return TC_ECLOSED;
        }
        size_t sent = n < 0 ? 0 : (size_t)n;
        bool blocked = n < 0 || sent < asked || left == 0;
        size_t from_cork = sent < corked ? sent : corked;
        sent -= from_cork;
        if (from_cork < corked) {
            int err = queue_copy(stream, net->cork + from_cork, corked - from_cork);
            if (err < 0) {
                tc__iostream_doom(stream, err);
                release_from(segments, i, count);
                return err;
            }
        }
        if (corked > 0)
            net->cork_len = corked = 0;
        while (i < count && segments[i].bytes.len - offset <= sent) {
            sent -= segments[i].bytes.len - offset;
            offset = 0;
            release(&segments[i++]);
            if (!tc__iostream_open(stream)) { /* a free function closed it */
                release_from(segments, i, count);
                return TC_ECLOSED;
            }
        }
        offset += sent;
        if (i == count && !stream->queue)
            return 0;
        if (!blocked) {
            budget = left;
            continue;
        }
        int err = i < count ? queue_segments(stream, segments + i, count - i, offset) : 0;
        if (err < 0)
            tc__iostream_doom(stream, err);
        else
            stream->want_write = stream->queue != NULL;
        tc__iostream_watch(stream);
        return err;
    }
}

void tc__queue_send_cork(tc_iostream_t *stream) {
    send_now(stream, NULL, 0);
}

int tc__queue_take_cork(tc_iostream_t *stream) {
    tc__net_t *net = tc__iostream_net(stream);
    if (!owns_cork(stream, net))
        return 0;
    int err = net->cork_len > 0 ? queue_copy(stream, net->cork, net->cork_len) : 0;
    net->cork_len = 0;
    net->corked = NULL;
    return err;
}

/* May the stream's bytes go to the cork buffer? If that is free, it is claimed. */
static bool may_cork(tc_iostream_t *stream, tc__net_t *net) {
    if (stream->corks == 0 || stream->queue)
        return false;
    if (!net->corked) {
        net->corked = stream;
        net->cork_len = 0;
    }
    return owns_cork(stream, net);
}

static int send_or_queue(tc_iostream_t *stream, const tc__segment_t *segments, size_t count) {
    tc__net_t *net = tc__iostream_net(stream);
    size_t i = 0;
    bool corks = may_cork(stream, net);
    while (corks && i < count) {
        tc_bytes_t bytes = segments[i].bytes;
        if (bytes.len > TC__CORK_COPY || bytes.len > sizeof(net->cork) - net->cork_len)
            break;
        if (bytes.len > 0)
            memcpy(net->cork + net->cork_len, bytes.data, bytes.len);
        net->cork_len += bytes.len;
        release(&segments[i++]);
        if (!tc__iostream_open(stream)) {
            release_from(segments, i, count);
            return TC_ECLOSED;
        }
    }
    if (i == count)
        return 0;
    if (!stream->queue && (stream->corks == 0 || corks))
        return send_now(stream, segments + i, count - i);
    bool intact = i == 0 && count == 1;
    int err = queue_segments(stream, segments + i, count - i, 0);
    if (err < 0 && !intact)
        tc__iostream_doom(stream, err);
    return err;
}

/* Output was queued, perhaps more than all streams together may. 0, or TC_ECLOSED: this one had to go. */
static int bound_outputs(tc_iostream_t *stream) {
    if (stream->outputs && stream->outputs->held > stream->outputs->limit)
        tc__outputs_bound(stream->outputs);
    return tc__iostream_open(stream) ? 0 : TC_ECLOSED;
}

/* Bytes of files hold no memory, and do not count against the stream's limit. */
static bool fits_beside_files(const tc_iostream_t *stream, size_t queued, size_t len) {
    for (const tc__chunk_t *chunk = stream->queue; chunk; chunk = chunk->next)
        if (chunk->kind == TC__CHUNK_FILE)
            queued -= chunk->len;
    return queued <= stream->max_queued && len <= stream->max_queued - queued;
}

int tc__iostream_sendv(tc_iostream_t *stream, const tc__segment_t *segments, size_t count) {
    int err = 0;
    if (!tc__iostream_open(stream) || stream->want_shutdown)
        err = TC_ECLOSED;
    size_t left = stream->max_queued, queued = tc__iostream_queued(stream);
    left = queued < left ? left - queued : 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        if (segments[i].bytes.len > left)
            err = TC_ETOOBIG;
        left -= segments[i].bytes.len;
    }
    if (err == TC_ETOOBIG && fits_beside_files(stream, queued, total_len(segments, count)))
        err = 0;
    if (err < 0) {
        release_from(segments, 0, count);
        return err;
    }
    tc_iostream_ref(stream); /* a free function may be the last to need it */
    err = send_or_queue(stream, segments, count);
    if (err == 0 && stream->queue)
        err = bound_outputs(stream);
    tc_iostream_unref(stream);
    return err;
}

/* ---- The cork ---- */

void tc__iostream_cork(tc_iostream_t *stream) {
    assert(stream->corks < UINT8_MAX);
    stream->corks++;
}

/* Nearly always the corked bytes are all there is to do, and the socket takes them whole. @return whether that was all
 */
static bool send_cork_alone(tc_iostream_t *stream, tc__net_t *net) {
    if (!owns_cork(stream, net) || net->cork_len == 0 || stream->want_shutdown || stream->end_when_sent)
        return false;
    size_t len = net->cork_len;
    struct iovec iov = { net->cork, len };
    ssize_t n = stream->transport->sendv(stream, &iov, 1);
    net->cork_len = 0;
    net->corked = NULL;
    if (n == (ssize_t)len)
        return true;
    if (n == -EAGAIN)
        n = 0;
    int err = n < 0 ? (int)n : queue_copy(stream, net->cork + n, len - (size_t)n);
    if (err < 0) {
        tc__iostream_doom(stream, err);
        return true;
    }
    stream->want_write = true;
    tc__iostream_watch(stream);
    bound_outputs(stream);
    return true;
}

void tc__iostream_uncork(tc_iostream_t *stream) {
    assert(stream->corks > 0);
    if (--stream->corks > 0 || !tc__iostream_open(stream))
        return;
    tc__net_t *net = tc__iostream_net(stream);
    if (send_cork_alone(stream, net))
        return;
    if (!owns_cork(stream, net) && !stream->queue && !stream->want_shutdown && !stream->end_when_sent)
        return;
    tc_iostream_ref(stream);
    if (owns_cork(stream, net)) {
        if (net->cork_len > 0)
            send_now(stream, NULL, 0);
        if (owns_cork(stream, net))
            net->corked = NULL;
    }
    if (stream->queue && !stream->want_write) {
        send_queue(stream);
        tc__iostream_watch(stream);
    }
    if (stream->want_shutdown)
        tc__queue_shut(stream);
    end_if_sent(stream);
    bound_outputs(stream);
    tc_iostream_unref(stream);
}

char *tc__iostream_reserve(tc_iostream_t *stream, size_t len) {
    assert(stream->corks > 0 && len <= TC__CORK_ROOM);
    if (!tc__iostream_open(stream))
        return NULL;
    tc__net_t *net = tc__iostream_net(stream);
    if (may_cork(stream, net) && sizeof(net->cork) - net->cork_len < len && send_now(stream, NULL, 0) < 0)
        return NULL;
    if (may_cork(stream, net))
        return net->cork + net->cork_len;
    return queue_reserve(stream, len);
}

void tc__iostream_commit(tc_iostream_t *stream, size_t len) {
    if (!tc__iostream_open(stream))
        return;
    if (stream->queue)
        queue_commit(stream, len);
    else
        tc__iostream_net(stream)->cork_len += len;
}

size_t tc__iostream_queued(const tc_iostream_t *stream) {
    if (!tc__iostream_open(stream))
        return 0;
    const tc__net_t *net = tc__iostream_net(stream);
    return stream->queued + (owns_cork(stream, net) ? net->cork_len : 0);
}

size_t tc__iostream_unacked(tc_iostream_t *stream) {
    return tc__iostream_open(stream) ? tc__iostream_queued(stream) + stream->transport->in_flight(stream) : 0;
}

void tc__queue_drop(tc_iostream_t *stream, int err) {
    tc__net_t *net = tc__iostream_net(stream);
    if (owns_cork(stream, net)) {
        net->corked = NULL;
        net->cork_len = 0;
    }
    tc__chunk_t *chunk = stream->queue;
    stream->queue = stream->queue_tail = NULL;
    stream->queued = 0;
    if (chunk)
        tc__list_remove(&chunk->waiting);
    stream->want_write = false;
    while (chunk) { /* a free function may call into the stream: it has no queue any more */
        tc__chunk_t *next = chunk->next;
        if (chunk->kind == TC__CHUNK_MARK)
            tc__write_mark_done(stream, chunk, err < 0 ? err : TC_ECLOSED);
        else
            tc__queue_free_chunk(stream, chunk);
        chunk = next;
    }
}
