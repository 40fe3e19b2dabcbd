/*
 * form_fuzz.c - forms that are read while they arrive, by a whole server, in pieces, with parts that go everywhere and
 * clients that leave.
 *
 * The first byte of the input says how it comes, the second seeds the pieces; the rest is the body, its boundary "b".
 * Whatever that is: an answer comes unless the client has left; the fields and files are those of the same form when it
 * is buffered; and of all files that were made none stays, and no descriptor. The file system is a pretended one.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include <tornadoc.h>

#include "fuzz/fuzzing.h"
#include "http/httpserver_internal.h"
#include "net/iostream_internal.h"
#include "util/file_calls_internal.h"

enum {
    WHOLE = 1 << 0,   /* not in pieces */
    CHOOSES = 1 << 1, /* the handler chooses where parts go, by the first letter of their names */
    LEAVES = 1 << 2,  /* before the last piece */
    NO_ROOM = 1 << 3, /* after some writes */
    CHUNKED = 1 << 4
};

/* ---- A file system where nothing stays ---- */

static atomic_int made, open_files, writes_left;

static int pretend_open(const char *path, int flags, mode_t mode) {
    (void)path, (void)flags, (void)mode;
    atomic_fetch_add(&made, 1);
    return 100000 + atomic_fetch_add(&open_files, 1);
}

static ssize_t pretend_pwrite(int fd, const void *data, size_t len, uint64_t at) {
    (void)fd, (void)data, (void)at;
    if (atomic_fetch_sub(&writes_left, 1) > 0)
        return (ssize_t)len;
    errno = ENOSPC;
    return -1;
}

static int pretend_close(int fd) {
    (void)fd;
    atomic_fetch_sub(&open_files, 1);
    return 0;
}

static int pretend_unlink(const char *path) {
    (void)path;
    atomic_fetch_sub(&made, 1);
    return 0;
}

/* ---- The server ---- */

static tc_ioloop_t *loop;
static tc_httpserver_t *server;

static int show(tc_request_t *req) {
    const tc_http_file_t *const *files;
    const char *const *values;
    size_t count = tc_get_files(req, NULL, &files);
    for (size_t i = 0; i < count; i++)
        tc_writef(req, "%s;%s;%s;%s;%" PRIu64 "\n", tc_http_file_field(files[i]), tc_http_file_name(files[i]),
                  tc_http_file_raw_name(files[i]), tc_http_file_content_type(files[i]), tc_http_file_size(files[i]));
    static const char *const names[] = { "a", "b", "c", "m" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        count = tc_get_arguments(req, names[i], &values);
        for (size_t k = 0; k < count; k++)
            tc_writef(req, "%s=%s\n", names[i], values[k]);
    }
    return 0;
}

static int choose(tc_request_t *req, tc_http_file_t *part) {
    *(uint64_t *)tc_data(req) = 0;
    switch (tc_http_file_field(part)[0]) {
    case 'm':
        return tc_part_set_sink(part, TC_PART_MEMORY);
    case 'f':
        return tc_part_set_sink(part, TC_PART_FILE);
    case 'c':
        return tc_part_set_sink(part, TC_PART_CALLBACK);
    case 'd':
        return tc_part_set_sink(part, TC_PART_DISCARD);
    case 'l':
        return tc_part_set_max_size(part, 10);
    case 'r':
        return 403;
    default:
        return tc_http_file_name(part)[0] ? tc_then(req, tc_sleep(NULL, 1), NULL, NULL) : 0;
    }
}

static int receive(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk) {
    (void)part;
    MUST(chunk.len > 0);
    *(uint64_t *)tc_data(req) += chunk.len;
    return chunk.len % 2 ? tc_then(req, tc_sleep(NULL, 1), NULL, NULL) : 0;
}

static int end(tc_request_t *req, tc_http_file_t *part) {
    uint64_t received = *(uint64_t *)tc_data(req);
    MUST(received == (tc_http_file_field(part)[0] == 'c' ? tc_http_file_size(part) : 0));
    return 0;
}

static void start(void) {
    tc__file_sys.open = pretend_open;
    tc__file_sys.pwrite = pretend_pwrite;
    tc__file_sys.close = pretend_close;
    tc__file_sys.unlink = pretend_unlink;
    tc_set_log_callback(NULL, NULL);
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/buffered", &(tc_request_handler_t){ .post = show }, NULL);
    tc_application_add(app, "/form", &(tc_request_handler_t){ .post = show, .body = TC_BODY_FORM }, NULL);
    tc_application_add(app, "/chosen",
                       &(tc_request_handler_t){ .post = show,
                                                .body = TC_BODY_FORM,
                                                .data_size = sizeof(uint64_t),
                                                .part_begin = choose,
                                                .part_received = receive,
                                                .part_end = end },
                       NULL);
    MUST(tc__ioloop_new_virtual(&loop) == 0);
    MUST(tc_httpserver_new(&server, loop, app, NULL) == 0);
    tc_application_free(app);
}

