/*
 * http1connection_fuzz.c - a whole server, bytes in arbitrary pieces, writes that fail, clients that leave.
 *
 * The first byte of the input says how the client behaves, the second seeds the pieces, a third, if there is one,
 * chooses the options of the server; the rest is what the client sends.
 * Whatever that is: what comes back begins with a status line, and when the deadlines have passed the connection is
 * gone.
 */
#include <errno.h>
#include <string.h>
#include <yyjson.h>

#include <tornadoc.h>

#include "fuzz/fuzzing.h"
#include "http/httpserver_internal.h"
#include "net/iostream_internal.h"

enum {
    PIECES = 3, /* 0 whole, 1 byte by byte, 2 pieces, 3 pieces with a second between */
    READS_NOTHING = 1 << 2,
    WRITES_FAIL = 1 << 3, /* the server's, after the first piece */
    SENDS_FIN = 1 << 4,
    RESETS = 1 << 5, /* in the end, before the deadlines */
    READS_FAIL = 1 << 6,
    HAS_OPTIONS = 1 << 7 /* a third byte: */
};
enum {
    XHEADERS = 1 << 0,
    PROXY_PROTOCOL = 1 << 1,
    SMALL_LIMITS = 1 << 2,
    NO_KEEP_ALIVE = 1 << 3,
    TWO_REQUESTS = 1 << 4, /* per connection */
    ALL_OPTIONS = (1 << 5) - 1
};

/* ---- The server: a route for each way to answer ---- */

static int echo(tc_request_t *req) {
    const tc_header_field_t *fields;
    size_t count = tc_headers(req, &fields);
    for (size_t i = 0; i < count; i++)
        MUST(is_terminated(fields[i].name) && is_terminated(fields[i].value));
    count = tc_trailers(req, &fields);
    for (size_t i = 0; i < count; i++)
        MUST(is_terminated(fields[i].name) && is_terminated(fields[i].value));
    MUST(strlen(tc_uri(req)) >= strlen(tc_path(req)));
    MUST(is_terminated(tc_body(req)));
    tc_writef(req, "%s %s %s %s\n", tc_method(req), tc_host(req), tc_get_argument(req, "a", "-"),
              tc_get_cookie(req, "c", "-"));
    return tc_write_bytes(req, tc_body(req));
}

static int user(tc_request_t *req) {
    return tc_writef(req, "%lld %s", (long long)tc_path_int(req, "id"), tc_path_arg(req, "rest"));
}

static int json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, root));
    return tc_write_json(req, doc);
}

static int slept(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future;
    return arg ? tc_write(req, arg) : 0;
}

static int slow(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 1500), slept, "late");
}

static int flushed(tc_request_t *req) {
    MUST(tc_early_hints(req, "</a.css>; rel=preload") <= 0);
    MUST(tc_set_trailer(req, "X-Uri", tc_path(req)) <= 0);
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    tc_write(req, "two");
    return tc_then(req, tc_sleep(NULL, 10), slept, "three");
}

static int big(tc_request_t *req) {
    static char text[300000];
    return tc_write_borrowed(req, tc_bytes(text, sizeof text));
}

static int count_chunk(tc_request_t *req, tc_bytes_t chunk) {
    *(size_t *)tc_data(req) += chunk.len;
    return chunk.len % 3 == 0 ? tc_then(req, tc_sleep(NULL, 20), slept, NULL) : 0;
}

static int counted(tc_request_t *req) {
    return tc_writef(req, "%zu", *(size_t *)tc_data(req));
}

/* Each part of a form where its name sends it. */
static int begin_part(tc_request_t *req, tc_http_file_t *part) {
    static const tc_part_sink_t sinks[] = { TC_PART_MEMORY, TC_PART_CALLBACK, TC_PART_DISCARD };
    (void)req;
    size_t len = strlen(tc_http_file_field(part));
    if (len > 6)
        TC_TRY(tc_part_set_max_size(part, 10));
    return tc_part_set_sink(part, sinks[len % 3]);
}

