/*
 * utf8.c - well-formed UTF-8 (RFC 3629, table 3-7 of the Unicode standard).
 *
 * ASCII is skipped 16 bytes at a time; other text is checked by branches per sequence, which beat a table-driven
 * automaton by far on text of one script.
 */
#include "util/utf8_internal.h"

#include <tornadoc/escape.h>

static bool is_continuation(unsigned char c) {
    return (c & 0xc0) == 0x80;
}

static inline size_t sequence(const unsigned char *s, size_t len) {
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4 || len < 2) /* 0xc0 and 0xc1 would be overlong */
        return 0;
    if (s[0] < 0xe0)
        return is_continuation(s[1]) ? 2 : 0;

    /* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high || len < 3 || !is_continuation(s[2]))
        return 0;
    if (s[0] < 0xf0)
        return 3;
    return len >= 4 && is_continuation(s[3]) ? 4 : 0;
}

size_t tc__utf8_sequence(const char *data, size_t len) {
    return sequence((const unsigned char *)data, len);
}

static size_t skip_ascii(const unsigned char *s, size_t len) {
    size_t i = 0;
    for (; len - i >= 16; i += 16) {
        uint64_t words[2];
        memcpy(words, s + i, sizeof(words));
        if ((words[0] | words[1]) & 0x8080808080808080)
            break;
    }
    while (i < len && s[i] < 0x80)
        i++;
    return i;
}

bool tc_utf8_valid(tc_bytes_t text) {
    const unsigned char *s = (const unsigned char *)text.data;
    size_t i = 0;
    while (i < text.len) {
        i += skip_ascii(s + i, text.len - i);
        while (i < text.len && s[i] >= 0x80) { /* a script's letters come in runs */
            size_t len = sequence(s + i, text.len - i);
            if (len == 0)
                return false;
            i += len;
        }
    }
    return true;
}

bool tc__utf8_is_space(const char *p, size_t len) {
    static const char spaces[][4] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        if (strlen(spaces[i]) == len && memcmp(p, spaces[i], len) == 0)
            return true;
    }
    return len == 3 && memcmp(p, "\xe2\x80", 2) == 0 && (unsigned char)p[2] >= 0x80 && (unsigned char)p[2] <= 0x8a;
}
