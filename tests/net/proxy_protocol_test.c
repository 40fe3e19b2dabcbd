/* proxy_protocol_test.c - the PROXY protocol header, in pieces of any size. */
#include "net/proxy_protocol_internal.h"

#include <arpa/inet.h>

#include "http/parsing.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define INET_BLOCK "\xc0\x00\x02\x01\xcb\x00\x71\x09\x12\x67\x01\xbb" /* 192.0.2.1:4711 to 203.0.113.9:443 */
#define SOURCE6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define TARGET6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define INET6_BLOCK SOURCE6 TARGET6 "\x12\x67\x01\xbb"
#define MAPPED6 "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
#define FILLED_9 "123456789"
#define FILLED_54 FILLED_9 FILLED_9 FILLED_9 FILLED_9 FILLED_9 FILLED_9
#define FILLED_108 FILLED_54 FILLED_54
#define UNIX_BLOCK FILLED_108 FILLED_108
#define GROUPS "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

/* "192.0.2.1:4711 203.0.113.9:443", "local", "unknown" */
static void describe(char *out, size_t size, const tc__proxy_header_t *header) {
    char source[INET6_ADDRSTRLEN + 12], destination[INET6_ADDRSTRLEN + 12];
    if (header->kind != TC__PROXY_ADDRESSES) {
        snprintf(out, size, "%s", header->kind == TC__PROXY_LOCAL ? "local" : "unknown");
        return;
    }
    if (header->source.family == AF_UNIX && header->destination.family == AF_UNIX) {
        snprintf(out, size, "unix");
        return;
    }
    tc__address_format(&header->source, source, sizeof source);
    tc__address_format(&header->destination, destination, sizeof destination);
    snprintf(out, size, "%s:%d %s:%d", source, header->source.port, destination, header->destination.port);
}

/* Feed `text` split at `at`, each piece in a block of its own. Returns the outcome, *used bytes counted over both. */
static int feed_split(tc_bytes_t text, size_t at, size_t max_tlvs, size_t *used, tc__proxy_header_t *out) {
    tc__proxy_parser_t parser;
    tc__proxy_parser_init(&parser, max_tlvs);
    tc_bytes_t first = exact(tc_bytes(text.data, at)), second = exact(tc_bytes(text.data + at, text.len - at));
    size_t more = 0;
    *used = 0;
    int err = tc__proxy_parser_feed(&parser, first, used, out);
    if (err == TC_EAGAIN) {
        assert_int_equal(*used, at);
        err = tc__proxy_parser_feed(&parser, second, &more, out);
        *used += more;
    }
    drop(first);
    drop(second);
    return err;
}

static int feed_bytes(tc_bytes_t text, size_t max_tlvs, size_t *used, tc__proxy_header_t *out) {
    tc__proxy_parser_t parser;
    tc__proxy_parser_init(&parser, max_tlvs);
    int err = TC_EAGAIN;
    *used = 0;
    for (size_t i = 0; i < text.len && err == TC_EAGAIN; i++) {
        size_t one = 77;
        tc_bytes_t byte = exact(tc_bytes(text.data + i, 1));
        err = tc__proxy_parser_feed(&parser, byte, &one, out);
        drop(byte);
        if (err == 0 || err == TC_EAGAIN)
            assert_int_equal(one, 1);
        *used += err == 0 || err == TC_EAGAIN;
    }
    return err;
}

/* ---- What is one ---- */

