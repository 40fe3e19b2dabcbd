/* router_test.c - which route a host and a path lead to. */
#include <time.h>

#include "util/bytes_internal.h"
#include "web/route_table_internal.h"
#include "web/routes_fixture.h"

/* ---- One rule -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *why, *patterns, *path, *found;
} paths[] = {
    { "the root", "/", "/", "/" },
    { "a literal", "/ /users", "/users", "/users" },
    { "no routes at all", "", "/", "-" },
    { "a slash more is another path", "/a", "/a/", "-" },
    { "a slash less is another path", "/a/", "/a", "-" },
    { "empty segments count", "/a/b", "/a//b", "-" },
    { "two slashes are not one", "/a", "//a", "-" },
    { "unless the pattern has two", "//a", "//a", "//a" },
    { "percent sequences are not decoded", "/a", "/%61", "-" },
    { "nor are they compared without case", "/%2F", "/%2f", "-" },
    { "paths are compared with case", "/a", "/A", "-" },
    { "the longer path", "/a", "/ab", "-" },
    { "the shorter path", "/ab", "/a", "-" },
    { "an empty path", "/ /{x} /{x:*}", "", "-" },
    { "no slash in front", "/ /{x} /{x:*} /*", "*", "-" },

    { "a segment", "/{x}", "/a", "/{x} x=a" },
    { "a segment is not empty", "/{x}", "/", "-" },
    { "a segment ends at the slash", "/{x}", "/a/b", "-" },
    { "nor is a slash at its end", "/{x}", "/a/", "-" },
    { "an encoded slash stays inside", "/{x}/c", "/a%2Fb/c", "/{x}/c x=a%2Fb" },
    { "anything but a slash is in it", "/{x}", "/a.b;c=d:e{}", "/{x} x=a.b;c=d:e{}" },
    { "in the middle", "/a/{x}/b", "/a/1/b", "/a/{x}/b x=1" },
    { "in the middle it is not empty either", "/a/{x}/b", "/a//b", "-" },
    { "several", "/{x}/{y}/{z}", "/1/2/3", "/{x}/{y}/{z} x=1 y=2 z=3" },
    { "an empty literal behind one", "/{x}/", "/a/", "/{x}/ x=a" },
    { "an empty literal before one", "//{x}", "//a", "//{x} x=a" },

    { "an int", "/{x:int}", "/42", "/{x:int} x=42" },
    { "zero", "/{x:int}", "/0", "/{x:int} x=0" },
    { "below zero", "/{x:int}", "/-7", "/{x:int} x=-7" },
    { "minus zero is zero", "/{x:int}", "/-0", "/{x:int} x=-0" },
    { "zeros in front", "/{x:int}", "/00000000000000000000000000042", "/{x:int} x=00000000000000000000000000042" },
    { "no plus", "/{x:int}", "/+1", "-" },
    { "no lone minus", "/{x:int}", "/-", "-" },
    { "no two", "/{x:int}", "/--1", "-" },
    { "no letters", "/{x:int}", "/1a", "-" },
    { "no space, no encoding", "/{x:int}", "/%31", "-" },
    { "not empty", "/{x:int}", "/", "-" },
    { "no fraction", "/{x:int}", "/1.0", "-" },
    { "the greatest", "/{x:int}", "/9223372036854775807", "/{x:int} x=9223372036854775807" },
    { "one more", "/{x:int}", "/9223372036854775808", "-" },
    { "the least", "/{x:int}", "/-9223372036854775808", "/{x:int} x=-9223372036854775808" },
    { "one less", "/{x:int}", "/-9223372036854775809", "-" },
    { "beyond 64 bits", "/{x:int}", "/18446744073709551617", "-" },

    { "a tail", "/f/{p:*}", "/f/a/b", "/f/{p:*} p=a/b" },
    { "a tail may be empty", "/f/{p:*}", "/f/", "/f/{p:*} p=" },
    { "but its slash is there", "/f/{p:*}", "/f", "-" },
    { "a tail keeps all slashes", "/f/{p:*}", "/f//a//", "/f/{p:*} p=/a//" },
    { "everything", "/{p:*}", "/", "/{p:*} p=" },
    { "everything", "/{p:*}", "/a/b/c", "/{p:*} p=a/b/c" },
    { "a tail behind a segment", "/{x}/{p:*}", "/a/b/c", "/{x}/{p:*} x=a p=b/c" },
    { "a tail after an empty segment", "/{x}/{p:*}", "//b", "-" },

    { "literal before typed", "/{x:int} /7 /{x} /{x:*}", "/7", "/7" },
    { "typed before untyped", "/{x:*} /{x} /{x:int} /7", "/8", "/{x:int} x=8" },
    { "untyped before tail", "/{x:*} /{x} /{x:int} /7", "/a", "/{x} x=a" },
    { "tail last", "/{x:*} /{x} /{x:int} /7", "/a/b", "/{x:*} x=a/b" },
    { "the earlier segment decides", "/{x}/b /a/{y}", "/a/b", "/a/{y} y=b" },
    { "not the number of literals", "/{x}/b/c/d /a/{y:*}", "/a/b/c/d", "/a/{y:*} y=b/c/d" },
    { "a path spelt out comes first", "/{x}/b /a/{y} /a/b", "/a/b", "/a/b" },
    { "an int before a literal further on", "/{x}/b /{x:int}/{y}", "/1/b", "/{x:int}/{y} x=1 y=b" },

    { "back from a literal to a segment", "/a/b/c /{x}/b/d", "/a/b/d", "/{x}/b/d x=a" },
    { "back from an int to a segment", "/{x:int}/a /{y}/b", "/1/b", "/{y}/b y=1" },
    { "back from a segment to a tail", "/{x}/a /{y:*}", "/1/b", "/{y:*} y=1/b" },
    { "back to the nearest tail", "/{p:*} /a/{p:*} /a/b/c", "/a/b/d", "/a/{p:*} p=b/d" },
    { "back over several levels", "/a/a/a/b /a/a/{x}/c /a/{x}/a/d /{x}/a/a/e", "/a/a/a/e", "/{x}/a/a/e x=a" },
    { "a path may end where a longer pattern goes on", "/{x}/{y}/z /{p:*}", "/a/b", "/{p:*} p=a/b" },
    { "captures of what was undone are gone", "/{a:int}/{b}/x /{c}/{d}/y", "/1/2/y", "/{c}/{d}/y c=1 d=2" },
    { "patterns may differ by type alone", "/a/{x}/b /a/{x:int}/c", "/a/1/b", "/a/{x}/b x=1" },

    { "expressions come after the tree", "~/(.*) /{x}", "/a", "/{x} x=a" },
    { "and in order", "~/(a+) ~/(a.*)", "/aa", "/(a+) 1=aa" },
    { "and in order", "~/(a.*) ~/(a+)", "/aa", "/(a.*) 1=aa" },
    { "and take what the tree leaves", "/{x}/b ~/(.*)/c", "/a/c", "/(.*)/c 1=a" },
};

static void finds_the_route_of_a_path(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        tc__routes_t *routes = routes_of(paths[i].patterns);
        const char *found = match(routes, "", paths[i].path);
        if (strcmp(found, paths[i].found) != 0)
            fail_msg("%s: %s among %s: %s", paths[i].why, paths[i].path, paths[i].patterns, found);
        tc__routes_free(routes, NULL);
    }
}

static const struct {
    const char *first, *second;
    int err;
} pairs[] = {
    { "/", "/", TC_EALREADY },
    { "/a/b", "/a/b", TC_EALREADY },
    { "/a/{x}", "/a/{y}", TC_EALREADY },
    { "/{x:int}/a", "/{y:int}/a", TC_EALREADY },
    { "/{x}/{y:*}", "/{y}/{x:*}", TC_EALREADY },
    { "~/a+", "~/a+", TC_EALREADY },
    { "/a", "/a/", 0 },
    { "/a/{x}", "/a/{x:int}", 0 },
    { "/a/{x}", "/a/{x:*}", 0 },
    { "/a/{x}", "/{x}/a", 0 },
    { "/%2f", "/%2F", 0 },
    { "~/a+", "~/aa*", 0 },
    { "/a", "~/a", 0 },
};

static void refuses_a_second_route_of_the_same_shape(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        tc__routes_t *routes = routes_of(pairs[i].first);
        int err = add(host_rule(routes, NULL), pairs[i].second);
        if (err != pairs[i].err)
            fail_msg("%s and %s: %d", pairs[i].first, pairs[i].second, err);
        if (err < 0)
            assert_non_null(strstr(tc_error_detail(), "is there already"));
        tc__routes_free(routes, NULL);
    }
}

static void says_which_route_stands_in_the_way(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("/a/{x}/b");
    assert_int_equal(add(host_rule(routes, NULL), "/a/{y}/b"), TC_EALREADY);
    assert_string_equal(tc_error_detail(), "\"/a/{y}/b\": \"/a/{x}/b\" is there already and takes the same paths");
    tc__routes_free(routes, NULL);
}

/* ---- Hosts ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *why, *hosts, *host, *found; /* the first rule that applies */
} host_cases[] = {
    { "a name", "example.com", "example.com", "example.com" },
    { "without case", "Example.COM", "eXample.com", "Example.COM" },
    { "another name", "example.com", "example.org", "-" },
    { "a part of the name", "example.com", "www.example.com", "-" },
    { "no host", "example.com *.example.com", "", "-" },
    { "a label before the suffix", "*.example.com", "www.Example.com", "*.example.com" },
    { "several labels", "*.example.com", "a.b.example.com", "*.example.com" },
    { "not none", "*.example.com", "example.com", "-" },
    { "nor an empty one", "*.example.com", ".example.com", "-" },
    { "a dot separates labels", "*.example.com", "badexample.com", "-" },
    { "an IPv6 address", "[::1]", "[::1]", "[::1]" },
    { "underscores and digits", "a_b-1.local", "a_b-1.local", "a_b-1.local" },
    { "the order of adding", "*.example.com www.example.com", "www.example.com", "*.example.com" },
    { "the order of adding", "www.example.com *.example.com", "www.example.com", "www.example.com" },
    { "all hosts come last", "* example.com", "example.com", "example.com" },
    { "all hosts", "* example.com", "example.org", "*" },
    { "all hosts, also none", "*", "", "*" },
};

