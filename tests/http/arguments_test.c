/* arguments_test.c - queries and urlencoded bodies become names and values. */
#include "http/arguments_internal.h"

#include "http/parsing.h"

/* "name>value|…"; what is not UTF-8 ends with "!". NULs stand as "0". */
static void dump(char *out, size_t size, const tc__arguments_t *arguments) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < arguments->count; i++) {
        const tc__argument_t *a = &arguments->items[i];
        len += (size_t)snprintf(out + len, size - len, "%s%.*s>%.*s%s", i ? "|" : "", (int)a->name.len, a->name.data,
                                (int)a->value.len, a->value.data, a->valid ? "" : "!");
    }
}

static const struct {
    const char *why, *text, *want;
} rows[] = {
    { "one", "a=1", "a>1" },
    { "in order, repeated", "b=2&a=1&b=3", "b>2|a>1|b>3" },
    { "blank values are kept", "a=&b", "a>|b>" },
    { "empty pairs are none", "&&a=1&&", "a>1" },
    { "a value without a name", "=1", ">1" },
    { "the first equals sign counts", "a=b=c", "a>b=c" },
    { "a semicolon is data", "a=1;b=2", "a>1;b=2" },
    { "plus is a space", "a+b=c+d", "a b>c d" },
    { "percent-encoded separators are data", "a%26b%3D=%26%3d", "a&b=>&=" },
    { "decoded once", "a=%2541", "a>%41" },
    { "bad sequences stay", "%zz=%4&b=%", "%zz>%4|b>%" },
    { "UTF-8", "n=%C3%A4", "n>\xc3\xa4" },
    { "UTF-8 that was sent as it is", "n=\xc3\xa4", "n>\xc3\xa4" },
    { "a value that is not UTF-8", "n=%ff&m=1", "n>\xff!|m>1" },
    { "a name that is not UTF-8", "%ff=1", "\xff>1!" },
    { "half a character in the name, the other half in the value", "%c3=%a4", "\xc3>\xa4!" },
    { "white space is stripped off values", "a=++1%092%0a%0D%0b%0c", "a>1\t2" },
    { "but not off names", "+a+=1", " a >1" },
    { "white space alone", "a=+%09%0d%0a+", "a>" },
    { "control bytes become spaces", "a=1%002%1f3%084%0e5", "a>1 2 3 4 5" },
    { "and are stripped at the ends", "a=%00%01x%1b", "a>x" },
    { "tab, line ends and their like stay inside", "a=1%09%0a%0b%0c%0d2", "a>1\t\n\v\f\r2" },
    { "DEL is left alone", "a=%7f", "a>\x7f" },
    { "what is not UTF-8 is not stripped", "a=+%ff+", "a> \xff !" },
    { "no-break spaces are stripped", "a=%c2%a0x%C2%A0", "a>x" },
    { "U+0085, U+1680, U+2028, U+2029, U+202F, U+205F, U+3000",
      "a=%c2%85%e1%9a%80%e2%80%a8x%e2%80%a9%e2%80%af%e2%81%9f%e3%80%80", "a>x" },
    { "U+2000 to U+200A", "a=%e2%80%80x%e2%80%8a", "a>x" },
    { "U+200B is none", "a=%e2%80%8bx%e2%80%8b", "a>\xe2\x80\x8bx\xe2\x80\x8b" },
    { "a character that ends like white space", "a=%f0%a2%80%80", "a>\xf0\xa2\x80\x80" },
    { "nothing", "", "" },
    { "only separators", "&&&", "" },
};

static void queries_become_arguments(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got[256];
        tc_bytes_t text = exact(tc_str(rows[i].text));
        tc__arguments_t arguments = { 0 };
        tc__arena_t arena;
        tc__arena_init(&arena, NULL);
        expect_row(rows[i].why, tc__arguments_parse(&arguments, &arena, text, 100) == 0);
        drop(text); /* nothing points there */
        dump(got, sizeof got, &arguments);
        expect_bytes(rows[i].why, tc_str(got), tc_str(rows[i].want));
        for (size_t j = 0; j < arguments.count; j++) {
            expect_row(rows[i].why, arguments.items[j].name.data[arguments.items[j].name.len] == '\0');
            expect_row(rows[i].why, arguments.items[j].value.data[arguments.items[j].value.len] == '\0');
        }
        tc__arena_deinit(&arena);
    }
}

/* Query first, then body: cut at each "&", two parses give what one gives. */
static void parsing_in_two_parts_appends(void **state) {
    (void)state;
    const char *text = "a=1&b=%20x&c&&d=%c3%a4&a=2";
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        if (text[cut] != '&' && text[cut] != '\0')
            continue;
        char got[256];
        tc_bytes_t head = exact(tc_bytes(text, cut)), tail = exact(tc_str(text + cut));
        tc__arguments_t arguments = { 0 };
        tc__arena_t arena;
        tc__arena_init(&arena, NULL);
        assert_int_equal(tc__arguments_parse(&arguments, &arena, head, 5), 0);
        assert_int_equal(tc__arguments_parse(&arguments, &arena, tail, 5), 0);
        dump(got, sizeof got, &arguments);
        assert_string_equal(got, "a>1|b>x|c>|d>\xc3\xa4|a>2");
        tc__arena_deinit(&arena);
        drop(head);
        drop(tail);
    }
}

