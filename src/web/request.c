/*
 * request.c - the life of a request. (Tornado: RequestHandler._execute)
 *
 *   BEGIN --> ADMIT* --> (the body) --> PREPARE* --> METHOD --> DONE        body buffered or refused
 *   BEGIN --> ADMIT* --> PREPARE* --> (the body, piece by piece) --> METHOD --> DONE          streamed
 *
 * `proceed` is the one place where outcomes are judged: 0 goes on to the next step, TC_DETACH stops until
 * tc__request_outcome brings the outcome, a status or a failure leads to an error page. Whatever finishes the answer
 * ends the chain.
 *
 * Three things keep a request alive: its exchange, its holds (tokens, futures waited for), and frames of ours on the
 * stack. When the last of them goes, on_finish runs, the clean-ups run, and the arena is freed, the request within it.
 * A request that waits for an outcome nobody holds any more is answered by 500 at once, for nothing could bring one.
 */
#include "web/request_internal.h"

#include <string.h>

#include <tornadoc/escape.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "web/sse_internal.h"

/* ---- The end ---- */

void tc__request_choose_log(const tc_request_t *req, tc__log_sink_t *sink) {
    tc__application_choose_log(req->app, sink);
    sink->prefix = req->id;
}

static void finalize(tc_request_t *req) {
    req->over = true;
    req->frames++; /* on_finish may use the request */
    for (size_t i = 0; i <= TC__MAX_GROUPS && req->endpoint->on_finish[i]; i++)
        req->endpoint->on_finish[i](req, req->end_err);
    if (req->start_ns != 0)
        tc__request_log_access(req);
    tc__request_drop_output(req);
    tc__list_remove(&req->node);
    tc__timer_stop(req->in->loop, &req->timeout);
    tc_application_t *app = req->root;
    tc__arena_run_cleanups(tc__request_arena(req));
    if (req->body.in_memory)
        tc__body_free(req);
    tc__server_request_free(req->in); /* and the request with it */
    tc_application_free(app);
}

static void finalize_if_over(tc_request_t *req) {
    if (!req->exchange && req->holds == 0 && req->frames == 0)
        finalize(req);
}

void tc__request_enter(tc_request_t *req) {
    req->frames++;
}

void tc__request_leave(tc_request_t *req) {
    req->frames--;
    finalize_if_over(req);
}

void tc__request_set_finished(tc_request_t *req) {
    req->finished = true;
    req->detached = false;
    tc__body_arrived(&req->body);
    tc__timer_stop(req->in->loop, &req->timeout);
    tc__request_tell_token(req);
}

void tc__request_abort(tc_request_t *req) {
    tc__request_set_finished(req);
    tc__request_drop_output(req);
    if (req->sse)
        tc__sse_over(req->sse);
    if (req->exchange)
        req->exchange->vtable->abort(req->exchange);
}

void tc__request_explain(tc_request_t *req, int err, const char *words) {
    if (req->kept_error != 0 || words[0] == '\0')
        return;
    req->kept_error = err;
    req->kept_detail = tc_strdup(req, words);
}

int tc__request_keep_error(tc_request_t *req, int err) {
    if (!req || err >= 0 || req->kept_error != 0)
        return err;
    tc__request_explain(req, err, tc__failure_words(err));
    req->kept_error = err;
    return err;
}

/* ---- Holds ---- */

typedef struct {
    tc__list_t held; /* requests */
} web_local_t;

/* The loop ends: what is still held ends with it. */
static void free_local(void *data) {
    web_local_t *local = data;
    while (!tc__list_empty(&local->held)) {
        tc_request_t *req = tc__container_of(local->held.next, tc_request_t, node);
        tc__list_remove(&req->node);
        tc__request_enter(req);
        if (req->end_err == 0)
            req->end_err = TC_ECANCELED;
        req->over = true;
        tc__request_drop_holds(req);
        tc__request_abort(req);
        tc__request_leave(req);
    }
    tc__free(local);
}

static web_local_t *local_of(tc_ioloop_t *loop) {
    web_local_t *local = tc__ioloop_local(loop, TC__LOCAL_WEB);
    if (!local && (local = tc__malloc(sizeof *local))) {
        tc__list_init(&local->held);
        tc__ioloop_set_local(loop, TC__LOCAL_WEB, local, free_local);
    }
    return local;
}

void tc__request_hold(tc_request_t *req) {
    if (req->holds++ == 0 && tc__list_empty(&req->node)) {
        web_local_t *local = local_of(req->in->loop);
        if (local) /* without memory for it, the loop's end leaks this request; nothing else does */
            tc__list_push(&local->held, &req->node);
    }
}

