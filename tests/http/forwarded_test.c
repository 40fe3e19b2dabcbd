/* forwarded_test.c - who the client is, as proxies tell it. */
#include "http/forwarded_internal.h"

#include <arpa/inet.h>
#include <time.h>

#include "http/parsing.h"
#include "util/bytes_internal.h"

static const char trusted_networks[] = "127.0.0.1, 10.0.0.0/8, 2001:db8::/32, unix";
static tc__cidrs_t trusted;

static int trust(void **state) {
    (void)state;
    return tc__cidrs_init(&trusted, trusted_networks);
}

static int trust_nobody(void **state) {
    (void)state;
    tc__cidrs_deinit(&trusted);
    return 0;
}

static tc__address_t peer_of(const char *text) {
    tc__address_t peer = { .family = AF_UNIX };
    if (strcmp(text, "unix") != 0 && tc__address_parse(tc_str(text), &peer) != 0)
        fail_msg("no address: %s", text);
    return peer;
}

/* "name: value\n" lines into a table; the values stand in blocks of their length, with a NUL behind as the parser
 * leaves one. */
static void read_lines(tc__headers_t *headers, tc__arena_t *arena, const char *text) {
    tc__headers_init(headers);
    while (*text) {
        size_t len = strcspn(text, "\n"), colon = strcspn(text, ":");
        tc_bytes_t value = tc__bytes_trim(tc_bytes(text + colon + 1, len - colon - 1));
        char *own = tc__arena_strndup(arena, value.data, value.len);
        assert_non_null(own);
        assert_non_null(tc__headers_append(headers, arena, tc_bytes(text, colon), tc_bytes(own, value.len)));
        text += text[len] ? len + 1 : len;
    }
}

/* "203.0.113.9:4711 https disputed": the address, its port unless 0, the protocol if told. */
static void read_as_text(char *out, size_t size, const char *peer_text, const char *lines, unsigned fields) {
    tc__headers_t headers;
    tc__arena_t arena;
    tc__forwarded_t got;
    tc__address_t peer = peer_of(peer_text);
    tc__arena_init(&arena, NULL);
    read_lines(&headers, &arena, lines);
    tc__forwarded_read(&got, &headers, fields, &peer, &trusted);
    tc__arena_deinit(&arena);

    char address[INET6_ADDRSTRLEN + 12] = "unix", port[8] = "";
    if (got.address.family != AF_UNIX)
        tc__address_format(&got.address, address, sizeof address);
    if (got.address.port != 0)
        snprintf(port, sizeof port, ":%d", got.address.port);
    snprintf(out, size, "%s%s%s%s%s", address, port, got.protocol ? " " : "", got.protocol ? got.protocol : "",
             got.disputed ? " disputed" : "");
}

typedef struct {
    const char *why, *lines, *want;
} row_t;

/* The peer is 10.0.0.1, all fields are asked. */
static void expect_rows(const row_t *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char got[128];
        read_as_text(got, sizeof got, "10.0.0.1", rows[i].lines, TC__TRUST_ALL);
        expect_bytes(rows[i].why, tc_str(got), tc_str(rows[i].want));
    }
}

#define EXPECT_ROWS(rows) expect_rows(rows, sizeof(rows) / sizeof *(rows))

/* ---- Who is believed ---- */

#define EVERY_FIELD                                                                    \
    "X-Forwarded-For: 203.0.113.9\nX-Real-Ip: 203.0.113.9\nX-Forwarded-Proto: https\n" \
    "X-Scheme: https\nForwarded: for=203.0.113.9;proto=https"

static const struct {
    const char *why, *peer, *want;
} peers[] = {
    { "a proxy", "10.0.0.1", "203.0.113.9 https" },
    { "a proxy by IPv6", "2001:db8::5", "203.0.113.9 https" },
    { "a proxy on a dual-stack socket", "::ffff:10.9.8.7", "203.0.113.9 https" },
    { "a proxy on a unix socket", "unix", "203.0.113.9 https" },
    { "anybody", "198.51.100.7", "198.51.100.7" },
    { "anybody by IPv6", "2001:db9::1", "2001:db9::1" },
    { "loopback, but another", "127.0.0.2", "127.0.0.2" },
    { "::1 is not 127.0.0.1", "::1", "::1" },
};

