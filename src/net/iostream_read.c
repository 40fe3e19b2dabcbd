/*
 * iostream_read.c - single read operations: until a delimiter, a count, into memory, to the end.
 *
 * At most one is under way. Bytes that arrive are looked at where they were received; what one operation leaves goes to
 * the stream's buffer, for the next one. While none is under way nothing is read (so a peer cannot fill our memory),
 * save when FIN is seen and somebody waits for the close callback: then what stands before FIN is read ahead, within
 * max_buffer_size, since only its end tells that the stream is over.
 *
 *   start --> what is in the buffer will do: completed from the ready queue
 *         --> else it waits for bytes:       completed by tc__read_arrived
 *   closing --> tc__read_fail: completed if the buffer does, else failed
 *   its future cancelled, or dropped --> withdraw: as if it had never been asked for
 *
 * An operation does not hold its future, so that whoever has the last reference can end it. Until the future is done,
 * no byte leaves the stream: what the operation has gathered is for the next one. And if it is done, but goes before
 * anybody has received it, its bytes come back, unless a later read was served.
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>
#include <errno.h>

#include "async/future_private.h"
#include "util/error_internal.h"

enum { READ_INTO_MOST = 256 * 1024 }; /* bytes of one recv into the caller's memory */

/* ---- Completing ---- */

typedef struct {
    const char *data; /* `copy`, or the caller's own memory */
    size_t len;
    char copy[];
} result_t;

static result_t *new_result(tc_bytes_t bytes, bool copied) {
    result_t *result = tc__malloc(sizeof(*result) + (copied ? bytes.len + 1 : 0));
    if (!result)
        return NULL;
    result->data = copied ? result->copy : bytes.data;
    result->len = bytes.len;
    if (copied && bytes.len > 0)
        memcpy(result->copy, bytes.data, bytes.len);
    if (copied)
        result->copy[bytes.len] = '\0';
    return result;
}

tc_bytes_t tc_iostream_bytes(const void *result) {
    const result_t *bytes = result;
    return bytes ? tc_bytes(bytes->data, bytes->len) : tc_bytes("", 0);
}

void tc_iostream_bytes_free(void *result) {
    tc__free(result);
}

/* Of a read to the end: with TLS, FIN alone may have been sent by anybody. */
static int end_of(const tc_iostream_t *stream) {
    if (!stream->truncated)
        return 0;
    return tc__fail(TC_ETLS, "the connection ended without TLS's close_notify: perhaps something is missing");
}

typedef struct {
    tc_future_t future;
    tc_iostream_t *stream; /* alive while the read is under way; then referenced until the future was received */
    uint64_t served;       /* reads of the stream, with this one */
} reading_t;

static void on_granted(tc_future_t *future, bool received);

static void rest(tc_iostream_t *stream) {
    stream->paused = !stream->ahead && !tc__read_pending(stream);
}

/* A callback may begin the next read, and may close the stream. */
static void complete(tc_iostream_t *stream, int err, tc_bytes_t data) {
    tc__stream_ops_t *ops = stream->ops;
    tc_future_t *future = ops->read_future;
    result_t *result = ops->result;
    ops->kind = TC__READ_NONE;
    ops->read_future = NULL;
    ops->result = NULL;
    ops->served++;
    rest(stream);
    if (!future) {
        ops->read_cb(stream, err, data, ops->read_data);
    } else if (err < 0) {
        tc__free(result);
        tc_future_set_error(future, err, NULL);
    } else {
        result->len = data.len;
        tc_iostream_ref(stream);
        tc__container_of(future, reading_t, future)->served = ops->served;
        future->granted = on_granted;
        tc_future_set_result(future, result, tc_iostream_bytes_free);
    }
}

/* A future's copy is made while the bytes can still stay: without memory for it the read fails, and they do. */
static bool prepare(tc_iostream_t *stream, tc_bytes_t bytes) {
    tc__stream_ops_t *ops = stream->ops;
    if (!ops->read_future || ops->result)
        return true;
    ops->result = new_result(bytes, true);
    if (!ops->result)
        complete(stream, TC_ENOMEM, tc_bytes("", 0));
    return ops->result != NULL;
}

/* ---- What do these bytes do? ---- */

