/* compression_test.c - answers that are compressed: which, for whom, by what, and what their headers then say. */
#include <tornadoc/sse.h>

#include "support/inflate.h"
#include "web/content_type_internal.h"
#include "web/each_allocation.h"
#include "web/static_test.h"

/* ---- Pages ---- */

enum { LONG = 16000, MOST = 1 << 20 };
static char text[MOST + 1];

/* Lines that compress, and do not repeat. */
static void make_text(void) {
    size_t len = 0;
    for (unsigned i = 0; len + 40 < MOST; i++)
        len += (size_t)sprintf(text + len, "<p>line %u of %u</p>\n", i, i * 2654435761u % 1000);
}

static size_t asked_size(tc_request_t *req) {
    int64_t size = tc_path_int(req, "size");
    return size > 0 ? (size_t)size : LONG;
}

static int show(tc_request_t *req) {
    const char *type = tc_get_query_argument(req, "type", NULL), *status = tc_get_query_argument(req, "status", NULL);
    const char *field = tc_get_query_argument(req, "field", NULL), *value = tc_get_query_argument(req, "value", "");
    if (type)
        tc_set_header(req, "Content-Type", type);
    if (field)
        tc_set_header(req, field, value);
    if (status)
        tc_set_status(req, atoi(status));
    return tc_get_status(req) == 204 || tc_get_status(req) == 304
               ? 0
               : tc_write_borrowed(req, tc_bytes(text, asked_size(req)));
}

static int show_in_pieces(tc_request_t *req) {
    size_t size = asked_size(req), at = 0;
    for (size_t piece = 1; at < size; piece = piece * 2 + 1) {
        size_t len = piece < size - at ? piece : size - at;
        tc_write_bytes(req, tc_bytes(text + at, len));
        TC_TRY(tc_flush(req));
        at += len;
    }
    return 0;
}

static void serve_pages(const tc_application_options_t *options) {
    use_options(options ? options : &(tc_application_options_t){ .compress_response = true });
    route("/{size:int}", HANDLER(.get = show, .post = show));
    route("/pieces/{size:int}", HANDLER(.get = show_in_pieces));
    route("/tagged/{size:int}", HANDLER(.get = show, .flags = TC_ETAG));
}

/* ---- Clients ---- */

static const tc_http_response_t *fetch_as(const char *method, const char *path, const char *accepted) {
    return tc_test_client_fetch(
        serve(), path, FETCH(.method = method, .headers = HEADERS(accepted ? "Accept-Encoding" : NULL, accepted)));
}

/* The coding of a complete answer whose body is the first so many bytes of the text; else what is wrong with it. */
static const char *coding_of(const tc_http_response_t *answer, size_t size) {
    static char back[MOST + 1];
    const char *coding = tc_http_response_header(answer, "Content-Encoding");
    tc_bytes_t packed = tc_http_response_body(answer);
    bool whole = true;
    long len = (long)packed.len;
    if (!answer)
        return "cut";
    if (coding && strcmp(coding, "gzip") == 0)
        len = inflate_gzip(packed, back, sizeof back, &whole);
    else if (coding)
        len = inflate_br(packed, back, sizeof back, &whole);
    const char *got = coding ? back : packed.data;
    if (!whole)
        return "incomplete";
    if (len != (long)size || memcmp(got, text, size) != 0)
        return "another body";
    if (coding && size > 1000 && packed.len > size / 2)
        return "large";
    return coding ? coding : "identity";
}

#define assert_coding(path, accepted, size, coding) \
    assert_string_equal(coding_of(fetch_as("GET", path, accepted), size), coding)

static const char *field_of(const char *path, const char *accepted, const char *name) {
    const char *value = tc_http_response_header(fetch_as("GET", path, accepted), name);
    return value ? value : "(none)";
}

/* ---- Which ---- */

static void an_answer_is_compressed_for_who_takes_that(void **state) {
    (void)state;
    serve_pages(NULL);
    assert_coding("/16000", "gzip", LONG, "gzip");
    assert_coding("/16000", NULL, LONG, "identity");
    assert_string_equal(coding_of(fetch_as("POST", "/16000", "gzip"), LONG), "gzip");
    assert_coding("/1000000", "gzip, deflate", 1000000, "gzip");
    char len[24];
    sprintf(len, "%zu", tc_http_response_body(fetch_as("GET", "/16000", "gzip")).len);
    assert_string_equal(field_of("/16000", "gzip", "Content-Length"), len);
}

