/* request_parts_test.c - forms that are read while they arrive: where parts go, what callbacks may do, what is left. */
#include <inttypes.h>
#include <malloc.h>
#include <time.h>

#include "web/spool_test.h"

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

static bool answers(const char *answer, int status) {
    return strtol(answer, NULL, 10) == status;
}

/* "a=… files: field name raw_name content_type size (body)" of one file after another */
static int says_form(tc_request_t *req) {
    const tc_http_file_t *const *files;
    size_t count = tc_get_files(req, NULL, &files);
    tc_writef(req, "a=%s %zu", tc_get_argument(req, "a", "-"), count);
    for (size_t i = 0; i < count; i++) {
        const char *path = tc_http_file_path(files[i]);
        tc_bytes_t body = tc_http_file_body(files[i]);
        tc_writef(req, "; %s %s %s %s %" PRIu64 " %s(%s" TC_FMT ")", tc_http_file_field(files[i]),
                  tc_http_file_name(files[i]), tc_http_file_raw_name(files[i]), tc_http_file_content_type(files[i]),
                  tc_http_file_size(files[i]), path ? "file " : "", path ? content_of(path) : "", TC_ARG(body));
    }
    return 0;
}

#define FORM(...) HANDLER(.post = says_form, .body = TC_BODY_FORM, __VA_ARGS__)

/* ---- What comes of a form ---- */

static const struct {
    const char *why, *body, *answer;
} forms[] = {
    { "nothing in it", END, "200 a=- 0" },
    { "a field", FIELD("a", "1") END, "200 a=1 0" },
    { "the last field wins", FIELD("a", "1") FIELD("a", "2") END, "200 a=2 0" },
    { "a field is stripped text", FIELD("a", " x\001y\r\n") END, "200 a=x y 0" },
    { "a file", UPLOAD("f", "n.txt", "text") END, "200 a=- 1; f n.txt n.txt application/octet-stream 4 file (text)" },
    { "an empty file", UPLOAD("f", "n", "") END, "200 a=- 1; f n n application/octet-stream 0 file ()" },
    { "a type", PART("name=f; filename=n\r\nContent-Type: text/plain", "x") END,
      "200 a=- 1; f n n text/plain 1 file (x)" },
    { "two files and fields", FIELD("b", "x") UPLOAD("f", "1", "one") FIELD("a", "y") UPLOAD("f", "2", "two") END,
      "200 a=y 2; f 1 1 application/octet-stream 3 file (one); f 2 2 application/octet-stream 3 file (two)" },
    { "no file was chosen", UPLOAD("a", "", "") END, "200 a= 0" },
    { "a hostile name", UPLOAD("f", "../../etc/pass\tw\\..", "x") END, "400" },
    { "a way to somewhere", UPLOAD("f", "../../etc/passwd", "x") END,
      "200 a=- 1; f passwd ../../etc/passwd application/octet-stream 1 file (x)" },
    { "a way up", UPLOAD("f", "..", "x") END, "200 a=- 1; f _ .. application/octet-stream 1 file (x)" },
    { "bytes like half a boundary", UPLOAD("f", "n", "\r\n--\r\n--c") END,
      "200 a=- 1; f n n application/octet-stream 9 file (\r\n--\r\n--c)" },
    { "cut in a part", UPLOAD("f", "n", "x"), "400" },
    { "cut in a header", FIELD("a", "1") "--b\r\nContent-", "400" },
    { "no form", "text", "400" },
    { "a part without a name", PART("filename=x", "y") END, "400" },
    { "a field that is no text", FIELD("a", "\xff") END, "400" },
};

static void a_form_is_read_as_a_buffered_one_is_but_for_its_files(void **state) {
    (void)state;
    route("/", FORM(0));
    for (size_t i = 0; i < COUNT(forms); i++) {
        const char *answer = form(forms[i].body);
        if (strncmp(answer, forms[i].answer, strlen(forms[i].answer)) != 0)
            fail_msg("%s: %s", forms[i].why, answer);
        forget_log();
    }
    tc_test_client_settle(client);
    assert_int_equal(count_entries(dir), 0);
}

