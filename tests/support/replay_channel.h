/* replay_channel.h - stands in for the core's channels and fills, for programs with replay_rig.h */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_REPLAY_CHANNEL_H
#define TESTS_SUPPORT_REPLAY_CHANNEL_H

/* Included by exactly one file of a program, since it defines functions of the core's. */

#include "tests/support/replay_rig.h"

/* Records the events it is filled with. */
struct channel {
    char pattern[64];
    uint64_t end;
    uint32_t capacity;
    pthread_mutex_t lock;
    unsigned filled, closed;
    uint64_t after, added, first, last;
    _Atomic uint64_t adds; /* so far */
    bool slow;             /* takes each event slowly */
};

struct fill {
    struct channel *channel;
    uint64_t added, first, last;
};

struct fill *fill_create(struct channel *channel)
{
    struct fill *fill = calloc(1, sizeof(*fill));
    fill->channel = channel;
    return fill;
}

uint64_t fill_end(const struct fill *fill)
{
    return fill->channel->end;
}

uint32_t fill_capacity(const struct fill *fill)
{
    return fill->channel->capacity;
}

void fill_add(struct fill *fill, struct encoding *encoding, uint64_t sequence, const struct message *message)
{
    (void)encoding;
    REQUIRE(sequence > fill->last && sequence <= fill->channel->end);
    REQUIRE(strtoull(message->data, NULL, 10) == sequence - rig.base);
    fill->first = fill->added == 0 ? sequence : fill->first;
    fill->last = sequence;
    ++fill->added;
    ++fill->channel->adds;
    if (fill->channel->slow)
        sleep_ms(1);
}

void fill_destroy(struct fill *fill)
{
    free(fill);
}

void fill_finish(struct fill *fill, uint64_t after)
{
    struct channel *channel = fill->channel;
    pthread_mutex_lock(&channel->lock);
    ++channel->filled;
    channel->after = after;
    channel->added = fill->added;
    channel->first = fill->first;
    channel->last = fill->last;
    pthread_mutex_unlock(&channel->lock);
    free(fill);
}

void ingress_closed(struct channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    ++channel->closed;
    pthread_mutex_unlock(&channel->lock);
}

const char *ingress_pattern(const struct channel *channel)
{
    return channel->pattern;
}

static inline struct channel *make_channel(const char *pattern, uint64_t end, uint32_t capacity)
{
    struct channel *channel = calloc(1, sizeof(*channel));
    snprintf(channel->pattern, sizeof(channel->pattern), "%s", pattern);
    pthread_mutex_init(&channel->lock, NULL);
    channel->end = end;
    channel->capacity = capacity;
    return channel;
}

static inline void free_channel(struct channel *channel)
{
    pthread_mutex_destroy(&channel->lock);
    free(channel);
}

static inline unsigned channel_count(struct channel *channel, const unsigned *count)
{
    pthread_mutex_lock(&channel->lock);
    unsigned value = *count;
    pthread_mutex_unlock(&channel->lock);
    return value;
}

#endif
