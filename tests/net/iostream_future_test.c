/* iostream_future_test.c - the operations of a stream as futures, and how they are given up, on every transport. */
#include "net/pair_test.h"

static tc_future_t *read_line(void) {
    return tc_iostream_read_until_future(us, tc_str("\n"), 0);
}

/* Done, with that text. */
static void assert_brings(tc_future_t *read, const char *text) {
    until(tc_future_state(read) != TC_PENDING);
    assert_int_equal(tc_future_status(read), 0);
    tc_bytes_t bytes = tc_iostream_bytes(tc_future_result(read));
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
    tc_future_unref(read);
}

static void assert_fails(tc_future_t *future, int err) {
    while (tc_future_state(future) == TC_PENDING) /* not by waiting: a timer's end is no event */
        tc__ioloop_turn(loop, false);
    assert_int_equal(tc_future_status(future), err);
    tc_future_unref(future);
}

/* A read that pends, whatever kind it is, until more than three bytes have come. */
enum { READ_UNTIL, READ_UNTIL_MAX, READ_BYTES, READ_INTO, READ_UNTIL_CLOSE, READS };
static char target[8];

static tc_future_t *start_read(int kind) {
    switch (kind) {
    case READ_UNTIL:
        return read_line();
    case READ_UNTIL_MAX:
        return tc_iostream_read_until_future(us, tc_str("\n"), 4);
    case READ_BYTES:
        return tc_iostream_read_bytes_future(us, 4, false);
    case READ_INTO:
        return tc_iostream_read_into_future(us, target, 4, false);
    default:
        return tc_iostream_read_until_close_future(us);
    }
}

/* ---- What they bring ---- */

static void futures_bring_copies(void **state) {
    (void)state;
    tc_future_t *line = tc_iostream_read_until_future(us, tc_str("\n"), 0);
    tc_future_t *sent = tc_iostream_write_future(them, tc_str("one\ntwo"));
    assert_int_equal(tc_future_status(line), TC_EAGAIN);
    until(tc_future_state(line) != TC_PENDING && tc_future_state(sent) != TC_PENDING);
    assert_int_equal(tc_future_status(sent), 0);
    assert_int_equal(tc_future_status(line), 0);
    tc_bytes_t bytes = tc_iostream_bytes(tc_future_result(line));
    assert_int_equal(bytes.len, 4);
    assert_string_equal(bytes.data, "one\n");
    void *taken = tc_future_take(line);
    tc_future_unref(line);
    tc_future_unref(sent);
    assert_string_equal(tc_iostream_bytes(taken).data, "one\n");
    tc_iostream_bytes_free(taken);

    tc_future_t *two = tc_iostream_read_bytes_future(us, 3, false);
    until(tc_future_state(two) != TC_PENDING);
    assert_string_equal(tc_iostream_bytes(tc_future_result(two)).data, "two");
    tc_future_unref(two);
    assert_int_equal(tc_iostream_bytes(NULL).len, 0);
}

/* So it is with a coroutine that was cancelled while it waited. */
static void what_nobody_waits_for_any_more_fails_in_silence(void **state) {
    (void)state;
    tc_future_unref(tc_iostream_read_until_future(us, tc_str("\n"), 0));
    char *large = calloc(1, 4000000);
    tc_future_unref(tc_iostream_write_future(us, tc_bytes(large, 4000000)));
    free(large);
    tc_iostream_close(us);
    settle();
    us = NULL;
    expect_logged(0);
}

static void a_future_says_why_it_failed(void **state) {
    (void)state;
    tc_future_t *read = tc_iostream_read_until_future(us, tc_str("\n"), 0);
    tc_future_t *busy = tc_iostream_read_until_close_future(us);
    assert_int_equal(tc_future_status(busy), TC_EBUSY);
    tc_iostream_close(them);
    until(tc_future_state(read) != TC_PENDING);
    assert_int_equal(tc_future_status(read), TC_ECLOSED);
    tc_future_t *late = tc_iostream_write_future(us, tc_str("x"));
    settle();
    tc_future_t *later = tc_iostream_write_future(us, tc_str("x"));
    assert_int_equal(tc_future_status(later), TC_ECLOSED);
    tc_future_status(late);
    tc_future_unref(read), tc_future_unref(busy), tc_future_unref(late), tc_future_unref(later);
    them = NULL;
}

