/* channel.c - one NATS filter: a bounded log of encoded events, and its followers */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/channel.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/base/clock.h"
#include "gateway/base/lock.h"
#include "gateway/base/metrics.h"
#include "gateway/core/message.h"
#include "gateway/core/registry.h"
#include "gateway/core/reserved.h"
#include "proto/subject.h"

size_t channel_key_size(size_t pattern_len)
{
    return sizeof(struct channel_profile) + pattern_len;
}

void channel_key(char *key, const struct channel_profile *profile, const char *pattern, size_t pattern_len)
{
    /* field by field into zeroed memory: padding must not tell equal profiles apart */
    struct channel_profile clean;
    memset(&clean, 0, sizeof(clean));
    clean.source = profile->source;
    clean.store = profile->store;
    clean.event = profile->event;
    clean.format = profile->format;
    clean.events = profile->events;
    clean.bytes = profile->bytes;
    clean.linger_ns = profile->linger_ns;
    memcpy(key, &clean, sizeof(clean));
    memcpy(key + sizeof(clean), pattern, pattern_len);
}

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
    channel_is_guarded(channel);
    channel->key_len = channel_key_size(pattern_len);
    channel->key = check_malloc(channel->key_len);
    channel_key(channel->key, profile, pattern, pattern_len);
    lock_init(&channel->lock);
    channel_ring_init(channel, &channel->ring);
    channel->fill_want = UINT64_MAX;
    channel->followers = check_calloc(registry->mailbox_count, sizeof(struct channel_follower *));
    return channel;
}

bool channel_is_guarded(struct channel *channel)
{
    return reserved_may_match(channel->pattern, channel->pattern_len, &channel->reserved);
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
    lock_dispose(&channel->lock);
    free(channel->followers);
    free(channel->key);
    free(channel->pattern);
    free(channel);
}

/* What came in before the channel was open is below its floor, and may go without moving it. */
void channel_note_evicted(struct channel *channel)
{
    CHECK_HELD(&channel->lock);
    uint64_t evicted = channel->ring.evicted;
    if (channel->bottom < evicted)
        channel->bottom = evicted;
    if (channel->floor < evicted)
        channel->floor = evicted;
}

void channel_mark_followers(struct channel *channel, uint64_t *wake)
{
    CHECK_HELD(&channel->lock);
    struct registry *registry = channel->registry;
    for (unsigned i = 0; i != registry->mailbox_count; ++i) {
        if (channel->followers[i] != NULL) {
            mailbox_mark(registry->mailboxes[i], &channel->followers[i]->mark);
            *wake |= (uint64_t)1 << i;
        }
    }
}

uint64_t channel_trim(struct channel *channel, uint64_t bytes, int64_t before_ns, uint64_t *events, uint64_t *wake)
{
    lock_take(&channel->lock);
    uint64_t tail = channel->ring.tail;
    uint64_t freed = ring_trim(&channel->ring, bytes, before_ns);
    channel_note_evicted(channel);
    *events = channel->ring.tail - tail;
    if (*events != 0)
        channel_mark_followers(channel, wake);
    lock_give(&channel->lock);
    return freed;
}
