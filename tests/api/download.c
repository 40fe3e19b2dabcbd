/* A long answer, made while the client reads it. */
#include <tornadoc.h>

enum { LAST = 10000000 };

static int more(tc_request_t *req, tc_future_t *drained, void *arg) {
    int *next = tc_data(req);
    if (drained)
        TC_TRY(tc_future_status(drained)); /* TC_ECLOSED: the client left; a quiet end */
    while (*next < LAST) {
        TC_TRY(tc_writef(req, "line %d\n", (*next)++));
        if (*next % 1000 == 0) {
            TC_TRY(tc_flush(req));
            if (!tc_writable(req))
                return tc_then(req, tc_drained(req), more, arg);
        }
    }
    return 0;
}

static int by_callback(tc_request_t *req) {
    return more(req, NULL, NULL);
}

int main(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/callback", &(tc_request_handler_t){ .get = by_callback, .data_size = sizeof(int) }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
