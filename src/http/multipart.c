/*
 * multipart.c - multipart/form-data, read while it arrives. (Tornado: parse_multipart_form_data)
 *
 *   PREAMBLE --[boundary]--> DELIMITER --[blanks, CRLF]--> HEADERS --[empty line, part_begin]--> DATA
 *                            |   ^                                                            |
 *                            |   '----------[part_end]---------- PART_END <----[boundary]-----'
 *                            '--[--, blanks, CRLF]--> EPILOGUE
 *
 *   on the line of a boundary: DELIMITER, PADDING, LINE_END; DELIMITER, DASH, CLOSED, CLOSED_CR
 *
 * A boundary counts at the start of a line only, so what is searched for is CR LF "--" boundary. Its one CR is its
 * first byte: where a match breaks off, no other can have begun within it, and nothing is searched twice. At the start
 * of the body, and of a part's data, the CRLF has been read already (RFC 2046 lets a part without data share it with
 * the empty line), so the match begins behind it.
 *
 * What readers disagree on is refused, since one may stand in front of another: lines that end with LF alone, folded
 * header lines, repeated parameters, text behind a boundary ("--boundaryX": RFC 2046 takes it for one), RFC 2231
 * continuations, charsets other than UTF-8. As Tornado does: a name must not be empty, a file without a filename is a
 * field, Content-Transfer-Encoding is left to the reader (RFC 7578 section 4.7 wants none sent).
 *
 * Limits are checked before what exceeds them is kept, and the same whatever the pieces are.
 */
#include "http/multipart_internal.h"

#include <assert.h>
#include <string.h>

#include <tornadoc/escape.h>
#include <tornadoc/httputil.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"

enum { DEFAULT_MAX_PARTS = 100, DEFAULT_PART_HEADER_SIZE = 8 << 10, DEFAULT_IGNORED_SIZE = 8 << 10 };

enum {
    PREAMBLE,
    DELIMITER, /* right behind a boundary */
    PADDING,
    LINE_END,
    HEADERS,
    DATA,
    PART_END, /* takes no byte */
    DASH,
    CLOSED,
    CLOSED_CR,
    EPILOGUE
};

static tc_bytes_t take(tc_bytes_t *rest, size_t len) {
    tc_bytes_t head = tc_bytes(rest->data, len);
    if (len > 0)
        *rest = tc_bytes(rest->data + len, rest->len - len);
    return head;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* ---- The boundary --------------------------------------------------------------------------------------------- */

/* bchars of RFC 2046 */
static bool is_boundary_char(char c) {
    char lower = tc__lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

static bool is_boundary(tc_bytes_t text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!is_boundary_char(text.data[i]))
            return false;
    }
    return text.len > 0 && text.len <= TC__BOUNDARY_MAX && text.data[text.len - 1] != ' ';
}

static int on_type_parameter(tc_bytes_t name, tc_bytes_t value, void *user_data) {
    tc__boundary_t *boundary = user_data;
    if (!tc__bytes_equal(name, tc_str("boundary")))
        return 0;
    if (boundary->len > 0)
        return tc__fail(TC_EPROTO, "multipart: two boundaries in Content-Type");
    if (!is_boundary(value))
        return tc__fail(TC_EPROTO, "multipart: the boundary in Content-Type is not of 1 to 70 of the bytes allowed");
    memcpy(boundary->text, value.data, value.len);
    boundary->text[value.len] = '\0';
    boundary->len = (uint8_t)value.len;
    return 0;
}

/* A boundary holds nothing that would be escaped in quotes. */
static bool stands_in_quotes(tc_bytes_t text, const tc__boundary_t *boundary) {
    char quoted[TC__BOUNDARY_MAX + 2];
    quoted[0] = quoted[boundary->len + 1] = '"';
    memcpy(quoted + 1, boundary->text, boundary->len);
    return memmem(text.data, text.len, quoted, boundary->len + 2u) != NULL;
}

int tc__multipart_boundary(tc_bytes_t content_type, tc__boundary_t *boundary) {
    const char *semicolon = content_type.len ? memchr(content_type.data, ';', content_type.len) : NULL;
    size_t len = semicolon ? (size_t)(semicolon - content_type.data) : content_type.len;
    tc_bytes_t type = tc__bytes_trim(tc_bytes(content_type.data, len));
    if (!tc__bytes_equal_nocase(type, tc_str("multipart/form-data")))
        return TC_EINVAL;

    tc__boundary_t found = { .len = 0 };
    int err = tc_header_value_parse(content_type, NULL, on_type_parameter, &found);
    if (err == TC_EINVAL)
        return TC_EPROTO;
    if (err < 0)
        return err;
    if (found.len == 0)
        return tc__fail(TC_EPROTO, "multipart: no boundary in Content-Type");
    if (strchr(found.text, ' ') != NULL && !stands_in_quotes(content_type, &found))
        return tc__fail(TC_EPROTO, "multipart: a boundary with spaces, without quotes");
    *boundary = found;
    return 0;
}

