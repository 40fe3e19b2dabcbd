/*
 * static_private.h - static files, taken apart:
 *
 *     static_name.c     from a URL's path to a name beneath the folder, or none
 *     static_file.c     what a name stands for: opened, read, hashed, on a thread of files
 *     static_listing.c  the page that lists a folder, likewise
 *     static_cache.c    what a loop keeps of them, how long, and who waits for the same one
 *     static_send.c     a whole, a range, several ranges, from memory or from a descriptor
 *     static_handler.c  sites and their requests: headers, conditions, redirects
 *     static_version.c  tc_static_url
 */
#ifndef TC_WEB_STATIC_PRIVATE_H
#define TC_WEB_STATIC_PRIVATE_H

#include <stdatomic.h>

#include <tornadoc/static.h>

#include "http/accept_encoding_internal.h"
#include "http/byte_range_internal.h"
#include "http/conditional_internal.h"
#include "util/date_internal.h"
#include "web/request_internal.h"

/* ---- static_handler.c: a folder that is served. Read-only once it is registered; counted, for any thread ---- */
typedef struct tc__static_site {
    _Atomic unsigned refs;
    uint64_t id;                  /* never used twice in a process */
    struct tc__static_site *next; /* in the application's, first added first */
    tc_static_options_t options;  /* its texts are copies */
    char *prefix;                 /* of the URL, the groups' included */
    char *folder;                 /* absolute */
    char cache_control[32];       /* of what has no version */
} tc__static_site_t;
tc__static_site_t *tc__static_site_ref(tc__static_site_t *site);
void tc__static_site_unref(void *arg); /* a site */

/* ---- static_name.c ---- */
/* The name beneath the folder for a path as it was sent, decoded; `out` has room for path.len + 1. false: there is none
 * that may be served. A name that ends with "/", and an empty one, is a folder's. */
bool tc__static_name(tc_bytes_t path, bool dot_files, char *out);

/* ---- static_file.c: what a name stood for when it was looked at. Counted, for any thread ---- */
enum { TC__DIGEST_LEN = 32, TC__MOST_IN_MEMORY = 64 * 1024 };

typedef struct {
    bool there;
    int fd;        /* -1: in memory */
    char *content; /* NULL: in the file */
    uint64_t size;
    dev_t device;
    ino_t inode;
    int64_t modified_ns, changed_ns;
    int64_t modified; /* in whole seconds, as for Last-Modified */
    bool young;       /* changed so shortly before that another change might look the same … */
    bool weak;        /* … even by the time of modification alone, which is all that clients are told */
    char digest[TC__DIGEST_LEN + 1]; /* of the content; "": not known */
    char etag[64], last_modified[TC__DATE_LEN + 1];
} tc__static_variant_t;

typedef struct {
    _Atomic unsigned refs;
    int err;          /* negative: there is nothing to be served */
    bool redirects;   /* a folder, by its name without the slash */
    bool generated;   /* a listing */
    bool has_codings; /* there is more than the identity */
    bool hashing;     /* of the loop's thread: its digest is being found out */
    const char *content_type;
    char *name; /* of the file itself: that of a folder's index */
    tc__static_variant_t variants[TC__CODING_COUNT];
    size_t memory, descriptors; /* that it holds */
} tc__static_file_t;

/* Blocks. `old` or NULL: if nothing has changed since then, that again. NULL: out of memory. The result is the caller's
 * reference. */
tc__static_file_t *tc__static_file_load(const tc__static_site_t *site, const char *name, tc__static_file_t *old);
tc__static_file_t *tc__static_file_ref(tc__static_file_t *file);
void tc__static_file_unref(void *arg);
int tc__static_hash(const tc__static_variant_t *variant, char digest[TC__DIGEST_LEN + 1]); /* blocks */

/* ---- static_listing.c ---- */
/* The page of the folder `name` beneath `root`; blocks. 0 and a block to be freed, or a negative code. */
int tc__static_listing(const tc__static_site_t *site, int root, const char *name, char **out, size_t *len);

/* ---- static_cache.c ---- */
/* What the loop has, if it was looked at lately enough (or, `stale`, at any time): the caller's reference; else NULL.
 */
tc__static_file_t *tc__static_cache_get(tc_ioloop_t *loop, const tc__static_site_t *site, const char *name, bool stale);
/* Look at the file (again), with all who wait for that already: a future whose result is a tc__static_file_t, borrowed.
 * NULL: out of memory. */
tc_future_t *tc__static_cache_load(tc_ioloop_t *loop, tc__static_site_t *site, const char *name);

/* ---- static_send.c ---- */
/* The answer's body: `count` ranges, 0 for the whole. Takes care of status, Content-Length and Content-Range. Returns
 * an outcome; the file is held by the request until its end. */
int tc__static_send(tc_request_t *req, tc__static_file_t *file, const tc__static_variant_t *variant,
                    const tc__byte_range_t *ranges, int count);

/* ---- static_version.c ---- */
/* Is the request for this very version of the file? */
bool tc__static_has_version(tc_request_t *req, tc__static_file_t *file);

#endif
