/*
 * iostream_struct_internal.h - what is in a stream, for the files that make it up: iostream*.c and the
 * transports.
 */
#ifndef TC_NET_IOSTREAM_STRUCT_INTERNAL_H
#define TC_NET_IOSTREAM_STRUCT_INTERNAL_H

#include "async/future_internal.h"
#include "net/tcpserver_internal.h"
#include "util/alloc_internal.h"

enum {
    TC__READ_SIZE = 65536,        /* most bytes of one recv */
    TC__CORK_COPY = 4096,         /* a segment up to this size is copied into the cork buffer */
    TC__SEND_SEGMENTS = 16,       /* iovecs of one sendmsg */
    TC__SEND_BUDGET = 256 * 1024, /* bytes that one stream sends before the others have their turn … */
    TC__SEND_LATE = 16 * 1024     /* … and if the others have waited long */
};

/* ---- What the streams of a loop share ---- */
typedef struct tc__net {
    tc_ioloop_t *loop;
    tc__list_t streams;  /* all of the loop's, by their `node` */
    tc__list_t servers;  /* tcpservers, by theirs */
    tc__list_t starving; /* of them, those that wait for a free descriptor */
    tc__soon_t room;     /* queued when a descriptor was given back while somebody starves */
    void (*on_room)(struct tc__net *net);
    void (*drop_servers)(struct tc__net *net); /* the loop goes */
    tc_iostream_t *corked;                     /* whose bytes stand in `cork`; NULL: nobody's */
    size_t cork_len;
    bool reading;             /* bytes of `in` are being used: no other stream may read into it */
    struct tc__tls_loop *tls; /* what those with TLS share; NULL: none was there yet */
    char in[TC__READ_SIZE];
    char cork[TC__CORK_SIZE];
} tc__net_t;

tc__net_t *tc__net(tc_ioloop_t *loop); /* made when first asked for; NULL: out of memory */

/* ---- The write queue: chunks in order ---- */
typedef enum {
    TC__CHUNK_BLOCK, /* a copy, in a block of the loop's pool */
    TC__CHUNK_HEAP,  /* a copy, in memory of its own */
    TC__CHUNK_HELD,  /* a reference, freed by free_fn(owner) */
    TC__CHUNK_FILE,  /* of a file; freed as HELD */
    TC__CHUNK_MARK   /* no bytes: a write that completes when all before it is sent */
} tc__chunk_kind_t;

typedef struct tc__chunk {
    struct tc__chunk *next;
    tc_iostream_t *stream;
    tc__list_t waiting; /* in the stream's `outputs`; of the first chunk only */
    const char *data;   /* what is not sent yet */
    size_t len;
    tc__chunk_kind_t kind;
    int err; /* of a mark that is done */
    union {
        char *limit; /* of a copy: the end of its room */
        struct {
            tc_free_fn free_fn;
            void *owner;
            size_t memory; /* that it keeps from being freed */
        } held;
        struct {
            tc_free_fn free_fn;
            void *owner;
            uint64_t offset; /* of what is not sent yet */
            int fd;
        } file;
        struct {
            tc_iostream_write_cb cb;
            void *user_data; /* the tc_future_t, if cb is NULL */
        } mark;
    } u;
} tc__chunk_t;

/* ---- The rest of a stream on which single operations are used, made by the first of them ---- */
typedef enum { TC__READ_NONE, TC__READ_UNTIL, TC__READ_BYTES, TC__READ_INTO, TC__READ_TO_END } tc__read_kind_t;

typedef struct {
    tc__address_t address; /* family 0: not known yet */
    char text[INET6_ADDRSTRLEN + 12];
} tc__stream_end_t;

typedef struct tc__stream_ops {
    tc__read_kind_t kind;
    bool partial;
    uint8_t delimiter_len;
    size_t len;     /* bytes wanted; of read_until, most bytes up to the delimiter's end */
    size_t scanned; /* of read_until: so many bytes at the buffer's start hold no match */
    char *target;   /* of read_into */
    size_t filled;
    tc_iostream_read_cb read_cb;
    void *read_data;
    tc_future_t *read_future;       /* instead of read_cb; not referenced: it withdraws the read when it goes */
    void *result;                   /* that the future will have; NULL: not made yet */
    uint64_t served;                /* how many reads were */
    tc__chunk_t *done, **done_tail; /* marks that are to be told */
    tc__stream_end_t peer, local;
    void (*closed)(void *data); /* of a sink that gave it away; NULL: none, or it knows */
    void *closed_data;
    char delimiter[255];
} tc__stream_ops_t;

