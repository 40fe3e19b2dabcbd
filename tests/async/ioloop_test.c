/* ioloop_test.c - the loop: its ready queue, start and stop, adopted loops, what it carries, its end. */
#include "async/async_test.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include <tornadoc/interop.h>

/* ---- The ready queue ---- */

typedef struct {
    tc__soon_t soon;
    const char *name;
    tc_ioloop_t *loop;
    void *other;
} entry_t;

static void note_entry(tc__soon_t *soon) {
    note("%s", tc__container_of(soon, entry_t, soon)->name);
}

static entry_t *entry(entry_t *self, const char *name, void (*fn)(tc__soon_t *), tc_ioloop_t *loop, void *other) {
    tc__soon_init(&self->soon, fn);
    self->name = name;
    self->loop = loop;
    self->other = other;
    return self;
}

static void calls_are_made_in_the_order_in_which_they_were_queued(void **state) {
    entry_t a, b, c;
    tc__soon_call(*state, &entry(&a, "a", note_entry, *state, NULL)->soon);
    tc__soon_call(*state, &entry(&b, "b", note_entry, *state, NULL)->soon);
    tc__soon_call(*state, &entry(&c, "c", note_entry, *state, NULL)->soon);
    tc__soon_call(*state, &a.soon); /* it is queued already */
    assert_string_equal(noted(), "");
    tc__ioloop_turn(*state, false);
    assert_string_equal(noted(), "a b c");
}

static void queue_self_again(tc__soon_t *soon) {
    entry_t *self = tc__container_of(soon, entry_t, soon);
    note("%s", self->name);
    tc__soon_call(self->loop, soon);
}

static void a_turn_makes_only_calls_that_were_there_at_the_start_of_a_pass(void **state) {
    entry_t again, once;
    tc__soon_call(*state, &entry(&again, "again", queue_self_again, *state, NULL)->soon);
    tc__soon_call(*state, &entry(&once, "once", note_entry, *state, NULL)->soon);
    tc__ioloop_turn(*state, false); /* two passes: before the poll and after it */
    assert_string_equal(noted(), "again once again");
    tc__ioloop_turn(*state, true); /* does not block */
    assert_string_equal(noted(), "again again");
    tc__soon_cancel(&again.soon);
    tc__ioloop_turn(*state, false);
    assert_string_equal(noted(), "");
}

static void cancel_other(tc__soon_t *soon) {
    entry_t *self = tc__container_of(soon, entry_t, soon), *other = self->other;
    note("%s", self->name);
    tc__soon_cancel(&other->soon);
}

static void a_call_cancels_another_of_the_same_pass(void **state) {
    entry_t a, b, c;
    tc__soon_call(*state, &entry(&a, "a", cancel_other, *state, &b)->soon);
    tc__soon_call(*state, &entry(&b, "b", note_entry, *state, NULL)->soon);
    tc__soon_call(*state, &entry(&c, "c", note_entry, *state, NULL)->soon);
    tc__ioloop_turn(*state, false);
    assert_string_equal(noted(), "a c");
}

static void free_self(tc__soon_t *soon) {
    note_entry(soon);
    free(tc__container_of(soon, entry_t, soon));
}

static void a_call_frees_what_it_is_embedded_in(void **state) {
    tc__soon_call(*state, &entry(malloc(sizeof(entry_t)), "freed", free_self, *state, NULL)->soon);
    tc__ioloop_turn(*state, false);
    assert_string_equal(noted(), "freed");
}

static void canceling_what_is_not_queued_is_harmless(void **state) {
    (void)state;
    entry_t a;
    entry(&a, "a", note_entry, NULL, NULL);
    tc__soon_cancel(&a.soon);
    tc__soon_cancel(&a.soon);
}

/* ---- Start and stop ---- */

static void a_stop_before_the_start_makes_it_return_at_once(void **state) {
    assert_int_equal(tc_ioloop_add_callback(*state, note_it, "never"), 0);
    assert_int_equal(tc_ioloop_stop(*state), 0);
    assert_int_equal(tc_ioloop_start(*state), 0);
    assert_string_equal(noted(), "");
    assert_int_equal(tc_ioloop_add_callback(*state, stop_loop, *state), 0);
    assert_int_equal(tc_ioloop_start(*state), 0);
    assert_string_equal(noted(), "never");
}

