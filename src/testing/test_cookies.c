/*
 * test_cookies.c - the cookies that a test client keeps, as browsers do: RFC 6265bis section 5.
 *
 * One list, in the order in which cookies are sent. Their ages are on the client's clock; a date in Expires is compared
 * with the time that handlers see on it, when it comes.
 */
#include "testing/test_client_internal.h"

#include <assert.h>
#include <string.h>

#include "http/url_internal.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/date_internal.h"
#include "util/error_internal.h"

enum {
    MAX_COOKIES = 100,
    MAX_COOKIE = 4096,    /* name and value */
    MAX_ATTRIBUTE = 1024, /* longer ones are not looked at */
    MAX_AGE_S = 400 * 86400
};

struct tc__test_cookie {
    tc__test_cookie_t *next;
    uint64_t set;        /* of all that were set, the so many-th */
    uint64_t expires_ms; /* TC_FOREVER: it does not */
    bool host_only, secure;
    tc_bytes_t name, value, domain, path; /* in `text`, a NUL behind each */
    char text[];
};

/* ---- What an answer says ---- */

typedef struct {
    tc_bytes_t name, value, domain, path; /* domain, path: data NULL if there is none */
    bool secure, has_max_age, has_expires;
    int64_t max_age_s, expires_s;
} said_t;

/* "text; rest": the text, trimmed, and the rest. */
static tc_bytes_t take(tc_bytes_t *rest, char separator) {
    const char *end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->data) : rest->len, used = end ? len + 1 : len;
    tc_bytes_t text = tc__bytes_trim(tc_bytes(rest->data, len));
    *rest = tc_bytes(rest->data + used, rest->len - used);
    return text;
}

/* Far beyond any age where it does not fit. */
static void read_max_age(said_t *said, tc_bytes_t text) {
    int64_t seconds;
    int err = tc__parse_int64(text, &seconds);
    if (err == TC_EINVAL)
        return;
    said->has_max_age = true;
    said->max_age_s = err == 0 && seconds < MAX_AGE_S ? seconds : text.data[0] == '-' ? 0 : MAX_AGE_S;
}

static void read_attribute(said_t *said, tc_bytes_t text, int64_t now_s) {
    tc_bytes_t value = text, name = take(&value, '=');
    value = tc__bytes_trim(value);
    if (value.len > MAX_ATTRIBUTE)
        return;
    if (tc__bytes_equal_nocase(name, tc_str("Max-Age")))
        read_max_age(said, value);
    else if (tc__bytes_equal_nocase(name, tc_str("Expires")) &&
             tc__date_parse(value.data, value.len, now_s, &said->expires_s) == 0)
        said->has_expires = true;
    else if (tc__bytes_equal_nocase(name, tc_str("Secure")))
        said->secure = true;
    else if (tc__bytes_equal_nocase(name, tc_str("Path")))
        said->path = value.len > 0 && value.data[0] == '/' ? value : tc_bytes(NULL, 0);
    else if (tc__bytes_equal_nocase(name, tc_str("Domain"))) {
        bool dot = value.len > 0 && value.data[0] == '.';
        said->domain = value.len > dot ? tc_bytes(value.data + dot, value.len - dot) : tc_bytes(NULL, 0);
    }
}

static void read_said(said_t *said, tc_bytes_t text, int64_t now_s) {
    *said = (said_t){ .has_max_age = false };
    tc_bytes_t pair = take(&text, ';');
    if (pair.len > 0 && memchr(pair.data, '=', pair.len)) {
        said->name = take(&pair, '=');
        said->value = tc__bytes_trim(pair);
    }
    while (text.len > 0)
        read_attribute(said, take(&text, ';'), now_s);
}

/* ---- To whom a cookie goes ---- */

/* Without its port. */
static tc_bytes_t host_of(const tc__test_url_t *url) {
    tc_bytes_t host;
    int port;
    return tc__host_parse(tc_str(url->host), &host, &port) == 0 ? host : tc_str(url->host);
}

static bool is_address(tc_bytes_t host) {
    for (size_t i = 0; i < host.len; i++)
        if (!strchr("0123456789.", host.data[i]))
            return host.data[0] == '[';
    return true;
}

