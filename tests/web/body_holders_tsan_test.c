/* body_holders_tsan_test.c - loops of several threads share the memory for bodies: each gives up bodies of the others.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/web_test.h"

enum { THREADS = 4, CLIENTS = 100, SIZE = 20000 };

static atomic_int answered_200, answered_503, wrong;

static int says_len(tc_request_t *req) {
    return tc_writef(req, "%zu", tc_body(req).len);
}

static void count_answer(raw_t *raw) {
    int status = raw->len > 0 ? atoi(raw->text + strlen("HTTP/1.1 ")) : 0;
    atomic_fetch_add(status == 200 ? &answered_200 : status == 503 ? &answered_503 : &wrong, 1);
}

static void turn(tc_ioloop_t *loop) {
    for (int i = 0; i < 4; i++)
        tc__ioloop_turn(loop, false);
}

static void say(raw_t *raw, tc_bytes_t bytes) {
    if (raw->stream && tc_iostream_write(raw->stream, bytes, NULL, NULL) < 0)
        atomic_fetch_add(&wrong, 1);
}

/* Begins a body, and ends the one that it began before, if that was not given up. */
static void *run_clients(void *application) {
    static const char head[] = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n";
    static char bytes[SIZE];
    raw_t *clients = calloc(CLIENTS, sizeof *clients);
    tc_ioloop_t *loop;
    tc_httpserver_t *server;
    if (tc_ioloop_new(&loop) < 0 || tc_httpserver_new(&server, loop, application, NULL) < 0)
        abort();
    for (int i = 0; i <= CLIENTS; i++) {
        if (i < CLIENTS) {
            clients[i] = (raw_t){ .loop = loop, .server = server };
            raw_connect(&clients[i]);
            say(&clients[i], tc_str(head));
            say(&clients[i], tc_bytes(bytes, SIZE - 1));
            turn(loop);
        }
        if (i > 0) {
            if (clients[i - 1].len == 0)
                say(&clients[i - 1], tc_bytes(bytes, 1));
            turn(loop);
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        count_answer(&clients[i]);
        if (clients[i].stream)
            tc_iostream_close(clients[i].stream);
        free(clients[i].text);
    }
    tc_httpserver_free(server);
    tc_ioloop_free(loop);
    free(clients);
    return NULL;
}

static void threads_give_up_bodies_of_each_other(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    use_options(&(tc_application_options_t){ .max_buffered_size = (THREADS + 1) * (SIZE + 1) });
    route("/", HANDLER(.put = says_len));
    tc__application_ready(app);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_clients, app), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wrong, 0);
    assert_true(answered_200 > 0);
    assert_int_equal(answered_200 + answered_503, THREADS * CLIENTS);
    assert_int_equal(app->buffered.held, 0);
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = { WEB_TEST(threads_give_up_bodies_of_each_other) };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
