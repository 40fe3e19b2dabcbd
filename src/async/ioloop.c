/*
 * ioloop.c - the loop's life, its ready queue, its clock. (Tornado: ioloop)
 *
 * Everything rests on a uv_loop_t, our own or the program's, and on five handles in it:
 *
 *   timer    one for all our timers: fires for the wheel's first, then the wheel runs what is due
 *   prepare  before the poll: run what became ready by timers
 *   check    after the poll: run what became ready by descriptors, in the same turn
 *   idle     active only while something is ready, so that the poll does not block
 *   async    the mailbox's: other threads (mailbox.c)
 *
 * A pass over the ready queue moves it to a list of the pass and calls that in order: what is queued meanwhile waits
 * for the next pass, what is cancelled is taken off either list.
 *
 * Only `idle` keeps a uv_run going by itself, for callbacks are owed; the others do so while somebody holds the loop.
 *
 *   LIVE --[tc_ioloop_free]--> closing --> dead --[handles closed]--> freed
 *
 * While `closing`, owed callbacks run and the loop still works; `dead`, whatever is asked of it is refused or ignored.
 * The memory goes in the last close callback, since a loop that was adopted may be freed from inside its own callbacks.
 *
 * A virtual loop is an own one whose clock moves in tc__ioloop_advance only; its descriptors and threads are real.
 */
#include "async/ioloop_private.h"

#include <poll.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"

enum { POOL_KEEP = 256, VIRTUAL_START_MS = 1000000, SETTLE_TURNS = 1000, END_ROUNDS = 100000 };

typedef struct {
    tc_ioloop_t loop;
    struct tc__ioloop_private p;
} whole_loop_t;

static _Thread_local tc_ioloop_t *home;   /* the first that was made or run here */
static _Thread_local tc_ioloop_t *inside; /* the one that runs right now */
static _Thread_local char thread_mark;

/* ---- The thread's loop ---- */

uintptr_t tc__thread_id(void) {
    return (uintptr_t)&thread_mark;
}

tc_ioloop_t *tc__ioloop_enter(tc_ioloop_t *loop) {
    tc_ioloop_t *before = inside;
    inside = loop;
    if (!home)
        home = loop;
    return before;
}

void tc__ioloop_leave(tc_ioloop_t *before) {
    inside = before;
}

tc_ioloop_t *tc__ioloop_inside(void) {
    return inside;
}

tc_ioloop_t *tc_ioloop_current(void) {
    return inside ? inside : home;
}

tc_ioloop_t *tc__ioloop_or_current(tc_ioloop_t *loop) {
    if (!loop)
        loop = tc_ioloop_current();
    if (!loop)
        tc__misuse(TC_EINVAL, "no loop on this thread: make one with tc_ioloop_new first");
    return loop;
}

/* ---- The ready queue ---- */

static void on_idle(uv_idle_t *idle) {
    (void)idle; /* being active is all it is for */
}

void tc__soon_call(tc_ioloop_t *loop, tc__soon_t *soon) {
    if (!tc__list_empty(&soon->node) || loop->p->dead)
        return;
    if (tc__list_empty(&loop->ready))
        uv_idle_start(&loop->p->idle, on_idle); /* nothing if it is active */
    tc__list_push(&loop->ready, &soon->node);
}

void tc__soon_cancel(tc__soon_t *soon) {
    tc__list_remove(&soon->node);
}

/* A pass inside a pass (a callback that turns the loop) first does what the outer one had left. */
static void run_ready(tc_ioloop_t *loop) {
    tc__list_t *pass = &loop->p->pass;
    while (!tc__list_empty(&loop->ready)) {
        tc__list_t *node = loop->ready.next;
        tc__list_remove(node);
        tc__list_push(pass, node);
    }
    while (!tc__list_empty(pass)) {
        tc__soon_t *soon = tc__container_of(pass->next, tc__soon_t, node);
        tc__list_remove(&soon->node);
        soon->fn(soon);
    }
    if (tc__list_empty(&loop->ready) && !loop->p->dead)
        uv_idle_stop(&loop->p->idle);
}

static void pass(tc_ioloop_t *loop) {
    tc_ioloop_t *before = tc__ioloop_enter(loop);
    if (uv_is_active((uv_handle_t *)&loop->p->idle))
        run_ready(loop);
    tc__ioloop_leave(before);
}

static void on_prepare(uv_prepare_t *prepare) {
    pass(prepare->data);
}

static void on_check(uv_check_t *check) {
    pass(check->data);
}

/* ---- Timers ---- */

static void on_timer(uv_timer_t *timer);

static void arm(tc_ioloop_t *loop, uint64_t when_ms) {
    uint64_t now = uv_now(loop->uv);
    loop->p->armed_for = when_ms;
    uv_timer_start(&loop->p->timer, on_timer, when_ms > now ? when_ms - now : 0, 0);
}

