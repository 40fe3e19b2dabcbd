/* static_test.c - files of a folder: what is answered, with which headers, under which conditions. */
#include "web/static_test.h"

enum { LARGE = 300 * 1000 };
static char large[LARGE + 1];

static void make_large(const char *name) {
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)('!' + i % 89);
    make_bytes(name, tc_bytes(large, LARGE));
}

/* ---- Plain answers ---- */

static void a_file_is_answered_with_its_type_and_its_validators(void **state) {
    (void)state;
    make("hello.html", "<h1>Hello");
    serve_folder();
    assert_int_equal(get("/s/hello.html"), 200);
    assert_string_equal(body(), "<h1>Hello");
    assert_field("Content-Type", "text/html; charset=UTF-8");
    assert_field("Content-Length", "9");
    assert_field("Last-Modified", NOON_TEXT);
    assert_field("ETag", "\"9c5e51b7a76fdcbc2c3f8ee700498f06\"");
    assert_field("Accept-Ranges", "bytes");
    assert_field("Cache-Control", "no-cache");
    assert_field("X-Content-Type-Options", "nosniff");
    assert_field("Vary", "(none)");
}

static void head_is_answered_like_get_without_the_body(void **state) {
    (void)state;
    make("a.txt", "hello");
    make_large("large.bin");
    serve_folder();
    assert_int_equal(head("/s/a.txt"), 200);
    assert_field("Content-Length", "5");
    assert_int_equal(body_len(), 0);
    assert_int_equal(head("/s/large.bin"), 200);
    assert_field("Content-Length", "300000");
    assert_int_equal(body_len(), 0);
}

static void other_methods_are_405_and_say_which_are_not(void **state) {
    (void)state;
    make("a.txt", "hello");
    serve_folder();
    static const char *const methods[] = { "POST", "PUT", "DELETE", "PATCH" };
    for (size_t i = 0; i < 4; i++) {
        response = tc_test_client_fetch(serve(), "/s/a.txt", FETCH(.method = methods[i]));
        assert_int_equal(tc_http_response_status(response), 405);
        assert_field("Allow", "GET, HEAD, OPTIONS");
    }
}

static void empty_and_large_files_are_answered_whole(void **state) {
    (void)state;
    make("empty.txt", "");
    make_large("large.bin");
    make_bytes("edge.bin", tc_bytes(large, 64 * 1024));
    make_bytes("beyond.bin", tc_bytes(large, 64 * 1024 + 1));
    serve_folder();
    for (int i = 0; i < 2; i++) { /* read, and kept */
        assert_int_equal(get("/s/empty.txt"), 200);
        assert_field("Content-Length", "0");
        assert_int_equal(get("/s/large.bin"), 200);
        assert_int_equal(body_len(), LARGE);
        assert_memory_equal(body(), large, LARGE);
        assert_int_equal(get("/s/edge.bin"), 200);
        assert_int_equal(body_len(), 64 * 1024);
        assert_int_equal(get("/s/beyond.bin"), 200);
        assert_memory_equal(body(), large, 64 * 1024 + 1);
    }
}

static void what_is_not_there_is_404(void **state) {
    (void)state;
    make("a.txt", "hello");
    serve_folder();
    assert_int_equal(get("/s/b.txt"), 404);
    assert_int_equal(get("/s/a.txt/"), 404);
    assert_int_equal(get("/s/a.txt/b"), 404);
    assert_int_equal(get("/s/"), 404);
    assert_int_equal(get("/s"), 404);
}

static void names_are_decoded_once(void **state) {
    (void)state;
    make("a b.txt", "space");
    make("\xc3\xa4.txt", "umlaut");
    make("100%.txt", "percent");
    make("%41.txt", "literal");
    make("a+b.txt", "plus");
    make("what?.txt", "question");
    serve_folder();
    assert_ask("/s/a%20b.txt", "200 space");
    assert_ask("/s/%C3%a4.txt", "200 umlaut");
    assert_ask("/s/100%25.txt", "200 percent");
    assert_ask("/s/%2541.txt", "200 literal");
    assert_ask("/s/a+b.txt", "200 plus");
    assert_ask("/s/what%3F.txt", "200 question");
    assert_int_equal(get("/s/100%.txt"), 404);
}

/* ---- Folders ---- */

static void a_folder_answers_with_its_index(void **state) {
    (void)state;
    make("index.html", "root");
    make_folder("sub");
    make("sub/index.html", "sub");
    serve_folder();
    assert_ask("/s/", "200 root");
    assert_ask("/s/sub/", "200 sub");
    assert_ask("/s/index.html", "200 root");
    assert_int_equal(get("/s/sub/"), 200);
    assert_field("Content-Type", "text/html; charset=UTF-8");
}

static void a_folder_without_its_slash_is_redirected_with_its_query(void **state) {
    (void)state;
    make_folder("a b");
    make("a b/index.html", "there");
    serve_folder();
    assert_int_equal(get("/s/a%20b?x=1&y=%2F"), 301);
    assert_field("Location", "/s/a%20b/?x=1&y=%2F");
    assert_int_equal(get("/s/a%20b"), 301);
    assert_field("Location", "/s/a%20b/");
    assert_int_equal(get("/s/a%20b?"), 301);
    assert_field("Location", "/s/a%20b/?");
}

static void a_folder_without_an_index_is_404(void **state) {
    (void)state;
    make_folder("sub");
    make_folder("odd");
    make_folder("odd/index.html");
    serve_folder();
    assert_int_equal(get("/s/sub/"), 404);
    assert_int_equal(get("/s/sub"), 404);
    assert_int_equal(get("/s/odd/"), 404);
}

