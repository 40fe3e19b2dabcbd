/* request_form_test.c - forms of type multipart/form-data: their fields as arguments, their files. */
#include "web/web_test.h"

static int (*look)(tc_request_t *req);

static int looks(tc_request_t *req) {
    return look(req);
}

static void look_with(int (*fn)(tc_request_t *req)) {
    look = fn;
    if (app)
        route("/", HANDLER(.any = looks));
}

#define TYPE "multipart/form-data; boundary=b"
#define PART(disposition, data) "--b\r\nContent-Disposition: form-data; " disposition "\r\n\r\n" data "\r\n"
#define FIELD(name, value) PART("name=\"" name "\"", value)
#define UPLOAD(name, filename, data) PART("name=\"" name "\"; filename=\"" filename "\"", data)
#define END "--b--\r\n"

static const char *form_at(const char *path, const char *body) {
    return ask_with(path, FETCH(.body = tc_str(body), .content_type = TYPE));
}

static const char *form(const char *body) {
    return form_at("/", body);
}

/* "field name raw_name content_type (body)" of one file after another */
static int says_files_of(tc_request_t *req, const char *field) {
    const tc_http_file_t *const *files;
    size_t count = tc_get_files(req, field, &files);
    tc_writef(req, "%zu", count);
    for (size_t i = 0; i < count; i++)
        tc_writef(req, "; %s %s %s %s (" TC_FMT ")", tc_http_file_field(files[i]), tc_http_file_name(files[i]),
                  tc_http_file_raw_name(files[i]), tc_http_file_content_type(files[i]),
                  TC_ARG(tc_http_file_body(files[i])));
    return 0;
}

static int says_files(tc_request_t *req) {
    return says_files_of(req, NULL);
}

static int says_files_f(tc_request_t *req) {
    return says_files_of(req, "f");
}

static int says_last_f(tc_request_t *req) {
    const tc_http_file_t *file = tc_get_file(req, "f");
    return tc_writef(req, "%s (" TC_FMT ")", file ? tc_http_file_name(file) : "none", TC_ARG(tc_http_file_body(file)));
}

static int says_a(tc_request_t *req) {
    return tc_writef(req, "(%s)", tc_get_argument(req, "a", "none"));
}

/* ---- Fields ---- */

static const struct {
    const char *why, *path, *body, *answer;
} fields[] = {
    { "one", "/", FIELD("a", "1") END, "200 (1)" },
    { "none", "/", END, "200 (none)" },
    { "another", "/", FIELD("b", "1") END, "200 (none)" },
    { "the last wins", "/", FIELD("a", "1") FIELD("a", "2") END, "200 (2)" },
    { "the form's goes before the query's", "/?a=q", FIELD("a", "1") END, "200 (1)" },
    { "the query's if the form has none", "/?a=q", FIELD("b", "1") END, "200 (q)" },
    { "blank", "/", FIELD("a", "") END, "200 ()" },
    { "stripped", "/", FIELD("a", " \t\r\n x y\xc2\xa0\r\n") END, "200 (x y)" },
    { "control bytes are spaces", "/", FIELD("a", "x\001y\037.\002") END, "200 (x y .)" },
    { "lines stay", "/", FIELD("a", "x\r\ny") END, "200 (x\r\ny)" },
    { "not decoded", "/", FIELD("a", "%41+b") END, "200 (%41+b)" },
    { "UTF-8", "/", FIELD("a", "\xc3\xa4") END, "200 (\xc3\xa4)" },
    { "not UTF-8", "/", FIELD("a", "\xff") END, "400" },
    { "not UTF-8, but another is asked for", "/", FIELD("b", "\xff") END, "200 (none)" },
    { "begins like a boundary", "/", FIELD("a", "--c") END, "200 (--c)" },
    { "begins like half a boundary", "/", FIELD("a", "--") END, "200 (--)" },
    { "begins and ends with line ends", "/", FIELD("a", "\r\n--\r\n-x\r\n") END, "200 (--\r\n-x)" },
    { "a file is none", "/", UPLOAD("a", "x", "1") END, "200 (none)" },
    { "no file was chosen", "/", UPLOAD("a", "", "") END, "200 ()" },
    { "more before and behind the form", "/", "more\r\n" FIELD("a", "1") END "and more", "200 (1)" },
};