/* ---- The client ---- */

typedef struct {
    tc_iostream_t *stream;
    char text[20000];
    size_t len;
} client_t;

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    client_t *client = self;
    size_t room = sizeof(client->text) - 1 - client->len, len = bytes.len < room ? bytes.len : room;
    (void)stream;
    memcpy(client->text + client->len, bytes.data, len);
    client->len += len;
    return bytes.len;
}

static void on_nothing(tc_iostream_t *stream, void *self) {
    (void)stream, (void)self;
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream, (void)err;
    ((client_t *)self)->stream = NULL;
}

static const tc__stream_sink_t sink = { on_data, on_nothing, on_nothing, on_nothing, on_closed };

/* Let workers and short sleeps come to their ends. */
static void settle(uint64_t ms) {
    tc__ioloop_advance(loop, ms);
    while (tc__ioloop_has_jobs(loop)) {
        tc__ioloop_turn(loop, true);
        tc__ioloop_advance(loop, ms);
    }
}

static void put(client_t *client, tc_bytes_t bytes) {
    if (client->stream)
        tc_iostream_write(client->stream, bytes, NULL, NULL);
    settle(2);
}

static void put_piece(client_t *client, tc_bytes_t piece, unsigned how) {
    char line[20];
    snprintf(line, sizeof line, "%zx\r\n", piece.len);
    if (how & CHUNKED)
        put(client, tc_str(line));
    put(client, piece);
    if (how & CHUNKED)
        put(client, tc_str("\r\n"));
}

static void send_body(client_t *client, tc_bytes_t body, unsigned how, unsigned seed) {
    while (body.len > 0) {
        seed = seed * 1103515245u + 12345u;
        size_t len = (how & WHOLE) ? body.len : 1 + (seed >> 16) % 100;
        len = len < body.len ? len : body.len;
        if (len == body.len && (how & LEAVES) && client->stream)
            tc_iostream_close(client->stream);
        put_piece(client, tc_bytes(body.data, len), how);
        body = tc_bytes(body.data + len, body.len - len);
    }
    if (how & CHUNKED)
        put(client, tc_str("0\r\n\r\n"));
}

/* A handler may want a millisecond for each part and each piece that it is given, so a form of many parts, sent at
 * once, takes longer than the client did. Of each there are no more than bytes. */
static void await_answer(client_t *client, size_t bytes) {
    for (size_t ms = 0; client->stream && client->len == 0 && ms < 2 * bytes; ms++)
        settle(1);
}

/* The status, 0 for none; *text: the answer's body. */
static int ask(const char *path, tc_bytes_t body, unsigned how, unsigned seed, client_t *client) {
    char head[300];
    tc_iostream_t *server_end;
    tc__address_t peer = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    client->len = 0;
    MUST(tc_iostream_pair(&client->stream, &server_end, loop, NULL) == 0);
    tc__iostream_set_sink(client->stream, &sink, client);
    tc__iostream_resume(client->stream);
    MUST(tc__httpserver_add_stream(server, server_end, &peer) == 0);
    int len = snprintf(head, sizeof head,
                       "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                       "Content-Type: multipart/form-data; boundary=b\r\n",
                       path);
    if (how & CHUNKED)
        snprintf(head + len, sizeof head - (size_t)len, "Transfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head + len, sizeof head - (size_t)len, "Content-Length: %zu\r\n\r\n", body.len);
    put(client, tc_str(head));
    send_body(client, body, how, seed);
    await_answer(client, body.len);
    if (client->stream)
        tc_iostream_close(client->stream);
    settle(10);
    MUST(atomic_load(&made) == 0 && atomic_load(&open_files) == 0);
    client->text[client->len] = '\0';
    return client->len > 12 ? atoi(client->text + 9) : 0;
}

static const char *body_of(const client_t *client) {
    const char *end = strstr(client->text, "\r\n\r\n");
    return end ? end + 4 : "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static client_t first, second;
    if (!loop)
        start();
    if (size < 2)
        return 0;
    unsigned how = data[0];
    tc_bytes_t body = tc_bytes(data + 2, size - 2);
    atomic_store(&writes_left, how & NO_ROOM ? 2 : 1000000);
    int status = ask(how & CHOOSES ? "/chosen" : "/form", body, how, data[1], &first);
    if (how & LEAVES)
        return 0;
    MUST(status != 0);
    MUST(status == 200 || status == 400 || ((how & NO_ROOM) && status == 507) ||
         ((how & CHOOSES) && (status == 403 || status == 413)));
    if (how & CHOOSES || status == 507)
        return 0;
    MUST(ask("/buffered", body, WHOLE, 0, &second) == status);
    MUST(strcmp(body_of(&first), body_of(&second)) == 0);
    return 0;
}
