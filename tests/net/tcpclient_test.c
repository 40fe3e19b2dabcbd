/*
 * tcpclient_test.c - connecting by address and by name: who is tried when, who wins, what becomes of the others.
 * (Tornado: tcpclient_test, which this mirrors)
 */
#include "net/connect_test.h"

#include <sys/resource.h>

/* ---- One test's connection ---- */

static tc_future_t *connection;

static int setup_planned(void **state) {
    (void)state;
    alarm(TEST_SECONDS);
    log_lines = 0;
    begin_plans();
    return tc__ioloop_new_virtual(&loop);
}

static int setup_real(void **state) {
    begin_plans();
    return setup(state);
}

static int teardown_connection(void **state) {
    tc_future_unref(connection);
    connection = NULL;
    int failed = teardown(state);
    end_plans();
    return failed;
}

/* Move the clock; what is newly watched meanwhile is seen too. */
static void pass(uint64_t ms) {
    tc__ioloop_advance(loop, ms);
    for (int i = 0; i < 8; i++)
        tc__ioloop_advance(loop, 0);
}

/* To "example.com" port 80, whose addresses are those that were planned. */
static void start_with(tc_tcpclient_options_t options) {
    tc_resolver_t *resolver = resolver_of_plans("example.com");
    assert_non_null(resolver);
    options.resolver = resolver;
    connection = tc_tcpclient_connect(loop, "example.com", 80, &options);
    tc_resolver_free(resolver); /* is not needed any more */
    assert_non_null(connection);
    pass(0);
}

static void start(void) {
    start_with((tc_tcpclient_options_t){ 0 });
}

static void assert_pending(void) {
    assert_int_equal(tc_future_state(connection), TC_PENDING);
}

static void assert_failed(int err, const char *part) {
    assert_int_equal(tc_future_status(connection), err);
    if (!strstr(tc_future_message(connection), part))
        fail_msg("\"%s\" does not say \"%s\"", tc_future_message(connection), part);
}

/* Connected to `ip`: what is written arrives there. */
static void assert_connected(const char *ip) {
    char got[3] = "";
    assert_string_equal(tc_future_message(connection), "");
    assert_int_equal(tc_future_status(connection), 0);
    tc_iostream_t *stream = tc_future_take(connection);
    assert_int_equal(tc_iostream_write(stream, tc_str("hi"), NULL, NULL), 0);
    pass(0);
    assert_int_equal(recv(planned(ip)->peer, got, 2, MSG_DONTWAIT), 2);
    assert_string_equal(got, "hi");
    tc_iostream_close(stream);
    pass(0);
    assert_true(was_closed(ip));
}

/* ---- One family ---- */

static void the_first_address_that_answers_is_taken(void **state) {
    (void)state;
    plan("192.0.2.1", OPENS);
    plan("192.0.2.2", OPENS);
    start();
    assert_connected("192.0.2.1");
    assert_int_equal(planned("192.0.2.1")->port, 80);
    assert_int_equal(attempts("192.0.2.2"), 0);
}

static void the_next_address_is_tried_when_one_fails(void **state) {
    (void)state;
    plan("192.0.2.1", REFUSES);
    plan("192.0.2.2", FAILS);
    plan("192.0.2.3", OPENS);
    start();
    assert_connected("192.0.2.3");
    assert_int_equal(attempts("192.0.2.1"), 1);
    assert_int_equal(attempts("192.0.2.2"), 1);
}

static void addresses_of_one_family_are_tried_one_at_a_time(void **state) {
    (void)state;
    plan("192.0.2.1", HANGS);
    plan("192.0.2.2", OPENS);
    start();
    pass(10000);
    assert_pending();
    assert_int_equal(attempts("192.0.2.2"), 0);
    open_late("192.0.2.1");
    pass(0);
    assert_connected("192.0.2.1");
}

static void when_all_fail_the_last_failure_is_told_with_host_and_port(void **state) {
    (void)state;
    plan("192.0.2.1", REFUSES);
    plan("192.0.2.2", FAILS);
    start();
    assert_failed(-ENETUNREACH, "example.com port 80: 192.0.2.2: network is unreachable");
}