static void it_is_off_unless_it_is_asked_for(void **state) {
    (void)state;
    serve_pages(&(tc_application_options_t){ 0 });
    assert_coding("/16000", "gzip", LONG, "identity");
    assert_string_equal(field_of("/16000", "gzip", "Vary"), "(none)");
}

static void the_coding_is_the_one_that_weighs_most(void **state) {
    (void)state;
    const char *br = tornadoc_has("brotli") ? "br" : "identity", *both = tornadoc_has("brotli") ? "br" : "gzip";
    const struct {
        const char *field, *whole, *streamed;
    } rows[] = {
        { "", "identity", "identity" },
        { "gzip;q=0", "identity", "identity" },
        { "xgzip", "identity", "identity" },
        { "deflate, zstd", "identity", "identity" },
        { "GZIP", "gzip", "gzip" },
        { "x-gzip", "gzip", "gzip" },
        { "gzip;q=0.001", "gzip", "gzip" },
        { "gzip;q=0.5, identity;q=0.6", "identity", "identity" },
        { "gzip;q=0.5, identity;q=0.5", "gzip", "gzip" },
        { "gzip, *;q=0", "gzip", "gzip" },
        { "identity;q=0", "identity", "identity" },
        { "*", both, "gzip" },
        { "*;q=0", "identity", "identity" },
        { "*, br;q=0", "gzip", "gzip" },
        { "br", br, br },
        { "gzip, br", both, "gzip" },
        { "gzip, br;q=0.9", "gzip", "gzip" },
        { "gzip;q=0.9, br", both, both },
    };
    serve_pages(NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *whole = coding_of(fetch_as("GET", "/16000", rows[i].field), LONG);
        const char *streamed = coding_of(fetch_as("GET", "/pieces/16000", rows[i].field), LONG);
        if (strcmp(whole, rows[i].whole) != 0 || strcmp(streamed, rows[i].streamed) != 0)
            fail_msg("%s: %s, %s", rows[i].field, whole, streamed);
    }
}

