/*
 * security.c - what an application's options say of its secrets and of whom it trusts. (Tornado: the settings
 * cookie_secret, key_version, login_url, xsrf_…)
 *
 * All is checked and copied when the application is made, so that a mistake is found before the first request, and
 * nothing has to be looked at twice.
 */
#include "web/security_internal.h"

#include <string.h>
#include <strings.h>

#include <tornadoc/auth.h>
#include <tornadoc/httputil.h>

#include "util/error_internal.h"
#include "web/request_internal.h"

enum { MIN_SECRET = 32 };

static int out_of_memory(void) {
    return tc__fail(TC_ENOMEM, "out of memory");
}

/* NULL stays that. */
static int copy_text(tc__security_t *security, const char **out, const char *text) {
    *out = text ? tc__arena_strndup(&security->texts, text, strlen(text)) : NULL;
    return text && !*out ? out_of_memory() : 0;
}

/* ---- The keys that sign cookies ---- */

static int check_key(const tc_signing_key_t *keys, size_t i) {
    size_t len = strlen(keys[i].key);
    if (len < MIN_SECRET)
        return tc__misuse(TC_EINVAL, "a cookie_secret has %d bytes or more, not %zu: openssl rand -base64 32",
                          MIN_SECRET, len);
    if (keys[i].version < 0)
        return tc__misuse(TC_EINVAL, "cookie_secrets: the version %d is negative", keys[i].version);
    for (size_t k = 0; k < i; k++)
        if (keys[k].version == keys[i].version)
            return tc__misuse(TC_EINVAL, "cookie_secrets: two have the version %d", keys[i].version);
    return 0;
}

static int copy_keys(tc__security_t *security, const tc_signing_key_t *keys, int key_version) {
    size_t count = 0;
    for (; keys[count].key; count++)
        TC_TRY(check_key(keys, count));
    security->keys = tc__arena_calloc(&security->texts, (count + 1) * sizeof *keys);
    if (!security->keys)
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        security->keys[i].version = keys[i].version;
        security->keys[i].key = tc__arena_strndup(&security->texts, keys[i].key, strlen(keys[i].key));
        if (!security->keys[i].key)
            return out_of_memory();
        if (keys[i].version == key_version)
            security->key = &security->keys[i];
    }
    if (!security->key)
        return tc__misuse(TC_EINVAL, "none of cookie_secrets has the key_version %d", key_version);
    return 0;
}

static int init_keys(tc__security_t *security, const tc_application_options_t *options) {
    const tc_signing_key_t single[] = { { 0, options->cookie_secret }, { 0, NULL } };
    if (options->cookie_secret && options->cookie_secrets)
        return tc__misuse(TC_EINVAL, "either cookie_secret or cookie_secrets, not both");
    if (options->key_version != 0 && !options->cookie_secrets)
        return tc__misuse(TC_EINVAL, "key_version tells which of cookie_secrets signs, and there are none");
    if (options->cookie_secrets)
        return copy_keys(security, options->cookie_secrets, options->key_version);
    return options->cookie_secret ? copy_keys(security, single, 0) : 0;
}

/* ---- Cookies that the library sets ---- */

static int copy_cookie(tc__security_t *security, tc_cookie_options_t *out, const char *name,
                       const tc_cookie_options_t *options) {
    *out = *options;
    TC_TRY(tc__cookie_check(name, options));
    TC_TRY(copy_text(security, &out->domain, options->domain));
    return copy_text(security, &out->path, options->path);
}

static int init_xsrf(tc__security_t *security, const tc_application_options_t *options) {
    static const tc_cookie_options_t lax = { .samesite = TC_SAMESITE_LAX };
    const char *name = options->xsrf_cookie_name ? options->xsrf_cookie_name : "_xsrf";
    const tc_cookie_options_t *cookie = options->xsrf_cookie_options ? options->xsrf_cookie_options : &lax;
    TC_TRY(copy_cookie(security, &security->xsrf_cookie, name, cookie));
    security->xsrf_cookies = options->xsrf_cookies;
    return copy_text(security, &security->xsrf_name, name);
}

