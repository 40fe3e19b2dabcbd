/* sse_test.c - server-sent events: their text, slow and leaving clients, drains, and the same events for many. */
#include <tornadoc/sse.h>

#include "testing/test_client_internal.h"
#include "web/web_test.h"

#define EVENT(...) (&(tc_sse_event_t){ __VA_ARGS__ })
#define SAYS(text) EVENT(.data = tc_str(text))

static tc_sse_options_t options; /* of the streams that `listens` begins */
static tc_sse_t *streams[8];     /* referenced, in the order of their beginnings */
static int stream_count;
static tc_sse_group_t *group;
static char long_text[4001]; /* "xxx…" */

static int listens(tc_request_t *req) {
    tc_sse_t *sse;
    TC_TRY(tc_sse_begin(&sse, req, &options));
    streams[stream_count++] = tc_sse_ref(sse);
    if (group)
        TC_TRY(tc_sse_group_add(group, sse));
    return tc_then(req, tc_sse_ended(sse), NULL, NULL);
}

static void notes_close(tc_request_t *req) {
    (void)req;
    note("left");
}

static void notes_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish:%d", err);
}

static int begin_sse(void **state) {
    memset(long_text, 'x', sizeof long_text - 1);
    options = (tc_sse_options_t){ .keep_alive_ms = TC_FOREVER };
    int err = begin_web(state);
    route("/", HANDLER(.get = listens, .on_connection_close = notes_close, .on_finish = notes_finish));
    return err;
}

static void forget_streams(void) {
    while (stream_count > 0)
        tc_sse_unref(streams[--stream_count]);
    tc_sse_group_free(group);
    group = NULL;
}

static int end_sse(void **state) {
    forget_streams();
    return end_web(state);
}

#define SSE_TEST(test) cmocka_unit_test_setup_teardown(test, begin_sse, end_sse)

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

/* What came so far of the answer to that request. */
static const char *heard(int id) {
    return tc_http_response_body(tc_test_client_partial(client, id)).data;
}

static bool complete(int id) {
    return tc_test_client_response(client, id) != NULL;
}

static void pass(uint64_t ms) {
    tc_test_client_advance(client, ms);
}

static void leave(int id) {
    tc_test_client_disconnect(client, id);
}

static void drain(void) {
    assert_int_equal(tc_httpserver_drain(client->server, 10000, NULL, NULL), 0);
    pass(0);
}

static int listens_at_once(const tc_fetch_options_t *how) {
    int id = start("/", how);
    assert_int_equal(stream_count, 1);
    return id;
}

/* By a client of bytes, for what no other would do. */
static void listen_raw(raw_t *raw) {
    raw_open(raw, NULL);
    raw_send(raw, GET);
    assert_int_equal(stream_count, 1);
}

/* ---- What is sent ---- */

static void the_head_says_what_it_is_and_that_nobody_should_keep_it(void **state) {
    (void)state;
    int id = listens_at_once(NULL);
    const tc_http_response_t *response = tc_test_client_partial(client, id);
    assert_int_equal(tc_http_response_status(response), 200);
    assert_string_equal(tc_http_response_header(response, "Content-Type"), "text/event-stream");
    assert_string_equal(tc_http_response_header(response, "Cache-Control"), "no-store");
    assert_string_equal(tc_http_response_header(response, "X-Accel-Buffering"), "no");
    assert_string_equal(heard(id), "");
    leave(id);
}

static int keeps_its_header(tc_request_t *req) {
    tc_sse_t *sse;
    tc_set_header(req, "Cache-Control", "no-transform");
    TC_TRY(tc_sse_begin(&sse, req, &(tc_sse_options_t){ .retry_ms = 2500 }));
    return tc_sse_send(sse, SAYS("one"));
}

static void a_handler_may_set_cache_control_itself_and_end_by_its_return(void **state) {
    (void)state;
    route("/own", HANDLER(.get = keeps_its_header));
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/own", NULL);
    assert_string_equal(tc_http_response_header(response, "Cache-Control"), "no-transform");
    assert_string_equal(tc_http_response_body(response).data, "retry: 2500\n\ndata: one\n\n");
}

