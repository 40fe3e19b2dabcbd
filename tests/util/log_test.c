/* log_test.c - what arrives at the callback, and what is seen on stderr. */
#include "util_test.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include <uv.h>

#include "util/log_internal.h"

static int place;
static const tc_request_t *const req = (const tc_request_t *)(void *)&place; /* only carried */

/* ---- A callback that keeps the last record ---- */

static struct {
    int calls;
    tc_log_record_t record;
    char message[8192];
    void *user_data;
} seen;

static void keep(const tc_log_record_t *record, void *user_data) {
    seen.calls++;
    seen.record = *record;
    seen.user_data = user_data;
    assert_true(strlen(record->message) < sizeof(seen.message));
    strcpy(seen.message, record->message);
}

static int keep_records(void **state) {
    (void)state;
    memset(&seen, 0, sizeof(seen));
    tc_set_log_level(TC_LOG_WARNING);
    tc_set_log_callback(keep, &seen);
    return 0;
}

/* ---- Records ---- */

static void a_message_arrives_with_all_it_is_about(void **state) {
    (void)state;
    tc__log(TC__LOG_ACCESS, TC_LOG_ERROR, req, "%d %s", 500, "GET /");
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.record.level, TC_LOG_ERROR);
    assert_string_equal(seen.record.logger, "tornado.access");
    assert_ptr_equal(seen.record.request, req);
    assert_int_equal(seen.record.suppressed, 0);
    assert_string_equal(seen.message, "500 GET /");
    assert_ptr_equal(seen.user_data, &seen);
}

static void programs_log_to_application(void **state) {
    (void)state;
    tc_logf(req, TC_LOG_WARNING, "low on %s", "tea");
    assert_string_equal(seen.record.logger, "tornado.application");
    assert_ptr_equal(seen.record.request, req);
    assert_string_equal(seen.message, "low on tea");
    tc_logf(NULL, TC_LOG_WARNING, "%s", "");
    assert_null(seen.record.request);
    assert_string_equal(seen.message, "");
}

TC_PRINTF(1, 2) static void log_by_list(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    tc_vlogf(req, TC_LOG_ERROR, fmt, args);
    va_end(args);
}

static void programs_may_hand_on_their_arguments(void **state) {
    (void)state;
    log_by_list("%s: %d", "answer", 42);
    assert_string_equal(seen.record.logger, "tornado.application");
    assert_ptr_equal(seen.record.request, req);
    assert_string_equal(seen.message, "answer: 42");
}

static void only_what_has_the_level_is_seen(void **state) {
    (void)state;
    for (int limit = TC_LOG_DEBUG; limit <= TC_LOG_SILENT; limit++) {
        tc_set_log_level((tc_log_level_t)limit);
        assert_int_equal(tc_log_level(), limit);
        for (int level = TC_LOG_DEBUG; level <= TC_LOG_ERROR; level++) {
            seen.calls = 0;
            tc_logf(NULL, (tc_log_level_t)level, "x");
            assert_int_equal(seen.calls, level >= limit);
            assert_int_equal(tc__log_wanted((tc_log_level_t)level), level >= limit);
        }
    }
}

static void a_level_that_is_none_is_no_message(void **state) {
    (void)state;
    tc_set_log_level(TC_LOG_DEBUG);
    tc_logf(NULL, TC_LOG_SILENT, "x");
    tc_logf(NULL, (tc_log_level_t)0, "x");
    tc_logf(NULL, (tc_log_level_t)77, "x");
    assert_int_equal(seen.calls, 0);
    tc_set_log_level((tc_log_level_t)0);
    assert_int_equal(tc_log_level(), TC_LOG_DEBUG);
    tc_set_log_level((tc_log_level_t)77);
    assert_int_equal(tc_log_level(), TC_LOG_SILENT);
}

