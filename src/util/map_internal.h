/*
 * map_internal.h - a hash map from bytes to pointers, in insertion order; keys are copied.
 *
 * The hash is keyed with random bytes, so that a peer cannot choose names that collide.
 */
#ifndef TC_UTIL_MAP_INTERNAL_H
#define TC_UTIL_MAP_INTERNAL_H

#include <tornadoc/util.h>

typedef struct {
    tc_bytes_t key; /* NUL behind it; data is NULL once removed */
    void *value;
    uint64_t hash;
} tc__map_entry_t;

typedef struct tc__map {
    tc__map_entry_t *entries; /* [0, used), in insertion order; go through them with tc__map_next */
    uint32_t *slots;          /* open addressing: index + 1 of an entry, 0: free */
    size_t count;             /* how many are in it */
    size_t used;              /* those and the removed ones */
    size_t capacity, slot_count;
} tc__map_t;

void tc__map_init(tc__map_t *map);
void tc__map_deinit(tc__map_t *map, tc_free_fn free_value);               /* or NULL */
void *tc__map_get(const tc__map_t *map, tc_bytes_t key);                  /* NULL: not there */
int tc__map_set(tc__map_t *map, tc_bytes_t key, void *value, void **old); /* TC_ENOMEM; `old` may be NULL */
void *tc__map_remove(tc__map_t *map, tc_bytes_t key);                     /* the value, or NULL; keeps the order */

/* The entry at `*index` or the first one after it, and `*index` moves behind it; NULL at the end. Start with 0. What
 * was found may be removed on the way, nothing may be set. */
const tc__map_entry_t *tc__map_next(const tc__map_t *map, size_t *index);

#endif
