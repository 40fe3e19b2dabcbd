/*
 * task.c - coroutines that await. (Tornado: gen.coroutine's Runner; asyncio.Task)
 *
 *   QUEUED --[the ready queue]--> RUNNING --[await of what pends]--> SUSPENDED
 *                                    |  ^----[done, or cancelled]--------'
 *                                    '--[fn has returned]--> gone: on_end
 *
 * A task awaits with a waiter of its own, so that suspending takes no memory and cannot fail. It is resumed from the
 * ready queue alone, in the order in which things became ready: no task runs inside another.
 *
 * Cancelling is an error that the await under way returns, and that later ones return at once; stacks are never
 * dropped, so ordinary clean-up works. A result that is there already wins: the permit or the item that came with it
 * would be lost. So does one that comes before the cancelled task goes on, if nobody else could take it. Work on
 * another thread uses what it was given, often a local of this very stack: such a future is waited for to its end.
 *
 * A scope that is cancelled cancels its opener's awaits in the same way, until it is closed.
 */
#include "coroutine/task_internal.h"

#include <string.h>

#include "async/future_private.h"
#include "async/ioloop_private.h"
#include "coroutine/coroutine_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"

typedef struct exit_call {
    struct exit_call *next;
    tc_free_fn fn;
    void *arg;
} exit_call_t;

struct tc__task {
    tc__coroutine_t coroutine; /* first: the control block on its stack begins with it */
    tc__list_t node;           /* in the loop's tasks */
    tc_coroutine_fn fn;
    void *arg;
    tc__task_end_fn on_end;
    void *user_data;
    exit_call_t *exits;
    tc_scope_t *scopes;        /* scope.c: those that are open */
    unsigned cancelled_scopes; /* of these */
    tc__waiter_t waiter;       /* for what is awaited */
    tc__soon_t soon;           /* begins, or goes on because it was cancelled */
    int status;
    bool inside_run;  /* tc__task_run is on the stack, and tells of the end by its return */
    bool interrupted; /* the await under way was cancelled */
    bool cancelled, shielded;
    void *result;
    tc_free_fn free_result;
};

_Static_assert(sizeof(tc__task_t) <= TC__COROUTINE_CONTROL_SIZE, "a task must fit above its stack");

tc__task_t *tc__task_current(void) {
    tc__coroutine_t *coroutine = tc__coroutine_current();
    return coroutine ? tc__container_of(coroutine, tc__task_t, coroutine) : NULL;
}

bool tc_in_coroutine(void) {
    return tc__coroutine_current() != NULL;
}

static tc_ioloop_t *loop_of(const tc__task_t *task) {
    return task->coroutine.home->loop;
}

static tc__task_t *current_or_complain(const char *what) {
    tc__task_t *task = tc__task_current();
    if (!task)
        tc__misuse(TC_ENOTCORO, "%s outside a coroutine: see tc_spawn, tc_run_sync, TC_COROUTINE; elsewhere tc_then",
                   what);
    return task;
}

/* ---- Running ---- */

static void free_result(tc__task_t *task) {
    if (task->result && task->free_result)
        task->free_result(task->result);
    task->result = NULL;
}

static bool run_exit(tc__task_t *task) {
    if (!task->exits)
        return false;
    exit_call_t call = *task->exits;
    tc__free(task->exits);
    task->exits = call.next;
    call.fn(call.arg);
    return true;
}

/* What the function has left to do. Children of scopes that it left open may write to its locals on their way out: so
 * they are waited for from well below where those were, and call() below keeps this very frame above them. */
static __attribute__((noinline)) void end(tc__task_t *task) {
    volatile char *gap = NULL;
    do {
        if (!task->scopes)
            continue;
        if (!gap)
            gap = __builtin_alloca(task->coroutine.stack->size / 4);
        gap[0] = 0; /* it is not left out */
        int err = tc__scopes_end(task);
        task->status = task->status != 0 ? task->status : err;
    } while (run_exit(task));
}

