/*
 * existing_loop.c - a program that runs a libuv loop already serves from it. (Tornado: an IOLoop on asyncio's loop)
 *
 * A timer of the program ticks while requests are answered, all on one thread: handlers may touch the program's state
 * without a lock. The first SIGTERM or Ctrl-C lets requests end, then the program ends with nothing left on its loop.
 *
 *     examples/run existing_loop
 *     curl localhost:8888/status
 */
#define _POSIX_C_SOURCE 200809L /* uv.h under -std=c11 */
#include <signal.h>
#include <stdio.h>
#include <tornadoc.h>
#include <uv.h>

typedef struct {
    uv_timer_t timer;
    uv_signal_t sigint, sigterm;
    unsigned ticks;
    tc_ioloop_t *ioloop;
    tc_httpserver_t *server;
} program_t;

static void tick(uv_timer_t *timer) {
    program_t *program = timer->data;
    printf("tick %u\n", ++program->ticks);
    fflush(stdout);
}

static int status(tc_request_t *req) {
    program_t *program = tc_arg(req);
    return tc_writef(req, "%u ticks\n", program->ticks);
}

/* ---- The server, beside everything else on the loop ---- */

static void stop_serving(tc_httpserver_t *server, int err, void *user_data) {
    program_t *program = user_data;
    if (err < 0)
        fprintf(stderr, "%s: %s\n", tc_strerror(err), tc_error_detail());
    tc_httpserver_free(server);
    tc_ioloop_free(program->ioloop);
    uv_close((uv_handle_t *)&program->timer, NULL);
}

static int start_serving(program_t *program, uv_loop_t *loop) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/status", &(tc_request_handler_t){ .get = status }, program);
    int err = tc_ioloop_from_uv(&program->ioloop, loop);
    if (err == 0)
        err = tc_httpserver_new(&program->server, program->ioloop, app, NULL);
    tc_application_free(app); /* the server holds it */
    return err < 0 ? err : tc_httpserver_listen(program->server, "localhost", 8888);
}

/* ---- The program ---- */

static void close_signals(program_t *program) {
    uv_close((uv_handle_t *)&program->sigint, NULL);
    uv_close((uv_handle_t *)&program->sigterm, NULL);
}

static void on_signal(uv_signal_t *signal, int signum) {
    program_t *program = signal->data;
    (void)signum;
    close_signals(program); /* a second one ends the program as ever */
    int err = tc_httpserver_drain(program->server, 10000, stop_serving, program);
    if (err < 0)
        stop_serving(program->server, err, program);
}

static void watch(uv_loop_t *loop, uv_signal_t *signal, int signum, program_t *program) {
    uv_signal_init(loop, signal);
    signal->data = program;
    uv_signal_start(signal, on_signal, signum);
}

int main(void) {
    uv_loop_t *loop = uv_default_loop();
    program_t program = { 0 };
    uv_timer_init(loop, &program.timer);
    program.timer.data = &program;
    uv_timer_start(&program.timer, tick, 500, 500);
    watch(loop, &program.sigint, SIGINT, &program);
    watch(loop, &program.sigterm, SIGTERM, &program);

    int err = start_serving(&program, loop);
    if (err < 0) {
        close_signals(&program);
        stop_serving(program.server, err, &program);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    int left = uv_loop_close(loop); /* 0: all handles are closed, the library's as well */
    return err < 0 ? err : left;
}