static void one_address_that_refuses_is_a_failure(void **state) {
    (void)state;
    plan("192.0.2.1", REFUSES);
    start();
    assert_failed(-ECONNREFUSED, "example.com port 80: 192.0.2.1: connection refused");
}

/* ---- Two families ---- */

static void the_other_family_waits_for_300_ms(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", OPENS);
    start();
    pass(299);
    assert_pending();
    assert_int_equal(attempts("192.0.2.1"), 0);
    pass(1);
    assert_connected("192.0.2.1");
    assert_true(was_closed("2001:db8::1"));
}

static void the_family_of_the_first_address_is_the_first(void **state) {
    (void)state;
    plan("192.0.2.1", HANGS);
    plan("2001:db8::1", OPENS);
    plan("192.0.2.2", OPENS);
    start();
    pass(299);
    assert_int_equal(attempts("192.0.2.1"), 1);
    assert_int_equal(attempts("2001:db8::1") + attempts("192.0.2.2"), 0);
    pass(1);
    assert_connected("2001:db8::1");
    assert_int_equal(attempts("192.0.2.2"), 0);
}

static void the_other_family_begins_when_the_first_attempt_fails(void **state) {
    (void)state;
    plan("2001:db8::1", REFUSES);
    plan("2001:db8::2", HANGS);
    plan("192.0.2.1", OPENS);
    start();
    assert_connected("192.0.2.1");
    assert_int_equal(attempts("2001:db8::2"), 1);
    assert_true(was_closed("2001:db8::2"));
}

static void the_other_family_begins_also_when_the_first_attempt_cannot_even_begin(void **state) {
    (void)state;
    plan("2001:db8::1", FAILS);
    plan("192.0.2.1", OPENS);
    start();
    assert_connected("192.0.2.1");
}

static void the_first_family_may_still_win_after_300_ms(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", HANGS);
    start();
    pass(1000);
    assert_pending();
    assert_int_equal(attempts("192.0.2.1"), 1);
    open_late("2001:db8::1");
    pass(0);
    assert_connected("2001:db8::1");
    assert_true(was_closed("192.0.2.1"));
}

static void if_both_families_connect_at_once_one_is_closed(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", HANGS);
    start();
    pass(300);
    open_late("2001:db8::1");
    open_late("192.0.2.1");
    pass(0);
    assert_int_equal(tc_future_status(connection), 0);
    assert_int_not_equal(was_closed("2001:db8::1"), was_closed("192.0.2.1"));
}

static void one_family_at_its_end_leaves_the_other_its_time(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", REFUSES);
    plan("192.0.2.2", REFUSES);
    start();
    pass(5000);
    assert_pending();
    assert_int_equal(attempts("192.0.2.1"), 1);
    assert_int_equal(attempts("192.0.2.2"), 1);
    open_late("2001:db8::1");
    pass(0);
    assert_connected("2001:db8::1");
}

static void when_all_of_both_families_fail_so_does_the_connection(void **state) {
    (void)state;
    plan("2001:db8::1", REFUSES);
    plan("192.0.2.1", REFUSES);
    plan("2001:db8::2", FAILS);
    plan("192.0.2.2", REFUSES);
    start();
    assert_failed(-ECONNREFUSED, "example.com port 80: 192.0.2.2");
    for (int i = 0; i < plan_count; i++)
        assert_int_equal(plans[i].calls, 1);
}

static void a_family_can_be_asked_for(void **state) {
    (void)state;
    plan("2001:db8::1", OPENS);
    plan("192.0.2.1", OPENS);
    start_with((tc_tcpclient_options_t){ .family = TC_IPV4 });
    assert_connected("192.0.2.1");
    assert_int_equal(attempts("2001:db8::1"), 0);
}

static void a_host_without_the_wanted_family_is_a_failure(void **state) {
    (void)state;
    plan("192.0.2.1", OPENS);
    start_with((tc_tcpclient_options_t){ .family = TC_IPV6 });
    assert_failed(TC_ENOENT, "no address of the wanted family");
    assert_int_equal(attempts("192.0.2.1"), 0);
}

/* ---- Time ---- */

static void the_timeout_ends_all_attempts(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", HANGS);
    start_with((tc_tcpclient_options_t){ .timeout_ms = 500 });
    pass(499);
    assert_pending();
    pass(1);
    assert_failed(TC_ETIMEDOUT, "example.com port 80: no connection in time");
    assert_true(was_closed("2001:db8::1"));
    assert_true(was_closed("192.0.2.1"));
}

