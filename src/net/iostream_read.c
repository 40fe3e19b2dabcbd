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
 */
#include "net/iostream_struct_internal.h"

#include <assert.h>
#include <errno.h>

#include "util/error_internal.h"

enum { READ_INTO_MOST = 256 * 1024 }; /* bytes of one recv into the caller's memory */

/* ---- Completing ---- */

typedef struct {
    size_t len;
    char data[];
} result_t;

tc_bytes_t tc_iostream_bytes(const void *result) {
    const result_t *bytes = result;
    return bytes ? tc_bytes(bytes->data, bytes->len) : tc_bytes("", 0);
}

void tc_iostream_bytes_free(void *result) {
    tc__free(result);
}

static void complete_future(tc_future_t *future, int err, tc_bytes_t data) {
    result_t *result = err < 0 ? NULL : tc__malloc(sizeof(*result) + data.len + 1);
    if (result) {
        result->len = data.len;
        if (data.len > 0)
            memcpy(result->data, data.data, data.len);
        result->data[data.len] = '\0';
        tc_future_set_result(future, result, tc_iostream_bytes_free);
    } else {
        tc_future_set_error(future, err < 0 ? err : TC_ENOMEM, NULL);
    }
    tc__future_let_go(future);
}

static void rest(tc_iostream_t *stream) {
    stream->paused = !stream->ahead && !tc__read_pending(stream);
}

/* A callback may begin the next read, and may close the stream. */
static void complete(tc_iostream_t *stream, int err, tc_bytes_t data) {
    tc__stream_ops_t *ops = stream->ops;
    tc_future_t *future = ops->read_future;
    ops->kind = TC__READ_NONE;
    ops->read_future = NULL;
    rest(stream);
    if (future)
        complete_future(future, err, data);
    else
        ops->read_cb(stream, err, data, ops->read_data);
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
    if (take < bytes.len)
        keep(stream, tc_bytes(bytes.data + take, bytes.len - take));
    net->reading = true;
    complete(stream, 0, tc_bytes(bytes.data, take));
    if (stream->loop) /* else it was freed by the callback, and `net` with it */
        net->reading = false;
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

static tc_bytes_t take_all(tc_iostream_t *stream) {
    tc_bytes_t bytes = tc__buffer_bytes(&stream->in);
    consume(stream, bytes.len);
    return bytes.len > 0 ? bytes : tc_bytes("", 0);
}

void tc__read_eof(tc_iostream_t *stream) {
    stream->ahead = false;
    rest(stream);
    if (tc__read_pending(stream) && stream->ops->kind == TC__READ_TO_END) {
        complete(stream, 0, take_all(stream));
        free_if_empty(stream);
    } else if (tc__read_pending(stream) && stream->queue) {
        complete(stream, TC_ECLOSED, tc_bytes("", 0));
    }
    if (tc__iostream_open(stream))
        tc__iostream_close_when_written(stream); /* the peer may still be listening */
}

void tc__read_kept(tc_iostream_t *stream) {
    if (!tc__read_pending(stream))
        return;
    if (stream->ops->kind == TC__READ_TO_END && stream->eof) {
        complete(stream, 0, take_all(stream));
        free_if_empty(stream);
    } else {
        satisfy_or_close(stream);
    }
}

void tc__read_fail(tc_iostream_t *stream, int err) {
    if (!tc__read_pending(stream) || satisfy(stream) > 0)
        return;
    if (err == 0)
        err = TC_ECLOSED;
    if (stream->ops->kind == TC__READ_TO_END)
        complete(stream, stream->eof ? 0 : err, take_all(stream));
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
    ops->scanned = ops->filled = 0;
    ops->delimiter_len = (uint8_t)delimiter.len;
    if (delimiter.len > 0)
        memcpy(ops->delimiter, delimiter.data, delimiter.len);

    bool ended = !tc__iostream_open(stream) || stream->eof;
    if (ended && (!stream->loop || !buffer_does(stream))) {
        ops->kind = TC__READ_NONE;
        ops->read_future = NULL;
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
    if (!buffer && len > 0)
        return tc__misuse(TC_EINVAL, "tc_iostream_read_into: the buffer is NULL");
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

/* The operation is forgotten; what has arrived stays for the next one. */
static void on_cancel(tc_future_t *future, void *user_data) {
    tc_iostream_t *stream = user_data;
    assert(stream->ops && stream->ops->read_future == future);
    stream->ops->kind = TC__READ_NONE;
    stream->ops->read_future = NULL;
    rest(stream);
    tc_future_set_error(future, TC_ECANCELED, NULL);
    tc_future_unref(future);
}

/* `err` is what the checks said. */
static tc_future_t *start_future(tc_iostream_t *stream, int err, tc__stream_ops_t *wanted, tc_bytes_t delimiter) {
    tc_future_t *future = tc_future_new(stream ? stream->loop : NULL);
    if (!future)
        return NULL;
    wanted->read_future = future;
    if (err == 0)
        err = start(stream, wanted, delimiter);
    if (err < 0) {
        tc_future_set_error(future, err, NULL);
        return future;
    }
    tc_future_set_cancel_callback(future, on_cancel, stream);
    return tc_future_ref(future); /* the operation has one, the caller the other */
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

tc_future_t *tc_iostream_read_until_close_future(tc_iostream_t *stream) {
    tc__stream_ops_t wanted = { .kind = TC__READ_TO_END, .len = SIZE_MAX };
    return start_future(stream, check_read(stream, "tc_iostream_read_until_close_future"), &wanted, tc_bytes(NULL, 0));
}
