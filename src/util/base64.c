/*
 * base64.c - RFC 4648 section 4, both ways.
 *
 * Reading is strict: no white space, padded, and the bits that padding leaves over are zero. So there is one text for
 * every value, and nobody can change a text that two readers compare and keep its meaning.
 */
#include "util/base64_internal.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *tc__base64_encode(char *out, tc_bytes_t bytes) {
    const unsigned char *in = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        unsigned group = (unsigned)in[i] << 16;
        if (left > 1)
            group |= (unsigned)in[i + 1] << 8;
        if (left > 2)
            group |= in[i + 2];
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[group & 63] : '=';
    }
    return out;
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool tc__base64_decode(char *out, size_t *len, tc_bytes_t text) {
    if (text.len % 4 != 0)
        return false;
    size_t padding = 0, written = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    unsigned group = 0;
    for (size_t i = 0; i < text.len - padding; i++) {
        int value = digit(text.data[i]);
        if (value < 0)
            return false;
        group = group << 6 | (unsigned)value;
        if (i % 4 == 0)
            continue;
        unsigned rest = 6 - 2 * (i % 4);
        out[written++] = (char)(group >> rest);
        group &= (1u << rest) - 1;
    }
    *len = written;
    return group == 0;
}
