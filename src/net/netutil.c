/*
 * netutil.c - listening sockets. (Tornado: netutil)
 *
 * An address becomes a list of socket addresses, each of those a socket: bound first, all of them, and put to listening
 * only when every bind went well. A free port has to be the same one on each, so the first socket picks it and the
 * others follow; if one of those is taken already, all are closed and another is tried.
 */
#include "net/netutil_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"

enum { DEFAULT_BACKLOG = 1024, DEFAULT_UNIX_MODE = 0600, PORT_ATTEMPTS = 16, FIRST_INHERITED_FD = 3 };

/* ---- Binding ---- */

/* What is being bound: what the messages name, and the sockets so far. */
typedef struct {
    int *fds;
    int count;
    int port; /* 0: any */
    bool any_port;
    const tc_bind_options_t *options;
} binding_t;

static void close_all(binding_t *binding) {
    while (binding->count > 0)
        close(binding->fds[--binding->count]);
}

static const char *hint(int err) {
    switch (err) {
    case -EACCES:
        return " (ports below 1024 need privileges)";
    case -EADDRINUSE:
        return " (is the program running already?)";
    case -EADDRNOTAVAIL:
        return " (no interface of this machine has that address)";
    default:
        return "";
    }
}

static int fail_at(int err, const struct sockaddr *address, int port) {
    char text[INET6_ADDRSTRLEN] = "?";
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text, sizeof(text));
    else
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text, sizeof(text));
    return tc__fail(err, "port %d on %s: %s%s", port, text, tc_strerror(err), hint(err));
}

static int set_flag(int fd, int level, int name) {
    return tc__sys.setsockopt(fd, level, name, &(int){ 1 }, sizeof(int)) < 0 ? -errno : 0;
}

static int set_options(int fd, const struct sockaddr *address, const tc_bind_options_t *options) {
    int err = set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
    if (err == 0 && address->sa_family == AF_INET6)
        err = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY); /* IPv4 has a socket of its own */
    if (err == 0 && options->reuse_port) {
#ifdef SO_REUSEPORT
        err = set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
#else
        err = TC_ENOTSUP;
#endif
    }
    return err;
}

static void set_port(struct sockaddr *address, int port) {
    if (address->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)(void *)address)->sin_port = htons((uint16_t)port);
}

/* A bound socket is added to the list. */
static int bind_one(binding_t *binding, struct sockaddr *address, socklen_t len) {
    int fd = tc__socket(address->sa_family);
    if (fd < 0)
        return fd;
    set_port(address, binding->port);
    int err = set_options(fd, address, binding->options);
    if (err == 0 && tc__sys.bind(fd, address, len) < 0)
        err = -errno;
    if (err == 0 && binding->port == 0) {
        int port = tc_socket_port(fd);
        if (port < 0)
            err = port;
        else
            binding->port = port;
    }
    if (err < 0) {
        close(fd);
        return err;
    }
    binding->fds[binding->count++] = fd;
    return 0;
}

static int backlog_of(const tc_bind_options_t *options) {
    return options->backlog > 0 ? options->backlog : DEFAULT_BACKLOG;
}

static int listen_all(binding_t *binding) {
    for (int i = 0; i < binding->count; i++) {
        if (tc__sys.listen(binding->fds[i], backlog_of(binding->options)) < 0)
            return -errno;
    }
    return 0;
}

/* Not every machine has IPv6, and in a container localhost may name a ::1 that no interface has. */
static bool may_be_missing(const struct sockaddr *address, int err, const char *host) {
    if (address->sa_family != AF_INET6)
        return false;
    return err == -EAFNOSUPPORT || (err == -EADDRNOTAVAIL && (!host || strcmp(host, "localhost") == 0));
}

static bool seen_before(const struct addrinfo *list, const struct addrinfo *info) {
    for (; list != info; list = list->ai_next) {
        if (list->ai_addrlen == info->ai_addrlen && memcmp(list->ai_addr, info->ai_addr, info->ai_addrlen) == 0)
            return true;
    }
    return false;
}

/* One attempt at all addresses, IPv6 first. *failed is the address of the error that is returned. */
static int bind_list(binding_t *binding, const struct addrinfo *list, const char *host,
                     const struct sockaddr **failed) {
    static const int families[] = { AF_INET6, AF_INET };
    int err = 0, missing = 0;
    const struct sockaddr *missing_at = NULL;
    for (size_t f = 0; f < 2; f++) {
        for (const struct addrinfo *info = list; info; info = info->ai_next) {
            if (info->ai_family != families[f] || seen_before(list, info) || binding->count == TC_MAX_SOCKETS)
                continue;
            err = bind_one(binding, info->ai_addr, info->ai_addrlen);
            if (err < 0 && may_be_missing(info->ai_addr, err, host)) {
                missing = err;
                missing_at = info->ai_addr;
                continue;
            }
            if (err < 0) {
                *failed = info->ai_addr;
                return err;
            }
        }
    }
    if (binding->count > 0)
        return 0;
    *failed = missing_at;
    return missing;
}

