/* alloc_test.c - the allocator is the program's choice, and made once. */
#include "util_test.h"

#include "util/alloc_internal.h"

/* The order matters: the choice is frozen by the first block. */
static void an_allocator_needs_all_four_functions(void **state) {
    (void)state;
    tc_allocator_t whole = { failing_malloc, failing_calloc, failing_realloc, failing_free };
    tc_allocator_t parts[] = { whole, whole, whole, whole };
    parts[0].malloc_fn = NULL;
    parts[1].calloc_fn = NULL;
    parts[2].realloc_fn = NULL;
    parts[3].free_fn = NULL;
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_int_equal(tc_set_allocator(&parts[i]), TC_EINVAL);
    assert_int_equal(tc_set_allocator(NULL), TC_EINVAL);
    assert_string_not_equal(tc_error_detail(), "");
}

static void an_allocator_may_be_changed_until_it_was_used(void **state) {
    (void)state;
    assert_int_equal(tc_set_allocator(&(tc_allocator_t){ malloc, calloc, realloc, free }), 0);
    assert_int_equal(use_failing_allocator(), 0);
    tc__free(NULL);
    assert_int_equal(use_failing_allocator(), 0);
}

static void all_memory_comes_from_the_chosen_allocator(void **state) {
    (void)state;
    long before = memory.live;
    void *a = tc__malloc(10), *b = tc__calloc(3, 5), *c = tc__realloc(NULL, 7);
    char *d = tc__strndup("text", 4);
    assert_int_equal(memory.live, before + 4);
    c = tc__realloc(c, 70);
    assert_int_equal(memory.live, before + 4);
    tc__free(a), tc__free(b), tc__free(c), tc__free(d);
    assert_int_equal(memory.live, before);
}

static void once_memory_was_taken_the_allocator_stays(void **state) {
    (void)state;
    assert_int_equal(use_failing_allocator(), TC_EBUSY);
    assert_non_null(strstr(tc_error_detail(), "before anything else"));
}

static void a_size_of_zero_is_a_block_all_the_same(void **state) {
    (void)state;
    void *blocks[] = { tc__malloc(0), tc__calloc(0, 8), tc__calloc(8, 0), tc__realloc(NULL, 0) };
    for (size_t i = 0; i < COUNT(blocks); i++) {
        assert_non_null(blocks[i]);
        blocks[i] = tc__realloc(blocks[i], 0);
        assert_non_null(blocks[i]);
        tc__free(blocks[i]);
    }
}

static void calloc_zeroes_and_refuses_sizes_that_overflow(void **state) {
    (void)state;
    unsigned char *data = tc__calloc(10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(data[i], 0);
    tc__free(data);

    allow_allocations();
    assert_null(tc__calloc(SIZE_MAX, 2));
    assert_null(tc__calloc(2, SIZE_MAX));
    assert_null(tc__calloc(SIZE_MAX / 2 + 1, 2));
    assert_int_equal(memory.calls, 0);
}

static void a_failed_realloc_leaves_the_block(void **state) {
    (void)state;
    char *data = tc__strndup("kept", 4);
    fail_allocation(1, false);
    assert_null(tc__realloc(data, 1000));
    allow_allocations();
    assert_string_equal(data, "kept");
    tc__free(data);
}

static void strndup_copies_so_many_bytes_and_adds_a_nul(void **state) {
    (void)state;
    tc_bytes_t text = on_heap(TEXT("a\0b"));
    char *copy = tc__strndup(text.data, 3);
    assert_memory_equal(copy, "a\0b", 4);
    tc__free(copy);
    off_heap(text);

    copy = tc__strndup(NULL, 0);
    assert_string_equal(copy, "");
    tc__free(copy);

    assert_null(tc__strndup("", SIZE_MAX));
    fail_allocation(1, false);
    assert_null(tc__strndup("x", 1));
    allow_allocations();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocator_needs_all_four_functions),
        cmocka_unit_test(an_allocator_may_be_changed_until_it_was_used),
        cmocka_unit_test(all_memory_comes_from_the_chosen_allocator),
        cmocka_unit_test(once_memory_was_taken_the_allocator_stays),
        cmocka_unit_test(a_size_of_zero_is_a_block_all_the_same),
        cmocka_unit_test(calloc_zeroes_and_refuses_sizes_that_overflow),
        cmocka_unit_test(a_failed_realloc_leaves_the_block),
        cmocka_unit_test(strndup_copies_so_many_bytes_and_adds_a_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
