/* detach_test.c - connections that leave HTTP: an echo of lines, on what the client asked for and sent ahead. */
#include <openssl/ssl.h>

#include <tornadoc/tls.h>

#include "support/wire.h"
#include "web/web_test.h"

#define ASKS "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: other, Line-Echo\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\n"

static tc_iostream_t *stream; /* the last that was detached */
static int ended, finished, result;
static bool quiet; /* the owner has not read yet */

static void read_line(tc_iostream_t *given);

static void on_line(tc_iostream_t *given, int err, tc_bytes_t line, void *user_data) {
    (void)user_data;
    ended = err;
    if (err < 0)
        return;
    tc_iostream_write(given, tc_str("> "), NULL, NULL);
    tc_iostream_write(given, line, NULL, NULL);
    read_line(given);
}

static void read_line(tc_iostream_t *given) {
    int err = tc_iostream_read_until(given, tc_str("\n"), 0, on_line, NULL);
    if (err < 0)
        ended = err;
}

static int echoes(tc_request_t *req) {
    tc_set_header(req, "X-Here", "yes");
    TC_TRY(tc_detach_stream(req, "line-echo", &stream));
    if (!quiet)
        read_line(stream);
    return 0;
}

static void counts_finish(tc_request_t *req, int err) {
    finished++;
    result = err;
    note("%d", tc_get_status(req));
}

static raw_t raw;

static void open_echo(const tc_httpserver_options_t *options) {
    stream = NULL;
    ended = finished = 0;
    quiet = false;
    route("/echo", HANDLER(.get = echoes, .post = echoes, .on_finish = counts_finish));
    raw_open(&raw, options);
}

static void close_echo(void) {
    tc_iostream_close(stream);
    stream = NULL;
    raw_close(&raw);
    noted();
}

/* What came behind the empty line. */
static const char *behind_head(const char *text) {
    const char *end = strstr(text, "\r\n\r\n");
    return end ? end + 4 : "(no head)";
}

static void the_answer_is_a_101_and_the_stream_the_handler_s(void **state) {
    (void)state;
    open_echo(NULL);
    raw_send(&raw, ASKS);
    assert_int_equal(strncmp(raw_text(&raw), SWITCHED, strlen(SWITCHED)), 0);
    assert_non_null(strstr(raw_text(&raw), "\r\nX-Here: yes\r\n"));
    assert_non_null(strstr(raw_text(&raw), "\r\nUpgrade: line-echo\r\n"));
    assert_non_null(strstr(raw_text(&raw), "\r\nConnection: Upgrade\r\n"));
    assert_null(strstr(raw_text(&raw), "Content-"));
    assert_null(strstr(raw_text(&raw), "Transfer-"));
    assert_string_equal(noted(), "101");
    assert_int_equal(finished, 1);
    assert_int_equal(result, 0);
    raw_send(&raw, "one\n");
    raw_send(&raw, "GET / HTTP/1.1\n");
    assert_string_equal(behind_head(raw_text(&raw)), "> one\n> GET / HTTP/1.1\n");
    close_echo();
}

static void what_was_sent_ahead_is_read_first(void **state) {
    (void)state;
    for (int with_body = 0; with_body < 2; with_body++) {
        app = app ? app : tc_application_new(NULL);
        open_echo(NULL);
        quiet = with_body;
        raw_send(&raw, with_body ? "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: line-echo\r\n"
                                   "Content-Length: 4\r\n\r\nbodyone\ntwo\nth"
                                 : ASKS "one\ntwo\nth");
        if (quiet)
            read_line(stream);
        raw_turn(&raw);
        raw_send(&raw, "ree\n");
        assert_string_equal(behind_head(raw_text(&raw)), "> one\n> two\n> three\n");
        close_echo();
        tc_application_free(app);
        app = NULL;
    }
}

static void a_head_that_comes_byte_by_byte_makes_no_difference(void **state) {
    (void)state;
    open_echo(NULL);
    const char *text = ASKS "one\n";
    for (size_t i = 0; text[i]; i++)
        raw_send(&raw, (char[]){ text[i], '\0' });
    assert_string_equal(behind_head(raw_text(&raw)), "> one\n");
    close_echo();
}

