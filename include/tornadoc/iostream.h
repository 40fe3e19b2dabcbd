/*
 * tornadoc/iostream.h - a byte stream on a socket: reads that wait for a delimiter or a count, writes that queue.
 * (Tornado: iostream)
 *
 * One read at a time; writes queue in order. A callback runs exactly once and from the loop, never from inside the call
 * that asked for it. Each operation has a twin that ends in _future.
 *
 * Closing, by either side: reads that the buffer can still satisfy are satisfied; the others end with TC_ECLOSED, or
 * with the socket's error; then writes that were not sent; then the close callback runs. The peer's end is noticed by
 * whoever reads, and, if there is a close callback, also while nobody reads; what is queued for writing still goes out.
 *
 * A stream lives until the program gives it back: tc_iostream_close is called once for each, in a callback of its own
 * or at any time, also for one that the peer has closed. What the buffer holds can be read until then.
 */
#ifndef TORNADOC_IOSTREAM_H
#define TORNADOC_IOSTREAM_H

#include <tornadoc/future.h>
#include <tornadoc/ioloop.h>
#include <tornadoc/tls.h>
#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_iostream tc_iostream_t;

typedef struct {
    size_t max_buffer_size;       /**< bytes read and not yet consumed; default 100 MiB; beyond it the stream closes */
    size_t max_write_buffer_size; /**< bytes queued for writing; default 64 MiB; a write beyond it is TC_ETOOBIG */
    uintptr_t reserved[4];        /**< must be zero */
} tc_iostream_options_t;

/* ---- Life ----------------------------------------------------------------------------------------------------- */

/**
 * A stream on a connected socket (TCP or unix), made non-blocking and owned by the stream from now on. On failure it
 * stays the caller's.
 */
TC_EXTERN int tc_iostream_new(tc_iostream_t **out, tc_ioloop_t *loop, int fd,
                              const tc_iostream_options_t *options) TC_MUST_CHECK;

typedef struct {
    const char *source_ip;        /**< numeric; NULL: the system chooses */
    int source_port;              /**< 0: any */
    uint64_t timeout_ms;          /**< then TC_ETIMEDOUT; default 20,000; TC_FOREVER: as long as the system tries */
    tc_iostream_options_t stream; /**< for the stream */
    tc_tls_context_t *tls;        /**< a client's: speak TLS, and be connected once that is agreed; else NULL */
    const char *server_hostname;  /**< with TLS: whom the certificate must name; NULL: the address */
    uintptr_t reserved[4];        /**< must be zero */
} tc_iostream_connect_options_t;

/** Connected: `stream` is the callback's, to be closed some time. Else NULL, and `err` tells why: TC_ECANCELED if the
 *  loop was freed. tc_error_detail() has it in words. */
typedef void (*tc_iostream_connect_cb)(tc_iostream_t *stream, int err, void *user_data);

/**
 * Connect to a numeric address ("127.0.0.1", "::1", "fe80::1%eth0") and port, or to "unix:/run/app.sock" ("unix:@name"
 * is Linux's abstract namespace; the port is then not looked at). Names are tc_tcpclient_connect's.
 *
 * @return 0, and `cb` runs once; else it never does, and tc_error_detail() tells why
 */
TC_EXTERN int tc_iostream_connect(tc_ioloop_t *loop, const char *address, int port,
                                  const tc_iostream_connect_options_t *options, tc_iostream_connect_cb cb,
                                  void *user_data) TC_MUST_CHECK;

/** The same as a future, whose result is the stream: to be taken, and closed some time; one that is not taken is closed
 *  with the future. To cancel the future, or to drop it, ends the attempt. */
TC_EXTERN tc_future_t *tc_iostream_connect_future(tc_ioloop_t *loop, const char *address, int port,
                                                  const tc_iostream_connect_options_t *options);

