/* http_file_internal.h - a file of a form, or any part of a form that is read while it arrives. (Tornado: HTTPFile) */
#ifndef TC_WEB_HTTP_FILE_INTERNAL_H
#define TC_WEB_HTTP_FILE_INTERNAL_H

#include "http/multipart_internal.h"
#include "web/request_internal.h"
#include "web/spool_file_internal.h"

struct tc_http_file {
    tc_request_t *req; /* whose arena it is in */
    const char *field, *name, *raw_name, *content_type;
    tc_bytes_t body;         /* the bytes in memory, once they are whole */
    uint64_t size, max_size; /* so far; at most */
    bool is_file;            /* it has a filename */

    /* of a form that is read while it arrives */
    uint8_t sink;            /* tc_part_sink_t */
    bool begun, whole;       /* its sink is settled; all of it is there */
    tc__spool_file_t *spool; /* NULL: none; the request's clean-up frees it */
    tc__body_store_t memory;
    tc_http_file_t *previous; /* of the parts before it */
};

/* With copies of what the part's header says; nothing of its bytes. NULL: out of memory. */
tc_http_file_t *tc__http_file_new(tc_request_t *req, const tc__part_t *part);

/* Append to a list of pointers in the arena. 0 or TC_ENOMEM. */
int tc__http_file_add(tc_request_t *req, const tc_http_file_t ***files, size_t *count, const tc_http_file_t *file);

#endif