static void only_types_that_shrink_are_compressed(void **state) {
    (void)state;
    static const char *const good[] = { "text/html",
                                        "text/plain; charset=UTF-8",
                                        "TEXT/CSS",
                                        "text/event-stream",
                                        "application/javascript",
                                        "application/x-javascript",
                                        "application/json ;charset=UTF-8",
                                        "application/xml",
                                        "application/atom+xml",
                                        "application/xhtml+xml",
                                        "application/problem+json",
                                        "Application/LD+JSON",
                                        "image/svg+xml",
                                        "application/wasm",
                                        "font/ttf" };
    static const char *const bad[] = { "",
                                       "text",
                                       "text/",
                                       "image/png",
                                       "video/mp4",
                                       "font/woff2",
                                       "+json",
                                       "application/zip",
                                       "application/pdf",
                                       "a;text/html",
                                       ";",
                                       "image/webp",
                                       "application/octet-stream" };
    for (size_t i = 0; i < COUNT(good); i++)
        if (!tc__is_compressible(tc_str(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (tc__is_compressible(tc_str(bad[i])))
            fail_msg("%s", bad[i]);
    serve_pages(NULL);
    assert_coding("/16000?type=application/json", "gzip", LONG, "gzip");
    assert_coding("/16000?type=image/png", "gzip", LONG, "identity");
    assert_string_equal(field_of("/16000?type=image/png", "gzip", "Vary"), "(none)");
}

static void a_whole_body_is_compressed_from_1024_bytes_on(void **state) {
    (void)state;
    serve_pages(NULL);
    assert_coding("/1023", "gzip", 1023, "identity");
    assert_coding("/1024", "gzip", 1024, "gzip");
    assert_string_equal(field_of("/1023", "gzip", "Vary"), "Accept-Encoding");
}

static void a_streamed_body_is_compressed_whatever_its_size(void **state) {
    (void)state;
    serve_pages(NULL);
    assert_coding("/pieces/1", "gzip", 1, "gzip");
    assert_coding("/pieces/16000", "gzip", LONG, "gzip");
    assert_coding("/pieces/1000000", "gzip", 1000000, "gzip");
    assert_string_equal(field_of("/pieces/16000", "gzip", "Transfer-Encoding"), "chunked");
}

static int announces(tc_request_t *req) {
    size_t size = asked_size(req);
    tc_set_header(req, "Content-Length", tc_sprintf(req, "%zu", size));
    tc_write_bytes(req, tc_bytes(text, size / 2));
    TC_TRY(tc_flush(req));
    return tc_write_bytes(req, tc_bytes(text + size / 2, size - size / 2));
}

static void a_stream_whose_length_is_announced_is_compressed_from_1024_bytes_on(void **state) {
    (void)state;
    serve_pages(NULL);
    route("/announced/{size:int}", HANDLER(.get = announces));
    assert_coding("/announced/1000", "gzip", 1000, "identity");
    assert_string_equal(field_of("/announced/1000", "gzip", "Content-Length"), "1000");
    assert_coding("/announced/1030", "gzip", 1030, "gzip");
    assert_string_equal(field_of("/announced/1030", "gzip", "Content-Length"), "(none)");
}

static void what_is_coded_or_must_not_be_changed_stays_as_it_is(void **state) {
    (void)state;
    serve_pages(NULL);
    const tc_http_response_t *coded = fetch_as("GET", "/16000?field=Content-Encoding&value=zstd", "gzip");
    assert_int_equal(tc_http_response_body(coded).len, LONG);
    assert_string_equal(tc_http_response_header(coded, "Content-Encoding"), "zstd");
    assert_null(tc_http_response_header(coded, "Vary"));
    assert_coding("/16000?field=Cache-Control&value=max-age%3D1,%20No-Transform", "gzip", LONG, "identity");
    assert_coding("/16000?field=Cache-Control&value=no-cache", "gzip", LONG, "gzip");
    assert_coding("/16000?status=206", "gzip", LONG, "identity");
    assert_string_equal(field_of("/16000?status=206", "gzip", "Vary"), "Accept-Encoding");
    assert_string_equal(answer_text(fetch_as("GET", "/16000?status=204", "gzip")), "204 ");
    assert_string_equal(field_of("/16000?status=204", "gzip", "Vary"), "(none)");
    assert_string_equal(field_of("/16000?status=204", "gzip", "Content-Encoding"), "(none)");
    assert_string_equal(answer_text(fetch_as("GET", "/16000?status=304", "gzip")), "304 ");
    assert_string_equal(field_of("/16000?status=304", "gzip", "Content-Encoding"), "(none)");
}

static int fails(tc_request_t *req) {
    return tc_http_error(req, 404, NULL);
}

static int long_page(tc_request_t *req, int status) {
    (void)status;
    return tc_write_bytes(req, tc_bytes(text, LONG));
}

static void error_pages_are_compressed_as_well(void **state) {
    (void)state;
    use_options(&(tc_application_options_t){ .compress_response = true, .base = HANDLER(.write_error = long_page) });
    route("/", HANDLER(.get = fails));
    assert_coding("/", "gzip", LONG, "gzip");
    assert_coding("/nowhere", "gzip", LONG, "gzip");
}

/* ---- Per route ---- */

static void each_route_may_say_yes_or_no_and_the_innermost_is_heard(void **state) {
    (void)state;
    serve_pages(&(tc_application_options_t){ .base = HANDLER(.flags = TC_NO_COMPRESS), .compress_response = true });
    tc_router_t *yes = tc_application_group(app, "/yes", HANDLER(.flags = TC_COMPRESS));
    tc_router_t *neither = tc_router_group(yes, "/neither", HANDLER(.get = show));
    tc_router_add(yes, "/a", HANDLER(.get = show), NULL);
    tc_router_add(yes, "/no", HANDLER(.get = show, .flags = TC_NO_COMPRESS), NULL);
    tc_router_add(neither, "/b", HANDLER(.get = show), NULL);
    assert_coding("/16000", "gzip", LONG, "identity");
    assert_coding("/yes/a", "gzip", LONG, "gzip");
    assert_coding("/yes/no", "gzip", LONG, "identity");
    assert_coding("/yes/neither/b", "gzip", LONG, "gzip");
}

static void both_flags_at_once_and_a_bad_level_are_misuses(void **state) {
    (void)state;
    assert_int_equal(tc_application_add(app, "/", HANDLER(.get = show, .flags = TC_COMPRESS | TC_NO_COMPRESS), NULL),
                     TC_EINVAL);
    use_options(&(tc_application_options_t){ .compress_level = 10 });
    assert_int_equal(tc_application_error(app), TC_EINVAL);
    use_options(&(tc_application_options_t){ .compress_level = -1 });
    assert_int_equal(tc_application_error(app), TC_EINVAL);
    forget_log();
}

static size_t size_at_level(int level) {
    serve_pages(&(tc_application_options_t){ .compress_response = true, .compress_level = level });
    size_t len = tc_http_response_body(fetch_as("GET", "/1000000", "gzip")).len;
    stop_serving();
    return len;
}

static void the_level_is_6_unless_it_is_said(void **state) {
    (void)state;
    size_t normal = size_at_level(0);
    assert_int_equal(normal, size_at_level(6));
    assert_true(size_at_level(1) > normal);
}

/* ---- Vary, ETag, conditions ---- */

static int varies_twice(tc_request_t *req) {
    tc_add_header(req, "Vary", "Origin");
    tc_add_header(req, "Vary", "Cookie");
    return show(req);
}

static void vary_is_merged_and_not_doubled(void **state) {
    (void)state;
    serve_pages(NULL);
    route("/twice", HANDLER(.get = varies_twice));
    static const struct {
        const char *path, *vary;
    } rows[] = { { "/16000", "Accept-Encoding" },
                 { "/16000?field=Vary&value=Origin", "Origin, Accept-Encoding" },
                 { "/16000?field=Vary&value=Cookie,%20accept-encoding", "Cookie, accept-encoding" },
                 { "/16000?field=Vary&value=*", "*" },
                 { "/twice", "Origin, Cookie, Accept-Encoding" } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(field_of(rows[i].path, "gzip", "Vary"), rows[i].vary);
        assert_string_equal(field_of(rows[i].path, NULL, "Vary"), rows[i].vary);
    }
}

static void a_strong_etag_becomes_weak(void **state) {
    (void)state;
    serve_pages(NULL);
    assert_string_equal(field_of("/16000?field=ETag&value=%22x%22", "gzip", "ETag"), "W/\"x\"");
    assert_string_equal(field_of("/16000?field=ETag&value=%22x%22", NULL, "ETag"), "\"x\"");
    assert_string_equal(field_of("/16000?field=ETag&value=W/%22x%22", "gzip", "ETag"), "W/\"x\"");
    assert_string_equal(field_of("/1000?field=ETag&value=%22x%22", "gzip", "ETag"), "\"x\"");
}

static const tc_http_response_t *fetch_if(const char *path, const char *etag) {
    return tc_test_client_fetch(serve(), path,
                                FETCH(.headers = HEADERS("Accept-Encoding", "gzip", "If-None-Match", etag)));
}

static void who_has_the_compressed_answer_is_told_so(void **state) {
    (void)state;
    char weak[64], strong[64];
    serve_pages(NULL);
    strcpy(weak, field_of("/tagged/16000", "gzip", "ETag"));
    strcpy(strong, field_of("/tagged/16000", NULL, "ETag"));
    assert_string_equal(weak + 2, strong); /* of what the handler wrote, whatever is sent */
    const char *const tags[] = { weak, strong };
    for (int i = 0; i < 2; i++) {
        const tc_http_response_t *answer = fetch_if("/tagged/16000", tags[i]);
        assert_string_equal(answer_text(answer), "304 ");
        assert_string_equal(tc_http_response_header(answer, "Vary"), "Accept-Encoding");
        assert_string_equal(tc_http_response_header(answer, "ETag"), tags[i]);
        assert_null(tc_http_response_header(answer, "Content-Encoding"));
    }
    assert_string_equal(coding_of(fetch_if("/tagged/16000", "\"other\""), LONG), "gzip");
}

static void a_head_has_the_headers_of_a_get(void **state) {
    (void)state;
    static const char *const paths[] = { "/16000", "/100", "/tagged/16000", "/pieces/16000",
                                         "/16000?field=Cache-Control&value=no-transform" };
    static const char *const names[] = { "Content-Encoding", "Content-Length", "Vary", "ETag", "Content-Type" };
    serve_pages(NULL);
    for (size_t i = 0; i < COUNT(paths); i++) {
        const tc_http_response_t *got = fetch_as("GET", paths[i], "gzip"), *head = fetch_as("HEAD", paths[i], "gzip");
        assert_int_equal(tc_http_response_body(head).len, 0);
        for (size_t j = 0; j < COUNT(names); j++) {
            const char *a = tc_http_response_header(got, names[j]), *b = tc_http_response_header(head, names[j]);
            assert_string_equal(a ? a : "(none)", b ? b : "(none)");
        }
    }
}

/* ---- While it is sent ---- */

#define GET_GZIP(path) "GET " path " HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"

/* What the bodies' chunks hold, of the last answer. */
static tc_bytes_t unchunked(const raw_t *raw) {
    static char out[MOST];
    size_t len = 0;
    const char *at = strstr(raw->text, "\r\n\r\n"), *end = raw->text + raw->len;
    for (at += 4; at < end;) {
        char *line_end;
        size_t size = strtoul(at, &line_end, 16);
        if (size == 0)
            break;
        memcpy(out + len, line_end + 2, size);
        len += size;
        at = line_end + 2 + size + 2;
    }
    return tc_bytes(out, len);
}

/* How much of the text has come so far. */
static long come(const raw_t *raw, bool *whole) {
    static char back[MOST];
    long len = inflate_gzip(unchunked(raw), back, sizeof back, whole);
    return len < 0 || memcmp(back, text, (size_t)len) != 0 ? -1 : len;
}

static int next_piece(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    int *count = tc_data(req);
    TC_TRY(tc_future_status(future));
    tc_write_bytes(req, tc_bytes(text + 10 * *count, 10));
    TC_TRY(tc_flush(req));
    return ++*count == 5 ? 0 : tc_then(req, tc_sleep(NULL, 1000), next_piece, NULL);
}

static int piece_by_piece(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 0), next_piece, NULL);
}

static void each_flush_arrives(void **state) {
    (void)state;
    raw_t raw;
    bool whole;
    serve_pages(NULL);
    route("/slow", HANDLER(.get = piece_by_piece, .data_size = sizeof(int)));
    raw_open(&raw, NULL);
    raw_send(&raw, GET_GZIP("/slow"));
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(come(&raw, &whole), 10 * i);
        assert_int_equal(whole, i == 5);
        tc__ioloop_advance(raw.loop, 1000);
    }
    raw_close(&raw);
}

