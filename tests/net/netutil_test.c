/* netutil_test.c - listening sockets from addresses. */
#include "net/net_test.h"

#include <sys/stat.h>

static int fds[TC_MAX_SOCKETS];

static void close_all(int count) {
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

static int family_of(int fd) {
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return address.ss_family;
}

static bool has_ipv6(void) {
    int count = tc_bind_sockets(fds, "::1", TC_ANY_PORT, NULL);
    close_all(count);
    return count > 0;
}

static bool connects(const char *host, int port) {
    int fd, rc;
    if (strchr(host, ':')) {
        struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
        inet_pton(AF_INET6, host, &address.sin6_addr);
        fd = socket(AF_INET6, SOCK_STREAM, 0);
        rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
    } else {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        inet_pton(AF_INET, host, &address.sin_addr);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
    }
    close(fd);
    return rc == 0;
}

static void assert_detail(const char *part) {
    if (!strstr(tc_error_detail(), part))
        fail_msg("\"%s\" does not say \"%s\"", tc_error_detail(), part);
}

/* ---- TCP ---- */

static void all_addresses_share_one_free_port(void **state) {
    (void)state;
    for (int i = 0; i < 50; i++) {
        int count = tc_bind_sockets(fds, i % 2 ? NULL : "", i % 3 ? TC_ANY_PORT : 0, NULL);
        assert_true(count == 1 || count == 2);
        int port = tc_socket_port(fds[0]);
        assert_in_range(port, 1, 65535);
        for (int k = 1; k < count; k++)
            assert_int_equal(tc_socket_port(fds[k]), port);
        assert_true(connects("127.0.0.1", port));
        if (count == 2) {
            assert_int_equal(family_of(fds[0]), AF_INET6);
            assert_int_equal(family_of(fds[1]), AF_INET);
            assert_true(connects("::1", port));
        }
        close_all(count);
    }
}

static void the_sockets_are_ready_to_be_watched(void **state) {
    (void)state;
    int count = tc_bind_sockets(fds, "127.0.0.1", TC_ANY_PORT, NULL);
    assert_int_equal(count, 1);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    int on = 0;
    socklen_t len = sizeof(on);
    getsockopt(fds[0], SOL_SOCKET, SO_REUSEADDR, &on, &len);
    assert_true(on);
    getsockopt(fds[0], SOL_SOCKET, SO_REUSEPORT, &on, &len);
    assert_false(on);
    close_all(count);
}

static void a_family_can_be_chosen(void **state) {
    (void)state;
    assert_int_equal(tc_bind_sockets(fds, NULL, TC_ANY_PORT, &(tc_bind_options_t){ .ipv4_only = true }), 1);
    assert_int_equal(family_of(fds[0]), AF_INET);
    close_all(1);
    if (!has_ipv6())
        return;
    assert_int_equal(tc_bind_sockets(fds, NULL, TC_ANY_PORT, &(tc_bind_options_t){ .ipv6_only = true }), 1);
    assert_int_equal(family_of(fds[0]), AF_INET6);
    close_all(1);
}

/* A system straight from debootstrap has no /etc/hosts, and so not even this name. */
static bool has_localhost(void) {
    struct addrinfo *found;
    if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

static void localhost_is_a_name_like_others(void **state) {
    (void)state;
    if (!has_localhost())
        skip();
    int count = tc_bind_sockets(fds, "localhost", TC_ANY_PORT, NULL);
    assert_true(count >= 1);
    assert_true(connects("127.0.0.1", tc_socket_port(fds[0])));
    close_all(count);
}

static void a_port_in_use_is_named(void **state) {
    (void)state;
    int count = tc_bind_sockets(fds, "127.0.0.1", TC_ANY_PORT, NULL), second[TC_MAX_SOCKETS];
    int port = tc_socket_port(fds[0]);
    assert_int_equal(tc_bind_sockets(second, "127.0.0.1", port, NULL), -EADDRINUSE);
    char text[64];
    snprintf(text, sizeof(text), "port %d on 127.0.0.1", port);
    assert_detail(text);
    assert_detail("already");
    assert_int_equal(tc_bind_sockets(second, NULL, port, NULL), -EADDRINUSE);
    close_all(count);
}

static void sharing_a_port_is_asked_for(void **state) {
    (void)state;
    tc_bind_options_t shared = { .reuse_port = true };
    int count = tc_bind_sockets(fds, "127.0.0.1", TC_ANY_PORT, &shared), second[TC_MAX_SOCKETS];
    assert_int_equal(count, 1);
    assert_int_equal(tc_bind_sockets(second, "127.0.0.1", tc_socket_port(fds[0]), &shared), 1);
    close(second[0]);
    close_all(count);
}

static void strange_addresses_are_refused(void **state) {
    (void)state;
    assert_int_equal(tc_bind_sockets(fds, "no-such-host.invalid", 0, NULL) < 0, true);
    assert_detail("no-such-host.invalid");
    assert_int_equal(tc_bind_sockets(fds, "192.0.2.1", 0, NULL), -EADDRNOTAVAIL);
    assert_detail("192.0.2.1");
    assert_int_equal(tc_bind_sockets(fds, "127.0.0.1", 65536, NULL), TC_EINVAL);
    assert_int_equal(tc_bind_sockets(fds, "127.0.0.1", -2, NULL), TC_EINVAL);
    assert_detail("-2");
    assert_int_equal(tc_bind_sockets(NULL, "127.0.0.1", 0, NULL), TC_EINVAL);
    assert_int_equal(tc_bind_sockets(fds, NULL, 0, &(tc_bind_options_t){ .reserved = { 0, 1 } }), TC_EINVAL);
    assert_int_equal(tc_bind_sockets(fds, NULL, 0, &(tc_bind_options_t){ .ipv4_only = true, .ipv6_only = true }),
                     TC_EINVAL);
    assert_int_equal(tc_bind_sockets(fds, NULL, 0, &(tc_bind_options_t){ .backlog = -1 }), TC_EINVAL);
    assert_int_equal(tc_bind_sockets(fds, NULL, 0, &(tc_bind_options_t){ .unix_mode = 010000 }), TC_EINVAL);
    log_lines = 0;
}

/* ---- Unix sockets ---- */

static char folder[64], path[96], address[112];

static int setup_folder(void **state) {
    if (setup(state) != 0)
        return -1;
    strcpy(folder, "/tmp/tornadoc-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/sock", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
    return 0;
}

static int teardown_folder(void **state) {
    unlink(path);
    rmdir(folder);
    return teardown(state);
}

static bool unix_connects(void) {
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    strcpy(un.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int rc = connect(fd, (struct sockaddr *)&un, sizeof(un));
    close(fd);
    return rc == 0;
}

static unsigned mode_of(const char *file) {
    struct stat status;
    assert_int_equal(stat(file, &status), 0);
    return status.st_mode & 07777;
}

static void a_unix_socket_has_its_mode(void **state) {
    (void)state;
    assert_int_equal(tc_bind_sockets(fds, address, 0, NULL), 1);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(tc_socket_port(fds[0]), 0);
    assert_true(unix_connects());
    close(fds[0]);
    assert_int_equal(tc_bind_sockets(fds, address, 0, &(tc_bind_options_t){ .unix_mode = 0666 }), 1);
    assert_int_equal(mode_of(path), 0666);
    close(fds[0]);
}

static void a_stale_socket_file_is_replaced(void **state) {
    (void)state;
    assert_int_equal(tc_bind_sockets(fds, address, 0, NULL), 1);
    close(fds[0]);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(tc_bind_sockets(fds, address, 0, NULL), 1);
    assert_true(unix_connects());
    close(fds[0]);
}

static void a_live_socket_is_left_alone(void **state) {
    (void)state;
    assert_int_equal(tc_bind_sockets(fds, address, 0, NULL), 1);
    int second[TC_MAX_SOCKETS];
    assert_int_equal(tc_bind_sockets(second, address, 0, NULL), -EADDRINUSE);
    assert_detail(path);
    assert_true(unix_connects());
    close(fds[0]);
}

static void a_live_socket_with_a_full_queue_is_left_alone(void **state) {
    (void)state;
    assert_int_equal(tc_bind_sockets(fds, address, 0, &(tc_bind_options_t){ .backlog = 1 }), 1);
    int clients[8], second[TC_MAX_SOCKETS];
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    strcpy(un.sun_path, path);
    for (int i = 0; i < 8; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(clients[i], (struct sockaddr *)&un, sizeof(un)) < 0)
            assert_int_equal(errno, EAGAIN);
    }
    assert_int_equal(tc_bind_sockets(second, address, 0, NULL), -EADDRINUSE);
    for (int i = 0; i < 8; i++)
        close(clients[i]);
    close(fds[0]);
}

static void other_files_are_never_removed(void **state) {
    (void)state;
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    close(file);
    assert_int_equal(tc_bind_sockets(fds, address, 0, NULL), TC_EALREADY);
    assert_detail(path);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(tc_bind_sockets(fds, address, 0, NULL), TC_EALREADY);
    unlink(path);
}

static void bad_paths_are_named(void **state) {
    (void)state;
    char long_one[200] = "unix:/tmp/";
    memset(long_one + strlen(long_one), 'x', 120);
    assert_int_equal(tc_bind_sockets(fds, long_one, 0, NULL), TC_EINVAL);
    assert_detail("longer than");
    assert_int_equal(tc_bind_sockets(fds, "unix:", 0, NULL), TC_EINVAL);
    assert_int_equal(tc_bind_sockets(fds, "unix:/no/such/folder/sock", 0, NULL), TC_ENOENT);
    assert_detail("/no/such/folder/sock");
}

static void abstract_names_leave_no_file(void **state) {
    (void)state;
    char name[64];
    snprintf(name, sizeof(name), "unix:@tornadoc-test-%d", (int)getpid());
    assert_int_equal(tc_bind_sockets(fds, name, 0, NULL), 1);
    int second[TC_MAX_SOCKETS];
    assert_int_equal(tc_bind_sockets(second, name, 0, NULL), -EADDRINUSE);
    close(fds[0]);
}

/* ---- Inherited ---- */

static void an_inherited_socket_is_checked(void **state) {
    (void)state;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char text[32];
    snprintf(text, sizeof(text), "fd:%d", listener);
    assert_int_equal(tc_bind_sockets(fds, text, 0, NULL), TC_EINVAL);
    assert_detail("does not listen");
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(tc_bind_sockets(fds, text, 0, NULL), 1);
    assert_int_equal(fds[0], listener);
    assert_true(fcntl(listener, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
    close(listener);
    assert_int_equal(tc_bind_sockets(fds, text, 0, NULL), -EBADF);
    assert_int_equal(tc_bind_sockets(fds, "fd:0", 0, NULL) < 0, true);
    assert_int_equal(tc_bind_sockets(fds, "fd:", 0, NULL), TC_EINVAL);
    assert_int_equal(tc_bind_sockets(fds, "fd:-1", 0, NULL), TC_EINVAL);
    assert_int_equal(tc_bind_sockets(fds, "fd:3x", 0, NULL), TC_EINVAL);
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    snprintf(text, sizeof(text), "fd:%d", datagram);
    assert_int_equal(tc_bind_sockets(fds, text, 0, NULL), TC_EINVAL);
    assert_int_equal(fcntl(datagram, F_GETFD) >= 0, true); /* still the caller's */
    close(datagram);
}

static void sockets_of_systemd_are_taken(void **state) {
    (void)state;
    char pid[32];
    unsetenv("LISTEN_FDS");
    assert_int_equal(tc_bind_sockets(fds, "systemd", 0, NULL), TC_ENOENT);
    snprintf(pid, sizeof(pid), "%d", (int)getpid() + 1);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    assert_int_equal(tc_bind_sockets(fds, "systemd", 0, NULL), TC_ENOENT);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "two", 1);
    assert_int_equal(tc_bind_sockets(fds, "systemd", 0, NULL), TC_EINVAL);
    setenv("LISTEN_FDS", "2", 1);
    int saved[2] = { fcntl(3, F_DUPFD_CLOEXEC, 100), fcntl(4, F_DUPFD_CLOEXEC, 100) }, listener = -1;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(listen(listener, 1), 0);
    dup2(listener, 3);
    dup2(listener, 4);
    assert_int_equal(tc_bind_sockets(fds, "systemd", 0, NULL), 2);
    assert_int_equal(fds[0], 3);
    assert_int_equal(fds[1], 4);
    for (int i = 0; i < 2; i++) {
        if (saved[i] >= 0) {
            dup2(saved[i], 3 + i);
            close(saved[i]);
        } else {
            close(3 + i);
        }
    }
    if (listener > 4)
        close(listener);
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
}

/* ---- Addresses ---- */

static void valid_addresses_are_numeric(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        { "127.0.0.1", true },
        { "4.4.4.4", true },
        { "::1", true },
        { "2620:0:1cfe:face:b00c::3", true },
        { "www.google.com", false },
        { "localhost", false },
        { "4.4.4.4<", false },
        { " 127.0.0.1", false },
        { "", false },
        { " ", false },
        { "\n", false },
        { "127.0.0.1\n", false },
        { "1.2.3", false },
        { "01.2.3.4", false },
        { "::1%lo", false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(tc_is_valid_ip(rows[i].text), rows[i].valid);
    assert_false(tc_is_valid_ip(NULL));
}

static void peers_are_written_as_people_do(void **state) {
    (void)state;
    static const struct {
        int family;
        const char *in, *out;
        uint32_t scope;
    } rows[] = {
        { AF_INET, "127.0.0.1", "127.0.0.1", 0 },
        { AF_INET6, "::1", "::1", 0 },
        { AF_INET6, "fe80::1", "fe80::1%7", 7 },
        { AF_INET6, "::ffff:10.1.2.3", "10.1.2.3", 0 },
        { AF_UNIX, "", "", 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        union {
            struct sockaddr any;
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } from = { .in6 = { 0 } };
        from.any.sa_family = (sa_family_t)rows[i].family;
        if (rows[i].family == AF_INET) {
            inet_pton(AF_INET, rows[i].in, &from.in.sin_addr);
            from.in.sin_port = htons(8080);
        } else if (rows[i].family == AF_INET6) {
            inet_pton(AF_INET6, rows[i].in, &from.in6.sin6_addr);
            from.in6.sin6_scope_id = rows[i].scope;
            from.in6.sin6_port = htons(8080);
        }
        tc__address_t peer;
        char text[INET6_ADDRSTRLEN + 12];
        tc__address_from_sockaddr(&peer, &from.any);
        tc__address_format(&peer, text, sizeof(text));
        assert_string_equal(text, rows[i].out);
        assert_int_equal(peer.port, rows[i].family == AF_UNIX ? 0 : 8080);
    }
}

/* ---- Failing calls ---- */

static int countdown; /* calls until one fails */
static bool from_then_on;
static tc__sys_t real;

static bool fails_now(int err) {
    bool fails = countdown > 0 ? --countdown == 0 : countdown < 0;
    if (fails) {
        errno = err;
        if (from_then_on)
            countdown = -1;
    }
    return fails;
}
static int failing_socket(int domain, int type, int protocol) {
    return fails_now(EMFILE) ? -1 : real.socket(domain, type, protocol);
}
static int failing_bind(int fd, const struct sockaddr *to, socklen_t len) {
    return fails_now(EACCES) ? -1 : real.bind(fd, to, len);
}
static int failing_listen(int fd, int backlog) {
    return fails_now(EADDRINUSE) ? -1 : real.listen(fd, backlog);
}
static int failing_setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
    return fails_now(ENOPROTOOPT) ? -1 : real.setsockopt(fd, level, name, value, len);
}
static int failing_getsockname(int fd, struct sockaddr *to, socklen_t *len) {
    return fails_now(ENOBUFS) ? -1 : real.getsockname(fd, to, len);
}

static void let_fail(int call) {
    switch (call) {
    case 0:
        tc__sys.socket = failing_socket;
        break;
    case 1:
        tc__sys.bind = failing_bind;
        break;
    case 2:
        tc__sys.listen = failing_listen;
        break;
    case 3:
        tc__sys.setsockopt = failing_setsockopt;
        break;
    default:
        tc__sys.getsockname = failing_getsockname;
    }
}

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void a_failing_call_leaves_nothing_open(void **state) {
    (void)state;
    const char *addresses[] = { "127.0.0.1", NULL, "localhost", address };
    real = tc__sys;
    for (int call = 0; call < 5; call++) {
        for (int i = 0; i < 4 * 2 * 8; i++) {
            int before = open_descriptors();
            tc__sys = real;
            let_fail(call);
            from_then_on = i / 4 % 2;
            countdown = 1 + i / 8;
            int count = tc_bind_sockets(fds, addresses[i % 4], TC_ANY_PORT, NULL);
            tc__sys = real;
            if (count < 0)
                assert_true(strlen(tc_error_detail()) > 0);
            else
                close_all(count);
            assert_int_equal(open_descriptors(), before);
        }
    }
}

static int no_ipv6_socket(int domain, int type, int protocol) {
    if (domain == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return real.socket(domain, type, protocol);
}
static int no_ipv6_bind(int fd, const struct sockaddr *to, socklen_t len) {
    if (to->sa_family == AF_INET6) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    return real.bind(fd, to, len);
}

static void a_machine_without_ipv6_serves_ipv4(void **state) {
    (void)state;
    real = tc__sys;
    for (int how = 0; how < 2; how++) {
        if (how == 0)
            tc__sys.socket = no_ipv6_socket;
        else
            tc__sys.bind = no_ipv6_bind;
        assert_int_equal(tc_bind_sockets(fds, NULL, TC_ANY_PORT, NULL), 1);
        assert_int_equal(family_of(fds[0]), AF_INET);
        close_all(1);
        if (has_localhost()) {
            assert_int_equal(tc_bind_sockets(fds, "localhost", TC_ANY_PORT, NULL), 1);
            close_all(1);
        }
        assert_int_equal(tc_bind_sockets(fds, "::1", TC_ANY_PORT, NULL) < 0, true);
        assert_detail("::1");
        tc__sys = real;
    }
}

static int taken_times;
static int second_bind_is_taken(int fd, const struct sockaddr *to, socklen_t len) {
    if (to->sa_family == AF_INET && taken_times > 0) {
        taken_times--;
        errno = EADDRINUSE;
        return -1;
    }
    return real.bind(fd, to, len);
}

static void another_port_is_tried_if_one_family_has_it_not_free(void **state) {
    (void)state;
    if (!has_ipv6())
        skip();
    real = tc__sys;
    tc__sys.bind = second_bind_is_taken;
    taken_times = 5;
    assert_int_equal(tc_bind_sockets(fds, NULL, TC_ANY_PORT, NULL), 2);
    assert_int_equal(tc_socket_port(fds[0]), tc_socket_port(fds[1]));
    close_all(2);
    taken_times = 1000; /* but not for ever */
    assert_int_equal(tc_bind_sockets(fds, NULL, TC_ANY_PORT, NULL), -EADDRINUSE);
    assert_true(taken_times > 900);
    tc__sys = real;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup_folder, teardown_folder)

int main(void) {
    static const struct CMUnitTest tests[] = {
        T(all_addresses_share_one_free_port),
        T(the_sockets_are_ready_to_be_watched),
        T(a_family_can_be_chosen),
        T(localhost_is_a_name_like_others),
        T(a_port_in_use_is_named),
        T(sharing_a_port_is_asked_for),
        T(strange_addresses_are_refused),
        T(a_unix_socket_has_its_mode),
        T(a_stale_socket_file_is_replaced),
        T(a_live_socket_is_left_alone),
        T(a_live_socket_with_a_full_queue_is_left_alone),
        T(other_files_are_never_removed),
        T(bad_paths_are_named),
        T(abstract_names_leave_no_file),
        T(an_inherited_socket_is_checked),
        T(sockets_of_systemd_are_taken),
        T(valid_addresses_are_numeric),
        T(peers_are_written_as_people_do),
        T(a_failing_call_leaves_nothing_open),
        T(a_machine_without_ipv6_serves_ipv4),
        T(another_port_is_tried_if_one_family_has_it_not_free),
    };
    tc_set_log_callback(count_line, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
