#include <stdlib.h>
#include <tornadoc.h>

static int hello(tc_request_t *req) {
    return tc_write(req, "Hello, world");
}

int main(int argc, char **argv) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = argc > 1 ? atoi(argv[1]) : 8888 });
}
