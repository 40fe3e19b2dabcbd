/*
 * executor.c - blocking work on threads of its own. (Tornado: IOLoop.run_in_executor, concurrent.futures)
 *
 * Not libuv's pool: its four threads resolve names and read files, and must not wait behind handlers that block.
 *
 *   QUEUED --[a worker]--> RUNNING --[post]--> in the loop's mailbox --[finish]--> gone
 *      '--[taken back]--> finish, on the loop's thread, with TC_ECANCELED
 *
 * A job's future belongs to the loop's thread and is touched there only; the worker knows the function, its argument
 * and the loop's mailbox. A loop that is freed takes back what is queued and lets go of what runs: that finishes later,
 * finds the mailbox closed and is freed by its worker, argument included.
 *
 * Executors are counted, by their owner and by their jobs, so that a job can be taken back whatever became of the
 * executor. The process has two, one for what programs run and one for files; each belongs to the loops that used it:
 * when the last of these is freed, its threads end.
 */
#include "async/ioloop_private.h"

#include <signal.h>
#include <unistd.h>

#include "async/future_private.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

enum { THREADS_PER_CPU = 5, MOST_THREADS = 4096, MAX_QUEUED = 100000 };

struct tc_executor {
    uv_mutex_t mutex; /* guards all below but `refs` */
    uv_cond_t wake;
    uv_cond_t over; /* a job that somebody may wait for has run */
    atomic_uint refs;
    tc__list_t queue; /* of job_t */
    size_t queued, max_queued;
    unsigned max_threads, thread_count, idle, running;
    bool ending;
    uv_thread_t threads[]; /* max_threads of them */
};

typedef struct {
    struct tc__mail mail;
    tc__list_t in_queue; /* under the executor's mutex; empty: not queued */
    tc__list_t in_loop;  /* in the loop's list; the loop's thread only, as `future` */
    tc_future_t *future; /* referenced; NULL: the loop let go of the job */
    tc_executor_t *executor;
    tc__mailbox_t *mailbox;
    tc_work_fn fn;
    void *arg;
    tc_free_fn free_arg, free_result;
    int status;
    void *result;
    bool is_over; /* under the mutex: it has run, or never will */
} job_t;

static _Thread_local tc_executor_t *working_for; /* on worker threads */

/* ---- Life of an executor ---- */

static void unref_executor(tc_executor_t *executor) {
    if (!executor || atomic_fetch_sub_explicit(&executor->refs, 1, memory_order_acq_rel) != 1)
        return;
    uv_cond_destroy(&executor->over);
    uv_cond_destroy(&executor->wake);
    uv_mutex_destroy(&executor->mutex);
    tc__free(executor);
}

int tc_executor_new(tc_executor_t **out, unsigned threads) {
    if (!out || threads == 0)
        return tc__misuse(TC_EINVAL, "tc_executor_new: %s", out ? "no threads" : "out is NULL");
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    tc_executor_t *executor = tc__calloc(1, sizeof(*executor) + threads * sizeof(uv_thread_t));
    if (!executor)
        return tc__fail(TC_ENOMEM, "out of memory for an executor");
    int err = uv_mutex_init(&executor->mutex);
    if (err < 0)
        goto fail;
    err = uv_cond_init(&executor->wake);
    if (err < 0)
        goto fail_mutex;
    err = uv_cond_init(&executor->over);
    if (err < 0)
        goto fail_wake;

    atomic_init(&executor->refs, 1);
    tc__list_init(&executor->queue);
    executor->max_threads = threads;
    executor->max_queued = MAX_QUEUED;
    *out = executor;
    return 0;
fail_wake:
    uv_cond_destroy(&executor->wake);
fail_mutex:
    uv_mutex_destroy(&executor->mutex);
fail:
    tc__free(executor);
    return tc__fail(err, "cannot make an executor: %s", tc_strerror(err));
}

void tc_executor_set_max_queued(tc_executor_t *executor, size_t most) {
    if (!executor) {
        tc__misuse(TC_EINVAL, "tc_executor_set_max_queued: the executor is NULL");
        return;
    }
    uv_mutex_lock(&executor->mutex);
    executor->max_queued = most ? most : MAX_QUEUED;
    uv_mutex_unlock(&executor->mutex);
}

/* ---- Jobs ---- */

