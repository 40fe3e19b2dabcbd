/*
 * streams_test.c - streams, servers and clients from coroutines: a read has a time of its own and the stream goes on
 * after it; whatever a cancel meets, no byte and no connection is lost.
 */
#include "async/async_test.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tornadoc/coroutine.h>
#include <tornadoc/tcpclient.h>
#include <tornadoc/tcpserver.h>

static tc_ioloop_t *loop;
static tc_iostream_t *pair[2]; /* in memory */
#define us pair[0]
#define them pair[1]

static int make_pair(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    return err < 0 ? err : tc_iostream_pair(&us, &them, loop, NULL);
}

static int free_pair(void **state) {
    tc_iostream_close(us);
    tc_iostream_close(them);
    tc__ioloop_advance(loop, 0);
    return free_loop(state);
}

static int make_loop(void **state) {
    int err = with_loop(state);
    loop = *state;
    return err;
}

static void say(const char *text) {
    tc_iostream_write(them, tc_str(text), NULL, NULL);
}

/* What they have got since the last call, "" if nothing. */
static const char *answer(void) {
    static char text[256];
    size_t len = 0;
    for (bool came = true; came;) {
        tc_future_t *read = tc_iostream_read_bytes_future(them, sizeof text - 1 - len, true);
        tc__ioloop_advance(loop, 0);
        came = tc_future_state(read) == TC_DONE;
        tc_bytes_t bytes = tc_iostream_bytes(tc_future_result(read));
        memcpy(text + len, bytes.data, bytes.len);
        len += bytes.len;
        tc_future_unref(read); /* given up, if nothing came */
    }
    text[len] = '\0';
    return text;
}

static tc_future_t *read_line(tc_iostream_t *stream) {
    return tc_iostream_read_until_future(stream, tc_str("\n"), 1000);
}

static void close_stream(void *stream) {
    tc_iostream_close(stream);
}

/* ---- A time for each line ---- */

static int wait_for_lines(void *stream) {
    for (;;) {
        void *line;
        int err = tc_await(tc_with_timeout(read_line(stream), 5000), &line);
        tc_future_t *written;
        if (err == TC_ETIMEDOUT) {
            written = tc_iostream_write_future(stream, tc_str("hurry up\n"));
        } else {
            TC_TRY(err);
            written = tc_iostream_write_future(stream, tc_iostream_bytes(line));
            tc_iostream_bytes_free(line);
        }
        TC_TRY(tc_await(written, NULL));
    }
}

static void a_client_has_five_seconds_for_each_line_and_is_read_on(void **state) {
    (void)state;
    tc_future_t *served = tc_spawn(loop, wait_for_lines, us);
    say("one\n");
    assert_string_equal(answer(), "one\n");
    tc__ioloop_advance(loop, 4999);
    say("ha");
    assert_string_equal(answer(), "");
    tc__ioloop_advance(loop, 1);
    assert_string_equal(answer(), "hurry up\n");
    say("lf\nthr");
    assert_string_equal(answer(), "half\n");
    tc__ioloop_advance(loop, 15000);
    assert_string_equal(answer(), "hurry up\nhurry up\nhurry up\n");
    say("ee\nfour\n");
    assert_string_equal(answer(), "three\nfour\n");
    tc_iostream_close(them);
    tc__ioloop_advance(loop, 0);
    assert_int_equal(tc_future_status(served), TC_ECLOSED);
    tc_future_unref(served);
    them = NULL;
}

/* ---- A cancel and a line in the same turn ---- */

typedef struct {
    int timeouts; /* how deep the read stands in tc_with_timeout */
    int status;
    char text[32];
} reader_t;

static int read_one(void *arg) {
    reader_t *reader = arg;
    void *line;
    tc_future_t *read = read_line(us);
    for (int i = 0; i < reader->timeouts; i++)
        read = tc_with_timeout(read, 1000);
    reader->status = tc_await(read, &line);
    snprintf(reader->text, sizeof reader->text, "%s", tc_iostream_bytes(line).data);
    tc_iostream_bytes_free(line);
    return reader->status;
}

