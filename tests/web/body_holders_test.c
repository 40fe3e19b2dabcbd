/*
 * body_holders_test.c - who gives up memory for bodies when there is no more: several clients of one server, that send
 * at paces of their own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/web_test.h"

enum { CLIENTS = 4, SIZE = 20000 };

static raw_t clients[CLIENTS];
static char bytes[SIZE + 1];

static int says_len(tc_request_t *req) {
    return tc_writef(req, "%zu", tc_body(req).len);
}

static void open_clients(const tc_request_handler_t *handler, size_t limit) {
    memset(bytes, 'x', SIZE);
    use_options(&(tc_application_options_t){ .max_buffered_size = limit });
    route("/", handler);
    raw_open(&clients[0], NULL);
    for (int i = 1; i < CLIENTS; i++) {
        clients[i] = (raw_t){ .loop = clients[0].loop, .server = clients[0].server };
        raw_connect(&clients[i]);
    }
}

static void close_clients(void) {
    for (int i = CLIENTS - 1; i > 0; i--) {
        if (clients[i].stream)
            tc_iostream_close(clients[i].stream);
        free(clients[i].text);
    }
    raw_close(&clients[0]);
}

static void send_bytes(int id, size_t len) {
    bytes[len] = '\0';
    raw_send(&clients[id], bytes);
    bytes[len] = 'x';
}

/* The head of a body, and the first bytes of it. */
static void begin(int id, size_t len) {
    raw_send(&clients[id], "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n");
    send_bytes(id, len);
}

/* The status of its answer; 0: there is none yet. */
static int status_of(int id) {
    const char *text = raw_text(&clients[id]);
    return clients[id].len > 0 ? atoi(text + strlen("HTTP/1.1 ")) : 0;
}

#define SLOWEST "503 PUT / (127.0.0.1): too many bodies are in memory, and this one comes slowest"

static void the_body_that_waited_longest_makes_room(void **state) {
    (void)state;
    open_clients(HANDLER(.put = says_len), 3 * (SIZE + 1));
    for (int i = 0; i < CLIENTS; i++)
        begin(i, SIZE - 1);
    assert_int_equal(status_of(0), 503);
    assert_log(SLOWEST);
    for (int i = 1; i < CLIENTS; i++) {
        send_bytes(i, 1);
        assert_int_equal(status_of(i), 200);
    }
    close_clients();
}

static void a_body_that_comes_fast_outlives_those_that_trickle(void **state) {
    (void)state;
    open_clients(HANDLER(.put = says_len), 3 * (SIZE + 1));
    begin(0, 1000);
    begin(1, 15000);
    begin(2, 15000);
    for (int i = 0; i < 4; i++) {
        send_bytes(1, 100);
        send_bytes(0, 4000);
        send_bytes(2, 100);
    }
    begin(3, 15000);
    assert_int_equal(status_of(1), 503);
    assert_log(SLOWEST);
    assert_int_equal(status_of(0), 0);
    send_bytes(0, 3000);
    assert_int_equal(status_of(0), 200);
    assert_int_equal(status_of(2), 0);
    assert_int_equal(status_of(3), 0);
    close_clients();
}

static void a_body_that_trickles_makes_room_though_a_piece_of_it_has_just_come(void **state) {
    (void)state;
    open_clients(HANDLER(.put = says_len), 3 * (SIZE + 1));
    begin(0, 10000);
    begin(1, 10000);
    tc__ioloop_advance(clients[0].loop, 500);
    begin(2, 15000);
    send_bytes(0, 3000);
    send_bytes(1, 3000);
    begin(3, 15000);
    assert_int_equal(status_of(0), 503);
    assert_log(SLOWEST);
    send_bytes(2, 5000);
    assert_int_equal(status_of(2), 200);
    close_clients();
}

static tc_deferred_t *token, *first;

static int keeps(tc_request_t *req) {
    token = tc_defer(req);
    return TC_DETACH;
}

