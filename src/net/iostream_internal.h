/*
 * iostream_internal.h - a stream as the protocols use it: a sink instead of single reads, a cork around output, and the
 * transport below.
 */
#ifndef TC_NET_IOSTREAM_INTERNAL_H
#define TC_NET_IOSTREAM_INTERNAL_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <uv.h>

#include <tornadoc/iostream.h>

#include "async/ioloop_internal.h"
#include "util/buffer_internal.h"

/* ---- The transport seam: what is under a stream. All return -EAGAIN where they would block. ---- */
typedef struct tc__transport {
    ssize_t (*recv)(tc_iostream_t *stream, void *buffer, size_t len); /* 0: the peer's end */
    ssize_t (*sendv)(tc_iostream_t *stream, const struct iovec *iov, int count);
    /* From a file, without a copy. 0: it ends there. -ENOTSUP, or NULL: not by this transport, or not of that file */
    ssize_t (*send_file)(tc_iostream_t *stream, int file, uint64_t offset, size_t len);
    size_t (*in_flight)(tc_iostream_t *stream);           /* bytes of sendv that the peer has not acknowledged; 0 where
                                                             that cannot be told */
    int (*shutdown)(tc_iostream_t *stream);               /* FIN */
    int (*watch)(tc_iostream_t *stream, unsigned events); /* report TC__STREAM_… by tc__iostream_on_events */
    void (*close)(tc_iostream_t *stream);                 /* give the descriptor back; then tc__iostream_released,
                                                             at once or later */
    void (*abort)(tc_iostream_t *stream);                 /* just before close: let it be a reset */
} tc__transport_t;

enum { /* events that a transport reports */
       TC__STREAM_READABLE = 1u << 0,
       TC__STREAM_WRITABLE = 1u << 1,
       TC__STREAM_HANGUP = 1u << 2, /* the peer sent FIN; unread bytes may stand before it. Reported once */
       TC__STREAM_FAILED = 1u << 3  /* reset or error: recv or send tells which */
};
void tc__iostream_on_events(tc_iostream_t *stream, unsigned events);
void tc__iostream_released(tc_iostream_t *stream);

extern const tc__transport_t tc__socket_transport, tc__memory_transport;

/* ---- The sink: who consumes the bytes of a stream, in place of the read operations ---- */
typedef struct tc__stream_sink {
    /*
     * Bytes, borrowed until the return, mostly in the loop's read buffer. Returns how many it used; the stream keeps
     * the rest and gives it again, in front of what follows, when tc__iostream_resume is called (a sink that leaves
     * bytes has to have called tc__iostream_pause). Output is corked during the call and sent once after it.
     */
    size_t (*data)(tc_iostream_t *stream, void *self, tc_bytes_t bytes);
    /* The peer sent FIN: at once, whether or not reading is paused and bytes are unread. Once. Writing may go on. */
    void (*hangup)(tc_iostream_t *stream, void *self);
    /* All bytes before the FIN were given (what the sink left is still kept). Once. */
    void (*eof)(tc_iostream_t *stream, void *self);
    /* The write queue is empty again, after it was not. */
    void (*drained)(tc_iostream_t *stream, void *self);
    /* The stream is closed, by whomever: the last call, after which the stream goes unless somebody holds a reference.
     * err 0: tc_iostream_close; else reset, failed write… */
    void (*closed)(tc_iostream_t *stream, void *self, int err);
} tc__stream_sink_t;

/* Set before the stream reads; reading starts with tc__iostream_resume. `sink` is static. */
void tc__iostream_set_sink(tc_iostream_t *stream, const tc__stream_sink_t *sink, void *self);

/* At most so many bytes in one read, and so at most so many that the sink can leave; 64 KiB at most, and unless said.
 */
void tc__iostream_set_read_size(tc_iostream_t *stream, size_t size);

/* What the queues of several streams hold together (iostream_outputs.c). */
typedef struct {
    size_t held, limit; /* bytes of memory */
    tc__list_t waiting; /* their queues, by the first chunk; first the one of which nothing was sent for the longest */
} tc__outputs_t;
void tc__outputs_init(tc__outputs_t *outputs, size_t limit);
/* Count the stream's output there, from now on; set before it writes. `outputs` lives as long as the stream is open. */
void tc__iostream_count_output(tc_iostream_t *stream, tc__outputs_t *outputs);

/* Stop giving bytes. The socket is not read, but FIN and resets are noticed. */
void tc__iostream_pause(tc_iostream_t *stream);

/* Give what was left, if anything, from the ready queue; then read on. */
void tc__iostream_resume(tc_iostream_t *stream);

