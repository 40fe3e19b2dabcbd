/* date_internal.h - HTTP dates (RFC 9110 section 5.6.7), formatted once a second. */
#ifndef TC_UTIL_DATE_INTERNAL_H
#define TC_UTIL_DATE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

enum { TC__DATE_LEN = 29 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Seconds since 1970 (years 0 to 9999; what lies beyond is cut to them) to an IMF-fixdate with a NUL. */
void tc__date_format(char out[TC__DATE_LEN + 1], int64_t seconds);

/* All three formats of RFC 9110; 0 or TC_EINVAL. Two-digit years are read as the RFC says, relative to `now`. The day's
 * name must be one, but need not be right. */
int tc__date_parse(const char *text, size_t len, int64_t now, int64_t *seconds);

/* A cache for one loop, zeroed at first: `text` is right for the second `seconds`. */
typedef struct {
    int64_t seconds;
    char text[TC__DATE_LEN + 1];
} tc__date_cache_t;
const char *tc__date_now(tc__date_cache_t *cache); /* by time(NULL); TC__DATE_LEN characters */

#endif
