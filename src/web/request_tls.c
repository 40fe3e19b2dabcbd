/*
 * request_tls.c - what is known of the TLS below a request. (Tornado: HTTPServerRequest.get_ssl_certificate)
 *
 * Asked of the connection when a handler first wants it, and copied then: so it stays when the client leaves, and
 * requests whose handlers do not ask do nothing for it.
 */
#include "util/error_internal.h"
#include "util/unconst_internal.h"
#include "web/request_internal.h"

struct tc__request_tls {
    tc_tls_info_t info;
    bool certificate_known;
    tc_peer_certificate_t *certificate; /* NULL: there is none */
};

static tc_request_t *mut(const tc_request_t *req) {
    return tc__unconst(req);
}

/* NULL: in the clear, or the client is gone. */
static const tc_iostream_t *tls_stream(const tc_request_t *req) {
    const tc_iostream_t *stream = req->exchange ? req->exchange->vtable->tls_stream(req->exchange) : NULL;
    return stream && tc_iostream_tls_version(stream) ? stream : NULL;
}

/* ---- What both sides agreed on ---- */

static int copy_text(tc_request_t *req, const char **out, tc_bytes_t text) {
    *out = text.data ? tc__arena_strndup(tc__request_arena(req), text.data, text.len) : NULL;
    return text.data && !*out ? TC_ENOMEM : 0;
}

static int fill_info(tc_request_t *req, tc_tls_info_t *info, const tc_iostream_t *stream) {
    TC_TRY(copy_text(req, &info->version, tc_str(tc_iostream_tls_version(stream))));
    TC_TRY(copy_text(req, &info->cipher, tc_str(tc_iostream_tls_cipher(stream))));
    TC_TRY(copy_text(req, &info->server_name, tc_str(tc_iostream_tls_server_name(stream))));
    TC_TRY(copy_text(req, &info->alpn, tc_iostream_tls_alpn(stream)));
    info->session_reused = tc_iostream_tls_session_reused(stream);
    return 0;
}

/* NULL: in the clear, too late, or out of memory, which is kept as the request's failure. */
static struct tc__request_tls *ask(tc_request_t *req) {
    const tc_iostream_t *stream = req->tls ? NULL : tls_stream(req);
    if (!stream)
        return req->tls;
    struct tc__request_tls *tls = tc__arena_calloc(tc__request_arena(req), sizeof *tls);
    if (!tls || fill_info(req, &tls->info, stream) < 0) {
        tc__request_keep_error(req, TC_ENOMEM);
        return NULL;
    }
    return req->tls = tls;
}

const tc_tls_info_t *tc_tls_info(const tc_request_t *req) {
    const struct tc__request_tls *tls = req ? ask(mut(req)) : NULL;
    return tls ? &tls->info : NULL;
}

/* ---- Whom the client is certified to be ---- */

static void free_certificate(void *certificate) {
    tc_peer_certificate_free(certificate);
}

static void find_certificate(tc_request_t *req, const tc_iostream_t *stream) {
    tc_peer_certificate_t *certificate = NULL;
    int err = tc_iostream_peer_certificate(stream, &certificate);
    if (err == 0)
        err = tc_on_cleanup(req, free_certificate, certificate);
    if (err == 0)
        req->tls->certificate = certificate;
    req->tls->certificate_known = err == 0 || err == TC_ENOENT;
    if (!req->tls->certificate_known)
        tc__request_keep_error(req, err);
}

const tc_peer_certificate_t *tc_client_certificate(const tc_request_t *req) {
    const struct tc__request_tls *tls = req ? ask(mut(req)) : NULL;
    const tc_iostream_t *stream = tls && !tls->certificate_known ? tls_stream(req) : NULL;
    if (stream)
        find_certificate(mut(req), stream);
    return tls ? tls->certificate : NULL;
}