static const struct {
    const char *why;
    tc_bytes_t header;
    const char *want;
    int version;
} headers[] = {
    { "TCP over IPv4", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711 443\r\n"), "192.0.2.1:4711 203.0.113.9:443", 1 },
    { "the longest of IPv4", BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
      "255.255.255.255:65535 255.255.255.255:65535", 1 },
    { "the shortest", BYTES("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0 0.0.0.0:0", 1 },
    { "TCP over IPv6", BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n"), "2001:db8::1:4711 2001:db8::2:443",
      1 },
    { "the longest of IPv6", BYTES("PROXY TCP6 " GROUPS " " GROUPS " 65535 65535\r\n"),
      GROUPS ":65535 " GROUPS ":65535", 1 },
    { "hexadecimal digits have no case", BYTES("PROXY TCP6 2001:DB8::A ::1 1 2\r\n"), "2001:db8::a:1 ::1:2", 1 },
    { "IPv4 in IPv6 becomes IPv4", BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:203.0.113.9 4711 443\r\n"),
      "192.0.2.1:4711 203.0.113.9:443", 1 },
    { "unknown, the short form", BYTES("PROXY UNKNOWN\r\n"), "unknown", 1 },
    { "unknown, in full", BYTES("PROXY UNKNOWN 192.0.2.1 203.0.113.9 4711 443\r\n"), "unknown", 1 },
    { "unknown, as long as a line may be", BYTES("PROXY UNKNOWN " GROUPS " " GROUPS " 65535 65535\r\n"), "unknown", 1 },
    { "what stands behind unknown is ignored", BYTES("PROXY UNKNOWN \0\xff :-) \t\r\n"), "unknown", 1 },
    { "a space behind unknown", BYTES("PROXY UNKNOWN \r\n"), "unknown", 1 },

    { "2: TCP over IPv4", BYTES(SIGNATURE "\x21\x11\x00\x0c" INET_BLOCK), "192.0.2.1:4711 203.0.113.9:443", 2 },
    { "2: TCP over IPv6", BYTES(SIGNATURE "\x21\x21\x00\x24" INET6_BLOCK), "2001:db8::1:4711 2001:db8::2:443", 2 },
    { "2: UDP over IPv4", BYTES(SIGNATURE "\x21\x12\x00\x0c" INET_BLOCK), "192.0.2.1:4711 203.0.113.9:443", 2 },
    { "2: UDP over IPv6", BYTES(SIGNATURE "\x21\x22\x00\x24" INET6_BLOCK), "2001:db8::1:4711 2001:db8::2:443", 2 },
    { "2: IPv4 in IPv6 becomes IPv4", BYTES(SIGNATURE "\x21\x21\x00\x24" MAPPED6 TARGET6 "\x12\x67\x01\xbb"),
      "192.0.2.1:4711 2001:db8::2:443", 2 },
    { "2: a unix socket", BYTES(SIGNATURE "\x21\x31\x00\xd8" UNIX_BLOCK), "unix", 2 },
    { "2: a unix datagram socket", BYTES(SIGNATURE "\x21\x32\x00\xd8" UNIX_BLOCK), "unix", 2 },
    { "2: a unix socket and TLVs", BYTES(SIGNATURE "\x21\x31\x00\xdc" UNIX_BLOCK "\x04\x00\x01x"), "unix", 2 },
    { "2: a health check", BYTES(SIGNATURE "\x20\x00\x00\x00"), "local", 2 },
    { "2: the addresses of a health check do not count", BYTES(SIGNATURE "\x20\x11\x00\x0c" INET_BLOCK), "local", 2 },
    { "2: nor does its family, nor how long the block is",
      BYTES(SIGNATURE "\x20\xff\x00\x03"
                      "abc"),
      "local", 2 },
    { "2: nor does a family without a transport",
      BYTES(SIGNATURE "\x20\x21\x00\x01"
                      "a"),
      "local", 2 },
    { "2: no family is told", BYTES(SIGNATURE "\x21\x00\x00\x00"), "unknown", 2 },
    { "2: no family is told, yet a block is there", BYTES(SIGNATURE "\x21\x00\x00\x0c" INET_BLOCK), "unknown", 2 },
    { "2: no transport is told", BYTES(SIGNATURE "\x21\x10\x00\x0c" INET_BLOCK), "unknown", 2 },
    { "2: a transport without a family",
      BYTES(SIGNATURE "\x21\x01\x00\x05"
                      "abcde"),
      "unknown", 2 },
    { "2: TLVs are skipped", BYTES(SIGNATURE "\x21\x11\x00\x14" INET_BLOCK "\x01\x00\x02h2\x04\x00\x00"),
      "192.0.2.1:4711 203.0.113.9:443", 2 },
    { "2: whatever they hold", BYTES(SIGNATURE "\x21\x11\x00\x0f" INET_BLOCK "\xff\xff\xff"),
      "192.0.2.1:4711 203.0.113.9:443", 2 },
    { "2: TLVs behind IPv6", BYTES(SIGNATURE "\x21\x21\x00\x28" INET6_BLOCK "\x04\x00\x01\x00"),
      "2001:db8::1:4711 2001:db8::2:443", 2 },
};

static void a_header_is_the_same_in_any_pieces(void **state) {
    (void)state;
    static const char behind[] = "GET / HTTP/1.1\r\n\r\nPROXY UNKNOWN\r\n";
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        char got[256], text[1024];
        size_t len = headers[i].header.len, used;
        tc__proxy_header_t header;
        memcpy(text, headers[i].header.data, len);
        memcpy(text + len, behind, sizeof behind - 1);
        for (size_t size = len; size <= len + sizeof behind - 1; size += sizeof behind - 1) {
            for (size_t at = 0; at <= size; at++) {
                memset(&header, 0x55, sizeof header);
                expect_row(headers[i].why, feed_split(tc_bytes(text, size), at, 0, &used, &header) == 0);
                expect_row(headers[i].why, used == len && header.version == headers[i].version);
                describe(got, sizeof got, &header);
                expect_bytes(headers[i].why, tc_str(got), tc_str(headers[i].want));
            }
            expect_row(headers[i].why, feed_bytes(tc_bytes(text, size), 0, &used, &header) == 0 && used == len);
            describe(got, sizeof got, &header);
            expect_bytes(headers[i].why, tc_str(got), tc_str(headers[i].want));
        }
    }
}

static void a_part_of_a_header_is_not_enough(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        for (size_t len = 0; len < headers[i].header.len; len++) {
            size_t used = 77;
            tc__proxy_header_t header = { .version = 77 };
            tc__proxy_parser_t parser;
            tc__proxy_parser_init(&parser, 0);
            tc_bytes_t text = exact(tc_bytes(headers[i].header.data, len));
            expect_row(headers[i].why, tc__proxy_parser_feed(&parser, text, &used, &header) == TC_EAGAIN);
            expect_row(headers[i].why, used == len && header.version == 77);
            drop(text);
        }
    }
}