/** Two streams in memory, each the other's peer: for tests, no socket is used. */
TC_EXTERN int tc_iostream_pair(tc_iostream_t **out_a, tc_iostream_t **out_b, tc_ioloop_t *loop,
                               const tc_iostream_options_t *options) TC_MUST_CHECK;

/** Close now, if it is not closed yet: what is queued for writing is lost. The reference that `new` gave goes with it,
 *  once the pending callbacks have run. NULL is fine. */
TC_EXTERN void tc_iostream_close(tc_iostream_t *stream);

TC_EXTERN tc_iostream_t *tc_iostream_ref(tc_iostream_t *stream);
TC_EXTERN void tc_iostream_unref(tc_iostream_t *stream);

TC_EXTERN bool tc_iostream_closed(const tc_iostream_t *stream);
/** Why it closed: 0 by us or by the peer's orderly end, else the socket's error. */
TC_EXTERN int tc_iostream_error(const tc_iostream_t *stream);

/**
 * The numeric address of the peer: "192.0.2.1", "2001:db8::1"; "" on a unix socket or in memory. Lives as long as the
 * stream. The system is asked at the first call, so it is "" if that comes after the close; what a server has accepted
 * is known from the start.
 */
TC_EXTERN const char *tc_iostream_peer(const tc_iostream_t *stream);
TC_EXTERN int tc_iostream_peer_port(const tc_iostream_t *stream); /**< 0 where the address is "" */
/** Our own end of it, likewise. */
TC_EXTERN const char *tc_iostream_local(const tc_iostream_t *stream);
TC_EXTERN int tc_iostream_local_port(const tc_iostream_t *stream);

/** `err` as tc_iostream_error. Runs once, after the callbacks of pending reads and writes. */
typedef void (*tc_iostream_close_cb)(tc_iostream_t *stream, int err, void *user_data);
TC_EXTERN void tc_iostream_set_close_callback(tc_iostream_t *stream, tc_iostream_close_cb cb, void *user_data);

/* ---- Reading: one read at a time, else TC_EBUSY; TC_ECLOSED on a closed stream whose buffer does not do ---- */

/** On success the bytes, borrowed until `cb` returns; on failure none, but what read_until_close gathered. */
typedef void (*tc_iostream_read_cb)(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data);

/**
 * Read up to and including `delimiter` (copied, 1 to 255 bytes).
 * @param max_bytes close the stream with TC_ETOOBIG if that much arrives without a match; 0: the stream's limit
 */
TC_EXTERN int tc_iostream_read_until(tc_iostream_t *stream, tc_bytes_t delimiter, size_t max_bytes,
                                     tc_iostream_read_cb cb, void *user_data) TC_MUST_CHECK;

/** Read `len` bytes; with `partial`, at least one and at most `len`. */
TC_EXTERN int tc_iostream_read_bytes(tc_iostream_t *stream, size_t len, bool partial, tc_iostream_read_cb cb,
                                     void *user_data) TC_MUST_CHECK;

/** Read into the caller's memory, which must live until `cb` runs; `data` is the part of it that was filled. */
TC_EXTERN int tc_iostream_read_into(tc_iostream_t *stream, void *buffer, size_t len, bool partial,
                                    tc_iostream_read_cb cb, void *user_data) TC_MUST_CHECK;

/** Read all until the peer closes; `err` is then 0. `cb` may still write: the stream closes once that is sent. */
TC_EXTERN int tc_iostream_read_until_close(tc_iostream_t *stream, tc_iostream_read_cb cb,
                                           void *user_data) TC_MUST_CHECK;

/** Whether a read is under way. */
TC_EXTERN bool tc_iostream_reading(const tc_iostream_t *stream);

/* ---- Writing -------------------------------------------------------------------------------------------------- */

/** The bytes of that write have left for the system, or (`err` < 0) never will. */
typedef void (*tc_iostream_write_cb)(tc_iostream_t *stream, int err, void *user_data);

