/* spool_file_test.c - files written off the loop: what is in them, where they go, how they fail, and that nothing of
 * them is left. Each test has a directory of its own, and leaves no descriptor and no file but those it looked for. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async/async_test.h"
#include "util/file_calls_internal.h"
#include "web/spool_file_internal.h"

static char dir[64];
static tc__file_sys_t real;
static int descriptors;

/* ---- A directory per test ---- */

static int count_entries(const char *path) {
    DIR *opened = opendir(path);
    int count = -2; /* "." and ".." */
    while (opened && readdir(opened))
        count++;
    closedir(opened);
    return count;
}

static const char *in_dir(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int begin(void **state) {
    tc__file_sys = real;
    strcpy(dir, "/tmp/tornadoc-spool-test-XXXXXX");
    if (!mkdtemp(dir) || with_loop(state) < 0)
        return -1;
    descriptors = count_entries("/proc/self/fd");
    return 0;
}

static void settle(tc_ioloop_t *loop) {
    while (tc__ioloop_has_jobs(loop))
        tc__ioloop_turn(loop, true);
    tc__ioloop_turn(loop, false);
}

static int finish(void **state) {
    int failed = 0;
    settle(*state); /* no worker uses the table any more */
    tc__file_sys = real;
    if (count_entries("/proc/self/fd") != descriptors || count_entries(dir) != 0) {
        print_error("left: %d descriptors, %d files\n", count_entries("/proc/self/fd") - descriptors,
                    count_entries(dir));
        failed = -1;
    }
    rmdir(dir);
    return free_loop(state) < 0 ? -1 : failed;
}
#define TEST_SPOOL(test) cmocka_unit_test_setup_teardown(test, begin, finish)

/* ---- Doing things to files ---- */

static tc__spool_file_t *new_file(void **state) {
    tc__spool_file_t *file = tc__spool_file_new(*state, dir);
    assert_non_null(file);
    return file;
}

static int wait_for(tc_ioloop_t *loop, tc_future_t *future) {
    if (!future)
        return TC_ENOMEM;
    while (tc_future_state(future) == TC_PENDING)
        tc__ioloop_turn(loop, true);
    int status = tc_future_status(future);
    tc_future_unref(future);
    return status;
}

static int append(tc__spool_file_t *file, const char *text) {
    return tc__spool_file_append(file, tc_str(text));
}

static int flush(void **state, tc__spool_file_t *file) {
    return wait_for(*state, tc__spool_file_flush(file, TC__SPOOL_MORE));
}

/* A file that is complete. */
static tc__spool_file_t *file_with(void **state, const char *text) {
    tc__spool_file_t *file = new_file(state);
    assert_int_equal(append(file, text), 0);
    assert_int_equal(wait_for(*state, tc__spool_file_flush(file, TC__SPOOL_LAST)), 0);
    return file;
}

static const char *content_of(const char *path) {
    static char text[200];
    int fd = open(path, O_RDONLY);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len < 0)
        return "(no file)";
    text[len] = '\0';
    return text;
}

static int keep(void **state, tc__spool_file_t *file, const char *path) {
    return wait_for(*state, tc__spool_file_keep(file, path, false));
}

/* ---- Writing ---- */

static void what_is_appended_is_in_the_file_once_it_is_flushed(void **state) {
    char text[20];
    tc__spool_file_t *file = new_file(state);
    append(file, "one ");
    append(file, "two ");
    assert_int_equal(count_entries(dir), 0); /* nothing so far */
    assert_int_equal(tc__spool_file_fd(file), -1);
    assert_null(tc__spool_file_path(file));
    assert_int_equal(flush(state, file), 0);
    append(file, "three");
    assert_int_equal(flush(state, file), 0);
    assert_int_equal(tc__spool_file_size(file), 13);
    assert_string_equal(content_of(tc__spool_file_path(file)), "one two three");
    assert_int_equal(read(tc__spool_file_fd(file), text, sizeof text), 13); /* from its beginning */
    tc__spool_file_free(file);
}

