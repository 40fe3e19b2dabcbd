/* netutil_internal.h - the system calls of sockets, in one table so that a test can make each of them fail. */
#ifndef TC_NET_NETUTIL_INTERNAL_H
#define TC_NET_NETUTIL_INTERNAL_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <tornadoc/netutil.h>

/* As the system has them: -1 and errno. Process-wide; tests replace entries while no other thread runs. */
typedef struct {
    int (*socket)(int domain, int type, int protocol);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t len);
    int (*listen)(int fd, int backlog);
    int (*accept4)(int fd, struct sockaddr *address, socklen_t *len, int flags);
    ssize_t (*recv)(int fd, void *buffer, size_t len, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
    int (*shutdown)(int fd, int how);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
    int (*getsockname)(int fd, struct sockaddr *address, socklen_t *len);
    int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *len);
    int (*in_flight)(int fd, int *out); /* see tc__in_flight; ENOTSUP where the system does not tell */
} tc__sys_t;
extern tc__sys_t tc__sys;

/* On top of it: non-blocking, close-on-exec, no SIGPIPE, EINTR retried; a negative errno on failure. */
int tc__socket(int domain); /* a stream socket */
int tc__accept(int fd, struct sockaddr *address, socklen_t *len);
ssize_t tc__recv(int fd, void *buffer, size_t len);
ssize_t tc__sendv(int fd, const struct iovec *iov, int count);
int tc__in_flight(int fd); /* bytes that were sent and that the peer has not acknowledged */

int tc__set_nonblocking(int fd); /* and close-on-exec */
int tc__set_nodelay(int fd, bool on);
int tc__socket_error(int fd); /* takes the error that the socket keeps (SO_ERROR): negative, or 0 for none */

#endif
