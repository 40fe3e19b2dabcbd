/*
 * overflow_test.c - coroutines whose stack overflows: what is said, and how the process ends.
 *
 * Each story is told by a child process, for it dies of it; the test reads its stderr and how it ended.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/async_test.h"
#include "coroutine/sanitizers_internal.h"
#include "coroutine/stack_pool_internal.h"

#include <tornadoc/coroutine.h>

#define SAYS_SO "tornadoc: coroutine stack overflow (fault at 0x"

/* ---- A child and how it ended ---- */

static struct {
    char said[4096];
    int status;
} child;

static void begin_child(int out) {
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    dup2(out, STDERR_FILENO);
    alarm(600);
}

static void tell(void (*story)(void)) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        begin_child(ends[1]);
        story();
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(ends[0], child.said + len, sizeof child.said - 1 - len)) > 0;)
        len += (size_t)got;
    child.said[len] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &child.status, 0), pid);
}

static void assert_killed(void) {
    assert_true(WIFSIGNALED(child.status));
    assert_true(WTERMSIG(child.status) == SIGSEGV || WTERMSIG(child.status) == SIGBUS);
}

static void assert_said(const char *text) {
    if (!strstr(child.said, text))
        print_error("said: \"%s\"\n", child.said);
    assert_non_null(strstr(child.said, text));
}

static void say(const char *text) { /* for a handler of signals */
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

/* ---- What goes wrong in them ---- */

static int recurse(void *depth) {
    volatile char frame[1024];
    int deeper = *(int *)depth + 1;
    frame[0] = frame[sizeof frame - 1] = (char)deeper;
    if (deeper > 0)
        deeper = recurse(&deeper) + frame[0];
    return deeper;
}

static int overflow(void *arg) {
    (void)arg;
    return recurse(&(int){ 0 });
}

/* Not a guard: a page of somebody else. */
static int fault(void *arg) {
    (void)arg;
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return *page;
}

static int send_signal(void *arg) {
    (void)arg;
    kill(getpid(), SIGSEGV);
    return 0;
}

static int wait_for_nothing(void *arg) {
    (void)arg;
    return tc_await(tc_moment(NULL), NULL);
}

static tc_ioloop_t *new_loop(void) {
    tc_ioloop_t *loop = NULL;
    if (tc_ioloop_new(&loop) < 0 ||
        tc_ioloop_set_coroutine_options(loop, &(tc_coroutine_options_t){ .stack_size = 64 * 1024 }) < 0)
        _exit(1);
    return loop;
}

static void run_in(tc_ioloop_t *loop, tc_coroutine_fn fn) {
    int err = tc_run_sync(loop, fn, NULL, TC_FOREVER);
    (void)err;
}

static void watch(void) {
    if (tc_coroutine_install_overflow_handler() < 0)
        _exit(1);
}

/* ---- With the handler ---- */

static void overflows(void) {
    watch();
    run_in(new_loop(), overflow);
}

static void an_overflow_is_told_and_ends_the_process(void **state) {
    (void)state;
    tell(overflows);
    assert_said(SAYS_SO);
    assert_said(", stack 64 KiB)\n");
    assert_killed();
}

static int madvise_without_guards(void *address, size_t len, int advice) {
    return advice == 102 ? (errno = EINVAL, -1) : madvise(address, len, advice);
}

static void overflows_into_protected_pages(void) {
    tc__stack_sys.madvise = madvise_without_guards;
    overflows();
}

static void so_is_one_where_the_guard_is_protected_pages(void **state) {
    (void)state;
    tell(overflows_into_protected_pages);
    assert_said(SAYS_SO);
    assert_killed();
}

static void watches_late(void) {
    tc_ioloop_t *loop = new_loop();
    run_in(loop, wait_for_nothing);
    watch();
    watch(); /* once more does no harm */
    run_in(loop, overflow);
}

static void the_handler_may_come_behind_the_first_coroutines(void **state) {
    (void)state;
    tell(watches_late);
    assert_said(SAYS_SO);
    assert_null(strstr(strstr(child.said, SAYS_SO) + 1, SAYS_SO));
    assert_killed();
}

static void *run_it(void *loop) {
    run_in(loop, overflow);
    return NULL;
}

static void overflows_on_another_thread(void) {
    pthread_t thread;
    watch();
    pthread_create(&thread, NULL, run_it, new_loop());
    pthread_join(thread, NULL);
}

static void it_is_the_thread_that_runs_them_which_gets_a_stack_for_signals(void **state) {
    (void)state;
    tell(overflows_on_another_thread);
    assert_said(SAYS_SO);
    assert_killed();
}

static void frees_one_of_two_loops(void) {
    watch();
    tc_ioloop_t *first = new_loop(), *second = new_loop();
    run_in(first, wait_for_nothing);
    run_in(second, wait_for_nothing);
    tc_ioloop_free(first);
    run_in(second, overflow);
}

static void the_end_of_another_loop_of_the_thread_changes_nothing(void **state) {
    (void)state;
    tell(frees_one_of_two_loops);
    assert_said(SAYS_SO);
    assert_killed();
}

static int unmapped;

static int counting_munmap(void *address, size_t len) {
    unmapped++;
    return munmap(address, len);
}

static void *run_and_free(void *arg) {
    (void)arg;
    tc_ioloop_t *loop = new_loop();
    run_in(loop, wait_for_nothing);
    tc_ioloop_free(loop);
    unmapped = 0;
    return NULL;
}

static void ends_a_thread(void) {
    pthread_t thread;
    watch();
    tc__stack_sys.munmap = counting_munmap;
    pthread_create(&thread, NULL, run_and_free, NULL);
    pthread_join(thread, NULL);
    _exit(unmapped);
}

static void a_thread_s_end_gives_back_its_stack_for_signals(void **state) {
    (void)state;
    tell(ends_a_thread);
    assert_true(WIFEXITED(child.status));
    assert_int_equal(WEXITSTATUS(child.status), 1);
}

static void *no_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset) {
    (void)address, (void)len, (void)prot, (void)flags, (void)fd, (void)offset;
    errno = ENOMEM;
    return MAP_FAILED;
}

