/*
 * overflow.c - a stack overflow that says what it is. Opt-in, for it is the process's signals.
 *
 * The fault happens in the guard below a stack, where there is no stack left: so the handler runs on one of its own,
 * one per thread. It says which stack, puts back what was there before and returns: the instruction faults again, and
 * whoever handled it before, or the core dump, finds it where it happened.
 *
 * In the handler: no lock, no memory, no stdio.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "async/ioloop_private.h"
#include "coroutine/coroutine_internal.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

enum { SIGNAL_STACK_SIZE = 64 * 1024 };

static struct sigaction before_segv, before_bus;
static atomic_bool installed;
static _Thread_local void *signal_stack; /* this thread's, unless the program gave it one */

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
    bool ours = coroutine && tc__stack_pool_guards(&coroutine->home->pool, (uintptr_t)info->si_addr);
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
}

int tc__overflow_begin_thread(void) {
    stack_t now, stack = { .ss_size = SIGNAL_STACK_SIZE };
    if (!atomic_load(&installed) || signal_stack)
        return 0;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE))
        return 0; /* the program's own will do */
    void *memory = tc__malloc(SIGNAL_STACK_SIZE);
    if (!memory)
        return TC_ENOMEM;
    stack.ss_sp = memory;
    if (sigaltstack(&stack, NULL) != 0) {
        tc__free(memory);
        return -errno;
    }
    signal_stack = memory;
    return 0;
}

void tc__overflow_end_thread(void) {
    if (!signal_stack)
        return;
    sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
    tc__free(signal_stack);
    signal_stack = NULL;
}

int tc_coroutine_install_overflow_handler(void) {
    if (atomic_exchange(&installed, true))
        return tc__overflow_begin_thread();
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
    action.sa_sigaction = on_fault;
    sigemptyset(&action.sa_mask);
    int err = tc__overflow_begin_thread();
    if (err == 0 && (sigaction(SIGSEGV, &action, &before_segv) != 0 || sigaction(SIGBUS, &action, &before_bus) != 0))
        err = -errno;
    if (err < 0) {
        atomic_store(&installed, false);
        return tc__fail(err, "cannot watch for stack overflows: %s", tc_strerror(err));
    }
    return 0;
}