static void fields_are_believed_from_trusted_peers_only(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        char got[128];
        read_as_text(got, sizeof got, peers[i].peer, EVERY_FIELD, TC__TRUST_ALL);
        expect_bytes(peers[i].why, tc_str(got), tc_str(peers[i].want));
    }
}

static void without_a_list_nobody_is_believed(void **state) {
    (void)state;
    char got[128];
    tc__cidrs_t kept = trusted;
    trusted = (tc__cidrs_t){ NULL, 0 };
    read_as_text(got, sizeof got, "unix", EVERY_FIELD, TC__TRUST_ALL);
    assert_string_equal(got, "unix");
    read_as_text(got, sizeof got, "127.0.0.1", EVERY_FIELD, TC__TRUST_ALL);
    assert_string_equal(got, "127.0.0.1");
    trusted = kept;
}

static void the_peer_keeps_its_port_and_zone_when_nobody_else_is_told(void **state) {
    (void)state;
    tc__headers_t headers;
    tc__forwarded_t got;
    tc__address_t peer = peer_of("10.0.0.1");
    peer.port = 4711;
    tc__headers_init(&headers);
    tc__forwarded_read(&got, &headers, TC__TRUST_ALL, &peer, &trusted);
    assert_int_equal(got.address.port, 4711);
    peer = peer_of("fe80::1");
    peer.scope = 3;
    tc__forwarded_read(&got, &headers, TC__TRUST_ALL, &peer, &trusted);
    assert_int_equal(got.address.scope, 3);
}

/* ---- X-Forwarded-For ---- */

