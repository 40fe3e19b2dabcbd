/*
 * scaling.c - each parser at work on inputs of three sizes: 1, n and 2n pieces of the same kind.
 *
 * It runs under callgrind, which counts the instructions of `measured` and writes down a total after each call of it;
 * tests/scripts/scaling_test divides. The inputs are the usual ones and the worst that come to mind: many small items,
 * one huge item, nothing but separators, equal names, names that are nearly a known one, bytes that arrive one by one.
 * Limits are out of the way, and each must come out as its row says: a refusal at the first byte would cost nothing.
 *
 *     scaling [INPUT]     all rows, or one; prints a line for each: parser, input, n
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include <tornadoc.h>

#include "async/ioloop_internal.h"
#include "http/arguments_internal.h"
#include "http/cookie_internal.h"
#include "http/forwarded_internal.h"
#include "http/httpserver_internal.h"
#include "http/multipart_internal.h"
#include "net/iostream_internal.h"
#include "web/router_internal.h"

#define MUST(condition)                                                                \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

/* Returns what came of it: an error, a status. */
typedef int (*parser_t)(tc_bytes_t text);

/* ---- Parsers that take a text ---- */

static int on_pair(tc_bytes_t name, tc_bytes_t value, void *user_data) {
    (void)name;
    (void)value;
    (void)user_data;
    return 0;
}

static int query(tc_bytes_t text) {
    return tc_query_parse(text, on_pair, NULL);
}

static int parameters(tc_bytes_t text) {
    tc_bytes_t value;
    return tc_header_value_parse(text, &value, on_pair, NULL);
}

static int arguments(tc_bytes_t text) {
    tc__arguments_t arguments = { NULL, 0, 0 };
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    int err = tc__arguments_parse(&arguments, &arena, text, TC_UNLIMITED);
    tc__arena_deinit(&arena);
    return err;
}

static int cookies(tc_bytes_t text) {
    tc__cookies_t cookies;
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    int err = tc__cookies_parse(&cookies, &arena, text, TC_UNLIMITED);
    tc__arena_deinit(&arena);
    return err;
}

static int url(tc_bytes_t text) {
    tc_url_t url;
    return tc_url_parse(text, &url);
}

static int links(tc_bytes_t text) {
    return tc_linkify(NULL, 0, text, NULL) >= text.len ? 0 : TC_EINVAL;
}

static int url_concat(tc_bytes_t text) {
    static const char *const pairs[] = { "a", "1", NULL };
    return tc_url_concat(NULL, 0, text.data, pairs) > 0 ? 0 : TC_EINVAL;
}

/* The text, as often as there are functions from a text to a text. */
static int escapes(tc_bytes_t text) {
    static size_t (*const functions[])(char *, size_t, tc_bytes_t) = {
        tc_xhtml_escape, tc_xhtml_unescape,    tc_url_escape, tc_url_escape_path,
        tc_url_unescape, tc_url_unescape_path, tc_squeeze,
    };
    size_t size = 6 * text.len + 1;
    char *out = malloc(size);
    MUST(out != NULL);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        MUST(functions[i](out, size, text) < size);
    free(out);
    return tc_utf8_valid(text) ? 0 : TC_EINVAL;
}

static int cidrs(tc_bytes_t text) {
    tc__cidrs_t cidrs;
    int err = tc__cidrs_init(&cidrs, text.data);
    if (err == 0)
        tc__cidrs_deinit(&cidrs);
    return err;
}

static int forwarded_by(const char *name, tc_bytes_t text) {
    tc__headers_t headers;
    tc__arena_t arena;
    tc__cidrs_t trusted;
    tc__forwarded_t out;
    tc__address_t peer = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    tc__arena_init(&arena, NULL);
    tc__headers_init(&headers);
    MUST(tc__cidrs_init(&trusted, "127.0.0.0/8") == 0);
    MUST(tc__headers_append(&headers, &arena, tc_str(name), text) != NULL);
    tc__forwarded_read(&out, &headers, TC__TRUST_ALL, &peer, &trusted);
    tc__cidrs_deinit(&trusted);
    tc__arena_deinit(&arena);
    return 0;
}

static int forwarded(tc_bytes_t text) {
    return forwarded_by("Forwarded", text);
}

static int x_forwarded_for(tc_bytes_t text) {
    return forwarded_by("X-Forwarded-For", text);
}

static int on_part(void *self, const tc__part_t *part) {
    (void)self;
    (void)part;
    return 0;
}

static int on_part_data(void *self, tc_bytes_t bytes) {
    (void)self;
    (void)bytes;
    return 0;
}