void tc__request_release(tc_request_t *req) {
    if (--req->holds == 0)
        tc__list_remove(&req->node);
}

/* ---- Steps ---- */

static void on_timeout(tc__timer_t *timer) {
    tc_request_t *req = tc__container_of(timer, tc_request_t, timeout);
    if (req->finished)
        return;
    tc__request_enter(req);
    tc__request_cancel_thens(req);
    if (req->exchange) {
        req->end_err = TC_ETIMEDOUT;
        tc__log(TC__LOG_APPLICATION, TC_LOG_WARNING, req, "%s %s (%s): no outcome after %llu ms", req->in->method,
                req->in->uri, tc_remote_ip(req), (unsigned long long)req->endpoint->handler.timeout_ms);
        tc__request_fail(req, 503);
    } else { /* the client has left, and nobody else waits for the outcome */
        tc__request_abort(req);
    }
    tc__request_leave(req);
}

static void start_timeout(tc_request_t *req) {
    uint64_t ms = req->endpoint->handler.timeout_ms, start = req->in->start_ms;
    if (ms != 0 && ms < UINT64_MAX - start)
        tc__timer_start(req->in->loop, &req->timeout, start + ms);
}

/* Percent-decoded path arguments must be UTF-8, as Tornado wants them. */
static int decode_captures(tc_request_t *req, const tc_bytes_t *captures, size_t count, const char ***out) {
    if (count == 0)
        return 0;
    const char **args = tc__arena_alloc(tc__request_arena(req), count * sizeof *args);
    if (!args)
        return TC_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        args[i] = NULL;
        if (!captures[i].data)
            continue;
        tc_bytes_t text = tc__percent_decode(tc__request_arena(req), captures[i], false);
        if (!text.data)
            return TC_ENOMEM;
        if (!tc_utf8_valid(text) || memchr(text.data, '\0', text.len))
            return tc_http_error(req, 400, "a path argument is not UTF-8 text");
        args[i] = text.data;
    }
    *out = args;
    return 0;
}

static int decode_path_args(tc_request_t *req) {
    for (tc__passage_t *passage = req->passage; passage; passage = passage->outer)
        TC_TRY(decode_captures(req, passage->captures, passage->param_count, &passage->path_args));
    return req->captures ? decode_captures(req, req->captures, req->route->param_count, &req->path_args) : 0;
}

static int method_not_allowed(tc_request_t *req) {
    tc_set_header(req, "Allow", req->endpoint->allow);
    if (req->in->method_id != TC__METHOD_OPTIONS)
        return 405;
    tc_set_status(req, 204);
    return tc_finish(req);
}

/* "OPTIONS *" asks about the server, whatever its routes (RFC 9110 section 9.3.7). */
static int answer_for_server(tc_request_t *req) {
    tc_set_status(req, 204);
    tc_set_header(req, "Allow", "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");
    return tc_finish(req);
}

static int begin(tc_request_t *req) {
    const tc_request_handler_t *handler = &req->endpoint->handler;
    tc__request_default_headers(req);
    if (req->in->target.form == TC__TARGET_ASTERISK)
        return answer_for_server(req);
    if (req->endpoint->allow[0] == '\0') /* no route, and no default handler either */
        return 404;
    TC_TRY(decode_path_args(req));
    if (handler->cors && tc__request_is_preflight(req))
        return tc__request_answer_preflight(req);
    if (!tc__endpoint_method(req->endpoint, req->in->method_id))
        return method_not_allowed(req);
    start_timeout(req);
    if (handler->max_body_size != 0)
        req->exchange->vtable->set_max_body_size(req->exchange, handler->max_body_size);
    if (handler->body == TC_BODY_REFUSE)
        req->exchange->vtable->set_max_body_size(req->exchange, 0);
    return handler->initialize ? handler->initialize(req) : 0;
}

/* The chain waits for the body: let it come. */
static int await_body(tc_request_t *req) {
    req->step = TC__STEP_BODY;
    if (!req->in_headers_received && req->exchange)
        req->exchange->vtable->resume(req->exchange);
    return TC_DETACH;
}

static int next_in_chain(tc_request_t *req, const tc_request_fn *chain, bool *at_end) {
    tc_request_fn fn = req->index < TC__MAX_CHAIN ? chain[req->index] : NULL;
    *at_end = !fn;
    if (!fn) {
        req->index = 0;
        return 0;
    }
    req->index++;
    return tc__request_call(req, fn);
}

