/* request_decoder_test.c - bodies that come compressed, for handlers that ask for it. */
#include <tornadoc/coroutine.h>
#include <yyjson.h>

#include "support/gzip.h"
#include "web/web_test.h"

#define GZIP HEADERS("Content-Encoding", "gzip")

static int says_body(tc_request_t *req) {
    tc_bytes_t body = tc_body(req);
    return tc_writef(req, "%zu %.*s", body.len, body.len > 100 ? 10 : (int)body.len, body.data);
}

static int notes_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    note("[%.*s]", chunk.len > 20 ? 3 : (int)chunk.len, chunk.data);
    return 0;
}

static int says_nothing(tc_request_t *req) {
    (void)req;
    note("method");
    return 0;
}

static void note_finish(tc_request_t *req, int err) {
    (void)req;
    note("finish(%d)", err);
}

static const char *put(const char *path, tc_bytes_t body, const char *const *headers) {
    return ask_with(path, FETCH(.method = "PUT", .body = body, .headers = headers));
}

/* Sent as it stands, by gzip. */
static const char *put_gzip(const char *path, tc_bytes_t text) {
    tc_bytes_t body = gzip_of(text);
    const char *answer = put(path, body, GZIP);
    gzip_free(body);
    return answer;
}

/* ---- What handlers get ---- */

static void a_body_is_inflated_for_whoever_asks(void **state) {
    (void)state;
    tc_bytes_t body = gzip_of(tc_str("hello"));
    char untouched[64];
    route("/", HANDLER(.put = says_body, .flags = TC_DECOMPRESS));
    route("/plain", HANDLER(.put = says_body));
    snprintf(untouched, sizeof(untouched), "200 %zu \037\213\010", body.len);
    assert_string_equal(put("/", body, GZIP), "200 5 hello");
    assert_string_equal(put("/plain", body, GZIP), untouched);
    assert_string_equal(put("/", body, NULL), untouched);
    gzip_free(body);
}

static void a_group_may_ask_for_all_its_routes(void **state) {
    (void)state;
    tc_router_t *group = tc_application_group(app, "/group", HANDLER(.flags = TC_DECOMPRESS));
    tc_router_add(group, "/", HANDLER(.put = says_body, .flags = TC_CANCEL_ON_CLOSE), NULL);
    assert_string_equal(put_gzip("/group/", tc_str("hello")), "200 5 hello");
}

static int says_form(tc_request_t *req) {
    return tc_writef(req, "%s %s", tc_get_body_argument(req, "a", "-"), tc_http_file_name(tc_get_file(req, "f")));
}

static int says_json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    return tc_writef(req, "%s", yyjson_get_str(yyjson_obj_get(root, "a")));
}

static void forms_and_json_may_be_compressed(void **state) {
    (void)state;
    static const struct {
        const char *path, *type, *body, *answer;
    } bodies[] = {
        { "/form", "application/x-www-form-urlencoded", "a=1&b=2", "200 1 " },
        { "/form", "multipart/form-data; boundary=b",
          "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n2\r\n"
          "--b\r\nContent-Disposition: form-data; name=f; filename=file\r\n\r\ntext\r\n--b--",
          "200 2 file" },
        { "/json", "application/json", "{\"a\": \"3\"}", "200 3" },
    };
    route("/form", HANDLER(.put = says_form, .flags = TC_DECOMPRESS));
    route("/json", HANDLER(.put = says_json, .flags = TC_DECOMPRESS));
    for (size_t i = 0; i < COUNT(bodies); i++) {
        tc_bytes_t body = gzip_of(tc_str(bodies[i].body));
        const char *answer = ask_with(
            bodies[i].path, FETCH(.method = "PUT", .body = body, .headers = GZIP, .content_type = bodies[i].type));
        assert_string_equal(answer, bodies[i].answer);
        gzip_free(body);
    }
}

static int says_size(tc_request_t *req) {
    return tc_writef(req, "%llu %s", (unsigned long long)tc_body_size(req), tc_body_file(req) >= 0 ? "file" : "memory");
}

static void a_compressed_body_may_be_spooled(void **state) {
    (void)state;
    static char text[200000];
    route("/", HANDLER(.put = says_size, .flags = TC_DECOMPRESS, .body = TC_BODY_SPOOL));
    assert_string_equal(put_gzip("/", tc_bytes(text, 1000)), "200 1000 memory");
    assert_string_equal(put_gzip("/", tc_bytes(text, sizeof(text))), "200 200000 file"); /* 220 bytes were sent */
}