static const struct {
    const char *why, *text;
    tc_sse_event_t event;
} texts[] = {
    { "data alone", "data: hello\n\n", { .data = { "hello", 5 } } },
    { "all there is",
      "event: tick\nid: 7\nretry: 100\ndata: x\n\n",
      { .type = "tick", .id = "7", .retry_ms = 100, .data = { "x", 1 } } },
    { "a line each", "data: a\ndata: b\ndata: c\ndata: d\n\n", { .data = { "a\nb\rc\r\nd", 8 } } },
    { "empty lines stay", "data: \ndata: \ndata: a\ndata: \n\n", { .data = { "\n\r\na\n", 5 } } },
    { "CR at the end", "data: a\ndata: \n\n", { .data = { "a\r", 2 } } },
    { "an empty text is a text", "data: \n\n", { .data = { "", 0 } } },
    { "its own first space stays", "data:  a\n\n", { .data = { " a", 2 } } },
    { "an id to forget", "id: \n\n", { .id = "" } },
    { "nothing", "\n", { .type = NULL } },
    { "fields in foreign data",
      "data: x\ndata: \ndata: event: evil\ndata: data: y\n\n",
      { .data = { "x\n\nevent: evil\r\ndata: y", 23 } } },
};

static void an_event_has_a_field_for_each_line(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        int id = listens_at_once(NULL);
        assert_int_equal(tc_sse_send(streams[0], &texts[i].event), 0);
        pass(0);
        if (strcmp(heard(id), texts[i].text) != 0)
            fail_msg("%s: \"%s\"", texts[i].why, heard(id));
        leave(id);
        tc_sse_unref(streams[--stream_count]);
    }
}

static void type_and_id_of_several_lines_are_refused_and_the_stream_goes_on(void **state) {
    (void)state;
    int id = listens_at_once(NULL);
    static const char *const evil[] = { "a\ndata: x", "a\rdata: x", "\n", "\r", "a\n" };
    for (size_t i = 0; i < COUNT(evil); i++) {
        assert_int_equal(tc_sse_send(streams[0], EVENT(.type = evil[i])), TC_EINVAL);
        assert_int_equal(tc_sse_send(streams[0], EVENT(.id = evil[i])), TC_EINVAL);
    }
    assert_int_equal(tc_sse_send(streams[0], EVENT(.retry_ms = (uint64_t)1 << 31)), TC_EINVAL);
    assert_int_equal(tc_sse_send(streams[0], EVENT(.data = { "", SIZE_MAX / 8 })), TC_ETOOBIG);
    assert_int_equal(tc_sse_send(streams[0], SAYS("fine")), 0);
    pass(0);
    assert_string_equal(heard(id), "data: fine\n\n");
    leave(id);
}

static void a_nul_in_data_is_a_byte_like_others(void **state) {
    (void)state;
    int id = listens_at_once(NULL);
    assert_int_equal(tc_sse_send(streams[0], EVENT(.data = { "a\0b", 3 })), 0);
    pass(0);
    assert_int_equal(tc_http_response_body(tc_test_client_partial(client, id)).len, 11);
    assert_memory_equal(heard(id), "data: a\0b\n\n", 11);
    leave(id);
}

static void clients_of_http_1_0_read_until_the_connection_ends(void **state) {
    (void)state;
    raw_t raw;
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.0\r\n\r\n");
    tc_sse_send(streams[0], SAYS("old"));
    tc_sse_end(streams[0]);
    raw_turn(&raw);
    assert_non_null(strstr(raw_text(&raw), "\r\n\r\ndata: old\n\n"));
    assert_true(raw.eof);
    raw_close(&raw);
}

/* ---- Keeping alive ---- */

static void a_comment_comes_after_each_interval_without_an_event(void **state) {
    (void)state;
    options.keep_alive_ms = 1000;
    int id = listens_at_once(NULL);
    pass(990);
    assert_string_equal(heard(id), "");
    pass(20);
    assert_string_equal(heard(id), ":\n\n");
    pass(500);
    tc_sse_send(streams[0], SAYS("x"));
    pass(900);
    assert_string_equal(heard(id), ":\n\ndata: x\n\n");
    pass(200);
    assert_string_equal(heard(id), ":\n\ndata: x\n\n:\n\n");
    pass(3000);
    assert_string_equal(heard(id), ":\n\ndata: x\n\n:\n\n:\n\n:\n\n:\n\n");
    leave(id);
}

