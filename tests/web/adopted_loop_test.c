/* adopted_loop_test.c - the program's own loop: handlers that free ours on it, on a real socket. */
#include "web/web_test.h"

#include <sys/socket.h>
#include <unistd.h>

#include <tornadoc/interop.h>

static struct {
    uv_loop_t uv;
    tc_ioloop_t *loop; /* NULL: freed */
    int frees_in, client;
} program;

enum { NOWHERE, IN_ADMIT, IN_PREPARE, IN_DATA, IN_METHOD, IN_THEN, IN_LEAVING, IN_FINISH, PLACES };

static int reach(int place) {
    if (place == program.frees_in) {
        tc_ioloop_free(program.loop);
        program.loop = NULL;
    }
    return 0;
}

static int admit(tc_request_t *req) {
    (void)req;
    return reach(IN_ADMIT);
}

static int prepare_request(tc_request_t *req) {
    (void)req;
    return reach(IN_PREPARE);
}

static int take_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)req, (void)chunk;
    return reach(IN_DATA);
}

static int after_sleep(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    tc_write(req, "late");
    return reach(IN_THEN);
}

static int answer(tc_request_t *req) {
    tc_write(req, "some");
    tc_flush(req);
    reach(IN_METHOD);
    tc_write(req, "more");
    return program.frees_in > IN_METHOD ? tc_then(req, tc_sleep(NULL, 10), after_sleep, NULL) : 0;
}

static void left(tc_request_t *req) {
    (void)req;
    reach(IN_LEAVING);
}

static void finished(tc_request_t *req, int err) {
    (void)req, (void)err;
    reach(IN_FINISH);
}

static void a_handler_may_free_the_loop_that_the_program_runs(void **state) {
    (void)state;
    for (program.frees_in = IN_ADMIT; program.frees_in < PLACES; program.frees_in++) {
        static const char in[] = "POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\nGET /plain HTTP/1.1\r\nHost: x\r\n\r\n";
        int pair[2];
        tc_httpserver_t *server;
        tc_iostream_t *stream;
        tc__address_t peer = { .family = AF_UNIX };
        tc_application_t *own = tc_application_new(NULL);
        tc_application_add(own, "/stream",
                           HANDLER(.body = TC_BODY_STREAM, .admit = admit, .prepare = prepare_request,
                                   .data_received = take_chunk, .post = answer, .on_connection_close = left,
                                   .on_finish = finished),
                           NULL);
        tc_application_add(own, "/plain", HANDLER(.get = answer), NULL);
        assert_int_equal(uv_loop_init(&program.uv), 0);
        assert_int_equal(tc_ioloop_from_uv(&program.loop, &program.uv), 0);
        assert_int_equal(tc_httpserver_new(&server, program.loop, own, NULL), 0);
        tc_application_free(own);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(tc_iostream_new(&stream, program.loop, pair[0], NULL), 0);
        assert_int_equal(write(pair[1], in, sizeof in - 1), sizeof in - 1);
        if (program.frees_in == IN_LEAVING)
            shutdown(pair[1], SHUT_WR);
        assert_int_equal(tc__httpserver_add_stream(server, stream, &peer), 0);
        while (program.loop)
            uv_run(&program.uv, UV_RUN_ONCE);
        tc_httpserver_free(server); /* the loop's end has closed its connections */
        uv_run(&program.uv, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&program.uv), 0);
        close(pair[1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { WEB_TEST(a_handler_may_free_the_loop_that_the_program_runs) };
    return cmocka_run_group_tests_name("adopted loop", tests, watch_web, NULL);
}