static int notes_part(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    return tc_part_set_sink(part, TC_PART_CALLBACK);
}

static int waits_with_part(tc_request_t *req, tc_http_file_t *part, tc_bytes_t bytes) {
    (void)part;
    *(size_t *)tc_data(req) += bytes.len;
    return tc_then(req, tc_sleep(NULL, 1), NULL, NULL);
}

static int says_total(tc_request_t *req) {
    return tc_writef(req, "%zu", *(size_t *)tc_data(req));
}

static void a_compressed_form_may_be_read_while_it_arrives(void **state) {
    (void)state;
    static char text[200000];
    static const char head[] = "--b\r\nContent-Disposition: form-data; name=f; filename=file\r\n\r\n";
    memcpy(text, head, sizeof(head) - 1);
    memcpy(text + sizeof(text) - 7, "\r\n--b--", 7);
    tc_bytes_t body = gzip_of(tc_bytes(text, sizeof(text)));
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "200 %zu", sizeof(text) - (sizeof(head) - 1) - 7);
    route("/", HANDLER(.put = says_total, .flags = TC_DECOMPRESS, .body = TC_BODY_FORM, .part_begin = notes_part,
                       .part_received = waits_with_part, .data_size = sizeof(size_t)));
    assert_string_equal(ask_with("/", FETCH(.method = "PUT", .body = body, .headers = GZIP,
                                            .content_type = "multipart/form-data; boundary=b")),
                        wanted);
    gzip_free(body);
}

static int says_headers(tc_request_t *req) {
    return tc_writef(req, "%s %s %zu", tc_header(req, "Content-Encoding"), tc_header(req, "Content-Length"),
                     tc_body(req).len);
}

static void header_fields_stay_as_received(void **state) {
    (void)state;
    route("/", HANDLER(.put = says_headers, .flags = TC_DECOMPRESS));
    assert_string_equal(put_gzip("/", tc_str("hello")), "200 gzip 25 5");
}

/* ---- Codings ---- */

static const struct {
    const char *coding, *again; /* NULL: only one field */
    int status;                 /* of a body that is gzip; 201: it is taken as it is */
} codings[] = {
    { "gzip", NULL, 200 },
    { "GZip", NULL, 200 },
    { "x-gzip", NULL, 200 },
    { "X-GZIP", NULL, 200 },
    { " gzip ", NULL, 200 },
    { ",gzip, ,", NULL, 200 },
    { "gzip", "", 200 },
    { "", NULL, 201 },
    { ",", NULL, 201 },
    { "identity", NULL, 201 },
    { "Identity", NULL, 201 },
    { "deflate", NULL, 415 },
    { "br", NULL, 415 },
    { "zstd", NULL, 415 },
    { "compress", NULL, 415 },
    { "*", NULL, 415 },
    { "gzipped", NULL, 415 },
    { "gzi", NULL, 415 },
    { "gzip;q=1", NULL, 415 },
    { "gzip, gzip", NULL, 415 },
    { "gzip, identity", NULL, 415 },
    { "identity, gzip", NULL, 415 },
    { "deflate, gzip", NULL, 415 },
    { "gzip", "gzip", 415 },
    { "identity", "br", 415 },
};

static int says_whether_inflated(tc_request_t *req) {
    tc_set_status(req, tc_body(req).len == 5 ? 200 : 201);
    return 0;
}

static void one_coding_is_known(void **state) {
    (void)state;
    tc_bytes_t body = gzip_of(tc_str("hello"));
    route("/", HANDLER(.put = says_whether_inflated, .flags = TC_DECOMPRESS));
    for (size_t i = 0; i < COUNT(codings); i++) {
        const char *first = codings[i].coding, *again = codings[i].again;
        int status = atoi(put("/", body, HEADERS("Content-Encoding", first, again ? "Content-Encoding" : NULL, again)));
        if (status != codings[i].status)
            fail_msg("%s, %s: %d", first, again ? again : "-", status);
        forget_log();
    }
    gzip_free(body);
}