/* ---- One end of a pair in memory ---- */
typedef struct tc__memory_end {
    tc_iostream_t *peer; /* NULL: closed */
    tc__buffer_t in;     /* sent by the peer, not yet received */
    size_t window;       /* how many bytes may stand in `in` */
    tc__soon_t soon;     /* events are due */
    int fail_send, fail_recv;
    uint8_t watched;
    bool fin;   /* the peer ended */
    bool reset; /* the peer aborted */
    bool hangup_told;
    bool shut; /* we ended */
} tc__memory_end_t;

/* ---- The stream ---- */
struct tc_iostream {
    union {
        uv_poll_t poll;
        tc__memory_end_t memory;
    } t; /* the transport's */
    const tc__transport_t *transport;
    tc_ioloop_t *loop;             /* NULL: the loop was freed */
    tc__list_t node;               /* in the loop's streams */
    tc__soon_t soon;               /* referenced while queued */
    const tc__stream_sink_t *sink; /* NULL: single operations */
    union {
        void *self;       /* the sink's; who has one sets no close callback */
        void *close_data; /* close_cb's */
    };
    tc__stream_ops_t *ops; /* NULL: none was used yet */
    tc_iostream_close_cb close_cb;
    tc__buffer_t in; /* read, not yet consumed */
    tc__chunk_t *queue, *queue_tail;
    size_t queued; /* bytes in the queue */
    size_t max_queued;
    tc__outputs_t *outputs; /* where its queue is counted; NULL: nowhere */
    struct tc__tls *tls;    /* NULL: does not speak TLS */
    int fd;                 /* -1: none */
    int error;
    uint32_t read_size; /* of one read for the sink, at most */
    uint32_t refs;      /* one is new's, one the transport's, one the ready queue's */
    uint8_t watched;    /* TC__STREAM_… that the transport was asked for */
    uint8_t corks;      /* depth */
    uint8_t calls;      /* calls of the sink that are on the stack */

    bool paused : 1;     /* no bytes wanted */
    bool want_write : 1; /* the transport takes no more for now */
    bool hangup : 1;     /* FIN was noticed */
    bool hangup_told : 1;
    bool eof : 1; /* and all before it was read */
    bool eof_told : 1;
    bool truncated : 1; /* TLS: FIN came without close_notify */
    bool more : 1;      /* TLS: bytes that no event will report */
    bool odd : 1;       /* TLS: interest is not what it usually is */
    bool ahead : 1;     /* single operations: FIN was seen, reading to the end so that closing is noticed */
    bool in_events : 1; /* the interest is put right at the end of them */
    bool want_shutdown : 1;
    bool shut : 1;          /* FIN was sent */
    bool end_when_sent : 1; /* the peer has ended, and so do we once the queue is empty */
    bool doomed : 1;        /* failed; to be closed from the ready queue */
    bool closed : 1;        /* the transport was closed */
    bool finished : 1;      /* and all were told */
    bool close_told : 1;
    bool released : 1;     /* tc_iostream_close was called: new's reference goes once it is finished */
    bool dropped : 1;      /* that reference is gone */
    bool polled : 1;       /* socket: uv_poll_init was called */
    bool deaf : 1;         /* socket: watching for errors only made no sense any more */
    bool nodelay_off : 1;  /* socket */
    bool nodelay_done : 1; /* socket: as it should be */
    bool sent : 1;         /* socket: something was sent */
};

static inline bool tc__iostream_open(const tc_iostream_t *stream) {
    return !stream->closed && !stream->doomed;
}

/* Of a stream that is not closed. */
static inline tc__net_t *tc__iostream_net(const tc_iostream_t *stream) {
    return tc__ioloop_local(stream->loop, TC__LOCAL_NET);
}

/* iostream.c */
tc_iostream_t *tc__iostream_alloc(tc_ioloop_t *loop, const tc__transport_t *transport,
                                  const tc_iostream_options_t *options); /* paused, fd -1; NULL: out of memory */