static const row_t forwarded_for[] = {
    { "no field", "", "10.0.0.1" },
    { "one client", "X-Forwarded-For: 203.0.113.9", "203.0.113.9" },
    { "names have no case", "x-forwarded-FOR: 203.0.113.9", "203.0.113.9" },
    { "IPv6", "X-Forwarded-For: 2620:0:1cfe:face:b00c::3", "2620:0:1cfe:face:b00c::3" },
    { "what a client wrote stands left of what the proxy wrote", "X-Forwarded-For: 1.1.1.1, 203.0.113.9",
      "203.0.113.9" },
    { "a trusted proxy is not the client", "X-Forwarded-For: 203.0.113.9, 10.0.0.2", "203.0.113.9" },
    { "through two proxies, and a forged entry", "X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.0.0.3, 10.0.0.2",
      "203.0.113.9" },
    { "all are trusted: the leftmost", "X-Forwarded-For: 10.0.0.4, 10.0.0.3, 2001:db8::2", "10.0.0.4" },
    { "a proxy between others is not skipped", "X-Forwarded-For: 1.1.1.1, 198.51.100.7, 10.0.0.2", "198.51.100.7" },
    { "fields are one list", "X-Forwarded-For: 203.0.113.9\nHost: a\nX-Forwarded-For: 10.0.0.2", "203.0.113.9" },
    { "in their order", "X-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 203.0.113.9", "203.0.113.9" },
    { "lists in fields", "X-Forwarded-For: 1.1.1.1, 203.0.113.9\nX-Forwarded-For: 10.0.0.3, 10.0.0.2", "203.0.113.9" },
    { "no blanks", "X-Forwarded-For: 1.1.1.1,203.0.113.9,10.0.0.2", "203.0.113.9" },
    { "many blanks", "X-Forwarded-For: 1.1.1.1 \t,\t 203.0.113.9 , 10.0.0.2\t", "203.0.113.9" },
    { "IPv4 in IPv6", "X-Forwarded-For: ::ffff:203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9" },
    { "some balancers write ports", "X-Forwarded-For: 203.0.113.9:4711", "203.0.113.9:4711" },
    { "of IPv6 too", "X-Forwarded-For: [2620::3]:4711, 10.0.0.2:80", "2620::3:4711" },
    { "an entry that is none: the peer", "X-Forwarded-For: www.example.com", "10.0.0.1" },
    { "nothing beyond it is believed", "X-Forwarded-For: 1.1.1.1, www.example.com", "10.0.0.1" },
    { "but what was vouched for is", "X-Forwarded-For: 1.1.1.1, www.example.com, 10.0.0.2", "10.0.0.2" },
    { "unknown, as Squid writes", "X-Forwarded-For: 1.1.1.1, unknown, 10.0.0.2", "10.0.0.2" },
    { "a unix socket, as nginx writes", "X-Forwarded-For: 1.1.1.1, unix:", "10.0.0.1" },
    { "an empty field", "X-Forwarded-For:", "10.0.0.1" },
    { "an empty entry: somebody did not know", "X-Forwarded-For: 1.1.1.1,", "10.0.0.1" },
    { "an empty entry between", "X-Forwarded-For: 1.1.1.1,,10.0.0.2", "10.0.0.2" },
    { "an empty entry before", "X-Forwarded-For: ,203.0.113.9", "203.0.113.9" },
    { "an empty field behind", "X-Forwarded-For: 1.1.1.1\nX-Forwarded-For: ", "10.0.0.1" },
    { "an empty field before", "X-Forwarded-For: \nX-Forwarded-For: 203.0.113.9", "203.0.113.9" },
    { "only commas", "X-Forwarded-For: ,,,", "10.0.0.1" },
    { "three numbers are no address", "X-Forwarded-For: 1.2.3", "10.0.0.1" },
    { "octal numbers are none", "X-Forwarded-For: 010.0.0.1", "10.0.0.1" },
    { "a zone is none", "X-Forwarded-For: fe80::1%eth0", "10.0.0.1" },
    { "markup", "X-Forwarded-For: 4.4.4.4<script>", "10.0.0.1" },
    { "quotes", "X-Forwarded-For: \"203.0.113.9\"", "10.0.0.1" },
    { "a semicolon separates nothing", "X-Forwarded-For: 1.1.1.1; 203.0.113.9", "10.0.0.1" },
    { "a blank separates nothing", "X-Forwarded-For: 1.1.1.1 203.0.113.9", "10.0.0.1" },
    { "two colons at the end", "X-Forwarded-For: 203.0.113.9:80:80", "10.0.0.1" },
    { "a bracket", "X-Forwarded-For: [", "10.0.0.1" },
    { "another name", "X-Forwarded-Fox: 203.0.113.9\nForwarded-For: 203.0.113.9", "10.0.0.1" },
};

static void x_forwarded_for_is_walked_from_the_right(void **state) {
    (void)state;
    EXPECT_ROWS(forwarded_for);
}

/* ---- X-Real-Ip ---- */

static const row_t real_ip[] = {
    { "the client", "X-Real-Ip: 203.0.113.9", "203.0.113.9" },
    { "with a port", "X-Real-Ip: [2620::3]:4711", "2620::3:4711" },
    { "a trusted client", "X-Real-Ip: 10.0.0.7", "10.0.0.7" },
    { "empty", "X-Real-Ip:", "10.0.0.1" },
    { "no address", "X-Real-Ip: 4.4.4.4<script>", "10.0.0.1" },
    { "a list", "X-Real-Ip: 203.0.113.9, 203.0.113.9", "10.0.0.1" },
    { "twice: a client's and the proxy's", "X-Real-Ip: 1.1.1.1\nX-Real-Ip: 203.0.113.9", "10.0.0.1" },
};

static void x_real_ip_is_one_address(void **state) {
    (void)state;
    EXPECT_ROWS(real_ip);
}

/* ---- X-Forwarded-Proto, X-Scheme ---- */

