/*
 * iostream_file_test.c - pieces of files among what a stream writes: on every transport, with a system that cannot,
 * with files that change while they are sent, and with each allocation and system call failing.
 */
#include "net/net_test.h"
#include "util/file_calls_internal.h"
#include "util/util_test.h"

enum { FILE_LEN = 300 * 1000 };

static char content[FILE_LEN + 1];
static int file = -1, frees;
static tc__sys_t real;
static tc__file_sys_t real_files;
static tc_iostream_t *pair[2];

static void count_free(void *owner) {
    (void)owner;
    frees++;
}

static int begin(void **state) {
    char path[] = "/tmp/tornadoc-file-XXXXXX";
    real = tc__sys;
    real_files = tc__file_sys;
    frees = 0;
    file = mkstemp(path);
    unlink(path);
    for (size_t i = 0; i < FILE_LEN; i++)
        content[i] = (char)('!' + i % 89);
    return file < 0 || write(file, content, FILE_LEN) != FILE_LEN ? -1 : setup(state);
}

static int end(void **state) {
    close(file);
    tc__sys = real;
    tc__file_sys = real_files;
    return teardown(state);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

static int send_piece(tc_iostream_t *stream, uint64_t offset, size_t len) {
    return tc__iostream_send_file(stream, &(tc__file_piece_t){ file, offset, len, count_free, NULL });
}

static void write_text(tc_iostream_t *stream, const char *text) {
    tc_iostream_write(stream, tc_str(text), NULL, NULL);
}

/* All that the peer gets until the end. */
static void read_all(tc_iostream_t *stream, seen_t *seen) {
    assert_int_equal(tc_iostream_read_until_close(stream, on_read, seen), 0);
}

static void end_pair(void) {
    tc_iostream_close(pair[0]);
    tc_iostream_close(pair[1]);
    settle();
}

static bool is_content(const seen_t *seen, const char *before, uint64_t offset, size_t len, const char *after) {
    size_t head = strlen(before), tail = strlen(after);
    return seen->len == head + len + tail && memcmp(seen->data, before, head) == 0 &&
           memcmp(seen->data + head, content + offset, len) == 0 && memcmp(seen->data + head + len, after, tail) == 0;
}

static void goes_between_what_is_written(transport_t transport, bool corked) {
    seen_t seen = { 0 };
    frees = 0;
    stream_pair(transport, pair, NULL);
    read_all(pair[1], &seen);
    if (corked)
        tc__iostream_cork(pair[0]);
    write_text(pair[0], "before ");
    assert_int_equal(send_piece(pair[0], 1, FILE_LEN - 2), 0);
    write_text(pair[0], " after ");
    assert_int_equal(send_piece(pair[0], 5, 3), 0);
    tc_iostream_shutdown(pair[0]);
    if (corked)
        tc__iostream_uncork(pair[0]);
    until(seen.calls > 0);
    char after[16];
    snprintf(after, sizeof after, " after %.3s", content + 5);
    assert_int_equal(seen.err, 0);
    assert_true(is_content(&seen, "before ", 1, FILE_LEN - 2, after));
    assert_int_equal(frees, 2);
    forget(&seen);
    end_pair();
}

static void a_file_goes_between_what_is_written_before_and_after(void **state) {
    (void)state;
    for (int transport = 0; transport < TRANSPORTS; transport++)
        for (int corked = 0; corked < 2; corked++)
            goes_between_what_is_written((transport_t)transport, corked);
}

static ssize_t not_of_this_file_system(int fd, int from, uint64_t offset, size_t len) {
    (void)fd, (void)from, (void)offset, (void)len;
    errno = EINVAL;
    return -1;
}

static void a_file_that_the_system_cannot_send_is_read(void **state) {
    (void)state;
    tc__sys.sendfile = not_of_this_file_system;
    goes_between_what_is_written(TCP_SOCKET, false);
    goes_between_what_is_written(UNIX_SOCKET, true);
}

#ifndef NET_TEST_TLS /* there, no file is sent by the system */

static size_t largest_burst;
static int bursts;
static ssize_t measured(int fd, int from, uint64_t offset, size_t len) {
    largest_burst = len > largest_burst ? len : largest_burst;
    bursts++;
    return real.sendfile(fd, from, offset, len);
}

static void a_file_goes_in_bursts_with_a_turn_of_the_loop_between_them(void **state) {
    (void)state;
    tc__sys.sendfile = measured;
    largest_burst = 0;
    bursts = 0;
    stream_pair(TCP_SOCKET, pair, NULL);
    assert_int_equal(send_piece(pair[0], 0, FILE_LEN), 0);
    assert_int_equal(bursts, 1);
    assert_int_equal(largest_burst, TC__FILE_BURST);
    assert_true(tc_iostream_writing(pair[0]));
    end_pair();
    assert_int_equal(frees, 1); /* given up */
}

#endif

static void a_file_that_grows_sends_what_was_announced(void **state) {
    (void)state;
    seen_t seen = { 0 };
    stream_pair(UNIX_SOCKET, pair, NULL);
    assert_int_equal(send_piece(pair[0], 0, FILE_LEN), 0);
    assert_int_equal(pwrite(file, "more", 4, FILE_LEN), 4);
    tc_iostream_shutdown(pair[0]);
    read_all(pair[1], &seen);
    until(seen.calls > 0);
    assert_true(is_content(&seen, "", 0, FILE_LEN, ""));
    forget(&seen);
    end_pair();
}

static void a_file_that_shrinks_resets_the_connection(void **state) {
    (void)state;
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        seen_t seen = { 0 }, closed = { 0 };
        stream_pair((transport_t)transport, pair, NULL);
        tc_iostream_set_close_callback(pair[0], on_closed, &closed);
        assert_int_equal(send_piece(pair[0], 0, FILE_LEN), 0);
        assert_int_equal(ftruncate(file, FILE_LEN / 2), 0);
        read_all(pair[1], &seen);
        until(seen.calls > 0 && closed.calls > 0);
        assert_int_equal(closed.err, -EIO);
        assert_true(transport == UNIX_SOCKET || seen.err < 0); /* a unix socket knows no reset */
        assert_true(seen.len < FILE_LEN); /* what was read before it shrank may be all of a burst */
        if (transport == 0)
            assert_string_equal(last_line, "a file became shorter while it was sent: the connection is cut");
        forget(&seen);
        forget(&closed);
        end_pair();
        assert_int_equal(frees, transport + 1);
        assert_int_equal(pwrite(file, content, FILE_LEN, 0), FILE_LEN);
    }
    log_lines = 0; /* their rate is limited */
}

