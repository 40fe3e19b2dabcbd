/*
 * urlencoded_fuzz.c - queries and urlencoded bodies: tc__arguments_parse and tc_query_parse agree, and what they give,
 * once encoded again, gives the same.
 */
#include <tornadoc/escape.h>
#include <tornadoc/httputil.h>

#include "fuzz/fuzzing.h"
#include "http/arguments_internal.h"

typedef struct {
    const tc__arguments_t *arguments;
    size_t at;
    char *encoded; /* the pairs, encoded anew */
    size_t len;
} walk_t;

static void encode(walk_t *walk, tc_bytes_t text, char end) {
    size_t room = 3 * text.len + 1;
    size_t len = tc_url_escape(walk->encoded + walk->len, room, text);
    MUST(len < room);
    walk->len += len;
    walk->encoded[walk->len++] = end;
}

static int on_pair(tc_bytes_t name, tc_bytes_t value, void *user_data) {
    walk_t *walk = user_data;
    MUST(walk->at < walk->arguments->count);
    const tc__argument_t *argument = &walk->arguments->items[walk->at++];
    MUST(is_terminated(name) && is_terminated(value));
    MUST(tc__bytes_equal(argument->name, name));
    MUST(argument->value.len <= value.len);
    MUST(argument->valid == (tc_utf8_valid(name) && tc_utf8_valid(value)));
    encode(walk, name, '=');
    encode(walk, value, '&');
    return 0;
}

static void check_argument(const tc__arguments_t *arguments, size_t i) {
    const tc__argument_t *argument = &arguments->items[i];
    MUST(is_terminated(argument->name) && is_terminated(argument->value));
    for (size_t j = 0; j < argument->value.len; j++) {
        unsigned char c = (unsigned char)argument->value.data[j];
        MUST(c >= 0x20 || (c >= 0x09 && c <= 0x0d));
    }
    if (argument->valid) {
        MUST(tc_utf8_valid(argument->value));
        MUST(argument->value.len == 0 || argument->value.data[0] != ' ');
        MUST(argument->value.len == 0 || argument->value.data[argument->value.len - 1] != ' ');
    }
    if (i < 100) { /* looking for all of many would be slow */
        const tc__argument_t *last = tc__arguments_last(arguments, argument->name);
        MUST(last >= argument && tc__bytes_equal(last->name, argument->name));
    }
}

static void expect_equal(const tc__arguments_t *a, const tc__arguments_t *b) {
    MUST(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        MUST(tc__bytes_equal(a->items[i].name, b->items[i].name));
        MUST(tc__bytes_equal(a->items[i].value, b->items[i].value));
        MUST(a->items[i].valid == b->items[i].valid);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tc_bytes_t text = tc_bytes(data, size);
    tc__arguments_t arguments = { 0 }, again = { 0 }, refused = { 0 };
    tc__arena_t arena;
    tc__arena_init(&arena, NULL);
    MUST(tc__arguments_parse(&arguments, &arena, text, TC_UNLIMITED) == 0);
    MUST(arguments.count <= (size + 1) / 2);
    for (size_t i = 0; i < arguments.count; i++)
        check_argument(&arguments, i);

    walk_t walk = { .arguments = &arguments, .encoded = malloc(3 * size + 2 * arguments.count + 4) };
    MUST(walk.encoded != NULL);
    MUST(tc_query_parse(text, on_pair, &walk) == 0);
    MUST(walk.at == arguments.count);
    MUST(tc__arguments_parse(&again, &arena, tc_bytes(walk.encoded, walk.len), arguments.count) == 0);
    expect_equal(&arguments, &again);

    if (arguments.count > 0) {
        MUST(tc__arguments_parse(&refused, &arena, text, arguments.count - 1) == TC_ETOOBIG);
        MUST(refused.count == 0);
    }
    free(walk.encoded);
    tc__arena_deinit(&arena);
    return 0;
}
