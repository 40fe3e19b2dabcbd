/*
 * conditional.c - validators, and what requests make depend on them. (Tornado: check_etag_header, and what it leaves
 * out)
 *
 *   If-Match ------------ fails: 412      else, if it is absent, If-Unmodified-Since - fails: 412
 *   If-None-Match ------- fails: 304, for other methods than GET and HEAD 412
 *                                         else, if it is absent, If-Modified-Since --- fails: 304
 *
 * If-Match and If-Range compare strongly, If-None-Match weakly (RFC 9110 section 8.8.3.2). A date that is none, and
 * one that is given more than once, is as if it were absent.
 */
#include "http/conditional_internal.h"

#include <time.h>

#include "util/bytes_internal.h"
#include "util/date_internal.h"

/* ---- Entity tags ---- */

static bool is_weak(tc_bytes_t etag) {
    return etag.len > 2 && etag.data[0] == 'W' && etag.data[1] == '/';
}

static tc_bytes_t opaque(tc_bytes_t etag) {
    return is_weak(etag) ? tc_bytes(etag.data + 2, etag.len - 2) : etag;
}

static bool is_etag_char(unsigned char c) {
    return c == 0x21 || (c >= 0x23 && c != 0x7f);
}

/* How long the tag at the start of `text` is; 0: there is none. */
static size_t etag_len(tc_bytes_t text) {
    size_t at = is_weak(text) ? 2 : 0;
    if (at == text.len || text.data[at] != '"')
        return 0;
    for (at++; at < text.len; at++) {
        if (text.data[at] == '"')
            return at + 1;
        if (!is_etag_char((unsigned char)text.data[at]))
            return 0;
    }
    return 0;
}

bool tc__is_etag(tc_bytes_t text) {
    return text.len > 0 && etag_len(text) == text.len;
}

static tc_bytes_t skip(tc_bytes_t text, size_t len) {
    return tc_bytes(text.data + len, text.len - len);
}

/* Take the next member of a list: a tag, or what stands in its place up to the comma. */
static tc_bytes_t next_member(tc_bytes_t *list) {
    size_t len = 0, blank = 0;
    while (blank < list->len && (list->data[blank] == ',' || list->data[blank] == ' ' || list->data[blank] == '\t'))
        blank++;
    *list = skip(*list, blank);
    len = etag_len(*list);
    while (len < list->len && list->data[len] != ',') /* behind a tag: what makes it none */
        len++;
    tc_bytes_t member = tc__bytes_trim(tc_bytes(list->data, len));
    *list = skip(*list, len);
    return member;
}

bool tc__etag_in_list(tc_bytes_t list, tc_bytes_t etag, bool strong) {
    if (etag.len == 0 || (strong && is_weak(etag)))
        return false;
    while (list.len > 0) {
        tc_bytes_t member = next_member(&list);
        if (tc__is_etag(member) && !(strong && is_weak(member)) && tc__bytes_equal(opaque(member), opaque(etag)))
            return true;
    }
    return false;
}

/* ---- Fields ---- */

static bool has(const tc__headers_t *request, const char *name) {
    return tc__headers_find(request, tc_str(name), NULL) != NULL;
}

/* "*" is any representation, and there is one. */
static bool names_it(const tc__headers_t *request, const char *name, tc_bytes_t etag, bool strong) {
    const tc__header_t *field = NULL;
    while ((field = tc__headers_find(request, tc_str(name), field)) != NULL) {
        tc_bytes_t value = tc_bytes(field->value, field->value_len);
        if ((value.len == 1 && value.data[0] == '*') || tc__etag_in_list(value, etag, strong))
            return true;
    }
    return false;
}

/* TC__NO_DATE: absent, repeated, or none. */
static int64_t date_of(const tc__headers_t *request, const char *name) {
    int64_t date;
    const tc__header_t *field = tc__headers_find(request, tc_str(name), NULL);
    if (!field || tc__headers_find(request, tc_str(name), field) ||
        tc__date_parse(field->value, field->value_len, (int64_t)time(NULL), &date) < 0)
        return TC__NO_DATE;
    return date;
}

static bool changed_since(const tc__validators_t *validators, int64_t date) {
    return validators->modified == TC__NO_DATE || validators->modified > date;
}

static bool must_fail(const tc__headers_t *request, const tc__validators_t *validators) {
    if (has(request, "If-Match"))
        return !names_it(request, "If-Match", validators->etag, true);
    int64_t date = date_of(request, "If-Unmodified-Since");
    return date != TC__NO_DATE && validators->modified != TC__NO_DATE && changed_since(validators, date);
}

int tc__check_conditions(const tc__headers_t *request, bool reads, const tc__validators_t *validators) {
    if (must_fail(request, validators))
        return 412;
    if (tc__headers_has(request, TC__HEADER_IF_NONE_MATCH)) {
        bool matches = names_it(request, "If-None-Match", validators->etag, false);
        return !matches ? 0 : reads ? 304 : 412;
    }
    if (!reads || !tc__headers_has(request, TC__HEADER_IF_MODIFIED_SINCE))
        return 0;
    int64_t date = date_of(request, "If-Modified-Since");
    return date != TC__NO_DATE && !changed_since(validators, date) ? 304 : 0;
}

bool tc__if_range_holds(const tc__headers_t *request, const tc__validators_t *validators) {
    const tc__header_t *field = tc__headers_find(request, tc_str("If-Range"), NULL);
    if (!field)
        return true;
    tc_bytes_t value = tc_bytes(field->value, field->value_len);
    if (value.len > 0 && (value.data[0] == '"' || is_weak(value)))
        return tc__is_etag(value) && tc__etag_in_list(value, validators->etag, true);
    int64_t date = date_of(request, "If-Range");
    return date != TC__NO_DATE && date == validators->modified && !validators->date_is_weak;
}
