/* httpserver_test.c - accepting, counting, draining, ending; many requests on one connection. Over real sockets. */
#include "async/async_test.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tornadoc/web.h>

#include "support/wire.h"

#define HOST "Host: a\r\n\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static tc_deferred_t *token;

/* ---- Memory in bytes ---- */

static size_t in_use;

static void *measuring_malloc(size_t size) {
    void *data = counting_malloc(size);
    in_use += malloc_usable_size(data);
    return data;
}

static void *measuring_calloc(size_t count, size_t size) {
    void *data = counting_calloc(count, size);
    in_use += malloc_usable_size(data);
    return data;
}

static void *measuring_realloc(void *old, size_t size) {
    size_t before = malloc_usable_size(old);
    void *data = counting_realloc(old, size);
    in_use += data ? malloc_usable_size(data) - before : 0;
    return data;
}

static void measuring_free(void *data) {
    in_use -= malloc_usable_size(data);
    counting_free(data);
}

static int measure(void **state) {
    (void)state;
    tc_set_log_callback(keep_log, NULL);
    return tc_set_allocator(&(tc_allocator_t){ measuring_malloc, measuring_calloc, measuring_realloc, measuring_free });
}

/* ---- The server ---- */

static int hello(tc_request_t *req) {
    note("hello");
    return tc_write(req, "hello");
}

static int wait_for_token(tc_request_t *req) {
    note("wait");
    token = tc_defer(req);
    return TC_DETACH;
}

static int answer_late(tc_request_t *req, void *arg) {
    (void)arg;
    return tc_write(req, "late");
}

static int client(tc_request_t *req) {
    return tc_writef(req, "<%s %s>", tc_remote_ip(req), tc_protocol(req));
}

static int number(tc_request_t *req) {
    return tc_writef(req, "<%s>", tc_path_arg(req, "n"));
}

static int a_lot(tc_request_t *req) {
    static char text[256 * 1024];
    return tc_write_bytes(req, tc_bytes(text, sizeof(text)));
}

/* An event, and more to come without an end. */
static int stream(tc_request_t *req) {
    tc_write(req, "event\n");
    tc_flush(req);
    token = tc_defer(req);
    note(tc_going_away(req) ? "stream at the end" : "stream");
    return TC_DETACH;
}

static int end_stream(tc_request_t *req, void *arg) {
    (void)arg;
    return tc_write(req, "the end\n");
}

static void end_when_going_away(tc_request_t *req) {
    note(tc_going_away(req) ? "going away" : "?");
    if (tc_deferred_post(token, end_stream, NULL) != 0)
        note("too late");
    tc_deferred_unref(token);
    token = NULL;
}

static void note_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish:%s", err == 0 ? "sent" : "cut");
}

static void serve(const tc_httpserver_options_t *options) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = hello, .on_finish = note_finish }, NULL);
    tc_application_add(app, "/wait", &(tc_request_handler_t){ .get = wait_for_token, .on_finish = note_finish }, NULL);
    tc_application_add(
        app, "/stream",
        &(tc_request_handler_t){ .get = stream, .on_finish = note_finish, .on_going_away = end_when_going_away }, NULL);
    tc_application_add(app, "/client", &(tc_request_handler_t){ .get = client }, NULL);
    tc_application_add(app, "/number/{n}", &(tc_request_handler_t){ .get = number }, NULL);
    tc_application_add(app, "/lot", &(tc_request_handler_t){ .get = a_lot }, NULL);
    assert_int_equal(tc_httpserver_new(&server, loop, app, options), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", 0), 0);
    tc_application_free(app);
}

static int make_loop(void **state) {
    alarm(600);
    int err = with_loop(state);
    loop = *state;
    return err;
}

static int end_loop(void **state) {
    tc_httpserver_free(server);
    server = NULL;
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(loop, false);
    return free_loop(state);
}

#define TEST_SERVER(test) cmocka_unit_test_setup_teardown(test, make_loop, end_loop)

static void turn(int times) {
    for (int i = 0; i < times; i++)
        tc__ioloop_turn(loop, false);
}

static void connect_client(wire_client_t *client) {
    wire_connect(client, tc_httpserver_port(server));
    wire_turn(client, loop);
}

static void ask(wire_client_t *client, const char *text) {
    wire_send(client, loop, text, strlen(text));
}

#define until_heard(client, text) wire_until((client), loop, strstr((client)->in, text))
#define until_ended(client) wire_until((client), loop, (client)->eof || (client)->reset)