static int page_of_its_own(tc_request_t *req, int status) {
    return tc_writef(req, "own %d", status);
}

static void a_415_names_the_coding_that_would_not_be(void **state) {
    (void)state;
    static const char *const paths[] = { "/", "/stream", "/own" };
    route("/", HANDLER(.put = says_body, .flags = TC_DECOMPRESS));
    route("/stream", HANDLER(.put = says_nothing, .prepare = says_nothing, .flags = TC_DECOMPRESS,
                             .body = TC_BODY_STREAM, .data_received = notes_chunk));
    route("/own", HANDLER(.put = says_body, .flags = TC_DECOMPRESS, .write_error = page_of_its_own));
    for (size_t i = 0; i < COUNT(paths); i++) {
        const tc_fetch_options_t *options = FETCH(.method = "PUT", .body = tc_str("x"),
                                                  .headers = HEADERS("Content-Encoding", "br"));
        assert_string_equal(header(paths[i], options, "Accept-Encoding"), "gzip");
        assert_log("the body may be compressed by gzip only");
        assert_string_equal(noted(), ""); /* nothing was prepared for it */
    }
}

/* RFC 7694 section 3: a 415 for another reason must not name codings. */
static void another_415_names_none(void **state) {
    (void)state;
    route("/", HANDLER(.put = says_json, .flags = TC_DECOMPRESS));
    const tc_fetch_options_t *options = FETCH(.method = "PUT", .body = tc_str("x"));
    assert_string_equal(header("/", options, "Accept-Encoding"), "(none)");
    assert_log("415");
}

static void a_coding_that_is_refused_is_not_waited_for(void **state) {
    (void)state;
    raw_t raw;
    route("/", HANDLER(.put = says_body, .flags = TC_DECOMPRESS));
    raw_open(&raw, NULL);
    raw_send(&raw, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Encoding: br\r\n"
                   "Expect: 100-continue\r\n\r\n");
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 415 ", 13), 0);
    assert_log("415");
    raw_close(&raw);
}

static void without_a_body_its_coding_does_not_matter(void **state) {
    (void)state;
    route("/", HANDLER(.put = says_body, .flags = TC_DECOMPRESS));
    assert_string_equal(put("/", tc_str(""), HEADERS("Content-Encoding", "br")), "200 0 ");
    assert_string_equal(
        put("/", tc_str("0\r\n\r\n"), HEADERS("Content-Encoding", "gzip", "Transfer-Encoding", "chunked")), "200 0 ");
}

/* ---- What is refused ---- */

static const char *bad(const char *why) {
    return page(400, "Bad Request", why);
}

static void what_is_broken_is_a_400(void **state) {
    (void)state;
    static const char *const paths[] = { "/", "/stream" };
    tc_bytes_t good = gzip_of(tc_str("hello"));
    char body[64];
    route("/", HANDLER(.put = says_body, .flags = TC_DECOMPRESS));
    route("/stream",
          HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM, .data_received = notes_chunk));
    for (size_t i = 0; i < COUNT(paths); i++) {
        memcpy(body, good.data, good.len);
        memcpy(body + good.len, "xy", 2);
        assert_string_equal(put(paths[i], tc_bytes(body, good.len - 1), GZIP), bad("the gzip data is cut short"));
        assert_string_equal(put(paths[i], tc_bytes(body, good.len + 1), GZIP), bad("the gzip data is cut short"));
        assert_string_equal(put(paths[i], tc_bytes(body, good.len + 2), GZIP),
                            bad("the gzip data is broken: incorrect header check"));
        body[good.len - 8] ^= 1;
        assert_string_equal(put(paths[i], tc_bytes(body, good.len), GZIP),
                            bad("the gzip data is broken: incorrect data check"));
        assert_null(strstr(noted(), "method"));
        forget_log();
    }
    gzip_free(good);
}

static void limits_hold_for_what_comes_out(void **state) {
    (void)state;
    static const char *const paths[] = { "/", "/stream" };
    enum { MOST = 100000 };
    char *text = calloc(1, MOST + 1);
    route("/", HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .max_body_size = MOST));
    route("/stream", HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .max_body_size = MOST, .body = TC_BODY_STREAM,
                             .data_received = notes_chunk));
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_int_equal(atoi(put_gzip(paths[i], tc_bytes(text, MOST))), 200);
        assert_non_null(strstr(noted(), "method"));
        assert_int_equal(atoi(put_gzip(paths[i], tc_bytes(text, MOST + 1))), 413);
        assert_log("the body, decompressed, is larger than the limit");
        assert_null(strstr(noted(), "method"));
    }
    free(text);
}

