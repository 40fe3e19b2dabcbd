/* pipelined_test.c - a server that reads a few bytes at a time: what is sent ahead waits, and nothing else changes. */
#include "support/wire.h"

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST "\r\n"
#define LATE "GET /late HTTP/1.1\r\n" HOST "\r\n"
#define NEXT "GET /tell/next HTTP/1.1\r\n" HOST "\r\n"

static const tc_httpserver_options_t options = { .max_pipelined_size = 16 };

static const wire_case_t cases[] = {
    CASE("a request is read in small pieces", "RFC 9112 §3", GET, "200", WIRE_OPEN, .core = true),
    CASE("pipelined requests are answered in order", "RFC 9112 §9.3.2", LATE NEXT LATE NEXT, "200 200 200 200",
         WIRE_OPEN, .core = true),
    CASE("many pipelined requests are answered", "RFC 9112 §9.3.2", LATE "$" LATE,
         "200 200 200 200 200 200 200 200 200 200 200 200", WIRE_OPEN, .fill = { NEXT, 10 }),
    CASE("a large body is read in small pieces", "RFC 9112 §6.2",
         "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n$", "200", WIRE_OPEN,
         .fill = { "0123456789", 2000 }),
    CASE("chunks and trailers are read in small pieces", "RFC 9112 §7.1",
         "POST /trailers_later HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\nX-Sum: 12345678901234567890\r\n\r\n" NEXT,
         "200 200", WIRE_OPEN, .has = "1 trailers: X-Sum=12345678901234567890 ", .core = true),
    CASE("a bad request behind a good one is refused", "RFC 9112 §9.3.2", LATE "GET  / HTTP/1.1\r\n\r\n" NEXT,
         "200 400", WIRE_CLOSED, .core = true),
    CASE("a large head is read in small pieces", "RFC 9110 §5.4", "GET / HTTP/1.1\r\n" HOST "X: $\r\n\r\n" NEXT,
         "200 200", WIRE_OPEN, .fill = { "0123456789", 1000 }),
    CASE("a head beyond the limit is refused", "RFC 6585 §5", "GET / HTTP/1.1\r\n" HOST "X: $\r\n\r\n", "431",
         WIRE_CLOSED, .fill = { "0123456789", 7000 }),
    CASE("what follows close is thrown away", "RFC 9112 §9.6", "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n$",
         "200", WIRE_CLOSED, .fill = { "0123456789", 2000 }),
    CASE("what follows a handler's close is thrown away", "RFC 9112 §9.6", "GET /close HTTP/1.1\r\n" HOST "\r\n$",
         "200", WIRE_CLOSED, .fill = { "0123456789", 2000 }),
};

int main(void) {
    return WIRE_RUN("pipelined", cases, &options);
}
