/*
 * multipart_fuzz.c - multipart/form-data: whole, in pieces and with pauses it gives the same parts and the same
 * outcome.
 *
 * The first byte of the input seeds the pieces and chooses the limits, the rest of the first line is a Content-Type,
 * what follows the body. Where the Content-Type has no boundary, the body's is "b". Whatever that is: data is the
 * input's, in order, and holds no boundary; names are UTF-8, and the sanitised ones fit to be a file's.
 */
#include <string.h>

#include <tornadoc/escape.h>

#include "fuzz/fuzzing.h"
#include "http/multipart_internal.h"

/* What came of a body, written down in a form that cannot be mistaken. */
typedef struct {
    char *text;
    size_t len, capacity;
    tc_bytes_t left;    /* of the body: what data may still come from */
    size_t parts, data; /* data: where that of the part starts in `text` */
    bool in_part, pauses;
    const tc__boundary_t *boundary;
    unsigned seed;
} form_t;

static void put(form_t *form, tc_bytes_t text) {
    if (text.len > form->capacity - form->len) {
        form->capacity = 2 * (form->capacity + text.len);
        form->text = realloc(form->text, form->capacity);
        MUST(form->text != NULL);
    }
    if (text.len > 0)
        memcpy(form->text + form->len, text.data, text.len);
    form->len += text.len;
}

static void put_counted(form_t *form, tc_bytes_t text) {
    size_t len = text.data ? text.len : SIZE_MAX;
    put(form, tc_bytes(&len, sizeof len));
    put(form, text);
}

static unsigned next_random(unsigned *seed) {
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16;
}

static int called(form_t *form) {
    return form->pauses && next_random(&form->seed) % 2 ? TC_DETACH : 0;
}

static void check_text(tc_bytes_t text) {
    if (text.data == NULL)
        return;
    MUST(is_terminated(text) && tc_utf8_valid(text) && strlen(text.data) == text.len);
}

static void check_filename(tc_bytes_t name) {
    MUST(name.len > 0 && name.len <= TC__FILENAME_MAX);
    MUST(!tc__bytes_equal(name, tc_str(".")) && !tc__bytes_equal(name, tc_str("..")));
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        MUST(c >= 0x20 && c != 0x7f && c != '/' && c != '\\');
    }
}

static int on_begin(void *self, const tc__part_t *part) {
    form_t *form = self;
    MUST(!form->in_part);
    form->in_part = true;
    form->parts++;
    const tc_bytes_t texts[] = { part->name, part->filename, part->raw_filename, part->content_type };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_text(texts[i]);
        put_counted(form, texts[i]);
    }
    MUST(part->name.len > 0);
    MUST((part->filename.data == NULL) == (part->raw_filename.data == NULL));
    if (part->filename.data != NULL)
        check_filename(part->filename);
    for (size_t i = 0; i < part->headers.count; i++) {
        const tc__header_t *header = &part->headers.items[i];
        MUST(tc__is_token(tc_bytes(header->name, header->name_len)));
        MUST(tc__is_field_value(tc_bytes(header->value, header->value_len)));
        check_text(tc_bytes(header->name, header->name_len));
        check_text(tc_bytes(header->value, header->value_len));
        put_counted(form, tc_bytes(header->name, header->name_len));
        put_counted(form, tc_bytes(header->value, header->value_len));
    }
    put(form, tc_str("\r\n"));
    form->data = form->len;
    return called(form);
}

static int on_data(void *self, tc_bytes_t bytes) {
    form_t *form = self;
    MUST(form->in_part && bytes.len > 0);
    put(form, bytes);
    return called(form);
}

