/*
 * route_table_internal.h - from literal text to a pointer, built once and then only read.
 *
 * Open addressing, at most half full; keys are copied. The hash takes eight bytes a step and is not keyed: the keys are
 * the program's own, and a peer who finds texts that collide meets one probe more, not a longer chain.
 */
#ifndef TC_WEB_ROUTE_TABLE_INTERNAL_H
#define TC_WEB_ROUTE_TABLE_INTERNAL_H

#include <tornadoc/util.h>

typedef struct {
    char *text; /* NULL: free */
    size_t len;
    uint64_t hash;
    void *value;
} tc__route_slot_t;

typedef struct {
    tc__route_slot_t *slots;
    size_t slot_count; /* 0 or a power of two */
    size_t count;
    size_t longest; /* longer texts need no hash to be a miss */
} tc__route_table_t;

void tc__route_table_init(tc__route_table_t *table);
void tc__route_table_deinit(tc__route_table_t *table, void (*free_value)(void *value)); /* or NULL */

uint64_t tc__route_hash(tc_bytes_t text);

/* NULL: not there. `hash` is tc__route_hash(text). */
void *tc__route_table_get(const tc__route_table_t *table, tc_bytes_t text, uint64_t hash);

/* The text is new to the table. 0 or TC_ENOMEM. */
int tc__route_table_add(tc__route_table_t *table, tc_bytes_t text, void *value);

#endif
