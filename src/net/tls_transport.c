/*
 * tls_transport.c - TLS between a stream and its transport. (Tornado: SSLIOStream)
 *
 * A stream that speaks TLS has this transport in place of its own, which carries the ciphertext from then on
 * (tls_bio.c). What is above does not change: recv gives plaintext, sendv takes it, and both say EAGAIN where they
 * would block.
 *
 *   HANDSHAKE --[done]--> OPEN
 *   HANDSHAKE --[the first byte is a letter: the client speaks HTTP, say]--> AWAY --[it left, or 2 s]--> closed
 *   HANDSHAKE --[refused, too late, too long, the peer left]--> closed, with TC_ETLS
 *
 * The handshake goes on by itself, also while nobody reads; what is written meanwhile stays in the stream's queue. It
 * runs from the loop, never on a coroutine's stack (it needs up to 14 KB); writing, which may run there, needs little.
 *
 * Bytes that no event will report, since the transport has given them already: OpenSSL has the rest of a record, or we
 * have records that OpenSSL has not seen. Then `more` is set, and the ready queue comes back to them.
 *
 * Plaintext is taken only while no ciphertext is pending. When the last of what was taken cannot be sent, sendv owns up
 * to all but its last byte: so the stream has a queue until all is with the system, and knows it.
 *
 * The peer's end is close_notify. FIN alone may be somebody who cuts the connection: the stream then ends all the same
 * (`truncated`), and whoever does not know the length of what it reads looks at that. We send close_notify before our
 * FIN, unless what was to be sent is lost.
 *
 * `odd` is set while the stream's interest is not simply that of its reader and its queue.
 */
#include "net/tls_transport_internal.h"

#include <errno.h>

#include <openssl/err.h>

#include "net/netutil_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "util/unconst_internal.h"

static void update(tc_iostream_t *stream) {
    const tc__tls_t *tls = stream->tls;
    stream->odd = tls->state != TC__TLS_OPEN || tc__tls_pending(stream) || stream->more;
}

/* ---- Failing ---- */

static void keep_reason(tc__tls_t *tls, const char *reason) {
    tc__free(tls->reason);
    tls->reason = tc__strndup(reason, strlen(reason));
}

static int fail(tc__tls_t *tls, int err, const char *reason) {
    if (tls->failed == 0) {
        tls->failed = err;
        keep_reason(tls, reason);
    }
    return tls->failed;
}

/* What a call of OpenSSL that did not succeed means: -EAGAIN, 0 for the peer's end, else why it failed, for good. */
static int examine(tc_iostream_t *stream, int rc) {
    tc__tls_t *tls = stream->tls;
    char reason[TC__TLS_REASON];
    int why = SSL_get_error(tls->ssl, rc);
    switch (why) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        if (tls->lower_err)
            return fail(tls, tls->lower_err, tc_strerror(tls->lower_err));
        if (tls->fin)
            return 0;
        break;
    case SSL_ERROR_SSL:
        break;
    default: /* a callback that takes its time */
        tls->waits = true;
        return -EAGAIN;
    }
    int err = tc__tls_reason(reason, sizeof(reason), tls->ssl);
    return fail(tls, err, reason);
}

/* ---- The handshake ---- */

static void log_failure(tc_iostream_t *stream) {
    static tc__log_limit_t limit;
    const tc__tls_t *tls = stream->tls;
    char address[INET6_ADDRSTRLEN + 12] = "";
    if (!tls->server || (tls->taken == 0 && tls->failed != TC_ETIMEDOUT))
        return; /* it came and went */
    if (tls->peer.family)
        tc__address_format(&tls->peer, address, sizeof(address));
    const char *peer = tls->peer.family ? address : tc_iostream_peer(stream);
    tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, NULL, "%s%sTLS handshake: %s", peer, *peer ? ": " : "",
                    tls->reason ? tls->reason : tc_strerror(tls->failed));
}

/* @return `failed` */
static int fail_handshake(tc_iostream_t *stream, int err, const char *reason) {
    tc__tls_t *tls = stream->tls;
    fail(tls, err, reason);
    tc__timer_stop(stream->loop, &tls->deadline);
    log_failure(stream);
    return tls->failed;
}

static void on_deadline(tc__timer_t *timer) {
    tc__tls_t *tls = tc__container_of(timer, tc__tls_t, deadline);
    tc_iostream_t *stream = tls->stream;
    if (tls->state == TC__TLS_HANDSHAKE)
        fail_handshake(stream, TC_ETIMEDOUT, "not done in time");
    tc__iostream_fail(stream, tls->failed);
}

