/*
 * escape.c - text for HTML and URLs. (Tornado: escape)
 *
 * One pass over the text, in every function. All write through out_t, which counts what the whole result takes and
 * keeps what fits. An unescaped result is never longer than the text it came from, so those may work in place.
 */
#include <tornadoc/escape.h>

#include "util/bytes_internal.h"

/* ---- Output with a count -------------------------------------------------------------------------------------- */

typedef struct {
    char *data;
    size_t size; /* of data */
    size_t len;  /* of the result so far */
} out_t;

static inline void put(out_t *out, char c) {
    if (out->len + 1 < out->size)
        out->data[out->len] = c;
    out->len++;
}

static void put_all(out_t *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        put(out, text[i]);
}

static size_t end(const out_t *out) {
    if (out->size)
        out->data[out->len < out->size ? out->len : out->size - 1] = '\0';
    return out->len;
}

/* ---- HTML ----------------------------------------------------------------------------------------------------- */

static const char *entity_of(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#x27;";
    default:
        return NULL;
    }
}

size_t tc_xhtml_escape(char *out, size_t size, tc_bytes_t text) {
    out_t result = { out, size, 0 };
    for (size_t i = 0; i < text.len; i++) {
        const char *entity = entity_of(text.data[i]);
        if (entity)
            put_all(&result, entity, strlen(entity));
        else
            put(&result, text.data[i]);
    }
    return end(&result);
}

/* HTML section 13.2.5.80: 0, surrogates and what is too large become U+FFFD, 0x80 to 0x9f are Windows-1252. */
static uint32_t repair_code_point(uint32_t c) {
    static const uint16_t windows_1252[32] = {
        0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021, 0x2c6,  0x2030, 0x160,
        0x2039, 0x152,  0x8d,   0x17d,  0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
    };
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0xfffd;
    return c >= 0x80 && c <= 0x9f ? windows_1252[c - 0x80] : c;
}

static void put_utf8(out_t *out, uint32_t c) {
    if (c < 0x80) {
        put(out, (char)c);
        return;
    }
    if (c < 0x800) {
        put(out, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            put(out, (char)(0xe0 | c >> 12));
        } else {
            put(out, (char)(0xf0 | c >> 18));
            put(out, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        put(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    put(out, (char)(0x80 | (c & 0x3f)));
}

/* "&#65;" or "&#x41;" at the start of `text`: its length, or 0. */
static size_t numeric_entity(tc_bytes_t text, uint32_t *code_point) {
    bool hex = text.len > 2 && tc__lower(text.data[2]) == 'x';
    size_t first = hex ? 3 : 2, i = first;
    uint32_t value = 0;
    for (; i < text.len; i++) {
        int digit = tc__hex_digit(text.data[i]);
        if (digit < 0 || (!hex && digit > 9))
            break;
        if (value <= 0x10ffff) /* beyond that more digits change nothing */
            value = value * (hex ? 16 : 10) + (uint32_t)digit;
    }
    if (i == first || i == text.len || text.data[i] != ';')
        return 0;
    *code_point = value;
    return i + 1;
}

static size_t named_entity(tc_bytes_t text, uint32_t *code_point) {
    static const struct {
        const char *name;
        char c;
    } names[] = { { "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' } };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        tc_bytes_t name = tc_str(names[i].name);
        if (tc__bytes_starts_with(text, name)) {
            *code_point = (uint32_t)names[i].c;
            return name.len;
        }
    }
    return 0;
}

static size_t entity(tc_bytes_t text, uint32_t *code_point) {
    if (text.data[0] != '&')
        return 0;
    bool numeric = text.len > 1 && text.data[1] == '#';
    return numeric ? numeric_entity(text, code_point) : named_entity(text, code_point);
}

size_t tc_xhtml_unescape(char *out, size_t size, tc_bytes_t text) {
    out_t result = { out, size, 0 };
    for (size_t i = 0; i < text.len;) {
        uint32_t code_point = 0;
        size_t len = entity(tc_bytes(text.data + i, text.len - i), &code_point);
        if (len == 0) {
            put(&result, text.data[i++]);
            continue;
        }
        put_utf8(&result, repair_code_point(code_point));
        i += len;
    }
    return end(&result);
}

/* ---- URLs ----------------------------------------------------------------------------------------------------- */

static bool is_unreserved(char c) { /* RFC 3986 section 2.3 */
    char lower = tc__lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

static size_t percent_encode(char *out, size_t size, tc_bytes_t text, char also_kept, bool plus) {
    static const char hex[] = "0123456789ABCDEF";
    out_t result = { out, size, 0 };
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (is_unreserved(c) || (also_kept && c == also_kept)) {
            put(&result, c);
        } else if (c == ' ' && plus) {
            put(&result, '+');
        } else {
            put(&result, '%');
            put(&result, hex[(unsigned char)c >> 4]);
            put(&result, hex[(unsigned char)c & 15]);
        }
    }
    return end(&result);
}

size_t tc_url_escape(char *out, size_t size, tc_bytes_t text) {
    return percent_encode(out, size, text, '\0', true);
}

size_t tc_url_escape_path(char *out, size_t size, tc_bytes_t text) {
    return percent_encode(out, size, text, '/', false);
}

/* The byte that "%XX" at the start of `text` stands for, or -1. */
static int percent_byte(tc_bytes_t text) {
    if (text.len < 3 || text.data[0] != '%')
        return -1;
    int high = tc__hex_digit(text.data[1]), low = tc__hex_digit(text.data[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static size_t percent_decode(char *out, size_t size, tc_bytes_t text, bool plus) {
    out_t result = { out, size, 0 };
    for (size_t i = 0; i < text.len; i++) {
        int byte = percent_byte(tc_bytes(text.data + i, text.len - i));
        if (byte >= 0) {
            put(&result, (char)byte);
            i += 2;
        } else {
            put(&result, (char)(plus && text.data[i] == '+' ? ' ' : text.data[i]));
        }
    }
    return end(&result);
}

size_t tc_url_unescape(char *out, size_t size, tc_bytes_t text) {
    return percent_decode(out, size, text, true);
}

size_t tc_url_unescape_path(char *out, size_t size, tc_bytes_t text) {
    return percent_decode(out, size, text, false);
}

/* ---- White space ---------------------------------------------------------------------------------------------- */

size_t tc_squeeze(char *out, size_t size, tc_bytes_t text) {
    out_t result = { out, size, 0 };
    bool gap = false;
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] <= 0x20) {
            gap = result.len > 0; /* none at the start */
            continue;
        }
        if (gap)
            put(&result, ' ');
        gap = false;
        put(&result, text.data[i]);
    }
    return end(&result);
}
