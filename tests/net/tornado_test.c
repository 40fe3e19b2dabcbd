/*
 * tornado_test.c - what Tornado's own tests demand of streams, as far as no other test here does.
 *
 * The name of each test in Tornado stands before it. The rest of its tests for these modules is met elsewhere:
 *
 *   Tornado                                               here
 *   iostream   test_read_zero_bytes, test_read_into*,     net/iostream
 *              test_read_bytes_partial, test_write_zero_bytes,
 *              test_future_delayed_close_callback,
 *              test_close_buffered_data, test_read_until_close
 *              test_future_interface                      net/iostream_future
 *              test_connection_refused, test_gaierror     net/tcpclient, net/resolver
 *              test_inline_read_error, test_*_reset       net/failing, net/iostream_sink
 *              SSLIOStream, start_tls, wait_for_handshake the tests of TLS
 *              test_write_while_connecting                none: a stream is given out when it is connected
 *              read_until_regex                           none: read_until, or read_bytes and a look
 *              PipeIOStream                               none: tc_ioloop_add_handler, or libuv's own pipes
 *              StreamBuffer                               none: the queue is inside; net/iostream_sink
 *   tcpserver  test_stop_twice, test_stop_in_callback     net/tcpserver
 *              test_handle_stream_native_coroutine,       coroutine/streams
 *              test_handle_stream_coroutine_logging
 *              bind and start of several processes        none: processes are the application's
 *   netutil    bind_sockets, bind_unix_socket, Resolver,  net/netutil, net/resolver
 *              OverrideResolver, is_valid_ip
 *   tcpclient  all                                        net/tcpclient
 */
#include "net/net_test.h"

/* ---- One read, and what is left ---- */

typedef enum { READ_UNTIL, READ_BYTES, READ_PARTIAL, READ_INTO, READ_INTO_PARTIAL, READ_TO_END } kind_t;
typedef enum { STAYS, ENDS, RESETS } end_t;

static const struct {
    const char *why;
    kind_t kind;
    size_t len;           /* of read_until: max_bytes; its delimiter is "\n" */
    const char *buffered; /* there before the read begins */
    const char *comes;    /* after that */
    end_t end;            /* and then */
    int err;
    const char *result, *left; /* what the next read finds */
} reads[] = {
    /* test_read_until_max_bytes, _inline, _ignores_extra */
    { "the delimiter may end at the limit", READ_UNTIL, 4, "", "abc\n", STAYS, 0, "abc\n", "" },
    { "so it may in the buffer", READ_UNTIL, 4, "abc\n", "", STAYS, 0, "abc\n", "" },
    { "what follows does not count", READ_UNTIL, 4, "abc\nmuch more", "", STAYS, 0, "abc\n", "much more" },
    { "nor if it arrives with it", READ_UNTIL, 4, "", "abc\nmuch more", STAYS, 0, "abc\n", "much more" },
    { "a delimiter beyond the limit is no match", READ_UNTIL, 3, "", "abc\n", STAYS, TC_ETOOBIG, "", NULL },
    { "nor is it in the buffer", READ_UNTIL, 3, "abc\n", "", STAYS, TC_ETOOBIG, "", NULL },
    { "the limit may be reached without one", READ_UNTIL, 3, "ab", "cd", STAYS, TC_ETOOBIG, "", NULL },
    { "half of it may be there before", READ_UNTIL, 0, "ab", "c\nd", STAYS, 0, "abc\n", "d" },
    /* test_read_until_close_after_close, test_read_until_unsatisfied_after_close, test_connection_closed */
    { "the end is no delimiter", READ_UNTIL, 0, "ab", "c", ENDS, TC_ECLOSED, "", "abc" },
    { "a line before the end is a line", READ_UNTIL, 0, "a", "b\n", ENDS, 0, "ab\n", NULL },
    { "a reset is told as one", READ_UNTIL, 0, "", "", RESETS, -ECONNRESET, "", NULL },
    { "also with some of it there", READ_BYTES, 9, "ab", "", RESETS, -ECONNRESET, "", "ab" },
    { "all is what came before the end", READ_TO_END, 0, "ab", "cd", ENDS, 0, "abcd", NULL },
    { "which may be nothing", READ_TO_END, 0, "", "", ENDS, 0, "", NULL },
    { "a reset is no end", READ_TO_END, 0, "ab", "", RESETS, -ECONNRESET, "ab", NULL },
    /* test_read_bytes_partial, test_read_into, test_read_into_partial, test_read_into_zero_bytes */
    { "bytes are counted", READ_BYTES, 3, "ab", "cd", STAYS, 0, "abc", "d" },
    { "too few at the end are a failure", READ_BYTES, 3, "a", "b", ENDS, TC_ECLOSED, "", "ab" },
    { "a part is what there is", READ_PARTIAL, 3, "a", "", STAYS, 0, "a", "" },
    { "and no more than was asked for", READ_PARTIAL, 3, "abcd", "", STAYS, 0, "abc", "d" },
    { "no part comes of an end", READ_PARTIAL, 3, "", "", ENDS, TC_ECLOSED, "", NULL },
    { "memory is filled from both", READ_INTO, 3, "ab", "cd", STAYS, 0, "abc", "d" },
    { "or in part", READ_INTO_PARTIAL, 3, "", "a", STAYS, 0, "a", "" },
    { "no memory is filled at once", READ_INTO, 0, "ab", "", STAYS, 0, "", "ab" },
};

