/* iostream_test.c - single operations on streams, on every transport. */
#include "net/pair_test.h"

/* ---- Reading ---- */

static void read_until_includes_the_delimiter(void **state) {
    (void)state;
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_until(us, tc_str("\r\n"), 0, on_read, &seen), 0);
    assert_true(tc_iostream_reading(us));
    say("one\r\ntwo\r\nthr");
    assert_int_equal(seen.calls, 0);
    until(seen.calls);
    assert_read(&seen, "one\r\n");
    assert_false(tc_iostream_reading(us));

    assert_int_equal(tc_iostream_read_until(us, tc_str("\r\n"), 0, on_read, &seen), 0);
    assert_int_equal(seen.calls, 0); /* never from inside the call */
    until(seen.calls);
    assert_read(&seen, "two\r\n");

    assert_int_equal(tc_iostream_read_until(us, tc_str("\r\n"), 0, on_read, &seen), 0);
    settle();
    assert_int_equal(seen.calls, 0);
    say("ee\r\n");
    until(seen.calls);
    assert_read(&seen, "three\r\n");
}

static void a_delimiter_may_arrive_in_pieces(void **state) {
    (void)state;
    static const char text[] = "--a--abc--ab-abcd";
    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        seen_t seen = { 0 };
        assert_int_equal(tc_iostream_read_until(us, tc_str("-abcd"), 0, on_read, &seen), 0);
        assert_int_equal(tc_iostream_write(them, tc_bytes(text, at), NULL, NULL), 0);
        settle();
        assert_int_equal(seen.calls, 0);
        assert_int_equal(tc_iostream_write(them, tc_str(text + at), NULL, NULL), 0);
        until(seen.calls);
        assert_read(&seen, text);
    }
}

static void read_bytes_waits_for_all_of_them(void **state) {
    (void)state;
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_bytes(us, 5, false, on_read, &seen), 0);
    say("abcd");
    settle();
    assert_int_equal(seen.calls, 0);
    say("efg");
    until(seen.calls);
    assert_read(&seen, "abcde");
    assert_int_equal(tc_iostream_read_bytes(us, 2, false, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "fg");
}

static void a_partial_read_takes_what_is_there(void **state) {
    (void)state;
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_bytes(us, 5, true, on_read, &seen), 0);
    settle();
    assert_int_equal(seen.calls, 0);
    say("abc");
    until(seen.calls);
    assert_read(&seen, "abc");
    say("defghijk");
    assert_int_equal(tc_iostream_read_bytes(us, 5, true, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "defgh");
    assert_int_equal(tc_iostream_read_bytes(us, 50, true, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "ijk");
}

static void zero_bytes_are_read_at_once(void **state) {
    (void)state;
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_bytes(us, 0, false, on_read, &seen), 0);
    assert_int_equal(seen.calls, 0);
    settle();
    assert_int_equal(seen.calls, 1);
    assert_read(&seen, "");
}

