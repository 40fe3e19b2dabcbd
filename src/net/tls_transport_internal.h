/*
 * tls_transport_internal.h - TLS between a stream and its transport. (Tornado: SSLIOStream)
 */
#ifndef TC_NET_TLS_TRANSPORT_INTERNAL_H
#define TC_NET_TLS_TRANSPORT_INTERNAL_H

#include <openssl/ssl.h>

#include "net/iostream_struct_internal.h"
#include "net/tcpserver_internal.h"
#include "net/tls_context_internal.h"

enum {
    TC__TLS_HANDSHAKE_MS = 10000,                              /* unless the options say otherwise */
    TC__TLS_RECORD = SSL3_RT_MAX_PLAIN_LENGTH,                 /* most bytes of one record … */
    TC__TLS_RECORD_ROOM = TC__TLS_RECORD + 512,                /* … and what it becomes */
    TC__TLS_FLIGHT = 4 * TC__TLS_RECORD_ROOM,                  /* ciphertext of one send */
    TC__TLS_HANDSHAKE_MOST = 256 * 1024,                       /* bytes that a peer may need for a handshake */
    TC__TLS_BARREN_TURN = SSL3_RT_MAX_ENCRYPTED_LENGTH + 2048, /* bytes in which a record of data would be whole: if
                                                                  none was, the others have their turn … */
    TC__TLS_BARREN_MOST = 128 * 1024, /* … and so many without any data are no use of the protocol */
    TC__TLS_LATE_STEPS = 8,           /* of handshakes, in what is left of a long turn of the loop */
    TC__TLS_AWAY_MS = 2000,           /* who was turned away may take the answer for so long … */
    TC__TLS_AWAY_MOST = 256 * 1024    /* … and send so much meanwhile */
};

/* ---- What the TLS streams of a loop share: made by the first one ---- */
struct tc__tls_loop {
    BIO_METHOD *method;
    BIO *bio;               /* of all SSLs: it serves the stream that is at work */
    tc_iostream_t *current; /* whose SSL is at work */
    tc_iostream_t *owner;   /* whose ciphertext stands in in[in_start, in_end); NULL: nobody's */
    size_t in_start, in_end;
    size_t out_len;      /* of `out` */
    uint64_t late_turn;  /* the last turn of the loop that was long when a handshake came, by its clock … */
    unsigned late_steps; /* … and how many may still go on in it */
    char in[TC__READ_SIZE];
    char out[TC__TLS_FLIGHT];
    char record[TC__TLS_RECORD]; /* small pieces of plaintext, gathered */
};

/* ---- A stream's part ---- */
typedef enum {
    TC__TLS_HANDSHAKE,
    TC__TLS_OPEN,
    TC__TLS_AWAY /* it does not speak TLS: it was told so, and is heard out */
} tc__tls_state_t;

typedef struct tc__tls {
    SSL *ssl; /* NULL: closed */
    tc_iostream_t *stream;
    const tc__transport_t *lower; /* that carries the ciphertext */
    tc__buffer_t kept;            /* received, and put aside when another stream needed the loop's buffer */
    tc__buffer_t pending;         /* encrypted, and not yet taken by `lower` */
    size_t counted;               /* of `pending`, in the stream's outputs */
    size_t taken;                 /* by OpenSSL, since the start of the handshake or the last byte of plaintext */
    size_t stop;                  /* where `taken` has to end in this turn */
    tc__timer_t deadline;         /* of the handshake */
    const char *plain_answer;     /* static; for peers that do not speak TLS; or NULL */
    char *reason;                 /* why it failed; NULL: not, or out of memory */
    tc_iostream_tls_cb cb;        /* who waits for the end of the handshake … */
    void *user_data;
    tc_future_t *future; /* … or instead of cb */
    tc__address_t peer;  /* of a server's stream; family 0: as the stream knows it */
    int failed;          /* why nothing more can be read or written; 0 */
    int lower_err;       /* of the last recv below; 0 */
    uint8_t state;
    uint8_t busy;         /* calls of OpenSSL that are on the stack */
    bool server : 1;      /* which side we are */
    bool may_receive : 1; /* one recv below, if OpenSSL wants more than there is */
    bool fin : 1;         /* the peer's, below */
    bool plain : 1;       /* its first byte is none of TLS */
    bool owed : 1;    /* the next byte that sendv is given went with the last ones: what was taken then is pending */
    bool waits : 1;   /* for the program, which a callback of OpenSSL's has asked */
    bool goes_on : 1; /* it has answered */
    bool want_shut : 1;
    bool shut : 1;    /* close_notify and FIN were sent */
    bool aborted : 1; /* no close_notify */
} tc__tls_t;