static int allows_ten(tc_request_t *req) {
    return tc_set_max_body_size(req, 10);
}

static void limits_hold_for_what_comes_in(void **state) {
    (void)state;
    route("/", HANDLER(.put = says_body, .flags = TC_DECOMPRESS, .admit = allows_ten));
    assert_int_equal(atoi(put_gzip("/", tc_str(""))), 413); /* 20 bytes for nothing */
    assert_log("the body is larger than the limit");
}

static void decompressors_count_as_bodies_in_memory(void **state) {
    (void)state;
    tc_bytes_t body = gzip_of(tc_str("hello"));
    use_options(&(tc_application_options_t){ .max_buffered_size = TC__GZIP_MEMORY - 1 });
    route("/", HANDLER(.put = says_body, .flags = TC_DECOMPRESS));
    assert_int_equal(atoi(put("/", body, GZIP)), 503);
    assert_log("too many bodies are in memory");
    assert_int_equal(atoi(put("/", body, NULL)), 200);
    stop_serving();
    app = tc_application_new(&(tc_application_options_t){ .max_buffered_size = TC__GZIP_MEMORY + 4096 });
    route("/", HANDLER(.put = says_body, .flags = TC_DECOMPRESS));
    for (int i = 0; i < 3; i++) /* it was given back */
        assert_string_equal(put("/", body, GZIP), "200 5 hello");
    gzip_free(body);
}

/* ---- Streams ---- */

typedef struct {
    tc_bytes_t chunk;
    size_t len, chunks;
} upload_t;

static int chunk_lived(tc_request_t *req, tc_future_t *future, void *arg) {
    upload_t *upload = tc_data(req);
    (void)future;
    (void)arg;
    for (size_t i = 0; i < upload->chunk.len; i++)
        if (upload->chunk.data[i] != (char)((upload->len + i) * 2654435761u >> 13))
            return -EIO;
    upload->len += upload->chunk.len;
    upload->chunks++;
    note("x");
    return 0;
}

static int waits_with_chunk(tc_request_t *req, tc_bytes_t chunk) {
    upload_t *upload = tc_data(req);
    upload->chunk = chunk;
    return tc_then(req, tc_sleep(NULL, 10), chunk_lived, NULL);
}

static int says_upload(tc_request_t *req) {
    const upload_t *upload = tc_data(req);
    return tc_writef(req, "%zu in %zu", upload->len, upload->chunks);
}

static void each_piece_of_a_chunk_waits_for_the_one_before(void **state) {
    (void)state;
    enum { SIZE = 60000 };
    raw_t raw;
    char *text = malloc(SIZE), head[128];
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)(i * 2654435761u >> 13);
    tc_bytes_t body = gzip_of(tc_bytes(text, SIZE));
    route("/", HANDLER(.put = says_upload, .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM,
                       .data_received = waits_with_chunk, .data_size = sizeof(upload_t)));
    raw_open(&raw, NULL);
    snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             body.len);
    assert_int_equal(tc_iostream_write(raw.stream, tc_str(head), NULL, NULL), 0);
    assert_int_equal(tc_iostream_write(raw.stream, body, NULL, NULL), 0);
    raw_send(&raw, head); /* the next request, which waits */
    assert_string_equal(noted(), "");
    for (int i = 0; i < SIZE / TC__GZIP_PIECE; i++) {
        tc__ioloop_advance(raw.loop, 10);
        assert_string_equal(noted(), "x");
    }
    assert_int_equal(raw.len, 0);
    tc__ioloop_advance(raw.loop, 100);
    assert_non_null(strstr(raw_text(&raw), "\r\n\r\n60000 in 4"));
    noted();
    raw_close(&raw);
    gzip_free(body);
    free(text);
}

static int awaits_with_chunk(tc_request_t *req, tc_bytes_t chunk) {
    upload_t *upload = tc_data(req);
    upload->chunk = chunk;
    TC_TRY(tc_await(tc_sleep(NULL, 10), NULL));
    return chunk_lived(req, NULL, NULL);
}

