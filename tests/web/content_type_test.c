/* content_type_test.c - names of files and their media types. */
#include "web/content_type_internal.h"
#include "util/util_test.h"

static void the_last_extension_tells_the_type(void **state) {
    (void)state;
    static const struct {
        const char *name, *type;
    } rows[] = {
        { "index.html", "text/html; charset=UTF-8" },
        { "a/b.min.JS", "text/javascript; charset=UTF-8" },
        { "app.mjs", "text/javascript; charset=UTF-8" },
        { "style.css", "text/css; charset=UTF-8" },
        { "robots.txt", "text/plain; charset=UTF-8" },
        { "data.json", "application/json" },
        { "logo.svg", "image/svg+xml" },
        { "photo.jpeg", "image/jpeg" },
        { "favicon.ico", "image/vnd.microsoft.icon" },
        { "font.woff2", "font/woff2" },
        { "code.wasm", "application/wasm" },
        { "site.webmanifest", "application/manifest+json" },
        { "archive.tar.gz", "application/gzip" },
        { "table.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
        { "archive.7z", "application/x-7z-compressed" },
        { "clip.3gp", "application/octet-stream" },
        { "README", "application/octet-stream" },
        { "a.html/README", "application/octet-stream" },
        { ".html", "application/octet-stream" },
        { "dir/.css", "application/octet-stream" },
        { "name.", "application/octet-stream" },
        { "name.averyveryverylongextension", "application/octet-stream" },
        { "", "application/octet-stream" },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(tc__content_type(rows[i].name), rows[i].type);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_extension_tells_the_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