static void fields_are_arguments_like_any_other(void **state) {
    (void)state;
    look_with(says_a);
    for (size_t i = 0; i < COUNT(fields); i++) {
        const char *answer = form_at(fields[i].path, fields[i].body), *wanted = fields[i].answer;
        if (strncmp(answer, wanted, strlen(wanted)) != 0)
            fail_msg("%s: %s", fields[i].why, answer);
        forget_log();
    }
}

static void a_nul_in_a_field_is_a_space(void **state) {
    (void)state;
    static const char body[] = FIELD("a", "x\0y\0") END;
    look_with(says_a);
    assert_string_equal(ask_with("/", FETCH(.body = tc_bytes(body, sizeof(body) - 1), .content_type = TYPE)),
                        "200 (x y)");
}

static int says_all_a(tc_request_t *req) {
    const char *const *values;
    size_t count = tc_get_arguments(req, "a", &values);
    tc_writef(req, "%zu:", count);
    for (size_t i = 0; i < count; i++)
        tc_writef(req, " %s", values[i]);
    return tc_writef(req, " %s %s", tc_get_query_argument(req, "a", "-"), tc_get_body_argument(req, "a", "-"));
}

static void fields_come_behind_the_querys_in_order(void **state) {
    (void)state;
    look_with(says_all_a);
    assert_string_equal(
        form_at("/?a=1&b=x&a=2", FIELD("a", "3") UPLOAD("a", "x", "y") FIELD("b", "z") FIELD("a", "4") END),
        "200 4: 1 2 3 4 2 4");
    assert_string_equal(
        form(FIELD("a", "1") FIELD("a", "2") FIELD("a", "3") FIELD("a", "4") FIELD("a", "5") FIELD("a", "6") END),
        "200 6: 1 2 3 4 5 6 - 6");
}

static void the_type_is_of_any_case_and_no_other(void **state) {
    (void)state;
    static const struct {
        const char *type;
        bool form;
    } types[] = {
        { "multipart/form-data; boundary=b", true },   { "Multipart/FORM-data ;Boundary=\"b\"; charset=utf-8", true },
        { "multipart/form-datax; boundary=b", false }, { "multipart/mixed; boundary=b", false },
        { "text/plain; boundary=b", false },           { "application/x-www-form-urlencoded; boundary=b", false },
    };
    look_with(says_a);
    for (size_t i = 0; i < COUNT(types); i++)
        assert_string_equal(ask_with("/", FETCH(.body = tc_str(FIELD("a", "1") END), .content_type = types[i].type)),
                            types[i].form ? "200 (1)" : "200 (none)");
}

/* ---- Files ---- */

static void files_come_in_order_with_what_is_known_of_them(void **state) {
    (void)state;
    look_with(says_files);
    assert_string_equal(form(FIELD("a", "1") END), "200 0");
    assert_string_equal(form(UPLOAD("f", "a.txt", "text") FIELD("a", "1")
                                 PART("name=g; filename=\"b c.png\"\r\nContent-Type: image/png", "\r\n--c\r\n-b\r\n")
                                     UPLOAD("f", "empty", "") END),
                        "200 3; f a.txt a.txt application/octet-stream (text); "
                        "g b c.png b c.png image/png (\r\n--c\r\n-b\r\n); f empty empty application/octet-stream ()");
}

static void files_of_a_field_are_asked_for_by_its_name(void **state) {
    (void)state;
    static const char body[] = UPLOAD("f", "1", "x") UPLOAD("F", "2", "y") UPLOAD("g", "3", "z") UPLOAD("f", "4", "")
        END;
    look_with(says_files_f);
    assert_string_equal(form(body), "200 2; f 1 1 application/octet-stream (x); f 4 4 application/octet-stream ()");
    assert_string_equal(form(UPLOAD("g", "1", "x") END), "200 0");
    look_with(says_last_f);
    assert_string_equal(form(body), "200 4 ()");
    assert_string_equal(form(UPLOAD("g", "1", "x") END), "200 none ()");
    assert_string_equal(form(FIELD("f", "1") END), "200 none ()");
    assert_string_equal(form(UPLOAD("f", "", "") END), "200 none ()");
}

