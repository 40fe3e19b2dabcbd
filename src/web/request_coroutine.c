/*
 * request_coroutine.c - handlers that await: TC_COROUTINE. (Tornado: `async def get`)
 *
 * Each callback whose outcome may come later runs in a coroutine of its own, started at once and on a stack of the
 * loop's pool; one that never waits has given its outcome by the time the call returns, like any other. One that waits
 * holds the request, as a token does, and gives its outcome when it has ended.
 */
#include "web/request_internal.h"

#include "async/ioloop_private.h"
#include "coroutine/task_internal.h"

static int run(void *self) {
    tc_request_t *req = self;
    req->call.began = true;
    return req->call.run(req, &req->call);
}

/* It ended later than the call that started it. */
static void on_end(void *user_data, int outcome) {
    tc_request_t *req = user_data;
    tc__request_enter(req);
    req->task = NULL;
    tc__request_release(req);
    if (req->in->loop->p->closing && req->end_err == 0)
        req->end_err = TC_ECANCELED; /* and nobody is answered any more */
    if (req->in->loop->p->closing)
        tc__request_abort(req);
    else
        tc__request_outcome(req, outcome);
    tc__request_leave(req);
}

static int start(tc_request_t *req, const tc__call_t *call) {
    req->call = *call;
    int outcome = tc__task_run(&req->task, req->in->loop, run, req, on_end, req);
    if (req->task) {
        tc__request_hold(req);
        return TC_DETACH;
    }
    if (!req->call.began)
        return tc_http_error(req, 503, "no more coroutines");
    return outcome;
}

int tc__request_make(tc_request_t *req, const tc__call_t *call) {
    return req->endpoint->handler.flags & TC_COROUTINE ? start(req, call) : call->run(req, call);
}

static int run_fn(tc_request_t *req, const tc__call_t *call) {
    return call->fn(req);
}

int tc__request_call(tc_request_t *req, tc_request_fn fn) {
    return tc__request_make(req, &(tc__call_t){ .run = run_fn, .fn = fn });
}

void tc__request_cancel_task(tc_request_t *req) {
    if (req->task)
        tc__task_cancel(req->task);
}