static void the_timeout_may_come_before_the_other_family(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", OPENS);
    start_with((tc_tcpclient_options_t){ .timeout_ms = 200 });
    pass(1000);
    assert_failed(TC_ETIMEDOUT, "in time");
    assert_int_equal(attempts("192.0.2.1"), 0);
}

static void the_timeout_tells_of_a_failure_before_it(void **state) {
    (void)state;
    plan("192.0.2.1", REFUSES);
    plan("192.0.2.2", HANGS);
    start_with((tc_tcpclient_options_t){ .timeout_ms = 500 });
    pass(500);
    assert_failed(TC_ETIMEDOUT, "in time; 192.0.2.1: connection refused");
}

static void without_a_word_the_timeout_is_20_seconds(void **state) {
    (void)state;
    plan("192.0.2.1", HANGS);
    start();
    pass(19999);
    assert_pending();
    pass(1);
    assert_failed(TC_ETIMEDOUT, "in time");
}

static void a_timeout_can_be_for_ever(void **state) {
    (void)state;
    plan("192.0.2.1", HANGS);
    start_with((tc_tcpclient_options_t){ .timeout_ms = TC_FOREVER });
    pass(1000000);
    assert_pending();
    open_late("192.0.2.1");
    pass(0);
    assert_connected("192.0.2.1");
}

/* ---- Giving up ---- */

static void to_cancel_closes_all_attempts(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", HANGS);
    start();
    pass(300);
    tc_future_cancel(connection);
    assert_int_equal(tc_future_status(connection), TC_ECANCELED);
    assert_true(was_closed("2001:db8::1"));
    assert_true(was_closed("192.0.2.1"));
}

static void to_drop_it_closes_all_attempts(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", HANGS);
    start();
    pass(300);
    tc_future_unref(connection);
    connection = NULL;
    assert_true(was_closed("2001:db8::1"));
    assert_true(was_closed("192.0.2.1"));
}

static void it_may_be_cancelled_and_dropped_before_anything_is_tried(void **state) {
    (void)state;
    plan("192.0.2.1", OPENS);
    tc_resolver_t *resolver = resolver_of_plans("example.com");
    tc_tcpclient_options_t options = { .resolver = resolver };
    connection = tc_tcpclient_connect(loop, "example.com", 80, &options);
    tc_future_t *dropped = tc_tcpclient_connect(loop, "example.com", 80, &options);
    tc_future_cancel(connection);
    tc_future_unref(dropped);
    pass(1000);
    assert_int_equal(tc_future_status(connection), TC_ECANCELED);
    assert_int_equal(attempts("192.0.2.1"), 0);
    tc_resolver_free(resolver);
}

static void a_stream_that_nobody_takes_is_closed(void **state) {
    (void)state;
    plan("192.0.2.1", OPENS);
    start();
    assert_int_equal(tc_future_status(connection), 0);
    tc_future_unref(connection);
    connection = NULL;
    pass(0);
    assert_true(was_closed("192.0.2.1"));
}

static void the_loop_may_be_freed_at_every_stage(void **state) {
    (void)state;
    plan("2001:db8::1", HANGS);
    plan("192.0.2.1", HANGS);
    for (int stage = 0; stage < 4; stage++) {
        tc_resolver_t *resolver = resolver_of_plans("example.com");
        tc_tcpclient_options_t options = { .resolver = resolver };
        connection = tc_tcpclient_connect(loop, "example.com", 80, &options);
        tc_resolver_free(resolver);
        if (stage > 0)
            pass(stage == 1 ? 0 : 300);
        if (stage == 3) {
            open_late("192.0.2.1");
            pass(0);
        }
        tc_ioloop_free(loop);
        assert_int_equal(tc_future_status(connection), stage == 3 ? 0 : TC_ECANCELED);
        tc_future_unref(connection);
        connection = NULL;
        if (stage > 0)
            assert_true(was_closed("2001:db8::1"));
        assert_int_equal(tc__ioloop_new_virtual(&loop), 0);
    }
}

/* ---- Where from ---- */

