/*
 * static_file.c - what a name beneath a folder stands for. All of it runs on a thread of files and blocks.
 *
 * One look takes in the file and its compressed siblings. What is small is read, so that header and body leave in one
 * call, and hashed: its ETag is a digest of the content, the same on every server, and unmoved by a touch. Of what is
 * larger the descriptor is kept, and the ETag is made of size and time of change, to the nanosecond. A file that was
 * changed within the last moments may change again without a new time (file systems keep time in ticks, some in
 * seconds): then that ETag is weak (RFC 9110 section 8.8.1), and the next look reads anew, whatever the times say.
 *
 * A look at what was seen before compares device, inode, size and times, and gives back the old file if all is as it
 * was.
 */
#define _FILE_OFFSET_BITS 64
#include "web/static_private.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/alloc_internal.h"
#include "util/file_calls_internal.h"
#include "web/content_type_internal.h"

enum { YOUNG_MS = 2000, HASHED_AT_ONCE = 64 * 1024 };

static const char *const extensions[TC__CODING_COUNT] = { "", ".br", ".zst", ".gz" };

/* ---- Life ---- */

tc__static_file_t *tc__static_file_ref(tc__static_file_t *file) {
    atomic_fetch_add(&file->refs, 1);
    return file;
}

static void drop_variant(tc__static_variant_t *variant) {
    if (variant->there && variant->fd >= 0)
        tc__file_close(variant->fd);
    tc__free(variant->content);
    *variant = (tc__static_variant_t){ .fd = -1 };
}

void tc__static_file_unref(void *arg) {
    tc__static_file_t *file = arg;
    if (!file || atomic_fetch_sub(&file->refs, 1) != 1)
        return;
    for (int i = 0; i < TC__CODING_COUNT; i++)
        drop_variant(&file->variants[i]);
    tc__free(file->name);
    tc__free(file);
}

/* ---- Digests and validators ---- */

static void format_digest(const unsigned char *bytes, char digest[TC__DIGEST_LEN + 1]) {
    for (int i = 0; i < TC__DIGEST_LEN / 2; i++)
        sprintf(digest + 2 * i, "%02x", bytes[i]);
}

static int hash_file(const tc__static_variant_t *variant, EVP_MD_CTX *context) {
    char *buffer = tc__malloc(HASHED_AT_ONCE);
    int err = buffer ? 0 : TC_ENOMEM;
    for (uint64_t at = 0; err == 0 && at < variant->size;) {
        ssize_t n = tc__file_pread(variant->fd, buffer, HASHED_AT_ONCE, at);
        if (n <= 0)
            err = n < 0 ? (int)n : -EIO;
        else if (EVP_DigestUpdate(context, buffer, (size_t)n) != 1)
            err = TC_ENOMEM;
        else
            at += (uint64_t)n;
    }
    tc__free(buffer);
    return err;
}