static void a_handler_may_await_with_each_piece(void **state) {
    (void)state;
    if (!tornadoc_has("coroutines"))
        skip();
    enum { SIZE = 600000 };
    char *text = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)(i * 2654435761u >> 13);
    route("/", HANDLER(.put = says_upload, .flags = TC_DECOMPRESS | TC_COROUTINE, .body = TC_BODY_STREAM,
                       .data_received = awaits_with_chunk, .data_size = sizeof(upload_t)));
    assert_string_equal(put_gzip("/", tc_bytes(text, SIZE)), "200 600000 in 37");
    noted();
    free(text);
}

static size_t bomb_len;

static int takes_bomb(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    bomb_len += chunk.len;
    return 0;
}

enum { BOMB = 20 * 1024 * 1024 };

/* A body on its way: its bytes are with the server, which has not looked at them. */
static void send_compressed(raw_t *raw, tc_bytes_t body, const tc_request_handler_t *handler) {
    char head[128];
    route("/", handler);
    raw_open(raw, NULL);
    snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             body.len);
    assert_int_equal(tc_iostream_write(raw->stream, tc_str(head), NULL, NULL), 0);
    assert_int_equal(tc_iostream_write(raw->stream, body, NULL, NULL), 0);
    gzip_free(body);
}

static void send_bomb(raw_t *raw, const tc_request_handler_t *handler) {
    char *zeros = calloc(1, BOMB);
    bomb_len = 0;
    send_compressed(raw, gzip_of(tc_bytes(zeros, BOMB)), handler);
    free(zeros);
}

static void a_bomb_keeps_the_loop_for_a_moment_only(void **state) {
    (void)state;
    raw_t raw;
    int turns = 0;
    send_bomb(&raw, HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM,
                            .data_received = takes_bomb));
    for (size_t before = 0; bomb_len < BOMB; before = bomb_len, turns++) {
        tc__ioloop_turn(raw.loop, false);
        assert_true(bomb_len - before <= 1024 * 1024);
    }
    assert_true(turns >= BOMB / (1024 * 1024));
    raw_turn(&raw);
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 200 ", 13), 0);
    assert_string_equal(noted(), "method");
    raw_close(&raw);
}

/* Blocks that say how text would be coded and hold none: nothing comes out, but each has its tables made. */
static tc_bytes_t blocks_without_text(size_t len) {
    static const char four_blocks[] = "\004\300\201\000\000\000\000\000\220\377\153\020\000\007\002"
                                      "\000\000\000\000\100\376\257\101\000\034\010\000\000\000\000"
                                      "\000\371\277\006\001\160\040\000\000\000\000\000\344\377\032";
    static const char head[] = "\037\213\010\0\0\0\0\0\0\377", end[] = "\3\0\0\0\0\0\0\0\0";
    size_t size = sizeof(four_blocks) - 1, at = sizeof(head) - 1;
    len = at + len / size * size + sizeof(end);
    char *data = malloc(len);
    memcpy(data, head, at);
    for (; at + sizeof(end) < len; at += size)
        memcpy(data + at, four_blocks, size);
    memcpy(data + at, end, sizeof(end));
    return tc_bytes(data, len);
}

static void input_that_is_work_only_keeps_the_loop_for_a_moment_only(void **state) {
    (void)state;
    enum { SIZE = 1024 * 1024, READ = 64 * 1024 };
    raw_t raw;
    int turns = 0;
    send_compressed(&raw, blocks_without_text(SIZE), HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS));
    for (; journal.len == 0; turns++)
        tc__ioloop_turn(raw.loop, false);
    assert_true(turns > 4 * SIZE / READ);
    raw_turn(&raw);
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 200 ", 13), 0);
    assert_string_equal(noted(), "method");
    raw_close(&raw);
}

static void a_client_may_leave_between_two_turns(void **state) {
    (void)state;
    raw_t raw;
    send_bomb(&raw, HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .on_finish = note_finish));
    while (raw.stream) {
        tc__ioloop_turn(raw.loop, false);
        tc__iostream_abort(raw.stream);
    }
    raw_turn(&raw);
    assert_string_equal(noted(), "finish(-1025)");
    raw_close(&raw);
}

