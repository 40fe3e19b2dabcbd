/*
 * request_input.c - what came in, as handlers ask for it. (Tornado: HTTPServerRequest, get_argument, get_cookie)
 *
 * Nothing is worked out before somebody asks. Getters take a const request, but keep what they found in its arena, so
 * that asking twice costs once; they belong to the loop's thread like everything of a request.
 */
#include "web/request_internal.h"

#include <string.h>

#include <tornadoc/escape.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "util/unconst_internal.h"

enum { MAX_COOKIES = 200 };

/* The arena and what is kept in it may change behind a getter's const. */
static tc_request_t *mut(const tc_request_t *req) {
    return tc__unconst(req);
}

static const char *keep_text(const tc_request_t *req, const char **kept, tc_bytes_t text) {
    if (!*kept)
        *kept = tc__arena_strndup(tc__request_arena(mut(req)), text.data ? text.data : "", text.len);
    return *kept ? *kept : "";
}

/* ---- The request line and the head ---- */

const char *tc_method(const tc_request_t *req) {
    return req ? req->in->method : "";
}

const char *tc_uri(const tc_request_t *req) {
    return req ? req->in->uri : "";
}

const char *tc_path(const tc_request_t *req) {
    return req ? keep_text(req, &mut(req)->path_text, req->in->target.path) : "";
}

const char *tc_query(const tc_request_t *req) {
    return req && req->in->target.query.data ? req->in->target.query.data : ""; /* the end of the uri: terminated */
}

const char *tc_http_version(const tc_request_t *req) {
    return req && req->in->http_minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

const char *tc_host(const tc_request_t *req) {
    return req ? keep_text(req, &mut(req)->host_text, req->in->host) : "";
}

const char *tc_protocol(const tc_request_t *req) {
    return req && req->in->is_tls ? "https" : "http";
}

const char *tc_remote_ip(const tc_request_t *req) {
    if (!req)
        return "";
    if (!req->remote_text) {
        char text[INET6_ADDRSTRLEN + 16];
        tc__address_format(&req->in->remote, text, sizeof text);
        mut(req)->remote_text = tc__arena_strndup(tc__request_arena(mut(req)), text, strlen(text));
    }
    return req->remote_text ? req->remote_text : "";
}

const char *tc_route(const tc_request_t *req) {
    if (!req || !req->route)
        return NULL;
    return req->passage ? tc__request_whole_route(mut(req)) : req->route->pattern;
}

const char *tc_header(const tc_request_t *req, const char *name) {
    if (!req || !name)
        return NULL;
    bool is_cookie = tc__header_id(name, strlen(name)) == TC__HEADER_COOKIE;
    return tc__headers_join(&req->in->headers, tc__request_arena(mut(req)), tc_str(name), is_cookie ? "; " : ", ").data;
}

static size_t give_fields(const tc_request_t *req, const tc__header_t *items, size_t count,
                          const tc_header_field_t **out) {
    tc_header_field_t *fields = tc__arena_alloc(tc__request_arena(mut(req)), count * sizeof *fields);
    *out = fields;
    if (!fields)
        return 0;
    for (size_t i = 0; i < count; i++) {
        fields[i].name = tc_bytes(items[i].name, items[i].name_len);
        fields[i].value = tc_bytes(items[i].value, items[i].value_len);
    }
    return count;
}

size_t tc_headers(const tc_request_t *req, const tc_header_field_t **out) {
    return req && out ? give_fields(req, req->in->headers.items, req->in->headers.count, out) : 0;
}

size_t tc_trailers(const tc_request_t *req, const tc_header_field_t **out) {
    if (!req || !out)
        return 0;
    *out = NULL;
    bool any = req->input_complete && req->in->trailer_count > 0;
    return any ? give_fields(req, req->in->trailers, req->in->trailer_count, out) : 0;
}

/* ---- Path arguments ---- */

static const char *find_arg(const tc__route_t *route, const char **args, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(route->params[i].name, name) == 0)
            return args[i];
    return NULL;
}

const char *tc_path_arg(const tc_request_t *req, const char *name) {
    if (!req || !name)
        return NULL;
    const char *arg = req->path_args ? find_arg(req->route, req->path_args, req->route->param_count, name) : NULL;
    for (const tc__passage_t *passage = req->passage; !arg && passage; passage = passage->outer)
        arg = passage->path_args ? find_arg(passage->route, passage->path_args, passage->param_count, name) : NULL;
    return arg;
}

