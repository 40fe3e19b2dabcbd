/* queues_test.c - items between producers and consumers: order, limits, waiting, being done. */
#include "async/async_test.h"

#include <tornadoc/queues.h>

static tc_ioloop_t *loop;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    return err;
}
#define TEST_QUEUE(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)

static void turn(uint64_t ms) {
    tc__ioloop_advance(loop, ms);
}

static void note_outcome(tc_future_t *future, void *name) {
    const char *item = tc_future_take(future);
    note("%s:%d:%s", (char *)name, tc_future_status(future), item ? item : "-");
}

static void watch(tc_future_t *future, const char *name) {
    assert_int_equal(tc_future_on_done(future, note_outcome, (void *)name), 0);
    tc_future_unref(future);
}

static void put_words(tc_queue_t *queue, const char *words) {
    for (; *words; words++)
        assert_int_equal(tc_queue_put_nowait(queue, (char *[]){ "a", "b", "c", "d", "e" }[*words - 'a']), 0);
}

static const char *get_all(tc_queue_t *queue) {
    char *item;
    while (tc_queue_get_nowait(queue, &item) == 0)
        note("%s", item);
    return noted();
}

static int by_letter(const void *a, const void *b) {
    return *(const char *)a - *(const char *)b;
}

/* ---- Order ---- */

static void a_queue_gives_the_first_first(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(0, NULL);
    put_words(queue, "bacd");
    assert_string_equal(get_all(queue), "b a c d");
    for (int i = 0; i < 100; i++) { /* around the ring, and beyond its first size */
        put_words(queue, "abc");
        tc_queue_get_nowait(queue, NULL);
    }
    assert_int_equal(tc_queue_size(queue), 200);
    tc_queue_free(queue);
}

static void a_lifo_queue_gives_the_last_first(void **state) {
    (void)state;
    tc_queue_t *queue = tc_lifo_queue_new(0, NULL);
    put_words(queue, "bacd");
    assert_string_equal(get_all(queue), "d c a b");
    tc_queue_free(queue);
}

static void a_priority_queue_gives_the_least_first(void **state) {
    (void)state;
    tc_queue_t *queue = tc_priority_queue_new(0, by_letter, NULL);
    put_words(queue, "debcabcaedab");
    assert_string_equal(get_all(queue), "a a a b b b c c d d e e");
    tc_queue_free(queue);
}

static void equal_priorities_leave_as_they_came(void **state) {
    (void)state;
    char *items[] = { "x1", "x2", "x3", "a1", "x4", "x5", "a2", "x6" };
    tc_queue_t *queue = tc_priority_queue_new(0, by_letter, NULL);
    for (size_t i = 0; i < COUNT(items); i++)
        assert_int_equal(tc_queue_put_nowait(queue, items[i]), 0);
    assert_string_equal(get_all(queue), "a1 a2 x1 x2 x3 x4 x5 x6");
    tc_queue_free(queue);
}

/* ---- Waiting ---- */

static void getters_wait_for_items_in_their_order(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(0, NULL);
    watch(tc_queue_get(queue, TC_FOREVER), "1");
    watch(tc_queue_get(queue, 10), "2");
    watch(tc_queue_get(queue, TC_FOREVER), "3");
    put_words(queue, "a");
    turn(10);
    put_words(queue, "bc");
    turn(0);
    assert_string_equal(noted(), "1:0:a 2:-110:- 3:0:b");
    watch(tc_queue_get(queue, 0), "4");
    watch(tc_queue_get(queue, 0), "5");
    turn(0);
    assert_string_equal(noted(), "4:0:c 5:-110:-");
    tc_queue_free(queue);
}

