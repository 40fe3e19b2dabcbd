/* proxy_protocol_test.c - connections that begin with a PROXY header: who the client is, and what is no header. */
#include "support/wire.h"

#define V1(line) "PROXY " line "\r\n"
#define V2 "\r\n\r\n\0\r\nQUIT\n"
/* Addresses of IPv4: 192.0.2.1:1 to 192.0.2.2:2. */
#define V2_TCP4 V2 "\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02"
#define HOST "Host: a\r\n\r\n"
#define ASK "GET /client HTTP/1.1\r\n" HOST
/* There is no RFC: "The PROXY protocol" of HAProxy, whose numbers are those of its sections. */
#define TEXT "RFC 9110 §3.7, PROXY protocol 2.1"
#define BINARY "RFC 9110 §3.7, PROXY protocol 2.2"

static const tc_httpserver_options_t options = { .proxy_protocol = true };

static const wire_case_t cases[] = {
    CASE("a line tells the client's IPv4 address", TEXT, V1("TCP4 192.0.2.1 192.0.2.2 1 2") ASK, "200", WIRE_OPEN,
         .has = "client=192.0.2.1 http", .core = true),
    CASE("a line tells the client's IPv6 address", TEXT, V1("TCP6 2001:db8::1 2001:db8::2 1 2") ASK, "200", WIRE_OPEN,
         .has = "client=2001:db8::1 http"),
    CASE("a line that knows nobody leaves the peer", TEXT, V1("UNKNOWN") ASK, "200", WIRE_OPEN,
         .has = "client=127.0.0.1 http"),
    CASE("it is the client of all requests of its connection", TEXT,
         V1("TCP4 192.0.2.1 192.0.2.2 1 2") "GET / HTTP/1.1\r\n" HOST ASK, "200 200", WIRE_OPEN,
         .has = "client=192.0.2.1 http"),
    CASE("a binary header tells the client's IPv4 address", BINARY, V2_TCP4 ASK, "200", WIRE_OPEN,
         .has = "client=192.0.2.1 http", .core = true),
    CASE("a binary header tells the client's IPv6 address", BINARY,
         V2 "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\0\x01\0"
            "\x02" ASK,
         "200", WIRE_OPEN, .has = "client=2001:db8::1 http"),
    CASE("a binary header of the proxy's own leaves the peer", BINARY, V2 "\x20\0\0\0" ASK, "200", WIRE_OPEN,
         .has = "client=127.0.0.1 http"),
    CASE("what follows the addresses is skipped", BINARY,
         V2 "\x21\x11\0\x11\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02\x04\0\x02xx" ASK, "200", WIRE_OPEN,
         .has = "client=192.0.2.1 http", .core = true),

    CASE("a request without a header is not answered", "RFC 9110 §17.2", "GET / HTTP/1.1\r\n" HOST, "", WIRE_CUT,
         .has_not = "HTTP"),
    CASE("an empty line is no header", TEXT, "\r\n" V1("TCP4 192.0.2.1 192.0.2.2 1 2") ASK, "", WIRE_CUT,
         .has_not = "HTTP"),
    CASE("a second line is a request that nobody knows", TEXT,
         V1("TCP4 192.0.2.1 192.0.2.2 1 2") V1("TCP4 203.0.113.1 192.0.2.2 1 2") ASK, "501", WIRE_CLOSED, .core = true),
    CASE("a second binary header is a bad request", BINARY, V2_TCP4 V2_TCP4 ASK, "400", WIRE_CLOSED, .core = true),
    CASE("a line behind a request is a request that nobody knows", TEXT,
         V1("TCP4 192.0.2.1 192.0.2.2 1 2") "GET / HTTP/1.1\r\n" HOST V1("TCP4 203.0.113.1 192.0.2.2 1 2") ASK,
         "200 501", WIRE_CLOSED),
    CASE("a line that ends in LF alone is cut", TEXT, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n" ASK, "", WIRE_CUT,
         .has_not = "HTTP"),
    CASE("a line in small letters is cut", TEXT, "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n" ASK, "", WIRE_CUT,
         .has_not = "HTTP"),
    CASE("a line with two spaces is cut", TEXT, V1("TCP4  192.0.2.1 192.0.2.2 1 2") ASK, "", WIRE_CUT,
         .has_not = "HTTP"),
    CASE("a line without ports is cut", TEXT, V1("TCP4 192.0.2.1 192.0.2.2") ASK, "", WIRE_CUT, .has_not = "HTTP"),
    CASE("a line of one family with addresses of the other is cut", TEXT, V1("TCP4 2001:db8::1 2001:db8::2 1 2") ASK,
         "", WIRE_CUT, .has_not = "HTTP"),
    CASE("a line with a port too large is cut", TEXT, V1("TCP4 192.0.2.1 192.0.2.2 65536 2") ASK, "", WIRE_CUT,
         .has_not = "HTTP"),
    CASE("a line with a name for an address is cut", TEXT, V1("TCP4 localhost 192.0.2.2 1 2") ASK, "", WIRE_CUT,
         .has_not = "HTTP"),
    CASE("a line of a family nobody knows is cut", TEXT, V1("UDP4 192.0.2.1 192.0.2.2 1 2") ASK, "", WIRE_CUT,
         .has_not = "HTTP"),
    CASE("a line without an end is cut", TEXT, "PROXY UNKNOWN $", "", WIRE_CUT, .fill = { "x", 200 },
         .has_not = "HTTP"),
    CASE("a binary header of another version is cut", BINARY,
         V2 "\x31\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02" ASK, "", WIRE_CUT, .has_not = "HTTP"),
    CASE("a binary header too short for its addresses is cut", BINARY, V2 "\x21\x11\0\x04\xc0\0\x02\x01" ASK, "",
         WIRE_CUT, .has_not = "HTTP"),
    CASE("a binary header that announces too much is cut", BINARY,
         V2 "\x21\x11\xff\xff\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02$" ASK, "", WIRE_CUT, .fill = { "x", 5000 },
         .has_not = "HTTP"),
    CASE("a binary header with a wrong signature is cut", BINARY, "\r\n\r\n\0\r\nQUIT\r\x21\x11\0\0" ASK, "", WIRE_CUT,
         .has_not = "HTTP"),
};

int main(void) {
    return WIRE_RUN("proxy_protocol", cases, &options);
}
