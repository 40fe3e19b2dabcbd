/* Hello, world, to be measured: bench_hello PORT (127.0.0.1 only; silent) */
#include <stdio.h>
#include <stdlib.h>
#include <tornadoc.h>

static int hello(tc_request_t *req) {
    return tc_write(req, "Hello, world");
}

int main(int argc, char **argv) {
    int port = argc == 2 ? atoi(argv[1]) : 0;
    if (port <= 0 || port > 65535) {
        fprintf(stderr, "usage: bench_hello PORT\n");
        return 2;
    }
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .address = "127.0.0.1", .port = port });
}
