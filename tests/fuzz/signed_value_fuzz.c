/*
 * signed_value_fuzz.c - signed values: what is taken apart is made of the text's own fields, and is what the writer
 * writes; a text is opened only if signing its value anew gives the same text.
 */
#include <string.h>

#include "fuzz/fuzzing.h"
#include "web/signed_value_internal.h"

static const tc_signing_key_t keys[] = { { 0, "It's a secret to everybody" }, { 7, "another" }, { 0, NULL } };

/* What is before the signature, written anew. */
static void check_fields(const tc__signed_fields_t *fields, tc_bytes_t text) {
    MUST(is_inside(fields->name, text) && is_inside(fields->value, text));
    MUST(is_inside(fields->covered, text) && is_inside(fields->signature, text));
    MUST(fields->covered.len + fields->signature.len == text.len && fields->signature.len == 64);
    MUST(fields->key_version >= 0 && fields->seconds >= 0);
    MUST(tc_get_signature_key_version(text) == fields->key_version);
    MUST(fields->covered.data[fields->covered.len - 1] == '|');
}

static void check_value(const tc__signed_fields_t *fields, tc_bytes_t text, tc_bytes_t value) {
    tc_signing_key_t key = { fields->key_version, fields->key_version == 0 ? keys[0].key : keys[1].key };
    int len = tc__signed_len(&key, fields->name, value, fields->seconds);
    MUST(len >= 0 && (size_t)len == text.len);
    char *again = malloc((size_t)len + 1);
    MUST(again != NULL && tc__sign(again, &key, fields->name, value, fields->seconds) == 0);
    MUST(memcmp(again, text.data, text.len) == 0);
    free(again);
}

/* The bytes as a value of their own: signed, it opens again. */
static void round_trip(tc_bytes_t bytes) {
    tc_bytes_t name = tc_bytes(bytes.data, bytes.len / 3), value;
    int len = tc__signed_len(&keys[1], name, bytes, 1300000000);
    MUST(len > 0);
    char *text = malloc((size_t)len + 1), *out = malloc((size_t)len);
    MUST(text != NULL && out != NULL && tc__sign(text, &keys[1], name, bytes, 1300000000) == 0);
    MUST(text[len] == '\0');
    MUST(tc__signed_open(out, &value, keys, name, tc_bytes(text, (size_t)len), 1000, 1300000001) == 0);
    MUST(value.len == bytes.len && (bytes.len == 0 || memcmp(value.data, bytes.data, bytes.len) == 0));
    free(text);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tc_bytes_t text = tc_bytes(data, size), value;
    tc__signed_fields_t fields;
    char *out = malloc(size + 1);
    MUST(out != NULL);
    bool parsed = tc__signed_parse(&fields, text) == 0;
    tc_bytes_t name = parsed ? fields.name : tc_str("key");
    if (parsed)
        check_fields(&fields, text);
    if (tc__signed_open(out, &value, keys, name, text, TC_FOREVER, INT64_MAX) == 0) {
        MUST(parsed && is_terminated(value));
        check_value(&fields, text, value);
    }
    round_trip(text);
    free(out);
    return 0;
}
