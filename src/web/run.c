/*
 * run.c - an application as a whole program, and an application on a server. (Tornado: Application.listen,
 * IOLoop.start)
 *
 * tc_application_run owns main: it makes a loop and a server, raises the limit of descriptors, and turns SIGINT and
 * SIGTERM into a drain, and SIGHUP, for those who ask, into a reload of certificates. Beside an https server it may run
 * a second one, for a port in the clear from which all are redirected. Whatever goes wrong before it serves is logged
 * in words, for few programs would print them.
 */
#include <string.h>
#include <sys/resource.h>

#include <signal.h>

#include <tornadoc/web.h>

#include "http/httpserver_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "web/application_internal.h"

enum { DEFAULT_PORT = 8888, DEFAULT_DRAIN_MS = 30000 };

int tc_httpserver_new(tc_httpserver_t **out, tc_ioloop_t *loop, tc_application_t *app,
                      const tc_httpserver_options_t *options) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_httpserver_new: the place for the server is NULL");
    TC_TRY(tc__application_ready(app));
    int err = tc__httpserver_new(out, loop, options, &tc__application_delegate, tc__application_ref(app),
                                 tc__application_unref);
    if (err < 0)
        tc_application_free(app);
    return err;
}

typedef struct {
    tc_ioloop_t *loop;
    tc_httpserver_t *server, *redirecting; /* NULL: none redirects */
    int https_port;
    uint64_t drain_ms;
    bool draining;
    int err;
} run_t;

static void on_drained(tc_httpserver_t *server, int err, void *user_data) {
    (void)server;
    run_t *run = user_data;
    run->err = err;
    tc_ioloop_stop(run->loop);
}

/* The first signal drains, the second cuts. */
static void on_signal(tc_ioloop_t *loop, int signum, void *user_data) {
    (void)signum;
    run_t *run = user_data;
    uint64_t drain_ms = run->draining ? 0 : run->drain_ms;
    int err = tc_httpserver_drain(run->server, drain_ms, run->draining ? NULL : on_drained, run);
    if (run->redirecting && err == 0)
        err = tc_httpserver_drain(run->redirecting, drain_ms, NULL, NULL); /* its answers are short */
    run->draining = true;
    if (err < 0)
        tc_ioloop_stop(loop);
}

/* ---- Certificates that were renewed ---- */

/* On a worker thread: it reads files. */
static int reload(void *arg, void **out) {
    (void)out;
    if (tc_tls_context_reload(arg) < 0)
        tc__log(TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "certificates stay as they were: %s", tc_error_detail());
    else
        tc__log(TC__LOG_GENERAL, TC_LOG_INFO, NULL, "certificates were read again");
    return 0;
}

static void drop_context(void *tls) {
    tc_tls_context_unref(tls);
}

static void on_sighup(tc_ioloop_t *loop, int signum, void *user_data) {
    (void)loop;
    (void)signum;
    tc_tls_context_t *tls = tc_tls_context_ref(user_data);
    tc_future_unref(tc_run_in_executor(NULL, reload, tls, drop_context)); /* a failure to begin is logged by that */
}

/* ---- The way to https ---- */

static int redirect(tc_request_t *req) {
    const int *https_port = tc_arg(req);
    return tc_redirect_to_https(req, *https_port);
}

static bool is_host(const char *address) {
    return !address ||
           (strncmp(address, "unix:", 5) != 0 && strncmp(address, "fd:", 3) != 0 && strcmp(address, "systemd") != 0);
}

static int check_redirect(const tc_run_options_t *options, const tc_tls_context_t *tls) {
    if (options->redirect_port == 0)
        return 0;
    if (!tls)
        return tc__misuse(TC_EINVAL, "tc_run_options_t: `redirect_port` leads to https, and `tls` is NULL");
    if (!is_host(options->address))
        return tc__misuse(TC_EINVAL, "tc_run_options_t: `redirect_port` is of no use with the address %s",
                          options->address);
    return 0;
}

