/* wire.c - see wire.h. */
#include "support/wire.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tornadoc/log.h>

#include <openssl/ssl.h>

#include "async/ioloop_internal.h"
#include "support/certificates.h"

static struct {
    tc_ioloop_t *loop;
    tc_httpserver_t *server;
    tc_tls_context_t *tls;     /* NULL: in the clear */
    int errors, lines, probes; /* what the last try logged; how often it reached the handler of /probe */
    size_t tries;
    char last_error[512];
} wire;

/* ---- What came back ---- */

/* Answers may be large: nothing here looks beyond what it has to. */
static const char *find(const char *text, const char *end, const char *what) {
    return memmem(text, (size_t)(end - text), what, strlen(what));
}

static bool same_word(const char *a, const char *b, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[i]))
            return false;
    return true;
}

static const char *find_field(const char *head, const char *end, const char *name, size_t *count) {
    const char *found = NULL;
    size_t len = strlen(name);
    *count = 0;
    for (const char *line = find(head, end, "\r\n"); line && line + 2 < end; line = find(line + 2, end, "\r\n")) {
        if ((size_t)(end - line) < len + 3 || line[2 + len] != ':' || !same_word(line + 2, name, len))
            continue;
        (*count)++;
        for (found = line + 2 + len + 1; *found == ' '; found++)
            continue;
    }
    return found;
}

/* What stands behind it is `*after`: `at`, if there is no number. */
static unsigned long long number(const char *at, const char *end, int base, const char **after) {
    char text[24] = "", *stop;
    memcpy(text, at, (size_t)(end - at) < sizeof(text) - 1 ? (size_t)(end - at) : sizeof(text) - 1);
    unsigned long long value = strtoull(text, &stop, base);
    *after = at + (stop - text);
    return value;
}

/* Behind the empty line; NULL: not yet there. */
static const char *end_of_trailers(const char *at, const char *end) {
    for (;;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            return NULL;
        if (line_end == at + 1 && *at == '\r')
            return line_end + 1;
        at = line_end + 1;
    }
}

/* The end of a chunked body, NULL: not yet there, or `*fault`. */
static const char *end_of_chunks(const char *at, const char *end, const char **fault) {
    for (;;) {
        const char *after;
        if (!memchr(at, '\n', (size_t)(end - at)))
            return NULL;
        unsigned long long len = number(at, end, 16, &after);
        if (after == at || memcmp(after, "\r\n", 2) != 0) {
            *fault = "a chunk without a size";
            return NULL;
        }
        at = after + 2;
        if (len == 0)
            return end_of_trailers(at, end);
        if ((unsigned long long)(end - at) < len + 2)
            return NULL;
        if (memcmp(at + len, "\r\n", 2) != 0) {
            *fault = "a chunk longer than its size";
            return NULL;
        }
        at += len + 2;
    }
}

static bool is_head_token(const char *expected, size_t index) {
    for (; expected && index > 0; index--) {
        expected = strchr(expected, ' ');
        expected = expected ? expected + 1 : NULL;
    }
    return expected && strcspn(expected, " ") == 4 && expected[3] == 'h';
}

const char *wire_parse_one(wire_answers_t *out, const char *at, const char *end, bool eof, bool to_head) {
    const char *head_end = find(at, end, "\r\n\r\n");
    size_t lengths, codings, dates, closes;
    if (end - at >= 13 && (memcmp(at, "HTTP/1.1 ", 9) != 0 || !isdigit((unsigned char)at[9])))
        out->fault = "no status line";
    if (!head_end || out->fault)
        return NULL;
    const char *body = head_end + 4, *after;
    unsigned long long status = number(at + 9, head_end, 10, &after);
    const char *length = find_field(at, head_end + 2, "Content-Length", &lengths);
    find_field(at, head_end + 2, "Transfer-Encoding", &codings);
    find_field(at, head_end + 2, "Date", &dates);
    const char *connection = find_field(at, head_end + 2, "Connection", &closes);
    out->said_close_early = out->said_close_early || out->says_close;
    out->says_close = connection && head_end + 2 - connection >= 7 && memcmp(connection, "close\r\n", 7) == 0;
    bool interim = status < 200, bodiless = interim || status == 204 || status == 304 || to_head;
    if (lengths + codings > 1)
        out->fault = "two kinds of framing";
    else if ((interim || status == 204) && lengths + codings > 0)
        out->fault = "framing where there is no body";
    else if (status == 304 && codings > 0)
        out->fault = "a 304 with chunks";
    else if (!interim && dates != 1)
        out->fault = "not one Date";
    else if (closes > 1)
        out->fault = "two Connection fields";
    if (out->fault || bodiless)
        return body;
    if (codings > 0)
        return end_of_chunks(body, end, &out->fault);
    if (lengths > 0) {
        unsigned long long len = number(length, head_end, 10, &after);
        return (unsigned long long)(end - body) >= len ? body + len : NULL;
    }
    out->to_the_end = true;
    return eof ? end : NULL;
}

