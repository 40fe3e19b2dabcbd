/*
 * trailer_fields.c - which fields may stand behind a body.
 *
 * RFC 9110 section 6.5.1 forbids in a trailer what is needed to frame, route, authenticate or understand a message, for
 * that is decided by its head. Two kinds are told apart:
 *
 * - What frames the message or rules the connection. A recipient that merges trailers would read another message, or
 *   keep another connection, than we do: nobody sends it in good faith.
 * - What comes too late: who asks, from where, under which conditions, in which coding. A proxy that checks or sets
 *   these in heads leaves them alone here, so a handler that found them would believe the client in what only the proxy
 *   can say. They do no harm to the message, so it stands, without them.
 */
#include "http/trailer_fields_internal.h"

#include "util/bytes_internal.h"

static const char *const framing[] = {
    "connection", "content-length",    "host",    "http2-settings", "keep-alive", "proxy-connection", "te",
    "trailer",    "transfer-encoding", "upgrade",
};

static const char *const late[] = {
    /* routing, and the rules of the request (RFC 9110 sections 7 and 10.1) */
    "cache-control",
    "expect",
    "max-forwards",
    "pragma",
    "range",
    "via",
    "x-http-method-override",
    /* who asks, and from where */
    "authorization",
    "cookie",
    "forwarded",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "referer",
    "set-cookie",
    "www-authenticate",
    "x-csrftoken",
    "x-real-ip",
    "x-scheme",
    "x-xsrftoken",
    /* what the content is */
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "content-type",
    /* what becomes of an answer */
    "age",
    "date",
    "expires",
    "location",
    "retry-after",
    "vary",
};

static const char *const late_prefixes[] = { "access-control-", "if-", "sec-", "x-forwarded-" };

static bool is_among(tc_bytes_t name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (tc__bytes_equal_nocase(name, tc_str(names[i])))
            return true;
    return false;
}

static bool starts_with_one_of(tc_bytes_t name, const char *const *prefixes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t len = tc_str(prefixes[i]).len;
        if (name.len >= len && tc__bytes_equal_nocase(tc_bytes(name.data, len), tc_str(prefixes[i])))
            return true;
    }
    return false;
}

#define LIST(list) list, sizeof list / sizeof list[0]

tc__trailer_kind_t tc__trailer_kind(tc_bytes_t name) {
    if (is_among(name, LIST(framing)))
        return TC__TRAILER_FRAMES;
    bool is_late = is_among(name, LIST(late)) || starts_with_one_of(name, LIST(late_prefixes));
    return is_late ? TC__TRAILER_LATE : TC__TRAILER_FINE;
}
