/*
 * locks.c - conditions, events, semaphores, locks. (Tornado: locks)
 *
 * All are a list of waiters and a number. A permit that is released goes straight to the first waiter: nobody who comes
 * later can snatch it. One whose future is freed before anybody has received it goes to the next.
 */
#include <tornadoc/locks.h>

#include "async/wait_list_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"

static bool wake_one(tc__wait_list_t *waiters) {
    tc__wait_t *wait = tc__wait_first(waiters);
    if (wait)
        tc__wait_grant(wait, NULL, NULL);
    return wait != NULL;
}

static tc_future_t *need_not_wait(tc__wait_list_t *waiters) {
    tc__wait_t *wait = tc__wait_not(waiters);
    if (wait)
        tc__wait_grant(wait, NULL, NULL);
    return tc__wait_future(wait);
}

static void *new_object(size_t size, const char *what) {
    void *object = tc__calloc(1, size);
    if (!object)
        tc__fail(TC_ENOMEM, "out of memory for %s", what);
    return object;
}

/* ---- Condition ---- */

struct tc_condition {
    tc__wait_list_t waiters;
};

/* Who was woken in vain wakes another. */
static void wake_another(tc__wait_list_t *waiters, tc__wait_t *wait) {
    (void)wait;
    wake_one(waiters);
}

tc_condition_t *tc_condition_new(void) {
    tc_condition_t *condition = new_object(sizeof *condition, "a condition");
    if (condition)
        tc__wait_list_init(&condition->waiters, wake_another);
    return condition;
}

void tc_condition_free(tc_condition_t *condition) {
    if (!condition)
        return;
    tc__wait_list_deinit(&condition->waiters);
    tc__free(condition);
}

tc_future_t *tc_condition_wait(tc_condition_t *condition, uint64_t timeout_ms) {
    return condition ? tc__wait_future(tc__wait(&condition->waiters, timeout_ms)) : NULL;
}

void tc_condition_notify(tc_condition_t *condition, size_t count) {
    while (condition && count > 0 && wake_one(&condition->waiters))
        count--;
}

void tc_condition_notify_all(tc_condition_t *condition) {
    tc_condition_notify(condition, SIZE_MAX);
}

/* ---- Event ---- */

struct tc_event {
    tc__wait_list_t waiters;
    bool is_set;
};

tc_event_t *tc_event_new(void) {
    tc_event_t *event = new_object(sizeof *event, "an event");
    if (event)
        tc__wait_list_init(&event->waiters, NULL);
    return event;
}

void tc_event_free(tc_event_t *event) {
    if (!event)
        return;
    tc__wait_list_deinit(&event->waiters);
    tc__free(event);
}

tc_future_t *tc_event_wait(tc_event_t *event, uint64_t timeout_ms) {
    if (!event)
        return NULL;
    return event->is_set ? need_not_wait(&event->waiters) : tc__wait_future(tc__wait(&event->waiters, timeout_ms));
}

void tc_event_set(tc_event_t *event) {
    if (!event)
        return;
    event->is_set = true;
    while (wake_one(&event->waiters))
        ;
}

void tc_event_clear(tc_event_t *event) {
    if (event)
        event->is_set = false;
}

bool tc_event_is_set(const tc_event_t *event) {
    return event && event->is_set;
}

/* ---- Semaphore ---- */

struct tc_semaphore {
    tc__wait_list_t waiters;
    size_t value, most;
};

static void give(tc_semaphore_t *semaphore) {
    if (!wake_one(&semaphore->waiters) && semaphore->value < semaphore->most)
        semaphore->value++;
}

static void give_back(tc__wait_list_t *waiters, tc__wait_t *wait) {
    (void)wait;
    give(tc__container_of(waiters, tc_semaphore_t, waiters));
}

static void init_semaphore(tc_semaphore_t *semaphore, size_t value, size_t most) {
    tc__wait_list_init(&semaphore->waiters, give_back);
    semaphore->value = value;
    semaphore->most = most;
}

static tc_semaphore_t *new_semaphore(size_t value, size_t most) {
    tc_semaphore_t *semaphore = new_object(sizeof *semaphore, "a semaphore");
    if (semaphore)
        init_semaphore(semaphore, value, most);
    return semaphore;
}

tc_semaphore_t *tc_semaphore_new(size_t value) {
    return new_semaphore(value, SIZE_MAX);
}

tc_semaphore_t *tc_bounded_semaphore_new(size_t value) {
    return new_semaphore(value, value);
}

void tc_semaphore_free(tc_semaphore_t *semaphore) {
    if (!semaphore)
        return;
    tc__wait_list_deinit(&semaphore->waiters);
    tc__free(semaphore);
}

tc_future_t *tc_semaphore_acquire(tc_semaphore_t *semaphore, uint64_t timeout_ms) {
    if (!semaphore)
        return NULL;
    if (semaphore->value == 0)
        return tc__wait_future(tc__wait(&semaphore->waiters, timeout_ms));
    tc_future_t *future = need_not_wait(&semaphore->waiters);
    if (future)
        semaphore->value--;
    return future;
}

static int release(tc_semaphore_t *semaphore, const char *complaint) {
    if (semaphore->value >= semaphore->most)
        return tc__misuse(TC_EINVAL, "%s", complaint);
    give(semaphore);
    return 0;
}

int tc_semaphore_release(tc_semaphore_t *semaphore) {
    return semaphore ? release(semaphore, "tc_semaphore_release: released more often than acquired") : TC_ENOMEM;
}

/* ---- Lock ---- */

struct tc_lock {
    tc_semaphore_t block;
};

tc_lock_t *tc_lock_new(void) {
    tc_lock_t *lock = new_object(sizeof *lock, "a lock");
    if (lock)
        init_semaphore(&lock->block, 1, 1);
    return lock;
}

void tc_lock_free(tc_lock_t *lock) {
    if (!lock)
        return;
    tc__wait_list_deinit(&lock->block.waiters);
    tc__free(lock);
}

tc_future_t *tc_lock_acquire(tc_lock_t *lock, uint64_t timeout_ms) {
    return tc_semaphore_acquire(lock ? &lock->block : NULL, timeout_ms);
}

int tc_lock_release(tc_lock_t *lock) {
    return lock ? release(&lock->block, "tc_lock_release: it is not locked") : TC_ENOMEM;
}