static void read_into_fills_the_callers_memory(void **state) {
    (void)state;
    seen_t seen = { 0 };
    char memory[10];
    assert_int_equal(tc_iostream_read_into(us, memory, 6, false, on_read, &seen), 0);
    say("abcd");
    settle();
    assert_int_equal(seen.calls, 0);
    say("efghij");
    until(seen.calls);
    assert_read(&seen, "abcdef");
    assert_memory_equal(memory, "abcdef", 6);

    settle();
    assert_int_equal(tc_iostream_read_into(us, memory, sizeof(memory), true, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "ghij");

    assert_int_equal(tc_iostream_read_bytes(us, 1, false, on_read, &seen), 0); /* leaves some in the buffer */
    say("klmn");
    until(seen.calls);
    assert_read(&seen, "k");
    assert_int_equal(tc_iostream_read_into(us, memory, 5, false, on_read, &seen), 0);
    settle();
    say("opq");
    until(seen.calls);
    assert_read(&seen, "lmnop");
    assert_int_equal(tc_iostream_read_bytes(us, 1, false, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "q");
}

static void read_until_close_gathers_everything(void **state) {
    (void)state;
    seen_t seen = { 0 }, closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed, &closed);
    assert_int_equal(tc_iostream_read_until_close(us, on_read, &seen), 0);
    say("abc");
    settle();
    say("def");
    tc_iostream_close(them);
    until(closed.calls);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(closed.err, 0);
    assert_true(seen.order < closed.order);
    assert_read(&seen, "abcdef");
    assert_true(tc_iostream_closed(us));
    assert_int_equal(tc_iostream_error(us), 0);

    /* and then there is nothing more */
    assert_int_equal(tc_iostream_read_until_close(us, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "");
    assert_int_equal(tc_iostream_read_bytes(us, 1, false, on_read, &seen), TC_ECLOSED);
    them = NULL;
    forget(&closed);
}

static void only_one_read_at_a_time(void **state) {
    (void)state;
    seen_t seen = { 0 };
    char memory[4];
    assert_int_equal(tc_iostream_read_bytes(us, 3, false, on_read, &seen), 0);
    assert_int_equal(tc_iostream_read_bytes(us, 3, false, on_read, &seen), TC_EBUSY);
    assert_int_equal(tc_iostream_read_until(us, tc_str("x"), 0, on_read, &seen), TC_EBUSY);
    assert_int_equal(tc_iostream_read_into(us, memory, 4, false, on_read, &seen), TC_EBUSY);
    assert_int_equal(tc_iostream_read_until_close(us, on_read, &seen), TC_EBUSY);
    say("abc");
    until(seen.calls);
    assert_read(&seen, "abc");
}

/* A reader that asks for the next line in its callback. */
typedef struct {
    int lines;
    char text[64];
} lines_t;

static void on_line(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    lines_t *lines = user_data;
    assert_int_equal(err, 0);
    lines->lines++;
    strncat(lines->text, data.data, data.len);
    if (lines->lines < 4)
        assert_int_equal(tc_iostream_read_until(stream, tc_str("\n"), 0, on_line, lines), 0);
}

static void a_callback_may_ask_for_the_next(void **state) {
    (void)state;
    lines_t lines = { 0 };
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_line, &lines), 0);
    say("a\nb\nc\n");
    settle();
    say("d\n");
    until(lines.lines == 4);
    assert_string_equal(lines.text, "a\nb\nc\nd\n");
}

/* ---- Limits ---- */

static void read_until_gives_up_at_max_bytes(void **state) {
    (void)state;
    seen_t seen = { 0 }, closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed, &closed);
    assert_int_equal(tc_iostream_read_until(us, tc_str("\r\n"), 8, on_read, &seen), 0);
    say("abcdef\r\n"); /* exactly that much is fine */
    until(seen.calls);
    assert_read(&seen, "abcdef\r\n");
    assert_int_equal(tc_iostream_read_until(us, tc_str("\r\n"), 8, on_read, &seen), 0);
    say("abcdefg\r\n");
    until(closed.calls);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.err, TC_ETOOBIG);
    assert_int_equal(closed.err, TC_ETOOBIG);
    assert_true(tc_iostream_closed(us));
    forget(&seen);
    forget(&closed);
}

static void read_until_gives_up_without_a_match(void **state) {
    (void)state;
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 5, on_read, &seen), 0);
    say("abcd");
    settle();
    assert_int_equal(seen.calls, 0);
    say("e");
    until(seen.calls);
    assert_int_equal(seen.err, TC_ETOOBIG);
    forget(&seen);
}

static void the_buffer_has_a_limit(void **state) {
    (void)state;
    tc_iostream_t *small[2];
    stream_pair(transport, small, &(tc_iostream_options_t){ .max_buffer_size = 1000 });
    seen_t seen = { 0 };
    char text[1200];
    memset(text, 'x', sizeof(text));
    text[10] = '\n';
    assert_int_equal(tc_iostream_read_bytes(small[0], 1001, false, on_read, &seen), TC_ETOOBIG);
    assert_int_equal(tc_iostream_write(small[1], tc_bytes(text, sizeof(text)), NULL, NULL), 0);
    assert_int_equal(tc_iostream_read_until(small[0], tc_str("\n"), 0, on_read, &seen), 0);
    until(seen.calls); /* what lies behind the line does not count against it */
    assert_int_equal(seen.len, 11);
    assert_int_equal(seen.err, 0);
    forget(&seen);
    assert_int_equal(tc_iostream_read_until(small[0], tc_str("\n"), 0, on_read, &seen), 0);
    until(seen.calls);
    assert_int_equal(seen.err, TC_ETOOBIG);
    assert_true(tc_iostream_closed(small[0]));
    forget(&seen);
    tc_iostream_close(small[0]);
    tc_iostream_close(small[1]);
}