static void the_source_address_is_bound_first(void **state) {
    (void)state;
    plan("2001:db8::1", OPENS);
    plan("192.0.2.1", OPENS);
    start_with((tc_tcpclient_options_t){ .source_ip = "127.0.0.1", .source_port = 4321 });
    assert_connected("192.0.2.1"); /* of its family */
    assert_int_equal(attempts("2001:db8::1"), 0);
    const struct sockaddr_in *from = (const struct sockaddr_in *)&planned("192.0.2.1")->from;
    assert_int_equal(ntohl(from->sin_addr.s_addr), INADDR_LOOPBACK);
    assert_int_equal(ntohs(from->sin_port), 4321);
}

static void a_source_port_alone_is_bound_for_either_family(void **state) {
    (void)state;
    plan("2001:db8::1", REFUSES);
    plan("192.0.2.1", OPENS);
    start_with((tc_tcpclient_options_t){ .source_port = 4321 });
    assert_connected("192.0.2.1");
    assert_int_equal(planned("2001:db8::1")->from.ss_family, AF_INET6);
    assert_int_equal(planned("192.0.2.1")->from.ss_family, AF_INET);
}

/* ---- Real sockets ---- */

static int listener, listener_port;

static void listen_at(const char *address) {
    int fds[TC_MAX_SOCKETS];
    int count = tc_bind_sockets(fds, address, TC_ANY_PORT, NULL);
    assert_true(count >= 1);
    listener = fds[0];
    listener_port = tc_socket_port(listener);
    for (int i = 1; i < count; i++)
        close(fds[i]);
}

static void connect_to(const char *host, int port, const tc_tcpclient_options_t *options) {
    tc_future_unref(connection);
    connection = tc_tcpclient_connect(loop, host, port, options);
    assert_non_null(connection);
    until(tc_future_state(connection) != TC_PENDING);
}

static int unused_port(void) {
    listen_at("127.0.0.1");
    close(listener);
    return listener_port;
}

static void a_line_goes_to_a_server_and_back(void **state) {
    (void)state;
    listen_at("127.0.0.1");
    connect_to("localhost", listener_port, NULL);
    assert_int_equal(tc_future_status(connection), 0);
    tc_iostream_t *stream = tc_future_take(connection);
    int peer = accept(listener, NULL, NULL);
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_write(stream, tc_str("ping\n"), NULL, NULL), 0);
    assert_int_equal(tc_iostream_read_until(stream, tc_str("\n"), 0, on_read, &seen), 0);
    char got[6] = "";
    settle();
    assert_int_equal(recv(peer, got, 5, MSG_WAITALL), 5);
    peer_send(peer, got, 5);
    until(seen.calls);
    assert_read(&seen, "ping\n");
    tc_iostream_close(stream);
    close(peer), close(listener);
}

static void a_refusal_is_told(void **state) {
    (void)state;
    connect_to("127.0.0.1", unused_port(), NULL);
    assert_failed(-ECONNREFUSED, "connection refused");
    assert_non_null(strstr(tc_future_message(connection), "127.0.0.1 port"));
    connect_to("localhost", unused_port(), NULL);
    assert_failed(-ECONNREFUSED, "localhost port");
}

static void a_source_address_that_is_not_ours_is_a_failure(void **state) {
    (void)state;
    listen_at("127.0.0.1");
    connect_to("127.0.0.1", listener_port, &(tc_tcpclient_options_t){ .source_ip = "192.0.2.77" });
    assert_failed(-EADDRNOTAVAIL, "source address 192.0.2.77");
    close(listener);
}

static void a_source_port_that_is_taken_is_a_failure(void **state) {
    (void)state;
    listen_at("127.0.0.1");
    connect_to("127.0.0.1", listener_port,
               &(tc_tcpclient_options_t){ .source_ip = "127.0.0.1", .source_port = listener_port });
    assert_failed(-EADDRINUSE, "source address 127.0.0.1 port");
    close(listener);
}

static void a_source_port_can_be_chosen(void **state) {
    (void)state;
    int port = unused_port();
    listen_at("127.0.0.1");
    connect_to("127.0.0.1", listener_port, &(tc_tcpclient_options_t){ .source_port = port });
    assert_int_equal(tc_future_status(connection), 0);
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    int fd = accept(listener, (struct sockaddr *)&peer, &len);
    assert_int_equal(ntohs(peer.sin_port), port);
    reset_on_close(fd);
    close(listener);
}