/* ---- Content-Disposition -------------------------------------------------------------------------------------- */

typedef struct {
    tc__arena_t *arena;
    tc_bytes_t name, filename, extended; /* decoded; data NULL: not there. extended: of filename* */
} disposition_t;

/* Browsers send '"', CR and LF like this, and no other byte (WHATWG, "multipart/form-data encoding algorithm"). */
static char browser_escape(tc_bytes_t text) {
    static const char escapes[][4] = { "%22", "%0D", "%0A" };
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        if (text.len >= 3 && tc__bytes_equal_nocase(tc_bytes(text.data, 3), tc_bytes(escapes[i], 3)))
            return "\"\r\n"[i];
    }
    return '\0';
}

static size_t copy_browser_text(char *out, tc_bytes_t text) {
    size_t len = 0;
    while (text.len > 0) {
        char escaped = text.data[0] == '%' ? browser_escape(text) : '\0';
        out[len++] = escaped ? escaped : text.data[0];
        take(&text, escaped ? 3 : 1);
    }
    return len;
}

/* UTF-8''na%C3%AFve (RFC 8187, once RFC 5987). */
static int copy_extended_text(char *out, tc_bytes_t text, size_t *out_len) {
    const char *quote = memchr(text.data, '\'', text.len);
    size_t charset_len = quote ? (size_t)(quote - text.data) : 0;
    if (!tc__bytes_equal_nocase(take(&text, charset_len), tc_str("utf-8")))
        return tc__fail(TC_EPROTO, "multipart: filename* is not UTF-8''…");
    take(&text, 1);
    quote = memchr(text.data, '\'', text.len);
    if (quote == NULL)
        return tc__fail(TC_EPROTO, "multipart: filename* is not UTF-8''…");
    take(&text, (size_t)(quote - text.data) + 1);

    size_t len = 0;
    while (text.len > 0) {
        char byte = text.data[0];
        if (byte == '%') {
            int high = text.len > 2 ? tc__hex_digit(text.data[1]) : -1;
            int low = text.len > 2 ? tc__hex_digit(text.data[2]) : -1;
            if (high < 0 || low < 0)
                return tc__fail(TC_EPROTO, "multipart: a bad percent-encoding in filename*");
            byte = (char)(high << 4 | low);
            take(&text, 2);
        }
        take(&text, 1);
        out[len++] = byte;
    }
    *out_len = len;
    return 0;
}

static bool has_control_bytes(tc_bytes_t text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == 0x7f)
            return true;
    }
    return false;
}

/* The parts of a header field are UTF-8 already, and here only bytes of ASCII change. */
static int decode_browser_text(tc__arena_t *arena, tc_bytes_t value, tc_bytes_t *out) {
    if (has_control_bytes(value))
        return tc__fail(TC_EPROTO, "multipart: a control byte in a name");
    char *text = tc__arena_alloc(arena, value.len + 1);
    if (text == NULL)
        return TC_ENOMEM;
    *out = tc_bytes(text, copy_browser_text(text, value));
    text[out->len] = '\0';
    return 0;
}

static int decode_extended_text(tc__arena_t *arena, tc_bytes_t value, tc_bytes_t *out) {
    char *text = tc__arena_alloc(arena, value.len + 1);
    if (text == NULL)
        return TC_ENOMEM;
    size_t len = 0;
    int err = copy_extended_text(text, value, &len);
    if (err < 0)
        return err;
    text[len] = '\0';
    *out = tc_bytes(text, len);
    if (has_control_bytes(*out) || !tc_utf8_valid(*out))
        return tc__fail(TC_EPROTO, "multipart: a control byte or no UTF-8 in filename*");
    return 0;
}

/* "filename*0", "filename*0*", "name*": of RFC 2231, not of RFC 7578. */
static bool is_continuation(tc_bytes_t name) {
    return tc__bytes_starts_with(name, tc_str("filename*")) || tc__bytes_starts_with(name, tc_str("name*"));
}

