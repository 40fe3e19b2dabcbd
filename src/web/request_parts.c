/*
 * request_parts.c - forms that are read while they arrive: TC_BODY_FORM.
 *
 *   per part:  part_begin --> (memory, a spool file, part_received, nothing)* --> [the last flush] --> part_end
 *
 * The parser stops wherever a callback or a flush pauses it, and what it has not taken stays with the body (TC_DETACH).
 * In memory are the fields, which are arguments, the names, and the parts that shall be there, all counted against the
 * form's limit; of a part on its way to a file, what is gathered to be written. A file that is whole has no descriptor:
 * a form may have many.
 *
 * Bodies of other types are buffered up to the same limit, so that an urlencoded form is read as ever.
 */
#include "web/http_file_internal.h"

#include <string.h>

#include "util/error_internal.h"

typedef struct {
    tc_request_t *req;
    tc__multipart_t multipart;
    tc_http_file_t *part; /* the one at hand, or the last */
    const tc_http_file_t **files;
    size_t file_count;
    size_t in_memory;
    int outcome; /* not 0: of a callback of the handler, or of ours; so it is no verdict of the parser */
    bool is_multipart;
} form_t;

/* ---- Verdicts ---- */

/* The parser stops for what is not 0. A request that was finished, or whose verbs have failed, gets no more. */
static int verdict(form_t *form, int outcome) {
    if (outcome == 0 && form->req->finished)
        outcome = TC_ECANCELED;
    if (outcome == 0)
        outcome = form->req->kept_error;
    if (outcome != 0)
        form->outcome = outcome;
    return outcome;
}

static int remember(form_t *form, size_t len) {
    if (len > form->req->app->max_form_memory - form->in_memory)
        return tc_http_error(form->req, 413, "the fields of the form are larger than the limit");
    form->in_memory += len;
    return 0;
}

/* What the parser found wrong; what callbacks said is theirs. */
static int outcome_of(form_t *form, int err) {
    if (err == 0 || err == TC_DETACH || err == form->outcome || err == TC_ENOMEM)
        return err;
    return tc_http_error(form->req, 400, tc_error_detail());
}

/* ---- A part ---- */

static const tc_request_handler_t *handler_of(const form_t *form) {
    return &form->req->endpoint->handler;
}

static int call_begin(tc_request_t *req, const tc__call_t *call) {
    return req->endpoint->handler.part_begin(req, call->part);
}

static int call_received(tc_request_t *req, const tc__call_t *call) {
    return req->endpoint->handler.part_received(req, call->part, call->bytes);
}

static int call_end(tc_request_t *req, const tc__call_t *call) {
    return req->endpoint->handler.part_end(req, call->part);
}

static int call(form_t *form, int (*run)(tc_request_t *req, const tc__call_t *call), tc_bytes_t bytes) {
    return tc__request_make(form->req, &(tc__call_t){ .run = run, .part = form->part, .bytes = bytes });
}

static int add_argument(form_t *form, tc_http_file_t *part) {
    tc_request_t *req = form->req;
    tc__arguments_t *arguments = &req->body_args;
    int err = tc__arguments_add(arguments, tc__request_arena(req), tc_str(part->field), part->body,
                                req->app->max_arguments);
    if (err == TC_ETOOBIG)
        return tc_http_error(req, 400, "too many arguments");
    TC_TRY(err);
    TC_TRY(tc__body_charge(req, part->size)); /* for the copy, which stays instead */
    part->body = arguments->items[arguments->count - 1].value;
    tc__body_drop(req, &part->memory);
    return 0;
}

static int file_away(form_t *form, tc_http_file_t *part) {
    if (part->sink == TC_PART_MEMORY && part->memory.len > 0)
        part->body = tc_bytes(part->memory.data, part->memory.len);
    if (part->sink == TC_PART_MEMORY && !part->is_file)
        return add_argument(form, part);
    if (part->sink == TC_PART_MEMORY || part->sink == TC_PART_FILE)
        return tc__http_file_add(form->req, &form->files, &form->file_count, part);
    return 0;
}

/* All of it has arrived, and is where it should be. */
static int complete_part(form_t *form) {
    tc_http_file_t *part = form->part;
    part->whole = true;
    TC_TRY(verdict(form, file_away(form, part)));
    return handler_of(form)->part_end ? verdict(form, call(form, call_end, tc_bytes(NULL, 0))) : 0;
}

/* ---- Its file ---- */

static int on_flushed(tc_request_t *req, tc_future_t *future, void *form) {
    (void)form;
    return tc_future_status(future) < 0 ? tc__request_spool_failed(req, future) : 0;
}

static int on_written(tc_request_t *req, tc_future_t *future, void *form) {
    tc__body_discharge(req, TC__SPOOL_CHARGE);
    TC_TRY(on_flushed(req, future, form));
    return complete_part(form);
}

static int begin_file(form_t *form) {
    TC_TRY(tc__body_charge(form->req, TC__SPOOL_CHARGE));
    form->part->spool = tc__request_new_spool(form->req);
    return form->part->spool ? 0 : TC_ENOMEM;
}

