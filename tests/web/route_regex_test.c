/* route_regex_test.c - routes that are regular expressions: groups, anchors, errors, and those that explode. */
#include <tornadoc/log.h>

#include "web/routes_fixture.h"

static const struct {
    const char *why, *regex, *path, *found; /* `found` without the expression */
} cases[] = {
    { "no groups", "/a+", "/aaa", "" },
    { "groups have numbers", "/(\\d+)-(\\w+)", "/12-ab", " 1=12 2=ab" },
    { "or names", "/(?<y>\\d{4})/(?P<m>\\d\\d)", "/2024/01", " y=2024 m=01" },
    { "names stand in the order of the groups", "/(?<z>.)(?<a>.)(?<m>.)", "/123", " z=1 a=2 m=3" },
    { "two digits", "/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)", "/abcdefghijk",
      " 1=a 2=b 3=c 4=d 5=e 6=f 7=g 8=h 9=i 10=j 11=k" },
    { "as many groups as fit", "/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)", "/abcdefghijklmnop",
      " 1=a 2=b 3=c 4=d 5=e 6=f 7=g 8=h 9=i 10=j 11=k 12=l 13=m 14=n 15=o 16=p" },
    { "anchored in front", "a", "/a", NULL },
    { "anchored in front", "/b", "/a/b", NULL },
    { "anchored behind", "/a", "/ab", NULL },
    { "anchored behind, whatever comes first", "/a|/ab", "/ab", "" },
    { "each alternative is", "/a|/b", "/b", "" },
    { "each alternative is", "/a|/b", "/ac", NULL },
    { "anchors of its own do no harm", "^/(a)$", "/a", " 1=a" },
    { "an end is not before a newline", "/a$", "/a\n", NULL },
    { "a group that took no part", "/(a)?(b)", "/b", " 1=NULL 2=b" },
    { "the last group took no part", "/(a)(b)?", "/a", " 1=a 2=NULL" },
    { "none did", "/(a)?(b)?", "/", " 1=NULL 2=NULL" },
    { "an empty capture is one", "/(a*)(b)", "/b", " 1= 2=b" },
    { "the path is not decoded", "/(.*)/x", "/a%2Fb/x", " 1=a%2Fb" },
    { "slashes are nothing special", "/(.*)", "/a/b//", " 1=a/b//" },
    { "an optional last character of the prefix", "/ab?c", "/ac", "" },
    { "a repeated one", "/ab*", "/a", "" },
    { "a counted one", "/ab{0,2}", "/a", "" },
    { "an escaped optional one", "/a\\.?", "/a", "" },
    { "an alternative that lacks the prefix", "/abc(x)|/d", "/d", " 1=NULL" },
    { "an alternative behind a class that holds a parenthesis", "/abc[(]|/d", "/d", "" },
    { "an alternative behind an escaped parenthesis", "/abc\\(|/d", "/d", "" },
    { "an alternative behind quoted text", "/abc(\\Q)\\E)|/d", "/d", " 1=NULL" },
    { "an alternative behind a control character", "/abc(\\c[)|/(d])x", "/d]x", " 1=NULL 2=d]" },
    { "an alternative behind a class with quoted text", "/abc([\\Q]\\E)])|/([])d])", "/d", " 1=NULL 2=d" },
    { "an alternative behind a comment", "/abc(?#()|/d", "/d", "" },
    { "an alternative in a group", "/(?:a|b)c", "/bc", "" },
    { "without case from the start", "(?i)/abc", "/ABC", "" },
    { "without case further on", "/a(?i)bc", "/aBC", "" },
    { "extended syntax", "(?x) /a # )", "/a", "" },
    { "a verb in front", "(*UTF)/(.)", "/\xc3\xa9", " 1=\xc3\xa9" },
    { "bytes that are no UTF-8 do not match one", "(*UTF)/(.)", "/\xff", NULL },
    { "bytes without the verb", "/(..)", "/\xc3\xa9", " 1=\xc3\xa9" },
    { "lookahead", "/(?!admin)(\\w+)", "/user", " 1=user" },
    { "lookahead", "/(?!admin)(\\w+)", "/admin", NULL },
    { "an empty expression", "", "", "" },
};

static void matches_whole_paths(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        tc__routes_t *routes = new_routes();
        if (tc__host_rule_add_regex(host_rule(routes, NULL), cases[i].regex, NULL) != 0)
            fail_msg("%s: %s", cases[i].why, tc_error_detail());
        char expected[256] = "-";
        if (cases[i].found)
            snprintf(expected, sizeof(expected), "%s%s", cases[i].regex, cases[i].found);
        const char *found = match(routes, "", cases[i].path);
        if (strcmp(found, expected) != 0)
            fail_msg("%s: %s, not %s", cases[i].why, found, expected);
        tc__routes_free(routes, NULL);
    }
}

