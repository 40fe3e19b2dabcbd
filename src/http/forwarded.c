/*
 * forwarded.c - who the client is, as proxies tell it: X-Forwarded-For, X-Real-Ip, X-Forwarded-Proto, X-Scheme, and
 * Forwarded of RFC 7239. (Tornado: xheaders, trusted_downstream)
 *
 * Each proxy appends, so a list is read from its right end: the peer wrote the last entry, the address in that entry
 * wrote the one before, and each is believed as long as its writer is trusted:
 *
 *   peer is trusted? --> last entry: an address --> trusted? --> the entry before … --> not trusted: the client
 *
 * The walk ends at the first address that is not trusted, at the left end of the list (all are trusted: the leftmost it
 * is), or at an entry that is no address (damaged, empty, "unknown", obfuscated). It yields the last address that was
 * vouched for: what stands further left, a client may have made up.
 *
 * Forwarded has quoted strings, and a client may open one that it never closes. Reading from the right, what a proxy
 * has appended is found the same whatever stands before it; each entry found is then read strictly, left to right.
 * Repeated fields are one list, though no quoted string reaches from one into the next.
 *
 * Between fields there is no order that is right for all proxies: nginx as Tornado documents it sets X-Real-Ip and
 * passes X-Forwarded-For on, most others do the opposite, and few touch Forwarded. Whichever came first, a client could
 * write that one. (In Tornado X-Real-Ip does.) So the fields must not contradict each other:
 *
 *   - a field that names nobody (its nearest entry is no address) has no say;
 *   - a trusted address is a proxy's, and gives way to one that is not;
 *   - two different addresses that are not trusted: a dispute, and nobody is believed but the socket;
 *   - the same goes for "http" and "https".
 *
 * The protocol in Forwarded is that of the entry furthest left that is believed; X-Forwarded-Proto counts with its last
 * entry, as in Tornado; "wss" and "ws" are https and http.
 */
#include "http/forwarded_internal.h"

#include <string.h>

#include "util/bytes_internal.h"

static const char http[] = "http", https[] = "https";

/* What one field says. */
typedef struct {
    tc__address_t address;
    bool has_address;
    const char *protocol;
} claim_t;

/* ---- A list in any number of fields, from its right end ---- */

typedef struct {
    const tc__headers_t *headers;
    tc__header_id_t id;
    size_t left;     /* fields [0, left) have not been looked at */
    tc_bytes_t rest; /* what is left of the one that is being read */
    bool has_rest;   /* `rest` holds an entry, be it empty */
} backwards_t;

static backwards_t backwards(const tc__headers_t *headers, tc__header_id_t id) {
    return (backwards_t){ .headers = headers, .id = id, .left = headers->first[id] ? headers->count : 0 };
}

static bool next_field(backwards_t *list) {
    while (list->left > 0) {
        const tc__header_t *header = &list->headers->items[--list->left];
        if (header->id == list->id) {
            list->rest = tc_bytes(header->value, header->value_len);
            return true;
        }
    }
    return false;
}

/* Take the entry behind `comma` (an index + 1; 0: there is no comma) off the field. */
static tc_bytes_t take_entry(backwards_t *list, size_t comma) {
    tc_bytes_t entry = tc_bytes(list->rest.data + comma, list->rest.len - comma);
    list->has_rest = comma > 0;
    list->rest.len = comma ? comma - 1 : 0;
    return tc__bytes_trim(entry);
}

static bool previous_entry(backwards_t *list, tc_bytes_t *entry) {
    if (!list->has_rest && !next_field(list))
        return false;
    size_t i = list->rest.len;
    while (i > 0 && list->rest.data[i - 1] != ',')
        i--;
    *entry = take_entry(list, i);
    return true;
}

/* The same where commas may stand in quoted strings. Inside one, read from the right, a quote with a backslash before
 * it is escaped, and any other opens the string: "=" stands before that. */
static bool previous_element(backwards_t *list, tc_bytes_t *element) {
    if (!list->has_rest && !next_field(list))
        return false;
    tc_bytes_t rest = list->rest;
    size_t i = rest.len;
    for (bool quoted = false; i > 0; i--) {
        char c = rest.data[i - 1];
        bool escaped = quoted && i > 1 && rest.data[i - 2] == '\\';
        if (c == '"' && !escaped)
            quoted = !quoted;
        else if (c == ',' && !quoted)
            break;
    }
    *element = take_entry(list, i);
    return true;
}

/* ---- RFC 7239 section 4: one element ---- */

enum { LONGEST_VALUE = 128 }; /* of "for" and "proto"; an address with a port has 53 characters */

typedef struct {
    char data[LONGEST_VALUE];
    size_t len;
    bool found;
} value_t;

static bool put(value_t *value, char c) {
    if (value == NULL)
        return true;
    if (value->len == sizeof value->data)
        return false;
    value->data[value->len++] = c;
    return true;
}