static void it_may_come_byte_by_byte(void **state) {
    (void)state;
    static const char body[] = FIELD("a", "1") UPLOAD("f", "n", "text\r\n--") END;
    route("/", FORM(0));
    int id = start("/", FETCH(.stream = true, .content_type = TYPE));
    for (size_t i = 0; i < sizeof(body) - 1; i++) {
        assert_int_equal(tc_test_client_send(client, id, tc_bytes(body + i, 1)), 0);
        tc_test_client_settle(client);
    }
    assert_int_equal(tc_test_client_finish(client, id, NULL), 0);
    assert_string_equal(answer_text(tc_test_client_wait(client, id)),
                        "200 a=1 1; f n n application/octet-stream 8 file (text\r\n--)");
    tc_test_client_settle(client);
}

static int says_body(tc_request_t *req) {
    return tc_writef(req, "a=%s (" TC_FMT ")", tc_get_argument(req, "a", "-"), TC_ARG(tc_body(req)));
}

static void bodies_of_other_types_are_buffered(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_FORM));
    assert_string_equal(ask_with("/", FETCH(.body = tc_str("a=1&b=2"))), "200 a=1 (a=1&b=2)");
    assert_string_equal(ask_with("/", FETCH(.body = tc_str("{}"), .content_type = "application/json")), "200 a=- ({})");
    assert_string_equal(ask_with("/", FETCH(.method = "POST")), "200 a=- ()");
    assert_string_equal(ask_with("/", FETCH(.method = "POST", .content_type = TYPE)), "200 a=- ()");
    assert_string_equal(form(FIELD("a", "1") END), "200 a=1 ()");
}

static void a_boundary_that_is_none_is_a_bad_request(void **state) {
    (void)state;
    route("/", FORM(0));
    assert_true(answers(ask_with("/", FETCH(.body = tc_str("x"), .content_type = "multipart/form-data")), 400));
    assert_log("400 POST /");
}

/* ---- Where parts go ---- */

static tc_part_sink_t sinks[4]; /* of the parts in turn; 0: as they are */
static int next_sink;

static int chooses(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    note("begin(%s)", tc_http_file_field(part));
    tc_part_sink_t sink = sinks[next_sink++ % 4];
    return sink ? tc_part_set_sink(part, sink) : 0;
}

static int receives(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk) {
    (void)req, (void)part;
    note("(" TC_FMT ")", TC_ARG(chunk));
    return 0;
}

static int ends(tc_request_t *req, tc_http_file_t *part) {
    const char *path = tc_http_file_path(part);
    (void)req;
    note("end(%s %" PRIu64 " %s" TC_FMT ")", tc_http_file_field(part), tc_http_file_size(part),
         path ? content_of(path) : "", TC_ARG(tc_http_file_body(part)));
    return 0;
}

static void choose(tc_part_sink_t a, tc_part_sink_t b, tc_part_sink_t c, tc_part_sink_t d) {
    next_sink = 0;
    sinks[0] = a, sinks[1] = b, sinks[2] = c, sinks[3] = d;
}

static void parts_go_where_the_handler_sends_them(void **state) {
    (void)state;
    static const char body[] = FIELD("a", "1") UPLOAD("f", "n", "two") FIELD("b", "3") UPLOAD("g", "m", "four") END;
    route("/", FORM(.part_begin = chooses, .part_received = receives, .part_end = ends));
    choose(0, 0, 0, 0);
    assert_string_equal(form(body), "200 a=1 2; f n n application/octet-stream 3 file (two); g m m "
                                    "application/octet-stream 4 file (four)");
    assert_string_equal(noted(),
                        "begin(a) end(a 1 1) begin(f) end(f 3 two) begin(b) end(b 1 3) begin(g) end(g 4 four)");
    choose(TC_PART_CALLBACK, TC_PART_CALLBACK, TC_PART_DISCARD, TC_PART_MEMORY);
    assert_string_equal(form(body), "200 a=- 1; g m m application/octet-stream 4 (four)");
    assert_string_equal(noted(),
                        "begin(a) (1) end(a 1 ) begin(f) (two) end(f 3 ) begin(b) end(b 1 ) begin(g) end(g 4 four)");
    choose(TC_PART_FILE, TC_PART_DISCARD, 0, TC_PART_DISCARD);
    assert_string_equal(form(body), "200 a=- 1; a   application/octet-stream 1 file (1)");
    noted();
}

static int chooses_wrongly(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    note("%d", tc_part_set_sink(part, TC_PART_CALLBACK) == TC_EINVAL);
    note("%d", tc_part_set_sink(part, (tc_part_sink_t)5) == TC_EINVAL);
    note("%d", tc_part_set_sink(part, (tc_part_sink_t)0) == TC_EINVAL);
    return 0;
}

