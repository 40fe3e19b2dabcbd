/* ioloop_private.h - the parts of a loop that only this folder knows; each file owns the fields under its name. */
#ifndef TC_ASYNC_IOLOOP_PRIVATE_H
#define TC_ASYNC_IOLOOP_PRIVATE_H

#include <stdatomic.h>

#include "async/ioloop_internal.h"

struct timeout_record;

/* The process's executors. */
typedef enum { TC__SHARED_WORK, TC__SHARED_FILES, TC__SHARED_COUNT } tc__shared_t;

struct tc__ioloop_private {
    /* ioloop.c */
    uv_loop_t own_uv;     /* what loop->uv points at, unless it was adopted */
    uv_timer_t timer;     /* armed for the wheel's next timer */
    uv_prepare_t prepare; /* these two drain the ready queue; prepare is ref'ed while the loop is held */
    uv_check_t check;
    uv_idle_t idle;     /* active while the ready queue is not: the poll must not block then */
    tc__list_t pass;    /* of tc__soon_t: what the pass under way still has to call */
    uint64_t armed_for; /* when the uv_timer fires; UINT64_MAX: it is not armed */
    unsigned holds;
    unsigned open_handles;
    bool adopted;
    bool running; /* inside tc_ioloop_start or tc__ioloop_turn */
    bool freeing; /* tc_ioloop_free has begun */
    bool closing; /* takes no new jobs and timeouts: the first of what is owed has run */
    bool dead;    /* takes nothing at all any more; its handles are being closed */
    atomic_bool stop;
    void *data;
    tc_free_fn free_data;

    /* timeout.c */
    struct timeout_record **timeout_chunks;
    uint32_t timeout_chunk_count;
    uint32_t free_timeout; /* index of the first free record; NO_TIMEOUT: none */

    struct tc__coroutines *coroutines; /* coroutine.c: NULL until the first */

    tc__list_t futures; /* future.c: all of this loop's */
    tc__list_t jobs;    /* executor.c: all that are under way */
    bool uses_shared_executor[TC__SHARED_COUNT];
    tc__list_t periodics;             /* periodic_callback.c: all of this loop's */
    tc__list_t signals;               /* signal.c: those that are watched */
    struct handler_record **handlers; /* handler.c: by descriptor */
    int handler_count;
};

/* ---- ioloop.c ---- */

/* Every way in from libuv goes through these two, so that the thread knows its loop. */
tc_ioloop_t *tc__ioloop_enter(tc_ioloop_t *loop); /* returns what tc__ioloop_leave takes */
void tc__ioloop_leave(tc_ioloop_t *before);
tc_ioloop_t *tc__ioloop_inside(void); /* the loop that runs on this thread right now, or NULL */
uintptr_t tc__thread_id(void);
void tc__ioloop_handle_closed(tc_ioloop_t *loop); /* one of the handles that tc_ioloop_free closes */

static inline uint64_t tc__time_add(uint64_t when_ms, uint64_t delay_ms) {
    return delay_ms > UINT64_MAX - when_ms ? UINT64_MAX : when_ms + delay_ms;
}

uint64_t tc__ioloop_in(tc_ioloop_t *loop, uint64_t ms); /* the time `ms` from now, for what a caller outside starts */

/* ---- mailbox.c ---- */
int tc__mailbox_new(tc__mailbox_t **out, tc_ioloop_t *loop, uintptr_t owner); /* owner: of tc__thread_id, or 0 */
bool tc__mailbox_empty(tc__mailbox_t *box);
void tc__mailbox_deliver(tc__mailbox_t *box);
void tc__mailbox_wake(tc__mailbox_t *box);   /* any thread: make the loop turn */
void tc__mailbox_refuse(tc__mailbox_t *box); /* posts fail from now on; what is in it is delivered */
void tc__mailbox_close(tc__mailbox_t *box);  /* ends in tc__ioloop_handle_closed and without the loop's reference */

/* ---- What the loop's end means to each part, in the order in which tc_ioloop_free calls them ---- */
void tc__coroutines_loop_closing(tc_ioloop_t *loop);  /* all are cancelled */
void tc__executor_loop_closing(tc_ioloop_t *loop);    /* jobs are taken back, waited for or let go */
bool tc__coroutines_runs(const tc_ioloop_t *loop);    /* one of them, right now on this thread */
bool tc__coroutines_pending(const tc_ioloop_t *loop); /* some have not ended */
void tc__futures_fail_all(tc_ioloop_t *loop);         /* what pends is TC_ECANCELED */
void tc__futures_detach_all(tc_ioloop_t *loop);       /* references to them may live on */
void tc__timeouts_loop_closing(tc_ioloop_t *loop);
void tc__periodics_loop_closing(tc_ioloop_t *loop);
void tc__handlers_loop_closing(tc_ioloop_t *loop);
void tc__signals_loop_closing(tc_ioloop_t *loop);
void tc__coroutines_loop_closed(tc_ioloop_t *loop); /* their stacks go */
void tc__executor_loop_closed(tc_ioloop_t *loop);   /* the last one ends the process's executors */

#endif