void tc__iostream_discard(tc_iostream_t *stream);                        /* of one that never had a descriptor */
int tc__iostream_check_options(const tc_iostream_options_t *options);
void tc__iostream_soon(tc_iostream_t *stream);         /* look after it from the ready queue */
void tc__iostream_end(tc_iostream_t *stream, int err); /* close the transport now, tell later */

/* iostream_events.c */
void tc__iostream_watch(tc_iostream_t *stream); /* bring the transport's interest in line, unless events are at work */
void tc__iostream_give_kept(tc_iostream_t *stream); /* what was left, to whom wants it */

/* iostream_queue.c */
void tc__queue_push(tc_iostream_t *stream, tc__chunk_t *chunk); /* at the end: its bytes are counted */
void tc__queue_flush(tc_iostream_t *stream);                    /* the transport takes bytes again */
void tc__queue_send_cork(tc_iostream_t *stream);     /* what stands in the cork buffer, now; it is the owner */
void tc__queue_shut(tc_iostream_t *stream);          /* send FIN if that is wanted and all is sent */
void tc__queue_drop(tc_iostream_t *stream, int err); /* all that is queued, corked bytes included */

tc__chunk_t *tc__queue_new_copy(tc_iostream_t *stream, size_t len);   /* room for them; not yet in the queue; NULL */
void tc__queue_free_chunk(tc_iostream_t *stream, tc__chunk_t *chunk); /* that is not in the queue any more */
void tc__queue_sent(tc_iostream_t *stream, size_t n);                 /* so many bytes of it */
/* What stands in the cork buffer, now, into the queue. 0 or TC_ENOMEM */
int tc__queue_take_cork(tc_iostream_t *stream);

/* iostream_file.c */
/* Send of the file at the queue's front. Its bytes that were sent in *sent; 0, or an error: -EAGAIN, or the stream's
 * end. Where the transport has no way to send files, the next of its bytes are put in front of it instead. */
int tc__file_send(tc_iostream_t *stream, size_t *sent);

/* iostream_outputs.c: for a stream whose output is counted */
void tc__outputs_add(tc__outputs_t *outputs, const tc__chunk_t *chunk);    /* queued */
void tc__outputs_remove(tc__outputs_t *outputs, const tc__chunk_t *chunk); /* to be freed */
void tc__outputs_wait(tc__outputs_t *outputs, tc__chunk_t *first);         /* a queue begins, or some of it was sent */
/* Abort whom it takes, perhaps the stream that is at work: not in the middle of a change of its queue. */
void tc__outputs_bound(tc__outputs_t *outputs);

/* iostream_write.c */
tc__stream_ops_t *tc__iostream_ops(tc_iostream_t *stream);                   /* NULL: out of memory */
void tc__write_mark_done(tc_iostream_t *stream, tc__chunk_t *mark, int err); /* taken off the queue: to be told */
void tc__write_tell(tc_iostream_t *stream); /* run the callbacks of writes that are done */

/* iostream_address.c */
void tc__iostream_set_peer(tc_iostream_t *stream, const tc__address_t *peer); /* as accept told */

/* iostream_read.c: single operations */
/* Where to receive: the caller's own memory, if it waits for that, else `scratch`. 0: the buffer is full. */
size_t tc__read_room(tc_iostream_t *stream, char *scratch, char **out);
void tc__read_arrived(tc_iostream_t *stream, tc_bytes_t bytes); /* as tc__read_room said where */
void tc__read_hangup(tc_iostream_t *stream);
void tc__read_eof(tc_iostream_t *stream);
void tc__read_kept(tc_iostream_t *stream);          /* try what is in the buffer */
void tc__read_fail(tc_iostream_t *stream, int err); /* satisfy what is under way, or fail it */
void tc__read_cancel(tc_iostream_t *stream);        /* if a future waits for it */
static inline bool tc__read_pending(const tc_iostream_t *stream) {
    return stream->ops && stream->ops->kind != TC__READ_NONE;
}

/* socket_transport.c */
tc_iostream_t *tc__socket_stream(tc_ioloop_t *loop,
                                 const tc_iostream_options_t *options); /* without a descriptor yet */
static inline void tc__socket_attach(tc_iostream_t *stream, int fd, bool has_nodelay) {
    stream->fd = fd;
    stream->nodelay_done = has_nodelay;
}

#endif
