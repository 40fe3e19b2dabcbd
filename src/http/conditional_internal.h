/*
 * conditional_internal.h - validators, and what requests make depend on them (RFC 9110 sections 8.8 and 13). No I/O.
 */
#ifndef TC_HTTP_CONDITIONAL_INTERNAL_H
#define TC_HTTP_CONDITIONAL_INTERNAL_H

#include "http/headers_internal.h"

#define TC__NO_DATE INT64_MIN

typedef struct {
    tc_bytes_t etag;   /* as in the field: "x" or W/"x"; empty: there is none */
    int64_t modified;  /* seconds since 1970; TC__NO_DATE: not known */
    bool date_is_weak; /* it may have changed again in that very second */
} tc__validators_t;

/* The conditions in the order of section 13.2.2. 0: they hold; 304; 412. `reads`: the method is GET or HEAD. */
int tc__check_conditions(const tc__headers_t *request, bool reads, const tc__validators_t *validators);

/* Is there no If-Range, or does it name just this representation, so that Range may be heard? */
bool tc__if_range_holds(const tc__headers_t *request, const tc__validators_t *validators);

/* Is `etag` in a list of entity tags? What is no tag is passed over. `strong`: weak ones match nothing. */
bool tc__etag_in_list(tc_bytes_t list, tc_bytes_t etag, bool strong);

/* Is it one, quotes and all? */
bool tc__is_etag(tc_bytes_t text);

#endif