static void names_lead_nowhere_and_raw_names_are_as_sent(void **state) {
    (void)state;
    static const struct {
        const char *body, *answer;
    } names[] = {
        { UPLOAD("f", "../../etc/passwd", "") END, "passwd ../../etc/passwd" },
        { PART("name=f; filename=\"C:\\\\dir\\\\a.txt\"", "") END, "a.txt C:\\dir\\a.txt" },
        { UPLOAD("f", "..", "") END, "_ .." },
        { UPLOAD("f", "a/", "") END, "_ a/" },
        { PART("name=f; filename=x; filename*=UTF-8''na%C3%AFve%2F%C3%A4", "") END, "\xc3\xa4 na\xc3\xafve/\xc3\xa4" },
        { UPLOAD("f", "a%0D%0Ab%22", "") END, "ab\" a\r\nb\"" },
    };
    look_with(says_files);
    for (size_t i = 0; i < COUNT(names); i++) {
        char wanted[200];
        snprintf(wanted, sizeof(wanted), "200 1; f %s application/octet-stream ()", names[i].answer);
        assert_string_equal(form(names[i].body), wanted);
    }
}

static int says_whether_borrowed(tc_request_t *req) {
    tc_bytes_t body = tc_body(req), bytes = tc_http_file_body(tc_get_file(req, "f"));
    bool inside = bytes.data >= body.data && bytes.data + bytes.len <= body.data + body.len;
    return tc_writef(req, "%s %zu", inside ? "inside" : "elsewhere", bytes.len);
}

static void keeps_the_files_bytes(tc_request_t *req, int err) {
    (void)err;
    tc_bytes_t bytes = tc_http_file_body(tc_get_file(req, "f"));
    note("%zu %c", bytes.len, bytes.len ? bytes.data[bytes.len - 1] : '-');
}

static void a_files_bytes_are_the_bodys_until_on_finish(void **state) {
    (void)state;
    enum { SIZE = 300000 };
    static const char head[] = "--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n";
    char *body = malloc(sizeof(head) + SIZE + 20);
    memcpy(body, head, sizeof(head) - 1);
    for (size_t i = 0; i < SIZE; i++)
        body[sizeof(head) - 1 + i] = "\r\n--x"[i % 5]; /* as if a boundary began, again and again */
    memcpy(body + sizeof(head) - 1 + SIZE, "\r\n" END, sizeof("\r\n" END));
    look = says_whether_borrowed;
    route("/", HANDLER(.post = looks, .on_finish = keeps_the_files_bytes));
    assert_string_equal(form(body), "200 inside 300000");
    assert_string_equal(noted(), "300000 x");
    assert_string_equal(form(UPLOAD("f", "f", "") END), "200 inside 0");
    assert_string_equal(form(UPLOAD("f", "f", "--c!") END), "200 inside 4");
    assert_string_equal(noted(), "0 - 4 !");
    free(body);
}

/* ---- What is no form ---- */

static int asks_twice(tc_request_t *req) {
    tc_get_body_argument(req, "a", NULL);
    tc_get_file(req, "f");
    return tc_writef(req, "%d", tc_get_file(req, "f") != NULL);
}

static const struct {
    const char *type, *body, *message;
} bad_forms[] = {
    { "multipart/form-data", FIELD("a", "1") END, "multipart: no boundary in Content-Type" },
    { "multipart/form-data; boundary=", FIELD("a", "1") END, "multipart: " },
    { "multipart/form-data; boundary=\"<>\"", FIELD("a", "1") END, "multipart: the boundary in Content-Type is not" },
    { "multipart/form-data; boundary=b; boundary=c", FIELD("a", "1") END, "multipart: two boundaries" },
    { "multipart/form-data; boundary=\"b", FIELD("a", "1") END, "header value" },
    { "multipart/form-data; boundary=c", FIELD("a", "1") END, "multipart: the body ends before its last boundary" },
    { TYPE, FIELD("a", "1"), "multipart: the body ends before its last boundary" },
    { TYPE, UPLOAD("f", "x", "1") "--b\r\nContent-Dis", "multipart: the body ends before its last boundary" },
    { TYPE, UPLOAD("f", "x", "1") "--b\r\n\r\n" END, "multipart: a part without Content-Disposition" },
    { TYPE, UPLOAD("f", "x", "1") PART("filename=y", "2") END, "multipart: a part without a name" },
    { TYPE, UPLOAD("f", "x", "1") PART("name=\"\xff\"", "2") END, "multipart: a control byte or no UTF-8" },
    { TYPE, "a=1", "multipart: the body ends before its last boundary" },
};