static void a_listener_whose_queue_is_full_is_given_up_in_time(void **state) {
    (void)state;
    int fds[TC_MAX_SOCKETS];
    assert_int_equal(tc_bind_sockets(fds, "127.0.0.1", TC_ANY_PORT, &(tc_bind_options_t){ .backlog = 1 }), 1);
    int port = tc_socket_port(fds[0]), pending = 0;
    tc_future_t *waiting[8];
    for (int i = 0; i < 8; i++)
        waiting[i] = tc_tcpclient_connect(loop, "127.0.0.1", port, &(tc_tcpclient_options_t){ .timeout_ms = 100 });
    for (int i = 0; i < 8; i++) {
        until(tc_future_state(waiting[i]) != TC_PENDING);
        pending += tc_future_status(waiting[i]) == TC_ETIMEDOUT;
        tc_future_unref(waiting[i]);
    }
    assert_in_range(pending, 1, 7);
    close(fds[0]);
}

static void out_of_descriptors_is_a_failure(void **state) {
    (void)state;
    struct rlimit before;
    listen_at("127.0.0.1");
    int highest = dup(0);
    close(highest);
    connect_to("127.0.0.1", unused_port(), NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)highest, before.rlim_max }), 0);
    connect_to("127.0.0.1", listener_port, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_failed(-EMFILE, "127.0.0.1 port");
    close(listener);
}

/* ---- By address: tc_iostream_connect ---- */

static struct {
    int calls, err;
    tc_iostream_t *stream;
    char words[256];
} outcome;

static void on_connected(tc_iostream_t *stream, int err, void *user_data) {
    assert_ptr_equal(user_data, &outcome);
    outcome.calls++;
    outcome.err = err;
    outcome.stream = stream;
    snprintf(outcome.words, sizeof(outcome.words), "%s", err < 0 ? tc_error_detail() : "");
}

static int connect_by_callback(const char *address, int port, const tc_iostream_connect_options_t *options) {
    memset(&outcome, 0, sizeof(outcome));
    int err = tc_iostream_connect(loop, address, port, options, on_connected, &outcome);
    assert_int_equal(outcome.calls, 0); /* never inside the call */
    if (err == 0)
        until(outcome.calls);
    settle();
    assert_int_equal(outcome.calls, err == 0);
    return err;
}

static void the_callback_gets_the_stream(void **state) {
    (void)state;
    listen_at("127.0.0.1");
    assert_int_equal(connect_by_callback("127.0.0.1", listener_port, NULL), 0);
    assert_int_equal(outcome.err, 0);
    assert_false(tc_iostream_closed(outcome.stream));
    int peer = accept(listener, NULL, NULL);
    seen_t seen = { 0 };
    tc_iostream_set_close_callback(outcome.stream, on_closed, &seen);
    close(peer);
    until(seen.calls);
    assert_int_equal(seen.err, 0);
    forget(&seen);
    tc_iostream_close(outcome.stream);
    close(listener);
}

static void the_callback_gets_the_failure(void **state) {
    (void)state;
    assert_int_equal(connect_by_callback("127.0.0.1", unused_port(), NULL), 0);
    assert_int_equal(outcome.err, -ECONNREFUSED);
    assert_null(outcome.stream);
    assert_non_null(strstr(outcome.words, "127.0.0.1 port"));
    assert_non_null(strstr(outcome.words, "connection refused"));
}

static void unix_sockets_are_connected_by_their_path(void **state) {
    (void)state;
    char path[64], name[64];
    snprintf(path, sizeof(path), "unix:/tmp/tornadoc-connect-%d", (int)getpid());
    snprintf(name, sizeof(name), "unix:@tornadoc-connect-%d", (int)getpid());
    const char *addresses[] = { path, name };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(connect_by_callback(addresses[i], 0, NULL), i == 0 ? -ENOENT : -ECONNREFUSED);
        assert_non_null(strstr(tc_error_detail(), addresses[i]));
        listen_at(addresses[i]);
        assert_int_equal(connect_by_callback(addresses[i], 0, NULL), 0);
        assert_int_equal(outcome.err, 0);
        tc_iostream_close(outcome.stream);
        close(listener);
    }
    unlink(path + 5);
}

