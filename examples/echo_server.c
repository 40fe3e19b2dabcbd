/*
 * echo_server.c - a server of lines, in straight-line code: a coroutine for each connection. (Tornado's demo tcpecho)
 *
 *     examples/run echo_server
 *     examples/run echo_client hello
 */
#include <signal.h>
#include <tornadoc.h>

static void close_stream(void *stream) {
    tc_iostream_close(stream);
}

static int echo(void *stream) { /* until the client has gone */
    TC_TRY(tc_on_exit(close_stream, stream));
    for (;;) {
        void *line;
        if (tc_await(tc_iostream_read_until_future(stream, tc_str("\n"), 65536), &line) < 0)
            return 0;
        tc_future_t *written = tc_iostream_write_future(stream, tc_iostream_bytes(line));
        tc_iostream_bytes_free(line);
        if (tc_await(written, NULL) < 0)
            return 0;
    }
}

static int serve(void *server) {
    tc_iostream_t *stream;
    for (;;) {
        TC_TRY(tc_await(tc_tcpserver_accept(server), &stream));
        tc_future_t *done = tc_spawn(NULL, echo, stream);
        if (!done)
            tc_iostream_close(stream);
        tc_future_unref(done);
    }
}

static void on_signal(tc_ioloop_t *loop, int signum, void *user_data) {
    (void)signum, (void)user_data;
    tc_ioloop_stop(loop);
}

int main(void) {
    tc_ioloop_t *loop;
    tc_tcpserver_t *server;
    TC_TRY(tc_ioloop_new(&loop));
    TC_TRY(tc_ioloop_set_signal_callback(loop, SIGTERM, on_signal, NULL));
    TC_TRY(tc_ioloop_set_signal_callback(loop, SIGINT, on_signal, NULL));
    TC_TRY(tc_tcpserver_new(&server, loop, NULL, NULL, NULL));
    int err = tc_tcpserver_listen(server, "localhost", 8888);
    if (err == 0)
        err = tc_run_sync(loop, serve, server, TC_FOREVER);
    if (err < 0 && err != TC_ECANCELED) /* which is how a signal ends it */
        tc_logf(NULL, TC_LOG_ERROR, "%s", tc_error_detail());
    tc_tcpserver_free(server);
    tc_ioloop_free(loop);
    return err == TC_ECANCELED ? 0 : err;
}
