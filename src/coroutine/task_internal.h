/* task_internal.h - coroutines as the rest of the library starts, awaits and cancels them. */
#ifndef TC_COROUTINE_TASK_INTERNAL_H
#define TC_COROUTINE_TASK_INTERNAL_H

#include <tornadoc/coroutine.h>

#include "async/future_internal.h"

typedef struct tc__task tc__task_t;

/* Called on the loop's stack when it has ended, but not if it ends inside tc__task_run. */
typedef void (*tc__task_end_fn)(void *user_data, int status);

/*
 * Run fn(arg) in a coroutine, now. *out is set if it is still under way afterwards, and NULL otherwise.
 *
 * @return its status, if it has ended; TC_EAGAIN: on_end follows; TC_ENOMEM, with *out NULL: it never ran
 */
int tc__task_run(tc__task_t **out, tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg, tc__task_end_fn on_end,
                 void *user_data);
/* Start it from the ready queue. NULL: out of memory. */
tc__task_t *tc__task_spawn(tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg, tc__task_end_fn on_end, void *user_data);
void tc__task_cancel(tc__task_t *task);
tc__task_t *tc__task_current(void); /* NULL outside */

/* ---- Between tasks and scopes ---- */

/* The innermost of those that the task has open. */
tc_scope_t **tc__task_scopes(tc__task_t *task);
/* One of them is cancelled: awaits of the task end as if it was itself … */
void tc__task_scope_cancelled(tc__task_t *task);
/* … until, for each such scope, this is said. */
void tc__task_scope_closed(tc__task_t *task);
/* On the stack of the task, whose function left them open: close them all. @return the first failure of a child */
int tc__scopes_end(tc__task_t *task);

#endif
