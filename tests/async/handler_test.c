/* handler_test.c - watching the program's own descriptors: pipes and socket pairs. */
#include "async/async_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static tc_ioloop_t *loop;
static int pair[2];

static int make_pair(void **state) {
    int err = with_virtual_loop(state);
    loop = *state;
    return err == 0 ? socketpair(AF_UNIX, SOCK_STREAM, 0, pair) : err;
}

static int close_pair(void **state) {
    for (int i = 0; i < 2; i++) {
        tc_ioloop_remove_handler(loop, pair[i]);
        close(pair[i]);
    }
    return free_loop(state);
}
#define TEST_HANDLER(test) cmocka_unit_test_setup_teardown(test, make_pair, close_pair)

static const char *words(unsigned events) {
    static const char *const table[] = { "-", "r", "w", "rw", "e", "re", "we", "rwe" };
    return table[events & 7];
}

static void note_events(tc_ioloop_t *of, int fd, unsigned events, void *user_data) {
    (void)user_data;
    note("%s%s", of == loop && fd == pair[0] ? "" : "?", words(events));
}

static void note_and_read(tc_ioloop_t *of, int fd, unsigned events, void *user_data) {
    char data[100];
    note_events(of, fd, events, user_data);
    note("%d", (int)read(fd, data, sizeof(data)));
}

static void add(unsigned events, tc_handler_cb cb) {
    assert_int_equal(tc_ioloop_add_handler(loop, pair[0], events, cb, NULL), 0);
}

static void reading_is_told_while_there_is_something_to_read(void **state) {
    (void)state;
    add(TC_READ, note_events);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "");
    assert_int_equal(write(pair[1], "hello", 5), 5);
    tc__ioloop_turn(loop, false);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "r r");
    tc_ioloop_remove_handler(loop, pair[0]);
    add(TC_READ, note_and_read);
    tc__ioloop_turn(loop, true);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "r 5");
}

static void events_are_chosen_and_changed(void **state) {
    (void)state;
    add(TC_WRITE, note_events);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "w");
    assert_int_equal(write(pair[1], "hello", 5), 5);
    assert_int_equal(tc_ioloop_update_handler(loop, pair[0], TC_READ | TC_WRITE), 0);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "rw");
    assert_int_equal(tc_ioloop_update_handler(loop, pair[0], TC_READ), 0);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "r");
    assert_int_equal(tc_ioloop_update_handler(loop, pair[0], 0), 0);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "");
}

static void the_end_of_the_other_side_is_readable(void **state) {
    (void)state;
    add(TC_READ, note_and_read);
    close(pair[1]);
    tc__ioloop_turn(loop, true);
    assert_string_equal(noted(), "r 0");
}

static void an_error_is_told_to_those_who_did_not_ask(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], pair[0]), pair[0]); /* the writing end */
    close(ends[1]);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    while (write(pair[0], "0123456789012345678901234567890", 31) > 0)
        ;
    add(TC_WRITE, note_events);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "");
    close(ends[0]);
    tc__ioloop_turn(loop, true);
    assert_string_equal(noted(), "we");
    tc__ioloop_turn(loop, true); /* level-triggered */
    assert_string_equal(noted(), "we");
}

static void errors_may_be_all_that_is_watched(void **state) {
    (void)state;
    add(TC_ERROR, note_events);
    assert_int_equal(write(pair[1], "hello", 5), 5);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "");
    close(pair[1]);
    tc__ioloop_turn(loop, true);
    assert_string_equal(noted(), "e");
}

static void remove_both(tc_ioloop_t *of, int fd, unsigned events, void *user_data) {
    (void)fd, (void)events, (void)user_data;
    note("ran");
    tc_ioloop_remove_handler(of, pair[0]);
    tc_ioloop_remove_handler(of, pair[1]);
}

static void a_call_removes_itself_and_another_that_is_ready_too(void **state) {
    (void)state;
    add(TC_WRITE, remove_both);
    assert_int_equal(tc_ioloop_add_handler(loop, pair[1], TC_WRITE, remove_both, NULL), 0);
    tc__ioloop_turn(loop, false);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "ran");
}

static void replace_self(tc_ioloop_t *of, int fd, unsigned events, void *user_data) {
    (void)events, (void)user_data;
    tc_ioloop_remove_handler(of, fd);
    note("%d", tc_ioloop_add_handler(of, fd, TC_WRITE, note_events, NULL));
}

static void a_descriptor_may_be_watched_again_in_the_call_that_removed_it(void **state) {
    (void)state;
    add(TC_WRITE, replace_self);
    tc__ioloop_turn(loop, false);
    tc__ioloop_turn(loop, false);
    assert_string_equal(noted(), "0 w");
}

static void a_descriptor_is_watched_once(void **state) {
    (void)state;
    add(TC_READ, note_events);
    assert_int_equal(tc_ioloop_add_handler(loop, pair[0], TC_READ, note_events, NULL), TC_EALREADY);
    tc_ioloop_remove_handler(loop, pair[0]);
    add(TC_READ, note_events);
}

static void what_is_not_watched_may_be_removed_but_not_updated(void **state) {
    (void)state;
    tc_ioloop_remove_handler(loop, pair[0]);
    tc_ioloop_remove_handler(loop, -1);
    tc_ioloop_remove_handler(loop, 100000);
    assert_int_equal(tc_ioloop_update_handler(loop, pair[0], TC_READ), TC_ENOENT);
    assert_int_equal(tc_ioloop_update_handler(loop, -1, TC_READ), TC_ENOENT);
}

static void bad_arguments_are_told(void **state) {
    (void)state;
    assert_int_equal(tc_ioloop_add_handler(loop, -1, TC_READ, note_events, NULL), TC_EINVAL);
    assert_logged("fd is negative");
    assert_int_equal(tc_ioloop_add_handler(loop, pair[0], TC_READ, NULL, NULL), TC_EINVAL);
    assert_logged("cb is NULL");
    assert_int_equal(tc_ioloop_add_handler(loop, pair[0], 8, note_events, NULL), TC_EINVAL);
    assert_logged("no events");
    int file = open("/dev/null", O_RDONLY);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(tc_ioloop_add_handler(loop, file, TC_READ, note_events, NULL), UV_EBADF);
    file = open("/proc/self/exe", O_RDONLY);
    assert_int_equal(tc_ioloop_add_handler(loop, file, TC_READ, note_events, NULL),
                     UV_EPERM); /* files have no events */
    close(file);
}

static void handlers_are_forgotten_with_the_loop(void **state) {
    (void)state;
    add(TC_READ, note_events);
    assert_int_equal(tc_ioloop_add_handler(loop, pair[1], TC_WRITE, note_events, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_HANDLER(reading_is_told_while_there_is_something_to_read),
        TEST_HANDLER(events_are_chosen_and_changed),
        TEST_HANDLER(the_end_of_the_other_side_is_readable),
        TEST_HANDLER(an_error_is_told_to_those_who_did_not_ask),
        TEST_HANDLER(errors_may_be_all_that_is_watched),
        TEST_HANDLER(a_call_removes_itself_and_another_that_is_ready_too),
        TEST_HANDLER(a_descriptor_may_be_watched_again_in_the_call_that_removed_it),
        TEST_HANDLER(a_descriptor_is_watched_once),
        TEST_HANDLER(what_is_not_watched_may_be_removed_but_not_updated),
        TEST_HANDLER(bad_arguments_are_told),
        TEST_HANDLER(handlers_are_forgotten_with_the_loop),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
