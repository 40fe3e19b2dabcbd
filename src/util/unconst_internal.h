/*
 * unconst_internal.h - const taken away, where an interface forgot it or a getter's object is ours to change.
 *
 * By a union, for a cast by way of an integer hides from the compiler where a pointer comes from.
 */
#ifndef TC_UTIL_UNCONST_INTERNAL_H
#define TC_UTIL_UNCONST_INTERNAL_H

static inline void *tc__unconst(const void *pointer) {
    const union {
        const void *in;
        void *out;
    } same = { pointer };
    return same.out;
}

#endif
