/*
 * tornadoc/netutil.h - listening sockets, names and addresses. (Tornado: netutil)
 */
#ifndef TORNADOC_NETUTIL_H
#define TORNADOC_NETUTIL_H

#include <tornadoc/future.h>
#include <tornadoc/ioloop.h>
#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TC_ANY_PORT (-1) /**< a free port that the system picks; tells 0, the default, from "any" */

/** All zero, or NULL, means the defaults. */
typedef struct {
    int backlog;     /**< pending connections; default 1024 (the system may allow fewer) */
    bool reuse_port; /**< SO_REUSEPORT: several sockets share the port; off, as it hides a double start */
    bool ipv4_only;  /**< of a name or of all addresses, take only these */
    bool ipv6_only;
    unsigned unix_mode;    /**< mode of a unix socket's file; default 0600 */
    uintptr_t reserved[4]; /**< must be zero */
} tc_bind_options_t;

enum { TC_MAX_SOCKETS = 16 }; /**< how many sockets one address can stand for */

/**
 * Make non-blocking listening sockets for an address:
 *
 *   NULL or ""            all addresses, IPv6 and IPv4
 *   "127.0.0.1", "::1"    that one
 *   "localhost", a name   each of its addresses (the name is resolved while the caller waits)
 *   "unix:/run/app.sock"  a unix socket; a stale socket file is removed, any other file is TC_EALREADY; "unix:@name" is
 *                         Linux's abstract namespace
 *   "fd:3", "systemd"     inherited descriptors: that one, or those of LISTEN_FDS
 *
 * A socket per address: with `port` TC_ANY_PORT (or 0) the same free port on each of them. The descriptors are the
 * caller's, close-on-exec.
 *
 * @param fds room for TC_MAX_SOCKETS
 * @return how many were made, or a negative code; tc_error_detail() names the address and the reason
 */
TC_EXTERN int tc_bind_sockets(int *fds, const char *address, int port, const tc_bind_options_t *options);

/** The port of a bound socket; 0 for a unix socket, negative on failure. */
TC_EXTERN int tc_socket_port(int fd);

/** Whether `text` is a numeric IPv4 or IPv6 address, strictly as inet_pton wants it. */
TC_ANY_THREAD bool tc_is_valid_ip(const char *text);

/* ---- Names to addresses --------------------------------------------------------------------------------------- */

typedef enum { TC_ANY_FAMILY, TC_IPV4, TC_IPV6 } tc_family_t;

/** Resolves names, some of them as it was told. NULL, wherever one is asked for, resolves all as the system does. */
typedef struct tc_resolver tc_resolver_t;

TC_EXTERN int tc_resolver_new(tc_resolver_t **out) TC_MUST_CHECK;
/** At any time: what is being resolved goes on. NULL is fine. */
TC_EXTERN void tc_resolver_free(tc_resolver_t *resolver);

/**
 * Let `host` and `port` stand for others: so a test meets its own server under any name. What names a port goes before
 * what does not. Again for the same host and port it adds an address, for numeric ones, in that order.
 *
 * @param host    a name or a numeric address, in any case of letters; nothing else stands for it
 * @param port    0: every port without an override of its own
 * @param to_host a numeric address, or a name, which is looked up; that is not overridden again
 * @param to_port 0: the same
 * @return 0; TC_EEXIST: the host stands for a name already, or for addresses and now for a name; TC_ENOMEM
 */
TC_EXTERN int tc_resolver_override(tc_resolver_t *resolver, const char *host, int port, const char *to_host,
                                   int to_port) TC_MUST_CHECK;

/**
 * The addresses of a host, in the order to try them; its future's result is a tc_addresses_t. Numeric addresses and
 * "localhost", which is ::1 and 127.0.0.1, need no lookup; others wait for a thread of libuv's pool.
 *
 * Fails with TC_ENOENT if there is no such host, or it has no address of `family`; with other codes if the system could
 * not tell. When it is cancelled or dropped, a lookup that runs is finished and forgotten; tc_ioloop_free waits for it.
 */
TC_EXTERN tc_future_t *tc_resolver_resolve(tc_resolver_t *resolver, tc_ioloop_t *loop, const char *host, int port,
                                           tc_family_t family);

typedef struct tc_addresses tc_addresses_t;
TC_EXTERN size_t tc_addresses_count(const tc_addresses_t *addresses);
/** Numeric, "fe80::1%2" with its zone; NULL beyond the last. Lives as long as the list. */
TC_EXTERN const char *tc_addresses_get(const tc_addresses_t *addresses, size_t index);
TC_EXTERN int tc_addresses_port(const tc_addresses_t *addresses, size_t index);
/** Of a list that was taken from its future. NULL is fine. */
TC_EXTERN void tc_addresses_free(tc_addresses_t *addresses);

#ifdef __cplusplus
}
#endif
#endif
