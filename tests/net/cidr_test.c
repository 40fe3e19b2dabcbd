/* cidr_test.c - addresses as text, networks, lists of networks. */
#include "net/cidr_internal.h"

#include <arpa/inet.h>

#include "http/parsing.h"

enum { TEXT = INET6_ADDRSTRLEN + 12 };

static tc__address_t address_of(const char *text) {
    tc__address_t address = { .family = AF_UNIX };
    if (strcmp(text, "unix") != 0 && tc__address_parse(tc_str(text), &address) != 0)
        fail_msg("no address: %s", text);
    return address;
}

/* ---- Addresses ---- */

static const struct {
    const char *why, *text, *want; /* NULL: no address */
} addresses[] = {
    { "IPv4", "192.0.2.1", "192.0.2.1" },
    { "the least", "0.0.0.0", "0.0.0.0" },
    { "the most", "255.255.255.255", "255.255.255.255" },
    { "IPv6", "2001:db8::1", "2001:db8::1" },
    { "IPv6 in full", "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1" },
    { "upper case", "2001:DB8::A", "2001:db8::a" },
    { "any", "::", "::" },
    { "loopback", "::1", "::1" },
    { "IPv4 in IPv6 is IPv4", "::ffff:192.0.2.1", "192.0.2.1" },
    { "the same in hexadecimal", "::ffff:c000:201", "192.0.2.1" },
    { "the longest text", "0000:0000:0000:0000:0000:ffff:255.255.255.255", "255.255.255.255" },
    { "an IPv4-compatible address stays IPv6", "::192.0.2.1", "::192.0.2.1" },
    { "NAT64 stays IPv6", "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
    { "empty", "", NULL },
    { "three numbers, to inet_aton 1.2.0.3", "1.2.3", NULL },
    { "one number, to inet_aton an address", "16909060", NULL },
    { "hexadecimal, to inet_aton an address", "0x7f.0.0.1", NULL },
    { "leading zeros are octal to some", "010.0.0.1", NULL },
    { "a leading zero", "192.0.2.01", NULL },
    { "five numbers", "1.2.3.4.5", NULL },
    { "a number too large", "256.0.0.1", NULL },
    { "a minus", "1.2.3.-4", NULL },
    { "a dot behind", "1.2.3.4.", NULL },
    { "a dot before", ".1.2.3.4", NULL },
    { "two dots", "1..3.4", NULL },
    { "a port is no part of it", "192.0.2.1:80", NULL },
    { "brackets are no part of it", "[::1]", NULL },
    { "a zone means nothing elsewhere", "fe80::1%eth0", NULL },
    { "a numeric zone", "fe80::1%1", NULL },
    { "a network", "10.0.0.0/8", NULL },
    { "a space before", " 192.0.2.1", NULL },
    { "a space behind", "192.0.2.1 ", NULL },
    { "a line end behind", "192.0.2.1\n", NULL },
    { "two double colons", "2001::db8::1", NULL },
    { "three colons", "2001:::1", NULL },
    { "one colon at the end", "2001:db8:", NULL },
    { "seven groups", "1:2:3:4:5:6:7", NULL },
    { "nine groups", "1:2:3:4:5:6:7:8:9", NULL },
    { "five digits", "2001:0db80::1", NULL },
    { "no hexadecimal digit", "2001:db8::g", NULL },
    { "a name", "localhost", NULL },
    { "unknown", "unknown", NULL },
    { "markup", "4.4.4.4<script>", NULL },
    { "UTF-8 digits", "\xd9\xa1.2.3.4", NULL },
    { "longer than any", "0000:0000:0000:0000:0000:ffff:255.255.255.2550", NULL },
};

static void an_address_has_one_form(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        char got[TEXT];
        tc__address_t address = { .family = 77 };
        tc_bytes_t text = exact(tc_str(addresses[i].text));
        int err = tc__address_parse(text, &address);
        drop(text);
        if (addresses[i].want == NULL) {
            expect_row(addresses[i].why, err == TC_EINVAL && address.family == 77);
            continue;
        }
        expect_row(addresses[i].why, err == 0 && address.port == 0 && address.scope == 0);
        tc__address_format(&address, got, sizeof got);
        expect_bytes(addresses[i].why, tc_str(got), tc_str(addresses[i].want));
    }
}