static void release_token(void) {
    assert_int_equal(tc_deferred_post(token, answer_late, NULL), 0);
    tc_deferred_unref(token);
}

/* ---- Draining ---- */

static int drained, drained_err;

static void on_drained(tc_httpserver_t *it, int err, void *user_data) {
    (void)it, (void)user_data;
    drained++;
    drained_err = err;
}

static void on_drained_free(tc_httpserver_t *it, int err, void *user_data) {
    on_drained(it, err, user_data);
    tc_httpserver_free(it);
    server = NULL;
}

static void a_drain_of_an_empty_server_is_done_at_once_but_not_inside_the_call(void **state) {
    (void)state;
    serve(NULL);
    drained = 0;
    assert_int_equal(tc_httpserver_drain(server, 1000, on_drained, NULL), 0);
    assert_int_equal(drained, 0);
    turn(5);
    assert_int_equal(drained, 1);
    assert_int_equal(drained_err, 0);
    assert_int_equal(tc_httpserver_drain(NULL, 1000, on_drained, NULL), TC_EINVAL);
    assert_logged("NULL");
}

static void a_drain_closes_idle_connections_and_lets_active_ones_end(void **state) {
    wire_client_t idle, active;
    (void)state;
    serve(NULL);
    drained = 0;
    connect_client(&idle);
    ask(&idle, GET);
    until_heard(&idle, "hello");
    connect_client(&active);
    ask(&active, "GET /wait HTTP/1.1\r\n" HOST);
    assert_int_equal(tc_httpserver_connections(server), 2);
    assert_int_equal(tc_httpserver_drain(server, 60000, on_drained, NULL), 0);
    until_ended(&idle);
    assert_true(idle.eof);
    assert_int_equal(tc_httpserver_port(server), 0);
    assert_int_equal(drained, 0);
    release_token();
    until_ended(&active);
    assert_true(active.eof);
    assert_non_null(strstr(active.in, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(active.in, "\r\n\r\nlate"));
    wire_disconnect(&active); /* it might have asked for more, so its connection lingered */
    turn(5);
    assert_int_equal(drained, 1);
    assert_int_equal(drained_err, 0);
    assert_string_equal(noted(), "hello finish:sent wait finish:sent");
    wire_disconnect(&idle);
}

static void a_stream_without_an_end_is_told_of_a_drain_and_may_end(void **state) {
    wire_client_t client;
    (void)state;
    serve(NULL);
    drained = 0;
    connect_client(&client);
    ask(&client, "GET /stream HTTP/1.1\r\n" HOST);
    until_heard(&client, "event");
    tc_httpserver_drain(server, 60000, on_drained, NULL);
    tc_httpserver_drain(server, 60000, NULL, NULL); /* is no second news */
    until_ended(&client);
    assert_true(client.eof);
    assert_non_null(strstr(client.in, "the end\n\r\n0\r\n\r\n"));
    wire_disconnect(&client);
    turn(5);
    assert_int_equal(drained, 1);
    assert_int_equal(drained_err, 0);
    assert_string_equal(noted(), "stream going away finish:sent");
}

static void a_request_under_way_is_still_taken_by_a_drain(void **state) {
    wire_client_t client;
    (void)state;
    serve(NULL);
    drained = 0;
    connect_client(&client);
    ask(&client, "GET / HT");
    tc_httpserver_drain(server, 60000, on_drained, NULL);
    turn(5);
    ask(&client, "TP/1.1\r\n" HOST GET);
    until_ended(&client);
    assert_true(client.eof);
    assert_non_null(strstr(client.in, "\r\nConnection: close\r\n"));
    assert_string_equal(noted(), "hello finish:sent");
    wire_disconnect(&client); /* it had asked for more, so its connection lingered */
    turn(5);
    assert_int_equal(drained, 1);
}

static void a_drain_cuts_at_its_deadline(void **state) {
    wire_client_t client;
    (void)state;
    serve(NULL);
    drained = 0;
    connect_client(&client);
    ask(&client, "GET /wait HTTP/1.1\r\n" HOST);
    tc_httpserver_drain(server, 20, on_drained, NULL);
    until_ended(&client);
    assert_true(client.reset);
    turn(5);
    assert_int_equal(drained, 1);
    assert_int_equal(drained_err, TC_ETIMEDOUT);
    release_token();
    turn(5);
    assert_string_equal(noted(), "wait finish:cut");
    wire_disconnect(&client);
    tc_httpserver_drain(server, 20, on_drained, NULL); /* the next one cuts nothing */
    turn(5);
    assert_int_equal(drained, 2);
    assert_int_equal(drained_err, 0);
}

static void a_second_drain_brings_the_deadline_nearer_and_both_are_told(void **state) {
    wire_client_t client;
    (void)state;
    serve(NULL);
    drained = 0;
    connect_client(&client);
    ask(&client, "GET /wait HTTP/1.1\r\n" HOST);
    tc_httpserver_drain(server, TC_FOREVER, on_drained, NULL);
    tc_httpserver_drain(server, 20, on_drained, NULL);
    tc_httpserver_drain(server, 1000000, on_drained, NULL);
    until_ended(&client);
    turn(5);
    assert_int_equal(drained, 3);
    assert_int_equal(drained_err, TC_ETIMEDOUT);
    release_token();
    turn(5);
    noted();
    wire_disconnect(&client);
}

static void a_server_may_be_freed_when_it_is_drained(void **state) {
    (void)state;
    serve(NULL);
    drained = 0;
    tc_httpserver_drain(server, 1000, on_drained_free, NULL);
    turn(5);
    assert_int_equal(drained, 1);
}

static void a_server_may_be_freed_while_it_drains(void **state) {
    wire_client_t client;
    (void)state;
    serve(NULL);
    drained = 0;
    connect_client(&client);
    ask(&client, "GET /wait HTTP/1.1\r\n" HOST);
    tc_httpserver_drain(server, 60000, on_drained, NULL);
    turn(5);
    tc_httpserver_free(server);
    server = NULL;
    until_ended(&client);
    release_token();
    turn(5);
    assert_int_equal(drained, 0);
    noted();
    wire_disconnect(&client);
}

static void a_server_may_be_freed_before_its_drain_begins(void **state) {
    wire_client_t client;
    (void)state;
    serve(NULL);
    drained = 0;
    connect_client(&client);
    ask(&client, "GET /wait HTTP/1.1\r\n" HOST);
    tc_httpserver_drain(server, 60000, on_drained, NULL);
    tc_httpserver_free(server);
    server = NULL;
    until_ended(&client);
    release_token();
    turn(5);
    assert_int_equal(drained, 0);
    noted();
    wire_disconnect(&client);
}

/* ---- Counting ---- */

static void at_max_connections_accepting_pauses(void **state) {
    wire_client_t clients[6];
    (void)state;
    serve(&(tc_httpserver_options_t){ .max_connections = 2 });
    for (int i = 0; i < 6; i++)
        connect_client(&clients[i]);
    turn(10);
    assert_int_equal(tc_httpserver_connections(server), 2);
    for (int i = 0; i < 6; i++) {
        ask(&clients[i], GET); /* the later ones wait in the system's queue */
        until_heard(&clients[i], "hello");
        assert_true(tc_httpserver_connections(server) <= 2);
        wire_disconnect(&clients[i]);
        turn(10);
    }
    assert_int_equal(tc_httpserver_connections(server), 0);
    noted();
}

static void a_stopped_server_answers_those_it_has(void **state) {
    wire_client_t client;
    (void)state;
    serve(NULL);
    connect_client(&client);
    tc_httpserver_stop(server);
    tc_httpserver_stop(server);
    ask(&client, GET);
    until_heard(&client, "hello");
    ask(&client, GET);
    wire_disconnect(&client);
    turn(10);
    assert_int_equal(tc_httpserver_connections(server), 0);
    noted();
}

static void without_keep_alive_each_answer_is_the_last(void **state) {
    wire_client_t client;
    (void)state;
    serve(&(tc_httpserver_options_t){ .no_keep_alive = true });
    connect_client(&client);
    ask(&client, GET GET);
    until_ended(&client);
    assert_true(client.eof);
    assert_non_null(strstr(client.in, "\r\nConnection: close\r\n"));
    assert_string_equal(noted(), "hello finish:sent");
    wire_disconnect(&client);
}

static void a_socket_made_elsewhere_is_accepted_on(void **state) {
    wire_client_t client;
    (void)state;
    serve(NULL);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(tc_httpserver_add_socket(server, fd), 0);
    wire_connect(&client, ntohs(address.sin_port));
    ask(&client, GET);
    until_heard(&client, "hello");
    wire_disconnect(&client);
    turn(10);
    assert_int_equal(tc_httpserver_add_socket(NULL, -1), TC_EINVAL);
    assert_logged("NULL");
    noted();
}

static void options_are_checked(void **state) {
    tc_application_t *app = tc_application_new(NULL);
    tc_httpserver_t *it = NULL;
    (void)state;
    assert_int_equal(tc_httpserver_new(&it, loop, app, &(tc_httpserver_options_t){ .reserved = { 1 } }), TC_EINVAL);
    assert_logged("reserved");
    assert_int_equal(tc_httpserver_new(&it, loop, app, &(tc_httpserver_options_t){ .server_name = "a\r\nb" }),
                     TC_EINVAL);
    assert_logged("server_name");
    assert_int_equal(tc_httpserver_new(&it, loop, app, &(tc_httpserver_options_t){ .trusted_downstream = "::1" }),
                     TC_EINVAL);
    assert_logged("without xheaders or proxy_protocol");
    assert_int_equal(tc_httpserver_new(&it, loop, app, &(tc_httpserver_options_t){ .trusted_fields = 1 }), TC_EINVAL);
    assert_logged("trusted_fields means nothing without xheaders");
    assert_int_equal(
        tc_httpserver_new(&it, loop, app, &(tc_httpserver_options_t){ .xheaders = true, .trusted_fields = 32 }),
        TC_EINVAL);
    assert_logged("trusted_fields: some are not known");
    assert_null(it);
    tc_application_free(app);
    assert_int_equal(tc_httpserver_listen(NULL, NULL, 0), TC_EINVAL);
    assert_logged("NULL");
    assert_int_equal(tc_httpserver_port(NULL), 0);
    assert_int_equal(tc_httpserver_connections(NULL), 0);
    tc_httpserver_stop(NULL);
    tc_httpserver_free(NULL);
}

/* ---- Behind a proxy ---- */

#define ASK_CLIENT(fields) "GET /client HTTP/1.1\r\n" fields HOST

static void a_proxy_on_this_machine_is_believed_when_xheaders_says_so(void **state) {
    (void)state;
    wire_client_t peer;
    serve(NULL);
    connect_client(&peer);
    ask(&peer, ASK_CLIENT("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"));
    until_heard(&peer, "<127.0.0.1 http>"); /* by default nobody is */
    wire_disconnect(&peer);
    tc_httpserver_free(server);

    serve(&(tc_httpserver_options_t){ .xheaders = true });
    connect_client(&peer);
    ask(&peer, ASK_CLIENT("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"));
    until_heard(&peer, "<203.0.113.9 https>");
    ask(&peer, ASK_CLIENT("Forwarded: for=\"[2001:db8::7]:4711\";proto=http\r\n"));
    until_heard(&peer, "<2001:db8::7 http>");
    ask(&peer, ASK_CLIENT("")); /* each request for itself */
    until_heard(&peer, "<127.0.0.1 http>");
    wire_disconnect(&peer);
}

static void the_client_is_the_first_who_is_not_trusted(void **state) {
    (void)state;
    wire_client_t peer;
    serve(&(tc_httpserver_options_t){ .xheaders = true, .trusted_downstream = "127.0.0.1, 10.0.0.0/8" });
    connect_client(&peer);
    ask(&peer, ASK_CLIENT("X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.1.2.3\r\n"));
    until_heard(&peer, "<203.0.113.9 http>");
    wire_disconnect(&peer);
    tc_httpserver_free(server);

    serve(&(tc_httpserver_options_t){ .xheaders = true, .trusted_downstream = "10.0.0.0/8" });
    connect_client(&peer);
    ask(&peer, ASK_CLIENT("X-Forwarded-For: 203.0.113.9\r\n")); /* who asks is no proxy of ours */
    until_heard(&peer, "<127.0.0.1 http>");
    wire_disconnect(&peer);
}

static void proxies_that_contradict_themselves_are_not_believed(void **state) {
    (void)state;
    wire_client_t peer;
    serve(&(tc_httpserver_options_t){ .xheaders = true });
    connect_client(&peer);
    ask(&peer, ASK_CLIENT("X-Forwarded-For: 203.0.113.9\r\nX-Real-Ip: 198.51.100.1\r\n"));
    until_heard(&peer, "< http>"); /* and not the proxy's address: that is where clients would like to be from */
    assert_logged("name different clients");
    wire_disconnect(&peer);
}

static void fields_that_the_proxy_does_not_set_are_not_asked(void **state) {
    (void)state;
    wire_client_t peer;
    serve(&(tc_httpserver_options_t){ .xheaders = true,
                                      .trusted_fields = TC_TRUST_X_FORWARDED_FOR | TC_TRUST_X_FORWARDED_PROTO });
    connect_client(&peer);
    ask(&peer, ASK_CLIENT("X-Forwarded-For: 203.0.113.9\r\nX-Real-Ip: 198.51.100.1\r\nForwarded: for=198.51.100.2\r\n"
                          "X-Scheme: https\r\nX-Forwarded-Proto: http\r\n"));
    until_heard(&peer, "<203.0.113.9 http>");
    ask(&peer, ASK_CLIENT("X-Real-Ip: 198.51.100.1\r\n"));
    until_heard(&peer, "<127.0.0.1 http>");
    wire_disconnect(&peer);
}

static void a_proxy_header_says_who_connects(void **state) {
    (void)state;
    wire_client_t peer;
    serve(&(tc_httpserver_options_t){ .proxy_protocol = true });
    connect_client(&peer);
    ask(&peer, "PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n" ASK_CLIENT(""));
    until_heard(&peer, "<203.0.113.9 http>");
    wire_disconnect(&peer);

    connect_client(&peer);
    ask(&peer, "PRO"); /* in pieces, and a health check of the proxy's own */
    ask(&peer, "XY UNKNOWN\r");
    ask(&peer, "\n");
    ask(&peer, ASK_CLIENT(""));
    until_heard(&peer, "<127.0.0.1 http>");
    wire_disconnect(&peer);
    noted();
}

static void without_a_proxy_header_there_is_no_answer(void **state) {
    (void)state;
    wire_client_t peer;
    serve(&(tc_httpserver_options_t){ .proxy_protocol = true });
    connect_client(&peer);
    ask(&peer, ASK_CLIENT(""));
    until_ended(&peer);
    assert_int_equal(peer.in_len, 0);
    assert_logged("no PROXY header");
    wire_disconnect(&peer);
    tc_httpserver_free(server);

    serve(&(tc_httpserver_options_t){ .proxy_protocol = true, .trusted_downstream = "10.0.0.0/8" });
    connect_client(&peer);
    ask(&peer, "PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n" ASK_CLIENT(""));
    until_ended(&peer);
    assert_int_equal(peer.in_len, 0);
    assert_logged("not trusted");
    wire_disconnect(&peer);
}

static void memory_that_fails_behind_a_proxy_loses_a_connection_at_most(void **state) {
    (void)state;
    tc_httpserver_options_t options = { .xheaders = true, .proxy_protocol = true };
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/client", &(tc_request_handler_t){ .get = client }, NULL);
    for (long nth = 1; nth <= 40; nth++) {
        wire_client_t peer;
        fail_allocation(nth, false);
        int err = tc_httpserver_new(&server, loop, app, &options);
        if (err == 0)
            err = tc_httpserver_listen(server, "127.0.0.1", 0);
        if (err == 0) {
            connect_client(&peer);
            ask(&peer, "PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n" ASK_CLIENT(""));
            turn(5);
            wire_disconnect(&peer);
        }
        allow_allocations();
        if (err == 0) {
            connect_client(&peer);
            ask(&peer, "PROXY TCP4 203.0.113.9 10.0.0.1 4711 80\r\n" ASK_CLIENT(""));
            until_heard(&peer, "<203.0.113.9 http>");
            wire_disconnect(&peer);
        } else {
            assert_int_equal(err, TC_ENOMEM);
        }
        turn(5);
        tc_httpserver_free(server);
        server = NULL;
        turn(5);
        atomic_store(&logged.count, 0);
    }
    tc_application_free(app);
    noted();
}

static void a_new_server_in_the_place_of_an_old_one_tells_its_own_name(void **state) {
    static const char *const names[] = { "first", "second", "third" };
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        wire_client_t client;
        serve(&(tc_httpserver_options_t){ .server_name = names[i] });
        connect_client(&client);
        ask(&client, GET);
        until_heard(&client, "hello");
        assert_non_null(strstr(client.in, names[i]));
        wire_disconnect(&client);
        turn(10);
        tc_httpserver_free(server);
        server = NULL;
        turn(10);
    }
    noted();
}

