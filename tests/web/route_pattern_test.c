/* route_pattern_test.c - what a route pattern may look like, and the URL it makes. */
#include "web/routes_fixture.h"

static const struct {
    const char *why, *pattern;
    size_t params;
} good[] = {
    { "the root", "/", 0 },
    { "a literal", "/users", 0 },
    { "a slash at the end is a segment of its own", "/users/", 0 },
    { "empty segments are literals", "//a///b", 0 },
    { "percent sequences are bytes", "/a%2Fb/%65", 0 },
    { "sub-delims and colons are no syntax outside braces", "/a:b/(c)*+,;=!$&'@~", 0 },
    { "bytes beyond ASCII are bytes", "/\xc3\xa9", 0 },
    { "one segment", "/{x}", 1 },
    { "an int", "/users/{id:int}", 1 },
    { "the rest", "/files/{path:*}", 1 },
    { "all three", "/{a}/{b:int}/x/{c:*}", 3 },
    { "any C identifier", "/{_}/{a1}/{A_b}/{int}", 4 },
    { "as many as fit", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p:*}", 16 },
};

static void takes_what_is_a_pattern(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        tc__routes_t *routes = new_routes();
        int err = tc__host_rule_add(host_rule(routes, NULL), good[i].pattern, NULL);
        if (err != 0 || last_route(routes)->param_count != good[i].params)
            fail_msg("%s: %d: %s", good[i].why, err, tc_error_detail());
        assert_string_equal(last_route(routes)->pattern, good[i].pattern);
        tc__routes_free(routes, NULL);
    }
}

static const struct {
    const char *pattern, *detail;
} bad[] = {
    { NULL, "a route needs a pattern, and got NULL" },
    { "", "\"\", column 1: a pattern starts with \"/\"" },
    { "users", "\"users\", column 1: a pattern starts with \"/\"" },
    { "{x}", "\"{x}\", column 1: a pattern starts with \"/\"" },
    { "/a/{b", "\"/a/{b\", column 4: \"}\" is missing" },
    { "/a/{b/c}", "\"/a/{b/c}\", column 4: \"}\" is missing" },
    { "/a/b}", "\"/a/b}\", column 5: \"}\" without \"{\"" },
    { "/a{b}", "\"/a{b}\", column 3: a parameter is a whole segment, as in \"/{name}/\"" },
    { "/{b}c", "\"/{b}c\", column 5: a parameter is a whole segment, as in \"/{name}/\"" },
    { "/{b}{c}", "\"/{b}{c}\", column 5: a parameter is a whole segment, as in \"/{name}/\"" },
    { "/{}", "\"/{}\", column 3: a parameter needs a name" },
    { "/{:int}", "\"/{:int}\", column 3: a parameter needs a name" },
    { "/{*}", "\"/{*}\", column 3: a name is letters, digits and \"_\", and no digit first" },
    { "/{1a}", "\"/{1a}\", column 3: a name is letters, digits and \"_\", and no digit first" },
    { "/{a-b}", "\"/{a-b}\", column 4: a name is letters, digits and \"_\", and no digit first" },
    { "/{a }", "\"/{a }\", column 4: a name is letters, digits and \"_\", and no digit first" },
    { "/{\xc3\xa9}", "\"/{\xc3\xa9}\", column 3: a name is letters, digits and \"_\", and no digit first" },
    { "/{a:}", "\"/{a:}\", column 5: a type is \"int\" or \"*\"" },
    { "/{a:Int}", "\"/{a:Int}\", column 5: a type is \"int\" or \"*\"" },
    { "/{a:int:int}", "\"/{a:int:int}\", column 5: a type is \"int\" or \"*\"" },
    { "/{a:**}", "\"/{a:**}\", column 5: a type is \"int\" or \"*\"" },
    { "/{a:*}/b", "\"/{a:*}/b\", column 5: the rest of the path can only stand last" },
    { "/{a:*}/", "\"/{a:*}/\", column 5: the rest of the path can only stand last" },
    { "/{a}/b/{a}", "\"/{a}/b/{a}\", column 9: a second parameter of that name" },
    { "/{a}/{a:int}", "\"/{a}/{a:int}\", column 7: a second parameter of that name" },
    { "/a?b=c",
      "\"/a?b=c\", column 3: a path has no query and no fragment; write \"%3F\" or \"%23\" for the character" },
    { "/a#b", "\"/a#b\", column 3: a path has no query and no fragment; write \"%3F\" or \"%23\" for the character" },
    { "/a b", "\"/a b\", column 3: white space and control bytes stand in a path as %XX only" },
    { "/a\n", "\"/a\n\", column 3: white space and control bytes stand in a path as %XX only" },
    { "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}",
      "\"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}\", column 66: too many parameters (at "
      "most "
      "16)" },
    { "/////////////////////////////////////////////////////////////////",
      "\"/////////////////////////////////////////////////////////////////\", column 65: too many segments (at most "
      "64)" },
};

