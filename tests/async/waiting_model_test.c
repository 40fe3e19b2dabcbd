/*
 * waiting_model_test.c - locks and queues against a model that is too simple to be wrong, for 100,000 steps.
 *
 * Each step is drawn from a fixed seed: somebody asks, somebody gives, a future is cancelled, dropped or looked at,
 * time passes. The model has no lists and no heaps: who waits is whoever has asked the longest ago and still waits;
 * what a queue gives out is the best of what is in its bag. Behind each step the states of all futures, or of many, are
 * what the model says, and in the end every item was freed once.
 */
#include "async/async_test.h"

#include <tornadoc/locks.h>
#include <tornadoc/queues.h>

#include "async/future_private.h"

enum { MOST_FUTURES = 10000, STEPS = 100000, NOBODY = -1 };

static tc_ioloop_t *loop;

static int make_loop(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    return err;
}
#define TEST_MODEL(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)

static uint64_t seed;

static unsigned draw(unsigned below) { /* xorshift64 */
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

/* ---- Those who wait, in the model ---- */

typedef enum { NONE, WAITS, GRANTED, SEEN, TIMED_OUT, CANCELLED } stage_t;
typedef enum { GETTER, PUTTER } role_t;

typedef struct {
    tc_future_t *future;
    stage_t stage;
    role_t role;
    uint64_t asked; /* when, in steps */
    uint64_t deadline;
    int item; /* that a putter has, or that a getter was granted */
} waiter_t;

static waiter_t waiters[MOST_FUTURES];
static int most; /* so many of them are used */
static uint64_t step;
static uint64_t now;

static int first_waiter(role_t role) {
    int first = NOBODY;
    for (int i = 0; i < most; i++)
        if (waiters[i].stage == WAITS && waiters[i].role == role &&
            (first == NOBODY || waiters[i].asked < waiters[first].asked))
            first = i;
    return first;
}

static uint64_t draw_timeout(void) {
    static const uint64_t some[] = { TC_FOREVER, TC_FOREVER, TC_FOREVER, 0, 1, 5, 40 };
    return some[draw(COUNT(some))];
}

static void begin_waiter(waiter_t *waiter, role_t role, stage_t stage, uint64_t timeout_ms) {
    waiter->role = role;
    waiter->asked = step;
    waiter->stage = stage == WAITS && timeout_ms == 0 ? TIMED_OUT : stage;
    waiter->deadline = timeout_ms == TC_FOREVER ? UINT64_MAX : now + timeout_ms;
}

static void pass_time(unsigned ms) {
    now += ms;
    for (int i = 0; i < most; i++)
        if (waiters[i].stage == WAITS && waiters[i].deadline <= now)
            waiters[i].stage = TIMED_OUT;
    tc__ioloop_advance(loop, ms);
}

static void check_waiter(int i) {
    static const tc_future_state_t expected[] = { 0, TC_PENDING, TC_DONE, TC_DONE, TC_FAILED, TC_CANCELLED };
    if (waiters[i].stage != NONE && waiters[i].future->state != expected[waiters[i].stage]) /* not a look */
        fail_msg("step %d: future %d is %d, not %d", (int)step, i, waiters[i].future->state,
                 expected[waiters[i].stage]);
}

static void check_waiters(void) {
    if (most > 100 && step % 500 != 0)
        return;
    for (int i = 0; i < most; i++)
        check_waiter(i);
}

/* ---- What is waited for ---- */

typedef struct {
    void (*begin)(void);
    void (*ask)(waiter_t *waiter);
    void (*give)(void);
    void (*give_back)(waiter_t *waiter); /* granted, and freed before anybody saw it */
    void (*check)(void);
    void (*end)(void);
} kind_t;

static const kind_t *kind;

static void look_at(waiter_t *waiter) {
    if (waiter->stage == GRANTED)
        waiter->stage = SEEN;
    tc_future_status(waiter->future);
}

static void forget(waiter_t *waiter) {
    stage_t was = waiter->stage;
    tc_future_t *future = waiter->future;
    waiter->stage = NONE;
    if (was == GRANTED)
        kind->give_back(waiter);
    tc_future_status(was == TIMED_OUT ? future : NULL); /* nothing to log */
    tc_future_unref(future);
}

static void cancel(waiter_t *waiter) {
    if (waiter->stage == WAITS)
        waiter->stage = CANCELLED;
    tc_future_cancel(waiter->future);
}

static void ask(waiter_t *waiter) {
    kind->ask(waiter);
    assert_non_null(waiter->future);
}

static void take_step(void) {
    waiter_t *waiter = &waiters[draw((unsigned)most)];
    unsigned what = draw(10);
    if (what < 3)
        kind->give();
    else if (what == 3 && draw(4) == 0)
        pass_time(draw(20));
    else if (waiter->stage == NONE)
        ask(waiter);
    else if (what < 6)
        look_at(waiter);
    else if (what < 8)
        forget(waiter);
    else
        cancel(waiter);
}

static void run(const kind_t *which, int futures, int steps) {
    kind = which;
    most = futures;
    now = 0;
    memset(waiters, 0, sizeof waiters);
    kind->begin();
    for (step = 1; step <= (uint64_t)steps; step++) {
        take_step();
        check_waiters();
        kind->check();
    }
    for (int i = 0; i < most; i += 2) /* half of them before what they wait for, half after */
        if (waiters[i].stage != NONE)
            forget(&waiters[i]);
    kind->end();
    for (int i = 0; i < most; i++)
        if (waiters[i].stage != NONE)
            tc_future_unref((tc_future_status(waiters[i].future), waiters[i].future));
}

static void run_many(const kind_t *which) {
    seed = 20240229;
    for (int round = 0; round < 20; round++)
        run(which, 1 + (int)draw(40), STEPS / 40);
    run(which, MOST_FUTURES, STEPS / 2);
}

static void nothing_to_check(void) {
}

/* ---- Semaphores ---- */

static tc_semaphore_t *semaphore;
static size_t permits;

static void begin_semaphore(void) {
    permits = draw(5);
    semaphore = tc_semaphore_new(permits);
}

static void ask_semaphore(waiter_t *waiter) {
    uint64_t timeout_ms = draw_timeout();
    begin_waiter(waiter, GETTER, permits > 0 ? GRANTED : WAITS, timeout_ms);
    permits -= permits > 0;
    waiter->future = tc_semaphore_acquire(semaphore, timeout_ms);
}

static void grant_permit(void) {
    int next = first_waiter(GETTER);
    if (next == NOBODY)
        permits++;
    else
        waiters[next].stage = GRANTED;
}

static void give_permit(void) {
    grant_permit();
    tc_semaphore_release(semaphore);
}

static void give_permit_back(waiter_t *waiter) {
    (void)waiter;
    grant_permit();
}

static void end_semaphore(void) {
    tc_semaphore_free(semaphore);
    for (int i = 0; i < most; i++)
        if (waiters[i].stage == WAITS)
            waiters[i].stage = CANCELLED;
    check_waiters();
}

static void a_semaphore_does_what_its_model_does(void **state) {
    static const kind_t semaphores = { begin_semaphore,  ask_semaphore,    give_permit,
                                       give_permit_back, nothing_to_check, end_semaphore };
    (void)state;
    run_many(&semaphores);
}

/* ---- Conditions ---- */

static tc_condition_t *condition;

static void begin_condition(void) {
    condition = tc_condition_new();
}

static void ask_condition(waiter_t *waiter) {
    uint64_t timeout_ms = draw_timeout();
    begin_waiter(waiter, GETTER, WAITS, timeout_ms);
    waiter->future = tc_condition_wait(condition, timeout_ms);
}

static void wake(int count) {
    for (int next; count > 0 && (next = first_waiter(GETTER)) != NOBODY; count--)
        waiters[next].stage = GRANTED;
}

static void notify(void) {
    int count = (int)draw(4);
    wake(count);
    tc_condition_notify(condition, (size_t)count);
}

static void wake_another(waiter_t *waiter) {
    (void)waiter;
    wake(1);
}

static void end_condition(void) {
    tc_condition_free(condition);
}

static void a_condition_does_what_its_model_does(void **state) {
    static const kind_t conditions = { begin_condition, ask_condition,    notify,
                                       wake_another,    nothing_to_check, end_condition };
    (void)state;
    run_many(&conditions);
}

/* ---- Queues: a bag of items, and a rule which of them is the next ---- */

typedef enum { FIFO, LIFO, PRIORITY } order_t;

typedef struct {
    int priority;
    uint64_t number; /* of the put */
    bool is_in;
    int freed;
} item_t;

enum { MOST_ITEMS = STEPS };

static item_t items[MOST_ITEMS];
static int item_count;
static int bag[MOST_ITEMS], bag_size;
static tc_queue_t *queue;
static order_t order;
static size_t max_size;
static uint64_t put_count;

static void free_item(void *item) {
    ((item_t *)item)->freed++;
}

static int by_priority(const void *a, const void *b) {
    return ((const item_t *)a)->priority - ((const item_t *)b)->priority;
}

static void begin_queue(void) {
    memset(items, 0, sizeof items);
    item_count = bag_size = 0;
    put_count = 0;
    max_size = draw(3) == 0 ? 0 : 1 + draw(6);
    queue = order == FIFO   ? tc_queue_new(max_size, free_item)
            : order == LIFO ? tc_lifo_queue_new(max_size, free_item)
                            : tc_priority_queue_new(max_size, by_priority, free_item);
}

static bool is_before(const item_t *a, const item_t *b) {
    if (order == PRIORITY && a->priority != b->priority)
        return a->priority < b->priority;
    return order == LIFO ? a->number > b->number : a->number < b->number;
}

static int take_from_bag(void) {
    int best = 0;
    for (int i = 1; i < bag_size; i++)
        if (is_before(&items[bag[i]], &items[bag[best]]))
            best = i;
    int item = bag[best];
    bag[best] = bag[--bag_size];
    items[item].is_in = false;
    return item;
}

static void put_into_bag(int item) {
    bag[bag_size++] = item;
    items[item].is_in = true;
}

static void grant_item(waiter_t *getter, int item) {
    getter->stage = GRANTED;
    getter->item = item;
}

/* It is in the queue, or goes to who waits for it. */
static void enter(int item) {
    int getter = first_waiter(GETTER);
    put_into_bag(item);
    if (getter != NOBODY)
        grant_item(&waiters[getter], take_from_bag());
}

static void leave(waiter_t *getter) {
    int putter = first_waiter(PUTTER);
    if (putter != NOBODY) {
        waiters[putter].stage = SEEN; /* nothing is given back */
        items[waiters[putter].item].number = put_count++;
        put_into_bag(waiters[putter].item);
    }
    grant_item(getter, take_from_bag());
}

static void ask_for_item(waiter_t *getter) {
    uint64_t timeout_ms = draw_timeout();
    begin_waiter(getter, GETTER, WAITS, timeout_ms);
    if (bag_size > 0)
        leave(getter);
    getter->future = tc_queue_get(queue, timeout_ms);
}

static bool is_full(void) {
    return max_size > 0 && (size_t)bag_size >= max_size;
}

static int new_item(void) {
    items[item_count].priority = (int)draw(4);
    return item_count++;
}

static void put_and_wait(waiter_t *putter) {
    uint64_t timeout_ms = draw_timeout();
    int item = new_item();
    bool waits = is_full();
    begin_waiter(putter, PUTTER, waits ? WAITS : SEEN, timeout_ms);
    putter->item = item;
    if (!waits) {
        items[item].number = put_count++;
        enter(item);
    }
    putter->future = tc_queue_put(queue, &items[item], timeout_ms);
}

static void ask_queue(waiter_t *waiter) {
    if (draw(2) == 0)
        ask_for_item(waiter);
    else
        put_and_wait(waiter);
}

static void put_now(void) {
    int item = new_item();
    bool full = is_full();
    if (!full) {
        items[item].number = put_count++;
        enter(item);
    }
    assert_int_equal(tc_queue_put_nowait(queue, &items[item]), full ? TC_EAGAIN : 0);
}

static void get_now(void) {
    waiter_t taker;
    item_t *got;
    bool any = bag_size > 0;
    if (any)
        leave(&taker);
    assert_int_equal(tc_queue_get_nowait(queue, &got), any ? 0 : TC_EAGAIN);
    assert_ptr_equal(got, any ? &items[taker.item] : NULL);
    if (any)
        free_item(got);
}

static void put_or_get_now(void) {
    if (draw(2) == 0)
        put_now();
    else
        get_now();
}

static void give_item_back(waiter_t *waiter) {
    if (waiter->role != GETTER)
        return;
    int getter = first_waiter(GETTER);
    if (getter == NOBODY)
        put_into_bag(waiter->item);
    else
        grant_item(&waiters[getter], waiter->item);
}

static void check_queue(void) {
    assert_int_equal(tc_queue_size(queue), bag_size);
    for (int i = 0; i < most && most <= 100; i++)
        if (waiters[i].stage == GRANTED)
            assert_ptr_equal(waiters[i].future->result, &items[waiters[i].item]);
}

static void end_queue(void) {
    for (int i = 0; i < most; i++) {
        if (waiters[i].stage == GRANTED) /* so that the rest is either in the queue or was freed */
            look_at(&waiters[i]);
        if (waiters[i].stage != NONE)
            forget(&waiters[i]);
    }
    for (int i = 0; i < item_count; i++)
        if (items[i].freed + items[i].is_in > 1)
            fail_msg("item %d was freed though it is in the queue, or twice", i);
    tc_queue_free(queue);
    for (int i = 0; i < item_count; i++)
        if (items[i].is_in && items[i].freed != 1)
            fail_msg("item %d was freed %d times", i, items[i].freed);
}

static void run_queues(order_t which) {
    static const kind_t queues = { begin_queue, ask_queue, put_or_get_now, give_item_back, check_queue, end_queue };
    order = which;
    run_many(&queues);
}

static void a_queue_does_what_its_model_does(void **state) {
    (void)state;
    run_queues(FIFO);
}

static void so_does_a_lifo_queue(void **state) {
    (void)state;
    run_queues(LIFO);
}

static void so_does_a_priority_queue(void **state) {
    (void)state;
    run_queues(PRIORITY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_MODEL(a_semaphore_does_what_its_model_does),
        TEST_MODEL(a_condition_does_what_its_model_does),
        TEST_MODEL(a_queue_does_what_its_model_does),
        TEST_MODEL(so_does_a_lifo_queue),
        TEST_MODEL(so_does_a_priority_queue),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
