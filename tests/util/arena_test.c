/* arena_test.c - memory that goes as a whole. Most tests run with a pool and without. */
#include "util_test.h"

#include <wchar.h>

#include "util/alloc_internal.h"
#include "util/arena_internal.h"

static tc__pool_t pool;

static int with_pool(void **state) {
    tc__pool_init(&pool, 8);
    *state = &pool;
    return 0;
}

static int without_pool(void **state) {
    *state = NULL;
    return 0;
}

static int nothing_is_left(void **state) {
    allow_allocations();
    if (*state)
        tc__pool_deinit(&pool);
    return memory.live == 0 ? 0 : -1;
}

#define BOTH_WAYS(test)                                                  \
    { #test "_with_pool", test, with_pool, nothing_is_left, NULL }, {    \
#test "_without_pool", test, without_pool, nothing_is_left, NULL \
    }

/* ---- Allocation ---- */

static void allocations_are_aligned_apart_and_writable(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    static unsigned char *data[3000];
    for (size_t i = 0; i < COUNT(data); i++) {
        data[i] = tc__arena_alloc(&arena, i);
        assert_non_null(data[i]);
        assert_int_equal((uintptr_t)data[i] % 16, 0);
        memset(data[i], (int)(i % 251), i);
    }
    for (size_t i = 0; i < COUNT(data); i++)
        for (size_t j = 0; j < i; j++)
            if (data[i][j] != i % 251)
                fail_msg("byte %zu of allocation %zu was overwritten", j, i);
    assert_false(arena.failed);
    tc__arena_deinit(&arena);
}

static void every_size_up_to_a_block_and_beyond_fits(void **state) {
    for (size_t size = 0; size < TC__BLOCK_SIZE + 100; size++) {
        tc__arena_t arena;
        tc__arena_init(&arena, *state);
        void *data = tc__arena_alloc(&arena, size);
        assert_non_null(data);
        memset(data, 'x', size);
        tc__arena_deinit(&arena);
    }
}

