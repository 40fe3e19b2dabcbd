/*
 * scope.c - children whose parent waits for them, and a time for all that is done inside. (asyncio.TaskGroup,
 * asyncio.timeout)
 *
 * Since close does not return before the last child has ended, children may use the parent's locals. A cancelled scope
 * (the first failure of a child does it, the end of its time, or somebody's call) cancels the children, and the awaits
 * of the parent until that closes the scope. A cancel of the parent is handed on to the children by the close: what it
 * waits for is pinned, that is, waited for to its end, and its cancel callback cancels the scope.
 */
#include "async/future_private.h"
#include "async/ioloop_private.h"
#include "coroutine/task_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"

typedef struct {
    tc__list_t node; /* in the scope's children */
    tc_scope_t *scope;
    tc__task_t *task;
} child_t;

struct tc_scope {
    tc_ioloop_t *loop;
    tc__task_t *owner;
    tc_scope_t *next; /* another that the owner has open */
    tc__list_t children;
    tc_future_t *all_ended;
    tc__timer_t timer;
    int err; /* the first failure */
    bool closing, cancelled, timed_out;
};

/* The opener knows, but may not have gone on yet: what it is told then is settled. */
static bool all_have_ended(const tc_scope_t *scope) {
    return scope->closing && tc__list_empty(&scope->children);
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)future;
    tc_scope_cancel(user_data);
}

static void fail(tc_scope_t *scope, int err) {
    if (err == 0 || scope->err != 0 || (scope->cancelled && err == TC_ECANCELED))
        return;
    scope->err = err;
    tc_scope_cancel(scope);
}

static void on_time(tc__timer_t *timer) {
    tc_scope_t *scope = tc__container_of(timer, tc_scope_t, timer);
    if (all_have_ended(scope))
        return;
    scope->timed_out = scope->err == 0;
    fail(scope, TC_ETIMEDOUT);
}

tc_scope_t *tc_scope_open(void) {
    if (!tc_in_coroutine()) {
        tc__misuse(TC_ENOTCORO, "tc_scope_open outside a coroutine");
        return NULL;
    }
    tc_scope_t *scope = tc__calloc(1, sizeof *scope);
    tc_future_t *all_ended = scope ? tc_future_new(NULL) : NULL;
    if (!all_ended) {
        tc__free(scope);
        tc__fail(TC_ENOMEM, "out of memory for a scope");
        return NULL;
    }
    scope->loop = tc_ioloop_current();
    scope->owner = tc__task_current();
    scope->next = *tc__task_scopes(scope->owner);
    *tc__task_scopes(scope->owner) = scope;
    tc__timer_init(&scope->timer, on_time);
    scope->all_ended = all_ended;
    all_ended->pinned = true;
    tc_future_set_cancel_callback(all_ended, on_cancel, scope);
    tc__list_init(&scope->children);
    return scope;
}

int tc_scope_set_timeout(tc_scope_t *scope, uint64_t ms) {
    if (!scope)
        return tc__fail(TC_ENOMEM, "tc_scope_set_timeout: the scope is NULL");
    tc__timer_stop(scope->loop, &scope->timer);
    if (ms != TC_FOREVER)
        tc__timer_start(scope->loop, &scope->timer, tc__ioloop_in(scope->loop, ms));
    return 0;
}

void tc_scope_cancel(tc_scope_t *scope) {
    if (!scope || scope->cancelled || all_have_ended(scope))
        return;
    scope->cancelled = true;
    if (!scope->closing)
        tc__task_scope_cancelled(scope->owner);
    for (tc__list_t *node = scope->children.next; node != &scope->children; node = node->next)
        tc__task_cancel(tc__container_of(node, child_t, node)->task);
}

static void on_end(void *user_data, int status) {
    child_t *child = user_data;
    tc_scope_t *scope = child->scope;
    tc__list_remove(&child->node);
    tc__free(child);
    fail(scope, status);
    if (all_have_ended(scope))
        tc_future_set_result(scope->all_ended, NULL, NULL);
}

int tc_scope_spawn(tc_scope_t *scope, tc_coroutine_fn fn, void *arg) {
    if (!fn)
        return tc__misuse(TC_EINVAL, "tc_scope_spawn: fn is NULL");
    if (!scope)
        return tc__fail(TC_ENOMEM, "tc_scope_spawn: the scope is NULL");
    if (all_have_ended(scope))
        return tc__misuse(TC_ECLOSED, "tc_scope_spawn: the scope is being closed, and its last child has ended");
    child_t *child = tc__malloc(sizeof *child);
    tc__task_t *task = child ? tc__task_spawn(scope->loop, fn, arg, on_end, child) : NULL;
    if (!task) {
        tc__free(child);
        fail(scope, TC_ENOMEM);
        return TC_ENOMEM;
    }
    child->scope = scope;
    child->task = task;
    tc__list_push(&scope->children, &child->node);
    if (scope->cancelled)
        tc__task_cancel(task);
    return 0;
}

static void forget(tc_scope_t *scope) {
    tc_scope_t **at = tc__task_scopes(scope->owner);
    while (*at != scope)
        at = &(*at)->next;
    *at = scope->next;
}

/* Why, if it went wrong; the parent's own cancel, if nothing else did. */
static int outcome(const tc_scope_t *scope, bool was_cancelled) {
    if (scope->timed_out)
        return tc__fail(TC_ETIMEDOUT, "the scope's time was up");
    if (scope->err != 0)
        return tc__fail(scope->err, "a child of the scope failed: %s", tc_strerror(scope->err));
    return scope->cancelled && !was_cancelled ? tc__fail(TC_ECANCELED, "the coroutine was cancelled") : 0;
}

int tc_scope_close(tc_scope_t *scope) {
    if (!scope)
        return TC_ENOMEM;
    if (tc__task_current() != scope->owner)
        return tc__misuse(TC_ENOTCORO, "tc_scope_close: a scope is closed by the coroutine that opened it");
    bool was_cancelled = scope->cancelled;
    scope->closing = true;
    forget(scope);
    if (was_cancelled)
        tc__task_scope_closed(scope->owner);
    int err = tc__list_empty(&scope->children) ? 0 : tc_wait(scope->all_ended);
    tc__timer_stop(scope->loop, &scope->timer);
    if (!tc__list_empty(&scope->children)) /* the loop tells nobody any more, and they still use the scope */
        return err;
    err = outcome(scope, was_cancelled);
    tc_future_set_result(scope->all_ended, NULL, NULL);
    tc_future_unref(scope->all_ended);
    tc__free(scope);
    return err;
}

int tc__scopes_end(tc__task_t *task) {
    int err = 0;
    for (tc_scope_t *scope; (scope = *tc__task_scopes(task)) != NULL;) {
        tc__misuse(TC_EBUSY, "a coroutine has returned without tc_scope_close: the children that it left are "
                             "cancelled, and waited for");
        tc_scope_cancel(scope);
        int failed = tc_scope_close(scope);
        err = err != 0 ? err : failed;
    }
    return err;
}
