/*
 * test_request.c - what a request of the test client says, and the bytes of it. (Tornado: HTTPRequest)
 *
 * Bodies are written as browsers write them: forms by the URL Standard, files by the HTML Standard ("multipart form
 * data"). The boundary is the first of a row that occurs in nothing of what it parts.
 */
#include "testing/test_client_internal.h"

#include <stdio.h>
#include <string.h>

#include <tornadoc/escape.h>

#include "net/cidr_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

/* ---- Checks ---- */

static bool is_request_text(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || *text == 0x7f)
            return false;
    return true;
}

static int check_fields(const char *const *fields, const char *what) {
    for (const char *const *pair = fields; pair && pair[0]; pair += 2) {
        if (!pair[1])
            return tc__misuse(TC_EINVAL, "the test client's request: %s %.64s has no value; they are pairs, then NULL",
                              what, pair[0]);
        if (!tc__is_token(tc_str(pair[0])) || !tc__is_field_value(tc_str(pair[1])))
            return tc__misuse(TC_EINVAL,
                              "the test client's request: %s %.64s: not a name, or a control byte in its value", what,
                              pair[0]);
    }
    return 0;
}

static int check_form(const tc_fetch_options_t *options) {
    for (const char *const *pair = options->form; pair && pair[0]; pair += 2)
        if (!pair[1])
            return tc__misuse(TC_EINVAL, "tc_fetch_options_t: field %.64s has no value; `form` is pairs, then NULL",
                              pair[0]);
    for (const tc_test_file_t *file = options->files; file && file->name; file++) {
        if (!file->filename || (!file->body.data && file->body.len > 0))
            return tc__misuse(TC_EINVAL, "tc_fetch_options_t: file %.64s has no filename, or its body is NULL",
                              file->name);
        if (file->content_type && !tc__is_field_value(tc_str(file->content_type)))
            return tc__misuse(TC_EINVAL, "tc_fetch_options_t: file %.64s: a control byte in content_type", file->name);
    }
    return 0;
}

static int check_body(const tc_fetch_options_t *options) {
    if (options->content_type && !tc__is_field_value(tc_str(options->content_type)))
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: a control byte in content_type");
    if (!options->body.data && options->body.len > 0)
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: the body is NULL, but has a length");
    if ((options->body.data != NULL) + (options->json != NULL) + (options->form || options->files) > 1)
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: more than one of body, json, and form with files");
    return check_form(options);
}

int tc__test_request_check(const char *path, const tc_fetch_options_t *options) {
    tc__address_t peer;
    if (!path || path[0] == '\0' || !is_request_text(path))
        return tc__misuse(TC_EINVAL, "the test client's request: a path without spaces and control bytes is wanted");
    if (!tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: `reserved` must be zero");
    if (options->method && !tc__is_token(tc_str(options->method)))
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: the method is no token; \"GET\" is one");
    if (options->remote_ip && tc__address_parse(tc_str(options->remote_ip), &peer) < 0)
        return tc__misuse(TC_EINVAL, "tc_fetch_options_t: remote_ip is no address; \"192.0.2.1\" is one");
    TC_TRY(check_fields(options->headers, "header"));
    return check_body(options);
}

tc__address_t tc__test_request_peer(const tc_fetch_options_t *options) {
    tc__address_t peer = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    if (options->remote_ip)
        tc__address_parse(tc_str(options->remote_ip), &peer);
    peer.port = 1;
    return peer;
}

/* ---- URLs ---- */

static bool takes(const char **text, const char *prefix) {
    size_t len = strlen(prefix);
    if (strncmp(*text, prefix, len) != 0)
        return false;
    *text += len;
    return true;
}

int tc__test_url_parse(tc__test_url_t *out, tc__arena_t *arena, const char *text, const tc__test_url_t *origin) {
    const char *rest = text;
    if (takes(&rest, "https://"))
        out->is_https = true;
    else if (takes(&rest, "http://"))
        out->is_https = false;
    else {
        out->is_https = origin->is_https;
        out->host = origin->host;
        out->path = tc__arena_strndup(arena, text, strlen(text));
        return out->path ? 0 : TC_ENOMEM;
    }
    size_t len = strcspn(rest, "/?#");
    out->host = tc__arena_strndup(arena, rest, len);
    out->path = tc__arena_sprintf(arena, "%s%s", rest[len] == '/' ? "" : "/", rest + len);
    return out->host && out->path ? 0 : TC_ENOMEM;
}