static void a_body_that_is_complete_is_not_given_up(void **state) {
    (void)state;
    open_clients(HANDLER(.put = keeps), 2 * SIZE);
    begin(0, SIZE);
    begin(1, 100);
    assert_int_equal(status_of(0), 0);
    assert_int_equal(status_of(1), 503);
    assert_log("503 PUT / (127.0.0.1): too many bodies are in memory");
    tc_deferred_unref(token);
    raw_turn(&clients[0]);
    assert_int_equal(status_of(0), 500);
    forget_log();
    begin(2, SIZE);
    tc_deferred_unref(token);
    raw_turn(&clients[0]);
    assert_int_equal(status_of(2), 500);
    forget_log();
    close_clients();
}

/* Waits for the first piece, and keeps what came with it. */
static int waits_for_it(tc_request_t *req, tc_bytes_t chunk) {
    (void)chunk;
    first = tc_defer(req);
    return TC_DETACH;
}

static void a_body_whose_handler_is_busy_is_not_given_up(void **state) {
    (void)state;
    open_clients(HANDLER(.put = says_len, .body = TC_BODY_STREAM, .data_received = waits_for_it), SIZE + 1);
    begin(0, SIZE / 2);
    begin(1, SIZE - 1);
    assert_int_equal(status_of(0), 0);
    assert_int_equal(status_of(1), 503);
    assert_log("503 PUT / (127.0.0.1): too many bodies are in memory");
    tc_deferred_unref(first);
    raw_turn(&clients[0]);
    assert_int_equal(status_of(0), 500);
    forget_log();
    close_clients();
}

static void what_was_answered_or_left_is_given_up_by_itself(void **state) {
    (void)state;
    open_clients(HANDLER(.put = says_len), SIZE + 1);
    begin(0, SIZE - 1);
    tc_iostream_close(clients[0].stream);
    raw_turn(&clients[0]);
    begin(1, SIZE - 1);
    send_bytes(1, 1);
    assert_int_equal(status_of(1), 200);
    begin(2, SIZE);
    assert_int_equal(status_of(2), 200);
    close_clients();
}

static int holds_early(tc_request_t *req) {
    token = tc_defer(req);
    return 0;
}

static void what_others_hold_on_to_counts_until_it_is_gone(void **state) {
    (void)state;
    open_clients(HANDLER(.put = says_len, .admit = holds_early), SIZE + 1);
    begin(0, SIZE - 1);
    first = token;
    begin(1, SIZE - 1);
    tc_deferred_unref(token);
    assert_int_equal(status_of(0), 503);
    assert_log(SLOWEST);
    begin(2, SIZE - 1);
    tc_deferred_unref(token);
    assert_int_equal(status_of(1), 503);
    assert_log("too many bodies are in memory");
    forget_log();
    tc_deferred_unref(first);
    raw_turn(&clients[0]);
    close_clients();
    forget_log();
}

static void a_loop_that_ends_gives_up_what_is_on_its_way(void **state) {
    (void)state;
    open_clients(HANDLER(.put = says_len), SIZE + 1);
    begin(0, SIZE - 1);
    assert_int_equal(tc_iostream_write(clients[1].stream,
                                       tc_str("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\nx"), NULL,
                                       NULL),
                     0);
    close_clients();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(the_body_that_waited_longest_makes_room),
        WEB_TEST(a_body_that_comes_fast_outlives_those_that_trickle),
        WEB_TEST(a_body_that_trickles_makes_room_though_a_piece_of_it_has_just_come),
        WEB_TEST(a_body_that_is_complete_is_not_given_up),
        WEB_TEST(a_body_whose_handler_is_busy_is_not_given_up),
        WEB_TEST(what_was_answered_or_left_is_given_up_by_itself),
        WEB_TEST(what_others_hold_on_to_counts_until_it_is_gone),
        WEB_TEST(a_loop_that_ends_gives_up_what_is_on_its_way),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
