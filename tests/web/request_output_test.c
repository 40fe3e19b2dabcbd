/* request_output_test.c - what handlers write: pieces copied, lent and given; headers; redirects; streams and slow
 * readers. */
#include <tornadoc/escape.h>
#include <tornadoc/httputil.h>

#include "web/web_test.h"

static int (*act)(tc_request_t *req);

static int acts(tc_request_t *req) {
    return act(req);
}

static void on_end(tc_request_t *req, int err) {
    (void)req;
    note("finish(%d)", err);
}

static void act_with(int (*fn)(tc_request_t *req)) {
    act = fn;
    if (app)
        route("/", HANDLER(.any = acts, .on_finish = on_end, .data_size = 64));
}

static const char *raw_get(raw_t *raw) {
    raw_send(raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    return raw_text(raw);
}

static const char *body_of(const char *message) {
    const char *at = strstr(message, "\r\n\r\n");
    return at ? at + 4 : "(no head)";
}

/* ---- Pieces ---- */

static char lent[] = "lent";

static int writes_everything(tc_request_t *req) {
    char gone[] = "copied";
    tc_write(req, gone);
    tc_write_bytes(req, tc_bytes(gone, 2));
    memset(gone, 'x', sizeof(gone) - 1);
    tc_write_borrowed(req, tc_str(lent));
    tc_writef(req, "<%d %s>", 42, "f");
    char *given = malloc(6);
    tc_write_owned(req, tc_bytes(memcpy(given, "given", 6), 5), free, given);
    tc_write(req, "");
    tc_write_bytes(req, tc_bytes(NULL, 0));
    tc_write_borrowed(req, tc_bytes(NULL, 0));
    tc_write_owned(req, tc_bytes("", 0), note_it, (void *)(uintptr_t) "freed");
    return tc_write(req, "end");
}

static void pieces_come_out_in_order(void **state) {
    (void)state;
    act_with(writes_everything);
    assert_ask("/", "200 copiedcolent<42 f>givenend");
    assert_string_equal(noted(), "freed finish(0)");
    assert_string_equal(header("/", NULL, "Content-Length"), "26");
    assert_string_equal(header("/", NULL, "Content-Type"), "text/html; charset=UTF-8");
    noted();
}

static int says_hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static void an_answer_has_tornados_headers(void **state) {
    (void)state;
    int64_t seconds;
    act_with(says_hello);
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
    assert_string_equal(tc_http_response_header(response, "Server"), "tornadoc/" TORNADOC_VERSION);
    assert_string_equal(tc_http_response_header(response, "Content-Type"), "text/html; charset=UTF-8");
    assert_string_equal(tc_http_response_header(response, "Content-Length"), "5");
    assert_int_equal(tc_parse_timestamp(tc_str(tc_http_response_header(response, "Date")), &seconds), 0);
    assert_null(tc_http_response_header(response, "ETag"));
    noted();
}

static int shows_text(tc_request_t *req) {
    const char *text = "<a b='/'> www.c.example";
    tc_writef(req, "%s\n", tc_xhtml_escape_alloc(req, text));
    tc_writef(req, "%s\n", tc_url_escape_alloc(req, text));
    tc_writef(req, "%s\n", tc_linkify_alloc(req, text, &(tc_linkify_options_t){ .extra_params = "rel=\"nofollow\"" }));
    return tc_writef(req, "%s%s%s", tc_xhtml_escape_alloc(req, NULL), tc_url_escape_alloc(req, NULL),
                     tc_linkify_alloc(req, NULL, NULL));
}

static void text_is_escaped_for_its_place(void **state) {
    (void)state;
    act_with(shows_text);
    assert_ask("/", "200 &lt;a b=&#x27;/&#x27;&gt; www.c.example\n%3Ca+b%3D%27%2F%27%3E+www.c.example\n"
                    "&lt;a b=&#x27;/&#x27;&gt; <a href=\"http://www.c.example\" rel=\"nofollow\">www.c.example</a>\n");
    assert_string_equal(tc_linkify_alloc(NULL, "a", NULL), "");
    noted();
}

static size_t piece_len;

static int writes_formatted(tc_request_t *req) {
    tc_writef(req, "%*s|", (int)piece_len, "x");
    tc_writef(req, "%*s|", (int)piece_len, "y");
    return tc_writef(req, "%s", "");
}

static void formatted_text_of_any_length_is_whole(void **state) {
    (void)state;
    act_with(writes_formatted);
    for (piece_len = 1; piece_len < 20000; piece_len = piece_len < 3000 ? piece_len + 61 : piece_len + 3001) {
        const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
        tc_bytes_t body = tc_http_response_body(response);
        assert_int_equal(body.len, 2 * piece_len + 2);
        assert_memory_equal(body.data + piece_len - 1, "x|", 2);
        assert_memory_equal(body.data + 2 * piece_len, "y|", 2);
        assert_int_equal(strspn(body.data, " "), piece_len - 1);
    }
    noted();
}

static int writes_many_small(tc_request_t *req) {
    for (int i = 0; i < 20000; i++)
        tc_write_bytes(req, tc_bytes(&"0123456789"[i % 10], 1));
    return 0;
}

static int writes_many_borrowed(tc_request_t *req) {
    for (int i = 0; i < 20000; i++)
        tc_write_borrowed(req, tc_bytes(&"0123456789"[i % 10], 1));
    return 0;
}

static void many_small_pieces_are_whole(void **state) {
    (void)state;
    act_with(writes_many_small);
    for (int i = 0; i < 2; i++) {
        act = i ? writes_many_borrowed : writes_many_small;
        tc_bytes_t body = tc_http_response_body(tc_test_client_fetch(serve(), "/", NULL));
        assert_int_equal(body.len, 20000);
        for (size_t at = 0; at < body.len; at++)
            assert_int_equal(body.data[at], '0' + at % 10);
    }
    noted();
}

/* ---- Given memory ---- */

static int freed;

static void free_given(void *data) {
    freed++;
    free(data);
}

static int give(tc_request_t *req, size_t len) {
    char *data = malloc(len);
    memset(data, 'g', len);
    return tc_write_owned(req, tc_bytes(data, len), free_given, data);
}

static int gives(tc_request_t *req) {
    return give(req, 100);
}

static int gives_much(tc_request_t *req) {
    return give(req, 1000000);
}

static int gives_and_fails(tc_request_t *req) {
    give(req, 100);
    return 404;
}

static int gives_and_redirects(tc_request_t *req) {
    give(req, 100);
    return tc_redirect(req, "/x", 0);
}

static int gives_to_304(tc_request_t *req) {
    tc_set_status(req, 304);
    return give(req, 100);
}

static int gives_to_204(tc_request_t *req) {
    tc_set_status(req, 204);
    return give(req, 100);
}

static int gives_to_205(tc_request_t *req) {
    tc_set_status(req, 205);
    tc_set_header(req, "Content-Length", "100");
    return give(req, 100);
}

static int gives_beyond_its_length(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "99");
    return give(req, 100);
}

