/* js_replay.c - the queue of what is to be read, and what the core asks for */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/store/js_replay.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/base/check.h"
#include "gateway/base/log.h"
#include "gateway/core/fetch.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/store/js_replay_internal.h"

#define STACK_BYTES (256 * 1024)

struct js_replay *js_replay_create(const struct js_replay_options *options)
{
    CHECK(options->threads > 0);
    struct js_replay *replay = check_calloc(1, sizeof(*replay));
    replay->options = *options;
    CHECK(pthread_mutex_init(&replay->lock, NULL) == 0);
    list_init(&replay->fills);
    list_init(&replay->fetches);
    list_init(&replay->idle);
    list_init(&replay->holding);
    replay->workers = check_calloc(options->threads, sizeof(struct js_worker *));
    return replay;
}

void js_replay_destroy(struct js_replay *replay)
{
    pthread_mutex_lock(&replay->lock);
    replay->stop = true;
    unsigned count = replay->worker_count;
    for (unsigned i = 0; i < count; ++i)
        pthread_cond_signal(&replay->workers[i]->changed);
    pthread_mutex_unlock(&replay->lock);
    for (unsigned i = 0; i < count; ++i)
        CHECK(pthread_join(replay->workers[i]->thread, NULL) == 0);
    for (unsigned i = 0; i < count; ++i) {
        js_read_dispose(&replay->workers[i]->read);
        pthread_cond_destroy(&replay->workers[i]->changed);
        free(replay->workers[i]);
    }
    CHECK(list_is_empty(&replay->fills) && list_is_empty(&replay->fetches) && replay->by_channel == NULL);
    pthread_mutex_destroy(&replay->lock);
    free(replay->workers);
    free(replay);
}

/* ---- under the lock ---- */

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(condition, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

/* Signals are for the thread that waits for them. */
static bool start_thread(struct js_worker *worker)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    bool ok = pthread_create(&worker->thread, &attributes, js_replay_work, worker) == 0;
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    pthread_attr_destroy(&attributes);
    return ok;
}

static void add_worker(struct js_replay *replay)
{
    struct js_worker *worker = check_calloc(1, sizeof(*worker));
    worker->replay = replay;
    init_condition(&worker->changed);
    list_init(&worker->idle);
    list_init(&worker->holding);
    js_read_init(&worker->read, &replay->options);
    if (start_thread(worker)) {
        replay->workers[replay->worker_count++] = worker;
        return;
    }
    /* Those that are there do it later; without any, the next that is asked for tries again. */
    log_write_limited(LOG_ERROR, "replay-no-thread", log_u64("threads", replay->worker_count));
    js_read_dispose(&worker->read);
    pthread_cond_destroy(&worker->changed);
    free(worker);
}

/* There is something in a queue. */
static void call_worker(struct js_replay *replay)
{
    if (!list_is_empty(&replay->idle)) {
        /* Out of the list at once: the next job calls another one. */
        struct js_worker *worker = LIST_ENTRY(replay->idle.next, struct js_worker, idle);
        list_remove(&worker->idle);
        pthread_cond_signal(&worker->changed);
    } else if (replay->worker_count < replay->options.threads && !replay->stop) {
        add_worker(replay);
    } else if (!list_is_empty(&replay->holding)) {
        struct js_worker *worker = LIST_ENTRY(replay->holding.next, struct js_worker, holding);
        list_remove(&worker->holding);
        pthread_cond_signal(&worker->changed);
    }
}

bool js_replay_is_queue_empty(const struct js_replay *replay)
{
    return list_is_empty(&replay->fills) && list_is_empty(&replay->fetches);
}

void js_replay_enqueue(struct js_replay *replay, struct js_job *job)
{
    CHECK(list_is_empty(&job->node));
    job->state = JOB_QUEUED;
    job->row = 0;
    list_append(job->is_fill ? &replay->fills : &replay->fetches, &job->node);
    call_worker(replay);
}

void js_replay_enqueue_first(struct js_replay *replay, struct js_job *job)
{
    job->state = JOB_QUEUED;
    list_append((job->is_fill ? replay->fills : replay->fetches).next, &job->node);
    call_worker(replay);
}