void wire_parse(wire_answers_t *out, const char *text, size_t len, bool eof, const char *expected) {
    const char *at = text, *end = text + len;
    memset(out, 0, sizeof(*out));
    while (at && at < end && !out->fault) {
        const char *next = wire_parse_one(out, at, end, eof, is_head_token(expected, out->count));
        if (!next)
            return;
        size_t used = strlen(out->statuses);
        bool to_head = is_head_token(expected, out->count);
        if (used + 8 < sizeof(out->statuses))
            snprintf(out->statuses + used, sizeof(out->statuses) - used, "%s%.3s%s", used ? " " : "", at + 9,
                     to_head ? "h" : "");
        out->count++;
        at = next;
        out->used = (size_t)(at - text);
    }
}

static size_t count_words(const char *text) {
    size_t count = 0;
    for (const char *at = text; *at; at++)
        count += *at != ' ' && (at == text || at[-1] == ' ');
    return count;
}

/* ---- The application ---- */

static int hello(tc_request_t *req) {
    return tc_write(req, "hello");
}

static int probe(tc_request_t *req) {
    wire.probes++;
    return tc_write(req, "probe");
}

static int echo(tc_request_t *req) {
    return tc_write_bytes(req, tc_body(req));
}

static int echo_chunk(tc_request_t *req, tc_bytes_t chunk) {
    return tc_write_bytes(req, chunk);
}

/* The answer begins before the body. */
static int begin_answer(tc_request_t *req) {
    TC_TRY(tc_write(req, "begun"));
    return tc_flush(req);
}

static int echo_chunk_later(tc_request_t *req, tc_bytes_t chunk) {
    tc_write_bytes(req, chunk);
    return tc_then(req, tc_sleep(tc_loop(req), 1), NULL, NULL);
}

static int nothing(tc_request_t *req) {
    (void)req;
    return 0;
}

static int tell(tc_request_t *req) {
    const char *test = tc_header(req, "X-Test");
    return tc_writef(req, "method=%s host=%s uri=%s path=%s query=%s test=[%s] version=%s", tc_method(req),
                     tc_host(req), tc_uri(req), tc_path(req), tc_query(req), test ? test : "(none)",
                     tc_http_version(req));
}

static int client(tc_request_t *req) {
    return tc_writef(req, "client=%s %s", tc_remote_ip(req), tc_protocol(req));
}

static int cookies(tc_request_t *req) {
    return tc_writef(req, "a=%s b=%s", tc_get_cookie(req, "a", "(none)"), tc_get_cookie(req, "b", "(none)"));
}

static int stream(tc_request_t *req) {
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    tc_write(req, "two");
    TC_TRY(tc_flush(req));
    return tc_flush(req); /* with nothing to send: no chunk of size zero */
}

static int counted(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "6");
    return stream(req);
}

static int too_short(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "7");
    return stream(req);
}

static int too_long(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "5");
    return stream(req);
}

static int wrong_length(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "5");
    return tc_write(req, "four");
}

static int bad_length(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "five");
    return tc_write(req, "fives");
}

static int two_lengths(tc_request_t *req) {
    tc_add_header(req, "Content-Length", "5");
    tc_add_header(req, "Content-Length", "6");
    return tc_write(req, "hello");
}

static int huge_length(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "18446744073709551615");
    return tc_write(req, "hello");
}

static int fail_midway(tc_request_t *req) {
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    return TC_EINVAL;
}

static int fail_at_once(tc_request_t *req) {
    (void)req;
    return TC_EINVAL;
}

