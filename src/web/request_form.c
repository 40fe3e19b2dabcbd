/*
 * request_form.c - the fields and files of a form. (Tornado: parse_body_arguments, request.files, HTTPFile)
 *
 * A body that was buffered is parsed when somebody first asks for a body argument or a file. Fields are copied, for
 * they are made text; files stay where they are: as the parser is fed with all of the body, a part's data is one piece
 * of it, that begins where the parser stands when the part begins.
 */
#include "web/http_file_internal.h"

#include <string.h>

#include "util/bytes_internal.h"
#include "util/error_internal.h"
#include "util/unconst_internal.h"

typedef struct {
    tc_request_t *req;
    tc_bytes_t rest;        /* of the body: what the parser has not taken yet */
    const tc__part_t *part; /* the one at hand */
    tc_bytes_t data;        /* of it, so far */
    tc__arguments_t fields; /* the request's, once all is well */
    const tc_http_file_t **files;
    size_t file_count;
} form_t;

/* ---- multipart/form-data ---- */

static int add_field(form_t *form) {
    int err = tc__arguments_add(&form->fields, tc__request_arena(form->req), form->part->name, form->data,
                                form->req->app->max_arguments);
    return err == TC_ETOOBIG ? tc__fail(err, "too many arguments") : err;
}

static int add_file(form_t *form) {
    tc_http_file_t *file = tc__http_file_new(form->req, form->part);
    if (!file)
        return TC_ENOMEM;
    file->body = form->data;
    file->size = form->data.len;
    file->whole = true;
    return tc__http_file_add(form->req, &form->files, &form->file_count, file);
}

static int begin_part(void *self, const tc__part_t *part) {
    form_t *form = self;
    form->part = part;
    form->data = tc_bytes(form->rest.data, 0);
    return 0;
}

static int take_data(void *self, tc_bytes_t bytes) {
    form_t *form = self;
    form->data.len += bytes.len; /* the bytes may be the parser's copy of them, but none is left out */
    return 0;
}

static int end_part(void *self) {
    form_t *form = self;
    return form->part->filename.data ? add_file(form) : add_field(form);
}

static const tc__multipart_delegate_t delegate = { .part_begin = begin_part,
                                                   .part_data = take_data,
                                                   .part_end = end_part };

static int parse_multipart(tc_request_t *req, const tc__boundary_t *boundary) {
    form_t form = { .req = req, .rest = tc_body(req) };
    tc__multipart_t multipart;
    tc__multipart_init(&multipart, boundary,
                       &(tc__multipart_options_t){ .max_parts = req->app->max_parts,
                                                   .max_part_header_size = req->app->max_part_header_size,
                                                   .pool = tc__request_arena(req)->pool },
                       &delegate, &form);
    int err = tc__multipart_feed(&multipart, &form.rest);
    if (err == 0)
        err = tc__multipart_finish(&multipart);
    tc__multipart_deinit(&multipart);
    if (err < 0)
        return err;
    req->body_args = form.fields;
    req->files = form.files;
    req->file_count = form.file_count;
    return 0;
}

/* ---- Either kind ---- */

static bool is_urlencoded(tc_bytes_t content_type) {
    const char *end = memchr(content_type.data, ';', content_type.len);
    tc_bytes_t type = tc__bytes_trim(
        tc_bytes(content_type.data, end ? (size_t)(end - content_type.data) : content_type.len));
    return tc__bytes_equal_nocase(type, tc_str("application/x-www-form-urlencoded"));
}

/* All of it is decoded in one go. */
static void parse_urlencoded(tc_request_t *req) {
    if (tc_body(req).len > req->app->max_form_memory) {
        if (req->kept_error == 0)
            req->kept_error = tc_http_error(req, 413, "the form is larger than the limit");
        return;
    }
    int err = tc__arguments_parse(&req->body_args, tc__request_arena(req), tc_body(req), req->app->max_arguments);
    if (err < 0)
        tc__request_refuse_input(req, err, "too many arguments");
}

int tc__request_content_type(tc_request_t *req, tc_bytes_t *out) {
    const tc__headers_t *headers = &req->in->headers;
    const tc__header_t *field = tc__headers_first(headers, TC__HEADER_CONTENT_TYPE);
    *out = field ? tc_bytes(field->value, field->value_len) : tc_bytes("", 0);
    if (!tc__headers_repeated(headers, TC__HEADER_CONTENT_TYPE))
        return 0;
    return tc__fail(TC_EPROTO, "more than one Content-Type");
}

void tc__request_parse_form(tc_request_t *req) {
    if (req->body_parsed || !req->input_complete)
        return;
    req->body_parsed = true;
    if (req->body.whole.len == 0)
        return;
    tc_bytes_t type;
    int err = tc__request_content_type(req, &type);
    if (err == 0 && is_urlencoded(type)) {
        parse_urlencoded(req);
        return;
    }
    tc__boundary_t boundary;
    if (err == 0)
        err = tc__multipart_boundary(type, &boundary);
    if (err == TC_EINVAL) /* no form at all */
        return;
    if (err == 0)
        err = parse_multipart(req, &boundary);
    if (err < 0)
        tc__request_refuse_input(req, err, tc_error_detail());
}

/* ---- Files ---- */

/* What is parsed is kept behind a getter's const, as in request_input.c. */
static tc_request_t *parsed(const tc_request_t *req) {
    tc_request_t *r = tc__unconst(req);
    tc__request_parse_form(r);
    return r;
}

const tc_http_file_t *tc_get_file(const tc_request_t *req, const char *field) {
    if (!req || !field)
        return NULL;
    const tc_request_t *r = parsed(req);
    for (size_t i = r->file_count; i-- > 0;)
        if (strcmp(r->files[i]->field, field) == 0)
            return r->files[i];
    return NULL;
}

static size_t collect(const tc_request_t *req, const char *field, const tc_http_file_t **out) {
    size_t count = 0;
    for (size_t i = 0; i < req->file_count; i++)
        if (strcmp(req->files[i]->field, field) == 0) {
            if (out)
                out[count] = req->files[i];
            count++;
        }
    return count;
}

size_t tc_get_files(const tc_request_t *req, const char *field, const tc_http_file_t *const **out) {
    if (!req || !out)
        return 0;
    tc_request_t *r = parsed(req);
    *out = r->files;
    if (!field || r->file_count == 0)
        return r->file_count;
    size_t count = collect(r, field, NULL);
    const tc_http_file_t **files = tc__arena_alloc(tc__request_arena(r), count * sizeof *files);
    *out = files;
    if (!files) {
        tc__request_refuse_input(r, TC_ENOMEM, NULL);
        return 0;
    }
    return collect(r, field, files);
}