static int chooses_too_late(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    note("%d", tc_part_set_sink(part, TC_PART_FILE) == TC_EBUSY);
    note("%d", tc_part_set_max_size(part, 1) == TC_EBUSY);
    note("%d", tc_part_set_sink(NULL, TC_PART_FILE) == TC_EINVAL);
    return 0;
}

static void what_cannot_be_chosen_is_told(void **state) {
    (void)state;
    route("/", FORM(.part_begin = chooses_wrongly, .part_end = chooses_too_late));
    assert_string_equal(form(FIELD("a", "1") END), "200 a=1 0");
    assert_string_equal(noted(), "1 1 1 1 1 1");
    assert_log("needs .part_received");
    assert_log("5 is no sink");
    assert_log("0 is no sink");
    assert_log("only from part_begin");
    assert_log("only from part_begin");
    assert_log("the part is NULL");
}

/* ---- Outcomes of the callbacks ---- */

static int outcome, at; /* of the callback: 1 begin, 2 received, 3 end */

static int act(tc_request_t *req, int here, const char *name) {
    note("%s", name);
    if (at != here)
        return 0;
    if (outcome == 302)
        return tc_redirect(req, "/elsewhere", 0);
    if (outcome == 1)
        return tc_set_header(req, "bad name", "x"), 0; /* a verb that fails */
    return outcome == TC_DETACH ? tc_then(req, tc_sleep(NULL, 100), NULL, NULL)
           : outcome >= 400     ? tc_http_error(req, outcome, NULL)
                                : outcome;
}

static int acts_in_begin(tc_request_t *req, tc_http_file_t *part) {
    int err = tc_part_set_sink(part, TC_PART_CALLBACK);
    return err ? err : act(req, 1, "begin");
}

static int acts_in_received(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk) {
    (void)part, (void)chunk;
    return act(req, 2, "received");
}

static int acts_in_end(tc_request_t *req, tc_http_file_t *part) {
    (void)part;
    return act(req, 3, "end");
}

static void callbacks_have_outcomes_like_all_others(void **state) {
    (void)state;
    static const struct {
        int outcome, status;
    } outcomes[] = {
        { 0, 200 }, { 403, 403 }, { -EIO, 500 }, { 7, 500 }, { TC_DETACH, 200 }, { 302, 302 }, { 1, 500 }
    };
    static const char *const so_far[] = { "begin", "begin received", "begin received end" };
    route("/", FORM(.part_begin = acts_in_begin, .part_received = acts_in_received, .part_end = acts_in_end));
    for (size_t i = 0; i < COUNT(outcomes); i++)
        for (at = 1; at <= 3; at++) {
            outcome = outcomes[i].outcome;
            const char *answer = form(FIELD("a", "1") FIELD("b", "2") END);
            const char *wanted = outcomes[i].status == 200 ? "begin received end begin received end" : so_far[at - 1];
            if (!answers(answer, outcomes[i].status))
                fail_msg("outcome %d of callback %d: %s", outcome, at, answer);
            assert_string_equal(noted(), wanted);
            forget_log();
        }
}

static tc_bytes_t borrowed;

static int compares(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)req, (void)arg;
    note("(" TC_FMT ")", TC_ARG(borrowed));
    return tc_future_status(future);
}

static int receives_slowly(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk) {
    (void)part;
    borrowed = chunk;
    return tc_then(req, tc_sleep(NULL, 10), compares, NULL);
}

static void a_chunk_lives_until_the_outcome(void **state) {
    (void)state;
    choose(TC_PART_CALLBACK, 0, TC_PART_CALLBACK, 0);
    route("/", FORM(.part_begin = chooses, .part_received = receives_slowly));
    assert_true(answers(form(FIELD("x", "one\r\n--two") FIELD("a", "1") FIELD("y", "three") END), 200));
    assert_string_equal(noted(), "begin(x) (one\r\n--two) begin(a) begin(y) (three)");
}

static int looks_back(tc_request_t *req, tc_http_file_t *part) {
    note("%s:%s", tc_http_file_field(part), tc_get_argument(req, "a", "-"));
    return 0;
}

