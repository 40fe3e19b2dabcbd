/*
 * response_fuzz.c - what goes out: a handler that does whatever the input says, to a client that may not read, may fail
 * and may leave.
 *
 * The first byte of the input is for server and client, the next two are the two requests, sent at once; the rest is a
 * script of what the handler of the first and then of the second does, which ends with the script. The handler keeps
 * account of what it did, by what the verbs returned. What the client gets is read twice, by a reader written from
 * RFC 9112 section 6.3 and by llhttp, and compared with the account:
 *
 *   - a complete answer is the handler's, to the byte, or the error page that its failure asked for
 *   - all else is cut, so that no client takes it for the whole, and only for a reason
 *   - every field in a head is one that the handler set or one of the connection's own
 *   - nothing follows an answer that says it is the last
 *   - on_finish runs once, owned memory is freed once, and in the end no memory is left
 */
#include <errno.h>
#include <llhttp.h>
#include <string.h>

#include <tornadoc.h>

#include "fuzz/fuzzing.h"
#include "http/headers_internal.h"
#include "http/httpserver_internal.h"
#include "net/iostream_internal.h"

enum { /* the first byte */
       NO_KEEP_ALIVE = 1 << 0,
       SMALL_OUTPUT = 1 << 1, /* max_output_size is OUTPUT_LIMIT */
       LOW_MARK = 1 << 2,
       NAMELESS = 1 << 3,
       PAUSED = 1 << 4, /* the client begins without reading */
       NARROW = 1 << 5, /* … and takes only a few bytes at once */
       HALF_CLOSED = 1 << 6
};
enum { /* of a request */
       METHOD = 3,
       OLD = 1 << 2, /* HTTP/1.0 */
       CONNECTION = 3 << 3,
       HURRIED = 1 << 5 /* to a route with a timeout */
};
enum { OUTPUT_LIMIT = 65536, WINDOW = 65536, NARROW_WINDOW = 100, MOST_WRITTEN = 300000, MOST_FIELDS = 64 };

/* ---- Memory: counted, and refused once if the script says so ---- */

static size_t live;
static unsigned refuse_after; /* 0: never */
static bool refused;

static bool is_refused(void) {
    if (refuse_after == 0 || --refuse_after > 0)
        return false;
    refused = true;
    return true;
}

static void *count_malloc(size_t size) {
    void *data = is_refused() ? NULL : malloc(size);
    live += data != NULL;
    return data;
}

static void *count_calloc(size_t count, size_t size) {
    void *data = is_refused() ? NULL : calloc(count, size);
    live += data != NULL;
    return data;
}

static void *count_realloc(void *old, size_t size) {
    void *data = is_refused() ? NULL : realloc(old, size);
    live += data != NULL && old == NULL;
    return data;
}

static void count_free(void *data) {
    live--;
    free(data);
}

/* ---- The script ---- */

static const uint8_t *script, *script_end;

static unsigned next(void) {
    return script < script_end ? *script++ : 0;
}

/* Text of up to 31 bytes, NUL behind it. */
static void next_text(char out[32]) {
    size_t len = next() & 31, i = 0;
    for (; i < len && script < script_end; i++)
        out[i] = (char)*script++;
    out[i] = '\0';
}

/* ---- The account of an answer ---- */

typedef struct {
    char *data;
    size_t len, capacity;
} text_t;

