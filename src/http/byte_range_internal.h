/*
 * byte_range_internal.h - the Range field: which bytes of a representation are wanted (RFC 9110 section 14). No I/O.
 */
#ifndef TC_HTTP_BYTE_RANGE_INTERNAL_H
#define TC_HTTP_BYTE_RANGE_INTERNAL_H

#include <tornadoc/util.h>

typedef struct {
    uint64_t first, len; /* len is at least 1; all of it lies within the representation */
} tc__byte_range_t;

enum { TC__MAX_RANGES = 16, TC__RANGE_NOT_SATISFIABLE = -1 };

/* How many ranges are wanted, in the order of the field, none of them overlapping another; 0: the whole, for the field
 * is not understood or is none to be heard; TC__RANGE_NOT_SATISFIABLE: 416. */
int tc__byte_ranges_parse(tc_bytes_t field, uint64_t size, tc__byte_range_t out[TC__MAX_RANGES]);

#endif
