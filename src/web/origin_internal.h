/* origin_internal.h - origins, "https://example.com:8443": whether a request's is our own. (RFC 6454) */
#ifndef TC_WEB_ORIGIN_INTERNAL_H
#define TC_WEB_ORIGIN_INTERNAL_H

#include "http/server_request_internal.h"

/* Does `origin` name the host that the request asks? Ports that go without saying are the scheme's; the scheme itself
 * is not compared, for a proxy may have taken the TLS off. */
bool tc__origin_is_own(const tc__server_request_t *in, tc_bytes_t origin);

/* May a page of another site have sent it? By Sec-Fetch-Site, which is the browser's own word, or else by Origin. */
bool tc__is_cross_site(const tc__server_request_t *in);

#endif
