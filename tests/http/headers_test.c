/* headers_test.c - header fields: ids, order, repeated names, joining, what a response may say. */
#include "http/headers_internal.h"

#include "http/parsing.h"

static tc__arena_t arena;
static tc__headers_t headers;

static int begin(void **state) {
    (void)state;
    tc__arena_init(&arena, NULL);
    tc__headers_init(&headers);
    return 0;
}

static int end(void **state) {
    (void)state;
    tc__arena_deinit(&arena);
    return 0;
}

static void append(const char *name, const char *value) {
    assert_non_null(tc__headers_append(&headers, &arena, tc_str(name), tc_str(value)));
}

/* "Name=value|Name=value" of all fields, in order. */
static const char *dump(void) {
    static char text[4096];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < headers.count; i++) {
        const tc__header_t *h = &headers.items[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s=%.*s", i ? "|" : "", h->name_len, h->name,
                                (int)h->value_len, h->value);
    }
    return text;
}

/* `first` says what a scan says. */
static void expect_index_true(void) {
    for (unsigned id = 1; id < TC__HEADER_COUNT; id++) {
        size_t want = 0;
        for (size_t i = headers.count; i-- > 0;)
            want = headers.items[i].id == id ? i + 1 : want;
        assert_int_equal(headers.first[id], want);
    }
}

static const struct {
    const char *name;
    tc__header_id_t id;
} known[] = {
    { "accept", TC__HEADER_ACCEPT },
    { "accept-encoding", TC__HEADER_ACCEPT_ENCODING },
    { "accept-language", TC__HEADER_ACCEPT_LANGUAGE },
    { "allow", TC__HEADER_ALLOW },
    { "authorization", TC__HEADER_AUTHORIZATION },
    { "cache-control", TC__HEADER_CACHE_CONTROL },
    { "connection", TC__HEADER_CONNECTION },
    { "content-encoding", TC__HEADER_CONTENT_ENCODING },
    { "content-length", TC__HEADER_CONTENT_LENGTH },
    { "content-type", TC__HEADER_CONTENT_TYPE },
    { "cookie", TC__HEADER_COOKIE },
    { "date", TC__HEADER_DATE },
    { "etag", TC__HEADER_ETAG },
    { "expect", TC__HEADER_EXPECT },
    { "forwarded", TC__HEADER_FORWARDED },
    { "host", TC__HEADER_HOST },
    { "if-modified-since", TC__HEADER_IF_MODIFIED_SINCE },
    { "if-none-match", TC__HEADER_IF_NONE_MATCH },
    { "keep-alive", TC__HEADER_KEEP_ALIVE },
    { "location", TC__HEADER_LOCATION },
    { "origin", TC__HEADER_ORIGIN },
    { "proxy-connection", TC__HEADER_PROXY_CONNECTION },
    { "range", TC__HEADER_RANGE },
    { "referer", TC__HEADER_REFERER },
    { "server", TC__HEADER_SERVER },
    { "set-cookie", TC__HEADER_SET_COOKIE },
    { "te", TC__HEADER_TE },
    { "trailer", TC__HEADER_TRAILER },
    { "transfer-encoding", TC__HEADER_TRANSFER_ENCODING },
    { "upgrade", TC__HEADER_UPGRADE },
    { "user-agent", TC__HEADER_USER_AGENT },
    { "vary", TC__HEADER_VARY },
    { "x-forwarded-for", TC__HEADER_X_FORWARDED_FOR },
    { "x-forwarded-proto", TC__HEADER_X_FORWARDED_PROTO },
    { "x-real-ip", TC__HEADER_X_REAL_IP },
};

static tc__header_id_t id_of(tc_bytes_t name) {
    tc_bytes_t copy = exact(name);
    tc__header_id_t id = tc__header_id(copy.data, copy.len);
    drop(copy);
    return id;
}

