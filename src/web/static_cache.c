/*
 * static_cache.c - what a loop keeps of static files.
 *
 *   absent --[load]--> LOADING --[on_loaded]--> KEPT --[older than recheck_ms: load]--> LOADING, KEPT
 *                                                '--[the least lately used, or unused for a minute]--> absent
 *
 * Each loop has a cache of its own, so nothing is locked. A file that was looked at lately is used as it is; else the
 * request that wants it waits for another look, with all others that want it meanwhile: what a client gets is never
 * older than recheck_ms, however rarely somebody asks. Bounded by bytes of content, by descriptors, by names and by
 * time. Only what was found is kept, so that asking for names that do not exist pushes nothing out.
 *
 * What is kept is counted: a file that is being sent outlives its place here.
 */
#include "web/static_private.h"

#include <string.h>

#include "async/future_internal.h"
#include "util/alloc_internal.h"
#include "util/map_internal.h"

enum {
    MOST_NAMES = 1024,
    MOST_DESCRIPTORS = 128,
    MOST_BYTES = 16 * 1024 * 1024,
    UNUSED_MS = 60 * 1000,
    TICK_MS = 10 * 1000
};

typedef struct {
    tc__map_t entries; /* of entry_t, by the site's id and the name */
    tc__list_t used;   /* the least lately used first */
    size_t memory, descriptors;
    tc__timer_t timer; /* runs while there is an entry that holds a file */
    tc_ioloop_t *loop;
} cache_t;

/* The work: shared by the thread and the loop. */
typedef struct {
    _Atomic unsigned refs;
    tc__static_site_t *site;
    tc__static_file_t *old, *file; /* counted; `file` is the thread's until it is done */
    char *name;
} look_t;

typedef struct {
    cache_t *cache;
    tc__list_t node;         /* in `used`; a list of its own while it holds no file */
    tc__static_file_t *file; /* counted; NULL: only loading */
    uint64_t looked_ms, used_ms;
    tc_future_t *loading; /* whom to tell; NULL: nothing is under way */
    tc__waiter_t waiter;  /* for the work */
    look_t *look;
    size_t key_len;
    char key[]; /* NUL behind it */
} entry_t;

/* ---- The work ---- */

static void unref_look(void *arg) {
    look_t *look = arg;
    if (atomic_fetch_sub(&look->refs, 1) != 1)
        return;
    tc__static_file_unref(look->old);
    tc__static_file_unref(look->file);
    tc__static_site_unref(look->site);
    tc__free(look->name);
    tc__free(look);
}

static int run_look(void *arg, void **out) {
    (void)out;
    look_t *look = arg;
    look->file = tc__static_file_load(look->site, look->name, look->old);
    return look->file ? 0 : TC_ENOMEM;
}

static look_t *new_look(tc__static_site_t *site, const char *name, tc__static_file_t *old) {
    look_t *look = tc__calloc(1, sizeof *look);
    char *copy = tc__strndup(name, strlen(name));
    if (!look || !copy) {
        tc__free(look);
        tc__free(copy);
        return NULL;
    }
    atomic_init(&look->refs, 1);
    look->site = tc__static_site_ref(site);
    look->old = old ? tc__static_file_ref(old) : NULL;
    look->name = copy;
    return look;
}

/* ---- Entries ---- */

static void drop_file(entry_t *entry) {
    if (!entry->file)
        return;
    entry->cache->memory -= entry->file->memory;
    entry->cache->descriptors -= entry->file->descriptors;
    tc__list_remove(&entry->node);
    tc__static_file_unref(entry->file);
    entry->file = NULL;
}

/* Out of the table, unless somebody waits for it. */
static void drop_if_idle(entry_t *entry) {
    if (entry->file || entry->loading)
        return;
    tc__map_remove(&entry->cache->entries, tc_bytes(entry->key, entry->key_len));
    tc__free(entry);
}

static void touch(entry_t *entry) {
    entry->used_ms = tc__ioloop_now(entry->cache->loop);
    tc__list_remove(&entry->node);
    tc__list_push(&entry->cache->used, &entry->node);
}

static entry_t *oldest(const cache_t *cache) {
    return tc__container_of(cache->used.next, entry_t, node);
}

static void drop_oldest(cache_t *cache) {
    entry_t *entry = oldest(cache);
    drop_file(entry);
    drop_if_idle(entry);
}

static bool is_too_much(const cache_t *cache) {
    return cache->memory > MOST_BYTES || cache->descriptors > MOST_DESCRIPTORS || cache->entries.count > MOST_NAMES;
}

static void keep(entry_t *entry, tc__static_file_t *file) {
    cache_t *cache = entry->cache;
    drop_file(entry);
    entry->file = tc__static_file_ref(file);
    entry->looked_ms = tc__ioloop_now(cache->loop);
    cache->memory += file->memory;
    cache->descriptors += file->descriptors;
    touch(entry);
    while (is_too_much(cache) && !tc__list_empty(&cache->used) && oldest(cache) != entry)
        drop_oldest(cache);
    if (!tc__timer_active(&cache->timer))
        tc__timer_start(cache->loop, &cache->timer, tc__ioloop_now(cache->loop) + TICK_MS);
}

static void on_tick(tc__timer_t *timer) {
    cache_t *cache = tc__container_of(timer, cache_t, timer);
    uint64_t now = tc__ioloop_now(cache->loop);
    while (!tc__list_empty(&cache->used) && oldest(cache)->used_ms + UNUSED_MS <= now)
        drop_oldest(cache);
    if (!tc__list_empty(&cache->used))
        tc__timer_start(cache->loop, timer, now + TICK_MS);
}