/* RFC 3986 section 5.2.4, for a path that begins with "/": in place. */
static void remove_dot_segments(char *path) {
    size_t len = 0, end = strcspn(path, "?");
    for (size_t at = 0; at < end;) {
        size_t next = at + 1 + strcspn(path + at + 1, "/?"), size = next - at;
        bool up = size == 3 && memcmp(path + at, "/..", 3) == 0, here = size == 2 && path[at + 1] == '.';
        while (up && len > 0 && path[--len] != '/')
            ;
        if (!up && !here) {
            memmove(path + len, path + at, size);
            len += size;
        } else if (next == end)
            path[len++] = '/';
        at = next;
    }
    memmove(path + len, path + end, strlen(path + end) + 1);
}

const char *tc__test_url_join(tc__arena_t *arena, const tc__test_url_t *base, const char *location) {
    const char *scheme = base->is_https ? "https" : "http";
    int len = (int)strcspn(location, "#"), path_len = (int)strcspn(base->path, "?");
    if (strncmp(location, "http://", 7) == 0 || strncmp(location, "https://", 8) == 0)
        return tc__arena_strndup(arena, location, (size_t)len);
    if (strncmp(location, "//", 2) == 0)
        return tc__arena_sprintf(arena, "%s:%.*s", scheme, len, location);
    char *path;
    if (location[0] == '/')
        path = tc__arena_strndup(arena, location, (size_t)len);
    else {
        while (len > 0 && location[0] != '?' && path_len > 0 && base->path[path_len - 1] != '/')
            path_len--;
        path = tc__arena_sprintf(arena, "%.*s%.*s", path_len, base->path, len, location);
    }
    if (path && path[0] == '/')
        remove_dot_segments(path);
    return path ? tc__arena_sprintf(arena, "%s://%s%s", scheme, base->host, path) : NULL;
}

/* ---- Bodies ---- */

static int append(tc__buffer_t *out, const char *text) {
    return tc__buffer_append(out, text, strlen(text));
}

static int append_escaped(tc__buffer_t *out, const char *text) {
    size_t len = tc_url_escape(NULL, 0, tc_str(text));
    TC_TRY(tc__buffer_reserve(out, len + 1));
    tc_url_escape(out->data + out->end, len + 1, tc_str(text));
    out->end += (uint32_t)len;
    return 0;
}

static int write_urlencoded(tc__buffer_t *out, const char *const *form) {
    for (const char *const *pair = form; pair && pair[0]; pair += 2) {
        TC_TRY(append(out, pair == form ? "" : "&"));
        TC_TRY(append_escaped(out, pair[0]));
        TC_TRY(append(out, "="));
        TC_TRY(append_escaped(out, pair[1]));
    }
    return 0;
}

