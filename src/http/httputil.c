/*
 * httputil.c - the public pieces of HTTP that need no connection. (Tornado: httputil)
 *
 * Texts are walked once and never changed; what must be decoded for a callback goes to a scratch buffer, on the stack
 * when it is short. A header value is checked as a whole before the first callback, so that a caller sees all of it or
 * nothing.
 */
#include <tornadoc/httputil.h>

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include <time.h>

#include <tornadoc/escape.h>

#include "http/headers_internal.h"
#include "http/url_internal.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/date_internal.h"
#include "util/error_internal.h"

/* ---- Status codes --------------------------------------------------------------------------------------------- */

/* RFC 9110 and the IANA registry; by code, so that a response pays one load. */
static const char *const reasons[] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [102] = "Processing",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [208] = "Already Reported",
    [226] = "IM Used",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [305] = "Use Proxy",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [418] = "I'm a Teapot",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [424] = "Failed Dependency",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [506] = "Variant Also Negotiates",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [510] = "Not Extended",
    [511] = "Network Authentication Required",
};

const char *tc_http_reason(int status) {
    if (status < 0 || (size_t)status >= sizeof reasons / sizeof *reasons || reasons[status] == NULL)
        return "Unknown";
    return reasons[status];
}

/* ---- URLs ----------------------------------------------------------------------------------------------------- */

static bool is_letter(char c) {
    char lower = tc__lower(c);
    return lower >= 'a' && lower <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The length of "scheme" in "scheme:…", or 0. */
static size_t scheme_len(tc_bytes_t text) {
    size_t i = 0;
    while (i < text.len && (is_letter(text.data[i]) || (i > 0 && (is_digit(text.data[i]) || text.data[i] == '+' ||
                                                                  text.data[i] == '-' || text.data[i] == '.'))))
        i++;
    return i < text.len && text.data[i] == ':' ? i : 0;
}

static bool is_visible(tc_bytes_t text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7f) /* char may be signed: bytes from 0x80 fail either way */
            return false;
    }
    return true;
}

/* How much of `text` stands before the first of `delimiters`. */
static size_t span_until(tc_bytes_t text, const char *delimiters) {
    size_t i = 0;
    while (i < text.len && (text.data[i] == '\0' || strchr(delimiters, text.data[i]) == NULL))
        i++;
    return i;
}

/* Cut the first `len` bytes off *rest, whose data may be NULL. */
static tc_bytes_t take(tc_bytes_t *rest, size_t len) {
    assert(len <= rest->len);
    tc_bytes_t head = tc_bytes(rest->data, len);
    if (len > 0)
        *rest = tc_bytes(rest->data + len, rest->len - len);
    return head;
}

static tc_bytes_t without_brackets(tc_bytes_t host) {
    return host.len && host.data[0] == '[' ? tc_bytes(host.data + 1, host.len - 2) : host;
}

/* An empty host is fine here ("file:///etc/motd"), also before a port. */
static int parse_host(tc_bytes_t text, tc_url_t *out) {
    if (text.len == 0 || (text.len == 1 && text.data[0] == ':')) {
        out->host = tc_bytes(text.data, 0);
        return 0;
    }
    int err = tc__host_parse(text, &out->host, &out->port);
    out->host = without_brackets(out->host);
    return err;
}

/* A backslash in the user info is refused: browsers take it for a "/", and would see another host behind it. */
static int parse_authority(tc_bytes_t text, tc_url_t *out) {
    const char *at = text.len ? memchr(text.data, '@', text.len) : NULL;
    if (at != NULL) {
        out->userinfo = take(&text, (size_t)(at - text.data));
        take(&text, 1);
        if (span_until(out->userinfo, "[]\\") != out->userinfo.len)
            return TC_EINVAL;
    }
    return parse_host(text, out);
}

static bool needs_host(tc_bytes_t scheme) {
    return tc__bytes_equal_nocase(scheme, tc_str("http")) || tc__bytes_equal_nocase(scheme, tc_str("https"));
}