static void arguments_of_parts_before_are_there(void **state) {
    (void)state;
    route("/", FORM(.part_begin = looks_back, .part_end = looks_back));
    form(UPLOAD("f", "n", "x") FIELD("a", "1") UPLOAD("g", "n", "x") END);
    assert_string_equal(noted(), "f:- f:- a:- a:1 g:1 g:1");
}

/* ---- Limits ---- */

static int limits_size(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    return tc_part_set_max_size(part, 3);
}

static void a_part_may_have_a_limit_of_its_own(void **state) {
    (void)state;
    route("/", FORM(.part_begin = limits_size));
    assert_true(answers(form(UPLOAD("f", "n", "123") FIELD("a", "123") END), 200));
    assert_true(answers(form(UPLOAD("f", "n", "1234") END), 413));
    assert_true(answers(form(FIELD("a", "1234") END), 413));
    assert_log("a part of the form is larger than its limit");
    assert_log("a part of the form is larger than its limit");
}

static char large[300001];

static const char *large_form(const char *disposition, size_t len) {
    static char body[sizeof large + 200];
    memset(large, 'x', sizeof large - 1);
    snprintf(body, sizeof body, "--b\r\nContent-Disposition: form-data; %s\r\n\r\n%.*s\r\n--b--", disposition, (int)len,
             large);
    return body;
}

static int to_memory(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    return tc_part_set_sink(part, TC_PART_MEMORY);
}

static int says_size(tc_request_t *req) {
    const tc_http_file_t *file = tc_get_file(req, "f");
    return tc_writef(req, "%zu %" PRIu64 " %zu", strlen(tc_get_argument(req, "a", "")), tc_http_file_size(file),
                     tc_http_file_body(file).len);
}

static void what_stays_in_memory_is_limited_and_what_does_not_is_not(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .spool_dir = dir, .max_form_memory = 100000 });
    route("/", HANDLER(.post = says_size, .body = TC_BODY_FORM));
    route("/memory", HANDLER(.post = says_size, .body = TC_BODY_FORM, .part_begin = to_memory));
    assert_string_equal(form(large_form("name=a", 99000)), "200 99000 0 0");
    assert_true(answers(form(large_form("name=a", 100000)), 413));
    assert_string_equal(form_at("/memory", large_form("name=f; filename=n", 99000)), "200 0 99000 99000");
    assert_true(answers(form_at("/memory", large_form("name=f; filename=n", 100000)), 413));
    assert_string_equal(form(large_form("name=f; filename=n", 300000)), "200 0 300000 0");
    large[100001] = '\0';
    assert_true(answers(ask_with("/", FETCH(.body = tc_str(large))), 413));
    for (int i = 0; i < 3; i++)
        assert_log("the fields of the form are larger than the limit");
}

static void names_count_too(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .spool_dir = dir, .max_form_memory = 700 });
    route("/", FORM(0));
    assert_true(answers(form(UPLOAD("f", "a", "") END), 200));
    assert_true(answers(form(UPLOAD("f", "a", "") UPLOAD("f", "b", "") UPLOAD("f", "c", "") UPLOAD("f", "d", "")
                                 UPLOAD("f", "e", "") UPLOAD("f", "g", "") UPLOAD("f", "h", "") END),
                        413));
    assert_log("413 POST /");
}

static void all_bodies_together_are_limited(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .spool_dir = dir, .max_buffered_size = 150000 });
    route("/", HANDLER(.post = says_size, .body = TC_BODY_FORM));
    assert_true(answers(form(large_form("name=a", 200000)), 503));
    assert_log("too many bodies are in memory");
    tc__file_sys.open = no_access; /* nothing of it is written */
    assert_true(answers(form(UPLOAD("f", "n", "x") UPLOAD("g", "n", "x") END), 500));
    forget_log();
    tc_test_client_settle(client);
    tc__file_sys = real_calls;
    assert_string_equal(form(UPLOAD("f", "n", "x") UPLOAD("g", "n", "x") END), "200 0 1 0");
}

static int ignores(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    return tc_part_set_sink(part, TC_PART_DISCARD);
}

static void names_count_among_all_bodies(void **state) {
    (void)state;
    static char name[5000], text[30000];
    memset(name, 'n', sizeof name - 1);
    use_options(&(tc_application_options_t){ .spool_dir = dir, .max_buffered_size = 20000 });
    route("/", HANDLER(.post = says_form, .body = TC_BODY_FORM, .part_begin = ignores));
    for (int count = 1; count <= 4; count += 3) {
        text[0] = '\0';
        for (int i = 0; i < count; i++)
            sprintf(text + strlen(text), UPLOAD("f", "%s", "x"), name);
        strcat(text, END);
        assert_true(answers(form(text), count == 1 ? 200 : 503));
    }
    assert_log("too many bodies are in memory");
}