static const row_t protocols[] = {
    { "https", "X-Forwarded-Proto: https", "10.0.0.1 https" },
    { "http", "X-Forwarded-Proto: http", "10.0.0.1 http" },
    { "schemes have no case", "X-Forwarded-Proto: HTTPS", "10.0.0.1 https" },
    { "a WebSocket's", "X-Forwarded-Proto: wss", "10.0.0.1 https" },
    { "and without TLS", "X-Forwarded-Proto: ws", "10.0.0.1 http" },
    { "the last of a list", "X-Forwarded-Proto: https, http", "10.0.0.1 http" },
    { "the last of some fields", "X-Forwarded-Proto: http\nX-Forwarded-Proto: https", "10.0.0.1 https" },
    { "the last is none", "X-Forwarded-Proto: https,", "10.0.0.1" },
    { "another scheme", "X-Forwarded-Proto: ftp", "10.0.0.1" },
    { "longer", "X-Forwarded-Proto: httpss", "10.0.0.1" },
    { "shorter", "X-Forwarded-Proto: htt", "10.0.0.1" },
    { "empty", "X-Forwarded-Proto:", "10.0.0.1" },
    { "quotes", "X-Forwarded-Proto: \"https\"", "10.0.0.1" },
    { "X-Scheme", "X-Scheme: https", "10.0.0.1 https" },
    { "of any case", "x-SCHEME: https", "10.0.0.1 https" },
    { "it is no list", "X-Scheme: http, https", "10.0.0.1" },
    { "twice: a client's and the proxy's", "X-Scheme: https\nX-Scheme: https", "10.0.0.1" },
    { "both agree", "X-Scheme: https\nX-Forwarded-Proto: https", "10.0.0.1 https" },
    { "both disagree", "X-Scheme: https\nX-Forwarded-Proto: http", "10.0.0.1 disputed" },
    { "one is none", "X-Scheme: gopher\nX-Forwarded-Proto: http", "10.0.0.1 http" },
};

static void the_protocol_is_http_or_https(void **state) {
    (void)state;
    EXPECT_ROWS(protocols);
}

/* ---- Forwarded ---- */

