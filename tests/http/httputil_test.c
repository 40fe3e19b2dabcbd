/* httputil_test.c - the public pieces: reasons, URLs, queries, header values, timestamps. */
#include <tornadoc/httputil.h>

#include <tornadoc/log.h>

#include "http/parsing.h"

/* ---- Reasons -------------------------------------------------------------------------------------------------- */

static void codes_have_reasons(void **state) {
    (void)state;
    assert_string_equal(tc_http_reason(200), "OK");
    assert_string_equal(tc_http_reason(404), "Not Found");
    assert_string_equal(tc_http_reason(100), "Continue");
    assert_string_equal(tc_http_reason(511), "Network Authentication Required");
    const int unknown[] = { 0, -1, 99, 299, 306, 419, 430, 512, 599, 600, 1000000, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_string_equal(tc_http_reason(unknown[i]), "Unknown");
}

/* ---- URLs ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *why, *text;
    int err;
    const char *scheme, *userinfo, *host;
    int port;
    const char *path, *query, *fragment;
} urls[] = {
    { "all parts", "http://u:p@h:8080/p?q#f", 0, "http", "u:p", "h", 8080, "/p", "q", "f" },
    { "the least", "http://h", 0, "http", NULL, "h", -1, "", NULL, NULL },
    { "empty parts are there", "http://@h:/?#", 0, "http", "", "h", -1, "/", "", "" },
    { "IPv6 loses its brackets", "https://[::1]:443/", 0, "https", NULL, "::1", 443, "/", NULL, NULL },
    { "a query without a path", "http://h?a/b", 0, "http", NULL, "h", -1, "", "a/b", NULL },
    { "a fragment without a path", "http://h#a?b", 0, "http", NULL, "h", -1, "", NULL, "a?b" },
    { "a question mark in the query", "/a?b?c", 0, NULL, NULL, NULL, -1, "/a", "b?c", NULL },
    { "a path", "/a/b", 0, NULL, NULL, NULL, -1, "/a/b", NULL, NULL },
    { "a path with a colon", "/a:b", 0, NULL, NULL, NULL, -1, "/a:b", NULL, NULL },
    { "a host without a scheme", "//h/a", 0, NULL, NULL, "h", -1, "/a", NULL, NULL },
    { "no authority", "mailto:a@b.c", 0, "mailto", NULL, NULL, -1, "a@b.c", NULL, NULL },
    { "an empty host", "file:///etc/motd", 0, "file", NULL, "", -1, "/etc/motd", NULL, NULL },
    { "no host is needed outside http", "x-y+z.1:", 0, "x-y+z.1", NULL, NULL, -1, "", NULL, NULL },
    { "nothing is decoded", "http://a%41/%2f?%zz", 0, "http", NULL, "a%41", -1, "/%2f", "%zz", NULL },
    { "what browsers do not encode", "/\"<>[\\]^`{|}", 0, NULL, NULL, NULL, -1, "/\"<>[\\]^`{|}", NULL, NULL },
    { "empty", "", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a relative path", "a/b", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a query", "?a", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a colon", ":", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a scheme begins with a letter", "1a:b", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "http without a host", "http:///a", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "http without slashes", "http:a", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "http with a port only", "HTTPS://:1/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a port is a number", "http://h:x/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a port too high", "http://h:65536/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "two at signs", "http://a@b@c/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a backslash that hides the host", "http://good\\@evil/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a backslash behind the host", "http://evil\\.good/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "brackets that do not close", "http://[::1/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "brackets in the user info", "http://[@h/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a zone", "http://[fe80::1%25lo]/", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a space", "http://h/a b", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a line end", "http://h/\r\n", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "a control byte in the fragment", "/#\x01", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
    { "UTF-8", "http://h/\xc3\xa4", TC_EINVAL, 0, 0, 0, 0, 0, 0, 0 },
};

static void expect_part(const char *why, tc_bytes_t got, const char *want) {
    expect_row(why, (got.data == NULL) == (want == NULL));
    expect_bytes(why, got, tc_str(want));
}

static void urls_are_taken_apart(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        const char *why = urls[i].why;
        tc_bytes_t text = exact(tc_str(urls[i].text));
        tc_url_t url = { .port = -7 };
        expect_row(why, tc_url_parse(text, &url) == urls[i].err);
        if (urls[i].err < 0) {
            expect_row(why, url.port == -7 && url.path.data == NULL);
            expect_row(why, strstr(tc_error_detail(), urls[i].text) != NULL);
        } else {
            expect_part(why, url.scheme, urls[i].scheme);
            expect_part(why, url.userinfo, urls[i].userinfo);
            expect_part(why, url.host, urls[i].host);
            expect_row(why, url.port == urls[i].port);
            expect_part(why, url.path, urls[i].path);
            expect_part(why, url.query, urls[i].query);
            expect_part(why, url.fragment, urls[i].fragment);
        }
        for (size_t len = 0; len < text.len; len++) { /* every prefix, within its bounds */
            tc_bytes_t prefix = exact(tc_bytes(text.data, len));
            tc_url_parse(prefix, &url);
            drop(prefix);
        }
        drop(text);
    }
    tc_url_t url;
    assert_int_equal(tc_url_parse(tc_bytes("/\0", 2), &url), TC_EINVAL);
    assert_int_equal(tc_url_parse(tc_bytes(NULL, 0), &url), TC_EINVAL);
}

