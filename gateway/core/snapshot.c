/* snapshot.c - what the gateway holds right now, gathered from all workers without stopping any */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buffer.h"
#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/base/metrics.h"
#include "gateway/base/thread.h"
#include "gateway/core/hub.h"
#include "gateway/core/registry.h"
#include "gateway/core/snapshot_rows.h"
#include "gateway/core/topk.h"
#include "gateway/core/walk.h"

/* Channels visited in one turn, under the registry's lock: a few hundred microseconds. */
#define TURN_CHANNELS 1000
#define SNAPSHOT_NS (2 * NS_PER_S)

/* One hub's part. Its own until it is over, then the snapshot's. */
struct part {
    struct mailbox_task task;
    struct walk walk;
    struct snapshot *snapshot;
    struct hub *hub;
    struct topk slow;
    bool over; /* under the snapshot's lock */
};

/*
 * The hub that started it waits no longer than SNAPSHOT_NS; parts may end
 * later, so the last of them, or the hub, frees it.
 */
struct snapshot {
    struct list link; /* of the hub's */
    struct hub *hub;
    struct registry *registry;
    struct registry_walk walk;
    bool walking; /* channels are left to look at */
    int64_t deadline_ns;
    struct topk channels;
    char *gateway;
    struct snapshot_filter filter;
    void (*done)(void *arg, const char *json, size_t len);
    void *arg;

    struct lock lock; /* of the next ones */
    unsigned refs;    /* the parts that are not over, and the hub */
    unsigned parts_left;
    bool waiting; /* the hub is, and can be woken */
    unsigned part_count;
    struct part parts[];
};

/* The lock is held, and given back. May free the snapshot. */
static void release_snapshot(struct snapshot *snapshot)
{
    CHECK_HELD(&snapshot->lock);
    bool is_last = --snapshot->refs == 0;
    lock_give(&snapshot->lock);
    if (!is_last) /* a part or the hub still uses it */
        return;
    atomic_fetch_sub(&snapshot->registry->snapshots, 1);
    for (unsigned i = 0; i != snapshot->part_count; ++i)
        topk_dispose(&snapshot->parts[i].slow);
    topk_dispose(&snapshot->channels);
    lock_dispose(&snapshot->lock);
    free(snapshot->gateway);
    free(snapshot->filter.text);
    free(snapshot);
}

/* ---- a part, on its hub's thread ---- */

static bool look_at_reader(struct walk *walk, struct reader *reader)
{
    struct part *part = LIST_ENTRY(walk, struct part, walk);
    snapshot_rows_add_slow(&part->slow, &part->snapshot->filter, part->hub, reader);
    return true;
}

static void on_walk_over(struct walk *walk)
{
    struct part *part = LIST_ENTRY(walk, struct part, walk);
    struct snapshot *snapshot = part->snapshot;
    lock_take(&snapshot->lock);
    part->over = true;
    /* a hub that left at its deadline may be gone by now */
    if (--snapshot->parts_left == 0 && snapshot->waiting)
        mailbox_wake(&snapshot->hub->mailbox);
    release_snapshot(snapshot);
}

static void on_task(struct mailbox_task *task)
{
    struct part *part = LIST_ENTRY(task, struct part, task);
    walk_start(part->hub, &part->walk);
}

/* ---- the snapshot, on the thread of the hub that it is for ---- */

static void look_at_channel(void *arg, struct channel *channel)
{
    struct snapshot *snapshot = arg;
    snapshot_rows_add_channel(&snapshot->channels, &snapshot->filter, channel);
}

struct snapshot *snapshot_start(struct hub *hub, const struct snapshot_options *options,
                                void (*done)(void *arg, const char *json, size_t len), void *arg)
{
    CHECK_THREAD(hub);
    struct registry *registry = hub->registry;
    /* counted first: two that start at once must not both take the last place */
    if (atomic_fetch_add(&registry->snapshots, 1) >= SNAPSHOTS_MAX) {
        atomic_fetch_sub(&registry->snapshots, 1);
        return NULL;
    }
    struct snapshot *snapshot = check_calloc(1, sizeof(*snapshot) + registry->mailbox_count * sizeof(struct part));
    snapshot->hub = hub;
    snapshot->registry = registry;
    snapshot->done = done;
    snapshot->arg = arg;
    snapshot->deadline_ns = hub->now_ns + SNAPSHOT_NS;
    snapshot->gateway = options->gateway != NULL ? check_strdup(options->gateway) : NULL;
    snapshot_rows_init_filter(&snapshot->filter, options->filter, options->filter_len);
    topk_init(&snapshot->channels, options->limit);
    lock_init(&snapshot->lock);
    snapshot->part_count = snapshot->parts_left = registry->mailbox_count;
    snapshot->refs = snapshot->part_count + 1;
    snapshot->waiting = snapshot->walking = true;
    list_append(&hub->snapshots, &snapshot->link);
    registry_walk_begin(registry, &snapshot->walk);
    for (unsigned i = 0; i != snapshot->part_count; ++i) {
        struct part *part = &snapshot->parts[i];
        *part = (struct part){.task.run = on_task, .snapshot = snapshot, .hub = hub_of(registry->mailboxes[i])};
        part->walk = (struct walk){.look = look_at_reader, .over = on_walk_over};
        topk_init(&part->slow, SNAPSHOT_SLOW_MAX);
        mailbox_post(&part->hub->mailbox, &part->task);
    }
    return snapshot;
}