static void the_index_has_the_name_that_is_chosen(void **state) {
    (void)state;
    make("index.html", "no");
    make("home.txt", "home");
    serve_with(OPTIONS(.index = "home.txt"));
    assert_ask("/s/", "200 home");
    stop_serving();
    app = tc_application_new(NULL);
    serve_with(OPTIONS(.index = ""));
    assert_int_equal(get("/s/"), 404);
}

static void a_fallback_answers_for_what_is_not_there(void **state) {
    (void)state;
    make("app.html", "the app");
    make("a.txt", "a");
    serve_with(OPTIONS(.fallback = "app.html"));
    assert_ask("/s/a.txt", "200 a");
    assert_ask("/s/users/7", "200 the app");
    assert_ask("/s/users/8", "200 the app");
    assert_ask("/s/.hidden", "200 the app");
    unlink(path_of("app.html"));
    wait_for_recheck();
    assert_int_equal(get("/s/users/7"), 404);
}

static void a_site_may_be_at_the_root_and_routes_go_before_it(void **state) {
    (void)state;
    make("index.html", "page");
    make("css", "style");
    assert_int_equal(tc_application_add_static(app, "/", folder), 0);
    assert_ask("/", "200 page");
    assert_ask("/css", "200 style");
    assert_int_equal(get("//css"), 404);
    assert_int_equal(get("//example.com/..%2f.."), 404);
}

/* Tornado's setting static_path. */
static void an_application_has_a_folder_and_what_browsers_want_of_it_at_the_root(void **state) {
    (void)state;
    make("a.txt", "file");
    make("favicon.ico", "icon");
    make("robots.txt", "nobody");
    use_options(&(tc_application_options_t){ .static_path = folder });
    assert_ask("/static/a.txt", "200 file");
    assert_ask("/favicon.ico", "200 icon");
    assert_ask("/robots.txt", "200 nobody");
    assert_int_equal(get("/a.txt"), 404);
    assert_int_equal(unlink(path_of("robots.txt")), 0);
    wait_for_recheck();
    assert_int_equal(get("/robots.txt"), 404);
}

static int refuse(tc_request_t *req) {
    return tc_get_argument(req, "key", NULL) ? 0 : 403;
}

static void its_folder_has_a_prefix_and_options_and_inherits_its_base(void **state) {
    (void)state;
    make("a.txt", "file");
    make("favicon.ico", "icon");
    use_options(&(tc_application_options_t){ .static_path = folder,
                                             .static_url_prefix = "/s/",
                                             .static_options = OPTIONS(.max_age_ms = 60000),
                                             .base = HANDLER(.prepare = refuse) });
    assert_int_equal(get("/s/a.txt"), 403);
    assert_int_equal(get("/favicon.ico"), 403);
    assert_int_equal(get("/s/a.txt?key=1"), 200);
    assert_field("Cache-Control", "max-age=60");
}

static void what_browsers_want_at_the_root_has_no_slash_behind_it_whatever_the_base_says(void **state) {
    (void)state;
    make("favicon.ico", "icon");
    use_options(&(tc_application_options_t){ .static_path = folder, .base = HANDLER(.flags = TC_ADDSLASH) });
    assert_ask("/favicon.ico", "200 icon");
    assert_int_equal(get("/favicon.ico/"), 301);
    assert_field("Location", "/favicon.ico");
}

static void a_group_protects_its_files(void **state) {
    (void)state;
    make("a.txt", "secret");
    tc_router_t *group = tc_application_group(app, "/private", HANDLER(.prepare = refuse, .timeout_ms = 1));
    assert_int_equal(tc_router_add_static(group, "/files/", folder, NULL), 0);
    assert_int_equal(get("/private/files/a.txt"), 403);
    assert_ask("/private/files/a.txt?key=1", "200 secret");
}

/* ---- Change ---- */

static void a_change_is_seen_once_the_file_is_looked_at_again(void **state) {
    (void)state;
    make("a.txt", "one");
    serve_folder();
    assert_ask("/s/a.txt", "200 one");
    make("a.txt", "two");
    assert_ask("/s/a.txt", "200 one"); /* within the second */
    wait_for_recheck();
    assert_ask("/s/a.txt", "200 two");
    unlink(path_of("a.txt"));
    wait_for_recheck();
    assert_int_equal(get("/s/a.txt"), 404);
    make("a.txt", "three");
    assert_ask("/s/a.txt", "200 three"); /* what is absent is not kept */
}

static void files_may_be_looked_at_more_rarely_or_never(void **state) {
    (void)state;
    make("a.txt", "one");
    serve_with(OPTIONS(.recheck_ms = TC_FOREVER));
    assert_ask("/s/a.txt", "200 one");
    make("a.txt", "two");
    tc_test_client_advance(client, 30000);
    assert_ask("/s/a.txt", "200 one");
    tc_test_client_advance(client, 80000); /* nobody asked for a minute: it is not kept any more */
    assert_ask("/s/a.txt", "200 two");
}

static void a_release_may_be_switched_by_a_link(void **state) {
    (void)state;
    make_folder("v1");
    make_folder("v2");
    make("v1/a.txt", "one");
    make("v2/a.txt", "two");
    assert_int_equal(symlink("v1", path_of("now")), 0);
    assert_int_equal(tc_application_add_static(app, "/s/", path_of("now")), 0);
    assert_ask("/s/a.txt", "200 one");
    assert_int_equal(symlink("v2", path_of("next")), 0);
    assert_int_equal(rename(path_of("next"), path_of("now")), 0);
    wait_for_recheck();
    assert_ask("/s/a.txt", "200 two");
}