static int on_part_end(void *self) {
    (void)self;
    return 0;
}

static int multipart_in_pieces(tc_bytes_t text, size_t piece) {
    static const tc__multipart_delegate_t delegate = { on_part, on_part_data, on_part_end };
    static const tc__multipart_options_t options = { TC_UNLIMITED, TC_UNLIMITED, TC_UNLIMITED, NULL };
    static const tc__boundary_t boundary = { "boundary", 8 };
    tc__multipart_t multipart;
    tc__multipart_init(&multipart, &boundary, &options, &delegate, NULL);
    int err = 0;
    while (err == 0 && text.len > 0) {
        tc_bytes_t next = tc_bytes(text.data, piece < text.len ? piece : text.len);
        text = tc_bytes(text.data + next.len, text.len - next.len);
        err = tc__multipart_feed(&multipart, &next);
    }
    if (err == 0)
        err = tc__multipart_finish(&multipart);
    tc__multipart_deinit(&multipart);
    return err;
}

static int multipart(tc_bytes_t text) {
    return multipart_in_pieces(text, SIZE_MAX);
}

static int multipart_bytes(tc_bytes_t text) {
    return multipart_in_pieces(text, 1);
}

static int boundary(tc_bytes_t text) {
    tc__boundary_t boundary;
    return tc__multipart_boundary(text, &boundary);
}

/* What no parser may do: look at all it has at every byte. It shows that the test would find it. */
static int quadratic(tc_bytes_t text) {
    volatile size_t seen = 0;
    for (size_t i = 0; i < text.len; i++)
        for (size_t j = 0; j < i; j++)
            seen += (unsigned char)text.data[j];
    (void)seen;
    return 0;
}

/* A pattern per line: all are added, then each is a path. */
static int router(tc_bytes_t text) {
    tc__routes_t *routes;
    tc__match_t match;
    char *lines = strdup(text.data), *rest = lines, *line;
    int err = 0;
    MUST(lines != NULL && tc__routes_new(&routes) == 0);
    tc__host_rule_t *rule = tc__routes_host(routes, NULL, &err);
    while ((line = strsep(&rest, "\n")) && *line)
        MUST(tc__host_rule_add(rule, line, routes) == 0);
    for (tc_bytes_t left = text; left.len > 0;) {
        const char *end = memchr(left.data, '\n', left.len);
        tc__routes_match(routes, tc_str("x"), tc_bytes(left.data, (size_t)(end - left.data)), &match);
        MUST(match.route != NULL);
        left = tc_bytes(end + 1, left.len - (size_t)(end + 1 - left.data));
    }
    tc__routes_free(routes, NULL);
    free(lines);
    return err;
}

/* ---- A server in memory ---- */

static tc_ioloop_t *loop;
static tc_httpserver_t *server;

static int answer(tc_request_t *req) {
    tc_get_argument(req, "a", NULL);
    tc_get_cookie(req, "a", NULL);
    tc_header(req, "A");
    return tc_write(req, ".");
}

static int json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, root));
    return tc_write_json(req, doc);
}

static int form(tc_request_t *req) {
    const tc_http_file_t *const *files;
    tc_get_body_argument(req, "a", NULL);
    tc_get_files(req, NULL, &files);
    return tc_write(req, ".");
}

static int on_chunk(tc_request_t *req, tc_bytes_t chunk) {
    (void)req;
    (void)chunk;
    return 0;
}

/* What a handler does for each byte of its path. */
static int write_each(tc_request_t *req) {
    for (const char *at = tc_path(req); *at; at++)
        tc_write(req, "a piece\n");
    return 0;
}

static int borrow_each(tc_request_t *req) {
    for (const char *at = tc_path(req); *at; at++)
        tc_write_borrowed(req, tc_str("a piece\n"));
    return 0;
}

static int flush_each(tc_request_t *req) {
    for (const char *at = tc_path(req); *at; at++) {
        tc_write(req, "a piece\n");
        tc_flush(req);
    }
    return 0;
}

static int add_header_each(tc_request_t *req) {
    for (const char *at = tc_path(req); *at; at++)
        tc_add_header(req, "X-Piece", "value");
    return 0;
}