/* The peer has sent more than the buffer holds, and ended: the close callback comes when it was read. */
static void reading_ahead_stays_within_the_limit(void **state) {
    (void)state;
    tc_iostream_t *small[2];
    stream_pair(transport, small, &(tc_iostream_options_t){ .max_buffer_size = 1000 });
    seen_t seen = { 0 }, closed = { 0 };
    char text[2500];
    memset(text, 'x', sizeof(text));
    tc_iostream_set_close_callback(small[0], on_closed, &closed);
    assert_int_equal(tc_iostream_write(small[1], tc_bytes(text, sizeof(text)), NULL, NULL), 0);
    assert_int_equal(tc_iostream_shutdown(small[1]), 0);
    settle();
    assert_int_equal(closed.calls, 0);
    for (int i = 0; i < 25; i++) {
        assert_int_equal(tc_iostream_read_bytes(small[0], 100, false, on_read, &seen), 0);
        until(seen.calls);
        assert_int_equal(seen.len, 100);
        forget(&seen);
    }
    if (!tc_iostream_closed(small[0]))
        assert_int_equal(tc_iostream_read_bytes(small[0], 1, false, on_read, &seen), 0);
    until(closed.calls);
    assert_int_equal(closed.err, 0);
    tc_iostream_close(small[0]);
    tc_iostream_close(small[1]);
    forget(&seen), forget(&closed);
}

/* ---- Closing ---- */

/* The peer has ended while our answer is on its way: the read is over, the answer is not. */
static void the_peers_end_fails_a_read_but_not_the_output(void **state) {
    (void)state;
    seen_t seen = { 0 }, sent = { 0 }, closed = { 0 }, answer = { 0 };
    static char much[4 * 1024 * 1024];
    tc_iostream_set_close_callback(us, on_closed, &closed);
    assert_int_equal(tc_iostream_write(us, tc_bytes(much, sizeof(much)), on_written, &sent), 0);
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read, &seen), 0);
    say("part");
    assert_int_equal(tc_iostream_shutdown(them), 0);
    until(seen.calls);
    assert_int_equal(seen.err, TC_ECLOSED);
    assert_int_equal(closed.calls + sent.calls, 0);
    forget(&seen);
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read, &seen), TC_ECLOSED);
    assert_int_equal(tc_iostream_read_until_close(us, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "part");
    assert_int_equal(tc_iostream_read_bytes(them, sizeof(much), false, on_read, &answer), 0);
    until(closed.calls && answer.calls);
    assert_int_equal(sent.err, 0);
    assert_int_equal(sent.calls, 1);
    assert_true(sent.order < closed.order);
    assert_int_equal(answer.len, sizeof(much));
    forget(&sent), forget(&closed), forget(&answer);
}

static void a_close_callback_set_late_is_called_all_the_same(void **state) {
    (void)state;
    seen_t seen = { 0 }, closed = { 0 };
    assert_int_equal(tc_iostream_read_bytes(us, 1, false, on_read, &seen), 0);
    say("xyz");
    assert_int_equal(tc_iostream_shutdown(them), 0);
    until(seen.calls);
    settle(); /* nobody waits for the end */
    assert_false(tc_iostream_closed(us));
    tc_iostream_set_close_callback(us, on_closed, &closed);
    until(closed.calls);
    assert_int_equal(closed.err, 0);
    char memory[2];
    assert_int_equal(tc_iostream_read_into(us, memory, 3, false, on_read, &seen), TC_ECLOSED);
    assert_int_equal(tc_iostream_read_into(us, memory, 2, false, on_read, &seen), 0);
    seen.calls = 0;
    until(seen.calls);
    assert_read(&seen, "yz");
    forget(&closed);
    tc_iostream_set_close_callback(us, on_closed, &closed); /* it was told: not again */
    settle();
    assert_int_equal(closed.calls, 0);
    tc_iostream_set_close_callback(NULL, on_closed, &closed);
}