static void many_files_do_not_keep_their_descriptors(void **state) {
    (void)state;
    char name[32];
    make_large("0.bin");
    for (int i = 1; i < 200; i++) {
        snprintf(name, sizeof name, "%d.bin", i);
        assert_int_equal(link(path_of("0.bin"), path_of(name)), 0);
    }
    serve_folder();
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "/s/%d.bin", i);
        assert_int_equal(head(name), 200);
    }
    assert_in_range(count_descriptors() - descriptors, 100, 170);
    tc_test_client_advance(client, 80000);
    assert_in_range(count_descriptors() - descriptors, 0, 20); /* nobody asked for a minute */
}

static void many_files_do_not_keep_their_content(void **state) {
    (void)state;
    char name[32];
    make_large("0.bin");
    assert_int_equal(truncate(path_of("0.bin"), 60000), 0);
    for (int i = 1; i < 600; i++) {
        snprintf(name, sizeof name, "%d.bin", i);
        assert_int_equal(link(path_of("0.bin"), path_of(name)), 0);
    }
    serve_folder();
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof name, "/s/%d.bin", i);
        assert_int_equal(head(name), 200);
    }
    make("0.bin", "changed");
    assert_int_equal(get("/s/599.bin"), 200);
    assert_int_equal(body_len(), 60000);   /* kept */
    assert_ask("/s/0.bin", "200 changed"); /* not kept: it made room */
}

static void requests_for_one_file_look_at_it_together(void **state) {
    (void)state;
    make("a.txt", "hello");
    serve_folder();
    int ids[20];
    for (int i = 0; i < 20; i++)
        ids[i] = start("/s/a.txt", NULL);
    get("/s/a.txt");
    for (int i = 0; i < 20; i++)
        assert_string_equal(answered(ids[i]), "200 hello");
}

/* ---- Conditions ---- */

static const char *etag_of(const char *path) {
    static char etag[100];
    get(path);
    snprintf(etag, sizeof etag, "%s", field("ETag"));
    return etag;
}

static void a_client_that_has_the_file_is_told_so(void **state) {
    (void)state;
    make("a.txt", "hello");
    make_large("large.bin");
    serve_folder();
    static const char *const paths[] = { "/s/a.txt", "/s/large.bin" };
    for (int i = 0; i < 2; i++) {
        const char *etag = etag_of(paths[i]);
        assert_int_equal(GET(paths[i], "If-None-Match", etag), 304);
        assert_int_equal(body_len(), 0);
        assert_field("ETag", etag);
        assert_field("Cache-Control", "no-cache");
        assert_field("Content-Type", "(none)");
        assert_field("Content-Length", "(none)");
        assert_int_equal(GET(paths[i], "If-None-Match", "\"x\""), 200);
        assert_int_equal(GET(paths[i], "If-None-Match", "*"), 304);
        assert_int_equal(GET(paths[i], "If-Modified-Since", NOON_TEXT), 304);
        assert_int_equal(GET(paths[i], "If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"), 200);
        assert_int_equal(GET(paths[i], "If-None-Match", "\"x\"", "If-Modified-Since", NOON_TEXT), 200);
        assert_int_equal(GET(paths[i], "If-None-Match", etag, "Range", "bytes=0-1"), 304);
        assert_int_equal(tc_http_response_status(tc_test_client_fetch(
                             client, paths[i], FETCH(.method = "HEAD", .headers = HEADERS("If-None-Match", etag)))),
                         304);
    }
}

static void a_client_that_wants_another_version_is_refused(void **state) {
    (void)state;
    make("a.txt", "hello");
    serve_folder();
    const char *etag = etag_of("/s/a.txt");
    assert_int_equal(GET("/s/a.txt", "If-Match", etag), 200);
    assert_int_equal(GET("/s/a.txt", "If-Match", "*"), 200);
    assert_int_equal(GET("/s/a.txt", "If-Match", "\"x\""), 412);
    assert_int_equal(GET("/s/a.txt", "If-Unmodified-Since", NOON_TEXT), 200);
    assert_int_equal(GET("/s/a.txt", "If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"), 412);
    assert_int_equal(GET("/s/a.txt", "If-Match", etag, "If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"), 200);
}

static void the_etag_of_a_small_file_is_of_its_content(void **state) {
    (void)state;
    make("a.txt", "hello");
    make("b.txt", "hello");
    serve_folder();
    char etag[100];
    strcpy(etag, etag_of("/s/a.txt"));
    assert_string_equal(etag_of("/s/b.txt"), etag);
    set_time("a.txt", NOON + 7, 0); /* touched */
    wait_for_recheck();
    assert_string_equal(etag_of("/s/a.txt"), etag);
    make("a.txt", "jello");
    wait_for_recheck();
    assert_string_not_equal(etag_of("/s/a.txt"), etag);
}

static void the_etag_of_a_large_file_is_of_its_time_and_size(void **state) {
    (void)state;
    make_large("a.bin");
    serve_folder();
    char etag[100];
    strcpy(etag, etag_of("/s/a.bin"));
    assert_true(etag[0] == '"');
    set_time("a.bin", NOON, 1);
    wait_for_recheck();
    assert_string_not_equal(etag_of("/s/a.bin"), etag);
    set_time("a.bin", NOON, 0);
    wait_for_recheck();
    assert_string_equal(etag_of("/s/a.bin"), etag);
    assert_int_equal(truncate(path_of("a.bin"), LARGE - 1), 0);
    set_time("a.bin", NOON, 0);
    wait_for_recheck();
    assert_string_not_equal(etag_of("/s/a.bin"), etag);
}

