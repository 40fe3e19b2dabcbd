/* bytes_internal.h - small work on bytes: comparing, trimming, numbers. ASCII only, no locale. */
#ifndef TC_UTIL_BYTES_INTERNAL_H
#define TC_UTIL_BYTES_INTERNAL_H

#include <tornadoc/util.h>

static inline char tc__lower(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}
/* memset to 0, as a call: compilers put a slow string instruction in its place when they know the length. */
void tc__zero(void *data, size_t len);

bool tc__bytes_equal(tc_bytes_t a, tc_bytes_t b);
bool tc__bytes_equal_nocase(tc_bytes_t a, tc_bytes_t b);
bool tc__bytes_starts_with(tc_bytes_t bytes, tc_bytes_t prefix);
tc_bytes_t tc__bytes_trim(tc_bytes_t bytes); /* space and tab at both ends: OWS of RFC 9110 */

/* The next word of *rest; commas and white space part them. False: none left. */
bool tc__next_word(const char **rest, tc_bytes_t *word);

/* In constant time for equal lengths: for secrets. */
bool tc__bytes_equal_secret(tc_bytes_t a, tc_bytes_t b);

/* Decimal digits only; 0, or TC_EINVAL, TC_EOVERFLOW. */
int tc__parse_uint64(tc_bytes_t text, uint64_t *out);
/* With an optional "-". */
int tc__parse_int64(tc_bytes_t text, int64_t *out);

/* Write decimal digits (at most 20, no NUL); returns the end. */
char *tc__format_uint64(char *out, uint64_t value);

int tc__hex_digit(char c); /* -1: none */

#endif
