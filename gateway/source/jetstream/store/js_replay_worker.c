/* js_replay_worker.c - a thread that reads what is queued */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/core/fetch.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/store/js_replay_internal.h"

#define HOLD_NS (INT64_C(500) * 1000000) /* a consumer is kept so long for its reader's next piece */
#define LOOK_NS (INT64_C(100) * 1000000) /* an idle thread sees that its session is over within */
#define LOOKS_IDLE 5                     /* and lets go of it after so many */

/* The core doesn't want it any more, and nobody else refers to it. */
static void drop_fetch(struct js_job *job)
{
    struct fetch *fetch = job->fetch.fetch;
    free(job);
    fetch->source_data = NULL;
    fetch->closed(fetch);
}

static void wait_a_moment(struct js_worker *worker)
{
    int64_t until_ns = clock_mono_ns() + LOOK_NS;
    struct timespec deadline = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_cond_timedwait(&worker->changed, &worker->replay->lock, &deadline);
}

/* Waits for the next piece to be asked for. The lock is held. False: the job is gone, or left to itself. */
static bool hold(struct js_worker *worker, struct js_job *job, bool is_complete)
{
    struct js_replay *replay = worker->replay;
    int64_t until_ns = clock_mono_ns() + HOLD_NS;
    job->state = JOB_HELD;
    job->worker = worker;
    worker->held = job;
    if (is_complete)
        list_append(&replay->holding, &worker->holding);
    while (worker->held != NULL && job->state == JOB_HELD && !replay->stop &&
           !(is_complete && !js_replay_is_queue_empty(replay)) && js_read_is_attached(&worker->read) &&
           clock_mono_ns() < until_ns)
        wait_a_moment(worker);
    list_remove(&worker->holding);
    /* Closed, or queued again: no word about the job. */
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
    struct js_replay *replay = worker->replay;
    struct fetch *fetch = job->fetch.fetch;
    enum js_read_status status = js_read_piece(&worker->read, &job->fetch);
    bool has_piece = status == JS_READ_DONE || fetch->events != 0;
    bool is_complete = fetch->complete;
    if (status == JS_READ_INTERRUPTED && !has_piece) {
        drop_fetch(job);
        return false;
    }
    if (has_piece) {
        pthread_mutex_lock(&replay->lock);
        job->state = JOB_DELIVERING;
        ++job->row;
        pthread_mutex_unlock(&replay->lock);
        fetch->fetched(fetch);
    }
    pthread_mutex_lock(&replay->lock);
    bool goes_on = false;
    if (atomic_load(&job->closing)) {
        pthread_mutex_unlock(&replay->lock);
        drop_fetch(job);
        return false;
    }
    if (!has_piece) {
        js_replay_enqueue_first(replay, job);
    } else if (job->again && job->row >= PIECES_IN_A_ROW && !js_replay_is_queue_empty(replay)) {
        job->again = false;
        js_replay_enqueue(replay, job);
    } else if (job->again) {
        job->again = false;
        job->state = JOB_WORKING;
        goes_on = true;
    } else {
        goes_on = hold(worker, job, is_complete);
    }
    pthread_mutex_unlock(&replay->lock);
    return goes_on;
}

static void work_on_fill(struct js_worker *worker, struct js_job *job)
{
    struct js_replay *replay = worker->replay;
    struct channel *channel = job->channel;
    enum js_read_status status = js_read_fill(&worker->read, &job->fill);
    pthread_mutex_lock(&replay->lock);
    bool closing = atomic_load(&job->closing);
    if (status == JS_READ_DONE && !closing) {
        struct js_read_fill *read = &job->fill;
        struct fill *fill = read->fill;
        uint64_t after = read->after;
        read->fill = NULL;
        job->state = JOB_DELIVERING;
        pthread_mutex_unlock(&replay->lock);
        channel_filled(channel, fill, after);
        pthread_mutex_lock(&replay->lock);
        closing = atomic_load(&job->closing);
    } else if (!closing) {
        js_replay_enqueue_first(replay, job);
        pthread_mutex_unlock(&replay->lock);
        return;
    }
    bool again = job->again && !closing;
    if (again) {
        job->again = false;
        js_replay_enqueue(replay, job);
    } else {
        js_replay_forget_fill(replay, job);
    }
    pthread_mutex_unlock(&replay->lock);
    if (again)
        return;
    if (job->fill.fill != NULL)
        fill_destroy(job->fill.fill);
    free(job);
    if (closing)
        channel_closed(channel);
}

/* False: there is nothing more to do, ever. */
static bool await_work(struct js_worker *worker)
{
    struct js_replay *replay = worker->replay;
    struct js_pull *pull = &worker->read.pull;
    unsigned looks = 0;
    pthread_mutex_lock(&replay->lock);
    while (js_replay_is_queue_empty(replay) && !replay->stop) {
        if (list_is_empty(&worker->idle))
            list_append(&replay->idle, &worker->idle);
        if (pull->session == NULL) {
            pthread_cond_wait(&worker->changed, &replay->lock);
        } else if (js_read_is_attached(&worker->read) && looks++ < LOOKS_IDLE) {
            wait_a_moment(worker);
        } else {
            pthread_mutex_unlock(&replay->lock);
            js_pull_detach(pull);
            pthread_mutex_lock(&replay->lock);
        }
    }
    list_remove(&worker->idle);
    bool stop = replay->stop;
    pthread_mutex_unlock(&replay->lock);
    return !stop;
}

void *js_replay_work(void *arg)
{
    struct js_worker *worker = arg;
    struct js_replay *replay = worker->replay;
    /* A session first, then a job: what waits for the broker waits in the queue, where it may be closed. */
    while (await_work(worker) && js_read_attach(&worker->read)) {
        pthread_mutex_lock(&replay->lock);
        struct js_job *job = js_replay_dequeue(replay);
        pthread_mutex_unlock(&replay->lock);
        if (job == NULL)
            continue;
        worker->read.pull.interrupt = &job->closing;
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
