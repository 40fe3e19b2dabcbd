/*
 * test_client.c - requests through the whole stack, in memory. (Tornado: AsyncHTTPTestCase)
 *
 * The server is a real one, on a loop with a virtual clock; each request has a connection of its own, over the memory
 * transport. The response is read by llhttp, as a client would read it: a message that is cut is no response.
 */
#include <tornadoc/testing.h>

#include <llhttp.h>
#include <poll.h>
#include <string.h>

#include "http/headers_internal.h"
#include "http/httpserver_internal.h"
#include "util/alloc_internal.h"
#include "util/arena_internal.h"
#include "util/buffer_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

enum { REAL_WAIT_MS = 5000, VIRTUAL_WAIT_MS = 24 * 3600 * 1000 };

struct tc_http_response {
    int status;
    tc__headers_t headers, trailers;
    tc__buffer_t body; /* with a NUL that is not counted */
};

typedef struct fetch {
    struct fetch *next;
    int id;
    const char *path; /* of the request line, in the arena */
    tc_test_client_t *client;
    tc_iostream_t *stream; /* NULL: closed */
    llhttp_t parser;
    tc__arena_t arena;
    tc__buffer_t name, value; /* of the header under way */
    bool is_head, headers_complete, complete, failed;
    tc_http_response_t response;
} fetch_t;

struct tc_test_client {
    tc_ioloop_t *loop;
    tc_httpserver_t *server;
    fetch_t *fetches; /* newest first */
    int last_id;
};

/* ---- Reading a response ---- */

static fetch_t *of(llhttp_t *parser) {
    return parser->data;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len) {
    return tc__buffer_append(&of(parser)->name, at, len) < 0 ? -1 : 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len) {
    return tc__buffer_append(&of(parser)->value, at, len) < 0 ? -1 : 0;
}

static int on_header_value_complete(llhttp_t *parser) {
    fetch_t *fetch = of(parser);
    tc_bytes_t name = tc__buffer_bytes(&fetch->name), value = tc__buffer_bytes(&fetch->value);
    char *name_copy = tc__arena_strndup(&fetch->arena, name.data, name.len);
    char *value_copy = tc__arena_strndup(&fetch->arena, value.len ? value.data : "", value.len);
    tc__buffer_consume(&fetch->name, name.len);
    tc__buffer_consume(&fetch->value, value.len);
    if (!name_copy || !value_copy)
        return -1;
    tc__headers_t *fields = fetch->headers_complete ? &fetch->response.trailers : &fetch->response.headers;
    return tc__headers_append(fields, &fetch->arena, tc_bytes(name_copy, name.len), tc_bytes(value_copy, value.len))
               ? 0
               : -1;
}

static int on_headers_complete(llhttp_t *parser) {
    of(parser)->response.status = parser->status_code;
    of(parser)->headers_complete = true;
    return of(parser)->is_head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    return tc__buffer_append(&of(parser)->response.body, at, len) < 0 ? -1 : 0;
}

static int on_message_complete(llhttp_t *parser) {
    fetch_t *fetch = of(parser);
    if (parser->status_code >= 200 || parser->status_code == 101) {
        fetch->complete = tc__buffer_append(&fetch->response.body, "", 1) == 0;
        return HPE_PAUSED;
    }
    fetch->headers_complete = false;
    tc__headers_init(&fetch->response.headers); /* an interim response: the real one follows */
    return 0;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- The client's end of the connection ---- */

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream;
    fetch_t *fetch = self;
    if (!fetch->complete && !fetch->failed) {
        llhttp_errno_t error = llhttp_execute(&fetch->parser, bytes.data, bytes.len);
        fetch->failed = error != HPE_OK && !fetch->complete;
    }
    return bytes.len;
}

static void on_eof(tc_iostream_t *stream, void *self) {
    fetch_t *fetch = self;
    if (!fetch->complete && !fetch->failed)
        fetch->failed = llhttp_finish(&fetch->parser) != HPE_OK && !fetch->complete;
    tc__iostream_close_when_written(stream);
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    (void)err;
    fetch_t *fetch = self;
    fetch->stream = NULL;
    fetch->failed = fetch->failed || !fetch->complete;
}

