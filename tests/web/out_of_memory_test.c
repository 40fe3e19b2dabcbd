/* out_of_memory_test.c - each allocation fails in turn, once and from then on: an error page or a cut connection, never
 * a crash or a leak, and the next request is answered. */
#include <yyjson.h>

#include "support/gzip.h"
#include "web/each_allocation.h"

static int says_everything(tc_request_t *req) {
    const char *const *values;
    const tc_header_field_t *fields;
    size_t count = tc_get_arguments(req, "a", &values);
    tc_set_header(req, "X-A", tc_get_argument(req, "a", "-"));
    tc_add_header(req, "X-B", tc_get_cookie(req, "c", "-"));
    const char *two = tc_header(req, "X-Two"), *x = tc_path_arg(req, "x");
    tc_writef(req, "%zu %zu %s %s %s %s|", count, tc_headers(req, &fields), two ? two : "-", x ? x : "-", tc_path(req),
              tc_host(req));
    char *copy = tc_sprintf(req, "%s%s", tc_remote_ip(req), tc_query(req)), *dup = tc_strdup(req, "dup");
    void *space = tc_alloc(req, 5000);
    if (!copy || !dup || !space)
        return TC_ENOMEM;
    TC_TRY(tc_on_cleanup(req, note_it, (void *)(uintptr_t) "c"));
    snprintf(space, 5000, "%4990d", 1);
    tc_write(req, copy);
    tc_write(req, tc_xhtml_escape_alloc(req, space));
    tc_write(req, tc_linkify_alloc(req, space, NULL));
    return tc_write(req, dup);
}

static int echoes_json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    yyjson_mut_doc *doc = tc_json_new(req);
    if (!doc)
        return TC_ENOMEM;
    yyjson_mut_val *list = yyjson_mut_arr(doc);
    for (int i = 0; i < 2000; i++) /* results are not looked at: nothing may get lost for all that */
        yyjson_mut_arr_add_strcpy(doc, list, "</element>");
    yyjson_mut_doc_set_root(doc, list);
    tc_json_encode(req, doc);
    return tc_write_json(req, doc);
}

static int says_form(tc_request_t *req) {
    const tc_http_file_t *const *files;
    size_t count = tc_get_files(req, "f", &files);
    const char *a = tc_get_body_argument(req, "a", "-");
    return tc_writef(req, "%s %zu %s", a, count, tc_http_file_name(tc_get_file(req, "f")));
}

static int later(tc_request_t *req, tc_future_t *future, void *arg) {
    TC_TRY(tc_future_status(future));
    int *left = tc_data(req);
    if ((*left)++ < 3)
        return tc_then(req, tc_sleep(NULL, 10), later, arg);
    return tc_write(req, "later");
}

static int waits(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 10), later, NULL);
}

static int work(void *arg, void **out) {
    *out = arg;
    return 0;
}

static int works(tc_request_t *req) {
    return tc_then(req, tc_run_in_executor(NULL, work, req, NULL), NULL, NULL);
}

static int posted(tc_request_t *req, void *arg) {
    (void)arg;
    return tc_write(req, "posted");
}

static int posts(tc_request_t *req) {
    tc_deferred_t *token = tc_defer(req);
    if (!token)
        return TC_ENOMEM;
    int err = tc_deferred_post(token, posted, NULL);
    tc_deferred_unref(token);
    return err == 0 ? TC_DETACH : err;
}

static char large[200000];

static int streams(tc_request_t *req) {
    for (int i = 0; i < 4; i++) {
        char *given = malloc(100);
        tc_write(req, "stream");
        tc_write_bytes(req, tc_bytes(large, 10000));
        tc_write_borrowed(req, tc_bytes(large, sizeof(large)));
        tc_write_owned(req, tc_bytes(large, 100), free, given);
        TC_TRY(tc_flush(req));
    }
    return 0;
}

static int drained(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    TC_TRY(tc_future_status(future));
    return tc_write(req, "drained");
}

static int fills(tc_request_t *req) {
    for (int i = 0; i < 10; i++)
        tc_write_borrowed(req, tc_bytes(large, sizeof(large)));
    TC_TRY(tc_flush(req));
    return tc_then(req, tc_drained(req), drained, NULL);
}

