/*
 * leaving_test.c - who leaves before all is said, on real sockets. A client, after each single byte of what it has to
 * say, by an end or by a reset: what was complete when it ended is answered; after a reset nothing is left; and the
 * next client is served. Its handlers, who are told what it was. And a handler that fails midway: its client must not
 * take what it has for the whole.
 */
#include "async/async_test.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tornadoc/web.h>

#include "net/netutil_internal.h"
#include "support/wire.h"
#include "web/request_internal.h"

#define HOST "Host: a\r\n\r\n"

enum { PATIENCE_MS = 5000 };

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

/* ---- What handlers are told ---- */

static tc_deferred_t *token;

static void note_left(tc_request_t *req) {
    (void)req;
    note("left");
}

static void note_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish:%s", err == 0 ? "0" : err == TC_ECLOSED ? "ECLOSED" : tc_strerror(err));
}

static int keep_token(tc_request_t *req) {
    token = tc_defer(req);
    return token ? TC_DETACH : TC_ENOMEM;
}

static int wait_to_answer(tc_request_t *req) {
    note("get");
    return keep_token(req);
}

static int wait_to_go_on(tc_request_t *req) {
    note("flushed");
    const char *length = tc_header(req, "X-Length");
    if (length)
        tc_set_header(req, "Content-Length", length);
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    return keep_token(req);
}

static int wait_with_chunk(tc_request_t *req, tc_bytes_t chunk) {
    note("chunk:%d", (int)chunk.len);
    return keep_token(req);
}

static int take_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    note("chunk:%d", (int)chunk.len);
    return 0;
}

static int answer(tc_request_t *req) {
    note("post");
    return tc_write(req, "done");
}

static int answer_at_length(tc_request_t *req) {
    static const char text[20 * 1024 * 1024]; /* more than two systems take for a client that does not read */
    note("get");
    return tc_write_borrowed(req, tc_bytes(text, sizeof(text)));
}

static int go_on(tc_request_t *req, void *arg) {
    (void)req, (void)arg;
    return 0;
}

static void release_token(tc_deferred_fn fn) {
    tc_deferred_t *it = token;
    token = NULL;
    assert_int_equal(tc_deferred_post(it, fn, NULL), 0);
    tc_deferred_unref(it);
}

#define NOTED .on_connection_close = note_left, .on_finish = note_finish

static tc_application_t *noting_application(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/wait", &(tc_request_handler_t){ .get = wait_to_answer, NOTED }, NULL);
    tc_application_add(app, "/flushed", &(tc_request_handler_t){ .get = wait_to_go_on, NOTED }, NULL);
    tc_application_add(app, "/large", &(tc_request_handler_t){ .get = answer_at_length, NOTED }, NULL);
    tc_application_add(app, "/buffered", &(tc_request_handler_t){ .post = answer, NOTED }, NULL);
    tc_application_add(
        app, "/streamed",
        &(tc_request_handler_t){ .body = TC_BODY_STREAM, .data_received = take_chunk, .post = answer, NOTED }, NULL);
    tc_application_add(
        app, "/held",
        &(tc_request_handler_t){ .body = TC_BODY_STREAM, .data_received = wait_with_chunk, .post = answer, NOTED },
        NULL);
    return app;
}

static int serve_noting(void **state, int err) {
    loop = *state;
    token = NULL;
    tc_application_t *app = noting_application();
    if (err == 0)
        err = tc_httpserver_new(&server, loop, app, NULL);
    if (err == 0)
        err = tc_httpserver_listen(server, "127.0.0.1", 0);
    tc_application_free(app);
    return err;
}

static int start_noting(void **state) {
    return serve_noting(state, with_loop(state));
}

static int start_virtual(void **state) { /* the clock is the test's, the sockets are real */
    return serve_noting(state, with_virtual_loop(state));
}

/* That, and nothing else, is noted in the end. */
static void until_noted(const char *words, const char *why) {
    for (int i = 0; i < PATIENCE_MS && journal.len < strlen(words); i++) {
        poll(NULL, 0, 1);
        tc__ioloop_turn(loop, false);
    }
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(loop, false);
    const char *text = noted();
    if (strcmp(text, words) != 0)
        fail_msg("%s: `%s`, not `%s`", why, text, words);
}