static void the_validators_of_a_file_that_has_just_changed_are_weak(void **state) {
    (void)state;
    make_large("a.bin");
    set_time("a.bin", time(NULL), 0);
    serve_folder();
    const char *etag = etag_of("/s/a.bin");
    assert_memory_equal(etag, "W/\"", 3);
    char modified[40];
    strcpy(modified, field("Last-Modified"));
    assert_int_equal(GET("/s/a.bin", "If-None-Match", etag), 304);
    assert_int_equal(GET("/s/a.bin", "Range", "bytes=0-1"), 206);
    assert_int_equal(GET("/s/a.bin", "Range", "bytes=0-1", "If-Range", etag), 200);
    assert_int_equal(GET("/s/a.bin", "Range", "bytes=0-1", "If-Range", modified), 200);
}

static void a_file_from_before_1970_has_a_date(void **state) {
    (void)state;
    make("a.txt", "old");
    set_time("a.txt", -86400, 0);
    serve_folder();
    assert_int_equal(get("/s/a.txt"), 200);
    assert_field("Last-Modified", "Wed, 31 Dec 1969 00:00:00 GMT");
    assert_int_equal(GET("/s/a.txt", "If-Modified-Since", "Wed, 31 Dec 1969 00:00:00 GMT"), 304);
}

/* ---- Ranges ---- */

static const char *range_of(const char *path, const char *range) {
    static char text[200];
    int status = GET(path, "Range", range);
    snprintf(text, sizeof text, "%d %s %s %.40s", status, field("Content-Length"), field("Content-Range"), body());
    return text;
}

static void a_range_is_answered_by_just_that(void **state) {
    (void)state;
    make("a.txt", "abcdefghijklmnopqrstuvwxyz");
    serve_folder();
    assert_string_equal(range_of("/s/a.txt", "bytes=0-9"), "206 10 bytes 0-9/26 abcdefghij");
    assert_string_equal(range_of("/s/a.txt", "bytes=22-"), "206 4 bytes 22-25/26 wxyz");
    assert_string_equal(range_of("/s/a.txt", "bytes=-4"), "206 4 bytes 22-25/26 wxyz");
    assert_string_equal(range_of("/s/a.txt", "bytes=24-100000"), "206 2 bytes 24-25/26 yz");
    assert_string_equal(range_of("/s/a.txt", "bytes=0-"), "206 26 bytes 0-25/26 abcdefghijklmnopqrstuvwxyz");
    assert_string_equal(range_of("/s/a.txt", "bytes=26-"), "416 0 bytes */26 ");
    assert_field("Content-Type", "(none)");
    assert_string_equal(range_of("/s/a.txt", "bytes=9-3"), "200 26 (none) abcdefghijklmnopqrstuvwxyz");
    assert_string_equal(range_of("/s/a.txt", "lines=0-3"), "200 26 (none) abcdefghijklmnopqrstuvwxyz");
    GET("/s/a.txt", "Range", "bytes=0-1");
    assert_field("Content-Type", "text/plain; charset=UTF-8");
    assert_field("Last-Modified", NOON_TEXT);
    assert_field("Accept-Ranges", "bytes");
    assert_int_equal(GET("/s/a.txt", "Range", "bytes=0-1", "Range", "bytes=2-3"), 200);
}

static void head_knows_no_ranges(void **state) {
    (void)state;
    make("a.txt", "abcdefghij");
    serve_folder();
    response = tc_test_client_fetch(serve(), "/s/a.txt",
                                    FETCH(.method = "HEAD", .headers = HEADERS("Range", "bytes=0-1")));
    assert_int_equal(tc_http_response_status(response), 200);
    assert_field("Content-Length", "10");
}

static void a_range_of_a_large_file_is_sent_from_it(void **state) {
    (void)state;
    make_large("a.bin");
    serve_folder();
    assert_int_equal(GET("/s/a.bin", "Range", "bytes=100000-299998"), 206);
    assert_field("Content-Range", "bytes 100000-299998/300000");
    assert_int_equal(body_len(), 199999);
    assert_memory_equal(body(), large + 100000, 199999);
}

/* The parts as they should be. */
static void check_parts(const char *type, const char *const *heads, const char *const *texts, const size_t *lens,
                        int count) {
    char boundary[80], expected[400];
    assert_int_equal(sscanf(field("Content-Type"), "multipart/byteranges; boundary=%70s", boundary), 1);
    const char *at = body();
    for (int i = 0; i < count; i++) {
        int len = snprintf(expected, sizeof expected, "%s--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n",
                           i > 0 ? "\r\n" : "", boundary, type, heads[i]);
        assert_memory_equal(at, expected, len);
        assert_memory_equal(at + len, texts[i], lens[i]);
        at += (size_t)len + lens[i];
    }
    snprintf(expected, sizeof expected, "\r\n--%s--\r\n", boundary);
    assert_string_equal(at, expected);
    assert_int_equal(at + strlen(at) - body(), body_len());
    snprintf(expected, sizeof expected, "%zu", body_len());
    assert_field("Content-Length", expected);
    assert_field("Content-Range", "(none)");
}

