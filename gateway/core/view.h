/* view.h - one hub's copy of a channel's ring, and the readers that follow it there */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_VIEW_H
#define GATEWAY_CORE_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "gateway/base/list.h"
#include "gateway/core/channel.h"
#include "gateway/core/run.h"

struct view_entry {
    struct run *run; /* NULL: a loss mark */
    uint64_t sequence;
    int64_t received_ns;
    int64_t arrived_ns;
    uint32_t offset, size;
    uint32_t subject_offset, subject_len;
    bool superseded; /* a later entry has the same subject; see view_mark_superseded */
};

/* One per reader and view; lies in the reader. */
struct cursor {
    struct list link; /* in waiting or pending of its view, or in none */
    struct view *view;
    struct reader *reader;
    uint64_t position; /* of the next entry to send */
    uint64_t end;      /* where a reader with follow=false stops */
};

/*
 * Hub thread only, but for `follower`. The copy is of entries (pointers and
 * numbers), never of events. It is made in view_sync under one short lock for
 * all that is new; readers then go through it without any.
 */
struct view {
    struct hub *hub;
    struct channel *channel;
    UT_hash_handle hh; /* in the hub's table, by the channel's key */
    enum channel_state state;
    struct view_entry *ring;
    uint32_t ring_capacity;
    uint64_t head, tail; /* the channel's positions */
    uint64_t floor, hole;
    uint32_t fills;       /* the channel's */
    uint64_t marked_head; /* superseded flags are right up to here */
    struct run *run;      /* the one that grows, or NULL */
    struct list waiting;  /* cursors of readers that have all there is */
    struct list pending;  /* cursors of readers to be looked at in this turn or the next */
    struct list turn;     /* in the hub's list of views with pending cursors */
    struct list idle;     /* in the hub's list of views without readers */
    struct channel_follower follower;
    int64_t idle_since_ns;
};

/* Hub thread. Attaches to the channel (a user of it) and takes what is numbered up to horizon. */
struct view *view_create(struct hub *hub, struct channel *channel, uint64_t horizon);
/* Detaches; no reader is left. Hub thread; any thread once the loop has ended. */
void view_destroy(struct view *view);

/*
 * Takes all new entries up to horizon, lets go of those the channel has
 * evicted, and moves waiting cursors to pending when there is something for
 * them. True: the channel has more, beyond the horizon.
 */
bool view_sync(struct view *view, uint64_t horizon);

/*
 * The first position whose sequence is greater than `sequence`; where the
 * entries begin of which none is older than ns. head if there is none.
 */
uint64_t view_after(const struct view *view, uint64_t sequence);
uint64_t view_since(const struct view *view, int64_t ns);

/* Flags each entry that a later one of the same subject supersedes. Costs a pass over the ring once per new head. */
void view_mark_superseded(struct view *view);

/* The entry's subject (not NUL terminated). */
const char *view_subject(const struct view *view, const struct view_entry *entry, size_t *len);

static inline struct view_entry *view_entry(const struct view *view, uint64_t position)
{
    return &view->ring[position & (view->ring_capacity - 1)];
}

#endif
