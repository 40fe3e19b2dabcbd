/* gzip_decompressor_test.c - gzip in pieces of any size: what comes out, and what is none. */
#include "util/gzip_decompressor_internal.h"

#include "support/gzip.h"
#include "util_test.h"

static char given[64 * 1024]; /* all that came out */
static size_t given_len;

/* Feed all of it, in pieces of `step` bytes, then finish; the result. */
static int inflate_all(tc_bytes_t input, size_t step) {
    tc__gzip_decompressor_t *inflater = tc__gzip_decompressor_new();
    assert_non_null(inflater);
    int err = 0;
    given_len = 0;
    for (size_t at = 0; at < input.len && err == 0; at += step) {
        size_t len = step < input.len - at ? step : input.len - at;
        tc_bytes_t piece = on_heap(tc_bytes(input.data + at, len)), rest = piece, out;
        bool more = true;
        while (more && (err = tc__gzip_decompressor_feed(inflater, &rest, &out)) == 0) {
            more = out.len == TC__GZIP_PIECE;
            assert_true(out.len <= TC__GZIP_PIECE);
            assert_true(given_len + out.len <= sizeof(given));
            memcpy(given + given_len, out.data, out.len);
            given_len += out.len;
        }
        if (err == 0)
            assert_int_equal(rest.len, 0);
        off_heap(piece);
    }
    if (err == 0)
        err = tc__gzip_decompressor_finish(inflater);
    if (err < 0) {
        tc_bytes_t rest = input, out; /* it comes again */
        assert_int_equal(tc__gzip_decompressor_feed(inflater, &rest, &out), err);
        assert_int_equal(tc__gzip_decompressor_finish(inflater), err);
    }
    tc__gzip_decompressor_free(inflater);
    return err;
}

static void assert_inflates(tc_bytes_t input, size_t step, tc_bytes_t text) {
    assert_int_equal(inflate_all(input, step), 0);
    assert_int_equal(given_len, text.len);
    if (text.len > 0)
        assert_memory_equal(given, text.data, text.len);
}

static tc_bytes_t joined(const tc_bytes_t *parts, size_t count) {
    char *all = NULL;
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        all = realloc(all, len + parts[i].len + 1);
        memcpy(all + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    return tc_bytes(all, len);
}

/* ---- In little time ---- */

static void a_piece_that_time_has_cut_goes_on(void **state) {
    (void)state;
    enum { SIZE = 40 * 1024 };
    static char text[SIZE];
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)(i * 2654435761u >> 13);
    tc_bytes_t input = gzip_of(tc_bytes(text, SIZE)), rest = input, out;
    tc__gzip_decompressor_t *inflater = tc__gzip_decompressor_new();
    size_t calls = 0;
    given_len = 0;
    for (bool more = true; more; calls++) {
        size_t before = rest.len;
        assert_int_equal(tc__gzip_decompressor_feed_until(inflater, &rest, &out, 0), 0);
        assert_true(out.len == 0 || out.len == TC__GZIP_PIECE || rest.len == 0);
        assert_true(before - rest.len <= 4096);
        memcpy(given + given_len, out.data, out.len);
        given_len += out.len;
        more = rest.len > 0 || out.len == TC__GZIP_PIECE;
    }
    assert_true(calls > input.len / 4096);
    assert_int_equal(given_len, SIZE);
    assert_memory_equal(given, text, SIZE);
    assert_int_equal(tc__gzip_decompressor_finish(inflater), 0);
    tc__gzip_decompressor_free(inflater);
    gzip_free(input);
}

/* ---- What is gzip ---- */

/* Stored, with fixed codes, and with codes of its own. */
static void a_text_comes_out_as_it_went_in(void **state) {
    (void)state;
    static char text[TC__GZIP_PIECE + 2000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 2654435761u >> (i / 2000 + 8));
    const struct {
        int level, strategy;
    } kinds[] = { { 0, Z_DEFAULT_STRATEGY }, { 9, Z_FIXED }, { 9, Z_DEFAULT_STRATEGY }, { 6, Z_HUFFMAN_ONLY } };
    const size_t lens[] = { 0, 1, 5, TC__GZIP_PIECE - 1, TC__GZIP_PIECE, TC__GZIP_PIECE + 1, sizeof(text) };
    const size_t steps[] = { 7, 1000, sizeof(text) * 2 };
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (size_t j = 0; j < COUNT(lens); j++)
            for (size_t k = 0; k < COUNT(steps); k++) {
                tc_bytes_t input = gzip_member(tc_bytes(text, lens[j]), kinds[i].level, kinds[i].strategy);
                assert_inflates(input, steps[k], tc_bytes(text, lens[j]));
                gzip_free(input);
            }
}

