/*
 * request_cookies.c - cookies that go out, and those that are signed. (Tornado: set_cookie, clear_cookie,
 * set_signed_cookie, get_signed_cookie)
 *
 * There is one way to a Set-Cookie field, and every attribute is checked on it: a ";" in a path would be the next
 * attribute, a line end the next field (CVE-2026-35536). Names with a prefix keep what the prefix promises, or are not
 * set at all, for browsers drop them without a word (RFC 6265bis section 4.1.3).
 */
#include "web/request_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/bytes_internal.h"
#include "util/date_internal.h"
#include "util/error_internal.h"
#include "util/unconst_internal.h"
#include "web/signed_value_internal.h"

enum {
    MAX_COOKIE = 4096,         /* bytes of name and value that browsers keep */
    MAX_AGE_S = 400 * 86400,   /* RFC 6265bis section 5.5 */
    SIGNED_AGE_S = 30 * 86400, /* Tornado's expires_days of signed cookies */
    ATTRIBUTES_SIZE = 192      /* of all attributes but the texts of domain and path, with a NUL */
};

int64_t tc__request_now(const tc_request_t *req) {
    return tc__ioloop_unix_time(req->in->loop);
}

/* ---- What is allowed ---- */

static bool has_prefix(const char *name, const char *prefix) {
    return strncasecmp(name, prefix, strlen(prefix)) == 0; /* browsers compare without case */
}

static bool is_prefixed(const char *name) {
    return has_prefix(name, "__Host-") || has_prefix(name, "__Secure-");
}

/* RFC 6265 section 4.1.1: what may stand in a path, or any other attribute. */
static bool is_attribute_value(const char *text) {
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e || *text == ';')
            return false;
    return true;
}

static bool is_domain(const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    return *text && text[strspn(text, letters)] == '\0';
}

static bool wants_secure(const char *name, const tc_cookie_options_t *options) {
    return options->secure || options->partitioned || options->samesite == TC_SAMESITE_NONE || is_prefixed(name);
}

static int check_prefix(const char *name, const tc_cookie_options_t *options) {
    if (!has_prefix(name, "__Host-"))
        return 0;
    if (options->domain)
        return tc__misuse(TC_EINVAL, "the cookie %.64s is its host's alone: no domain", name);
    if (options->path && strcmp(options->path, "/") != 0)
        return tc__misuse(TC_EINVAL, "the cookie %.64s is its whole host's: no path but \"/\"", name);
    return 0;
}

int tc__cookie_check(const char *name, const tc_cookie_options_t *options) {
    if (!name || !tc__is_token(tc_str(name)) || !tc__is_cookie_name(tc_str(name)))
        return tc__misuse(TC_EINVAL, "\"%.64s\" cannot be the name of a cookie", name ? name : "");
    if (!tc__all_zero(options->reserved, sizeof options->reserved))
        return tc__misuse(TC_EINVAL, "tc_cookie_options_t: `reserved` must be zero");
    if (options->domain && !is_domain(options->domain))
        return tc__misuse(TC_EINVAL, "the cookie %.64s: \"%.64s\" is no domain", name, options->domain);
    if (options->path && (options->path[0] != '/' || !is_attribute_value(options->path)))
        return tc__misuse(TC_EINVAL, "the cookie %.64s: \"%.64s\" is no path, or not percent-encoded", name,
                          options->path);
    if ((unsigned)options->samesite > TC_SAMESITE_NONE)
        return tc__misuse(TC_EINVAL, "the cookie %.64s: .samesite is none of TC_SAMESITE_…", name);
    if (options->insecure && wants_secure(name, options))
        return tc__misuse(TC_EINVAL, "the cookie %.64s cannot be .insecure with its name and the other options", name);
    return check_prefix(name, options);
}

/* ---- The value ---- */

/* RFC 6265 section 4.1.1: cookie-octet. */
static bool is_plain(unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

/* 0 for a byte that may not be in a cookie at all, as Tornado has it. */
static size_t quoted_len(unsigned char c) {
    if (c <= 0x20 || c == 0x7f)
        return 0;
    return is_plain(c) ? 1 : c == '"' || c == '\\' ? 2 : 4;
}

/* How long the value is as a cookie's; *quoted: it needs quotes. TC_EINVAL: it cannot be one. */
static int measure(const char *value, size_t *len, bool *quoted) {
    *len = 0;
    *quoted = false;
    for (; *value; value++) {
        size_t one = quoted_len((unsigned char)*value);
        if (one == 0)
            return TC_EINVAL;
        *quoted |= one > 1;
        *len += one;
    }
    *len += *quoted ? 2 : 0;
    return 0;
}

/* Python's SimpleCookie: \" and \\, and "\073" for what else must not be seen. */
static char *put_quoted(char *at, const char *value) {
    *at++ = '"';
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (is_plain(c)) {
            *at++ = (char)c;
            continue;
        }
        *at++ = '\\';
        if (c == '"' || c == '\\')
            *at++ = (char)c;
        else
            at += sprintf(at, "%03o", c);
    }
    *at++ = '"';
    return at;
}