static void the_client_s_end_is_the_stream_s(void **state) {
    (void)state;
    open_echo(NULL);
    raw_send(&raw, ASKS "one\n");
    tc_iostream_close(raw.stream);
    raw_turn(&raw);
    assert_int_equal(ended, TC_ECLOSED);
    assert_int_equal(tc_httpserver_connections(raw.server), 0);
    close_echo();
}

static void the_owner_closes_and_the_server_counts_it_no_more(void **state) {
    (void)state;
    open_echo(NULL);
    raw_send(&raw, ASKS);
    assert_int_equal(tc_httpserver_connections(raw.server), 1);
    tc_iostream_close(stream);
    stream = NULL;
    raw_turn(&raw);
    assert_int_equal(tc_httpserver_connections(raw.server), 0);
    assert_true(raw.eof);
    close_echo();
}

static int closes_at_once(tc_request_t *req) {
    TC_TRY(tc_detach_stream(req, NULL, &stream));
    tc_iostream_close(stream);
    stream = NULL;
    return 0;
}

static void it_may_be_closed_at_once(void **state) {
    (void)state;
    route("/", HANDLER(.get = closes_at_once));
    open_echo(NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\nand more");
    assert_string_equal(raw_text(&raw), "");
    assert_true(raw.eof || !raw.stream);
    assert_int_equal(tc_httpserver_connections(raw.server), 0);
    close_echo();
}

static int answers_by_itself(tc_request_t *req) {
    TC_TRY(tc_detach_stream(req, NULL, &stream));
    return tc_iostream_write(stream, tc_str("HTTP/1.1 299 Mine\r\n\r\n"), NULL, NULL);
}

static void without_a_protocol_nothing_is_asked_and_nothing_sent(void **state) {
    (void)state;
    route("/", HANDLER(.get = answers_by_itself));
    open_echo(NULL);
    raw_send(&raw, "GET / HTTP/1.0\r\n\r\n");
    assert_string_equal(raw_text(&raw), "HTTP/1.1 299 Mine\r\n\r\n");
    close_echo();
}

static int waits(tc_request_t *req) {
    (void)req;
    return 0;
}

static int detaches_after(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    TC_TRY(tc_future_status(future));
    return echoes(req);
}

static int detaches_later(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10), detaches_after, NULL);
}

static void it_may_be_taken_later(void **state) {
    (void)state;
    route("/later", HANDLER(.get = detaches_later));
    open_echo(NULL);
    raw_send(&raw, "GET /later HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: line-echo\r\n\r\none\n");
    assert_string_equal(raw_text(&raw), "");
    tc__ioloop_advance(raw.loop, 10);
    raw_turn(&raw);
    assert_string_equal(behind_head(raw_text(&raw)), "> one\n");
    close_echo();
}

static void who_has_not_asked_gets_a_400(void **state) {
    (void)state;
    static const char *const heads[] = {
        "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: line-echo\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: line-echo/2\r\n\r\n",
        "GET /echo HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: line-echo\r\n\r\n",
    };
    open_echo(NULL);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        raw.len = 0;
        raw_send(&raw, heads[i]);
        assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 400 ", 13), 0);
        assert_non_null(strstr(raw_text(&raw), "an upgrade to line-echo is wanted"));
        assert_null(stream);
    }
    close_echo();
    forget_log();
}

static tc_iostream_t *none;

static int too_early(tc_request_t *req) {
    note("%d", tc_detach_stream(req, NULL, &none));
    return 0;
}

static int too_late(tc_request_t *req) {
    tc_write(req, "x");
    tc_flush(req);
    note("%d", tc_detach_stream(req, NULL, &none));
    tc_finish(req);
    note("%d", tc_detach_stream(req, NULL, &none));
    return 0;
}

static int nowhere(tc_request_t *req) {
    note("%d", tc_detach_stream(req, NULL, NULL));
    return 0;
}

static int twice(tc_request_t *req) {
    TC_TRY(tc_detach_stream(req, NULL, &stream));
    note("%d", tc_detach_stream(req, NULL, &none));
    note("%d", tc_write(req, "x"));
    return 500; /* nobody is there to see it */
}