static void the_loop_may_end_between_two_turns(void **state) {
    (void)state;
    raw_t raw;
    send_bomb(&raw, HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM,
                            .data_received = takes_bomb, .on_finish = note_finish));
    while (bomb_len == 0)
        tc__ioloop_turn(raw.loop, false);
    raw_close(&raw);
    assert_string_equal(noted(), "finish(-1025)");
}

static tc_deferred_t *held;

static int holds(tc_request_t *req) {
    held = tc_defer(req);
    return held ? 0 : TC_ENOMEM;
}

static void a_request_that_is_held_may_lose_its_client_between_two_turns(void **state) {
    (void)state;
    raw_t raw;
    send_bomb(&raw, HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM, .prepare = holds,
                            .data_received = takes_bomb, .on_finish = note_finish));
    while (bomb_len == 0)
        tc__ioloop_turn(raw.loop, false);
    tc__iostream_abort(raw.stream);
    raw_turn(&raw);
    assert_true(bomb_len < BOMB);
    assert_string_equal(noted(), "");
    tc_deferred_unref(held);
    raw_turn(&raw);
    assert_string_equal(noted(), "finish(-1025)");
    raw_close(&raw);
}

static void a_timeout_ends_a_bomb(void **state) {
    (void)state;
    raw_t raw;
    send_bomb(&raw, HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM, .timeout_ms = 5,
                            .data_received = takes_bomb, .on_finish = note_finish));
    while (bomb_len == 0)
        tc__ioloop_turn(raw.loop, false);
    raw.loop->virtual_now += 10;
    tc__timer_wheel_advance(&raw.loop->wheel, raw.loop->virtual_now);
    raw_turn(&raw);
    assert_true(bomb_len < BOMB);
    assert_int_equal(strncmp(raw_text(&raw), "HTTP/1.1 503 ", 13), 0);
    assert_string_equal(noted(), "finish(-110)");
    assert_log("no outcome after 5 ms");
    raw_close(&raw);
}

static tc_httpserver_t **to_free;

static int frees_the_server(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    bomb_len += chunk.len;
    tc_httpserver_free(*to_free);
    *to_free = NULL;
    return 0;
}

static void the_server_may_be_freed_with_a_piece(void **state) {
    (void)state;
    raw_t raw;
    to_free = &raw.server;
    send_bomb(&raw, HANDLER(.put = says_nothing, .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM,
                            .data_received = frees_the_server, .on_finish = note_finish));
    raw_turn(&raw);
    assert_true(bomb_len < BOMB);
    assert_string_equal(noted(), "finish(-1025)");
    raw_close(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WEB_TEST(a_body_is_inflated_for_whoever_asks),
        WEB_TEST(a_group_may_ask_for_all_its_routes),
        WEB_TEST(forms_and_json_may_be_compressed),
        WEB_TEST(a_compressed_body_may_be_spooled),
        WEB_TEST(a_compressed_form_may_be_read_while_it_arrives),
        WEB_TEST(header_fields_stay_as_received),
        WEB_TEST(one_coding_is_known),
        WEB_TEST(a_415_names_the_coding_that_would_not_be),
        WEB_TEST(another_415_names_none),
        WEB_TEST(a_coding_that_is_refused_is_not_waited_for),
        WEB_TEST(without_a_body_its_coding_does_not_matter),
        WEB_TEST(what_is_broken_is_a_400),
        WEB_TEST(limits_hold_for_what_comes_out),
        WEB_TEST(limits_hold_for_what_comes_in),
        WEB_TEST(decompressors_count_as_bodies_in_memory),
        WEB_TEST(each_piece_of_a_chunk_waits_for_the_one_before),
        WEB_TEST(a_handler_may_await_with_each_piece),
        WEB_TEST(a_bomb_keeps_the_loop_for_a_moment_only),
        WEB_TEST(input_that_is_work_only_keeps_the_loop_for_a_moment_only),
        WEB_TEST(a_client_may_leave_between_two_turns),
        WEB_TEST(the_loop_may_end_between_two_turns),
        WEB_TEST(a_request_that_is_held_may_lose_its_client_between_two_turns),
        WEB_TEST(a_timeout_ends_a_bomb),
        WEB_TEST(the_server_may_be_freed_with_a_piece),
    };
    return cmocka_run_group_tests_name("request decoder", tests, watch_web, NULL);
}
