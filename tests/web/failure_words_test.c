/* failure_words_test.c - negative outcomes in the log: the code's meaning, and the words of whoever failed. */
#include "web/web_test.h"

#include "util/error_internal.h"

#define FAILED "E application: %s %s (127.0.0.1): the handler failed: %s"

static void assert_failed(const char *method, const char *path, const char *text) {
    char line[600];
    snprintf(line, sizeof line, FAILED, method, path, text);
    assert_string_equal(take_line(), line);
}

/* ---- Each callback ---- */

static int fails(tc_request_t *req) {
    (void)req;
    return tc__fail(TC_EPROTO, "the words");
}

static int fails_with_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)chunk;
    return fails(req);
}

static int fails_with_part(tc_request_t *req, tc_http_file_t *part) {
    (void)part;
    return fails(req);
}

static int fails_with_bytes_of_part(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk) {
    (void)part, (void)chunk;
    return fails(req);
}

static int goes_to_callback(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    return tc_part_set_sink(part, TC_PART_CALLBACK);
}

static int takes(tc_request_t *req, tc_bytes_t chunk) {
    (void)req, (void)chunk;
    return 0;
}

static int fails_then(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    return fails(req);
}

static int waits_and_fails(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10), fails_then, NULL);
}

static int waits_for_a_failed_future(tc_request_t *req) {
    tc_future_t *future = tc_future_new(NULL);
    tc_future_set_error(future, TC_EPROTO, "the words");
    return tc_then(req, future, NULL, NULL);
}

static int fails_when_posted(tc_request_t *req, void *arg) {
    (void)arg;
    return fails(req);
}

static int posts(tc_request_t *req) {
    tc_deferred_t *token = tc_defer(req);
    TC_TRY(tc_deferred_post(token, fails_when_posted, NULL));
    tc_deferred_unref(token);
    return TC_DETACH;
}

static int answers(tc_request_t *req) {
    return tc_write(req, "fine");
}

#define FORM_TYPE "multipart/form-data; boundary=b"
#define FORM_BODY "--b\r\nContent-Disposition: form-data; name=f; filename=n\r\n\r\ntext\r\n--b--\r\n"

static void each_callback_that_fails_is_logged_with_its_words(void **state) {
    (void)state;
    const struct {
        const char *why;
        tc_request_handler_t handler;
        const char *type, *body;
    } callbacks[] = {
        { "set_default_headers", { .post = answers, .set_default_headers = fails }, NULL, "" },
        { "initialize", { .post = answers, .initialize = fails }, NULL, "" },
        { "admit", { .post = answers, .admit = fails }, NULL, "" },
        { "prepare", { .post = answers, .prepare = fails }, NULL, "" },
        { "the method", { .post = fails }, NULL, "" },
        { "the method, at the end of the chain", { .post = fails, .prepare = answers }, NULL, "" },
        { "data_received",
          { .post = answers, .body = TC_BODY_STREAM, .data_received = fails_with_chunk },
          "text/plain",
          "some" },
        { "the method, after a stream",
          { .post = fails, .body = TC_BODY_STREAM, .data_received = takes },
          "text/plain",
          "some" },
        { "part_begin",
          { .post = answers, .body = TC_BODY_FORM, .part_begin = fails_with_part },
          FORM_TYPE,
          FORM_BODY },
        { "part_received",
          { .post = answers,
            .body = TC_BODY_FORM,
            .part_begin = goes_to_callback,
            .part_received = fails_with_bytes_of_part },
          FORM_TYPE,
          FORM_BODY },
        { "part_end", { .post = answers, .body = TC_BODY_FORM, .part_end = fails_with_part }, FORM_TYPE, FORM_BODY },
        { "tc_then's function", { .post = waits_and_fails }, NULL, "" },
        { "a future without one", { .post = waits_for_a_failed_future }, NULL, "" },
        { "tc_then's function, in prepare", { .post = answers, .prepare = waits_and_fails }, NULL, "" },
        { "tc_deferred_post's function", { .post = posts }, NULL, "" },
    };
    for (size_t i = 0; i < COUNT(callbacks); i++) {
        char path[8];
        snprintf(path, sizeof path, "/%zu", i);
        route(path, &callbacks[i].handler);
    }
    for (size_t i = 0; i < COUNT(callbacks); i++) {
        char path[8];
        snprintf(path, sizeof path, "/%zu", i);
        const char *text = ask_with(
            path, FETCH(.method = "POST", .body = tc_str(callbacks[i].body), .content_type = callbacks[i].type));
        if (strcmp(text, page(500, "Internal Server Error", NULL)) != 0)
            fail_msg("%s: %s", callbacks[i].why, text);
        assert_failed("POST", path, "protocol broken by the peer: the words");
        forget_log(); /* set_default_headers fails once more */
    }
}

