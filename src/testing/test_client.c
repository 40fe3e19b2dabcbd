/*
 * test_client.c - requests through the whole stack, in memory. (Tornado: AsyncHTTPTestCase)
 *
 * The server is a real one, on a loop with a virtual clock; each request has a connection of its own, over the memory
 * transport.
 */
#include "testing/test_client_internal.h"

#include <poll.h>
#include <string.h>

#include "http/httpserver_internal.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

enum { REAL_WAIT_MS = 5000, VIRTUAL_WAIT_MS = 24 * 3600 * 1000 };

static const tc_fetch_options_t default_fetch;

/* ---- Starting ---- */

static tc__fetch_t *new_fetch(tc_test_client_t *client) {
    tc__fetch_t *fetch = tc__calloc(1, sizeof *fetch);
    if (!fetch)
        return NULL;
    fetch->client = client;
    fetch->id = ++client->last_id;
    fetch->next = client->fetches;
    client->fetches = fetch;
    tc__arena_init(&fetch->arena, NULL);
    tc__test_response_init(fetch);
    return fetch;
}

/* Its certificate is for the host, without a port; brackets stand around a numeric one only. */
static int start_tls(tc__fetch_t *fetch) {
    tc_bytes_t host = tc_str(fetch->url.host);
    const char *end = memchr(host.data, host.data[0] == '[' ? ']' : ':', host.len);
    size_t skip = host.len > 0 && host.data[0] == '[' ? 1 : 0, len = end ? (size_t)(end - host.data) : host.len;
    const char *name = tc__arena_strndup(&fetch->arena, host.data + skip, len - skip);
    const tc_iostream_tls_options_t options = { .tls = fetch->client->tls, .server_hostname = name };
    return name ? tc_iostream_start_tls(fetch->stream, &options, NULL, NULL) : TC_ENOMEM;
}

static int add_to_server(tc__fetch_t *fetch, tc_iostream_t *stream, const tc__address_t *peer) {
    tc_httpserver_t *server = fetch->client->server;
    return fetch->url.is_https && !fetch->client->tls ? tc__httpserver_add_https_stream(server, stream, peer)
                                                      : tc__httpserver_add_stream(server, stream, peer);
}

static int connect_fetch(tc__fetch_t *fetch, const tc_fetch_options_t *options) {
    tc_iostream_t *server_end;
    tc_test_client_t *client = fetch->client;
    tc__address_t peer = tc__test_request_peer(options);
    TC_TRY(tc_iostream_pair(&fetch->stream, &server_end, client->loop, NULL));
    int err = fetch->url.is_https && client->tls ? start_tls(fetch) : 0;
    if (err < 0) {
        tc_iostream_close(server_end);
        tc_iostream_close(fetch->stream);
        fetch->stream = NULL; /* nobody would say so: it has no sink yet */
        return err;
    }
    tc__iostream_set_sink(fetch->stream, &tc__test_response_sink, fetch);
    if (options->receive_window) {
        fetch->window = options->receive_window;
        tc__memory_set_receive_window(fetch->stream, fetch->window);
    }
    tc__iostream_resume(fetch->stream);
    return add_to_server(fetch, server_end, &peer);
}

/* It will have no answer. */
static int give_up(tc__fetch_t *fetch, const char *path, int err) {
    fetch->failed = true;
    tc_iostream_close(fetch->stream);
    return tc__fail(err, "%s: the request could not be sent: %s", path, tc_strerror(err));
}

int tc_test_client_start(tc_test_client_t *client, const char *path, const tc_fetch_options_t *options) {
    const tc_fetch_options_t *o = options ? options : &default_fetch;
    if (!client)
        return tc__misuse(TC_EINVAL, "tc_test_client_start: the test client is NULL");
    TC_TRY(tc__test_request_check(path, o));
    tc__fetch_t *fetch = new_fetch(client);
    if (!fetch)
        return tc__fail(TC_ENOMEM, "%s: out of memory", path);
    int err = tc__test_url_parse(&fetch->url, &fetch->arena, path, &client->origin);
    if (err == 0)
        err = connect_fetch(fetch, o);
    if (err == 0)
        err = tc__test_request_send(fetch, o);
    if (err < 0)
        return give_up(fetch, path, err);
    tc__ioloop_advance(client->loop, 0);
    return fetch->id;
}

/* ---- Waiting ---- */

int tc_test_client_advance(tc_test_client_t *client, uint64_t ms) {
    if (!client)
        return tc__misuse(TC_EINVAL, "tc_test_client_advance: the test client is NULL");
    tc__ioloop_advance(client->loop, ms);
    return 0;
}