static void a_loop_runs_until_it_is_stopped_and_may_run_again(void **state) {
    for (int i = 0; i < 3; i++) {
        assert_int_not_equal(tc_ioloop_call_later(*state, 1, stop_loop, *state), 0);
        assert_int_equal(tc_ioloop_start(*state), 0);
    }
}

static void note_and_stop(void *loop) {
    note("stop");
    tc_ioloop_stop(loop);
}

static void the_turn_in_which_it_is_stopped_is_finished(void **state) {
    assert_int_equal(tc_ioloop_add_callback(*state, note_and_stop, *state), 0);
    assert_int_equal(tc_ioloop_add_callback(*state, note_it, "after"), 0);
    assert_int_equal(tc_ioloop_start(*state), 0);
    assert_string_equal(noted(), "stop after");
}

static void start_again(void *loop) {
    note("%d", tc_ioloop_start(loop) == TC_EBUSY);
    tc_ioloop_stop(loop);
}

static void a_loop_that_runs_cannot_be_started(void **state) {
    assert_int_equal(tc_ioloop_add_callback(*state, start_again, *state), 0);
    assert_int_equal(tc_ioloop_start(*state), 0);
    assert_string_equal(noted(), "1");
    assert_logged("runs already");
}

static void free_and_stop(void *loop) {
    tc_ioloop_free(loop);
    tc_ioloop_stop(loop);
}

static void a_loop_that_runs_cannot_be_freed(void **state) {
    assert_int_equal(tc_ioloop_add_callback(*state, free_and_stop, *state), 0);
    assert_int_equal(tc_ioloop_start(*state), 0);
    assert_logged("stop it first");
}

/* ---- The current loop ---- */

static void a_thread_without_a_loop_has_none(void **state) {
    (void)state;
    assert_null(tc_ioloop_current());
    assert_int_equal(tc_ioloop_add_callback(NULL, note_it, ""), TC_EINVAL);
    assert_logged("make one with tc_ioloop_new first");
    assert_non_null(strstr(tc_error_detail(), "no loop on this thread"));
    assert_true(tc_ioloop_call_later(NULL, 1, note_it, "") == 0);
    assert_logged("no loop");
    assert_null(tc_future_new(NULL));
    assert_logged("no loop");
    assert_int_equal(tc_ioloop_start(NULL), TC_EINVAL);
    assert_logged("no loop");
}

static void note_current(void *loop) {
    note("%d", tc_ioloop_current() == loop);
}

static void the_first_loop_of_a_thread_is_its_current_one_and_each_loop_is_in_its_callbacks(void **state) {
    (void)state;
    tc_ioloop_t *first, *second;
    assert_int_equal(tc_ioloop_new(&first), 0);
    assert_int_equal(tc_ioloop_new(&second), 0);
    assert_ptr_equal(tc_ioloop_current(), first);
    assert_int_equal(tc_ioloop_add_callback(NULL, note_current, first), 0);
    assert_int_equal(tc_ioloop_add_callback(second, note_current, second), 0);
    assert_int_not_equal(tc_ioloop_call_later(second, 0, note_current, second), 0);
    tc__ioloop_turn(first, false);
    tc__ioloop_turn(second, false);
    assert_ptr_equal(tc_ioloop_current(), first);
    assert_int_not_equal(tc_ioloop_call_later(first, 0, note_current, first), 0);
    tc__ioloop_turn(first, false);
    assert_string_equal(noted(), "1 1 1 1");
    tc_ioloop_free(second);
    assert_ptr_equal(tc_ioloop_current(), first);
    tc_ioloop_free(first);
    assert_null(tc_ioloop_current());
}

/* ---- Adopted loops ---- */

static void adopt(uv_loop_t *uv, tc_ioloop_t **loop) {
    assert_int_equal(uv_loop_init(uv), 0);
    assert_int_equal(tc_ioloop_from_uv(loop, uv), 0);
    assert_ptr_equal(tc_ioloop_uv(*loop), uv);
}

static void give_back(uv_loop_t *uv, tc_ioloop_t *loop) {
    tc_ioloop_free(loop);
    uv_run(uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(uv), 0);
}

static void an_adopted_loop_with_nothing_to_do_lets_the_program_end(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *loop;
    adopt(&uv, &loop);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    give_back(&uv, loop);
}

