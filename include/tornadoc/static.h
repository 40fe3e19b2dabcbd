/*
 * tornadoc/static.h - files of a folder, served. (Tornado: web.StaticFileHandler, static_url)
 *
 *     tc_application_add_static(app, "/static/", "static");
 *
 * GET and HEAD, with what HTTP has for files: Content-Type by the name's extension, a strong ETag and Last-Modified and
 * all conditions on them, one or several ranges, siblings that were compressed beforehand, versioned URLs. What is
 * opened lies beneath the folder by construction: no "..", no link and no race leads out of it. The loop never waits
 * for a disk: files are opened, read and looked at again on threads of their own, kept for a while by each loop
 * (content up to 64 KiB a file, 16 MiB in all, else open descriptors, 1,024 names in all), and larger ones sent by the
 * system from its cache.
 */
#ifndef TORNADOC_STATIC_H
#define TORNADOC_STATIC_H

#include <tornadoc/web.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tc_static_options {
    const char *index;    /**< the file of a folder's own URL; default "index.html"; "": none, as Tornado */
    const char *fallback; /**< answered with 200 where there is no such file, as applications of one page want it; a
                             name in the folder; default none: 404 */
    uint64_t max_age_ms;  /**< for Cache-Control, in whole seconds; default 0: "no-cache", clients ask each time and are
                               mostly told 304. A Cache-Control of set_default_headers goes before it */
    uint64_t recheck_ms;  /**< a file that was looked at this long ago is looked at again, by the request that wants it;
                               default 1,000; TC_FOREVER: never, for files that do not change while they are served */
    bool dot_files;       /**< serve names that begin with "."; default: 404 */
    bool listing;         /**< a page that lists a folder without index; default: 404 */
    bool precompressed;   /**< of "app.js", send app.js.br, app.js.zst or app.js.gz to clients that take them (by
                               weight, then in this order), unless it is older than app.js itself */
    bool sniff;           /**< leave out X-Content-Type-Options: nosniff */
    /** The Content-Type of a file by its name in the folder, "js/app.js"; kept by whoever gives it, for as long as the
     *  application lives. NULL: that of the library's table. (get_content_type) */
    const char *(*content_type)(const char *name, void *user_data);
    /** Before a file is answered, with the headers of its answer set: may change them, or refuse by an outcome such as
     *  403; not TC_DETACH, which base handlers of a group may return. (set_extra_headers, validate_absolute_path) */
    int (*set_extra_headers)(tc_request_t *req, const char *name, void *user_data);
    void *user_data;
    uintptr_t reserved[8]; /**< must be zero */
};

/**
 * Serve the files beneath `folder` at `prefix`, "/static/" or "/": the prefix and the undecoded rest of the path. The
 * folder's path is taken from the working directory of now, and followed anew whenever a file is opened, so that a link
 * to a release may be changed. Links in the folder are followed where they stay beneath it, on systems without openat2
 * not at all.
 *
 * @return 0; TC_EPATTERN for a prefix that does not begin and end with "/"; TC_ENOENT, -ENOTDIR … for the folder; and
 *         what tc_application_add returns. The failure is kept, as any.
 */
TC_EXTERN int tc_application_add_static(tc_application_t *app, const char *prefix, const char *folder);

/** The same in a group (for one of no prefix and no base, tc_application_group(app, "", NULL)), inheriting its base,
 * with options. */
TC_EXTERN int tc_router_add_static(tc_router_t *router, const char *prefix, const char *folder,
                                   const tc_static_options_t *options);

/**
 * The URL of a file, with a version that changes with its content, so that clients need never ask again:
 * "/static/a.css" and "?v=" with a digest. `path` is a name in the folder that was added first, or, with a leading "/",
 * the URL without a version. A version that is not known yet (nobody asked for the file before, or it changed) is found
 * out meanwhile, and left out this time. Files that are asked for by their present version are answered with a
 * Cache-Control of a year and `immutable`; by another, or by none, as `max_age_ms` says.
 *
 * @return memory of the request; NULL: out of memory, no folder of that URL was added, or the application is mounted
 *         behind a prefix that captured ".." or ".", to which no URL leads
 */
TC_EXTERN const char *tc_static_url(tc_request_t *req, const char *path);

#ifdef __cplusplus
}
#endif
#endif