static void what_is_not_wanted_is_not_formatted(void **state) {
    (void)state;
    int formatted = 4711;
    tc_logf(NULL, TC_LOG_INFO, "x%n", &formatted);
    assert_int_equal(formatted, 4711);
    tc_logf(NULL, TC_LOG_WARNING, "x%n", &formatted);
    assert_int_equal(formatted, 1);
}

static void without_a_callback_messages_go_nowhere(void **state) {
    (void)state;
    tc_set_log_callback(NULL, NULL);
    tc_logf(NULL, TC_LOG_ERROR, "x");
    tc_set_log_callback(keep, NULL);
    tc_logf(NULL, TC_LOG_ERROR, "y");
    assert_int_equal(seen.calls, 1);
    assert_null(seen.user_data);
}

static void log_again(const tc_log_record_t *record, void *user_data) {
    ++*(int *)user_data;
    errno = EIO;
    tc_logf(NULL, TC_LOG_ERROR, "%s", record->message);
}

static void a_callback_that_logs_does_not_call_itself(void **state) {
    (void)state;
    int calls = 0;
    tc_set_log_callback(log_again, &calls);
    tc_logf(NULL, TC_LOG_ERROR, "x");
    tc_logf(NULL, TC_LOG_ERROR, "y");
    assert_int_equal(calls, 2);
}

static void errno_stays(void **state) {
    (void)state;
    int calls = 0;
    tc_set_log_callback(log_again, &calls);
    errno = ENOSPC;
    tc_logf(NULL, TC_LOG_ERROR, "x");
    assert_int_equal(errno, ENOSPC);
}

static void choose_debug(const tc_request_t *req, tc__log_sink_t *sink) {
    (void)req;
    assert_int_equal(sink->level, tc_log_level());
    sink->level = TC_LOG_DEBUG;
}

static void what_is_about_a_request_goes_where_that_wants_it(void **state) {
    (void)state;
    const tc_request_t *req = (const tc_request_t *)state; /* nobody looks at it */
    tc__log_set_request_sink(choose_debug);
    tc_logf(req, TC_LOG_DEBUG, "of a request");
    assert_string_equal(seen.message, "of a request");
    tc_logf(NULL, TC_LOG_DEBUG, "of the process");
    assert_string_equal(seen.message, "of a request");
    tc__log_set_request_sink(NULL);
    tc_logf(req, TC_LOG_DEBUG, "without a layer above");
    assert_string_equal(seen.message, "of a request");
}

/* ---- Escaping ---- */

static const struct {
    tc_bytes_t text;
    const char *escaped;
} escapes[] = {
    { { "", 0 }, "" },
    { { "plain \"text\" ~", 14 }, "plain \"text\" ~" },
    { { "a\r\nb\tc", 6 }, "a\\x0d\\x0ab\\x09c" },
    { { "\0\x01\x1f\x7f", 4 }, "\\x00\\x01\\x1f\\x7f" },
    { { "\033[31m", 5 }, "\\x1b[31m" },
    { { "\\x0a", 4 }, "\\x5cx0a" }, /* so that nobody can write what looks like ours */
    { { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9 }, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
    { { "\xff\xfe\xc3", 3 }, "\\xff\\xfe\\xc3" },
    { { "\xc3(", 2 }, "\\xc3(" },
    { { "\xe2\x82", 2 }, "\\xe2\\x82" },
    { { "\xe2\x82\n", 3 }, "\\xe2\\x82\\x0a" },
    { { "\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80", 9 }, "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80" },
    { { "\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", 8 }, "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\xc2\xa0" }, /* C1 controls */
};

static void foreign_bytes_are_escaped(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(escapes); i++) {
        tc_bytes_t text = on_heap(escapes[i].text);
        char out[100];
        assert_int_equal(tc__log_escape(out, sizeof(out), text), strlen(escapes[i].escaped));
        assert_string_equal(out, escapes[i].escaped);
        off_heap(text);
    }
}