static int on_data(tc_request_t *req, tc_bytes_t chunk) {
    (void)chunk;
    return tc_then(req, tc_sleep(NULL, 1), NULL, NULL);
}

static int says_size(tc_request_t *req) {
    return tc_writef(req, "%zu", tc_body(req).len);
}

static int fails(tc_request_t *req) {
    return tc_http_errorf(req, 404, "no %s", tc_path(req));
}

static int own_page(tc_request_t *req, int status) {
    return tc_writef(req, "%d %s", status, tc_error_message(req) ? tc_error_message(req) : "-");
}

static int default_headers(tc_request_t *req) {
    return tc_set_header(req, "X-Default", "1");
}

static int redirects(tc_request_t *req) {
    return tc_redirect(req, "/a b", 0);
}

static int goes_to_https(tc_request_t *req) {
    return tc_redirect_to_https(req, 8443);
}

static void build(tc_application_t *application) {
    tc_application_add(application, "/everything/{x}", HANDLER(.any = says_everything), NULL);
    tc_application_add(application, "/json", HANDLER(.post = echoes_json, .name = "json"), NULL);
    tc_application_add(application, "/form", HANDLER(.post = says_form), NULL);
    tc_application_add(application, "/then", HANDLER(.get = waits, .data_size = sizeof(int), .timeout_ms = 1000), NULL);
    tc_application_add(application, "/work", HANDLER(.get = works), NULL);
    tc_application_add(application, "/post", HANDLER(.get = posts), NULL);
    tc_application_add(application, "/stream", HANDLER(.get = streams), NULL);
    tc_application_add(application, "/fill", HANDLER(.get = fills), NULL);
    tc_application_add(application, "/etag", HANDLER(.get = fills, .flags = TC_ETAG), NULL);
    tc_router_t *group = tc_application_group(application, "/group", HANDLER(.set_default_headers = default_headers));
    tc_router_add(group, "/upload", HANDLER(.post = says_size, .body = TC_BODY_STREAM, .data_received = on_data), NULL);
    tc_application_add(application, "/gzip", HANDLER(.post = says_size, .flags = TC_DECOMPRESS), NULL);
    tc_router_add(group, "/gzip_stream",
                  HANDLER(.post = says_size, .body = TC_BODY_STREAM, .data_received = on_data, .flags = TC_DECOMPRESS),
                  NULL);
    tc_router_add(group, "/error", HANDLER(.get = fails), NULL);
    tc_router_add(group, "/page", HANDLER(.get = fails, .write_error = own_page), NULL);
    tc_router_add(group, "/redirect", HANDLER(.get = redirects), NULL);
    tc_router_add(group, "/https", HANDLER(.get = goes_to_https), NULL);
    tc_application_add_regex(application, "/regex/(\\d+)", HANDLER(.post = says_size), NULL);
    tc_router_t *host = tc_application_host(application, "example.com");
    tc_router_add(host, "/", HANDLER(.get = fails), NULL);
    char *data = malloc(10);
    tc_application_own(application, data, free);
}

/* ---- Building the application ---- */

static void an_application_is_whole_or_says_that_it_is_not(void **state) {
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++) {
        bool complete = false;
        for (long nth = 1; !complete; nth++) {
            fail_allocation(nth, for_good);
            tc_application_t *application = tc_application_new(&(tc_application_options_t){ .base = HANDLER(0) });
            build(application);
            complete = atomic_load(&memory.calls) < nth;
            allow_allocations();
            int err = tc_application_error(application);
            if (err != TC_ENOMEM) /* an expression that could not be compiled to machine code works, too */
                assert_int_equal(err, 0);
            assert_true(err == 0 || !complete);
            tc_test_client_t *test_client = tc_test_client_new(application);
            assert_int_equal(test_client != NULL, err == 0);
            tc_test_client_free(test_client);
            assert_true(nth < 1000);
        }
    }
    forget_log();
}

static void a_client_is_whole_or_null(void **state) {
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++) {
        bool complete = false;
        for (long nth = 1; !complete; nth++) {
            tc_application_t *application = tc_application_new(NULL);
            build(application);
            fail_allocation(nth, for_good);
            tc_test_client_t *test_client = tc_test_client_new(application);
            complete = atomic_load(&memory.calls) < nth;
            allow_allocations();
            assert_int_equal(test_client != NULL, complete);
            tc_test_client_free(test_client);
        }
    }
    forget_log();
}

