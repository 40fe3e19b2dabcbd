/*
 * cidr.c - addresses as text, networks, and lists of networks that are trusted.
 *
 * What is read here decides who is believed, so there is one way to write a thing: inet_pton's (never inet_aton's, to
 * which "1.2.3" and "010.0.0.1" are addresses, too), and networks without a bit beyond their prefix.
 *
 * An address has one form in the whole library: IPv4 in IPv6 is IPv4 from the moment it is read. So a peer of a
 * dual-stack listener is found in an IPv4 network, and a network is compared by its own family only.
 */
#include "net/cidr_internal.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

enum { MAPPED_PREFIX = 96 }; /* bits of ::ffff:0:0/96 */

/* ---- Addresses ---- */

int tc__address_parse(tc_bytes_t text, tc__address_t *out) {
    char copy[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, '\0', text.len))
        return TC_EINVAL;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';

    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    if (inet_pton(AF_INET, copy, &in.sin_addr) == 1)
        tc__address_from_sockaddr(out, (const struct sockaddr *)&in);
    else if (inet_pton(AF_INET6, copy, &in6.sin6_addr) == 1)
        tc__address_from_sockaddr(out, (const struct sockaddr *)&in6);
    else
        return TC_EINVAL;
    return 0;
}

int tc__address_parse_with_zone(tc_bytes_t text, tc__address_t *out) {
    const char *percent = text.len ? memchr(text.data, '%', text.len) : NULL;
    if (!percent)
        return tc__address_parse(text, out);
    size_t len = (size_t)(percent - text.data), zone_len = text.len - len - 1;
    char zone[IF_NAMESIZE];
    uint64_t scope = 0;
    TC_TRY(tc__address_parse(tc_bytes(text.data, len), out));
    if (out->family != AF_INET6 || zone_len == 0 || zone_len >= sizeof zone)
        return TC_EINVAL;
    memcpy(zone, percent + 1, zone_len);
    zone[zone_len] = '\0';
    if (tc__parse_uint64(tc_str(zone), &scope) < 0)
        scope = if_nametoindex(zone);
    if (scope == 0 || scope > UINT32_MAX)
        return TC_EINVAL;
    out->scope = (uint32_t)scope;
    return 0;
}

int tc__port_parse(tc_bytes_t digits, uint16_t *out) {
    uint64_t value = 0;
    if (digits.len > 5 || tc__parse_uint64(digits, &value) < 0 || value > UINT16_MAX)
        return TC_EINVAL;
    *out = (uint16_t)value;
    return 0;
}

/* Where the address ends at `end`, and what comes behind `skipped` more bytes is ":port" or nothing. */
static int parse_parts(tc_bytes_t text, size_t start, size_t end, size_t skipped, tc__address_t *out) {
    tc__address_t address;
    uint16_t port = 0;
    size_t behind = end + skipped;
    TC_TRY(tc__address_parse(tc_bytes(text.data + start, end - start), &address));
    if (behind < text.len) {
        if (text.data[behind] != ':')
            return TC_EINVAL;
        TC_TRY(tc__port_parse(tc_bytes(text.data + behind + 1, text.len - behind - 1), &port));
    }
    *out = address;
    out->port = port;
    return 0;
}

int tc__address_parse_with_port(tc_bytes_t text, tc__address_t *out) {
    if (text.len == 0)
        return TC_EINVAL;
    if (text.data[0] == '[') {
        const char *close = memchr(text.data, ']', text.len);
        const char *colon = close ? memchr(text.data, ':', (size_t)(close - text.data)) : NULL;
        return colon ? parse_parts(text, 1, (size_t)(close - text.data), 1, out) : TC_EINVAL; /* no "[192.0.2.1]" */
    }
    const char *colon = memchr(text.data, ':', text.len);
    const char *dot = memchr(text.data, '.', text.len);
    if (colon && dot && dot < colon) /* IPv4 with a port; in IPv6 the colons come first */
        return parse_parts(text, 0, (size_t)(colon - text.data), 0, out);
    return tc__address_parse(text, out);
}

