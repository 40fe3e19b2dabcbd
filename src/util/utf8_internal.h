/* utf8_internal.h - UTF-8, whole (tc_utf8_valid) and piece by piece. */
#ifndef TC_UTIL_UTF8_INTERNAL_H
#define TC_UTIL_UTF8_INTERNAL_H

#include <tornadoc/util.h>

/* The length of the sequence at data[0] if it is well formed within len bytes, else 0. len > 0. */
size_t tc__utf8_sequence(const char *data, size_t len);

/* Is this sequence of two or three bytes white space, as Python has it? U+00A0, U+2028, U+3000 and their like. */
bool tc__utf8_is_space(const char *p, size_t len);

#endif
