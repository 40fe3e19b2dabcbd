/* static_test.h - a folder per test, with files in it, served at /s/; system calls of files that can be replaced. */
#ifndef STATIC_TEST_H
#define STATIC_TEST_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tornadoc/static.h>

#include "util/file_calls_internal.h"
#include "web/web_test.h"

enum { NOON = 784111777 };
#define NOON_TEXT "Sun, 06 Nov 1994 08:49:37 GMT"

static char base[64], folder[96]; /* of a test, and in it what is served */
static tc__file_sys_t real_calls;
static int descriptors;

static inline int count_descriptors(void) {
    DIR *opened = opendir("/proc/self/fd");
    int count = 0;
    while (opened && readdir(opened))
        count++;
    closedir(opened);
    return count;
}

static inline const char *path_of(const char *name) {
    static char paths[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", folder, name);
    return paths[next];
}

static inline void set_time(const char *name, int64_t seconds, long nanoseconds) {
    struct timespec times[2] = { { seconds, nanoseconds }, { seconds, nanoseconds } };
    assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, AT_SYMLINK_NOFOLLOW), 0);
}

static inline void make_bytes(const char *name, tc_bytes_t content) {
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.len), content.len);
    close(fd);
    set_time(name, NOON, 0);
}

static inline void make(const char *name, const char *content) {
    make_bytes(name, tc_str(content));
}

static inline void make_folder(const char *name) {
    assert_int_equal(mkdir(path_of(name), 0755), 0);
}

static inline int begin_static(void **state) {
    tc_ioloop_t *loop;
    real_calls = tc__file_sys;
    if (tc_ioloop_new(&loop) < 0)
        return -1;
    tc_ioloop_free(loop); /* the first one of a process opens descriptors that stay */
    strcpy(base, "/tmp/tornadoc-test-XXXXXX");
    if (!mkdtemp(base))
        return -1;
    snprintf(folder, sizeof folder, "%s/root", base);
    mkdir(folder, 0755);
    descriptors = count_descriptors();
    return begin_web(state);
}

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk) {
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static inline int end_static(void **state) {
    stop_serving(); /* ends the threads that use the table */
    tc__file_sys = real_calls;
    nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    int more = count_descriptors() - descriptors;
    if (more != 0)
        print_error("left: %d descriptors\n", more);
    return end_web(state) < 0 || more != 0 ? -1 : 0;
}

#define STATIC_TEST(test) cmocka_unit_test_setup_teardown(test, begin_static, end_static)

static inline void serve_with(const tc_static_options_t *options) {
    assert_int_equal(tc_router_add_static(tc_application_group(app, "", NULL), "/s/", folder, options), 0);
}

#define OPTIONS(...) (&(tc_static_options_t){ __VA_ARGS__ })

static inline void serve_folder(void) {
    assert_int_equal(tc_application_add_static(app, "/s/", folder), 0);
}

/* ---- Asking ---- */

static const tc_http_response_t *response;

static inline int get_with(const char *path, const char *const *headers) {
    response = tc_test_client_fetch(serve(), path, FETCH(.headers = headers));
    return tc_http_response_status(response);
}

static inline int get(const char *path) {
    return get_with(path, NULL);
}

static inline int head(const char *path) {
    response = tc_test_client_fetch(serve(), path, FETCH(.method = "HEAD"));
    return tc_http_response_status(response);
}

#define GET(path, ...) get_with(path, HEADERS(__VA_ARGS__))

/* Of the last answer. */
static inline const char *field(const char *name) {
    const char *value = tc_http_response_header(response, name);
    return value ? value : "(none)";
}

static inline const char *body(void) {
    return tc_http_response_body(response).data;
}

static inline size_t body_len(void) {
    return tc_http_response_body(response).len;
}

#define assert_field(name, value) assert_string_equal(field(name), value)

/* Time for files to be looked at again. */
static inline void wait_for_recheck(void) {
    tc_test_client_advance(serve(), 1000);
}

#endif
