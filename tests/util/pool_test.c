/* pool_test.c - blocks come back from the free list. */
#include "util_test.h"

#include "util/alloc_internal.h"
#include "util/poison_internal.h"
#include "util/pool_internal.h"

static void a_block_that_came_back_is_given_out_again(void **state) {
    (void)state;
    tc__pool_t pool;
    tc__pool_init(&pool, 2);
    char *block = tc__pool_get(&pool);
    memset(block, 'x', TC__BLOCK_SIZE);
    tc__pool_put(&pool, block);
    allow_allocations();
    assert_ptr_equal(tc__pool_get(&pool), block);
    assert_int_equal(memory.calls, 0);
    memset(block, 'y', TC__BLOCK_SIZE);
    tc__pool_put(&pool, block);
    tc__pool_deinit(&pool);
    assert_int_equal(memory.live, 0);
}

static void no_more_than_keep_blocks_are_kept(void **state) {
    (void)state;
    tc__pool_t pool;
    tc__pool_init(&pool, 2);
    void *blocks[4];
    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = tc__pool_get(&pool);
    assert_int_equal(memory.live, 4);
    for (size_t i = 0; i < COUNT(blocks); i++)
        tc__pool_put(&pool, blocks[i]);
    assert_int_equal(pool.count, 2);
    assert_int_equal(memory.live, 2);
    tc__pool_deinit(&pool);
    assert_int_equal(memory.live, 0);
}

static void a_pool_that_keeps_nothing_passes_through(void **state) {
    (void)state;
    tc__pool_t pool;
    tc__pool_init(&pool, 0);
    tc__pool_put(&pool, tc__pool_get(&pool));
    assert_int_equal(memory.live, 0);
    tc__pool_deinit(&pool);
}

static void a_block_may_outlive_its_pool(void **state) {
    (void)state;
    tc__pool_t pool;
    tc__pool_init(&pool, 2);
    tc__pool_put(&pool, tc__pool_get(&pool));
    void *block = tc__pool_get(&pool);
    tc__pool_deinit(&pool);
    memset(block, 0, TC__BLOCK_SIZE);
    tc__free(block);
    assert_int_equal(memory.live, 0);
}

static void out_of_memory_is_null(void **state) {
    (void)state;
    tc__pool_t pool;
    tc__pool_init(&pool, 2);
    fail_allocation(1, false);
    assert_null(tc__pool_get(&pool));
    allow_allocations();
    tc__pool_deinit(&pool);
}

static void a_free_block_is_poisoned(void **state) {
    (void)state;
#ifdef TC__ASAN
    tc__pool_t pool;
    tc__pool_init(&pool, 2);
    char *block = tc__pool_get(&pool);
    assert_false(__asan_address_is_poisoned(block + 100));
    tc__pool_put(&pool, block);
    assert_true(__asan_address_is_poisoned(block + 100));
    assert_true(__asan_address_is_poisoned(block + TC__BLOCK_SIZE - 1));
    tc__pool_deinit(&pool);
#else
    skip();
#endif
}

int main(void) {
    use_failing_allocator();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_came_back_is_given_out_again),
        cmocka_unit_test(no_more_than_keep_blocks_are_kept),
        cmocka_unit_test(a_pool_that_keeps_nothing_passes_through),
        cmocka_unit_test(a_block_may_outlive_its_pool),
        cmocka_unit_test(out_of_memory_is_null),
        cmocka_unit_test(a_free_block_is_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