static int gives_after_the_finish(tc_request_t *req) {
    tc_finish(req);
    give(req, 100);
    return 0;
}

static int gives_and_flushes(tc_request_t *req) {
    give(req, 1000000);
    tc_flush(req);
    return give(req, 100);
}

static int gives_and_keeps_an_error(tc_request_t *req) {
    tc_set_header(req, "bad name", "");
    return give(req, 100);
}

static int gives_and_fails_after_flush(tc_request_t *req) {
    give(req, 1000000);
    tc_flush(req);
    give(req, 100);
    return -EIO;
}

static void what_is_given_is_freed_once_on_every_path(void **state) {
    (void)state;
    static const struct {
        const char *why, *method;
        int (*act)(tc_request_t *req);
        const char *answer, *log;
        int freed;
    } ways[] = {
        { "sent", "GET", gives, "200", NULL, 1 },
        { "sent in several steps", "GET", gives_much, "200", NULL, 1 },
        { "HEAD", "HEAD", gives, "200", NULL, 1 },
        { "HEAD, streamed", "HEAD", gives_and_flushes, "200", NULL, 2 },
        { "replaced by an error page", "GET", gives_and_fails, "404", NULL, 1 },
        { "replaced by a redirect", "GET", gives_and_redirects, "302", NULL, 1 },
        { "a 304 has no body", "GET", gives_to_304, "304 ", "a 304 has no body; what was written is dropped", 1 },
        { "a 204 has no body", "GET", gives_to_204, "204 ", "a 204 has no body; what was written is dropped", 1 },
        { "a 205 has no body", "GET", gives_to_205, "205 ", "a 205 has no body; what was written is dropped", 1 },
        { "too long", "GET", gives_beyond_its_length, "cut", "its Content-Length is 99, its body has", 1 },
        { "too late", "GET", gives_after_the_finish, "200 ", "tc_write_owned after the answer was finished", 1 },
        { "streamed", "GET", gives_and_flushes, "200", NULL, 2 },
        { "after a failed verb", "GET", gives_and_keeps_an_error, "500", "the handler failed", 1 },
        { "cut", "GET", gives_and_fails_after_flush, "cut", "the connection is cut", 2 },
    };
    act_with(gives);
    for (size_t i = 0; i < COUNT(ways); i++) {
        freed = 0;
        act = ways[i].act;
        const char *answer = ask_by(ways[i].method, "/");
        tc_test_client_advance(client, 0);
        if (strncmp(answer, ways[i].answer, strlen(ways[i].answer)) != 0 || freed != ways[i].freed)
            fail_msg("%s: %.40s, freed %d times", ways[i].why, answer, freed);
        if (ways[i].log)
            assert_log(ways[i].log);
        assert_string_equal(take_line(), "");
    }
    noted();
}