static int start_read(tc_iostream_t *stream, size_t row, seen_t *seen) {
    static char memory[16];
    switch (reads[row].kind) {
    case READ_UNTIL:
        return tc_iostream_read_until(stream, tc_str("\n"), reads[row].len, on_read, seen);
    case READ_BYTES:
    case READ_PARTIAL:
        return tc_iostream_read_bytes(stream, reads[row].len, reads[row].kind == READ_PARTIAL, on_read, seen);
    case READ_INTO:
    case READ_INTO_PARTIAL:
        return tc_iostream_read_into(stream, memory, reads[row].len, reads[row].kind == READ_INTO_PARTIAL, on_read,
                                     seen);
    default:
        return tc_iostream_read_until_close(stream, on_read, seen);
    }
}

static void expect_read(tc_iostream_t *stream, const char *text) {
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_bytes(stream, strlen(text), false, on_read, &seen), 0);
    until(seen.calls);
    assert_read(&seen, text);
}

static void end_peer(int peer, end_t end) {
    if (end == ENDS)
        assert_int_equal(shutdown(peer, SHUT_WR), 0);
    else if (end == RESETS)
        reset_on_close(peer);
}

static void a_read_finds_what_it_asked_for_and_leaves_the_rest(void **state) {
    (void)state;
    for (size_t row = 0; row < sizeof(reads) / sizeof(reads[0]); row++) {
        int peer;
        seen_t seen = { 0 };
        tc_iostream_t *stream = stream_and_peer(TCP_SOCKET, &peer, NULL);
        char buffered[32];
        snprintf(buffered, sizeof(buffered), "^%s", reads[row].buffered);
        peer_send(peer, buffered, strlen(buffered));
        expect_read(stream, "^");
        assert_int_equal(start_read(stream, row, &seen), 0);
        peer_send(peer, reads[row].comes, strlen(reads[row].comes));
        end_peer(peer, reads[row].end);
        until(seen.calls);
        if (seen.err != reads[row].err || strcmp(seen.data, reads[row].result) != 0)
            fail_msg("%s: %d, \"%s\"", reads[row].why, seen.err, seen.data);
        forget(&seen);
        if (reads[row].left)
            expect_read(stream, reads[row].left);
        assert_int_equal(seen.calls, 0);
        if (reads[row].err == TC_ETOOBIG)
            assert_int_equal(tc_iostream_error(stream), TC_ETOOBIG); /* and closed with it */
        tc_iostream_close(stream);
        settle();
        if (reads[row].end != RESETS)
            close(peer);
    }
}

/* ---- Many ---- */

enum { LARGE = 1024 * 1024 };

static char letter(size_t at) {
    return (char)(at % 64 == 63 ? '\n' : 'a' + at % 23);
}

static void make_letters(char *letters) {
    for (size_t i = 0; i < LARGE; i++)
        letters[i] = letter(i);
}

