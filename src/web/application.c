/*
 * application.c - routes, groups and settings. (Tornado: Application, RuleRouter)
 *
 * A program may build its whole application without looking at a single return value: the first failure is kept, in
 * words, and run or listen returns it. What a handler inherits is endpoint.c's.
 *
 * Once it listens an application is frozen, and read by any number of threads without a lock.
 */
#include "web/application_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"
#include "web/request_internal.h"

typedef struct tc__owned {
    struct tc__owned *next;
    void *data;
    tc_free_fn free_data;
} tc__owned_t;

/* ---- The kept failure ---- */

int tc__application_keep_error(tc_application_t *app, int err) {
    if (app && err < 0 && err != TC_EBUSY && app->error == 0) { /* what came too late changes nothing */
        const char *detail = tc_error_detail();
        app->error = err;
        app->error_detail = tc__strndup(detail, strlen(detail));
    }
    return err;
}

int tc_application_error(const tc_application_t *app) {
    return app ? app->error : TC_ENOMEM;
}

int tc__application_ready(tc_application_t *app) {
    if (!app)
        return tc__fail(TC_ENOMEM, "the application is NULL: out of memory when it was made");
    if (app->error < 0)
        return tc__fail(app->error, "%s", app->error_detail ? app->error_detail : tc_strerror(app->error));
    if (!atomic_load(&app->frozen))
        TC_TRY(tc__application_keep_error(app, tc__routes_check(app->routes)));
    for (tc_application_t *mounted = app->mounted; mounted; mounted = mounted->next_mounted) {
        int err = tc__application_ready(mounted);
        if (err < 0)
            return tc__fail(err, "mounted as %s: %s", mounted->place->pattern, tc_error_detail());
    }
    atomic_store(&app->frozen, true);
    return 0;
}

/* ---- Registering ---- */

static int check_open(const tc_application_t *app, const char *what) {
    if (atomic_load(&app->frozen))
        return tc__misuse(TC_EBUSY, "%s: routes cannot change once the application listens", what);
    return 0;
}

typedef int (*add_fn)(tc__host_rule_t *rule, const char *pattern, void *endpoint);

static int add_endpoint(tc_router_t *router, const char *pattern, const tc_request_handler_t *handler, void *arg,
                        add_fn add) {
    tc__endpoint_t *endpoint;
    tc_application_t *app = router->app;
    TC_TRY(check_open(app, pattern));
    TC_TRY(tc__endpoint_new(&endpoint, router, pattern, handler, arg));
    int err = tc__application_check_name(app, endpoint->name, pattern);
    if (err == 0)
        err = add(router->host, pattern, endpoint);
    if (err < 0) {
        tc__endpoint_free(endpoint);
        return err;
    }
    return tc__application_name_route(app, endpoint->name, tc__routes_last(app->routes));
}

/* The same route with a slash at its end, or without, if it wants that. */
static int add_twin(tc_router_t *router, const char *pattern, const tc_request_handler_t *handler, void *arg) {
    tc_request_handler_t nameless = *handler;
    if (!tc__slash_matters(pattern, tc__slash_flag(router, handler)) || strcmp(pattern, "/") == 0)
        return 0;
    char *twin = tc__slash_twin(pattern);
    if (!twin)
        return tc__fail(TC_ENOMEM, "%s: out of memory", pattern);
    nameless.name = NULL;
    int err = add_endpoint(router, twin, &nameless, arg, tc__host_rule_add);
    tc__free(twin);
    return err;
}

static int add(tc_router_t *router, const char *pattern, const tc_request_handler_t *handler, void *arg,
               add_fn add_fn) {
    if (!router)
        return tc__fail(TC_ENOMEM, "the application or group is NULL: it could not be made");
    if (!pattern)
        return tc__application_keep_error(router->app, tc__misuse(TC_EINVAL, "a route's pattern is NULL"));
    size_t prefix_len = strlen(router->prefix), len = prefix_len + strlen(pattern);
    char *whole = tc__malloc(len + 1);
    if (!whole)
        return tc__application_keep_error(router->app, tc__fail(TC_ENOMEM, "%s: out of memory", pattern));
    memcpy(whole, router->prefix, prefix_len);
    memcpy(whole + prefix_len, pattern, len - prefix_len + 1);
    int err = add_endpoint(router, whole, handler, arg, add_fn);
    if (err == 0 && add_fn == tc__host_rule_add)
        err = add_twin(router, whole, handler, arg);
    tc__free(whole);
    return tc__application_keep_error(router->app, err);
}

