/*
 * tls_bio.c - how the ciphertext of TLS streams comes and goes: one BIO and two buffers for all streams of a loop.
 *
 * In: one recv takes as many records as stand there into the loop's buffer, from which OpenSSL reads header and body of
 * each. What it leaves (the stream's reader wants no more) stays there until another stream needs the buffer: only then
 * it is copied to memory of the stream's own.
 *
 * Out: what OpenSSL writes in one turn gathers in the loop's buffer, and goes by one send at the turn's end. What the
 * transport does not take is pending, in memory of the stream's own. That is one flight at most, for nothing is
 * encrypted while something is pending; it counts as the stream's output.
 *
 * So an idle connection has no buffer of ours, and with SSL_MODE_RELEASE_BUFFERS none of OpenSSL's.
 */
#include "net/tls_transport_internal.h"

#include <errno.h>

#include <openssl/bio.h>
#include <openssl/err.h>

#include "util/error_internal.h"
#include "util/unconst_internal.h"

typedef struct tc__tls_loop tls_loop_t;

static tls_loop_t *loop_of(const tc_iostream_t *stream) {
    return tc__iostream_net(stream)->tls;
}

/* ---- Input ---- */

static bool owns_input(const tc_iostream_t *stream) {
    return loop_of(stream)->owner == stream;
}

bool tc__tls_has_input(const tc_iostream_t *stream) {
    return tc__buffer_len(&stream->tls->kept) > 0 || owns_input(stream);
}

/* What was received: what was put aside came first. */
static tc_bytes_t received(const tc_iostream_t *stream) {
    const tls_loop_t *shared = loop_of(stream);
    if (tc__buffer_len(&stream->tls->kept) > 0)
        return tc__buffer_bytes(&stream->tls->kept);
    if (owns_input(stream))
        return tc_bytes(shared->in + shared->in_start, shared->in_end - shared->in_start);
    return tc_bytes(NULL, 0);
}

static void consume(tc_iostream_t *stream, size_t len) {
    tls_loop_t *shared = loop_of(stream);
    tc__buffer_t *kept = &stream->tls->kept;
    if (tc__buffer_len(kept) > 0) {
        tc__buffer_consume(kept, len);
        if (tc__buffer_len(kept) == 0)
            tc__buffer_deinit(kept);
    } else {
        shared->in_start += len;
        if (shared->in_start == shared->in_end)
            shared->owner = NULL;
    }
}

/* The loop's buffer is needed: what stands there goes to its owner. */
static void put_aside(tls_loop_t *shared) {
    tc_iostream_t *owner = shared->owner;
    if (!owner)
        return;
    shared->owner = NULL;
    int err = tc__buffer_append(&owner->tls->kept, shared->in + shared->in_start, shared->in_end - shared->in_start);
    if (err < 0)
        tc__iostream_doom(owner, err);
}