static void a_nul_ends_no_address(void **state) {
    (void)state;
    tc__address_t address;
    assert_int_equal(tc__address_parse(tc_bytes("192.0.2.1\0", 10), &address), TC_EINVAL);
    assert_int_equal(tc__address_parse(tc_bytes("192.0.2.1\0evil", 14), &address), TC_EINVAL);
    assert_int_equal(tc__address_parse(tc_bytes("\0", 1), &address), TC_EINVAL);
    assert_int_equal(tc__address_parse(tc_str(NULL), &address), TC_EINVAL);
    assert_int_equal(tc__address_parse_with_port(tc_bytes("[::1]:8\0", 8), &address), TC_EINVAL);
    assert_int_equal(tc__address_parse_with_port(tc_str(NULL), &address), TC_EINVAL);
}

static const struct {
    const char *why, *text, *want; /* NULL: no address */
    int port;
} with_ports[] = {
    { "IPv4 alone", "192.0.2.1", "192.0.2.1", 0 },
    { "IPv4 and a port", "192.0.2.1:4711", "192.0.2.1", 4711 },
    { "IPv6 alone", "2001:db8::1", "2001:db8::1", 0 },
    { "IPv6 in brackets", "[2001:db8::1]", "2001:db8::1", 0 },
    { "IPv6 and a port", "[2001:db8::1]:4711", "2001:db8::1", 4711 },
    { "IPv4 in IPv6", "::ffff:192.0.2.1", "192.0.2.1", 0 },
    { "IPv4 in IPv6, and a port", "[::ffff:192.0.2.1]:80", "192.0.2.1", 80 },
    { "the largest port", "192.0.2.1:65535", "192.0.2.1", 65535 },
    { "port 0", "192.0.2.1:0", "192.0.2.1", 0 },
    { "RFC 7239 lets zeros stand before a port", "192.0.2.1:00080", "192.0.2.1", 80 },
    { "without brackets the last group is no port", "2001:db8::1:80", "2001:db8::1:80", 0 },
    { "empty", "", NULL, 0 },
    { "a port too large", "192.0.2.1:65536", NULL, 0 },
    { "six digits", "192.0.2.1:000080", NULL, 0 },
    { "no digits", "192.0.2.1:", NULL, 0 },
    { "no digits behind brackets", "[::1]:", NULL, 0 },
    { "a sign", "192.0.2.1:+80", NULL, 0 },
    { "a letter in the port", "192.0.2.1:8o", NULL, 0 },
    { "two ports", "192.0.2.1:80:80", NULL, 0 },
    { "IPv4 in brackets", "[192.0.2.1]", NULL, 0 },
    { "IPv4 in brackets and a port", "[192.0.2.1]:80", NULL, 0 },
    { "brackets not closed", "[::1", NULL, 0 },
    { "brackets not opened", "::1]", NULL, 0 },
    { "nothing in brackets", "[]", NULL, 0 },
    { "only a bracket", "[", NULL, 0 },
    { "something behind brackets", "[::1]80", NULL, 0 },
    { "brackets twice", "[[::1]]", NULL, 0 },
    { "a zone in brackets", "[fe80::1%1]:80", NULL, 0 },
    { "a port alone", ":80", NULL, 0 },
    { "a name and a port", "localhost:80", NULL, 0 },
    { "three numbers and a port", "1.2.3:80", NULL, 0 },
};