static const row_t forwarded[] = {
    { "RFC 7239 section 4: an obfuscated name", "Forwarded: for=\"_gazonk\"", "10.0.0.1" },
    { "section 4: IPv6", "Forwarded: For=\"[2620:db8:cafe::17]:4711\"", "2620:db8:cafe::17:4711" },
    { "section 4: all parameters", "Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60 http" },
    { "section 4: a list", "Forwarded: for=192.0.2.43, for=198.51.100.17", "198.51.100.17" },
    { "section 7.1: two fields", "Forwarded: for=192.0.2.43\nForwarded: for=198.51.100.17", "198.51.100.17" },
    { "section 7.1: two proxies", "Forwarded: for=192.0.2.43, for=\"[2001:db8:cafe::17]\", for=10.0.0.3",
      "192.0.2.43" },
    { "names have no case", "forwarded: FOR=192.0.2.60;PROTO=HTTPS", "192.0.2.60 https" },
    { "quotes around any value", "Forwarded: for=\"192.0.2.60\";proto=\"https\"", "192.0.2.60 https" },
    { "an IPv4 port, in quotes", "Forwarded: for=\"192.0.2.60:4711\"", "192.0.2.60:4711" },
    { "an obfuscated port", "Forwarded: for=\"192.0.2.60:_p-1.x\"", "192.0.2.60" },
    { "an obfuscated port of IPv6", "Forwarded: for=\"[2620::3]:_p\"", "2620::3" },
    { "escapes in quotes", "Forwarded: for=\"\\[2620::\\3\\]\"", "2620::3" },
    { "any order", "Forwarded: proto=https;host=\"a.example:8080\";for=192.0.2.60", "192.0.2.60 https" },
    { "parameters of others", "Forwarded: for=192.0.2.60;secret=x;x-y=\"a,b;c=\\\"d\"", "192.0.2.60" },
    { "commas and quotes in quotes", "Forwarded: for=1.1.1.1, for=192.0.2.60;host=\"a\\\",for=2.2.2.2,\\\\\"",
      "192.0.2.60" },
    { "empty pairs", "Forwarded: ;for=192.0.2.60;;proto=https;", "192.0.2.60 https" },
    { "blanks around semicolons", "Forwarded: for=192.0.2.60 ; proto=https", "192.0.2.60 https" },
    { "a field more", "Forwarded: for=192.0.2.60\nForwarded: for=10.0.0.2;proto=http", "192.0.2.60" },

    { "the protocol is the client's", "Forwarded: for=192.0.2.60;proto=https, for=10.0.0.2;proto=http",
      "192.0.2.60 https" },
    { "not that of a client's own entry", "Forwarded: for=1.1.1.1;proto=https, for=192.0.2.60;proto=http",
      "192.0.2.60 http" },
    { "all are trusted", "Forwarded: for=10.0.0.3;proto=https, for=10.0.0.2;proto=http", "10.0.0.3 https" },
    { "another scheme", "Forwarded: for=192.0.2.60;proto=coap", "192.0.2.60" },
    { "only the protocol", "Forwarded: proto=https", "10.0.0.1 https" },

    { "unknown ends the walk", "Forwarded: for=1.1.1.1, for=unknown, for=10.0.0.2", "10.0.0.2" },
    { "unknown of any case, with a port", "Forwarded: for=\"UnKnown:80\";proto=https", "10.0.0.1 https" },
    { "an obfuscated name ends it, too", "Forwarded: for=1.1.1.1, for=_SEVKISEK;proto=https, for=10.0.0.2",
      "10.0.0.2 https" },
    { "so does no name", "Forwarded: for=1.1.1.1, by=10.0.0.2;proto=https", "10.0.0.1 https" },
    { "and an empty element", "Forwarded: for=1.1.1.1, , for=10.0.0.2;proto=https", "10.0.0.2 https" },
    { "an empty field", "Forwarded:", "10.0.0.1" },

    { "IPv6 without brackets", "Forwarded: for=\"2620::3\"", "10.0.0.1" },
    { "IPv6 without quotes", "Forwarded: for=[2620::3]", "10.0.0.1" },
    { "a port without quotes", "Forwarded: for=192.0.2.60:80", "10.0.0.1" },
    { "IPv4 in brackets", "Forwarded: for=\"[192.0.2.60]\"", "10.0.0.1" },
    { "a port too large", "Forwarded: for=\"192.0.2.60:65536\"", "10.0.0.1" },
    { "an empty port", "Forwarded: for=\"192.0.2.60:\"", "10.0.0.1" },
    { "an empty port behind brackets", "Forwarded: for=\"[2620::3]:\"", "10.0.0.1" },
    { "a bad obfuscated port", "Forwarded: for=\"192.0.2.60:_a!\"", "10.0.0.1" },
    { "an obfuscated name of nothing", "Forwarded: for=_;proto=https", "10.0.0.1" },
    { "a bad obfuscated name", "Forwarded: for=\"_a b\";proto=https", "10.0.0.1" },
    { "a name", "Forwarded: for=client.example;proto=https", "10.0.0.1" },
    { "a malformed element is not believed in part", "Forwarded: proto=https;for=1.2.3", "10.0.0.1" },
    { "nor is what stands left of it", "Forwarded: for=1.1.1.1, for=", "10.0.0.1" },
    { "no value", "Forwarded: for=;proto=https", "10.0.0.1" },
    { "an empty value", "Forwarded: for=\"\";proto=https", "10.0.0.1" },
    { "no equals sign", "Forwarded: for", "10.0.0.1" },
    { "no name", "Forwarded: =192.0.2.60", "10.0.0.1" },
    { "blanks around the equals sign", "Forwarded: for = 192.0.2.60", "10.0.0.1" },
    { "a blank for a semicolon", "Forwarded: for=192.0.2.60 proto=https", "10.0.0.1" },
    { "something behind quotes", "Forwarded: for=\"192.0.2.60\"x", "10.0.0.1" },
    { "for twice", "Forwarded: for=192.0.2.60;for=192.0.2.60", "10.0.0.1" },
    { "proto twice", "Forwarded: for=192.0.2.60;proto=http;proto=https", "10.0.0.1" },
    { "a quote in a token", "Forwarded: for=192.0.2.60;host=a\"b\"", "10.0.0.1" },
    { "a control byte in quotes", "Forwarded: for=192.0.2.60;host=\"a\x01\"", "10.0.0.1" },
    { "longer than any address",
      "Forwarded: "
      "for=\"_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\";proto=https",
      "10.0.0.1" },
    { "the same without quotes",
      "Forwarded: "
      "for=_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;proto=https",
      "10.0.0.1" },
    { "others may be long",
      "Forwarded: "
      "for=192.0.2.60;x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;proto=https",
      "192.0.2.60 https" },

    { "a quote that a client leaves open", "Forwarded: for=\", for=192.0.2.60;proto=https", "192.0.2.60 https" },
    { "before quotes", "Forwarded: for=\", for=\"[2620::3]\";proto=https", "2620::3 https" },
    { "escaped", "Forwarded: for=\"\\, for=\"[2620::3]\"", "2620::3" },
    { "in a field of its own", "Forwarded: for=\"\nForwarded: for=192.0.2.60", "192.0.2.60" },
    { "closed in the next field", "Forwarded: for=192.0.2.60;host=\"a\nForwarded: b\"", "10.0.0.1" },
    { "a quote opened by the last", "Forwarded: for=1.1.1.1, for=\"192.0.2.60", "10.0.0.1" },
    { "a backslash at the end of a quote", "Forwarded: for=1.1.1.1, for=\"192.0.2.60\\\"", "10.0.0.1" },
    { "a client's backslashes", "Forwarded: \\\\\\, for=192.0.2.60", "192.0.2.60" },
};