static void append(text_t *text, const void *data, size_t len) { /* with a NUL behind it, not counted */
    if (text->len + len >= text->capacity) {
        text->capacity = 2 * (text->len + len) + 1;
        text->data = realloc(text->data, text->capacity);
        MUST(text->data != NULL);
    }
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

typedef struct {
    unsigned shape; /* of its request */
    int begun, ends, err;
    text_t body;   /* accepted */
    size_t sent;   /* of it, when last flushed */
    int status;    /* as set */
    int kept;      /* the first failure of a verb */
    bool head_out; /* flushed */
    bool finished; /* what follows has no effect */
    bool failed;   /* … by a failure, and this is its page: */
    int page;
    bool quiet;     /* … unless the client has sent FIN: what it waited for is not worth a page then */
    bool misframed; /* a flush failed */
    size_t lengths; /* Content-Length fields, the last of which is: */
    char length[32];
    int owned, freed, hints;
    text_t fields;   /* "name: value\n" of all that were ever accepted */
    text_t trailers; /* the same, of those */
} answer_t;

static answer_t answers[2];

static bool is_to_head(const answer_t *a) {
    return (a->shape & METHOD) == 1;
}

/* Is what it writes dropped? A 205 says in its framing that it is empty. */
static bool is_bodiless(const answer_t *a) {
    return is_to_head(a) || a->status == 204 || a->status == 205 || a->status == 304;
}

static void note(answer_t *a, int err) {
    if (err < 0 && err != TC_EBUSY && err != TC_EALREADY && a->kept == 0 && !a->finished)
        a->kept = err;
}

static void fail(answer_t *a, int page) {
    a->finished = true;
    a->failed = true;
    a->page = page;
}

/* Its outcome is in. */
static int end(answer_t *a, int outcome) {
    int effective = outcome ? outcome : a->kept;
    if (a->finished)
        return outcome;
    a->finished = true;
    a->quiet = effective == TC_ECLOSED || effective == TC_ECANCELED || effective == TC_DETACH;
    if (effective != 0)
        fail(a, effective >= 400 && effective <= 599 ? effective : 500);
    return outcome;
}

/* Is its framing not what it announced? */
static bool is_misframed(const answer_t *a) {
    uint64_t announced = 0;
    if (a->misframed)
        return true;
    if (a->lengths != 1)
        return a->lengths > 1;
    size_t digits = strspn(a->length, "0123456789");
    if (digits == 0 || a->length[digits] != '\0' || digits > 19)
        return true;
    announced = strtoull(a->length, NULL, 10);
    return !is_bodiless(a) && announced != a->body.len;
}

/* ---- The world ---- */

typedef struct {
    tc_iostream_t *stream;
    text_t in;
    bool reading, eof;
    int err;
} client_t;

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static tc_iostream_t *server_end;
static client_t client;
static unsigned options;
static bool left;    /* the client sent FIN */
static bool broken;  /* the client left, or a send failed for good */
static bool tight;   /* the system does not take everything at once */
static bool drained; /* the server was told to end */

/* ---- What a handler can do ---- */

static int run(tc_request_t *req, answer_t *a);

static int run_later(tc_request_t *req, tc_future_t *future, void *arg) {
    int err = tc_future_status(future);
    return err < 0 ? end(arg, err) : run(req, arg);
}

static int run_posted(tc_request_t *req, void *arg) {
    return run(req, arg);
}

static int wait_for(tc_request_t *req, answer_t *a, tc_future_t *future) {
    int outcome = tc_then(req, future, run_later, a);
    return outcome == TC_DETACH ? outcome : end(a, outcome);
}

static int wait_for_post(tc_request_t *req, answer_t *a, bool post) {
    tc_deferred_t *token = tc_defer(req);
    if (!token)
        return end(a, TC_ENOMEM);
    if (!post || tc_deferred_post(token, run_posted, a) < 0)
        end(a, TC_DETACH); /* nobody holds it any more */
    tc_deferred_unref(token);
    return TC_DETACH;
}

static void set_status(tc_request_t *req, answer_t *a) {
    static const int known[] = { 200, 201, 204, 206, 304, 404, 500, 100, 101, 199, 599, 600, 0, -1, 205, 999 };
    unsigned which = next();
    int status = which < 16 ? known[which] : 200 + (int)which;
    int err = tc_set_status(req, status);
    note(a, err);
    if (err == 0 && !a->finished)
        a->status = status;
}

static const char *next_name(char own[32]) {
    static const char *const known[] = {
        "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Content-Type", "Date",
        "Server",         "Trailer",           "Set-Cookie", "Upgrade",    "TE",           "X",
        "Location",       "content-length",
    };
    unsigned which = next() & 31;
    if (which < sizeof known / sizeof known[0])
        return known[which];
    next_text(own);
    return own;
}

static const char *next_value(const answer_t *a, char own[32]) {
    static const char *const known[] = { "close", "keep-alive", "chunked", "0", "5", "upgrade", "trailers" };
    unsigned which = next() & 15;
    if (which < sizeof known / sizeof known[0])
        return known[which];
    if (which < 10)
        snprintf(own, 32, "%zu", a->body.len + (which == 9 ? next() : 0)); /* a length that is, or may become true */
    else
        next_text(own);
    return own;
}

static void keep_field(text_t *fields, const char *name, tc_bytes_t value) {
    append(fields, name, strlen(name));
    append(fields, ": ", 2);
    append(fields, value.data, value.len);
    append(fields, "\n", 1);
}

static void change_header(tc_request_t *req, answer_t *a, bool replace) {
    char own_name[32], own_value[32];
    const char *name = next_name(own_name), *value = next_value(a, own_value);
    int err = replace ? tc_set_header(req, name, value) : tc_add_header(req, name, value);
    note(a, err);
    if (err < 0)
        return;
    tc_bytes_t trimmed = tc__bytes_trim(tc_str(value));
    keep_field(&a->fields, name, trimmed);
    if (tc__header_id(name, strlen(name)) != TC__HEADER_CONTENT_LENGTH)
        return;
    a->lengths = replace && a->lengths <= 1 ? 1 : replace ? 1 : a->lengths + 1;
    memcpy(a->length, trimmed.data, trimmed.len);
    a->length[trimmed.len] = '\0';
}

static void clear_header(tc_request_t *req, answer_t *a) {
    char own_name[32];
    const char *name = next_name(own_name);
    int err = tc_clear_header(req, name);
    note(a, err);
    if (err == 0 && tc__header_id(name, strlen(name)) == TC__HEADER_CONTENT_LENGTH)
        a->lengths = 0;
}

static void hint(tc_request_t *req, answer_t *a) {
    char link[32];
    next_text(link);
    int err = tc_early_hints(req, link);
    note(a, err);
    if (err == 0 && !a->finished) {
        keep_field(&a->fields, "Link", tc__bytes_trim(tc_str(link)));
        a->hints++;
    }
}

static void set_trailer(tc_request_t *req, answer_t *a) {
    char own_name[32], own_value[32];
    const char *name = next_name(own_name), *value = next_value(a, own_value);
    int err = tc_set_trailer(req, name, value);
    note(a, err);
    if (err == 0 && !a->finished)
        keep_field(&a->trailers, name, tc__bytes_trim(tc_str(value)));
}

static void free_owned(void *owner) {
    answer_t *a = *(answer_t **)owner;
    a->freed++;
    memset(owner, '#', sizeof a);
    free(owner);
}

static int write_owned(tc_request_t *req, answer_t *a, const char *data, size_t len) {
    char *own = malloc(sizeof a + len);
    MUST(own != NULL);
    memcpy(own, &a, sizeof a);
    memcpy(own + sizeof a, data, len);
    a->owned++;
    return tc_write_owned(req, tc_bytes(own + sizeof a, len), free_owned, own);
}

/* What would be framing, were it not in a body. */
static const char *some_bytes(size_t len) {
    static const char text[] = "0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!\r\n7\r\n";
    static char bytes[64 * 1024 + 256];
    size_t from = next();
    for (size_t i = 0; bytes[0] == '\0' && i < sizeof bytes; i++)
        bytes[i] = i % 61 == 60 ? (char)(i / 61) : text[i % 61 % (sizeof text - 1)];
    MUST(from + len <= sizeof bytes);
    return bytes + from;
}

static void write_some(tc_request_t *req, answer_t *a, unsigned how) {
    unsigned size = next();
    size_t len = size < 192 ? size : (size - 191) * 1024;
    const char *data = some_bytes(len);
    char *copy = malloc(len + 1);
    MUST(copy != NULL);
    memcpy(copy, data, len);
    int err = a->body.len + len > MOST_WRITTEN ? TC_EBUSY
              : how == 0                       ? tc_write_bytes(req, tc_bytes(copy, len))
              : how == 1                       ? tc_write_borrowed(req, tc_bytes(data, len))
              : how == 2                       ? write_owned(req, a, data, len)
                                               : tc_writef(req, "%.*s", (int)strnlen(copy, len), copy);
    len = how == 3 ? strnlen(copy, len) : len;
    memset(copy, '?', len);
    free(copy);
    note(a, err);
    if (err == 0 && !a->finished)
        append(&a->body, data, len);
}

static void flush(tc_request_t *req, answer_t *a) {
    bool first = a->kept == 0;
    int err = tc_flush(req);
    note(a, err);
    if (a->finished || !first)
        return;
    a->misframed = a->misframed || err < 0;
    a->head_out = true;
    a->sent = err < 0 ? a->sent : a->body.len;
}

static void redirect(tc_request_t *req, answer_t *a) {
    char url[32];
    next_text(url);
    int status = (int)next() + 250, err = tc_redirect(req, url, status);
    bool fine = status >= 300 && status <= 399;
    if (a->finished || a->head_out)
        return;
    if (!fine || err == TC_ENOMEM) {
        note(a, err);
    } else if (a->kept == 0) {
        a->finished = true;
        a->status = status;
        a->body.len = 0;
    } else {
        fail(a, 500);
    }
}

static void send_error(tc_request_t *req, answer_t *a) {
    int status = 390 + (int)next();
    if (tc_send_error(req, status) == 0 && !a->finished)
        fail(a, status);
}

static int http_error(tc_request_t *req, answer_t *a) {
    char message[32];
    next_text(message);
    int outcome = tc_http_error(req, 390 + (int)next(), message);
    return end(a, outcome);
}

static int fail_somehow(answer_t *a) {
    static const int outcomes[] = { TC_EINVAL, TC_ECLOSED, TC_ECANCELED, TC_ENOMEM, 7, 399, 600, 404, 599, -1 };
    return end(a, outcomes[next() % 10]);
}

/* ---- What the client can do meanwhile ---- */

static void break_sending(void) {
    static const int errs[] = { -EPIPE, -ECONNRESET, -EAGAIN, -ETIMEDOUT };
    unsigned which = next() & 3;
    if (tc_iostream_closed(server_end))
        return;
    tc__memory_fail_send(server_end, errs[which]);
    broken = broken || errs[which] != -EAGAIN;
    tight = true;
}

static void let_read(bool reading, size_t window) {
    if (!client.stream)
        return;
    client.reading = reading;
    tight = tight || !reading || window < WINDOW;
    tc__memory_set_window(client.stream, window);
    if (reading)
        tc__iostream_resume(client.stream);
    else
        tc__iostream_pause(client.stream);
}

static void leave(void) {
    broken = true;
    if (client.stream)
        tc__iostream_abort(client.stream);
}

static void half_close(void) {
    left = true;
    if (client.stream)
        tc_iostream_shutdown(client.stream);
}

static void drain(void) {
    drained = true;
    (void)!tc_httpserver_drain(server, 1000 * 1000, NULL, NULL);
}

/* ---- The handler ---- */

static int run(tc_request_t *req, answer_t *a) {
    while (script < script_end) {
        unsigned op = next() & 31;
        switch (op) {
        case 0:
            return end(a, 0);
        case 1:
            set_status(req, a);
            break;
        case 2:
        case 3:
            change_header(req, a, op == 2);
            break;
        case 4:
            clear_header(req, a);
            break;
        case 5:
        case 6:
        case 7:
        case 8:
            write_some(req, a, op - 5);
            break;
        case 9:
            flush(req, a);
            break;
        case 10:
            (void)!tc_finish(req);
            end(a, 0);
            break;
        case 11:
            return fail_somehow(a);
        case 12:
            send_error(req, a);
            break;
        case 13:
            redirect(req, a);
            break;
        case 14:
            return wait_for(req, a, tc_sleep(NULL, next() & 15));
        case 15:
            return wait_for_post(req, a, next() & 1);
        case 16:
            return wait_for(req, a, tc_drained(req));
        case 17:
            return http_error(req, a);
        case 18:
            let_read(false, WINDOW);
            break;
        case 19:
            let_read(true, next() & 1 ? WINDOW : NARROW_WINDOW);
            break;
        case 20:
            break_sending();
            break;
        case 21:
            leave();
            break;
        case 22:
            half_close();
            break;
        case 23:
            drain();
            break;
        case 24:
            refuse_after = next() + 1;
            break;
        case 25:
            (void)tc_writable(req);
            (void)tc_closed(req);
            break;
        case 26:
            hint(req, a);
            break;
        case 27:
            set_trailer(req, a);
            break;
        default:
            break;
        }
    }
    return end(a, 0);
}

static answer_t *of(tc_request_t *req) {
    return &answers[tc_path(req)[1] == '1'];
}

static int begin(tc_request_t *req) {
    answer_t *a = of(req);
    a->begun++;
    return 0;
}

static int handle(tc_request_t *req) {
    return run(req, of(req));
}

static void on_finish(tc_request_t *req, int err) {
    answer_t *a = of(req);
    a->ends++;
    a->err = err;
    if (err == TC_ETIMEDOUT) /* its outcome, if it comes, is too late */
        fail(a, 503);
    (void)!tc_write(req, "late"); /* for nobody */
}

static void start(void) {
    tc_request_handler_t handler = { .initialize = begin, .any = handle, .on_finish = on_finish };
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/0", &handler, NULL);
    tc_application_add(app, "/1", &handler, NULL);
    handler.timeout_ms = 20;
    tc_application_add(app, "/0/hurried", &handler, NULL);
    tc_application_add(app, "/1/hurried", &handler, NULL);
    MUST(tc__ioloop_new_virtual(&loop) == 0);
    tc_httpserver_options_t server_options = { .no_keep_alive = options & NO_KEEP_ALIVE };
    server_options.max_output_size = options & SMALL_OUTPUT ? OUTPUT_LIMIT : 0;
    server_options.output_mark = options & LOW_MARK ? 1000 : 0;
    server_options.server_name = options & NAMELESS ? "" : NULL;
    MUST(tc_httpserver_new(&server, loop, app, &server_options) == 0);
    tc_application_free(app);
}

/* ---- The client ---- */

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream, (void)self;
    append(&client.in, bytes.data, bytes.len);
    return bytes.len;
}