int64_t tc_path_int(const tc_request_t *req, const char *name) {
    const char *arg = tc_path_arg(req, name);
    int64_t value;
    return arg && tc__parse_int64(tc_str(arg), &value) == 0 ? value : 0;
}

/* ---- Arguments ---- */

void tc__request_refuse_input(tc_request_t *req, int err, const char *what) {
    int outcome = err == TC_ENOMEM ? err : tc_http_error(req, 400, what);
    if (req->kept_error == 0)
        req->kept_error = outcome;
}

static void parse_query(tc_request_t *req) {
    if (req->query_parsed)
        return;
    req->query_parsed = true;
    tc_bytes_t query = req->in->target.query;
    int err = query.data ? tc__arguments_parse(&req->query_args, tc__request_arena(req), query, req->app->max_arguments)
                         : 0;
    if (err < 0)
        tc__request_refuse_input(req, err, "too many arguments");
}

/* The value, unless it is no text: then the request is refused. */
static const char *text_of(tc_request_t *req, const tc__argument_t *argument) {
    if (!argument)
        return NULL;
    if (argument->valid)
        return argument->value.data;
    tc__request_refuse_input(req, TC_EINVAL, "an argument is not UTF-8 text");
    return NULL;
}

static const char *last_of(const tc_request_t *req, const char *name, bool body, bool query) {
    if (!req || !name)
        return NULL;
    const tc__argument_t *found = NULL;
    if (body) {
        tc__request_parse_form(mut(req));
        found = tc__arguments_last(&req->body_args, tc_str(name));
    }
    if (!found && query) {
        parse_query(mut(req));
        found = tc__arguments_last(&req->query_args, tc_str(name));
    }
    return text_of(mut(req), found);
}

const char *tc_get_argument(const tc_request_t *req, const char *name, const char *fallback) {
    const char *value = last_of(req, name, true, true);
    return value ? value : fallback;
}

const char *tc_get_query_argument(const tc_request_t *req, const char *name, const char *fallback) {
    const char *value = last_of(req, name, false, true);
    return value ? value : fallback;
}

const char *tc_get_body_argument(const tc_request_t *req, const char *name, const char *fallback) {
    const char *value = last_of(req, name, true, false);
    return value ? value : fallback;
}

static size_t collect(tc_request_t *req, const tc__arguments_t *arguments, tc_bytes_t name, const char **out) {
    size_t count = 0;
    for (size_t i = 0; i < arguments->count; i++)
        if (tc__bytes_equal(arguments->items[i].name, name)) {
            const char *text = text_of(req, &arguments->items[i]);
            if (text && out)
                out[count] = text;
            count += text != NULL;
        }
    return count;
}

static size_t all_of(const tc_request_t *req, const char *name, const char *const **out, bool query, bool body) {
    static const tc__arguments_t none;
    if (!req || !name || !out)
        return 0;
    tc_request_t *r = mut(req);
    if (query)
        parse_query(r);
    if (body)
        tc__request_parse_form(r);
    const tc__arguments_t *first = query ? &r->query_args : &none, *second = body ? &r->body_args : &none;
    size_t in_first = collect(r, first, tc_str(name), NULL);
    size_t count = in_first + collect(r, second, tc_str(name), NULL);
    const char **values = tc__arena_alloc(tc__request_arena(r), count * sizeof *values);
    *out = values;
    if (!values)
        return 0;
    collect(r, first, tc_str(name), values);
    collect(r, second, tc_str(name), values + in_first);
    return count;
}

size_t tc_get_arguments(const tc_request_t *req, const char *name, const char *const **out) {
    return all_of(req, name, out, true, true);
}

size_t tc_get_query_arguments(const tc_request_t *req, const char *name, const char *const **out) {
    return all_of(req, name, out, true, false);
}

size_t tc_get_body_arguments(const tc_request_t *req, const char *name, const char *const **out) {
    return all_of(req, name, out, false, true);
}

int tc_require_argument(tc_request_t *req, const char *name, const char **out) {
    if (!req || !name || !out)
        return tc__misuse(TC_EINVAL, "tc_require_argument: the request, the name or the place for the value is NULL");
    const char *value = last_of(req, name, true, true);
    if (value) {
        *out = value;
        return 0;
    }
    return req->kept_error ? req->kept_error : tc_http_errorf(req, 400, "missing argument %s", name);
}

/* ---- The body, cookies ---- */

