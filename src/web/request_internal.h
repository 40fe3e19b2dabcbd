/*
 * request_internal.h - the inside of a tc_request_t, shared by the files that make it up:
 *
 *     request.c         its life: steps, outcomes, the end
 *     request_body.c    what becomes of its body
 *     request_decoder.c its content coding, taken off
 *     request_input.c   what getters return
 *     request_tls.c     what is known of the TLS below
 *     request_spool.c   bodies that go to files
 *     request_form.c    the fields and files of a form
 *     request_parts.c   the same, while the form arrives
 *     request_output.c  what verbs write
 *     output_transform.c what stands around answers
 *     compress_response.c  answers that are compressed
 *     request_cookies.c cookies that go out, and those that are signed
 *     request_error.c   error pages
 *     debug_page.c      those of an application under development
 *     request_etag.c    ETags, and conditions on them
 *     static_….c        files that are served: static_private.h
 *     request_later.c   tc_then, tokens
 *     current_user.c    who asks
 *     xsrf.c            tokens against requests that others forge
 *     session.c         what is kept in a signed cookie
 *     basic_auth.c      names and passwords
 *     access_log.c      what the log has of it
 *     sse.c             streams of events
 *     redirect_to_https.c  from http to https
 *     mount.c           its way to an application that is mounted in another
 *     detach.c          its stream, given to another protocol
 *     slash.c           with a slash at the end of the path, or without
 *     own_headers.c     fields of all answers: request ids, CORS …
 *     request_json.c    JSON in and out
 *     request_coroutine.c  callbacks that await
 */
#ifndef TC_WEB_REQUEST_INTERNAL_H
#define TC_WEB_REQUEST_INTERNAL_H

#include "async/future_internal.h"
#include "http/arguments_internal.h"
#include "http/cookie_internal.h"
#include "web/application_internal.h"
#include "web/request_body_internal.h"
#include "web/spool_file_internal.h"

typedef enum { /* the callback whose outcome is awaited, or what is waited for */
               TC__STEP_BEGIN,
               TC__STEP_ADMIT,
               TC__STEP_PREPARE,
               TC__STEP_BODY,
               TC__STEP_METHOD,
               TC__STEP_DONE
} tc__step_t;

/* A block of output that was copied, or a piece that was lent or given. */
typedef struct tc__outblock tc__outblock_t;

typedef struct tc__drained_waiter {
    struct tc__drained_waiter *next;
    tc_future_t *future;
} tc__drained_waiter_t;

/* A callback of the handler, and what it is called with. */
typedef struct tc__call {
    int (*run)(tc_request_t *req, const struct tc__call *call); /* makes the call */
    tc_request_fn fn;
    tc_http_file_t *part;
    tc_bytes_t bytes;
    bool began; /* request_coroutine.c's */
} tc__call_t;

/* From an application to one that is mounted in it. */
typedef struct tc__passage {
    struct tc__passage *outer;
    const tc__route_t *route; /* of the outer application */
    tc_bytes_t prefix;        /* of the path: what the mounted application has no part in */
    const char *route_text;   /* of tc_route, once it was asked for; of the innermost */
    const char **path_args;   /* of the prefix, decoded */
    size_t param_count;
    tc_bytes_t captures[]; /* undecoded */
} tc__passage_t;

struct tc_request {
    tc__server_request_t *in; /* the arena is in it, and this struct in the arena */
    tc__exchange_t *exchange; /* NULL: it is over */
    tc_application_t *app;
    tc_application_t *root; /* counted: the server's, in which `app` is mounted, or the same */
    const tc__endpoint_t *endpoint;
    const tc__route_t *route; /* NULL: none matched */
    tc_bytes_t *captures;     /* undecoded, parallel to route->params */
    const char **path_args;   /* decoded, likewise */
    tc__passage_t *passage;   /* the innermost; NULL: `app` is the server's */
    tc_request_fn method;     /* all there is to call, for a plain endpoint; else NULL */
    void *data;
    uint64_t start_ns;     /* 0: no access line is wanted */
    uint64_t body_written; /* bytes, for that line; else not counted */