void tc_test_client_settle(tc_test_client_t *client) {
    if (!client)
        return;
    tc__ioloop_advance(client->loop, 0);
    while (tc__ioloop_has_jobs(client->loop)) {
        tc__ioloop_turn(client->loop, true);
        tc__ioloop_advance(client->loop, 0);
    }
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

const tc_http_response_t *tc_test_client_wait(tc_test_client_t *client, int id) {
    tc__fetch_t *fetch = tc__test_client_find(client, id);
    if (!fetch) {
        tc__misuse(TC_EINVAL, "tc_test_client_wait: no such request");
        return NULL;
    }
    uint64_t end = tc__ioloop_now(client->loop) + VIRTUAL_WAIT_MS;
    while (!fetch->response.complete && !fetch->failed) {
        if (tc__ioloop_has_jobs(client->loop))
            tc__ioloop_turn(client->loop, true);
        else if (!step_clock(client->loop, end) && !wait_for_threads(client->loop))
            break;
        tc__ioloop_advance(client->loop, 0);
    }
    if (fetch->response.complete)
        return &fetch->response;
    if (fetch->failed)
        tc__fail(TC_ECLOSED, "%s: the connection was cut", fetch->url.path);
    else
        tc__fail(TC_ETIMEDOUT, "%s: no answer came", fetch->url.path);
    return NULL;
}

void tc_test_client_disconnect(tc_test_client_t *client, int id) {
    tc__fetch_t *fetch = tc__test_client_find(client, id);
    if (fetch && fetch->stream)
        tc_iostream_close(fetch->stream);
    if (client)
        tc__ioloop_advance(client->loop, 0);
}

tc_ioloop_t *tc_test_client_loop(tc_test_client_t *client) {
    return client ? client->loop : NULL;
}

/* ---- Fetching ---- */

static tc__fetch_t *fetch_once(tc_test_client_t *client, const char *path, const tc_fetch_options_t *options) {
    int id = tc_test_client_start(client, path, options);
    return id > 0 && tc_test_client_wait(client, id) ? tc__test_client_find(client, id) : NULL;
}

/* By 303 all become a GET but HEAD; by 301 and 302, for the sake of old programs, POST alone. */
static bool becomes_get(const tc__fetch_t *fetch) {
    int status = fetch->response.status;
    return status == 303 ? !fetch->is_head : (status == 301 || status == 302) && fetch->is_post;
}

/* Where it leads, and what is then to be asked (RFC 9110 section 15.4). NULL: nowhere, or out of memory. */
static const char *redirect(tc__fetch_t *fetch, tc_fetch_options_t *options) {
    int status = fetch->response.status;
    const char *location = tc_http_response_header(&fetch->response, "Location");
    if (!location || !*location || !((status >= 301 && status <= 303) || status == 307 || status == 308))
        return NULL;
    if (becomes_get(fetch)) {
        options->method = NULL;
        options->body = tc_bytes(NULL, 0);
        options->json = NULL;
        options->form = NULL;
        options->files = NULL;
        options->content_type = NULL;
        options->headers = tc__test_request_without_body(&fetch->arena, options->headers);
        if (!options->headers)
            return NULL;
    }
    return tc__test_url_join(&fetch->arena, &fetch->url, location);
}

static bool same_origin(const tc__test_url_t *a, const tc__test_url_t *b) {
    return a->is_https == b->is_https && tc__bytes_equal_nocase(tc_str(a->host), tc_str(b->host));
}

/* The next one; NULL: out of memory, or it has no answer. */
static tc__fetch_t *follow(tc__fetch_t *fetch, const char *location, tc_fetch_options_t *options) {
    tc__test_url_t target;
    if (tc__test_url_parse(&target, &fetch->arena, location, &fetch->url) < 0)
        return NULL;
    if (!same_origin(&target, &fetch->url))
        options->headers = NULL;
    return fetch_once(fetch->client, location, options);
}

const tc_http_response_t *tc_test_client_fetch(tc_test_client_t *client, const char *path,
                                               const tc_fetch_options_t *options) {
    tc_fetch_options_t now = options ? *options : default_fetch;
    if (now.stream) {
        tc__misuse(TC_EINVAL, "tc_test_client_fetch: `.stream` is for tc_test_client_start");
        return NULL;
    }
    tc__fetch_t *fetch = fetch_once(client, path, &now);
    for (int left = now.max_redirects; fetch && left > 0; left--) {
        const char *location = redirect(fetch, &now);
        if (!location)
            break;
        fetch = follow(fetch, location, &now);
    }
    return fetch ? &fetch->response : NULL;
}

/* ---- Cookies ---- */

const char *tc_test_client_cookie(tc_test_client_t *client, const char *name) {
    return client && name ? tc__test_cookies_find(&client->cookies, client->loop, name) : NULL;
}

int tc_test_client_set_cookie(tc_test_client_t *client, const char *set_cookie) {
    if (!client || !set_cookie || !tc__is_field_value(tc_str(set_cookie)))
        return tc__misuse(
            TC_EINVAL, "tc_test_client_set_cookie: the test client is NULL, or no Set-Cookie's text; \"a=b\" is one");
    return tc__test_cookies_set(&client->cookies, client->loop, &client->origin, tc_str(set_cookie));
}

void tc_test_client_clear_cookies(tc_test_client_t *client) {
    if (client)
        tc__test_cookies_clear(&client->cookies);
}

/* ---- The log ---- */

int tc_test_client_expect_log(tc_test_client_t *client, tc_log_level_t level, const char *part) {
    if (!client || !part)
        return tc__misuse(TC_EINVAL, "tc_test_client_expect_log: the test client, or the text, is NULL");
    return tc__test_log_expect(&client->log, level, part);
}

const char *tc_test_client_problems(tc_test_client_t *client) {
    return client ? tc__test_log_problems(&client->log) : "the test client is NULL\n";
}

/* ---- Life ---- */

static int check_options(const tc_test_client_options_t *options) {
    if (!tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_test_client_options_t: `reserved` must be zero");
    if (options->server && options->server->proxy_protocol)
        return tc__misuse(TC_EINVAL,
                          "tc_test_client_options_t: a server with proxy_protocol; requests have a remote_ip");
    if (!options->tls != !(options->server && options->server->tls))
        return tc__misuse(TC_EINVAL, "tc_test_client_options_t: TLS on one side alone; without, requests to "
                                     "\"https://…\" are of https all the same");
    return 0;
}

static int set_origin(tc_test_client_t *client, const char *origin) {
    static const tc__test_url_t none = { .host = "" };
    TC_TRY(tc__test_url_parse(&client->origin, &client->arena, origin, &none));
    if (client->origin.host[0] == '\0' || strcmp(client->origin.path, "/") != 0 || !tc__is_field_value(tc_str(origin)))
        return tc__misuse(TC_EINVAL, "tc_test_client_options_t: the origin is none; \"https://example.com\" is one");
    return 0;
}

static int set_up(tc_test_client_t *client, tc_application_t *app, const tc_test_client_options_t *options) {
    static const tc_test_client_options_t defaults;
    const tc_test_client_options_t *o = options ? options : &defaults;
    tc__arena_init(&client->arena, NULL);
    TC_TRY(check_options(o));
    TC_TRY(set_origin(client, o->origin ? o->origin : "http://localhost"));
    TC_TRY(tc__ioloop_new_virtual(&client->loop));
    tc__test_log_init(&client->log, client->loop);
    client->tls = o->tls ? tc_tls_context_ref(o->tls) : NULL;
    return tc_httpserver_new(&client->server, client->loop, app, o->server);
}

tc_test_client_t *tc_test_client_new_with(tc_application_t *app, const tc_test_client_options_t *options) {
    tc_test_client_t *client = tc__calloc(1, sizeof *client);
    int err = client ? set_up(client, app, options) : tc__fail(TC_ENOMEM, "out of memory");
    tc_application_free(app);
    if (err < 0) {
        tc_test_client_free(client);
        tc__log(TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "tc_test_client_new: %s",
                *tc_error_detail() ? tc_error_detail() : tc_strerror(err));
        return NULL;
    }
    return client;
}

tc_test_client_t *tc_test_client_new(tc_application_t *app) {
    return tc_test_client_new_with(app, NULL);
}

static void free_fetch(tc__fetch_t *fetch) {
    tc__test_response_deinit(fetch);
    tc__arena_deinit(&fetch->arena);
    tc__free(fetch);
}

static void end_fetch(tc__fetch_t *fetch) {
    if (!fetch->response.complete && !fetch->failed)
        tc__log(TC__LOG_GENERAL, TC_LOG_WARNING, NULL, "the test client is freed, but request %d (%s) has no outcome",
                fetch->id, fetch->url.path);
    tc_iostream_close(fetch->stream);
}

/* The streams tell their fetches that they are closed, at the latest when the loop goes. */
void tc_test_client_free(tc_test_client_t *client) {
    if (!client)
        return;
    for (tc__fetch_t *fetch = client->fetches; fetch; fetch = fetch->next)
        end_fetch(fetch);
    tc_httpserver_free(client->server);
    tc_ioloop_free(client->loop);
    while (client->fetches) {
        tc__fetch_t *fetch = client->fetches;
        client->fetches = fetch->next;
        free_fetch(fetch);
    }
    tc__test_cookies_clear(&client->cookies);
    tc__test_log_deinit(&client->log);
    tc_tls_context_unref(client->tls);
    tc__arena_deinit(&client->arena);
    tc__free(client);
}
