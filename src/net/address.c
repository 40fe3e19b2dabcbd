/*
 * address.c - the address of a peer: 24 bytes for a connection to keep, and its text when somebody asks.
 */
#include "net/tcpserver_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

static bool is_mapped(const uint8_t *bytes) { /* ::ffff:a.b.c.d */
    static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    return memcmp(bytes, prefix, sizeof(prefix)) == 0;
}

void tc__address_from_sockaddr(tc__address_t *out, const struct sockaddr *address) {
    memset(out, 0, sizeof(*out));
    out->family = (uint8_t)address->sa_family;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        out->port = ntohs(in->sin_port);
        memcpy(out->bytes, &in->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        out->port = ntohs(in6->sin6_port);
        memcpy(out->bytes, &in6->sin6_addr, 16);
        out->scope = in6->sin6_scope_id;
        if (is_mapped(out->bytes)) {
            out->family = AF_INET;
            out->scope = 0;
            memmove(out->bytes, out->bytes + 12, 4);
            memset(out->bytes + 4, 0, 12);
        }
    } else {
        out->family = AF_UNIX;
    }
}

socklen_t tc__address_to_sockaddr(const tc__address_t *address, struct sockaddr_storage *out) {
    memset(out, 0, sizeof(*out));
    if (address->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(address->port);
        memcpy(&in->sin_addr, address->bytes, 4);
        return sizeof(*in);
    }
    assert(address->family == AF_INET6);
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address->port);
    memcpy(&in6->sin6_addr, address->bytes, 16);
    in6->sin6_scope_id = address->scope;
    return sizeof(*in6);
}

void tc__address_format(const tc__address_t *address, char *out, size_t size) {
    assert(size > 0);
    out[0] = '\0';
    if (address->family != AF_INET && address->family != AF_INET6)
        return;
    if (!inet_ntop(address->family, address->bytes, out, (socklen_t)size)) {
        out[0] = '\0';
        return;
    }
    size_t len = strlen(out);
    if (address->scope != 0) /* which link it is on: a number, as names of interfaces come and go */
        snprintf(out + len, size - len, "%%%u", (unsigned)address->scope);
}
