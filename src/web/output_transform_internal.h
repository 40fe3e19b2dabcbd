/*
 * output_transform_internal.h - what stands around the answers of handlers. (Tornado: OutputTransform)
 */
#ifndef TC_WEB_OUTPUT_TRANSFORM_INTERNAL_H
#define TC_WEB_OUTPUT_TRANSFORM_INTERNAL_H

#include "web/request_internal.h"

typedef struct tc__transforms tc__transforms_t; /* those of one answer */

/* Replace *transform, if it is not NULL, by a copy in the arena; 0, TC_EINVAL, TC_ENOMEM. */
int tc__transform_copy(tc__arena_t *arena, const tc_output_transform_t **transform);

#endif
