/* early_hints_test.c - 103 before an answer: where it may stand, and to whom it is not sent. */
#include "support/wire.h"

#define HOST "Host: a\r\n"
#define NEXT "GET / HTTP/1.1\r\n" HOST "\r\n"
#define EXPECT "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok"
#define HINTS                                                                   \
    "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\n\r\n" \
    "HTTP/1.1 103 Early Hints\r\nLink: </b.js>; rel=preload, </c.js>; rel=preload\r\n\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static const wire_case_t cases[] = {
    CASE("hints come before the answer", "RFC 8297 §2", "GET /hints HTTP/1.1\r\n" HOST "\r\n" NEXT, "103 103 200 200",
         WIRE_OPEN, .has = HINTS "HTTP/1.1 200 OK\r\n", .core = true),
    CASE("HEAD has its hints too", "RFC 8297 §2", "HEAD /hints HTTP/1.1\r\n" HOST "\r\n" NEXT, "103h 103h 200h 200",
         WIRE_OPEN, .has = HINTS "HTTP/1.1 200 OK\r\n"),
    CASE("HTTP/1.0 gets no hints", "RFC 9110 §15.2", "GET /hints HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200",
         WIRE_OPEN, .has_not = "103", .core = true),
    CASE("hints follow 100 Continue", "RFC 9110 §15.2", "POST /hints HTTP/1.1\r\n" HOST EXPECT NEXT,
         "100 103 103 200 200", WIRE_OPEN, .has = CONTINUE HINTS "HTTP/1.1 200 OK\r\n", .core = true),
    CASE("hints before the body is wanted stand before 100 Continue", "RFC 9110 §10.1.1",
         "POST /hints_in_admit HTTP/1.1\r\n" HOST EXPECT NEXT, "103 103 100 200 200", WIRE_OPEN,
         .has = HINTS CONTINUE "HTTP/1.1 200 OK\r\n", .core = true),
    CASE("hints of a streamed body stand on both sides of 100 Continue", "RFC 9110 §10.1.1",
         "POST /hints_in_data HTTP/1.1\r\n" HOST EXPECT NEXT, "103 103 100 103 103 200 200", WIRE_OPEN,
         .has = HINTS CONTINUE HINTS "HTTP/1.1 200 OK\r\n", .core = true),
    CASE("hints go on while the answer is being made", "RFC 8297 §2", "GET /hints_later HTTP/1.1\r\n" HOST "\r\n" NEXT,
         "103 103 103 103 200 200", WIRE_OPEN, .has = HINTS HINTS "HTTP/1.1 200 OK\r\n", .core = true),
    CASE("an error may follow hints", "RFC 8297 §2", "GET /hints_and_fail HTTP/1.1\r\n" HOST "\r\n" NEXT,
         "103 103 403 200", WIRE_OPEN),
    CASE("there are no hints once the headers went out", "RFC 8297 §2",
         "GET /hints_when_flushed HTTP/1.1\r\n" HOST "\r\n" NEXT, "200 200", WIRE_OPEN,
         .has = "\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", .has_not = "103 Early"),
    CASE("hints of pipelined requests stand before their answers", "RFC 9112 §9.3.2",
         NEXT "GET /hints HTTP/1.1\r\n" HOST "\r\n" NEXT "GET /hints HTTP/1.1\r\n" HOST "\r\n",
         "200 103 103 200 200 103 103 200", WIRE_OPEN, .core = true),
};

int main(void) {
    return WIRE_RUN("early_hints", cases, NULL);
}
