/* tcpserver_test.c - accepting, pausing, stopping, and running out of descriptors. */
#include "net/net_test.h"

#include <sys/resource.h>
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* ---- A server that keeps what it accepts ---- */

enum { MOST = 256 };

static tc_tcpserver_t *server;
static tc_iostream_t *accepted[MOST];
static char peers[MOST][64];
static int accepts;
static bool stop_at_once, free_at_once;

static void keep(tc_tcpserver_t *from, tc_iostream_t *stream, const char *peer, void *user_data) {
    assert_ptr_equal(user_data, &server);
    assert_true(accepts < MOST);
    snprintf(peers[accepts], sizeof(peers[0]), "%s", peer);
    accepted[accepts++] = stream;
    if (stop_at_once) {
        tc_tcpserver_stop(from);
        tc_tcpserver_stop(from);
    }
    if (free_at_once) {
        tc_tcpserver_free(from);
        server = NULL;
    }
}

static void drop_accepted(int from) {
    while (accepts > from)
        tc_iostream_close(accepted[--accepts]);
}

static int setup_server(void **state) {
    accepts = 0;
    stop_at_once = free_at_once = false;
    return setup(state) == 0 ? tc_tcpserver_new(&server, loop, NULL, keep, &server) : -1;
}

static int teardown_server(void **state) {
    drop_accepted(0);
    tc_tcpserver_free(server);
    server = NULL;
    settle();
    return teardown(state);
}

static int start_connect(int port) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* ---- Accepting ---- */

static void connections_become_streams(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_port(server), 0);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int port = tc_tcpserver_port(server);
    assert_in_range(port, 1, 65535);
    int client = start_connect(port);
    until(accepts == 1);
    assert_string_equal(peers[0], "127.0.0.1");
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_until(accepted[0], tc_str("\n"), 0, on_read, &seen), 0);
    peer_send(client, "hello\n", 6);
    until(seen.calls);
    assert_read(&seen, "hello\n");
    assert_int_equal(tc_iostream_write(accepted[0], tc_str("world\n"), NULL, NULL), 0);
    char got[6];
    assert_int_equal(recv(client, got, 6, MSG_WAITALL), 6);
    close(client);
}

static void accepted_sockets_do_not_delay(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int client = start_connect(tc_tcpserver_port(server)), on = 0;
    socklen_t len = sizeof(on);
    until(accepts == 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tc_iostream_write(accepted[0], tc_str("x"), NULL, NULL), 0);
    getsockopt(tc__iostream_fd(accepted[0]), IPPROTO_TCP, TCP_NODELAY, &on, &len);
    assert_true(on);
    assert_int_equal(tc_iostream_set_nodelay(accepted[0], false), 0);
    getsockopt(tc__iostream_fd(accepted[0]), IPPROTO_TCP, TCP_NODELAY, &on, &len);
    assert_false(on);
    assert_true(fcntl(tc__iostream_fd(accepted[0]), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(tc__iostream_fd(accepted[0]), F_GETFL) & O_NONBLOCK);
    close(client);
}

static void the_system_takes_little_for_a_peer_that_reads_nothing(void **state) {
#if defined(__linux__) && defined(TCP_NOTSENT_LOWAT)
    enum { MIB = 1024 * 1024, IN_VAIN = 20 };
    static char much[8 * MIB];
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int client = start_connect(tc_tcpserver_port(server));
    until(accepts == 1);
    if (setsockopt(client, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){ 4096 }, sizeof(int)) < 0) {
        close(client);
        skip();
    }
    tc_bytes_t bytes = tc_bytes(much, sizeof(much));
    assert_int_equal(tc_iostream_write_owned(accepted[0], bytes, NULL, NULL, NULL, NULL), 0);
    size_t left = SIZE_MAX;
    for (int in_vain = 0; in_vain < IN_VAIN; in_vain++) {
        tc__ioloop_turn(loop, false);
        if (tc_iostream_write_queue_size(accepted[0]) < left)
            in_vain = 0;
        left = tc_iostream_write_queue_size(accepted[0]);
    }
    assert_in_range(left, 7 * MIB, sizeof(much) - 1);
    close(client);
#else
    (void)state;
    skip();
#endif
}