static void an_escaped_text_is_never_cut_within_a_character(void **state) {
    (void)state;
    tc_bytes_t text = TEXT("a\n\xe2\x82\xac\\b");
    static const char whole[] = "a\\x0a\xe2\x82\xac\\x5cb";
    static const size_t ends[] = { 0, 1, 5, 8, 12, 13 }; /* where a piece ends */
    assert_int_equal(tc__log_escape(NULL, 0, text), sizeof(whole) - 1);
    for (size_t size = 1; size <= sizeof(whole) + 2; size++) {
        char out[32];
        size_t kept = 0;
        for (size_t i = 0; i < COUNT(ends) && ends[i] < size; i++)
            kept = ends[i];
        memset(out, '#', sizeof(out));
        assert_int_equal(tc__log_escape(out, size, text), sizeof(whole) - 1);
        assert_int_equal(strlen(out), kept);
        assert_memory_equal(out, whole, kept);
        assert_int_equal(out[size], '#');
    }
}

static void a_message_is_escaped_as_a_whole(void **state) {
    (void)state;
    tc_logf(NULL, TC_LOG_ERROR, "bad name '%s'\t", "x\r\n[E 260101 00:00:00 general] forged\xff");
    assert_string_equal(seen.message, "bad name 'x\\x0d\\x0a[E 260101 00:00:00 general] forged\\xff'\\x09");
}

static void a_newline_at_the_end_is_a_habit(void **state) {
    (void)state;
    tc_logf(NULL, TC_LOG_ERROR, "one\n");
    assert_string_equal(seen.message, "one");
    tc_logf(NULL, TC_LOG_ERROR, "two\n\n");
    assert_string_equal(seen.message, "two\\x0a");
    tc_logf(NULL, TC_LOG_ERROR, "\n");
    assert_string_equal(seen.message, "");
}

static void long_messages_are_cut_and_marked(void **state) {
    (void)state;
    static const char *const letters[] = { "x", "\n", "\xe2\x82\xac", "\xff" };
    for (size_t i = 0; i < COUNT(letters); i++) {
        for (size_t count = 600; count < 3000; count++) {
            static char text[10000];
            size_t step = strlen(letters[i]);
            for (size_t j = 0; j < count; j++)
                memcpy(text + j * step, letters[i], step);
            text[count * step] = '\0';
            tc_logf(NULL, TC_LOG_ERROR, "%s|", text);

            size_t len = strlen(seen.message), whole = tc__log_escape(NULL, 0, tc_str(text)) + 1;
            bool cut = len != whole || seen.message[len - 1] != '|';
            assert_true(len < 4000);
            assert_true(!cut || (len > 2000 && strcmp(seen.message + len - 3, "...") == 0));
            char again[8192];
            if (letters[i][0] != '\n' && letters[i][0] != '\xff') /* whole characters only: nothing to escape */
                assert_int_equal(tc__log_escape(again, sizeof(again), tc_str(seen.message)), len);
        }
    }
}

static void what_cannot_be_formatted_is_said_so(void **state) {
    (void)state;
    tc_logf(NULL, TC_LOG_ERROR, "%ls", (const wchar_t[]){ 0x7fffffff, 0 }); /* no character */
    assert_int_equal(seen.calls, 1);
    assert_non_null(strstr(seen.message, "could not be formatted"));
}

/* ---- The rate limit ---- */

static void a_burst_a_second_passes(void **state) {
    (void)state;
    static tc__log_limit_t limit;
    uint64_t suppressed;
    for (uint64_t second = 0; second < 4; second++) {
        for (int i = 0; i < 100; i++) {
            suppressed = 4711;
            bool passes = tc__log_limit_take(&limit, second, &suppressed);
            assert_int_equal(passes, i < TC__LOG_BURST);
            assert_int_equal(suppressed, !passes ? 4711 : i == 0 && second > 0 ? 100 - TC__LOG_BURST : 0);
        }
    }
}