struct js_job *js_replay_dequeue(struct js_replay *replay)
{
    struct list *queue = list_is_empty(&replay->fills) ? &replay->fetches : &replay->fills;
    if (list_is_empty(queue))
        return NULL;
    struct js_job *job = LIST_ENTRY(queue->next, struct js_job, node);
    list_remove(&job->node);
    job->state = JOB_WORKING;
    return job;
}

/* The thread that holds it lets go. */
static void unhold(struct js_job *job)
{
    job->worker->held = NULL;
    pthread_cond_signal(&job->worker->changed);
    job->worker = NULL;
}

static struct js_job *make_job(void)
{
    struct js_job *job = check_calloc(1, sizeof(*job));
    list_init(&job->node);
    atomic_init(&job->closing, false);
    return job;
}

/* ---- what the core asks for ---- */

void js_replay_fetch(struct js_replay *replay, struct fetch *fetch)
{
    struct js_job *job = fetch->source_data;
    if (job == NULL) {
        job = make_job();
        job->fetch.fetch = fetch;
        fetch->source_data = job;
    }
    pthread_mutex_lock(&replay->lock);
    CHECK(job->state != JOB_QUEUED && job->state != JOB_WORKING); /* one piece at a time */
    switch (job->state) {
    case JOB_IDLE:
        js_replay_enqueue(replay, job);
        break;
    case JOB_DELIVERING:
        job->again = true;
        break;
    case JOB_HELD:
        if (job->row < PIECES_IN_A_ROW || js_replay_is_queue_empty(replay)) {
            job->state = JOB_WORKING;
            pthread_cond_signal(&job->worker->changed);
        } else {
            unhold(job);
            js_replay_enqueue(replay, job);
        }
        break;
    case JOB_QUEUED:
    case JOB_WORKING:
        break;
    }
    pthread_mutex_unlock(&replay->lock);
}

void js_replay_fetch_close(struct js_replay *replay, struct fetch *fetch)
{
    struct js_job *job = fetch->source_data;
    bool is_free = true;
    if (job != NULL) {
        pthread_mutex_lock(&replay->lock);
        is_free = job->state != JOB_WORKING && job->state != JOB_DELIVERING;
        if (is_free) {
            list_remove(&job->node);
            if (job->state == JOB_HELD)
                unhold(job);
        } else {
            atomic_store(&job->closing, true);
        }
        pthread_mutex_unlock(&replay->lock);
    }
    if (!is_free)
        return;
    free(job);
    fetch->source_data = NULL;
    fetch->closed(fetch);
}

static struct js_job *find_fill(struct js_replay *replay, struct channel *channel)
{
    struct js_job *job;
    HASH_FIND_PTR(replay->by_channel, &channel, job);
    return job;
}

void js_replay_forget_fill(struct js_replay *replay, struct js_job *job)
{
    HASH_DEL(replay->by_channel, job);
}

void js_replay_fill(struct js_replay *replay, struct channel *channel, uint64_t after)
{
    pthread_mutex_lock(&replay->lock);
    struct js_job *job = find_fill(replay, channel);
    if (job == NULL) {
        job = make_job();
        job->is_fill = true;
        job->channel = channel;
        HASH_ADD_PTR(replay->by_channel, channel, job);
    } else {
        CHECK(job->state == JOB_DELIVERING && !job->again);
        job->again = true;
    }
    job->fill = (struct js_read_fill){.channel = channel, .after = after};
    if (!job->again)
        js_replay_enqueue(replay, job);
    pthread_mutex_unlock(&replay->lock);
}

bool js_replay_cancel_fill(struct js_replay *replay, struct channel *channel)
{
    pthread_mutex_lock(&replay->lock);
    struct js_job *job = find_fill(replay, channel);
    bool is_free = job == NULL || job->state == JOB_QUEUED;
    if (!is_free) {
        atomic_store(&job->closing, true);
    } else if (job != NULL) {
        list_remove(&job->node);
        js_replay_forget_fill(replay, job);
    }
    pthread_mutex_unlock(&replay->lock);
    if (is_free && job != NULL) {
        if (job->fill.fill != NULL)
            fill_destroy(job->fill.fill);
        free(job);
    }
    return is_free;
}