tc_bytes_t tc_body(const tc_request_t *req) {
    return req && req->body.whole.data ? tc_bytes(req->body.whole.data, req->body.whole.len) : tc_bytes("", 0);
}

static void parse_cookies(tc_request_t *req) {
    if (req->cookies_parsed)
        return;
    req->cookies_parsed = true;
    tc__arena_t *arena = tc__request_arena(req);
    if (!tc__headers_has(&req->in->headers, TC__HEADER_COOKIE))
        return;
    tc_bytes_t text = tc__headers_join(&req->in->headers, arena, tc_str("Cookie"), "; ");
    int err = text.data ? tc__cookies_parse(&req->cookies, arena, text, MAX_COOKIES) : TC_ENOMEM;
    if (err < 0)
        tc__request_refuse_input(req, err, "too many cookies");
}

const char *tc_get_cookie(const tc_request_t *req, const char *name, const char *fallback) {
    if (!req || !name)
        return fallback;
    parse_cookies(mut(req));
    const tc__cookie_t *cookie = tc__cookies_last(&req->cookies, tc_str(name));
    return cookie ? cookie->value.data : fallback;
}

/* ---- The rest ---- */

void *tc_arg(const tc_request_t *req) {
    return req ? req->endpoint->arg : NULL;
}

void *tc_data(tc_request_t *req) {
    return req ? req->data : NULL;
}

tc_ioloop_t *tc_loop(const tc_request_t *req) {
    return req ? req->in->loop : NULL;
}

tc_application_t *tc_request_application(const tc_request_t *req) {
    return req ? req->app : NULL;
}

bool tc_closed(const tc_request_t *req) {
    return !req || req->client_left;
}

bool tc_going_away(const tc_request_t *req) {
    return req && req->exchange && req->exchange->vtable->is_going_away(req->exchange);
}

uint64_t tc_request_time_ms(const tc_request_t *req) {
    return req ? tc__ioloop_now(req->in->loop) - req->in->start_ms : 0;
}

void *tc_alloc(tc_request_t *req, size_t size) {
    return req ? tc__arena_alloc(tc__request_arena(req), size) : NULL;
}

char *tc_strdup(tc_request_t *req, const char *text) {
    return req && text ? tc__arena_strndup(tc__request_arena(req), text, strlen(text)) : NULL;
}

char *tc_sprintf(tc_request_t *req, const char *fmt, ...) {
    if (!req || !fmt)
        return NULL;
    va_list args;
    va_start(args, fmt);
    char *text = tc__arena_vsprintf(tc__request_arena(req), fmt, args);
    va_end(args);
    return text;
}

static char *room_for_text(tc_request_t *req, size_t size) {
    char *out = tc_alloc(req, size);
    if (!out)
        tc__request_keep_error(req, TC_ENOMEM);
    return out;
}

static const char *escape_alloc(tc_request_t *req, const char *text, size_t (*escape)(char *, size_t, tc_bytes_t)) {
    if (!req || !text)
        return "";
    size_t size = escape(NULL, 0, tc_str(text)) + 1;
    char *out = room_for_text(req, size);
    if (!out)
        return "";
    escape(out, size, tc_str(text));
    return out;
}

const char *tc_xhtml_escape_alloc(tc_request_t *req, const char *text) {
    return escape_alloc(req, text, tc_xhtml_escape);
}

const char *tc_url_escape_alloc(tc_request_t *req, const char *text) {
    return escape_alloc(req, text, tc_url_escape);
}

const char *tc_linkify_alloc(tc_request_t *req, const char *text, const tc_linkify_options_t *options) {
    if (!req || !text)
        return "";
    size_t size = tc_linkify(NULL, 0, tc_str(text), options) + 1;
    char *out = room_for_text(req, size);
    if (!out)
        return "";
    tc_linkify(out, size, tc_str(text), options);
    return out;
}

int tc_on_cleanup(tc_request_t *req, tc_free_fn fn, void *data) {
    if (!req || !fn) {
        if (fn)
            fn(data);
        return tc__misuse(TC_EINVAL, "tc_on_cleanup: the request or the function is NULL");
    }
    return tc__arena_on_cleanup(tc__request_arena(req), fn, data);
}

int tc_set_max_body_size(tc_request_t *req, size_t size) {
    if (!req || req->step > TC__STEP_ADMIT)
        return tc__misuse(TC_EINVAL, "tc_set_max_body_size: only from initialize and admit, before the body is read");
    if (req->exchange)
        req->exchange->vtable->set_max_body_size(req->exchange, size);
    return 0;
}