static int no_content(tc_request_t *req) {
    tc_set_status(req, 204);
    return tc_finish(req);
}

static int no_content_with_length(tc_request_t *req) {
    tc_set_status(req, 204);
    tc_set_header(req, "Content-Length", "0");
    tc_set_header(req, "Transfer-Encoding", "chunked");
    return 0;
}

static int no_content_with_body(tc_request_t *req) {
    tc_set_status(req, 204);
    return tc_write(req, "something");
}

static int not_modified_with_length(tc_request_t *req) {
    tc_set_status(req, 304);
    tc_set_header(req, "Content-Length", "5");
    return 0;
}

static int error_without_page(tc_request_t *req) {
    return tc_http_error(req, 204, NULL);
}

static int switch_protocols(tc_request_t *req) {
    tc_set_status(req, 101);
    return tc_finish(req);
}

static int finish_twice(tc_request_t *req) {
    tc_write(req, "once");
    tc_finish(req);
    tc_write(req, "more");
    return tc_finish(req);
}

static int split_header(tc_request_t *req) {
    tc_set_header(req, "X-Test", "a\r\nX-Evil: 1");
    return tc_write(req, "hello");
}

static int split_location(tc_request_t *req) {
    return tc_redirect(req, "/x\r\nX-Evil: 1", 302);
}

static int redirect(tc_request_t *req) {
    return tc_redirect(req, tc_get_argument(req, "to", "/"), 302);
}

static int show_error(tc_request_t *req) {
    return tc_http_error(req, 404, tc_get_argument(req, "q", ""));
}

static int not_modified(tc_request_t *req) {
    tc_set_status(req, 304);
    tc_set_header(req, "Etag", "\"x\"");
    return 0;
}

static int close_after(tc_request_t *req) {
    tc_set_header(req, "Connection", "close");
    return tc_write(req, "bye");
}

static int own_framing(tc_request_t *req) {
    tc_set_header(req, "Transfer-Encoding", "gzip");
    tc_set_header(req, "Connection", "keep-alive, x");
    tc_set_header(req, "Keep-Alive", "timeout=1");
    return tc_write(req, "hello");
}

static int forbid(tc_request_t *req) {
    return tc_http_error(req, 403, NULL);
}

static int forbid_then(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future;
    (void)arg;
    return tc_http_error(req, 403, NULL);
}

static int forbid_later(tc_request_t *req) {
    return tc_then(req, tc_sleep(tc_loop(req), 1), forbid_then, NULL);
}

static int allow_later(tc_request_t *req) {
    return tc_then(req, tc_sleep(tc_loop(req), 1), NULL, NULL);
}

/* "X-Sum=1 X-Sum=2 ", with the value's NUL looked at. */
static int tell_trailers(tc_request_t *req) {
    const tc_header_field_t *fields;
    size_t count = tc_trailers(req, &fields);
    tc_writef(req, "%zu trailers: ", count);
    for (size_t i = 0; i < count; i++)
        tc_writef(req, "%s=%s ", fields[i].name.data, fields[i].value.data);
    return 0;
}

/* "a=1, f x.txt 5 in a file, m y 3 in memory" */
static int tell_form(tc_request_t *req) {
    const tc_http_file_t *const *files;
    size_t count = tc_get_files(req, NULL, &files);
    tc_writef(req, "a=%s", tc_get_body_argument(req, "a", "-"));
    for (size_t i = 0; i < count; i++)
        tc_writef(req, ", %s %s %u in %s", tc_http_file_field(files[i]), tc_http_file_name(files[i]),
                  (unsigned)tc_http_file_size(files[i]), tc_http_file_path(files[i]) ? "a file" : "memory");
    return 0;
}

/* By the part's name. */
static int choose_sink(tc_request_t *req, tc_http_file_t *part) {
    (void)req;
    switch (tc_http_file_field(part)[0]) {
    case 'm':
        return tc_part_set_sink(part, TC_PART_MEMORY);
    case 'c':
        return tc_part_set_sink(part, TC_PART_CALLBACK);
    case 'd':
        return tc_part_set_sink(part, TC_PART_DISCARD);
    case 's':
        return tc_part_set_max_size(part, 3);
    case 'r':
        return tc_http_error(req, 403, NULL);
    default:
        return 0;
    }
}

