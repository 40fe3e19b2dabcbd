/*
 * map.c - entries in insertion order, and a table of slots that finds them.
 *
 *   slots:   . 2 . . 1 3 . .        index + 1, linear probing, at most half full
 *   entries: a b c                  in insertion order
 *
 * A removed entry stays, without key, where it was: the order is kept, the probe chains through its slot hold. When the
 * entries are full, the removed ones are squeezed out; if they were few, the memory is doubled as well. So n operations
 * take O(n).
 */
#include "util/map_internal.h"

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/hash_internal.h"

enum { SMALLEST = 8 };

void tc__map_init(tc__map_t *map) {
    *map = (tc__map_t){ 0 };
}

void tc__map_deinit(tc__map_t *map, tc_free_fn free_value) {
    for (size_t i = 0; i < map->used; i++) {
        if (!map->entries[i].key.data)
            continue;
        if (free_value)
            free_value(map->entries[i].value);
        tc__free((char *)map->entries[i].key.data);
    }
    tc__free(map->entries);
    tc__free(map->slots);
    tc__map_init(map);
}

static tc__map_entry_t *find(const tc__map_t *map, tc_bytes_t key, uint64_t hash) {
    if (map->count == 0)
        return NULL;
    size_t mask = map->slot_count - 1;
    for (size_t i = (size_t)hash & mask; map->slots[i]; i = (i + 1) & mask) {
        tc__map_entry_t *entry = &map->entries[map->slots[i] - 1];
        if (entry->key.data && entry->hash == hash && tc__bytes_equal(entry->key, key))
            return entry;
    }
    return NULL;
}

static void enter_slot(tc__map_t *map, size_t index) {
    size_t mask = map->slot_count - 1;
    size_t i = (size_t)map->entries[index].hash & mask;
    while (map->slots[i])
        i = (i + 1) & mask;
    map->slots[i] = (uint32_t)(index + 1);
}

static void squeeze_out_removed(tc__map_t *map) {
    size_t kept = 0;
    for (size_t i = 0; i < map->used; i++)
        if (map->entries[i].key.data)
            map->entries[kept++] = map->entries[i];
    map->used = kept;
    memset(map->slots, 0, map->slot_count * sizeof(*map->slots));
    for (size_t i = 0; i < kept; i++)
        enter_slot(map, i);
}

static int grow(tc__map_t *map) {
    size_t capacity = map->capacity ? map->capacity * 2 : SMALLEST;
    if (capacity > UINT32_MAX / 2 || capacity > SIZE_MAX / sizeof(*map->entries))
        return TC_ENOMEM;
    uint32_t *slots = tc__calloc(capacity * 2, sizeof(*slots));
    if (!slots)
        return TC_ENOMEM;
    tc__map_entry_t *entries = tc__realloc(map->entries, capacity * sizeof(*entries));
    if (!entries) {
        tc__free(slots);
        return TC_ENOMEM;
    }
    tc__free(map->slots);
    map->slots = slots;
    map->slot_count = capacity * 2;
    map->entries = entries;
    map->capacity = capacity;
    return 0;
}

static int make_room(tc__map_t *map) {
    if (map->used < map->capacity)
        return 0;
    if (map->capacity == 0 || map->count > map->capacity / 2)
        TC_TRY(grow(map));
    squeeze_out_removed(map);
    return 0;
}

void *tc__map_get(const tc__map_t *map, tc_bytes_t key) {
    const tc__map_entry_t *entry = find(map, key, tc__hash(key));
    return entry ? entry->value : NULL;
}

int tc__map_set(tc__map_t *map, tc_bytes_t key, void *value, void **old) {
    uint64_t hash = tc__hash(key);
    void *replaced = NULL;
    tc__map_entry_t *entry = find(map, key, hash);
    if (entry) {
        replaced = entry->value;
        entry->value = value;
    } else {
        TC_TRY(make_room(map));
        char *copy = tc__strndup(key.data, key.len);
        if (!copy)
            return TC_ENOMEM;
        map->entries[map->used] = (tc__map_entry_t){ tc_bytes(copy, key.len), value, hash };
        enter_slot(map, map->used++);
        map->count++;
    }
    if (old)
        *old = replaced;
    return 0;
}

void *tc__map_remove(tc__map_t *map, tc_bytes_t key) {
    tc__map_entry_t *entry = find(map, key, tc__hash(key));
    if (!entry)
        return NULL;
    void *value = entry->value;
    tc__free((char *)entry->key.data);
    entry->key = tc_bytes(NULL, 0);
    map->count--;
    return value;
}

const tc__map_entry_t *tc__map_next(const tc__map_t *map, size_t *index) {
    while (*index < map->used) {
        const tc__map_entry_t *entry = &map->entries[(*index)++];
        if (entry->key.data)
            return entry;
    }
    return NULL;
}
