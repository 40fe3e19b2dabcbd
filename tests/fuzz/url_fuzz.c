/*
 * url_fuzz.c - URLs, request targets and hosts: the parts lie inside the text, and put together again they are the
 * text.
 */
#include <string.h>

#include <tornadoc/httputil.h>

#include "fuzz/fuzzing.h"
#include "http/url_internal.h"

typedef struct {
    char *text;
    size_t len;
} joined_t;

static void put(joined_t *out, tc_bytes_t part) {
    if (part.len != 0)
        memcpy(out->text + out->len, part.data, part.len);
    out->len += part.len;
}

/* All but the port, whose zeros are lost. */
static size_t length_of(const tc_url_t *url) {
    return url->scheme.len + url->userinfo.len + url->host.len + url->path.len + url->query.len + url->fragment.len;
}

static void check_url(tc_bytes_t text, joined_t *out) {
    tc_url_t url;
    if (tc_url_parse(text, &url) < 0)
        return;
    MUST(url.port >= -1 && url.port <= 65535 && length_of(&url) <= text.len);
    MUST(url.path.data != NULL && is_inside(url.path, text));
    MUST(url.host.data != NULL || (url.port == -1 && url.userinfo.data == NULL));
    for (size_t i = 0; i < text.len; i++)
        MUST(text.data[i] > 0x20 && text.data[i] < 0x7f);

    bool ipv6 = url.host.data != NULL && memchr(url.host.data, ':', url.host.len) != NULL;
    char port[8];
    out->len = 0;
    put(out, url.scheme);
    put(out, tc_str(url.scheme.data ? ":" : ""));
    put(out, tc_str(url.host.data ? "//" : ""));
    put(out, url.userinfo);
    put(out, tc_str(url.userinfo.data ? "@" : ""));
    put(out, tc_str(ipv6 ? "[" : ""));
    put(out, url.host);
    put(out, tc_str(ipv6 ? "]" : ""));
    snprintf(port, sizeof port, ":%d", url.port);
    put(out, tc_str(url.port < 0 ? "" : port));
    put(out, url.path);
    put(out, tc_str(url.query.data ? "?" : ""));
    put(out, url.query);
    put(out, tc_str(url.fragment.data ? "#" : ""));
    put(out, url.fragment);

    tc_url_t again;
    MUST(tc_url_parse(tc_bytes(out->text, out->len), &again) == 0);
    MUST(tc__bytes_equal(again.scheme, url.scheme) && tc__bytes_equal(again.userinfo, url.userinfo));
    MUST(tc__bytes_equal(again.host, url.host) && again.port == url.port && tc__bytes_equal(again.path, url.path));
    MUST(tc__bytes_equal(again.query, url.query) && tc__bytes_equal(again.fragment, url.fragment));
}

static void check_host(tc_bytes_t text) {
    tc_bytes_t host = { NULL, 0 }, bare, again;
    int port = -7, other;
    int err = tc__host_parse(text, &host, &port);
    if (err < 0) {
        MUST(err == TC_EINVAL && host.data == NULL && port == -7);
        return;
    }
    MUST(host.data == text.data && host.len > 0 && host.len <= text.len && port >= -1 && port <= 65535);
    MUST(tc__host_parse(host, &again, &other) == 0 && tc__bytes_equal(host, again) && other == -1);
    MUST(tc_split_host_and_port(text, &bare, &other) == 0 && other == port);
    MUST(bare.len == host.len - (host.data[0] == '[' ? 2 : 0));
}

static void check_target(tc_bytes_t text, bool is_connect) {
    tc__target_t target;
    if (tc__target_parse(text, is_connect, &target) < 0)
        return;
    MUST((target.form == TC__TARGET_AUTHORITY) == is_connect);
    MUST(is_connect || target.path.len > 0);
    MUST(target.form == TC__TARGET_ASTERISK || is_connect || target.path.data[0] == '/');
    MUST(target.query.data == NULL || is_inside(target.query, text));
    MUST(memchr(target.path.data, '?', target.path.len) == NULL);
    if (target.form == TC__TARGET_ORIGIN)
        MUST(target.path.len + target.query.len + (target.query.data != NULL) == text.len);
    if (target.form == TC__TARGET_ABSOLUTE) {
        tc_url_t url;
        MUST(tc_url_parse(text, &url) == 0); /* the public parser is no stricter */
        MUST(tc__bytes_equal(url.query, target.query) && url.fragment.data == NULL && url.userinfo.data == NULL);
    }
}

/* What was added is there, the fragment stays, adding nothing changes nothing any more. */
static void check_concat(tc_bytes_t text) {
    static const char *const added[] = { "a b", "&=\xff", NULL }, *const none[] = { NULL };
    char *url = malloc(text.len + 1);
    MUST(url != NULL);
    memcpy(url, text.data, text.len);
    url[text.len] = '\0';
    size_t len = tc_url_concat(NULL, 0, url, added);
    char *once = malloc(len + 1), *twice = malloc(len + 1);
    MUST(once != NULL && twice != NULL);
    MUST(len <= 3 * strlen(url) + 24);
    MUST(tc_url_concat(once, len + 1, url, added) == len && strlen(once) == len);
    MUST(strstr(once, "a+b=%26%3D%FF") != NULL);
    MUST(tc_url_concat(twice, len + 1, once, none) == len && strcmp(once, twice) == 0);
    const char *fragment = strchr(url, '#');
    if (fragment != NULL)
        MUST(strcmp(once + len - strlen(fragment), fragment) == 0);
    free(url);
    free(once);
    free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tc_bytes_t text = tc_bytes(data, size);
    joined_t joined = { .text = malloc(size + 16) };
    MUST(joined.text != NULL);
    check_url(text, &joined);
    check_host(text);
    check_target(text, false);
    check_target(text, true);
    if (size > 0)
        check_concat(text);
    free(joined.text);
    return 0;
}