static void reset(wire_client_t *client) {
    struct linger linger = { 1, 0 };
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(client->fd);
    client->fd = -1;
}

static void handlers_are_told_how_their_client_left(void **state) {
    static char filler[40000]; /* of a second request, in the system: a FIN comes through behind what fits there */
    static const struct {
        const char *why, *text;
        bool more, reset;
        const char *before, *at_once,
            *released; /* what is noted: before it leaves, then, and after the handler goes on */
        size_t answers;
    } cases[] = {
        { "it waits for an answer, and ends", "GET /wait HTTP/1.1\r\n" HOST, false, false, "get", "left", "finish:0",
          1 },
        { "it waits for an answer, and resets", "GET /wait HTTP/1.1\r\n" HOST, false, true, "get", "left",
          "finish:ECLOSED", 0 },
        { "it pipelines, and ends",
          "GET /wait HTTP/1.1\r\n" HOST "POST /buffered HTTP/1.1\r\nContent-Length: 500000\r\n" HOST, true, false,
          "get", "left", "finish:0 left finish:ECLOSED", 1 },
        { "it pipelines, and resets",
          "GET /wait HTTP/1.1\r\n" HOST "POST /buffered HTTP/1.1\r\nContent-Length: 500000\r\n" HOST, true, true, "get",
          "left", "finish:ECLOSED", 0 },
        { "it has part of an answer, and ends", "GET /flushed HTTP/1.1\r\n" HOST, false, false, "flushed", "left",
          "finish:0", 1 },
        { "it has part of an answer, and resets", "GET /flushed HTTP/1.1\r\n" HOST, false, true, "flushed", "left",
          "finish:ECLOSED", 0 },
        { "it ends within a body", "POST /buffered HTTP/1.1\r\nContent-Length: 10\r\n" HOST "hello", false, false, "",
          "left finish:ECLOSED", NULL, 0 },
        { "it resets within a body", "POST /buffered HTTP/1.1\r\nContent-Length: 10\r\n" HOST "hello", false, true, "",
          "left finish:ECLOSED", NULL, 0 },
        { "it ends within a streamed body", "POST /streamed HTTP/1.1\r\nContent-Length: 10\r\n" HOST "hello", false,
          false, "chunk:5", "left finish:ECLOSED", NULL, 0 },
        { "it ends within a chunked body",
          "POST /streamed HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "5\r\nhello", false, false, "chunk:5",
          "left finish:ECLOSED", NULL, 0 },
        { "it resets within a streamed body", "POST /streamed HTTP/1.1\r\nContent-Length: 10\r\n" HOST "hello", false,
          true, "chunk:5", "left finish:ECLOSED", NULL, 0 },
        { "it ends within a streamed body that is not read now",
          "POST /held HTTP/1.1\r\nContent-Length: 10\r\n" HOST "hello", false, false, "chunk:5", "",
          "left finish:ECLOSED", 0 },
        { "it resets within a streamed body that is not read now",
          "POST /held HTTP/1.1\r\nContent-Length: 10\r\n" HOST "hello", false, true, "chunk:5", "left",
          "finish:ECLOSED", 0 },
        { "it ends behind a streamed body, whose last piece is being handled",
          "POST /held HTTP/1.1\r\nContent-Length: 5\r\n" HOST "hello", false, false, "chunk:5", "left", "post finish:0",
          1 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        wire_client_t client;
        wire_answers_t answers;
        const char *why = cases[i].why;
        wire_connect(&client, tc_httpserver_port(server));
        wire_send(&client, loop, cases[i].text, strlen(cases[i].text));
        until_noted(cases[i].before, why);
        if (cases[i].more)
            assert_int_equal(send(client.fd, filler, sizeof(filler), MSG_NOSIGNAL), sizeof(filler));
        if (cases[i].reset)
            reset(&client);
        else
            shutdown(client.fd, SHUT_WR);
        until_noted(cases[i].at_once, why);
        if (cases[i].released) {
            release_token(go_on);
            until_noted(cases[i].released, why);
        }
        if (!cases[i].reset) {
            wire_until(&client, loop, client.eof || client.reset);
            wire_parse(&answers, client.in, client.in_len, true, NULL);
            if (!client.eof || answers.fault || answers.count != cases[i].answers || answers.used != client.in_len)
                fail_msg("%s: %zu answers\n%s", why, answers.count, client.in);
        }
        wire_disconnect(&client);
        until_nobody_is_there();
    }
}

/* ---- Clients that do not take their answers ---- */

static int not_told(int fd, int *out) {
    (void)fd, (void)out;
    errno = ENOTSUP;
    return -1;
}

static void a_client_that_does_not_read_is_reset(void **state) {
    static const char *const texts[] = { "GET /large HTTP/1.1\r\n" HOST,
                                         "GET /large HTTP/1.1\r\nConnection: close\r\n" HOST };
    int (*in_flight)(int, int *) = tc__sys.in_flight;
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(texts); i++) {
        const char *text = texts[i / 2];
        wire_client_t client;
        tc__sys.in_flight = i % 2 ? not_told : in_flight; /* not all systems tell what their peers have taken */
        wire_connect(&client, tc_httpserver_port(server));
        assert_int_equal(send(client.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
        until_noted("get", text);
        tc__ioloop_advance(loop, 59000);
        assert_string_equal(noted(), "");
        tc__ioloop_advance(loop, 61000); /* its system took something in the beginning */
        assert_string_equal(noted(), "finish:ECLOSED");
        assert_int_equal(tc_httpserver_connections(server), 0);
        wire_until(&client, loop, client.eof || client.reset);
        assert_true(client.reset);
        wire_disconnect(&client);
    }
    tc__sys.in_flight = in_flight;
}

/* ---- Handlers that fail midway ---- */

static int fail_by_code(tc_request_t *req, void *arg) {
    (void)req, (void)arg;
    return TC_EINVAL;
}

static int fail_by_status(tc_request_t *req, void *arg) {
    (void)req, (void)arg;
    return 404;
}

static int fail_by_page(tc_request_t *req, void *arg) {
    (void)arg;
    return tc_send_error(req, 404);
}

static void a_handler_that_fails_midway_resets_its_connection(void **state) {
    static const char *const texts[] = {
        "GET /flushed HTTP/1.1\r\n" HOST, /* chunked */
        "GET /flushed HTTP/1.1\r\nX-Length: 3\r\n" HOST,
        "GET /flushed HTTP/1.1\r\nX-Length: 4\r\n" HOST,
        "GET /flushed HTTP/1.1\r\nConnection: close\r\n" HOST,
        "GET /flushed HTTP/1.0\r\n" HOST, /* to the end of the connection */
    };
    static const tc_deferred_fn ways[] = { fail_by_code, fail_by_status, fail_by_page };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t j = 0; j < COUNT(ways); j++) {
            wire_client_t client;
            memset(&tc__http_error_limit, 0, sizeof tc__http_error_limit);
            wire_connect(&client, tc_httpserver_port(server));
            wire_send(&client, loop, texts[i], strlen(texts[i]));
            wire_until(&client, loop, client.in && strstr(client.in, "one"));
            size_t len = client.in_len;
            release_token(ways[j]);
            wire_until(&client, loop, client.eof || client.reset);
            if (!client.reset || client.in_len != len)
                fail_msg("%s: %s\n%s", texts[i], client.eof ? "a clean end" : "more than was flushed", client.in);
            assert_string_equal(noted(), "flushed finish:ECLOSED");
            assert_logged("the connection is cut");
            wire_disconnect(&client);
            until_nobody_is_there();
        }
}

#define TEST_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define TEST_NOTING(test) cmocka_unit_test_setup_teardown(test, start_noting, stop)
#define TEST_VIRTUALLY(test) cmocka_unit_test_setup_teardown(test, start_virtual, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_SERVER(what_was_complete_when_the_client_ended_is_answered),
        TEST_SERVER(what_is_sent_at_once_and_then_ended_is_answered),
        TEST_SERVER(after_a_reset_nothing_is_left),
        TEST_NOTING(handlers_are_told_how_their_client_left),
        TEST_VIRTUALLY(a_client_that_does_not_read_is_reset),
        TEST_NOTING(a_handler_that_fails_midway_resets_its_connection),
    };
    return cmocka_run_group_tests_name("leaving", tests, watch_everything, NULL);
}