static int sends_events(tc_request_t *req) {
    tc_sse_t *sse;
    TC_TRY(tc_sse_begin(&sse, req, NULL));
    for (int i = 0; i < 3; i++)
        tc_sse_send(sse, &(tc_sse_event_t){ .data = tc_str("an event that comes again") });
    return tc_then(req, tc_sse_ended(sse), NULL, NULL);
}

static void events_arrive_one_by_one(void **state) {
    (void)state;
    raw_t raw;
    bool whole;
    char back[1000];
    serve_pages(NULL);
    route("/events", HANDLER(.get = sends_events));
    raw_open(&raw, NULL);
    raw_send(&raw, GET_GZIP("/events"));
    assert_non_null(strstr(raw_text(&raw), "Content-Encoding: gzip\r\n"));
    long len = inflate_gzip(unchunked(&raw), back, sizeof back, &whole);
    assert_int_equal(len, 3 * strlen("data: an event that comes again\n\n"));
    assert_false(whole);
    tc__ioloop_advance(raw.loop, 15000); /* a comment, to keep it alive */
    len = inflate_gzip(unchunked(&raw), back, sizeof back, &whole);
    assert_memory_equal(back + len - 3, ":\n\n", 3);
    raw_close(&raw);
}

static void an_answer_to_1_0_ends_with_the_connection(void **state) {
    (void)state;
    raw_t raw;
    bool whole = false;
    static char back[LONG + 1];
    serve_pages(NULL);
    raw_open(&raw, NULL);
    raw_send(&raw, "GET /pieces/16000 HTTP/1.0\r\nConnection: keep-alive\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_true(raw.eof);
    const char *in = strstr(raw_text(&raw), "\r\n\r\n") + 4;
    long len = inflate_gzip(tc_bytes(in, raw.len - (size_t)(in - raw.text)), back, sizeof back, &whole);
    assert_int_equal(len, LONG);
    assert_true(whole);
    raw_close(&raw);
}

static void pipelined_answers_are_compressed_one_by_one(void **state) {
    (void)state;
    raw_t raw;
    serve_pages(NULL);
    raw_open(&raw, NULL);
    raw_send(&raw, GET_GZIP("/16000") "GET /1000 HTTP/1.1\r\nHost: a\r\n\r\n" GET_GZIP("/2000"));
    const char *at = raw_text(&raw);
    static const size_t sizes[] = { 16000, 1000, 2000 };
    static char back[LONG + 1];
    for (int i = 0; i < 3; i++) {
        size_t len = strtoul(strstr(at, "Content-Length: ") + 16, NULL, 10);
        tc_bytes_t in = tc_bytes(strstr(at, "\r\n\r\n") + 4, len);
        bool whole = true;
        if (i == 1)
            memcpy(back, in.data, len);
        else
            assert_int_equal(inflate_gzip(in, back, sizeof back, &whole), sizes[i]);
        assert_true(whole);
        assert_memory_equal(back, text, sizes[i]);
        at = in.data + len;
    }
    assert_ptr_equal(at, raw.text + raw.len);
    raw_close(&raw);
}

static int in_coroutine(tc_request_t *req) {
    size_t size = asked_size(req), at = 0;
    while (at < size) {
        size_t len = size - at < 5000 ? size - at : 5000;
        tc_write_bytes(req, tc_bytes(text + at, len));
        TC_TRY(tc_flush(req));
        TC_TRY(tc_await(tc_sleep(NULL, 1), NULL));
        at += len;
    }
    return 0;
}

/* Compressors run on the stacks of coroutines. */
static void coroutines_are_compressed_as_well(void **state) {
    (void)state;
    if (!tornadoc_has("coroutines"))
        skip();
    serve_pages(NULL);
    route("/coroutine/{size:int}", HANDLER(.get = in_coroutine, .flags = TC_COROUTINE));
    route("/whole/{size:int}", HANDLER(.get = show, .flags = TC_COROUTINE));
    const char *br = tornadoc_has("brotli") ? "br" : "identity";
    assert_coding("/coroutine/100000", "gzip", 100000, "gzip");
    assert_coding("/coroutine/100000", "br", 100000, br);
    assert_coding("/whole/1000000", "gzip", 1000000, "gzip");
    assert_coding("/whole/1000000", "br", 1000000, br);
}

static int drained(tc_request_t *req, tc_future_t *future, void *arg);

/* As much as the client takes, of text without an end that does not compress. */
static int write_on(tc_request_t *req) {
    unsigned *seed = tc_data(req);
    while (tc_writable(req)) {
        char noise[1000];
        for (size_t i = 0; i < sizeof noise; i++) {
            *seed = *seed * 1664525 + 1013904223;
            noise[i] = (char)(*seed >> 24);
        }
        tc_write_bytes(req, tc_bytes(noise, sizeof noise));
        TC_TRY(tc_flush(req));
    }
    note("waits");
    return tc_then(req, tc_drained(req), drained, NULL);
}

static int drained(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    TC_TRY(tc_future_status(future));
    return write_on(req);
}

static void a_slow_reader_is_waited_for(void **state) {
    (void)state;
    raw_t raw;
    const tc_httpserver_options_t small_mark = { .output_mark = 5000, .write_timeout_ms = TC_FOREVER };
    serve_pages(NULL);
    route("/endless", HANDLER(.get = write_on, .data_size = sizeof(unsigned)));
    raw_open(&raw, &small_mark);
    raw.deaf = true;
    raw_send(&raw, GET_GZIP("/endless"));
    assert_int_equal(strncmp(noted(), "waits", 5), 0);
    tc__ioloop_advance(raw.loop, 10000);
    assert_string_equal(noted(), "");
    raw_close(&raw);
    noted();
}

/* ---- Static files ---- */

static void static_files_that_are_in_memory_are_compressed(void **state) {
    (void)state;
    serve_pages(NULL);
    make_bytes("a.js", tc_bytes(text, 8000));
    make_bytes("a.png", tc_bytes(text, 8000));
    make_bytes("large.js", tc_bytes(text, MOST - 100));
    make_bytes("packed.css", tc_bytes(text, 8000));
    make("packed.css.gz", "packed before");
    serve_with(OPTIONS(.precompressed = true));
    assert_coding("/s/a.js", "gzip", 8000, "gzip");
    assert_string_equal(field_of("/s/a.js", "gzip", "Accept-Ranges"), "(none)");
    assert_string_equal(field_of("/s/a.js", NULL, "Accept-Ranges"), "bytes");
    assert_int_equal(strncmp(field_of("/s/a.js", "gzip", "ETag"), "W/\"", 3), 0);
    assert_coding("/s/a.png", "gzip", 8000, "identity");
    assert_coding("/s/large.js", "gzip", MOST - 100, "identity");
    assert_string_equal(field_of("/s/large.js", "gzip", "Vary"), "(none)");
    assert_string_equal(answer_text(fetch_as("GET", "/s/packed.css", "gzip")), "200 packed before");
    assert_string_equal(field_of("/s/packed.css", "gzip", "Vary"), "Accept-Encoding");
    assert_coding("/s/packed.css", "gzip;q=0", 8000, "identity");
}

static void conditions_and_ranges_of_static_files_hold(void **state) {
    (void)state;
    char etag[128];
    serve_pages(NULL);
    make_bytes("a.js", tc_bytes(text, 8000));
    serve_folder();
    strcpy(etag, field_of("/s/a.js", "gzip", "ETag"));
    const tc_http_response_t *answer = fetch_if("/s/a.js", etag);
    assert_string_equal(answer_text(answer), "304 ");
    assert_string_equal(tc_http_response_header(answer, "ETag"), etag);
    assert_string_equal(tc_http_response_header(answer, "Vary"), "Accept-Encoding");
    answer = tc_test_client_fetch(serve(), "/s/a.js",
                                  FETCH(.headers = HEADERS("Accept-Encoding", "gzip", "Range", "bytes=0-2999")));
    assert_int_equal(tc_http_response_status(answer), 206);
    assert_string_equal(coding_of(answer, 3000), "identity");
    assert_string_equal(tc_http_response_header(answer, "Vary"), "Accept-Encoding");
    answer = tc_test_client_fetch(
        serve(), "/s/a.js",
        FETCH(.headers = HEADERS("Accept-Encoding", "gzip", "Range", "bytes=0-2999", "If-Range", etag)));
    assert_int_equal(tc_http_response_status(answer), 200); /* a weak tag names no bytes */
    assert_string_equal(coding_of(answer, 8000), "gzip");
}

/* ---- Memory ---- */

static long calls_of(const char *path) {
    long before = atomic_load(&memory.calls);
    fetch_as("GET", path, "gzip");
    return atomic_load(&memory.calls) - before;
}

static void compressors_are_used_again(void **state) {
    (void)state;
    serve_pages(NULL);
    route("/plain/{size:int}", HANDLER(.get = show, .flags = TC_NO_COMPRESS));
    long first = calls_of("/16000");
    calls_of("/pieces/3000");
    calls_of("/plain/16000");
    assert_true(calls_of("/16000") < first - 4);
    for (int i = 0; i < 3; i++) { /* the client's own are the same for all */
        assert_in_range(calls_of("/16000"), 0, calls_of("/plain/16000") + 3);
        assert_in_range(calls_of("/pieces/3000"), 0, calls_of("/plain/16000") + 20);
    }
}

static void beyond_what_compressors_may_take_answers_go_out_as_they_are(void **state) {
    (void)state;
    serve_pages(&(tc_application_options_t){ .compress_response = true, .max_compress_memory = 150 * 1024 });
    route("/slow", HANDLER(.get = piece_by_piece, .data_size = sizeof(int)));
    assert_coding("/16000", "gzip", LONG, "identity");
    assert_string_equal(field_of("/16000", "gzip", "Vary"), "Accept-Encoding");
    int ids[3];
    for (int i = 0; i < 3; i++)
        ids[i] = start("/slow", FETCH(.headers = HEADERS("Accept-Encoding", "gzip")));
    tc_test_client_advance(client, 10000);
    for (int i = 0; i < 3; i++)
        assert_string_equal(coding_of(tc_test_client_response(client, ids[i]), 50), i < 2 ? "gzip" : "identity");
    assert_coding("/pieces/100", "gzip", 100, "gzip");
}

static void an_idle_compressor_makes_room_for_one_of_another_kind(void **state) {
    (void)state;
    serve_pages(&(tc_application_options_t){ .compress_response = true, .max_compress_memory = 300 * 1024 });
    for (int i = 0; i < 2; i++) {
        assert_coding("/16000", "gzip", LONG, "gzip");
        assert_coding("/pieces/16000", "gzip", LONG, "gzip");
    }
}

static int leaves_midway(tc_request_t *req) {
    tc_write_bytes(req, tc_bytes(text, 1000));
    TC_TRY(tc_flush(req));
    return tc_then(req, tc_sleep(NULL, 100000), NULL, NULL);
}

static void a_client_that_leaves_gives_its_compressor_back(void **state) {
    (void)state;
    serve_pages(&(tc_application_options_t){ .compress_response = true, .max_compress_memory = 80 * 1024 });
    route("/leaves", HANDLER(.get = leaves_midway, .flags = TC_CANCEL_ON_CLOSE));
    for (int i = 0; i < 3; i++) {
        int id = start("/leaves", FETCH(.headers = HEADERS("Accept-Encoding", "gzip")));
        tc_test_client_advance(client, 10);
        assert_coding("/pieces/100", "gzip", 100, "identity");
        tc_test_client_disconnect(client, id);
        tc_test_client_advance(client, 10);
        assert_coding("/pieces/100", "gzip", 100, "gzip");
    }
}

static void make_app(void) {
    app = NULL;
    serve_pages(NULL);
    if (tornadoc_has("coroutines"))
        route("/coroutine/{size:int}", HANDLER(.get = in_coroutine, .flags = TC_COROUTINE));
    else
        route("/coroutine/{size:int}", HANDLER(.get = show_in_pieces));
}

static const struct {
    const char *path, *accepted;
    size_t size;
} tried[] = { { "/16000", "gzip", 16000 },
              { "/16000", "br", 16000 },
              { "/pieces/16000", "gzip", 16000 },
              { "/pieces/16000", "br;q=1, gzip;q=0.5", 16000 },
              { "/coroutine/16000", "br", 16000 },
              { "/tagged/2000", "gzip", 2000 },
              { "/16000?field=Vary&value=A", "gzip", 16000 } };

/* What looks complete is complete, compressed or not. */
static int try_one(size_t i) {
    const tc_http_response_t *answer = fetch_as("GET", tried[i].path, tried[i].accepted);
    int status = tc_http_response_status(answer);
    const char *coding = status == 200 ? coding_of(answer, tried[i].size) : "none";
    note("%s", coding);
    return status == 200 && strlen(coding) > 8 ? -1 : status;
}

static void each_allocation_may_fail_and_no_answer_only_looks_whole(void **state) {
    (void)state;
    stop_serving();
    for (size_t i = 0; i < COUNT(tried); i++)
        fail_each_allocation(
            &(tried_request_t){ make_app, try_one, i, "GET", tried[i].path, 200, "another body", 2000 });
}

/* Whatever fails once the handler has written all of a whole body. */
static void a_whole_answer_goes_out_uncompressed_if_memory_is_short(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        serve_pages(NULL);
        serve();
        fetch_as("GET", "/16000", NULL); /* so that only a compressor is made anew */
        for (long nth = 1; nth < 40; nth++) {
            fail_allocation(nth, false);
            const tc_http_response_t *answer = fetch_as("GET", "/16000", i == 0 ? "gzip" : "br");
            allow_allocations();
            note("%s", coding_of(answer, LONG));
            stop_serving();
            serve_pages(NULL);
            serve();
            fetch_as("GET", "/16000", NULL);
        }
        const char *told = noted();
        assert_non_null(strstr(told, "identity"));
        assert_null(strstr(told, "another"));
        assert_null(strstr(told, "incomplete"));
        stop_serving();
        forget_log();
    }
}

