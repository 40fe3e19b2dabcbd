/*
 * body_holders_internal.h - what the bodies of many requests hold together, and who gives it up when there is no more.
 */
#ifndef TC_WEB_BODY_HOLDERS_INTERNAL_H
#define TC_WEB_BODY_HOLDERS_INTERNAL_H

#include <uv.h>

#include <tornadoc/web.h>

#include "async/ioloop_internal.h"
#include "util/list_internal.h"

/* Of all threads. */
typedef struct {
    uv_mutex_t mutex; /* guards all below, and what its holders say it does */
    uint64_t held, limit;
    tc__list_t arriving; /* the bodies that may be given up, in the order in which they last moved */
    const char *what;    /* "in memory" */
    int status;          /* of what is refused */
    bool ready;          /* the mutex is */
} tc__holders_t;

/* One body. It belongs to the thread of its request. */
typedef struct {
    struct tc__mail mail;
    tc__list_t node; /* guarded: in `arriving`, or alone */
    tc__holders_t *holders;
    tc_request_t *req; /* NULL: it is over, and mail is on its way */
    uint64_t held;     /* changed under the mutex, and by its own thread only */
    uint64_t progress; /* bytes that came since it went to the end of the list */
    uint64_t moved_ms; /* guarded: when that was, … */
    uint64_t share_ms; /* … and what its last share took */
    bool arriving;     /* its client is who it waits for */
    bool given_up;     /* guarded: mail is on its way, and what it holds is not counted meanwhile */
} tc__holder_t;

/* 0, or a code of the system's. `what` lives as long. */
int tc__holders_init(tc__holders_t *holders, uint64_t limit, int status, const char *what);
void tc__holders_deinit(tc__holders_t *holders);

tc__holder_t *tc__holder_new(tc__holders_t *holders, tc_request_t *req); /* NULL: out of memory */
void tc__holder_free(tc__holder_t *holder);                              /* gives what it holds back; NULL is fine */

/* Hold so much more. 0, or the status as the outcome: there is no more, though others have given up what they could. */
int tc__holder_take(tc__holder_t *holder, uint64_t size);
void tc__holder_give_back(tc__holder_t *holder, uint64_t size);

/* So many bytes of the body came. */
void tc__holder_progress(tc__holder_t *holder, size_t len);
/* May it be given up: does it wait for its client, and for nobody else? */
void tc__holder_set_arriving(tc__holder_t *holder, bool arriving);

#endif
