/*
 * http_file.c - a file of a form. (Tornado: HTTPFile)
 *
 * Its bytes are a piece of the buffered body, or in memory of its own, or in a spool file; keeping one that is in
 * memory writes it first.
 */
#include "web/http_file_internal.h"

#include "util/error_internal.h"
#include "util/unconst_internal.h"

static const char *copy(tc_request_t *req, tc_bytes_t text) {
    return text.len > 0 ? tc__arena_strndup(tc__request_arena(req), text.data, text.len) : "";
}

tc_http_file_t *tc__http_file_new(tc_request_t *req, const tc__part_t *part) {
    tc_http_file_t *file = tc__arena_calloc(tc__request_arena(req), sizeof *file);
    if (!file)
        return NULL;
    file->req = req;
    file->is_file = part->filename.data != NULL;
    file->max_size = UINT64_MAX;
    file->field = copy(req, part->name);
    file->name = copy(req, part->filename);
    file->raw_name = copy(req, part->raw_filename);
    file->content_type = part->content_type.len > 0 ? copy(req, part->content_type) : "application/octet-stream";
    file->body = tc_bytes("", 0);
    return file->field && file->name && file->raw_name && file->content_type ? file : NULL;
}

int tc__http_file_add(tc_request_t *req, const tc_http_file_t ***files, size_t *count, const tc_http_file_t *file) {
    size_t size = sizeof **files;
    if ((*count & (*count - 1)) == 0) { /* full: 0, 1, 2, 4 … */
        const tc_http_file_t **grown = tc__arena_realloc(tc__request_arena(req), *files, *count * size,
                                                         (*count ? 2 * *count : 1) * size);
        if (!grown)
            return TC_ENOMEM;
        *files = grown;
    }
    (*files)[(*count)++] = file;
    return 0;
}

/* ---- What it is ---- */

const char *tc_http_file_field(const tc_http_file_t *file) {
    return file ? file->field : "";
}

const char *tc_http_file_name(const tc_http_file_t *file) {
    return file ? file->name : "";
}

const char *tc_http_file_raw_name(const tc_http_file_t *file) {
    return file ? file->raw_name : "";
}

const char *tc_http_file_content_type(const tc_http_file_t *file) {
    return file ? file->content_type : "";
}

uint64_t tc_http_file_size(const tc_http_file_t *file) {
    return file ? file->size : 0;
}

tc_bytes_t tc_http_file_body(const tc_http_file_t *file) {
    return file ? file->body : tc_bytes("", 0);
}

const char *tc_http_file_path(const tc_http_file_t *file) {
    return file && file->spool && file->whole ? tc__spool_file_path(file->spool) : NULL;
}

/* ---- Where it goes ---- */

static int check_unbegun(const tc_http_file_t *part, const char *what) {
    if (!part)
        return tc__misuse(TC_EINVAL, "%s: the part is NULL", what);
    return part->begun ? tc__misuse(TC_EBUSY, "%s: only from part_begin, before the part's bytes", what) : 0;
}

int tc_part_set_sink(tc_http_file_t *part, tc_part_sink_t sink) {
    TC_TRY(check_unbegun(part, "tc_part_set_sink"));
    if (sink < TC_PART_MEMORY || sink > TC_PART_DISCARD)
        return tc__misuse(TC_EINVAL, "tc_part_set_sink: %d is no sink", (int)sink);
    if (sink == TC_PART_CALLBACK && !part->req->endpoint->handler.part_received)
        return tc__misuse(TC_EINVAL, "tc_part_set_sink: TC_PART_CALLBACK needs .part_received");
    part->sink = (uint8_t)sink;
    return 0;
}

int tc_part_set_max_size(tc_http_file_t *part, uint64_t size) {
    TC_TRY(check_unbegun(part, "tc_part_set_max_size"));
    part->max_size = size;
    return 0;
}

tc_future_t *tc_http_file_keep(const tc_http_file_t *file, const char *path, unsigned flags) {
    if (!file || !path) {
        tc__fail(file ? TC_ENOMEM : TC_EINVAL, "tc_http_file_keep: the %s is NULL", file ? "path" : "file");
        return NULL;
    }
    tc_http_file_t *kept = tc__unconst(file); /* what getters return is const */
    if (!file->whole)
        return tc__future_failed(file->req->in->loop, TC_EBUSY, "tc_http_file_keep: the part is not whole yet");
    if (file->sink == TC_PART_CALLBACK || file->sink == TC_PART_DISCARD)
        return tc__future_failed(file->req->in->loop, TC_EINVAL, "tc_http_file_keep: the part's bytes went elsewhere");
    return tc__request_keep(file->req, &kept->spool, file->body, path, flags);
}