static void parts_their_headers_and_arguments_are_limited(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){
        .spool_dir = dir, .max_parts = 3, .max_part_header_size = 100, .max_arguments = 2 });
    route("/", FORM(0));
    route("/buffered", HANDLER(.post = says_form));
    static const char *const paths[] = { "/", "/buffered" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        const char *path = paths[i];
        assert_true(answers(form_at(path, FIELD("a", "") FIELD("a", "") UPLOAD("f", "n", "") END), 200));
        assert_true(answers(form_at(path, FIELD("a", "") FIELD("a", "") FIELD("a", "") END), 400));
        assert_log("too many arguments");
        assert_true(answers(
            form_at(path, UPLOAD("f", "", "") UPLOAD("f", "n", "") UPLOAD("f", "n", "") UPLOAD("f", "n", "") END),
            400));
        assert_log("more than 3 parts");
        assert_true(answers(
            form_at(path, UPLOAD("f", "a name of more than 64 bytes, which is not too many for most", "") END), 400));
        assert_log("a part's header is larger than 100 bytes");
    }
}

static void the_body_as_a_whole_is_limited(void **state) {
    (void)state;
    route("/", FORM(.max_body_size = 1000));
    assert_true(answers(form(large_form("name=f; filename=n", 1000)), 413));
    forget_log();
}

/* ---- Keeping ---- */

static int kept(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    int err = tc_future_status(future);
    return tc_writef(req, "%s", err == 0 ? "kept" : tc_strerror(err));
}

static int keeps(tc_request_t *req) {
    const tc_http_file_t *file = tc_get_file(req, "f");
    const char *path = file ? tc_sprintf(req, "%s/%s", dir, tc_http_file_name(file)) : "x";
    return tc_then(req, tc_http_file_keep(file, path, 0), kept, NULL);
}

static void assert_kept(const char *path, const char *body, const char *name, const char *content) {
    assert_string_equal(form_at(path, body), "200 kept");
    assert_string_equal(content_of(in_dir(name)), content);
    assert_string_equal(form_at(path, body), "200 file already exists");
    assert_string_equal(content_of(in_dir(name)), content);
    tc_test_client_settle(client);
    assert_int_equal(count_entries(dir), 1);
    unlink(in_dir(name));
}

static void a_file_is_kept_under_a_name_that_was_free_wherever_its_bytes_are(void **state) {
    (void)state;
    route("/", HANDLER(.post = keeps, .body = TC_BODY_FORM));
    route("/memory", HANDLER(.post = keeps, .body = TC_BODY_FORM, .part_begin = to_memory));
    route("/buffered", HANDLER(.post = keeps));
    static const char *const paths[] = { "/", "/memory", "/buffered" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_kept(paths[i], UPLOAD("f", "a.txt", "some text") END, "a.txt", "some text");
        assert_kept(paths[i], UPLOAD("f", "../../../etc/passwd", "hostile") END, "passwd", "hostile");
        assert_kept(paths[i], UPLOAD("f", "C:\\con\\..", "x") END, "_", "x");
        assert_kept(paths[i], UPLOAD("f", "empty", "") END, "empty", "");
    }
    assert_true(answers(form(FIELD("a", "1") END), 500)); /* no file, and no check */
    assert_log("not enough memory");
}

static int keeps_twice_later(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future;
    return tc_then(req, tc_http_file_keep(arg, in_dir("again"), 0), kept, NULL);
}

static int keeps_twice(tc_request_t *req) {
    const tc_http_file_t *file = tc_get_file(req, "f");
    return tc_then(req, tc_http_file_keep(file, in_dir("kept"), 0), keeps_twice_later, (void *)(uintptr_t)file);
}

static int keeps_at_once(tc_request_t *req, tc_http_file_t *part) {
    return tc_then(req, tc_http_file_keep(part, in_dir("kept"), 0), kept, NULL);
}

