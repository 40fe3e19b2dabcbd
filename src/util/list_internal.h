/* list_internal.h - an intrusive, circular, doubly linked list. */
#ifndef TC_UTIL_LIST_INTERNAL_H
#define TC_UTIL_LIST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

typedef struct tc__list {
    struct tc__list *next, *prev;
} tc__list_t;

#define tc__container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void tc__list_init(tc__list_t *list) {
    list->next = list->prev = list;
}
static inline bool tc__list_empty(const tc__list_t *list) {
    return list->next == list;
}
static inline void tc__list_push(tc__list_t *list, tc__list_t *node) { /* at the end */
    node->next = list;
    node->prev = list->prev;
    list->prev->next = node;
    list->prev = node;
}
static inline void tc__list_remove(tc__list_t *node) { /* and make it a list of its own: twice is harmless */
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = node;
}
/* Move all of `from` to the end of the empty list `to`. */
static inline void tc__list_take(tc__list_t *to, tc__list_t *from) {
    tc__list_init(to);
    if (tc__list_empty(from))
        return;
    to->next = from->next;
    to->prev = from->prev;
    to->next->prev = to;
    to->prev->next = to;
    tc__list_init(from);
}

#endif
