/*
 * tornadoc/access_log.h - a line, or a call, for each request that is over. (Tornado: log_request, log_function)
 *
 * Without any of this, requests are lines of the logger "tornado.access", written at the level TC_LOG_INFO and above as
 * Tornado writes them: "200 GET /path?query (127.0.0.1) 0.35ms". An application that sets a callback or a file here has
 * them there instead, whatever its level.
 *
 *     tc_application_set_access_log(app, TC_ACCESS_COMBINED, open("access.log", O_WRONLY | O_CREAT | O_APPEND, 0640));
 *
 * What clients send is foreign text: all that is formatted here is escaped, so that nobody can end a line or a field.
 */
#ifndef TORNADOC_ACCESS_LOG_H
#define TORNADOC_ACCESS_LOG_H

#include <tornadoc/web.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One request that is over; made by the library only and read by pointer, so that it may grow at the end. Texts are as
 *  they came, not escaped, and live until the callback returns. */
typedef struct tc_access {
    const tc_request_t *request; /**< for getters: tc_route, tc_header, tc_arg … */
    const char *method;          /**< "GET" */
    const char *uri;             /**< path and query as sent */
    const char *http_version;    /**< "HTTP/1.1" */
    const char *protocol;        /**< "http" or "https" */
    const char *host;            /**< with the port, as sent; "" for none */
    const char *remote_ip;       /**< tc_remote_ip: "" on a unix socket */
    const char *user_agent;      /**< NULL: none was sent */
    const char *referer;         /**< likewise */
    const char *request_id;      /**< NULL: nobody has asked for it, see request_ids */
    int status;
    int err;              /**< what on_finish got: 0, TC_ECLOSED, TC_ETIMEDOUT, TC_ECANCELED */
    uint64_t body_size;   /**< bytes of the answer's body, without its framing, that the connection was given */
    uint64_t duration_ns; /**< from the headers of the request to the end */
    int64_t time;         /**< when its headers were in, in seconds since 1970 */
} tc_access_t;

/** Runs on the request's loop, after on_finish: with several loops, several at once. */
typedef void (*tc_log_request_fn)(const tc_access_t *access, void *user_data);

/** Call `fn` for each request of the application; NULL: the default, tc_log_access.
 *  @return 0; TC_EBUSY once the application listens; TC_ENOMEM for NULL */
TC_EXTERN int tc_application_set_log_request(tc_application_t *app, tc_log_request_fn fn, void *user_data);

/** The default: a line of "tornado.access", of level INFO below status 400, WARNING below 500, else ERROR. For
 * callbacks of your own that pass on some. `user_data` is not used. */
TC_ANY_THREAD void tc_log_access(const tc_access_t *access, void *user_data);

/** What a line looks like. */
typedef enum {
    TC_ACCESS_TORNADO = 0, /**< 200 GET /a?b=c (127.0.0.1) 0.35ms */
    TC_ACCESS_COMMON,      /**< 127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] "GET /a?b=c HTTP/1.1" 200 12 */
    TC_ACCESS_COMBINED,    /**< the same, then "referer" "user agent" */
    TC_ACCESS_JSON         /**< an object on one line, with all that tc_access_t has; what there is not is null */
} tc_access_format_t;

/**
 * Write a line for each request to a descriptor, which stays yours and must live as long as the application: with one
 * write each, so that those of several loops do not mix. The loop waits for that write, and what it cannot take at once
 * is lost: a file, or a pipe to a program that reads (and then SIGPIPE had better be ignored).
 *
 * @return 0; TC_EINVAL for a negative descriptor or an unknown format; TC_EBUSY once the application listens; TC_ENOMEM
 *         for NULL
 */
TC_EXTERN int tc_application_set_access_log(tc_application_t *app, tc_access_format_t format, int fd);

enum { TC_ACCESS_LINE_SIZE = 20 * 1024 /**< room for any line, and its NUL */ };

/**
 * The line of a request, without a newline. In Common and Combined quotes, backslashes and what is not printable ASCII
 * are \xNN, and a text that there is not is "-"; in JSON they are escaped as usual, and invalid UTF-8 becomes U+FFFD;
 * in Tornado's they are as in the rest of the log. Of each text at most 2,000 bytes are written; then it ends in "...".
 *
 * @return the length of the whole without its NUL, as snprintf
 */
TC_ANY_THREAD size_t tc_access_format(char *out, size_t size, tc_access_format_t format, const tc_access_t *access);

#ifdef __cplusplus
}
#endif
#endif