static int echo_part(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk) {
    (void)part;
    tc_write_bytes(req, chunk);
    return tc_then(req, tc_sleep(tc_loop(req), 1), NULL, NULL);
}

static int tell_json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    return tc_write(req, "read");
}

static int tell_body(tc_request_t *req) {
    return tc_writef(req, "%u in %s", (unsigned)tc_body_size(req), tc_body_file(req) < 0 ? "memory" : "a file");
}

static int no_trailers_yet(tc_request_t *req, tc_bytes_t chunk) {
    tell_trailers(req);
    return tc_write_bytes(req, chunk);
}

/* Each piece is dealt with later. */
static int no_trailers_yet_later(tc_request_t *req, tc_bytes_t chunk) {
    no_trailers_yet(req, chunk);
    return tc_then(req, tc_sleep(tc_loop(req), 1), NULL, NULL);
}

static int hint(tc_request_t *req) {
    TC_TRY(tc_early_hints(req, "</a.css>; rel=preload; as=style"));
    return tc_early_hints(req, " </b.js>; rel=preload, </c.js>; rel=preload\t");
}

static int hint_and_echo(tc_request_t *req) {
    TC_TRY(hint(req));
    return echo(req);
}

static int hint_when_flushed(tc_request_t *req) {
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    return tc_early_hints(req, "</a.css>") == TC_EBUSY ? tc_write(req, "two") : TC_EINVAL;
}

static int hint_then(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future, (void)arg;
    return hint_and_echo(req);
}

static int hint_later(tc_request_t *req) {
    TC_TRY(hint(req));
    return tc_then(req, tc_sleep(tc_loop(req), 1), hint_then, NULL);
}

static int hint_and_fail(tc_request_t *req) {
    TC_TRY(hint(req));
    return tc_http_error(req, 403, NULL);
}

/* 2,000 bytes, which are 39 by gzip. */
static int page(tc_request_t *req) {
    for (int i = 0; i < 100; i++)
        tc_write(req, "<p>a line of 20 b\n\n\n");
    return 0;
}

static int page_in_pieces(tc_request_t *req) {
    tc_set_trailer(req, "X-Sum", "4000");
    page(req);
    tc_flush(req);
    return page(req);
}

static int page_then_cut(tc_request_t *req) {
    page(req);
    tc_flush(req);
    return TC_EPROTO;
}

static int with_trailers(tc_request_t *req) {
    tc_set_trailer(req, "X-Sum", "1");
    tc_set_trailer(req, "X-Time", "\t20 ms ");
    tc_set_trailer(req, "x-sum", "2");
    return tc_write(req, "hello");
}

static int trailers_and_nothing(tc_request_t *req) {
    return tc_set_trailer(req, "X-Sum", "0");
}

static int trailers_around_a_flush(tc_request_t *req) {
    with_trailers(req);
    TC_TRY(tc_flush(req));
    tc_set_trailer(req, "X-Late", "3");
    return tc_set_trailer(req, "X-Sum", "4");
}

static int trailers_behind_a_flush(tc_request_t *req) {
    tc_set_header(req, "Trailer", "X-Sum");
    TC_TRY(tc_flush(req));
    return with_trailers(req);
}

static int trailers_of_a_counted_body(tc_request_t *req) {
    tc_set_header(req, "Content-Length", "5");
    return with_trailers(req);
}

static int trailers_of_nothing(tc_request_t *req) {
    tc_set_status(req, 204);
    return trailers_and_nothing(req);
}

static int trailers_then_failure(tc_request_t *req) {
    TC_TRY(with_trailers(req));
    return tc_http_error(req, 403, NULL);
}

static int trailers_then_cut(tc_request_t *req) {
    TC_TRY(trailers_around_a_flush(req));
    return TC_EINVAL;
}

static int late_hello_then(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)future;
    (void)arg;
    return tc_write(req, "late");
}

static int late_hello(tc_request_t *req) {
    return tc_then(req, tc_sleep(tc_loop(req), 1), late_hello_then, NULL);
}

static int large(tc_request_t *req) {
    char line[1024];
    memset(line, 'x', sizeof(line));
    for (int i = 0; i < 1024; i++)
        tc_write_bytes(req, tc_bytes(line, sizeof(line)));
    return 0;
}