static void a_unix_socket_whose_queue_is_full_is_busy(void **state) {
    (void)state;
    int fds[TC_MAX_SOCKETS], err = 0, count = 0;
    char name[64];
    tc_future_t *waiting[8];
    snprintf(name, sizeof(name), "unix:@tornadoc-full-%d", (int)getpid());
    assert_int_equal(tc_bind_sockets(fds, name, 0, &(tc_bind_options_t){ .backlog = 1 }), 1);
    while (err == 0 && count < 8) {
        waiting[count] = tc_iostream_connect_future(loop, name, 0, NULL);
        until(tc_future_state(waiting[count]) != TC_PENDING);
        err = tc_future_status(waiting[count++]);
    }
    assert_int_equal(err, TC_EBUSY);
    while (count > 0)
        tc_future_unref(waiting[--count]);
    close(fds[0]);
}

static void an_attempt_by_address_ends_in_time_by_cancel_and_when_dropped(void **state) {
    (void)state;
    plan("192.0.2.1", HANGS);
    tc_iostream_connect_options_t options = { .timeout_ms = 100 };
    connection = tc_iostream_connect_future(loop, "192.0.2.1", 80, &options);
    pass(99);
    assert_pending();
    pass(1);
    assert_failed(TC_ETIMEDOUT, "192.0.2.1 port 80: no connection in time");
    assert_true(was_closed("192.0.2.1"));
    tc_future_unref(connection);

    connection = tc_iostream_connect_future(loop, "192.0.2.1", 80, NULL);
    pass(0);
    tc_future_cancel(connection);
    assert_int_equal(tc_future_status(connection), TC_ECANCELED);
    assert_true(was_closed("192.0.2.1"));
    tc_future_unref(connection);

    connection = tc_iostream_connect_future(loop, "192.0.2.1", 80, NULL);
    pass(0);
    tc_future_unref(connection);
    connection = NULL;
    assert_true(was_closed("192.0.2.1"));
}

static void the_callback_is_told_of_the_loops_end(void **state) {
    (void)state;
    plan("192.0.2.1", HANGS);
    memset(&outcome, 0, sizeof(outcome));
    assert_int_equal(tc_iostream_connect(loop, "192.0.2.1", 80, NULL, on_connected, &outcome), 0);
    pass(0);
    tc_ioloop_free(loop);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.err, TC_ECANCELED);
    assert_true(was_closed("192.0.2.1"));
    assert_int_equal(tc__ioloop_new_virtual(&loop), 0);
}

/* ---- Bad arguments ---- */

static void assert_refused(tc_future_t *future, int err, const char *part) {
    tc_future_unref(connection);
    connection = future;
    assert_failed(err, part);
}

static void bad_arguments_are_refused(void **state) {
    (void)state;
    assert_refused(tc_tcpclient_connect(loop, NULL, 80, NULL), TC_EINVAL, "host");
    assert_refused(tc_tcpclient_connect(loop, "", 80, NULL), TC_EINVAL, "host");
    assert_refused(tc_tcpclient_connect(loop, "localhost", 0, NULL), TC_EINVAL, "port 0");
    assert_refused(tc_tcpclient_connect(loop, "localhost", 65536, NULL), TC_EINVAL, "port 65536");
    tc_tcpclient_options_t options = { .reserved = { 1 } };
    assert_refused(tc_tcpclient_connect(loop, "localhost", 80, &options), TC_EINVAL, "reserved");
    options = (tc_tcpclient_options_t){ .stream.reserved = { 1 } };
    assert_refused(tc_tcpclient_connect(loop, "localhost", 80, &options), TC_EINVAL, "reserved");
    options = (tc_tcpclient_options_t){ .source_ip = "localhost" };
    assert_refused(tc_tcpclient_connect(loop, "localhost", 80, &options), TC_EINVAL, "source address");
    options = (tc_tcpclient_options_t){ .source_port = 70000 };
    assert_refused(tc_tcpclient_connect(loop, "localhost", 80, &options), TC_EINVAL, "source port");
    options = (tc_tcpclient_options_t){ .source_ip = "::1", .family = TC_IPV4 };
    assert_refused(tc_tcpclient_connect(loop, "localhost", 80, &options), TC_EINVAL, "family");
    options = (tc_tcpclient_options_t){ .family = (tc_family_t)7 };
    assert_refused(tc_tcpclient_connect(loop, "localhost", 80, &options), TC_EINVAL, "family");

    assert_refused(tc_iostream_connect_future(loop, NULL, 80, NULL), TC_EINVAL, "NULL");
    assert_refused(tc_iostream_connect_future(loop, "example.com", 80, NULL), TC_EINVAL, "numeric");
    assert_refused(tc_iostream_connect_future(loop, "127.0.0.1", 0, NULL), TC_EINVAL, "port 0");
    assert_refused(tc_iostream_connect_future(loop, "fe80::1%", 80, NULL), TC_EINVAL, "numeric");
    assert_refused(tc_iostream_connect_future(loop, "unix:", 0, NULL), TC_EINVAL, "path");
    tc_iostream_connect_options_t connect_options = { .reserved = { 1 } };
    assert_refused(tc_iostream_connect_future(loop, "127.0.0.1", 80, &connect_options), TC_EINVAL, "reserved");
    assert_int_equal(tc_iostream_connect(loop, "127.0.0.1", 80, NULL, NULL, NULL), TC_EINVAL);
    log_lines = 0;
}