static bool domain_matches(tc_bytes_t host, tc_bytes_t domain) {
    if (tc__bytes_equal_nocase(host, domain))
        return true;
    if (host.len <= domain.len || is_address(host) || host.data[host.len - domain.len - 1] != '.')
        return false;
    return tc__bytes_equal_nocase(tc_bytes(host.data + host.len - domain.len, domain.len), domain);
}

static tc_bytes_t path_of(const tc__test_url_t *url) {
    return tc_bytes(url->path, strcspn(url->path, "?#"));
}

static bool path_matches(tc_bytes_t path, tc_bytes_t cookie) {
    if (!tc__bytes_starts_with(path, cookie))
        return false;
    return path.len == cookie.len || cookie.data[cookie.len - 1] == '/' || path.data[cookie.len] == '/';
}

/* Up to the last "/", without it. */
static tc_bytes_t default_path(const tc__test_url_t *url) {
    tc_bytes_t path = path_of(url);
    while (path.len > 1 && path.data[path.len - 1] != '/')
        path.len--;
    if (path.len > 1)
        path.len--;
    return path.len > 0 && path.data[0] == '/' ? path : tc_str("/");
}

static bool is_sent_to(const tc__test_cookie_t *cookie, const tc__test_url_t *url) {
    tc_bytes_t host = host_of(url);
    bool host_matches = cookie->host_only ? tc__bytes_equal_nocase(host, cookie->domain)
                                          : domain_matches(host, cookie->domain);
    return host_matches && path_matches(path_of(url), cookie->path) && (url->is_https || !cookie->secure);
}

/* ---- What is kept ---- */

static bool has_prefix(tc_bytes_t name, const char *prefix) {
    size_t len = strlen(prefix);
    return name.len >= len && tc__bytes_equal_nocase(tc_bytes(name.data, len), tc_str(prefix));
}

/* NULL, or why it is not for us to keep. */
static const char *refuse(const said_t *said, const tc__test_url_t *url) {
    if (said->name.len == 0)
        return "it has no name";
    if (said->name.len + said->value.len > MAX_COOKIE)
        return "name and value are longer than 4096 bytes";
    if (said->secure && !url->is_https)
        return "Secure is for https";
    if (said->domain.data && !tc__bytes_equal_nocase(host_of(url), said->domain) &&
        (!memchr(said->domain.data, '.', said->domain.len) || !domain_matches(host_of(url), said->domain)))
        return "Domain is none of its host's";
    if (has_prefix(said->name, "__Secure-") && !said->secure)
        return "__Secure- without Secure";
    if (has_prefix(said->name, "__Host-") &&
        (!said->secure || said->domain.data || !tc__bytes_equal(said->path, tc_str("/"))))
        return "__Host- without Secure and Path=/, or with Domain";
    return NULL;
}

static tc_bytes_t put(char **at, tc_bytes_t text) {
    char *start = *at;
    if (text.len > 0)
        memcpy(start, text.data, text.len);
    start[text.len] = '\0';
    *at += text.len + 1;
    return tc_bytes(start, text.len);
}

static uint64_t expiry(const said_t *said, const tc_ioloop_t *loop) {
    if (!said->has_max_age && !said->has_expires)
        return TC_FOREVER;
    int64_t seconds = said->has_max_age ? said->max_age_s : said->expires_s - tc__ioloop_unix_time(loop);
    if (seconds > MAX_AGE_S)
        seconds = MAX_AGE_S;
    return seconds > 0 ? tc__ioloop_now(loop) + (uint64_t)seconds * 1000 : 0;
}

static tc__test_cookie_t *new_cookie(const said_t *said, const tc__test_url_t *url, const tc_ioloop_t *loop) {
    tc_bytes_t domain = said->domain.data ? said->domain : host_of(url);
    tc_bytes_t path = said->path.data ? said->path : default_path(url);
    tc__test_cookie_t *cookie = tc__malloc(sizeof *cookie + said->name.len + said->value.len + domain.len + path.len +
                                           4);
    if (!cookie)
        return NULL;
    char *at = cookie->text;
    cookie->name = put(&at, said->name);
    cookie->value = put(&at, said->value);
    cookie->domain = put(&at, domain);
    cookie->path = put(&at, path);
    cookie->host_only = said->domain.data == NULL;
    cookie->secure = said->secure;
    cookie->expires_ms = expiry(said, loop);
    return cookie;
}

