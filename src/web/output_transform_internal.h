/*
 * output_transform_internal.h - what stands around the answers of handlers. (Tornado: OutputTransform)
 */
#ifndef TC_WEB_OUTPUT_TRANSFORM_INTERNAL_H
#define TC_WEB_OUTPUT_TRANSFORM_INTERNAL_H

#include "web/request_internal.h"

typedef struct tc__transforms tc__transforms_t; /* those of one answer */

/* From a callback: is all of the body there, so that it stays on this stack? */
bool tc__request_is_whole(const tc_request_t *req);

/* Replace *transform, if it is not NULL, by a copy in the arena; 0, TC_EINVAL, TC_ENOMEM. */
int tc__transform_copy(tc__arena_t *arena, const tc_output_transform_t **transform);

/* The last of all, where answers are to be compressed. */
extern const tc_output_transform_t tc__compress_response;

#endif