static void on_timer(uv_timer_t *timer) {
    tc_ioloop_t *loop = timer->data;
    tc_ioloop_t *before = tc__ioloop_enter(loop);
    loop->p->armed_for = 0; /* nothing is earlier: no arming while callbacks start timers */
    tc__timer_wheel_advance(&loop->wheel, uv_now(loop->uv));
    loop->p->armed_for = UINT64_MAX;
    uint64_t next = tc__timer_wheel_next(&loop->wheel);
    if (next != UINT64_MAX && !loop->p->dead)
        arm(loop, next);
    tc__ioloop_leave(before);
}

void tc__timer_start(tc_ioloop_t *loop, tc__timer_t *timer, uint64_t when_ms) {
    if (loop->p->dead)
        return;
    tc__timer_wheel_catch_up(&loop->wheel, tc__ioloop_now(loop));
    tc__timer_wheel_add(&loop->wheel, timer, when_ms);
    if (!loop->is_virtual && timer->when_ms < loop->p->armed_for)
        arm(loop, timer->when_ms);
}

/* The uv_timer stays armed: to fire once in vain is cheaper than to find the next at each stop. */
void tc__timer_stop(tc_ioloop_t *loop, tc__timer_t *timer) {
    tc__timer_wheel_remove(&loop->wheel, timer);
}

void tc__ioloop_hold(tc_ioloop_t *loop) {
    if (loop->p->holds++ == 0)
        uv_ref((uv_handle_t *)&loop->p->prepare);
}

void tc__ioloop_release(tc_ioloop_t *loop) {
    if (--loop->p->holds == 0)
        uv_unref((uv_handle_t *)&loop->p->prepare);
}

/* ---- Making one ---- */

static void init_handles(tc_ioloop_t *loop) {
    struct tc__ioloop_private *p = loop->p;
    uv_timer_init(loop->uv, &p->timer);
    uv_prepare_init(loop->uv, &p->prepare);
    uv_check_init(loop->uv, &p->check);
    uv_idle_init(loop->uv, &p->idle);
    uv_prepare_start(&p->prepare, on_prepare);
    uv_check_start(&p->check, on_check);
    uv_unref((uv_handle_t *)&p->timer);
    uv_unref((uv_handle_t *)&p->prepare);
    uv_unref((uv_handle_t *)&p->check);
    p->timer.data = p->prepare.data = p->check.data = p->idle.data = loop;
    p->open_handles = 5; /* with the mailbox's */
}

static void init_parts(tc_ioloop_t *loop, bool is_virtual) {
    struct tc__ioloop_private *p = loop->p;
    loop->is_virtual = is_virtual;
    loop->virtual_now = VIRTUAL_START_MS;
    tc__pool_init(&loop->pool, POOL_KEEP);
    tc__list_init(&loop->ready);
    tc__list_init(&p->pass);
    tc__list_init(&p->futures);
    tc__list_init(&p->jobs);
    tc__list_init(&p->periodics);
    tc__list_init(&p->signals);
    p->armed_for = UINT64_MAX;
    p->free_timeout = UINT32_MAX;
    atomic_init(&p->stop, false);
    tc__timer_wheel_init(&loop->wheel, tc__ioloop_now(loop));
}

/* `uv` is NULL for a loop of our own. */
static int make(tc_ioloop_t **out, uv_loop_t *uv, bool is_virtual) {
    whole_loop_t *whole = tc__calloc(1, sizeof(*whole));
    if (!whole)
        return tc__fail(TC_ENOMEM, "out of memory for a loop");
    tc_ioloop_t *loop = &whole->loop;
    loop->p = &whole->p;
    loop->p->adopted = uv != NULL;
    loop->uv = uv ? uv : &loop->p->own_uv;
    int err = uv ? 0 : uv_loop_init(loop->uv);
    if (err < 0)
        goto fail;
    init_parts(loop, is_virtual);
    /* The only handle that takes a descriptor, so the only one that can fail; nothing has to be closed then. */
    err = tc__mailbox_new(&loop->mailbox, loop, uv || is_virtual ? tc__thread_id() : 0);
    if (err < 0)
        goto fail_uv;
    init_handles(loop);

    if (!home)
        home = loop;
    *out = loop;
    return 0;
fail_uv:
    if (!uv)
        uv_loop_close(loop->uv);
fail:
    tc__free(whole);
    return tc__fail(err, "cannot make a loop: %s", tc_strerror(err));
}

int tc_ioloop_new(tc_ioloop_t **out) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_ioloop_new: out is NULL");
    return make(out, NULL, false);
}

