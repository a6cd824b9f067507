/* js_channels.c - the channels of a JetStream source, and which of them a subject concerns */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_channels.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/check.h"
#include "gateway/core/ingress.h"
#include "gateway/source/jetstream/js_state.h"

void js_channels_index(struct js_source *source, struct js_channel *channel)
{
    CHECK_HELD(&source->live.lock);
    const char *pattern = ingress_pattern(channel->channel);
    subject_index_add(source->live.index, pattern, strlen(pattern), channel->channel);
    channel->is_indexed = true;
}

/* All that comes from here on goes into the channel. */
static void take_in_channel(struct js_source *source, struct js_channel *channel)
{
    struct js_live *live = &source->live;
    js_channels_index(source, channel);
    channel->floor = channel->known = live->horizon;
    if (live->has_horizon)
        ingress_opened_at(channel->channel, live->horizon);
}

void js_channels_take_in(struct js_source *source)
{
    CHECK_HELD(&source->live.lock);
    struct js_live *live = &source->live;
    CHECK_HELD(&live->lock);
    for (struct list *node = live->channels.next; node != &live->channels; node = node->next) {
        struct js_channel *channel = LIST_ENTRY(node, struct js_channel, node);
        if (!channel->is_indexed)
            take_in_channel(source, channel);
    }
}

/* Control subscribes for it. */
static void begin_republished(struct js_source *source, struct js_channel *channel)
{
    CHECK_HELD(&source->live.lock);
    struct js_republish *republish = &source->republish;
    list_init(&channel->unfed);
    if (!republish->is_wanted)
        return;
    ++republish->unconfirmed;
    list_append(&republish->unfed, &channel->unfed);
    js_inbox_wake(&source->inbox);
}

static void end_republished(struct js_source *source, struct js_channel *channel)
{
    struct js_republish *republish = &source->republish;
    if (!republish->is_wanted)
        return;
    list_remove(&channel->unfed);
    if (!channel->is_confirmed)
        --republish->unconfirmed;
    if (channel->feed != NULL)
        channel->feed->owner = NULL; /* control ends the subscription */
    js_inbox_wake(&source->inbox);
}

void js_channels_open(struct js_source *source, struct channel *channel)
{
    struct js_live *live = &source->live;
    struct js_channel *opened = check_calloc(1, sizeof(*opened));
    opened->channel = channel;
    list_init(&opened->node);
    ingress_set_source_data(channel, opened);
    lock_take(&live->lock);
    list_append(&live->channels, &opened->node);
    ++live->channel_count;
    begin_republished(source, opened);
    if (source->republish.mode == JS_BY_CONSUMER)
        take_in_channel(source, opened);
    lock_give(&live->lock);
}

void js_channels_close(struct js_source *source, struct channel *channel)
{
    struct js_live *live = &source->live;
    struct js_channel *closed = ingress_source_data(channel);
    const char *pattern = ingress_pattern(channel);
    lock_take(&live->lock);
    if (closed->is_indexed)
        subject_index_remove(live->index, pattern, strlen(pattern), channel);
    list_remove(&closed->node);
    --live->channel_count;
    end_republished(source, closed);
    lock_give(&live->lock);
    free(closed);
}

struct channel **js_channels_list(struct js_live *live)
{
    CHECK_HELD(&live->lock);
    struct channel **channels = check_calloc(live->channel_count + 1, sizeof(struct channel *));
    size_t count = 0;
    for (struct list *node = live->channels.next; node != &live->channels; node = node->next)
        channels[count++] = LIST_ENTRY(node, struct js_channel, node)->channel;
    CHECK(count == live->channel_count);
    return channels;
}
