/*
 * header_value_fuzz.c - values with parameters: all or nothing, and what was read, quoted again, is read the same. The
 * header table searches, joins and sets the same bytes.
 */
#include <string.h>

#include <tornadoc/httputil.h>

#include "fuzz/fuzzing.h"
#include "http/headers_internal.h"

typedef struct {
    char *text; /* the value and its parameters, quoted anew */
    size_t len, size, count;
} rebuilt_t;

static void put(rebuilt_t *out, char c) {
    MUST(out->len < out->size);
    out->text[out->len++] = c;
}

static void put_all(rebuilt_t *out, tc_bytes_t text, bool quoted) {
    for (size_t i = 0; i < text.len; i++) {
        if (quoted && (text.data[i] == '"' || text.data[i] == '\\'))
            put(out, '\\');
        put(out, text.data[i]);
    }
}

static int on_parameter(tc_bytes_t name, tc_bytes_t value, void *user_data) {
    rebuilt_t *out = user_data;
    MUST(tc__is_token(name) && is_terminated(name));
    for (size_t i = 0; i < name.len; i++)
        MUST(name.data[i] < 'A' || name.data[i] > 'Z');
    put(out, ';');
    put_all(out, name, false);
    if (value.data != NULL) {
        MUST(is_terminated(value) && tc__is_field_value(value));
        put_all(out, tc_str("=\""), false);
        put_all(out, value, true);
        put(out, '"');
    }
    out->count++;
    return 0;
}

static int stop(tc_bytes_t name, tc_bytes_t value, void *user_data) {
    (void)name;
    (void)value;
    (void)user_data;
    return 42;
}

static void check_value(tc_bytes_t text) {
    rebuilt_t once = { .size = 8 * text.len + 8 }, twice = { .size = 8 * text.len + 8 };
    once.text = malloc(once.size);
    twice.text = malloc(twice.size);
    MUST(once.text != NULL && twice.text != NULL);

    tc_bytes_t value = { NULL, 0 }, again = { NULL, 0 };
    int err = tc_header_value_parse(text, &value, on_parameter, &once);
    if (err < 0) {
        MUST(err == TC_EINVAL && once.count == 0 && value.data == NULL);
    } else {
        MUST(value.len > 0 && is_inside(value, text));
        MUST(tc_header_value_parse(text, NULL, stop, NULL) == (once.count ? 42 : 0));
        memmove(once.text + value.len, once.text, once.len);
        memcpy(once.text, value.data, value.len);
        tc_bytes_t whole = tc_bytes(once.text, once.len + value.len);
        MUST(tc_header_value_parse(whole, &again, on_parameter, &twice) == 0);
        MUST(tc__bytes_equal(value, again) && twice.count == once.count);
        MUST(tc__bytes_equal(tc_bytes(whole.data + value.len, once.len), tc_bytes(twice.text, twice.len)));
    }
    free(once.text);
    free(twice.text);
}

/* Lines "name:value" are fields; the rest has the empty name. */
static void append_lines(tc__headers_t *headers, tc__arena_t *arena, tc_bytes_t text) {
    while (text.len > 0) {
        const char *newline = memchr(text.data, '\n', text.len);
        tc_bytes_t line = tc_bytes(text.data, newline ? (size_t)(newline - text.data) : text.len);
        text = tc_bytes(text.data + line.len, text.len - line.len);
        if (text.len > 0)
            text = tc_bytes(text.data + 1, text.len - 1);
        const char *colon = memchr(line.data, ':', line.len);
        size_t len = colon ? (size_t)(colon - line.data) : 0;
        tc_bytes_t value = colon ? tc_bytes(colon + 1, line.len - len - 1) : line;
        if (len <= UINT16_MAX && headers->count < 1000)
            MUST(tc__headers_append(headers, arena, tc_bytes(line.data, len), value) != NULL);
    }
}

static size_t count_named(const tc__headers_t *headers, tc_bytes_t name, size_t *len) {
    size_t count = 0;
    *len = 0;
    for (const tc__header_t *h = NULL; (h = tc__headers_find(headers, name, h)) != NULL; count++) {
        MUST(tc__bytes_equal_nocase(tc_bytes(h->name, h->name_len), name));
        *len += h->value_len;
    }
    return count;
}

static void check_index(const tc__headers_t *headers) {
    size_t first[TC__HEADER_COUNT] = { 0 };
    for (size_t i = headers->count; i-- > 0;) {
        MUST(headers->items[i].id == tc__header_id(headers->items[i].name, headers->items[i].name_len));
        first[headers->items[i].id] = i + 1;
    }
    for (size_t id = 1; id < TC__HEADER_COUNT; id++)
        MUST(headers->first[id] == first[id]);
}

static void check_table(tc_bytes_t text) {
    tc__headers_t headers;
    tc__arena_t arena;
    tc__headers_init(&headers);
    tc__arena_init(&arena, NULL);
    append_lines(&headers, &arena, text);
    check_index(&headers);
    for (int id = 1; id < TC__HEADER_COUNT; id++)
        tc__headers_list_has(&headers, (tc__header_id_t)id, "close");

    if (headers.count > 0) {
        tc_bytes_t name = tc_bytes(headers.items[0].name, headers.items[0].name_len);
        char *own = tc__arena_strndup(&arena, name.data, name.len);
        size_t len, before = headers.count, count = count_named(&headers, name, &len);
        MUST(own != NULL && count > 0);
        tc_bytes_t joined = tc__headers_join(&headers, &arena, name, "; ");
        MUST(joined.len == len + 2 * (count - 1));
        if (tc__is_token(name) && tc__headers_set(&headers, &arena, own, "v") == 0)
            MUST(headers.count == before - count + 1 && count_named(&headers, name, &len) == 1 && len == 1);
        check_index(&headers);
        count = count_named(&headers, tc_bytes(own, name.len), &len);
        before = headers.count;
        tc__headers_remove(&headers, tc_bytes(own, name.len));
        MUST(headers.count == before - count);
        check_index(&headers);
    }
    tc__arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_value(tc_bytes(data, size));
    check_table(tc_bytes(data, size));
    return 0;
}
