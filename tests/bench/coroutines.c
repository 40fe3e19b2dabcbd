/*
 * What coroutines cost by themselves, without sockets: nanoseconds to start and end one, to suspend and resume one, and
 * the memory of 40,000 handlers that wait at once, on connections in memory, against handlers that wait by a token.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tornadoc.h>

enum { STARTS = 1000000, SWITCHES = 2000000, ROUND = 1000, AT_ONCE = 100, HANDLERS = 40000 };

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void check(int err, const char *what) {
    if (err < 0) {
        fprintf(stderr, "bench_coroutines: %s: %s (%s)\n", what, tc_strerror(err), tc_error_detail());
        exit(1);
    }
}

/* ---- Time ---- */

static int nothing(void *arg) {
    (void)arg;
    return 0;
}

static int start_and_end(void *arg) {
    (void)arg;
    for (int i = 0; i < STARTS; i += ROUND) {
        for (int k = 0; k < ROUND; k++)
            tc_future_unref(tc_spawn(NULL, nothing, NULL));
        TC_TRY(tc_await(tc_moment(NULL), NULL));
    }
    return 0;
}

static int await_moments(void *arg) {
    (void)arg;
    for (int i = 0; i < SWITCHES / AT_ONCE; i++)
        TC_TRY(tc_await(tc_moment(NULL), NULL));
    return 0;
}

static int suspend_and_resume(void *arg) {
    (void)arg;
    tc_scope_t *scope = tc_scope_open();
    for (int i = 0; i < AT_ONCE; i++)
        tc_scope_spawn(scope, await_moments, NULL);
    return tc_scope_close(scope);
}

static int await_what_is_done(void *arg) {
    (void)arg;
    for (int i = 0; i < SWITCHES; i++) {
        tc_future_t *future = tc_future_new(NULL);
        tc_future_set_result(future, NULL, NULL);
        TC_TRY(tc_await(future, NULL));
    }
    return 0;
}

static void measure(const char *what, tc_coroutine_fn fn, int count) {
    tc_ioloop_t *loop;
    check(tc_ioloop_new(&loop), "tc_ioloop_new");
    check(tc_run_sync(loop, fn, NULL, TC_FOREVER), what); /* warm */
    double begin = now_ns();
    check(tc_run_sync(loop, fn, NULL, TC_FOREVER), what);
    printf("  %-46s %7.1f ns\n", what, (now_ns() - begin) / count);
    tc_ioloop_free(loop);
}

/* ---- Memory ---- */

static int await_for_ever(tc_request_t *req) {
    (void)req;
    return tc_await(tc_sleep(NULL, 3600 * 1000), NULL);
}

static int after_it(tc_request_t *req, tc_future_t *slept, void *arg) {
    (void)req, (void)arg;
    return tc_future_status(slept);
}

static int wait_for_ever(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 3600 * 1000), after_it, NULL);
}

/* "VmRSS:" or "VmPTE:", in bytes. */
static double status_of_process(const char *name) {
    char line[256];
    double value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = atof(line + strlen(name)) * 1024;
    if (file)
        fclose(file);
    return value;
}

/* In a process of its own, so that nothing of the other is used again. @return bytes per handler */
static double memory_of(const tc_request_handler_t *handler) {
    tc_application_t *app = tc_application_new(NULL);
    check(tc_application_add(app, "/", handler, NULL), "tc_application_add");
    tc_test_client_t *client = tc_test_client_new(app);
    if (!client)
        check(TC_ENOMEM, "tc_test_client_new");
    check(tc_ioloop_set_coroutine_options(tc_test_client_loop(client),
                                          &(tc_coroutine_options_t){ .max_coroutines = HANDLERS }),
          "tc_ioloop_set_coroutine_options");
    double before = status_of_process("VmRSS:") + status_of_process("VmPTE:");
    for (int i = 0; i < HANDLERS; i++)
        check(tc_test_client_start(client, "/", NULL), "tc_test_client_start");
    check(tc_test_client_advance(client, 0), "tc_test_client_advance");
    double bytes = status_of_process("VmRSS:") + status_of_process("VmPTE:") - before;
    int id = tc_test_client_start(client, "/", NULL); /* one too many: it alone is answered */
    check(tc_test_client_advance(client, 0), "tc_test_client_advance");
    if (tc_test_client_response(client, 1) || (handler->flags && !tc_test_client_response(client, id)))
        check(TC_EPROTO, "they do not all wait");
    return bytes / HANDLERS;
}

static double memory_apart(const tc_request_handler_t *handler) {
    int ends[2];
    double bytes = 0;
    check(pipe(ends) == 0 ? 0 : -1, "pipe");
    pid_t child = fork();
    if (child == 0) {
        bytes = memory_of(handler);
        _exit(write(ends[1], &bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
    }
    close(ends[1]);
    if (read(ends[0], &bytes, sizeof bytes) != sizeof bytes)
        exit(1); /* it has said why */
    close(ends[0]);
    waitpid(child, NULL, 0);
    return bytes;
}

int main(void) {
    printf("coroutines by themselves\n");
    measure("started from the ready queue, run to the end", start_and_end, STARTS);
    measure("suspended and resumed (an await of a moment)", suspend_and_resume, SWITCHES);
    measure("not suspended (an await of what is done)", await_what_is_done, SWITCHES);
    tc_set_log_level(TC_LOG_SILENT);
    double by_token = memory_apart(&(tc_request_handler_t){ .get = wait_for_ever });
    double suspended = memory_apart(&(tc_request_handler_t){ .flags = TC_COROUTINE, .get = await_for_ever });
    printf("%d handlers wait at once, memory and page tables of each\n", HANDLERS);
    printf("  %-46s %7.0f bytes\n", "callbacks (with request and both ends in memory)", by_token);
    printf("  %-46s %7.0f bytes\n", "coroutines", suspended);
    printf("  %-46s %7.0f bytes\n", "a coroutine more than callbacks", suspended - by_token);
    return 0;
}
