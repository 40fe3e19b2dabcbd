/*
 * https.c - hello world by https, with a certificate made on the spot. (Tornado: HTTPServer's ssl_options)
 *
 * Nobody trusts that one, so clients must be told not to mind. With files, such as those of Let's Encrypt, it serves
 * your own certificate; when they are renewed, SIGHUP makes it read them again, and no connection is lost.
 *
 *     examples/run https                         # or: examples/run https fullchain.pem privkey.pem
 *     curl --insecure https://localhost:8888/
 */
#include <stdio.h>
#include <tornadoc.h>

static int hello(tc_request_t *req) {
    return tc_writef(req, "Hello, world, by %s\n", tc_protocol(req));
}

int main(int argc, char **argv) {
    tc_tls_context_t *tls = NULL;
    int err = argc > 1 ? tc_tls_context_new(&tls, argv[1], argc > 2 ? argv[2] : NULL)
                       : tc_tls_context_self_signed(&tls, NULL);
    if (err < 0) {
        fprintf(stderr, "%s\n", tc_error_detail()); /* "privkey.pem: no such file or directory" */
        return 1;
    }
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello }, NULL);
    err = tc_application_run(app, &(tc_run_options_t){ .port = 8888, .tls = tls, .reload_tls = true });
    tc_tls_context_unref(tls);
    return err;
}