static void without_options_it_is_15_seconds(void **state) {
    (void)state;
    options = (tc_sse_options_t){ 0 };
    int id = listens_at_once(NULL);
    pass(14900);
    assert_string_equal(heard(id), "");
    pass(200);
    assert_string_equal(heard(id), ":\n\n");
    leave(id);
}

static void no_comment_comes_after_the_end(void **state) {
    (void)state;
    options.keep_alive_ms = 1000;
    int id = listens_at_once(NULL);
    tc_sse_end(streams[0]);
    pass(0);
    assert_true(complete(id));
    pass(10000);
    assert_string_equal(heard(id), "");
    leave(id);
}

/* ---- Where the client was ---- */

static int shows_last(tc_request_t *req) {
    return tc_writef(req, "<%s>", tc_sse_last_event_id(req));
}

static void the_last_event_id_is_the_clients(void **state) {
    (void)state;
    route("/last", HANDLER(.get = shows_last));
    assert_ask("/last", "200 <>");
    assert_string_equal(ask_with("/last", FETCH(.headers = HEADERS("Last-Event-ID", "7"))), "200 <7>");
}

/* ---- Slow clients ---- */

static const tc_httpserver_options_t with_small_mark = { .output_mark = 5000, .write_timeout_ms = TC_FOREVER };
static const tc_test_client_options_t small_mark = { .server = &with_small_mark };
#define TAKES_NOTHING FETCH(.receive_window = 1)

static void a_client_that_takes_nothing_is_cut_and_costs_a_bounded_amount(void **state) {
    (void)state;
    serve_as(&small_mark);
    int id = listens_at_once(TAKES_NOTHING);
    int sent = 0;
    while (sent < 10000 && tc_sse_send(streams[0], SAYS(long_text)) == 0) {
        sent++;
        pass(0);
    }
    assert_in_range(sent, 2, 1000);
    assert_int_equal(tc_sse_send(streams[0], SAYS("an event")), TC_ECLOSED);
    assert_null(tc_sse_request(streams[0]));
    pass(0);
    assert_string_equal(noted(), "finish:-1025");
    leave(id);
}

static void it_is_named_in_the_log(void **state) {
    (void)state;
    tc_set_log_level(TC_LOG_INFO);
    serve_as(&small_mark);
    int id = listens_at_once(TAKES_NOTHING);
    while (tc_sse_send(streams[0], SAYS(long_text)) == 0)
        pass(0);
    assert_log(
        "I application: GET / (127.0.0.1): the stream of events is cut: its client does not take what it is sent");
    leave(id);
    assert_log("I access: 200 GET /");
    tc_set_log_level(TC_LOG_WARNING);
}

static int notes_drained(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)req;
    (void)arg;
    note("drained:%d", tc_future_status(future));
    return TC_DETACH;
}

static void who_waits_for_slow_clients_is_told_and_loses_nothing_that_was_taken(void **state) {
    (void)state;
    options.wait_for_slow = true;
    options.keep_alive_ms = 1000;
    serve_as(&small_mark);
    int id = listens_at_once(TAKES_NOTHING);
    int err = 0, sent = 0;
    while (sent < 10000 && (err = tc_sse_send(streams[0], SAYS(long_text))) == 0) {
        sent++;
        pass(0);
    }
    assert_int_equal(err, TC_EAGAIN);
    pass(5000); /* no comments either */
    assert_int_equal(tc_sse_send(streams[0], SAYS("y")), TC_EAGAIN);
    tc_request_t *req = tc_sse_request(streams[0]);
    assert_int_equal(tc_then(req, tc_drained(req), notes_drained, NULL), TC_DETACH);
    tc_test_client_receive(client, id, TC_UNLIMITED);
    assert_string_equal(noted(), "drained:0");
    assert_int_equal(tc_sse_send(streams[0], SAYS("z")), 0);
    tc_sse_end(streams[0]);
    pass(0);
    const char *text = heard(id);
    int count = 0;
    for (const char *at = text; (at = strstr(at, "data: xxx")); at++)
        count++;
    assert_int_equal(count, sent);
    assert_null(strstr(text, "data: y"));
    assert_non_null(strstr(text, "data: z\n\n"));
    assert_true(complete(id));
    leave(id);
    noted();
}

