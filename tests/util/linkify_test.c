/* linkify_test.c - which URLs become links, by a table; each result also cut off at every size. */
#include "util_test.h"

#include <tornadoc/escape.h>

typedef struct {
    const char *text, *html;
} case_t;

#define LINK(url) "<a href=\"" url "\">" url "</a>"

static void check(const case_t *cases, size_t count, const tc_linkify_options_t *options) {
    for (size_t i = 0; i < count; i++) {
        tc_bytes_t text = on_heap(tc_str(cases[i].text));
        size_t len = strlen(cases[i].html);
        assert_int_equal(tc_linkify(NULL, 0, text, options), len);
        for (size_t size = 1; size < len + 3; size++) {
            char *out = malloc(size);
            assert_non_null(out);
            size_t kept = len < size ? len : size - 1;
            assert_int_equal(tc_linkify(out, size, text, options), len);
            if (memcmp(out, cases[i].html, kept) != 0)
                fail_msg("%s became %.*s", cases[i].text, (int)kept, out);
            assert_int_equal(out[kept], '\0');
            free(out);
        }
        off_heap(text);
    }
}

static void urls_become_links_and_all_is_escaped(void **state) {
    (void)state;
    static const case_t cases[] = {
        { "", "" },
        { "no <link> & 'nothing'", "no &lt;link&gt; &amp; &#x27;nothing&#x27;" },
        { "hello http://world.example/!", "hello " LINK("http://world.example/") "!" },
        { "http://a.example and https://b.example", LINK("http://a.example") " and " LINK("https://b.example") },
        { "HTTPS://A.example", LINK("HTTPS://A.example") },
        { "http://a.example/?p=1&q=2", LINK("http://a.example/?p=1&amp;q=2") },
        { "<b>http://a.example</b>", "&lt;b&gt;" LINK("http://a.example") "&lt;/b&gt;" },
        { "'http://a.example'", "&#x27;" LINK("http://a.example") "&#x27;" },
        { "http://a.example/\"onclick=alert(1)", LINK("http://a.example/&quot;onclick=alert(1)") },
        { "http://user:password@a.example:8080", LINK("http://user:password@a.example:8080") },
        { "http://\xe2\x9e\xa1.ws/\xe4\xa8\xb9", LINK("http://\xe2\x9e\xa1.ws/\xe4\xa8\xb9") },
        { "at www.a.example now", "at <a href=\"http://www.a.example\">www.a.example</a> now" },
    };
    check(cases, COUNT(cases), NULL);
    assert_int_equal(tc_linkify(NULL, 0, tc_str(NULL), NULL), 0);
}

static void a_url_ends_before_what_belongs_to_the_sentence(void **state) {
    (void)state;
    static const case_t cases[] = {
        { "http://a.example/b.", LINK("http://a.example/b") "." },
        { "http://a.example/b/.", LINK("http://a.example/b/") "." },
        { "http://a.example/?p=364,", LINK("http://a.example/?p=364") "," },
        { "http://a.example/..........", LINK("http://a.example/") ".........." },
        { "<http://a.example/b>", "&lt;" LINK("http://a.example/b") "&gt;" },
        { "\"http://a.example/b\"", "&quot;" LINK("http://a.example/b") "&quot;" },
        { "(see http://a.example/b)", "(see " LINK("http://a.example/b") ")" },
        { "http://a.example\xe3\x80\x80here", LINK("http://a.example") "\xe3\x80\x80here" },
        { "http://a.example\xc2\xa0here", LINK("http://a.example") "\xc2\xa0here" },
        { "http://a.example\xff", LINK("http://a.example\xff") }, /* not UTF-8 stays that */
    };
    check(cases, COUNT(cases), NULL);
}