/* Whoever comes last in a crowd waits for few turns of the loop, if they are long. */
static void a_crowd_is_accepted_in_few_turns_if_they_are_long(void **state) {
    (void)state;
    enum { CROWD = 200 };
    int clients[CROWD], turns = 0;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    for (int i = 0; i < CROWD; i++)
        assert_true((clients[i] = start_connect(tc_tcpserver_port(server))) >= 0);
    for (; accepts < CROWD; turns++) {
        tc__ioloop_turn(loop, true);
        uv_sleep(3);
    }
    assert_in_range(turns, 1, 5);
    for (int i = 0; i < CROWD; i++)
        close(clients[i]);
}

static void several_addresses_can_be_served(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int first = tc_tcpserver_port(server);
    int fds[TC_MAX_SOCKETS];
    assert_int_equal(tc_bind_sockets(fds, "127.0.0.1", TC_ANY_PORT, NULL), 1);
    int second = tc_socket_port(fds[0]);
    assert_int_equal(tc_tcpserver_add_socket(server, fds[0]), 0);
    assert_int_equal(tc_tcpserver_port(server), first);
    int clients[2] = { start_connect(first), start_connect(second) };
    until(accepts == 2);
    close(clients[0]), close(clients[1]);
}

static void many_clients_at_once_are_all_taken(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int clients[200];
    for (int i = 0; i < 200; i++)
        clients[i] = start_connect(tc_tcpserver_port(server));
    until(accepts == 200);
    for (int i = 0; i < 200; i++)
        close(clients[i]);
}

static void unix_sockets_have_nameless_peers(void **state) {
    (void)state;
    char name[64];
    snprintf(name, sizeof(name), "unix:@tornadoc-server-%d", (int)getpid());
    assert_int_equal(tc_tcpserver_listen(server, name, 0), 0);
    assert_int_equal(tc_tcpserver_port(server), 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strcpy(address.sun_path + 1, name + 6);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) - 5);
    assert_int_equal(connect(client, (struct sockaddr *)&address, len), 0);
    until(accepts == 1);
    assert_string_equal(peers[0], "");
    assert_string_equal(tc_iostream_peer(accepted[0]), "");
    assert_string_equal(tc_iostream_local(accepted[0]), "");
    assert_int_equal(tc_iostream_local_port(accepted[0]), 0);
    close(client);
}

/* ---- Who it is ---- */

static void both_ends_of_a_stream_have_their_addresses(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int port = tc_tcpserver_port(server), client = start_connect(port);
    until(accepts == 1);
    const char *peer = tc_iostream_peer(accepted[0]);
    assert_string_equal(peer, "127.0.0.1");
    assert_int_equal(tc_iostream_peer_port(accepted[0]), tc_socket_port(client));
    assert_string_equal(tc_iostream_local(accepted[0]), "127.0.0.1");
    assert_int_equal(tc_iostream_local_port(accepted[0]), port);

    tc_iostream_t *connected; /* and of one that the program has connected itself */
    assert_int_equal(tc_iostream_new(&connected, loop, client, NULL), 0);
    assert_string_equal(tc_iostream_peer(connected), "127.0.0.1");
    assert_int_equal(tc_iostream_peer_port(connected), port);
    assert_int_equal(tc_iostream_local_port(connected), tc_iostream_peer_port(accepted[0]));
    tc_iostream_ref(connected);
    tc_iostream_close(connected);
    settle();
    assert_int_equal(tc_iostream_peer_port(connected), port); /* was asked before the close */
    assert_string_equal(tc_iostream_local(connected), "127.0.0.1");
    tc_iostream_unref(connected);
    assert_ptr_equal(tc_iostream_peer(accepted[0]), peer);
}