int tc_router_add(tc_router_t *router, const char *pattern, const tc_request_handler_t *handler, void *arg) {
    return add(router, pattern, handler, arg, tc__host_rule_add);
}

int tc_router_add_regex(tc_router_t *router, const char *regex, const tc_request_handler_t *handler, void *arg) {
    return add(router, regex, handler, arg, tc__host_rule_add_regex);
}

tc_router_t *tc__application_router(const tc_application_t *app) {
    tc_router_t *router = app ? app->routers : NULL;
    while (router && router->next)
        router = router->next;
    return router;
}

tc_application_t *tc__router_application(const tc_router_t *router) {
    return router ? router->app : NULL;
}

const char *tc__router_prefix(const tc_router_t *router) {
    return router->prefix;
}

tc__host_rule_t *tc__router_host(const tc_router_t *router) {
    return router->host;
}

int tc_application_add(tc_application_t *app, const char *pattern, const tc_request_handler_t *handler, void *arg) {
    return tc_router_add(tc__application_router(app), pattern, handler, arg);
}

int tc_application_add_regex(tc_application_t *app, const char *regex, const tc_request_handler_t *handler, void *arg) {
    return tc_router_add_regex(tc__application_router(app), regex, handler, arg);
}

/* ---- Tables of routes ---- */

static int add_row(tc_router_t *router, const tc_url_spec_t *row) {
    if (row->pattern && row->regex)
        return tc__misuse(TC_EINVAL, "%s: a row has a pattern or a regex, not both", row->pattern);
    const char *text = row->pattern ? row->pattern : row->regex;
    if (!row->handler)
        return tc__misuse(TC_EINVAL, "%s: the handler is NULL", text);
    tc_request_handler_t handler = *row->handler;
    if (row->name)
        handler.name = row->name;
    return row->pattern ? tc_router_add(router, text, &handler, row->arg)
                        : tc_router_add_regex(router, text, &handler, row->arg);
}

int tc_router_add_handlers(tc_router_t *router, const tc_url_spec_t *rows) {
    if (!router)
        return tc__fail(TC_ENOMEM, "the application or group is NULL: it could not be made");
    if (!rows)
        return tc__application_keep_error(router->app,
                                          tc__misuse(TC_EINVAL, "tc_router_add_handlers: the table is NULL"));
    for (; rows->pattern || rows->regex; rows++)
        TC_TRY(tc__application_keep_error(router->app, add_row(router, rows)));
    return 0;
}

int tc_application_add_handlers(tc_application_t *app, const tc_url_spec_t *rows) {
    return tc_router_add_handlers(tc__application_router(app), rows);
}

int tc_application_set_default(tc_application_t *app, const tc_request_handler_t *handler, void *arg) {
    tc__endpoint_t *endpoint;
    if (!app)
        return tc__fail(TC_ENOMEM, "the application is NULL: out of memory when it was made");
    int err = check_open(app, "tc_application_set_default");
    if (err == 0)
        err = tc__endpoint_new(&endpoint, tc__application_router(app), "the default handler", handler, arg);
    if (err == 0) {
        tc__endpoint_free(app->not_found);
        app->not_found = endpoint;
    }
    return tc__application_keep_error(app, err);
}

/* ---- Groups ---- */

static void free_router(tc_router_t *router) {
    tc__free(router->prefix);
    tc__free(router);
}

static tc_router_t *make_router(tc_application_t *app, tc__host_rule_t *host, const char *prefix_a,
                                const char *prefix_b) {
    tc_router_t *router = tc__calloc(1, sizeof *router);
    size_t len_a = strlen(prefix_a), len_b = strlen(prefix_b);
    if (router)
        router->prefix = tc__malloc(len_a + len_b + 1);
    if (!router || !router->prefix) {
        tc__free(router);
        return NULL;
    }
    memcpy(router->prefix, prefix_a, len_a);
    memcpy(router->prefix + len_a, prefix_b, len_b + 1);
    router->app = app;
    router->host = host;
    return router;
}