static int prepare_group(void **state) {
    make_text();
    return watch_web(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(an_answer_is_compressed_for_who_takes_that),
        WEB_TEST(it_is_off_unless_it_is_asked_for),
        WEB_TEST(the_coding_is_the_one_that_weighs_most),
        WEB_TEST(only_types_that_shrink_are_compressed),
        WEB_TEST(a_whole_body_is_compressed_from_1024_bytes_on),
        WEB_TEST(a_streamed_body_is_compressed_whatever_its_size),
        WEB_TEST(a_stream_whose_length_is_announced_is_compressed_from_1024_bytes_on),
        WEB_TEST(what_is_coded_or_must_not_be_changed_stays_as_it_is),
        WEB_TEST(error_pages_are_compressed_as_well),
        WEB_TEST(each_route_may_say_yes_or_no_and_the_innermost_is_heard),
        WEB_TEST(both_flags_at_once_and_a_bad_level_are_misuses),
        WEB_TEST(the_level_is_6_unless_it_is_said),
        WEB_TEST(vary_is_merged_and_not_doubled),
        WEB_TEST(a_strong_etag_becomes_weak),
        WEB_TEST(who_has_the_compressed_answer_is_told_so),
        WEB_TEST(a_head_has_the_headers_of_a_get),
        WEB_TEST(each_flush_arrives),
        WEB_TEST(events_arrive_one_by_one),
        WEB_TEST(an_answer_to_1_0_ends_with_the_connection),
        WEB_TEST(pipelined_answers_are_compressed_one_by_one),
        WEB_TEST(coroutines_are_compressed_as_well),
        WEB_TEST(a_slow_reader_is_waited_for),
        STATIC_TEST(static_files_that_are_in_memory_are_compressed),
        STATIC_TEST(conditions_and_ranges_of_static_files_hold),
        WEB_TEST(compressors_are_used_again),
        WEB_TEST(beyond_what_compressors_may_take_answers_go_out_as_they_are),
        WEB_TEST(an_idle_compressor_makes_room_for_one_of_another_kind),
        WEB_TEST(a_client_that_leaves_gives_its_compressor_back),
        WEB_TEST(each_allocation_may_fail_and_no_answer_only_looks_whole),
        WEB_TEST(a_whole_answer_goes_out_uncompressed_if_memory_is_short),
    };
    return cmocka_run_group_tests(tests, prepare_group, NULL);
}
