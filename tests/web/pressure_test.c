/* pressure_test.c - a server with little room for output: who waits is woken, what is too large is not lost in silence.
 */
#include "web/web_test.h"

static const char large[100000];

static int flushed_again(tc_request_t *req, tc_future_t *drained, void *arg) {
    (void)arg;
    TC_TRY(tc_future_status(drained));
    return tc_write(req, "second");
}

/* The first piece stands in the cork while the handler runs, and is sent when it returns. */
static int waits_after_each_flush(tc_request_t *req) {
    tc_write(req, "first ");
    tc_flush(req);
    return tc_then(req, tc_drained(req), flushed_again, NULL);
}

static void whoever_waits_for_a_small_mark_is_woken(void **state) {
    (void)state;
    route("/", HANDLER(.get = waits_after_each_flush));
    serve_as(&(tc_test_client_options_t){ .server = &(tc_httpserver_options_t){ .output_mark = 1 } });
    int id = start("/", NULL);
    assert_string_equal(answered(id), "200 first second");
}

static int writes_too_much(tc_request_t *req) {
    return tc_write_borrowed(req, tc_bytes(large, sizeof(large)));
}

static int writes_too_much_behind_a_flush(tc_request_t *req) {
    tc_write(req, "first ");
    tc_flush(req);
    return tc_write_borrowed(req, tc_bytes(large, sizeof(large)));
}

static void an_answer_beyond_the_limit_is_cut_and_logged(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.get = writes_too_much));
    route("/flush", HANDLER(.get = writes_too_much_behind_a_flush));
    static const char *const requests[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                            "GET /flush HTTP/1.1\r\nHost: x\r\n\r\n" };
    for (int i = 0; i < 2; i++) {
        /* streams that a program adds have limits of their own: the server's are for those that it accepts */
        raw_open(&raw, NULL);
        tc_iostream_close(raw.stream);
        raw_turn(&raw);
        tc_iostream_t *server_end;
        tc__address_t peer = { .family = AF_INET };
        tc_iostream_options_t limits = { .max_write_buffer_size = 50000 };
        assert_int_equal(tc_iostream_pair(&raw.stream, &server_end, raw.loop, &limits), 0);
        tc__iostream_set_sink(raw.stream, &raw_sink, &raw);
        tc__iostream_resume(raw.stream);
        assert_int_equal(tc__httpserver_add_stream(raw.server, server_end, &peer), 0);
        raw_send(&raw, requests[i]);
        assert_log("the answer cannot be sent, the connection is cut: beyond a limit");
        assert_null(raw.stream);
        raw_close(&raw);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(whoever_waits_for_a_small_mark_is_woken),
        WEB_TEST(an_answer_beyond_the_limit_is_cut_and_logged),
    };
    return cmocka_run_group_tests_name("pressure", tests, watch_web, NULL);
}
