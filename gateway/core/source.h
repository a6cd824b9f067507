/* source.h - what the core asks of a source of messages, and how its events are numbered */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_SOURCE_H
#define GATEWAY_CORE_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/lock.h"
#include "proto/event_id.h"

struct channel;
struct encoding;
struct fetch;
struct request;
struct source;

/* A header of a message; neither text has a control byte, the name no ':' either. */
struct publish_header {
    const char *name, *value;
};

/*
 * A message to publish. Created by the HTTP layer, owned by the source until
 * done is called (once, on any thread, also on failure), which hands it back.
 */
enum publish_status { PUBLISH_OK = 0, PUBLISH_TOO_LARGE, PUBLISH_UNAVAILABLE, PUBLISH_DENIED };
struct publish {
    char *subject; /* literal, checked, NUL terminated */
    char *data;
    size_t data_len;
    const char *msg_id; /* NUL terminated, for header Nats-Msg-Id; NULL: none. Lives as long as the publish */
    const struct publish_header *headers; /* as msg_id; a name may come several times */
    size_t header_count;
    enum publish_status status; /* set before done */
    bool stored;                /* set before done: the store has it, under `id` */
    bool duplicate;             /* … and had it before */
    struct event_id id;         /* incarnation 0: its stream was just created again, and has no name here yet */
    void (*done)(struct publish *publish);
    void *owner;
    struct publish *next; /* free for the holder */
};

/*
 * A question: which sequences does the store hold? Belongs to the source
 * until looked is called (once, any thread; an outage may make it wait).
 */
struct look {
    uint64_t first, last; /* set before looked; nothing stored: first is last + 1 */
    void (*looked)(struct look *look);
    struct look *next; /* free for the holder */
};

struct source_ops {
    /*
     * Start to deliver the channel's pattern. Called on any thread, must not
     * block. Leads to ingress_opened or ingress_denied on some thread, later
     * or (broker away) when the outage bound has passed: then ingress_opened
     * too, and ingress_lost once the broker is back.
     */
    void (*open)(struct source *source, struct channel *channel);
    /*
     * Stop. Called once, on any thread, must not block; after it the source
     * calls ingress_closed as its last use of the channel.
     */
    void (*close)(struct source *source, struct channel *channel);
    /* Must not block. Takes the publish over. */
    void (*publish)(struct source *source, struct publish *publish);
    bool (*is_connected)(struct source *source);
    /* Core NATS only, else NULL. Must not block. Takes the request over, see request.h. */
    void (*request)(struct source *source, struct request *request);

    /* ---- of a source with a store; all NULL without. None may block, all may be called on any thread. ---- */

    /* Leads to look->looked. */
    void (*look)(struct source *source, struct look *look);
    /*
     * Get the channel's older events, those after `after` up to its floor. One
     * at a time for each channel. Leads to fill_finish, unless the channel
     * is closed before. An outage may make it wait.
     */
    void (*fill)(struct source *source, struct channel *channel, uint64_t after);
    /* Get a reader's next piece of stored events, see fetch.h. Leads to fetch->fetched, unless it is closed before. */
    void (*fetch)(struct source *source, struct fetch *fetch);
    /* No piece is wanted any more. Leads to fetch->closed, perhaps at once, perhaps after one last fetched. */
    void (*fetch_close)(struct source *source, struct fetch *fetch);
};

/*
 * An epoch: sequences that belong to one incarnation. Numbers within a process
 * never restart, so those of a store that was created again are its own plus
 * the epoch's base.
 */
struct source_epoch {
    uint64_t base; /* the number that stands for this incarnation's sequence 0 */
    uint64_t incarnation;
    struct source_epoch *older;
};

/*
 * A domain of sequences: every event of every channel of one source has its
 * own number, given out under the lock (or by the store), in one total order.
 * `published` is the horizon: whatever is numbered up to it is in its channel
 * and every hub with readers there has been told.
 */
struct source {
    const struct source_ops *ops;
    unsigned index; /* 0 … SOURCES_MAX - 1, unique in the process */
    struct lock lock;
    uint64_t sequence;         /* under lock */
    struct encoding *encoding; /* under lock: scratch memory of the event that is being appended */
    _Atomic uint64_t published;
    _Atomic uint64_t first;               /* with a store: the oldest it was last seen to hold */
    _Atomic(struct source_epoch *) epoch; /* the current one; none changes, all stay until source_dispose */
};
#define SOURCES_MAX 16

/* incarnation 0: none yet, the first ingress_begin_epoch sets it (a store that hasn't been reached). */
void source_init(struct source *source, const struct source_ops *ops, unsigned index, uint64_t incarnation);
void source_dispose(struct source *source);

/* Older events than the rings hold can be had. */
static inline bool source_has_store(const struct source *source)
{
    return source->ops->look != NULL;
}

/* The id of a number, and the number of an id: false if it is of no epoch of this process. Any thread. */
struct event_id source_id(const struct source *source, uint64_t sequence);
bool source_number(const struct source *source, struct event_id id, uint64_t *sequence);

/* ---- of core: the lock is held ---- */
void source_push_epoch(struct source *source, uint64_t base, uint64_t incarnation);

#endif