static void several_ranges_are_parts_of_one_answer(void **state) {
    (void)state;
    make("a.txt", "abcdefghijklmnopqrstuvwxyz");
    make_large("a.bin");
    serve_folder();
    assert_int_equal(GET("/s/a.txt", "Range", "bytes=0-1, 24-, 10-10"), 206);
    check_parts("text/plain; charset=UTF-8",
                (const char *const[]){ "bytes 0-1/26", "bytes 24-25/26", "bytes 10-10/26" },
                (const char *const[]){ "ab", "yz", "k" }, (const size_t[]){ 2, 2, 1 }, 3);
    assert_int_equal(GET("/s/a.bin", "Range", "bytes=200000-,5-5,10-149999"), 206);
    check_parts("application/octet-stream",
                (const char *const[]){ "bytes 200000-299999/300000", "bytes 5-5/300000", "bytes 10-149999/300000" },
                (const char *const[]){ large + 200000, large + 5, large + 10 }, (const size_t[]){ 100000, 1, 149990 },
                3);
}

static void many_ranges_take_no_more_than_the_whole(void **state) {
    (void)state;
    make_large("a.bin");
    serve_folder();
    assert_int_equal(GET("/s/a.bin", "Range", "bytes=0-,1-,2-,3-,4-,5-,6-,7-"), 206);
    assert_field("Content-Range", "bytes 0-299999/300000");
    char killer[8000] = "bytes=0-0";
    for (int i = 1; i < 1300; i++)
        strcat(killer, ",5-");
    assert_int_equal(GET("/s/a.bin", "Range", killer), 200);
    assert_int_equal(body_len(), LARGE);
}

static void if_range_decides_whether_a_range_is_heard(void **state) {
    (void)state;
    make("a.txt", "abcdefghij");
    serve_folder();
    const char *etag = etag_of("/s/a.txt");
    assert_int_equal(GET("/s/a.txt", "Range", "bytes=0-1", "If-Range", etag), 206);
    assert_int_equal(GET("/s/a.txt", "Range", "bytes=0-1", "If-Range", "\"x\""), 200);
    assert_int_equal(GET("/s/a.txt", "Range", "bytes=0-1", "If-Range", NOON_TEXT), 206);
    assert_int_equal(GET("/s/a.txt", "Range", "bytes=0-1", "If-Range", "Sun, 06 Nov 1994 08:49:38 GMT"), 200);
    assert_int_equal(GET("/s/a.txt", "Range", "bytes=90-", "If-Range", "\"x\""), 200);
}

static void an_empty_file_has_no_ranges(void **state) {
    (void)state;
    make("a.txt", "");
    serve_folder();
    assert_string_equal(range_of("/s/a.txt", "bytes=0-"), "200 0 (none) ");
    assert_string_equal(range_of("/s/a.txt", "bytes=-1"), "200 0 (none) ");
}

/* ---- Compressed siblings ---- */

static void make_siblings(void) {
    make("app.js", "plain");
    make("app.js.br", "brotli");
    make("app.js.gz", "gzip");
    make("app.js.zst", "zstd");
    make("alone.js", "alone");
}

