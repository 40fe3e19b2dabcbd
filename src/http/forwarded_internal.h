/*
 * forwarded_internal.h - who the client is, and by which protocol it came, as proxies tell it in header fields.
 * (Tornado: xheaders, trusted_downstream)
 */
#ifndef TC_HTTP_FORWARDED_INTERNAL_H
#define TC_HTTP_FORWARDED_INTERNAL_H

#include <tornadoc/httpserver.h>

#include "http/headers_internal.h"
#include "net/cidr_internal.h"

enum { TC__TRUST_ALL = 2 * TC_TRUST_X_SCHEME - 1 };

typedef struct {
    tc__address_t address; /* the client's, as far as it is vouched for; the port is 0 where none was told. AF_UNSPEC if
                              fields named different clients */
    const char *protocol;  /* "http", "https"; NULL: not told, so the connection's own counts */
    bool disputed;         /* fields named different clients, or protocols: no such was believed */
} tc__forwarded_t;

/*
 * `fields` are those that are asked, TC_TRUST_….
 *
 * `peer` is who is at the other end: of the socket, or of the connection that a PROXY header speaks of. What it says is
 * believed if it is in `trusted`; then what the address that it names says, if that is trusted, too; and so on.
 * Nothing is allocated; linear in the length of the fields.
 */
void tc__forwarded_read(tc__forwarded_t *out, const tc__headers_t *headers, unsigned fields, const tc__address_t *peer,
                        const tc__cidrs_t *trusted);

#endif
