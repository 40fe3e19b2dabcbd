/* escape_test.c - each function by a table; each result also cut off at every size, and made in place where that goes.
 */
#include "util_test.h"

#include <tornadoc/escape.h>

typedef size_t (*escape_fn)(char *out, size_t size, tc_bytes_t text);

typedef struct {
    tc_bytes_t text, result;
} case_t;

#define CASE(text, result)             \
    {                                  \
        { text, sizeof(text) - 1 }, {  \
            result, sizeof(result) - 1 \
        }                              \
    }

/* The whole result, and what snprintf would do with any smaller buffer. */
static void check(escape_fn fn, const case_t *expected) {
    tc_bytes_t text = on_heap(expected->text), result = expected->result;
    assert_int_equal(fn(NULL, 0, text), result.len);
    for (size_t size = 1; size < result.len + 3; size++) {
        char *out = malloc(size);
        assert_non_null(out);
        memset(out, '#', size);
        size_t kept = result.len < size ? result.len : size - 1;
        assert_int_equal(fn(out, size, text), result.len);
        assert_memory_equal(out, result.data, kept);
        assert_int_equal(out[kept], '\0');
        for (size_t i = kept + 1; i < size; i++)
            assert_int_equal(out[i], '#');
        free(out);
    }
    off_heap(text);
}

static void check_all(escape_fn fn, const case_t *cases, size_t count) {
    for (size_t i = 0; i < count; i++)
        check(fn, &cases[i]);
    assert_int_equal(fn(NULL, 0, tc_str(NULL)), 0);
}

static void check_in_place(escape_fn fn, const case_t *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *text = malloc(cases[i].text.len + 1);
        assert_non_null(text);
        memcpy(text, cases[i].text.data, cases[i].text.len);
        size_t len = fn(text, cases[i].text.len + 1, tc_bytes(text, cases[i].text.len));
        assert_int_equal(len, cases[i].result.len);
        assert_memory_equal(text, cases[i].result.data, len);
        free(text);
    }
}

static void html_has_five_dangerous_characters(void **state) {
    (void)state;
    static const case_t cases[] = {
        CASE("", ""),
        CASE("plain", "plain"),
        CASE("<>&\"'", "&lt;&gt;&amp;&quot;&#x27;"),
        CASE("<script>alert('x')</script>", "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;"),
        CASE("&amp;", "&amp;amp;"),
        CASE("a\0<", "a\0&lt;"),
        CASE("\xc3\xa4\xff/`=", "\xc3\xa4\xff/`="),
    };
    check_all(tc_xhtml_escape, cases, COUNT(cases));
}

