/*
 * echo_client.c - says something to the echo server, and prints what comes back. (Tornado's demo tcpecho)
 *
 *     examples/run echo_server
 *     examples/run echo_client hello
 */
#include <stdio.h>
#include <tornadoc.h>

static int talk(void *text) {
    tc_iostream_t *stream;
    void *line = NULL;
    TC_TRY(tc_await(tc_tcpclient_connect(NULL, "localhost", 8888, NULL), &stream));
    int err = tc_await(tc_iostream_write_future(stream, tc_str(text)), NULL);
    if (err == 0)
        err = tc_await(tc_iostream_write_future(stream, tc_str("\n")), NULL);
    if (err == 0)
        err = tc_await(tc_iostream_read_until_future(stream, tc_str("\n"), 65536), &line);
    if (err == 0)
        printf(TC_FMT, TC_ARG(tc_iostream_bytes(line)));
    tc_iostream_bytes_free(line);
    tc_iostream_close(stream);
    return err;
}

int main(int argc, char **argv) {
    tc_ioloop_t *loop;
    char hello[] = "Hello, server";
    TC_TRY(tc_ioloop_new(&loop));
    int err = tc_run_sync(loop, talk, argc > 1 ? argv[1] : hello, 10000);
    if (err < 0)
        fprintf(stderr, "echo_client: %s\n", tc_error_detail());
    tc_ioloop_free(loop);
    return err;
}