static void ipv6_peers_have_their_addresses(void **state) {
    (void)state;
    struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    if (tc_tcpserver_listen(server, "::1", TC_ANY_PORT) < 0)
        skip(); /* a machine without */
    address.sin6_port = htons((uint16_t)tc_tcpserver_port(server));
    int client = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    until(accepts == 1);
    assert_string_equal(tc_iostream_peer(accepted[0]), "::1");
    assert_string_equal(tc_iostream_local(accepted[0]), "::1");
    close(client);
}

static void who_has_gone_at_once_is_known_all_the_same(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int client = start_connect(tc_tcpserver_port(server)), port = tc_socket_port(client);
    reset_on_close(client);
    until(accepts == 1);
    tc_iostream_ref(accepted[0]);
    tc_iostream_close(accepted[0]);
    settle();
    assert_string_equal(tc_iostream_peer(accepted[0]), "127.0.0.1");
    assert_int_equal(tc_iostream_peer_port(accepted[0]), port);
    tc_iostream_unref(accepted[0]);
    accepts = 0;
}

static int no_name(int fd, struct sockaddr *address, socklen_t *len) {
    (void)fd, (void)address, (void)len;
    errno = ENOTCONN;
    return -1;
}

static void what_cannot_be_told_is_empty_and_asked_for_again(void **state) {
    (void)state;
    tc__sys_t real = tc__sys;
    int fds[2];
    tcp_pair(fds);
    tc_iostream_t *stream, *mine, *yours;
    assert_int_equal(tc_iostream_new(&stream, loop, fds[0], NULL), 0);
    tc__sys.getpeername = tc__sys.getsockname = no_name;
    assert_string_equal(tc_iostream_peer(stream), "");
    assert_int_equal(tc_iostream_peer_port(stream), 0);
    assert_string_equal(tc_iostream_local(stream), "");
    tc__sys = real;
    assert_string_equal(tc_iostream_peer(stream), "127.0.0.1");
    assert_int_equal(tc_iostream_local_port(stream), tc_socket_port(fds[0]));
    tc_iostream_close(stream);
    close(fds[1]);
    assert_int_equal(tc_iostream_pair(&mine, &yours, loop, NULL), 0);
    assert_string_equal(tc_iostream_peer(mine), "");
    assert_string_equal(tc_iostream_local(yours), "");
    assert_int_equal(tc_iostream_local_port(yours), 0);
    tc_iostream_close(mine), tc_iostream_close(yours);
    assert_string_equal(tc_iostream_peer(NULL), "");
    assert_int_equal(tc_iostream_peer_port(NULL), 0);
    assert_int_equal(tc_iostream_local_port(NULL), 0);
}

/* ---- Stopping ---- */

static void stopping_closes_the_listeners_only(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int port = tc_tcpserver_port(server), client = start_connect(port);
    until(accepts == 1);
    tc_tcpserver_stop(server);
    tc_tcpserver_stop(server);
    assert_int_equal(tc_tcpserver_port(server), 0);
    assert_int_equal(start_connect(port), -1);
    seen_t seen = { 0 };
    assert_int_equal(tc_iostream_read_bytes(accepted[0], 2, false, on_read, &seen), 0);
    peer_send(client, "ok", 2);
    until(seen.calls);
    assert_read(&seen, "ok");
    close(client);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", port), 0); /* and again */
    client = start_connect(port);
    until(accepts == 2);
    close(client);
}

static void it_may_be_stopped_in_its_own_callback(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int port = tc_tcpserver_port(server);
    int clients[3] = { start_connect(port), start_connect(port), start_connect(port) };
    stop_at_once = true;
    until(accepts == 1);
    settle();
    assert_int_equal(accepts, 1);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}

static void it_may_be_freed_in_its_own_callback(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int client = start_connect(tc_tcpserver_port(server));
    free_at_once = true;
    until(accepts == 1);
    settle();
    assert_null(server);
    close(client);
}

static void it_may_outlive_its_loop(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    tc_ioloop_free(loop);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), TC_ECLOSED);
    tc_tcpserver_stop(server);
    assert_int_equal(tc_ioloop_new(&loop), 0);
}

