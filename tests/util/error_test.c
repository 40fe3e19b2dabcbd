/* error_test.c - codes, words, and who sees them. */
#include "util_test.h"

#include <pthread.h>
#include <uv.h>

#include <tornadoc/log.h>

#include "util/error_internal.h"

static const int ours[] = {
    TC_ECLOSED, TC_EPROTO, TC_ETOOBIG, TC_ETLS, TC_EPATTERN, TC_ENOTCORO, TC_EJSON, TC_EOVERLOAD
};

static void expect_uv_text(int err, const char *text) {
    if (err != TC_EALREADY && err != TC_EBUSY && err != TC_ETIMEDOUT) /* which mean more here */
        assert_string_equal(tc_strerror(err), text);
}

static void every_code_has_a_text(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(ours); i++) {
        assert_string_not_equal(tc_strerror(ours[i]), "unknown error");
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(tc_strerror(ours[i]), tc_strerror(ours[j]));
    }
#define SAME(name, text) expect_uv_text(UV_##name, text);
    UV_ERRNO_MAP(SAME)
#undef SAME
    assert_string_equal(tc_strerror(0), "success");
    assert_string_equal(tc_strerror(TC_EALREADY), "done already"); /* libuv's speaks of a connection */
    static const int shared[] = { TC_ENOMEM,    TC_EINVAL,    TC_EBUSY,    TC_EAGAIN,    TC_ENOTSUP,
                                  TC_ECANCELED, TC_ETIMEDOUT, TC_EALREADY, TC_EOVERFLOW, TC_ENOENT };
    for (size_t i = 0; i < COUNT(shared); i++)
        assert_string_not_equal(tc_strerror(shared[i]), "unknown error");
}

static void an_unknown_code_has_a_text_too(void **state) {
    (void)state;
    static const int codes[] = { 1, 404, -1024, -1033, -99999, INT32_MIN, INT32_MAX };
    for (size_t i = 0; i < COUNT(codes); i++)
        assert_string_equal(tc_strerror(codes[i]), "unknown error");
}

static void no_code_of_ours_is_success_to_a_shell_or_a_code_of_libuv(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(ours); i++) {
        assert_int_not_equal(ours[i] % 256, 0);
#define DIFFERS(name, text) assert_int_not_equal(ours[i], UV_##name);
        UV_ERRNO_MAP(DIFFERS)
#undef DIFFERS
    }
}

static void failing_keeps_the_words_and_returns_the_code(void **state) {
    (void)state;
    assert_int_equal(tc__fail(TC_EINVAL, "port %d: not in 0 to 65535", 70000), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "port 70000: not in 0 to 65535");
    assert_int_equal(tc__fail(TC_ENOENT, "listen: %s", tc_error_detail()), TC_ENOENT); /* the old words in the new */
    assert_string_equal(tc_error_detail(), "listen: port 70000: not in 0 to 65535");
}

static void long_words_are_cut(void **state) {
    (void)state;
    char word[5000];
    memset(word, 'w', sizeof(word));
    word[sizeof(word) - 1] = '\0';
    assert_int_equal(tc__fail(-1, "%s", word), -1);
    size_t len = strlen(tc_error_detail());
    assert_true(len > 100 && len < sizeof(word));
    assert_memory_equal(tc_error_detail(), word, len);
}

static void see_no_words_then_fail(void *out) {
    *(bool *)out = tc_error_detail()[0] == '\0';
    tc__fail(-1, "from the other thread");
}

static void words_belong_to_their_thread(void **state) {
    (void)state;
    bool was_empty = false;
    uv_thread_t thread;
    tc__fail(-1, "mine");
    assert_int_equal(uv_thread_create(&thread, see_no_words_then_fail, &was_empty), 0);
    uv_thread_join(&thread);
    assert_true(was_empty);
    assert_string_equal(tc_error_detail(), "mine");
}

static char logged[200];

static void keep_record(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    snprintf(logged, sizeof(logged), "%d %s %s", record->level, record->logger, record->message);
}

static void misuse_is_also_logged(void **state) {
    (void)state;
    tc_set_log_callback(keep_record, NULL);
    assert_int_equal(tc__misuse(TC_EINVAL, "%s must not be NULL", "app"), TC_EINVAL);
    assert_string_equal(tc_error_detail(), "app must not be NULL");
    assert_string_equal(logged, "4 tornado.general app must not be NULL");
}

static void all_zero_means_every_byte(void **state) {
    (void)state;
    char bytes[9] = { 0 };
    assert_true(tc__all_zero(bytes, sizeof(bytes)));
    assert_true(tc__all_zero(NULL, 0));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)0x80;
        assert_false(tc__all_zero(bytes, sizeof(bytes)));
        assert_true(tc__all_zero(bytes, i));
        bytes[i] = 0;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_text),
        cmocka_unit_test(an_unknown_code_has_a_text_too),
        cmocka_unit_test(no_code_of_ours_is_success_to_a_shell_or_a_code_of_libuv),
        cmocka_unit_test(failing_keeps_the_words_and_returns_the_code),
        cmocka_unit_test(long_words_are_cut),
        cmocka_unit_test(words_belong_to_their_thread),
        cmocka_unit_test(misuse_is_also_logged),
        cmocka_unit_test(all_zero_means_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