static void tells_what_is_wrong_and_where(void **state) {
    (void)state;
    tc__routes_t *routes = new_routes();
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(tc__host_rule_add(host_rule(routes, NULL), bad[i].pattern, NULL), TC_EPATTERN);
        assert_string_equal(tc_error_detail(), bad[i].detail);
    }
    assert_null(last_route(routes));
    tc__routes_free(routes, NULL);
}

static void knows_the_types_of_its_parameters(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("/{a}/{b:int}/{c:*}");
    const tc__route_t *route = last_route(routes);
    assert_int_equal(route->param_count, 3);
    assert_string_equal(route->params[0].name, "a");
    assert_int_equal(route->params[0].type, TC__PARAM_SEGMENT);
    assert_string_equal(route->params[1].name, "b");
    assert_int_equal(route->params[1].type, TC__PARAM_INT);
    assert_string_equal(route->params[2].name, "c");
    assert_int_equal(route->params[2].type, TC__PARAM_TAIL);
    tc__routes_free(routes, NULL);
}

/* ---- Reversing ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *why, *pattern, *url; /* url "": there is none */
    const char *values[4];
} reversals[] = {
    { "a literal is its own URL", "/a//b%2F/", "/a//b%2F/", { NULL } },
    { "values take their places", "/{a}/x/{b:int}", "/y/x/7", { "y", "7" } },
    { "what is not unreserved is encoded", "/{a}", "/a%20%2B%2F%3F%25%C3%A9-._~", { "a +/?%\xc3\xa9-._~" } },
    { "a tail keeps its slashes", "/f/{p:*}", "/f/a/b%20c//", { "a/b c//" } },
    { "a tail may be empty", "/f/{p:*}", "/f/", { "" } },
    { "a segment may not", "/{a}", "", { "" } },
    { "an int is one", "/{a:int}", "/-12", { "-12" } },
    { "an int is not a word", "/{a:int}", "", { "x" } },
    { "an int fits 64 bits", "/{a:int}", "", { "9223372036854775808" } },
    { "a value is UTF-8", "/{a}", "", { "\xff" } },
    { "a dot is no segment, to browsers", "/{a}", "", { "." } },
    { "nor are two", "/x/{a}/y", "", { ".." } },
    { "three are", "/{a}", "/...", { "..." } },
    { "two dots in a tail", "/f/{p:*}", "", { "a/../b" } },
    { "a dot at its end", "/f/{p:*}", "", { "a/." } },
    { "dots that are encoded are text", "/{a}", "/%252e%252e", { "%2e%2e" } },
    { "a tail never makes a host", "/{p:*}", "/%2Fevil.example", { "/evil.example" } },
    { "but has its slashes elsewhere", "/f/{p:*}", "/f//a", { "/a" } },
    { "a pattern that begins with two slashes", "//{a}", "", { "x" } },
    { "a regex with literal surroundings", "~/news/(\\d+)-(.*)\\.html", "/news/7-a/b.html", { "7", "a/b" } },
    { "a group that takes no slash", "~/([^/]+)/x", "/a%2Fb/x", { "a/b" } },
    { "groups that would share out the slashes", "~/(.*)/(.*)", "/a%2Fb/c%2Fd", { "a/b", "c/d" } },
    { "a group never makes a host", "~/(.*)", "/%2Fevil.example", { "/evil.example" } },
    { "a value that the group does not take", "~/(\\d+)", "", { "x" } },
    { "one whose code it does not take", "~/([a-z\\x20]+)", "", { "a b" } },
    { "a value that another group would take", "~/(a*)(.*)", "", { "", "ab" } },
    { "an expression without a slash in front", "~(.*)", "", { "x" } },
    { "a dot of a group", "~/(.)", "", { "." } },
    { "a dot behind text", "~/a(.)", "/a.", { "." } },
    { "anchors do not matter", "~^/(?<y>\\d{4})/(?P<m>[0-9]{2})$", "/2024/01", { "2024", "01" } },
    { "groups in groups are the group's affair", "~/((?:a|b)[c)]+)/x", "/ac/x", { "ac" } },
    { "no groups", "~/a\\.b", "/a.b", { NULL } },
    { "an optional character", "~/ab?", "", { NULL } },
    { "a class", "~/[ab]", "", { NULL } },
    { "an alternative", "~/(a)|/b", "", { "x" } },
    { "an optional group", "~/a(b)?", "", { "x" } },
    { "a group that does not capture", "~/a(?:b)", "", { NULL } },
    { "a nested capture", "~/((a)b)", "", { "x", "y" } },
    { "an escaped class", "~/\\d", "", { NULL } },
    { "a dot", "~/a.b", "", { NULL } },
};

