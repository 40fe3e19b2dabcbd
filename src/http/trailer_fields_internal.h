/* trailer_fields_internal.h - which fields may stand behind a body. */
#ifndef TC_HTTP_TRAILER_FIELDS_INTERNAL_H
#define TC_HTTP_TRAILER_FIELDS_INTERNAL_H

#include <tornadoc/util.h>

typedef enum {
    TC__TRAILER_FINE,
    TC__TRAILER_LATE,  /* it would have had to be known before: never sent, and not given to a handler */
    TC__TRAILER_FRAMES /* it frames the message or rules the connection: whoever sends it is refused */
} tc__trailer_kind_t;

tc__trailer_kind_t tc__trailer_kind(tc_bytes_t name);

#endif
