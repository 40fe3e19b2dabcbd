/*
 * log.c - messages on their way to the callback, and the callback that writes to stderr. (Tornado: log)
 *
 *   tc__log --[find_sink]--> format --> escape --> emit --> callback(record)
 *
 * No memory is allocated: text is formatted and escaped in buffers on the stack, and what is longer is cut and ends in
 * "...". So a line holds less than the 4 KiB that a pipe takes in one piece. errno is left as it was.
 *
 * This is the only file that touches stderr.
 */
#include "util/log_internal.h"

#include <stdio.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "util/utf8_internal.h"

enum { FORMATTED_SIZE = 2048, ESCAPED_SIZE = 3584 };

_Atomic int tc__log_level_now = TC_LOG_WARNING;

/* ---- The sink ------------------------------------------------------------------------------------------------- */

/* A sequence lock, so that callback and user_data are read as the pair they were set as: odd while being written. */
static struct {
    _Atomic unsigned sequence;
    _Atomic(tc_log_cb) cb;
    void *_Atomic user_data;
} sink = { 0, tc_log_to_stderr, NULL };

static _Thread_local bool in_callback; /* one that logs would call itself for ever */

void tc_set_log_callback(tc_log_cb cb, void *user_data) {
    unsigned even;
    do
        even = atomic_load_explicit(&sink.sequence, memory_order_relaxed) & ~1u;
    while (!atomic_compare_exchange_weak_explicit(&sink.sequence, &even, even + 1, memory_order_acquire,
                                                  memory_order_relaxed));
    atomic_store_explicit(&sink.cb, cb, memory_order_release);
    atomic_store_explicit(&sink.user_data, user_data, memory_order_release);
    atomic_store_explicit(&sink.sequence, even + 2, memory_order_release);
}

static tc_log_cb read_sink(void **user_data) {
    for (;;) {
        unsigned before = atomic_load_explicit(&sink.sequence, memory_order_acquire);
        tc_log_cb cb = atomic_load_explicit(&sink.cb, memory_order_acquire);
        *user_data = atomic_load_explicit(&sink.user_data, memory_order_acquire);
        if (!(before & 1) && atomic_load_explicit(&sink.sequence, memory_order_relaxed) == before)
            return cb;
    }
}

static _Atomic(void (*)(const tc_request_t *req, tc__log_sink_t *sink)) choose_sink;

void tc__log_set_request_sink(void (*choose)(const tc_request_t *req, tc__log_sink_t *sink)) {
    atomic_store_explicit(&choose_sink, choose, memory_order_release);
}

static _Atomic(tc__log_tap_fn) log_tap;

void tc__log_set_tap(tc__log_tap_fn tap) {
    atomic_store_explicit(&log_tap, tap, memory_order_release);
}

static bool is_message_level(tc_log_level_t level) {
    return level >= TC_LOG_DEBUG && level <= TC_LOG_ERROR;
}

/* Who wants that message? false: nobody. */
static bool find_sink(tc_log_level_t level, const tc_request_t *req, tc__log_sink_t *out) {
    void (*choose)(const tc_request_t *,
                   tc__log_sink_t *) = req ? atomic_load_explicit(&choose_sink, memory_order_acquire) : NULL;
    if (!is_message_level(level) || (!choose && !tc__log_wanted(level)))
        return false;
    out->level = tc_log_level();
    out->cb = read_sink(&out->user_data);
    out->prefix = NULL;
    if (choose)
        choose(req, out);
    return level >= out->level && (out->cb || atomic_load_explicit(&log_tap, memory_order_relaxed));
}

static void emit(const tc_log_record_t *record, const tc__log_sink_t *to) {
    if (in_callback)
        return;
    int saved_errno = errno;
    in_callback = true;
    tc__log_tap_fn tap = atomic_load_explicit(&log_tap, memory_order_acquire);
    if (!(tap && tap(record)) && to->cb)
        to->cb(record, to->user_data);
    in_callback = false;
    errno = saved_errno;
}