static void forwarded_is_walked_from_the_right(void **state) {
    (void)state;
    EXPECT_ROWS(forwarded);
}

/* ---- Several fields ---- */

static const row_t several[] = {
    { "all agree", EVERY_FIELD, "203.0.113.9 https" },
    { "a port is told by one", "X-Forwarded-For: 203.0.113.9\nX-Real-Ip: 203.0.113.9:4711", "203.0.113.9:4711" },
    { "the proxy sets X-Forwarded-For, a client X-Real-Ip", "X-Forwarded-For: 203.0.113.9\nX-Real-Ip: 1.1.1.1",
      " disputed" },
    { "the proxy sets X-Real-Ip, a client X-Forwarded-For", "X-Forwarded-For: 1.1.1.1\nX-Real-Ip: 203.0.113.9",
      " disputed" },
    { "a client sets Forwarded", "Forwarded: for=1.1.1.1\nX-Forwarded-For: 203.0.113.9", " disputed" },
    { "two against one are a dispute, too",
      "Forwarded: for=1.1.1.1\nX-Forwarded-For: 203.0.113.9\nX-Real-Ip: 203.0.113.9", " disputed" },
    { "a dispute over one leaves the other", "X-Forwarded-For: 203.0.113.9\nX-Real-Ip: 1.1.1.1\nX-Scheme: https",
      " https disputed" },
    { "the other way round", "X-Real-Ip: 203.0.113.9\nX-Scheme: https\nForwarded: proto=http", "203.0.113.9 disputed" },
    { "a proxy before the proxy is named by one", "X-Forwarded-For: 203.0.113.9, 10.0.0.2\nX-Real-Ip: 10.0.0.2",
      "203.0.113.9" },
    { "by the other", "X-Real-Ip: 203.0.113.9\nForwarded: for=10.0.0.2", "203.0.113.9" },
    { "all are proxies: the longest walk counts", "X-Forwarded-For: 10.0.0.4, 10.0.0.2\nX-Real-Ip: 10.0.0.2",
      "10.0.0.4" },
    { "garbage has no say", "X-Forwarded-For: garbage\nX-Real-Ip: 203.0.113.9", "203.0.113.9" },
    { "nor has what is unknown", "Forwarded: for=unknown;proto=https\nX-Forwarded-For: 203.0.113.9",
      "203.0.113.9 https" },
    { "nor has X-Real-Ip twice", "X-Real-Ip: 1.1.1.1\nX-Real-Ip: 1.1.1.1\nX-Forwarded-For: 203.0.113.9",
      "203.0.113.9" },
    { "forms of one address agree", "X-Forwarded-For: 2620:0::0:3\nX-Real-Ip: 2620::3\nForwarded: for=\"[2620::3]\"",
      "2620::3" },
};