/* In `admit`, so that no body is waited for. */
static int listen_to_redirect(run_t *run, const tc_run_options_t *options, tc_httpserver_options_t server) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_set_default(app, &(tc_request_handler_t){ .admit = redirect, .any = redirect }, &run->https_port);
    server.tls = NULL;
    server.handshake_timeout_ms = 0;
    run->https_port = tc_httpserver_port(run->server);
    int err = tc_httpserver_new(&run->redirecting, run->loop, app, &server);
    tc_application_free(app);
    return err < 0 ? err : tc_httpserver_listen(run->redirecting, options->address, options->redirect_port);
}

/* ---- Beginning and end ---- */

/* As many connections as the system allows; not being allowed to is no failure. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int check_options(const tc_run_options_t *options) {
    if (!tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_run_options_t: `reserved` must be zero");
    if (options->tls && options->server && options->server->tls && options->server->tls != options->tls)
        return tc__misuse(TC_EINVAL, "tc_run_options_t: `tls` and `server->tls` are two contexts");
    const tc_tls_context_t *tls = options->tls ? options->tls : options->server ? options->server->tls : NULL;
    if (options->reload_tls && !tls)
        return tc__misuse(TC_EINVAL, "tc_run_options_t: `reload_tls` without a context to reload");
    return check_redirect(options, tls);
}

static int catch_signals(run_t *run, const tc_run_options_t *options, tc_tls_context_t *tls) {
    if (options->no_signals)
        return 0;
    TC_TRY(tc_ioloop_set_signal_callback(run->loop, SIGINT, on_signal, run));
    TC_TRY(tc_ioloop_set_signal_callback(run->loop, SIGTERM, on_signal, run));
    return options->reload_tls ? tc_ioloop_set_signal_callback(run->loop, SIGHUP, on_sighup, tls) : 0;
}

static int prepare(run_t *run, tc_application_t *app, const tc_run_options_t *options) {
    raise_descriptor_limit();
    TC_TRY(tc_ioloop_new(&run->loop));
    tc_httpserver_options_t server = { 0 };
    if (options->server)
        server = *options->server;
    if (options->tls)
        server.tls = options->tls;
    TC_TRY(tc_httpserver_new(&run->server, run->loop, app, &server));
    /* before it listens: whoever sees that it serves may tell it to end */
    TC_TRY(catch_signals(run, options, server.tls));
    TC_TRY(tc_httpserver_listen(run->server, options->address, options->port ? options->port : DEFAULT_PORT));
    return options->redirect_port ? listen_to_redirect(run, options, server) : 0;
}

static int serve(run_t *run, const tc_run_options_t *options) {
    if (options->on_worker_start) {
        int err = options->on_worker_start(run->loop, options->arg);
        if (err != 0)
            return tc__fail(err < 0 ? err : TC_EINVAL, "on_worker_start failed: %d", err);
    }
    tc__log(TC__LOG_GENERAL, TC_LOG_INFO, NULL, "serving on port %d", tc_httpserver_port(run->server));
    if (run->redirecting)
        tc__log(TC__LOG_GENERAL, TC_LOG_INFO, NULL, "redirecting port %d to https",
                tc_httpserver_port(run->redirecting));
    int err = tc_ioloop_start(run->loop);
    if (options->on_worker_stop)
        options->on_worker_stop(run->loop, options->arg);
    return err < 0 ? err : run->err;
}

int tc_application_run(tc_application_t *app, const tc_run_options_t *options) {
    static const tc_run_options_t defaults;
    const tc_run_options_t *o = options ? options : &defaults;
    run_t run = { .drain_ms = o->drain_timeout_ms ? o->drain_timeout_ms : DEFAULT_DRAIN_MS };
    int err = check_options(o);
    if (err == 0)
        err = prepare(&run, app, o);
    tc_application_free(app); /* the server holds it */
    if (err == 0)
        err = serve(&run, o);
    if (err < 0)
        tc__log(TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "tc_application_run: %s",
                err == TC_ETIMEDOUT  ? "requests were cut at the drain's deadline"
                : *tc_error_detail() ? tc_error_detail()
                                     : tc_strerror(err));
    tc_httpserver_free(run.redirecting);
    tc_httpserver_free(run.server);
    tc_ioloop_free(run.loop);
    return err;
}
