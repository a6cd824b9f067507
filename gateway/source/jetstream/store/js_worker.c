/* js_worker.c - the threads of the store pool: each reads one queued job at a time */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/store/js_worker.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/core/fetch.h"
#include "gateway/core/fill.h"
#include "gateway/core/ingress.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/store/js_pool_state.h"
#include "gateway/source/jetstream/store/js_queue.h"

#define STACK_BYTES (256 * 1024)
#define HOLD_NS (500 * NS_PER_MS) /* a consumer is kept so long for its reader's next piece */
#define LOOK_NS (100 * NS_PER_MS) /* an idle thread notices within so long that its session is over */
#define LOOKS_IDLE 5              /* … and releases it after so many looks */

/* The core has closed it, and nothing else refers to it. */
static void drop_fetch(struct js_job *job)
{
    struct fetch *fetch = job->fetch.fetch;
    free(job);
    fetch->source_data = NULL;
    fetch->closed(fetch);
}

static void wait_a_moment(struct js_worker *worker)
{
    condition_wait_until(&worker->changed, &worker->pool->lock, clock_mono_ns() + LOOK_NS);
}

/* Waits for a request for the next piece. The lock is held. False: the job is no longer this thread's. */
static bool hold_job(struct js_worker *worker, struct js_job *job, bool is_complete)
{
    struct js_pool *pool = worker->pool;
    int64_t until_ns = clock_mono_ns() + HOLD_NS;
    job->state = JOB_HELD;
    job->worker = worker;
    worker->held = job;
    if (is_complete)
        list_append(&pool->holding, &worker->holding);
    while (worker->held != NULL && job->state == JOB_HELD && !pool->is_stopping &&
           !(is_complete && !js_queue_is_empty(pool)) && js_read_is_attached(&worker->read) &&
           clock_mono_ns() < until_ns)
        wait_a_moment(worker);
    list_remove(&worker->holding);
    /* Closed, or queued again: the job may be gone. */
    if (worker->held == NULL)
        return false;
    worker->held = NULL;
    job->worker = NULL;
    if (job->state == JOB_WORKING)
        return true;
    job->state = JOB_IDLE;
    return false;
}

/* One piece, as far as to what comes after it. False: the job is no longer this thread's. */
static bool work_on_fetch(struct js_worker *worker, struct js_job *job)
{
    struct js_pool *pool = worker->pool;
    struct fetch *fetch = job->fetch.fetch;
    enum js_read_status status = js_read_piece(&worker->read, &job->fetch);
    bool has_piece = status == JS_READ_DONE || fetch->events != 0;
    bool is_complete = fetch->complete;
    /* Closed meanwhile: what has been read is still handed out, as one last piece. */
    if (status == JS_READ_INTERRUPTED && !has_piece) {
        drop_fetch(job);
        return false;
    }
    if (has_piece) {
        lock_take(&pool->lock);
        job->state = JOB_DELIVERING;
        ++job->row;
        lock_give(&pool->lock);
        fetch->fetched(fetch);
    }
    lock_take(&pool->lock);
    bool goes_on = false;
    if (atomic_load(&job->is_closing)) {
        lock_give(&pool->lock);
        drop_fetch(job);
        return false;
    }
    if (!has_piece) {
        js_queue_add_first(pool, job);
        js_worker_call(pool);
    } else if (job->is_asked_again && job->row >= PIECES_IN_A_ROW && !js_queue_is_empty(pool)) {
        job->is_asked_again = false;
        js_queue_add(pool, job);
        js_worker_call(pool);
    } else if (job->is_asked_again) {
        job->is_asked_again = false;
        job->state = JOB_WORKING;
        goes_on = true;
    } else {
        goes_on = hold_job(worker, job, is_complete);
    }
    lock_give(&pool->lock);
    return goes_on;
}

static void work_on_fill(struct js_worker *worker, struct js_job *job)
{
    struct js_pool *pool = worker->pool;
    struct channel *channel = job->channel;
    enum js_read_status status = js_read_fill(&worker->read, &job->fill);
    lock_take(&pool->lock);
    bool closing = atomic_load(&job->is_closing);
    if (status == JS_READ_DONE && !closing) {
        struct js_read_fill *read = &job->fill;
        struct fill *fill = read->fill;
        uint64_t after = read->after;
        read->fill = NULL;
        job->state = JOB_DELIVERING;
        lock_give(&pool->lock);
        fill_finish(fill, after);
        lock_take(&pool->lock);
        closing = atomic_load(&job->is_closing);
    } else if (!closing) {
        js_queue_add_first(pool, job);
        js_worker_call(pool);
        lock_give(&pool->lock);
        return;
    }
    bool again = job->is_asked_again && !closing;
    if (again) {
        job->is_asked_again = false;
        js_queue_add(pool, job);
        js_worker_call(pool);
    } else {
        js_queue_forget_fill(pool, job);
    }
    lock_give(&pool->lock);
    if (again)
        return;
    if (job->fill.fill != NULL)
        fill_destroy(job->fill.fill);
    free(job);
    if (closing)
        ingress_closed(channel);
}

