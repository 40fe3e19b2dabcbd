/*
 * tornadoc/escape.h - text for HTML and URLs. (Tornado: escape)
 *
 * The functions write at most `size` bytes to `out`, NUL included, and return the length that the whole result has
 * without its NUL, as snprintf does: a result of `size` or more was cut off. `out` may be NULL when `size` is 0. In a
 * request handler the tc_…_alloc forms of tornadoc/web.h are handier.
 */
#ifndef TORNADOC_ESCAPE_H
#define TORNADOC_ESCAPE_H

#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

/** & < > " ' become entities, fit for text and for quoted attributes. (xhtml_escape) */
TC_ANY_THREAD size_t tc_xhtml_escape(char *out, size_t size, tc_bytes_t text);

/** The other way: numeric entities and the five names. What is no entity is kept. (xhtml_unescape) */
TC_ANY_THREAD size_t tc_xhtml_unescape(char *out, size_t size, tc_bytes_t text);

/** Percent-encode all but RFC 3986's unreserved bytes; space as "+", as forms and queries want it. (url_escape) */
TC_ANY_THREAD size_t tc_url_escape(char *out, size_t size, tc_bytes_t text);

/** Percent-encode all but unreserved bytes and "/"; space as "%20". (url_escape with plus=False) */
TC_ANY_THREAD size_t tc_url_escape_path(char *out, size_t size, tc_bytes_t text);

/** Decode %XX, and "+" as space. A "%" without two hex digits is kept. The result may hold NUL. (url_unescape) */
TC_ANY_THREAD size_t tc_url_unescape(char *out, size_t size, tc_bytes_t text);

/** Decode %XX only. (url_unescape with plus=False) */
TC_ANY_THREAD size_t tc_url_unescape_path(char *out, size_t size, tc_bytes_t text);

/** Runs of white space and control bytes (0x00-0x20) become one space; none at either end. (squeeze) */
TC_ANY_THREAD size_t tc_squeeze(char *out, size_t size, tc_bytes_t text);

typedef struct tc_linkify_options tc_linkify_options_t;
/** Which URLs become links, and what they look like. Zero means the default. */
struct tc_linkify_options {
    bool shorten; /**< long ones are shown as their host and the beginning of their path, the rest in `title` */
    bool require_protocol;    /**< not those that begin with "www." */
    const char *extra_params; /**< attributes of each link, as they are: "rel=\"nofollow\"" */
    /** Ended by NULL; default { "http", "https", NULL }. What others wrote must never link to "javascript". */
    const char *const *permitted_protocols;
};

/**
 * Plain text as HTML: escaped, and its URLs, "https://…" and "www.…", made links. A URL ends before white space, < > '
 * and punctuation that is followed by one of those; what it has in parentheses belongs to it. (linkify)
 *
 * @param options NULL: the defaults
 */
TC_ANY_THREAD size_t tc_linkify(char *out, size_t size, tc_bytes_t text, const tc_linkify_options_t *options);

/** Whether the bytes are well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
TC_ANY_THREAD bool tc_utf8_valid(tc_bytes_t text);

#ifdef __cplusplus
}
#endif
#endif
