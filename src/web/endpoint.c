/*
 * endpoint.c - a handler with what it inherits. (Tornado: RequestHandler and the classes it derives from)
 *
 * All inheritance is worked out when a handler is registered: an endpoint holds the merged callbacks and the chains of
 * admit, prepare, on_finish and transforms, so that a request does nothing but call them.
 */
#include "web/application_internal.h"

#include <stdio.h>
#include <string.h>

#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "web/output_transform_internal.h"
#include "web/request_internal.h"

#define KNOWN_FLAGS                                                                                            \
    ((uint32_t)(TC_COROUTINE | TC_CANCEL_ON_CLOSE | TC_DECOMPRESS | TC_NO_XSRF | TC_LOGIN_REQUIRED | TC_ETAG | \
                TC_ADDSLASH | TC_REMOVESLASH | TC_COMPRESS | TC_NO_COMPRESS))

/* ---- What a handler inherits ---- */

#define INHERIT(field)                    \
    do {                                  \
        if (!handler->field)              \
            handler->field = base->field; \
    } while (0)

static void inherit(tc_request_handler_t *handler, const tc_request_handler_t *base) {
    handler->flags |= base->flags;
    if (base->data_size > handler->data_size)
        handler->data_size = base->data_size;
    INHERIT(body);
    INHERIT(max_body_size);
    INHERIT(timeout_ms);
    INHERIT(initialize);
    INHERIT(get);
    INHERIT(head);
    INHERIT(post);
    INHERIT(put);
    INHERIT(delete_);
    INHERIT(patch);
    INHERIT(options);
    INHERIT(any);
    INHERIT(data_received);
    INHERIT(on_connection_close);
    INHERIT(on_going_away);
    INHERIT(write_error);
    INHERIT(set_default_headers);
    INHERIT(part_begin);
    INHERIT(part_received);
    INHERIT(part_end);
    INHERIT(get_current_user);
    INHERIT(cors);
}

enum { SLASHES = TC_ADDSLASH | TC_REMOVESLASH, COMPRESSIONS = TC_COMPRESS | TC_NO_COMPRESS };

/* Of two flags that exclude each other, the one that is said closest to the handler; 0: nobody says any. */
static uint32_t last_said(uint32_t either, uint32_t own, const tc_request_handler_t *bases, size_t base_count) {
    uint32_t said = own & either;
    for (size_t i = base_count; i-- > 0 && said == 0;)
        said = bases[i].flags & either;
    return said;
}

uint32_t tc__slash_flag(const tc_router_t *router, const tc_request_handler_t *own) {
    return last_said(SLASHES, own->flags, router->bases, router->base_count);
}

static void inherit_all(tc_request_handler_t *merged, const tc_router_t *router, const tc_request_handler_t *own) {
    *merged = *own;
    for (size_t i = router->base_count; i-- > 0;)
        inherit(merged, &router->bases[i]);
    merged->flags = (merged->flags & ~(uint32_t)SLASHES) | tc__slash_flag(router, own);
}

/* May a request change anything? */
static bool has_unsafe_method(const tc_request_handler_t *h) {
    return h->post || h->put || h->delete_ || h->patch || h->any;
}

static void chain(tc__endpoint_t *endpoint, const tc_router_t *router, const char *pattern,
                  const tc_request_handler_t *own) {
    const tc_request_handler_t *bases = router->bases, *merged = &endpoint->handler;
    size_t count = router->base_count, admits = 0, prepares = 0, finishes = 0;
    if (tc__slash_matters(pattern, merged->flags))
        endpoint->admit[admits++] = tc__fix_slash;
    if (router->app->security.xsrf_cookies && !(merged->flags & TC_NO_XSRF) && has_unsafe_method(merged)) {
        endpoint->admit[admits++] = tc__xsrf_admit;
        endpoint->prepare[prepares++] = tc__xsrf_prepare;
    }
    if (own->on_finish)
        endpoint->on_finish[finishes++] = own->on_finish;
    for (size_t i = count; i-- > 0;)
        if (bases[i].on_finish)
            endpoint->on_finish[finishes++] = bases[i].on_finish;
    for (size_t i = 0; i <= count; i++) {
        const tc_request_handler_t *handler = i < count ? &bases[i] : own;
        if (handler->admit)
            endpoint->admit[admits++] = handler->admit;
        if (handler->prepare)
            endpoint->prepare[prepares++] = handler->prepare;
    }
    if (merged->flags & TC_LOGIN_REQUIRED)
        endpoint->admit[admits++] = tc__require_login;
}

