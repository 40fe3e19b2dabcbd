/*
 * tls_server.c - what tests/scripts/tls_test asks: an https server on port 8888, with http on port 8080 that leads
 * there.
 *
 *     tls_server CERT KEY [CA optional|required [HOST CERT KEY]...]
 *
 * With CA "-" nobody is asked for a certificate.
 */
#include <stdio.h>
#include <string.h>
#include <tornadoc.h>

static int hello(tc_request_t *req) {
    return tc_writef(req, "Hello by %s\n", tc_protocol(req));
}

static int tell_tls(tc_request_t *req) {
    const tc_tls_info_t *tls = tc_tls_info(req);
    return tc_writef(req, "%s %s %s\n", tls->version, tls->server_name ? tls->server_name : "-",
                     tls->session_reused ? "again" : "anew");
}

static int who(tc_request_t *req) {
    const tc_peer_certificate_t *client = tc_client_certificate(req);
    return tc_writef(req, "%s\n", client ? client->subject : "nobody");
}

static int fail(tc_tls_context_t *tls) {
    fprintf(stderr, "%s\n", tc_error_detail());
    tc_tls_context_unref(tls);
    return 1;
}

int main(int argc, char **argv) {
    tc_tls_context_t *tls = NULL;
    tc_tls_options_t options = { .allow_expired = true };
    if (argc > 2)
        options.certificate = (tc_tls_certificate_t){ .cert_file = argv[1], .key_file = argv[2] };
    if (argc > 4 && strcmp(argv[3], "-") != 0) {
        options.ca_file = argv[3];
        options.client_cert = strcmp(argv[4], "required") == 0 ? TC_TLS_CLIENT_CERT_REQUIRED
                                                               : TC_TLS_CLIENT_CERT_OPTIONAL;
    }
    if (tc_tls_context_new_server(&tls, &options) < 0)
        return fail(tls);
    for (int i = 5; i + 2 < argc; i += 3) {
        tc_tls_certificate_t certificate = { .cert_file = argv[i + 1], .key_file = argv[i + 2] };
        if (tc_tls_context_add(tls, argv[i], &certificate) < 0)
            return fail(tls);
    }
    tc_application_t *app = tc_application_new(
        &(tc_application_options_t){ .strict_transport_security = "max-age=63072000" });
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello }, NULL);
    tc_application_add(app, "/tls", &(tc_request_handler_t){ .get = tell_tls }, NULL);
    tc_application_add(app, "/who", &(tc_request_handler_t){ .get = who }, NULL);
    int err = tc_application_run(
        app, &(tc_run_options_t){ .port = 8888, .tls = tls, .reload_tls = true, .redirect_port = 8080 });
    tc_tls_context_unref(tls);
    return err;
}
