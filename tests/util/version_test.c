/* version_test.c - what the library says of itself. */
#include "util_test.h"

static void the_library_is_as_old_as_its_headers(void **state) {
    (void)state;
    assert_string_equal(tornadoc_version(), TORNADOC_VERSION);
}

static void features_are_there_or_not(void **state) {
    (void)state;
    assert_true(tornadoc_has("regex"));
    assert_true(tornadoc_has("json"));
    assert_false(tornadoc_has("http2"));
    assert_false(tornadoc_has("Regex"));
    assert_false(tornadoc_has("teleport"));
    assert_false(tornadoc_has(""));
    assert_false(tornadoc_has(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_is_as_old_as_its_headers),
        cmocka_unit_test(features_are_there_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