#define PLANNED(test) cmocka_unit_test_setup_teardown(test, setup_planned, teardown_connection)
#define REAL(test) cmocka_unit_test_setup_teardown(test, setup_real, teardown_connection)

int main(void) {
    static const struct CMUnitTest tests[] = {
        PLANNED(the_first_address_that_answers_is_taken),
        PLANNED(the_next_address_is_tried_when_one_fails),
        PLANNED(addresses_of_one_family_are_tried_one_at_a_time),
        PLANNED(when_all_fail_the_last_failure_is_told_with_host_and_port),
        PLANNED(one_address_that_refuses_is_a_failure),
        PLANNED(the_other_family_waits_for_300_ms),
        PLANNED(the_family_of_the_first_address_is_the_first),
        PLANNED(the_other_family_begins_when_the_first_attempt_fails),
        PLANNED(the_other_family_begins_also_when_the_first_attempt_cannot_even_begin),
        PLANNED(the_first_family_may_still_win_after_300_ms),
        PLANNED(if_both_families_connect_at_once_one_is_closed),
        PLANNED(one_family_at_its_end_leaves_the_other_its_time),
        PLANNED(when_all_of_both_families_fail_so_does_the_connection),
        PLANNED(a_family_can_be_asked_for),
        PLANNED(a_host_without_the_wanted_family_is_a_failure),
        PLANNED(the_timeout_ends_all_attempts),
        PLANNED(the_timeout_may_come_before_the_other_family),
        PLANNED(the_timeout_tells_of_a_failure_before_it),
        PLANNED(without_a_word_the_timeout_is_20_seconds),
        PLANNED(a_timeout_can_be_for_ever),
        PLANNED(to_cancel_closes_all_attempts),
        PLANNED(to_drop_it_closes_all_attempts),
        PLANNED(it_may_be_cancelled_and_dropped_before_anything_is_tried),
        PLANNED(a_stream_that_nobody_takes_is_closed),
        PLANNED(the_loop_may_be_freed_at_every_stage),
        PLANNED(the_source_address_is_bound_first),
        PLANNED(a_source_port_alone_is_bound_for_either_family),
        REAL(a_line_goes_to_a_server_and_back),
        REAL(a_refusal_is_told),
        REAL(a_source_address_that_is_not_ours_is_a_failure),
        REAL(a_source_port_that_is_taken_is_a_failure),
        REAL(a_source_port_can_be_chosen),
        REAL(a_listener_whose_queue_is_full_is_given_up_in_time),
        REAL(out_of_descriptors_is_a_failure),
        REAL(the_callback_gets_the_stream),
        REAL(the_callback_gets_the_failure),
        REAL(unix_sockets_are_connected_by_their_path),
        REAL(a_unix_socket_whose_queue_is_full_is_busy),
        PLANNED(an_attempt_by_address_ends_in_time_by_cancel_and_when_dropped),
        PLANNED(the_callback_is_told_of_the_loops_end),
        REAL(bad_arguments_are_refused),
    };
    tc_set_log_callback(count_line, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