/** Write a copy of `data`; `cb` may be NULL. @return 0; TC_ECLOSED; TC_ETOOBIG; TC_ENOMEM. On error `cb` never runs. */
TC_EXTERN int tc_iostream_write(tc_iostream_t *stream, tc_bytes_t data, tc_iostream_write_cb cb, void *user_data);

/** The same without a copy: `data` must live until `free_data(owner)` is called, also on failure; if that is NULL,
 * until `cb` or the close callback has run. */
TC_EXTERN int tc_iostream_write_owned(tc_iostream_t *stream, tc_bytes_t data, tc_free_fn free_data, void *owner,
                                      tc_iostream_write_cb cb, void *user_data);

/** Whether the system takes no more for now, so that writes queue. */
TC_EXTERN bool tc_iostream_writing(const tc_iostream_t *stream);
TC_EXTERN size_t tc_iostream_write_queue_size(const tc_iostream_t *stream);

/** Send FIN once all is written; reading goes on. */
TC_EXTERN int tc_iostream_shutdown(tc_iostream_t *stream);

/** TCP_NODELAY; on by default, and nothing on other sockets. */
TC_EXTERN int tc_iostream_set_nodelay(tc_iostream_t *stream, bool on);

/* ---- TLS (Tornado: SSLIOStream) -------------------------------------------------------------------------------- */

typedef struct {
    tc_tls_context_t *tls;       /**< whose side it is for: a server's or a client's */
    bool server_side;            /**< we are the server */
    const char *server_hostname; /**< of a client: whom the certificate must name, a name or a numeric address; copied.
                                      It may be NULL only if the context does not verify */
    uint64_t handshake_timeout_ms; /**< then TC_ETIMEDOUT; default 10,000; TC_FOREVER */
    uintptr_t reserved[4];         /**< must be zero */
} tc_iostream_tls_options_t;

/** The handshake is done, or (`err` < 0, and tc_error_detail() has it in words) it failed, and the stream is closed:
 *  TC_ETLS, TC_ETIMEDOUT, a code of the socket's; TC_ECLOSED if the stream was closed before. */
typedef void (*tc_iostream_tls_cb)(tc_iostream_t *stream, int err, void *user_data);

/**
 * Speak TLS from now on, on a stream where nothing is under way: no read, nothing queued, nothing left in its buffer.
 * The handshake goes on by itself; what is read and written meanwhile waits for it.
 *
 * With TLS the other side's end is its close_notify. If the connection ends without, somebody may have cut it:
 * read_until_close then ends with TC_ETLS (and what it gathered); the other reads know what they want, and end as ever.
 *
 * @param cb may be NULL
 * @return 0; TC_EBUSY: something is under way, or arrived before TLS began; TC_EALREADY: it speaks TLS; TC_ECLOSED;
 *         TC_EINVAL, TC_ETLS: the context or the name does not fit; TC_ENOMEM. On error `cb` never runs.
 */
TC_EXTERN int tc_iostream_start_tls(tc_iostream_t *stream, const tc_iostream_tls_options_t *options,
                                    tc_iostream_tls_cb cb, void *user_data) TC_MUST_CHECK;
/** Its result is NULL. */
TC_EXTERN tc_future_t *tc_iostream_start_tls_future(tc_iostream_t *stream, const tc_iostream_tls_options_t *options);

/**
 * The end of the handshake of a stream that a server gave out, or that tc_iostream_start_tls was called for without a
 * callback. Needed by those who want to know whom they talk to before they read or write.
 *
 * @return 0; TC_EBUSY: somebody waits already; TC_EINVAL: the stream does not speak TLS; TC_ECLOSED
 */
TC_EXTERN int tc_iostream_wait_for_handshake(tc_iostream_t *stream, tc_iostream_tls_cb cb,
                                             void *user_data) TC_MUST_CHECK;
TC_EXTERN tc_future_t *tc_iostream_wait_for_handshake_future(tc_iostream_t *stream);

