/*
 * iostream_write.c - single write operations, and who is told when their bytes have left.
 *
 * A write that wants to be told has a mark in the queue, behind its bytes. Marks that come to the front move to
 * ops->done, and are told from the ready queue.
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>

#include "util/error_internal.h"

/* ---- Marks ---- */

tc__stream_ops_t *tc__iostream_ops(tc_iostream_t *stream) {
    if (!stream->ops) {
        stream->ops = tc__calloc(1, sizeof(*stream->ops));
        if (stream->ops)
            stream->ops->done_tail = &stream->ops->done;
    }
    return stream->ops;
}

void tc__write_mark_done(tc_iostream_t *stream, tc__chunk_t *mark, int err) {
    mark->err = err;
    mark->next = NULL;
    *stream->ops->done_tail = mark;
    stream->ops->done_tail = &mark->next;
    tc__iostream_soon(stream);
}

void tc__write_tell(tc_iostream_t *stream) {
    tc__stream_ops_t *ops = stream->ops;
    if (!ops || !ops->done)
        return;
    tc__chunk_t *mark = ops->done; /* what these callbacks add is told in the next pass */
    ops->done = NULL;
    ops->done_tail = &ops->done;
    while (mark) {
        tc__chunk_t *next = mark->next;
        tc_iostream_write_cb cb = mark->u.mark.cb;
        void *data = mark->u.mark.user_data;
        int err = mark->err;
        tc__free(mark);
        if (cb) {
            cb(stream, err, data);
        } else {
            if (err < 0)
                tc_future_set_error(data, err, NULL);
            else
                tc_future_set_result(data, NULL, NULL);
            tc__future_let_go(data);
        }
        mark = next;
    }
}

/* ---- The public face ---- */

/* Behind what was written; to be told at once, which is from the ready queue, if all of that is sent. */
static void add_mark(tc_iostream_t *stream, tc__chunk_t *mark) {
    if (tc__iostream_queued(stream) > 0 && !stream->queue) /* corked */
        tc__queue_send_cork(stream);
    if (!tc__iostream_open(stream)) /* it failed on the way */
        tc__write_mark_done(stream, mark, stream->error < 0 ? stream->error : TC_ECLOSED);
    else if (stream->queue)
        tc__queue_push(stream, mark);
    else
        tc__write_mark_done(stream, mark, 0);
}

static tc__chunk_t *new_mark(tc_iostream_t *stream, tc_iostream_write_cb cb, void *user_data) {
    tc__chunk_t *mark = tc__iostream_ops(stream) ? tc__malloc(sizeof(*mark)) : NULL;
    if (!mark)
        return NULL;
    mark->kind = TC__CHUNK_MARK;
    mark->data = NULL;
    mark->len = 0;
    mark->u.mark.cb = cb;
    mark->u.mark.user_data = user_data;
    return mark;
}

static int check_write(const tc_iostream_t *stream, tc_bytes_t data, const char *function) {
    if (!stream)
        return tc__misuse(TC_EINVAL, "%s: stream is NULL", function);
    if (!data.data && data.len > 0)
        return tc__misuse(TC_EINVAL, "%s: %zu bytes at NULL", function, data.len);
    return 0;
}

/* `mark` is NULL, or taken on success. */
static int write_segment(tc_iostream_t *stream, const tc__segment_t *segment, tc__chunk_t *mark) {
    tc_iostream_ref(stream);
    int err = tc__iostream_sendv(stream, segment, 1);
    if (err == TC_ETOOBIG)
        tc__fail(err, "%zu bytes queued and %zu written: more than max_write_buffer_size, %zu", stream->queued,
                 segment->bytes.len, stream->max_queued);
    if (mark && err == 0)
        add_mark(stream, mark);
    tc_iostream_unref(stream);
    return err;
}

static int write_told(tc_iostream_t *stream, tc__segment_t segment, tc_iostream_write_cb cb, void *user_data) {
    int err = 0;
    tc__chunk_t *mark = NULL;
    if (cb) {
        if (!tc__iostream_open(stream))
            err = TC_ECLOSED;
        else if (!(mark = new_mark(stream, cb, user_data)))
            err = tc__fail(TC_ENOMEM, "out of memory for a write");
    }
    if (err < 0) {
        if (segment.free_fn)
            segment.free_fn(segment.owner);
        return err;
    }
    err = write_segment(stream, &segment, mark);
    if (err < 0)
        tc__free(mark);
    return err;
}

int tc_iostream_write(tc_iostream_t *stream, tc_bytes_t data, tc_iostream_write_cb cb, void *user_data) {
    TC_TRY(check_write(stream, data, "tc_iostream_write"));
    return write_told(stream, (tc__segment_t){ data, NULL, NULL }, cb, user_data);
}

static void nothing_to_free(void *owner) {
    (void)owner;
}

int tc_iostream_write_owned(tc_iostream_t *stream, tc_bytes_t data, tc_free_fn free_data, void *owner,
                            tc_iostream_write_cb cb, void *user_data) {
    tc__segment_t segment = { data, free_data ? free_data : nothing_to_free, owner };
    int err = check_write(stream, data, "tc_iostream_write_owned");
    if (err < 0) {
        segment.free_fn(segment.owner);
        return err;
    }
    return write_told(stream, segment, cb, user_data);
}

tc_future_t *tc_iostream_write_future(tc_iostream_t *stream, tc_bytes_t data) {
    int err = check_write(stream, data, "tc_iostream_write_future");
    tc_future_t *future = tc_future_new(stream ? stream->loop : NULL);
    if (!future)
        return NULL;
    tc__chunk_t *mark = NULL;
    if (err == 0 && !tc__iostream_open(stream))
        err = TC_ECLOSED;
    if (err == 0 && !(mark = new_mark(stream, NULL, future)))
        err = tc__fail(TC_ENOMEM, "out of memory for a write");
    if (err == 0)
        err = write_segment(stream, &(tc__segment_t){ data, NULL, NULL }, mark);
    if (err < 0) {
        tc__free(mark);
        tc_future_set_error(future, err, NULL);
    } else {
        tc_future_ref(future); /* the mark's */
    }
    return future;
}

bool tc_iostream_writing(const tc_iostream_t *stream) {
    return stream && stream->want_write;
}

size_t tc_iostream_write_queue_size(const tc_iostream_t *stream) {
    return stream ? tc__iostream_queued(stream) : 0;
}

int tc_iostream_shutdown(tc_iostream_t *stream) {
    if (!stream)
        return tc__misuse(TC_EINVAL, "tc_iostream_shutdown: stream is NULL");
    if (!tc__iostream_open(stream))
        return TC_ECLOSED;
    if (stream->want_shutdown)
        return 0;
    stream->want_shutdown = true;
    if (stream->corks == 0)
        tc__queue_shut(stream);
    return 0;
}
