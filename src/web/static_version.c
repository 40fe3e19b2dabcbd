/*
 * static_version.c - URLs with a version. (Tornado: static_url, make_static_url, get_content_version)
 *
 * The version is the digest of the content. Small files have theirs from the moment they are looked at; that of a large
 * one is found out by a thread of files when somebody first asks for it. Nobody waits for either: a URL goes without a
 * version until it is known. Only the present version makes an answer immutable, so that a page of yesterday cannot
 * bind today's content to yesterday's URL for a year.
 */
#include "web/static_private.h"

#include <stdio.h>
#include <tornadoc/escape.h>

#include "async/future_internal.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"

/* ---- Digests of large files ---- */

typedef struct {
    tc__static_file_t *file; /* counted */
    _Atomic unsigned refs;
    tc__waiter_t waiter;
    char digest[TC__DIGEST_LEN + 1];
} hashing_t;

static void unref_hashing(void *arg) {
    hashing_t *hashing = arg;
    if (atomic_fetch_sub(&hashing->refs, 1) != 1)
        return;
    tc__static_file_unref(hashing->file);
    tc__free(hashing);
}

static int hash(void *arg, void **out) {
    (void)out;
    hashing_t *hashing = arg;
    return tc__static_hash(&hashing->file->variants[TC__CODING_IDENTITY], hashing->digest);
}

static void on_hashed(tc__waiter_t *waiter, tc_future_t *work) {
    hashing_t *hashing = tc__container_of(waiter, hashing_t, waiter);
    if (tc_future_status(work) == 0)
        memcpy(hashing->file->variants[TC__CODING_IDENTITY].digest, hashing->digest, sizeof hashing->digest);
    hashing->file->hashing = false;
    unref_hashing(hashing);
}

static void find_out(tc_ioloop_t *loop, tc__static_file_t *file) {
    if (file->hashing)
        return;
    hashing_t *hashing = tc__calloc(1, sizeof *hashing);
    if (!hashing)
        return;
    atomic_init(&hashing->refs, 2);
    hashing->file = tc__static_file_ref(file);
    tc__waiter_init(&hashing->waiter, on_hashed);
    tc_future_t *work = tc__run_file_work(loop, hash, hashing, unref_hashing);
    if (!work) {
        unref_hashing(hashing);
        return;
    }
    file->hashing = true;
    tc__future_wait(work, &hashing->waiter);
    tc_future_unref(work);
}

/* NULL: not known yet. */
static const char *version_of(tc_ioloop_t *loop, tc__static_file_t *file) {
    const char *digest = file->variants[TC__CODING_IDENTITY].digest;
    if (file->generated || file->redirects)
        return NULL;
    if (digest[0])
        return digest;
    find_out(loop, file);
    return NULL;
}

bool tc__static_has_version(tc_request_t *req, tc__static_file_t *file) {
    tc_bytes_t query = req->in->target.query, name, value;
    if (!query.data)
        return false;
    while (tc__query_next(&query, &name, &value)) {
        if (name.len != 1 || name.data[0] != 'v')
            continue;
        const char *version = version_of(req->in->loop, file);
        return version && tc__bytes_equal(value, tc_str(version));
    }
    return false;
}

/* ---- URLs ---- */

/* The site of a URL: that of the longest prefix. *name is what is left of it. */
static tc__static_site_t *site_of(const tc_application_t *app, const char *path, const char **name) {
    tc__static_site_t *best = path[0] == '/' ? NULL : app->static_sites;
    size_t longest = 0;
    *name = path;
    if (path[0] != '/')
        return best;
    for (tc__static_site_t *site = app->static_sites; site; site = site->next) {
        size_t len = strlen(site->prefix);
        if (len > longest && strncmp(path, site->prefix, len) == 0) {
            best = site;
            longest = len;
        }
    }
    *name = path + longest;
    return best;
}

/* Where the request's application is mounted, in memory of the request: "/shop", or "". What the prefix captures is
 * written anew, for the client may have put quotes and backslashes there. NULL: out of memory, or no URL leads there.
 */
static const char *place_of(tc_request_t *req, const tc__passage_t *passage) {
    const char *values[TC__MAX_CAPTURES];
    if (!passage)
        return "";
    const char *outer = place_of(req, passage->outer);
    if (!outer || (passage->param_count > 0 && !passage->path_args))
        return NULL;
    for (size_t i = 0; i < passage->param_count; i++)
        values[i] = passage->path_args[i];
    values[passage->param_count] = ""; /* the rest of the path */
    char *own = tc_alloc(req, tc__route_room(passage->route, values));
    int len = own ? tc__route_reverse(passage->route, values, own) : TC_ENOMEM;
    if (len < 0)
        return NULL;
    own[len - 1] = '\0'; /* the slash that begins what follows */
    return *outer ? tc_sprintf(req, "%s%s", outer, own) : own;
}

/* A whole URL as the mounted application knows it. */
static const char *without_place(const char *path, const char *place) {
    const size_t len = strlen(place);
    return strncmp(path, place, len) == 0 && path[len] == '/' ? path + len : path;
}

const char *tc_static_url(tc_request_t *req, const char *path) {
    const char *name, *version = NULL, *place = req && path ? place_of(req, req->passage) : NULL;
    if (!place)
        return NULL;
    path = without_place(path, place);
    tc__static_site_t *site = site_of(req->app, path, &name);
    if (!site)
        return NULL;
    tc_ioloop_t *loop = req->in->loop;
    tc__static_file_t *file = tc__static_cache_get(loop, site, name, false);
    if (file) {
        version = version_of(loop, file);
    } else { /* nobody waits for it but the next who asks */
        tc_future_unref(tc__static_cache_load(loop, site, name));
        file = tc__static_cache_get(loop, site, name, true);
        version = file ? version_of(loop, file) : NULL;
    }
    size_t len = tc_url_escape_path(NULL, 0, tc_str(name)) + 1;
    char *escaped = tc_alloc(req, len);
    if (escaped)
        tc_url_escape_path(escaped, len, tc_str(name));
    const char *url = escaped ? tc_sprintf(req, "%s%s%s%s%s", place, site->prefix, escaped, version ? "?v=" : "",
                                           version ? version : "")
                              : NULL;
    tc__static_file_unref(file);
    return url;
}