/* False: there is nothing more to do, ever. */
static bool await_work(struct js_worker *worker)
{
    struct js_pool *pool = worker->pool;
    struct js_pull *pull = &worker->read.pull;
    unsigned looks = 0;
    lock_take(&pool->lock);
    while (js_queue_is_empty(pool) && !pool->is_stopping) {
        if (list_is_empty(&worker->idle))
            list_append(&pool->idle, &worker->idle);
        if (pull->session == NULL) {
            condition_wait(&worker->changed, &pool->lock);
        } else if (js_read_is_attached(&worker->read) && looks++ < LOOKS_IDLE) {
            wait_a_moment(worker);
        } else {
            lock_give(&pool->lock);
            js_pull_detach(pull);
            lock_take(&pool->lock);
        }
    }
    list_remove(&worker->idle);
    bool stop = pool->is_stopping;
    lock_give(&pool->lock);
    return !stop;
}

/* The thread. */
static void *work_until_stopped(void *arg)
{
    struct js_worker *worker = arg;
    struct js_pool *pool = worker->pool;
    /* A session first, then a job: what waits for the broker waits in the queue, where it may be closed. */
    while (await_work(worker) && js_read_attach(&worker->read)) {
        lock_take(&pool->lock);
        struct js_job *job = js_queue_take(pool);
        lock_give(&pool->lock);
        if (job == NULL)
            continue;
        worker->read.pull.interrupt = &job->is_closing;
        if (job->is_fill) {
            work_on_fill(worker, job);
        } else {
            while (work_on_fetch(worker, job))
                ;
        }
        js_read_close(&worker->read);
    }
    js_pull_detach(&worker->read.pull);
    return NULL;
}

/* ---- calling them: the lock is held ---- */

static void add_worker(struct js_pool *pool)
{
    struct js_worker *worker = check_calloc(1, sizeof(*worker));
    worker->pool = pool;
    condition_init(&worker->changed);
    list_init(&worker->idle);
    list_init(&worker->holding);
    js_read_init(&worker->read, &pool->options.host);
    if (thread_start(&worker->thread, "js-worker", STACK_BYTES, work_until_stopped, worker)) {
        pool->workers[pool->worker_count++] = worker;
        return;
    }
    /* Those that are there do it later; without any, the next that is asked for tries again. */
    log_write_limited(LOG_ERROR, "replay-no-thread", log_u64("threads", pool->worker_count));
    js_read_dispose(&worker->read);
    condition_dispose(&worker->changed);
    free(worker);
}

void js_worker_call(struct js_pool *pool)
{
    CHECK_HELD(&pool->lock);
    if (!list_is_empty(&pool->idle)) {
        /* Out of the list at once: the next job calls another one. */
        struct js_worker *worker = LIST_ENTRY(pool->idle.next, struct js_worker, idle);
        list_remove(&worker->idle);
        condition_signal(&worker->changed);
    } else if (pool->worker_count < pool->options.threads && !pool->is_stopping) {
        add_worker(pool);
    } else if (!list_is_empty(&pool->holding)) {
        struct js_worker *worker = LIST_ENTRY(pool->holding.next, struct js_worker, holding);
        list_remove(&worker->holding);
        condition_signal(&worker->changed);
    }
}

void js_worker_unhold(struct js_job *job)
{
    CHECK_HELD(&job->worker->pool->lock);
    CHECK(job->state == JOB_HELD && job->worker->held == job);
    job->worker->held = NULL;
    condition_signal(&job->worker->changed);
    job->worker = NULL;
}

void js_worker_stop_all(struct js_pool *pool)
{
    lock_take(&pool->lock);
    pool->is_stopping = true;
    unsigned count = pool->worker_count;
    for (unsigned i = 0; i != count; ++i)
        condition_signal(&pool->workers[i]->changed);
    lock_give(&pool->lock);
    for (unsigned i = 0; i != count; ++i)
        thread_join(pool->workers[i]->thread);
    for (unsigned i = 0; i != count; ++i) {
        js_read_dispose(&pool->workers[i]->read);
        condition_dispose(&pool->workers[i]->changed);
        free(pool->workers[i]);
    }
    pool->worker_count = 0;
}