static void members_follow_each_other(void **state) {
    (void)state;
    tc_bytes_t a = gzip_of(TEXT("hello, ")), b = gzip_of(TEXT("")), c = gzip_of(TEXT("world"));
    tc_bytes_t all = joined((tc_bytes_t[]){ a, b, b, c, b }, 5);
    for (size_t step = 1; step <= all.len; step++)
        assert_inflates(all, step, TEXT("hello, world"));
    gzip_free(a), gzip_free(b), gzip_free(c), gzip_free(all);
}

/* RFC 1952 section 2.3: extra bytes, a name, a comment, and a check of the header. */
static void a_header_may_say_more(void **state) {
    (void)state;
    unsigned char head[] = "\037\213\010\037\0\0\0\0\0\003\004\0ABCDname\0comment\0??";
    tc_bytes_t plain = gzip_of(TEXT("text"));
    unsigned long crc = crc32(0, head, sizeof(head) - 3);
    head[sizeof(head) - 3] = (unsigned char)crc;
    head[sizeof(head) - 2] = (unsigned char)(crc >> 8);
    tc_bytes_t all = joined(
        (tc_bytes_t[]){ tc_bytes(head, sizeof(head) - 1), tc_bytes(plain.data + 10, plain.len - 10) }, 2);
    for (size_t step = 1; step <= all.len; step++)
        assert_inflates(all, step, TEXT("text"));
    ((char *)(uintptr_t)all.data)[sizeof(head) - 3] ^= 1;
    assert_int_equal(inflate_all(all, all.len), TC_EPROTO);
    gzip_free(plain), gzip_free(all);
}

static void no_byte_at_all_is_nothing(void **state) {
    (void)state;
    assert_inflates(tc_bytes(NULL, 0), 1, tc_bytes(NULL, 0));
    tc__gzip_decompressor_free(NULL);
}

static void what_inflates_a_thousandfold_comes_in_pieces(void **state) {
    (void)state;
    enum { LEN = 10 * 1024 * 1024 };
    char *zeros = calloc(1, LEN);
    tc_bytes_t bomb = gzip_member(tc_bytes(zeros, LEN), 9, Z_DEFAULT_STRATEGY), rest = bomb, out;
    tc__gzip_decompressor_t *inflater = tc__gzip_decompressor_new();
    size_t len = 0, pieces = 0;
    assert_true(bomb.len < LEN / 1000);
    do {
        assert_int_equal(tc__gzip_decompressor_feed(inflater, &rest, &out), 0);
        len += out.len;
        pieces++;
    } while (out.len == TC__GZIP_PIECE);
    assert_int_equal(len, LEN);
    assert_int_equal(pieces, LEN / TC__GZIP_PIECE + 1);
    assert_int_equal(tc__gzip_decompressor_finish(inflater), 0);
    tc__gzip_decompressor_free(inflater);
    gzip_free(bomb);
    free(zeros);
}

/* ---- What is none ---- */

static void whatever_is_cut_short_is_an_error(void **state) {
    (void)state;
    tc_bytes_t a = gzip_of(TEXT("hello, ")), b = gzip_of(TEXT("world")), all = joined((tc_bytes_t[]){ a, b }, 2);
    for (size_t len = 1; len < all.len; len++)
        for (size_t step = 1; step <= len; step += len - 1 ? len - 1 : 1) {
            int err = inflate_all(tc_bytes(all.data, len), step);
            assert_int_equal(err, len == a.len ? 0 : TC_EPROTO);
            if (err < 0)
                assert_string_equal(tc_error_detail(), "the gzip data is cut short");
        }
    gzip_free(a), gzip_free(b), gzip_free(all);
}

