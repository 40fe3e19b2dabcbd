/*
 * forwarded_fuzz.c - the client's address from header fields: the first line is the peer, the second the trusted
 * networks, the others are fields. X-Forwarded-For is compared with the plainest way to read it, and nothing that
 * stands before what was believed can move it.
 */
#include <string.h>

#include "fuzz/fuzzing.h"
#include "http/forwarded_internal.h"

enum { MOST_FIELDS = 1000 };

static tc_bytes_t next_line(tc_bytes_t *rest) {
    const char *newline = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    tc_bytes_t line = tc_bytes(rest->data, newline ? (size_t)(newline - rest->data) : rest->len);
    size_t used = newline ? line.len + 1 : line.len;
    *rest = tc_bytes(rest->data + used, rest->len - used);
    return line;
}

static bool same(const tc__forwarded_t *a, const tc__forwarded_t *b) {
    return tc__address_same_host(&a->address, &b->address) && a->address.port == b->address.port &&
           a->protocol == b->protocol && a->disputed == b->disputed;
}

/* "garbage" before the first entry of each list: in a field of its own, or in the same. */
static void append_lines(tc__headers_t *headers, tc__arena_t *arena, tc_bytes_t text, bool own_field, bool same_field) {
    static const char garbage[] = "garbage, ";
    tc__headers_init(headers);
    if (own_field) {
        tc__headers_append(headers, arena, tc_str("Forwarded"), tc_str("garbage"));
        tc__headers_append(headers, arena, tc_str("X-Forwarded-For"), tc_str("garbage"));
        tc__headers_append(headers, arena, tc_str("X-Forwarded-Proto"), tc_str("garbage"));
    }
    while (text.len > 0 && headers->count < MOST_FIELDS) {
        tc_bytes_t line = next_line(&text);
        const char *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
        if (colon == NULL || colon - line.data > UINT16_MAX)
            continue;
        tc_bytes_t name = tc_bytes(line.data, (size_t)(colon - line.data));
        tc_bytes_t value = tc__bytes_trim(tc_bytes(colon + 1, line.len - name.len - 1));
        tc__header_id_t id = tc__header_id(name.data, name.len);
        bool prefixed = same_field && !tc__headers_has(headers, id) &&
                        (id == TC__HEADER_FORWARDED || id == TC__HEADER_X_FORWARDED_FOR);
        size_t extra = prefixed ? sizeof garbage - 1 : 0;
        char *own = tc__arena_alloc(arena, extra + value.len + 1); /* NUL behind, as the parser leaves it */
        MUST(own != NULL);
        memcpy(own, garbage, extra);
        memcpy(own + extra, value.data, value.len);
        own[extra + value.len] = '\0';
        MUST(tc__headers_append(headers, arena, name, tc_bytes(own, extra + value.len)) != NULL);
    }
}

/* The plainest way: all fields as one text, cut at its last comma again and again. */
static tc__address_t walk(const tc__headers_t *headers, tc__arena_t *arena, const tc__address_t *peer,
                          const tc__cidrs_t *trusted) {
    tc__address_t found = *peer, next;
    tc_bytes_t list = tc__headers_join(headers, arena, tc_str("X-Forwarded-For"), ",");
    bool more = list.data != NULL;
    while (more && tc__cidrs_contain(trusted, &found)) {
        size_t start = list.len;
        while (start > 0 && list.data[start - 1] != ',')
            start--;
        tc_bytes_t entry = tc__bytes_trim(tc_bytes(list.data + start, list.len - start));
        if (tc__address_parse_with_port(entry, &next) < 0)
            break;
        found = next;
        more = start > 0;
        list.len = more ? start - 1 : 0;
    }
    return found;
}

static void check_single_fields(const tc__headers_t *headers, tc__arena_t *arena, const tc__address_t *peer,
                                const tc__cidrs_t *trusted, const tc__forwarded_t *all) {
    tc__forwarded_t one, reference = { .address = walk(headers, arena, peer, trusted) };
    tc__forwarded_read(&one, headers, TC_TRUST_X_FORWARDED_FOR, peer, trusted);
    MUST(same(&one, &reference));
    bool told = tc__address_same_host(&all->address, peer) || (all->disputed && all->address.family == AF_UNSPEC);
    for (unsigned field = 1; field <= TC__TRUST_ALL; field *= 2) {
        tc__forwarded_read(&one, headers, field, peer, trusted);
        MUST(!one.disputed);
        told = told || tc__address_same_host(&all->address, &one.address);
    }
    MUST(told); /* by some field, or it is the peer, or nobody if fields name different clients */
    tc__forwarded_read(&one, headers, 0, peer, trusted);
    MUST(tc__address_same_host(&one.address, peer) && one.protocol == NULL && !one.disputed);
}

static void check_garbage_before(tc_bytes_t text, const tc__address_t *peer, const tc__cidrs_t *trusted,
                                 const tc__forwarded_t *want) {
    for (int where = 1; where <= 2; where++) {
        tc__headers_t headers;
        tc__arena_t arena;
        tc__forwarded_t got;
        tc__arena_init(&arena, NULL);
        append_lines(&headers, &arena, text, where == 1, where == 2);
        tc__forwarded_read(&got, &headers, TC__TRUST_ALL, peer, trusted);
        MUST(same(&got, want));
        tc__arena_deinit(&arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tc_bytes_t text = tc_bytes(data, size);
    tc_bytes_t first = next_line(&text), second = next_line(&text);
    tc__address_t peer = { .family = AF_UNIX };
    tc__address_parse_with_port(first, &peer);
    char *list = calloc(1, second.len + 1);
    MUST(list != NULL);
    if (second.len > 0)
        memcpy(list, second.data, second.len);
    tc__cidrs_t trusted = { NULL, 0 };
    int err = tc__cidrs_init(&trusted, list);
    MUST(err == 0 || (err == TC_EINVAL && trusted.items == NULL));
    free(list);

    tc__headers_t headers;
    tc__arena_t arena;
    tc__forwarded_t got;
    tc__arena_init(&arena, NULL);
    append_lines(&headers, &arena, text, false, false);
    tc__forwarded_read(&got, &headers, TC__TRUST_ALL, &peer, &trusted);
    if (!tc__cidrs_contain(&trusted, &peer))
        MUST(tc__address_same_host(&got.address, &peer) && got.protocol == NULL && !got.disputed);
    MUST(got.protocol == NULL || strcmp(got.protocol, "http") == 0 || strcmp(got.protocol, "https") == 0);
    check_single_fields(&headers, &arena, &peer, &trusted, &got);
    if (headers.count < MOST_FIELDS - 3)
        check_garbage_before(text, &peer, &trusted, &got);
    tc__arena_deinit(&arena);
    tc__cidrs_deinit(&trusted);
    return 0;
}
