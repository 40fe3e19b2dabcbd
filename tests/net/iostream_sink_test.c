/* iostream_sink_test.c - a stream as the protocols use it: the sink, the cork, the write queue, events that must not
 * spin. */
#include "net/net_test.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

/* ---- System calls are counted ---- */

static int sends, recvs, changes;
static ssize_t (*real_sendmsg)(int, const struct msghdr *, int);
static ssize_t (*real_recv)(int, void *, size_t, int);

static ssize_t count_sendmsg(int fd, const struct msghdr *message, int flags) {
    sends++;
    return real_sendmsg(fd, message, flags);
}

static ssize_t count_recv(int fd, void *buffer, size_t len, int flags) {
    recvs++;
    return real_recv(fd, buffer, len, flags);
}

/* Nothing is left unread, for which the system would reset by itself. */
static ssize_t fail_recv(int fd, void *buffer, size_t len, int flags) {
    recv(fd, buffer, len, flags);
    errno = ENOMEM;
    return -1;
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event); /* stands before the C library's */
int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event) {
    changes++;
    return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}

/* ---- A sink that notes what it is told, and does as it is asked ---- */

typedef struct {
    char data[65536];
    size_t len;
    int calls, hangups, eofs, drains, closes, err;
    size_t leave;       /* so many bytes of the next call, and pause */
    const char *answer; /* written for each newline */
    bool close_at_newline, pause_always, fail_inside, resume_inside;
    tc_iostream_t *start_inside; /* another stream's first read */
    int calls_after_close;
} sink_t;

static size_t sink_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    sink_t *sink = self;
    sink->calls++;
    sink->calls_after_close += sink->closes;
    size_t used = bytes.len - (sink->leave < bytes.len ? sink->leave : bytes.len);
    if (sink->leave > 0 || sink->pause_always)
        tc__iostream_pause(stream);
    if (sink->leave > 0 && sink->resume_inside)
        tc__iostream_resume(stream);
    if (sink->start_inside)
        tc__iostream_first_read(sink->start_inside);
    sink->start_inside = NULL;
    sink->leave = 0;
    for (size_t i = 0; i < used; i++) {
        if (sink->len < sizeof(sink->data) - 1)
            sink->data[sink->len++] = bytes.data[i];
        if (bytes.data[i] == '\n' && sink->answer) {
            tc__segment_t segment = { tc_str(sink->answer), NULL, NULL };
            tc__iostream_sendv(stream, &segment, 1);
        }
        if (bytes.data[i] == '\n' && sink->close_at_newline)
            tc_iostream_close(stream);
        if (bytes.data[i] == '\n' && sink->fail_inside) {
            tc__iostream_fail(stream, TC_EPROTO);
            assert_int_equal(sink->closes, 0);
        }
    }
    sink->data[sink->len] = '\0';
    return used;
}

static void sink_hangup(tc_iostream_t *stream, void *self) {
    (void)stream;
    ((sink_t *)self)->hangups++;
}

static void sink_eof(tc_iostream_t *stream, void *self) {
    (void)stream;
    sink_t *sink = self;
    assert_int_equal(sink->hangups, 1);
    sink->eofs++;
}

static void sink_drained(tc_iostream_t *stream, void *self) {
    (void)stream;
    ((sink_t *)self)->drains++;
}

static void sink_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    sink_t *sink = self;
    sink->closes++;
    sink->err = err;
}

static const tc__stream_sink_t recorder = { sink_data, sink_hangup, sink_eof, sink_drained, sink_closed };

static sink_t *sink;
static int peer; /* a blocking socket */

static tc_iostream_t *sunk_stream(transport_t transport, const tc_iostream_options_t *options) {
    tc_iostream_t *stream = stream_and_peer(transport, &peer, options);
    tc__iostream_set_sink(stream, &recorder, sink);
    return stream;
}

static int setup_sink(void **state) {
    sink = calloc(1, sizeof(*sink));
    peer = -1;
    if (setup(state) != 0)
        return -1;
    settle(); /* the loop has told the system of its own descriptors */
    return 0;
}

static int teardown_sink(void **state) {
    settle();
    free(sink);
    if (peer >= 0)
        close(peer);
    return teardown(state);
}

static void end(tc_iostream_t *stream) {
    tc_iostream_close(stream);
    settle();
    assert_int_equal(sink->closes, 1);
    assert_int_equal(sink->calls_after_close, 0);
}

