/* trailers_test.c - fields behind a chunked body: given to the handler, left out, or refused; and chunks that are
 * refused before they come. */
#include "support/wire.h"

#define HOST "Host: a\r\n"
#define TO(path) "POST " path " HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
#define BEHIND TO("/trailers") "3\r\nabc\r\n0\r\n"
#define NEXT "GET / HTTP/1.1\r\n" HOST "\r\n"

/* Of the kinds that are left out and that are refused: each alone, in whatever case. */
#define LATE(name)                                                                                          \
    CASE("a trailer " name " is not given", "RFC 9110 §6.5.1", BEHIND name ": 1\r\n\r\n", "200", WIRE_OPEN, \
         .has = "\r\n0 trailers: ")
#define FRAMING(name) \
    CASE("a trailer " name " is refused", "RFC 9110 §6.5.1", BEHIND name ": 1\r\n\r\n" NEXT, "400", WIRE_CLOSED)

static const tc_httpserver_options_t options = { .max_header_count = 10,
                                                 .max_trailer_size = 200,
                                                 .max_body_size = 100 };

static const wire_case_t cases[] = {
    /* ---- given ---- */
    CASE("a trailer is given to the handler", "RFC 9110 §6.5", BEHIND "X-Sum: 1\r\n\r\n" NEXT, "200 200", WIRE_OPEN,
         .has = "\r\n1 trailers: X-Sum=1 ", .core = true),
    CASE("trailers come as received and in order, repeated ones too", "RFC 9110 §6.5",
         BEHIND "X-Sum: 1\r\nx-time: 20ms\r\nX-Sum: 2\r\n\r\n" NEXT, "200 200", WIRE_OPEN,
         .has = "\r\n3 trailers: X-Sum=1 x-time=20ms X-Sum=2 ", .core = true),
    CASE("white space around a trailer's value is not its own", "RFC 9112 §5.1", BEHIND "X-Sum: \t 1 2 \t\r\n\r\n",
         "200", WIRE_OPEN, .has = "\r\n1 trailers: X-Sum=1 2 ", .core = true),
    CASE("a trailer may be empty", "RFC 9110 §5.5", BEHIND "X-Sum:\r\nX: \r\n\r\n", "200", WIRE_OPEN,
         .has = "\r\n2 trailers: X-Sum= X= ", .core = true),
    CASE("digests are what trailers are for", "RFC 9530 §2", BEHIND "Content-Digest: sha-256=:AA==:\r\n\r\n", "200",
         WIRE_OPEN, .has = "\r\n1 trailers: Content-Digest=sha-256=:AA==: "),
    CASE("a body without trailers has none", "RFC 9112 §7.1", BEHIND "\r\n" NEXT, "200 200", WIRE_OPEN,
         .has = "\r\n0 trailers: ", .core = true),
    CASE("an empty body may have trailers", "RFC 9112 §7.1", TO("/trailers") "0\r\nX-Sum: 1\r\n\r\n" NEXT, "200 200",
         WIRE_OPEN, .has = "\r\n1 trailers: X-Sum=1 ", .core = true),
    CASE("a counted body has no trailers", "RFC 9112 §6.2",
         "POST /trailers HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcX-Sum: 1\r\n\r\n", "200 400", WIRE_CLOSED,
         .has = "\r\n0 trailers: "),
    CASE("trailers are announced by nobody", "RFC 9110 §6.6.2",
         "POST /trailers HTTP/1.1\r\n" HOST
         "Trailer: X-Else\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n",
         "200", WIRE_OPEN, .has = "\r\n1 trailers: X-Sum=1 "),
    CASE("extensions of the last chunk are no trailers", "RFC 9112 §7.1.1", TO("/trailers") "0;x=y\r\nX-Sum: 1\r\n\r\n",
         "200", WIRE_OPEN, .has = "\r\n1 trailers: X-Sum=1 ", .core = true),
    CASE("a streamed body's trailers are there in the method, not before", "RFC 9110 §6.5",
         TO("/trailers_streamed") "1\r\nh\r\n1\r\ni\r\n0\r\nX-Sum: 1\r\n\r\n" NEXT, "200 200", WIRE_OPEN,
         .has = "\r\n0 trailers: h0 trailers: i1 trailers: X-Sum=1 ", .core = true),
    CASE("pieces that are dealt with later come before the trailers", "RFC 9110 §6.5",
         TO("/trailers_later") "1\r\nh\r\n1\r\ni\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n" NEXT, "200 200", WIRE_OPEN,
         .has = "\r\n0 trailers: h0 trailers: i2 trailers: X-Sum=1 X-Sum=2 ", .core = true),
    CASE("trailers of a piece that is dealt with later may be refused", "RFC 9110 §6.5.1",
         TO("/trailers_later") "1\r\nh\r\n0\r\nHost: b\r\n\r\n" NEXT, "400", WIRE_CLOSED, .core = true),

    /* ---- what comes too late ---- */
    LATE("Authorization"),
    LATE("Proxy-Authorization"),
    LATE("Cookie"),
    LATE("Set-Cookie"),
    LATE("X-XSRFToken"),
    LATE("Origin"),
    LATE("Content-Type"),
    LATE("content-encoding"),
    LATE("Content-Range"),
    LATE("Cache-Control"),
    LATE("Expect"),
    LATE("Max-Forwards"),
    LATE("Range"),
    LATE("If-Match"),
    LATE("If-None-Match"),
    LATE("IF-RANGE"),
    LATE("Forwarded"),
    LATE("X-Forwarded-For"),
    LATE("X-Forwarded-Proto"),
    LATE("X-Real-Ip"),
    LATE("X-Scheme"),
    LATE("X-HTTP-Method-Override"),
    LATE("Sec-WebSocket-Key"),
    CASE("the others are given around one that comes too late", "RFC 9110 §6.5.1",
         BEHIND "A: 1\r\nCookie: b=c\r\nIf: 2\r\nContent-Types: 3\r\n\r\n" NEXT, "200 200", WIRE_OPEN,
         .has = "\r\n3 trailers: A=1 If=2 Content-Types=3 ", .core = true),

    /* ---- what would frame the message ---- */
    FRAMING("Content-Length"),
    FRAMING("transfer-encoding"),
    FRAMING("Host"),
    FRAMING("Connection"),
    FRAMING("Keep-Alive"),
    FRAMING("Proxy-Connection"),
    FRAMING("TE"),
    FRAMING("Trailer"),
    FRAMING("UPGRADE"),
    FRAMING("HTTP2-Settings"),
    CASE("a trailer that frames is refused behind others", "RFC 9110 §6.5.1",
         BEHIND "X-Sum: 1\r\nConnection: close\r\nX: 1\r\n\r\n" NEXT, "400", WIRE_CLOSED, .core = true),

    /* ---- what is no field ---- */
    CASE("NUL in a trailer's value is refused", "RFC 9110 §5.5", BEHIND "X-Sum: a\0b\r\n\r\n", "400", WIRE_CLOSED,
         .core = true),
    CASE("NUL in a trailer's name is refused", "RFC 9110 §5.1", BEHIND "X\0Sum: a\r\n\r\n", "400", WIRE_CLOSED),
    CASE("a control byte in a trailer's value is refused", "RFC 9110 §5.5", BEHIND "X-Sum: a\x01\r\n\r\n", "400",
         WIRE_CLOSED),
    CASE("LF alone in a trailer is refused", "RFC 9112 §2.2", BEHIND "X-Sum: a\nX: b\r\n\r\n", "400", WIRE_CLOSED,
         .core = true),
    CASE("CR alone in a trailer is refused", "RFC 9112 §2.2", BEHIND "X-Sum: a\rX: b\r\n\r\n", "400", WIRE_CLOSED,
         .core = true),
    CASE("a trailer folded by a space is refused", "RFC 9112 §5.2", BEHIND "X-Sum: a\r\n b\r\n\r\n", "400", WIRE_CLOSED,
         .core = true),
    CASE("a trailer folded by a tab is refused", "RFC 9112 §5.2", BEHIND "X-Sum: a\r\n\tb\r\n\r\n", "400", WIRE_CLOSED),
    CASE("a space before a trailer's colon is refused", "RFC 9112 §5.1", BEHIND "X-Sum : a\r\n\r\n", "400",
         WIRE_CLOSED),
    CASE("a space before the first trailer is refused", "RFC 9112 §5.2", BEHIND " X-Sum: a\r\n\r\n", "400",
         WIRE_CLOSED),
    CASE("a trailer without a colon is refused", "RFC 9112 §5", BEHIND "X-Sum\r\n\r\n", "400", WIRE_CLOSED),
    CASE("a section that ends in LF alone is refused", "RFC 9112 §2.2", BEHIND "X-Sum: a\r\n\n", "400", WIRE_CLOSED),
    CASE("an empty section that ends in LF alone is refused", "RFC 9112 §2.2", BEHIND "\n", "400", WIRE_CLOSED,
         .core = true),
    CASE("an empty section that ends in CR alone is refused", "RFC 9112 §2.2", BEHIND "\rG", "400", WIRE_CLOSED),

    /* ---- limits ---- */
    CASE("as many trailers as the limit are given", "RFC 6585 §5", BEHIND "$\r\n", "200", WIRE_OPEN,
         .has = "\r\n10 trailers: X=y ", .fill = { "X: y\r\n", 10 }),
    CASE("one trailer beyond the limit is refused", "RFC 6585 §5", BEHIND "$\r\n", "431", WIRE_CLOSED,
         .fill = { "X: y\r\n", 11 }),
    CASE("those that are left out count as well", "RFC 6585 §5", BEHIND "$\r\n", "431", WIRE_CLOSED,
         .fill = { "Cookie: y\r\n", 11 }),
    CASE("trailers of the limit are given", "CVE-2023-39326", BEHIND "X: $\r\n\r\n", "200", WIRE_OPEN,
         .fill = { "y", 200 }),
    CASE("trailers beyond the limit are refused", "CVE-2023-39326", BEHIND "X: $\r\n\r\n", "431", WIRE_CLOSED,
         .fill = { "y", 210 }, .core = true),
    CASE("extensions and trailers share a limit", "CVE-2023-39326",
         TO("/trailers") "3;x=0123456789012345678901234567890123456789\r\nabc\r\n0\r\nX: $\r\n\r\n", "431", WIRE_CLOSED,
         .fill = { "y", 180 }),
    CASE("many small chunks save up nothing for a trailer", "CVE-2023-39326",
         TO("/trailers") "1\r\na\r\n1\r\na\r\n1\r\na\r\n1\r\na\r\n1\r\na\r\n1\r\na\r\n0\r\nX: $\r\n\r\n", "431",
         WIRE_CLOSED, .fill = { "y", 210 }),
    CASE("an endless extension is refused at the limit", "CVE-2024-22019", TO("/trailers") "3;$", "431", WIRE_CLOSED,
         .fill = { "x", 250 }, .core = true),

    /* ---- chunks that would be too large ---- */
    CASE("a chunk of the limit is waited for", "RFC 9110 §15.5.14", TO("/echo") "64\r\n$\r\n0\r\n\r\n", "200",
         WIRE_OPEN, .fill = { "x", 100 }),
    CASE("a chunk beyond the limit is refused by its line", "RFC 9110 §15.5.14", TO("/echo") "65\r\n", "413",
         WIRE_CLOSED, .core = true),
    CASE("a chunk beyond what is left of the limit is refused by its line", "RFC 9110 §15.5.14",
         TO("/echo") "32\r\n$\r\n33;x=y\r\n", "413", WIRE_CLOSED, .fill = { "x", 50 }, .core = true),
    CASE("a chunk of what is left of the limit is read", "RFC 9110 §15.5.14",
         TO("/echo") "32\r\n$\r\n032\r\n01234567890123456789012345678901234567890123456789\r\n0\r\n\r\n", "200",
         WIRE_OPEN, .fill = { "x", 50 }),
    CASE("a chunk of 2^64-1 bytes is refused by its line", "RFC 9112 §7.1", TO("/echo") "ffffffffffffffff\r\n", "413",
         WIRE_CLOSED, .core = true),
    CASE("a chunk that would overflow the sum of chunks is refused", "RFC 9112 §7.1",
         TO("/echo") "2\r\nab\r\nffffffffffffffff\r\n", "413", WIRE_CLOSED),
    CASE("a chunk beyond a route's limit is refused by its line", "RFC 9110 §15.5.14", TO("/small") "b\r\n", "413",
         WIRE_CLOSED),
    CASE("a streamed chunk beyond a route's limit is refused by its line", "RFC 9110 §15.5.14",
         TO("/small_streamed") "5\r\nhello\r\n6\r\n", "413", WIRE_CLOSED, .core = true),
    CASE("a chunk where none is wanted is refused by its line", "RFC 9110 §15.5.14", TO("/no_body") "1\r\n", "413",
         WIRE_CLOSED),
};

int main(void) {
    return WIRE_RUN("trailers", cases, &options);
}