static void on_event(tc_iostream_t *stream, void *self) {
    (void)stream;
    (void)self;
}

static const tc__stream_sink_t sink = {
    .data = on_data,
    .hangup = on_event,
    .eof = on_eof,
    .drained = on_event,
    .closed = on_closed,
};

/* ---- Sending a request ---- */

static int send_text(fetch_t *fetch, const char *text) {
    return tc_iostream_write(fetch->stream, tc_str(text), NULL, NULL);
}

/* The fields that the caller gave; *given has bits of those that we would add. */
enum { GIVEN_HOST = 1, GIVEN_TYPE = 2, GIVEN_LENGTH = 4 };

static int send_fields(fetch_t *fetch, const char *const *headers, unsigned *given) {
    for (const char *const *pair = headers; pair && pair[0]; pair += 2) {
        const char *field = tc__arena_sprintf(&fetch->arena, "%s: %s\r\n", pair[0], pair[1]);
        if (!field)
            return TC_ENOMEM;
        TC_TRY(send_text(fetch, field));
        switch (tc__header_id(pair[0], strlen(pair[0]))) {
        case TC__HEADER_HOST:
            *given |= GIVEN_HOST;
            break;
        case TC__HEADER_CONTENT_TYPE:
            *given |= GIVEN_TYPE;
            break;
        case TC__HEADER_CONTENT_LENGTH:
        case TC__HEADER_TRANSFER_ENCODING:
            *given |= GIVEN_LENGTH;
            break;
        default:
            break;
        }
    }
    return 0;
}

static int send_body_fields(fetch_t *fetch, const tc_fetch_options_t *options, unsigned given) {
    const char *type = options->content_type ? options->content_type : "application/x-www-form-urlencoded";
    const char *type_field = tc__arena_sprintf(&fetch->arena, "Content-Type: %s\r\n", type);
    const char *length_field = tc__arena_sprintf(&fetch->arena, "Content-Length: %zu\r\n", options->body.len);
    if (!type_field || !length_field)
        return TC_ENOMEM;
    if (!(given & GIVEN_TYPE) || options->content_type)
        TC_TRY(send_text(fetch, type_field));
    return given & GIVEN_LENGTH ? 0 : send_text(fetch, length_field);
}

static int send_request(fetch_t *fetch, const char *path, const tc_fetch_options_t *options, const char *method) {
    unsigned given = 0;
    const char *line = tc__arena_sprintf(&fetch->arena, "%s %s HTTP/1.1\r\n", method, path);
    if (!line)
        return TC_ENOMEM;
    TC_TRY(send_text(fetch, line));
    TC_TRY(send_fields(fetch, options->headers, &given));
    if (!(given & GIVEN_HOST))
        TC_TRY(send_text(fetch, "Host: localhost\r\n"));
    if (options->body.data)
        TC_TRY(send_body_fields(fetch, options, given));
    TC_TRY(send_text(fetch, "\r\n"));
    return options->body.len > 0 ? tc_iostream_write(fetch->stream, options->body, NULL, NULL) : 0;
}

static int connect_fetch(fetch_t *fetch) {
    tc_iostream_t *server_end;
    tc__address_t peer = { .family = AF_INET, .port = 1, .bytes = { 127, 0, 0, 1 } };
    TC_TRY(tc_iostream_pair(&fetch->stream, &server_end, fetch->client->loop, NULL));
    tc__iostream_set_sink(fetch->stream, &sink, fetch);
    tc__iostream_resume(fetch->stream);
    return tc__httpserver_add_stream(fetch->client->server, server_end, &peer);
}

static fetch_t *new_fetch(tc_test_client_t *client) {
    fetch_t *fetch = tc__calloc(1, sizeof *fetch);
    if (!fetch)
        return NULL;
    fetch->client = client;
    fetch->id = ++client->last_id;
    fetch->next = client->fetches;
    client->fetches = fetch;
    llhttp_init(&fetch->parser, HTTP_RESPONSE, &settings);
    fetch->parser.data = fetch;
    tc__arena_init(&fetch->arena, NULL);
    tc__headers_init(&fetch->response.headers);
    tc__headers_init(&fetch->response.trailers);
    tc__buffer_init(&fetch->name, TC_UNLIMITED);
    tc__buffer_init(&fetch->value, TC_UNLIMITED);
    tc__buffer_init(&fetch->response.body, TC_UNLIMITED);
    return fetch;
}