/* 1: the first *take of them complete the operation; 0: not yet; negative: never. */
static int match_delimiter(tc__stream_ops_t *ops, tc_bytes_t bytes, size_t *take) {
    size_t back = (size_t)(ops->delimiter_len - 1);
    size_t from = ops->scanned > back ? ops->scanned - back : 0;
    const char *found = NULL;
    if (bytes.len > from)
        found = memmem(bytes.data + from, bytes.len - from, ops->delimiter, ops->delimiter_len);
    if (!found) {
        ops->scanned = bytes.len;
        return ops->len > 0 && bytes.len >= ops->len ? TC_ETOOBIG : 0;
    }
    *take = (size_t)(found - bytes.data) + ops->delimiter_len;
    return ops->len > 0 && *take > ops->len ? TC_ETOOBIG : 1;
}

static int match(tc__stream_ops_t *ops, tc_bytes_t bytes, size_t *take) {
    switch (ops->kind) {
    case TC__READ_UNTIL:
        return match_delimiter(ops, bytes, take);
    case TC__READ_BYTES:
        *take = bytes.len < ops->len ? bytes.len : ops->len;
        return *take == ops->len || (ops->partial && *take > 0);
    default:
        return 0;
    }
}

static bool is_filled(const tc__stream_ops_t *ops) {
    return ops->filled == ops->len || (ops->partial && ops->filled > 0);
}

static void consume(tc_iostream_t *stream, size_t len) {
    tc__buffer_consume(&stream->in, len);
}

static void free_if_empty(tc_iostream_t *stream) {
    if (tc__buffer_len(&stream->in) == 0)
        tc__buffer_deinit(&stream->in);
}

/* Complete the operation with what is in the buffer. 1: done; 0: not enough; negative: never enough. */
static int satisfy(tc_iostream_t *stream) {
    tc__stream_ops_t *ops = stream->ops;
    tc_bytes_t bytes = tc__buffer_bytes(&stream->in);
    size_t take = 0;
    if (ops->kind == TC__READ_INTO) {
        take = ops->len - ops->filled < bytes.len ? ops->len - ops->filled : bytes.len;
        if (take > 0)
            memcpy(ops->target + ops->filled, bytes.data, take);
        ops->filled += take;
        consume(stream, take);
        free_if_empty(stream);
        if (!is_filled(ops))
            return 0;
        complete(stream, 0, tc_bytes(ops->target, ops->filled));
        return 1;
    }
    int rc = match(ops, bytes, &take);
    if (rc <= 0)
        return rc;
    assert(take <= bytes.len);
    if (!prepare(stream, tc_bytes(bytes.data, take)))
        return 1;
    consume(stream, take); /* the bytes themselves stay where they are until something is appended */
    complete(stream, 0, tc_bytes(take > 0 ? bytes.data : "", take));
    free_if_empty(stream);
    return 1;
}

static void satisfy_or_close(tc_iostream_t *stream) {
    int rc = satisfy(stream);
    if (rc < 0)
        tc__iostream_fail(stream, rc);
}

/* ---- What the core calls ---- */

size_t tc__read_room(tc_iostream_t *stream, char *scratch, char **out) {
    tc__stream_ops_t *ops = stream->ops;
    size_t len = tc__buffer_len(&stream->in);
    if (ops && ops->kind == TC__READ_INTO && len == 0) {
        size_t wanted = ops->len - ops->filled;
        *out = ops->target + ops->filled;
        return wanted < READ_INTO_MOST ? wanted : READ_INTO_MOST;
    }
    size_t room = stream->in.limit > len ? stream->in.limit - len : 0;
    if (room == 0 && tc__read_pending(stream)) {
        tc__iostream_fail(stream, TC_ETOOBIG);
    } else if (room == 0) {
        stream->ahead = false;
        rest(stream);
    }
    *out = scratch;
    return room < TC__READ_SIZE ? room : TC__READ_SIZE;
}

static void keep(tc_iostream_t *stream, tc_bytes_t bytes) {
    int err = tc__buffer_append(&stream->in, bytes.data, bytes.len);
    if (err < 0)
        tc__iostream_doom(stream, err);
}

/* Straight from the loop's buffer, which no other stream uses meanwhile. */
static void deliver(tc_iostream_t *stream, tc_bytes_t bytes, size_t take) {
    tc__net_t *net = tc__iostream_net(stream);
    if (!prepare(stream, tc_bytes(bytes.data, take))) {
        keep(stream, bytes);
        return;
    }
    int err = take < bytes.len ? tc__buffer_append(&stream->in, bytes.data + take, bytes.len - take) : 0;
    net->reading = true;
    complete(stream, 0, tc_bytes(bytes.data, take));
    if (stream->loop) /* else it was freed by the callback, and `net` with it */
        net->reading = false;
    if (err < 0)
        tc__iostream_doom(stream, err);
}