static void entities_become_characters(void **state) {
    (void)state;
    static const case_t cases[] = {
        CASE("", ""),
        CASE("plain", "plain"),
        CASE("&lt;&gt;&amp;&quot;&#x27;&apos;", "<>&\"''"),
        CASE("&amp;lt;", "&lt;"), /* once, not twice */
        CASE("&#65;&#x42;&#X43;&#x6a;&#x6A;", "ABCjj"),
        CASE("&#0000000000000000000065;", "A"),
        CASE("&#228;&#8364;&#128512;", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
        CASE("&#x7f;&#xa0;&#x7ff;&#x800;&#xffff;&#x10000;&#x10ffff;",
             "\x7f\xc2\xa0\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
        CASE("&#0;", "\xef\xbf\xbd"), /* what is no code point is U+FFFD */
        CASE("&#xd800;&#xDFFF;", "\xef\xbf\xbd\xef\xbf\xbd"),
        CASE("&#xd7ff;&#xe000;", "\xed\x9f\xbf\xee\x80\x80"),
        CASE("&#x110000;", "\xef\xbf\xbd"),
        CASE("&#1114112;&#4294967361;&#18446744073709551681;", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"),
        CASE("&#x80;&#x96;&#159;&#x81;", "\xe2\x82\xac\xe2\x80\x93\xc5\xb8\xc2\x81"), /* Windows-1252 */
        CASE("&", "&"),                                                               /* what is no entity is kept */
        CASE("&&&", "&&&"),
        CASE("&;", "&;"),
        CASE("&#", "&#"),
        CASE("&#;", "&#;"),
        CASE("&#x", "&#x"),
        CASE("&#x;", "&#x;"),
        CASE("&#xg;", "&#xg;"),
        CASE("&#6a;", "&#6a;"),
        CASE("&#65", "&#65"),
        CASE("&#65 ;", "&#65 ;"),
        CASE("&#-65;", "&#-65;"),
        CASE("&lt", "&lt"),
        CASE("&lt ;", "&lt ;"),
        CASE("&LT;", "&LT;"),
        CASE("&nbsp;&copy;", "&nbsp;&copy;"),
        CASE("&&lt;", "&<"),
        CASE("&#&lt;", "&#<"),
        CASE("&#1&#65;", "&#1A"),
        CASE("a\0&gt;", "a\0>"),
    };
    check_all(tc_xhtml_unescape, cases, COUNT(cases));
    check_in_place(tc_xhtml_unescape, cases, COUNT(cases));
}

static void forms_have_plus_for_space(void **state) {
    (void)state;
    static const case_t cases[] = {
        CASE("", ""),
        CASE("a b+c", "a+b%2Bc"),
        CASE("/?#&=%", "%2F%3F%23%26%3D%25"),
        CASE("AZaz09-._~", "AZaz09-._~"),
        CASE("\0\x1f\x7f\x80\xff", "%00%1F%7F%80%FF"),
        CASE("\xc3\xa4", "%C3%A4"),
        CASE("@[`{^,:;!$'()*", "%40%5B%60%7B%5E%2C%3A%3B%21%24%27%28%29%2A"),
    };
    check_all(tc_url_escape, cases, COUNT(cases));
}

static void paths_keep_their_slashes(void **state) {
    (void)state;
    static const case_t cases[] = {
        CASE("", ""),
        CASE("/a b/c+d", "/a%20b/c%2Bd"),
        CASE("/~user/\xc3\xa4", "/~user/%C3%A4"),
        CASE("?\0", "%3F%00"),
    };
    check_all(tc_url_escape_path, cases, COUNT(cases));
}

static void percent_signs_are_decoded(void **state) {
    (void)state;
    static const case_t both[] = {
        CASE("", ""),         CASE("plain", "plain"),     CASE("%41%4a%4A%00%ff", "AJJ\0\xff"),
        CASE("%", "%"),       CASE("%4", "%4"),           CASE("%4g%g4%zz", "%4g%g4%zz"),
        CASE("%%41", "%A"),   CASE("%2541", "%41"), /* once, not twice */
        CASE("%4%41", "%4A"), CASE("a%2Bb%20c", "a+b c"), CASE("%+1%-1", "%+1%-1") /* replaced below for plus */,
    };
    static const case_t plus[] = { CASE("a+b%20c%2B", "a b c+"), CASE("++", "  "), CASE("%+1", "% 1") };
    static const case_t path[] = { CASE("a+b%20c%2B", "a+b c+"), CASE("++", "++") };
    check_all(tc_url_unescape, both, COUNT(both) - 1);
    check_all(tc_url_unescape, plus, COUNT(plus));
    check_all(tc_url_unescape_path, both, COUNT(both));
    check_all(tc_url_unescape_path, path, COUNT(path));
    check_in_place(tc_url_unescape, both, COUNT(both) - 1);
    check_in_place(tc_url_unescape_path, both, COUNT(both));
}

static void what_was_escaped_comes_back(void **state) {
    (void)state;
    char all[256], there[1024], back[1024];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    static const struct {
        escape_fn there, back;
    } pairs[] = {
        { tc_url_escape, tc_url_unescape },
        { tc_url_escape_path, tc_url_unescape_path },
        { tc_xhtml_escape, tc_xhtml_unescape },
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        size_t len = pairs[i].there(there, sizeof(there), tc_bytes(all, sizeof(all)));
        assert_int_equal(pairs[i].back(back, sizeof(back), tc_bytes(there, len)), sizeof(all));
        assert_memory_equal(back, all, sizeof(all));
    }
}

static void white_space_is_squeezed(void **state) {
    (void)state;
    static const case_t cases[] = {
        CASE("", ""),
        CASE(" ", ""),
        CASE(" \t\r\n\0\x1f ", ""),
        CASE("a", "a"),
        CASE("  a  b\t\nc\0\0", "a b c"),
        CASE("a\x7f\x80 \xc2\xa0", "a\x7f\x80 \xc2\xa0"),
    };
    check_all(tc_squeeze, cases, COUNT(cases));
    check_in_place(tc_squeeze, cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(html_has_five_dangerous_characters),
        cmocka_unit_test(entities_become_characters),
        cmocka_unit_test(forms_have_plus_for_space),
        cmocka_unit_test(paths_keep_their_slashes),
        cmocka_unit_test(percent_signs_are_decoded),
        cmocka_unit_test(what_was_escaped_comes_back),
        cmocka_unit_test(white_space_is_squeezed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