static __attribute__((noinline)) int call(tc__task_t *task) {
    char room[256];
    int status = task->fn(task->arg);
    __asm__ volatile("" : "=m"(room)); /* it is not left out */
    return status;
}

/* On the task's stack. */
static void run(tc__coroutine_t *coroutine) {
    tc__task_t *task = tc__container_of(coroutine, tc__task_t, coroutine);
    task->status = call(task);
    if (task->scopes || task->exits)
        end(task);
}

static void drop(tc__task_t *task) {
    free_result(task);
    tc__list_remove(&task->node);
    tc__ioloop_release(loop_of(task));
    tc__coroutine_free(&task->coroutine);
}

/* On the loop's stack. The task is gone after this if it has ended. */
static void go_on(tc__task_t *task) {
    tc__forget_failure();
    if (!tc__coroutine_resume(&task->coroutine) || task->inside_run)
        return;
    if (task->on_end)
        task->on_end(task->user_data, task->status);
    drop(task);
}

static void on_soon(tc__soon_t *soon) {
    go_on(tc__container_of(soon, tc__task_t, soon));
}

static void on_awaited(tc__waiter_t *waiter, tc_future_t *future) {
    (void)future;
    go_on(tc__container_of(waiter, tc__task_t, waiter));
}

static tc__task_t *new_task(tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg, tc__task_end_fn on_end, void *user_data) {
    if (loop->p->closing) {
        tc__fail(TC_ECLOSED, "the loop is being freed: no coroutines any more");
        return NULL;
    }
    tc__coroutine_t *coroutine = tc__coroutine_new(loop, sizeof(tc__task_t), run);
    if (!coroutine)
        return NULL;
    tc__task_t *task = tc__container_of(coroutine, tc__task_t, coroutine);
    task->fn = fn;
    task->arg = arg;
    task->on_end = on_end;
    task->user_data = user_data;
    tc__waiter_init(&task->waiter, on_awaited);
    tc__soon_init(&task->soon, on_soon);
    tc__list_push(&coroutine->home->tasks, &task->node);
    tc__ioloop_hold(loop);
    return task;
}

int tc__task_run(tc__task_t **out, tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg, tc__task_end_fn on_end,
                 void *user_data) {
    *out = NULL;
    tc__task_t *task = new_task(loop, fn, arg, on_end, user_data);
    if (!task)
        return TC_ENOMEM;
    if (tc__coroutine_current() && tc__coroutine_current()->home == task->coroutine.home) {
        tc__soon_call(loop, &task->soon); /* nobody runs inside another */
        *out = task;
        return TC_EAGAIN;
    }
    task->inside_run = true;
    go_on(task);
    task->inside_run = false;
    if (!task->coroutine.ended) {
        *out = task;
        return TC_EAGAIN;
    }
    int status = task->status;
    drop(task);
    return status;
}

tc__task_t *tc__task_spawn(tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg, tc__task_end_fn on_end, void *user_data) {
    tc__task_t *task = new_task(loop, fn, arg, on_end, user_data);
    if (task)
        tc__soon_call(loop, &task->soon);
    return task;
}

/* ---- Awaiting ---- */

/* No shield holds up the loop's end. */
static bool must_not_wait(const tc__task_t *task) {
    return (task->cancelled || task->cancelled_scopes > 0) && (!task->shielded || loop_of(task)->p->closing);
}

/* The future pends. 0 once it does not any more; TC_ECANCELED. */
static int suspend(tc__task_t *task, tc_future_t *future) {
    if (must_not_wait(task)) {
        if (!future->pinned)
            return TC_ECANCELED;
        tc_future_cancel(future); /* a job that is queued is done by that, and one that runs is waited for */
    }
    tc__future_await(future);
    task->interrupted = false;
    tc__future_wait(future, &task->waiter);
    if (!tc__waiter_waiting(&task->waiter))
        return TC_ECANCELED; /* the loop is gone so far that it tells nobody any more */
    tc__coroutine_suspend(&task->coroutine);
    return task->interrupted ? TC_ECANCELED : 0;
}

