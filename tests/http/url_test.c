/* url_test.c - request targets, hosts, percent-encoding, the pairs of a query. */
#include "http/url_internal.h"

#include "http/parsing.h"

#define LONG_NAME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *why;
    tc_bytes_t text;
    const char *host; /* NULL: refused */
    int port;
} hosts[] = {
    { "a name", BYTES("example.com"), "example.com", -1 },
    { "a port", BYTES("example.com:8080"), "example.com", 8080 },
    { "the highest port", BYTES("h:65535"), "h", 65535 },
    { "port zero is a number", BYTES("h:0"), "h", 0 },
    { "zeros before a port", BYTES("h:000080"), "h", 80 },
    { "an empty port is none (RFC 3986 section 3.2.3)", BYTES("h:"), "h", -1 },
    { "one letter", BYTES("a"), "a", -1 },
    { "underscores occur", BYTES("my_host"), "my_host", -1 },
    { "a dot at the end", BYTES("example.com."), "example.com.", -1 },
    { "percent-encoded", BYTES("a%41"), "a%41", -1 },
    { "percent-encoded at the end, with a port", BYTES("a%c3%A4:1"), "a%c3%A4", 1 },
    { "sub-delims", BYTES("a!$&'()*+;=b"), "a!$&'()*+;=b", -1 },
    { "IPv4", BYTES("127.0.0.1:80"), "127.0.0.1", 80 },
    { "what is no IPv4 address is a name", BYTES("999.1.1.1"), "999.1.1.1", -1 },
    { "IPv6", BYTES("[::1]"), "[::1]", -1 },
    { "IPv6 with a port", BYTES("[2001:db8::1]:443"), "[2001:db8::1]", 443 },
    { "IPv6 with an empty port", BYTES("[::1]:"), "[::1]", -1 },
    { "IPv6 with IPv4 in it", BYTES("[::ffff:1.2.3.4]"), "[::ffff:1.2.3.4]", -1 },
    { "IPv6, all of it", BYTES("[1111:2222:3333:4444:5555:6666:123.123.123.123]:1"),
      "[1111:2222:3333:4444:5555:6666:123.123.123.123]", 1 },
    { "a name of 100 letters", BYTES(LONG_NAME), LONG_NAME, -1 },
    { "empty", BYTES(""), NULL, 0 },
    { "only a colon", BYTES(":"), NULL, 0 },
    { "only a port", BYTES(":80"), NULL, 0 },
    { "an open bracket", BYTES("["), NULL, 0 },
    { "a bracket that does not close", BYTES("[::1"), NULL, 0 },
    { "empty brackets", BYTES("[]"), NULL, 0 },
    { "IPv4 in brackets", BYTES("[127.0.0.1]"), NULL, 0 },
    { "a name in brackets", BYTES("[a]"), NULL, 0 },
    { "IPvFuture is nobody's", BYTES("[v1.a]"), NULL, 0 },
    { "a zone means nothing here", BYTES("[fe80::1%25eth0]"), NULL, 0 },
    { "a zone, unencoded", BYTES("[fe80::1%eth0]"), NULL, 0 },
    { "a NUL in brackets", BYTES("[::1\0]"), NULL, 0 },
    { "too long for an address", BYTES("[" LONG_NAME "]"), NULL, 0 },
    { "text behind brackets", BYTES("[::1]a"), NULL, 0 },
    { "a port without its colon", BYTES("[::1]80"), NULL, 0 },
    { "IPv6 without brackets", BYTES("::1"), NULL, 0 },
    { "a port is a number", BYTES("h:port"), NULL, 0 },
    { "a port with a sign", BYTES("h:+1"), NULL, 0 },
    { "a negative port", BYTES("h:-1"), NULL, 0 },
    { "a port with a space", BYTES("h: 1"), NULL, 0 },
    { "hexadecimal", BYTES("h:0x50"), NULL, 0 },
    { "one too many", BYTES("h:65536"), NULL, 0 },
    { "a port of eight digits", BYTES("h:99999999"), NULL, 0 },
    { "a port that wraps around 32 bits", BYTES("h:4294967376"), NULL, 0 },
    { "a port that wraps around 64 bits", BYTES("h:18446744073709551696"), NULL, 0 },
    { "two ports", BYTES("h:1:2"), NULL, 0 },
    { "user info", BYTES("u@h"), NULL, 0 },
    { "user info with a password", BYTES("u:p@h"), NULL, 0 },
    { "two Hosts, joined", BYTES("a,b"), NULL, 0 },
    { "a path", BYTES("h/"), NULL, 0 },
    { "a query", BYTES("h?"), NULL, 0 },
    { "a fragment", BYTES("h#"), NULL, 0 },
    { "a backslash", BYTES("h\\"), NULL, 0 },
    { "a space", BYTES("a b"), NULL, 0 },
    { "a space at the end", BYTES("a "), NULL, 0 },
    { "a NUL", BYTES("a\0b"), NULL, 0 },
    { "DEL", BYTES("a\x7f"), NULL, 0 },
    { "UTF-8", BYTES("\xc3\xa4"), NULL, 0 },
    { "a bad percent-encoding", BYTES("a%4g"), NULL, 0 },
    { "half of a percent-encoding", BYTES("a%4"), NULL, 0 },
    { "a percent sign alone", BYTES("%"), NULL, 0 },
    { "quotes and their like", BYTES("a\"<>^`{|}"), NULL, 0 },
};

