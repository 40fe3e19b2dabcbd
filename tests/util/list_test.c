/* list_test.c - a list whose nodes stand in what it holds. */
#include "util_test.h"

#include "util/list_internal.h"

typedef struct {
    char name;
    tc__list_t node;
} item_t;

static void assert_items(const tc__list_t *list, const char *names) {
    for (const tc__list_t *node = list->next; node != list; node = node->next, names++) {
        assert_int_equal(tc__container_of(node, const item_t, node)->name, *names);
        assert_ptr_equal(node->next->prev, node);
        assert_ptr_equal(node->prev->next, node);
    }
    assert_int_equal(*names, '\0');
}

static void pushed_nodes_stand_in_order(void **state) {
    (void)state;
    tc__list_t list;
    item_t a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };
    tc__list_init(&list);
    assert_true(tc__list_empty(&list));
    tc__list_push(&list, &a.node);
    assert_false(tc__list_empty(&list));
    tc__list_push(&list, &b.node);
    tc__list_push(&list, &c.node);
    assert_items(&list, "abc");
}

static void a_node_may_be_removed_twice(void **state) {
    (void)state;
    tc__list_t list;
    item_t a = { .name = 'a' }, b = { .name = 'b' };
    tc__list_init(&list);
    tc__list_push(&list, &a.node);
    tc__list_push(&list, &b.node);
    tc__list_remove(&a.node);
    assert_items(&list, "b");
    assert_true(tc__list_empty(&a.node));
    tc__list_remove(&a.node);
    assert_items(&list, "b");
    tc__list_remove(&b.node);
    assert_true(tc__list_empty(&list));
}

static void all_of_a_list_can_be_taken(void **state) {
    (void)state;
    tc__list_t from, to;
    item_t a = { .name = 'a' }, b = { .name = 'b' };
    tc__list_init(&from);
    tc__list_take(&to, &from);
    assert_true(tc__list_empty(&to));
    tc__list_push(&from, &a.node);
    tc__list_push(&from, &b.node);
    tc__list_take(&to, &from);
    assert_true(tc__list_empty(&from));
    assert_items(&to, "ab");
    tc__list_take(&from, &to);
    assert_items(&from, "ab");
    assert_items(&to, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushed_nodes_stand_in_order),
        cmocka_unit_test(a_node_may_be_removed_twice),
        cmocka_unit_test(all_of_a_list_can_be_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
