/*
 * tornadoc/httputil.h - pieces of HTTP that need no connection: status codes, URLs, queries, header values, dates.
 * (Tornado: httputil)
 *
 * Functions that write text take `out` and `size`, and return the length of the whole result without its NUL, as
 * snprintf does: a result of `size` or more was cut off.
 */
#ifndef TORNADOC_HTTPUTIL_H
#define TORNADOC_HTTPUTIL_H

#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

/** "Not Found" for 404; "Unknown" for a code that has no name. (responses) */
TC_ANY_THREAD const char *tc_http_reason(int status);

/** "http://h:8080/p?q#f" taken apart (RFC 3986); the parts are borrowed from the text, undecoded. */
typedef struct {
    tc_bytes_t scheme, userinfo, host, path, query, fragment; /**< data NULL: there is none; host without brackets */
    int port;                                                 /**< -1: none */
} tc_url_t;
/**
 * Hosts and ports are held to the RFC (no zone ids), and http and https need a host; paths, queries and fragments may
 * hold any visible ASCII, as browsers send it.
 *
 * @return 0; TC_EINVAL for what is no URI, neither absolute nor "//host…" nor "/path…"
 */
TC_ANY_THREAD int tc_url_parse(tc_bytes_t text, tc_url_t *out);

/**
 * Add arguments to a URL's query; its fragment is kept. The whole query is encoded afresh, so that "?a b&" and "?a+b="
 * give the same. `pairs` is name, value, …, NULL; without it (NULL) the URL is only copied. (url_concat)
 */
TC_ANY_THREAD size_t tc_url_concat(char *out, size_t size, const char *url, const char *const *pairs);

/**
 * "h:80" → "h", 80; "[::1]:80" and "::1" → "::1", 80 and -1; -1 without a port. (split_host_and_port)
 *
 * @return 0; TC_EINVAL for what is no host, or a port beyond 65535
 */
TC_ANY_THREAD int tc_split_host_and_port(tc_bytes_t text, tc_bytes_t *host, int *port);

/** One decoded pair of a query or urlencoded body, a NUL behind each; borrowed until the return. Non-zero ends the
 * walk. */
typedef int (*tc_query_cb)(tc_bytes_t name, tc_bytes_t value, void *user_data);
/** Walk over "a=1&b=%20", in order, blank values kept. @return 0; what `cb` returned; TC_ENOMEM (parse_qs_bytes) */
TC_ANY_THREAD int tc_query_parse(tc_bytes_t text, tc_query_cb cb, void *user_data);

/**
 * One parameter of `text/html; charset="utf-8"`: its name in lower case, its value unquoted, a NUL behind each; the
 * data of `value` is NULL if there is no "=". Borrowed until the return. Non-zero ends the walk.
 */
typedef int (*tc_parameter_cb)(tc_bytes_t name, tc_bytes_t value, void *user_data);
/**
 * The value before the first ";" to *value (borrowed, trimmed), then the parameters, in linear time. (_parse_header)
 *
 * In quotes only \" and \\ are undone: senders that put a path there ("C:\dir") forget to escape it. `value` and `cb`
 * may be NULL.
 *
 * @return 0; what `cb` returned; TC_EINVAL for bad syntax: then `cb` never ran; TC_ENOMEM
 */
TC_ANY_THREAD int tc_header_value_parse(tc_bytes_t text, tc_bytes_t *value, tc_parameter_cb cb, void *user_data);

/** Seconds since 1970 as "Sun, 06 Nov 1994 08:49:37 GMT"; the years end at 0 and 9999. (format_timestamp) */
TC_ANY_THREAD size_t tc_format_timestamp(char *out, size_t size, int64_t seconds);
/** All three formats of RFC 9110 section 5.6.7. @return 0 or TC_EINVAL */
TC_ANY_THREAD int tc_parse_timestamp(tc_bytes_t text, int64_t *seconds);

#ifdef __cplusplus
}
#endif
#endif