static int on_disposition_parameter(tc_bytes_t name, tc_bytes_t value, void *user_data) {
    disposition_t *disposition = user_data;
    tc_bytes_t *out;
    bool extended = tc__bytes_equal(name, tc_str("filename*"));
    if (extended)
        out = &disposition->extended;
    else if (tc__bytes_equal(name, tc_str("name")))
        out = &disposition->name;
    else if (tc__bytes_equal(name, tc_str("filename")))
        out = &disposition->filename;
    else
        return is_continuation(name) ? tc__fail(TC_EPROTO, "multipart: a name in the pieces of RFC 2231") : 0;

    if (value.data == NULL || out->data != NULL)
        return tc__fail(TC_EPROTO, "multipart: %s in Content-Disposition %s", name.data,
                        value.data ? "stands there twice" : "has no value");
    return extended ? decode_extended_text(disposition->arena, value, out)
                    : decode_browser_text(disposition->arena, value, out);
}

static tc_bytes_t basename_of(tc_bytes_t path) {
    size_t start = path.len;
    while (start > 0 && path.data[start - 1] != '/' && path.data[start - 1] != '\\')
        start--;
    return tc_bytes(path.data + start, path.len - start);
}

/* Cut to TC__FILENAME_MAX bytes, between two characters. */
static size_t cut_len(const char *text, size_t len) {
    if (len <= TC__FILENAME_MAX)
        return len;
    len = TC__FILENAME_MAX;
    while (((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static int sanitise(tc__arena_t *arena, tc_bytes_t raw, tc_bytes_t *out) {
    tc_bytes_t base = basename_of(raw);
    char *text = tc__arena_alloc(arena, base.len + sizeof "_");
    if (text == NULL)
        return TC_ENOMEM;
    size_t len = 0;
    for (size_t i = 0; i < base.len; i++) {
        if (!has_control_bytes(tc_bytes(base.data + i, 1)))
            text[len++] = base.data[i];
    }
    len = cut_len(text, len);
    if (len == 0 || (text[0] == '.' && (len == 1 || (len == 2 && text[1] == '.')))) {
        text[0] = '_';
        len = 1;
    }
    text[len] = '\0';
    *out = tc_bytes(text, len);
    return 0;
}

/* The only field of that name in *value, or data NULL. */
static int single_field(const tc__headers_t *headers, const char *name, tc_bytes_t *value) {
    const tc__header_t *header = tc__headers_find(headers, tc_str(name), NULL);
    if (header == NULL)
        return 0;
    if (tc__headers_find(headers, tc_str(name), header) != NULL)
        return tc__fail(TC_EPROTO, "multipart: a part with two fields %s", name);
    *value = tc_bytes(header->value, header->value_len);
    return 0;
}

static int read_disposition(tc__arena_t *arena, tc_bytes_t field, tc__part_t *part) {
    disposition_t disposition = { .arena = arena };
    tc_bytes_t type;
    int err = tc_header_value_parse(field, &type, on_disposition_parameter, &disposition);
    if (err == TC_EINVAL)
        return tc__fail(TC_EPROTO, "multipart: Content-Disposition is not form-data; name=\"…\"");
    if (err < 0)
        return err;
    if (!tc__bytes_equal_nocase(type, tc_str("form-data")))
        return tc__fail(TC_EPROTO, "multipart: Content-Disposition is not form-data");
    if (disposition.name.len == 0)
        return tc__fail(TC_EPROTO, "multipart: a part without a name");

    part->name = disposition.name;
    tc_bytes_t filename = disposition.extended.data ? disposition.extended : disposition.filename;
    if (filename.len == 0)
        return 0; /* a field; browsers send an empty one where no file was chosen */
    part->raw_filename = filename;
    return sanitise(arena, filename, &part->filename);
}

static int read_part(tc__arena_t *arena, tc__part_t *part) {
    tc_bytes_t disposition = { NULL, 0 };
    TC_TRY(single_field(&part->headers, "Content-Disposition", &disposition));
    TC_TRY(single_field(&part->headers, "Content-Type", &part->content_type));
    if (disposition.data == NULL)
        return tc__fail(TC_EPROTO, "multipart: a part without Content-Disposition");
    return read_disposition(arena, disposition, part);
}

/* ---- Header lines --------------------------------------------------------------------------------------------- */

static int add_field(tc__multipart_t *m, tc_bytes_t line) {
    const char *colon = memchr(line.data, ':', line.len);
    size_t name_len = colon ? (size_t)(colon - line.data) : line.len;
    tc_bytes_t name = take(&line, name_len);
    if (colon == NULL || !tc__is_token(name)) /* a folded line has a blank in front of it */
        return tc__fail(TC_EPROTO, "multipart: a header line of a part is not \"name: value\"");
    take(&line, 1);
    tc_bytes_t value = tc__bytes_trim(line);
    if (!tc__is_field_value(value) || !tc_utf8_valid(value))
        return tc__fail(TC_EPROTO, "multipart: a control byte or no UTF-8 in a part's header");

    char *text = tc__arena_alloc(&m->arena, name.len + value.len + 2);
    if (text == NULL)
        return TC_ENOMEM;
    char *second = text + name.len + 1;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    if (value.len != 0)
        memcpy(second, value.data, value.len);
    second[value.len] = '\0';
    return tc__headers_append(&m->part.headers, &m->arena, tc_bytes(text, name.len), tc_bytes(second, value.len))
               ? 0
               : TC_ENOMEM;
}

static int begin_data(tc__multipart_t *m) {
    int err = read_part(&m->arena, &m->part);
    if (err < 0)
        return err;
    m->state = DATA;
    m->matched = m->virtual_len = 2;
    return m->delegate->part_begin(m->self, &m->part);
}

/* With its line end. */
static int take_line(tc__multipart_t *m, tc_bytes_t line) {
    if (line.len < 2 || line.data[line.len - 2] != '\r')
        return tc__fail(TC_EPROTO, "multipart: a line ends with LF alone");
    return line.len > 2 ? add_field(m, tc_bytes(line.data, line.len - 2)) : begin_data(m);
}

static int take_header(tc__multipart_t *m, tc_bytes_t *rest) {
    const char *newline = memchr(rest->data, '\n', rest->len);
    size_t len = newline ? (size_t)(newline - rest->data) + 1 : rest->len;
    if (len > m->max_part_header_size - m->header_size)
        return tc__fail(TC_ETOOBIG, "multipart: a part's header is larger than %zu bytes", m->max_part_header_size);
    m->header_size += len;
    tc_bytes_t line = take(rest, len);
    size_t held = tc__buffer_len(&m->line);
    if (newline != NULL && held == 0)
        return take_line(m, line);

    int err = tc__buffer_append(&m->line, line.data, line.len);
    if (err < 0 || newline == NULL)
        return err;
    err = take_line(m, tc_bytes(m->line.data + m->line.start, held + len));
    tc__buffer_consume(&m->line, held + len);
    return err;
}

/* ---- Text up to a boundary ------------------------------------------------------------------------------------ */

static int ignore(tc__multipart_t *m, size_t len) {
    if (len > m->max_ignored_size - m->ignored_size)
        return tc__fail(TC_ETOOBIG, "multipart: more than %zu bytes belong to no part", m->max_ignored_size);
    m->ignored_size += len;
    return 0;
}

static int give_text(tc__multipart_t *m, bool is_data, tc_bytes_t text) {
    if (text.len == 0)
        return 0;
    return is_data ? m->delegate->part_data(m->self, text) : ignore(m, text.len);
}

/* How many bytes of `text` go on with the delimiter. */
static size_t match(tc__multipart_t *m, tc_bytes_t text) {
    size_t len = 0;
    while (len < text.len && m->matched < m->delimiter_len && text.data[len] == m->delimiter[m->matched]) {
        len++;
        m->matched++;
    }
    return len;
}

/* What was held back is text after all. It is the delimiter's own start. */
static tc_bytes_t let_go(tc__multipart_t *m) {
    tc_bytes_t held = tc_bytes(m->delimiter + m->virtual_len, (size_t)(m->matched - m->virtual_len));
    m->matched = m->virtual_len = 0;
    return held;
}

/* The length of the text (not empty) before the delimiter, or before what may be the start of one; m->matched is how
 * much of that is there. */
static size_t find_delimiter(tc__multipart_t *m, tc_bytes_t text) {
    for (size_t at = 0;; m->matched = 0) {
        const char *cr = memchr(text.data + at, '\r', text.len - at);
        if (cr == NULL)
            return text.len;
        size_t before = (size_t)(cr - text.data);
        at = before + match(m, tc_bytes(cr, text.len - before));
        if (m->matched == m->delimiter_len || at == text.len)
            return before;
    }
}

static int take_text(tc__multipart_t *m, tc_bytes_t *rest) {
    bool is_data = m->state == DATA;
    tc_bytes_t text = { NULL, 0 };
    if (m->matched > 0) {
        take(rest, match(m, *rest));
        if (m->matched < m->delimiter_len)
            return rest->len > 0 ? give_text(m, is_data, let_go(m)) : 0;
    } else {
        text = take(rest, find_delimiter(m, *rest));
        take(rest, m->matched);
    }
    if (m->matched == m->delimiter_len) {
        m->matched = m->virtual_len = 0;
        m->state = is_data ? PART_END : DELIMITER;
    }
    return give_text(m, is_data, text);
}

/* ---- The rest of a boundary's line ---------------------------------------------------------------------------- */

static int begin_headers(tc__multipart_t *m) {
    if (m->parts == m->max_parts)
        return tc__fail(TC_ETOOBIG, "multipart: more than %zu parts", m->max_parts);
    m->parts++;
    m->header_size = 0;
    memset(&m->part, 0, sizeof m->part);
    tc__arena_deinit(&m->arena);
    m->state = HEADERS;
    return 0;
}

static int go(tc__multipart_t *m, unsigned state) {
    m->state = (uint8_t)state;
    return 0;
}

static int take_delimiter_byte(tc__multipart_t *m, char c) {
    switch (m->state) {
    case DELIMITER:
        if (c == '-')
            return go(m, DASH);
        m->state = PADDING; /* fall through */
    case PADDING:
        if (is_blank(c))
            return ignore(m, 1);
        if (c == '\r')
            return go(m, LINE_END);
        break;
    case LINE_END:
        if (c == '\n')
            return begin_headers(m);
        break;
    case DASH:
        if (c == '-')
            return go(m, CLOSED);
        break;
    case CLOSED:
        if (is_blank(c))
            return ignore(m, 1);
        if (c == '\r')
            return go(m, CLOSED_CR);
        break;
    default:
        assert(m->state == CLOSED_CR);
        if (c == '\n')
            return go(m, EPILOGUE);
    }
    return tc__fail(TC_EPROTO, "multipart: neither \"--\" nor the line's end (CRLF) behind a boundary");
}

/* ---- The parser ----------------------------------------------------------------------------------------------- */

static size_t limit(size_t option, size_t otherwise, size_t most) {
    size_t chosen = option ? option : otherwise;
    return chosen < most ? chosen : most;
}

void tc__multipart_init(tc__multipart_t *m, const tc__boundary_t *boundary, const tc__multipart_options_t *options,
                        const tc__multipart_delegate_t *delegate, void *self) {
    assert(boundary->len > 0 && boundary->len <= TC__BOUNDARY_MAX);
    const tc__multipart_options_t defaults = { .max_parts = 0 };
    if (options == NULL)
        options = &defaults;
    memset(m, 0, sizeof *m);
    m->delegate = delegate;
    m->self = self;
    m->max_parts = limit(options->max_parts, DEFAULT_MAX_PARTS, SIZE_MAX);
    m->max_part_header_size = limit(options->max_part_header_size, DEFAULT_PART_HEADER_SIZE, UINT16_MAX);
    m->max_ignored_size = limit(options->max_ignored_size, DEFAULT_IGNORED_SIZE, SIZE_MAX);
    tc__arena_init(&m->arena, options->pool);
    tc__buffer_init(&m->line, m->max_part_header_size);

    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary->text, boundary->len);
    m->delimiter_len = (uint8_t)(4 + boundary->len);
    m->matched = m->virtual_len = 2;
}

void tc__multipart_deinit(tc__multipart_t *m) {
    tc__arena_deinit(&m->arena);
    tc__buffer_deinit(&m->line);
}

static int step(tc__multipart_t *m, tc_bytes_t *rest) {
    switch (m->state) {
    case PREAMBLE:
    case DATA:
        return take_text(m, rest);
    case PART_END:
        m->state = DELIMITER;
        return m->delegate->part_end(m->self);
    case HEADERS:
        return take_header(m, rest);
    case EPILOGUE:
        return ignore(m, take(rest, rest->len).len);
    default:
        return take_delimiter_byte(m, *take(rest, 1).data);
    }
}

int tc__multipart_feed(tc__multipart_t *m, tc_bytes_t *rest) {
    int err = m->err;
    while (err == 0 && (rest->len > 0 || m->state == PART_END))
        err = step(m, rest);
    if (err != TC_DETACH)
        m->err = err;
    return err;
}

int tc__multipart_finish(tc__multipart_t *m) {
    if (m->err == 0 && m->state != CLOSED && m->state != EPILOGUE)
        m->err = tc__fail(TC_EPROTO, "multipart: the body ends before its last boundary");
    return m->err;
}