typedef struct {
    tc_tls_context_t *context;
    bool server;
    const char *hostname;          /* of a client: see tc__tls_ssl_new; copied */
    uint64_t handshake_timeout_ms; /* 0: the default; TC_FOREVER */
    const tc__address_t *peer;     /* of a server, for its log; NULL: as the stream knows it */
    tc_bytes_t alpn;               /* static; see tc__tls_set_default_alpn; len 0: none */
    tc_bytes_t received;           /* that the stream has read already, and that belong to the handshake; copied */
    const char *plain_answer;      /* static; sent as it is to a client that does not speak TLS; NULL: nothing */
} tc__tls_params_t;

/*
 * Speak TLS from now on. The stream is open, has neither output queued nor input kept, and nobody reads. What is
 * written and read from now on waits for the handshake, which goes on by itself, whether or not anybody reads. If it
 * fails, the stream closes with that error.
 *
 * @return 0; or why not, in words too: the stream is as it was
 */
int tc__tls_start(tc_iostream_t *stream, const tc__tls_params_t *params);

/* For the sinks of the layers above. */
static inline bool tc__iostream_is_tls(const tc_iostream_t *stream) {
    return stream->tls != NULL;
}

/* ---- What a stream with TLS has its own way for (stream->tls is not NULL) ---- */
unsigned tc__tls_on_events(tc_iostream_t *stream, unsigned events); /* from below: what of it the stream has to know */
unsigned tc__tls_interest(const tc_iostream_t *stream, unsigned events); /* the stream's, as it is below */
void tc__tls_look_after(tc_iostream_t *stream);                          /* from the ready queue */
void tc__tls_tell(tc_iostream_t *stream); /* who waits for the handshake, if that is over or the stream is closed */
/* Send close_notify, if all before it is sent, and it was not. @return false: not all of it has left */
bool tc__tls_say_end(tc_iostream_t *stream);
void tc__tls_free(tc_iostream_t *stream);      /* the stream goes */
void tc__tls_loop_free(struct tc__tls_loop *); /* NULL is fine */

/* ---- tls_bio.c, for tls_transport.c: OpenSSL's reads and writes ---- */
struct tc__tls_loop *tc__tls_loop(tc_ioloop_t *loop); /* made when first asked for; NULL: out of memory, in words */

/* Around each call of OpenSSL: in a callback of it, another stream may be at work. */
typedef struct {
    tc_iostream_t *outer;
    size_t out_start;
} tc__tls_turn_t;
tc__tls_turn_t tc__tls_enter(tc_iostream_t *stream);
/* Send what OpenSSL wrote. 0; -EAGAIN: some of it is pending; what sending failed with. */
int tc__tls_leave(tc_iostream_t *stream, tc__tls_turn_t turn);

int tc__tls_flush(tc_iostream_t *stream);            /* what is pending; the same */
size_t tc__tls_room(tc_iostream_t *stream);          /* for what OpenSSL writes, in this turn */
bool tc__tls_has_input(const tc_iostream_t *stream); /* that was received, and that OpenSSL has not taken */
void tc__tls_drop(tc_iostream_t *stream);            /* all that was received or is pending */

static inline bool tc__tls_pending(const tc_iostream_t *stream) {
    return tc__buffer_len(&stream->tls->pending) > 0;
}

#endif
