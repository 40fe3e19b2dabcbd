/*
 * route_table.c - from literal text to a pointer. (Tornado has no such thing: it tries its patterns in turn)
 */
#include "web/route_table_internal.h"

#include <string.h>

#include "util/alloc_internal.h"

enum { FIRST_SLOTS = 4 };

static const uint64_t odd = 0x9e3779b97f4a7c15u; /* 2^64 by the golden ratio */

void tc__route_table_init(tc__route_table_t *table) {
    *table = (tc__route_table_t){ .slots = NULL };
}

void tc__route_table_deinit(tc__route_table_t *table, void (*free_value)(void *value)) {
    for (size_t i = 0; i < table->slot_count; i++) {
        if (!table->slots[i].text)
            continue;
        if (free_value)
            free_value(table->slots[i].value);
        tc__free(table->slots[i].text);
    }
    tc__free(table->slots);
    tc__route_table_init(table);
}

static uint64_t load64(const char *data) {
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

/* At most eight bytes, without reading beyond them: two halves that may overlap, or three single bytes. */
static uint64_t load_short(const char *data, size_t len) {
    uint32_t low, high;
    if (len >= 4) {
        memcpy(&low, data, sizeof low);
        memcpy(&high, data + len - 4, sizeof high);
        return low | (uint64_t)high << 32;
    }
    if (len == 0)
        return 0;
    const unsigned char *bytes = (const unsigned char *)data;
    return bytes[0] | (uint64_t)bytes[len / 2] << 8 | (uint64_t)bytes[len - 1] << 16;
}

uint64_t tc__route_hash(tc_bytes_t text) {
    const char *data = text.data;
    size_t len = text.len;
    uint64_t hash = len * odd;
    for (; len > 8; data += 8, len -= 8) {
        hash = (hash ^ load64(data)) * odd;
        hash ^= hash >> 32; /* the product's good bits are the high ones, the slots are chosen by the low ones */
    }
    hash = (hash ^ load_short(data, len)) * odd;
    return hash ^ hash >> 32;
}

void *tc__route_table_get(const tc__route_table_t *table, tc_bytes_t text, uint64_t hash) {
    if (table->count == 0 || text.len > table->longest)
        return NULL;
    const size_t mask = table->slot_count - 1;
    for (size_t i = hash & mask; table->slots[i].text; i = (i + 1) & mask) {
        const tc__route_slot_t *slot = &table->slots[i];
        if (slot->hash == hash && slot->len == text.len && memcmp(slot->text, text.data, text.len) == 0)
            return slot->value;
    }
    return NULL;
}

static void put_slot(tc__route_slot_t *slots, size_t slot_count, tc__route_slot_t slot) {
    size_t i = slot.hash & (slot_count - 1);
    while (slots[i].text)
        i = (i + 1) & (slot_count - 1);
    slots[i] = slot;
}

static int grow(tc__route_table_t *table) {
    size_t slot_count = table->slot_count ? table->slot_count * 2 : FIRST_SLOTS;
    tc__route_slot_t *slots = tc__calloc(slot_count, sizeof *slots);
    if (!slots)
        return TC_ENOMEM;
    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i].text)
            put_slot(slots, slot_count, table->slots[i]);
    }
    tc__free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    return 0;
}

int tc__route_table_add(tc__route_table_t *table, tc_bytes_t text, void *value) {
    if ((table->count + 1) * 2 > table->slot_count)
        TC_TRY(grow(table));
    char *copy = tc__strndup(text.data, text.len);
    if (!copy)
        return TC_ENOMEM;
    tc__route_slot_t slot = { .text = copy, .len = text.len, .hash = tc__route_hash(text), .value = value };
    put_slot(table->slots, table->slot_count, slot);
    table->count++;
    if (text.len > table->longest)
        table->longest = text.len;
    return 0;
}