static void hosts_are_parsed_strictly(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        tc_bytes_t text = exact(hosts[i].text), host = BYTES("untouched");
        int port = -7, err = tc__host_parse(text, &host, &port);
        expect_row(hosts[i].why, err == (hosts[i].host ? 0 : TC_EINVAL));
        expect_bytes(hosts[i].why, host, hosts[i].host ? tc_str(hosts[i].host) : tc_str("untouched"));
        expect_row(hosts[i].why, port == (hosts[i].host ? hosts[i].port : -7));
        drop(text);
    }
}

static void every_prefix_of_a_host_is_read_within_its_bounds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        for (size_t len = 0; len < hosts[i].text.len; len++) {
            tc_bytes_t text = exact(tc_bytes(hosts[i].text.data, len)), host;
            int port;
            if (tc__host_parse(text, &host, &port) == 0)
                expect_row(hosts[i].why, host.len > 0 && host.len <= len && port >= -1 && port <= 65535);
            drop(text);
        }
    }
}

enum { REFUSED = -1 };

static const struct {
    const char *why;
    tc_bytes_t text;
    bool is_connect;
    int form; /* or REFUSED */
    const char *scheme, *authority, *path, *query;
} targets[] = {
    { "the root", BYTES("/"), false, TC__TARGET_ORIGIN, NULL, NULL, "/", NULL },
    { "a path", BYTES("/a/b"), false, TC__TARGET_ORIGIN, NULL, NULL, "/a/b", NULL },
    { "a query", BYTES("/a?b=c"), false, TC__TARGET_ORIGIN, NULL, NULL, "/a", "b=c" },
    { "an empty query is there", BYTES("/a?"), false, TC__TARGET_ORIGIN, NULL, NULL, "/a", "" },
    { "the first question mark counts", BYTES("/?a?b"), false, TC__TARGET_ORIGIN, NULL, NULL, "/", "a?b" },
    { "two slashes are a path, no authority", BYTES("//h/a"), false, TC__TARGET_ORIGIN, NULL, NULL, "//h/a", NULL },
    { "nothing is decoded", BYTES("/%65%2F+%zz%"), false, TC__TARGET_ORIGIN, NULL, NULL, "/%65%2F+%zz%", NULL },
    { "dots stay", BYTES("/../a/./b"), false, TC__TARGET_ORIGIN, NULL, NULL, "/../a/./b", NULL },
    { "what browsers do not encode", BYTES("/\"<>[\\]^`{|}?\"<>[\\]^`{|}"), false, TC__TARGET_ORIGIN, NULL, NULL,
      "/\"<>[\\]^`{|}", "\"<>[\\]^`{|}" },
    { "asterisk", BYTES("*"), false, TC__TARGET_ASTERISK, NULL, NULL, "*", NULL },
    { "absolute", BYTES("http://h/a?b"), false, TC__TARGET_ABSOLUTE, "http", "h", "/a", "b" },
    { "absolute, in capitals", BYTES("HTTPS://H:1/a"), false, TC__TARGET_ABSOLUTE, "HTTPS", "H:1", "/a", NULL },
    { "absolute without a path", BYTES("http://h"), false, TC__TARGET_ABSOLUTE, "http", "h", "/", NULL },
    { "absolute with a query only", BYTES("http://h?b/c"), false, TC__TARGET_ABSOLUTE, "http", "h", "/", "b/c" },
    { "absolute, IPv6", BYTES("http://[::1]:80/"), false, TC__TARGET_ABSOLUTE, "http", "[::1]:80", "/", NULL },
    { "absolute, empty port", BYTES("http://h:/"), false, TC__TARGET_ABSOLUTE, "http", "h:", "/", NULL },
    { "absolute with a URL in it", BYTES("http://h/http://i"), false, TC__TARGET_ABSOLUTE, "http", "h", "/http://i",
      NULL },
    { "authority", BYTES("h:443"), true, TC__TARGET_AUTHORITY, NULL, "h:443", "", NULL },
    { "authority, IPv6", BYTES("[::1]:443"), true, TC__TARGET_AUTHORITY, NULL, "[::1]:443", "", NULL },
    { "empty", BYTES(""), false, REFUSED, 0, 0, 0, 0 },
    { "no slash", BYTES("a"), false, REFUSED, 0, 0, 0, 0 },
    { "a query alone", BYTES("?a"), false, REFUSED, 0, 0, 0, 0 },
    { "asterisk with more", BYTES("*a"), false, REFUSED, 0, 0, 0, 0 },
    { "an authority is for CONNECT", BYTES("h:443"), false, REFUSED, 0, 0, 0, 0 },
    { "a target has no fragment", BYTES("/a#b"), false, REFUSED, 0, 0, 0, 0 },
    { "nor has its query", BYTES("/a?b#c"), false, REFUSED, 0, 0, 0, 0 },
    { "nor the absolute form", BYTES("http://h#c"), false, REFUSED, 0, 0, 0, 0 },
    { "a space in the path", BYTES("/a b"), false, REFUSED, 0, 0, 0, 0 },
    { "a space in the query", BYTES("/?a b"), false, REFUSED, 0, 0, 0, 0 },
    { "a tab", BYTES("/\t"), false, REFUSED, 0, 0, 0, 0 },
    { "a NUL", BYTES("/\0"), false, REFUSED, 0, 0, 0, 0 },
    { "CR LF", BYTES("/\r\n"), false, REFUSED, 0, 0, 0, 0 },
    { "DEL", BYTES("/\x7f"), false, REFUSED, 0, 0, 0, 0 },
    { "UTF-8", BYTES("/\xc3\xa4"), false, REFUSED, 0, 0, 0, 0 },
    { "another scheme", BYTES("ftp://h/"), false, REFUSED, 0, 0, 0, 0 },
    { "a scheme that begins like one", BYTES("httpx://h/"), false, REFUSED, 0, 0, 0, 0 },
    { "no scheme", BYTES("://h/"), false, REFUSED, 0, 0, 0, 0 },
    { "one slash", BYTES("http:/h"), false, REFUSED, 0, 0, 0, 0 },
    { "no slash after the scheme", BYTES("http:h"), false, REFUSED, 0, 0, 0, 0 },
    { "a scheme alone", BYTES("http:"), false, REFUSED, 0, 0, 0, 0 },
    { "no host", BYTES("http://"), false, REFUSED, 0, 0, 0, 0 },
    { "no host but a path", BYTES("http:///a"), false, REFUSED, 0, 0, 0, 0 },
    { "no host but a port", BYTES("http://:80/"), false, REFUSED, 0, 0, 0, 0 },
    { "user info", BYTES("http://u@h/"), false, REFUSED, 0, 0, 0, 0 },
    { "a bad port", BYTES("http://h:99999/"), false, REFUSED, 0, 0, 0, 0 },
    { "a bad host", BYTES("http://a,b/"), false, REFUSED, 0, 0, 0, 0 },
    { "a backslash before the path", BYTES("http://h\\/"), false, REFUSED, 0, 0, 0, 0 },
    { "a space in the path of the absolute form", BYTES("http://h/a b"), false, REFUSED, 0, 0, 0, 0 },
    { "CONNECT with a path", BYTES("/"), true, REFUSED, 0, 0, 0, 0 },
    { "CONNECT with an asterisk", BYTES("*"), true, REFUSED, 0, 0, 0, 0 },
    { "CONNECT with a URL", BYTES("http://h:1/"), true, REFUSED, 0, 0, 0, 0 },
    { "CONNECT needs a port", BYTES("h"), true, REFUSED, 0, 0, 0, 0 },
    { "CONNECT with an empty port", BYTES("h:"), true, REFUSED, 0, 0, 0, 0 },
    { "CONNECT to port zero", BYTES("h:0"), true, REFUSED, 0, 0, 0, 0 },
    { "CONNECT with user info", BYTES("u@h:1"), true, REFUSED, 0, 0, 0, 0 },
};