/* ---- Coroutines ---- */

static int awaits_and_fails(tc_request_t *req) {
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return fails(req);
}

static int awaits_a_failure(tc_request_t *req) {
    (void)req;
    tc_future_t *future = tc_future_new(NULL);
    tc_future_set_error(future, TC_EPROTO, "the words");
    return tc_await(future, NULL);
}

static int fail_later(void *arg) {
    (void)arg;
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return tc__fail(TC_EPROTO, "the words");
}

static int fails_once_another_has(tc_request_t *req) {
    return tc_await(tc_spawn(tc_loop(req), fail_later, NULL), NULL);
}

static int sleeps_in_executor(void *arg, void **out) {
    (void)arg, (void)out;
    return -EIO;
}

static int awaits_the_executor(tc_request_t *req) {
    (void)req;
    return tc_await(tc_run_in_executor(NULL, sleeps_in_executor, NULL, NULL), NULL);
}

static void coroutines_that_fail_are_logged_with_their_words(void **state) {
    (void)state;
    if (!tornadoc_has("coroutines"))
        skip();
    route("/at-once", HANDLER(.get = fails, .flags = TC_COROUTINE));
    route("/later", HANDLER(.get = awaits_and_fails, .flags = TC_COROUTINE));
    route("/awaited", HANDLER(.get = awaits_a_failure, .flags = TC_COROUTINE));
    route("/prepare", HANDLER(.get = answers, .prepare = awaits_and_fails, .flags = TC_COROUTINE));
    route("/spawned", HANDLER(.get = fails_once_another_has, .flags = TC_COROUTINE));
    const char *const paths[] = { "/at-once", "/later", "/awaited", "/prepare", "/spawned" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        ask(paths[i]);
        assert_failed("GET", paths[i], "protocol broken by the peer: the words");
    }
}

static void a_failure_without_words_says_its_code_once(void **state) {
    (void)state;
    if (!tornadoc_has("coroutines"))
        skip();
    route("/", HANDLER(.get = awaits_the_executor, .flags = TC_COROUTINE));
    ask("/");
    assert_failed("GET", "/", "i/o error");
}

/* ---- Whose words ---- */

static int fails_without_words(tc_request_t *req) {
    (void)req;
    return TC_EPROTO;
}

static int gets_over_a_failure(tc_request_t *req) {
    tc__fail(TC_EPROTO, "of another request");
    return tc_write(req, "all the same");
}

static int fails_otherwise(tc_request_t *req) {
    (void)req;
    tc__fail(TC_EPROTO, "of what went before");
    return -EIO;
}

static int waits_and_fails_without_words_then(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    return fails_without_words(req);
}

static int waits_and_fails_without_words(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10), waits_and_fails_without_words_then, NULL);
}

static int awaits_and_fails_without_words(tc_request_t *req) {
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return fails_without_words(req);
}

static void the_words_of_another_request_are_none_of_its_own(void **state) {
    (void)state;
    route("/other", HANDLER(.get = gets_over_a_failure));
    route("/method", HANDLER(.get = fails_without_words));
    route("/prepare", HANDLER(.get = answers, .prepare = fails_without_words));
    route("/then", HANDLER(.get = waits_and_fails_without_words));
    const char *paths[4] = { "/method", "/prepare", "/then" };
    if (tornadoc_has("coroutines")) {
        paths[3] = "/await";
        route("/await", HANDLER(.get = awaits_and_fails_without_words, .flags = TC_COROUTINE));
    }
    for (size_t i = 0; i < COUNT(paths) && paths[i]; i++) {
        assert_ask("/other", "200 all the same");
        int id = start(paths[i], NULL);
        assert_ask("/other", "200 all the same");
        tc_test_client_advance(client, 10);
        assert_string_equal(answered(id), page(500, "Internal Server Error", NULL));
        assert_failed("GET", paths[i], "protocol broken by the peer");
    }
}

/* ---- Transforms ---- */

static int begin_fails(tc_request_t *req, void *data, int64_t size) {
    (void)req, (void)data, (void)size;
    return tc__fail(TC_EPROTO, "the words");
}

static int begin_fails_without_words(tc_request_t *req, void *data, int64_t size) {
    (void)req, (void)data, (void)size;
    return TC_EINVAL;
}

static int gets_over_a_bad_argument(tc_request_t *req) {
    tc__fail(TC_EINVAL, "of another request");
    return tc_write(req, "all the same");
}

