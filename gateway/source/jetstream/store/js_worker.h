/* js_worker.h - the threads of the store pool: each reads one queued job at a time */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_WORKER_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_WORKER_H

struct js_job;
struct js_pool;

/* There is something in the queue: wakes an idle worker, starts one, or asks one for what it holds. The lock is held. */
void js_worker_call(struct js_pool *pool);
/* The worker that holds the job releases it, and doesn't look at it again. The lock is held. */
void js_worker_unhold(struct js_job *job);
/* Ends and frees all of them. They end once there are no more sessions. Not with the lock. */
void js_worker_stop_all(struct js_pool *pool);

#endif
