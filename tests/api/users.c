/* A group of routes behind a login, whoever asks; the end of each request is logged. */
#include <tornadoc.h>

static void *user_of_cookie(tc_request_t *req) {
    return (void *)tc_get_signed_cookie(req, "user", TC_FOREVER);
}

static int require_user(tc_request_t *req) { /* before a byte of the body is read */
    if (tc_current_user(req))
        return 0;
    return tc_http_error(req, 403, "log in first");
}

static int dashboard(tc_request_t *req) {
    return tc_writef(req, "hello %s\n", (const char *)tc_current_user(req));
}

static int import(tc_request_t *req) {
    return tc_writef(req, "%zu bytes\n", tc_body(req).len);
}

static void count(tc_request_t *req, int err) {
    tc_logf(req, TC_LOG_WARNING, "%s ended with %d", tc_route(req), err);
}

int main(void) {
    tc_application_t *app = tc_application_new(&(tc_application_options_t){
        .cookie_secret = "0123456789abcdef0123456789abcdef",
        .base = &(tc_request_handler_t){ .get_current_user = user_of_cookie, .on_finish = count },
    });
    tc_router_t *admin = tc_application_group(app, "/admin", &(tc_request_handler_t){ .admit = require_user });
    tc_router_add(admin, "/", &(tc_request_handler_t){ .get = dashboard }, NULL);
    tc_router_add(admin, "/import", &(tc_request_handler_t){ .post = import, .max_body_size = 1 << 20 }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
