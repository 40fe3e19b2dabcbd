/* router_alloc_test.c - memory runs out at any point: a code comes back, nothing leaks, and what was there still works.
 */
#include <stdlib.h>

#include "web/routes_fixture.h"

static long budget;  /* allocations until the first that fails; below 0: none does */
static bool forever; /* all after it fail as well */
static long calls, live;

static bool may_have(void) {
    calls++;
    if (budget < 0)
        return true;
    if (budget > 0) {
        budget--;
        return true;
    }
    if (!forever)
        budget = -1;
    return false;
}

static void *counted(void *data) {
    live += data != NULL;
    return data;
}

static void *scarce_malloc(size_t size) {
    return may_have() ? counted(malloc(size)) : NULL;
}

static void *scarce_calloc(size_t count, size_t size) {
    return may_have() ? counted(calloc(count, size)) : NULL;
}

static void *scarce_realloc(void *data, size_t size) {
    if (!may_have())
        return NULL;
    live -= data != NULL;
    return counted(realloc(data, size));
}

static void counted_free(void *data) {
    live -= data != NULL;
    free(data);
}

static void plenty(void) {
    budget = -1;
}

/* Enough of each kind that tables grow and nodes are shared. */
static const char *const steps[] = {
    "/",
    "/a",
    "/b",
    "/c",
    "/d",
    "/e",
    "/{x}",
    "/a/{x}",
    "/a/{x:int}/b",
    "/a/{y:*}",
    "/b/{x}/c",
    "~/(a)(b)?c",
    "~/(?<n>\\d+)x",
    "~/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)z",
};

/* Is all there that was added, and nothing else? */
static void check_routes(const tc__routes_t *routes, size_t added) {
    assert_string_equal(match(routes, "", "/"), added > 0 ? "/" : "-");
    assert_string_equal(match(routes, "", "/a"), added > 1 ? "/a" : "-");
    assert_string_equal(match(routes, "", "/e/q"), "-");
    if (added == COUNT(steps)) {
        assert_string_equal(match(routes, "", "/a/1/b"), "/a/{x:int}/b x=1");
        assert_string_equal(match(routes, "", "/abc"), "/{x} x=abc");
        assert_string_equal(match(routes, "", "/b/1/c"), "/b/{x}/c x=1");
    }
}

/* Build all routes; each step that fails must do so with TC_ENOMEM and succeed when it is done again. */
static void build(void) {
    tc__routes_t *routes = NULL;
    int err = tc__routes_new(&routes);
    if (err < 0) {
        assert_int_equal(err, TC_ENOMEM);
        assert_null(routes);
        return;
    }
    tc__host_rule_t *rule = tc__routes_host(routes, NULL, &err);
    for (size_t i = 0; rule && i < COUNT(steps); i++) {
        err = add(rule, steps[i]);
        if (err < 0) {
            assert_int_equal(err, TC_ENOMEM);
            plenty();
            check_routes(routes, i);
            must_add(rule, steps[i]);
        }
    }
    if (rule)
        check_routes(routes, COUNT(steps));
    else
        assert_int_equal(err, TC_ENOMEM);
    tc__routes_free(routes, NULL);
}

static void each_allocation_may_fail_while_routes_are_added(void **state) {
    (void)state;
    plenty();
    calls = 0;
    build();
    const long all = calls;
    assert_true(all > 50);
    for (long n = 0; n < all; n++) {
        for (int again = 0; again < 2; again++) {
            budget = n;
            forever = again;
            build();
            plenty();
            assert_int_equal(live, 0);
        }
    }
}

static void a_host_rule_may_fail(void **state) {
    (void)state;
    for (long n = 0; n < 2; n++) {
        tc__routes_t *routes = routes_of("/a");
        int err = 0;
        budget = n;
        forever = true;
        assert_null(tc__routes_host(routes, "example.com", &err));
        assert_int_equal(err, TC_ENOMEM);
        plenty();
        must_add(host_rule(routes, "example.com"), "/b");
        assert_string_equal(match(routes, "example.com", "/b"), "/b");
        tc__routes_free(routes, NULL);
        assert_int_equal(live, 0);
    }
}

static void a_match_takes_no_memory(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("/a /{x}/b /f/{p:*} ~/r/(\\d+) ~/r/(\\w+)");
    calls = 0;
    budget = 0;
    forever = true;
    assert_string_equal(match(routes, "", "/a"), "/a");
    assert_string_equal(match(routes, "", "/1/b"), "/{x}/b x=1");
    assert_string_equal(match(routes, "", "/f/a/b"), "/f/{p:*} p=a/b");
    assert_string_equal(match(routes, "", "/r/7"), "/r/(\\d+) 1=7");
    assert_string_equal(match(routes, "", "/r/a"), "/r/(\\w+) 1=a");
    assert_string_equal(match(routes, "", "/none/at/all"), "-");
    assert_int_equal(calls, 0);
    plenty();
    tc__routes_free(routes, NULL);
}

int main(void) {
    plenty();
    const tc_allocator_t scarce = { scarce_malloc, scarce_calloc, scarce_realloc, counted_free };
    if (tc_set_allocator(&scarce) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail_while_routes_are_added),
        cmocka_unit_test(a_host_rule_may_fail),
        cmocka_unit_test(a_match_takes_no_memory),
    };
    return cmocka_run_group_tests_name("router_alloc", tests, NULL, NULL);
}
