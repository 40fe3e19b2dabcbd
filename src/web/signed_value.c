/*
 * signed_value.c - text that nobody can change or make without the key. (Tornado: create_signed_value,
 * decode_signed_value)
 *
 *     2|1:0|10:1300000000|3:key|8:dmFsdWU=|3d4e60b996ff9c5d5788e333a0cba6f238a22c6c0f94788870e1a9ecd482e152
 *     | |   |             |     |          '- HMAC-SHA256, in hex, of all before it
 *     | |   |             |     '- the value, in base64
 *     | |   |             '- its name, so that the value of one cookie is none of another
 *     | |   '- when it was signed: seconds since 1970
 *     | '- the version of the key
 *     '- the version of the format: Tornado's second. Its first let the bytes of name and value be read in more than
 *        one way, and is neither written nor read.
 *
 * Each field is told by its length. The reader takes only what the writer would have written: digits and nothing else
 * where a number stands, base64 without slack. Nothing but the signature decides, and it is looked at before anything
 * that it covers is believed.
 */
#include "web/signed_value_internal.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "util/base64_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

enum {
    SIGNATURE_LEN = 64,
    HEAD_SIZE = 96,     /* of all up to the name, with a NUL */
    CLOCK_SKEW_S = 300, /* by which the clocks of several machines may differ */
    MAX_TEXT = 1 << 24  /* of a name or a value, so that no sum of lengths overflows */
};

/* ---- Signing ---- */

static int sign_bytes(char out[SIGNATURE_LEN], const char *key, tc_bytes_t covered) {
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t key_len = strlen(key);
    if (key_len > INT_MAX)
        return tc__fail(TC_EINVAL, "a key to sign with is too long");
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)covered.data, covered.len, digest, &len) ||
        2 * len != SIGNATURE_LEN)
        return tc__fail(TC_ENOMEM, "OpenSSL could not sign");
    for (unsigned i = 0; i < len; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    return 0;
}

/* "2|1:0|10:1300000000|3:" */
static int write_head(char out[HEAD_SIZE], const tc_signing_key_t *key, size_t name_len, int64_t seconds) {
    char number[24], version[16];
    int number_len = snprintf(number, sizeof number, "%" PRId64, seconds);
    int version_len = snprintf(version, sizeof version, "%d", key->version);
    return snprintf(out, HEAD_SIZE, "2|%d:%s|%d:%s|%zu:", version_len, version, number_len, number, name_len);
}

int tc__signed_len(const tc_signing_key_t *key, tc_bytes_t name, tc_bytes_t value, int64_t seconds) {
    char head[HEAD_SIZE];
    if (!key || !key->key || key->version < 0 || seconds < 0 || name.len > MAX_TEXT || value.len > MAX_TEXT / 2)
        return tc__fail(TC_EINVAL, "to sign takes a key, its version and a time of 0 or more, and at most 8 MiB");
    int len = write_head(head, key, name.len, seconds) + (int)name.len;
    size_t value_len = tc__base64_len(value.len);
    return len + snprintf(NULL, 0, "|%zu:", value_len) + (int)value_len + 1 + SIGNATURE_LEN;
}

int tc__sign(char *out, const tc_signing_key_t *key, tc_bytes_t name, tc_bytes_t value, int64_t seconds) {
    char head[HEAD_SIZE];
    int head_len = write_head(head, key, name.len, seconds);
    memcpy(out, head, (size_t)head_len);
    char *at = out + head_len;
    if (name.len > 0)
        memcpy(at, name.data, name.len);
    at += name.len;
    at += sprintf(at, "|%zu:", tc__base64_len(value.len));
    at = tc__base64_encode(at, value);
    *at++ = '|';
    TC_TRY(sign_bytes(at, key->key, tc_bytes(out, (size_t)(at - out))));
    at[SIGNATURE_LEN] = '\0';
    return 0;
}

/* ---- Reading ---- */

/* Digits as the writer writes them: no sign, no zero in front. */
static bool parse_number(tc_bytes_t text, uint64_t max, uint64_t *out) {
    if (text.len > 1 && text.data[0] == '0')
        return false;
    return tc__parse_uint64(text, out) == 0 && *out <= max;
}

/* "3:key|" off the front of *rest. */
static bool next_field(tc_bytes_t *rest, tc_bytes_t *field) {
    const char *colon = rest->len ? memchr(rest->data, ':', rest->len) : NULL;
    uint64_t len;
    if (!colon || !parse_number(tc_bytes(rest->data, (size_t)(colon - rest->data)), MAX_TEXT, &len))
        return false;
    size_t left = rest->len - (size_t)(colon + 1 - rest->data);
    if (len >= left || colon[1 + len] != '|')
        return false;
    *field = tc_bytes(colon + 1, len);
    *rest = tc_bytes(colon + 2 + len, left - len - 1);
    return true;
}

