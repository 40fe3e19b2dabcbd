/*
 * tornadoc/auth.h - sessions in a cookie, names and passwords in a header field, pages of other origins.
 *
 * What Tornado leaves to its users. Cookies, users and XSRF tokens are in tornadoc/web.h, as in Tornado.
 */
#ifndef TORNADOC_AUTH_H
#define TORNADOC_AUTH_H

#include <tornadoc/web.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Sessions --------------------------------------------------------------------------------------------------
 *
 * Some texts by name, in one signed cookie: nothing is kept on the server, so every process and machine with the same
 * cookie_secret knows them. The client can read all of it, and change nothing; but it can send an old cookie again, so
 * what must be taken back at once (a balance, a right) does not belong here. All together fit into 4,096 bytes.
 */

/** NULL: there is none of that name, or the session is over. */
TC_EXTERN const char *tc_session_get(tc_request_t *req, const char *name);
/** Set, or with NULL remove, before the headers go out. @return 0; TC_ETOOBIG; failures of tc_set_signed_cookie */
TC_EXTERN int tc_session_set(tc_request_t *req, const char *name, const char *value);
/** Forget all of it, here and in the browser: for logging out. */
TC_EXTERN int tc_session_clear(tc_request_t *req);

/* ---- Basic authentication (RFC 7617) ---------------------------------------------------------------------------
 *
 * The password comes with every request, readable: over https only. From `admit`, so that nobody's body is read:
 *
 *     static int staff_only(tc_request_t *req) {
 *         return tc_require_basic_auth(req, "Staff", "zoe", password);
 *     }
 */

/** One user: 0, or a 401 that asks for name and password. How long it takes tells nothing of either. */
TC_EXTERN int tc_require_basic_auth(tc_request_t *req, const char *realm, const char *user,
                                    const char *password) TC_MUST_CHECK;
/** What came, for those who look it up: false if nothing did, or no UTF-8 text. Both live as the request does. */
TC_EXTERN bool tc_get_basic_auth(tc_request_t *req, const char **user, const char **password);
/** The 401 that asks for them, to be returned; `realm` is shown to people, and may be any text without control bytes.
 */
TC_EXTERN int tc_challenge_basic_auth(tc_request_t *req, const char *realm) TC_MUST_CHECK;
/** Whether two secrets are the same, in a time that tells only how long each is. */
TC_ANY_THREAD bool tc_secret_equal(const char *a, const char *b);

/* ---- Pages of other origins (CORS) ------------------------------------------------------------------------------ */

/**
 * For .cors of a handler, or of a group's base. Browsers let scripts of these origins read the answers, also error
 * pages; what they ask before (a preflight) is answered by itself, before anything of the handler runs, with a 403 for
 * any other origin. Answers say "Vary: Origin": a handler that varies by more adds to that by tc_add_header.
 *
 * Requests that change something, and come from one of these origins, are not refused as those of another site, but
 * need their XSRF token as all do. Copied.
 */
struct tc_cors_options {
    /** "https://app.example.com", with the port if it is not the scheme's, ended by NULL; or { "*", NULL }: all. */
    const char *const *origins;
    bool credentials;           /**< with cookies and Authorization; TC_EINVAL with "*" */
    const char *methods;        /**< "GET, POST"; default those of the route */
    const char *headers;        /**< fields of theirs: "Content-Type, X-XSRFToken"; default those that need no asking */
    const char *expose_headers; /**< fields of ours that scripts may see; default those that all may see */
    uint64_t max_age_ms;        /**< how long a preflight is good; default 10 minutes */
    uintptr_t reserved[4];      /**< must be zero */
};

#ifdef __cplusplus
}
#endif
#endif