static void start(void) {
    tc_application_t *app = tc_application_new(
        &(tc_application_options_t){ .max_arguments = TC_UNLIMITED, .max_parts = TC_UNLIMITED });
    tc_application_add(app, "/", &(tc_request_handler_t){ .any = answer }, NULL);
    tc_application_add(app, "/tail/{path:*}", &(tc_request_handler_t){ .any = answer }, NULL);
    tc_application_add(app, "/json", &(tc_request_handler_t){ .post = json }, NULL);
    tc_application_add(app, "/form", &(tc_request_handler_t){ .post = form }, NULL);
    tc_application_add(app, "/stream",
                       &(tc_request_handler_t){ .body = TC_BODY_STREAM, .data_received = on_chunk, .post = answer },
                       NULL);
    tc_application_add(app, "/parts", &(tc_request_handler_t){ .body = TC_BODY_FORM, .post = form }, NULL);
    tc_application_add(app, "/write/{path:*}", &(tc_request_handler_t){ .get = write_each }, NULL);
    tc_application_add(app, "/borrow/{path:*}", &(tc_request_handler_t){ .get = borrow_each }, NULL);
    tc_application_add(app, "/flush/{path:*}", &(tc_request_handler_t){ .get = flush_each }, NULL);
    tc_application_add(app, "/header/{path:*}", &(tc_request_handler_t){ .get = add_header_each }, NULL);
    const tc_httpserver_options_t options = { .max_request_line = TC_UNLIMITED,
                                              .max_header_size = TC_UNLIMITED,
                                              .max_header_count = TC_UNLIMITED,
                                              .max_body_size = TC_UNLIMITED,
                                              .max_trailer_size = TC_UNLIMITED,
                                              .xheaders = true };
    MUST(tc__ioloop_new_virtual(&loop) == 0);
    MUST(tc_httpserver_new(&server, loop, app, &options) == 0);
    tc_application_free(app);
}

static void stop(void) {
    tc_httpserver_free(server);
    tc__ioloop_advance(loop, 0);
    tc_ioloop_free(loop);
}

/* The client's end of a connection. */
typedef struct {
    tc_iostream_t *stream;
    size_t received;
    int status; /* of the first answer */
} client_t;

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream;
    client_t *client = self;
    if (client->received == 0 && bytes.len > 12)
        client->status = atoi(bytes.data + 9);
    client->received += bytes.len;
    return bytes.len;
}

static void on_nothing(tc_iostream_t *stream, void *self) {
    (void)stream;
    (void)self;
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    (void)self;
    (void)err;
}

static void connect_client(client_t *client) {
    static const tc__stream_sink_t sink = { on_data, on_nothing, on_nothing, on_nothing, on_closed };
    tc_iostream_t *there;
    tc__address_t peer = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    *client = (client_t){ 0 };
    MUST(tc_iostream_pair(&client->stream, &there, loop, NULL) == 0);
    tc__iostream_set_sink(client->stream, &sink, client);
    tc__iostream_resume(client->stream);
    MUST(tc__httpserver_add_stream(server, there, &peer) == 0);
}

static void send_pieces(client_t *client, tc_bytes_t text, size_t piece) {
    while (text.len > 0) {
        size_t len = piece < text.len ? piece : text.len;
        tc_iostream_write(client->stream, tc_bytes(text.data, len), NULL, NULL);
        tc__ioloop_advance(loop, 0);
        text = tc_bytes(text.data + len, text.len - len);
    }
}

/* All answers are awaited; the status of the first. */
static int disconnect_client(client_t *client) {
    size_t before;
    do {
        before = client->received;
        tc__ioloop_advance(loop, 0);
    } while (client->received != before);
    tc_iostream_close(client->stream);
    tc__ioloop_advance(loop, 0);
    return client->status;
}

static int connection(tc_bytes_t text) {
    client_t client;
    connect_client(&client);
    send_pieces(&client, text, SIZE_MAX);
    return disconnect_client(&client);
}

static int connection_bytes(tc_bytes_t text) {
    client_t client;
    connect_client(&client);
    send_pieces(&client, text, 1);
    return disconnect_client(&client);
}

/* The answer does not go out at once. */
static int connection_slow(tc_bytes_t text) {
    client_t client;
    connect_client(&client);
    tc__memory_set_window(client.stream, 1000);
    send_pieces(&client, text, SIZE_MAX);
    return disconnect_client(&client);
}

