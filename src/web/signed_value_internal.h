/* signed_value_internal.h - text that nobody can change or make without the key. (Tornado: create_signed_value,
 * decode_signed_value; version 2 of the format) */
#ifndef TC_WEB_SIGNED_VALUE_INTERNAL_H
#define TC_WEB_SIGNED_VALUE_INTERNAL_H

#include <tornadoc/web.h>

#define TC__SIGNED_MAX_AGE_MS ((uint64_t)31 * 86400 * 1000) /* Tornado's max_age_days */

/* How many bytes the signed value has, without a NUL; TC_EINVAL: there is none for that. */
int tc__signed_len(const tc_signing_key_t *key, tc_bytes_t name, tc_bytes_t value, int64_t seconds);
/* Write them and a NUL: 0 or TC_ENOMEM. */
int tc__sign(char *out, const tc_signing_key_t *key, tc_bytes_t name, tc_bytes_t value, int64_t seconds);

/* A signed value taken apart; nothing of it is checked but its form. */
typedef struct {
    int key_version;
    int64_t seconds;
    tc_bytes_t name, value; /* the value in base64 */
    tc_bytes_t covered;     /* what the signature is of */
    tc_bytes_t signature;
} tc__signed_fields_t;
int tc__signed_parse(tc__signed_fields_t *fields, tc_bytes_t text); /* 0 or TC_EINVAL */

/* 0: *value is at `out`, which has room for text.len bytes, with a NUL behind it. TC_EINVAL: not signed by one of
 * `keys`, or for another name; TC_ETIMEDOUT: too old, or from the future; TC_ENOMEM. */
int tc__signed_open(char *out, tc_bytes_t *value, const tc_signing_key_t *keys, tc_bytes_t name, tc_bytes_t text,
                    uint64_t max_age_ms, int64_t now);

#endif