/* A group inside `parent`, at its newest place in the application's list. */
static int new_group(tc_router_t **out, tc_router_t *parent, tc__host_rule_t *host, const char *prefix,
                     const tc_request_handler_t *base) {
    size_t prefix_len = strlen(prefix);
    TC_TRY(check_open(parent->app, prefix));
    if (prefix_len > 0 && (prefix[0] != '/' || prefix[prefix_len - 1] == '/'))
        return tc__misuse(TC_EPATTERN, "%s: a group's prefix begins with \"/\" and does not end with one", prefix);
    if (base)
        TC_TRY(tc__handler_check(prefix, base));
    if (parent->base_count == TC__MAX_GROUPS - 1 && base)
        return tc__misuse(TC_EINVAL, "%s: groups nest at most %d deep", prefix, TC__MAX_GROUPS - 1);
    tc_router_t *router = make_router(parent->app, host, parent->prefix, prefix);
    if (!router)
        return tc__fail(TC_ENOMEM, "%s: out of memory", prefix);
    memcpy(router->bases, parent->bases, sizeof router->bases);
    router->base_count = parent->base_count;
    if (base) {
        router->bases[router->base_count] = *base;
        int err = tc__handler_copy_parts(parent->app, &router->bases[router->base_count++]);
        if (err < 0) {
            free_router(router);
            return err;
        }
    }
    router->next = parent->app->routers;
    parent->app->routers = router;
    *out = router;
    return 0;
}

tc_router_t *tc_router_group(tc_router_t *router, const char *prefix, const tc_request_handler_t *base) {
    tc_router_t *group = NULL;
    if (router)
        tc__application_keep_error(router->app, prefix ? new_group(&group, router, router->host, prefix, base)
                                                       : tc__misuse(TC_EINVAL, "a group's prefix is NULL"));
    return group;
}

tc_router_t *tc_application_group(tc_application_t *app, const char *prefix, const tc_request_handler_t *base) {
    return tc_router_group(tc__application_router(app), prefix, base);
}

tc_router_t *tc_application_host(tc_application_t *app, const char *host_pattern) {
    tc_router_t *router = NULL, *parent = tc__application_router(app);
    if (!parent)
        return NULL;
    int err = check_open(app, "tc_application_host");
    if (err == 0 && !host_pattern)
        err = tc__misuse(TC_EINVAL, "tc_application_host: the host is NULL; \"*\" is all hosts");
    tc__host_rule_t *host = err == 0 ? tc__routes_host(app->routes, host_pattern, &err) : NULL;
    if (host)
        err = new_group(&router, parent, host, "", NULL);
    tc__application_keep_error(app, err);
    return router;
}

/* ---- Life ---- */

/* The one that is asked for must be there, and stays the same wherever the process goes. */
static int choose_spool_dir(tc_application_t *app, const char *dir) {
    char path[PATH_MAX];
    struct stat info;
    if (!dir) {
        const char *otherwise = getenv("TMPDIR");
        dir = otherwise && *otherwise && realpath(otherwise, path) ? path : "/tmp";
    } else if (!realpath(dir, path) || stat(path, &info) < 0) {
        int err = -errno;
        return tc__fail(err, "spool_dir %s: %s", dir, tc_strerror(err));
    } else if (!S_ISDIR(info.st_mode)) {
        return tc__fail(-ENOTDIR, "spool_dir %s: not a directory", dir);
    } else {
        dir = path;
    }
    app->spool_dir = tc__strndup(dir, strlen(dir));
    return app->spool_dir ? 0 : tc__fail(TC_ENOMEM, "out of memory");
}

static int set_base(tc_application_t *app, const tc_request_handler_t *base) {
    tc_router_t *root = app->routers;
    TC_TRY(tc__handler_check("tc_application_options_t: base", base));
    root->bases[root->base_count] = *base;
    return tc__handler_copy_parts(app, &root->bases[root->base_count++]);
}

