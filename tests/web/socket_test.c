/* socket_test.c - where it matters, over real sockets: clients that read slowly, reset, or upload while threads work.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/web_test.h"

static tc_ioloop_t *loop;
static tc_httpserver_t *server;

static int begin_sockets(void **state) {
    alarm(600);
    return tc_ioloop_new(&loop) < 0 ? -1 : begin_web(state);
}

static int end_sockets(void **state) {
    tc_httpserver_free(server);
    tc_ioloop_free(loop);
    server = NULL;
    loop = NULL;
    alarm(0);
    return end_web(state);
}

#define SOCKET_TEST(test) cmocka_unit_test_setup_teardown(test, begin_sockets, end_sockets)

static void listen_with(const tc_httpserver_options_t *options) {
    assert_int_equal(tc_httpserver_new(&server, loop, app, options), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", TC_ANY_PORT), 0);
}

static int connect_to_server(int receive_buffer) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)tc_httpserver_port(server)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int ask_for(int fd, const char *request) {
    return send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request) ? 0 : -1;
}

/* The client is a thread; the loop runs until it is done. */
static void run_with(void *(*client_thread)(void *), void *arg) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, client_thread, arg), 0);
    assert_int_equal(tc_ioloop_start(loop), 0);
    pthread_join(thread, NULL);
}

/* ---- A slow reader ---- */

enum { LINES = 800000 }; /* some 10 MB */

static size_t most_queued;
static atomic_bool is_full; /* the handler waits for its reader */

static int more(tc_request_t *req, tc_future_t *drained, void *arg) {
    int *next = tc_data(req);
    if (drained)
        TC_TRY(tc_future_status(drained));
    for (; *next < LINES; ++*next) {
        if (*next % 1000 == 999) {
            TC_TRY(tc_flush(req));
            size_t queued = req->exchange->vtable->queued(req->exchange);
            most_queued = queued > most_queued ? queued : most_queued;
            if (!tc_writable(req)) {
                ++*next;
                atomic_store(&is_full, true);
                return tc_then(req, tc_drained(req), more, arg);
            }
        }
        TC_TRY(tc_writef(req, "line %07d\n", *next));
    }
    return 0;
}

static int downloads(tc_request_t *req) {
    return more(req, NULL, NULL);
}

static atomic_bool has_ended;

static void on_end(tc_request_t *req, int err) {
    (void)req;
    atomic_store(&has_ended, true);
    note("finish(%s)", err == TC_ECLOSED ? "closed" : err ? tc_strerror(err) : "0");
}

static size_t received;

static void wait_for(const atomic_bool *flag) {
    while (!atomic_load(flag))
        usleep(1000);
}

static void *read_slowly(void *arg) {
    (void)arg;
    static char buffer[65536];
    int fd = connect_to_server(4096);
    ssize_t n = ask_for(fd, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") < 0 ? -1 : 0;
    wait_for(&is_full);
    while (n >= 0 && (n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
        received += (size_t)n;
    close(fd);
    tc_ioloop_add_callback(loop, stop_loop, loop);
    return NULL;
}

static void ten_megabytes_reach_a_slow_reader_in_bounded_memory(void **state) {
    (void)state;
    route("/", HANDLER(.get = downloads, .data_size = sizeof(int), .on_finish = on_end));
    listen_with(&(tc_httpserver_options_t){ .output_mark = 100000 });
    received = most_queued = 0;
    atomic_store(&is_full, false);
    run_with(read_slowly, NULL);
    assert_true(received > 10000000);
    assert_true(most_queued > 100000 && most_queued < 200000);
    assert_string_equal(noted(), "finish(0)");
}

static void *resets(void *arg) {
    (void)arg;
    char buffer[1000];
    int fd = connect_to_server(4096);
    if (ask_for(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") == 0 && recv(fd, buffer, sizeof(buffer), 0) > 0)
        received++;
    wait_for(&is_full);
    struct linger none = { 1, 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(fd);
    wait_for(&has_ended);
    tc_ioloop_add_callback(loop, stop_loop, loop);
    return NULL;
}

static void a_reset_ends_a_download_and_raises_no_signal(void **state) {
    (void)state;
    route("/", HANDLER(.get = downloads, .data_size = sizeof(int), .on_finish = on_end));
    listen_with(&(tc_httpserver_options_t){ .output_mark = 100000 });
    received = 0;
    atomic_store(&is_full, false);
    atomic_store(&has_ended, false);
    run_with(resets, NULL);
    assert_int_equal(received, 1);
    assert_string_equal(noted(), "finish(closed)");
}

/* ---- An upload, stored by threads ---- */

enum { UPLOAD = 20 * 1024 * 1024 };

typedef struct {
    tc_bytes_t chunk;
    size_t total;
    unsigned char sum;
} upload_t;

static int store(void *arg, void **out) { /* on a worker thread */
    upload_t *upload = arg;
    *out = NULL;
    for (size_t i = 0; i < upload->chunk.len; i++)
        upload->sum ^= (unsigned char)upload->chunk.data[i];
    upload->total += upload->chunk.len;
    return 0;
}

static int store_chunk(tc_request_t *req, tc_bytes_t chunk) {
    upload_t *upload = tc_data(req);
    upload->chunk = chunk;
    return tc_then(req, tc_run_in_executor(NULL, store, upload, NULL), NULL, NULL);
}

static int says_stored(tc_request_t *req) {
    upload_t *upload = tc_data(req);
    return tc_writef(req, "%zu %u", upload->total, upload->sum);
}

static char upload_answer[1000];

static void *uploads(void *arg) {
    unsigned char *sum = arg;
    static char piece[100000];
    char head[100];
    int fd = connect_to_server(0);
    snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", UPLOAD);
    bool ok = ask_for(fd, head) == 0;
    for (size_t sent = 0; ok && sent < UPLOAD;) {
        size_t len = UPLOAD - sent < sizeof(piece) ? UPLOAD - sent : sizeof(piece);
        for (size_t i = 0; i < len; i++)
            piece[i] = (char)((sent + i) * 31 >> 3);
        ssize_t n = send(fd, piece, len, MSG_NOSIGNAL);
        ok = n > 0;
        for (ssize_t i = 0; i < n; i++)
            *sum ^= (unsigned char)piece[i];
        sent += ok ? (size_t)n : 0;
    }
    size_t len = 0;
    for (ssize_t n; ok && !strstr(upload_answer, "\r\n\r\n2") && len < sizeof(upload_answer) - 1; len += (size_t)n)
        if ((n = recv(fd, upload_answer + len, sizeof(upload_answer) - 1 - len, 0)) <= 0)
            break;
    close(fd);
    tc_ioloop_add_callback(loop, stop_loop, loop);
    return NULL;
}

static void a_large_upload_is_stored_by_threads(void **state) {
    (void)state;
    unsigned char sum = 0;
    char wanted[64];
    route("/", HANDLER(.put = says_stored, .body = TC_BODY_STREAM, .data_received = store_chunk,
                       .data_size = sizeof(upload_t), .max_body_size = TC_UNLIMITED));
    listen_with(NULL);
    run_with(uploads, &sum);
    snprintf(wanted, sizeof(wanted), "\r\n\r\n%d %u", UPLOAD, sum);
    assert_non_null(strstr(upload_answer, wanted));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(ten_megabytes_reach_a_slow_reader_in_bounded_memory),
        SOCKET_TEST(a_reset_ends_a_download_and_raises_no_signal),
        SOCKET_TEST(a_large_upload_is_stored_by_threads),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