/* quoted-string of RFC 9110 section 5.6.4, from the byte behind the opening quote. NULL: malformed. */
static const char *read_quoted(const char *p, const char *end, value_t *value) {
    while (p < end && *p != '"') {
        if (*p == '\\' && ++p == end)
            return NULL;
        if (!tc__is_field_value(tc_bytes(p, 1)) || !put(value, *p++))
            return NULL;
    }
    return p < end ? p + 1 : NULL;
}

static const char *read_token(const char *p, const char *end, value_t *value) {
    const char *start = p;
    while (p < end && tc__is_token(tc_bytes(p, 1))) {
        if (!put(value, *p++))
            return NULL;
    }
    return p > start ? p : NULL;
}

static const char *skip_blanks(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* name "=" value. NULL: malformed, or a second value where there may be one. */
static const char *read_pair(const char *p, const char *end, value_t *for_value, value_t *proto_value) {
    const char *name = p;
    p = read_token(p, end, NULL);
    if (p == NULL || p == end || *p != '=')
        return NULL;
    tc_bytes_t word = tc_bytes(name, (size_t)(p - name));
    value_t *value = tc__bytes_equal_nocase(word, tc_str("for"))     ? for_value
                     : tc__bytes_equal_nocase(word, tc_str("proto")) ? proto_value
                                                                     : NULL;
    if (value && value->found)
        return NULL;
    if (value)
        value->found = true;
    p++;
    return p < end && *p == '"' ? read_quoted(p + 1, end, value) : read_token(p, end, value);
}

/* Pairs between semicolons, each of which may be missing; blanks are let pass where many write them. */
static bool read_pairs(tc_bytes_t element, value_t *for_value, value_t *proto_value) {
    const char *p = element.data, *end = p + element.len;
    while (p < end) {
        p = skip_blanks(p, end);
        if (p < end && *p != ';')
            p = read_pair(p, end, for_value, proto_value);
        if (p == NULL)
            return false;
        p = skip_blanks(p, end);
        if (p < end && *p++ != ';')
            return false;
    }
    return true;
}

/* obfnode, obfport: "_" and letters, digits, ".", "_", "-". */
static bool is_obfuscated(tc_bytes_t text) {
    for (size_t i = 1; i < text.len; i++) {
        char c = tc__lower(text.data[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return text.len > 1 && text.data[0] == '_';
}

static bool is_node_port(tc_bytes_t text) {
    uint16_t port;
    return is_obfuscated(text) || tc__port_parse(text, &port) == 0;
}

/* node: an address (IPv6 in brackets), "unknown" or an obfuscated name, and a port, which may be obfuscated, too. */
static bool read_node(tc_bytes_t node, claim_t *out) {
    const char *bracket = node.len ? memchr(node.data, ']', node.len) : NULL;
    size_t host = bracket ? (size_t)(bracket - node.data) + 1 : 0;
    const char *colon = node.len ? memchr(node.data + host, ':', node.len - host) : NULL;
    tc_bytes_t name = tc_bytes(node.data, colon ? (size_t)(colon - node.data) : node.len);
    tc_bytes_t port = colon ? tc_bytes(colon + 1, node.len - name.len - 1) : tc_bytes(NULL, 0);
    if (colon && !is_node_port(port))
        return false;
    if (is_obfuscated(name) || tc__bytes_equal_nocase(name, tc_str("unknown")))
        return true;
    bool named = colon && port.data[0] == '_';
    if (tc__address_parse_with_port(named ? name : node, &out->address) < 0)
        return false;
    out->has_address = true;
    return true;
}

static const char *read_protocol(tc_bytes_t text) {
    if (tc__bytes_equal_nocase(text, tc_str("https")) || tc__bytes_equal_nocase(text, tc_str("wss")))
        return https;
    if (tc__bytes_equal_nocase(text, tc_str("http")) || tc__bytes_equal_nocase(text, tc_str("ws")))
        return http;
    return NULL;
}

/* false: empty or malformed, and nothing of it is believed. */
static bool read_element(tc_bytes_t element, claim_t *out) {
    value_t for_value, proto_value;
    for_value.len = proto_value.len = 0;
    for_value.found = proto_value.found = false;
    claim_t claim = { .has_address = false };
    if (element.len == 0 || !read_pairs(element, &for_value, &proto_value))
        return false;
    if (for_value.found && !read_node(tc_bytes(for_value.data, for_value.len), &claim))
        return false;
    if (proto_value.found)
        claim.protocol = read_protocol(tc_bytes(proto_value.data, proto_value.len));
    *out = claim;
    return true;
}

/* ---- What each field says; the peer is trusted ---- */

static claim_t read_forwarded(const tc__headers_t *headers, const tc__cidrs_t *trusted) {
    claim_t said = { .has_address = false }, claim;
    tc_bytes_t element;
    backwards_t list = backwards(headers, TC__HEADER_FORWARDED);
    while (previous_element(&list, &element) && read_element(element, &claim)) {
        said.protocol = claim.protocol;
        if (!claim.has_address)
            break;
        said.address = claim.address;
        said.has_address = true;
        if (!tc__cidrs_contain(trusted, &claim.address))
            break;
    }
    return said;
}

static claim_t read_forwarded_for(const tc__headers_t *headers, const tc__cidrs_t *trusted) {
    claim_t said = { .has_address = false };
    tc_bytes_t entry;
    backwards_t list = backwards(headers, TC__HEADER_X_FORWARDED_FOR);
    while (previous_entry(&list, &entry) && tc__address_parse_with_port(entry, &said.address) == 0) {
        said.has_address = true;
        if (!tc__cidrs_contain(trusted, &said.address))
            break;
    }
    return said;
}

/* Sent twice, it is not the one that a proxy has set. */
static claim_t read_real_ip(const tc__headers_t *headers) {
    claim_t said = { .has_address = false };
    const tc__header_t *header = tc__headers_first(headers, TC__HEADER_X_REAL_IP);
    if (header && !tc__headers_repeated(headers, TC__HEADER_X_REAL_IP))
        said.has_address = tc__address_parse_with_port(tc__bytes_trim(tc_bytes(header->value, header->value_len)),
                                                       &said.address) == 0;
    return said;
}

static claim_t read_forwarded_proto(const tc__headers_t *headers) {
    tc_bytes_t entry;
    backwards_t list = backwards(headers, TC__HEADER_X_FORWARDED_PROTO);
    return (claim_t){ .protocol = previous_entry(&list, &entry) ? read_protocol(entry) : NULL };
}

static claim_t read_scheme(const tc__headers_t *headers) {
    const tc_bytes_t name = tc_str("x-scheme");
    const tc__header_t *header = tc__headers_find(headers, name, NULL);
    if (header == NULL || tc__headers_find(headers, name, header) != NULL)
        return (claim_t){ .protocol = NULL };
    return (claim_t){ .protocol = read_protocol(tc__bytes_trim(tc_bytes(header->value, header->value_len))) };
}

/* ---- All of them ---- */

typedef struct {
    claim_t agreed;
    bool address_disputed, protocol_disputed;
} agreement_t;

static void hear_address(agreement_t *all, const claim_t *claim, const tc__cidrs_t *trusted) {
    claim_t *agreed = &all->agreed;
    if (!claim->has_address)
        return;
    if (!agreed->has_address) {
        agreed->address = claim->address;
        agreed->has_address = true;
    } else if (tc__address_same_host(&agreed->address, &claim->address)) {
        if (agreed->address.port == 0)
            agreed->address.port = claim->address.port;
    } else if (tc__cidrs_contain(trusted, &agreed->address)) {
        if (!tc__cidrs_contain(trusted, &claim->address))
            agreed->address = claim->address;
    } else if (!tc__cidrs_contain(trusted, &claim->address)) {
        all->address_disputed = true;
    }
}

static void hear(agreement_t *all, claim_t claim, const tc__cidrs_t *trusted) {
    hear_address(all, &claim, trusted);
    if (all->agreed.protocol == NULL)
        all->agreed.protocol = claim.protocol;
    else if (claim.protocol != NULL && claim.protocol != all->agreed.protocol)
        all->protocol_disputed = true;
}

void tc__forwarded_read(tc__forwarded_t *out, const tc__headers_t *headers, unsigned fields, const tc__address_t *peer,
                        const tc__cidrs_t *trusted) {
    *out = (tc__forwarded_t){ .address = *peer };
    if (!tc__cidrs_contain(trusted, peer))
        return;

    agreement_t all = { .address_disputed = false };
    if (fields & TC_TRUST_FORWARDED)
        hear(&all, read_forwarded(headers, trusted), trusted);
    if (fields & TC_TRUST_X_FORWARDED_FOR)
        hear(&all, read_forwarded_for(headers, trusted), trusted);
    if (fields & TC_TRUST_X_REAL_IP)
        hear(&all, read_real_ip(headers), trusted);
    if (fields & TC_TRUST_X_FORWARDED_PROTO)
        hear(&all, read_forwarded_proto(headers), trusted);
    if (fields & TC_TRUST_X_SCHEME)
        hear(&all, read_scheme(headers), trusted);

    if (all.address_disputed) /* nobody: to fall back to the peer would let clients look like our own proxy */
        out->address = (tc__address_t){ .family = AF_UNSPEC };
    else if (all.agreed.has_address)
        out->address = all.agreed.address;
    if (!all.protocol_disputed)
        out->protocol = all.agreed.protocol;
    out->disputed = all.address_disputed || all.protocol_disputed;
}
