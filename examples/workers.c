/*
 * workers.c - ten workers at a queue that they fill themselves: how much a folder holds. (Tornado: demos/webspider)
 *
 *     examples/run workers /usr/include       # prints: … files in … folders, … bytes
 *
 * A worker takes a folder from the queue, has a thread read it, and puts the folders found there into the queue. All is
 * done when every folder that was put has been dealt with. Nothing here needs a lock: the workers run on one loop, and
 * only an await lets others in.
 */
#define _POSIX_C_SOURCE 200809L /* fstatat, under -std=c11 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <tornadoc.h>

enum { WORKERS = 10 };

typedef struct folder {
    struct folder *inside, *next; /* the folders found in it; the one found before it in its own */
    uint64_t files, bytes;
    char path[];
} folder_t;

typedef struct {
    tc_queue_t *queue; /* of folders, each its own piece of memory */
    uint64_t folders, files, bytes;
    int err;
} tally_t;

static folder_t *new_folder(const char *path, const char *name) {
    size_t size = strlen(path) + strlen(name) + 2;
    folder_t *folder = calloc(1, sizeof *folder + size);
    if (folder)
        snprintf(folder->path, size, *name ? "%s/%s" : "%s", path, name);
    return folder;
}

static void complain(tally_t *tally, const char *path, int err) {
    fprintf(stderr, "%s: %s\n", path, tc_strerror(err));
    tally->err = err;
}

/* ---- On a thread of the executor, for reading a disk blocks ---- */

static int look_at(folder_t *folder, int fd, const char *name) {
    struct stat status;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return 0;
    if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISDIR(status.st_mode)) {
        folder->files++;
        folder->bytes += (uint64_t)status.st_size;
        return 0;
    }
    folder_t *inside = new_folder(folder->path, name);
    if (!inside)
        return TC_ENOMEM;
    inside->next = folder->inside;
    folder->inside = inside;
    return 0;
}

static int read_folder(void *arg, void **out) {
    folder_t *folder = arg;
    struct dirent *entry;
    int err = 0;
    (void)out;
    DIR *dir = opendir(folder->path);
    if (!dir)
        return -errno;
    while (err == 0 && (entry = readdir(dir)) != NULL)
        err = look_at(folder, dirfd(dir), entry->d_name);
    closedir(dir);
    return err;
}

/* ---- On the loop ---- */

static void put(tally_t *tally, folder_t *folder) {
    int err = tc_queue_put_nowait(tally->queue, folder); /* a queue without a limit is never full */
    if (err < 0) {
        complain(tally, folder->path, err);
        free(folder);
    }
}

static void count(tally_t *tally, folder_t *folder) {
    tally->folders++;
    tally->files += folder->files;
    tally->bytes += folder->bytes;
    for (folder_t *inside = folder->inside, *next; inside; inside = next) {
        next = inside->next;
        put(tally, inside);
    }
    free(folder);
}

static int work(void *arg) { /* a coroutine, until it is cancelled */
    tally_t *tally = arg;
    for (;;) {
        folder_t *folder;
        TC_TRY(tc_await(tc_queue_get(tally->queue, TC_FOREVER), &folder));
        int err = tc_await(tc_run_in_executor(NULL, read_folder, folder, NULL), NULL);
        if (err < 0)
            complain(tally, folder->path, err);
        count(tally, folder);
        tc_queue_task_done(tally->queue);
    }
}

static int walk(void *arg) {
    tally_t *tally = arg;
    int err = 0;
    tc_scope_t *workers = tc_scope_open();
    for (int i = 0; i < WORKERS && err == 0; i++)
        err = tc_scope_spawn(workers, work, tally);
    if (err == 0)
        err = tc_await(tc_queue_join(tally->queue, TC_FOREVER), NULL);
    tc_scope_cancel(workers);
    int failed = tc_scope_close(workers);
    return failed < 0 ? failed : err;
}

int main(int argc, char **argv) {
    tc_ioloop_t *loop = NULL;
    tally_t tally = { .queue = tc_queue_new(0, free) };
    folder_t *first = new_folder(argc > 1 ? argv[1] : ".", "");
    int err = first ? tc_ioloop_new(&loop) : TC_ENOMEM;
    if (err == 0) {
        put(&tally, first);
        err = tc_run_sync(loop, walk, &tally, TC_FOREVER);
    }
    if (err < 0)
        complain(&tally, "workers", err);
    printf("%" PRIu64 " files in %" PRIu64 " folders, %" PRIu64 " bytes\n", tally.files, tally.folders, tally.bytes);
    tc_queue_free(tally.queue);
    tc_ioloop_free(loop);
    return tally.err != 0;
}
