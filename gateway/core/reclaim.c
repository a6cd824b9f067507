/* reclaim.c - frees memory when all rings together take too much */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/reclaim.h"

#include <stddef.h>

#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/core/channel.h"
#include "gateway/core/registry.h"

/* Channels handled by one call, which walks the table once. */
#define VICTIMS_MAX 256
/* Younger events stay: readers may be about to receive them. */
#define RECENT_NS NS_PER_S
/* Wait after a call that freed nothing. */
#define PAUSE_NS NS_PER_S

struct victim {
    struct channel *channel;
    bool is_idle;
    int64_t since_ns; /* idle, or not used */
};

/* A heap: at the top the last to be trimmed, which any channel that comes before it replaces. */
struct victims {
    size_t count;
    struct victim heap[VICTIMS_MAX];
};

struct outcome {
    uint64_t bytes, events, closed, trimmed;
};

static bool is_before(const struct victim *a, const struct victim *b)
{
    /* idle channels first: closing one costs no reader anything */
    return a->is_idle != b->is_idle ? a->is_idle : a->since_ns < b->since_ns;
}

static void sink_victim(struct victims *victims, size_t at, struct victim victim)
{
    for (size_t child; (child = 2 * at + 1) < victims->count; at = child) {
        if (child + 1 < victims->count && is_before(&victims->heap[child], &victims->heap[child + 1]))
            ++child;
        if (!is_before(&victim, &victims->heap[child]))
            break;
        victims->heap[at] = victims->heap[child];
    }
    victims->heap[at] = victim;
}

static void raise_victim(struct victims *victims, struct victim victim)
{
    size_t at = victims->count++;
    for (; at != 0 && is_before(&victims->heap[(at - 1) / 2], &victim); at = (at - 1) / 2)
        victims->heap[at] = victims->heap[(at - 1) / 2];
    victims->heap[at] = victim;
}

static void consider_victim(struct victims *victims, struct victim victim)
{
    if (victims->count != VICTIMS_MAX)
        raise_victim(victims, victim);
    else if (is_before(&victim, &victims->heap[0]))
        sink_victim(victims, 0, victim);
}

/* Into the order in which they are trimmed. */
static void sort_victims(struct victims *victims)
{
    size_t count = victims->count;
    while (victims->count > 1) {
        struct victim last = victims->heap[0];
        struct victim moved = victims->heap[--victims->count];
        sink_victim(victims, 0, moved);
        victims->heap[victims->count] = last;
    }
    victims->count = count;
}

static bool has_events(struct channel *channel)
{
    lock_take(&channel->lock);
    bool has = channel->ring.head != channel->ring.tail;
    lock_give(&channel->lock);
    return has;
}

/* Pins each with one more user, so that it lives until it has been trimmed without the registry's lock. */
static void choose_victims(struct registry *registry, struct victims *victims)
{
    struct channel *channel, *next;
    victims->count = 0;
    lock_take(&registry->lock);
    HASH_ITER (hh, registry->channels, channel, next) {
        struct victim victim = {channel, channel->users == 0, channel->idle_since_ns};
        if (!victim.is_idle)
            victim.since_ns = atomic_load_explicit(&channel->used_ns, memory_order_relaxed);
        if (has_events(channel)) /* an empty one would take a place and free nothing */
            consider_victim(victims, victim);
    }
    for (size_t i = 0; i != victims->count; ++i)
        ++victims->heap[i].channel->users;
    lock_give(&registry->lock);
    sort_victims(victims);
}

static void trim_victim(struct registry *registry, const struct victim *victim, uint64_t need, int64_t wall_ns,
                        struct outcome *outcome)
{
    uint64_t events, bytes, wake = 0;
    if (victim->is_idle) /* about to be closed: nothing in it has to stay */
        bytes = channel_trim(victim->channel, UINT64_MAX, INT64_MAX, &events, &wake);
    else
        bytes = channel_trim(victim->channel, need, wall_ns - RECENT_NS, &events, &wake);
    registry_wake(registry, wake);
    outcome->bytes += bytes;
    outcome->events += events;
    outcome->trimmed += !victim->is_idle && events != 0;
}

static void log_outcome(const struct registry *registry, const struct outcome *outcome)
{
    uint64_t limit = budget_limit(&registry->budget), used = budget_used(&registry->budget);
    if (outcome->bytes == 0)
        log_write_limited(LOG_WARN, "history-over-limit", log_u64("bytes", used), log_u64("limit", limit),
                          log_str("reason", "no ring has events old enough to evict"));
    else
        log_write_limited(LOG_WARN, "history-trimmed", log_u64("limit", limit), log_u64("freed", outcome->bytes),
                          log_u64("events", outcome->events), log_u64("channels_closed", outcome->closed),
                          log_u64("channels_trimmed", outcome->trimmed));
}

bool reclaim_run(struct registry *registry, int64_t now_ns, int64_t wall_ns)
{
    if (!budget_is_over(&registry->budget) || now_ns < registry->reclaim_after_ns)
        return false;
    /* an eighth below the limit, so that the next event doesn't bring all of this back */
    uint64_t limit = budget_limit(&registry->budget), target = limit - limit / 8;
    uint64_t need = budget_used(&registry->budget) - target;
    struct outcome outcome = {0};
    struct victims victims;
    choose_victims(registry, &victims);
    for (size_t i = 0; i != victims.count; ++i) {
        struct victim *victim = &victims.heap[i];
        bool gives_way = outcome.bytes < need;
        if (gives_way)
            trim_victim(registry, victim, need - outcome.bytes, wall_ns, &outcome);
        /* the others keep their channel, and are only unpinned */
        outcome.closed += registry_unpin(registry, victim->channel, gives_way && victim->is_idle);
    }
    metrics_add_shared(METRIC_HISTORY_EVICTED, (int64_t)outcome.events);
    log_outcome(registry, &outcome);
    if (outcome.bytes == 0) /* all is recent: walking the table again at once would find no more */
        registry->reclaim_after_ns = now_ns + PAUSE_NS;
    return budget_is_over(&registry->budget) && outcome.bytes != 0;
}
