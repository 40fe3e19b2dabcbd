/* accept_encoding_test.c - the Accept-Encoding field as a table: identity, br, zstd, gzip in thousandths. */
#include "http/accept_encoding_internal.h"
#include "util/util_test.h"

static const char *weights_of(const char *field) {
    static char text[64];
    uint16_t weights[TC__CODING_COUNT];
    tc_bytes_t bytes = on_heap(tc_str(field));
    tc__accept_encoding_parse(bytes, weights);
    off_heap(bytes);
    sprintf(text, "%d %d %d %d", weights[0], weights[1], weights[2], weights[3]);
    return text;
}

typedef struct {
    const char *field, *wanted;
} row_t;

static void check(const row_t *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(weights_of(rows[i].field), rows[i].wanted) != 0)
            fail_msg("%s: %s, not %s", rows[i].field, weights_of(rows[i].field), rows[i].wanted);
}

static void a_coding_that_is_named_is_taken_by_its_weight(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "gzip", "1 0 0 1000" },
        { "gzip, deflate, br, zstd", "1 1000 1000 1000" },
        { "GZIP;Q=0.5 , br ; q=0.25", "1 250 0 500" },
        { "x-gzip", "1 0 0 1000" },
        { "gzip;q=1.000,br;q=0.001", "1 1 0 1000" },
        { "gzip;q=0", "1 0 0 0" },
        { "gzip;q=0.0", "1 0 0 0" },
        { "gzip;level=9;q=0.1", "1 0 0 100" },
        { "br;q=0.2,br;q=0.3", "1 300 0 0" },
        { ",, br ,", "1 1000 0 0" },
        { "xgzip, gzipx", "1 0 0 0" },
    };
    check(rows, COUNT(rows));
}

static void identity_is_taken_unless_it_is_refused(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "", "1 0 0 0" },
        { "identity;q=0.5, gzip", "500 0 0 1000" },
        { "gzip, identity;q=0", "0 0 0 1000" },
        { "gzip, *;q=0", "0 0 0 1000" },
        { "*;q=0, identity", "1000 0 0 0" },
    };
    check(rows, COUNT(rows));
}

static void a_star_stands_for_what_is_not_named(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "*", "1000 1000 1000 1000" },
        { "*;q=0.5, br", "500 1000 500 500" },
        { "br;q=0, *", "1000 0 1000 1000" },
    };
    check(rows, COUNT(rows));
}

static void what_has_no_weight_that_is_one_is_passed_over(void **state) {
    (void)state;
    static const row_t rows[] = {
        { "gzip;q=2, br", "1 1000 0 0" }, { "gzip;q=1.001", "1 0 0 0" },  { "gzip;q=-1", "1 0 0 0" },
        { "gzip;q=", "1 0 0 0" },         { "gzip;q=0.1234", "1 0 0 0" }, { "gzip;q=.5", "1 0 0 0" },
        { "gzip;q=0.x", "1 0 0 0" },      { "gzip;q=0,5", "1 0 0 0" },    { "g zip, ;q=1, =, \"gzip\"", "1 0 0 0" },
    };
    check(rows, COUNT(rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_coding_that_is_named_is_taken_by_its_weight),
        cmocka_unit_test(identity_is_taken_unless_it_is_refused),
        cmocka_unit_test(a_star_stands_for_what_is_not_named),
        cmocka_unit_test(what_has_no_weight_that_is_one_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