static void every_known_name_has_its_id_in_any_case(void **state) {
    (void)state;
    assert_int_equal(sizeof known / sizeof *known, TC__HEADER_COUNT - 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char upper[32] = "", mixed[32] = "";
        for (size_t j = 0; known[i].name[j]; j++) {
            char c = known[i].name[j];
            upper[j] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
            mixed[j] = j % 2 ? c : upper[j];
        }
        expect_row(known[i].name, id_of(tc_str(known[i].name)) == known[i].id);
        expect_row(known[i].name, id_of(tc_str(upper)) == known[i].id);
        expect_row(known[i].name, id_of(tc_str(mixed)) == known[i].id);
    }
}

/* Every byte at every place: only the other case of the same letter may pass. */
static void a_name_that_differs_in_one_byte_has_no_id(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char name[32];
        size_t len = strlen(known[i].name);
        for (size_t at = 0; at < len; at++) {
            for (int c = 0; c < 256; c++) {
                memcpy(name, known[i].name, len);
                bool letter = name[at] >= 'a' && name[at] <= 'z';
                bool equal = c == name[at] || (letter && c == name[at] - 32);
                name[at] = (char)c;
                tc__header_id_t id = tc__header_id(name, len);
                expect_row(known[i].name, equal ? id == known[i].id : id != known[i].id);
            }
        }
    }
}

static void a_prefix_or_an_extension_of_a_known_name_has_no_id(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char longer[40];
        size_t len = strlen(known[i].name);
        for (size_t cut = 0; cut < len; cut++)
            expect_row(known[i].name, id_of(tc_bytes(known[i].name, cut)) != known[i].id);
        snprintf(longer, sizeof longer, "%ss", known[i].name);
        expect_row(known[i].name, id_of(tc_str(longer)) == TC__HEADER_OTHER);
    }
    assert_int_equal(tc__header_id("", 0), TC__HEADER_OTHER);
    assert_int_equal(id_of(tc_str("x-a-name-that-is-longer-than-any-known-one")), TC__HEADER_OTHER);
}

static void a_control_byte_does_not_pass_for_a_dash(void **state) {
    (void)state;
    assert_int_equal(id_of(tc_str("content\rlength")), TC__HEADER_OTHER);
    assert_int_equal(id_of(tc_str("transfer\rencoding")), TC__HEADER_OTHER);
}

static void fields_keep_their_order_and_their_case(void **state) {
    (void)state;
    append("Host", "a");
    append("x-b", "1");
    append("ACCEPT", "*/*");
    append("X-B", "2");
    assert_string_equal(dump(), "Host=a|x-b=1|ACCEPT=*/*|X-B=2");
    expect_index_true();
}

static void a_repeated_name_is_found_again_and_again(void **state) {
    (void)state;
    append("X-A", "1");
    append("Cookie", "a");
    append("x-a", "2");
    append("cookie", "b");
    append("X-AA", "no");
    append("X-a", "3");

    const tc__header_t *h = tc__headers_find(&headers, tc_str("x-A"), NULL);
    assert_ptr_equal(h, &headers.items[0]);
    h = tc__headers_find(&headers, tc_str("x-A"), h);
    assert_ptr_equal(h, &headers.items[2]);
    h = tc__headers_find(&headers, tc_str("x-A"), h);
    assert_ptr_equal(h, &headers.items[5]);
    assert_null(tc__headers_find(&headers, tc_str("x-A"), h));

    h = tc__headers_find(&headers, tc_str("COOKIE"), NULL);
    assert_ptr_equal(h, &headers.items[1]);
    assert_ptr_equal(h, tc__headers_first(&headers, TC__HEADER_COOKIE));
    h = tc__headers_find(&headers, tc_str("COOKIE"), h);
    assert_ptr_equal(h, &headers.items[3]);
    assert_null(tc__headers_find(&headers, tc_str("COOKIE"), h));
}

