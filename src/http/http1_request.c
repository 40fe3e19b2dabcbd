/*
 * http1_request.c - what comes in on an HTTP/1.x connection. (Tornado: http1connection, the reading half)
 *
 * llhttp judges every byte, and says where the head ends, what of the body is data, and where the request ends. Once a
 * head is complete and known to be well formed, one pass of our own takes it apart; so nothing has to be kept, moved or
 * joined while it arrives, in however many pieces. The parser never runs foreign code: it stops (HPE_PAUSED) where
 * something is to be told, and goes on after it was told. So nothing can pull the parser from under its own feet.
 *
 * A head that comes in one read is copied once, when it is complete; one that comes in pieces is gathered in the
 * request's arena. Limits count the raw bytes of a phase, for leading empty lines, padding and zeros never reach a
 * callback. Each request has a fresh parser, which ends with it: what follows is the next one's.
 *
 * Checked here, because llhttp accepts it and attacks are made of it: the exact shape of the request line,
 * versions, Host, Transfer-Encoding on 1.0 or with other codings, targets, unknown expectations; and what is in
 * http1_chunks.c.
 */
#include "http/http1_private.h"

#include <assert.h>
#include <string.h>

#include "http/forwarded_internal.h"
#include "util/bytes_internal.h"
#include "util/log_internal.h"
#include "util/unconst_internal.h"

enum {
    MAX_SKIPPED = 8, /* bytes of empty lines before a request */
    FIRST_GATHER = 1024
};

/* ---- Parser callbacks: they only take notes ---- */

static int on_headers_complete(llhttp_t *parser) {
    tc__http1_message_t *message = parser->data;
    message->events |= TC__EVENT_HEAD;
    parser->upgrade = 0; /* no route takes upgrades here: the body, if any, is a body, and requests may follow */
    bool has_body = (parser->flags & F_CHUNKED) || ((parser->flags & F_CONTENT_LENGTH) && parser->content_length > 0);
    if (!has_body)
        return 0; /* the end of the message follows at once: stop there */
    parser->settings = tc__unconst(&tc__http1_body_settings);
    return HPE_PAUSED;
}

int tc__http1_on_message_complete(llhttp_t *parser) {
    tc__http1_message_t *message = parser->data;
    message->events |= TC__EVENT_END;
    return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
    .on_headers_complete = on_headers_complete,
    .on_message_complete = tc__http1_on_message_complete,
};

/* ---- Beginning ---- */

void tc__http1_init_parser(llhttp_t *parser) {
    llhttp_init(parser, HTTP_REQUEST, &head_settings);
}

static tc__http1_message_t *begin_message(tc__http1connection_t *connection) {
    tc__server_request_t *request = tc__server_request_new(tc__http1_loop(connection));
    if (!request)
        return NULL;
    tc__http1_message_t *message = tc__arena_alloc(&request->arena, sizeof *message);
    if (!message) {
        tc__server_request_free(request);
        return NULL;
    }
    tc__zero(&message->request, offsetof(tc__http1_message_t, first_fields) - offsetof(tc__http1_message_t, request));
    tc__headers_use(&request->headers, message->first_fields,
                    sizeof message->first_fields / sizeof message->first_fields[0]);
    tc__http1_local_t *local = tc__ioloop_local(request->loop, TC__LOCAL_HTTP);
    message->parser = local->fresh_parser;
    message->parser.data = message;
    message->request = request;
    message->connection = connection;
    message->length_left = TC__LENGTH_UNKNOWN;
    connection->message = message;
    return message;
}

int tc__http1_gather(tc__http1_message_t *message, tc__gathered_t *text, const char *at, size_t len) {
    if (text->len + len + 1 > text->capacity) {
        size_t capacity = text->capacity ? text->capacity : FIRST_GATHER;
        while (capacity < text->len + len + 1)
            capacity *= 2;
        char *data = tc__arena_alloc(&message->request->arena, capacity);
        if (!data)
            return TC_ENOMEM;
        if (text->data)
            memcpy(data, text->data, text->len);
        text->data = data;
        text->capacity = (uint32_t)capacity;
    }
    assert(text->data);
    memcpy(text->data + text->len, at, len);
    text->len += (uint32_t)len;
    return 0;
}

/* ---- The head: taken apart ---- */

static tc_bytes_t method_name(uint8_t llhttp_method) {
    switch (llhttp_method) {
    case HTTP_GET:
        return tc_bytes("GET", 3);
    case HTTP_POST:
        return tc_bytes("POST", 4);
    default:
        return tc_str(llhttp_method_name((llhttp_method_t)llhttp_method));
    }
}