static void junk_behind_it_is_an_error(void **state) {
    (void)state;
    const tc_bytes_t junk[] = {
        TEXT("x"), TEXT("\0"), TEXT("\037"), TEXT("\037\213"), TEXT("\0\0\0\0\0\0\0\0\0\0\0\0"), TEXT("plain text")
    };
    tc_bytes_t text = gzip_of(TEXT("text"));
    for (size_t i = 0; i < COUNT(junk); i++) {
        tc_bytes_t all = joined((tc_bytes_t[]){ text, junk[i] }, 2);
        for (size_t step = 1; step <= all.len; step++)
            assert_int_equal(inflate_all(all, step), TC_EPROTO);
        gzip_free(all);
    }
    gzip_free(text);
}

/* But for bits that say nothing of the data: the time, the extra flags and the system in its header, the padding. */
static void a_byte_that_is_changed_is_an_error(void **state) {
    (void)state;
    tc_bytes_t text = TEXT("a text that is a text of text"), input = gzip_of(text);
    char *bytes = (char *)(uintptr_t)input.data;
    size_t harmless = 0;
    for (size_t i = 0; i < input.len; i++) {
        bytes[i] ^= 0x20;
        if (inflate_all(input, input.len) == 0) {
            harmless++;
            assert_int_equal(given_len, text.len);
            assert_memory_equal(given, text.data, text.len);
            assert_true(i > 3 && i < input.len - 8); /* neither magic, method and flags nor check and length */
        }
        bytes[i] ^= 0x20;
    }
    assert_in_range(harmless, 6, 7);
    gzip_free(input);
}

static void other_formats_are_none(void **state) {
    (void)state;
    const tc_bytes_t others[] = { TEXT("x\234K\312*M\1\0\3\210\1o"), TEXT("\313H\315\311\311\7\0"), TEXT("hello"),
                                  TEXT("\037\213\007\0\0\0\0\0\0\003\3\0"),
                                  TEXT("\037\213\010\340\0\0\0\0\0\003\3\0") };
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(inflate_all(others[i], others[i].len), TC_EPROTO);
    assert_non_null(strstr(tc_error_detail(), "the gzip data is broken: "));
}

/* ---- Memory ---- */

static void each_allocation_may_fail(void **state) {
    (void)state;
    static const char text[40000];
    tc_bytes_t input = gzip_of(tc_bytes(text, sizeof(text)));
    for (int for_good = 0; for_good < 2; for_good++) {
        bool complete = false;
        for (long nth = 1; !complete; nth++) {
            fail_allocation(nth, for_good);
            tc__gzip_decompressor_t *inflater = tc__gzip_decompressor_new();
            tc_bytes_t rest = input, out = tc_bytes(NULL, TC__GZIP_PIECE);
            int err = inflater ? 0 : TC_ENOMEM;
            while (err == 0 && out.len == TC__GZIP_PIECE)
                err = tc__gzip_decompressor_feed(inflater, &rest, &out);
            if (inflater && err < 0) {
                assert_int_equal(tc__gzip_decompressor_feed(inflater, &rest, &out), TC_ENOMEM);
                assert_int_equal(tc__gzip_decompressor_finish(inflater), TC_ENOMEM);
            }
            complete = memory.calls < nth;
            allow_allocations();
            assert_int_equal(err, complete ? 0 : TC_ENOMEM);
            tc__gzip_decompressor_free(inflater);
            assert_int_equal(memory.live, 0);
        }
    }
    gzip_free(input);
}

int main(void) {
    use_failing_allocator();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_comes_out_as_it_went_in),
        cmocka_unit_test(a_piece_that_time_has_cut_goes_on),
        cmocka_unit_test(members_follow_each_other),
        cmocka_unit_test(a_header_may_say_more),
        cmocka_unit_test(no_byte_at_all_is_nothing),
        cmocka_unit_test(what_inflates_a_thousandfold_comes_in_pieces),
        cmocka_unit_test(whatever_is_cut_short_is_an_error),
        cmocka_unit_test(junk_behind_it_is_an_error),
        cmocka_unit_test(a_byte_that_is_changed_is_an_error),
        cmocka_unit_test(other_formats_are_none),
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
