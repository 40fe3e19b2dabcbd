/* Hello, world, to be measured: bench_hello PORT [coroutine | routes N | tls CERTIFICATE KEY] (127.0.0.1 only; silent)
 *
 * With N routes: at /r000, /r001 and so on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tornadoc.h>

static int hello(tc_request_t *req) {
    return tc_write(req, "Hello, world");
}

static void add_routes(tc_application_t *app, int count) {
    for (int i = 0; i < count; i++) {
        char pattern[24];
        snprintf(pattern, sizeof pattern, "/r%03d", i);
        tc_application_add(app, pattern, &(tc_request_handler_t){ .get = hello }, NULL);
    }
}

int main(int argc, char **argv) {
    int port = argc >= 2 ? atoi(argv[1]) : 0;
    bool in_coroutine = argc == 3 && strcmp(argv[2], "coroutine") == 0;
    bool with_routes = argc == 4 && strcmp(argv[2], "routes") == 0;
    bool with_tls = argc == 5 && strcmp(argv[2], "tls") == 0;
    if (port <= 0 || port > 65535 || argc != 2 + in_coroutine + 2 * with_routes + 3 * with_tls) {
        fprintf(stderr, "usage: bench_hello PORT [coroutine | routes N | tls CERTIFICATE KEY]\n");
        return 2;
    }
    tc_tls_context_t *tls = NULL;
    if (with_tls && tc_tls_context_new(&tls, argv[3], argv[4]) < 0) {
        fprintf(stderr, "bench_hello: %s\n", tc_error_detail());
        return 1;
    }
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .flags = in_coroutine ? TC_COROUTINE : 0, .get = hello },
                       NULL);
    if (with_routes)
        add_routes(app, atoi(argv[3]));
    int err = tc_application_run(app, &(tc_run_options_t){ .address = "127.0.0.1", .port = port, .tls = tls });
    tc_tls_context_unref(tls);
    return err;
}
