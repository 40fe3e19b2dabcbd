/*
 * proxy_protocol.c - the PROXY protocol header, versions 1 and 2, as HAProxy specifies it.
 *
 * Version 1 is a line of at most 107 bytes, version 2 a head of 16 bytes, addresses, and TLVs by length:
 *
 *   START --["P"]---> LINE --[CRLF]-----------------------------------------------> DONE
 *     '---["\r"]----> HEAD --[16 bytes]--> ADDRESSES --[12 or 36]--> TLVS --[all]----'
 *
 * Whatever must be understood is kept (at most 107 bytes), the rest is counted and dropped, so pieces of any size cost
 * the same. What does not match is an error at once and for ever: were it taken for the first bytes of a request
 * instead, anybody could leave the header out.
 *
 * Addresses are read when the header's part is complete, with inet_pton; ports as digits without leading zeros.
 */
#include "net/proxy_protocol_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "net/cidr_internal.h"
#include "util/bytes_internal.h"

enum { START, LINE, HEAD, ADDRESSES, TLVS, DONE };
enum { INET_LEN = 12, INET6_LEN = 36, UNIX_LEN = 216, SIGNATURE_LEN = 12 };

static const char line_start[] = "PROXY ";
static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

/* ---- Version 1 ---- */

/* The next word and the space behind it; at the end of the line, the rest. */
static tc_bytes_t next_word(tc_bytes_t *line) {
    const char *space = line->len ? memchr(line->data, ' ', line->len) : NULL;
    tc_bytes_t word = tc_bytes(line->data, space ? (size_t)(space - line->data) : line->len);
    size_t used = space ? word.len + 1 : word.len;
    *line = tc_bytes(line->data + used, line->len - used);
    return word;
}

/* An address of the family announced: "::ffff:192.0.2.1" is one of TCP6, though it becomes IPv4. */
static int parse_host(tc_bytes_t word, bool ipv6, tc__address_t *out) {
    bool has_colon = word.len && memchr(word.data, ':', word.len) != NULL;
    return has_colon == ipv6 && tc__address_parse(word, out) == 0 ? 0 : TC_EPROTO;
}

static int parse_port(tc_bytes_t word, uint16_t *out) {
    if (word.len > 1 && word.data[0] == '0')
        return TC_EPROTO;
    return tc__port_parse(word, out) == 0 ? 0 : TC_EPROTO;
}

/* `line` is what stands between "PROXY " and CRLF. */
static int parse_line(tc__proxy_header_t *header, tc_bytes_t line) {
    tc_bytes_t protocol = next_word(&line);
    if (tc__bytes_equal(protocol, tc_str("UNKNOWN"))) {
        header->kind = TC__PROXY_UNKNOWN; /* "the receiver must ignore anything" behind it */
        return 0;
    }
    bool ipv6 = tc__bytes_equal(protocol, tc_str("TCP6"));
    if (!ipv6 && !tc__bytes_equal(protocol, tc_str("TCP4")))
        return TC_EPROTO;

    uint16_t source_port, destination_port;
    TC_TRY(parse_host(next_word(&line), ipv6, &header->source));
    TC_TRY(parse_host(next_word(&line), ipv6, &header->destination));
    TC_TRY(parse_port(next_word(&line), &source_port));
    TC_TRY(parse_port(line, &destination_port)); /* nothing may follow, not even a space */
    header->source.port = source_port;
    header->destination.port = destination_port;
    header->kind = TC__PROXY_ADDRESSES;
    return 0;
}

/* After each byte, so that the first wrong one is the last that is read. */
static int line_grew(tc__proxy_parser_t *parser) {
    size_t last = parser->len - 1u, start = sizeof line_start - 1;
    const uint8_t *bytes = parser->bytes;
    if (last < start)
        return bytes[last] == (uint8_t)line_start[last] ? 0 : TC_EPROTO;

    bool after_cr = bytes[last - 1] == '\r';
    if (after_cr != (bytes[last] == '\n')) /* neither of the two stands alone */
        return TC_EPROTO;
    if (after_cr) {
        TC_TRY(parse_line(&parser->header, tc_bytes(bytes + start, last - 1 - start)));
        parser->header.version = 1;
        parser->state = DONE;
    } else if (parser->len == TC__PROXY_V1_MAX) {
        return TC_EPROTO;
    }
    return 0;
}

/* ---- Version 2 ---- */

static void read_address(tc__address_t *out, int family, const uint8_t *host, const uint8_t *port) {
    if (family == AF_INET) {
        struct sockaddr_in in = { .sin_family = AF_INET };
        memcpy(&in.sin_addr, host, sizeof in.sin_addr);
        memcpy(&in.sin_port, port, sizeof in.sin_port);
        tc__address_from_sockaddr(out, (const struct sockaddr *)&in);
    } else {
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
        memcpy(&in6.sin6_addr, host, sizeof in6.sin6_addr);
        memcpy(&in6.sin6_port, port, sizeof in6.sin6_port);
        tc__address_from_sockaddr(out, (const struct sockaddr *)&in6);
    }
}

