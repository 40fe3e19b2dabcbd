/*
 * file_beneath.c - files beneath a directory, and nothing else.
 *
 * That a name stays beneath its root is not checked, for what is checked may be another when it is opened: it is built
 * in. Where the kernel has openat2 (Linux 5.6) it resolves the whole name in one step that cannot leave the root, and
 * links that stay within it are followed. Elsewhere, and where a filter of system calls does not know it, the name is
 * walked part by part, each opened in the directory that was opened before it and none of them by a link: then a link
 * is refused wherever it leads, and so is "..".
 */
#define _FILE_OFFSET_BITS 64
#include "util/file_calls_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

enum {
    READ = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, /* a FIFO without a writer opens at once */
    STEP = O_PATH | O_DIRECTORY | O_CLOEXEC,
    RACES = 16 /* a directory that moved while ".." of a link was resolved: the kernel wants it tried again */
};

int tc__file_open_root(const char *path) {
    int fd;
    do
        fd = tc__file_sys.open(path, STEP, 0);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static int open_at(int dir, const char *part, int flags) {
    int fd;
    if (strcmp(part, "..") == 0)
        return -EXDEV;
    do
        fd = tc__file_sys.openat(dir, part, flags | O_NOFOLLOW);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* The parts of `name`, which is cut up. */
static int walk(int root, char *name) {
    int dir = root;
    for (;;) {
        char *slash = strchr(name, '/');
        if (!slash)
            break;
        *slash = '\0';
        int next = open_at(dir, name, STEP);
        if (dir != root)
            tc__file_close(dir);
        if (next < 0)
            return next;
        dir = next;
        name = slash + 1;
    }
    int fd = open_at(dir, *name ? name : ".", READ);
    if (dir != root)
        tc__file_close(dir);
    return fd;
}

/* Not here, or not known to a filter of system calls. */
static bool is_missing(int err) {
    return err == ENOSYS || err == EPERM;
}

int tc__file_open_beneath(int root, const char *name) {
    for (int i = 0;; i++) {
        int fd = tc__file_sys.open_beneath(root, *name ? name : ".", READ);
        if (fd >= 0)
            return fd;
        if (is_missing(errno))
            break;
        if (errno != EINTR && (errno != EAGAIN || i == RACES))
            return -errno;
    }
    char parts[PATH_MAX];
    size_t len = strlen(name);
    if (len >= sizeof parts)
        return -ENAMETOOLONG;
    memcpy(parts, name, len + 1);
    return walk(root, parts);
}
