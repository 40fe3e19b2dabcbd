/*
 * resolver_test.c - names to addresses: what is overridden, what needs no lookup, what a lookup brings, and what
 * becomes of a lookup that nobody waits for any more. (Tornado: ResolverTestMixin, OverrideResolverTest)
 */
#include <uv.h>

#include <tornadoc/interop.h>

#include "net/net_test.h"

static tc_resolver_t *resolver;
static tc_future_t *future;
static tc__sys_t real;

/* ---- Lookups: libuv's, of what a test says instead ---- */

static struct {
    int calls;
    char host[300];
    int family;
    const char *instead; /* the numeric address that is looked up; NULL: what was asked for */
    int refuse;          /* the lookup does not begin */
} lookup;

static int watched_getaddrinfo(uv_loop_t *uv, uv_getaddrinfo_t *request, uv_getaddrinfo_cb cb, const char *host,
                               const char *service, const struct addrinfo *hints) {
    lookup.calls++;
    lookup.family = hints->ai_family;
    snprintf(lookup.host, sizeof(lookup.host), "%s", host);
    if (lookup.refuse)
        return lookup.refuse;
    struct addrinfo numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST; /* no test asks the network */
    return real.getaddrinfo(uv, request, cb, lookup.instead ? lookup.instead : host, service, &numeric);
}

static int setup_resolver(void **state) {
    real = tc__sys;
    tc__sys.getaddrinfo = watched_getaddrinfo;
    memset(&lookup, 0, sizeof(lookup));
    return setup(state) == 0 ? tc_resolver_new(&resolver) : -1;
}

static int teardown_resolver(void **state) {
    tc_future_unref(future);
    future = NULL;
    tc_resolver_free(resolver);
    int failed = teardown(state);
    tc__sys = real;
    return failed;
}

/* The addresses as one text: "127.0.0.1:80 [::1]:80"; or the failure's words. */
static const char *resolve(const char *host, int port, tc_family_t family) {
    static char text[512];
    tc_future_unref(future);
    future = tc_resolver_resolve(resolver, loop, host, port, family);
    assert_non_null(future);
    until(tc_future_state(future) != TC_PENDING);
    if (tc_future_status(future) < 0)
        return tc_future_message(future);
    const tc_addresses_t *addresses = tc_future_result(future);
    size_t len = 0;
    for (size_t i = 0; i < tc_addresses_count(addresses); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s:%d", i > 0 ? " " : "",
                                tc_addresses_get(addresses, i), tc_addresses_port(addresses, i));
    return text;
}

/* ---- No lookup ---- */

static void numeric_addresses_need_no_lookup(void **state) {
    (void)state;
    assert_string_equal(resolve("127.0.0.1", 80, TC_ANY_FAMILY), "127.0.0.1:80");
    assert_string_equal(resolve("2001:DB8::0001", 0, TC_ANY_FAMILY), "2001:db8::1:0");
    assert_string_equal(resolve("fe80::1%7", 65535, TC_IPV6), "fe80::1%7:65535");
    assert_string_equal(resolve("::ffff:192.0.2.1", 80, TC_IPV4), "192.0.2.1:80");
    assert_int_equal(lookup.calls, 0);
}

static void localhost_is_this_machine(void **state) {
    (void)state;
    assert_string_equal(resolve("localhost", 80, TC_ANY_FAMILY), "::1:80 127.0.0.1:80");
    assert_string_equal(resolve("LocalHost", 80, TC_IPV4), "127.0.0.1:80");
    assert_string_equal(resolve("localhost", 80, TC_IPV6), "::1:80");
    assert_int_equal(lookup.calls, 0);
}

static void an_address_of_another_family_is_a_failure(void **state) {
    (void)state;
    assert_string_equal(resolve("127.0.0.1", 80, TC_IPV6), "127.0.0.1: no address of the wanted family");
    assert_int_equal(tc_future_status(future), TC_ENOENT);
}

/* ---- Lookups ---- */

static void other_names_are_looked_up(void **state) {
    (void)state;
    lookup.instead = "192.0.2.1";
    assert_string_equal(resolve("example.com", 80, TC_ANY_FAMILY), "192.0.2.1:80");
    assert_string_equal(lookup.host, "example.com");
    assert_int_equal(lookup.family, AF_UNSPEC);
    assert_string_equal(resolve("example.com", 80, TC_IPV4), "192.0.2.1:80");
    assert_int_equal(lookup.family, AF_INET);
    lookup.instead = "2001:db8::1";
    assert_string_equal(resolve("example.com", 80, TC_IPV6), "2001:db8::1:80");
    assert_int_equal(lookup.family, AF_INET6);
    assert_int_equal(lookup.calls, 3);
}

