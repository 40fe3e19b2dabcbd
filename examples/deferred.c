/*
 * deferred.c - answers that come later, while the loop serves others. (Tornado: await gen.sleep, run_in_executor)
 *
 * Three sources of an answer: a timer, blocking work on the executor's threads, and a thread of the program's own,
 * which gets a token for the request. A client that leaves does no harm to any of them.
 *
 *     examples/run deferred
 *     curl 'localhost:8888/timer?ms=1000'
 *     curl 'localhost:8888/executor?password=secret'
 *     curl localhost:8888/thread
 */
#define _POSIX_C_SOURCE 200809L /* sleep, under -std=c11 */
#include <pthread.h>
#include <stdlib.h>
#include <tornadoc.h>
#include <unistd.h>

/* ---- A timer: the handler returns at once, `woken` answers ---- */

static int woken(tc_request_t *req, tc_future_t *slept, void *arg) {
    (void)arg;
    TC_TRY(tc_future_status(slept));
    return tc_writef(req, "slept for %llu ms\n", (unsigned long long)tc_request_time_ms(req));
}

static int by_timer(tc_request_t *req) {
    int ms = atoi(tc_get_argument(req, "ms", "1000"));
    if (ms < 0 || ms > 60000)
        return tc_http_error(req, 400, "ms must be from 0 to 60000");
    return tc_then(req, tc_sleep(NULL, (uint64_t)ms), woken, NULL);
}

/* ---- The executor: `hash` runs on a worker thread, `hashed` on the loop again ---- */

typedef struct {
    const char *password;
    uint64_t hash;
} job_t;

static int hash(void *arg, void **out) {
    job_t *job = arg;
    uint64_t h = 14695981039346656037u;
    for (int round = 0; round < 1000000; round++)
        for (const char *c = job->password; *c; c++)
            h = (h ^ (unsigned char)*c) * 1099511628211u;
    job->hash = h;
    *out = job;
    return 0;
}

static int hashed(tc_request_t *req, tc_future_t *worked, void *arg) {
    const job_t *job = arg;
    TC_TRY(tc_future_status(worked));
    return tc_writef(req, "%016llx\n", (unsigned long long)job->hash);
}

static int by_executor(tc_request_t *req) {
    job_t *job = tc_alloc(req, sizeof *job); /* lives with the request, and the request until the work is done */
    if (!job)
        return TC_ENOMEM;
    TC_TRY(tc_require_argument(req, "password", &job->password));
    return tc_then(req, tc_run_in_executor(NULL, hash, job, NULL), hashed, job);
}

/* ---- An own thread: it holds a token, never the request itself ---- */

static int measured(tc_request_t *req, void *arg) { /* on the loop */
    int *degrees = arg;
    int err = tc_writef(req, "%d degrees\n", *degrees);
    free(degrees);
    return err;
}

static void *measure(void *arg) { /* on its thread: what is marked TC_ANY_THREAD may be called */
    tc_deferred_t *token = arg;
    int *degrees = malloc(sizeof *degrees);
    sleep(1);
    if (degrees) {
        *degrees = 21;
        if (tc_deferred_post(token, measured, degrees) < 0)
            free(degrees); /* nobody waits any more */
    }
    tc_deferred_unref(token); /* the last one gone without an answer: 500 */
    return NULL;
}

static int by_thread(tc_request_t *req) {
    pthread_t thread;
    tc_deferred_t *token = tc_defer(req);
    int err = token ? -pthread_create(&thread, NULL, measure, token) : TC_ENOMEM;
    if (err < 0) {
        tc_deferred_unref(token);
        return err;
    }
    pthread_detach(thread);
    return TC_DETACH;
}

int main(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/timer", &(tc_request_handler_t){ .get = by_timer, .flags = TC_CANCEL_ON_CLOSE }, NULL);
    tc_application_add(app, "/executor", &(tc_request_handler_t){ .get = by_executor, .timeout_ms = 10000 }, NULL);
    tc_application_add(app, "/thread", &(tc_request_handler_t){ .get = by_thread }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