static void what_is_not_there_is_not_found(void **state) {
    (void)state;
    assert_null(tc__headers_find(&headers, tc_str("Host"), NULL));
    assert_null(tc__headers_find(&headers, tc_str("X-A"), NULL));
    assert_null(tc__headers_find(&headers, tc_str(""), NULL));
    assert_null(tc__headers_first(&headers, TC__HEADER_HOST));
    assert_false(tc__headers_has(&headers, TC__HEADER_HOST));
    append("X-B", "");
    assert_null(tc__headers_find(&headers, tc_str("X-A"), NULL));
    assert_null(tc__headers_find(&headers, tc_str(""), NULL));
    assert_null(tc__headers_find(&headers, tc_bytes(NULL, 0), NULL));
}

/* A field that decides on framing must be seen however far down it stands. */
static void an_id_is_known_beyond_the_two_hundred_and_fifty_fifth_field(void **state) {
    (void)state;
    for (int i = 0; i < 300; i++)
        append("X-Filler", "");
    append("Transfer-Encoding", "chunked");
    assert_true(tc__headers_has(&headers, TC__HEADER_TRANSFER_ENCODING));
    assert_ptr_equal(tc__headers_first(&headers, TC__HEADER_TRANSFER_ENCODING), &headers.items[300]);
    assert_true(tc__headers_list_has(&headers, TC__HEADER_TRANSFER_ENCODING, "chunked"));
    expect_index_true();
}

static void the_table_is_full_at_65535_fields(void **state) {
    (void)state;
    for (int i = 0; i < 65535; i++)
        append("A", "");
    assert_null(tc__headers_append(&headers, &arena, tc_str("A"), tc_str("")));
    assert_true(arena.failed);
    assert_int_equal(headers.count, 65535);
}

static void a_name_that_is_too_long_is_refused(void **state) {
    (void)state;
    char *name = calloc(1, 65537);
    memset(name, 'a', 65536);
    assert_null(tc__headers_append(&headers, &arena, tc_bytes(name, 65536), tc_str("")));
    assert_true(arena.failed);
    assert_int_equal(tc__headers_set(&headers, &arena, name, ""), TC_EINVAL);
    name[65535] = '\0';
    assert_int_equal(tc__headers_set(&headers, &arena, name, "v"), 0);
    assert_non_null(tc__headers_find(&headers, tc_str(name), NULL));
    free(name);
}

static void joining_puts_the_separator_between(void **state) {
    (void)state;
    append("Cookie", "a=1");
    append("X", "");
    tc_bytes_t one = tc__headers_join(&headers, &arena, tc_str("cookie"), "; ");
    assert_ptr_equal(one.data, headers.items[0].value); /* a single one is not copied */
    append("Cookie", "b=2");
    append("cookie", "");
    append("X", "");
    expect_text("known", tc__headers_join(&headers, &arena, tc_str("cookie"), "; "), tc_str("a=1; b=2; "));
    expect_text("other", tc__headers_join(&headers, &arena, tc_str("x"), ", "), tc_str(", "));
    assert_null(tc__headers_join(&headers, &arena, tc_str("Host"), ", ").data);
}

static void setting_takes_the_first_place_and_removes_the_rest(void **state) {
    (void)state;
    append("A", "1");
    append("Vary", "x");
    append("B", "2");
    append("vary", "y");
    append("C", "3");
    append("VARY", "z");
    assert_int_equal(tc__headers_set(&headers, &arena, "vary", "Origin"), 0);
    assert_string_equal(dump(), "A=1|Vary=Origin|B=2|C=3");
    expect_index_true();
    assert_int_equal(tc__headers_set(&headers, &arena, "c", "4"), 0);
    assert_int_equal(tc__headers_set(&headers, &arena, "D", "5"), 0);
    assert_string_equal(dump(), "A=1|Vary=Origin|B=2|C=4|D=5");
}

static void adding_keeps_what_is_there(void **state) {
    (void)state;
    assert_int_equal(tc__headers_add(&headers, &arena, "Set-Cookie", "a=1"), 0);
    assert_int_equal(tc__headers_add(&headers, &arena, "Set-Cookie", "b=2"), 0);
    assert_string_equal(dump(), "Set-Cookie=a=1|Set-Cookie=b=2");
}

