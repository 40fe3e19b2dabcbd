/*
 * static_handler.c - files of a folder, served. (Tornado: StaticFileHandler)
 *
 *   name --> the loop's cache, or a look by a thread --> which coding --> headers --> the program's hook --> conditions
 *        --> ranges --> body
 *
 * The handler is registered like any other, so groups, bases and hosts are as for every route. Headers are lent by the
 * cached file: an answer takes no copy of them.
 */
#include "web/static_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/unconst_internal.h"

/* ---- Headers ---- */

/* The file's own word goes before what set_default_headers said, if that said anything. The value lives as long as the
 * request. */
static int put(tc_request_t *req, bool defaults, tc_bytes_t name, const char *value) {
    if (defaults)
        tc__headers_remove(&req->headers, name);
    return tc__headers_append(&req->headers, tc__request_arena(req), name, tc_str(value)) ? 0 : TC_ENOMEM;
}

static int put_if_absent(tc_request_t *req, bool defaults, tc_bytes_t name, const char *value) {
    return defaults && tc__headers_find(&req->headers, name, NULL) ? 0 : put(req, false, name, value);
}

#define FIELD(name) tc_bytes(name, sizeof name - 1)

static const char *type_for(const tc__static_site_t *site, const tc__static_file_t *file) {
    const char *type = NULL;
    if (site->options.content_type && !file->generated)
        type = site->options.content_type(file->name, site->options.user_data);
    return type ? type : file->content_type;
}

static int put_headers(tc_request_t *req, const tc__static_site_t *site, tc__static_file_t *file, tc__coding_t coding) {
    const tc__static_variant_t *variant = &file->variants[coding];
    bool defaults = req->headers.count > 0;
    req->default_type = false;
    TC_TRY(put(req, defaults, FIELD("Content-Type"), type_for(site, file)));
    if (!site->options.sniff)
        TC_TRY(put_if_absent(req, defaults, FIELD("X-Content-Type-Options"), "nosniff"));
    if (file->has_codings)
        TC_TRY(put(req, false, FIELD("Vary"), "Accept-Encoding"));
    if (coding != TC__CODING_IDENTITY)
        TC_TRY(put(req, defaults, FIELD("Content-Encoding"), tc__coding_names[coding]));
    TC_TRY(put(req, defaults, FIELD("ETag"), variant->etag));
    if (variant->modified != TC__NO_DATE)
        TC_TRY(put(req, defaults, FIELD("Last-Modified"), variant->last_modified));
    if (tc__static_has_version(req, file))
        TC_TRY(put(req, defaults, FIELD("Cache-Control"), "public, max-age=31536000, immutable"));
    else
        TC_TRY(put_if_absent(req, defaults, FIELD("Cache-Control"), site->cache_control));
    return put(req, defaults, FIELD("Accept-Ranges"), "bytes");
}

/* ---- The answer ---- */

/* The most welcome of what there is; of several the one that the table has first. */
static tc__coding_t choose_coding(tc_request_t *req, const tc__static_file_t *file) {
    uint16_t weights[TC__CODING_COUNT];
    if (!file->has_codings)
        return TC__CODING_IDENTITY;
    tc__accept_encoding_parse(tc_str(tc_header(req, "Accept-Encoding")), weights);
    tc__coding_t best = TC__CODING_IDENTITY;
    for (int i = 1; i < TC__CODING_COUNT; i++) {
        bool before = best == TC__CODING_IDENTITY ? weights[i] >= weights[best] : weights[i] > weights[best];
        if (file->variants[i].there && weights[i] > 0 && before)
            best = (tc__coding_t)i;
    }
    return best;
}

static int not_satisfiable(tc_request_t *req, uint64_t size) {
    const char *range = tc_sprintf(req, "bytes */%llu", (unsigned long long)size);
    if (!range)
        return TC_ENOMEM;
    tc__headers_remove(&req->headers, tc_str("Content-Type"));
    tc__headers_remove(&req->headers, tc_str("Content-Encoding"));
    TC_TRY(tc_set_status(req, 416));
    return tc_set_header(req, "Content-Range", range);
}

/* RFC 9110 section 14.2: Range is heard with GET alone, and after the conditions. */
static int choose_ranges(tc_request_t *req, const tc__static_variant_t *variant, const tc__validators_t *validators,
                         tc__byte_range_t *ranges) {
    const tc__headers_t *fields = &req->in->headers;
    const tc__header_t *field = tc__headers_first(fields, TC__HEADER_RANGE);
    if (!field || req->in->method_id != TC__METHOD_GET || tc__headers_repeated(fields, TC__HEADER_RANGE) ||
        !tc__if_range_holds(fields, validators))
        return 0;
    return tc__byte_ranges_parse(tc_bytes(field->value, field->value_len), variant->size, ranges);
}

