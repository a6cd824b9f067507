/* js_pool.c - the store pool: what the core asks for */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/store/js_pool.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/core/fetch.h"
#include "gateway/core/fill.h"
#include "gateway/core/source.h"
#include "gateway/source/jetstream/store/js_pool_state.h"
#include "gateway/source/jetstream/store/js_queue.h"
#include "gateway/source/jetstream/store/js_worker.h"

struct js_pool *js_pool_create(const struct js_pool_options *options)
{
    CHECK(options->threads > 0);
    struct js_pool *pool = check_calloc(1, sizeof(*pool));
    pool->options = *options;
    lock_init(&pool->lock);
    list_init(&pool->fills);
    list_init(&pool->fetches);
    list_init(&pool->idle);
    list_init(&pool->holding);
    pool->workers = check_calloc(options->threads, sizeof(struct js_worker *));
    return pool;
}

void js_pool_destroy(struct js_pool *pool)
{
    js_worker_stop_all(pool);
    lock_take(&pool->lock);
    CHECK(js_queue_is_empty(pool) && pool->by_channel == NULL);
    lock_give(&pool->lock);
    lock_dispose(&pool->lock);
    free(pool->workers);
    free(pool);
}

void js_pool_fetch(struct js_pool *pool, struct fetch *fetch)
{
    struct js_job *job = fetch->source_data;
    if (job == NULL) {
        job = js_queue_make_job();
        job->fetch.fetch = fetch;
        fetch->source_data = job;
    }
    lock_take(&pool->lock);
    CHECK(job->state != JOB_QUEUED && job->state != JOB_WORKING); /* one piece at a time */
    switch (job->state) {
    case JOB_IDLE:
        js_queue_add(pool, job);
        js_worker_call(pool);
        break;
    case JOB_DELIVERING:
        job->is_asked_again = true; /* the worker looks when the core's callback has returned */
        break;
    case JOB_HELD:
        /* Its consumer stands: the worker continues with it, unless the reader has had its share. */
        if (job->row < PIECES_IN_A_ROW || js_queue_is_empty(pool)) {
            job->state = JOB_WORKING;
            condition_signal(&job->worker->changed);
        } else {
            js_worker_unhold(job);
            js_queue_add(pool, job);
            js_worker_call(pool);
        }
        break;
    case JOB_QUEUED:
    case JOB_WORKING:
        break;
    }
    lock_give(&pool->lock);
}

void js_pool_fetch_close(struct js_pool *pool, struct fetch *fetch)
{
    struct js_job *job = fetch->source_data;
    bool is_free = true;
    if (job != NULL) {
        lock_take(&pool->lock);
        is_free = job->state != JOB_WORKING && job->state != JOB_DELIVERING;
        if (is_free) {
            list_remove(&job->node);
            if (job->state == JOB_HELD)
                js_worker_unhold(job);
        } else {
            atomic_store(&job->is_closing, true); /* the worker that has it frees it */
        }
        lock_give(&pool->lock);
    }
    if (!is_free)
        return;
    free(job);
    fetch->source_data = NULL;
    fetch->closed(fetch);
}

void js_pool_fill(struct js_pool *pool, struct channel *channel, uint64_t after)
{
    lock_take(&pool->lock);
    struct js_job *job = js_queue_find_fill(pool, channel);
    if (job == NULL) {
        job = js_queue_make_job();
        job->is_fill = true;
        job->channel = channel;
        js_queue_note_fill(pool, job);
    } else {
        /* asked from within ingress_filled */
        CHECK(job->state == JOB_DELIVERING && !job->is_asked_again);
        job->is_asked_again = true;
    }
    job->fill = (struct js_read_fill){.channel = channel, .after = after};
    if (!job->is_asked_again) {
        js_queue_add(pool, job);
        js_worker_call(pool);
    }
    lock_give(&pool->lock);
}

bool js_pool_cancel_fill(struct js_pool *pool, struct channel *channel)
{
    lock_take(&pool->lock);
    struct js_job *job = js_queue_find_fill(pool, channel);
    bool is_free = job == NULL || job->state == JOB_QUEUED;
    if (!is_free) {
        atomic_store(&job->is_closing, true);
    } else if (job != NULL) {
        list_remove(&job->node);
        js_queue_forget_fill(pool, job);
    }
    lock_give(&pool->lock);
    if (is_free && job != NULL) {
        if (job->fill.fill != NULL)
            fill_destroy(job->fill.fill);
        free(job);
    }
    return is_free;
}
