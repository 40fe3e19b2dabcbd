/*
 * sse.c - server-sent events: streams, and groups of them. (WHATWG HTML section 9.2)
 *
 * A stream is memory of its own, counted by the request and by whoever holds a reference; `req` is NULL from the moment
 * that the answer is finished or given up, whoever does that, and that is all that the others need to know.
 *
 *     OPEN --[tc__sse_over: finished, cut, drained, left by its client]--> ended: no request, no timer, in no group
 *
 * An event becomes text once, counted by the outputs that hold it; a group sends the same text to all. Sending may end
 * any stream, and run the on_finish of its handler: a group is walked by a mark of its own among the members, which
 * stays in place whoever comes and goes.
 */
#include "web/sse_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "web/request_internal.h"

enum { KEEP_ALIVE_MS = 15000, MAX_RETRY_MS = INT32_MAX };

struct tc_sse {
    size_t refs;
    tc_request_t *req;  /* NULL: it has ended */
    tc_future_t *ended; /* counted */
    bool wait_for_slow;
    uint64_t keep_alive_ms;
    uint64_t last_ms; /* when something was sent */
    tc__timer_t keep_alive;
    tc__list_t memberships;
};

typedef struct {
    tc__list_t in_group, in_stream;
    tc_sse_group_t *group;
    tc_sse_t *sse; /* NULL: the mark of somebody who walks */
} membership_t;

struct tc_sse_group {
    size_t refs; /* the program's, and those of who walks */
    size_t count;
    tc__list_t members;
};

/* ---- The text of an event ---- */

typedef struct {
    size_t refs, len;
    char bytes[];
} text_t;

static void unref_text(void *data) {
    text_t *text = data;
    if (--text->refs == 0)
        tc__free(text);
}

static char *put(char *out, const char *data, size_t len) {
    if (len > 0)
        memcpy(out, data, len);
    return out + len;
}

static char *put_field(char *out, const char *name, const char *value, size_t len) {
    out = put(out, name, strlen(name));
    out = put(out, ": ", 2); /* a client takes one space off */
    out = put(out, value, len);
    return put(out, "\n", 1);
}

/* The end of the line that begins at `data`. */
static size_t line_len(const char *data, size_t len) {
    size_t at = 0;
    while (at < len && data[at] != '\r' && data[at] != '\n')
        at++;
    return at;
}

/* A field for each line, in which no end of a line is left. NULL: only count. */
static size_t put_data(char *out, tc_bytes_t data) {
    const char *at = data.data;
    size_t left = data.len, size = 0;
    for (;;) {
        size_t len = line_len(at, left);
        if (out)
            out = put_field(out, "data", at, len);
        size += strlen("data: \n") + len;
        if (len == left)
            return size;
        size_t end = at[len] == '\r' && len + 1 < left && at[len + 1] == '\n' ? 2 : 1;
        at += len + end;
        left -= len + end;
    }
}

static int check_event(const tc_sse_event_t *event) {
    if (!event || !tc__all_zero(event->reserved, sizeof event->reserved) || (!event->data.data && event->data.len > 0))
        return tc__misuse(TC_EINVAL, "tc_sse_send: an event is wanted, with `reserved` zero");
    if ((event->type && strpbrk(event->type, "\r\n")) || (event->id && strpbrk(event->id, "\r\n")))
        return tc__fail(TC_EINVAL, "tc_sse_send: an event's type and id must not have more than one line");
    if (event->retry_ms > MAX_RETRY_MS)
        return tc__fail(TC_EINVAL, "tc_sse_send: retry_ms is beyond 2^31 - 1");
    return event->data.len > SIZE_MAX / 16 ? tc__fail(TC_ETOOBIG, "tc_sse_send: the data is too large") : 0;
}

static int make_text(text_t **out, const tc_sse_event_t *event) {
    TC_TRY(check_event(event));
    enum { NAMES = 64 }; /* more than "event: ", "id: ", "retry: " with a number, and the ends of the lines */
    size_t type_len = event->type ? strlen(event->type) : 0, id_len = event->id ? strlen(event->id) : 0;
    size_t data_len = event->data.data ? put_data(NULL, event->data) : 0;
    text_t *text = tc__malloc(sizeof *text + NAMES + type_len + id_len + data_len);
    if (!text)
        return tc__fail(TC_ENOMEM, "tc_sse_send: out of memory");
    char *end = text->bytes;
    if (event->type)
        end = put_field(end, "event", event->type, type_len);
    if (event->id)
        end = put_field(end, "id", event->id, id_len);
    if (event->retry_ms)
        end += sprintf(end, "retry: %" PRIu64 "\n", event->retry_ms);
    if (event->data.data)
        end += put_data(end, event->data);
    *end++ = '\n';
    text->refs = 1;
    text->len = (size_t)(end - text->bytes);
    *out = text;
    return 0;
}

