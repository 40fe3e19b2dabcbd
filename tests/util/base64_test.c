/* base64_test.c - RFC 4648's own vectors, every length and every byte, and all that is refused. */
#include "util/base64_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *plain, *encoded;
} vectors[] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
    { "\xfb\xff\xbf", "+/+/" },
};

static void the_vectors_of_the_rfc_go_both_ways(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char out[16];
        size_t len;
        *tc__base64_encode(out, tc_str(vectors[i].plain)) = '\0';
        assert_string_equal(out, vectors[i].encoded);
        assert_int_equal(strlen(out), tc__base64_len(strlen(vectors[i].plain)));
        assert_true(tc__base64_decode(out, &len, tc_str(vectors[i].encoded)));
        assert_int_equal(len, strlen(vectors[i].plain));
        assert_memory_equal(out, vectors[i].plain, len);
    }
}

static void every_length_and_byte_comes_back_also_in_place(void **state) {
    (void)state;
    for (size_t len = 0; len < 300; len++) {
        char *plain = malloc(len + 1), *text = malloc(tc__base64_len(len) + 1);
        size_t got;
        for (size_t i = 0; i < len; i++)
            plain[i] = (char)(i * 7 + len);
        char *end = tc__base64_encode(text, tc_bytes(plain, len));
        assert_true(tc__base64_decode(text, &got, tc_bytes(text, (size_t)(end - text))));
        assert_int_equal(got, len);
        assert_memory_equal(text, plain, len);
        free(plain);
        free(text);
    }
}

static void there_is_one_text_for_a_value(void **state) {
    (void)state;
    const char *const refused[] = { "Z",    "Zg",       "Zg=",  "Zg===",  "Zh==", "Zm9=", "=",     "==",     "====",
                                    "Z===", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm-_", "Zm=v", "Zm9v=", "\x80m9v" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char out[16];
        size_t len;
        if (tc__base64_decode(out, &len, tc_str(refused[i])))
            fail_msg("accepted: %s", refused[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_rfc_go_both_ways),
        cmocka_unit_test(every_length_and_byte_comes_back_also_in_place),
        cmocka_unit_test(there_is_one_text_for_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
