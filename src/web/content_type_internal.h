/* content_type_internal.h - the media type of a file, by its name. (Tornado: mimetypes.guess_type) */
#ifndef TC_WEB_CONTENT_TYPE_INTERNAL_H
#define TC_WEB_CONTENT_TYPE_INTERNAL_H

#include <tornadoc/util.h>

/* Text with its charset, UTF-8; "application/octet-stream" for what is not known. */
const char *tc__content_type(const char *name);

#endif