static tc__method_t method_of(uint8_t llhttp_method) {
    switch (llhttp_method) {
    case HTTP_GET:
        return TC__METHOD_GET;
    case HTTP_HEAD:
        return TC__METHOD_HEAD;
    case HTTP_POST:
        return TC__METHOD_POST;
    case HTTP_PUT:
        return TC__METHOD_PUT;
    case HTTP_DELETE:
        return TC__METHOD_DELETE;
    case HTTP_PATCH:
        return TC__METHOD_PATCH;
    case HTTP_OPTIONS:
        return TC__METHOD_OPTIONS;
    default:
        return TC__METHOD_OTHER;
    }
}

/* "HTTP/1.1", of whatever number: `at` has room for eight bytes. */
static bool is_version(const char *at) {
    return memcmp(at, "HTTP/", 5) == 0 && at[5] >= '0' && at[5] <= '9' && at[6] == '.' && at[7] >= '0' && at[7] <= '9';
}

/*
 * "GET /x HTTP/1.1" to the byte, up to `end`: llhttp passes two spaces, other protocols' names, other versions and
 * none. Puts the target where it belongs. 0, or the status that refuses it.
 */
static int read_request_line(tc__http1_message_t *message, char *line, char *end) {
    tc__server_request_t *request = message->request;
    tc_bytes_t method = method_name(message->parser.method);
    char *target = line + method.len + 1, *version = end - 8;
    if (version - 1 <= target || memcmp(line, method.data, method.len) != 0 || target[-1] != ' ' || version[-1] != ' ')
        return 400;
    if (memcmp(version, "HTTP/1.1", 8) != 0 && memcmp(version, "HTTP/1.0", 8) != 0)
        return is_version(version) ? 505 : 400;
    request->method = method.data;
    request->method_id = method_of(message->parser.method);
    request->http_minor = (uint8_t)(version[7] - '0');
    request->uri = target;
    version[-1] = '\0';
    if (message->parser.method == HTTP_CONNECT)
        return 501;
    if (tc__target_parse(tc_bytes(target, (size_t)(version - 1 - target)), false, &request->target) < 0)
        return 400;
    return request->target.form == TC__TARGET_ASTERISK && request->method_id != TC__METHOD_OPTIONS ? 400 : 0;
}

/* llhttp has seen to it that a name is a token with ":" behind it and that lines end in CRLF and are not folded. */
int tc__http1_read_fields(tc__http1_message_t *message, tc__headers_t *fields, char *at, const char *end) {
    tc__arena_t *arena = &message->request->arena;
    size_t most = message->connection->params->max_header_count;
    while (at < end && *at != '\r') {
        char *colon = memchr(at, ':', (size_t)(end - at));
        char *line_end = colon ? memchr(colon, '\r', (size_t)(end - colon)) : NULL;
        if (!line_end)
            return 400;
        char *value = colon + 1, *value_end = line_end;
        while (*value == ' ' || *value == '\t')
            value++;
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
            value_end--;
        if (fields->count == most)
            return 431;
        if (colon - at > UINT16_MAX)
            return 431;
        if (!tc__headers_append(fields, arena, tc_bytes(at, (size_t)(colon - at)),
                                tc_bytes(value, (size_t)(value_end - value))))
            return 503;
        *colon = '\0';
        *value_end = '\0';
        at = line_end + 2;
    }
    return 0;
}

/* ---- The head: what it says ---- */

/* RFC 9112 section 6.1: one field, exactly "chunked", and never on 1.0. llhttp has refused it beside Content-Length. */
static int check_transfer_encoding(const tc__server_request_t *request) {
    const tc__header_t *field = tc__headers_first(&request->headers, TC__HEADER_TRANSFER_ENCODING);
    if (!field)
        return 0;
    if (request->http_minor == 0 || field->value_len == 0 ||
        tc__headers_repeated(&request->headers, TC__HEADER_TRANSFER_ENCODING))
        return 400;
    return tc__bytes_equal_nocase(tc_bytes(field->value, field->value_len), tc_str("chunked")) ? 0 : 501;
}

