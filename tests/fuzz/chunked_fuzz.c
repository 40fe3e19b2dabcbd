/*
 * chunked_fuzz.c - chunked bodies: sizes, extensions and trailers, in arbitrary pieces, behind a head that is good.
 *
 * The first byte of the input says how the body is served, the second how many piece sizes follow it, one byte each;
 * the rest is the body. It is sent whole, byte by byte and in those pieces, and judged each time by a decoder that is
 * written from RFC 9112 section 7.1 and knows nothing of the server: the same bytes, the same end, the same trailers,
 * or a refusal where that has one. Where we are stricter than the grammar, the decoder says so:
 *
 *   - no white space in a chunk line, though a recipient may pass it (BWS)
 *   - no chunk larger than what is left of the body's limit: 413, as soon as its line is complete
 *   - no more than MAX_FRAMING bytes of extensions and trailers, FREE_PER_LINE bytes of each chunk line aside: 431
 *   - no more than MAX_TRAILERS trailers: 431; none that frames a message: 400
 */
#include <string.h>

#include <tornadoc.h>

#include "fuzz/fuzzing.h"
#include "http/httpserver_internal.h"
#include "http/trailer_fields_internal.h"
#include "net/iostream_internal.h"

enum { /* how it is served */
       BUFFERED = 1 << 0,
       SMALL = 1 << 1, /* SMALL_LIMIT bytes of body, no more */
       WAITS = 1 << 2, /* the handler wants a millisecond for each piece that it is given */
       SPENT = 1 << 3  /* an extension before has used up all but LEFT bytes of the budget */
};
enum { SMALL_LIMIT = 64, LEFT = 40, MAX_FRAMING = 16384, FREE_PER_LINE = 12, MAX_TRAILERS = 128, MOST_INPUT = 4096 };

typedef struct {
    uint8_t data[MOST_INPUT + 1];
    size_t len;
} body_t;

/* ---- The decoder ---- */

typedef enum { WHOLE, PART, BAD } verdict_t;

typedef struct {
    const uint8_t *at, *end;
    verdict_t verdict;
    int status;              /* of what is bad */
    bool extended;           /* that is an extension */
    bool frames;             /* a trailer speaks of framing: it may be refused before the section ends */
    uint64_t spent, line;    /* of the budget; bytes since the last chunk line, data aside */
    uint64_t limit;          /* of the body */
    size_t trailers;         /* fields … */
    const uint8_t *trailing; /* … and where they begin */
    body_t body;
} decoder_t;

static bool stop(decoder_t *d, verdict_t verdict, int status) {
    d->verdict = verdict;
    d->status = status;
    return false;
}

static bool peek(decoder_t *d, uint8_t *out) {
    if (d->at == d->end)
        return stop(d, PART, 0);
    *out = *d->at;
    return true;
}

/* Over one byte of framing. */
static bool pass(decoder_t *d) {
    d->at++;
    d->line++;
    uint64_t counted = d->line > FREE_PER_LINE ? d->line - FREE_PER_LINE : 0;
    return d->spent + counted <= MAX_FRAMING || stop(d, BAD, 431);
}

static bool expect(decoder_t *d, uint8_t wanted) {
    uint8_t c;
    if (!peek(d, &c))
        return false;
    return c == wanted ? pass(d) : stop(d, BAD, 400);
}

static bool line_end(decoder_t *d) {
    return expect(d, '\r') && expect(d, '\n');
}

