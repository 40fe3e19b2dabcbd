/*
 * tornadoc/log.h - where messages go. (Tornado: log)
 *
 * Three loggers, as Tornado has them: "tornado.access" has a line per request, "tornado.application" what handlers and
 * callbacks did wrong, "tornado.general" everything else. A program that does nothing gets warnings and errors on
 * stderr; whoever wants them elsewhere sets a callback. Messages hold no newline and no raw byte of a peer: control
 * bytes, quotes' backslashes and invalid UTF-8 are written as \xNN.
 */
#ifndef TORNADOC_LOG_H
#define TORNADOC_LOG_H

#include <stdarg.h>
#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_request tc_request_t;

typedef enum { TC_LOG_DEBUG = 1, TC_LOG_INFO, TC_LOG_WARNING, TC_LOG_ERROR, TC_LOG_SILENT } tc_log_level_t;

/** One message; made by the library only and read by pointer, so that it may grow at the end. */
typedef struct tc_log_record {
    tc_log_level_t level;
    const char *logger;          /**< "tornado.access", "tornado.application" or "tornado.general" */
    const char *message;         /**< without a newline at its end; valid until the callback returns */
    const tc_request_t *request; /**< what it is about, or NULL; borrowed */
    uint64_t suppressed;         /**< how many like it the rate limit dropped since the last one */
} tc_log_record_t;

/** Called from any thread, several at once. It may call [TC_ANY_THREAD] functions only, and must not log. */
typedef void (*tc_log_cb)(const tc_log_record_t *record, void *user_data);

/** Send the process's messages to `cb`; NULL: nowhere. To be called before the first loop is made. */
TC_EXTERN void tc_set_log_callback(tc_log_cb cb, void *user_data);

/** Drop what is below `level`; the default is TC_LOG_WARNING, as Python's. TC_LOG_INFO shows the access log. */
TC_ANY_THREAD void tc_set_log_level(tc_log_level_t level);
TC_ANY_THREAD tc_log_level_t tc_log_level(void);

/** Write to stderr as Tornado does: "[I 260101 12:00:00 access] 200 GET / (127.0.0.1) 0.35ms". The default callback. */
TC_ANY_THREAD void tc_log_to_stderr(const tc_log_record_t *record, void *user_data);

/** Log to "tornado.application". `req` says what it is about, or NULL; foreign bytes in the text are escaped. */
TC_ANY_THREAD void tc_logf(const tc_request_t *req, tc_log_level_t level, const char *fmt, ...) TC_PRINTF(3, 4);
TC_ANY_THREAD void tc_vlogf(const tc_request_t *req, tc_log_level_t level, const char *fmt, va_list args)
    TC_PRINTF(3, 0);

#ifdef __cplusplus
}
#endif
#endif
