/*
 * tls_context_tickets.c - the keys of session tickets (RFC 5077, RFC 8446 section 4.6.1).
 *
 * OpenSSL's own keys belong to one SSL_CTX and never change. These belong to the context, so that a ticket outlives a
 * reload, and change with time: who steals today's keys reads no sessions of yesterday.
 *
 * Keys come from a secret by a digest, and so does the next secret, in whose place the old one is then forgotten. There
 * is a step every half lifetime of a session. Processes that were forked from one that has the context take the same
 * steps at the same times, without a word: a ticket of one is good for all. A key makes tickets for one step and opens
 * them for two more, so a ticket is good for a lifetime at least.
 *
 * Keys that the program gives, for several machines, stay until it gives others.
 */
#include "net/tls_context_private.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/unconst_internal.h"

/* ---- Steps ---- */

/* The part of SHA-512 of the label and the secret; one label for each use. */
static bool derive(void *out, size_t len, char label, const unsigned char secret[TC__TLS_TICKET_SECRET]) {
    unsigned char input[1 + TC__TLS_TICKET_SECRET], digest[64];
    input[0] = (unsigned char)label;
    memcpy(input + 1, secret, TC__TLS_TICKET_SECRET);
    bool done = EVP_Digest(input, sizeof input, digest, NULL, EVP_sha512(), NULL) == 1;
    if (done)
        memcpy(out, digest, len);
    OPENSSL_cleanse(input, sizeof input);
    OPENSSL_cleanse(digest, sizeof digest);
    return done;
}

static bool derive_key(tc__tls_ticket_key_t *key, const unsigned char secret[TC__TLS_TICKET_SECRET]) {
    return derive(key->name, sizeof key->name, 'n', secret) && derive(key->mac, sizeof key->mac, 'm', secret) &&
           derive(key->cipher, sizeof key->cipher, 'c', secret);
}

/* Forget the oldest key, make the next. On failure all stays, to be tried again. */
static bool step(tc__tls_tickets_t *tickets) {
    unsigned char next[TC__TLS_TICKET_SECRET];
    tc__tls_ticket_key_t key;
    bool done = derive(next, sizeof next, 's', tickets->secret) && derive_key(&key, next);
    if (done) {
        memmove(tickets->keys + 1, tickets->keys, (TC__TLS_TICKET_STEPS - 1) * sizeof *tickets->keys);
        tickets->keys[0] = key;
        memcpy(tickets->secret, next, sizeof next);
        tickets->count += tickets->count < TC__TLS_TICKET_STEPS;
    }
    OPENSSL_cleanse(next, sizeof next);
    OPENSSL_cleanse(&key, sizeof key);
    return done;
}

/* Under the lock: take the steps that are due. */
static void catch_up(tc__tls_tickets_t *tickets) {
    uint64_t now = tickets->now_ms();
    while (!tickets->given && now - tickets->since_ms >= tickets->period_ms && step(tickets))
        tickets->since_ms += tickets->period_ms;
}

static uint64_t monotonic_ms(void) {
    return uv_hrtime() / 1000000; /* the same for all processes of a machine */
}

/* ---- Life ---- */

int tc__tls_tickets_init(tc__tls_tickets_t *tickets, uint64_t lifetime_ms) {
    *tickets = (tc__tls_tickets_t){ .period_ms = lifetime_ms / 2, .now_ms = monotonic_ms };
    tickets->since_ms = tickets->now_ms();
    if (RAND_priv_bytes(tickets->secret, sizeof tickets->secret) != 1 ||
        !derive_key(&tickets->keys[0], tickets->secret))
        return tc__tls_take_error("keys of session tickets");
    tickets->count = 1;
    int err = uv_mutex_init(&tickets->lock);
    tickets->ready = err == 0;
    return err < 0 ? tc__fail(err, "TLS context: %s", tc_strerror(err)) : 0;
}

void tc__tls_tickets_deinit(tc__tls_tickets_t *tickets) {
    if (tickets->ready)
        uv_mutex_destroy(&tickets->lock);
    OPENSSL_cleanse(tickets, sizeof *tickets);
}

/* Name, MAC, cipher: as nginx has them in its files of 80 bytes. */
static void take_given(tc__tls_ticket_key_t *key, const char *data) {
    memcpy(key->name, data, sizeof key->name);
    memcpy(key->mac, data + sizeof key->name, sizeof key->mac);
    memcpy(key->cipher, data + sizeof key->name + sizeof key->mac, sizeof key->cipher);
}

int tc_tls_context_set_ticket_keys(tc_tls_context_t *tls, tc_bytes_t keys) {
    size_t count = keys.len / TC_TLS_TICKET_KEY_SIZE;
    if (!tls || tls->role != TC__TLS_SERVER)
        return tc__misuse(TC_EINVAL, "tc_tls_context_set_ticket_keys: %s",
                          tls ? "not a context that was made for a server" : "tls is NULL");
    if (count == 0 || count > TC__TLS_TICKET_KEYS || keys.len % TC_TLS_TICKET_KEY_SIZE != 0)
        return tc__misuse(TC_EINVAL, "tc_tls_context_set_ticket_keys: keys have %d bytes each, and are at most %d",
                          TC_TLS_TICKET_KEY_SIZE, TC__TLS_TICKET_KEYS);
    tc__tls_tickets_t *tickets = &tls->tickets;
    uv_mutex_lock(&tickets->lock);
    for (size_t i = 0; i < count; i++)
        take_given(&tickets->keys[i], keys.data + i * TC_TLS_TICKET_KEY_SIZE);
    tickets->count = count;
    tickets->given = true;
    uv_mutex_unlock(&tickets->lock);
    return 0;
}

/* ---- OpenSSL asks ---- */

/* A copy of the key to make tickets with (without a name), or of that name; returns its place, -1 for none. */
static int find_key(tc__tls_tickets_t *tickets, const unsigned char *name, tc__tls_ticket_key_t *out) {
    int found = -1;
    uv_mutex_lock(&tickets->lock);
    catch_up(tickets);
    for (size_t i = 0; i < tickets->count && found < 0; i++) {
        if (!name || memcmp(tickets->keys[i].name, name, sizeof tickets->keys[i].name) == 0) {
            *out = tickets->keys[i];
            found = (int)i;
        }
    }
    uv_mutex_unlock(&tickets->lock);
    return found;
}

static bool use_key(const tc__tls_ticket_key_t *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                    int sealing) {
    char sha256[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, tc__unconst(key->mac), sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, sealing) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

enum { FAILED = -1, NO_SUCH_KEY = 0, USED = 1, USED_BUT_OLD = 2 };

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int sealing) {
    tc__tls_tickets_t *tickets = &tc__tls_connection(ssl)->tls->tickets;
    tc__tls_ticket_key_t key;
    int place = find_key(tickets, sealing ? NULL : name, &key);
    if (place < 0)
        return NO_SUCH_KEY;
    if (sealing)
        memcpy(name, key.name, sizeof key.name);
    bool done = (!sealing || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1) &&
                use_key(&key, iv, cipher, mac, sealing);
    OPENSSL_cleanse(&key, sizeof key);
    return !done ? FAILED : place == 0 ? USED : USED_BUT_OLD;
}

void tc__tls_set_ticket_callback(SSL_CTX *ctx) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
