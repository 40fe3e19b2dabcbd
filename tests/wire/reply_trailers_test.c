/* reply_trailers_test.c - fields behind an answer: where they stand, what announces them, to whom they are not sent. */
#include "support/wire.h"

#define HOST "Host: a\r\n\r\n"
#define HOST10 "Connection: keep-alive\r\n\r\n"
#define NEXT "GET / HTTP/1.1\r\n" HOST
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST NEXT
#define GET10(path) "GET " path " HTTP/1.0\r\n" HOST10

static const wire_case_t cases[] = {
    CASE("trailers follow the last chunk of an answer that is complete", "RFC 9112 §7.1.2", GET("/with_trailers"),
         "200 200", WIRE_OPEN,
         .has = "\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Time\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 2\r\n"
                "X-Time: 20 ms\r\n\r\nHTTP/1.1 200 OK",
         .core = true),
    CASE("trailers follow an empty body", "RFC 9112 §7.1.2", GET("/trailers_and_nothing"), "200 200", WIRE_OPEN,
         .has = "\r\nTrailer: X-Sum\r\n\r\n0\r\nX-Sum: 0\r\n\r\nHTTP/1.1"),
    CASE("trailers may be set and replaced until the end", "RFC 9110 §6.5", GET("/trailers_around_a_flush"), "200 200",
         WIRE_OPEN,
         .has =
             "\r\nTrailer: X-Sum, X-Time\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 4\r\nX-Time: 20 ms\r\nX-Late: 3\r\n\r\nHTTP",
         .core = true),
    CASE("a handler may announce what it sets later", "RFC 9110 §6.6.2", GET("/trailers_behind_a_flush"), "200 200",
         WIRE_OPEN, .has = "\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 2\r\n"),
    CASE("a counted body has no trailers", "RFC 9112 §6.2", GET("/trailers_of_a_counted_body"), "200 200", WIRE_OPEN,
         .has = "\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1", .has_not = "Trailer"),
    CASE("a 204 has no trailers", "RFC 9110 §15.3.5", GET("/trailers_of_nothing"), "204 200", WIRE_OPEN,
         .has_not = "X-Sum"),
    CASE("HEAD has no trailers", "RFC 9110 §9.3.2", "HEAD /with_trailers HTTP/1.1\r\n" HOST NEXT, "200h 200", WIRE_OPEN,
         .has = "\r\nContent-Length: 5\r\n\r\nHTTP/1.1", .has_not = "X-Sum"),
    CASE("HEAD of a flushed answer has no trailers", "RFC 9110 §9.3.2",
         "HEAD /trailers_around_a_flush HTTP/1.1\r\n" HOST NEXT, "200h 200", WIRE_OPEN, .has_not = "X-Sum"),
    CASE("HTTP/1.0 gets no trailers, and keeps its length", "RFC 9112 §7.1.2", GET10("/with_trailers"), "200",
         WIRE_OPEN, .has = "\r\nContent-Length: 5\r\n", .has_not = "X-Sum", .core = true),
    CASE("a flushed answer to HTTP/1.0 gets no trailers", "RFC 9112 §7.1.2", GET10("/trailers_around_a_flush"), "200",
         WIRE_CLOSED, .has = "\r\n\r\nhello", .has_not = "X-Sum"),
    CASE("an error page has none of the answer's trailers", "RFC 9110 §6.5", GET("/trailers_then_failure"), "403 200",
         WIRE_OPEN, .has = "\r\nContent-Length: 69\r\n", .has_not = "X-Sum"),
    CASE("an answer that is cut has no trailers", "RFC 9112 §8", GET("/trailers_then_cut"), "", WIRE_CUT,
         .has_not = "X-Late", .errors = 1),
    CASE("pipelined answers keep their trailers apart", "RFC 9112 §9.3.2", GET("/with_trailers") GET("/with_trailers"),
         "200 200 200 200", WIRE_OPEN),
    CASE("trailers in and out are two things", "RFC 9110 §6.5",
         "POST /with_trailers HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n0\r\nX-Time: 1\r\nX-In: "
         "1\r\n\r\n",
         "200", WIRE_OPEN, .has = "\r\n0\r\nX-Sum: 2\r\nX-Time: 20 ms\r\n\r\n", .has_not = "X-In"),
};

int main(void) {
    return WIRE_RUN("reply_trailers", cases, NULL);
}
