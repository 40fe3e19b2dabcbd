/*
 * route_table.c - from literal text to a pointer. (Tornado has no such thing: it tries its patterns in turn)
 */
#include "web/route_table_internal.h"

#include "util/alloc_internal.h"

enum { FIRST_SLOTS = 4, FIRST_SHIFT = 62 };

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

static void put_slot(tc__route_table_t *table, tc__route_slot_t slot) {
    size_t i = slot.hash >> table->shift;
    while (table->slots[i].text)
        i = (i + 1) & (table->slot_count - 1);
    table->slots[i] = slot;
}

static int grow(tc__route_table_t *table) {
    tc__route_table_t old = *table;
    size_t slot_count = old.slot_count ? old.slot_count * 2 : FIRST_SLOTS;
    tc__route_slot_t *slots = tc__calloc(slot_count, sizeof(*slots));
    if (!slots)
        return TC_ENOMEM;
    table->slots = slots;
    table->slot_count = slot_count;
    table->shift = old.slot_count ? old.shift - 1 : FIRST_SHIFT;
    for (size_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].text)
            put_slot(table, old.slots[i]);
    }
    tc__free(old.slots);
    return 0;
}

int tc__route_table_add(tc__route_table_t *table, tc_bytes_t text, void *value) {
    if ((table->count + 1) * 2 > table->slot_count)
        TC_TRY(grow(table));
    char *copy = tc__strndup(text.data, text.len);
    if (!copy)
        return TC_ENOMEM;
    tc__route_slot_t slot = { .text = copy, .len = text.len, .hash = tc__route_hash(text), .value = value };
    put_slot(table, slot);
    table->count++;
    if (text.len > table->longest)
        table->longest = text.len;
    return 0;
}
