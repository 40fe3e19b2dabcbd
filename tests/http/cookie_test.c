/* cookie_test.c - the Cookie header field. */
#include "http/cookie_internal.h"

#include "http/parsing.h"

static void dump(char *out, size_t size, const tc__cookies_t *cookies) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < cookies->count; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s>%.*s", i ? "|" : "", cookies->items[i].name.data,
                                (int)cookies->items[i].value.len, cookies->items[i].value.data);
}

static const struct {
    const char *why, *text, *want;
} rows[] = {
    { "one", "a=1", "a>1" },
    { "two", "a=1; b=2", "a>1|b>2" },
    { "no space between", "a=1;b=2", "a>1|b>2" },
    { "white space around all", " \ta = 1 \t;\t b= 2 ", "a>1|b>2" },
    { "an empty value", "a=; b=\"\"", "a>|b>" },
    { "the first equals sign counts", "a=b=c==", "a>b=c==" },
    { "nothing", "", "" },
    { "only separators", " ; ;; ", "" },
    { "equal names are all kept; the last counts", "a=1; a=2", "a>1|a>2" },
    { "names have a case", "a=1; A=2", "a>1|A>2" },
    { "no name", "=1; b=2", "b>2" },
    { "no equals sign", "a; b=2", "b>2" },
    { "a space in a name", "a b=1; c=2", "c>2" },
    { "a quote in a name", "\"a\"=1; c=2", "c>2" },
    { "a slash in a name", "a/b=1; c=2", "c>2" },
    { "UTF-8 in a name", "\xc3\xa4=1; c=2", "c>2" },
    { "a control byte in a name", "a\x01=1; c=2", "c>2" },
    { "a comma in a name", "a,b=1; c=2", "c>2" },
    { "all that a name may hold", "!#$%&'*+-.^_`|~:09azAZ=1", "!#$%&'*+-.^_`|~:09azAZ>1" },
    { "colons at the ends of a name", ":a:b:=1; :=2", ":a:b:>1|:>2" },
    { "names of attributes",
      "expires=1; Path=2; COMMENT=3; domain=4; max-age=5; secure=6; version=7; httponly=8; samesite=9; a=1", "a>1" },
    { "names that begin like attributes", "path2=1; $path=2", "path2>1|$path>2" },
    { "quotes are taken off", "a=\"b c\"", "a>b c" },
    { "an octal escape in quotes", "a=\"b\\073c\"", "a>b;c" },
    { "octal escapes at the ends", "a=\"\\101b\\377\"", "a>Ab\xff" },
    { "UTF-8 by octal escapes", "a=\"\\303\\244\"", "a>\xc3\xa4" },
    { "an escaped quote", "a=\"b\\\"c\"", "a>b\"c" },
    { "an escaped backslash", "a=\"\\\\073\"", "a>\\073" },
    { "an escaped letter", "a=\"\\x\"", "a>x" },
    { "no octal: more than 377", "a=\"\\400\"", "a>400" },
    { "no octal: two digits", "a=\"\\07\"", "a>07" },
    { "no octal: an eight", "a=\"\\018\"", "a>018" },
    { "a backslash before the closing quote", "a=\"b\\\"", "a>b\\" },
    { "escapes outside quotes stay", "a=b\\073c", "a>b\\073c" },
    { "a quote at one end only", "a=\"b; c=d\"", "a>\"b|c>d\"" },
    { "one quote", "a=\"", "a>\"" },
    { "a semicolon splits in quotes, too", "a=\"b;c\"; d=1", "a>\"b|d>1" },
    { "quotes inside stay", "a=b\"c\"d", "a>b\"c\"d" },
    { "a comma is data", "a=1,b=2", "a>1,b=2" },
    { "UTF-8 in a value", "a=\xc3\xa4", "a>\xc3\xa4" },
    { "JSON in a value", "a={\"b\":1}", "a>{\"b\":1}" },
    { "as analytics send them", "_ga=GA1.2.3.4; _gid=GA1.2; __utmz=1.2.1.1.utmcsr=(direct)|utmccn=(direct)",
      "_ga>GA1.2.3.4|_gid>GA1.2|__utmz>1.2.1.1.utmcsr=(direct)|utmccn=(direct)" },
};

