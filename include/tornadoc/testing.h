/*
 * tornadoc/testing.h - requests through the whole stack, in memory and on a clock of its own. (Tornado: testing)
 *
 *     tc_test_client_t *client = tc_test_client_new(app);
 *     assert(tc_http_response_status(tc_test_client_fetch(client, "/", NULL)) == 200);
 *     tc_test_client_free(client);
 *
 * No socket is opened and nothing sleeps: a handler that waits a second is answered by tc_test_client_advance(client,
 * 1000). The client has a loop of its own, which is this thread's while one of these functions runs.
 */
#ifndef TORNADOC_TESTING_H
#define TORNADOC_TESTING_H

#include <tornadoc/web.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_test_client tc_test_client_t;
typedef struct tc_http_response tc_http_response_t;

/** What to send; zero is the default. (The options of a client's fetch.) */
typedef struct {
    const char *method;         /**< default GET, with a body POST */
    const char *const *headers; /**< name, value, …, NULL */
    tc_bytes_t body;            /**< copied */
    const char *content_type;   /**< default, with a body, application/x-www-form-urlencoded, unless it is in headers */
    uintptr_t reserved[8];      /**< must be zero */
} tc_fetch_options_t;

/** Takes the application, also on failure. NULL: its kept failure, or memory: tc_error_detail() tells. */
TC_EXTERN tc_test_client_t *tc_test_client_new(tc_application_t *app);

/** Ends all; complains in the log of requests that were neither answered nor cut, nor left by their client. NULL is
 * fine. */
TC_EXTERN void tc_test_client_free(tc_test_client_t *client);

/** Start a request, on a connection of its own. @return its id; TC_EINVAL for what is no request; TC_ENOMEM */
TC_EXTERN int tc_test_client_start(tc_test_client_t *client, const char *path, const tc_fetch_options_t *options);

/** Let `ms` pass: timers run in their order, and all that follows from them. 0: only what is ready. */
TC_EXTERN int tc_test_client_advance(tc_test_client_t *client, uint64_t ms);

/** The response of a request, complete; NULL: not yet. Valid until the client is freed. */
TC_EXTERN const tc_http_response_t *tc_test_client_response(tc_test_client_t *client, int id);

/** Start a request and wait for its end; time passes as it must (an executor's work in real time). NULL: it never ends,
 * or the connection was cut: tc_error_detail() tells. */
TC_EXTERN const tc_http_response_t *tc_test_client_fetch(tc_test_client_t *client, const char *path,
                                                         const tc_fetch_options_t *options);

/** The client of that request leaves. */
TC_EXTERN void tc_test_client_disconnect(tc_test_client_t *client, int id);

TC_EXTERN tc_ioloop_t *tc_test_client_loop(tc_test_client_t *client);

/* The response; NULL reads as status 0, no header, no body. */
TC_EXTERN int tc_http_response_status(const tc_http_response_t *response);
TC_EXTERN const char *tc_http_response_header(const tc_http_response_t *response, const char *name);
TC_EXTERN const char *tc_http_response_trailer(const tc_http_response_t *response, const char *name);
TC_EXTERN tc_bytes_t tc_http_response_body(const tc_http_response_t *response); /**< NUL behind it */

#ifdef __cplusplus
}
#endif
#endif
