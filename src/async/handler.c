/*
 * handler.c - the program's own descriptors. (Tornado: IOLoop.add_handler, update_handler, remove_handler)
 *
 * A record with a uv_poll per descriptor, found by the descriptor in a table as libuv has it itself. Records are freed
 * by their handle's close callback, which comes after the loop's end at times, so it touches nothing else.
 *
 * libuv stops a uv_poll when the system reports an error alone. We report that as TC_ERROR with what was asked for
 * (neither reading nor writing would block now), and start it again if it is still watched: level-triggered, as the
 * rest. A handler that asks for neither reading nor writing watches for the peer's hanging up, since libuv has no mode
 * for nothing but errors.
 */
#include "async/ioloop_private.h"

#include "util/alloc_internal.h"
#include "util/error_internal.h"

typedef struct handler_record {
    uv_poll_t handle;
    tc_ioloop_t *loop;
    int fd;
    unsigned events;
    bool removed;
    tc_handler_cb cb;
    void *user_data;
} handler_record_t;

static void on_closed(uv_handle_t *handle) {
    tc__free(handle->data);
}

static handler_record_t *find(const tc_ioloop_t *loop, int fd) {
    return fd >= 0 && fd < loop->p->handler_count ? loop->p->handlers[fd] : NULL;
}

static void forget(handler_record_t *record) {
    record->removed = true;
    record->loop->p->handlers[record->fd] = NULL;
    uv_close((uv_handle_t *)&record->handle, on_closed);
}

static void on_poll(uv_poll_t *handle, int status, int uv_events);

static int start(handler_record_t *record) {
    int uv_events = (record->events & TC_READ ? UV_READABLE : 0) | (record->events & TC_WRITE ? UV_WRITABLE : 0);
    return uv_poll_start(&record->handle, uv_events ? uv_events : UV_DISCONNECT, on_poll);
}

static void on_poll(uv_poll_t *handle, int status, int uv_events) {
    handler_record_t *record = handle->data;
    unsigned events = (uv_events & UV_READABLE ? TC_READ : 0) | (uv_events & UV_WRITABLE ? TC_WRITE : 0);
    if (status < 0)
        events = TC_ERROR | record->events;
    else if (uv_events & UV_DISCONNECT)
        events |= TC_ERROR;
    tc_ioloop_t *before = tc__ioloop_enter(record->loop);
    record->cb(record->loop, record->fd, events, record->user_data);
    if (status < 0 && !record->removed)
        start(record);
    tc__ioloop_leave(before);
}

/* Room for a record at index `fd`. */
static int make_room(tc_ioloop_t *loop, int fd) {
    struct tc__ioloop_private *p = loop->p;
    if (fd < p->handler_count)
        return 0;
    int count = p->handler_count ? p->handler_count : 16;
    while (count <= fd)
        count = count > INT32_MAX / 2 ? INT32_MAX : count * 2;
    handler_record_t **handlers = tc__realloc(p->handlers, (size_t)count * sizeof(handler_record_t *));
    if (!handlers)
        return TC_ENOMEM;
    for (int i = p->handler_count; i < count; i++)
        handlers[i] = NULL;
    p->handlers = handlers;
    p->handler_count = count;
    return 0;
}

static int check_events(unsigned events) {
    if (events & ~(unsigned)(TC_READ | TC_WRITE | TC_ERROR))
        return tc__misuse(TC_EINVAL, "%#x are no events: TC_READ, TC_WRITE and TC_ERROR are", events);
    return 0;
}

int tc_ioloop_add_handler(tc_ioloop_t *loop, int fd, unsigned events, tc_handler_cb cb, void *user_data) {
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    TC_TRY(check_events(events));
    if (fd < 0 || !cb)
        return tc__misuse(TC_EINVAL, "tc_ioloop_add_handler: %s", cb ? "fd is negative" : "cb is NULL");
    if (loop->p->dead)
        return tc__fail(TC_ECLOSED, "the loop is being freed: no handlers any more");
    if (find(loop, fd))
        return tc__fail(TC_EALREADY, "descriptor %d is watched already", fd);

    handler_record_t *record = tc__calloc(1, sizeof(*record));
    if (!record)
        return tc__fail(TC_ENOMEM, "out of memory for a handler");
    int err = uv_poll_init(loop->uv, &record->handle, fd); /* first: it knows whether that is a descriptor */
    if (err < 0) {
        tc__free(record);
        return tc__fail(err == UV_EEXIST ? TC_EALREADY : err, "descriptor %d: %s", fd, tc_strerror(err));
    }
    record->handle.data = record;
    record->loop = loop;
    record->fd = fd;
    record->events = events;
    record->cb = cb;
    record->user_data = user_data;
    err = make_room(loop, fd);
    if (err < 0) {
        uv_close((uv_handle_t *)&record->handle, on_closed);
        return tc__fail(err, "out of memory for a handler");
    }
    loop->p->handlers[fd] = record;
    err = start(record);
    if (err < 0) {
        forget(record);
        return tc__fail(err, "descriptor %d: %s", fd, tc_strerror(err));
    }
    return 0;
}

int tc_ioloop_update_handler(tc_ioloop_t *loop, int fd, unsigned events) {
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    TC_TRY(check_events(events));
    handler_record_t *record = find(loop, fd);
    if (!record)
        return tc__fail(TC_ENOENT, "descriptor %d is not watched", fd);
    record->events = events;
    return start(record);
}

void tc_ioloop_remove_handler(tc_ioloop_t *loop, int fd) {
    loop = tc__ioloop_or_current(loop);
    handler_record_t *record = loop ? find(loop, fd) : NULL;
    if (record)
        forget(record);
}

void tc__handlers_loop_closing(tc_ioloop_t *loop) {
    for (int fd = 0; fd < loop->p->handler_count; fd++)
        tc_ioloop_remove_handler(loop, fd);
    tc__free(loop->p->handlers);
    loop->p->handlers = NULL;
    loop->p->handler_count = 0;
}
