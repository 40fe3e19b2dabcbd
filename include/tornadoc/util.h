/*
 * tornadoc/util.h - what every other header stands on: bytes, errors, the allocator, the version. (Tornado: util)
 */
#ifndef TORNADOC_UTIL_H
#define TORNADOC_UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define TC_EXTERN __attribute__((visibility("default")))
#define TC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TC_MUST_CHECK __attribute__((warn_unused_result))
#define TC_SENTINEL __attribute__((sentinel))
#else
#define TC_EXTERN
#define TC_PRINTF(fmt, args)
#define TC_MUST_CHECK
#define TC_SENTINEL
#endif
/** Stands first in the declaration of what any thread may call. Everything else belongs to its loop's thread. */
#define TC_ANY_THREAD TC_EXTERN

/* ---- Bytes ---------------------------------------------------------------------------------------------------- */

/** Pointer and length, by value. The bytes are borrowed unless a function says otherwise; they may hold any value. */
typedef struct {
    const char *data;
    size_t len;
} tc_bytes_t;

static inline tc_bytes_t tc_bytes(const void *data, size_t len) {
    tc_bytes_t bytes;
    bytes.data = (const char *)data;
    bytes.len = len;
    return bytes;
}

/** The bytes of a NUL-terminated text, without the NUL. NULL is empty. */
static inline tc_bytes_t tc_str(const char *text) {
    return tc_bytes(text, text ? strlen(text) : 0);
}

/* printf("got " TC_FMT "\n", TC_ARG(bytes)) */
#define TC_FMT "%.*s"
#define TC_ARG(bytes) (int)(bytes).len, (bytes).data

/** Frees what was given away; called with the pointer that came with it. `free` is one. */
typedef void (*tc_free_fn)(void *data);

/* ---- Errors --------------------------------------------------------------------------------------------------- */

/**
 * 0 is success, errors are negative. What libuv has, has libuv's value; ours run from -1025, and none is a multiple of
 * 256, so that each is fit for main's return.
 */
enum {
    TC_OK = 0,
    TC_ENOMEM = -ENOMEM,       /**< out of memory */
    TC_EINVAL = -EINVAL,       /**< a bad argument; tc_error_detail() says which and what to do */
    TC_EBUSY = -EBUSY,         /**< something of that kind is under way already */
    TC_EAGAIN = -EAGAIN,       /**< not now */
    TC_ENOTSUP = -ENOTSUP,     /**< not on this system, or not in this build */
    TC_ECANCELED = -ECANCELED, /**< cancelled before it was done */
    TC_ETIMEDOUT = -ETIMEDOUT, /**< a deadline passed */
    TC_EALREADY = -EALREADY,   /**< that has happened already, and happens once */
    TC_EOVERFLOW = -EOVERFLOW, /**< a number that does not fit */
    TC_ENOENT = -ENOENT,       /**< no such file, host or route */
    TC_EEXIST = -EEXIST,       /**< there is something of that name */
    TC_EXDEV = -EXDEV,         /**< a file cannot move to another file system */
    TC_ECLOSED = -1025,        /**< the peer, or the object, is gone */
    TC_EPROTO = -1026,         /**< the peer broke the protocol */
    TC_ETOOBIG = -1027,        /**< beyond a limit */
    TC_ETLS = -1028,           /**< TLS failed */
    TC_EPATTERN = -1029,       /**< a bad route pattern or regular expression */
    TC_ENOTCORO = -1030,       /**< awaiting outside a coroutine */
    TC_EJSON = -1031,          /**< not valid JSON */
    TC_EOVERLOAD = -1032       /**< too much waits for the same thing already; as an outcome a 503 */
};

/** Hand a failure up: `TC_TRY(tc_read_json(req, &root));` */
#define TC_TRY(expr)         \
    do {                     \
        int tc_rc_ = (expr); \
        if (tc_rc_ != 0)     \
            return tc_rc_;   \
    } while (0)

/** Static text for any code, ours or libuv's. */
TC_ANY_THREAD const char *tc_strerror(int err);

/** This thread's last failure in words ("port 80: permission denied"); "" if none. Valid until its next failure. */
TC_ANY_THREAD const char *tc_error_detail(void);

#define TC_UNLIMITED SIZE_MAX /**< for size limits; 0 is the default, never "none" */
#define TC_FOREVER UINT64_MAX /**< for times, which are in milliseconds */

/* ---- The allocator -------------------------------------------------------------------------------------------- */

/** The four functions of the C library, with its semantics; each must be callable from any thread. */
typedef struct {
    void *(*malloc_fn)(size_t size);
    void *(*calloc_fn)(size_t count, size_t size);
    void *(*realloc_fn)(void *data, size_t size);
    void (*free_fn)(void *data);
} tc_allocator_t;

/**
 * Take all of the library's memory from `allocator` (copied), yyjson's, PCRE2's and zlib's included; libuv's and
 * OpenSSL's memory is the process's affair.
 *
 * @return 0; TC_EINVAL if a function is missing; TC_EBUSY after memory was taken from the one before
 */
TC_EXTERN int tc_set_allocator(const tc_allocator_t *allocator);

/* ---- The version ---------------------------------------------------------------------------------------------- */

#define TORNADOC_VERSION "0.1.0"

/** The version of the library that runs, as TORNADOC_VERSION is the header's. (tc_version belongs to gperftools.) */
TC_ANY_THREAD const char *tornadoc_version(void);

/** Whether this build has a feature: "regex", "json", "tls", "coroutines", "brotli", "http2". Unknown names are false.
 */
TC_ANY_THREAD bool tornadoc_has(const char *feature);

#ifdef __cplusplus
}
#endif
#endif