/* The other way round: the handler's own first. */
static void chain_transforms(const tc_application_t *app, tc__endpoint_t *endpoint, uint32_t own_flags,
                             const tc_request_handler_t *bases, size_t base_count) {
    size_t transforms = 0;
    if (endpoint->handler.transform)
        endpoint->transforms[transforms++] = endpoint->handler.transform;
    for (size_t i = base_count; i-- > 0;)
        if (bases[i].transform)
            endpoint->transforms[transforms++] = bases[i].transform;
    uint32_t compression = last_said(COMPRESSIONS, own_flags, bases, base_count);
    if (compression ? compression == TC_COMPRESS : app->compress_response)
        endpoint->transforms[transforms++] = &tc__compress_response;
}

tc_request_fn tc__endpoint_method(const tc__endpoint_t *endpoint, tc__method_t method) {
    const tc_request_handler_t *h = &endpoint->handler;
    tc_request_fn fn = NULL;
    switch (method) {
    case TC__METHOD_GET:
        fn = h->get;
        break;
    case TC__METHOD_HEAD:
        fn = h->head ? h->head : h->get;
        break;
    case TC__METHOD_POST:
        fn = h->post;
        break;
    case TC__METHOD_PUT:
        fn = h->put;
        break;
    case TC__METHOD_DELETE:
        fn = h->delete_;
        break;
    case TC__METHOD_PATCH:
        fn = h->patch;
        break;
    case TC__METHOD_OPTIONS:
        fn = h->options;
        break;
    case TC__METHOD_OTHER:
        break;
    }
    return fn ? fn : h->any;
}

static void list_methods(tc__endpoint_t *endpoint) {
    static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH" };
    char *at = endpoint->allow;
    const char *end = at + sizeof endpoint->allow;
    for (int method = TC__METHOD_GET; method < TC__METHOD_OPTIONS; method++)
        if (tc__endpoint_method(endpoint, (tc__method_t)method))
            at += snprintf(at, (size_t)(end - at), "%s, ", names[method]);
    snprintf(at, (size_t)(end - at), "OPTIONS");
}

static bool is_marked(const tc_application_t *app, const tc_request_handler_t *handler) {
    return handler->cors || app->security.request_ids || app->security.transport_security;
}

static bool is_plain(const tc__endpoint_t *endpoint) {
    const tc_request_handler_t *h = &endpoint->handler;
    return !endpoint->marked && !endpoint->admit[0] && !endpoint->prepare[0] && !h->initialize &&
           !h->set_default_headers && !(h->flags & TC_DECOMPRESS) && h->body == TC_BODY_BUFFER &&
           h->max_body_size == 0 && (h->timeout_ms == 0 || h->timeout_ms == TC_FOREVER);
}

/* ---- Endpoints ---- */

void tc__endpoint_free(void *data) {
    tc__endpoint_t *endpoint = data;
    if (endpoint)
        tc__free(endpoint->name);
    tc__free(endpoint);
}

int tc__handler_check(const char *pattern, const tc_request_handler_t *handler) {
    if (!handler)
        return tc__misuse(TC_EINVAL, "%s: the handler is NULL", pattern);
    if (!tc__all_zero(handler->reserved, sizeof handler->reserved))
        return tc__misuse(TC_EINVAL, "%s: `reserved` of the handler must be zero", pattern);
    if (handler->flags & ~KNOWN_FLAGS)
        return tc__misuse(TC_EINVAL, "%s: the handler's flags 0x%x are not known to this library", pattern,
                          handler->flags);
    if ((handler->flags & COMPRESSIONS) == COMPRESSIONS)
        return tc__misuse(TC_EINVAL, "%s: the handler's flags have both TC_COMPRESS and TC_NO_COMPRESS", pattern);
    if ((handler->flags & SLASHES) == SLASHES)
        return tc__misuse(TC_EINVAL, "%s: the handler's flags have both TC_ADDSLASH and TC_REMOVESLASH", pattern);
    if ((unsigned)handler->body > TC_BODY_FORM)
        return tc__misuse(
            TC_EINVAL, "%s: the handler's .body is none of TC_BODY_BUFFER, _STREAM, _REFUSE, _SPOOL, _FORM", pattern);
    if ((handler->flags & TC_COROUTINE) && !tornadoc_has("coroutines"))
        return tc__misuse(TC_ENOTSUP, "%s: this build has no coroutines: TC_COROUTINE", pattern);
    return 0;
}

