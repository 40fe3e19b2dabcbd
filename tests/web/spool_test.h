/* spool_test.h - a directory per test for the files of its requests, system calls of files that fail, and a look at
 * what is left. */
#ifndef SPOOL_TEST_H
#define SPOOL_TEST_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file_calls_internal.h"
#include "web/web_test.h"

static char dir[64];
static tc__file_sys_t real_calls;
static int descriptors;

static inline int count_entries(const char *path) {
    DIR *opened = opendir(path);
    int count = -2; /* "." and ".." */
    while (opened && readdir(opened))
        count++;
    closedir(opened);
    return count;
}

/* An application that spools to the directory. */
static inline int begin_spool(void **state) {
    tc_ioloop_t *loop;
    real_calls = tc__file_sys;
    if (tc_ioloop_new(&loop) < 0)
        return -1;
    tc_ioloop_free(loop); /* the first one of a process opens descriptors that stay */
    strcpy(dir, "/tmp/tornadoc-test-XXXXXX");
    descriptors = count_entries("/proc/self/fd");
    if (!mkdtemp(dir) || begin_web(state) < 0)
        return -1;
    use_options(&(tc_application_options_t){ .spool_dir = dir });
    return 0;
}

/* Nothing is in the directory, and no descriptor is open that was not before. */
static inline int end_spool(void **state) {
    stop_serving(); /* ends the threads that use the table */
    tc__file_sys = real_calls;
    int failed = 0, files = count_entries(dir), more = count_entries("/proc/self/fd") - descriptors;
    if (files != 0 || more != 0) {
        print_error("left: %d files, %d descriptors\n", files, more);
        failed = -1;
    }
    rmdir(dir);
    return end_web(state) < 0 ? -1 : failed;
}

#define SPOOL_TEST(test) cmocka_unit_test_setup_teardown(test, begin_spool, end_spool)

static inline const char *in_dir(const char *name) {
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static inline const char *content_of(const char *path) {
    static char text[300];
    int fd = open(path, O_RDONLY);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    return len < 0 ? "(no file)" : text;
}

/* ---- System calls that fail ---- */

static inline ssize_t full_disk(int fd, const void *data, size_t len, uint64_t at) {
    (void)fd, (void)data, (void)len, (void)at;
    errno = ENOSPC;
    return -1;
}

static inline ssize_t bad_disk(int fd, const void *data, size_t len, uint64_t at) {
    (void)fd, (void)data, (void)len, (void)at;
    errno = EIO;
    return -1;
}

static inline int no_access(const char *path, int flags, mode_t mode) {
    (void)path, (void)flags, (void)mode;
    errno = EACCES;
    return -1;
}

#endif