static int large_header(tc_request_t *req) {
    char value[20000];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    tc_set_header(req, "X-Large", value);
    return tc_write(req, "behind");
}

tc_application_t *wire_application(void) {
    static const struct {
        const char *pattern;
        tc_request_handler_t handler;
    } routes[] = {
        { "/", { .get = hello } },
        { "/probe", { .get = probe } },
        { "/echo", { .any = echo } },
        { "/form", { .body = TC_BODY_FORM, .post = tell_form } },
        { "/form_small", { .body = TC_BODY_FORM, .max_body_size = 57, .post = tell_form } },
        { "/parts",
          { .body = TC_BODY_FORM, .part_begin = choose_sink, .part_received = echo_part, .post = tell_form } },
        { "/form_buffered", { .post = tell_form } },
        { "/json", { .post = tell_json } },
        { "/spooled", { .body = TC_BODY_SPOOL, .post = tell_body } },
        { "/tell", { .any = tell } },
        { "/tell/{rest:*}", { .any = tell } },
        { "/client", { .get = client } },
        { "/cookies", { .get = cookies } },
        { "/streamed", { .body = TC_BODY_STREAM, .data_received = echo_chunk, .post = nothing } },
        { "/at_once",
          { .max_body_size = 10,
            .body = TC_BODY_STREAM,
            .prepare = begin_answer,
            .data_received = echo_chunk,
            .post = nothing } },
        { "/gzip", { .flags = TC_DECOMPRESS, .post = echo } },
        { "/gzip_small", { .flags = TC_DECOMPRESS, .max_body_size = 100, .post = echo } },
        { "/gzip_streamed",
          { .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM, .data_received = echo_chunk, .post = nothing } },
        { "/gzip_slow",
          { .flags = TC_DECOMPRESS, .body = TC_BODY_STREAM, .data_received = echo_chunk_later, .post = nothing } },
        { "/gzip_at_once",
          { .flags = TC_DECOMPRESS,
            .max_body_size = 100,
            .body = TC_BODY_STREAM,
            .prepare = begin_answer,
            .data_received = echo_chunk,
            .post = nothing } },
        { "/small", { .max_body_size = 10, .post = echo } },
        { "/small_streamed",
          { .max_body_size = 10, .body = TC_BODY_STREAM, .data_received = echo_chunk, .post = nothing } },
        { "/no_body", { .body = TC_BODY_REFUSE, .post = echo } },
        { "/stream", { .any = stream } },
        { "/counted", { .any = counted } },
        { "/too_short", { .any = too_short } },
        { "/too_long", { .any = too_long } },
        { "/wrong_length", { .any = wrong_length } },
        { "/bad_length", { .any = bad_length } },
        { "/two_lengths", { .any = two_lengths } },
        { "/huge_length", { .any = huge_length } },
        { "/fail_midway", { .any = fail_midway } },
        { "/fail", { .any = fail_at_once } },
        { "/204", { .any = no_content } },
        { "/204_with_length", { .any = no_content_with_length } },
        { "/204_with_body", { .any = no_content_with_body } },
        { "/304_with_length", { .any = not_modified_with_length } },
        { "/error_204", { .any = error_without_page } },
        { "/101", { .any = switch_protocols } },
        { "/finish_twice", { .any = finish_twice } },
        { "/split_header", { .any = split_header } },
        { "/split_location", { .any = split_location } },
        { "/redirect", { .any = redirect } },
        { "/show_error", { .any = show_error } },
        { "/roomy", { .max_body_size = 1000, .post = echo } },
        { "/304", { .any = not_modified } },
        { "/close", { .any = close_after } },
        { "/own_framing", { .any = own_framing } },
        { "/forbidden", { .admit = forbid, .any = echo } },
        { "/forbidden_later", { .admit = forbid_later, .any = echo } },
        { "/allowed_later", { .admit = allow_later, .any = echo } },
        { "/late", { .any = late_hello } },
        { "/hints", { .any = hint_and_echo } },
        { "/hints_in_admit", { .admit = hint, .any = echo } },
        { "/hints_in_data", { .body = TC_BODY_STREAM, .prepare = hint, .data_received = echo_chunk, .any = hint } },
        { "/hints_when_flushed", { .any = hint_when_flushed } },
        { "/hints_later", { .any = hint_later } },
        { "/hints_and_fail", { .any = hint_and_fail } },
        { "/with_trailers", { .any = with_trailers } },
        { "/trailers_and_nothing", { .any = trailers_and_nothing } },
        { "/trailers_around_a_flush", { .any = trailers_around_a_flush } },
        { "/trailers_behind_a_flush", { .any = trailers_behind_a_flush } },
        { "/trailers_of_a_counted_body", { .any = trailers_of_a_counted_body } },
        { "/trailers_of_nothing", { .any = trailers_of_nothing } },
        { "/trailers_then_failure", { .any = trailers_then_failure } },
        { "/trailers_then_cut", { .any = trailers_then_cut } },
        { "/trailers", { .post = tell_trailers } },
        { "/trailers_streamed", { .body = TC_BODY_STREAM, .data_received = no_trailers_yet, .post = tell_trailers } },
        { "/trailers_later",
          { .body = TC_BODY_STREAM, .data_received = no_trailers_yet_later, .post = tell_trailers } },
        { "/page", { .any = page, .flags = TC_COMPRESS } },
        { "/page_in_pieces", { .any = page_in_pieces, .flags = TC_COMPRESS } },
        { "/page_then_cut", { .any = page_then_cut, .flags = TC_COMPRESS } },
        { "/large", { .any = large } },
        { "/large_header", { .any = large_header } },
    };
    tc_application_t *app = tc_application_new(NULL);
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        tc_application_add(app, routes[i].pattern, &routes[i].handler, NULL);
    return app;
}