/* The first read of a new connection, now, before the descriptor is watched: a client that speaks first and at once
 * costs no epoll_ctl. Like an event: calls the sink. The stream may be closed after it (hold a reference). */
void tc__iostream_first_read(tc_iostream_t *stream);

/* ---- Output ---- */
typedef struct tc__segment {
    tc_bytes_t bytes;
    tc_free_fn free_fn; /* NULL: valid during the call only, so what cannot be sent at once is copied. Else the bytes
                           are held, and free_fn(owner) is called once they are sent or given up, also on failure */
    void *owner;
} tc__segment_t;

/* Queue segments in order; sent at once where the socket takes them and no cork is on. 0; TC_ECLOSED; TC_ENOMEM and
 * TC_ETOOBIG (beyond the stream's limit): the stream then is as good as dead, for part may be sent: close it. */
int tc__iostream_sendv(tc_iostream_t *stream, const tc__segment_t *segments, size_t count);

/* A piece of a file, to be sent behind what was written: in bursts of TC__FILE_BURST, by the transport where it can,
 * else read as it is sent. What of it is not in the page cache is waited for, so that is the caller's to see to. The
 * descriptor is the owner's: free_fn(owner) is called once the piece is sent or given up, also on failure. Bytes of
 * files count as queued, but not against the stream's limit. A file that ends before the piece does resets the
 * connection. 0; TC_ECLOSED; TC_ENOMEM. */
typedef struct {
    int fd;
    uint64_t offset;
    size_t len; /* at least 1 */
    tc_free_fn free_fn;
    void *owner;
} tc__file_piece_t;
enum { TC__FILE_BURST = 128 * 1024 }; /* of a stream, in one turn: what is copied stays in the processor's cache */
int tc__iostream_send_file(tc_iostream_t *stream, const tc__file_piece_t *piece);

/* Between the two, small writes gather and are sent in one call at the end. They nest. A failed send closes the stream
 * from the ready queue, never inside these. */
void tc__iostream_cork(tc_iostream_t *stream);
void tc__iostream_uncork(tc_iostream_t *stream);

/* Room of `len` bytes (at most TC__CORK_ROOM) at the end of the output, for building a head in place; then tell how
 * many were used. NULL: out of memory. Only while corked. */
enum { TC__CORK_SIZE = 65536, TC__CORK_ROOM = 16384 };
char *tc__iostream_reserve(tc_iostream_t *stream, size_t len);
void tc__iostream_commit(tc_iostream_t *stream, size_t len);

/* Bytes not yet taken by the system, corked ones included. (tc_iostream_writing says whether the system refuses more
 * for now: only then `drained` follows.) */
size_t tc__iostream_queued(const tc_iostream_t *stream);

/* Those, and what the system has taken but the peer has not: how far it is behind. A system call. */
size_t tc__iostream_unacked(tc_iostream_t *stream);

/* Bytes that the sink left, to be given again. */
size_t tc__iostream_kept(const tc_iostream_t *stream);

/* Close, err 0, as soon as all that was written is with the system: perhaps at once, but `closed` comes from the ready
 * queue. Until then the stream goes on as it was. */
void tc__iostream_close_when_written(tc_iostream_t *stream);

/* Close with an error as the reason; `closed` is called before it returns unless a sink call is on the stack, then soon
 * after. */
void tc__iostream_fail(tc_iostream_t *stream, int err);
/* Close with that error, from the ready queue: what was to be sent is lost, and the peer sees it. */
void tc__iostream_doom(tc_iostream_t *stream, int err);
/* The sink gives it away: single operations from now on, and what the sink leaves is read first. `closed(data)` is
 * called once, when it is closed. What it needs is made before: 0 or TC_ENOMEM. */
int tc__iostream_prepare_release(tc_iostream_t *stream);
void tc__iostream_release(tc_iostream_t *stream, void (*closed)(void *data), void *data);

/* Abort: RST where the transport has one, so that the peer does not take it for a clean end. */
void tc__iostream_abort(tc_iostream_t *stream);

tc_ioloop_t *tc__iostream_loop(const tc_iostream_t *stream);
int tc__iostream_fd(const tc_iostream_t *stream); /* -1: none */

/* ---- The memory transport, for tests ---- */
/* How many bytes may stand unread at the peer before sendv says EAGAIN; default 64 KiB; 0: nothing passes. */
void tc__memory_set_window(tc_iostream_t *stream, size_t bytes);
/* The same, said by the end that receives. */
void tc__memory_set_receive_window(tc_iostream_t *stream, size_t bytes);
/* The next sendv or recv of this stream fails so (ECONNRESET, EPIPE …). */
void tc__memory_fail_send(tc_iostream_t *stream, int err);
void tc__memory_fail_recv(tc_iostream_t *stream, int err);

#endif
