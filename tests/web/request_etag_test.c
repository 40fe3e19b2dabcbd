/* request_etag_test.c - validators of what handlers make: of the whole body, or as the handler knows them. */
#include "web/web_test.h"

#define HELLO_TAG "\"2cf24dba5fb0a30e26e83b2ac5b9e29e\""

static int hello(tc_request_t *req) {
    tc_write(req, "hel");
    return tc_write_borrowed(req, tc_str("lo"));
}

static int nothing(tc_request_t *req) {
    (void)req;
    return 0;
}

static int own_tag(tc_request_t *req) {
    tc_set_header(req, "ETag", "W/\"own\"");
    return tc_write(req, "own");
}

static int flushed(tc_request_t *req) {
    tc_write(req, "hel");
    tc_flush(req);
    return tc_write(req, "lo");
}

static int created(tc_request_t *req) {
    tc_set_status(req, 201);
    return tc_write(req, "hello");
}

static int missing(tc_request_t *req) {
    return tc_http_error(req, 404, NULL);
}

static void serve_tagged(void) {
    tc_router_t *group = tc_application_group(app, "", HANDLER(.flags = TC_ETAG));
    tc_router_add(group, "/", HANDLER(.get = hello, .post = hello), NULL);
    tc_router_add(group, "/nothing", HANDLER(.get = nothing), NULL);
    tc_router_add(group, "/own", HANDLER(.get = own_tag), NULL);
    tc_router_add(group, "/flushed", HANDLER(.get = flushed), NULL);
    tc_router_add(group, "/created", HANDLER(.get = created), NULL);
    tc_router_add(group, "/missing", HANDLER(.get = missing), NULL);
    tc_application_add(app, "/plain", HANDLER(.get = hello), NULL);
}

static void a_whole_answer_gets_a_digest_of_its_body(void **state) {
    (void)state;
    serve_tagged();
    assert_string_equal(header("/", NULL, "ETag"), HELLO_TAG);
    assert_string_equal(header("/", FETCH(.method = "HEAD"), "ETag"), HELLO_TAG);
    assert_string_equal(header("/nothing", NULL, "ETag"), "\"e3b0c44298fc1c149afbf4c8996fb924\"");
    assert_string_equal(header("/own", NULL, "ETag"), "W/\"own\"");
}

static void other_answers_get_none(void **state) {
    (void)state;
    serve_tagged();
    assert_string_equal(header("/plain", NULL, "ETag"), "(none)");
    assert_string_equal(header("/flushed", NULL, "ETag"), "(none)");
    assert_string_equal(header("/created", NULL, "ETag"), "(none)");
    assert_string_equal(header("/missing", NULL, "ETag"), "(none)");
    assert_string_equal(header("/", FETCH(.method = "POST"), "ETag"), "(none)");
}

static const char *ask_if(const char *path, const char *name, const char *value) {
    return ask_with(path, FETCH(.headers = HEADERS(name, value)));
}

static void who_has_the_answer_is_told_so(void **state) {
    (void)state;
    serve_tagged();
    assert_string_equal(ask_if("/", "If-None-Match", HELLO_TAG), "304 ");
    assert_string_equal(ask_if("/", "If-None-Match", "\"x\", W/" HELLO_TAG), "304 ");
    assert_string_equal(ask_if("/", "If-None-Match", "*"), "304 ");
    assert_string_equal(ask_if("/", "If-None-Match", "\"x\""), "200 hello");
    assert_string_equal(ask_if("/own", "If-None-Match", "\"own\""), "304 ");
    assert_string_equal(ask_if("/plain", "If-None-Match", HELLO_TAG), "200 hello");
    assert_string_equal(ask_if("/flushed", "If-None-Match", HELLO_TAG), "200 hello");
    assert_string_equal(ask_if("/missing", "If-None-Match", "*"), page(404, "Not Found", NULL));
    assert_string_equal(ask_with("/", FETCH(.method = "POST", .headers = HEADERS("If-None-Match", HELLO_TAG))),
                        "200 hello");
    assert_string_equal(header("/", FETCH(.headers = HEADERS("If-None-Match", HELLO_TAG)), "ETag"), HELLO_TAG);
    assert_string_equal(header("/", FETCH(.headers = HEADERS("If-None-Match", HELLO_TAG)), "Content-Type"), "(none)");
}