static void what_was_suppressed_is_told_once_and_much_later_too(void **state) {
    (void)state;
    static tc__log_limit_t limit;
    uint64_t suppressed;
    for (int i = 0; i < 7; i++)
        tc__log_limit_take(&limit, 5, &suppressed);
    assert_true(tc__log_limit_take(&limit, 1000000, &suppressed));
    assert_int_equal(suppressed, 2);
    assert_true(tc__log_limit_take(&limit, 1000000, &suppressed));
    assert_int_equal(suppressed, 0);
}

static void a_thread_that_is_late_opens_no_new_second(void **state) {
    (void)state;
    static tc__log_limit_t limit;
    uint64_t suppressed;
    for (int i = 0; i < TC__LOG_BURST; i++)
        assert_true(tc__log_limit_take(&limit, 10 - (uint64_t)(i % 2), &suppressed));
    assert_false(tc__log_limit_take(&limit, 9, &suppressed));
    assert_false(tc__log_limit_take(&limit, 10, &suppressed));
    assert_true(tc__log_limit_take(&limit, 11, &suppressed));
    assert_int_equal(suppressed, 2);
}

static void a_limited_line_says_what_came_before(void **state) {
    (void)state;
    static tc__log_limit_t limit;
    uint64_t start = uv_hrtime() / 1000000000;
    for (int i = 0; i < 1000; i++)
        tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, req, "line %d", i);
    uint64_t seconds = uv_hrtime() / 1000000000 - start + 1;
    assert_true(seen.calls >= TC__LOG_BURST && seen.calls <= (int)seconds * TC__LOG_BURST);
    assert_string_equal(seen.record.logger, "tornado.general");
    assert_ptr_equal(seen.record.request, req);

    atomic_store(&limit.dropped, 7);
    atomic_store(&limit.window, 0); /* long ago */
    tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "last\n");
    assert_string_equal(seen.message, "last");
    assert_int_equal(seen.record.level, TC_LOG_ERROR);
    assert_int_equal(seen.record.suppressed, 7);
}

static void what_is_not_wanted_does_not_count(void **state) {
    (void)state;
    static tc__log_limit_t limit;
    for (int i = 0; i < 100; i++)
        tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_INFO, NULL, "x");
    assert_int_equal(atomic_load(&limit.window), 0);
    assert_int_equal(atomic_load(&limit.dropped), 0);
}

/* ---- stderr ---- */

static char on_stderr[8192];