static void a_read_into_memory_brings_what_was_filled(void **state) {
    (void)state;
    tc_future_t *all = tc_iostream_read_into_future(us, target, 4, false);
    say("ab");
    settle();
    say("cdefg");
    until(tc_future_state(all) != TC_PENDING);
    assert_ptr_equal(tc_iostream_bytes(tc_future_result(all)).data, target);
    assert_brings(all, "abcd");
    assert_brings(tc_iostream_read_into_future(us, target, sizeof target, true), "efg");
    assert_memory_equal(target, "efg", 3);
    assert_brings(tc_iostream_read_into_future(us, NULL, 0, false), "");
    tc_future_t *cut = tc_iostream_read_into_future(us, target, 4, false);
    tc_iostream_close(them);
    them = NULL;
    assert_fails(cut, TC_ECLOSED);
}

static void a_read_that_cannot_begin_is_a_failure(void **state) {
    (void)state;
    assert_fails(tc_iostream_read_until_future(NULL, tc_str("x"), 0), TC_EINVAL);
    assert_fails(tc_iostream_read_until_future(us, tc_str(""), 0), TC_EINVAL);
    assert_fails(tc_iostream_read_bytes_future(NULL, 1, true), TC_EINVAL);
    assert_fails(tc_iostream_read_into_future(us, NULL, 1, false), TC_EINVAL);
    assert_fails(tc_iostream_read_into_future(us, target, SIZE_MAX, true), TC_ETOOBIG);
    assert_fails(tc_iostream_read_until_close_future(NULL), TC_EINVAL);
    assert_fails(tc_iostream_write_future(NULL, tc_str("x")), TC_EINVAL);
    assert_false(tc_iostream_reading(us));
    log_lines = 0;
}

/* ---- Giving up a read ---- */

typedef enum { CANCEL, DROP, TIME, WAYS } way_t;

static void give_up(tc_future_t *read, way_t way) {
    assert_int_equal(tc_future_status(read), TC_EAGAIN);
    if (way == CANCEL) {
        tc_future_cancel(read);
        assert_fails(read, TC_ECANCELED);
    } else if (way == TIME) {
        assert_fails(tc_with_timeout(read, 0), TC_ETIMEDOUT);
    } else {
        tc_future_unref(read);
    }
}

static void a_read_given_up_before_anything_came_leaves_the_stream_as_it_was(void **state) {
    (void)state;
    for (int kind = 0; kind < READS; kind++) {
        for (way_t way = CANCEL; way < WAYS; way++) {
            give_up(start_read(kind), way);
            assert_false(tc_iostream_reading(us));
            tc_future_t *line = read_line(); /* at once, while nothing comes */
            assert_int_equal(tc_future_status(line), TC_EAGAIN);
            say("line\n");
            assert_brings(line, "line\n");
        }
    }
}

static void a_read_given_up_half_way_leaves_the_bytes_to_the_next(void **state) {
    (void)state;
    for (int kind = 0; kind < READS; kind++) {
        for (way_t way = CANCEL; way < WAYS; way++) {
            tc_future_t *read = start_read(kind);
            say("ab");
            settle();
            say("c");
            settle();
            give_up(read, way);
            memset(target, 'x', sizeof target);
            tc_future_t *line = read_line();
            say("\nde");
            assert_brings(line, "abc\n");
            assert_brings(tc_iostream_read_bytes_future(us, 2, false), "de");
            assert_memory_equal(target, "xxxxxxxx", sizeof target); /* not touched any more */
        }
    }
}

