/* limits_test.c - request lines, heads, counts and bodies at their limits, and one beyond. */
#include "support/wire.h"

/* "GET /" + fill + " HTTP/1.1" is 14 bytes and the fill. */
#define LINE(end) "GET /$ HTTP/1.1" end
#define HOST "\r\nHost: a\r\n\r\n"
/* 27 bytes of request line and Host, "X: ", the fill, and 4 bytes of line ends. */
#define HEAD "GET / HTTP/1.1\r\nHost: a\r\nX: $\r\n\r\n"

static const tc_httpserver_options_t options = {
    .max_request_line = 200,
    .max_header_size = 1000,
    .max_header_count = 10,
    .max_body_size = 100,
    .server_name = "",
};

static const wire_case_t cases[] = {
    CASE("a request line of the limit is read", "RFC 9112 §3", LINE(HOST), "404", WIRE_OPEN, .fill = { "x", 186 },
         .core = true),
    CASE("a request line beyond the limit is refused", "RFC 9110 §15.5.15", LINE(HOST), "414", WIRE_CLOSED,
         .fill = { "x", 187 }, .core = true),
    CASE("a request line far beyond the limit is refused", "RFC 9110 §15.5.15", LINE(HOST), "414", WIRE_CLOSED,
         .fill = { "x", 5000 }),
    CASE("a request line without an end is refused", "RFC 9110 §15.5.15", "GET /$", "414", WIRE_CLOSED,
         .fill = { "x", 300 }),
    CASE("a bad version behind a line beyond the limit is refused for its length", "RFC 9110 §15.5.15",
         "GET /$ HTTP/2.0" HOST, "414", WIRE_CLOSED, .fill = { "x", 400 }, .core = true),
    CASE("a head of the limit is read", "RFC 9110 §5.4", HEAD, "200", WIRE_OPEN, .fill = { "x", 968 }, .core = true),
    CASE("a head beyond the limit is refused", "RFC 6585 §5", HEAD, "431", WIRE_CLOSED, .fill = { "x", 969 },
         .core = true),
    CASE("a head far beyond the limit is refused", "RFC 6585 §5", HEAD, "431", WIRE_CLOSED, .fill = { "x", 30000 }),
    CASE("a head without an end is refused", "RFC 6585 §5", "GET / HTTP/1.1\r\nHost: a\r\n$", "431", WIRE_CLOSED,
         .fill = { "X: y\r\n", 300 }),
    CASE("as many fields as the limit are read", "RFC 9110 §5.4", "GET / HTTP/1.1\r\nHost: a\r\n$\r\n", "200",
         WIRE_OPEN, .fill = { "X: y\r\n", 9 }, .core = true),
    CASE("one field beyond the limit is refused", "RFC 6585 §5", "GET / HTTP/1.1\r\nHost: a\r\n$\r\n", "431",
         WIRE_CLOSED, .fill = { "X: y\r\n", 10 }, .core = true),
    CASE("a body of the limit is read", "RFC 9110 §15.5.14", "POST /echo HTTP/1.1\r\nContent-Length: 100" HOST "$",
         "200", WIRE_OPEN, .fill = { "x", 100 }),
    CASE("a body beyond the limit is refused before it comes", "RFC 9110 §15.5.14",
         "POST /echo HTTP/1.1\r\nContent-Length: 101" HOST, "413", WIRE_CLOSED),
    CASE("a body beyond the limit that comes anyway is drained", "RFC 9112 §9.6",
         "POST /echo HTTP/1.1\r\nContent-Length: 101" HOST "$", "413", WIRE_CLOSED, .fill = { "x", 101 }),
    CASE("chunks of the limit are read", "RFC 9110 §15.5.14",
         "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked" HOST "64\r\n$\r\n0\r\n\r\n", "200", WIRE_OPEN,
         .fill = { "x", 100 }),
    CASE("chunks beyond the limit are refused", "RFC 9110 §15.5.14",
         "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked" HOST "65\r\n$\r\n0\r\n\r\n", "413", WIRE_CLOSED,
         .fill = { "x", 101 }),
    CASE("a chunk far beyond the limit is refused, and what comes of it is drained", "RFC 9110 §15.5.14",
         "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked" HOST "ffffff\r\n$", "413", WIRE_CLOSED,
         .fill = { "x", 200 }),
    CASE("limits count from the request, not from the connection", "RFC 9112 §9.3",
         "GET / HTTP/1.1" HOST "GET / HTTP/1.1" HOST "GET /$ HTTP/1.1" HOST, "200 200 404", WIRE_OPEN,
         .fill = { "x", 186 }),
    CASE("a server without a name does not tell one", "RFC 9110 §10.2.4", "GET / HTTP/1.1" HOST, "200", WIRE_OPEN,
         .has_not = "Server:"),
};

int main(void) {
    return WIRE_RUN("limits", cases, &options);
}
