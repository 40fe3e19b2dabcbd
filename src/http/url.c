/*
 * url.c - request targets, hosts and queries (RFC 3986, RFC 9112 section 3.2).
 *
 * Everything is one pass over the bytes, and results point into the text. Strict where a mistake decides who is talked
 * to: authority, port, IPv6 address. Tolerant in paths and queries, where browsers send `"<>[\]^`{|}` unencoded and
 * handlers see the raw bytes anyway; but control bytes, spaces, "#" and non-ASCII bytes are refused in any place.
 */
#include "http/url_internal.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include <tornadoc/escape.h>

#include "util/bytes_internal.h"

/* One bit per ASCII character: the unreserved ones and the sub-delims but ",", which can only come from two Host fields
 * that somebody joined. */
static bool is_host_char(unsigned char c) {
    static const uint32_t bits[4] = { 0, 0x2bff6fd2, 0x87fffffe, 0x47fffffe };
    return c < 128 && (bits[c >> 5] >> (c & 31) & 1) != 0;
}

/* The length of the name at the start of `text`, percent-encodings well formed. */
static size_t name_len(tc_bytes_t text) {
    size_t i = 0;
    while (i < text.len) {
        if (is_host_char((unsigned char)text.data[i]))
            i++;
        else if (text.data[i] == '%' && text.len - i > 2 && tc__hex_digit(text.data[i + 1]) >= 0 &&
                 tc__hex_digit(text.data[i + 2]) >= 0)
            i += 3;
        else
            break;
    }
    return i;
}

/* The length of "[address]" at the start of `text`; 0: there is none. No zone: it means nothing on another machine. */
static size_t ipv6_len(tc_bytes_t text) {
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    const char *close = memchr(text.data, ']', text.len);
    size_t len = close ? (size_t)(close - text.data) - 1 : 0;
    if (len == 0 || len >= sizeof address)
        return 0;
    memcpy(address, text.data + 1, len);
    address[len] = '\0';
    if (strlen(address) != len || inet_pton(AF_INET6, address, &binary) != 1)
        return 0;
    return len + 2;
}

/* Digits up to 65535; none at all is no port. */
static int parse_port(tc_bytes_t digits, int *port) {
    int value = digits.len ? 0 : -1;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.data[i];
        if (c < '0' || c > '9')
            return TC_EINVAL;
        value = value * 10 + (c - '0');
        if (value > 65535)
            return TC_EINVAL;
    }
    *port = value;
    return 0;
}

int tc__host_parse(tc_bytes_t text, tc_bytes_t *host, int *port) {
    if (text.len == 0)
        return TC_EINVAL;
    size_t len = text.data[0] == '[' ? ipv6_len(text) : name_len(text);
    if (len == 0)
        return TC_EINVAL;
    int number = -1;
    if (len < text.len) {
        if (text.data[len] != ':' || parse_port(tc_bytes(text.data + len + 1, text.len - len - 1), &number) < 0)
            return TC_EINVAL;
    }
    *host = tc_bytes(text.data, len);
    *port = number;
    return 0;
}

/* What may stand in a path or query: visible ASCII but "#". */
static bool is_target_text(tc_bytes_t text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return false;
    }
    return true;
}

static void split_at_query(tc_bytes_t text, tc__target_t *out) {
    const char *mark = text.len ? memchr(text.data, '?', text.len) : NULL;
    out->path = text;
    if (mark != NULL) {
        out->path.len = (size_t)(mark - text.data);
        out->query = tc_bytes(mark + 1, text.len - out->path.len - 1);
    }
}

/* Path and query out of "/path?query", where the path may be empty. */
static int split_query(tc_bytes_t text, tc__target_t *out) {
    if (!is_target_text(text))
        return TC_EINVAL;
    split_at_query(text, out);
    return 0;
}

/* RFC 9112 section 3.2.3 wants a port, RFC 9110 section 9.3.6 a valid one. */
static int parse_authority_form(tc_bytes_t target, tc__target_t *out) {
    tc_bytes_t host;
    int port;
    int err = tc__host_parse(target, &host, &port);
    if (err < 0)
        return err;
    if (port <= 0)
        return TC_EINVAL;
    out->form = TC__TARGET_AUTHORITY;
    out->authority = target;
    out->path = tc_str("");
    return 0;
}

