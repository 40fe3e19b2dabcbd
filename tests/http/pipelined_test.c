/* pipelined_test.c - how much of what a client sends ahead is in the server's memory. On streams in memory, of which
 * the server's end can be asked. */
#include "net/iostream_struct_internal.h"
#include "web/web_test.h"

enum { REQUESTS = 10000 };
#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static tc_deferred_t *token;
static int asked;

static int waits(tc_request_t *req) {
    asked++;
    token = tc_defer(req);
    return TC_DETACH;
}

static int done(tc_request_t *req, void *arg) {
    (void)req, (void)arg;
    return 0;
}

static void finish(raw_t *raw) {
    assert_int_equal(tc_deferred_post(token, done, NULL), 0);
    tc_deferred_unref(token);
    raw_turn(raw);
}

static void at_most_that_much_is_read_ahead(void **state) {
    (void)state;
    static const struct {
        size_t option, most;
    } sizes[] = { { 1, 1 }, { 16, 16 }, { 1000, 1000 }, { 0, 65536 }, { 1 << 20, 65536 }, { TC_UNLIMITED, 65536 } };
    route("/", HANDLER(.get = waits));
    for (size_t i = 0; i < COUNT(sizes); i++) {
        raw_t raw;
        asked = 0;
        raw_open(&raw, &(tc_httpserver_options_t){ .max_pipelined_size = sizes[i].option });
        tc_iostream_t *server_end = raw.stream->t.memory.peer;
        tc__memory_set_window(raw.stream, TC_UNLIMITED);
        for (int j = 0; j < REQUESTS; j++)
            assert_int_equal(tc_iostream_write(raw.stream, tc_str(GET), NULL, NULL), 0);
        raw_turn(&raw);
        for (int answered = 0; answered < 20; answered++) {
            assert_int_equal(asked, answered + 1);
            assert_true(tc__iostream_kept(server_end) <= sizes[i].most);
            finish(&raw);
        }
        size_t with_the_system = tc__buffer_len(&server_end->t.memory.in);
        assert_true(with_the_system >= (REQUESTS - 21) * strlen(GET) - sizes[i].most);
        tc__iostream_abort(raw.stream);
        raw_turn(&raw);
        tc_deferred_unref(token);
        raw_close(&raw);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(at_most_that_much_is_read_ahead),
    };
    return cmocka_run_group_tests_name("pipelined", tests, watch_web, NULL);
}
