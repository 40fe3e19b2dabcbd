/* alloc_internal.h - the library's memory: whatever tc_set_allocator chose. */
#ifndef TC_UTIL_ALLOC_INTERNAL_H
#define TC_UTIL_ALLOC_INTERNAL_H

#include <stddef.h>

#include <tornadoc/util.h>

void *tc__malloc(size_t size);
void *tc__calloc(size_t count, size_t size); /* NULL also when count * size overflows */
void *tc__realloc(void *data, size_t size);  /* on failure `data` stays as it is */
void tc__free(void *data);
char *tc__strndup(const char *text, size_t len);

#endif
