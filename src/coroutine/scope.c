/*
 * scope.c - children whose parent waits for them. (asyncio.TaskGroup)
 *
 * Since close does not return before the last child has ended, children may use the parent's locals. The first failure
 * cancels the siblings; so does a cancel of the parent: what it waits for then is pinned, that is, waited for to its
 * end, and its cancel callback hands the cancel on to the children.
 */
#include "async/future_private.h"
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
    tc__list_t children;
    tc_future_t *all_ended;
    int err; /* the first failure */
    bool closing, cancelled;
};

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)future;
    tc_scope_cancel(user_data);
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
    scope->all_ended = all_ended;
    all_ended->pinned = true;
    tc_future_set_cancel_callback(all_ended, on_cancel, scope);
    tc__list_init(&scope->children);
    return scope;
}

void tc_scope_cancel(tc_scope_t *scope) {
    if (!scope)
        return;
    scope->cancelled = true;
    for (tc__list_t *node = scope->children.next; node != &scope->children; node = node->next)
        tc__task_cancel(tc__container_of(node, child_t, node)->task);
}

static void fail(tc_scope_t *scope, int err) {
    if (err == 0 || scope->err != 0 || (scope->cancelled && err == TC_ECANCELED))
        return;
    scope->err = err;
    tc_scope_cancel(scope);
}

static void on_end(void *user_data, int status) {
    child_t *child = user_data;
    tc_scope_t *scope = child->scope;
    tc__list_remove(&child->node);
    tc__free(child);
    fail(scope, status);
    if (scope->closing && tc__list_empty(&scope->children))
        tc_future_set_result(scope->all_ended, NULL, NULL);
}

int tc_scope_spawn(tc_scope_t *scope, tc_coroutine_fn fn, void *arg) {
    if (!scope || !fn)
        return tc__misuse(TC_EINVAL, "tc_scope_spawn: the scope or the function is NULL");
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

int tc_scope_close(tc_scope_t *scope) {
    if (!scope)
        return TC_ENOMEM;
    bool was_cancelled = scope->cancelled;
    scope->closing = true;
    int err = 0;
    if (!tc__list_empty(&scope->children))
        err = tc_wait(scope->all_ended);
    if (!tc__list_empty(&scope->children)) { /* it could not wait, and they still use the scope */
        scope->closing = false;
        return err;
    }
    if (scope->err != 0)
        err = scope->err;
    else if (scope->cancelled && !was_cancelled)
        err = TC_ECANCELED; /* by the parent's own */
    tc_future_set_result(scope->all_ended, NULL, NULL);
    tc_future_unref(scope->all_ended);
    tc__free(scope);
    return err;
}