/* ---- Running a table ---- */

#define PROBE "GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"

typedef struct {
    const wire_case_t *c;
    char *data;
    size_t len;
} job_t;

static void on_log(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    wire.lines++;
    if (record->level < TC_LOG_ERROR)
        return;
    wire.errors++;
    snprintf(wire.last_error, sizeof(wire.last_error), "%s", record->message);
}

/* `in` with "$" replaced. */
static void make_input(job_t *job) {
    const wire_case_t *c = job->c;
    const char *mark = c->fill.times ? memchr(c->in.data, '$', c->in.len) : NULL;
    size_t before = mark ? (size_t)(mark - c->in.data) : c->in.len, unit = mark ? strlen(c->fill.text) : 0;
    job->len = c->in.len + (mark ? unit * c->fill.times - 1 : 0);
    job->data = malloc(job->len + 1);
    assert_non_null(job->data);
    memcpy(job->data, c->in.data, before);
    if (!mark)
        return;
    char *at = job->data + before;
    for (size_t i = 0; i < c->fill.times; i++, at += unit)
        memcpy(at, c->fill.text, unit);
    memcpy(at, mark + 1, c->in.len - before - 1);
}

void wire_mask_dates(char *text, size_t len) {
    for (char *at = text; (at = memmem(at, (size_t)(text + len - at), "\r\nDate: ", 8)) != NULL;)
        for (at += 8; *at && *at != '\r'; at++)
            *at = '#';
}

#define WRONG(...)                                                \
    do {                                                          \
        print_error(__VA_ARGS__);                                 \
        print_error("\n%.2000s\n", client->in ? client->in : ""); \
        return false;                                             \
    } while (0)

static bool check_content(const wire_case_t *c, const wire_client_t *client) {
    if (c->has && !strstr(client->in, c->has))
        WRONG("`%s` is missing in", c->has);
    if (c->has_not && strstr(client->in, c->has_not))
        WRONG("`%s` stands in", c->has_not);
    if (wire.errors != c->errors)
        WRONG("%d errors were logged, not %d: %s", wire.errors, c->errors, wire.last_error);
    return true;
}

static bool check_cut(const wire_case_t *c, wire_client_t *client) {
    wire_answers_t answers;
    while (!client->eof && !client->reset)
        if (!wire_wait(client, wire.loop))
            WRONG("not cut:");
    wire_parse(&answers, client->in, client->in_len, false, c->answers);
    if (answers.fault || strcmp(answers.statuses, c->answers) != 0)
        WRONG("answers `%s` %s, not `%s`:", answers.statuses, answers.fault ? answers.fault : "", c->answers);
    if (answers.to_the_end && !client->reset)
        WRONG("ended as if it were complete:");
    return check_content(c, client);
}

