/*
 * escape_fuzz.c - text for HTML and URLs: what was escaped comes back, what is unescaped is never longer, and what is
 * in a page, tags taken off, is the text that was to be shown.
 */
#include <string.h>

#include <tornadoc/escape.h>

#include "fuzz/fuzzing.h"

typedef size_t (*escape_fn)(char *out, size_t size, tc_bytes_t text);

static tc_bytes_t make(escape_fn fn, tc_bytes_t text) {
    size_t len = fn(NULL, 0, text);
    char *out = malloc(len + 1);
    MUST(out != NULL);
    MUST(fn(out, len + 1, text) == len && out[len] == '\0');
    return tc_bytes(out, len);
}

static void drop(tc_bytes_t text) {
    free((char *)(uintptr_t)text.data);
}

static void check_back(escape_fn there, escape_fn back, tc_bytes_t text) {
    tc_bytes_t escaped = make(there, text), again = make(back, escaped);
    MUST(tc__bytes_equal(again, text));
    drop(escaped);
    drop(again);
}

/* In place, too. */
static void check_shorter(escape_fn fn, tc_bytes_t text) {
    tc_bytes_t result = make(fn, text);
    MUST(result.len <= text.len);
    char *copy = malloc(text.len + 1);
    MUST(copy != NULL);
    memcpy(copy, text.data, text.len);
    MUST(fn(copy, text.len + 1, tc_bytes(copy, text.len)) == result.len);
    MUST(memcmp(copy, result.data, result.len) == 0);
    if (fn == tc_xhtml_unescape && tc_utf8_valid(text))
        MUST(tc_utf8_valid(result));
    free(copy);
    drop(result);
}

static void check_squeezed(tc_bytes_t text) {
    tc_bytes_t once = make(tc_squeeze, text), twice = make(tc_squeeze, once);
    MUST(tc__bytes_equal(once, twice) && once.len <= text.len);
    MUST(once.len == 0 || ((unsigned char)once.data[0] > 0x20 && (unsigned char)once.data[once.len - 1] > 0x20));
    drop(once);
    drop(twice);
}

static const tc_linkify_options_t *options;

static size_t linkify(char *out, size_t size, tc_bytes_t text) {
    return tc_linkify(out, size, text, options);
}

/* The length of a tag of ours. */
static size_t tag_len(tc_bytes_t html) {
    static const tc_bytes_t begin = { "<a href=\"http", 13 }, end = { "</a>", 4 };
    if (tc__bytes_starts_with(html, end))
        return end.len;
    MUST(tc__bytes_starts_with(tc_bytes(html.data, html.len < 9 ? html.len : 9), tc_bytes(begin.data, 9)));
    MUST(html.len > begin.len && tc__bytes_equal_nocase(tc_bytes(html.data, begin.len), begin));
    const char *close = memchr(html.data, '>', html.len);
    MUST(close != NULL && close[-1] == '"');
    return (size_t)(close + 1 - html.data);
}

static void check_links(tc_bytes_t text) {
    tc_bytes_t html = make(linkify, text);
    char *shown = malloc(html.len + 1);
    MUST(shown != NULL);
    size_t len = 0;
    bool open = false;
    for (size_t i = 0; i < html.len;) {
        if (html.data[i] != '<') {
            MUST(html.data[i] != '>' && html.data[i] != '\'' && html.data[i] != '"');
            shown[len++] = html.data[i++];
            continue;
        }
        MUST((html.data[i + 1] == 'a') != open);
        open = !open;
        i += tag_len(tc_bytes(html.data + i, html.len - i));
    }
    MUST(!open);
    if (!options) { /* nothing was shortened */
        tc_bytes_t again = make(tc_xhtml_unescape, tc_bytes(shown, len));
        MUST(tc__bytes_equal(again, text));
        drop(again);
    }
    free(shown);
    drop(html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const tc_linkify_options_t shorten = { .shorten = true };
    tc_bytes_t text = tc_bytes(data, size);
    if (size == 0)
        return 0;
    check_back(tc_xhtml_escape, tc_xhtml_unescape, text);
    check_back(tc_url_escape, tc_url_unescape, text);
    check_back(tc_url_escape_path, tc_url_unescape_path, text);
    check_shorter(tc_xhtml_unescape, text);
    check_shorter(tc_url_unescape, text);
    check_shorter(tc_url_unescape_path, text);
    check_squeezed(text);
    options = NULL;
    check_links(text);
    options = &shorten;
    check_links(text);
    return 0;
}