static int append(form_t *form, tc_bytes_t bytes) {
    if (!form->part->spool)
        TC_TRY(begin_file(form));
    tc__spool_file_t *file = form->part->spool;
    TC_TRY(tc__request_spool(form->req, file, bytes));
    if (!tc__spool_file_full(file))
        return 0;
    return tc_then(form->req, tc__spool_file_flush(file, TC__SPOOL_MORE), on_flushed, form);
}

static int finish_file(form_t *form) {
    if (!form->part->spool) /* not a byte came */
        TC_TRY(begin_file(form));
    return tc_then(form->req, tc__spool_file_flush(form->part->spool, TC__SPOOL_CLOSE), on_written, form);
}

/* ---- What the parser tells ---- */

static int begin_part(void *self, const tc__part_t *header) {
    form_t *form = self;
    size_t size = sizeof(tc_http_file_t) + header->name.len + header->filename.len + header->raw_filename.len +
                  header->content_type.len;
    TC_TRY(verdict(form, remember(form, size)));
    TC_TRY(verdict(form, tc__body_charge(form->req, size)));
    tc_http_file_t *part = tc__http_file_new(form->req, header);
    if (!part)
        return verdict(form, TC_ENOMEM);
    part->sink = part->is_file ? TC_PART_FILE : TC_PART_MEMORY;
    part->previous = form->part;
    form->part = part;
    return handler_of(form)->part_begin ? verdict(form, call(form, call_begin, tc_bytes(NULL, 0))) : 0;
}

static int give(form_t *form, tc_http_file_t *part, tc_bytes_t bytes) {
    switch (part->sink) {
    case TC_PART_MEMORY:
        TC_TRY(remember(form, bytes.len));
        return tc__body_store(form->req, &part->memory, bytes, TC__LENGTH_UNKNOWN);
    case TC_PART_FILE:
        return append(form, bytes);
    case TC_PART_CALLBACK:
        return call(form, call_received, bytes);
    default:
        return 0;
    }
}

static int take_data(void *self, tc_bytes_t bytes) {
    form_t *form = self;
    tc_http_file_t *part = form->part;
    part->begun = true;
    if (bytes.len > part->max_size - part->size)
        return verdict(form, tc_http_error(form->req, 413, "a part of the form is larger than its limit"));
    part->size += bytes.len;
    return verdict(form, give(form, part, bytes));
}

static int end_part(void *self) {
    form_t *form = self;
    form->part->begun = true;
    return form->part->sink == TC_PART_FILE ? verdict(form, finish_file(form)) : complete_part(form);
}

static const tc__multipart_delegate_t delegate = { .part_begin = begin_part,
                                                   .part_data = take_data,
                                                   .part_end = end_part };

/* ---- The form ---- */

static void free_form(void *data) {
    form_t *form = data;
    for (tc_http_file_t *part = form->part; part; part = part->previous)
        tc__body_drop(form->req, &part->memory);
    if (form->is_multipart)
        tc__multipart_deinit(&form->multipart);
}

static int begin_form(tc_request_t *req) {
    tc_bytes_t type;
    tc__boundary_t boundary;
    int err = tc__request_content_type(req, &type);
    if (err == 0)
        err = tc__multipart_boundary(type, &boundary);
    if (err < 0 && err != TC_EINVAL) /* which says that it is none */
        return err == TC_ENOMEM ? err : tc_http_error(req, 400, tc_error_detail());
    form_t *form = tc__arena_calloc(tc__request_arena(req), sizeof *form);
    if (!form)
        return TC_ENOMEM;
    form->req = req;
    form->is_multipart = err == 0;
    if (form->is_multipart)
        tc__multipart_init(&form->multipart, &boundary,
                           &(tc__multipart_options_t){ .max_parts = req->app->max_parts,
                                                       .max_part_header_size = req->app->max_part_header_size,
                                                       .pool = tc__request_arena(req)->pool },
                           &delegate, form);
    TC_TRY(tc_on_cleanup(req, free_form, form));
    req->body.state = form;
    return 0;
}

static int take(tc_request_t *req, tc_bytes_t *rest) {
    if (!req->body.state)
        TC_TRY(begin_form(req));
    form_t *form = req->body.state;
    if (form->is_multipart)
        return outcome_of(form, tc__multipart_feed(&form->multipart, rest));
    tc_bytes_t bytes = *rest;
    *rest = tc_bytes(NULL, 0);
    TC_TRY(remember(form, bytes.len));
    return tc__body_store(req, &req->body.whole, bytes, tc__body_announced(req));
}

static int end(tc_request_t *req) {
    form_t *form = req->body.state;
    if (!form || !form->is_multipart)
        return 0;
    TC_TRY(outcome_of(form, tc__multipart_finish(&form->multipart)));
    req->files = form->files;
    req->file_count = form->file_count;
    return 0;
}

const tc__body_mode_t tc__body_form = { .take = take, .end = end };
const tc__body_mode_t tc__body_form_lending = { .take = take, .end = end, .lends = true };
