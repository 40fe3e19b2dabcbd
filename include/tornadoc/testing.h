/*
 * tornadoc/testing.h - requests through the whole stack, in memory and on a clock of its own. (Tornado: testing)
 *
 *     tc_test_client_t *client = tc_test_client_new(app);
 *     assert(tc_http_response_status(tc_test_client_fetch(client, "/", NULL)) == 200);
 *     tc_test_client_free(client);
 *
 * No socket is opened and nothing sleeps: a handler that waits a second is answered by tc_test_client_advance(client,
 * 1000). The client has a loop of its own, which is this thread's while one of these functions runs. Each request has a
 * connection of its own; cookies are kept, as by a browser.
 *
 * A request goes to a path ("/users?id=7"), of the client's origin, or to a URL: "https://app.example.com/users". With
 * https, tc_protocol says so and all goes as behind a proxy that ends TLS: tc_tls_info is NULL. A client with `.tls`
 * shakes hands instead.
 */
#ifndef TORNADOC_TESTING_H
#define TORNADOC_TESTING_H

#include <tornadoc/httpserver.h>
#include <tornadoc/log.h>
#include <tornadoc/web.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_test_client tc_test_client_t;
typedef struct tc_http_response tc_http_response_t;

/* ---- Life ----------------------------------------------------------------------------------------------------- */

/** Zero is the default. */
typedef struct {
    const char *origin;                    /**< of requests to a path: "https://app.example.com"; default
                                                "http://localhost"; copied */
    const tc_httpserver_options_t *server; /**< of the server; NULL: the defaults. Not proxy_protocol */
    /** The client's side of TLS, where `server` has tls: whom it trusts, and its certificate. A reference is taken.
     *  Certificates are checked by the real time; windows and what is unread count TLS's records. */
    tc_tls_context_t *tls;
    uintptr_t reserved[8]; /**< must be zero */
} tc_test_client_options_t;

/** Takes the application, also on failure. NULL: its kept failure, or memory; the log tells, and
 * tc_error_detail(). */
TC_EXTERN tc_test_client_t *tc_test_client_new(tc_application_t *app);

/** The same with options, or NULL. */
TC_EXTERN tc_test_client_t *tc_test_client_new_with(tc_application_t *app, const tc_test_client_options_t *options);

/** Ends all; complains in the log of requests that were neither answered nor cut, nor left by their client, and of
 * lines that were expected there and did not come. NULL is fine. */
TC_EXTERN void tc_test_client_free(tc_test_client_t *client);

TC_EXTERN tc_ioloop_t *tc_test_client_loop(tc_test_client_t *client);

/* ---- Requests ------------------------------------------------------------------------------------------------- */

/** A file of a form. The list ends with one that has no name. */
typedef struct {
    const char *name;         /**< of the form's field */
    const char *filename;     /**< what the file is called */
    const char *content_type; /**< default application/octet-stream */
    tc_bytes_t body;          /**< copied */
} tc_test_file_t;

/** What to send; zero is the default. At most one of body, json, and form with files. (The options of a client's
 * fetch.) */
typedef struct {
    const char *method;         /**< default GET, with a body POST */
    const char *const *headers; /**< name, value, …, NULL. Who gives Cookie here sends no others */
    tc_bytes_t body;            /**< copied */
    const char *content_type;   /**< default, with a body, application/x-www-form-urlencoded, unless it is in headers */
    const char *json;           /**< a body of type application/json */
    const char *const *form;    /**< name, value, …, NULL: a body of type application/x-www-form-urlencoded … */
    const tc_test_file_t *files; /**< … or, with files, multipart/form-data */
    const char *remote_ip;       /**< where the request comes from; default "127.0.0.1" */
    bool no_cookies;             /**< neither send nor keep any */
    int max_redirects;     /**< tc_test_client_fetch follows so many; default none. `headers` go to the same origin
                                only. The last response counts, be it a redirect or not */
    bool stream;           /**< more of the body follows, by tc_test_client_send; in chunks, unless `headers` have
                                Content-Length. Not for tc_test_client_fetch */
    size_t receive_window; /**< take so many bytes of the response, its head and framing included, and no more until
                                tc_test_client_receive; default TC_UNLIMITED */
    uintptr_t reserved[8]; /**< must be zero */
} tc_fetch_options_t;

/** Start a request and wait for its end; time passes as it must (an executor's work in real time). NULL: it never ends,
 * or the connection was cut: tc_error_detail() tells. */
TC_EXTERN const tc_http_response_t *tc_test_client_fetch(tc_test_client_t *client, const char *path,
                                                         const tc_fetch_options_t *options);

/** Start a request. @return its id; TC_EINVAL for what is no request; TC_ENOMEM */
TC_EXTERN int tc_test_client_start(tc_test_client_t *client, const char *path, const tc_fetch_options_t *options);

/** Let `ms` pass: timers run in their order, and all that follows from them. 0: only what is ready. */
TC_EXTERN int tc_test_client_advance(tc_test_client_t *client, uint64_t ms);

/** Let the work that runs on executors end, in real time, and all that follows from it; the clock stands still. */
TC_EXTERN void tc_test_client_settle(tc_test_client_t *client);

