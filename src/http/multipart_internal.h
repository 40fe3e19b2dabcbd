/*
 * multipart_internal.h - multipart/form-data (RFC 7578, RFC 2046 section 5.1), read while it arrives.
 * (Tornado: parse_multipart_form_data, which wants all of it)
 *
 * Fed with pieces of any size; what they hold goes to a delegate, part by part. No I/O, linear, and of a body nothing
 * is kept but the part's header fields and less than a boundary.
 */
#ifndef TC_HTTP_MULTIPART_INTERNAL_H
#define TC_HTTP_MULTIPART_INTERNAL_H

#include <tornadoc/future.h> /* TC_DETACH */
#include <tornadoc/util.h>

#include "http/headers_internal.h"
#include "util/arena_internal.h"
#include "util/buffer_internal.h"

enum { TC__BOUNDARY_MAX = 70, TC__FILENAME_MAX = 255 };

typedef struct {
    char text[TC__BOUNDARY_MAX + 1]; /* without the "--" in front; NUL behind it */
    uint8_t len;
} tc__boundary_t;

/* The boundary that a Content-Type value names. It may stand there without quotes also if it is no token, as many send
 * it, but not with spaces. 0; TC_EINVAL: the type is not multipart/form-data; TC_EPROTO: it is, without one good
 * boundary; TC_ENOMEM */
int tc__multipart_boundary(tc_bytes_t content_type, tc__boundary_t *boundary);

/* One part. Valid until the next part begins; a NUL behind each text. */
typedef struct {
    tc_bytes_t name;         /* not empty, UTF-8; control bytes: only CR and LF that came as %0D and %0A */
    tc_bytes_t filename;     /* to store it under: no "/" or "\", no control bytes, not "" or "." or "..", at most
                                TC__FILENAME_MAX bytes; data NULL: a field */
    tc_bytes_t raw_filename; /* as the sender has it ("../a.txt", "C:\a.txt"), otherwise like `name` */
    tc_bytes_t content_type; /* data NULL: there is none, and a field is text, a file anything */
    tc__headers_t headers;   /* all, in order; Content-Disposition once, Content-Type at most once */
} tc__part_t;

/*
 * For each part: part_begin, part_data as often as bytes come (never with none), part_end. Each returns 0; or TC_DETACH
 * to pause behind this call; or what else ends the parsing for good, a negative code or a status. The parser must not
 * be fed or ended inside them. When parsing fails, a part that has begun does not end.
 */
typedef struct {
    int (*part_begin)(void *self, const tc__part_t *part);
    int (*part_data)(void *self, tc_bytes_t bytes); /* borrowed until the return */
    int (*part_end)(void *self);
} tc__multipart_delegate_t;

/* 0: the default */
typedef struct {
    size_t max_parts;            /* 100; so many are allowed */
    size_t max_part_header_size; /* 8 KiB, line ends and the empty line included; at most 65,535 */
    size_t max_ignored_size; /* 8 KiB: text before the first and after the last boundary, blanks behind boundaries */
    tc__pool_t *pool;        /* where a part's header fields live, or NULL; outlives the parser */
} tc__multipart_options_t;

typedef struct {
    const tc__multipart_delegate_t *delegate;
    void *self;
    size_t max_parts, max_part_header_size, max_ignored_size;
    size_t parts, header_size, ignored_size; /* so far; header_size: of this part */
    tc__part_t part;
    tc__arena_t arena; /* of this part */
    tc__buffer_t line; /* the start of a header line that is not complete */
    int err;           /* why it has ended, or 0 */
    uint8_t state;
    uint8_t matched;     /* bytes of `delimiter` found, and held back */
    uint8_t virtual_len; /* how many of those were not in the text: the CRLF in front of it has had its use already */
    uint8_t delimiter_len;
    char delimiter[4 + TC__BOUNDARY_MAX]; /* "\r\n--boundary" */
} tc__multipart_t;

/* Allocates nothing. `delegate` stays the caller's and must live; the boundary is copied. */
void tc__multipart_init(tc__multipart_t *multipart, const tc__boundary_t *boundary,
                        const tc__multipart_options_t *options, const tc__multipart_delegate_t *delegate, void *self);
void tc__multipart_deinit(tc__multipart_t *multipart);

/*
 * Take bytes off the front of *rest: all of them, unless a callback pauses or something fails.
 *
 * 0; TC_DETACH: paused, to go on feed *rest, also if it is empty; TC_EPROTO for what is no multipart/form-data,
 * TC_ETOOBIG beyond a limit, TC_ENOMEM, what a callback returned: these come again from every later call.
 * tc_error_detail() has the words.
 */
int tc__multipart_feed(tc__multipart_t *multipart, tc_bytes_t *rest);

/* The body has ended, all of it was fed. 0; TC_EPROTO: its last boundary is missing; the failure of before */
int tc__multipart_finish(tc__multipart_t *multipart);

#endif
