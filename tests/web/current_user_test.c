/* current_user_test.c - who asks, the way to the login and back, and nowhere else. */
#include "web/web_test.h"

static char zoe[] = "Zoe";

/* "X-User: Zoe" says who asks. */
static void *user_by_field(tc_request_t *req) {
    note("asked ");
    return tc_header(req, "X-User") ? zoe : NULL;
}

static int greets(tc_request_t *req) {
    const char *user = tc_current_user(req);
    return tc_writef(req, "hello %s", user ? user : "nobody");
}

static int greets_twice(tc_request_t *req) {
    tc_current_user(req);
    return greets(req);
}

static int does_not_ask(tc_request_t *req) {
    return tc_write(req, "hello");
}

static const char *ask_as_zoe(const char *path) {
    return ask_with(path, FETCH(.headers = HEADERS("X-User", "Zoe")));
}

static void a_user_is_found_when_asked_for_and_once(void **state) {
    (void)state;
    route("/", HANDLER(.get = greets_twice, .get_current_user = user_by_field));
    route("/unasked", HANDLER(.get = does_not_ask, .get_current_user = user_by_field));
    assert_string_equal(ask_as_zoe("/"), "200 hello Zoe");
    assert_string_equal(noted(), "asked ");
    assert_string_equal(ask("/"), "200 hello nobody");
    assert_string_equal(noted(), "asked ");
    assert_string_equal(ask("/unasked"), "200 hello");
    assert_string_equal(noted(), "");
}

static void without_a_hook_nobody_is_there(void **state) {
    (void)state;
    route("/", HANDLER(.get = greets));
    assert_string_equal(ask_as_zoe("/"), "200 hello nobody");
    assert_null(tc_current_user(NULL));
    tc_set_current_user(NULL, zoe);
}

static void the_hook_is_inherited(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .base = HANDLER(.get_current_user = user_by_field) });
    route("/", HANDLER(.get = greets));
    assert_string_equal(ask_as_zoe("/"), "200 hello Zoe");
    noted();
}

/* ---- Users that are found out in admit ---- */

static int found(tc_request_t *req, tc_future_t *future, void *arg) {
    TC_TRY(tc_future_status(future));
    tc_set_current_user(req, arg);
    return 0;
}

static int looks_it_up(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10), found, tc_header(req, "X-User") ? zoe : NULL);
}

static void a_user_may_be_found_out_in_admit_after_some_waiting(void **state) {
    (void)state;
    route("/",
          HANDLER(.get = greets, .admit = looks_it_up, .get_current_user = user_by_field, .flags = TC_LOGIN_REQUIRED));
    assert_string_equal(ask_as_zoe("/"), "200 hello Zoe");
    assert_string_equal(ask("/"), "403 <html><title>403: Forbidden</title><body>403: nobody is logged "
                                  "in</body></html>");
    assert_string_equal(noted(), ""); /* nothing else was asked */
    assert_log("403 GET / (127.0.0.1): nobody is logged in");
}

static int looks_it_up_awaiting(tc_request_t *req) {
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    tc_set_current_user(req, tc_header(req, "X-User") ? zoe : NULL);
    return 0;
}

static void a_user_may_be_awaited(void **state) {
    (void)state;
    if (!tornadoc_has("coroutines"))
        skip();
    use_options(&(tc_application_options_t){ .login_url = "/login", .xsrf_cookies = true });
    route("/", HANDLER(.get = greets, .post = greets, .admit = looks_it_up_awaiting,
                       .flags = TC_LOGIN_REQUIRED | TC_COROUTINE));
    assert_string_equal(ask_as_zoe("/"), "200 hello Zoe");
    assert_int_equal(tc_http_response_status(tc_test_client_fetch(client, "/", NULL)), 302);
    assert_int_equal(tc_http_response_status(tc_test_client_fetch(client, "/", FETCH(.method = "POST"))), 403);
    assert_log("the XSRF cookie is missing");
}

/* ---- Login required ---- */

static const char *login_url = "/login";

static void use_login(void) {
    use_options(&(tc_application_options_t){ .login_url = login_url });
    route("/{x:*}", HANDLER(.any = greets, .get = greets, .post = greets, .get_current_user = user_by_field,
                            .flags = TC_LOGIN_REQUIRED));
    serve();
}

static const char *sent_to(const char *path, const tc_fetch_options_t *options) {
    const tc_http_response_t *response = tc_test_client_fetch(client, path, options);
    const char *location = tc_http_response_header(response, "Location");
    noted();
    return tc_http_response_status(response) == 302 && location ? location : "";
}

