/* tcpserver_internal.h - accepting, for the servers inside the library. */
#ifndef TC_NET_TCPSERVER_INTERNAL_H
#define TC_NET_TCPSERVER_INTERNAL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <tornadoc/tcpserver.h>

#include "net/iostream_internal.h"

/* The address of a peer, small enough for every connection to keep. */
typedef struct {
    uint8_t family; /* AF_INET, AF_INET6, AF_UNIX */
    uint16_t port;  /* host order */
    uint8_t bytes[16];
    uint32_t scope;
} tc__address_t;

void tc__address_from_sockaddr(tc__address_t *out, const struct sockaddr *address);
/* Room for any is sockaddr_storage. Returns the length. Not of AF_UNIX. */
socklen_t tc__address_to_sockaddr(const tc__address_t *address, struct sockaddr_storage *out);
/* "127.0.0.1", "fe80::1%2"; IPv4 in IPv6 as IPv4; "" for a unix socket. INET6_ADDRSTRLEN + 12 is enough. */
void tc__address_format(const tc__address_t *address, char *out, size_t size);

/* As tc_tcpserver_new, with the address in binary. `cb` takes the stream, which is neither reading nor watched. */
typedef void (*tc__accept_cb)(tc_iostream_t *stream, const tc__address_t *peer, void *user_data);
int tc__tcpserver_new(tc_tcpserver_t **out, tc_ioloop_t *loop, const tc_tcpserver_options_t *options, tc__accept_cb cb,
                      void *user_data);

/* Leave connections in the system's queue for now (connection limit), and take them again. */
void tc__tcpserver_pause(tc_tcpserver_t *server);
void tc__tcpserver_resume(tc_tcpserver_t *server);

#endif