static void a_port_may_follow(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof with_ports / sizeof *with_ports; i++) {
        char got[TEXT];
        tc__address_t address = { .family = 77 };
        tc_bytes_t text = exact(tc_str(with_ports[i].text));
        int err = tc__address_parse_with_port(text, &address);
        drop(text);
        if (with_ports[i].want == NULL) {
            expect_row(with_ports[i].why, err == TC_EINVAL && address.family == 77);
            continue;
        }
        expect_row(with_ports[i].why, err == 0 && address.port == with_ports[i].port);
        tc__address_format(&address, got, sizeof got);
        expect_bytes(with_ports[i].why, tc_str(got), tc_str(with_ports[i].want));
    }
}

static void the_same_host_may_have_many_ports(void **state) {
    (void)state;
    tc__address_t a = address_of("192.0.2.1"), b = address_of("::ffff:192.0.2.1"), c = address_of("192.0.2.2");
    a.port = 1;
    b.port = 2;
    assert_true(tc__address_same_host(&a, &b));
    assert_false(tc__address_same_host(&a, &c));
    tc__address_t any4 = address_of("0.0.0.0"), any6 = address_of("::"), local = address_of("unix");
    assert_false(tc__address_same_host(&any4, &any6));
    assert_false(tc__address_same_host(&any6, &local));
    tc__address_t one_link = address_of("fe80::1"), other_link = one_link;
    other_link.scope = 2;
    assert_false(tc__address_same_host(&one_link, &other_link));
}

/* ---- Networks ---- */