static void a_pending_read_fails_before_the_close_callback(void **state) {
    (void)state;
    seen_t seen = { 0 }, closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed, &closed);
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read, &seen), 0);
    say("abc");
    tc_iostream_close(them);
    until(closed.calls);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.err, TC_ECLOSED);
    assert_int_equal(seen.len, 0);
    assert_true(seen.order < closed.order);
    assert_int_equal(closed.err, 0);
    them = NULL;
    forget(&seen);
    forget(&closed);
}

static void what_the_buffer_holds_can_be_read_after_the_close(void **state) {
    (void)state;
    seen_t seen = { 0 }, closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed, &closed);
    say("one\ntwo\nrest");
    tc_iostream_close(them);
    until(closed.calls); /* nobody reads, but the end is noticed */
    assert_int_equal(closed.err, 0);
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "one\n");
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "two\n");
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read, &seen), TC_ECLOSED);
    assert_int_equal(tc_iostream_read_bytes(us, 5, false, on_read, &seen), TC_ECLOSED);
    assert_int_equal(tc_iostream_read_bytes(us, 5, true, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "rest");
    assert_int_equal(closed.calls, 1);
    them = NULL;
    forget(&closed);
}

static void a_read_that_the_buffer_satisfies_survives_the_close(void **state) {
    (void)state;
    seen_t seen = { 0 }, closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed, &closed);
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read, &seen), 0);
    say("one\ntwo\n");
    until(seen.calls);
    assert_read(&seen, "one\n");
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read, &seen), 0);
    tc_iostream_t *stream = tc_iostream_ref(us);
    tc_iostream_close(us);
    assert_int_equal(seen.calls, 0);
    until(closed.calls);
    assert_true(seen.order < closed.order);
    assert_read(&seen, "two\n");
    assert_true(tc_iostream_closed(stream));
    tc_iostream_unref(stream);
    us = NULL;
    forget(&closed);
}

static void closing_ends_pending_operations_in_order(void **state) {
    (void)state;
    seen_t seen = { 0 }, written = { 0 }, closed = { 0 };
    static char much[8 * 1024 * 1024];
    tc_iostream_set_close_callback(us, on_closed, &closed);
    assert_int_equal(tc_iostream_read_bytes(us, 5, false, on_read, &seen), 0);
    assert_int_equal(tc_iostream_write(us, tc_bytes(much, sizeof(much)), on_written, &written), 0);
    tc_iostream_close(us);
    assert_int_equal(seen.calls + written.calls + closed.calls, 0);
    until(closed.calls);
    assert_int_equal(seen.err, TC_ECLOSED);
    assert_int_equal(written.err, TC_ECLOSED);
    assert_int_equal(closed.err, 0);
    assert_true(seen.order < written.order && written.order < closed.order);
    settle();
    assert_int_equal(seen.calls + written.calls + closed.calls, 3);
    us = NULL;
    forget(&seen);
    forget(&written);
    forget(&closed);
}

static void on_read_close(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    see(user_data, err, data);
    tc_iostream_close(stream);
    assert_true(tc_iostream_closed(stream));
    assert_int_equal(tc_iostream_write(stream, tc_str("x"), NULL, NULL), TC_ECLOSED);
}

static void a_callback_may_close_its_stream(void **state) {
    (void)state;
    seen_t seen = { 0 }, closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed, &closed);
    assert_int_equal(tc_iostream_read_until(us, tc_str("\n"), 0, on_read_close, &seen), 0);
    say("one\ntwo\n");
    until(closed.calls);
    assert_read(&seen, "one\n");
    us = NULL;
    forget(&closed);
}

static void on_closed_close(tc_iostream_t *stream, int err, void *user_data) {
    see(user_data, err, tc_str(""));
    tc_iostream_close(stream);
}