/* ---- Descriptors and turns ---- */

static struct rlimit limit_before;

/* So that `room` more can be opened. */
static void leave_descriptors(int room) {
    int highest = dup(0);
    close(highest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit_before), 0);
    struct rlimit limit = { (rlim_t)(highest + room), limit_before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* valgrind's accept takes the connection from the system's queue first, and closes it if that is one too many: no
 * client is left there that could be waited for. */
static void skip_under_valgrind(void) {
#ifdef RUNNING_ON_VALGRIND
    if (RUNNING_ON_VALGRIND)
        skip();
#endif
}

static void restore_descriptors(void) {
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit_before), 0);
}

static void set_flag(void *user_data) {
    *(bool *)user_data = true;
}

/* Turn the loop for a while; how many turns that took. */
static int turns_of(uint64_t ms) {
    bool over = false;
    int turns = 0;
    assert_int_not_equal(tc_ioloop_call_later(loop, ms, set_flag, &over), 0);
    while (!over) {
        tc__ioloop_turn(loop, true);
        turns++;
    }
    return turns;
}

/* ---- Awaiting connections ---- */

static tc_tcpserver_t *awaited; /* without a callback */

static int setup_awaited(void **state) {
    return setup(state) == 0 ? tc_tcpserver_new(&awaited, loop, NULL, NULL, NULL) : -1;
}

static int teardown_awaited(void **state) {
    tc_tcpserver_free(awaited);
    awaited = NULL;
    settle();
    return teardown(state);
}

static void close_taken(tc_future_t *future) {
    assert_int_equal(tc_future_status(future), 0);
    tc_iostream_close(tc_future_take(future));
    tc_future_unref(future);
}

static void assert_fails(tc_future_t *future, int err) {
    assert_int_equal(tc_future_status(future), err);
    tc_future_unref(future);
}

static void connections_are_awaited_first_come_first_served(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(awaited, "127.0.0.1", TC_ANY_PORT), 0);
    tc_future_t *first = tc_tcpserver_accept(awaited), *second = tc_tcpserver_accept(awaited);
    settle();
    int clients[3] = { start_connect(tc_tcpserver_port(awaited)) };
    until(tc_future_state(first) != TC_PENDING);
    assert_string_equal(tc_iostream_peer(tc_future_result(first)), "127.0.0.1");
    assert_int_equal(tc_iostream_peer_port(tc_future_result(first)), tc_socket_port(clients[0]));
    assert_int_equal(tc_future_state(second), TC_PENDING);
    close_taken(first);
    clients[1] = start_connect(tc_tcpserver_port(awaited));
    clients[2] = start_connect(tc_tcpserver_port(awaited));
    until(tc_future_state(second) != TC_PENDING);
    close_taken(second);
    settle(); /* the third waits in the queue of the system */
    tc_future_t *third = tc_tcpserver_accept(awaited);
    until(tc_future_state(third) != TC_PENDING);
    close_taken(third);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}

static void while_nobody_awaits_connections_the_loop_does_not_spin(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(awaited, "127.0.0.1", TC_ANY_PORT), 0);
    int client = start_connect(tc_tcpserver_port(awaited));
    assert_true(turns_of(50) < 10);
    tc_future_unref(tc_tcpserver_accept(awaited)); /* somebody did, and went away */
    assert_true(turns_of(50) < 10);
    char c;
    assert_int_equal(recv(client, &c, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    close(client);
}

static void who_awaits_a_connection_may_go_away(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(awaited, "127.0.0.1", TC_ANY_PORT), 0);
    tc_future_t *dropped = tc_tcpserver_accept(awaited), *cancelled = tc_tcpserver_accept(awaited);
    tc_future_t *next = tc_tcpserver_accept(awaited);
    tc_future_unref(dropped);
    tc_future_cancel(cancelled);
    assert_fails(cancelled, TC_ECANCELED);
    int client = start_connect(tc_tcpserver_port(awaited));
    until(tc_future_state(next) != TC_PENDING);
    close_taken(next);
    close(client);
}

