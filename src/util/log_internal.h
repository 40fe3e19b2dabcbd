/* log_internal.h - the three loggers, and what keeps a flood of messages off them. */
#ifndef TC_UTIL_LOG_INTERNAL_H
#define TC_UTIL_LOG_INTERNAL_H

#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>

#include <tornadoc/log.h>

#define TC__LOG_ACCESS "tornado.access"
#define TC__LOG_APPLICATION "tornado.application"
#define TC__LOG_GENERAL "tornado.general"

extern _Atomic int tc__log_level_now;

/* Is a message of that level wanted by the process? Cheap: for not formatting in vain. */
static inline bool tc__log_wanted(tc_log_level_t level) {
    return (int)level >= atomic_load_explicit(&tc__log_level_now, memory_order_relaxed);
}

/* The formatted text is escaped as a whole, so foreign bytes may stand in the arguments. */
void tc__log(const char *logger, tc_log_level_t level, const tc_request_t *req, const char *fmt, ...) TC_PRINTF(4, 5);
void tc__vlog(const char *logger, tc_log_level_t level, const tc_request_t *req, const char *fmt, va_list args)
    TC_PRINTF(4, 0);

/* A line that peers can provoke: at most `TC__LOG_BURST` a second each; the next one says how many were dropped. The
 * limiter is static and shared by all threads. */
enum { TC__LOG_BURST = 5 };
typedef struct {
    _Atomic uint64_t window; /* second of the monotonic clock << 8 | lines written in it */
    _Atomic uint64_t dropped;
} tc__log_limit_t;
void tc__log_limited(tc__log_limit_t *limit, const char *logger, tc_log_level_t level, const tc_request_t *req,
                     const char *fmt, ...) TC_PRINTF(5, 6);

/* May a line be written in that second? Then `suppressed` is how many were not since the last one; else it is counted.
 */
bool tc__log_limit_take(tc__log_limit_t *limit, uint64_t second, uint64_t *suppressed);

/* Write `text` with control bytes, backslashes and invalid UTF-8 as \xNN; as the functions of escape.h count. */
size_t tc__log_escape(char *out, size_t size, tc_bytes_t text);

/* Who sees each message before anybody else does: the test client. True: it goes no further. Called from any thread,
 * while nothing can be logged by this one; NULL: nobody. While there is one, nothing is limited by its rate. */
typedef bool (*tc__log_tap_fn)(const tc_log_record_t *record);
void tc__log_set_tap(tc__log_tap_fn tap);

/* Where messages go, and from which level on. */
typedef struct {
    tc_log_level_t level;
    tc_log_cb cb; /* NULL: nowhere */
    void *user_data;
    const char *prefix; /* before each message, in brackets; NULL: none */
} tc__log_sink_t;

/* What is about a request goes where its application wants it: `choose` changes the process's *sink to that. It is
 * called from any thread. Requests belong to the web layer, which sets this when there is a first application. */
void tc__log_set_request_sink(void (*choose)(const tc_request_t *req, tc__log_sink_t *sink));

#endif