static void fields_become_cookies(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got[256];
        tc_bytes_t text = exact(tc_str(rows[i].text));
        tc__cookies_t cookies = { 0 };
        tc__arena_t arena;
        tc__arena_init(&arena, NULL);
        expect_row(rows[i].why, tc__cookies_parse(&cookies, &arena, text, 100) == 0);
        drop(text); /* nothing points there */
        dump(got, sizeof got, &cookies);
        expect_bytes(rows[i].why, tc_str(got), tc_str(rows[i].want));
        for (size_t j = 0; j < cookies.count; j++)
            expect_row(rows[i].why, cookies.items[j].value.data[cookies.items[j].value.len] == '\0');
        tc__arena_deinit(&arena);
    }
}

static void every_prefix_is_parsed_within_its_bounds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t len = 0; rows[i].text[len]; len++) {
            tc_bytes_t text = exact(tc_bytes(rows[i].text, len));
            tc__cookies_t cookies;
            tc__arena_t arena;
            tc__arena_init(&arena, NULL);
            expect_row(rows[i].why, tc__cookies_parse(&cookies, &arena, text, 100) == 0);
            tc__arena_deinit(&arena);
            drop(text);
        }
    }
}

static void an_octal_escape_may_be_a_nul(void **state) {
    (void)state;
    tc__cookies_t cookies;
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    assert_int_equal(tc__cookies_parse(&cookies, &arena, tc_str("a=\"b\\000c\""), 1), 0);
    expect_text("NUL", cookies.items[0].value, tc_bytes("b\0c", 3));
    tc__arena_deinit(&arena);
}

static void the_last_of_a_name_counts(void **state) {
    (void)state;
    tc__cookies_t cookies = { 0 };
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    assert_null(tc__cookies_last(&cookies, tc_str("a")));
    assert_int_equal(tc__cookies_parse(&cookies, &arena, tc_str("a=1; b=2; a=3; aa=4"), 100), 0);
    assert_string_equal(tc__cookies_last(&cookies, tc_str("a"))->value.data, "3");
    assert_string_equal(tc__cookies_last(&cookies, tc_str("b"))->value.data, "2");
    assert_null(tc__cookies_last(&cookies, tc_str("A")));
    assert_null(tc__cookies_last(&cookies, tc_str("")));
    tc__arena_deinit(&arena);
}

static void too_many_are_refused_before_memory_is_taken(void **state) {
    (void)state;
    tc__cookies_t cookies = { NULL, 7 };
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    allocations = 0;
    assert_int_equal(tc__cookies_parse(&cookies, &arena, tc_str("a=1;b=2;c=3"), 2), TC_ETOOBIG);
    assert_int_equal(allocations, 0);
    assert_int_equal(cookies.count, 7);
    assert_int_equal(tc__cookies_parse(&cookies, &arena, tc_str("a=1;path=2;;c=3"), 2), 0);
    assert_int_equal(cookies.count, 2);
    assert_int_equal(tc__cookies_parse(&cookies, &arena, tc_str(NULL), 0), 0);
    assert_int_equal(cookies.count, 0);
    tc__arena_deinit(&arena);
}

static int parse_much(tc__arena_t *arena) {
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "a=b;"[i % 4];
    tc__cookies_t cookies = { NULL, 7 };
    int err = tc__cookies_parse(&cookies, arena, tc_bytes(text, sizeof text), TC_UNLIMITED);
    assert_int_equal(cookies.count, err ? 7 : 1000);
    return err;
}

static void running_out_of_memory_leaves_nothing_half_done(void **state) {
    (void)state;
    with_each_allocation_failing(parse_much);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_become_cookies),
        cmocka_unit_test(every_prefix_is_parsed_within_its_bounds),
        cmocka_unit_test(an_octal_escape_may_be_a_nul),
        cmocka_unit_test(the_last_of_a_name_counts),
        cmocka_unit_test(too_many_are_refused_before_memory_is_taken),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_half_done),
    };
    use_failing_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