/* The answer goes out as it is, then FIN; what the client still sends is read for a while, so that it gets it. */
static int turn_away(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    tls->taken = 1;
    int err = fail_handshake(stream, TC_ETLS, "the client does not speak TLS (http instead of https?)");
    if (!tls->plain_answer)
        return err;
    struct iovec iov = { tc__unconst(tls->plain_answer), strlen(tls->plain_answer) };
    ssize_t n = tls->lower->sendv(stream, &iov, 1);
    if (n < 0 || tls->lower->shutdown(stream) < 0)
        return err;
    tc__tls_drop(stream);
    tls->state = TC__TLS_AWAY;
    tc__timer_start(stream->loop, &tls->deadline, tc__ioloop_now(stream->loop) + TC__TLS_AWAY_MS);
    return -EAGAIN;
}

static void hear_out(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    char scrap[4096];
    ssize_t n = tls->lower->recv(stream, scrap, sizeof(scrap));
    if (n == -EAGAIN)
        return;
    tls->taken += n > 0 ? (size_t)n : 0;
    if (n <= 0 || tls->taken > TC__TLS_AWAY_MOST)
        tc__iostream_fail(stream, tls->failed);
}

static int shut(tc_iostream_t *stream);

static int opened(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    tc__timer_stop(stream->loop, &tls->deadline);
    tls->state = TC__TLS_OPEN;
    tls->taken = 0;
    stream->more = tc__tls_has_input(stream);
    if (tls->cb || tls->future)
        tc__iostream_soon(stream);
    return shut(stream);
}

/*
 * A step of a server's takes a third of a millisecond: in a long turn of the loop a few go on, and the others, which
 * the system will report again, wait for the next turn. A few, for whoever keeps all turns long is no reason to starve
 * them; and since the system reports those first that wait longest, each has its turn.
 */
static bool may_wait(const tc_iostream_t *stream) {
    if (!stream->tls->server || stream->fd < 0 || tc__tls_has_input(stream) || !tc__ioloop_is_late(stream->loop))
        return false;
    struct tc__tls_loop *shared = tc__iostream_net(stream)->tls;
    uint64_t turn = tc__ioloop_now(stream->loop);
    if (shared->late_turn != turn) {
        shared->late_turn = turn;
        shared->late_steps = TC__TLS_LATE_STEPS;
    }
    if (shared->late_steps == 0)
        return true;
    shared->late_steps--;
    return false;
}

/* One step. 0: done; -EAGAIN; else it has failed. */
static int shake_hands(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (tls->busy > 0 || tls->waits || may_wait(stream))
        return -EAGAIN;
    int sent = tc__tls_flush(stream);
    if (sent == -EAGAIN)
        return -EAGAIN;
    if (sent < 0)
        return fail_handshake(stream, sent, tc_strerror(sent));
    tls->goes_on = false;
    tls->may_receive = true;
    tls->stop = TC__TLS_HANDSHAKE_MOST;
    tc__tls_turn_t turn = tc__tls_enter(stream);
    int rc = SSL_do_handshake(tls->ssl);
    int err = rc == 1 ? 0 : examine(stream, rc);
    sent = tc__tls_leave(stream, turn); /* an alert too */
    if (stream->closed)
        return TC_ECLOSED;
    if (tls->plain)
        return turn_away(stream);
    if (err == 0 && rc != 1)
        return fail_handshake(stream, TC_ETLS, "the peer closed the connection");
    if (err == -EAGAIN && tls->taken >= TC__TLS_HANDSHAKE_MOST)
        return fail_handshake(stream, TC_ETLS, "it does not end");
    if (err < 0 && err != -EAGAIN)
        return fail_handshake(stream, err, "");
    if (sent < 0 && sent != -EAGAIN)
        return fail_handshake(stream, sent, tc_strerror(sent));
    return err < 0 ? err : opened(stream);
}

/* ---- Reading ---- */

