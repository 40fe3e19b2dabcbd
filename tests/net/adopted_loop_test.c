/* adopted_loop_test.c - the program's own loop: callbacks of streams and servers that free ours on it. */
#include "net/net_test.h"

#include <tornadoc/interop.h>

static uv_loop_t uv;

static void free_loop(void) {
    tc_ioloop_free(loop);
    loop = NULL;
}

static void free_in_read(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    (void)err, (void)data, (void)user_data;
    if (loop)
        free_loop();
    assert_true(tc_iostream_closed(stream));
}

static void free_in_write(tc_iostream_t *stream, int err, void *user_data) {
    (void)stream, (void)err, (void)user_data;
    if (loop)
        free_loop();
}

static void free_in_accept(tc_tcpserver_t *server, tc_iostream_t *stream, const char *peer, void *user_data) {
    (void)server, (void)peer, (void)user_data;
    free_loop();
    tc_iostream_close(stream);
}

enum { IN_READ_UNTIL, IN_READ_BYTES, IN_READ_INTO, IN_READ_UNTIL_CLOSE, IN_WRITE, IN_CLOSE, PLACES };

static void start(tc_iostream_t *stream, tc_iostream_t *peer, int place) {
    static char into[2];
    int err = 0;
    switch (place) {
    case IN_READ_UNTIL:
        err = tc_iostream_read_until(stream, tc_str("\n"), 0, free_in_read, NULL);
        break;
    case IN_READ_BYTES:
        err = tc_iostream_read_bytes(stream, 2, false, free_in_read, NULL);
        break;
    case IN_READ_INTO:
        err = tc_iostream_read_into(stream, into, sizeof(into), false, free_in_read, NULL);
        break;
    case IN_READ_UNTIL_CLOSE:
        err = tc_iostream_read_until_close(stream, free_in_read, NULL);
        break;
    case IN_WRITE:
        err = tc_iostream_write(stream, tc_str("x"), free_in_write, NULL);
        break;
    case IN_CLOSE:
        tc_iostream_set_close_callback(stream, free_in_write, NULL);
    }
    assert_int_equal(err, 0);
    assert_int_equal(tc_iostream_write(peer, tc_str("a\nb\n"), NULL, NULL), 0);
    if (place == IN_READ_UNTIL_CLOSE || place == IN_CLOSE)
        assert_int_equal(tc_iostream_shutdown(peer), 0);
}

static void begin(void) {
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(tc_ioloop_from_uv(&loop, &uv), 0);
}

static void run_until_freed(void) {
    while (loop)
        uv_run(&uv, UV_RUN_ONCE);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static void the_callback_of_a_stream_may_free_the_loop(void **state) {
    (void)state;
    for (int place = 0; place < PLACES; place++) {
        for (int transport = 0; transport < TRANSPORTS; transport++) {
            tc_iostream_t *pair[2];
            begin();
            stream_pair((transport_t)transport, pair, NULL);
            start(pair[0], pair[1], place);
            run_until_freed();
            tc_iostream_close(pair[0]);
            tc_iostream_close(pair[1]);
        }
    }
}

static int connect_to(int port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void the_callback_of_a_server_may_free_the_loop(void **state) {
    (void)state;
    tc_tcpserver_t *server;
    begin();
    assert_int_equal(tc_tcpserver_new(&server, loop, NULL, free_in_accept, NULL), 0);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int clients[2];
    for (int i = 0; i < 2; i++)
        clients[i] = connect_to(tc_tcpserver_port(server));
    run_until_freed();
    tc_tcpserver_free(server);
    close(clients[0]), close(clients[1]);
}

static tc__sys_t real;

static int no_descriptor_once(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    (void)fd, (void)address, (void)len, (void)flags;
    tc__sys.accept4 = real.accept4;
    errno = EMFILE;
    return -1;
}

static void a_server_out_of_descriptors_is_something_to_wait_for(void **state) {
    (void)state;
    tc_tcpserver_t *server;
    begin();
    assert_int_equal(tc_tcpserver_new(&server, loop, NULL, free_in_accept, NULL), 0);
    assert_int_equal(tc_tcpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
    int client = connect_to(tc_tcpserver_port(server));
    real = tc__sys;
    tc__sys.accept4 = no_descriptor_once;
    tc_set_log_callback(count_line, NULL);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_null(loop); /* the client was accepted after all */
    tc_set_log_callback(NULL, NULL);
    tc_tcpserver_free(server);
    close(client);
    assert_int_equal(uv_loop_close(&uv), 0);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_callback_of_a_stream_may_free_the_loop),
        cmocka_unit_test(the_callback_of_a_server_may_free_the_loop),
        cmocka_unit_test(a_server_out_of_descriptors_is_something_to_wait_for),
    };
    alarm(TEST_SECONDS);
    return cmocka_run_group_tests_name("adopted loop", tests, NULL, NULL);
}
