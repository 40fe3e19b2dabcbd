/* deferred_tsan_test.c - tokens on many threads: posts, references that race, and a loop that ends meanwhile. */
#include "web/web_test.h"

enum { THREADS = 4, ROUNDS = 200 };

static int adds(tc_request_t *req, void *arg) {
    (void)arg;
    long *count = tc_data(req);
    return ++*count == THREADS * ROUNDS ? tc_writef(req, "%ld", *count) : TC_DETACH;
}

static void *posts(void *arg) {
    tc_deferred_t *token = arg;
    for (int i = 0; i < ROUNDS; i++) {
        tc_deferred_closed(token);
        int err;
        while ((err = tc_deferred_post(token, adds, NULL)) == TC_ENOMEM)
            ;
        if (err < 0)
            break;
    }
    tc_deferred_unref(token);
    return NULL;
}

static pthread_t threads[THREADS];

static int posts_from_threads(tc_request_t *req) {
    tc_deferred_t *token = tc_defer(req);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, posts, tc_deferred_ref(token));
    tc_deferred_unref(token);
    return TC_DETACH;
}

static void join(void) {
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void every_post_of_every_thread_runs(void **state) {
    (void)state;
    route("/", HANDLER(.get = posts_from_threads, .data_size = sizeof(long)));
    for (int i = 0; i < 5; i++) {
        assert_ask("/", "200 800");
        join();
    }
    tc_test_client_advance(client, 0);
}

static void *drops(void *arg) {
    tc_deferred_t *token = arg;
    for (int i = 0; i < ROUNDS; i++)
        tc_deferred_unref(tc_deferred_ref(token));
    tc_deferred_unref(token);
    return NULL;
}

static int is_dropped_by_threads(tc_request_t *req) {
    tc_deferred_t *token = tc_defer(req);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, drops, tc_deferred_ref(token));
    for (int i = 0; i < ROUNDS; i++) /* perhaps the same, perhaps a new one */
        tc_deferred_unref(tc_defer(req));
    tc_deferred_unref(token);
    return TC_DETACH;
}

static void the_last_reference_may_go_on_any_thread(void **state) {
    (void)state;
    route("/", HANDLER(.get = is_dropped_by_threads));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(strncmp(ask("/"), "500 ", 4), 0);
        join();
        assert_log("holds no token");
    }
}

static atomic_bool ended;
static tc_deferred_t *shared;

static int never(tc_request_t *req, void *arg) {
    (void)req;
    atomic_fetch_add((atomic_int *)arg, 1);
    return TC_DETACH;
}

static atomic_int ran;

static void *posts_until_the_end(void *arg) {
    tc_deferred_t *token = arg;
    int accepted = 0;
    while (accepted < 20000 && tc_deferred_post(token, never, &ran) == 0)
        accepted++;
    while (!tc_deferred_closed(token) && !atomic_load(&ended))
        ;
    tc_deferred_unref(token);
    return (void *)(intptr_t)accepted;
}

static int shares(tc_request_t *req) {
    shared = tc_defer(req);
    return TC_DETACH;
}

static void the_loop_may_end_while_threads_post(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        raw_t raw;
        long accepted = 0;
        if (!app)
            begin_web(NULL);
        atomic_store(&ran, 0);
        atomic_store(&ended, false);
        route("/", HANDLER(.get = shares));
        raw_open(&raw, NULL);
        raw_send(&raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, posts_until_the_end, tc_deferred_ref(shared));
        tc_deferred_unref(shared);
        if (round % 2)
            raw_turn(&raw);
        tc_httpserver_free(raw.server);
        tc_ioloop_free(raw.loop);
        atomic_store(&ended, true);
        for (int i = 0; i < THREADS; i++) {
            void *result;
            pthread_join(threads[i], &result);
            accepted += (long)(intptr_t)result;
        }
        assert_int_equal(atomic_load(&ran), accepted); /* what was accepted ran */
        free(raw.text);
        stop_serving();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(every_post_of_every_thread_runs),
        WEB_TEST(the_last_reference_may_go_on_any_thread),
        WEB_TEST(the_loop_may_end_while_threads_post),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
