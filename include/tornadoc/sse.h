/*
 * tornadoc/sse.h - server-sent events: an answer that goes on, read by a page's EventSource. (WHATWG HTML section 9.2)
 *
 *     static int clock(tc_request_t *req) { // with TC_COROUTINE
 *         tc_sse_t *sse;
 *         TC_TRY(tc_sse_begin(&sse, req, NULL));
 *         for (;;) {
 *             TC_TRY(tc_sse_send(sse, &(tc_sse_event_t){ .data = tc_str("tick") }));
 *             TC_TRY(tc_await(tc_sleep(NULL, 1000), NULL));
 *         }
 *     }
 *
 *     static int news(tc_request_t *req) { // the same events for many: tc_sse_group_send(group, &event)
 *         tc_sse_t *sse;
 *         TC_TRY(tc_sse_begin(&sse, req, NULL));
 *         TC_TRY(tc_sse_group_add(tc_arg(req), sse));
 *         return tc_then(req, tc_sse_ended(sse), NULL, NULL); // until then
 *     }
 *
 * A stream ends by tc_sse_end, with its request, when the client leaves, and when the server drains: a browser then
 * connects again, to whoever serves next, and says by Last-Event-ID what it had last. What comes too late is no
 * mistake: it fails with TC_ECLOSED, without a line in the log.
 *
 * Streams and groups belong to their loop's thread; tc_ioloop_add_callback leads there from others.
 */
#ifndef TORNADOC_SSE_H
#define TORNADOC_SSE_H

#include <tornadoc/web.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_sse tc_sse_t;
typedef struct tc_sse_group tc_sse_group_t;

/* ---- A stream ------------------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t keep_alive_ms; /**< a comment, which pages do not see, after that long without an event, so that nobody on
                                 the way takes the connection for dead; default 15,000; TC_FOREVER: none */
    uint64_t retry_ms;  /**< how long the browser waits before it connects again; default its own; at most 2^31 - 1 */
    bool wait_for_slow; /**< see tc_sse_send */
    uintptr_t reserved[3]; /**< must be zero */
} tc_sse_options_t;

/** One event; what is zero is left out. Any text will do for `data`, in UTF-8; its lines end by LF, CR or CRLF, and
 *  arrive with LF between them. */
typedef struct {
    const char *type;      /**< what addEventListener asks for; default "message". No CR, no LF */
    const char *id;        /**< of Last-Event-ID from now on; "" for none. No CR, no LF */
    uint64_t retry_ms;     /**< as in the options */
    tc_bytes_t data;       /**< tc_str("") is an event without a text; without any, pages see no event */
    uintptr_t reserved[2]; /**< must be zero */
} tc_sse_event_t;

/**
 * Send the head: Content-Type text/event-stream, X-Accel-Buffering: no, which keeps nginx from waiting for more, and
 * Cache-Control: no-store unless the handler has set one. From now on the answer is written by tc_sse_send alone.
 *
 * To HEAD, and if the server drains, the stream has ended when this returns, which is no failure: send says so.
 *
 * @param out the stream, lent: it lives until on_finish has returned, and longer with tc_sse_ref
 * @return 0; TC_EINVAL for bad options, and if the handler has written something; TC_EBUSY after the headers;
 *         TC_ECLOSED; TC_ENOMEM
 */
TC_EXTERN int tc_sse_begin(tc_sse_t **out, tc_request_t *req, const tc_sse_options_t *options) TC_MUST_CHECK;

/**
 * Send an event at once; never waits.
 *
 * A client that does not take what it is sent has at most the server's output_mark (1 MiB) waiting for it, and one
 * event. Beyond that it is cut, with a line in the log of level INFO: it comes again when it can, and says what it had
 * last. With `wait_for_slow` it is not, and TC_EAGAIN says that the event was left out: wait for tc_drained, or do
 * without.
 *
 * @return 0; TC_ECLOSED; TC_EAGAIN; TC_EINVAL for CR or LF in type or id; TC_ETOOBIG; TC_ENOMEM, which cuts the client
 */
TC_EXTERN int tc_sse_send(tc_sse_t *sse, const tc_sse_event_t *event);

/** Finish the answer. Harmless when it has ended. */
TC_EXTERN void tc_sse_end(tc_sse_t *sse);

/** Done, with status 0, when the stream has ended, however that came. */
TC_EXTERN tc_future_t *tc_sse_ended(const tc_sse_t *sse);

/** The request; NULL: the stream has ended. */
TC_EXTERN tc_request_t *tc_sse_request(const tc_sse_t *sse);

/** What keeps the stream, but not its connection: for whoever sends later. NULL is fine. */
TC_EXTERN tc_sse_t *tc_sse_ref(tc_sse_t *sse);
TC_EXTERN void tc_sse_unref(tc_sse_t *sse);

/** The id of the last event that this client has had, "" if it says none. The client's text: check it. */
TC_EXTERN const char *tc_sse_last_event_id(const tc_request_t *req);

/* ---- The same events for many --------------------------------------------------------------------------------- */

/** A list of streams of one loop. NULL: out of memory, and the functions below accept it. */
TC_EXTERN tc_sse_group_t *tc_sse_group_new(void);
/** Its streams go on without it. NULL is fine. */
TC_EXTERN void tc_sse_group_free(tc_sse_group_t *group);

/** Until the stream ends; it may be in several. @return 0; TC_EALREADY; TC_ECLOSED: it has ended; TC_ENOMEM */
TC_EXTERN int tc_sse_group_add(tc_sse_group_t *group, tc_sse_t *sse);
/** Harmless if it is not there. */
TC_EXTERN void tc_sse_group_remove(tc_sse_group_t *group, tc_sse_t *sse);
TC_EXTERN size_t tc_sse_group_count(const tc_sse_group_t *group);

/**
 * Send an event to all; the text is made once. Nobody waits for anybody: the slow and the dead fare as in tc_sse_send,
 * and the others get theirs.
 *
 * @return 0; TC_EINVAL, TC_ETOOBIG, TC_ENOMEM: nobody got it
 */
TC_EXTERN int tc_sse_group_send(tc_sse_group_t *group, const tc_sse_event_t *event);

#ifdef __cplusplus
}
#endif
#endif