static void writes_the_url_of_a_route(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(reversals); i++) {
        tc__routes_t *routes = routes_of(reversals[i].pattern);
        char url[128] = "";
        int len = tc__route_reverse(last_route(routes), reversals[i].values, url);
        const char *wanted = reversals[i].url;
        if (*wanted ? len != (int)strlen(wanted) || strcmp(url, wanted) != 0 : len != TC_EINVAL)
            fail_msg("%s: %d, \"%s\": %s", reversals[i].why, len, url, tc_error_detail());
        if (len > 0 && (size_t)len >= tc__route_room(last_route(routes), reversals[i].values))
            fail_msg("%s: \"%s\" takes more room than was said", reversals[i].why, url);
        if (len > 0 &&
            strncmp(match(routes, "", url), last_route(routes)->pattern, strlen(last_route(routes)->pattern)))
            fail_msg("%s: \"%s\" does not lead back", reversals[i].why, url);
        tc__routes_free(routes, NULL);
    }
}

static const struct {
    const char *pattern, *value, *detail;
} no_urls[] = {
    { "/{a}", "", "\"/{a}\": the value of \"a\" is empty" },
    { "/{a:int}", "x", "\"/{a:int}\": \"a\" is a number, which \"x\" is not" },
    { "/{a}", "\xff", "\"/{a}\": the value of \"a\" is not UTF-8 text" },
    { "/x/{a}", "..", "\"/x/{a}\": browsers would take \".\" and \"..\" out of /x/.." },
    { "//{a}", "x", "\"//{a}\": //x would lead to another host" },
    { "~/(a)?", "x", "\"/(a)?\": there is no way back: more than literal text and plain groups" },
    { "~/(\\d)", "x", "\"/(\\d)\": the expression does not take /x with these values" },
    { "~(.*)", "x", "\"(.*)\": x does not begin with \"/\"" },
};

static void says_why_there_is_no_url(void **state) {
    (void)state;
    char url[64];
    for (size_t i = 0; i < COUNT(no_urls); i++) {
        tc__routes_t *routes = routes_of(no_urls[i].pattern);
        assert_int_equal(tc__route_reverse(last_route(routes), &no_urls[i].value, url), TC_EINVAL);
        assert_string_equal(tc_error_detail(), no_urls[i].detail);
        tc__routes_free(routes, NULL);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_a_pattern),           cmocka_unit_test(tells_what_is_wrong_and_where),
        cmocka_unit_test(knows_the_types_of_its_parameters), cmocka_unit_test(writes_the_url_of_a_route),
        cmocka_unit_test(says_why_there_is_no_url),
    };
    return cmocka_run_group_tests_name("route_pattern", tests, NULL, NULL);
}