static int init_session(tc__security_t *security, const tc_application_options_t *options) {
    static const tc_cookie_options_t hidden = { .httponly = true, .samesite = TC_SAMESITE_LAX };
    const char *name = options->session_cookie_name ? options->session_cookie_name : "session";
    const tc_cookie_options_t *cookie = options->session_cookie_options ? options->session_cookie_options : &hidden;
    TC_TRY(copy_cookie(security, &security->session_cookie, name, cookie));
    return copy_text(security, &security->session_name, name);
}

/* ---- Other origins ---- */

/* "https://example.com:8443" and no more: what browsers send. "null" is everybody's. */
static int check_origin(const char *origin) {
    tc_url_t url;
    if (tc_url_parse(tc_str(origin), &url) == 0 && url.scheme.data && url.host.len > 0 && !url.userinfo.data &&
        url.path.len == 0 && !url.query.data && !url.fragment.data)
        return 0;
    return tc__misuse(TC_EINVAL, ".cors: \"%.64s\" is no origin: https://example.com, without a path", origin);
}

static int check_cors(const tc_cors_options_t *cors) {
    const char *const texts[] = { cors->methods, cors->headers, cors->expose_headers };
    if (!cors->origins || !cors->origins[0])
        return tc__misuse(TC_EINVAL, ".cors needs .origins");
    if (!tc__all_zero(cors->reserved, sizeof cors->reserved))
        return tc__misuse(TC_EINVAL, "tc_cors_options_t: `reserved` must be zero");
    bool all = strcmp(cors->origins[0], "*") == 0;
    if (all && (cors->credentials || cors->origins[1]))
        return tc__misuse(TC_EINVAL, ".cors: \"*\" stands alone, and never with .credentials");
    for (size_t i = 0; !all && cors->origins[i]; i++)
        TC_TRY(check_origin(cors->origins[i]));
    for (size_t i = 0; i < 3; i++)
        if (texts[i] && !tc__is_field_value(tc_str(texts[i])))
            return tc__misuse(TC_EINVAL, ".cors: a list of names holds a control byte");
    return 0;
}

static int copy_origins(tc__security_t *security, tc_cors_options_t *cors) {
    size_t count = 0;
    while (cors->origins[count])
        count++;
    const char **origins = tc__arena_calloc(&security->texts, (count + 1) * sizeof *origins);
    if (!origins)
        return out_of_memory();
    for (size_t i = 0; i < count; i++)
        TC_TRY(copy_text(security, &origins[i], cors->origins[i]));
    cors->origins = origins;
    return 0;
}

int tc__security_copy_cors(tc__security_t *security, const tc_cors_options_t **cors) {
    if (!*cors)
        return 0;
    TC_TRY(check_cors(*cors));
    tc_cors_options_t *copy = tc__arena_alloc(&security->texts, sizeof *copy);
    if (!copy)
        return out_of_memory();
    *copy = **cors;
    TC_TRY(copy_origins(security, copy));
    TC_TRY(copy_text(security, &copy->methods, copy->methods));
    TC_TRY(copy_text(security, &copy->headers, copy->headers));
    TC_TRY(copy_text(security, &copy->expose_headers, copy->expose_headers));
    *cors = copy;
    return 0;
}

/* ---- All of it ---- */

static int init_answers(tc__security_t *security, const tc_application_options_t *options) {
    const char *transport = options->strict_transport_security;
    security->request_ids = options->request_ids;
    security->trust_request_ids = options->trust_request_ids;
    if (transport && (!tc__is_field_value(tc_str(transport)) || strncasecmp(transport, "max-age=", 8) != 0))
        return tc__misuse(TC_EINVAL, "strict_transport_security: \"max-age=63072000\" or the like, not \"%.64s\"",
                          transport);
    return copy_text(security, &security->transport_security, transport);
}

int tc__security_init(tc__security_t *security, const tc_application_options_t *options) {
    tc__arena_init(&security->texts, NULL);
    TC_TRY(init_keys(security, options));
    TC_TRY(init_xsrf(security, options));
    TC_TRY(init_session(security, options));
    TC_TRY(init_answers(security, options));
    return copy_text(security, &security->login_url, options->login_url);
}

void tc__security_deinit(tc__security_t *security) {
    tc__arena_deinit(&security->texts);
}
