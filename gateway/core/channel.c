/* channel.c - one NATS filter: a bounded log of encoded events, and who follows it */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/channel.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/metrics.h"
#include "gateway/core/message.h"
#include "gateway/core/registry.h"
#include "proto/subject.h"

struct channel *channel_create(struct registry *registry, const struct channel_profile *profile, const char *pattern,
                               size_t pattern_len)
{
    struct channel *channel = check_calloc(1, sizeof(*channel));
    channel->registry = registry;
    channel->profile = *profile;
    channel->pattern = check_malloc(pattern_len + 1);
    memcpy(channel->pattern, pattern, pattern_len);
    channel->pattern[pattern_len] = '\0';
    channel->pattern_len = pattern_len;
    channel->literal = !subject_has_wildcard(pattern, pattern_len);
    channel->key_len = registry_key_size(pattern_len);
    channel->key = check_malloc(channel->key_len);
    registry_key(channel->key, profile, pattern, pattern_len);
    CHECK(pthread_mutex_init(&channel->lock, NULL) == 0);
    channel_ring_init(channel, &channel->ring);
    channel->fill_want = UINT64_MAX;
    channel->followers = check_calloc(registry->mailbox_count, sizeof(struct channel_follower *));
    return channel;
}

void channel_ring_init(const struct channel *channel, struct ring *ring)
{
    *ring = (struct ring){
        .budget = &channel->registry->budget,
        .event = channel->profile.event,
        .format = channel->profile.format,
        .with_subjects = !channel->literal,
        .events_max = channel->profile.events,
        .bytes_max = channel->profile.bytes,
    };
    ring_init(ring);
}

void channel_destroy(struct channel *channel)
{
    ring_dispose(&channel->ring);
    pthread_mutex_destroy(&channel->lock);
    free(channel->followers);
    free(channel->key);
    free(channel->pattern);
    free(channel);
}

/* What came in before the channel was open is below its floor, and may go without moving it. */
static void note_evicted(struct channel *channel)
{
    uint64_t evicted = channel->ring.evicted;
    if (channel->bottom < evicted)
        channel->bottom = evicted;
    if (channel->floor < evicted)
        channel->floor = evicted;
}

/* Nobody reclaims fast enough: this one stops growing, and keeps what is newest. */
static void shed(struct channel *channel, int64_t balance)
{
    uint64_t events = ring_shed(&channel->ring, balance);
    metrics_add_shared(METRIC_HISTORY_EVICTED, (int64_t)events);
}

/* Both locks held. */
static void append_event(struct channel *channel, uint64_t sequence, const struct message *message)
{
    struct source *source = channel->profile.source;
    struct event_id id = {.incarnation = 0};
    if (channel->profile.store != POLICY_STORE_NONE)
        id = source_id(source, sequence);
    int64_t balance = channel->ring.balance;
    ring_append(&channel->ring, source->encoding, id, sequence, message);
    if (channel->ring.balance > balance && budget_is_far_over(&channel->registry->budget))
        shed(channel, balance);
    note_evicted(channel);
}

static void append_mark(struct channel *channel, uint64_t sequence)
{
    ring_append_mark(&channel->ring, sequence, 0);
    note_evicted(channel);
}

void channel_mark_followers(struct channel *channel, uint64_t *wake)
{
    struct registry *registry = channel->registry;
    for (unsigned i = 0; i != registry->mailbox_count; ++i) {
        if (channel->followers[i] != NULL) {
            mailbox_mark(registry->mailboxes[i], &channel->followers[i]->mark);
            *wake |= (uint64_t)1 << i;
        }
    }
}

uint64_t channel_trim(struct channel *channel, uint64_t bytes, int64_t before_ns, uint64_t *events)
{
    uint64_t wake = 0;
    pthread_mutex_lock(&channel->lock);
    uint64_t tail = channel->ring.tail;
    uint64_t freed = ring_trim(&channel->ring, bytes, before_ns);
    note_evicted(channel);
    *events = channel->ring.tail - tail;
    if (*events != 0)
        channel_mark_followers(channel, &wake);
    pthread_mutex_unlock(&channel->lock);
    registry_wake(channel->registry, wake);
    return freed;
}

/* The source's lock is held: the horizon only moves forward. */
static void publish_horizon(struct source *source, uint64_t sequence)
{
    source->sequence = sequence;
    atomic_store_explicit(&source->published, sequence, memory_order_release);
}

/* The source's lock is held. */
static void append_to_all(struct channel *const *channels, size_t count, uint64_t sequence,
                          const struct message *message, uint64_t *wake)
{
    int64_t now_ns = count != 0 ? clock_mono_coarse_ns() : 0;
    for (size_t i = 0; i != count; ++i) {
        struct channel *channel = channels[i];
        channel_touch(channel, now_ns);
        pthread_mutex_lock(&channel->lock);
        if (message != NULL)
            append_event(channel, sequence, message);
        else
            append_mark(channel, sequence);
        channel_mark_followers(channel, wake);
        pthread_mutex_unlock(&channel->lock);
    }
}

void channel_append(struct channel *channel, const struct message *message)
{
    struct source *source = channel->profile.source;
    uint64_t wake = 0;

    metrics_add_shared(METRIC_MESSAGES_RECEIVED, 1);
    if (!message_is_for_readers(message))
        return;
    pthread_mutex_lock(&source->lock);
    uint64_t sequence = source->sequence + 1;
    append_to_all(&channel, 1, sequence, message, &wake);
    publish_horizon(source, sequence);
    pthread_mutex_unlock(&source->lock);
    registry_wake(channel->registry, wake);
}