static void addresses_complete(tc__proxy_parser_t *parser) {
    const uint8_t *block = parser->bytes + TC__PROXY_V2_FIXED;
    bool ipv6 = parser->len == TC__PROXY_V2_FIXED + INET6_LEN;
    size_t size = ipv6 ? 16 : 4;
    int family = ipv6 ? AF_INET6 : AF_INET;
    read_address(&parser->header.source, family, block, block + 2 * size);
    read_address(&parser->header.destination, family, block + size, block + 2 * size + 2);
}

/* How long the addresses of a relayed connection are; 0: there are none that we could use. */
static int address_len(uint8_t family_and_transport, size_t *len) {
    static const uint8_t lens[] = { 0, INET_LEN, INET6_LEN, UNIX_LEN };
    unsigned family = family_and_transport >> 4, transport = family_and_transport & 15;
    if (family > 3 || transport > 2) /* "must be rejected as invalid by receivers" */
        return TC_EPROTO;
    *len = transport == 0 ? 0 : lens[family];
    return 0;
}

static int head_complete(tc__proxy_parser_t *parser) {
    tc__proxy_header_t *header = &parser->header;
    const uint8_t *head = parser->bytes;
    unsigned version = head[12] >> 4, command = head[12] & 15;
    size_t total = (size_t)head[14] << 8 | head[15], addresses = 0;
    if (version != 2 || command > 1)
        return TC_EPROTO;
    if (command == 1) /* LOCAL: "discard the protocol block including the family" */
        TC_TRY(address_len(head[13], &addresses));
    if (total < addresses)
        return TC_EPROTO;
    if (total - addresses > parser->max_tlvs)
        return TC_ETOOBIG;

    header->version = 2;
    header->kind = command == 0 ? TC__PROXY_LOCAL : addresses ? TC__PROXY_ADDRESSES : TC__PROXY_UNKNOWN;
    if (addresses == UNIX_LEN) {
        header->source.family = header->destination.family = AF_UNIX;
        addresses = 0; /* paths on another machine: skipped */
    }
    parser->to_skip = (uint16_t)(total - addresses);
    parser->want = (uint8_t)(TC__PROXY_V2_FIXED + addresses);
    parser->state = addresses ? ADDRESSES : TLVS;
    return 0;
}

static int head_grew(tc__proxy_parser_t *parser) {
    size_t last = parser->len - 1u;
    if (last < SIGNATURE_LEN)
        return parser->bytes[last] == (uint8_t)signature[last] ? 0 : TC_EPROTO;
    return parser->len == parser->want ? head_complete(parser) : 0;
}

/* ---- Both ---- */

static void start(tc__proxy_parser_t *parser, char first) {
    parser->state = first == line_start[0] ? LINE : HEAD;
    parser->want = parser->state == LINE ? TC__PROXY_V1_MAX : TC__PROXY_V2_FIXED;
}

/* Keep a byte and see what that completes. */
static int take_byte(tc__proxy_parser_t *parser, char byte) {
    assert(parser->len < parser->want && parser->want <= sizeof parser->bytes);
    parser->bytes[parser->len++] = (uint8_t)byte;
    if (parser->state == LINE)
        return line_grew(parser);
    if (parser->state == HEAD)
        return head_grew(parser);
    if (parser->len == parser->want) {
        addresses_complete(parser);
        parser->state = TLVS;
    }
    return 0;
}

/* Returns how many bytes belong to the header. */
static size_t feed(tc__proxy_parser_t *parser, tc_bytes_t data, int *err) {
    size_t i = 0;
    if (parser->state == START && data.len > 0)
        start(parser, data.data[0]);
    while (parser->state < TLVS && i < data.len && *err == 0)
        *err = take_byte(parser, data.data[i++]);
    if (parser->state == TLVS) {
        size_t rest = data.len - i, skipped = parser->to_skip < rest ? parser->to_skip : rest;
        parser->to_skip = (uint16_t)(parser->to_skip - skipped);
        i += skipped;
        if (parser->to_skip == 0)
            parser->state = DONE;
    }
    return i;
}

void tc__proxy_parser_init(tc__proxy_parser_t *parser, size_t max_tlvs) {
    memset(parser, 0, sizeof *parser);
    if (max_tlvs == 0)
        max_tlvs = TC__PROXY_TLVS_DEFAULT;
    parser->max_tlvs = (uint16_t)(max_tlvs < UINT16_MAX ? max_tlvs : UINT16_MAX);
    parser->outcome = TC_EAGAIN;
}

int tc__proxy_parser_feed(tc__proxy_parser_t *parser, tc_bytes_t data, size_t *used, tc__proxy_header_t *out) {
    size_t taken = 0;
    if (parser->outcome == TC_EAGAIN) {
        int err = 0;
        taken = feed(parser, data, &err);
        parser->outcome = err < 0 ? err : parser->state == DONE ? 0 : TC_EAGAIN;
    }
    if (parser->outcome == 0)
        *out = parser->header;
    if (parser->outcome == 0 || parser->outcome == TC_EAGAIN)
        *used = taken;
    return parser->outcome;
}
