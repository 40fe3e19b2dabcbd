/*
 * overflow.c - a stack overflow that says what it is. Opt-in, for it is the process's signals.
 *
 * The fault happens in the guard below a stack, where there is no stack left: so the handler runs on one of its own,
 * one per thread, until that ends. It says which stack, puts back what was there before and returns: the instruction
 * faults again, and whoever handled it before, or the core dump, finds it where it happened.
 *
 * In the handler: no lock, no memory, no stdio.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "async/ioloop_private.h"
#include "coroutine/coroutine_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

enum { SIGNAL_STACK_SIZE = 64 * 1024 };

static struct sigaction before_segv, before_bus;
static atomic_bool installed;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_end;
static int key_err;
static _Thread_local bool has_signal_stack; /* this thread; ours, or one that the program gave it */

static char *put_text(char *out, const char *text) {
    while (*text)
        *out++ = *text++;
    return out;
}

static void say(const void *address, size_t stack_size) {
    char line[160], *end = put_text(line, "tornadoc: coroutine stack overflow (fault at 0x");
    for (int shift = (int)sizeof(uintptr_t) * 8 - 4; shift >= 0; shift -= 4)
        *end++ = "0123456789abcdef"[(uintptr_t)address >> shift & 15];
    end = put_text(end, ", stack ");
    end = tc__format_uint64(end, stack_size / 1024);
    end = put_text(end, " KiB)\n");
    ssize_t written = write(STDERR_FILENO, line, (size_t)(end - line));
    (void)written;
}

static void on_fault(int signum, siginfo_t *info, void *ucontext) {
    int saved = errno;
    const struct sigaction *before = signum == SIGSEGV ? &before_segv : &before_bus;
    tc__coroutine_t *coroutine = tc__coroutine_current();
    bool sent = info->si_code <= 0; /* by kill: no instruction faults again */
    bool ours = !sent && coroutine &&
                tc__stack_guards(&coroutine->home->pool, coroutine->stack, (uintptr_t)info->si_addr);
    if (ours)
        say(info->si_addr, coroutine->home->pool.stack_size);
    errno = saved;
    if (!ours && (before->sa_flags & SA_SIGINFO) && before->sa_sigaction) {
        before->sa_sigaction(signum, info, ucontext);
        return;
    }
    if (!ours && !(before->sa_flags & SA_SIGINFO) && before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(signum);
        return;
    }
    sigaction(signum, before, NULL);
    if (sent)
        raise(signum); /* comes when this returns */
}

/* ---- A stack for each thread ---- */

static void end_thread(void *signal_stack) {
    sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    tc__stack_sys.munmap(signal_stack, SIGNAL_STACK_SIZE);
}

static void make_key(void) {
    key_err = pthread_key_create(&at_thread_end, end_thread);
}

static int give_signal_stack(void) {
    pthread_once(&once, make_key);
    if (key_err != 0)
        return -key_err;
    stack_t stack = { .ss_size = SIGNAL_STACK_SIZE };
    stack.ss_sp = tc__stack_sys.mmap(NULL, SIGNAL_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                                     0);
    if (stack.ss_sp == MAP_FAILED)
        return -errno;
    int err = pthread_setspecific(at_thread_end, stack.ss_sp);
    if (err == 0 && sigaltstack(&stack, NULL) == 0)
        return 0;
    err = err != 0 ? err : errno;
    pthread_setspecific(at_thread_end, NULL);
    tc__stack_sys.munmap(stack.ss_sp, SIGNAL_STACK_SIZE);
    return -err;
}

int tc__overflow_begin_thread(void) {
    stack_t now;
    if (!atomic_load_explicit(&installed, memory_order_relaxed) || has_signal_stack)
        return 0;
    bool disabled = sigaltstack(NULL, &now) != 0 || (now.ss_flags & SS_DISABLE);
    TC_TRY(disabled ? give_signal_stack() : 0); /* the program's own will do */
    has_signal_stack = true;
    return 0;
}

/* Both, or neither. */
static int handle_signals(void) {
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
    action.sa_sigaction = on_fault;
    sigemptyset(&action.sa_mask);
    if (tc__stack_sys.sigaction(SIGSEGV, &action, &before_segv) != 0)
        return -errno;
    if (tc__stack_sys.sigaction(SIGBUS, &action, &before_bus) == 0)
        return 0;
    int err = -errno;
    tc__stack_sys.sigaction(SIGSEGV, &before_segv, NULL);
    return err;
}

int tc_coroutine_install_overflow_handler(void) {
    if (atomic_exchange(&installed, true))
        return tc__overflow_begin_thread();
    int err = tc__overflow_begin_thread();
    if (err == 0)
        err = handle_signals();
    if (err < 0) {
        atomic_store(&installed, false);
        return tc__fail(err, "cannot watch for stack overflows: %s", tc_strerror(err));
    }
    return 0;
}
