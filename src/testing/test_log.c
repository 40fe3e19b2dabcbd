/*
 * test_log.c - which lines of the log a test expects, and which it did not. (Tornado: ExpectLog)
 *
 * Clients stand in one list, which the log's tap offers each message, on whatever thread it is written: to the client
 * of that loop, or, where there is none, to each.
 */
#include "testing/test_client_internal.h"

#include <pthread.h>
#include <string.h>

#include "async/ioloop_private.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "web/request_internal.h"

enum { MOST_UNEXPECTED = 64 * 1024 };

struct tc__expected_line {
    tc__expected_line_t *next;
    tc_log_level_t level;
    char part[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all that follows, and what the logs hold */
static tc__list_t logs = { &logs, &logs };

/* ---- On whatever thread ---- */

static bool is_for(const tc__test_log_t *log, const tc_log_record_t *record) {
    const tc_ioloop_t *loop = record->request ? record->request->in->loop : tc__ioloop_inside();
    return !loop || loop == log->loop;
}

static bool take_expected(tc__test_log_t *log, const tc_log_record_t *record) {
    for (tc__expected_line_t **at = &log->expected; *at; at = &(*at)->next) {
        tc__expected_line_t *line = *at;
        if (line->level != record->level || !strstr(record->message, line->part))
            continue;
        *at = line->next;
        tc__free(line);
        return true;
    }
    return false;
}

static void append_line(tc__test_log_t *log, const char *why, tc_log_level_t level, const char *text) {
    const char words[] = { " DIWE"[level], ' ', '\0' }, *const parts[] = { why, words, text, "\n" };
    size_t len = tc__buffer_len(&log->unexpected);
    for (size_t i = 0; i < 4; i++)
        if (tc__buffer_append(&log->unexpected, parts[i], strlen(parts[i])) < 0) {
            log->is_incomplete = true;
            log->unexpected.end = log->unexpected.start + (uint32_t)len; /* no half lines */
            return;
        }
}

static bool tap(const tc_log_record_t *record) {
    bool expected = false;
    pthread_mutex_lock(&mutex);
    for (tc__list_t *node = logs.next; node != &logs && !expected; node = node->next) {
        tc__test_log_t *log = tc__container_of(node, tc__test_log_t, node);
        expected = is_for(log, record) && take_expected(log, record);
    }
    for (tc__list_t *node = logs.next; node != &logs && !expected; node = node->next) {
        tc__test_log_t *log = tc__container_of(node, tc__test_log_t, node);
        if (is_for(log, record) && record->level >= TC_LOG_WARNING)
            append_line(log, "not expected: ", record->level, record->message);
    }
    pthread_mutex_unlock(&mutex);
    return expected;
}

/* ---- On the client's ---- */

void tc__test_log_init(tc__test_log_t *log, const tc_ioloop_t *loop) {
    log->loop = loop;
    tc__buffer_init(&log->unexpected, MOST_UNEXPECTED);
    tc__buffer_init(&log->told, TC_UNLIMITED);
    pthread_mutex_lock(&mutex);
    tc__list_push(&logs, &log->node);
    tc__log_set_tap(tap);
    pthread_mutex_unlock(&mutex);
}

int tc__test_log_expect(tc__test_log_t *log, tc_log_level_t level, const char *part) {
    if (level < TC_LOG_DEBUG || level > TC_LOG_ERROR)
        return tc__misuse(TC_EINVAL, "tc_test_client_expect_log: no level of a line");
    tc__expected_line_t *line = tc__malloc(sizeof *line + strlen(part) + 1), **end = &log->expected;
    if (!line)
        return tc__fail(TC_ENOMEM, "out of memory");
    line->next = NULL;
    line->level = level;
    memcpy(line->part, part, strlen(part) + 1);
    pthread_mutex_lock(&mutex);
    while (*end)
        end = &(*end)->next;
    *end = line;
    pthread_mutex_unlock(&mutex);
    return 0;
}

static void forget_expected(tc__test_log_t *log, void (*tell)(tc__test_log_t *log, const tc__expected_line_t *line)) {
    while (log->expected) {
        tc__expected_line_t *line = log->expected;
        log->expected = line->next;
        tell(log, line);
        tc__free(line);
    }
}

static void tell_missing(tc__test_log_t *log, const tc__expected_line_t *line) {
    append_line(log, "expected, but not logged: ", line->level, line->part);
}

const char *tc__test_log_problems(tc__test_log_t *log) {
    pthread_mutex_lock(&mutex);
    forget_expected(log, tell_missing);
    bool is_incomplete = log->is_incomplete;
    log->is_incomplete = false;
    tc__buffer_deinit(&log->told);
    log->told = log->unexpected;
    log->told.limit = UINT32_MAX;
    tc__buffer_init(&log->unexpected, MOST_UNEXPECTED);
    pthread_mutex_unlock(&mutex);
    if (is_incomplete && tc__buffer_append(&log->told, "(and more)\n", 11) < 0)
        return "more than there is memory for\n";
    if (tc__buffer_len(&log->told) == 0)
        return NULL;
    return tc__buffer_append(&log->told, "", 1) == 0 ? log->told.data + log->told.start
                                                     : "more than there is memory for\n";
}

static void complain(tc__test_log_t *log, const tc__expected_line_t *line) {
    (void)log;
    const char level = " DIWE"[line->level];
    tc__log(TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "the test client is freed, but this was expected in the log: %c %s",
            level, line->part);
}

void tc__test_log_deinit(tc__test_log_t *log) {
    if (!log->loop)
        return;
    pthread_mutex_lock(&mutex);
    tc__list_remove(&log->node);
    if (tc__list_empty(&logs))
        tc__log_set_tap(NULL);
    pthread_mutex_unlock(&mutex);
    forget_expected(log, complain);
    tc__buffer_deinit(&log->unexpected);
    tc__buffer_deinit(&log->told);
}
