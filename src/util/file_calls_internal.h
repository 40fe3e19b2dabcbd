/* file_calls_internal.h - the system calls of files, in one table so that a test can make each of them fail. They
 * block: not for a loop's thread. */
#ifndef TC_UTIL_FILE_CALLS_INTERNAL_H
#define TC_UTIL_FILE_CALLS_INTERNAL_H

#include <sys/stat.h>
#include <sys/types.h>

#include <tornadoc/util.h>

/* As the system has them: -1 and errno. Process-wide; tests replace entries while no other thread runs. */
typedef struct {
    int (*random)(void *data, size_t len);
    int (*open)(const char *path, int flags, mode_t mode);
    int (*openat)(int dir, const char *path, int flags);
    /* Not beyond `dir`, wherever links lead (openat2 with RESOLVE_BENEATH); ENOSYS: not on this system */
    int (*open_beneath)(int dir, const char *path, int flags);
    int (*fstat)(int fd, struct stat *out);
    ssize_t (*read)(int fd, void *data, size_t len);
    ssize_t (*pread)(int fd, void *out, size_t len, uint64_t at);
    ssize_t (*pread_nowait)(int fd, void *out, size_t len, uint64_t at); /* EAGAIN: not from memory */
    ssize_t (*pwrite)(int fd, const void *data, size_t len, uint64_t at);
    int (*fsync)(int fd);
    int (*close)(int fd);
    int (*unlink)(const char *path);
    int (*link)(const char *from, const char *to);
    int (*rename_new)(const char *from, const char *to); /* EEXIST if there is a `to`; ENOSYS: not on this system */
} tc__file_sys_t;
extern tc__file_sys_t tc__file_sys;

/* On top of it: EINTR is retried; a negative errno on failure. */

/* A new file in the directory `dir`, to read and write, for this user alone, under a name that nobody can guess and
 * that stood for nothing before, not even a link. Returns its descriptor; `path` has room for strlen(dir) +
 * TC__UNIQUE_NAME bytes. */
enum { TC__UNIQUE_NAME = 48 };
int tc__file_create(const char *dir, char *path);
/* All of the bytes, from the offset `at` on. The descriptor's own offset stays. */
int tc__file_write(int fd, tc_bytes_t bytes, uint64_t at);
/* A whole regular file, in one block to be freed; beyond `max` bytes TC_ETOOBIG. */
int tc__file_read(const char *path, size_t max, tc_bytes_t *out);
/* How many of `len` bytes there are from the offset `at` on: fewer at the end of the file only. */
ssize_t tc__file_pread(int fd, void *out, size_t len, uint64_t at);
/* A directory, to open files beneath it. */
int tc__file_open_root(const char *path);
/* A file or directory beneath the directory `root`, to read: no link leads out of it, whoever changes what meanwhile,
 * and no "..". `name` is relative, without empty parts; "" is the root. A FIFO or a device does not block. -EXDEV,
 * -ELOOP, -ENOTDIR: a link leads out; where the system lacks openat2, any link. See file_beneath.c. */
int tc__file_open_beneath(int root, const char *name);
/* Are those bytes in the page cache, so that to read or send them waits for no disk? As far as a few samples tell;
 * false also where the system does not. */
bool tc__file_in_memory(int fd, uint64_t at, size_t len);
int tc__file_open(const char *path); /* to read and write what is there, not by a link */
int tc__file_close(int fd);          /* closed either way; a failure is that of a write before, on some file systems */
int tc__file_sync(int fd);
/* The file goes from one name to another that stood for nothing before: -EEXIST, -EXDEV … */
int tc__file_move(const char *from, const char *to);
/* Names in the directory of `path` will be there after a power cut. */
int tc__file_sync_directory_of(const char *path);

#endif
