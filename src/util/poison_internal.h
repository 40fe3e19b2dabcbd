/*
 * poison_internal.h - memory that AddressSanitizer shall complain about: the free room of arenas, the free blocks of
 * pools. Without the sanitizer all of it is nothing.
 */
#ifndef TC_UTIL_POISON_INTERNAL_H
#define TC_UTIL_POISON_INTERNAL_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define TC__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TC__ASAN 1
#endif
#endif

#ifdef TC__ASAN
#include <sanitizer/asan_interface.h>
enum { TC__REDZONE = 16 }; /* left poisoned behind each allocation of an arena */
#else
enum { TC__REDZONE = 0 };
#endif

static inline void tc__poison(void *data, size_t size) {
#ifdef TC__ASAN
    __asan_poison_memory_region(data, size);
#else
    (void)data, (void)size;
#endif
}

static inline void tc__unpoison(void *data, size_t size) {
#ifdef TC__ASAN
    __asan_unpoison_memory_region(data, size);
#else
    (void)data, (void)size;
#endif
}

#endif