static void a_compressed_sibling_goes_to_clients_that_take_it(void **state) {
    (void)state;
    make_siblings();
    serve_with(OPTIONS(.precompressed = true));
    static const struct {
        const char *accepted, *body, *coding;
    } rows[] = {
        { "gzip, deflate, br, zstd", "brotli", "br" },
        { "gzip", "gzip", "gzip" },
        { "zstd, gzip", "zstd", "zstd" },
        { "gzip;q=1, br;q=0.5", "gzip", "gzip" },
        { "identity, gzip;q=0.5", "plain", "(none)" },
        { "identity;q=0.5, gzip;q=0.5", "gzip", "gzip" },
        { "gzip;q=0", "plain", "(none)" },
        { "xgzip", "plain", "(none)" },
        { "*;q=0.1, identity;q=0", "brotli", "br" },
        { "", "plain", "(none)" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(GET("/s/app.js", "Accept-Encoding", rows[i].accepted), 200);
        assert_string_equal(body(), rows[i].body);
        assert_field("Content-Encoding", rows[i].coding);
        assert_field("Content-Type", "text/javascript; charset=UTF-8");
        assert_field("Vary", "Accept-Encoding");
    }
    assert_int_equal(get("/s/app.js"), 200);
    assert_string_equal(body(), "plain");
    assert_field("Vary", "Accept-Encoding");
    assert_int_equal(GET("/s/alone.js", "Accept-Encoding", "gzip"), 200);
    assert_field("Vary", "(none)");
    assert_int_equal(get("/s/app.js.gz"), 200);
    assert_field("Content-Encoding", "(none)");
    assert_field("Content-Type", "application/gzip");
}

static void each_coding_has_validators_and_ranges_of_its_own(void **state) {
    (void)state;
    make_siblings();
    serve_with(OPTIONS(.precompressed = true));
    char plain[100], etag[100];
    strcpy(plain, etag_of("/s/app.js"));
    GET("/s/app.js", "Accept-Encoding", "gzip");
    strcpy(etag, field("ETag"));
    assert_string_not_equal(plain, etag);
    assert_non_null(strstr(etag, "-gzip\""));
    assert_int_equal(GET("/s/app.js", "Accept-Encoding", "gzip", "If-None-Match", etag), 304);
    assert_field("Vary", "Accept-Encoding");
    assert_field("Content-Encoding", "(none)");
    assert_int_equal(GET("/s/app.js", "If-None-Match", etag), 200);
    assert_int_equal(GET("/s/app.js", "Accept-Encoding", "gzip", "Range", "bytes=1-2"), 206);
    assert_string_equal(body(), "zi");
    assert_field("Content-Range", "bytes 1-2/4");
    assert_field("Content-Encoding", "gzip");
}

static void a_sibling_that_is_older_than_its_file_is_not_sent(void **state) {
    (void)state;
    make_siblings();
    set_time("app.js.br", NOON - 1, 0);
    serve_with(OPTIONS(.precompressed = true));
    assert_int_equal(GET("/s/app.js", "Accept-Encoding", "br, gzip"), 200);
    assert_string_equal(body(), "gzip");
}

static void siblings_are_not_looked_for_unless_that_is_wanted(void **state) {
    (void)state;
    make_siblings();
    serve_folder();
    assert_int_equal(GET("/s/app.js", "Accept-Encoding", "gzip"), 200);
    assert_string_equal(body(), "plain");
    assert_field("Vary", "(none)");
}

static void a_sibling_that_comes_and_goes_is_seen(void **state) {
    (void)state;
    make("a.js", "plain");
    serve_with(OPTIONS(.precompressed = true));
    assert_int_equal(GET("/s/a.js", "Accept-Encoding", "gzip"), 200);
    assert_string_equal(body(), "plain");
    make("a.js.gz", "gzip");
    wait_for_recheck();
    GET("/s/a.js", "Accept-Encoding", "gzip");
    assert_string_equal(body(), "gzip");
    unlink(path_of("a.js.gz"));
    wait_for_recheck();
    GET("/s/a.js", "Accept-Encoding", "gzip");
    assert_string_equal(body(), "plain");
}

/* ---- Options ---- */

static const char *own_type(const char *name, void *user_data) {
    return strcmp(name, "sub/model.glb") == 0 ? user_data : NULL;
}

static int extra_headers(tc_request_t *req, const char *name, void *user_data) {
    (void)user_data;
    if (strcmp(name, "locked.txt") == 0)
        return 403;
    tc_set_header(req, "Access-Control-Allow-Origin", "*");
    tc_set_header(req, "Cache-Control", "private");
    return 0;
}

static int own_defaults(tc_request_t *req) {
    tc_set_header(req, "Content-Type", "application/json");
    return tc_set_header(req, "Cache-Control", "no-store");
}

static void hooks_choose_types_and_headers_and_may_refuse(void **state) {
    (void)state;
    make_folder("sub");
    make("sub/model.glb", "model");
    make("locked.txt", "locked");
    make("a.txt", "a");
    serve_with(OPTIONS(.content_type = own_type, .set_extra_headers = extra_headers,
                       .user_data = (void *)(uintptr_t) "model/gltf-binary", .sniff = true));
    assert_int_equal(get("/s/sub/model.glb"), 200);
    assert_field("Content-Type", "model/gltf-binary");
    assert_field("Access-Control-Allow-Origin", "*");
    assert_field("Cache-Control", "private");
    assert_field("X-Content-Type-Options", "(none)");
    assert_int_equal(get("/s/a.txt"), 200);
    assert_field("Content-Type", "text/plain; charset=UTF-8");
    assert_int_equal(get("/s/locked.txt"), 403);
    assert_int_equal(GET("/s/locked.txt", "If-None-Match", "*"), 403);
}

static void files_may_be_cached_for_some_time(void **state) {
    (void)state;
    make("a.txt", "a");
    serve_with(OPTIONS(.max_age_ms = 3600999));
    get("/s/a.txt");
    assert_field("Cache-Control", "max-age=3600");
}

static void a_base_may_say_how_files_are_cached_but_not_their_type(void **state) {
    (void)state;
    make("a.txt", "a");
    tc_router_t *group = tc_application_group(app, "/g", HANDLER(.set_default_headers = own_defaults));
    assert_int_equal(tc_router_add_static(group, "/s/", folder, NULL), 0);
    get("/g/s/a.txt");
    assert_field("Content-Type", "text/plain; charset=UTF-8");
    assert_field("Cache-Control", "no-store");
}

static void a_folder_is_listed_if_that_is_wanted(void **state) {
    (void)state;
    make_folder("sub");
    make_folder("sub/inner");
    make("sub/a & b <i>.txt", "12345");
    make("sub/javascript:x", "1");
    make("sub/.hidden", "1");
    make("sub/back\\slash", "1");
    make("sub/bad\xff", "1");
    assert_int_equal(symlink("/etc/passwd", path_of("sub/out")), 0);
    assert_int_equal(mkfifo(path_of("sub/fifo"), 0644), 0);
    serve_with(OPTIONS(.listing = true));
    assert_int_equal(get("/s/sub"), 301);
    assert_int_equal(get("/s/sub/"), 200);
    assert_field("Content-Type", "text/html; charset=UTF-8");
    assert_string_equal(body(), "<!DOCTYPE html>\n<meta charset=\"UTF-8\">\n<title>/s/sub/</title>\n<h1>/s/sub/</h1>\n"
                                "<table>\n<tr><td><a href=\"../\">../</a></td><td></td></tr>\n"
                                "<tr><td><a href=\"./inner/\">inner/</a></td><td></td></tr>\n"
                                "<tr><td><a href=\"./a%20%26%20b%20%3Ci%3E.txt\">a &amp; b &lt;i&gt;.txt</a></td>"
                                "<td>5</td></tr>\n"
                                "<tr><td><a href=\"./javascript%3Ax\">javascript:x</a></td><td>1</td></tr>\n"
                                "</table>\n");
    assert_int_equal(GET("/s/sub/", "If-None-Match", field("ETag")), 304);
    make("sub/new", "1");
    wait_for_recheck();
    get("/s/sub/");
    assert_non_null(strstr(body(), "./new"));
    assert_int_equal(get("/s/sub/new/"), 404);
    make("sub/index.html", "index");
    wait_for_recheck();
    assert_ask("/s/sub/", "200 index");
    assert_int_equal(get("/s/"), 200);
    assert_null(strstr(body(), "../"));
}

static void dot_files_are_served_if_that_is_wanted(void **state) {
    (void)state;
    make(".hidden", "hidden");
    make_folder(".well-known");
    make(".well-known/acme", "acme");
    serve_with(OPTIONS(.dot_files = true, .listing = true));
    assert_ask("/s/.hidden", "200 hidden");
    assert_ask("/s/.well-known/acme", "200 acme");
    assert_int_equal(get("/s/../root/.hidden"), 404);
    assert_int_equal(get("/s/./.hidden"), 404);
    get("/s/");
    assert_non_null(strstr(body(), ".well-known/"));
    assert_null(strstr(body(), "\"./..\""));
}

/* ---- Versions ---- */

static int says_url(tc_request_t *req) {
    const char *url = tc_static_url(req, tc_get_argument(req, "path", ""));
    return tc_write(req, url ? url : "(null)");
}

/* Once it is known. */
static const char *url_of(const char *path) {
    static char text[200];
    char url[200];
    snprintf(url, sizeof url, "/url?path=%s", path);
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "%s", ask(url) + strlen("200 "));
        if (strstr(text, "?v="))
            break;
        tc__ioloop_turn(tc_test_client_loop(client), false);
        usleep(1000);
    }
    return text;
}

