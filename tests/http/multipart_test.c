/* multipart_test.c - multipart/form-data: what comes of it, in any pieces; what is refused; limits, memory, linear
 * time. */
#include "http/multipart_internal.h"

#include <time.h>
#include <unistd.h>

#include "http/parsing.h"
#include "util/alloc_internal.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- The boundary in Content-Type ----------------------------------------------------------------------------- */

#define TEN "0123456789"
#define SEVENTY TEN TEN TEN TEN TEN TEN TEN

static const struct {
    const char *why, *text;
    int err;
    const char *want;
} types[] = {
    { "a token", "multipart/form-data; boundary=abc", 0, "abc" },
    { "quoted", "multipart/form-data; boundary=\"abc\"", 0, "abc" },
    { "RFC 2046 5.1.1: all bytes allowed", "multipart/form-data; boundary=\"aZ09'()+_,-./:=? .\"", 0,
      "aZ09'()+_,-./:=? ." },
    { "as Chrome sends it", "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", 0,
      "----WebKitFormBoundary7MA4YWxkTrZu0gW" },
    { "as JavaMail sends it, no token", "multipart/form-data; boundary=----=_Part_0_1.2/3", 0, "----=_Part_0_1.2/3" },
    { "the type has no case (Tornado wants it lower)", "Multipart/Form-DATA; boundary=a", 0, "a" },
    { "nor has the parameter's name", "multipart/form-data; Boundary=aB", 0, "aB" },
    { "white space", " multipart/form-data\t; boundary = a ", 0, "a" },
    { "other parameters", "multipart/form-data; charset=utf-8; boundary=a; x=\"boundary=b\"", 0, "a" },
    { "1 byte", "multipart/form-data;boundary=-", 0, "-" },
    { "70 bytes", "multipart/form-data; boundary=" SEVENTY, 0, SEVENTY },
    { "71 bytes", "multipart/form-data; boundary=" SEVENTY "0", TC_EPROTO, NULL },
    { "empty", "multipart/form-data; boundary=", TC_EPROTO, NULL },
    { "empty in quotes", "multipart/form-data; boundary=\"\"", TC_EPROTO, NULL },
    { "without a value", "multipart/form-data; boundary", TC_EPROTO, NULL },
    { "no parameter", "multipart/form-data", TC_EPROTO, NULL },
    { "another parameter", "multipart/form-data; boundary2=a", TC_EPROTO, NULL },
    { "a space at the end", "multipart/form-data; boundary=\"a \"", TC_EPROTO, NULL },
    { "a space without quotes", "multipart/form-data; boundary=a b", TC_EPROTO, NULL },
    { "a byte not allowed", "multipart/form-data; boundary=a*b", TC_EPROTO, NULL },
    { "an escaped quote", "multipart/form-data; boundary=\"a\\\"\"", TC_EPROTO, NULL },
    { "UTF-8", "multipart/form-data; boundary=\xc3\xa4", TC_EPROTO, NULL },
    { "two", "multipart/form-data; boundary=a; boundary=a", TC_EPROTO, NULL },
    { "two fields joined", "multipart/form-data; boundary=a, multipart/form-data; boundary=b", TC_EPROTO, NULL },
    { "a quote that does not end", "multipart/form-data; boundary=\"a", TC_EPROTO, NULL },
    { "another multipart", "multipart/mixed; boundary=a", TC_EINVAL, NULL },
    { "the whole type counts (Tornado compares a prefix)", "multipart/form-data2; boundary=a", TC_EINVAL, NULL },
    { "part of it", "multipart/form; boundary=a", TC_EINVAL, NULL },
    { "another type", "application/x-www-form-urlencoded", TC_EINVAL, NULL },
    { "nothing", "", TC_EINVAL, NULL },
    { "only a parameter", "; boundary=a", TC_EINVAL, NULL },
};

static void the_boundary_comes_from_content_type(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(types); i++) {
        tc__boundary_t boundary = { .text = "?", .len = 1 };
        tc_bytes_t text = exact(tc_str(types[i].text));
        expect_row(types[i].why, tc__multipart_boundary(text, &boundary) == types[i].err);
        expect_text(types[i].why, tc_bytes(boundary.text, boundary.len), tc_str(types[i].want ? types[i].want : "?"));
        for (size_t len = 0; len < text.len; len++) { /* every prefix, within its bounds */
            tc_bytes_t prefix = exact(tc_bytes(text.data, len));
            tc__multipart_boundary(prefix, &boundary);
            drop(prefix);
        }
        drop(text);
    }
    tc__boundary_t boundary;
    assert_int_equal(tc__multipart_boundary(tc_bytes(NULL, 0), &boundary), TC_EINVAL);
}

/* ---- A form, written down: "[name]data;" for a field, "[name|filename|raw filename|type]data;" for a file ------- */

typedef struct {
    char text[16384];
    size_t len;
    size_t calls, stop_at; /* callback number stop_at returns `stop` */
    int stop;
    bool pauses; /* each callback returns TC_DETACH */
    const tc__part_t *part;
} form_t;

static void put(form_t *form, tc_bytes_t text) {
    assert_true(text.len < sizeof form->text - form->len);
    if (text.len)
        memcpy(form->text + form->len, text.data, text.len);
    form->len += text.len;
}

static int called(form_t *form) {
    if (++form->calls == form->stop_at)
        return form->stop;
    return form->pauses ? TC_DETACH : 0;
}

static void expect_terminated(tc_bytes_t text) {
    assert_true(text.data == NULL || text.data[text.len] == '\0');
}

static int on_begin(void *self, const tc__part_t *part) {
    form_t *form = self;
    form->part = part;
    expect_terminated(part->name);
    expect_terminated(part->filename);
    expect_terminated(part->raw_filename);
    expect_terminated(part->content_type);
    assert_true((part->filename.data == NULL) == (part->raw_filename.data == NULL));
    put(form, tc_str("["));
    put(form, part->name);
    if (part->filename.data || part->content_type.data) {
        const tc_bytes_t more[] = { part->filename, part->raw_filename, part->content_type };
        for (size_t i = 0; i < COUNT(more); i++) {
            put(form, tc_str("|"));
            put(form, more[i].data ? more[i] : tc_str("-"));
        }
    }
    put(form, tc_str("]"));
    return called(form);
}

static int on_data(void *self, tc_bytes_t bytes) {
    assert_true(bytes.len > 0);
    put(self, bytes);
    return called(self);
}

static int on_end(void *self) {
    form_t *form = self;
    assert_true(form->part->name.data[0] != '\0'); /* still there */
    put(form, tc_str(";"));
    return called(form);
}