static void what_is_set_is_copied_and_trimmed(void **state) {
    (void)state;
    char name[] = "X-Name", value[] = " \t value \t";
    assert_int_equal(tc__headers_set(&headers, &arena, name, value), 0);
    memset(name, '!', sizeof name - 1);
    memset(value, '!', sizeof value - 1);
    assert_string_equal(dump(), "X-Name=value");
    assert_string_equal(headers.items[0].name, "X-Name");
    assert_string_equal(headers.items[0].value, "value");
    /* its own value is fine, too */
    assert_int_equal(tc__headers_set(&headers, &arena, "x-name", headers.items[0].value), 0);
    assert_string_equal(dump(), "X-Name=value");
}

static void removing_leaves_the_others_as_they_were(void **state) {
    (void)state;
    append("Date", "1");
    append("A", "2");
    append("date", "3");
    append("Etag", "4");
    append("a", "5");
    tc__headers_remove(&headers, tc_str("nothing"));
    assert_string_equal(dump(), "Date=1|A=2|date=3|Etag=4|a=5");
    tc__headers_remove(&headers, tc_str("DATE"));
    assert_string_equal(dump(), "A=2|Etag=4|a=5");
    expect_index_true();
    tc__headers_remove(&headers, tc_str("A"));
    assert_string_equal(dump(), "Etag=4");
    expect_index_true();
    tc__headers_remove(&headers, tc_str("etag"));
    assert_int_equal(headers.count, 0);
    tc__headers_remove(&headers, tc_str("etag"));
}

static const struct {
    const char *why, *name, *value;
} bad_fields[] = {
    { "a name is needed", "", "v" },
    { "a name that is NULL", NULL, "v" },
    { "a value that is NULL", "X", NULL },
    { "a line end in a name", "X\r\nY", "v" },
    { "a colon in a name", "X:", "v" },
    { "a space in a name", "X Y", "v" },
    { "a space behind a name", "X ", "v" },
    { "UTF-8 in a name", "\xc3\xa4", "v" },
    { "CR LF in a value: response splitting", "X", "a\r\nSet-Cookie: x" },
    { "LF in a value", "X", "a\nb" },
    { "CR in a value", "X", "a\rb" },
    { "a line end at the end is no white space to trim", "X", "a\r\n" },
    { "an escape byte in a value", "X", "\x1b[2J" },
    { "DEL in a value", "X", "\x7f" },
};

static void a_bad_field_is_refused_with_words(void **state) {
    (void)state;
    append("X", "old");
    for (size_t i = 0; i < sizeof bad_fields / sizeof *bad_fields; i++) {
        const char *why = bad_fields[i].why;
        expect_row(why, tc__headers_set(&headers, &arena, bad_fields[i].name, bad_fields[i].value) == TC_EINVAL);
        expect_row(why, strstr(tc_error_detail(), "header") != NULL);
        expect_row(why, tc__headers_add(&headers, &arena, bad_fields[i].name, bad_fields[i].value) == TC_EINVAL);
        expect_row(why, strcmp(dump(), "X=old") == 0);
    }
    assert_int_equal(tc__headers_set(&headers, &arena, "!#$%&'*+-.^_`|~09azAZ", "\t~ \xe4\xff"), 0);
}

static void tokens_and_values_by_the_byte(void **state) {
    (void)state;
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool token = letter || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        assert_int_equal(tc__is_token(tc_bytes(&byte, 1)), token);
        assert_int_equal(tc__is_field_value(tc_bytes(&byte, 1)), c == '\t' || (c >= 0x20 && c != 0x7f));
    }
    assert_false(tc__is_token(tc_bytes(NULL, 0)));
    assert_true(tc__is_field_value(tc_bytes(NULL, 0)));
    assert_false(tc__is_token(tc_str("ab c")));
}

