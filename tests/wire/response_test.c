/* response_test.c - how answers are framed: HEAD, bodiless statuses, chunks, announced lengths, answers that fail. */
#include "support/wire.h"

#define HOST "Host: a\r\n\r\n"
#define HOST10 "Host: a\r\nConnection: keep-alive\r\n\r\n"
#define NEXT "GET / HTTP/1.1\r\n" HOST

static const wire_case_t cases[] = {
    CASE("HEAD is answered as GET, without the body", "RFC 9110 §9.3.2", "HEAD / HTTP/1.1\r\n" HOST NEXT, "200h 200",
         WIRE_OPEN, .has = "\r\nContent-Length: 5\r\n\r\nHTTP/1.1", .core = true),
    CASE("HEAD of nothing is answered without the page", "RFC 9110 §9.3.2", "HEAD /nowhere HTTP/1.1\r\n" HOST NEXT,
         "404h 200", WIRE_OPEN, .has = "\r\nContent-Length: 69\r\n\r\nHTTP/1.1"),
    CASE("HEAD that is refused is answered without the page", "RFC 9110 §9.3.2", "HEAD / HTTP/1.1\r\n\r\n", "400h",
         WIRE_CLOSED, .has_not = "<html>", .core = true),
    CASE("HEAD with a bad header is answered without the page", "RFC 9110 §9.3.2", "HEAD / HTTP/1.1\r\n: x\r\n" HOST,
         "400h", WIRE_CLOSED, .has_not = "<html>"),
    CASE("HEAD of a flushed answer has neither body nor chunks", "RFC 9110 §9.3.2",
         "HEAD /stream HTTP/1.1\r\n" HOST NEXT, "200h 200", WIRE_OPEN, .has_not = "chunked"),
    CASE("HEAD of an announced answer has its length", "RFC 9110 §9.3.2", "HEAD /counted HTTP/1.1\r\n" HOST NEXT,
         "200h 200", WIRE_OPEN, .has = "\r\nContent-Length: 6\r\n\r\nHTTP/1.1"),
    CASE("a 204 has no body and no length", "RFC 9110 §15.3.5", "GET /204 HTTP/1.1\r\n" HOST NEXT, "204 200", WIRE_OPEN,
         .core = true),
    CASE("a 204 keeps no framing of the handler's", "RFC 9110 §8.6", "GET /204_with_length HTTP/1.1\r\n" HOST NEXT,
         "204 200", WIRE_OPEN),
    CASE("a 304 has no body", "RFC 9110 §15.4.5", "GET /304 HTTP/1.1\r\n" HOST NEXT, "304 200", WIRE_OPEN,
         .has = "\r\nEtag: \"x\"\r\n", .core = true),
    CASE("a 204 to HTTP/1.0 may keep the connection", "RFC 9112 §9.3", "GET /204 HTTP/1.0\r\n" HOST10, "204",
         WIRE_OPEN),
    CASE("a flushed answer is chunked", "RFC 9112 §7.1", "GET /stream HTTP/1.1\r\n" HOST NEXT, "200 200", WIRE_OPEN,
         .has = "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\nHTTP/1.1", .core = true),
    CASE("a flushed answer to HTTP/1.0 ends with the connection", "RFC 9112 §6.3", "GET /stream HTTP/1.0\r\n" HOST10,
         "200", WIRE_CLOSED, .has = "\r\n\r\nonetwo", .has_not = "chunked", .core = true),
    CASE("a flushed answer of announced length is not chunked", "RFC 9112 §6.2", "GET /counted HTTP/1.1\r\n" HOST NEXT,
         "200 200", WIRE_OPEN, .has = "\r\nContent-Length: 6\r\n\r\nonetwoHTTP/1.1"),
    CASE("an announced length keeps an HTTP/1.0 connection", "RFC 9112 §9.3", "GET /counted HTTP/1.0\r\n" HOST10, "200",
         WIRE_OPEN),
    CASE("less than the announced length is cut", "RFC 9112 §6.3", "GET /too_short HTTP/1.1\r\n" HOST NEXT, "",
         WIRE_CUT, .errors = 1),
    CASE("more than the announced length is cut", "RFC 9112 §6.3", "GET /too_long HTTP/1.1\r\n" HOST NEXT, "", WIRE_CUT,
         .errors = 2, .has_not = "onetwo"),
    CASE("a wrong length of a whole answer never reaches the wire", "RFC 9112 §6.3",
         "GET /wrong_length HTTP/1.1\r\n" HOST NEXT, "", WIRE_CUT, .errors = 1, .has_not = "HTTP"),
    CASE("a length that is no number never reaches the wire", "RFC 9110 §8.6", "GET /bad_length HTTP/1.1\r\n" HOST NEXT,
         "", WIRE_CUT, .errors = 1, .has_not = "HTTP"),
    CASE("two lengths never reach the wire", "RFC 9112 §6.3", "GET /two_lengths HTTP/1.1\r\n" HOST NEXT, "", WIRE_CUT,
         .errors = 1, .has_not = "HTTP"),
    CASE("a length of 2^64-1 never reaches the wire", "RFC 9110 §8.6", "GET /huge_length HTTP/1.1\r\n" HOST NEXT, "",
         WIRE_CUT, .errors = 1, .has_not = "HTTP"),
    CASE("a handler that fails midway never ends its chunks", "RFC 9112 §8", "GET /fail_midway HTTP/1.1\r\n" HOST NEXT,
         "", WIRE_CUT, .has_not = "\r\n0\r\n", .errors = 1),
    CASE("a handler that fails before is answered by 500", "RFC 9110 §15.6.1", "GET /fail HTTP/1.1\r\n" HOST NEXT,
         "500 200", WIRE_OPEN, .errors = 1, .core = true),
    CASE("an answer with a large header is whole", "RFC 9110 §5.4", "GET /large_header HTTP/1.1\r\n" HOST NEXT,
         "200 200", WIRE_OPEN, .has = "vvv\r\nContent-Length: 6\r\n\r\nbehindHTTP/1.1"),
    CASE("HEAD of an answer with a large header is whole", "RFC 9110 §9.3.2",
         "HEAD /large_header HTTP/1.1\r\n" HOST NEXT, "200h 200", WIRE_OPEN,
         .has = "vvv\r\nContent-Length: 6\r\n\r\nHTTP/1.1"),
    CASE("a large answer is whole", "RFC 9112 §6.2", "GET /large HTTP/1.1\r\n" HOST NEXT, "200 200", WIRE_OPEN,
         .has = "\r\nContent-Length: 1048576\r\n"),
    CASE("a large answer to HTTP/1.0 is whole", "RFC 9112 §6.2", "GET /large HTTP/1.0\r\n" HOST, "200", WIRE_CLOSED),
    CASE("a large answer before a large body is whole", "RFC 9112 §9.6",
         "POST /large HTTP/1.1\r\nContent-Length: 100000\r\n" HOST "$", "200", WIRE_OPEN,
         .fill = { "0123456789", 10000 }),
};

int main(void) {
    return WIRE_RUN("response", cases, NULL);
}