static int parse_url(tc_bytes_t text, tc_url_t *out) {
    tc_bytes_t rest = text;
    size_t len = scheme_len(text);
    if (len > 0) {
        out->scheme = take(&rest, len);
        take(&rest, 1);
    } else if (text.len == 0 || text.data[0] != '/') {
        return TC_EINVAL;
    }
    if (!is_visible(rest))
        return TC_EINVAL;

    if (tc__bytes_starts_with(rest, tc_str("//"))) {
        take(&rest, 2);
        int err = parse_authority(take(&rest, span_until(rest, "/?#")), out);
        if (err < 0)
            return err;
    }
    if (out->host.len == 0 && needs_host(out->scheme))
        return TC_EINVAL;

    out->path = take(&rest, span_until(rest, "?#"));
    if (rest.len > 0 && rest.data[0] == '?') {
        take(&rest, 1);
        out->query = take(&rest, span_until(rest, "#"));
    }
    if (rest.len > 0)
        out->fragment = tc_bytes(rest.data + 1, rest.len - 1);
    return 0;
}

int tc_url_parse(tc_bytes_t text, tc_url_t *out) {
    if (out == NULL)
        return tc__misuse(TC_EINVAL, "tc_url_parse: `out` is NULL");
    tc_url_t url = { .port = -1 };
    int err = parse_url(text, &url);
    if (err < 0)
        return tc__fail(err, "url \"%.*s\": neither absolute nor \"//host\" nor \"/path\", or a bad host or port",
                        text.len > 200 ? 200 : (int)text.len, text.len ? text.data : "");
    *out = url;
    return 0;
}

/* Text for a caller's buffer: counts all of it, keeps what fits beside a NUL. */
typedef struct {
    char *data;
    size_t size, len;
} output_t;

static void put(output_t *out, tc_bytes_t text) {
    if (out->len + 1 < out->size) {
        size_t room = out->size - 1 - out->len;
        if (text.len != 0)
            memcpy(out->data + out->len, text.data, text.len < room ? text.len : room);
    }
    out->len += text.len;
}

static size_t finish(output_t *out) {
    if (out->size > 0)
        out->data[out->len < out->size ? out->len : out->size - 1] = '\0';
    return out->len;
}

static void put_escaped(output_t *out, tc_bytes_t text) {
    char escaped[sizeof "%XX"];
    for (size_t i = 0; i < text.len; i++)
        put(out, tc_bytes(escaped, tc_url_escape(escaped, sizeof escaped, tc_bytes(text.data + i, 1))));
}

/* Decode and encode again, byte by byte: every spelling of a byte becomes the one. */
static void put_normalised(output_t *out, tc_bytes_t text) {
    while (text.len > 0) {
        char byte[sizeof "%XX"];
        bool encoded = text.data[0] == '%' && text.len > 2;
        size_t len = tc_url_unescape(byte, sizeof byte, tc_bytes(text.data, encoded ? 3 : 1));
        put_escaped(out, tc_bytes(byte, 1));
        take(&text, encoded && len == 1 ? 3 : 1);
    }
}

static void put_old_arguments(output_t *out, tc_bytes_t query, const char **separator) {
    tc_bytes_t name, value;
    for (; tc__query_next(&query, &name, &value); *separator = "&") {
        put(out, tc_str(*separator));
        put_normalised(out, name);
        put(out, tc_str("="));
        put_normalised(out, value);
    }
}

static void put_new_arguments(output_t *out, const char *const *pairs, const char **separator) {
    for (; pairs[0] != NULL; *separator = "&") {
        put(out, tc_str(*separator));
        put_escaped(out, tc_str(pairs[0]));
        put(out, tc_str("="));
        put_escaped(out, tc_str(pairs[1]));
        if (pairs[1] == NULL)
            return; /* a name without its value ends the list, too */
        pairs += 2;
    }
}

