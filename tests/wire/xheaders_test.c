/* xheaders_test.c - who the client is, as a proxy that is believed tells it in header fields; and what it may not tell.
 */
#include "support/wire.h"

#define ASK(fields) "GET /client HTTP/1.1\r\nHost: a\r\n" fields "\r\n"

static const tc_httpserver_options_t options = { .xheaders = true, .trusted_downstream = "127.0.0.1, 10.0.0.0/8" };

static const wire_case_t cases[] = {
    CASE("without a field the peer is the client", "RFC 7239 §4", ASK(""), "200", WIRE_OPEN,
         .has = "client=127.0.0.1 http", .core = true),
    CASE("Forwarded tells the client", "RFC 7239 §5.2", ASK("Forwarded: for=192.0.2.1;proto=https\r\n"), "200",
         WIRE_OPEN, .has = "client=192.0.2.1 https", .core = true),
    CASE("Forwarded may tell an IPv6 address with a port", "RFC 7239 §6",
         ASK("Forwarded: for=\"[2001:db8::1]:4711\"\r\n"), "200", WIRE_OPEN, .has = "client=2001:db8::1 http"),
    CASE("X-Forwarded-For tells the client", "RFC 7239 §7.4", ASK("X-Forwarded-For: 192.0.2.1\r\n"), "200", WIRE_OPEN,
         .has = "client=192.0.2.1 http"),
    CASE("X-Real-Ip tells the client", "RFC 7239 §7.4", ASK("X-Real-Ip: 192.0.2.1\r\n"), "200", WIRE_OPEN,
         .has = "client=192.0.2.1 http"),
    CASE("X-Scheme tells the protocol", "RFC 7239 §5.4", ASK("X-Scheme: https\r\n"), "200", WIRE_OPEN,
         .has = "client=127.0.0.1 https"),
    CASE("proxies of ours are passed over", "RFC 7239 §8.1", ASK("X-Forwarded-For: 192.0.2.1, 10.1.2.3\r\n"), "200",
         WIRE_OPEN, .has = "client=192.0.2.1 http"),
    CASE("what a client puts before itself is not believed", "RFC 7239 §8.1",
         ASK("X-Forwarded-For: 10.9.9.9, 203.0.113.9, 192.0.2.1, 10.1.2.3\r\n"), "200", WIRE_OPEN,
         .has = "client=192.0.2.1 http"),
    CASE("fields on two lines are one list", "RFC 9110 §5.3",
         ASK("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 192.0.2.1\r\n"), "200", WIRE_OPEN,
         .has = "client=192.0.2.1 http"),
    CASE("fields that contradict each other are not believed", "RFC 7239 §8.1",
         ASK("X-Forwarded-For: 192.0.2.1\r\nForwarded: for=203.0.113.9\r\n"), "200", WIRE_OPEN, .has = "client= http",
         .has_not = "127.0.0.1"),
    CASE("a protocol that is none is not believed", "RFC 7239 §5.4", ASK("X-Forwarded-Proto: javascript\r\n"), "200",
         WIRE_OPEN, .has = "client=127.0.0.1 http"),
    CASE("an address that is none is not believed", "RFC 7239 §6", ASK("X-Forwarded-For: <script>\r\n"), "200",
         WIRE_OPEN, .has = "client=127.0.0.1 http", .has_not = "<script>"),
    CASE("each request is for itself", "RFC 7239 §4", ASK("X-Forwarded-For: 192.0.2.1\r\n") ASK(""), "200 200",
         WIRE_OPEN, .has = "client=127.0.0.1 http", .core = true),
    CASE("a long list is read in one pass", "CVE-2025-67725", ASK("X-Forwarded-For: $192.0.2.1\r\n"), "200", WIRE_OPEN,
         .has = "client=192.0.2.1 http", .fill = { "10.1.1.1, ", 3000 }),
};

int main(void) {
    return WIRE_RUN("xheaders", cases, &options);
}
