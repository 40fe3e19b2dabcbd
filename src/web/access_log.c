/*
 * access_log.c - requests that are over, for the log. (Tornado: log_request, log_function)
 *
 * A request that somebody wants to hear of has the time of its start; else nothing here is called. A line is built
 * piece by piece on the stack, without memory: each foreign text is escaped as its format wants it, and bounded, so
 * that no line is longer than TC_ACCESS_LINE_SIZE, and every line is whole.
 */
#include <tornadoc/access_log.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/error_internal.h"
#include "util/log_internal.h"
#include "util/utf8_internal.h"
#include "web/request_internal.h"

enum { MAX_TEXT = 2000, MAX_PIECE = 20 };

/* ---- A line ---- */

typedef struct {
    char *out;
    size_t size, len;
} line_t;

static void put_bytes(line_t *line, const char *data, size_t len) {
    size_t room = line->size > line->len + 1 ? line->size - line->len - 1 : 0;
    if (len > 0 && room > 0)
        memcpy(line->out + line->len, data, len < room ? len : room);
    line->len += len;
}

static void put(line_t *line, const char *text) {
    put_bytes(line, text, strlen(text));
}

TC_PRINTF(2, 3) static void putf(line_t *line, const char *fmt, ...) {
    char text[64];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put_bytes(line, text, len > 0 ? (size_t)len : 0);
}

/* ---- Escaping: the character or byte at `at` becomes a piece ---- */

typedef size_t (*escape_fn)(char piece[MAX_PIECE], const char *at, size_t len);

static size_t escape_for_log(char piece[MAX_PIECE], const char *at, size_t len) {
    return tc__log_escape(piece, MAX_PIECE, tc_bytes(at, len));
}

static size_t escape_quoted(char piece[MAX_PIECE], const char *at, size_t len) {
    size_t size = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)at[i];
        bool as_is = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
        size += (size_t)snprintf(piece + size, MAX_PIECE - size, as_is ? "%c" : "\\x%02X", c);
    }
    return size;
}

static size_t escape_json(char piece[MAX_PIECE], const char *at, size_t len) {
    unsigned char c = (unsigned char)at[0];
    if (c == '"' || c == '\\')
        return (size_t)snprintf(piece, MAX_PIECE, "\\%c", c);
    if (c < 0x20 || c == 0x7f)
        return (size_t)snprintf(piece, MAX_PIECE, "\\u%04x", c);
    if (len == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0) /* control characters, too: terminals obey them */
        return (size_t)snprintf(piece, MAX_PIECE, "\\u%04x", (unsigned char)at[1]);
    if (len == 1 && c >= 0x80)
        return (size_t)snprintf(piece, MAX_PIECE, "\\ufffd");
    memcpy(piece, at, len);
    return len;
}

