/*
 * web_test.h - applications under test: requests on the test client, a raw client for bytes and slow readers, and the
 * lines of the log one by one. The journal, the allocator and the checks after each test are async_test.h's.
 *
 * A test makes its application with `app`, asks with `ask`, and compares "200 body". Lines that it does not take out of
 * the log (assert_log) fail it.
 */
#ifndef WEB_TEST_H
#define WEB_TEST_H

#include <pthread.h>

#include <tornadoc/testing.h>
#include <tornadoc/web.h>

#include "async/async_test.h"
#include "http/httpserver_internal.h"
#include "net/iostream_internal.h"
#include "web/request_internal.h"

#define HANDLER(...) (&(tc_request_handler_t){ __VA_ARGS__ })
#define FETCH(...) (&(tc_fetch_options_t){ __VA_ARGS__ })
#define HEADERS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- The log, line by line ---- */

enum { MAX_LINES = 32 };

static struct {
    pthread_mutex_t mutex;
    int first, count;
    char lines[MAX_LINES][600];
} lines = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static inline void keep_line(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    pthread_mutex_lock(&lines.mutex);
    if (lines.count < MAX_LINES)
        snprintf(lines.lines[lines.count++], sizeof(lines.lines[0]), "%c %s: %s", " DIWE"[record->level],
                 record -> logger + strlen("tornado."), record -> message);
    pthread_mutex_unlock(&lines.mutex);
}

/* The oldest line that was not taken yet; "" if there is none. */
static inline const char *take_line(void) {
    if (lines.first < lines.count)
        return lines.lines[lines.first++];
    lines.first = lines.count = 0;
    return "";
}

/* The oldest line holds `part` (of "E application: GET /x: …"). */
#define assert_log(part)                            \
    do {                                            \
        const char *line_ = take_line();            \
        if (!strstr(line_, part)) {                 \
            print_error("logged: \"%s\"\n", line_); \
            print_error("wanted: \"%s\"\n", part);  \
            fail();                                 \
        }                                           \
    } while (0)

static inline void forget_log(void) {
    lines.first = lines.count = 0;
}

/* ---- An application and its client, per test ---- */

static tc_application_t *app;
static tc_test_client_t *client;

static inline int watch_web(void **state) { /* of the group */
    (void)state;
    tc_set_log_callback(keep_line, NULL);
    return tc_set_allocator(&(tc_allocator_t){ counting_malloc, counting_calloc, counting_realloc, counting_free });
}

static inline int begin_web(void **state) {
    (void)state;
    forget_log();
    memset(&tc__http_error_limit, 0, sizeof(tc__http_error_limit));
    app = tc_application_new(NULL);
    return app ? 0 : -1;
}

static inline void stop_serving(void) {
    tc_test_client_free(client);
    tc_application_free(app);
    client = NULL;
    app = NULL;
}

static inline int end_web(void **state) {
    stop_serving();
    int failed = 0;
    for (const char *line; *(line = take_line());) {
        print_error("unexpected in the log: %s\n", line);
        failed = -1;
    }
    return nothing_is_left(state) < 0 ? -1 : failed;
}

#define WEB_TEST(test) cmocka_unit_test_setup_teardown(test, begin_web, end_web)

static inline void use_options(const tc_application_options_t *options) {
    tc_application_free(app);
    app = tc_application_new(options);
    assert_non_null(app);
}

static inline void route(const char *pattern, const tc_request_handler_t *handler) {
    assert_int_equal(tc_application_add(app, pattern, handler, NULL), 0);
}

/* The application is the client's from now on. */
static inline tc_test_client_t *serve_as(const tc_test_client_options_t *options) {
    if (!client) {
        client = tc_test_client_new_with(app, options);
        app = NULL;
        if (!client)
            print_error("no test client: %s\n", tc_error_detail());
        assert_non_null(client);
    }
    return client;
}

/* Where the environment says WEB_TLS, over TLS: what is above does not notice. */
static inline tc_test_client_t *serve_by_tls(void) {
    static const tc_tls_options_t trusting = { .insecure_skip_verify = true };
    tc_tls_context_t *ours, *theirs;
    assert_int_equal(tc_tls_context_self_signed(&theirs, "localhost"), 0);
    assert_int_equal(tc_tls_context_new_client(&ours, &trusting), 0);
    const tc_httpserver_options_t server = { .tls = theirs };
    serve_as(&(tc_test_client_options_t){ .origin = "https://localhost", .server = &server, .tls = ours });
    tc_tls_context_unref(theirs);
    tc_tls_context_unref(ours);
    return client;
}

static inline tc_test_client_t *serve(void) {
    return client ? client : getenv("WEB_TLS") ? serve_by_tls() : serve_as(NULL);
}