static void callbacks_and_timeouts_keep_an_adopted_loop_going_until_they_ran(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *loop;
    adopt(&uv, &loop);
    assert_int_equal(tc_ioloop_add_callback(loop, note_it, "callback"), 0);
    assert_int_not_equal(tc_ioloop_call_later(loop, 2, note_it, "timeout"), 0);
    tc_timeout_t forgotten = tc_ioloop_call_later(loop, 1000000, note_it, "never");
    assert_true(tc_ioloop_remove_timeout(loop, forgotten));
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    const char *text = noted(); /* in either order: the first turn may begin after the two milliseconds */
    assert_non_null(strstr(text, "callback"));
    assert_non_null(strstr(text, "timeout"));
    give_back(&uv, loop);
}

static void note_timer(tc__timer_t *timer) {
    (void)timer;
    note("timer");
}

static void timers_of_the_library_do_not_keep_it_going_unless_somebody_holds_the_loop(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *loop;
    adopt(&uv, &loop);
    tc__timer_t timer;
    tc__timer_init(&timer, note_timer);
    tc__timer_start(loop, &timer, tc__ioloop_now(loop) + 3600000);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_string_equal(noted(), "");
    tc__timer_start(loop, &timer, tc__ioloop_now(loop) + 1);
    tc__ioloop_hold(loop);
    while (journal.len == 0) /* UV_RUN_ONCE would poll for ever if the timer is due before */
        assert_int_not_equal(uv_run(&uv, UV_RUN_NOWAIT), 0);
    assert_string_equal(noted(), "timer");
    tc__ioloop_release(loop);
    give_back(&uv, loop);
}

static void the_program_starts_and_stops_an_adopted_loop(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *loop;
    adopt(&uv, &loop);
    assert_int_equal(tc_ioloop_start(loop), TC_ENOTSUP);
    assert_logged("with uv_run");
    assert_int_equal(tc_ioloop_stop(loop), TC_ENOTSUP);
    assert_logged("with uv_stop");
    give_back(&uv, loop);
}

static void free_it(void *loop) {
    tc_ioloop_free(loop);
    note("freed");
}

static void free_in_soon(tc__soon_t *soon) {
    free_it(tc__container_of(soon, entry_t, soon)->loop);
}

static void free_in_handler(tc_ioloop_t *loop, int fd, unsigned events, void *user_data) {
    (void)fd, (void)events, (void)user_data;
    free_it(loop);
}

static void free_in_future(tc_future_t *future, void *loop) {
    (void)future;
    free_it(loop);
}

static int free_in_periodic(tc_periodic_callback_t *periodic, void *loop) {
    free_it(loop);
    tc_periodic_callback_free(periodic);
    return 0;
}

static void an_adopted_loop_may_be_freed_inside_each_of_its_callbacks(void **state) {
    (void)state;
    for (int way = 0; way < 6; way++) {
        uv_loop_t uv;
        tc_ioloop_t *loop;
        tc_periodic_callback_t *periodic;
        entry_t a;
        int pair[2];
        adopt(&uv, &loop);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        tc_future_t *future = tc_future_new(loop);
        switch (way) {
        case 0:
            assert_int_equal(tc_ioloop_add_callback(loop, free_it, loop), 0);
            break;
        case 1:
            assert_int_not_equal(tc_ioloop_call_later(loop, 0, free_it, loop), 0);
            assert_int_not_equal(tc_ioloop_call_later(loop, 0, note_it, "dropped"), 0);
            break;
        case 2:
            tc__soon_call(loop, &entry(&a, "", free_in_soon, loop, NULL)->soon);
            break;
        case 3:
            assert_int_equal(tc_ioloop_add_handler(loop, pair[0], TC_WRITE, free_in_handler, NULL), 0);
            break;
        case 4:
            tc_future_set_result(future, NULL, NULL);
            assert_int_equal(tc_future_on_done(future, free_in_future, loop), 0);
            break;
        case 5:
            assert_int_equal(tc_periodic_callback_new(&periodic, loop, 1, 0, free_in_periodic, loop), 0);
            tc_periodic_callback_start(periodic);
        }
        uv_run(&uv, UV_RUN_DEFAULT);
        assert_string_equal(noted(), "freed");
        assert_int_equal(uv_loop_close(&uv), 0);
        tc_future_unref(future);
        close(pair[0]), close(pair[1]);
        assert_null(tc_ioloop_current());
    }
}