static size_t authority_len(tc_bytes_t text) {
    size_t i = 0;
    while (i < text.len && text.data[i] != '/' && text.data[i] != '?' && text.data[i] != '#')
        i++;
    return i;
}

static int parse_absolute_form(tc_bytes_t target, tc__target_t *out) {
    static const char *const schemes[] = { "http", "https" };
    tc_bytes_t host;
    int port;
    const char *colon = memchr(target.data, ':', target.len);
    if (colon == NULL)
        return TC_EINVAL;
    out->form = TC__TARGET_ABSOLUTE;
    out->scheme = tc_bytes(target.data, (size_t)(colon - target.data));
    if (!tc__bytes_equal_nocase(out->scheme, tc_str(schemes[0])) &&
        !tc__bytes_equal_nocase(out->scheme, tc_str(schemes[1])))
        return TC_EINVAL;

    tc_bytes_t rest = tc_bytes(colon + 1, target.len - out->scheme.len - 1);
    if (!tc__bytes_starts_with(rest, tc_str("//")))
        return TC_EINVAL;
    rest = tc_bytes(rest.data + 2, rest.len - 2);
    out->authority = tc_bytes(rest.data, authority_len(rest));
    int err = tc__host_parse(out->authority, &host, &port);
    if (err == 0)
        err = split_query(tc_bytes(rest.data + out->authority.len, rest.len - out->authority.len), out);
    if (err == 0 && out->path.len == 0)
        out->path = tc_str("/");
    return err;
}

static int parse_form(tc_bytes_t target, bool is_connect, tc__target_t *out) {
    if (target.len == 0)
        return TC_EINVAL;
    if (is_connect)
        return parse_authority_form(target, out);
    if (target.data[0] == '/') {
        out->form = TC__TARGET_ORIGIN;
        return split_query(target, out);
    }
    if (target.len == 1 && target.data[0] == '*') {
        out->form = TC__TARGET_ASTERISK;
        out->path = target;
        return 0;
    }
    return parse_absolute_form(target, out);
}

int tc__target_parse(tc_bytes_t target, bool is_connect, tc__target_t *out) {
    if (!is_connect && target.len > 0 && target.data[0] == '/' && is_target_text(target)) { /* nearly all of them */
        *out = (tc__target_t){ .form = TC__TARGET_ORIGIN };
        split_at_query(target, out);
        return 0;
    }
    tc__target_t parsed = { 0 };
    int err = parse_form(target, is_connect, &parsed);
    if (err == 0)
        *out = parsed;
    return err;
}

tc_bytes_t tc__percent_decode(tc__arena_t *arena, tc_bytes_t text, bool plus) {
    char *out = tc__arena_alloc(arena, text.len + 1);
    if (out == NULL)
        return tc_bytes(NULL, 0);
    return tc_bytes(out,
                    plus ? tc_url_unescape(out, text.len + 1, text) : tc_url_unescape_path(out, text.len + 1, text));
}

bool tc__query_next(tc_bytes_t *rest, tc_bytes_t *name, tc_bytes_t *value) {
    while (rest->len > 0 && rest->data[0] == '&') {
        rest->data++;
        rest->len--;
    }
    if (rest->len == 0)
        return false;

    const char *amp = memchr(rest->data, '&', rest->len);
    tc_bytes_t pair = tc_bytes(rest->data, amp ? (size_t)(amp - rest->data) : rest->len);
    const char *equals = memchr(pair.data, '=', pair.len);
    *name = tc_bytes(pair.data, equals ? (size_t)(equals - pair.data) : pair.len);
    *value = equals ? tc_bytes(equals + 1, pair.len - name->len - 1) : tc_bytes(pair.data + pair.len, 0);
    *rest = tc_bytes(pair.data + pair.len, rest->len - pair.len);
    return true;
}
