/* default_limits_test.c - the limits of a server that nobody has set any for. */
#include "support/wire.h"

#define HOST "Host: a\r\n\r\n"
#define CHUNKED "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST

static const wire_case_t cases[] = {
    CASE("a request line has 8 KiB", "RFC 9112 §3", "GET /$ HTTP/1.1\r\n" HOST, "404", WIRE_OPEN,
         .fill = { "x", 8192 - 14 }),
    CASE("a request line has no more", "RFC 9110 §15.5.15", "GET /$ HTTP/1.1\r\n" HOST, "414", WIRE_CLOSED,
         .fill = { "x", 8192 - 13 }),
    CASE("a head has 64 KiB", "RFC 9110 §5.4", "GET / HTTP/1.1\r\nX: $\r\n" HOST, "200", WIRE_OPEN,
         .fill = { "x", 65536 - 32 }),
    CASE("a head has no more", "RFC 6585 §5", "GET / HTTP/1.1\r\nX: $\r\n" HOST, "431", WIRE_CLOSED,
         .fill = { "x", 65536 - 31 }),
    CASE("a head has 128 fields", "RFC 9110 §5.4", "GET / HTTP/1.1\r\n$" HOST, "200", WIRE_OPEN,
         .fill = { "X: y\r\n", 127 }),
    CASE("a head has no more fields", "RFC 6585 §5", "GET / HTTP/1.1\r\n$" HOST, "431", WIRE_CLOSED,
         .fill = { "X: y\r\n", 128 }),
    CASE("a body has no more than 100 MiB", "RFC 9110 §15.5.14",
         "POST /echo HTTP/1.1\r\nContent-Length: 104857601\r\n" HOST, "413", WIRE_CLOSED),
    CASE("a chunked body has no more than 100 MiB", "RFC 9110 §15.5.14", CHUNKED "6400001\r\n", "413", WIRE_CLOSED),
    CASE("extensions and trailers have 16 KiB", "CVE-2024-22019", CHUNKED "1;$\r\nx\r\n0\r\n\r\n", "200", WIRE_OPEN,
         .fill = { "x", 16384 - 8 }),
    CASE("extensions and trailers have no more", "CVE-2024-22019", CHUNKED "1;$\r\nx\r\n0\r\n\r\n", "431", WIRE_CLOSED,
         .fill = { "x", 16384 + 12 }),
};

int main(void) {
    return WIRE_RUN("default_limits", cases, NULL);
}