static void the_close_callback_may_give_the_stream_back(void **state) {
    (void)state;
    seen_t closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed_close, &closed);
    tc_iostream_close(them);
    until(closed.calls);
    settle();
    assert_int_equal(closed.calls, 1);
    us = them = NULL;
    forget(&closed);
}

static void writes_after_the_close_are_refused(void **state) {
    (void)state;
    seen_t seen = { 0 };
    tc_iostream_ref(us);
    tc_iostream_close(us);
    assert_int_equal(tc_iostream_write(us, tc_str("x"), on_written, &seen), TC_ECLOSED);
    assert_int_equal(tc_iostream_shutdown(us), TC_ECLOSED);
    assert_int_equal(tc_iostream_read_bytes(us, 1, false, on_read, &seen), TC_ECLOSED);
    settle();
    assert_int_equal(seen.calls, 0);
    tc_iostream_unref(us);
    us = NULL;
}

/* ---- Writing ---- */

static void writes_complete_in_order(void **state) {
    (void)state;
    seen_t first = { 0 }, second = { 0 }, third = { 0 }, seen = { 0 };
    enum { LARGE = 4 * 1024 * 1024 };
    char *large = malloc(LARGE);
    memset(large, 'x', LARGE);
    assert_int_equal(tc_iostream_write(us, tc_str("a"), on_written, &first), 0);
    assert_int_equal(first.calls, 0);
    assert_int_equal(tc_iostream_write(us, tc_bytes(large, LARGE), on_written, &second), 0);
    free(large); /* it was copied */
    assert_int_equal(tc_iostream_write(us, tc_str("z"), on_written, &third), 0);
    assert_true(tc_iostream_writing(us));
    assert_true(tc_iostream_write_queue_size(us) > 0);
    settle();
    assert_int_equal(second.calls, 0);
    assert_int_equal(tc_iostream_read_bytes(them, LARGE + 2, false, on_read, &seen), 0);
    until(seen.calls && third.calls);
    assert_int_equal(first.calls + second.calls, 2);
    assert_true(first.order < second.order && second.order < third.order);
    assert_int_equal(first.err | second.err | third.err, 0);
    assert_int_equal(seen.len, LARGE + 2);
    assert_int_equal(seen.data[0], 'a');
    assert_int_equal(seen.data[LARGE], 'x');
    assert_int_equal(seen.data[LARGE + 1], 'z');
    assert_false(tc_iostream_writing(us));
    forget(&seen), forget(&first), forget(&second), forget(&third);
}

static void an_empty_write_completes(void **state) {
    (void)state;
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_write(us, tc_str(""), on_written, &seen), 0);
    assert_int_equal(seen.calls, 0);
    until(seen.calls);
    assert_int_equal(seen.err, 0);
    forget(&seen);
}

static int freed;
static void count_freed(void *owner) {
    freed++;
    free(owner);
}

static void owned_bytes_are_freed_once(void **state) {
    (void)state;
    seen_t seen = { 0 }, written = { 0 };
    enum { SIZE = 1024 * 1024 };
    freed = 0;
    for (int i = 0; i < 5; i++) {
        char *data = malloc(SIZE);
        memset(data, 'a' + i, SIZE);
        assert_int_equal(tc_iostream_write_owned(us, tc_bytes(data, SIZE), count_freed, data, on_written, &written), 0);
    }
    char *small = strdup("hello");
    assert_int_equal(tc_iostream_write_owned(us, tc_str(small), count_freed, small, NULL, NULL), 0);
    assert_int_equal(tc_iostream_write_owned(us, tc_str("static"), NULL, NULL, NULL, NULL), 0);
    assert_true(freed < 5);
    assert_int_equal(tc_iostream_read_bytes(them, 5 * SIZE + 11, false, on_read, &seen), 0);
    until(seen.calls && written.calls == 5);
    assert_int_equal(freed, 6);
    assert_int_equal(seen.data[SIZE - 1], 'a');
    assert_int_equal(seen.data[5 * SIZE - 1], 'e');
    assert_string_equal(seen.data + 5 * SIZE, "hellostatic");
    forget(&seen), forget(&written);

    for (int i = 0; i < 3; i++) { /* given up */
        char *data = malloc(SIZE);
        memset(data, 0, SIZE);
        assert_int_equal(tc_iostream_write_owned(us, tc_bytes(data, SIZE), count_freed, data, NULL, NULL), 0);
    }
    tc_iostream_ref(us);
    tc_iostream_close(us);
    assert_int_equal(freed, 9);
    char *late = strdup("late");
    assert_int_equal(tc_iostream_write_owned(us, tc_str(late), count_freed, late, NULL, NULL), TC_ECLOSED);
    assert_int_equal(freed, 10);
    tc_iostream_unref(us);
    us = NULL;
}

