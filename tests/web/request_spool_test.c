/* request_spool_test.c - bodies that go to files. */
#include "web/spool_test.h"

enum { IN_MEMORY = 64 << 10, LARGE = 1000 * 1000 };
static char bytes[LARGE + 1];

static int fill(void **state) {
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (char)('a' + i % 23);
    return watch_web(state);
}

/* "size memory|file ok" */
static int says_body(tc_request_t *req) {
    static char text[LARGE + 1];
    int fd = tc_body_file(req);
    tc_bytes_t body = tc_body(req);
    if (fd >= 0)
        body = tc_bytes(text, (size_t)read(fd, text, sizeof text));
    bool same = body.len == tc_body_size(req) && memcmp(body.data, bytes, body.len) == 0;
    return tc_writef(req, "%zu %s %s", body.len, fd < 0 ? "memory" : "file", same ? "same" : "other");
}

static const char *send_bytes(size_t len) {
    return ask_with("/", FETCH(.body = tc_bytes(bytes, len)));
}

static void large_bodies_go_to_a_file_and_others_stay_in_memory(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    static const struct {
        size_t len;
        const char *answer;
    } bodies[] = {
        { 0, "200 0 memory same" },
        { 1, "200 1 memory same" },
        { 5000, "200 5000 memory same" },
        { IN_MEMORY, "200 65536 memory same" },
        { IN_MEMORY + 1, "200 65537 file same" },
        { LARGE, "200 1000000 file same" },
    };
    for (size_t i = 0; i < COUNT(bodies); i++)
        assert_string_equal(ask_with("/", FETCH(.method = "POST", .body = tc_bytes(bytes, bodies[i].len))),
                            bodies[i].answer);
}

/* Its id; the end is to follow. */
static int send_chunked(size_t len) {
    int id = start("/", FETCH(.stream = true));
    for (size_t at = 0; at < len && !tc_test_client_response(client, id); at += 10000) {
        assert_int_equal(tc_test_client_send(client, id, tc_bytes(bytes + at, len - at < 10000 ? len - at : 10000)), 0);
        tc_test_client_settle(client);
    }
    return id;
}

static const char *end_chunked(int id) {
    tc_test_client_finish(client, id, NULL);
    return answer_text(tc_test_client_wait(client, id));
}

static void a_length_need_not_be_known_before(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    static const struct {
        size_t len;
        const char *answer;
    } bodies[] = { { 1, "200 1 memory same" },
                   { IN_MEMORY, "200 65536 memory same" },
                   { IN_MEMORY + 1, "200 65537 file same" },
                   { LARGE, "200 1000000 file same" } };
    for (size_t i = 0; i < COUNT(bodies); i++)
        assert_string_equal(end_chunked(send_chunked(bodies[i].len)), bodies[i].answer);
}

static void a_client_that_leaves_leaves_no_file(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    int id = send_chunked(300000);
    assert_int_equal(count_entries(dir), 1);
    tc_test_client_disconnect(client, id);
    tc_test_client_settle(client);
    assert_int_equal(count_entries(dir), 0);
}

static void a_limit_counts_what_goes_to_a_file(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL, .max_body_size = 200000));
    int id = send_chunked(300000);
    assert_int_equal(tc_http_response_status(tc_test_client_response(client, id)), 413);
    assert_log("413 POST /");
}

static void what_is_gathered_counts_among_all_bodies(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .spool_dir = dir, .max_buffered_size = 100000 });
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    assert_int_equal(strncmp(send_bytes(LARGE), "503 ", 4), 0);
    assert_string_equal(send_bytes(50000), "200 50000 memory same");
    assert_log("503 POST /");
}

static void files_are_given_up_for_those_of_faster_clients(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .spool_dir = dir, .max_spooled_size = 400000 });
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    int slow = send_chunked(300000), fast = send_chunked(300000);
    assert_string_equal(end_chunked(fast), "200 300000 file same");
    assert_int_equal(tc_http_response_status(tc_test_client_response(client, slow)), 507);
    assert_log("507 POST / (127.0.0.1): too many bodies are in files, and this one comes slowest");
}

/* ---- Failures ---- */

