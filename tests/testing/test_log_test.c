/* test_log_test.c - lines of the log that a test expects, and those that it did not. */
#include <uv.h>

#include "web/web_test.h"

static int warns(tc_request_t *req) {
    tc_logf(req, TC_LOG_WARNING, "%s", tc_get_argument(req, "text", "careful"));
    return tc_write(req, "warned");
}

static int fails(tc_request_t *req) {
    (void)req;
    return -EIO;
}

static int logs_elsewhere(void *arg, void **out) {
    (void)out;
    tc_logf(NULL, TC_LOG_ERROR, "%s", (const char *)arg);
    return 0;
}

static int works(tc_request_t *req) {
    return tc_then(req, tc_run_in_executor(NULL, logs_elsewhere, (void *)(uintptr_t) "from a thread", NULL), NULL,
                   NULL);
}

static void build(void) {
    route("/warn", HANDLER(.get = warns));
    route("/fail", HANDLER(.get = fails));
    route("/work", HANDLER(.get = works));
    serve();
}

static void what_is_expected_comes_and_is_kept_from_the_log(void **state) {
    (void)state;
    build();
    assert_null(tc_test_client_problems(client));
    assert_int_equal(tc_test_client_expect_log(client, TC_LOG_WARNING, "careful"), 0);
    assert_ask("/warn", "200 warned");
    assert_string_equal(take_line(), "");
    assert_null(tc_test_client_problems(client));
}

static void what_nobody_expects_is_a_problem_and_in_the_log(void **state) {
    (void)state;
    build();
    assert_ask("/warn?text=one", "200 warned");
    assert_ask("/warn?text=two", "200 warned");
    assert_string_equal(tc_test_client_problems(client), "not expected: W one\nnot expected: W two\n");
    assert_null(tc_test_client_problems(client));
    assert_log("W application: one");
    assert_log("W application: two");
}

static void what_does_not_come_is_a_problem_once(void **state) {
    (void)state;
    build();
    tc_test_client_expect_log(client, TC_LOG_WARNING, "careful");
    tc_test_client_expect_log(client, TC_LOG_ERROR, "GET /fail");
    assert_string_equal(tc_test_client_problems(client),
                        "expected, but not logged: W careful\nexpected, but not logged: E GET /fail\n");
    assert_null(tc_test_client_problems(client));
    assert_ask("/warn", "200 warned");
    assert_string_equal(tc_test_client_problems(client), "not expected: W careful\n");
    assert_log("careful");
}

static void a_line_is_expected_once_by_level_and_part(void **state) {
    (void)state;
    build();
    tc_test_client_expect_log(client, TC_LOG_ERROR, "one");
    tc_test_client_expect_log(client, TC_LOG_WARNING, "one");
    tc_test_client_expect_log(client, TC_LOG_WARNING, "two");
    ask("/warn?text=say+two");
    ask("/warn?text=say+one");
    ask("/warn?text=say+one");
    assert_string_equal(tc_test_client_problems(client), "not expected: W say one\nexpected, but not logged: E one\n");
    assert_log("say one");
}

static void infos_may_be_expected_where_the_level_lets_them_pass(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .log_level = TC_LOG_INFO });
    build();
    tc_test_client_expect_log(client, TC_LOG_INFO, "200 GET /warn");
    tc_test_client_expect_log(client, TC_LOG_WARNING, "careful");
    ask("/warn");
    assert_null(tc_test_client_problems(client));
    tc_test_client_expect_log(client, TC_LOG_WARNING, "careful");
    ask("/warn");
    assert_null(tc_test_client_problems(client)); /* an info that nobody expects is none */
    assert_log("I access: 200 GET /warn");
}

static void threads_count_too(void **state) {
    (void)state;
    build();
    tc_test_client_expect_log(client, TC_LOG_ERROR, "from a thread");
    ask("/work");
    assert_null(tc_test_client_problems(client));
    ask("/work");
    assert_string_equal(tc_test_client_problems(client), "not expected: E from a thread\n");
    assert_log("from a thread");
}

