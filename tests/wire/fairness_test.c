/*
 * fairness_test.c - one client's work does not keep the others waiting, however much of it arrives at once, and cannot
 * be piled up by leaving it behind.
 */
#include "support/wire.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <uv.h>

#include "async/ioloop_internal.h"

enum { PILE = 200, MOST = 4, CROWD = 100, SLOW_NS = 2 * 1000 * 1000, QUICK_NS = 50 * 1000 };

typedef struct {
    tc_ioloop_t *loop;
    tc_httpserver_t *server;
    wire_client_t greedy, patient;
    int calls;
    tc_deferred_t *tokens[PILE];
    size_t token_count;
} fixture_t;

static int work(tc_request_t *req, uint64_t ns) {
    fixture_t *f = tc_arg(req);
    f->calls++;
    for (uint64_t end = uv_hrtime() + ns; uv_hrtime() < end;)
        continue;
    return 0;
}

static int be_slow(tc_request_t *req) {
    return work(req, SLOW_NS);
}

static int be_quick(tc_request_t *req) {
    return work(req, QUICK_NS);
}

static int take_slowly(tc_request_t *req, tc_bytes_t chunk) {
    (void)chunk;
    return be_slow(req);
}

static int answer(tc_request_t *req) {
    return tc_write(req, "here");
}

static int set_up(void **state) {
    static fixture_t f;
    memset(&f, 0, sizeof f);
    assert_int_equal(tc_ioloop_new(&f.loop), 0);
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/slow", &(tc_request_handler_t){ .get = be_slow }, &f);
    tc_application_add(app, "/quick", &(tc_request_handler_t){ .get = be_quick }, &f);
    tc_application_add(app, "/upload",
                       &(tc_request_handler_t){ .post = answer, .body = TC_BODY_STREAM, .data_received = take_slowly },
                       &f);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = answer }, &f);
    assert_int_equal(tc_httpserver_new(&f.server, f.loop, app, NULL), 0);
    assert_int_equal(tc_httpserver_listen(f.server, "127.0.0.1", TC_ANY_PORT), 0);
    tc_application_free(app);
    wire_connect(&f.greedy, tc_httpserver_port(f.server));
    wire_connect(&f.patient, tc_httpserver_port(f.server));
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    fixture_t *f = *state;
    wire_disconnect(&f->greedy);
    wire_disconnect(&f->patient);
    tc_httpserver_free(f->server);
    tc_ioloop_free(f->loop);
    return 0;
}

static void send_at_once(wire_client_t *client, const char *data, size_t len) {
    assert_int_equal(send(client->fd, data, len, MSG_NOSIGNAL), len);
}