/* NULL: there is none. */
static void expect_part(const char *why, tc_bytes_t got, const char *want) {
    expect_row(why, (got.data == NULL) == (want == NULL));
    expect_bytes(why, got, tc_str(want));
}

static void targets_come_in_four_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        const char *why = targets[i].why;
        tc_bytes_t text = exact(targets[i].text);
        tc__target_t target, untouched;
        memset(&target, 0x55, sizeof target);
        memcpy(&untouched, &target, sizeof target);
        int err = tc__target_parse(text, targets[i].is_connect, &target);
        expect_row(why, err == (targets[i].form == REFUSED ? TC_EINVAL : 0));
        if (err == 0) {
            expect_row(why, (int)target.form == targets[i].form);
            expect_part(why, target.scheme, targets[i].scheme);
            expect_part(why, target.authority, targets[i].authority);
            expect_part(why, target.path, targets[i].path);
            expect_part(why, target.query, targets[i].query);
        } else {
            expect_row(why, memcmp(&target, &untouched, sizeof target) == 0);
        }
        drop(text);
    }
}

static void what_has_no_bytes_is_refused(void **state) {
    (void)state;
    tc_bytes_t host, nothing = { NULL, 0 };
    tc__target_t target;
    int port;
    assert_int_equal(tc__host_parse(nothing, &host, &port), TC_EINVAL);
    assert_int_equal(tc__target_parse(nothing, false, &target), TC_EINVAL);
    assert_int_equal(tc__target_parse(nothing, true, &target), TC_EINVAL);
}