void tc_set_log_level(tc_log_level_t level) {
    int value = (int)level < TC_LOG_DEBUG ? TC_LOG_DEBUG : (int)level > TC_LOG_SILENT ? TC_LOG_SILENT : (int)level;
    atomic_store_explicit(&tc__log_level_now, value, memory_order_relaxed);
}

tc_log_level_t tc_log_level(void) {
    return (tc_log_level_t)atomic_load_explicit(&tc__log_level_now, memory_order_relaxed);
}

/* ---- Escaping ------------------------------------------------------------------------------------------------- */

/* How many bytes at `data` may be written as they are: a printable character, or none (0). */
static size_t printable(const char *data, size_t len) {
    unsigned char c = (unsigned char)data[0];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f && c != '\\';
    bool c1_control = c == 0xc2 && len > 1 && (unsigned char)data[1] < 0xa0; /* U+0080 to U+009F: terminals obey them */
    return c1_control ? 0 : tc__utf8_sequence(data, len);
}

/* The piece for the character at `data`: `taken` bytes of the text become the returned number of bytes. */
static size_t escape_one(char piece[4], const char *data, size_t len, size_t *taken) {
    static const char hex[] = "0123456789abcdef";
    size_t as_is = printable(data, len);
    if (as_is) {
        memcpy(piece, data, as_is);
        *taken = as_is;
        return as_is;
    }
    unsigned char c = (unsigned char)data[0];
    piece[0] = '\\';
    piece[1] = 'x';
    piece[2] = hex[c >> 4];
    piece[3] = hex[c & 15];
    *taken = 1;
    return 4;
}

/* A result that is cut off ends before the piece that did not fit: never within an escape or a character. */
size_t tc__log_escape(char *out, size_t size, tc_bytes_t text) {
    size_t len = 0, written = 0;
    for (size_t i = 0, taken; i < text.len; i += taken) {
        char piece[4];
        size_t piece_len = escape_one(piece, text.data + i, text.len - i, &taken);
        if (len == written && len + piece_len < size) {
            memcpy(out + len, piece, piece_len);
            written += piece_len;
        }
        len += piece_len;
    }
    if (size)
        out[written] = '\0';
    return len;
}

/* ---- Messages ------------------------------------------------------------------------------------------------- */

/* Put "..." at the end of a text that was cut; there is room for it in buffers of `size`. */
static void mark_cut(char *text, size_t size) {
    size_t len = strlen(text);
    if (len + 4 > size) {
        len = size - 4;
        while (len && ((unsigned char)text[len] & 0xc0) == 0x80) /* not within a character */
            len--;
    }
    memcpy(text + len, "...", 4);
}

TC_PRINTF(2, 0)
static tc_bytes_t format(const char *prefix, const char *fmt, va_list args, char out[FORMATTED_SIZE]) {
    int prefix_len = prefix && *prefix ? snprintf(out, FORMATTED_SIZE / 2, "[%s] ", prefix) : 0;
    int len = vsnprintf(out + prefix_len, FORMATTED_SIZE - (size_t)prefix_len, fmt, args);
    if (len < 0)
        return tc_str("(a message that could not be formatted)");
    len += prefix_len;
    if (len >= FORMATTED_SIZE) {
        mark_cut(out, FORMATTED_SIZE);
        return tc_str(out);
    }
    if (len && out[len - 1] == '\n') /* a habit of printf's users */
        len--;
    return tc_bytes(out, (size_t)len);
}

/* Formats what is missing in `record`: the message. */
TC_PRINTF(3, 0)
static void write_record(tc_log_record_t record, const tc__log_sink_t *to, const char *fmt, va_list args) {
    char formatted[FORMATTED_SIZE], escaped[ESCAPED_SIZE];
    int saved_errno = errno;
    tc_bytes_t text = format(to->prefix, fmt, args, formatted);
    if (tc__log_escape(escaped, sizeof(escaped) - 3, text) >= sizeof(escaped) - 3)
        mark_cut(escaped, sizeof(escaped));
    record.message = escaped;
    emit(&record, to);
    errno = saved_errno;
}