/* The hub stops waiting. It may read the parts that are over until it releases the snapshot. */
static void leave_hub(struct snapshot *snapshot)
{
    list_remove(&snapshot->link);
    registry_walk_end(snapshot->registry, &snapshot->walk);
    lock_take(&snapshot->lock);
    snapshot->waiting = false;
    lock_give(&snapshot->lock);
}

void snapshot_cancel(struct snapshot *snapshot)
{
    leave_hub(snapshot);
    lock_take(&snapshot->lock);
    release_snapshot(snapshot);
}

static void write_head(const struct snapshot *snapshot, struct buffer *json)
{
    struct registry *registry = snapshot->registry;
    buffer_add_text(json, "{\"version\":\"" FRESHET_VERSION "\"");
    if (snapshot->gateway != NULL) {
        buffer_add_text(json, ",\"gateway\":");
        buffer_add_json(json, snapshot->gateway, strlen(snapshot->gateway));
    }
    buffer_add_text(json, ",\"uptime_seconds\":");
    buffer_add_seconds(json, snapshot->hub->now_ns - registry->started_ns);
    buffer_format(json, ",\"connections\":%llu,\"streams\":%llu,\"channels_total\":%zu",
                  (unsigned long long)metrics_sum(METRIC_CONNECTIONS), (unsigned long long)metrics_sum(METRIC_STREAMS),
                  registry_channel_count(registry));
}

/* Merges the rows of all parts that are over. False: some are still under way. */
static bool gather_slow(struct snapshot *snapshot, struct topk *slow)
{
    lock_take(&snapshot->lock);
    for (unsigned i = 0; i != snapshot->part_count; ++i) {
        if (snapshot->parts[i].over) /* the others' rows still belong to their hub */
            topk_merge(slow, &snapshot->parts[i].slow);
    }
    bool complete = snapshot->parts_left == 0;
    lock_give(&snapshot->lock);
    return complete;
}

static void finish_snapshot(struct snapshot *snapshot)
{
    struct buffer json = {.bytes = NULL};
    leave_hub(snapshot);
    struct topk slow;
    topk_init(&slow, SNAPSHOT_SLOW_MAX);
    bool complete = gather_slow(snapshot, &slow) && !snapshot->walking;
    write_head(snapshot, &json);
    buffer_add_text(&json, ",\"channels\":[");
    topk_write(&snapshot->channels, &json);
    buffer_add_text(&json, "],\"slow\":[");
    topk_write(&slow, &json);
    buffer_format(&json, "],\"complete\":%s}\n", complete ? "true" : "false");
    snapshot->done(snapshot->arg, json.bytes, json.len);
    buffer_dispose(&json);
    topk_dispose(&slow);
    lock_take(&snapshot->lock);
    release_snapshot(snapshot);
}

/* True: it is complete, or its time is up. */
static bool step_snapshot(struct snapshot *snapshot, int64_t now_ns)
{
    if (snapshot->walking)
        snapshot->walking =
            registry_walk_step(snapshot->registry, &snapshot->walk, TURN_CHANNELS, look_at_channel, snapshot);
    lock_take(&snapshot->lock);
    bool is_done = !snapshot->walking && snapshot->parts_left == 0;
    lock_give(&snapshot->lock);
    return is_done || now_ns >= snapshot->deadline_ns;
}

bool snapshot_step(struct hub *hub)
{
    CHECK_THREAD(hub);
    bool more = false;
    for (struct list *node = hub->snapshots.next, *next; node != &hub->snapshots; node = next) {
        struct snapshot *snapshot = LIST_ENTRY(node, struct snapshot, link);
        next = node->next;
        if (step_snapshot(snapshot, hub->now_ns))
            finish_snapshot(snapshot);
        else
            more |= snapshot->walking; /* parts need no turn of this hub: the last one wakes it */
    }
    return more;
}

void snapshot_end_all(struct hub *hub)
{
    while (!list_is_empty(&hub->snapshots))
        finish_snapshot(LIST_ENTRY(hub->snapshots.next, struct snapshot, link));
}
