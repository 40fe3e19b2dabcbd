/*
 * origin.c - whether the page that sent a request is one of ours. (Tornado: check_origin, as for WebSockets)
 *
 * Browsers say it by Sec-Fetch-Site, which compares what they know and no script can set; where they do not (plain
 * http, old ones), by Origin, which is compared with Host. Clients that are no browsers send neither, and forge
 * nothing: they have no cookies but their own.
 */
#include "web/origin_internal.h"

#include <tornadoc/httputil.h>

#include "util/bytes_internal.h"

static int default_port(tc_bytes_t scheme) {
    if (tc__bytes_equal_nocase(scheme, tc_str("https")))
        return 443;
    return tc__bytes_equal_nocase(scheme, tc_str("http")) ? 80 : -1;
}

bool tc__origin_is_own(const tc__server_request_t *in, tc_bytes_t origin) {
    tc_url_t url;
    tc_bytes_t host;
    int port;
    if (tc_url_parse(origin, &url) < 0 || default_port(url.scheme) < 0 || url.userinfo.data || url.path.len > 0)
        return false;
    if (tc_split_host_and_port(in->host, &host, &port) < 0)
        return false;
    int theirs = url.port < 0 ? default_port(url.scheme) : url.port, ours = port < 0 ? default_port(url.scheme) : port;
    return theirs == ours && host.len > 0 && tc__bytes_equal_nocase(host, url.host);
}

static tc_bytes_t value_of(const tc__header_t *field) {
    return tc_bytes(field->value, field->value_len);
}

bool tc__is_cross_site(const tc__server_request_t *in) {
    const tc__header_t *site = tc__headers_find(&in->headers, tc_str("Sec-Fetch-Site"), NULL);
    const tc__header_t *origin = tc__headers_first(&in->headers, TC__HEADER_ORIGIN);
    if (site)
        return !tc__bytes_equal(value_of(site), tc_str("same-origin")) &&
               !tc__bytes_equal(value_of(site), tc_str("none"));
    return origin &&
           (tc__headers_repeated(&in->headers, TC__HEADER_ORIGIN) || !tc__origin_is_own(in, value_of(origin)));
}