static void calloc_zeroes(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    memset(tc__arena_alloc(&arena, 1000), 'x', 1000);
    tc__arena_deinit(&arena);
    tc__arena_init(&arena, *state); /* the same block again */
    const char *data = tc__arena_calloc(&arena, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(data[i], 0);
    assert_non_null(tc__arena_calloc(&arena, 0));
    tc__arena_deinit(&arena);
}

static void sizes_that_overflow_fail_and_leave_a_mark(void **state) {
    for (size_t less = 0; less < 64; less++) {
        tc__arena_t arena;
        tc__arena_init(&arena, *state);
        char *data = tc__arena_alloc(&arena, 8);
        allow_allocations();
        assert_null(tc__arena_alloc(&arena, SIZE_MAX - less % 16));
        assert_null(tc__arena_realloc(&arena, data, 8, SIZE_MAX - less % 16));
        assert_null(tc__arena_strndup(&arena, "", SIZE_MAX));
        assert_int_equal(memory.calls, 0);
        assert_true(arena.failed);
        assert_non_null(tc__arena_alloc(&arena, 8)); /* it goes on */
        tc__arena_deinit(&arena);
    }
}

static void room_that_is_free_and_ends_are_poisoned(void **state) {
#ifdef TC__ASAN
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    char *data = tc__arena_alloc(&arena, 16);
    assert_false(__asan_address_is_poisoned(data + 15));
    assert_true(__asan_address_is_poisoned(data + 16));
    data = tc__arena_alloc(&arena, 5);
    assert_false(__asan_address_is_poisoned(data + 4));
    assert_true(__asan_address_is_poisoned(data + 5));
    tc__arena_deinit(&arena);
#else
    (void)state;
    skip();
#endif
}

static void blocks_come_from_the_pool_and_go_back(void **state) {
    tc__arena_t arena;
    for (int round = 0; round < 3; round++) {
        tc__arena_init(&arena, *state);
        for (int i = 0; i < 100; i++)
            tc__arena_alloc(&arena, 200);
        tc__arena_deinit(&arena);
        if (round > 0)
            assert_int_equal(memory.calls, 0);
        allow_allocations();
    }
}

/* ---- An object and its arena in one block ---- */

typedef struct {
    char before[100];
    tc__arena_t arena;
    char after[37];
} object_t;

static void an_object_may_hold_the_arena_that_holds_it(void **state) {
    tc__pool_t *from = *state;
    object_t *object = from ? tc__pool_get(from) : tc__malloc(TC__BLOCK_SIZE);
    memset(object, 'o', sizeof(*object));
    tc__arena_init_in(&object->arena, from, object, sizeof(*object));
    for (int i = 0; i < 300; i++)
        memset(tc__arena_alloc(&object->arena, 50), 'x', 50);
    memset(tc__arena_alloc(&object->arena, 10000), 'x', 10000);
    for (size_t i = 0; i < sizeof(object->before); i++)
        assert_int_equal(object->before[i], 'o');
    for (size_t i = 0; i < sizeof(object->after); i++)
        assert_int_equal(object->after[i], 'o');
    tc__arena_deinit(&object->arena);
}

static void an_object_may_fill_its_block(void **state) {
    tc__pool_t *from = *state;
    size_t most = TC__BLOCK_SIZE - sizeof(void *); /* the link stands at the end */
    for (size_t used = most - 40; used <= most; used++) {
        tc__arena_t arena;
        char *block = from ? tc__pool_get(from) : tc__malloc(TC__BLOCK_SIZE);
        memset(block, 'o', used);
        tc__arena_init_in(&arena, from, block, used);
        memset(tc__arena_alloc(&arena, 16), 'x', 16);
        for (size_t i = 0; i < used; i++)
            assert_int_equal(block[i], 'o');
        tc__arena_deinit(&arena);
    }
}

/* ---- Growing ---- */

static void what_was_allocated_last_grows_in_place(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    tc__arena_alloc(&arena, 100);
    char *data = tc__arena_alloc(&arena, 10);
    memcpy(data, "0123456789", 10);
    assert_ptr_equal(tc__arena_realloc(&arena, data, 10, 500), data);
    memset(data + 10, 'x', 490);
    assert_ptr_equal(tc__arena_realloc(&arena, data, 500, 100), data); /* shrinking changes nothing */
    tc__arena_alloc(&arena, 1);
    char *moved = tc__arena_realloc(&arena, data, 500, 600);
    assert_ptr_not_equal(moved, data);
    assert_memory_equal(moved, "0123456789xxxx", 14);
    tc__arena_deinit(&arena);
}

static void growing_byte_by_byte_keeps_the_content(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    char *data = NULL;
    size_t size = 0;
    for (; size < 20000; size++) {
        data = tc__arena_realloc(&arena, data, size, size + 1);
        assert_non_null(data);
        data[size] = (char)(size % 100);
    }
    for (size_t i = 0; i < size; i++)
        assert_int_equal(data[i], i % 100);
    tc__arena_deinit(&arena);
}

static void the_newest_large_one_grows_by_the_allocators_means(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    char *data = tc__arena_alloc(&arena, 5000);
    memset(data, 'x', 5000);
    allow_allocations();
    for (size_t size = 5000; size < 100000; size += 1000) {
        data = tc__arena_realloc(&arena, data, size, size + 1000);
        memset(data + size, 'x', 1000);
    }
    assert_int_equal(memory.live, 1); /* the old ones are not kept */
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(data[i], 'x');
    assert_null(tc__arena_realloc(&arena, data, 100000, SIZE_MAX));
    assert_int_equal(data[99999], 'x');
    tc__arena_deinit(&arena);
}

static void what_would_leave_less_room_than_there_is_gets_a_block_of_its_own(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    char *before = tc__arena_alloc(&arena, 100);
    char *alone = tc__arena_alloc(&arena, 4000);
    memset(alone, 'x', 4000);
    char *behind = tc__arena_alloc(&arena, 100);
    assert_true(behind > before && behind - before < 200);
    char *most = tc__arena_alloc(&arena, TC__BLOCK_SIZE - 16 - TC__REDZONE);
    memset(most, 'y', TC__BLOCK_SIZE - 16 - TC__REDZONE);
    assert_true((char *)tc__arena_alloc(&arena, 3000) > behind); /* fits behind */
    assert_int_equal(memory.live, 3);
    tc__arena_deinit(&arena);
}

static void a_failed_realloc_leaves_the_data(void **state) {
    static const size_t sizes[] = { 8, 3000 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        tc__arena_t arena;
        tc__arena_init(&arena, *state);
        char *data = tc__arena_alloc(&arena, sizes[i]);
        memcpy(data, "content", 8);
        fail_allocation(1, true);
        assert_null(tc__arena_realloc(&arena, data, sizes[i], 100000));
        allow_allocations();
        assert_string_equal(data, "content");
        assert_true(arena.failed);
        tc__arena_deinit(&arena);
    }
}

/* ---- Text ---- */

static void strndup_copies_so_many_bytes(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    assert_memory_equal(tc__arena_strndup(&arena, "a\0bc", 3), "a\0b", 4);
    assert_string_equal(tc__arena_strndup(&arena, NULL, 0), "");
    static const char text[5000];
    fail_allocation(1, true);
    assert_null(tc__arena_strndup(&arena, text, sizeof(text)));
    allow_allocations();
    tc__arena_deinit(&arena);
}

static void sprintf_takes_any_length(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    for (int len = 0; len < 6000; len += len < 300 ? 1 : 997) {
        const char *text = tc__arena_sprintf(&arena, "%0*d", len, 0);
        assert_int_equal(strlen(text), len ? len : 1);
        assert_int_equal(strspn(text, "0"), strlen(text));
    }
    assert_string_equal(tc__arena_sprintf(&arena, "%s", ""), "");
    tc__arena_deinit(&arena);
}

static void sprintf_that_cannot_format_fails(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    assert_null(tc__arena_sprintf(&arena, "%ls", (const wchar_t[]){ 0x7fffffff, 0 })); /* no character */
    assert_true(arena.failed);
    tc__arena_deinit(&arena);
}

/* ---- Cleanups ---- */

static char order[10];

static void note(void *data) {
    strcat(order, data);
}

static void cleanups_run_once_and_last_first(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    order[0] = '\0';
    assert_int_equal(tc__arena_on_cleanup(&arena, note, "a"), 0);
    assert_int_equal(tc__arena_on_cleanup(&arena, note, "b"), 0);
    assert_int_equal(tc__arena_on_cleanup(&arena, note, "c"), 0);
    tc__arena_run_cleanups(&arena);
    assert_string_equal(order, "cba");
    tc__arena_run_cleanups(&arena);
    assert_int_equal(tc__arena_on_cleanup(&arena, note, "d"), 0);
    tc__arena_deinit(&arena);
    assert_string_equal(order, "cbad");
}

static void register_another(void *arena) {
    note("1");
    char *text = tc__arena_strndup(arena, "2", 1);
    tc__arena_on_cleanup(arena, note, text);
}

static void a_cleanup_may_use_the_arena(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    order[0] = '\0';
    assert_int_equal(tc__arena_on_cleanup(&arena, register_another, &arena), 0);
    tc__arena_deinit(&arena);
    assert_string_equal(order, "12");
}

static void a_cleanup_that_cannot_be_kept_runs_at_once(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    order[0] = '\0';
    fail_allocation(1, true);
    assert_int_equal(tc__arena_on_cleanup(&arena, note, "x"), TC_ENOMEM);
    assert_string_equal(order, "x");
    allow_allocations();
    tc__arena_deinit(&arena);
    assert_string_equal(order, "x");
}

static void a_second_deinit_is_harmless(void **state) {
    tc__arena_t arena;
    tc__arena_init(&arena, *state);
    tc__arena_alloc(&arena, 5);
    tc__arena_deinit(&arena);
    tc__arena_deinit(&arena);
    assert_non_null(tc__arena_alloc(&arena, 5)); /* as new */
    tc__arena_deinit(&arena);
}

/* ---- Each allocation in turn ---- */

/* True if nothing failed. */
static bool use_it_all(tc__pool_t *from) {
    tc__arena_t arena;
    tc__arena_init(&arena, from);
    order[0] = '\0';
    bool ok = true;
    for (int i = 0; i < 5; i++) {
        char *data = tc__arena_alloc(&arena, 1000);
        char *large = tc__arena_calloc(&arena, 5000);
        char *grown = tc__arena_realloc(&arena, large, 5000, 9000);
        char *text = tc__arena_sprintf(&arena, "%0*d", 2000, 1);
        ok = ok && data && large && grown && text;
        ok = tc__arena_on_cleanup(&arena, note, "x") == 0 && ok;
    }
    assert_int_equal(ok, !arena.failed);
    tc__arena_deinit(&arena);
    assert_string_equal(order, "xxxxx"); /* whatever happened */
    return ok;
}

static void each_allocation_may_fail(void **state) {
    for (int for_good = 0; for_good < 2; for_good++) {
        bool ok = false;
        for (long nth = 1; !ok; nth++) {
            fail_allocation(nth, for_good);
            ok = use_it_all(*state);
            assert_true(nth < 100);
            if (*state) {
                tc__pool_deinit(*state); /* or the pool hides the next failures */
                tc__pool_init(*state, 8);
            }
        }
        assert_int_equal(memory.live, 0);
    }
}

int main(void) {
    use_failing_allocator();
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(allocations_are_aligned_apart_and_writable),
        BOTH_WAYS(every_size_up_to_a_block_and_beyond_fits),
        BOTH_WAYS(calloc_zeroes),
        BOTH_WAYS(sizes_that_overflow_fail_and_leave_a_mark),
        BOTH_WAYS(room_that_is_free_and_ends_are_poisoned),
        cmocka_unit_test_setup_teardown(blocks_come_from_the_pool_and_go_back, with_pool, nothing_is_left),
        BOTH_WAYS(an_object_may_hold_the_arena_that_holds_it),
        BOTH_WAYS(an_object_may_fill_its_block),
        BOTH_WAYS(what_was_allocated_last_grows_in_place),
        BOTH_WAYS(growing_byte_by_byte_keeps_the_content),
        BOTH_WAYS(the_newest_large_one_grows_by_the_allocators_means),
        BOTH_WAYS(what_would_leave_less_room_than_there_is_gets_a_block_of_its_own),
        BOTH_WAYS(a_failed_realloc_leaves_the_data),
        BOTH_WAYS(strndup_copies_so_many_bytes),
        BOTH_WAYS(sprintf_takes_any_length),
        BOTH_WAYS(sprintf_that_cannot_format_fails),
        BOTH_WAYS(cleanups_run_once_and_last_first),
        BOTH_WAYS(a_cleanup_may_use_the_arena),
        BOTH_WAYS(a_cleanup_that_cannot_be_kept_runs_at_once),
        BOTH_WAYS(a_second_deinit_is_harmless),
        BOTH_WAYS(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