static int cancel(void *task) {
    tc_future_cancel(task);
    return 0;
}

static void on_time(void *task) {
    tc_future_cancel(task);
}

typedef enum {
    NOW_THEN_SAY,   /* before anything comes */
    SAY_THEN_NOW,   /* the bytes are on their way */
    IN_TURN_BEFORE, /* in the turn in which they come, but earlier */
    IN_TURN_AFTER,  /* and later */
    AT_ONE_TIME,    /* when the time of the read is up as well */
    MOMENTS
} moment_t;

static void cancel_at(moment_t moment, tc_future_t *task, const char *text) {
    tc_future_t *canceller = NULL;
    if (moment == NOW_THEN_SAY)
        tc_future_cancel(task);
    if (moment == IN_TURN_BEFORE)
        canceller = tc_spawn(loop, cancel, task);
    if (moment == AT_ONE_TIME)
        tc_ioloop_call_later(loop, 1000, on_time, task);
    if (moment == AT_ONE_TIME)
        tc__ioloop_advance(loop, 999);
    say(text);
    if (moment == SAY_THEN_NOW)
        tc_future_cancel(task);
    if (moment == IN_TURN_AFTER)
        canceller = tc_spawn(loop, cancel, task);
    tc__ioloop_advance(loop, moment == AT_ONE_TIME ? 1 : 0);
    tc_future_unref(canceller);
}

static void a_line_is_either_given_out_or_left_whatever_the_moment_of_a_cancel(void **state) {
    (void)state;
    int given_out = 0, left = 0;
    for (int timeouts = 0; timeouts < 4; timeouts++) {
        for (moment_t moment = 0; moment < MOMENTS; moment++) {
            reader_t first = { .timeouts = timeouts, .status = 1 }, second = { .status = 1 };
            tc_future_t *task = tc_spawn(loop, read_one, &first);
            tc__ioloop_advance(loop, 0);
            cancel_at(moment, task, "one\ntwo\n");
            assert_true(first.status == 0 || first.status == TC_ECANCELED);
            assert_string_equal(first.text, first.status == 0 ? "one\n" : "");
            assert_int_equal(tc_future_status(task), first.status);
            tc_future_unref(task);
            first.status == 0 ? given_out++ : left++;

            assert_int_equal(tc_run_sync(loop, read_one, &second, 10), 0);
            assert_string_equal(second.text, first.status == 0 ? "two\n" : "one\n");
            if (first.status != 0)
                assert_int_equal(tc_run_sync(loop, read_one, &second, 10), 0);
            assert_string_equal(second.text, "two\n");
        }
    }
    assert_true(given_out > 0 && left > 0);
}

/* One turn in which things happen in this order: the coroutine is cancelled, the line comes, the coroutine goes on, and
 * who waits for the line with a time would be told. */
static void a_line_that_comes_after_the_cancel_in_its_turn_is_given_out(void **state) {
    (void)state;
    for (int timeouts = 0; timeouts < 4; timeouts++) {
        reader_t reader = { .timeouts = timeouts, .status = 1 };
        tc_future_t *task = tc_spawn(loop, read_one, &reader);
        tc__ioloop_advance(loop, 0);
        cancel_at(IN_TURN_BEFORE, task, "line\n");
        assert_int_equal(reader.status, 0);
        assert_string_equal(reader.text, "line\n");
        tc_future_unref(task);
    }
}

static void a_stream_that_ends_in_the_turn_of_a_cancel_is_no_news(void **state) {
    (void)state;
    for (int timeouts = 0; timeouts < 4; timeouts++) {
        reader_t reader = { .timeouts = timeouts, .status = 1 };
        tc_future_t *task = tc_spawn(loop, read_one, &reader), *canceller;
        tc__ioloop_advance(loop, 0);
        canceller = tc_spawn(loop, cancel, task);
        tc_iostream_close(them);
        tc__ioloop_advance(loop, 0);
        assert_int_equal(reader.status, TC_ECANCELED);
        assert_int_equal(tc_future_status(task), TC_ECANCELED);
        tc_future_unref(task), tc_future_unref(canceller);
        tc_iostream_close(us);
        assert_int_equal(tc_iostream_pair(&us, &them, loop, NULL), 0);
    }
}

