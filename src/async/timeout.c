/*
 * timeout.c - callbacks that the program asks for: soon, later, at a time. (Tornado: ioloop)
 *
 * A timeout's record stands in a table that grows by chunks (timers are linked, so records must not move) and is used
 * again when it is over. What the program holds is the record's index and a generation that counts its uses: an id that
 * is stale names a generation that is gone, and removing it does nothing.
 *
 *      63            24 23         0
 *     [ generation     | index + 1 ]
 *
 * A record whose generations are used up is never used again, so no id comes twice.
 */
#include "async/ioloop_private.h"

#include "util/alloc_internal.h"
#include "util/error_internal.h"

enum { CHUNK = 64, INDEX_BITS = 24, MOST = (1 << INDEX_BITS) - 1 };
#define NO_TIMEOUT UINT32_MAX
#define LAST_GENERATION ((UINT64_C(1) << (64 - INDEX_BITS)) - 1)

struct timeout_record {
    tc__timer_t timer;
    tc_ioloop_t *loop;
    tc_ioloop_cb cb;
    void *user_data;
    uint64_t generation;
    uint32_t index, next_free;
};

/* ---- The table ---- */

static struct timeout_record *record_at(const tc_ioloop_t *loop, uint32_t index) {
    return index / CHUNK < loop->p->timeout_chunk_count ? &loop->p->timeout_chunks[index / CHUNK][index % CHUNK] : NULL;
}

static void put_record(struct timeout_record *record) {
    if (record->generation == LAST_GENERATION)
        return;
    record->next_free = record->loop->p->free_timeout;
    record->loop->p->free_timeout = record->index;
}

static void on_timeout(tc__timer_t *timer);

static bool add_chunk(tc_ioloop_t *loop) {
    struct tc__ioloop_private *p = loop->p;
    uint32_t first = p->timeout_chunk_count * CHUNK;
    if (first + CHUNK > MOST)
        return false;
    struct timeout_record **chunks = tc__realloc(p->timeout_chunks,
                                                 (p->timeout_chunk_count + 1) * sizeof(struct timeout_record *));
    if (!chunks)
        return false;
    p->timeout_chunks = chunks;
    struct timeout_record *chunk = tc__calloc(CHUNK, sizeof(*chunk));
    if (!chunk)
        return false;
    chunks[p->timeout_chunk_count++] = chunk;
    for (uint32_t i = CHUNK; i-- > 0;) { /* backwards, so that the first is used first */
        tc__timer_init(&chunk[i].timer, on_timeout);
        chunk[i].loop = loop;
        chunk[i].index = first + i;
        put_record(&chunk[i]);
    }
    return true;
}

static struct timeout_record *get_record(tc_ioloop_t *loop) {
    if (loop->p->free_timeout == NO_TIMEOUT && !add_chunk(loop))
        return NULL;
    struct timeout_record *record = record_at(loop, loop->p->free_timeout);
    loop->p->free_timeout = record->next_free;
    record->generation++;
    return record;
}

/* ---- Timeouts ---- */

static void end(struct timeout_record *record) {
    tc__timer_stop(record->loop, &record->timer);
    tc__ioloop_release(record->loop);
    put_record(record);
}

static void on_timeout(tc__timer_t *timer) {
    struct timeout_record *record = tc__container_of(timer, struct timeout_record, timer);
    tc_ioloop_cb cb = record->cb;
    void *user_data = record->user_data;
    end(record); /* the callback may free the loop */
    cb(user_data);
}

static tc_timeout_t start(tc_ioloop_t *loop, uint64_t when_ms, tc_ioloop_cb cb, void *user_data) {
    if (!cb) {
        tc__misuse(TC_EINVAL, "a timeout without a callback");
        return 0;
    }
    if (loop->p->closing) {
        tc__fail(TC_ECLOSED, "the loop is being freed: no timeouts any more");
        return 0;
    }
    struct timeout_record *record = get_record(loop);
    if (!record) {
        tc__fail(TC_ENOMEM, "out of memory for a timeout");
        return 0;
    }
    record->cb = cb;
    record->user_data = user_data;
    tc__ioloop_hold(loop);
    tc__timer_start(loop, &record->timer, when_ms);
    return record->generation << INDEX_BITS | (record->index + 1);
}

tc_timeout_t tc_ioloop_call_later(tc_ioloop_t *loop, uint64_t delay_ms, tc_ioloop_cb cb, void *user_data) {
    loop = tc__ioloop_or_current(loop);
    return loop ? start(loop, tc__ioloop_in(loop, delay_ms), cb, user_data) : 0;
}

tc_timeout_t tc_ioloop_call_at(tc_ioloop_t *loop, uint64_t when_ms, tc_ioloop_cb cb, void *user_data) {
    loop = tc__ioloop_or_current(loop);
    return loop ? start(loop, when_ms, cb, user_data) : 0;
}

bool tc_ioloop_remove_timeout(tc_ioloop_t *loop, tc_timeout_t timeout) {
    if (timeout == 0)
        return false;
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return false;
    struct timeout_record *record = record_at(loop, (uint32_t)(timeout & MOST) - 1);
    if (!record || record->generation != timeout >> INDEX_BITS || !tc__timer_active(&record->timer))
        return false;
    end(record);
    return true;
}

void tc__timeouts_loop_closing(tc_ioloop_t *loop) {
    struct tc__ioloop_private *p = loop->p;
    for (uint32_t i = 0; i < p->timeout_chunk_count * CHUNK; i++)
        if (tc__timer_active(&record_at(loop, i)->timer))
            end(record_at(loop, i));
    for (uint32_t i = 0; i < p->timeout_chunk_count; i++)
        tc__free(p->timeout_chunks[i]);
    tc__free(p->timeout_chunks);
    p->timeout_chunks = NULL;
    p->timeout_chunk_count = 0;
}

/* ---- Callbacks ---- */

typedef struct {
    struct tc__mail mail;
    tc_ioloop_cb cb;
    void *user_data;
} callback_t;

static void on_callback(struct tc__mail *mail, tc_ioloop_t *loop) {
    callback_t callback = *tc__container_of(mail, callback_t, mail);
    tc__free(tc__container_of(mail, callback_t, mail));
    if (loop)
        callback.cb(callback.user_data);
}

int tc_ioloop_add_callback(tc_ioloop_t *loop, tc_ioloop_cb cb, void *user_data) {
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    if (!cb)
        return tc__misuse(TC_EINVAL, "tc_ioloop_add_callback: cb is NULL");
    callback_t *callback = tc__malloc(sizeof(*callback));
    if (!callback)
        return tc__fail(TC_ENOMEM, "out of memory for a callback");
    callback->mail.fn = on_callback;
    callback->cb = cb;
    callback->user_data = user_data;
    int err = tc__mailbox_post(loop->mailbox, &callback->mail);
    if (err < 0)
        tc__free(callback);
    return err;
}
