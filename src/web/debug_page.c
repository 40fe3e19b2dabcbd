/*
 * debug_page.c - the error page of an application under development: `.debug`. (Tornado: serve_traceback)
 *
 * It shows what the one who writes the program wants to know: the cause, the route, and the request. HTML goes to those
 * that ask for it, as browsers do; plain text to curl, scripts and everybody else.
 *
 * Most of it is what a client has sent, which may be hostile to whoever looks at the page. So each piece is cut to a
 * length, its control bytes and what is no UTF-8 are written as \xNN, and in HTML it is escaped; the page allows no
 * script, and nobody keeps it. What has a secret's name is hidden, for pages get into screenshots and bug reports: so
 * is a query, whose arguments are listed one by one.
 */
#include "web/request_internal.h"

#include <string.h>
#include <strings.h>

#include <tornadoc/httputil.h>

#include "util/log_internal.h"
#include "web/http_file_internal.h"

enum { MAX_ROWS = 64, MAX_NAME = 64, MAX_VALUE = 256, MAX_TEXT = 1024 };

typedef struct {
    tc_request_t *req; /* which keeps the first failure */
    bool html;
    size_t rows; /* of the section */
} debug_page_t;

/* ---- Pieces ---- */

/* At most `max` bytes, not cut within a character. */
static tc_bytes_t beginning_of(tc_bytes_t text, size_t max) {
    if (text.len <= max)
        return text;
    size_t len = max;
    while (len > max - 3 && ((unsigned char)text.data[len] & 0xc0) == 0x80)
        len--;
    return tc_bytes(text.data, len);
}

static const char *shown(const debug_page_t *page, tc_bytes_t text, size_t max) {
    char printable[4 * MAX_TEXT + 1];
    tc_bytes_t kept = beginning_of(text, max);
    tc__log_escape(printable, sizeof printable, kept);
    const char *whole = tc_sprintf(page->req, "%s%s", printable, kept.len < text.len ? "…" : "");
    if (!whole)
        tc__request_keep_error(page->req, TC_ENOMEM);
    return page->html ? tc_xhtml_escape_alloc(page->req, whole) : whole ? whole : "";
}

static void begin_section(debug_page_t *page, const char *title) {
    tc_writef(page->req, page->html ? "<h2>%s</h2>\n<table>\n" : "\n%s\n", title);
    page->rows = 0;
}

static void end_section(debug_page_t *page) {
    if (page->rows > MAX_ROWS)
        tc_writef(page->req, page->html ? "<tr><td>and %zu more\n" : "  and %zu more\n", page->rows - MAX_ROWS);
    if (page->html)
        tc_write(page->req, "</table>\n");
}

static void add_row(debug_page_t *page, tc_bytes_t name, tc_bytes_t value, size_t max) {
    if (page->rows++ >= MAX_ROWS)
        return;
    const char *left = shown(page, name, MAX_NAME), *right = shown(page, value, max);
    tc_writef(page->req, page->html ? "<tr><th>%s<td>%s\n" : "  %s: %s\n", left, right);
}

/* ---- What is hidden ---- */

static bool contains(tc_bytes_t text, const char *part) {
    size_t len = strlen(part);
    for (size_t i = 0; i + len <= text.len; i++)
        if (strncasecmp(text.data + i, part, len) == 0)
            return true;
    return false;
}

static bool is_secret(tc_bytes_t name) {
    static const char *const parts[] = { "authori", "authent", "cookie",     "credential", "csrf",
                                         "jwt",     "key",     "passphrase", "passwd",     "password",
                                         "pwd",     "secret",  "session",    "token",      "xsrf" };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (contains(name, parts[i]))
            return true;
    return name.len == 4 && contains(name, "pass");
}

static void add_foreign_row(debug_page_t *page, tc_bytes_t name, tc_bytes_t value) {
    if (is_secret(name))
        value = tc_str("(hidden)");
    add_row(page, name, value, MAX_VALUE);
}

/* ---- The sections ---- */