static int resolve(struct addrinfo **out, const char *host, const tc_bind_options_t *options) {
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    if (options->ipv4_only)
        hints.ai_family = AF_INET;
    if (options->ipv6_only)
        hints.ai_family = AF_INET6;
    bool is_local = host && tc__bytes_equal_nocase(tc_str(host), tc_str("localhost"));
    if (is_local) /* this machine, whatever its files say, or lack (RFC 6761 section 6.3) */
        hints.ai_flags = 0;
    /* The port is set later; a service is needed where there is no name. */
    int rc = getaddrinfo(is_local ? NULL : host, "1", &hints, out);
    switch (rc) {
    case 0:
        return 0;
    case EAI_MEMORY:
        return tc__fail(TC_ENOMEM, "%s: out of memory", host ? host : "all addresses");
    case EAI_AGAIN:
        return tc__fail(TC_EAGAIN, "%s: the name cannot be resolved at the moment", host);
    case EAI_SYSTEM:
        return tc__fail(errno ? -errno : TC_ENOENT, "%s: %s", host ? host : "all addresses", tc_strerror(-errno));
    default:
        return tc__fail(TC_ENOENT, "%s: %s", host ? host : "all addresses", gai_strerror(rc));
    }
}

static int bind_inet(binding_t *binding, const char *host) {
    struct addrinfo *list = NULL;
    TC_TRY(resolve(&list, host, binding->options));
    const struct sockaddr *failed = NULL;
    int wanted = binding->port, err = 0;
    for (int attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
        binding->port = wanted;
        err = bind_list(binding, list, host, &failed);
        bool taken = err == -EADDRINUSE;
        if (err == 0) {
            err = listen_all(binding);
            taken = err == -EADDRINUSE;
        }
        if (err == 0 || !taken || wanted != 0)
            break;
        close_all(binding); /* the port was free for one family only */
    }
    if (err < 0)
        err = fail_at(err, failed ? failed : list->ai_addr, binding->port);
    freeaddrinfo(list);
    return err;
}

/* ---- Unix sockets ---- */

