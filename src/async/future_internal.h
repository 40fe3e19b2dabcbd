/* future_internal.h - futures, for those who wait inside the library. */
#ifndef TC_ASYNC_FUTURE_INTERNAL_H
#define TC_ASYNC_FUTURE_INTERNAL_H

#include <tornadoc/future.h>

#include "async/ioloop_internal.h"

/* A waiter that is embedded in whoever waits: cannot fail, can be taken back. `fn` runs from the ready queue with the
 * waiter removed; the future is alive until it returns. */
typedef struct tc__waiter {
    tc__soon_t soon;
    tc__list_t node;
    tc_future_t *future; /* referenced while waiting */
    void (*fn)(struct tc__waiter *waiter, tc_future_t *future);
} tc__waiter_t;

void tc__waiter_init(tc__waiter_t *waiter, void (*fn)(tc__waiter_t *waiter, tc_future_t *future));
/* `future` is not NULL. One whose loop was freed has no ready queue: the waiter then does not wait, and never runs. */
void tc__future_wait(tc_future_t *future, tc__waiter_t *waiter);
/* The waiter has memory that the producer may use (an executor's job): a loop's end waits for that one to be through.
 */
void tc__future_await(tc_future_t *future);
void tc__waiter_cancel(tc__waiter_t *waiter); /* harmless if it does not wait */
static inline bool tc__waiter_waiting(const tc__waiter_t *waiter) {
    return waiter->future != NULL;
}

/* It is done, and handed to code of the user: whatever it was granted is theirs. (Looking at it does the same.) */
void tc__future_receive(tc_future_t *future);

/* Give back the producer's own reference of a future that is complete. If it is the last one, all who might have waited
 * went away before: then a failure is no news, and is not logged. */
void tc__future_let_go(tc_future_t *future);

tc_ioloop_t *tc__future_loop(const tc_future_t *future);
/* One that has failed already, with words or NULL. NULL: out of memory. */
tc_future_t *tc__future_failed(tc_ioloop_t *loop, int err, const char *message);

enum { TC__FILE_THREADS = 4 };
/* As tc_run_in_executor, for a loop that need not be this thread's current one, on threads that do nothing but reading
 * and writing files: never behind a program's blocking work. */
tc_future_t *tc__run_file_work(tc_ioloop_t *loop, tc_work_fn fn, void *arg, tc_free_fn free_arg);

#endif