static const struct {
    const char *why, *text;
    const char *inside, *outside;
} networks[] = {
    { "an address alone", "192.0.2.1", "192.0.2.1", "192.0.2.2" },
    { "the same with a prefix", "192.0.2.1/32", "192.0.2.1", "192.0.2.0" },
    { "an IPv6 address alone", "2001:db8::1", "2001:db8::1", "2001:db8::" },
    { "the same with a prefix", "2001:db8::1/128", "2001:db8::1", "2001:db8::2" },
    { "whole bytes", "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
    { "its first address", "10.0.0.0/8", "10.0.0.0", "9.255.255.255" },
    { "a byte in parts", "172.16.0.0/12", "172.31.255.255", "172.32.0.0" },
    { "below", "172.16.0.0/12", "172.16.0.0", "172.15.255.255" },
    { "one bit", "128.0.0.0/1", "255.0.0.1", "127.255.255.255" },
    { "all but one bit", "192.0.2.2/31", "192.0.2.3", "192.0.2.4" },
    { "nine bits", "10.128.0.0/9", "10.200.0.1", "10.127.0.1" },
    { "all of IPv4 is not IPv6", "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
    { "all of IPv6 is not IPv4", "::/0", "2001:db8::1", "203.0.113.9" },
    { "nor is the IPv4 in IPv6 among it", "::/0", "::1", "::ffff:203.0.113.9" },
    { "no unix socket has an address", "::/0", "fe80::1", "unix" },
    { "nor one in IPv4", "0.0.0.0/0", "0.0.0.0", "unix" },
    { "IPv6", "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },
    { "a part of a byte in IPv6", "fe80::/10", "febf::1", "fec0::1" },
    { "127 bits", "2001:db8::2/127", "2001:db8::3", "2001:db8::4" },
    { "a peer of a dual-stack socket", "10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3" },
    { "an IPv4 network written in IPv6", "::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3" },
    { "an address written in IPv6", "::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2" },
    { "and with its prefix", "::ffff:10.0.0.1/128", "10.0.0.1", "10.0.0.2" },
    { "all of IPv4 in IPv6", "::ffff:0:0/96", "203.0.113.9", "2001:db8::1" },
    { "unix sockets", "unix", "unix", "0.0.0.0" },
    { "and nothing else", "unix", "unix", "::" },
    { "127.0.0.0/8 is not ::1", "127.0.0.0/8", "127.1.2.3", "::1" },
};

static void a_network_holds_what_begins_alike(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        tc__cidr_t cidr;
        tc_bytes_t text = exact(tc_str(networks[i].text));
        expect_row(networks[i].why, tc__cidr_parse(text, &cidr) == 0);
        drop(text);
        tc__address_t inside = address_of(networks[i].inside), outside = address_of(networks[i].outside);
        expect_row(networks[i].why, tc__cidr_contains(&cidr, &inside));
        expect_row(networks[i].why, !tc__cidr_contains(&cidr, &outside));
    }
}

static void each_prefix_counts_its_bits(void **state) {
    (void)state;
    for (int family = 4; family <= 6; family += 2) {
        for (int prefix = 0, most = family == 4 ? 32 : 128; prefix <= most; prefix++) {
            char text[64];
            tc__cidr_t cidr;
            snprintf(text, sizeof text, "%s/%d", family == 4 ? "0.0.0.0" : "::", prefix);
            assert_int_equal(tc__cidr_parse(tc_str(text), &cidr), 0);
            for (int bit = 0; bit < most; bit++) {
                tc__address_t address = { .family = family == 4 ? AF_INET : AF_INET6 };
                address.bytes[bit / 8] = (uint8_t)(0x80 >> bit % 8);
                assert_int_equal(tc__cidr_contains(&cidr, &address), bit >= prefix);
            }
        }
    }
}

static const struct {
    const char *why, *text, *detail;
} bad_networks[] = {
    { "empty", "", "wanted is" },
    { "a name", "proxy.example", "wanted is" },
    { "a word that is not ours", "localhost", "wanted is" },
    { "unix has no case", "Unix", "wanted is" },
    { "unix has no prefix", "unix/0", "wanted is" },
    { "a path", "/run/proxy.sock", "wanted is" },
    { "no address", "/8", "wanted is" },
    { "a star", "*", "wanted is" },
    { "an address cut short", "10/8", "wanted is" },
    { "a wildcard", "10.*", "wanted is" },
    { "a port", "10.0.0.1:80", "wanted is" },
    { "brackets", "[::1]", "wanted is" },
    { "a zone", "fe80::1%eth0", "wanted is" },
    { "no digits", "10.0.0.0/", "from 0 to 32" },
    { "a prefix too long for IPv4", "10.0.0.0/33", "from 0 to 32" },
    { "a prefix too long for IPv6", "2001:db8::/129", "from 0 to 128" },
    { "four digits", "2001:db8::/0032", "from 0 to 128" },
    { "a leading zero", "10.0.0.0/08", "from 0 to 32" },
    { "a sign", "10.0.0.0/+8", "from 0 to 32" },
    { "negative", "10.0.0.0/-8", "from 0 to 32" },
    { "a mask", "10.0.0.0/255.0.0.0", "from 0 to 32" },
    { "two prefixes", "10.0.0.0/8/8", "from 0 to 32" },
    { "a space", "10.0.0.0/8 ", "from 0 to 32" },
    { "an IPv4 prefix on IPv4 in IPv6", "::ffff:10.0.0.0/8", "from 96 to 128" },
    { "wider than IPv4", "::ffff:0:0/95", "from 96 to 128" },
    { "one machine, or 16 million?", "10.0.0.1/8", "bits behind" },
    { "the last bit", "192.0.2.1/31", "bits behind" },
    { "the last bit of IPv6", "2001:db8::1/127", "bits behind" },
    { "one address is not everybody", "192.0.2.1/0", "bits behind" },
    { "IPv4 in IPv6, with a bit behind the prefix", "::ffff:10.0.0.1/104", "bits behind" },
};

static void a_network_has_one_form(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_networks / sizeof *bad_networks; i++) {
        tc__cidr_t cidr = { .family = 77 };
        tc_bytes_t text = exact(tc_str(bad_networks[i].text));
        expect_row(bad_networks[i].why, tc__cidr_parse(text, &cidr) == TC_EINVAL && cidr.family == 77);
        drop(text);
        if (!strstr(tc_error_detail(), bad_networks[i].detail) || !strstr(tc_error_detail(), bad_networks[i].text))
            fail_msg("%s: \"%s\"", bad_networks[i].why, tc_error_detail());
    }
}

/* ---- Lists ---- */

static const struct {
    const char *why, *text;
    size_t count;
} lists[] = {
    { "NULL", NULL, 0 },
    { "empty", "", 0 },
    { "only separators", " ,\t, \n", 0 },
    { "one", "10.0.0.0/8", 1 },
    { "commas", "10.0.0.0/8,::1,unix", 3 },
    { "white space", "10.0.0.0/8 ::1\tunix\n127.0.0.1", 4 },
    { "both, and at the ends", " , 10.0.0.0/8 ,, ::1 , ", 2 },
};

static void a_list_is_words(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        tc__cidrs_t cidrs = { NULL, 77 };
        expect_row(lists[i].why, tc__cidrs_init(&cidrs, lists[i].text) == 0);
        expect_row(lists[i].why, cidrs.count == lists[i].count);
        tc__cidrs_deinit(&cidrs);
        expect_row(lists[i].why, cidrs.items == NULL && cidrs.count == 0);
        tc__cidrs_deinit(&cidrs);
    }
}

