/*
 * static_failing_test.c - each allocation and each system call of static files fails, once or from then on. The answer
 * is whole, or an error page, or cut; nothing is left; and the next request is served.
 */
#include "web/static_test.h"

enum { LARGE = 700 * 1000 };
static char large[LARGE];

static const struct {
    const char *path, *range, *accepted;
    int status;
    size_t len;
} requests[] = {
    { "/s/a.js", NULL, NULL, 200, 5 },
    { "/s/a.js", NULL, "gzip", 200, 4 },
    { "/s/a.js", "bytes=1-2", NULL, 206, 2 },
    { "/s/a.js", "bytes=90-", NULL, 416, 0 },
    { "/s/", NULL, NULL, 200, 5 },
    { "/s/sub", NULL, NULL, 301, 0 },
    { "/s/sub/", NULL, NULL, 200, 0 },
    { "/s/none", NULL, NULL, 404, 0 },
    { "/s/large.bin", NULL, NULL, 200, LARGE },
    { "/s/large.bin?v=1", "bytes=5-600000", NULL, 206, 599996 },
    { "/s/large.bin", "bytes=0-1,600000-", NULL, 206, 0 },
    { "/url", NULL, NULL, 200, 0 },
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

static int says_url(tc_request_t *req) {
    const char *url = tc_static_url(req, "a.js");
    return url ? tc_write(req, url) : TC_ENOMEM;
}

static void make_site(void) {
    memset(large, 'x', sizeof large);
    make("index.html", "index");
    make("a.js", "plain");
    make("a.js.gz", "gzip");
    make_bytes("large.bin", tc_bytes(large, LARGE));
    make_folder("sub");
    make("sub/one", "1");
    make_folder("sub/two");
}

static void begin_server(void) {
    app = tc_application_new(NULL);
    tc_application_add(app, "/url", HANDLER(.get = says_url), NULL);
    serve_with(OPTIONS(.precompressed = true, .listing = true));
    serve();
}

/* The status; 0: cut. A whole answer is that. */
static int request(size_t i) {
    const char *range = requests[i].range ? "Range" : NULL, *accepted = requests[i].accepted ? "Accept-Encoding" : NULL;
    int status = range ? GET(requests[i].path, range, requests[i].range)
                       : GET(requests[i].path, accepted, requests[i].accepted);
    if (status == requests[i].status && requests[i].len > 0 && body_len() != requests[i].len &&
        !(requests[i].accepted && body_len() == 5)) /* a sibling that cannot be opened is as if it were not there */
        fail_msg("%s: %zu bytes", requests[i].path, body_len());
    return status;
}

static bool is_failure(int status) {
    return status == 0 || status == 500 || status == 503;
}

static void check_again(size_t i) {
    tc_test_client_advance(client, 2000);
    int status = request(i);
    if (status != requests[i].status)
        fail_msg("%s, afterwards: %d", requests[i].path, status);
    stop_serving();
    noted();
    forget_log();
}

/* ---- Allocations ---- */

static bool try_allocation(size_t i, long nth, bool for_good) {
    begin_server();
    fail_allocation(nth, for_good);
    int status = request(i);
    bool complete = atomic_load(&memory.calls) < nth;
    allow_allocations();
    if (status != requests[i].status && !is_failure(status))
        fail_msg("%s, allocation %ld: %d", requests[i].path, nth, status);
    check_again(i);
    return complete;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    make_site();
    stop_serving();
    for (size_t i = 0; i < REQUESTS; i++)
        for (int for_good = 0; for_good < 2; for_good++)
            for (long nth = 1; !try_allocation(i, nth, for_good); nth++)
                assert_true(nth < 1000);
}

static void registering_may_fail(void **state) {
    (void)state;
    make_site();
    stop_serving();
    bool complete = false;
    for (long nth = 1; !complete; nth++) {
        app = tc_application_new(NULL);
        fail_allocation(nth, false);
        int err = tc_router_add_static(tc_application_group(app, "/g", NULL), "/s/", folder,
                                       OPTIONS(.fallback = "a.js"));
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        assert_int_equal(err, complete ? 0 : TC_ENOMEM);
        tc_application_free(app);
        app = NULL;
    }
    forget_log();
}

static void the_folder_of_an_application_may_fail(void **state) {
    (void)state;
    const tc_application_options_t options = { .static_path = folder };
    stop_serving();
    bool complete = false;
    for (long nth = 1; !complete; nth++) {
        fail_allocation(nth, false);
        app = tc_application_new(&options);
        complete = atomic_load(&memory.calls) < nth;
        allow_allocations();
        assert_int_equal(tc_application_error(app), complete ? 0 : TC_ENOMEM);
        tc_application_free(app);
        app = NULL;
    }
    forget_log();
}

/* ---- System calls ---- */

static atomic_int calls;
static int fail_at, with;
static bool for_good_now;

static bool troubled(void) {
    int call = atomic_fetch_add(&calls, 1) + 1;
    errno = with;
    return call == fail_at || (for_good_now && call > fail_at);
}

static int bad_open(const char *path, int flags, mode_t mode) {
    return troubled() ? -1 : real_calls.open(path, flags, mode);
}
static int bad_open_beneath(int dir, const char *path, int flags) {
    return troubled() ? -1 : real_calls.open_beneath(dir, path, flags);
}
static int no_open_beneath(int dir, const char *path, int flags) {
    (void)dir, (void)path, (void)flags;
    errno = ENOSYS;
    return -1;
}
static int bad_openat(int dir, const char *path, int flags) {
    return troubled() ? -1 : real_calls.openat(dir, path, flags);
}
static int bad_fstat(int fd, struct stat *out) {
    return troubled() ? -1 : real_calls.fstat(fd, out);
}
static ssize_t bad_pread(int fd, void *out, size_t len, uint64_t at) {
    return troubled() ? -1 : real_calls.pread(fd, out, len, at);
}
static ssize_t bad_pread_nowait(int fd, void *out, size_t len, uint64_t at) {
    return troubled() ? -1 : real_calls.pread_nowait(fd, out, len, at);
}

static void break_call(int which) {
    tc__file_sys = real_calls;
    switch (which) {
    case 0:
        tc__file_sys.open = bad_open;
        break;
    case 1:
        tc__file_sys.open_beneath = bad_open_beneath;
        break;
    case 2:
        tc__file_sys.open_beneath = no_open_beneath;
        tc__file_sys.openat = bad_openat;
        break;
    case 3:
        tc__file_sys.fstat = bad_fstat;
        break;
    case 4:
        tc__file_sys.pread = bad_pread;
        break;
    case 5:
        tc__file_sys.pread_nowait = bad_pread_nowait;
        break;
    }
}
enum { FSTAT = 3, CALLS = 6 };

/* A listing without what could not be looked at is whole. */
static void try_call(size_t i, int which, int nth, bool for_good) {
    begin_server();
    break_call(which);
    atomic_store(&calls, 0);
    fail_at = nth;
    for_good_now = for_good;
    int status = request(i);
    bool happened = atomic_load(&calls) >= nth;
    fail_at = 1 << 30;
    for_good_now = false;
    bool interrupted = with == EINTR && !for_good;
    if (status != requests[i].status && (!happened || interrupted || !is_failure(status)))
        fail_msg("%s, call %d, %d: %d", requests[i].path, which, nth, status);
    check_again(i);
    tc__file_sys = real_calls;
}

static void each_system_call_may_fail(void **state) {
    (void)state;
    make_site();
    stop_serving();
    static const int errors[] = { EIO, EMFILE, EINTR };
    for (size_t e = 0; e < 3; e++)
        for (size_t i = 0; i < REQUESTS; i++)
            for (int which = 0; which < CALLS; which++)
                for (int nth = 1; nth < 6 && (which != FSTAT || errors[e] != EINTR); nth++) { /* it never is */
                    with = errors[e];
                    try_call(i, which, nth, with != EINTR && nth == 1);
                }
}

static int racing_open_beneath(int dir, const char *path, int flags) {
    (void)dir, (void)path, (void)flags;
    errno = EAGAIN;
    return -1;
}

static void a_name_that_keeps_moving_is_503(void **state) {
    (void)state;
    make_site();
    tc__file_sys.open_beneath = racing_open_beneath;
    serve_folder();
    assert_int_equal(get("/s/a.js"), 503);
    assert_log("503 GET /s/a.js");
}

static void a_file_that_is_cut_while_it_is_read_is_what_is_left(void **state) {
    (void)state;
    make("a.txt", "hello");
    serve_folder();
    assert_int_equal(get("/s/a.txt"), 200);
    assert_int_equal(truncate(path_of("a.txt"), 2), 0);
    wait_for_recheck();
    assert_ask("/s/a.txt", "200 he");
}

static void a_large_file_that_is_cut_while_it_is_sent_cuts_the_answer(void **state) {
    (void)state;
    make_site();
    serve_folder();
    assert_int_equal(head("/s/large.bin"), 200);
    assert_int_equal(truncate(path_of("large.bin"), 100000), 0);
    assert_int_equal(get("/s/large.bin"), 0);
    forget_log();
    wait_for_recheck();
    assert_int_equal(get("/s/large.bin"), 200);
    assert_int_equal(body_len(), 100000);
}

static void the_loop_may_end_while_files_are_looked_at(void **state) {
    (void)state;
    make_site();
    for (int i = 0; i < 50; i++) {
        stop_serving();
        begin_server();
        for (size_t j = 0; j < REQUESTS; j++)
            start(requests[j].path, NULL);
        if (i % 2)
            tc_test_client_advance(client, 0);
        if (i % 3 == 0)
            usleep(100);
    }
    stop_serving();
    forget_log();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STATIC_TEST(each_allocation_may_fail),
        STATIC_TEST(registering_may_fail),
        STATIC_TEST(the_folder_of_an_application_may_fail),
        STATIC_TEST(each_system_call_may_fail),
        STATIC_TEST(a_name_that_keeps_moving_is_503),
        STATIC_TEST(a_file_that_is_cut_while_it_is_read_is_what_is_left),
        STATIC_TEST(a_large_file_that_is_cut_while_it_is_sent_cuts_the_answer),
        STATIC_TEST(the_loop_may_end_while_files_are_looked_at),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
