/* js_queue.c - the jobs of the store pool that wait for a worker */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/store/js_queue.h"

#include "gateway/base/check.h"
#include "gateway/source/jetstream/store/js_pool_state.h"

struct js_job *js_queue_make_job(void)
{
    struct js_job *job = check_calloc(1, sizeof(*job));
    list_init(&job->node);
    atomic_init(&job->is_closing, false);
    return job;
}

bool js_queue_is_empty(const struct js_pool *pool)
{
    CHECK_HELD(&pool->lock);
    return list_is_empty(&pool->fills) && list_is_empty(&pool->fetches);
}

void js_queue_add(struct js_pool *pool, struct js_job *job)
{
    CHECK_HELD(&pool->lock);
    CHECK(list_is_empty(&job->node));
    job->state = JOB_QUEUED;
    job->row = 0;
    list_append(job->is_fill ? &pool->fills : &pool->fetches, &job->node);
}

void js_queue_add_first(struct js_pool *pool, struct js_job *job)
{
    CHECK_HELD(&pool->lock);
    CHECK(list_is_empty(&job->node));
    job->state = JOB_QUEUED;
    list_append((job->is_fill ? pool->fills : pool->fetches).next, &job->node);
}

struct js_job *js_queue_take(struct js_pool *pool)
{
    CHECK_HELD(&pool->lock);
    struct list *queue = list_is_empty(&pool->fills) ? &pool->fetches : &pool->fills;
    if (list_is_empty(queue))
        return NULL;
    struct js_job *job = LIST_ENTRY(queue->next, struct js_job, node);
    CHECK(job->state == JOB_QUEUED);
    list_remove(&job->node);
    job->state = JOB_WORKING;
    return job;
}

struct js_job *js_queue_find_fill(const struct js_pool *pool, struct channel *channel)
{
    CHECK_HELD(&pool->lock);
    struct js_job *job;
    HASH_FIND_PTR(pool->by_channel, &channel, job);
    return job;
}

void js_queue_note_fill(struct js_pool *pool, struct js_job *job)
{
    CHECK_HELD(&pool->lock);
    CHECK(job->is_fill && job->channel != NULL);
    HASH_ADD_PTR(pool->by_channel, channel, job);
}

void js_queue_forget_fill(struct js_pool *pool, struct js_job *job)
{
    CHECK_HELD(&pool->lock);
    CHECK(job->is_fill && js_queue_find_fill(pool, job->channel) == job);
    HASH_DEL(pool->by_channel, job);
}