static void putters_wait_for_room_in_their_order(void **state) {
    (void)state;
    char *item;
    tc_queue_t *queue = tc_queue_new(2, NULL);
    put_words(queue, "ab");
    assert_true(tc_queue_full(queue));
    assert_int_equal(tc_queue_put_nowait(queue, "x"), TC_EAGAIN);
    watch(tc_queue_put(queue, "x", 0), "0");
    watch(tc_queue_put(queue, "c", TC_FOREVER), "1");
    watch(tc_queue_put(queue, "x", 10), "2");
    watch(tc_queue_put(queue, "d", TC_FOREVER), "3");
    turn(10);
    assert_string_equal(noted(), "0:-110:- 2:-110:-");
    assert_int_equal(tc_queue_get_nowait(queue, &item), 0);
    turn(0);
    assert_string_equal(item, "a");
    assert_string_equal(noted(), "1:0:-");
    assert_true(tc_queue_full(queue));
    assert_string_equal(get_all(queue), "b c d");
    turn(0);
    assert_string_equal(noted(), "3:0:-");
    tc_queue_free(queue);
}

static void a_waiting_putter_s_item_takes_part_before_one_is_given_out(void **state) {
    (void)state;
    char *item;
    tc_queue_t *queue = tc_priority_queue_new(1, by_letter, NULL);
    put_words(queue, "b");
    watch(tc_queue_put(queue, "a", TC_FOREVER), "put");
    assert_int_equal(tc_queue_get_nowait(queue, &item), 0);
    assert_string_equal(item, "a");
    turn(0);
    assert_string_equal(noted(), "put:0:-");
    tc_queue_free(queue);
}

static void who_waits_may_be_cancelled_or_dropped(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(1, note_it);
    tc_future_unref(tc_queue_get(queue, TC_FOREVER));
    tc_future_t *getter = tc_queue_get(queue, 10);
    tc_future_cancel(getter);
    tc_future_unref(getter);
    put_words(queue, "a");
    assert_int_equal(tc_queue_size(queue), 1);
    tc_future_t *putter = tc_queue_put(queue, "b", TC_FOREVER);
    tc_future_cancel(putter);
    tc_future_unref(putter);
    assert_string_equal(get_all(queue), "a"); /* b is still the putter's */
    tc_queue_free(queue);
}

/* ---- Items that do not arrive ---- */

static void an_item_whose_getter_dropped_its_future_goes_to_the_next(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(0, note_it);
    tc_future_t *getter = tc_queue_get(queue, TC_FOREVER);
    watch(tc_queue_get(queue, TC_FOREVER), "next");
    put_words(queue, "a");
    tc_future_unref(getter);
    turn(0);
    assert_string_equal(noted(), "next:0:a");
    tc_queue_free(queue);
}

static void an_item_that_its_getter_has_seen_is_freed_with_the_future(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(0, note_it);
    put_words(queue, "a");
    tc_future_t *getter = tc_queue_get(queue, TC_FOREVER);
    assert_int_equal(tc_future_status(getter), 0);
    tc_future_unref(getter);
    assert_string_equal(noted(), "a");
    assert_true(tc_queue_empty(queue));
    tc_queue_free(queue);
}

/* Three are on their way, and come back in an order of their own. */
static void assert_come_back_in_place(tc_queue_t *queue, const char *words, const char *all) {
    tc_future_t *getters[3];
    put_words(queue, words);
    for (int i = 0; i < 3; i++)
        getters[i] = tc_queue_get(queue, 0);
    put_words(queue, "c");
    for (int i = 0; i < 3; i++)
        tc_future_unref(getters[(i + 1) % 3]);
    assert_string_equal(get_all(queue), all);
    tc_queue_free(queue);
}

static void items_that_do_not_arrive_go_back_to_their_places(void **state) {
    (void)state;
    assert_come_back_in_place(tc_queue_new(0, NULL), "abde", "a b d e c");
    assert_come_back_in_place(tc_lifo_queue_new(0, NULL), "abde", "c e d b a");
    assert_come_back_in_place(tc_priority_queue_new(0, by_letter, NULL), "eadb", "a b c d e");
    assert_come_back_in_place(tc_queue_new(0, NULL), "bac", "b a c c");
}

