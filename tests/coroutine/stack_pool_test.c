/* stack_pool_test.c - stacks in slabs: guarded, used again, given back. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/async_test.h"
#include "coroutine/stack_pool_internal.h"

static tc__stack_pool_t pool;

static int make_pool(void **state) {
    (void)state;
    tc__stack_pool_init(&pool, 64 * 1024, 64 * 1024, 512, 1000);
    return 0;
}

static int free_pool(void **state) {
    tc__stack_pool_deinit(&pool);
    tc__stack_sys = (tc__stack_sys_t){ mmap, munmap, mprotect, madvise, sigaction };
    return nothing_is_left(state);
}
#define TEST_POOL(test) cmocka_unit_test_setup_teardown(test, make_pool, free_pool)

static void touch(tc__stack_t *stack) {
    for (size_t at = 0; at < stack->size; at += 1024)
        stack->low[at] = 1;
    stack->low[stack->size - 1] = 1;
}

static void a_stack_has_the_size_it_was_asked_for(void **state) {
    (void)state;
    tc__stack_t *stack = tc__stack_get(&pool);
    assert_true(stack->size >= 60 * 1024 && stack->size < 64 * 1024);
    assert_int_equal((uintptr_t)(stack->low + stack->size) % 16, 0);
    assert_ptr_equal(stack->low + stack->size, stack);
    touch(stack);
    memset(tc__stack_control(stack), 1, 512);
    tc__stack_put(&pool, stack);
}

static void the_last_one_put_is_the_next_one_got(void **state) {
    (void)state;
    tc__stack_t *a = tc__stack_get(&pool), *b = tc__stack_get(&pool);
    assert_ptr_not_equal(a, b);
    tc__stack_put(&pool, a);
    tc__stack_put(&pool, b);
    assert_ptr_equal(tc__stack_get(&pool), b);
    assert_ptr_equal(tc__stack_get(&pool), a);
    tc__stack_put(&pool, a);
    tc__stack_put(&pool, b);
}

static void get_many(tc__stack_t **stacks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        stacks[i] = tc__stack_get(&pool);
        assert_non_null(stacks[i]);
        touch(stacks[i]);
    }
}

static void put_many(tc__stack_t **stacks, size_t count) {
    for (size_t i = 0; i < count; i++)
        tc__stack_put(&pool, stacks[i]);
}

static size_t slab_count(void) {
    size_t count = 0;
    for (tc__list_t *node = pool.slabs.next; node != &pool.slabs; node = node->next)
        count++;
    return count;
}

static void slabs_are_made_as_they_are_needed(void **state) {
    tc__stack_t *stacks[200];
    (void)state;
    assert_int_equal(slab_count(), 0);
    get_many(stacks, 1);
    assert_int_equal(slab_count(), 1);
    get_many(stacks + 1, 199);
    assert_int_equal(slab_count(), 4);
    put_many(stacks, 200);
    get_many(stacks, 200);
    assert_int_equal(slab_count(), 4);
    put_many(stacks, 200);
}

static void no_more_than_the_limit_are_in_use(void **state) {
    tc__stack_t *stacks[3];
    (void)state;
    pool.max = 3;
    get_many(stacks, 3);
    assert_null(tc__stack_get(&pool));
    assert_string_equal(tc_error_detail(), "the limit of 3 coroutines is reached");
    put_many(stacks, 3);
    assert_ptr_equal(tc__stack_get(&pool), stacks[2]);
    tc__stack_put(&pool, stacks[2]);
}

static void a_trim_gives_slabs_back_that_nobody_uses(void **state) {
    tc__stack_t *stacks[200], *one;
    (void)state;
    get_many(stacks, 200);
    put_many(stacks, 200);
    tc__stack_pool_trim(&pool, 64);
    assert_int_equal(slab_count(), 1);
    assert_int_equal(pool.free_count, 64);
    one = tc__stack_get(&pool);
    tc__stack_pool_trim(&pool, 0);
    assert_int_equal(slab_count(), 1);
    touch(one);
    tc__stack_put(&pool, one);
    tc__stack_pool_trim(&pool, 0);
    assert_int_equal(slab_count(), 0);
    assert_int_equal(pool.free_count, 0);
}

static bool in_memory(const char *at) {
    unsigned char there = 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return mincore((void *)((uintptr_t)at / page * page), page, &there) == 0 && (there & 1);
}

static void a_trim_leaves_cold_stacks_their_top_page(void **state) {
    tc__stack_t *stacks[3];
    (void)state;
    get_many(stacks, 3);
    assert_true(in_memory(stacks[0]->low));
    put_many(stacks, 2);
    tc__stack_pool_trim(&pool, 1);
    assert_false(in_memory(stacks[0]->low));
    assert_true(in_memory((char *)stacks[0]));
    assert_true(in_memory(stacks[1]->low)); /* warm: kept */
    assert_true(in_memory(stacks[2]->low)); /* in use */
    tc__stack_put(&pool, stacks[2]);
}

