/* js_pool_state.h - the structs of the store pool: its jobs, its workers, their queues */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_POOL_STATE_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_POOL_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uthash.h>

#include "gateway/base/condition.h"
#include "gateway/base/list.h"
#include "gateway/base/lock.h"
#include "gateway/source/jetstream/store/js_pool.h"
#include "gateway/source/jetstream/store/js_read.h"
#include "gateway/source/jetstream/store/js_read_fill.h"
#include "gateway/source/jetstream/store/js_read_piece.h"

#define PIECES_IN_A_ROW 64 /* a reader gets so many, if others queue */

/*
 * A job is a reader's fetch, from the first piece asked for until it is
 * closed, or a channel's fill. The state says whose it is: only in WORKING and
 * DELIVERING a thread looks at what it is about; in the other states it may go
 * at any moment.
 */
enum js_job_state {
    JOB_IDLE = 0,
    JOB_QUEUED,
    JOB_WORKING,
    JOB_DELIVERING, /* the core is being told */
    JOB_HELD,       /* a thread keeps the consumer for the next piece */
};

struct js_worker {
    struct js_pool *pool;
    pthread_t thread;
    struct condition changed;
    struct list idle;    /* in pool->idle while it has nothing to do */
    struct list holding; /* in pool->holding while it has a job that is complete */
    struct js_job *held;
    struct js_read read;
};

struct js_job {
    struct list node; /* in a queue while QUEUED */
    enum js_job_state state;
    atomic_bool is_closing;
    bool is_asked_again;      /* asked for again while DELIVERING */
    struct js_worker *worker; /* while HELD */
    unsigned row;             /* pieces since it was queued */
    bool is_fill;
    struct js_read_fetch fetch;
    struct js_read_fill fill;
    struct channel *channel; /* key of the table of fills */
    UT_hash_handle hh;
};

struct js_pool {
    struct js_pool_options options;
    struct lock lock; /* innermost: nothing of the core is called with it */
    bool is_stopping;
    struct list fills, fetches; /* the queues */
    struct list idle, holding;  /* of workers */
    struct js_job *by_channel;
    struct js_worker **workers;
    unsigned worker_count;
};

#endif
