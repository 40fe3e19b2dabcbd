/*
 * request_etag.c - validators of what handlers make, and conditions on them. (Tornado: compute_etag, set_etag_header,
 * check_etag_header)
 *
 * With TC_ETAG an answer that is whole when it ends gets a digest of itself, and is not sent to who has it. A handler
 * that knows a version of what it shows saves itself the work as well: tc_check_conditions.
 */
#include "web/request_internal.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "http/conditional_internal.h"
#include "util/date_internal.h"
#include "util/error_internal.h"

enum { DIGEST_LEN = 16 };

static bool reads(const tc_request_t *req) {
    return req->in->method_id == TC__METHOD_GET || req->in->method_id == TC__METHOD_HEAD;
}

/* ---- What the handler knows ---- */

static int set_validators(tc_request_t *req, const char *etag, int64_t modified) {
    char date[TC__DATE_LEN + 1];
    if (etag)
        TC_TRY(tc_set_header(req, "ETag", etag));
    if (modified == 0)
        return 0;
    tc__date_format(date, modified);
    return tc_set_header(req, "Last-Modified", date);
}

int tc_check_conditions(tc_request_t *req, const char *etag, int64_t modified) {
    if (!req)
        return tc__misuse(TC_EINVAL, "tc_check_conditions: the request is NULL");
    if (etag && !tc__is_etag(tc_str(etag)))
        return tc__request_keep_error(req, tc__misuse(TC_EINVAL, "tc_check_conditions: an etag is \"quoted\", or "
                                                                 "W/\"weak\""));
    TC_TRY(set_validators(req, etag, modified));
    tc__validators_t validators = { tc_str(etag), modified == 0 ? TC__NO_DATE : modified, false };
    int status = tc__check_conditions(&req->in->headers, reads(req), &validators);
    if (status == 304) {
        tc__request_drop_output(req);
        TC_TRY(tc_set_status(req, 304));
        TC_TRY(tc_finish(req));
    }
    return status;
}

/* ---- What the answer tells by itself ---- */

static int hash_output(const tc_request_t *req, unsigned char digest[EVP_MAX_MD_SIZE]) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    for (uint32_t i = 0; good && i < req->segment_count; i++)
        good = EVP_DigestUpdate(context, req->segments[i].bytes.data, req->segments[i].bytes.len) == 1;
    good = good && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    return good ? 0 : TC_ENOMEM;
}

static int set_digest(tc_request_t *req) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    char etag[2 * DIGEST_LEN + 3] = "\""; /* its last byte stays NUL */
    TC_TRY(hash_output(req, digest));
    for (int i = 0; i < DIGEST_LEN; i++)
        sprintf(etag + 1 + 2 * i, "%02x", digest[i]);
    etag[sizeof etag - 2] = '"';
    return tc_set_header(req, "ETag", etag);
}

int tc__request_end_with_etag(tc_request_t *req) {
    if (req->headers_sent || req->status != 200 || req->failing || !reads(req))
        return 0;
    if (!tc__headers_has(&req->headers, TC__HEADER_ETAG))
        TC_TRY(set_digest(req));
    const tc__header_t *etag = tc__headers_first(&req->headers, TC__HEADER_ETAG);
    tc__validators_t validators = { tc_bytes(etag->value, etag->value_len), TC__NO_DATE, false };
    int status = tc__check_conditions(&req->in->headers, true, &validators);
    if (status == 304) {
        tc__request_drop_output(req);
        return tc_set_status(req, 304);
    }
    return status;
}