/* ---- Requests ---- */

#define FIELD(name) "--b\r\nContent-Disposition: form-data; name=" name "\r\n\r\nvalue of " name "\r\n"
#define UPLOAD(name) "--b\r\nContent-Disposition: form-data; name=f; filename=\"" name "\"\r\n\r\ntext\r\n"
static const char whole_form[] = FIELD("a") UPLOAD("1") FIELD("b") UPLOAD("2") FIELD("c") FIELD("d") FIELD("e") "--b--";
static const char cut_form[] = FIELD("a") UPLOAD("1") "--b\r\nContent-";

static const struct {
    const char *path, *method, *body, *type;
    int status;
} requests[] = {
    { "/everything/%41?a=1&a=2&b", "GET", NULL, NULL, 200 },
    { "/everything/b?a=1", "POST", "a=3&a=%C3%A4", NULL, 200 },
    { "/everything/b", "HEAD", NULL, NULL, 200 },
    { "/everything/b", "TRACE", NULL, NULL, 200 },
    { "/json", "POST", "{\"a\":[1,2,3,\"text\"]}", "application/json", 200 },
    { "/json", "POST", "{\"a\":", "application/json", 400 },
    { "/form", "POST", whole_form, "multipart/form-data; boundary=b", 200 },
    { "/form", "POST", cut_form, "multipart/form-data; boundary=b", 400 },
    { "/json", "GET", NULL, NULL, 405 },
    { "/json", "OPTIONS", NULL, NULL, 204 },
    { "/then", "GET", NULL, NULL, 200 },
    { "/work", "GET", NULL, NULL, 200 },
    { "/post", "GET", NULL, NULL, 200 },
    { "/stream", "GET", NULL, NULL, 200 },
    { "/fill", "GET", NULL, NULL, 200 },
    { "/etag", "GET", NULL, NULL, 200 },
    { "/group/upload", "POST", large, NULL, 200 },
    { "/gzip", "POST", large, NULL, 200 },
    { "/gzip", "POST", "no gzip", NULL, 400 },
    { "/group/gzip_stream", "POST", large, NULL, 200 },
    { "/group/error", "GET", NULL, NULL, 404 },
    { "/group/page", "GET", NULL, NULL, 404 },
    { "/group/redirect", "GET", NULL, NULL, 302 },
    { "/group/https", "GET", NULL, NULL, 308 },
    { "/regex/12", "POST", large, NULL, 200 },
    { "/nowhere", "GET", NULL, NULL, 404 },
};

/* The status; 0: no answer. What is large and goes to "gzip" is; what is not says so. */
static int request(size_t i) {
    bool gzip = strstr(requests[i].path, "gzip") != NULL;
    const char *coding = gzip ? "Content-Encoding" : NULL;
    tc_fetch_options_t options = {
        .method = requests[i].method,
        .content_type = requests[i].type,
        .headers = HEADERS("Cookie", "c=d", "Cookie", "e=f", "X-Two", "1", "X-Two", "2", coding, "gzip"),
    };
    tc_bytes_t text = tc_str(requests[i].body ? requests[i].body : ""), packed = gzip_of(text);
    if (requests[i].body)
        options.body = gzip && requests[i].body == large ? packed : text;
    int status = tc_http_response_status(tc_test_client_fetch(client, requests[i].path, &options));
    gzip_free(packed);
    return status;
}

static void make_app(void) {
    app = tc_application_new(NULL);
    build(app);
}

static void each_allocation_of_a_request_may_fail(void **state) {
    (void)state;
    stop_serving();
    memset(large, 'x', sizeof(large) - 1);
    for (size_t i = 0; i < COUNT(requests); i++)
        fail_each_allocation(&(tried_request_t){ make_app, request, i, requests[i].method, requests[i].path,
                                                 requests[i].status, NULL, 2000 });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(an_application_is_whole_or_says_that_it_is_not),
        WEB_TEST(a_client_is_whole_or_null),
        WEB_TEST(each_allocation_of_a_request_may_fail),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