/* TLS records begin with a byte from 20 to 24, and requests of other protocols with a letter. */
static bool is_plain(char first) {
    return (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');
}

static void receive(tc_iostream_t *stream) {
    tls_loop_t *shared = loop_of(stream);
    tc__tls_t *tls = stream->tls;
    tls->may_receive = false;
    put_aside(shared);
    ssize_t n = tls->lower->recv(stream, shared->in, sizeof(shared->in));
    if (n > 0) {
        shared->owner = stream;
        shared->in_start = 0;
        shared->in_end = (size_t)n;
    } else if (n == 0) {
        tls->fin = true;
    } else if (n != -EAGAIN) {
        tls->lower_err = (int)n;
    }
}

static int bio_read(BIO *bio, char *data, size_t len, size_t *got) {
    tc_iostream_t *stream = ((tls_loop_t *)BIO_get_data(bio))->current;
    tc__tls_t *tls = stream->tls;
    BIO_clear_retry_flags(bio);
    tc_bytes_t bytes = received(stream);
    if (bytes.len == 0 && tls->may_receive) {
        receive(stream);
        bytes = received(stream);
    }
    if (tls->taken == 0 && tls->server && tls->state == TC__TLS_HANDSHAKE && bytes.len > 0 && is_plain(bytes.data[0]))
        tls->plain = true;
    size_t most = tls->stop > tls->taken ? tls->stop - tls->taken : 0;
    if (len > most)
        len = most;
    if (len > bytes.len)
        len = bytes.len;
    if (len == 0 || tls->plain) {
        if (bytes.len > 0 || (!tls->fin && tls->lower_err == 0))
            BIO_set_retry_read(bio);
        return 0; /* an end is told by no flag: OpenSSL would close the other direction too */
    }
    memcpy(data, bytes.data, len);
    consume(stream, len);
    tls->taken += len;
    *got = len;
    return 1;
}

/* ---- Output ---- */

/* The stream's output, as all streams' together is bounded, has what is pending in it. */
static void count_pending(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (!stream->outputs)
        return;
    size_t len = tc__buffer_len(&tls->pending);
    stream->outputs->held += len;
    stream->outputs->held -= tls->counted;
    tls->counted = len;
}

size_t tc__tls_room(tc_iostream_t *stream) {
    return tc__tls_pending(stream) ? 0 : sizeof(loop_of(stream)->out) - loop_of(stream)->out_len;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *written) {
    tls_loop_t *shared = BIO_get_data(bio);
    size_t room = tc__tls_room(shared->current);
    BIO_clear_retry_flags(bio);
    if (len > room)
        len = room;
    if (len == 0) {
        BIO_set_retry_write(bio);
        return 0;
    }
    memcpy(shared->out + shared->out_len, data, len);
    shared->out_len += len;
    *written = len;
    return 1;
}

int tc__tls_flush(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (!tc__tls_pending(stream))
        return 0;
    tc_bytes_t bytes = tc__buffer_bytes(&tls->pending);
    struct iovec iov = { tc__unconst(bytes.data), bytes.len };
    ssize_t n = tls->lower->sendv(stream, &iov, 1);
    if (n < 0)
        return (int)n;
    tc__buffer_consume(&tls->pending, (size_t)n);
    count_pending(stream);
    if (stream->outputs && stream->queue)
        tc__outputs_wait(stream->outputs, stream->queue);
    if ((size_t)n < bytes.len)
        return -EAGAIN;
    tc__buffer_deinit(&tls->pending);
    return 0;
}

static int send_written(tc_iostream_t *stream, const char *data, size_t len) {
    tc__tls_t *tls = stream->tls;
    ssize_t n = -EAGAIN;
    if (!tc__tls_pending(stream)) {
        struct iovec iov = { tc__unconst(data), len };
        n = tls->lower->sendv(stream, &iov, 1);
    }
    if (n < 0 && n != -EAGAIN)
        return (int)n;
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent == len)
        return 0;
    int err = tc__buffer_append(&tls->pending, data + sent, len - sent);
    count_pending(stream);
    return err < 0 ? err : -EAGAIN;
}

/* OpenSSL's clearing looks at every place of its queue, and that four times for a request. */
static void forget_errors(void) {
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

tc__tls_turn_t tc__tls_enter(tc_iostream_t *stream) {
    tls_loop_t *shared = loop_of(stream);
    tc__tls_turn_t turn = { .outer = shared->current, .out_start = shared->out_len };
    shared->current = stream;
    stream->tls->busy++;
    forget_errors();
    return turn;
}

int tc__tls_leave(tc_iostream_t *stream, tc__tls_turn_t turn) {
    tc__tls_t *tls = stream->tls;
    tls_loop_t *shared = loop_of(stream);
    size_t len = shared->out_len - turn.out_start;
    shared->current = turn.outer;
    tls->busy--;
    forget_errors();
    int err = 0;
    if (stream->closed && tls->busy == 0) { /* by a callback */
        SSL_free(tls->ssl);
        tls->ssl = NULL;
    }
    if (stream->closed)
        err = TC_ECLOSED;
    else if (len > 0)
        err = send_written(stream, shared->out + turn.out_start, len);
    shared->out_len = turn.out_start;
    return err;
}

void tc__tls_drop(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (owns_input(stream))
        loop_of(stream)->owner = NULL;
    tc__buffer_deinit(&tls->kept);
    tc__buffer_deinit(&tls->pending);
    count_pending(stream);
}

/* ---- The loop's part ---- */

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

void tc__tls_loop_free(tls_loop_t *shared) {
    if (!shared)
        return;
    BIO_free(shared->bio);
    BIO_meth_free(shared->method);
    tc__free(shared);
}

static tls_loop_t *new_loop(void) {
    tls_loop_t *shared = tc__malloc(sizeof(*shared));
    if (!shared)
        return NULL;
    memset(shared, 0, offsetof(tls_loop_t, in)); /* the buffers become real when they are used */
    shared->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "iostream");
    if (shared->method && BIO_meth_set_read_ex(shared->method, bio_read) &&
        BIO_meth_set_write_ex(shared->method, bio_write) && BIO_meth_set_ctrl(shared->method, bio_ctrl))
        shared->bio = BIO_new(shared->method);
    if (!shared->bio) {
        ERR_clear_error();
        tc__tls_loop_free(shared);
        return NULL;
    }
    BIO_set_data(shared->bio, shared);
    BIO_set_init(shared->bio, 1);
    return shared;
}

tls_loop_t *tc__tls_loop(tc_ioloop_t *loop) {
    tc__net_t *net = tc__net(loop);
    if (net && !net->tls)
        net->tls = new_loop();
    if (!net || !net->tls)
        tc__fail(TC_ENOMEM, "out of memory for TLS");
    return net ? net->tls : NULL;
}
