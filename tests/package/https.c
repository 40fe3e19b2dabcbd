#include <stdlib.h>
#include <tornadoc.h>

static int hello(tc_request_t *req) {
    const tc_tls_info_t *tls = tc_tls_info(req);
    return tc_write(req, tls && tls->version ? "Hello, world" : "not by TLS");
}

int main(int argc, char **argv) {
    tc_tls_context_t *tls;
    if (tc_tls_context_self_signed(&tls, NULL) < 0)
        return 1;
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello }, NULL);
    int err = tc_application_run(app, &(tc_run_options_t){ .port = argc > 1 ? atoi(argv[1]) : 8888, .tls = tls });
    tc_tls_context_unref(tls);
    return err;
}