/* ---- The end ---- */

static void notes_ended(tc_future_t *future, void *user_data) {
    (void)user_data;
    note("ended:%d", tc_future_status(future));
}

static void a_client_that_leaves_ends_its_stream(void **state) {
    (void)state;
    int id = start("/", NULL);
    tc_future_t *ended = tc_sse_ended(streams[0]);
    assert_int_equal(tc_future_on_done(ended, notes_ended, NULL), 0);
    tc_future_unref(ended);
    tc_test_client_advance(client, 0);
    assert_string_equal(noted(), "");
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), "left finish:0 ended:0");
    assert_null(tc_sse_request(streams[0]));
    assert_int_equal(tc_sse_send(streams[0], SAYS("x")), TC_ECLOSED);
    tc_sse_end(streams[0]);
}

static void a_stream_that_died_is_safe_after_its_loop_too(void **state) {
    (void)state;
    raw_t raw;
    listen_raw(&raw);
    group = tc_sse_group_new();
    assert_int_equal(tc_sse_group_add(group, streams[0]), 0);
    raw_close(&raw);
    assert_string_equal(noted(), "left finish:-1025");
    assert_int_equal(tc_sse_send(streams[0], SAYS("x")), TC_ECLOSED);
    assert_int_equal(tc_sse_group_count(group), 0);
    assert_int_equal(tc_sse_group_add(group, streams[0]), TC_ECLOSED);
    tc_sse_end(streams[0]);
    assert_null(tc_sse_request(streams[0]));
    tc_future_t *ended = tc_sse_ended(streams[0]);
    assert_int_equal(tc_future_status(ended), 0);
    tc_future_unref(ended);
}

static void a_client_that_has_ended_its_side_has_left(void **state) {
    (void)state;
    raw_t raw;
    listen_raw(&raw);
    tc_sse_send(streams[0], SAYS("x"));
    assert_int_equal(tc_iostream_shutdown(raw.stream), 0);
    raw_turn(&raw);
    assert_int_equal(tc_sse_send(streams[0], SAYS("y")), TC_ECLOSED);
    assert_non_null(strstr(raw_text(&raw), "data: x\n\n"));
    assert_non_null(strstr(noted(), "left"));
    raw_close(&raw);
}

static void a_client_that_resets_ends_its_stream(void **state) {
    (void)state;
    raw_t raw;
    listen_raw(&raw);
    tc__iostream_abort(raw.stream);
    raw_turn(&raw);
    assert_string_equal(noted(), "left finish:-1025");
    assert_int_equal(tc_sse_send(streams[0], SAYS("x")), TC_ECLOSED);
    raw_close(&raw);
}

static void an_event_beyond_what_may_be_queued_cuts_its_client(void **state) {
    (void)state;
    raw_t raw;
    raw_open(&raw, NULL);
    tc_iostream_close(raw.stream);
    raw_turn(&raw);
    tc_iostream_t *server_end;
    tc__address_t peer = { .family = AF_INET };
    assert_int_equal(
        tc_iostream_pair(&raw.stream, &server_end, raw.loop, &(tc_iostream_options_t){ .max_write_buffer_size = 2000 }),
        0);
    tc__iostream_set_sink(raw.stream, &raw_sink, &raw);
    tc__iostream_resume(raw.stream);
    assert_int_equal(tc__httpserver_add_stream(raw.server, server_end, &peer), 0);
    raw_send(&raw, GET);
    assert_int_equal(tc_sse_send(streams[0], SAYS(long_text)), TC_ETOOBIG);
    assert_log("the stream of events is cut: beyond a limit");
    assert_int_equal(tc_sse_send(streams[0], SAYS("x")), TC_ECLOSED);
    raw_turn(&raw);
    raw_close(&raw);
}

static void a_drain_ends_streams_wholly(void **state) {
    (void)state;
    int id = listens_at_once(NULL);
    tc_sse_send(streams[0], SAYS("x"));
    drain();
    assert_string_equal(heard(id), "data: x\n\n");
    assert_true(complete(id));
    assert_string_equal(noted(), "finish:0");
    assert_int_equal(tc_sse_send(streams[0], SAYS("y")), TC_ECLOSED);
    leave(id);
}