static void without_room_the_answer_is_507_and_the_log_says_where(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    tc__file_sys.pwrite = full_disk;
    assert_string_equal(send_bytes(LARGE), page(507, "Insufficient Storage", NULL));
    assert_log("E application: POST / (127.0.0.1): 507: cannot write to /tmp/tornadoc-test-");
}

static int no_descriptors(const char *path, int flags, mode_t mode) {
    (void)path, (void)flags, (void)mode;
    errno = EMFILE;
    return -1;
}

static void without_a_descriptor_the_answer_is_503(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    tc__file_sys.open = no_descriptors;
    assert_string_equal(send_bytes(LARGE), page(503, "Service Unavailable", NULL));
    assert_log("503: cannot make a file in /tmp/tornadoc-test-");
}

static void all_files_together_have_a_limit(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .spool_dir = dir, .max_spooled_size = 500000 });
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    assert_string_equal(send_bytes(500000), "200 500000 file same");
    assert_int_equal(strncmp(send_bytes(500001), "507 ", 4), 0);
    assert_log("507 POST /");
    tc_test_client_settle(client);                                   /* a write may still be under way */
    assert_string_equal(send_bytes(500000), "200 500000 file same"); /* what others had is given back */
}

static void other_failures_are_500(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    tc__file_sys.pwrite = bad_disk;
    assert_string_equal(send_bytes(LARGE), page(500, "Internal Server Error", NULL));
    assert_log("the handler failed: i/o error: cannot write to /tmp/tornadoc-test-");
    tc_test_client_settle(client);
    tc__file_sys = real_calls;
    tc__file_sys.open = no_access;
    assert_string_equal(send_bytes(LARGE), page(500, "Internal Server Error", NULL));
    assert_log("the handler failed: permission denied: cannot make a file in /tmp/tornadoc-test-");
    tc_test_client_settle(client);
    tc__file_sys = real_calls;
    assert_string_equal(send_bytes(LARGE), "200 1000000 file same");
}

static void the_directory_must_be_there_when_the_application_is_made(void **state) {
    (void)state;
    static const struct {
        const char *dir;
        int err;
    } dirs[] = { { "/nowhere/at/all", TC_ENOENT }, { "/etc/passwd", -ENOTDIR }, { "/etc/passwd/x", -ENOTDIR } };
    for (size_t i = 0; i < COUNT(dirs); i++) {
        use_options(&(tc_application_options_t){ .spool_dir = dirs[i].dir });
        assert_int_equal(tc_application_error(app), dirs[i].err);
    }
}

static void without_one_it_is_TMPDIR(void **state) {
    (void)state;
    setenv("TMPDIR", dir, 1);
    use_options(NULL);
    assert_string_equal(app->spool_dir, dir);
    setenv("TMPDIR", "", 1);
    use_options(NULL);
    assert_string_equal(app->spool_dir, "/tmp");
    unsetenv("TMPDIR");
    use_options(NULL);
    assert_string_equal(app->spool_dir, "/tmp");
}

static void a_directory_that_goes_missing_fails_requests(void **state) {
    (void)state;
    route("/", HANDLER(.post = says_body, .body = TC_BODY_SPOOL));
    rmdir(dir);
    assert_int_equal(strncmp(send_bytes(LARGE), "500 ", 4), 0);
    assert_log("the handler failed: no such file or directory: cannot make a file in /tmp/tornadoc-test-");
    assert_int_equal(mkdir(dir, 0700), 0);
}

/* ---- Keeping ---- */

static int kept(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    int err = tc_future_status(future);
    return tc_write(req, err == 0 ? "kept" : tc_future_message(future));
}

static int keeps(tc_request_t *req) {
    return tc_then(req, tc_keep_body(req, tc_get_query_argument(req, "as", NULL), TC_KEEP_SYNC), kept, NULL);
}

