/*
 * error_handler.c - routes that are answered by the page of an error, whatever is asked. (Tornado: ErrorHandler)
 *
 * It is an `admit`, so no byte of a body is read; and one that asks for no XSRF token, for nothing is done.
 */
#include <stdint.h>

#include "util/error_internal.h"
#include "web/request_internal.h"

static int answer(tc_request_t *req) {
    return (int)(intptr_t)tc_arg(req);
}

int tc_router_add_error(tc_router_t *router, const char *pattern, int status) {
    const tc_request_handler_t handler = { .flags = TC_NO_XSRF, .admit = answer, .any = answer };
    if (router && (status < 400 || status > 599))
        return tc__application_keep_error(tc__router_application(router),
                                          tc__misuse(TC_EINVAL, "%s: the status of an error is 400 to 599, not %d",
                                                     pattern ? pattern : "a route", status));
    return tc_router_add(router, pattern, &handler, (void *)(intptr_t)status);
}

int tc_application_add_error(tc_application_t *app, const char *pattern, int status) {
    return tc_router_add_error(tc__application_router(app), pattern, status);
}