static void on_nothing(tc_iostream_t *stream, void *self) {
    (void)stream, (void)self;
}

static void on_eof(tc_iostream_t *stream, void *self) {
    (void)stream, (void)self;
    client.eof = true;
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream, (void)self;
    client.stream = NULL;
    client.err = err;
    broken = broken || (err < 0 && !client.reading); /* a reset: what it had not read is lost */
}

static const tc__stream_sink_t sink = { on_data, on_nothing, on_eof, on_nothing, on_closed };

static void request(unsigned number) {
    static const char *const methods[] = { "GET", "HEAD", "POST", "OPTIONS" };
    static const char *const wishes[] = { "", "Connection: close\r\n", "Connection: keep-alive\r\n",
                                          "Connection: te, close\r\n" };
    char text[256];
    unsigned shape = answers[number].shape;
    bool has_body = (shape & METHOD) == 2;
    int len = snprintf(text, sizeof text, "%s /%u%s HTTP/1.%d\r\nHost: a\r\n%s%s\r\n%s", methods[shape & METHOD],
                       number, shape & HURRIED ? "/hurried" : "", shape & OLD ? 0 : 1,
                       wishes[(shape & CONNECTION) >> 3], has_body ? "Content-Length: 5\r\n" : "",
                       has_body ? "hello" : "");
    MUST(tc_iostream_write(client.stream, tc_bytes(text, (size_t)len), NULL, NULL) == 0);
}