static void a_peer_that_leaves_ends_it_without_a_signal(void **state) {
    (void)state;
    struct sigaction deadly = { .sa_handler = SIG_DFL }, before;
    sigaction(SIGPIPE, &deadly, &before);
    int peer;
    seen_t closed = { 0 };
    pair[0] = stream_and_peer(UNIX_SOCKET, &peer, NULL);
    close(peer);
    assert_int_equal(tc__send_file(tc__iostream_fd(pair[0]), file, 0, 10), -EPIPE);
    tc_iostream_set_close_callback(pair[0], on_closed, &closed);
    send_piece(pair[0], 0, FILE_LEN);
    until(closed.calls > 0);
    assert_int_equal(frees, 1);
    forget(&closed);
    tc_iostream_close(pair[0]);
    settle();
    sigaction(SIGPIPE, &before, NULL);
}

static void a_closed_stream_takes_no_file(void **state) {
    (void)state;
    stream_pair(MEMORY, pair, NULL);
    tc_iostream_shutdown(pair[0]);
    assert_int_equal(send_piece(pair[0], 0, 1), TC_ECLOSED);
    tc_iostream_close(pair[0]);
    assert_int_equal(send_piece(pair[0], 0, 1), TC_ECLOSED);
    assert_int_equal(frees, 2);
    tc_iostream_close(pair[1]);
    settle();
}

#ifndef NET_TEST_TLS /* there, a burst of it is queued as a copy */

static void a_file_leaves_room_for_what_is_written_behind_it(void **state) {
    (void)state;
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        char text[1001];
        seen_t seen = { 0 };
        memset(text, 'x', sizeof text);
        stream_pair((transport_t)transport, pair, &(tc_iostream_options_t){ .max_write_buffer_size = 1000 });
        assert_int_equal(send_piece(pair[0], 0, FILE_LEN), 0);
        if (transport == UNIX_SOCKET) { /* whose pair takes less than a burst, and so has it queued as a file */
            assert_int_equal(tc_iostream_write(pair[0], tc_bytes(text, 1001), NULL, NULL), TC_ETOOBIG);
            assert_int_equal(tc_iostream_write(pair[0], tc_bytes(text, 1000), NULL, NULL), 0);
        }
        tc_iostream_shutdown(pair[0]);
        read_all(pair[1], &seen);
        until(seen.calls > 0);
        assert_int_equal(seen.len, FILE_LEN + (transport == UNIX_SOCKET ? 1000 : 0));
        forget(&seen);
        end_pair();
    }
}

/* ---- Failures ---- */

