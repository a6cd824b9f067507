/* js_pool.h - the store pool: reads stored messages for channels and readers, a bounded number at a time */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_POOL_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/source/jetstream/store/js_read.h"

struct channel;
struct fetch;

/*
 * A pool of threads, made as they are needed, each of which reads with one
 * short-lived pull consumer at a time: backfills of channels (one for all readers that
 * wait) and pieces for single readers. What exceeds the number of threads
 * queues, in the order in which it was asked for. Calls of the client library
 * block, so each thread goes straight through its work; a session that ends
 * under it means: do it again with the next one.
 *
 * A thread that has handed out a reader's piece keeps the consumer for that
 * reader's next piece for a moment, and gives it up when the reader takes its
 * time or others have queued for too long; another is then made after the last
 * sequence that was handed out.
 */
struct js_pool;

struct js_pool_options {
    struct js_read_host host;
    unsigned threads; /* at most */
};

struct js_pool *js_pool_create(const struct js_pool_options *options);
/*
 * After the host's acquire has begun to give NULL and the last session is
 * closed. Joins the threads. All fetches and fills are closed or cancelled.
 */
void js_pool_destroy(struct js_pool *pool);

/* As source_ops.fill, .fetch, .fetch_close. Any thread, don't block. */
void js_pool_fill(struct js_pool *pool, struct channel *channel, uint64_t after);
void js_pool_fetch(struct js_pool *pool, struct fetch *fetch);
void js_pool_fetch_close(struct js_pool *pool, struct fetch *fetch);
/*
 * The channel is being closed: its fill, if any, is dropped. True: nothing of
 * the pool refers to it; false: ingress_closed will be called from a thread of
 * the pool, later.
 */
bool js_pool_cancel_fill(struct js_pool *pool, struct channel *channel);

#endif