static void show_request(debug_page_t *page) {
    tc_request_t *req = page->req;
    const tc__target_t *target = &req->in->target;
    tc_bytes_t path = beginning_of(target->path, MAX_VALUE);
    const char *line = tc_sprintf(req, "%.32s " TC_FMT "%s%s %s", req->in->method, TC_ARG(path),
                                  path.len < target->path.len ? "…" : "", target->query.data ? "?…" : "",
                                  tc_http_version(req));
    const char *ip = tc_remote_ip(req);
    begin_section(page, "Request");
    add_row(page, tc_str("Request"), tc_str(line ? line : ""), MAX_TEXT);
    add_row(page, tc_str("Route"), tc_str(req->route ? req->route->pattern : "none"), MAX_VALUE);
    if (req->endpoint->name)
        add_row(page, tc_str("Handler"), tc_str(req->endpoint->name), MAX_VALUE);
    add_row(page, tc_str("Client"), tc_str(*ip ? ip : "unknown"), MAX_VALUE);
    if (req->id)
        add_row(page, tc_str("Request id"), tc_str(req->id), MAX_VALUE);
    end_section(page);
}

/* Referer; and what proxies tell of the request: X-Original-URI, X-Rewrite-URL. */
static bool is_address(const tc__header_t *field) {
    tc_bytes_t end = field->name_len > 3 ? tc_bytes(field->name + field->name_len - 3, 3) : tc_bytes("", 0);
    return field->id == TC__HEADER_REFERER || contains(end, "uri") || contains(end, "url");
}

/* Of an address, what stands before its query. */
static void show_headers(debug_page_t *page) {
    const tc__headers_t *headers = &page->req->in->headers;
    begin_section(page, "Header fields");
    for (size_t i = 0; i < headers->count; i++) {
        const tc__header_t *field = &headers->items[i];
        tc_bytes_t value = tc_bytes(field->value, field->value_len);
        const char *query = is_address(field) ? memchr(value.data, '?', value.len) : NULL;
        if (query)
            value.len = (size_t)(query - value.data);
        add_foreign_row(page, tc_bytes(field->name, field->name_len), value);
    }
    end_section(page);
}

static void show_arguments(debug_page_t *page, const char *title, const tc__arguments_t *arguments) {
    if (arguments->count == 0)
        return;
    begin_section(page, title);
    for (size_t i = 0; i < arguments->count; i++)
        add_foreign_row(page, arguments->items[i].name, arguments->items[i].value);
    end_section(page);
}

static void show_files(debug_page_t *page) {
    const tc_request_t *req = page->req;
    if (req->file_count == 0)
        return;
    begin_section(page, "Files");
    for (size_t i = 0; i < req->file_count; i++)
        add_foreign_row(page, tc_str(req->files[i]->field), tc_str(req->files[i]->name));
    end_section(page);
}

/* Arguments are parsed now if nobody has asked for them. What is wrong with them changes nothing any more. */
static void show_input(debug_page_t *page) {
    tc_request_t *req = page->req;
    int kept = req->kept_error;
    (void)tc_get_argument(req, "", NULL);
    req->kept_error = kept;
    show_headers(page);
    show_arguments(page, "Arguments of the query", &req->query_args);
    show_arguments(page, "Arguments of the body", &req->body_args);
    show_files(page);
}

/* ---- The page ---- */

static void set_head(const debug_page_t *page) {
    tc_request_t *req = page->req;
    tc_set_header(req, "Content-Type", page->html ? "text/html; charset=UTF-8" : "text/plain; charset=UTF-8");
    tc_set_header(req, "Cache-Control", "no-store");
    tc_set_header(req, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    tc_set_header(req, "X-Content-Type-Options", "nosniff");
}

static const char html_head[] =
    "<!DOCTYPE html>\n<meta charset=\"UTF-8\">\n<title>%d: %s</title>\n"
    "<style>\n"
    "body { font: 16px sans-serif; margin: 2em }\n"
    "th { text-align: left; vertical-align: top; padding-right: 1em; font-weight: normal; color: #777 }\n"
    "td { overflow-wrap: anywhere }\n"
    "</style>\n"
    "<h1>%d: %s</h1>\n<p id=\"cause\">%s</p>\n";

int tc__request_debug_page(tc_request_t *req, int status) {
    tc_bytes_t accept = tc__headers_join(&req->in->headers, tc__request_arena(req), tc_str("Accept"), ", ");
    debug_page_t page = { .req = req, .html = contains(accept, "text/html") };
    const char *cause = shown(&page, tc_str(req->error_message ? req->error_message : ""), MAX_TEXT);
    set_head(&page);
    if (page.html)
        tc_writef(req, html_head, status, req->reason, status, req->reason, cause);
    else
        tc_writef(req, "%d: %s\n%s%s", status, req->reason, cause, *cause ? "\n" : "");
    show_request(&page);
    show_input(&page);
    tc_writef(req, page.html ? "<p>%s</p>\n" : "\n%s\n", "Shown because the application's debug is on.");
    return req->kept_error;
}