static void what_is_given_is_freed_when_the_client_leaves(void **state) {
    (void)state;
    raw_t raw;
    for (int i = 0; i < 3; i++) { /* closed, reset, and with the server */
        if (!app)
            begin_web(NULL);
        act_with(gives_much);
        freed = 0;
        raw_open(&raw, NULL);
        raw.deaf = true;
        raw_get(&raw);
        assert_int_equal(freed, 0);
        if (i == 0)
            tc_iostream_close(raw.stream);
        else if (i == 1)
            tc__iostream_abort(raw.stream);
        else
            tc_httpserver_free(raw.server), raw.server = NULL;
        raw_turn(&raw);
        assert_int_equal(freed, 1);
        assert_string_equal(noted(), "finish(-1025)");
        raw_close(&raw);
        stop_serving();
    }
}

static char large[1 << 20];

static int lends_much(tc_request_t *req) {
    return tc_write_borrowed(req, tc_bytes(large, sizeof(large)));
}

static void large_pieces_are_not_copied(void **state) {
    (void)state;
    raw_t raw;
    act_with(lends_much);
    raw_open(&raw, NULL);
    raw.deaf = true;
    raw_get(&raw);
    memset(large, 'y', sizeof(large)); /* it lives until on_finish, and may still be read until then */
    raw.deaf = false;
    tc__iostream_resume(raw.stream);
    raw_turn(&raw);
    const char *body = body_of(raw_text(&raw));
    assert_int_equal(raw.len - (size_t)(body - raw_text(&raw)), sizeof(large));
    assert_int_equal(body[sizeof(large) - 1], 'y');
    assert_string_equal(noted(), "finish(0)");
    raw_close(&raw);
}

/* ---- Streams ---- */

static int streams(tc_request_t *req) {
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    TC_TRY(tc_flush(req)); /* nothing new: no empty chunk, which would be the end */
    tc_write(req, "two");
    TC_TRY(tc_flush(req));
    return tc_write(req, "three");
}