static void fields_must_not_contradict_each_other(void **state) {
    (void)state;
    EXPECT_ROWS(several);
}

static const struct {
    const char *why;
    unsigned fields;
    const char *want;
} choices[] = {
    { "none", 0, "10.0.0.1" },
    { "Forwarded", TC_TRUST_FORWARDED, "192.0.2.1 http" },
    { "X-Forwarded-For", TC_TRUST_X_FORWARDED_FOR, "192.0.2.2" },
    { "X-Real-Ip", TC_TRUST_X_REAL_IP, "192.0.2.3" },
    { "X-Forwarded-Proto", TC_TRUST_X_FORWARDED_PROTO, "10.0.0.1 https" },
    { "X-Scheme", TC_TRUST_X_SCHEME, "10.0.0.1 http" },
    { "as Tornado's nginx", TC_TRUST_X_REAL_IP | TC_TRUST_X_SCHEME, "192.0.2.3 http" },
    { "as most balancers", TC_TRUST_X_FORWARDED_FOR | TC_TRUST_X_FORWARDED_PROTO, "192.0.2.2 https" },
    { "all", TC__TRUST_ALL, " disputed" },
};

static void fields_that_are_not_asked_have_no_say(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        char got[128];
        read_as_text(got, sizeof got, "10.0.0.1",
                     "Forwarded: for=192.0.2.1;proto=http\nX-Forwarded-For: 192.0.2.2\nX-Real-Ip: 192.0.2.3\n"
                     "X-Forwarded-Proto: https\nX-Scheme: http",
                     choices[i].fields);
        expect_bytes(choices[i].why, tc_str(got), tc_str(choices[i].want));
    }
}

/* ---- What a client can do ---- */

/* Before what a proxy appended, in the same field and in a field of its own. */
static void expect_unmoved(const char *name, const char *forged, const char *appended, const char *want) {
    char lines[512], got[128];
    static const char *const between[] = { ", ", ",", "\n" };
    for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
        snprintf(lines, sizeof lines, "%s: %s%s%s%s%s", name, forged, between[i], i == 2 ? name : "",
                 i == 2 ? ": " : "", appended);
        read_as_text(got, sizeof got, "10.0.0.1", lines, TC__TRUST_ALL);
        expect_bytes(lines, tc_str(got), tc_str(want));
    }
}

static void nothing_a_client_writes_moves_what_the_proxy_appends(void **state) {
    (void)state;
    static const char alphabet[] = "\"\\,;=a 1.";
    enum { LETTERS = sizeof alphabet - 1 };
    for (size_t n = 0; n < LETTERS * LETTERS * LETTERS * LETTERS; n++) {
        char forged[32] = "for=";
        size_t rest = n, len = n % 2 ? 4 : 0;
        for (int i = 0; i < 4; i++, rest /= LETTERS)
            forged[len++] = alphabet[rest % LETTERS];
        forged[len] = '\0';
        expect_unmoved("Forwarded", forged, "for=\"[2620::3]\";proto=https;host=\"a\\\",b\"", "2620::3 https");
        expect_unmoved("X-Forwarded-For", forged, "2620::3", "2620::3");
    }
}

