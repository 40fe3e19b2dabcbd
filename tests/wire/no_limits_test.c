/* no_limits_test.c - a server whose limits are as large as they can be. */
#include "support/wire.h"

#define HOST "Host: a\r\n\r\n"

static const tc_httpserver_options_t options = {
    .max_request_line = TC_UNLIMITED,
    .max_header_size = TC_UNLIMITED,
    .max_header_count = TC_UNLIMITED,
    .max_trailer_size = TC_UNLIMITED,
    .max_body_size = TC_UNLIMITED,
    .max_output_size = TC_UNLIMITED,
    .output_mark = TC_UNLIMITED,
    .max_connections = TC_UNLIMITED,
    .idle_timeout_ms = TC_FOREVER,
    .header_timeout_ms = TC_FOREVER - 1,
    .body_timeout_ms = TC_FOREVER,
    .write_timeout_ms = TC_FOREVER - 1,
};

static const wire_case_t cases[] = {
    CASE("a request is answered", "RFC 9112 §3", "GET / HTTP/1.1\r\n" HOST, "200", WIRE_OPEN, .core = true),
    CASE("a body is read", "RFC 9112 §6.2", "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HOST "hello", "200",
         WIRE_OPEN, .core = true),
    CASE("chunks are read", "RFC 9112 §7.1",
         "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "5\r\nhello\r\n0\r\n\r\n", "200", WIRE_OPEN,
         .core = true),
    CASE("a long request line is read", "RFC 9112 §3", "GET /$ HTTP/1.1\r\n" HOST, "404", WIRE_OPEN,
         .fill = { "x", 20000 }),
    CASE("a large head is read", "RFC 9110 §5.4", "GET / HTTP/1.1\r\nX: $\r\n" HOST, "200", WIRE_OPEN,
         .fill = { "x", 30000 }),
    CASE("many fields are read", "RFC 9110 §5.4", "GET / HTTP/1.1\r\n$" HOST, "200", WIRE_OPEN,
         .fill = { "X: y\r\n", 3000 }),
    CASE("long extensions and trailers are read", "RFC 9112 §7.1.2",
         "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "5;x=y\r\nhello\r\n0\r\nX: $\r\n\r\n", "200",
         WIRE_OPEN, .fill = { "x", 30000 }),
    CASE("a trailer's name too long to be kept is refused", "RFC 6585 §5",
         "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "0\r\n$: y\r\n\r\n", "431", WIRE_CLOSED,
         .fill = { "x", 66000 }),
    CASE("a field's name too long to be kept is refused", "RFC 6585 §5", "GET / HTTP/1.1\r\n$: y\r\n" HOST, "431",
         WIRE_CLOSED, .fill = { "x", 66000 }),
    CASE("a length of 2^64-1 is still none", "RFC 9110 §8.6",
         "POST /echo HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n" HOST, "413", WIRE_CLOSED),
};

int main(void) {
    return WIRE_RUN("no_limits", cases, &options);
}
