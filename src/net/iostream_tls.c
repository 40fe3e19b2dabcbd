/*
 * iostream_tls.c - a stream that goes on with TLS. (Tornado: IOStream.start_tls, SSLIOStream.wait_for_handshake)
 */
#include "net/iostream_connect_internal.h"
#include "net/tls_transport_internal.h"

#include "util/error_internal.h"

/* ---- Who waits for the handshake ---- */

static void on_cancel(tc_future_t *future, void *user_data) {
    tc_iostream_t *stream = user_data;
    stream->tls->future = NULL;
    tc_future_set_error(future, TC_ECANCELED, NULL);
    tc_future_unref(future);
}

static void wait_with_future(tc_iostream_t *stream, tc_future_t *future) {
    stream->tls->future = tc_future_ref(future);
    tc_future_set_cancel_callback(future, on_cancel, stream);
    tc__iostream_soon(stream);
}

static void wait_with_callback(tc_iostream_t *stream, tc_iostream_tls_cb cb, void *user_data) {
    stream->tls->cb = cb;
    stream->tls->user_data = user_data;
    tc__iostream_soon(stream);
}

static int check_wait(const tc_iostream_t *stream, const char *function) {
    if (!stream)
        return tc__misuse(TC_EINVAL, "%s: stream is NULL", function);
    if (!stream->tls)
        return tc__misuse(TC_EINVAL, "%s: the stream does not speak TLS", function);
    if (!tc__iostream_open(stream))
        return TC_ECLOSED;
    if (stream->tls->cb || stream->tls->future)
        return tc__fail(TC_EBUSY, "%s: somebody waits for the handshake already", function);
    return 0;
}

int tc_iostream_wait_for_handshake(tc_iostream_t *stream, tc_iostream_tls_cb cb, void *user_data) {
    TC_TRY(check_wait(stream, "tc_iostream_wait_for_handshake"));
    if (!cb)
        return tc__misuse(TC_EINVAL, "tc_iostream_wait_for_handshake: the callback is NULL");
    wait_with_callback(stream, cb, user_data);
    return 0;
}

tc_future_t *tc_iostream_wait_for_handshake_future(tc_iostream_t *stream) {
    tc_future_t *future = tc_future_new(stream ? stream->loop : NULL);
    if (!future)
        return NULL;
    int err = check_wait(stream, "tc_iostream_wait_for_handshake_future");
    if (err < 0)
        tc_future_set_error(future, err, tc_error_detail());
    else
        wait_with_future(stream, future);
    return future;
}

/* ---- Starting ---- */

static int check_start(const tc_iostream_t *stream, const tc_iostream_tls_options_t *options, const char *function) {
    if (!stream || !options || !options->tls)
        return tc__misuse(TC_EINVAL, "%s: %s is NULL", function, stream ? "the context" : "stream");
    if (!tc__all_zero(options->reserved, sizeof(options->reserved)))
        return tc__misuse(TC_EINVAL, "tc_iostream_tls_options_t: reserved is not zero (is the struct initialised?)");
    if (!tc__iostream_open(stream) || stream->eof || stream->want_shutdown)
        return tc__fail(TC_ECLOSED, "%s: the stream is closed", function);
    if (stream->tls)
        return tc__fail(TC_EALREADY, "%s: the stream speaks TLS already", function);
    if (stream->sink)
        return tc__misuse(TC_EBUSY, "%s: the stream belongs to a protocol", function);
    if (tc__read_pending(stream) || tc__iostream_queued(stream) > 0)
        return tc__fail(TC_EBUSY, "%s: a read or a write is under way", function);
    if (tc__buffer_len(&stream->in) > 0) /* what came in the clear must not pass for what came by TLS */
        return tc__fail(TC_EBUSY, "%s: bytes that came before TLS were not read", function);
    return 0;
}

static int start(tc_iostream_t *stream, const tc_iostream_tls_options_t *options, const char *function) {
    TC_TRY(check_start(stream, options, function));
    return tc__tls_start(stream, &(tc__tls_params_t){ .context = options->tls,
                                                      .server = options->server_side,
                                                      .hostname = options->server_hostname,
                                                      .handshake_timeout_ms = options->handshake_timeout_ms });
}

int tc_iostream_start_tls(tc_iostream_t *stream, const tc_iostream_tls_options_t *options, tc_iostream_tls_cb cb,
                          void *user_data) {
    TC_TRY(start(stream, options, "tc_iostream_start_tls"));
    if (cb)
        wait_with_callback(stream, cb, user_data);
    return 0;
}

tc_future_t *tc_iostream_start_tls_future(tc_iostream_t *stream, const tc_iostream_tls_options_t *options) {
    tc_future_t *future = tc_future_new(stream ? stream->loop : NULL);
    if (!future)
        return NULL;
    int err = start(stream, options, "tc_iostream_start_tls_future");
    if (err < 0)
        tc_future_set_error(future, err, tc_error_detail());
    else
        wait_with_future(stream, future);
    return future;
}

/* ---- A connection that is made for TLS ---- */

int tc__secure_init(tc__secure_t *secure, tc_future_t *future, tc_tls_context_t *tls, const char *hostname,
                    void (*failed)(tc_future_t *future, int err)) {
    *secure = (tc__secure_t){ .future = future, .failed = failed };
    if (!tls)
        return 0;
    secure->hostname = tc__strndup(hostname, strlen(hostname));
    if (!secure->hostname)
        return tc__fail(TC_ENOMEM, "out of memory for a connection");
    secure->tls = tc_tls_context_ref(tls);
    return 0;
}

static void on_secure(tc_iostream_t *stream, int err, void *user_data) {
    tc__secure_t *secure = user_data;
    secure->stream = NULL;
    if (err == 0) {
        tc_future_set_result(secure->future, stream, tc__iostream_drop);
        return;
    }
    secure->failed(secure->future, err);
    tc_iostream_close(stream);
}

void tc__secure_start(tc__secure_t *secure, tc_iostream_t *stream) {
    if (!secure->tls) {
        tc_future_set_result(secure->future, stream, tc__iostream_drop);
        return;
    }
    tc_iostream_tls_options_t options = { .tls = secure->tls, .server_hostname = secure->hostname };
    int err = tc_iostream_start_tls(stream, &options, on_secure, secure);
    if (err < 0)
        on_secure(stream, err, secure);
    else
        secure->stream = stream;
}

void tc__secure_end(tc__secure_t *secure) {
    tc_iostream_t *stream = secure->stream;
    secure->stream = NULL;
    tc_tls_context_unref(secure->tls);
    secure->tls = NULL;
    tc__free(secure->hostname);
    secure->hostname = NULL;
    if (!stream)
        return;
    stream->tls->cb = NULL;
    tc_iostream_close(stream);
}
