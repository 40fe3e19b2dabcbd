/*
 * security.c - what an application's options say of its secrets and of whom it trusts. (Tornado: the settings
 * cookie_secret, key_version, login_url, xsrf_…)
 *
 * All is checked and copied when the application is made, so that a mistake is found before the first request, and
 * nothing has to be looked at twice.
 */
#include "web/security_internal.h"

#include <string.h>

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
    return options->xsrf_cookies ? copy_text(security, &security->xsrf_name, name) : 0;
}

/* ---- All of it ---- */

int tc__security_init(tc__security_t *security, const tc_application_options_t *options) {
    tc__arena_init(&security->texts, NULL);
    TC_TRY(init_keys(security, options));
    TC_TRY(init_xsrf(security, options));
    return copy_text(security, &security->login_url, options->login_url);
}

void tc__security_deinit(tc__security_t *security) {
    tc__arena_deinit(&security->texts);
}
