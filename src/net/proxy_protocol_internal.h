/*
 * proxy_protocol_internal.h - the PROXY protocol header, versions 1 and 2: who it really is that a proxy connects for.
 *
 * Whoever may send it may name any address: it is for peers in a list of trusted networks, and for nobody else.
 */
#ifndef TC_NET_PROXY_PROTOCOL_INTERNAL_H
#define TC_NET_PROXY_PROTOCOL_INTERNAL_H

#include "net/tcpserver_internal.h"

typedef enum {
    TC__PROXY_ADDRESSES, /* source and destination are told */
    TC__PROXY_LOCAL,     /* the proxy's own connection (a health check): the socket's addresses count */
    TC__PROXY_UNKNOWN    /* relayed, and from whom is not told: the socket's addresses count */
} tc__proxy_kind_t;

typedef struct {
    tc__proxy_kind_t kind;
    uint8_t version;                   /* 1 or 2 */
    tc__address_t source, destination; /* of TC__PROXY_ADDRESSES; AF_UNIX: a unix socket, whose path is not kept */
} tc__proxy_header_t;

enum {
    TC__PROXY_V1_MAX = 107,  /* bytes of a line with its CRLF */
    TC__PROXY_V2_FIXED = 16, /* signature, command, family, length */
    TC__PROXY_TLVS_DEFAULT = 4 * 1024
};

typedef struct {
    tc__proxy_header_t header;
    uint8_t state;
    uint8_t len, want; /* bytes kept, and how many the state waits for */
    uint16_t max_tlvs, to_skip;
    uint8_t bytes[TC__PROXY_V1_MAX]; /* the line, or the head and addresses of version 2 */
    int outcome;
} tc__proxy_parser_t;

/* `max_tlvs`: bytes that may follow the addresses of version 2, at most 65,535; 0: 4 KiB. They are skipped. */
void tc__proxy_parser_init(tc__proxy_parser_t *parser, size_t max_tlvs);

/*
 * The next bytes of a connection, in pieces of any size; nothing is allocated.
 *
 * Bytes that cannot begin a header are refused at the first that differs: whether there is one is never guessed.
 *
 * @param used how many bytes of this piece belong to the header: all of them while it is incomplete
 * @return 0: complete, *out is set; TC_EAGAIN: more is needed; TC_EPROTO: this is no such header; TC_ETOOBIG: more than
 *         max_tlvs bytes behind the addresses. `out` is untouched but for 0, `used` on errors. The last outcome stays.
 */
int tc__proxy_parser_feed(tc__proxy_parser_t *parser, tc_bytes_t data, size_t *used, tc__proxy_header_t *out);

#endif
