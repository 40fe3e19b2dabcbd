/*
 * body_holders.c - what the bodies of many requests hold together, and who gives it up when there is no more.
 *
 * Each body has a limit of its own, and its client a least rate; but a few slow clients with large bodies fill what all
 * may hold together, and keep it for hours. So whoever needs more of it when there is none gets what others hold that
 * do the least with it, and they are refused. There is one such limit for memory, and one for files.
 *
 * The measure is how fast a body comes in proportion to what it holds. Bodies that arrive stand in a list, and one goes
 * to the end of it whenever an eighth of what it holds has come since it last did. So the first has needed the longest
 * for its last eighth, whatever its size. To be spared at an honest client's cost, an attacker has to send faster than
 * that client does, per byte that it holds; and to get there all that it holds is the whole limit.
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

enum { SHARE = 8 };

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

static void make_room(tc__holders_t *holders, const tc__holder_t *wanted_by) {
    while (holders->held > holders->limit && !tc__list_empty(&holders->arriving)) {
        tc__holder_t *first = tc__container_of(holders->arriving.next, tc__holder_t, node);
        if (first == wanted_by)
            return;
        give_up(first);
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

/* To the end of the list, or out of it. */
static void place(tc__holder_t *holder) {
    uv_mutex_lock(&holder->holders->mutex);
    tc__list_remove(&holder->node);
    if (holder->arriving && !holder->given_up)
        tc__list_push(&holder->holders->arriving, &holder->node);
    uv_mutex_unlock(&holder->holders->mutex);
    holder->progress = 0;
}

void tc__holder_progress(tc__holder_t *holder, size_t len) {
    holder->progress += len;
    if (holder->progress >= holder->held / SHARE)
        place(holder);
}

void tc__holder_set_arriving(tc__holder_t *holder, bool arriving) {
    if (holder->arriving == arriving)
        return;
    holder->arriving = arriving;
    place(holder);
}