/* Run what comes after the step that is done; its outcome. *waiting: it is not the handler who is waited for. */
static int next_step(tc_request_t *req, bool *waiting) {
    bool at_end;
    int outcome;
    switch (req->step) {
    case TC__STEP_BEGIN:
        req->step = TC__STEP_ADMIT;
        return begin(req);
    case TC__STEP_ADMIT:
        outcome = next_in_chain(req, req->endpoint->admit, &at_end);
        if (!at_end)
            return outcome;
        TC_TRY(tc__body_begin(req));
        if (!req->body.mode->streams) {
            *waiting = true;
            return await_body(req);
        }
        req->step = TC__STEP_PREPARE;
        return 0;
    case TC__STEP_PREPARE:
        outcome = next_in_chain(req, req->endpoint->prepare, &at_end);
        if (!at_end)
            return outcome;
        if (!req->input_complete) {
            *waiting = true;
            return await_body(req);
        }
        req->step = TC__STEP_METHOD;
        return 0;
    case TC__STEP_BODY: /* a piece was dealt with, or the end */
        if (req->exchange && tc__body_pending(&req->body)) {
            *waiting = tc__body_yields(&req->body);
            return *waiting ? TC_DETACH : tc__body_go_on(req);
        }
        if (!req->input_complete) {
            *waiting = true;
            return await_body(req);
        }
        req->step = req->body.mode->streams ? TC__STEP_METHOD : TC__STEP_PREPARE;
        return 0;
    case TC__STEP_METHOD:
        req->step = TC__STEP_DONE;
        return tc__request_call(req, tc__endpoint_method(req->endpoint, req->in->method_id));
    default:
        tc_finish(req);
        return 0;
    }
}

/* The outcome of the step under way is `outcome`: go on as far as that leads. */
static void proceed(tc_request_t *req, int outcome) {
    bool waiting = false;
    req->detached = false;
    for (;;) {
        if (req->finished || waiting)
            return;
        if (outcome == TC_DETACH && req->holds > 0) {
            req->detached = true;
            return;
        }
        if (outcome == 0)
            outcome = req->kept_error;
        if (outcome != 0) {
            tc__request_fail(req, outcome);
            return;
        }
        outcome = next_step(req, &waiting);
    }
}

void tc__request_outcome(tc_request_t *req, int outcome) {
    if (!req->detached || (outcome == TC_DETACH && req->holds > 0) || req->task)
        return; /* a coroutine that is under way gives the outcome by its return */
    if (req->exchange)
        proceed(req, outcome);
    else
        tc__request_abort(req); /* nobody is there to hear it */
}

void tc__request_continue(tc_request_t *req) {
    tc__request_enter(req);
    tc__forget_failure();
    if (req->exchange && !req->finished)
        proceed(req, 0);
    tc__request_leave(req);
}

void tc__request_give_up_body(tc_request_t *req, const tc__holders_t *holders) {
    if (!req->exchange || req->input_complete || req->finished)
        return;
    tc__request_enter(req);
    tc__request_cancel_thens(req);
    req->detached = false;
    const char *why = tc_sprintf(req, "too many bodies are %s, and this one comes slowest", holders->what);
    tc__request_refuse(req, holders->status, why);
    tc__request_leave(req);
}

/* ---- What the connection tells ---- */

static int on_headers_received(void *self, tc__server_request_t *in) {
    tc_request_t *req = self;
    (void)in;
    if (req->method) { /* nothing to ask before the body is there */
        req->default_type = true;
        req->body.mode = &tc__body_buffer;
        req->step = TC__STEP_BODY;
        return 0;
    }
    tc__request_enter(req);
    tc__forget_failure();
    req->in_headers_received = true;
    proceed(req, 0);
    req->in_headers_received = false;
    int result = req->step == TC__STEP_BODY && !req->finished ? 0 : TC_DETACH;
    tc__request_leave(req);
    return result;
}

static int on_data_received(void *self, tc_bytes_t chunk) {
    tc_request_t *req = self;
    tc__request_enter(req);
    tc__forget_failure();
    req->in_headers_received = true;
    int outcome = tc__body_receive(req, chunk);
    if (outcome != 0 || req->kept_error != 0 || tc__body_pending(&req->body))
        proceed(req, outcome);
    bool pending = !req->finished && tc__body_pending(&req->body);
    if (pending && (outcome = tc__body_keep(req)) != 0)
        proceed(req, outcome);
    req->in_headers_received = false;
    tc__request_leave(req);
    return pending ? TC_DETACH : 0;
}

static void on_input_finish(void *self) {
    tc_request_t *req = self;
    tc__request_enter(req);
    tc__forget_failure();
    req->input_complete = true;
    tc__body_arrived(&req->body);
    if (req->method && !req->finished) {
        req->step = TC__STEP_DONE;
        bool in_coroutine = req->endpoint->handler.flags & TC_COROUTINE;
        int outcome = in_coroutine ? tc__request_call(req, req->method) : req->method(req);
        if (outcome == 0 && !req->finished)
            tc_finish(req);
        else
            proceed(req, outcome);
    } else if (!req->finished) {
        req->step = TC__STEP_BODY;
        proceed(req, tc__body_end(req));
    }
    tc__request_leave(req);
}

