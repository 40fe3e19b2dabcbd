/*
 * version.c - which library this is, and what it was built with.
 */
#include <tornadoc/util.h>

static const struct {
    const char *name;
    bool present;
} features[] = {
    { "regex", true }, { "json", true }, { "tls", false }, { "coroutines", false }, { "http2", false },
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
