/* base64_internal.h - RFC 4648 section 4: the usual alphabet, padded. */
#ifndef TC_UTIL_BASE64_INTERNAL_H
#define TC_UTIL_BASE64_INTERNAL_H

#include <tornadoc/util.h>

static inline size_t tc__base64_len(size_t len) {
    return (len + 2) / 3 * 4;
}

/* Write tc__base64_len(bytes.len) characters, no NUL; returns the end. */
char *tc__base64_encode(char *out, tc_bytes_t bytes);

/* Write at most 3 bytes for every 4 of the text; false: it is not what tc__base64_encode would have written. `out` may
 * be the text itself. */
bool tc__base64_decode(char *out, size_t *len, tc_bytes_t text);

#endif
