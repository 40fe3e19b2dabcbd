/* compression_test.c - how answers that are compressed are framed, and what stands behind them. */
#include "support/wire.h"

#define HOST "Host: a\r\n"
#define GZIP "Accept-Encoding: gzip\r\n\r\n"
#define NEXT "GET / HTTP/1.1\r\n" HOST "\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST GZIP NEXT
#define CODED "Vary: Accept-Encoding\r\nContent-Encoding: gzip\r\n"

static const wire_case_t cases[] = {
    CASE("a page is compressed and counted", "RFC 9110 §8.4.1.3", GET("/page"), "200 200", WIRE_OPEN,
         .has = CODED "Content-Length: ", .has_not = "<p>", .core = true),
    CASE("a page is sent as it is to who does not ask", "RFC 9110 §12.5.3", "GET /page HTTP/1.1\r\n" HOST "\r\n", "200",
         WIRE_OPEN, .has = "Vary: Accept-Encoding\r\nContent-Length: 2000\r\n\r\n<p>", .has_not = "Content-Encoding"),
    CASE("a page in pieces is sent in chunks, with its trailer", "RFC 9112 §7.1", GET("/page_in_pieces"), "200 200",
         WIRE_OPEN, .has = CODED "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n", .has_not = "<p>",
         .core = true),
    CASE("a page to HTTP/1.0 is counted as well", "RFC 9112 §9.3",
         "GET /page HTTP/1.0\r\nConnection: keep-alive\r\n" GZIP, "200", WIRE_OPEN, .has = CODED "Content-Length: "),
    CASE("a page in pieces to HTTP/1.0 ends with the connection", "RFC 9112 §6.3",
         "GET /page_in_pieces HTTP/1.0\r\nConnection: keep-alive\r\n" GZIP, "200", WIRE_CLOSED,
         .has = CODED "Connection: close\r\n\r\n"),
    CASE("HEAD tells the length of the compressed page", "RFC 9110 §9.3.2", "HEAD /page HTTP/1.1\r\n" HOST GZIP NEXT,
         "200h 200", WIRE_OPEN, .has = CODED "Content-Length: ", .has_not = "Content-Length: 2000"),
    CASE("HEAD of a page in pieces tells none", "RFC 9110 §9.3.2", "HEAD /page_in_pieces HTTP/1.1\r\n" HOST GZIP NEXT,
         "200h 200", WIRE_OPEN, .has = CODED "\r\nHTTP/1.1"),
    CASE("pipelined pages are compressed one by one", "RFC 9112 §9.3.2", GET("/page") GET("/page_in_pieces"),
         "200 200 200 200", WIRE_OPEN),
    CASE("a page that breaks off is no complete one", "RFC 9112 §8", GET("/page_then_cut"), "", WIRE_CUT, .has = CODED,
         .errors = 1),
};

int main(void) {
    return WIRE_RUN("compression", cases, NULL);
}
