/*
 * request_later.c - outcomes that come later: futures waited for, and tokens for any thread.
 *
 * Both hold the request. A `then` is a waiter on a future, in the request's arena. The token is memory of its own,
 * counted by an atomic, because other threads have it: they may only post to the loop's mailbox, drop references, and
 * read two flags. The request behind it is touched on the loop's thread alone. The token's memory goes when both the
 * program and the request have let go of it, for a loop may end while threads still have references: then they are left
 * with a shell.
 */
#include "web/request_internal.h"

#include "util/alloc_internal.h"
#include "util/error_internal.h"

/* ---- Futures ---- */

typedef struct tc__then {
    tc__waiter_t waiter;
    tc__list_t node; /* in req->thens */
    tc_request_t *req;
    tc_then_fn fn;
    void *arg;
} then_t;

/* The outcome of what was waited for, by way of its function. Within enter and leave. */
static int take_result(then_t *then, tc_future_t *future) {
    tc_request_t *req = then->req;
    tc_then_fn fn = then->fn;
    void *arg = then->arg;
    tc__list_remove(&then->node);
    req->spare_then = then;
    tc__request_release(req);
    tc__future_receive(future);
    tc__forget_failure();
    int outcome = fn ? fn(req, future, arg) : tc_future_status(future);
    if (outcome < 0 && outcome == tc_future_status(future)) /* handed on: so are its words */
        tc__request_explain(req, outcome, tc_future_message(future));
    return outcome;
}

static void on_done(tc__waiter_t *waiter, tc_future_t *future) {
    then_t *then = tc__container_of(waiter, then_t, waiter);
    tc_request_t *req = then->req;
    tc__request_enter(req);
    tc__request_outcome(req, take_result(then, future));
    tc__request_leave(req);
}

/* 0 if the request may wait for it. */
static int check_future(const tc_request_t *req, const tc_future_t *future) {
    if (!req)
        return tc__misuse(TC_EINVAL, "tc_then: the request is NULL");
    if (!future)
        return tc__fail(TC_ENOMEM, "tc_then: the future is NULL: its operation could not start");
    if (req->over)
        return tc__fail(TC_ECANCELED, "tc_then: the request is over");
    if (tc__future_loop(future) != req->in->loop)
        return tc__misuse(TC_EINVAL,
                          "tc_then: the future is of another loop than the request, or of one that was freed");
    return 0;
}

int tc_then(tc_request_t *req, tc_future_t *future, tc_then_fn fn, void *arg) {
    int err = check_future(req, future);
    then_t *then = NULL;
    if (err == 0) {
        then = req->spare_then ? req->spare_then : tc__arena_alloc(tc__request_arena(req), sizeof *then);
        if (!then)
            err = tc__fail(TC_ENOMEM, "tc_then: out of memory");
    }
    if (err < 0) {
        tc_future_unref(future);
        return err;
    }
    req->spare_then = NULL;
    tc__waiter_init(&then->waiter, on_done);
    tc__list_push(&req->thens, &then->node);
    then->req = req;
    then->fn = fn;
    then->arg = arg;
    tc__request_hold(req);
    tc__future_await(future); /* work on another thread mostly uses the request's memory: the loop's end waits for it */
    tc__future_wait(future, &then->waiter);
    tc_future_unref(future); /* the waiter has a reference of its own */
    return TC_DETACH;
}

/* A future that is cancelled may complete at once, but its waiters run later: the list stays as it is. */
void tc__request_cancel_thens(tc_request_t *req) {
    for (tc__list_t *node = req->thens.next, *next; node != &req->thens; node = next) {
        next = node->next;
        tc_future_cancel(tc__container_of(node, then_t, node)->waiter.future);
    }
    tc__request_cancel_task(req);
}

/* The loop goes, and its futures with it: their waiters are told as if that had happened already. */
static void end_thens(tc_request_t *req) {
    while (!tc__list_empty(&req->thens)) {
        then_t *then = tc__container_of(req->thens.next, then_t, node);
        tc_future_t *future = tc_future_ref(then->waiter.future);
        tc__waiter_cancel(&then->waiter);
        tc_future_set_error(future, TC_ECANCELED, NULL);
        take_result(then, future);
        tc_future_unref(future);
    }
}

/* ---- The token ---- */

struct tc_deferred {
    _Atomic size_t refs;    /* the program's */
    _Atomic unsigned sides; /* 2: the program and the request know it, 1: one of them has let go */
    _Atomic bool closed;    /* the client is gone */
    _Atomic bool done;      /* the outcome is in */
    tc__mailbox_t *mailbox;
    tc_request_t *req;   /* of the loop's thread; NULL: the loop ended */
    tc_deferred_t *next; /* of the loop's thread: in req->tokens */
    struct tc__mail gone;
};

static void leave_token(tc_deferred_t *token) {
    if (atomic_fetch_sub(&token->sides, 1) > 1)
        return;
    tc__mailbox_unref(token->mailbox);
    tc__free(token);
}

