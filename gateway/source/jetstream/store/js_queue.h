/* js_queue.h - the jobs of the store pool that wait for a worker */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_QUEUE_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_QUEUE_H

#include <stdbool.h>

struct channel;
struct js_job;
struct js_pool;

/* The pool's lock is held for all of these but js_queue_make_job. Workers are called by js_worker_call. */

/* Neither queued nor known by its channel yet. */
struct js_job *js_queue_make_job(void);

bool js_queue_is_empty(const struct js_pool *pool);
/* At the end. */
void js_queue_add(struct js_pool *pool, struct js_job *job);
/* What a session's end has interrupted keeps its place. */
void js_queue_add_first(struct js_pool *pool, struct js_job *job);
/* The next one, which is WORKING from then on. NULL: nothing is queued. */
struct js_job *js_queue_take(struct js_pool *pool);

/* The channel's fill, from js_queue_note_fill to js_queue_forget_fill, in whatever state. NULL: there is none. */
struct js_job *js_queue_find_fill(const struct js_pool *pool, struct channel *channel);
void js_queue_note_fill(struct js_pool *pool, struct js_job *job);
void js_queue_forget_fill(struct js_pool *pool, struct js_job *job);

#endif
