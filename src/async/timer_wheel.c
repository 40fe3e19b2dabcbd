/*
 * timer_wheel.c - a hierarchical timing wheel.
 *
 * A time is a number of six-bit digits. A timer stands on the level of the highest digit in which its time differs from
 * now_ms, in the slot of that digit's value; what differs above the last level is `far`. So on level 0 a slot is one
 * millisecond, above it a slot is a stretch of time that has not begun, and a lower level is always over before the
 * next slot of a higher one begins. When now_ms reaches the beginning of a slot, its timers are placed anew, lower.
 *
 * The place depends on the two times alone: timers of one millisecond always stand in one slot, in the order in which
 * they were started, and move together. That keeps them in that order to the end.
 *
 * To advance is first to collect what is due, with now_ms already at its end, then to call: a timer that is started in
 * a call cannot become part of the same advance, so that one which starts itself for "at once" does not spin.
 */
#include "async/timer_wheel_internal.h"

enum { DIGIT = 6, FAR_SHIFT = DIGIT * TC__WHEEL_LEVELS };

/* The slot that comes first in time, with the time at which it begins; NULL: no timer at all. */
static tc__list_t *first_slot(const tc__timer_wheel_t *wheel, unsigned *level, uint64_t *begin) {
    for (unsigned i = 0; i < TC__WHEEL_LEVELS; i++) {
        if (wheel->used[i] == 0)
            continue;
        unsigned slot = (unsigned)__builtin_ctzll(wheel->used[i]);
        unsigned shift = i * DIGIT;
        *level = i;
        *begin = (wheel->now_ms >> (shift + DIGIT) << (shift + DIGIT)) | ((uint64_t)slot << shift);
        return (tc__list_t *)&wheel->slots[i][slot];
    }
    if (tc__list_empty(&wheel->far))
        return NULL;
    *level = TC__WHEEL_LEVELS;
    *begin = ((wheel->now_ms >> FAR_SHIFT) + 1) << FAR_SHIFT;
    return (tc__list_t *)&wheel->far;
}

static void place(tc__timer_wheel_t *wheel, tc__timer_t *timer) {
    uint64_t difference = timer->when_ms ^ wheel->now_ms;
    unsigned level = difference == 0 ? 0 : (unsigned)(63 - __builtin_clzll(difference)) / DIGIT;
    if (level >= TC__WHEEL_LEVELS) {
        tc__list_push(&wheel->far, &timer->node);
        return;
    }
    unsigned slot = (unsigned)(timer->when_ms >> (level * DIGIT)) & (TC__WHEEL_SLOTS - 1);
    tc__list_push(&wheel->slots[level][slot], &timer->node);
    wheel->used[level] |= UINT64_C(1) << slot;
}

/* `list` became empty: if it is a slot, it is no longer used. */
static void mark_unused(tc__timer_wheel_t *wheel, const tc__list_t *list) {
    const tc__list_t *slots = &wheel->slots[0][0];
    if (list < slots || list >= slots + TC__WHEEL_LEVELS * TC__WHEEL_SLOTS)
        return;
    size_t index = (size_t)(list - slots);
    wheel->used[index / TC__WHEEL_SLOTS] &= ~(UINT64_C(1) << (index % TC__WHEEL_SLOTS));
}

static void move_lower(tc__timer_wheel_t *wheel, tc__list_t *from) {
    while (!tc__list_empty(from)) {
        tc__list_t *node = from->next;
        tc__list_remove(node);
        place(wheel, tc__container_of(node, tc__timer_t, node));
    }
}

static void move_to_due(tc__timer_wheel_t *wheel, tc__list_t *from) {
    while (!tc__list_empty(from)) {
        tc__list_t *node = from->next;
        tc__list_remove(node);
        tc__list_push(&wheel->due, node);
    }
}

static void collect(tc__timer_wheel_t *wheel, uint64_t now_ms) {
    unsigned level;
    uint64_t begin;
    tc__list_t *slot;
    while ((slot = first_slot(wheel, &level, &begin)) != NULL && begin <= now_ms) {
        tc__list_t timers;
        tc__list_take(&timers, slot);
        mark_unused(wheel, slot);
        wheel->now_ms = begin;
        if (level == 0)
            move_to_due(wheel, &timers);
        else
            move_lower(wheel, &timers);
    }
    wheel->now_ms = now_ms;
}

void tc__timer_wheel_init(tc__timer_wheel_t *wheel, uint64_t now_ms) {
    wheel->now_ms = now_ms;
    wheel->count = 0;
    for (unsigned level = 0; level < TC__WHEEL_LEVELS; level++) {
        wheel->used[level] = 0;
        for (unsigned slot = 0; slot < TC__WHEEL_SLOTS; slot++)
            tc__list_init(&wheel->slots[level][slot]);
    }
    tc__list_init(&wheel->far);
    tc__list_init(&wheel->due);
}

void tc__timer_wheel_add(tc__timer_wheel_t *wheel, tc__timer_t *timer, uint64_t when_ms) {
    tc__timer_wheel_remove(wheel, timer);
    timer->when_ms = when_ms > wheel->now_ms ? when_ms : wheel->now_ms;
    place(wheel, timer);
    wheel->count++;
}

void tc__timer_wheel_remove(tc__timer_wheel_t *wheel, tc__timer_t *timer) {
    if (!tc__timer_active(timer))
        return;
    tc__list_t *list = timer->node.next; /* the head, if the timer is alone in its list */
    tc__list_remove(&timer->node);
    if (tc__list_empty(list))
        mark_unused(wheel, list);
    wheel->count--;
}

void tc__timer_wheel_clear(tc__timer_wheel_t *wheel) {
    unsigned level;
    uint64_t begin;
    tc__list_t *list;
    while (!tc__list_empty(&wheel->due))
        tc__timer_wheel_remove(wheel, tc__container_of(wheel->due.next, tc__timer_t, node));
    while ((list = first_slot(wheel, &level, &begin)) != NULL)
        tc__timer_wheel_remove(wheel, tc__container_of(list->next, tc__timer_t, node));
}

void tc__timer_wheel_advance(tc__timer_wheel_t *wheel, uint64_t now_ms) {
    if (now_ms < wheel->now_ms)
        return;
    collect(wheel, now_ms);
    while (!tc__list_empty(&wheel->due)) {
        tc__timer_t *timer = tc__container_of(wheel->due.next, tc__timer_t, node);
        tc__timer_wheel_remove(wheel, timer);
        timer->fn(timer);
    }
}

void tc__timer_wheel_catch_up(tc__timer_wheel_t *wheel, uint64_t now_ms) {
    if (now_ms > wheel->now_ms && tc__timer_wheel_next(wheel) > now_ms)
        wheel->now_ms = now_ms;
}

uint64_t tc__timer_wheel_next(const tc__timer_wheel_t *wheel) {
    unsigned level;
    uint64_t begin;
    return first_slot(wheel, &level, &begin) ? begin : UINT64_MAX;
}
