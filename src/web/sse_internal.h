/* sse_internal.h - what a request tells its stream of events. */
#ifndef TC_WEB_SSE_INTERNAL_H
#define TC_WEB_SSE_INTERNAL_H

#include <tornadoc/sse.h>

/* The client has left, or the server drains: finish the answer. Within enter and leave. */
void tc__sse_end(tc_sse_t *sse);
/* The answer is finished or given up: nothing more can be sent. */
void tc__sse_over(tc_sse_t *sse);

#endif
