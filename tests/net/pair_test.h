/* pair_test.h - a pair of streams for each test, which runs once per transport: `us`, and `them` who answer. */
#ifndef TC_TESTS_NET_PAIR_TEST_H
#define TC_TESTS_NET_PAIR_TEST_H

#include "net/net_test.h"

static transport_t transport;
static tc_iostream_t *pair[2];
#define us pair[0]
#define them pair[1]

static inline int setup_pair(void **state) {
    if (setup(state) != 0)
        return -1;
    stream_pair(transport, pair, NULL);
    return 0;
}

static inline int teardown_pair(void **state) {
    tc_iostream_close(us);
    tc_iostream_close(them);
    settle();
    return teardown(state);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup_pair, teardown_pair)

static inline void say(const char *text) {
    assert_int_equal(tc_iostream_write(them, tc_str(text), NULL, NULL), 0);
}

#endif
