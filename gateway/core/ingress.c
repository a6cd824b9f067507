/* ingress.c - what a source tells the core */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/ingress.h"

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/base/metrics.h"
#include "gateway/core/channel.h"
#include "gateway/core/message.h"
#include "gateway/core/registry.h"
#include "gateway/core/reserved.h"
#include "gateway/core/source.h"
#include "proto/subject.h"

/*
 * All of the channels' patterns match the subject. Most patterns can't match a
 * reserved one: then there is nothing to judge. The first that can has it
 * judged, for all of them.
 */
static bool is_for_readers(struct channel *const *channels, size_t count, const struct message *message)
{
    if (message->subject_len > SUBJECT_MAX)
        return false;
    for (size_t i = 0; i != count; ++i) {
        if (channel_is_guarded(channels[i]))
            return !reserved_has(message->subject, message->subject_len);
    }
    return true;
}

/* Reclaiming can't keep up: this ring stops growing, and keeps its newest events. */
static void shed_events(struct channel *channel, int64_t balance)
{
    uint64_t events = ring_shed(&channel->ring, balance);
    metrics_add_shared(METRIC_HISTORY_EVICTED, (int64_t)events);
}

/* Both locks held. */
static void append_event(struct channel *channel, uint64_t sequence, const struct message *message)
{
    struct source *source = channel->profile.source;
    CHECK_HELD(&source->lock);
    CHECK_HELD(&channel->lock);
    struct event_id id = {.incarnation = 0};
    if (channel->profile.store != POLICY_STORE_NONE)
        id = source_id(source, sequence);
    int64_t balance = channel->ring.balance;
    ring_append(&channel->ring, source->encoding, id, sequence, message);
    if (channel->ring.balance > balance && budget_is_far_over(&channel->registry->budget))
        shed_events(channel, balance);
    channel_note_evicted(channel);
}

static void append_mark(struct channel *channel, uint64_t sequence)
{
    ring_append_mark(&channel->ring, sequence, 0);
    channel_note_evicted(channel);
}

/* The source's lock is held: the horizon only moves forward. */
static void publish_horizon(struct source *source, uint64_t sequence)
{
    CHECK_HELD(&source->lock);
    source->sequence = sequence;
    atomic_store_explicit(&source->published, sequence, memory_order_release);
}

/*
 * Readers get from the store what is not above the floor, and all that is
 * from before there is one. A ring that had a part of it would hide from a
 * fill what it lacks.
 */
static bool is_left_to_store(const struct channel *channel, uint64_t sequence)
{
    return source_has_store(channel->profile.source) &&
           (channel->state == CHANNEL_PENDING || sequence <= channel->floor);
}

/* The source's lock is held. */
static void append_to_all(struct channel *const *channels, size_t count, uint64_t sequence,
                          const struct message *message, uint64_t *wake)
{
    int64_t now_ns = count != 0 ? clock_mono_coarse_ns() : 0;
    for (size_t i = 0; i != count; ++i) {
        struct channel *channel = channels[i];
        channel_touch(channel, now_ns);
        lock_take(&channel->lock);
        if (!is_left_to_store(channel, sequence)) {
            if (message != NULL)
                append_event(channel, sequence, message);
            else
                append_mark(channel, sequence);
            channel_mark_followers(channel, wake);
        }
        lock_give(&channel->lock);
    }
}

void ingress_append(struct channel *channel, const struct message *message)
{
    struct source *source = channel->profile.source;
    uint64_t wake = 0;

    metrics_add_shared(METRIC_MESSAGES_RECEIVED, 1);
    if (!is_for_readers(&channel, 1, message))
        return;
    lock_take(&source->lock);
    uint64_t sequence = source->sequence + 1;
    append_to_all(&channel, 1, sequence, message, &wake);
    publish_horizon(source, sequence);
    lock_give(&source->lock);
    registry_wake(channel->registry, wake);
}

void ingress_append_at(struct source *source, uint64_t sequence, const struct message *message,
                       struct channel *const *channels, size_t count)
{
    uint64_t wake = 0;

    metrics_add_shared(METRIC_MESSAGES_RECEIVED, 1);
    if (!is_for_readers(channels, count, message))
        count = 0;
    lock_take(&source->lock);
    CHECK(sequence >= source->sequence);
    append_to_all(channels, count, sequence, message, &wake);
    publish_horizon(source, sequence);
    lock_give(&source->lock);
    if (count != 0)
        registry_wake(channels[0]->registry, wake);
}

void ingress_append_late(struct source *source, uint64_t sequence, const struct message *message,
                         struct channel *const *channels, size_t count)
{
    uint64_t wake = 0;

