/*
 * application_internal.h - an application's routes and settings, as a request sees them. (Tornado: Application)
 */
#ifndef TC_WEB_APPLICATION_INTERNAL_H
#define TC_WEB_APPLICATION_INTERNAL_H

#include <stdatomic.h>

#include <tornadoc/access_log.h>
#include <tornadoc/web.h>

#include "http/exchange_internal.h"
#include "util/log_internal.h"
#include "web/body_holders_internal.h"
#include "web/route_table_internal.h"
#include "web/router_internal.h"
#include "web/security_internal.h"

enum {
    TC__MAX_GROUPS = 8,                 /* bases above a handler, the application's included */
    TC__MAX_CHAIN = TC__MAX_GROUPS + 4, /* with the handler itself, and the library's own checks */
    TC__MAX_TRANSFORMS = TC__MAX_GROUPS + 2
};

/* What a route leads to: a handler with everything it inherits, worked out when it was registered. */
typedef struct tc__endpoint {
    tc_request_handler_t handler;       /* NULL callbacks filled in from the bases */
    tc_request_fn admit[TC__MAX_CHAIN]; /* the bases' first; NULL ends it */
    tc_request_fn prepare[TC__MAX_CHAIN];
    void (*on_finish[TC__MAX_GROUPS + 1])(tc_request_t *req, int err); /* the handler's first */
    const tc_output_transform_t *transforms[TC__MAX_TRANSFORMS + 1];   /* the handler's first; NULL ends them */
    void *arg;
    tc_application_t *mounted; /* it leads to that application; nothing else of it is used then */
    char *name;
    bool marked;    /* its answers have fields of the library's: own_headers.c */
    bool plain;     /* a buffered body and a method, and nothing else to call or to check */
    char allow[72]; /* of the Allow field: "GET, HEAD, OPTIONS" */
} tc__endpoint_t;

/* A group of routes, at a host or at any. */
struct tc_router {
    tc_router_t *next;
    tc_application_t *app;
    tc__host_rule_t *host;
    char *prefix;
    tc_request_handler_t bases[TC__MAX_GROUPS]; /* outermost first */
    size_t base_count;
};

struct tc_application {
    _Atomic size_t refs;
    _Atomic bool frozen; /* it listens, or is tested: routes may not change any more */
    tc__routes_t *routes;
    tc__route_table_t names; /* of routes */
    tc__endpoint_t *not_found;
    struct tc_router *routers; /* all groups, owned, newest first; the last is the application's own */
    bool debug;
    tc_log_level_t log_level; /* 0: the process's */
    tc_log_cb log;
    void *log_data;
    tc_log_request_fn log_request; /* NULL: tc_log_access, where the level has its lines */
    void *log_request_data;
    tc_access_format_t access_format; /* of lines for access_fd */
    int access_fd;
    size_t max_arguments, max_json;
    bool compress_response;
    int compress_level;
    size_t max_compress_memory; /* of a loop */
    char *spool_dir;
    tc__security_t security;
    size_t max_form_memory;
    size_t max_parts, max_part_header_size; /* 0: the parser's own */
    tc__holders_t buffered, spooled;        /* bytes of request bodies on the heap, and in files */
    int error;                              /* the first failure */
    char *error_detail;
    tc_application_t *parent;  /* in which it is mounted; NULL: in none */
    const tc__route_t *place;  /* there */
    tc_application_t *mounted; /* those in it, owned, newest first … */
    tc_application_t *next_mounted;
    struct tc__owned *owned;              /* newest first */
    struct tc__static_site *static_sites; /* first added first */
};

tc_application_t *tc__application_ref(tc_application_t *app);

/* Freeze it. 0, or its kept failure, with its detail as this thread's. */
int tc__application_ready(tc_application_t *app);

/* Keep the first failure, with its detail; returns err. */
int tc__application_keep_error(tc_application_t *app, int err);
tc_router_t *tc__application_router(const tc_application_t *app);    /* its own; NULL for NULL */
tc_application_t *tc__router_application(const tc_router_t *router); /* NULL for NULL */
const char *tc__router_prefix(const tc_router_t *router);
tc__host_rule_t *tc__router_host(const tc_router_t *router);

/* mount.c */
void tc__application_free_mounted(tc_application_t *app);

/* reverse_url.c: the names of routes; NULL: it has none. TC_EALREADY, in words; TC_ENOMEM */
int tc__application_check_name(const tc_application_t *app, const char *name, const char *pattern);
int tc__application_name_route(tc_application_t *app, const char *name, const tc__route_t *route);

/* static_handler.c: what the options say of static files, and the sites of an application that goes */
int tc__static_of_application(tc_application_t *app, const tc_application_options_t *options);
void tc__static_sites_free(struct tc__static_site *sites);

/* The delegate that a server needs; its `self` is a counted tc_application_t. */
extern const tc__server_delegate_t tc__application_delegate;
void tc__application_unref(void *app);

/* endpoint.c: whatever fails is told in words, and names the pattern. */
int tc__handler_check(const char *pattern, const tc_request_handler_t *handler);
int tc__handler_copy_parts(tc_application_t *app, tc_request_handler_t *base); /* what a base points at */
int tc__endpoint_new(tc__endpoint_t **out, const tc_router_t *router, const char *pattern,
                     const tc_request_handler_t *handler, void *arg);
tc__endpoint_t *tc__endpoint_not_found(const tc_application_t *app); /* NULL: out of memory */
void tc__endpoint_free(void *data);
/* TC_ADDSLASH, TC_REMOVESLASH or 0, of a handler below that router's bases */
uint32_t tc__slash_flag(const tc_router_t *router, const tc_request_handler_t *own);

/* The callback for a method; NULL: 405. HEAD falls back to get, everything to any. */
tc_request_fn tc__endpoint_method(const tc__endpoint_t *endpoint, tc__method_t method);

/* Are access lines wanted of this application? */
bool tc__application_logs_access(const tc_application_t *app);

/* Where messages about its requests go: *sink is the process's, and is changed to the application's own. */
void tc__application_choose_log(const tc_application_t *app, tc__log_sink_t *sink);
void tc__request_choose_log(const tc_request_t *req, tc__log_sink_t *sink);

#endif
