/* netutil_internal.h - the system calls of sockets, in one table so that a test can make each of them fail. */
#ifndef TC_NET_NETUTIL_INTERNAL_H
#define TC_NET_NETUTIL_INTERNAL_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <uv.h>

#include <tornadoc/netutil.h>

/* As the system has them: -1 and errno. Process-wide; tests replace entries while no other thread runs. */
typedef struct {
    int (*socket)(int domain, int type, int protocol);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t len);
    int (*listen)(int fd, int backlog);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t len);
    int (*accept4)(int fd, struct sockaddr *address, socklen_t *len, int flags);
    ssize_t (*recv)(int fd, void *buffer, size_t len, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
    ssize_t (*sendfile)(int fd, int file, uint64_t offset, size_t len); /* see tc__send_file; ENOSYS: not here */
    int (*shutdown)(int fd, int how);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
    int (*getsockname)(int fd, struct sockaddr *address, socklen_t *len);
    int (*getpeername)(int fd, struct sockaddr *address, socklen_t *len);
    int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *len);
    int (*in_flight)(int fd, int *out); /* see tc__in_flight; ENOTSUP where the system does not tell */
    /* Not a system call, but it fails as they do: a negative code; else `cb` comes from the loop, later. */
    int (*getaddrinfo)(uv_loop_t *uv, uv_getaddrinfo_t *request, uv_getaddrinfo_cb cb, const char *host,
                       const char *service, const struct addrinfo *hints);
} tc__sys_t;
extern tc__sys_t tc__sys;

/* On top of it: non-blocking, close-on-exec, no SIGPIPE, EINTR retried; a negative errno on failure. */
int tc__socket(int domain); /* a stream socket */
int tc__accept(int fd, struct sockaddr *address, socklen_t *len);
ssize_t tc__recv(int fd, void *buffer, size_t len);
ssize_t tc__sendv(int fd, const struct iovec *iov, int count);
/* From a file, without a copy through this process. 0: it ends there. -ENOTSUP: not on this system, or not of that file
 * system. */
ssize_t tc__send_file(int fd, int file, uint64_t offset, size_t len);
int tc__in_flight(int fd); /* bytes that were sent and that the peer has not acknowledged */

/* Of "/run/app.sock", or "@name" in Linux's abstract namespace. 0; TC_EINVAL, TC_ENOTSUP with a detail. */
int tc__unix_address(struct sockaddr_un *out, socklen_t *len, const char *path);

int tc__set_nonblocking(int fd); /* and close-on-exec */
int tc__set_nodelay(int fd, bool on);
/* How many bytes the system takes before the network does; what it took and the peer has not acknowledged comes on top.
 * Sockets that are accepted have it from the one that listens. */
int tc__set_unsent_limit(int fd, int bytes);
int tc__socket_error(int fd); /* takes the error that the socket keeps (SO_ERROR): negative, or 0 for none */

#endif