/* ---- A cancel during a write, and into memory ---- */

static int write_much(void *stream) {
    static char large[1000000];
    return tc_await(tc_iostream_write_future(stream, tc_bytes(large, sizeof large)), NULL);
}

static int read_much(void *stream) {
    void *bytes;
    TC_TRY(tc_await(tc_iostream_read_bytes_future(stream, 1000000, false), &bytes));
    tc_iostream_bytes_free(bytes);
    return 0;
}

static void a_write_goes_out_though_its_coroutine_was_cancelled(void **state) {
    (void)state;
    tc_future_t *writing = tc_spawn(loop, write_much, us);
    tc__ioloop_advance(loop, 0);
    tc_future_cancel(writing);
    tc__ioloop_advance(loop, 0);
    assert_int_equal(tc_future_status(writing), TC_ECANCELED);
    tc_future_unref(writing);
    assert_int_equal(tc_run_sync(loop, read_much, them, 1000), 0);
    assert_int_equal(tc_iostream_write_queue_size(us), 0);
}

static int read_into_local(void *stream) {
    char local[8] = "";
    void *bytes;
    TC_TRY(tc_await(tc_with_timeout(tc_iostream_read_into_future(stream, local, 8, false), 1000), &bytes));
    note("%.8s", tc_iostream_bytes(bytes).data);
    tc_iostream_bytes_free(bytes);
    return 0;
}

static void a_read_into_a_local_ends_with_its_await(void **state) {
    (void)state;
    tc_future_t *task = tc_spawn(loop, read_into_local, us);
    say("1234");
    tc__ioloop_advance(loop, 1000);
    assert_int_equal(tc_future_status(task), TC_ETIMEDOUT);
    tc_future_unref(task);
    say("5678"); /* the stack of that coroutine is gone */
    tc__ioloop_advance(loop, 0);
    assert_int_equal(tc_run_sync(loop, read_into_local, us, 1000), 0);
    assert_string_equal(noted(), "12345678");
}

/* ---- Connections ---- */

static int connect_client(tc_tcpserver_t *server) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)tc_tcpserver_port(server)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

typedef struct {
    tc_tcpserver_t *server;
    bool timed;
    int status;
    tc_iostream_t *stream;
} connection_t;

static int accept_one(void *arg) {
    connection_t *connection = arg;
    tc_future_t *future = tc_tcpserver_accept(connection->server);
    if (connection->timed)
        future = tc_with_timeout(future, 60000);
    return connection->status = tc_await(future, &connection->stream);
}

static int connect_one(void *arg) {
    connection_t *connection = arg;
    tc_future_t *future = tc_tcpclient_connect(NULL, "127.0.0.1", tc_tcpserver_port(connection->server), NULL);
    if (connection->timed)
        future = tc_with_timeout(future, 60000);
    return connection->status = tc_await(future, &connection->stream);
}

static void turns(int count) {
    for (int i = 0; i < count; i++)
        tc__ioloop_turn(loop, false);
}

static tc_tcpserver_t *listen_somewhere(void) {
    tc_tcpserver_t *server;
    assert_int_equal(tc_tcpserver_new(&server, loop, NULL, NULL, NULL), 0);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    return server;
}