static void freeing_a_loop_delivers_what_is_queued_in_front_and_behind(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *loop;
    adopt(&uv, &loop);
    assert_int_equal(tc_ioloop_add_callback(loop, note_it, "a"), 0);
    assert_int_equal(tc_ioloop_add_callback(loop, free_it, loop), 0);
    assert_int_equal(tc_ioloop_add_callback(loop, note_it, "b"), 0);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_string_equal(noted(), "a b freed");
    assert_int_equal(uv_loop_close(&uv), 0);
}

static void free_again(void *loop) {
    tc_ioloop_free(loop);
    note("still here");
}

static void a_callback_that_is_owed_cannot_free_the_loop_a_second_time(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *loop;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_ioloop_add_callback(loop, free_again, loop), 0);
    tc_ioloop_free(loop);
    assert_logged("freed twice");
    adopt(&uv, &loop);
    assert_int_equal(tc_ioloop_add_callback(loop, free_again, loop), 0);
    give_back(&uv, loop);
    assert_logged("freed twice");
    assert_string_equal(noted(), "still here still here");
}

static void two_of_our_loops_share_one_of_the_program(void **state) {
    (void)state;
    uv_loop_t uv;
    tc_ioloop_t *first, *second;
    adopt(&uv, &first);
    assert_int_equal(tc_ioloop_from_uv(&second, &uv), 0);
    assert_int_equal(tc_ioloop_add_callback(first, note_current, first), 0);
    assert_int_equal(tc_ioloop_add_callback(second, note_current, second), 0);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_string_equal(noted(), "1 1");
    tc_ioloop_free(second);
    give_back(&uv, first);
}

static void a_loop_needs_somewhere_to_go_and_something_to_adopt(void **state) {
    (void)state;
    tc_ioloop_t *loop = NULL;
    uv_loop_t uv;
    assert_int_equal(tc_ioloop_new(NULL), TC_EINVAL);
    assert_logged("out is NULL");
    assert_int_equal(tc_ioloop_from_uv(&loop, NULL), TC_EINVAL);
    assert_logged("uv is NULL");
    assert_int_equal(tc_ioloop_from_uv(NULL, &uv), TC_EINVAL);
    assert_logged("out is NULL");
    assert_null(loop);
}

static void without_descriptors_there_is_no_loop_but_a_reason(void **state) {
    (void)state;
    tc_ioloop_t *loop = NULL;
    struct rlimit limit, none = { 0, 0 };
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none.rlim_max = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int err = tc_ioloop_new(&loop);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(err, UV_EMFILE);
    assert_null(loop);
    assert_non_null(strstr(tc_error_detail(), "too many open files"));
}

/* ---- What a loop carries ---- */

static void data_is_freed_when_it_is_set_anew_and_with_the_loop(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_null(tc_ioloop_data(loop));
    tc_ioloop_set_data(loop, "first", note_it);
    assert_string_equal(tc_ioloop_data(NULL), "first");
    tc_ioloop_set_data(loop, "second", note_it);
    assert_string_equal(noted(), "first");
    tc_ioloop_free(loop);
    assert_string_equal(noted(), "second");
}

static void locals_go_from_the_upper_layers_down(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    tc__ioloop_set_local(loop, TC__LOCAL_HTTP, "http", note_it);
    tc__ioloop_set_local(loop, TC__LOCAL_NET, "old", note_it);
    tc__ioloop_set_local(loop, TC__LOCAL_WEB, "web", note_it);
    tc__ioloop_set_local(loop, TC__LOCAL_NET, "net", note_it);
    assert_string_equal(tc__ioloop_local(loop, TC__LOCAL_NET), "net");
    assert_string_equal(noted(), "old");
    tc_ioloop_free(loop);
    assert_string_equal(noted(), "web http net");
}

/* ---- The end ---- */

static void post_more(void *loop) {
    note("more: %d", tc_ioloop_add_callback(loop, note_it, "even more"));
    note("timeout: %d", tc_ioloop_call_later(loop, 0, note_it, "never") != 0);
}

static void callbacks_owed_run_while_the_loop_still_works(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_ioloop_add_callback(loop, post_more, loop), 0);
    tc_ioloop_free(loop);
    assert_string_equal(noted(), "more: 0 timeout: 1 even more");
}

static void post_once_more(void *loop) {
    note("%s", tc_ioloop_add_callback(loop, post_once_more, loop) == 0 ? "again" : "closed");
}

