/*
 * static_name.c - from a URL's path to a name beneath a folder.
 *
 * A path is decoded once and taken as it then stands: nothing is normalised, so that each file has one URL. What no
 * client that normalises its URLs (RFC 3986 section 5.2.4) would ask for names nothing: "." and "..", encoded or not,
 * empty parts ("//"), slashes and backslashes that come encoded, a backslash at all, control bytes, and "%" without two
 * digits. Whatever is left is opened by a call that cannot leave the folder: tc__file_open_beneath.
 */
#include "web/static_private.h"

#include "util/bytes_internal.h"

/* Percent-decode into `out`; false for what may not be in a name. */
static bool decode(tc_bytes_t path, char *out) {
    for (size_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        if (c == '%') {
            bool whole = path.len - i > 2;
            int high = whole ? tc__hex_digit(path.data[i + 1]) : -1;
            int low = whole ? tc__hex_digit(path.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
            if (c == '/')
                return false;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f || c == '\\')
            return false;
        *out++ = c;
    }
    *out = '\0';
    return true;
}

static bool is_good_part(const char *part, size_t len, bool dot_files) {
    if (len == 0 || part[0] != '.')
        return len > 0;
    bool is_dots = len == 1 || (len == 2 && part[1] == '.');
    return dot_files && !is_dots;
}

bool tc__static_name(tc_bytes_t path, bool dot_files, char *out) {
    if (!decode(path, out))
        return false;
    for (const char *part = out; *part;) {
        size_t len = strcspn(part, "/");
        if (!is_good_part(part, len, dot_files))
            return false;
        part += len;
        part += *part == '/'; /* at the end: a folder */
    }
    return true;
}
