/*
 * tornadoc/ioloop.h - the loop: callbacks, timeouts, descriptors, signals. (Tornado: ioloop)
 *
 * One loop per thread. A loop is made here and run with tc_ioloop_start, or it wraps the uv_loop_t that the program
 * already runs (tornadoc/interop.h). Everything that belongs to a loop is called on that loop's thread, save what is
 * marked TC_ANY_THREAD. Callbacks never run inside the call that asks for them.
 *
 * Time is monotonic, in milliseconds: tc_ioloop_time. All timeouts of a loop live in one wheel on that clock.
 */
#ifndef TORNADOC_IOLOOP_H
#define TORNADOC_IOLOOP_H

#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_ioloop tc_ioloop_t;
typedef void (*tc_ioloop_cb)(void *user_data);

/* ---- Making and running --------------------------------------------------------------------------------------- */

/** A loop of our own for this thread; it becomes tc_ioloop_current() if the thread has none. */
TC_EXTERN int tc_ioloop_new(tc_ioloop_t **out) TC_MUST_CHECK;

/**
 * Close the loop's handles and free it; NULL is fine. Callbacks that were queued and are still owed (posted from other
 * threads, tc_deferred_post) run once; timeouts are dropped; futures that still pend fail with TC_ECANCELED, and those
 * who wait for them are told. Not inside a callback of tc_ioloop_start: stop the loop first. A loop adopted from the
 * program may be freed inside its callbacks, but not inside its coroutines; the program's uv_run must turn once more
 * after this.
 */
TC_EXTERN void tc_ioloop_free(tc_ioloop_t *loop);

/** Run until tc_ioloop_stop. A stop that came before the start makes it return at once. */
TC_EXTERN int tc_ioloop_start(tc_ioloop_t *loop);

/** Make tc_ioloop_start return after this turn. Not for adopted loops: their program stops them (TC_ENOTSUP). */
TC_ANY_THREAD int tc_ioloop_stop(tc_ioloop_t *loop);

/** The loop of this thread, or NULL. Every `loop` parameter takes NULL for it. */
TC_EXTERN tc_ioloop_t *tc_ioloop_current(void);

/** What a loop carries for the program: database connections, say. Set anew, the old data is freed first. */
TC_EXTERN void tc_ioloop_set_data(tc_ioloop_t *loop, void *data, tc_free_fn free_data);
TC_EXTERN void *tc_ioloop_data(const tc_ioloop_t *loop);

/** Milliseconds on the loop's clock: monotonic, constant during one turn of the loop. */
TC_EXTERN uint64_t tc_ioloop_time(const tc_ioloop_t *loop);

/* ---- Callbacks and timeouts ----------------------------------------------------------------------------------- */

/** Run `cb` on the loop's thread, soon, in the order of the calls. The loop must live: other threads are to be done
 * with it before it is freed. @return 0; TC_ENOMEM, TC_ECLOSED (it is being freed): never runs */
TC_ANY_THREAD int tc_ioloop_add_callback(tc_ioloop_t *loop, tc_ioloop_cb cb, void *user_data);

/** A timeout under way. 0 is none, and what tc_ioloop_call_at returns when memory is out. Never used twice. */
typedef uint64_t tc_timeout_t;

/** Run `cb` once, `delay_ms` from now; 0 is the next turn. */
TC_EXTERN tc_timeout_t tc_ioloop_call_later(tc_ioloop_t *loop, uint64_t delay_ms, tc_ioloop_cb cb, void *user_data);

/** Run `cb` once, when tc_ioloop_time reaches `when_ms`; at the next turn if it has. */
TC_EXTERN tc_timeout_t tc_ioloop_call_at(tc_ioloop_t *loop, uint64_t when_ms, tc_ioloop_cb cb, void *user_data);

/** Forget a timeout. Harmless after it ran, and for 0. @return whether it was still to come */
TC_EXTERN bool tc_ioloop_remove_timeout(tc_ioloop_t *loop, tc_timeout_t timeout);

/* ---- Periodic callbacks --------------------------------------------------------------------------------------- */

/**
 * Calls a function every so often; missed periods are skipped, so that it stays on its schedule. A callback that
 * returns TC_DETACH (see tornadoc/future.h) is not called again before tc_periodic_callback_done: runs never overlap.
 */
typedef struct tc_periodic_callback tc_periodic_callback_t;
typedef int (*tc_periodic_cb)(tc_periodic_callback_t *periodic, void *user_data);

/**
 * @param period_ms at least 1
 * @param jitter 0 to 1: each period is varied by that fraction of itself, half of it either way
 * @return 0; TC_EINVAL for a bad period or jitter; TC_ENOMEM. It does not run until it is started.
 */
TC_EXTERN int tc_periodic_callback_new(tc_periodic_callback_t **out, tc_ioloop_t *loop, uint64_t period_ms,
                                       double jitter, tc_periodic_cb cb, void *user_data) TC_MUST_CHECK;
TC_EXTERN void tc_periodic_callback_free(tc_periodic_callback_t *periodic);
TC_EXTERN void tc_periodic_callback_start(tc_periodic_callback_t *periodic);
TC_EXTERN void tc_periodic_callback_stop(tc_periodic_callback_t *periodic);
TC_EXTERN bool tc_periodic_callback_is_running(const tc_periodic_callback_t *periodic);
/** The run that returned TC_DETACH has ended. */
TC_EXTERN void tc_periodic_callback_done(tc_periodic_callback_t *periodic);

/* ---- Descriptors and signals ---------------------------------------------------------------------------------- */

enum { TC_READ = 1u << 0, TC_WRITE = 1u << 1, TC_ERROR = 1u << 2 };

/** `events` is what happened of TC_READ, TC_WRITE, TC_ERROR; an error comes whether or not it was asked for. */
typedef void (*tc_handler_cb)(tc_ioloop_t *loop, int fd, unsigned events, void *user_data);

/** Watch a descriptor (level-triggered). It stays the caller's. @return 0; TC_EALREADY if watched; a system error */
TC_EXTERN int tc_ioloop_add_handler(tc_ioloop_t *loop, int fd, unsigned events, tc_handler_cb cb, void *user_data);
TC_EXTERN int tc_ioloop_update_handler(tc_ioloop_t *loop, int fd, unsigned events); /**< TC_ENOENT if not watched */
/** To be called before the descriptor is closed. One that is not watched is fine. */
TC_EXTERN void tc_ioloop_remove_handler(tc_ioloop_t *loop, int fd);

typedef void (*tc_signal_cb)(tc_ioloop_t *loop, int signum, void *user_data);

/** Run `cb` on the loop when the process gets `signum`; NULL: no longer. One callback per signal and loop. */
TC_EXTERN int tc_ioloop_set_signal_callback(tc_ioloop_t *loop, int signum, tc_signal_cb cb, void *user_data);

#ifdef __cplusplus
}
#endif
#endif
