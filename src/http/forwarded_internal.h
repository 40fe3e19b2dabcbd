/*
 * forwarded_internal.h - who the client is, and by which protocol it came, as proxies tell it in header fields.
 * (Tornado: xheaders, trusted_downstream)
 */
#ifndef TC_HTTP_FORWARDED_INTERNAL_H
#define TC_HTTP_FORWARDED_INTERNAL_H

#include "http/headers_internal.h"
#include "net/cidr_internal.h"

/* Which fields are asked. Those that a proxy does not set itself it passes on, as the client wrote them: to name the
 * ones that it sets leaves a client nothing. */
enum {
    TC__FORWARDED_FORWARDED = 1, /* RFC 7239 */
    TC__FORWARDED_X_FORWARDED_FOR = 2,
    TC__FORWARDED_X_REAL_IP = 4,
    TC__FORWARDED_X_FORWARDED_PROTO = 8,
    TC__FORWARDED_X_SCHEME = 16,
    TC__FORWARDED_ALL = 31
};

typedef struct {
    tc__address_t address; /* the client's, as far as it is vouched for; the port is 0 where none was told. AF_UNSPEC if
                              fields named different clients */
    const char *protocol;  /* "http", "https"; NULL: not told, so the connection's own counts */
    bool disputed;         /* fields named different clients, or protocols: no such was believed */
} tc__forwarded_t;

/*
 * `peer` is who is at the other end: of the socket, or of the connection that a PROXY header speaks of. What it says is
 * believed if it is in `trusted`; then what the address that it names says, if that is trusted, too; and so on.
 * Nothing is allocated; linear in the length of the fields.
 */
void tc__forwarded_read(tc__forwarded_t *out, const tc__headers_t *headers, unsigned fields, const tc__address_t *peer,
                        const tc__cidrs_t *trusted);

#endif
