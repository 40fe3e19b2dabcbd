/* hash_internal.h - a hash of bytes, keyed with random bytes of the process: a peer cannot choose what collides. */
#ifndef TC_UTIL_HASH_INTERNAL_H
#define TC_UTIL_HASH_INTERNAL_H

#include <tornadoc/util.h>

uint64_t tc__hash(tc_bytes_t bytes); /* any thread */

/* SipHash-2-4 under a given key. */
uint64_t tc__siphash(const uint64_t key[2], tc_bytes_t bytes);

#endif