static ssize_t recv_open(tc_iostream_t *stream, char *buffer, size_t len) {
    tc__tls_t *tls = stream->tls;
    size_t n = 0;
    int err = 1;
    bool rest = false; /* of a record, with OpenSSL */
    tls->may_receive = true;
    tls->stop = tls->taken + TC__TLS_BARREN_TURN;
    tc__tls_turn_t turn = tc__tls_enter(stream);
    while (n < len) {
        size_t got = 0;
        int rc = SSL_read_ex(tls->ssl, buffer + n, len - n, &got);
        if (rc != 1) {
            err = examine(stream, rc);
            break;
        }
        n += got;
        tls->may_receive = false;
        tls->taken = 0;
        tls->stop = TC__TLS_BARREN_TURN;
        rest = SSL_pending(tls->ssl) > 0;
        if (!rest && !tc__tls_has_input(stream))
            break; /* OpenSSL would only say that it wants more */
    }
    int sent = tc__tls_leave(stream, turn);
    if (stream->closed)
        return TC_ECLOSED;
    if (err == -EAGAIN && tls->taken > TC__TLS_BARREN_MOST)
        err = fail(tls, TC_ETLS, "records without data");
    if (sent < 0 && sent != -EAGAIN && (err == 1 || err == -EAGAIN))
        err = fail(tls, sent, tc_strerror(sent));
    bool news = err != 1 && err != -EAGAIN; /* the end, to be told after these bytes */
    stream->more = (rest && err == 1) || tc__tls_has_input(stream) || (n > 0 && news);
    if (n > 0)
        return (ssize_t)n;
    if (err == 0)
        stream->truncated = !(SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN);
    return err;
}

static ssize_t tls_recv(tc_iostream_t *stream, void *buffer, size_t len) {
    tc__tls_t *tls = stream->tls;
    if (tls->state == TC__TLS_AWAY || tls->busy > 0)
        return -EAGAIN;
    if (tls->failed < 0)
        return tls->failed;
    int err = tls->state == TC__TLS_HANDSHAKE ? shake_hands(stream) : 0;
    ssize_t n = err < 0 ? err : recv_open(stream, buffer, len);
    if (!stream->closed)
        update(stream);
    return n;
}

/* ---- Writing ---- */

typedef struct {
    const struct iovec *iov;
    int count;
    size_t offset; /* in the first of them */
} cursor_t;

static void advance(cursor_t *at, size_t n) {
    while (n > 0) {
        size_t left = at->iov->iov_len - at->offset;
        if (n < left) {
            at->offset += n;
            return;
        }
        n -= left;
        at->iov++;
        at->count--;
        at->offset = 0;
    }
}

/* The next record's plaintext: where it lies, if that is in one piece. */
static tc_bytes_t next_record(cursor_t at, char *room) {
    size_t first = at.iov->iov_len - at.offset, len = 0;
    if (first >= TC__TLS_RECORD || at.count == 1)
        return tc_bytes((const char *)at.iov->iov_base + at.offset, first < TC__TLS_RECORD ? first : TC__TLS_RECORD);
    for (; at.count > 0 && len < TC__TLS_RECORD; at.iov++, at.count--) {
        size_t n = at.iov->iov_len - at.offset;
        if (n > TC__TLS_RECORD - len)
            n = TC__TLS_RECORD - len;
        if (n > 0)
            memcpy(room + len, (const char *)at.iov->iov_base + at.offset, n);
        len += n;
        at.offset = 0;
    }
    return tc_bytes(room, len);
}

/* Encrypt and send as many records as one flight holds. 1; -EAGAIN: nothing more goes; else why it failed. */
static int send_flight(tc_iostream_t *stream, cursor_t *at, size_t *left) {
    tc__tls_t *tls = stream->tls;
    struct tc__tls_loop *shared = tc__iostream_net(stream)->tls;
    int err = tc__tls_room(stream) < TC__TLS_RECORD_ROOM ? -EAGAIN : 1;
    tc__tls_turn_t turn = tc__tls_enter(stream);
    while (err == 1 && *left > 0 && tc__tls_room(stream) >= TC__TLS_RECORD_ROOM) {
        tc_bytes_t bytes = next_record(*at, shared->record);
        size_t written = 0;
        int rc = SSL_write_ex(tls->ssl, bytes.data, bytes.len, &written);
        if (rc != 1)
            err = examine(stream, rc);
        advance(at, written);
        *left -= written;
    }
    int sent = tc__tls_leave(stream, turn);
    if (err == 0) /* after our own close_notify, or the peer's alert */
        err = TC_ECLOSED;
    return err == 1 && sent < 0 ? sent : err;
}

static ssize_t send_open(tc_iostream_t *stream, const struct iovec *iov, int count) {
    tc__tls_t *tls = stream->tls;
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += iov[i].iov_len;
    int err = tc__tls_flush(stream);
    if (err < 0)
        return err;
    cursor_t at = { .iov = iov, .count = count };
    advance(&at, tls->owed);
    size_t left = total - tls->owed;
    tls->owed = false;
    for (err = 1; left > 0 && err == 1;)
        err = send_flight(stream, &at, &left);
    if (err < 0 && err != -EAGAIN)
        return err;
    size_t done = total - left;
    tls->owed = done > 0 && tc__tls_pending(stream);
    done -= tls->owed;
    return done > 0 ? (ssize_t)done : -EAGAIN;
}

