/* reclaim.c - who gives way when all rings together take too much memory */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/reclaim.h"

#include <stddef.h>

#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/base/log.h"
#include "gateway/base/metrics.h"
#include "gateway/core/channel.h"
#include "gateway/core/registry.h"

/* Channels of one call: the table is walked once for so many. */
#define VICTIMS_MAX 256
/* Younger events stay: their readers may be about to get them. */
#define RECENT_NS NS_PER_S
/* After a call that could free nothing. */
#define PAUSE_NS NS_PER_S

struct victim {
    struct channel *channel;
    bool is_idle;
    int64_t since_ns; /* idle, or not used */
};

/* A heap: the one that is to give way last is at the top, and makes room for any that comes before it. */
struct victims {
    size_t count;
    struct victim heap[VICTIMS_MAX];
};

struct outcome {
    uint64_t bytes, events, closed, trimmed;
};

static bool is_before(const struct victim *a, const struct victim *b)
{
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

/* Those that are to give way first come first. */
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

/* They get a user more each, so that they stay. */
static void choose_victims(struct registry *registry, struct victims *victims)
{
    struct channel *channel, *next;
    victims->count = 0;
    lock_take(&registry->lock);
    HASH_ITER (hh, registry->channels, channel, next) {
        struct victim victim = {channel, channel->users == 0, channel->idle_since_ns};
        if (!victim.is_idle)
            victim.since_ns = atomic_load_explicit(&channel->used_ns, memory_order_relaxed);
        if (has_events(channel))
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
    if (victim->is_idle)
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
                          log_str("reason", "no ring has anything old enough to give"));
    else
        log_write_limited(LOG_WARN, "history-trimmed", log_u64("limit", limit), log_u64("freed", outcome->bytes),
                          log_u64("events", outcome->events), log_u64("channels_closed", outcome->closed),
                          log_u64("channels_trimmed", outcome->trimmed));
}

bool reclaim_run(struct registry *registry, int64_t now_ns, int64_t wall_ns)
{
    if (!budget_is_over(&registry->budget) || now_ns < registry->reclaim_after_ns)
        return false;
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
        outcome.closed += registry_unpin(registry, victim->channel, gives_way && victim->is_idle);
    }
    metrics_add_shared(METRIC_HISTORY_EVICTED, (int64_t)outcome.events);
    log_outcome(registry, &outcome);
    if (outcome.bytes == 0)
        registry->reclaim_after_ns = now_ns + PAUSE_NS;
    return budget_is_over(&registry->budget) && outcome.bytes != 0;
}