int tc__static_hash(const tc__static_variant_t *variant, char digest[TC__DIGEST_LEN + 1]) {
    unsigned char bytes[SHA256_DIGEST_LENGTH];
    if (variant->content || variant->size == 0) {
        const char *content = variant->content ? variant->content : "";
        if (!SHA256((const unsigned char *)content, (size_t)variant->size, bytes))
            return TC_ENOMEM;
        format_digest(bytes, digest);
        return 0;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int err = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 ? 0 : TC_ENOMEM;
    if (err == 0)
        err = hash_file(variant, context);
    if (err == 0 && EVP_DigestFinal_ex(context, bytes, NULL) != 1)
        err = TC_ENOMEM;
    EVP_MD_CTX_free(context);
    if (err == 0)
        format_digest(bytes, digest);
    return err;
}

static void make_etag(tc__static_variant_t *variant, tc__coding_t coding) {
    const char *dash = coding == TC__CODING_IDENTITY ? "" : "-";
    const char *name = coding == TC__CODING_IDENTITY ? "" : tc__coding_names[coding];
    if (variant->digest[0])
        snprintf(variant->etag, sizeof variant->etag, "\"%s%s%s\"", variant->digest, dash, name);
    else
        snprintf(variant->etag, sizeof variant->etag, "%s\"%llx-%llx%s%s\"", variant->weak ? "W/" : "",
                 (unsigned long long)variant->modified_ns, (unsigned long long)variant->size, dash, name);
}

/* ---- One file ---- */

static int64_t nanoseconds(struct timespec time) {
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void take_status(tc__static_variant_t *variant, const struct stat *status) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
#if defined(__APPLE__)
    variant->modified_ns = nanoseconds(status->st_mtimespec);
    variant->changed_ns = nanoseconds(status->st_ctimespec);
#else
    variant->modified_ns = nanoseconds(status->st_mtim);
    variant->changed_ns = nanoseconds(status->st_ctim);
#endif
    variant->device = status->st_dev;
    variant->inode = status->st_ino;
    variant->size = (uint64_t)status->st_size;
    variant->modified = (int64_t)status->st_mtime;
    variant->young = nanoseconds(now) - variant->changed_ns < (int64_t)YOUNG_MS * 1000000;
    variant->weak = nanoseconds(now) - variant->modified_ns < (int64_t)YOUNG_MS * 1000000;
    tc__date_format(variant->last_modified, variant->modified);
}

static int read_content(tc__static_variant_t *variant) {
    variant->content = tc__malloc((size_t)variant->size + 1);
    if (!variant->content)
        return TC_ENOMEM;
    ssize_t n = tc__file_pread(variant->fd, variant->content, (size_t)variant->size, 0);
    if (n < 0)
        return (int)n;
    variant->size = (uint64_t)n; /* less if it is just being cut */
    tc__file_close(variant->fd);
    variant->fd = -1;
    return tc__static_hash(variant, variant->digest);
}

static bool is_same(const tc__static_variant_t *a, const tc__static_variant_t *b) {
    return b->there && !b->young && a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

/* Of a regular file: 0; of a folder -EISDIR; else a negative code, -ENXIO for what is neither. The descriptor is the
 * variant's, or closed. */
static int look(int root, const char *name, tc__static_variant_t *variant) {
    struct stat status;
    int fd = tc__file_open_beneath(root, name);
    if (fd < 0)
        return fd;
    int err = tc__file_sys.fstat(fd, &status) < 0 ? -errno : 0;
    if (err == 0 && !S_ISREG(status.st_mode))
        err = S_ISDIR(status.st_mode) ? -EISDIR : -ENXIO;
    if (err < 0) {
        tc__file_close(fd);
        return err;
    }
    take_status(variant, &status);
    variant->there = true;
    variant->fd = fd;
    return 0;
}

/* ---- A name ---- */

static tc__static_file_t *new_file(void) {
    tc__static_file_t *file = tc__calloc(1, sizeof *file);
    if (!file)
        return NULL;
    atomic_init(&file->refs, 1);
    for (int i = 0; i < TC__CODING_COUNT; i++)
        file->variants[i].fd = -1;
    return file;
}

static bool ends_with_slash(const char *name) {
    size_t len = strlen(name);
    return len == 0 || name[len - 1] == '/';
}

static char *join(const char *a, const char *b, const char *c) {
    const size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = tc__malloc(size);
    if (text)
        snprintf(text, size, "%s%s%s", a, b, c);
    return text;
}

static bool is_absent(int err) {
    return err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -EXDEV || err == -ENAMETOOLONG;
}

/* A sibling that is older than the file was made of another one. One that cannot be had is as if it were not there. */
static int look_at_siblings(const tc__static_site_t *site, int root, tc__static_file_t *file) {
    for (int i = 1; site->options.precompressed && i < TC__CODING_COUNT; i++) {
        tc__static_variant_t *variant = &file->variants[i];
        char *name = join(file->name, extensions[i], "");
        if (!name)
            return TC_ENOMEM;
        int err = look(root, name, variant);
        tc__free(name);
        if (err == 0 && variant->modified_ns < file->variants[0].modified_ns)
            drop_variant(variant);
    }
    return 0;
}

static bool nothing_changed(const tc__static_file_t *file, const tc__static_file_t *old) {
    if (!old || old->err < 0 || old->redirects || old->generated || strcmp(file->name, old->name) != 0)
        return false;
    for (int i = 0; i < TC__CODING_COUNT; i++)
        if (file->variants[i].there != old->variants[i].there ||
            (file->variants[i].there && !is_same(&file->variants[i], &old->variants[i])))
            return false;
    return true;
}

static int take_contents(tc__static_file_t *file) {
    for (int i = 0; i < TC__CODING_COUNT; i++) {
        tc__static_variant_t *variant = &file->variants[i];
        if (!variant->there)
            continue;
        if (variant->size <= TC__MOST_IN_MEMORY)
            TC_TRY(read_content(variant));
        make_etag(variant, (tc__coding_t)i);
        file->has_codings |= i != TC__CODING_IDENTITY;
        file->memory += variant->content ? (size_t)variant->size : 0;
        file->descriptors += variant->fd >= 0;
    }
    return 0;
}

static int take_listing(const tc__static_site_t *site, int root, const char *name, tc__static_file_t *file) {
    tc__static_variant_t *page = &file->variants[TC__CODING_IDENTITY];
    size_t len;
    TC_TRY(tc__static_listing(site, root, name, &page->content, &len));
    file->generated = true;
    file->content_type = "text/html; charset=UTF-8";
    file->memory = len;
    page->there = true;
    page->size = len;
    page->modified = TC__NO_DATE;
    TC_TRY(tc__static_hash(page, page->digest));
    make_etag(page, TC__CODING_IDENTITY);
    return 0;
}

/* The index of a folder, whose name ends with a slash; else, if that is wanted, a list of what it holds. */
static int look_at_folder(const tc__static_site_t *site, int root, const char *name, tc__static_file_t *file) {
    int err = -ENOENT;
    if (site->options.index[0]) {
        tc__free(file->name);
        file->name = join(name, site->options.index, "");
        if (!file->name)
            return TC_ENOMEM;
        err = look(root, file->name, &file->variants[0]);
    }
    if (is_absent(err) && site->options.listing)
        return take_listing(site, root, name, file);
    return err;
}

/* A folder without its slash: to be redirected, if there is something to redirect to. */
static int look_behind(const tc__static_site_t *site, int root, const char *name) {
    tc__static_variant_t index = { .fd = -1 };
    if (site->options.listing)
        return 0;
    char *path = join(name, "/", site->options.index);
    if (!path)
        return TC_ENOMEM;
    int err = site->options.index[0] ? look(root, path, &index) : -ENOENT;
    tc__free(path);
    drop_variant(&index);
    return err;
}

static int look_at_name(const tc__static_site_t *site, int root, const char *name, tc__static_file_t *file,
                        const tc__static_file_t *old, bool *same) {
    bool is_folder = ends_with_slash(name);
    file->name = join(name, "", "");
    if (!file->name)
        return TC_ENOMEM;
    int err = is_folder ? look_at_folder(site, root, name, file) : look(root, name, &file->variants[0]);
    if (err == -EISDIR && !is_folder) {
        TC_TRY(look_behind(site, root, name));
        file->redirects = true;
        return 0;
    }
    if (err < 0 || file->generated)
        return err;
    TC_TRY(look_at_siblings(site, root, file));
    *same = nothing_changed(file, old);
    if (*same)
        return 0;
    file->content_type = tc__content_type(file->name);
    return take_contents(file);
}

tc__static_file_t *tc__static_file_load(const tc__static_site_t *site, const char *name, tc__static_file_t *old) {
    bool same = false;
    tc__static_file_t *file = new_file();
    if (!file)
        return NULL;
    int root = tc__file_open_root(site->folder);
    file->err = root < 0 ? root : look_at_name(site, root, name, file, old, &same);
    if (root >= 0)
        tc__file_close(root);
    if (is_absent(file->err) || file->err == -EISDIR || file->err == -ENXIO)
        file->err = -ENOENT;
    if (!same)
        return file;
    tc__static_file_unref(file);
    return tc__static_file_ref(old);
}