static bool list_has(const char *list, const char *text) {
    tc__cidrs_t cidrs;
    tc__address_t address = address_of(text);
    assert_int_equal(tc__cidrs_init(&cidrs, list), 0);
    bool has = tc__cidrs_contain(&cidrs, &address);
    tc__cidrs_deinit(&cidrs);
    return has;
}

static void a_list_holds_what_one_of_its_networks_holds(void **state) {
    (void)state;
    assert_true(list_has("127.0.0.1, 10.0.0.0/8, 2001:db8::/32", "127.0.0.1"));
    assert_true(list_has("127.0.0.1, 10.0.0.0/8, 2001:db8::/32", "10.9.8.7"));
    assert_true(list_has("127.0.0.1, 10.0.0.0/8, 2001:db8::/32", "2001:db8::9"));
    assert_false(list_has("127.0.0.1, 10.0.0.0/8, 2001:db8::/32", "127.0.0.2"));
    assert_false(list_has("127.0.0.1, 10.0.0.0/8, 2001:db8::/32", "unix"));
    assert_true(list_has("::1 unix", "unix"));
    assert_false(list_has("0.0.0.0/0 ::/0", "unix"));
    assert_false(list_has(NULL, "127.0.0.1"));
    assert_false(list_has("", "unix"));
}

static void one_bad_word_refuses_the_list(void **state) {
    (void)state;
    tc__cidrs_t cidrs = { NULL, 77 };
    assert_int_equal(tc__cidrs_init(&cidrs, "10.0.0.0/8, 10.0.0.1/9, ::1"), TC_EINVAL);
    assert_non_null(strstr(tc_error_detail(), "10.0.0.1/9"));
    assert_int_equal(tc__cidrs_init(&cidrs, "10.0.0.0/8;::1"), TC_EINVAL);
    assert_int_equal(cidrs.count, 77);
}

static void a_list_takes_one_allocation(void **state) {
    (void)state;
    tc__cidrs_t cidrs = { NULL, 77 };
    allocations = 0;
    fail_at = 1;
    assert_int_equal(tc__cidrs_init(&cidrs, "10.0.0.0/8, ::1"), TC_ENOMEM);
    assert_int_equal(cidrs.count, 77);
    assert_int_equal(tc__cidrs_init(&cidrs, "10.0.0.0/8, ::1"), 0);
    assert_int_equal(allocations, 2);
    fail_at = 0;
    tc__cidrs_deinit(&cidrs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_one_form),
        cmocka_unit_test(a_nul_ends_no_address),
        cmocka_unit_test(a_port_may_follow),
        cmocka_unit_test(the_same_host_may_have_many_ports),
        cmocka_unit_test(a_network_holds_what_begins_alike),
        cmocka_unit_test(each_prefix_counts_its_bits),
        cmocka_unit_test(a_network_has_one_form),
        cmocka_unit_test(a_list_is_words),
        cmocka_unit_test(a_list_holds_what_one_of_its_networks_holds),
        cmocka_unit_test(one_bad_word_refuses_the_list),
        cmocka_unit_test(a_list_takes_one_allocation),
    };
    use_failing_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
