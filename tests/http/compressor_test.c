/* compressor_test.c - gzip and br put on: what comes out is what went in, however it is cut, and each flush arrives. */
#include "http/compressor_internal.h"
#include "support/inflate.h"
#include "util/util_test.h"

enum { MOST = 1 << 21 };
static char text[MOST], packed[2 * MOST], back[MOST + 1];

static void make_text(size_t len) {
    unsigned seed = 1;
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = "etaoin shrdlu\n<p>"[(seed >> 24) % (i % 100 < 50 ? 17 : 5)];
    }
}

static const tc__compressor_kind_t kinds[] = {
    { TC__CODING_GZIP, false, 6 }, { TC__CODING_GZIP, true, 6 }, { TC__CODING_GZIP, false, 1 },
    { TC__CODING_GZIP, true, 9 },  { TC__CODING_BR, false, 6 },  { TC__CODING_BR, true, 6 },
};

static const tc__compressor_kind_t *kind_of(size_t i) {
    return tc__compressor_knows(kinds[i].coding) ? &kinds[i] : NULL;
}

static size_t held;

static tc__compressor_t *new_one(const tc__compressor_kind_t *kind) {
    tc__compressor_t *compressor = tc__compressor_new(kind, &held);
    assert_non_null(compressor);
    return compressor;
}

/* Through memory of so many bytes at a time, behind what is packed already. */
static void feed(tc__compressor_t *compressor, tc_bytes_t piece, tc__compress_t what, size_t room, size_t *len) {
    ssize_t n;
    do {
        assert_true(*len + room <= sizeof packed);
        n = tc__compressor_feed(compressor, &piece, what, packed + *len, room);
        assert_true(n >= 0 && (size_t)n <= room);
        *len += (size_t)n;
    } while ((size_t)n == room);
    assert_int_equal(piece.len, 0);
}

static void check(const tc__compressor_kind_t *kind, size_t packed_len, size_t len, bool complete) {
    bool whole = false;
    tc_bytes_t in = tc_bytes(packed, packed_len);
    long n = kind->coding == TC__CODING_BR ? inflate_br(in, back, sizeof back, &whole)
                                           : inflate_gzip(in, back, sizeof back, &whole);
    assert_int_equal(n, len);
    assert_memory_equal(back, text, len);
    assert_int_equal(whole, complete);
}

static void what_comes_out_inflates_to_what_went_in(void **state) {
    (void)state;
    static const size_t lens[] = { 0, 1, 100, 5000, 70000, 1 << 18 }, pieces[] = { 1, 7, 1000, MOST },
                        rooms[] = { 64, 1000, 4096, MOST };
    make_text(MOST);
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (size_t i = 0; kind_of(k) && i < COUNT(lens) * COUNT(pieces) * COUNT(rooms); i++) {
            size_t len = lens[i % COUNT(lens)], piece = pieces[i / COUNT(lens) % COUNT(pieces)];
            size_t room = rooms[i / COUNT(lens) / COUNT(pieces)], packed_len = 0;
            if (len / piece > 1000)
                continue;
            tc__compressor_t *compressor = new_one(kind_of(k));
            for (size_t at = 0; at < len; at += piece)
                feed(compressor, tc_bytes(text + at, len - at < piece ? len - at : piece), TC__COMPRESS_MORE, room,
                     &packed_len);
            feed(compressor, tc_bytes("", 0), TC__COMPRESS_FINISH, room, &packed_len);
            check(kind_of(k), packed_len, len, true);
            assert_true(len < 5000 || packed_len < len * 3 / 4);
            tc__compressor_free(compressor);
        }
    assert_int_equal(held, 0);
}

static void what_is_flushed_can_be_read(void **state) {
    (void)state;
    make_text(MOST);
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (size_t room = 64; kind_of(k) && room < 200; room += 5) { /* so that flushes end where the room does, too */
            tc__compressor_t *compressor = new_one(kind_of(k));
            size_t packed_len = 0, at = 0;
            for (size_t len = 1; at + len < 20000; len = len * 3 / 2 + 1) {
                feed(compressor, tc_bytes(text + at, len), TC__COMPRESS_FLUSH, room, &packed_len);
                at += len;
                check(kind_of(k), packed_len, at, false);
                feed(compressor, tc_bytes("", 0), TC__COMPRESS_FLUSH, room, &packed_len); /* of nothing more */
            }
            feed(compressor, tc_bytes(text + at, 10), TC__COMPRESS_FINISH, room, &packed_len);
            check(kind_of(k), packed_len, at + 10, true);
            tc__compressor_free(compressor);
        }
}

static void one_that_is_reset_begins_anew_whatever_was_before(void **state) {
    (void)state;
    make_text(MOST);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        tc__compressor_t *compressor = kind_of(k) ? new_one(kind_of(k)) : NULL;
        for (int i = 0; compressor && i < 3; i++) {
            size_t packed_len = 0;
            feed(compressor, tc_bytes(text + 100, 50000), i == 1 ? TC__COMPRESS_FINISH : TC__COMPRESS_FLUSH, 4096,
                 &packed_len);
            assert_int_equal(tc__compressor_reset(compressor), 0);
            packed_len = 0;
            feed(compressor, tc_bytes(text, 30000), TC__COMPRESS_FINISH, 4096, &packed_len);
            check(kind_of(k), packed_len, 30000, true);
            assert_int_equal(tc__compressor_reset(compressor), 0);
        }
        tc__compressor_free(compressor);
    }
    assert_int_equal(held, 0);
}

static void its_memory_is_counted_and_about_what_is_said(void **state) {
    (void)state;
    make_text(MOST);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        tc__compressor_t *compressor = kind_of(k) ? new_one(kind_of(k)) : NULL;
        size_t packed_len = 0, said = tc__compressor_size(&kinds[k]);
        if (!compressor)
            continue;
        feed(compressor, tc_bytes(text, MOST), TC__COMPRESS_FLUSH, 4096, &packed_len);
        assert_in_range(held, said / 2, said + 1024);
        tc__compressor_free(compressor);
        assert_int_equal(held, 0);
    }
}

static void codings_that_are_not_built_in_are_not_known(void **state) {
    (void)state;
    assert_true(tc__compressor_knows(TC__CODING_GZIP));
    assert_int_equal(tc__compressor_knows(TC__CODING_BR), tornadoc_has("brotli"));
    assert_false(tc__compressor_knows(TC__CODING_ZSTD));
    assert_false(tc__compressor_knows(TC__CODING_IDENTITY));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_out_inflates_to_what_went_in),
        cmocka_unit_test(what_is_flushed_can_be_read),
        cmocka_unit_test(one_that_is_reset_begins_anew_whatever_was_before),
        cmocka_unit_test(its_memory_is_counted_and_about_what_is_said),
        cmocka_unit_test(codings_that_are_not_built_in_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