/* ---- The field ---- */

typedef struct {
    const char *name, *value;
    const tc_cookie_options_t *options;
    int64_t max_age; /* seconds; 0: forget it; -1: until the browser closes */
    bool secure;
} set_cookie_t;

static char *put_expires(char *at, int64_t max_age, int64_t now) {
    char date[TC__DATE_LEN + 1];
    tc__date_format(date, max_age == 0 ? 0 : now + max_age);
    return stpcpy(stpcpy(at, "; Expires="), date);
}

static char *put_attributes(char *at, const set_cookie_t *cookie, int64_t now) {
    static const char *const samesite[] = { "", "; SameSite=Lax", "; SameSite=Strict", "; SameSite=None" };
    const tc_cookie_options_t *options = cookie->options;
    if (options->domain)
        at = stpcpy(stpcpy(at, "; Domain="), options->domain);
    if (cookie->max_age >= 0)
        at = put_expires(at, cookie->max_age, now);
    if (options->httponly)
        at = stpcpy(at, "; HttpOnly");
    if (cookie->max_age >= 0)
        at += sprintf(at, "; Max-Age=%" PRId64, cookie->max_age);
    if (options->partitioned)
        at = stpcpy(at, "; Partitioned");
    at = stpcpy(stpcpy(at, "; Path="), options->path ? options->path : "/");
    at = stpcpy(at, samesite[options->samesite]);
    return cookie->secure ? stpcpy(at, "; Secure") : at;
}

static size_t len_of(const char *text) {
    return text ? strlen(text) : 0;
}

/* "name=value; Path=/", in the request's memory; TC_EINVAL, TC_ETOOBIG or TC_ENOMEM. */
static int format(tc_request_t *req, const set_cookie_t *cookie, tc_bytes_t *out) {
    size_t name_len = strlen(cookie->name), value_len;
    bool quoted;
    TC_TRY(tc__cookie_check(cookie->name, cookie->options));
    if (measure(cookie->value, &value_len, &quoted) < 0)
        return tc__misuse(TC_EINVAL, "the cookie %.64s: a space or control byte is in its value", cookie->name);
    if (name_len + value_len > MAX_COOKIE)
        return tc__fail(TC_ETOOBIG, "the cookie %.64s has %zu bytes with its value: browsers keep no more than %d",
                        cookie->name, name_len + value_len, MAX_COOKIE);
    char *text = tc_alloc(req, name_len + 1 + value_len + ATTRIBUTES_SIZE + len_of(cookie->options->domain) +
                                   len_of(cookie->options->path));
    if (!text)
        return TC_ENOMEM;
    char *at = stpcpy(text, cookie->name);
    *at++ = '=';
    at = quoted ? put_quoted(at, cookie->value) : stpcpy(at, cookie->value);
    at = put_attributes(at, cookie, tc__request_now(req));
    *at = '\0';
    *out = tc_bytes(text, (size_t)(at - text));
    return 0;
}

static tc_bytes_t value_of(const tc__header_t *header) {
    return tc_bytes(header->value, header->value_len);
}

/* The field among `headers` that sets the cookie `name`, "user=", or NULL. */
static tc__header_t *find_cookie(tc__headers_t *headers, tc_bytes_t name) {
    for (size_t i = 0; i < headers->count; i++)
        if (headers->items[i].id == TC__HEADER_SET_COOKIE && tc__bytes_starts_with(value_of(&headers->items[i]), name))
            return &headers->items[i];
    return NULL;
}

static int put_field(tc_request_t *req, const set_cookie_t *cookie) {
    tc_bytes_t text = { NULL, 0 };
    TC_TRY(format(req, cookie, &text));
    tc__header_t *field = find_cookie(&req->headers, tc_bytes(text.data, strlen(cookie->name) + 1));
    if (!field)
        field = tc__headers_append(&req->headers, tc__request_arena(req), tc_str("Set-Cookie"), text);
    if (!field)
        return TC_ENOMEM;
    field->value = text.data;
    field->value_len = (uint32_t)text.len;
    return 0;
}