int tc__handler_copy_parts(tc_application_t *app, tc_request_handler_t *base) {
    TC_TRY(tc__security_copy_cors(&app->security, &base->cors));
    return tc__transform_copy(&app->security.texts, &base->transform);
}

/* `own`: what the handler itself says; bases may have callbacks that only some of their routes need. */
static int check_endpoint(const char *pattern, const tc__endpoint_t *endpoint, const tc_request_handler_t *own) {
    const tc_request_handler_t *h = &endpoint->handler;
    if (!h->get && !h->head && !h->post && !h->put && !h->delete_ && !h->patch && !h->options && !h->any)
        return tc__misuse(TC_EINVAL, "%s: the handler has no method; set .get, .post … or .any", pattern);
    if (h->body == TC_BODY_STREAM && !h->data_received)
        return tc__misuse(TC_EINVAL, "%s: TC_BODY_STREAM needs .data_received", pattern);
    if (h->body != TC_BODY_STREAM && own->data_received)
        return tc__misuse(TC_EINVAL, "%s: .data_received is called with TC_BODY_STREAM only", pattern);
    if (h->body != TC_BODY_FORM && (own->part_begin || own->part_received || own->part_end))
        return tc__misuse(TC_EINVAL, "%s: .part_begin, .part_received and .part_end are called with TC_BODY_FORM only",
                          pattern);
    return 0;
}

int tc__endpoint_new(tc__endpoint_t **out, const tc_router_t *router, const char *pattern,
                     const tc_request_handler_t *handler, void *arg) {
    TC_TRY(tc__handler_check(pattern, handler));
    tc__endpoint_t *endpoint = tc__calloc(1, sizeof *endpoint);
    if (!endpoint)
        return tc__fail(TC_ENOMEM, "%s: out of memory", pattern);
    inherit_all(&endpoint->handler, router, handler);
    endpoint->arg = arg;
    int err = tc__transform_copy(&router->app->security.texts, &endpoint->handler.transform);
    chain(endpoint, router, pattern, handler);
    chain_transforms(router->app, endpoint, handler->flags, router->bases, router->base_count);
    list_methods(endpoint);
    endpoint->marked = is_marked(router->app, &endpoint->handler);
    endpoint->plain = is_plain(endpoint);
    if (err == 0)
        err = check_endpoint(pattern, endpoint, handler);
    if (err == 0 && handler->cors)
        err = tc__security_copy_cors(&router->app->security, &endpoint->handler.cors);
    if (err == 0 && handler->name && !(endpoint->name = tc__strndup(handler->name, strlen(handler->name))))
        err = tc__fail(TC_ENOMEM, "%s: out of memory", pattern);
    if (err < 0) {
        tc__endpoint_free(endpoint);
        return err;
    }
    *out = endpoint;
    return 0;
}

tc__endpoint_t *tc__endpoint_not_found(const tc_application_t *app) {
    const tc_router_t *root = app->routers;
    tc__endpoint_t *endpoint = tc__calloc(1, sizeof *endpoint);
    if (!endpoint)
        return NULL;
    if (root->base_count > 0) { /* an application's own error page and end, but none of its methods */
        const tc_request_handler_t *base = &root->bases[0];
        endpoint->handler.write_error = base->write_error;
        endpoint->handler.set_default_headers = base->set_default_headers;
        endpoint->handler.data_size = base->data_size;
        endpoint->handler.get_current_user = base->get_current_user;
        endpoint->handler.cors = base->cors;
        endpoint->on_finish[0] = base->on_finish;
    }
    chain_transforms(app, endpoint, 0, root->bases, root->base_count);
    endpoint->marked = is_marked(app, &endpoint->handler);
    return endpoint;
}