static void a_url_carries_the_version_of_its_file(void **state) {
    (void)state;
    make("a b.css", "hello");
    make_large("large.bin");
    route("/url", HANDLER(.get = says_url));
    serve_folder();
    assert_ask("/url?path=a+b.css", "200 /s/a%20b.css"); /* not known yet, and nobody waits */
    assert_string_equal(url_of("a+b.css"), "/s/a%20b.css?v=2cf24dba5fb0a30e26e83b2ac5b9e29e");
    assert_string_equal(url_of("/s/a+b.css"), "/s/a%20b.css?v=2cf24dba5fb0a30e26e83b2ac5b9e29e");
    const char *url = url_of("large.bin");
    assert_non_null(strstr(url, "?v="));
    assert_int_equal(get(url), 200);
    assert_field("Cache-Control", "public, max-age=31536000, immutable");
    assert_int_equal(body_len(), LARGE);
    assert_ask("/url?path=/elsewhere/a.css", "200 (null)");
    assert_ask("/url?path=none.css", "200 /s/none.css");
}

static void only_the_present_version_is_cached_for_ever(void **state) {
    (void)state;
    make("a.css", "hello");
    route("/url", HANDLER(.get = says_url));
    serve_folder();
    char url[200];
    strcpy(url, url_of("a.css"));
    assert_int_equal(get(url), 200);
    assert_field("Cache-Control", "public, max-age=31536000, immutable");
    get("/s/a.css?v=1");
    assert_field("Cache-Control", "no-cache");
    get("/s/a.css?v=");
    assert_field("Cache-Control", "no-cache");
    get("/s/a.css?w=2cf24dba5fb0a30e26e83b2ac5b9e29e");
    assert_field("Cache-Control", "no-cache");
    make("a.css", "jello");
    wait_for_recheck();
    get(url);
    assert_string_equal(body(), "jello");
    assert_field("Cache-Control", "no-cache");
    wait_for_recheck();
    assert_string_not_equal(url_of("a.css"), url);
}

static void several_sites_have_urls_by_their_prefix(void **state) {
    (void)state;
    make("a.css", "hello");
    make_folder("sub");
    make("sub/b.css", "hello");
    route("/url", HANDLER(.get = says_url));
    serve_folder();
    assert_int_equal(tc_application_add_static(app, "/s/sub/deeper/", path_of("sub")), 0);
    assert_string_equal(url_of("/s/sub/deeper/b.css"), "/s/sub/deeper/b.css?v=2cf24dba5fb0a30e26e83b2ac5b9e29e");
    assert_string_equal(url_of("/s/sub/b.css"), "/s/sub/b.css?v=2cf24dba5fb0a30e26e83b2ac5b9e29e");
    assert_ask("/s/sub/deeper/b.css", "200 hello");
}

static void without_a_folder_there_is_no_url(void **state) {
    (void)state;
    route("/url", HANDLER(.get = says_url));
    assert_ask("/url?path=a.css", "200 (null)");
    assert_null(tc_static_url(NULL, "a"));
}

/* ---- Registering ---- */