/* A server hears the same few hosts all day: the last good one of the loop is not taken apart again. */
static bool parse_host(tc_ioloop_t *loop, tc_bytes_t value, tc_bytes_t *host) {
    tc__http1_local_t *local = tc__ioloop_local(loop, TC__LOCAL_HTTP);
    if (value.len == local->host_len && value.len > 0 && memcmp(value.data, local->host, value.len) == 0) {
        *host = tc_bytes(value.data, local->host_name_len);
        return true;
    }
    int port;
    if (tc__host_parse(value, host, &port) < 0)
        return false;
    if (value.len <= sizeof local->host && host->data == value.data) {
        memcpy(local->host, value.data, value.len);
        local->host_len = value.len;
        local->host_name_len = host->len;
    }
    return true;
}

/* RFC 9112 section 3.2: exactly one Host on 1.1, at most one on 1.0; an absolute target's authority goes before it. */
static int check_host(tc__server_request_t *request) {
    const tc__header_t *field = tc__headers_first(&request->headers, TC__HEADER_HOST);
    if (!field && request->http_minor > 0)
        return 400;
    if (tc__headers_repeated(&request->headers, TC__HEADER_HOST))
        return 400;
    tc_bytes_t host = tc_bytes("", 0), value = field ? tc_bytes(field->value, field->value_len) : host;
    if (field && !parse_host(request->loop, value, &host))
        return 400;
    if (request->target.form == TC__TARGET_ABSOLUTE) {
        value = request->target.authority;
        if (!parse_host(request->loop, value, &host))
            return 400;
    }
    request->host = value;
    request->host_name = host;
    return 0;
}

/* RFC 9110 section 10.1.1. An HTTP/1.0 client's expectation is ignored. */
static int check_expect(tc__http1_message_t *message) {
    tc__server_request_t *request = message->request;
    const tc__header_t *field = tc__headers_first(&request->headers, TC__HEADER_EXPECT);
    if (!field || request->http_minor == 0)
        return 0;
    if (tc__headers_repeated(&request->headers, TC__HEADER_EXPECT) ||
        !tc__bytes_equal_nocase(tc_bytes(field->value, field->value_len), tc_str("100-continue")))
        return 417;
    message->expects_continue = request->content_length != 0;
    return 0;
}

static bool wants_keep_alive(const tc__server_request_t *request) {
    const tc__header_t *field = tc__headers_first(&request->headers, TC__HEADER_CONNECTION);
    if (!field)
        return request->http_minor > 0;
    if (!tc__headers_repeated(&request->headers, TC__HEADER_CONNECTION) &&
        tc__header_id(field->value, field->value_len) == TC__HEADER_KEEP_ALIVE)
        return true; /* what browsers say, and a name that is quickly known */
    if (tc__headers_list_has(&request->headers, TC__HEADER_CONNECTION, "close"))
        return false;
    return request->http_minor > 0 || tc__headers_list_has(&request->headers, TC__HEADER_CONNECTION, "keep-alive");
}

/* Who the client is, as far as trusted proxies tell. */
static void believe_proxies(tc__server_request_t *request, const tc__http1_params_t *params) {
    static tc__log_limit_t limit;
    tc__forwarded_t told;
    tc__forwarded_read(&told, &request->headers, params->trusted_fields, &request->remote, params->trusted);
    if (told.disputed)
        tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, NULL,
                        "a proxy's header fields name different clients or protocols: they are not believed");
    request->remote = told.address;
    if (told.protocol)
        request->is_tls = strcmp(told.protocol, "https") == 0;
}

/* 0, or the status that refuses it. */
static int understand_head(tc__http1_message_t *message, char *head, size_t len) {
    tc__server_request_t *request = message->request;
    const llhttp_t *parser = &message->parser;
    char *line_end = memchr(head, '\r', len);
    if (!line_end)
        return 400;
    request->remote = message->connection->peer;
    request->is_tls = message->connection->is_tls;
    request->start_ms = tc__ioloop_now(request->loop);
    request->content_length = parser->flags & F_CHUNKED ? TC__LENGTH_UNKNOWN : parser->content_length;
    if (request->content_length == TC__LENGTH_UNKNOWN && !(parser->flags & F_CHUNKED))
        return 413; /* 2^64-1 */
    int status = read_request_line(message, head, line_end);
    if (status == 0)
        status = tc__http1_read_fields(message, &request->headers, line_end + 2, head + len);
    if (status != 0 || (status = check_transfer_encoding(request)) != 0 || (status = check_host(request)) != 0 ||
        (status = check_expect(message)) != 0)
        return status;
    if (message->connection->params->trusted)
        believe_proxies(request, message->connection->params);
    message->keep_alive = wants_keep_alive(request);
    return 0;
}