void tc__read_arrived(tc_iostream_t *stream, tc_bytes_t bytes) {
    tc__stream_ops_t *ops = stream->ops;
    if (ops && ops->kind == TC__READ_INTO && bytes.data == ops->target + ops->filled) {
        ops->filled += bytes.len;
        if (is_filled(ops))
            complete(stream, 0, tc_bytes(ops->target, ops->filled));
        return;
    }
    if (tc__read_pending(stream) && tc__buffer_len(&stream->in) == 0) {
        size_t take = 0;
        int rc = match(ops, bytes, &take);
        if (rc > 0) {
            deliver(stream, bytes, take);
            return;
        }
        keep(stream, bytes);
        if (rc < 0)
            tc__iostream_fail(stream, rc);
        return;
    }
    keep(stream, bytes);
    if (tc__iostream_open(stream) && tc__read_pending(stream))
        satisfy_or_close(stream);
}

void tc__read_hangup(tc_iostream_t *stream) {
    if (!stream->close_cb || stream->eof)
        return;
    stream->ahead = true;
    rest(stream);
}

/* A future that fails cannot bring the bytes: they stay. */
static void complete_with_all(tc_iostream_t *stream, int err) {
    tc_bytes_t bytes = tc__buffer_bytes(&stream->in);
    if (err == 0 && !prepare(stream, bytes))
        return;
    if (err == 0 || !stream->ops->read_future)
        consume(stream, bytes.len);
    complete(stream, err, bytes.len > 0 ? bytes : tc_bytes("", 0));
    free_if_empty(stream);
}

void tc__read_eof(tc_iostream_t *stream) {
    stream->ahead = false;
    rest(stream);
    if (tc__read_pending(stream) && stream->ops->kind == TC__READ_TO_END) {
        complete_with_all(stream, end_of(stream));
    } else if (tc__read_pending(stream) && stream->queue) {
        complete(stream, TC_ECLOSED, tc_bytes("", 0));
    }
    if (tc__iostream_open(stream))
        tc__iostream_close_when_written(stream); /* the peer may still be listening */
}

void tc__read_kept(tc_iostream_t *stream) {
    if (!tc__read_pending(stream))
        return;
    if (stream->ops->kind == TC__READ_TO_END && stream->eof)
        complete_with_all(stream, end_of(stream));
    else
        satisfy_or_close(stream);
}

void tc__read_fail(tc_iostream_t *stream, int err) {
    if (!tc__read_pending(stream) || satisfy(stream) > 0)
        return;
    if (err == 0)
        err = TC_ECLOSED;
    if (stream->ops->kind == TC__READ_TO_END)
        complete_with_all(stream, stream->eof ? end_of(stream) : err);
    else
        complete(stream, err, tc_bytes("", 0));
    free_if_empty(stream);
}

/* ---- Starting ---- */

static int check_read(tc_iostream_t *stream, const char *function) {
    if (!stream)
        return tc__misuse(TC_EINVAL, "%s: stream is NULL", function);
    if (stream->sink)
        return tc__misuse(TC_EBUSY, "%s: the stream belongs to a protocol", function);
    if (tc__read_pending(stream))
        return tc__fail(TC_EBUSY, "%s: another read is under way on this stream", function);
    return 0;
}

/* Can the buffer of a stream that gets no more satisfy it? */
static bool buffer_does(tc_iostream_t *stream) {
    tc__stream_ops_t *ops = stream->ops;
    tc_bytes_t bytes = tc__buffer_bytes(&stream->in);
    size_t take = 0;
    switch (ops->kind) {
    case TC__READ_TO_END:
        return stream->eof || bytes.len > 0;
    case TC__READ_INTO:
        return bytes.len >= ops->len || (ops->partial && bytes.len > 0);
    default: {
        int rc = match(ops, bytes, &take);
        ops->scanned = 0;
        return rc > 0;
    }
    }
}

