/*
 * body_holders.c - what the bodies of many requests hold together, and who gives it up when there is no more.
 *
 * Each body has a limit of its own, and its client a least rate; but a few slow clients with large bodies fill what all
 * may hold together, and keep it for hours. So whoever needs more of it when there is none gets what others hold that
 * do the least with it, and they are refused. There is one such limit for memory, and one for files.
 *
 * The measure is how fast a body comes in proportion to what it holds: the time that its last eighth took, or that has
 * passed since, if that is more. Bodies that arrive stand in a list, and one goes to the end of it whenever an eighth
 * has come since it last did. So those who have waited longest are in front; the slowest of the first few is chosen,
 * for one who waited long may just have moved behind one who hardly waits at all. To be spared at an honest client's
 * cost, an attacker has to send faster than that client does, per byte that it holds; and to get there all that it
 * holds is the whole limit.
 *
 * A body that is complete, or whose handler is busy with what came, is out of the list: its client has done its part.
 *
 * The loops of several threads share a limit, so the request of a body that is given up is told by mail. What it holds
 * counts as free at once, for within a turn of its loop it is; what a request holds that lives on is counted again
 * then.
 */
#include "web/body_holders_internal.h"

#include "util/alloc_internal.h"
#include "web/request_internal.h"

enum { SHARE = 8, LOOKED_AT = 16 };

int tc__holders_init(tc__holders_t *holders, uint64_t limit, int status, const char *what) {
    *holders = (tc__holders_t){ .limit = limit, .status = status, .what = what };
    tc__list_init(&holders->arriving);
    int err = uv_mutex_init(&holders->mutex);
    holders->ready = err == 0;
    return err;
}

void tc__holders_deinit(tc__holders_t *holders) {
    if (holders->ready)
        uv_mutex_destroy(&holders->mutex);
}

/* ---- Giving up; the mutex is held ---- */

static void give_up(tc__holder_t *holder) {
    tc__holders_t *holders = holder->holders;
    tc__list_remove(&holder->node);
    if (tc__mailbox_post(holder->req->in->loop->mailbox, &holder->mail) < 0)
        return; /* its loop ends, and so does it */
    holder->given_up = true;
    holders->held -= holder->held;
}

/* In milliseconds; the clocks of several loops are the same but for what a turn takes. */
static uint64_t slowness(const tc__holder_t *holder, uint64_t now) {
    uint64_t waited = now > holder->moved_ms ? now - holder->moved_ms : 0;
    return waited > holder->share_ms ? waited : holder->share_ms;
}

/* Of those that are as slow, the first. NULL: nobody arrives. */
static tc__holder_t *find_slowest(const tc__holders_t *holders, uint64_t now) {
    tc__holder_t *slowest = NULL;
    tc__list_t *node = holders->arriving.next;
    for (int i = 0; i < LOOKED_AT && node != &holders->arriving; i++, node = node->next) {
        tc__holder_t *holder = tc__container_of(node, tc__holder_t, node);
        if (!slowest || slowness(holder, now) > slowness(slowest, now))
            slowest = holder;
    }
    return slowest;
}

static void make_room(tc__holders_t *holders, const tc__holder_t *wanted_by) {
    uint64_t now = tc__ioloop_now(wanted_by->req->in->loop);
    while (holders->held > holders->limit) {
        tc__holder_t *slowest = find_slowest(holders, now);
        if (!slowest || slowest == wanted_by)
            return;
        give_up(slowest);
    }
}

/* ---- A holder, by its own thread ---- */

/* Its request may have ended since, or ends by this; then what it held was given back. */
static void on_mail(struct tc__mail *mail, tc_ioloop_t *loop) {
    tc__holder_t *holder = tc__container_of(mail, tc__holder_t, mail);
    if (holder->req && loop)
        tc__request_give_up_body(holder->req, holder->holders);
    if (!holder->req) {
        tc__free(holder);
        return;
    }
    uv_mutex_lock(&holder->holders->mutex);
    holder->given_up = false;
    holder->holders->held += holder->held;
    uv_mutex_unlock(&holder->holders->mutex);
}

tc__holder_t *tc__holder_new(tc__holders_t *holders, tc_request_t *req) {
    tc__holder_t *holder = tc__calloc(1, sizeof *holder);
    if (!holder)
        return NULL;
    holder->mail.fn = on_mail;
    tc__list_init(&holder->node);
    holder->holders = holders;
    holder->req = req;
    return holder;
}

void tc__holder_free(tc__holder_t *holder) {
    if (!holder)
        return;
    tc__holder_give_back(holder, holder->held);
    tc__holder_set_arriving(holder, false);
    uv_mutex_lock(&holder->holders->mutex);
    bool mailed = holder->given_up;
    uv_mutex_unlock(&holder->holders->mutex);
    holder->req = NULL;
    if (!mailed)
        tc__free(holder);
}

int tc__holder_take(tc__holder_t *holder, uint64_t size) {
    tc__holders_t *holders = holder->holders;
    bool taken = false;
    uv_mutex_lock(&holders->mutex);
    if (!holder->given_up && size <= holders->limit) {
        holders->held += size;
        make_room(holders, holder);
        taken = holders->held <= holders->limit;
        if (taken)
            holder->held += size;
        else
            holders->held -= size;
    }
    uv_mutex_unlock(&holders->mutex);
    return taken ? 0 : tc_http_errorf(holder->req, holders->status, "too many bodies are %s", holders->what);
}

void tc__holder_give_back(tc__holder_t *holder, uint64_t size) {
    uv_mutex_lock(&holder->holders->mutex);
    holder->held -= size;
    if (!holder->given_up)
        holder->holders->held -= size;
    uv_mutex_unlock(&holder->holders->mutex);
}

/* To the end of the list, or out of it. `has_come`: its next share of what it holds. */
static void place(tc__holder_t *holder, bool has_come) {
    uint64_t now = tc__ioloop_now(holder->req->in->loop);
    uv_mutex_lock(&holder->holders->mutex);
    if (has_come && holder->arriving)
        holder->share_ms = now - holder->moved_ms;
    holder->moved_ms = now;
    tc__list_remove(&holder->node);
    if (holder->arriving && !holder->given_up)
        tc__list_push(&holder->holders->arriving, &holder->node);
    uv_mutex_unlock(&holder->holders->mutex);
    holder->progress = 0;
}

void tc__holder_progress(tc__holder_t *holder, size_t len) {
    holder->progress += len;
    if (holder->progress >= holder->held / SHARE)
        place(holder, true);
}

void tc__holder_set_arriving(tc__holder_t *holder, bool arriving) {
    if (holder->arriving == arriving)
        return;
    holder->arriving = arriving;
    place(holder, false); /* until now its client was not waited for */
}