static void free_job(job_t *job) {
    if (job->result && job->free_result)
        job->free_result(job->result);
    if (job->free_arg)
        job->free_arg(job->arg);
    unref_executor(job->executor);
    tc__mailbox_unref(job->mailbox);
    tc__free(job);
}

/* On the loop's thread: the loop has nothing to do with the job any more. Returns its future. */
static tc_future_t *let_go(job_t *job, tc_ioloop_t *loop) {
    tc_future_t *future = job->future;
    job->future = NULL;
    tc__list_remove(&job->in_loop);
    tc__ioloop_release(loop);
    return future;
}

/* `job`, whose result becomes the future's, is looked at if `status` is 0. */
static void complete(tc_future_t *future, int status, job_t *job) {
    if (status == 0) {
        tc_future_set_result(future, job->result, job->free_result);
        job->result = NULL;
    } else if (status < 0)
        tc_future_set_error(future, status, NULL);
    else
        tc_future_set_error(future, TC_EINVAL, "work returned a positive number: neither 0 nor an error code");
    tc_future_unref(future);
}

static void finish(job_t *job, tc_ioloop_t *loop) {
    if (job->future)
        complete(let_go(job, loop), job->status, job);
    free_job(job);
}

static void on_mail(struct tc__mail *mail, tc_ioloop_t *loop) {
    finish(tc__container_of(mail, job_t, mail), loop);
}

static void post(job_t *job) {
    if (tc__mailbox_post(job->mailbox, &job->mail) < 0)
        free_job(job);
}

/* Whether the job was still queued: then no worker sees it any more. */
static bool take_back(job_t *job) {
    tc_executor_t *executor = job->executor;
    uv_mutex_lock(&executor->mutex);
    bool queued = !tc__list_empty(&job->in_queue);
    if (queued) {
        tc__list_remove(&job->in_queue);
        executor->queued--;
    }
    uv_mutex_unlock(&executor->mutex);
    return queued;
}

static void on_cancel(tc_future_t *future, void *user_data) {
    job_t *job = user_data;
    (void)future;
    if (!take_back(job))
        return;
    job->status = TC_ECANCELED;
    finish(job, tc__future_loop(job->future));
}

/* ---- Workers ---- */

static job_t *pop_locked(tc_executor_t *executor) {
    if (tc__list_empty(&executor->queue))
        return NULL;
    job_t *job = tc__container_of(executor->queue.next, job_t, in_queue);
    tc__list_remove(&job->in_queue);
    executor->queued--;
    return job;
}

/* For one that no worker sees any more: whoever waits for it need not. */
static job_t *pop_unrun(tc_executor_t *executor) {
    uv_mutex_lock(&executor->mutex);
    job_t *job = pop_locked(executor);
    if (job)
        job->is_over = true;
    uv_mutex_unlock(&executor->mutex);
    return job;
}

static job_t *wait_for_job(tc_executor_t *executor) {
    uv_mutex_lock(&executor->mutex);
    executor->idle++;
    while (tc__list_empty(&executor->queue) && !executor->ending)
        uv_cond_wait(&executor->wake, &executor->mutex);
    executor->idle--;
    job_t *job = pop_locked(executor);
    executor->running += job != NULL;
    uv_mutex_unlock(&executor->mutex);
    return job;
}

static void tell_over(tc_executor_t *executor, job_t *job) {
    uv_mutex_lock(&executor->mutex);
    job->is_over = true;
    executor->running--;
    uv_cond_broadcast(&executor->over);
    uv_mutex_unlock(&executor->mutex);
}

/* A loop that ends waits for work that may use the stack of a coroutine, or the memory of a request. */
static void wait_until_over(job_t *job) {
    tc_executor_t *executor = job->executor;
    uv_mutex_lock(&executor->mutex);
    while (!job->is_over)
        uv_cond_wait(&executor->over, &executor->mutex);
    uv_mutex_unlock(&executor->mutex);
}

static void work(void *arg) {
    tc_executor_t *executor = working_for = arg;
    job_t *job;
    while ((job = wait_for_job(executor)) != NULL) {
        job->status = job->fn(job->arg, &job->result);
        tell_over(executor, job);
        post(job);
    }
}