static int take_part(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk) {
    MUST(chunk.len > 0 && tc_http_file_size(part) >= chunk.len);
    return chunk.len % 5 == 0 ? tc_then(req, tc_sleep(NULL, 20), slept, NULL) : 0;
}

static int form(tc_request_t *req) {
    const tc_http_file_t *const *files;
    size_t count = tc_get_files(req, NULL, &files);
    for (size_t i = 0; i < count; i++) {
        const char *name = tc_http_file_name(files[i]);
        MUST(name[0] != '\0' && !strchr(name, '/') && tc_http_file_size(files[i]) == tc_http_file_body(files[i]).len);
        tc_writef(req, "%s %zu\n", name, tc_http_file_body(files[i]).len);
    }
    return tc_write(req, tc_get_argument(req, "a", "-"));
}

static int spooled(tc_request_t *req) {
    MUST(tc_body_file(req) >= 0 || tc_body_size(req) == tc_body(req).len);
    return tc_write_bytes(req, tc_body(req));
}

static int hint(tc_request_t *req) {
    tc_early_hints(req, "</style.css>; rel=preload");
    return echo(req);
}

static int refuse(tc_request_t *req) {
    return tc_http_error(req, 403, "no");
}

static int fail_midway(tc_request_t *req) {
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    return TC_EINVAL;
}

static tc_ioloop_t *loop;
static tc_application_t *app;
static tc_httpserver_t *servers[ALL_OPTIONS + 1]; /* made when first asked for */

static void add_routes(void) {
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = echo, .post = echo, .put = echo }, NULL);
    tc_application_add(app, "/u/{id:int}/{rest:*}", &(tc_request_handler_t){ .any = user }, NULL);
    tc_application_add(app, "/json", &(tc_request_handler_t){ .post = json }, NULL);
    tc_application_add(app, "/slow", &(tc_request_handler_t){ .any = slow, .flags = TC_CANCEL_ON_CLOSE }, NULL);
    tc_application_add(app, "/flush", &(tc_request_handler_t){ .any = flushed }, NULL);
    tc_application_add(app, "/big", &(tc_request_handler_t){ .any = big }, NULL);
    tc_application_add(app, "/fail", &(tc_request_handler_t){ .any = fail_midway }, NULL);
    tc_application_add(app, "/no", &(tc_request_handler_t){ .any = echo, .admit = refuse }, NULL);
    tc_application_add(app, "/body", &(tc_request_handler_t){ .any = echo, .max_body_size = 100 }, NULL);
    tc_application_add(app, "/gzip",
                       &(tc_request_handler_t){ .any = echo, .max_body_size = 10000, .flags = TC_DECOMPRESS }, NULL);
    tc_application_add(app, "/gzip_stream",
                       &(tc_request_handler_t){ .body = TC_BODY_STREAM,
                                                .data_received = count_chunk,
                                                .any = counted,
                                                .data_size = sizeof(size_t),
                                                .flags = TC_DECOMPRESS },
                       NULL);
    tc_application_add(app, "/stream",
                       &(tc_request_handler_t){ .body = TC_BODY_STREAM,
                                                .data_received = count_chunk,
                                                .any = counted,
                                                .data_size = sizeof(size_t),
                                                .timeout_ms = 60000 },
                       NULL);
    tc_application_add(app, "/none", &(tc_request_handler_t){ .body = TC_BODY_REFUSE, .any = echo }, NULL);
    tc_application_add(app, "/spool", &(tc_request_handler_t){ .body = TC_BODY_SPOOL, .any = spooled }, NULL);
    tc_application_add(app, "/hint", &(tc_request_handler_t){ .any = hint }, NULL);
    tc_application_add(app, "/form",
                       &(tc_request_handler_t){
                           .body = TC_BODY_FORM, .part_begin = begin_part, .part_received = take_part, .any = form },
                       NULL);
    tc_application_add_regex(app, "/r/([a-z]+)/(?:x|y)*", &(tc_request_handler_t){ .any = echo }, NULL);
}

static void start(void) {
    tc_set_log_callback(NULL, NULL);
    app = tc_application_new(NULL);
    add_routes();
    MUST(tc__ioloop_new_virtual(&loop) == 0);
}