int tc__ioloop_new_virtual(tc_ioloop_t **out) {
    return make(out, NULL, true);
}

int tc_ioloop_from_uv(tc_ioloop_t **out, struct uv_loop_s *uv) {
    if (!out || !uv)
        return tc__misuse(TC_EINVAL, "tc_ioloop_from_uv: %s is NULL", out ? "uv" : "out");
    return make(out, uv, false);
}

struct uv_loop_s *tc_ioloop_uv(tc_ioloop_t *loop) {
    loop = tc__ioloop_or_current(loop);
    return loop ? loop->uv : NULL;
}

/* ---- Freeing it ---- */

/* The pool goes last: close callbacks of the layers above may still put blocks back. */
static void destroy(tc_ioloop_t *loop) {
    tc__pool_deinit(&loop->pool);
    tc__free(loop);
}

void tc__ioloop_handle_closed(tc_ioloop_t *loop) {
    if (--loop->p->open_handles == 0 && loop->p->adopted)
        destroy(loop);
}

static void on_closed(uv_handle_t *handle) {
    tc__ioloop_handle_closed(handle->data);
}

/* The upper layers first; each still finds its own local while that is being freed. */
static void free_locals(tc_ioloop_t *loop) {
    for (int round = 0; round < 2; round++) /* what a lower layer tells may make an upper one begin anew */
        for (int key = TC__LOCAL_COUNT - 1; key >= 0; key--) {
            void *data = loop->locals[key];
            if (data && loop->free_locals[key])
                loop->free_locals[key](data);
            if (loop->locals[key] == data)
                loop->locals[key] = NULL;
        }
}

/* Coroutines that were cancelled run to their end, as long as that goes on by itself. */
static void end_coroutines(tc_ioloop_t *loop) {
    for (int rounds = 0; rounds < END_ROUNDS && tc__coroutines_pending(loop) && !tc__list_empty(&loop->ready); rounds++)
        run_ready(loop);
}

/* Whatever is owed runs while the loop still works, the mail of other threads first, what that made ready next. */
static void run_owed(tc_ioloop_t *loop) {
    tc__mailbox_deliver(loop->mailbox);
    run_ready(loop);
    loop->p->closing = true;
    tc__coroutines_loop_closing(loop);
    end_coroutines(loop);
    tc__executor_loop_closing(loop);
    tc__mailbox_refuse(loop->mailbox);
    run_ready(loop);
    end_coroutines(loop);
}

/* Those who wait for a future are told, but can start nothing new: so this comes to an end. */
static void end_futures(tc_ioloop_t *loop) {
    tc__futures_fail_all(loop);
    loop->p->dead = true;
    run_ready(loop);
    tc__futures_detach_all(loop);
}

static void end_parts(tc_ioloop_t *loop) {
    free_locals(loop);
    end_futures(loop);
    tc__periodics_loop_closing(loop);
    tc__timeouts_loop_closing(loop);
    tc__timer_wheel_clear(&loop->wheel);
    tc__handlers_loop_closing(loop);
    tc__signals_loop_closing(loop);
    tc_ioloop_set_data(loop, NULL, NULL);
}

static void close_handles(tc_ioloop_t *loop) {
    struct tc__ioloop_private *p = loop->p;
    uv_close((uv_handle_t *)&p->timer, on_closed);
    uv_close((uv_handle_t *)&p->prepare, on_closed);
    uv_close((uv_handle_t *)&p->check, on_closed);
    uv_close((uv_handle_t *)&p->idle, on_closed);
    tc__mailbox_close(loop->mailbox);
}

/* Turns until our handles are closed and requests of libuv's thread pool have come back. Handles that the program left
 * open would point into freed memory: then the loop is not freed. */
