/*
 * date_fuzz.c - HTTP dates: what is read can be written and read again, to the second; the first eight bytes are also a
 * time of their own.
 */
#include <string.h>

#include <tornadoc/httputil.h>

#include "fuzz/fuzzing.h"
#include "util/date_internal.h"

static const int64_t first_second = -62167219200, last_second = 253402300799; /* of the years 0 to 9999 */

static void check_round_trip(int64_t seconds) {
    char text[TC__DATE_LEN + 1];
    int64_t again;
    MUST(tc_format_timestamp(text, sizeof text, seconds) == TC__DATE_LEN && strlen(text) == TC__DATE_LEN);
    MUST(tc_parse_timestamp(tc_str(text), &again) == 0);
    MUST(again == (seconds < first_second ? first_second : seconds > last_second ? last_second : seconds));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t seconds = 7, now = 0;
    if (tc_parse_timestamp(tc_bytes(data, size), &seconds) == 0) {
        MUST(seconds >= first_second && seconds <= last_second + 1); /* a leap second at the very end */
        check_round_trip(seconds);
    } else {
        MUST(seconds == 7);
    }
    if (size >= sizeof now) {
        memcpy(&now, data, sizeof now);
        check_round_trip(now);
        /* two-digit years are read relative to any now */
        if (tc__date_parse((const char *)data + sizeof now, size - sizeof now, now, &seconds) == 0)
            check_round_trip(seconds);
    }
    return 0;
}
