/*
 * error_handler.c - routes that are answered by the page of an error, whatever is asked. (Tornado: ErrorHandler)
 *
 * It is an `admit`, so no byte of a body is read; and one that asks for no XSRF token, for nothing is done.
 */
#include "util/error_internal.h"
#include "web/request_internal.h"

enum { FIRST = 400, LAST = 599 };

static char statuses[LAST - FIRST + 1]; /* a route's argument is the place of its status */

static int answer(tc_request_t *req) {
    return FIRST + (int)((char *)tc_arg(req) - statuses);
}

int tc_router_add_error(tc_router_t *router, const char *pattern, int status) {
    const tc_request_handler_t handler = { .flags = TC_NO_XSRF, .admit = answer, .any = answer };
    if (!router)
        return tc_router_add(NULL, pattern, &handler, NULL); /* which tells */
    if (status < FIRST || status > LAST)
        return tc__application_keep_error(tc__router_application(router),
                                          tc__misuse(TC_EINVAL, "%s: the status of an error is %d to %d, not %d",
                                                     pattern ? pattern : "a route", FIRST, LAST, status));
    return tc_router_add(router, pattern, &handler, &statuses[status - FIRST]);
}

int tc_application_add_error(tc_application_t *app, const char *pattern, int status) {
    return tc_router_add_error(tc__application_router(app), pattern, status);
}
