/* timer_wheel_test.c - times in any order go in, calls in order of time come out. */
#include "async/async_test.h"

#include "async/timer_wheel_internal.h"

static const uint64_t START = 1000000;
static tc__timer_wheel_t wheel;

typedef struct {
    tc__timer_t timer;
    const char *name;
} named_timer_t;

static void note_name(tc__timer_t *timer) {
    note("%s", tc__container_of(timer, named_timer_t, timer)->name);
}

static named_timer_t named(const char *name) {
    named_timer_t timer = { .name = name };
    return timer;
}

static void start(named_timer_t *timer, uint64_t when_ms) {
    tc__timer_init(&timer->timer, note_name);
    tc__timer_wheel_add(&wheel, &timer->timer, when_ms);
}

static int new_wheel(void **state) {
    (void)state;
    tc__timer_wheel_init(&wheel, START);
    return 0;
}

/* ---- When ---- */

static const struct {
    const char *why;
    uint64_t now, when;
} places[] = {
    { "at once", 1000000, 1000000 },
    { "the next millisecond", 1000000, 1000001 },
    { "the last slot of level 0", 64, 127 },
    { "the first slot of level 1", 64, 128 },
    { "one across a boundary of level 1", 127, 128 },
    { "the last of level 1", 0, 4095 },
    { "one across a boundary of level 2", 4095, 4096 },
    { "in level 2", 1, 4097 },
    { "in level 3", 1, 262144 + 4097 },
    { "one across a boundary of level 3", 262143, 262144 },
    { "in level 4", 5, (UINT64_C(1) << 24) + 77 },
    { "in level 5", 5, (UINT64_C(1) << 30) + 77 },
    { "the end of the last level", 5, (UINT64_C(1) << 36) - 1 },
    { "one across the end of the last level", (UINT64_C(1) << 36) - 1, UINT64_C(1) << 36 },
    { "far beyond it", 5, (UINT64_C(1) << 40) + 12345 },
    { "as far as numbers go, but for one", UINT64_MAX - 70, UINT64_MAX - 1 },
};

/* Follows tc__timer_wheel_next as the loop does; at most one look per level on the way, and per two years. */
static void a_timer_runs_at_its_time_and_not_before(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(places); i++) {
        named_timer_t timer = named("ran");
        tc__timer_wheel_init(&wheel, places[i].now);
        start(&timer, places[i].when);
        int looks = 0;
        while (wheel.count > 0 && looks < 100) {
            uint64_t next = tc__timer_wheel_next(&wheel);
            if (next > places[i].when)
                fail_msg("%s: looked for too late", places[i].why);
            if (next < places[i].when && journal.len > 0)
                fail_msg("%s: ran too early", places[i].why);
            tc__timer_wheel_advance(&wheel, next);
            looks++;
        }
        if (wheel.now_ms != places[i].when)
            fail_msg("%s: ran at %llu", places[i].why, (unsigned long long)wheel.now_ms);
        assert_string_equal(noted(), "ran");
        uint64_t years = (places[i].when >> 36) - (places[i].now >> 36);
        assert_in_range(looks, 1, 6 + years);
    }
}

static void one_step_to_any_later_time_runs_it_too(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(places); i++) {
        named_timer_t timer = named("ran");
        tc__timer_wheel_init(&wheel, places[i].now);
        start(&timer, places[i].when);
        if (places[i].when > places[i].now)
            tc__timer_wheel_advance(&wheel, places[i].when - 1);
        assert_string_equal(noted(), "");
        tc__timer_wheel_advance(&wheel, places[i].when + 1);
        assert_string_equal(noted(), "ran");
        assert_false(tc__timer_active(&timer.timer));
    }
}

static void an_empty_wheel_need_not_be_looked_at(void **state) {
    (void)state;
    assert_true(tc__timer_wheel_next(&wheel) == UINT64_MAX);
    tc__timer_wheel_advance(&wheel, START + 1000);
    assert_true(tc__timer_wheel_next(&wheel) == UINT64_MAX);
}