static void a_body_may_be_kept_wherever_it_is(void **state) {
    (void)state;
    route("/spool", HANDLER(.post = keeps, .body = TC_BODY_SPOOL));
    route("/buffer", HANDLER(.post = keeps));
    char path[200];
    snprintf(path, sizeof path, "/spool?as=%s/kept", dir);
    assert_string_equal(ask_with(path, FETCH(.body = tc_str("small"))), "200 kept");
    assert_string_equal(content_of(in_dir("kept")), "small");
    assert_non_null(strstr(ask_with(path, FETCH(.body = tc_str("other"))), "file already exists"));
    assert_string_equal(content_of(in_dir("kept")), "small");
    unlink(in_dir("kept"));
    struct stat info;
    assert_string_equal(ask_with(path, FETCH(.body = tc_bytes(bytes, LARGE))), "200 kept");
    assert_int_equal(stat(in_dir("kept"), &info), 0);
    assert_int_equal(info.st_size, LARGE);
    unlink(in_dir("kept"));
    snprintf(path, sizeof path, "/buffer?as=%s/kept", dir);
    assert_string_equal(ask_with(path, FETCH(.body = tc_str("buffered"))), "200 kept");
    assert_string_equal(content_of(in_dir("kept")), "buffered");
    unlink(in_dir("kept"));
    tc_test_client_settle(client);
}

static void what_is_copied_to_be_kept_counts_among_all_bodies(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .spool_dir = dir, .max_buffered_size = 500 });
    route("/", HANDLER(.post = keeps));
    char path[200];
    snprintf(path, sizeof path, "/?as=%s/kept", dir);
    assert_string_equal(ask_with(path, FETCH(.body = tc_bytes(bytes, 501))), "200 too many bodies are in memory");
    assert_string_equal(ask_with(path, FETCH(.body = tc_bytes(bytes, 500))), "200 kept");
    unlink(in_dir("kept"));
}

static int keeps_too_early(tc_request_t *req) {
    return tc_then(req, tc_keep_body(req, in_dir("kept"), 0), kept, NULL);
}

static int keeps_nothing(tc_request_t *req) {
    return tc_then(req, tc_keep_body(req, NULL, 0), kept, NULL);
}

static int keeps_oddly(tc_request_t *req) {
    return tc_then(req, tc_keep_body(req, in_dir("kept"), 6), kept, NULL);
}

static int ignores(tc_request_t *req, tc_bytes_t chunk) {
    (void)req, (void)chunk;
    return 0;
}

static void what_cannot_be_kept_is_told(void **state) {
    (void)state;
    route("/early", HANDLER(.admit = keeps_too_early, .post = says_body, .body = TC_BODY_SPOOL));
    route("/stream", HANDLER(.post = keeps_too_early, .body = TC_BODY_STREAM, .data_received = ignores));
    route("/null", HANDLER(.post = keeps_nothing));
    route("/odd", HANDLER(.post = keeps_oddly));
    assert_non_null(strstr(ask_with("/early", FETCH(.method = "POST")), "the body is not whole"));
    assert_non_null(strstr(ask_with("/stream", FETCH(.body = tc_str("x"))), "nor spooled"));
    assert_non_null(strstr(ask_with("/odd", FETCH(.body = tc_str("x"))), "flags"));
    assert_int_equal(strncmp(ask_with("/null", FETCH(.body = tc_str("x"))), "500 ", 4), 0);
    assert_log("not enough memory");
    assert_int_equal(tc_body_file(NULL), -1);
    assert_int_equal(tc_body_size(NULL), 0);
    assert_null(tc_keep_body(NULL, "x", 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(large_bodies_go_to_a_file_and_others_stay_in_memory),
        SPOOL_TEST(a_length_need_not_be_known_before),
        SPOOL_TEST(a_client_that_leaves_leaves_no_file),
        SPOOL_TEST(a_limit_counts_what_goes_to_a_file),
        SPOOL_TEST(what_is_gathered_counts_among_all_bodies),
        SPOOL_TEST(files_are_given_up_for_those_of_faster_clients),
        SPOOL_TEST(without_room_the_answer_is_507_and_the_log_says_where),
        SPOOL_TEST(without_a_descriptor_the_answer_is_503),
        SPOOL_TEST(all_files_together_have_a_limit),
        SPOOL_TEST(other_failures_are_500),
        SPOOL_TEST(the_directory_must_be_there_when_the_application_is_made),
        SPOOL_TEST(without_one_it_is_TMPDIR),
        SPOOL_TEST(a_directory_that_goes_missing_fails_requests),
        SPOOL_TEST(a_body_may_be_kept_wherever_it_is),
        SPOOL_TEST(what_is_copied_to_be_kept_counts_among_all_bodies),
        SPOOL_TEST(what_cannot_be_kept_is_told),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
