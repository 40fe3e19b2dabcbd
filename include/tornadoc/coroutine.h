/*
 * tornadoc/coroutine.h - awaiting: straight-line code that waits without blocking. (Tornado: gen, `async def`)
 *
 *     static int get(tc_request_t *req) {
 *         tc_future_t *both[] = { load(req, "news"), load(req, "weather") };
 *         tc_results_t *pages;
 *         TC_TRY(tc_await(tc_gather(both, 2), &pages));
 *         …
 *     }
 *
 * A coroutine is a function with a stack of its own. Where it awaits a future that is not done, it stops, the loop goes
 * on with everything else, and it continues when the future is. It lives and dies on its loop's thread; between two
 * awaits no other code of that loop runs, so plain data needs no lock.
 *
 * A request handler with TC_COROUTINE among its flags runs its callbacks so (tornadoc/web.h); tc_spawn and tc_run_sync
 * start one anywhere. Return values are as everywhere: 0, or a negative code.
 *
 * Rules. Across an await hold no mutex, no `errno`, no thread's locale, no OpenSSL error queue: other code runs there.
 * Never leave a coroutine by longjmp or an exception. Large buffers belong on the heap: a stack has 256 KiB. A pointer
 * to a local may be given to an executor job that is awaited, alone or by tc_gather, and to the children of a scope;
 * not to one within tc_with_timeout, which does not wait for it, and to nothing else that outlives the local.
 */
#ifndef TORNADOC_COROUTINE_H
#define TORNADOC_COROUTINE_H

#include <tornadoc/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Waiting -------------------------------------------------------------------------------------------------- */

/**
 * Wait for a future; steals the reference. Done: its result is taken and put into *out (T ** for a result of type T *;
 * NULL if you do not want it: then it is freed). Else *out is NULL, and tc_error_detail() has the failure in words.
 *
 * A future that is done already is not waited for. Executor jobs that run are always waited for, for they use their
 * argument.
 *
 * @return the future's status; TC_ECANCELED if this coroutine was cancelled, now or before, and the future pends: it is
 *         asked to stop if nobody else has a reference. TC_ENOMEM for NULL; TC_ENOTCORO outside a coroutine, and in
 *         callbacks of another loop that it runs; TC_EINVAL: the future pends on another loop
 */
TC_EXTERN int tc_await(tc_future_t *future, void *out) TC_MUST_CHECK;

/** The same, but the future stays yours, with its result: look at it afterwards. */
TC_EXTERN int tc_wait(tc_future_t *future) TC_MUST_CHECK;

TC_EXTERN bool tc_in_coroutine(void);

/* ---- Starting ------------------------------------------------------------------------------------------------- */

/** The body. It runs exactly once, cancelled or not, so it may free `arg`. Returns 0 or a negative code. */
typedef int (*tc_coroutine_fn)(void *arg);

/**
 * Run `fn(arg)` in a coroutine, from the loop's next turn on. (IOLoop.add_callback of a coroutine, asyncio.create_task)
 *
 * The future is done when `fn` has returned; tc_future_cancel on it cancels the coroutine. It may be dropped: then the
 * coroutine goes on, and its failure is logged.
 *
 * @return NULL: out of memory, or `max_coroutines` are under way; `fn` then never runs
 */
TC_EXTERN tc_future_t *tc_spawn(tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg) TC_MUST_CHECK;

/** Inside one: what its future's result is, if it ends well. Replaces, and frees, the one before. */
TC_EXTERN int tc_coroutine_set_result(void *result, tc_free_fn free_result);

/**
 * Run the loop until `fn(arg)`, in a coroutine, has ended. For programs' main and tests. (IOLoop.run_sync)
 *
 * @param timeout_ms then it is cancelled; TC_FOREVER
 * @return what it returned; TC_ETIMEDOUT if it was cancelled by the time; TC_ECANCELED if tc_ioloop_stop came first,
 *         which cancels it too; TC_EBUSY: the loop runs already; TC_ENOTSUP: the program runs it, with uv_run;
 *         TC_EINVAL; TC_ENOMEM
 */
TC_EXTERN int tc_run_sync(tc_ioloop_t *loop, tc_coroutine_fn fn, void *arg, uint64_t timeout_ms) TC_MUST_CHECK;

/* ---- Being cancelled ------------------------------------------------------------------------------------------ */

/**
 * Whoever cancels a coroutine makes the await under way return TC_ECANCELED, and every later one that would have to
 * wait: so it runs to its end, by the ways of any other failure. A result that was there before the cancel is given out
 * first, and so is one that comes before the coroutine goes on, if it would be lost otherwise: what a lock or a queue
 * has handed over stays with whom it was given to. True in a scope that is cancelled as well.
 */