static void a_time_that_has_passed_is_due_at_the_next_advance(void **state) {
    (void)state;
    named_timer_t timer = named("ran");
    start(&timer, 5);
    assert_true(timer.timer.when_ms == START);
    assert_true(tc__timer_wheel_next(&wheel) == START);
    tc__timer_wheel_advance(&wheel, START);
    assert_string_equal(noted(), "ran");
}

static void a_clock_that_goes_back_runs_nothing(void **state) {
    (void)state;
    named_timer_t timer = named("ran");
    start(&timer, 5);
    tc__timer_wheel_advance(&wheel, START - 1);
    assert_string_equal(noted(), "");
    tc__timer_wheel_remove(&wheel, &timer.timer);
}

static void catching_up_moves_the_clock_only_while_nothing_is_due(void **state) {
    (void)state;
    named_timer_t timer = named("ran");
    tc__timer_wheel_catch_up(&wheel, START + 500000);
    assert_true(wheel.now_ms == START + 500000);
    start(&timer, START + 500003);
    assert_true(tc__timer_wheel_next(&wheel) == START + 500003);
    tc__timer_wheel_catch_up(&wheel, START + 500003);
    assert_true(wheel.now_ms == START + 500000);
    tc__timer_wheel_advance(&wheel, START + 500003);
    assert_string_equal(noted(), "ran");
}

/* ---- Order ---- */

static void timers_run_in_order_of_time(void **state) {
    (void)state;
    named_timer_t a = named("a"), b = named("b"), c = named("c"), d = named("d");
    start(&d, START + 100000);
    start(&b, START + 5);
    start(&c, START + 70);
    start(&a, START);
    tc__timer_wheel_advance(&wheel, START + 200000);
    assert_string_equal(noted(), "a b c d");
}

static void timers_of_one_time_run_in_the_order_of_their_start(void **state) {
    (void)state;
    named_timer_t a = named("a"), b = named("b"), c = named("c"), d = named("d");
    uint64_t when = (START | 0xfff) + 1 + 70; /* in another slot of level 2 than now */
    start(&a, when);
    tc__timer_wheel_advance(&wheel, when - 71);
    start(&b, when);
    tc__timer_wheel_advance(&wheel, when - 70);
    start(&c, when);
    tc__timer_wheel_advance(&wheel, when - 3);
    start(&d, when);
    tc__timer_wheel_advance(&wheel, when);
    assert_string_equal(noted(), "a b c d");
}

static void a_timer_that_is_started_again_goes_to_the_end(void **state) {
    (void)state;
    named_timer_t a = named("a"), b = named("b");
    start(&a, START + 5);
    start(&b, START + 5);
    tc__timer_wheel_add(&wheel, &a.timer, START + 5);
    assert_int_equal(wheel.count, 2);
    tc__timer_wheel_advance(&wheel, START + 5);
    assert_string_equal(noted(), "b a");
}

/* ---- In a call ---- */

static tc__timer_t *other;

static void start_self_again(tc__timer_t *timer) {
    note("again");
    tc__timer_wheel_add(&wheel, timer, 0);
}

static void a_timer_that_starts_itself_waits_for_the_next_advance(void **state) {
    (void)state;
    tc__timer_t timer;
    tc__timer_init(&timer, start_self_again);
    tc__timer_wheel_add(&wheel, &timer, START + 1);
    tc__timer_wheel_advance(&wheel, START + 10);
    assert_string_equal(noted(), "again");
    tc__timer_wheel_advance(&wheel, START + 10);
    assert_string_equal(noted(), "again");
    tc__timer_wheel_remove(&wheel, &timer);
    assert_int_equal(wheel.count, 0);
}

static void stop_other(tc__timer_t *timer) {
    (void)timer;
    note("stops");
    tc__timer_wheel_remove(&wheel, other);
}

