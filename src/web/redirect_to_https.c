/*
 * redirect_to_https.c - requests that came in the clear are sent to https. (Tornado leaves it to its users)
 *
 * The host is the request's own, which was found well formed when the head was read, without its port; so whoever is
 * sent somewhere else has asked for that by himself. A program that wants only its own hosts has routes for them:
 * tc_application_host.
 */
#include <stdio.h>

#include "util/error_internal.h"
#include "web/request_internal.h"

enum { HTTPS_PORT = 443 };

static const char *https_url(tc_request_t *req, int port) {
    const tc__server_request_t *in = req->in;
    const tc_bytes_t host = in->host_name, path = in->target.path;
    char colon_port[16] = "";
    if (port != HTTPS_PORT)
        snprintf(colon_port, sizeof colon_port, ":%d", port);
    return tc_sprintf(req, "https://%.*s%s%.*s%s%s", (int)host.len, host.data, colon_port, (int)path.len, path.data,
                      in->target.query.data ? "?" : "", tc_query(req));
}

int tc_redirect_to_https(tc_request_t *req, int port) {
    TC_TRY(tc__request_check_open(req, "tc_redirect_to_https"));
    if (port < 0 || port > 65535)
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_redirect_to_https: %d is no port", port));
    if (req->in->is_tls)
        return 0;
    if (req->in->host_name.len == 0)
        return tc_http_error(req, 400, "without Host there is no way to https");
    const char *url = https_url(req, port ? port : HTTPS_PORT);
    return url ? tc_redirect(req, url, 308) : tc__request_keep_error(req, TC_ENOMEM);
}