static void every_prefix_of_a_target_is_read_within_its_bounds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        for (size_t len = 0; len < targets[i].text.len; len++) {
            tc_bytes_t text = exact(tc_bytes(targets[i].text.data, len));
            tc__target_t target;
            for (int is_connect = 0; is_connect <= 1; is_connect++) {
                if (tc__target_parse(text, is_connect, &target) == 0)
                    expect_row(targets[i].why, target.path.len + target.query.len <= len + 1);
            }
            drop(text);
        }
    }
}

static void every_byte_but_visible_ascii_is_refused_in_a_target(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char in_path[] = { '/', (char)c }, in_query[] = { '/', '?', (char)c };
        tc__target_t target;
        int want = c > 0x20 && c < 0x7f && c != '#' ? 0 : TC_EINVAL;
        assert_int_equal(tc__target_parse(tc_bytes(in_path, 2), false, &target), want);
        assert_int_equal(tc__target_parse(tc_bytes(in_query, 3), false, &target), want);
    }
}

static const struct {
    const char *why;
    tc_bytes_t text, path, plus; /* decoded without and with "+" */
} encoded[] = {
    { "nothing to decode", BYTES("abc"), BYTES("abc"), BYTES("abc") },
    { "empty", BYTES(""), BYTES(""), BYTES("") },
    { "both cases of hex", BYTES("%2f%2F%c3%A4"), BYTES("//\xc3\xa4"), BYTES("//\xc3\xa4") },
    { "plus", BYTES("a+b%2b"), BYTES("a+b+"), BYTES("a b+") },
    { "a NUL", BYTES("%00a"), BYTES("\0a"), BYTES("\0a") },
    { "decoded once", BYTES("%2541"), BYTES("%41"), BYTES("%41") },
    { "bad sequences stay", BYTES("%zz%4%"), BYTES("%zz%4%"), BYTES("%zz%4%") },
    { "a percent sign before a good one", BYTES("%%41"), BYTES("%A"), BYTES("%A") },
};