static void a_bad_form_is_a_400_and_one_line_in_the_log(void **state) {
    (void)state;
    look_with(asks_twice);
    for (size_t i = 0; i < COUNT(bad_forms); i++) {
        const char *answer = ask_with("/", FETCH(.body = tc_str(bad_forms[i].body), .content_type = bad_forms[i].type));
        if (strncmp(answer, "400 ", 4) != 0 || !strstr(answer, bad_forms[i].message))
            fail_msg("%s, %s: %s", bad_forms[i].type, bad_forms[i].body, answer);
        assert_log("W general: 400 POST / (127.0.0.1): ");
        assert_string_equal(take_line(), "");
    }
}

static int says_hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static void nobody_asks_nobody_parses(void **state) {
    (void)state;
    look_with(says_hello);
    assert_string_equal(form("no form"), "200 hello");
}

static int takes_what_there_is(tc_request_t *req) {
    const tc_http_file_t *const *files;
    note("%s %zu", tc_get_query_argument(req, "a", "-"), tc_get_files(req, NULL, &files));
    note("%s", tc_get_body_argument(req, "a", "-"));
    return 0;
}

static void nothing_of_a_bad_form_is_given(void **state) {
    (void)state;
    look_with(takes_what_there_is);
    assert_int_equal(atoi(form_at("/?a=q", FIELD("a", "1") UPLOAD("f", "x", "1"))), 400);
    assert_string_equal(noted(), "q 0 -");
    assert_log("400 POST /?a=q");
}

static char *many_parts(size_t count, const char *part) {
    char *body = calloc(1, count * strlen(part) + sizeof(END));
    for (size_t i = 0; i < count; i++)
        memcpy(body + i * strlen(part), part, strlen(part));
    memcpy(body + count * strlen(part), END, sizeof(END));
    return body;
}

static void a_hundred_parts_are_enough(void **state) {
    (void)state;
    look_with(says_last_f);
    for (size_t count = 100; count <= 101; count++)
        for (int files = 0; files < 2; files++) {
            char *body = many_parts(count, files ? UPLOAD("f", "x", "y") : FIELD("f", "x"));
            const char *answer = form(body);
            if (count == 100)
                assert_string_equal(answer, files ? "200 x (y)" : "200 none ()");
            else {
                assert_string_equal(answer, page(400, "Bad Request", "multipart: more than 100 parts"));
                assert_log("multipart: more than 100 parts");
            }
            free(body);
        }
}

static void too_many_fields_are_a_400_as_of_any_form(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .max_arguments = 2 });
    look_with(says_a);
    assert_string_equal(form_at("/?b&b", FIELD("a", "1") UPLOAD("f", "x", "y") FIELD("a", "2") END), "200 (2)");
    assert_string_equal(form(FIELD("a", "1") FIELD("a", "2") FIELD("b", "3") END),
                        page(400, "Bad Request", "too many arguments"));
    assert_log("too many arguments");
}

/* ---- Without a form ---- */

static int tell_argument(tc_request_t *req) {
    return tc_write(req, tc_get_body_argument(req, "a", "none"));
}

static void an_urlencoded_form_beyond_its_limit_is_a_413(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .max_form_memory = 10 });
    route("/", HANDLER(.post = tell_argument));
    assert_string_equal(
        ask_with("/", FETCH(.body = tc_str("a=12345678"), .content_type = "application/x-www-form-urlencoded")),
        "200 12345678");
    assert_non_null(
        strstr(ask_with("/", FETCH(.body = tc_str("a=123456789"), .content_type = "application/x-www-form-urlencoded")),
               "413 "));
    assert_log("");
    forget_log();
}

static void a_request_without_a_body_has_no_files(void **state) {
    (void)state;
    static const char *const methods[] = { "GET", "HEAD", "POST", "DELETE" };
    look_with(says_files);
    for (size_t i = 0; i < COUNT(methods); i++) {
        tc_fetch_options_t options = { .method = methods[i], .headers = HEADERS("Content-Type", TYPE) };
        assert_string_equal(ask_with("/", &options), i == 1 ? "200 " : "200 0");
    }
    assert_string_equal(ask_with("/", FETCH(.body = tc_str("a=1"))), "200 0");
}

