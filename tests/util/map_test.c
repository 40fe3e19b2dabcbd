/* map_test.c - a map in insertion order, and its hash. */
#include "util_test.h"

#include "util/alloc_internal.h"
#include "util/hash_internal.h"
#include "util/map_internal.h"

static void *number(size_t i) {
    return (void *)(uintptr_t)i;
}

static tc_bytes_t key_of(size_t i) {
    static char key[32];
    return tc_bytes(key, (size_t)snprintf(key, sizeof(key), "key-%zu", i));
}

static void assert_order(const tc__map_t *map, const char *keys) {
    char found[100] = "";
    size_t index = 0;
    for (const tc__map_entry_t *entry; (entry = tc__map_next(map, &index));)
        strcat(found, entry->key.data); /* it ends with a NUL */
    assert_string_equal(found, keys);
    assert_int_equal(map->count, strlen(keys));
}

static void set(tc__map_t *map, const char *keys) {
    for (; *keys; keys++)
        assert_int_equal(tc__map_set(map, tc_bytes(keys, 1), (void *)keys, NULL), 0);
}

static void an_empty_map_finds_nothing(void **state) {
    (void)state;
    tc__map_t map;
    tc__map_init(&map);
    assert_null(tc__map_get(&map, tc_str("a")));
    assert_null(tc__map_remove(&map, tc_str("a")));
    assert_order(&map, "");
    assert_int_equal(memory.live, 0);
    tc__map_deinit(&map, NULL);
}

static void what_was_set_is_found_under_exactly_its_key(void **state) {
    (void)state;
    tc__map_t map;
    tc__map_init(&map);
    static const tc_bytes_t keys[] = { { "", 0 }, { "a", 1 }, { "A", 1 }, { "a\0", 2 }, { "a\0b", 3 }, { "ab", 2 } };
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_int_equal(tc__map_set(&map, keys[i], number(i + 1), NULL), 0);
    for (size_t i = 0; i < COUNT(keys); i++)
        assert_ptr_equal(tc__map_get(&map, keys[i]), number(i + 1));
    assert_ptr_equal(tc__map_get(&map, tc_str(NULL)), number(1)); /* NULL is empty */
    assert_null(tc__map_get(&map, tc_str("b")));
    tc__map_deinit(&map, NULL);
}

static void keys_are_copied(void **state) {
    (void)state;
    tc__map_t map;
    tc__map_init(&map);
    char key[] = "key";
    assert_int_equal(tc__map_set(&map, tc_str(key), number(1), NULL), 0);
    key[0] = 'x';
    assert_null(tc__map_get(&map, tc_str(key)));
    assert_ptr_equal(tc__map_get(&map, tc_str("key")), number(1));
    tc__map_deinit(&map, NULL);
}

static void setting_again_replaces_and_tells_the_old_value(void **state) {
    (void)state;
    tc__map_t map;
    tc__map_init(&map);
    set(&map, "abc");
    void *old = number(99);
    assert_int_equal(tc__map_set(&map, tc_str("d"), number(4), &old), 0);
    assert_null(old);
    assert_int_equal(tc__map_set(&map, tc_str("d"), number(5), &old), 0);
    assert_ptr_equal(old, number(4));
    assert_int_equal(tc__map_set(&map, tc_str("a"), number(6), NULL), 0);
    assert_ptr_equal(tc__map_get(&map, tc_str("a")), number(6));
    assert_order(&map, "abcd");
    tc__map_deinit(&map, NULL);
}

static void removal_keeps_the_order(void **state) {
    (void)state;
    tc__map_t map;
    tc__map_init(&map);
    set(&map, "abcdefgh");
    assert_non_null(tc__map_remove(&map, tc_str("a")));
    assert_non_null(tc__map_remove(&map, tc_str("d")));
    assert_non_null(tc__map_remove(&map, tc_str("h")));
    assert_null(tc__map_remove(&map, tc_str("d")));
    assert_null(tc__map_get(&map, tc_str("d")));
    assert_order(&map, "bcefg");
    set(&map, "dha"); /* this squeezes the removed ones out */
    assert_order(&map, "bcefgdha");
    set(&map, "ijkl");
    assert_order(&map, "bcefgdhaijkl");
    tc__map_deinit(&map, NULL);
}

static void entries_may_be_removed_while_going_through(void **state) {
    (void)state;
    tc__map_t map;
    tc__map_init(&map);
    set(&map, "abcdefghijklmnop");
    size_t index = 0;
    for (const tc__map_entry_t *entry; (entry = tc__map_next(&map, &index));)
        if (entry->key.data[0] % 2)
            tc__map_remove(&map, entry->key);
    assert_order(&map, "bdfhjlnp");
    tc__map_deinit(&map, NULL);
}

static void it_grows(void **state) {
    (void)state;
    enum { N = 20000 };
    tc__map_t map;
    tc__map_init(&map);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(tc__map_set(&map, key_of(i), number(i + 1), NULL), 0);
    assert_int_equal(map.count, N);
    for (size_t i = 0; i < N; i++)
        assert_ptr_equal(tc__map_get(&map, key_of(i)), number(i + 1));
    assert_null(tc__map_get(&map, key_of(N)));
    size_t index = 0;
    for (size_t i = 0; i < N; i++)
        assert_ptr_equal(tc__map_next(&map, &index)->value, number(i + 1));
    assert_null(tc__map_next(&map, &index));
    tc__map_deinit(&map, NULL);
}