void tc__vlog(const char *logger, tc_log_level_t level, const tc_request_t *req, const char *fmt, va_list args) {
    tc__log_sink_t to;
    if (find_sink(level, req, &to))
        write_record((tc_log_record_t){ .level = level, .logger = logger, .request = req }, &to, fmt, args);
}

void tc__log(const char *logger, tc_log_level_t level, const tc_request_t *req, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    tc__vlog(logger, level, req, fmt, args);
    va_end(args);
}

void tc_vlogf(const tc_request_t *req, tc_log_level_t level, const char *fmt, va_list args) {
    tc__vlog(TC__LOG_APPLICATION, level, req, fmt, args);
}

void tc_logf(const tc_request_t *req, tc_log_level_t level, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    tc__vlog(TC__LOG_APPLICATION, level, req, fmt, args);
    va_end(args);
}

/* ---- The rate limit ------------------------------------------------------------------------------------------- */

bool tc__log_limit_take(tc__log_limit_t *limit, uint64_t second, uint64_t *suppressed) {
    uint64_t window = atomic_load_explicit(&limit->window, memory_order_relaxed), next;
    do {
        bool new_second = window >> 8 < second; /* a thread that is late counts into the newer one */
        if (!new_second && (window & 0xff) >= TC__LOG_BURST) {
            atomic_fetch_add_explicit(&limit->dropped, 1, memory_order_relaxed);
            return false;
        }
        next = new_second ? second << 8 | 1 : window + 1;
    } while (!atomic_compare_exchange_weak_explicit(&limit->window, &window, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    *suppressed = atomic_exchange_explicit(&limit->dropped, 0, memory_order_relaxed);
    return true;
}

void tc__log_limited(tc__log_limit_t *limit, const char *logger, tc_log_level_t level, const tc_request_t *req,
                     const char *fmt, ...) {
    tc_log_record_t record = { .level = level, .logger = logger, .request = req };
    tc__log_sink_t to;
    if (!find_sink(level, req, &to))
        return;
    if (!atomic_load_explicit(&log_tap, memory_order_relaxed) &&
        !tc__log_limit_take(limit, uv_hrtime() / 1000000000, &record.suppressed))
        return;
    va_list args;
    va_start(args, fmt);
    write_record(record, &to, fmt, args);
    va_end(args);
}

/* ---- stderr --------------------------------------------------------------------------------------------------- */

static const char *short_name(const char *logger) {
    static const char prefix[] = "tornado.";
    size_t len = sizeof(prefix) - 1;
    return strncmp(logger, prefix, len) == 0 ? logger + len : logger;
}

/* "[W 260101 12:00:00 general] ", coloured up to the bracket on a terminal. */
static void format_prefix(char *out, size_t size, const tc_log_record_t *record, bool coloured) {
    static const char letters[] = "?DIWE", colours[] = "94231"; /* of a terminal: blue, green, yellow, red */
    size_t level = is_message_level(record->level) ? (size_t)record->level : 0;
    char colour[] = "\033[3?m";
    colour[3] = colours[level];

    time_t now = time(NULL);
    struct tm tm = { 0 };
    localtime_r(&now, &tm);
    snprintf(out, size, "%s[%c %02d%02d%02d %02d:%02d:%02d %.32s]%s ", coloured ? colour : "", letters[level],
             tm.tm_year % 100, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, short_name(record->logger),
             coloured ? "\033[0m" : "");
}

void tc_log_to_stderr(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    char prefix[128], suffix[64] = "\n";
    format_prefix(prefix, sizeof(prefix), record, isatty(STDERR_FILENO));
    if (record->suppressed)
        snprintf(suffix, sizeof(suffix), " (%llu more were suppressed)\n", (unsigned long long)record->suppressed);

    struct iovec line[] = {
        { prefix, strlen(prefix) },
        { (void *)record->message, strlen(record->message) },
        { suffix, strlen(suffix) },
    };
    ssize_t written; /* one call, so that threads' lines do not mix; what it cannot take is lost */
    do
        written = writev(STDERR_FILENO, line, 3);
    while (written < 0 && errno == EINTR);
}