static void says_goodbye(tc_request_t *req) {
    (void)req;
    tc_sse_send(streams[0], SAYS("bye"));
}

static void on_going_away_may_send_a_last_event(void **state) {
    (void)state;
    route("/bye", HANDLER(.get = listens, .on_going_away = says_goodbye));
    int id = start("/bye", NULL);
    drain();
    assert_string_equal(heard(id), "data: bye\n\n");
    assert_true(complete(id));
    leave(id);
}

static void a_stream_that_begins_while_the_server_drains_ends_at_once(void **state) {
    (void)state;
    raw_t raw;
    raw_open(&raw, NULL);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost:");
    assert_int_equal(tc_httpserver_drain(raw.server, 10000, NULL, NULL), 0);
    raw_send(&raw, " x\r\n\r\n");
    assert_int_equal(stream_count, 1);
    assert_non_null(strstr(raw_text(&raw), "\r\n0\r\n\r\n"));
    assert_null(tc_sse_request(streams[0]));
    raw_close(&raw);
}

static void head_has_the_head_alone(void **state) {
    (void)state;
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", FETCH(.method = "HEAD"));
    assert_string_equal(tc_http_response_header(response, "Content-Type"), "text/event-stream");
    assert_int_equal(tc_sse_send(streams[0], SAYS("x")), TC_ECLOSED);
}

static void the_handlers_timeout_cuts(void **state) {
    (void)state;
    route("/minute", HANDLER(.get = listens, .timeout_ms = 60000));
    int id = start("/minute", NULL);
    pass(61000);
    assert_log("no outcome after 60000 ms");
    assert_log("a 503 after headers were sent");
    assert_int_equal(tc_sse_send(streams[0], SAYS("x")), TC_ECLOSED);
    assert_false(complete(id));
    leave(id);
}

/* ---- Coroutines ---- */

static int ticks(tc_request_t *req) {
    tc_sse_t *sse;
    TC_TRY(tc_sse_begin(&sse, req, NULL));
    streams[stream_count++] = tc_sse_ref(sse);
    int err = 0;
    for (int i = 0; i < 3 && err == 0; i++) {
        err = tc_sse_send(sse, SAYS("tick"));
        if (err == 0)
            err = tc_await(tc_sleep(NULL, 1000), NULL);
    }
    note("coroutine:%d", err);
    return err;
}

static int listen_to_ticks(void) {
    if (!tornadoc_has("coroutines"))
        skip();
    route("/ticks", HANDLER(.get = ticks, .on_finish = notes_finish, .flags = TC_COROUTINE | TC_CANCEL_ON_CLOSE));
    int id = start("/ticks", NULL);
    pass(1500);
    assert_string_equal(heard(id), "data: tick\n\ndata: tick\n\n");
    return id;
}

static void a_coroutine_sends_and_ends_by_its_return(void **state) {
    (void)state;
    int id = listen_to_ticks();
    pass(5000);
    assert_true(complete(id));
    assert_string_equal(heard(id), "data: tick\n\ndata: tick\n\ndata: tick\n\n");
    assert_string_equal(noted(), "coroutine:0 finish:0");
    leave(id);
}

static void a_coroutine_whose_client_leaves_ends(void **state) {
    (void)state;
    int id = listen_to_ticks();
    leave(id);
    assert_string_equal(noted(), "coroutine:-125 finish:0");
    leave(id);
}

static void a_coroutine_whose_server_drains_ends(void **state) {
    (void)state;
    int id = listen_to_ticks();
    drain();
    assert_true(complete(id));
    assert_string_equal(noted(), "coroutine:-125 finish:0");
    leave(id);
}

/* ---- Many ---- */

enum { MANY = 5 };
static int many[MANY];

/* `slow` takes nothing; -1: all do. */
static void listen_many(const tc_test_client_options_t *server, int slow) {
    group = tc_sse_group_new();
    serve_as(server);
    for (int i = 0; i < MANY; i++)
        many[i] = start("/", i == slow ? TAKES_NOTHING : NULL);
    assert_int_equal(tc_sse_group_count(group), MANY);
}

