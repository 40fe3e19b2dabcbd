/* last_answer_test.c - a server that ends each connection after a few answers: what was pipelined behind them never
 * resets the connection under the last one. */
#include "support/wire.h"

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST "\r\n"
#define NEXT "GET /tell/next HTTP/1.1\r\n" HOST "\r\n"

static const tc_httpserver_options_t options = { .max_requests_per_connection = 2 };

static const wire_case_t cases[] = {
    CASE("fewer requests keep the connection", "RFC 9112 §9.3", GET, "200", WIRE_OPEN, .has_not = "Connection:"),
    CASE("the last answer says close", "RFC 9112 §9.6", GET GET, "200 200", WIRE_CLOSED,
         .has = "Connection: close\r\n\r\nhello", .core = true),
    CASE("what is pipelined behind it is not answered, and resets nothing", "RFC 9112 §9.6", GET GET NEXT, "200 200",
         WIRE_CLOSED, .core = true),
    CASE("nor does much that is pipelined", "RFC 9112 §9.6", GET GET "$", "200 200", WIRE_CLOSED,
         .fill = { NEXT, 1000 }),
    CASE("a body of the next request resets nothing", "RFC 9112 §9.6",
         GET GET "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n$", "200 200", WIRE_CLOSED,
         .fill = { "0123456789", 2000 }),
    CASE("errors count as well", "RFC 9112 §9.6",
         "GET /nowhere HTTP/1.1\r\n" HOST "\r\nGET /forbidden HTTP/1.1\r\n" HOST "\r\n" NEXT, "404 403", WIRE_CLOSED),
    CASE("interim answers do not", "RFC 9110 §15.2", "GET /hints HTTP/1.1\r\n" HOST "\r\n" GET NEXT, "103 103 200 200",
         WIRE_CLOSED),
    CASE("HTTP/1.0 is told by a Connection field that it lasts, then that it ends", "RFC 9112 §9.3",
         "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" NEXT,
         "200 200", WIRE_CLOSED, .has = "Connection: keep-alive", .core = true),
    CASE("the last answer may be chunked", "RFC 9112 §9.6", GET "GET /stream HTTP/1.1\r\n" HOST "\r\n" NEXT, "200 200",
         WIRE_CLOSED, .has = "\r\n0\r\n\r\n"),
    CASE("the last answer may come later", "RFC 9112 §9.6", GET "GET /late HTTP/1.1\r\n" HOST "\r\n" NEXT, "200 200",
         WIRE_CLOSED, .has = "\r\n\r\nlate", .core = true),
    CASE("the last answer may be large", "RFC 9112 §9.6", GET "GET /large HTTP/1.1\r\n" HOST "\r\n" NEXT, "200 200",
         WIRE_CLOSED),
    CASE("the last request may be streamed", "RFC 9112 §9.6",
         GET "POST /trailers_later HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nh" NEXT, "200 200", WIRE_CLOSED),
    CASE("a handler that closes ends it sooner", "RFC 9112 §9.6", "GET /close HTTP/1.1\r\n" HOST "\r\n" NEXT, "200",
         WIRE_CLOSED, .core = true),
    CASE("a client that closes ends it sooner", "RFC 9112 §9.6", "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
         "200", WIRE_CLOSED),
};

int main(void) {
    return WIRE_RUN("last_answer", cases, &options);
}
