/*
 * signal.c - signals, as callbacks of the loop. (Tornado: add_signal_handler of asyncio's loop)
 *
 * A record with a uv_signal per signal that is watched. It does not keep a uv_run going: a program that has nothing to
 * do but to wait for a signal says so by running its loop. Records are freed by their handle's close callback, which
 * comes after the loop's end at times, so it touches nothing else.
 */
#include "async/ioloop_private.h"

#include "util/alloc_internal.h"
#include "util/error_internal.h"

typedef struct {
    uv_signal_t handle;
    tc__list_t node; /* in the loop's list */
    tc_ioloop_t *loop;
    int signum;
    tc_signal_cb cb;
    void *user_data;
} signal_record_t;

static void on_closed(uv_handle_t *handle) {
    tc__free(handle->data);
}

static void forget(signal_record_t *record) {
    tc__list_remove(&record->node);
    uv_close((uv_handle_t *)&record->handle, on_closed);
}

static signal_record_t *find(const tc_ioloop_t *loop, int signum) {
    const tc__list_t *list = &loop->p->signals;
    for (tc__list_t *node = list->next; node != list; node = node->next) {
        signal_record_t *record = tc__container_of(node, signal_record_t, node);
        if (record->signum == signum)
            return record;
    }
    return NULL;
}

static void on_signal(uv_signal_t *handle, int signum) {
    signal_record_t *record = handle->data;
    tc_ioloop_t *before = tc__ioloop_enter(record->loop);
    record->cb(record->loop, signum, record->user_data);
    tc__ioloop_leave(before);
}

static int watch(tc_ioloop_t *loop, int signum, tc_signal_cb cb, void *user_data) {
    signal_record_t *record = tc__calloc(1, sizeof(*record));
    if (!record)
        return tc__fail(TC_ENOMEM, "out of memory for a signal callback");
    int err = uv_signal_init(loop->uv, &record->handle);
    if (err < 0) {
        tc__free(record);
        return tc__fail(err, "signal %d: %s", signum, tc_strerror(err));
    }
    uv_unref((uv_handle_t *)&record->handle);
    record->handle.data = record;
    record->loop = loop;
    record->signum = signum;
    record->cb = cb;
    record->user_data = user_data;
    tc__list_push(&loop->p->signals, &record->node);
    err = uv_signal_start(&record->handle, on_signal, signum);
    if (err < 0) {
        forget(record);
        return tc__fail(err, "signal %d cannot be watched: %s", signum, tc_strerror(err));
    }
    return 0;
}

int tc_ioloop_set_signal_callback(tc_ioloop_t *loop, int signum, tc_signal_cb cb, void *user_data) {
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    if (loop->p->dead)
        return tc__fail(TC_ECLOSED, "the loop is being freed: no signals any more");
    signal_record_t *record = find(loop, signum);
    if (record && !cb) {
        forget(record);
    } else if (record) {
        record->cb = cb;
        record->user_data = user_data;
    } else if (cb) {
        return watch(loop, signum, cb, user_data);
    }
    return 0;
}

void tc__signals_loop_closing(tc_ioloop_t *loop) {
    while (!tc__list_empty(&loop->p->signals))
        forget(tc__container_of(loop->p->signals.next, signal_record_t, node));
}