#define PAIRS(...)          \
    (const char *const[]) { \
        __VA_ARGS__, NULL   \
    }
#define YZ PAIRS("y", "y", "z", "z")

static const struct {
    const char *why, *url;
    const char *const *pairs;
    const char *want;
} concats[] = {
    { "no query", "https://h/p", YZ, "https://h/p?y=y&z=z" },
    { "an empty query", "https://h/p?", YZ, "https://h/p?y=y&z=z" },
    { "a query", "https://h/p?x=1", YZ, "https://h/p?x=1&y=y&z=z" },
    { "a name without its equals sign", "https://h/p?x", YZ, "https://h/p?x=&y=y&z=z" },
    { "a separator at the end", "https://h/p?x&", YZ, "https://h/p?x=&y=y&z=z" },
    { "several and a separator at the end", "https://h/p?a=1&b=2&", YZ, "https://h/p?a=1&b=2&y=y&z=z" },
    { "a fragment", "https://h/p#tab", YZ, "https://h/p?y=y&z=z#tab" },
    { "a query and a fragment", "https://h/p?a=1#tab?b", YZ, "https://h/p?a=1&y=y&z=z#tab?b" },
    { "a question mark in the query", "/p?a=b?c", YZ, "/p?a=b%3Fc&y=y&z=z" },
    { "repeated names", "/p?y=0", YZ, "/p?y=0&y=y&z=z" },
    { "what is added is encoded", "/p", PAIRS("a b", "c&d=e", "\xc3\xa4", "/~"), "/p?a+b=c%26d%3De&%C3%A4=%2F~" },
    { "what is there is encoded once more", "/p?a%20b=%7e+%2f%c3%a4\"", YZ, "/p?a+b=~+%2F%C3%A4%22&y=y&z=z" },
    { "bad percent-encodings are data", "/p?a=%zz%4&%%41=%", PAIRS("b", ""), "/p?a=%25zz%254&%25A=%25&b=" },
    { "nothing to add", "/p?a&b#c", PAIRS(NULL), "/p?a=&b=#c" },
    { "an empty query and nothing to add", "/p?#c", PAIRS(NULL), "/p#c" },
    { "no list: as it was", "/p?a&&b#c", NULL, "/p?a&&b#c" },
    { "a name without a value", "/p", PAIRS("a", NULL), "/p?a=" },
    { "no URL", NULL, PAIRS("a", "b"), "?a=b" },
};

static void arguments_are_added_to_urls(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof concats / sizeof *concats; i++) {
        size_t len = strlen(concats[i].want);
        expect_row(concats[i].why, tc_url_concat(NULL, 0, concats[i].url, concats[i].pairs) == len);
        for (size_t size = 1; size <= len + 1; size++) { /* cut off at every length */
            char *out = malloc(size);
            expect_row(concats[i].why, tc_url_concat(out, size, concats[i].url, concats[i].pairs) == len);
            expect_text(concats[i].why, tc_bytes(out, size - 1), tc_bytes(concats[i].want, size - 1));
            free(out);
        }
    }
}