static void every_prefix_is_read_within_its_bounds(void **state) {
    (void)state;
    tc__address_t peer = peer_of("10.0.0.1");
    static const char *const names[] = { "Forwarded", "X-Forwarded-For", "X-Real-Ip", "X-Forwarded-Proto", "X-Scheme" };
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) {
        const char *line = forwarded[i].lines + strcspn(forwarded[i].lines, ":") + 1;
        for (size_t len = 0; len <= strlen(line); len++) {
            tc__forwarded_t got;
            tc__headers_t headers;
            tc__arena_t arena;
            tc_bytes_t value = exact(tc_bytes(line, len));
            tc__headers_init(&headers);
            tc__arena_init(&arena, NULL);
            for (size_t k = 0; k < sizeof names / sizeof *names; k++)
                tc__headers_append(&headers, &arena, tc_str(names[k]), value);
            tc__forwarded_read(&got, &headers, TC__TRUST_ALL, &peer, &trusted);
            tc__arena_deinit(&arena);
            drop(value);
        }
    }
}

static void nothing_is_allocated(void **state) {
    (void)state;
    tc__headers_t headers;
    tc__arena_t arena;
    tc__forwarded_t got;
    tc__address_t peer = peer_of("10.0.0.1");
    tc__arena_init(&arena, NULL);
    read_lines(&headers, &arena, EVERY_FIELD "\nX-Forwarded-For: 203.0.113.9\nForwarded: for=203.0.113.9");
    allocations = 0;
    tc__forwarded_read(&got, &headers, TC__TRUST_ALL, &peer, &trusted);
    assert_int_equal(allocations, 0);
    tc__arena_deinit(&arena);
}

/* ---- Twice the length, twice the time ---- */

static double seconds_for(const char *piece, size_t len) {
    size_t piece_len = strlen(piece);
    len -= len % piece_len;
    char *text = malloc(len);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = piece[i % piece_len];
    tc__headers_t headers;
    tc__arena_t arena;
    tc__forwarded_t got;
    tc__address_t peer = peer_of("10.0.0.1");
    tc__headers_init(&headers);
    tc__arena_init(&arena, NULL);
    tc__headers_append(&headers, &arena, tc_str("Forwarded"), tc_bytes(text, len));
    tc__headers_append(&headers, &arena, tc_str("X-Forwarded-For"), tc_bytes(text, len));
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    tc__forwarded_read(&got, &headers, TC__TRUST_ALL, &peer, &trusted);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    tc__arena_deinit(&arena);
    free(text);
    return (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

static void a_megabyte_is_read_in_linear_time(void **state) {
    (void)state;
    static const char *const pieces[] = {
        ",10.0.0.2", ",for=10.0.0.2", ",", ";", "\"", "\\", "\\\"", "\"\\", "\"\\\\\"", ";a=b", ";a=\"\\\"\"", " ", "_",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        /* A square of it would take minutes. */
        expect_row(pieces[i], seconds_for(pieces[i], 1 << 20) < 5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_believed_from_trusted_peers_only),
        cmocka_unit_test(without_a_list_nobody_is_believed),
        cmocka_unit_test(the_peer_keeps_its_port_and_zone_when_nobody_else_is_told),
        cmocka_unit_test(x_forwarded_for_is_walked_from_the_right),
        cmocka_unit_test(x_real_ip_is_one_address),
        cmocka_unit_test(the_protocol_is_http_or_https),
        cmocka_unit_test(forwarded_is_walked_from_the_right),
        cmocka_unit_test(fields_must_not_contradict_each_other),
        cmocka_unit_test(fields_that_are_not_asked_have_no_say),
        cmocka_unit_test(nothing_a_client_writes_moves_what_the_proxy_appends),
        cmocka_unit_test(every_prefix_is_read_within_its_bounds),
        cmocka_unit_test(nothing_is_allocated),
        cmocka_unit_test(a_megabyte_is_read_in_linear_time),
    };
    use_failing_allocator();
    return cmocka_run_group_tests(tests, trust, trust_nobody);
}