int tc_wait(tc_future_t *future) {
    if (!future)
        return tc__fail(TC_ENOMEM, "the future is NULL: its operation could not start");
    tc__task_t *task = current_or_complain("tc_await");
    if (!task)
        return TC_ENOTCORO;
    if (future->state == TC_PENDING) {
        if (future->loop != loop_of(task))
            return tc__misuse(TC_EINVAL, "tc_await: the future is of another loop than the coroutine");
        if (tc__ioloop_inside() != loop_of(task)) /* to suspend would leave that loop in the middle of its turn */
            return tc__misuse(TC_ENOTCORO, "tc_await in a callback of another loop, which the coroutine runs");
        if (suspend(task, future) < 0)
            return tc__fail(TC_ECANCELED, "the %s was cancelled", task->cancelled ? "coroutine" : "scope");
    }
    int status = tc_future_status(future);
    return status == 0 ? 0 : tc__fail(status, "%s", tc_future_message(future));
}

int tc_await(tc_future_t *future, void *out) {
    void *result = NULL;
    int status = tc_wait(future);
    if (future && future->refs == 1 && future->state == TC_PENDING)
        tc_future_cancel(future);
    if (status == TC_ECANCELED && future->refs == 1) {
        future->looked = true; /* a failure is no news beside the cancel */
        if (future->state == TC_DONE)
            status = tc_future_status(future); /* it came between the cancel and now, and with the future it would go */
    }
    if (status == 0 && out)
        result = tc_future_take(future);
    if (out)
        memcpy(out, &result, sizeof result); /* whatever type of pointer it is */
    tc_future_unref(future);
    return status;
}

/* ---- Cancelling ---- */

static void interrupt(tc__task_t *task) {
    tc_future_t *future = task->waiter.future;
    if (!future || future->state != TC_PENDING || !must_not_wait(task))
        return;
    if (future->pinned) {
        tc_future_cancel(future);
        return;
    }
    tc__waiter_cancel(&task->waiter);
    task->interrupted = true;
    tc__soon_call(loop_of(task), &task->soon);
}

void tc__task_cancel(tc__task_t *task) {
    task->cancelled = true;
    interrupt(task);
}

bool tc_cancelled(void) {
    const tc__task_t *task = tc__task_current();
    return task && (task->cancelled || task->cancelled_scopes > 0);
}

tc_scope_t **tc__task_scopes(tc__task_t *task) {
    return &task->scopes;
}

void tc__task_scope_cancelled(tc__task_t *task) {
    task->cancelled_scopes++;
    interrupt(task);
}

void tc__task_scope_closed(tc__task_t *task) {
    task->cancelled_scopes--;
}

bool tc_shield(bool on) {
    tc__task_t *task = current_or_complain("tc_shield");
    bool before = task && task->shielded;
    if (task)
        task->shielded = on;
    return before;
}

/* ---- What a coroutine says of itself ---- */

int tc_on_exit(tc_free_fn fn, void *arg) {
    tc__task_t *task = fn ? current_or_complain("tc_on_exit") : NULL;
    exit_call_t *call = task ? tc__malloc(sizeof *call) : NULL;
    if (!call) {
        if (fn)
            fn(arg);
        return !fn ? tc__misuse(TC_EINVAL, "tc_on_exit: fn is NULL") : task ? TC_ENOMEM : TC_ENOTCORO;
    }
    *call = (exit_call_t){ task->exits, fn, arg };
    task->exits = call;
    return 0;
}

int tc_coroutine_set_result(void *result, tc_free_fn free_fn) {
    tc__task_t *task = current_or_complain("tc_coroutine_set_result");
    if (!task) {
        if (result && free_fn)
            free_fn(result);
        return TC_ENOTCORO;
    }
    free_result(task);
    task->result = result;
    task->free_result = free_fn;
    return 0;
}