/* How many bytes at the start no format escapes: nearly always all there are. */
static size_t plain_len(const char *text, size_t len) {
    size_t at = 0;
    while (at < len && text[at] >= 0x20 && text[at] < 0x7f && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

static void put_escaped(line_t *line, const char *text, escape_fn escape) {
    size_t left = strlen(text), room = MAX_TEXT;
    while (left > 0) {
        char escaped[MAX_PIECE];
        const char *piece = text;
        size_t len = plain_len(text, left < room ? left : room), taken = len;
        if (len == 0) {
            size_t sequence = tc__utf8_sequence(text, left);
            taken = sequence ? sequence : 1;
            len = escape(escaped, text, taken);
            piece = escaped;
        }
        if (len > room) {
            put(line, "...");
            return;
        }
        put_bytes(line, piece, len);
        room -= len;
        text += taken;
        left -= taken;
    }
}

/* ---- Formats ---- */

static void put_tornado(line_t *line, const tc_access_t *access) {
    putf(line, "%d ", access->status);
    put_escaped(line, access->method, escape_for_log);
    put(line, " ");
    put_escaped(line, access->uri, escape_for_log);
    put(line, " (");
    put_escaped(line, access->remote_ip, escape_for_log);
    putf(line, ") %.2fms", (double)access->duration_ns / 1e6);
}

static void put_text(line_t *line, const char *text) {
    put_escaped(line, text && *text ? text : "-", escape_quoted);
}

static struct tm utc(int64_t seconds) {
    time_t time = (time_t)seconds;
    struct tm tm = { .tm_mday = 1 };
    gmtime_r(&time, &tm);
    return tm;
}

static void put_common(line_t *line, const tc_access_t *access) {
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm tm = utc(access->time);
    put_text(line, access->remote_ip);
    putf(line, " - - [%02d/%s/%d:%02d:%02d:%02d +0000] \"", tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
         tm.tm_hour, tm.tm_min, tm.tm_sec);
    put_text(line, access->method);
    put(line, " ");
    put_text(line, access->uri);
    put(line, " ");
    put_text(line, access->http_version);
    putf(line, "\" %d ", access->status);
    if (access->body_size > 0)
        putf(line, "%" PRIu64, access->body_size);
    else
        put(line, "-");
}

static void put_combined(line_t *line, const tc_access_t *access) {
    put_common(line, access);
    put(line, " \"");
    put_text(line, access->referer);
    put(line, "\" \"");
    put_text(line, access->user_agent);
    put(line, "\"");
}

static void put_json_text(line_t *line, const char *name, const char *text) {
    putf(line, ",\"%s\":", name);
    if (!text) {
        put(line, "null");
        return;
    }
    put(line, "\"");
    put_escaped(line, text, escape_json);
    put(line, "\"");
}

static void put_json(line_t *line, const tc_access_t *access) {
    struct tm tm = utc(access->time);
    putf(line, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02dZ\"", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
         tm.tm_min, tm.tm_sec);
    put_json_text(line, "remote_ip", access->remote_ip);
    put_json_text(line, "method", access->method);
    put_json_text(line, "uri", access->uri);
    put_json_text(line, "http_version", access->http_version);
    put_json_text(line, "protocol", access->protocol);
    put_json_text(line, "host", access->host);
    putf(line, ",\"status\":%d,\"body_size\":%" PRIu64, access->status, access->body_size);
    putf(line, ",\"duration_ns\":%" PRIu64, access->duration_ns);
    put_json_text(line, "user_agent", access->user_agent);
    put_json_text(line, "referer", access->referer);
    put_json_text(line, "request_id", access->request_id);
    put_json_text(line, "error", access->err < 0 ? tc_strerror(access->err) : NULL);
    put(line, "}");
}

static void (*const formats[])(line_t *line, const tc_access_t *access) = {
    [TC_ACCESS_TORNADO] = put_tornado,
    [TC_ACCESS_COMMON] = put_common,
    [TC_ACCESS_COMBINED] = put_combined,
    [TC_ACCESS_JSON] = put_json,
};

static bool is_format(tc_access_format_t format) {
    return (unsigned)format < sizeof formats / sizeof formats[0];
}

size_t tc_access_format(char *out, size_t size, tc_access_format_t format, const tc_access_t *access) {
    line_t line = { out, size, 0 };
    if (access && is_format(format))
        formats[format](&line, access);
    if (size > 0)
        out[line.len < size ? line.len : size - 1] = '\0';
    return line.len;
}

/* ---- Where it goes ---- */

static tc_log_level_t level_of_status(int status) {
    return status < 400 ? TC_LOG_INFO : status < 500 ? TC_LOG_WARNING : TC_LOG_ERROR;
}

void tc_log_access(const tc_access_t *access, void *user_data) {
    (void)user_data;
    tc__log(TC__LOG_ACCESS, level_of_status(access->status), access->request, "%d %s %s (%s) %.2fms", access->status,
            access->method, access->uri, access->remote_ip, (double)access->duration_ns / 1e6);
}

static void write_line(const tc_access_t *access, void *user_data) {
    const tc_application_t *app = user_data;
    char text[TC_ACCESS_LINE_SIZE + 1];
    size_t len = tc_access_format(text, TC_ACCESS_LINE_SIZE, app->access_format, access);
    text[len++] = '\n';
    int saved_errno = errno;
    ssize_t written;
    do
        written = write(app->access_fd, text, len);
    while (written < 0 && errno == EINTR);
    errno = saved_errno;
}

void tc__request_log_access(const tc_request_t *req) {
    uint64_t duration_ns = uv_hrtime() - req->start_ns;
    tc_log_request_fn log_request = req->app->log_request ? req->app->log_request : tc_log_access;
    log_request(
        &(tc_access_t){
            .request = req,
            .method = req->in->method,
            .uri = req->in->uri,
            .http_version = tc_http_version(req),
            .protocol = tc_protocol(req),
            .host = tc_host(req),
            .remote_ip = tc_remote_ip(req),
            .user_agent = tc_header(req, "User-Agent"),
            .referer = tc_header(req, "Referer"),
            .request_id = req->id && *req->id ? req->id : NULL,
            .status = req->status,
            .err = req->end_err,
            .body_size = req->in->method_id == TC__METHOD_HEAD ? 0 : req->body_written,
            .duration_ns = duration_ns,
            .time = (int64_t)time(NULL) - (int64_t)(duration_ns / 1000000000),
        },
        req->app->log_request_data);
}

static int set_log_request(tc_application_t *app, tc_log_request_fn fn, void *user_data) {
    if (atomic_load(&app->frozen))
        return tc__misuse(TC_EBUSY, "the access log cannot change once the application listens");
    app->log_request = fn;
    app->log_request_data = user_data;
    return 0;
}

int tc_application_set_log_request(tc_application_t *app, tc_log_request_fn fn, void *user_data) {
    if (!app)
        return tc__fail(TC_ENOMEM, "the application is NULL: out of memory when it was made");
    return tc__application_keep_error(app, set_log_request(app, fn, user_data));
}

int tc_application_set_access_log(tc_application_t *app, tc_access_format_t format, int fd) {
    if (!app)
        return tc__fail(TC_ENOMEM, "the application is NULL: out of memory when it was made");
    int err = fd < 0 || !is_format(format)
                  ? tc__misuse(TC_EINVAL, "tc_application_set_access_log: no format %d, or no descriptor %d", format,
                               fd)
                  : set_log_request(app, write_line, app);
    if (err == 0) {
        app->access_format = format;
        app->access_fd = fd;
    }
    return tc__application_keep_error(app, err);
}
