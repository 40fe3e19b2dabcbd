/* httpserver_tsan_test.c - what other threads may ask of a server: to drain. Run under ThreadSanitizer too. */
#include "async/async_test.h"

#include <pthread.h>
#include <unistd.h>

#include <tornadoc/web.h>

enum { THREADS = 4, DRAINS = 50 };

static tc_httpserver_t *server;
static tc_ioloop_t *loop;
static int told; /* on the loop's thread only */
static atomic_int refused;

static int hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static void on_drained(tc_httpserver_t *it, int err, void *user_data) {
    (void)it, (void)err, (void)user_data;
    if (++told == THREADS * DRAINS)
        tc_ioloop_stop(loop);
}

static void *drain(void *arg) {
    for (uint64_t i = 0; i < DRAINS; i++)
        if (tc_httpserver_drain(server, 1000 + i, on_drained, NULL) < 0)
            atomic_fetch_add(&refused, 1);
    return arg;
}

static void any_thread_may_drain(void **state) {
    pthread_t threads[THREADS];
    loop = *state;
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello }, NULL);
    assert_int_equal(tc_httpserver_new(&server, loop, app, NULL), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", 0), 0);
    tc_application_free(app);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, drain, NULL), 0);
    assert_int_equal(tc_ioloop_start(loop), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(told, THREADS * DRAINS);
    assert_int_equal(atomic_load(&refused), 0);
    tc_httpserver_free(server);
}

int main(void) {
    const struct CMUnitTest tests[] = { TEST_LOOP(any_thread_may_drain) };
    return cmocka_run_group_tests_name("httpserver_threads", tests, watch_everything, NULL);
}