/* ---- Tasks as futures ---- */

typedef struct {
    tc_future_t future;
    tc__task_t *task; /* NULL: it has ended */
} task_future_t;

static void on_end(void *user_data, int status) {
    task_future_t *done = user_data;
    tc__task_t *task = done->task;
    done->task = NULL;
    if (status == 0) {
        tc_future_set_result(&done->future, task->result, task->free_result);
        task->result = NULL;
    } else {
        const char *words = tc__failure_words(status);
        /* which complains of what is no error code */
        tc_future_set_error(&done->future, status, *words ? words : NULL);
    }
    tc_future_unref(&done->future);
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    task_future_t *done = tc__container_of(future, task_future_t, future);
    if (done->task)
        tc__task_cancel(done->task);
}

tc_future_t *tc_spawn(tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg) {
    loop = tc__ioloop_or_current(loop);
    if (!loop || !fn) {
        if (loop)
            tc__misuse(TC_EINVAL, "tc_spawn: fn is NULL");
        return NULL;
    }
    tc_future_t *future = tc__future_alloc(loop, sizeof(task_future_t));
    if (!future)
        return NULL;
    task_future_t *done = tc__container_of(future, task_future_t, future);
    done->task = tc__task_spawn(loop, fn, arg, on_end, done);
    if (!done->task) {
        tc_future_unref(future);
        return NULL;
    }
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    return tc_future_ref(future); /* the task has the other */
}

/* ---- Running one to its end ---- */

typedef struct {
    tc_future_t *future;
    tc__timer_t timer;
    bool timed_out;
} run_t;

static void on_time(tc__timer_t *timer) {
    run_t *run = tc__container_of(timer, run_t, timer);
    run->timed_out = true;
    tc_future_cancel(run->future);
}

int tc_run_sync(tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg, uint64_t timeout_ms) {
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    if (!fn)
        return tc__misuse(TC_EINVAL, "tc_run_sync: fn is NULL");
    if (loop->p->adopted)
        return tc__misuse(TC_ENOTSUP, "tc_run_sync: the program runs this loop, with uv_run");
    if (loop->p->running)
        return tc__misuse(TC_EBUSY, "tc_run_sync: the loop runs already: await there instead");
    run_t run = { .future = tc_spawn(loop, fn, arg) };
    if (!run.future)
        return TC_ENOMEM;
    tc__timer_init(&run.timer, on_time);
    if (timeout_ms != TC_FOREVER)
        tc__timer_start(loop, &run.timer, tc__ioloop_in(loop, timeout_ms));
    while (run.future->state == TC_PENDING) {
        tc__ioloop_turn(loop, true);
        if (atomic_exchange(&loop->p->stop, false))
            tc_future_cancel(run.future);
    }
    tc__timer_stop(loop, &run.timer);
    int status = tc_future_status(run.future);
    tc_future_unref(run.future);
    if (status == TC_ECANCELED && run.timed_out)
        return tc__fail(TC_ETIMEDOUT, "the coroutine was cancelled: its time was up");
    return status;
}

/* ---- The loop's end ---- */

void tc__coroutines_loop_closing(tc_ioloop_t *loop) {
    if (!loop->p->coroutines)
        return;
    tc__list_t *tasks = &loop->p->coroutines->tasks;
    for (tc__list_t *node = tasks->next; node != tasks; node = node->next)
        tc__task_cancel(tc__container_of(node, tc__task_t, node));
}

bool tc__coroutines_runs(const tc_ioloop_t *loop) {
    tc__coroutine_t *coroutine = tc__coroutine_current();
    return coroutine && coroutine->home->loop == loop;
}

bool tc__coroutines_pending(const tc_ioloop_t *loop) {
    return loop->p->coroutines && !tc__list_empty(&loop->p->coroutines->tasks);
}
