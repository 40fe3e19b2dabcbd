/*
 * iostream_file.c - pieces of files in the queue, sent without a copy where the transport can (sendfile).
 *
 * One burst goes in a turn of the loop: it leaves the others their turn, and what the system copies is still in the
 * processor's cache when the receiver reads it. A transport that cannot (memory, TLS), and a file system that cannot,
 * get the next burst as a copy in front of the file, once, however often it takes to send that.
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>

#include "util/file_calls_internal.h"
#include "util/log_internal.h"

/* What was promised cannot be had any more, and the peer must not take what it got for the whole. */
static int cut_short(tc_iostream_t *stream) {
    static tc__log_limit_t limit;
    tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, NULL,
                    "a file became shorter while it was sent: the connection is cut");
    stream->transport->abort(stream);
    return -EIO;
}

/* The first `copy->len` bytes of the file are in `copy`, which goes in front of it. */
static void put_in_front(tc_iostream_t *stream, tc__chunk_t *copy) {
    tc__chunk_t *file = stream->queue;
    size_t len = copy->len;
    tc__list_remove(&file->waiting);
    tc__chunk_t *rest = file->next;
    stream->queue = stream->queue_tail = NULL;
    stream->queued -= file->len;
    tc__queue_push(stream, copy);
    file->len -= len;
    file->u.file.offset += len;
    if (file->len > 0) {
        copy->next = file;
        stream->queued += file->len;
    } else {
        copy->next = rest;
    }
    while (stream->queue_tail->next)
        stream->queue_tail = stream->queue_tail->next;
    if (file->len == 0)
        tc__queue_free_chunk(stream, file); /* last, for it may call into the stream */
}

static int read_burst(tc_iostream_t *stream, size_t len) {
    const tc__chunk_t *file = stream->queue;
    tc__chunk_t *copy = tc__queue_new_copy(stream, len);
    if (!copy)
        return TC_ENOMEM;
    ssize_t n = tc__file_pread(file->u.file.fd, copy + 1, len, file->u.file.offset);
    if (n < (ssize_t)len) {
        if (copy->kind == TC__CHUNK_BLOCK)
            tc__pool_put(&stream->loop->pool, copy);
        else
            tc__free(copy);
        return n < 0 ? (int)n : cut_short(stream);
    }
    copy->len = len;
    put_in_front(stream, copy);
    return 0;
}

int tc__file_send(tc_iostream_t *stream, size_t *sent) {
    const tc__chunk_t *file = stream->queue;
    size_t len = file->len < TC__FILE_BURST ? file->len : TC__FILE_BURST;
    ssize_t n = -ENOTSUP;
    if (stream->transport->send_file)
        n = stream->transport->send_file(stream, file->u.file.fd, file->u.file.offset, len);
    if (n == -ENOTSUP)
        return read_burst(stream, len);
    if (n == 0)
        return cut_short(stream);
    if (n < 0)
        return (int)n;
    *sent = (size_t)n;
    return 0;
}

static tc__chunk_t *new_chunk(const tc__file_piece_t *piece) {
    tc__chunk_t *chunk = tc__malloc(sizeof *chunk);
    if (!chunk)
        return NULL;
    chunk->kind = TC__CHUNK_FILE;
    chunk->data = NULL;
    chunk->len = piece->len;
    chunk->u.file.fd = piece->fd;
    chunk->u.file.offset = piece->offset;
    chunk->u.file.free_fn = piece->free_fn;
    chunk->u.file.owner = piece->owner;
    return chunk;
}

static int give_up(const tc__file_piece_t *piece, int err) {
    if (piece->free_fn)
        piece->free_fn(piece->owner);
    return err;
}

int tc__iostream_send_file(tc_iostream_t *stream, const tc__file_piece_t *piece) {
    assert(piece->len > 0);
    if (!tc__iostream_open(stream) || stream->want_shutdown)
        return give_up(piece, TC_ECLOSED);
    tc__chunk_t *chunk = new_chunk(piece);
    if (!chunk)
        return give_up(piece, TC_ENOMEM);
    if (tc__queue_take_cork(stream) < 0) {
        tc__free(chunk);
        tc__iostream_doom(stream, TC_ENOMEM);
        return give_up(piece, TC_ENOMEM);
    }
    tc_iostream_ref(stream);
    tc__queue_push(stream, chunk);
    if (stream->corks == 0 && !stream->want_write) {
        tc__queue_flush(stream);
        tc__iostream_watch(stream);
    }
    bool open = tc__iostream_open(stream);
    tc_iostream_unref(stream);
    return open ? 0 : TC_ECLOSED;
}