static int on_end(void *self) {
    form_t *form = self;
    MUST(form->in_part);
    form->in_part = false;
    tc_bytes_t data = tc_bytes(form->text + form->data, form->len - form->data);
    if (data.len > 0) { /* stands in what the parts before have left */
        const char *found = memmem(form->left.data, form->left.len, data.data, data.len);
        MUST(found != NULL);
        size_t used = (size_t)(found - form->left.data) + data.len;
        form->left = tc_bytes(form->left.data + used, form->left.len - used);
    }
    char delimiter[4 + TC__BOUNDARY_MAX] = "\r\n--";
    memcpy(delimiter + 4, form->boundary->text, form->boundary->len);
    MUST(memmem(data.data - 2, data.len + 2, delimiter, 4u + form->boundary->len) == NULL); /* CRLF stands before it */
    put(form, tc_str("\r\n;"));
    return called(form);
}

static const tc__multipart_delegate_t delegate = { on_begin, on_data, on_end };

/* A piece in memory of its own. */
static int feed(tc__multipart_t *multipart, tc_bytes_t piece) {
    int err;
    do {
        char *copy = malloc(piece.len + !piece.len);
        MUST(copy != NULL);
        if (piece.len > 0)
            memcpy(copy, piece.data, piece.len);
        tc_bytes_t rest = tc_bytes(copy, piece.len);
        err = tc__multipart_feed(multipart, &rest);
        MUST(rest.data + rest.len == copy + piece.len);
        MUST(err != 0 || rest.len == 0);
        size_t used = piece.len - rest.len;
        piece = tc_bytes(piece.data + used, rest.len);
        free(copy);
    } while (err == TC_DETACH);
    return err;
}

/* Pieces of up to `most` bytes. */
static int parse(form_t *form, const tc__multipart_options_t *options, tc_bytes_t body, size_t most) {
    tc__multipart_t multipart;
    tc__multipart_init(&multipart, form->boundary, options, &delegate, form);
    form->left = body;
    unsigned seed = form->seed;
    int err = 0;
    while (err == 0 && body.len > 0) {
        size_t len = most < body.len ? 1 + next_random(&seed) % most : body.len;
        len = len < body.len ? len : body.len;
        err = feed(&multipart, tc_bytes(body.data, len));
        body = tc_bytes(body.data + len, body.len - len);
    }
    if (err == 0)
        err = tc__multipart_finish(&multipart);
    MUST(err == 0 || err == TC_EPROTO || err == TC_ETOOBIG);
    MUST(err != 0 || !form->in_part);
    tc__multipart_deinit(&multipart);
    return err;
}

static tc__boundary_t choose_boundary(tc_bytes_t content_type) {
    tc__boundary_t boundary = { .text = "b", .len = 1 };
    int err = tc__multipart_boundary(content_type, &boundary);
    MUST(err == 0 || err == TC_EINVAL || err == TC_EPROTO);
    MUST(boundary.len > 0 && boundary.len <= TC__BOUNDARY_MAX && strlen(boundary.text) == boundary.len);
    MUST(err == 0 || boundary.text[0] == 'b');
    MUST(err != 0 || memmem(content_type.data, content_type.len, boundary.text, boundary.len) != NULL);
    return boundary;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *newline = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
    if (newline == NULL)
        return 0;
    tc__boundary_t boundary = choose_boundary(tc_bytes(data + 1, (size_t)(newline - data) - 1));
    tc_bytes_t body = tc_bytes(newline + 1, size - (size_t)(newline - data) - 1);
    tc__multipart_options_t options = { .max_parts = 0 };
    if (data[0] & 1)
        options = (tc__multipart_options_t){ .max_parts = 3, .max_part_header_size = 100, .max_ignored_size = 20 };

    form_t whole = { .boundary = &boundary };
    int outcome = parse(&whole, &options, body, SIZE_MAX);
    MUST(whole.parts <= (options.max_parts ? options.max_parts : 100));
    static const size_t pieces[] = { 1, 3, 20, 200, SIZE_MAX };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        form_t again = { .boundary = &boundary, .seed = data[0], .pauses = (data[0] & 2) || pieces[i] == SIZE_MAX };
        MUST(parse(&again, &options, body, pieces[i]) == outcome);
        MUST(tc__bytes_equal(tc_bytes(whole.text, whole.len), tc_bytes(again.text, again.len)));
        free(again.text);
    }
    free(whole.text);
    return 0;
}