/* ---- Pipelining ---- */

static void a_thousand_pipelined_requests_are_answered_in_order(void **state) {
    static char text[64 * 1024];
    wire_client_t client;
    size_t len = 0;
    (void)state;
    serve(NULL);
    connect_client(&client);
    for (int i = 0; i < 1000; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "GET /number/%d HTTP/1.1\r\n" HOST, i);
    wire_send(&client, loop, text, len);
    until_heard(&client, "<999>");
    const char *at = client.in;
    for (int i = 0; i < 1000; i++) {
        char body[32];
        snprintf(body, sizeof(body), "\r\n\r\n<%d>", i);
        at = strstr(at, "\r\n\r\n");
        assert_non_null(at);
        assert_memory_equal(at, body, strlen(body));
        at += 4;
    }
    wire_disconnect(&client);
}

static void a_client_that_pipelines_and_never_reads_costs_bounded_memory(void **state) {
    static const char request[] = "GET /lot HTTP/1.1\r\n" HOST;
    static char text[64 * (sizeof(request) - 1)];
    wire_client_t client;
    (void)state;
    serve(NULL);
    for (int i = 0; i < 64; i++)
        memcpy(text + (size_t)i * (sizeof(request) - 1), request, sizeof(request) - 1);
    connect_client(&client);
    int small = 4096;
    setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    size_t before = in_use, most = before, sent = 0;
    for (int i = 0; i < 2000; i++) { /* up to 128,000 requests, 32 GB of answers, if the server took them */
        ssize_t n = send(client.fd, text, sizeof(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        turn(2);
        size_t now = in_use;
        most = now > most ? now : most;
    }
    print_message("%zu KiB of requests sent, at most %zu KiB of memory more\n", sent / 1024, (most - before) / 1024);
    assert_true(most - before < 1024 * 1024);
    wire_disconnect(&client);
    turn(10);
    assert_int_equal(tc_httpserver_connections(server), 0);
}

/* ---- Signals ---- */

static volatile sig_atomic_t sigpipes;

static void on_sigpipe(int signum) {
    (void)signum;
    sigpipes = sigpipes + 1;
}

static void a_reset_raises_no_sigpipe(void **state) {
    (void)state;
    void (*before)(int) = signal(SIGPIPE, on_sigpipe);
    serve(NULL);
    for (int i = 0; i < 20; i++) {
        wire_client_t client;
        connect_client(&client);
        ask(&client, "GET /wait HTTP/1.1\r\n" HOST);
        wire_disconnect(&client); /* a reset; the answer is sent before or after it is noticed */
        if (i % 2)
            turn(5);
        release_token();
        turn(5);
    }
    assert_int_equal(sigpipes, 0);
    assert_ptr_equal(signal(SIGPIPE, before), on_sigpipe);
    noted();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_SERVER(a_drain_of_an_empty_server_is_done_at_once_but_not_inside_the_call),
        TEST_SERVER(a_drain_closes_idle_connections_and_lets_active_ones_end),
        TEST_SERVER(a_stream_without_an_end_is_told_of_a_drain_and_may_end),
        TEST_SERVER(a_request_under_way_is_still_taken_by_a_drain),
        TEST_SERVER(a_drain_cuts_at_its_deadline),
        TEST_SERVER(a_second_drain_brings_the_deadline_nearer_and_both_are_told),
        TEST_SERVER(a_server_may_be_freed_when_it_is_drained),
        TEST_SERVER(a_server_may_be_freed_while_it_drains),
        TEST_SERVER(a_server_may_be_freed_before_its_drain_begins),
        TEST_SERVER(at_max_connections_accepting_pauses),
        TEST_SERVER(a_stopped_server_answers_those_it_has),
        TEST_SERVER(without_keep_alive_each_answer_is_the_last),
        TEST_SERVER(a_socket_made_elsewhere_is_accepted_on),
        TEST_SERVER(options_are_checked),
        TEST_SERVER(a_proxy_on_this_machine_is_believed_when_xheaders_says_so),
        TEST_SERVER(the_client_is_the_first_who_is_not_trusted),
        TEST_SERVER(proxies_that_contradict_themselves_are_not_believed),
        TEST_SERVER(fields_that_the_proxy_does_not_set_are_not_asked),
        TEST_SERVER(a_proxy_header_says_who_connects),
        TEST_SERVER(without_a_proxy_header_there_is_no_answer),
        TEST_SERVER(memory_that_fails_behind_a_proxy_loses_a_connection_at_most),
        TEST_SERVER(a_new_server_in_the_place_of_an_old_one_tells_its_own_name),
        TEST_SERVER(a_thousand_pipelined_requests_are_answered_in_order),
        TEST_SERVER(a_client_that_pipelines_and_never_reads_costs_bounded_memory),
        TEST_SERVER(a_reset_raises_no_sigpipe),
    };
    return cmocka_run_group_tests_name("httpserver", tests, measure, NULL);
}