/* `wanted` has kind and arguments, and the callback or future. Checked already. */
static int start(tc_iostream_t *stream, const tc__stream_ops_t *wanted, tc_bytes_t delimiter) {
    tc__stream_ops_t *ops = tc__iostream_ops(stream);
    if (!ops)
        return tc__fail(TC_ENOMEM, "out of memory for a read");
    ops->kind = wanted->kind;
    ops->partial = wanted->partial;
    ops->len = wanted->len;
    ops->target = wanted->target;
    ops->read_cb = wanted->read_cb;
    ops->read_data = wanted->read_data;
    ops->read_future = wanted->read_future;
    ops->result = wanted->result;
    ops->scanned = ops->filled = 0;
    ops->delimiter_len = (uint8_t)delimiter.len;
    if (delimiter.len > 0)
        memcpy(ops->delimiter, delimiter.data, delimiter.len);

    bool ended = !tc__iostream_open(stream) || stream->eof;
    if (ended && (!stream->loop || !buffer_does(stream))) {
        ops->kind = TC__READ_NONE;
        ops->read_future = NULL;
        ops->result = NULL;
        return TC_ECLOSED;
    }
    if (!ended)
        stream->paused = false;
    bool nothing = ops->len == 0 && ops->kind != TC__READ_UNTIL;
    if (ended || nothing || tc__buffer_len(&stream->in) > 0)
        tc__iostream_soon(stream);
    else
        tc__iostream_watch(stream);
    return 0;
}

static int check_until(tc_iostream_t *stream, tc_bytes_t delimiter, const char *function) {
    TC_TRY(check_read(stream, function));
    if (!delimiter.data || delimiter.len < 1 || delimiter.len > 255)
        return tc__misuse(TC_EINVAL, "%s: a delimiter has 1 to 255 bytes, not %zu", function, delimiter.len);
    return 0;
}

static int check_bytes(tc_iostream_t *stream, size_t len, bool partial, const char *function) {
    TC_TRY(check_read(stream, function));
    if (!partial && len > stream->in.limit)
        return tc__fail(TC_ETOOBIG, "%s: %zu bytes: max_buffer_size is %zu", function, len, (size_t)stream->in.limit);
    return 0;
}

static int check_target(const void *buffer, size_t len, const char *function) {
    return buffer || len == 0 ? 0 : tc__misuse(TC_EINVAL, "%s: the buffer is NULL", function);
}

static int check_callback(tc_iostream_read_cb cb, const char *function) {
    return cb ? 0 : tc__misuse(TC_EINVAL, "%s: the callback is NULL", function);
}

int tc_iostream_read_until(tc_iostream_t *stream, tc_bytes_t delimiter, size_t max_bytes, tc_iostream_read_cb cb,
                           void *user_data) {
    TC_TRY(check_until(stream, delimiter, "tc_iostream_read_until"));
    TC_TRY(check_callback(cb, "tc_iostream_read_until"));
    tc__stream_ops_t wanted = { .kind = TC__READ_UNTIL, .len = max_bytes, .read_cb = cb, .read_data = user_data };
    return start(stream, &wanted, delimiter);
}

int tc_iostream_read_bytes(tc_iostream_t *stream, size_t len, bool partial, tc_iostream_read_cb cb, void *user_data) {
    TC_TRY(check_bytes(stream, len, partial, "tc_iostream_read_bytes"));
    TC_TRY(check_callback(cb, "tc_iostream_read_bytes"));
    tc__stream_ops_t wanted = {
        .kind = TC__READ_BYTES, .len = len, .partial = partial, .read_cb = cb, .read_data = user_data
    };
    return start(stream, &wanted, tc_bytes(NULL, 0));
}

int tc_iostream_read_into(tc_iostream_t *stream, void *buffer, size_t len, bool partial, tc_iostream_read_cb cb,
                          void *user_data) {
    TC_TRY(check_read(stream, "tc_iostream_read_into"));
    TC_TRY(check_callback(cb, "tc_iostream_read_into"));
    TC_TRY(check_target(buffer, len, "tc_iostream_read_into"));
    tc__stream_ops_t wanted = {
        .kind = TC__READ_INTO, .target = buffer, .len = len, .partial = partial, .read_cb = cb, .read_data = user_data
    };
    return start(stream, &wanted, tc_bytes(NULL, 0));
}

int tc_iostream_read_until_close(tc_iostream_t *stream, tc_iostream_read_cb cb, void *user_data) {
    TC_TRY(check_read(stream, "tc_iostream_read_until_close"));
    TC_TRY(check_callback(cb, "tc_iostream_read_until_close"));
    tc__stream_ops_t wanted = { .kind = TC__READ_TO_END, .len = SIZE_MAX, .read_cb = cb, .read_data = user_data };
    return start(stream, &wanted, tc_bytes(NULL, 0));
}

bool tc_iostream_reading(const tc_iostream_t *stream) {
    return stream && tc__read_pending(stream);
}

/* ---- Futures ---- */

