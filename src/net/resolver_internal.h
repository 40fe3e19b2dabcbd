/* resolver_internal.h - what is in a list of addresses. */
#ifndef TC_NET_RESOLVER_INTERNAL_H
#define TC_NET_RESOLVER_INTERNAL_H

#include "net/tcpserver_internal.h"

struct tc_addresses {
    size_t count;
    struct {
        tc__address_t address; /* with its port */
        char text[INET6_ADDRSTRLEN + 12];
    } items[];
};

#endif