    /* the chain */
    uint8_t step;             /* tc__step_t */
    uint8_t index;            /* of the next in the chain of admit or prepare */
    bool detached;            /* the outcome of `step` comes later */
    bool in_headers_received; /* so the connection learns by that call's return whether to go on */
    bool input_complete;
    bool finished; /* the answer is complete, or given up */
    bool failing;  /* an error page is being made */
    bool client_left, told_client_left, told_going_away;
    bool over;       /* nothing may hold it any more: on_finish runs, or the loop ends */
    uint16_t frames; /* of this library on the stack, that still use it */
    uint32_t holds;  /* tokens, and futures waited for */
    int kept_error;  /* of the first verb that failed */
    int end_err;     /* what on_finish is told */

    /* the answer */
    bool headers_sent;
    bool default_type; /* Content-Type is text/html, for nobody has said otherwise */
    bool used_first_block;
    bool sends_file;    /* the body does not pass through here */
    bool untransformed; /* nothing stands around the answer, or not any more */
    int status;
    const char *reason;
    const char *error_message; /* of tc_http_error, for the page of error_status */
    int error_status;
    const char *kept_detail; /* kept_error in words, or NULL */
    tc__headers_t headers;
    tc__headers_t *trailers; /* NULL: none were set */
    tc__segment_t *segments;
    uint32_t segment_count, segment_capacity;
    tc__outblock_t *open_block; /* the newest segment, with room */
    tc__drained_waiter_t *drained;
    struct tc__transforms *transforms; /* NULL: none has begun */
    struct tc_sse *sse;                /* NULL: it is no stream of events, or one that has ended */

    /* the request's body, and what was read off */
    tc__body_t body;
    bool query_parsed, body_parsed, cookies_parsed;
    tc__arguments_t query_args, body_args;
    const tc_http_file_t **files;
    size_t file_count;
    tc__cookies_t cookies;
    const char *path_text, *host_text, *remote_text;

    /* who asks */
    void *user;
    bool user_known;
    struct tc__xsrf *xsrf; /* NULL: nobody asked for its token */
    struct tc__session *session;
    struct tc__request_tls *tls; /* NULL: nobody asked */
    const char *id;              /* the same */

    /* later */
    tc__list_t node;             /* among the loop's requests that are held, so that its end ends them */
    tc__list_t thens;            /* futures waited for */
    struct tc__then *spare_then; /* used and to be used again */
    struct tc__task *task;       /* the coroutine whose outcome is awaited, or NULL */
    tc__call_t call;             /* what runs there */
    tc_deferred_t *tokens;       /* newest first: the one that tc_defer gives references to */
    tc__timer_t timeout;

    /* not zeroed */
    tc__segment_t first_segments[4];
    tc__header_t first_headers[6];
};

extern const tc__message_delegate_t tc__request_delegate;

static inline tc__arena_t *tc__request_arena(const tc_request_t *req) {
    return &req->in->arena;
}

/* ---- request.c ---- */
/* Frames: between enter and leave the request is not freed. Leave may free it. */
void tc__request_enter(tc_request_t *req);
void tc__request_leave(tc_request_t *req);
/* Holds: the token, and futures waited for. Within enter and leave. */
void tc__request_hold(tc_request_t *req);
void tc__request_release(tc_request_t *req);
/* A holder has an outcome to tell, or is gone without one (TC_DETACH): then, if it was the last, that is a failure. */
void tc__request_outcome(tc_request_t *req, int outcome);
/* The next turn of the loop, which its body waited for. */
void tc__request_continue(tc_request_t *req);
/* Its body, which still arrives, holds what others need: it is refused. */
void tc__request_give_up_body(tc_request_t *req, const tc__holders_t *holders);
/* The answer is complete or given up: outcomes are ignored from now on. */
void tc__request_set_finished(tc_request_t *req);
/* Words for a failure that is about to become the outcome; "": none. */
void tc__request_explain(tc_request_t *req, int err, const char *words);
/* Keep the first failure of a verb; returns err. */
int tc__request_keep_error(tc_request_t *req, int err);
/* The answer will never be complete: cut it. */
void tc__request_abort(tc_request_t *req);