static void forget_token(tc_request_t *req, const tc_deferred_t *token) {
    tc_deferred_t **at = &req->tokens;
    while (*at != token)
        at = &(*at)->next;
    *at = token->next;
}

/* The last reference is gone; on the loop's thread. */
static void on_token_gone(struct tc__mail *mail, tc_ioloop_t *loop) {
    (void)loop;
    tc_deferred_t *token = tc__container_of(mail, tc_deferred_t, gone);
    tc_request_t *req = token->req;
    if (req) {
        tc__request_enter(req);
        forget_token(req, token);
        leave_token(token);
        tc__request_release(req);
        tc__request_outcome(req, TC_DETACH);
        tc__request_leave(req);
    }
    leave_token(token);
}

/* A reference, unless the last one is gone and the news of it is on its way. */
static bool try_ref(tc_deferred_t *token) {
    size_t refs = atomic_load(&token->refs);
    while (refs > 0)
        if (atomic_compare_exchange_weak(&token->refs, &refs, refs + 1))
            return true;
    return false;
}

static tc_deferred_t *new_token(tc_request_t *req) {
    tc_deferred_t *token = tc__calloc(1, sizeof *token);
    if (!token) {
        tc__fail(TC_ENOMEM, "tc_defer: out of memory");
        return NULL;
    }
    atomic_init(&token->refs, 1);
    atomic_init(&token->sides, 2);
    token->mailbox = tc__mailbox_ref(req->in->loop->mailbox);
    token->req = req;
    token->gone.fn = on_token_gone;
    return token;
}

tc_deferred_t *tc_defer(tc_request_t *req) {
    if (!req) {
        tc__misuse(TC_EINVAL, "tc_defer: the request is NULL");
        return NULL;
    }
    if (req->over) {
        tc__fail(TC_ECANCELED, "tc_defer: the request is over");
        return NULL;
    }
    if (req->tokens && try_ref(req->tokens))
        return req->tokens;
    tc_deferred_t *token = new_token(req);
    if (!token)
        return NULL;
    token->next = req->tokens;
    req->tokens = token;
    tc__request_hold(req);
    tc__request_tell_token(req);
    return token;
}

/* Older ones have no reference left. */
void tc__request_tell_token(tc_request_t *req) {
    if (!req->tokens)
        return;
    atomic_store(&req->tokens->closed, req->client_left || req->finished);
    atomic_store(&req->tokens->done, req->finished);
}

void tc__request_drop_holds(tc_request_t *req) {
    end_thens(req);
    while (req->tokens) {
        tc_deferred_t *token = req->tokens;
        req->tokens = token->next;
        atomic_store(&token->closed, true);
        token->req = NULL;
        leave_token(token);
    }
    req->holds = 0;
}

tc_deferred_t *tc_deferred_ref(tc_deferred_t *token) {
    if (token)
        atomic_fetch_add(&token->refs, 1);
    return token;
}

void tc_deferred_unref(tc_deferred_t *token) {
    if (token && atomic_fetch_sub(&token->refs, 1) == 1 && tc__mailbox_post(token->mailbox, &token->gone) < 0)
        leave_token(token); /* the loop is gone, and forgets it or has done so */
}

bool tc_deferred_closed(const tc_deferred_t *token) {
    return !token || atomic_load(&token->closed);
}

/* ---- Posting ---- */

typedef struct {
    struct tc__mail mail;
    tc_deferred_t *token; /* referenced */
    tc_deferred_fn fn;
    void *arg;
} post_t;

static void run_post(struct tc__mail *mail, tc_ioloop_t *loop) {
    post_t *post = tc__container_of(mail, post_t, mail);
    tc_deferred_t *token = post->token;
    tc_request_t *req = loop ? token->req : NULL;
    if (req) {
        tc__request_enter(req);
        tc__forget_failure();
        int outcome = post->fn(req, post->arg);
        tc__request_outcome(req, outcome);
        tc_deferred_unref(token);
        tc__request_leave(req);
    } else {
        tc_deferred_unref(token);
    }
    tc__free(post);
}

int tc_deferred_post(tc_deferred_t *token, tc_deferred_fn fn, void *arg) {
    if (!token || !fn)
        return tc__misuse(TC_EINVAL, "tc_deferred_post: the token or the function is NULL");
    if (atomic_load(&token->done))
        return tc__fail(TC_EALREADY, "tc_deferred_post: the outcome of the request is in");
    post_t *post = tc__malloc(sizeof *post);
    if (!post)
        return tc__fail(TC_ENOMEM, "tc_deferred_post: out of memory");
    *post = (post_t){ .mail.fn = run_post, .token = tc_deferred_ref(token), .fn = fn, .arg = arg };
    int err = tc__mailbox_post(token->mailbox, &post->mail);
    if (err < 0) {
        tc_deferred_unref(token);
        tc__free(post);
    }
    return err;
}