/* As a queue: in at the end, out at the front. The memory follows what is in it, not what ever was. */
static void it_does_not_grow_by_what_was_removed(void **state) {
    (void)state;
    tc__map_t map;
    tc__map_init(&map);
    for (size_t i = 0; i < 50000; i++) {
        assert_int_equal(tc__map_set(&map, key_of(i), number(i + 1), NULL), 0);
        if (i >= 5)
            assert_ptr_equal(tc__map_remove(&map, key_of(i - 5)), number(i - 4));
    }
    assert_int_equal(map.count, 5);
    assert_true(map.capacity <= 16);
    tc__map_deinit(&map, NULL);
}

static void it_agrees_with_a_plain_array_on_random_operations(void **state) {
    (void)state;
    enum { KEYS = 300 };
    void *model[KEYS] = { 0 };
    size_t model_count = 0;
    tc__map_t map;
    tc__map_init(&map);
    uint32_t random = 1;
    for (size_t i = 1; i < 100000; i++) {
        random = random * 1664525 + 1013904223;
        size_t k = (random >> 8) % KEYS;
        if (random >> 31) {
            void *old;
            assert_int_equal(tc__map_set(&map, key_of(k), number(i), &old), 0);
            assert_ptr_equal(old, model[k]);
            model_count += model[k] == NULL;
            model[k] = number(i);
        } else {
            assert_ptr_equal(tc__map_remove(&map, key_of(k)), model[k]);
            model_count -= model[k] != NULL;
            model[k] = NULL;
        }
        assert_int_equal(map.count, model_count);
    }
    for (size_t k = 0; k < KEYS; k++)
        assert_ptr_equal(tc__map_get(&map, key_of(k)), model[k]);
    tc__map_deinit(&map, NULL);
}

static void deinit_frees_the_values_that_are_in_it(void **state) {
    (void)state;
    tc__map_t map;
    tc__map_init(&map);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(tc__map_set(&map, key_of(i), tc__malloc(5), NULL), 0);
    tc__free(tc__map_remove(&map, key_of(7)));
    tc__map_deinit(&map, tc__free);
    assert_int_equal(memory.live, 0);
    assert_int_equal(tc__map_set(&map, key_of(1), number(1), NULL), 0); /* as new */
    tc__map_deinit(&map, NULL);
}

static bool use_it_all(void) {
    tc__map_t map;
    tc__map_init(&map);
    bool ok = true;
    for (size_t i = 0; i < 40; i++) {
        size_t count = map.count;
        void *old = number(77);
        int err = tc__map_set(&map, key_of(i), number(i + 1), &old);
        assert_true(err == 0 || err == TC_ENOMEM);
        assert_ptr_equal(old, err ? number(77) : NULL);
        assert_int_equal(map.count, err ? count : count + 1);
        assert_ptr_equal(tc__map_get(&map, key_of(i)), err ? NULL : number(i + 1));
        ok = ok && err == 0;
        if (i % 5 == 4)
            tc__map_remove(&map, key_of(i - 2));
    }
    tc__map_deinit(&map, NULL);
    return ok;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++) {
        bool ok = false;
        for (long nth = 1; !ok; nth++) {
            fail_allocation(nth, for_good);
            ok = use_it_all();
            assert_true(nth < 200);
        }
        allow_allocations();
        assert_int_equal(memory.live, 0);
    }
}

/* ---- The hash ---- */

/* From the reference implementation's table: key 00 01 .. 0f, input 00 01 .. of each length. */
static void the_hash_is_siphash_2_4(void **state) {
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        { 0, 0x726fdb47dd0e0e31 }, { 1, 0x74f839c593dc67fd }, { 7, 0xab0200f58b01d137 },
        { 8, 0x93f5f5799a932462 }, { 9, 0x9e0082df0ba9e4b0 }, { 15, 0xa129ca6149be45e5 },
    };
    static const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char bytes[16];
        for (size_t j = 0; j < cases[i].len; j++)
            bytes[j] = (char)j;
        tc_bytes_t input = on_heap(tc_bytes(bytes, cases[i].len));
        assert_true(tc__siphash(key, input) == cases[i].hash);
        off_heap(input);
    }
    assert_true(tc__siphash(key, tc_str(NULL)) == cases[0].hash);
}

static void the_process_has_a_key_of_its_own(void **state) {
    (void)state;
    static const uint64_t no_key[2];
    assert_true(tc__hash(tc_str("x")) == tc__hash(tc_str("x")));
    assert_true(tc__hash(tc_str("x")) != tc__siphash(no_key, tc_str("x")));
}

int main(void) {
    use_failing_allocator();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_finds_nothing),
        cmocka_unit_test(what_was_set_is_found_under_exactly_its_key),
        cmocka_unit_test(keys_are_copied),
        cmocka_unit_test(setting_again_replaces_and_tells_the_old_value),
        cmocka_unit_test(removal_keeps_the_order),
        cmocka_unit_test(entries_may_be_removed_while_going_through),
        cmocka_unit_test(it_grows),
        cmocka_unit_test(it_does_not_grow_by_what_was_removed),
        cmocka_unit_test(it_agrees_with_a_plain_array_on_random_operations),
        cmocka_unit_test(deinit_frees_the_values_that_are_in_it),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(the_hash_is_siphash_2_4),
        cmocka_unit_test(the_process_has_a_key_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