/* Signals are the business of the program's own threads. */
static int create_thread(uv_thread_t *thread, tc_executor_t *executor) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = uv_thread_create(thread, work, executor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

/* Would it wait behind as many as may? Those for which there is a thread, or will be, do not wait. */
static bool is_full(const tc_executor_t *executor) {
    size_t busy = executor->queued + executor->running;
    return busy >= executor->max_threads && busy - executor->max_threads >= executor->max_queued;
}

/* Queue it, with one more thread if all that are there have something to do. No thread at all is a failure; fewer than
 * wanted are not. */
static int enqueue(tc_executor_t *executor, job_t *job) {
    uv_mutex_lock(&executor->mutex);
    int err = executor->ending ? TC_ECLOSED : is_full(executor) ? TC_EOVERLOAD : 0;
    if (err == 0 && executor->queued >= executor->idle && executor->thread_count < executor->max_threads) {
        err = create_thread(&executor->threads[executor->thread_count], executor);
        if (err == 0)
            executor->thread_count++;
        else if (executor->thread_count > 0)
            err = 0;
    }
    if (err == 0) {
        tc__list_push(&executor->queue, &job->in_queue);
        executor->queued++;
        uv_cond_signal(&executor->wake);
    }
    uv_mutex_unlock(&executor->mutex);
    return err;
}

static void refuse(tc_executor_t *executor) {
    uv_mutex_lock(&executor->mutex);
    executor->ending = true;
    uv_mutex_unlock(&executor->mutex);
}

static void take_back_all(tc_executor_t *executor) {
    job_t *job;
    while ((job = pop_unrun(executor)) != NULL) {
        job->status = TC_ECANCELED;
        post(job);
    }
}

static void end_threads(tc_executor_t *executor) {
    uv_mutex_lock(&executor->mutex);
    uv_cond_broadcast(&executor->wake);
    uv_mutex_unlock(&executor->mutex);
    for (unsigned i = 0; i < executor->thread_count; i++)
        uv_thread_join(&executor->threads[i]);
}

void tc_executor_free(tc_executor_t *executor) {
    if (!executor)
        return;
    if (working_for == executor) {
        tc__misuse(TC_EBUSY, "tc_executor_free: called by one of its own threads, which cannot wait for itself");
        return;
    }
    refuse(executor);
    take_back_all(executor);
    end_threads(executor);
    unref_executor(executor);
}

/* ---- The process's own: for what programs run, and for files, which must not wait behind that ---- */

static uv_once_t shared_once = UV_ONCE_INIT;
static uv_mutex_t shared_mutex; /* guards the table */
static struct {
    tc_executor_t *executor;
    unsigned users; /* loops */
} shared[TC__SHARED_COUNT];

static void init_shared_mutex(void) {
    uv_mutex_init(&shared_mutex);
}

static unsigned thread_count_of(tc__shared_t which) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return which == TC__SHARED_FILES ? TC__FILE_THREADS : (cpus > 0 ? (unsigned)cpus : 1) * THREADS_PER_CPU;
}

/* NULL: it could not be made. */
static tc_executor_t *shared_for(tc_ioloop_t *loop, tc__shared_t which) {
    uv_once(&shared_once, init_shared_mutex);
    uv_mutex_lock(&shared_mutex);
    int err = 0;
    if (!shared[which].executor && (err = tc_executor_new(&shared[which].executor, thread_count_of(which))) == 0 &&
        which == TC__SHARED_FILES) /* at most a job of each request that writes */
        tc_executor_set_max_queued(shared[which].executor, TC_UNLIMITED);
    if (err == 0 && !loop->p->uses_shared_executor[which]) {
        loop->p->uses_shared_executor[which] = true;
        shared[which].users++;
    }
    tc_executor_t *executor = shared[which].executor;
    uv_mutex_unlock(&shared_mutex);
    return executor;
}

static void release_shared(tc_ioloop_t *loop, tc__shared_t which) {
    if (!loop->p->uses_shared_executor[which])
        return;
    loop->p->uses_shared_executor[which] = false;
    tc_executor_t *unused = NULL;
    uv_mutex_lock(&shared_mutex);
    if (--shared[which].users == 0) {
        unused = shared[which].executor;
        shared[which].executor = NULL;
    }
    uv_mutex_unlock(&shared_mutex);
    tc_executor_free(unused);
}