static const struct {
    const char *regex, *detail;
} bad[] = {
    { NULL, "a route needs a regular expression, and got NULL" },
    { "/(a", "\"/(a\", column 4: missing closing parenthesis" },
    { "/[a", "\"/[a\", column 4: missing terminating ] for character class" },
    { "*", "\"*\", column 1: quantifier does not follow a repeatable item" },
    { "/(a)(?<n>b)", "\"/(a)(?<n>b)\": name all groups or none; (?:...) groups without a capture" },
    { "/(?J)(?<n>a)(?<n>b)", "\"/(?J)(?<n>a)(?<n>b)\": two groups share a name or a number" },
    { "/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)",
      "\"/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)\": too many groups (at most 16); (?:...) does not "
      "count" },
};

static void tells_what_is_wrong_and_where(void **state) {
    (void)state;
    tc__routes_t *routes = new_routes();
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(tc__host_rule_add_regex(host_rule(routes, NULL), bad[i].regex, NULL), TC_EPATTERN);
        assert_string_equal(tc_error_detail(), bad[i].detail);
    }
    assert_int_equal(tc__host_rule_add_regex(host_rule(routes, NULL), "/(?<n>a)(?<n>b)", NULL), TC_EPATTERN);
    assert_null(last_route(routes));
    tc__routes_free(routes, NULL);
}

static void groups_are_params_of_their_own_type(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("~/(?<n>a)");
    assert_int_equal(last_route(routes)->param_count, 1);
    assert_int_equal(last_route(routes)->params[0].type, TC__PARAM_GROUP);
    tc__routes_free(routes, NULL);
}

/* ---- Expressions that explode ----------------------------------------------------------------------------------- */

static int logged;
static char log_text[1024];

static void keep_log(const tc_log_record_t *record, void *user_data) {
    (void)user_data;
    logged++;
    snprintf(log_text, sizeof(log_text), "%s %d %s", record->logger, record->level, record->message);
}

static const struct {
    const char *regex, *piece; /* of the path */
    int pieces;
} explosive[] = {
    { "/(a+)+[bc]", "a", 100 },
    { "/(?:a|aa)+[bc]", "a", 100 },
    { "/(.*)(.*)(.*)(.*)(.*)[xy]", "ab", 1000 },
    { "/(?:[a-z]+/?)+[!?]", "abc/", 100 },
    { "(*NO_JIT)/(a+)+[bc]", "a", 100 },
};

static void gives_up_on_an_expression_that_explodes_and_says_so_once(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(explosive); i++) {
        char path[4096] = "/";
        for (int n = 0; n < explosive[i].pieces; n++)
            strcat(path, explosive[i].piece);
        tc__routes_t *routes = new_routes();
        assert_int_equal(tc__host_rule_add_regex(host_rule(routes, NULL), explosive[i].regex, NULL), 0);
        must_add(host_rule(routes, NULL), "~/(.*)");
        logged = 0;
        for (int n = 0; n < 3; n++)
            assert_int_equal(strncmp(match(routes, "", path), "/(.*) 1=", 8), 0); /* the next route is tried */
        if (logged != 1 || !strstr(log_text, explosive[i].regex) || !strstr(log_text, "tornado.general 3 "))
            fail_msg("%s: %d logged, %s", explosive[i].regex, logged, log_text);
        tc__routes_free(routes, NULL);
    }
}

static void honest_work_on_a_long_path_is_done(void **state) {
    (void)state;
    static char path[8192];
    tc__routes_t *routes = routes_of("~/(.*)/end ~(?:/[a-z]+)+ ~/(?:([a-z]+)/)*(\\d)");
    logged = 0;
    for (int n = 0; n < 4000; n++)
        strcat(path, "/a");
    assert_string_equal(match(routes, "", path), "(?:/[a-z]+)+");
    strcat(path, "/7");
    assert_string_equal(match(routes, "", path), "/(?:([a-z]+)/)*(\\d) 1=a 2=7");
    strcat(path, "/end");
    assert_int_equal(strncmp(match(routes, "", path), "/(.*)/end 1=a/a", 15), 0);
    assert_int_equal(logged, 0);
    tc__routes_free(routes, NULL);
}

int main(void) {
    tc_set_log_callback(keep_log, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_whole_paths),
        cmocka_unit_test(tells_what_is_wrong_and_where),
        cmocka_unit_test(groups_are_params_of_their_own_type),
        cmocka_unit_test(gives_up_on_an_expression_that_explodes_and_says_so_once),
        cmocka_unit_test(honest_work_on_a_long_path_is_done),
    };
    return cmocka_run_group_tests_name("route_regex", tests, NULL, NULL);
}
