/*
 * file_calls.c - the system calls of files.
 *
 * A file is moved in one step where the system can do that without overwriting (renameat2 with RENAME_NOREPLACE, which
 * not every file system has), else by a second name and the end of the first.
 */
#define _FILE_OFFSET_BITS 64
#include "util/file_calls_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <uv.h>

#include "util/alloc_internal.h"

/* ---- The table ---- */

static int system_random(void *data, size_t len) {
    int err = uv_random(NULL, NULL, data, len, 0, NULL); /* without a callback it is done at once */
    errno = -err;
    return err < 0 ? -1 : 0;
}

static int system_open(const char *path, int flags, mode_t mode) {
    return open(path, flags, mode);
}

static ssize_t system_pread(int fd, void *out, size_t len, uint64_t at) {
    return pread(fd, out, len, (off_t)at);
}

static int system_openat(int dir, const char *path, int flags) {
    return openat(dir, path, flags);
}

/* The structure and its values are the kernel's ABI; not every C library's headers have them. */
static int system_open_beneath(int dir, const char *path, int flags) {
#if defined(__linux__) && defined(SYS_openat2)
    enum { NO_MAGICLINKS = 0x02, BENEATH = 0x08 };
    struct {
        uint64_t flags, mode, resolve;
    } how = { (uint64_t)flags, 0, BENEATH | NO_MAGICLINKS };
    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
#else
    (void)dir, (void)path, (void)flags;
    errno = ENOSYS;
    return -1;
#endif
}

static ssize_t system_pread_nowait(int fd, void *out, size_t len, uint64_t at) {
#if defined(RWF_NOWAIT)
    struct iovec iov = { out, len };
    return preadv2(fd, &iov, 1, (off_t)at, RWF_NOWAIT);
#else
    (void)fd, (void)out, (void)len, (void)at;
    errno = ENOSYS;
    return -1;
#endif
}

static ssize_t system_pwrite(int fd, const void *data, size_t len, uint64_t at) {
    return pwrite(fd, data, len, (off_t)at);
}

static int system_rename_new(const char *from, const char *to) {
#ifdef RENAME_NOREPLACE
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
#else
    (void)from;
    (void)to;
    errno = ENOSYS;
    return -1;
#endif
}

tc__file_sys_t tc__file_sys = {
    .random = system_random,
    .open = system_open,
    .openat = system_openat,
    .open_beneath = system_open_beneath,
    .fstat = fstat,
    .read = read,
    .pread = system_pread,
    .pread_nowait = system_pread_nowait,
    .pwrite = system_pwrite,
    .fsync = fsync,
    .close = close,
    .unlink = unlink,
    .link = link,
    .rename_new = system_rename_new,
};

/* ---- On top of it ---- */

static int open_retrying(const char *path, int flags) {
    int fd;
    do
        fd = tc__file_sys.open(path, flags | O_CLOEXEC, S_IRUSR | S_IWUSR);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int tc__file_create(const char *dir, char *path) {
    unsigned char random[16]; /* 128 bits */
    if (tc__file_sys.random(random, sizeof random) < 0)
        return -errno;
    size_t len = (size_t)sprintf(path, "%s/tornadoc-", dir);
    for (size_t i = 0; i < sizeof random; i++)
        len += (size_t)sprintf(path + len, "%02x", random[i]);
    return open_retrying(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
}

int tc__file_open(const char *path) {
    return open_retrying(path, O_RDWR | O_NOFOLLOW);
}

int tc__file_close(int fd) {
    return tc__file_sys.close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int tc__file_write(int fd, tc_bytes_t bytes, uint64_t at) {
    while (bytes.len > 0) {
        ssize_t n = tc__file_sys.pwrite(fd, bytes.data, bytes.len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes = tc_bytes(bytes.data + n, bytes.len - (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

ssize_t tc__file_pread(int fd, void *out, size_t len, uint64_t at) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = tc__file_sys.pread(fd, (char *)out + done, len - done, at + done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

bool tc__file_in_memory(int fd, uint64_t at, size_t len) {
    enum { STEP = 128 * 1024 }; /* what is read ahead comes in pieces about as large */
    char byte;
    for (size_t i = 0; i < len; i += STEP)
        if (tc__file_sys.pread_nowait(fd, &byte, 1, at + i) < 0)
            return false;
    return len == 0 || tc__file_sys.pread_nowait(fd, &byte, 1, at + len - 1) >= 0;
}

int tc__file_sync(int fd) {
    int result;
    do
        result = tc__file_sys.fsync(fd);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static int size_of_file(int fd, size_t max, size_t *out) {
    struct stat status;
    if (tc__file_sys.fstat(fd, &status) < 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    if (!S_ISREG(status.st_mode))
        return TC_EINVAL; /* it may have no end */
    if ((uintmax_t)status.st_size > max)
        return TC_ETOOBIG;
    *out = (size_t)status.st_size;
    return 0;
}

/* Up to `size` bytes; returns how many there were. */
static ssize_t read_up_to(int fd, char *out, size_t size) {
    size_t len = 0;
    while (len < size) {
        ssize_t n = tc__file_sys.read(fd, out + len, size - len);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        len += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)len;
}

int tc__file_read(const char *path, size_t max, tc_bytes_t *out) {
    int fd = open_retrying(path, O_RDONLY | O_NONBLOCK); /* a pipe without a writer would never open */
    if (fd < 0)
        return fd;
    size_t size = 0;
    int err = size_of_file(fd, max, &size);
    char *data = err == 0 ? tc__malloc(size) : NULL;
    if (err == 0 && !data)
        err = TC_ENOMEM;
    ssize_t len = err == 0 ? read_up_to(fd, data, size) : err;
    tc__file_close(fd);
    if (len < 0) {
        tc__free(data);
        return (int)len;
    }
    *out = tc_bytes(data, (size_t)len);
    return 0;
}

/* The system, the file system, or a filter of system calls does not know that way of renaming. */
static bool cannot_rename_new(int err) {
    return err == ENOSYS || err == EINVAL || err == EPERM;
}

int tc__file_move(const char *from, const char *to) {
    if (tc__file_sys.rename_new(from, to) == 0)
        return 0;
    if (!cannot_rename_new(errno))
        return -errno;
    if (tc__file_sys.link(from, to) < 0)
        return -errno;
    if (tc__file_sys.unlink(from) == 0)
        return 0;
    int err = -errno;
    tc__file_sys.unlink(to);
    return err;
}

int tc__file_sync_directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    char *dir = tc__strndup(slash ? path : ".", slash && slash > path ? (size_t)(slash - path) : 1);
    if (!dir)
        return TC_ENOMEM;
    int fd = open_retrying(dir, O_RDONLY | O_DIRECTORY);
    tc__free(dir);
    if (fd < 0)
        return fd;
    int err = tc__file_sync(fd);
    tc__file_close(fd);
    return err;
}
