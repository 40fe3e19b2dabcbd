/*
 * spool_file.c - a file that what arrives is written to, off the loop.
 *
 *   IDLE --[flush, keep]--> BUSY --[on_done]--> IDLE --[free]--> REMOVING --> gone
 *                             '--[free]--> BUSY, abandoned --[on_done]--> REMOVING
 *
 * Whatever blocks runs on a thread of the process's executor: making, writing, syncing, moving, closing, removing.
 * While it runs (BUSY) descriptor, buffer and path belong to that thread. The memory is counted: by the owner, by the
 * work under way and by the waiter for its end, so that a buffer lives until its write is over, whoever has left. When
 * a loop ends its waiters are told at once, while the work goes on: then the worker, who is the last, closes and
 * removes. Without a loop to send it off from, and without memory to do so, that is done where we stand.
 *
 * Threads do not survive fork: a process that forks must do so before its loop spools, as tc_application_run does with
 * its workers. A process that is killed leaves its files behind: "tornadoc-" and 32 digits, in the directory.
 */
#include "web/spool_file_internal.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "util/alloc_internal.h"
#include "util/buffer_internal.h"
#include "util/error_internal.h"
#include "util/file_calls_internal.h"
#include "util/log_internal.h"

struct tc__spool_file {
    tc_ioloop_t *loop;
    _Atomic unsigned refs;
    tc__waiter_t waiter; /* for the end of what is under way */
    tc_future_t *done;   /* whom to tell; NULL: nothing is under way */
    bool abandoned;      /* its owner has freed it */
    int err;             /* of a flush: for ever */
    uint64_t size;

    /* the worker's while something is under way */
    int fd;    /* -1: not made yet, or closed */
    bool made; /* there is a file to remove */
    tc__spool_flush_t how;
    tc__buffer_t buffer;
    uint64_t written;
    char *dir, *path;
    char *target; /* of tc__spool_file_keep */
    char *detail; /* of what failed last */
    bool sync, kept;
};

/* ---- On a worker ---- */

/* The words, which are this thread's, go with the file. */
static int failed(tc__spool_file_t *file, const char *what, const char *path, int err) {
    tc__fail(err, "cannot %s %s: %s", what, path, tc_strerror(err));
    const char *words = tc_error_detail();
    tc__free(file->detail);
    file->detail = tc__strndup(words, strlen(words));
    return err;
}

static int make(tc__spool_file_t *file) {
    int fd = tc__file_create(file->dir, file->path);
    if (fd < 0)
        return failed(file, "make a file in", file->dir, fd);
    file->fd = fd;
    file->made = true;
    return 0;
}

static int write_out(void *arg, void **out) {
    (void)out;
    tc__spool_file_t *file = arg;
    if (!file->made)
        TC_TRY(make(file));
    tc_bytes_t bytes = tc__buffer_bytes(&file->buffer);
    int err = tc__file_write(file->fd, bytes, file->written);
    if (err < 0)
        return failed(file, "write to", file->path, err);
    file->written += bytes.len;
    tc__buffer_consume(&file->buffer, bytes.len);
    if (file->how != TC__SPOOL_MORE)
        tc__buffer_deinit(&file->buffer);
    if (file->how != TC__SPOOL_CLOSE)
        return 0;
    err = tc__file_close(file->fd);
    file->fd = -1;
    return err < 0 ? failed(file, "write to", file->path, err) : 0;
}

static int sync_data(tc__spool_file_t *file) {
    int fd = file->fd >= 0 ? file->fd : tc__file_open(file->path);
    int err = fd < 0 ? fd : tc__file_sync(fd);
    if (file->fd < 0 && fd >= 0)
        tc__file_close(fd);
    return err < 0 ? failed(file, "sync", file->path, err) : 0;
}

static int move(void *arg, void **out) {
    tc__spool_file_t *file = arg;
    if (!file->made)
        TC_TRY(write_out(file, out));
    if (file->sync)
        TC_TRY(sync_data(file));
    int err = tc__file_move(file->path, file->target);
    if (err < 0)
        return failed(file, "keep a file as", file->target, err);
    file->kept = true;
    err = file->sync ? tc__file_sync_directory_of(file->target) : 0;
    if (err < 0 && tc__file_move(file->target, file->path) == 0) /* as if nothing had been done */
        file->kept = false;
    return err < 0 ? failed(file, "sync the directory of", file->target, err) : 0;
}

static void close_and_remove(tc__spool_file_t *file) {
    static tc__log_limit_t limit;
    if (file->fd >= 0)
        tc__file_close(file->fd); /* what may have failed is of no interest any more */
    file->fd = -1;
    bool remove = file->made && !file->kept;
    file->made = false;
    if (remove && tc__file_sys.unlink(file->path) < 0 && errno != ENOENT)
        tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "cannot remove %s: %s", file->path,
                        tc_strerror(-errno));
}

static int remove_file(void *arg, void **out) {
    (void)out;
    close_and_remove(arg);
    return 0;
}

/* ---- Life ---- */

static void unref(void *arg) {
    tc__spool_file_t *file = arg;
    if (atomic_fetch_sub(&file->refs, 1) != 1)
        return;
    close_and_remove(file);
    tc__buffer_deinit(&file->buffer);
    tc__free(file->dir);
    tc__free(file->path);
    tc__free(file->target);
    tc__free(file->detail);
    tc__free(file);
}

/* Give up a reference when nobody wants the file any more. If it is the last one, nothing runs. */
static void end(tc__spool_file_t *file) {
    if (atomic_load(&file->refs) == 1 && (file->fd >= 0 || (file->made && !file->kept)))
        tc_future_unref(tc__run_file_work(file->loop, remove_file, file, unref));
    else
        unref(file);
}

