/*
 * tornadoc/future.h - results that come later. (Tornado: concurrent, and of gen what needs no coroutine)
 *
 * Every operation that takes time returns a future. A request handler waits for one with tc_then (tornadoc/web.h),
 * other code with tc_future_on_done. A future is counted and belongs to a loop; it is completed once, with a result or
 * with an error, and whoever waits is told from the loop, never from inside the call that completes it.
 *
 * A NULL future is a failed one (TC_ENOMEM): every function here takes it, so calls nest without a check between them.
 */
#ifndef TORNADOC_FUTURE_H
#define TORNADOC_FUTURE_H

#include <tornadoc/ioloop.h>
#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returned by a callback whose outcome comes later. Every callback that can say so returns 0 for done and a negative
 * code for a failure. (Not 1: `return true` must not mean "later".)
 */
enum { TC_DETACH = 0x7c00 };

typedef struct tc_future tc_future_t;
typedef enum { TC_PENDING, TC_DONE, TC_FAILED, TC_CANCELLED } tc_future_state_t;

/* ---- Waiting for one ------------------------------------------------------------------------------------------ */

TC_EXTERN tc_future_state_t tc_future_state(const tc_future_t *future);

/** 0 when done, a negative code when failed or cancelled, TC_EAGAIN while it pends. Never an HTTP status. */
TC_EXTERN int tc_future_status(const tc_future_t *future);

/** The failure in words; "" if there is none. Lives as long as the future. */
TC_EXTERN const char *tc_future_message(const tc_future_t *future);

/** The result, borrowed from the future; NULL if there is none. */
TC_EXTERN void *tc_future_result(const tc_future_t *future);

/** The result, yours from now on; NULL if there is none, or if it was taken before. */
TC_EXTERN void *tc_future_take(tc_future_t *future);

typedef void (*tc_future_cb)(tc_future_t *future, void *user_data);

/**
 * Run `cb` from the loop once the future is complete; soon, if it already is. The future is borrowed by `cb` and is
 * kept alive until it has run.
 *
 * @return 0; TC_ENOMEM, also for a NULL future; TC_ECLOSED: its loop was freed. On error `cb` never runs.
 */
TC_EXTERN int tc_future_on_done(tc_future_t *future, tc_future_cb cb, void *user_data) TC_MUST_CHECK;

/**
 * Ask the producer to stop. It decides: a queued job is taken back, a timer forgotten, and the future is TC_ECANCELED;
 * work that already runs goes on, and so does the future.
 */
TC_EXTERN void tc_future_cancel(tc_future_t *future);

TC_EXTERN tc_future_t *tc_future_ref(tc_future_t *future);
/** The last reference frees an untaken result; a failure that nobody looked at is logged. */
TC_EXTERN void tc_future_unref(tc_future_t *future);

/* ---- Making one ----------------------------------------------------------------------------------------------- */

/** A pending future with one reference, the caller's. NULL: out of memory. */
TC_EXTERN tc_future_t *tc_future_new(tc_ioloop_t *loop);

/** Done, with `result`, which the future frees with `free_result` (or NULL) unless somebody takes it. A second
 * completion is ignored, and frees its result. */
TC_EXTERN void tc_future_set_result(tc_future_t *future, void *result, tc_free_fn free_result);

/** Failed, with a negative code (not TC_EAGAIN: that is the status of one that pends) and, if `message` is not NULL,
 *  words of its own (copied). TC_ECANCELED: cancelled. */
TC_EXTERN void tc_future_set_error(tc_future_t *future, int err, const char *message);

/** Called at most once, by tc_future_cancel; whether and how the future ends is up to `cb`. Replaces the one before. */
TC_EXTERN void tc_future_set_cancel_callback(tc_future_t *future, tc_future_cb cb, void *user_data);

/* ---- Futures of the loop -------------------------------------------------------------------------------------- */

/** Done in `ms`. (gen.sleep) */
TC_EXTERN tc_future_t *tc_sleep(tc_ioloop_t *loop, uint64_t ms);

/** `future`'s outcome, or TC_ETIMEDOUT after `ms`. Steals `future`, and lets go of it then: what its producer has to do
 *  goes on (an executor job needs an argument of its own, with a `free_arg`), what is done for the future alone ends (a
 *  read of a stream, the wait for a lock or a queue). Keep a reference to go on with it yourself. */
TC_EXTERN tc_future_t *tc_with_timeout(tc_future_t *future, uint64_t ms);

/** Done when every callback that is queued now has run. (gen.moment) */
TC_EXTERN tc_future_t *tc_moment(tc_ioloop_t *loop);

/* ---- Several at once ------------------------------------------------------------------------------------------ */

/** The results of several futures, in their order. */
typedef struct tc_results tc_results_t;