static bool are_letters(const char *bytes, size_t len, size_t from) {
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != letter(from + i))
            return false;
    return true;
}

/* test_small_reads_from_large_buffer, test_small_read_untils_from_large_buffer, test_many_mixed_reads */
static void many_small_reads_of_all_kinds_come_from_a_large_buffer(void **state) {
    (void)state;
    static char letters[LARGE], memory[512];
    make_letters(letters);
    for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
        tc_iostream_t *pair[2];
        stream_pair(transport, pair, NULL);
        assert_int_equal(tc_iostream_write(pair[0], tc_bytes(letters, LARGE), NULL, NULL), 0);
        unsigned dice = 1;
        size_t at = 0;
        while (at < LARGE) {
            seen_t seen = { 0 };
            dice = dice * 1103515245 + 12345;
            size_t len = 1 + (dice >> 16) % 500;
            if (len > LARGE - at)
                len = LARGE - at;
            switch (dice >> 28 & 3) {
            case 0:
                assert_int_equal(tc_iostream_read_until(pair[1], tc_str("\n"), 0, on_read, &seen), 0);
                break;
            case 1:
                assert_int_equal(tc_iostream_read_bytes(pair[1], len, false, on_read, &seen), 0);
                break;
            case 2:
                assert_int_equal(tc_iostream_read_bytes(pair[1], len, true, on_read, &seen), 0);
                break;
            default:
                assert_int_equal(tc_iostream_read_into(pair[1], memory, len, false, on_read, &seen), 0);
                break;
            }
            until(seen.calls);
            assert_int_equal(seen.err, 0);
            assert_true(are_letters(seen.data, seen.len, at));
            at += seen.len;
            forget(&seen);
        }
        tc_iostream_close(pair[0]);
        tc_iostream_close(pair[1]);
        settle();
    }
}

/* test_flow_control */
static void more_than_the_buffer_holds_can_be_read_piece_by_piece(void **state) {
    (void)state;
    static char letters[LARGE];
    make_letters(letters);
    for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
        tc_iostream_t *pair[2];
        stream_pair(transport, pair, &(tc_iostream_options_t){ .max_buffer_size = LARGE / 8 });
        assert_int_equal(tc_iostream_write(pair[0], tc_bytes(letters, LARGE), NULL, NULL), 0);
        for (size_t at = 0; at < LARGE; at += LARGE / 16) {
            seen_t seen = { 0 };
            assert_int_equal(tc_iostream_read_bytes(pair[1], LARGE / 16, false, on_read, &seen), 0);
            until(seen.calls);
            assert_int_equal(seen.err, 0);
            assert_true(are_letters(seen.data, seen.len, at));
            forget(&seen);
            settle(); /* nothing is read while nobody asks */
        }
        tc_iostream_close(pair[0]);
        tc_iostream_close(pair[1]);
        settle();
    }
}

/* test_large_read_until */
static void a_long_line_comes_in_many_pieces(void **state) {
    (void)state;
    static char line[LARGE];
    memset(line, 'x', LARGE - 1);
    line[LARGE - 1] = '\n';
    for (transport_t transport = MEMORY; transport < TRANSPORTS; transport++) {
        tc_iostream_t *pair[2];
        seen_t seen = { 0 };
        stream_pair(transport, pair, NULL);
        assert_int_equal(tc_iostream_read_until(pair[1], tc_str("\n"), 0, on_read, &seen), 0);
        assert_int_equal(tc_iostream_write(pair[0], tc_bytes(line, LARGE), NULL, NULL), 0);
        until(seen.calls);
        assert_int_equal(seen.err, 0);
        assert_int_equal(seen.len, LARGE);
        forget(&seen);
        tc_iostream_close(pair[0]);
        tc_iostream_close(pair[1]);
        settle();
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(a_read_finds_what_it_asked_for_and_leaves_the_rest),
        T(many_small_reads_of_all_kinds_come_from_a_large_buffer),
        T(more_than_the_buffer_holds_can_be_read_piece_by_piece),
        T(a_long_line_comes_in_many_pieces),
    };
    tc_set_log_callback(count_line, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