static void equal_priorities_that_come_back_leave_as_they_came(void **state) {
    (void)state;
    char *items[] = { "x1", "x2", "x3", "x4" };
    tc_queue_t *queue = tc_priority_queue_new(0, by_letter, NULL);
    for (size_t i = 0; i < COUNT(items); i++)
        assert_int_equal(tc_queue_put_nowait(queue, items[i]), 0);
    tc_future_t *first = tc_queue_get(queue, 0), *second = tc_queue_get(queue, 0);
    tc_future_unref(first);
    tc_future_unref(second);
    assert_string_equal(get_all(queue), "x1 x2 x3 x4");
    tc_queue_free(queue);
}

static void for_items_that_come_back_there_is_always_room(void **state) {
    (void)state;
    tc_future_t *getters[20];
    tc_queue_t *queue = tc_queue_new(20, note_it);
    for (int i = 0; i < 5; i++)
        put_words(queue, "abcd");
    for (size_t i = 0; i < COUNT(getters); i++) {
        watch(tc_queue_put(queue, "e", TC_FOREVER), "put");
        getters[i] = tc_queue_get(queue, 0);
    }
    turn(0);
    noted();
    watch(tc_queue_put(queue, "e", TC_FOREVER), "put");
    fail_allocation(1, true);
    assert_int_equal(tc_queue_get_nowait(queue, NULL), 0);
    assert_string_equal(noted(), "e");
    for (size_t i = 0; i < COUNT(getters); i++)
        tc_future_unref(getters[i]);
    allow_allocations();
    turn(0);
    assert_string_equal(noted(), "put:0:-");
    assert_int_equal(tc_queue_size(queue), 40); /* more than there should be, and none lost */
    assert_true(tc_queue_full(queue));
    tc_queue_free(queue);
    noted();
}

static void an_item_on_its_way_outlives_its_queue(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(0, note_it);
    put_words(queue, "a");
    tc_future_t *getter = tc_queue_get(queue, 0);
    tc_queue_free(queue);
    assert_string_equal(noted(), "");
    tc_future_unref(getter);
    assert_string_equal(noted(), "a");
}

static void what_was_put_is_put_whatever_becomes_of_the_future(void **state) {
    (void)state;
    char *item;
    tc_queue_t *queue = tc_queue_new(1, NULL);
    tc_future_unref(tc_queue_put(queue, "a", TC_FOREVER));
    tc_future_t *putter = tc_queue_put(queue, "b", TC_FOREVER);
    assert_int_equal(tc_queue_get_nowait(queue, &item), 0);
    assert_string_equal(item, "a");
    tc_future_unref(putter);
    assert_string_equal(get_all(queue), "b");
    tc_queue_free(queue);
}

static void what_is_left_is_freed_with_the_queue_and_who_waits_is_cancelled(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(2, note_it);
    put_words(queue, "ab");
    watch(tc_queue_put(queue, "c", TC_FOREVER), "put");
    watch(tc_queue_join(queue, 10), "join");
    tc_queue_free(queue);
    assert_string_equal(noted(), "a b");
    turn(0);
    assert_string_equal(noted(), "put:-125:- join:-125:-");
    queue = tc_queue_new(2, NULL);
    watch(tc_queue_get(queue, TC_FOREVER), "get");
    tc_queue_free(queue);
    turn(0);
    assert_string_equal(noted(), "get:-125:-");
}

/* ---- Being done ---- */

