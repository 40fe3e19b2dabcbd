/*
 * linkify.c - URLs in plain text become links. (Tornado: escape.linkify)
 *
 * A URL begins with a scheme, a colon and one to three slashes, or with "www.". It goes on to white space or one of
 * < > ' and ends behind the last character that is no punctuation, or behind a parenthesis that it has opened itself:
 * in "(see http://a.example/b_(c).)" behind the "c)". This is Tornado's regular expression, written by hand so that it
 * takes time that is linear: what is looked at and turns out to be no part of a URL holds no other's beginning.
 *
 * The text is escaped piece by piece as it is written, so nothing of it can be markup.
 */
#include <string.h>

#include <tornadoc/escape.h>

#include "util/bytes_internal.h"
#include "util/utf8_internal.h"

enum { MAX_SHOWN = 30, MAX_SHOWN_PATH = 8 };

/* ---- Finding ---- */

typedef struct {
    size_t start, end;  /* in the text */
    size_t scheme_len;  /* 0: "www." */
    size_t slashes_len; /* ":" and the slashes */
} url_t;

static bool is_word(char c) {
    char lower = tc__lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* How many bytes of a URL there are at `at`: 0 where it must end. */
static size_t character(tc_bytes_t text, size_t at) {
    unsigned char c = (unsigned char)text.data[at];
    if (c <= 0x20 || strchr("<>'()", c))
        return 0;
    size_t len = tc__utf8_sequence(text.data + at, text.len - at);
    if (len > 1 && tc__utf8_is_space(text.data + at, len))
        return 0;
    return len ? len : 1;
}

static size_t run(tc_bytes_t text, size_t at) {
    for (size_t len; at < text.len && (len = character(text, at)) > 0;)
        at += len;
    return at;
}

static bool may_end(char c) {
    return !strchr("!\"#$%&'*+,.:;=?@[]^`{|}~", c);
}

/* Where the URL ends whose characters begin at `start`; that itself: there are none. */
static size_t body_end(tc_bytes_t text, size_t start) {
    size_t at = start, end = start;
    while (at < text.len) {
        if (text.data[at] == '(' && at == end) {
            size_t close = run(text, at + 1);
            if (close == text.len || text.data[close] != ')')
                break;
            end = at = close + 1;
            continue;
        }
        size_t len = character(text, at);
        if (len == 0)
            break;
        if (may_end(text.data[at]))
            end = at + len;
        at += len;
    }
    return end;
}

/* Does one begin with the word that starts at `word` and the colon at `colon`? */
static bool with_scheme(tc_bytes_t text, size_t word, size_t colon, url_t *url) {
    size_t body = colon + 1;
    while (word < colon && text.data[word] == '-')
        word++;
    while (body < text.len && body < colon + 4 && text.data[body] == '/')
        body++;
    if (word == colon || body == colon + 1)
        return false;
    *url = (url_t){ word, body_end(text, body), colon - word, body - colon };
    return url->end > body;
}

static bool with_www(tc_bytes_t text, size_t at, url_t *url) {
    static const tc_bytes_t www = { "www.", 4 };
    if (!tc__bytes_starts_with(tc_bytes(text.data + at, text.len - at), www))
        return false;
    *url = (url_t){ at, body_end(text, at + www.len), 0, 0 };
    return url->end > at + www.len;
}

/* The first one from `at` on. */
static bool find_url(tc_bytes_t text, size_t at, url_t *url) {
    for (size_t word = at; at < text.len; at++) {
        char c = text.data[at];
        if (c == ':' && with_scheme(text, word, at, url))
            return true;
        if (c == 'w' && (at == 0 || !is_word(text.data[at - 1])) && with_www(text, at, url))
            return true;
        if (!is_word(c) && c != '-')
            word = at + 1;
    }
    return false;
}

/* ---- Writing ---- */

typedef struct {
    char *data;
    size_t size, len;
} out_t;

static void put(out_t *out, const char *text) {
    size_t len = strlen(text), room = out->len < out->size ? out->size - out->len - 1 : 0;
    if (room > 0) {
        memcpy(out->data + out->len, text, len < room ? len : room);
        out->data[out->len + (len < room ? len : room)] = '\0';
    }
    out->len += len;
}

static void put_escaped(out_t *out, tc_bytes_t text) {
    bool room = out->len < out->size;
    out->len += tc_xhtml_escape(room ? out->data + out->len : NULL, room ? out->size - out->len : 0, text);
}

/* How much of it is shown; all: nothing would be saved. */
static size_t shown_len(tc_bytes_t text, const url_t *url) {
    const char *at = text.data + url->start;
    size_t len = url->end - url->start, host = url->scheme_len + url->slashes_len, shown = len;
    const char *slash = memchr(at + host, '/', len - host);
    if (len <= MAX_SHOWN)
        return len;
    if (slash) {
        shown = (size_t)(slash + 1 - at);
        for (size_t i = 0; i < MAX_SHOWN_PATH && shown < len && !strchr("/?.", at[shown]); i++)
            shown++;
    }
    if (shown > MAX_SHOWN + MAX_SHOWN / 2)
        shown = MAX_SHOWN;
    while (shown < len && ((unsigned char)at[shown] & 0xc0) == 0x80) /* no character is cut */
        shown++;
    return shown + strlen("...") < len ? shown : len;
}

static void put_href(out_t *out, tc_bytes_t text, const url_t *url) {
    put(out, url->scheme_len ? "\"" : "\"http://");
    put_escaped(out, tc_bytes(text.data + url->start, url->end - url->start));
    put(out, "\"");
}

static void put_link(out_t *out, tc_bytes_t text, const url_t *url, const tc_linkify_options_t *options) {
    size_t len = url->end - url->start, shown = options->shorten ? shown_len(text, url) : len;
    put(out, "<a href=");
    put_href(out, text, url);
    if (options->extra_params) {
        put(out, " ");
        put(out, options->extra_params);
    }
    if (shown < len) {
        put(out, " title=");
        put_href(out, text, url);
    }
    put(out, ">");
    put_escaped(out, tc_bytes(text.data + url->start, shown));
    put(out, shown < len ? "...</a>" : "</a>");
}

static bool is_permitted(tc_bytes_t text, const url_t *url, const tc_linkify_options_t *options) {
    static const char *const web[] = { "http", "https", NULL };
    const char *const *protocols = options->permitted_protocols ? options->permitted_protocols : web;
    if (url->scheme_len == 0)
        return !options->require_protocol;
    for (; *protocols; protocols++)
        if (tc__bytes_equal_nocase(tc_bytes(text.data + url->start, url->scheme_len), tc_str(*protocols)))
            return true;
    return false;
}

size_t tc_linkify(char *out, size_t size, tc_bytes_t text, const tc_linkify_options_t *options) {
    static const tc_linkify_options_t defaults;
    out_t result = { out, size, 0 };
    size_t at = 0;
    url_t url;
    if (size > 0)
        out[0] = '\0';
    for (; find_url(text, at, &url); at = url.end) {
        size_t end = is_permitted(text, &url, options ? options : &defaults) ? url.start : url.end;
        put_escaped(&result, tc_bytes(text.data + at, end - at));
        if (end < url.end)
            put_link(&result, text, &url, options ? options : &defaults);
    }
    if (at < text.len)
        put_escaped(&result, tc_bytes(text.data + at, text.len - at));
    return result.len;
}
