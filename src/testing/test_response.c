/*
 * test_response.c - what comes back to the test client. (Tornado: HTTPResponse)
 *
 * Read by llhttp, as a client would: a message that is cut is no response. A client with a window takes no byte beyond
 * it: what does not fit stays queued in the server, for the memory between the two is as large as the window.
 */
#include "testing/test_client_internal.h"

#include <string.h>

/* ---- Reading ---- */

static tc__fetch_t *of(llhttp_t *parser) {
    return parser->data;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len) {
    return tc__buffer_append(&of(parser)->name, at, len) < 0 ? -1 : 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len) {
    return tc__buffer_append(&of(parser)->value, at, len) < 0 ? -1 : 0;
}

static int on_header_value_complete(llhttp_t *parser) {
    tc__fetch_t *fetch = of(parser);
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

static bool is_interim(const llhttp_t *parser) {
    return parser->status_code < 200 && parser->status_code != 101;
}

/* Cookies that are not for us are dropped, as browsers drop them. */
static int keep_cookies(tc__fetch_t *fetch) {
    const tc__headers_t *headers = &fetch->response.headers;
    const tc__header_t *field = tc__headers_first(headers, TC__HEADER_SET_COOKIE);
    while (field && !fetch->no_cookies) {
        if (tc__test_cookies_set(&fetch->client->cookies, fetch->client->loop, &fetch->url,
                                 tc_bytes(field->value, field->value_len)) == TC_ENOMEM)
            return -1;
        field = tc__headers_find(headers, tc_str(field->name), field);
    }
    return 0;
}

static int on_headers_complete(llhttp_t *parser) {
    tc__fetch_t *fetch = of(parser);
    fetch->response.status = parser->status_code;
    if (is_interim(parser))
        return 0;
    fetch->headers_complete = true;
    if (keep_cookies(fetch) < 0)
        return -1;
    return fetch->is_head ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    tc__buffer_t *body = &of(parser)->response.body;
    if (tc__buffer_reserve(body, len + 1) < 0)
        return -1;
    memcpy(body->data + body->end, at, len);
    body->end += (uint32_t)len;
    body->data[body->end] = '\0';
    return 0;
}

/* The real one follows. */
static int keep_interim(tc__fetch_t *fetch) {
    tc_http_response_t *copy = tc__arena_alloc(&fetch->arena, sizeof *copy), **end = &fetch->interim;
    if (!copy)
        return -1;
    *copy = fetch->response;
    copy->complete = true;
    while (*end)
        end = &(*end)->next;
    *end = copy;
    tc__headers_init(&fetch->response.headers);
    return 0;
}

static int on_message_complete(llhttp_t *parser) {
    if (is_interim(parser))
        return keep_interim(of(parser));
    of(parser)->response.complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void tc__test_response_init(tc__fetch_t *fetch) {
    llhttp_init(&fetch->parser, HTTP_RESPONSE, &settings);
    fetch->parser.data = fetch;
    fetch->window = TC_UNLIMITED;
    fetch->response.arena = &fetch->arena;
    tc__headers_init(&fetch->response.headers);
    tc__headers_init(&fetch->response.trailers);
    tc__buffer_init(&fetch->name, TC_UNLIMITED);
    tc__buffer_init(&fetch->value, TC_UNLIMITED);
    tc__buffer_init(&fetch->response.body, TC_UNLIMITED);
}

void tc__test_response_deinit(tc__fetch_t *fetch) {
    tc__buffer_deinit(&fetch->name);
    tc__buffer_deinit(&fetch->value);
    tc__buffer_deinit(&fetch->response.body);
}

/* ---- The client's end of the connection ---- */

static void set_window(tc__fetch_t *fetch, size_t bytes) {
    fetch->window = bytes;
    tc__memory_set_receive_window(fetch->stream, bytes);
}

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream;
    tc__fetch_t *fetch = self;
    if (fetch->window != TC_UNLIMITED)
        set_window(fetch, fetch->window - bytes.len);
    if (!fetch->response.complete && !fetch->failed) {
        llhttp_errno_t error = llhttp_execute(&fetch->parser, bytes.data, bytes.len);
        fetch->failed = error != HPE_OK && !fetch->response.complete;
    }
    return bytes.len;
}

static void on_eof(tc_iostream_t *stream, void *self) {
    tc__fetch_t *fetch = self;
    if (!fetch->response.complete && !fetch->failed)
        fetch->failed = llhttp_finish(&fetch->parser) != HPE_OK && !fetch->response.complete;
    tc__iostream_close_when_written(stream);
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    (void)err;
    tc__fetch_t *fetch = self;
    fetch->stream = NULL;
    fetch->failed = fetch->failed || !fetch->response.complete;
}

static void on_event(tc_iostream_t *stream, void *self) {
    (void)stream;
    (void)self;
}

const tc__stream_sink_t tc__test_response_sink = {
    .data = on_data,
    .hangup = on_event,
    .eof = on_eof,
    .drained = on_event,
    .closed = on_closed,
};

void tc_test_client_receive(tc_test_client_t *client, int id, size_t bytes) {
    tc__fetch_t *fetch = tc__test_client_find(client, id);
    if (fetch && fetch->stream && fetch->window != TC_UNLIMITED)
        set_window(fetch, bytes < TC_UNLIMITED - fetch->window ? fetch->window + bytes : TC_UNLIMITED);
    if (client)
        tc__ioloop_advance(client->loop, 0);
}

/* ---- Of a request ---- */

const tc_http_response_t *tc_test_client_response(tc_test_client_t *client, int id) {
    const tc_http_response_t *response = tc_test_client_partial(client, id);
    return response && response->complete ? response : NULL;
}

const tc_http_response_t *tc_test_client_partial(tc_test_client_t *client, int id) {
    const tc__fetch_t *fetch = tc__test_client_find(client, id);
    return fetch && fetch->headers_complete ? &fetch->response : NULL;
}

tc_bytes_t tc_test_client_read(tc_test_client_t *client, int id) {
    tc__fetch_t *fetch = tc__test_client_find(client, id);
    tc_bytes_t body = tc_http_response_body(fetch ? &fetch->response : NULL);
    size_t from = fetch ? fetch->read : 0;
    if (fetch)
        fetch->read = body.len;
    return tc_bytes(body.data + from, body.len - from);
}

const tc_http_response_t *tc_test_client_interim(tc_test_client_t *client, int id, size_t index) {
    const tc__fetch_t *fetch = tc__test_client_find(client, id);
    const tc_http_response_t *response = fetch ? fetch->interim : NULL;
    while (response && index-- > 0)
        response = response->next;
    return response;
}

bool tc_test_client_cut(tc_test_client_t *client, int id) {
    const tc__fetch_t *fetch = tc__test_client_find(client, id);
    return fetch && fetch->failed;
}

/* ---- Accessors ---- */

int tc_http_response_status(const tc_http_response_t *response) {
    return response ? response->status : 0;
}

bool tc_http_response_complete(const tc_http_response_t *response) {
    return response && response->complete;
}

const char *tc_http_response_url(const tc_http_response_t *response) {
    return response ? response->url : NULL;
}

/* Several values are joined in the arena. */
static const char *join(const tc_http_response_t *response, const tc__headers_t *fields, const char *name) {
    return name ? tc__headers_join(fields, response->arena, tc_str(name), ", ").data : NULL;
}

const char *tc_http_response_header(const tc_http_response_t *response, const char *name) {
    return response ? join(response, &response->headers, name) : NULL;
}

const char *tc_http_response_trailer(const tc_http_response_t *response, const char *name) {
    return response ? join(response, &response->trailers, name) : NULL;
}

tc_bytes_t tc_http_response_body(const tc_http_response_t *response) {
    tc_bytes_t body = response ? tc__buffer_bytes(&response->body) : tc_bytes("", 0);
    return body.len > 0 ? body : tc_bytes("", 0);
}