/* `when`: how many turns after the client has come. */
static void a_cancelled_accept_leaves_the_connection_to_the_next_or_has_it(void **state) {
    (void)state;
    int had = 0;
    tc_tcpserver_t *server = listen_somewhere();
    for (int when = -1; when < 4; when++) {
        for (int timed = 0; timed < 2; timed++) {
            connection_t first = { .server = server, .timed = timed }, second = { .server = server };
            tc_future_t *task = tc_spawn(loop, accept_one, &first), *canceller = NULL;
            turns(3);
            if (when == -1)
                tc_future_cancel(task);
            else if (when == 0) /* in the turn that accepts it */
                canceller = tc_spawn(loop, cancel, task);
            int client = connect_client(server);
            turns(when > 0 ? when : 0);
            tc_future_cancel(task);
            turns(3);
            if (first.stream) {
                had++;
                assert_int_equal(first.status, 0);
            } else {
                assert_int_equal(first.status, TC_ECANCELED);
                assert_int_equal(tc_run_sync(loop, accept_one, &second, 10000), 0);
            }
            char c = 0;
            assert_int_equal(recv(client, &c, 1, MSG_DONTWAIT), -1); /* it was not closed */
            tc_iostream_close(first.stream ? first.stream : second.stream);
            turns(3);
            assert_int_equal(recv(client, &c, 1, 0), 0);
            close(client);
            tc_future_unref(task), tc_future_unref(canceller);
        }
    }
    assert_true(had > 0);
    tc_tcpserver_free(server);
    turns(3);
}

static void a_cancelled_connect_closes_or_hands_out(void **state) {
    (void)state;
    int had = 0;
    for (int when = 0; when < 6; when++) {
        for (int timed = 0; timed < 2; timed++) {
            tc_tcpserver_t *server = listen_somewhere();
            int before = dup(0);
            close(before);
            connection_t connection = { .server = server, .timed = timed };
            tc_future_t *task = tc_spawn(loop, connect_one, &connection);
            tc_future_t *canceller = when == 1 ? tc_spawn(loop, cancel, task) : NULL;
            turns(when);
            tc_future_cancel(task);
            turns(4);
            assert_int_equal(connection.status, connection.stream ? 0 : TC_ECANCELED);
            had += connection.stream != NULL;
            tc_iostream_close(connection.stream);
            tc_future_unref(task), tc_future_unref(canceller);
            turns(4);
            int after = dup(0);
            close(after);
            assert_int_equal(before, after); /* no descriptor is left open */
            tc_tcpserver_free(server);
            turns(4);
        }
    }
    assert_true(had > 0);
}

/* TCPServerTest: test_handle_stream_native_coroutine, test_handle_stream_coroutine_logging */
static int handle_one_then_fail(void *stream) {
    void *line;
    TC_TRY(tc_on_exit(close_stream, stream));
    TC_TRY(tc_await(read_line(stream), &line));
    tc_iostream_bytes_free(line);
    TC_TRY(tc_await(tc_iostream_write_future(stream, tc_str("data")), NULL));
    return TC_EPROTO;
}

static int serve_all(void *server) {
    for (;;) {
        tc_iostream_t *stream;
        TC_TRY(tc_await(tc_tcpserver_accept(server), &stream));
        tc_future_unref(tc_spawn(NULL, handle_one_then_fail, stream));
    }
}

static void a_handler_that_fails_is_logged_and_the_next_client_is_served(void **state) {
    (void)state;
    tc_tcpserver_t *server = listen_somewhere();
    tc_future_t *serving = tc_spawn(loop, serve_all, server);
    for (int i = 0; i < 2; i++) {
        char got[8] = "";
        int client = connect_client(server);
        turns(3);
        assert_int_equal(send(client, "hello\n", 6, 0), 6);
        turns(6);
        assert_int_equal(recv(client, got, sizeof got, MSG_WAITALL), 4);
        assert_string_equal(got, "data");
        assert_logged("a future failed and nobody looked");
        close(client);
    }
    tc_tcpserver_free(server);
    turns(3);
    assert_int_equal(tc_future_status(serving), TC_ECLOSED);
    tc_future_unref(serving);
}

/* ---- Without memory ---- */

enum { LINES = 6, TRIES = 20 };

static int got; /* lines, in their order */
static int out_of_order;