static void where_it_cannot_be_taken_that_is_an_error(void **state) {
    (void)state;
    none = NULL;
    route("/early", HANDLER(.admit = too_early, .get = waits));
    route("/late", HANDLER(.get = too_late));
    route("/nowhere", HANDLER(.get = nowhere));
    route("/twice", HANDLER(.get = twice));
    open_echo(NULL);
    raw_send(&raw, "GET /early HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(atoi(noted()), TC_EBUSY);
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 500 ", 13), 0);
    assert_log("tc_detach_stream: the request is not complete; in the method it is");
    forget_log();
    raw_send(&raw, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%d %d", TC_EBUSY, TC_EALREADY);
    assert_string_equal(noted(), wanted);
    assert_log("tc_detach_stream after its headers were sent");
    forget_log();
    raw_send(&raw, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(atoi(noted()), TC_EINVAL);
    assert_log("the place for the stream is NULL");
    forget_log();
    raw_send(&raw, "GET /twice HTTP/1.1\r\nHost: a\r\n\r\n");
    snprintf(wanted, sizeof wanted, "%d %d", TC_EALREADY, TC_EALREADY);
    assert_string_equal(noted(), wanted);
    assert_null(none);
    assert_int_equal(tc_detach_stream(NULL, NULL, &none), TC_EINVAL);
    close_echo();
    forget_log();
}

/* ---- The server ---- */

static int drained;

static void on_drained(tc_httpserver_t *server, int err, void *user_data) {
    (void)server;
    (void)user_data;
    drained = err;
}

static void a_drain_waits_for_it_and_cuts_it_at_its_deadline(void **state) {
    (void)state;
    open_echo(NULL);
    drained = 1;
    raw_send(&raw, ASKS);
    assert_int_equal(tc_httpserver_drain(raw.server, 1000, on_drained, NULL), 0);
    tc__ioloop_advance(raw.loop, 999);
    raw_send(&raw, "one\n");
    assert_string_equal(behind_head(raw_text(&raw)), "> one\n");
    assert_int_equal(drained, 1);
    tc__ioloop_advance(raw.loop, 1);
    raw_turn(&raw);
    assert_int_equal(drained, TC_ETIMEDOUT);
    assert_int_equal(ended, TC_ECANCELED);
    assert_true(raw.cut);
    close_echo();
}

static void a_drain_is_over_when_its_owner_closes_it(void **state) {
    (void)state;
    open_echo(NULL);
    drained = 1;
    raw_send(&raw, ASKS);
    assert_int_equal(tc_httpserver_drain(raw.server, 1000, on_drained, NULL), 0);
    raw_turn(&raw);
    tc_iostream_close(stream);
    stream = NULL;
    raw_turn(&raw);
    assert_int_equal(drained, 0);
    close_echo();
}

static void the_server_s_end_cuts_it_and_leaves_the_owner_its_reference(void **state) {
    (void)state;
    open_echo(NULL);
    raw_send(&raw, ASKS);
    tc_httpserver_free(raw.server);
    raw.server = NULL;
    raw_turn(&raw);
    assert_int_equal(ended, TC_ECANCELED);
    assert_true(tc_iostream_closed(stream));
    assert_int_equal(tc_iostream_write(stream, tc_str("x"), NULL, NULL), TC_ECLOSED);
    close_echo();
}

static void the_loop_s_end_leaves_the_owner_its_reference(void **state) {
    (void)state;
    open_echo(NULL);
    raw_send(&raw, ASKS);
    tc_iostream_t *kept = stream;
    stream = NULL;
    close_echo();
    assert_true(tc_iostream_closed(kept));
    tc_iostream_close(kept);
}

static void it_has_no_deadlines_of_http(void **state) {
    (void)state;
    open_echo(&(tc_httpserver_options_t){ .idle_timeout_ms = 10, .header_timeout_ms = 10, .write_timeout_ms = 10 });
    raw_send(&raw, ASKS "o");
    tc__ioloop_advance(raw.loop, 100000);
    raw_send(&raw, "ne\n");
    assert_string_equal(behind_head(raw_text(&raw)), "> one\n");
    close_echo();
}

/* ---- Memory ---- */

static void each_allocation_may_fail(void **state) {
    (void)state;
    open_echo(NULL);
    raw_send(&raw, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    int switched = 0;
    for (long nth = 1; switched < 3; nth++) {
        if (!raw.stream)
            raw_connect(&raw);
        raw.len = 0;
        assert_int_equal(tc_iostream_write(raw.stream, tc_str(ASKS), NULL, NULL), 0);
        fail_allocation(nth, false);
        raw_turn(&raw);
        allow_allocations();
        raw_turn(&raw);
        switched = strncmp(raw_text(&raw), SWITCHED, strlen(SWITCHED)) == 0 ? switched + 1 : 0;
        tc_iostream_close(stream);
        stream = NULL;
        if (raw.stream)
            tc_iostream_close(raw.stream);
        raw_turn(&raw);
        assert_int_equal(tc_httpserver_connections(raw.server), 0);
        assert_true(nth < 100);
    }
    close_echo();
    forget_log();
}

/* ---- On sockets, in the clear and over TLS ---- */

static void echo_on_sockets(int version) {
    wire_client_t wire = { .fd = -1 };
    tc_tls_context_t *tls = NULL;
    tc_ioloop_t *loop;
    tc_httpserver_t *server;
    stream = NULL;
    quiet = false;
    if (version != 0)
        assert_int_equal(tc_tls_context_self_signed(&tls, "localhost"), 0);
    assert_int_equal(tc_ioloop_new(&loop), 0);
    route("/echo", HANDLER(.get = echoes));
    assert_int_equal(tc_httpserver_new(&server, loop, app, &(tc_httpserver_options_t){ .tls = tls }), 0);
    assert_int_equal(tc_httpserver_listen(server, "127.0.0.1", 0), 0);
    wire_use_tls(version);
    wire_connect(&wire, tc_httpserver_port(server));
    wire_send(&wire, loop, ASKS "one\n", strlen(ASKS "one\n"));
    wire_until(&wire, loop, wire.in_len > 0 && strstr(wire.in, "> one\n"));
    wire_send(&wire, loop, "two\n", 4);
    wire_until(&wire, loop, strstr(wire.in, "> two\n"));
    assert_string_equal(behind_head(wire.in), "> one\n> two\n");
    tc_iostream_close(stream);
    stream = NULL;
    wire_until(&wire, loop, wire.eof);
    wire_disconnect(&wire);
    wire_use_tls(0);
    tc_httpserver_free(server);
    for (int i = 0; i < 10; i++)
        tc__ioloop_turn(loop, false);
    tc_ioloop_free(loop);
    tc_tls_context_unref(tls);
}

static void it_works_on_sockets(void **state) {
    (void)state;
    echo_on_sockets(0);
}

static void it_works_over_tls(void **state) {
    (void)state;
    echo_on_sockets(TLS1_3_VERSION);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(the_answer_is_a_101_and_the_stream_the_handler_s),
        WEB_TEST(what_was_sent_ahead_is_read_first),
        WEB_TEST(a_head_that_comes_byte_by_byte_makes_no_difference),
        WEB_TEST(the_client_s_end_is_the_stream_s),
        WEB_TEST(the_owner_closes_and_the_server_counts_it_no_more),
        WEB_TEST(it_may_be_closed_at_once),
        WEB_TEST(without_a_protocol_nothing_is_asked_and_nothing_sent),
        WEB_TEST(it_may_be_taken_later),
        WEB_TEST(who_has_not_asked_gets_a_400),
        WEB_TEST(where_it_cannot_be_taken_that_is_an_error),
        WEB_TEST(a_drain_waits_for_it_and_cuts_it_at_its_deadline),
        WEB_TEST(a_drain_is_over_when_its_owner_closes_it),
        WEB_TEST(the_server_s_end_cuts_it_and_leaves_the_owner_its_reference),
        WEB_TEST(the_loop_s_end_leaves_the_owner_its_reference),
        WEB_TEST(it_has_no_deadlines_of_http),
        WEB_TEST(each_allocation_may_fail),
        WEB_TEST(it_works_on_sockets),
        WEB_TEST(it_works_over_tls),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
