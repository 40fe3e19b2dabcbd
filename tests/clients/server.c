/*
 * server.c - what clients are to try in tests/scripts/clients_test: what came is told back, in bytes and by checksum.
 *
 *     clients_server FOLDER      http://localhost:8888, until SIGTERM; the file posted to /store becomes FOLDER/stored
 */
#include <inttypes.h>
#include <stdlib.h>
#include <tornadoc.h>

/* ---- What came ---- */

typedef struct {
    uint64_t len;
    uint32_t a, b; /* of Adler-32, less the 1 that a starts with */
    unsigned pieces;
} sum_t;

static void add(sum_t *sum, tc_bytes_t bytes) {
    enum { PRIME = 65521, SAFE = 5552 /* so many bytes overflow neither number */ };
    sum->len += bytes.len;
    sum->pieces++;
    while (bytes.len > 0) {
        size_t len = bytes.len < SAFE ? bytes.len : SAFE;
        uint32_t a = sum->a + 1, b = sum->b;
        for (size_t i = 0; i < len; i++)
            b += a += (unsigned char)bytes.data[i];
        sum->a = (a + PRIME - 1) % PRIME;
        sum->b = b % PRIME;
        bytes = tc_bytes(bytes.data + len, bytes.len - len);
    }
}

static uint32_t adler32(const sum_t *sum) {
    return sum->b << 16 | (sum->a + 1) % 65521;
}

/* "POST HTTP/1.1 chunked 5 bytes 12345678", and the trailers. */
static int tell(tc_request_t *req, const sum_t *sum) {
    const tc_header_field_t *trailers;
    const char *coding = tc_header(req, "Transfer-Encoding");
    tc_set_header(req, "Content-Type", "text/plain");
    tc_writef(req, "%s %s %s %" PRIu64 " bytes %08" PRIx32 "\n", tc_method(req), tc_http_version(req),
              coding ? coding : "counted", sum->len, adler32(sum));
    for (size_t i = 0, count = tc_trailers(req, &trailers); i < count; i++)
        tc_writef(req, "%s: %s\n", trailers[i].name.data, trailers[i].value.data);
    return 0;
}

static int echo(tc_request_t *req) {
    sum_t sum = { 0 };
    add(&sum, tc_body(req));
    return tell(req, &sum);
}

static int add_chunk(tc_request_t *req, tc_bytes_t chunk) {
    add(tc_data(req), chunk);
    return 0;
}

static int tell_stream(tc_request_t *req) {
    return tell(req, tc_data(req));
}

/* ---- A form ---- */

static int form_page(tc_request_t *req) {
    return tc_write(req, "<!DOCTYPE html>\n"
                         "<form action='/form' method='post' enctype='multipart/form-data'>\n"
                         "<input name='title'> <textarea name='text'></textarea>\n"
                         "<input name='files' type='file' multiple> <input name='none' type='file'>\n"
                         "<button>Send</button>\n"
                         "</form>\n");
}

static int form(tc_request_t *req) {
    const tc_http_file_t *const *files;
    size_t count = tc_get_files(req, NULL, &files);
    tc_set_header(req, "Content-Type", "text/plain; charset=UTF-8");
    tc_writef(req, "title %s\ntext %s\n", tc_get_body_argument(req, "title", "-"),
              tc_url_escape_alloc(req, tc_get_body_argument(req, "text", "-")));
    for (size_t i = 0; i < count; i++) {
        sum_t sum = { 0 };
        add(&sum, tc_http_file_body(files[i]));
        tc_writef(req, "%s %s %s %" PRIu64 " bytes %08" PRIx32 "\n", tc_http_file_field(files[i]),
                  tc_http_file_name(files[i]), tc_http_file_content_type(files[i]), sum.len, adler32(&sum));
    }
    return 0;
}

/* ---- To disk ---- */

static int kept(tc_request_t *req, tc_future_t *future, void *arg) {
    const tc_http_file_t *file = arg;
    TC_TRY(tc_future_status(future));
    return tc_writef(req, "%s %s %" PRIu64 " bytes\n", tc_get_body_argument(req, "title", "-"), tc_http_file_name(file),
                     tc_http_file_size(file));
}

static int store(tc_request_t *req) {
    const tc_http_file_t *file = tc_get_file(req, "file");
    if (!file)
        return tc_http_error(req, 400, "no file");
    return tc_then(req, tc_http_file_keep(file, tc_sprintf(req, "%s/stored", (const char *)tc_arg(req)), 0), kept,
                   (void *)(uintptr_t)file);
}

/* ---- Downloads ---- */

/* Byte i is i mod 251. */
static char pattern[251 * 256];

typedef struct {
    uint64_t size, sent;
} download_t;