static int answer_file(tc_request_t *req, const tc__static_site_t *site, tc__static_file_t *file) {
    tc__byte_range_t ranges[TC__MAX_RANGES];
    tc__coding_t coding = choose_coding(req, file);
    const tc__static_variant_t *variant = &file->variants[coding];
    TC_TRY(put_headers(req, site, file, coding));
    if (site->options.set_extra_headers)
        TC_TRY(site->options.set_extra_headers(req, file->name, site->options.user_data));
    if (req->finished)
        return 0;
    tc__validators_t validators = { tc_str(variant->etag), variant->modified, variant->weak };
    int status = tc__check_conditions(&req->in->headers, true, &validators);
    if (status == 304)
        return tc_set_status(req, 304);
    if (status != 0)
        return status;
    int count = choose_ranges(req, variant, &validators, ranges);
    if (count == TC__RANGE_NOT_SATISFIABLE)
        return not_satisfiable(req, variant->size);
    return tc__static_send(req, file, variant, ranges, count);
}

/* To the same path with a slash, and with the query. A path of two slashes would name a host (CVE-2023-28370): no name
 * leads to one, but a prefix may. */
static int redirect(tc_request_t *req) {
    tc_bytes_t path = req->in->target.path, query = req->in->target.query;
    while (path.len > 1 && (path.data[1] == '/' || path.data[1] == '\\'))
        path = tc_bytes(path.data + 1, path.len - 1);
    const char *url = tc_sprintf(req, TC_FMT "/%s" TC_FMT, TC_ARG(path), query.data ? "?" : "", TC_ARG(query));
    return url ? tc_redirect(req, url, 301) : TC_ENOMEM;
}

static int find(tc_request_t *req, tc__static_site_t *site, const char *name);

static int status_of(tc_request_t *req, int err) {
    switch (err) {
    case -ENOENT:
        return 404;
    case -EACCES:
        return 403;
    case TC_ENOMEM:
        return TC_ENOMEM;
    case -EMFILE:
    case -ENFILE:
    case -EAGAIN:
        return tc_http_error(req, 503, "no descriptor is free");
    default:
        return err;
    }
}

/* Steals the file. */
static int answer(tc_request_t *req, tc__static_site_t *site, tc__static_file_t *file, bool is_fallback) {
    TC_TRY(tc_on_cleanup(req, tc__static_file_unref, file));
    if (file->err == -ENOENT && site->options.fallback && !is_fallback)
        return find(req, site, site->options.fallback);
    if (file->err < 0)
        return status_of(req, file->err);
    return file->redirects ? redirect(req) : answer_file(req, site, file);
}

static int on_loaded(tc_request_t *req, tc_future_t *future, void *arg) {
    tc__static_site_t *site = tc_arg(req);
    tc__static_file_t *file = tc_future_result(future);
    if (tc_future_status(future) < 0)
        return status_of(req, tc_future_status(future) == -ENAMETOOLONG ? -ENOENT : tc_future_status(future));
    return answer(req, site, tc__static_file_ref(file), arg != NULL);
}

static int find(tc_request_t *req, tc__static_site_t *site, const char *name) {
    bool is_fallback = name == site->options.fallback;
    tc__static_file_t *file = tc__static_cache_get(req->in->loop, site, name, false);
    if (file)
        return answer(req, site, file, is_fallback);
    return tc_then(req, tc__static_cache_load(req->in->loop, site, name), on_loaded, is_fallback ? site : NULL);
}

static int get(tc_request_t *req) {
    tc__static_site_t *site = tc_arg(req);
    tc_bytes_t path = req->captures[req->route->param_count - 1];
    char *name = tc_alloc(req, path.len + 1);
    if (!name)
        return TC_ENOMEM;
    if (tc__static_name(path, site->options.dot_files, name))
        return find(req, site, name);
    return site->options.fallback ? find(req, site, site->options.fallback) : 404;
}

/* A file that the root has, too: "/favicon.ico" */
static int get_well_known(tc_request_t *req) {
    return find(req, tc_arg(req), req->route->pattern + 1); /* that of the page: its twin with a slash leads to it */
}

/* ---- Sites ---- */

tc__static_site_t *tc__static_site_ref(tc__static_site_t *site) {
    atomic_fetch_add(&site->refs, 1);
    return site;
}

void tc__static_site_unref(void *arg) {
    tc__static_site_t *site = arg;
    if (!site || atomic_fetch_sub(&site->refs, 1) != 1)
        return;
    tc__free(tc__unconst(site->options.index));
    tc__free(tc__unconst(site->options.fallback));
    tc__free(site->prefix);
    tc__free(site->folder);
    tc__free(site);
}

static char *copy_of(const char *text) {
    return tc__strndup(text, strlen(text));
}

static char *absolute(const char *folder) {
    char here[PATH_MAX];
    if (folder[0] == '/')
        return copy_of(folder);
    if (!getcwd(here, sizeof here))
        return NULL;
    const size_t size = strlen(here) + 1 + strlen(folder) + 1;
    char *path = tc__malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", here, folder);
    return path;
}

static int check_folder(const char *folder) {
    struct stat info;
    int err = stat(folder, &info) < 0 ? -errno : S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
    return err < 0 ? tc__fail(err, "the folder %s of static files: %s", folder, tc_strerror(err)) : 0;
}

