/*
 * echo_server.c - a server of lines, in straight-line code: a coroutine for each connection. (Tornado's demo tcpecho)
 *
 *     examples/run echo_server [seconds]     # of patience with a client that says nothing; 60 by default
 *     examples/run echo_client hello
 */
#include <signal.h>
#include <stdlib.h>
#include <tornadoc.h>

static uint64_t patience_ms = 60000;

static void close_stream(void *stream) {
    tc_iostream_close(stream);
}

static int echo_line(tc_iostream_t *stream) {
    void *line;
    tc_future_t *read = tc_iostream_read_until_future(stream, tc_str("\n"), 65536);
    TC_TRY(tc_await(tc_with_timeout(read, patience_ms), &line));
    tc_future_t *written = tc_iostream_write_future(stream, tc_iostream_bytes(line));
    tc_iostream_bytes_free(line);
    return tc_await(tc_with_timeout(written, patience_ms), NULL);
}

static int echo(void *stream) { /* until the client has gone, or has twice said nothing for so long */
    int err = 0, lines = 0;
    bool asked = false;
    TC_TRY(tc_on_exit(close_stream, stream));
    while (err == 0) {
        err = echo_line(stream);
        if (err == 0) {
            asked = false;
            lines++;
        } else if (err == TC_ETIMEDOUT && !asked) { /* half a line may have come: it is not lost */
            asked = true;
            err = tc_iostream_write(stream, tc_str("Are you still there?\n"), NULL, NULL);
        }
    }
    tc_logf(NULL, TC_LOG_INFO, "%s port %d: %d lines, then %s", tc_iostream_peer(stream), tc_iostream_peer_port(stream),
            lines, tc_strerror(err));
    return 0;
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

int main(int argc, char **argv) {
    tc_ioloop_t *loop;
    tc_tcpserver_t *server;
    if (argc > 1)
        patience_ms = strtoull(argv[1], NULL, 10) * 1000;
    tc_set_log_level(TC_LOG_INFO);
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