static const tc__multipart_delegate_t delegate = { on_begin, on_data, on_end };

static tc__boundary_t boundary_of(const char *text) {
    tc__boundary_t boundary = { .len = (uint8_t)strlen(text) };
    memcpy(boundary.text, text, boundary.len + 1u);
    return boundary;
}

/* One piece, which is gone behind the call, and what is left of it after each pause. */
static int feed(tc__multipart_t *multipart, tc_bytes_t piece) {
    int err;
    do {
        tc_bytes_t copy = exact(piece), rest = copy;
        err = tc__multipart_feed(multipart, &rest);
        assert_true(rest.data + rest.len == copy.data + copy.len);
        assert_true(rest.len == 0 || err != 0);
        piece = tc_bytes(piece.data + (piece.len - rest.len), rest.len);
        drop(copy);
    } while (err == TC_DETACH);
    return err;
}

/* Two pieces of which the first is `cut` long, or pieces of `size`, if that is not 0. */
static int parse(tc_bytes_t body, const char *boundary, const tc__multipart_options_t *options, size_t cut, size_t size,
                 form_t *form) {
    tc__boundary_t chosen = boundary_of(boundary);
    tc__multipart_t multipart;
    tc__multipart_init(&multipart, &chosen, options, &delegate, form);
    int err = 0;
    for (size_t at = 0; err == 0 && at < body.len;) {
        size_t len = size ? size : at < cut ? cut - at : body.len - at;
        len = len < body.len - at ? len : body.len - at;
        err = feed(&multipart, tc_bytes(body.data + at, len));
        at += len;
    }
    if (err == 0)
        err = tc__multipart_finish(&multipart);
    tc_bytes_t more = tc_str("x");
    if (err != 0) { /* for good */
        size_t calls = form->calls;
        assert_int_equal(tc__multipart_feed(&multipart, &more), err);
        assert_int_equal(tc__multipart_finish(&multipart), err);
        assert_int_equal(more.len, 1);
        assert_int_equal(form->calls, calls);
    }
    tc__multipart_deinit(&multipart);
    return err;
}

static form_t form; /* large */

static void expect_form(const char *why, tc_bytes_t body, const char *boundary, const tc__multipart_options_t *options,
                        size_t cut, size_t size, bool pauses, int err, tc_bytes_t want) {
    form = (form_t){ .pauses = pauses };
    int got = parse(body, boundary, options, cut, size, &form);
    if (got != err)
        fail_msg("%s (cut %zu, size %zu): got %d %s, want %d", why, cut, size, got, tc_error_detail(), err);
    expect_bytes(why, tc_bytes(form.text, form.len), want);
}

/* Whole, cut in two at every position, byte by byte, in threes, and each of them with pauses. */
static void expect_form_in_pieces(const char *why, tc_bytes_t body, const char *boundary,
                                  const tc__multipart_options_t *options, int err, tc_bytes_t want) {
    for (int pauses = 0; pauses <= 1; pauses++) {
        for (size_t cut = 0; cut <= body.len; cut++)
            expect_form(why, body, boundary, options, cut, 0, pauses, err, want);
        for (size_t size = 1; size <= 3; size++)
            expect_form(why, body, boundary, options, 0, size, pauses, err, want);
    }
}

/* ---- Bodies --------------------------------------------------------------------------------------------------- */

#define HEAD(disposition) "--b\r\nContent-Disposition: " disposition "\r\n"
#define FIELD(name, value) HEAD("form-data; name=\"" name "\"") "\r\n" value "\r\n"
#define END "--b--\r\n"

typedef struct {
    const char *why;
    tc_bytes_t body;
    int err;
    tc_bytes_t want;
} row_t;

