/*
 * static_listing.c - the page that lists a folder. Runs on a thread of files and blocks.
 *
 * It shows what may be served: names that have a URL, and of links those that lead to something beneath the folder.
 */
#define _FILE_OFFSET_BITS 64
#include "web/static_private.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <tornadoc/escape.h>

#include "util/alloc_internal.h"
#include "util/buffer_internal.h"
#include "util/file_calls_internal.h"

enum { MOST_ENTRIES = 10000, MOST_BYTES = 8 * 1024 * 1024 };

typedef struct {
    char *name; /* of a folder with its slash */
    uint64_t size;
    bool is_folder;
} item_t;

typedef struct {
    item_t *items;
    size_t count, capacity;
} items_t;

static int by_kind_and_name(const void *a, const void *b) {
    const item_t *one = a, *other = b;
    if (one->is_folder != other->is_folder)
        return one->is_folder ? -1 : 1;
    return strcmp(one->name, other->name);
}

static void free_items(items_t *items) {
    for (size_t i = 0; i < items->count; i++)
        tc__free(items->items[i].name);
    tc__free(items->items);
}

/* A name that its own URL leads to. */
static bool has_url(const tc__static_site_t *site, const char *name) {
    if (!tc_utf8_valid(tc_str(name)) || (name[0] == '.' && !site->options.dot_files))
        return false;
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '\\')
            return false;
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int add_item(items_t *items, const char *name, const struct stat *status) {
    if (items->count == items->capacity) {
        size_t capacity = items->capacity ? 2 * items->capacity : 64;
        item_t *more = tc__realloc(items->items, capacity * sizeof *more);
        if (!more)
            return TC_ENOMEM;
        items->items = more;
        items->capacity = capacity;
    }
    bool is_folder = S_ISDIR(status->st_mode);
    const size_t size = strlen(name) + sizeof "/";
    char *copy = tc__malloc(size);
    if (!copy)
        return TC_ENOMEM;
    snprintf(copy, size, "%s%s", name, is_folder ? "/" : "");
    items->items[items->count++] = (item_t){ copy, (uint64_t)status->st_size, is_folder };
    return 0;
}

/* What cannot be opened cannot be served, and is left out. */
static int add_entry(const tc__static_site_t *site, int folder, const char *name, items_t *items) {
    struct stat status;
    if (!has_url(site, name) || items->count == MOST_ENTRIES)
        return 0;
    int fd = tc__file_open_beneath(folder, name);
    if (fd < 0)
        return 0;
    int err = tc__file_sys.fstat(fd, &status) < 0 ? -errno : 0;
    tc__file_close(fd);
    if (err < 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)))
        return 0;
    return add_item(items, name, &status);
}

static int read_folder(const tc__static_site_t *site, int fd, items_t *items) {
    DIR *folder = fdopendir(fd);
    if (!folder) {
        int err = -errno;
        tc__file_close(fd);
        return err;
    }
    int err = 0;
    for (const struct dirent *entry; err == 0 && (entry = readdir(folder)) != NULL;)
        err = add_entry(site, dirfd(folder), entry->d_name, items);
    closedir(folder);
    if (items->count > 0)
        qsort(items->items, items->count, sizeof items->items[0], by_kind_and_name);
    return err;
}

/* ---- The page ---- */

static int put(tc__buffer_t *page, const char *text) {
    return tc__buffer_append(page, text, strlen(text));
}

typedef size_t (*escape_fn)(char *out, size_t size, tc_bytes_t text);

static int put_escaped(tc__buffer_t *page, escape_fn escape, const char *text) {
    size_t len = escape(NULL, 0, tc_str(text));
    TC_TRY(tc__buffer_reserve(page, len + 1));
    escape(page->data + page->end, len + 1, tc_str(text));
    page->end += (uint32_t)len;
    return 0;
}

static int put_size(tc__buffer_t *page, uint64_t size) {
    char text[40];
    snprintf(text, sizeof text, "<td>%llu</td>", (unsigned long long)size);
    return put(page, text);
}

static int put_item(tc__buffer_t *page, const item_t *item) {
    TC_TRY(put(page, "<tr><td><a href=\"./"));
    TC_TRY(put_escaped(page, tc_url_escape_path, item->name));
    TC_TRY(put(page, "\">"));
    TC_TRY(put_escaped(page, tc_xhtml_escape, item->name));
    TC_TRY(put(page, "</a></td>"));
    if (item->is_folder)
        TC_TRY(put(page, "<td></td>"));
    else
        TC_TRY(put_size(page, item->size));
    return put(page, "</tr>\n");
}

static int write_page(const tc__static_site_t *site, const char *name, const items_t *items, tc__buffer_t *page) {
    TC_TRY(put(page, "<!DOCTYPE html>\n<meta charset=\"UTF-8\">\n<title>"));
    TC_TRY(put_escaped(page, tc_xhtml_escape, site->prefix));
    TC_TRY(put_escaped(page, tc_xhtml_escape, name));
    TC_TRY(put(page, "</title>\n<h1>"));
    TC_TRY(put_escaped(page, tc_xhtml_escape, site->prefix));
    TC_TRY(put_escaped(page, tc_xhtml_escape, name));
    TC_TRY(put(page, "</h1>\n<table>\n"));
    if (name[0])
        TC_TRY(put(page, "<tr><td><a href=\"../\">../</a></td><td></td></tr>\n"));
    for (size_t i = 0; i < items->count; i++)
        TC_TRY(put_item(page, &items->items[i]));
    return put(page, "</table>\n");
}

int tc__static_listing(const tc__static_site_t *site, int root, const char *name, char **out, size_t *len) {
    items_t items = { 0 };
    tc__buffer_t page;
    int fd = tc__file_open_beneath(root, name);
    if (fd < 0)
        return fd;
    tc__buffer_init(&page, MOST_BYTES);
    int err = read_folder(site, fd, &items);
    if (err == 0)
        err = write_page(site, name, &items, &page);
    free_items(&items);
    if (err < 0) {
        tc__buffer_deinit(&page);
        return err;
    }
    *out = page.data; /* nothing was consumed */
    *len = tc__buffer_len(&page);
    return 0;
}
