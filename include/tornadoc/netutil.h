/*
 * tornadoc/netutil.h - listening sockets and addresses. (Tornado: netutil)
 */
#ifndef TORNADOC_NETUTIL_H
#define TORNADOC_NETUTIL_H

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

#ifdef __cplusplus
}
#endif
#endif