static void on_refuse(void *self, int status, const char *why) {
    tc_request_t *req = self;
    tc__request_enter(req);
    req->detached = false;
    tc__request_refuse(req, status, why);
    tc__request_leave(req);
}

static void tell_client_left(tc_request_t *req) {
    req->client_left = true;
    tc__request_tell_token(req);
    if (req->told_client_left || req->finished)
        return;
    req->told_client_left = true;
    if (req->endpoint->handler.on_connection_close)
        req->endpoint->handler.on_connection_close(req);
    if (req->endpoint->handler.flags & TC_CANCEL_ON_CLOSE)
        tc__request_cancel_thens(req);
    if (req->sse)
        tc__sse_end(req->sse);
}

static void on_client_left(void *self) {
    tc_request_t *req = self;
    tc__request_enter(req);
    tell_client_left(req);
    tc__request_leave(req);
}

static void on_going_away(void *self) {
    tc_request_t *req = self;
    if (req->finished || req->told_going_away)
        return;
    req->told_going_away = true;
    tc__request_enter(req);
    if (req->endpoint->handler.on_going_away)
        req->endpoint->handler.on_going_away(req);
    if (req->sse) {
        tc__sse_end(req->sse);
        if (req->endpoint->handler.flags & TC_CANCEL_ON_CLOSE)
            tc__request_cancel_thens(req);
    }
    tc__request_leave(req);
}

static void on_drained(void *self) {
    tc_request_t *req = self;
    tc__request_enter(req);
    tc__request_wake_drained(req, 0);
    tc__request_leave(req);
}

static void on_close(void *self, int err) {
    tc_request_t *req = self;
    tc__request_enter(req);
    req->exchange = NULL;
    if (req->end_err == 0)
        req->end_err = err;
    tc__request_wake_drained(req, TC_ECLOSED);
    if (err < 0) {
        tc__body_arrived(&req->body);
        tell_client_left(req);
        tc__request_drop_output(req);
    }
    tc__request_leave(req);
}

const tc__message_delegate_t tc__request_delegate = {
    .headers_received = on_headers_received,
    .data_received = on_data_received,
    .finish = on_input_finish,
    .refuse = on_refuse,
    .client_left = on_client_left,
    .going_away = on_going_away,
    .drained = on_drained,
    .on_close = on_close,
};

/* ---- The beginning ---- */

static int keep_match(tc_request_t *req, const tc__match_t *match) {
    req->route = match->route;
    if (!match->route || match->route->param_count == 0)
        return 0;
    size_t size = match->route->param_count * sizeof *req->captures;
    req->captures = tc__arena_alloc(tc__request_arena(req), size);
    if (!req->captures)
        return TC_ENOMEM;
    memcpy(req->captures, match->captures, size);
    return 0;
}

static int start_request(void *self, tc__exchange_t *exchange, tc__server_request_t *in) {
    tc_application_t *app = self;
    tc__match_t match;
    tc__routes_match(app->routes, in->host_name, in->target.path, &match);
    const tc__endpoint_t *endpoint = match.route ? match.route->endpoint : app->not_found;
    tc_request_t *req = tc__arena_alloc(&in->arena, sizeof *req);
    if (!req)
        return TC_ENOMEM;
    tc__zero(req, offsetof(tc_request_t, first_segments));
    req->in = in;
    req->app = app;
    bool plain = endpoint->plain;
    if (!plain && endpoint->mounted && !(endpoint = tc__request_pass(req, endpoint, &match)))
        return TC_ENOMEM;
    if (keep_match(req, &match) < 0)
        return TC_ENOMEM;
    if (endpoint->handler.data_size > 0 && !(req->data = tc__arena_calloc(&in->arena, endpoint->handler.data_size)))
        return TC_ENOMEM;
    req->exchange = exchange;
    req->root = tc__application_ref(app);
    req->endpoint = endpoint;
    if (plain && !req->captures)
        req->method = tc__endpoint_method(endpoint, in->method_id);
    req->start_ns = tc__application_logs_access(req->app) ? uv_hrtime() : 0;
    req->status = 200;
    tc__list_init(&req->node);
    tc__list_init(&req->thens);
    tc__timer_init(&req->timeout, on_timeout);
    tc__request_output_init(req);
    exchange->delegate = &tc__request_delegate;
    exchange->self = req;
    return 0;
}

const tc__server_delegate_t tc__application_delegate = { .start_request = start_request };