static void what_it_has_in_parentheses_belongs_to_it(void **state) {
    (void)state;
    static const case_t cases[] = {
        { "http://a.example/b_(c)", LINK("http://a.example/b_(c)") },
        { "http://a.example/b_(c)_(d)_e", LINK("http://a.example/b_(c)_(d)_e") },
        { "(see http://a.example/b_(c).)", "(see " LINK("http://a.example/b_(c)") ".)" },
        { "http://a.example/b(cccccc", LINK("http://a.example/b") "(cccccc" },
        { "http://a.example/b((((((c)", LINK("http://a.example/b") "((((((c)" },
        { "http://a.example/b.(c)", LINK("http://a.example/b") ".(c)" },
        { "http://a.example/b(c www.d.example",
          LINK("http://a.example/b") "(c <a href=\"http://www.d.example\">www.d.example</a>" },
    };
    check(cases, COUNT(cases), NULL);
}

static void what_is_no_url_is_text(void **state) {
    (void)state;
    static const case_t cases[] = {
        { "javascript:alert(1)", "javascript:alert(1)" },
        { "javascript://www.a.example/%0aalert(1)", "javascript://www.a.example/%0aalert(1)" },
        { "data:/text,x file:///etc/passwd", "data:/text,x file:///etc/passwd" },
        { "http://", "http://" },
        { "http:// x", "http:// x" },
        { "http:a", "http:a" },
        { "://a.example", "://a.example" },
        { "www.", "www." },
        { "awww.a.example", "awww.a.example" },
        { "-http://a.example", "-" LINK("http://a.example") },
        { "x-http://a.example", "x-http://a.example" },
        { "12:30/www", "12:30/www" },
    };
    check(cases, COUNT(cases), NULL);
}

static void which_schemes_become_links_is_the_callers_choice(void **state) {
    (void)state;
    static const char *const protocols[] = { "file", "rdar", NULL };
    static const case_t chosen[] = {
        { "file:///passwords and http://a.example", LINK("file:///passwords") " and http://a.example" },
        { "rdar:/1234", LINK("rdar:/1234") },
    };
    static const case_t required[] = { { "www.a.example http://b.example",
                                         "www.a.example " LINK("http://b.example") } };
    check(chosen, COUNT(chosen), &(tc_linkify_options_t){ .permitted_protocols = protocols });
    check(required, COUNT(required), &(tc_linkify_options_t){ .require_protocol = true });
}

static void links_have_the_callers_attributes(void **state) {
    (void)state;
    static const case_t cases[] = {
        { "www.a.example", "<a href=\"http://www.a.example\" rel=\"nofollow\">www.a.example</a>" },
    };
    check(cases, COUNT(cases), &(tc_linkify_options_t){ .extra_params = "rel=\"nofollow\"" });
}

#define SHORT(url, shown) "<a href=\"" url "\" title=\"" url "\">" shown "...</a>"

static void long_urls_are_shown_short_if_that_is_wanted(void **state) {
    (void)state;
    static const case_t cases[] = {
        { "http://a.example/not/that.long", LINK("http://a.example/not/that.long") },
        { "http://long.example/link/that/exceeds.html",
          SHORT("http://long.example/link/that/exceeds.html", "http://long.example/link") },
        { "http://long.example/seventeen?and=more",
          SHORT("http://long.example/seventeen?and=more", "http://long.example/seventee") },
        { "http://aratherlongdomainnamethatwillbetoolong.example/hi!",
          SHORT("http://aratherlongdomainnamethatwillbetoolong.example/hi", "http://aratherlongdomainnameth") "!" },
        { "http://aratherlongdomainname.example", LINK("http://aratherlongdomainname.example") },
        { "http://long.example/abcdefgh/ij", LINK("http://long.example/abcdefgh/ij") },
        { "http://aratherlongdomainnamet\xc3\xa4thatwillbetoolong.example",
          SHORT("http://aratherlongdomainnamet\xc3\xa4thatwillbetoolong.example",
                "http://aratherlongdomainnamet\xc3\xa4") },
    };
    check(cases, COUNT(cases), &(tc_linkify_options_t){ .shorten = true });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_become_links_and_all_is_escaped),
        cmocka_unit_test(a_url_ends_before_what_belongs_to_the_sentence),
        cmocka_unit_test(what_it_has_in_parentheses_belongs_to_it),
        cmocka_unit_test(what_is_no_url_is_text),
        cmocka_unit_test(which_schemes_become_links_is_the_callers_choice),
        cmocka_unit_test(links_have_the_callers_attributes),
        cmocka_unit_test(long_urls_are_shown_short_if_that_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