static const row_t bodies[] = {
    /* what is read */
    { "a field", BYTES(FIELD("a", "1") END), 0, BYTES("[a]1;") },
    { "two", BYTES(FIELD("a", "1") FIELD("b", "2") END), 0, BYTES("[a]1;[b]2;") },
    { "equal names are all given", BYTES(FIELD("a", "1") FIELD("a", "2") END), 0, BYTES("[a]1;[a]2;") },
    { "an empty value", BYTES(FIELD("a", "") END), 0, BYTES("[a];") },
    { "RFC 2046 5.1.1: no CRLF between the empty line and the boundary", BYTES(HEAD("form-data; name=a") "\r\n" END), 0,
      BYTES("[a];") },
    { "a file", BYTES(HEAD("form-data; name=\"f\"; filename=\"a.txt\"") "Content-Type: text/plain\r\n\r\nhi\r\n" END),
      0, BYTES("[f|a.txt|a.txt|text/plain]hi;") },
    { "a file without a type", BYTES(HEAD("form-data; name=f; filename=a") "\r\nhi\r\n" END), 0,
      BYTES("[f|a|a|-]hi;") },
    { "a field with a type", BYTES(HEAD("form-data; name=f") "content-type:text/x\r\n\r\nhi\r\n" END), 0,
      BYTES("[f|-|-|text/x]hi;") },
    { "no part", BYTES("--b--\r\n"), 0, BYTES("") },
    { "nothing behind the last boundary", BYTES(FIELD("a", "1") "--b--"), 0, BYTES("[a]1;") },
    { "binary data", BYTES(FIELD("a", "\0\xff\r\n\n\r-\r\n-\r\n--\0") END), 0,
      BYTES("[a]\0\xff\r\n\n\r-\r\n-\r\n--\0;") },
    { "line ends at the ends of data", BYTES(FIELD("a", "\r\n1\r\n") END), 0, BYTES("[a]\r\n1\r\n;") },
    { "CR before the boundary", BYTES(FIELD("a", "\r\r") END), 0, BYTES("[a]\r\r;") },
    { "starts of boundaries in data", BYTES(FIELD("a", "\r\n--\r\n-\r\n-b--b\r\n--c\r\r\n--") END), 0,
      BYTES("[a]\r\n--\r\n-\r\n-b--b\r\n--c\r\r\n--;") },
    { "a boundary inside a line (Tornado splits there)", BYTES(FIELD("a", "x--b--\r\n --b\r\n\t--b") END), 0,
      BYTES("[a]x--b--\r\n --b\r\n\t--b;") },
    { "a boundary behind CR or LF alone", BYTES(FIELD("a", "x\r--b\r\ny\n--b--") END), 0,
      BYTES("[a]x\r--b\r\ny\n--b--;") },
    { "boundaries have a case", BYTES(FIELD("a", "x\r\n--B--") END), 0, BYTES("[a]x\r\n--B--;") },
    { "RFC 2046 5.1.1: preamble and epilogue", BYTES("Hello\r\n\r\n--\r\n" FIELD("a", "1") END "bye\r\n--b\r\n"), 0,
      BYTES("[a]1;") },
    { "a preamble of one line end", BYTES("\r\n" FIELD("a", "1") END), 0, BYTES("[a]1;") },
    { "a boundary inside a line of the preamble", BYTES("x--b--\r\n" FIELD("a", "1") END), 0, BYTES("[a]1;") },
    { "a preamble that begins as a boundary", BYTES("--a\r\n" FIELD("a", "1") END), 0, BYTES("[a]1;") },
    { "RFC 2046 5.1.1: padding", BYTES("--b \t \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b-- \t\r\n"), 0,
      BYTES("[a]1;") },
    { "padding at the end", BYTES("--b-- \t"), 0, BYTES("") },
    { "other fields of the part",
      BYTES("--b\r\nX: 1\r\n"
            "Content-Disposition: form-data; name=a\r\n"
            "Content-Transfer-Encoding: binary\r\nx:2\r\n\r\n1\r\n" END),
      0, BYTES("[a]1;") },
    { "what has no case", BYTES("--b\r\ncontent-DISPOSITION: Form-Data; NAME=a; FileName=b\r\n\r\n1\r\n" END), 0,
      BYTES("[a|b|b|-]1;") },
    { "a nested multipart is data", BYTES(FIELD("a", "--c\r\n\r\nx\r\n--c--") END), 0,
      BYTES("[a]--c\r\n\r\nx\r\n--c--;") },
    { "the first boundary is missing (Tornado takes it): a preamble",
      BYTES("Content-Disposition: form-data; name=a\r\n\r\n1\r\n" END), 0, BYTES("") },
    /* what is refused */
    { "an empty body", BYTES(""), TC_EPROTO, BYTES("") },
    { "no boundary", BYTES("a=1&b=2"), TC_EPROTO, BYTES("") },
    { "no last boundary", BYTES(FIELD("a", "1")), TC_EPROTO, BYTES("[a]1") },
    { "it ends in a boundary", BYTES(FIELD("a", "1") "--b"), TC_EPROTO, BYTES("[a]1;") },
    { "it ends in the last boundary", BYTES(FIELD("a", "1") "--b-"), TC_EPROTO, BYTES("[a]1;") },
    { "it ends in the last line end", BYTES(FIELD("a", "1") "--b--\r"), TC_EPROTO, BYTES("[a]1;") },
    { "it ends in a header", BYTES("--b\r\nContent-Disp"), TC_EPROTO, BYTES("") },
    { "it ends before a header's empty line", BYTES(HEAD("form-data; name=a")), TC_EPROTO, BYTES("") },
    { "data not followed by CRLF", BYTES(HEAD("form-data; name=a") "\r\n1" END), TC_EPROTO, BYTES("[a]1--b--") },
    { "a boundary with text behind it", BYTES(FIELD("a", "1\r\n--bc") END), TC_EPROTO, BYTES("[a]1;") },
    { "a dash behind a boundary", BYTES("--b-\r\n"), TC_EPROTO, BYTES("") },
    { "dashes behind padding", BYTES("--b --"), TC_EPROTO, BYTES("") },
    { "text behind the last boundary", BYTES("--b--c"), TC_EPROTO, BYTES("") },
    { "CR alone behind a boundary", BYTES("--b\rX"), TC_EPROTO, BYTES("") },
    { "CR alone behind the last boundary", BYTES("--b--\rX"), TC_EPROTO, BYTES("") },
    { "LF alone behind a boundary", BYTES("--b\nContent-Disposition: form-data; name=a\n\n1\n--b--\n"), TC_EPROTO,
      BYTES("") },
    { "LF alone behind the last boundary", BYTES(FIELD("a", "1") "--b--\n"), TC_EPROTO, BYTES("[a]1;") },
    { "LF alone in a header", BYTES("--b\r\nX: 1\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" END), TC_EPROTO,
      BYTES("") },
    { "LF alone as the empty line", BYTES(HEAD("form-data; name=a") "\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "CVE of Tornado 6.5.5: CR in a header", BYTES(HEAD("form-data; name=a\rX: 1") "\r\n1\r\n" END), TC_EPROTO,
      BYTES("") },
    { "CR before CRLF", BYTES(HEAD("form-data; name=a\r") "\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "a folded line", BYTES(HEAD("form-data;\r\n name=a") "\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "a folded first line", BYTES("--b\r\n Content-Disposition: form-data; name=a\r\n\r\n1\r\n" END), TC_EPROTO,
      BYTES("") },
    { "no header", BYTES("--b\r\n\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "no empty line", BYTES("--b\r\n" END), TC_EPROTO, BYTES("") },
    { "no Content-Disposition", BYTES("--b\r\nContent-Type: text/plain\r\n\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "two of them", BYTES(HEAD("form-data; name=a") "Content-Disposition: form-data; name=a\r\n\r\n1\r\n" END),
      TC_EPROTO, BYTES("") },
    { "two types", BYTES(HEAD("form-data; name=a") "Content-Type: a/b\r\ncontent-type: a/b\r\n\r\n1\r\n" END),
      TC_EPROTO, BYTES("") },
    { "a line without a colon", BYTES(HEAD("form-data; name=a") "X\r\n\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "a field without a name", BYTES(HEAD("form-data; name=a") ": 1\r\n\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "a blank before the colon", BYTES(HEAD("form-data; name=a") "X : 1\r\n\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "NUL in a header", BYTES(HEAD("form-data; name=a") "X: \0\r\n\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "NUL in a field's name", BYTES(HEAD("form-data; name=a") "X\0: 1\r\n\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "no UTF-8 in a header", BYTES(HEAD("form-data; name=a") "X: \xe4\r\n\r\n1\r\n" END), TC_EPROTO, BYTES("") },
    { "a fault behind a good part", BYTES(FIELD("a", "1") "--b\r\n\r\n" END), TC_EPROTO, BYTES("[a]1;") },
};

static void bodies_become_parts_in_whatever_pieces(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++)
        expect_form_in_pieces(bodies[i].why, bodies[i].body, "b", NULL, bodies[i].err, bodies[i].want);
}

static void a_boundary_of_the_longest_sort_is_found(void **state) {
    (void)state;
    const char *body = "--" SEVENTY "\r\nContent-Disposition: form-data; name=a\r\n\r\n"
                       "\r\n--" TEN "\r\n--" TEN TEN TEN TEN TEN TEN "012345678\r\n--" SEVENTY "--";
    expect_form_in_pieces("70 bytes", tc_str(body), SEVENTY, NULL, 0,
                          tc_str("[a]\r\n--" TEN "\r\n--" TEN TEN TEN TEN TEN TEN "012345678;"));
    const char *dashes = "-----\r\nContent-Disposition: form-data; name=a\r\n\r\n----\r\n---\r\n-------\r\n";
    expect_form_in_pieces("of dashes", tc_str(dashes), "---", NULL, 0, tc_str("[a]----\r\n---;"));
}

/* ---- Content-Disposition -------------------------------------------------------------------------------------- */

static const struct {
    const char *why;
    tc_bytes_t disposition, want; /* want: data NULL: refused */
} dispositions[] = {
    { "a name", BYTES("form-data; name=\"a\""), BYTES("[a]") },
    { "a name that is a token", BYTES("form-data; name=a"), BYTES("[a]") },
    { "blanks", BYTES(" \tform-data ;\tname = \"a\" "), BYTES("[a]") },
    { "UTF-8", BYTES("form-data; name=\"\xc3\xa4\"; filename=\"\xe2\x82\xac.txt\""),
      BYTES("[\xc3\xa4|\xe2\x82\xac.txt|\xe2\x82\xac.txt|-]") },
    { "a semicolon in a name", BYTES("form-data; name=\"a;b\""), BYTES("[a;b]") },
    { "an escaped quote (old browsers)", BYTES("form-data; name=\"a\\\"b\""), BYTES("[a\"b]") },
    { "a quote, CR and LF as WHATWG has them", BYTES("form-data; name=\"%22a%0D%0Ab%0d%0a\""),
      BYTES("[\"a\r\nb\r\n]") },
    { "the same in a filename", BYTES("form-data; name=f; filename=\"%22a%0D%0A.txt\""),
      BYTES("[f|\"a.txt|\"a\r\n.txt|-]") },
    { "no other percent-encoding", BYTES("form-data; name=\"%41%2522%2%\"; filename=\"%2F%00\""),
      BYTES("[%41%2522%2%|%2F%00|%2F%00|-]") },
    { "not decoded twice", BYTES("form-data; name=\"%%22%0%0A\""), BYTES("[%\"%0\n]") },
    { "an empty filename: a field", BYTES("form-data; name=f; filename=\"\""), BYTES("[f]") },
    { "another parameter", BYTES("form-data; name=f; size=3; names=x; file=y"), BYTES("[f]") },
    { "filename before name", BYTES("form-data; filename=a; name=f"), BYTES("[f|a|a|-]") },
    { "a path", BYTES("form-data; name=f; filename=\"/etc/passwd\""), BYTES("[f|passwd|/etc/passwd|-]") },
    { "a way up", BYTES("form-data; name=f; filename=\"../../a.txt\""), BYTES("[f|a.txt|../../a.txt|-]") },
    { "a path of Internet Explorer", BYTES("form-data; name=f; filename=\"C:\\dir\\a.txt\""),
      BYTES("[f|a.txt|C:\\dir\\a.txt|-]") },
    { "mixed", BYTES("form-data; name=f; filename=\"a/b\\c\""), BYTES("[f|c|a/b\\c|-]") },
    { "mixed, the other way", BYTES("form-data; name=f; filename=\"a\\b/c\""), BYTES("[f|c|a\\b/c|-]") },
    { "a folder", BYTES("form-data; name=f; filename=\"a/\""), BYTES("[f|_|a/|-]") },
    { "a dot", BYTES("form-data; name=f; filename=\".\""), BYTES("[f|_|.|-]") },
    { "two dots", BYTES("form-data; name=f; filename=\"a/..\""), BYTES("[f|_|a/..|-]") },
    { "two dots, hidden", BYTES("form-data; name=f; filename=\".%0A.\""), BYTES("[f|_|.\n.|-]") },
    { "three dots", BYTES("form-data; name=f; filename=\"...\""), BYTES("[f|...|...|-]") },
    { "a hidden file", BYTES("form-data; name=f; filename=\".a\""), BYTES("[f|.a|.a|-]") },
    { "only line ends", BYTES("form-data; name=f; filename=\"%0D%0A\""), BYTES("[f|_|\r\n|-]") },
    { "RFC 8187", BYTES("form-data; name=f; filename*=UTF-8''%e2%82%AC%20a.txt"),
      BYTES("[f|\xe2\x82\xac a.txt|\xe2\x82\xac a.txt|-]") },
    { "RFC 8187, with a language and in quotes", BYTES("form-data; name=f; filename*=\"utf-8'en'a%2Fb\""),
      BYTES("[f|b|a/b|-]") },
    { "it wins", BYTES("form-data; name=f; filename*=UTF-8''b; filename=a"), BYTES("[f|b|b|-]") },
    { "it wins at the end, too", BYTES("form-data; name=f; filename=a; filename*=utf-8''b"), BYTES("[f|b|b|-]") },
    { "it wins when empty", BYTES("form-data; name=f; filename=a; filename*=utf-8''"), BYTES("[f]") },
    { "a way up in it", BYTES("form-data; name=f; filename*=UTF-8''..%2f..%5Ca"), BYTES("[f|a|../..\\a|-]") },
    { "not form-data", BYTES("attachment; name=a"), { 0 } },
    { "not quite", BYTES("form-data2; name=a"), { 0 } },
    { "empty", BYTES(""), { 0 } },
    { "no type", BYTES("name=a"), { 0 } },
    { "no name", BYTES("form-data"), { 0 } },
    { "a filename only", BYTES("form-data; filename=a"), { 0 } },
    { "an empty name", BYTES("form-data; name=\"\""), { 0 } },
    { "a name without a value", BYTES("form-data; name"), { 0 } },
    { "a filename without a value", BYTES("form-data; name=a; filename"), { 0 } },
    { "two names", BYTES("form-data; name=a; name=b"), { 0 } },
    { "two names in two cases", BYTES("form-data; name=a; NAME=a"), { 0 } },
    { "an empty name and a second", BYTES("form-data; name=\"\"; name=b"), { 0 } },
    { "two filenames", BYTES("form-data; name=a; filename=a; filename=b"), { 0 } },
    { "two filename*", BYTES("form-data; name=a; filename*=utf-8''a; filename*=utf-8''b"), { 0 } },
    { "a quote that does not end", BYTES("form-data; name=\"a"), { 0 } },
    { "text behind a quote", BYTES("form-data; name=\"a\"b"), { 0 } },
    { "a tab in a name", BYTES("form-data; name=\"a\tb\""), { 0 } },
    { "BS in a filename", BYTES("form-data; name=a; filename=\"a\b\""), { 0 } },
    { "DEL in a name", BYTES("form-data; name=\"\x7f\""), { 0 } },
    { "NUL in a filename", BYTES("form-data; name=a; filename=\"a\0.txt\""), { 0 } },
    { "no UTF-8 in a name", BYTES("form-data; name=\"\xe4\""), { 0 } },
    { "half a character", BYTES("form-data; name=a; filename=\"\xe2\x82\""), { 0 } },
    { "a surrogate", BYTES("form-data; name=a; filename=\"\xed\xa0\x80\""), { 0 } },
    { "another charset", BYTES("form-data; name=a; filename*=iso-8859-1''%e4"), { 0 } },
    { "no charset", BYTES("form-data; name=a; filename*=a"), { 0 } },
    { "one quote", BYTES("form-data; name=a; filename*=UTF-8'a"), { 0 } },
    { "an empty filename*", BYTES("form-data; name=a; filename*="), { 0 } },
    { "filename* without a value", BYTES("form-data; name=a; filename*"), { 0 } },
    { "no hex", BYTES("form-data; name=a; filename*=UTF-8''%4g"), { 0 } },
    { "half an encoding", BYTES("form-data; name=a; filename*=UTF-8''%4"), { 0 } },
    { "a percent sign", BYTES("form-data; name=a; filename*=UTF-8''%"), { 0 } },
    { "an encoded NUL", BYTES("form-data; name=a; filename*=UTF-8''a%00.txt"), { 0 } },
    { "an encoded line end", BYTES("form-data; name=a; filename*=UTF-8''a%0a"), { 0 } },
    { "encoded, no UTF-8", BYTES("form-data; name=a; filename*=UTF-8''%ff"), { 0 } },
    { "a name in pieces", BYTES("form-data; name=a; filename*0=a; filename*1=b"), { 0 } },
    { "an extended name", BYTES("form-data; name*=UTF-8''a"), { 0 } },
};

static void names_are_decoded_and_made_safe(void **state) {
    (void)state;
    static form_t body, want; /* only their texts */
    for (size_t i = 0; i < COUNT(dispositions); i++) {
        bool refused = dispositions[i].want.data == NULL;
        body.len = want.len = 0;
        put(&body, tc_str("--b\r\nContent-Disposition: "));
        put(&body, dispositions[i].disposition);
        put(&body, tc_str("\r\n\r\n1\r\n--b--"));
        put(&want, dispositions[i].want);
        put(&want, tc_str(refused ? "" : "1;"));
        expect_form_in_pieces(dispositions[i].why, tc_bytes(body.text, body.len), "b", NULL, refused ? TC_EPROTO : 0,
                              tc_bytes(want.text, want.len));
    }
}

static char kept_name[4096];

static int keep_filename(void *self, const tc__part_t *part) {
    (void)self;
    snprintf(kept_name, sizeof kept_name, "%s", part->filename.data);
    return 0;
}

/* The sanitised filename of a part with that filename, cut. */
static const char *safe_name(const char *filename) {
    const tc__multipart_delegate_t keeps = { keep_filename, on_data, on_end };
    char text[8192];
    int len = snprintf(text, sizeof text, HEAD("form-data; name=a; filename=\"%s\"") "\r\n", filename);
    tc__boundary_t boundary = boundary_of("b");
    tc__multipart_t multipart;
    tc_bytes_t rest = tc_bytes(text, (size_t)len);
    tc__multipart_init(&multipart, &boundary, NULL, &keeps, NULL);
    assert_int_equal(tc__multipart_feed(&multipart, &rest), 0);
    tc__multipart_deinit(&multipart);
    return kept_name;
}

static void long_filenames_are_cut_between_characters(void **state) {
    (void)state;
    char name[600];
    for (size_t len = 1; len <= 300; len++) {
        memset(name, 'x', len);
        name[len] = '\0';
        assert_int_equal(strlen(safe_name(name)), len < TC__FILENAME_MAX ? len : TC__FILENAME_MAX);
    }
    static const char *const characters[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    for (size_t i = 0; i < COUNT(characters); i++) {
        size_t size = strlen(characters[i]);
        for (size_t before = 250; before <= 256; before++) {
            memset(name, 'x', before);
            memcpy(name + before, characters[i], size + 1);
            size_t fits = before + size <= TC__FILENAME_MAX ? before + size : before;
            assert_int_equal(strlen(safe_name(name)), fits < TC__FILENAME_MAX ? fits : TC__FILENAME_MAX);
        }
    }
}

static int look_at_headers(void *self, const tc__part_t *part) {
    size_t *looked = self;
    const tc__header_t *first = tc__headers_find(&part->headers, tc_str("x-a"), NULL);
    assert_string_equal(first->value, "1");
    assert_string_equal(tc__headers_find(&part->headers, tc_str("X-A"), first)->value, "2 3");
    assert_string_equal(part->headers.items[0].name, "X-a");
    assert_int_equal(part->headers.count, 4);
    ++*looked;
    return 0;
}

static int skip_data(void *self, tc_bytes_t bytes) {
    (void)self;
    (void)bytes;
    return 0;
}

static int skip_end(void *self) {
    (void)self;
    return 0;
}

static void a_part_shows_all_its_header_fields(void **state) {
    (void)state;
    const char *part = "--b\r\nX-a: 1\r\nContent-Disposition: form-data; name=a\r\nx-A:\t2 3 \r\nY:\r\n\r\n1\r\n";
    const tc__multipart_delegate_t looks = { look_at_headers, skip_data, skip_end };
    tc__boundary_t boundary = boundary_of("b");
    tc__multipart_t multipart;
    size_t looked = 0;
    tc__multipart_init(&multipart, &boundary, NULL, &looks, &looked);
    for (int i = 0; i < 3; i++) /* fields do not pile up */
        assert_int_equal(feed(&multipart, tc_str(part)), 0);
    assert_int_equal(looked, 3);
    tc__multipart_deinit(&multipart);
}

/* ---- Callbacks ------------------------------------------------------------------------------------------------ */

static void a_callback_that_fails_ends_it_for_good(void **state) {
    (void)state;
    const char *body = FIELD("a", "1") FIELD("b", "2") END;
    static const char *const want[] = { "[a]", "[a]1", "[a]1;", "[a]1;[b]", "[a]1;[b]2", "[a]1;[b]2;", "[a]1;[b]2;" };
    static const int codes[] = { TC_ECANCELED, TC_ENOMEM, -1, 413, 1 };
    for (size_t i = 0; i < COUNT(codes); i++) {
        for (size_t at = 1; at <= COUNT(want); at++) {
            for (size_t size = 1; size < 20; size++) {
                form = (form_t){ .stop_at = at, .stop = codes[i] };
                assert_int_equal(parse(tc_str(body), "b", NULL, 0, size, &form), at < COUNT(want) ? codes[i] : 0);
                expect_bytes("until then", tc_bytes(form.text, form.len), tc_str(want[at - 1]));
            }
        }
    }
}

static void a_pause_says_what_is_left(void **state) {
    (void)state;
    const char *body = FIELD("a", "1") END;
    static const char *const left[] = { "1\r\n--b--\r\n", "--\r\n", "--\r\n", "" };
    tc__boundary_t boundary = boundary_of("b");
    tc__multipart_t multipart;
    form = (form_t){ .pauses = true };
    tc__multipart_init(&multipart, &boundary, NULL, &delegate, &form);
    tc_bytes_t rest = tc_str(body);
    for (size_t i = 0; i < COUNT(left); i++) {
        assert_int_equal(tc__multipart_feed(&multipart, &rest), i + 1 < COUNT(left) ? TC_DETACH : 0);
        expect_bytes("left", rest, tc_str(left[i]));
    }
    assert_int_equal(tc__multipart_finish(&multipart), 0);
    tc__multipart_deinit(&multipart);
}

static void what_was_paused_goes_on_without_more_bytes(void **state) {
    (void)state;
    tc__boundary_t boundary = boundary_of("b");
    tc__multipart_t multipart;
    form = (form_t){ .stop_at = 2, .stop = TC_DETACH }; /* part_data; part_end is next */
    tc__multipart_init(&multipart, &boundary, NULL, &delegate, &form);
    tc_bytes_t rest = tc_str(FIELD("a", "1") "--b");
    assert_int_equal(tc__multipart_feed(&multipart, &rest), TC_DETACH);
    assert_int_equal(rest.len, 0);
    expect_bytes("not ended", tc_bytes(form.text, form.len), tc_str("[a]1"));
    rest = tc_bytes(NULL, 0);
    assert_int_equal(tc__multipart_feed(&multipart, &rest), 0);
    expect_bytes("ended", tc_bytes(form.text, form.len), tc_str("[a]1;"));
    assert_int_equal(tc__multipart_feed(&multipart, &rest), 0);
    tc__multipart_deinit(&multipart);
}

static void data_is_given_as_it_comes(void **state) {
    (void)state;
    tc__boundary_t boundary = boundary_of("b");
    tc__multipart_t multipart;
    form = (form_t){ .len = 0 };
    tc__multipart_init(&multipart, &boundary, NULL, &delegate, &form);
    assert_int_equal(feed(&multipart, tc_str(HEAD("form-data; name=a") "\r\n")), 0);
    expect_bytes("the part, before its data", tc_bytes(form.text, form.len), tc_str("[a]"));
    static const struct {
        const char *piece, *want;
    } steps[] = { { "12", "[a]12" },
                  { "\r", "[a]12" },
                  { "3\r\n--", "[a]12\r3" },
                  { "c", "[a]12\r3\r\n--c" },
                  { "\r\n--b", "[a]12\r3\r\n--c;" } };
    for (size_t i = 0; i < COUNT(steps); i++) { /* held back: only what may be a boundary */
        assert_int_equal(feed(&multipart, tc_str(steps[i].piece)), 0);
        expect_bytes(steps[i].piece, tc_bytes(form.text, form.len), tc_str(steps[i].want));
    }
    tc__multipart_deinit(&multipart);
}

/* ---- Limits --------------------------------------------------------------------------------------------------- */

typedef struct {
    char *data;
    size_t len, capacity;
} text_t;

static void add(text_t *text, const char *more, size_t len) {
    if (text->len + len > text->capacity) {
        text->capacity = 2 * (text->len + len);
        text->data = realloc(text->data, text->capacity);
        assert_non_null(text->data);
    }
    if (len > 0)
        memcpy(text->data + text->len, more, len);
    text->len += len;
}

static void add_times(text_t *text, const char *more, size_t times) {
    for (size_t i = 0; i < times; i++)
        add(text, more, strlen(more));
}

static void expect_outcome(const char *why, text_t *body, const tc__multipart_options_t *options, int err) {
    static const size_t sizes[] = { 1, 7, 1000, SIZE_MAX };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        form = (form_t){ .len = 0 };
        int got = parse(tc_bytes(body->data, body->len), "b", options, 0, sizes[i], &form);
        if (got != err)
            fail_msg("%s: got %d %s, want %d", why, got, tc_error_detail(), err);
    }
    free(body->data);
    *body = (text_t){ NULL, 0, 0 };
}

static void as_many_parts_as_allowed(void **state) {
    (void)state;
    text_t body = { NULL, 0, 0 };
    for (size_t n = 1; n <= 3; n++) {
        for (size_t parts = 0; parts <= n + 1; parts++) {
            add_times(&body, FIELD("a", "1"), parts);
            add_times(&body, END, 1);
            expect_outcome("parts", &body, &(tc__multipart_options_t){ .max_parts = n }, parts <= n ? 0 : TC_ETOOBIG);
        }
    }
    add_times(&body, FIELD("a", "1"), 100);
    add_times(&body, END, 1);
    expect_outcome("100 (Tornado: 99)", &body, NULL, 0);
    add_times(&body, FIELD("a", "1"), 101);
    add_times(&body, END, 1);
    expect_outcome("101", &body, NULL, TC_ETOOBIG);
    add_times(&body, FIELD("a", "1"), 500);
    add_times(&body, END, 1);
    expect_outcome("unlimited", &body, &(tc__multipart_options_t){ .max_parts = TC_UNLIMITED }, 0);
}

static void a_part_too_many_is_refused_at_its_boundary(void **state) {
    (void)state;
    tc__boundary_t boundary = boundary_of("b");
    tc__multipart_t multipart;
    form = (form_t){ .len = 0 };
    tc__multipart_init(&multipart, &boundary, &(tc__multipart_options_t){ .max_parts = 1 }, &delegate, &form);
    assert_int_equal(feed(&multipart, tc_str(FIELD("a", "1") "--b\r")), 0);
    allocations = 0;
    assert_int_equal(feed(&multipart, tc_str("\n")), TC_ETOOBIG);
    assert_int_equal(allocations, 0);
    assert_non_null(strstr(tc_error_detail(), "1 parts"));
    tc__multipart_deinit(&multipart);
}

static void a_part_header_as_large_as_allowed(void **state) {
    (void)state;
    const size_t least = sizeof HEAD("form-data; name=a") "\r\n" - sizeof "--b\r\n";
    static const struct {
        size_t option, limit;
    } limits[] = { { 100, 100 }, { 0, 8192 }, { 3000, 3000 }, { TC_UNLIMITED, UINT16_MAX } };
    text_t body = { NULL, 0, 0 };
    for (size_t i = 0; i < COUNT(limits); i++) {
        tc__multipart_options_t options = { .max_part_header_size = limits[i].option };
        for (size_t over = 0; over <= 1; over++) {
            add_times(&body, FIELD("a", "1"), 1); /* each part has its own */
            add_times(&body, HEAD("form-data; name=a") "X:", 1);
            add_times(&body, "x", limits[i].limit - least - 4 + over);
            add_times(&body, "\r\n\r\n1\r\n" END, 1);
            expect_outcome("one line", &body, &options, over ? TC_ETOOBIG : 0);

            add_times(&body, HEAD("form-data; name=a"), 1);
            add_times(&body, "X:\r\n", (limits[i].limit - least) / 4);
            add_times(&body, over ? "Y:\r\n" : "", 1);
            add_times(&body, "\r\n1\r\n" END, 1);
            expect_outcome("many lines", &body, &options, over ? TC_ETOOBIG : 0);
        }
    }
    add_times(&body, "--b\r\n", 1); /* a line without an end is not kept */
    add_times(&body, "x", 20000);
    expect_outcome("no line end", &body, NULL, TC_ETOOBIG);
}

static void text_of_no_part_is_bounded(void **state) {
    (void)state;
    static const struct {
        const char *why, *before, *after;
    } places[] = {
        { "preamble", "", "\r\n--b--" },
        { "preamble of lines", "\r\n--", "\r\n--b--" },
        { "epilogue", "--b--\r\n", "" },
    };
    static const size_t limits[] = { 10, 0, 5000 };
    text_t body = { NULL, 0, 0 };
    for (size_t i = 0; i < COUNT(places); i++) {
        for (size_t j = 0; j < COUNT(limits); j++) {
            size_t room = (limits[j] ? limits[j] : 8192) - (i == 1 ? 4 : 0);
            for (size_t over = 0; over <= 1; over++) {
                add_times(&body, places[i].before, 1);
                add_times(&body, "x", room + over);
                add_times(&body, places[i].after, 1);
                expect_outcome(places[i].why, &body, &(tc__multipart_options_t){ .max_ignored_size = limits[j] },
                               over ? TC_ETOOBIG : 0);
            }
        }
    }
    for (size_t over = 0; over <= 1; over++) { /* padding counts as well, and all of it together */
        add_times(&body, "x\r\n--b \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b-- \r\nx", 1);
        expect_outcome("together", &body, &(tc__multipart_options_t){ .max_ignored_size = 4 - over },
                       over ? TC_ETOOBIG : 0);
        add_times(&body, "--b", 1);
        add_times(&body, " ", 8192 + over);
        add_times(&body, "\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--", 1);
        expect_outcome("padding", &body, NULL, over ? TC_ETOOBIG : 0);
    }
}

/* ---- Memory --------------------------------------------------------------------------------------------------- */

static const char *const rich =
    "--b\r\nContent-Disposition: form-data; name=\"a\"; filename*=UTF-8''%c3%a4/b\r\n"
    "Content-Type: text/plain\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7\r\n"
    "H: 8\r\nI: 9\r\nJ: 10\r\nK: 11\r\nL: 12\r\nM: 13\r\nN: 14\r\nO: 15\r\nP: 16\r\n\r\n1\r\n";

static int parse_in_pieces(tc__arena_t *arena, size_t size) {
    (void)arena;
    text_t body = { NULL, 0, 0 };
    add_times(&body, rich, 2);
    static const char *const filenames[] = { "filename=", "filename*=UTF-8''" };
    for (size_t i = 0; i < COUNT(filenames); i++) { /* more than fits in a block */
        add_times(&body, "--b\r\nContent-Disposition: form-data; name=a; ", 1);
        add_times(&body, filenames[i], 1);
        add_times(&body, "x", 4000);
        add_times(&body, "\r\n\r\n1\r\n", 1);
    }
    add_times(&body, END, 1);
    form = (form_t){ .len = 0 };
    int err = parse(tc_bytes(body.data, body.len), "b", NULL, 0, size, &form);
    free(body.data);
    assert_true(err == 0 ? form.calls == 12 : form.calls % 3 == 0);
    return err;
}

static int parse_whole(tc__arena_t *arena) {
    return parse_in_pieces(arena, SIZE_MAX);
}

static int parse_by_bytes(tc__arena_t *arena) {
    return parse_in_pieces(arena, 1);
}

static int find_long_boundary(tc__arena_t *arena) {
    (void)arena;
    char text[1024];
    tc__boundary_t boundary = { .len = 0 };
    snprintf(text, sizeof text, "multipart/form-data; x=%0900d; boundary=a", 0);
    int err = tc__multipart_boundary(tc_str(text), &boundary);
    assert_int_equal(boundary.len, err ? 0 : 1);
    return err;
}

static void running_out_of_memory_is_said(void **state) {
    (void)state;
    with_each_allocation_failing(parse_whole);
    with_each_allocation_failing(parse_by_bytes);
    with_each_allocation_failing(find_long_boundary);
}

static void memory_is_taken_by_the_part_not_by_the_byte(void **state) {
    (void)state;
    tc__pool_t pool;
    tc__pool_init(&pool, 4);
    text_t body = { NULL, 0, 0 };
    for (size_t i = 0; i < 50; i++) {
        add_times(&body, HEAD("form-data; name=a; filename=b") "\r\n", 1);
        add_times(&body, "0123\r\n--", 200 * (i % 10));
        add_times(&body, "\r\n", 1);
    }
    add_times(&body, END, 1);
    static const tc__multipart_delegate_t skips = { NULL, skip_data, skip_end };
    for (size_t size = 1; size <= 4096; size *= 8) {
        tc__multipart_delegate_t taking = skips;
        taking.part_begin = keep_filename;
        tc__boundary_t boundary = boundary_of("b");
        tc__multipart_t multipart;
        tc__multipart_init(&multipart, &boundary, &(tc__multipart_options_t){ .pool = &pool }, &taking, NULL);
        allocations = 0;
        for (size_t at = 0; at < body.len; at += size) {
            tc_bytes_t rest = tc_bytes(body.data + at, size < body.len - at ? size : body.len - at);
            assert_int_equal(tc__multipart_feed(&multipart, &rest), 0);
        }
        assert_int_equal(tc__multipart_finish(&multipart), 0);
        assert_true(allocations <= 2); /* a block of the pool, and the start of a line */
        tc__multipart_deinit(&multipart);
    }
    free(body.data);
    tc__pool_deinit(&pool);
}

/* ---- Linear time ---------------------------------------------------------------------------------------------- */

static int skip_begin(void *self, const tc__part_t *part) {
    (void)self;
    (void)part;
    return 0;
}

/* Bodies that are hard on a careless parser; `n` is about their size. */
static text_t hard_body(size_t kind, size_t n) {
    static const char almost[] = "\r\n--" TEN TEN TEN TEN TEN TEN "012345678";
    text_t body = { NULL, 0, 0 };
    if (kind == 4) { /* parts */
        add_times(&body, "--" SEVENTY "\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", n / 120);
    } else if (kind == 5) { /* header fields, up to the limit, again and again */
        for (size_t i = 0; i < n / 8000; i++) {
            add_times(&body, "--" SEVENTY "\r\nContent-Disposition: form-data; name=a\r\n", 1);
            add_times(&body, "a:\r\n", 1960);
            add_times(&body, "\r\n\r\n", 1);
        }
    } else if (kind == 6) { /* a preamble */
        add_times(&body, almost, n / (sizeof almost - 1));
        add_times(&body, "\r\n", 1);
    } else {
        static const char *const data[] = { "x", "\r", "\r\n", almost };
        add_times(&body, "--" SEVENTY "\r\nContent-Disposition: form-data; name=a\r\n\r\n", 1);
        add_times(&body, data[kind], n / strlen(data[kind]));
        add_times(&body, "\r\n", 1);
    }
    add_times(&body, "--" SEVENTY "--", 1);
    return body;
}

enum { HARD_KINDS = 7 };

static void parse_hard(const text_t *body, size_t size) {
    static const tc__multipart_delegate_t skips = { skip_begin, skip_data, skip_end };
    const tc__multipart_options_t options = { .max_parts = TC_UNLIMITED, .max_ignored_size = TC_UNLIMITED };
    tc__boundary_t boundary = boundary_of(SEVENTY);
    tc__multipart_t multipart;
    tc__multipart_init(&multipart, &boundary, &options, &skips, NULL);
    for (size_t at = 0; at < body->len; at += size) {
        tc_bytes_t rest = tc_bytes(body->data + at, size < body->len - at ? size : body->len - at);
        assert_int_equal(tc__multipart_feed(&multipart, &rest), 0);
    }
    assert_int_equal(tc__multipart_finish(&multipart), 0);
    tc__multipart_deinit(&multipart);
}

/* This thread's own time; the least of several runs, so that what else the machine does is left out. */
static double seconds_for(size_t kind, size_t n, size_t size) {
    text_t body = hard_body(kind, n);
    double least = 1e9;
    for (int i = 0; i < 5; i++) {
        struct timespec start, end;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
        parse_hard(&body, size);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        double took = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
        least = took < least ? took : least;
    }
    free(body.data);
    return least;
}

static void eight_times_the_input_costs_nothing_like_its_square(void **state) {
    (void)state;
    for (size_t kind = 0; kind < HARD_KINDS; kind++) {
        for (size_t size = 1; size < 1 << 21; size = size == 1 ? 1000 : 1 << 21) {
            double once = seconds_for(kind, 1 << 16, size), more = seconds_for(kind, 1 << 19, size);
            if (more > 24 * once + 0.01) /* 8 is linear, 64 the square */
                fail_msg("kind %zu in pieces of %zu: %g s, then %g s", kind, size, once, more);
        }
    }
}

/* Instructions of this program when it only parses; 0: valgrind cannot tell. */
static unsigned long long instructions_for(size_t kind, size_t n) {
    char self[512], command[1024], line[256];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(len > 0);
    self[len] = '\0';
    snprintf(command, sizeof command,
             "valgrind --tool=callgrind --callgrind-out-file=/dev/null '%s' parse %zu %zu 2>&1", self, kind, n);
    unsigned long long collected = 0;
    FILE *pipe = popen(command, "r");
    while (pipe != NULL && fgets(line, sizeof line, pipe) != NULL) {
        const char *found = strstr(line, "Collected :");
        if (found != NULL)
            collected = strtoull(found + strlen("Collected :"), NULL, 10);
    }
    return pipe != NULL && pclose(pipe) == 0 ? collected : 0;
}

#if defined(TC__ASAN) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 }; /* valgrind cannot run such a program */
#else
enum { SANITIZED = 0 };
#endif

static void twice_the_input_costs_at_most_two_and_a_half_times_the_instructions(void **state) {
    (void)state;
    unsigned long long nothing = SANITIZED ? 0 : instructions_for(0, 0);
    if (nothing == 0)
        skip();
    for (size_t kind = 0; kind < HARD_KINDS; kind++) {
        unsigned long long once = instructions_for(kind, 1 << 17), twice = instructions_for(kind, 1 << 18);
        assert_true(once > nothing && twice > once);
        double ratio = (double)(twice - nothing) / (double)(once - nothing);
        if (ratio > 2.5)
            fail_msg("kind %zu: %g times", kind, ratio);
    }
}

/* multipart_test parse KIND SIZE: only that, for the test above */
static int parse_only(char **argv) {
    text_t body = hard_body(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    parse_hard(&body, 1000);
    free(body.data);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "parse") == 0)
        return parse_only(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_boundary_comes_from_content_type),
        cmocka_unit_test(bodies_become_parts_in_whatever_pieces),
        cmocka_unit_test(a_boundary_of_the_longest_sort_is_found),
        cmocka_unit_test(names_are_decoded_and_made_safe),
        cmocka_unit_test(long_filenames_are_cut_between_characters),
        cmocka_unit_test(a_part_shows_all_its_header_fields),
        cmocka_unit_test(a_callback_that_fails_ends_it_for_good),
        cmocka_unit_test(a_pause_says_what_is_left),
        cmocka_unit_test(what_was_paused_goes_on_without_more_bytes),
        cmocka_unit_test(data_is_given_as_it_comes),
        cmocka_unit_test(as_many_parts_as_allowed),
        cmocka_unit_test(a_part_too_many_is_refused_at_its_boundary),
        cmocka_unit_test(a_part_header_as_large_as_allowed),
        cmocka_unit_test(text_of_no_part_is_bounded),
        cmocka_unit_test(running_out_of_memory_is_said),
        cmocka_unit_test(memory_is_taken_by_the_part_not_by_the_byte),
        cmocka_unit_test(eight_times_the_input_costs_nothing_like_its_square),
        cmocka_unit_test(twice_the_input_costs_at_most_two_and_a_half_times_the_instructions),
    };
    use_failing_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
