/* js_replay.h - reads stored messages for channels and readers, a bounded number at a time */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SOURCE_JETSTREAM_STORE_JS_REPLAY_H
#define GATEWAY_SOURCE_JETSTREAM_STORE_JS_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

struct channel;
struct fetch;
struct js_session;
struct source;

/*
 * A pool of threads, made as they are needed, each of which reads with one
 * short-lived pull consumer at a time: backfills of channels (one for all who
 * wait) and pieces for single readers. What exceeds the number of threads
 * queues, in the order in which it was asked for. Calls of the client library
 * block, so each thread goes straight through its work; a session that ends
 * under it means: do it again with the next one.
 *
 * A thread that has handed out a reader's piece keeps the consumer for that
 * reader's next piece for a moment, and gives it up when the reader takes its
 * time or others have queued for too long; it is then made anew after the last
 * sequence that was handed out.
 */
struct js_replay;

struct js_replay_options {
    struct source *source;
    unsigned threads; /* at most */
    /*
     * Waits for a session and retains it; NULL: the source stops. Any thread.
     * A session that is over is let go of within moments, and the next one
     * must not be given before the connection of the last has been closed.
     */
    struct js_session *(*acquire)(void *owner);
    /* Something is wrong with the session: it ought to be ended. Any thread. */
    void (*complain)(void *owner, struct js_session *session);
    void *owner;
};

struct js_replay *js_replay_create(const struct js_replay_options *options);
/* After the owner's acquire has begun to give NULL and the last session is closed. Joins the threads. All fetches and fills are closed or cancelled. */
void js_replay_destroy(struct js_replay *replay);

/* As source_ops.fill, .fetch, .fetch_close. Any thread, don't block. */
void js_replay_fill(struct js_replay *replay, struct channel *channel, uint64_t after);
void js_replay_fetch(struct js_replay *replay, struct fetch *fetch);
void js_replay_fetch_close(struct js_replay *replay, struct fetch *fetch);
/*
 * The channel is being closed: its fill, if any, is dropped. True: nothing of
 * the pool refers to it; false: channel_closed will be called from a thread of
 * the pool, later.
 */
bool js_replay_cancel_fill(struct js_replay *replay, struct channel *channel);

#endif