void tc__executor_loop_closed(tc_ioloop_t *loop) {
    for (int which = 0; which < TC__SHARED_COUNT; which++)
        release_shared(loop, (tc__shared_t)which);
}

/* ---- The loop's side ---- */

static job_t *new_job(tc_ioloop_t *loop, tc_executor_t *executor) {
    job_t *job = tc__calloc(1, sizeof(*job));
    tc_future_t *future = tc_future_new(loop);
    if (!job || !future) {
        tc__free(job);
        tc_future_unref(future);
        return NULL;
    }
    job->mail.fn = on_mail;
    tc__list_init(&job->in_queue);
    tc__list_push(&loop->p->jobs, &job->in_loop);
    job->future = future;
    future->pinned = true;
    job->executor = executor;
    atomic_fetch_add_explicit(&executor->refs, 1, memory_order_relaxed);
    job->mailbox = tc__mailbox_ref(loop->mailbox);
    tc_future_set_cancel_callback(future, on_cancel, job);
    tc__ioloop_hold(loop);
    return job;
}

static tc_future_t *start(tc_ioloop_t *loop, tc_executor_t *executor, tc_work_fn fn, void *arg, tc_free_fn free_arg,
                          tc_free_fn free_result) {
    job_t *job = new_job(loop, executor);
    if (!job) {
        if (free_arg)
            free_arg(arg);
        return NULL;
    }
    job->fn = fn;
    job->arg = arg;
    job->free_arg = free_arg;
    job->free_result = free_result;
    tc_future_t *future = tc_future_ref(job->future);
    int err = enqueue(executor, job);
    if (err == TC_EOVERLOAD)
        tc_future_set_error(future, err, "too many jobs wait for a thread");
    else if (err == TC_ECLOSED)
        tc_future_set_error(future, err, "the executor is being freed: no work any more");
    else if (err < 0) /* UV_EAGAIN mostly, which says of a future that it pends */
        tc_future_set_error(future, TC_ENOMEM, "no thread could be started");
    if (err < 0)
        finish(job, loop);
    return future;
}

static tc_future_t *run_in(tc_ioloop_t *loop, tc_executor_t *executor, tc__shared_t otherwise, tc_work_fn fn, void *arg,
                           tc_free_fn free_arg, tc_free_fn free_result) {
    if (loop->p->closing)
        tc__fail(TC_ECLOSED, "the loop is being freed: no work any more");
    else if (!executor)
        executor = shared_for(loop, otherwise);
    if (!loop->p->closing && executor)
        return start(loop, executor, fn, arg, free_arg, free_result);
    if (free_arg)
        free_arg(arg);
    return NULL;
}

tc_future_t *tc__run_file_work(tc_ioloop_t *loop, tc_work_fn fn, void *arg, tc_free_fn free_arg) {
    return run_in(loop, NULL, TC__SHARED_FILES, fn, arg, free_arg, NULL);
}

tc_future_t *tc_run_in_executor(tc_executor_t *executor, tc_work_fn fn, void *arg, tc_free_fn free_arg) {
    return tc_run_in_executor_with(executor, fn, arg, free_arg, NULL);
}

tc_future_t *tc_run_in_executor_with(tc_executor_t *executor, tc_work_fn fn, void *arg, tc_free_fn free_arg,
                                     tc_free_fn free_result) {
    tc_ioloop_t *loop = tc__ioloop_or_current(NULL);
    if (loop && fn)
        return run_in(loop, executor, TC__SHARED_WORK, fn, arg, free_arg, free_result);
    if (loop)
        tc__misuse(TC_EINVAL, "tc_run_in_executor: fn is NULL");
    if (free_arg)
        free_arg(arg);
    return NULL;
}

/* Before the mailbox closes, so that a worker cannot free a job under our hands. */
void tc__executor_loop_closing(tc_ioloop_t *loop) {
    while (!tc__list_empty(&loop->p->jobs)) {
        job_t *job = tc__container_of(loop->p->jobs.next, job_t, in_loop);
        bool queued = take_back(job);
        if (!queued && job->future->awaited)
            wait_until_over(job);
        complete(let_go(job, loop), TC_ECANCELED, NULL);
        if (queued)
            free_job(job);
    }
}

bool tc__ioloop_has_jobs(const tc_ioloop_t *loop) {
    return !tc__list_empty(&loop->p->jobs);
}
