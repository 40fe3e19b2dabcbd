/*
 * cookies_fuzz.c - the Cookie field: names are tokens, and the cookies, quoted byte by byte, are read the same.
 */
#include <string.h>

#include "fuzz/fuzzing.h"
#include "http/cookie_internal.h"
#include "http/headers_internal.h"

/* name="\ooo\ooo…"; */
static char *quote(char *out, const tc__cookie_t *cookie) {
    memcpy(out, cookie->name.data, cookie->name.len);
    out += cookie->name.len;
    *out++ = '=';
    *out++ = '"';
    for (size_t i = 0; i < cookie->value.len; i++) {
        unsigned char c = (unsigned char)cookie->value.data[i];
        *out++ = '\\';
        *out++ = (char)('0' + (c >> 6));
        *out++ = (char)('0' + (c >> 3 & 7));
        *out++ = (char)('0' + (c & 7));
    }
    *out++ = '"';
    *out++ = ';';
    return out;
}

static void check_cookie(const tc__cookies_t *cookies, size_t i) {
    const tc__cookie_t *cookie = &cookies->items[i];
    MUST(is_terminated(cookie->name) && is_terminated(cookie->value));
    MUST(cookie->name.len > 0 && cookie->name.len == strlen(cookie->name.data));
    MUST(memchr(cookie->name.data, ':', cookie->name.len) != NULL || tc__is_token(cookie->name));
    if (i < 100) {
        const tc__cookie_t *last = tc__cookies_last(cookies, cookie->name);
        MUST(last >= cookie && tc__bytes_equal(last->name, cookie->name));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tc_bytes_t text = tc_bytes(data, size);
    tc__cookies_t cookies, again, refused = { NULL, 7 };
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    MUST(tc__cookies_parse(&cookies, &arena, text, TC_UNLIMITED) == 0);
    MUST(cookies.count <= size / 2);

    char *quoted = malloc(4 * size + 4), *end = quoted;
    MUST(quoted != NULL);
    for (size_t i = 0; i < cookies.count; i++) {
        check_cookie(&cookies, i);
        end = quote(end, &cookies.items[i]);
    }
    MUST(tc__cookies_parse(&again, &arena, tc_bytes(quoted, (size_t)(end - quoted)), cookies.count) == 0);
    MUST(again.count == cookies.count);
    for (size_t i = 0; i < cookies.count; i++) {
        MUST(tc__bytes_equal(cookies.items[i].name, again.items[i].name));
        MUST(tc__bytes_equal(cookies.items[i].value, again.items[i].value));
    }
    if (cookies.count > 0)
        MUST(tc__cookies_parse(&refused, &arena, text, cookies.count - 1) == TC_ETOOBIG && refused.count == 7);
    free(quoted);
    tc__arena_deinit(&arena);
    return 0;
}