void source_append(struct source *source, uint64_t sequence, const struct message *message,
                   struct channel *const *channels, size_t count)
{
    uint64_t wake = 0;

    metrics_add_shared(METRIC_MESSAGES_RECEIVED, 1);
    if (!message_is_for_readers(message))
        count = 0;
    pthread_mutex_lock(&source->lock);
    CHECK(sequence >= source->sequence);
    append_to_all(channels, count, sequence, message, &wake);
    publish_horizon(source, sequence);
    pthread_mutex_unlock(&source->lock);
    if (count != 0)
        registry_wake(channels[0]->registry, wake);
}

void source_append_late(struct source *source, uint64_t sequence, const struct message *message,
                        struct channel *const *channels, size_t count)
{
    uint64_t wake = 0;

    metrics_add_shared(METRIC_MESSAGES_RECEIVED, 1);
    if (!message_is_for_readers(message) || count == 0)
        return;
    pthread_mutex_lock(&source->lock);
    CHECK(sequence <= source->sequence);
    append_to_all(channels, count, sequence, message, &wake);
    pthread_mutex_unlock(&source->lock);
    registry_wake(channels[0]->registry, wake);
}

bool channel_has(struct channel *channel, uint64_t sequence)
{
    pthread_mutex_lock(&channel->lock);
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
    pthread_mutex_unlock(&channel->lock);
    return has;
}

void source_advance(struct source *source, uint64_t sequence)
{
    pthread_mutex_lock(&source->lock);
    if (sequence > source->sequence)
        publish_horizon(source, sequence);
    pthread_mutex_unlock(&source->lock);
}

void channels_lost(struct source *source, struct channel *const *channels, size_t count)
{
    if (count == 0)
        return;
    uint64_t wake = 0;
    pthread_mutex_lock(&source->lock);
    uint64_t sequence = source->sequence + 1;
    append_to_all(channels, count, sequence, NULL, &wake);
    publish_horizon(source, sequence);
    pthread_mutex_unlock(&source->lock);
    registry_wake(channels[0]->registry, wake);
}

void channels_lost_at(struct source *source, struct channel *const *channels, size_t count, uint64_t sequence)
{
    uint64_t wake = 0;
    pthread_mutex_lock(&source->lock);
    CHECK(sequence >= source->sequence);
    append_to_all(channels, count, sequence, NULL, &wake);
    publish_horizon(source, sequence);
    pthread_mutex_unlock(&source->lock);
    if (count != 0)
        registry_wake(channels[0]->registry, wake);
}

uint64_t source_begin_epoch(struct source *source, uint64_t incarnation, struct channel *const *channels, size_t count)
{
    uint64_t wake = 0;
    pthread_mutex_lock(&source->lock);
    bool is_first = atomic_load(&source->epoch) == NULL;
    uint64_t base = is_first ? 0 : source->sequence + 1;
    source_push_epoch(source, base, incarnation);
    atomic_store(&source->first, base + 1);
    append_to_all(channels, is_first ? 0 : count, base, NULL, &wake);
    publish_horizon(source, base);
    pthread_mutex_unlock(&source->lock);
    if (wake != 0)
        registry_wake(channels[0]->registry, wake);
    return base;
}

/*
 * Open takes a number of its own: whoever has a cursor from before it may have
 * missed what the source was not yet asked for, or did not deliver yet.
 */
void channel_opened(struct channel *channel)
{
    struct source *source = channel->profile.source;
    uint64_t wake = 0;
    pthread_mutex_lock(&source->lock);
    pthread_mutex_lock(&channel->lock);
    if (channel->state == CHANNEL_PENDING) {
        channel->state = CHANNEL_OPEN;
        channel->floor = ++source->sequence;
        channel->bottom = channel->floor;
        channel_mark_followers(channel, &wake);
    }
    pthread_mutex_unlock(&channel->lock);
    publish_horizon(source, source->sequence);
    pthread_mutex_unlock(&source->lock);
    registry_wake(channel->registry, wake);
}

void channel_opened_at(struct channel *channel, uint64_t floor)
{
    uint64_t wake = 0;
    pthread_mutex_lock(&channel->lock);
    if (channel->state == CHANNEL_PENDING) {
        channel->state = CHANNEL_OPEN;
        if (channel->floor < floor)
            channel->floor = floor;
        channel_mark_followers(channel, &wake);
    }
    pthread_mutex_unlock(&channel->lock);
    registry_wake(channel->registry, wake);
}

void channel_denied(struct channel *channel)
{
    uint64_t wake = 0;
    pthread_mutex_lock(&channel->lock);
    if (channel->state != CHANNEL_DENIED) {
        channel->state = CHANNEL_DENIED;
        channel->denied_ns = clock_mono_ns();
        channel_mark_followers(channel, &wake);
    }
    pthread_mutex_unlock(&channel->lock);
    registry_wake(channel->registry, wake);
}

const char *channel_pattern(const struct channel *channel)
{
    return channel->pattern;
}

void channel_set_source_data(struct channel *channel, void *data)
{
    channel->source_data = data;
}

void *channel_source_data(const struct channel *channel)
{
    return channel->source_data;
}
