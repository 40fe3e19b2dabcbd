/*
 * leaving_test.c - a client leaves after each single byte of what it has to say, by an end or by a reset. What was
 * complete when it ended is answered; after a reset nothing is left; and the next client is served.
 */
#include "async/async_test.h"

#include <sys/socket.h>

#include <tornadoc/web.h>

#include "support/wire.h"

#define HOST "Host: a\r\n\r\n"

static const char *const requests[] = {
    "GET / HTTP/1.1\r\n" HOST,
    "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HOST "hello",
    "GET /late HTTP/1.1\r\n" HOST,
    "POST /streamed HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "POST /allowed_later HTTP/1.1\r\nContent-Length: 5\r\n" HOST "hello",
    "GET /stream HTTP/1.1\r\n" HOST,
};

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static char text[1024];
static size_t text_len;

static int start(void **state) {
    int err = with_loop(state);
    loop = *state;
    text_len = 0;
    for (size_t i = 0; i < COUNT(requests); i++)
        text_len += (size_t)snprintf(text + text_len, sizeof(text) - text_len, "%s", requests[i]);
    tc_application_t *app = wire_application();
    if (err == 0)
        err = tc_httpserver_new(&server, loop, app, NULL);
    if (err == 0)
        err = tc_httpserver_listen(server, "127.0.0.1", 0);
    tc_application_free(app);
    return err;
}

static int stop(void **state) {
    tc_httpserver_free(server);
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(loop, false);
    return free_loop(state);
}

static size_t complete_within(size_t len) {
    size_t count = 0, end = 0;
    while (count < COUNT(requests) && (end += strlen(requests[count])) <= len)
        count++;
    return count;
}

static void until_nobody_is_there(void) {
    while (tc_httpserver_connections(server) > 0)
        tc__ioloop_turn(loop, true);
}

static void what_was_complete_when_the_client_ended_is_answered(void **state) {
    (void)state;
    for (size_t len = 0; len <= text_len; len++) {
        wire_client_t client;
        wire_answers_t answers;
        wire_connect(&client, tc_httpserver_port(server));
        wire_send(&client, loop, text, len);
        shutdown(client.fd, SHUT_WR);
        wire_until(&client, loop, client.eof || client.reset);
        wire_parse(&answers, client.in, client.in_len, true, NULL);
        if (!client.eof || answers.fault || answers.count != complete_within(len) || answers.used != client.in_len)
            fail_msg("ended after %zu bytes: %zu answers\n%s", len, answers.count, client.in);
        wire_disconnect(&client);
        until_nobody_is_there();
    }
}

static void what_is_sent_at_once_and_then_ended_is_answered(void **state) {
    (void)state;
    for (size_t len = 0; len <= text_len; len++) {
        wire_client_t client;
        wire_answers_t answers;
        wire_connect(&client, tc_httpserver_port(server));
        assert_int_equal(send(client.fd, text, len, MSG_NOSIGNAL), len);
        shutdown(client.fd, SHUT_WR); /* both are there before the server looks */
        wire_until(&client, loop, client.eof || client.reset);
        wire_parse(&answers, client.in, client.in_len, true, NULL);
        if (!client.eof || answers.fault || answers.count != complete_within(len) || answers.used != client.in_len)
            fail_msg("ended after %zu bytes: %zu answers\n%s", len, answers.count, client.in);
        wire_disconnect(&client);
        until_nobody_is_there();
    }
}

static void after_a_reset_nothing_is_left(void **state) {
    (void)state;
    for (size_t len = 0; len <= text_len; len++)
        for (int seen = 0; seen < 2; seen++) {
            wire_client_t client;
            wire_connect(&client, tc_httpserver_port(server));
            if (seen)
                wire_send(&client, loop, text, len);
            else
                assert_int_equal(send(client.fd, text, len, MSG_NOSIGNAL), len);
            wire_disconnect(&client);
            for (int i = 0; i < 3; i++)
                tc__ioloop_turn(loop, false);
            until_nobody_is_there();
        }
}

#define TEST_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_SERVER(what_was_complete_when_the_client_ended_is_answered),
        TEST_SERVER(what_is_sent_at_once_and_then_ended_is_answered),
        TEST_SERVER(after_a_reset_nothing_is_left),
    };
    return cmocka_run_group_tests_name("leaving", tests, watch_everything, NULL);
}