static int calls, fail_at;

static bool troubled(int err) {
    errno = err;
    return ++calls == fail_at;
}
static ssize_t failing_sendfile(int fd, int from, uint64_t offset, size_t len) {
    return troubled(calls % 2 ? EIO : ECONNRESET) ? -1 : real.sendfile(fd, from, offset, len);
}
static ssize_t interrupted_sendfile(int fd, int from, uint64_t offset, size_t len) {
    return troubled(EINTR) ? -1 : real.sendfile(fd, from, offset, len / 3 + 1);
}
static ssize_t failing_pread(int fd, void *out, size_t len, uint64_t at) {
    return troubled(EIO) ? -1 : real_files.pread(fd, out, len, at);
}
static ssize_t interrupted_pread(int fd, void *out, size_t len, uint64_t at) {
    return troubled(EINTR) ? -1 : real_files.pread(fd, out, len / 3 + 1, at);
}

/* Whether all came. */
static bool try_to_send(transport_t transport) {
    seen_t seen = { 0 }, closed = { 0 };
    frees = 0;
    stream_pair(transport, pair, NULL);
    tc_iostream_set_close_callback(pair[0], on_closed, &closed);
    read_all(pair[1], &seen);
    tc__iostream_cork(pair[0]);
    write_text(pair[0], "before ");
    int err = send_piece(pair[0], 0, FILE_LEN);
    tc__iostream_uncork(pair[0]);
    if (err == 0)
        tc_iostream_shutdown(pair[0]);
    else
        tc_iostream_close(pair[0]);
    until(seen.calls > 0);
    bool whole = is_content(&seen, "before ", 0, FILE_LEN, "");
    if (!whole)
        until(closed.calls > 0);
    end_pair();
    forget(&seen);
    forget(&closed);
    assert_int_equal(frees, 1);
    return whole;
}

static void a_failing_system_call_closes_the_stream_and_an_interrupted_one_does_not(void **state) {
    (void)state;
    for (fail_at = 1; fail_at < 4; fail_at++) {
        calls = 0;
        tc__sys.sendfile = failing_sendfile;
        assert_false(try_to_send(TCP_SOCKET));
        calls = 0;
        tc__sys.sendfile = interrupted_sendfile;
        assert_true(try_to_send(TCP_SOCKET));
        calls = 0;
        tc__file_sys.pread = failing_pread;
        assert_false(try_to_send(MEMORY));
        calls = 0;
        tc__file_sys.pread = interrupted_pread;
        assert_true(try_to_send(MEMORY));
    }
}

#endif

static void each_allocation_may_fail(void **state) {
    (void)state;
    tc__sys.sendfile = not_of_this_file_system;
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        bool complete = false;
        for (long nth = 1; !complete; nth++) {
            seen_t closed = { 0 };
            frees = 0;
            stream_pair((transport_t)transport, pair, NULL);
            tc_iostream_set_close_callback(pair[0], on_closed, &closed);
            seen_t seen = { 0 };
            read_all(pair[1], &seen);
            fail_allocation(nth, false);
            tc__iostream_cork(pair[0]);
            write_text(pair[0], "before ");
            int err = send_piece(pair[0], 0, FILE_LEN);
            tc__iostream_uncork(pair[0]);
            if (err == 0)
                tc_iostream_shutdown(pair[0]);
            for (int i = 0; i < 400 && seen.calls == 0 && closed.calls == 0; i++)
                tc__ioloop_turn(loop, false);
            complete = memory.calls < nth;
            allow_allocations();
            end_pair();
            assert_int_equal(frees, 1);
            forget(&seen);
            forget(&closed);
            assert_true(nth < 100);
        }
    }
}

static int group_setup(void **state) {
    (void)state;
    tc_set_log_callback(count_line, NULL);
    return use_failing_allocator();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FILE_TEST(a_file_goes_between_what_is_written_before_and_after),
        FILE_TEST(a_file_that_the_system_cannot_send_is_read),
#ifndef NET_TEST_TLS
        FILE_TEST(a_file_goes_in_bursts_with_a_turn_of_the_loop_between_them),
        FILE_TEST(a_file_leaves_room_for_what_is_written_behind_it),
        FILE_TEST(a_failing_system_call_closes_the_stream_and_an_interrupted_one_does_not),
#endif
        FILE_TEST(a_file_that_grows_sends_what_was_announced),
        FILE_TEST(a_file_that_shrinks_resets_the_connection),
        FILE_TEST(a_peer_that_leaves_ends_it_without_a_signal),
        FILE_TEST(a_closed_stream_takes_no_file),
        FILE_TEST(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
