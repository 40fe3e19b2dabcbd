/*
 * version.c - which library this is, and what it was built with.
 */
#include <tornadoc/util.h>

#ifdef TC__NO_COROUTINES
enum { HAS_COROUTINES = false };
#else
enum { HAS_COROUTINES = true };
#endif

#ifdef TC__BROTLI
enum { HAS_BROTLI = true };
#else
enum { HAS_BROTLI = false };
#endif

static const struct {
    const char *name;
    bool present;
} features[] = {
    { "regex", true },        { "json", true },   { "tls", true }, { "coroutines", HAS_COROUTINES },
    { "brotli", HAS_BROTLI }, { "http2", false },
};

const char *tornadoc_version(void) {
    return TORNADOC_VERSION;
}

bool tornadoc_has(const char *feature) {
    for (size_t i = 0; feature && i < sizeof(features) / sizeof(features[0]); i++)
        if (strcmp(features[i].name, feature) == 0)
            return features[i].present;
    return false;
}