/* ---- Telling the delegate ---- */

/* May the delegate be told more? */
static bool exchange_open(const tc__http1connection_t *connection, const tc__http1_message_t *message) {
    return connection->message == message && connection->state < TC__HTTP1_CLOSING && connection->exchange.delegate &&
           !message->answered;
}

/* Nothing more is given to the delegate, and the client's time stands still, until it resumes. */
static void wait_for_delegate(tc__http1connection_t *connection) {
    connection->message->waiting = true;
    connection->message->waiting_since = tc__ioloop_now(tc__http1_loop(connection));
}

void tc__http1_refuse_rest(tc__http1connection_t *connection, int status, const char *why) {
    tc__http1_message_t *message = connection->message;
    if (message->answered) { /* only its rest was being skipped, for the connection's sake */
        message->persist = false;
        tc__http1_answered(connection);
        return;
    }
    message->keep_alive = false;
    message->events = 0; /* its end, if that is among them, is not the end of a request */
    wait_for_delegate(connection);
    connection->exchange.delegate->refuse(connection->exchange.self, status, why);
}

/* The request is complete. */
static void finish_message(tc__http1connection_t *connection) {
    tc__http1_message_t *message = connection->message;
    message->complete = true;
    tc__http1_enter(connection, TC__HTTP1_REPLY);
    connection->exchange.delegate->finish(connection->exchange.self);
    if (connection->hangup && !connection->told_hangup && exchange_open(connection, message)) {
        connection->told_hangup = true;
        connection->exchange.delegate->client_left(connection->exchange.self);
    }
}

/* A byte now and then is hardly better than silence, and could be kept up for days: one per millisecond is wanted. */
static bool body_too_slow(tc__http1connection_t *connection) {
    tc__http1_message_t *message = connection->message;
    uint64_t now = tc__ioloop_now(tc__http1_loop(connection)), passed = now - message->rate_since;
    if (passed < connection->params->body_timeout_ms)
        return false;
    bool slow = message->body_len - message->rate_from < passed;
    message->rate_since = now;
    message->rate_from = message->body_len;
    return slow;
}

/* The delegate has the head and wants the body. */
static void begin_body(tc__http1connection_t *connection) {
    tc__http1_message_t *message = connection->message;
    if (message->request->content_length != TC__LENGTH_UNKNOWN &&
        message->request->content_length > message->body_limit) {
        tc__http1_refuse_rest(connection, 413, "the body is larger than the limit");
        return;
    }
    if (message->expects_continue && !message->responded && tc__http1_send_continue(connection) < 0)
        tc__http1_cut(connection);
}

static void begin_exchange(tc__http1connection_t *connection) {
    tc__http1_message_t *message = connection->message;
    message->body_limit = connection->params->max_body_size;
    message->rate_since = message->request->start_ms;
    if (message->request->content_length != 0)
        tc__http1_enter(connection, TC__HTTP1_BODY);
    else
        connection->state = TC__HTTP1_BODY; /* complete in a moment: no deadline to move */
    int err = connection->params->delegate->start_request(connection->params->delegate_self, &connection->exchange,
                                                          message->request);
    if (err < 0) {
        tc__http1_refuse(connection, 503, "out of memory");
        return;
    }
    int outcome = connection->exchange.delegate->headers_received(connection->exchange.self, message->request);
    if (!exchange_open(connection, message))
        return;
    if (outcome == TC_DETACH)
        wait_for_delegate(connection);
    else if (message->request->content_length != 0)
        begin_body(connection);
}

static void on_head(tc__http1connection_t *connection, const char *at, size_t len) {
    tc__http1_message_t *message = connection->message;
    if (!message->head.data) {
        char *head = tc__arena_alloc(&message->request->arena, len + 1);
        if (!head) {
            tc__http1_refuse(connection, 503, "out of memory");
            return;
        }
        memcpy(head, at, len);
        message->head.data = head;
    }
    message->head_done = true;
    connection->told_hangup = false;
    int status = understand_head(message, message->head.data, message->head.len);
    if (status != 0)
        tc__http1_refuse(connection, status, "a bad request head");
    else
        begin_exchange(connection);
}