static void who_wants_another_is_refused(void **state) {
    (void)state;
    serve_tagged();
    assert_string_equal(ask_if("/", "If-Match", HELLO_TAG), "200 hello");
    assert_string_equal(ask_if("/", "If-Match", "\"x\""), page(412, "Precondition Failed", NULL));
}

/* ---- What the handler knows ---- */

static int work_done;

static int shows_version(tc_request_t *req) {
    tc_write(req, "thrown away ");
    TC_TRY(tc_check_conditions(req, "\"v7\"", 784111777));
    work_done++;
    return tc_write(req, "version 7");
}

static int saves(tc_request_t *req) {
    TC_TRY(tc_check_conditions(req, "\"v7\"", 0));
    work_done++;
    return tc_set_status(req, 204);
}

static int bad_tag(tc_request_t *req) {
    return tc_check_conditions(req, "v7", 0);
}

static int no_validators(tc_request_t *req) {
    TC_TRY(tc_check_conditions(req, NULL, 0));
    return tc_write(req, "anything");
}

static void serve_versions(void) {
    work_done = 0;
    route("/", HANDLER(.get = shows_version, .put = saves));
    route("/bad", HANDLER(.get = bad_tag));
    route("/none", HANDLER(.get = no_validators));
    if (tornadoc_has("coroutines"))
        route("/coroutine", HANDLER(.get = shows_version, .flags = TC_COROUTINE));
}

static void a_handler_that_knows_a_version_does_no_work_for_who_has_it(void **state) {
    (void)state;
    serve_versions();
    assert_string_equal(ask_if("/", "If-None-Match", "\"v7\""), "304 ");
    assert_string_equal(ask_if("/", "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), "304 ");
    assert_string_equal(ask_by("HEAD", "/"), "200 ");
    if (tornadoc_has("coroutines"))
        assert_string_equal(ask_if("/coroutine", "If-None-Match", "\"v7\""), "304 ");
    assert_int_equal(work_done, 1);
    assert_string_equal(ask_if("/", "If-None-Match", "\"v6\""), "200 thrown away version 7");
    assert_string_equal(header("/", NULL, "ETag"), "\"v7\"");
    assert_string_equal(header("/", NULL, "Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void nobody_saves_over_a_version_that_he_has_not_seen(void **state) {
    (void)state;
    serve_versions();
    tc_fetch_options_t put = { .method = "PUT", .headers = HEADERS("If-Match", "\"v6\"") };
    assert_string_equal(ask_with("/", &put), page(412, "Precondition Failed", NULL));
    put.headers = HEADERS("If-None-Match", "*");
    assert_string_equal(ask_with("/", &put), page(412, "Precondition Failed", NULL));
    assert_int_equal(work_done, 0);
    put.headers = HEADERS("If-Match", "\"v7\"");
    assert_string_equal(ask_with("/", &put), "204 ");
    assert_int_equal(work_done, 1);
}

static void conditions_on_what_has_no_validators(void **state) {
    (void)state;
    serve_versions();
    assert_ask("/none", "200 anything");
    assert_string_equal(ask_if("/none", "If-None-Match", "\"x\""), "200 anything");
    assert_string_equal(ask_if("/none", "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), "200 anything");
    assert_string_equal(ask_if("/none", "If-Match", "\"x\""), page(412, "Precondition Failed", NULL));
}

static void a_tag_without_quotes_is_a_misuse(void **state) {
    (void)state;
    serve_versions();
    assert_ask("/bad", page(500, "Internal Server Error", NULL));
    forget_log();
    assert_int_equal(tc_check_conditions(NULL, NULL, 0), TC_EINVAL);
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_whole_answer_gets_a_digest_of_its_body),
        WEB_TEST(other_answers_get_none),
        WEB_TEST(who_has_the_answer_is_told_so),
        WEB_TEST(who_wants_another_is_refused),
        WEB_TEST(a_handler_that_knows_a_version_does_no_work_for_who_has_it),
        WEB_TEST(nobody_saves_over_a_version_that_he_has_not_seen),
        WEB_TEST(conditions_on_what_has_no_validators),
        WEB_TEST(a_tag_without_quotes_is_a_misuse),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
