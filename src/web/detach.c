/*
 * detach.c - a connection that leaves HTTP for another protocol. (Tornado: RequestHandler.detach)
 *
 * The answer is 101, or whatever the new owner of the stream writes by itself; the request is over with it. What the
 * client has sent ahead stands in the stream and is read first.
 */
#include <string.h>

#include "util/error_internal.h"
#include "web/request_internal.h"

/* RFC 9110 section 7.8: only to what the client has named, and never on HTTP/1.0. */
static bool is_asked_for(const tc_request_t *req, const char *protocol) {
    const tc__headers_t *headers = &req->in->headers;
    return req->in->http_minor > 0 && tc__headers_list_has(headers, TC__HEADER_CONNECTION, "upgrade") &&
           tc__headers_list_has(headers, TC__HEADER_UPGRADE, protocol);
}

static int hand_over(tc_request_t *req, bool with_head, tc_iostream_t **out) {
    const tc__response_head_t head = { .status = 101, .headers = &req->headers };
    TC_TRY(req->exchange->vtable->detach(req->exchange, with_head ? &head : NULL, out));
    if (with_head)
        req->status = 101;
    tc__request_set_finished(req);
    tc__request_drop_output(req);
    return 0;
}

int tc_detach_stream(tc_request_t *req, const char *protocol, tc_iostream_t **out) {
    TC_TRY(tc__request_check_open(req, "tc_detach_stream"));
    if (!out)
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_detach_stream: the place for the stream is NULL"));
    if (!req->input_complete)
        return tc__request_keep_error(
            req, tc__misuse(TC_EBUSY, "tc_detach_stream: the request is not complete; in the method it is"));
    if (protocol && !is_asked_for(req, protocol))
        return tc_http_errorf(req, 400, "an upgrade to %s is wanted", protocol);
    if (protocol)
        TC_TRY(tc_set_header(req, "Upgrade", protocol));
    tc__request_enter(req);
    int err = req->exchange ? hand_over(req, protocol != NULL, out) : TC_ECLOSED;
    tc__request_leave(req);
    return err;
}