static void connect_client(void) {
    tc__address_t peer = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };
    MUST(tc_iostream_pair(&client.stream, &server_end, loop, NULL) == 0);
    tc__iostream_set_sink(client.stream, &sink, &client);
    tc_iostream_ref(server_end);
    let_read(!(options & PAUSED), options & NARROW ? NARROW_WINDOW : WINDOW);
    MUST(tc__httpserver_add_stream(server, server_end, &peer) == 0);
    request(0);
    request(1);
    if (options & HALF_CLOSED)
        half_close();
}

/* ---- The reader ---- */

typedef struct {
    int status;
    bool complete, to_the_end, says_close, says_keep_alive, chunked;
    size_t lengths, length, trailers;
    text_t body; /* as far as it came */
} reply_t;

static bool takes(const char **at, const char *stop, const char *text) {
    size_t len = strlen(text);
    if ((size_t)(stop - *at) < len || memcmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool is_named(tc_bytes_t name, const char *text) {
    return tc__bytes_equal_nocase(name, tc_str(text));
}

/* A name that is set again keeps the letters of the first time. */
static bool is_same_field(tc_bytes_t a, tc_bytes_t b) {
    const char *colon = memchr(a.data, ':', a.len);
    size_t name = colon ? (size_t)(colon - a.data) : 0;
    return a.len == b.len && tc__bytes_equal_nocase(tc_bytes(a.data, name), tc_bytes(b.data, name)) &&
           memcmp(a.data + name, b.data + name, a.len - name) == 0;
}

/* Did the handler set it? */
static bool is_among(const text_t *fields, tc_bytes_t line) {
    const char *at = fields->data, *stop = at ? at + fields->len : NULL;
    for (const char *newline; at < stop; at = newline + 1) {
        newline = memchr(at, '\n', (size_t)(stop - at));
        if (is_same_field(tc_bytes(at, (size_t)(newline - at)), line))
            return true;
    }
    return false;
}

static void read_field(reply_t *reply, const answer_t *a, tc_bytes_t line) {
    static const char *const ours[] = { "Server", "Date", "Content-Type", "Content-Length", "Allow", "Location" };
    const char *colon = memchr(line.data, ':', line.len);
    MUST(colon != NULL && colon[1] == ' ');
    tc_bytes_t name = tc_bytes(line.data, (size_t)(colon - line.data));
    tc_bytes_t value = tc_bytes(colon + 2, line.len - name.len - 2);
    bool known = is_among(&a->fields, line);
    MUST(tc__is_token(name) && tc__is_field_value(value));
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        known = known || is_named(name, ours[i]);
    if (is_named(name, "Transfer-Encoding")) {
        MUST(tc__bytes_equal(value, tc_str("chunked")) && !reply->chunked);
        reply->chunked = known = true;
    }
    if (is_named(name, "Trailer"))
        known = known || a->trailers.len > 0;
    if (is_named(name, "Connection")) {
        reply->says_close = tc__bytes_equal(value, tc_str("close"));
        reply->says_keep_alive = tc__bytes_equal(value, tc_str("keep-alive"));
        MUST(reply->says_close != reply->says_keep_alive);
        known = true;
    }
    if (is_named(name, "Content-Length")) {
        reply->lengths++;
        reply->length = strtoull(value.data, NULL, 10);
        MUST(value.len > 0 && strspn(value.data, "0123456789") == value.len);
    }
    MUST(known);
}

/* Over 103 (Early Hints), which HTTP/1.0 does not know: behind them. */
static const char *read_hints(const answer_t *a, const char *at, const char *stop) {
    static const char line[] = "HTTP/1.1 103 Early Hints\r\nLink: ";
    for (int i = 0; takes(&at, stop, line); i++) {
        const char *link = at - 6, *end = memmem(at, (size_t)(stop - at), "\r\n\r\n", 4);
        MUST(i < a->hints && !(a->shape & OLD));
        if (!end)
            return stop;
        MUST(is_among(&a->fields, tc_bytes(link, (size_t)(end - link))));
        at = end + 4;
    }
    return at;
}

/* Behind the head; NULL: it is not all here. */
static const char *read_head(reply_t *reply, const answer_t *a, const char *at, const char *stop) {
    if (stop - at < 13 || !memmem(at, (size_t)(stop - at), "\r\n\r\n", 4))
        return NULL;
    MUST(takes(&at, stop, "HTTP/1.1 "));
    reply->status = atoi(at);
    MUST(reply->status >= 200 && reply->status <= 599 && at[3] == ' ');
    at = (const char *)memchr(at, '\r', (size_t)(stop - at)) + 2;
    while (*at != '\r') {
        const char *line_end = memchr(at, '\r', (size_t)(stop - at));
        MUST(line_end[1] == '\n');
        read_field(reply, a, tc_bytes(at, (size_t)(line_end - at)));
        at = line_end + 2;
    }
    MUST(at[1] == '\n');
    MUST(reply->lengths <= 1 && !(reply->lengths && reply->chunked));
    MUST(!(reply->chunked && (a->shape & OLD)));
    MUST(reply->status != 204 || (!reply->lengths && !reply->chunked));
    MUST(reply->status != 304 || !reply->chunked);
    return at + 2;
}

static const char *read_trailers(reply_t *reply, const answer_t *a, const char *at, const char *stop) {
    while (!takes(&at, stop, "\r\n")) {
        const char *line_end = memmem(at, (size_t)(stop - at), "\r\n", 2);
        if (!line_end)
            return stop;
        MUST(is_among(&a->trailers, tc_bytes(at, (size_t)(line_end - at))));
        reply->trailers++;
        at = line_end + 2;
    }
    reply->complete = true;
    return at;
}

static const char *read_chunks(reply_t *reply, const answer_t *a, const char *at, const char *stop) {
    for (;;) {
        const char *line_end = memmem(at, (size_t)(stop - at), "\r\n", 2);
        if (!line_end)
            return stop;
        char *digits_end;
        size_t len = strtoull(at, &digits_end, 16);
        MUST(digits_end == line_end && at < line_end);
        at = line_end + 2;
        if (len == 0)
            return read_trailers(reply, a, at, stop);
        size_t n = len < (size_t)(stop - at) ? len : (size_t)(stop - at);
        append(&reply->body, at, n);
        at += n;
        if (stop - at < 2)
            return stop;
        MUST(takes(&at, stop, "\r\n"));
    }
}

/* Read one answer; returns what is behind it. */
static const char *read_reply(reply_t *reply, const answer_t *a, const char *at, const char *stop) {
    memset(reply, 0, sizeof *reply);
    at = read_hints(a, at, stop);
    const char *body = read_head(reply, a, at, stop);
    if (!body)
        return stop;
    size_t here = (size_t)(stop - body);
    if (is_to_head(a) || reply->status == 204 || reply->status == 304) {
        reply->complete = true;
        return body;
    }
    if (reply->chunked)
        return read_chunks(reply, a, body, stop);
    reply->to_the_end = !reply->lengths;
    if (reply->lengths)
        here = here < reply->length ? here : reply->length;
    append(&reply->body, body, here);
    reply->complete = reply->lengths ? here == reply->length : client.eof && client.err == 0;
    return body + here;
}

/* ---- llhttp reads the same ---- */

typedef struct {
    size_t complete, body_len;
} second_t;

static int on_head_complete(llhttp_t *parser) {
    const second_t *second = parser->data;
    return second->complete < 2 && is_to_head(&answers[second->complete]) ? 1 : 0;
}

static int on_body_bytes(llhttp_t *parser, const char *at, size_t len) {
    (void)at;
    ((second_t *)parser->data)->body_len += len;
    return 0;
}

static int on_message_complete(llhttp_t *parser) {
    ((second_t *)parser->data)->complete += parser->status_code >= 200;
    return 0;
}

static void read_again(size_t complete, size_t body_len, bool ends) {
    static const llhttp_settings_t settings = { .on_headers_complete = on_head_complete,
                                                .on_body = on_body_bytes,
                                                .on_message_complete = on_message_complete };
    llhttp_t parser;
    second_t second = { 0, 0 };
    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = &second;
    llhttp_errno_t error = llhttp_execute(&parser, client.in.data ? client.in.data : "", client.in.len);
    MUST(error == HPE_OK);
    if (ends)
        MUST(llhttp_finish(&parser) == HPE_OK);
    MUST(second.complete == complete && second.body_len == body_len);
}

/* ---- The judge ---- */

/* Is it cut, or never given? */
static bool is_cut(const answer_t *a) {
    return broken || refused || (left && a->quiet) || (a->failed && a->head_out) || (!a->failed && is_misframed(a)) ||
           a->misframed || ((options & SMALL_OUTPUT) && a->body.len > OUTPUT_LIMIT / 2);
}

/* May it be missing, or not all here? With the one behind it, what the system had not taken yet is cut as well. */
static bool has_reason(const answer_t *a) {
    return is_cut(a) || (tight && a == &answers[0] && answers[1].begun && is_cut(&answers[1]));
}

static void check_page(const reply_t *reply, const answer_t *a) {
    char title[32];
    snprintf(title, sizeof title, "<html><title>%d: ", a->page);
    MUST(reply->status == a->page || refused);
    MUST(reply->trailers == 0);
    MUST(is_to_head(a) || refused ||
         (reply->body.len > strlen(title) && memcmp(reply->body.data, title, strlen(title)) == 0));
}

static void check_reply(const reply_t *reply, const answer_t *a) {
    bool dropped = is_bodiless(a);
    size_t whole = dropped ? 0 : a->body.len;
    if (reply->status == 0) { /* not even a head */
        MUST(has_reason(a));
        return;
    }
    if (a->begun == 0) { /* the connection's own 503 */
        MUST(refused && reply->status == 503);
        return;
    }
    if (a->failed && !a->head_out) {
        MUST(reply->complete || has_reason(a));
        if (reply->complete)
            check_page(reply, a);
        return;
    }
    MUST(reply->status == a->status);
    MUST(reply->body.len <= whole &&
         memcmp(reply->body.data ? reply->body.data : "", a->body.data ? a->body.data : "", reply->body.len) == 0);
    if (!reply->complete) {
        MUST(has_reason(a));
    } else if (a->failed || is_misframed(a)) { /* too late: what it had announced was out */
        MUST(dropped || (reply->lengths && reply->length == a->sent));
    } else {
        MUST(reply->body.len == whole);
        MUST(!reply->chunked || (reply->trailers > 0) == (a->trailers.len > 0));
    }
}

static void judge(void) {
    const char *at = client.in.data ? client.in.data : "", *stop = at + client.in.len;
    size_t complete = 0, body_len = 0;
    bool last = false, to_the_end = false;
    reply_t reply;
    for (int i = 0; i < 2 && !last; i++) {
        const answer_t *a = &answers[i];
        at = read_reply(&reply, a, at, stop);
        check_reply(&reply, a);
        MUST(!reply.complete || a->err == 0 || has_reason(a) || a->err == TC_ETIMEDOUT);
        MUST(a->ends == 0 || a->err != 0 || reply.complete || has_reason(a));
        complete += reply.complete;
        body_len += reply.body.len;
        bool persists = a->shape & OLD ? reply.says_keep_alive : !reply.says_close;
        last = !reply.complete || !persists || reply.to_the_end || ((has_reason(a) || drained) && at == stop);
        to_the_end = reply.complete && reply.to_the_end;
        if (i == 0 && reply.complete && !persists)
            MUST(answers[1].begun == 0);
        free(reply.body.data);
    }
    MUST(at == stop);
    read_again(complete, body_len, to_the_end);
}

static bool is_under_way(void) {
    return answers[0].begun > answers[0].ends || answers[1].begun > answers[1].ends;
}

static void play(void) {
    start();
    connect_client();
    tc__ioloop_advance(loop, 0);
    for (int i = 0; i < 10000 && (i < 3 || is_under_way()); i++) {
        if (script == script_end)
            refuse_after = 0;
        let_read(true, WINDOW);
        tc__ioloop_advance(loop, 1000);
    }
    MUST(!is_under_way());
    let_read(true, WINDOW); /* the last that a handler did may be to stop it */
    tc__ioloop_advance(loop, 0);
    if (client.stream)
        tc_iostream_shutdown(client.stream);
    tc__ioloop_advance(loop, 100 * 1000);
    MUST(tc_httpserver_connections(server) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool counting;
    if (!counting) {
        MUST(tc_set_allocator(&(tc_allocator_t){ count_malloc, count_calloc, count_realloc, count_free }) == 0);
        tc_set_log_callback(NULL, NULL);
        counting = true;
    }
    if (size < 3)
        return 0;
    memset(answers, 0, sizeof answers);
    memset(&client, 0, sizeof client);
    left = broken = tight = drained = refused = false;
    refuse_after = 0;
    options = data[0];
    for (int i = 0; i < 2; i++) {
        answers[i].shape = data[1 + i];
        answers[i].status = 200;
    }
    script = data + 3;
    script_end = data + size;
    size_t before = live;
    play();
    judge();
    if (client.stream)
        tc_iostream_close(client.stream);
    tc__ioloop_advance(loop, 0);
    tc_httpserver_free(server);
    tc_iostream_unref(server_end);
    tc_ioloop_free(loop);
    MUST(live == before);
    free(client.in.data);
    for (int i = 0; i < 2; i++) {
        MUST(answers[i].begun <= 1 && answers[i].ends == answers[i].begun && answers[i].owned == answers[i].freed);
        free(answers[i].body.data);
        free(answers[i].fields.data);
        free(answers[i].trailers.data);
    }
    return 0;
}