static void a_read_that_the_buffer_satisfies_can_be_given_up_until_the_loop_turns(void **state) {
    (void)state;
    say("one\ntwo\n");
    assert_brings(read_line(), "one\n");
    for (int kind = 0; kind < READS; kind++) {
        for (way_t way = CANCEL; way < TIME; way++) {
            give_up(start_read(kind), way);
            tc_future_t *partial = tc_iostream_read_bytes_future(us, 9, true);
            give_up(partial, way);
        }
    }
    settle();
    assert_brings(read_line(), "two\n");
}

static void a_read_that_is_done_is_not_taken_back(void **state) {
    (void)state;
    tc_future_t *read = read_line(), *timed = tc_future_ref(read);
    say("one\ntwo\n");
    until(tc_future_state(read) != TC_PENDING);
    tc_future_t *next = read_line();
    tc_future_cancel(read);
    assert_brings(tc_with_timeout(timed, 0), "one\n");
    assert_brings(read, "one\n");
    assert_brings(next, "two\n");
}

static void a_read_that_is_done_and_that_nobody_has_seen_gives_its_bytes_back(void **state) {
    (void)state;
    for (int kind = 0; kind < READS; kind++) {
        if (kind == READ_INTO || kind == READ_UNTIL_CLOSE)
            continue;
        tc_future_t *read = start_read(kind);
        say("abc\nnext\n");
        until(!tc_iostream_reading(us));
        tc_future_unref(read);
        assert_brings(read_line(), "abc\n");
        assert_brings(read_line(), "next\n");
    }
    say("one\ntwo\n");
    assert_brings(tc_iostream_read_bytes_future(us, 1, false), "o"); /* the rest is in the buffer */
    tc_future_t *gathered[] = { read_line(), tc_future_new(loop) }, *waiting;
    tc_future_t *both = tc_gather(gathered, 2);
    until(!tc_iostream_reading(us));
    settle();
    waiting = read_line(); /* for the second line, while the first is with the gathering */
    tc_future_unref(both);
    assert_brings(waiting, "ne\n");
    assert_brings(read_line(), "two\n");
}

static void bytes_do_not_come_back_behind_those_of_a_later_read(void **state) {
    (void)state;
    say("one\ntwo\nthree\n");
    tc_future_t *first = read_line();
    until(!tc_iostream_reading(us));
    assert_brings(read_line(), "two\n");
    tc_future_unref(first);
    assert_brings(read_line(), "three\n");
    tc_future_t *last = read_line(), *late;
    say("last\n");
    until(!tc_iostream_reading(us));
    tc_iostream_close(us);
    settle();
    tc_future_unref(last); /* after the stream */
    us = NULL;
    late = tc_iostream_read_until_close_future(them);
    assert_brings(late, "");
}

static void who_keeps_a_reference_reads_on_when_the_time_is_up(void **state) {
    (void)state;
    tc_future_t *read = read_line();
    assert_fails(tc_with_timeout(tc_future_ref(read), 0), TC_ETIMEDOUT);
    assert_true(tc_iostream_reading(us));
    say("late\n");
    assert_brings(read, "late\n");
}

/* One of several: the others are given up with the whole. */
static void a_read_is_given_up_with_those_that_it_was_gathered_with(void **state) {
    (void)state;
    tc_future_t *both[] = { read_line(), tc_sleep(loop, 0), tc_future_new(loop) };
    tc_future_unref(tc_gather(both, 3));
    assert_false(tc_iostream_reading(us));
    say("one\n");
    assert_brings(read_line(), "one\n");
}

static void nothing_is_read_for_a_read_that_was_given_up(void **state) {
    (void)state;
    give_up(start_read(READ_UNTIL_CLOSE), DROP);
    static char large[100000];
    memset(large, 'x', sizeof large);
    for (int i = 0; i < 200; i++) /* more than the transport has room for */
        assert_int_equal(tc_iostream_write(them, tc_bytes(large, sizeof large), NULL, NULL), 0);
    settle();
    assert_true(tc_iostream_writing(them));
    assert_true(tc__iostream_kept(us) < sizeof large);
}

