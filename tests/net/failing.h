/*
 * failing.h - what the tests share in which allocations fail in turn: expectations that are counted, and OpenSSL's
 * memory among what fails.
 */
#ifndef TC_TESTS_NET_FAILING_H
#define TC_TESTS_NET_FAILING_H

#include <openssl/crypto.h>

#include "util/util_test.h"

static int wrong; /* counted, since a scenario cleans up to its end */

static inline void expect(bool right) {
    wrong += !right;
}

static inline void *crypto_malloc(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return failing_malloc(size);
}

static inline void *crypto_realloc(void *data, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return failing_realloc(data, size);
}

static inline void crypto_free(void *data, const char *file, int line) {
    (void)file, (void)line;
    failing_free(data);
}

/* Ours, and OpenSSL's: that has to be the first call of the program. */
static inline bool use_failing_memory_with_openssl(void) {
    return CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) == 1 && use_failing_allocator() == 0;
}

#endif
