/*
 * ioloop_internal.h - what the layers above take from a loop: its clock, timers, the ready queue, blocks of memory.
 */
#ifndef TC_ASYNC_IOLOOP_INTERNAL_H
#define TC_ASYNC_IOLOOP_INTERNAL_H

#include <time.h>

#include <uv.h>

#include <tornadoc/interop.h>
#include <tornadoc/ioloop.h>

#include "async/timer_wheel_internal.h"
#include "util/date_internal.h"
#include "util/list_internal.h"
#include "util/pool_internal.h"

/* A call that is owed: embedded in whatever needs it; no allocation, so it cannot fail. */
typedef struct tc__soon {
    tc__list_t node; /* initialised by tc__soon_init; empty: not queued */
    void (*fn)(struct tc__soon *soon);
} tc__soon_t;

/* Things that a layer above hangs on each loop, made when first asked for. */
enum { TC__LOCAL_NET, TC__LOCAL_HTTP, TC__LOCAL_WEB, TC__LOCAL_FILES, TC__LOCAL_COMPRESSORS, TC__LOCAL_COUNT };

typedef struct tc__mailbox tc__mailbox_t;

struct tc_ioloop {
    uv_loop_t *uv;
    tc__pool_t pool; /* 4 KiB blocks */
    tc__date_cache_t date;
    void *locals[TC__LOCAL_COUNT];
    tc_free_fn free_locals[TC__LOCAL_COUNT];
    bool is_virtual; /* the clock is a test's */
    uint64_t virtual_now;
    tc__timer_wheel_t wheel;
    tc__list_t ready;             /* of tc__soon_t */
    tc__mailbox_t *mailbox;       /* what other threads post; outlives the loop */
    struct tc__ioloop_private *p; /* the rest is ioloop.c's own */
};

static inline uint64_t tc__ioloop_now(const tc_ioloop_t *loop) {
    return loop->is_virtual ? loop->virtual_now : uv_now(loop->uv);
}

/* Seconds since 1970. A test's clock moves it along. */
static inline int64_t tc__ioloop_unix_time(const tc_ioloop_t *loop) {
    return (int64_t)time(NULL) + (loop->is_virtual ? (int64_t)(loop->virtual_now / 1000) : 0);
}

/* Has this turn of the loop, since it waited for events, taken so long already that those who still have their share of
 * it before them should be content with little? A test's clock says no: what depends on it is the same on any machine.
 */
static inline bool tc__ioloop_is_late(const tc_ioloop_t *loop) {
    enum { LONG_TURN_MS = 10 };
    return !loop->is_virtual && uv_hrtime() / 1000000 > uv_now(loop->uv) + LONG_TURN_MS;
}

/* NULL becomes the current loop; NULL then is a misuse that was logged and detailed ("no loop on this thread"). */
tc_ioloop_t *tc__ioloop_or_current(tc_ioloop_t *loop);

/* ---- The ready queue: Tornado's add_callback without memory ---- */
static inline void tc__soon_init(tc__soon_t *soon, void (*fn)(tc__soon_t *soon)) {
    tc__list_init(&soon->node);
    soon->fn = fn;
}
/* Queue it, unless it is queued. It is taken off before fn runs. Entries queued during a pass wait for the next. In the
 * last callbacks of a loop's end (its futures', its data's) this and tc__timer_start do nothing. */
void tc__soon_call(tc_ioloop_t *loop, tc__soon_t *soon);
void tc__soon_cancel(tc__soon_t *soon); /* harmless if it is not queued */

/* ---- Timers: embedded, in the loop's wheel ---- */
/* Run timer->fn at or after `when_ms`; a started timer is moved. Takes no memory. Timers by themselves do not keep the
 * program's uv_run going; what should, holds the loop. Neither does the mailbox: whoever lets other threads post later
 * holds the loop until then. */
void tc__timer_start(tc_ioloop_t *loop, tc__timer_t *timer, uint64_t when_ms);
void tc__timer_stop(tc_ioloop_t *loop, tc__timer_t *timer);
/* Counted: while held, uv_run of an adopted loop does not return for want of handles (timeouts, sleeps, jobs). */
void tc__ioloop_hold(tc_ioloop_t *loop);
void tc__ioloop_release(tc_ioloop_t *loop);

/* ---- The mailbox: the one way in from other threads ---- */
struct tc__mail { /* embedded in what is posted */
    struct tc__mail *next;
    /* On the loop's thread, once. `loop` is NULL if nobody can run it any more: then only free. */
    void (*fn)(struct tc__mail *mail, tc_ioloop_t *loop);
};
tc__mailbox_t *tc__mailbox_ref(tc__mailbox_t *box); /* any thread */
void tc__mailbox_unref(tc__mailbox_t *box);         /* any thread */
/* Any thread. 0: fn runs exactly once (also when the loop is freed meanwhile: tc_ioloop_free delivers what is queued).
 * TC_ECLOSED: the loop is gone, and `mail` stays the caller's. Takes no memory. */
int tc__mailbox_post(tc__mailbox_t *box, struct tc__mail *mail);

/* ---- The virtual clock ---- */
int tc__ioloop_new_virtual(tc_ioloop_t **out); /* starts at 1,000,000 ms */
/* Run what is ready, then step the clock from timer to timer up to now + ms, running what becomes ready on the way. */
void tc__ioloop_advance(tc_ioloop_t *loop, uint64_t ms);
/* Are jobs of this loop with an executor, so that something will come without the clock moving? */
bool tc__ioloop_has_jobs(const tc_ioloop_t *loop);
/* One turn of the loop; waits for an event if `wait`. @return whether anything is left to wait for */
bool tc__ioloop_turn(tc_ioloop_t *loop, bool wait);

/* ---- Locals ---- */
static inline void *tc__ioloop_local(const tc_ioloop_t *loop, int key) {
    return loop->locals[key];
}
void tc__ioloop_set_local(tc_ioloop_t *loop, int key, void *data, tc_free_fn free_data);

/* The text of now for a Date header. */
static inline const char *tc__ioloop_date(tc_ioloop_t *loop) {
    return tc__date_now(&loop->date);
}

#endif