static void peer_read(char *out, size_t len) {
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(peer, out + got, len - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

static void expect_peer(const char *text) {
    char got[4096] = "";
    assert_true(strlen(text) < sizeof(got));
    peer_read(got, strlen(text));
    assert_string_equal(got, text);
}

static void mark_time(void *user_data) {
    *(bool *)user_data = true;
}

/* Turns of the loop while nothing ought to happen: a handful, or it spins. */
static void assert_quiet(void) {
    bool over = false;
    int turns = 0;
    assert_int_not_equal(tc_ioloop_call_later(loop, 30, mark_time, &over), 0);
    while (!over) {
        tc__ioloop_turn(loop, true);
        turns++;
    }
    assert_true(turns < 20);
}

/* ---- Reading ---- */

static void bytes_are_given_as_they_come(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    peer_send(peer, "hello", 5);
    settle();
    assert_int_equal(sink->calls, 0); /* not before it is asked to */
    tc__iostream_resume(stream);
    until(sink->len == 5);
    assert_string_equal(sink->data, "hello");
    end(stream);
    assert_int_equal(sink->err, 0);
}

static void the_first_read_needs_no_watching(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    sink->answer = "world\n";
    sink->close_at_newline = true;
    peer_send(peer, "hello\n", 6);
    changes = 0;
    tc__iostream_first_read(stream);
    assert_string_equal(sink->data, "hello\n");
    settle();
    assert_int_equal(sink->closes, 1);
    assert_int_equal(changes, 0);
}

static void an_answer_and_a_close_need_no_watching(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    sink->answer = "world\n";
    peer_send(peer, "hello\n", 6);
    changes = 0;
    tc__iostream_cork(stream);
    tc__iostream_first_read(stream);
    tc__iostream_close_when_written(stream);
    assert_false(tc_iostream_closed(stream));
    tc__iostream_uncork(stream);
    expect_peer("world\n");
    char c;
    assert_int_equal(recv(peer, &c, 1, 0), 0);
    settle();
    assert_int_equal(sink->closes, 1);
    assert_int_equal(sink->err, 0);
    assert_true(changes > 0); /* the cork was ours here: the stream stayed open after the first read */
}

static void the_first_read_may_find_nothing(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_first_read(stream);
    peer_send(peer, "late", 4);
    until(sink->len == 4);
    end(stream);
}

static void resume_before_the_first_read_does_no_harm(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    peer_send(peer, "one", 3);
    tc__iostream_resume(stream);
    tc__iostream_first_read(stream);
    assert_string_equal(sink->data, "one");
    peer_send(peer, "two", 3);
    until(sink->len == 6);
    end(stream);
}

static void what_the_sink_leaves_comes_again(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    sink->leave = 3;
    peer_send(peer, "abcdef", 6);
    until(sink->calls == 1);
    assert_string_equal(sink->data, "abc");
    assert_int_equal(tc__iostream_kept(stream), 3);
    peer_send(peer, "ghi", 3);
    settle();
    assert_int_equal(sink->calls, 1);
    tc__iostream_resume(stream);
    assert_int_equal(sink->calls, 1); /* from the ready queue */
    until(sink->len == 9);
    assert_string_equal(sink->data, "abcdefghi");
    assert_int_equal(tc__iostream_kept(stream), 0);
    end(stream);
}

static void kept_bytes_can_be_left_again(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    peer_send(peer, "abcdef", 6);
    for (size_t left = 5; left > 0; left--) {
        sink->leave = left;
        tc__iostream_resume(stream);
        until(tc__iostream_kept(stream) == left && sink->leave == 0);
        assert_int_equal(sink->len, 6 - left);
    }
    tc__iostream_resume(stream);
    until(sink->len == 6);
    assert_string_equal(sink->data, "abcdef");
    end(stream);
}

static void a_sink_may_resume_in_the_call_that_pauses(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    sink->resume_inside = true;
    tc__iostream_resume(stream);
    sink->leave = 3;
    peer_send(peer, "abcdef", 6);
    until(sink->len == 6);
    assert_int_equal(sink->calls, 2);
    assert_string_equal(sink->data, "abcdef");
    sink->leave = 4;
    tc__iostream_pause(stream);
    peer_send(peer, "ghijkl", 6);
    settle();
    tc__iostream_resume(stream);
    until(sink->len == 12);
    sink->resume_inside = false;
    sink->leave = 5; /* kept bytes, left in part by a sink that resumes at once */
    peer_send(peer, "mnopqr", 6);
    until(sink->len == 13);
    sink->resume_inside = true;
    sink->leave = 2;
    tc__iostream_resume(stream);
    until(sink->len == 18);
    assert_string_equal(sink->data, "abcdefghijklmnopqr");
    end(stream);
}

/* What comes while kept bytes wait for the ready queue stands behind them. */
static void kept_bytes_stay_in_front(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    sink->leave = 3;
    peer_send(peer, "abc", 3);
    until(sink->calls == 1);
    peer_send(peer, "def", 3);
    shutdown(peer, SHUT_WR);
    tc__iostream_resume(stream);
    tc__iostream_on_events(stream, TC__STREAM_READABLE);
    assert_string_equal(sink->data, "abc");
    until(sink->eofs);
    assert_string_equal(sink->data, "abcdef");
    end(stream);
}

/* The loop's read buffer is in use: the other stream reads a little later. */
static void a_first_read_inside_a_data_call_waits(void **state) {
    (void)state;
    sink_t *other = calloc(1, sizeof(*other));
    tc_iostream_t *first = sunk_stream(TCP_SOCKET, NULL);
    int first_peer = peer;
    tc_iostream_t *second = stream_and_peer(TCP_SOCKET, &peer, NULL);
    tc__iostream_set_sink(second, &recorder, other);
    peer_send(peer, "second", 6);
    peer_send(first_peer, "first", 5);
    sink->start_inside = second;
    tc__iostream_first_read(first);
    assert_string_equal(sink->data, "first");
    until(other->len == 6);
    assert_string_equal(other->data, "second");
    tc_iostream_close(second);
    close(first_peer);
    end(first);
    free(other);
}

static void a_request_at_a_time_changes_no_interest(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    sink->answer = "answer\n";
    sink->pause_always = true; /* as while a request is worked on */
    tc__iostream_resume(stream);
    peer_send(peer, "x\n", 2);
    until(sink->len == 2);
    expect_peer("answer\n");
    changes = sends = recvs = 0;
    for (size_t i = 0; i < 100; i++) {
        tc__iostream_resume(stream);
        peer_send(peer, "x\n", 2);
        until(sink->len == 4 + 2 * i);
        expect_peer("answer\n");
    }
    assert_int_equal(changes, 0);
    assert_int_equal(sends, 100);
    assert_int_equal(recvs, 100);
    end(stream);
}

/* ---- The peer's end ---- */

static void fin_is_told_once_and_then_the_end(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    peer_send(peer, "bye", 3);
    shutdown(peer, SHUT_WR);
    until(sink->eofs);
    assert_string_equal(sink->data, "bye");
    assert_quiet();
    assert_int_equal(sink->hangups, 1);
    assert_int_equal(sink->eofs, 1);
    tc__segment_t answer = { tc_str("answer"), NULL, NULL }; /* its other direction is open */
    assert_int_equal(tc__iostream_sendv(stream, &answer, 1), 0);
    expect_peer("answer");
    end(stream);
}

static void fin_is_noticed_while_paused_with_bytes_unread(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    sink->leave = 2;
    peer_send(peer, "abcd", 4);
    until(sink->calls == 1);
    peer_send(peer, "efgh", 4);
    shutdown(peer, SHUT_WR);
    until(sink->hangups == 1);
    assert_int_equal(sink->eofs, 0);
    assert_quiet();
    assert_int_equal(sink->calls, 1);
    tc__iostream_resume(stream);
    until(sink->eofs);
    assert_string_equal(sink->data, "abcdefgh");
    assert_int_equal(sink->hangups, 1);
    assert_quiet();
    end(stream);
}

static void a_reset_is_noticed_while_paused(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    sink->pause_always = true;
    peer_send(peer, "x", 1);
    until(sink->calls == 1);
    reset_on_close(peer);
    peer = -1;
    until(sink->closes);
    assert_int_equal(sink->err, -ECONNRESET);
    (void)stream;
}

static void a_reset_is_noticed_after_fin(void **state) {
    (void)state;
    for (int reading = 0; reading < 2; reading++) {
        memset(sink, 0, sizeof(*sink));
        tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
        tc__iostream_resume(stream);
        sink->pause_always = !reading;
        peer_send(peer, "x", 1);
        until(sink->calls == 1);
        shutdown(peer, SHUT_WR);
        until(sink->hangups);
        assert_quiet();
        assert_int_equal(sink->closes, 0);
        reset_on_close(peer);
        peer = -1;
        until(sink->closes);
        assert_true(sink->err == -ECONNRESET || sink->err == -EPIPE);
        (void)stream;
    }
}

static void what_came_before_a_reset_is_given(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_first_read(stream); /* watches */
    settle();
    static char much[200000];
    memset(much, 'x', sizeof(much));
    peer_send(peer, much, sizeof(much));
    reset_on_close(peer);
    peer = -1;
    until(sink->closes);
    assert_int_equal(sink->err, -ECONNRESET);
    assert_true(sink->len > 0);
}

static void urgent_bytes_do_not_spin(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    sink->pause_always = true;
    peer_send(peer, "x", 1);
    until(sink->calls == 1);
    assert_int_equal(send(peer, "!", 1, MSG_OOB), 1);
    shutdown(peer, SHUT_WR);
    until(sink->hangups);
    assert_quiet();
    end(stream);
}

static void both_ends_shut_do_not_spin(void **state) {
    (void)state;
    for (transport_t transport = UNIX_SOCKET; transport <= TCP_SOCKET; transport++) {
        for (int paused = 0; paused < 2; paused++) {
            memset(sink, 0, sizeof(*sink));
            tc_iostream_t *stream = sunk_stream(transport, NULL);
            tc__iostream_resume(stream);
            sink->pause_always = paused;
            peer_send(peer, "x", 1);
            until(sink->calls == 1);
            peer_send(peer, "unread", 6);
            assert_int_equal(tc_iostream_shutdown(stream), 0);
            shutdown(peer, SHUT_RDWR);
            until(sink->hangups || sink->closes);
            assert_quiet();
            sink->pause_always = false;
            tc__iostream_resume(stream);
            until(sink->eofs || sink->closes);
            assert_quiet();
            end(stream);
            close(peer);
            peer = -1;
        }
    }
}

/* ---- Closing ---- */

static void failing_tells_at_once_or_after_the_call(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    settle();
    tc__iostream_fail(stream, TC_ETIMEDOUT);
    assert_int_equal(sink->closes, 1);
    assert_int_equal(sink->err, TC_ETIMEDOUT);
    settle();
    close(peer);

    memset(sink, 0, sizeof(*sink));
    stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    sink->fail_inside = true;
    peer_send(peer, "a\nb\n", 4);
    until(sink->closes);
    assert_int_equal(sink->err, TC_EPROTO);
    assert_int_equal(sink->calls, 1);
}

static void abort_resets_the_connection(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    settle();
    tc__iostream_abort(stream);
    until(sink->closes);
    char c;
    assert_int_equal(recv(peer, &c, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

/* What was sent may be half of what the peer takes to end with the connection. */
static void a_failure_to_read_is_no_clean_end(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    settle();
    ssize_t (*before)(int, void *, size_t, int) = tc__sys.recv;
    tc__sys.recv = fail_recv;
    peer_send(peer, "hello", 5);
    until(sink->closes);
    tc__sys.recv = before;
    assert_int_equal(sink->err, -ENOMEM);
    char c;
    assert_int_equal(recv(peer, &c, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void a_close_in_the_data_call_ends_it(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__iostream_resume(stream);
    sink->close_at_newline = true;
    sink->leave = 2;
    peer_send(peer, "a\nbc", 4);
    until(sink->closes);
    assert_int_equal(sink->calls, 1);
    assert_int_equal(sink->err, 0);
}

static void the_loops_end_closes_its_streams(void **state) {
    (void)state;
    tc_iostream_t *sunk = sunk_stream(TCP_SOCKET, NULL), *plain[2];
    seen_t closed = { 0 }, read = { 0 };
    stream_pair(UNIX_SOCKET, plain, NULL);
    tc__iostream_resume(sunk);
    tc_iostream_set_close_callback(plain[0], on_closed, &closed);
    assert_int_equal(tc_iostream_read_bytes(plain[0], 1, false, on_read, &read), 0);
    settle();
    tc_ioloop_free(loop);
    assert_int_equal(sink->closes, 1);
    assert_int_equal(sink->err, TC_ECANCELED);
    assert_int_equal(closed.calls, 1);
    assert_int_equal(read.err, TC_ECANCELED);
    assert_true(tc_iostream_closed(plain[0]));
    assert_int_equal(tc_iostream_write(plain[0], tc_str("x"), NULL, NULL), TC_ECLOSED);
    assert_int_equal(tc_iostream_read_bytes(plain[0], 1, false, on_read, &read), TC_ECLOSED);
    tc_iostream_close(plain[0]);
    tc_iostream_close(plain[1]);
    assert_int_equal(tc_ioloop_new(&loop), 0);
    forget(&closed), forget(&read);
}

/* ---- Writing ---- */

static int freed;
static void count_freed(void *owner) {
    freed++;
    free(owner);
}

static void answers_of_one_event_leave_in_one_send(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    sink->answer = "answer\n";
    tc__iostream_resume(stream);
    settle();
    sends = 0;
    peer_send(peer, "1\n2\n3\n4\n5\n", 10);
    until(sink->len == 10);
    assert_int_equal(sends, 1);
    expect_peer("answer\nanswer\nanswer\nanswer\nanswer\n");
    end(stream);
}

static void corks_nest(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    tc__segment_t parts[] = { { tc_str("a"), NULL, NULL }, { tc_str("b"), NULL, NULL } };
    sends = 0;
    tc__iostream_cork(stream);
    assert_int_equal(tc__iostream_sendv(stream, parts, 2), 0);
    tc__iostream_cork(stream);
    assert_int_equal(tc__iostream_sendv(stream, parts, 1), 0);
    tc__iostream_uncork(stream);
    assert_int_equal(sends, 0);
    assert_int_equal(tc__iostream_queued(stream), 3);
    assert_false(tc_iostream_writing(stream)); /* the system refuses nothing */
    tc__iostream_uncork(stream);
    assert_int_equal(sends, 1);
    assert_int_equal(tc__iostream_queued(stream), 0);
    expect_peer("aba");
    end(stream);
}

static void a_large_segment_takes_the_corked_bytes_along(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    enum { LARGE = 10000 }; /* too much to be copied, not too much for a turn that is long already */
    char *large = malloc(LARGE), *got = malloc(LARGE + 11);
    memset(large, 'x', LARGE);
    tc__segment_t parts[] = { { tc_str("head"), NULL, NULL },
                              { tc_bytes(large, LARGE), count_freed, large },
                              { tc_str("trailer"), NULL, NULL } };
    sends = freed = 0;
    tc__iostream_cork(stream);
    assert_int_equal(tc__iostream_sendv(stream, parts, 3), 0);
    tc__iostream_uncork(stream);
    assert_int_equal(sends, 1);
    assert_int_equal(freed, 1);
    peer_read(got, LARGE + 11);
    assert_memory_equal(got, "headxx", 6);
    assert_memory_equal(got + LARGE + 3, "xtrailer", 8);
    free(got);
    end(stream);
}

static void a_full_cork_is_sent(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    enum { PIECE = 4000, COUNT = 40 };
    static char piece[PIECE], got[PIECE * COUNT];
    set_buffer(peer, SO_RCVBUF, 1 << 20);
    tc__iostream_cork(stream);
    for (int i = 0; i < COUNT; i++) {
        memset(piece, 'a' + i % 26, PIECE);
        tc__segment_t segment = { tc_bytes(piece, PIECE), NULL, NULL };
        assert_int_equal(tc__iostream_sendv(stream, &segment, 1), 0);
    }
    tc__iostream_uncork(stream);
    until(tc__iostream_queued(stream) == 0); /* in a turn that is long already little is sent at once */
    peer_read(got, sizeof(got));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(got[i * PIECE], 'a' + i % 26);
        assert_int_equal(got[i * PIECE + PIECE - 1], 'a' + i % 26);
    }
    end(stream);
}

/* Two streams, both corked: the cork buffer is one's, the other's bytes queue; both come out in order. */
static void corked_streams_do_not_mix(void **state) {
    (void)state;
    tc_iostream_t *first = sunk_stream(TCP_SOCKET, NULL);
    int first_peer = peer;
    tc_iostream_t *second = stream_and_peer(TCP_SOCKET, &peer, NULL);
    tc__segment_t a = { tc_str("a"), NULL, NULL }, b = { tc_str("b"), NULL, NULL };
    tc__iostream_cork(first);
    assert_int_equal(tc__iostream_sendv(first, &a, 1), 0);
    assert_int_equal(tc__iostream_sendv(second, &b, 1), 0); /* not corked: at once */
    expect_peer("b");
    tc__iostream_cork(second);
    sends = 0;
    char *room = tc__iostream_reserve(second, 100);
    memcpy(room, "second", 6);
    tc__iostream_commit(second, 6);
    room = tc__iostream_reserve(first, 100);
    memcpy(room, "first", 5);
    tc__iostream_commit(first, 5);
    assert_int_equal(tc__iostream_sendv(second, &b, 1), 0);
    assert_int_equal(sends, 0);
    tc__iostream_uncork(second);
    assert_int_equal(sends, 1);
    expect_peer("secondb");
    tc__iostream_uncork(first);
    assert_int_equal(sends, 2);
    close(peer);
    peer = first_peer;
    expect_peer("afirst");
    tc_iostream_close(second);
    end(first);
}

static void reserved_room_stands_in_order(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    set_buffer(tc__iostream_fd(stream), SO_SNDBUF, 4096);
    size_t total = 0;
    for (int round = 0; round < 400; round++) { /* in the cork buffer first, in the queue once that exists */
        tc__iostream_cork(stream);
        char *room = tc__iostream_reserve(stream, TC__CORK_ROOM);
        assert_non_null(room);
        memset(room, 'a' + round % 26, TC__CORK_ROOM);
        tc__iostream_commit(stream, 1000);
        tc__segment_t segment = { tc_str("|"), NULL, NULL };
        assert_int_equal(tc__iostream_sendv(stream, &segment, 1), 0);
        room = tc__iostream_reserve(stream, 10);
        tc__iostream_commit(stream, 0);
        tc__iostream_uncork(stream);
        total += 1001;
    }
    assert_true(tc_iostream_writing(stream));
    char *got = malloc(total);
    for (size_t len = 0; len < total;) {
        ssize_t n = recv(peer, got + len, total - len, MSG_DONTWAIT);
        if (n > 0)
            len += (size_t)n;
        tc__ioloop_turn(loop, false);
    }
    for (size_t i = 0; i < total; i++)
        assert_int_equal(got[i], i % 1001 == 1000 ? '|' : (char)('a' + i / 1001 % 26));
    free(got);
    until(sink->drains == 1);
    assert_false(tc_iostream_writing(stream));
    end(stream);
}

static void segments_are_sent_in_order_through_a_tiny_socket(void **state) {
    (void)state;
    for (transport_t transport = UNIX_SOCKET; transport <= TCP_SOCKET; transport++) {
        memset(sink, 0, sizeof(*sink));
        tc_iostream_t *stream = sunk_stream(transport, NULL);
        set_buffer(tc__iostream_fd(stream), SO_SNDBUF, 4608);
        set_buffer(peer, SO_RCVBUF, 4608);
        enum { COUNT = 50 };
        size_t sizes[COUNT], total = 0;
        tc__segment_t segments[COUNT];
        freed = 0;
        for (int i = 0; i < COUNT; i++) { /* held and copied, tiny and large */
            sizes[i] = (size_t)(i * i * 37 % 30011);
            char *data = malloc(sizes[i] + 1);
            memset(data, 'A' + i, sizes[i]);
            segments[i] = (tc__segment_t){ tc_bytes(data, sizes[i]), i % 2 ? count_freed : NULL, data };
            total += sizes[i];
        }
        assert_int_equal(tc__iostream_sendv(stream, segments, COUNT), 0);
        for (int i = 0; i < COUNT; i += 2)
            free(segments[i].owner); /* valid during the call only */
        char *got = malloc(total);
        for (size_t len = 0; len < total;) {
            ssize_t n = recv(peer, got + len, total - len, MSG_DONTWAIT);
            if (n > 0)
                len += (size_t)n;
            tc__ioloop_turn(loop, false);
        }
        char *at = got;
        for (int i = 0; i < COUNT; i++)
            for (size_t k = 0; k < sizes[i]; k++)
                assert_int_equal(*at++, 'A' + i);
        free(got);
        until(sink->drains);
        assert_int_equal(sink->drains, 1);
        assert_int_equal(freed, COUNT / 2);
        end(stream);
        close(peer);
        peer = -1;
    }
}

/* A producer that writes when it is told that the queue is empty holds one piece at a time. */
static char produced[100000];
static size_t left_to_produce, most_queued;

static void produce(tc_iostream_t *stream, void *self) {
    sink_drained(stream, self);
    while (left_to_produce > 0 && !tc_iostream_writing(stream)) {
        tc__segment_t segment = { tc_bytes(produced, sizeof(produced)), NULL, NULL };
        assert_int_equal(tc__iostream_sendv(stream, &segment, 1), 0);
        left_to_produce -= sizeof(produced);
    }
    if (tc__iostream_queued(stream) > most_queued)
        most_queued = tc__iostream_queued(stream);
}

static void fifty_megabytes_to_a_slow_reader_stay_bounded(void **state) {
    (void)state;
    static const tc__stream_sink_t producer = { sink_data, sink_hangup, sink_eof, produce, sink_closed };
    tc_iostream_t *stream = stream_and_peer(TCP_SOCKET, &peer,
                                            &(tc_iostream_options_t){ .max_write_buffer_size = 150000 });
    tc__iostream_set_sink(stream, &producer, sink);
    left_to_produce = 500 * sizeof(produced);
    most_queued = 0;
    produce(stream, sink);
    static char got[300000];
    for (size_t total = 0; total < 500 * sizeof(produced);) {
        ssize_t n = recv(peer, got, sizeof(got), MSG_DONTWAIT);
        if (n > 0)
            total += (size_t)n;
        tc__ioloop_turn(loop, false);
    }
    assert_int_equal(left_to_produce, 0);
    assert_true(most_queued <= sizeof(produced));
    end(stream);
}

static void one_turn_sends_so_much_and_no_more(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(UNIX_SOCKET, NULL);
    set_buffer(tc__iostream_fd(stream), SO_SNDBUF, 8 << 20);
    enum { LARGE = 400 * 1024 };
    char *large = calloc(1, LARGE);
    freed = 0;
    tc__segment_t segment = { tc_bytes(large, LARGE), count_freed, large };
    assert_int_equal(tc__iostream_sendv(stream, &segment, 1), 0);
    assert_true(tc__iostream_queued(stream) >= LARGE - TC__SEND_BUDGET);
    static char got[LARGE];
    for (size_t len = 0; len < LARGE;) {
        ssize_t n = recv(peer, got + len, LARGE - len, MSG_DONTWAIT);
        if (n > 0)
            len += (size_t)n;
        tc__ioloop_turn(loop, false);
    }
    assert_int_equal(freed, 1);
    end(stream);
}

static void a_long_turn_sends_little_more(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(UNIX_SOCKET, NULL);
    set_buffer(tc__iostream_fd(stream), SO_SNDBUF, 8 << 20);
    enum { LARGE = 100 * 1024 };
    static const char large[LARGE];
    static char got[LARGE];
    tc__segment_t segment = { tc_bytes(large, LARGE), NULL, NULL };
    tc__ioloop_turn(loop, false);
    uv_sleep(20); /* whoever had a share of the turn before */
    assert_int_equal(tc__iostream_sendv(stream, &segment, 1), 0);
    assert_int_equal(tc__iostream_queued(stream), LARGE - TC__SEND_LATE);
    for (size_t len = 0; len < LARGE;) {
        ssize_t n = recv(peer, got + len, LARGE - len, MSG_DONTWAIT);
        if (n > 0)
            len += (size_t)n;
        tc__ioloop_turn(loop, false);
    }
    end(stream);
}

/* ---- Output of several streams together ---- */

enum { CROWD = 4, PIECE = 100 * 1024 };

static struct {
    tc_iostream_t *stream;
    sink_t sink;
    int peer;
} crowd[CROWD];
static tc__outputs_t outputs;

static void make_crowd(size_t limit) {
    tc__outputs_init(&outputs, limit);
    memset(crowd, 0, sizeof crowd);
    for (int i = 0; i < CROWD; i++) {
        crowd[i].stream = stream_and_peer(UNIX_SOCKET, &crowd[i].peer, NULL);
        set_buffer(tc__iostream_fd(crowd[i].stream), SO_SNDBUF, 4096);
        tc__iostream_set_sink(crowd[i].stream, &recorder, &crowd[i].sink);
        tc__iostream_count_output(crowd[i].stream, &outputs);
    }
}

static void end_crowd(void) {
    for (int i = 0; i < CROWD; i++) {
        if (!crowd[i].sink.closes)
            tc_iostream_close(crowd[i].stream);
        close(crowd[i].peer);
    }
    settle();
    assert_int_equal(outputs.held, 0);
    assert_true(tc__list_empty(&outputs.waiting));
}

/* A line now and then, whatever the number of those who were cut. */
static void expect_cuts_logged(void) {
    if (log_lines > 0)
        assert_non_null(strstr(last_line, "output for all clients"));
    log_lines = 0;
}

static int send_piece(int i, tc_free_fn free_fn) {
    char *data = calloc(1, PIECE);
    static char lent[PIECE];
    tc__segment_t segment = { tc_bytes(free_fn == free ? data : lent, PIECE), free_fn, free_fn == free ? data : NULL };
    int err = tc__iostream_sendv(crowd[i].stream, &segment, 1);
    if (free_fn != free)
        free(data);
    return err;
}

static void leave_it(void *owner) {
    (void)owner;
}

static void who_took_nothing_for_the_longest_is_cut_first(void **state) {
    (void)state;
    static char got[PIECE];
    make_crowd(5 * PIECE / 2);
    assert_int_equal(send_piece(0, free), 0);
    assert_int_equal(send_piece(1, NULL), 0);
    ssize_t n = recv(crowd[0].peer, got, sizeof got, MSG_DONTWAIT);
    assert_true(n > 0);
    size_t before = tc__iostream_queued(crowd[0].stream);
    until(tc__iostream_queued(crowd[0].stream) < before);
    assert_int_equal(send_piece(2, free), 0);
    until(crowd[1].sink.closes);
    assert_int_equal(crowd[1].sink.err, TC_ETOOBIG);
    assert_int_equal(crowd[0].sink.closes + crowd[2].sink.closes, 0);
    assert_int_equal(send_piece(3, free), 0);
    until(crowd[0].sink.closes);
    assert_int_equal(crowd[2].sink.closes + crowd[3].sink.closes, 0);
    expect_cuts_logged();
    end_crowd();
}

static void what_is_lent_is_not_counted(void **state) {
    (void)state;
    make_crowd(PIECE / 2);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(send_piece(i, leave_it), 0);
    assert_true(tc__iostream_queued(crowd[0].stream) > 0);
    assert_int_equal(outputs.held, 0);
    end_crowd();
}

static void a_stream_alone_beyond_the_limit_of_all_is_cut(void **state) {
    (void)state;
    make_crowd(PIECE / 2);
    assert_int_equal(send_piece(0, free), TC_ECLOSED);
    until(crowd[0].sink.closes);
    assert_int_equal(outputs.held, 0);
    char text[TC__CORK_ROOM] = "";
    tc__iostream_cork(crowd[1].stream); /* corked output is counted once it is queued */
    for (int i = 0; i < 8; i++) {
        tc__segment_t segment = { tc_bytes(text, 4096), NULL, NULL };
        tc__iostream_sendv(crowd[1].stream, &segment, 1);
    }
    tc__iostream_uncork(crowd[1].stream);
    assert_int_equal(crowd[1].sink.closes, 0);
    outputs.limit = 1;
    tc__iostream_cork(crowd[2].stream);
    tc__segment_t segment = { tc_bytes(text, 4096), NULL, NULL };
    for (int i = 0; i < 8; i++)
        tc__iostream_sendv(crowd[2].stream, &segment, 1);
    tc__iostream_uncork(crowd[2].stream);
    until(crowd[1].sink.closes && crowd[2].sink.closes);
    expect_cuts_logged();
    end_crowd();
}

static void a_failed_send_closes_from_the_ready_queue(void **state) {
    (void)state;
    for (transport_t transport = UNIX_SOCKET; transport <= TCP_SOCKET; transport++) {
        for (int corked = 0; corked < 2; corked++) {
            memset(sink, 0, sizeof(*sink));
            tc_iostream_t *stream = sunk_stream(transport, NULL);
            if (transport == TCP_SOCKET)
                reset_on_close(peer);
            else
                close(peer);
            peer = -1;
            freed = 0;
            if (corked)
                tc__iostream_cork(stream);
            char *owned = strdup("x");
            tc__segment_t segment = { tc_str(owned), count_freed, owned };
            tc__iostream_sendv(stream, &segment, 1);
            if (corked)
                tc__iostream_uncork(stream);
            assert_int_equal(sink->closes, 0);
            assert_int_equal(freed, 1);
            assert_true(tc_iostream_closed(stream));
            owned = strdup("y");
            segment = (tc__segment_t){ tc_str(owned), count_freed, owned };
            assert_int_equal(tc__iostream_sendv(stream, &segment, 1), TC_ECLOSED);
            assert_int_equal(freed, 2);
            until(sink->closes);
            assert_true(sink->err == -EPIPE || sink->err == -ECONNRESET);
            settle();
        }
    }
}

static void a_reset_while_output_waits_gives_it_up(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    enum { LARGE = 8 << 20 };
    char *large = calloc(1, LARGE);
    freed = 0;
    tc__segment_t segment = { tc_bytes(large, LARGE), count_freed, large };
    assert_int_equal(tc__iostream_sendv(stream, &segment, 1), 0);
    settle();
    assert_int_equal(freed, 0);
    reset_on_close(peer);
    peer = -1;
    until(sink->closes);
    assert_int_equal(freed, 1);
    assert_true(sink->err == -EPIPE || sink->err == -ECONNRESET);
}

static void close_when_written_waits_for_the_system(void **state) {
    (void)state;
    tc_iostream_t *stream = sunk_stream(TCP_SOCKET, NULL);
    enum { LARGE = 8 << 20 };
    char *large = calloc(1, LARGE), *got = malloc(LARGE);
    tc__segment_t segment = { tc_bytes(large, LARGE), count_freed, large };
    assert_int_equal(tc__iostream_sendv(stream, &segment, 1), 0);
    tc__iostream_close_when_written(stream);
    settle();
    assert_int_equal(sink->closes, 0);
    size_t len = 0;
    for (ssize_t n = 1; n != 0;) {
        n = recv(peer, got, LARGE, MSG_DONTWAIT);
        if (n > 0)
            len += (size_t)n;
        tc__ioloop_turn(loop, false);
    }
    assert_int_equal(len, LARGE);
    until(sink->closes);
    assert_int_equal(sink->err, 0);
    assert_int_equal(sink->drains, 0);
    free(got);
}

static void sigpipe_hits(int signum) {
    (void)signum;
    abort();
}

static void no_send_raises_sigpipe(void **state) {
    (void)state;
    struct sigaction ours = { .sa_handler = sigpipe_hits }, before, after;
    assert_int_equal(sigaction(SIGPIPE, &ours, &before), 0);
    tc_iostream_t *stream = sunk_stream(UNIX_SOCKET, NULL);
    close(peer);
    peer = -1;
    tc__segment_t segment = { tc_str("x"), NULL, NULL };
    assert_int_equal(tc__iostream_sendv(stream, &segment, 1), TC_ECLOSED);
    until(sink->closes);
    assert_int_equal(sink->err, -EPIPE);
    assert_int_equal(sigaction(SIGPIPE, &before, &after), 0);
    assert_ptr_equal(after.sa_handler, sigpipe_hits); /* and nobody touched the program's handler */
}

/* ---- The memory transport ---- */

static void memory_blocks_at_its_window(void **state) {
    (void)state;
    tc_iostream_t *pair[2];
    stream_pair(MEMORY, pair, NULL);
    tc__iostream_set_sink(pair[0], &recorder, sink);
    tc__memory_set_window(pair[0], 3);
    tc__segment_t segment = { tc_str("abcdef"), NULL, NULL };
    assert_int_equal(tc__iostream_sendv(pair[0], &segment, 1), 0);
    assert_int_equal(tc__iostream_queued(pair[0]), 3);
    assert_true(tc_iostream_writing(pair[0]));
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_bytes(pair[1], 6, false, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "abcdef");
    until(sink->drains == 1);
    tc__memory_set_window(pair[0], 0);
    assert_int_equal(tc__iostream_sendv(pair[0], &segment, 1), 0);
    settle();
    assert_int_equal(tc__iostream_queued(pair[0]), 6);
    tc__memory_set_window(pair[0], 100);
    until(sink->drains == 2);
    tc_iostream_close(pair[1]);
    end(pair[0]);
}

static int no_in_flight(int fd, int *out) {
    (void)fd, (void)out;
    errno = ENOTSUP;
    return -1;
}

static void what_the_peer_has_not_taken_is_known(void **state) {
    (void)state;
    static char bytes[100000];
    for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
        tc_iostream_t *pair[2];
        int (*in_flight)(int, int *) = tc__sys.in_flight;
        stream_pair(transport, pair, NULL);
        tc__iostream_set_sink(pair[0], &recorder, sink);
        if (transport == MEMORY)
            tc__memory_set_window(pair[0], 1000);
        assert_int_equal(tc__iostream_unacked(pair[0]), 0);
        while (tc__iostream_unacked(pair[0]) <= tc__iostream_queued(pair[0]))
            if (tc_iostream_writing(pair[0]))
                tc__ioloop_turn(loop, false);
            else
                assert_int_equal(
                    tc__iostream_sendv(pair[0], &(tc__segment_t){ tc_bytes(bytes, sizeof(bytes)), NULL, NULL }, 1), 0);
        tc__sys.in_flight = no_in_flight;
        if (transport != MEMORY)
            assert_int_equal(tc__iostream_unacked(pair[0]), tc__iostream_queued(pair[0]));
        tc__sys.in_flight = in_flight;
        tc__iostream_set_sink(pair[1], &recorder, sink);
        tc__iostream_resume(pair[1]);
        while (tc__iostream_unacked(pair[0]) > 0)
            tc__ioloop_turn(loop, false); /* no event tells of it */
        tc_iostream_close(pair[0]);
        assert_int_equal(tc__iostream_unacked(pair[0]), 0);
        tc_iostream_close(pair[1]);
        settle();
    }
}

static void a_corked_send_fails_and_blocks_like_others(void **state) {
    (void)state;
    tc_iostream_t *pair[2];
    stream_pair(MEMORY, pair, NULL);
    tc__iostream_set_sink(pair[0], &recorder, sink);
    tc__segment_t segment = { tc_str("abcdef"), NULL, NULL };
    tc__memory_set_window(pair[0], 4);
    tc__iostream_cork(pair[0]);
    assert_int_equal(tc__iostream_sendv(pair[0], &segment, 1), 0);
    tc__iostream_uncork(pair[0]);
    assert_int_equal(tc__iostream_queued(pair[0]), 2);
    assert_true(tc_iostream_writing(pair[0]));
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_bytes(pair[1], 6, false, on_read, &seen), 0);
    until(seen.calls && sink->drains);
    assert_read(&seen, "abcdef");
    tc__memory_fail_send(pair[0], EPIPE);
    tc__iostream_cork(pair[0]);
    assert_int_equal(tc__iostream_sendv(pair[0], &segment, 1), 0);
    tc__iostream_uncork(pair[0]);
    assert_int_equal(sink->closes, 0);
    until(sink->closes);
    assert_int_equal(sink->err, -EPIPE);
    tc_iostream_close(pair[1]);
}

static void memory_fails_as_told(void **state) {
    (void)state;
    tc_iostream_t *pair[2];
    stream_pair(MEMORY, pair, NULL);
    tc__iostream_set_sink(pair[0], &recorder, sink);
    tc__iostream_resume(pair[0]);
    settle();
    tc__memory_fail_recv(pair[0], ECONNRESET);
    until(sink->closes);
    assert_int_equal(sink->err, -ECONNRESET);
    tc_iostream_close(pair[1]);

    memset(sink, 0, sizeof(*sink));
    stream_pair(MEMORY, pair, NULL);
    tc__iostream_set_sink(pair[0], &recorder, sink);
    tc__memory_fail_send(pair[0], EPIPE);
    tc__segment_t segment = { tc_str("x"), NULL, NULL };
    assert_int_equal(tc__iostream_sendv(pair[0], &segment, 1), TC_ECLOSED);
    until(sink->closes);
    assert_int_equal(sink->err, -EPIPE);
    tc_iostream_close(pair[1]);

    memset(sink, 0, sizeof(*sink));
    stream_pair(MEMORY, pair, NULL);
    tc__iostream_set_sink(pair[0], &recorder, sink);
    tc__iostream_resume(pair[0]);
    tc__iostream_abort(pair[1]);
    until(sink->closes);
    assert_int_equal(sink->err, -ECONNRESET);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup_sink, teardown_sink)

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(bytes_are_given_as_they_come),
        T(the_first_read_needs_no_watching),
        T(an_answer_and_a_close_need_no_watching),
        T(the_first_read_may_find_nothing),
        T(resume_before_the_first_read_does_no_harm),
        T(what_the_sink_leaves_comes_again),
        T(kept_bytes_can_be_left_again),
        T(a_sink_may_resume_in_the_call_that_pauses),
        T(kept_bytes_stay_in_front),
        T(a_first_read_inside_a_data_call_waits),
        T(a_request_at_a_time_changes_no_interest),
        T(fin_is_told_once_and_then_the_end),
        T(fin_is_noticed_while_paused_with_bytes_unread),
        T(a_reset_is_noticed_while_paused),
        T(a_reset_is_noticed_after_fin),
        T(what_came_before_a_reset_is_given),
        T(urgent_bytes_do_not_spin),
        T(both_ends_shut_do_not_spin),
        T(failing_tells_at_once_or_after_the_call),
        T(abort_resets_the_connection),
        T(a_failure_to_read_is_no_clean_end),
        T(a_close_in_the_data_call_ends_it),
        T(the_loops_end_closes_its_streams),
        T(answers_of_one_event_leave_in_one_send),
        T(corks_nest),
        T(a_large_segment_takes_the_corked_bytes_along),
        T(a_full_cork_is_sent),
        T(corked_streams_do_not_mix),
        T(reserved_room_stands_in_order),
        T(segments_are_sent_in_order_through_a_tiny_socket),
        T(fifty_megabytes_to_a_slow_reader_stay_bounded),
        T(one_turn_sends_so_much_and_no_more),
        T(a_long_turn_sends_little_more),
        T(who_took_nothing_for_the_longest_is_cut_first),
        T(what_is_lent_is_not_counted),
        T(a_stream_alone_beyond_the_limit_of_all_is_cut),
        T(a_failed_send_closes_from_the_ready_queue),
        T(a_reset_while_output_waits_gives_it_up),
        T(close_when_written_waits_for_the_system),
        T(no_send_raises_sigpipe),
        T(memory_blocks_at_its_window),
        T(what_the_peer_has_not_taken_is_known),
        T(a_corked_send_fails_and_blocks_like_others),
        T(memory_fails_as_told),
    };
    tc_set_log_callback(count_line, NULL);
    real_sendmsg = tc__sys.sendmsg;
    real_recv = tc__sys.recv;
    tc__sys.sendmsg = count_sendmsg;
    tc__sys.recv = count_recv;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