static int on_data(tc_request_t *req, tc_bytes_t chunk) {
    const tc_http_file_t *const *files;
    note("%d %zu", chunk.len > 0, tc_get_files(req, NULL, &files));
    return 0;
}

static void a_body_that_is_streamed_is_not_parsed(void **state) {
    (void)state;
    look = says_files;
    route("/", HANDLER(.post = looks, .body = TC_BODY_STREAM, .data_received = on_data));
    assert_string_equal(form(UPLOAD("f", "x", "1") END), "200 0");
    assert_string_equal(form("no form"), "200 0");
    assert_string_equal(noted(), "1 0 1 0");
}

static int asks_early(tc_request_t *req) {
    note("%s", tc_get_file(req, "f") ? "a file" : "nothing yet");
    return 0;
}

static void before_the_body_is_there_nothing_is_lost(void **state) {
    (void)state;
    look = says_last_f;
    route("/", HANDLER(.post = looks, .admit = asks_early));
    assert_string_equal(form(UPLOAD("f", "x", "1") END), "200 x (1)");
    assert_string_equal(noted(), "nothing yet");
}

static int asks_for_nothing(tc_request_t *req) {
    const tc_http_file_t *const *files;
    assert_null(tc_get_file(NULL, "f"));
    assert_null(tc_get_file(req, NULL));
    assert_int_equal(tc_get_files(NULL, NULL, &files), 0);
    assert_int_equal(tc_get_files(req, "f", NULL), 0);
    return tc_writef(req, "%s%s%s%s%zu", tc_http_file_field(NULL), tc_http_file_name(NULL), tc_http_file_raw_name(NULL),
                     tc_http_file_content_type(NULL), tc_http_file_body(NULL).len);
}

static void null_arguments_do_no_harm(void **state) {
    (void)state;
    look_with(asks_for_nothing);
    assert_string_equal(form(UPLOAD("f", "x", "1") END), "200 0");
}

/* ---- Memory ---- */

static void each_allocation_of_a_form_may_fail(void **state) {
    (void)state;
    stop_serving();
    char name[3000], *part, *body;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_true(asprintf(&part, "--b\r\nContent-Disposition: form-data; name=f; filename=\"%s\"\r\n\r\ny\r\n", name) >
                0);
    body = many_parts(9, part);
    for (int for_good = 0; for_good < 2; for_good++) {
        bool complete = false;
        for (long nth = 1; !complete; nth++) {
            app = tc_application_new(NULL);
            look_with(says_files_f);
            serve();
            fail_allocation(nth, for_good);
            int status = atoi(form(body)); /* 0: cut */
            complete = atomic_load(&memory.calls) < nth;
            allow_allocations();
            if (complete ? status != 200 : status != 200 && status != 500 && status != 503 && status != 0)
                fail_msg("allocation %ld: %d", nth, status);
            assert_int_equal(strncmp(form(UPLOAD("f", "x", "1") END), "200 1; f x x", 12), 0);
            stop_serving();
            forget_log();
            assert_true(nth < 1000);
        }
    }
    free(part);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(fields_are_arguments_like_any_other),
        WEB_TEST(a_nul_in_a_field_is_a_space),
        WEB_TEST(fields_come_behind_the_querys_in_order),
        WEB_TEST(the_type_is_of_any_case_and_no_other),
        WEB_TEST(files_come_in_order_with_what_is_known_of_them),
        WEB_TEST(files_of_a_field_are_asked_for_by_its_name),
        WEB_TEST(names_lead_nowhere_and_raw_names_are_as_sent),
        WEB_TEST(a_files_bytes_are_the_bodys_until_on_finish),
        WEB_TEST(a_bad_form_is_a_400_and_one_line_in_the_log),
        WEB_TEST(nobody_asks_nobody_parses),
        WEB_TEST(nothing_of_a_bad_form_is_given),
        WEB_TEST(a_hundred_parts_are_enough),
        WEB_TEST(too_many_fields_are_a_400_as_of_any_form),
        WEB_TEST(an_urlencoded_form_beyond_its_limit_is_a_413),
        WEB_TEST(a_request_without_a_body_has_no_files),
        WEB_TEST(a_body_that_is_streamed_is_not_parsed),
        WEB_TEST(before_the_body_is_there_nothing_is_lost),
        WEB_TEST(null_arguments_do_no_harm),
        WEB_TEST(each_allocation_of_a_form_may_fail),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
