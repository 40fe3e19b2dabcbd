/* buffer_test.c - append, consume, limits, and that neither costs more than linear time. */
#include "util_test.h"

#include "util/alloc_internal.h"
#include "util/buffer_internal.h"

static void assert_holds(const tc__buffer_t *buffer, const char *text) {
    tc_bytes_t bytes = tc__buffer_bytes(buffer);
    assert_int_equal(bytes.len, strlen(text));
    assert_int_equal(tc__buffer_len(buffer), strlen(text));
    if (bytes.len)
        assert_memory_equal(bytes.data, text, bytes.len);
}

static void what_goes_in_at_the_end_comes_out_at_the_front(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 100);
    assert_holds(&buffer, "");
    assert_int_equal(tc__buffer_append(&buffer, "hello, ", 7), 0);
    assert_int_equal(tc__buffer_append(&buffer, "world", 5), 0);
    assert_holds(&buffer, "hello, world");
    tc__buffer_consume(&buffer, 7);
    assert_holds(&buffer, "world");
    tc__buffer_consume(&buffer, 0);
    tc__buffer_consume(&buffer, 5);
    assert_holds(&buffer, "");
    tc__buffer_deinit(&buffer);
}

static void it_has_no_memory_until_it_is_used_and_after_deinit(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 1000);
    assert_int_equal(tc__buffer_append(&buffer, NULL, 0), 0);
    assert_int_equal(memory.live, 0);
    assert_int_equal(tc__buffer_append(&buffer, "x", 1), 0);
    tc__buffer_consume(&buffer, 1);
    assert_int_equal(memory.live, 1); /* empty, but used */
    tc__buffer_deinit(&buffer);
    assert_int_equal(memory.live, 0);
    assert_holds(&buffer, "");
    assert_int_equal(tc__buffer_append(&buffer, "again", 5), 0);
    assert_holds(&buffer, "again");
    assert_int_equal(buffer.limit, 1000);
    tc__buffer_deinit(&buffer);
}

static void an_empty_buffer_starts_over(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 1000);
    assert_int_equal(tc__buffer_append(&buffer, "0123456789", 10), 0);
    tc__buffer_consume(&buffer, 10);
    assert_int_equal(buffer.start, 0);
    assert_int_equal(buffer.end, 0);
    tc__buffer_deinit(&buffer);
}

static void beyond_the_limit_nothing_is_appended(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 10);
    assert_int_equal(tc__buffer_append(&buffer, "0123456789A", 11), TC_ETOOBIG);
    assert_int_equal(memory.live, 0);
    assert_int_equal(tc__buffer_append(&buffer, "012345678", 9), 0);
    assert_int_equal(tc__buffer_append(&buffer, "9A", 2), TC_ETOOBIG);
    assert_int_equal(tc__buffer_append(&buffer, "9", 1), 0);
    assert_int_equal(tc__buffer_append(&buffer, "A", 1), TC_ETOOBIG);
    assert_int_equal(tc__buffer_reserve(&buffer, SIZE_MAX), TC_ETOOBIG);
    assert_int_equal(tc__buffer_reserve(&buffer, (size_t)UINT32_MAX + 1), TC_ETOOBIG);
    assert_holds(&buffer, "0123456789");
    tc__buffer_consume(&buffer, 3); /* what is consumed counts no more */
    assert_int_equal(tc__buffer_append(&buffer, "ABC", 3), 0);
    assert_holds(&buffer, "3456789ABC");
    assert_int_equal(tc__buffer_append(&buffer, "D", 1), TC_ETOOBIG);
    tc__buffer_deinit(&buffer);
}

static void a_limit_of_zero_holds_nothing(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 0);
    assert_int_equal(tc__buffer_append(&buffer, "", 0), 0);
    assert_int_equal(tc__buffer_append(&buffer, "x", 1), TC_ETOOBIG);
    tc__buffer_deinit(&buffer);
}

static void a_larger_limit_is_cut_to_what_fits(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, SIZE_MAX);
    assert_int_equal(buffer.limit, UINT32_MAX);
    tc__buffer_init(&buffer, UINT32_MAX);
    assert_int_equal(buffer.limit, UINT32_MAX);
    assert_int_equal(tc__buffer_append(&buffer, "x", 1), 0);
    assert_int_equal(tc__buffer_reserve(&buffer, UINT32_MAX), TC_ETOOBIG);
    fail_allocation(1, false);
    assert_int_equal(tc__buffer_reserve(&buffer, UINT32_MAX - 1), TC_ENOMEM);
    allow_allocations();
    assert_holds(&buffer, "x");
    tc__buffer_deinit(&buffer);
}

static void reserved_room_is_contiguous_and_filled_by_the_caller(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 10000);
    for (uint32_t i = 1; i < 100; i++) {
        assert_int_equal(tc__buffer_reserve(&buffer, i), 0);
        memset(buffer.data + buffer.end, (int)i, i);
        buffer.end += i;
    }
    tc_bytes_t bytes = tc__buffer_bytes(&buffer);
    for (unsigned i = 1; i < 100; i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_equal(*bytes.data++, i);
    tc__buffer_deinit(&buffer);
}