/* ---- Guards ---- */

static void assert_guarded(void) {
    tc__stack_t *stack = tc__stack_get(&pool);
    assert_true(tc__stack_guards(&pool, stack, (uintptr_t)stack->low - 1));
    assert_true(tc__stack_guards(&pool, stack, (uintptr_t)stack->low - 64 * 1024));
    assert_false(tc__stack_guards(&pool, stack, (uintptr_t)stack->low - 64 * 1024 - 1));
    assert_false(tc__stack_guards(&pool, stack, (uintptr_t)stack->low));
    assert_false(tc__stack_guards(&pool, stack, (uintptr_t)&stack));
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        ((volatile char *)stack->low)[-1] = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    tc__stack_put(&pool, stack);
}

static void the_bytes_below_a_stack_fault(void **state) {
    (void)state;
    assert_guarded();
}

static int madvise_without_guards(void *address, size_t len, int advice) {
    if (advice == 102) {
        errno = EINVAL;
        return -1;
    }
    return madvise(address, len, advice);
}

static void guards_are_protected_pages_where_the_kernel_has_no_markers(void **state) {
    (void)state;
    tc__stack_sys.madvise = madvise_without_guards;
    assert_guarded();
}

/* ---- Failures ---- */

static void *no_mmap(void *address, size_t len, int prot, int flags, int fd, off_t offset) {
    (void)address, (void)len, (void)prot, (void)flags, (void)fd, (void)offset;
    errno = ENOMEM;
    return MAP_FAILED;
}

static int no_mprotect(void *address, size_t len, int prot) {
    (void)address, (void)len, (void)prot;
    errno = ENOMEM;
    return -1;
}

static void without_memory_there_is_no_stack(void **state) {
    (void)state;
    tc__stack_sys.mmap = no_mmap;
    assert_null(tc__stack_get(&pool));
    assert_non_null(strstr(tc_error_detail(), "no memory for the stack of a coroutine"));
    tc__stack_sys.mmap = mmap;
    fail_allocation(1, true);
    assert_null(tc__stack_get(&pool));
    allow_allocations();
    tc__stack_t *stack = tc__stack_get(&pool);
    assert_non_null(stack);
    tc__stack_put(&pool, stack);
}

static void without_a_guard_there_is_no_stack(void **state) {
    (void)state;
    tc__stack_sys.madvise = madvise_without_guards;
    tc__stack_sys.mprotect = no_mprotect;
    assert_null(tc__stack_get(&pool));
    assert_null(tc__stack_get(&pool));
    assert_int_equal(slab_count(), 1); /* and no slab is made for each attempt */
    tc__stack_sys.mprotect = mprotect;
    tc__stack_t *stack = tc__stack_get(&pool);
    assert_non_null(stack);
    tc__stack_put(&pool, stack);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_POOL(a_stack_has_the_size_it_was_asked_for),
        TEST_POOL(the_last_one_put_is_the_next_one_got),
        TEST_POOL(slabs_are_made_as_they_are_needed),
        TEST_POOL(no_more_than_the_limit_are_in_use),
        TEST_POOL(a_trim_gives_slabs_back_that_nobody_uses),
        TEST_POOL(a_trim_leaves_cold_stacks_their_top_page),
        TEST_POOL(the_bytes_below_a_stack_fault),
        TEST_POOL(guards_are_protected_pages_where_the_kernel_has_no_markers),
        TEST_POOL(without_memory_there_is_no_stack),
        TEST_POOL(without_a_guard_there_is_no_stack),
    };
    return cmocka_run_group_tests(tests, watch_everything, NULL);
}