size_t tc_url_concat(char *out, size_t size, const char *url, const char *const *pairs) {
    output_t result = { out, size, 0 };
    tc_bytes_t rest = tc_str(url);
    if (pairs != NULL) {
        const char *separator = "?";
        put(&result, take(&rest, span_until(rest, "?#")));
        tc_bytes_t query = take(&rest, span_until(rest, "#"));
        put_old_arguments(&result, query.len ? tc_bytes(query.data + 1, query.len - 1) : query, &separator);
        put_new_arguments(&result, pairs, &separator);
    }
    put(&result, rest);
    return finish(&result);
}

static bool is_bare_ipv6(tc_bytes_t text) {
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    if (text.len >= sizeof address || text.len == 0 || memchr(text.data, '\0', text.len) != NULL)
        return false;
    memcpy(address, text.data, text.len);
    address[text.len] = '\0';
    return inet_pton(AF_INET6, address, &binary) == 1;
}

int tc_split_host_and_port(tc_bytes_t text, tc_bytes_t *host, int *port) {
    tc_bytes_t found = text;
    int number = -1;
    if (!is_bare_ipv6(text)) {
        int err = tc__host_parse(text, &found, &number);
        if (err < 0)
            return tc__fail(err, "\"%.*s\" is no host with an optional port up to 65535",
                            text.len > 200 ? 200 : (int)text.len, text.len ? text.data : "");
        found = without_brackets(found);
    }
    if (host != NULL)
        *host = found;
    if (port != NULL)
        *port = number;
    return 0;
}

/* ---- Pairs and parameters ------------------------------------------------------------------------------------- */

typedef struct {
    char *data;
    char local[512];
} scratch_t;

static char *scratch_init(scratch_t *scratch, size_t size) {
    scratch->data = size <= sizeof scratch->local ? scratch->local : tc__malloc(size);
    return scratch->data;
}

static void scratch_deinit(scratch_t *scratch) {
    if (scratch->data != scratch->local)
        tc__free(scratch->data);
}

/* Decoded bytes are never more than encoded ones: room for all of the text and two NULs is enough for any pair. */
int tc_query_parse(tc_bytes_t text, tc_query_cb cb, void *user_data) {
    if (cb == NULL)
        return tc__misuse(TC_EINVAL, "tc_query_parse: the callback is NULL");
    scratch_t scratch;
    char *out = scratch_init(&scratch, text.len + 2);
    if (out == NULL)
        return TC_ENOMEM;

    int result = 0;
    tc_bytes_t name, value;
    while (result == 0 && tc__query_next(&text, &name, &value)) {
        size_t name_len = tc_url_unescape(out, name.len + 1, name);
        char *second = out + name_len + 1;
        size_t value_len = tc_url_unescape(second, value.len + 1, value);
        result = cb(tc_bytes(out, name_len), tc_bytes(second, value_len), user_data);
    }
    scratch_deinit(&scratch);
    return result;
}

typedef struct {
    tc_bytes_t name;
    tc_bytes_t value; /* as it stands, with its quotes; data NULL: no "=" */
} parameter_t;

/* The length of a quoted string at the start of `text`, quotes included; 0: it does not end. */
static size_t quoted_len(tc_bytes_t text) {
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] == '"')
            return i + 1;
        if (text.data[i] == '\\')
            i++;
    }
    return 0;
}