/* A socket file that nobody listens on any more is a leftover; everything else at that path stays. */
static int remove_stale_file(const struct sockaddr_un *address, socklen_t len) {
    struct stat status;
    if (lstat(address->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : tc__fail(-errno, "%s: %s", address->sun_path, tc_strerror(-errno));
    if (!S_ISSOCK(status.st_mode))
        return tc__fail(TC_EALREADY, "%s: there is a file of that name, and it is no socket", address->sun_path);
    int fd = tc__socket(AF_UNIX);
    if (fd < 0)
        return tc__fail(fd, "%s: %s", address->sun_path, tc_strerror(fd));
    int rc = connect(fd, (const struct sockaddr *)(const void *)address, len);
    int err = rc < 0 ? errno : 0;
    close(fd);
    if (err == ENOENT)
        return 0;
    if (err != ECONNREFUSED)
        return tc__fail(-EADDRINUSE, "%s: in use (is the program running already?)", address->sun_path);
    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return tc__fail(-errno, "%s: the old socket file cannot be removed: %s", address->sun_path,
                        tc_strerror(-errno));
    return 0;
}

int tc__unix_address(struct sockaddr_un *out, socklen_t *out_len, const char *path) {
    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    size_t len = strlen(path);
    if (len == 0)
        return tc__fail(TC_EINVAL, "unix: the path of the socket is missing");
    if (len >= sizeof(out->sun_path))
        return tc__fail(TC_EINVAL, "unix:%s: the path is longer than %zu bytes", path, sizeof(out->sun_path) - 1);
    bool abstract = path[0] == '@';
#ifndef __linux__
    if (abstract)
        return tc__fail(TC_ENOTSUP, "unix:%s: abstract names exist on Linux only", path);
#endif
    memcpy(out->sun_path, path, len + 1);
    *out_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (abstract) {
        out->sun_path[0] = '\0';
        --*out_len; /* the name is counted, not terminated */
    }
    return 0;
}

static int bind_unix(binding_t *binding, const char *path) {
    struct sockaddr_un address;
    socklen_t address_len = 0;
    TC_TRY(tc__unix_address(&address, &address_len, path));
    bool abstract = path[0] == '@';
    if (!abstract)
        TC_TRY(remove_stale_file(&address, address_len));

    int fd = tc__socket(AF_UNIX);
    if (fd < 0)
        return tc__fail(fd, "unix:%s: %s", path, tc_strerror(fd));
    int err = 0;
    bool bound = tc__sys.bind(fd, (const struct sockaddr *)(const void *)&address, address_len) == 0;
    if (!bound)
        err = -errno;
    /* Before it listens nobody can connect: the mode has no gap. */
    mode_t mode = (mode_t)(binding->options->unix_mode ? binding->options->unix_mode : DEFAULT_UNIX_MODE);
    if (err == 0 && !abstract && chmod(address.sun_path, mode) < 0)
        err = -errno;
    if (err == 0 && tc__sys.listen(fd, backlog_of(binding->options)) < 0)
        err = -errno;
    if (err < 0) {
        if (bound && !abstract)
            unlink(address.sun_path);
        close(fd);
        return tc__fail(err, "unix:%s: %s", path, tc_strerror(err));
    }
    binding->fds[binding->count++] = fd;
    return 0;
}

/* ---- Inherited sockets ---- */

static int inherit(binding_t *binding, int fd) {
    int value = 0;
    socklen_t len = sizeof(value);
    if (tc__sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) < 0)
        return tc__fail(-errno, "descriptor %d: %s", fd, errno == ENOTSOCK ? "not a socket" : tc_strerror(-errno));
    if (value != SOCK_STREAM)
        return tc__fail(TC_EINVAL, "descriptor %d: not a stream socket", fd);
#ifdef SO_ACCEPTCONN
    len = sizeof(value);
    if (tc__sys.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && !value)
        return tc__fail(TC_EINVAL, "descriptor %d: the socket does not listen", fd);
#endif
    int err = tc__set_nonblocking(fd);
    if (err < 0)
        return tc__fail(err, "descriptor %d: %s", fd, tc_strerror(err));
    binding->fds[binding->count++] = fd;
    return 0;
}

static int inherit_one(binding_t *binding, const char *digits) {
    uint64_t fd;
    if (tc__parse_uint64(tc_str(digits), &fd) < 0 || fd > INT32_MAX)
        return tc__fail(TC_EINVAL, "fd:%s: not the number of a descriptor", digits);
    return inherit(binding, (int)fd);
}

static int inherit_systemd(binding_t *binding) {
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t value;
    if (!pid || !count)
        return tc__fail(TC_ENOENT, "systemd: no sockets were passed (LISTEN_FDS is not set)");
    if (tc__parse_uint64(tc_str(pid), &value) < 0 || value != (uint64_t)getpid())
        return tc__fail(TC_ENOENT, "systemd: the sockets were passed to another process (LISTEN_PID is %s)", pid);
    if (tc__parse_uint64(tc_str(count), &value) < 0 || value < 1 || value > TC_MAX_SOCKETS)
        return tc__fail(TC_EINVAL, "systemd: LISTEN_FDS is %s, not a number from 1 to %d", count, TC_MAX_SOCKETS);
    for (int i = 0; i < (int)value; i++) {
        int err = inherit(binding, FIRST_INHERITED_FD + i);
        if (err < 0) {
            binding->count = 0; /* they are still systemd's */
            return err;
        }
    }
    return 0;
}

/* ---- The face ---- */

static int check_arguments(const int *fds, int port, const tc_bind_options_t *options) {
    if (!fds)
        return tc__misuse(TC_EINVAL, "tc_bind_sockets: fds is NULL");
    if (port < TC_ANY_PORT || port > 65535)
        return tc__misuse(TC_EINVAL, "port %d: not in 0 to 65535, and not TC_ANY_PORT", port);
    if (!tc__all_zero(options->reserved, sizeof(options->reserved)))
        return tc__misuse(TC_EINVAL, "tc_bind_options_t: reserved is not zero (is the struct initialised?)");
    if (options->ipv4_only && options->ipv6_only)
        return tc__misuse(TC_EINVAL, "tc_bind_options_t: ipv4_only and ipv6_only exclude each other");
    if (options->backlog < 0)
        return tc__misuse(TC_EINVAL, "tc_bind_options_t: backlog %d is negative", options->backlog);
    if (options->unix_mode > 07777)
        return tc__misuse(TC_EINVAL, "tc_bind_options_t: unix_mode 0%o is no file mode", options->unix_mode);
    return 0;
}

int tc_bind_sockets(int *fds, const char *address, int port, const tc_bind_options_t *options) {
    static const tc_bind_options_t defaults;
    if (!options)
        options = &defaults;
    TC_TRY(check_arguments(fds, port, options));
    binding_t binding = { .fds = fds, .port = port == TC_ANY_PORT ? 0 : port, .options = options };

    if (address && strncmp(address, "fd:", 3) == 0) { /* stays the caller's, also on failure */
        TC_TRY(inherit_one(&binding, address + 3));
        return binding.count;
    }
    if (address && strcmp(address, "systemd") == 0) {
        TC_TRY(inherit_systemd(&binding));
        return binding.count;
    }
    int err;
    if (address && strncmp(address, "unix:", 5) == 0)
        err = bind_unix(&binding, address + 5);
    else
        err = bind_inet(&binding, address && *address ? address : NULL);
    if (err < 0) {
        close_all(&binding);
        return err;
    }
    return binding.count;
}

int tc_socket_port(int fd) {
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (tc__sys.getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return tc__fail(-errno, "descriptor %d: %s", fd, tc_strerror(-errno));
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
    return 0;
}

bool tc_is_valid_ip(const char *text) {
    unsigned char address[sizeof(struct in6_addr)];
    return text && (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1);
}