static void a_flush_makes_chunks(void **state) {
    (void)state;
    raw_t raw;
    act_with(streams);
    raw_open(&raw, NULL);
    raw_get(&raw);
    assert_non_null(strstr(raw_text(&raw), "\r\nTransfer-Encoding: chunked\r\n"));
    assert_null(strstr(raw_text(&raw), "Content-Length"));
    assert_string_equal(body_of(raw_text(&raw)), "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
    raw.len = 0;
    raw_send(&raw, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_string_equal(body_of(raw_text(&raw)), "");
    raw.len = 0;
    raw_send(&raw, "GET / HTTP/1.0\r\n\r\n");
    assert_null(strstr(raw_text(&raw), "Transfer-Encoding"));
    assert_string_equal(body_of(raw_text(&raw)), "onetwothree");
    assert_true(raw.eof);
    raw_close(&raw);
    noted();
}

static int flushes_only(tc_request_t *req) {
    return tc_flush(req);
}

static void a_flush_of_nothing_sends_the_headers(void **state) {
    (void)state;
    act_with(flushes_only);
    assert_ask("/", "200 ");
    noted();
}

static const char *announced;

static int streams_announced(tc_request_t *req) {
    tc_set_header(req, "Content-Length", announced);
    tc_write(req, "abc");
    if (tc_get_argument(req, "flush", NULL))
        tc_flush(req);
    return tc_write(req, "def");
}

static void an_announced_length_is_kept_or_the_connection_cut(void **state) {
    (void)state;
    static const struct {
        const char *length, *path, *answer, *log;
    } lengths[] = {
        { "6", "/", "200 abcdef", NULL },
        { "6", "/?flush", "200 abcdef", NULL },
        { "5", "/", "cut", "its Content-Length is " },
        { "7", "/", "cut", "its Content-Length is " },
        { "5", "/?flush", "cut", "more than its Content-Length" },
        { "2", "/?flush", "cut", "more than its Content-Length" },
        { "7", "/?flush", "cut", "less than its Content-Length" },
        { "six", "/", "cut", "Content-Length is not one number" },
        { "-6", "/?flush", "cut", "Content-Length is not one number" },
    };
    act_with(streams_announced);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        announced = lengths[i].length;
        const char *answer = ask(lengths[i].path);
        if (strcmp(answer, lengths[i].answer) != 0)
            fail_msg("%s, %s: %s", lengths[i].length, lengths[i].path, answer);
        if (lengths[i].log)
            assert_log(lengths[i].log);
        forget_log();
    }
    announced = "6";
    assert_string_equal(header("/?flush", NULL, "Content-Length"), "6");
    assert_string_equal(header("/?flush", NULL, "Transfer-Encoding"), "(none)");
    noted();
}

/* ---- Slow readers ---- */

static int download_lines;
static size_t most_queued;
static int waits;

static int more(tc_request_t *req, tc_future_t *drained, void *arg) {
    int *next = tc_data(req);
    if (drained)
        TC_TRY(tc_future_status(drained));
    for (; *next < download_lines; ++*next) {
        if (*next % 1000 == 999) {
            TC_TRY(tc_flush(req));
            size_t queued = req->exchange->vtable->queued(req->exchange);
            if (queued > most_queued)
                most_queued = queued;
            if (!tc_writable(req)) {
                ++*next;
                waits++;
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

static void a_download_waits_for_its_reader_in_bounded_memory(void **state) {
    (void)state;
    raw_t raw;
    act_with(downloads);
    download_lines = 800000; /* some 10 MB */
    most_queued = 0;
    waits = 0;
    raw_open(&raw, &(tc_httpserver_options_t){ .output_mark = 100000 });
    raw.deaf = true;
    raw_get(&raw);
    assert_int_equal(waits, 1);
    assert_true(most_queued > 100000 && most_queued < 200000);
    raw.deaf = false;
    tc__iostream_resume(raw.stream);
    raw_turn(&raw);
    assert_true(most_queued < 200000);
    assert_true(waits > 10);
    assert_true(raw.len > 10000000);
    assert_memory_equal(raw.text + raw.len - 7, "\r\n0\r\n\r\n", 7);
    assert_string_equal(noted(), "finish(0)");
    raw_close(&raw);
}

static void a_download_ends_quietly_when_its_reader_leaves(void **state) {
    (void)state;
    raw_t raw;
    act_with(downloads);
    download_lines = 800000;
    raw_open(&raw, &(tc_httpserver_options_t){ .output_mark = 100000 });
    raw.deaf = true;
    raw_get(&raw);
    tc__iostream_abort(raw.stream);
    raw_turn(&raw);
    assert_string_equal(noted(), "finish(-1025)");
    raw_close(&raw);
}

static int then_writable(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    note("drained:%d,%d", tc_future_status(future), tc_writable(req));
    return 0;
}

static int drains_at_once(tc_request_t *req) {
    note("writable:%d", tc_writable(req));
    return tc_then(req, tc_drained(req), then_writable, NULL);
}

static void what_is_not_full_is_drained_at_once(void **state) {
    (void)state;
    act_with(drains_at_once);
    assert_ask("/", "200 ");
    assert_string_equal(noted(), "writable:1 drained:0,1 finish(0)");
}

static int fills(tc_request_t *req) {
    tc_write_borrowed(req, tc_bytes(large, sizeof(large)));
    tc_flush(req);
    note("writable:%d", tc_writable(req));
    tc_future_unref(tc_drained(req)); /* given up */
    return tc_then(req, tc_drained(req), then_writable, NULL);
}

static void the_mark_is_between_writable_and_not(void **state) {
    (void)state;
    raw_t raw;
    act_with(fills);
    raw_open(&raw, &(tc_httpserver_options_t){ .output_mark = 500000 });
    raw.deaf = true;
    raw_get(&raw);
    assert_string_equal(noted(), "writable:0");
    raw.deaf = false;
    tc__iostream_resume(raw.stream);
    raw_turn(&raw);
    assert_string_equal(noted(), "drained:0,1 finish(0)");
    raw_close(&raw);
}

static int never_ends(tc_request_t *req) {
    int err;
    while ((err = tc_flush(req)) == 0)
        tc_write_borrowed(req, tc_bytes(large, sizeof(large)));
    note("%s", tc_strerror(err));
    return err;
}

static void output_without_end_is_cut(void **state) {
    (void)state;
    raw_t raw;
    act_with(never_ends);
    raw_open(&raw, NULL);
    raw.deaf = true;
    raw_get(&raw);
    const char *said = noted();
    assert_non_null(strstr(said, tc_strerror(TC_ETOOBIG)));
    assert_non_null(strstr(said, "finish(-1025)"));
    assert_log("the handler failed: beyond a limit");
    forget_log();
    raw_close(&raw);
}

/* ---- Status and headers ---- */

static int wanted_status;

static int sets_status(tc_request_t *req) {
    int err = tc_set_status(req, wanted_status);
    note("%d", tc_get_status(req));
    return err;
}

static void a_status_is_from_200_to_599(void **state) {
    (void)state;
    static const int good[] = { 200, 201, 299, 301, 404, 418, 500, 599 },
                     bad[] = { -1, 0, 1, 100, 101, 199, 600, 1000 };
    act_with(sets_status);
    for (size_t i = 0; i < COUNT(good); i++) {
        wanted_status = good[i];
        assert_int_equal(atoi(ask("/")), good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        wanted_status = bad[i];
        assert_int_equal(atoi(ask("/")), 500);
        assert_log("is not from 200 to 599");
        assert_log("the handler failed");
    }
    noted();
}

static int bodiless(tc_request_t *req) {
    tc_set_header(req, "Content-Type", "text/plain");
    tc_set_header(req, "Content-Encoding", "gzip");
    tc_set_header(req, "Content-Language", "en");
    tc_set_header(req, "ETag", "\"x\"");
    return tc_set_status(req, wanted_status);
}

static void a_204_and_a_304_describe_no_body(void **state) {
    (void)state;
    act_with(bodiless);
    for (wanted_status = 204; wanted_status <= 304; wanted_status += 100) {
        const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
        assert_int_equal(tc_http_response_status(response), wanted_status);
        assert_null(tc_http_response_header(response, "Content-Type"));
        assert_null(tc_http_response_header(response, "Content-Encoding"));
        assert_null(tc_http_response_header(response, "Content-Language"));
        assert_null(tc_http_response_header(response, "Content-Length"));
        assert_null(tc_http_response_header(response, "Transfer-Encoding"));
        assert_string_equal(tc_http_response_header(response, "ETag"), "\"x\"");
    }
    noted();
}

static void a_205_says_that_its_body_is_empty(void **state) {
    (void)state;
    act_with(bodiless);
    wanted_status = 205;
    const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
    assert_int_equal(tc_http_response_status(response), 205);
    assert_null(tc_http_response_header(response, "Content-Type"));
    assert_string_equal(tc_http_response_header(response, "Content-Length"), "0");
    noted();
}

static int sets_headers(tc_request_t *req) {
    tc_add_header(req, "X-A", "1");
    tc_add_header(req, "x-a", "2");
    tc_set_header(req, "X-B", "1");
    tc_set_header(req, "x-b", "2");
    tc_add_header(req, "X-C", "1");
    tc_add_header(req, "X-C", "2");
    tc_set_header(req, "X-C", "3");
    tc_set_header(req, "X-D", "1");
    tc_clear_header(req, "x-d");
    tc_clear_header(req, "X-Never");
    tc_set_header(req, "X-E", "");
    tc_set_header(req, "X-F", "  \tpadded ");
    tc_clear_header(req, "Content-Type");
    return tc_set_header(req, "X-G", "tab\t\xc3\xa4\xff");
}

static void headers_are_set_added_and_cleared(void **state) {
    (void)state;
    raw_t raw;
    act_with(sets_headers);
    raw_open(&raw, NULL);
    const char *text = raw_get(&raw);
    assert_non_null(
        strstr(text, "\r\nX-A: 1\r\nx-a: 2\r\nX-B: 2\r\nX-C: 3\r\nX-E: \r\nX-F: padded\r\nX-G: tab\t\xc3\xa4\xff\r\n"));
    assert_null(strstr(text, "X-D"));
    assert_null(strstr(text, "Content-Type"));
    raw_close(&raw);
    noted();
}

static const char *bad_name, *bad_value;
static bool adds;

static int sets_bad_header(tc_request_t *req) {
    note("%d", (adds ? tc_add_header : tc_set_header)(req, bad_name, bad_value) == TC_EINVAL);
    return 0;
}

static void no_header_can_be_injected(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
    } bad[] = {
        { "X", "a\r\nSet-Cookie: b" },
        { "X", "a\nb" },
        { "X", "a\rb" },
        { "X", "a\x01" },
        { "X", "\x7f" },
        { "X\r\nY", "a" },
        { "X Y", "a" },
        { "X:", "a" },
        { "", "a" },
        { "\xc3\xa4", "a" },
        { "X\n", "a" },
        { NULL, "a" },
        { "X", NULL },
        { "(X)", "a" },
    };
    act_with(sets_bad_header);
    for (size_t i = 0; i < 2 * COUNT(bad); i++) {
        bad_name = bad[i / 2].name;
        bad_value = bad[i / 2].value;
        adds = i % 2;
        const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
        assert_int_equal(tc_http_response_status(response), 500);
        assert_null(tc_http_response_header(response, "X"));
        assert_null(tc_http_response_header(response, "Set-Cookie"));
        assert_log("E application: GET / (127.0.0.1): the handler failed: invalid argument: header ");
        assert_string_equal(noted(), "1 finish(0)");
    }
}

static int sets_framing(tc_request_t *req) {
    tc_set_header(req, "Transfer-Encoding", "gzip");
    tc_set_header(req, "Keep-Alive", "timeout=5");
    tc_set_header(req, "Connection", "close");
    return tc_write(req, "x");
}

static void the_framing_is_the_connections(void **state) {
    (void)state;
    raw_t raw;
    act_with(sets_framing);
    raw_open(&raw, NULL);
    const char *text = raw_get(&raw);
    assert_null(strstr(text, "Transfer-Encoding"));
    assert_null(strstr(text, "Keep-Alive"));
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    assert_true(raw.eof);
    raw_close(&raw);
    noted();
}

/* ---- Redirects ---- */

static const char *target;

static int redirects(tc_request_t *req) {
    tc_write(req, "lost");
    return tc_redirect(req, target, wanted_status);
}

static void a_redirect_encodes_its_target(void **state) {
    (void)state;
    static const struct {
        const char *target, *location;
    } targets[] = {
        { "/x", "/x" },
        { "https://h:1/p?q=1&r=%20#f", "https://h:1/p?q=1&r=%20#f" },
        { "/a b", "/a%20b" },
        { "/a\r\nSet-Cookie: b", "/a%0D%0ASet-Cookie:%20b" },
        { "/\xc3\xa4\xff", "/%C3%A4%FF" },
        { "/\"<>\\^`{|}\x7f\x01", "/%22%3C%3E%5C%5E%60%7B%7C%7D%7F%01" },
        { "//[::1]/;@!$&'()*+,=~-._", "//[::1]/;@!$&'()*+,=~-._" },
        { "", "" },
    };
    act_with(redirects);
    wanted_status = 0;
    for (size_t i = 0; i < COUNT(targets); i++) {
        target = targets[i].target;
        const tc_http_response_t *response = tc_test_client_fetch(serve(), "/", NULL);
        assert_string_equal(answer_text(response), "302 ");
        assert_string_equal(tc_http_response_header(response, "Location"), targets[i].location);
    }
    noted();
}

static void a_redirect_has_a_status_from_300_to_399(void **state) {
    (void)state;
    static const int statuses[] = { 300, 301, 303, 307, 308, 399, 299, 400, 200, -1 };
    act_with(redirects);
    target = "/x";
    for (size_t i = 0; i < COUNT(statuses); i++) {
        wanted_status = statuses[i];
        bool good = wanted_status >= 300 && wanted_status <= 399;
        assert_int_equal(atoi(ask("/")), good ? wanted_status : 500);
        if (!good) {
            assert_log("tc_redirect: a url and a status from 300 to 399");
            assert_log("the handler failed");
        }
    }
    target = NULL;
    wanted_status = 0;
    assert_int_equal(atoi(ask("/")), 500);
    forget_log();
    noted();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(an_answer_has_tornados_headers),
        WEB_TEST(pieces_come_out_in_order),
        WEB_TEST(text_is_escaped_for_its_place),
        WEB_TEST(formatted_text_of_any_length_is_whole),
        WEB_TEST(many_small_pieces_are_whole),
        WEB_TEST(what_is_given_is_freed_once_on_every_path),
        WEB_TEST(what_is_given_is_freed_when_the_client_leaves),
        WEB_TEST(large_pieces_are_not_copied),
        WEB_TEST(a_flush_makes_chunks),
        WEB_TEST(a_flush_of_nothing_sends_the_headers),
        WEB_TEST(an_announced_length_is_kept_or_the_connection_cut),
        WEB_TEST(a_download_waits_for_its_reader_in_bounded_memory),
        WEB_TEST(a_download_ends_quietly_when_its_reader_leaves),
        WEB_TEST(what_is_not_full_is_drained_at_once),
        WEB_TEST(the_mark_is_between_writable_and_not),
        WEB_TEST(output_without_end_is_cut),
        WEB_TEST(a_status_is_from_200_to_599),
        WEB_TEST(a_204_and_a_304_describe_no_body),
        WEB_TEST(a_205_says_that_its_body_is_empty),
        WEB_TEST(headers_are_set_added_and_cleared),
        WEB_TEST(no_header_can_be_injected),
        WEB_TEST(the_framing_is_the_connections),
        WEB_TEST(a_redirect_encodes_its_target),
        WEB_TEST(a_redirect_has_a_status_from_300_to_399),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