static void skip_blanks(tc_bytes_t *rest) {
    while (rest->len > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t'))
        take(rest, 1);
}

/* Quoted, or all up to the ";". A quote that does not end, or in the middle, stays in *rest. */
static tc_bytes_t take_value(tc_bytes_t *rest) {
    skip_blanks(rest);
    if (rest->len > 0 && rest->data[0] == '"')
        return take(rest, quoted_len(*rest));
    return tc__bytes_trim(take(rest, span_until(*rest, ";\"")));
}

/* The next of ";a=b ; c", empty ones skipped. 1; 0: none left; TC_EINVAL */
static int next_parameter(tc_bytes_t *rest, parameter_t *parameter) {
    skip_blanks(rest);
    while (rest->len > 0 && rest->data[0] == ';') {
        take(rest, 1);
        skip_blanks(rest);
    }
    if (rest->len == 0)
        return 0;

    parameter->name = take(rest, span_until(*rest, " \t=;"));
    parameter->value = tc_bytes(NULL, 0);
    if (!tc__is_token(parameter->name))
        return TC_EINVAL;
    skip_blanks(rest);
    if (rest->len > 0 && rest->data[0] == '=') {
        take(rest, 1);
        parameter->value = take_value(rest);
        skip_blanks(rest);
    }
    return rest->len == 0 || rest->data[0] == ';' ? 1 : TC_EINVAL;
}

static int check_parameters(tc_bytes_t rest) {
    parameter_t parameter;
    int found;
    do
        found = next_parameter(&rest, &parameter);
    while (found > 0);
    return found;
}

static size_t copy_lower(char *out, tc_bytes_t text) {
    for (size_t i = 0; i < text.len; i++)
        out[i] = tc__lower(text.data[i]);
    return text.len;
}

static size_t copy_unquoted(char *out, tc_bytes_t value) {
    if (value.len == 0 || value.data[0] != '"') {
        if (value.len != 0)
            memcpy(out, value.data, value.len);
        return value.len;
    }
    char *to = out;
    const char *p = value.data + 1, *end = value.data + value.len - 1;
    while (p < end) {
        if (*p == '\\' && (p[1] == '"' || p[1] == '\\')) /* a pair never ends behind the text */
            p++;
        *to++ = *p++;
    }
    return (size_t)(to - out);
}

static int give_parameters(tc_bytes_t rest, char *out, tc_parameter_cb cb, void *user_data) {
    parameter_t parameter;
    int result = 0;
    while (result == 0 && next_parameter(&rest, &parameter) > 0) {
        size_t name_len = copy_lower(out, parameter.name);
        out[name_len] = '\0';
        char *second = out + name_len + 1;
        size_t value_len = copy_unquoted(second, parameter.value);
        second[value_len] = '\0';
        result = cb(tc_bytes(out, name_len), tc_bytes(parameter.value.data ? second : NULL, value_len), user_data);
    }
    return result;
}

int tc_header_value_parse(tc_bytes_t text, tc_bytes_t *value, tc_parameter_cb cb, void *user_data) {
    tc_bytes_t rest = text;
    tc_bytes_t first = tc__bytes_trim(take(&rest, span_until(rest, ";\"")));
    if (first.len == 0 || (rest.len > 0 && rest.data[0] == '"') || !tc__is_field_value(text) ||
        check_parameters(rest) < 0)
        return tc__fail(TC_EINVAL, "header value \"%.*s\": not value; name=value; name=\"value\"",
                        text.len > 200 ? 200 : (int)text.len, text.len ? text.data : "");
    scratch_t scratch;
    char *out = scratch_init(&scratch, text.len + 2);
    if (out == NULL)
        return TC_ENOMEM;

    if (value != NULL)
        *value = first;
    int result = cb ? give_parameters(rest, out, cb, user_data) : 0;
    scratch_deinit(&scratch);
    return result;
}

/* ---- Dates ---------------------------------------------------------------------------------------------------- */

size_t tc_format_timestamp(char *out, size_t size, int64_t seconds) {
    char text[TC__DATE_LEN + 1];
    output_t result = { out, size, 0 };
    tc__date_format(text, seconds);
    put(&result, tc_bytes(text, TC__DATE_LEN));
    return finish(&result);
}

int tc_parse_timestamp(tc_bytes_t text, int64_t *seconds) {
    if (seconds == NULL)
        return tc__misuse(TC_EINVAL, "tc_parse_timestamp: `seconds` is NULL");
    return tc__date_parse(text.len ? text.data : "", text.len, (int64_t)time(NULL), seconds);
}