static void free_own(tc_ioloop_t *loop) {
    int turns = 0;
    while (uv_loop_close(loop->uv) == UV_EBUSY) {
        bool must_wait = loop->uv->active_reqs.count > 0;
        if (!must_wait && ++turns > 8) {
            tc__misuse(TC_EBUSY, "tc_ioloop_free: handles of the program are still open in the loop; it is not freed");
            return;
        }
        uv_run(loop->uv, must_wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    }
    destroy(loop);
}

void tc_ioloop_free(tc_ioloop_t *loop) {
    if (!loop)
        return;
    bool inside_coroutine = tc__coroutines_runs(loop);
    if (loop->p->freeing || loop->p->running || inside_coroutine) {
        tc__misuse(TC_EBUSY, "tc_ioloop_free: %s",
                   loop->p->running   ? "the loop runs: stop it first"
                   : loop->p->freeing ? "freed twice"
                                      : "called by one of its coroutines, whose stack would go with it");
        return;
    }
    loop->p->freeing = true;
    tc_ioloop_t *before = tc__ioloop_enter(loop);
    run_owed(loop);
    end_parts(loop);
    close_handles(loop);
    tc__coroutines_loop_closed(loop);
    tc__executor_loop_closed(loop);
    tc__ioloop_leave(before == loop ? NULL : before);
    if (home == loop)
        home = NULL;
    if (!loop->p->adopted)
        free_own(loop);
}

/* ---- Running ---- */

uint64_t tc__ioloop_in(tc_ioloop_t *loop, uint64_t ms) {
    if (!loop->p->adopted && !loop->p->running)
        uv_update_time(loop->uv); /* libuv's clock stands still between turns */
    return tc__time_add(tc__ioloop_now(loop), ms);
}

static bool turn(tc_ioloop_t *loop, uv_run_mode mode) {
    bool was_running = loop->p->running;
    tc_ioloop_t *before = tc__ioloop_enter(loop);
    loop->p->running = true;
    tc__ioloop_hold(loop); /* libuv does not turn a loop that has nothing to wait for */
    uv_run(loop->uv, mode);
    tc__ioloop_release(loop);
    loop->p->running = was_running;
    tc__ioloop_leave(before);
    return uv_loop_alive(loop->uv) != 0;
}

int tc_ioloop_start(tc_ioloop_t *loop) {
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    if (loop->p->adopted)
        return tc__misuse(TC_ENOTSUP, "tc_ioloop_start: the program runs this loop, with uv_run");
    if (loop->p->running)
        return tc__misuse(TC_EBUSY, "tc_ioloop_start: the loop runs already");
    while (!atomic_load(&loop->p->stop))
        turn(loop, UV_RUN_DEFAULT);
    atomic_store(&loop->p->stop, false);
    return 0;
}

int tc_ioloop_stop(tc_ioloop_t *loop) {
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    if (loop->p->adopted)
        return tc__misuse(TC_ENOTSUP, "tc_ioloop_stop: the program runs this loop; it stops it, with uv_stop");
    atomic_store(&loop->p->stop, true);
    if (inside == loop)
        uv_stop(loop->uv);
    else
        tc__mailbox_wake(loop->mailbox);
    return 0;
}

bool tc__ioloop_turn(tc_ioloop_t *loop, bool wait) {
    return turn(loop, wait && uv_loop_alive(loop->uv) ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

/* ---- The virtual clock ---- */

static bool has_events(const tc_ioloop_t *loop) {
    struct pollfd backend = { .fd = uv_backend_fd(loop->uv), .events = POLLIN };
    return poll(&backend, 1, 0) > 0;
}

/* Turn until nothing is ready. A descriptor that is ready for ever must not keep the clock from moving. */
static void settle(tc_ioloop_t *loop) {
    for (int turns = 0; turns < SETTLE_TURNS; turns++) {
        turn(loop, UV_RUN_NOWAIT);
        if (tc__list_empty(&loop->ready) && tc__mailbox_empty(loop->mailbox) && !has_events(loop))
            return;
    }
}

void tc__ioloop_advance(tc_ioloop_t *loop, uint64_t ms) {
    uint64_t end = tc__time_add(loop->virtual_now, ms), next;
    settle(loop);
    while ((next = tc__timer_wheel_next(&loop->wheel)) <= end && loop->wheel.count > 0) {
        if (next > loop->virtual_now)
            loop->virtual_now = next;
        tc_ioloop_t *before = tc__ioloop_enter(loop);
        tc__timer_wheel_advance(&loop->wheel, loop->virtual_now);
        tc__ioloop_leave(before);
        settle(loop);
    }
    loop->virtual_now = end;
}

/* ---- What it carries ---- */

uint64_t tc_ioloop_time(const tc_ioloop_t *loop) {
    loop = tc__ioloop_or_current((tc_ioloop_t *)loop);
    return loop ? tc__ioloop_in((tc_ioloop_t *)loop, 0) : 0;
}

void tc_ioloop_set_data(tc_ioloop_t *loop, void *data, tc_free_fn free_data) {
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return;
    void *old = loop->p->data;
    tc_free_fn free_old = loop->p->free_data;
    loop->p->data = data;
    loop->p->free_data = free_data;
    if (free_old)
        free_old(old);
}

void *tc_ioloop_data(const tc_ioloop_t *loop) {
    loop = tc__ioloop_or_current((tc_ioloop_t *)loop);
    return loop ? loop->p->data : NULL;
}

void tc__ioloop_set_local(tc_ioloop_t *loop, int key, void *data, tc_free_fn free_data) {
    void *old = loop->locals[key];
    tc_free_fn free_old = loop->free_locals[key];
    loop->locals[key] = data;
    loop->free_locals[key] = free_data;
    if (old && free_old)
        free_old(old);
}
