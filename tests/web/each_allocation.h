/* each_allocation.h - a request whose allocations fail in turn, once and from then on: its answer, an error's or none
 * at all, and never a crash or a leak; then the same request is answered as ever. */
#ifndef EACH_ALLOCATION_H
#define EACH_ALLOCATION_H

#include "web/web_test.h"

typedef struct {
    void (*make_app)(void); /* sets `app` */
    int (*ask)(size_t i);   /* the status; 0: no answer */
    size_t i;
    const char *method, *path;
    int status;        /* with all the memory there is */
    const char *never; /* what nobody notes meanwhile; NULL: anything may be noted */
    long most;         /* of allocations */
} tried_request_t;

static inline bool is_expected(const tried_request_t *tried, int status) {
    return status == tried->status || status == 0 || status == 500 || status == 503;
}

/* With a client of its own, whose loop has no blocks to spare. Returns whether no allocation was left to fail. */
static inline bool try_request(const tried_request_t *tried, long nth, bool for_good) {
    tried->make_app();
    serve();
    noted();
    fail_allocation(nth, for_good);
    int status = tried->ask(tried->i);
    bool complete = atomic_load(&memory.calls) < nth;
    allow_allocations();
    tc_test_client_advance(client, 2000);
    bool good = is_expected(tried, status) && (!complete || status == tried->status);
    const char *notes = noted();
    if (!good || (tried->never && strstr(notes, tried->never)))
        fail_msg("%s %s, allocation %ld: %d, noted \"%s\"", tried->method, tried->path, nth, status, notes);
    int again = tried->ask(tried->i);
    if (again != tried->status)
        fail_msg("%s %s, after allocation %ld: %d", tried->method, tried->path, nth, again);
    stop_serving();
    noted();
    forget_log();
    return complete;
}

static inline void fail_each_allocation(const tried_request_t *tried) {
    for (int for_good = 0; for_good < 2; for_good++)
        for (long nth = 1; !try_request(tried, nth, for_good); nth++) {
            assert_int_equal(atomic_load(&memory.live), 0);
            assert_true(nth < tried->most);
        }
}

#endif