static void on_chunk(tc__http1connection_t *connection) {
    tc__http1_message_t *message = connection->message;
    message->body_len += message->chunk.len;
    if (message->body_len > message->body_limit) {
        tc__http1_refuse_rest(connection, 413, "the body is larger than the limit");
        return;
    }
    if (body_too_slow(connection)) {
        tc__http1_refuse_rest(connection, 408, "the body comes too slowly");
        return;
    }
    if (!tc_iostream_writing(connection->stream)) /* else the deadline is that of the output */
        tc__http1_set_deadline(connection, connection->params->body_timeout_ms);
    int outcome = connection->exchange.delegate->data_received(connection->exchange.self, message->chunk);
    if (outcome == TC_DETACH && exchange_open(connection, message))
        wait_for_delegate(connection);
}

/* Tell what the parser stopped for; nothing more once the exchange waits or is over. */
static void handle_events(tc__http1connection_t *connection) {
    tc__http1_message_t *message = connection->message;
    if (message->answered) { /* skipping the rest of a request that was answered early */
        message->complete = (message->events & TC__EVENT_END) != 0;
        message->events = 0;
        if (message->complete)
            tc__http1_answered(connection);
        return;
    }
    if ((message->events & TC__EVENT_BODY) && exchange_open(connection, message) && !message->waiting) {
        message->events &= ~TC__EVENT_BODY;
        on_chunk(connection);
    }
    if (connection->message == message && (message->events & TC__EVENT_END) && exchange_open(connection, message) &&
        !message->waiting) {
        message->events &= ~TC__EVENT_END;
        finish_message(connection);
    }
}

/* ---- Errors of the parser ---- */

/* Of a first word that is none of the methods; its first `word` bytes were looked at before. */
static int status_of_method(const char *line, size_t word, size_t len, bool ended) {
    while (word < len && tc__is_token(tc_bytes(line + word, 1)))
        word++;
    if (word < len)
        return word > 0 && line[word] == ' ' ? 501 : 400;
    return ended ? 400 : 0;
}

/* Of a last word that is none of the versions. */
static int status_of_version(const char *line, size_t len, bool ended) {
    static const char any[] = "HTTP/0.0";
    const char *word = line + len;
    while (word > line && word[-1] != ' ')
        word--;
    len -= (size_t)(word - line);
    for (size_t i = 0; i < len; i++) {
        bool digit = i == 5 || i == 7;
        if (i >= sizeof any - 1 || (digit ? word[i] < '0' || word[i] > '9' : word[i] != any[i]))
            return 400;
    }
    if (!ended)
        return 0;
    bool spoken = len == 8 && word[5] == '1' && word[7] <= '1';
    return len == 8 && !spoken ? 505 : 400;
}

/* A method that is a token but none we know is 501, a version that is one but not ours 505, everything else 400. 0:
 * that depends on what is still to come of the request line, or would stand beyond its limit. Then it is asked again
 * with what has come, and where that starts: who sends byte by byte does not make us read a line as often as it has
 * bytes. */
static int status_of_error(const tc__http1_params_t *params, llhttp_errno_t error, const char *head, size_t asked,
                           size_t len) {
    if (len > params->max_request_line + 2)
        len = params->max_request_line + 2;
    const char *line_end = memchr(head + asked, '\r', len - asked);
    size_t line_len = line_end ? (size_t)(line_end - head) : len;
    switch (error) {
    case HPE_INVALID_METHOD:
        return status_of_method(head, asked, line_len, line_end != NULL);
    case HPE_INVALID_VERSION:
        return status_of_version(head, line_len, line_end != NULL);
    case HPE_PAUSED_H2_UPGRADE:
        return 505;
    default:
        return 400;
    }
}

/* ---- Parsing ---- */

/* While it arrives: the request line, then the whole, against their limits. */
static bool head_too_large(tc__http1connection_t *connection, const char *head, size_t len) {
    const tc__http1_params_t *params = connection->params;
    if (len > params->max_request_line + 2 && !memchr(head, '\n', params->max_request_line + 2)) {
        tc__http1_refuse(connection, 414, "the request line is longer than the limit");
        return true;
    }
    if (len > params->max_header_size) {
        tc__http1_refuse(connection, 431, "the header block is larger than the limit");
        return true;
    }
    return false;
}