void tc__request_keep_cookies(tc_request_t *req, const tc__headers_t *old) {
    for (size_t i = 0; i < old->count; i++) {
        const tc__header_t *field = &old->items[i];
        const char *equals = field->id == TC__HEADER_SET_COOKIE ? memchr(field->value, '=', field->value_len) : NULL;
        if (equals && !find_cookie(&req->headers, tc_bytes(field->value, (size_t)(equals + 1 - field->value))))
            tc__headers_append(&req->headers, tc__request_arena(req), tc_bytes(field->name, field->name_len),
                               value_of(field));
    }
}

/* ---- Setting ---- */

static const tc_cookie_options_t no_options;

/* Words that go with a failure are the request's as well. */
static int keep(tc_request_t *req, int err) {
    if (err == TC_ETOOBIG)
        tc__request_explain(req, err, tc_error_detail());
    return tc__request_keep_error(req, err);
}

static int64_t max_age_of(const tc_cookie_options_t *options, int64_t otherwise) {
    if (options->session)
        return -1;
    if (options->max_age_ms == 0)
        return otherwise;
    uint64_t seconds = options->max_age_ms / 1000 + (options->max_age_ms % 1000 != 0);
    return seconds < MAX_AGE_S ? (int64_t)seconds : MAX_AGE_S;
}

static int set(tc_request_t *req, const char *name, const char *value, const tc_cookie_options_t *options,
               int64_t max_age) {
    set_cookie_t cookie = { name, value, options, max_age, false };
    if (!name || !value)
        return keep(req, tc__misuse(TC_EINVAL, "a cookie's name or value is NULL"));
    cookie.secure = wants_secure(name, options) || (req->in->is_tls && !options->insecure);
    return keep(req, put_field(req, &cookie));
}

int tc_set_cookie(tc_request_t *req, const char *name, const char *value, const tc_cookie_options_t *options) {
    TC_TRY(tc__request_check_open(req, "tc_set_cookie"));
    if (!options)
        options = &no_options;
    return set(req, name, value, options, max_age_of(options, -1));
}

int tc_clear_cookie(tc_request_t *req, const char *name, const tc_cookie_options_t *options) {
    TC_TRY(tc__request_check_open(req, "tc_clear_cookie"));
    return set(req, name, "", options ? options : &no_options, 0);
}

/* ---- Signed ---- */

static int no_secret(void) {
    return tc__misuse(TC_EINVAL, "signed cookies need the application's cookie_secret");
}

static int sign(tc_request_t *req, const char *name, const char *value, char **out) {
    const tc_signing_key_t *key = req->app->security.key;
    int64_t now = tc__request_now(req);
    if (!key)
        return no_secret();
    int len = tc__signed_len(key, tc_str(name), tc_str(value), now);
    if (len < 0)
        return len;
    *out = tc_alloc(req, (size_t)len + 1);
    return *out ? tc__sign(*out, key, tc_str(name), tc_str(value), now) : TC_ENOMEM;
}

int tc_set_signed_cookie(tc_request_t *req, const char *name, const char *value, const tc_cookie_options_t *options) {
    char *text = NULL;
    TC_TRY(tc__request_check_open(req, "tc_set_signed_cookie"));
    int err = name && value ? sign(req, name, value, &text) : 0;
    if (err < 0)
        return keep(req, err);
    if (!options)
        options = &no_options;
    return set(req, name, text, options, max_age_of(options, SIGNED_AGE_S));
}

const char *tc_get_signed_cookie(const tc_request_t *req, const char *name, uint64_t max_age_ms) {
    const char *text = tc_get_cookie(req, name, NULL);
    if (!text)
        return NULL;
    tc_request_t *r = tc__unconst(req); /* its memory may change behind a getter's const */
    if (!r->app->security.keys) {
        keep(r, no_secret());
        return NULL;
    }
    char *out = tc_alloc(r, strlen(text) + 1);
    tc_bytes_t value = { NULL, 0 };
    int err = out ? tc__signed_open(out, &value, r->app->security.keys, tc_str(name), tc_str(text),
                                    max_age_ms ? max_age_ms : TC__SIGNED_MAX_AGE_MS, tc__request_now(req))
                  : TC_ENOMEM;
    if (err == TC_ENOMEM)
        keep(r, err);
    return err == 0 && !memchr(value.data, '\0', value.len) ? value.data : NULL;
}