/* What was filled of the caller's memory goes back to the buffer, which is empty then. */
static void withdraw(tc_iostream_t *stream) {
    tc__stream_ops_t *ops = stream->ops;
    int err = 0;
    if (ops->kind == TC__READ_INTO && ops->filled > 0)
        err = tc__buffer_append(&stream->in, ops->target, ops->filled);
    tc__free(ops->result);
    ops->kind = TC__READ_NONE;
    ops->read_future = NULL;
    ops->result = NULL;
    rest(stream);
    if (err < 0)
        tc__iostream_doom(stream, err);
}

/* Memory of the caller's may be gone by now: what was read into it is lost. */
static void give_back(tc_iostream_t *stream, const result_t *result) {
    tc__stream_ops_t *ops = stream->ops;
    if (stream->released || result->data != result->copy || (ops->kind == TC__READ_INTO && ops->filled > 0))
        return;
    int err = tc__buffer_prepend(&stream->in, result->data, result->len);
    ops->scanned = 0;
    if (err < 0)
        tc__iostream_doom(stream, err);
    else if (tc__read_pending(stream))
        tc__iostream_soon(stream);
}

static void on_granted(tc_future_t *future, bool received) {
    const reading_t *reading = tc__container_of(future, reading_t, future);
    tc_iostream_t *stream = reading->stream;
    if (!received && stream->ops->served == reading->served)
        give_back(stream, future->result);
    tc_iostream_unref(stream);
}

static void on_settled(tc_future_t *future) {
    reading_t *reading = tc__container_of(future, reading_t, future);
    if (reading->stream && reading->stream->ops->read_future == future) /* not by `complete` */
        withdraw(reading->stream);
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

void tc__read_cancel(tc_iostream_t *stream) {
    if (stream->ops && stream->ops->read_future)
        tc_future_set_error(stream->ops->read_future, TC_ECANCELED, NULL);
}

/* `err` is what the checks said. */
static tc_future_t *start_future(tc_iostream_t *stream, int err, tc__stream_ops_t *wanted, tc_bytes_t delimiter) {
    tc_ioloop_t *loop = tc__ioloop_or_current(stream ? stream->loop : NULL);
    tc_future_t *future = loop ? tc__future_alloc(loop, sizeof(reading_t)) : NULL;
    if (!future)
        return NULL;
    if (err == 0 && wanted->kind == TC__READ_INTO) {
        wanted->result = new_result(tc_bytes(wanted->target, 0), false);
        err = wanted->result ? 0 : tc__fail(TC_ENOMEM, "out of memory for a read");
    }
    wanted->read_future = future;
    if (err == 0)
        err = start(stream, wanted, delimiter);
    if (err < 0) {
        tc__free(wanted->result);
        tc_future_set_error(future, err, NULL);
        return future;
    }
    tc__container_of(future, reading_t, future)->stream = stream;
    future->settled = on_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    return future;
}

tc_future_t *tc_iostream_read_until_future(tc_iostream_t *stream, tc_bytes_t delimiter, size_t max_bytes) {
    tc__stream_ops_t wanted = { .kind = TC__READ_UNTIL, .len = max_bytes };
    return start_future(stream, check_until(stream, delimiter, "tc_iostream_read_until_future"), &wanted, delimiter);
}

tc_future_t *tc_iostream_read_bytes_future(tc_iostream_t *stream, size_t len, bool partial) {
    tc__stream_ops_t wanted = { .kind = TC__READ_BYTES, .len = len, .partial = partial };
    return start_future(stream, check_bytes(stream, len, partial, "tc_iostream_read_bytes_future"), &wanted,
                        tc_bytes(NULL, 0));
}

/* Within the buffer's limit, so that it has room for what a cancelled read leaves. */
tc_future_t *tc_iostream_read_into_future(tc_iostream_t *stream, void *buffer, size_t len, bool partial) {
    int err = check_bytes(stream, len, false, "tc_iostream_read_into_future");
    if (err == 0)
        err = check_target(buffer, len, "tc_iostream_read_into_future");
    tc__stream_ops_t wanted = { .kind = TC__READ_INTO, .target = buffer, .len = len, .partial = partial };
    return start_future(stream, err, &wanted, tc_bytes(NULL, 0));
}

tc_future_t *tc_iostream_read_until_close_future(tc_iostream_t *stream) {
    tc__stream_ops_t wanted = { .kind = TC__READ_TO_END, .len = SIZE_MAX };
    return start_future(stream, check_read(stream, "tc_iostream_read_until_close_future"), &wanted, tc_bytes(NULL, 0));
}
