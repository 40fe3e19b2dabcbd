/*
 * timer_wheel_internal.h - a hierarchical timing wheel: start and stop in O(1), milliseconds, no I/O and no clock.
 *
 * The loop tells it the time; it tells the loop when to come back.
 */
#ifndef TC_ASYNC_TIMER_WHEEL_INTERNAL_H
#define TC_ASYNC_TIMER_WHEEL_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "util/list_internal.h"

typedef struct tc__timer {
    tc__list_t node; /* empty: not started */
    uint64_t when_ms;
    void (*fn)(struct tc__timer *timer); /* the timer is stopped before the call, and may be started again in it */
} tc__timer_t;

enum { TC__WHEEL_LEVELS = 6, TC__WHEEL_SLOTS = 64 }; /* 64 ms, 4 s, 4 min, 4.6 h, 12 days, 2 years; beyond: `far` */

typedef struct tc__timer_wheel {
    uint64_t now_ms;                 /* everything before it has run */
    uint64_t used[TC__WHEEL_LEVELS]; /* a bit per slot that is not empty */
    tc__list_t slots[TC__WHEEL_LEVELS][TC__WHEEL_SLOTS];
    tc__list_t far; /* looked at again every two years */
    tc__list_t due; /* what the advance under way still has to run */
    size_t count;
} tc__timer_wheel_t;

static inline void tc__timer_init(tc__timer_t *timer, void (*fn)(tc__timer_t *timer)) {
    tc__list_init(&timer->node);
    timer->when_ms = 0;
    timer->fn = fn;
}
static inline bool tc__timer_active(const tc__timer_t *timer) {
    return !tc__list_empty(&timer->node);
}

void tc__timer_wheel_init(tc__timer_wheel_t *wheel, uint64_t now_ms);
/* A time that has passed becomes now_ms: due at the next advance. A started timer is moved. */
void tc__timer_wheel_add(tc__timer_wheel_t *wheel, tc__timer_t *timer, uint64_t when_ms);
void tc__timer_wheel_remove(tc__timer_wheel_t *wheel, tc__timer_t *timer); /* harmless if it is not started */
void tc__timer_wheel_clear(tc__timer_wheel_t *wheel);                      /* stop them all */
/* Run all timers with when_ms <= now_ms, in order of time, of equal ones in order of starting. What is started
 * meanwhile waits for the next advance, even if it is due. */
void tc__timer_wheel_advance(tc__timer_wheel_t *wheel, uint64_t now_ms);
/* Tell the time while nothing is due, so that what is added next need not be moved from level to level. */
void tc__timer_wheel_catch_up(tc__timer_wheel_t *wheel, uint64_t now_ms);
/* No timer runs before that time: when to advance next. UINT64_MAX: never. */
uint64_t tc__timer_wheel_next(const tc__timer_wheel_t *wheel);

#endif
