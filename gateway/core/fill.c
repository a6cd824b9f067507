/* fill.c - older events on their way into a channel's ring */
/* SPDX-License-Identifier: MIT */
#include "gateway/core/fill.h"

#include <stdlib.h>

#include "gateway/base/check.h"
#include "gateway/base/lock.h"
#include "gateway/core/channel.h"
#include "gateway/core/encode.h"
#include "gateway/core/message.h"
#include "gateway/core/registry.h"
#include "gateway/core/reserved.h"
#include "proto/subject.h"

struct fill {
    struct channel *channel;
    struct ring ring;
    uint64_t end;
};

enum fill_reach fill_reach(struct channel *channel, uint64_t after)
{
    struct source *source = channel->profile.source;
    enum fill_reach reach = FILL_WAITS;
    bool starts = false;
    lock_take(&channel->lock);
    if (after >= channel->floor) {
        reach = FILL_REACHES;
    } else if (after < channel->bottom || source->ops->fill == NULL) {
        reach = FILL_TOO_SHORT;
    } else {
        if (channel->fill_want > after)
            channel->fill_want = after;
        starts = !channel->filling;
        if (starts) {
            channel->filling = true;
            channel->fill_after = channel->fill_want;
            channel->fill_want = UINT64_MAX;
        }
    }
    uint64_t fill_after = channel->fill_after;
    lock_give(&channel->lock);
    if (starts)
        source->ops->fill(source, channel, fill_after);
    return reach;
}

struct fill *fill_create(struct channel *channel)
{
    struct fill *fill = check_calloc(1, sizeof(*fill));
    fill->channel = channel;
    channel_ring_init(channel, &fill->ring);
    lock_take(&channel->lock);
    fill->end = channel->floor;
    lock_give(&channel->lock);
    return fill;
}

uint64_t fill_end(const struct fill *fill)
{
    return fill->end;
}

uint32_t fill_capacity(const struct fill *fill)
{
    return fill->ring.events_max;
}

static bool is_for_readers(struct channel *channel, const struct message *message)
{
    return message->subject_len <= SUBJECT_MAX &&
           !(channel_is_guarded(channel) && reserved_has(message->subject, message->subject_len));
}

void fill_add(struct fill *fill, struct encoding *encoding, uint64_t sequence, const struct message *message)
{
    if (sequence <= fill->end && is_for_readers(fill->channel, message))
        ring_append(&fill->ring, encoding, source_id(fill->channel->profile.source, sequence), sequence, message);
}

void fill_destroy(struct fill *fill)
{
    ring_dispose(&fill->ring);
    free(fill);
}

/* The lock is held. What the floor has passed meanwhile is no use, nor is what is older than that. */
static void take_fill(struct channel *channel, struct fill *fill, uint64_t after)
{
    CHECK_HELD(&channel->lock);
    if (channel->floor > fill->end)
        return;
    uint64_t gone = atomic_load(&channel->profile.source->first) - 1;
    if (gone > channel->floor)
        gone = channel->floor; /* what came since then is in the ring */
    if (channel->hole < gone)
        channel->hole = gone;
    uint64_t left_out = ring_prepend(&channel->ring, &fill->ring);
    if (left_out > after)
        after = left_out;
    if (after > channel->fill_after) /* the ring is full, or what is older was too much */
        channel->bottom = after;
    channel->floor = after;
}

void fill_finish(struct fill *fill, uint64_t after)
{
    struct channel *channel = fill->channel;
    uint64_t wake = 0;
    lock_take(&channel->lock);
    CHECK(channel->filling);
    channel->filling = false;
    ++channel->fills;
    take_fill(channel, fill, after);
    channel_mark_followers(channel, &wake);
    lock_give(&channel->lock);
    registry_wake(channel->registry, wake);
    fill_destroy(fill);
}