/**
 * Wait for all: done when all are done, its result a tc_results_t; failed when all are complete and one has failed,
 * with the first failure in the order of the list; the other failures are logged. Steals the futures; NULL ones count
 * as failed, and all must be of one loop, else it fails with TC_EINVAL. Cancelling it leaves them alone, but for
 * executor jobs: queued ones are taken back, running ones are waited for. (gen.multi, asyncio.gather)
 */
TC_EXTERN tc_future_t *tc_gather(tc_future_t *const *futures, size_t count);
TC_EXTERN size_t tc_results_count(const tc_results_t *results);
TC_EXTERN void *tc_results_get(const tc_results_t *results, size_t index); /**< borrowed */
TC_EXTERN void *tc_results_take(tc_results_t *results, size_t index);      /**< yours; NULL the second time */
/** Those that nobody took are freed too. NULL is fine. `void *`, so that it is a tc_free_fn: for tc_on_exit. */
TC_EXTERN void tc_results_free(void *results);

/**
 * Wait for one after the other, in the order in which they complete. (gen.WaitIterator)
 *
 *     tc_wait_iterator_t *it = tc_wait_iterator_new(futures, 3);
 *     while (!tc_wait_iterator_done(it)) {
 *         int err = tc_await(tc_wait_iterator_next(it), &page);
 *         … tc_wait_iterator_index(it) …
 *     }
 */
typedef struct tc_wait_iterator tc_wait_iterator_t;
/** Steals the futures, also on failure. NULL: out of memory, or a future that pends on another loop (and the others
 * take it). */
TC_EXTERN tc_wait_iterator_t *tc_wait_iterator_new(tc_future_t *const *futures, size_t count);
TC_EXTERN bool tc_wait_iterator_done(const tc_wait_iterator_t *iterator); /**< all were given out; true for NULL */
/** A future with the outcome of the next that completes. One at a time: NULL while the last one pends, and when all
 *  were given out. An outcome that nobody receives (a cancel came before, say) is not lost: the next one brings it. */
TC_EXTERN tc_future_t *tc_wait_iterator_next(tc_wait_iterator_t *iterator);
/** Which one the last `next` brought: its place in the list; SIZE_MAX before. */
TC_EXTERN size_t tc_wait_iterator_index(const tc_wait_iterator_t *iterator);
/** Lets go of the futures that are left, without cancelling them. */
TC_EXTERN void tc_wait_iterator_free(tc_wait_iterator_t *iterator);

/* ---- The executor: blocking work on threads of its own -------------------------------------------------------- */

typedef struct tc_executor tc_executor_t;

/** On a worker thread: may call TC_ANY_THREAD functions only. Returns the status, and the result in *out. */
typedef int (*tc_work_fn)(void *arg, void **out);

/**
 * Run `fn(arg)` on a thread of `executor`; NULL: the process's, of five threads per CPU. `free_arg` (or NULL) is called
 * on the loop's thread when the work is over, however it ended, and at once if it could not be queued; it may run
 * before whoever waits goes on, so a result stands in no memory that it frees. A result that nobody takes is not freed:
 * see tc_run_in_executor_with. `arg` must live until then: a cancelled job that already runs still uses it. A loop that
 * is freed waits for jobs that a coroutine or a request (tc_then) waits for, since they may use their memory; others
 * end by themselves, and their `free_arg` is called by the worker.
 *
 * The future fails at once with TC_EOVERLOAD if too many jobs wait for a thread already; as a handler's outcome that is
 * a 503. It fails with TC_ECLOSED if the executor is being freed.
 *
 * @return NULL: out of memory, or no loop on this thread
 */
TC_EXTERN tc_future_t *tc_run_in_executor(tc_executor_t *executor, tc_work_fn fn, void *arg, tc_free_fn free_arg);

/** The same for results on the heap: `free_result` is called for one that nobody takes, since a timeout or a cancel
 * came before it, say; by the worker if the loop was freed meanwhile. */
TC_EXTERN tc_future_t *tc_run_in_executor_with(tc_executor_t *executor, tc_work_fn fn, void *arg, tc_free_fn free_arg,
                                               tc_free_fn free_result);

/** A pool of at most `threads` threads, started as they are needed. @return 0; TC_EINVAL for none; TC_ENOMEM */
TC_EXTERN int tc_executor_new(tc_executor_t **out, unsigned threads) TC_MUST_CHECK;

/** How many jobs may wait beyond those that have a thread; TC_UNLIMITED; 0: the default, 100,000, which is also what
 * the process's has. What is queued already stays. */
TC_ANY_THREAD void tc_executor_set_max_queued(tc_executor_t *executor, size_t most);

/** Take back what is queued (TC_ECANCELED), wait for what runs, end the threads. NULL is fine. */
TC_EXTERN void tc_executor_free(tc_executor_t *executor);

#ifdef __cplusplus
}
#endif
#endif