static void a_file_is_kept_once_and_when_it_is_whole(void **state) {
    (void)state;
    route("/twice", HANDLER(.post = keeps_twice, .body = TC_BODY_FORM));
    route("/begin", FORM(.part_begin = keeps_at_once));
    route("/end", FORM(.part_end = keeps_at_once));
    route("/nowhere", FORM(.part_begin = chooses, .part_received = receives, .part_end = keeps_at_once));
    static const char body[] = UPLOAD("f", "n", "text") END;
    assert_string_equal(form_at("/twice", body), "200 done already");
    unlink(in_dir("kept"));
    assert_int_equal(strncmp(form_at("/begin", body), "200 busy", 8), 0);
    assert_int_equal(strncmp(form_at("/end", body), "200 kept", 8), 0);
    unlink(in_dir("kept"));
    choose(TC_PART_CALLBACK, TC_PART_DISCARD, 0, 0);
    assert_int_equal(strncmp(form_at("/nowhere", body), "200 invalid argument", 20), 0);
    assert_int_equal(strncmp(form_at("/nowhere", body), "200 invalid argument", 20), 0);
    assert_string_equal(noted(), "begin(f) (text) begin(f)");
}

/* ---- Failures ---- */

static void a_full_disk_is_507(void **state) {
    (void)state;
    route("/", FORM(0));
    tc__file_sys.pwrite = full_disk;
    assert_string_equal(form(UPLOAD("f", "n\xc3\xa4me", "x") END), page(507, "Insufficient Storage", NULL));
    assert_log("E application: POST / (127.0.0.1): 507: cannot write to /tmp/tornadoc-test-");
    assert_string_equal(form(large_form("name=f; filename=n", 300000)), page(507, "Insufficient Storage", NULL));
    assert_log("507");
    tc_test_client_settle(client);
    tc__file_sys = real_calls;
    assert_true(answers(form(UPLOAD("f", "n", "x") END), 200));
}

static void other_failures_are_500(void **state) {
    (void)state;
    route("/", FORM(0));
    tc__file_sys.open = no_access;
    assert_true(answers(form(UPLOAD("f", "n", "x") END), 500));
    assert_log("the handler failed: permission denied: cannot make a file in /tmp/tornadoc-test-");
}

static int opened; /* descriptors, with the loop's own */

#define BEGIN "--b\r\nContent-Disposition: form-data; name=f; filename=n\r\n\r\n"

static int begin_form(const char *text) {
    memset(large, 'x', sizeof large - 1);
    return start("/", FETCH(.stream = true, .body = tc_str(text), .content_type = TYPE,
                            .headers = HEADERS("Content-Length", "10000000")));
}

/* Its id. */
static int begin_large(void) {
    serve();
    opened = count_entries("/proc/self/fd");
    int id = begin_form(UPLOAD("e", "first", "whole") BEGIN);
    tc_test_client_settle(client);
    for (int i = 0; i < 10 && !tc_test_client_response(client, id); i++) {
        tc_test_client_send(client, id, tc_bytes(large, 20000));
        tc_test_client_settle(client);
    }
    return id;
}

static void on_end(tc_request_t *req, int err) {
    (void)req;
    note("finish(%s)", err == TC_ECLOSED ? "closed" : tc_strerror(err));
}

static void a_client_that_leaves_in_the_middle_leaves_nothing(void **state) {
    (void)state;
    route("/", FORM(.on_finish = on_end));
    int id = begin_large();
    assert_int_equal(count_entries(dir), 2);
    tc_test_client_disconnect(client, id);
    tc_test_client_settle(client);
    assert_int_equal(count_entries(dir), 0);
    assert_int_equal(count_entries("/proc/self/fd"), opened);
    assert_string_equal(noted(), "finish(closed)");
}

static int fails_at_the_second(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    return strcmp(tc_http_file_field(part), "f") == 0 ? TC_EPROTO : 0;
}

static void a_handler_that_fails_in_the_middle_leaves_nothing(void **state) {
    (void)state;
    route("/", FORM(.part_begin = fails_at_the_second, .on_finish = on_end));
    assert_true(answers(answered(begin_large()), 500));
    assert_log("the handler failed: protocol broken by the peer");
    assert_string_equal(noted(), "finish(success)");
}

static uv_sem_t writing, go_on;

static ssize_t waits_to_write(int fd, const void *data, size_t len, uint64_t at_) {
    uv_sem_post(&writing);
    uv_sem_wait(&go_on);
    return real_calls.pwrite(fd, data, len, at_);
}

