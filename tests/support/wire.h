/*
 * wire.h - tables of bytes in and answers out, over real sockets to a server in the same process.
 *
 * A case is a sentence, the rule it stands on, the bytes that a client sends, and what must come back: the statuses in
 * order, and whether the connection is open after them. Each is sent in one piece, byte by byte, and, if it is a `core`
 * case, split at every position; the answer has to be the same to the byte (but for the Date). Where the connection is
 * not to go on, it is sent once more with another request right behind it: that changes nothing, and no handler sees
 * it.
 *
 * The same over TLS, with WIRE_TLS=1.2 or 1.3 in the environment: byte by byte then means a record for each. (Splits at
 * every position are left out: records make no difference to where OpenSSL's reader is.)
 *
 * Nothing waits for time. An open connection is one that answers the next request, `GET /probe`; a closed one is read
 * to its end. On all answers it is checked that they are framed in one way only, that they say `Connection: close` if
 * and only if that is what happens, and that the handlers' failures alone are logged as errors.
 */
#ifndef TC_TESTS_SUPPORT_WIRE_H
#define TC_TESTS_SUPPORT_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include <tornadoc/web.h>

typedef enum {
    WIRE_OPEN,   /* the next request is answered */
    WIRE_CLOSED, /* FIN follows the answers, so that the client reads them */
    WIRE_CUT     /* the last answer never looks complete; where only FIN would tell its end, there is a reset */
} wire_end_t;

/* CASE(why, rule, in, answers, end, .field = …): `in` is a literal, in which NULs count. */
#define CASE(why_, rule_, in_, answers_, ...) \
    { .why = why_, .rule = rule_, .in = { in_, sizeof(in_) - 1 }, .answers = answers_, .end = __VA_ARGS__ }

typedef struct {
    const char *why;  /* what is shown, as a sentence */
    const char *rule; /* where it is written: "RFC 9112 §6.3", "CVE-…", "GHSA-…", or several; checked to be one */
    struct {
        const char *data;
        size_t len;
    } in;
    const char *answers; /* "100 200 400"; "200h": without its body, for it answers HEAD */
    wire_end_t end;
    const char *has, *has_not; /* somewhere in what comes back */
    bool core;                 /* split at every position too */
    struct {                   /* what the first "$" of `in` stands for */
        const char *text;
        size_t times;
    } fill;
    int errors; /* lines that are logged as errors */
} wire_case_t;

/* Run a table as the tests of a program; returns what main shall return. `options` of the server; NULL: the defaults.
 */
int wire_run(const char *name, const wire_case_t *cases, size_t count, const tc_httpserver_options_t *options);
#define WIRE_RUN(name, cases, options) wire_run(name, cases, sizeof(cases) / sizeof((cases)[0]), options)

/* The application that the tables talk to. */
tc_application_t *wire_application(void);

/* ---- A client whose socket never blocks, on the thread of the loop ---- */

typedef struct {
    int fd;
    struct ssl_st *ssl; /* NULL: in the clear */
    char *in;           /* all that came, NUL behind it */
    size_t in_len, in_capacity;
    bool eof, reset; /* of the server's side */
    bool refused;    /* the server takes no more */
} wire_client_t;

/* From now on clients speak this version of TLS (TLS1_3_VERSION), and take any certificate; 0: in the clear. */
void wire_use_tls(int version);
/* As the environment says: for a server, with a certificate of its own; and clients do the same. `*out` stays as it is
 * in the clear. */
int wire_use_tls_of_environment(tc_tls_context_t **out);

void wire_connect(wire_client_t *client, int port);
/* Send all; the loop turns meanwhile, and what comes is read. Ends early if the server takes no more. */
void wire_send(wire_client_t *client, tc_ioloop_t *loop, const char *data, size_t len);
/* As much as goes now; how much that was. */
size_t wire_send_some(wire_client_t *client, tc_ioloop_t *loop, const char *data, size_t len);
/* Turn the loop and read what has come, without waiting. */
void wire_turn(wire_client_t *client, tc_ioloop_t *loop);
/* The same, after waiting for something to happen on either side. False: nothing did for seconds. */
bool wire_wait(wire_client_t *client, tc_ioloop_t *loop);
bool wire_wait_at_most(wire_client_t *client, tc_ioloop_t *loop, int ms);
/* Close with a reset, so that no port is kept by the system. */
void wire_disconnect(wire_client_t *client);

#define wire_until(client, loop, condition)           \
    do {                                              \
        while (!(condition))                          \
            assert_true(wire_wait((client), (loop))); \
    } while (0)

/* ---- What came back ---- */

typedef struct {
    char statuses[256]; /* of the complete answers, as in a case: "200 400" */
    size_t count, used; /* complete answers, and their bytes */
    const char *fault;  /* NULL, or what no answer of ours may look like */
    bool to_the_end;    /* the last one ends with the connection */
    bool says_close, said_close_early;
} wire_answers_t;

/* The end of the answer at `at`; NULL: it is not complete, or at fault. `out` is zero before the first. */
const char *wire_parse_one(wire_answers_t *out, const char *at, const char *end, bool eof, bool to_head);
/* All; `expected` tells which answers are to HEAD; NULL: none. */
void wire_parse(wire_answers_t *out, const char *text, size_t len, bool eof, const char *expected);

void wire_mask_dates(char *text, size_t len);

#endif