static void fields_are_added_one_by_one_to_what_is_there(void **state) {
    (void)state;
    char got[256];
    tc__arguments_t arguments = { 0 };
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("a=1&b=2"), 9), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(tc__arguments_add(&arguments, &arena, tc_str("c"), tc_bytes(" %41+\0\r\n", 8), 9), 0);
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("d=4"), 9), 0);
    assert_int_equal(tc__arguments_add(&arguments, &arena, tc_str("e"), tc_bytes("x\xff ", 3), 9), 0);
    assert_int_equal(tc__arguments_add(&arguments, &arena, tc_str("f"), tc_str(""), 9), TC_ETOOBIG);
    assert_int_equal(arguments.count, 9);
    assert_false(arguments.items[8].valid);
    assert_string_equal(arguments.items[8].value.data, "x\xff ");
    arguments.count = 8;
    dump(got, sizeof got, &arguments);
    assert_string_equal(got, "a>1|b>2|c>%41+|c>%41+|c>%41+|c>%41+|c>%41+|d>4");
    tc__arena_deinit(&arena);
}

static void every_prefix_is_parsed_within_its_bounds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t len = 0; rows[i].text[len]; len++) {
            tc_bytes_t text = exact(tc_bytes(rows[i].text, len));
            tc__arguments_t arguments = { 0 };
            tc__arena_t arena;
            tc__arena_init(&arena, NULL);
            expect_row(rows[i].why, tc__arguments_parse(&arguments, &arena, text, 100) == 0);
            tc__arena_deinit(&arena);
            drop(text);
        }
    }
}

static void the_last_of_a_name_is_found(void **state) {
    (void)state;
    tc__arguments_t arguments = { 0 };
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    assert_null(tc__arguments_last(&arguments, tc_str("a")));
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("a=1&b=2&a=3&aa=4&=5&%00=6"), 100), 0);
    assert_string_equal(tc__arguments_last(&arguments, tc_str("a"))->value.data, "3");
    assert_string_equal(tc__arguments_last(&arguments, tc_str("b"))->value.data, "2");
    assert_string_equal(tc__arguments_last(&arguments, tc_str(""))->value.data, "5");
    assert_string_equal(tc__arguments_last(&arguments, tc_bytes("\0", 1))->value.data, "6");
    assert_null(tc__arguments_last(&arguments, tc_str("A")));
    assert_null(tc__arguments_last(&arguments, tc_str("c")));
    tc__arena_deinit(&arena);
}

static void too_many_are_refused_before_memory_is_taken(void **state) {
    (void)state;
    tc__arguments_t arguments = { 0 };
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    allocations = 0;
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("a&b&c&d"), 3), TC_ETOOBIG);
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("a"), 0), TC_ETOOBIG);
    assert_int_equal(allocations, 0);
    assert_int_equal(arguments.count, 0);
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("&a&b&&c&"), 3), 0);
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str(NULL), 3), 0);
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("d"), 3), TC_ETOOBIG);
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("d"), 2), TC_ETOOBIG); /* the limit sank */
    assert_int_equal(arguments.count, 3);
    assert_int_equal(tc__arguments_parse(&arguments, &arena, tc_str("d"), TC_UNLIMITED), 0);
    assert_int_equal(arguments.count, 4);
    tc__arena_deinit(&arena);
}

static int parse_much(tc__arena_t *arena) {
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "a=b&"[i % 4];
    tc__arguments_t arguments = { 0 };
    for (size_t n = 1; n <= 2; n++) {
        int err = tc__arguments_parse(&arguments, arena, tc_bytes(text, sizeof text), TC_UNLIMITED);
        assert_int_equal(arguments.count, (err ? n - 1 : n) * 1000);
        if (err < 0)
            return err;
    }
    return 0;
}

static void running_out_of_memory_keeps_what_was_there(void **state) {
    (void)state;
    with_each_allocation_failing(parse_much);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_become_arguments),
        cmocka_unit_test(parsing_in_two_parts_appends),
        cmocka_unit_test(fields_are_added_one_by_one_to_what_is_there),
        cmocka_unit_test(every_prefix_is_parsed_within_its_bounds),
        cmocka_unit_test(the_last_of_a_name_is_found),
        cmocka_unit_test(too_many_are_refused_before_memory_is_taken),
        cmocka_unit_test(running_out_of_memory_keeps_what_was_there),
    };
    use_failing_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