static bool check_end(const wire_case_t *c, wire_client_t *client, const wire_answers_t *answers) {
    if (answers->said_close_early)
        WRONG("something follows after Connection: close:");
    if (count_words(c->answers) > 0 && answers->says_close != (c->end == WIRE_CLOSED))
        WRONG("the Connection field does not tell the truth:");
    size_t before = client->in_len;
    wire_turn(client, wire.loop);
    wire_turn(client, wire.loop);
    if (client->reset)
        WRONG("reset, where the client was to read:");
    if (client->eof && c->end == WIRE_OPEN)
        WRONG("closed, not open:");
    if (!client->eof) {
        wire_send(client, wire.loop, PROBE, sizeof(PROBE) - 1);
        while (!client->eof && !client->reset && !strstr(client->in + before, "\r\n\r\nprobe"))
            if (!wire_wait(client, wire.loop))
                WRONG("neither open nor closed:");
    }
    bool open = strstr(client->in + before, "\r\n\r\nprobe") != NULL;
    if (open != (c->end == WIRE_OPEN))
        WRONG("%s:", open ? "open, not closed" : "closed, not open");
    if (!open && client->in_len > before)
        WRONG("more than was expected:");
    client->in_len = before;
    client->in[before] = '\0';
    return true;
}

static bool check(const wire_case_t *c, wire_client_t *client) {
    wire_answers_t answers;
    if (c->end == WIRE_CUT)
        return check_cut(c, client);
    for (;;) {
        wire_parse(&answers, client->in, client->in_len, client->eof, c->answers);
        if (answers.fault)
            WRONG("%s:", answers.fault);
        if (answers.count >= count_words(c->answers))
            break;
        if (client->eof || client->reset)
            WRONG("answers `%s`, not `%s`, then %s:", answers.statuses, c->answers,
                  client->eof ? "the end" : "a reset");
        if (!wire_wait(client, wire.loop))
            WRONG("answers `%s`, not `%s`, then nothing:", answers.statuses, c->answers);
    }
    if (strcmp(answers.statuses, c->answers) != 0 || answers.used < client->in_len)
        WRONG("answers `%s`, not `%s`:", answers.statuses, c->answers);
    return check_end(c, client, &answers) && check_content(c, client);
}

/* Send it with pauses every `step` bytes, or one after `split`. Returns what came, for the caller to free; NULL: wrong.
 */
static char *try(const job_t *job, size_t step, size_t split) {
    wire_client_t client;
    wire.errors = wire.probes = 0;
    wire.tries++;
    wire_connect(&client, tc_httpserver_port(wire.server));
    wire_turn(&client, wire.loop);
    for (size_t at = 0; at < job->len;) {
        size_t end = split > at ? split : at + step < job->len ? at + step : job->len;
        wire_send(&client, wire.loop, job->data + at, end - at);
        at = end;
    }
    bool fine = check(job->c, &client);
    char *in = client.in;
    client.in = NULL;
    wire_disconnect(&client);
    while (tc_httpserver_connections(wire.server) > 0)
        tc__ioloop_turn(wire.loop, true);
    if (job->c->end != WIRE_OPEN && wire.probes > 0) {
        print_error("what follows was handled as a request\n");
        fine = false;
    }
    if (!fine) {
        free(in);
        return NULL;
    }
    wire_mask_dates(in, client.in_len);
    return in;
}

static void expect_same(const job_t *job, const char *whole, size_t step, size_t split) {
    char *in = try(job, step, split);
    if (!in)
        fail_msg("sent %s%zu", split ? "split at " : "in steps of ", split ? split : step);
    bool same = job->c->end == WIRE_CUT || strcmp(in, whole) == 0; /* of a cut one, less or more may arrive */
    if (!same)
        print_error("in one piece:\n%s\nelse:\n%s\n", whole, in);
    free(in);
    if (!same)
        fail_msg("sent %s%zu, the answer is another", split ? "split at " : "in steps of ", split ? split : step);
}

/* What comes behind a request that ends the connection is nobody's request: it would be one that a proxy before us has
 * seen as a part of the other. */