static const struct {
    const char *why, *first, *second;
    bool close;
} lists[] = {
    { "alone", "close", NULL, true },
    { "in any case", "CLOSE", NULL, true },
    { "last of a list", "te, close", NULL, true },
    { "first of a list", "close,te", NULL, true },
    { "tabs are white space", "te,\tclose\t,x", NULL, true },
    { "in the second field", "te", "foo, close", true },
    { "empty elements count for nothing", ",,close,", NULL, true },
    { "a part of a word is not it", "closed, notclose, clos", NULL, false },
    { "two words are not it", "close te", NULL, false },
    { "with a parameter it is something else", "close;q=1", NULL, false },
    { "an empty field", "", NULL, false },
    { "commas alone", ",,,", "", false },
    { "no bytes at all", NULL, NULL, false },
};

static void a_list_of_tokens_is_searched_element_by_element(void **state) {
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        tc_bytes_t first = exact(tc_str(lists[i].first)), second = exact(tc_str(lists[i].second));
        begin(state);
        tc__headers_append(&headers, &arena, tc_str("Connection"), lists[i].first ? first : tc_bytes(NULL, 0));
        append("X", "close");
        if (lists[i].second != NULL)
            tc__headers_append(&headers, &arena, tc_str("connection"), second);
        expect_row(lists[i].why, tc__headers_list_has(&headers, TC__HEADER_CONNECTION, "close") == lists[i].close);
        expect_row(lists[i].why, !tc__headers_list_has(&headers, TC__HEADER_TE, "close"));
        end(state);
        drop(first);
        drop(second);
    }
}

static int fill(tc__arena_t *failing) {
    static char big[2000];
    memset(big, 'v', sizeof big - 1);
    tc__headers_init(&headers);
    int err = 0;
    for (int i = 0; i < 200 && err == 0; i++)
        err = tc__headers_add(&headers, failing, "X-A", "1");
    if (err == 0)
        err = tc__headers_set(&headers, failing, "X-B", big);
    if (err < 0) {
        assert_true(failing->failed);
        return err;
    }
    err = tc__headers_set(&headers, failing, "X-A", big);
    if (err < 0) {
        assert_int_equal(headers.count, 201); /* nothing was removed */
        return err;
    }
    assert_int_equal(headers.count, 2);
    tc__headers_add(&headers, failing, "X-A", big);
    if (failing->failed)
        return TC_ENOMEM;
    return tc__headers_join(&headers, failing, tc_str("x-a"), ", ").data ? 0 : TC_ENOMEM;
}

static void running_out_of_memory_leaves_a_whole_table(void **state) {
    (void)state;
    with_each_allocation_failing(fill);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_name_has_its_id_in_any_case),
        cmocka_unit_test(a_name_that_differs_in_one_byte_has_no_id),
        cmocka_unit_test(a_prefix_or_an_extension_of_a_known_name_has_no_id),
        cmocka_unit_test(a_control_byte_does_not_pass_for_a_dash),
        cmocka_unit_test_setup_teardown(fields_keep_their_order_and_their_case, begin, end),
        cmocka_unit_test_setup_teardown(a_repeated_name_is_found_again_and_again, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_not_found, begin, end),
        cmocka_unit_test_setup_teardown(an_id_is_known_beyond_the_two_hundred_and_fifty_fifth_field, begin, end),
        cmocka_unit_test_setup_teardown(the_table_is_full_at_65535_fields, begin, end),
        cmocka_unit_test_setup_teardown(a_name_that_is_too_long_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(joining_puts_the_separator_between, begin, end),
        cmocka_unit_test_setup_teardown(setting_takes_the_first_place_and_removes_the_rest, begin, end),
        cmocka_unit_test_setup_teardown(adding_keeps_what_is_there, begin, end),
        cmocka_unit_test_setup_teardown(what_is_set_is_copied_and_trimmed, begin, end),
        cmocka_unit_test_setup_teardown(removing_leaves_the_others_as_they_were, begin, end),
        cmocka_unit_test_setup_teardown(a_bad_field_is_refused_with_words, begin, end),
        cmocka_unit_test(tokens_and_values_by_the_byte),
        cmocka_unit_test(a_list_of_tokens_is_searched_element_by_element),
        cmocka_unit_test(running_out_of_memory_leaves_a_whole_table),
    };
    use_failing_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