static void remove_at(tc__test_cookies_t *cookies, tc__test_cookie_t **at) {
    tc__test_cookie_t *cookie = *at;
    *at = cookie->next;
    cookies->count--;
    tc__free(cookie);
}

static void drop_expired(tc__test_cookies_t *cookies, const tc_ioloop_t *loop) {
    for (tc__test_cookie_t **at = &cookies->first; *at;) {
        if ((*at)->expires_ms <= tc__ioloop_now(loop))
            remove_at(cookies, at);
        else
            at = &(*at)->next;
    }
}

static void drop_oldest(tc__test_cookies_t *cookies) {
    tc__test_cookie_t **oldest = &cookies->first;
    assert(*oldest);
    for (tc__test_cookie_t **at = oldest; *at; at = &(*at)->next)
        if ((*at)->set < (*oldest)->set)
            oldest = at;
    remove_at(cookies, oldest);
}

static bool is_same(const tc__test_cookie_t *a, const tc__test_cookie_t *b) {
    return tc__bytes_equal(a->name, b->name) && tc__bytes_equal_nocase(a->domain, b->domain) &&
           a->host_only == b->host_only && tc__bytes_equal(a->path, b->path);
}

/* In the place of one like it, else behind those with paths as long. */
static void insert(tc__test_cookies_t *cookies, tc__test_cookie_t *cookie) {
    tc__test_cookie_t **at = &cookies->first;
    while (*at && !is_same(*at, cookie))
        at = &(*at)->next;
    if (*at)
        remove_at(cookies, at);
    else
        for (at = &cookies->first; *at && (*at)->path.len >= cookie->path.len;)
            at = &(*at)->next;
    cookie->next = *at;
    cookie->set = ++cookies->last_set;
    *at = cookie;
    cookies->count++;
}

int tc__test_cookies_set(tc__test_cookies_t *cookies, const tc_ioloop_t *loop, const tc__test_url_t *url,
                         tc_bytes_t set_cookie) {
    said_t said;
    read_said(&said, set_cookie, tc__ioloop_unix_time(loop));
    const char *why = refuse(&said, url);
    if (why)
        return tc__fail(TC_EINVAL, "a cookie was not kept: %s", why);
    tc__test_cookie_t *cookie = new_cookie(&said, url, loop);
    if (!cookie)
        return tc__fail(TC_ENOMEM, "out of memory");
    insert(cookies, cookie);
    drop_expired(cookies, loop);
    if (cookies->count > MAX_COOKIES)
        drop_oldest(cookies);
    return 0;
}

/* ---- What is sent, and asked for ---- */

int tc__test_cookies_write(tc__test_cookies_t *cookies, const tc_ioloop_t *loop, const tc__test_url_t *url,
                           tc__arena_t *arena, const char **out) {
    tc__buffer_t text;
    int err = 0;
    tc__buffer_init(&text, TC_UNLIMITED);
    drop_expired(cookies, loop);
    for (const tc__test_cookie_t *cookie = cookies->first; cookie && err == 0; cookie = cookie->next) {
        if (!is_sent_to(cookie, url))
            continue;
        bool first = tc__buffer_len(&text) == 0;
        const tc_bytes_t parts[] = { tc_str(first ? "" : "; "), cookie->name, tc_str("="), cookie->value };
        for (size_t i = 0; i < 4 && err == 0; i++)
            err = tc__buffer_append(&text, parts[i].data, parts[i].len);
    }
    *out = err == 0 && tc__buffer_len(&text) > 0
               ? tc__arena_strndup(arena, tc__buffer_bytes(&text).data, tc__buffer_len(&text))
               : NULL;
    if (!*out && tc__buffer_len(&text) > 0)
        err = TC_ENOMEM;
    tc__buffer_deinit(&text);
    return err;
}

const char *tc__test_cookies_find(tc__test_cookies_t *cookies, const tc_ioloop_t *loop, const char *name) {
    const tc__test_cookie_t *found = NULL;
    drop_expired(cookies, loop);
    for (const tc__test_cookie_t *cookie = cookies->first; cookie; cookie = cookie->next)
        if (tc__bytes_equal(cookie->name, tc_str(name)) && (!found || cookie->set > found->set))
            found = cookie;
    return found ? found->value.data : NULL;
}

void tc__test_cookies_clear(tc__test_cookies_t *cookies) {
    while (cookies->first)
        remove_at(cookies, &cookies->first);
}