/** The response of a request, complete; NULL: not yet. Valid until the client is freed. */
TC_EXTERN const tc_http_response_t *tc_test_client_response(tc_test_client_t *client, int id);

/** Wait for it as tc_test_client_fetch does. */
TC_EXTERN const tc_http_response_t *tc_test_client_wait(tc_test_client_t *client, int id);

/** The client of that request leaves. */
TC_EXTERN void tc_test_client_disconnect(tc_test_client_t *client, int id);

/** Whether the connection of that request ended without a complete response, by whomever. */
TC_EXTERN bool tc_test_client_cut(tc_test_client_t *client, int id);

/* ---- In pieces ------------------------------------------------------------------------------------------------ */

/** More of the body of a request with `.stream`; copied. @return 0; TC_ECLOSED: the server reads no more of it;
 * TC_EINVAL: no such request, or its body has ended; TC_ETOOBIG, TC_ENOMEM */
TC_EXTERN int tc_test_client_send(tc_test_client_t *client, int id, tc_bytes_t bytes);

/** The end of that body, with trailers (name, value, …, NULL) or NULL. The same errors; a body that is not in chunks
 * has no trailers. */
TC_EXTERN int tc_test_client_finish(tc_test_client_t *client, int id, const char *const *trailers);

/** How many bytes of the request the server has not read yet, for its handler wants no more for now. It reads up to
 * 64 KiB ahead. */
TC_EXTERN size_t tc_test_client_unread(tc_test_client_t *client, int id);

/** The response as far as it has come, NULL before its headers have; its body grows until it is complete. */
TC_EXTERN const tc_http_response_t *tc_test_client_partial(tc_test_client_t *client, int id);

/** That part of the body that has come since the last call. A NUL is behind it; valid until more comes. */
TC_EXTERN tc_bytes_t tc_test_client_read(tc_test_client_t *client, int id);

/** With `.receive_window`: take so many bytes more. */
TC_EXTERN void tc_test_client_receive(tc_test_client_t *client, int id, size_t bytes);

/** What came before the response: 100 (Continue), 103 (Early Hints), …, in their order from index 0. NULL: no more. */
TC_EXTERN const tc_http_response_t *tc_test_client_interim(tc_test_client_t *client, int id, size_t index);

/* ---- Responses; NULL reads as status 0, no header, no body ----------------------------------------------------- */

TC_EXTERN int tc_http_response_status(const tc_http_response_t *response);
/** Several of a name are joined by ", ". */
TC_EXTERN const char *tc_http_response_header(const tc_http_response_t *response, const char *name);
TC_EXTERN const char *tc_http_response_trailer(const tc_http_response_t *response, const char *name);
TC_EXTERN tc_bytes_t tc_http_response_body(const tc_http_response_t *response); /**< NUL behind it */
TC_EXTERN bool tc_http_response_complete(const tc_http_response_t *response);
/** What was asked for, after redirects: "http://localhost/users". */
TC_EXTERN const char *tc_http_response_url(const tc_http_response_t *response);

/* ---- Cookies: kept, and sent where they belong, as RFC 6265bis has it ------------------------------------------ */

/*
 * Host, Domain, Path and Secure are minded, the last also when a cookie is set: by https only. So are the prefixes
 * __Host- and __Secure-. SameSite is not: each request is one of the site's own. Max-Age and Expires are on the
 * client's clock: they pass by tc_test_client_advance. At most 100 cookies of 4 KiB are kept, those that were set last.
 */

/** The value of a cookie that is kept; of several, of that which was set last. NULL: there is none. Valid until a
 * cookie is set. */
TC_EXTERN const char *tc_test_client_cookie(tc_test_client_t *client, const char *name);

/** As if the client's origin had answered "Set-Cookie: theme=dark; Path=/" to a request of "/". "theme=; Max-Age=0"
 * removes it. @return 0; TC_EINVAL for what is not kept; TC_ENOMEM */
TC_EXTERN int tc_test_client_set_cookie(tc_test_client_t *client, const char *set_cookie);

TC_EXTERN void tc_test_client_clear_cookies(tc_test_client_t *client);

/* ---- The log (Tornado: ExpectLog) ------------------------------------------------------------------------------ */

/*
 * While a client is there, warnings and errors that nobody expects are problems; they go where the log goes, too. A
 * line counts for the client on whose loop it was written, or about whose request it is, and else for every client.
 * What the log's level drops is not seen. Nothing is dropped because it comes too often, as otherwise beyond 5 a
 * second.
 */

/** Expect a line in the log, from now on and once: of that level, with `part` in its message. It is kept from the log.
 * @return 0; TC_EINVAL, TC_ENOMEM */
TC_EXTERN int tc_test_client_expect_log(tc_test_client_t *client, tc_log_level_t level, const char *part);

/**
 * What was wrong with the log since the last call, a line each: what nobody expected, and what was expected and did not
 * come, which is not expected any more. NULL: nothing. So, in whatever framework:
 * assert(!tc_test_client_problems(client))
 *
 * Valid until the next call.
 */
TC_EXTERN const char *tc_test_client_problems(tc_test_client_t *client);

#ifdef __cplusplus
}
#endif
#endif
