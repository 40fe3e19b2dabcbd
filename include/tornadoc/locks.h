/*
 * tornadoc/locks.h - conditions, events, semaphores and locks for what runs on one loop. (Tornado: locks)
 *
 * Not for threads: they make coroutines and request handlers of one loop wait for each other, first come, first served.
 * What waits gets a future: await it, or hand it to tc_then. Each may be made before the loop is; it belongs to the
 * loop that first waits.
 *
 * `timeout_ms`: TC_FOREVER, or after how long the future fails with TC_ETIMEDOUT; 0: at once, if it would have to wait.
 * A waiter whose future is dropped or cancelled is forgotten; waiters of what is freed fail with TC_ECANCELED. NULL
 * objects, for want of memory, give NULL futures.
 *
 * What is granted (a permit, a lock, a wake-up) is yours when the future has reached you: your await has returned 0,
 * your callback was called with it, or you have looked at its status or result; so also by way of tc_gather,
 * tc_with_timeout and wait iterators. A future that is freed before, because a cancel or a timeout came in the same
 * turn, or because another one of a tc_gather failed, gives it back: it goes to the next who waits.
 */
#ifndef TORNADOC_LOCKS_H
#define TORNADOC_LOCKS_H

#include <tornadoc/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Condition: wait until notified --------------------------------------------------------------------------- */

typedef struct tc_condition tc_condition_t;
TC_EXTERN tc_condition_t *tc_condition_new(void); /**< NULL: out of memory; so everywhere here */
TC_EXTERN void tc_condition_free(tc_condition_t *condition);
TC_EXTERN tc_future_t *tc_condition_wait(tc_condition_t *condition, uint64_t timeout_ms);
TC_EXTERN void tc_condition_notify(tc_condition_t *condition, size_t count); /**< wake so many of those who wait */
TC_EXTERN void tc_condition_notify_all(tc_condition_t *condition);

/* ---- Event: wait until set ------------------------------------------------------------------------------------ */

typedef struct tc_event tc_event_t;
TC_EXTERN tc_event_t *tc_event_new(void);
TC_EXTERN void tc_event_free(tc_event_t *event);
TC_EXTERN tc_future_t *tc_event_wait(tc_event_t *event, uint64_t timeout_ms); /**< done at once while it is set */
TC_EXTERN void tc_event_set(tc_event_t *event);                               /**< wakes all who wait */
TC_EXTERN void tc_event_clear(tc_event_t *event);
TC_EXTERN bool tc_event_is_set(const tc_event_t *event);

/* ---- Semaphore: so many at once ------------------------------------------------------------------------------- */

typedef struct tc_semaphore tc_semaphore_t;
TC_EXTERN tc_semaphore_t *tc_semaphore_new(size_t value);
/** One that refuses to be released more often than it was acquired. (BoundedSemaphore) */
TC_EXTERN tc_semaphore_t *tc_bounded_semaphore_new(size_t value);
TC_EXTERN void tc_semaphore_free(tc_semaphore_t *semaphore);
TC_EXTERN tc_future_t *tc_semaphore_acquire(tc_semaphore_t *semaphore, uint64_t timeout_ms);
/** Hands the permit to the first who waits. @return 0; TC_EINVAL: a bounded one that has all its permits */
TC_EXTERN int tc_semaphore_release(tc_semaphore_t *semaphore);

/* ---- Lock: one at a time. Not recursive; whoever releases it need not be who acquired it ---- */

typedef struct tc_lock tc_lock_t;
TC_EXTERN tc_lock_t *tc_lock_new(void);
TC_EXTERN void tc_lock_free(tc_lock_t *lock);
TC_EXTERN tc_future_t *tc_lock_acquire(tc_lock_t *lock, uint64_t timeout_ms);
TC_EXTERN int tc_lock_release(tc_lock_t *lock); /**< 0; TC_EINVAL: it is not locked */

#ifdef __cplusplus
}
#endif
#endif