static const struct {
    const char *why, *text, *host; /* NULL: refused */
    int port;
} splits[] = {
    { "a host", "example.com", "example.com", -1 },
    { "a port", "example.com:80", "example.com", 80 },
    { "an empty port", "h:", "h", -1 },
    { "IPv4", "1.2.3.4:5", "1.2.3.4", 5 },
    { "IPv6 with a port", "[::1]:80", "::1", 80 },
    { "IPv6 in brackets", "[::1]", "::1", -1 },
    { "IPv6 alone", "::1", "::1", -1 },
    { "IPv6 that looks like a port", "2001:db8::1:80", "2001:db8::1:80", -1 },
    { "empty", "", NULL, 0 },
    { "a port only", ":80", NULL, 0 },
    { "a bad port", "h:x", NULL, 0 },
    { "a port too high", "h:70000", NULL, 0 },
    { "two ports", "h:1:2", NULL, 0 },
    { "a name in brackets", "[h]:80", NULL, 0 },
    { "a path", "h/a", NULL, 0 },
};

static void hosts_and_ports_are_split(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        tc_bytes_t text = exact(tc_str(splits[i].text)), host = BYTES("untouched");
        int port = -7;
        expect_row(splits[i].why, tc_split_host_and_port(text, &host, &port) == (splits[i].host ? 0 : TC_EINVAL));
        expect_bytes(splits[i].why, host, tc_str(splits[i].host ? splits[i].host : "untouched"));
        expect_row(splits[i].why, port == (splits[i].host ? splits[i].port : -7));
        expect_row(splits[i].why, tc_split_host_and_port(text, NULL, NULL) == (splits[i].host ? 0 : TC_EINVAL));
        drop(text);
    }
    assert_int_equal(tc_split_host_and_port(tc_bytes("::1\0", 4), NULL, NULL), TC_EINVAL);
}

/* ---- Pairs and parameters ------------------------------------------------------------------------------------- */

typedef struct {
    char text[8192];
    size_t count, stop_at;
} seen_t;

/* "name>value|…"; "!" for a value that is not there. */
static int see(tc_bytes_t name, tc_bytes_t value, void *user_data) {
    seen_t *seen = user_data;
    size_t len = strlen(seen->text);
    assert_int_equal(name.data[name.len], '\0');
    if (value.data != NULL)
        assert_int_equal(value.data[value.len], '\0');
    snprintf(seen->text + len, sizeof seen->text - len, "%s" TC_FMT ">" TC_FMT, seen->count ? "|" : "", TC_ARG(name),
             value.data ? (int)value.len : 1, value.data ? value.data : "!");
    return ++seen->count == seen->stop_at ? 42 : 0;
}

static const struct {
    const char *why, *text, *want;
} queries[] = {
    { "one", "a=1", "a>1" },
    { "in order, blank values kept", "b=2&a&c=", "b>2|a>|c>" },
    { "decoded", "a+b=%20%c3%a4+", "a b> \xc3\xa4 " },
    { "bad sequences stay", "%zz=%4", "%zz>%4" },
    { "nothing is stripped or checked", "a=+%ff%01+", "a> \xff\x01 " },
    { "a semicolon is data", "a=1;b=2", "a>1;b=2" },
    { "nothing", "", "" },
    { "only separators", "&&", "" },
};

static void queries_are_walked(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        tc_bytes_t text = exact(tc_str(queries[i].text));
        seen_t seen = { .count = 0 };
        expect_row(queries[i].why, tc_query_parse(text, see, &seen) == 0);
        expect_bytes(queries[i].why, tc_str(seen.text), tc_str(queries[i].want));
        drop(text);
    }
}