static void a_connection_that_nobody_takes_is_closed(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(awaited, "127.0.0.1", TC_ANY_PORT), 0);
    tc_future_t *future = tc_tcpserver_accept(awaited);
    int client = start_connect(tc_tcpserver_port(awaited));
    until(tc_future_state(future) != TC_PENDING);
    tc_future_unref(future);
    char c;
    assert_int_equal(recv(client, &c, 1, 0), 0);
    close(client);
}

static void who_awaits_a_connection_is_told_of_the_end(void **state) {
    (void)state;
    assert_fails(tc_tcpserver_accept(awaited), TC_ECLOSED); /* it does not listen yet */
    assert_int_equal(tc_tcpserver_listen(awaited, "127.0.0.1", TC_ANY_PORT), 0);
    tc_future_t *first = tc_tcpserver_accept(awaited), *second = tc_tcpserver_accept(awaited);
    tc_tcpserver_stop(awaited);
    assert_fails(first, TC_ECLOSED);
    assert_fails(second, TC_ECLOSED);
    assert_int_equal(tc_tcpserver_listen(awaited, "127.0.0.1", TC_ANY_PORT), 0); /* and again */
    first = tc_tcpserver_accept(awaited);
    tc_tcpserver_free(awaited);
    assert_fails(first, TC_ECLOSED);
    assert_int_equal(tc_tcpserver_new(&awaited, loop, NULL, NULL, NULL), 0);
    assert_int_equal(tc_tcpserver_listen(awaited, "127.0.0.1", TC_ANY_PORT), 0);
    first = tc_tcpserver_accept(awaited);
    tc_ioloop_free(loop);
    assert_fails(first, TC_ECANCELED);
    assert_int_equal(tc_ioloop_new(&loop), 0);
}

static void only_a_server_without_a_callback_can_be_awaited(void **state) {
    (void)state;
    assert_fails(tc_tcpserver_accept(server), TC_EINVAL);
    assert_fails(tc_tcpserver_accept(NULL), TC_EINVAL);
    expect_logged(2);
}

static void out_of_descriptors_who_awaits_a_connection_waits_on(void **state) {
    (void)state;
    skip_under_valgrind();
    assert_int_equal(tc_tcpserver_listen(awaited, "127.0.0.1", TC_ANY_PORT), 0);
    settle();
    int client = start_connect(tc_tcpserver_port(awaited));
    tc_future_t *future = tc_tcpserver_accept(awaited);
    leave_descriptors(0);
    until(log_lines > 0);
    assert_int_equal(tc_future_state(future), TC_PENDING);
    restore_descriptors();
    until(tc_future_state(future) != TC_PENDING);
    assert_true(turns_of(50) < 10);
    expect_logged(1);
    close_taken(future);
    close(client);
}

/* ---- Pausing ---- */

static tc_tcpserver_t *inner;
static void keep_inner(tc_iostream_t *stream, const tc__address_t *peer, void *user_data) {
    (void)user_data;
    assert_int_equal(peer->family, AF_INET);
    accepted[accepts++] = stream;
    if (accepts == 1)
        tc__tcpserver_pause(inner);
}

static void a_paused_server_leaves_clients_waiting(void **state) {
    (void)state;
    assert_int_equal(tc__tcpserver_new(&inner, loop, NULL, keep_inner, NULL), 0);
    assert_int_equal(tc_tcpserver_listen(inner, "127.0.0.1", TC_ANY_PORT), 0);
    int clients[3];
    for (int i = 0; i < 3; i++)
        clients[i] = start_connect(tc_tcpserver_port(inner));
    until(accepts == 1);
    settle();
    assert_int_equal(accepts, 1);
    tc__tcpserver_resume(inner);
    until(accepts == 3);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    tc_tcpserver_free(inner);
}

/* ---- Out of descriptors ---- */