static void percent_sequences_are_decoded_once(void **state) {
    (void)state;
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    for (size_t i = 0; i < sizeof encoded / sizeof *encoded; i++) {
        tc_bytes_t text = exact(encoded[i].text);
        expect_text(encoded[i].why, tc__percent_decode(&arena, text, false), encoded[i].path);
        expect_text(encoded[i].why, tc__percent_decode(&arena, text, true), encoded[i].plus);
        drop(text);
    }
    tc__arena_deinit(&arena);
}

static int decode_much(tc__arena_t *arena) {
    char text[3000];
    memset(text, '%', sizeof text);
    tc_bytes_t decoded = tc__percent_decode(arena, tc_bytes(text, sizeof text), true);
    assert_int_equal(decoded.len, decoded.data ? sizeof text : 0);
    return decoded.data ? 0 : TC_ENOMEM;
}

static void decoding_runs_out_of_memory(void **state) {
    (void)state;
    with_each_allocation_failing(decode_much);
}

static const struct {
    const char *why, *text, *pairs; /* "name>value|…" */
} queries[] = {
    { "one", "a=1", "a>1" },
    { "two", "a=1&b=2", "a>1|b>2" },
    { "blank", "a=&b", "a>|b>" },
    { "no name", "=1", ">1" },
    { "the first equals sign counts", "a=b=c", "a>b=c" },
    { "empty pairs are none", "&&a=1&&", "a>1" },
    { "nothing", "", "" },
    { "only separators", "&&&", "" },
    { "a semicolon is data", "a=1;b=2", "a>1;b=2" },
    { "nothing is decoded", "%61=+", "%61>+" },
};

static void a_query_is_pairs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        tc_bytes_t text = exact(tc_str(queries[i].text)), rest = text, name, value;
        char got[64] = "";
        while (tc__query_next(&rest, &name, &value))
            snprintf(got + strlen(got), sizeof got - strlen(got), "%s" TC_FMT ">" TC_FMT, got[0] ? "|" : "",
                     TC_ARG(name), TC_ARG(value));
        expect_bytes(queries[i].why, tc_str(got), tc_str(queries[i].pairs));
        drop(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_parsed_strictly),
        cmocka_unit_test(every_prefix_of_a_host_is_read_within_its_bounds),
        cmocka_unit_test(targets_come_in_four_forms),
        cmocka_unit_test(what_has_no_bytes_is_refused),
        cmocka_unit_test(every_prefix_of_a_target_is_read_within_its_bounds),
        cmocka_unit_test(every_byte_but_visible_ascii_is_refused_in_a_target),
        cmocka_unit_test(percent_sequences_are_decoded_once),
        cmocka_unit_test(decoding_runs_out_of_memory),
        cmocka_unit_test(a_query_is_pairs),
    };
    use_failing_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
