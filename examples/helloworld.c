/*
 * helloworld.c - the smallest application: one route, one handler. (Tornado's demo of the same name)
 *
 *     examples/run helloworld
 *     curl -i localhost:8888/
 */
#include <tornadoc.h>

static int hello(tc_request_t *req) {
    return tc_write(req, "Hello, world");
}

int main(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