static bool is_tchar(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_text(uint8_t c) {
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool token(decoder_t *d) {
    uint8_t c;
    for (size_t len = 0; peek(d, &c); len++) {
        if (!is_tchar(c))
            return len > 0 || stop(d, BAD, 400);
        if (!pass(d))
            return false;
    }
    return false;
}

static bool quoted_string(decoder_t *d) {
    uint8_t c;
    if (!expect(d, '"'))
        return false;
    while (peek(d, &c) && c != '"') {
        if (c == '\\' && !(pass(d) && peek(d, &c)))
            return false;
        if (!is_text(c))
            return stop(d, BAD, 400);
        if (!pass(d))
            return false;
    }
    return expect(d, '"');
}

static bool extensions(decoder_t *d) {
    uint8_t c;
    while (peek(d, &c)) {
        if (c != ';')
            return true;
        d->extended = true;
        if (!pass(d) || !token(d) || !peek(d, &c))
            return false;
        if (c != '=')
            continue;
        if (!pass(d) || !peek(d, &c) || !(c == '"' ? quoted_string(d) : token(d)))
            return false;
    }
    return false;
}

static bool size_of_chunk(decoder_t *d, uint64_t *out) {
    static const char digits[] = "0123456789abcdefABCDEF";
    uint8_t c;
    *out = 0;
    for (size_t len = 0; peek(d, &c); len++) {
        const char *digit = c ? strchr(digits, c) : NULL;
        if (!digit)
            return len > 0 || stop(d, BAD, 400);
        if (*out >> 60)
            return stop(d, BAD, 400);
        *out = *out * 16 + (uint64_t)(digit - digits - (digit - digits > 15 ? 6 : 0));
        if (!pass(d))
            return false;
    }
    return false;
}

static bool chunk(decoder_t *d, uint64_t *size) {
    if (!size_of_chunk(d, size) || !extensions(d) || !line_end(d))
        return false;
    if (*size > d->limit - d->body.len)
        return stop(d, BAD, 413);
    d->extended = false;
    d->spent += d->line > FREE_PER_LINE ? d->line - FREE_PER_LINE : 0;
    d->line = 0;
    uint64_t left = (uint64_t)(d->end - d->at), n = *size < left ? *size : left;
    MUST(n <= sizeof d->body.data - d->body.len);
    memcpy(d->body.data + d->body.len, d->at, n);
    d->body.len += n;
    d->at += n;
    if (n < *size)
        return stop(d, PART, 0);
    return *size == 0 || line_end(d);
}

static bool trailer(decoder_t *d) {
    const uint8_t *name = d->at;
    uint8_t c;
    if (!token(d) || !expect(d, ':'))
        return false;
    if (tc__trailer_kind(tc_bytes(name, (size_t)(d->at - 1 - name))) == TC__TRAILER_FRAMES)
        d->frames = true;
    while (peek(d, &c) && is_text(c))
        if (!pass(d))
            return false;
    d->trailers++;
    return line_end(d);
}

/* chunked-body = *chunk last-chunk trailer-section CRLF */
static void decode(decoder_t *d) {
    uint64_t size = 1;
    uint8_t c;
    while (size > 0)
        if (!chunk(d, &size))
            return;
    d->trailing = d->at;
    while (peek(d, &c)) {
        if (c == '\r') {
            if (line_end(d))
                stop(d, d->frames || d->trailers > MAX_TRAILERS ? BAD : WHOLE, d->trailers > MAX_TRAILERS ? 431 : 400);
            return;
        }
        if (!trailer(d))
            return;
    }
}

/* ---- The server ---- */

static tc_ioloop_t *loop;
static tc_httpserver_t *server;
static decoder_t decoder; /* what is expected */
static unsigned how;

/* ---- What a handler has seen ---- */

static struct {
    body_t body;
    int begun, complete, ends, probes, err;
} seen;

static int rested(tc_request_t *req, tc_future_t *future, void *arg) {
    (void)req, (void)future, (void)arg;
    return 0;
}

static void take(tc_bytes_t bytes) {
    MUST(bytes.len <= sizeof seen.body.data - seen.body.len);
    if (bytes.len > 0)
        memcpy(seen.body.data + seen.body.len, bytes.data, bytes.len);
    seen.body.len += bytes.len;
}

static int on_chunk(tc_request_t *req, tc_bytes_t chunk) {
    const tc_header_field_t *fields;
    MUST(chunk.len > 0 && seen.complete == 0 && tc_trailers(req, &fields) == 0);
    take(chunk);
    return how & WAITS ? tc_then(req, tc_sleep(NULL, 1), rested, NULL) : 0;
}

/* The next field of the decoder's that may be seen. */
static bool next_trailer(const uint8_t **at, tc_bytes_t *name, tc_bytes_t *value) {
    while (**at != '\r') {
        const uint8_t *colon = memchr(*at, ':', MAX_FRAMING), *end = memchr(colon, '\r', MAX_FRAMING);
        *name = tc_bytes(*at, (size_t)(colon - *at));
        *value = tc__bytes_trim(tc_bytes(colon + 1, (size_t)(end - colon - 1)));
        *at = end + 2;
        if (tc__trailer_kind(*name) == TC__TRAILER_FINE)
            return true;
    }
    return false;
}

static void check_trailers(tc_request_t *req) {
    const tc_header_field_t *fields;
    size_t count = tc_trailers(req, &fields), i = 0;
    const uint8_t *at = decoder.trailing;
    tc_bytes_t name, value;
    for (; next_trailer(&at, &name, &value); i++) {
        MUST(i < count && is_terminated(fields[i].name) && is_terminated(fields[i].value));
        MUST(tc__bytes_equal(fields[i].name, name) && tc__bytes_equal(fields[i].value, value));
    }
    MUST(i == count && tc_headers(req, &fields) == 2);
}

static int on_body(tc_request_t *req) {
    seen.complete++;
    MUST(decoder.verdict == WHOLE);
    if (how & BUFFERED)
        take(tc_body(req));
    check_trailers(req);
    return tc_write(req, "ok");
}

static int on_head(tc_request_t *req) {
    (void)req;
    seen.begun++;
    return 0;
}

static void on_end(tc_request_t *req, int err) {
    (void)req;
    seen.ends++;
    seen.err = err;
}

static int on_probe(tc_request_t *req) {
    seen.probes++;
    return tc_write(req, "ok");
}

static void start(void) {
    tc_set_log_callback(NULL, NULL);
    tc_application_t *app = tc_application_new(NULL);
    tc_request_handler_t handler = { .initialize = on_head, .post = on_body, .on_finish = on_end };
    tc_application_add(app, "/buffered", &handler, NULL);
    handler.body = TC_BODY_STREAM;
    handler.data_received = on_chunk;
    tc_application_add(app, "/streamed", &handler, NULL);
    handler.max_body_size = SMALL_LIMIT;
    tc_application_add(app, "/streamed/small", &handler, NULL);
    handler.body = TC_BODY_BUFFER;
    handler.data_received = NULL;
    tc_application_add(app, "/buffered/small", &handler, NULL);
    tc_application_add(app, "/probe", &(tc_request_handler_t){ .get = on_probe }, NULL);
    MUST(tc__ioloop_new_virtual(&loop) == 0);
    MUST(tc_httpserver_new(&server, loop, app, NULL) == 0);
    tc_application_free(app);
}

/* ---- The client ---- */

typedef struct {
    tc_iostream_t *stream;
    char in[4096];
    size_t len;
    bool eof;
} client_t;

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream;
    client_t *client = self;
    MUST(bytes.len < sizeof client->in - client->len);
    memcpy(client->in + client->len, bytes.data, bytes.len);
    client->len += bytes.len;
    return bytes.len;
}

static void on_nothing(tc_iostream_t *stream, void *self) {
    (void)stream;
    (void)self;
}

static void on_eof(tc_iostream_t *stream, void *self) {
    (void)stream;
    ((client_t *)self)->eof = true;
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream;
    (void)err;
    ((client_t *)self)->stream = NULL;
}

static const tc__stream_sink_t sink = { on_data, on_nothing, on_eof, on_nothing, on_closed };

static void send_bytes(client_t *client, const void *bytes, size_t len) {
    MUST(client->stream != NULL);
    MUST(tc_iostream_write(client->stream, tc_bytes(bytes, len), NULL, NULL) == 0);
    tc__ioloop_advance(loop, 0);
}

static void open_client(client_t *client) {
    tc_iostream_t *server_end;
    memset(client, 0, sizeof *client);
    MUST(tc_iostream_pair(&client->stream, &server_end, loop, NULL) == 0);
    tc__iostream_set_sink(client->stream, &sink, client);
    tc__iostream_resume(client->stream);
    MUST(tc__httpserver_add_stream(server, server_end, &(tc__address_t){ .family = AF_UNIX }) == 0);
}

static void send_head(client_t *client) {
    static char ext[MAX_FRAMING];
    char head[256];
    int len = snprintf(head, sizeof head, "POST /%s%s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                       how & BUFFERED ? "buffered" : "streamed", how & SMALL ? "/small" : "");
    send_bytes(client, head, (size_t)len);
    if (!(how & SPENT))
        return;
    memset(ext, 'x', sizeof ext);
    send_bytes(client, "1;", 2);
    send_bytes(client, ext, MAX_FRAMING - LEFT - 4 + FREE_PER_LINE);
    send_bytes(client, "\r\n!\r\n", 5);
}

static int count_answers(const client_t *client) {
    int count = 0;
    for (const char *at = client->in; (at = strstr(at, "HTTP/1.1 ")); at++)
        count++;
    return count;
}

/* Would the byte where the decoder stopped be beyond the budget? */
static bool is_spent(void) {
    uint64_t line = decoder.line + 1;
    return decoder.spent + (line > FREE_PER_LINE ? line - FREE_PER_LINE : 0) > MAX_FRAMING;
}

static bool is_refused(const client_t *client) {
    int status = atoi(client->in + 9);
    MUST(memcmp(client->in, "HTTP/1.1 ", 9) == 0 && count_answers(client) == 1);
    MUST(strstr(client->in, "Connection: close\r\n") != NULL);
    MUST(client->eof);
    if (decoder.status == 431 || decoder.frames) /* in one piece with it may come what is bad for another reason */
        return status == 400 || status == 413 || status == 431;
    if (decoder.extended &&
        decoder.status == 400) /* a value may be looked at when all of it is there, and counted before */
        return status == 400 || status == 431;
    if (decoder.status == 400 && is_spent()) /* the parser is behind some bytes that it refuses: they are counted */
        return status == 400 || status == 431;
    return status == decoder.status;
}

static void judge(client_t *client) {
    static const char probe[] = "GET /probe HTTP/1.1\r\nHost: a\r\n\r\n";
    MUST(seen.begun == 1);
    MUST(seen.complete == (decoder.verdict == WHOLE));
    if (decoder.verdict == WHOLE) {
        MUST(seen.ends == 1 && seen.err == 0);
        send_bytes(client, probe, sizeof probe - 1);
        MUST(seen.probes == 1 && count_answers(client) == 2 && !client->eof);
        MUST(memcmp(client->in, "HTTP/1.1 200 OK\r\n", 17) == 0);
    } else if (client->len > 0) {
        MUST((decoder.verdict == BAD || decoder.frames) && is_refused(client));
    } else { /* the parser may want to see what follows before it refuses a byte */
        MUST((decoder.verdict == PART || decoder.at + 1 == decoder.end) && seen.ends == 0);
    }
    if (!(how & BUFFERED) || decoder.verdict == WHOLE)
        MUST(seen.body.len == decoder.body.len && memcmp(seen.body.data, decoder.body.data, seen.body.len) == 0);
}

/* `sizes` of the pieces, again and again. */
static void try_pieces(const uint8_t *body, size_t len, const uint8_t *sizes, size_t count) {
    client_t client;
    memset(&seen, 0, sizeof seen);
    open_client(&client);
    send_head(&client);
    for (size_t i = 0; len > 0; i++) {
        size_t n = count == 0 || sizes[i % count] >= len ? len : sizes[i % count] + 1u;
        n = n < len ? n : len;
        send_bytes(&client, body, n);
        body += n;
        len -= n;
        if (client.eof)
            break; /* what it throws away would do no harm */
    }
    tc__ioloop_advance(loop, 10 * 1000);
    judge(&client);
    bool answered = client.len > 0;
    if (client.stream)
        tc_iostream_shutdown(client.stream);
    tc__ioloop_advance(loop, 0);
    MUST(seen.ends == 1 && (seen.err == 0) == answered && (client.len > 0) == answered);
    MUST(tc_httpserver_connections(server) == 0);
    if (client.stream)
        tc_iostream_close(client.stream);
    tc__ioloop_advance(loop, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t one_byte = 0;
    if (!loop)
        start();
    if (size < 2 || size > MOST_INPUT || (size_t)(data[1] & 15) + 2 > size)
        return 0;
    how = data[0];
    const uint8_t *sizes = data + 2, *body = sizes + (data[1] & 15);
    decoder = (decoder_t){ .at = body, .end = data + size, .limit = (size_t)100 * 1024 * 1024 };
    if (how & SMALL)
        decoder.limit = SMALL_LIMIT;
    if (how & SPENT) {
        decoder.spent = MAX_FRAMING - LEFT;
        decoder.line = 2;
        decoder.body.len = 1;
        decoder.body.data[0] = '!';
    }
    decode(&decoder);
    size_t len = decoder.verdict == WHOLE ? (size_t)(decoder.at - body) : (size_t)(data + size - body);
    try_pieces(body, len, NULL, 0);
    try_pieces(body, len, &one_byte, 1);
    if (data[1] & 15)
        try_pieces(body, len, sizes, data[1] & 15);
    return 0;
}