static const struct {
    const char *why, *text, *value, *want; /* value NULL: refused */
} values[] = {
    { "no parameter", "text/html", "text/html", "" },
    { "one", "text/html; charset=utf-8", "text/html", "charset>utf-8" },
    { "quoted", "text/html; charset=\"utf-8\"", "text/html", "charset>utf-8" },
    { "white space everywhere", " \ttext/html \t; \ta = b ;\tc =\t\"d\" ", "text/html", "a>b|c>d" },
    { "no white space", "a;b=c;d=\"e\"", "a", "b>c|d>e" },
    { "names in lower case, values as they are", "A/B; ChArSeT=UTF-8", "A/B", "charset>UTF-8" },
    { "a semicolon in quotes", "form-data; name=\"a;b\"; c=\"d\"", "form-data", "name>a;b|c>d" },
    { "many semicolons in quotes", "f; name=\";;;;;;\"", "f", "name>;;;;;;" },
    { "an equals sign in quotes", "f; name=\"a=b\"", "f", "name>a=b" },
    { "an escaped quote", "f; name=\"a\\\"b\"", "f", "name>a\"b" },
    { "an escaped quote before a semicolon", "f; name=\"a\\\";b\"", "f", "name>a\";b" },
    { "an escaped backslash at the end", "f; name=\"a\\\\\"; b=c", "f", "name>a\\|b>c" },
    { "a path of old browsers", "f; filename=\"C:\\dir\\f.txt\"", "f", "filename>C:\\dir\\f.txt" },
    { "an empty value in quotes", "f; a=\"\"", "f", "a>" },
    { "an empty value", "f; a=; b=c", "f", "a>|b>c" },
    { "no equals sign", "permessage-deflate; client_no_context_takeover; a=1", "permessage-deflate",
      "client_no_context_takeover>!|a>1" },
    { "empty parameters are none", "f;; ;a=b;", "f", "a>b" },
    { "repeated names are all given", "f; a=1; a=2", "f", "a>1|a>2" },
    { "an unquoted value is what stands there", "f; boundary=a/b:c; name=my file.txt ; q=0.5", "f",
      "boundary>a/b:c|name>my file.txt|q>0.5" },
    { "the second equals sign is data", "f; a=b=c", "f", "a>b=c" },
    { "RFC 8187 names are given as they are", "f; filename*=UTF-8''%c3%a4", "f", "filename*>UTF-8''%c3%a4" },
    { "UTF-8 in a value", "f; a=\"\xc3\xa4\"; b=\xc3\xa4", "f", "a>\xc3\xa4|b>\xc3\xa4" },
    { "a tab in quotes", "f; a=\"b\tc\"", "f", "a>b\tc" },
    { "a value with parameters of its own sort", "max-age=3; a", "max-age=3", "a>!" },
    { "empty", "", NULL, NULL },
    { "white space only", " \t", NULL, NULL },
    { "no value", "; a=b", NULL, NULL },
    { "a quote in the value", "a\"b;c\"; d=e", NULL, NULL },
    { "a quote that does not end", "f; a=b; c=\"d", NULL, NULL },
    { "a quote that ends escaped", "f; a=\"b\\\"", NULL, NULL },
    { "text behind a quote", "f; a=\"b\"c", NULL, NULL },
    { "a quote in the middle", "f; a=b\"c;d\"", NULL, NULL },
    { "a quote for a name", "f; \"a\"=b", NULL, NULL },
    { "no name", "f; a=b; =c", NULL, NULL },
    { "a name that is no token", "f; a/b=c", NULL, NULL },
    { "two words for a name", "f; a b=c", NULL, NULL },
    { "a control byte", "f; a=\"\x01\"", NULL, NULL },
    { "a line end", "f; a=b\r\nSet-Cookie: c", NULL, NULL },
    { "UTF-8 in a name", "f; \xc3\xa4=b", NULL, NULL },
};

static void header_values_are_taken_apart(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const char *why = values[i].why;
        tc_bytes_t text = exact(tc_str(values[i].text)), value = BYTES("untouched");
        seen_t seen = { .count = 0 };
        int err = values[i].value ? 0 : TC_EINVAL;
        expect_row(why, tc_header_value_parse(text, &value, see, &seen) == err);
        expect_bytes(why, value, tc_str(values[i].value ? values[i].value : "untouched"));
        expect_bytes(why, tc_str(seen.text), tc_str(values[i].want)); /* all or none */
        expect_row(why, tc_header_value_parse(text, NULL, NULL, NULL) == err);
        for (size_t len = 0; len < text.len; len++) { /* every prefix, within its bounds */
            tc_bytes_t prefix = exact(tc_bytes(text.data, len));
            seen = (seen_t){ .count = 0 };
            tc_header_value_parse(prefix, &value, see, &seen);
            drop(prefix);
        }
        drop(text);
    }
    assert_int_equal(tc_header_value_parse(tc_bytes("a\0", 2), NULL, NULL, NULL), TC_EINVAL);
    assert_int_equal(tc_header_value_parse(tc_bytes(NULL, 0), NULL, NULL, NULL), TC_EINVAL);
}

