/* router_tsan_test.c - any number of threads match at once, regular expressions included. */
#include <pthread.h>
#include <stdatomic.h>

#include "web/routes_fixture.h"

enum { THREADS = 8, ROUNDS = 2000 };

static const struct {
    const char *path, *value; /* of the first capture */
} asked[] = {
    { "/", NULL },           { "/users/42", "42" },    { "/users/me", "me" },
    { "/files/a/b", "a/b" }, { "/news/2024", "2024" }, { "/tags/a-b", "a-b" },
    { "/none", NULL },
};

static const tc__routes_t *shared;
static atomic_int wrong;

static bool answers(size_t i) {
    tc__match_t found;
    tc__routes_match(shared, tc_str("www.example.com"), tc_str(asked[i].path), &found);
    if (!asked[i].value)
        return !found.route == (i != 0);
    return found.route && found.captures[0].len == strlen(asked[i].value) &&
           memcmp(found.captures[0].data, asked[i].value, found.captures[0].len) == 0;
}

static void *ask(void *number) {
    for (size_t i = *(size_t *)number; i < ROUNDS; i++) {
        if (!answers(i % COUNT(asked)))
            atomic_fetch_add(&wrong, 1);
    }
    return NULL;
}

/* Twice: the second set of threads meets what the first left behind. */
static void threads_match_at_once(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("/ /users/{id:int} /users/{name} /files/{path:*} ~/news/(\\d+)");
    must_add(host_rule(routes, "*.example.com"), "~/tags/([a-z-]+)");
    shared = routes;
    for (int set = 0; set < 2; set++) {
        pthread_t threads[THREADS];
        size_t numbers[THREADS];
        for (size_t i = 0; i < THREADS; i++) {
            numbers[i] = i;
            assert_int_equal(pthread_create(&threads[i], NULL, ask, &numbers[i]), 0);
        }
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    assert_int_equal(wrong, 0);
    tc__routes_free(routes, NULL);
}

/* More threads, one after the other, than there are places to leave a scratch in. */
static void many_threads_come_and_go(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("/ /users/{id:int} /users/{name} /files/{path:*} ~/news/(\\d+) ~/tags/([a-z-]+)");
    shared = routes;
    for (int set = 0; set < 10; set++) {
        pthread_t threads[20];
        size_t number = ROUNDS - 20;
        for (size_t i = 0; i < COUNT(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ask, &number), 0);
        for (size_t i = 0; i < COUNT(threads); i++)
            pthread_join(threads[i], NULL);
    }
    assert_int_equal(wrong, 0);
    tc__routes_free(routes, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_match_at_once),
        cmocka_unit_test(many_threads_come_and_go),
    };
    return cmocka_run_group_tests_name("router_tsan", tests, NULL, NULL);
}