static void out_of_descriptors_clients_wait_and_one_line_is_logged(void **state) {
    (void)state;
    skip_under_valgrind();
    tc_set_log_level(TC_LOG_INFO);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    settle();
    int clients[6];
    for (int i = 0; i < 6; i++)
        clients[i] = start_connect(tc_tcpserver_port(server));
    leave_descriptors(3);
    until(log_lines > 0);
    assert_int_equal(accepts, 3);
    assert_non_null(strstr(last_line, "no more connections"));
    assert_true(turns_of(350) < 30); /* looks again every 100 ms, and does not spin */
    expect_logged(1);
    assert_int_equal(accepts, 3);
    for (int i = 3; i < 6; i++) { /* not dropped */
        char c;
        assert_int_equal(recv(clients[i], &c, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
    }

    tc_iostream_close(accepted[0]); /* a stream of the loop: at once, not after 100 ms */
    bool over = false;
    tc_timeout_t late = tc_ioloop_call_later(loop, 60, set_flag, &over);
    until(accepts == 4 || over);
    assert_false(over);
    tc_ioloop_remove_timeout(loop, late);
    accepted[0] = NULL;
    restore_descriptors(); /* room from elsewhere: found out by the timer */
    until(accepts == 6);
    until(log_lines > 0);
    assert_non_null(strstr(last_line, "again"));
    expect_logged(1);
    for (int i = 0; i < 6; i++)
        close(clients[i]);
    tc_set_log_level(TC_LOG_WARNING);
}

static void a_starving_server_can_be_stopped(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    settle();
    int client = start_connect(tc_tcpserver_port(server));
    leave_descriptors(0);
    until(log_lines > 0);
    tc_tcpserver_stop(server);
    restore_descriptors();
    assert_true(turns_of(150) < 10);
    expect_logged(1);
    assert_int_equal(accepts, 0);
    close(client);
}

static void a_starving_server_can_be_freed(void **state) {
    (void)state;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    settle();
    int client = start_connect(tc_tcpserver_port(server));
    leave_descriptors(0);
    until(log_lines > 0);
    tc_tcpserver_free(server);
    server = NULL;
    restore_descriptors();
    settle();
    expect_logged(1);
    close(client);
}

/* ---- Failing calls ---- */

static tc__sys_t real;
static int fail_with, fail_times;

static int failing_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    if (fail_times > 0) {
        fail_times--;
        errno = fail_with;
        return -1;
    }
    return real.accept4(fd, address, len, flags);
}

static void a_lost_client_does_not_stop_the_others(void **state) {
    (void)state;
    static const int errors[] = { ECONNABORTED, EINTR, EPROTO, ENETDOWN, EOPNOTSUPP };
    real = tc__sys;
    tc__sys.accept4 = failing_accept4;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    for (int i = 0; i < 5; i++) {
        fail_with = errors[i];
        fail_times = 3;
        int client = start_connect(tc_tcpserver_port(server));
        until(accepts == i + 1);
        close(client);
    }
    tc__sys = real;
}

static void what_the_system_refuses_is_waited_out(void **state) {
    (void)state;
    static const int errors[] = { ENFILE, ENOBUFS, ENOMEM, EPERM, ENOSYS };
    real = tc__sys;
    tc__sys.accept4 = failing_accept4;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    for (int i = 0; i < 5; i++) {
        fail_with = errors[i];
        fail_times = 2;
        int client = start_connect(tc_tcpserver_port(server));
        until(accepts == i + 1);
        settle();
        expect_logged(1);
        close(client);
    }
    tc__sys = real;
}

static void a_broken_listener_is_closed(void **state) {
    (void)state;
    real = tc__sys;
    tc__sys.accept4 = failing_accept4;
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int port = tc_tcpserver_port(server);
    fail_with = EINVAL;
    fail_times = 1;
    int client = start_connect(port);
    until(log_lines > 0);
    expect_logged(1);
    assert_int_equal(tc_tcpserver_port(server), 0);
    tc__sys = real;
    close(client);
}

/* ---- Bad arguments ---- */

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

static void bad_arguments_are_refused(void **state) {
    (void)state;
    tc_tcpserver_t *out;
    assert_int_equal(tc_tcpserver_new(NULL, loop, NULL, keep, NULL), TC_EINVAL);
    tc_tcpserver_options_t options = { .reserved = { 7 } };
    assert_int_equal(tc_tcpserver_new(&out, loop, &options, keep, NULL), TC_EINVAL);
    options = (tc_tcpserver_options_t){ .stream.reserved = { 7 } };
    assert_int_equal(tc_tcpserver_new(&out, loop, &options, keep, NULL), TC_EINVAL);
    options = (tc_tcpserver_options_t){ .bind.reserved = { 7 } };
    assert_int_equal(tc_tcpserver_new(&out, loop, &options, keep, NULL), 0);
    assert_int_equal(tc_tcpserver_listen(out, "127.0.0.1", TC_ANY_PORT), TC_EINVAL);
    tc_tcpserver_free(out);
    assert_int_equal(tc_tcpserver_listen(NULL, "127.0.0.1", TC_ANY_PORT), TC_EINVAL);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", 70000), TC_EINVAL);
    assert_true(strlen(tc_error_detail()) > 0);
    assert_int_equal(tc_tcpserver_add_socket(server, -1), -EBADF);
    int file = open("/dev/null", O_RDONLY), idle = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tc_tcpserver_add_socket(server, file), -ENOTSOCK);
    assert_false(is_open(file)); /* taken, also on failure */
    assert_int_equal(tc_tcpserver_add_socket(NULL, idle), TC_EINVAL);
    assert_false(is_open(idle));
    idle = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tc_tcpserver_add_socket(server, idle), TC_EINVAL);
    assert_non_null(strstr(tc_error_detail(), "does not listen"));
    assert_false(is_open(idle));
    tc_tcpserver_stop(NULL);
    tc_tcpserver_free(NULL);
    assert_int_equal(tc_tcpserver_port(NULL), 0);
    log_lines = 0;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup_server, teardown_server)
