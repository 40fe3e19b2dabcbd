/* security_internal.h - what an application's options say of its secrets and of whom it trusts, checked and copied. */
#ifndef TC_WEB_SECURITY_INTERNAL_H
#define TC_WEB_SECURITY_INTERNAL_H

#include <tornadoc/web.h>

#include "util/arena_internal.h"

typedef struct {
    tc__arena_t texts;      /* what is copied */
    tc_signing_key_t *keys; /* ended by one without a key; NULL: none */
    tc_signing_key_t *key;  /* the one to sign with */
    const char *login_url;  /* NULL: none */
    bool xsrf_cookies;      /* tokens are asked for */
    const char *xsrf_name;
    tc_cookie_options_t xsrf_cookie;
    const char *session_name;
    tc_cookie_options_t session_cookie;
    bool request_ids, trust_request_ids;
    const char *transport_security; /* NULL: none */
} tc__security_t;

/* `security` is all zero. 0; TC_EINVAL, with words; TC_ENOMEM. */
int tc__security_init(tc__security_t *security, const tc_application_options_t *options);
/* Replace *cors, if it is not NULL, by a copy that lives as long; 0, TC_EINVAL, TC_ENOMEM. */
int tc__security_copy_cors(tc__security_t *security, const tc_cors_options_t **cors);
void tc__security_deinit(tc__security_t *security);

#endif