static void join_waits_until_each_item_was_dealt_with(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(0, NULL);
    watch(tc_queue_join(queue, 0), "empty");
    put_words(queue, "ab");
    watch(tc_queue_join(queue, TC_FOREVER), "all");
    watch(tc_queue_join(queue, 10), "late");
    get_all(queue);
    assert_int_equal(tc_queue_task_done(queue), 0);
    turn(10);
    assert_string_equal(noted(), "empty:0:- late:-110:-");
    assert_int_equal(tc_queue_task_done(queue), 0);
    turn(0);
    assert_string_equal(noted(), "all:0:-");
    assert_int_equal(tc_queue_task_done(queue), TC_EINVAL);
    assert_logged("more often than there were items");
    tc_queue_free(queue);
}

/* ---- Failures ---- */

static void without_memory_no_item_is_lost(void **state) {
    (void)state;
    tc_queue_t *queue = tc_queue_new(1, NULL);
    fail_allocation(1, true);
    assert_null(tc_queue_new(0, NULL));
    assert_int_equal(tc_queue_put_nowait(queue, "a"), TC_ENOMEM);
    assert_null(tc_queue_put(queue, "a", TC_FOREVER));
    assert_null(tc_queue_get(queue, TC_FOREVER));
    fail_allocation(2, false);
    watch(tc_queue_put(queue, "a", TC_FOREVER), "put");
    allow_allocations();
    turn(0);
    assert_string_equal(noted(), "put:-12:-");
    put_words(queue, "b");
    fail_allocation(1, true);
    assert_null(tc_queue_get(queue, TC_FOREVER));
    assert_null(tc_queue_put(queue, "c", TC_FOREVER));
    assert_null(tc_queue_join(queue, TC_FOREVER));
    allow_allocations();
    assert_string_equal(get_all(queue), "b");
    tc_queue_free(queue);
}

static void what_could_not_be_made_can_be_used(void **state) {
    (void)state;
    assert_null(tc_priority_queue_new(0, NULL, NULL));
    assert_logged("compare is NULL");
    assert_null(tc_queue_put(NULL, "a", 0));
    assert_null(tc_queue_get(NULL, 0));
    assert_null(tc_queue_join(NULL, 0));
    assert_int_equal(tc_queue_put_nowait(NULL, "a"), TC_ENOMEM);
    assert_int_equal(tc_queue_get_nowait(NULL, NULL), TC_ENOMEM);
    assert_int_equal(tc_queue_task_done(NULL), TC_ENOMEM);
    assert_int_equal(tc_queue_max_size(NULL), 0);
    assert_true(tc_queue_empty(NULL));
    assert_false(tc_queue_full(NULL));
    tc_queue_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_QUEUE(a_queue_gives_the_first_first),
        TEST_QUEUE(a_lifo_queue_gives_the_last_first),
        TEST_QUEUE(a_priority_queue_gives_the_least_first),
        TEST_QUEUE(equal_priorities_leave_as_they_came),
        TEST_QUEUE(getters_wait_for_items_in_their_order),
        TEST_QUEUE(putters_wait_for_room_in_their_order),
        TEST_QUEUE(a_waiting_putter_s_item_takes_part_before_one_is_given_out),
        TEST_QUEUE(who_waits_may_be_cancelled_or_dropped),
        TEST_QUEUE(an_item_whose_getter_dropped_its_future_goes_to_the_next),
        TEST_QUEUE(an_item_that_its_getter_has_seen_is_freed_with_the_future),
        TEST_QUEUE(items_that_do_not_arrive_go_back_to_their_places),
        TEST_QUEUE(equal_priorities_that_come_back_leave_as_they_came),
        TEST_QUEUE(for_items_that_come_back_there_is_always_room),
        TEST_QUEUE(an_item_on_its_way_outlives_its_queue),
        TEST_QUEUE(what_was_put_is_put_whatever_becomes_of_the_future),
        TEST_QUEUE(what_is_left_is_freed_with_the_queue_and_who_waits_is_cancelled),
        TEST_QUEUE(join_waits_until_each_item_was_dealt_with),
        TEST_QUEUE(without_memory_no_item_is_lost),
        TEST_QUEUE(what_could_not_be_made_can_be_used),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
