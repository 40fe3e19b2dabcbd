/*
 * byte_range_fuzz.c - the Range field over representations of every size: what is heard lies within them, does not
 * overlap, and is the same when it is written out and read again.
 */
#include <string.h>

#include "fuzz/fuzzing.h"
#include "http/byte_range_internal.h"

static void check_ranges(const tc__byte_range_t *ranges, int count, uint64_t size) {
    uint64_t total = 0;
    for (int i = 0; i < count; i++) {
        MUST(ranges[i].len > 0 && ranges[i].first < size && ranges[i].len <= size - ranges[i].first);
        total += ranges[i].len;
        MUST(total <= size);
        for (int j = 0; j < i; j++)
            MUST(ranges[j].first + ranges[j].len < ranges[i].first ||
                 ranges[i].first + ranges[i].len < ranges[j].first);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t of;
    if (size < sizeof of)
        return 0;
    memcpy(&of, data, sizeof of);
    of >>= data[0] % 64;
    tc_bytes_t field = tc_bytes(data + sizeof of, size - sizeof of);
    tc__byte_range_t ranges[TC__MAX_RANGES], again[TC__MAX_RANGES];
    int count = tc__byte_ranges_parse(field, of, ranges);
    MUST(count >= TC__RANGE_NOT_SATISFIABLE && count <= TC__MAX_RANGES);
    MUST(of > 0 || count == 0);
    if (count <= 0)
        return 0;
    check_ranges(ranges, count, of);
    char text[TC__MAX_RANGES * 42 + 8] = "bytes=";
    for (int i = 0; i < count; i++)
        sprintf(text + strlen(text), "%llu-%llu,", (unsigned long long)ranges[i].first,
                (unsigned long long)(ranges[i].first + ranges[i].len - 1));
    MUST(tc__byte_ranges_parse(tc_str(text), of, again) == count);
    MUST(memcmp(ranges, again, (size_t)count * sizeof ranges[0]) == 0);
    return 0;
}