#define T_AWAITED(test) cmocka_unit_test_setup_teardown(test, setup_awaited, teardown_awaited)

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(connections_become_streams),
        T(accepted_sockets_do_not_delay),
        T(the_system_takes_little_for_a_peer_that_reads_nothing),
        T(a_crowd_is_accepted_in_few_turns_if_they_are_long),
        T(several_addresses_can_be_served),
        T(many_clients_at_once_are_all_taken),
        T(unix_sockets_have_nameless_peers),
        T(both_ends_of_a_stream_have_their_addresses),
        T(ipv6_peers_have_their_addresses),
        T(who_has_gone_at_once_is_known_all_the_same),
        T(what_cannot_be_told_is_empty_and_asked_for_again),
        T(stopping_closes_the_listeners_only),
        T(it_may_be_stopped_in_its_own_callback),
        T(it_may_be_freed_in_its_own_callback),
        T(it_may_outlive_its_loop),
        T_AWAITED(connections_are_awaited_first_come_first_served),
        T_AWAITED(while_nobody_awaits_connections_the_loop_does_not_spin),
        T_AWAITED(who_awaits_a_connection_may_go_away),
        T_AWAITED(a_connection_that_nobody_takes_is_closed),
        T_AWAITED(who_awaits_a_connection_is_told_of_the_end),
        T(only_a_server_without_a_callback_can_be_awaited),
        T_AWAITED(out_of_descriptors_who_awaits_a_connection_waits_on),
        T(a_paused_server_leaves_clients_waiting),
        T(out_of_descriptors_clients_wait_and_one_line_is_logged),
        T(a_starving_server_can_be_stopped),
        T(a_starving_server_can_be_freed),
        T(a_lost_client_does_not_stop_the_others),
        T(what_the_system_refuses_is_waited_out),
        T(a_broken_listener_is_closed),
        T(bad_arguments_are_refused),
    };
    tc_set_log_callback(count_line, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
