/*
 * proxy_protocol_fuzz.c - the PROXY protocol header: the same in any pieces, within its bounds, and what was read,
 * written again in both versions, is read the same.
 */
#include <arpa/inet.h>
#include <string.h>

#include "fuzz/fuzzing.h"
#include "net/cidr_internal.h"
#include "net/proxy_protocol_internal.h"

typedef struct {
    int err;
    size_t used;
    tc__proxy_header_t header;
} outcome_t;

/* Pieces of 1 to `most` bytes, their lengths chosen by what went before; each in a block of its own. */
static outcome_t feed(tc_bytes_t text, size_t most, size_t max_tlvs) {
    tc__proxy_parser_t parser;
    tc__proxy_parser_init(&parser, max_tlvs);
    outcome_t outcome = { .err = TC_EAGAIN };
    outcome.header.version = 77;
    for (size_t at = 0, turn = 1; at < text.len && outcome.err == TC_EAGAIN; turn = turn * 31 + at) {
        size_t used = SIZE_MAX, len = 1 + turn % most;
        if (len > text.len - at)
            len = text.len - at;
        char *piece = malloc(len);
        MUST(piece != NULL);
        memcpy(piece, text.data + at, len);
        outcome.err = tc__proxy_parser_feed(&parser, tc_bytes(piece, len), &used, &outcome.header);
        free(piece);
        at += len;
        if (outcome.err == 0 || outcome.err == TC_EAGAIN) {
            MUST(used <= len && (outcome.err == 0 || used == len));
            outcome.used += used;
        } else {
            MUST(used == SIZE_MAX);
        }
    }
    MUST(outcome.err == 0 || outcome.header.version == 77);
    return outcome;
}

static bool same_address(const tc__address_t *a, const tc__address_t *b) {
    return tc__address_same_host(a, b) && a->port == b->port;
}

static void expect_same(const outcome_t *a, const outcome_t *b) {
    MUST(a->err == b->err);
    if (a->err != 0)
        return;
    MUST(a->used == b->used && a->header.version == b->header.version && a->header.kind == b->header.kind);
    MUST(same_address(&a->header.source, &b->header.source));
    MUST(same_address(&a->header.destination, &b->header.destination));
}

static void as_ipv6(uint8_t *out, const tc__address_t *address) {
    memcpy(out, address->bytes, 16);
    if (address->family == AF_INET) {
        memcpy(out, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
        memcpy(out + 12, address->bytes, 4);
    }
}

static void check_rewritten(const outcome_t *read) {
    const tc__proxy_header_t *header = &read->header;
    uint8_t block[36];
    char line[TC__PROXY_V1_MAX + 1], source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
    as_ipv6(block, &header->source);
    as_ipv6(block + 16, &header->destination);
    for (int i = 0; i < 2; i++) {
        uint16_t port = i ? header->destination.port : header->source.port;
        block[32 + 2 * i] = (uint8_t)(port >> 8);
        block[33 + 2 * i] = (uint8_t)port;
    }
    inet_ntop(AF_INET6, block, source, sizeof source);
    inet_ntop(AF_INET6, block + 16, destination, sizeof destination);
    int len = snprintf(line, sizeof line, "PROXY TCP6 %s %s %d %d\r\n", source, destination, header->source.port,
                       header->destination.port);
    outcome_t again = feed(tc_bytes(line, (size_t)len), 200, 0);
    again.used = read->used;
    again.header.version = header->version;
    expect_same(read, &again);

    char binary[16 + sizeof block] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24";
    memcpy(binary + 16, block, sizeof block);
    again = feed(tc_bytes(binary, sizeof binary), 7, 0);
    MUST(again.err == 0 && again.used == sizeof binary && again.header.version == 2);
    again.used = read->used;
    again.header.version = header->version;
    expect_same(read, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tc_bytes_t text = tc_bytes(data, size);
    outcome_t whole = feed(text, SIZE_MAX, 0), bytes = feed(text, 1, 0), pieces = feed(text, 9, 0);
    outcome_t most = feed(text, 50, SIZE_MAX), least = feed(text, 50, 1);
    expect_same(&whole, &bytes);
    expect_same(&whole, &pieces);
    MUST(most.err != TC_ETOOBIG);
    if (whole.err != TC_ETOOBIG)
        expect_same(&whole, &most);
    if (least.err != TC_ETOOBIG)
        expect_same(&whole, &least);

    if (whole.err == 0) {
        const tc__proxy_header_t *header = &whole.header;
        MUST(header->version == 1 || header->version == 2);
        MUST(whole.used <= (header->version == 1 ? TC__PROXY_V1_MAX : 16 + 216 + TC__PROXY_TLVS_DEFAULT));
        MUST(header->version == 2 || memcmp(data + whole.used - 2, "\r\n", 2) == 0);
        MUST(header->version == 1 || whole.used == 16 + ((size_t)data[14] << 8) + data[15]);
        if (header->kind == TC__PROXY_ADDRESSES && header->source.family != AF_UNIX)
            check_rewritten(&whole);
        /* The header alone is enough, and nothing shorter. */
        outcome_t alone = feed(tc_bytes(data, whole.used), SIZE_MAX, 0);
        expect_same(&whole, &alone);
        MUST(feed(tc_bytes(data, whole.used - 1), SIZE_MAX, 0).err == TC_EAGAIN);
    } else if (whole.err == TC_EAGAIN) {
        MUST(size == 0 || data[0] == '\r' || size < TC__PROXY_V1_MAX);
    }
    return 0;
}