static void an_unknown_name_is_a_failure(void **state) {
    (void)state;
    assert_string_equal(resolve("an invalid domain", 80, TC_ANY_FAMILY),
                        "an invalid domain: there is no host of that name");
    assert_int_equal(tc_future_status(future), TC_ENOENT);
}

static void a_lookup_that_cannot_begin_is_a_failure(void **state) {
    (void)state;
    lookup.refuse = UV_ENOMEM;
    assert_string_equal(resolve("example.com", 80, TC_ANY_FAMILY), "example.com: not enough memory");
    assert_int_equal(tc_future_status(future), TC_ENOMEM);
    lookup.refuse = 0;
    char host[4000];
    memset(host, 'x', sizeof(host));
    host[sizeof(host) - 1] = '\0';
    resolve(host, 80, TC_ANY_FAMILY);
    assert_true(tc_future_status(future) < 0);
}

static void the_list_of_addresses_is_whose_who_takes_it(void **state) {
    (void)state;
    resolve("localhost", 80, TC_IPV4);
    tc_addresses_t *addresses = tc_future_take(future);
    tc_future_unref(future);
    future = NULL;
    assert_int_equal(tc_addresses_count(addresses), 1);
    assert_string_equal(tc_addresses_get(addresses, 0), "127.0.0.1");
    assert_null(tc_addresses_get(addresses, 1));
    assert_int_equal(tc_addresses_port(addresses, 1), 0);
    tc_addresses_free(addresses);
    tc_addresses_free(NULL);
    assert_int_equal(tc_addresses_count(NULL), 0);
    assert_null(tc_addresses_get(NULL, 0));
}

/* ---- Overrides ---- */

static void a_host_can_stand_for_another(void **state) {
    (void)state;
    assert_int_equal(tc_resolver_override(resolver, "google.com", 0, "1.2.3.4", 0), 0);
    assert_int_equal(tc_resolver_override(resolver, "google.com", 80, "5.6.7.8", 8080), 0);
    assert_int_equal(tc_resolver_override(resolver, "google.com", 443, "9.9.9.9", 0), 0);
    assert_string_equal(resolve("google.com", 80, TC_ANY_FAMILY), "5.6.7.8:8080");
    assert_string_equal(resolve("GOOGLE.com", 443, TC_IPV4), "9.9.9.9:443");
    assert_string_equal(resolve("google.com", 81, TC_IPV4), "1.2.3.4:81");
    assert_string_equal(resolve("google.com", 81, TC_IPV6), "google.com: no address of the wanted family");
    assert_int_equal(lookup.calls, 0);
    lookup.instead = "192.0.2.1";
    assert_string_equal(resolve("google.co", 80, TC_ANY_FAMILY), "192.0.2.1:80");
}

static void a_host_can_stand_for_a_name(void **state) {
    (void)state;
    lookup.instead = "192.0.2.1";
    assert_int_equal(tc_resolver_override(resolver, "a.example", 0, "b.example", 8080), 0);
    assert_int_equal(tc_resolver_override(resolver, "b.example", 0, "c.example", 0), 0); /* not for a.example */
    assert_string_equal(resolve("a.example", 80, TC_ANY_FAMILY), "192.0.2.1:8080");
    assert_string_equal(lookup.host, "b.example");
    assert_int_equal(tc_resolver_override(resolver, "me.example", 0, "localhost", 0), 0);
    assert_string_equal(resolve("me.example", 80, TC_IPV4), "127.0.0.1:80");
    assert_int_equal(tc_resolver_override(resolver, "127.0.0.9", 0, "127.0.0.1", 0), 0);
    assert_string_equal(resolve("127.0.0.9", 80, TC_IPV4), "127.0.0.1:80");
}

static void a_host_can_stand_for_several_addresses(void **state) {
    (void)state;
    assert_int_equal(tc_resolver_override(resolver, "x", 0, "::1", 1), 0);
    assert_int_equal(tc_resolver_override(resolver, "y", 0, "192.0.2.9", 0), 0);
    assert_int_equal(tc_resolver_override(resolver, "x", 0, "127.0.0.1", 2), 0);
    assert_string_equal(resolve("x", 80, TC_ANY_FAMILY), "::1:1 127.0.0.1:2");
    assert_string_equal(resolve("x", 80, TC_IPV4), "127.0.0.1:2");
    assert_int_equal(tc_resolver_override(resolver, "x", 0, "z", 0), TC_EEXIST);
    assert_int_equal(tc_resolver_override(resolver, "z", 0, "a.example", 0), 0);
    assert_int_equal(tc_resolver_override(resolver, "z", 0, "127.0.0.1", 0), TC_EEXIST);
}

/* ---- Nobody waits any more ---- */

enum { POOL = 4 };
static uv_sem_t gate;
static uv_work_t blockers[POOL];

static void wait_at_gate(uv_work_t *work) {
    (void)work;
    uv_sem_wait(&gate);
}