/* ---- mount.c ---- */
/* To the application that the endpoint leads to, and on; *match is that of the last. NULL: out of memory. */
const tc__endpoint_t *tc__request_pass(tc_request_t *req, const tc__endpoint_t *endpoint, tc__match_t *match);
/* The patterns on the way, and the route's. */
const char *tc__request_whole_route(tc_request_t *req);

/* ---- access_log.c ---- */
void tc__request_log_access(const tc_request_t *req); /* if its start is known: somebody wants it */

/* ---- request_input.c ---- */
/* What a peer sent that getters cannot return is the outcome of the handler: 400. TC_ENOMEM stays that. */
void tc__request_refuse_input(tc_request_t *req, int err, const char *what);

/* ---- request_form.c ---- */
/* How the body is to be read; "": nobody says. TC_EPROTO, in words: several say it (RFC 9110 section 5.3),
 * and whoever stood before us may have believed another one. */
int tc__request_content_type(tc_request_t *req, tc_bytes_t *out);
/* Fill body_args and files, once the body is complete. */
void tc__request_parse_form(tc_request_t *req);

/* ---- request_spool.c ---- */
enum { TC__SPOOL_CHARGE = 2 * TC__SPOOL_GATHER }; /* what a spool file that is being written takes of memory */
/* In the application's directory, freed with the request. NULL: out of memory. */
tc__spool_file_t *tc__request_new_spool(tc_request_t *req);
/* Append, within what all files together may take: 0, 507, TC_ENOMEM. */
int tc__request_spool(tc_request_t *req, tc__spool_file_t *file, tc_bytes_t bytes);
/* The outcome that a failed flush leads to: 507, logged, for want of room. */
int tc__request_spool_failed(tc_request_t *req, const tc_future_t *future);
/* Keep *spool as `path`; if that is NULL, it is made for `bytes`. */
tc_future_t *tc__request_keep(tc_request_t *req, tc__spool_file_t **spool, tc_bytes_t bytes, const char *path,
                              unsigned flags);

/* ---- request_error.c ---- */
extern tc__log_limit_t tc__http_error_limit; /* of the lines about 400 to 599; tests set it back */
void tc__request_fail(tc_request_t *req, int outcome);
/* The client broke a rule or a limit: not the handler's failure, even where it is too late for a page. */
void tc__request_refuse(tc_request_t *req, int status, const char *why);
void tc__request_send_error(tc_request_t *req, int status);
enum { TC__FAILURE_SIZE = 640 };
/* A negative outcome as text: what the code means, and what the one who failed had to say. */
const char *tc__request_failure_text(const tc_request_t *req, int err, char out[TC__FAILURE_SIZE]);
/* The answer goes on as if no verb had failed. */
void tc__request_forget_error(tc_request_t *req);

/* ---- debug_page.c ---- */
/* Write the page of an application with `debug`. 0; negative: it is not whole. */
int tc__request_debug_page(tc_request_t *req, int status);

/* ---- request_output.c ---- */
void tc__request_output_init(tc_request_t *req);
void tc__request_drop_output(tc_request_t *req);
void tc__request_wake_drained(tc_request_t *req, int err);
/* 0 if the answer's head may still change; else likewise. */
int tc__request_check_open(tc_request_t *req, const char *verb);
/* 0 if more may be written; else a code, and a line in the log unless it is the client's doing. */
int tc__request_check_writable(tc_request_t *req, const char *verb);
/* A piece of a file as the next of the body, whose Content-Length was announced; the headers go out before it. It is
 * taken in every case. */