bool tc__address_same_host(const tc__address_t *a, const tc__address_t *b) {
    return a->family == b->family && a->scope == b->scope && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* ---- Networks ---- */

static int bad_network(tc_bytes_t text, const char *why) {
    return tc__fail(TC_EINVAL, "network \"%.*s\": %s", text.len > 64 ? 64 : (int)text.len, text.data ? text.data : "",
                    why);
}

/* Are all bits from number `from` on zero? */
static bool rest_is_zero(const uint8_t *bytes, size_t from) {
    for (size_t i = from; i < 128; i++) {
        if (bytes[i / 8] & 0x80 >> i % 8)
            return false;
    }
    return true;
}

/* One to three digits, without leading zeros. -1: none of that. */
static int parse_prefix(tc_bytes_t digits) {
    uint64_t value = 0;
    if (digits.len > 3 || (digits.len > 1 && digits.data[0] == '0') || tc__parse_uint64(digits, &value) < 0)
        return -1;
    return (int)value;
}

int tc__cidr_parse(tc_bytes_t text, tc__cidr_t *out) {
    if (tc__bytes_equal(text, tc_str("unix"))) {
        *out = (tc__cidr_t){ .family = AF_UNIX };
        return 0;
    }
    const char *slash = text.len ? memchr(text.data, '/', text.len) : NULL;
    tc_bytes_t host = tc_bytes(text.data, slash ? (size_t)(slash - text.data) : text.len);
    tc__address_t address;
    if (tc__address_parse(host, &address) < 0)
        return bad_network(text, "wanted is an address such as 10.0.0.0/8, 2001:db8::/32, ::1, or \"unix\"");

    bool ipv4 = address.family == AF_INET;
    bool mapped = ipv4 && memchr(host.data, ':', host.len) != NULL;
    int most = ipv4 ? 32 : 128, prefix = most;
    if (slash) {
        prefix = parse_prefix(tc_bytes(slash + 1, text.len - host.len - 1));
        if (mapped)
            prefix -= MAPPED_PREFIX;
        if (prefix < 0 || prefix > most)
            return bad_network(text, mapped ? "behind \"/\" stands a number from 96 to 128"
                                     : ipv4 ? "behind \"/\" stands a number from 0 to 32"
                                            : "behind \"/\" stands a number from 0 to 128");
    }
    if (!rest_is_zero(address.bytes, (size_t)prefix))
        return bad_network(text, "bits behind the prefix are set: write the network's first address, or one address");

    *out = (tc__cidr_t){ .family = address.family, .prefix = (uint8_t)prefix };
    memcpy(out->bytes, address.bytes, sizeof out->bytes);
    return 0;
}

bool tc__cidr_contains(const tc__cidr_t *cidr, const tc__address_t *address) {
    if (cidr->family != address->family)
        return false;
    size_t whole = cidr->prefix / 8;
    if (memcmp(cidr->bytes, address->bytes, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00 >> cidr->prefix % 8);
    return mask == 0 || ((cidr->bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

/* ---- Lists of networks ---- */

int tc__cidrs_init(tc__cidrs_t *cidrs, const char *text) {
    tc__cidrs_t read = { NULL, 0 };
    tc_bytes_t word;
    size_t count = 0;
    for (const char *rest = text ? text : ""; tc__next_word(&rest, &word);)
        count++;
    if (count > 0) {
        read.items = tc__calloc(count, sizeof *read.items);
        if (read.items == NULL)
            return TC_ENOMEM;
    }
    for (const char *rest = text; read.count < count && tc__next_word(&rest, &word); read.count++) {
        int err = tc__cidr_parse(word, &read.items[read.count]);
        if (err < 0) {
            tc__cidrs_deinit(&read);
            return err;
        }
    }
    *cidrs = read;
    return 0;
}

void tc__cidrs_deinit(tc__cidrs_t *cidrs) {
    tc__free(cidrs->items);
    *cidrs = (tc__cidrs_t){ NULL, 0 };
}

bool tc__cidrs_contain(const tc__cidrs_t *cidrs, const tc__address_t *address) {
    for (size_t i = 0; i < cidrs->count; i++) {
        if (tc__cidr_contains(&cidrs->items[i], address))
            return true;
    }
    return false;
}