static void a_call_stops_others_that_are_due_or_not(void **state) {
    (void)state;
    static const uint64_t whens[] = { 5, 5, 6, 100, 100000 };
    for (size_t i = 0; i < COUNT(whens); i++) {
        tc__timer_wheel_init(&wheel, START);
        named_timer_t victim = named("victim");
        tc__timer_t timer;
        tc__timer_init(&timer, stop_other);
        other = &victim.timer;
        tc__timer_wheel_add(&wheel, &timer, START + 5);
        start(&victim, START + whens[i]);
        tc__timer_wheel_advance(&wheel, START + 50);
        assert_false(tc__timer_active(&victim.timer));
        tc__timer_wheel_advance(&wheel, START + 200000);
        assert_string_equal(noted(), "stops");
        assert_int_equal(wheel.count, 0);
    }
}

static void delay_other(tc__timer_t *timer) {
    (void)timer;
    tc__timer_wheel_add(&wheel, other, START + 60);
}

static void a_call_moves_another_that_is_due(void **state) {
    (void)state;
    named_timer_t moved = named("moved");
    tc__timer_t timer;
    tc__timer_init(&timer, delay_other);
    other = &moved.timer;
    tc__timer_wheel_add(&wheel, &timer, START + 5);
    start(&moved, START + 6);
    tc__timer_wheel_advance(&wheel, START + 50);
    assert_string_equal(noted(), "");
    tc__timer_wheel_advance(&wheel, START + 60);
    assert_string_equal(noted(), "moved");
}

static void clear_all(tc__timer_t *timer) {
    (void)timer;
    note("clears");
    tc__timer_wheel_clear(&wheel);
}

static void clearing_stops_all_of_them_also_in_a_call(void **state) {
    (void)state;
    named_timer_t due = named("due"), later = named("later"), far = named("far");
    tc__timer_t timer;
    tc__timer_init(&timer, clear_all);
    tc__timer_wheel_add(&wheel, &timer, START + 5);
    start(&due, START + 6);
    start(&later, START + 600);
    start(&far, UINT64_MAX);
    tc__timer_wheel_advance(&wheel, START + 50);
    assert_string_equal(noted(), "clears");
    assert_int_equal(wheel.count, 0);
    assert_false(tc__timer_active(&due.timer) || tc__timer_active(&later.timer) || tc__timer_active(&far.timer));
    assert_true(tc__timer_wheel_next(&wheel) == UINT64_MAX);
}

/* ---- Against a model that searches a plain array ---- */

enum { TIMERS = 200, ROUNDS = 20000 };

typedef struct {
    tc__timer_t timer;
    uint64_t when; /* of the model */
    uint64_t order;
    bool active;
} modelled_t;

static struct {
    modelled_t timers[TIMERS];
    uint64_t now, order;
    uint64_t random;
    bool in_advance;
    int wrong;
} model;

static uint64_t next_random(void) {
    model.random ^= model.random << 13;
    model.random ^= model.random >> 7;
    model.random ^= model.random << 17;
    return model.random;
}

/* Distances of all magnitudes, up to beyond the last level. */
static uint64_t random_distance(void) {
    return next_random() % (UINT64_C(1) << (next_random() % 40));
}

static void model_start(modelled_t *timer) {
    uint64_t when = next_random() % 16 == 0 ? model.now - next_random() % 100 : model.now + random_distance();
    timer->when = when > model.now ? when : model.now;
    timer->order = model.order++;
    timer->active = true;
    tc__timer_wheel_add(&wheel, &timer->timer, when);
}

static void model_stop(modelled_t *timer) {
    timer->active = false;
    tc__timer_wheel_remove(&wheel, &timer->timer);
}