/* ---- The cache of a loop ---- */

static void free_entry(void *arg) {
    entry_t *entry = arg;
    tc__waiter_cancel(&entry->waiter);
    if (entry->look)
        unref_look(entry->look);
    if (entry->loading) {
        tc_future_set_error(entry->loading, TC_ECANCELED, NULL);
        tc_future_unref(entry->loading);
    }
    drop_file(entry);
    tc__free(entry);
}

static void free_cache(void *arg) {
    cache_t *cache = arg;
    tc__map_deinit(&cache->entries, free_entry);
    tc__timer_stop(cache->loop, &cache->timer);
    tc__free(cache);
}

static cache_t *cache_of(tc_ioloop_t *loop) {
    cache_t *cache = tc__ioloop_local(loop, TC__LOCAL_FILES);
    if (cache || !(cache = tc__calloc(1, sizeof *cache)))
        return cache;
    tc__map_init(&cache->entries);
    tc__list_init(&cache->used);
    tc__timer_init(&cache->timer, on_tick);
    cache->loop = loop;
    tc__ioloop_set_local(loop, TC__LOCAL_FILES, cache, free_cache);
    return cache;
}

enum { KEY_HEAD = sizeof(uint64_t), LONGEST_NAME = 4096 };

static size_t make_key(const tc__static_site_t *site, const char *name, char key[KEY_HEAD + LONGEST_NAME]) {
    const tc_bytes_t bytes = tc_bytes(name, strlen(name));
    if (bytes.len > LONGEST_NAME)
        return 0;
    memcpy(key, &site->id, KEY_HEAD);
    memcpy(key + KEY_HEAD, bytes.data, bytes.len);
    return KEY_HEAD + bytes.len;
}

tc__static_file_t *tc__static_cache_get(tc_ioloop_t *loop, const tc__static_site_t *site, const char *name,
                                        bool stale) {
    char key[KEY_HEAD + LONGEST_NAME];
    const cache_t *cache = tc__ioloop_local(loop, TC__LOCAL_FILES);
    size_t len = cache ? make_key(site, name, key) : 0;
    entry_t *entry = len > 0 ? tc__map_get(&cache->entries, tc_bytes(key, len)) : NULL;
    if (!entry || !entry->file)
        return NULL;
    bool fresh = tc__ioloop_now(loop) - entry->looked_ms < site->options.recheck_ms;
    if (!fresh && !stale)
        return NULL;
    touch(entry);
    return tc__static_file_ref(entry->file);
}

/* The thread is done, or the loop ends and it is not: then nothing of its is looked at. */
static void on_looked(tc__waiter_t *waiter, tc_future_t *work) {
    entry_t *entry = tc__container_of(waiter, entry_t, waiter);
    tc_future_t *loading = entry->loading;
    look_t *look = entry->look;
    int err = tc_future_status(work);
    entry->loading = NULL;
    entry->look = NULL;
    if (err < 0) {
        tc_future_set_error(loading, err, NULL);
    } else {
        tc__static_file_t *file = tc__static_file_ref(look->file);
        if (file->err == 0)
            keep(entry, file);
        else
            drop_file(entry);
        tc_future_set_result(loading, file, tc__static_file_unref);
    }
    tc__future_let_go(loading);
    unref_look(look);
    drop_if_idle(entry);
}

static entry_t *entry_for(cache_t *cache, tc_bytes_t key) {
    entry_t *entry = tc__map_get(&cache->entries, key);
    if (entry)
        return entry;
    entry = tc__calloc(1, sizeof *entry + key.len + 1);
    if (!entry)
        return NULL;
    entry->cache = cache;
    entry->key_len = key.len;
    memcpy(entry->key, key.data, key.len);
    tc__list_init(&entry->node);
    tc__waiter_init(&entry->waiter, on_looked);
    if (tc__map_set(&cache->entries, key, entry, NULL) < 0) {
        tc__free(entry);
        return NULL;
    }
    return entry;
}

static bool start(entry_t *entry, tc__static_site_t *site, const char *name) {
    tc_future_t *loading = tc_future_new(entry->cache->loop);
    look_t *look = loading ? new_look(site, name, entry->file) : NULL;
    tc_future_t *work = NULL;
    if (look) {
        atomic_fetch_add(&look->refs, 1);
        work = tc__run_file_work(entry->cache->loop, run_look, look, unref_look);
    }
    if (!work) {
        if (look)
            unref_look(look);
        tc_future_unref(loading);
        return false;
    }
    entry->loading = loading;
    entry->look = look;
    tc__future_wait(work, &entry->waiter);
    tc_future_unref(work);
    return true;
}

tc_future_t *tc__static_cache_load(tc_ioloop_t *loop, tc__static_site_t *site, const char *name) {
    char key[KEY_HEAD + LONGEST_NAME];
    cache_t *cache = cache_of(loop);
    size_t len = make_key(site, name, key);
    if (len == 0)
        return tc__future_failed(loop, -ENAMETOOLONG, NULL);
    entry_t *entry = cache ? entry_for(cache, tc_bytes(key, len)) : NULL;
    if (!entry)
        return NULL;
    if (!entry->loading && !start(entry, site, name)) {
        drop_if_idle(entry);
        return NULL;
    }
    return tc_future_ref(entry->loading);
}