static void the_write_queue_has_a_limit(void **state) {
    (void)state;
    tc_iostream_t *small[2];
    stream_pair(transport, small, &(tc_iostream_options_t){ .max_write_buffer_size = 10000 });
    static char much[10001];
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_write(small[0], tc_bytes(much, 10001), on_written, &seen), TC_ETOOBIG);
    assert_non_null(strstr(tc_error_detail(), "max_write_buffer_size"));
    assert_false(tc_iostream_closed(small[0]));
    int err = 0;
    for (int i = 0; i < 10000 && err == 0; i++)
        err = tc_iostream_write(small[0], tc_bytes(much, 5000), NULL, NULL);
    assert_int_equal(err, TC_ETOOBIG);
    assert_true(tc_iostream_write_queue_size(small[0]) > 5000);
    assert_true(tc_iostream_write_queue_size(small[0]) <= 10000);
    settle();
    assert_int_equal(seen.calls, 0);
    tc_iostream_close(small[0]);
    tc_iostream_close(small[1]);
}

static void shutdown_sends_fin_after_the_queue(void **state) {
    (void)state;
    seen_t seen = { 0 }, answer = { 0 };
    enum { LARGE = 3 * 1024 * 1024 };
    char *large = calloc(1, LARGE);
    assert_int_equal(tc_iostream_write(us, tc_bytes(large, LARGE), NULL, NULL), 0);
    free(large);
    assert_int_equal(tc_iostream_shutdown(us), 0);
    assert_int_equal(tc_iostream_shutdown(us), 0);
    assert_int_equal(tc_iostream_write(us, tc_str("late"), NULL, NULL), TC_ECLOSED);
    assert_int_equal(tc_iostream_read_bytes(us, 6, false, on_read, &answer), 0);
    assert_int_equal(tc_iostream_read_bytes(them, LARGE, false, on_read, &seen), 0);
    until(seen.calls);
    assert_int_equal(seen.err, 0);
    forget(&seen);
    say("answer"); /* the other direction goes on */
    until(answer.calls);
    assert_read(&answer, "answer");
    assert_int_equal(tc_iostream_read_until_close(them, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, "");
}

/* The peer has ended its side and waits for the answer. */
static void on_question(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    see(user_data, err, data);
    static char answer[4 * 1024 * 1024];
    assert_int_equal(tc_iostream_write(stream, tc_bytes(answer, sizeof(answer)), NULL, NULL), 0);
}

static void an_answer_still_goes_out_after_the_peers_end(void **state) {
    (void)state;
    seen_t question = { 0 }, answer = { 0 }, closed = { 0 };
    tc_iostream_set_close_callback(us, on_closed, &closed);
    assert_int_equal(tc_iostream_read_until_close(us, on_question, &question), 0);
    say("question");
    assert_int_equal(tc_iostream_shutdown(them), 0);
    assert_int_equal(tc_iostream_read_until_close(them, on_read, &answer), 0);
    until(answer.calls);
    assert_read(&question, "question");
    assert_int_equal(answer.err, 0);
    assert_int_equal(answer.len, 4 * 1024 * 1024);
    until(closed.calls); /* when the answer is out, the stream is over */
    assert_int_equal(closed.err, 0);
    forget(&answer), forget(&closed);
}

/* ---- Bad arguments ---- */

static void bad_arguments_are_refused(void **state) {
    (void)state;
    static char delimiter[256];
    seen_t seen = { 0 };
    tc_iostream_t *out, *out2;
    assert_int_equal(tc_iostream_read_until(NULL, tc_str("x"), 0, on_read, &seen), TC_EINVAL);
    assert_int_equal(tc_iostream_read_until(us, tc_str(""), 0, on_read, &seen), TC_EINVAL);
    assert_int_equal(tc_iostream_read_until(us, tc_bytes(delimiter, 256), 0, on_read, &seen), TC_EINVAL);
    assert_int_equal(tc_iostream_read_until(us, tc_str("x"), 0, NULL, NULL), TC_EINVAL);
    assert_int_equal(tc_iostream_read_bytes(NULL, 1, false, on_read, &seen), TC_EINVAL);
    assert_int_equal(tc_iostream_read_into(us, NULL, 1, false, on_read, &seen), TC_EINVAL);
    assert_int_equal(tc_iostream_read_until_close(us, NULL, &seen), TC_EINVAL);
    assert_int_equal(tc_iostream_write(NULL, tc_str("x"), NULL, NULL), TC_EINVAL);
    assert_int_equal(tc_iostream_write(us, tc_bytes(NULL, 3), NULL, NULL), TC_EINVAL);
    assert_int_equal(tc_iostream_shutdown(NULL), TC_EINVAL);
    assert_int_equal(tc_iostream_set_nodelay(NULL, true), TC_EINVAL);
    assert_int_equal(tc_iostream_new(NULL, loop, 0, NULL), TC_EINVAL);
    assert_int_equal(tc_iostream_new(&out, loop, -1, NULL), -EBADF);
    assert_int_equal(tc_iostream_new(&out, loop, STDIN_FILENO, NULL), -ENOTSOCK);
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(tc_iostream_new(&out, loop, datagram, NULL), TC_EINVAL);
    assert_true(fcntl(datagram, F_GETFD) >= 0); /* stays the caller's */
    close(datagram);
    assert_int_equal(tc_iostream_pair(&out, &out2, loop, &(tc_iostream_options_t){ .reserved = { 1 } }), TC_EINVAL);
    assert_int_equal(tc_iostream_pair(&out, NULL, loop, NULL), TC_EINVAL);
    assert_true(strlen(tc_error_detail()) > 0);
    assert_true(tc_iostream_closed(NULL));
    tc_iostream_close(NULL);
    tc_iostream_unref(NULL);
    freed = 0;
    char *owned = strdup("owned");
    assert_int_equal(tc_iostream_write_owned(NULL, tc_str(owned), count_freed, owned, NULL, NULL), TC_EINVAL);
    assert_int_equal(freed, 1);
    assert_int_equal(seen.calls, 0);
    log_lines = 0;
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(read_until_includes_the_delimiter),
        T(a_delimiter_may_arrive_in_pieces),
        T(read_bytes_waits_for_all_of_them),
        T(a_partial_read_takes_what_is_there),
        T(zero_bytes_are_read_at_once),
        T(read_into_fills_the_callers_memory),
        T(read_until_close_gathers_everything),
        T(only_one_read_at_a_time),
        T(a_callback_may_ask_for_the_next),
        T(read_until_gives_up_at_max_bytes),
        T(read_until_gives_up_without_a_match),
        T(the_buffer_has_a_limit),
        T(reading_ahead_stays_within_the_limit),
        T(the_peers_end_fails_a_read_but_not_the_output),
        T(a_close_callback_set_late_is_called_all_the_same),
        T(a_pending_read_fails_before_the_close_callback),
        T(what_the_buffer_holds_can_be_read_after_the_close),
        T(a_read_that_the_buffer_satisfies_survives_the_close),
        T(closing_ends_pending_operations_in_order),
        T(a_callback_may_close_its_stream),
        T(the_close_callback_may_give_the_stream_back),
        T(writes_after_the_close_are_refused),
        T(writes_complete_in_order),
        T(an_empty_write_completes),
        T(owned_bytes_are_freed_once),
        T(the_write_queue_has_a_limit),
        T(shutdown_sends_fin_after_the_queue),
        T(an_answer_still_goes_out_after_the_peers_end),
        T(bad_arguments_are_refused),
    };
    tc_set_log_callback(count_line, NULL);
    int failed = 0;
    for (transport = 0; transport < TRANSPORTS; transport++) {
        printf("on %s:\n", transport_names[transport]);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