/* The one that is to run first, of those started before the advance. */
static modelled_t *model_first(uint64_t before_order) {
    modelled_t *first = NULL;
    for (size_t i = 0; i < TIMERS; i++) {
        modelled_t *timer = &model.timers[i];
        if (!timer->active || timer->order >= before_order)
            continue;
        if (!first || timer->when < first->when || (timer->when == first->when && timer->order < first->order))
            first = timer;
    }
    return first;
}

static uint64_t advance_order; /* what is started in the advance has this order or a higher one */

static void model_call(tc__timer_t *timer) {
    modelled_t *self = tc__container_of(timer, modelled_t, timer);
    model.wrong += self != model_first(advance_order) || self->when > model.now || tc__timer_active(timer);
    self->active = false;
    if (next_random() % 4 == 0)
        model_start(self);
    if (next_random() % 4 == 0)
        model_stop(&model.timers[next_random() % TIMERS]);
    if (next_random() % 4 == 0)
        model_start(&model.timers[next_random() % TIMERS]);
}

static void model_advance(uint64_t now) {
    model.now = now;
    advance_order = model.order;
    tc__timer_wheel_advance(&wheel, now);
    modelled_t *first = model_first(advance_order);
    model.wrong += first && first->when <= now; /* forgotten */
}

static void model_check(void) {
    size_t count = 0;
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < TIMERS; i++) {
        count += model.timers[i].active;
        if (model.timers[i].active && model.timers[i].when < next)
            next = model.timers[i].when;
        model.wrong += model.timers[i].active != tc__timer_active(&model.timers[i].timer);
    }
    model.wrong += count != wheel.count || tc__timer_wheel_next(&wheel) > next;
}

static void the_wheel_does_what_a_sorted_list_would_do(void **state) {
    (void)state;
    model.random = UINT64_C(88172645463325252);
    model.now = START;
    for (size_t i = 0; i < TIMERS; i++)
        tc__timer_init(&model.timers[i].timer, model_call);
    for (int round = 0; round < ROUNDS && model.wrong == 0; round++) {
        modelled_t *timer = &model.timers[next_random() % TIMERS];
        switch (next_random() % 6) {
        case 0:
            model_stop(timer);
            break;
        case 1:
            model_advance(model.now + random_distance() / 16);
            break;
        case 2: /* as the loop does it */
            if (wheel.count > 0)
                model_advance(tc__timer_wheel_next(&wheel));
            break;
        case 3: {
            uint64_t next = tc__timer_wheel_next(&wheel);
            if (next != UINT64_MAX && next > model.now)
                tc__timer_wheel_catch_up(&wheel, model.now = model.now + (next - model.now) / 2);
            break;
        }
        default:
            model_start(timer);
        }
        model_check();
        if (model.wrong)
            fail_msg("round %d", round);
    }
    tc__timer_wheel_clear(&wheel);
}

#define TEST_WHEEL(test) cmocka_unit_test_setup_teardown(test, new_wheel, nothing_is_left)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_WHEEL(a_timer_runs_at_its_time_and_not_before),
        TEST_WHEEL(one_step_to_any_later_time_runs_it_too),
        TEST_WHEEL(an_empty_wheel_need_not_be_looked_at),
        TEST_WHEEL(a_time_that_has_passed_is_due_at_the_next_advance),
        TEST_WHEEL(a_clock_that_goes_back_runs_nothing),
        TEST_WHEEL(catching_up_moves_the_clock_only_while_nothing_is_due),
        TEST_WHEEL(timers_run_in_order_of_time),
        TEST_WHEEL(timers_of_one_time_run_in_the_order_of_their_start),
        TEST_WHEEL(a_timer_that_is_started_again_goes_to_the_end),
        TEST_WHEEL(a_timer_that_starts_itself_waits_for_the_next_advance),
        TEST_WHEEL(a_call_stops_others_that_are_due_or_not),
        TEST_WHEEL(a_call_moves_another_that_is_due),
        TEST_WHEEL(clearing_stops_all_of_them_also_in_a_call),
        TEST_WHEEL(the_wheel_does_what_a_sorted_list_would_do),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
