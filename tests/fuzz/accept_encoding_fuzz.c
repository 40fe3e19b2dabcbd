/*
 * accept_encoding_fuzz.c - the Accept-Encoding field, and lists of entity tags: weights are weights, a repetition
 * changes nothing, and a tag that is found stands there.
 */
#include <string.h>

#include "fuzz/fuzzing.h"
#include "http/accept_encoding_internal.h"
#include "http/conditional_internal.h"

static void check_weights(tc_bytes_t field) {
    uint16_t weights[TC__CODING_COUNT], again[TC__CODING_COUNT];
    tc__accept_encoding_parse(field, weights);
    for (int i = 0; i < TC__CODING_COUNT; i++)
        MUST(weights[i] <= 1000);
    char *twice = malloc(2 * field.len + 1);
    MUST(twice != NULL);
    memcpy(twice, field.data, field.len);
    twice[field.len] = ',';
    memcpy(twice + field.len + 1, field.data, field.len);
    tc__accept_encoding_parse(tc_bytes(twice, 2 * field.len + 1), again);
    MUST(memcmp(weights, again, sizeof weights) == 0);
    free(twice);
}

/* The first so many bytes are a tag, the rest a list. */
static void check_tags(tc_bytes_t text) {
    size_t len = text.len > 0 ? (unsigned char)text.data[0] % text.len : 0;
    tc_bytes_t etag = tc_bytes(text.data, len), list = tc_bytes(text.data + len, text.len - len);
    bool strongly = tc__etag_in_list(list, etag, true), weakly = tc__etag_in_list(list, etag, false);
    MUST(weakly || !strongly);
    if (!tc__is_etag(etag))
        MUST(!weakly);
    else
        MUST(tc__etag_in_list(etag, etag, false));
    if (strongly)
        MUST(memmem(list.data, list.len, etag.data, etag.len) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tc_bytes_t text = tc_bytes(data, size);
    if (size == 0)
        return 0;
    check_weights(text);
    check_tags(text);
    return 0;
}
