/*
 * fuzzing.h - what the fuzz targets share: assertions that stay in every build, text without slack, an arena.
 */
#ifndef TC_TESTS_FUZZING_H
#define TC_TESTS_FUZZING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <tornadoc/util.h>

#include "util/arena_internal.h"
#include "util/bytes_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                   \
        }                                                                              \
    } while (0)

/* Does `part` stand inside `whole`? */
static inline bool is_inside(tc_bytes_t part, tc_bytes_t whole) {
    return part.data >= whole.data && part.data + part.len <= whole.data + whole.len;
}

/* Written for a program to read as a C string: a NUL behind it. */
static inline bool is_terminated(tc_bytes_t text) {
    return text.data[text.len] == '\0';
}

#endif