static void a_callback_ends_the_walk(void **state) {
    (void)state;
    seen_t seen = { .stop_at = 2 };
    assert_int_equal(tc_query_parse(tc_bytes(NULL, 0), see, &seen), 0);
    assert_int_equal(tc_query_parse(tc_str("a=1&b=2&c=3"), see, &seen), 42);
    assert_string_equal(seen.text, "a>1|b>2");
    seen = (seen_t){ .stop_at = 1 };
    assert_int_equal(tc_header_value_parse(tc_str("v; a=1; b=2"), NULL, see, &seen), 42);
    assert_string_equal(seen.text, "a>1");
}

static int walk_long_texts(tc__arena_t *arena) {
    static char query[3001], value[3001];
    (void)arena;
    memset(query, 'q', 3000);
    memset(value, 'v', 3000);
    memcpy(query, "a=1&", 4);
    memcpy(value, "v;a=", 4);
    seen_t seen = { .count = 0 };
    int err = tc_query_parse(tc_str(query), see, &seen);
    assert_int_equal(seen.count, err ? 0 : 2);
    if (err < 0)
        return err;
    seen = (seen_t){ .count = 0 };
    tc_bytes_t first = BYTES("untouched");
    err = tc_header_value_parse(tc_str(value), &first, see, &seen);
    assert_int_equal(seen.count, err ? 0 : 1);
    expect_bytes("value", first, tc_str(err ? "untouched" : "v"));
    return err;
}

static void walks_run_out_of_memory_before_they_start(void **state) {
    (void)state;
    with_each_allocation_failing(walk_long_texts);
}

/* ---- Timestamps ----------------------------------------------------------------------------------------------- */

static void timestamps_are_formatted_and_read(void **state) {
    (void)state;
    const char *want = "Sun, 06 Nov 1994 08:49:37 GMT";
    char out[30];
    assert_int_equal(tc_format_timestamp(NULL, 0, 784111777), 29);
    for (size_t size = 1; size <= sizeof out; size++) {
        assert_int_equal(tc_format_timestamp(out, size, 784111777), 29);
        expect_text("cut off", tc_bytes(out, size - 1), tc_bytes(want, size - 1));
    }

    const char *const spellings[] = { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                      "Sun Nov  6 08:49:37 1994" };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        int64_t seconds = 0;
        tc_bytes_t text = exact(tc_str(spellings[i]));
        assert_int_equal(tc_parse_timestamp(text, &seconds), 0);
        assert_int_equal(seconds, 784111777);
        drop(text);
    }
    int64_t seconds = 7;
    assert_int_equal(tc_parse_timestamp(tc_str("yesterday"), &seconds), TC_EINVAL);
    assert_int_equal(tc_parse_timestamp(tc_bytes(NULL, 0), &seconds), TC_EINVAL);
    assert_int_equal(seconds, 7);
}

/* ---- Bad arguments -------------------------------------------------------------------------------------------- */

static size_t lines;

static void count_line(const tc_log_record_t *record, void *user_data) {
    (void)record;
    (void)user_data;
    lines++;
}

static void a_missing_argument_is_an_error_and_a_log_line(void **state) {
    (void)state;
    tc_set_log_callback(count_line, NULL);
    assert_int_equal(tc_url_parse(tc_str("/"), NULL), TC_EINVAL);
    assert_int_equal(tc_query_parse(tc_str("a"), NULL, NULL), TC_EINVAL);
    assert_int_equal(tc_parse_timestamp(tc_str("a"), NULL), TC_EINVAL);
    assert_int_equal(lines, 3);
    tc_set_log_callback(NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_reasons),
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(arguments_are_added_to_urls),
        cmocka_unit_test(hosts_and_ports_are_split),
        cmocka_unit_test(queries_are_walked),
        cmocka_unit_test(header_values_are_taken_apart),
        cmocka_unit_test(a_callback_ends_the_walk),
        cmocka_unit_test(walks_run_out_of_memory_before_they_start),
        cmocka_unit_test(timestamps_are_formatted_and_read),
        cmocka_unit_test(a_missing_argument_is_an_error_and_a_log_line),
    };
    use_failing_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