/* Run fn while stderr is `fd`. */
static void with_stderr(int fd, const tc_log_record_t *record) {
    int saved = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    tc_log_to_stderr(record, NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static void capture(const tc_log_record_t *record) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    with_stderr(ends[1], record);
    close(ends[1]);
    ssize_t len = read(ends[0], on_stderr, sizeof(on_stderr) - 1);
    assert_true(len >= 0);
    on_stderr[len] = '\0';
    close(ends[0]);
}

/* "[W 260101 12:00:00 general] " with the letter and name, and a time between the two given. */
static void assert_prefix(char letter, const char *name, time_t from, time_t to) {
    bool matches = false;
    for (time_t t = from; t <= to && !matches; t++) {
        char expected[100], when[32];
        struct tm tm;
        localtime_r(&t, &tm);
        strftime(when, sizeof(when), "%y%m%d %H:%M:%S", &tm);
        int len = snprintf(expected, sizeof(expected), "[%c %s %s] ", letter, when, name);
        matches = strncmp(on_stderr, expected, (size_t)len) == 0;
    }
    if (!matches)
        fail_msg("unexpected prefix: %s", on_stderr);
}

static void a_line_on_stderr_looks_like_tornados(void **state) {
    (void)state;
    static const struct {
        tc_log_level_t level;
        const char *logger;
        char letter;
        const char *name;
    } cases[] = {
        { TC_LOG_DEBUG, TC__LOG_GENERAL, 'D', "general" },
        { TC_LOG_INFO, TC__LOG_ACCESS, 'I', "access" },
        { TC_LOG_WARNING, TC__LOG_APPLICATION, 'W', "application" },
        { TC_LOG_ERROR, "mine", 'E', "mine" },
        { (tc_log_level_t)99, "mine", '?', "mine" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        time_t from = time(NULL);
        capture(&(tc_log_record_t){ .level = cases[i].level, .logger = cases[i].logger, .message = "200 GET /" });
        assert_prefix(cases[i].letter, cases[i].name, from, time(NULL));
        assert_string_equal(strchr(on_stderr, ']'), "] 200 GET /\n");
    }
}

static void a_line_on_stderr_counts_the_suppressed(void **state) {
    (void)state;
    capture(&(tc_log_record_t){ TC_LOG_ERROR, TC__LOG_GENERAL, "bad", NULL, 12 });
    assert_string_equal(strchr(on_stderr, ']'), "] bad (12 more were suppressed)\n");
}

static void a_terminal_gets_colours(void **state) {
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0)
        skip();
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    if (other < 0)
        skip();
    with_stderr(other, &(tc_log_record_t){ .level = TC_LOG_ERROR, .logger = TC__LOG_GENERAL, .message = "bad" });
    ssize_t len = read(terminal, on_stderr, sizeof(on_stderr) - 1);
    assert_true(len > 0);
    on_stderr[len] = '\0';
    assert_memory_equal(on_stderr, "\033[31m[E ", 8);
    assert_non_null(strstr(on_stderr, "general]\033[0m bad"));
    close(other);
    close(terminal);
}

static void a_stderr_that_is_closed_or_full_is_no_trouble(void **state) {
    (void)state;
    tc_log_record_t record = { .level = TC_LOG_ERROR, .logger = TC__LOG_GENERAL, .message = "x" };
    int saved = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    tc_log_to_stderr(&record, NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);

    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    char fill[4096] = { 0 };
    while (write(ends[1], fill, sizeof(fill)) > 0)
        continue;
    with_stderr(ends[1], &record);
    close(ends[0]);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_message_arrives_with_all_it_is_about, keep_records),
        cmocka_unit_test_setup(programs_log_to_application, keep_records),
        cmocka_unit_test_setup(programs_may_hand_on_their_arguments, keep_records),
        cmocka_unit_test_setup(only_what_has_the_level_is_seen, keep_records),
        cmocka_unit_test_setup(a_level_that_is_none_is_no_message, keep_records),
        cmocka_unit_test_setup(what_is_not_wanted_is_not_formatted, keep_records),
        cmocka_unit_test_setup(without_a_callback_messages_go_nowhere, keep_records),
        cmocka_unit_test_setup(a_callback_that_logs_does_not_call_itself, keep_records),
        cmocka_unit_test_setup(errno_stays, keep_records),
        cmocka_unit_test_setup(what_is_about_a_request_goes_where_that_wants_it, keep_records),
        cmocka_unit_test(foreign_bytes_are_escaped),
        cmocka_unit_test(an_escaped_text_is_never_cut_within_a_character),
        cmocka_unit_test_setup(a_message_is_escaped_as_a_whole, keep_records),
        cmocka_unit_test_setup(a_newline_at_the_end_is_a_habit, keep_records),
        cmocka_unit_test_setup(long_messages_are_cut_and_marked, keep_records),
        cmocka_unit_test_setup(what_cannot_be_formatted_is_said_so, keep_records),
        cmocka_unit_test(a_burst_a_second_passes),
        cmocka_unit_test(what_was_suppressed_is_told_once_and_much_later_too),
        cmocka_unit_test(a_thread_that_is_late_opens_no_new_second),
        cmocka_unit_test_setup(a_limited_line_says_what_came_before, keep_records),
        cmocka_unit_test_setup(what_is_not_wanted_does_not_count, keep_records),
        cmocka_unit_test(a_line_on_stderr_looks_like_tornados),
        cmocka_unit_test(a_line_on_stderr_counts_the_suppressed),
        cmocka_unit_test(a_terminal_gets_colours),
        cmocka_unit_test(a_stderr_that_is_closed_or_full_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