static void callbacks_that_ask_for_themselves_again_come_to_an_end(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(tc_ioloop_add_callback(loop, post_once_more, loop), 0);
    tc_ioloop_free(loop);
    assert_string_equal(noted(), "again again closed");
}

static void note_mail(struct tc__mail *mail, tc_ioloop_t *loop) {
    (void)mail;
    note("mail %d", loop != NULL);
}

static void a_mailbox_outlives_its_loop_and_refuses(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    tc__mailbox_t *box = tc__mailbox_ref(loop->mailbox);
    struct tc__mail mail = { .fn = note_mail };
    assert_int_equal(tc__mailbox_post(box, &mail), 0);
    tc_ioloop_free(loop);
    assert_string_equal(noted(), "mail 1");
    assert_int_equal(tc__mailbox_post(box, &mail), TC_ECLOSED);
    tc__mailbox_unref(box);
}

static void what_is_asked_of_a_loop_in_its_last_callbacks_is_refused(void *user_data) {
    tc_ioloop_t *loop = user_data;
    tc_future_t *none = tc_future_new(loop);
    note("%d", tc_ioloop_add_callback(loop, note_it, "never") == TC_ECLOSED);
    note("%d", tc_ioloop_call_later(loop, 0, note_it, "never") == 0);
    note("%d", none == NULL);
    note("%d", tc_ioloop_add_handler(loop, 0, TC_READ, free_in_handler, NULL) == TC_ECLOSED);
    note("%d", tc_ioloop_set_signal_callback(loop, 15, NULL, NULL) == TC_ECLOSED);
    note("%d", tc_run_in_executor(NULL, NULL, NULL, NULL) == NULL);
}

static void a_loop_that_ends_starts_nothing_new(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    tc_ioloop_set_data(loop, loop, what_is_asked_of_a_loop_in_its_last_callbacks_is_refused);
    tc_ioloop_free(loop);
    assert_string_equal(noted(), "1 1 1 1 1 1");
    assert_logged("fn is NULL");
}

static void on_timer(uv_timer_t *timer) {
    (void)timer;
}

static void on_uv_close(uv_handle_t *handle) {
    note("%s", (char *)handle->data);
}

static void handles_of_the_program_that_are_being_closed_are_waited_for(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    uv_timer_t timer;
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(uv_timer_init(tc_ioloop_uv(loop), &timer), 0);
    assert_int_equal(uv_timer_start(&timer, on_timer, 1000000, 0), 0);
    timer.data = "closed";
    uv_close((uv_handle_t *)&timer, on_uv_close);
    tc_ioloop_free(loop);
    assert_string_equal(noted(), "closed");
}

static void on_uv_work(uv_work_t *work) {
    (void)work;
}

static void after_uv_work(uv_work_t *work, int status) {
    note("%s %d", (char *)work->data, status);
}

static void requests_in_the_thread_pool_of_libuv_are_waited_for(void **state) {
    (void)state;
    tc_ioloop_t *loop;
    uv_work_t work = { .data = "work" };
    assert_int_equal(tc_ioloop_new(&loop), 0);
    assert_int_equal(uv_queue_work(tc_ioloop_uv(loop), &work, on_uv_work, after_uv_work), 0);
    tc_ioloop_free(loop);
    assert_string_equal(noted(), "work 0");
}

static void freeing_no_loop_is_fine(void **state) {
    (void)state;
    tc_ioloop_free(NULL);
}

/* ---- The virtual clock ---- */

static tc_ioloop_t *clock_loop;

static void note_time(void *user_data) {
    note("%s@%d", (char *)user_data, (int)(tc_ioloop_time(clock_loop) - 1000000));
}

static void schedule_more(void *user_data) {
    note_time(user_data);
    tc_ioloop_call_later(clock_loop, 5, note_time, "more");
    tc_ioloop_add_callback(clock_loop, note_time, "soon");
}

static void the_virtual_clock_steps_from_timer_to_timer(void **state) {
    clock_loop = *state;
    assert_int_not_equal(tc_ioloop_call_later(*state, 10, schedule_more, "ten"), 0);
    assert_int_not_equal(tc_ioloop_call_later(*state, 12, note_time, "twelve"), 0);
    assert_int_not_equal(tc_ioloop_call_later(*state, 100, note_time, "hundred"), 0);
    tc__ioloop_advance(*state, 9);
    assert_string_equal(noted(), "");
    tc__ioloop_advance(*state, 1);
    assert_string_equal(noted(), "ten@10 soon@10");
    tc__ioloop_advance(*state, 80);
    assert_string_equal(noted(), "twelve@12 more@15");
    assert_int_equal(tc_ioloop_time(*state), 1000090);
    tc__ioloop_advance(*state, 10);
    assert_string_equal(noted(), "hundred@100");
}

