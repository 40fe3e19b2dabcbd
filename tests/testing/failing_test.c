/* failing_test.c - each allocation of a test client fails in turn, once and from then on: it says so, or has no answer;
 * nothing leaks, and what is asked next is answered. */
#include "web/web_test.h"

static int logs_in(tc_request_t *req) {
    TC_TRY(tc_set_cookie(req, "user", tc_get_body_argument(req, "user", "-"), NULL));
    TC_TRY(tc_set_cookie(req, "file", tc_http_file_name(tc_get_file(req, "file")), NULL));
    return tc_redirect(req, "home", 303);
}

static int shows(tc_request_t *req) {
    return tc_writef(req, "%s %s", tc_get_cookie(req, "user", "-"), tc_get_cookie(req, "file", "-"));
}

static int takes(tc_request_t *req, tc_bytes_t chunk) {
    return tc_write_bytes(req, chunk);
}

static int ends(tc_request_t *req) {
    const tc_header_field_t *trailers;
    tc_early_hints(req, "</a.css>");
    return tc_trailers(req, &trailers) == 1 ? tc_set_trailer(req, "X-B", "c") : 400;
}

static int warns(tc_request_t *req) {
    tc_logf(req, TC_LOG_WARNING, "careful");
    return tc_write(req, "warned");
}

/* ---- What is tried: 0, or a failure ---- */

static int logs_in_and_is_led_home(void) {
    const tc_test_file_t files[] = { { "file", "--tornadoc.txt", NULL, { "--tornadoc", 10 } }, { .name = NULL } };
    const tc_http_response_t *response = tc_test_client_fetch(
        client, "http://localhost/login", FETCH(.form = HEADERS("user", "Zoe"), .files = files, .max_redirects = 1));
    return strcmp(answer_text(response), "200 Zoe --tornadoc.txt") == 0 ? 0 : -1;
}

static int sends_a_form(void) {
    return strcmp(ask_with("/home", FETCH(.form = HEADERS("a", "b c", "d", "e"), .method = "GET")), "200 - -") ? -1 : 0;
}

static int sends_pieces(void) {
    int id = tc_test_client_start(client, "/pieces", FETCH(.stream = true, .body = tc_str("one, ")));
    TC_TRY(id);
    TC_TRY(tc_test_client_send(client, id, tc_str("two")));
    TC_TRY(tc_test_client_finish(client, id, HEADERS("X-A", "b")));
    const tc_http_response_t *response = tc_test_client_wait(client, id);
    const char *trailer = tc_http_response_trailer(response, "X-B");
    return strcmp(answer_text(response), "200 one, two") == 0 && trailer && tc_test_client_read(client, id).len == 8
               ? 0
               : -1;
}

static int sets_cookies(void) {
    TC_TRY(tc_test_client_set_cookie(client, "user=Zoe"));
    TC_TRY(tc_test_client_set_cookie(client, "file=f; Path=/home"));
    return strcmp(ask("/home"), "200 Zoe f") == 0 ? 0 : -1;
}

/* Without memory for them, problems are told all the same. */
static int expects_lines(void) {
    TC_TRY(tc_test_client_expect_log(client, TC_LOG_WARNING, "careful"));
    int status = tc_http_response_status(tc_test_client_fetch(client, "/warn", NULL));
    tc_logf(NULL, TC_LOG_ERROR, "one");
    const char *problems = tc_test_client_problems(client);
    assert_non_null(problems);
    return status == 200 && strcmp(problems, "not expected: E one\n") == 0 ? 0 : -1;
}

static int (*const attempts[])(void) = { logs_in_and_is_led_home, sends_a_form, sends_pieces, sets_cookies,
                                         expects_lines };

/* ---- */

static void make_client(void) {
    app = tc_application_new(NULL);
    route("/login", HANDLER(.post = logs_in));
    route("/home", HANDLER(.get = shows));
    route("/pieces", HANDLER(.post = ends, .body = TC_BODY_STREAM, .data_received = takes));
    route("/warn", HANDLER(.get = warns));
    serve();
}

/* Returns whether no allocation was left to fail. */
static bool try_once(size_t i, long nth, bool for_good) {
    make_client();
    fail_allocation(nth, for_good);
    int err = attempts[i]();
    bool complete = atomic_load(&memory.calls) < nth;
    allow_allocations();
    if (complete && err < 0)
        fail_msg("attempt %zu fails by itself", i);
    tc_test_client_clear_cookies(client);
    tc_test_client_problems(client);
    if (attempts[i]() < 0)
        fail_msg("attempt %zu, after allocation %ld", i, nth);
    stop_serving();
    forget_log();
    return complete;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    stop_serving();
    for (size_t i = 0; i < COUNT(attempts); i++)
        for (int for_good = 0; for_good < 2; for_good++)
            for (long nth = 1; !try_once(i, nth, for_good); nth++) {
                assert_int_equal(atomic_load(&memory.live), 0);
                assert_true(nth < 1000);
            }
}

static void a_client_is_whole_or_null(void **state) {
    (void)state;
    stop_serving();
    for (int for_good = 0; for_good < 2; for_good++) {
        bool complete = false;
        for (long nth = 1; !complete; nth++) {
            tc_application_t *given = tc_application_new(NULL);
            fail_allocation(nth, for_good);
            tc_test_client_t *made = tc_test_client_new_with(
                given, &(tc_test_client_options_t){ .origin = "https://app.example.com" });
            complete = atomic_load(&memory.calls) < nth;
            allow_allocations();
            assert_true((made != NULL) == complete);
            tc_test_client_free(made);
            forget_log();
            assert_int_equal(atomic_load(&memory.live), 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_client_is_whole_or_null),
        WEB_TEST(each_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("test client without memory", tests, watch_web, NULL);
}
