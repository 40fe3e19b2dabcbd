/* url_internal.h - request targets, hosts and queries (RFC 3986, RFC 9112 section 3.2). No I/O, no copies. */
#ifndef TC_HTTP_URL_INTERNAL_H
#define TC_HTTP_URL_INTERNAL_H

#include <tornadoc/util.h>

#include "util/arena_internal.h"

typedef enum {
    TC__TARGET_ORIGIN,    /* /path?query */
    TC__TARGET_ABSOLUTE,  /* http://host/path?query */
    TC__TARGET_AUTHORITY, /* host:port, for CONNECT */
    TC__TARGET_ASTERISK   /* *, for OPTIONS */
} tc__target_form_t;

typedef struct {
    tc__target_form_t form;
    tc_bytes_t scheme, authority; /* of the absolute and authority forms */
    tc_bytes_t path;              /* undecoded; "/" if an absolute form has none; without a fragment */
    tc_bytes_t query;             /* without the "?"; data NULL: there is none */
} tc__target_t;

/* 0 or TC_EINVAL; `out` is untouched then. `is_connect`: the authority form is wanted (with a port; path ""), and only
 * then allowed. Visible ASCII but "#" may stand in path and query. Whether the method may have "*" (path "*") is not
 * asked. */
int tc__target_parse(tc_bytes_t target, bool is_connect, tc__target_t *out);

/* uri-host [ ":" port ] of RFC 9110 section 7.2: a name (unreserved, percent-encoded, sub-delims but ","), an IPv4 or a
 * bracketed IPv6 address without a zone; the port digits only, at most 65535, may be empty after the colon. An empty
 * host is TC_EINVAL. No user info. *host keeps the brackets; *port is -1 without one. */
int tc__host_parse(tc_bytes_t text, tc_bytes_t *host, int *port);

/* Percent-decode in the arena; `plus`: "+" is a space. NUL behind it. data NULL: out of memory. Without anything to
 * decode and with a NUL behind it in the source it still copies: results are independent. */
tc_bytes_t tc__percent_decode(tc__arena_t *arena, tc_bytes_t text, bool plus);

/* Take the next pair of "a=1&b" off *rest, undecoded; empty ones ("&&") are skipped. false: none left. */
bool tc__query_next(tc_bytes_t *rest, tc_bytes_t *name, tc_bytes_t *value);

#endif