TC_EXTERN bool tc_cancelled(void);

/** While on, awaits wait in spite of a cancel: for cleaning up. @return what it was */
TC_EXTERN bool tc_shield(bool on);

/** Call fn(arg) in this coroutine when its function has returned, last registered first; on failure at once.
 *  @return 0; TC_ENOMEM; TC_ENOTCORO */
TC_EXTERN int tc_on_exit(tc_free_fn fn, void *arg);

/* ---- Scopes: what ends together ------------------------------------------------------------------------------- */

/**
 * Between open and close a coroutine may start children, which may use its locals, and bound the time of all that it
 * does there. (asyncio.TaskGroup, asyncio.timeout)
 *
 *     tc_scope_t *scope = tc_scope_open();
 *     int err = tc_scope_set_timeout(scope, 2000);
 *     if (err == 0)
 *         err = tc_await(answer(), &text);
 *     int failed = tc_scope_close(scope); // TC_ETIMEDOUT; `err` is then TC_ECANCELED mostly
 *     TC_TRY(failed < 0 ? failed : err);
 *
 * The first child that fails cancels the scope: the other children, and the awaits of the coroutine that opened it,
 * which fail with TC_ECANCELED until it closes the scope; then it goes on as before. Every way out leads through the
 * close. A coroutine that returns without it does its children wrong, whose pointers to its locals dangle: they are
 * cancelled and waited for, and the log says so.
 */
typedef struct tc_scope tc_scope_t;

/** NULL: out of memory, or no coroutine (and the others take NULL). Scopes nest. */
TC_EXTERN tc_scope_t *tc_scope_open(void);
/** Start a child. @return 0; TC_ENOMEM, also for NULL: the scope is cancelled, and close returns this; TC_ECLOSED: the
 *  scope is being closed, and its last child has ended; TC_EINVAL. On error `fn` never runs. */
TC_EXTERN int tc_scope_spawn(tc_scope_t *scope, tc_coroutine_fn fn, void *arg);
/** Cancel the scope in `ms` from now, unless it is closed by then; TC_FOREVER: not. Replaces the time that was set
 *  before. What cannot be cancelled, an executor job that runs, is waited for. @return 0; TC_ENOMEM for NULL */
TC_EXTERN int tc_scope_set_timeout(tc_scope_t *scope, uint64_t ms) TC_MUST_CHECK;
/** Cancel the scope, without waiting for anything. Close then returns 0, unless something failed before. */
TC_EXTERN void tc_scope_cancel(tc_scope_t *scope);
/**
 * Wait until all children have ended. A cancel of this coroutine meanwhile cancels them; they are waited for all the
 * same.
 *
 * @return 0; the first failure of a child; TC_ETIMEDOUT: the time was up first; TC_ECANCELED: this coroutine was
 *         cancelled. TC_ENOMEM for NULL; TC_ENOTCORO for a scope of another coroutine, which stays open
 */
TC_EXTERN int tc_scope_close(tc_scope_t *scope) TC_MUST_CHECK;

/* ---- Settings ------------------------------------------------------------------------------------------------- */

/** Zero is the default, everywhere. */
typedef struct {
    size_t stack_size;      /**< bytes, rounded up to pages; default 256 KiB, of which only what is touched is memory */
    size_t guard_size;      /**< below each; default 64 KiB, which takes no memory */
    size_t max_coroutines;  /**< of this loop at once; default 10,000; beyond it TC_ENOMEM, and 503 for requests */
    size_t keep;            /**< free stacks whose memory is kept; default 64 */
    uint64_t trim_after_ms; /**< when the others give theirs back; default 5,000 */
    uintptr_t reserved[4];  /**< must be zero */
} tc_coroutine_options_t;

/** Before the loop's first coroutine. @return 0; TC_EBUSY; TC_EINVAL; TC_ENOMEM */
TC_EXTERN int tc_ioloop_set_coroutine_options(tc_ioloop_t *loop, const tc_coroutine_options_t *options) TC_MUST_CHECK;

/**
 * Say it on stderr when a coroutine's stack overflows, before the process dies of it: a handler of SIGSEGV and SIGBUS
 * for the whole process, with a stack of its own for each thread that runs coroutines from now on. What is no overflow
 * goes to the handlers of before.
 *
 * @return 0; a system error; TC_ENOTSUP
 */
TC_EXTERN int tc_coroutine_install_overflow_handler(void);

#ifdef __cplusplus
}
#endif
#endif