static bool is_prefix(const char *prefix) {
    size_t len = strlen(prefix);
    return len > 0 && prefix[0] == '/' && prefix[len - 1] == '/' && !strchr(prefix, '{');
}

static int check(const char *prefix, const char *folder, const tc_static_options_t *options) {
    if (!prefix || !folder)
        return tc__misuse(TC_EINVAL, "static files: the %s is NULL", prefix ? "folder" : "prefix");
    if (!is_prefix(prefix))
        return tc__misuse(TC_EPATTERN, "%s: a prefix of static files begins and ends with \"/\", and has no parameters",
                          prefix);
    if (options && !tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_static_options_t: `reserved` must be zero");
    return check_folder(folder);
}

/* The texts are those of `options` until they are copied: then a failure frees copies only. */
static int copy_options(tc__static_site_t *site, const tc_static_options_t *options) {
    const tc_static_options_t none = { 0 };
    options = options ? options : &none;
    site->options = *options;
    site->options.fallback = NULL;
    site->options.index = copy_of(options->index ? options->index : "index.html");
    if (options->fallback)
        site->options.fallback = copy_of(options->fallback);
    if (site->options.recheck_ms == 0)
        site->options.recheck_ms = 1000;
    if (options->max_age_ms >= 1000)
        snprintf(site->cache_control, sizeof site->cache_control, "max-age=%llu",
                 (unsigned long long)(options->max_age_ms / 1000));
    else
        strcpy(site->cache_control, "no-cache");
    return site->options.index && (!options->fallback || site->options.fallback) ? 0 : TC_ENOMEM;
}

static tc__static_site_t *new_site(const char *router_prefix, const char *prefix, const char *folder,
                                   const tc_static_options_t *options) {
    static _Atomic uint64_t ids;
    tc__static_site_t *site = tc__calloc(1, sizeof *site);
    if (!site)
        return NULL;
    atomic_init(&site->refs, 1);
    site->id = atomic_fetch_add(&ids, 1);
    size_t len = strlen(router_prefix), prefix_len = strlen(prefix);
    site->prefix = tc__malloc(len + prefix_len + 1);
    site->folder = absolute(folder);
    if (copy_options(site, options) < 0 || !site->prefix || !site->folder) {
        tc__static_site_unref(site);
        return NULL;
    }
    memcpy(site->prefix, router_prefix, len);
    memcpy(site->prefix + len, prefix, prefix_len + 1);
    return site;
}

/* At the end of the application's list. */
static void link_site(tc_application_t *app, tc__static_site_t *site) {
    tc__static_site_t **at = &app->static_sites;
    while (*at)
        at = &(*at)->next;
    *at = site;
}

int tc_router_add_static(tc_router_t *router, const char *prefix, const char *folder,
                         const tc_static_options_t *options) {
    /* A large file may take its time, whatever the base's handlers may. */
    const tc_request_handler_t handler = { .get = get, .timeout_ms = TC_FOREVER };
    tc_application_t *app = tc__router_application(router);
    if (!app)
        return tc__fail(TC_ENOMEM, "the application or group is NULL: it could not be made");
    int err = check(prefix, folder, options);
    if (err < 0)
        return tc__application_keep_error(app, err);
    tc__static_site_t *site = new_site(tc__router_prefix(router), prefix, folder, options);
    const size_t size = strlen(prefix) + sizeof "{path:*}";
    char *pattern = site ? tc__malloc(size) : NULL;
    if (!pattern) {
        tc__static_site_unref(site);
        return tc__application_keep_error(app, tc__fail(TC_ENOMEM, "%s: out of memory", prefix));
    }
    snprintf(pattern, size, "%s{path:*}", prefix);
    err = tc_router_add(router, pattern, &handler, site);
    tc__free(pattern);
    if (err < 0) {
        tc__static_site_unref(site);
        return err;
    }
    link_site(app, site);
    return 0;
}

int tc_application_add_static(tc_application_t *app, const char *prefix, const char *folder) {
    return tc_router_add_static(tc__application_router(app), prefix, folder, NULL);
}

int tc__static_of_application(tc_application_t *app, const tc_application_options_t *options) {
    static const char *const well_known[] = { "/favicon.ico", "/robots.txt" };
    const tc_request_handler_t handler = { .get = get_well_known, .flags = TC_REMOVESLASH, .timeout_ms = TC_FOREVER };
    tc_router_t *router = tc__application_router(app);
    const char *prefix = options->static_url_prefix ? options->static_url_prefix : "/static/";
    if (!options->static_path)
        return 0;
    TC_TRY(tc_router_add_static(router, prefix, options->static_path, options->static_options));
    for (size_t i = 0; i < 2; i++)
        TC_TRY(tc_router_add(router, well_known[i], &handler, app->static_sites));
    return 0;
}

void tc__static_sites_free(struct tc__static_site *site) {
    while (site) {
        tc__static_site_t *next = site->next;
        tc__static_site_unref(site);
        site = next;
    }
}
