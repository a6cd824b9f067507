/* hub.h - the part of a worker that knows channels and readers */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CORE_HUB_H
#define GATEWAY_CORE_HUB_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/list.h"
#include "gateway/base/metrics.h"
#include "gateway/core/batch.h"
#include "gateway/core/mailbox.h"
#include "gateway/core/run.h"
#include "gateway/core/source.h"
#include "gateway/core/wheel.h"

struct channel_profile;
struct walk;
struct registry;
struct view;

/*
 * One per worker. Everything but the mailbox belongs to its worker's thread. The
 * order of work on it is in turn.h; here is the ground that readers and views
 * stand on.
 */
struct hub {
    struct registry *registry;
    struct metrics *metrics;
    pthread_t thread;
    int64_t now_ns;           /* of this turn, monotonic */
    int64_t written_ns;       /* time of the last socket write; set by the caller of reader_sent */
    int64_t write_timeout_ns; /* 0: none */
    uint64_t random;          /* state of random_spread: hubs that start together spread apart */

    struct view *views; /* uthash by channel key */
    struct list turn_views;
    struct list idle_views;
    uint64_t horizon[SOURCES_MAX];
    struct source *sources[SOURCES_MAX];

    struct list readers;
    struct list unlooked; /* readers the current walk has not visited yet */
    size_t reader_count;
    struct drain_begin {
        bool active;
        int64_t begin_ns, window_ns;
        uint64_t total, ended;
        struct list waiting; /* whose turn will come; of a drain of all: `readers` instead */
        struct list told;    /* that were asked to end, and are still there */
    } drain, parting;        /* of all readers; of those whose listener is no more */
    struct walk *walks, *walks_waiting, **walks_waiting_end;
    struct list ready;     /* histories that have something new for their readers */
    struct list snapshots; /* asked for here */
    struct wheel wheel;
    struct list later, later_due;
    struct batch_pool batches;
    struct run_pool runs;
    bool stopping;
    bool is_behind; /* some views have entries beyond the horizon */

    struct mailbox mailbox; /* the one part of it that is any thread's */
};

/* Its mailbox is then added to the registry. */
void hub_init(struct hub *hub, struct registry *registry, struct metrics *metrics, void (*wake)(void *),
              void *wake_arg);
/* At the end, when no reader is left: gives all views back. */
void hub_release_views(struct hub *hub);
/* After turn_end. */
void hub_dispose(struct hub *hub);

/* The hub that a mailbox lies in. */
static inline struct hub *hub_of(struct mailbox *mailbox)
{
    return LIST_ENTRY(mailbox, struct hub, mailbox);
}

/* From the worker's thread, before anything else. */
void hub_start(struct hub *hub, int64_t now_ns);

/* Sources whose sequences readers of this hub follow; before the first reader. */
void hub_add_source(struct hub *hub, struct source *source);

/* ---- of core, hub thread ---- */
/* The view of a channel, found or made; a reader more. */
struct view *hub_join(struct hub *hub, const struct channel_profile *profile, const char *pattern, size_t pattern_len);
/* A reader less. */
void hub_leave(struct hub *hub, struct view *view);
/* Gives back the views that have had no reader for long enough. */
void hub_drop_idle_views(struct hub *hub);
/* Brings the horizon and all views up to date, so that a reader that starts now starts at one point of all channels. */
void hub_refresh(struct hub *hub);

#endif