static void leave_many(void) {
    for (int i = MANY - 1; i >= 0; i--)
        leave(many[i]);
    noted();
}

static void all_of_a_group_get_the_same_events_in_their_order(void **state) {
    (void)state;
    listen_many(NULL, -1);
    assert_int_equal(tc_sse_group_add(group, streams[1]), TC_EALREADY);
    assert_int_equal(tc_sse_group_send(group, SAYS("one")), 0);
    tc_sse_group_remove(group, streams[1]);
    tc_sse_group_remove(group, streams[1]);
    assert_int_equal(tc_sse_group_send(group, SAYS("two")), 0);
    assert_int_equal(tc_sse_group_send(group, EVENT(.type = "\n")), TC_EINVAL);
    pass(0);
    for (int i = 0; i < MANY; i++)
        assert_string_equal(heard(many[i]), i == 1 ? "data: one\n\n" : "data: one\n\ndata: two\n\n");
    leave_many();
}

static void a_stream_may_be_in_several_groups(void **state) {
    (void)state;
    listen_many(NULL, -1);
    tc_sse_group_t *other = tc_sse_group_new();
    assert_int_equal(tc_sse_group_add(other, streams[2]), 0);
    tc_sse_group_send(other, SAYS("few"));
    tc_sse_group_send(group, SAYS("all"));
    pass(0);
    assert_string_equal(heard(many[2]), "data: few\n\ndata: all\n\n");
    assert_string_equal(heard(many[3]), "data: all\n\n");
    tc_sse_end(streams[2]);
    assert_int_equal(tc_sse_group_count(other), 0);
    assert_int_equal(tc_sse_group_count(group), MANY - 1);
    tc_sse_group_free(other);
    leave_many();
}

static void the_slow_and_the_dead_hold_nobody_up(void **state) {
    (void)state;
    listen_many(&small_mark, 1);
    leave(many[3]);
    int sent = 0;
    while (tc_sse_group_count(group) == MANY - 1) {
        assert_int_equal(tc_sse_group_send(group, SAYS(long_text)), 0);
        pass(0);
        assert_true(++sent < 10000);
    }
    assert_int_equal(tc_sse_group_count(group), MANY - 2);
    assert_null(tc_sse_request(streams[1]));
    assert_null(tc_sse_request(streams[3]));
    tc_sse_group_send(group, SAYS("last"));
    tc_sse_end(streams[0]);
    pass(0);
    assert_non_null(strstr(heard(many[0]), "data: last\n\n"));
    assert_true(complete(many[0]));
    assert_non_null(strstr(heard(many[4]), "data: last\n\n"));
    leave_many();
}

static void (*when_cut)(void);

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    void (*fn)(void) = when_cut;
    when_cut = NULL;
    tc_future_set_error(future, TC_ECANCELED, NULL);
    if (fn)
        fn();
}

static int waits_for_more_than_the_end(tc_request_t *req) {
    tc_sse_t *sse;
    TC_TRY(tc_sse_begin(&sse, req, &options));
    streams[stream_count++] = tc_sse_ref(sse);
    TC_TRY(tc_sse_group_add(group, sse));
    tc_future_t *other = tc_future_new(tc_loop(req));
    tc_future_set_cancel_callback(other, on_cancel, NULL);
    return tc_then(req, other, NULL, NULL);
}

static void ends_neighbours(void) {
    tc_sse_end(streams[0]);
    tc_sse_end(streams[2]);
}

static void sends_to_all(void) {
    tc_sse_group_send(group, SAYS("within"));
}

static void frees_the_group(void) {
    tc_sse_group_free(group);
    group = NULL;
}

static const struct {
    void (*fn)(void);
    const char *heard[MANY]; /* NULL: not looked at */
} within[] = {
    { ends_neighbours, { "data: x\n\n", NULL, "", "data: x\n\n", "data: x\n\n" } },
    { sends_to_all,
      { "data: x\n\ndata: within\n\n", NULL, "data: within\n\ndata: x\n\n", "data: within\n\ndata: x\n\n",
        "data: within\n\ndata: x\n\n" } },
    { frees_the_group, { "data: x\n\n", NULL, "", "", "" } },
};