static const char *parse_head(tc__http1connection_t *connection, const char *at, const char *end) {
    tc__http1_message_t *message = connection->message;
    const char *from = at, *head = at; /* parse [from, from + len) of a head that starts at `head` */
    size_t len = (size_t)(end - at), gathered = message->head.len;
    if (message->head.data) { /* one byte beyond the limit is enough to see that it is too large */
        size_t room = connection->params->max_header_size + 1 - gathered;
        len = len < room ? len : room;
        if (tc__http1_gather(message, &message->head, at, len) < 0) {
            tc__http1_refuse(connection, 503, "out of memory");
            return end;
        }
        head = message->head.data;
        from = head + gathered;
    }
    llhttp_errno_t error = llhttp_get_errno(
        &message->parser); /* one that waits for the end of the request line, or none */
    size_t used = len, asked = error == HPE_OK ? 0 : gathered;
    if (error == HPE_OK && (error = llhttp_execute(&message->parser, from, len)) != HPE_OK)
        used = (size_t)(llhttp_get_error_pos(&message->parser) - from);
    if (head_too_large(connection, head, gathered + used))
        return end;
    bool wrong = error != HPE_OK && error != HPE_PAUSED;
    int status = wrong ? status_of_error(connection->params, error, head, asked, gathered + len) : 0;
    if (error != HPE_PAUSED && status == 0) {
        if (error != HPE_OK && head_too_large(connection, head, gathered + len))
            return end;
        if (!message->head.data && tc__http1_gather(message, &message->head, at, len) < 0)
            tc__http1_refuse(connection, 503, "out of memory");
        return at + len;
    }
    if (status != 0) {
        tc__http1_refuse(connection, status, "a bad request head");
        return end;
    }
    llhttp_resume(&message->parser);
    message->head.len = (uint32_t)(gathered + used);
    message->events &= ~TC__EVENT_HEAD;
    on_head(connection, at, used);
    if (connection->message == message)
        handle_events(connection);
    return at + used;
}

static const char *why_refused(int status) {
    switch (status) {
    case 413:
        return "a chunk is larger than the limit of the body";
    case 431:
        return "chunk extensions and trailers are larger than the limit";
    case 503:
        return "out of memory";
    default:
        return "a bad body";
    }
}

static const char *parse_body(tc__http1connection_t *connection, const char *at, const char *end) {
    tc__http1_message_t *message = connection->message;
    message->chunk = tc_bytes(NULL, 0);
    llhttp_errno_t error = llhttp_execute(&message->parser, at, (size_t)(end - at));
    const char *stop = error == HPE_OK ? end : llhttp_get_error_pos(&message->parser);
    int status = tc__http1_take_framing(message, at, stop);
    if (status == 0 && error == HPE_CB_CHUNK_HEADER)
        status = 413;
    else if (status == 0 && error != HPE_OK && error != HPE_PAUSED)
        status = 400;
    if (status != 0) {
        tc__http1_refuse_rest(connection, status, why_refused(status));
        return end;
    }
    if (error == HPE_PAUSED) {
        llhttp_resume(&message->parser);
        handle_events(connection);
    }
    return stop;
}

const char *tc__http1_parse(tc__http1connection_t *connection, const char *at, const char *end) {
    tc__http1_message_t *message = connection->message;
    if (!message) {
        for (; at < end && (*at == '\r' || *at == '\n' || connection->after_cr); at++) {
            bool lone_cr = connection->after_cr && *at != '\n';
            connection->after_cr = *at == '\r';
            if (lone_cr || ++connection->skipped > MAX_SKIPPED) {
                tc__http1_refuse(connection, 400, "empty lines before a request");
                return end;
            }
        }
        if (at == end)
            return end;
        connection->skipped = 0;
        message = begin_message(connection);
        if (!message) {
            tc__http1_refuse(connection, 503, "out of memory");
            return end;
        }
    }
    return message->head_done ? parse_body(connection, at, end) : parse_head(connection, at, end);
}

void tc__http1_resume(tc__exchange_t *exchange) {
    tc__http1connection_t *connection = tc__container_of(exchange, tc__http1connection_t, exchange);
    tc__http1_message_t *message = connection->message;
    if (!message || !message->waiting || message->answered)
        return;
    tc__http1_hold(connection);
    message->waiting = false;
    message->rate_since += tc__ioloop_now(tc__http1_loop(connection)) - message->waiting_since;
    if (!tc_iostream_writing(connection->stream))
        tc__http1_set_deadline(connection, connection->params->body_timeout_ms); /* it did not run meanwhile */
    bool body_begins = message->body_len == 0 && message->request->content_length != 0 && !message->chunk.data;
    if (body_begins)
        begin_body(connection);
    if (connection->message == message)
        handle_events(connection);
    if (!connection->feeding && connection->message == message)
        tc__http1_continue(connection);
    tc__http1_release(connection);
}