/* Tries once more when there was no memory. */
static int take_lines(void *stream) {
    int timeouts = 0, failures = 0;
    while (got < LINES) {
        void *line;
        int err = tc_await(tc_with_timeout(read_line(stream), 100), &line);
        if (err == 0) {
            char wanted[16];
            snprintf(wanted, sizeof wanted, "%d\n", ++got);
            out_of_order += strcmp(tc_iostream_bytes(line).data, wanted) != 0;
            tc_iostream_bytes_free(line);
        } else if (!(err == TC_ETIMEDOUT && ++timeouts < TRIES) && !(err == TC_ENOMEM && ++failures == 1)) {
            return err;
        }
    }
    return 0;
}

/* @return whether all lines came, without trouble */
static bool take_lines_in_pieces(void) {
    tc_iostream_t *ends[2];
    got = 0;
    if (tc_iostream_pair(&ends[0], &ends[1], loop, NULL) < 0)
        return false;
    tc_future_t *taken = tc_spawn(loop, take_lines, ends[0]);
    bool sent = taken != NULL;
    for (int i = 1; sent && i <= LINES; i++) {
        char digit[2] = { (char)('0' + i), 0 };
        sent = tc_iostream_write(ends[1], tc_str(digit), NULL, NULL) == 0;
        tc__ioloop_advance(loop, 150); /* the time of the read is up in the middle of each line */
        sent = sent && tc_iostream_write(ends[1], tc_str("\n"), NULL, NULL) == 0;
        if (i % 2)
            tc__ioloop_advance(loop, 1); /* else the next digit is there at once */
    }
    allow_allocations();
    tc__ioloop_advance(loop, 5000);
    int err = taken ? tc_future_status(taken) : TC_ENOMEM;
    bool whole = sent && err == 0;
    if (sent && err == TC_ETIMEDOUT && !tc_iostream_closed(ends[0]))
        out_of_order++; /* it was open all the time, and something is missing */
    tc_future_unref(taken);
    tc_iostream_close(ends[0]);
    tc_iostream_close(ends[1]);
    tc__ioloop_advance(loop, 0);
    return whole;
}

static void without_memory_no_line_is_lost_in_the_middle(void **state) {
    (void)state;
    long before = atomic_load(&memory.live);
    for (int for_good = 0; for_good < 2; for_good++) {
        int nth = 1, whole_in_a_row = 0;
        for (; nth < 500 && whole_in_a_row < 60; nth++) {
            allow_allocations();
            assert_int_equal(tc__ioloop_new_virtual(&loop), 0);
            fail_allocation(nth, for_good);
            whole_in_a_row = take_lines_in_pieces() ? whole_in_a_row + 1 : 0;
            tc_ioloop_free(loop);
            atomic_store(&logged.count, 0);
            if (out_of_order || atomic_load(&memory.live) != before)
                fail_msg("allocation %d%s: %d out of order, %ld blocks left", nth, for_good ? " and later" : "",
                         out_of_order, atomic_load(&memory.live) - before);
        }
        assert_in_range(nth, 60, 499);
    }
}

#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, make_pair, free_pair)
#define FOR_REAL(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)

int main(void) {
    static const struct CMUnitTest tests[] = {
        IN_MEMORY(a_client_has_five_seconds_for_each_line_and_is_read_on),
        IN_MEMORY(a_line_is_either_given_out_or_left_whatever_the_moment_of_a_cancel),
        IN_MEMORY(a_line_that_comes_after_the_cancel_in_its_turn_is_given_out),
        IN_MEMORY(a_stream_that_ends_in_the_turn_of_a_cancel_is_no_news),
        IN_MEMORY(a_write_goes_out_though_its_coroutine_was_cancelled),
        IN_MEMORY(a_read_into_a_local_ends_with_its_await),
        FOR_REAL(a_cancelled_accept_leaves_the_connection_to_the_next_or_has_it),
        FOR_REAL(a_cancelled_connect_closes_or_hands_out),
        FOR_REAL(a_handler_that_fails_is_logged_and_the_next_client_is_served),
        TEST(without_memory_no_line_is_lost_in_the_middle),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