static void read_all(tc_ioloop_t *loop, int fd, unsigned events, void *user_data) {
    char text[16] = "";
    ssize_t len = read(fd, text, sizeof(text) - 1);
    note("%.*s", (int)len, text);
    (void)events, (void)loop, (void)user_data;
}

static void advancing_also_handles_descriptors_and_callbacks(void **state) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(tc_ioloop_add_handler(*state, pair[0], TC_READ, read_all, NULL), 0);
    assert_int_equal(write(pair[1], "data", 4), 4);
    assert_int_equal(tc_ioloop_add_callback(*state, note_it, "callback"), 0);
    tc__ioloop_advance(*state, 0);
    assert_string_equal(noted(), "callback data");
    tc_ioloop_remove_handler(*state, pair[0]);
    close(pair[0]), close(pair[1]);
}

static void a_turn_tells_whether_there_is_anything_to_wait_for(void **state) {
    assert_false(tc__ioloop_turn(*state, true)); /* does not block for ever */
    tc_timeout_t timeout = tc_ioloop_call_later(*state, 10, note_it, "");
    assert_true(tc__ioloop_turn(*state, false));
    assert_true(tc_ioloop_remove_timeout(*state, timeout));
    assert_false(tc__ioloop_turn(*state, false));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_LOOP(calls_are_made_in_the_order_in_which_they_were_queued),
        TEST_LOOP(a_turn_makes_only_calls_that_were_there_at_the_start_of_a_pass),
        TEST_LOOP(a_call_cancels_another_of_the_same_pass),
        TEST_LOOP(a_call_frees_what_it_is_embedded_in),
        TEST(canceling_what_is_not_queued_is_harmless),
        TEST_LOOP(a_stop_before_the_start_makes_it_return_at_once),
        TEST_LOOP(a_loop_runs_until_it_is_stopped_and_may_run_again),
        TEST_LOOP(the_turn_in_which_it_is_stopped_is_finished),
        TEST_LOOP(a_loop_that_runs_cannot_be_started),
        TEST_LOOP(a_loop_that_runs_cannot_be_freed),
        TEST(a_thread_without_a_loop_has_none),
        TEST(the_first_loop_of_a_thread_is_its_current_one_and_each_loop_is_in_its_callbacks),
        TEST(an_adopted_loop_with_nothing_to_do_lets_the_program_end),
        TEST(callbacks_and_timeouts_keep_an_adopted_loop_going_until_they_ran),
        TEST(timers_of_the_library_do_not_keep_it_going_unless_somebody_holds_the_loop),
        TEST(the_program_starts_and_stops_an_adopted_loop),
        TEST(an_adopted_loop_may_be_freed_inside_each_of_its_callbacks),
        TEST(a_callback_that_is_owed_cannot_free_the_loop_a_second_time),
        TEST(freeing_a_loop_delivers_what_is_queued_in_front_and_behind),
        TEST(two_of_our_loops_share_one_of_the_program),
        TEST(a_loop_needs_somewhere_to_go_and_something_to_adopt),
        TEST(without_descriptors_there_is_no_loop_but_a_reason),
        TEST(data_is_freed_when_it_is_set_anew_and_with_the_loop),
        TEST(locals_go_from_the_upper_layers_down),
        TEST(callbacks_owed_run_while_the_loop_still_works),
        TEST(callbacks_that_ask_for_themselves_again_come_to_an_end),
        TEST(a_mailbox_outlives_its_loop_and_refuses),
        TEST(a_loop_that_ends_starts_nothing_new),
        TEST(handles_of_the_program_that_are_being_closed_are_waited_for),
        TEST(requests_in_the_thread_pool_of_libuv_are_waited_for),
        TEST(freeing_no_loop_is_fine),
        TEST_VIRTUAL(the_virtual_clock_steps_from_timer_to_timer),
        TEST_VIRTUAL(advancing_also_handles_descriptors_and_callbacks),
        TEST_VIRTUAL(a_turn_tells_whether_there_is_anything_to_wait_for),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