/* ---- The end of a stream ---- */

tc_sse_t *tc_sse_ref(tc_sse_t *sse) {
    if (sse)
        sse->refs++;
    return sse;
}

void tc_sse_unref(tc_sse_t *sse) {
    if (!sse || --sse->refs > 0)
        return;
    tc_future_unref(sse->ended);
    tc__free(sse);
}

static void end_membership(membership_t *membership) {
    membership->group->count--;
    tc__list_remove(&membership->in_group);
    tc__list_remove(&membership->in_stream);
    tc__free(membership);
}

static membership_t *by_stream(tc__list_t *node) {
    return tc__container_of(node, membership_t, in_stream);
}

static membership_t *by_group(tc__list_t *node) {
    return tc__container_of(node, membership_t, in_group);
}

void tc__sse_over(tc_sse_t *sse) {
    tc_request_t *req = sse->req;
    sse->req = NULL;
    req->sse = NULL;
    tc__timer_stop(req->in->loop, &sse->keep_alive);
    while (!tc__list_empty(&sse->memberships))
        end_membership(by_stream(sse->memberships.next));
    tc_future_set_result(sse->ended, NULL, NULL);
}

/* The request's reference, the last thing it lets go of. */
static void on_request_gone(void *data) {
    tc_sse_t *sse = data;
    if (sse->req)
        tc__sse_over(sse);
    tc_sse_unref(sse);
}

void tc__sse_end(tc_sse_t *sse) {
    tc_sse_ref(sse);
    if (!sse->req->finished)
        tc_finish(sse->req);
    if (sse->req) /* nobody was there to be told the end */
        tc__sse_over(sse);
    tc_sse_unref(sse);
}

void tc_sse_end(tc_sse_t *sse) {
    tc_request_t *req = sse ? sse->req : NULL;
    if (!req)
        return;
    tc__request_enter(req);
    tc__sse_end(sse);
    tc__request_leave(req);
}

tc_future_t *tc_sse_ended(const tc_sse_t *sse) {
    return sse ? tc_future_ref(sse->ended) : NULL;
}

tc_request_t *tc_sse_request(const tc_sse_t *sse) {
    return sse ? sse->req : NULL;
}

/* ---- Sending ---- */

/* The stream cannot go on: its client must not take what it has for all. */
static void cut(tc_request_t *req, tc_log_level_t level, const char *why) {
    tc__log(TC__LOG_APPLICATION, level, req, "%s %s (%s): the stream of events is cut: %s", req->in->method,
            req->in->uri, tc_remote_ip(req), why);
    if (!req->finished)
        tc__request_abort(req);
    if (req->endpoint->handler.flags & TC_CANCEL_ON_CLOSE)
        tc__request_cancel_thens(req);
}

static int refuse_slow(tc_sse_t *sse) {
    if (sse->wait_for_slow)
        return tc__fail(TC_EAGAIN, "the client does not take its events");
    cut(sse->req, TC_LOG_INFO, "its client does not take what it is sent");
    return tc__fail(TC_ECLOSED, "the client did not take its events, and was cut");
}

static int write_out(tc_sse_t *sse, tc_bytes_t bytes, tc_free_fn free_owner, void *owner) {
    tc_request_t *req = sse->req;
    int err = tc_write_owned(req, bytes, free_owner, owner);
    if (err == 0)
        err = tc_flush(req);
    sse->last_ms = tc__ioloop_now(req->in->loop);
    if (err < 0 && err != TC_ECLOSED) /* of a client that is gone the request is told */
        cut(req, TC_LOG_ERROR, tc_strerror(err));
    return err;
}

