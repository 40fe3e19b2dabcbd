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
    unsigned shift;    /* a hash's high bits choose the slot: hash >> shift */
    size_t count;
    size_t longest; /* longer texts need no hash to be a miss */
} tc__route_table_t;

void tc__route_table_init(tc__route_table_t *table);
void tc__route_table_deinit(tc__route_table_t *table, void (*free_value)(void *value)); /* or NULL */

/* At most eight bytes, without reading beyond them: two halves that may overlap, or three single bytes. */
static inline uint64_t tc__route_hash_load(const char *data, size_t len) {
    uint32_t low, high;
    if (len >= 4) {
        memcpy(&low, data, sizeof(low));
        memcpy(&high, data + len - 4, sizeof(high));
        return low | (uint64_t)high << 32;
    }
    if (len == 0)
        return 0;
    const unsigned char *bytes = (const unsigned char *)data;
    return bytes[0] | (uint64_t)bytes[len / 2] << 8 | (uint64_t)bytes[len - 1] << 16;
}

static inline uint64_t tc__route_hash(tc_bytes_t text) {
    const uint64_t odd = 0x9e3779b97f4a7c15u; /* 2^64 by the golden ratio */
    uint64_t word, hash = text.len * odd;
    for (; text.len > 8; text.data += 8, text.len -= 8) {
        memcpy(&word, text.data, sizeof(word));
        hash = (hash ^ word) * odd;
        hash ^= hash >> 32; /* the product's high bits depend on all bits before it, the low ones on few */
    }
    return (hash ^ tc__route_hash_load(text.data, text.len)) * odd;
}

/* NULL: not there. `hash` is tc__route_hash(text). Every request comes by, hence inline. */
static inline void *tc__route_table_get(const tc__route_table_t *table, tc_bytes_t text, uint64_t hash) {
    if (table->count == 0)
        return NULL;
    const tc__route_slot_t *slot = &table->slots[hash >> table->shift];
    const tc__route_slot_t *end = table->slots + table->slot_count;
    while (slot->text) {
        if (slot->hash == hash && slot->len == text.len && memcmp(slot->text, text.data, text.len) == 0)
            return slot->value;
        if (++slot == end)
            slot = table->slots;
    }
    return NULL;
}

/* The text is new to the table. 0 or TC_ENOMEM. */
int tc__route_table_add(tc__route_table_t *table, tc_bytes_t text, void *value);

#endif