static int apply_options(tc_application_t *app, const tc_application_options_t *options) {
    static const tc_application_options_t defaults;
    int err = 0;
    if (!options)
        options = &defaults;
    tc__host_rule_t *any_host = tc__routes_host(app->routes, NULL, &err);
    if (!any_host)
        return err;
    tc_router_t *root = make_router(app, any_host, "", "");
    if (!root)
        return tc__fail(TC_ENOMEM, "out of memory");
    app->routers = root;
    app->max_arguments = 1000;
    app->max_json = (size_t)2 * 1024 * 1024;
    app->max_form_memory = (size_t)10 * 1024 * 1024;
    TC_TRY(choose_spool_dir(app, options->spool_dir));
    if (!tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_application_options_t: `reserved` must be zero");
    app->debug = options->debug;
    app->log_level = options->log_level;
    app->log = options->log;
    app->log_data = options->log_data;
    if (options->max_arguments)
        app->max_arguments = options->max_arguments;
    if (options->max_buffered_size)
        app->buffered.limit = options->max_buffered_size;
    if (options->max_spooled_size)
        app->spooled.limit = options->max_spooled_size;
    if (options->max_form_memory)
        app->max_form_memory = options->max_form_memory;
    app->max_parts = options->max_parts;
    app->max_part_header_size = options->max_part_header_size;
    if (options->max_json_size)
        app->max_json = options->max_json_size;
    if (options->compress_level < 0 || options->compress_level > 9)
        return tc__misuse(TC_EINVAL, "compress_level: 1 to 9, or 0 for the default, not %d", options->compress_level);
    app->compress_response = options->compress_response;
    app->compress_level = options->compress_level ? options->compress_level : 6;
    app->max_compress_memory = options->max_compress_memory ? options->max_compress_memory : (size_t)64 * 1024 * 1024;
    TC_TRY(tc__security_init(&app->security, options));
    if (options->base)
        TC_TRY(set_base(app, options->base));
    return tc__static_of_application(app, options);
}

static int init_holders(tc_application_t *app) {
    TC_TRY(tc__holders_init(&app->buffered, (uint64_t)1 << 30, 503, "in memory"));
    return tc__holders_init(&app->spooled, (uint64_t)10 << 30, 507, "in files");
}

tc_application_t *tc_application_new(const tc_application_options_t *options) {
    tc_application_t *app = tc__calloc(1, sizeof *app);
    if (!app)
        return NULL;
    atomic_init(&app->refs, 1);
    tc__log_set_request_sink(tc__request_choose_log);
    if (init_holders(app) == 0 && tc__routes_new(&app->routes) == 0)
        tc__application_keep_error(app, apply_options(app, options));
    if (app->routers)
        app->not_found = tc__endpoint_not_found(app);
    if (!app->not_found) {
        tc_application_free(app);
        return NULL;
    }
    return app;
}

tc_application_t *tc__application_ref(tc_application_t *app) {
    atomic_fetch_add(&app->refs, 1);
    return app;
}

static void free_owned(tc_application_t *app) {
    while (app->owned) {
        tc__owned_t *owned = app->owned;
        app->owned = owned->next;
        owned->free_data(owned->data);
        tc__free(owned);
    }
}

void tc_application_free(tc_application_t *app) {
    if (!app || atomic_fetch_sub(&app->refs, 1) > 1)
        return;
    free_owned(app);
    tc__application_free_mounted(app);
    tc__static_sites_free(app->static_sites);
    tc__routes_free(app->routes, tc__endpoint_free);
    tc__route_table_deinit(&app->names, NULL);
    tc__endpoint_free(app->not_found);
    while (app->routers) {
        tc_router_t *router = app->routers;
        app->routers = router->next;
        free_router(router);
    }
    tc__free(app->error_detail);
    tc__free(app->spool_dir);
    tc__security_deinit(&app->security);
    tc__holders_deinit(&app->buffered);
    tc__holders_deinit(&app->spooled);
    tc__free(app);
}

void tc__application_unref(void *app) {
    tc_application_free(app);
}

int tc_application_own(tc_application_t *app, void *data, tc_free_fn free_data) {
    tc__owned_t *owned = app ? tc__malloc(sizeof *owned) : NULL;
    if (!owned) {
        if (free_data)
            free_data(data);
        return tc__application_keep_error(app, tc__fail(TC_ENOMEM, "tc_application_own: out of memory"));
    }
    if (!free_data) {
        tc__free(owned);
        return tc__application_keep_error(app, tc__misuse(TC_EINVAL, "tc_application_own: free_data is NULL"));
    }
    *owned = (tc__owned_t){ app->owned, data, free_data };
    app->owned = owned;
    return 0;
}

static tc_log_level_t effective_level(const tc_application_t *app) {
    tc_log_level_t level = app->log_level ? app->log_level : tc_log_level();
    return app->debug && level > TC_LOG_INFO ? TC_LOG_INFO : level;
}

bool tc__application_logs_access(const tc_application_t *app) {
    return app->log_request || effective_level(app) <= TC_LOG_INFO;
}

void tc__application_choose_log(const tc_application_t *app, tc__log_sink_t *sink) {
    sink->level = effective_level(app);
    if (app->log) {
        sink->cb = app->log;
        sink->user_data = app->log_data;
    }
}