static void what_cannot_be_served_is_said_at_once(void **state) {
    (void)state;
    make("file", "");
    assert_int_equal(tc_application_add_static(app, "/a/", path_of("nowhere")), TC_ENOENT);
    assert_non_null(strstr(tc_error_detail(), "/nowhere of static files: no such file"));
    assert_int_equal(tc_application_add_static(app, "/a/", path_of("file")), -ENOTDIR);
    assert_int_equal(tc_application_add_static(app, "/a", folder), TC_EPATTERN);
    assert_int_equal(tc_application_add_static(app, "a/", folder), TC_EPATTERN);
    assert_int_equal(tc_application_add_static(app, "", folder), TC_EPATTERN);
    assert_int_equal(tc_application_add_static(app, "/{a}/", folder), TC_EPATTERN);
    assert_int_equal(tc_application_add_static(app, NULL, folder), TC_EINVAL);
    assert_int_equal(tc_application_add_static(app, "/a/", NULL), TC_EINVAL);
    assert_int_equal(tc_application_add_static(NULL, "/a/", folder), TC_ENOMEM);
    assert_int_equal(
        tc_router_add_static(tc_application_group(app, "", NULL), "/a/", folder, OPTIONS(.reserved = { 1 })),
        TC_EINVAL);
    assert_int_equal(tc_application_add_static(app, "/a/", folder), 0);
    assert_int_equal(tc_application_add_static(app, "/a/", folder), TC_EALREADY);
    assert_int_equal(tc_application_error(app), TC_ENOENT);
    use_options(&(tc_application_options_t){ .static_path = path_of("nowhere") });
    assert_int_equal(tc_application_error(app), TC_ENOENT);
    use_options(&(tc_application_options_t){ .static_path = folder, .static_url_prefix = "static" });
    assert_int_equal(tc_application_error(app), TC_EPATTERN);
    forget_log();
}

static void a_relative_folder_is_that_of_now(void **state) {
    (void)state;
    make("a.txt", "here");
    char before[400];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(base), 0);
    int err = tc_application_add_static(app, "/s/", "root");
    assert_int_equal(chdir(before), 0);
    assert_int_equal(err, 0);
    assert_ask("/s/a.txt", "200 here");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STATIC_TEST(a_file_is_answered_with_its_type_and_its_validators),
        STATIC_TEST(head_is_answered_like_get_without_the_body),
        STATIC_TEST(other_methods_are_405_and_say_which_are_not),
        STATIC_TEST(empty_and_large_files_are_answered_whole),
        STATIC_TEST(what_is_not_there_is_404),
        STATIC_TEST(names_are_decoded_once),
        STATIC_TEST(a_folder_answers_with_its_index),
        STATIC_TEST(a_folder_without_its_slash_is_redirected_with_its_query),
        STATIC_TEST(a_folder_without_an_index_is_404),
        STATIC_TEST(the_index_has_the_name_that_is_chosen),
        STATIC_TEST(a_fallback_answers_for_what_is_not_there),
        STATIC_TEST(a_site_may_be_at_the_root_and_routes_go_before_it),
        STATIC_TEST(an_application_has_a_folder_and_what_browsers_want_of_it_at_the_root),
        STATIC_TEST(its_folder_has_a_prefix_and_options_and_inherits_its_base),
        STATIC_TEST(what_browsers_want_at_the_root_has_no_slash_behind_it_whatever_the_base_says),
        STATIC_TEST(a_group_protects_its_files),
        STATIC_TEST(a_change_is_seen_once_the_file_is_looked_at_again),
        STATIC_TEST(files_may_be_looked_at_more_rarely_or_never),
        STATIC_TEST(a_release_may_be_switched_by_a_link),
        STATIC_TEST(many_files_do_not_keep_their_descriptors),
        STATIC_TEST(many_files_do_not_keep_their_content),
        STATIC_TEST(requests_for_one_file_look_at_it_together),
        STATIC_TEST(a_client_that_has_the_file_is_told_so),
        STATIC_TEST(a_client_that_wants_another_version_is_refused),
        STATIC_TEST(the_etag_of_a_small_file_is_of_its_content),
        STATIC_TEST(the_etag_of_a_large_file_is_of_its_time_and_size),
        STATIC_TEST(the_validators_of_a_file_that_has_just_changed_are_weak),
        STATIC_TEST(a_file_from_before_1970_has_a_date),
        STATIC_TEST(a_range_is_answered_by_just_that),
        STATIC_TEST(head_knows_no_ranges),
        STATIC_TEST(a_range_of_a_large_file_is_sent_from_it),
        STATIC_TEST(several_ranges_are_parts_of_one_answer),
        STATIC_TEST(many_ranges_take_no_more_than_the_whole),
        STATIC_TEST(if_range_decides_whether_a_range_is_heard),
        STATIC_TEST(an_empty_file_has_no_ranges),
        STATIC_TEST(a_compressed_sibling_goes_to_clients_that_take_it),
        STATIC_TEST(each_coding_has_validators_and_ranges_of_its_own),
        STATIC_TEST(a_sibling_that_is_older_than_its_file_is_not_sent),
        STATIC_TEST(siblings_are_not_looked_for_unless_that_is_wanted),
        STATIC_TEST(a_sibling_that_comes_and_goes_is_seen),
        STATIC_TEST(hooks_choose_types_and_headers_and_may_refuse),
        STATIC_TEST(files_may_be_cached_for_some_time),
        STATIC_TEST(a_base_may_say_how_files_are_cached_but_not_their_type),
        STATIC_TEST(a_folder_is_listed_if_that_is_wanted),
        STATIC_TEST(dot_files_are_served_if_that_is_wanted),
        STATIC_TEST(a_url_carries_the_version_of_its_file),
        STATIC_TEST(only_the_present_version_is_cached_for_ever),
        STATIC_TEST(several_sites_have_urls_by_their_prefix),
        STATIC_TEST(without_a_folder_there_is_no_url),
        STATIC_TEST(what_cannot_be_served_is_said_at_once),
        STATIC_TEST(a_relative_folder_is_that_of_now),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
