/*
 * accept_encoding_internal.h - which content codings a client takes, and how gladly (RFC 9110 section 12.5.3). No I/O.
 */
#ifndef TC_HTTP_ACCEPT_ENCODING_INTERNAL_H
#define TC_HTTP_ACCEPT_ENCODING_INTERNAL_H

#include <stdint.h>

#include <tornadoc/util.h>

typedef enum { TC__CODING_IDENTITY, TC__CODING_BR, TC__CODING_ZSTD, TC__CODING_GZIP, TC__CODING_COUNT } tc__coding_t;

/* By coding: from 0, not at all, to 1000. Of a field that is absent, or has no such coding: identity alone.
 * That is taken, but no more gladly than anything that is named, if the field does not speak of it. Of a
 * coding that is named twice, the last word counts; members that are no coding with a weight are passed over. */
void tc__accept_encoding_parse(tc_bytes_t field, uint16_t weights[TC__CODING_COUNT]);

extern const char *const tc__coding_names[TC__CODING_COUNT]; /* "identity", "br" … */

#endif