/* Each rule has the route "/", and its own name for an endpoint. */
static void add_hosts(tc__routes_t *routes, char *hosts) {
    for (char *rest = NULL, *one = strtok_r(hosts, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
        assert_int_equal(tc__host_rule_add(host_rule(routes, one), "/", one), 0);
}

static void finds_the_rule_of_a_host(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(host_cases); i++) {
        char hosts[128];
        snprintf(hosts, sizeof(hosts), "%s", host_cases[i].hosts);
        tc__routes_t *routes = new_routes();
        add_hosts(routes, hosts);
        tc__match_t found;
        tc__routes_match(routes, tc_str(host_cases[i].host), tc_str("/"), &found);
        const char *rule = found.route ? found.route->endpoint : "-";
        if (strcmp(rule, host_cases[i].found) != 0)
            fail_msg("%s: %s among %s: %s", host_cases[i].why, host_cases[i].host, host_cases[i].hosts, rule);
        tc__routes_free(routes, NULL);
    }
}

static void goes_on_to_the_next_rule_that_applies(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("/all /both");
    must_add(host_rule(routes, "www.example.com"), "/www");
    must_add(host_rule(routes, "*.example.com"), "/both");
    must_add(host_rule(routes, "*.example.com"), "/www");
    must_add(host_rule(routes, "*.example.com"), "~/(re)");
    assert_string_equal(match(routes, "www.example.com", "/re"), "/(re) 1=re");
    assert_string_equal(match(routes, "www.example.com", "/all"), "/all");
    assert_string_equal(match(routes, "example.com", "/www"), "-");
    assert_string_equal(match(routes, "example.com", "/re"), "-");
    assert_string_equal(match(routes, "www.example.com", "/none"), "-");
    tc__routes_free(routes, NULL);
}

static void gives_the_same_rule_for_the_same_host(void **state) {
    (void)state;
    tc__routes_t *routes = new_routes();
    assert_ptr_equal(host_rule(routes, "example.com"), host_rule(routes, "EXAMPLE.com"));
    assert_ptr_equal(host_rule(routes, NULL), host_rule(routes, "*"));
    assert_ptr_not_equal(host_rule(routes, "example.com"), host_rule(routes, "*.example.com"));
    tc__routes_free(routes, NULL);
}

static const struct {
    const char *host, *detail;
} bad_hosts[] = {
    { "", "host \"\", column 1: a name is missing; \"*\" is all hosts" },
    { "*.", "host \"*.\", column 3: a name is missing; \"*\" is all hosts" },
    { "*a", "host \"*a\", column 1: \"*\" stands alone or as \"*.\" in front of a name" },
    { "a.*", "host \"a.*\", column 3: \"*\" stands alone or as \"*.\" in front of a name" },
    { "*.*.a", "host \"*.*.a\", column 3: \"*\" stands alone or as \"*.\" in front of a name" },
    { "a:80", "host \"a:80\", column 2: a host rule has no port (and an IPv6 address stands in \"[\" and \"]\")" },
    { "::1", "host \"::1\", column 1: a host rule has no port (and an IPv6 address stands in \"[\" and \"]\")" },
    { "[::1", "host \"[::1\", column 5: an IPv6 address stands in \"[\" and \"]\"" },
    { "[]", "host \"[]\", column 2: an IPv6 address stands in \"[\" and \"]\"" },
    { "[::1]:80", "host \"[::1]:80\", column 6: a host rule has no port: it holds for all of them" },
    { "a b", "host \"a b\", column 2: not a character of a host name" },
    { "http://a",
      "host \"http://a\", column 5: a host rule has no port (and an IPv6 address stands in \"[\" and \"]\")" },
    { "\xc3\xa9.fr", "host \"\xc3\xa9.fr\", column 1: names beyond ASCII are written as \"xn--...\"" },
};

static void tells_what_is_wrong_with_a_host(void **state) {
    (void)state;
    tc__routes_t *routes = new_routes();
    for (size_t i = 0; i < COUNT(bad_hosts); i++) {
        int err = 0;
        assert_null(tc__routes_host(routes, bad_hosts[i].host, &err));
        assert_int_equal(err, TC_EPATTERN);
        assert_string_equal(tc_error_detail(), bad_hosts[i].detail);
    }
    tc__routes_free(routes, NULL);
}

/* ---- All routes ------------------------------------------------------------------------------------------------ */

static void append_pattern(const tc__route_t *route, void *user_data) {
    strcat(user_data, route->pattern);
    strcat(user_data, " ");
}

static void walks_in_order_of_registration(void **state) {
    (void)state;
    char text[128] = "";
    tc__routes_t *routes = new_routes();
    tc__routes_each(routes, append_pattern, text);
    assert_string_equal(text, "");
    must_add(host_rule(routes, NULL), "/b");
    must_add(host_rule(routes, "example.com"), "~/(r)");
    must_add(host_rule(routes, NULL), "/{a}");
    must_add(host_rule(routes, "example.com"), "/a");
    tc__routes_each(routes, append_pattern, text);
    assert_string_equal(text, "/b /(r) /{a} /a ");
    tc__routes_free(routes, NULL);
}

static int freed;

static void count_freed(void *endpoint) {
    freed += *(int *)endpoint;
}

static void frees_the_endpoints_it_was_given(void **state) {
    (void)state;
    int one = 1, ten = 10, never = 1000;
    tc__routes_t *routes = new_routes();
    tc__host_rule_t *rule = host_rule(routes, NULL);
    assert_int_equal(tc__host_rule_add(rule, "/{a}", &one), 0);
    assert_int_equal(tc__host_rule_add(rule, "/{b}", &never), TC_EALREADY);
    assert_int_equal(tc__host_rule_add(rule, "/{", &never), TC_EPATTERN);
    assert_int_equal(tc__host_rule_add_regex(rule, "/(", &never), TC_EPATTERN);
    assert_int_equal(tc__host_rule_add_regex(rule, "/a", &ten), 0);
    assert_int_equal(tc__host_rule_add_regex(rule, "/a", &never), TC_EALREADY);
    assert_int_equal(tc__host_rule_add(rule, "/none", NULL), 0);
    freed = 0;
    tc__routes_free(routes, count_freed);
    assert_int_equal(freed, 11);
    tc__routes_free(NULL, count_freed);
}

/* ---- Many routes: the same answers as by trying all patterns ---------------------------------------------------- */

static uint32_t random_state = 1;

static uint32_t below(uint32_t limit) { /* xorshift: the same on every machine */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

static const char *const words[] = { "a", "b", "1", "-2", "", "users", "averylongliteralsegment", "%2F" };
static const char *const kinds[] = { "{%c}", "{%c:int}", "{%c:*}" };

static void random_pattern(char *out, size_t max_segments) {
    size_t count = 1 + below((uint32_t)max_segments);
    for (size_t i = 0; i < count; i++) {
        *out++ = '/';
        uint32_t kind = below(5);
        if (kind >= 3 || (kind == 2 && i + 1 < count))
            out += sprintf(out, "%s", words[below(COUNT(words))]);
        else
            out += sprintf(out, kinds[kind], (char)('a' + i));
    }
    *out = '\0';
}

static void random_path(char *out, size_t max_segments) {
    size_t count = 1 + below((uint32_t)max_segments);
    for (size_t i = 0; i < count; i++)
        out += sprintf(out, "/%s", below(8) == 0 ? "x1" : words[below(COUNT(words))]);
}

/* How a pattern takes a path, a letter per segment: "L" literal, "M" int, "N" segment, "O" tail. "": not at all. */
static void naive_match(const char *pattern, const char *path, char *how) {
    char *start = how;
    while (*pattern == '/' && *path == '/') {
        size_t in_pattern = strcspn(++pattern, "/"), in_path = strcspn(++path, "/"), digits = 0;
        const char *type = memchr(pattern, ':', in_pattern);
        if (*pattern != '{') {
            *how++ = 'L';
            if (in_pattern != in_path || memcmp(pattern, path, in_path) != 0)
                break;
        } else if (type && type[1] == '*') {
            *how++ = 'O';
            *how = '\0';
            return;
        } else {
            *how++ = type ? 'M' : 'N';
            digits = strspn(path + (*path == '-'), "0123456789");
            if (in_path == 0 || (type && (digits == 0 || digits + (*path == '-') != in_path)))
                break;
        }
        pattern += in_pattern;
        path += in_path;
        if (*pattern == '\0' && *path == '\0') {
            *how = '\0';
            return;
        }
    }
    *start = '\0';
}

static const char *naive_best(char patterns[][256], size_t count, const char *path) {
    char best[64] = "", how[64];
    const char *found = "-";
    for (size_t i = 0; i < count; i++) {
        naive_match(patterns[i], path, how);
        if (how[0] && (!best[0] || strcmp(how, best) < 0)) {
            strcpy(best, how);
            found = patterns[i];
        }
    }
    return found;
}

static void agree_on_random_paths(char patterns[][256], size_t count, const tc__routes_t *routes, int rounds) {
    while (rounds-- > 0) {
        char path[512];
        tc__match_t found;
        random_path(path, 6);
        tc__routes_match(routes, tc_str(NULL), tc_str(path), &found);
        const char *expected = naive_best(patterns, count, path);
        if (strcmp(found.route ? found.route->pattern : "-", expected) != 0)
            fail_msg("%s: %s, not %s", path, found.route ? found.route->pattern : "-", expected);
    }
}

static void many_routes_answer_as_if_each_was_tried(void **state) {
    (void)state;
    static char patterns[1000][256];
    for (random_state = 1; random_state < 6;) {
        uint32_t seed = random_state;
        size_t count = 0;
        tc__routes_t *routes = new_routes();
        tc__host_rule_t *rule = host_rule(routes, NULL);
        for (int tries = 0; count < 1000 && tries < 5000; tries++) {
            random_pattern(patterns[count], 6);
            int err = tc__host_rule_add(rule, patterns[count], NULL);
            if (err != 0)
                assert_int_equal(err, TC_EALREADY);
            else
                count++;
        }
        assert_int_equal(count, 1000);
        agree_on_random_paths(patterns, count, routes, 1000);
        tc__routes_free(routes, NULL);
        random_state = seed + 1;
    }
}

/* ---- Routes and paths made to cost time ------------------------------------------------------------------------- */

static double seconds_for(const tc__routes_t *routes, const char *path, const char *expected) {
    clock_t start = clock();
    for (int i = 0; i < 10; i++)
        assert_string_equal(match(routes, "", path), expected);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* All mixtures of literal and parameter over 10 levels, each with an end of its own that the path does not have. */
static void backtracking_visits_no_node_twice(void **state) {
    (void)state;
    tc__routes_t *routes = new_routes();
    for (unsigned mix = 0; mix < 1024; mix++) {
        char pattern[128], *out = pattern;
        for (int level = 0; level < 10; level++)
            out += mix >> level & 1 ? sprintf(out, "/a") : sprintf(out, "/{x%d}", level);
        sprintf(out, "/end");
        must_add(host_rule(routes, NULL), pattern);
    }
    assert_true(seconds_for(routes, "/a/a/a/a/a/a/a/a/a/a/no", "-") < 1);
    tc__routes_free(routes, NULL);
}

/* Where a walk that tries each way anew would take 2^32 steps: two ways at each of 32 levels, none leads to the end. */
static void many_levels_of_alternatives_do_not_explode(void **state) {
    (void)state;
    tc__routes_t *routes = new_routes();
    char path[128] = "";
    for (int level = 0; level < 32; level++)
        strcat(path, "/a");
    for (int parameter = 0; parameter < 32; parameter++) {
        for (int tail = 0; tail < 2; tail++) {
            char pattern[256] = "";
            for (int level = 0; level < 32; level++)
                strcat(pattern, level == parameter ? (tail ? "/{x:int}" : "/{x}") : "/a");
            strcat(pattern, "/end");
            must_add(host_rule(routes, NULL), pattern);
        }
    }
    strcat(path, "/no");
    assert_true(seconds_for(routes, path, "-") < 1);
    strcpy(strrchr(path, '/'), "/end");
    path[63] = 'b'; /* the last of the 32 */
    assert_int_equal(strncmp(match(routes, "", path), "/a/a/", 5), 0);
    tc__routes_free(routes, NULL);
}

/* A segment is cut, hashed and read as a number once, not once for each node that looks at it. */
static void a_long_segment_is_read_once(void **state) {
    (void)state;
    static char path[65536];
    tc__routes_t *routes = new_routes();
    for (int i = 0; i < 1024; i++) {
        char pattern[128], *out = pattern;
        for (int level = 0; level < 10; level++)
            out += i >> level & 1 ? sprintf(out, "/1") : sprintf(out, "/{x%d}", level);
        sprintf(out, "/{y:int}/%d", i);
        must_add(host_rule(routes, NULL), pattern);
    }
    strcpy(path, "/1/1/1/1/1/1/1/1/1/1/");
    memset(path + strlen(path), '0', 60000);
    strcat(path, "/x");
    assert_true(seconds_for(routes, path, "-") < 1);
    tc__routes_free(routes, NULL);
}

/* How many slots a look for that text visits. */
static size_t visits(const tc__route_table_t *table, const char *text) {
    size_t n = 1, i = tc__route_hash(tc_str(text)) >> table->shift;
    for (; !tc__bytes_equal(tc_str(table->slots[i].text), tc_str(text)); n++)
        i = (i + 1) & (table->slot_count - 1);
    return n;
}

/* A path is found by its hash, a segment by its own: by as many visits among 500 as among 20. */
static void a_look_costs_the_same_among_many_routes(void **state) {
    (void)state;
    static const size_t counts[] = { 1, 20, 500 };
    for (size_t c = 0; c < COUNT(counts); c++) {
        tc__route_table_t table;
        char text[64];
        size_t all = 0;
        tc__route_table_init(&table);
        for (size_t i = 0; i < counts[c]; i++) {
            snprintf(text, sizeof(text), "/api/v%zu/resource-%zu/list", i % 3, i);
            assert_int_equal(tc__route_table_add(&table, tc_str(text), &table), 0);
        }
        for (size_t i = 0; i < counts[c]; i++) {
            snprintf(text, sizeof(text), "/api/v%zu/resource-%zu/list", i % 3, i);
            all += visits(&table, text);
        }
        if (all > 2 * counts[c])
            fail_msg("%zu routes: %zu visits", counts[c], all);
        tc__route_table_deinit(&table, NULL);
    }
}

static void the_deepest_pattern_looks_no_further(void **state) {
    (void)state;
    char pattern[256] = "/{x}", path[512] = "/1";
    for (int level = 1; level < 64; level++) {
        strcat(pattern, "/a");
        strcat(path, "/a");
    }
    tc__routes_t *routes = routes_of(pattern);
    assert_int_equal(strncmp(match(routes, "", path), pattern, strlen(pattern)), 0);
    strcat(path, "/a");
    assert_string_equal(match(routes, "", path), "-");
    for (int level = 0; level < 100; level++)
        strcat(path, "/");
    assert_string_equal(match(routes, "", path), "-");
    tc__routes_free(routes, NULL);
}

static void a_path_may_hold_any_byte(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("/{x}/b ~/(.*)/c");
    tc__match_t found;
    tc__routes_match(routes, tc_str(NULL), tc_bytes("/\0\xff/b", 5), &found);
    assert_non_null(found.route);
    assert_int_equal(found.captures[0].len, 2);
    tc__routes_match(routes, tc_str(NULL), tc_bytes("/\0\xff/c", 5), &found);
    assert_non_null(found.route);
    assert_int_equal(found.captures[0].len, 2);
    tc__routes_free(routes, NULL);
}

static void an_empty_path_needs_no_bytes(void **state) {
    (void)state;
    tc__routes_t *routes = routes_of("/ /{x:*} ~/b ~(.*)");
    tc__match_t found;
    tc__routes_match(routes, tc_bytes(NULL, 0), tc_bytes(NULL, 0), &found);
    assert_string_equal(found.route->pattern, "(.*)");
    assert_non_null(found.captures[0].data);
    tc__routes_free(routes, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_route_of_a_path),
        cmocka_unit_test(refuses_a_second_route_of_the_same_shape),
        cmocka_unit_test(says_which_route_stands_in_the_way),
        cmocka_unit_test(finds_the_rule_of_a_host),
        cmocka_unit_test(goes_on_to_the_next_rule_that_applies),
        cmocka_unit_test(gives_the_same_rule_for_the_same_host),
        cmocka_unit_test(tells_what_is_wrong_with_a_host),
        cmocka_unit_test(walks_in_order_of_registration),
        cmocka_unit_test(frees_the_endpoints_it_was_given),
        cmocka_unit_test(many_routes_answer_as_if_each_was_tried),
        cmocka_unit_test(backtracking_visits_no_node_twice),
        cmocka_unit_test(many_levels_of_alternatives_do_not_explode),
        cmocka_unit_test(a_long_segment_is_read_once),
        cmocka_unit_test(a_look_costs_the_same_among_many_routes),
        cmocka_unit_test(the_deepest_pattern_looks_no_further),
        cmocka_unit_test(a_path_may_hold_any_byte),
        cmocka_unit_test(an_empty_path_needs_no_bytes),
    };
    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