/* A reference to the text is taken only as long as the output has it. */
static int deliver(tc_sse_t *sse, text_t *text) {
    tc_request_t *req = sse->req;
    if (!req || req->client_left)
        return tc__fail(TC_ECLOSED, "the stream of events has ended");
    tc_sse_ref(sse);
    tc__request_enter(req);
    int err;
    if (tc_writable(req) || !req->exchange) {
        text->refs++;
        err = write_out(sse, tc_bytes(text->bytes, text->len), unref_text, text);
    } else {
        err = refuse_slow(sse);
    }
    tc__request_leave(req);
    tc_sse_unref(sse);
    return err;
}

int tc_sse_send(tc_sse_t *sse, const tc_sse_event_t *event) {
    if (!sse)
        return tc__misuse(TC_EINVAL, "tc_sse_send: the stream is NULL");
    if (!sse->req)
        return tc__fail(TC_ECLOSED, "the stream of events has ended");
    text_t *text;
    int err = make_text(&text, event);
    if (err == TC_ENOMEM) {
        tc_request_t *req = sse->req;
        tc__request_enter(req);
        cut(req, TC_LOG_ERROR, tc_strerror(err));
        tc__request_leave(req);
    }
    if (err < 0)
        return err;
    err = deliver(sse, text);
    unref_text(text);
    return err;
}

/* ---- Keeping alive ---- */

static void start_keep_alive(tc_sse_t *sse) {
    if (sse->keep_alive_ms < UINT64_MAX - sse->last_ms)
        tc__timer_start(sse->req->in->loop, &sse->keep_alive, sse->last_ms + sse->keep_alive_ms);
}

static void nothing_to_free(void *owner) {
    (void)owner;
}

/* What is sent does not move the timer, but what it finds when it rings. A slow client's connection is alive. */
static void on_keep_alive(tc__timer_t *timer) {
    tc_sse_t *sse = tc__container_of(timer, tc_sse_t, keep_alive);
    tc_request_t *req = sse->req;
    uint64_t now = tc__ioloop_now(req->in->loop);
    tc_sse_ref(sse);
    tc__request_enter(req);
    if (now - sse->last_ms >= sse->keep_alive_ms) {
        sse->last_ms = now;
        if (tc_writable(req))
            write_out(sse, tc_str(":\n\n"), nothing_to_free, NULL);
    }
    if (sse->req)
        start_keep_alive(sse);
    tc__request_leave(req);
    tc_sse_unref(sse);
}

/* ---- The beginning ---- */

static int check_begin(tc_request_t *req, const tc_sse_options_t *options) {
    TC_TRY(tc__request_check_open(req, "tc_sse_begin"));
    if (req->client_left)
        return tc__fail(TC_ECLOSED, "the client is gone");
    int err = 0;
    if (req->segment_count > 0)
        err = tc__misuse(TC_EINVAL, "tc_sse_begin: the handler has written something already");
    else if (options && !tc__all_zero(options->reserved, sizeof options->reserved))
        err = tc__misuse(TC_EINVAL, "tc_sse_options_t: `reserved` must be zero");
    else if (options && options->retry_ms > MAX_RETRY_MS)
        err = tc__misuse(TC_EINVAL, "tc_sse_options_t: retry_ms is beyond 2^31 - 1");
    return tc__request_keep_error(req, err);
}

/* The request's from now on, and freed with it. NULL: out of memory. */
static tc_sse_t *new_stream(tc_request_t *req, const tc_sse_options_t *options) {
    tc_sse_t *sse = tc__calloc(1, sizeof *sse);
    if (!sse)
        return NULL;
    sse->refs = 1;
    sse->ended = tc_future_new(req->in->loop);
    sse->keep_alive_ms = options && options->keep_alive_ms ? options->keep_alive_ms : KEEP_ALIVE_MS;
    sse->wait_for_slow = options && options->wait_for_slow;
    tc__list_init(&sse->memberships);
    tc__timer_init(&sse->keep_alive, on_keep_alive);
    if (!sse->ended) {
        tc_sse_unref(sse);
        return NULL;
    }
    return tc_on_cleanup(req, on_request_gone, sse) == 0 ? sse : NULL;
}

static int send_head(tc_request_t *req, const tc_sse_options_t *options) {
    tc_set_header(req, "Content-Type", "text/event-stream");
    tc_set_header(req, "X-Accel-Buffering", "no");
    if (!tc__headers_has(&req->headers, TC__HEADER_CACHE_CONTROL))
        tc_set_header(req, "Cache-Control", "no-store");
    if (options && options->retry_ms)
        tc_writef(req, "retry: %" PRIu64 "\n\n", options->retry_ms);
    return tc_flush(req);
}