    metrics_add_shared(METRIC_MESSAGES_RECEIVED, 1);
    if (count == 0 || !is_for_readers(channels, count, message))
        return;
    lock_take(&source->lock);
    CHECK(sequence <= source->sequence);
    append_to_all(channels, count, sequence, message, &wake);
    lock_give(&source->lock);
    registry_wake(channels[0]->registry, wake);
}

bool ingress_has(struct channel *channel, uint64_t sequence)
{
    lock_take(&channel->lock);
    uint64_t low = channel->ring.tail, high = channel->ring.head;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (channel_entry(channel, middle)->sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    bool has = sequence <= channel->ring.evicted ||
               (low < channel->ring.head && channel_entry(channel, low)->sequence == sequence);
    lock_give(&channel->lock);
    return has;
}

void ingress_advance(struct source *source, uint64_t sequence)
{
    lock_take(&source->lock);
    if (sequence > source->sequence)
        publish_horizon(source, sequence);
    lock_give(&source->lock);
}

void ingress_lost(struct source *source, struct channel *const *channels, size_t count)
{
    if (count == 0)
        return;
    uint64_t wake = 0;
    lock_take(&source->lock);
    uint64_t sequence = source->sequence + 1;
    append_to_all(channels, count, sequence, NULL, &wake);
    publish_horizon(source, sequence);
    lock_give(&source->lock);
    registry_wake(channels[0]->registry, wake);
}

void ingress_lost_at(struct source *source, struct channel *const *channels, size_t count, uint64_t sequence)
{
    uint64_t wake = 0;
    lock_take(&source->lock);
    CHECK(sequence >= source->sequence);
    append_to_all(channels, count, sequence, NULL, &wake);
    publish_horizon(source, sequence);
    lock_give(&source->lock);
    if (count != 0)
        registry_wake(channels[0]->registry, wake);
}

uint64_t ingress_begin_epoch(struct source *source, uint64_t incarnation, struct channel *const *channels, size_t count)
{
    uint64_t wake = 0;
    lock_take(&source->lock);
    bool is_first = atomic_load(&source->epoch) == NULL;
    uint64_t base = is_first ? 0 : source->sequence + 1;
    source_push_epoch(source, base, incarnation);
    atomic_store(&source->first, base + 1);
    append_to_all(channels, is_first ? 0 : count, base, NULL, &wake);
    publish_horizon(source, base);
    lock_give(&source->lock);
    if (wake != 0)
        registry_wake(channels[0]->registry, wake);
    return base;
}

/*
 * Open takes a number of its own: a client with a cursor from before it may have
 * missed what the source was not yet asked for, or did not deliver yet.
 */
void ingress_opened(struct channel *channel)
{
    struct source *source = channel->profile.source;
    uint64_t wake = 0;
    lock_take(&source->lock);
    lock_take(&channel->lock);
    if (channel->state == CHANNEL_PENDING) {
        channel->state = CHANNEL_OPEN;
        channel->floor = ++source->sequence;
        channel->bottom = channel->floor;
        channel_mark_followers(channel, &wake);
    }
    lock_give(&channel->lock);
    publish_horizon(source, source->sequence);
    lock_give(&source->lock);
    registry_wake(channel->registry, wake);
}

bool ingress_opened_at(struct channel *channel, uint64_t floor)
{
    uint64_t wake = 0;
    lock_take(&channel->lock);
    bool opens = channel->state == CHANNEL_PENDING;
    if (opens) {
        channel->state = CHANNEL_OPEN;
        if (channel->floor < floor)
            channel->floor = floor;
        channel_mark_followers(channel, &wake);
    }
    lock_give(&channel->lock);
    registry_wake(channel->registry, wake);
    return opens;
}

void ingress_denied(struct channel *channel)
{
    uint64_t wake = 0;
    lock_take(&channel->lock);
    if (channel->state != CHANNEL_DENIED) {
        channel->state = CHANNEL_DENIED;
        channel->denied_ns = clock_mono_ns();
        channel_mark_followers(channel, &wake);
    }
    lock_give(&channel->lock);
    registry_wake(channel->registry, wake);
}

void ingress_closed(struct channel *channel)
{
    struct registry *registry = channel->registry;
    channel_destroy(channel);
    registry_forget(registry);
}

const char *ingress_pattern(const struct channel *channel)
{
    return channel->pattern;
}

void ingress_set_source_data(struct channel *channel, void *data)
{
    channel->source_data = data;
}

void *ingress_source_data(const struct channel *channel)
{
    return channel->source_data;
}