int tc__signed_parse(tc__signed_fields_t *fields, tc_bytes_t text) {
    tc_bytes_t rest = text, key_version, time;
    uint64_t number, seconds;
    if (text.len < 2 || memcmp(text.data, "2|", 2) != 0)
        return TC_EINVAL;
    rest = tc_bytes(text.data + 2, text.len - 2);
    if (!next_field(&rest, &key_version) || !next_field(&rest, &time) || !next_field(&rest, &fields->name) ||
        !next_field(&rest, &fields->value))
        return TC_EINVAL;
    if (!parse_number(key_version, INT_MAX, &number) || !parse_number(time, INT64_MAX, &seconds) ||
        rest.len != SIGNATURE_LEN)
        return TC_EINVAL;
    fields->key_version = (int)number;
    fields->seconds = (int64_t)seconds;
    fields->signature = rest;
    fields->covered = tc_bytes(text.data, text.len - rest.len);
    return 0;
}

static const char *find_key(const tc_signing_key_t *keys, int version) {
    for (; keys->key; keys++)
        if (keys->version == version)
            return keys->key;
    return NULL;
}

static bool is_current(int64_t signed_at, uint64_t max_age_ms, int64_t now) {
    if (signed_at > now)
        return signed_at - now <= CLOCK_SKEW_S;
    return max_age_ms == TC_FOREVER || (uint64_t)(now - signed_at) <= max_age_ms / 1000;
}

int tc__signed_open(char *out, tc_bytes_t *value, const tc_signing_key_t *keys, tc_bytes_t name, tc_bytes_t text,
                    uint64_t max_age_ms, int64_t now) {
    tc__signed_fields_t fields;
    char expected[SIGNATURE_LEN];
    size_t len;
    if (tc__signed_parse(&fields, text) < 0)
        return tc__fail(TC_EINVAL, "not a signed value");
    const char *key = find_key(keys, fields.key_version);
    if (!key)
        return tc__fail(TC_EINVAL, "signed by a key of version %d, which is not known", fields.key_version);
    TC_TRY(sign_bytes(expected, key, fields.covered));
    if (!tc__bytes_equal_secret(fields.signature, tc_bytes(expected, sizeof expected)))
        return tc__fail(TC_EINVAL, "the signature is wrong");
    if (!tc__bytes_equal(fields.name, name))
        return tc__fail(TC_EINVAL, "signed for another name");
    if (!is_current(fields.seconds, max_age_ms, now))
        return tc__fail(TC_ETIMEDOUT, fields.seconds > now ? "signed in the future" : "too old");
    if (!tc__base64_decode(out, &len, fields.value))
        return tc__fail(TC_EINVAL, "the value is not base64");
    out[len] = '\0';
    *value = tc_bytes(out, len);
    return 0;
}

/* ---- The public face ---- */

int tc_create_signed_value(char *out, size_t size, const tc_signing_key_t *key, const char *name, tc_bytes_t value,
                           int64_t seconds) {
    if (!name || (!out && size > 0))
        return tc__misuse(TC_EINVAL, "tc_create_signed_value: the name, or the place for the text, is NULL");
    int len = tc__signed_len(key, tc_str(name), value, seconds);
    if (len < 0)
        return tc__misuse(len, "tc_create_signed_value: %s", tc_error_detail());
    if ((size_t)len < size)
        TC_TRY(tc__sign(out, key, tc_str(name), value, seconds));
    else if (size > 0)
        out[0] = '\0'; /* a part of it is of no use */
    return len;
}

int tc_decode_signed_value(char *out, size_t size, const tc_signing_key_t *keys, const char *name, tc_bytes_t text,
                           uint64_t max_age_ms, int64_t now) {
    tc_bytes_t value = { NULL, 0 };
    if (!keys || !name || !out)
        return tc__misuse(TC_EINVAL, "tc_decode_signed_value: the keys, the name or the place for the value is NULL");
    if (size < text.len || text.len > 4 * (size_t)MAX_TEXT)
        return tc__fail(TC_ETOOBIG, "the signed value has %zu bytes, and there is room for %zu", text.len, size);
    TC_TRY(
        tc__signed_open(out, &value, keys, tc_str(name), text, max_age_ms ? max_age_ms : TC__SIGNED_MAX_AGE_MS, now));
    return (int)value.len;
}

int tc_get_signature_key_version(tc_bytes_t text) {
    tc__signed_fields_t fields;
    return tc__signed_parse(&fields, text) < 0 ? -1 : fields.key_version;
}