/* What the handshake agreed on: NULL, "" or false before it is done, after the stream was closed, and without TLS.
 * Texts live until the stream is closed. */
TC_EXTERN const char *tc_iostream_tls_version(const tc_iostream_t *stream);     /**< "TLSv1.3" */
TC_EXTERN const char *tc_iostream_tls_cipher(const tc_iostream_t *stream);      /**< "TLS_AES_256_GCM_SHA384" */
TC_EXTERN const char *tc_iostream_tls_server_name(const tc_iostream_t *stream); /**< that the client asked for (SNI) */
TC_EXTERN tc_bytes_t tc_iostream_tls_alpn(const tc_iostream_t *stream);         /**< "http/1.1"; no NUL behind it */
/** Whether a session of before was taken up again, which saves the larger part of the work. */
TC_EXTERN bool tc_iostream_tls_session_reused(const tc_iostream_t *stream);

/** The other side's certificate, in words. What it says is true only if it was verified. */
typedef struct {
    bool verified;             /**< it leads to a CA that is trusted, and its dates are right */
    const char *subject;       /**< "CN=client,O=Example" (RFC 2253) */
    const char *issuer;        /**< in the same form */
    const char *serial_number; /**< in hexadecimal digits, as all of them here lower case */
    const char *sha256;        /**< the fingerprint */
    const char *const *names;  /**< subject alternative names: "DNS:example.com", "IP:::1", "email:…", "URI:…" */
    size_t name_count;         /**< of `names` */
    int64_t not_before, not_after; /**< seconds since 1970 */
    tc_bytes_t der;                /**< all of it */
} tc_peer_certificate_t;

/**
 * What the other side has shown, as a copy: free it some time, also after the stream is gone.
 * @return 0; TC_ENOENT: it has shown none; TC_EINVAL: no TLS, or no handshake yet; TC_ETLS: it is malformed; TC_ENOMEM
 */
TC_EXTERN int tc_iostream_peer_certificate(const tc_iostream_t *stream, tc_peer_certificate_t **out) TC_MUST_CHECK;
TC_EXTERN void tc_peer_certificate_free(tc_peer_certificate_t *certificate); /**< NULL is fine */

/* ---- The same as futures -------------------------------------------------------------------------------------- */

/*
 * A read's result is a copy of the bytes: see tc_iostream_bytes. Freed with the future unless it was taken.
 *
 * To cancel a read's future, or to drop it while it pends (as tc_with_timeout does when the time is up), withdraws the
 * read at once: another may begin, and finds every byte that has come. So it is with a read that is done, if its future
 * is dropped before anybody has looked at it (as by a tc_gather that is cancelled); only what was read into memory of
 * yours is lost then. A write is not withdrawn: whatever becomes of its future, the bytes go out.
 */
TC_EXTERN tc_future_t *tc_iostream_read_until_future(tc_iostream_t *stream, tc_bytes_t delimiter, size_t max_bytes);
TC_EXTERN tc_future_t *tc_iostream_read_bytes_future(tc_iostream_t *stream, size_t len, bool partial);
/** The bytes of the result are those in `buffer`, which must live as long as the future pends: a local of the coroutine
 *  that awaits it does. `len` is at most the stream's max_buffer_size. */
TC_EXTERN tc_future_t *tc_iostream_read_into_future(tc_iostream_t *stream, void *buffer, size_t len, bool partial);
TC_EXTERN tc_future_t *tc_iostream_read_until_close_future(tc_iostream_t *stream);
TC_EXTERN tc_future_t *tc_iostream_write_future(tc_iostream_t *stream, tc_bytes_t data);

/** The bytes of a read's future: `tc_iostream_bytes(tc_future_result(future))`; a copy has a NUL behind it. */
TC_EXTERN tc_bytes_t tc_iostream_bytes(const void *result);
/** Free a taken result of a read's future. */
TC_EXTERN void tc_iostream_bytes_free(void *result);

#ifdef __cplusplus
}
#endif
#endif
