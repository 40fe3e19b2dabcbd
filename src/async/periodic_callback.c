/*
 * periodic_callback.c - a function every so often. (Tornado: ioloop.PeriodicCallback)
 *
 *   STOPPED --[start]--> WAITING --[timer]--> in its call --+--[returns]--> WAITING
 *      ^                    ^                               '--[TC_DETACH]--> DETACHED
 *      |                    '----------[tc_periodic_callback_done]--------------'
 *      '--[stop]-- any
 *
 * The schedule is a series of times, a period apart, that goes on whatever the calls do: when the next one is looked
 * for, times that have passed are skipped. Jitter varies each step of the series.
 */
#include "async/ioloop_private.h"

#include <tornadoc/future.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

struct tc_periodic_callback {
    tc_ioloop_t *loop; /* NULL: it was freed */
    tc__list_t node;   /* in the loop's list */
    tc__timer_t timer;
    uint64_t period_ms;
    double jitter;
    uint64_t random; /* state of the generator for jitter */
    uint64_t next_ms;
    tc_periodic_cb cb;
    void *user_data;
    bool running, in_call, detached;
    bool freed; /* inside its call: to be done when that returns */
};

/* splitmix64, to a number in [0, 1): spreads load, keeps no secret. */
static double next_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / (double)(UINT64_C(1) << 53);
}

static uint64_t step(tc_periodic_callback_t *periodic) {
    if (periodic->jitter == 0)
        return periodic->period_ms;
    double factor = 1 + periodic->jitter * (next_random(&periodic->random) - 0.5);
    double ms = (double)periodic->period_ms * factor + 0.5;
    return ms < 1 ? 1 : ms >= 0x1p63 ? UINT64_C(1) << 63 : (uint64_t)ms;
}

static void schedule(tc_periodic_callback_t *periodic) {
    uint64_t now = tc__ioloop_in(periodic->loop, 0), period = step(periodic);
    uint64_t steps = periodic->next_ms <= now ? (now - periodic->next_ms) / period + 1 : 1;
    uint64_t skipped = (steps - 1) * period; /* at most now - next_ms */
    periodic->next_ms = tc__time_add(periodic->next_ms + skipped, period);
    tc__timer_start(periodic->loop, &periodic->timer, periodic->next_ms);
}

static void end_run(tc_periodic_callback_t *periodic) {
    periodic->detached = false;
    if (periodic->running)
        schedule(periodic);
}

static void log_outcome(int rc) {
    if (rc < 0)
        tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, NULL, "a periodic callback failed: %s", tc_strerror(rc));
    else if (rc != 0 && rc != TC_DETACH)
        tc__log(TC__LOG_APPLICATION, TC_LOG_ERROR, NULL,
                "a periodic callback returned %d: neither 0, TC_DETACH nor a negative code", rc);
}

static void on_time(tc__timer_t *timer) {
    tc_periodic_callback_t *periodic = tc__container_of(timer, tc_periodic_callback_t, timer);
    periodic->in_call = true;
    periodic->detached = true; /* done() may come before the return */
    int rc = periodic->cb(periodic, periodic->user_data);
    periodic->in_call = false;
    log_outcome(rc);
    if (periodic->freed)
        tc__free(periodic);
    else if (rc != TC_DETACH || !periodic->detached)
        end_run(periodic);
}

int tc_periodic_callback_new(tc_periodic_callback_t **out, tc_ioloop_t *loop, uint64_t period_ms, double jitter,
                             tc_periodic_cb cb, void *user_data) {
    if (!out || !cb)
        return tc__misuse(TC_EINVAL, "tc_periodic_callback_new: %s is NULL", out ? "cb" : "out");
    if (period_ms == 0 || period_ms == TC_FOREVER)
        return tc__misuse(TC_EINVAL, "tc_periodic_callback_new: the period is at least 1 ms, and finite");
    if (!(jitter >= 0 && jitter <= 1))
        return tc__misuse(TC_EINVAL, "tc_periodic_callback_new: jitter is a fraction, from 0 to 1");
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    tc_periodic_callback_t *periodic = tc__calloc(1, sizeof(*periodic));
    if (!periodic)
        return tc__fail(TC_ENOMEM, "out of memory for a periodic callback");

    periodic->loop = loop;
    periodic->period_ms = period_ms;
    periodic->jitter = jitter;
    periodic->random = uv_hrtime() ^ (uintptr_t)periodic;
    periodic->cb = cb;
    periodic->user_data = user_data;
    tc__timer_init(&periodic->timer, on_time);
    tc__list_push(&loop->p->periodics, &periodic->node);
    *out = periodic;
    return 0;
}

void tc_periodic_callback_free(tc_periodic_callback_t *periodic) {
    if (!periodic)
        return;
    tc_periodic_callback_stop(periodic);
    tc__list_remove(&periodic->node);
    if (periodic->in_call)
        periodic->freed = true;
    else
        tc__free(periodic);
}

void tc_periodic_callback_start(tc_periodic_callback_t *periodic) {
    if (!periodic || !periodic->loop || periodic->loop->p->closing) {
        tc__misuse(TC_EINVAL, "tc_periodic_callback_start: %s", periodic ? "its loop was freed" : "NULL");
        return;
    }
    if (periodic->running)
        return;
    periodic->running = true;
    tc__ioloop_hold(periodic->loop);
    periodic->next_ms = tc__ioloop_in(periodic->loop, 0);
    if (!periodic->in_call && !periodic->detached) /* else when that run ends */
        schedule(periodic);
}

void tc_periodic_callback_stop(tc_periodic_callback_t *periodic) {
    if (!periodic || !periodic->running)
        return;
    periodic->running = false;
    tc__timer_stop(periodic->loop, &periodic->timer);
    tc__ioloop_release(periodic->loop);
}

bool tc_periodic_callback_is_running(const tc_periodic_callback_t *periodic) {
    return periodic && periodic->running;
}

void tc_periodic_callback_done(tc_periodic_callback_t *periodic) {
    if (!periodic || !periodic->detached)
        return;
    if (periodic->in_call)
        periodic->detached = false;
    else
        end_run(periodic);
}

void tc__periodics_loop_closing(tc_ioloop_t *loop) {
    while (!tc__list_empty(&loop->p->periodics)) {
        tc_periodic_callback_t *periodic = tc__container_of(loop->p->periodics.next, tc_periodic_callback_t, node);
        tc_periodic_callback_stop(periodic);
        tc__list_remove(&periodic->node);
        periodic->loop = NULL;
    }
}