static void expect_nothing_behind(const job_t *job, const char *whole) {
    job_t longer = { job->c, malloc(job->len + sizeof(PROBE)), job->len + sizeof(PROBE) - 1 };
    assert_non_null(longer.data);
    memcpy(longer.data, job->data, job->len);
    memcpy(longer.data + job->len, PROBE, sizeof(PROBE) - 1);
    expect_same(&longer, whole, longer.len, 0);
    free(longer.data);
}

static void run_case(void **state) {
    job_t job = { .c = *state };
    make_input(&job);
    char *whole = try(&job, job.len, 0);
    assert_non_null(whole);
    expect_same(&job, whole, 1, 0);
    for (size_t split = 1; job.c->core && !wire.tls && split < job.len; split++)
        expect_same(&job, whole, job.len, split);
    if (job.c->end != WIRE_OPEN)
        expect_nothing_behind(&job, whole);
    free(whole);
    free(job.data);
}

static int stop_server(void **state) {
    (void)state;
    tc_httpserver_free(wire.server);
    while (tc__ioloop_turn(wire.loop, false))
        continue;
    tc_ioloop_free(wire.loop);
    return 0;
}

/* "RFC 9112 §6.3", "CVE-2024-22019", "GHSA-753j-mpmx-qq6g", perhaps among others. */
static bool names_a_rule(const char *rule) {
    const char *rfc = strstr(rule, "RFC "), *cve = strstr(rule, "CVE-");
    if (rfc && isdigit((unsigned char)rfc[4]) && strstr(rfc, " §"))
        return true;
    return (cve && isdigit((unsigned char)cve[4])) || strstr(rule, "GHSA-");
}

int wire_use_tls_of_environment(tc_tls_context_t **out) {
    const char *version = getenv("WIRE_TLS");
    if (!version)
        return 0;
    certificate_t certificate;
    certificate_make(&certificate, NULL, &(certificate_spec_t){ .names = "localhost 127.0.0.1" });
    tc_tls_options_t tls = { .certificate = { .cert = tc_str(certificate.cert_pem),
                                              .key = tc_str(certificate.key_pem) } };
    int err = tc_tls_context_new_server(out, &tls);
    certificate_free(&certificate);
    wire_use_tls(strcmp(version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
    return err;
}

/* A test on a machine that is slow is no slow client. */
static void have_patience(tc_httpserver_options_t *options) {
    uint64_t *times[] = { &options->idle_timeout_ms, &options->header_timeout_ms, &options->body_timeout_ms,
                          &options->write_timeout_ms };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (*times[i] == 0)
            *times[i] = TC_FOREVER;
}

int wire_run(const char *name, const wire_case_t *cases, size_t count, const tc_httpserver_options_t *options) {
    struct CMUnitTest *tests = calloc(count, sizeof(*tests));
    char(*names)[256] = calloc(count, sizeof(*names));
    tc_application_t *app;
    if (!tests || !names)
        return 1;
    for (size_t i = 0; i < count; i++) {
        if (!names_a_rule(cases[i].rule)) {
            print_error("%s: `%s` names no rule\n", cases[i].why, cases[i].rule);
            return 1;
        }
        snprintf(names[i], sizeof(names[i]), "%s (%s)", cases[i].why, cases[i].rule);
        tests[i] = (struct CMUnitTest){ names[i], run_case, NULL, NULL, (void *)(uintptr_t)&cases[i] };
    }
    tc_set_log_callback(on_log, NULL);
    app = wire_application();
    tc_httpserver_options_t server = options ? *options : (tc_httpserver_options_t){ 0 };
    have_patience(&server);
    int err = wire_use_tls_of_environment(&wire.tls);
    server.tls = wire.tls;
    server.handshake_timeout_ms = wire.tls ? TC_FOREVER : 0;
    if (err < 0 || tc_ioloop_new(&wire.loop) < 0 || tc_httpserver_new(&wire.server, wire.loop, app, &server) < 0 ||
        tc_httpserver_listen(wire.server, "127.0.0.1", 0) < 0) {
        print_error("the server does not start: %s\n", tc_error_detail());
        return 1;
    }
    tc_application_free(app);
    int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    print_message("%zu wire cases, sent in %zu ways\n", count, wire.tries);
    stop_server(NULL);
    wire_use_tls(0);
    tc_tls_context_unref(wire.tls);
    free(names);
    free(tests);
    return failed;
}