int tc__request_send_file(tc_request_t *req, const tc__file_piece_t *piece);
/* Done when all that is queued by now is with the system; TC_ECLOSED. Only for more than the stream sends in a turn,
 * else nothing tells. */
tc_future_t *tc__request_sent(tc_request_t *req);
/* What is written so far to the exchange; `last`: all of it. 0, or a negative code. */
int tc__request_send_output(tc_request_t *req, bool last);
/* Room at the end of the output for some hundred bytes or more, to be written into; then tell how many were. NULL: out
 * of memory. */
char *tc__request_output_room(tc_request_t *req, size_t *len);
void tc__request_output_commit(tc_request_t *req, size_t len);
void tc__segments_release(const tc__segment_t *segments, uint32_t count);
size_t tc__request_output_len(const tc_request_t *req);
/* Content-Type text/html, and the handler's set_default_headers. */
void tc__request_default_headers(tc_request_t *req);

/* ---- output_transform.c ---- */
/* Let what is written pass through the endpoint's transforms, before it is sent. 0, or a failure: it cannot be sent. */
int tc__request_transform(tc_request_t *req, bool last);
/* The body comes from a file's descriptor. Before the headers go out. */
static inline void tc__request_sends_file(tc_request_t *req) {
    req->sends_file = true;
}

/* ---- request_cookies.c ---- */
/* Seconds since 1970; with a test's clock, those that it has let pass are added. */
int64_t tc__request_now(const tc_request_t *req);
/* The cookies among `old`, whose names `headers` does not set: an error page keeps them. */
void tc__request_keep_cookies(tc_request_t *req, const tc__headers_t *old);
/* Could a cookie be set like that? 0, or TC_EINVAL with words. */
int tc__cookie_check(const char *name, const tc_cookie_options_t *options);

/* ---- current_user.c ---- */
int tc__require_login(tc_request_t *req); /* the last of the admit chain, for TC_LOGIN_REQUIRED */

/* ---- xsrf.c: the first of the chains, where the application has xsrf_cookies ---- */
int tc__xsrf_admit(tc_request_t *req);
int tc__xsrf_prepare(tc_request_t *req);

/* ---- slash.c ---- */
/* Does tc__fix_slash belong to such a route? */
bool tc__slash_matters(const char *pattern, uint32_t flags);
/* The same pattern with the slash at its end, or without; NULL: out of memory. */
char *tc__slash_twin(const char *pattern);
int tc__fix_slash(tc_request_t *req); /* the first of the admit chain, for TC_ADDSLASH and TC_REMOVESLASH */

/* ---- own_headers.c ---- */
void tc__request_own_headers(tc_request_t *req); /* of an endpoint that is marked */
bool tc__request_is_preflight(const tc_request_t *req);
int tc__request_answer_preflight(tc_request_t *req);        /* an outcome */
bool tc__request_origin_is_listed(const tc_request_t *req); /* by .cors, and by its name */

/* ---- request_etag.c ---- */
/* Before the answer is sent, for TC_ETAG: its ETag is set, and it may have become a 304. 0, or the outcome instead. */
int tc__request_end_with_etag(tc_request_t *req);

/* ---- request_later.c ---- */
/* Ask the producers of what is waited for to stop. */
void tc__request_cancel_thens(tc_request_t *req);
/* The loop ends: tell those who wait for futures, leave the tokens behind as empty shells. */
void tc__request_drop_holds(tc_request_t *req);
/* What other threads may know of the request has changed. */
void tc__request_tell_token(tc_request_t *req);

/* ---- request_coroutine.c ---- */
/* Call a callback of the handler, in a coroutine if it has TC_COROUTINE; its outcome, TC_DETACH if that is to come. */
int tc__request_call(tc_request_t *req, tc_request_fn fn);
int tc__request_make(tc_request_t *req, const tc__call_t *call);
void tc__request_cancel_task(tc_request_t *req); /* its await fails; it ends by itself */

#endif
