/*
 * mailbox.c - the one way in from other threads. (Tornado: IOLoop.add_callback, as asyncio's call_soon_threadsafe)
 *
 * A queue under a mutex and a uv_async that wakes the loop. Mail is embedded in what is posted, so posting takes no
 * memory and fails for one reason only: the loop is gone.
 *
 *   OPEN --[tc__mailbox_refuse]--> REFUSING --[tc__mailbox_close]--> CLOSED --[close callback]--> freed with the last
 * ref
 *
 * uv_async_send is called with the mutex held and the box open, so never on a handle that is being closed. The box is
 * counted, since threads with work under way hold it beyond the loop's life.
 *
 * The loop's own thread does not wake itself through the kernel: it puts the delivery on the ready queue. Both ways
 * empty the same queue, so mail arrives in the order in which it was posted, by whomever.
 */
#include "async/ioloop_private.h"

#include "util/alloc_internal.h"
#include "util/error_internal.h"

struct tc__mailbox {
    uv_async_t async;
    uv_mutex_t mutex; /* guards `refusing`, `first` and `last` */
    atomic_uint refs;
    bool refusing;
    struct tc__mail *first, *last;
    struct tc__mail *taken, *taken_last; /* being delivered: the loop's thread only */
    tc__soon_t soon;                     /* delivers, for posts of the loop's own thread */
    tc_ioloop_t *loop;
    uintptr_t owner; /* the only thread that ever runs the loop; 0: whichever calls tc_ioloop_start */
};

static void append(struct tc__mail **first, struct tc__mail **last, struct tc__mail *mail, struct tc__mail *mail_last) {
    if (*first)
        (*last)->next = mail;
    else
        *first = mail;
    *last = mail_last;
}

static void take_all(tc__mailbox_t *box) {
    uv_mutex_lock(&box->mutex);
    if (box->first) {
        append(&box->taken, &box->taken_last, box->first, box->last);
        box->first = box->last = NULL;
    }
    uv_mutex_unlock(&box->mutex);
}

/* A callback may free the loop: that delivers what is left of `taken`, and the loop below ends. */
void tc__mailbox_deliver(tc__mailbox_t *box) {
    take_all(box);
    while (box->taken) {
        struct tc__mail *mail = box->taken;
        box->taken = mail->next;
        mail->fn(mail, box->loop);
    }
}

static void on_async(uv_async_t *async) {
    tc__mailbox_t *box = async->data;
    tc_ioloop_t *before = tc__ioloop_enter(box->loop);
    tc__mailbox_deliver(box);
    if (atomic_load(&box->loop->p->stop))
        uv_stop(box->loop->uv);
    tc__ioloop_leave(before);
}

static void on_soon(tc__soon_t *soon) {
    tc__mailbox_deliver(tc__container_of(soon, tc__mailbox_t, soon));
}

int tc__mailbox_new(tc__mailbox_t **out, tc_ioloop_t *loop, uintptr_t owner) {
    tc__mailbox_t *box = tc__calloc(1, sizeof(*box));
    if (!box)
        return TC_ENOMEM;
    int err = uv_mutex_init(&box->mutex);
    if (err < 0)
        goto fail;
    err = uv_async_init(loop->uv, &box->async, on_async);
    if (err < 0)
        goto fail_mutex;

    uv_unref((uv_handle_t *)&box->async);
    box->async.data = box;
    box->loop = loop;
    box->owner = owner;
    atomic_init(&box->refs, 1);
    tc__soon_init(&box->soon, on_soon);
    *out = box;
    return 0;
fail_mutex:
    uv_mutex_destroy(&box->mutex);
fail:
    tc__free(box);
    return err;
}

tc__mailbox_t *tc__mailbox_ref(tc__mailbox_t *box) {
    atomic_fetch_add_explicit(&box->refs, 1, memory_order_relaxed);
    return box;
}

void tc__mailbox_unref(tc__mailbox_t *box) {
    if (!box || atomic_fetch_sub_explicit(&box->refs, 1, memory_order_acq_rel) != 1)
        return;
    uv_mutex_destroy(&box->mutex);
    tc__free(box);
}

/* For a loop whose thread is not fixed only being inside of it will do: it may be made here and started elsewhere. */
static bool on_loop_thread(const tc__mailbox_t *box) {
    return box->owner ? box->owner == tc__thread_id() : tc__ioloop_inside() == box->loop;
}

int tc__mailbox_post(tc__mailbox_t *box, struct tc__mail *mail) {
    mail->next = NULL;
    uv_mutex_lock(&box->mutex);
    if (box->refusing) {
        uv_mutex_unlock(&box->mutex);
        return tc__fail(TC_ECLOSED, "the loop was freed");
    }
    bool was_empty = box->first == NULL;
    append(&box->first, &box->last, mail, mail);
    bool own = on_loop_thread(box);
    if (was_empty && !own)
        uv_async_send(&box->async);
    uv_mutex_unlock(&box->mutex);
    if (own) /* so nobody can be freeing the loop meanwhile */
        tc__soon_call(box->loop, &box->soon);
    return 0;
}

void tc__mailbox_wake(tc__mailbox_t *box) {
    uv_mutex_lock(&box->mutex);
    if (!box->refusing)
        uv_async_send(&box->async);
    uv_mutex_unlock(&box->mutex);
}

bool tc__mailbox_empty(tc__mailbox_t *box) {
    uv_mutex_lock(&box->mutex);
    bool empty = box->first == NULL;
    uv_mutex_unlock(&box->mutex);
    return empty;
}

void tc__mailbox_refuse(tc__mailbox_t *box) {
    uv_mutex_lock(&box->mutex);
    box->refusing = true;
    uv_mutex_unlock(&box->mutex);
    tc__mailbox_deliver(box);
}

static void on_closed(uv_handle_t *handle) {
    tc__mailbox_t *box = handle->data;
    tc__ioloop_handle_closed(box->loop);
    tc__mailbox_unref(box);
}

void tc__mailbox_close(tc__mailbox_t *box) {
    tc__soon_cancel(&box->soon);
    uv_close((uv_handle_t *)&box->async, on_closed);
}