static bool is_request_text(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || *text == 0x7f)
            return false;
    return true;
}

static int check_headers(const char *const *headers) {
    for (const char *const *pair = headers; pair && pair[0]; pair += 2) {
        if (!pair[1])
            return tc__misuse(TC_EINVAL, "tc_fetch_options_t: header %.64s has no value; `headers` is pairs, then NULL",
                              pair[0]);
        if (!tc__is_token(tc_str(pair[0])) || !tc__is_field_value(tc_str(pair[1])))
            return tc__misuse(TC_EINVAL, "tc_fetch_options_t: header %.64s: not a name, or a control byte in its value",
                              pair[0]);
    }
    return 0;
}

static int check_request(const char *path, const tc_fetch_options_t *options) {
    if (!path || path[0] == '\0' || !is_request_text(path))
        return tc__misuse(TC_EINVAL, "the test client's request: a path without spaces and control bytes is wanted");
    if (!tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: `reserved` must be zero");
    if (options->method && !tc__is_token(tc_str(options->method)))
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: the method is no token; \"GET\" is one");
    if (options->content_type && !tc__is_field_value(tc_str(options->content_type)))
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: a control byte in content_type");
    if (!options->body.data && options->body.len > 0)
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: the body is NULL, but has a length");
    return check_headers(options->headers);
}

/* It will have no answer. */
static int give_up(fetch_t *fetch, int err) {
    fetch->failed = true;
    tc_iostream_close(fetch->stream);
    return tc__fail(err, "%s: the request could not be sent: %s", fetch->path ? fetch->path : "", tc_strerror(err));
}

int tc_test_client_start(tc_test_client_t *client, const char *path, const tc_fetch_options_t *options) {
    static const tc_fetch_options_t defaults;
    const tc_fetch_options_t *o = options ? options : &defaults;
    if (!client)
        return tc__misuse(TC_EINVAL, "tc_test_client_start: the test client is NULL");
    TC_TRY(check_request(path, o));
    fetch_t *fetch = new_fetch(client);
    if (!fetch)
        return tc__fail(TC_ENOMEM, "%s: out of memory", path);
    const char *method = o->method ? o->method : o->body.data ? "POST" : "GET";
    fetch->is_head = strcmp(method, "HEAD") == 0;
    fetch->path = tc__arena_strndup(&fetch->arena, path, strlen(path));
    int err = fetch->path ? connect_fetch(fetch) : TC_ENOMEM;
    if (err == 0)
        err = send_request(fetch, path, o, method);
    if (err < 0)
        return give_up(fetch, err);
    tc__ioloop_advance(client->loop, 0);
    return fetch->id;
}

/* ---- Waiting ---- */

static fetch_t *find(const tc_test_client_t *client, int id) {
    fetch_t *fetch = client ? client->fetches : NULL;
    while (fetch && fetch->id != id)
        fetch = fetch->next;
    return fetch;
}

int tc_test_client_advance(tc_test_client_t *client, uint64_t ms) {
    if (!client)
        return tc__misuse(TC_EINVAL, "tc_test_client_advance: the test client is NULL");
    tc__ioloop_advance(client->loop, ms);
    return 0;
}

const tc_http_response_t *tc_test_client_response(tc_test_client_t *client, int id) {
    fetch_t *fetch = find(client, id);
    return fetch && fetch->complete ? &fetch->response : NULL;
}

/* To the next timer; false: there is none, or none within the time that a test is given. */
static bool step_clock(tc_ioloop_t *loop, uint64_t end) {
    uint64_t next = tc__timer_wheel_next(&loop->wheel), now = tc__ioloop_now(loop);
    if (next == UINT64_MAX || next > end)
        return false;
    tc__ioloop_advance(loop, next > now ? next - now : 0);
    return true;
}

/* A thread of the program's own may have a token and post to the loop, in real time. */
static bool wait_for_threads(tc_ioloop_t *loop) {
    struct pollfd backend = { .fd = uv_backend_fd(loop->uv), .events = POLLIN };
    return poll(&backend, 1, REAL_WAIT_MS) > 0;
}

