/*
 * error.c - codes to text, and the words of a thread's last failure.
 */
#include "util/error_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include <uv.h>

#include "util/log_internal.h"

static _Thread_local char detail[512];
static _Thread_local int failed_with; /* 0: nothing since tc__forget_failure */

/* Codes that we have in common with libuv, but that mean more here than what its texts say. */
static const char *wider_meaning(int err) {
    switch (err) {
    case TC_EALREADY:
        return "done already";
    case TC_EBUSY:
        return "busy, or too late";
    case TC_ETIMEDOUT:
        return "timed out";
    default:
        return NULL;
    }
}

/* libuv's texts by its own list: uv_strerror() allocates for codes it does not know. */
const char *tc_strerror(int err) {
    if (wider_meaning(err))
        return wider_meaning(err);
    switch (err) {
    case TC_OK:
        return "success";
    case TC_ECLOSED:
        return "closed";
    case TC_EPROTO:
        return "protocol broken by the peer";
    case TC_ETOOBIG:
        return "beyond a limit";
    case TC_ETLS:
        return "TLS failed";
    case TC_EPATTERN:
        return "bad route pattern or regular expression";
    case TC_ENOTCORO:
        return "awaiting outside a coroutine";
    case TC_EJSON:
        return "not valid JSON";
    case TC_EOVERLOAD:
        return "too much to do already";
#define TEXT_OF(name, text) \
    case UV_##name:         \
        return text;
        UV_ERRNO_MAP(TEXT_OF)
#undef TEXT_OF
    default:
        return "unknown error";
    }
}

const char *tc_error_detail(void) {
    return detail;
}

TC_PRINTF(1, 0) static void set_detail(const char *fmt, va_list args) {
    char text[sizeof(detail)]; /* the arguments may hold the detail that we replace */
    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        text[0] = '\0';
    memcpy(detail, text, strlen(text) + 1);
}

int(tc__fail)(int err, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    set_detail(fmt, args);
    va_end(args);
    failed_with = err;
    return err;
}

int(tc__misuse)(int err, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    set_detail(fmt, args);
    va_end(args);
    failed_with = err;
    tc__log(TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "%s", detail);
    return err;
}

void tc__forget_failure(void) {
    failed_with = 0;
}

const char *tc__failure_words(int err) {
    return err != 0 && err == failed_with ? detail : "";
}

bool tc__all_zero(const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}