static inline const char *answer_text(const tc_http_response_t *response) {
    static char text[8192];
    tc_bytes_t body = tc_http_response_body(response);
    if (!response)
        return "cut";
    snprintf(text, sizeof(text), "%d %.*s", tc_http_response_status(response), (int)body.len, body.data);
    return text;
}

/* "200 the body", or "cut" if the connection was. */
static inline const char *ask_with(const char *path, const tc_fetch_options_t *options) {
    return answer_text(tc_test_client_fetch(serve(), path, options));
}

static inline const char *ask(const char *path) {
    return ask_with(path, NULL);
}

static inline const char *ask_by(const char *method, const char *path) {
    return ask_with(path, FETCH(.method = method));
}

/* The answer to a request that was started, "" if there is none yet. */
static inline const char *answered(int id) {
    const tc_http_response_t *response = tc_test_client_response(client, id);
    return response ? answer_text(response) : "";
}

static inline int start(const char *path, const tc_fetch_options_t *options) {
    int id = tc_test_client_start(serve(), path, options);
    assert_true(id > 0);
    return id;
}

#define assert_ask(path, wanted) assert_string_equal(ask(path), wanted)

/* The default page of an error. */
static inline const char *page(int status, const char *reason, const char *message) {
    static char text[1024];
    snprintf(text, sizeof(text), "%d <html><title>%d: %s</title><body>%d: %s</body></html>", status, status, reason,
             status, message ? message : reason);
    return text;
}

static inline const char *header(const char *path, const tc_fetch_options_t *options, const char *name) {
    const char *value = tc_http_response_header(tc_test_client_fetch(serve(), path, options), name);
    return value ? value : "(none)";
}

/* ---- A raw client: bytes in, bytes out, on a server and a virtual loop of its own ---- */

typedef struct {
    tc_ioloop_t *loop;
    tc_httpserver_t *server;
    tc_iostream_t *stream; /* NULL: closed */
    bool eof, cut;         /* a FIN, a reset */
    bool deaf;             /* takes nothing from its end of the connection */
    char *text;            /* all that came */
    size_t len, size;
} raw_t;

static inline size_t raw_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream;
    raw_t *raw = self;
    if (raw->deaf)
        return 0;
    if (raw->len + bytes.len + 1 > raw->size) {
        raw->size = 2 * (raw->len + bytes.len + 1);
        raw->text = realloc(raw->text, raw->size);
    }
    memcpy(raw->text + raw->len, bytes.data, bytes.len);
    raw->len += bytes.len;
    raw->text[raw->len] = '\0';
    return bytes.len;
}

static inline void raw_event(tc_iostream_t *stream, void *self) {
    (void)stream;
    (void)self;
}

static inline void raw_eof(tc_iostream_t *stream, void *self) {
    (void)stream;
    ((raw_t *)self)->eof = true;
}

static inline void raw_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    ((raw_t *)self)->stream = NULL;
    ((raw_t *)self)->cut = err < 0;
}

static const tc__stream_sink_t raw_sink = {
    .data = raw_data, .hangup = raw_event, .eof = raw_eof, .drained = raw_event, .closed = raw_closed
};

static inline void raw_turn(raw_t *raw) {
    tc__ioloop_advance(raw->loop, 0);
}

/* Another connection to the same server. */
static inline void raw_connect(raw_t *raw) {
    tc_iostream_t *server_end;
    tc__address_t peer = { .family = AF_INET, .port = 1, .bytes = { 127, 0, 0, 1 } };
    raw->len = 0;
    raw->eof = raw->cut = false;
    assert_int_equal(tc_iostream_pair(&raw->stream, &server_end, raw->loop, NULL), 0);
    tc__iostream_set_sink(raw->stream, &raw_sink, raw);
    tc__iostream_resume(raw->stream);
    assert_int_equal(tc__httpserver_add_stream(raw->server, server_end, &peer), 0);
}

static inline void raw_open(raw_t *raw, const tc_httpserver_options_t *options) {
    *raw = (raw_t){ 0 };
    assert_int_equal(tc__ioloop_new_virtual(&raw->loop), 0);
    assert_int_equal(tc_httpserver_new(&raw->server, raw->loop, app, options), 0);
    raw_connect(raw);
}

static inline void raw_send(raw_t *raw, const char *text) {
    assert_int_equal(tc_iostream_write(raw->stream, tc_str(text), NULL, NULL), 0);
    raw_turn(raw);
}

static inline const char *raw_text(raw_t *raw) {
    return raw->len > 0 ? raw->text : "";
}

static inline void raw_close(raw_t *raw) {
    if (raw->stream)
        tc_iostream_close(raw->stream);
    tc_httpserver_free(raw->server);
    tc_ioloop_free(raw->loop);
    free(raw->text);
}

#endif