static const tc_httpserver_options_t with_tiny_mark = { .output_mark = 1, .write_timeout_ms = TC_FOREVER };
static const tc_test_client_options_t tiny_mark = { .server = &with_tiny_mark };

static void what_a_cut_cancels_may_end_other_streams_send_and_free_the_group(void **state) {
    stop_serving();
    for (size_t n = 0; n < COUNT(within); n++) {
        begin_web(state);
        route("/", HANDLER(.get = waits_for_more_than_the_end, .flags = TC_CANCEL_ON_CLOSE));
        listen_many(&tiny_mark, 1);
        assert_false(tc_writable(tc_sse_request(streams[1])));
        when_cut = within[n].fn;
        tc_sse_group_send(group, SAYS("x"));
        assert_null(when_cut);
        pass(0);
        for (int i = 0; i < MANY; i++)
            if (within[n].heard[i])
                assert_string_equal(heard(many[i]), within[n].heard[i]);
        leave_many();
        forget_streams();
        stop_serving();
    }
}

/* ---- Misuse, and no memory ---- */

static int writes_first(tc_request_t *req) {
    tc_sse_t *sse;
    tc_write(req, "text");
    return tc_sse_begin(&sse, req, NULL);
}

static int begins_twice(tc_request_t *req) {
    tc_sse_t *sse;
    TC_TRY(tc_sse_begin(&sse, req, NULL));
    note("%d", tc_sse_begin(&sse, req, NULL));
    return 0;
}

static int sets_reserved(tc_request_t *req) {
    tc_sse_t *sse;
    return tc_sse_begin(&sse, req, &(tc_sse_options_t){ .reserved = { 1 } });
}

static int retries_late(tc_request_t *req) {
    tc_sse_t *sse;
    return tc_sse_begin(&sse, req, &(tc_sse_options_t){ .retry_ms = TC_FOREVER });
}

static void misuse_is_told_in_words(void **state) {
    (void)state;
    tc_sse_t *sse;
    route("/first", HANDLER(.get = writes_first));
    route("/twice", HANDLER(.get = begins_twice));
    route("/reserved", HANDLER(.get = sets_reserved));
    route("/retry", HANDLER(.get = retries_late));
    assert_string_equal(ask("/first"), page(500, "Internal Server Error", NULL));
    assert_log("the handler has written something already");
    assert_log("GET /first");
    assert_string_equal(ask("/reserved"), page(500, "Internal Server Error", NULL));
    assert_log("`reserved` must be zero");
    assert_log("GET /reserved");
    assert_string_equal(ask("/retry"), page(500, "Internal Server Error", NULL));
    assert_log("retry_ms is beyond");
    assert_log("GET /retry");
    assert_ask("/twice", "200 ");
    assert_log("tc_sse_begin after its headers were sent");
    assert_string_equal(noted(), "-16");
    assert_int_equal(tc_sse_begin(&sse, NULL, NULL), TC_EINVAL);
    assert_log("the request is NULL");
    assert_int_equal(tc_sse_begin(NULL, NULL, NULL), TC_EINVAL);
    assert_log("`out` is NULL");
    assert_int_equal(tc_sse_send(NULL, SAYS("")), TC_EINVAL);
    assert_log("the stream is NULL");
    int id = start("/", NULL);
    assert_int_equal(tc_sse_send(streams[0], NULL), TC_EINVAL);
    assert_log("an event is wanted");
    assert_int_equal(tc_sse_group_send(NULL, SAYS("")), TC_ENOMEM);
    assert_int_equal(tc_sse_group_add(NULL, streams[0]), TC_ENOMEM);
    assert_int_equal(tc_sse_group_add(NULL, NULL), TC_EINVAL);
    assert_log("the stream is NULL");
    assert_int_equal(tc_sse_group_count(NULL), 0);
    tc_sse_group_remove(NULL, streams[0]);
    tc_sse_group_free(NULL);
    tc_sse_end(NULL);
    tc_sse_unref(tc_sse_ref(NULL));
    assert_null(tc_sse_ended(NULL));
    assert_null(tc_sse_request(NULL));
    assert_string_equal(tc_sse_last_event_id(NULL), "");
    tc_test_client_disconnect(client, id);
}