/* One for each byte of the text, all open at once. */
static int connections(tc_bytes_t text) {
    client_t *clients = calloc(text.len, sizeof *clients);
    int status = 0;
    MUST(clients != NULL);
    for (size_t i = 0; i < text.len; i++) {
        connect_client(&clients[i]);
        send_pieces(&clients[i], tc_str("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), SIZE_MAX);
    }
    for (size_t i = 0; i < text.len; i++)
        status = disconnect_client(&clients[i]);
    free(clients);
    return status;
}

static int post(const char *path, const char *type, tc_bytes_t body) {
    client_t client;
    char head[200];
    int len = snprintf(head, sizeof head,
                       "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", path, type,
                       body.len);
    connect_client(&client);
    send_pieces(&client, tc_bytes(head, (size_t)len), SIZE_MAX);
    send_pieces(&client, body, SIZE_MAX);
    return disconnect_client(&client);
}

static int json_body(tc_bytes_t text) {
    return post("/json", "application/json", text);
}

static int urlencoded_form(tc_bytes_t text) {
    return post("/form", "application/x-www-form-urlencoded", text);
}

static int form_in_parts(tc_bytes_t text) {
    return post("/parts", "multipart/form-data; boundary=boundary", text);
}

static int multipart_form(tc_bytes_t text) {
    return post("/form", "multipart/form-data; boundary=boundary", text);
}

/* ---- A stream that is read line by line ---- */

static void on_line(tc_iostream_t *stream, int err, tc_bytes_t data, void *user_data) {
    tc_bytes_t *left = user_data;
    left->len -= data.len;
    if (err == 0 && left->len > 0)
        MUST(tc_iostream_read_until(stream, tc_str("\r\n"), 0, on_line, left) == 0);
}

static int lines_in_pieces(tc_bytes_t text, size_t piece) {
    tc_iostream_t *here, *there;
    tc_bytes_t left = text;
    MUST(tc_iostream_pair(&here, &there, loop, NULL) == 0);
    MUST(tc_iostream_read_until(there, tc_str("\r\n"), 0, on_line, &left) == 0);
    while (text.len > 0) {
        size_t len = piece < text.len ? piece : text.len;
        tc_iostream_write(here, tc_bytes(text.data, len), NULL, NULL);
        tc__ioloop_advance(loop, 0);
        text = tc_bytes(text.data + len, text.len - len);
    }
    for (size_t before = 0; left.len != before;) {
        before = left.len;
        tc__ioloop_advance(loop, 0);
    }
    tc_iostream_close(here);
    tc_iostream_close(there);
    tc__ioloop_advance(loop, 0);
    return left.len == 0 ? 0 : TC_EAGAIN;
}

static int lines(tc_bytes_t text) {
    return lines_in_pieces(text, SIZE_MAX);
}

static int lines_bytes(tc_bytes_t text) {
    return lines_in_pieces(text, 1);
}

/* ---- The rows ---- */

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
#define STREAMED "POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
#define DISPOSITION "Content-Disposition: form-data; name=a"
#define PART "--boundary\r\n" DISPOSITION
#define SEVENTY "1234567890123456789012345678901234567890123456789012345678901234567890"
#define LAST "\r\n--boundary--\r\n"

/* The input is `before`, then `unit` n times, with "#" for its number, then `after`. */
static const struct {
    const char *name;
    parser_t parse;
    const char *input, *before, *unit, *after;
    unsigned n;
    int outcome;
} rows[] = {
    { "head", connection, "many fields", GET, "X-Field-#: value\r\n", "\r\n", 2000, 200 },
    { "head", connection, "fields of one name", GET, "A: value\r\n", "\r\n", 4000, 200 },
    { "head", connection, "fields of one known name", GET, "Accept: a\r\n", "\r\n", 4000, 200 },
    { "head", connection, "names that are nearly known", GET, "Content-Lengtx: #\r\n", "\r\n", 2000, 200 },
    { "head", connection, "names with a long common start", GET, "X-Aaaaaaaaaaaaaaaaaaaaaaaa#: 1\r\n", "\r\n", 2000,
      200 },
    { "head", connection, "empty values", GET, "X:\r\n", "\r\n", 4000, 200 },
    { "head", connection, "one huge value", GET "A: ", "v", "\r\n\r\n", 100000, 200 },
    { "head", connection, "one huge name", GET, "x", ": v\r\n\r\n", 30000, 200 },
    { "head", connection, "blanks around a value", GET "A:", " ", "v\t \r\n\r\n", 100000, 200 },
    { "head", connection, "a huge target", "GET /", "a", " HTTP/1.1\r\nHost: x\r\n\r\n", 100000, 404 },
    { "head", connection, "a path of many segments", "GET /tail", "/a", " HTTP/1.1\r\nHost: x\r\n\r\n", 20000, 200 },
    { "head", connection, "a path of escapes", "GET /tail/", "%41", " HTTP/1.1\r\nHost: x\r\n\r\n", 20000, 200 },
    { "head", connection, "a query", "GET /?", "&b#=%20", " HTTP/1.1\r\nHost: x\r\n\r\n", 3000, 200 },
    { "head", connection, "tokens in Connection", GET "Connection: ", "a, ", "b\r\n\r\n", 10000, 200 },
    { "head", connection, "Connection again and again", GET, "Connection: keep-alive\r\n", "\r\n", 2000, 200 },
    { "head", connection, "commas in Connection", GET "Connection: ", ",", "\r\n\r\n", 20000, 200 },
    { "head", connection, "Accept", GET "Accept: ", "text/x#;q=0.5, ", "*/*\r\n\r\n", 5000, 200 },
    { "head", connection, "Cookie again and again", GET, "Cookie: a=1; b=2\r\n", "\r\n", 49, 200 },
    { "head", connection, "X-Forwarded-For again and again", GET, "X-Forwarded-For: 127.0.0.1\r\n", "\r\n", 2000, 200 },
    { "head", connection, "Expect again and again", GET "Expect: 100-continue\r\n", "Expect: 100-continue\r\n", "\r\n",
      2000, 417 },
    { "head", connection, "a huge expectation", GET "Expect: ", "x", "\r\n\r\n", 100000, 417 },
    { "head", connection_bytes, "fields, byte by byte", GET, "X-#: v\r\n", "\r\n", 300, 200 },
    { "head", connection_bytes, "a huge value, byte by byte", GET "A: ", "v", "\r\n\r\n", 3000, 200 },
    { "head", connection_bytes, "a huge target, byte by byte", "GET /", "a", " HTTP/1.1\r\nHost: x\r\n\r\n", 3000,
      404 },
    { "head", connection_bytes, "a huge method, byte by byte", "", "A", " / HTTP/1.1\r\nHost: x\r\n\r\n", 3000, 501 },
    { "head", connection, "a huge host", "GET / HTTP/1.1\r\nHost: ", "a.", "a\r\n\r\n", 30000, 200 },
    { "head", connection, "a huge absolute target", "GET http://", "a.", "a/ HTTP/1.1\r\nHost: x\r\n\r\n", 30000, 200 },
    { "head", connection, "zeros before a length", GET "Content-Length: ", "0", "\r\n\r\n", 30000, 200 },
    { "requests", connections, "connections at once", "", ".", "", 200, 200 },
    { "requests", connection, "pipelined", "", GET "\r\n", "", 300, 200 },
    { "requests", connection, "pipelined bodies", "", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\na=b&", "",
      300, 200 },
    { "requests", connection_bytes, "pipelined, byte by byte", "", GET "\r\n", "", 60, 200 },
    { "chunks", connection, "one byte each", CHUNKED "\r\n", "1\r\na\r\n", "0\r\n\r\n", 3000, 200 },
    { "chunks", connection, "one byte each, streamed", STREAMED, "1\r\na\r\n", "0\r\n\r\n", 3000, 200 },
    { "chunks", connection, "growing", CHUNKED "\r\n", "10\r\n0123456789abcdef\r\n", "0\r\n\r\n", 3000, 200 },
    { "chunks", connection, "extensions", CHUNKED "\r\n1", ";a=\"b\"", "\r\nx\r\n0\r\n\r\n", 1000, 200 },
    { "chunks", connection, "a huge extension", CHUNKED "\r\n1;", "a", "\r\nx\r\n0\r\n\r\n", 100000, 200 },
    { "chunks", connection, "zeros before a size", CHUNKED "\r\n", "0", "1\r\nx\r\n0\r\n\r\n", 8000, 200 },
    { "chunks", connection, "trailers", CHUNKED "\r\n0\r\n", "X-#: v\r\n", "\r\n", 2000, 200 },
    { "chunks", connection, "a huge trailer", CHUNKED "\r\n0\r\nX: ", "v", "\r\n\r\n", 100000, 200 },
    { "chunks", connection_bytes, "byte by byte", CHUNKED "\r\n", "2\r\nab\r\n", "0\r\n\r\n", 400, 200 },
    { "chunks", connection_bytes, "trailers, byte by byte", CHUNKED "\r\n0\r\n", "X: v\r\n", "\r\n", 400, 200 },
    { "answer", connection, "of many writes", "GET /write/", "a", " HTTP/1.1\r\nHost: x\r\n\r\n", 5000, 200 },
    { "answer", connection, "of many borrowed pieces", "GET /borrow/", "a", " HTTP/1.1\r\nHost: x\r\n\r\n", 5000, 200 },
    { "answer", connection, "of many flushed chunks", "GET /flush/", "a", " HTTP/1.1\r\nHost: x\r\n\r\n", 1000, 200 },
    { "answer", connection, "with many header fields", "GET /header/", "a", " HTTP/1.1\r\nHost: x\r\n\r\n", 1000, 200 },
    { "answer", connection_slow, "of many writes, to a slow reader", "GET /write/", "a", " HTTP/1.1\r\nHost: x\r\n\r\n",
      3000, 200 },
    { "answer", connection_slow, "of many borrowed pieces, to a slow reader", "GET /borrow/", "a",
      " HTTP/1.1\r\nHost: x\r\n\r\n", 3000, 200 },
    { "answer", connection_slow, "of many flushed chunks, to a slow reader", "GET /flush/", "a",
      " HTTP/1.1\r\nHost: x\r\n\r\n", 1000, 200 },
    { "linkify", links, "links", "", "http://a#.example ", "", 3000, 0 },
    { "linkify", links, "parentheses that do not close", "www.a", "(www.a", "", 10000, 0 },
    { "linkify", links, "one parenthesis that does not close", "www.a(", "www.a,", "", 10000, 0 },
    { "linkify", links, "punctuation", "www.a", ".", "", 50000, 0 },
    { "linkify", links, "beginnings", "", "a:/ www. ", "", 10000, 0 },
    { "cookies", cookies, "many", "", "name#=value; ", "", 10000, 0 },
    { "cookies", cookies, "of one name", "", "a=1;", "", 20000, 0 },
    { "cookies", cookies, "semicolons", "", ";", "", 100000, 0 },
    { "cookies", cookies, "names without a value", "", "a;", "", 50000, 0 },
    { "cookies", cookies, "one huge value", "a=", "v", "", 100000, 0 },
    { "cookies", cookies, "one huge name", "", "n", "=v", 100000, 0 },
    { "cookies", cookies, "colons in a name", "", ":", "=v", 100000, 0 },
    { "cookies", cookies, "escapes in quotes", "a=\"", "\\073", "\"", 30000, 0 },
    { "cookies", cookies, "backslashes", "a=\"", "\\\\", "\"", 50000, 0 },
    { "cookies", cookies, "quotes that do not end", "", "a=\"", ";", 30000, 0 },
    { "cookies", cookies, "blanks", "a=", " ", "1", 100000, 0 },
    { "query", query, "many", "", "name#=value&", "", 10000, 0 },
    { "query", query, "of one name", "", "a=1&", "", 20000, 0 },
    { "query", query, "separators", "", "&", "", 100000, 0 },
    { "query", query, "equals signs", "", "=", "", 100000, 0 },
    { "query", query, "escapes", "a=", "%20", "", 50000, 0 },
    { "query", query, "bad escapes", "a=", "%", "", 100000, 0 },
    { "query", query, "plus signs", "a=", "+", "", 100000, 0 },
    { "query", query, "one huge value", "a=", "v", "", 100000, 0 },
    { "arguments", arguments, "many", "", "name#=value&", "", 10000, 0 },
    { "arguments", arguments, "of one name", "", "a=1&", "", 20000, 0 },
    { "arguments", arguments, "names alone", "", "a&", "", 20000, 0 },
    { "arguments", arguments, "white space", "a=", "+", "b", 100000, 0 },
    { "arguments", arguments, "wide white space", "a=", "%E2%80%A8", "", 10000, 0 },
    { "arguments", arguments, "control bytes", "a=", "%01", "", 30000, 0 },
    { "arguments", arguments, "bytes that are no text", "a=", "%FF", "", 30000, 0 },
    { "parameters", parameters, "many", "text/html", "; name#=value", "", 5000, 0 },
    { "parameters", parameters, "of one name", "text/html", ";a=1", "", 10000, 0 },
    { "parameters", parameters, "quoted", "text/html", "; a=\"b;\\\"c\"", "", 5000, 0 },
    { "parameters", parameters, "semicolons", "text/html", ";", "", 50000, 0 },
    { "parameters", parameters, "backslashes", "text/html; a=\"", "\\\\", "\"", 50000, 0 },
    { "parameters", parameters, "blanks", "text/html", " ; ", "a=1", 30000, 0 },
    { "parameters", parameters, "one huge name", "text/html;", "n", "=1", 100000, 0 },
    { "parameters", parameters, "quotes that do not end", "text/html", "; a=\"b", "", 20000, TC_EINVAL },
    { "parameters", boundary, "before a boundary", "multipart/form-data", "; a=b", "; boundary=x", 5000, 0 },
    { "parameters", boundary, "a huge boundary", "multipart/form-data; boundary=" SEVENTY, "x", "", 50000, TC_EPROTO },
    { "forwarded", x_forwarded_for, "trusted ones", "1.2.3.4", ", 127.0.0.1", "", 5000, 0 },
    { "forwarded", x_forwarded_for, "trusted ones of IPv6", "1.2.3.4", ", ::ffff:127.0.0.1", "", 3000, 0 },
    { "forwarded", x_forwarded_for, "one huge entry", "", "1", "", 50000, 0 },
    { "forwarded", x_forwarded_for, "blanks", "1.2.3.4,", " ", "127.0.0.1", 50000, 0 },
    { "forwarded", forwarded, "trusted ones", "for=1.2.3.4", ", for=127.0.0.1;proto=https", "", 3000, 0 },
    { "forwarded", forwarded, "quoted", "for=1.2.3.4", ", for=\"127.0.0.1:80\"", "", 3000, 0 },
    { "forwarded", forwarded, "parameters", "for=127.0.0.1", ";a=\"b\"", "", 5000, 0 },
    { "forwarded", forwarded, "backslashes", "for=\"", "\\\\", "\"", 30000, 0 },
    { "forwarded", forwarded, "commas in quotes", "for=1.2.3.4, for=\"", ",", "\", for=127.0.0.1", 30000, 0 },
    { "networks", cidrs, "many", "10.0.0.0/8", ", 192.0.2.#", "", 100, 0 },
    { "networks", cidrs, "of one kind", "10.0.0.0/8", ", 2001:db8::/32", "", 3000, 0 },
    { "multipart", multipart, "many parts", "", PART "#\r\n\r\nvalue\r\n", "--boundary--\r\n", 1000, 0 },
    { "multipart", multipart, "empty parts", "", PART "\r\n\r\n\r\n", "--boundary--\r\n", 1000, 0 },
    { "multipart", multipart, "one huge part", PART "\r\n\r\n", "v", LAST, 100000, 0 },
    { "multipart", multipart, "almost boundaries", PART "\r\n\r\n", "\r\n--boundarx", LAST, 10000, 0 },
    { "multipart", multipart, "starts of boundaries", PART "\r\n\r\n", "\r\n--", LAST, 20000, 0 },
    { "multipart", multipart, "line ends", PART "\r\n\r\n", "\r\n", LAST, 50000, 0 },
    { "multipart", multipart, "carriage returns", PART "\r\n\r\n", "\r", LAST, 100000, 0 },
    { "multipart", multipart, "dashes", PART "\r\n\r\n", "-", LAST, 100000, 0 },
    { "multipart", multipart, "header fields", PART "\r\n", "X-#: v\r\n", "\r\nv" LAST, 2000, 0 },
    { "multipart", multipart, "header fields of one name", PART "\r\n", "X: v\r\n", "\r\nv" LAST, 2000, 0 },
    { "multipart", multipart, "one huge header field", PART "\r\nX: ", "v", "\r\n\r\nv" LAST, 30000, 0 },
    { "multipart", multipart, "a huge file name", PART "; filename=\"", "a\\\"/", "\"\r\n\r\nv" LAST, 7000, 0 },
    { "multipart", multipart, "text before the first part", "", "preamble\r\n", PART "\r\n\r\nv" LAST, 10000, 0 },
    { "multipart", multipart, "blanks behind a boundary", PART "\r\n\r\nv\r\n--boundary", " ",
      "\r\n" DISPOSITION "\r\n\r\nv" LAST, 50000, 0 },
    { "multipart", multipart_bytes, "parts, byte by byte", "", PART "\r\n\r\nvalue\r\n", "--boundary--\r\n", 500, 0 },
    { "multipart", multipart_bytes, "a huge part, byte by byte", PART "\r\n\r\n", "v", LAST, 30000, 0 },
    { "multipart", multipart_bytes, "almost boundaries, byte by byte", PART "\r\n\r\n", "\r\n--boundarx", LAST, 3000,
      0 },
    { "multipart", multipart_bytes, "a huge header field, byte by byte", PART "\r\nX: ", "v", "\r\n\r\nv" LAST, 30000,
      0 },
    { "form", urlencoded_form, "many fields", "", "name#=value&", "a=1", 5000, 200 },
    { "form", urlencoded_form, "fields of one name", "", "a=1&", "", 10000, 200 },
    { "form", multipart_form, "fields", "", PART "\r\n\r\nvalue\r\n", "--boundary--\r\n", 1000, 200 },
    { "form", form_in_parts, "fields of TC_BODY_FORM", "", PART "\r\n\r\nvalue\r\n", "--boundary--\r\n", 1000, 200 },
    { "form", form_in_parts, "a large field of TC_BODY_FORM", PART "\r\n\r\n", "value", LAST, 30000, 200 },
    { "form", multipart_form, "files", "", PART "#; filename=f\r\n\r\nvalue\r\n", "--boundary--\r\n", 1000, 200 },
    { "form", multipart_form, "a large file", PART "; filename=f\r\n\r\n", "value", LAST, 30000, 200 },
    { "JSON", json_body, "an array", "[", "#,", "0]", 10000, 200 },
    { "JSON", json_body, "arrays that do not end", "", "[", "", 20000, 400 },
    { "JSON", json_body, "an object", "{", "\"name#\":1,", "\"a\":1}", 5000, 200 },
    { "JSON", json_body, "keys of one name", "{", "\"a\":1,", "\"a\":1}", 5000, 200 },
    { "JSON", json_body, "one huge text", "\"", "\\u00fc</", "\"", 10000, 200 },
    { "JSON", json_body, "one huge number", "0.", "1", "", 20000, 200 },
    { "JSON", json_body, "blanks", "", " ", "1", 100000, 200 },
    { "URL", url, "a path", "http://x/", "a/", "", 30000, 0 },
    { "URL", url, "a host", "http://", "a.", "x/", 30000, 0 },
    { "URL", url, "dots and colons", "http://x/", ":@:@", "", 10000, 0 },
    { "URL", url_concat, "a query", "http://x/?", "b=%20&", "#f", 5000, 0 },
    { "text", escapes, "plain", "", "text ", "", 5000, 0 },
    { "text", escapes, "characters to escape", "", "<&>\"", "", 5000, 0 },
    { "text", escapes, "entities", "", "&lt;&#x41;", "", 5000, 0 },
    { "text", escapes, "ampersands", "", "&", "", 20000, 0 },
    { "text", escapes, "entities that do not end", "", "&#1", "", 10000, 0 },
    { "text", escapes, "a huge entity", "&#", "1", ";", 30000, 0 },
    { "text", escapes, "percent signs", "", "%", "", 20000, 0 },
    { "text", escapes, "blanks", "", " \t\n", "", 10000, 0 },
    { "text", escapes, "wide characters", "", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "", 3000, 0 },
    { "routes", router, "literal", "", "/users/#/files\n", "", 1000, 0 },
    { "routes", router, "with parameters", "", "/{user}/#/{file}\n", "", 1000, 0 },
    { "routes", router, "with a long common start", "", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa#/{x}\n", "", 1000, 0 },
    { "lines", lines, "many", "", "a line\r\n", "", 3000, 0 },
    { "lines", lines, "one huge line", "", "a", "\r\n", 300000, 0 },
    { "lines", lines, "carriage returns", "", "\r", "\n", 300000, 0 },
    { "lines", lines_bytes, "one huge line, byte by byte", "", "a", "\r\n", 5000, 0 },
    { "lines", lines_bytes, "carriage returns, byte by byte", "", "\r", "\n", 5000, 0 },
    { "no parser", quadratic, "every byte with every byte", "", "a", "", 1000, 0 },
};

static char *repeat(char *out, const char *unit, unsigned number) {
    for (; *unit; unit++)
        out = *unit == '#' ? out + sprintf(out, "%u", number) : (*out = *unit, out + 1);
    return out;
}

/* Callgrind is told this name. */
__attribute__((noinline)) int measured(parser_t parse, tc_bytes_t text);
int measured(parser_t parse, tc_bytes_t text) {
    return parse(text);
}

static bool failed;

static void run(size_t row, unsigned n, int (*call)(parser_t, tc_bytes_t)) {
    size_t room = strlen(rows[row].before) + n * (strlen(rows[row].unit) + 10) + strlen(rows[row].after) + 1;
    char *text = malloc(room), *end;
    MUST(text != NULL);
    end = stpcpy(text, rows[row].before);
    for (unsigned i = 0; i < n; i++)
        end = repeat(end, rows[row].unit, i);
    end = stpcpy(end, rows[row].after);
    int outcome = call(rows[row].parse, tc_bytes(text, (size_t)(end - text)));
    if (outcome != rows[row].outcome) {
        fprintf(stderr, "%s, %s, %u: %d, not %d\n", rows[row].name, rows[row].input, n, outcome, rows[row].outcome);
        failed = true;
    }
    free(text);
}

static int unmeasured(parser_t parse, tc_bytes_t text) {
    return parse(text);
}

int main(int argc, char **argv) {
    tc_set_log_callback(NULL, NULL);
    start();
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        if (argc > 1 && strcmp(rows[row].input, argv[1]) != 0)
            continue;
        run(row, 2, unmeasured); /* what is done once in a process is done now */
        run(row, 1, measured);
        run(row, rows[row].n, measured);
        run(row, 2 * rows[row].n, measured);
        printf("%s|%s|%u\n", rows[row].name, rows[row].input, rows[row].n);
    }
    stop();
    return failed;
}
