/*
 * download.c - an answer of any length in little memory, made while the client reads it: with callbacks, and awaited.
 * (Tornado: `await self.flush()`)
 *
 *     examples/run download
 *     curl localhost:8888/callback
 *     curl --limit-rate 20M localhost:8888/await
 *
 * What is written and flushed is queued as long as the client does not take it. Above a mark of 1 MiB the handler waits
 * (tc_drained); a client that leaves ends it by TC_ECLOSED, without a word in the log.
 */
#include <tornadoc.h>

enum { LINES = 2000000, AT_A_TIME = 1000 };

/* Some lines, and out with them. */
static int write_lines(tc_request_t *req, int from) {
    for (int i = from; i < from + AT_A_TIME; i++)
        TC_TRY(tc_writef(req, "line %d\n", i));
    return tc_flush(req);
}

/* Again and again, until the client has to catch up; then later. */
static int more(tc_request_t *req, tc_future_t *drained, void *arg) {
    int *next = tc_data(req);
    if (drained)
        TC_TRY(tc_future_status(drained));
    for (; *next < LINES; *next += AT_A_TIME) {
        if (!tc_writable(req))
            return tc_then(req, tc_drained(req), more, arg);
        TC_TRY(write_lines(req, *next));
    }
    return 0;
}

static int by_callback(tc_request_t *req) {
    return more(req, NULL, NULL);
}

static int by_await(tc_request_t *req) {
    for (int next = 0; next < LINES; next += AT_A_TIME) {
        TC_TRY(tc_await(tc_drained(req), NULL)); /* mostly at once */
        TC_TRY(write_lines(req, next));
    }
    return 0;
}

int main(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/callback", &(tc_request_handler_t){ .get = by_callback, .data_size = sizeof(int) }, NULL);
    tc_application_add(app, "/await", &(tc_request_handler_t){ .get = by_await, .flags = TC_COROUTINE }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
