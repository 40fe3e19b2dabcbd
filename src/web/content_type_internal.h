/* content_type_internal.h - the media type of a file, by its name; those that shrink. (Tornado: mimetypes.guess_type)
 */
#ifndef TC_WEB_CONTENT_TYPE_INTERNAL_H
#define TC_WEB_CONTENT_TYPE_INTERNAL_H

#include <tornadoc/util.h>

/* Text with its charset, UTF-8; "application/octet-stream" for what is not known. */
const char *tc__content_type(const char *name);

/* Is it text, or the like, that compresses well? Parameters do not count, nor does case. */
bool tc__is_compressible(tc_bytes_t type);

#endif