static tc_httpserver_t *server_with(unsigned which) {
    tc_httpserver_options_t options = { .max_header_size = 4096, .max_request_line = 512 };
    if (servers[which])
        return servers[which];
    options.xheaders = which & XHEADERS;
    options.proxy_protocol = which & PROXY_PROTOCOL;
    options.no_keep_alive = which & NO_KEEP_ALIVE;
    options.max_requests_per_connection = which & TWO_REQUESTS ? 2 : 0;
    if (which & SMALL_LIMITS) {
        options.max_header_size = 256;
        options.max_request_line = 40;
        options.max_header_count = 4;
        options.max_body_size = 50;
        options.max_trailer_size = 30;
        options.max_pipelined_size = 20;
        options.max_output_size = 100000;
        options.output_mark = 1000;
    }
    MUST(tc_httpserver_new(&servers[which], loop, app, &options) == 0);
    return servers[which];
}

/* ---- The client ---- */

typedef struct {
    tc_iostream_t *stream;
    char first[9];
    size_t received;
} client_t;

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream;
    client_t *client = self;
    for (size_t i = 0; i < bytes.len && client->received + i < sizeof client->first; i++)
        client->first[client->received + i] = bytes.data[i];
    client->received += bytes.len;
    return bytes.len;
}

static void on_nothing(tc_iostream_t *stream, void *self) {
    (void)stream;
    (void)self;
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    (void)err;
    ((client_t *)self)->stream = NULL;
}

static const tc__stream_sink_t sink = { on_data, on_nothing, on_nothing, on_nothing, on_closed };

static void send_pieces(client_t *client, tc_iostream_t *server_end, const uint8_t *data, size_t size, unsigned how,
                        unsigned seed) {
    while (size > 0 && client->stream) {
        seed = seed * 1103515245u + 12345u;
        size_t len = (how & PIECES) == 0 ? size : (how & PIECES) == 1 ? 1 : 1 + (seed >> 16) % 200;
        len = len < size ? len : size;
        if (tc_iostream_write(client->stream, tc_bytes(data, len), NULL, NULL) < 0)
            return;
        tc__ioloop_advance(loop, (how & PIECES) == 3 ? 1000 : 0);
        if ((how & WRITES_FAIL) && !tc_iostream_closed(server_end))
            tc__memory_fail_send(server_end, -EPIPE);
        if ((how & READS_FAIL) && !tc_iostream_closed(server_end))
            tc__memory_fail_recv(server_end, -ECONNRESET);
        data += len;
        size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!loop)
        start();
    if (size < 3)
        return 0;
    unsigned how = data[0], seed = data[1];
    tc_httpserver_t *server = server_with(how & HAS_OPTIONS ? data[2] & ALL_OPTIONS : 0);
    data += how & HAS_OPTIONS ? 3 : 2;
    size -= how & HAS_OPTIONS ? 3 : 2;
    client_t client = { 0 };
    tc_iostream_t *server_end;
    MUST(tc_iostream_pair(&client.stream, &server_end, loop, NULL) == 0);
    tc__iostream_set_sink(client.stream, &sink, &client);
    if (how & READS_NOTHING)
        tc__memory_set_window(client.stream, 1000);
    else
        tc__iostream_resume(client.stream);
    tc_iostream_ref(server_end);
    tc__address_t peer = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    MUST(tc__httpserver_add_stream(server, server_end, &peer) == 0);

    send_pieces(&client, server_end, data, size, how, seed);
    if ((how & SENDS_FIN) && client.stream)
        tc_iostream_shutdown(client.stream);
    if ((how & RESETS) && client.stream)
        tc__iostream_abort(client.stream);
    tc__ioloop_advance(loop, 400 * 1000);

    MUST(tc_httpserver_connections(server) == 0);
    MUST(memcmp(client.first, "HTTP/1.1 ", client.received < 9 ? client.received : 9) == 0);
    if (client.stream)
        tc_iostream_close(client.stream);
    tc__ioloop_advance(loop, 0);
    tc_iostream_unref(server_end);
    return 0;
}