static bool holds(tc_bytes_t bytes, const char *text) {
    return bytes.len > 0 && memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

static bool occurs(const tc_fetch_options_t *options, const char *boundary) {
    for (const char *const *pair = options->form; pair && pair[0]; pair += 2)
        if (holds(tc_str(pair[1]), boundary))
            return true;
    for (const tc_test_file_t *file = options->files; file->name; file++)
        if (holds(file->body, boundary))
            return true;
    return false;
}

/* A name between quotes, as browsers escape it. */
static int append_name(tc__buffer_t *out, const char *key, const char *name) {
    TC_TRY(append(out, key));
    for (; *name; name++)
        TC_TRY(*name == '"'    ? append(out, "%22")
               : *name == '\r' ? append(out, "%0D")
               : *name == '\n' ? append(out, "%0A")
                               : tc__buffer_append(out, name, 1));
    return append(out, "\"");
}

static int begin_part(tc__buffer_t *out, const char *boundary, const char *name) {
    TC_TRY(append(out, "--"));
    TC_TRY(append(out, boundary));
    return append_name(out, "\r\nContent-Disposition: form-data; name=\"", name);
}

static int write_part(tc__buffer_t *out, const char *boundary, const tc_test_file_t *file) {
    TC_TRY(begin_part(out, boundary, file->name));
    TC_TRY(append_name(out, "; filename=\"", file->filename));
    TC_TRY(append(out, "\r\nContent-Type: "));
    TC_TRY(append(out, file->content_type ? file->content_type : "application/octet-stream"));
    TC_TRY(append(out, "\r\n\r\n"));
    TC_TRY(tc__buffer_append(out, file->body.data, file->body.len));
    return append(out, "\r\n");
}

/* *type is the Content-Type. */
static int write_multipart(tc__buffer_t *out, tc__arena_t *arena, const tc_fetch_options_t *options,
                           const char **type) {
    const char *boundary = "tornadoc";
    for (unsigned i = 0; boundary && occurs(options, boundary); i++)
        boundary = tc__arena_sprintf(arena, "tornadoc-%u", i);
    *type = boundary ? tc__arena_sprintf(arena, "multipart/form-data; boundary=%s", boundary) : NULL;
    if (!*type)
        return TC_ENOMEM;
    for (const char *const *pair = options->form; pair && pair[0]; pair += 2) {
        TC_TRY(begin_part(out, boundary, pair[0]));
        TC_TRY(append(out, "\r\n\r\n"));
        TC_TRY(append(out, pair[1]));
        TC_TRY(append(out, "\r\n"));
    }
    for (const tc_test_file_t *file = options->files; file->name; file++)
        TC_TRY(write_part(out, boundary, file));
    TC_TRY(append(out, "--"));
    TC_TRY(append(out, boundary));
    return append(out, "--\r\n");
}

typedef struct {
    tc_bytes_t bytes; /* data NULL: there is none */
    const char *type;
    tc__buffer_t made; /* holds the bytes, if we made them */
} body_t;

static int make_body(body_t *body, tc__arena_t *arena, const tc_fetch_options_t *options) {
    *body = (body_t){ .bytes = options->body, .type = "application/x-www-form-urlencoded" };
    tc__buffer_init(&body->made, TC_UNLIMITED);
    if (options->json) {
        body->bytes = tc_str(options->json);
        body->type = "application/json";
    }
    if (!options->form && !options->files)
        return 0;
    TC_TRY(options->files ? write_multipart(&body->made, arena, options, &body->type)
                          : write_urlencoded(&body->made, options->form));
    body->bytes = tc__buffer_bytes(&body->made);
    if (!body->bytes.data)
        body->bytes = tc_bytes("", 0);
    return 0;
}

/* ---- Sending ---- */

static int send_bytes(tc__fetch_t *fetch, tc_bytes_t bytes) {
    return bytes.len > 0 ? tc_iostream_write(fetch->stream, bytes, NULL, NULL) : 0;
}

static int send_field(tc__fetch_t *fetch, const char *name, const char *value) {
    const char *field = tc__arena_sprintf(&fetch->arena, "%s: %s\r\n", name, value);
    return field ? send_bytes(fetch, tc_str(field)) : TC_ENOMEM;
}

/* The fields that the caller gave; *given has bits of those that we would add. */
enum { GIVEN_HOST = 1, GIVEN_TYPE = 2, GIVEN_LENGTH = 4, GIVEN_COOKIE = 8 };

static unsigned given_by(const char *name) {
    switch (tc__header_id(name, strlen(name))) {
    case TC__HEADER_HOST:
        return GIVEN_HOST;
    case TC__HEADER_CONTENT_TYPE:
        return GIVEN_TYPE;
    case TC__HEADER_CONTENT_LENGTH:
    case TC__HEADER_TRANSFER_ENCODING:
        return GIVEN_LENGTH;
    case TC__HEADER_COOKIE:
        return GIVEN_COOKIE;
    default:
        return 0;
    }
}

const char *const *tc__test_request_without_body(tc__arena_t *arena, const char *const *headers) {
    size_t count = 0, kept = 0;
    while (headers && headers[count])
        count += 2;
    const char **out = tc__arena_alloc(arena, (count + 1) * sizeof *out);
    if (!out)
        return NULL;
    for (size_t i = 0; i < count; i += 2)
        if (!(given_by(headers[i]) & (GIVEN_TYPE | GIVEN_LENGTH))) {
            out[kept++] = headers[i];
            out[kept++] = headers[i + 1];
        }
    out[kept] = NULL;
    return out;
}

static int send_fields(tc__fetch_t *fetch, const char *const *headers, unsigned *given) {
    for (const char *const *pair = headers; pair && pair[0]; pair += 2) {
        unsigned bit = given_by(pair[0]);
        *given |= bit;
        if (bit == GIVEN_HOST && !(fetch->url.host = tc__arena_strndup(&fetch->arena, pair[1], strlen(pair[1]))))
            return TC_ENOMEM;
        TC_TRY(send_field(fetch, pair[0], pair[1]));
    }
    return 0;
}

static int send_cookies(tc__fetch_t *fetch) {
    const char *cookies;
    tc_test_client_t *client = fetch->client;
    TC_TRY(tc__test_cookies_write(&client->cookies, client->loop, &fetch->url, &fetch->arena, &cookies));
    return cookies ? send_field(fetch, "Cookie", cookies) : 0;
}

static int send_body_fields(tc__fetch_t *fetch, const tc_fetch_options_t *options, const body_t *body, unsigned given) {
    if (options->content_type || !(given & GIVEN_TYPE))
        TC_TRY(send_field(fetch, "Content-Type", options->content_type ? options->content_type : body->type));
    if (given & GIVEN_LENGTH)
        return 0;
    fetch->is_chunked = options->stream;
    if (options->stream)
        return send_field(fetch, "Transfer-Encoding", "chunked");
    const char *length = tc__arena_sprintf(&fetch->arena, "%zu", body->bytes.len);
    return length ? send_field(fetch, "Content-Length", length) : TC_ENOMEM;
}

static int send_body(tc__fetch_t *fetch, tc_bytes_t bytes) {
    if (!fetch->is_chunked || bytes.len == 0)
        return send_bytes(fetch, bytes);
    char size[24];
    snprintf(size, sizeof size, "%zx\r\n", bytes.len);
    TC_TRY(send_bytes(fetch, tc_str(size)));
    TC_TRY(send_bytes(fetch, bytes));
    return send_bytes(fetch, tc_str("\r\n"));
}

static int send_message(tc__fetch_t *fetch, const tc_fetch_options_t *options, const char *method, const body_t *body) {
    unsigned given = 0;
    const char *line = tc__arena_sprintf(&fetch->arena, "%s %s HTTP/1.1\r\n", method, fetch->url.path);
    if (!line)
        return TC_ENOMEM;
    TC_TRY(send_bytes(fetch, tc_str(line)));
    TC_TRY(send_fields(fetch, options->headers, &given));
    if (!(given & GIVEN_HOST))
        TC_TRY(send_field(fetch, "Host", fetch->url.host));
    if (!(given & GIVEN_COOKIE) && !options->no_cookies)
        TC_TRY(send_cookies(fetch));
    if (body->bytes.data || options->stream)
        TC_TRY(send_body_fields(fetch, options, body, given));
    TC_TRY(send_bytes(fetch, tc_str("\r\n")));
    fetch->body_open = options->stream;
    return send_body(fetch, body->bytes);
}

int tc__test_request_send(tc__fetch_t *fetch, const tc_fetch_options_t *options) {
    body_t body;
    int err = make_body(&body, &fetch->arena, options);
    const char *method = options->method ? options->method : body.bytes.data || options->stream ? "POST" : "GET";
    fetch->is_head = strcmp(method, "HEAD") == 0;
    fetch->is_post = strcmp(method, "POST") == 0;
    fetch->no_cookies = options->no_cookies;
    if (err == 0)
        err = send_message(fetch, options, method, &body);
    tc__buffer_deinit(&body.made);
    if (err < 0)
        return err;
    fetch->response.url = tc__arena_sprintf(&fetch->arena, "%s://%s%s", fetch->url.is_https ? "https" : "http",
                                            fetch->url.host, fetch->url.path);
    return fetch->response.url ? 0 : TC_ENOMEM;
}

/* ---- In pieces ---- */

/* The fetch to send more of, or NULL and why. */
static tc__fetch_t *open_body(const tc_test_client_t *client, int id, const char *function, int *err) {
    tc__fetch_t *fetch = tc__test_client_find(client, id);
    if (!fetch || !fetch->body_open)
        *err = tc__misuse(TC_EINVAL, "%s: no request with `.stream`, or its body has ended", function);
    else if (!fetch->stream || fetch->response.complete)
        *err = tc__fail(TC_ECLOSED, "%s: the server reads no more of it", fetch->url.path);
    else
        return fetch;
    return NULL;
}

int tc_test_client_send(tc_test_client_t *client, int id, tc_bytes_t bytes) {
    int err;
    tc__fetch_t *fetch = open_body(client, id, "tc_test_client_send", &err);
    if (!fetch)
        return err;
    err = send_body(fetch, bytes);
    tc__ioloop_advance(client->loop, 0);
    return err;
}

static int send_end(tc__fetch_t *fetch, const char *const *trailers) {
    if (!fetch->is_chunked)
        return 0;
    TC_TRY(send_bytes(fetch, tc_str("0\r\n")));
    for (const char *const *pair = trailers; pair && pair[0]; pair += 2)
        TC_TRY(send_field(fetch, pair[0], pair[1]));
    return send_bytes(fetch, tc_str("\r\n"));
}

int tc_test_client_finish(tc_test_client_t *client, int id, const char *const *trailers) {
    int err;
    tc__fetch_t *fetch = open_body(client, id, "tc_test_client_finish", &err);
    if (!fetch)
        return err;
    TC_TRY(check_fields(trailers, "trailer"));
    if (trailers && !fetch->is_chunked)
        return tc__misuse(TC_EINVAL, "tc_test_client_finish: a body with a Content-Length has no trailers");
    err = send_end(fetch, trailers);
    fetch->body_open = false;
    tc__ioloop_advance(client->loop, 0);
    return err;
}

size_t tc_test_client_unread(tc_test_client_t *client, int id) {
    tc__fetch_t *fetch = tc__test_client_find(client, id);
    return fetch && fetch->stream ? tc__iostream_unacked(fetch->stream) : 0;
}