static ssize_t tls_sendv(tc_iostream_t *stream, const struct iovec *iov, int count) {
    tc__tls_t *tls = stream->tls;
    if (tls->failed < 0)
        return tls->failed;
    if (tls->state != TC__TLS_OPEN || tls->busy > 0)
        return -EAGAIN;
    ssize_t n = send_open(stream, iov, count);
    if (!stream->closed)
        update(stream);
    return n;
}

static size_t tls_in_flight(tc_iostream_t *stream) {
    return tc__buffer_len(&stream->tls->pending) + stream->tls->lower->in_flight(stream);
}

/* ---- The end ---- */

static void send_close_notify(tc_iostream_t *stream) {
    tc__tls_turn_t turn = tc__tls_enter(stream);
    SSL_shutdown(stream->tls->ssl);
    tc__tls_leave(stream, turn);
}

/* If that is wanted, once all before it is with the transport. */
static int shut(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (!tls->want_shut || tls->shut || tls->state != TC__TLS_OPEN || tls->busy > 0 || tc__tls_pending(stream))
        return 0;
    if (!(SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
        send_close_notify(stream);
    if (tc__tls_pending(stream))
        return 0;
    tls->shut = true;
    return tls->lower->shutdown(stream);
}

static int tls_shutdown(tc_iostream_t *stream) {
    stream->tls->want_shut = true;
    int err = shut(stream);
    update(stream);
    tc__iostream_watch(stream);
    return err;
}

bool tc__tls_say_end(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (tls->state != TC__TLS_OPEN || tls->failed < 0 || tls->aborted || tls->busy > 0)
        return true;
    if (!tc__tls_pending(stream) && tc__iostream_queued(stream) == 0 &&
        !(SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN))
        send_close_notify(stream);
    update(stream);
    return !tc__tls_pending(stream);
}

/* Tickets and a close_notify that nobody read would turn our FIN into a reset, and the peer lose what we sent: an alert
 * perhaps. */
static void discard_input(tc_iostream_t *stream) {
    char scrap[4096];
    for (int i = 0; i < TC__READ_SIZE / (int)sizeof(scrap); i++)
        if (stream->tls->lower->recv(stream, scrap, sizeof(scrap)) < (ssize_t)sizeof(scrap))
            return;
}

static void tls_close(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (!tls->aborted && !tls->fin && tls->lower_err == 0)
        discard_input(stream);
    tc__timer_stop(stream->loop, &tls->deadline);
    tc__tls_drop(stream);
    if (tls->failed != TC_ETLS) /* a connection that just ends is no reason to forget its session */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    if (tls->busy == 0) {
        SSL_free(tls->ssl);
        tls->ssl = NULL;
    }
    tls->lower->close(stream);
}

static void tls_abort(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (tls->failed == TC_ETLS) /* our alert, or the peer's, says more than a reset, which would overtake it */
        return;
    tls->aborted = true;
    tls->lower->abort(stream);
}

/* ---- Events ---- */

static int tls_watch(tc_iostream_t *stream, unsigned events) {
    return stream->tls->lower->watch(stream, events);
}

unsigned tc__tls_interest(const tc_iostream_t *stream, unsigned events) {
    const tc__tls_t *tls = stream->tls;
    if (tls->state == TC__TLS_AWAY)
        return TC__STREAM_READABLE;
    if (tls->state == TC__TLS_HANDSHAKE)
        return tc__tls_pending(stream) ? TC__STREAM_WRITABLE : tls->waits ? 0 : TC__STREAM_READABLE;
    return tc__tls_pending(stream) ? events | TC__STREAM_WRITABLE : events;
}

/* The handshake alone looks at events; @return what is left to do for the stream. */
static unsigned on_handshake_events(tc_iostream_t *stream, unsigned events) {
    int err = shake_hands(stream);
    if (err == -EAGAIN)
        return events & TC__STREAM_FAILED;
    if (err < 0) {
        tc__iostream_fail(stream, err);
        return 0;
    }
    return (stream->more ? TC__STREAM_READABLE : 0u) | (stream->want_write ? TC__STREAM_WRITABLE : 0u);
}

unsigned tc__tls_on_events(tc_iostream_t *stream, unsigned events) {
    tc__tls_t *tls = stream->tls;
    if (tls->state == TC__TLS_AWAY) {
        hear_out(stream);
        return 0;
    }
    if (tls->state == TC__TLS_HANDSHAKE) {
        events = on_handshake_events(stream, events);
    } else if (events & TC__STREAM_WRITABLE) {
        int err = tc__tls_flush(stream);
        if (err == -EAGAIN)
            events &= ~(unsigned)TC__STREAM_WRITABLE;
        else if (err == 0)
            err = shut(stream);
        if (err < 0 && err != -EAGAIN) {
            tc__iostream_fail(stream, err);
            return 0;
        }
    }
    if (!stream->closed)
        update(stream);
    return events;
}

void tc__tls_look_after(tc_iostream_t *stream) {
    const tc__tls_t *tls = stream->tls;
    bool begins = tls->state == TC__TLS_HANDSHAKE && !tls->waits &&
                  (!tls->server || tls->goes_on || tc__tls_has_input(stream));
    if (begins || stream->more)
        tc__iostream_on_events(stream, TC__STREAM_READABLE);
}

void tc__tls_tell(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    if (tls->state != TC__TLS_OPEN && !stream->closed)
        return;
    int err = tls->state == TC__TLS_OPEN ? 0 : stream->error < 0 ? stream->error : TC_ECLOSED;
    tc_iostream_tls_cb cb = tls->cb;
    tc_future_t *future = tls->future;
    tls->cb = NULL;
    tls->future = NULL;
    if (err < 0 && tls->reason)
        tc__fail(err, "TLS handshake: %s", tls->reason);
    if (cb) {
        cb(stream, err, tls->user_data);
    } else if (future) {
        if (err < 0)
            tc_future_set_error(future, err, tls->reason ? tc_error_detail() : NULL);
        else
            tc_future_set_result(future, NULL, NULL);
        tc__future_let_go(future);
    }
}

/* ---- Life ---- */

static const tc__transport_t tls_transport = {
    .recv = tls_recv,
    .sendv = tls_sendv,
    .in_flight = tls_in_flight,
    .shutdown = tls_shutdown,
    .watch = tls_watch,
    .close = tls_close,
    .abort = tls_abort,
};

static int new_tls(tc__tls_t **out, tc_iostream_t *stream, const tc__tls_params_t *params) {
    struct tc__tls_loop *shared = tc__tls_loop(stream->loop);
    tc__tls_t *tls = shared ? tc__calloc(1, sizeof(*tls)) : NULL;
    int err = 0;
    if (!tls)
        return tc__fail(TC_ENOMEM, "out of memory for TLS");
    tc__buffer_init(&tls->kept, SIZE_MAX);
    tc__buffer_init(&tls->pending, SIZE_MAX);
    if (params->received.len > 0 && tc__buffer_append(&tls->kept, params->received.data, params->received.len) < 0) {
        err = tc__fail(TC_ENOMEM, "out of memory for TLS");
        goto fail;
    }
    err = tc__tls_ssl_new(&tls->ssl, params->context, params->server, params->hostname);
    if (err < 0)
        goto fail;
    SSL_set_read_ahead(tls->ssl, 0); /* that is what the loop's buffer is for */
    BIO_up_ref(shared->bio);
    SSL_set_bio(tls->ssl, shared->bio, shared->bio);
    if (params->alpn.len > 0)
        err = tc__tls_set_default_alpn(tls->ssl, params->alpn);
    if (err < 0)
        goto fail;
    *out = tls;
    return 0;
fail:
    SSL_free(tls->ssl);
    tc__buffer_deinit(&tls->kept);
    tc__free(tls);
    return err;
}

int tc__tls_start(tc_iostream_t *stream, const tc__tls_params_t *params) {
    tc__tls_t *tls = NULL;
    TC_TRY(new_tls(&tls, stream, params));
    tls->stream = stream;
    tls->server = params->server;
    tls->plain_answer = params->plain_answer;
    tls->lower = stream->transport;
    tc__timer_init(&tls->deadline, on_deadline);
    stream->transport = &tls_transport;
    stream->tls = tls;
    if (params->peer)
        tls->peer = *params->peer;
    uint64_t now = tc__ioloop_now(stream->loop), ms = params->handshake_timeout_ms;
    if (ms != TC_FOREVER)
        tc__timer_start(stream->loop, &tls->deadline, now + (ms ? ms : TC__TLS_HANDSHAKE_MS));
    update(stream);
    tc__iostream_soon(stream);
    return 0;
}

void tc__tls_free(tc_iostream_t *stream) {
    tc__tls_t *tls = stream->tls;
    SSL_free(tls->ssl);
    tc__free(tls->reason);
    tc__free(tls);
}