const tc_http_response_t *tc_test_client_fetch(tc_test_client_t *client, const char *path,
                                               const tc_fetch_options_t *options) {
    int id = tc_test_client_start(client, path, options);
    fetch_t *fetch = id < 0 ? NULL : find(client, id);
    uint64_t end = fetch ? tc__ioloop_now(client->loop) + VIRTUAL_WAIT_MS : 0;
    while (fetch && !fetch->complete && !fetch->failed) {
        if (tc__ioloop_has_jobs(client->loop))
            tc__ioloop_turn(client->loop, true);
        else if (!step_clock(client->loop, end) && !wait_for_threads(client->loop))
            break;
        tc__ioloop_advance(client->loop, 0);
    }
    if (!fetch || fetch->complete)
        return fetch ? &fetch->response : NULL;
    if (fetch->failed)
        tc__fail(TC_ECLOSED, "%s: the connection was cut", path);
    else
        tc__fail(TC_ETIMEDOUT, "%s: no answer came", path);
    return NULL;
}

void tc_test_client_disconnect(tc_test_client_t *client, int id) {
    fetch_t *fetch = find(client, id);
    if (fetch && fetch->stream)
        tc_iostream_close(fetch->stream);
    if (client)
        tc__ioloop_advance(client->loop, 0);
}

tc_ioloop_t *tc_test_client_loop(tc_test_client_t *client) {
    return client ? client->loop : NULL;
}

/* ---- Life ---- */

tc_test_client_t *tc_test_client_new(tc_application_t *app) {
    tc_test_client_t *client = tc__calloc(1, sizeof *client);
    int err = client ? tc__ioloop_new_virtual(&client->loop) : tc__fail(TC_ENOMEM, "out of memory");
    if (err == 0)
        err = tc_httpserver_new(&client->server, client->loop, app, NULL);
    tc_application_free(app);
    if (err < 0) {
        tc_test_client_free(client);
        return NULL;
    }
    return client;
}

static void free_fetch(fetch_t *fetch) {
    tc__buffer_deinit(&fetch->name);
    tc__buffer_deinit(&fetch->value);
    tc__buffer_deinit(&fetch->response.body);
    tc__arena_deinit(&fetch->arena);
    tc__free(fetch);
}

static void end_fetch(fetch_t *fetch) {
    if (!fetch->complete && !fetch->failed)
        tc__log(TC__LOG_GENERAL, TC_LOG_WARNING, NULL, "the test client is freed, but request %d (%s) has no outcome",
                fetch->id, fetch->path);
    tc_iostream_close(fetch->stream);
}

/* The streams tell their fetches that they are closed, at the latest when the loop goes. */
void tc_test_client_free(tc_test_client_t *client) {
    if (!client)
        return;
    for (fetch_t *fetch = client->fetches; fetch; fetch = fetch->next)
        end_fetch(fetch);
    tc_httpserver_free(client->server);
    tc_ioloop_free(client->loop);
    while (client->fetches) {
        fetch_t *fetch = client->fetches;
        client->fetches = fetch->next;
        free_fetch(fetch);
    }
    tc__free(client);
}

/* ---- Responses ---- */

int tc_http_response_status(const tc_http_response_t *response) {
    return response ? response->status : 0;
}

/* Several values are joined in the arena. */
static const char *join(const tc_http_response_t *response, const tc__headers_t *fields, const char *name) {
    tc_http_response_t *r = (tc_http_response_t *)(uintptr_t)response;
    fetch_t *fetch = tc__container_of(r, fetch_t, response);
    return name ? tc__headers_join(fields, &fetch->arena, tc_str(name), ", ").data : NULL;
}

const char *tc_http_response_header(const tc_http_response_t *response, const char *name) {
    return response ? join(response, &response->headers, name) : NULL;
}

const char *tc_http_response_trailer(const tc_http_response_t *response, const char *name) {
    return response ? join(response, &response->trailers, name) : NULL;
}

tc_bytes_t tc_http_response_body(const tc_http_response_t *response) {
    if (!response)
        return tc_bytes("", 0);
    tc_bytes_t body = tc__buffer_bytes(&response->body);
    return body.len > 0 ? tc_bytes(body.data, body.len - 1) : tc_bytes("", 0);
}