static void has_no_memory(void) {
    tc__stack_sys.mmap = no_mmap;
    if (tc_coroutine_install_overflow_handler() != TC_ENOMEM)
        _exit(2);
    say(tc_error_detail());
    tc__stack_sys.mmap = mmap;
    overflows();
}

static void without_memory_it_is_not_installed_and_may_be_later(void **state) {
    (void)state;
    tell(has_no_memory);
    assert_said("cannot watch for stack overflows: ");
    assert_said(SAYS_SO);
    assert_killed();
}

static int no_sigaction(int signum, const struct sigaction *action, struct sigaction *before) {
    return signum == SIGBUS ? (errno = EINVAL, -1) : sigaction(signum, action, before);
}

static void cannot_watch_for_both_signals(void) {
    struct sigaction now;
    tc__stack_sys.sigaction = no_sigaction;
    if (tc_coroutine_install_overflow_handler() != TC_EINVAL || sigaction(SIGSEGV, NULL, &now) != 0 ||
        now.sa_handler != SIG_DFL)
        _exit(2);
    tc__stack_sys.sigaction = sigaction;
    overflows();
}

static void of_two_signals_both_are_watched_for_or_none(void **state) {
    (void)state;
    tell(cannot_watch_for_both_signals);
    assert_said(SAYS_SO);
    assert_killed();
}

/* ---- Handlers of before ---- */

static char own_stack[64 * 1024];

static void on_signal(int signum) {
    say(signum == SIGSEGV || signum == SIGBUS ? "the one before\n" : "what?\n");
    _exit(7);
}

static void on_signal_with_info(int signum, siginfo_t *info, void *ucontext) {
    if (info && ucontext)
        on_signal(signum);
}

static void handle(bool with_info) {
    struct sigaction action = { .sa_flags = SA_ONSTACK | (with_info ? SA_SIGINFO : 0) };
    if (with_info)
        action.sa_sigaction = on_signal_with_info;
    else
        action.sa_handler = on_signal;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

static void assert_told_to_the_one_before(void) {
    assert_said("the one before\n");
    assert_true(WIFEXITED(child.status));
    assert_int_equal(WEXITSTATUS(child.status), 7);
}

static void overflows_with_a_handler(void) {
    sigaltstack(&(stack_t){ .ss_sp = own_stack, .ss_size = sizeof own_stack }, NULL);
    handle(true);
    overflows();
}

static void behind_the_message_comes_the_handler_of_before(void **state) {
    (void)state;
    tell(overflows_with_a_handler);
    assert_said(SAYS_SO);
    assert_told_to_the_one_before();
}

static void faults(void) {
    watch();
    run_in(new_loop(), fault);
}

static void faults_with_a_plain_handler(void) {
    handle(false);
    faults();
}

static void faults_with_a_handler(void) {
    handle(true);
    faults();
}

static void what_is_no_overflow_goes_to_the_handler_of_before(void **state) {
    (void)state;
    tell(faults_with_a_plain_handler);
    assert_null(strstr(child.said, SAYS_SO));
    assert_told_to_the_one_before();
    tell(faults_with_a_handler);
    assert_null(strstr(child.said, SAYS_SO));
    assert_told_to_the_one_before();
}

static void is_sent_a_signal(void) {
    watch();
    run_in(new_loop(), send_signal);
}

static void if_there_is_none_the_process_ends_as_without_us(void **state) {
    (void)state;
    tell(faults);
    assert_string_equal(child.said, "");
    assert_killed();
    tell(is_sent_a_signal);
    assert_string_equal(child.said, "");
    assert_killed();
}

/* ---- Without it ---- */

static void overflows_unwatched(void) {
    run_in(new_loop(), overflow);
}

static void without_the_handler_an_overflow_is_a_fault_like_any_other(void **state) {
    (void)state;
    tell(overflows_unwatched);
    assert_string_equal(child.said, "");
    assert_killed();
}

int main(void) {
#if defined(TC__ASAN) || defined(TC__TSAN)
    print_message("not with sanitizers, which have handlers of their own\n");
    return 0;
#endif
#ifdef RUNNING_ON_VALGRIND
    if (RUNNING_ON_VALGRIND)
        return 0; /* as has valgrind */
#endif
    const struct CMUnitTest tests[] = {
        TEST(an_overflow_is_told_and_ends_the_process),
        TEST(so_is_one_where_the_guard_is_protected_pages),
        TEST(the_handler_may_come_behind_the_first_coroutines),
        TEST(it_is_the_thread_that_runs_them_which_gets_a_stack_for_signals),
        TEST(the_end_of_another_loop_of_the_thread_changes_nothing),
        TEST(a_thread_s_end_gives_back_its_stack_for_signals),
        TEST(without_memory_it_is_not_installed_and_may_be_later),
        TEST(of_two_signals_both_are_watched_for_or_none),
        TEST(behind_the_message_comes_the_handler_of_before),
        TEST(what_is_no_overflow_goes_to_the_handler_of_before),
        TEST(if_there_is_none_the_process_ends_as_without_us),
        TEST(without_the_handler_an_overflow_is_a_fault_like_any_other),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
