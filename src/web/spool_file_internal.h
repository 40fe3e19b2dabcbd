/*
 * spool_file_internal.h - a file that what arrives is written to, off the loop.
 *
 * It belongs to the loop's thread. Bytes are gathered in memory; when there are enough, or no more, they are flushed,
 * and nothing is appended before that is done: at most one piece of work is under way. The file is made with the first
 * flush, and removed when its owner frees it, unless it was kept.
 */
#ifndef TC_WEB_SPOOL_FILE_INTERNAL_H
#define TC_WEB_SPOOL_FILE_INTERNAL_H

#include "async/future_internal.h"

typedef struct tc__spool_file tc__spool_file_t;

enum { TC__SPOOL_GATHER = 64 << 10 }; /* bytes from which on it is full; the last append may go beyond it */

/* In the directory `dir`, which is copied. NULL: out of memory. */
tc__spool_file_t *tc__spool_file_new(tc_ioloop_t *loop, const char *dir);
/* Close and remove it, off the loop if that still turns, after what is under way. NULL is fine. */
void tc__spool_file_free(tc__spool_file_t *file);

/* Take the bytes (copied). 0; TC_ENOMEM; the failure of a flush before. Not while something is under way. */
int tc__spool_file_append(tc__spool_file_t *file, tc_bytes_t bytes);
/* Is there enough to be worth a flush? */
bool tc__spool_file_full(const tc__spool_file_t *file);

/* Write what is gathered, to a file that is made first if there is none. A failure is that of the file for ever. The
 * future has its words. NULL: out of memory. */
typedef enum {
    TC__SPOOL_MORE,
    TC__SPOOL_LAST, /* no more will come: the memory for it is freed */
    TC__SPOOL_CLOSE /* likewise, and the file needs no descriptor any more */
} tc__spool_flush_t;
tc_future_t *tc__spool_file_flush(tc__spool_file_t *file, tc__spool_flush_t how);

/* Give it a name of its own on the same file system, which must stand for nothing: -EEXIST, -EXDEV, and another may be
 * tried then. It is complete with that, and stays. `sync`: also after a power cut. `path` is copied. What is gathered
 * is written if nothing was before; else it is to be flushed. */
tc_future_t *tc__spool_file_keep(tc__spool_file_t *file, const char *path, bool sync);

uint64_t tc__spool_file_size(const tc__spool_file_t *file); /* of all that was appended */
/* Once it was flushed, while nothing is under way, and if nothing failed: else -1, NULL. */
int tc__spool_file_fd(const tc__spool_file_t *file); /* its offset is 0 until its user moves it */
const char *tc__spool_file_path(const tc__spool_file_t *file);

/* Is it for want of room that a flush failed? */
bool tc__spool_file_no_room(int err);

#endif