static void who_is_logged_in_gets_through(void **state) {
    (void)state;
    use_login();
    assert_string_equal(ask_as_zoe("/private"), "200 hello Zoe");
    assert_string_equal(noted(), "asked ");
}

static void get_and_head_are_sent_to_the_login(void **state) {
    (void)state;
    use_login();
    assert_string_equal(sent_to("/private?a=1&b=%20", NULL), "/login?next=%2Fprivate%3Fa%3D1%26b%3D%2520");
    assert_string_equal(sent_to("/private", FETCH(.method = "HEAD")), "/login?next=%2Fprivate");
}

static void other_methods_are_refused_before_their_body_is_read(void **state) {
    (void)state;
    use_login();
    const char *const methods[] = { "POST", "PUT", "DELETE", "PATCH", "OPTIONS" };
    for (size_t i = 0; i < COUNT(methods); i++) {
        assert_string_equal(ask_with("/private", FETCH(.method = methods[i])),
                            "403 <html><title>403: Forbidden</title><body>403: nobody is logged in</body></html>");
        assert_log("nobody is logged in");
    }
    noted();
}

static void a_login_url_with_arguments_is_left_alone(void **state) {
    (void)state;
    login_url = "/login?from=here";
    use_login();
    assert_string_equal(sent_to("/private", NULL), "/login?from=here");
    login_url = "/login";
}

static void to_a_login_on_another_host_the_way_back_is_whole(void **state) {
    (void)state;
    login_url = "https://login.example.com/";
    use_login();
    assert_string_equal(sent_to("/private?a", FETCH(.headers = HEADERS("Host", "app.example.com:8080"))),
                        "https://login.example.com/?next=http%3A%2F%2Fapp.example.com%3A8080%2Fprivate%3Fa");
    login_url = "/login";
}

static void the_way_back_never_begins_with_two_slashes(void **state) {
    (void)state;
    use_login();
    assert_string_equal(sent_to("//evil.example/x", NULL), "/login?next=%2Fevil.example%2Fx");
    assert_string_equal(sent_to("////evil.example", NULL), "/login?next=%2Fevil.example");
    assert_string_equal(sent_to("/\\evil.example", NULL), "/login?next=%2Fevil.example");
    assert_string_equal(sent_to("/\\/evil.example", NULL), "/login?next=%2Fevil.example");
}

/* ---- And back ---- */

static int goes_on(tc_request_t *req) {
    return tc_write(req, tc_get_next_url(req, "/home"));
}

static void next_is_a_path_of_this_host_or_nothing(void **state) {
    (void)state;
    static const struct {
        const char *query, *next;
    } cases[] = {
        { "next=/private", "200 /private" },
        { "next=%2Fprivate%3Fa%3D1", "200 /private?a=1" },
        { "next=/", "200 /" },
        { "next=/a//b", "200 /a//b" },
        { "", "200 /home" },
        { "next=", "200 /home" },
        { "next=private", "200 /home" },
        { "next=//evil.example", "200 /home" },
        { "next=/%5Cevil.example", "200 /home" },
        { "next=%5C/evil.example", "200 /home" },
        { "next=/a%5Cb", "200 /home" },
        { "next=/%09/evil.example", "200 /home" },
        { "next=/%0A/evil.example", "200 /home" },
        { "next=%09//evil.example", "200 /home" },
        { "next=+//evil.example", "200 /home" },
        { "next=/%7F", "200 /home" },
        { "next=https://evil.example/", "200 /home" },
        { "next=javascript:alert(1)", "200 /home" },
        { "next=/good&next=//evil.example", "200 /home" },
    };
    route("/", HANDLER(.get = goes_on));
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[100];
        snprintf(path, sizeof path, "/?%s", cases[i].query);
        assert_string_equal(ask(path), cases[i].next);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_user_is_found_when_asked_for_and_once),
        WEB_TEST(without_a_hook_nobody_is_there),
        WEB_TEST(the_hook_is_inherited),
        WEB_TEST(a_user_may_be_found_out_in_admit_after_some_waiting),
        WEB_TEST(a_user_may_be_awaited),
        WEB_TEST(who_is_logged_in_gets_through),
        WEB_TEST(get_and_head_are_sent_to_the_login),
        WEB_TEST(other_methods_are_refused_before_their_body_is_read),
        WEB_TEST(a_login_url_with_arguments_is_left_alone),
        WEB_TEST(to_a_login_on_another_host_the_way_back_is_whole),
        WEB_TEST(the_way_back_never_begins_with_two_slashes),
        WEB_TEST(next_is_a_path_of_this_host_or_nothing),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