static void the_socket_is_not_read_while_a_write_is_under_way_and_the_client_may_leave(void **state) {
    (void)state;
    uv_sem_init(&writing, 0);
    uv_sem_init(&go_on, 0);
    route("/", FORM(.on_finish = on_end));
    tc__file_sys.pwrite = waits_to_write;
    int id = begin_form(BEGIN);
    tc_test_client_send(client, id, tc_bytes(large, 300000));
    uv_sem_wait(&writing);
    tc_test_client_advance(client, 0);
    assert_true(tc_test_client_unread(client, id) > 160000);
    tc_test_client_disconnect(client, id);
    assert_string_equal(noted(), ""); /* the write still needs it */
    for (int i = 0; i < 5; i++)       /* it may read what was there before */
        uv_sem_post(&go_on);
    tc_test_client_settle(client);
    assert_string_equal(noted(), "finish(closed)");
    uv_sem_destroy(&writing);
    uv_sem_destroy(&go_on);
}

static void post(void *semaphore) {
    uv_sem_post(semaphore);
}

static void a_loop_may_end_while_a_write_is_under_way(void **state) {
    (void)state;
    uv_sem_init(&writing, 0);
    uv_sem_init(&go_on, 0);
    route("/", FORM(.on_finish = on_end));
    tc__file_sys.pwrite = waits_to_write;
    int id = begin_form(BEGIN);
    tc_test_client_send(client, id, tc_bytes(large, 300000));
    uv_sem_wait(&writing);
    tc_ioloop_set_data(tc_test_client_loop(client), &go_on, post); /* when the loop has told everybody of its end */
    stop_serving();
    assert_int_equal(count_entries(dir), 0);
    noted();
    forget_log();
    uv_sem_destroy(&writing);
    uv_sem_destroy(&go_on);
}

static int body_kept(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    TC_TRY(tc_future_status(future));
    return tc_writef(req, "%d %" PRIu64, tc_body_file(req) >= 0, tc_body_size(req));
}

static int keeps_body(tc_request_t *req) {
    return tc_then(req, tc_keep_body(req, in_dir("kept"), TC_KEEP_SYNC), body_kept, NULL);
}

/* The status of a request to an application of its own; 0: no answer. */
static int ask_new_application(const char *path, long nth, bool for_good, bool *complete) {
    static const char body[] = FIELD("a", "1") UPLOAD("e", "n", "in memory") UPLOAD("g", "n", "to the handler");
    static char whole[sizeof body + sizeof large + 200];
    snprintf(whole, sizeof whole, "%s%s", body, large_form("name=f; filename=kept", 150000));
    use_options(&(tc_application_options_t){ .spool_dir = dir });
    choose(0, TC_PART_MEMORY, TC_PART_CALLBACK, TC_PART_FILE);
    route("/form",
          HANDLER(.post = keeps, .body = TC_BODY_FORM, .part_begin = chooses, .part_received = receives_slowly));
    route("/spool", HANDLER(.post = keeps_body, .body = TC_BODY_SPOOL));
    serve();
    fail_allocation(nth, for_good);
    int status = tc_http_response_status(
        tc_test_client_fetch(client, path, FETCH(.body = tc_str(whole), .content_type = TYPE)));
    *complete = atomic_load(&memory.calls) < nth;
    allow_allocations();
    stop_serving();
    noted();
    return status;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    static const char *const paths[] = { "/form", "/spool" };
    for (size_t i = 0; i < COUNT(paths); i++)
        for (int for_good = 0; for_good < 2; for_good++) {
            bool complete = false;
            for (long nth = 1; !complete; nth++) {
                int status = ask_new_application(paths[i], nth, for_good, &complete);
                if (complete ? status != 200 : status != 200 && status != 0 && status != 500 && status != 503)
                    fail_msg("%s, allocation %ld: %d", paths[i], nth, status);
                unlink(in_dir("kept"));
                assert_int_equal(count_entries(dir), 0);
            }
        }
    forget_log();
}

/* ---- A large file ---- */

static _Atomic long held, most;

static void *measured(void *data) {
    long now = atomic_fetch_add(&held, (long)malloc_usable_size(data)) + (long)malloc_usable_size(data);
    if (now > atomic_load(&most))
        atomic_store(&most, now);
    return data;
}

static void *measuring_malloc(size_t size) {
    return measured(counting_malloc(size));
}

static void *measuring_calloc(size_t count, size_t size) {
    return measured(counting_calloc(count, size));
}