static void an_empty_file_is_a_file(void **state) {
    tc__spool_file_t *file = new_file(state);
    assert_int_equal(flush(state, file), 0);
    assert_string_equal(content_of(tc__spool_file_path(file)), "");
    tc__spool_file_free(file);
}

static void its_name_cannot_be_guessed_and_others_cannot_read_it(void **state) {
    tc__spool_file_t *file = file_with(state, "x"), *other = file_with(state, "x");
    const char *path = tc__spool_file_path(file), *digits = strrchr(path, '-') + 1;
    struct stat info;
    assert_memory_equal(path, dir, strlen(dir));
    assert_memory_equal(path + strlen(dir), "/tornadoc-", 10);
    assert_int_equal(strlen(digits), 32);
    assert_int_equal(strspn(digits, "0123456789abcdef"), 32);
    assert_string_not_equal(path, tc__spool_file_path(other));
    assert_int_equal(fstat(tc__spool_file_fd(file), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_true(fcntl(tc__spool_file_fd(file), F_GETFD) & FD_CLOEXEC);
    tc__spool_file_free(file);
    tc__spool_file_free(other);
}

static void it_is_full_when_there_is_enough_to_write(void **state) {
    static char bytes[TC__SPOOL_GATHER];
    tc__spool_file_t *file = new_file(state);
    assert_int_equal(tc__spool_file_append(file, tc_bytes(bytes, sizeof bytes - 1)), 0);
    assert_false(tc__spool_file_full(file));
    assert_int_equal(tc__spool_file_append(file, tc_bytes(bytes, 1)), 0);
    assert_true(tc__spool_file_full(file));
    assert_int_equal(flush(state, file), 0);
    assert_false(tc__spool_file_full(file));
    tc__spool_file_free(file);
}

static int same_name(void *data, size_t len) {
    memset(data, 0xab, len);
    return 0;
}

static void a_name_that_is_taken_is_never_opened(void **state) {
    tc__file_sys.random = same_name;
    const char *path = in_dir("tornadoc-abababababababababababababababab");
    assert_int_equal(symlink("/etc/hostname", path), 0);
    tc__spool_file_t *file = new_file(state);
    append(file, "x");
    assert_int_equal(flush(state, file), -EEXIST);
    tc__spool_file_free(file);
    settle(*state);
    assert_int_equal(unlink(path), 0); /* it is still there */
}

static ssize_t writes_three_bytes(int fd, const void *data, size_t len, uint64_t at) {
    return real.pwrite(fd, data, len < 3 ? len : 3, at);
}

static void short_writes_go_on(void **state) {
    tc__file_sys.pwrite = writes_three_bytes;
    tc__spool_file_t *file = file_with(state, "in pieces of three");
    assert_string_equal(content_of(tc__spool_file_path(file)), "in pieces of three");
    tc__spool_file_free(file);
}

static ssize_t is_interrupted(int fd, const void *data, size_t len, uint64_t at) {
    tc__file_sys.pwrite = real.pwrite;
    (void)fd, (void)data, (void)len, (void)at;
    errno = EINTR;
    return -1;
}

static void an_interrupted_write_is_tried_again(void **state) {
    tc__file_sys.pwrite = is_interrupted;
    tc__spool_file_t *file = file_with(state, "text");
    assert_string_equal(content_of(tc__spool_file_path(file)), "text");
    tc__spool_file_free(file);
}

/* ---- Keeping ---- */

static void a_file_that_is_kept_stays_under_its_new_name(void **state) {
    tc__spool_file_t *file = file_with(state, "text");
    char path[200];
    strcpy(path, in_dir("kept"));
    assert_int_equal(keep(state, file, path), 0);
    assert_string_equal(tc__spool_file_path(file), path);
    assert_true(tc__spool_file_fd(file) >= 0);
    assert_int_equal(keep(state, file, in_dir("again")), TC_EALREADY);
    tc__spool_file_free(file);
    settle(*state);
    assert_int_equal(count_entries(dir), 1);
    assert_string_equal(content_of(path), "text");
    unlink(path);
}

static void nothing_is_overwritten_and_another_name_may_be_tried(void **state) {
    char taken[200], dangling[200], kept[200];
    strcpy(taken, in_dir("taken"));
    strcpy(dangling, in_dir("dangling"));
    strcpy(kept, in_dir("kept"));
    close(open(taken, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(symlink("nowhere", dangling), 0);
    tc__spool_file_t *file = file_with(state, "text");
    assert_int_equal(keep(state, file, taken), -EEXIST);
    assert_int_equal(keep(state, file, dangling), -EEXIST);
    assert_int_equal(keep(state, file, "/nowhere/at/all"), -ENOENT);
    assert_int_equal(keep(state, file, kept), 0);
    tc__spool_file_free(file);
    settle(*state);
    assert_string_equal(content_of(taken), "");
    assert_string_equal(content_of(kept), "text");
    assert_int_equal(count_entries(dir), 3);
    unlink(taken);
    unlink(dangling);
    unlink(kept);
}

static int no_rename(const char *from, const char *to) {
    (void)from, (void)to;
    errno = ENOSYS;
    return -1;
}

static void where_renaming_could_overwrite_it_is_linked(void **state) {
    tc__file_sys.rename_new = no_rename;
    char taken[200], kept[200];
    strcpy(taken, in_dir("taken"));
    strcpy(kept, in_dir("kept"));
    close(open(taken, O_CREAT | O_WRONLY, 0600));
    tc__spool_file_t *file = file_with(state, "text");
    assert_int_equal(keep(state, file, taken), -EEXIST);
    assert_int_equal(keep(state, file, kept), 0);
    tc__spool_file_free(file);
    settle(*state);
    assert_string_equal(content_of(taken), "");
    assert_string_equal(content_of(kept), "text");
    assert_int_equal(count_entries(dir), 2);
    unlink(taken);
    unlink(kept);
}

static int cannot_unlink(const char *path) {
    tc__file_sys.unlink = real.unlink;
    (void)path;
    errno = EIO;
    return -1;
}

static void a_link_without_the_end_of_the_first_name_is_taken_back(void **state) {
    tc__spool_file_t *file = file_with(state, "text");
    tc__file_sys.rename_new = no_rename;
    tc__file_sys.unlink = cannot_unlink;
    assert_int_equal(keep(state, file, in_dir("kept")), -EIO);
    assert_int_equal(count_entries(dir), 1);
    tc__spool_file_free(file);
}

static int crosses(const char *from, const char *to) {
    (void)from, (void)to;
    errno = EXDEV;
    return -1;
}

static void another_file_system_is_told(void **state) {
    tc__spool_file_t *file = file_with(state, "text");
    tc__file_sys.rename_new = crosses;
    assert_int_equal(keep(state, file, "x"), -EXDEV);
    tc__spool_file_free(file);
}

static int cannot_sync(int fd) {
    (void)fd;
    errno = EIO;
    return -1;
}

static atomic_int syncs;
static int counts_fsync(int fd) {
    atomic_fetch_add(&syncs, 1);
    return real.fsync(fd);
}

static void a_file_may_be_kept_for_good(void **state) {
    tc__spool_file_t *file = file_with(state, "text");
    tc__file_sys.fsync = counts_fsync;
    assert_int_equal(wait_for(*state, tc__spool_file_keep(file, in_dir("kept"), true)), 0);
    assert_int_equal(atomic_load(&syncs), 2); /* the file, and its name */
    tc__spool_file_free(file);
    settle(*state);
    unlink(in_dir("kept"));
}

static void what_was_never_written_is_when_it_is_kept(void **state) {
    tc__spool_file_t *file = new_file(state);
    append(file, "text");
    assert_int_equal(keep(state, file, "/nowhere/at/all"), -ENOENT);
    assert_int_equal(keep(state, file, in_dir("kept")), 0);
    assert_int_equal(tc__spool_file_fd(file), -1);
    tc__spool_file_free(file);
    settle(*state);
    assert_string_equal(content_of(in_dir("kept")), "text");
    unlink(in_dir("kept"));
}

/* A closed file, for there may be many. */
static tc__spool_file_t *closed_file_with(void **state, const char *text) {
    tc__spool_file_t *file = new_file(state);
    append(file, text);
    assert_int_equal(wait_for(*state, tc__spool_file_flush(file, TC__SPOOL_CLOSE)), 0);
    assert_int_equal(tc__spool_file_fd(file), -1);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    assert_string_equal(content_of(tc__spool_file_path(file)), text);
    return file;
}

static void a_closed_file_is_removed_or_kept_like_any_other(void **state) {
    tc__spool_file_free(closed_file_with(state, "text"));
    settle(*state);
    assert_int_equal(count_entries(dir), 0);
    tc__spool_file_t *file = closed_file_with(state, "text");
    assert_int_equal(wait_for(*state, tc__spool_file_keep(file, in_dir("kept"), true)), 0);
    tc__spool_file_free(file);
    settle(*state);
    assert_string_equal(content_of(in_dir("kept")), "text");
    unlink(in_dir("kept"));
}

static int fails_to_close(int fd) {
    tc__file_sys.close = real.close;
    real.close(fd);
    errno = EDQUOT;
    return -1;
}

static void a_write_that_fails_when_the_file_is_closed_is_told(void **state) {
    tc__spool_file_t *file = new_file(state);
    append(file, "text");
    tc__file_sys.close = fails_to_close;
    assert_int_equal(wait_for(*state, tc__spool_file_flush(file, TC__SPOOL_CLOSE)), -EDQUOT);
    assert_int_equal(keep(state, file, in_dir("kept")), -EDQUOT);
    tc__spool_file_free(file);
}

/* ---- Failures ---- */

static int failing_random(void *data, size_t len) {
    (void)data, (void)len;
    errno = ENOSYS;
    return -1;
}
static int failing_open(const char *path, int flags, mode_t mode) {
    (void)path, (void)flags, (void)mode;
    errno = EACCES;
    return -1;
}
static ssize_t failing_pwrite(int fd, const void *data, size_t len, uint64_t at) {
    (void)fd, (void)data, (void)len, (void)at;
    errno = ENOSPC;
    return -1;
}
static ssize_t writes_nothing(int fd, const void *data, size_t len, uint64_t at) {
    (void)fd, (void)data, (void)len, (void)at;
    return 0;
}
static ssize_t fills_the_disk(int fd, const void *data, size_t len, uint64_t at) {
    tc__file_sys.pwrite = failing_pwrite;
    return real.pwrite(fd, data, len / 2, at);
}

/* Flushing fails, and goes on to fail; the words say why. */
static void assert_fails(void **state, tc__spool_file_t *file, int err, const char *words) {
    append(file, "some text");
    tc_future_t *future = tc_future_ref(tc__spool_file_flush(file, TC__SPOOL_MORE));
    assert_int_equal(wait_for(*state, future), err);
    assert_non_null(strstr(tc_future_message(future), words));
    tc_future_unref(future);
    assert_int_equal(append(file, "x"), err);
    assert_int_equal(flush(state, file), err);
    assert_int_equal(keep(state, file, in_dir("kept")), err);
    assert_int_equal(tc__spool_file_fd(file), -1);
    tc__spool_file_free(file);
}

static void each_system_call_may_fail(void **state) {
    static const struct {
        tc__file_sys_t calls;
        int err;
        const char *words;
    } failures[] = {
        { { .random = failing_random }, -ENOSYS, "cannot make a file in /tmp/tornadoc-spool-test-" },
        { { .open = failing_open }, -EACCES, "cannot make a file in /tmp/tornadoc-spool-test-" },
        { { .pwrite = failing_pwrite }, -ENOSPC, "no space left on device" },
        { { .pwrite = fills_the_disk }, -ENOSPC, "cannot write to /tmp/tornadoc-spool-test-" },
        { { .pwrite = writes_nothing }, -EIO, "i/o error" },
    };
    for (size_t i = 0; i < COUNT(failures); i++) {
        tc__file_sys = real;
        if (failures[i].calls.random)
            tc__file_sys.random = failures[i].calls.random;
        if (failures[i].calls.open)
            tc__file_sys.open = failures[i].calls.open;
        if (failures[i].calls.pwrite)
            tc__file_sys.pwrite = failures[i].calls.pwrite;
        assert_fails(state, new_file(state), failures[i].err, failures[i].words);
        settle(*state);
        assert_int_equal(count_entries(dir), 0);
    }
    assert_true(tc__spool_file_no_room(-ENOSPC));
    assert_false(tc__spool_file_no_room(-EACCES));
}

static void a_missing_directory_is_told(void **state) {
    tc__spool_file_t *file = tc__spool_file_new(*state, "/nowhere/at all\n");
    assert_fails(state, file, TC_ENOENT, "cannot make a file in /nowhere/at all\n: no such file");
}

static void syncing_may_fail_and_the_file_is_removed_in_the_end(void **state) {
    tc__spool_file_t *file = file_with(state, "text");
    tc__file_sys.fsync = cannot_sync;
    assert_int_equal(wait_for(*state, tc__spool_file_keep(file, in_dir("kept"), true)), -EIO);
    assert_int_equal(count_entries(dir), 1);
    tc__file_sys = real;
    tc__spool_file_free(file);
}

static int cannot_open_directories(const char *path, int flags, mode_t mode) {
    if (!(flags & O_DIRECTORY))
        return real.open(path, flags, mode);
    errno = EMFILE;
    return -1;
}

static void a_name_that_cannot_be_synced_is_taken_back(void **state) {
    tc__spool_file_t *file = file_with(state, "text");
    tc__file_sys.open = cannot_open_directories;
    assert_int_equal(wait_for(*state, tc__spool_file_keep(file, in_dir("kept"), true)), -EMFILE);
    assert_string_equal(content_of(in_dir("kept")), "(no file)");
    tc__file_sys = real;
    assert_int_equal(wait_for(*state, tc__spool_file_keep(file, in_dir("kept"), true)), 0);
    tc__spool_file_free(file);
    settle(*state);
    assert_int_equal(unlink(in_dir("kept")), 0);
}

static int never_unlinks(const char *path) {
    (void)path;
    errno = EACCES;
    return -1;
}

static void a_file_that_cannot_be_removed_is_logged(void **state) {
    tc__spool_file_t *file = file_with(state, "text");
    char path[200];
    strcpy(path, tc__spool_file_path(file));
    tc__file_sys.unlink = never_unlinks;
    tc__spool_file_free(file);
    settle(*state);
    assert_logged("permission denied");
    unlink(path);
}

static void a_file_that_somebody_else_removed_is_fine(void **state) {
    tc__spool_file_t *file = file_with(state, "text");
    unlink(tc__spool_file_path(file));
    tc__spool_file_free(file);
}

/* ---- Ends ---- */

static uv_sem_t writing, go_on;

static ssize_t waits_to_write(int fd, const void *data, size_t len, uint64_t at) {
    uv_sem_post(&writing);
    uv_sem_wait(&go_on);
    return real.pwrite(fd, data, len, at);
}

static int begin_slow(void **state) {
    uv_sem_init(&writing, 0);
    uv_sem_init(&go_on, 0);
    int err = begin(state);
    tc__file_sys.pwrite = waits_to_write;
    return err;
}

static int finish_slow(void **state) {
    int err = finish(state);
    uv_sem_destroy(&writing);
    uv_sem_destroy(&go_on);
    return err;
}
#define TEST_SLOW(test) cmocka_unit_test_setup_teardown(test, begin_slow, finish_slow)

static void freed_while_it_is_written_it_goes_when_that_is_over(void **state) {
    tc__spool_file_t *file = new_file(state);
    append(file, "text");
    tc_future_t *future = tc__spool_file_flush(file, TC__SPOOL_MORE);
    assert_int_equal(tc__spool_file_fd(file), -1);
    uv_sem_wait(&writing);
    tc__spool_file_free(file);
    tc__ioloop_turn(*state, false);
    assert_int_equal(tc_future_state(future), TC_PENDING);
    assert_int_equal(count_entries(dir), 1);
    uv_sem_post(&go_on);
    assert_int_equal(wait_for(*state, future), 0);
}

static int blocks(void *arg, void **out) {
    (void)out;
    uv_sem_wait(arg);
    return 0;
}

static void freed_or_cancelled_before_it_is_written_it_is_not_written_at_all(void **state) {
    uv_sem_t idle;
    uv_sem_init(&idle, 0);
    for (int i = 0; i < TC__FILE_THREADS; i++)
        tc_future_unref(tc__run_file_work(*state, blocks, &idle, NULL));
    tc__spool_file_t *file = new_file(state), *other = new_file(state);
    append(file, "text");
    append(other, "text");
    tc_future_t *future = tc__spool_file_flush(file, TC__SPOOL_MORE);
    tc__spool_file_free(file);
    assert_int_equal(wait_for(*state, future), TC_ECANCELED);
    future = tc__spool_file_flush(other, TC__SPOOL_MORE);
    tc_future_cancel(future);
    assert_int_equal(wait_for(*state, future), TC_ECANCELED);
    assert_int_equal(flush(state, other), TC_ECANCELED);
    tc__spool_file_free(other);
    for (int i = 0; i < TC__FILE_THREADS; i++)
        uv_sem_post(&idle);
    settle(*state);
    uv_sem_destroy(&idle);
}

static tc__spool_file_t *owned;

/* Near the end of a loop's end, when it has told all who waited. */
static void free_owned_and_go_on(void *data) {
    (void)data;
    tc__spool_file_free(owned);
    uv_sem_post(&go_on);
}

/* Then the worker, who is still writing, closes and removes. */
static void end_loop_while_writing(void **state, bool owner_leaves_first) {
    tc__spool_file_t *file = new_file(state);
    append(file, "text");
    tc_future_t *future = tc__spool_file_flush(file, TC__SPOOL_LAST);
    uv_sem_wait(&writing);
    if (owner_leaves_first)
        tc__spool_file_free(file);
    owned = owner_leaves_first ? NULL : file;
    tc_ioloop_set_data(*state, file, free_owned_and_go_on);
    tc_ioloop_free(*state); /* waits for the worker */
    assert_int_equal(tc_future_status(future), TC_ECANCELED);
    tc_future_unref(future);
    assert_int_equal(count_entries(dir), 0);
    assert_int_equal(with_loop(state), 0);
}

static void a_loop_may_end_while_a_file_is_written(void **state) {
    end_loop_while_writing(state, false);
}

static void a_loop_may_end_while_a_file_is_written_that_nobody_wants(void **state) {
    end_loop_while_writing(state, true);
}

static void free_owned(void *data) {
    (void)data;
    tc__spool_file_free(owned);
}

static void a_file_may_outlive_its_loops_last_turn(void **state) {
    owned = file_with(state, "text");
    tc_ioloop_set_data(*state, owned, free_owned);
    tc_ioloop_free(*state);
    assert_int_equal(count_entries(dir), 0);
    assert_int_equal(with_loop(state), 0);
}

static int waits_to_move(const char *from, const char *to) {
    uv_sem_post(&writing);
    uv_sem_wait(&go_on);
    return real.rename_new(from, to);
}

static void while_it_is_kept_it_cannot_be_kept_again_and_may_be_freed(void **state) {
    tc__file_sys = real;
    tc__spool_file_t *file = file_with(state, "text");
    tc__file_sys.rename_new = waits_to_move;
    tc_future_t *future = tc__spool_file_keep(file, in_dir("kept"), false);
    uv_sem_wait(&writing);
    assert_int_equal(keep(state, file, in_dir("other")), TC_EBUSY);
    tc__spool_file_free(file);
    uv_sem_post(&go_on);
    assert_int_equal(wait_for(*state, future), 0);
    settle(*state);
    assert_string_equal(content_of(in_dir("kept")), "text");
    unlink(in_dir("kept"));
}

/* ---- Memory ---- */

static void spool_and_keep(void **state) {
    tc__spool_file_t *file = tc__spool_file_new(*state, dir);
    if (!file)
        return;
    if (append(file, "text") == 0 && flush(state, file) == 0 && keep(state, file, "/nowhere/at/all") < 0)
        keep(state, file, in_dir("kept"));
    tc__spool_file_free(file);
}

static void each_allocation_may_fail(void **state) {
    for (int for_good = 0; for_good < 2; for_good++) {
        bool complete = false;
        for (long nth = 1; !complete; nth++) {
            long live = atomic_load(&memory.live);
            settle(*state);
            fail_allocation(nth, for_good);
            spool_and_keep(state);
            settle(*state);
            complete = atomic_load(&memory.calls) < nth;
            allow_allocations();
            if (complete)
                assert_string_equal(content_of(in_dir("kept")), "text");
            unlink(in_dir("kept"));
            assert_int_equal(count_entries(dir), 0);
            assert_true(atomic_load(&memory.live) >= live); /* the executor may have been made */
            assert_true(nth < 200);
        }
    }
}

int main(void) {
    real = tc__file_sys;
    const struct CMUnitTest tests[] = {
        TEST_SPOOL(what_is_appended_is_in_the_file_once_it_is_flushed),
        TEST_SPOOL(an_empty_file_is_a_file),
        TEST_SPOOL(its_name_cannot_be_guessed_and_others_cannot_read_it),
        TEST_SPOOL(it_is_full_when_there_is_enough_to_write),
        TEST_SPOOL(a_name_that_is_taken_is_never_opened),
        TEST_SPOOL(short_writes_go_on),
        TEST_SPOOL(an_interrupted_write_is_tried_again),
        TEST_SPOOL(a_file_that_is_kept_stays_under_its_new_name),
        TEST_SPOOL(nothing_is_overwritten_and_another_name_may_be_tried),
        TEST_SPOOL(where_renaming_could_overwrite_it_is_linked),
        TEST_SPOOL(a_link_without_the_end_of_the_first_name_is_taken_back),
        TEST_SPOOL(another_file_system_is_told),
        TEST_SPOOL(a_file_may_be_kept_for_good),
        TEST_SPOOL(what_was_never_written_is_when_it_is_kept),
        TEST_SPOOL(a_closed_file_is_removed_or_kept_like_any_other),
        TEST_SPOOL(a_write_that_fails_when_the_file_is_closed_is_told),
        TEST_SPOOL(each_system_call_may_fail),
        TEST_SPOOL(a_missing_directory_is_told),
        TEST_SPOOL(syncing_may_fail_and_the_file_is_removed_in_the_end),
        TEST_SPOOL(a_name_that_cannot_be_synced_is_taken_back),
        TEST_SPOOL(a_file_that_cannot_be_removed_is_logged),
        TEST_SPOOL(a_file_that_somebody_else_removed_is_fine),
        TEST_SLOW(freed_while_it_is_written_it_goes_when_that_is_over),
        TEST_SLOW(freed_or_cancelled_before_it_is_written_it_is_not_written_at_all),
        TEST_SLOW(a_loop_may_end_while_a_file_is_written),
        TEST_SLOW(a_loop_may_end_while_a_file_is_written_that_nobody_wants),
        TEST_SPOOL(a_file_may_outlive_its_loops_last_turn),
        TEST_SLOW(while_it_is_kept_it_cannot_be_kept_again_and_may_be_freed),
        TEST_SPOOL(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
