/*
 * echo_client.c - says something to the echo server, and prints what comes back. (Tornado's demo tcpecho)
 *
 *     examples/run echo_server
 *     examples/run echo_client hello
 */
#include <stdio.h>
#include <tornadoc.h>

static void close_stream(void *stream) {
    tc_iostream_close(stream);
}

static int talk(void *text) {
    tc_iostream_t *stream;
    void *line;
    TC_TRY(tc_await(tc_tcpclient_connect(NULL, "localhost", 8888, NULL), &stream));
    TC_TRY(tc_on_exit(close_stream, stream));
    TC_TRY(tc_iostream_write(stream, tc_str(text), NULL, NULL)); /* queued: the read below is told if it fails */
    TC_TRY(tc_iostream_write(stream, tc_str("\n"), NULL, NULL));
    TC_TRY(tc_await(tc_iostream_read_until_future(stream, tc_str("\n"), 65536), &line));
    printf(TC_FMT, TC_ARG(tc_iostream_bytes(line)));
    tc_iostream_bytes_free(line);
    return 0;
}

int main(int argc, char **argv) {
    tc_ioloop_t *loop;
    char hello[] = "Hello, server";
    TC_TRY(tc_ioloop_new(&loop));
    int err = tc_run_sync(loop, talk, argc > 1 ? argv[1] : hello, 10000); /* ten seconds for all of it */
    if (err < 0)
        fprintf(stderr, "echo_client: %s\n", err == TC_ETIMEDOUT ? "no answer in ten seconds" : tc_error_detail());
    tc_ioloop_free(loop);
    return err;
}