int tc_sse_begin(tc_sse_t **out, tc_request_t *req, const tc_sse_options_t *options) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_sse_begin: `out` is NULL");
    TC_TRY(check_begin(req, options));
    tc_sse_t *sse = new_stream(req, options);
    if (!sse)
        return tc__request_keep_error(req, tc__fail(TC_ENOMEM, "tc_sse_begin: out of memory"));
    TC_TRY(send_head(req, options));
    sse->req = req;
    req->sse = sse;
    sse->last_ms = tc__ioloop_now(req->in->loop);
    start_keep_alive(sse);
    if (req->in->method_id == TC__METHOD_HEAD || tc_going_away(req))
        tc_sse_end(sse);
    *out = sse;
    return 0;
}

const char *tc_sse_last_event_id(const tc_request_t *req) {
    const char *id = tc_header(req, "Last-Event-ID");
    return id ? id : "";
}

/* ---- Groups ---- */

tc_sse_group_t *tc_sse_group_new(void) {
    tc_sse_group_t *group = tc__calloc(1, sizeof *group);
    if (!group)
        return NULL;
    group->refs = 1;
    tc__list_init(&group->members);
    return group;
}

static void unref_group(tc_sse_group_t *group) {
    if (--group->refs == 0)
        tc__free(group);
}

/* Marks stay, and who walks then finds nobody more. */
void tc_sse_group_free(tc_sse_group_t *group) {
    if (!group)
        return;
    for (tc__list_t *node = group->members.next, *next; node != &group->members; node = next) {
        next = node->next;
        if (by_group(node)->sse)
            end_membership(by_group(node));
    }
    unref_group(group);
}

static membership_t *find_membership(const tc_sse_group_t *group, const tc_sse_t *sse) {
    for (tc__list_t *node = sse->memberships.next; node != &sse->memberships; node = node->next)
        if (by_stream(node)->group == group)
            return by_stream(node);
    return NULL;
}

int tc_sse_group_add(tc_sse_group_t *group, tc_sse_t *sse) {
    if (!sse)
        return tc__misuse(TC_EINVAL, "tc_sse_group_add: the stream is NULL");
    if (!group)
        return tc__fail(TC_ENOMEM, "the group is NULL: out of memory when it was made");
    if (!sse->req)
        return tc__fail(TC_ECLOSED, "the stream of events has ended");
    if (find_membership(group, sse))
        return tc__fail(TC_EALREADY, "the stream is in the group already");
    membership_t *membership = tc__malloc(sizeof *membership);
    if (!membership)
        return tc__fail(TC_ENOMEM, "tc_sse_group_add: out of memory");
    membership->group = group;
    membership->sse = sse;
    tc__list_push(&group->members, &membership->in_group);
    tc__list_push(&sse->memberships, &membership->in_stream);
    group->count++;
    return 0;
}

void tc_sse_group_remove(tc_sse_group_t *group, tc_sse_t *sse) {
    membership_t *membership = group && sse ? find_membership(group, sse) : NULL;
    if (membership)
        end_membership(membership);
}

size_t tc_sse_group_count(const tc_sse_group_t *group) {
    return group ? group->count : 0;
}

/* Put `node` behind `before`. */
static void move_behind(tc__list_t *node, tc__list_t *before) {
    tc__list_remove(node);
    tc__list_push(before->next, node);
}

int tc_sse_group_send(tc_sse_group_t *group, const tc_sse_event_t *event) {
    text_t *text;
    TC_TRY(make_text(&text, event));
    if (!group) {
        unref_text(text);
        return tc__fail(TC_ENOMEM, "the group is NULL: out of memory when it was made");
    }
    membership_t mark = { .group = group };
    tc__list_init(&mark.in_group);
    group->refs++;
    move_behind(&mark.in_group, &group->members);
    for (tc__list_t *node; (node = mark.in_group.next) != &group->members;) {
        move_behind(&mark.in_group, node);
        if (by_group(node)->sse)
            deliver(by_group(node)->sse, text);
    }
    tc__list_remove(&mark.in_group);
    unref_group(group);
    unref_text(text);
    return 0;
}
