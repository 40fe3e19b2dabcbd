/*
 * bytes.c - comparing, trimming, numbers.
 */
#include "util/bytes_internal.h"

#if defined(__has_attribute)
#if __has_attribute(noipa)
__attribute__((noipa)) /* nor may the linker's optimiser see the length */
#endif
#endif
void tc__zero(void *data, size_t len) {
    memset(data, 0, len);
}

bool tc__bytes_equal(tc_bytes_t a, tc_bytes_t b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool tc__bytes_equal_nocase(tc_bytes_t a, tc_bytes_t b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (tc__lower(a.data[i]) != tc__lower(b.data[i]))
            return false;
    return true;
}

bool tc__bytes_starts_with(tc_bytes_t bytes, tc_bytes_t prefix) {
    return bytes.len >= prefix.len && tc__bytes_equal(tc_bytes(bytes.data, prefix.len), prefix);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

tc_bytes_t tc__bytes_trim(tc_bytes_t bytes) {
    while (bytes.len && is_blank(bytes.data[0])) {
        bytes.data++;
        bytes.len--;
    }
    while (bytes.len && is_blank(bytes.data[bytes.len - 1]))
        bytes.len--;
    return bytes;
}

bool tc__next_word(const char **rest, tc_bytes_t *word) {
    static const char separators[] = ", \t\r\n";
    const char *start = *rest + strspn(*rest, separators);
    *word = tc_bytes(start, strcspn(start, separators));
    *rest = start + word->len;
    return word->len > 0;
}

bool tc__bytes_equal_secret(tc_bytes_t a, tc_bytes_t b) {
    if (a.len != b.len)
        return false;
    volatile unsigned char difference = 0; /* volatile: or the compiler might leave the loop early */
    for (size_t i = 0; i < a.len; i++)
        difference = (unsigned char)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

int tc__parse_uint64(tc_bytes_t text, uint64_t *out) {
    if (text.len == 0)
        return TC_EINVAL;
    uint64_t value = 0;
    bool overflow = false; /* what is no number at all is TC_EINVAL, however long */
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return TC_EINVAL;
        unsigned digit = (unsigned)(text.data[i] - '0');
        overflow = overflow || value > (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (overflow)
        return TC_EOVERFLOW;
    *out = value;
    return 0;
}

int tc__parse_int64(tc_bytes_t text, int64_t *out) {
    bool negative = text.len && text.data[0] == '-';
    if (negative)
        text = tc_bytes(text.data + 1, text.len - 1);
    uint64_t magnitude = 0;
    TC_TRY(tc__parse_uint64(text, &magnitude));
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return TC_EOVERFLOW;
    *out = negative ? -(int64_t)(magnitude - (magnitude != 0)) - (magnitude != 0) : (int64_t)magnitude;
    return 0;
}

char *tc__format_uint64(char *out, uint64_t value) {
    char digits[20], *first = digits + sizeof digits;
    if (value < 100) { /* most lengths of small answers */
        if (value >= 10)
            *out++ = (char)('0' + value / 10);
        *out = (char)('0' + value % 10);
        return out + 1;
    }
    do {
        *--first = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    size_t len = (size_t)(digits + sizeof digits - first);
    for (size_t i = 0; i < len; i++)
        out[i] = first[i];
    return out + len;
}

int tc__hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tc__lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