static void a_read_given_up_lets_the_end_be_noticed(void **state) {
    (void)state;
    seen_t closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed, &closed);
    tc_future_t *read = read_line();
    say("last");
    settle();
    give_up(read, CANCEL);
    tc_iostream_close(them);
    them = NULL;
    until(closed.calls);
    assert_int_equal(closed.err, 0);
    assert_brings(tc_iostream_read_bytes_future(us, 4, false), "last");
    forget(&closed);
}

/* ---- From inside callbacks ---- */

static tc_future_t *given_up;
static int calls_of_inside;

static void give_up_inside(void) {
    calls_of_inside++;
    tc_future_state(given_up); /* looked at: on a closed stream it fails at once */
    tc_future_unref(given_up);
    given_up = read_line();
}

static void on_inside_read(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    (void)stream, (void)err, (void)data, (void)user_data;
    give_up_inside();
}

static void on_inside_written(tc_iostream_t *stream, int err, void *user_data) {
    (void)stream, (void)err, (void)user_data;
    give_up_inside();
}

static void on_inside_done(tc_future_t *future, void *user_data) {
    (void)future, (void)user_data;
    give_up_inside();
}

static void on_inside_freed(void *data) {
    (void)data;
    give_up_inside();
}

static void a_read_may_be_given_up_and_begun_again_in_any_callback(void **state) {
    (void)state;
    calls_of_inside = 0;
    given_up = read_line();
    say("a");
    assert_int_equal(tc_iostream_read_bytes(them, 1, false, on_inside_read, NULL), 0);
    assert_int_equal(tc_iostream_write(us, tc_str("x"), on_inside_written, NULL), 0);
    assert_int_equal(tc_iostream_write_owned(us, tc_str("y"), on_inside_freed, NULL, NULL, NULL), 0);
    until(calls_of_inside == 3);
    tc_future_t *slept = tc_sleep(loop, 0);
    assert_int_equal(tc_future_on_done(slept, on_inside_done, NULL), 0);
    tc_future_unref(slept);
    until(calls_of_inside == 4);
    say("b\n");
    assert_brings(given_up, "ab\n");
}

static void a_read_may_be_given_up_in_what_the_close_calls(void **state) {
    (void)state;
    calls_of_inside = 0;
    given_up = read_line();
    static char large[4000000]; /* cannot be sent: freed by the close */
    assert_int_equal(tc_iostream_write(us, tc_bytes(large, sizeof large), on_inside_written, NULL), 0);
    assert_int_equal(tc_iostream_write_owned(us, tc_str("y"), on_inside_freed, NULL, NULL, NULL), 0);
    tc_iostream_close(us);
    until(calls_of_inside == 2);
    assert_fails(given_up, TC_ECLOSED);
    us = NULL;
}

static void a_read_may_be_given_up_after_the_close(void **state) {
    (void)state;
    for (way_t way = CANCEL; way < TIME; way++) {
        tc_future_t *read = read_line();
        tc_iostream_close(us);
        give_up(read, way);
        settle();
        tc_iostream_close(them);
        stream_pair(transport, pair, NULL);
    }
}

/* ---- At the loop's end ---- */

static tc_future_t *begun;

static void begin_another(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    int *left = user_data;
    (void)err, (void)data;
    if (*left > 0 && --*left == 0)
        begun = tc_iostream_read_bytes_future(stream, 1, true);
    else if (*left > 0)
        (void)!tc_iostream_read_bytes(stream, 1, true, begin_another, left);
}