/* ---- What is none ---- */

static const struct {
    const char *why;
    tc_bytes_t text; /* up to the byte at which it must be refused */
} errors[] = {
    { "a request without a header is not let through", BYTES("G") },
    { "nor a TLS hello", BYTES("\x16") },
    { "a method that begins alike", BYTES("PU") },
    { "PROPFIND", BYTES("PROP") },
    { "lower case", BYTES("p") },
    { "a tab", BYTES("PROXY\t") },
    { "no protocol at all", BYTES("PROXY\r") },
    { "a space before", BYTES(" ") },
    { "an empty line before", BYTES("\r\nP") },
    { "only the space", BYTES("PROXY \r\n") },
    { "two spaces", BYTES("PROXY  TCP4 192.0.2.1 203.0.113.9 4711 443\r\n") },
    { "two spaces further on", BYTES("PROXY TCP4 192.0.2.1  203.0.113.9 4711 443\r\n") },
    { "two spaces before the last port", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711  443\r\n") },
    { "a space at the end", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711 443 \r\n") },
    { "a word more", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711 443 1\r\n") },
    { "a tab between", BYTES("PROXY TCP4 192.0.2.1\t203.0.113.9 4711 443\r\n") },
    { "no port", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9\r\n") },
    { "one port", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711\r\n") },
    { "one address", BYTES("PROXY TCP4 192.0.2.1 4711 443\r\n") },
    { "only the protocol", BYTES("PROXY TCP4\r\n") },
    { "the protocol and a space", BYTES("PROXY TCP4 \r\n") },
    { "another protocol", BYTES("PROXY UDP4 192.0.2.1 203.0.113.9 4711 443\r\n") },
    { "TCP5", BYTES("PROXY TCP5 192.0.2.1 203.0.113.9 4711 443\r\n") },
    { "a protocol in lower case", BYTES("PROXY tcp4 192.0.2.1 203.0.113.9 4711 443\r\n") },
    { "unknown in lower case", BYTES("PROXY unknown\r\n") },
    { "longer than unknown", BYTES("PROXY UNKNOWNS\r\n") },
    { "shorter than unknown", BYTES("PROXY UNKNOW\r\n") },
    { "IPv6 in TCP4", BYTES("PROXY TCP4 2001:db8::1 2001:db8::2 4711 443\r\n") },
    { "IPv4 in TCP6", BYTES("PROXY TCP6 192.0.2.1 203.0.113.9 4711 443\r\n") },
    { "IPv4 in IPv6 in TCP4", BYTES("PROXY TCP4 ::ffff:192.0.2.1 ::ffff:203.0.113.9 4711 443\r\n") },
    { "two families", BYTES("PROXY TCP4 192.0.2.1 2001:db8::2 4711 443\r\n") },
    { "two families in TCP6", BYTES("PROXY TCP6 2001:db8::1 203.0.113.9 4711 443\r\n") },
    { "an address with a leading zero", BYTES("PROXY TCP4 192.0.2.01 203.0.113.9 4711 443\r\n") },
    { "an address of three numbers", BYTES("PROXY TCP4 192.0.2 203.0.113.9 4711 443\r\n") },
    { "a number too large", BYTES("PROXY TCP4 192.0.2.256 203.0.113.9 4711 443\r\n") },
    { "an address with a port", BYTES("PROXY TCP4 192.0.2.1:1 203.0.113.9 4711 443\r\n") },
    { "an address with a zone", BYTES("PROXY TCP6 fe80::1%1 fe80::2 4711 443\r\n") },
    { "an address in brackets", BYTES("PROXY TCP6 [::1] [::1] 4711 443\r\n") },
    { "a NUL behind an address", BYTES("PROXY TCP4 192.0.2.1\0 203.0.113.9 4711 443\r\n") },
    { "a name", BYTES("PROXY TCP4 localhost localhost 4711 443\r\n") },
    { "a port too large", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 65536 443\r\n") },
    { "the other port too large", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711 65536\r\n") },
    { "a port of six digits", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 100000 443\r\n") },
    { "a port with a leading zero", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 04711 443\r\n") },
    { "two zeros", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 00 443\r\n") },
    { "a negative port", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 -1 443\r\n") },
    { "a port with a sign", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711 +443\r\n") },
    { "a hexadecimal port", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711 0x1bb\r\n") },
    { "a line that ends with LF", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711 443\n") },
    { "LF alone behind unknown", BYTES("PROXY UNKNOWN\n") },
    { "CR alone", BYTES("PROXY TCP4 192.0.2.1 203.0.113.9 4711 443\rG") },
    { "CR alone behind unknown", BYTES("PROXY UNKNOWN \r ") },
    { "CR CR LF", BYTES("PROXY UNKNOWN\r\r") },
    { "CR before the last of 107 bytes, and no LF", BYTES("PROXY UNKNOWN " GROUPS " " GROUPS " 65535 65535\rx") },
    { "no line end within 107 bytes", BYTES("PROXY UNKNOWN " GROUPS " " GROUPS " 65535 655350\r") },
    { "no line end ever", BYTES("PROXY TCP4 " FILLED_54 FILLED_9 FILLED_9 FILLED_9 FILLED_9 "123456") },

    { "2: another signature", BYTES("\r\n\r\n\0\r\nQUIT\r") },
    { "2: a byte less", BYTES("\r\n\r\n\r") },
    { "2: an empty line and a request", BYTES("\r\n\r\nG") },
    { "2: version 1", BYTES(SIGNATURE "\x11\x11\x00\x0c") },
    { "2: version 3", BYTES(SIGNATURE "\x31\x11\x00\x0c") },
    { "2: version 0", BYTES(SIGNATURE "\x01\x11\x00\x0c") },
    { "2: a command that is none", BYTES(SIGNATURE "\x22\x11\x00\x0c") },
    { "2: the last command", BYTES(SIGNATURE "\x2f\x11\x00\x0c") },
    { "2: a family that is none", BYTES(SIGNATURE "\x21\x41\x00\x0c") },
    { "2: the last family", BYTES(SIGNATURE "\x21\xf1\x00\x0c") },
    { "2: a transport that is none", BYTES(SIGNATURE "\x21\x13\x00\x0c") },
    { "2: a transport that is none, without a family", BYTES(SIGNATURE "\x21\x03\x00\x0c") },
    { "2: no room for addresses", BYTES(SIGNATURE "\x21\x11\x00\x00") },
    { "2: a byte too few for IPv4", BYTES(SIGNATURE "\x21\x11\x00\x0b") },
    { "2: a byte too few for IPv6", BYTES(SIGNATURE "\x21\x21\x00\x23") },
    { "2: room for IPv4 is not enough for IPv6", BYTES(SIGNATURE "\x21\x21\x00\x0c") },
    { "2: a byte too few for unix", BYTES(SIGNATURE "\x21\x31\x00\xd7") },
};

static void what_is_wrong_is_refused_at_once(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        size_t used, len = errors[i].text.len;
        tc__proxy_header_t header = { .version = 77 };
        for (size_t at = 0; at <= len; at++)
            expect_row(errors[i].why, feed_split(errors[i].text, at, 0, &used, &header) == TC_EPROTO);
        expect_row(errors[i].why, feed_bytes(errors[i].text, 0, &used, &header) == TC_EPROTO && used == len - 1);
        expect_row(errors[i].why, header.version == 77);
    }
}

static void an_outcome_stays(void **state) {
    (void)state;
    size_t used = 77;
    tc__proxy_header_t header = { .version = 77 };
    tc__proxy_parser_t parser;
    tc__proxy_parser_init(&parser, 0);
    assert_int_equal(tc__proxy_parser_feed(&parser, tc_str("GET"), &used, &header), TC_EPROTO);
    assert_int_equal(tc__proxy_parser_feed(&parser, tc_str("PROXY UNKNOWN\r\n"), &used, &header), TC_EPROTO);
    assert_int_equal(used, 77);
    assert_int_equal(header.version, 77);

    tc__proxy_parser_init(&parser, 0);
    assert_int_equal(tc__proxy_parser_feed(&parser, tc_str("PROXY UNKNOWN\r\nGET"), &used, &header), 0);
    assert_int_equal(used, 15);
    assert_int_equal(tc__proxy_parser_feed(&parser, tc_str("GET"), &used, &header), 0);
    assert_int_equal(used, 0);
}

/* ---- The limit of TLVs ---- */

static const struct {
    const char *why;
    const char *command; /* and family */
    size_t max_tlvs, addresses, tlvs;
    int want;
} limits[] = {
    { "by default 4 KiB", "\x21\x11", 0, 12, 4096, 0 },
    { "and not a byte more", "\x21\x11", 0, 12, 4097, TC_ETOOBIG },
    { "addresses do not count", "\x21\x21", 1, 36, 1, 0 },
    { "nor do paths", "\x21\x31", 1, 216, 1, 0 },
    { "beside them a byte is a byte", "\x21\x31", 1, 216, 2, TC_ETOOBIG },
    { "all counts that is not known", "\x21\x00", 12, 0, 13, TC_ETOOBIG },
    { "all counts of a health check", "\x20\x11", 12, 0, 13, TC_ETOOBIG },
    { "as much as may be", "\x20\x11", 12, 0, 12, 0 },
    { "as much as the protocol can say", "\x21\x11", SIZE_MAX, 12, 65535 - 12, 0 },
    { "the same of a health check", "\x20\x00", 65535, 0, 65535, 0 },
};

static void more_tlvs_than_allowed_are_refused_by_their_length(void **state) {
    (void)state;
    enum { MOST = 16 + 65535 };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char *text = calloc(1, MOST + 3);
        size_t total = limits[i].addresses + limits[i].tlvs, used, whole = 16 + total;
        assert_non_null(text);
        memcpy(text, SIGNATURE, 12);
        memcpy(text + 12, limits[i].command, 2);
        text[14] = (char)(total >> 8);
        text[15] = (char)total;
        tc__proxy_header_t header;
        int want = limits[i].want;
        expect_row(limits[i].why,
                   feed_split(tc_bytes(text, 16), 7, limits[i].max_tlvs, &used, &header) == (want    ? want
                                                                                             : total ? TC_EAGAIN
                                                                                                     : 0));
        expect_row(limits[i].why,
                   feed_split(tc_bytes(text, whole + 3), 18, limits[i].max_tlvs, &used, &header) == want);
        expect_row(limits[i].why, want != 0 || used == whole);
        expect_row(limits[i].why, feed_bytes(tc_bytes(text, whole + 3), limits[i].max_tlvs, &used, &header) == want);
        expect_row(limits[i].why, want != 0 || used == whole);
        free(text);
    }
}

static void every_head_has_an_outcome(void **state) {
    (void)state;
    for (unsigned command = 0; command < 256; command++) {
        for (unsigned family = 0; family < 256; family++) {
            char text[16 + 216] = SIGNATURE;
            size_t used;
            text[12] = (char)command;
            text[13] = (char)family;
            text[15] = (char)216;
            tc__proxy_header_t header;
            int err = feed_split(tc_bytes(text, sizeof text), 16, 0, &used, &header);
            bool relayed = command == 0x21 && family >> 4 <= 3 && (family & 15) <= 2;
            assert_int_equal(err, relayed || command == 0x20 ? 0 : TC_EPROTO);
            assert_true(err != 0 || used == sizeof text);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_the_same_in_any_pieces),
        cmocka_unit_test(a_part_of_a_header_is_not_enough),
        cmocka_unit_test(what_is_wrong_is_refused_at_once),
        cmocka_unit_test(an_outcome_stays),
        cmocka_unit_test(more_tlvs_than_allowed_are_refused_by_their_length),
        cmocka_unit_test(every_head_has_an_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
