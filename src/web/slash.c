/*
 * slash.c - one URL for each page, with a slash at its end or without. (Tornado: addslash, removeslash)
 *
 * Such a route stands in the tree twice, with the slash and without. Whichever is asked for that is not the page's URL
 * leads to it, before anything of the handler runs. Where a pattern takes the rest of the path, or a regular expression
 * takes what it likes, the path itself is all there is to look at; the first of them is left alone, for the rest is
 * often the name of a file or a folder, which have slashes of their own.
 */
#include <string.h>

#include "util/alloc_internal.h"
#include "web/request_internal.h"

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && memcmp(text + len - end_len, end, end_len) == 0;
}

bool tc__slash_matters(const char *pattern, uint32_t flags) {
    return (flags & (TC_ADDSLASH | TC_REMOVESLASH)) && !ends_with(pattern, ":*}");
}

char *tc__slash_twin(const char *pattern) {
    size_t len = strlen(pattern);
    char *twin = tc__malloc(len + 2);
    if (!twin)
        return NULL;
    memcpy(twin, pattern, len);
    if (pattern[len - 1] == '/')
        len--;
    else
        twin[len++] = '/';
    twin[len] = '\0';
    return twin;
}

/* What is led to begins with one slash: a second one, or a backslash, would make a host of what follows. */
static int lead_to(tc_request_t *req, tc_bytes_t path, const char *end) {
    size_t first = 1;
    if (req->in->method_id != TC__METHOD_GET && req->in->method_id != TC__METHOD_HEAD)
        return 404;
    while (first < path.len && (path.data[first] == '/' || path.data[first] == '\\'))
        first++;
    const char *url = tc_sprintf(req, "/%.*s%s%s%s", (int)(path.len - first), path.data + first, end,
                                 req->in->target.query.data ? "?" : "", tc_query(req));
    return url ? tc_redirect(req, url, 301) : TC_ENOMEM;
}

int tc__fix_slash(tc_request_t *req) {
    const bool wanted = req->endpoint->handler.flags & TC_ADDSLASH;
    const size_t prefix = req->passage ? req->passage->prefix.len : 0; /* behind it stands the application's "/" */
    tc_bytes_t path = req->in->target.path;
    size_t len = path.len;
    while (len > prefix && path.data[len - 1] == '/')
        len--;
    if ((len < path.len) == wanted || len == prefix)
        return 0;
    return lead_to(req, tc_bytes(path.data, len), wanted ? "/" : "");
}