static void a_transform_that_fails_is_logged_with_its_words_and_no_others(void **state) {
    (void)state;
    const tc_output_transform_t tells = { .name = "tells", .begin = begin_fails };
    const tc_output_transform_t says_nothing = { .name = "silent", .begin = begin_fails_without_words };
    route("/other", HANDLER(.get = gets_over_a_bad_argument));
    route("/tells", HANDLER(.get = answers, .transform = &tells));
    route("/silent", HANDLER(.get = answers, .transform = &says_nothing));
    ask("/tells");
    assert_failed("GET", "/tells", "protocol broken by the peer: output transform tells: the words");
    ask("/other");
    ask("/silent");
    assert_failed("GET", "/silent", "invalid argument: output transform silent");
}

static int begin_has_a_bad_argument(tc_request_t *req, void *data, int64_t size) {
    (void)data, (void)size;
    tc_set_header(req, "bad name", "x"); /* nobody looks at it */
    return 0;
}

static int missing(tc_request_t *req) {
    (void)req;
    return 404;
}

static void a_page_that_goes_without_a_transform_says_why_in_its_words(void **state) {
    (void)state;
    const tc_output_transform_t tells = { .name = "tells", .begin = begin_fails };
    const tc_output_transform_t writes = { .name = "writes", .begin = begin_has_a_bad_argument };
    route("/tells", HANDLER(.get = missing, .transform = &tells));
    route("/writes", HANDLER(.get = missing, .transform = &writes));
    assert_ask("/tells", page(404, "Not Found", NULL));
    assert_string_equal(take_line(), "W application: GET /tells: the page of an error goes without tells: protocol "
                                     "broken by the peer: the words");
    assert_ask("/writes", page(404, "Not Found", NULL));
    assert_log("W application: GET /writes: the page of an error goes without writes: invalid argument: "
               "header name \"bad name\"");
    forget_log();
}

static void the_words_of_another_code_are_left_out(void **state) {
    (void)state;
    route("/", HANDLER(.get = fails_otherwise));
    ask("/");
    assert_failed("GET", "/", "i/o error");
}

static int keeps_a_failure(tc_request_t *req) {
    tc_set_header(req, "bad name", "x"); /* nobody looks at it */
    tc__fail(TC_EINVAL, "of what came later");
    return tc_write(req, "text");
}

static void the_words_of_a_verb_that_failed_are_kept(void **state) {
    (void)state;
    route("/", HANDLER(.get = keeps_a_failure));
    ask("/");
    assert_log("the handler failed: invalid argument: header name \"bad name\": only letters");
}

static int fails_with_a_code_of_its_own(tc_request_t *req) {
    (void)req;
    return -50000;
}

static void a_code_that_nobody_knows_is_logged_as_its_number(void **state) {
    (void)state;
    route("/", HANDLER(.get = fails_with_a_code_of_its_own));
    ask("/");
    assert_failed("GET", "/", "unknown error -50000");
}

static int write_error_fails(tc_request_t *req, int status) {
    (void)status;
    return fails(req);
}

static void an_error_page_that_fails_is_logged_with_its_words(void **state) {
    (void)state;
    route("/", HANDLER(.get = fails_without_words, .write_error = write_error_fails));
    assert_ask("/", page(500, "Internal Server Error", NULL));
    assert_failed("GET", "/", "protocol broken by the peer");
    assert_string_equal(take_line(),
                        "E application: GET /: write_error failed: protocol broken by the peer: the words");
}

static int default_headers_fail(tc_request_t *req) {
    return tc_set_header(req, "bad name", "x");
}

static void default_headers_that_fail_are_logged_with_their_words(void **state) {
    (void)state;
    route("/", HANDLER(.get = fails_without_words, .set_default_headers = default_headers_fail));
    assert_ask("/", page(500, "Internal Server Error", NULL));
    assert_log("the handler failed: invalid argument: header name \"bad name\": only letters");
    assert_log("set_default_headers failed: invalid argument: header name \"bad name\": only letters");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(each_callback_that_fails_is_logged_with_its_words),
        WEB_TEST(coroutines_that_fail_are_logged_with_their_words),
        WEB_TEST(a_failure_without_words_says_its_code_once),
        WEB_TEST(the_words_of_another_request_are_none_of_its_own),
        WEB_TEST(a_transform_that_fails_is_logged_with_its_words_and_no_others),
        WEB_TEST(a_page_that_goes_without_a_transform_says_why_in_its_words),
        WEB_TEST(the_words_of_another_code_are_left_out),
        WEB_TEST(the_words_of_a_verb_that_failed_are_kept),
        WEB_TEST(a_code_that_nobody_knows_is_logged_as_its_number),
        WEB_TEST(an_error_page_that_fails_is_logged_with_its_words),
        WEB_TEST(default_headers_that_fail_are_logged_with_their_words),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
