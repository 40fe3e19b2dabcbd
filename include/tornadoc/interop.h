/*
 * tornadoc/interop.h - the program's own libuv loop. The one public header that names a foreign type.
 */
#ifndef TORNADOC_INTEROP_H
#define TORNADOC_INTEROP_H

#include <tornadoc/ioloop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s; /* uv_loop_t of <uv.h> */

/**
 * Serve from a loop that the program runs itself. It is never run, stopped or closed by us. Call it on the thread that
 * runs `uv`, and tc_ioloop_free before the program closes it.
 *
 * @return 0; TC_EINVAL for NULL; TC_ENOMEM or libuv's error
 */
TC_EXTERN int tc_ioloop_from_uv(tc_ioloop_t **out, struct uv_loop_s *uv) TC_MUST_CHECK;

/** The uv_loop_t below, for the program's own handles. They must be closed before an own loop is freed. */
TC_EXTERN struct uv_loop_s *tc_ioloop_uv(tc_ioloop_t *loop);

#ifdef __cplusplus
}
#endif
#endif