static int send_more(tc_request_t *req, tc_future_t *drained, void *arg) {
    download_t *download = tc_data(req);
    if (drained)
        TC_TRY(tc_future_status(drained));
    while (download->sent < download->size) {
        uint64_t left = download->size - download->sent;
        tc_bytes_t piece = tc_bytes(pattern, left < sizeof pattern ? (size_t)left : sizeof pattern);
        TC_TRY(tc_write_borrowed(req, piece));
        TC_TRY(tc_flush(req));
        download->sent += piece.len;
        if (!tc_writable(req))
            return tc_then(req, tc_drained(req), send_more, arg);
    }
    return 0;
}

/* /download?size=N, chunked unless ?counted=1 is asked for, and of a ?type= */
static int download(tc_request_t *req) {
    download_t *download = tc_data(req);
    download->size = strtoull(tc_get_argument(req, "size", "0"), NULL, 10);
    tc_set_header(req, "Content-Type", tc_get_argument(req, "type", "application/octet-stream"));
    if (tc_get_argument(req, "counted", NULL))
        tc_set_header(req, "Content-Length", tc_sprintf(req, "%" PRIu64, download->size));
    return send_more(req, NULL, NULL);
}

static int whole_page(tc_request_t *req) {
    return tc_write_borrowed(req, tc_bytes(pattern, sizeof pattern));
}

/* ---- Refusing, hinting, trailing, leaving ---- */

static int refuse(tc_request_t *req) {
    return tc_http_error(req, 403, "not here");
}

static int hint(tc_request_t *req) {
    tc_early_hints(req, "</style.css>; rel=preload; as=style");
    return tc_write(req, "styled\n");
}

static int trail(tc_request_t *req) {
    tc_set_header(req, "Content-Type", "text/plain");
    tc_set_trailer(req, "X-Digest", "eight");
    return tc_write(req, "trailed\n");
}

static int waiting, left;

static int slept(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)arg;
    waiting--;
    TC_TRY(tc_future_status(future));
    return tc_write(req, "at last\n");
}

static int wait_a_minute(tc_request_t *req) {
    waiting++;
    return tc_then(req, tc_sleep(NULL, 60000), slept, NULL);
}

static void note_left(tc_request_t *req) {
    (void)req;
    left++;
}

static int tell_left(tc_request_t *req) {
    return tc_writef(req, "%d waiting, %d left\n", waiting, left);
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)(i % 251);
    char *folder = argc > 1 ? argv[1] : ".";
    tc_application_t *app = tc_application_new(&(tc_application_options_t){ .spool_dir = folder });
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = form_page }, NULL);
    tc_application_add(app, "/form", &(tc_request_handler_t){ .post = form }, NULL);
    tc_application_add(app, "/echo", &(tc_request_handler_t){ .any = echo }, NULL);
    tc_application_add(app, "/gzip", &(tc_request_handler_t){ .flags = TC_DECOMPRESS, .any = echo }, NULL);
    tc_application_add(app, "/stream",
                       &(tc_request_handler_t){ .body = TC_BODY_STREAM,
                                                .max_body_size = TC_UNLIMITED,
                                                .data_size = sizeof(sum_t),
                                                .data_received = add_chunk,
                                                .post = tell_stream,
                                                .put = tell_stream },
                       NULL);
    tc_application_add(app, "/store",
                       &(tc_request_handler_t){ .body = TC_BODY_FORM, .max_body_size = TC_UNLIMITED, .post = store },
                       folder);
    tc_application_add(app, "/download", &(tc_request_handler_t){ .data_size = sizeof(download_t), .get = download },
                       NULL);
    tc_application_add(
        app, "/compressed",
        &(tc_request_handler_t){ .data_size = sizeof(download_t), .get = download, .flags = TC_COMPRESS }, NULL);
    tc_application_add(app, "/compressed/page", &(tc_request_handler_t){ .get = whole_page, .flags = TC_COMPRESS },
                       NULL);
    tc_application_add(app, "/refuse", &(tc_request_handler_t){ .admit = refuse, .any = echo }, NULL);
    tc_application_add(app, "/limited", &(tc_request_handler_t){ .max_body_size = 1000, .any = echo }, NULL);
    tc_application_add(app, "/trailer", &(tc_request_handler_t){ .get = trail }, NULL);
    tc_application_add(app, "/hint", &(tc_request_handler_t){ .get = hint }, NULL);
    tc_application_add(
        app, "/wait",
        &(tc_request_handler_t){ .flags = TC_CANCEL_ON_CLOSE, .get = wait_a_minute, .on_connection_close = note_left },
        NULL);
    tc_application_add(app, "/left", &(tc_request_handler_t){ .get = tell_left }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
