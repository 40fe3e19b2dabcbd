/*
 * coroutine_storm_test.c - careless handlers and rude clients: thousands of requests that wait for everything there is,
 * while clients leave at random moments. Whatever happens, each request ends once, and nothing is left.
 *
 * The handlers await where they must not as well: in on_finish, on_connection_close and write_error, which may run on
 * the loop's stack or on that of a coroutine.
 */
#include "web/web_test.h"

#include <tornadoc/coroutine.h>
#include <tornadoc/locks.h>
#include <tornadoc/queues.h>

enum { REQUESTS = 3000, AT_ONCE = 50 };

static uint64_t seed;

static unsigned draw(unsigned below) { /* xorshift64 */
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

static int begun, ended, wrong;
static tc_lock_t *lock;
static tc_queue_t *queue;
static tc_condition_t *condition;

/* ---- What handlers wait for ---- */

static int sleeps(void *arg) {
    (void)arg;
    return tc_await(tc_sleep(NULL, draw(10)), NULL);
}

static int fails(void *arg) {
    (void)arg;
    TC_TRY(tc_await(tc_sleep(NULL, draw(10)), NULL));
    return TC_EPROTO;
}

static int locks(void *arg) {
    (void)arg;
    TC_TRY(tc_await(tc_lock_acquire(lock, 50), NULL));
    int err = tc_await(tc_sleep(NULL, draw(3)), NULL);
    if (tc_lock_release(lock) < 0)
        wrong++;
    return err;
}

static int puts_and_gets(void *arg) {
    (void)arg;
    char *item = malloc(8), *got = NULL;
    int err = tc_await(tc_queue_put(queue, item, draw(20)), NULL);
    if (err < 0)
        free(item);
    TC_TRY(err);
    err = tc_await(tc_queue_get(queue, draw(20)), &got);
    free(got);
    return err;
}

static int is_told(void *arg) {
    (void)arg;
    int err = tc_await(tc_condition_wait(condition, 30), NULL);
    return err == TC_ETIMEDOUT ? 0 : err;
}

static int add_one(void *number, void **out) {
    (void)out;
    ++*(int *)number;
    return 0;
}

static int works(void *arg) { /* with a local */
    int number = 1;
    (void)arg;
    TC_TRY(tc_await(tc_run_in_executor(NULL, add_one, &number, NULL), NULL));
    wrong += number != 2;
    return 0;
}

static int gathers(void *arg) {
    tc_future_t *three[] = { tc_spawn(NULL, locks, arg), tc_lock_acquire(lock, 5), tc_spawn(NULL, puts_and_gets, arg) };
    tc_future_t *kept = tc_future_ref(three[1]);
    int err = tc_await(tc_with_timeout(tc_gather(three, 3), 1 + draw(20)), NULL);
    tc_future_cancel(kept);
    if (tc_future_status(kept) == 0)
        tc_lock_release(lock);
    tc_future_unref(kept);
    return err;
}

static int has_children(void *arg) {
    static const tc_coroutine_fn some[] = { sleeps, fails, locks, puts_and_gets, is_told, works };
    tc_scope_t *scope = tc_scope_open();
    int err = tc_scope_set_timeout(scope, 5 + draw(30));
    for (int i = 0; i < 3; i++)
        tc_scope_spawn(scope, some[draw(COUNT(some))], arg);
    if (err == 0 && draw(2) == 0)
        err = puts_and_gets(arg);
    if (draw(20) == 0)
        return err; /* without closing it */
    int failed = tc_scope_close(scope);
    return failed < 0 ? failed : err;
}

static int will_not_go(void *arg) {
    (void)arg;
    bool before = tc_shield(true);
    int err = tc_await(tc_sleep(NULL, draw(30)), NULL);
    tc_shield(before);
    return err < 0 ? err : tc_await(tc_moment(NULL), NULL);
}

static int iterates(void *arg) {
    tc_future_t *three[] = { tc_spawn(NULL, fails, arg), tc_lock_acquire(lock, 3), tc_queue_get(queue, 3) };
    tc_wait_iterator_t *it = tc_wait_iterator_new(three, 3);
    int err = 0;
    while (err != TC_ECANCELED && !tc_wait_iterator_done(it)) {
        char *item = NULL;
        err = tc_await(tc_wait_iterator_next(it), &item);
        if (err == 0 && tc_wait_iterator_index(it) == 1)
            tc_lock_release(lock);
        free(item);
    }
    tc_wait_iterator_free(it);
    return err;
}

/* ---- The handler ---- */

typedef struct {
    bool has_begun, has_ended;
} storm_t;

static int anything(tc_request_t *req) {
    static const tc_coroutine_fn all[] = { sleeps, fails,   locks,        puts_and_gets, is_told,
                                           works,  gathers, has_children, will_not_go,   iterates };
    for (unsigned i = draw(3); i > 0; i--) {
        tc_write(req, "some");
        if (draw(4) == 0)
            tc_flush(req);
        TC_TRY(all[draw(COUNT(all))](req));
    }
    switch (draw(5)) {
    case 0:
        return tc_http_error(req, 400, "no");
    case 1:
        tc_finish(req);
        return all[draw(COUNT(all))](req);
    case 2:
        return (int)draw(1000) - 500;
    default:
        return tc_write(req, "done");
    }
}

static int begins(tc_request_t *req) {
    ((storm_t *)tc_data(req))->has_begun = true;
    begun++;
    return 0;
}

static void awaits_at_its_end(tc_request_t *req, int err) {
    storm_t *storm = tc_data(req);
    (void)err;
    ended += storm->has_begun;
    wrong += storm->has_ended || tc_await(tc_sleep(NULL, 1), NULL) == 0;
    storm->has_ended = true;
}

static void awaits_when_left(tc_request_t *req) {
    tc_write(req, "who hears?");
    wrong += tc_await(tc_sleep(NULL, 1), NULL) == 0 && !tc_in_coroutine();
}

static int awaits_on_its_page(tc_request_t *req, int status) {
    int err = tc_await(tc_sleep(NULL, 1), NULL);
    return err < 0 ? err : tc_writef(req, "%d", status);
}

static void add_route(const char *path, uint32_t flags, uint64_t timeout_ms) {
    route(path, HANDLER(.flags = TC_COROUTINE | flags, .timeout_ms = timeout_ms, .data_size = sizeof(storm_t),
                        .initialize = begins, .prepare = anything, .get = anything, .on_finish = awaits_at_its_end,
                        .on_connection_close = awaits_when_left, .write_error = awaits_on_its_page));
}

/* ---- The clients ---- */

static int ids[AT_ONCE];

static void next_step(void) {
    int *id = &ids[draw(AT_ONCE)];
    if (*id && draw(2) == 0)
        tc_test_client_disconnect(client, *id);
    *id = tc_test_client_start(client, (const char *[]){ "/", "/cancel", "/hurry" }[draw(3)], NULL);
    if (draw(4) == 0)
        tc_condition_notify(condition, draw(3));
    tc_test_client_advance(client, draw(3) == 0 ? draw(8) : 0);
    forget_log();
}

static void begin_storm(void) {
    seed = 20240229;
    begun = ended = wrong = 0;
    memset(ids, 0, sizeof ids);
    lock = tc_lock_new();
    queue = tc_queue_new(2, free);
    condition = tc_condition_new();
    add_route("/", 0, 0);
    add_route("/cancel", TC_CANCEL_ON_CLOSE, 0);
    add_route("/hurry", 0, 10);
    serve();
    assert_int_equal(tc_ioloop_set_coroutine_options(tc_test_client_loop(client),
                                                     &(tc_coroutine_options_t){ .max_coroutines = 60, .keep = 4 }),
                     0);
}

static void end_storm(void) {
    tc_lock_free(lock);
    tc_queue_free(queue);
    tc_condition_free(condition);
    forget_log();
    assert_int_equal(wrong, 0);
    assert_true(begun > REQUESTS / 2);
    assert_int_equal(begun, ended);
}

static void each_request_of_a_storm_ends_once(void **state) {
    (void)state;
    begin_storm();
    for (int i = 0; i < REQUESTS; i++)
        next_step();
    for (int i = 0; i < 100; i++) {
        while (tc__ioloop_has_jobs(tc_test_client_loop(client))) /* threads take what time they need */
            tc__ioloop_turn(tc_test_client_loop(client), true);
        tc_test_client_advance(client, 10);
    }
    assert_int_equal(begun, ended);
    tc_future_t *free_again = tc_lock_acquire(lock, 0);
    int err = tc_future_status(free_again);
    tc_future_unref(free_again);
    assert_int_equal(err, 0); /* no permit was lost */
    end_storm();
}

static void so_it_does_if_the_loop_ends_in_the_middle(void **state) {
    (void)state;
    begin_storm();
    for (int i = 0; i < REQUESTS; i++)
        next_step();
    stop_serving();
    end_storm();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(each_request_of_a_storm_ends_once),
        WEB_TEST(so_it_does_if_the_loop_ends_in_the_middle),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
