/* cidr_internal.h - addresses as text, networks, and lists of networks that are trusted. No I/O, no names. */
#ifndef TC_NET_CIDR_INTERNAL_H
#define TC_NET_CIDR_INTERNAL_H

#include "net/tcpserver_internal.h"

/* An address alone: no port, no brackets, no zone; "1.2.3" and "010.0.0.1" are none. IPv4 in IPv6 becomes IPv4, as
 * everywhere. 0 or TC_EINVAL. */
int tc__address_parse(tc_bytes_t text, tc__address_t *out);

/* The same, and an IPv6 address may name its zone: "fe80::1%2", "fe80::1%eth0". */
int tc__address_parse_with_zone(tc_bytes_t text, tc__address_t *out);

/* With a port or without: "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". 0 or
 * TC_EINVAL. */
int tc__address_parse_with_port(tc_bytes_t text, tc__address_t *out);

/* Digits up to 65535. 0 or TC_EINVAL. */
int tc__port_parse(tc_bytes_t digits, uint16_t *out);

/* The same machine? Ports are not asked. */
bool tc__address_same_host(const tc__address_t *a, const tc__address_t *b);

/* A network, or the peers of unix sockets (family AF_UNIX). */
typedef struct {
    uint8_t family;
    uint8_t prefix; /* how many leading bits of `bytes` count */
    uint8_t bytes[16];
} tc__cidr_t;

/* "10.0.0.0/8", "2001:db8::/32", an address alone, "unix". Bits beyond the prefix must be zero: "10.0.0.1/8" means one
 * machine to some and 16 million to others. 0; TC_EINVAL with a detail. */
int tc__cidr_parse(tc_bytes_t text, tc__cidr_t *out);

/* No IPv6 network holds an IPv4 address ("::/0" is all of IPv6 only), but "::ffff:10.0.0.0/104" is 10.0.0.0/8. The zone
 * of a link-local address is not asked. */
bool tc__cidr_contains(const tc__cidr_t *cidr, const tc__address_t *address);

typedef struct {
    tc__cidr_t *items;
    size_t count;
} tc__cidrs_t;

/* "127.0.0.1, 10.0.0.0/8, unix": separated by commas or white space. Nothing, or NULL, is an empty list, which trusts
 * nobody. 0; TC_EINVAL with a detail; TC_ENOMEM. */
int tc__cidrs_init(tc__cidrs_t *cidrs, const char *text);
void tc__cidrs_deinit(tc__cidrs_t *cidrs); /* one that is all zero is fine */

bool tc__cidrs_contain(const tc__cidrs_t *cidrs, const tc__address_t *address);

#endif
