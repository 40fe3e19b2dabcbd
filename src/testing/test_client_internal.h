/*
 * test_client_internal.h - what the files of the test client share.
 *
 *   test_client.c    life, time, redirects
 *   test_request.c   what a request says, and the bytes of it
 *   test_response.c  what comes back
 *   test_cookies.c   what is kept of it
 *   test_log.c       which lines are expected
 */
#ifndef TC_TESTING_TEST_CLIENT_INTERNAL_H
#define TC_TESTING_TEST_CLIENT_INTERNAL_H

#include <llhttp.h>

#include <tornadoc/testing.h>

#include "http/headers_internal.h"
#include "net/iostream_internal.h"
#include "net/tcpserver_internal.h"
#include "util/arena_internal.h"
#include "util/buffer_internal.h"
#include "util/list_internal.h"

/* ---- Where a request goes ---- */
typedef struct {
    bool is_https;
    const char *host; /* with its port, as in Host */
    const char *path; /* the request's target */
} tc__test_url_t;

/* "/path", or whatever stands in a request line, of that origin; or "https://host/path". 0, or TC_ENOMEM. */
int tc__test_url_parse(tc__test_url_t *out, tc__arena_t *arena, const char *text, const tc__test_url_t *origin);
/* Where a Location at `base` leads: an absolute URL. NULL: out of memory. */
const char *tc__test_url_join(tc__arena_t *arena, const tc__test_url_t *base, const char *location);

/* ---- Cookies ---- */
typedef struct tc__test_cookie tc__test_cookie_t;
typedef struct {
    tc__test_cookie_t *first; /* as they are sent: long paths first, then old cookies */
    size_t count;
    uint64_t last_set;
} tc__test_cookies_t;

/* Keep what that answer sets, or forget it. 0; TC_EINVAL (and a detail): it is not for us to keep; TC_ENOMEM. */
int tc__test_cookies_set(tc__test_cookies_t *cookies, const tc_ioloop_t *loop, const tc__test_url_t *url,
                         tc_bytes_t set_cookie);
/* The Cookie field of a request into *out, NULL if there is none. 0, or TC_ENOMEM. */
int tc__test_cookies_write(tc__test_cookies_t *cookies, const tc_ioloop_t *loop, const tc__test_url_t *url,
                           tc__arena_t *arena, const char **out);
const char *tc__test_cookies_find(tc__test_cookies_t *cookies, const tc_ioloop_t *loop, const char *name);
void tc__test_cookies_clear(tc__test_cookies_t *cookies);

/* ---- The log ---- */
typedef struct tc__expected_line tc__expected_line_t;
typedef struct {
    tc__list_t node; /* of all clients */
    const tc_ioloop_t *loop;
    tc__expected_line_t *expected; /* oldest first */
    tc__buffer_t unexpected;       /* a line each */
    bool is_incomplete;            /* some did not fit, or there was no memory */
    tc__buffer_t told;             /* what the last call gave, with a NUL */
} tc__test_log_t;

void tc__test_log_init(tc__test_log_t *log, const tc_ioloop_t *loop);
void tc__test_log_deinit(tc__test_log_t *log); /* complains of what did not come; harmless if all zero */
int tc__test_log_expect(tc__test_log_t *log, tc_log_level_t level, const char *part);
const char *tc__test_log_problems(tc__test_log_t *log);

/* ---- One request and its response ---- */
struct tc_http_response {
    tc_http_response_t *next; /* of interim ones */
    tc__arena_t *arena;
    const char *url;
    int status;
    bool complete;
    tc__headers_t headers, trailers;
    tc__buffer_t body; /* with a NUL behind it that is not counted */
};

typedef struct tc__fetch {
    struct tc__fetch *next;
    int id;
    tc_test_client_t *client;
    tc__arena_t arena;
    tc__test_url_t url;
    tc_iostream_t *stream; /* NULL: closed */

    bool body_open, is_chunked; /* more of its body may follow; in chunks */

    llhttp_t parser;
    tc__buffer_t name, value; /* of the header under way */
    bool is_head, is_post, headers_complete, failed, no_cookies;
    size_t window; /* bytes that it still takes; TC_UNLIMITED: all */
    size_t read;   /* bytes of the body that were given out */
    tc_http_response_t response, *interim;
} tc__fetch_t;

struct tc_test_client {
    tc_ioloop_t *loop;
    tc_httpserver_t *server;
    tc_tls_context_t *tls; /* NULL: https is what the server is told */
    tc__arena_t arena;
    tc__test_url_t origin;
    tc__test_cookies_t cookies;
    tc__test_log_t log;
    tc__fetch_t *fetches; /* newest first */
    int last_id;
};

/* 0, or TC_EINVAL, which was logged. */
int tc__test_request_check(const char *path, const tc_fetch_options_t *options);
/* The address that it comes from; the options were checked. */
tc__address_t tc__test_request_peer(const tc_fetch_options_t *options);
int tc__test_request_send(tc__fetch_t *fetch, const tc_fetch_options_t *options);
/* Those fields that do not describe a body; NULL: out of memory. */
const char *const *tc__test_request_without_body(tc__arena_t *arena, const char *const *headers);

/* The sink of the client's end, whose self is the fetch. */
extern const tc__stream_sink_t tc__test_response_sink;
void tc__test_response_init(tc__fetch_t *fetch);
void tc__test_response_deinit(tc__fetch_t *fetch);

static inline tc__fetch_t *tc__test_client_find(const tc_test_client_t *client, int id) {
    tc__fetch_t *fetch = client ? client->fetches : NULL;
    while (fetch && fetch->id != id)
        fetch = fetch->next;
    return fetch;
}

#endif