/* Both clients are there before the loop turns; the patient one is answered long before the pile is worked off. */
static void be_answered_between(fixture_t *f, const char *pile, size_t len) {
    while (tc_httpserver_connections(f->server) < 2)
        wire_turn(&f->patient, f->loop);
    send_at_once(&f->greedy, pile, len);
    send_at_once(&f->patient, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    wire_until(&f->patient, f->loop, f->patient.in && strstr(f->patient.in, "\r\n\r\nhere"));
    assert_in_range(f->calls, 0, PILE / 8);
    wire_until(&f->greedy, f->loop, f->calls == PILE);
}

static void test_pipelined_requests(void **state) {
    static const char request[] = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    static char pile[PILE * sizeof request];
    size_t len = 0;
    for (int i = 0; i < PILE; i++, len += sizeof request - 1)
        memcpy(pile + len, request, sizeof request - 1);
    be_answered_between(*state, pile, len);
    fixture_t *f = *state;
    wire_answers_t answers;
    do
        wire_parse(&answers, f->greedy.in, f->greedy.in_len, false, NULL);
    while (answers.count < PILE && wire_wait(&f->greedy, f->loop));
    assert_int_equal(answers.count, PILE);
    assert_null(answers.fault);
}

static void test_small_chunks(void **state) {
    static char pile[64 + PILE * 6 + 8] = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    size_t len = strlen(pile);
    for (int i = 0; i < PILE; i++, len += 6)
        memcpy(pile + len, "1\r\nx\r\n", 6);
    memcpy(pile + len, "0\r\n\r\n", 5);
    be_answered_between(*state, pile, len + 5);
    fixture_t *f = *state;
    wire_until(&f->greedy, f->loop, f->greedy.in && strstr(f->greedy.in, "\r\n\r\nhere"));
}

/* A share for each of many is a long turn for all: once it is long, the shares that are left are two requests. */
static void test_a_crowd_that_pipelines(void **state) {
    fixture_t *f = *state;
    static const char request[] = "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n";
    static char pile[PILE * sizeof request];
    static wire_client_t crowd[CROWD];
    enum { UNTIL_LATE = 11 * 1000 * 1000 / QUICK_NS, PASSES = 3 };
    size_t len = 0;
    for (int i = 0; i < PILE; i++, len += sizeof request - 1)
        memcpy(pile + len, request, sizeof request - 1);
    for (int i = 0; i < CROWD; i++)
        wire_connect(&crowd[i], tc_httpserver_port(f->server));
    while (tc_httpserver_connections(f->server) < 2 + CROWD)
        wire_turn(&f->patient, f->loop);
    for (int i = 0; i < CROWD; i++)
        send_at_once(&crowd[i], pile, len);
    tc__ioloop_turn(f->loop, false);
    assert_in_range(f->calls, 1, UNTIL_LATE + PASSES * 2 * CROWD);
    for (int i = 0; i < CROWD; i++)
        wire_disconnect(&crowd[i]);
}

/* ---- Leaving ---- */

static int keep_token(tc_request_t *req) {
    fixture_t *f = tc_arg(req);
    f->tokens[f->token_count++] = tc_defer(req);
    return TC_DETACH;
}

static void release_tokens(fixture_t *f) {
    while (f->token_count > 0)
        tc_deferred_unref(f->tokens[--f->token_count]);
}

static int set_up_narrow(void **state) {
    static fixture_t f;
    memset(&f, 0, sizeof f);
    assert_int_equal(tc_ioloop_new(&f.loop), 0);
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = keep_token }, &f);
    const tc_httpserver_options_t options = { .max_connections = MOST };
    assert_int_equal(tc_httpserver_new(&f.server, f.loop, app, &options), 0);
    assert_int_equal(tc_httpserver_listen(f.server, "127.0.0.1", TC_ANY_PORT), 0);
    tc_application_free(app);
    *state = &f;
    return 0;
}

static int tear_down_narrow(void **state) {
    fixture_t *f = *state;
    tc_httpserver_free(f->server);
    release_tokens(f);
    tc_ioloop_free(f->loop);
    return 0;
}

static void turn(fixture_t *f) {
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(f->loop, false);
}

static void ask_and_leave(fixture_t *f) {
    wire_connect(&f->greedy, tc_httpserver_port(f->server));
    send_at_once(&f->greedy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    turn(f);
    wire_disconnect(&f->greedy);
    turn(f);
}

static void test_requests_left_behind(void **state) {
    fixture_t *f = *state;
    for (int i = 0; i < 3 * MOST; i++)
        ask_and_leave(f);
    assert_int_equal(f->token_count, MOST);
    assert_int_equal(tc_httpserver_connections(f->server), 0);
    release_tokens(f);
    ask_and_leave(f); /* those who left meanwhile were still in the queue */
    wire_connect(&f->patient, tc_httpserver_port(f->server));
    send_at_once(&f->patient, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    while (tc_httpserver_connections(f->server) == 0) {
        release_tokens(f);
        wire_turn(&f->patient, f->loop);
    }
    wire_disconnect(&f->patient);
}

static void test_requests_that_outlive_the_server(void **state) {
    fixture_t *f = *state;
    for (int i = 0; i < MOST; i++)
        ask_and_leave(f);
    tc_httpserver_free(f->server);
    f->server = NULL;
    release_tokens(f);
    turn(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pipelined_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_small_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_crowd_that_pipelines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_requests_left_behind, set_up_narrow, tear_down_narrow),
        cmocka_unit_test_setup_teardown(test_requests_that_outlive_the_server, set_up_narrow, tear_down_narrow),
    };
    return cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
}
