/* Counts what a program asks of malloc: LD_PRELOAD=libbench_malloc_count.so BENCH_COUNTERS=FILE program
 *
 * FILE is mapped, so that its reader sees the counters while the program runs. It counts for the whole process, the
 * libraries underneath included. glibc only: its __libc_ names lead past us without dlsym, which allocates. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *data);

/* The layout of FILE, in the machine's byte order. */
struct counters {
    _Atomic uint64_t mapped; /* 1: the counters are in FILE */
    _Atomic uint64_t calls;  /* malloc, calloc, realloc and the aligned ones */
    _Atomic uint64_t frees;
    _Atomic uint64_t live; /* bytes in use, as malloc_usable_size counts them */
};

static struct counters early;
static struct counters *counters = &early;

__attribute__((constructor)) static void map_counters(void) {
    const char *path = getenv("BENCH_COUNTERS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    struct counters *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        return;
    atomic_store(&shared->calls, atomic_load(&early.calls));
    atomic_store(&shared->frees, atomic_load(&early.frees));
    atomic_store(&shared->live, atomic_load(&early.live));
    atomic_store(&shared->mapped, 1);
    counters = shared;
}

static void *count_new(void *data) {
    atomic_fetch_add_explicit(&counters->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counters->live, malloc_usable_size(data), memory_order_relaxed);
    return data;
}

EXPORT void *malloc(size_t size) {
    return count_new(__libc_malloc(size));
}

EXPORT void *calloc(size_t count, size_t size) {
    return count_new(__libc_calloc(count, size));
}

EXPORT void *realloc(void *old, size_t size) {
    size_t before = malloc_usable_size(old);
    void *data = __libc_realloc(old, size);
    if (data || size == 0)
        atomic_fetch_sub_explicit(&counters->live, before, memory_order_relaxed);
    return count_new(data);
}

EXPORT void *reallocarray(void *old, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

EXPORT void *memalign(size_t alignment, size_t size) {
    return count_new(__libc_memalign(alignment, size));
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
    return count_new(__libc_memalign(alignment, size));
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    void *data = count_new(__libc_memalign(alignment, size));
    if (!data)
        return ENOMEM;
    *out = data;
    return 0;
}

EXPORT void free(void *data) {
    if (!data)
        return;
    atomic_fetch_add_explicit(&counters->frees, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&counters->live, malloc_usable_size(data), memory_order_relaxed);
    __libc_free(data);
}