static void what_was_taken_off_can_come_back_in_front(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 300);
    assert_int_equal(tc__buffer_prepend(&buffer, "", 0), 0);
    assert_int_equal(tc__buffer_prepend(&buffer, "def", 3), 0); /* into an empty one */
    assert_int_equal(tc__buffer_prepend(&buffer, "abc", 3), 0); /* which has no room in front */
    assert_int_equal(tc__buffer_append(&buffer, "ghi", 3), 0);
    tc__buffer_consume(&buffer, 4);
    assert_int_equal(tc__buffer_prepend(&buffer, "CD", 2), 0); /* and one that has */
    assert_int_equal(tc__buffer_prepend(&buffer, "-AB", 3), 0);
    assert_int_equal(tc__buffer_len(&buffer), 10);
    assert_memory_equal(tc__buffer_bytes(&buffer).data, "-ABCDefghi", 10);
    char zeros[300] = { 0 };
    assert_int_equal(tc__buffer_prepend(&buffer, zeros, 291), TC_ETOOBIG);
    assert_int_equal(tc__buffer_prepend(&buffer, zeros, 290), 0);
    assert_int_equal(tc__buffer_len(&buffer), 300);
    assert_memory_equal(tc__buffer_bytes(&buffer).data + 290, "-ABCDefghi", 10);
    tc__buffer_deinit(&buffer);
}

static void it_is_a_queue_at_every_size_and_step(void **state) {
    (void)state;
    for (size_t limit = 1; limit < 700; limit = limit * 2 + 1) {
        for (size_t step = 1; step <= limit; step += 1 + step / 3) {
            tc__buffer_t buffer;
            tc__buffer_init(&buffer, limit);
            unsigned char in = 0, out = 0;
            for (int round = 0; round < 200; round++) {
                for (size_t room = limit - tc__buffer_len(&buffer); room; room--, in++)
                    assert_int_equal(tc__buffer_append(&buffer, &in, 1), 0);
                assert_int_equal(tc__buffer_append(&buffer, "x", 1), TC_ETOOBIG);
                for (size_t i = 0; i < step; i++, out++)
                    assert_int_equal((unsigned char)tc__buffer_bytes(&buffer).data[i], out);
                tc__buffer_consume(&buffer, step);
            }
            tc__buffer_deinit(&buffer);
        }
    }
}

/* Were all that is held moved for each byte, this would copy 30 GB. */
static void a_nearly_full_buffer_does_not_move_with_each_byte(void **state) {
    (void)state;
    enum { LIMIT = 100000 };
    static char content[LIMIT];
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, LIMIT);
    assert_int_equal(tc__buffer_append(&buffer, content, LIMIT), 0);
    unsigned moves = 0;
    for (int i = 0; i < 300000; i++) {
        tc__buffer_consume(&buffer, 1);
        uint32_t start = buffer.start;
        assert_int_equal(tc__buffer_append(&buffer, "x", 1), 0);
        moves += buffer.start != start;
    }
    assert_true(moves <= 5);
    assert_true(buffer.capacity <= 2 * LIMIT);
    tc__buffer_deinit(&buffer);
}

static void memory_is_doubled(void **state) {
    (void)state;
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 1 << 20);
    allow_allocations();
    for (int i = 0; i < 1 << 20; i++)
        assert_int_equal(tc__buffer_append(&buffer, "x", 1), 0);
    assert_true(memory.calls <= 14);
    tc__buffer_deinit(&buffer);
}

static bool use_it_all(void) {
    tc__buffer_t buffer;
    tc__buffer_init(&buffer, 100000);
    static char chunk[300];
    bool ok = true;
    size_t expected = 0;
    for (int i = 0; i < 100; i++) {
        int err = tc__buffer_append(&buffer, chunk, sizeof(chunk));
        assert_true(err == 0 || err == TC_ENOMEM);
        ok = ok && err == 0;
        expected += err ? 0 : sizeof(chunk);
        assert_int_equal(tc__buffer_len(&buffer), expected);
        if (i % 3 == 0 && expected) {
            tc__buffer_consume(&buffer, 100);
            expected -= 100;
        }
    }
    tc__buffer_deinit(&buffer);
    return ok;
}

static void each_allocation_may_fail(void **state) {
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++) {
        bool ok = false;
        for (long nth = 1; !ok; nth++) {
            fail_allocation(nth, for_good);
            ok = use_it_all();
            assert_true(nth < 100);
        }
        allow_allocations();
        assert_int_equal(memory.live, 0);
    }
}

int main(void) {
    use_failing_allocator();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_at_the_end_comes_out_at_the_front),
        cmocka_unit_test(it_has_no_memory_until_it_is_used_and_after_deinit),
        cmocka_unit_test(an_empty_buffer_starts_over),
        cmocka_unit_test(beyond_the_limit_nothing_is_appended),
        cmocka_unit_test(a_limit_of_zero_holds_nothing),
        cmocka_unit_test(a_larger_limit_is_cut_to_what_fits),
        cmocka_unit_test(reserved_room_is_contiguous_and_filled_by_the_caller),
        cmocka_unit_test(what_was_taken_off_can_come_back_in_front),
        cmocka_unit_test(it_is_a_queue_at_every_size_and_step),
        cmocka_unit_test(a_nearly_full_buffer_does_not_move_with_each_byte),
        cmocka_unit_test(memory_is_doubled),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