/* A listener, two events and one for all, while an allocation fails: who is there at the end has heard everything. */
static bool try_streaming(long nth, bool for_good) {
    app = tc_application_new(NULL);
    route("/", HANDLER(.get = listens));
    serve();
    fail_allocation(nth, for_good);
    group = tc_sse_group_new();
    int id = tc_test_client_start(client, "/", NULL);
    int err[3] = { TC_ENOMEM, TC_ENOMEM, TC_ENOMEM };
    for (int i = 0; i < 3 && stream_count == 1; i++)
        err[i] = i < 2 ? tc_sse_send(streams[0], SAYS("x")) : tc_sse_group_send(group, SAYS("x"));
    bool complete = atomic_load(&memory.calls) < nth;
    allow_allocations();
    pass(0);
    bool all = err[0] == 0 && err[1] == 0 && err[2] == 0 && group;
    if (stream_count == 1 && tc_sse_request(streams[0]) && all && !tc_test_client_cut(client, id))
        assert_string_equal(heard(id), "data: x\n\ndata: x\n\ndata: x\n\n");
    if (stream_count == 1 && (err[0] < 0 || err[1] < 0))
        assert_null(tc_sse_request(streams[0]));
    assert_true(!complete || all);
    leave(id);
    stop_serving();
    forget_streams();
    forget_log();
    return complete;
}

static void each_allocation_may_fail_and_nobody_misses_an_event_unknowingly(void **state) {
    (void)state;
    stop_serving();
    for (int for_good = 0; for_good < 2; for_good++)
        for (long nth = 1; !try_streaming(nth, for_good); nth++) {
            assert_int_equal(atomic_load(&memory.live), 0);
            assert_true(nth < 500);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SSE_TEST(the_head_says_what_it_is_and_that_nobody_should_keep_it),
        SSE_TEST(a_handler_may_set_cache_control_itself_and_end_by_its_return),
        SSE_TEST(an_event_has_a_field_for_each_line),
        SSE_TEST(type_and_id_of_several_lines_are_refused_and_the_stream_goes_on),
        SSE_TEST(a_nul_in_data_is_a_byte_like_others),
        SSE_TEST(clients_of_http_1_0_read_until_the_connection_ends),
        SSE_TEST(a_comment_comes_after_each_interval_without_an_event),
        SSE_TEST(without_options_it_is_15_seconds),
        SSE_TEST(no_comment_comes_after_the_end),
        SSE_TEST(the_last_event_id_is_the_clients),
        SSE_TEST(a_client_that_takes_nothing_is_cut_and_costs_a_bounded_amount),
        SSE_TEST(it_is_named_in_the_log),
        SSE_TEST(who_waits_for_slow_clients_is_told_and_loses_nothing_that_was_taken),
        SSE_TEST(a_client_that_leaves_ends_its_stream),
        SSE_TEST(a_stream_that_died_is_safe_after_its_loop_too),
        SSE_TEST(a_client_that_has_ended_its_side_has_left),
        SSE_TEST(a_client_that_resets_ends_its_stream),
        SSE_TEST(an_event_beyond_what_may_be_queued_cuts_its_client),
        SSE_TEST(a_drain_ends_streams_wholly),
        SSE_TEST(on_going_away_may_send_a_last_event),
        SSE_TEST(a_stream_that_begins_while_the_server_drains_ends_at_once),
        SSE_TEST(head_has_the_head_alone),
        SSE_TEST(the_handlers_timeout_cuts),
        SSE_TEST(a_coroutine_sends_and_ends_by_its_return),
        SSE_TEST(a_coroutine_whose_client_leaves_ends),
        SSE_TEST(a_coroutine_whose_server_drains_ends),
        SSE_TEST(all_of_a_group_get_the_same_events_in_their_order),
        SSE_TEST(a_stream_may_be_in_several_groups),
        SSE_TEST(the_slow_and_the_dead_hold_nobody_up),
        SSE_TEST(what_a_cut_cancels_may_end_other_streams_send_and_free_the_group),
        SSE_TEST(misuse_is_told_in_words),
        SSE_TEST(each_allocation_may_fail_and_nobody_misses_an_event_unknowingly),
    };
    return cmocka_run_group_tests_name("sse", tests, watch_web, NULL);
}