static void on_passed(uv_work_t *work, int status) {
    (void)work, (void)status;
}

/* All threads of libuv's pool are busy: a lookup waits in its queue. */
static void block_the_pool(uv_loop_t *uv) {
    assert_int_equal(uv_sem_init(&gate, 0), 0);
    for (int i = 0; i < POOL; i++)
        assert_int_equal(uv_queue_work(uv, &blockers[i], wait_at_gate, on_passed), 0);
}

static void open_the_gate(void) {
    for (int i = 0; i < POOL; i++)
        uv_sem_post(&gate);
}

static void a_lookup_can_be_cancelled_or_dropped(void **state) {
    (void)state;
    block_the_pool(loop->uv);
    future = tc_resolver_resolve(resolver, loop, "example.com", 80, TC_ANY_FAMILY);
    tc_future_t *dropped = tc_resolver_resolve(resolver, loop, "example.com", 80, TC_ANY_FAMILY);
    settle();
    assert_int_equal(tc_future_state(future), TC_PENDING);
    tc_future_cancel(future);
    assert_int_equal(tc_future_status(future), TC_ECANCELED);
    tc_future_unref(dropped);
    settle();
    open_the_gate();
    assert_string_equal(resolve("localhost", 80, TC_IPV4), "127.0.0.1:80");
}

static void a_loop_can_be_freed_with_a_lookup_under_way(void **state) {
    (void)state;
    for (int is_blocked = 0; is_blocked < 2; is_blocked++) {
        if (is_blocked)
            block_the_pool(loop->uv);
        tc_future_unref(future);
        future = tc_resolver_resolve(resolver, loop, "127.0.0.1%", 80, TC_ANY_FAMILY);
        assert_int_equal(tc_future_state(future), TC_PENDING);
        if (is_blocked)
            open_the_gate();
        tc_ioloop_free(loop);
        assert_int_equal(tc_future_status(future), TC_ECANCELED);
        assert_int_equal(tc_ioloop_new(&loop), 0);
    }
}

static void so_can_an_adopted_one(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *adopted;
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(tc_ioloop_from_uv(&adopted, &uv), 0);
    lookup.instead = "192.0.2.1";
    future = tc_resolver_resolve(resolver, adopted, "example.com", 80, TC_ANY_FAMILY);
    uv_run(&uv, UV_RUN_DEFAULT); /* does not end before the lookup */
    assert_int_equal(tc_future_status(future), 0);
    tc_future_unref(future);
    future = tc_resolver_resolve(resolver, adopted, "example.com", 80, TC_ANY_FAMILY);
    tc_ioloop_free(adopted);
    assert_int_equal(tc_future_status(future), TC_ECANCELED);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&uv), 0);
}

/* ---- Bad arguments ---- */

static void bad_arguments_are_refused(void **state) {
    (void)state;
    assert_int_equal(tc_resolver_new(NULL), TC_EINVAL);
    assert_int_equal(tc_resolver_override(NULL, "a", 0, "b", 0), TC_EINVAL);
    assert_int_equal(tc_resolver_override(resolver, "", 0, "b", 0), TC_EINVAL);
    assert_int_equal(tc_resolver_override(resolver, "a", 0, NULL, 0), TC_EINVAL);
    assert_int_equal(tc_resolver_override(resolver, "a", -1, "b", 0), TC_EINVAL);
    assert_int_equal(tc_resolver_override(resolver, "a", 0, "b", 65536), TC_EINVAL);
    resolve(NULL, 80, TC_ANY_FAMILY);
    assert_int_equal(tc_future_status(future), TC_EINVAL);
    resolve("a", 65536, TC_ANY_FAMILY);
    assert_int_equal(tc_future_status(future), TC_EINVAL);
    resolve("a", 80, (tc_family_t)3);
    assert_int_equal(tc_future_status(future), TC_EINVAL);
    tc_resolver_free(NULL);
    log_lines = 0;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup_resolver, teardown_resolver)

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(numeric_addresses_need_no_lookup),
        T(localhost_is_this_machine),
        T(an_address_of_another_family_is_a_failure),
        T(other_names_are_looked_up),
        T(an_unknown_name_is_a_failure),
        T(a_lookup_that_cannot_begin_is_a_failure),
        T(the_list_of_addresses_is_whose_who_takes_it),
        T(a_host_can_stand_for_another),
        T(a_host_can_stand_for_a_name),
        T(a_host_can_stand_for_several_addresses),
        T(a_lookup_can_be_cancelled_or_dropped),
        T(a_loop_can_be_freed_with_a_lookup_under_way),
        T(so_can_an_adopted_one),
        T(bad_arguments_are_refused),
    };
    setenv("UV_THREADPOOL_SIZE", "4", 1);
    tc_set_log_callback(count_line, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