static void the_loops_end_ends_reads_that_callbacks_begin_again_and_again(void **state) {
    (void)state;
    for (int depth = 1; depth < 6; depth++) {
        int left = depth;
        seen_t seen = { 0 };
        begun = NULL;
        tc_iostream_set_close_callback(us, on_closed, &seen);
        say("0123456789");
        assert_brings(tc_iostream_read_bytes_future(us, 1, false), "0");
        assert_int_equal(tc_iostream_read_bytes(us, 1, true, begin_another, &left), 0);
        tc_iostream_close(us);
        tc_ioloop_free(loop);
        assert_true(!begun || tc_future_state(begun) != TC_PENDING);
        tc_future_unref(begun);
        tc_iostream_close(them);
        forget(&seen);
        assert_int_equal(tc_ioloop_new(&loop), 0);
        stream_pair(transport, pair, NULL);
    }
}

static void a_read_outlives_its_loop_as_a_failure(void **state) {
    (void)state;
    tc_future_t *read = read_line();
    say("half");
    settle();
    tc_ioloop_free(loop);
    assert_int_equal(tc_future_status(read), TC_ECANCELED);
    tc_future_cancel(read);
    tc_iostream_close(us), tc_iostream_close(them);
    tc_future_unref(read);
    assert_int_equal(tc_ioloop_new(&loop), 0);
    us = them = NULL;
}

/* ---- Giving up a write ---- */

static void a_write_goes_out_whatever_becomes_of_its_future(void **state) {
    (void)state;
    static char large[4000000];
    for (way_t way = CANCEL; way < WAYS; way++) {
        tc_future_t *sent = tc_iostream_write_future(us, tc_bytes(large, sizeof large));
        assert_int_equal(tc_future_status(sent), TC_EAGAIN);
        if (way == CANCEL) { /* nobody can stop it, so it goes on */
            tc_future_cancel(sent);
            assert_int_equal(tc_future_status(sent), TC_EAGAIN);
        } else if (way == TIME) {
            assert_fails(tc_with_timeout(sent, 0), TC_ETIMEDOUT);
        } else {
            tc_future_unref(sent);
        }
        tc_future_t *arrived = tc_iostream_read_bytes_future(them, sizeof large, false);
        until(tc_future_state(arrived) != TC_PENDING);
        assert_int_equal(tc_future_status(arrived), 0);
        tc_future_unref(arrived);
        settle();
        assert_int_equal(tc_iostream_write_queue_size(us), 0);
        if (way == CANCEL) {
            assert_int_equal(tc_future_status(sent), 0);
            tc_future_unref(sent);
        }
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(futures_bring_copies),
        T(what_nobody_waits_for_any_more_fails_in_silence),
        T(a_future_says_why_it_failed),
        T(a_read_into_memory_brings_what_was_filled),
        T(a_read_that_cannot_begin_is_a_failure),
        T(a_read_given_up_before_anything_came_leaves_the_stream_as_it_was),
        T(a_read_given_up_half_way_leaves_the_bytes_to_the_next),
        T(a_read_that_the_buffer_satisfies_can_be_given_up_until_the_loop_turns),
        T(a_read_that_is_done_is_not_taken_back),
        T(a_read_that_is_done_and_that_nobody_has_seen_gives_its_bytes_back),
        T(bytes_do_not_come_back_behind_those_of_a_later_read),
        T(who_keeps_a_reference_reads_on_when_the_time_is_up),
        T(a_read_is_given_up_with_those_that_it_was_gathered_with),
        T(nothing_is_read_for_a_read_that_was_given_up),
        T(a_read_given_up_lets_the_end_be_noticed),
        T(a_read_may_be_given_up_and_begun_again_in_any_callback),
        T(a_read_may_be_given_up_in_what_the_close_calls),
        T(a_read_may_be_given_up_after_the_close),
        T(the_loops_end_ends_reads_that_callbacks_begin_again_and_again),
        T(a_read_outlives_its_loop_as_a_failure),
        T(a_write_goes_out_whatever_becomes_of_its_future),
    };
    tc_set_log_callback(count_line, NULL);
    int failed = 0;
    for (transport = 0; transport < TRANSPORTS; transport++) {
        printf("on %s:\n", transport_names[transport]);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