static void lines_belong_to_the_client_of_their_loop(void **state) {
    (void)state;
    tc_application_t *other = tc_application_new(NULL);
    tc_application_add(other, "/warn", HANDLER(.get = warns), NULL);
    tc_test_client_t *second = tc_test_client_new(other);
    build();
    tc_test_client_expect_log(second, TC_LOG_WARNING, "careful");
    ask("/warn");
    assert_string_equal(tc_test_client_problems(client), "not expected: W careful\n");
    tc_test_client_fetch(second, "/warn", NULL);
    assert_null(tc_test_client_problems(second));
    assert_log("careful");
    tc_logf(NULL, TC_LOG_ERROR, "nobody's");
    assert_string_equal(tc_test_client_problems(client), "not expected: E nobody's\n");
    assert_string_equal(tc_test_client_problems(second), "not expected: E nobody's\n");
    assert_log("nobody's");
    tc_test_client_free(second);
}

static void no_line_is_dropped_for_its_rate(void **state) {
    (void)state;
    build();
    for (int i = 0; i < 20; i++)
        tc_test_client_expect_log(client, TC_LOG_ERROR, "GET /fail");
    for (int i = 0; i < 20; i++)
        ask("/fail");
    assert_null(tc_test_client_problems(client));
}

static void without_a_callback_lines_are_seen_all_the_same(void **state) {
    (void)state;
    build();
    tc_set_log_callback(NULL, NULL);
    ask("/warn");
    tc_set_log_callback(keep_line, NULL);
    assert_string_equal(tc_test_client_problems(client), "not expected: W careful\n");
    assert_string_equal(take_line(), "");
}

static void a_client_complains_of_what_did_not_come(void **state) {
    (void)state;
    build();
    tc_test_client_expect_log(client, TC_LOG_WARNING, "careful");
    stop_serving();
    assert_log("E general: the test client is freed, but this was expected in the log: W careful");
    tc_logf(NULL, TC_LOG_WARNING, "after");
    assert_log("after");
}

static void more_problems_than_fit_are_cut_at_a_line(void **state) {
    (void)state;
    char text[2000];
    build();
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 40; i++) {
        tc_logf(NULL, TC_LOG_WARNING, "%.*s", (int)sizeof text, text);
        forget_log();
    }
    const char *problems = tc_test_client_problems(client);
    size_t len = strlen(problems);
    assert_true(len > 60000 && len < 66000);
    assert_string_equal(problems + len - 12, "\n(and more)\n");
    assert_null(tc_test_client_problems(client));
}

static void what_cannot_be_expected_is_refused(void **state) {
    (void)state;
    build();
    assert_int_equal(tc_test_client_expect_log(client, TC_LOG_SILENT, "x"), TC_EINVAL);
    assert_log("no level of a line");
    assert_int_equal(tc_test_client_expect_log(client, TC_LOG_ERROR, NULL), TC_EINVAL);
    assert_log("the text, is NULL");
    assert_int_equal(tc_test_client_expect_log(NULL, TC_LOG_ERROR, "x"), TC_EINVAL);
    assert_log("is NULL");
    assert_string_equal(tc_test_client_problems(NULL), "the test client is NULL\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(what_is_expected_comes_and_is_kept_from_the_log),
        WEB_TEST(what_nobody_expects_is_a_problem_and_in_the_log),
        WEB_TEST(what_does_not_come_is_a_problem_once),
        WEB_TEST(a_line_is_expected_once_by_level_and_part),
        WEB_TEST(infos_may_be_expected_where_the_level_lets_them_pass),
        WEB_TEST(threads_count_too),
        WEB_TEST(lines_belong_to_the_client_of_their_loop),
        WEB_TEST(no_line_is_dropped_for_its_rate),
        WEB_TEST(without_a_callback_lines_are_seen_all_the_same),
        WEB_TEST(a_client_complains_of_what_did_not_come),
        WEB_TEST(more_problems_than_fit_are_cut_at_a_line),
        WEB_TEST(what_cannot_be_expected_is_refused),
    };
    return cmocka_run_group_tests_name("test_log", tests, watch_web, NULL);
}
