/* error_internal.h - failing with words: the detail behind tc_error_detail(), per thread. */
#ifndef TC_UTIL_ERROR_INTERNAL_H
#define TC_UTIL_ERROR_INTERNAL_H

#include <tornadoc/util.h>

/* Keep the words and return `err`: `return tc__fail(TC_EINVAL, "port %d: not in 0 to 65535", port);` */
int tc__fail(int err, const char *fmt, ...) TC_PRINTF(2, 3);

/* The same, and log it to tornado.general as an error: for arguments that only a bug in the program can make wrong. */
int tc__misuse(int err, const char *fmt, ...) TC_PRINTF(2, 3);

/* The analyzer cannot see that the code comes back. (error.c defines the functions with their names in brackets.) */
#ifdef __clang_analyzer__
#define tc__fail(err, ...) ((void)tc__fail(err, __VA_ARGS__), (err))
#define tc__misuse(err, ...) ((void)tc__misuse(err, __VA_ARGS__), (err))
#endif

/* Called before what a program does, so that what it returns is explained by the words of its own failures alone. */
void tc__forget_failure(void);
/* The words of this thread's last failure since then, if that was `err`; else "". */
const char *tc__failure_words(int err);

/* Are the `reserved` words of an options struct zero? */
bool tc__all_zero(const void *data, size_t size);

#endif