static void *measuring_realloc(void *data, size_t size) {
    long before = (long)malloc_usable_size(data);
    void *moved = counting_realloc(data, size);
    if (!moved)
        return NULL;
    atomic_fetch_sub(&held, before);
    return measured(moved);
}

static void measuring_free(void *data) {
    atomic_fetch_sub(&held, (long)malloc_usable_size(data));
    counting_free(data);
}

static int says_file_size(tc_request_t *req) {
    const tc_http_file_t *file = tc_get_file(req, "f");
    struct stat info;
    if (stat(tc_http_file_path(file), &info) < 0)
        return -errno;
    return tc_writef(req, "%" PRIu64 " %lld", tc_http_file_size(file), (long long)info.st_size);
}

static void a_hundred_megabytes_go_through_a_little_memory(void **state) {
    (void)state;
    enum { MB = 100, CHUNK = 50000 };
    route("/", HANDLER(.post = says_file_size, .body = TC_BODY_FORM, .max_body_size = 200 << 20));
    char length[20];
    snprintf(length, sizeof length, "%zu", MB * 1000000 + strlen(BEGIN) + strlen("\r\n--b--"));
    memset(large, 'x', sizeof large - 1);
    int id = start("/", FETCH(.stream = true, .body = tc_str(BEGIN), .content_type = TYPE,
                              .headers = HEADERS("Content-Length", length)));
    long before = atomic_load(&held);
    atomic_store(&most, before);
    for (int i = 0; i < MB * 1000000 / CHUNK; i++) {
        assert_int_equal(tc_test_client_send(client, id, tc_bytes(large, CHUNK)), 0);
        while (tc_test_client_unread(client, id) > 0)
            tc_test_client_settle(client);
    }
    tc_test_client_send(client, id, tc_str("\r\n--b--"));
    const char *answer = answer_text(tc_test_client_wait(client, id));
    long more = atomic_load(&most) - before;
    print_message("%d MB in a form: at most %ld KiB of memory more\n", MB, more / 1024);
    assert_string_equal(answer, "200 100000000 100000000");
    assert_true(more < 1 << 20);
}

static int measure_web(void **state) {
    int err = watch_web(state);
    return err < 0 ? err
                   : tc_set_allocator(
                         &(tc_allocator_t){ measuring_malloc, measuring_calloc, measuring_realloc, measuring_free });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(a_form_is_read_as_a_buffered_one_is_but_for_its_files),
        SPOOL_TEST(it_may_come_byte_by_byte),
        SPOOL_TEST(bodies_of_other_types_are_buffered),
        SPOOL_TEST(a_boundary_that_is_none_is_a_bad_request),
        SPOOL_TEST(parts_go_where_the_handler_sends_them),
        SPOOL_TEST(what_cannot_be_chosen_is_told),
        SPOOL_TEST(callbacks_have_outcomes_like_all_others),
        SPOOL_TEST(a_chunk_lives_until_the_outcome),
        SPOOL_TEST(arguments_of_parts_before_are_there),
        SPOOL_TEST(a_part_may_have_a_limit_of_its_own),
        SPOOL_TEST(what_stays_in_memory_is_limited_and_what_does_not_is_not),
        SPOOL_TEST(names_count_too),
        SPOOL_TEST(all_bodies_together_are_limited),
        SPOOL_TEST(names_count_among_all_bodies),
        SPOOL_TEST(parts_their_headers_and_arguments_are_limited),
        SPOOL_TEST(the_body_as_a_whole_is_limited),
        SPOOL_TEST(a_file_is_kept_under_a_name_that_was_free_wherever_its_bytes_are),
        SPOOL_TEST(a_file_is_kept_once_and_when_it_is_whole),
        SPOOL_TEST(a_full_disk_is_507),
        SPOOL_TEST(other_failures_are_500),
        SPOOL_TEST(a_client_that_leaves_in_the_middle_leaves_nothing),
        SPOOL_TEST(a_handler_that_fails_in_the_middle_leaves_nothing),
        SPOOL_TEST(the_socket_is_not_read_while_a_write_is_under_way_and_the_client_may_leave),
        SPOOL_TEST(a_loop_may_end_while_a_write_is_under_way),
        SPOOL_TEST(each_allocation_may_fail),
        SPOOL_TEST(a_hundred_megabytes_go_through_a_little_memory),
    };
    return cmocka_run_group_tests(tests, measure_web, NULL);
}