/* What a keep that has succeeded, or got as far as moving the file, leaves behind. */
static void take_target(tc__spool_file_t *file) {
    if (file->kept) {
        tc__free(file->path);
        file->path = file->target;
    } else {
        tc__free(file->target);
    }
    file->target = NULL;
}

/* The worker is done with the file, or the loop ends and it is not: then nothing of its is looked at. */
static void on_done(tc__waiter_t *waiter, tc_future_t *work) {
    tc__spool_file_t *file = tc__container_of(waiter, tc__spool_file_t, waiter);
    tc_future_t *done = file->done;
    int err = tc_future_status(work);
    bool lost = err == TC_ECANCELED && atomic_load(&file->refs) > (file->abandoned ? 1u : 2u);
    bool was_flush = !file->target;
    file->done = NULL;
    if (err < 0 && (was_flush || lost))
        file->err = err;
    if (!lost && !was_flush)
        take_target(file);
    if (err < 0)
        tc_future_set_error(done, err, lost ? NULL : file->detail);
    else
        tc_future_set_result(done, NULL, NULL);
    tc_future_unref(done);
    if (file->abandoned)
        end(file);
    else
        unref(file);
}

static void on_cancel(tc_future_t *done, void *user_data) {
    tc__spool_file_t *file = user_data;
    if (file->done == done)
        tc_future_cancel(file->waiter.future);
}

tc__spool_file_t *tc__spool_file_new(tc_ioloop_t *loop, const char *dir) {
    tc__spool_file_t *file = tc__calloc(1, sizeof *file);
    if (!file)
        return NULL;
    size_t len = strlen(dir);
    atomic_init(&file->refs, 1);
    file->loop = loop;
    file->fd = -1;
    tc__waiter_init(&file->waiter, on_done);
    tc__buffer_init(&file->buffer, SIZE_MAX);
    file->dir = tc__strndup(dir, len);
    file->path = tc__malloc(len + TC__UNIQUE_NAME);
    if (!file->dir || !file->path) {
        unref(file);
        return NULL;
    }
    return file;
}

void tc__spool_file_free(tc__spool_file_t *file) {
    if (!file)
        return;
    file->abandoned = true;
    if (!file->done) {
        end(file);
        return;
    }
    tc_future_cancel(file->waiter.future); /* if it has not begun */
    unref(file);
}

/* ---- Work ---- */

/* Words of a worker that may still be at it are left alone. */
static tc_future_t *fail_again(const tc__spool_file_t *file) {
    return tc__future_failed(file->loop, file->err, file->err == TC_ECANCELED ? NULL : file->detail);
}

/* With a future for the caller. NULL: it could not start. */
static tc_future_t *start(tc__spool_file_t *file, tc_work_fn fn) {
    tc_future_t *done = tc_future_new(file->loop);
    if (!done)
        return NULL;
    atomic_fetch_add(&file->refs, 2); /* the work's, and the waiter's */
    tc_future_t *work = tc__run_file_work(file->loop, fn, file, unref);
    if (!work) {
        unref(file);
        tc_future_unref(done);
        return NULL;
    }
    file->done = tc_future_ref(done);
    tc_future_set_cancel_callback(done, on_cancel, file);
    tc__future_wait(work, &file->waiter);
    tc_future_unref(work);
    return done;
}

int tc__spool_file_append(tc__spool_file_t *file, tc_bytes_t bytes) {
    assert(!file->done && file->how == TC__SPOOL_MORE);
    if (file->err < 0)
        return file->err;
    file->err = tc__buffer_append(&file->buffer, bytes.data, bytes.len); /* what is missing once is missing for ever */
    if (file->err == 0)
        file->size += bytes.len;
    return file->err;
}

tc_future_t *tc__spool_file_flush(tc__spool_file_t *file, tc__spool_flush_t how) {
    assert(!file->done);
    if (file->err < 0)
        return fail_again(file);
    file->how = how;
    tc_future_t *future = start(file, write_out);
    if (!future)
        file->err = TC_ENOMEM;
    return future;
}

tc_future_t *tc__spool_file_keep(tc__spool_file_t *file, const char *path, bool sync) {
    if (file->done)
        return tc__future_failed(file->loop, TC_EBUSY, "the file is being kept already");
    if (file->kept)
        return tc__future_failed(file->loop, TC_EALREADY, "the file was kept before");
    if (file->err < 0)
        return fail_again(file);
    if (file->how == TC__SPOOL_MORE)
        file->how = TC__SPOOL_CLOSE;
    file->target = tc__strndup(path, strlen(path));
    if (!file->target)
        return NULL;
    file->sync = sync;
    tc_future_t *future = start(file, move);
    if (!future)
        take_target(file);
    return future;
}

/* ---- What it is ---- */

bool tc__spool_file_full(const tc__spool_file_t *file) {
    return tc__buffer_len(&file->buffer) >= TC__SPOOL_GATHER;
}

uint64_t tc__spool_file_size(const tc__spool_file_t *file) {
    return file->size;
}

int tc__spool_file_fd(const tc__spool_file_t *file) {
    return file->done || file->err < 0 ? -1 : file->fd;
}

const char *tc__spool_file_path(const tc__spool_file_t *file) {
    return file->done || file->err < 0 || !file->made ? NULL : file->path;
}

bool tc__spool_file_no_room(int err) {
    return err == -ENOSPC || err == -EDQUOT || err == -EFBIG;
}
